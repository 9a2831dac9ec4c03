// SPDX-License-Identifier: Apache-2.0
//
// The gradient by the filters: dw[o][k][c] = Σ over images and places dy[place][o] · x[window at
// place][k][c]: outer products with the places as the sum, on frames of x (conv_plan.c) and dy as
// it lies. Places are shared out to "lanes", each with a gradient of its own, summed in their order
// at the end; a large gradient has few places per value and is one lane whose blocks are shared out
// instead. Both numbers come from the shape.
#include "kernel/conv.h"

#include <string.h>

#include "kernel/conv_plan.h"
#include "kernel/cpu.h"
#include "kernel/kernels.h"

enum {
    LANES = 8,
    SHARES = 8,
    LANE_BYTES = 4 << 20,      // all lanes together
    FRAME_BYTES = 128 << 10,   // of a unit
    BIG_FRAME_BYTES = 1 << 20, // where the gradient itself leaves the second cache
    BIG = 1 << 18,             // values of such a gradient
    PLACES = 320,              // of bf16 tiles, at once
};

typedef struct wgrad {
    const hd_conv *conv;
    bool depthwise, narrow;
    hd_conv_axis h, w;
    hd_conv_units units;
    size_t in, out;        // channels per group
    size_t filter, values; // values of a filter, of all
    size_t lanes, shares;
    size_t run, tap_count;
    bool merged;
    const float *x, *dy;
    float *dw, *partial; // partial: (lanes, values) or NULL
    size_t *taps;        // of the depthwise kernel
    const hd_conv_kernels *kernels;
    hd_slots slots;
    size_t dy_unit, slot_bytes; // floats of dy per unit (narrow)
    // bf16 by tiles: frames are turned to planes (phase of the stride) of channels × places.
    const hd_conv_half *half;
    hd_conv_keep keep;
    size_t plane_h, plane_w, phases; // of one image; planes
    size_t places, x_row; // summed over per unit, a multiple of 32; values of a turned row
    size_t c16, o32;
} wgrad;

// Places of a unit's images follow each other, each with the rows and columns that taps reach
// beyond; there dy counts as zero.
static void half_init(wgrad *g) {
    const hd_conv *v = g->conv;
    const hd_conv_units *u = &g->units;
    const size_t frame = hd_round_up(u->direct ? 0 : u->images * u->frame, 16) * sizeof(float);
    g->phases = (v->kh > 1 ? v->stride_h : 1) * (v->kw > 1 ? v->stride_w : 1);
    g->plane_h = u->rows + (g->h.reach - 1) / v->stride_h;
    g->plane_w = v->out_w + (g->w.reach - 1) / v->stride_w;
    g->c16 = hd_round_up(v->c, 16), g->o32 = hd_round_up(v->o, 32);
    g->places = hd_round_up(u->images * g->plane_h * g->plane_w, 32);
    g->x_row = g->places + hd_round_up(g->plane_h * g->plane_w, 32);
    if (g->x_row % 512 == 0) g->x_row += 32; // (rows on different lines of the first cache)
    g->slot_bytes = frame + (g->phases * g->c16 * g->x_row + g->places * g->o32) * sizeof(uint16_t);
}

