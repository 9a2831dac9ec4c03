// SPDX-License-Identifier: Apache-2.0
//
// A decision tree (Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984):
// each split takes the feature and threshold that lower the impurity most: Gini's for classes, the
// variance for values. Thresholds are halfway between neighbouring values; ties go to the lower
// feature, then the lower threshold. A leaf says how often each class came, or the mean.
//
// A node's rows are sorted anew for each feature: O(m · n log n) for each level, which is enough
// for a baseline. Sparse rows are made dense first, when that fits.
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "classic/trees.h"

typedef struct cart_options {
    int64_t depth, leaf;
} cart_options;

static const hd_option option_rows[] = {
    {.name = "depth",
     .type = HD_OPTION_INT,
     .at = offsetof(cart_options, depth),
     .initial = 8,
     .min = 1,
     .max = 64,
     .doc = HD_TEXT("splits from the root to a leaf, at most", "从根到叶的最多分裂次数")},
    {.name = "leaf",
     .type = HD_OPTION_INT,
     .at = offsetof(cart_options, leaf),
     .initial = 5,
     .min = 1,
     .max = 1e9,
     .doc = HD_TEXT("training rows of a leaf, at least", "叶节点的最少训练行数")},
    {.name = NULL}};

typedef struct cell {
    float value;
    uint32_t row;
} cell;

typedef struct split {
    double gain; // of impurity times rows
    size_t feature;
    float threshold;
} split;

typedef struct cart {
    const hd_classic_data *data;
    const float *x; // (n, m)
    const cart_options *options;
    uint32_t *rows;       // (n) those of a node stand together
    cell *cells;          // (n)
    double *left, *right; // (2k) sums of a side: of classes their counts; of values y, then y²
    float *leaf;          // (k)
    hd_trees *trees;
} cart;

static int by_value(const void *a, const void *b) {
    const cell *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void add_to(const cart *c, double *sums, uint32_t row, double sign) {
    size_t k = c->data->k;
    if (c->data->labels) {
        sums[c->data->labels[row]] += sign;
        return;
    }
    for (size_t j = 0; j < k; j++) {
        double y = (double)c->data->targets[row * k + j];
        sums[j] += sign * y;
        sums[k + j] += sign * y * y;
    }
}

// Rows times impurity: n − Σ c²/n, or Σ y² − (Σ y)²/n.
static double impurity(const cart *c, const double *sums, double n) {
    double sum = 0;
    if (n <= 0) return 0;
    for (size_t j = 0; j < c->data->k; j++) {
        if (c->data->labels) {
            sum -= sums[j] * sums[j] / n;
        } else {
            sum += fmax(0, sums[c->data->k + j] - sums[j] * sums[j] / n);
        }
    }
    return c->data->labels ? n + sum : sum;
}

static void sum_rows(const cart *c, size_t from, size_t to, double *sums) {
    memset(sums, 0, 2 * c->data->k * sizeof *sums);
    for (size_t i = from; i < to; i++) add_to(c, sums, c->rows[i], 1);
}

// A threshold between two floats that parts them.
static float between(float low, float high) {
    float middle = low + (high - low) / 2;
    return middle > low && isfinite(middle) ? middle : high;
}

static void try_feature(cart *c, size_t from, size_t to, size_t feature, double whole,
                        split *best) {
    static const double least = 1e-9; // of the whole: rounding isn't a gain
    size_t n = to - from, m = c->data->x->m, leaf = (size_t)c->options->leaf;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = c->rows[from + i];
        c->cells[i] = (cell){c->x[(size_t)row * m + feature], row};
    }
    qsort(c->cells, n, sizeof *c->cells, by_value);
    if (c->cells[0].value == c->cells[n - 1].value) return;
    sum_rows(c, from, to, c->right);
    memset(c->left, 0, 2 * c->data->k * sizeof *c->left);
    for (size_t i = 0; i + 1 < n; i++) {
        add_to(c, c->left, c->cells[i].row, 1);
        add_to(c, c->right, c->cells[i].row, -1);
        if (c->cells[i].value == c->cells[i + 1].value || i + 1 < leaf || n - i - 1 < leaf) {
            continue;
        }
        double gain = whole - impurity(c, c->left, (double)(i + 1)) -
                      impurity(c, c->right, (double)(n - i - 1));
        if (gain > best->gain + least * whole) {
            *best = (split){gain, feature, between(c->cells[i].value, c->cells[i + 1].value)};
        }
    }
}

static size_t part_rows(cart *c, size_t from, size_t to, const split *s) {
    size_t m = c->data->x->m, middle = from, others = 0;
    for (size_t i = from; i < to; i++) {
        uint32_t row = c->rows[i];
        if (c->x[(size_t)row * m + s->feature] < s->threshold) {
            c->rows[middle++] = row;
        } else {
            c->cells[others++].row = row;
        }
    }
    for (size_t i = 0; i < others; i++) c->rows[middle + i] = c->cells[i].row;
    return middle;
}

