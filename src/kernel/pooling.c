// SPDX-License-Identifier: Apache-2.0
//
// Pools and resizing by rows of outputs (kernel/pooling_path.h). A backward adds each output's
// share to its window's places, in the order of the outputs, one image per chunk.
#include "kernel/pooling.h"

#include <string.h>

#include "kernel/cpu.h"
#include "kernel/kernels.h"
#include "kernel/pooling_path.h"

enum { CHUNK = 16384 }; // values read per chunk of a forward, about

hd_window hd_pooling_window(size_t in, size_t out, size_t k, size_t stride, size_t pad,
                            bool adaptive, size_t i) {
    hd_window w;
    if (adaptive) {
        w.from = i * in / out;
        w.to = ((i + 1) * in + out - 1) / out;
        w.all = w.to - w.from;
        return w;
    }
    const size_t start = i * stride, end = start + k; // counted from the padding's first value
    const size_t last = end < in + 2 * pad ? end : in + 2 * pad;
    w.all = last - start;
    w.from = start > pad ? start - pad : 0;
    w.to = end > pad ? end - pad : 0;
    if (w.to > in) w.to = in;
    if (w.from > w.to) w.from = w.to;
    return w;
}

hd_blend hd_resize_blend(size_t in, size_t out, bool bilinear, size_t i) {
    if (!bilinear) return (hd_blend){{i * in / out, i * in / out}, 0};
    double at = ((double)i + 0.5) * (double)in / (double)out - 0.5;
    if (at < 0) at = 0;
    hd_blend b = {{(size_t)at, (size_t)at}, 0};
    if (b.at[0] + 1 < in) {
        b.at[1] = b.at[0] + 1;
        b.t = (float)(at - (double)b.at[0]);
    }
    return b;
}

typedef struct job {
    const hd_pooling *p;
    const hd_resize *r;
    size_t rows, bands; // output rows per chunk; chunks per image
    hd_window *w;
    hd_blend *blends;
    const float *x, *dy;
    float *y;
    int32_t *arg;
    const hd_pooling_kernels *kernels;
} job;

static size_t aligned(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

size_t hd_pooling_workspace(const hd_pooling *p) {
    return aligned(p->out_w * sizeof(hd_window));
}

size_t hd_resize_workspace(const hd_resize *r) {
    return aligned(r->out_w * sizeof(hd_blend));
}

static job bands(size_t h, size_t w, size_t c, size_t out_h) {
    job j = {.rows = 1, .kernels = hd_kernels_get()->pooling};
    const size_t image = h * w * c;
    if (image > 0) j.rows = out_h * CHUNK / image;
    if (j.rows < 1) j.rows = 1;
    if (j.rows > out_h) j.rows = out_h;
    j.bands = out_h > 0 ? (out_h + j.rows - 1) / j.rows : 0;
    return j;
}

static hd_window row_window(const hd_pooling *p, size_t i) {
    return hd_pooling_window(p->h, p->out_h, p->kh, p->stride_h, p->pad_h, p->adaptive, i);
}

static job pooling_job(const hd_pooling *p, void *workspace) {
    job j = bands(p->h, p->w, p->c, p->out_h);
    j.p = p;
    j.w = workspace;
    for (size_t i = 0; i < p->out_w; i++)
        j.w[i] = hd_pooling_window(p->w, p->out_w, p->kw, p->stride_w, p->pad_w, p->adaptive, i);
    return j;
}

// Output row i of an image. The factors of an average depend on the row only at the edges; they are
// given by the caller's buffer.
static hd_pooling_row row_of(const job *j, size_t image, size_t i) {
    const hd_pooling *p = j->p;
    return (hd_pooling_row){.c = p->c,
                            .width = p->w,
                            .outs = p->out_w,
                            .h = row_window(p, i),
                            .w = j->w,
                            .x = j->x ? j->x + image * p->h * p->w * p->c : NULL};
}

enum { FACTORS = 64 };

// Runs a row of averages, some columns at a time with their factors.
static void run_avg(const job *j, hd_pooling_row row, void (*run)(const hd_pooling_row *row)) {
    const hd_pooling *p = j->p;
    float factors[FACTORS];
    const size_t outs = row.outs;
    for (size_t at = 0; at < outs; at += row.outs) {
        row.outs = outs - at < FACTORS ? outs - at : FACTORS;
        for (size_t i = 0; i < row.outs; i++) {
            const hd_window *w = &row.w[i];
            size_t count =
                p->count_pad ? row.h.all * w->all : (row.h.to - row.h.from) * (w->to - w->from);
            factors[i] = count > 0 ? 1 / (float)count : 0;
        }
        row.inverse = factors;
        run(&row);
        row.w += row.outs;
        if (row.dy)
            row.dy += row.outs * p->c;
        else
            row.to += row.outs * p->c;
    }
}

static heed_err forward_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const hd_pooling *p = j->p;
    const size_t image = chunk / j->bands, from = chunk % j->bands * j->rows;
    const size_t to = from + j->rows < p->out_h ? from + j->rows : p->out_h;
    for (size_t i = from; i < to; i++) {
        hd_pooling_row row = row_of(j, image, i);
        const size_t at = (image * p->out_h + i) * p->out_w * p->c;
        row.to = j->y + at;
        if (j->arg)
            row.arg = j->arg + at, j->kernels->max(&row);
        else
            run_avg(j, row, j->kernels->avg);
    }
    return HEED_OK;
}

