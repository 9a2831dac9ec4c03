// SPDX-License-Identifier: Apache-2.0
//
// Axes, units and frames (kernel/conv_plan.h).
//
// Along one axis the forward convolution is y[i] = Σ_k x[i·stride + k·dilation − pad] w[k], and its
// gradient dx[j] = Σ_k dy[(j + pad − k·dilation) / stride] w[k] over the k for which that is whole.
// Outputs j of one phase j mod stride meet the same k: each phase is a convolution of dy with
// stride 1 by some places of the filter, in falling order, and no zero is multiplied.
#include "kernel/conv_plan.h"

#include <string.h>

#include "kernel/cpu.h"
#include "kernel/kernels.h"

size_t hd_conv_out(size_t in, size_t k, size_t stride, size_t pad, size_t dilation) {
    size_t span = (k - 1) * dilation + 1;
    return in + 2 * pad < span ? 0 : (in + 2 * pad - span) / stride + 1;
}

double hd_conv_flops(const hd_conv *c) {
    return 2.0 * (double)(c->n * c->out_h * c->out_w) * (double)c->o *
           (double)(c->kh * c->kw * (c->c / c->groups));
}

hd_conv_axis hd_conv_axis_forward(size_t in, size_t k, size_t stride, size_t pad, size_t dilation,
                                  size_t out) {
    return (hd_conv_axis){.taps = k,
                          .reach = (k - 1) * dilation + 1,
                          .first = -(ptrdiff_t)pad,
                          .step = stride,
                          .outs = out,
                          .out_step = 1,
                          .source = in,
                          .k_step = 1,
                          .shift = dilation};
}

hd_conv_axis hd_conv_axis_dx(size_t in, size_t k, size_t stride, size_t pad, size_t dilation,
                             size_t out, size_t phase) {
    hd_conv_axis a = {.step = 1,
                      .outs = in > phase ? (in - phase + stride - 1) / stride : 0,
                      .out_first = phase,
                      .out_step = stride,
                      .source = out,
                      .falling = true};
    size_t lowest = k;
    for (size_t i = 0; i < k; i++) {
        if ((phase + pad + (stride - dilation % stride) * i) % stride != 0) continue;
        if (lowest == k)
            lowest = i;
        else if (a.k_step == 0)
            a.k_step = i - lowest;
        a.k_first = i;
        a.taps++;
    }
    if (a.taps == 0) return a;
    a.shift = a.k_step * dilation / stride;
    a.reach = (a.taps - 1) * a.shift + 1;
    a.first = ((ptrdiff_t)(phase + pad) - (ptrdiff_t)(a.k_first * dilation)) / (ptrdiff_t)stride;
    return a;
}

// Whether a window of this axis ever leaves the source.
static bool stays_inside(const hd_conv_axis *a) {
    return a->first >= 0 &&
           (size_t)a->first + (a->outs > 0 ? (a->outs - 1) * a->step : 0) + a->reach <= a->source;
}

hd_conv_units hd_conv_cut(size_t n, const hd_conv_axis *h, const hd_conv_axis *w, size_t channels,
                          hd_conv_keep keep, size_t target, size_t places) {
    hd_conv_units u = {.images = 1, .bands = 1, .rows = h->outs};
    u.direct = keep == HD_CONV_AS_IS && stays_inside(h) && stays_inside(w);
    const size_t outs = h->outs * w->outs;
    if (n == 0 || outs == 0) return u;
    if (h->taps == 0 || w->taps == 0) { // nothing to read
        u.direct = true, u.count = n;
        return u;
    }
    u.frame_w = u.direct ? w->source : (w->outs - 1) * w->step + w->reach;
    const size_t element = keep == HD_CONV_HALF ? sizeof(uint16_t) : sizeof(float);
    const size_t row = u.frame_w * channels * element;
    const size_t whole = ((h->outs - 1) * h->step + h->reach) * row;
    if (whole > target) {
        size_t in_rows = target / row; // that many rows of a frame
        size_t rows = in_rows > h->reach ? (in_rows - h->reach) / h->step + 1 : 1;
        while (rows * w->outs < places && rows < h->outs) rows++;
        u.bands = (h->outs + rows - 1) / rows;
        u.rows = (h->outs + u.bands - 1) / u.bands;
        u.bands = (h->outs + u.rows - 1) / u.rows;
    } else {
        size_t most = target / whole, wanted = (places + outs - 1) / outs;
        u.images = wanted < most ? wanted : most;
        if (u.images > n) u.images = n;
        if (u.images == 0) u.images = 1;
    }
    u.frame_h = (u.rows - 1) * h->step + h->reach;
    u.frame = u.frame_h * u.frame_w * channels + (keep == HD_CONV_HALF ? HD_CONV_GAP : 0);
    u.count = u.bands > 1 ? n * u.bands : (n + u.images - 1) / u.images;
    return u;
}

hd_conv_unit hd_conv_unit_at(const hd_conv_units *u, size_t n, size_t outs_h, size_t index) {
    hd_conv_unit unit = {.images = 1};
    if (u->bands > 1) {
        unit.image = index / u->bands;
        unit.row = index % u->bands * u->rows;
        unit.rows = outs_h - unit.row < u->rows ? outs_h - unit.row : u->rows;
        return unit;
    }
    unit.image = index * u->images;
    unit.images = n - unit.image < u->images ? n - unit.image : u->images;
    unit.rows = outs_h;
    return unit;
}

