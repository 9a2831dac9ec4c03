// SPDX-License-Identifier: Apache-2.0
//
// Scaling of one column: x' = (x − centre) / scale, both learned from the training data.
//
//     minmax:  centre = min,     scale = max − min       (training data falls into 0 … 1)
//     zscore:  centre = mean,    scale = standard deviation
//     robust:  centre = median,  scale = Q3 − Q1
//
// A scale of 0 (a constant column) becomes 1. Missing stays missing. Later data may fall outside.
#include "prepare/step/step.h"

#include <math.h>

#include "base/mem.h"

static void minmax_rule(const double *sorted, size_t n, double *out) {
    out[0] = sorted[0];
    out[1] = sorted[n - 1] - sorted[0];
}

static void zscore_rule(const double *sorted, size_t n, double *out) {
    out[0] = hd_mean(sorted, n);
    out[1] = sqrt(hd_variance(sorted, n, out[0]));
}

static void robust_rule(const double *sorted, size_t n, double *out) {
    out[0] = hd_quantile(sorted, n, 0.5);
    out[1] = hd_quantile(sorted, n, 0.75) - hd_quantile(sorted, n, 0.25);
}

static heed_err scale_fit(hd_step *step, const hd_table *table, hd_arena *arena,
                          void (*rule)(const double *, size_t, double *)) {
    double *values;
    size_t n;
    HD_TRY(
        hd_step_numbers(hd_table_find(table, step->columns[0]), table->n_rows, true, &values, &n));
    heed_err err = hd_step_learn(step, 2, 0, arena);
    if (err == HEED_OK) {
        if (n > 0) rule(values, n, step->values);
        if (step->values[1] == 0) step->values[1] = 1;
    }
    hd_free(values);
    return err;
}

static heed_err minmax_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return scale_fit(step, table, arena, minmax_rule);
}

static heed_err zscore_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return scale_fit(step, table, arena, zscore_rule);
}

static heed_err robust_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return scale_fit(step, table, arena, robust_rule);
}

static bool scale_check(const hd_step *step) {
    return step->n_values == 2 && step->n_texts == 0 && step->values[1] > 0;
}

static heed_err scale_apply(const hd_step *step, const hd_step_target *target) {
    hd_column *column = hd_step_column(step, target, 0);
    for (size_t r = 0; r < target->table->n_rows; r++) {
        column->f64[r] = (column->f64[r] - step->values[0]) / step->values[1];
    }
    column->unit[0] = '\0'; // what is scaled is no longer an amount of money
    if (!target->report) return HEED_OK;
    HD_TRY(hd_json_set(target->report, "centre", hd_json_real(step->values[0])));
    return hd_json_set(target->report, "scale", hd_json_real(step->values[1]));
}

const hd_step_kind hd_step_scale_minmax = {
    .name = "scale_minmax",
    .doc = HD_TEXT("scales to 0 … 1 by minimum and maximum", "按最小值和最大值缩放到 0 … 1"),
    .types = HD_STEP_NUMBER,
    .fit = minmax_fit,
    .check = scale_check,
    .apply = scale_apply,
};

const hd_step_kind hd_step_scale_zscore = {
    .name = "scale_zscore",
    .doc = HD_TEXT("scales to mean 0 and standard deviation 1", "缩放到均值 0、标准差 1"),
    .types = HD_STEP_NUMBER,
    .fit = zscore_fit,
    .check = scale_check,
    .apply = scale_apply,
};

const hd_step_kind hd_step_scale_robust = {
    .name = "scale_robust",
    .doc = HD_TEXT("scales to median 0 and interquartile range 1", "缩放到中位数 0、四分位距 1"),
    .types = HD_STEP_NUMBER,
    .fit = robust_fit,
    .check = scale_check,
    .apply = scale_apply,
};
