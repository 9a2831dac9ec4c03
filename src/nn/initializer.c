// SPDX-License-Identifier: Apache-2.0
//
// Glorot, Bengio 2010 (xavier); He et al. 2015 (he); Saxe et al. 2014 (orthogonal). Orthogonal is
// made by Gram–Schmidt, twice over for accuracy, on a matrix of normal draws.
#include "nn/initializer.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

uint64_t hd_path_stream(const char *path) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *path; path++) hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001B3);
    return hash;
}

static double uniform_at(uint64_t seed, uint64_t stream, uint64_t i) { // [0, 1)
    return (double)(hd_rng_at(seed, stream, i) >> 11) * 0x1p-53;
}

// Two draws a value: Box–Muller.
static double normal_at(uint64_t seed, uint64_t stream, uint64_t i) {
    const double two_pi = 6.283185307179586476925286766559;
    double radius = sqrt(-2 * log(1 - uniform_at(seed, stream, 2 * i)));
    return radius * cos(two_pi * uniform_at(seed, stream, 2 * i + 1));
}

static heed_err fill_uniform(const hd_fan *fan, uint64_t seed, uint64_t stream, double low,
                             double high, float *out) {
    for (size_t i = 0; i < fan->rows * fan->cols; i++) {
        out[i] = (float)(low + (high - low) * uniform_at(seed, stream, i));
    }
    return HEED_OK;
}

static heed_err fill_normal(const hd_fan *fan, uint64_t seed, uint64_t stream, double mean,
                            double deviation, float *out) {
    for (size_t i = 0; i < fan->rows * fan->cols; i++) {
        out[i] = (float)(mean + deviation * normal_at(seed, stream, i));
    }
    return HEED_OK;
}

// ── default, zeros, ones, constant ──

static double over_root(double gain, size_t n) {
    return n > 0 ? gain / sqrt((double)n) : 0;
}

static heed_err default_fill(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                             float *out) {
    (void)options;
    double bound = over_root(1, fan->in);
    return fill_uniform(fan, seed, stream, -bound, bound, out);
}
static const hd_initializer_kind default_kind = {
    .kind = {.name = "default",
             .doc = HD_TEXT("uniform within ±1/√fan_in", "在 ±1/√fan_in 内均匀分布")},
    .fill = default_fill};

typedef struct constant_options {
    double value;
} constant_options;
static const hd_option constant_rows[] = {{.name = "value",
                                           .type = HD_OPTION_REAL,
                                           .at = offsetof(constant_options, value),
                                           .doc = HD_TEXT("the value of all", "所有元素的值")},
                                          {.name = NULL}};

static heed_err constant_fill(const void *options, const hd_fan *fan, uint64_t seed,
                              uint64_t stream, float *out) {
    (void)seed;
    (void)stream;
    double value = ((const constant_options *)options)->value;
    for (size_t i = 0; i < fan->rows * fan->cols; i++) out[i] = (float)value;
    return HEED_OK;
}
static const hd_initializer_kind constant_kind = {
    .kind = {.name = "constant",
             .size = sizeof(constant_options),
             .options = constant_rows,
             .doc = HD_TEXT("one value everywhere", "处处相同的值")},
    .fill = constant_fill};

static const constant_options zero = {0}, one = {1};

static heed_err zeros_fill(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                           float *out) {
    (void)options;
    return constant_fill(&zero, fan, seed, stream, out);
}
static const hd_initializer_kind zeros_kind = {
    .kind = {.name = "zeros", .doc = HD_TEXT("0 everywhere", "全为 0")}, .fill = zeros_fill};

static heed_err ones_fill(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                          float *out) {
    (void)options;
    return constant_fill(&one, fan, seed, stream, out);
}
static const hd_initializer_kind ones_kind = {
    .kind = {.name = "ones", .doc = HD_TEXT("1 everywhere", "全为 1")}, .fill = ones_fill};

// ── normal, uniform ──

