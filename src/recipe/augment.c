// SPDX-License-Identifier: Apache-2.0
//
// The neighbour that smote moves towards is the nearest of eight rows of the same class, drawn anew
// each time: finding the true nearest ones would need every distance, and would move a row towards
// the same few for ever.
#include "recipe/augment.h"

#include "base/mem.h"

enum { DRAWN = 8 };

typedef struct augmented {
    hd_data base;
    hd_data *inner;
    hd_augment augment;
    hd_synonyms synonyms;
    hd_augment_sample sample; // spare memory and shape
    int length;               // field, −1: none
    // For neighbours: samples by class, and room to read them.
    size_t *by_class, *start; // (n), (classes + 1)
    int32_t *labels;          // (n)
    void *room[HD_FIELDS];    // (DRAWN, …) each
} augmented;

static void augmented_free(hd_data *data) {
    augmented *a = (augmented *)(void *)data;
    hd_data_free(a->inner);
    hd_augment_clear(&a->augment);
    hd_synonyms_clear(&a->synonyms);
    hd_free(a->sample.spare);
    hd_free(a->sample.spare_ids);
    hd_free(a->by_class);
    hd_free(a->start);
    hd_free(a->labels);
    for (int f = 0; f < HD_FIELDS; f++) hd_free(a->room[f]);
    hd_free(a);
}

// ── Neighbours ──

static heed_err needs_classes(void) {
    return HD_FAIL(HEED_INPUT, "'smote' needs classes: what is predicted here are values",
                   "“smote”需要类别，而此处预测的是数值");
}

// A class is a number, or 0 and 1 as they stand for a sigmoid's value.
static heed_err read_labels(augmented *a, int target) {
    size_t n = a->inner->n;
    bool whole = a->inner->fields[target].dtype == HD_I32;
    a->labels = hd_alloc((n + 1) * sizeof *a->labels);
    if (!a->labels) return HD_FAIL_MEMORY(n * sizeof *a->labels);
    for (size_t i = 0; i < n; i++) {
        HD_TRY(a->inner->read(a->inner, 1, &i, NULL, a->room));
        float value = whole ? 0 : *(const float *)a->room[target];
        if (value != 0 && value != 1) return needs_classes();
        a->labels[i] = whole ? *(const int32_t *)a->room[target] : (int32_t)value;
        if (a->labels[i] < 0 || a->labels[i] >= 1 << 20) a->labels[i] = 0;
    }
    return HEED_OK;
}

static heed_err index_classes(augmented *a) {
    size_t n = a->inner->n, classes = 1;
    for (size_t i = 0; i < n; i++) {
        if ((size_t)a->labels[i] >= classes) classes = (size_t)a->labels[i] + 1;
    }
    a->start = hd_calloc(classes + 2, sizeof *a->start);
    a->by_class = hd_alloc((n + 1) * sizeof *a->by_class);
    if (!a->start || !a->by_class) return HD_FAIL_MEMORY(n * sizeof *a->by_class);
    for (size_t i = 0; i < n; i++) a->start[a->labels[i] + 2]++;
    for (size_t c = 2; c < classes + 2; c++) a->start[c] += a->start[c - 1];
    for (size_t i = 0; i < n; i++) a->by_class[a->start[a->labels[i] + 1]++] = i;
    return HEED_OK;
}

static heed_err prepare_neighbours(augmented *a) {
    int target = hd_data_find(a->inner, HD_ROLE_TARGET);
    if (target < 0 || hd_field_count(&a->inner->fields[target]) != 1) return needs_classes();
    for (int f = 0; f < a->inner->n_fields; f++) {
        a->room[f] = hd_alloc_aligned(DRAWN, hd_field_bytes(&a->inner->fields[f]));
        if (!a->room[f]) return HD_FAIL_MEMORY(DRAWN * hd_field_bytes(&a->inner->fields[f]));
    }
    HD_TRY(read_labels(a, target));
    return index_classes(a);
}

static double distance(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    return sum;
}

