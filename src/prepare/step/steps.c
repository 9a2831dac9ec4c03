// SPDX-License-Identifier: Apache-2.0
//
// The list of step kinds, and what they share: columns, learned memory, reports, statistics.
#include "prepare/step/step.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "prepare/sort.h"

extern const hd_step_kind hd_step_drop_missing, hd_step_fill_mean, hd_step_fill_median,
    hd_step_fill_mode, hd_step_fill_constant, hd_step_outlier_iqr, hd_step_outlier_zscore,
    hd_step_outlier_forest, hd_step_scale_minmax, hd_step_scale_zscore, hd_step_scale_robust,
    hd_step_one_hot, hd_step_bin_width, hd_step_bin_quantile, hd_step_cross, hd_step_part,
    hd_step_select_variance, hd_step_select_information;

const hd_step_kind *const hd_step_kinds[] = {
    &hd_step_drop_missing,
    &hd_step_fill_mean,
    &hd_step_fill_median,
    &hd_step_fill_mode,
    &hd_step_fill_constant,
    &hd_step_outlier_iqr,
    &hd_step_outlier_zscore,
    &hd_step_outlier_forest,
    &hd_step_scale_minmax,
    &hd_step_scale_zscore,
    &hd_step_scale_robust,
    &hd_step_one_hot,
    &hd_step_bin_width,
    &hd_step_bin_quantile,
    &hd_step_cross,
    &hd_step_part,
    &hd_step_select_variance,
    &hd_step_select_information,
    NULL,
};

const hd_step_kind *hd_step_kind_find(const char *name) {
    for (size_t i = 0; hd_step_kinds[i]; i++) {
        if (strcmp(name, hd_step_kinds[i]->name) == 0) return hd_step_kinds[i];
    }
    return NULL;
}

hd_column *hd_step_column(const hd_step *step, const hd_step_target *target, size_t i) {
    return hd_table_find(target->table, step->columns[i]);
}

heed_err hd_step_learn(hd_step *step, size_t n_values, size_t n_texts, hd_arena *arena) {
    step->values = hd_arena_calloc(arena, n_values, sizeof *step->values);
    step->texts = hd_arena_calloc(arena, n_texts, sizeof *step->texts);
    if (!step->values || !step->texts) return HD_FAIL_MEMORY(n_values * sizeof *step->values);
    step->n_values = n_values;
    step->n_texts = n_texts;
    return HEED_OK;
}

heed_err hd_step_count(const hd_step_target *target, const char *key, size_t count) {
    if (!target->report) return HEED_OK;
    return hd_json_set(target->report, key, json_integer((json_int_t)count));
}

heed_err hd_step_keep(const hd_step_target *target, const bool *keep) {
    size_t dropped = 0;
    for (size_t r = 0; r < target->table->n_rows; r++) dropped += !keep[r];
    if (target->keep_rows) return hd_step_count(target, "rows_kept", dropped);
    if (dropped > 0) HD_TRY(hd_table_filter(target->table, keep));
    return hd_step_count(target, "rows_dropped", dropped);
}

heed_err hd_step_numbers(const hd_column *column, size_t n_rows, bool sorted, double **out,
                         size_t *n) {
    *n = 0;
    *out = hd_alloc(n_rows * sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(n_rows * sizeof **out);
    for (size_t r = 0; r < n_rows; r++) {
        if (!hd_column_missing(column, r)) (*out)[(*n)++] = column->f64[r];
    }
    if (sorted) hd_sort_f64(*out, *n);
    return HEED_OK;
}

typedef struct category_count {
    const char *name;
    size_t count;
    uint32_t code;
} category_count;

static int by_count_then_name(const void *a, const void *b) {
    const category_count *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void count_categories(const hd_column *column, size_t n_rows, category_count *counts) {
    for (size_t i = 0; i < column->dict.count; i++) {
        counts[i] = (category_count){column->dict.entries[i].key, 0, (uint32_t)i};
    }
    for (size_t r = 0; r < n_rows; r++) {
        if (column->code[r] != HD_CODE_NONE) counts[column->code[r]].count++;
    }
    if (column->dict.count > 1) {
        qsort(counts, column->dict.count, sizeof *counts, by_count_then_name);
    }
}

heed_err hd_step_categories(const hd_column *column, size_t n_rows, uint32_t **codes,
                            size_t **counts, size_t *n) {
    size_t size = column->dict.count;
    category_count *all = hd_calloc(size, sizeof *all);
    uint32_t *code = hd_alloc(size * sizeof *code);
    size_t *count = hd_alloc(size * sizeof *count);
    heed_err err = all && code && count ? HEED_OK : HD_FAIL_MEMORY(size * sizeof *all);
    *n = 0;
    if (err == HEED_OK) {
        count_categories(column, n_rows, all);
        for (; *n < size && all[*n].count > 0; ++*n) {
            code[*n] = all[*n].code;
            count[*n] = all[*n].count;
        }
        if (codes) {
            *codes = code;
            code = NULL;
        }
        if (counts) {
            *counts = count;
            count = NULL;
        }
    }
    hd_free(all);
    hd_free(code);
    hd_free(count);
    return err;
}

double hd_mean(const double *values, size_t n) {
    double mean = 0; // as a running mean: the sum of large values could overflow
    for (size_t i = 0; i < n; i++) mean += (values[i] - mean) / (double)(i + 1);
    return mean;
}

double hd_variance(const double *values, size_t n, double mean) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (values[i] - mean) * (values[i] - mean);
    return n > 0 ? sum / (double)n : 0;
}

double hd_quantile(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t low = (size_t)floor(at);
    if (low + 1 >= n) return sorted[n - 1];
    double part = at - (double)low;
    return part == 0 ? sorted[low] : sorted[low] + part * (sorted[low + 1] - sorted[low]);
}
