// SPDX-License-Identifier: Apache-2.0
//
// Convolution with many filters over few places (the last stages of a ResNet): the filters, larger
// than a cache, are what costs, and a product of matrices reads them once, in order. The windows
// are written out, a row of kh·kw·c values for each place:
//
//     y = windows · wᵀ,  dw = dyᵀ · windows,  dx = the rows of dy · w, each added where its window
//     lay
//
// Elsewhere frames (conv.c, conv_dw.c) are better: windows hold every value kh·kw times.
#include <string.h>

#include "kernel/conv.h"
#include "kernel/conv_plan.h"

enum {
    FILTERS_LEAST = 1 << 19, // values
    HALF_LEAST = 1 << 18,    // where products go by tiles of bf16
    PLACES_MOST = 64,        // of an image
    WINDOWS_MOST = 1 << 20,  // values at once: some images
    AT_ONCE = 16             // places of a chunk
};

typedef struct few {
    const hd_conv *conv;
    const hd_conv_half *half; // windows are bf16
    const void *x, *residual; // residual: of dx
    hd_dtype residual_type;
    void *dx;
    float *rows; // the windows' gradients
    float *sums; // of dx kept as bf16: the images in f32
    void *windows;
    size_t each, width;    // places of an image, values of a window
    size_t images, places; // at once
} few;

static few few_of(const hd_conv *v, size_t images) {
    const size_t each = v->out_h * v->out_w;
    return (few){.conv = v,
                 .half = v->precision == HD_PRECISE_BF16 ? hd_conv_half_get() : NULL,
                 .each = each,
                 .width = v->kh * v->kw * v->c,
                 .images = images,
                 .places = images * each};
}

static size_t images_at_once(const hd_conv *v) {
    const few one = few_of(v, 1);
    const size_t most = WINDOWS_MOST / (one.each * one.width) + 1, runs = (v->n + most - 1) / most;
    return runs > 0 ? (v->n + runs - 1) / runs : 0;
}

// Said by the shapes of images and filters alone, so that an image's result doesn't depend on how
// many there are.
bool hd_conv_has_few(const hd_conv *v) {
    const few f = few_of(v, 1);
    return v->groups == 1 && f.each > 0 && f.each <= PLACES_MOST &&
           (double)v->o * (double)f.width > (f.half ? HALF_LEAST : FILTERS_LEAST);
}

// Where the c values of a tap of place i lie in an image of x: their offset, or none.
static bool tap_at(const hd_conv *v, size_t i, size_t h, size_t w, size_t *at) {
    const size_t row = i / v->out_w % v->out_h * v->stride_h + h * v->dilation_h;
    const size_t col = i % v->out_w * v->stride_w + w * v->dilation_w;
    if (row < v->pad_h || col < v->pad_w || row - v->pad_h >= v->h || col - v->pad_w >= v->w)
        return false;
    const size_t image = i / v->out_w / v->out_h;
    *at = ((image * v->h + row - v->pad_h) * v->w + col - v->pad_w) * v->c;
    return true;
}

static void write_tap(const few *f, size_t i, size_t tap) {
    const hd_conv *v = f->conv;
    const size_t element = f->half ? sizeof(uint16_t) : sizeof(float);
    char *to = (char *)f->windows + (i * f->width + tap * v->c) * element;
    size_t at;
    if (!tap_at(v, i, tap / v->kw, tap % v->kw, &at))
        memset(to, 0, v->c * element);
    else if (f->half && v->x_type == HD_F32)
        f->half->narrow(v->c, (const float *)f->x + at, (uint16_t *)(void *)to);
    else
        memcpy(to, hd_conv_at(f->x, v->x_type, at), v->c * element);
}

static heed_err windows_chunk(void *ctx, size_t chunk) {
    const few *f = ctx;
    const size_t end = (chunk + 1) * AT_ONCE < f->places ? (chunk + 1) * AT_ONCE : f->places;
    for (size_t i = chunk * AT_ONCE; i < end; i++)
        for (size_t tap = 0; tap < f->conv->kh * f->conv->kw; tap++) write_tap(f, i, tap);
    return HEED_OK;
}

// What the windows' rows are added to: an image of the residual, or zeros.
static void add_start(const few *f, size_t at, size_t image, float *dx) {
    if (!f->residual) {
        memset(dx, 0, image * sizeof *dx);
    } else if (f->residual_type == HD_BF16) {
        const uint16_t *from = (const uint16_t *)f->residual + at;
        for (size_t i = 0; i < image; i++) dx[i] = hd_f32_of_bf16(from[i]);
    } else if ((const float *)f->residual + at != dx) {
        memcpy(dx, (const float *)f->residual + at, image * sizeof *dx);
    }
}

// chunk: an image; its windows' rows in order.
static heed_err add_chunk(void *ctx, size_t chunk) {
    const few *f = ctx;
    const hd_conv *v = f->conv;
    const size_t image = v->h * v->w * v->c;
    float *dx = (f->sums ? f->sums : (float *)f->dx) + chunk * image;
    add_start(f, chunk * image, image, dx);
    for (size_t i = chunk * f->each; i < (chunk + 1) * f->each; i++) {
        for (size_t tap = 0; tap < v->kh * v->kw; tap++) {
            const float *from = f->rows + i * f->width + tap * v->c;
            size_t at;
            if (!tap_at(v, i, tap / v->kw, tap % v->kw, &at)) continue;
            at -= chunk * image;
            for (size_t c = 0; c < v->c; c++) dx[at + c] += from[c];
        }
    }
    if (f->sums) f->half->narrow(image, dx, (uint16_t *)f->dx + chunk * image);
    return HEED_OK;
}

