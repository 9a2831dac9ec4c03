// SPDX-License-Identifier: Apache-2.0
//
// Rows on their way to models: split into training, validation and test; prepared by what was
// learned from the training rows; with their truth.
#ifndef HD_RECIPE_PREPARED_H
#define HD_RECIPE_PREPARED_H

#include "recipe/target.h"

// ── Parts ──

// A whole training has no fold.
#define HD_NO_FOLD SIZE_MAX

// raw: as the input read it. fold: of recipe->split.folds, or HD_NO_FOLD: then, where there are
// folds, no row is a test row. whole: the validation rows stand among the training rows. out:
// borrows the cells of raw, and must be initialised.
heed_err hd_parts_split(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold, bool whole,
                        hd_input_parts *out) HEED_CHECK;

// ── Samples ──

typedef struct hd_prepared {
    const hd_recipe *recipe;
    const hd_input_kind *kind;
    void *fitted;
    hd_target target;
    hd_input_parts parts; // borrowing
    hd_samples samples[HD_PARTS];
    int32_t *labels[HD_PARTS]; // (samples.n) of classes
    float *values[HD_PARTS];   // (samples.n, k) of values
    unsigned wanted;
    hd_samples taught;      // training samples, and behind them unlabelled ones; n 0: none yet
    int32_t *taught_labels; // (taught.n) theirs, of the latter as a teacher said
} hd_prepared;

// Splits, and learns preparation and target from the training rows. HD_PART_TRAIN and
// HD_PART_VALIDATION are applied; the test rows only by hd_prepared_apply.
heed_err hd_prepared_fit(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold,
                         unsigned wanted, hd_prepared *out) HEED_CHECK;
// The same with the validation rows among the training rows: when everything is chosen.
heed_err hd_prepared_whole(const hd_recipe *recipe, const hd_input_parts *raw, size_t fold,
                           unsigned wanted, hd_prepared *out) HEED_CHECK;
heed_err hd_prepared_apply(hd_prepared *prepared, hd_part part) HEED_CHECK;
// Samples and truth of a part, as if they had never been made.
void hd_prepared_forget(hd_prepared *prepared, hd_part part);
void hd_prepared_clear(hd_prepared *prepared);

// ── Self-training ──

// The surest `share` of the unlabelled rows take the classes that the teacher gives them, and stand
// behind the training rows in `taught`.
struct hd_scorer;
heed_err hd_prepared_teach(hd_prepared *prepared, const struct hd_scorer *teacher, double share,
                           size_t threads) HEED_CHECK;
// As it is for who learns from those rows too. Borrows all of it.
hd_prepared hd_prepared_taught(const hd_prepared *prepared);

// What a source for networks has beside its inputs.
typedef enum hd_truth { HD_TRUTH_NONE, HD_TRUTH_LABELS, HD_TRUTH_VALUES, HD_TRUTH_ONE } hd_truth;
// The samples of a part as a source: with their labels, with values (of classes: a 1 among zeros),
// or with one value of two classes. Borrows from prepared.
heed_err hd_prepared_data(const hd_prepared *prepared, hd_part part, hd_truth truth,
                          hd_data **out) HEED_CHECK;
// The same of samples that have no truth: while serving.
heed_err hd_samples_data(const hd_samples *samples, hd_data **out) HEED_CHECK;

#endif