typedef struct keeper { // how values are kept
    hd_conv_keep keep;
    hd_dtype type;  // of the source
    size_t element; // bytes
} keeper;

static void keep_values(const keeper *k, size_t n, const void *from, char *to) {
    if (k->type == HD_BF16)
        memcpy(to, from, n * sizeof(uint16_t));
    else if (k->keep == HD_CONV_HALF)
        hd_conv_half_get()->narrow(n, from, (uint16_t *)(void *)to);
    else
        hd_kernels_get()->conv->copy(n, from, (float *)(void *)to, k->keep == HD_CONV_ROUNDED);
}

// One image's (or band's) frame.
static void frame_fill(const hd_conv_units *u, size_t rows, ptrdiff_t top, const hd_conv_axis *h,
                       const hd_conv_axis *w, size_t channels, const void *image, const keeper *k,
                       char *to) {
    const size_t left = w->first < 0 ? (size_t)-w->first : 0;
    const size_t skip = w->first > 0 ? (size_t)w->first : 0;
    const size_t zeros_left = left < u->frame_w ? left : u->frame_w;
    size_t width = skip < w->source ? w->source - skip : 0;
    if (width > u->frame_w - zeros_left) width = u->frame_w - zeros_left;
    const size_t zeros_right = u->frame_w - zeros_left - width, place = channels * k->element;
    for (size_t r = 0; r < rows; r++, to += u->frame_w * place) {
        ptrdiff_t y = top + (ptrdiff_t)r;
        if (y < 0 || (size_t)y >= h->source || width == 0) {
            memset(to, 0, u->frame_w * place);
            continue;
        }
        memset(to, 0, zeros_left * place);
        const void *from = hd_conv_at(image, k->type, ((size_t)y * w->source + skip) * channels);
        keep_values(k, width * channels, from, to + zeros_left * place);
        memset(to + (zeros_left + width) * place, 0, zeros_right * place);
    }
    if (k->keep == HD_CONV_HALF) memset(to, 0, HD_CONV_GAP * k->element);
}

const void *hd_conv_frame(const hd_conv_units *u, const hd_conv_unit *unit, const hd_conv_axis *h,
                          const hd_conv_axis *w, size_t channels, const void *source, hd_dtype type,
                          hd_conv_keep keep, void *slot, size_t *image_step) {
    const size_t image = h->source * w->source * channels;
    const ptrdiff_t top = h->first + (ptrdiff_t)(unit->row * h->step);
    if (u->direct) {
        *image_step = image;
        return (const float *)source + unit->image * image +
               ((size_t)top * w->source + (size_t)w->first) * channels;
    }
    const keeper k = {keep, type, keep == HD_CONV_HALF ? sizeof(uint16_t) : sizeof(float)};
    const size_t rows = (unit->rows - 1) * h->step + h->reach;
    *image_step = u->frame;
    for (size_t i = 0; i < unit->images; i++) {
        frame_fill(u, rows, top, h, w, channels,
                   hd_conv_at(source, type, (unit->image + i) * image), &k,
                   (char *)slot + i * u->frame * k.element);
    }
    return slot;
}

const hd_conv_half *hd_conv_half_get(void) {
#if defined(__x86_64__)
    if (hd_isa_get() == HD_ISA_AMX) return &hd_conv_half_amx;
#endif
    return NULL;
}

// (A filter's row of few values would leave tiles nearly empty: those go by f32.)
bool hd_conv_takes_bf16(const hd_conv *v) {
    if (v->precision != HD_PRECISE_BF16 || v->groups != 1 || !hd_conv_half_get()) return false;
    const size_t least = v->c < v->o ? v->c : v->o;
    return hd_conv_is_product(v) || v->kw * least >= HD_CONV_HALF_LEAST;
}

size_t hd_slots_bytes(size_t threads, size_t bytes) {
    return hd_round_up(threads * sizeof(atomic_flag), 64) + threads * hd_round_up(bytes, 64);
}

hd_slots hd_slots_init(void *memory, size_t threads, size_t bytes) {
    hd_slots s = {.taken = memory, .count = threads, .bytes = hd_round_up(bytes, 64)};
    for (size_t i = 0; i < threads; i++) atomic_flag_clear(&s.taken[i]);
    s.memory = (char *)memory + hd_round_up(threads * sizeof(atomic_flag), 64);
    return s;
}

void *hd_slots_take(const hd_slots *s) {
    for (size_t i = 0;; i = (i + 1) % s->count) { // there are as many as threads: one is free
        if (!atomic_flag_test_and_set_explicit(&s->taken[i], memory_order_acquire))
            return s->memory + i * s->bytes;
    }
}

void hd_slots_give(const hd_slots *s, const void *slot) {
    size_t i = (size_t)((const char *)slot - s->memory) / s->bytes;
    atomic_flag_clear_explicit(&s->taken[i], memory_order_release);
}
