// SPDX-License-Identifier: Apache-2.0
//
// The kinds of classical model: a new one is a descriptor in its file and a row here.
#include "classic/kind.h"

static const hd_classic_kind *const rows[] = {
    &hd_classic_majority,    &hd_classic_mean,     &hd_classic_logistic, &hd_classic_svm,
    &hd_classic_linear,      &hd_classic_boosting, &hd_classic_forest,   &hd_classic_knn,
    &hd_classic_naive_bayes, &hd_classic_tree,
};
enum { KINDS = sizeof rows / sizeof rows[0] };

static const hd_spec_kind *const kinds[KINDS] = {
    &hd_classic_majority.kind, &hd_classic_mean.kind,   &hd_classic_logistic.kind,
    &hd_classic_svm.kind,      &hd_classic_linear.kind, &hd_classic_boosting.kind,
    &hd_classic_forest.kind,   &hd_classic_knn.kind,    &hd_classic_naive_bayes.kind,
    &hd_classic_tree.kind,
};
const hd_spec_kinds hd_classic_kinds = {
    .what = HD_TEXT("classical model", "经典模型"), .rows = kinds, .n = KINDS};

const hd_classic_kind *hd_classic_kind_at(size_t i) {
    return i < KINDS ? rows[i] : NULL;
}
