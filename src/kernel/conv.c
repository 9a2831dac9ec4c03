// SPDX-License-Identifier: Apache-2.0
//
// Convolution as products of windows and filters without writing the windows out: the forward run
// and the gradient by x are the same thing ("a sweep") on other axes (conv_plan.c); the gradient by
// the filters stands in conv_dw.c.
//
// Filters are packed once per run into panels (place, channel, panel column). A sweep takes a unit
// (images or a band of rows), makes its frame, and for each panel walks over the windows: the
// panel comes from the second cache once per 12 windows, the frame stays there. Where filters lie
// on neighbouring places, their channels are one run: 3×3 over C is three runs of 3·C.
#include "kernel/conv.h"

#include <string.h>

#include "kernel/conv_plan.h"
#include "kernel/cpu.h"
#include "kernel/gemm.h"
#include "kernel/kernels.h"

enum {
    FRAME_BYTES = 256 << 10, // of a unit: leaves the second cache room for a panel and results
    PLACES = 96,             // a unit's least
    STRIP = 48,              // windows whose addresses are found at once
    DEPTH = 256,             // values of a filter at a time
    BIG = 1 << 18,           // filters that leave the second cache: larger units, shared by panel
    BIG_FRAME_BYTES = 1 << 20,
    BIG_PLACES = 512,
    HALF_PANEL = 32,  // of bf16 tiles
    HALF_STEP = 1024, // values of a panel's step
    FEW_UNITS = 8,    // below that, panels are shared out too
};

// One class of outputs: its axes, and where its filters lie packed.
typedef struct sweep_class {
    hd_conv_axis h, w;
    hd_conv_units units;
    size_t run, tap_count; // floats per run; runs per window
    size_t first_chunk;
    float *packed; // per group: panels
    size_t *taps;  // offsets of runs in a frame
    bool merged;   // a run is a whole row of the filter
    size_t steps;  // half: of 32 values, per run
    size_t line;   // half: windows from row to row when one walk goes over all rows; 0: row by row
} sweep_class;

typedef struct sweep {
    const hd_conv *conv;
    bool backward, depthwise, narrow;
    size_t n, groups, in, out; // channels of the source and the destination
    size_t dst_h, dst_w;
    size_t panels, parts; // panels per group; shares of them that are chunks of their own
    size_t n_classes, chunks;
    const void *source;
    const float *weights;
    void *dest;
    hd_dtype source_type, dest_type;
    hd_conv_end end;
    const hd_conv_kernels *kernels;
    const hd_conv_half *half; // bf16 by tiles, or NULL
    hd_conv_keep keep;
    size_t panel; // columns
    hd_slots slots;
    size_t slot_bytes;
    sweep_class *classes;
} sweep;

static size_t class_depth(const sweep *s, const sweep_class *c) { // filter values per output
    return c->h.taps * c->w.taps * (s->in / s->groups);
}

// Floats of the class's filters, packed: the last panel of a group is as narrow as lanes allow.
static size_t packed_columns(const sweep *s) {
    return s->depthwise ? s->out : s->groups * hd_round_up(s->out / s->groups, s->kernels->lanes);
}

static size_t packed_bytes(const sweep *s, const sweep_class *c) {
    if (s->half) return s->panels * c->tap_count * c->steps * HALF_STEP * sizeof(uint16_t);
    return class_depth(s, c) * packed_columns(s) * sizeof(float);
}

// One walk over all rows of a frame meets windows that don't count, row by row fills up the last
// tile of each row: what wastes less.
static size_t walk_line(const sweep_class *c) {
    const size_t whole = hd_round_up(c->w.outs, 16), line = c->units.frame_w;
    return c->h.step == c->w.step && line < whole ? line : 0;
}

