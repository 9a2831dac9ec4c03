// SPDX-License-Identifier: Apache-2.0
//
// Outliers of several columns together, by an isolation forest (Liu, Ting, Zhou, "Isolation
// forest", ICDM 2008). A tree splits a random sample of ψ rows at a random value of a random
// column, again and again; what is odd is alone after few splits. With h(x) the depth at which x
// ends, and
//
//     c(n) = 2 H(n − 1) − 2 (n − 1) / n,    H(i) = ln i + 0.5772156649 (Euler),    c(2) = 1, c(1) =
//     0
//
// the mean depth of an unsuccessful search among n, a leaf that still holds n rows adds c(n), and
//
//     score(x) = 2 ^ (−E[h(x)] / c(ψ))
//
// is near 1 for outliers and below 0.5 for the rest. Trees stop at depth ⌈log₂ ψ⌉. The threshold is
// the score that `share` of the training rows exceed.
//
// The forest is kept flat in the step's values: threshold, c(ψ), number of trees; the columns'
// medians (for missing numbers); where each tree begins; then nodes of three values: column, split,
// index of the right child (the left one follows at once); or −1, rows, 0 for a leaf. Children
// stand behind their parents, so that a walk always ends: what check() makes sure of.
#include "prepare/step/step.h"

#include <math.h>

#include "base/mem.h"
#include "prepare/sort.h"

enum { FOREST_HEAD = 3, NODE = 3, DEPTH_MAX = 32 };

enum { ACTION_FLAG, ACTION_DROP };
static const char *const actions[] = {"flag", "drop", NULL};

enum { PARAM_TREES, PARAM_SAMPLE, PARAM_SHARE, PARAM_ACTION };
static const hd_step_param forest_params[] = {
    {"trees", "100", 1, 10000, true, false, NULL, HD_TEXT("number of trees", "树的数量")},
    {"sample", "256", 2, 65536, true, false, NULL,
     HD_TEXT("rows that each tree sees", "每棵树使用的行数")},
    {"share", "0.01", 0, 0.5, false, false, NULL,
     HD_TEXT("share of the training rows that count as outliers", "训练数据中视为异常的比例")},
    {"action", "flag", 0, 0, false, false, actions,
     HD_TEXT("flag them in a column 'outlier', or drop their rows",
             "在“outlier”列中标记，或删除这些行")},
};

// The mean depth of an unsuccessful search in a tree of n rows.
static double mean_depth(double n) {
    if (n <= 1) return 0;
    if (n == 2) return 1;
    return 2 * (log(n - 1) + 0.5772156649015329) - 2 * (n - 1) / n;
}

// ── Growing ──

typedef struct grower {
    const double *rows; // (n, n_columns) without missing values
    size_t n_columns;
    uint32_t *sample; // (ψ) rows of the tree at hand
    hd_rng rng;
    int depth_limit;
    double *nodes; // all trees so far
    size_t n, cap; // in values
    size_t base;   // where the nodes will stand in the step's values
} grower;

static double cell(const grower *g, size_t sample, size_t column) {
    return g->rows[g->sample[sample] * g->n_columns + column];
}

static heed_err add_node(grower *g, double a, double b) {
    HD_TRY(hd_grow(&g->nodes, &g->cap, g->n + NODE, sizeof *g->nodes));
    g->nodes[g->n++] = a;
    g->nodes[g->n++] = b;
    g->nodes[g->n++] = 0;
    return HEED_OK;
}

static bool column_range(const grower *g, size_t begin, size_t end, size_t column, double *min,
                         double *max) {
    *min = *max = cell(g, begin, column);
    for (size_t i = begin + 1; i < end; i++) {
        double x = cell(g, i, column);
        if (x < *min) *min = x;
        if (x > *max) *max = x;
    }
    return *min < *max;
}

// A random column among those that still vary, and a random place within its range. false: all rows
// are the same.
static bool choose_split(grower *g, size_t begin, size_t end, size_t *column, double *split) {
    double min = 0, max = 0;
    size_t varying = 0;
    for (size_t c = 0; c < g->n_columns; c++) {
        double low, high;
        // Reservoir sampling: the k-th varying column replaces the choice with chance 1/k.
        if (column_range(g, begin, end, c, &low, &high) && hd_rng_below(&g->rng, ++varying) == 0) {
            *column = c;
            min = low;
            max = high;
        }
    }
    if (varying == 0) return false;
    *split = min + hd_rng_uniform(&g->rng) * (max - min);
    if (*split >= max) *split = min; // rounding: the right side must not be empty
    return true;
}

// Moves rows with x ≤ split to the front; returns where the others begin.
static size_t divide(grower *g, size_t begin, size_t end, size_t column, double split) {
    size_t middle = begin;
    for (size_t i = begin; i < end; i++) {
        if (cell(g, i, column) > split) continue;
        uint32_t row = g->sample[i];
        g->sample[i] = g->sample[middle];
        g->sample[middle++] = row;
    }
    return middle;
}

