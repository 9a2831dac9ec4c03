// SPDX-License-Identifier: Apache-2.0
//
// What one says without looking at a row: how often each class comes, the mean of each value. The
// least a model must beat.
#include "base/mem.h"
#include "classic/kind.h"

static heed_err constant_fit(const void *options, const hd_classic_data *data, char chosen[64],
                             void **model) {
    (void)options, (void)chosen;
    double n = (double)data->x->n;
    double *sum = hd_calloc(data->k, sizeof *sum);
    float *says = hd_calloc(data->k, sizeof *says);
    if (!sum || !says) {
        hd_free(sum);
        hd_free(says);
        return HD_FAIL_MEMORY(data->k * sizeof *sum);
    }
    for (size_t i = 0; i < data->x->n; i++) {
        if (data->labels) sum[data->labels[i]]++;
        for (size_t j = 0; j < data->k && !data->labels; j++) {
            sum[j] += (double)data->targets[i * data->k + j];
        }
    }
    for (size_t j = 0; j < data->k; j++) says[j] = (float)(sum[j] / n);
    hd_free(sum);
    *model = says;
    return HEED_OK;
}

static heed_err constant_predict(const void *model, const hd_classic_shape *shape,
                                 const hd_matrix *x, size_t from, size_t to, float *scratch,
                                 float *scores) {
    (void)x, (void)scratch;
    for (size_t i = from; i < to; i++) {
        memcpy(scores + (i - from) * shape->k, model, shape->k * sizeof *scores);
    }
    return HEED_OK;
}

static size_t constant_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    (void)model;
    *bytes = shape->k * sizeof(float);
    return shape->k;
}

static void constant_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    hd_bytes_f32s(out, model, shape->k);
}

static heed_err constant_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    float *says;
    HD_TRY(hd_bytes_get_f32s(in, shape->k, &says));
    *model = says;
    for (size_t j = 0; j < shape->k && shape->classes; j++) {
        if (says[j] < 0 || says[j] > 1) return hd_bytes_damaged();
    }
    return HEED_OK;
}

#define CONSTANT                                                                         \
    .fit = constant_fit, .predict = constant_predict, .parameters = constant_parameters, \
    .save = constant_save, .load = constant_load, .free = hd_free, .one_class = true

const hd_classic_kind hd_classic_majority = {
    .kind = {.name = "majority",
             .doc = HD_TEXT("how often each class comes, whatever the row says",
                            "各类出现的频率，与行的内容无关")},
    .label = HD_TEXT("the most frequent class", "最常见的类"),
    .classes = true,
    CONSTANT,
};
const hd_classic_kind hd_classic_mean = {
    .kind = {.name = "mean",
             .doc = HD_TEXT("the mean of each value, whatever the row says",
                            "各目标值的均值，与行的内容无关")},
    .label = HD_TEXT("the mean", "均值"),
    .values = true,
    CONSTANT,
};