static void class_cut(sweep *s, sweep_class *c) {
    const size_t channels = s->in / s->groups;
    c->merged = c->w.shift == 1 && s->groups == 1;
    c->merged = c->merged || (c->w.taps == 1 && s->groups == 1);
    c->run = c->merged ? c->w.taps * channels : channels;
    c->tap_count = c->merged ? c->h.taps : c->h.taps * c->w.taps;
    const bool big = class_depth(s, c) * s->out / s->groups > BIG;
    c->units = hd_conv_cut(s->n, &c->h, &c->w, s->in, s->keep, big ? BIG_FRAME_BYTES : FRAME_BYTES,
                           big ? BIG_PLACES : PLACES);
    size_t frames = c->units.direct ? 0 : c->units.images * c->units.frame * sizeof(float);
    c->steps = (c->run + 31) / 32;
    c->line = walk_line(c);
    if (s->half) // (a tile reads windows past the last)
        frames =
            (c->units.images * c->units.frame + 32 * c->w.step * s->in + 64) * sizeof(uint16_t);
    if (frames > s->slot_bytes) s->slot_bytes = frames;
}

static void sweep_init(sweep *s, const hd_conv *conv, bool backward) {
    *s = (sweep){.conv = conv,
                 .backward = backward,
                 .narrow = conv->precision == HD_PRECISE_BF16,
                 .n = conv->n,
                 .groups = conv->groups,
                 .in = backward ? conv->o : conv->c,
                 .out = backward ? conv->c : conv->o,
                 .dst_h = backward ? conv->h : conv->out_h,
                 .dst_w = backward ? conv->w : conv->out_w,
                 .kernels = hd_kernels_get()->conv,
                 .source_type = backward ? conv->y_type : conv->x_type,
                 .dest_type = backward ? conv->x_type : conv->y_type,
                 .n_classes = backward ? conv->stride_h * conv->stride_w : 1};
    s->depthwise = conv->groups == conv->c && conv->c == conv->o && conv->groups > 1;
    if (s->narrow && s->groups == 1 && conv->kw * s->in >= HD_CONV_HALF_LEAST)
        s->half = hd_conv_half_get();
    s->keep = s->half ? HD_CONV_HALF : s->narrow ? HD_CONV_ROUNDED : HD_CONV_AS_IS;
    s->panel = s->half ? HALF_PANEL : s->kernels->panel;
    s->panels = (s->out / s->groups + s->panel - 1) / s->panel;
}

static void class_init(sweep *s, sweep_class *c, size_t i) {
    const hd_conv *v = s->conv;
    *c = (sweep_class){0};
    if (s->backward) {
        c->h = hd_conv_axis_dx(v->h, v->kh, v->stride_h, v->pad_h, v->dilation_h, v->out_h,
                               i / v->stride_w);
        c->w = hd_conv_axis_dx(v->w, v->kw, v->stride_w, v->pad_w, v->dilation_w, v->out_w,
                               i % v->stride_w);
    } else {
        c->h = hd_conv_axis_forward(v->h, v->kh, v->stride_h, v->pad_h, v->dilation_h, v->out_h);
        c->w = hd_conv_axis_forward(v->w, v->kw, v->stride_w, v->pad_w, v->dilation_w, v->out_w);
    }
    class_cut(s, c);
}

// Lays the workspace out from `memory` (NULL: only counts) and returns its bytes.
static size_t sweep_lay(sweep *s, char *memory, size_t threads) {
    size_t at = hd_round_up(s->n_classes * sizeof(sweep_class), 64);
    s->classes = (sweep_class *)(void *)memory;
    s->chunks = 0;
    size_t least_units = SIZE_MAX;
    for (size_t i = 0; i < s->n_classes; i++) {
        sweep_class local, *c = memory ? &s->classes[i] : &local;
        class_init(s, c, i);
        if (memory) c->taps = (size_t *)(void *)(memory + at);
        at += hd_round_up(c->tap_count * sizeof(size_t), 64);
        if (memory) c->packed = (float *)(void *)(memory + at);
        at += hd_round_up(packed_bytes(s, c), 64);
        if (c->units.count < least_units) least_units = c->units.count;
        c->first_chunk = s->chunks;
        s->chunks += c->units.count;
    }
    s->parts = 1;
    if (!s->depthwise && s->chunks < FEW_UNITS && s->panels > 1)
        s->parts = s->panels < FEW_UNITS ? s->panels : FEW_UNITS;
    if (memory) s->slots = hd_slots_init(memory + at, threads, s->slot_bytes);
    return at + hd_slots_bytes(threads, s->slot_bytes);
}

// ── packing ──

