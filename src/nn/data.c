// SPDX-License-Identifier: Apache-2.0
//
// Samples in memory, windows of a text, subsets, folds. Images are turned from (C, H, W) into the
// graph's (H, W, C) while a batch is put together, where it costs next to nothing.
#include "nn/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

void hd_data_free(hd_data *data) {
    if (data) data->free(data);
}

size_t hd_field_count(const hd_data_field *field) {
    size_t n = 1;
    for (int i = 0; i < field->n_dims; i++) n *= field->shape[i];
    return n;
}

int hd_data_find(const hd_data *data, hd_data_role role) {
    for (int i = 0; i < data->n_fields; i++) {
        if (data->fields[i].role == role) return i;
    }
    return -1;
}

// ── In memory ──

typedef struct memory_data {
    hd_data base;
    hd_data_column columns[HD_FIELDS];
} memory_data;

static void memory_free(hd_data *data) {
    memory_data *m = (memory_data *)(void *)data;
    for (int i = 0; i < data->n_fields; i++) {
        if (m->columns[i].own) hd_free((void *)(uintptr_t)m->columns[i].data);
    }
    hd_free(m);
}

static void take_u8(const uint8_t *from, size_t n, float scale, float shift, float *to) {
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i] * scale + shift;
}

static void take_f32(const float *from, size_t n, float scale, float shift, float *to) {
    if (scale == 1 && shift == 0) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    for (size_t i = 0; i < n; i++) to[i] = from[i] * scale + shift;
}

// One sample as f32, at `step` floats apart: 1, or C for a channel of an image.
static void take_channel(const hd_data_column *c, size_t at, size_t n, size_t step, float *to) {
    if (c->dtype == HD_U8) {
        const uint8_t *from = (const uint8_t *)c->data + at;
        for (size_t i = 0; i < n; i++) to[i * step] = (float)from[i] * c->scale + c->shift;
    } else {
        const float *from = (const float *)c->data + at;
        for (size_t i = 0; i < n; i++) to[i * step] = from[i] * c->scale + c->shift;
    }
}

static void take_sample(const hd_data_column *c, size_t index, size_t count, void *to) {
    size_t at = index * count, channels = c->field.n_dims == 3 ? c->field.shape[0] : 1;
    if (c->field.dtype == HD_I32) {
        if (c->dtype == HD_U8) {
            for (size_t i = 0; i < count; i++)
                ((int32_t *)to)[i] = ((const uint8_t *)c->data)[at + i];
        } else {
            memcpy(to, (const int32_t *)c->data + at, count * sizeof(int32_t));
        }
    } else if (channels > 1) {
        size_t plane = count / channels;
        for (size_t ch = 0; ch < channels; ch++) {
            take_channel(c, at + ch * plane, plane, channels, (float *)to + ch);
        }
    } else if (c->dtype == HD_U8) {
        take_u8((const uint8_t *)c->data + at, count, c->scale, c->shift, to);
    } else {
        take_f32((const float *)c->data + at, count, c->scale, c->shift, to);
    }
}

static heed_err memory_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                            void *const *out) {
    const memory_data *m = (const memory_data *)(const void *)data;
    (void)draw;
    for (int f = 0; f < data->n_fields; f++) {
        size_t count = hd_field_count(&data->fields[f]);
        for (size_t i = 0; i < n; i++) {
            take_sample(&m->columns[f], index[i], count, (float *)out[f] + i * count);
        }
    }
    return HEED_OK;
}

heed_err hd_data_memory(size_t n, int n_columns, const hd_data_column *columns, hd_data **out) {
    memory_data *m = hd_calloc(1, sizeof *m);
    if (!m) {
        for (int i = 0; i < n_columns; i++) {
            if (columns[i].own) hd_free((void *)(uintptr_t)columns[i].data);
        }
        return HD_FAIL_MEMORY(sizeof *m);
    }
    m->base = (hd_data){
        .n = n, .n_fields = n_columns, .cheap = true, .read = memory_read, .free = memory_free};
    for (int i = 0; i < n_columns; i++) {
        m->columns[i] = columns[i];
        if (m->columns[i].scale == 0) m->columns[i].scale = 1;
        m->base.fields[i] = columns[i].field;
    }
    *out = &m->base;
    return HEED_OK;
}

// ── Windows ──

typedef struct window_data {
    hd_data base;
    int32_t *ids;
    size_t length, stride;
} window_data;

static void window_free(hd_data *data) {
    window_data *w = (window_data *)(void *)data;
    hd_free(w->ids);
    hd_free(w);
}

static heed_err window_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                            void *const *out) {
    const window_data *w = (const window_data *)(const void *)data;
    (void)draw;
    for (size_t i = 0; i < n; i++) {
        const int32_t *from = w->ids + index[i] * w->stride;
        memcpy((int32_t *)out[0] + i * w->length, from, w->length * sizeof *from);
        memcpy((int32_t *)out[1] + i * w->length, from + 1, w->length * sizeof *from);
    }
    return HEED_OK;
}

