// SPDX-License-Identifier: Apache-2.0
//
// bench_kernels [f32|bf16] [SECONDS [NAME…]]: kernels on the shapes of real nets, beside the
// machine's peak and oneDNN, one thread. Peak, ours and theirs take turns, and the best of each
// counts: on a shared machine the best of many short runs is what repeats. Seconds are this
// thread's, not the clock's.
//
// Of two peaks: the best a loop on registers ever did in some 10 µs, and the best it did for as
// long as the kernel takes. Where a neighbour shares the core the first lasts for less than a
// millisecond at a time, and only the second can be asked of a kernel.
//
// In bf16 each product is run again of values kept as bf16, to bf16 (y16, dx16; dw16: to f32), and
// with weights packed before (y16p, dx16p), as one does who uses them again.
//
// A family of kernels has a row in `families`; a product a row in `products`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "kernel/cpu.h"
#include "kernels.h"

typedef struct options {
    hd_precision precision;
    double seconds; // per case
    char **names;   // cases whose name begins with one of them; none: all
    int n_names;
    double peak; // the best seen
} options;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(void) {
    fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
    exit(1);
}

static double peak(const options *o) {
    double narrow = o->precision == HD_PRECISE_BF16 ? peak_amx_bf16() : 0;
    return narrow > 0 ? narrow : peak_f32();
}

static bool wanted(const options *o, const char *name) {
    for (int i = 0; i < o->n_names; i++)
        if (strncmp(name, o->names[i], strlen(o->names[i])) == 0) return true;
    return o->n_names == 0;
}

// The rate of the same loop over so many seconds.
static double peak_over(options *o, double duration) {
    double end = seconds() + duration, inverse = 0;
    size_t n = 0;
    do {
        double rate = peak(o);
        if (rate <= 0) continue;
        if (rate > o->peak) o->peak = rate;
        inverse += 1 / rate, n++;
    } while (seconds() < end);
    return n > 0 ? (double)n / inverse : 0;
}

static void print_rate(const options *o, double work, double took, double as_long) {
    printf(" %8.1f µs %8.1f GFLOP/s", 1e6 * took, 1e-9 * work / took);
    if (as_long > 0)
        printf(" %5.1f%% of peak, %5.1f%% of as long a peak", 100 * work / took / o->peak,
               100 * work / took / as_long);
}

// ── Products ──

typedef struct product {
    const char *name;
    size_t m, n, k;
} product;

static const product products[] = {
    {"cube 512", 512, 512, 512},
    {"cube 1024", 1024, 1024, 1024},
    {"mlp 784-512 b128", 128, 512, 784},
    {"mlp 512-512 b128", 128, 512, 512},
    {"mlp 512-10 b128", 128, 10, 512},
    {"mlp 784-128 b64", 64, 128, 784},
    {"mlp 128-10 b64", 64, 10, 128},
    {"gpt2 qkv 4×64", 256, 2304, 768},
    {"gpt2 out 4×64", 256, 768, 768},
    {"gpt2 up 4×64", 256, 3072, 768},
    {"gpt2 down 4×64", 256, 768, 3072},
    {"gpt2 head 4×64", 256, 50257, 768},
    {"bert qkv 8×128", 1024, 2304, 768},
    {"bert out 8×128", 1024, 768, 768},
    {"bert up 8×128", 1024, 3072, 768},
    {"bert down 8×128", 1024, 768, 3072},
    {"encoder out 32×128", 4096, 256, 256},
    {"encoder up 32×128", 4096, 1024, 256},
    {"encoder down 32×128", 4096, 256, 1024},
    {"lstm 50 b32", 32, 200, 50},
    {"gpt mini 12×64", 768, 384, 128},
    {"resnet 64 3×3 56²", 3136, 64, 576},
    {"resnet 128 3×3 28²", 784, 128, 1152},
    {"resnet 256 3×3 14²", 196, 256, 2304},
    {"resnet 512 3×3 7²", 49, 512, 4608},
    {"resnet 64-256 1×1", 3136, 256, 64},
    {"rows 1", 1, 768, 768},
    {"rows 4", 4, 768, 768},
    {"rows 16", 16, 768, 768},
};

// forward: C = X·Wᵀ; input gradient: C = G·W; weight gradient: C = Gᵀ·X, of the layer (m, k) → n.
typedef enum way { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, WAYS } way;
static const char *const way_names[WAYS] = {"y", "dx", "dw"};

static hd_gemm gemm_of(const product *p, way w, float *const *data) {
    const float *x = data[0], *weight = data[1];
    if (w == FORWARD)
        return (hd_gemm){.m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .a = x,
                         .a_row = p->k,
                         .a_col = 1,
                         .b = weight,
                         .b_row = 1,
                         .b_col = p->k,
                         .c = data[2],
                         .c_row = p->n};
    if (w == INPUT_GRADIENT)
        return (hd_gemm){.m = p->m,
                         .n = p->k,
                         .k = p->n,
                         .a = data[2],
                         .a_row = p->n,
                         .a_col = 1,
                         .b = weight,
                         .b_row = p->k,
                         .b_col = 1,
                         .c = data[0],
                         .c_row = p->k};
    return (hd_gemm){.m = p->n,
                     .n = p->k,
                     .k = p->m,
                     .a = data[2],
                     .a_row = 1,
                     .a_col = p->n,
                     .b = x,
                     .b_row = p->k,
                     .b_col = 1,
                     .c = data[1],
                     .c_row = p->k};
}

static double timed_ours(const hd_gemm *g, void *workspace) {
    double start = seconds();
    if (hd_gemm_run(NULL, g, workspace) != HEED_OK) fail();
    return seconds() - start;
}