static void tap_offsets(const sweep *s, sweep_class *c) {
    size_t n = 0;
    for (size_t h = 0; h < c->h.taps; h++) {
        for (size_t w = 0; w < (c->merged ? 1 : c->w.taps); w++) {
            c->taps[n++] = (h * c->h.shift * c->units.frame_w + w * c->w.shift) * s->in;
        }
    }
}

// Rows [0, channels) of one tap of one panel, columns j0 to j0 + width of the group.
static void pack_tap(const sweep *s, size_t group, size_t kh, size_t kw, size_t j0, size_t width,
                     size_t stride, float *to) {
    const hd_conv *v = s->conv;
    const size_t in = s->in / s->groups, per_group = v->o / v->groups, depth = v->c / v->groups;
    const float *w = s->weights + (kh * v->kw + kw) * depth;
    const size_t filter = v->kh * v->kw * depth;
    if (s->backward) {
        w += group * per_group * filter + j0;
        for (size_t i = 0; i < in; i++, to += stride) {
            s->kernels->copy(width, w + i * filter, to, s->narrow);
            for (size_t j = width; j < stride; j++) to[j] = 0;
        }
        return;
    }
    w += (group * per_group + j0) * filter;
    enum { ROWS = 16 };
    for (size_t i0 = 0; i0 < in; i0 += ROWS) {
        const size_t rows = in - i0 < ROWS ? in - i0 : ROWS;
        for (size_t j = 0; j < width; j++) {
            float part[ROWS];
            s->kernels->copy(rows, w + j * filter + i0, part, s->narrow);
            for (size_t i = 0; i < rows; i++) to[(i0 + i) * stride + j] = part[i];
        }
        for (size_t i = 0; i < rows; i++) {
            for (size_t j = width; j < stride; j++) to[(i0 + i) * stride + j] = 0;
        }
    }
}

static void pack_depthwise(const sweep *s, const sweep_class *c) {
    const hd_conv *v = s->conv;
    float *to = c->packed;
    for (size_t h = 0; h < c->h.taps; h++) {
        for (size_t w = 0; w < c->w.taps; w++, to += v->c) {
            size_t place = hd_conv_axis_k(&c->h, h) * v->kw + hd_conv_axis_k(&c->w, w);
            for (size_t i = 0; i < v->c; i++) to[i] = s->weights[i * v->kh * v->kw + place];
            if (s->narrow) s->kernels->copy(v->c, to, to, true);
        }
    }
}

// Step `step` of run `tap` of the gradient by x: 32 rows (filter place, channel of dy), brought
// together from their filters.
static void pack_step_back(const sweep *s, const sweep_class *c, size_t h, size_t tap_w,
                           size_t step, size_t j0, size_t width, uint16_t *to) {
    const hd_conv *v = s->conv;
    float rows[32 * HALF_PANEL];
    const size_t k0 = step * 32, k1 = c->run - k0 < 32 ? c->run : k0 + 32;
    const size_t kh = hd_conv_axis_k(&c->h, h);
    for (size_t k = k0; k < k1; k++) {
        const size_t kw = hd_conv_axis_k(&c->w, tap_w + k / s->in);
        memcpy(rows + (k - k0) * HALF_PANEL,
               s->weights + ((k % s->in * v->kh + kh) * v->kw + kw) * v->c + j0,
               width * sizeof *rows);
    }
    s->half->pack(k1 - k0, width, rows, HALF_PANEL, false, to);
}

static void pack_half(const sweep *s, const sweep_class *c, size_t panel) {
    const hd_conv *v = s->conv;
    const size_t j0 = panel * HALF_PANEL, runs = c->tap_count / (c->h.taps > 0 ? c->h.taps : 1);
    const size_t width = s->out - j0 < HALF_PANEL ? s->out - j0 : HALF_PANEL;
    uint16_t *to = (uint16_t *)(void *)c->packed + panel * c->tap_count * c->steps * HALF_STEP;
    for (size_t t = 0; t < c->tap_count; t++) {
        const size_t h = t / runs, w = t % runs;
        if (!s->backward) {
            const float *from = s->weights + ((j0 * v->kh + h) * v->kw + w) * v->c;
            s->half->pack(c->run, width, from, v->kh * v->kw * v->c, true, to);
            to += c->steps * HALF_STEP;
            continue;
        }
        for (size_t i = 0; i < c->steps; i++, to += HALF_STEP)
            pack_step_back(s, c, h, w, i, j0, width, to);
    }
}