heed_err hd_data_windows(const int32_t *ids, size_t n, size_t length, size_t stride,
                         hd_data **out) {
    if (length == 0 || stride == 0 || n < length + 1) {
        return HD_FAIL(HEED_INPUT, "%zu symbols are too few for windows of %zu and one more",
                       "共 %zu 个符号，不足以切出长 %zu 再加一个的窗口", n, length);
    }
    window_data *w = hd_calloc(1, sizeof *w);
    if (!w) return HD_FAIL_MEMORY(sizeof *w);
    w->base = (hd_data){.n = (n - length - 1) / stride + 1,
                        .n_fields = 2,
                        .cheap = true,
                        .read = window_read,
                        .free = window_free};
    w->base.fields[0] = (hd_data_field){"x", HD_ROLE_INPUT, HD_I32, 1, {length}};
    w->base.fields[1] = (hd_data_field){"target", HD_ROLE_TARGET, HD_I32, 1, {length}};
    w->length = length;
    w->stride = stride;
    w->ids = hd_alloc(n * sizeof *ids);
    if (!w->ids) {
        hd_free(w);
        return HD_FAIL_MEMORY(n * sizeof *ids);
    }
    memcpy(w->ids, ids, n * sizeof *ids);
    *out = &w->base;
    return HEED_OK;
}

// ── Subsets ──

typedef struct subset_data {
    hd_data base;
    hd_data *from;
    size_t *index;
    size_t *scratch; // of a read
    size_t scratch_cap;
} subset_data;

static void subset_free(hd_data *data) {
    subset_data *s = (subset_data *)(void *)data;
    hd_free(s->index);
    hd_free(s->scratch);
    hd_free(s);
}

static heed_err subset_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                            void *const *out) {
    subset_data *s = (subset_data *)(void *)data;
    HD_TRY(hd_grow(&s->scratch, &s->scratch_cap, n, sizeof *s->scratch));
    for (size_t i = 0; i < n; i++) s->scratch[i] = s->index[index[i]];
    return s->from->read(s->from, n, s->scratch, draw, out);
}

heed_err hd_data_subset(hd_data *data, const size_t *index, size_t n, hd_data **out) {
    subset_data *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->base = *data;
    s->base.n = n;
    s->base.read = subset_read;
    s->base.free = subset_free;
    s->from = data;
    s->index = hd_calloc(n + 1, sizeof *index);
    if (!s->index) {
        hd_free(s);
        return HD_FAIL_MEMORY(n * sizeof *index);
    }
    if (n > 0) memcpy(s->index, index, n * sizeof *index);
    *out = &s->base;
    return HEED_OK;
}

heed_err hd_data_part(hd_data *data, double from, double to, uint64_t seed, hd_data **out) {
    if (!(from >= 0 && from <= to && to <= 1)) {
        return HD_FAIL(HEED_INPUT, "a part from %g to %g can't be: both between 0 and 1, in order",
                       "无法取 %g 到 %g 的部分：两者应在 0 与 1 之间且不颠倒", from, to);
    }
    size_t first = (size_t)(from * (double)data->n + 0.5);
    size_t last = (size_t)(to * (double)data->n + 0.5);
    size_t *order = hd_calloc(data->n + 1, sizeof *order);
    if (!order) return HD_FAIL_MEMORY(data->n * sizeof *order);
    for (size_t i = 0; i < data->n; i++) order[i] = i;
    hd_rng rng = hd_rng_make(seed, 0x70617274);
    if (seed != 0) hd_rng_shuffle(&rng, order, data->n, sizeof *order);
    heed_err err = hd_data_subset(data, order + first, last - first, out);
    hd_free(order);
    return err;
}

// ── Labels ──

enum { READ_AT_ONCE = 64, MOST_LABELS = 1 << 28 };

// Calls `take` with the labels of samples from … from + n − 1, for all samples.
static heed_err
read_labels(hd_data *data, int target, void *const *fields,
            heed_err (*take)(void *ctx, size_t from, size_t n, const int32_t *labels), void *ctx) {
    const hd_draw draw = {0, 0, false};
    size_t index[READ_AT_ONCE];
    for (size_t from = 0, n; from < data->n; from += n) {
        n = data->n - from < READ_AT_ONCE ? data->n - from : READ_AT_ONCE;
        for (size_t i = 0; i < n; i++) index[i] = from + i;
        HD_TRY(data->read(data, n, index, &draw, fields));
        HD_TRY(take(ctx, from, n, fields[target]));
    }
    return HEED_OK;
}

static heed_err
each_label(hd_data *data, int target,
           heed_err (*take)(void *ctx, size_t from, size_t n, const int32_t *labels), void *ctx) {
    void *fields[HD_FIELDS] = {NULL};
    heed_err err = HEED_OK;
    for (int f = 0; err == HEED_OK && f < data->n_fields; f++) {
        size_t bytes = hd_field_bytes(&data->fields[f]);
        fields[f] = hd_alloc_aligned(READ_AT_ONCE, bytes > 0 ? bytes : 1);
        if (!fields[f]) err = HD_FAIL_MEMORY(bytes);
    }
    if (err == HEED_OK) err = read_labels(data, target, fields, take, ctx);
    for (int f = 0; f < data->n_fields; f++) hd_free(fields[f]);
    return err;
}

