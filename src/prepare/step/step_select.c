// SPDX-License-Identifier: Apache-2.0
//
// Feature selection: which columns to drop is learned once, and the same columns go later.
//
// select_variance drops columns of numbers whose variance in the training data is at most a
// threshold (0: constant columns). It depends on the unit: scale afterwards, not before.
//
// select_information keeps the columns that tell most of a target column:
//
//     I(X; Y) = Σ p(x, y) ln (p(x, y) / (p(x) p(y)))
//
// in nats, over counted frequencies; numbers are put into ten bins of equal count first, missing is
// a value of its own. The estimate is too high by about (|X| − 1)(|Y| − 1) / 2n, with |·| the
// values that occur (Miller, "Note on the bias of information estimates", 1955); that is taken off,
// so that an id, which is different in every row, doesn't win. Below 0 counts as 0.
#include "prepare/step/step.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

// ── What both do later ──

// texts: the columns to drop. values: nothing.
static bool select_check(const hd_step *step) {
    if (step->n_values != 0) return false;
    for (size_t i = 0; i < step->n_texts; i++) {
        size_t j = 0;
        while (j < step->n_columns && strcmp(step->columns[j], step->texts[i]) != 0) j++;
        if (j == step->n_columns) return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(step->texts[i], step->texts[k]) == 0) return false;
        }
    }
    return true;
}

static heed_err select_apply(const hd_step *step, const hd_step_target *target) {
    json_t *dropped = NULL;
    if (target->report) {
        HD_TRY(hd_json_set(target->report, "dropped", dropped = json_array()));
    }
    for (size_t i = 0; i < step->n_texts; i++) {
        HD_TRY(hd_table_drop_column(target->table, step->texts[i]));
        if (dropped) HD_TRY(hd_json_append(dropped, json_string(step->texts[i])));
    }
    return HEED_OK;
}

// Learns the columns whose drop[] is true. Their names live with the step's own.
static heed_err learn_dropped(hd_step *step, const bool *drop, hd_arena *arena) {
    size_t n = 0;
    for (size_t i = 0; i < step->n_columns; i++) n += drop[i];
    HD_TRY(hd_step_learn(step, 0, n, arena));
    n = 0;
    for (size_t i = 0; i < step->n_columns; i++) {
        if (drop[i]) step->texts[n++] = step->columns[i];
    }
    return HEED_OK;
}

// ── Variance ──

static const hd_step_param variance_params[] = {
    {"threshold", "0", 0, 1e300, false, false, NULL,
     HD_TEXT("columns of at most this variance go", "方差不超过此值的列将被删除")},
};

static heed_err variance_of(const hd_column *column, size_t n_rows, double *out) {
    double *values;
    size_t n;
    HD_TRY(hd_step_numbers(column, n_rows, false, &values, &n));
    *out = hd_variance(values, n, hd_mean(values, n));
    hd_free(values);
    return HEED_OK;
}

static heed_err variance_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    bool *drop = hd_calloc(step->n_columns, sizeof *drop);
    heed_err err = drop ? HEED_OK : HD_FAIL_MEMORY(step->n_columns);
    for (size_t i = 0; err == HEED_OK && i < step->n_columns; i++) {
        double variance = 0;
        err = variance_of(hd_table_find(table, step->columns[i]), table->n_rows, &variance);
        drop[i] = variance <= step->params[0].number;
    }
    if (err == HEED_OK) err = learn_dropped(step, drop, arena);
    hd_free(drop);
    return err;
}

const hd_step_kind hd_step_select_variance = {
    .name = "select_variance",
    .doc = HD_TEXT("drops columns that hardly vary", "删除几乎不变化的列"),
    .params = variance_params,
    .n_params = 1,
    .whole = true,
    .types = HD_STEP_NUMBER,
    .fit = variance_fit,
    .check = select_check,
    .apply = select_apply,
};

// ── Mutual information ──