// chunk: (class, group, panel).
static heed_err pack_chunk(void *ctx, size_t chunk) {
    const sweep *s = ctx;
    const size_t panel = chunk % s->panels, group = chunk / s->panels % s->groups;
    sweep_class *c = &s->classes[chunk / s->panels / s->groups];
    if (panel == 0 && group == 0) tap_offsets(s, c);
    if (s->half) {
        pack_half(s, c, panel);
        return HEED_OK;
    }
    const size_t columns = s->out / s->groups, j0 = panel * s->panel;
    const size_t width = columns - j0 < s->panel ? columns - j0 : s->panel;
    const size_t stride = hd_round_up(width, s->kernels->lanes), in = s->in / s->groups;
    const size_t depth = class_depth(s, c);
    float *to = c->packed + (group * hd_round_up(columns, s->kernels->lanes) + j0) * depth;
    for (size_t h = 0; h < c->h.taps; h++) {
        for (size_t w = 0; w < c->w.taps; w++, to += in * stride) {
            pack_tap(s, group, hd_conv_axis_k(&c->h, h), hd_conv_axis_k(&c->w, w), j0, width,
                     stride, to);
        }
    }
    return HEED_OK;
}

static heed_err pack(hd_pool *pool, sweep *s) {
    if (!s->depthwise)
        return hd_pool_run(pool, s->n_classes * s->groups * s->panels, pack_chunk, s);
    for (size_t i = 0; i < s->n_classes; i++) {
        tap_offsets(s, &s->classes[i]);
        pack_depthwise(s, &s->classes[i]);
    }
    return HEED_OK;
}

// ── sweeping ──

// Where output (row, col) of an image lies in the destination.
static size_t dest_at(const sweep *s, const sweep_class *c, size_t image, size_t row, size_t col) {
    size_t y = c->h.out_first + row * c->h.out_step, x = c->w.out_first + col * c->w.out_step;
    return ((image * s->dst_h + y) * s->dst_w + x) * s->out;
}
static float *dest_f32(const sweep *s, const sweep_class *c, size_t image, size_t row) {
    return (float *)s->dest + dest_at(s, c, image, row, 0);
}

typedef struct walk { // over the windows of a unit
    const sweep_class *c;
    hd_conv_unit unit;
    const float *frame;
    size_t image_step, image, row, col;
} walk;

// Addresses of the next windows and of their results; returns how many.
static size_t walk_next(const sweep *s, walk *w, const float **x, float **out) {
    const sweep_class *c = w->c;
    const size_t pitch = c->units.frame_w * s->in * c->h.step, step = s->in * c->w.step;
    const size_t out_step = c->w.out_step * s->out;
    size_t n = 0;
    while (n < STRIP && w->image < w->unit.images) {
        const float *from = w->frame + w->image * w->image_step + w->row * pitch;
        float *to = dest_f32(s, c, w->unit.image + w->image, w->unit.row + w->row);
        for (; n < STRIP && w->col < c->w.outs; w->col++, n++) {
            x[n] = from + w->col * step;
            out[n] = to + w->col * out_step;
        }
        if (w->col < c->w.outs) break;
        w->col = 0;
        if (++w->row == w->unit.rows) w->row = 0, w->image++;
    }
    return n;
}

// One panel, or a piece of its depth, for all windows of the unit; x and out of a window come from
// its place by `in` and `j` floats.
static void sweep_strips(const sweep *s, const walk *start, hd_conv_strip *strip, size_t in,
                         size_t j) {
    const float *x[STRIP];
    float *out[STRIP];
    strip->x = x, strip->out = out;
    walk w = *start;
    for (size_t n; (n = walk_next(s, &w, x, out)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            x[i] += in;
            out[i] += j;
        }
        s->kernels->strip(strip, n);
    }
}