static void wgrad_init(wgrad *g, const hd_conv *v) {
    *g = (wgrad){.conv = v,
                 .narrow = v->precision == HD_PRECISE_BF16,
                 .in = v->c / v->groups,
                 .out = v->o / v->groups,
                 .kernels = hd_kernels_get()->conv};
    g->depthwise = v->groups == v->c && v->c == v->o && v->groups > 1;
    g->h = hd_conv_axis_forward(v->h, v->kh, v->stride_h, v->pad_h, v->dilation_h, v->out_h);
    g->w = hd_conv_axis_forward(v->w, v->kw, v->stride_w, v->pad_w, v->dilation_w, v->out_w);
    g->filter = v->kh * v->kw * g->in;
    g->values = v->o * g->filter;
    g->merged = v->groups == 1 && (v->dilation_w == 1 || v->kw == 1);
    g->run = g->merged ? v->kw * g->in : g->in;
    g->tap_count = g->merged ? v->kh : v->kh * v->kw;
    const bool big = g->values > BIG;
    if (g->narrow && v->groups == 1) g->half = hd_conv_half_get();
    g->keep = g->narrow && !g->half ? HD_CONV_ROUNDED : HD_CONV_AS_IS;
    g->units = hd_conv_cut(v->n, &g->h, &g->w, v->c, g->keep, big ? BIG_FRAME_BYTES : FRAME_BYTES,
                           big ? 1024 : 192);
    const hd_conv_units *u = &g->units;
    const size_t most = LANE_BYTES / sizeof(float) / (g->values > 0 ? g->values : 1);
    g->lanes = u->count < LANES ? u->count : LANES;
    if (g->lanes > most) g->lanes = most;
    if (g->lanes == 0) g->lanes = 1;
    const size_t blocks = (g->out + g->kernels->block_m - 1) / g->kernels->block_m;
    g->shares = g->depthwise ? 1 : (g->half ? SHARES / 2 : SHARES) / g->lanes;
    if (g->shares > blocks) g->shares = blocks;
    if (g->shares == 0) g->shares = 1;
    g->dy_unit = g->narrow ? u->images * u->rows * v->out_w * v->o : 0;
    g->slot_bytes =
        ((u->direct ? 0 : hd_round_up(u->images * u->frame, 16)) + g->dy_unit) * sizeof(float);
    if (g->half && u->count > 0) half_init(g);
}

// Floats of a lane's own gradient; a single lane writes into dw (depthwise: in another order).
static size_t partial_floats(const wgrad *g) {
    if (g->half) return g->conv->kh * g->conv->kw * g->c16 * g->o32;
    return g->lanes > 1 || g->depthwise ? hd_round_up(g->values, 16) : 0;
}

static size_t wgrad_lay(wgrad *g, char *memory, size_t threads) {
    size_t at = hd_round_up(g->tap_count * sizeof(size_t), 64);
    if (memory) {
        g->taps = (size_t *)(void *)memory;
        g->partial = (float *)(void *)(memory + at);
    }
    at += g->lanes * partial_floats(g) * sizeof(float);
    if (memory) g->slots = hd_slots_init(memory + at, threads, g->slot_bytes);
    return at + hd_slots_bytes(threads, g->slot_bytes);
}

// Rows [o0, o1) of each group's filters, all columns, over one unit's places.
static void unit_blocks(const wgrad *g, hd_conv_block *b, const float *x, const float *dy,
                        size_t o0, size_t o1, float *out) {
    const hd_conv *v = g->conv;
    const size_t block_m = g->kernels->block_m, block_n = g->kernels->block_n;
    b->out_row = g->filter;
    for (size_t group = 0; group < v->groups; group++) {
        for (size_t t = 0; t < g->tap_count; t++) {
            const size_t kh = g->merged ? t : t / v->kw, kw = g->merged ? 0 : t % v->kw;
            const float *tap = x + group * g->in +
                               (kh * v->dilation_h * g->units.frame_w + kw * v->dilation_w) * v->c;
            for (size_t j = 0; j < g->run; j += block_n) {
                b->n = g->run - j < block_n ? g->run - j : block_n;
                b->x = tap + j;
                for (size_t o = o0; o < o1; o += block_m) {
                    b->m = o1 - o < block_m ? o1 - o : block_m;
                    b->dy = dy + group * g->out + o;
                    b->out = out + (group * g->out + o) * g->filter + t * g->run + j;
                    g->kernels->block(b);
                }
            }
        }
    }
}

