// SPDX-License-Identifier: Apache-2.0
//
// Outliers of one column, by bounds learned from the training data:
//
//     iqr:     Q1 − k · (Q3 − Q1) … Q3 + k · (Q3 − Q1)     (Tukey's fences, 1977; k = 1.5)
//     zscore:  mean − k · sd … mean + k · sd               (k = 3)
//
// What lies outside is drawn to the bound (clip), its row dropped, made missing, or flagged in a
// new column "<column>:outlier". Fences hold with a quarter of wild values on each side; mean and
// sd are themselves drawn by outliers, and are offered because reports often ask for them.
#include "prepare/step/step.h"

#include <math.h>

#include "base/mem.h"

enum { ACTION_CLIP, ACTION_DROP, ACTION_MISSING, ACTION_FLAG };
static const char *const actions[] = {"clip", "drop", "missing", "flag", NULL};

static const hd_step_param iqr_params[] = {
    {"k", "1.5", 0, 1000, false, false, NULL,
     HD_TEXT("fences stand k interquartile ranges outside the quartiles",
             "边界位于四分位数之外 k 倍四分位距处")},
    {"action", "clip", 0, 0, false, false, actions,
     HD_TEXT("what happens to an outlier", "如何处理异常值")},
};

static const hd_step_param zscore_params[] = {
    {"k", "3", 0, 1000, false, false, NULL,
     HD_TEXT("bounds stand k standard deviations from the mean", "边界位于均值上下 k 倍标准差处")},
    {"action", "clip", 0, 0, false, false, actions,
     HD_TEXT("what happens to an outlier", "如何处理异常值")},
};

static void iqr_bounds(const double *sorted, size_t n, double k, double *bounds) {
    double q1 = hd_quantile(sorted, n, 0.25), q3 = hd_quantile(sorted, n, 0.75);
    bounds[0] = q1 - k * (q3 - q1);
    bounds[1] = q3 + k * (q3 - q1);
}

static void zscore_bounds(const double *sorted, size_t n, double k, double *bounds) {
    double mean = hd_mean(sorted, n), sd = sqrt(hd_variance(sorted, n, mean));
    bounds[0] = mean - k * sd;
    bounds[1] = mean + k * sd;
}

// A column without values has no bounds, and so no outliers later.
static heed_err bounds_fit(hd_step *step, const hd_table *table, hd_arena *arena,
                           void (*rule)(const double *, size_t, double, double *)) {
    double *values;
    size_t n;
    HD_TRY(
        hd_step_numbers(hd_table_find(table, step->columns[0]), table->n_rows, true, &values, &n));
    heed_err err = hd_step_learn(step, n > 0 ? 2 : 0, 0, arena);
    if (err == HEED_OK && n > 0) rule(values, n, step->params[0].number, step->values);
    hd_free(values);
    return err;
}

static heed_err iqr_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return bounds_fit(step, table, arena, iqr_bounds);
}

static heed_err zscore_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return bounds_fit(step, table, arena, zscore_bounds);
}

static bool bounds_check(const hd_step *step) {
    if (step->n_texts != 0) return false;
    return step->n_values == 0 || (step->n_values == 2 && step->values[0] <= step->values[1]);
}

// Missing is never outside.
static bool outside(const hd_step *step, double x) {
    return step->n_values == 2 && (x < step->values[0] || x > step->values[1]);
}

static heed_err drop_outliers(const hd_step *step, const hd_step_target *target) {
    const hd_column *column = hd_step_column(step, target, 0);
    size_t n_rows = target->table->n_rows;
    bool *keep = hd_alloc(n_rows * sizeof *keep);
    if (!keep) return HD_FAIL_MEMORY(n_rows * sizeof *keep);
    for (size_t r = 0; r < n_rows; r++) keep[r] = !outside(step, column->f64[r]);
    heed_err err = hd_step_keep(target, keep);
    hd_free(keep);
    return err;
}

static heed_err flag_outliers(const hd_step *step, const hd_step_target *target) {
    hd_str name;
    hd_str_init(&name);
    hd_str_addf(&name, "%s:outlier", step->columns[0]);
    hd_column *flag = NULL;
    heed_err err = hd_str_check(&name);
    if (err == HEED_OK) {
        err = hd_table_add_column(target->table, hd_str_get(&name), HD_COLUMN_F64, &flag);
    }
    hd_str_clear(&name);
    HD_TRY(err);
    const hd_column *column = hd_step_column(step, target, 0); // adding may have moved it
    for (size_t r = 0; r < target->table->n_rows; r++) flag->f64[r] = outside(step, column->f64[r]);
    return HEED_OK;
}

static void mend_outliers(const hd_step *step, hd_column *column, size_t n_rows, bool clip) {
    for (size_t r = 0; r < n_rows; r++) {
        if (!outside(step, column->f64[r])) continue;
        double bound = column->f64[r] < step->values[0] ? step->values[0] : step->values[1];
        column->f64[r] = clip ? bound : NAN;
    }
}

static heed_err bounds_apply(const hd_step *step, const hd_step_target *target) {
    hd_column *column = hd_step_column(step, target, 0);
    size_t found = 0;
    for (size_t r = 0; r < target->table->n_rows; r++) found += outside(step, column->f64[r]);
    HD_TRY(hd_step_count(target, "outliers", found));
    if (target->report && step->n_values == 2) {
        HD_TRY(hd_json_set(target->report, "low", hd_json_real(step->values[0])));
        HD_TRY(hd_json_set(target->report, "high", hd_json_real(step->values[1])));
    }
    int action = (int)step->params[1].number;
    if (action == ACTION_DROP) return drop_outliers(step, target);
    if (action == ACTION_FLAG) return flag_outliers(step, target);
    mend_outliers(step, column, target->table->n_rows, action == ACTION_CLIP);
    return HEED_OK;
}

const hd_step_kind hd_step_outlier_iqr = {
    .name = "outlier_iqr",
    .doc = HD_TEXT("finds numbers outside Tukey's fences", "找出四分位距边界之外的数值"),
    .params = iqr_params,
    .n_params = 2,
    .types = HD_STEP_NUMBER,
    .fit = iqr_fit,
    .check = bounds_check,
    .apply = bounds_apply,
};

const hd_step_kind hd_step_outlier_zscore = {
    .name = "outlier_zscore",
    .doc = HD_TEXT("finds numbers many standard deviations from the mean",
                   "找出偏离均值多个标准差的数值"),
    .params = zscore_params,
    .n_params = 2,
    .types = HD_STEP_NUMBER,
    .fit = zscore_fit,
    .check = bounds_check,
    .apply = bounds_apply,
};
