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
#include "kernel/gemm.h"
#include "kernel/kernels.h"

enum {
    LANES = 8,
    SHARES = 8,
    LANE_BYTES = 4 << 20,         // all lanes together
    FRAME_BYTES = 128 << 10,      // of a unit
    BIG_FRAME_BYTES = 1 << 20,    // where the gradient itself leaves the second cache
    BIG = 1 << 18,                // values of such a gradient
    HALF_FRAME_BYTES = 256 << 10, // of bf16 tiles: frames are bf16, their pairs twice as large
    PLACES = 512,                 // at once
};

typedef struct wgrad {
    const hd_conv *conv;
    bool depthwise, narrow;
    bool turned; // x and dy have changed places: the lanes' gradients lie (c, o)
    hd_conv_axis h, w;
    hd_conv_units units;
    size_t in, out;        // channels per group
    size_t filter, values; // values of a filter, of all
    size_t lanes, shares;
    size_t run, tap_count;
    bool merged;
    const void *x, *dy;
    hd_dtype x_type, dy_type;
    bool add;            // to dw
    float *dw, *partial; // partial: (lanes, values) or NULL
    size_t *taps;        // of the depthwise kernel
    const hd_conv_kernels *kernels;
    hd_slots slots;
    size_t dy_unit, slot_bytes; // floats of dy per unit (narrow)
    // bf16 by tiles: frames become planes (phase of the stride) of pairs of places × channels, dy
    // is turned to filters × places.
    const hd_conv_half *half;
    hd_conv_keep keep;
    size_t plane_h, plane_w;   // of one image
    size_t phases_h, phases_w; // planes
    size_t places, dy_row;     // summed over per unit, a multiple of 32; values of a turned row
    size_t pairs, kinds;       // rows of a plane's pairs; begun at even, at odd places
    size_t panel, kind, plane; // values
    size_t taps_w, c;          // few channels: a row of the filter is one place of kw·c channels
    size_t frame_bytes, c32, o32;
} wgrad;

// Places of a unit's images follow each other, each with the rows and columns that taps reach
// beyond; there dy counts as zero. Few channels would leave tiles nearly empty: then a row of the
// filter is one tap, and a place has all it covers.
static void half_init(wgrad *g) {
    enum { FEW = 16 };
    const hd_conv *v = g->conv;
    const hd_conv_units *u = &g->units;
    const bool few = v->c < FEW && g->merged && v->kw > 1;
    g->c = few ? v->kw * v->c : v->c;
    g->taps_w = few ? 1 : v->kw;
    g->phases_h = v->kh > 1 ? v->stride_h : 1;
    g->phases_w = g->taps_w > 1 ? v->stride_w : 1;
    g->plane_h = u->rows + (g->h.reach - 1) / v->stride_h;
    g->plane_w = few ? hd_round_up(v->out_w, 2) : v->out_w + (g->w.reach - 1) / v->stride_w;
    g->c32 = hd_round_up(g->c, 32), g->o32 = hd_round_up(v->o, 32);
    g->places = hd_round_up(u->images * g->plane_h * g->plane_w, 32);
    g->dy_row = g->places % 512 == 0 ? g->places + 32 : g->places; // (on different lines of L1)
    g->pairs = (g->places + g->plane_h * g->plane_w) / 2 + 1;
    g->kinds = few || v->kh * v->kw == 1 ? 1 : 2; // (few: all shifts are even)
    g->panel = g->pairs * 64;
    g->kind = g->panel * (g->c32 / 32);
    g->plane = g->kinds * g->kind;
    g->frame_bytes = hd_round_up(u->images * u->frame * sizeof(uint16_t), 64);
    g->slot_bytes = g->frame_bytes +
                    (g->o32 * g->dy_row + g->phases_h * g->phases_w * g->plane) * sizeof(uint16_t);
}

