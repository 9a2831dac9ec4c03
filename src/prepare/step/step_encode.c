// SPDX-License-Identifier: Apache-2.0
//
// Categories to numbers, numbers to categories, two columns to one.
//
// one_hot: a column of categories becomes a column "<column>=<category>" of 0 and 1 for each of the
// most frequent categories, and with other=yes one, "<column>=…", for all else that isn't missing.
// An unknown category (or, with other=no, a rare one) is 0 everywhere; missing is too.
//
// bin_width, bin_quantile: a number becomes the category "1" … "k" of its bin. Inner edges are
// learned: equally far apart between minimum and maximum, or at the quantiles (edges that coincide
// count once). Bin i holds edge[i−1] < x ≤ edge[i]; the outer bins are open.
//
// cross: two columns of categories become one of pairs, "a|b" with | and \ escaped by \; two
// columns of numbers become their product. The new column is "<first>×<second>".
#include "prepare/step/step.h"

#include <math.h>

#include "base/mem.h"

// ── One-hot ──

static const char *const yes_no[] = {"no", "yes", NULL};

static const hd_step_param one_hot_params[] = {
    {"max", "50", 1, 10000, true, false, NULL,
     HD_TEXT("at most this many categories get a column", "最多为多少个类别建列")},
    {"other", "no", 0, 0, false, false, yes_no,
     HD_TEXT("a column for all other categories", "是否为其余类别建一列")},
};

static heed_err one_hot_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)seed;
    const hd_column *column = hd_table_find(table, step->columns[0]);
    uint32_t *codes = NULL;
    size_t n;
    HD_TRY(hd_step_categories(column, table->n_rows, &codes, NULL, &n));
    if (n > (size_t)step->params[0].number) n = (size_t)step->params[0].number;
    heed_err err = hd_step_learn(step, 0, n, arena);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        step->texts[i] = hd_arena_strdup(arena, column->dict.entries[codes[i]].key);
        if (!step->texts[i]) err = HD_FAIL_MEMORY(0);
    }
    hd_free(codes);
    return err;
}

static bool one_hot_check(const hd_step *step) {
    if (step->n_values != 0 || step->n_texts > (size_t)step->params[0].number) return false;
    for (size_t i = 0; i < step->n_texts; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(step->texts[i], step->texts[j]) == 0) return false;
        }
    }
    return true;
}

// A column of 0 named "<column>=<category>"; NULL in *out when it can't be made.
static heed_err add_indicator(const hd_step *step, const hd_step_target *target,
                              const char *category, double **out) {
    hd_str name;
    hd_str_init(&name);
    hd_str_addf(&name, "%s=%s", step->columns[0], category);
    hd_column *column = NULL;
    heed_err err = hd_str_check(&name);
    if (err == HEED_OK) {
        err = hd_table_add_column(target->table, hd_str_get(&name), HD_COLUMN_F64, &column);
    }
    hd_str_clear(&name);
    HD_TRY(err);
    for (size_t r = 0; r < target->table->n_rows; r++) column->f64[r] = 0;
    *out = column->f64;
    return HEED_OK;
}

// Which of the known categories each code of the table's dictionary is: n_texts for none.
static heed_err match_codes(const hd_step *step, const hd_column *column, uint32_t **out) {
    uint32_t *match = hd_alloc(column->dict.count * sizeof *match);
    if (!match) return HD_FAIL_MEMORY(column->dict.count * sizeof *match);
    for (size_t c = 0; c < column->dict.count; c++) match[c] = (uint32_t)step->n_texts;
    for (size_t i = 0; i < step->n_texts; i++) {
        uint64_t code;
        if (hd_map_get(&column->dict, step->texts[i], strlen(step->texts[i]), &code)) {
            match[code] = (uint32_t)i;
        }
    }
    *out = match;
    return HEED_OK;
}

