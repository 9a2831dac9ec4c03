// SPDX-License-Identifier: Apache-2.0
//
// Missing values: drop their rows, or fill them with the training data's mean, median, or most
// frequent value, or with a constant. Mean and median of numbers; the most frequent of categories
// too (ties: the smallest number, the first name).
#include "prepare/step/step.h"

#include <math.h>

#include "base/mem.h"

// ── Dropping ──

static heed_err drop_apply(const hd_step *step, const hd_step_target *target) {
    size_t n_rows = target->table->n_rows;
    bool *keep = hd_alloc(n_rows * sizeof *keep);
    if (!keep) return HD_FAIL_MEMORY(n_rows * sizeof *keep);
    memset(keep, true, n_rows * sizeof *keep);
    for (size_t i = 0; i < step->n_columns; i++) {
        const hd_column *column = hd_step_column(step, target, i);
        for (size_t r = 0; r < n_rows; r++) keep[r] = keep[r] && !hd_column_missing(column, r);
    }
    heed_err err = hd_step_keep(target, keep);
    hd_free(keep);
    return err;
}

const hd_step_kind hd_step_drop_missing = {
    .name = "drop_missing",
    .doc = HD_TEXT("drops rows in which one of the columns is missing", "删除所选列有缺失值的行"),
    .whole = true,
    .types = HD_STEP_ANY,
    .apply = drop_apply,
};

// ── Filling ──

static heed_err nothing_to_learn(const hd_step *step) {
    return HD_FAIL(
        HEED_INPUT, "column '%s' has no value at all, so %s can't fill it: leave the column out",
        "列“%s”没有任何值，%s 无法填充：请不要使用该列", step->columns[0], step->kind->name);
}

// Learns one number from the column's sorted values.
static heed_err learn_number(hd_step *step, const hd_table *table, hd_arena *arena,
                             double (*statistic)(const double *sorted, size_t n)) {
    double *values;
    size_t n;
    HD_TRY(
        hd_step_numbers(hd_table_find(table, step->columns[0]), table->n_rows, true, &values, &n));
    heed_err err = n > 0 ? hd_step_learn(step, 1, 0, arena) : nothing_to_learn(step);
    if (err == HEED_OK) step->values[0] = statistic(values, n);
    hd_free(values);
    return err;
}

static double median_of(const double *sorted, size_t n) {
    return hd_quantile(sorted, n, 0.5);
}

// The longest run of equal values; the first of them, hence the smallest.
static double mode_of(const double *sorted, size_t n) {
    size_t best = 0, best_run = 0;
    for (size_t i = 0, run = 0; i < n; i++) {
        run = i > 0 && sorted[i] == sorted[i - 1] ? run + 1 : 1;
        if (run > best_run) {
            best = i;
            best_run = run;
        }
    }
    return sorted[best];
}

static heed_err mean_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return learn_number(step, table, arena, hd_mean);
}

static heed_err median_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    return learn_number(step, table, arena, median_of);
}

static heed_err mode_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    const hd_column *column = hd_table_find(table, step->columns[0]);
    if (column->type == HD_COLUMN_F64) return learn_number(step, table, arena, mode_of);
    uint32_t *codes = NULL;
    size_t n;
    HD_TRY(hd_step_categories(column, table->n_rows, &codes, NULL, &n));
    heed_err err = n > 0 ? hd_step_learn(step, 0, 1, arena) : nothing_to_learn(step);
    if (err == HEED_OK) {
        step->texts[0] = hd_arena_strdup(arena, column->dict.entries[codes[0]].key);
        if (!step->texts[0]) err = HD_FAIL_MEMORY(0);
    }
    hd_free(codes);
    return err;
}

static heed_err constant_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)table, (void)seed;
    const char *text = step->params[0].text;
    if (step->types[0] == HD_COLUMN_CATEGORY) {
        HD_TRY(hd_step_learn(step, 0, 1, arena));
        step->texts[0] = text;
        return HEED_OK;
    }
    HD_TRY(hd_step_learn(step, 1, 0, arena));
    if (hd_slice_f64(hd_slice_of(text), &step->values[0])) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "column '%s' holds numbers: '%s' can't fill it",
                   "列“%s”是数值列：不能用“%s”填充", step->columns[0], text);
}

// One number for a column of numbers, one text for a column of categories.
static bool fill_check(const hd_step *step) {
    bool number = step->types[0] == HD_COLUMN_F64;
    return step->n_values == number && step->n_texts == !number;
}

static heed_err fill_apply(const hd_step *step, const hd_step_target *target) {
    hd_column *column = hd_step_column(step, target, 0);
    size_t filled = 0;
    for (size_t r = 0; r < target->table->n_rows; r++) {
        if (!hd_column_missing(column, r)) continue;
        filled++;
        if (column->type == HD_COLUMN_F64)
            column->f64[r] = step->values[0];
        else
            HD_TRY(hd_column_set_category(column, r, hd_slice_of(step->texts[0])));
    }
    if (target->report) {
        json_t *value = column->type == HD_COLUMN_F64 ? hd_json_real(step->values[0])
                                                      : json_string(step->texts[0]);
        HD_TRY(hd_json_set(target->report, "value", value));
    }
    return hd_step_count(target, "filled", filled);
}

const hd_step_kind hd_step_fill_mean = {
    .name = "fill_mean",
    .doc = HD_TEXT("fills missing numbers with the mean", "用均值填充缺失的数值"),
    .types = HD_STEP_NUMBER,
    .fit = mean_fit,
    .check = fill_check,
    .apply = fill_apply,
};

const hd_step_kind hd_step_fill_median = {
    .name = "fill_median",
    .doc = HD_TEXT("fills missing numbers with the median", "用中位数填充缺失的数值"),
    .types = HD_STEP_NUMBER,
    .fit = median_fit,
    .check = fill_check,
    .apply = fill_apply,
};

const hd_step_kind hd_step_fill_mode = {
    .name = "fill_mode",
    .doc = HD_TEXT("fills missing values with the most frequent one", "用众数填充缺失值"),
    .types = HD_STEP_NUMBER | HD_STEP_CATEGORY,
    .fit = mode_fit,
    .check = fill_check,
    .apply = fill_apply,
};

static const hd_step_param constant_params[] = {
    {.name = "value", .text = true, .doc = HD_TEXT("what to fill with", "用于填充的值")},
};

const hd_step_kind hd_step_fill_constant = {
    .name = "fill_constant",
    .doc = HD_TEXT("fills missing values with a given one", "用给定的值填充缺失值"),
    .params = constant_params,
    .n_params = 1,
    .types = HD_STEP_NUMBER | HD_STEP_CATEGORY,
    .fit = constant_fit,
    .check = fill_check,
    .apply = fill_apply,
};
