// SPDX-License-Identifier: Apache-2.0
//
// A network that is trained several times, each time from another seed (Hansen and Salamon 1990):
// its members err on different rows, and what they all say errs on fewer. They are a blend of
// equals (recipe/blended.h), so whatever scores, keeps and reads a blend does it for them: weights
// learned on a few hundred validation rows would tell one seed's luck from another's.
//
// One member is the network as it is, to the last byte.
#include "base/mem.h"
#include "recipe/blended.h"
#include "recipe/fit_own.h"

// The first seed is the run's own; the others are far from the seeds that a run counts up to.
static uint64_t seed_of(uint64_t seed, size_t member) {
    static const uint64_t golden = 0x9e3779b97f4a7c15;
    return seed + golden * member;
}

// Members one behind the other are told as one training.
typedef struct told {
    const hd_fit_env *env;
    size_t member, members;
} told;

static bool tell(void *ctx, const hd_progress *p) {
    const told *t = ctx;
    hd_progress all = *p;
    all.step = p->step + t->member * p->steps;
    all.steps = p->steps * t->members;
    if (p->step < p->steps)
        all.seconds_left *= (double)(all.steps - all.step) / (double)(p->steps - p->step);
    return t->env->progress(t->env->ctx, &all);
}

static void take_seat(hd_fitted *all, hd_fitted *one) {
    hd_blended *b = all->scorer.blended;
    b->parts[b->blend.m++] = one->scorer;
    one->scorer = (hd_scorer){.net = NULL};
    all->parameters += one->parameters;
    all->bytes += one->bytes;
    all->seconds += one->seconds;
    if (one->memory > all->memory) all->memory = one->memory;
    if (b->blend.m > 1) return;
    // Curves, gradients and steps are told of the first.
    all->report = one->report;
    all->gradients = one->gradients;
    all->loss = one->loss;
    one->gradients = NULL;
    one->loss = NULL;
}

static heed_err add_member(const hd_prepared *p, const hd_recipe_network *network,
                           const hd_fit_env *env, hd_fitted *all) {
    hd_blended *b = all->scorer.blended;
    size_t i = b->blend.m;
    char name[24];
    hd_fitted one;
    told to = {.env = env, .member = i, .members = (size_t)network->train.members};
    hd_fit_env own = *env;
    own.seed = seed_of(env->seed, i);
    if (i > 0) own.run = NULL;
    if (env->progress) {
        own.progress = tell;
        own.ctx = &to;
    }
    hd_snprintf(name, sizeof name, "%zu", i + 1);
    HD_TRY(hd_fit_net(p, network, &own, &one));
    b->names[i] = hd_strdup(name);
    if (b->names[i]) take_seat(all, &one);
    hd_fitted_clear(&one);
    return b->names[i] ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err fit_members(const hd_prepared *p, const hd_recipe_network *network,
                            const hd_fit_env *env, hd_fitted *out) {
    size_t n = (size_t)network->train.members;
    *out = (hd_fitted){.gradients = NULL};
    HD_TRY(hd_blended_new(&p->target, &out->scorer.blended));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) err = add_member(p, network, env, out);
    if (err == HEED_OK)
        hd_blended_equal(out->scorer.blended);
    else
        hd_fitted_clear(out);
    return err;
}

heed_err hd_fit_network(const hd_prepared *p, const hd_recipe_network *network,
                        const hd_fit_env *env, hd_fitted *out) {
    return (network->train.members > 1 ? fit_members : hd_fit_net)(p, network, env, out);
}
