// SPDX-License-Identifier: Apache-2.0
//
// Trees of thresholds, one or many: what boosting, forests and single trees come down to.
#ifndef HD_CLASSIC_TREES_H
#define HD_CLASSIC_TREES_H

#include "classic/kind.h"

// A row goes left when its feature is below the threshold; where it has none (a sparse row's gap),
// by missing_left. Children stand behind their parent.
typedef struct hd_tree_node {
    uint32_t feature; // HD_TREE_LEAF: `left` is the place of its values
    float threshold;
    uint32_t left, right;
    bool missing_left;
} hd_tree_node;
#define HD_TREE_LEAF UINT32_MAX

// How sums over trees become scores.
typedef enum hd_tree_link {
    HD_LINK_NONE,    // as they are
    HD_LINK_SIGMOID, // one sum: the positive class's logit
    HD_LINK_SOFTMAX, // a sum for each class
    HD_LINK_SHARE,   // a sum for each class, cut to 0 … 1 and divided by their total
    HD_LINKS
} hd_tree_link;

typedef struct hd_trees {
    hd_tree_link link;
    size_t width;  // values of a leaf
    size_t groups; // sums: each tree's leaves go to `width` of them from its group on
    hd_tree_node *nodes;
    size_t n_nodes, cap_nodes;
    float *values;
    size_t n_values, cap_values;
    uint32_t *root, *group; // (n_trees)
    size_t n_trees, cap_root, cap_group;
    float *base; // (groups) where sums begin
} hd_trees;

heed_err hd_trees_new(hd_tree_link link, size_t width, size_t groups, hd_trees **out) HEED_CHECK;
void hd_trees_free(void *trees);
// Begins a tree; its root is the node added next.
heed_err hd_trees_begin(hd_trees *trees, size_t group) HEED_CHECK;
heed_err hd_trees_add(hd_trees *trees, hd_tree_node node, size_t *at) HEED_CHECK;
heed_err hd_trees_leaf(hd_trees *trees, const float *values, size_t *at) HEED_CHECK; // (width)
// Drops the trees from the n-th on; their nodes stay.
void hd_trees_cut(hd_trees *trees, size_t n);

heed_err hd_trees_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                          size_t from, size_t to, float *scratch, float *scores);
size_t hd_trees_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes);
void hd_trees_save(const void *model, const hd_classic_shape *shape, hd_str *out);
heed_err hd_trees_load(hd_bytes *in, const hd_classic_shape *shape, void **model) HEED_CHECK;

#endif
