// SPDX-License-Identifier: Apache-2.0
//
// Models of language in a run: those that count, beside the networks; and what each of them writes.
#ifndef HD_RECIPE_LANGUAGE_H
#define HD_RECIPE_LANGUAGE_H

#include "recipe/run_own.h"

// `ngram: {order: 6}`, `markov`: a run's `compare`, where the task is language.
extern const hd_spec_kinds hd_language_kinds;

// The rows that judge: the test rows, or validation rows where there are none.
hd_part hd_language_part(const hd_run *run);
heed_err hd_language_fit(hd_run *run, hd_run_model *model) HEED_CHECK; // one that counts
heed_err hd_language_judge(hd_run *run, hd_run_model *model) HEED_CHECK;
// Against another model, stretch by stretch of the judging text: model->versus. Both were judged.
heed_err hd_language_compare(const hd_run *run, hd_run_model *model,
                             const hd_run_model *baseline) HEED_CHECK;
// What each model writes behind `sample: {prompt, length, temperature}`: [{model, prompt, text}].
heed_err hd_language_samples(hd_run *run, json_t **out) HEED_CHECK;

#endif
