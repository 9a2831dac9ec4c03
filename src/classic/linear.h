// SPDX-License-Identifier: Apache-2.0
//
// A linear model's weights, (w, m + 1): the intercept stands behind each row's features.
#ifndef HD_CLASSIC_LINEAR_H
#define HD_CLASSIC_LINEAR_H

#include "classic/kind.h"

typedef struct hd_linear {
    size_t w;       // rows: outputs; 1 of two classes
    float *weights; // (w, m + 1)
} hd_linear;

heed_err hd_linear_new(size_t w, size_t m, hd_linear **out) HEED_CHECK;
size_t hd_linear_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes);
void hd_linear_save(const void *model, const hd_classic_shape *shape, hd_str *out);
heed_err hd_linear_load(hd_bytes *in, const hd_classic_shape *shape, void **model) HEED_CHECK;
void hd_linear_free(void *model);
// Row r's value of row i.
double hd_linear_value(const hd_linear *model, size_t r, const hd_matrix *x, size_t i);

#endif