// The depth goes piece by piece, as much as stays in the first cache while all windows pass.
static void sweep_panel(const sweep *s, const walk *start, hd_conv_strip *strip, const float *w,
                        size_t in, size_t j) {
    const sweep_class *c = start->c;
    const size_t stride = hd_round_up(strip->columns, s->kernels->lanes);
    const bool in_place =
        s->end.residual == s->dest; // the first piece's sums would be in its place
    const size_t pieces = (c->run + DEPTH - 1) / DEPTH;      // of a run
    const size_t taps = c->run < DEPTH ? DEPTH / c->run : 1; // of a piece
    for (size_t t = 0; t < c->tap_count; t += taps) {
        strip->tap = c->taps + t;
        strip->taps = c->tap_count - t < taps ? c->tap_count - t : taps;
        for (size_t i = 0; i < pieces; i++) {
            const size_t from = c->run * i / pieces, to = c->run * (i + 1) / pieces;
            strip->shift = from, strip->run = to - from;
            strip->w = w + (t * c->run + from) * stride;
            strip->first = t + from == 0 && !in_place;
            strip->last = t + taps >= c->tap_count && i + 1 == pieces;
            sweep_strips(s, start, strip, in, j);
        }
    }
}

// Panels [from, to) of one group.
static void sweep_panels(const sweep *s, const walk *start, size_t group, size_t from, size_t to) {
    const size_t columns = s->out / s->groups, width = s->panel;
    const size_t depth = class_depth(s, start->c);
    const size_t packed = group * hd_round_up(columns, s->kernels->lanes);
    for (size_t p = from; p < to; p++) {
        const size_t j = group * columns + p * width;
        hd_conv_strip strip = {.out_base = s->dest, .relu = s->end.relu};
        if (s->end.residual != s->dest) strip.extra = s->end.residual;
        strip.columns = columns - p * width < width ? columns - p * width : width;
        strip.bias = s->end.bias ? s->end.bias + j : NULL;
        sweep_panel(s, start, &strip, start->c->packed + (packed + p * width) * depth,
                    group * (s->in / s->groups), j);
    }
}

enum { TILE = 16 };

// Tiles of windows, until there are as many as are taken at once.
typedef struct gathered {
    const sweep *s;
    const hd_conv_windows *w;
    size_t most, n;
    const uint16_t *x[HD_CONV_WINDOWS / TILE];
    ptrdiff_t to[HD_CONV_WINDOWS];
} gathered;

static void take_gathered(gathered *g) {
    if (g->n == 3) { // four are taken at once: the last is read again and not written
        g->x[g->n++] = g->x[2];
        for (size_t i = 3 * TILE; i < HD_CONV_WINDOWS; i++) g->to[i] = HD_CONV_NOWHERE;
    }
    if (g->n > 0) g->s->half->windows(g->w, g->n, g->x, g->to);
    g->n = 0;
}

// `count` windows from `x` on, the first of them output `row` of the image; line: as of the class.
static void half_windows(gathered *g, const sweep_class *c, const uint16_t *x, size_t image,
                         size_t row, size_t count, size_t line, size_t j) {
    const size_t out_step = c->w.out_step * g->s->out;
    size_t to = dest_at(g->s, c, image, row, 0) + j, col = 0;
    for (size_t i0 = 0; i0 < count; i0 += TILE) {
        ptrdiff_t *out = g->to + g->n * TILE;
        g->x[g->n++] = x + i0 * g->w->step;
        const size_t m = count - i0 < TILE ? count - i0 : TILE;
        for (size_t i = 0, n; i < m; i += n) {
            n = m - i < line - col ? m - i : line - col;
            for (size_t k = 0; k < n; k++, col++)
                out[i + k] = col < c->w.outs ? (ptrdiff_t)(to + col * out_step) : HD_CONV_NOWHERE;
            if (col < line || i0 + i + n == count) continue;
            to = dest_at(g->s, c, image, ++row, 0) + j, col = 0;
        }
        for (size_t i = m; i < TILE; i++) out[i] = HD_CONV_NOWHERE;
        if (g->n == g->most) take_gathered(g);
    }
}