typedef struct normal_options {
    double deviation, mean;
} normal_options;
static const hd_option normal_rows[] = {{.name = "deviation",
                                         .type = HD_OPTION_REAL,
                                         .at = offsetof(normal_options, deviation),
                                         .initial = 1,
                                         .min = 0,
                                         .max = 1e9,
                                         .doc = HD_TEXT("standard deviation", "标准差")},
                                        {.name = "mean",
                                         .type = HD_OPTION_REAL,
                                         .at = offsetof(normal_options, mean),
                                         .doc = HD_TEXT("mean", "均值")},
                                        {.name = NULL}};

static heed_err normal_fill(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                            float *out) {
    const normal_options *o = options;
    return fill_normal(fan, seed, stream, o->mean, o->deviation, out);
}
static const hd_initializer_kind normal_kind = {
    .kind = {.name = "normal",
             .size = sizeof(normal_options),
             .options = normal_rows,
             .doc = HD_TEXT("normal with a deviation and a mean", "正态分布，可设标准差与均值")},
    .fill = normal_fill};

typedef struct uniform_options {
    double high, low;
} uniform_options;
static const hd_option uniform_rows[] = {{.name = "high",
                                          .type = HD_OPTION_REAL,
                                          .at = offsetof(uniform_options, high),
                                          .initial = 0.05,
                                          .doc = HD_TEXT("upper bound", "上界")},
                                         {.name = "low",
                                          .type = HD_OPTION_REAL,
                                          .at = offsetof(uniform_options, low),
                                          .initial = -0.05,
                                          .doc = HD_TEXT("lower bound", "下界")},
                                         {.name = NULL}};

static heed_err uniform_fill(const void *options, const hd_fan *fan, uint64_t seed, uint64_t stream,
                             float *out) {
    const uniform_options *o = options;
    return fill_uniform(fan, seed, stream, o->low, o->high, out);
}
static const hd_initializer_kind uniform_kind = {
    .kind = {.name = "uniform",
             .size = sizeof(uniform_options),
             .options = uniform_rows,
             .doc = HD_TEXT("uniform between two bounds", "在上下界之间均匀分布")},
    .fill = uniform_fill};

// ── xavier, he ──

typedef struct gain_options {
    double gain;
} gain_options;
#define GAIN_ROWS(default_gain)                                               \
    {                                                                         \
        {.name = "gain",                                                      \
         .type = HD_OPTION_REAL,                                              \
         .at = offsetof(gain_options, gain),                                  \
         .initial = (default_gain),                                           \
         .min = 0,                                                            \
         .max = 1e6,                                                          \
         .doc = HD_TEXT("factor of the standard deviation", "标准差的倍数")}, \
        {                                                                     \
            .name = NULL                                                      \
        }                                                                     \
    }
static const hd_option xavier_rows[] = GAIN_ROWS(1);
static const hd_option he_rows[] = GAIN_ROWS(1.4142135623730951); // √2: for ReLU

static double gain_of(const void *options) {
    return ((const gain_options *)options)->gain;
}

// The deviation of xavier is gain·√(2 / (in + out)); a uniform of bound √3·d has deviation d.
static double xavier_deviation(const void *options, const hd_fan *fan) {
    return over_root(gain_of(options) * sqrt(2), fan->in + fan->out);
}

static heed_err xavier_uniform_fill(const void *options, const hd_fan *fan, uint64_t seed,
                                    uint64_t stream, float *out) {
    double bound = sqrt(3) * xavier_deviation(options, fan);
    return fill_uniform(fan, seed, stream, -bound, bound, out);
}

static heed_err xavier_normal_fill(const void *options, const hd_fan *fan, uint64_t seed,
                                   uint64_t stream, float *out) {
    return fill_normal(fan, seed, stream, 0, xavier_deviation(options, fan), out);
}

static heed_err he_uniform_fill(const void *options, const hd_fan *fan, uint64_t seed,
                                uint64_t stream, float *out) {
    double bound = sqrt(3) * over_root(gain_of(options), fan->in);
    return fill_uniform(fan, seed, stream, -bound, bound, out);
}

static heed_err he_normal_fill(const void *options, const hd_fan *fan, uint64_t seed,
                               uint64_t stream, float *out) {
    return fill_normal(fan, seed, stream, 0, over_root(gain_of(options), fan->in), out);
}

