// SPDX-License-Identifier: Apache-2.0
//
// Bounds stand at quantiles of the lengths, rounded up to a multiple of 8. Samples are sorted by
// bucket in the order of their shuffle, and batches cut from that: where a bucket ends in
// mid-batch, the next one's samples fill it up. So all batches but the last have the same size,
// and a place in the epoch is a number of samples, as without buckets.
#include "nn/bucket.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { ROUND = 8 };

// The places of a sequence: of the first input that is one. 0: there is none.
static size_t places_of(const hd_data *data) {
    for (int f = 0; f < data->n_fields; f++) {
        const hd_data_field *field = &data->fields[f];
        if (field->role == HD_ROLE_INPUT && field->n_dims >= 1 && field->n_dims <= 2) {
            return field->shape[0];
        }
    }
    return 0;
}

// Whether a field has a value (or row) for each place: whole numbers of that many, or rows.
static bool by_place(const hd_data_field *field, size_t places) {
    return field->role != HD_ROLE_LENGTH && field->n_dims >= 1 && field->n_dims <= 2 &&
           field->shape[0] == places && (field->n_dims == 2 || field->dtype == HD_I32);
}

// ── Making ──

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static void set_bounds(hd_buckets *b, size_t wanted, size_t places, int32_t *lengths, size_t n) {
    qsort(lengths, n, sizeof *lengths, by_value);
    for (size_t i = 1; i <= wanted; i++) {
        size_t longest = (size_t)lengths[(i * n + wanted - 1) / wanted - 1];
        size_t bound = longest > 0 ? (longest + ROUND - 1) / ROUND * ROUND : 1;
        if (bound > places) bound = places;
        if (b->n == 0 || bound > b->bound[b->n - 1]) b->bound[b->n++] = bound;
    }
}

static void clamp(int32_t *lengths, size_t n, size_t places) {
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] < 0) lengths[i] = 0;
        if ((size_t)lengths[i] > places) lengths[i] = (int32_t)places;
    }
}

static heed_err fill(hd_buckets *b, size_t wanted, size_t places, int32_t *lengths, size_t n) {
    b->of = hd_calloc(n, sizeof *b->of);
    b->scratch = hd_calloc(n, sizeof *b->scratch);
    int32_t *sorted = hd_calloc(n, sizeof *sorted);
    if (!b->of || !b->scratch || !sorted) {
        hd_free(sorted);
        return HD_FAIL_MEMORY(n * sizeof *b->scratch);
    }
    clamp(lengths, n, places);
    memcpy(sorted, lengths, n * sizeof *sorted);
    set_bounds(b, wanted, places, sorted, n);
    hd_free(sorted);
    for (size_t i = 0; i < n; i++) {
        while (b->bound[b->of[i]] < (size_t)lengths[i]) b->of[i]++;
    }
    return HEED_OK;
}

heed_err hd_buckets_make(hd_data *data, size_t wanted, hd_buckets *out) {
    int32_t *lengths;
    size_t places = places_of(data);
    *out = (hd_buckets){.n = 0};
    if (wanted < 2 || data->n == 0) return HEED_OK;
    HD_TRY(hd_data_lengths(data, &lengths));
    if (!lengths || places == 0 || wanted > HD_BUCKETS) {
        hd_free(lengths);
        return HD_FAIL(HEED_INPUT,
                       "buckets: up to %d of them for sequences, which the data must have with "
                       "their lengths",
                       "buckets：最多 %d 个，且数据须为带长度的序列", (int)HD_BUCKETS);
    }
    heed_err err = fill(out, wanted, places, lengths, data->n);
    hd_free(lengths);
    if (err != HEED_OK) hd_buckets_clear(out);
    return err;
}

void hd_buckets_clear(hd_buckets *b) {
    hd_free(b->of);
    hd_free(b->scratch);
    *b = (hd_buckets){.n = 0};
}

// ── An epoch ──

static void swap_batches(size_t *a, size_t *b, size_t n) {
    for (size_t i = 0; a != b && i < n; i++) {
        size_t aside = a[i];
        a[i] = b[i];
        b[i] = aside;
    }
}

void hd_buckets_arrange(const hd_buckets *b, uint64_t seed, uint64_t epoch, size_t batch,
                        size_t *order, size_t n) {
    size_t at = 0;
    for (size_t bucket = 0; bucket < b->n; bucket++) {
        for (size_t i = 0; i < n; i++) {
            if (b->of[order[i]] == bucket) b->scratch[at++] = order[i];
        }
    }
    memcpy(order, b->scratch, n * sizeof *order);
    hd_rng rng = hd_rng_make(seed, UINT64_C(0x6275636B65740000) + epoch);
    for (size_t i = n / batch; i > 1; i--) {
        size_t other = (size_t)hd_rng_below(&rng, i);
        swap_batches(order + (i - 1) * batch, order + other * batch, batch);
    }
}

size_t hd_buckets_length(const hd_buckets *b, const size_t *index, size_t n) {
    size_t most = 0;
    for (size_t i = 0; b->n > 0 && i < n; i++) {
        if (b->bound[b->of[index[i]]] > most) most = b->bound[b->of[index[i]]];
    }
    return most;
}

// ── Cutting ──

void hd_fields_cut(const hd_data *data, size_t length, hd_data_field *out) {
    size_t places = places_of(data);
    memcpy(out, data->fields, sizeof data->fields);
    for (int f = 0; length > 0 && f < data->n_fields; f++) {
        if (by_place(&out[f], places)) out[f].shape[0] = length;
    }
}

void hd_batch_cut(const hd_data *data, size_t length, size_t n, void *const *fields) {
    size_t places = places_of(data);
    if (length == 0 || length >= places) return;
    for (int f = 0; f < data->n_fields; f++) {
        if (!by_place(&data->fields[f], places)) continue;
        size_t whole = hd_field_count(&data->fields[f]), kept = whole / places * length;
        float *values = fields[f]; // (i32 alike: four bytes)
        for (size_t i = 1; i < n; i++) {
            memmove(values + i * kept, values + i * whole, kept * sizeof *values);
        }
    }
}
