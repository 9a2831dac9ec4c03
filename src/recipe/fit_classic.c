// SPDX-License-Identifier: Apache-2.0
//
// A classical model on the features of the same samples, learned from the same rows.
#include "classic/classifier.h"

#include <time.h>

#include "base/mem.h"
#include "recipe/fit_own.h"

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static heed_err check_task(const hd_choice *choice, const hd_target *target) {
    bool classes = target->task == HD_RECIPE_CLASSES;
    if (hd_classic_does(choice->kind, classes)) return HEED_OK;
    hd_where_words place = hd_where_text(&choice->where);
    return HD_FAIL(HEED_INPUT, "%1$s: '%2$s' can't predict %3$s%4$.0s",
                   "%1$s：“%2$s”不能预测%3$.0s%4$s", place.text, choice->kind->name,
                   classes ? "classes" : "values", classes ? "类别" : "数值");
}

// Settings that a model chooses by itself are chosen by what the recipe judges by, or what is
// nearest to it: the area under the curve needs probabilities in order, which their loss sees.
static bool by_probability(const char *figure) {
    return figure && (strcmp(figure, "log_loss") == 0 || strcmp(figure, "auc") == 0);
}

static heed_err fit(const hd_prepared *p, const hd_choice *choice, const hd_fit_env *env,
                    hd_pool *pool, hd_fitted *out) {
    const hd_samples *train = &p->samples[HD_PART_TRAIN];
    const hd_classic_data data = {.x = &train->features,
                                  .labels = p->labels[HD_PART_TRAIN],
                                  .targets = p->values[HD_PART_TRAIN],
                                  .k = p->target.k,
                                  .seed = env->seed,
                                  .pool = pool,
                                  .by_loss = by_probability(env->figure)};
    double begun = seconds();
    HD_TRY(check_task(choice, &p->target));
    HD_TRY(hd_classic_fit(choice, &data, &out->scorer.classic));
    hd_classic_facts facts = hd_classic_describe(out->scorer.classic);
    out->seconds = seconds() - begun;
    out->parameters = facts.parameters;
    out->bytes = facts.bytes;
    out->memory = facts.bytes + hd_matrix_bytes(&train->features);
    return HEED_OK;
}

heed_err hd_fit_classic(const hd_prepared *p, const hd_recipe_classic *classic,
                        const hd_fit_env *env, hd_fitted *out) {
    hd_arena arena;
    hd_choice choice;
    hd_pool *pool = NULL;
    *out = (hd_fitted){.gradients = NULL};
    hd_arena_init(&arena);
    hd_where where = classic->where;
    heed_err err = hd_spec_read(&hd_classic_kinds, classic->value, &where, &arena, &choice);
    if (err == HEED_OK) err = hd_pool_new(env->threads, &pool);
    if (err == HEED_OK) err = fit(p, &choice, env, pool, out);
    hd_pool_free(pool);
    hd_arena_clear(&arena);
    if (err != HEED_OK) hd_fitted_clear(out);
    return err;
}

heed_err hd_run_classic(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *used) {
    hd_classic_facts facts = hd_classic_describe(scorer->classic);
    if (facts.k != target->k || facts.classes != (target->task == HD_RECIPE_CLASSES)) {
        return HD_FAIL(HEED_CORRUPT, "the model gives %zu values where %zu are wanted",
                       "模型输出 %zu 个值，而应为 %zu 个", facts.k, target->k);
    }
    hd_pool *pool = NULL;
    HD_TRY(hd_pool_new(threads, &pool));
    float *scores = hd_calloc(samples->n * target->k + 1, sizeof *scores);
    double begun = seconds();
    heed_err err = scores ? hd_classic_predict(scorer->classic, &samples->features, pool, scores)
                          : HD_FAIL_MEMORY(samples->n * target->k * sizeof *scores);
    *used += seconds() - begun;
    hd_pool_free(pool);
    if (err != HEED_OK) {
        hd_free(scores);
        return err;
    }
    *out = scores;
    return HEED_OK;
}