static void unit_depthwise(const wgrad *g, const hd_conv_block *b, const float *x, const float *dy,
                           float *out) {
    for (size_t e = 0; e < b->images; e++) {
        for (size_t r = 0; r < b->rows; r++) {
            g->kernels->depth_dw(g->conv->c, b->cols, x + e * b->x_image + r * b->x_row, b->x_step,
                                 g->taps, g->tap_count, dy + e * b->dy_image + r * b->dy_row,
                                 b->dy_step, out);
        }
    }
}

// ── bf16 by tiles ──

// A frame's rows and columns of one phase, turned.
static void turn_plane(const wgrad *g, size_t ph, size_t pw, size_t frame_h, const float *frame,
                       uint16_t *to) {
    const hd_conv *v = g->conv;
    const size_t sh = v->stride_h, sw = v->stride_w, pitch = g->units.frame_w;
    size_t rows = (frame_h - ph + sh - 1) / sh, cols = (pitch - pw + sw - 1) / sw,
           line = g->plane_w;
    if (rows > g->plane_h) rows = g->plane_h;
    if (cols > g->plane_w) cols = g->plane_w;
    if (sh == 1 && sw == 1 && pitch == line) cols *= rows, rows = 1; // one row of places
    for (size_t r = 0; r < rows; r++) {
        const float *from = frame + ((r * sh + ph) * pitch + pw) * v->c;
        for (size_t c = 0; c < v->c; c += 16) {
            const size_t channels = v->c - c < 16 ? v->c - c : 16;
            for (size_t q = 0; q < cols; q += 32) {
                g->half->turn(channels, cols - q < 32 ? cols - q : 32, from + q * sw * v->c + c,
                              sw * v->c, to + c * g->x_row + r * line + q, g->x_row);
            }
        }
    }
}

// dy of a unit by 32 filters, in pairs of places.
static void pair_places(const wgrad *g, const hd_conv_unit *unit, const float *dy, uint16_t *to) {
    const hd_conv *v = g->conv;
    const size_t image = v->out_h * v->out_w * v->o;
    const float *two[2];
    size_t e = 0, r = 0, col = 0;
    for (size_t q = 0; q < g->places; q++) {
        const bool there = e < unit->images && r < unit->rows && col < v->out_w;
        two[q % 2] = there ? dy + e * image + (r * v->out_w + col) * v->o : NULL;
        for (size_t o = 0; q % 2 == 1 && o < v->o; o += 32) {
            const float *even = two[0] ? two[0] + o : NULL, *odd = two[1] ? two[1] + o : NULL;
            g->half->pair(v->o - o < 32 ? v->o - o : 32, even, odd,
                          to + o * g->places + q / 2 * 64);
        }
        if (++col < g->plane_w) continue;
        col = 0;
        if (++r == g->plane_h) r = 0, e++;
    }
}

// 32 channels × 32 filters of all taps; places go by as many as the first cache holds.
static void half_blocks(const wgrad *g, const uint16_t *turned, const uint16_t *dy, size_t c,
                        size_t filters, float *out) {
    const hd_conv *v = g->conv;
    const size_t plane = g->c16 * g->x_row, pws = v->kw > 1 ? v->stride_w : 1;
    for (size_t q = 0, n; q < g->places; q += n) {
        n = g->places - q < PLACES ? g->places - q : PLACES;
        for (size_t t = 0; t < v->kh * v->kw; t++) {
            const size_t h = t / v->kw * v->dilation_h, w = t % v->kw * v->dilation_w;
            const size_t phase = h % v->stride_h * pws + w % v->stride_w;
            const size_t shift = h / v->stride_h * g->plane_w + w / v->stride_w;
            g->half->gradient(g->c16 - c, filters, n, turned + phase * plane + shift + q, g->x_row,
                              dy + q * 32, 64, out + (t * g->c16 + c) * 32, 32);
        }
    }
}

