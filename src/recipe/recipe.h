// SPDX-License-Identifier: Apache-2.0
//
// A recipe: what a page of YAML says of a model, read and checked. docs/recipes.md is the format.
//
// Every key is known or refused with its line and the nearest one that is. What needs the data (a
// column that isn't there, a layer that doesn't fit it) is found by recipe/run.h.
#ifndef HD_RECIPE_RECIPE_H
#define HD_RECIPE_RECIPE_H

#include "nn/train.h"
#include "recipe/input.h"

enum { HD_RECIPE_MODELS = 32 };

typedef enum hd_recipe_task {
    HD_RECIPE_CLASSES,
    HD_RECIPE_VALUES,
    HD_RECIPE_LANGUAGE
} hd_recipe_task;

typedef struct hd_recipe_split {
    double validation, test; // shares
    int by;                  // HD_SPLIT_…
    int64_t seed;
    int64_t folds;     // 0: none
    const char *group; // column
} hd_recipe_split;
enum {
    HD_SPLIT_AUTO,
    HD_SPLIT_RANDOM,
    HD_SPLIT_STRATIFIED,
    HD_SPLIT_ORDER,
    HD_SPLIT_GROUP,
    HD_SPLIT_CONTAINED,
    HD_SPLIT_ALIKE
};

typedef struct hd_recipe_train {
    const json_t *loss, *optimizer, *schedule, *batch_schedule, *metrics, *freeze;
    const char *monitor, *start;
    int64_t epochs, steps, batch, accumulate, validate_every, patience, members;
    double clip_norm, clip_value, average;
    bool restore_best;
    int precision;
    hd_where where;
} hd_recipe_train;

// A network of the recipe: its own, or a variant.
typedef struct hd_recipe_network {
    const char *name;    // "network", or the variant's
    const json_t *label; // {en, zh}; NULL: none
    const json_t *layers;
    const json_t *augment;
    hd_where layers_where, augment_where;
    hd_recipe_train train;
} hd_recipe_network;

typedef struct hd_recipe_classic {
    const char *name;    // of its kind, or the name it was given
    const json_t *value; // the kind with its options
    hd_where where;
} hd_recipe_classic;

// A model made of others' predictions.
typedef struct hd_recipe_blend {
    const char *names[HD_RECIPE_MODELS];
    size_t n; // 0: the recipe has none
    hd_where where;
} hd_recipe_blend;
#define HD_BLEND_NAME "blend"

// Students learn, beside the training rows, from unlabelled ones with the classes that a teacher
// gives them.
typedef struct hd_recipe_self_training {
    const char *teacher; // a classical model; NULL: the recipe has no self-training
    const char *students[HD_RECIPE_MODELS];
    size_t n;
    double share; // of the unlabelled rows, the surest ones
} hd_recipe_self_training;

typedef struct hd_recipe {
    hd_spec spec;
    hd_arena arena;
    const char *folder; // of its file, NULL: none
    const char *name;
    const json_t *title, *about; // {en, zh}, or a text; NULL: none
    hd_recipe_task task;
    hd_choice input;
    hd_recipe_split split;
    const json_t *prepare, *features;
    hd_recipe_network networks[HD_RECIPE_MODELS];
    size_t n_networks;
    hd_recipe_classic classics[HD_RECIPE_MODELS];
    size_t n_classics;
    hd_recipe_blend blend;
    hd_recipe_self_training self_training;
    const char *calibrate; // NULL: none
    const char *main;      // "network", a variant's name, a classical one's, "blend", or "best"
    const char *baseline;  // what the others are compared with; NULL: the linear one
    const char *figure;    // what models are compared and chosen by; NULL: the task's usual one
    const char *scale_target;
    bool refit;         // on training and validation rows together, when everything is chosen
    int64_t parameters; // expected of the network; −1: not said
    int64_t seeds;
    int64_t seed;
    const json_t *sample; // of language: what to write after training
    hd_where sample_where;
} hd_recipe;

// What a report says of each seed, and what 'figure' may be; the usual one is the first.
const char *const *hd_recipe_figures(hd_recipe_task task, size_t *n);

static inline const hd_input_kind *hd_recipe_input(const hd_recipe *recipe) {
    return (const hd_input_kind *)(const void *)recipe->input.kind;
}

// text: the YAML. name: of its file, for messages. changes: "train.epochs=3" (n), put over what the
// text says.
heed_err hd_recipe_read(const char *text, size_t n, const char *name, const char *const *changes,
                        size_t n_changes, hd_recipe **out) HEED_CHECK;
heed_err hd_recipe_open(const char *path, const char *const *changes, size_t n_changes,
                        hd_recipe **out) HEED_CHECK;
void hd_recipe_free(hd_recipe *recipe); // NULL is fine
// The recipe as it is in force, changes in, as JSON: borrowed.
const json_t *hd_recipe_json(const hd_recipe *recipe);
// A text of {en, zh} or of both languages at once; "" for NULL.
const char *hd_recipe_words(const json_t *value, heed_lang lang);

#endif
