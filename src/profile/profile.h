// SPDX-License-Identifier: Apache-2.0
//
// What is known of a user, each fact with its evidence: computed at request time from the events
// behind the door, and the same code over all users when segments are trained. Nothing per user is
// kept.
#ifndef HD_PROFILE_PROFILE_H
#define HD_PROFILE_PROFILE_H

#include "base/json.h"
#include "base/pool.h"
#include "catalog/catalog.h"
#include "privacy/door.h"
#include "tensor/safetensors.h"

enum { HD_PROFILE_TOP = 5, HD_PROFILE_EVIDENCE = 5 };

typedef struct hd_profile hd_profile; // one user's; borrowed parts live as long as it does
typedef struct hd_segments
    hd_segments; // the fitted segmentation: scaling, seeded k-means, a name for each segment

// Builds from a user's events and reviews. now: the instant the profile speaks of. zone: of the
// active hours (NULL: UTC).
typedef struct hd_profile_input {
    const hd_items *items;
    hd_signals signals;
    const hd_zone *zone;
    hd_time now;
} hd_profile_input;
heed_err hd_profile_new(const hd_profile_input *input, const hd_door_event *events, size_t n_events,
                        const hd_door_review *reviews, size_t n_reviews,
                        hd_profile **out) HEED_CHECK;
void hd_profile_free(hd_profile *profile);

// The profile as one vector: names and length are fixed by the input's catalogue and
// hd_profile_vector_names.
size_t hd_profile_vector_len(void);
const char *hd_profile_vector_name(size_t i);
void hd_profile_vector(const hd_profile *profile, double *out); // NaN: not known

// {"recency_days": {"value", "evidence": [event keys]}, "frequency", "monetary": [{"currency",
// "value", …}], "active_hours", …,
//  "segment": {"id", "name", "distance"}, "vector": […]}. segments may be NULL.
heed_err hd_profile_json(const hd_profile *profile, const hd_segments *segments, heed_lang lang,
                         json_t **out) HEED_CHECK;

// Fits segments over vectors (n, hd_profile_vector_len()), k chosen by silhouette in 2 .. 8 when k
// is 0.
heed_err hd_segments_fit(const double *vectors, size_t n, size_t k, uint64_t seed, hd_pool *pool,
                         hd_segments **out) HEED_CHECK;
heed_err hd_segments_assign(const hd_segments *segments, const double *vector, size_t *id,
                            double *distance) HEED_CHECK;
heed_err hd_segments_json(const hd_segments *segments, heed_lang lang, json_t **out)
    HEED_CHECK; // [{"id", "name", "users", "share", "centre": {…}, "distinct": […]}]
heed_err hd_segments_save(const hd_segments *segments, hd_safetensors_writer *out) HEED_CHECK;
heed_err hd_segments_load(const hd_safetensors *in, hd_segments **out) HEED_CHECK;
void hd_segments_free(hd_segments *segments);

#endif