static heed_err one_hot_fill(const hd_step *step, const hd_step_target *target,
                             const uint32_t *match, double **indicators) {
    bool other = step->params[1].number == 1;
    size_t unknown = 0, n = step->n_texts;
    for (size_t i = 0; i < n; i++) {
        HD_TRY(add_indicator(step, target, step->texts[i], &indicators[i]));
    }
    if (other) HD_TRY(add_indicator(step, target, "…", &indicators[n]));
    const hd_column *column = hd_step_column(step, target, 0);
    for (size_t r = 0; r < target->table->n_rows; r++) {
        if (column->code[r] == HD_CODE_NONE) continue;
        uint32_t i = match[column->code[r]];
        unknown += i == n;
        if (i < n || other) indicators[i][r] = 1;
    }
    HD_TRY(hd_step_count(target, "columns", n + other));
    HD_TRY(hd_step_count(target, "unknown", unknown));
    return hd_table_drop_column(target->table, step->columns[0]);
}

static heed_err one_hot_apply(const hd_step *step, const hd_step_target *target) {
    uint32_t *match = NULL;
    double **indicators = hd_calloc(step->n_texts + 1, sizeof *indicators);
    if (!indicators) return HD_FAIL_MEMORY((step->n_texts + 1) * sizeof *indicators);
    heed_err err = match_codes(step, hd_step_column(step, target, 0), &match);
    if (err == HEED_OK) err = one_hot_fill(step, target, match, indicators);
    hd_free(match);
    hd_free(indicators);
    return err;
}

const hd_step_kind hd_step_one_hot = {
    .name = "one_hot",
    .doc = HD_TEXT("a column of 0 and 1 for each category", "为每个类别建一个 0/1 列"),
    .params = one_hot_params,
    .n_params = 2,
    .types = HD_STEP_CATEGORY,
    .fit = one_hot_fit,
    .check = one_hot_check,
    .apply = one_hot_apply,
};

// ── Bins ──

static const hd_step_param bin_params[] = {
    {"bins", "10", 2, 1000, true, false, NULL, HD_TEXT("how many bins", "分箱数")},
};

static double width_edge(const double *sorted, size_t n, double share) {
    return sorted[0] + share * (sorted[n - 1] - sorted[0]);
}

// Inner edges, rising, each once.
static heed_err bin_fit(hd_step *step, const hd_table *table, hd_arena *arena,
                        double (*edge)(const double *sorted, size_t n, double share)) {
    double *values;
    size_t n, bins = (size_t)step->params[0].number, n_edges = 0;
    HD_TRY(
        hd_step_numbers(hd_table_find(table, step->columns[0]), table->n_rows, true, &values, &n));
    heed_err err = hd_step_learn(step, bins - 1, 0, arena);
    for (size_t i = 1; err == HEED_OK && n > 0 && i < bins; i++) {
        double at = edge(values, n, (double)i / (double)bins);
        if (n_edges == 0 || at > step->values[n_edges - 1]) step->values[n_edges++] = at;
    }
    step->n_values = n_edges;
    hd_free(values);
    return err;
}

static heed_err bin_width_fit(hd_step *step, const hd_table *table, uint64_t seed,
                              hd_arena *arena) {
    (void)seed;
    return bin_fit(step, table, arena, width_edge);
}

static heed_err bin_quantile_fit(hd_step *step, const hd_table *table, uint64_t seed,
                                 hd_arena *arena) {
    (void)seed;
    return bin_fit(step, table, arena, hd_quantile);
}

static bool bin_check(const hd_step *step) {
    for (size_t i = 1; i < step->n_values; i++) {
        if (step->values[i] <= step->values[i - 1]) return false;
    }
    return step->n_texts == 0 && step->n_values < (size_t)step->params[0].number;
}

