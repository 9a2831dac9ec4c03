// SPDX-License-Identifier: Apache-2.0
//
// What a core can do at most: loops on registers alone, long enough to be timed and short enough to
// run between two interruptions. Seconds of this thread, so that waiting for a processor isn't
// counted.
#include <time.h>

#include "kernel/cpu.h"
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void keep(float x) { // so that the loop isn't thrown away
    __asm__ volatile("" : : "m"(x));
}

static double rate(double work, double took) { // 0: the clock stood still
    return took > 0 ? work / took : 0;
}

enum { CHAINS = 12, ROUNDS = 3000, STEPS = 500 };

__attribute__((target("avx512f"), noinline)) static double fma512(void) {
    __m512 a[CHAINS], x = _mm512_set1_ps(0.5F);
    for (int i = 0; i < CHAINS; i++) a[i] = x;
    double start = seconds();
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_fmadd_ps(x, a[i], x);
    }
    double took = seconds() - start;
    for (int i = 0; i < CHAINS; i++) keep(_mm512_reduce_add_ps(a[i]));
    return rate(32.0 * CHAINS * ROUNDS, took);
}

__attribute__((target("avx2,fma"), noinline)) static double fma256(void) {
    __m256 a[CHAINS], x = _mm256_set1_ps(0.5F);
    for (int i = 0; i < CHAINS; i++) a[i] = x;
    double start = seconds();
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm256_fmadd_ps(x, a[i], x);
    }
    double took = seconds() - start;
    for (int i = 0; i < CHAINS; i++) keep(a[i][0]);
    return rate(16.0 * CHAINS * ROUNDS, took);
}

double peak_f32(void) {
    if (hd_isa_get() >= HD_ISA_AVX512) return fma512();
    return hd_isa_get() == HD_ISA_AVX2 ? fma256() : 0;
}

static const struct {
    unsigned char palette, start, reserved[14];
    unsigned short bytes[16];
    unsigned char rows[16];
} config = {.palette = 1,
            .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
            .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

// (Loading a configuration makes all tiles zero.)
#define AMX_LOOP(product, k)                   \
    _tile_loadconfig(&config);                 \
    double start = seconds();                  \
    for (int step = 0; step < STEPS; step++) { \
        product(0, 4, 6);                      \
        product(1, 4, 7);                      \
        product(2, 5, 6);                      \
        product(3, 5, 7);                      \
    }                                          \
    double took = seconds() - start;           \
    _tile_release();                           \
    return rate(4.0 * STEPS * 2 * 16 * 16 * (k), took)

__attribute__((target("amx-tile,amx-bf16"), noinline)) static double amx_bf16(void) {
    AMX_LOOP(_tile_dpbf16ps, 32);
}

__attribute__((target("amx-tile,amx-int8"), noinline)) static double amx_int8(void) {
    AMX_LOOP(_tile_dpbssd, 64);
}

double peak_amx_bf16(void) {
    return hd_isa_get() == HD_ISA_AMX ? amx_bf16() : 0;
}

double peak_amx_int8(void) {
    return hd_isa_get() == HD_ISA_AMX ? amx_int8() : 0;
}

#else
double peak_f32(void) {
    return 0;
}
double peak_amx_bf16(void) {
    return 0;
}
double peak_amx_int8(void) {
    return 0;
}
#endif
