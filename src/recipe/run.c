// SPDX-License-Identifier: Apache-2.0
//
// The order of things: rows are read, split and prepared; every model is trained on the same
// samples; what is chosen is chosen by validation rows (and with `refit`, everybody is then trained
// again on those too); then the test rows are prepared and everybody is judged on them. With folds
// that happens once for each fold, the scores of all folds are judged together (each row was a test
// row once), and the chosen model is trained again on all rows.
//
// A model that fails doesn't end the run unless it is the one that is to be registered: the report
// says why it stands without figures.
#include "recipe/run.h"

#include <math.h>

#include "base/fs.h"
#include "base/mem.h"
#include "classic/classifier.h"
#include "recipe/blended.h"
#include "recipe/language.h"
#include "text/ngram_lm.h"

// ── Files ──

static heed_err find_in(const hd_run *run, const char *name, hd_arena *arena, const char **out) {
    const char *folders[] = {run->recipe->folder, run->opts->data, "."};
    if (name[0] == '/') {
        *out = name;
        return HEED_OK;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (!folders[i]) continue;
        *out = hd_fs_join(arena, folders[i], name);
        if (!*out) return HD_FAIL_MEMORY(0);
        if (hd_fs_exists(*out)) return HEED_OK;
    }
    const char *here = folders[0] ? folders[0] : "";
    const char *there = folders[1] ? folders[1] : "";
    return HD_FAIL(
        HEED_NOT_FOUND,
        "there is no '%s', neither beside the recipe (%s) nor in the data folder (%s) nor "
        "here; name its folder with --data",
        "找不到“%s”：配方所在文件夹（%s）、数据文件夹（%s）和当前文件夹中都没有；请用 "
        "--data 指明其文件夹",
        name, here, there[0] ? there : "–");
}

static heed_err find_input(const hd_input_env *env, const char *name, const char **out) {
    return find_in(env->ctx, name, env->arena, out);
}

static heed_err find_network(void *ctx, const char *name, hd_arena *arena, const char **out) {
    return find_in(ctx, name, arena, out);
}

static heed_err read_rows(hd_run *run) {
    const hd_recipe *recipe = run->recipe;
    const hd_input_kind *kind = hd_recipe_input(recipe);
    const hd_input_env env = {.common = recipe->input.common,
                              .where = recipe->input.where,
                              .seed = (uint64_t)recipe->split.seed,
                              .arena = &run->arena,
                              .find = find_input,
                              .ctx = run};
    heed_err err = kind->open ? kind->open(recipe->input.options, &env, &run->raw)
                              : hd_input_read(&env, &run->raw);
    if (err == HEED_OK && run->raw.rows[HD_PART_TRAIN].n == 0)
        err = HD_FAIL(HEED_INPUT, "%s: the data has no rows", "%s：数据没有任何行",
                      hd_where_text(&recipe->input.where).text);
    return err;
}

// ── Progress ──

static void tell(const hd_run *run, const char *en, const char *zh, double share) {
    const hd_text text = {en, zh};
    if (run->opts->progress) run->opts->progress(run->opts->ctx, text, share);
}

static bool on_progress(void *ctx, const hd_progress *p) {
    const hd_run *run = ctx;
    char en[256], zh[256], line[200];
    if (run->opts->stop && atomic_load(run->opts->stop)) return false;
    double done = p->steps > 0 ? (double)p->step / (double)p->steps : 0;
    double share = run->steps > 0 ? ((double)run->step + done) / (double)run->steps : done;
    hd_progress_line(p, HEED_EN, line, sizeof line);
    hd_snprintf(en, sizeof en, "%s: %s", run->doing, line);
    hd_progress_line(p, HEED_ZH, line, sizeof line);
    hd_snprintf(zh, sizeof zh, "%s：%s", run->doing, line);
    tell(run, en, zh, share);
    return true;
}

static heed_err check_stop(const hd_run *run) {
    if (!run->opts->stop || !atomic_load(run->opts->stop)) return HEED_OK;
    return HD_FAIL(HEED_INTERRUPTED, "the run was stopped", "运行已中止");
}

// ── Truth and scores over folds ──

