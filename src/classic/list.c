// SPDX-License-Identifier: Apache-2.0
//
// The kinds of classical model: a new one is a descriptor in its file and a row here.
#include "classic/kind.h"

static const hd_spec_kind *const rows[] = {
    &hd_classic_majority.kind, &hd_classic_mean.kind,     &hd_classic_naive.kind,
    &hd_classic_seasonal.kind, &hd_classic_logistic.kind, &hd_classic_svm.kind,
    &hd_classic_linear.kind,   &hd_classic_boosting.kind, &hd_classic_forest.kind,
    &hd_classic_knn.kind,      &hd_classic_tree.kind,     &hd_classic_naive_bayes.kind,
};
const hd_spec_kinds hd_classic_kinds = {.what = HD_TEXT("classical model", "经典模型"),
                                        .rows = rows,
                                        .n = sizeof rows / sizeof rows[0]};