static hd_gemm product_of(const few *f, hd_conv_pass pass) {
    const hd_conv *v = f->conv;
    hd_gemm g = {.precision = v->precision};
    if (pass == HD_CONV_FORWARD) {
        g.m = f->places, g.n = v->o, g.k = f->width;
        g.a_row = f->width, g.a_col = 1;
        g.b_row = 1, g.b_col = f->width;
    } else if (pass == HD_CONV_DX) {
        g.m = f->places, g.n = f->width, g.k = v->o;
        g.a_row = v->o, g.a_col = 1;
        g.b_row = f->width, g.b_col = 1;
    } else {
        g.m = v->o, g.n = f->width, g.k = f->places;
        g.a_row = 1, g.a_col = v->o;
        g.b_row = f->width, g.b_col = 1;
    }
    g.a_type = pass == HD_CONV_FORWARD ? v->x_type : v->y_type;
    if (f->half && pass == HD_CONV_FORWARD) g.a_type = HD_BF16;
    if (f->half && pass == HD_CONV_DW) g.b_type = HD_BF16;
    if (pass == HD_CONV_FORWARD) g.c_type = v->y_type;
    g.c_row = g.n;
    return g;
}

static size_t windows_bytes(const few *f) {
    return hd_round_up(f->places * f->width * sizeof(float), 64);
}

static size_t sums_bytes(const few *f, hd_conv_pass pass) {
    const hd_conv *v = f->conv;
    if (pass != HD_CONV_DX || v->x_type != HD_BF16) return 0;
    return hd_round_up(f->images * v->h * v->w * v->c * sizeof(float), 64);
}

static size_t workspace_of(const few *f, hd_conv_pass pass, size_t threads) {
    const hd_gemm g = product_of(f, pass);
    return windows_bytes(f) + sums_bytes(f, pass) + hd_gemm_workspace(&g, threads);
}

size_t hd_conv_few_workspace(const hd_conv *v, hd_conv_pass pass, size_t threads) {
    const size_t images = images_at_once(v);
    if (images == 0) return 0;
    const few whole = few_of(v, images), rest = few_of(v, v->n % images);
    const size_t a = workspace_of(&whole, pass, threads),
                 b = rest.images > 0 ? workspace_of(&rest, pass, threads) : 0;
    return a > b ? a : b;
}

// The images of f. a: x or dy; b: w or x.
static heed_err run_some(hd_pool *pool, few *f, hd_conv_pass pass, const void *a, const void *b,
                         hd_conv_end end, void *out, char *workspace, bool more) {
    hd_gemm g = product_of(f, pass);
    f->windows = f->rows = (float *)(void *)workspace;
    workspace += windows_bytes(f);
    f->sums = sums_bytes(f, pass) > 0 ? (float *)(void *)workspace : NULL;
    workspace += sums_bytes(f, pass);
    f->x = pass == HD_CONV_FORWARD ? a : b;
    f->dx = out;
    if (pass != HD_CONV_DX)
        HD_TRY(hd_pool_run(pool, (f->places + AT_ONCE - 1) / AT_ONCE, windows_chunk, f));
    g.a = pass == HD_CONV_FORWARD ? f->windows : a;
    g.b = pass == HD_CONV_DW ? f->windows : b;
    g.c = pass == HD_CONV_DX ? f->rows : out;
    g.accumulate = pass == HD_CONV_DW && (more || end.residual);
    if (pass == HD_CONV_FORWARD) g.residual = end.residual, g.residual_type = end.residual_type;
    if (pass == HD_CONV_DX) f->residual = end.residual, f->residual_type = end.residual_type;
    g.bias = end.bias;
    g.act = end.relu ? HD_ACT_RELU : HD_ACT_NONE;
    HD_TRY(hd_gemm_run(pool, &g, workspace));
    return pass == HD_CONV_DX ? hd_pool_run(pool, f->images, add_chunk, f) : HEED_OK;
}

heed_err hd_conv_few_run(hd_pool *pool, const hd_conv *v, hd_conv_pass pass, const void *a,
                         const void *b, hd_conv_end end, void *out, void *workspace) {
    const size_t x = v->h * v->w * v->c, y = v->out_h * v->out_w * v->o,
                 at_once = images_at_once(v);
    for (size_t i = 0, n; i < v->n; i += n) {
        n = v->n - i < at_once ? v->n - i : at_once;
        few f = few_of(v, n);
        const bool forward = pass == HD_CONV_FORWARD;
        const void *from = hd_conv_at(a, forward ? v->x_type : v->y_type, i * (forward ? x : y));
        const void *other = pass == HD_CONV_DW ? hd_conv_at(b, v->x_type, i * x) : b;
        void *to = out;
        hd_conv_end last = end;
        if (pass != HD_CONV_DW)
            to = hd_conv_room(out, forward ? v->y_type : v->x_type, i * (forward ? y : x));
        if (end.residual && pass != HD_CONV_DW)
            last.residual = hd_conv_at(end.residual, end.residual_type, i * (forward ? y : x));
        HD_TRY(run_some(pool, &f, pass, from, other, last, to, workspace, i > 0));
    }
    return HEED_OK;
}