static heed_err add_leaf(cart *c, size_t from, size_t to, size_t *at) {
    double n = (double)(to - from);
    sum_rows(c, from, to, c->left);
    for (size_t j = 0; j < c->data->k; j++) c->leaf[j] = (float)(c->left[j] / n);
    return hd_trees_leaf(c->trees, c->leaf, at);
}

static heed_err grow(cart *c, size_t from, size_t to, int64_t depth, size_t *at) {
    split best = {.gain = 0};
    sum_rows(c, from, to, c->left);
    double whole = impurity(c, c->left, (double)(to - from));
    if (depth > 0 && whole > 0 && to - from >= 2 * (size_t)c->options->leaf) {
        for (size_t f = 0; f < c->data->x->m; f++) try_feature(c, from, to, f, whole, &best);
    }
    if (best.gain <= 0) return add_leaf(c, from, to, at);
    hd_tree_node node = {.feature = (uint32_t)best.feature, .threshold = best.threshold};
    size_t middle = part_rows(c, from, to, &best), left, right;
    HD_TRY(hd_trees_add(c->trees, node, at));
    HD_TRY(grow(c, from, middle, depth - 1, &left));
    HD_TRY(grow(c, middle, to, depth - 1, &right));
    c->trees->nodes[*at].left = (uint32_t)left;
    c->trees->nodes[*at].right = (uint32_t)right;
    return HEED_OK;
}

static heed_err reserve(cart *c) {
    size_t n = c->data->x->n, k = c->data->k;
    c->rows = hd_calloc(n, sizeof *c->rows);
    c->cells = hd_calloc(n, sizeof *c->cells);
    c->left = hd_calloc(2 * k, sizeof *c->left);
    c->right = hd_calloc(2 * k, sizeof *c->right);
    c->leaf = hd_calloc(k, sizeof *c->leaf);
    if (c->rows && c->cells && c->left && c->right && c->leaf) return HEED_OK;
    return HD_FAIL_MEMORY(n * (sizeof *c->rows + sizeof *c->cells));
}

// A row's gaps are zeros here, while fitting and while predicting.
static heed_err widen(const hd_matrix *x, hd_matrix *out) {
    HD_TRY(hd_matrix_dense(x->n, x->m, out));
    for (size_t i = 0; i < x->n; i++) hd_matrix_row(x, i, out->dense + i * x->m);
    return HEED_OK;
}

static heed_err tree_fit(const void *options, const hd_classic_data *data, char chosen[64],
                         void **model) {
    heed_err err = HEED_OK;
    hd_matrix wide = {0};
    cart c = {.data = data, .x = data->x->dense, .options = options};
    size_t root;
    (void)chosen;
    if (!c.x) {
        HD_TRY_OUT(widen(data->x, &wide));
        c.x = wide.dense;
    }
    HD_TRY_OUT(reserve(&c));
    HD_TRY_OUT(
        hd_trees_new(data->labels ? HD_LINK_SHARE : HD_LINK_NONE, data->k, data->k, &c.trees));
    for (size_t i = 0; i < data->x->n; i++) c.rows[i] = (uint32_t)i;
    HD_TRY_OUT(hd_trees_begin(c.trees, 0));
    HD_TRY_OUT(grow(&c, 0, data->x->n, c.options->depth, &root));
    *model = c.trees;
out:
    if (err != HEED_OK) hd_trees_free(c.trees);
    hd_matrix_clear(&wide);
    hd_free(c.rows);
    hd_free(c.cells);
    hd_free(c.left);
    hd_free(c.right);
    hd_free(c.leaf);
    return err;
}

static heed_err tree_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                             size_t from, size_t to, float *scratch, float *scores) {
    for (size_t i = from; i < to; i++, scores += shape->k) {
        hd_matrix_row(x, i, scratch);
        hd_matrix row = {.n = 1, .m = x->m, .dense = scratch};
        HD_TRY(hd_trees_predict(model, shape, &row, 0, 1, NULL, scores));
    }
    return HEED_OK;
}

const hd_classic_kind hd_classic_tree = {
    .kind = {.name = "tree",
             .size = sizeof(cart_options),
             .options = option_rows,
             .doc = HD_TEXT("one decision tree", "单棵决策树")},
    .label = HD_TEXT("decision tree", "决策树"),
    .classes = true,
    .values = true,
    .fit = tree_fit,
    .predict = tree_predict,
    .parameters = hd_trees_parameters,
    .save = hd_trees_save,
    .load = hd_trees_load,
    .free = hd_trees_free,
};
