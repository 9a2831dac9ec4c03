// SPDX-License-Identifier: Apache-2.0
//
// What a kind of classical model is made of. Checks that all need (finite features, labels in
// range) are made before; prediction is cut into pieces of rows by classifier.c.
#ifndef HD_CLASSIC_KIND_H
#define HD_CLASSIC_KIND_H

#include "classic/bytes.h"
#include "classic/classifier.h"

// What a model was fitted for; stands in front of its own state.
typedef struct hd_classic_shape {
    bool classes;
    size_t m, k;
} hd_classic_shape;

typedef struct hd_classic_kind {
    hd_spec_kind kind;
    hd_text label;
    bool classes, values; // tasks that it does
    bool one_class;       // can be fitted on rows that are all of one class
    heed_err (*fit)(const void *options, const hd_classic_data *data, char chosen[64],
                    void **model);
    // Rows from ≤ i < to. scores: those rows', (to − from, k). scratch: (m) floats of the caller.
    heed_err (*predict)(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                        size_t from, size_t to, float *scratch, float *scores);
    size_t (*parameters)(const void *model, const hd_classic_shape *shape, size_t *bytes);
    void (*save)(const void *model, const hd_classic_shape *shape, hd_str *out);
    heed_err (*load)(hd_bytes *in, const hd_classic_shape *shape, void **model);
    void (*free)(void *model);
} hd_classic_kind;

extern const hd_classic_kind hd_classic_majority, hd_classic_mean, hd_classic_logistic,
    hd_classic_svm, hd_classic_linear, hd_classic_boosting, hd_classic_forest, hd_classic_knn,
    hd_classic_naive_bayes, hd_classic_tree, hd_classic_naive, hd_classic_seasonal;

// HEED_MEMORY when so much couldn't be had now: for libraries that don't ask.
heed_err hd_classic_reserve(size_t bytes) HEED_CHECK;

// The best of some settings by cross-validation: the mean over folds of the accuracy (with
// data->by_loss: of minus the log loss), or of minus the squared error. `fit` fits with setting i
// on some rows; others are predicted. Ties: the first.
typedef struct hd_classic_trial {
    size_t n_settings, folds;
    heed_err (*fit)(const void *options, size_t setting, const hd_classic_data *data, void **model);
    const hd_classic_kind *kind;
    const void *options;
} hd_classic_trial;
heed_err hd_classic_choose(const hd_classic_trial *trial, const hd_classic_data *data,
                           size_t *best) HEED_CHECK;

// Σ over row i's entries of value · weights[column].
double hd_row_dot(const hd_matrix *x, size_t i, const float *weights);

#endif
