// SPDX-License-Identifier: Apache-2.0
//
// Training and evaluation: models from the workspace's data, and figures that tell what they are
// worth. Results are JSON texts, the same that `heed train --json` and `heed eval --json` print;
// their shapes stand in docs/api/ and stay stable.
//
//     heed_train_params params = heed_train_default();
//     char *report = NULL;
//     if (heed_train(ws, &params, &report) != HEED_OK)
//         fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
//     heed_text_free(report);
//
// Training tries each method on validation data, takes the best by NDCG@10, fits it on everything
// and puts it in force. Versions before it are kept (setting train.keep) and can be put in force
// again. The same data and seed give the same model.
#ifndef HEED_TRAIN_H
#define HEED_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heed/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heed_train_params {
    const char *const *methods; // (n_methods) names; none: the setting train.methods
    size_t n_methods;
    int64_t seed;     // -1: the setting train.seed
    bool no_segments; // leave the user segments as they are
} heed_train_params;
HEED_API heed_train_params heed_train_default(void);

// Reads one state of the data and writes none of it: a workspace opened to read will do, and others
// may write meanwhile. HEED_BUSY: another training runs. HEED_UNAVAILABLE: there is nothing to
// learn from. When it fails or is stopped, the recommender in force stays (user segments, made
// before it, may be new). *json (may be NULL): freed by heed_text_free.
HEED_API heed_err heed_train(heed_workspace *ws, const heed_train_params *params,
                             char **json) HEED_CHECK;

typedef struct heed_evaluate_params {
    const char *protocol;       // "loo", "time", "random"; NULL: "loo"
    const char *const *methods; // (n_methods) names, or "all"; none: all
    size_t n_methods;
    const size_t *ks; // (n_ks) list lengths, rising; none: 10
    size_t n_ks;
    bool defaults;    // the methods' default parameters, instead of a search on validation data
    size_t bootstrap; // resamples for the intervals; 0: none
    int64_t seed;     // -1: the setting train.seed
} heed_evaluate_params;
HEED_API heed_evaluate_params heed_evaluate_default(void);

// Splits the data by the protocol, fits each method on what is left, ranks every unseen item and
// measures. Nothing is kept. *json: an array, one object per method; freed by heed_text_free.
HEED_API heed_err heed_evaluate(heed_workspace *ws, const heed_evaluate_params *params,
                                char **json) HEED_CHECK;

// All trained versions, newest first, as a JSON array.
HEED_API heed_err heed_models(heed_workspace *ws, char **json) HEED_CHECK;

// Puts a trained version of a recommender in force; version NULL: the method's newest.
// HEED_NOT_FOUND: there is none. Readers in flight finish on the old one.
HEED_API heed_err heed_model_activate(heed_workspace *ws, const char *method,
                                      const char *version) HEED_CHECK;
// Puts the version in force again that was before. HEED_NOT_FOUND: there was none.
HEED_API heed_err heed_model_rollback(heed_workspace *ws) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
