// SPDX-License-Identifier: Apache-2.0
//
// For tests of networks: small data, a network by its text, weights compared.
#ifndef HD_TESTS_NN_NETS_H
#define HD_TESTS_NN_NETS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/train.h"

static inline void assert_says(heed_err err, heed_err wanted, const char *en, const char *zh) {
    if (err != wanted || !strstr(heed_error_message(HEED_EN), en) ||
        !strstr(heed_error_message(HEED_ZH), zh)) {
        fail_msg("%s: %s | %s", heed_err_name(err), heed_error_message(HEED_EN),
                 heed_error_message(HEED_ZH));
    }
}

static inline void assert_ok(heed_err err) {
    if (err != HEED_OK) fail_msg("%s: %s", heed_err_name(err), heed_error_message(HEED_EN));
}

static inline hd_net *net_of(const char *layers, uint64_t seed) {
    hd_net *net = NULL;
    assert_ok(hd_net_new(layers, "net.yaml", seed, &net));
    return net;
}

// n points of the plane in two classes: inside and outside a ring. Owned by the data.
static inline hd_data *rings(size_t n, uint64_t seed) {
    float *x = hd_calloc(2 * n, sizeof *x);
    int32_t *y = hd_calloc(n, sizeof *y);
    hd_rng rng = hd_rng_make(seed, 1);
    hd_data *data;
    for (size_t i = 0; i < n; i++) {
        double a = 2 * hd_rng_uniform(&rng) - 1, b = 2 * hd_rng_uniform(&rng) - 1;
        x[2 * i] = (float)a;
        x[2 * i + 1] = (float)b;
        y[i] = a * a + b * b < 0.5;
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x, .own = true},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}},
         .dtype = HD_I32,
         .data = y,
         .own = true}};
    assert_ok(hd_data_memory(n, 2, columns, &data));
    return data;
}

// n points with values that follow them: y = 3·a − 2·b + 1.
static inline hd_data *line(size_t n) {
    float *x = hd_calloc(2 * n, sizeof *x), *y = hd_calloc(n, sizeof *y);
    hd_rng rng = hd_rng_make(5, 2);
    hd_data *data;
    for (size_t i = 0; i < n; i++) {
        double a = hd_rng_normal(&rng), b = hd_rng_normal(&rng);
        x[2 * i] = (float)a;
        x[2 * i + 1] = (float)b;
        y[i] = (float)(3 * a - 2 * b + 1);
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {2}}, .dtype = HD_F32, .data = x, .own = true},
        {.field = {"target", HD_ROLE_TARGET, HD_F32, 1, {1}},
         .dtype = HD_F32,
         .data = y,
         .own = true}};
    assert_ok(hd_data_memory(n, 2, columns, &data));
    return data;
}

// A source of zeros of a shape, for shapes alone. labels below `classes`.
static inline hd_data *blank(size_t n, int n_dims, const size_t *shape, int32_t label) {
    hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, n_dims, {0}}, .dtype = HD_F32, .own = true},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .own = true}};
    hd_data *data;
    for (int i = 0; i < n_dims; i++) columns[0].field.shape[i] = shape[i];
    columns[0].data = hd_calloc(n * hd_field_count(&columns[0].field), sizeof(float));
    int32_t *labels = hd_calloc(n, sizeof *labels);
    for (size_t i = 0; i < n; i++) labels[i] = label;
    columns[1].data = labels;
    assert_ok(hd_data_memory(n, 2, columns, &data));
    return data;
}

static inline void assert_same_weights(const hd_net *a, const hd_net *b) {
    assert_int_equal(a->weights.n, b->weights.n);
    for (size_t i = 0; i < a->weights.n; i++) {
        const hd_weight *x = &a->weights.at[i]->weight, *y = &b->weights.at[i]->weight;
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->count, y->count);
        if (memcmp(x->data, y->data, x->count * sizeof(float)) != 0) {
            fail_msg("weight %s differs", x->name);
        }
    }
}

#endif
