// SPDX-License-Identifier: Apache-2.0
//
// What stands before the first step: options read and checked, weights made, moments made.
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/time.h"
#include "kernel/cpu.h"
#include "nn/training.h"

double hd_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double hd_wall_seconds(void) {
    return (double)hd_time_now() / 1000;
}

static void set_defaults(hd_train_opts *o) {
    if (!o->loss) o->loss = "cross_entropy";
    if (!o->optimizer) o->optimizer = "adam";
    if (!o->schedule) o->schedule = "constant";
    if (!o->batch_schedule) o->batch_schedule = "constant";
    if (!o->monitor) o->monitor = "loss";
    if (o->epochs == 0 && o->steps == 0) o->epochs = 1;
    if (o->batch == 0) o->batch = 32;
    if (o->accumulate == 0) o->accumulate = 1;
    o->ahead = o->ahead == 0 ? -1 : o->ahead < 0 ? 0 : o->ahead;
}

enum { SPEC_LOSS, SPEC_OPTIMIZER, SPEC_SCHEDULE, SPEC_BATCH };
static const char *const spec_keys[] = {"loss", "optimizer", "schedule", "batch_schedule"};

static heed_err read_specs(hd_training *t) {
    const char *texts[] = {t->o.loss, t->o.optimizer, t->o.schedule, t->o.batch_schedule};
    const json_t *value[4];
    hd_where where[4];
    for (int i = 0; i < 4; i++) {
        HD_TRY(hd_spec_parse(texts[i], spec_keys[i], "", &t->specs[i]));
        value[i] = hd_spec_get(&t->specs[i], spec_keys[i]);
        where[i] = hd_where_of(&t->specs[i], spec_keys[i]);
    }
    HD_TRY(hd_loss_read(value[SPEC_LOSS], &where[SPEC_LOSS], &t->arena, &t->loss));
    HD_TRY(
        hd_optimizer_read(value[SPEC_OPTIMIZER], &where[SPEC_OPTIMIZER], &t->arena, &t->optimizer));
    HD_TRY(hd_schedule_read(value[SPEC_SCHEDULE], &where[SPEC_SCHEDULE], &t->arena, &t->rate));
    HD_TRY(hd_schedule_read(value[SPEC_BATCH], &where[SPEC_BATCH], &t->arena, &t->size));
    return hd_metrics_read(t->o.metrics, &t->loss, &t->metrics);
}

static heed_err find_monitor(hd_training *t) {
    t->monitor = HD_MONITOR_LOSS;
    if (strcmp(t->o.monitor, "loss") == 0) return HEED_OK;
    for (size_t i = 0; i < t->metrics.n; i++) {
        if (strcmp(t->metrics.kind[i]->kind.name, t->o.monitor) != 0) continue;
        t->monitor = (int)i;
        return HEED_OK;
    }
    return HD_FAIL(HEED_INPUT, "monitor: '%s' is neither loss nor one of the metrics",
                   "monitor：“%s”既不是 loss，也不在 metrics 之中", t->o.monitor);
}

// ── Freezing ──

static heed_err freeze_matching(hd_training *t, const json_t *pattern) {
    const char *text = json_string_value(pattern);
    size_t hits = 0;
    for (size_t i = 0; text && i < t->net->weights.n; i++) {
        hd_weight *w = &t->net->weights.at[i]->weight;
        if (!hd_path_match(text, w->name)) continue;
        w->frozen = true;
        hits++;
    }
    if (hits > 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "freeze: '%s' matches no weight", "freeze：“%s”没有匹配任何权重",
                   text ? text : "?");
}

static heed_err freeze(hd_training *t) {
    hd_spec spec;
    if (!t->o.freeze) return HEED_OK;
    HD_TRY(hd_spec_parse(t->o.freeze, "freeze", "", &spec));
    const json_t *list = hd_spec_get(&spec, "freeze");
    heed_err err = json_is_array(list) ? HEED_OK : freeze_matching(t, list);
    for (size_t i = 0; err == HEED_OK && i < json_array_size(list); i++) {
        err = freeze_matching(t, json_array_get(list, i));
    }
    hd_spec_clear(&spec);
    return err;
}

// ── Lengths ──

uint64_t hd_training_batch(const hd_training *t, uint64_t epoch) {
    const hd_moment moment = {epoch, t->o.epochs, epoch};
    double size = (double)t->o.batch * hd_schedule_factor(&t->size, &t->s.size, &moment);
    double most = (double)t->data->n;
    return size < 1 ? 1 : size > most ? (uint64_t)t->data->n : (uint64_t)(size + 0.5);
}