static heed_err grow_tree(grower *g, size_t begin, size_t end, int depth) {
    size_t column = 0;
    double split = 0;
    if (end - begin <= 1 || depth >= g->depth_limit ||
        !choose_split(g, begin, end, &column, &split)) {
        return add_node(g, -1, (double)(end - begin));
    }
    size_t at = g->n;
    HD_TRY(add_node(g, (double)column, split));
    size_t middle = divide(g, begin, end, column, split);
    HD_TRY(grow_tree(g, begin, middle, depth + 1));
    g->nodes[at + 2] = (double)(g->base + g->n);
    return grow_tree(g, middle, end, depth + 1);
}

// Draws ψ of n rows without putting back: the first ψ of a shuffle.
static void draw_sample(grower *g, uint32_t *order, size_t n, size_t psi) {
    for (size_t i = 0; i < psi; i++) {
        size_t j = i + hd_rng_below(&g->rng, n - i);
        uint32_t row = order[j];
        order[j] = order[i];
        order[i] = g->sample[i] = row;
    }
}

// ── Scoring ──

static double path_length(const hd_step *step, const double *row, size_t at) {
    const double *v = step->values;
    int depth = 0;
    for (; v[at] >= 0; depth++)
        at = row[(size_t)v[at]] <= v[at + 1] ? at + NODE : (size_t)v[at + 2];
    return depth + mean_depth(v[at + 1]);
}

static double forest_score(const hd_step *step, const double *row) {
    const double *v = step->values;
    size_t trees = (size_t)v[2];
    const double *starts = v + FOREST_HEAD + step->n_columns;
    double sum = 0;
    for (size_t t = 0; t < trees; t++) sum += path_length(step, row, (size_t)starts[t]);
    return pow(2, -(sum / (double)trees) / v[1]);
}

// ── Fitting ──