static void half_unit(const wgrad *g, const hd_conv_unit *unit, size_t o0, size_t o1, float *slot,
                      float *out) {
    const hd_conv *v = g->conv;
    const hd_conv_units *u = &g->units;
    size_t image_step;
    const float *x = hd_conv_frame(u, unit, &g->h, &g->w, v->c, g->x, g->keep, slot, &image_step);
    const size_t plane = g->c16 * g->x_row, pws = v->kw > 1 ? v->stride_w : 1;
    uint16_t *turned =
        (uint16_t *)(void *)(slot + hd_round_up(u->direct ? 0 : u->images * u->frame, 16));
    uint16_t *pairs = turned + g->phases * plane;
    memset(turned, 0,
           g->phases * plane * sizeof *turned); // (what no value is written to is finite)
    const size_t frame_h = (unit->rows - 1) * v->stride_h + g->h.reach;
    for (size_t e = 0; e < unit->images; e++) {
        for (size_t p = 0; p < g->phases; p++)
            turn_plane(g, p / pws, p % pws, frame_h, x + e * image_step,
                       turned + p * plane + e * g->plane_h * g->plane_w);
    }
    pair_places(g, unit, g->dy + (unit->image * v->out_h + unit->row) * v->out_w * v->o, pairs);
    for (size_t o = o0; o < o1; o += 32) {
        for (size_t c = 0; c < g->c16; c += 32)
            half_blocks(g, turned + c * g->x_row, pairs + o * g->places, c, v->o - o,
                        out + o * v->kh * v->kw * g->c16);
    }
}

// chunk: (lane, share of the filters).
static heed_err half_chunk(void *ctx, size_t chunk) {
    const wgrad *g = ctx;
    const size_t lane = chunk / g->shares, share = chunk % g->shares, blocks = g->o32 / 32;
    const size_t o0 = blocks * share / g->shares * 32, o1 = blocks * (share + 1) / g->shares * 32;
    const size_t from = g->units.count * lane / g->lanes,
                 to = g->units.count * (lane + 1) / g->lanes;
    const size_t rows = g->conv->kh * g->conv->kw * g->c16;
    float *out = g->partial + lane * partial_floats(g), *slot = hd_slots_take(&g->slots);
    memset(out + o0 * rows, 0, (o1 - o0) * rows * sizeof *out);
    g->half->begin();
    for (size_t i = from; i < to; i++) {
        const hd_conv_unit unit = hd_conv_unit_at(&g->units, g->conv->n, g->conv->out_h, i);
        half_unit(g, &unit, o0, o1, slot, out);
    }
    g->half->end();
    hd_slots_give(&g->slots, slot);
    return HEED_OK;
}

// chunk: 32 filters. A lane lies (32 filters, place, channel, filter).
static heed_err half_sum_chunk(void *ctx, size_t chunk) {
    const wgrad *g = ctx;
    const hd_conv *v = g->conv;
    const size_t o0 = chunk * 32, n = v->o - o0 < 32 ? v->o - o0 : 32, lane = partial_floats(g);
    const float *block = g->partial + o0 * v->kh * v->kw * g->c16;
    for (size_t i = 0; i < g->filter; i++) {
        const float *from = block + (i / v->c * g->c16 + i % v->c) * 32;
        float sum[32];
        memcpy(sum, from, sizeof sum);
        for (size_t l = 1; l < g->lanes; l++)
            for (size_t j = 0; j < 32; j++) sum[j] += from[l * lane + j];
        for (size_t j = 0; j < n; j++) g->dw[(o0 + j) * g->filter + i] = sum[j];
    }
    return HEED_OK;
}

