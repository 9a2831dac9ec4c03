// SPDX-License-Identifier: Apache-2.0
//
// Convolutions of the ResNets: forward, and both gradients.
#include "base/mem.h"
#include "kernel/conv.h"
#include "kernels.h"

typedef enum way { FORWARD, DX, DW } way;

typedef struct shape {
    size_t batch, side, in, out, kernel, stride;
    way way;
} shape;

typedef struct job {
    hd_conv conv;
    way way;
    float *x, *w, *y;
    void *workspace;
} job;

static void conv_free(void *ctx) {
    job *j = ctx;
    if (!j) return;
    hd_free(j->x);
    hd_free(j->w);
    hd_free(j->y);
    hd_free(j->workspace);
    hd_free(j);
}

static float *numbers(size_t n) {
    float *data = hd_alloc_aligned(n, sizeof *data);
    for (size_t i = 0; data && i < n; i++) data[i] = (float)(i % 13) / 8 - 0.75F;
    return data;
}

static void *conv_new(const void *ctx, hd_precision precision, double *work) {
    const shape *s = ctx;
    job *j = hd_calloc(1, sizeof *j);
    if (!j) return NULL;
    const size_t pad = s->kernel / 2, side = hd_conv_out(s->side, s->kernel, s->stride, pad, 1);
    const hd_conv v = j->conv = (hd_conv){.n = s->batch,
                                          .h = s->side,
                                          .w = s->side,
                                          .c = s->in,
                                          .o = s->out,
                                          .kh = s->kernel,
                                          .kw = s->kernel,
                                          .stride_h = s->stride,
                                          .stride_w = s->stride,
                                          .pad_h = pad,
                                          .pad_w = pad,
                                          .dilation_h = 1,
                                          .dilation_w = 1,
                                          .groups = 1,
                                          .out_h = side,
                                          .out_w = side,
                                          .precision = precision};
    j->way = s->way;
    *work = hd_conv_flops(&v);
    j->x = numbers(v.n * v.h * v.w * v.c);
    j->w = numbers(v.o * v.kh * v.kw * v.c);
    j->y = numbers(v.n * side * side * v.o);
    size_t bytes = s->way == FORWARD ? hd_conv_forward_workspace(&v, 1)
                   : s->way == DX    ? hd_conv_dx_workspace(&v, 1)
                                     : hd_conv_dw_workspace(&v, 1);
    j->workspace = hd_alloc_aligned(bytes + 1, 1);
    if (j->x && j->w && j->y && j->workspace) return j;
    conv_free(j);
    return NULL;
}

static heed_err conv_run(void *ctx) {
    const job *j = ctx;
    const hd_conv_end end = {0};
    if (j->way == FORWARD)
        return hd_conv_forward(NULL, &j->conv, j->x, j->w, end, j->y, j->workspace);
    if (j->way == DX) return hd_conv_dx(NULL, &j->conv, j->y, j->w, end, j->x, j->workspace);
    return hd_conv_dw(NULL, &j->conv, j->x, j->y, j->w, false, j->workspace);
}

#define CASE(title, ...) \
    { "conv " title, &(const shape){__VA_ARGS__}, conv_new, conv_run, conv_free }
#define WAYS(title, ...)                                                        \
    CASE(title " y", __VA_ARGS__, FORWARD), CASE(title " dx", __VA_ARGS__, DX), \
        CASE(title " dw", __VA_ARGS__, DW)

// batch, side, channels, filters, kernel, stride
const bench_case convolution_cases[] = {
    WAYS("16 3×3 32² b64", 64, 32, 16, 16, 3, 1),
    WAYS("32 3×3 16² b64", 64, 16, 32, 32, 3, 1),
    WAYS("64 3×3 8² b64", 64, 8, 64, 64, 3, 1),
    WAYS("16-32 3×3/2 32² b64", 64, 32, 16, 32, 3, 2),
    WAYS("3-64 7×7/2 64² b32", 32, 64, 3, 64, 7, 2),
    WAYS("64 3×3 16² b32", 32, 16, 64, 64, 3, 1),
    WAYS("128 3×3 8² b32", 32, 8, 128, 128, 3, 1),
    WAYS("256 3×3 4² b32", 32, 4, 256, 256, 3, 1),
    WAYS("512 3×3 2² b32", 32, 2, 512, 512, 3, 1),
    WAYS("64 3×3 56² b8", 8, 56, 64, 64, 3, 1),
    WAYS("64-256 1×1 56² b8", 8, 56, 64, 256, 1, 1),
    WAYS("256 3×3 14² b8", 8, 14, 256, 256, 3, 1),
    WAYS("256-1024 1×1 14² b8", 8, 14, 256, 1024, 1, 1),
    {0},
};
