// SPDX-License-Identifier: Apache-2.0
//
// How a product is cut: what is packed when, which chunks there are. A function of the shape and of
// the path alone. Inside kernel/ only.
#ifndef HD_KERNEL_GEMM_PLAN_H
#define HD_KERNEL_GEMM_PLAN_H

#include <stdint.h>

#include "kernel/gemm.h"
#include "kernel/pack.h"

#define HD_PACKED SIZE_MAX // as a stride of A

// What differs between products in f32 and in narrow types. Packed blocks of A are row blocks of mr
// rows, of B panels of nr columns; a block or panel holds its whole k (rounded up to k_unit), so
// that a part of k starts at k0·mr or k0·nr elements.
typedef struct hd_engine {
    size_t mr, nr;
    size_t kc;        // at most so much of k at once
    size_t k_unit;    // k is padded to a multiple
    size_t k_across;  // at most so much of k packed ahead where A lies across
    size_t few;       // rows of A: with more, B is packed ahead
    size_t ahead;     // bytes of B packed ahead at once: they stay in a second cache
    size_t group;     // rows of C at a time, about, where k isn't cut …
    bool groups;      // … or always
    size_t a_element; // bytes of a packed element
    size_t b_element;
    bool packs_a;                                     // always, unless …
    bool (*takes_a)(const hd_gemm *g, size_t k_step); // … this says that it can be read as it lies
    void (*begin)(void);                              // on each thread, around chunks; or NULL
    void (*end)(void);
    // (m ≤ mr, n ≤ nr) of C = or += A·B. a: packed (a_row HD_PACKED), or rows a_row apart; b: a
    // packed panel (b_row nr), or rows b_row apart.
    void (*tile)(size_t m, size_t n, size_t k, const void *a, size_t a_row, const void *b,
                 size_t b_row, float *c, size_t c_row, bool accumulate);
    // A (m, k) by rows, or when `across` by columns, to row blocks `out_k` long.
    void (*pack_a)(size_t m, size_t k, const hd_pack_from *from, bool across, void *out,
                   size_t out_k);
    // One panel of B (k, n ≤ nr) by rows, or when `across` by columns.
    void (*pack_b)(size_t k, size_t n, const hd_pack_from *from, bool across, void *out);
} hd_engine;

extern const hd_engine hd_engine_f32;
extern const hd_engine hd_engine_amx; // bf16; x86 builds only

typedef enum hd_b_mode {
    HD_B_DIRECT, // read where it lies
    HD_B_CHUNK,  // packed by the chunk that uses it
    HD_B_AHEAD,  // packed before the chunks run, a number of columns at a time
    HD_B_GIVEN   // packed by the caller
} hd_b_mode;

typedef struct hd_gemm_plan {
    hd_gemm g; // batch ≥ 1, alpha as it is, one residual or accumulate
    const hd_engine *engine;
    size_t mr, nr, k_pad;
    size_t k_step; // of k at once
    bool pack_a;   // by the chunk, unless a_ahead
    bool a_ahead;  // the whole of A before the chunks run
    hd_b_mode b_mode;
    size_t group;                  // rows of C at a time, from end to end; 0: all of a chunk's
    bool stream;                   // C goes past the caches
    bool through;                  // sums come into C when all is done, not block by block of k
    size_t super, k_super;         // columns and k of B packed ahead at once; else n, k
    size_t t_step, m_step, n_step; // a chunk: products, rows, columns
    size_t a_bytes, b_bytes;       // packed ahead
    size_t c_bytes;                // all sums of a narrow C, where rounds over k add to them
    size_t q_bytes;                // Σ C² of the chunks of a round
    size_t slot_a, slot_b, slot_c; // of each thread; c: sums on their way to a narrow C
} hd_gemm_plan;

void hd_gemm_plan_make(const hd_gemm *gemm, hd_gemm_plan *out);
size_t hd_gemm_rows(const hd_gemm_plan *plan); // of a chunk that run through all of k together

#endif
