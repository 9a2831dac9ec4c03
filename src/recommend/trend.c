// SPDX-License-Identifier: Apache-2.0
//
// Exponential decay:
//
//     score(j) = Σ over events e at j of w(e) · 2^(−(T − t(e)) / h)      T: the newest time seen
//
// Decay by a factor keeps the order of items whatever T is, so sums are kept for a base instant and
// moved to a later one only when events have left it many half-lives behind, and nothing needs to
// be counted anew as time goes by. A window of fixed length would have to take events out again.
//
// Exponential smoothing: Brown, "Statistical Forecasting for Inventory Control" (1959); forward
// decay, which fixes the base instead of the present: Cormode et al., ICDE 2009.
#include "recommend/trend.h"

#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "recommend/past.h"

static const double far = 64; // half-lives from the base at which it moves

typedef struct place {
    double timed;   // decayed to the base
    double untimed; // Σ w
} place;

struct hd_trend {
    double half_life; // ms
    hd_imap at;       // item key -> its place
    place *places;    // (at.count)
    size_t cap;
    hd_time base, newest; // HD_TIME_NONE: nothing has a time yet
    size_t n_timed, n_untimed;
};

heed_err hd_trend_new(double half_life_days, hd_trend **out) {
    hd_trend *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    t->half_life = half_life_days * (double)HD_DAY_MS;
    t->base = t->newest = HD_TIME_NONE;
    hd_imap_init(&t->at);
    *out = t;
    return HEED_OK;
}

void hd_trend_free(hd_trend *t) {
    if (!t) return;
    hd_imap_clear(&t->at);
    hd_free(t->places);
    hd_free(t);
}

static void move_base(hd_trend *t, hd_time base) {
    double factor = exp2(-(double)(base - t->base) / t->half_life);
    for (size_t i = 0; i < t->at.count; i++) t->places[i].timed *= factor;
    t->base = base;
}

static void add_timed(hd_trend *t, place *at, double weight, hd_time time) {
    if (t->base == HD_TIME_NONE) t->base = t->newest = time;
    if (time > t->newest) t->newest = time;
    if ((double)(time - t->base) > far * t->half_life) move_base(t, time);
    at->timed += weight * exp2((double)(time - t->base) / t->half_life);
    t->n_timed++;
}

heed_err hd_trend_add(hd_trend *t, int64_t item_key, double weight, hd_time time, hd_time now) {
    uint64_t *at;
    bool added;
    if (!(weight > 0) || !isfinite(weight)) return HEED_OK;
    HD_TRY(hd_grow(&t->places, &t->cap, t->at.count + 1, sizeof *t->places));
    HD_TRY(hd_imap_slot(&t->at, (uint64_t)item_key, t->at.count, &at, &added));
    if (added) t->places[*at] = (place){0};
    if (time == HD_TIME_NONE) {
        t->places[*at].untimed += weight;
        t->n_untimed++;
    } else {
        add_timed(t, &t->places[*at], weight, time < now ? time : now);
    }
    return HEED_OK;
}

size_t hd_trend_events(const hd_trend *t) {
    return t->n_timed ? t->n_timed : t->n_untimed;
}

hd_time hd_trend_newest(const hd_trend *t) {
    return t->newest;
}

static size_t trending_n_items(const hd_model *model) {
    return ((const hd_trend_model *)model)->items->n;
}

static heed_err trending_score(const hd_model *model, const hd_history *history, float *scores) {
    (void)history;
    const hd_trend_model *m = model;
    const hd_trend *t = m->trend;
    double factor = t->n_timed ? exp2(-(double)(t->newest - t->base) / t->half_life) : 0;
    for (size_t i = 0; i < m->items->n; i++) {
        uint64_t at;
        bool known = hd_imap_get(&t->at, (uint64_t)m->items->items[i].key, &at);
        double score = !known       ? 0
                       : t->n_timed ? t->places[at].timed * factor
                                    : t->places[at].untimed;
        scores[i] = (float)score;
    }
    return HEED_OK;
}

const hd_method hd_method_trending = {
    .name = "trending",
    .doc = HD_TEXT("What most happens at of late, an event counting less as it grows old.",
                   "近来发生最多的商品，事件越旧分量越小。"),
    .brief = HD_TEXT("trending", "近来热门"),
    .source = "Cormode et al., ICDE 2009",
    .n_items = trending_n_items,
    .score = trending_score,
    .reasons = hd_no_reasons,
};
