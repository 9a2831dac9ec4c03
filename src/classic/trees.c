// SPDX-License-Identifier: Apache-2.0
//
// All nodes of all trees stand in one array, children behind their parents: a walk ends, and what
// is loaded is checked by looking at each node once. Sums are float, in the order of the trees, as
// XGBoost makes them: both give the same scores.
#include "classic/trees.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

heed_err hd_trees_new(hd_tree_link link, size_t width, size_t groups, hd_trees **out) {
    hd_trees *trees = hd_calloc(1, sizeof *trees);
    if (!trees) return HD_FAIL_MEMORY(sizeof *trees);
    *trees = (hd_trees){.link = link, .width = width, .groups = groups};
    trees->base = hd_calloc(groups, sizeof *trees->base);
    if (!trees->base) {
        hd_free(trees);
        return HD_FAIL_MEMORY(groups * sizeof *trees->base);
    }
    *out = trees;
    return HEED_OK;
}

void hd_trees_free(void *model) {
    hd_trees *trees = model;
    if (!trees) return;
    hd_free(trees->nodes);
    hd_free(trees->values);
    hd_free(trees->root);
    hd_free(trees->group);
    hd_free(trees->base);
    hd_free(trees);
}

heed_err hd_trees_begin(hd_trees *t, size_t group) {
    HD_TRY(hd_grow(&t->root, &t->cap_root, t->n_trees + 1, sizeof *t->root));
    HD_TRY(hd_grow(&t->group, &t->cap_group, t->n_trees + 1, sizeof *t->group));
    t->root[t->n_trees] = (uint32_t)t->n_nodes;
    t->group[t->n_trees++] = (uint32_t)group;
    return HEED_OK;
}

heed_err hd_trees_add(hd_trees *t, hd_tree_node node, size_t *at) {
    HD_TRY(hd_grow(&t->nodes, &t->cap_nodes, t->n_nodes + 1, sizeof *t->nodes));
    *at = t->n_nodes;
    t->nodes[t->n_nodes++] = node;
    return HEED_OK;
}

heed_err hd_trees_leaf(hd_trees *t, const float *values, size_t *at) {
    HD_TRY(hd_grow(&t->values, &t->cap_values, t->n_values + t->width, sizeof *t->values));
    memcpy(t->values + t->n_values, values, t->width * sizeof *values);
    hd_tree_node leaf = {.feature = HD_TREE_LEAF, .left = (uint32_t)t->n_values};
    t->n_values += t->width;
    return hd_trees_add(t, leaf, at);
}

void hd_trees_cut(hd_trees *t, size_t n) {
    if (n < t->n_trees) t->n_trees = n;
}

// ── Predicting ──

static const float *leaf_of(const hd_trees *t, size_t tree, const float *row) {
    const hd_tree_node *node = &t->nodes[t->root[tree]];
    while (node->feature != HD_TREE_LEAF) {
        float value = row[node->feature];
        bool left = isnan(value) ? node->missing_left : value < node->threshold;
        node = &t->nodes[left ? node->left : node->right];
    }
    return t->values + node->left;
}

static void softmax(float *scores, size_t k) {
    double most = (double)scores[0], sum = 0;
    for (size_t j = 1; j < k; j++) most = fmax(most, (double)scores[j]);
    for (size_t j = 0; j < k; j++) sum += exp((double)scores[j] - most);
    for (size_t j = 0; j < k; j++) scores[j] = (float)(exp((double)scores[j] - most) / sum);
}

static void share(float *scores, size_t groups, size_t k) {
    float total = 0;
    for (size_t j = 0; j < groups; j++) {
        scores[j] = fminf(fmaxf(scores[j], 0), 1);
        total += scores[j];
    }
    if (groups == 1 && k == 2) {
        scores[1] = scores[0];
        scores[0] = 1 - scores[1];
        return;
    }
    for (size_t j = 0; j < k; j++) scores[j] = total > 0 ? scores[j] / total : 1 / (float)k;
}

// scores: (k), where the first `groups` hold the sums.
static void link_scores(const hd_trees *t, size_t k, float *scores) {
    if (t->link == HD_LINK_SIGMOID) {
        scores[1] = (float)(1 / (1 + exp(-(double)scores[0])));
        scores[0] = 1 - scores[1];
    } else if (t->link == HD_LINK_SOFTMAX) {
        softmax(scores, k);
    } else if (t->link == HD_LINK_SHARE) {
        share(scores, t->groups, k);
    }
}

// A sparse row's gaps are NaN: scratch is all NaN between rows.
static const float *open_row(const hd_matrix *x, size_t i, float *scratch) {
    if (x->dense) return x->dense + i * x->m;
    for (size_t e = x->start[i]; e < x->start[i + 1]; e++) scratch[x->column[e]] = x->value[e];
    return scratch;
}
static void close_row(const hd_matrix *x, size_t i, float *scratch) {
    for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
        scratch[x->column[e]] = NAN;
    }
}