// How many edges lie below x.
static size_t bin_of(const hd_step *step, double x) {
    size_t low = 0, high = step->n_values;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (step->values[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// The column gives way to one of categories under its name: built beside it, then put in its place.
static heed_err bin_apply(const hd_step *step, const hd_step_target *target) {
    const char *name = step->columns[0];
    size_t n_rows = target->table->n_rows;
    double *values = hd_alloc(n_rows * sizeof *values);
    if (!values) return HD_FAIL_MEMORY(n_rows * sizeof *values);
    memcpy(values, hd_step_column(step, target, 0)->f64, n_rows * sizeof *values);
    hd_column *column = NULL;
    heed_err err = hd_table_drop_column(target->table, name);
    if (err == HEED_OK) err = hd_table_add_column(target->table, name, HD_COLUMN_CATEGORY, &column);
    for (size_t r = 0; err == HEED_OK && r < n_rows; r++) {
        if (isnan(values[r])) continue;
        char text[24];
        int n = hd_snprintf(text, sizeof text, "%zu", bin_of(step, values[r]) + 1);
        err = hd_column_set_category(column, r, (hd_slice){text, (size_t)n});
    }
    hd_free(values);
    return err == HEED_OK ? hd_step_count(target, "bins", step->n_values + 1) : err;
}

const hd_step_kind hd_step_bin_width = {
    .name = "bin_width",
    .doc = HD_TEXT("puts numbers into bins of equal width", "按等宽分箱"),
    .params = bin_params,
    .n_params = 1,
    .types = HD_STEP_NUMBER,
    .fit = bin_width_fit,
    .check = bin_check,
    .apply = bin_apply,
};

const hd_step_kind hd_step_bin_quantile = {
    .name = "bin_quantile",
    .doc = HD_TEXT("puts numbers into bins of equal count", "按等频（分位数）分箱"),
    .params = bin_params,
    .n_params = 1,
    .types = HD_STEP_NUMBER,
    .fit = bin_quantile_fit,
    .check = bin_check,
    .apply = bin_apply,
};

// ── Crosses ──

static heed_err cross_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    (void)table, (void)seed, (void)arena;
    if (step->n_columns == 2 && step->types[0] == step->types[1]) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "cross takes two columns, both of numbers or both of categories",
                   "交叉需要两列，且同为数值列或同为类别列");
}

static bool cross_check(const hd_step *step) {
    return step->n_columns == 2 && step->types[0] == step->types[1] && step->n_values == 0 &&
           step->n_texts == 0;
}

static void add_escaped(hd_str *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|' || *text == '\\') hd_str_addc(out, '\\');
        hd_str_addc(out, *text);
    }
}

static heed_err cross_categories(const hd_step *step, const hd_step_target *target, hd_column *out,
                                 hd_str *text) {
    const hd_column *a = hd_step_column(step, target, 0), *b = hd_step_column(step, target, 1);
    for (size_t r = 0; r < target->table->n_rows; r++) {
        if (hd_column_missing(a, r) || hd_column_missing(b, r)) continue;
        hd_str_reset(text);
        add_escaped(text, hd_column_category(a, r));
        hd_str_addc(text, '|');
        add_escaped(text, hd_column_category(b, r));
        HD_TRY(hd_str_check(text));
        HD_TRY(hd_column_set_category(out, r, (hd_slice){hd_str_get(text), text->len}));
    }
    return HEED_OK;
}

static heed_err cross_apply(const hd_step *step, const hd_step_target *target) {
    hd_str text;
    hd_str_init(&text);
    hd_str_addf(&text, "%s×%s", step->columns[0], step->columns[1]);
    hd_column *out = NULL;
    heed_err err = hd_str_check(&text);
    if (err == HEED_OK) {
        err = hd_table_add_column(target->table, hd_str_get(&text), step->types[0], &out);
    }
    if (err == HEED_OK && step->types[0] == HD_COLUMN_CATEGORY) {
        err = cross_categories(step, target, out, &text);
    } else if (err == HEED_OK) {
        const hd_column *a = hd_step_column(step, target, 0), *b = hd_step_column(step, target, 1);
        for (size_t r = 0; r < target->table->n_rows; r++) out->f64[r] = a->f64[r] * b->f64[r];
    }
    hd_str_clear(&text);
    return err;
}

const hd_step_kind hd_step_cross = {
    .name = "cross",
    .doc = HD_TEXT("a column of pairs, or of products, of two columns",
                   "两列的组合（类别）或乘积（数值）"),
    .whole = true,
    .types = HD_STEP_NUMBER | HD_STEP_CATEGORY,
    .fit = cross_fit,
    .check = cross_check,
    .apply = cross_apply,
};
