// SPDX-License-Identifier: Apache-2.0
//
// Classical models: of classes and of values, by name, over rows of features.
//
//     hd_classic_data data = {.x = &train, .labels = labels, .k = 3, .seed = 1, .pool = pool};
//     HD_TRY(hd_spec_read(&hd_classic_kinds, value, &where, arena, &choice));
//     HD_TRY(hd_classic_fit(&choice, &data, &model));
//     HD_TRY(hd_classic_predict(model, &test, pool, scores));
//     hd_classic_free(model);
//
// A kind is a descriptor beside its code and a row in list.c. What it was fitted with decides the
// model bit for bit: not the number of threads. Threads: a fitted model may be read from many.
#ifndef HD_CLASSIC_CLASSIFIER_H
#define HD_CLASSIC_CLASSIFIER_H

#include "base/matrix.h"
#include "base/option.h"
#include "base/pool.h"

typedef struct hd_classic hd_classic;

typedef struct hd_classic_data {
    const hd_matrix *x;    // (n, m)
    const int32_t *labels; // (n) of k ≥ 2 classes, 0 … k − 1; or NULL, and then:
    const float *targets;  // (n, k) k ≥ 1 values
    size_t k;
    uint64_t seed;
    hd_pool *pool; // borrowed, may be NULL
    bool by_loss;  // settings of models of classes are chosen by log loss rather than accuracy
} hd_classic_data;

extern const hd_spec_kinds hd_classic_kinds;

// Whether a kind can do a task.
bool hd_classic_does(const hd_spec_kind *kind, bool classes);
hd_text hd_classic_label(const hd_spec_kind *kind); // for readers: "linear SVM"

// HEED_INPUT: a kind that doesn't do the task, features that aren't finite, labels out of range or
// all the same (where a model needs two), no rows. HEED_UNAVAILABLE: a library isn't installed.
heed_err hd_classic_fit(const hd_choice *choice, const hd_classic_data *data,
                        hd_classic **out) HEED_CHECK;
void hd_classic_free(hd_classic *model);

// scores: (n, k) probabilities or values. Rows may stand in any batch. HEED_INPUT when x has
// another number of columns, or a value that isn't finite.
heed_err hd_classic_predict(const hd_classic *model, const hd_matrix *x, hd_pool *pool,
                            float *scores) HEED_CHECK;

typedef struct hd_classic_facts {
    const char *name;
    hd_text label;
    bool classes;
    size_t m, k;       // features; classes or values
    size_t parameters; // numbers that were learnt
    size_t bytes;      // of memory
    char chosen[64];   // what cross-validation chose: "C 0.3"; "" when nothing was to choose
} hd_classic_facts;
hd_classic_facts hd_classic_describe(const hd_classic *model);

// There and back, bit for bit. _load checks all it reads: HEED_CORRUPT, HEED_VERSION.
heed_err hd_classic_save(const hd_classic *model, hd_str *out) HEED_CHECK;
heed_err hd_classic_load(const void *bytes, size_t n, hd_classic **out) HEED_CHECK;

#endif
