// SPDX-License-Identifier: Apache-2.0
//
// A look costs one walk over the gradients, by the training's own thread: some fifty of them in
// whole. Units are the rows of a matrix (or of filters) as held: the outputs. A unit behind a ReLU
// that never fires has a gradient of exactly zero, for all its weights and every sample; a batch
// alone may miss it by chance, many of them hardly.
#include "nn/watch.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

typedef struct watched {
    const hd_weight *weight; // borrowed: of the network
    double gradient[HD_WATCH_POINTS], size[HD_WATCH_POINTS];
    bool *alive; // (units)
    size_t units;
} watched;

struct hd_watch {
    watched *at; // (n)
    size_t n;
    uint64_t steps, step[HD_WATCH_POINTS];
    size_t looks, late; // of them in the second half
};

heed_err hd_watch_new(hd_watch **out) {
    *out = hd_calloc(1, sizeof **out);
    return *out ? HEED_OK : HD_FAIL_MEMORY(sizeof **out);
}

static void forget(hd_watch *watch) {
    for (size_t i = 0; i < watch->n; i++) hd_free(watch->at[i].alive);
    hd_free(watch->at);
    *watch = (hd_watch){.n = 0};
}

void hd_watch_free(hd_watch *watch) {
    if (!watch) return;
    forget(watch);
    hd_free(watch);
}

heed_err hd_watch_begin(hd_watch *watch, const hd_weights *weights, uint64_t steps) {
    forget(watch);
    watch->steps = steps;
    watch->at = hd_calloc(weights->n + 1, sizeof *watch->at);
    if (!watch->at) return HD_FAIL_MEMORY(weights->n * sizeof *watch->at);
    for (size_t i = 0; i < weights->n; i++) {
        const hd_weight_item *item = weights->at[i];
        if (item->state || item->weight.frozen || item->weight.n_dims < 2) continue;
        watched *w = &watch->at[watch->n++];
        w->weight = &item->weight;
        w->units = item->weight.shape[0];
        w->alive = hd_calloc(w->units + 1, sizeof *w->alive);
        if (!w->alive) return HD_FAIL_MEMORY(w->units);
    }
    return HEED_OK;
}

static double norm_of(const float *values, size_t n, double scale) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum) * scale;
}

static void look_at(watched *w, size_t point, double scale, bool late) {
    const hd_weight *weight = w->weight;
    size_t each = w->units > 0 ? weight->count / w->units : 0;
    if (!weight->grad) return;
    w->gradient[point] = norm_of(weight->grad, weight->count, scale);
    w->size[point] = norm_of(weight->data, weight->count, 1);
    for (size_t u = 0; late && u < w->units; u++) {
        const float *row = weight->grad + u * each;
        for (size_t i = 0; i < each && !w->alive[u]; i++) w->alive[u] = row[i] != 0;
    }
}

void hd_watch_look(hd_watch *watch, uint64_t step, double scale) {
    double due = (double)watch->looks * (double)watch->steps / HD_WATCH_POINTS;
    if (watch->looks >= HD_WATCH_POINTS || (double)step < due) return;
    bool late = step >= watch->steps / 2;
    for (size_t i = 0; i < watch->n; i++) look_at(&watch->at[i], watch->looks, scale, late);
    watch->step[watch->looks++] = step;
    watch->late += late;
}

// ── As JSON ──

static heed_err add_numbers(json_t *object, const char *key, const double *values, size_t n) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(object, key, list));
    for (size_t i = 0; i < n; i++) {
        HD_TRY(hd_json_append(list, hd_json_real(hd_json_decimal((float)values[i]))));
    }
    return HEED_OK;
}

static heed_err layer_json(const hd_watch *watch, const watched *w, json_t *out) {
    const char *name = w->weight->name, *end = strrchr(name, '.');
    size_t n = end && strcmp(end, ".weight") == 0 ? (size_t)(end - name) : strlen(name);
    size_t dead = 0;
    for (size_t u = 0; u < w->units; u++) dead += !w->alive[u];
    // An embedding's rows are words: one that doesn't occur is not a dead unit.
    if (w->weight->sparse || watch->late < 4) dead = 0;
    HD_TRY(hd_json_set(out, "name", json_stringn(name, n)));
    HD_TRY(add_numbers(out, "gradient", w->gradient, watch->looks));
    HD_TRY(add_numbers(out, "weight", w->size, watch->looks));
    HD_TRY(hd_json_set(out, "units", json_integer((json_int_t)w->units)));
    return hd_json_set(out, "dead", json_integer((json_int_t)dead));
}

static heed_err fill(const hd_watch *watch, json_t *json) {
    json_t *steps = json_array(), *layers = json_array();
    heed_err err = hd_json_set(json, "steps", steps);
    heed_err other = hd_json_set(json, "layers", layers);
    if (err == HEED_OK) err = other;
    for (size_t i = 0; err == HEED_OK && i < watch->looks; i++) {
        err = hd_json_append(steps, json_integer((json_int_t)watch->step[i]));
    }
    for (size_t i = 0; err == HEED_OK && i < watch->n; i++) {
        json_t *layer = json_object();
        err = hd_json_append(layers, layer);
        if (err == HEED_OK) err = layer_json(watch, &watch->at[i], layer);
    }
    return err;
}

heed_err hd_watch_json(const hd_watch *watch, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = fill(watch, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
