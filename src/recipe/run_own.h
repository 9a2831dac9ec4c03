// SPDX-License-Identifier: Apache-2.0
//
// A run on its way: for run.c (the order of things), judge.c (figures), report.c (the document),
// diagnose.c (what the curves say) and save.c (the folder).
#ifndef HD_RECIPE_RUN_OWN_H
#define HD_RECIPE_RUN_OWN_H

#include "measure/evaluation.h"
#include "recipe/fit.h"
#include "recipe/run.h"

enum { HD_RUN_WORST = 24, HD_RUN_FIGURES = 6 };

// The scores of one model on rows of one part, over folds one behind the other.
typedef struct hd_scores {
    float *at; // (n, k)
    size_t n, cap;
} hd_scores;

typedef struct hd_run_model {
    const char *name;
    const json_t *label;
    const hd_recipe_network *network; // one of the three
    const hd_recipe_classic *classic;
    const hd_recipe_blend *blend;
    hd_fitted fitted; // of the whole training, or of the last fold
    hd_fitted before; // with refit: as it was when the validation rows were new to it
    hd_scores validation, test;
    hd_scores *again; // (seeds − 1) of the test rows, by each further training; NULL: one seed
    size_t parameters, bytes, memory;
    double seconds, predict_seconds;
    size_t predicted;
    double figures[HD_RUN_FIGURES][100]; // of each seed
    size_t n_seeds;
    hd_evaluation language; // where the task is language
    struct hd_ngram_lm *lm; // one that counts, where the task is language
    float *stretches;       // (n_stretches) mean losses along the judging text; language alone
    size_t n_stretches;
    json_t *evaluation, *versus, *curves, *gradients;
    hd_error why; // it failed: code ≠ 0
} hd_run_model;

typedef struct hd_run {
    const hd_recipe *recipe;
    const hd_recipe_opts *opts;
    hd_arena arena;
    uint64_t seed;
    size_t seeds;
    hd_pool *pool;
    char *folder; // while it is made
    hd_input_parts raw;
    hd_prepared prepared;    // of the whole training, or of the fold at hand
    bool is_prepared, whole; // whole: with the validation rows among the training rows
    size_t fold;             // that it is prepared for
    hd_run_model models[2 * HD_RECIPE_MODELS + 1];
    size_t n_models;
    hd_run_model *main; // NULL: not chosen yet
    // The truth of the test rows, over folds one behind the other, and of validation rows.
    int32_t *labels[HD_PARTS];
    float *values[HD_PARTS];
    size_t n[HD_PARTS], cap[HD_PARTS];
    const char **places; // (n[TEST]) where a row stood, in the arena
    size_t cap_places;
    size_t rows[HD_PARTS];   // samples in each part
    size_t validation_block; // as hd_samples.block
    bool refit;              // that the recipe asks for it, and there are such rows
    size_t few, few_taught;  // training samples without the validation rows; a student's
    size_t features;
    json_t *worst, *samples;
    // Of the progress that is told:
    size_t step, steps;
    const char *doing;
} hd_run;

// ── self_training.c ──
bool hd_run_is_student(const hd_run *run, const hd_run_model *model);
// The place of the k-th model to train: the teacher goes first, the others as they stand.
size_t hd_run_order(const hd_run *run, size_t k);
// What a model learns from: with unlabelled rows for a student, whose teacher must have been
// trained on the rows at hand. *own: where it is put together.
heed_err hd_run_lesson(hd_run *run, const hd_run_model *model, hd_prepared *own,
                       const hd_prepared **out) HEED_CHECK;
heed_err hd_self_training_report(const hd_run *run, json_t *notes) HEED_CHECK;

// ── judge.c ──
hd_predictions hd_run_predictions(const hd_run *run, hd_part part, const hd_scores *scores);
const char *hd_run_figure(const hd_run *run); // what models are compared and chosen by
const char *const *hd_run_figures(const hd_run *run, size_t *n); // names of what seeds are said in
heed_err hd_run_judge(hd_run *run) HEED_CHECK;                   // evaluations, comparisons
heed_err hd_run_choose(hd_run *run) HEED_CHECK;                  // run->main, by validation rows
// Adds the worst mistakes of a model on the test rows at hand, whose scores are the last n.
heed_err hd_run_worst(hd_run *run, const hd_run_model *model, size_t n) HEED_CHECK;

// A test sample's values, (k) of its own, as the file has them: forecasts are turned back. For
// hd_free.
heed_err hd_run_own_values(const hd_run *run, size_t sample, const float *values,
                           float **out) HEED_CHECK;

const char *hd_run_kind(const hd_run_model *model); // baseline, classic, network, blend

// ── report.c ──
heed_err hd_both_languages(hd_text text, json_t **out) HEED_CHECK; // {en, zh}
heed_err hd_run_report(hd_run *run, json_t **out) HEED_CHECK;

// ── save.c ──
heed_err hd_run_save(hd_run *run, const json_t *report) HEED_CHECK;

#endif