static void wgrad_init(wgrad *g, const hd_conv *v) {
    *g = (wgrad){.conv = v,
                 .narrow = v->precision == HD_PRECISE_BF16,
                 .x_type = v->x_type,
                 .dy_type = v->y_type,
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
    g->keep = g->half ? HD_CONV_HALF : g->narrow ? HD_CONV_ROUNDED : HD_CONV_AS_IS;
    const size_t frames = g->half ? HALF_FRAME_BYTES : big ? BIG_FRAME_BYTES : FRAME_BYTES;
    g->units = hd_conv_cut(v->n, &g->h, &g->w, v->c, g->keep, frames,
                           g->half ? 2048
                           : big   ? 1024
                                   : 192);
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
    if (g->half) return g->o32 * g->conv->kh * g->taps_w * g->c32;
    return g->lanes > 1 || g->depthwise || g->turned ? hd_round_up(g->values, 16) : 0;
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

// A plane of a unit: where the channels of its places lie.
typedef struct plane {
    const wgrad *g;
    const uint16_t *frame; // of its phase
    size_t image_step, images;
    size_t rows, cols; // that are there
} plane;

static const uint16_t *place_at(const plane *p, size_t e, size_t r, size_t col) {
    const wgrad *g = p->g;
    const hd_conv *v = g->conv;
    if (col == g->plane_w) col = 0, r++;
    if (r == g->plane_h) r = 0, e++;
    if (e >= p->images || r >= p->rows || col >= p->cols) return NULL;
    return p->frame + e * p->image_step +
           (r * v->stride_h * g->units.frame_w + col * v->stride_w) * v->c;
}

// Pairs at, at + 1, … of n: one row of places, and what follows its last.
static void pair_row(const plane *p, size_t e, size_t r, uint16_t *to) {
    const wgrad *g = p->g;
    const size_t at = (e * g->plane_h + r) * g->plane_w, step = g->conv->stride_w * g->conv->c;
    const size_t run = r < p->rows && p->cols > 1 ? p->cols - 1 : 0;
    for (size_t k = 0; k < g->kinds && run > 0; k++) {
        const size_t skip = (at + k) % 2; // (kind k begins at places of its parity)
        if (skip >= run) continue;
        uint16_t *out = to + k * g->kind + (at + skip) / 2 * 64;
        const uint16_t *from = place_at(p, e, r, skip);
        for (size_t j = 0; j < g->c; j += 32, out += g->panel)
            g->half->pairs((run - skip + 1) / 2, g->c - j, from + j, step, out);
    }
    for (size_t col = run; col < g->plane_w; col++) {
        const size_t q = at + col;
        if (q % 2 >= g->kinds) continue;
        const uint16_t *a = place_at(p, e, r, col), *b = place_at(p, e, r, col + 1);
        uint16_t *out = to + q % 2 * g->kind + q / 2 * 64;
        for (size_t j = 0; j < g->c; j += 32, out += g->panel)
            g->half->pair(g->c - j, a ? a + j : NULL, b ? b + j : NULL, out);
    }
}

// The pairs of one plane, by 32 channels: those that begin at even places, then at odd ones, so
// that a tap's shift along the places is whole rows of one of them. Behind the last image: zeros.
static void pair_plane(const plane *p, uint16_t *to) {
    const wgrad *g = p->g;
    const size_t places = p->images * g->plane_h * g->plane_w;
    for (size_t e = 0; e < p->images; e++)
        for (size_t r = 0; r < g->plane_h; r++) pair_row(p, e, r, to);
    for (size_t k = 0; k < g->kinds; k++) {
        const size_t from = (places + 1 - k) / 2;
        for (size_t j = 0; j < g->c32 / 32; j++)
            memset(to + k * g->kind + j * g->panel + from * 64, 0,
                   (g->pairs - from) * 64 * sizeof *to);
    }
}

// dy of a unit, filters o0 to o1, turned; zeros between.
static void turn_dy(const wgrad *g, const hd_conv_unit *unit, size_t o0, size_t o1, const void *dy,
                    uint16_t *to) {
    const hd_conv *v = g->conv;
    // (Whole tiles of 16 filters are read.)
    const size_t there = hd_round_up(v->o, 16) < o1 ? hd_round_up(v->o, 16) : o1;
    memset(to + o0 * g->dy_row, 0, (there - o0) * g->dy_row * sizeof *to);
    for (size_t e = 0; e < unit->images; e++) {
        for (size_t r = 0; r < unit->rows; r++) {
            const size_t from = (e * v->out_h + r) * v->out_w * v->o;
            uint16_t *line = to + (e * g->plane_h + r) * g->plane_w;
            for (size_t q = 0; q < v->out_w; q += 32) {
                const size_t n = v->out_w - q < 32 ? v->out_w - q : 32;
                for (size_t o = o0; o < o1 && o < v->o; o += 16)
                    g->half->turn(g->dy_type == HD_BF16, v->o - o < 16 ? v->o - o : 16, n,
                                  hd_conv_at(dy, g->dy_type, from + q * v->o + o), v->o,
                                  line + o * g->dy_row + q, g->dy_row);
            }
        }
    }
}

// 32 filters × 32 channels of all taps, over n places from q on.
static void half_block(const wgrad *g, const uint16_t *dy, const uint16_t *pairs, size_t o,
                       size_t c, size_t q, size_t n, float *out) {
    enum { TAPS = 9 };
    const hd_conv *v = g->conv;
    const size_t taps = v->kh * g->taps_w, row = taps * g->c32;
    const uint16_t *x[TAPS];
    hd_conv_grads grads = {.m = v->o - o,
                           .n = g->c - c,
                           .places = n,
                           .dy = dy + o * g->dy_row + q,
                           .dy_row = g->dy_row,
                           .x = x,
                           .x_row = 64,
                           .out_tap = g->c32,
                           .out_row = row};
    for (size_t t = 0; t < taps; t++) {
        const size_t h = t / g->taps_w * v->dilation_h, w = t % g->taps_w * v->dilation_w;
        const size_t phase = h % v->stride_h * g->phases_w + w % v->stride_w;
        const size_t at = q + h / v->stride_h * g->plane_w + w / v->stride_w;
        x[grads.taps++] =
            pairs + phase * g->plane + at % 2 * g->kind + c / 32 * g->panel + at / 2 * 64;
        if (grads.taps < TAPS && t + 1 < taps) continue;
        grads.out = out + o * row + (t + 1 - grads.taps) * g->c32 + c;
        g->half->gradient(&grads);
        grads.taps = 0;
    }
}

static void half_unit(const wgrad *g, const hd_conv_unit *unit, size_t o0, size_t o1, char *slot,
                      float *out) {
    const hd_conv *v = g->conv;
    plane p = {.g = g, .images = unit->images};
    const uint16_t *frame = hd_conv_frame(&g->units, unit, &g->h, &g->w, v->c, g->x, g->x_type,
                                          g->keep, slot, &p.image_step);
    uint16_t *dy = (uint16_t *)(void *)(slot + g->frame_bytes), *pairs = dy + g->o32 * g->dy_row;
    const size_t rows = (unit->rows - 1) * v->stride_h + g->h.reach;
    const size_t first = (unit->image * v->out_h + unit->row) * v->out_w * v->o;
    turn_dy(g, unit, o0, o1, hd_conv_at(g->dy, g->dy_type, first), dy);
    for (size_t h = 0; h < g->phases_h; h++) {
        for (size_t w = 0; w < g->phases_w; w++) {
            p.frame = frame + (h * g->units.frame_w + w) * v->c;
            p.rows = (rows - h + v->stride_h - 1) / v->stride_h;
            p.cols = g->taps_w < v->kw ? v->out_w
                                       : (g->units.frame_w - w + v->stride_w - 1) / v->stride_w;
            if (p.rows > g->plane_h) p.rows = g->plane_h;
            if (p.cols > g->plane_w) p.cols = g->plane_w;
            pair_plane(&p, pairs + (h * g->phases_w + w) * g->plane);
        }
    }
    for (size_t o = o0; o < o1; o += 32) {
        for (size_t q = 0, n; q < g->places; q += n) {
            n = g->places - q < PLACES ? g->places - q : PLACES;
            for (size_t c = 0; c < g->c; c += 32) half_block(g, dy, pairs, o, c, q, n, out);
        }
    }
}

// chunk: (lane, share of the filters).
static heed_err half_chunk(void *ctx, size_t chunk) {
    const wgrad *g = ctx;
    const size_t lane = chunk / g->shares, share = chunk % g->shares, blocks = g->o32 / 32;
    const size_t o0 = blocks * share / g->shares * 32, o1 = blocks * (share + 1) / g->shares * 32;
    const size_t from = g->units.count * lane / g->lanes,
                 to = g->units.count * (lane + 1) / g->lanes;
    const size_t row = g->conv->kh * g->taps_w * g->c32;
    float *out = g->partial + lane * partial_floats(g);
    char *slot = hd_slots_take(&g->slots);
    memset(out + o0 * row, 0, (o1 - o0) * row * sizeof *out);
    g->half->begin();
    for (size_t i = from; i < to; i++) {
        const hd_conv_unit unit = hd_conv_unit_at(&g->units, g->conv->n, g->conv->out_h, i);
        half_unit(g, &unit, o0, o1, slot, out);
    }
    g->half->end();
    hd_slots_give(&g->slots, slot);
    return HEED_OK;
}

// chunk: a filter. A lane lies (filter, place, channels rounded up to 32).
static heed_err half_sum_chunk(void *ctx, size_t o) {
    const wgrad *g = ctx;
    const size_t taps = g->conv->kh * g->taps_w, c = g->c, lane = partial_floats(g);
    for (size_t t = 0; t < taps; t++) {
        const float *from = g->partial + (o * taps + t) * g->c32;
        float *to = g->dw + (o * taps + t) * c;
        if (!g->add) memcpy(to, from, c * sizeof *to);
        for (size_t l = g->add ? 0 : 1; l < g->lanes; l++)
            for (size_t i = 0; i < c; i++) to[i] += from[l * lane + i];
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
        const float *x = hd_conv_frame(&g->units, &unit, &g->h, &g->w, v->c, g->x, g->x_type,
                                       g->keep, slot, &b.x_image);
        b.dy_step = v->o, b.dy_row = v->out_w * v->o, b.dy_image = v->out_h * b.dy_row;
        b.x_step = v->c * v->stride_w, b.x_row = v->c * v->stride_h * g->units.frame_w;
        b.accumulate = i > from || (g->add && !partial_floats(g));
        const float *dy = (const float *)g->dy + unit.image * b.dy_image + unit.row * b.dy_row;
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
        float *out = &g->dw[g->turned ? i % g->filter * g->out + i / g->filter : i];
        *out = g->add ? *out + sum : sum;
    }
    return HEED_OK;
}

// 1×1: one product, with all places as the sum.
static hd_gemm product(const hd_conv *v) {
    return (hd_gemm){.m = v->o,
                     .n = v->c,
                     .k = v->n * v->out_h * v->out_w,
                     .a_row = 1,
                     .a_col = v->o,
                     .b_row = v->c,
                     .b_col = 1,
                     .c_row = v->c,
                     .a_type = v->y_type,
                     .b_type = v->x_type,
                     .precision = v->precision};
}

// Many places for a small gradient: as a product one thread would have it all, part after part of
// the places. As lanes all have some, and nothing is packed.
enum { MANY_PLACES = 4096 };
static bool as_product(const hd_conv *v) {
    const bool many = v->n * v->out_h * v->out_w >= MANY_PLACES;
    return hd_conv_is_product(v) && (v->precision == HD_PRECISE_BF16 || !many);
}

// A block's vectors lie along x: the larger of the two stands there, when a place is its own
// window.
static hd_conv turn(const hd_conv *v, bool *turned) {
    hd_conv t = *v;
    *turned = hd_conv_is_product(v) && v->o > v->c && v->precision == HD_PRECISE_F32;
    if (*turned) t.c = v->o, t.o = v->c;
    return t;
}

size_t hd_conv_dw_workspace(const hd_conv *conv, size_t threads) {
    const hd_gemm one = product(conv);
    if (as_product(conv)) return hd_gemm_workspace(&one, threads);
    if (hd_conv_has_few(conv) && conv->n > 0)
        return hd_conv_few_workspace(conv, HD_CONV_DW, threads);
    wgrad g;
    bool turned;
    const hd_conv as = turn(conv, &turned);
    wgrad_init(&g, &as);
    g.turned = turned;
    return wgrad_lay(&g, NULL, threads);
}

heed_err hd_conv_dw(hd_pool *pool, const hd_conv *conv, const void *x, const void *dy, float *dw,
                    bool add, void *workspace) {
    HD_TRY(hd_isa_ready());
    if (as_product(conv)) {
        hd_gemm one = product(conv);
        one.a = dy, one.b = x, one.c = dw, one.accumulate = add;
        return hd_gemm_run(pool, &one, workspace);
    }
    if (hd_conv_has_few(conv) && conv->n > 0)
        return hd_conv_few_run(pool, conv, HD_CONV_DW, dy, x,
                               (hd_conv_end){.residual = add ? dw : NULL}, dw, workspace);
    wgrad g;
    bool turned;
    const hd_conv as = turn(conv, &turned);
    wgrad_init(&g, &as);
    g.turned = turned;
    wgrad_lay(&g, workspace, hd_pool_threads(pool));
    g.x = turned ? dy : x, g.dy = turned ? x : dy, g.dw = dw, g.add = add;
    if (g.values == 0) return HEED_OK;
    if (g.units.count == 0) {
        if (!add) memset(dw, 0, g.values * sizeof *dw);
        return HEED_OK;
    }
    for (size_t t = 0; g.depthwise && t < g.tap_count; t++) {
        g.taps[t] =
            (t / conv->kw * conv->dilation_h * g.units.frame_w + t % conv->kw * conv->dilation_w) *
            conv->c;
    }
    if (g.half) {
        HD_TRY(hd_pool_run(pool, g.lanes * g.shares, half_chunk, &g));
        return hd_pool_run(pool, conv->o, half_sum_chunk, &g);
    }
    HD_TRY(hd_pool_run(pool, g.lanes * g.shares, wgrad_chunk, &g));
    if (!g.partial || !partial_floats(&g)) return HEED_OK;
    return hd_pool_run(pool, (g.values + SUM - 1) / SUM, sum_chunk, &g);
}
