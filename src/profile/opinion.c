// SPDX-License-Identifier: Apache-2.0
//
// What the user thinks of things: mean rating and number of reviews. Ratings come as events and
// with reviews, and a review is often stored as both; so each item counts once, with its latest
// rating.
#include <math.h>

#include "base/json.h"
#include "profile/fact.h"

typedef struct latest {
    hd_time time;
    double rating;
} latest;

// Item key -> index into the ratings found; a rating of nothing in particular counts by itself.
typedef struct opinions {
    hd_imap by_item;
    latest *list; // (n), room for all events and reviews
    size_t n;
} opinions;

static heed_err add(opinions *o, int64_t item_key, hd_time time, double rating) {
    size_t at = o->n;
    if (item_key != 0) {
        uint64_t *place;
        HD_TRY(hd_imap_slot(&o->by_item, (uint64_t)item_key, o->n, &place, NULL));
        at = (size_t)*place;
    }
    if (at == o->n) {
        o->list[o->n++] = (latest){time, rating};
    } else if (time >= o->list[at].time) {
        o->list[at] = (latest){time, rating};
    }
    return HEED_OK;
}

static heed_err collect(const hd_fact_input *in, opinions *o, hd_ratings *out) {
    for (size_t i = 0; i < in->n_acts; i++) {
        const hd_door_event *event = in->acts[i].event;
        if (in->acts[i].role != HD_ROLE_RATING || !isfinite(event->value)) continue;
        HD_TRY(add(o, event->item_key, event->time, event->value));
        hd_evidence_add(&out->events, event->key, (double)i);
    }
    for (size_t i = 0; i < in->n_reviews; i++) {
        const hd_door_review *review = &in->reviews[i];
        hd_evidence_add(&out->review_keys, review->key, (double)i);
        if (isfinite(review->rating))
            HD_TRY(add(o, review->item_key, review->time, review->rating));
    }
    return HEED_OK;
}

static heed_err ratings_compute(const hd_fact_input *in, hd_profile *out) {
    hd_ratings *r = &out->ratings;
    *r = (hd_ratings){.reviews = in->n_reviews, .mean = NAN};
    opinions o = {0};
    hd_imap_init(&o.by_item);
    o.list = hd_arena_calloc(&out->arena, in->n_acts + in->n_reviews, sizeof *o.list);
    heed_err err = o.list ? collect(in, &o, r) : HD_FAIL_MEMORY(0);
    hd_imap_clear(&o.by_item);
    if (err != HEED_OK || o.n == 0) return err;
    double sum = 0.0;
    for (size_t i = 0; i < o.n; i++) sum += o.list[i].rating;
    r->n = o.n;
    r->mean = sum / (double)o.n;
    return HEED_OK;
}

static bool ratings_known(const hd_profile *p) {
    return p->ratings.n + p->ratings.reviews > 0;
}

static heed_err ratings_json(const hd_profile *profile, json_t *object) {
    const hd_ratings *r = &profile->ratings;
    HD_TRY(hd_json_set(object, "mean", hd_json_real(r->mean)));
    HD_TRY(hd_json_set(object, "items", json_integer((json_int_t)r->n)));
    HD_TRY(hd_json_set(object, "reviews", json_integer((json_int_t)r->reviews)));
    HD_TRY(hd_evidence_set(object, "evidence", &r->events));
    return hd_evidence_set(object, "review_evidence", &r->review_keys);
}

static double mean_rating(const hd_profile *p) {
    return p->ratings.mean;
}
static double n_ratings(const hd_profile *p) {
    return (double)p->ratings.n;
}

static const hd_dimension ratings_dimensions[] = {
    {.name = "mean_rating",
     .more = HD_TEXT("generous ratings", "评分偏高"),
     .less = HD_TEXT("strict ratings", "评分偏严"),
     .get = mean_rating},
    {.name = "ratings",
     .more = HD_TEXT("many ratings", "评价多"),
     .less = HD_TEXT("few ratings", "评价少"),
     .skewed = true,
     .get = n_ratings},
};
const hd_fact hd_fact_ratings = {"ratings",    ratings_compute,    ratings_known,
                                 ratings_json, ratings_dimensions, 2};