static void half_panel(const sweep *s, const walk *k, size_t panel) {
    const sweep_class *c = k->c;
    const size_t j = panel * HALF_PANEL, pitch = c->units.frame_w * s->in * c->h.step;
    const uint16_t *frames = (const uint16_t *)(const void *)k->frame;
    hd_conv_windows w = {.step = c->w.step * s->in, .tap = c->taps, .taps = c->tap_count};
    w.run = c->run;
    w.w = (const uint16_t *)(const void *)c->packed + panel * c->tap_count * c->steps * HALF_STEP;
    w.columns = s->out - j < HALF_PANEL ? s->out - j : HALF_PANEL;
    w.bias = s->end.bias ? s->end.bias + j : NULL;
    w.out = s->dest, w.out16 = s->dest_type == HD_BF16;
    w.extra = s->end.residual, w.extra16 = s->end.residual_type == HD_BF16;
    w.relu = s->end.relu;
    gathered g = {.s = s, .w = &w, .most = w.columns > TILE ? 2 : HD_CONV_WINDOWS / TILE};
    for (size_t e = 0; e < k->unit.images; e++) {
        const uint16_t *frame = frames + e * k->image_step;
        const size_t image = k->unit.image + e, rows = k->unit.rows;
        if (c->line > 0) {
            half_windows(&g, c, frame, image, k->unit.row, (rows - 1) * c->line + c->w.outs,
                         c->line, j);
            continue;
        }
        for (size_t r = 0; r < rows; r++)
            half_windows(&g, c, frame + r * pitch, image, k->unit.row + r, c->w.outs, c->w.outs, j);
    }
    take_gathered(&g);
}

static void sweep_depthwise(const sweep *s, const walk *w) {
    const sweep_class *c = w->c;
    const size_t pitch = c->units.frame_w * s->in * c->h.step;
    for (size_t i = 0; i < w->unit.images; i++) {
        for (size_t r = 0; r < w->unit.rows; r++) {
            s->kernels->depth(s->in, c->w.outs, w->frame + i * w->image_step + r * pitch,
                              s->in * c->w.step, c->taps, c->tap_count, c->packed, s->end.bias,
                              s->end.relu, dest_f32(s, c, w->unit.image + i, w->unit.row + r),
                              c->w.out_step * s->out);
        }
    }
}

static float residual_at(const sweep *s, size_t i) {
    if (!s->end.residual) return 0;
    const void *at = hd_conv_at(s->end.residual, s->end.residual_type, i);
    return s->end.residual_type == HD_BF16 ? hd_f32_of_bf16(*(const uint16_t *)at)
                                           : *(const float *)at;
}

static void value_put(const sweep *s, size_t i, float value) {
    if (s->dest_type == HD_BF16)
        ((uint16_t *)s->dest)[i] = hd_bf16_of_f32(value);
    else
        ((float *)s->dest)[i] = value;
}

// A class without taps (gradient of places that no window met): the sum is 0.
static void sweep_empty(const sweep *s, const sweep_class *c, const hd_conv_unit *unit) {
    for (size_t i = 0; i < unit->images; i++) {
        for (size_t r = 0; r < unit->rows * c->w.outs; r++) {
            const size_t to =
                dest_at(s, c, unit->image + i, unit->row + r / c->w.outs, r % c->w.outs);
            for (size_t j = 0; j < s->out; j++) {
                const float sum = (s->end.bias ? s->end.bias[j] : 0) + residual_at(s, to + j);
                value_put(s, to + j, s->end.relu && sum < 0 ? 0 : sum);
            }
        }
    }
}

// chunk: (unit of a class, part of the panels).
static heed_err sweep_chunk(void *ctx, size_t chunk) {
    const sweep *s = ctx;
    const size_t part = chunk % s->parts, index = chunk / s->parts;
    const sweep_class *c = s->classes;
    while (index >= c->first_chunk + c->units.count) c++;
    walk w = {.c = c};
    w.unit = hd_conv_unit_at(&c->units, s->n, c->h.outs, index - c->first_chunk);
    if (c->h.taps == 0 || c->w.taps == 0) {
        if (part == 0) sweep_empty(s, c, &w.unit);
        return HEED_OK;
    }
    float *slot = c->units.direct ? NULL : hd_slots_take(&s->slots);
    w.frame = hd_conv_frame(&c->units, &w.unit, &c->h, &c->w, s->in, s->source, s->source_type,
                            s->keep, slot, &w.image_step);
    if (s->depthwise) {
        sweep_depthwise(s, &w);
    } else {
        const size_t from = s->panels * part / s->parts, to = s->panels * (part + 1) / s->parts;
        if (s->half) s->half->begin();
        for (size_t p = from; s->half && p < to; p++) half_panel(s, &w, p);
        if (s->half) s->half->end();
        for (size_t g = 0; !s->half && g < s->groups; g++) sweep_panels(s, &w, g, from, to);
    }
    if (slot) hd_slots_give(&s->slots, slot);
    return HEED_OK;
}

