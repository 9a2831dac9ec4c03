// SPDX-License-Identifier: Apache-2.0
//
// Recipes in a workspace: where they are found by name, models made by them in the registry
// (models/recipe/<name>/<model>/<version>/, task "recipe/<name>" of models.h), and the ones in
// force, loaded to answer.
#ifndef HD_WORKSPACE_RECIPE_H
#define HD_WORKSPACE_RECIPE_H

#include "recipe/predictor.h"
#include "recipe/run.h"
#include "workspace/cache.h"
#include "workspace/models.h"

// A file's path, or the name of a recipe: in `recipe.folder`, else in those that heed brings along
// (beside the program: ../share/heed/recipes, or ../recipes of a build). In the arena.
heed_err hd_recipe_locate(const hd_settings *settings, const char *name, hd_arena *arena,
                          const char **path) HEED_CHECK;
// [{"name", "title"{en, zh}, "about"{en, zh}, "task", "file"}], by name.
heed_err hd_recipe_list(const hd_settings *settings, json_t **out) HEED_CHECK;

// Runs the recipe, and registers and puts in force what it makes. opts->out and version are set
// here. *report: as written, with "version", "folder".
heed_err hd_recipe_register(heed_workspace *ws, const hd_recipe *recipe, const hd_recipe_opts *opts,
                            json_t **report) HEED_CHECK;

// Whether a model of that name was registered.
bool hd_recipe_known(const heed_workspace *ws, const char *name);
// As hd_models_list, hd_model_show, hd_model_switch: of recipes' models. Appends to list.
heed_err hd_recipe_models(const heed_workspace *ws, json_t *list) HEED_CHECK;
heed_err hd_recipe_show(const heed_workspace *ws, const char *name, const char *version,
                        json_t **out) HEED_CHECK;
// version NULL: the newest. back: to the one before.
heed_err hd_recipe_switch(heed_workspace *ws, const char *name, const char *version, bool back,
                          json_t **out) HEED_CHECK;

// The model in force, held by the caller (hd_shared_release).
typedef struct hd_loaded_model {
    hd_shared shared;
    char version[24];
    hd_predictor *model;
} hd_loaded_model;
heed_err hd_loaded_model_get(heed_workspace *ws, const char *name,
                             hd_loaded_model **out) HEED_CHECK;

#endif
