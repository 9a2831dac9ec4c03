// SPDX-License-Identifier: Apache-2.0
//
// What the user likes: categories and brands by the decayed weight of the signals, and whether that
// changes.
//
// An event's weight is shared evenly among its item's categories, so that an item of many
// categories says no more than one of a few. Drift is the Jensen–Shannon divergence (Lin,
// "Divergence measures based on the Shannon entropy", IEEE Trans. IT 37, 1991) between the category
// shares of two periods:
//     JSD(P, Q) = H((P + Q) / 2) − (H(P) + H(Q)) / 2,  in bits: 0 the same, 1 nothing in common.
// Recent is the last 30 days up to the user's last event (so that somebody who comes back after a
// year is still compared), or, where there are no times, the last quarter of the events. Both
// periods need DRIFT_MIN events, as shares of a few events differ by chance.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "profile/fact.h"

enum { DRIFT_MIN = 5, CHANGES = 3 };
static const double change_min = 0.05; // a share that moved less hasn't moved

// ── Weights by name ──

typedef struct tally {
    hd_map names; // name -> index into rows
    hd_liking *rows;
    size_t cap;
    double total;
} tally;

static void tally_clear(tally *t) {
    hd_map_clear(&t->names);
    hd_free(t->rows);
    *t = (tally){0};
}

static heed_err tally_add(tally *t, const char *name, double weight, int64_t key) {
    uint64_t *at;
    bool added;
    size_t n = t->names.count;
    HD_TRY(hd_grow(&t->rows, &t->cap, n + 1, sizeof *t->rows));
    HD_TRY(hd_map_slot(&t->names, name, strlen(name), n, &at, &added));
    hd_liking *row = &t->rows[*at];
    if (added) *row = (hd_liking){.name = name};
    row->weight += weight;
    t->total += weight;
    hd_evidence_add(&row->evidence, key, weight);
    return HEED_OK;
}

static heed_err add_categories(tally *t, const hd_act *act, double weight) {
    size_t n = act->item->n_categories;
    for (size_t c = 0; c < n; c++) {
        HD_TRY(tally_add(t, act->item->categories[c], weight / (double)n, act->event->key));
    }
    return HEED_OK;
}

static heed_err add_brand(tally *t, const hd_act *act, double weight) {
    if (!act->item->brand || act->item->brand[0] == '\0') return HEED_OK;
    return tally_add(t, act->item->brand, weight, act->event->key);
}

typedef heed_err (*add_fn)(tally *t, const hd_act *act, double weight);

static heed_err tally_acts(tally *t, const hd_act *acts, size_t n, bool decayed, add_fn add) {
    for (size_t i = 0; i < n; i++) {
        double weight = decayed ? acts[i].decayed : acts[i].weight;
        if (acts[i].item && weight > 0.0) HD_TRY(add(t, &acts[i], weight));
    }
    return HEED_OK;
}

// ── Categories and brands ──

static int heavier_first(const void *a, const void *b) {
    const hd_liking *x = a;
    const hd_liking *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return strcmp(x->name, y->name);
}