static heed_err add_scores(hd_scores *to, const float *scores, size_t n, size_t k) {
    HD_TRY(hd_grow(&to->at, &to->cap, (to->n + n) * k + 1, sizeof *to->at));
    if (n > 0) memcpy(to->at + to->n * k, scores, n * k * sizeof *scores);
    to->n += n;
    return HEED_OK;
}

static heed_err add_places(hd_run *run, size_t before) {
    const hd_samples *samples = &run->prepared.samples[HD_PART_TEST];
    const hd_rows *rows = &run->prepared.parts.rows[HD_PART_TEST];
    HD_TRY(hd_grow(&run->places, &run->cap_places, before + samples->n + 1, sizeof *run->places));
    for (size_t i = 0; i < samples->n; i++) {
        size_t row = samples->row ? samples->row[i] : rows->first + i;
        run->places[before + i] = hd_arena_strdup(&run->arena, hd_rows_place(rows, row).text);
        if (!run->places[before + i]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

static heed_err add_truth(hd_run *run, hd_part part) {
    const hd_prepared *p = &run->prepared;
    size_t n = p->samples[part].n, before = run->n[part], k = p->target.k;
    size_t cap = run->cap[part];
    if (part == HD_PART_VALIDATION) run->validation_block = p->samples[part].block;
    if (p->labels[part]) {
        HD_TRY(hd_grow(&run->labels[part], &cap, before + n + 1, sizeof(int32_t)));
        memcpy(run->labels[part] + before, p->labels[part], n * sizeof(int32_t));
    } else if (p->values[part]) {
        HD_TRY(hd_grow(&run->values[part], &cap, (before + n) * k + 1, sizeof(float)));
        memcpy(run->values[part] + before * k, p->values[part], n * k * sizeof(float));
    }
    run->cap[part] = cap;
    run->n[part] += n;
    run->rows[part] += n;
    return part == HD_PART_TEST ? add_places(run, before) : HEED_OK;
}

// ── Samples ──

static bool is_language(const hd_run *run) {
    return run->recipe->task == HD_RECIPE_LANGUAGE;
}

static unsigned wanted(const hd_run *run) {
    unsigned all = is_language(run) ? HD_WANT_INPUTS : 0;
    for (size_t i = 0; i < run->n_models; i++) {
        const hd_run_model *model = &run->models[i];
        if (!model->blend) all |= model->network ? HD_WANT_INPUTS : HD_WANT_FEATURES;
    }
    return all;
}

static heed_err prepare(hd_run *run, size_t fold, bool whole) {
    if (run->is_prepared && run->fold == fold && run->whole == whole) return HEED_OK;
    if (run->is_prepared) hd_prepared_clear(&run->prepared);
    run->is_prepared = false;
    HD_TRY((whole ? hd_prepared_whole : hd_prepared_fit)(run->recipe, &run->raw, fold, wanted(run),
                                                         &run->prepared));
    run->is_prepared = true;
    run->fold = fold;
    run->whole = whole;
    const hd_samples *train = &run->prepared.samples[HD_PART_TRAIN];
    run->features = train->features.n > 0 ? train->features.m
                    : train->n_inputs > 0 ? hd_field_count(&train->inputs[0].field)
                                          : 0;
    return HEED_OK;
}

// ── One model ──

static heed_err fit_env(hd_run *run, const hd_run_model *model, uint64_t seed, bool curves,
                        hd_fit_env *out) {
    *out = (hd_fit_env){.seed = seed,
                        .threads = run->opts->threads,
                        .memory_limit = run->opts->memory_limit,
                        .progress = on_progress,
                        .ctx = run,
                        .stop = run->opts->stop,
                        .find = find_network,
                        .find_ctx = run,
                        .figure = run->recipe->figure};
    if (!curves || !run->folder || !model->network) return HEED_OK;
    out->run = hd_arena_printf(&run->arena, "%s/runs/%s", run->folder, model->name);
    return out->run ? HEED_OK : HD_FAIL_MEMORY(0);
}

static size_t model_at(const hd_run *run, const char *name) {
    size_t i = 0;
    while (strcmp(run->models[i].name, name) != 0) i++;
    return i;
}

// A part as the rows at hand were learned from: others: (n_models) of another seed, NULL: the run's
// own.
static const hd_fitted *part_of(const hd_run *run, size_t at, const hd_fitted *others) {
    const hd_run_model *model = &run->models[at];
    if (others && model->network) return &others[at];
    bool before = others && run->refit && !run->whole;
    return before ? &model->before : &model->fitted;
}

static heed_err list_parts(const hd_run *run, const hd_recipe_blend *blend, const hd_fitted *others,
                           hd_blend_part *parts) {
    for (size_t i = 0; i < blend->n; i++) {
        size_t at = model_at(run, blend->names[i]);
        const hd_run_model *model = &run->models[at];
        if (model->why.code != HEED_OK) {
            return HD_FAIL(HEED_INPUT, "'%s', a part of the blend, failed",
                           "混合的组成部分“%s”训练失败", model->name);
        }
        parts[i] = (hd_blend_part){model->name, part_of(run, at, others)};
    }
    return HEED_OK;
}

static heed_err fit_blend(hd_run *run, const hd_recipe_blend *blend, const hd_fitted *others,
                          hd_fitted *out) {
    hd_blend_part parts[HD_RECIPE_MODELS];
    HD_TRY(list_parts(run, blend, others, parts));
    return hd_fit_blend(&run->prepared, parts, blend->n, run->opts->threads, out);
}

static heed_err fit_model(hd_run *run, const hd_run_model *model, uint64_t seed, bool curves,
                          uint64_t steps, hd_fitted *out) {
    hd_fit_env env;
    hd_prepared own;
    const hd_prepared *lesson;
    if (model->blend) return fit_blend(run, model->blend, NULL, out);
    HD_TRY(fit_env(run, model, seed, curves, &env));
    env.steps = steps;
    HD_TRY(hd_run_lesson(run, model, &own, &lesson));
    if (model->network) return hd_fit_network(lesson, model->network, &env, out);
    return hd_fit_classic(lesson, model->classic, &env, out);
}

static heed_err score_part(hd_run *run, const hd_scorer *scorer, hd_part part, float **out) {
    return hd_scorer_run(scorer, &run->prepared.target, &run->prepared.samples[part],
                         run->opts->threads, out);
}

static heed_err calibrate(hd_run *run, hd_run_model *model, hd_fitted *fitted) {
    const hd_prepared *p = &run->prepared;
    const char *kind = run->recipe->calibrate;
    float *scores;
    size_t n = p->samples[HD_PART_VALIDATION].n;
    if (!kind || n == 0 || p->target.task != HD_RECIPE_CLASSES) return HEED_OK;
    (void)model;
    HD_TRY(score_part(run, &fitted->scorer, HD_PART_VALIDATION, &scores));
    const hd_predictions validation = {.task = HD_TASK_CLASSES,
                                       .n = n,
                                       .k = p->target.k,
                                       .scores = scores,
                                       .labels = p->labels[HD_PART_VALIDATION]};
    heed_err err = hd_calibration_fit(kind, &validation, &fitted->scorer.calibration);
    hd_free(scores);
    if (err == HEED_NOT_FOUND || err == HEED_INPUT) {
        hd_where where = hd_where_of(&run->recipe->spec, "calibrate");
        err = hd_error_prefix(err, "%s", "%s", hd_where_text(&where).text);
    }
    return err;
}

static heed_err validate_model(hd_run *run, hd_run_model *model) {
    float *scores;
    size_t n = run->prepared.samples[HD_PART_VALIDATION].n;
    if (n == 0 || is_language(run)) return HEED_OK;
    HD_TRY(score_part(run, &model->fitted.scorer, HD_PART_VALIDATION, &scores));
    heed_err err = add_scores(&model->validation, scores, n, run->prepared.target.k);
    hd_free(scores);
    return err;
}

static heed_err train_model(hd_run *run, hd_run_model *model) {
    hd_fitted_clear(&model->fitted);
    hd_fitted_clear(&model->before);
    run->doing = model->name;
    tell(run, model->name, model->name, run->steps ? (double)run->step / (double)run->steps : -1);
    HD_TRY(check_stop(run));
    if (is_language(run) && model->classic) return hd_language_fit(run, model);
    HD_TRY(fit_model(run, model, run->seed, true, 0, &model->fitted));
    HD_TRY(calibrate(run, model, &model->fitted));
    const hd_fitted *f = &model->fitted;
    model->parameters = f->parameters;
    model->bytes = f->bytes;
    model->memory = f->memory;
    model->seconds += f->seconds;
    return validate_model(run, model);
}

// What may happen to one model without ending the others' run.
static bool is_models_own(heed_err err) {
    return err == HEED_INPUT || err == HEED_UNAVAILABLE || err == HEED_CORRUPT;
}

// What a training makes of itself (it explodes, say) is a finding, and the others go on.
static heed_err train_models(hd_run *run) {
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[hd_run_order(run, i)];
        if (model->why.code != HEED_OK) continue;
        heed_err err = train_model(run, model);
        run->step++;
        if (is_models_own(err) && run->n_models > 1) {
            hd_error_get(&model->why);
            continue;
        }
        HD_TRY(err);
    }
    return HEED_OK;
}

// ── The validation rows too ──
//
// With `refit`, what was learned on validation rows (weights of a blend, a calibration, how long a
// network trains) stays, and every model is trained again on training and validation rows together:
// what decides well is a part of the rows, what learns well is all of them.

// As long as it took to the weights that were best, on rows that are more.
static heed_err steps_again(hd_run *run, const hd_run_model *model, const hd_fitted *fitted,
                            uint64_t *out) {
    const hd_recipe_train *t = model->network ? &model->network->train : NULL;
    hd_prepared own;
    const hd_prepared *lesson;
    *out = 0;
    if (!t || fitted->report.best_step == 0 || (!t->restore_best && t->patience == 0))
        return HEED_OK;
    HD_TRY(hd_run_lesson(run, model, &own, &lesson));
    size_t before = hd_run_is_student(run, model) ? run->few_taught : run->few;
    double more = (double)lesson->samples[HD_PART_TRAIN].n / (double)before;
    *out = (uint64_t)ceil((double)fitted->report.best_step * more);
    return HEED_OK;
}

// Takes the place of what was trained on fewer rows. others: as of fit_blend.
static heed_err refit(hd_run *run, size_t at, uint64_t seed, hd_fitted *others) {
    hd_run_model *model = &run->models[at];
    hd_fitted *fitted = others ? &others[at] : &model->fitted, again;
    hd_blend_part parts[HD_RECIPE_MODELS];
    uint64_t steps;
    HD_TRY(check_stop(run));
    run->step++;
    if (model->blend) {
        HD_TRY(list_parts(run, model->blend, others, parts));
        hd_refit_blend(parts, fitted);
        return HEED_OK;
    }
    HD_TRY(steps_again(run, model, fitted, &steps));
    HD_TRY(fit_model(run, model, seed, false, steps, &again));
    again.scorer.calibration = fitted->scorer.calibration;
    fitted->scorer.calibration = NULL;
    json_decref(again.gradients); // curves and gradients are told of the training that was watched
    again.gradients = fitted->gradients;
    fitted->gradients = NULL;
    again.report = fitted->report;
    if (others || model->network) { // a seed's own blend is learned with classical models as before
        hd_fitted_clear(fitted);
    } else {
        hd_fitted_clear(&model->before);
        model->before = *fitted;
    }
    *fitted = again;
    return HEED_OK;
}

static heed_err refit_model(hd_run *run, size_t at) {
    hd_run_model *model = &run->models[at];
    run->doing = model->name;
    HD_TRY(refit(run, at, run->seed, NULL));
    model->parameters = model->fitted.parameters;
    model->bytes = model->fitted.bytes;
    if (model->fitted.memory > model->memory) model->memory = model->fitted.memory;
    model->seconds += model->fitted.seconds;
    return HEED_OK;
}

static heed_err refit_models(hd_run *run) {
    run->few = run->prepared.samples[HD_PART_TRAIN].n;
    run->few_taught = run->prepared.taught.n;
    if (!run->refit) return HEED_OK;
    HD_TRY(prepare(run, run->fold, true));
    for (size_t i = 0; i < run->n_models; i++) {
        size_t at = hd_run_order(run, i);
        hd_run_model *model = &run->models[at];
        if (model->why.code != HEED_OK) continue;
        heed_err err = refit_model(run, at);
        if (is_models_own(err) && run->n_models > 1) {
            hd_error_get(&model->why);
            continue;
        }
        HD_TRY(err);
    }
    return HEED_OK;
}

// ── Test rows ──

static heed_err test_model(hd_run *run, hd_run_model *model) {
    float *scores;
    size_t n = run->prepared.samples[HD_PART_TEST].n;
    if (n == 0 || is_language(run)) return HEED_OK;
    HD_TRY(hd_scorer_time(&model->fitted.scorer, &run->prepared.target,
                          &run->prepared.samples[HD_PART_TEST], run->opts->threads, &scores,
                          &model->predict_seconds));
    model->predicted += n;
    heed_err err = add_scores(&model->test, scores, n, run->prepared.target.k);
    hd_free(scores);
    return err;
}

static heed_err test_models(hd_run *run) {
    HD_TRY(hd_prepared_apply(&run->prepared, HD_PART_TEST));
    if (run->prepared.samples[HD_PART_TEST].n == 0) return HEED_OK;
    HD_TRY(add_truth(run, HD_PART_TEST));
    for (size_t i = 0; i < run->n_models; i++) {
        if (run->models[i].why.code == HEED_OK) HD_TRY(test_model(run, &run->models[i]));
    }
    return HEED_OK;
}

// ── Other seeds ──

// others: where the network that was trained stays, for the blend.
static heed_err another_seed(hd_run *run, hd_run_model *model, uint64_t seed, hd_fitted *others) {
    hd_fitted *fitted = &others[model - run->models];
    HD_TRY(check_stop(run));
    heed_err err = model->blend ? fit_blend(run, model->blend, others, fitted)
                                : fit_model(run, model, seed, false, 0, fitted);
    run->step++;
    return err == HEED_OK ? calibrate(run, model, fitted) : err;
}

static heed_err test_seed(hd_run *run, hd_run_model *model, size_t s, const hd_fitted *fitted) {
    float *scores;
    size_t n = run->prepared.samples[HD_PART_TEST].n;
    if (!model->again && !(model->again = hd_calloc(run->seeds - 1, sizeof *model->again)))
        return HD_FAIL_MEMORY((run->seeds - 1) * sizeof *model->again);
    HD_TRY(score_part(run, &fitted->scorer, HD_PART_TEST, &scores));
    heed_err err = add_scores(&model->again[s - 1], scores, n, run->prepared.target.k);
    hd_free(scores);
    return err;
}

// Whether another seed makes another model.
static bool varies(const hd_run_model *model) {
    return (model->network || model->blend) && model->why.code == HEED_OK;
}

static heed_err refit_seed(hd_run *run, uint64_t seed, hd_fitted *others) {
    if (!run->refit) return HEED_OK;
    HD_TRY(prepare(run, run->fold, true));
    for (size_t i = 0; i < run->n_models; i++) {
        if (varies(&run->models[i])) HD_TRY(refit(run, i, seed, others));
    }
    return hd_prepared_apply(&run->prepared, HD_PART_TEST);
}

static heed_err one_more_seed(hd_run *run, size_t s) {
    uint64_t seed = run->seed + s;
    hd_fitted *others = hd_calloc(run->n_models, sizeof *others);
    heed_err err = others ? HEED_OK : HD_FAIL_MEMORY(run->n_models * sizeof *others);
    if (err == HEED_OK && run->refit) err = prepare(run, run->fold, false);
    for (size_t i = 0; err == HEED_OK && i < run->n_models; i++) {
        if (varies(&run->models[i])) err = another_seed(run, &run->models[i], seed, others);
    }
    if (err == HEED_OK) err = refit_seed(run, seed, others);
    for (size_t i = 0; err == HEED_OK && i < run->n_models; i++) {
        if (varies(&run->models[i])) err = test_seed(run, &run->models[i], s, &others[i]);
    }
    for (size_t i = run->n_models; others && i-- > 0;) hd_fitted_clear(&others[i]);
    hd_free(others);
    return err;
}

// Networks, and the blend with them, are trained from other seeds too, on the same rows (of each
// fold): what differs is told, the first one's model is kept.
static heed_err more_seeds(hd_run *run) {
    if (run->n[HD_PART_TEST] == 0 || is_language(run)) return HEED_OK;
    for (size_t s = 1; s < run->seeds; s++) HD_TRY(one_more_seed(run, s));
    return HEED_OK;
}

// ── Folds ──

static heed_err run_part(hd_run *run, size_t fold) {
    HD_TRY(check_stop(run));
    HD_TRY(prepare(run, fold, false));
    HD_TRY(train_models(run));
    HD_TRY(add_truth(run, HD_PART_VALIDATION));
    HD_TRY(refit_models(run));
    run->rows[HD_PART_TRAIN] = run->prepared.samples[HD_PART_TRAIN].n;
    return test_models(run);
}

static const hd_run_model *shown_model(const hd_run *run) {
    for (size_t i = 0; i < run->n_models; i++) {
        if (strcmp(run->models[i].name, run->recipe->main) == 0) return &run->models[i];
    }
    return run->main ? run->main : &run->models[0];
}

static heed_err train_again(hd_run *run, hd_run_model *model) {
    hd_fitted_clear(&model->fitted);
    hd_fitted_clear(&model->before);
    run->doing = model->name;
    return fit_model(run, model, run->seed, true, 0, &model->fitted);
}

// What has to be trained for the chosen model, itself last: the teacher, the parts of a blend.
static size_t list_needed(const hd_run *run, size_t at[HD_RECIPE_MODELS + 2]) {
    const hd_recipe_blend *blend = run->main->blend;
    size_t n = 0, self = (size_t)(run->main - run->models), teacher = SIZE_MAX;
    if (run->recipe->self_training.n > 0) at[n++] = teacher = hd_run_order(run, 0);
    for (size_t i = 0; blend && i < blend->n; i++) {
        size_t part = model_at(run, blend->names[i]);
        if (part != teacher) at[n++] = part;
    }
    if (self != teacher) at[n++] = self;
    return n;
}

// The chosen model, trained on all rows: what is registered.
static heed_err train_whole(hd_run *run) {
    size_t at[HD_RECIPE_MODELS + 2], n = list_needed(run, at);
    HD_TRY(prepare(run, HD_NO_FOLD, false));
    for (size_t i = 0; i < n; i++) HD_TRY(train_again(run, &run->models[at[i]]));
    HD_TRY(calibrate(run, run->main, &run->main->fitted));
    if (!run->refit) return HEED_OK;
    run->few = run->prepared.samples[HD_PART_TRAIN].n;
    run->few_taught = run->prepared.taught.n;
    HD_TRY(prepare(run, HD_NO_FOLD, true));
    for (size_t i = 0; i < n; i++) HD_TRY(refit(run, at[i], run->seed, NULL));
    return HEED_OK;
}

static heed_err run_folds(hd_run *run) {
    for (size_t f = 0; f < (size_t)run->recipe->split.folds; f++) {
        size_t before = run->n[HD_PART_TEST];
        HD_TRY(run_part(run, f));
        HD_TRY(hd_run_worst(run, shown_model(run), run->n[HD_PART_TEST] - before));
        HD_TRY(more_seeds(run));
    }
    HD_TRY(hd_run_choose(run));
    return train_whole(run);
}

static heed_err run_once(hd_run *run) {
    HD_TRY(run_part(run, HD_NO_FOLD));
    HD_TRY(hd_run_choose(run));
    HD_TRY(hd_run_worst(run, run->main, run->n[HD_PART_TEST]));
    return more_seeds(run);
}

// ── The whole ──

static heed_err check_parameters(const hd_run *run, size_t found) {
    int64_t expected = run->recipe->parameters;
    if (expected < 0 || (int64_t)found == expected) return HEED_OK;
    hd_where where = hd_where_of(&run->recipe->spec, "expect.parameters");
    hd_where_words place = hd_where_text(&where);
    return HD_FAIL(HEED_INPUT, "%s: the network has %zu parameters, and %lld are expected",
                   "%s：网络有 %zu 个参数，而应为 %lld 个", place.text, found, (long long)expected);
}

static heed_err check_classic(hd_run *run, const hd_recipe_classic *classic) {
    hd_choice choice;
    const hd_spec_kinds *kinds = is_language(run) ? &hd_language_kinds : &hd_classic_kinds;
    return hd_spec_read(kinds, classic->value, &classic->where, &run->arena, &choice);
}

// A fault of the recipe is told now, and not after the models before it were trained.
static heed_err check_models(hd_run *run) {
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        hd_fit_env env;
        if (model->classic) {
            HD_TRY(check_classic(run, model->classic));
            continue;
        }
        if (!model->network) continue;
        HD_TRY(fit_env(run, model, run->seed, false, &env));
        HD_TRY(hd_check_network(&run->prepared, model->network, &env, &model->parameters));
        if (i == 0) HD_TRY(check_parameters(run, model->parameters));
    }
    return HEED_OK;
}

static void list_models(hd_run *run) {
    const hd_recipe *recipe = run->recipe;
    for (size_t i = 0; i < recipe->n_networks; i++) {
        run->models[run->n_models++] = (hd_run_model){.name = recipe->networks[i].name,
                                                      .label = recipe->networks[i].label,
                                                      .network = &recipe->networks[i]};
    }
    for (size_t i = 0; i < recipe->n_classics; i++) {
        run->models[run->n_models++] =
            (hd_run_model){.name = recipe->classics[i].name, .classic = &recipe->classics[i]};
    }
    if (recipe->blend.n > 0) // last: its parts are trained before
        run->models[run->n_models++] =
            (hd_run_model){.name = HD_BLEND_NAME, .blend = &recipe->blend};
    size_t parts = recipe->split.folds > 0 ? (size_t)recipe->split.folds : 1;
    size_t varying = recipe->n_networks + (recipe->blend.n > 0);
    run->steps = parts * run->n_models + (recipe->split.folds > 0) +
                 parts * (run->seeds > 1 ? run->seeds - 1 : 0) * varying;
}

static void run_init(hd_run *run, const hd_recipe *recipe, const hd_recipe_opts *opts) {
    *run = (hd_run){.recipe = recipe, .opts = opts};
    hd_arena_init(&run->arena);
    hd_input_parts_init(&run->raw);
    run->seed = (uint64_t)(opts->seed >= 0 ? opts->seed : recipe->seed);
    run->seeds = (size_t)(opts->seeds > 0 ? opts->seeds : recipe->seeds);
    list_models(run);
}

static void run_clear(hd_run *run) {
    for (size_t i = 0; i < run->n_models; i++) {
        hd_run_model *model = &run->models[i];
        hd_fitted_clear(&model->fitted);
        hd_fitted_clear(&model->before);
        hd_ngram_lm_free(model->lm);
        hd_free(model->stretches);
        hd_free(model->validation.at);
        hd_free(model->test.at);
        for (size_t s = 1; model->again && s < run->seeds; s++) hd_free(model->again[s - 1].at);
        hd_free(model->again);
        json_decref(model->evaluation);
        json_decref(model->versus);
        json_decref(model->curves);
        json_decref(model->gradients);
    }
    for (int p = 0; p < HD_PARTS; p++) {
        hd_free(run->labels[p]);
        hd_free(run->values[p]);
    }
    hd_free(run->places);
    json_decref(run->worst);
    json_decref(run->samples);
    if (run->is_prepared) hd_prepared_clear(&run->prepared);
    hd_input_parts_clear(&run->raw);
    hd_pool_free(run->pool);
    hd_arena_clear(&run->arena);
}

// A test row that can't be read is told now, and not when all models are trained. Nothing is kept.
static heed_err check_test_rows(hd_run *run) {
    if (is_language(run)) return HEED_OK;
    heed_err err = hd_prepared_apply(&run->prepared, HD_PART_TEST);
    hd_prepared_forget(&run->prepared, HD_PART_TEST);
    return err;
}

// Reads, and sees whether everything fits, before anything takes long.
static heed_err begin(hd_run *run) {
    size_t fold = run->recipe->split.folds > 0 ? 0 : HD_NO_FOLD;
    HD_TRY(hd_pool_new(run->opts->threads, &run->pool));
    heed_err err = read_rows(run);
    if (err == HEED_OK) err = prepare(run, fold, false);
    if (err == HEED_OK) err = check_test_rows(run);
    if (err == HEED_MEMORY) {
        hd_where_words place = hd_where_text(&run->recipe->input.where);
        err = hd_error_prefix(err, "%s", "%s", place.text);
    }
    HD_TRY(err);
    run->refit = run->recipe->refit && run->prepared.samples[HD_PART_VALIDATION].n > 0;
    if (run->refit) run->steps *= 2;
    return check_models(run);
}

static heed_err run_all(hd_run *run, json_t **report) {
    HD_TRY(begin(run));
    HD_TRY(run->recipe->split.folds > 0 ? run_folds(run) : run_once(run));
    HD_TRY(hd_run_judge(run));
    if (is_language(run)) HD_TRY(hd_language_samples(run, &run->samples));
    HD_TRY(hd_run_report(run, report));
    return hd_run_save(run, *report);
}

heed_err hd_recipe_run(const hd_recipe *recipe, const hd_recipe_opts *opts, json_t **report) {
    hd_run *run = hd_calloc(1, sizeof *run);
    if (!run) return HD_FAIL_MEMORY(sizeof *run);
    run_init(run, recipe, opts);
    *report = NULL;
    run->folder = hd_arena_printf(&run->arena, "%s.tmp", opts->out);
    heed_err err = run->folder ? hd_fs_remove(run->folder) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_fs_mkdirs(run->folder, 0755);
    if (err == HEED_OK) err = run_all(run, report);
    if (err != HEED_OK) {
        hd_error why;
        hd_error_get(&why);
        if (run->folder) (void)!hd_fs_remove(run->folder);
        err = hd_error_restore(&why);
        json_decref(*report);
        *report = NULL;
    }
    run_clear(run);
    hd_free(run);
    return err;
}

// ── Checking ──

static heed_err add_models(const hd_run *run, json_t *out) {
    json_t *networks = json_array(), *compare = json_array();
    heed_err err = hd_json_set(out, "networks", networks);
    heed_err other = hd_json_set(out, "compare", compare);
    if (err == HEED_OK) err = other;
    for (size_t i = 0; err == HEED_OK && i < run->n_models; i++) {
        const hd_run_model *model = &run->models[i];
        json_t *item = NULL;
        if (!model->network) {
            err = hd_json_append(compare, json_string(model->name));
            continue;
        }
        err = hd_json_pack(&item, "{s:s, s:I}", "name", model->name, "parameters",
                           (json_int_t)model->parameters);
        if (err == HEED_OK) err = hd_json_append(networks, item);
    }
    return err;
}

static heed_err describe(hd_run *run, json_t **out) {
    const hd_prepared *p = &run->prepared;
    static const char *const names[] = {"train", "validation", "test"};
    json_t *rows = json_object(), *samples = json_object(), *classes = json_array();
    heed_err err =
        hd_json_pack(out, "{s:s, s:o, s:o, s:o, s:I}", "name", run->recipe->name, "rows", rows,
                     "samples", samples, "classes", classes, "features", (json_int_t)run->features);
    if (err != HEED_OK) return err;
    for (int part = 0; err == HEED_OK && part < HD_PARTS; part++) {
        const hd_rows *of = &p->parts.rows[part];
        err = hd_json_set(rows, names[part], json_integer((json_int_t)(of->n - of->first)));
        if (err == HEED_OK && part != HD_PART_TEST && p->kind->own_targets)
            err = hd_json_set(samples, names[part], json_integer((json_int_t)p->samples[part].n));
    }
    for (size_t c = 0; err == HEED_OK && c < p->target.k && c < 1000; c++) {
        err = hd_json_append(classes, json_string(p->target.names[c]));
    }
    return err == HEED_OK ? add_models(run, *out) : err;
}

heed_err hd_recipe_check(const hd_recipe *recipe, const hd_recipe_opts *opts, json_t **out) {
    hd_run *run = hd_calloc(1, sizeof *run);
    if (!run) return HD_FAIL_MEMORY(sizeof *run);
    run_init(run, recipe, opts);
    *out = NULL;
    heed_err err = begin(run);
    if (err == HEED_OK) err = describe(run, out);
    if (err != HEED_OK) hd_json_drop(out);
    run_clear(run);
    hd_free(run);
    return err;
}