static const hd_step_param information_params[] = {
    {.name = "target", .text = true, .doc = HD_TEXT("the column to be told", "目标列")},
    {"keep", "10", 1, 100000, true, false, NULL, HD_TEXT("how many columns stay", "保留多少列")},
    {"least", "0", 0, 100, false, false, NULL,
     HD_TEXT("a column that stays tells at least this many nats", "保留的列至少提供多少纳特信息")},
};

enum { INFORMATION_BINS = 10, INFORMATION_LEAST = 5 };

// Codes as they are; behind them a level for missing and one for all that is rare.
static heed_err category_levels(const hd_column *column, size_t n_rows, uint32_t *out,
                                size_t *n_levels) {
    uint32_t missing = (uint32_t)column->dict.count, rare = missing + 1;
    size_t *counts = hd_calloc(missing, sizeof *counts);
    if (!counts) return HD_FAIL_MEMORY(missing * sizeof *counts);
    for (size_t r = 0; r < n_rows; r++) {
        if (column->code[r] != HD_CODE_NONE) counts[column->code[r]]++;
    }
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t code = column->code[r];
        out[r] = code == HD_CODE_NONE ? missing : counts[code] < INFORMATION_LEAST ? rare : code;
    }
    *n_levels = (size_t)missing + 2;
    hd_free(counts);
    return HEED_OK;
}

// Each row's value as a small number from 0; *n_levels: how many there can be.
static heed_err levels_of(const hd_column *column, size_t n_rows, uint32_t *out, size_t *n_levels) {
    if (column->type == HD_COLUMN_CATEGORY) return category_levels(column, n_rows, out, n_levels);
    double *sorted, edges[INFORMATION_BINS - 1];
    size_t n;
    HD_TRY(hd_step_numbers(column, n_rows, true, &sorted, &n));
    for (int i = 0; i < INFORMATION_BINS - 1; i++) {
        edges[i] = n > 0 ? hd_quantile(sorted, n, (i + 1) / (double)INFORMATION_BINS) : 0;
    }
    hd_free(sorted);
    *n_levels = INFORMATION_BINS + 1;
    for (size_t r = 0; r < n_rows; r++) {
        uint32_t level = 0;
        while (level < INFORMATION_BINS - 1 && column->f64[r] > edges[level]) level++;
        out[r] = isnan(column->f64[r]) ? INFORMATION_BINS : level;
    }
    return HEED_OK;
}

// Counts of pairs in a map: most pairs of a large table of levels never occur.
static heed_err count_pairs(const uint32_t *x, const uint32_t *y, size_t n, hd_imap *pairs,
                            uint64_t *count_x, uint64_t *count_y) {
    for (size_t r = 0; r < n; r++) {
        uint64_t *slot;
        HD_TRY(hd_imap_slot(pairs, (uint64_t)x[r] << 32 | y[r], 0, &slot, NULL));
        ++*slot;
        count_x[x[r]]++;
        count_y[y[r]]++;
    }
    return HEED_OK;
}

static size_t count_used(const uint64_t *counts, size_t n) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) used += counts[i] > 0;
    return used;
}

static double information_sum(const hd_imap *pairs, const uint64_t *count_x,
                              const uint64_t *count_y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        double both = (double)pairs->entries[i].value;
        double x = (double)count_x[pairs->entries[i].key >> 32];
        double y = (double)count_y[pairs->entries[i].key & UINT32_MAX];
        sum += both / (double)n * log(both * (double)n / (x * y));
    }
    return sum;
}