static double timed_peer(peer *p) {
    double start = seconds();
    peer_gemm_run(p);
    return seconds() - start;
}

// Values kept as bf16: the first half of the memory serves.
static void keep_narrow(hd_gemm *g, way w) {
    g->a_type = g->b_type = HD_BF16;
    g->c_type = w == WEIGHT_GRADIENT ? HD_F32 : HD_BF16;
}

typedef enum kept { AS_F32, AS_BF16, PACKED, KINDS } kept;
static const char *const kept_names[KINDS] = {"", "16", "16p"};

static void measure(options *o, const product *p, way w, kept kind, float *const *data) {
    hd_gemm g = gemm_of(p, w, data);
    g.precision = o->precision;
    if (kind != AS_F32) keep_narrow(&g, w);
    peer *other = peer_gemm_new(&g);
    void *packed = kind == PACKED ? hd_alloc_aligned(hd_pack_size(&g), 1) : NULL;
    if (packed && hd_pack_b(NULL, &g, packed) != HEED_OK) fail();
    g.packed = packed;
    size_t bytes = hd_gemm_workspace(&g, 1);
    void *workspace = hd_alloc_aligned(bytes + 1, 1);
    double ours = 1e9, theirs = 1e9, as_long = 0, end = seconds() + o->seconds;
    for (int round = 0; round < 3 || (seconds() < end && round < 20000); round++) {
        double took = timed_ours(&g, workspace), rate = peak_over(o, took);
        if (rate > as_long) as_long = rate;
        if (took < ours) ours = took;
        took = other ? timed_peer(other) : 1e9;
        if (took < theirs) theirs = took;
    }
    double work = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    printf("%-20s %-2s%-3s", p->name, way_names[w], kept_names[kind]);
    print_rate(o, work, ours, as_long);
    if (other)
        printf("   oneDNN %8.1f GFLOP/s   ours/theirs %.2f", 1e-9 * work / theirs, theirs / ours);
    printf("\n");
    fflush(stdout);
    peer_free(other);
    hd_free(workspace);
    hd_free(packed);
}

static float *numbers(size_t n) {
    float *data = hd_alloc_aligned(n, sizeof *data);
    if (!data) fail();
    for (size_t i = 0; i < n; i++) data[i] = (float)(i % 13) / 8 - 0.75F;
    return data;
}

static void halve(float *data, size_t n) {
    for (size_t i = 0; i < n; i++) ((uint16_t *)(void *)data)[i] = hd_bf16_of_f32(0.5F);
}

static void halves(const product *p, float *const *data) {
    halve(data[0], p->m * p->k);
    halve(data[1], p->n * p->k);
    halve(data[2], p->m * p->n);
}

static void bench_products(options *o) {
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        const product *p = &products[i];
        if (!wanted(o, p->name)) continue;
        float *data[] = {numbers(p->m * p->k), numbers(p->n * p->k), numbers(p->m * p->n)};
        for (int w = 0; w < WAYS; w++) measure(o, p, (way)w, AS_F32, data);
        for (int w = 0; w < WAYS && o->precision == HD_PRECISE_BF16; w++) {
            halves(p, data);
            measure(o, p, (way)w, AS_BF16, data);
            if (w != WEIGHT_GRADIENT) measure(o, p, (way)w, PACKED, data);
        }
        for (int d = 0; d < 3; d++) hd_free(data[d]);
    }
}

// ── Kernels that aren't one product ──

static void measure_case(options *o, const bench_case *c) {
    double work, best = 1e9, as_long = 0, end = seconds() + o->seconds;
    void *made = c->make(c->shape, o->precision, &work);
    if (!made) fail();
    for (int round = 0; round < 3 || (seconds() < end && round < 20000); round++) {
        double start = seconds();
        if (c->run(made) != HEED_OK) fail();
        double took = seconds() - start, rate = peak_over(o, took);
        if (rate > as_long) as_long = rate;
        if (took < best) best = took;
    }
    c->drop(made);
    printf("%-28s", c->name);
    print_rate(o, work, best, as_long);
    printf("\n");
    fflush(stdout);
}

static void bench_sequences(options *o) {
    for (const bench_case *c = sequence_cases; c->name; c++)
        if (wanted(o, c->name)) measure_case(o, c);
}

static void bench_convolutions(options *o) {
    for (const bench_case *c = convolution_cases; c->name; c++)
        if (wanted(o, c->name)) measure_case(o, c);
}

static void (*const families[])(options *o) = {bench_products, bench_convolutions, bench_sequences};

int main(int argc, char **argv) {
    options o = {.seconds = argc > 2 ? strtod(argv[2], NULL) : 0.2};
    if (argc > 1 && strcmp(argv[1], "bf16") == 0) o.precision = HD_PRECISE_BF16;
    if (argc > 3) o.names = argv + 3, o.n_names = argc - 3;
    if (hd_isa_ready() != HEED_OK) fail();
    for (int i = 0; i < 2000; i++) {
        double rate = peak(&o);
        if (rate > o.peak) o.peak = rate;
    }
    char model[64];
    hd_cpu_model(model, sizeof model);
    printf("%s, path %s, %s, one thread; peak %.1f GFLOP/s; AMX int8 %.1f GOP/s; %s\n", model,
           hd_isa_name(hd_isa_get()), o.precision == HD_PRECISE_BF16 ? "bf16" : "f32",
           1e-9 * o.peak, 1e-9 * peak_amx_int8(),
           peer_there() ? "beside oneDNN" : "oneDNN is not here (libdnnl-dev)");
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) families[i](&o);
    printf("peak, the best seen: %.1f GFLOP/s\n", 1e-9 * o.peak);
    return 0;
}
