// SPDX-License-Identifier: Apache-2.0
//
// The registry of trained models: folders models/<task>/<method>/<version>/ with
//
//     model.safetensors   what was learned
//     manifest.json       what it is: method, parameters, data hash, seed, when
//     report.json         how it was chosen: trials, figures, cleaning
//
// and models/<task>/active.json, which names the version in force. A version is written in a
// temporary folder and put in place by one rename; active.json is replaced whole. So a version is
// complete or absent, and whoever reads while one is published gets the old or the new.
//
// None of it needs the workspace's writer: models are made from one snapshot that is read, and put
// in force by a rename. Two locks keep those who change models apart: train.lock is held by a
// training for as long as it runs (the next version's number is its own), models.lock for the
// moment in which active.json is read and replaced, so that going back doesn't wait for a training.
#ifndef HD_WORKSPACE_MODELS_H
#define HD_WORKSPACE_MODELS_H

#include "tensor/safetensors.h"
#include "workspace/workspace.h"

typedef struct hd_model_ref {
    const char *method;
    const char *version; // "000003": grows with every training of the task
} hd_model_ref;

// Both are released by hd_lock_release. train.lock: HEED_BUSY when another training runs.
heed_err hd_models_lock_training(const heed_workspace *ws, hd_lock **out) HEED_CHECK;
heed_err hd_models_lock(const heed_workspace *ws, hd_lock **out) HEED_CHECK; // models.lock

// The version after the newest of any method of the task. In the arena.
heed_err hd_models_next_version(const heed_workspace *ws, const char *task, hd_arena *arena,
                                const char **version) HEED_CHECK;

// Publishes a version. writer's data is written now; manifest and report: borrowed.
heed_err hd_models_publish(const heed_workspace *ws, const char *task, hd_model_ref ref,
                           hd_safetensors_writer *writer, const json_t *manifest,
                           const json_t *report) HEED_CHECK;

// The version in force, and the one before it (method NULL: none). HEED_NOT_FOUND: nothing was
// trained yet. In the arena.
heed_err hd_models_active(const heed_workspace *ws, const char *task, hd_arena *arena,
                          hd_model_ref *active, hd_model_ref *previous) HEED_CHECK;
// Puts a version in force, by whoever holds models.lock. HEED_NOT_FOUND: there is no such one;
// version NULL: the method's newest.
heed_err hd_models_activate(const heed_workspace *ws, const char *task, hd_model_ref ref,
                            hd_arena *arena, hd_model_ref *now) HEED_CHECK;
// The newest version of a method; HEED_NOT_FOUND when there is none.
heed_err hd_models_newest(const heed_workspace *ws, const char *task, const char *method,
                          hd_arena *arena, const char **version) HEED_CHECK;

// When a version was made, by its manifest; HD_TIME_NONE: it doesn't say.
hd_time hd_model_made(const json_t *manifest);
// "task/method/version" by its manifest.
void hd_model_name(const json_t *manifest, char *out, size_t n);

// ── Erased persons ──

// Notes in the version's folder (erased.json) that it learned from somebody who was erased since.
heed_err hd_models_mark(const heed_workspace *ws, const char *task, hd_model_ref ref) HEED_CHECK;
bool hd_models_marked(const heed_workspace *ws, const char *task, hd_model_ref ref);
// Marks those of all tasks that fn says so of; fn NULL: all. By whoever holds models.lock. *n: how
// many are marked now that weren't.
typedef heed_err (*hd_models_fn)(void *ctx, const json_t *manifest, bool *yes);
heed_err hd_models_mark_those(const heed_workspace *ws, hd_models_fn fn, void *ctx,
                              size_t *n) HEED_CHECK;

// By whoever holds models.lock: removes versions that learned from somebody erased since and aren't
// in force, those that are neither among the newest `train.keep` of
// the task nor in force now or before, and what broken runs left.
heed_err hd_models_prune(const heed_workspace *ws, const char *task) HEED_CHECK;

// Reads a version's parts; *out is closed by the caller. bool: whether the version is there.
heed_err hd_models_open(const heed_workspace *ws, const char *task, hd_model_ref ref,
                        hd_safetensors **out) HEED_CHECK;
heed_err hd_models_manifest(const heed_workspace *ws, const char *task, hd_model_ref ref,
                            json_t **out) HEED_CHECK;
heed_err hd_models_report(const heed_workspace *ws, const char *task, hd_model_ref ref,
                          json_t **out) HEED_CHECK;
bool hd_models_has(const heed_workspace *ws, const char *task, hd_model_ref ref);

// [{"task", "method", "version", "active", "holds_erased", …manifest}], newest first, for all
// tasks.
heed_err hd_models_list(const heed_workspace *ws, json_t **out) HEED_CHECK;
// Those of one task, put in front of `list`.
heed_err hd_models_list_task(const heed_workspace *ws, const char *task, json_t *list) HEED_CHECK;

#endif