#define GAIN_KIND(id, rows_of, en, zh)                                                   \
    static const hd_initializer_kind id##_kind = {.kind = {.name = #id,                  \
                                                           .size = sizeof(gain_options), \
                                                           .options = (rows_of),         \
                                                           .doc = HD_TEXT(en, zh)},      \
                                                  .fill = id##_fill}
GAIN_KIND(xavier_uniform, xavier_rows, "Glorot's, uniform", "Glorot 均匀分布");
GAIN_KIND(xavier_normal, xavier_rows, "Glorot's, normal", "Glorot 正态分布");
GAIN_KIND(he_uniform, he_rows, "He's for ReLU, uniform", "适合 ReLU 的 He 均匀分布");
GAIN_KIND(he_normal, he_rows, "He's for ReLU, normal", "适合 ReLU 的 He 正态分布");

// ── orthogonal ──

// Makes row r orthogonal to the rows before it, of length 1.
static void orthogonalize(double *a, size_t r, size_t n) {
    double *row = a + r * n, norm = 0;
    for (int again = 0; again < 2; again++) {
        for (size_t q = 0; q < r; q++) {
            double dot = 0;
            for (size_t i = 0; i < n; i++) dot += a[q * n + i] * row[i];
            for (size_t i = 0; i < n; i++) row[i] -= dot * a[q * n + i];
        }
    }
    for (size_t i = 0; i < n; i++) norm += row[i] * row[i];
    norm = sqrt(norm);
    for (size_t i = 0; i < n && norm > 0; i++) row[i] /= norm;
}

static heed_err orthogonal_fill(const void *options, const hd_fan *fan, uint64_t seed,
                                uint64_t stream, float *out) {
    bool wide = fan->rows <= fan->cols;
    size_t few = wide ? fan->rows : fan->cols, many = wide ? fan->cols : fan->rows;
    double *a = hd_calloc(few * many + 1, sizeof *a);
    if (!a) return HD_FAIL_MEMORY(few * many * sizeof *a);
    for (size_t i = 0; i < few * many; i++) a[i] = normal_at(seed, stream, i);
    for (size_t r = 0; r < few; r++) orthogonalize(a, r, many);
    for (size_t r = 0; r < fan->rows; r++) {
        for (size_t c = 0; c < fan->cols; c++) {
            double v = wide ? a[r * many + c] : a[c * many + r];
            out[r * fan->cols + c] = (float)(gain_of(options) * v);
        }
    }
    hd_free(a);
    return HEED_OK;
}
GAIN_KIND(orthogonal, xavier_rows, "orthogonal rows or columns", "行或列相互正交");

// ── The list ──

static const hd_spec_kind *const rows[] = {
    &default_kind.kind,        &zeros_kind.kind,         &ones_kind.kind,
    &constant_kind.kind,       &normal_kind.kind,        &uniform_kind.kind,
    &xavier_uniform_kind.kind, &xavier_normal_kind.kind, &he_uniform_kind.kind,
    &he_normal_kind.kind,      &orthogonal_kind.kind,
};
const hd_spec_kinds hd_initializer_kinds = {
    .what = HD_TEXT("initialiser", "初始化方式"), .rows = rows, .n = sizeof rows / sizeof rows[0]};

static const normal_options unit = {1, 0}, small = {0.02, 0};
const hd_initializer hd_init_default = {&default_kind, NULL};
const hd_initializer hd_init_zeros = {&zeros_kind, NULL};
const hd_initializer hd_init_ones = {&ones_kind, NULL};
const hd_initializer hd_init_unit_normal = {&normal_kind, &unit};
const hd_initializer hd_init_small_normal = {&normal_kind, &small};

heed_err hd_initializer_read(const json_t *value, const hd_where *where, hd_arena *arena,
                             hd_initializer otherwise, hd_initializer *out) {
    *out = otherwise;
    if (!value || json_is_null(value)) return HEED_OK;
    hd_choice choice;
    HD_TRY(hd_spec_read(&hd_initializer_kinds, value, where, arena, &choice));
    *out = (hd_initializer){(const hd_initializer_kind *)(const void *)choice.kind, choice.options};
    return HEED_OK;
}