static heed_err information(const uint32_t *x, size_t n_x, const uint32_t *y, size_t n_y, size_t n,
                            double *out) {
    hd_imap pairs;
    hd_imap_init(&pairs);
    uint64_t *count_x = hd_calloc(n_x, sizeof *count_x), *count_y = hd_calloc(n_y, sizeof *count_y);
    heed_err err = count_x && count_y ? HEED_OK : HD_FAIL_MEMORY(n_x * sizeof *count_x);
    if (err == HEED_OK) err = count_pairs(x, y, n, &pairs, count_x, count_y);
    if (err == HEED_OK && n > 0) {
        double used_x = (double)count_used(count_x, n_x), used_y = (double)count_used(count_y, n_y);
        double bias = (used_x - 1) * (used_y - 1) / (2.0 * (double)n);
        *out = fmax(0, information_sum(&pairs, count_x, count_y, n) - bias);
    }
    hd_free(count_x);
    hd_free(count_y);
    hd_imap_clear(&pairs);
    return err;
}

typedef struct told {
    double nats;
    size_t column;
} told;

static int by_nats(const void *a, const void *b) {
    const told *x = a, *y = b;
    if (x->nats != y->nats) return x->nats > y->nats ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static heed_err measure_columns(const hd_step *step, const hd_table *table, const hd_column *target,
                                told *out) {
    uint32_t *x = hd_alloc(table->n_rows * sizeof *x), *y = hd_alloc(table->n_rows * sizeof *y);
    size_t n_x = 0, n_y = 0;
    heed_err err = x && y ? HEED_OK : HD_FAIL_MEMORY(table->n_rows * sizeof *x);
    if (err == HEED_OK) err = levels_of(target, table->n_rows, y, &n_y);
    for (size_t i = 0; err == HEED_OK && i < step->n_columns; i++) {
        out[i] = (told){0, i};
        const hd_column *column = hd_table_find(table, step->columns[i]);
        err = levels_of(column, table->n_rows, x, &n_x);
        if (err == HEED_OK) err = information(x, n_x, y, n_y, table->n_rows, &out[i].nats);
    }
    hd_free(x);
    hd_free(y);
    return err;
}

// The target isn't among the columns it is told by: it stays, and needn't be there later.
static void leave_out(hd_step *step, const char *target) {
    size_t n = 0;
    for (size_t i = 0; i < step->n_columns; i++) {
        if (strcmp(step->columns[i], target) == 0) continue;
        step->types[n] = step->types[i];
        step->columns[n++] = step->columns[i];
    }
    step->n_columns = n;
}

static heed_err information_fit(hd_step *step, const hd_table *table, uint64_t seed,
                                hd_arena *arena) {
    (void)seed;
    const hd_column *target = hd_table_find(table, step->params[0].text);
    if (!target || target->type == HD_COLUMN_TIME) {
        return HD_FAIL(HEED_INPUT, "there is no target column '%s' of numbers or categories",
                       "没有名为“%s”的数值或类别目标列", step->params[0].text);
    }
    leave_out(step, step->params[0].text);
    told *all = hd_calloc(step->n_columns, sizeof *all);
    bool *drop = hd_calloc(step->n_columns, sizeof *drop);
    heed_err err = all && drop ? HEED_OK : HD_FAIL_MEMORY(step->n_columns * sizeof *all);
    if (err == HEED_OK) err = measure_columns(step, table, target, all);
    if (err == HEED_OK) {
        qsort(all, step->n_columns, sizeof *all, by_nats);
        size_t kept = 0;
        for (size_t i = 0; i < step->n_columns; i++) {
            bool keep =
                kept < (size_t)step->params[1].number && all[i].nats >= step->params[2].number;
            kept += keep;
            drop[all[i].column] = !keep;
        }
        err = learn_dropped(step, drop, arena);
    }
    hd_free(all);
    hd_free(drop);
    return err;
}

const hd_step_kind hd_step_select_information = {
    .name = "select_information",
    .doc = HD_TEXT("keeps the columns that tell most of a target (mutual information)",
                   "保留与目标列互信息最大的列"),
    .params = information_params,
    .n_params = 3,
    .whole = true,
    .types = HD_STEP_NUMBER | HD_STEP_CATEGORY,
    .fit = information_fit,
    .check = select_check,
    .apply = select_apply,
};
