// SPDX-License-Identifier: Apache-2.0
//
// What the three convolutions share: how windows lie in frames. Inside kernel/ only.
//
// A frame is a copy of some rows of an image with the zeros around it, so that each tap of the
// filter is one fixed distance away from the start of a window; it is made a piece at a time, small
// enough for the second cache, in a slot lent to a thread. Where an image needs no zeros (and no
// rounding) it is its own frame.
#ifndef HD_KERNEL_CONV_PLAN_H
#define HD_KERNEL_CONV_PLAN_H

#include <stdatomic.h>

#include "kernel/conv.h"
#include "kernel/conv_path.h"
#include "kernel/gemm.h"

// The filter's places along one axis that meet a source value: place[i] of the filter lies shift[i]
// source places after the first, ascending.
enum { HD_CONV_AXIS_MAX = 1024 };
typedef struct hd_conv_axis {
    size_t taps, reach;         // reach: source places from the first to past the last
    ptrdiff_t first;            // source place of the first tap of output 0 (negative: padding)
    size_t step;                // source places per output
    size_t outs;                // outputs
    size_t out_first, out_step; // where they lie along the destination's axis
    size_t source;              // length of the source's axis
    size_t k, dilation;         // tap i: filter place k_first ± i·k_step
    size_t k_first, k_step, shift;
    bool falling; // filter places fall as source places rise (gradient by x)
} hd_conv_axis;

// The axes of the forward convolution, and of class `phase` of the gradient by x: outputs
// phase, phase + stride, …: those that meet the same places of the filter.
hd_conv_axis hd_conv_axis_forward(size_t in, size_t k, size_t stride, size_t pad, size_t dilation,
                                  size_t out);
hd_conv_axis hd_conv_axis_dx(size_t in, size_t k, size_t stride, size_t pad, size_t dilation,
                             size_t out, size_t phase);
static inline size_t hd_conv_axis_k(const hd_conv_axis *axis, size_t tap) {
    return axis->falling ? axis->k_first - tap * axis->k_step : axis->k_first + tap * axis->k_step;
}

// Units of work: some images whole, or a band of rows of one.
typedef struct hd_conv_units {
    size_t images, bands; // images per unit; bands per image (1 when images > 1)
    size_t rows;          // output rows per band
    size_t count;
    size_t frame_h, frame_w; // per image or band
    size_t frame;            // values of one image's (or band's) frame, with the gap
    bool direct;             // no frame: the source itself
} hd_conv_units;

typedef struct hd_conv_unit {
    size_t image, images; // the first, and how many
    size_t row, rows;     // output rows
} hd_conv_unit;

// How a frame keeps its values.
typedef enum hd_conv_keep {
    HD_CONV_AS_IS,
    HD_CONV_ROUNDED, // to bf16, kept as f32
    HD_CONV_HALF     // bf16, with HD_CONV_GAP zeros after each image's frame
} hd_conv_keep;
enum {
    HD_CONV_GAP = 32,
    HD_CONV_HALF_LEAST = 8 // values of a row of a filter: below, tiles are mostly zeros
};

// target: bytes a unit's frames may take; places: outputs a unit should have at least.
hd_conv_units hd_conv_cut(size_t n, const hd_conv_axis *h, const hd_conv_axis *w, size_t channels,
                          hd_conv_keep keep, size_t target, size_t places);
hd_conv_unit hd_conv_unit_at(const hd_conv_units *units, size_t n, size_t outs_h, size_t index);

// The frames of a unit: copied into `slot`, or the source; image_step values apart. A source in
// bf16 is kept as HD_CONV_HALF alone.
const void *hd_conv_frame(const hd_conv_units *units, const hd_conv_unit *unit,
                          const hd_conv_axis *h, const hd_conv_axis *w, size_t channels,
                          const void *source, hd_dtype type, hd_conv_keep keep, void *slot,
                          size_t *image_step);

// Slots of memory, one per thread that works: a chunk takes a free one and gives it back.
typedef struct hd_slots {
    atomic_flag *taken;
    char *memory;
    size_t count, bytes; // each
} hd_slots;
size_t hd_slots_bytes(size_t threads, size_t bytes);
hd_slots hd_slots_init(void *memory, size_t threads, size_t bytes);
void *hd_slots_take(const hd_slots *slots);
void hd_slots_give(const hd_slots *slots, const void *slot);

// 1×1 on all places: a product of matrices.
static inline bool hd_conv_is_product(const hd_conv *v) {
    return v->kh * v->kw == 1 && v->groups == 1 && v->stride_h * v->stride_w == 1 &&
           v->pad_h + v->pad_w == 0;
}

// conv_windows.c: many filters over few places.
typedef enum hd_conv_pass { HD_CONV_FORWARD, HD_CONV_DX, HD_CONV_DW } hd_conv_pass;
bool hd_conv_has_few(const hd_conv *v);
size_t hd_conv_few_workspace(const hd_conv *conv, hd_conv_pass pass, size_t threads);
// a, b: x and w; dy and w (end: a residual at most); dy and x (end.residual: out, added to).
heed_err hd_conv_few_run(hd_pool *pool, const hd_conv *conv, hd_conv_pass pass, const void *a,
                         const void *b, hd_conv_end end, void *out, void *workspace) HEED_CHECK;

// Value i of an array of that type.
static inline const void *hd_conv_at(const void *array, hd_dtype type, size_t i) {
    return (const char *)array + i * (type == HD_BF16 ? sizeof(uint16_t) : sizeof(float));
}
static inline void *hd_conv_room(void *array, hd_dtype type, size_t i) {
    return (char *)array + i * (type == HD_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static inline size_t hd_round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

#endif
