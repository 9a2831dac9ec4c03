// SPDX-License-Identifier: Apache-2.0
//
// Between i32 and f32. To an integer: towards zero, what doesn't fit becomes the nearest that does,
// NaN 0. No gradient goes through.
#include <math.h>
#include <string.h>

#include "tensor/ops.h"
#include "tensor/own.h"

typedef struct cast_attrs {
    hd_dtype to;
} cast_attrs;

static heed_err cast_shape(hd_node *node) {
    const hd_tensor *x = node->in[0];
    hd_dtype to = ((const cast_attrs *)node->attrs)->to;
    bool known = (x->dtype == HD_F32 || x->dtype == HD_I32) && (to == HD_F32 || to == HD_I32);
    if (known) return hd_out_set(node, 0, to, x->n_dims, x->shape);
    return HD_FAIL(HEED_INPUT, "values of type %s can't become %s (the shape is %s)",
                   "%s 类型的值无法转换为 %s（形状为 %s）", hd_dtype_name(x->dtype),
                   hd_dtype_name(to), hd_tensor_shape(x).text);
}

static int32_t whole(double x) {
    if (isnan(x)) return 0;
    return x <= INT32_MIN ? INT32_MIN : x >= INT32_MAX ? INT32_MAX : (int32_t)x;
}

static heed_err cast_forward(const hd_node *node, const hd_run *run) {
    (void)run;
    const hd_tensor *x = node->in[0], *y = node->out[0];
    if (x->dtype == y->dtype) {
        if (x->count > 0) memcpy(y->data, x->data, x->count * sizeof(float));
    } else if (y->dtype == HD_F32) {
        for (size_t i = 0; i < x->count; i++)
            ((float *)y->data)[i] = (float)((const int32_t *)x->data)[i];
    } else {
        for (size_t i = 0; i < x->count; i++)
            ((int32_t *)y->data)[i] = whole((double)((const float *)x->data)[i]);
    }
    return HEED_OK;
}

static void cast_reference(const hd_node *node, const double *const *in, double *const *out) {
    const hd_tensor *y = node->out[0];
    for (size_t i = 0; i < y->count; i++)
        out[0][i] = y->dtype == HD_I32 ? (double)whole(in[0][i]) : in[0][i];
}

static void cast_samples(hd_samples *samples) {
    const hd_sample_in in[] = {
        {.kind = HD_SAMPLE_INDEX, .n_dims = 2, .shape = {3, 5}, .low = -9, .high = 9},
        {.kind = HD_SAMPLE_FIXED, .n_dims = 1, .shape = {17}, .low = -9, .high = 9},
    };
    hd_sample_add(samples, 1, &in[0], &(cast_attrs){HD_F32}, 0);
    hd_sample_add(samples, 1, &in[1], &(cast_attrs){HD_I32}, 0);
    hd_sample_add(samples, 1, &in[1], &(cast_attrs){HD_F32}, 0);
}

const hd_operator hd_operator_cast = {
    .name = "cast",
    .n_in = 1,
    .n_out = 1,
    .attrs_size = sizeof(cast_attrs),
    .shape = cast_shape,
    .forward = cast_forward,
    .reference = cast_reference,
    .samples = cast_samples,
};

hd_tensor *hd_tensor_cast(hd_tensor *x, hd_dtype to) {
    return hd_operator_apply(hd_graph_of(x), &hd_operator_cast, 1, &x, &(cast_attrs){to});
}