static heed_err sweep_run(hd_pool *pool, const hd_conv *conv, bool backward, const void *source,
                          const float *weights, hd_conv_end end, void *dest, void *workspace) {
    HD_TRY(hd_isa_ready());
    sweep s;
    sweep_init(&s, conv, backward);
    sweep_lay(&s, workspace, hd_pool_threads(pool));
    s.source = source, s.weights = weights, s.end = end, s.dest = dest;
    if (s.chunks == 0) return HEED_OK;
    HD_TRY(pack(pool, &s));
    HD_TRY(hd_pool_run(pool, s.chunks * s.parts, sweep_chunk, &s));
    return HEED_OK;
}

static size_t sweep_workspace(const hd_conv *conv, bool backward, size_t threads) {
    sweep s;
    sweep_init(&s, conv, backward);
    return sweep_lay(&s, NULL, threads);
}

// ── 1×1: one product over all places ──

static hd_gemm product(const hd_conv *v, bool backward) {
    const size_t places = v->n * v->out_h * v->out_w, in = backward ? v->o : v->c,
                 out = backward ? v->c : v->o;
    return (hd_gemm){.m = places,
                     .n = out,
                     .k = in,
                     .a_row = in,
                     .a_col = 1,
                     .b_row = backward ? v->c : 1,
                     .b_col = backward ? 1 : v->c,
                     .a_type = backward ? v->y_type : v->x_type,
                     .c_type = backward ? v->x_type : v->y_type,
                     .c_row = out,
                     .precision = v->precision};
}

static heed_err product_run(hd_pool *pool, const hd_conv *v, bool backward, const void *source,
                            const float *weights, hd_conv_end end, void *dest, void *workspace) {
    hd_gemm g = product(v, backward);
    g.residual_type = end.residual_type;
    g.a = source, g.b = weights, g.c = dest;
    g.bias = end.bias, g.residual = end.residual, g.act = end.relu ? HD_ACT_RELU : HD_ACT_NONE;
    return hd_gemm_run(pool, &g, workspace);
}

static size_t workspace_for(const hd_conv *conv, bool backward, size_t threads) {
    const hd_gemm g = product(conv, backward);
    if (hd_conv_is_product(conv)) return hd_gemm_workspace(&g, threads);
    const size_t swept = sweep_workspace(conv, backward, threads);
    if (!hd_conv_has_few(conv)) return swept;
    const size_t few =
        hd_conv_few_workspace(conv, backward ? HD_CONV_DX : HD_CONV_FORWARD, threads);
    return few > swept ? few : swept;
}

size_t hd_conv_forward_workspace(const hd_conv *conv, size_t threads) {
    return workspace_for(conv, false, threads);
}

size_t hd_conv_dx_workspace(const hd_conv *conv, size_t threads) {
    return workspace_for(conv, true, threads);
}

heed_err hd_conv_forward(hd_pool *pool, const hd_conv *conv, const void *x, const float *w,
                         hd_conv_end end, void *y, void *workspace) {
    if (hd_conv_is_product(conv)) return product_run(pool, conv, false, x, w, end, y, workspace);
    if (hd_conv_has_few(conv))
        return hd_conv_few_run(pool, conv, HD_CONV_FORWARD, x, w, end, y, workspace);
    return sweep_run(pool, conv, false, x, w, end, y, workspace);
}

heed_err hd_conv_dx(hd_pool *pool, const hd_conv *conv, const void *dy, const float *w,
                    hd_conv_end end, void *dx, void *workspace) {
    if (hd_conv_is_product(conv)) return product_run(pool, conv, true, dy, w, end, dx, workspace);
    if (hd_conv_has_few(conv) && !end.bias && !end.relu)
        return hd_conv_few_run(pool, conv, HD_CONV_DX, dy, w, end, dx, workspace);
    return sweep_run(pool, conv, true, dy, w, end, dx, workspace);
}
