// SPDX-License-Identifier: Apache-2.0
//
// One model trained on prepared samples: a network, or a classical one. What comes out scores
// samples in the same form, whichever it is: probabilities of the classes, or values in the
// target's own units.
#ifndef HD_RECIPE_FIT_H
#define HD_RECIPE_FIT_H

#include <stdatomic.h>

#include "measure/calibration.h"
#include "recipe/prepared.h"

// How a network's outputs are read.
typedef enum hd_reading {
    HD_READ_SOFTMAX, // logits of k classes
    HD_READ_SIGMOID, // logits, each for itself; one of them stands for the second of two classes
    HD_READ_SHARES,  // values near 0 or 1 (trained by mse)
    HD_READ_VALUES,
    HD_READINGS
} hd_reading;
extern const char *const hd_reading_words[];  // (HD_READINGS)
hd_reading hd_reading_find(const char *word); // HD_READINGS: none

typedef struct hd_fit_env {
    uint64_t seed;
    size_t threads, memory_limit;
    const char *run;         // folder of the curves; NULL: none
    hd_progress_fn progress; // may be NULL
    void *ctx;
    const atomic_bool *stop; // may be NULL
    // A file as the recipe names it (a network to begin from), in the arena.
    heed_err (*find)(void *ctx, const char *name, hd_arena *arena, const char **out);
    void *find_ctx;
    const char *figure; // what the recipe judges by; NULL: the task's usual one
    uint64_t steps; // a network ends after so many and keeps no best: it was chosen; 0: as it says
} hd_fit_env;

// One of three, and what mends its probabilities.
typedef struct hd_scorer {
    hd_net *net;
    hd_reading reading;          // of a network
    struct hd_classic *classic;  // or a classical model
    struct hd_blended *blended;  // or several of them (recipe/blended.h)
    hd_calibration *calibration; // NULL: none
} hd_scorer;
void hd_scorer_clear(hd_scorer *scorer);
// HD_WANT_INPUTS, HD_WANT_FEATURES, or both: what samples must have.
unsigned hd_scorer_wants(const hd_scorer *scorer);

// (n, k) of samples; *out: for hd_free. HEED_CORRUPT when the model isn't one for that target.
heed_err hd_scorer_run(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                       size_t threads, float **out) HEED_CHECK;
// The same; *seconds grows by what the rows took, without what comes once (compiling a network).
heed_err hd_scorer_time(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) HEED_CHECK;

typedef struct hd_fitted {
    hd_scorer scorer;
    size_t parameters, bytes, memory;
    double seconds;
    hd_train_report report; // of a network
    json_t *gradients;      // of a network (nn/watch.h)
    char *loss;             // of a network: YAML, for evaluating it
} hd_fitted;
void hd_fitted_clear(hd_fitted *fitted);

// As often as the recipe says (`members`): several are a blend of equals, and size and time all
// theirs.
heed_err hd_fit_network(const hd_prepared *prepared, const hd_recipe_network *network,
                        const hd_fit_env *env, hd_fitted *out) HEED_CHECK;
heed_err hd_fit_classic(const hd_prepared *prepared, const hd_recipe_classic *classic,
                        const hd_fit_env *env, hd_fitted *out) HEED_CHECK;
// All that can be wrong with a network and found out without training it: whether its layers fit
// the samples, what its training and its augmentation name, the file it begins from. *parameters:
// how many it has.
heed_err hd_check_network(const hd_prepared *prepared, const hd_recipe_network *network,
                          const hd_fit_env *env, size_t *parameters) HEED_CHECK;

#endif