// Moves the heaviest into the profile, with names of its own.
static heed_err keep_top(tally *t, hd_arena *arena, hd_likings *out) {
    *out = (hd_likings){.different = t->names.count, .spread = NAN};
    if (t->names.count == 0) return HEED_OK;
    qsort(t->rows, t->names.count, sizeof *t->rows, heavier_first);
    out->spread = 0.0;
    for (size_t i = 0; i < t->names.count; i++) {
        double share = t->rows[i].share = t->rows[i].weight / t->total;
        if (share > 0.0) out->spread -= share * log2(share);
    }
    size_t n = t->names.count < HD_PROFILE_TOP ? t->names.count : HD_PROFILE_TOP;
    out->top = hd_arena_calloc(arena, n, sizeof *out->top);
    if (!out->top) return HD_FAIL_MEMORY(n * sizeof *out->top);
    for (; out->n < n; out->n++) {
        hd_liking *top = &out->top[out->n];
        *top = t->rows[out->n];
        top->name = hd_arena_strdup(arena, top->name);
        if (!top->name) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

static heed_err likings_compute(const hd_fact_input *in, add_fn add, hd_arena *arena,
                                hd_likings *out) {
    tally t = {0};
    hd_map_init(&t.names);
    heed_err err = tally_acts(&t, in->acts, in->n_acts, true, add);
    if (err == HEED_OK) err = keep_top(&t, arena, out);
    tally_clear(&t);
    return err;
}

static heed_err categories_compute(const hd_fact_input *in, hd_profile *out) {
    return likings_compute(in, add_categories, &out->arena, &out->categories);
}
static heed_err brands_compute(const hd_fact_input *in, hd_profile *out) {
    return likings_compute(in, add_brand, &out->arena, &out->brands);
}

static bool categories_known(const hd_profile *p) {
    return p->categories.n > 0;
}
static bool brands_known(const hd_profile *p) {
    return p->brands.n > 0;
}

static heed_err likings_json(const hd_likings *likings, json_t *object) {
    json_t *top = json_array();
    HD_TRY(hd_json_set(object, "top", top));
    for (size_t i = 0; i < likings->n; i++) {
        const hd_liking *liking = &likings->top[i];
        json_t *row = json_object();
        HD_TRY(hd_json_append(top, row));
        HD_TRY(hd_json_set(row, "name", json_string(liking->name)));
        HD_TRY(hd_json_set(row, "weight", hd_json_real(liking->weight)));
        HD_TRY(hd_json_set(row, "share", hd_json_real(liking->share)));
        HD_TRY(hd_evidence_set(row, "evidence", &liking->evidence));
    }
    HD_TRY(hd_json_set(object, "different", json_integer((json_int_t)likings->different)));
    return hd_json_set(object, "spread_bits", hd_json_real(likings->spread));
}

static heed_err categories_json(const hd_profile *profile, json_t *object) {
    return likings_json(&profile->categories, object);
}
static heed_err brands_json(const hd_profile *profile, json_t *object) {
    return likings_json(&profile->brands, object);
}

static double category_spread(const hd_profile *p) {
    return p->categories.spread;
}

static const hd_dimension categories_dimensions[] = {
    {.name = "category_spread",
     .more = HD_TEXT("wide interests", "兴趣广泛"),
     .less = HD_TEXT("few favourite categories", "偏好集中"),
     .get = category_spread},
};
const hd_fact hd_fact_categories = {"categories",    categories_compute,    categories_known,
                                    categories_json, categories_dimensions, 1};
const hd_fact hd_fact_brands = {"brands", brands_compute, brands_known, brands_json, NULL, 0};

// ── Drift ──

// Where the recent events begin.
static size_t split(const hd_fact_input *in, hd_time *since) {
    *since = HD_TIME_NONE;
    if (in->n_acts == 0) return 0;
    hd_time last = in->acts[in->n_acts - 1].event->time;
    if (last == HD_TIME_NONE) return in->n_acts - in->n_acts / 4;
    *since = last - 30 * HD_DAY_MS;
    size_t at = in->n_acts;
    while (at > 0 && in->acts[at - 1].event->time >= *since) at--;
    return at;
}

static size_t count_useful(const hd_act *acts, size_t n) {
    size_t useful = 0;
    for (size_t i = 0; i < n; i++) {
        useful += acts[i].weight > 0.0 && acts[i].item && acts[i].item->n_categories > 0;
    }
    return useful;
}

static double share_of(const tally *t, const char *name) {
    uint64_t at;
    if (!hd_map_get(&t->names, name, strlen(name), &at)) return 0.0;
    return t->rows[at].weight / t->total;
}

static double entropy_part(double share) {
    return share > 0.0 ? -share * log2(share) : 0.0;
}

// The shares of every category in both periods. all: room for the names of both.
static size_t pair_shares(const tally *before, const tally *now, hd_change *all) {
    size_t n = 0;
    for (size_t i = 0; i < before->names.count; i++) {
        const char *name = before->rows[i].name;
        all[n++] = (hd_change){name, share_of(before, name), share_of(now, name)};
    }
    for (size_t i = 0; i < now->names.count; i++) {
        const char *name = now->rows[i].name;
        double share = share_of(before, name);
        if (share == 0.0) all[n++] = (hd_change){name, share, share_of(now, name)};
    }
    return n;
}

static double divergence(const hd_change *all, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += entropy_part((all[i].before + all[i].now) / 2) -
               (entropy_part(all[i].before) + entropy_part(all[i].now)) / 2;
    }
    return fmin(fmax(sum, 0.0), 1.0);
}

static int risen_first(const void *a, const void *b) {
    const hd_change *x = a;
    const hd_change *y = b;
    double dx = x->now - x->before, dy = y->now - y->before;
    if (dx != dy) return dx > dy ? -1 : 1;
    return strcmp(x->name, y->name);
}

// Copies those of all that moved by change_min at least into the arena: the most from one end.
static heed_err keep_changes(const hd_change *all, size_t n, int sign, hd_arena *arena,
                             hd_change **out, size_t *n_out) {
    *out = hd_arena_calloc(arena, CHANGES, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(CHANGES * sizeof **out);
    for (size_t i = 0; i < n && *n_out < CHANGES; i++) {
        const hd_change *change = &all[sign > 0 ? i : n - 1 - i];
        if (sign * (change->now - change->before) < change_min) break;
        (*out)[*n_out] = *change;
        (*out)[*n_out].name = hd_arena_strdup(arena, change->name);
        if (!(*out)[*n_out].name) return HD_FAIL_MEMORY(0);
        ++*n_out;
    }
    return HEED_OK;
}

static heed_err compare(const tally *before, const tally *now, hd_arena *arena, hd_drift *d) {
    size_t room = before->names.count + now->names.count;
    hd_change *all = hd_calloc(room, sizeof *all);
    if (!all) return HD_FAIL_MEMORY(room * sizeof *all);
    size_t n = pair_shares(before, now, all);
    d->divergence = divergence(all, n);
    qsort(all, n, sizeof *all, risen_first);
    heed_err err = keep_changes(all, n, 1, arena, &d->risen, &d->n_risen);
    if (err == HEED_OK) err = keep_changes(all, n, -1, arena, &d->fallen, &d->n_fallen);
    for (size_t r = 0; r < d->n_risen && err == HEED_OK; r++) {
        uint64_t at;
        if (!hd_map_get(&now->names, d->risen[r].name, strlen(d->risen[r].name), &at)) continue;
        const hd_evidence *e = &now->rows[at].evidence;
        for (size_t i = 0; i < e->n; i++) hd_evidence_add(&d->evidence, e->key[i], e->weight[i]);
    }
    hd_free(all);
    return err;
}

static heed_err drift_compute(const hd_fact_input *in, hd_profile *out) {
    hd_drift *d = &out->drift;
    *d = (hd_drift){.divergence = NAN};
    size_t at = split(in, &d->since);
    d->before = count_useful(in->acts, at);
    d->recent = count_useful(in->acts + at, in->n_acts - at);
    if (d->before < DRIFT_MIN || d->recent < DRIFT_MIN) return HEED_OK;
    tally before = {0}, now = {0};
    hd_map_init(&before.names);
    hd_map_init(&now.names);
    heed_err err = tally_acts(&before, in->acts, at, false, add_categories);
    if (err == HEED_OK) {
        err = tally_acts(&now, in->acts + at, in->n_acts - at, false, add_categories);
    }
    if (err == HEED_OK) err = compare(&before, &now, &out->arena, d);
    tally_clear(&before);
    tally_clear(&now);
    return err;
}

static bool drift_known(const hd_profile *p) {
    return !isnan(p->drift.divergence);
}

static heed_err changes_json(json_t *object, const char *key, const hd_change *list, size_t n) {
    json_t *array = json_array();
    HD_TRY(hd_json_set(object, key, array));
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object();
        HD_TRY(hd_json_append(array, row));
        HD_TRY(hd_json_set(row, "name", json_string(list[i].name)));
        HD_TRY(hd_json_set(row, "before", hd_json_real(list[i].before)));
        HD_TRY(hd_json_set(row, "now", hd_json_real(list[i].now)));
    }
    return HEED_OK;
}

static heed_err drift_json(const hd_profile *profile, json_t *object) {
    const hd_drift *d = &profile->drift;
    HD_TRY(hd_json_set(object, "divergence", hd_json_real(d->divergence)));
    char since[32];
    if (d->since != HD_TIME_NONE) hd_time_format(d->since, NULL, since);
    HD_TRY(
        hd_json_set(object, "since", d->since == HD_TIME_NONE ? json_null() : json_string(since)));
    HD_TRY(hd_json_set(object, "recent_events", json_integer((json_int_t)d->recent)));
    HD_TRY(hd_json_set(object, "earlier_events", json_integer((json_int_t)d->before)));
    HD_TRY(changes_json(object, "risen", d->risen, d->n_risen));
    HD_TRY(changes_json(object, "fallen", d->fallen, d->n_fallen));
    return hd_evidence_set(object, "evidence", &d->evidence);
}

static double drift_divergence(const hd_profile *p) {
    return p->drift.divergence;
}

static const hd_dimension drift_dimensions[] = {
    {.name = "drift",
     .more = HD_TEXT("changing tastes", "兴趣在变化"),
     .less = HD_TEXT("steady tastes", "兴趣稳定"),
     .get = drift_divergence},
};
const hd_fact hd_fact_drift = {"drift",    drift_compute,    drift_known,
                               drift_json, drift_dimensions, 1};