// chunk: (lane, share of the filters).
static heed_err wgrad_chunk(void *ctx, size_t chunk) {
    const wgrad *g = ctx;
    const hd_conv *v = g->conv;
    const size_t lane = chunk / g->shares, share = chunk % g->shares;
    const size_t o0 = g->out * share / g->shares, o1 = g->out * (share + 1) / g->shares;
    const size_t from = g->units.count * lane / g->lanes,
                 to = g->units.count * (lane + 1) / g->lanes;
    float *out = partial_floats(g) ? g->partial + lane * partial_floats(g) : g->dw;
    if (g->depthwise) memset(out, 0, g->values * sizeof *out);
    float *slot = g->slot_bytes ? hd_slots_take(&g->slots) : NULL;
    for (size_t i = from; i < to; i++) {
        const hd_conv_unit unit = hd_conv_unit_at(&g->units, v->n, v->out_h, i);
        hd_conv_block b = {.images = unit.images, .rows = unit.rows, .cols = v->out_w};
        const float *x =
            hd_conv_frame(&g->units, &unit, &g->h, &g->w, v->c, g->x, g->keep, slot, &b.x_image);
        b.dy_step = v->o, b.dy_row = v->out_w * v->o, b.dy_image = v->out_h * b.dy_row;
        b.x_step = v->c * v->stride_w, b.x_row = v->c * v->stride_h * g->units.frame_w;
        b.accumulate = i > from;
        const float *dy = g->dy + unit.image * b.dy_image + unit.row * b.dy_row;
        if (g->narrow) {
            float *copy = slot + hd_round_up(g->units.images * g->units.frame, 16);
            for (size_t e = 0; e < unit.images; e++) {
                g->kernels->copy(unit.rows * b.dy_row, dy + e * b.dy_image,
                                 copy + e * unit.rows * b.dy_row, true);
            }
            dy = copy, b.dy_image = unit.rows * b.dy_row;
        }
        if (g->depthwise)
            unit_depthwise(g, &b, x, dy, out);
        else
            unit_blocks(g, &b, x, dy, o0, o1, out);
    }
    if (slot) hd_slots_give(&g->slots, slot);
    return HEED_OK;
}

enum { SUM = 4096 }; // values summed per chunk

static heed_err sum_chunk(void *ctx, size_t chunk) {
    const wgrad *g = ctx;
    const size_t from = chunk * SUM, to = from + SUM < g->values ? from + SUM : g->values;
    for (size_t i = from; i < to; i++) {
        // A depthwise lane lies (place, channel).
        size_t at = g->depthwise ? i % g->filter * g->conv->c + i / g->filter : i;
        float sum = g->partial[at];
        for (size_t l = 1; l < g->lanes; l++) sum += g->partial[l * partial_floats(g) + at];
        g->dw[i] = sum;
    }
    return HEED_OK;
}

size_t hd_conv_dw_workspace(const hd_conv *conv, size_t threads) {
    wgrad g;
    wgrad_init(&g, conv);
    return wgrad_lay(&g, NULL, threads);
}

heed_err hd_conv_dw(hd_pool *pool, const hd_conv *conv, const float *x, const float *dy, float *dw,
                    void *workspace) {
    HD_TRY(hd_isa_ready());
    wgrad g;
    wgrad_init(&g, conv);
    wgrad_lay(&g, workspace, hd_pool_threads(pool));
    g.x = x, g.dy = dy, g.dw = dw;
    if (g.values == 0) return HEED_OK;
    if (g.units.count == 0) {
        memset(dw, 0, g.values * sizeof *dw);
        return HEED_OK;
    }
    for (size_t t = 0; g.depthwise && t < g.tap_count; t++) {
        g.taps[t] =
            (t / conv->kw * conv->dilation_h * g.units.frame_w + t % conv->kw * conv->dilation_w) *
            conv->c;
    }
    if (g.half) {
        HD_TRY(hd_pool_run(pool, g.lanes * g.shares, half_chunk, &g));
        return hd_pool_run(pool, g.o32 / 32, half_sum_chunk, &g);
    }
    HD_TRY(hd_pool_run(pool, g.lanes * g.shares, wgrad_chunk, &g));
    if (!g.partial || !partial_floats(&g)) return HEED_OK;
    return hd_pool_run(pool, (g.values + SUM - 1) / SUM, sum_chunk, &g);
}