// Rows of numbers, missing ones replaced by the columns' medians (which stand in the step's
// values).
static heed_err dense_rows(const hd_step *step, const hd_table *table, const double *medians,
                           double **out) {
    size_t n = step->n_columns;
    double *rows = hd_calloc(table->n_rows, n * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(table->n_rows * n * sizeof *rows);
    for (size_t c = 0; c < n; c++) {
        const hd_column *column = hd_table_find(table, step->columns[c]);
        for (size_t r = 0; r < table->n_rows; r++) {
            double x = column->f64[r];
            rows[r * n + c] = isnan(x) ? medians[c] : x;
        }
    }
    *out = rows;
    return HEED_OK;
}

static heed_err learn_medians(const hd_step *step, const hd_table *table, double *out) {
    for (size_t c = 0; c < step->n_columns; c++) {
        double *values;
        size_t n;
        HD_TRY(hd_step_numbers(hd_table_find(table, step->columns[c]), table->n_rows, true, &values,
                               &n));
        out[c] = n > 0 ? hd_quantile(values, n, 0.5) : 0;
        hd_free(values);
    }
    return HEED_OK;
}

static heed_err grow_forest(grower *g, size_t n_rows, size_t psi, size_t trees, uint64_t seed,
                            double *starts) {
    uint32_t *order = hd_alloc(n_rows * sizeof *order);
    g->sample = hd_alloc(psi * sizeof *g->sample);
    heed_err err = order && g->sample ? HEED_OK : HD_FAIL_MEMORY(n_rows * sizeof *order);
    for (size_t i = 0; err == HEED_OK && i < n_rows; i++) order[i] = (uint32_t)i;
    for (size_t t = 0; err == HEED_OK && t < trees; t++) {
        g->rng = hd_rng_make(seed, t);
        draw_sample(g, order, n_rows, psi);
        starts[t] = (double)(g->base + g->n);
        err = grow_tree(g, 0, psi, 0);
    }
    hd_free(order);
    hd_free(g->sample);
    return err;
}

// The score that `share` of the training rows exceed.
static heed_err learn_threshold(hd_step *step, const double *rows, size_t n_rows) {
    double *scores = hd_alloc(n_rows * sizeof *scores);
    if (!scores) return HD_FAIL_MEMORY(n_rows * sizeof *scores);
    for (size_t r = 0; r < n_rows; r++) scores[r] = forest_score(step, rows + r * step->n_columns);
    hd_sort_f64(scores, n_rows);
    size_t odd = (size_t)(step->params[PARAM_SHARE].number * (double)n_rows);
    step->values[0] = scores[n_rows - 1 - odd];
    hd_free(scores);
    return HEED_OK;
}

static heed_err forest_learn(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena,
                             double *head, double *rows) {
    size_t trees = (size_t)step->params[PARAM_TREES].number;
    size_t psi = (size_t)step->params[PARAM_SAMPLE].number;
    if (psi > table->n_rows) psi = table->n_rows;
    size_t n_head = FOREST_HEAD + step->n_columns + trees;
    grower g = {.rows = rows, .n_columns = step->n_columns, .base = n_head};
    g.depth_limit = (int)ceil(log2((double)psi));
    head[1] = mean_depth((double)psi);
    head[2] = (double)trees;
    heed_err err =
        grow_forest(&g, table->n_rows, psi, trees, seed, head + FOREST_HEAD + step->n_columns);
    if (err == HEED_OK) err = hd_step_learn(step, n_head + g.n, 0, arena);
    if (err == HEED_OK) {
        memcpy(step->values, head, n_head * sizeof *head);
        memcpy(step->values + n_head, g.nodes, g.n * sizeof *g.nodes);
        err = learn_threshold(step, rows, table->n_rows);
    }
    hd_free(g.nodes);
    return err;
}

static heed_err forest_fit(hd_step *step, const hd_table *table, uint64_t seed, hd_arena *arena) {
    if (table->n_rows < 2 || step->n_columns == 0) {
        return HD_FAIL(HEED_INPUT, "outlier_forest needs two rows and a column of numbers at least",
                       "outlier_forest 至少需要两行数据和一个数值列");
    }
    size_t n_head = FOREST_HEAD + step->n_columns + (size_t)step->params[PARAM_TREES].number;
    double *head = hd_calloc(n_head, sizeof *head), *rows = NULL;
    heed_err err = head ? HEED_OK : HD_FAIL_MEMORY(n_head * sizeof *head);
    if (err == HEED_OK) err = learn_medians(step, table, head + FOREST_HEAD);
    if (err == HEED_OK) err = dense_rows(step, table, head + FOREST_HEAD, &rows);
    if (err == HEED_OK) err = forest_learn(step, table, seed, arena, head, rows);
    hd_free(rows);
    hd_free(head);
    return err;
}

// ── Checking what was loaded ──

static bool is_index(double x, size_t from, size_t to) {
    return x >= (double)from && x < (double)to && x == floor(x);
}

static bool node_check(const hd_step *step, size_t at) {
    const double *v = step->values;
    if (v[at] == -1) return v[at + 1] >= 0;
    if (!is_index(v[at], 0, step->n_columns)) return false;
    // Left follows at once, right stands behind it: walks only go forward.
    return at + 2 * NODE <= step->n_values && is_index(v[at + 2], at + 2 * NODE, step->n_values);
}

static bool forest_check(const hd_step *step) {
    const double *v = step->values;
    size_t n_fixed = FOREST_HEAD + step->n_columns;
    if (step->n_texts != 0 || step->n_values < n_fixed || !(v[1] > 0)) return false;
    if (v[2] != step->params[PARAM_TREES].number) return false;
    size_t trees = (size_t)v[2], first = n_fixed + trees;
    if (step->n_values <= first || (step->n_values - first) % NODE != 0) return false;
    for (size_t t = 0; t < trees; t++) {
        double start = v[n_fixed + t];
        if (!is_index(start, first, step->n_values) || ((size_t)start - first) % NODE != 0) {
            return false;
        }
    }
    for (size_t at = first; at < step->n_values; at += NODE) {
        if (!node_check(step, at)) return false;
        if (v[at] >= 0 && ((size_t)v[at + 2] - first) % NODE != 0) return false;
    }
    return true;
}

// ── Applying ──

static heed_err forest_flag(const hd_step_target *target, const bool *keep) {
    hd_column *flag;
    HD_TRY(hd_table_add_column(target->table, "outlier", HD_COLUMN_F64, &flag));
    for (size_t r = 0; r < target->table->n_rows; r++) flag->f64[r] = !keep[r];
    return HEED_OK;
}

static heed_err forest_apply(const hd_step *step, const hd_step_target *target) {
    size_t n_rows = target->table->n_rows, found = 0;
    double *rows = NULL;
    bool *keep = hd_alloc(n_rows * sizeof *keep);
    heed_err err = keep ? HEED_OK : HD_FAIL_MEMORY(n_rows * sizeof *keep);
    if (err == HEED_OK) err = dense_rows(step, target->table, step->values + FOREST_HEAD, &rows);
    for (size_t r = 0; err == HEED_OK && r < n_rows; r++) {
        keep[r] = forest_score(step, rows + r * step->n_columns) <= step->values[0];
        found += !keep[r];
    }
    hd_free(rows);
    if (err == HEED_OK) err = hd_step_count(target, "outliers", found);
    if (err == HEED_OK) {
        bool drop = step->params[PARAM_ACTION].number == ACTION_DROP;
        err = drop ? hd_step_keep(target, keep) : forest_flag(target, keep);
    }
    hd_free(keep);
    return err;
}

const hd_step_kind hd_step_outlier_forest = {
    .name = "outlier_forest",
    .doc = HD_TEXT("finds odd rows by an isolation forest over several columns",
                   "用孤立森林在多列上找出异常行"),
    .params = forest_params,
    .n_params = 4,
    .whole = true,
    .types = HD_STEP_NUMBER,
    .fit = forest_fit,
    .check = forest_check,
    .apply = forest_apply,
};
