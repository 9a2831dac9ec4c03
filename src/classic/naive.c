// SPDX-License-Identifier: Apache-2.0
//
// What a series did last it does again: the last value (lag 1), or that of a season ago (lag 24 of
// hours). Features are the window, oldest first; step j of the forecast repeats the value `lag`
// steps before it, and goes round where the forecast is longer than the lag. Nothing is learned.
#include "base/mem.h"
#include "classic/kind.h"

typedef struct naive_options {
    int64_t lag;
} naive_options;

static const hd_option option_rows[] = {
    {.name = "lag",
     .type = HD_OPTION_INT,
     .at = offsetof(naive_options, lag),
     .initial = 24,
     .min = 1,
     .max = 1 << 20,
     .doc = HD_TEXT("steps of a season: 24 repeats yesterday's hours, 12 last year's months",
                    "季节长度：24 重复前一天同一小时，12 重复上一年同月")},
    {.name = NULL}};

static heed_err naive_fit(const void *options, const hd_classic_data *data, char chosen[64],
                          void **model) {
    int64_t lag = options ? ((const naive_options *)options)->lag : 1;
    (void)chosen;
    if ((uint64_t)lag > data->x->m) {
        return HD_FAIL(HEED_INPUT, "seasonal: a lag of %lld is longer than the window of %zu",
                       "seasonal：回看步数 %lld 超过窗口长度 %zu", (long long)lag, data->x->m);
    }
    uint32_t *kept = hd_alloc(sizeof *kept);
    if (!kept) return HD_FAIL_MEMORY(sizeof *kept);
    *kept = (uint32_t)lag;
    *model = kept;
    return HEED_OK;
}

static heed_err naive_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                              size_t from, size_t to, float *scratch, float *scores) {
    size_t lag = *(const uint32_t *)model;
    for (size_t i = from; i < to; i++, scores += shape->k) {
        hd_matrix_row(x, i, scratch);
        const float *last = scratch + shape->m - lag;
        for (size_t j = 0; j < shape->k; j++) scores[j] = last[j % lag];
    }
    return HEED_OK;
}

static size_t naive_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    (void)model, (void)shape;
    *bytes = sizeof(uint32_t);
    return 0;
}

static void naive_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    (void)shape;
    hd_bytes_u32(out, *(const uint32_t *)model);
}

static heed_err naive_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    uint32_t *lag;
    HD_TRY(hd_bytes_get_u32s(in, 1, &lag));
    *model = lag;
    return *lag > 0 && *lag <= shape->m ? HEED_OK : hd_bytes_damaged();
}

static heed_err last_fit(const void *options, const hd_classic_data *data, char chosen[64],
                         void **model) {
    (void)options;
    return naive_fit(NULL, data, chosen, model);
}

#define NAIVE                                                                                     \
    .values = true, .predict = naive_predict, .parameters = naive_parameters, .save = naive_save, \
    .load = naive_load, .free = hd_free

const hd_classic_kind hd_classic_naive = {
    .kind = {.name = "naive",
             .doc = HD_TEXT("of series: the last value stays", "用于序列：保持最后一个值")},
    .label = HD_TEXT("the last value stays", "保持最后一个值"),
    .fit = last_fit,
    NAIVE,
};
const hd_classic_kind hd_classic_seasonal = {
    .kind = {.name = "seasonal",
             .size = sizeof(naive_options),
             .options = option_rows,
             .doc = HD_TEXT("of series: a season comes again", "用于序列：重复上一个季节")},
    .label = HD_TEXT("a season comes again", "重复上一个季节"),
    .fit = naive_fit,
    NAIVE,
};
