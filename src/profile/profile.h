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

typedef struct hd_profiler
    hd_profiler;                      // what profiles of one catalogue share; many threads may read
typedef struct hd_profile hd_profile; // one user's
typedef struct hd_segments
    hd_segments; // the fitted segmentation: scaling, seeded k-means, a name for each segment

// items: borrowed, must outlive the profiler and its profiles. signals: weight of an event type.
// zone: of the active hours (NULL: UTC). now: the instant the profiles speak of; events and reviews
// later than it don't count.
typedef struct hd_profile_input {
    const hd_items *items;
    hd_signals signals;
    const hd_zone *zone;
    hd_time now;
} hd_profile_input;
heed_err hd_profiler_new(const hd_profile_input *input, hd_profiler **out) HEED_CHECK;
void hd_profiler_free(hd_profiler *profiler);

// Builds from a user's events and reviews, both in time order. They are read, not kept.
heed_err hd_profile_new(const hd_profiler *profiler, const hd_door_event *events, size_t n_events,
                        const hd_door_review *reviews, size_t n_reviews,
                        hd_profile **out) HEED_CHECK;
void hd_profile_free(hd_profile *profile);

// The profile as one vector, in natural units. Names and length are the same for every catalogue.
size_t hd_profile_vector_len(void);
const char *hd_profile_vector_name(size_t i);
void hd_profile_vector(const hd_profile *profile, double *out); // NaN: not known

// {"recency": {…, "evidence": [event keys]}, "frequency": …, "monetary": {"by_currency":
// [{"currency", "net", …}]}, "active_hours", "browsing", "ratings", "categories", "brands",
// "price_band", "drift", "segment": {"id", "name", "distance"}, "vector": {name: value}}. What
// isn't known is null, "segment" too when segments is NULL. The README tells the whole shape.
heed_err hd_profile_json(const hd_profile *profile, const hd_segments *segments, heed_lang lang,
                         json_t **out) HEED_CHECK;

// Fits segments over vectors (n, hd_profile_vector_len()), k chosen by silhouette in 2 .. 8 when k
// is 0. HEED_INPUT when there are fewer than two different users.
heed_err hd_segments_fit(const double *vectors, size_t n, size_t k, uint64_t seed, hd_pool *pool,
                         hd_segments **out) HEED_CHECK;
// The segment whose centre is nearest; distance: in standard deviations of a fact, may be NULL.
heed_err hd_segments_assign(const hd_segments *segments, const double *vector, size_t *id,
                            double *distance) HEED_CHECK;
size_t hd_segments_count(const hd_segments *segments);
double hd_segments_silhouette(const hd_segments *segments); // −1 .. 1: how well they stand apart
// What sets a segment apart, in a few words: "frequent buyers, high spend". No two are the same.
const char *hd_segments_name(const hd_segments *segments, size_t id, heed_lang lang);
// [{"id", "name", "users", "share", "centre": {name: mean in natural units}, "distinct":
// [{"dimension", "direction": "high" or "low", "deviation", "text"}]}], the largest segment first.
heed_err hd_segments_json(const hd_segments *segments, heed_lang lang, json_t **out) HEED_CHECK;
// Adds tensors "segments.…" to a file. The segments must live until it is written.
heed_err hd_segments_save(const hd_segments *segments, hd_safetensors_writer *out) HEED_CHECK;
// HEED_VERSION when the file's dimensions aren't those of this heed, HEED_CORRUPT when it is
// damaged.
heed_err hd_segments_load(const hd_safetensors *in, hd_segments **out) HEED_CHECK;
void hd_segments_free(hd_segments *segments);

#endif