// Steps of epoch after epoch until all are planned: one multiplication where every epoch is alike.
static uint64_t count_steps(const hd_training *t) {
    const uint64_t most = t->o.steps > 0 ? t->o.steps : UINT64_MAX;
    uint64_t steps = 0;
    if (t->o.epochs == 0) return t->o.steps;
    for (uint64_t epoch = 0, alike; epoch < t->o.epochs && steps < most; epoch += alike) {
        uint64_t each = hd_training_batch(t, epoch) * t->o.accumulate, sum;
        alike = hd_schedule_is_constant(&t->size) ? t->o.epochs : 1;
        if (__builtin_mul_overflow((t->data->n + each - 1) / each, alike, &sum) ||
            __builtin_add_overflow(steps, sum, &steps)) {
            return most;
        }
    }
    return steps < most ? steps : most;
}

// ── Copies of weights ──

static heed_err copies(const hd_training *t, bool all, float ***out) {
    size_t n = all ? t->net->weights.n : t->optimizer.n;
    float **list = hd_calloc(n + 1, sizeof *list);
    *out = list;
    if (!list) return HD_FAIL_MEMORY(n * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const hd_weight *w = all ? &t->net->weights.at[i]->weight : t->optimizer.at[i].weight;
        list[i] = hd_alloc_aligned(w->count, sizeof(float));
        if (!list[i]) return HD_FAIL_MEMORY(w->count * sizeof(float));
        memcpy(list[i], w->data, w->count * sizeof(float));
    }
    return HEED_OK;
}

static void free_copies(float **list, size_t n) {
    for (size_t i = 0; list && i < n; i++) hd_free(list[i]);
    hd_free(list);
}

static heed_err make_weights(hd_training *t) {
    HD_TRY(hd_net_prepare(t->net, t->data->fields, t->data->n_fields));
    HD_TRY(freeze(t));
    HD_TRY(hd_optimizer_freeze(&t->optimizer, &t->net->weights));
    HD_TRY(hd_optimizer_bind(&t->optimizer, &t->net->weights));
    if (t->o.average > 0) HD_TRY(copies(t, false, &t->averages));
    if (t->o.restore_best && t->o.validation) HD_TRY(copies(t, true, &t->best));
    return HEED_OK;
}

static void make_runners(hd_training *t) {
    hd_program_opts opts = {.loss = &t->loss,
                            .training = true,
                            .precision = t->o.precision,
                            .seed = t->o.seed,
                            .memory_limit = t->o.memory_limit,
                            .profile = t->o.plan != NULL};
    hd_runner_init(&t->runner, t->net, t->data, t->pool, &opts);
    if (!t->o.validation) return;
    opts.training = opts.profile = false;
    hd_runner_init(&t->validation, t->net, t->o.validation, t->pool, &opts);
}

static heed_err check_data(const hd_training *t) {
    if (t->data->n > 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "there are no samples to train on", "没有可用于训练的样本");
}

heed_err hd_training_begin(hd_training *t) {
    set_defaults(&t->o);
    HD_TRY(hd_isa_ready());
    HD_TRY(check_data(t));
    HD_TRY(read_specs(t));
    HD_TRY(find_monitor(t));
    HD_TRY(hd_loss_learn(&t->loss, t->data, &t->arena));
    HD_TRY(hd_pool_new(t->o.threads, &t->pool));
    HD_TRY(make_weights(t));
    make_runners(t);
    const hd_loader_opts opts = {.seed = t->o.seed,
                                 .shuffle = true,
                                 .training = true,
                                 .buckets = t->o.buckets,
                                 .ahead = t->o.ahead};
    HD_TRY(hd_loader_new(t->data, &opts, &t->loader));
    t->steps = count_steps(t); // (as it was first planned: before a state is taken up)
    bool resumed = t->o.resume && t->o.checkpoint && hd_fs_exists(t->o.checkpoint);
    if (resumed) HD_TRY(hd_checkpoint_restore(t));
    if (t->s.planned < t->steps) t->s.finished = false; // more is wanted than was
    t->s.planned = t->steps;
    if (t->o.watch) HD_TRY(hd_watch_begin(t->o.watch, &t->net->weights, t->steps));
    if (!t->o.run) return HEED_OK;
    return hd_curves_open(t->o.run, resumed, t->s.step, hd_wall_seconds(), &t->curves);
}

void hd_training_clear(hd_training *t) {
    hd_curves_close(t->curves);
    hd_loader_free(t->loader);
    hd_runner_clear(&t->runner);
    if (t->o.validation) hd_runner_clear(&t->validation);
    free_copies(t->averages, t->optimizer.n);
    free_copies(t->best, t->net->weights.n);
    hd_optimizer_clear(&t->optimizer);
    hd_pool_free(t->pool);
    for (int i = 0; i < 4; i++) hd_spec_clear(&t->specs[i]);
    hd_arena_clear(&t->arena);
}