// *out: in the room, until the next call; NULL when the class has no other.
static heed_err draw_neighbour(augmented *a, size_t index, uint64_t seed, uint64_t stream,
                               const float *values, const float **out) {
    size_t label = (size_t)a->labels[index], first = a->start[label],
           n = a->start[label + 1] - first;
    size_t width = hd_field_count(&a->inner->fields[0]), picked[DRAWN], drawn = 0;
    hd_rng rng = hd_rng_make(seed, hd_rng_at(seed, stream, UINT32_MAX));
    *out = NULL;
    for (size_t i = 0; i < DRAWN; i++) {
        size_t other = a->by_class[first + hd_rng_below(&rng, n)];
        if (other != index) picked[drawn++] = other;
    }
    if (drawn == 0) return HEED_OK;
    HD_TRY(a->inner->read(a->inner, drawn, picked, NULL, a->room));
    for (size_t i = 0; i < drawn; i++) {
        const float *other = (const float *)a->room[0] + i * width;
        if (!*out || distance(values, other, width) < distance(values, *out, width)) *out = other;
    }
    return HEED_OK;
}

// ── Reading ──

static size_t count_ids(const int32_t *ids, size_t length) {
    size_t first = 0, end = length;
    while (end > 0 && ids[end - 1] == 0) end--;
    while (first < end && ids[first] == 0) first++;
    return end - first;
}

static heed_err change(augmented *a, size_t i, size_t index, const hd_draw *draw,
                       void *const *out) {
    hd_augment_sample s = a->sample;
    size_t count = hd_field_count(&a->inner->fields[0]);
    int32_t *length = a->length >= 0 ? (int32_t *)out[a->length] + i : NULL;
    uint64_t stream = hd_rng_at(draw->seed, draw->epoch, index);
    if (s.of == HD_AUGMENT_IDS) {
        s.ids = (int32_t *)out[0] + i * count;
        s.used = count_ids(s.ids, count);
    } else {
        s.values = (float *)out[0] + i * count;
        if (a->augment.another)
            HD_TRY(draw_neighbour(a, index, draw->seed, stream, s.values, &s.another));
    }
    hd_augment_apply(&a->augment, draw->seed, stream, &s);
    if (length && s.of == HD_AUGMENT_IDS && s.used > 0) *length = (int32_t)s.used;
    return HEED_OK;
}

static heed_err augmented_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                               void *const *out) {
    augmented *a = (augmented *)(void *)data;
    HD_TRY(a->inner->read(a->inner, n, index, draw, out));
    if (!draw || !draw->training) return HEED_OK;
    for (size_t i = 0; i < n; i++) HD_TRY(change(a, i, index[i], draw, out));
    return HEED_OK;
}

// ── Making one ──

// (C, H, W), (T, D), (D) or (L) of the field "x".
static heed_err shape_sample(augmented *a, hd_augment_of of) {
    const hd_data_field *x = &a->inner->fields[0];
    hd_augment_sample *s = &a->sample;
    size_t count = hd_field_count(x);
    bool image = x->n_dims == 3, series = of == HD_AUGMENT_SERIES && x->n_dims == 2;
    *s = (hd_augment_sample){.of = of, .height = 1, .width = count, .channels = 1, .length = count};
    s->at_end = a->length < 0; // lengths are of texts that stand at the beginning
    if (image) s->channels = x->shape[0];
    if (image) s->height = x->shape[1];
    if (image) s->width = x->shape[2];
    if (series) s->height = x->shape[0];
    if (series) s->width = x->shape[1];
    s->synonyms = a->synonyms.start ? &a->synonyms : NULL;
    s->spare = hd_alloc((count + 1) * sizeof *s->spare);
    s->spare_ids = hd_alloc((count + 1) * sizeof *s->spare_ids);
    return s->spare && s->spare_ids ? HEED_OK : HD_FAIL_MEMORY(count * sizeof *s->spare);
}

heed_err hd_augment_data(hd_data *data, const json_t *list, const hd_where *where, hd_augment_of of,
                         bool runs, hd_synonyms *synonyms, hd_data **out) {
    augmented *a = hd_calloc(1, sizeof *a);
    *out = NULL;
    if (!a) {
        hd_data_free(data);
        if (synonyms) hd_synonyms_clear(synonyms);
        return HD_FAIL_MEMORY(sizeof *a);
    }
    a->inner = data;
    if (synonyms) a->synonyms = *synonyms;
    if (synonyms) *synonyms = (hd_synonyms){0};
    a->base = *data;
    a->base.cheap = false;
    a->base.read = augmented_read;
    a->base.free = augmented_free;
    a->length = hd_data_find(data, HD_ROLE_LENGTH);
    hd_arena_init(&a->augment.arena);
    heed_err err = hd_augment_read(list, where, of, runs, &a->augment);
    if (err == HEED_OK) err = shape_sample(a, of);
    if (err == HEED_OK && a->augment.another) err = prepare_neighbours(a);
    if (err == HEED_OK)
        *out = &a->base;
    else
        augmented_free(&a->base);
    return err;
}
