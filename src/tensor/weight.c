// SPDX-License-Identifier: Apache-2.0
#include "tensor/weight.h"

#include <string.h>

#include "base/mem.h"

heed_err hd_weight_init(hd_weight *weight, const char *name, int n_dims, const size_t *shape) {
    *weight = (hd_weight){.n_dims = n_dims, .count = 1};
    if (n_dims < 0 || n_dims > HD_MAX_DIMS) {
        return HD_FAIL(HEED_INPUT, "'%s' has %d dimensions: at most %d", "“%s”有 %d 维：最多 %d 维",
                       name, n_dims, HD_MAX_DIMS);
    }
    for (int i = 0; i < n_dims; i++) {
        weight->shape[i] = shape[i];
        if (__builtin_mul_overflow(weight->count, shape[i], &weight->count))
            return HD_FAIL_MEMORY(SIZE_MAX);
    }
    weight->name = hd_strdup(name);
    weight->data = hd_alloc_aligned(weight->count, sizeof *weight->data);
    if (weight->name && weight->data) return HEED_OK;
    size_t bytes = weight->count * sizeof *weight->data;
    hd_weight_clear(weight);
    return HD_FAIL_MEMORY(bytes);
}

void hd_weight_clear(hd_weight *weight) {
    hd_free(weight->name);
    hd_free(weight->data);
    hd_free(weight->grad);
    hd_free(weight->rows);
    *weight = (hd_weight){0};
}

heed_err hd_weight_need_grad(hd_weight *weight) {
    if (weight->grad) return HEED_OK;
    weight->grad = hd_alloc_aligned(weight->count, sizeof *weight->grad);
    if (!weight->grad) return HD_FAIL_MEMORY(weight->count * sizeof *weight->grad);
    return HEED_OK;
}

void hd_weight_zero_grad(hd_weight *weight) {
    weight->has_squares = false;
    if (!weight->grad || weight->count == 0) return;
    if (!weight->sparse) {
        memset(weight->grad, 0, weight->count * sizeof *weight->grad);
        return;
    }
    size_t row = weight->count / weight->shape[0];
    for (size_t i = 0; i < weight->n_rows; i++)
        memset(weight->grad + weight->rows[i] * row, 0, row * sizeof *weight->grad);
    weight->n_rows = 0;
}