heed_err hd_trees_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                          size_t from, size_t to, float *scratch, float *scores) {
    const hd_trees *t = model;
    for (size_t j = 0; j < x->m && !x->dense; j++) scratch[j] = NAN;
    for (size_t i = from; i < to; i++, scores += shape->k) {
        const float *row = open_row(x, i, scratch);
        memcpy(scores, t->base, t->groups * sizeof *scores);
        for (size_t tree = 0; tree < t->n_trees; tree++) {
            const float *leaf = leaf_of(t, tree, row);
            float *sum = scores + t->group[tree];
            for (size_t j = 0; j < t->width; j++) sum[j] += leaf[j];
        }
        link_scores(t, shape->k, scores);
        close_row(x, i, scratch);
    }
    return HEED_OK;
}

// ── Files ──

size_t hd_trees_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    const hd_trees *t = model;
    (void)shape;
    *bytes = t->n_nodes * sizeof *t->nodes + t->n_values * sizeof *t->values;
    return t->n_nodes - t->n_values / t->width + t->n_values; // thresholds and leaves' values
}

enum { FLAG = 1, NODE_BYTES = 20 };

void hd_trees_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    const hd_trees *t = model;
    (void)shape;
    hd_bytes_u32(out, t->link);
    hd_bytes_u64(out, t->width);
    hd_bytes_u64(out, t->groups);
    hd_bytes_f32s(out, t->base, t->groups);
    hd_bytes_u64(out, t->n_trees);
    hd_bytes_u32s(out, t->root, t->n_trees);
    hd_bytes_u32s(out, t->group, t->n_trees);
    hd_bytes_u64(out, t->n_values);
    hd_bytes_f32s(out, t->values, t->n_values);
    hd_bytes_u64(out, t->n_nodes);
    for (size_t i = 0; i < t->n_nodes; i++) {
        const hd_tree_node *node = &t->nodes[i];
        hd_bytes_u32(out, node->feature);
        hd_bytes_f32s(out, &node->threshold, 1);
        hd_bytes_u32(out, node->left);
        hd_bytes_u32(out, node->right);
        hd_bytes_u32(out, node->missing_left ? FLAG : 0);
    }
}

static bool sane_node(const hd_trees *t, size_t i, size_t m) {
    const hd_tree_node *node = &t->nodes[i];
    if (node->feature == HD_TREE_LEAF) {
        return t->n_values >= t->width && node->left <= t->n_values - t->width;
    }
    return node->feature < m && node->left > i && node->right > i && node->left < t->n_nodes &&
           node->right < t->n_nodes && isfinite(node->threshold);
}

static heed_err load_nodes(hd_bytes *in, hd_trees *t) {
    size_t n = hd_bytes_get_count(in, NODE_BYTES);
    t->nodes = hd_calloc(n, sizeof *t->nodes);
    if (!t->nodes) return HD_FAIL_MEMORY(n * sizeof *t->nodes);
    t->n_nodes = t->cap_nodes = n;
    for (size_t i = 0; i < n; i++) {
        hd_tree_node *node = &t->nodes[i];
        node->feature = hd_bytes_get_u32(in);
        uint32_t bits = hd_bytes_get_u32(in);
        memcpy(&node->threshold, &bits, sizeof bits);
        node->left = hd_bytes_get_u32(in);
        node->right = hd_bytes_get_u32(in);
        node->missing_left = hd_bytes_get_u32(in) == FLAG;
    }
    return HEED_OK;
}

// The sums must fill what the link reads, and no more.
static bool sane_sums(const hd_trees *t, const hd_classic_shape *shape) {
    if (t->width == 0 || t->groups == 0 || t->width > t->groups || t->groups > shape->k) {
        return false;
    }
    bool all = t->groups == shape->k, one = t->groups == 1 && shape->k == 2;
    if (!shape->classes) return t->link == HD_LINK_NONE && all;
    if (t->link == HD_LINK_SIGMOID) return one;
    return t->link == HD_LINK_SHARE ? all || one : t->link == HD_LINK_SOFTMAX && all;
}

static heed_err load_trees(hd_bytes *in, const hd_classic_shape *shape, hd_trees *t) {
    HD_TRY(hd_bytes_get_f32s(in, t->groups, &t->base));
    t->n_trees = hd_bytes_get_count(in, 2 * sizeof(uint32_t));
    HD_TRY(hd_bytes_get_u32s(in, t->n_trees, &t->root));
    HD_TRY(hd_bytes_get_u32s(in, t->n_trees, &t->group));
    t->n_values = hd_bytes_get_count(in, sizeof(float));
    HD_TRY(hd_bytes_get_f32s(in, t->n_values, &t->values));
    HD_TRY(load_nodes(in, t));
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (!sane_node(t, i, shape->m)) return hd_bytes_damaged();
    }
    for (size_t i = 0; i < t->n_trees; i++) {
        if (t->root[i] >= t->n_nodes || t->group[i] > t->groups - t->width) {
            return hd_bytes_damaged();
        }
    }
    return HEED_OK;
}

heed_err hd_trees_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    hd_trees *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    *model = t;
    uint32_t link = hd_bytes_get_u32(in);
    t->width = hd_bytes_get_u64(in);
    t->groups = hd_bytes_get_u64(in);
    if (in->failed || link >= HD_LINKS) return hd_bytes_damaged();
    t->link = (hd_tree_link)link;
    if (!sane_sums(t, shape)) return hd_bytes_damaged();
    return load_trees(in, shape, t);
}