static heed_err keep_labels(void *ctx, size_t from, size_t n, const int32_t *labels) {
    memcpy((int32_t *)ctx + from, labels, n * sizeof *labels);
    return HEED_OK;
}

// The first field of a role, where it is one whole number a sample.
static heed_err numbers_of(hd_data *data, hd_data_role role, int32_t **out) {
    int field = hd_data_find(data, role);
    *out = NULL;
    if (field < 0 || data->fields[field].dtype != HD_I32 ||
        hd_field_count(&data->fields[field]) != 1) {
        return HEED_OK;
    }
    *out = hd_calloc(data->n + 1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(data->n * sizeof **out);
    heed_err err = each_label(data, field, keep_labels, *out);
    if (err == HEED_OK) return HEED_OK;
    hd_free(*out);
    *out = NULL;
    return err;
}

heed_err hd_data_labels(hd_data *data, int32_t **out) {
    return numbers_of(data, HD_ROLE_TARGET, out);
}

heed_err hd_data_lengths(hd_data *data, int32_t **out) {
    return numbers_of(data, HD_ROLE_LENGTH, out);
}

typedef struct counting {
    size_t each, cap;
    hd_label_counts *counts;
} counting;

static heed_err count_labels(void *ctx, size_t from, size_t n, const int32_t *labels) {
    counting *c = ctx;
    hd_label_counts *counts = c->counts;
    (void)from;
    for (size_t i = 0; i < n * c->each; i++) {
        if (labels[i] < 0 || labels[i] >= MOST_LABELS) continue;
        size_t label = (size_t)labels[i];
        if (label >= counts->n) {
            HD_TRY(hd_grow(&counts->of, &c->cap, label + 1, sizeof *counts->of));
            memset(counts->of + counts->n, 0, (label + 1 - counts->n) * sizeof *counts->of);
            counts->n = label + 1;
        }
        counts->of[label]++;
        counts->sum++;
    }
    return HEED_OK;
}

heed_err hd_data_count_labels(hd_data *data, hd_label_counts *out) {
    int target = hd_data_find(data, HD_ROLE_TARGET);
    *out = (hd_label_counts){.of = NULL};
    if (target < 0 || data->fields[target].dtype != HD_I32) return HEED_OK;
    counting c = {.each = hd_field_count(&data->fields[target]), .counts = out};
    heed_err err = each_label(data, target, count_labels, &c);
    if (err != HEED_OK) hd_label_counts_clear(out);
    return err;
}

void hd_label_counts_clear(hd_label_counts *counts) {
    hd_free(counts->of);
    *counts = (hd_label_counts){.of = NULL};
}

// ── Folds ──

typedef struct labelled {
    int32_t label;
    size_t place, index; // in the shuffled order
} labelled;

static int by_label(const void *a, const void *b) {
    const labelled *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

void hd_fold_clear(hd_fold *fold) {
    hd_free(fold->train);
    hd_free(fold->test);
    *fold = (hd_fold){NULL, NULL, 0, 0};
}

static heed_err deal(labelled *rows, size_t n, size_t k, size_t fold, hd_fold *out) {
    *out = (hd_fold){hd_calloc(n, sizeof(size_t)), hd_calloc(n / k + 1, sizeof(size_t)), 0, 0};
    if (!out->train || !out->test) {
        hd_fold_clear(out);
        return HD_FAIL_MEMORY(n * sizeof(size_t));
    }
    for (size_t i = 0; i < n; i++) {
        if (i % k == fold) {
            out->test[out->n_test++] = rows[i].index;
        } else {
            out->train[out->n_train++] = rows[i].index;
        }
    }
    return HEED_OK;
}

// Shuffled rows are sorted by label (ties in the shuffled order) and dealt out in turn.
heed_err hd_fold_make(size_t n, size_t k, size_t fold, uint64_t seed, const int32_t *labels,
                      hd_fold *out) {
    if (k < 2 || k > n || fold >= k) {
        return HD_FAIL(
            HEED_INPUT,
            "fold %1$zu of %2$zu can't be made of %3$zu samples: 2 folds at "
            "least, and no more than samples",
            "无法从 %3$zu 个样本中取第 %1$zu 折（共 %2$zu 折）：至少 2 折，且不多于样本数", fold, k,
            n);
    }
    labelled *rows = hd_calloc(n, sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(n * sizeof *rows);
    for (size_t i = 0; i < n; i++) rows[i].index = i;
    hd_rng rng = hd_rng_make(seed, 0x666f6c64);
    hd_rng_shuffle(&rng, rows, n, sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i].place = i;
        rows[i].label = labels ? labels[rows[i].index] : 0;
    }
    qsort(rows, n, sizeof *rows, by_label);
    heed_err err = deal(rows, n, k, fold, out);
    hd_free(rows);
    return err;
}