static heed_err back_chunk(void *ctx, size_t image) {
    const job *j = ctx;
    const hd_pooling *p = j->p;
    float *dx = j->y + image * p->h * p->w * p->c;
    memset(dx, 0, p->h * p->w * p->c * sizeof *dx);
    for (size_t i = 0; i < p->out_h; i++) {
        hd_pooling_row row = row_of(j, image, i);
        const size_t at = (image * p->out_h + i) * p->out_w * p->c;
        row.to = dx, row.dy = j->dy + at;
        if (j->arg)
            row.arg = j->arg + at, j->kernels->max_back(&row);
        else
            run_avg(j, row, j->kernels->avg_back);
    }
    return HEED_OK;
}

heed_err hd_max_pool(hd_pool *pool, const hd_pooling *p, const float *x, float *y, int32_t *arg,
                     void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = pooling_job(p, workspace);
    j.x = x, j.y = y, j.arg = arg;
    return hd_pool_run(pool, p->n * j.bands, forward_chunk, &j);
}

heed_err hd_avg_pool(hd_pool *pool, const hd_pooling *p, const float *x, float *y,
                     void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = pooling_job(p, workspace);
    j.x = x, j.y = y;
    return hd_pool_run(pool, p->n * j.bands, forward_chunk, &j);
}

heed_err hd_max_pool_back(hd_pool *pool, const hd_pooling *p, const float *dy, const int32_t *arg,
                          float *dx, void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = pooling_job(p, workspace);
    int32_t *places;
    memcpy(&places, &arg, sizeof places); // (only read)
    j.dy = dy, j.y = dx, j.arg = places;
    return hd_pool_run(pool, p->n, back_chunk, &j);
}

heed_err hd_avg_pool_back(hd_pool *pool, const hd_pooling *p, const float *dy, float *dx,
                          void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = pooling_job(p, workspace);
    j.dy = dy, j.y = dx;
    return hd_pool_run(pool, p->n, back_chunk, &j);
}

// ── resizing ──

static job resize_job(const hd_resize *r, void *workspace) {
    job j = bands(r->out_h, r->out_w, r->c, r->out_h);
    j.r = r;
    j.blends = workspace;
    for (size_t i = 0; i < r->out_w; i++)
        j.blends[i] = hd_resize_blend(r->w, r->out_w, r->bilinear, i);
    return j;
}

static hd_resize_row resize_row(const job *j, size_t i, hd_blend *h) {
    *h = hd_resize_blend(j->r->h, j->r->out_h, j->r->bilinear, i);
    return (hd_resize_row){.c = j->r->c, .outs = j->r->out_w, .t = h->t, .w = j->blends};
}

static heed_err resize_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const hd_resize *r = j->r;
    const size_t image = chunk / j->bands, from = chunk % j->bands * j->rows, line = r->w * r->c;
    const size_t to = from + j->rows < r->out_h ? from + j->rows : r->out_h;
    for (size_t i = from; i < to; i++) {
        hd_blend h;
        hd_resize_row row = resize_row(j, i, &h);
        for (int k = 0; k < 2; k++) row.x[k] = j->x + (image * r->h + h.at[k]) * line;
        row.y = j->y + (image * r->out_h + i) * r->out_w * r->c;
        j->kernels->blend(&row);
    }
    return HEED_OK;
}

static heed_err resize_back_chunk(void *ctx, size_t image) {
    const job *j = ctx;
    const hd_resize *r = j->r;
    const size_t line = r->w * r->c;
    memset(j->y + image * r->h * line, 0, r->h * line * sizeof *j->y);
    for (size_t i = 0; i < r->out_h; i++) {
        hd_blend h;
        hd_resize_row row = resize_row(j, i, &h);
        for (int k = 0; k < 2; k++) row.to[k] = j->y + (image * r->h + h.at[k]) * line;
        row.dy = j->dy + (image * r->out_h + i) * r->out_w * r->c;
        j->kernels->blend_back(&row);
    }
    return HEED_OK;
}

heed_err hd_resize_forward(hd_pool *pool, const hd_resize *r, const float *x, float *y,
                           void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = resize_job(r, workspace);
    j.x = x, j.y = y;
    return hd_pool_run(pool, r->n * j.bands, resize_chunk, &j);
}

heed_err hd_resize_back(hd_pool *pool, const hd_resize *r, const float *dy, float *dx,
                        void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = resize_job(r, workspace);
    j.dy = dy, j.y = dx;
    return hd_pool_run(pool, r->n, resize_back_chunk, &j);
}
