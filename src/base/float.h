// SPDX-License-Identifier: Apache-2.0
//
// How this thread's processor treats numbers below the smallest normal one (1.2e-38 of f32). By
// IEEE 754 it keeps them, at a hundred cycles and more each on many processors: weights that a
// penalty drives towards 0, and moments of gradients that have become 0, pass through there by the
// thousands and make a training ten times slower. Around a graph's run and an optimiser's step they
// are 0 instead. The pool's threads work in the mode of whoever gave them the work.
#ifndef HD_BASE_FLOAT_H
#define HD_BASE_FLOAT_H

#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

typedef struct hd_float_mode {
    uint64_t bits; // of the processor's own control register
} hd_float_mode;

static inline hd_float_mode hd_float_get(void) {
#if defined(__SSE2__)
    return (hd_float_mode){_mm_getcsr()};
#elif defined(__aarch64__)
    uint64_t bits;
    __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
    return (hd_float_mode){bits};
#else
    return (hd_float_mode){0};
#endif
}

static inline void hd_float_set(hd_float_mode mode) {
#if defined(__SSE2__)
    _mm_setcsr((unsigned)mode.bits);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode.bits));
#else
    (void)mode;
#endif
}

// From here on they are 0, read and written. Returns the mode before, for hd_float_set.
static inline hd_float_mode hd_float_flush(void) {
    hd_float_mode before = hd_float_get();
#if defined(__SSE2__)
    enum { FLUSH_TO_ZERO = 1 << 15, DENORMALS_ARE_ZERO = 1 << 6 };
    hd_float_set((hd_float_mode){before.bits | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO});
#elif defined(__aarch64__)
    enum { FLUSH_TO_ZERO = 1 << 24 };
    hd_float_set((hd_float_mode){before.bits | FLUSH_TO_ZERO});
#endif
    return before;
}

#endif
