// SPDX-License-Identifier: Apache-2.0
//
// A network's loss says how its targets are written and its outputs read: cross_entropy takes
// labels and gives logits of a softmax; bce takes a 1 among zeros (or one value, of two classes)
// and gives logits of sigmoids; mse on classes takes a 1 among zeros and gives shares.
#include <math.h>

#include "base/mem.h"
#include "classic/classifier.h"
#include "nn/loss.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "recipe/blended.h"
#include "recipe/fit_own.h"

const char *const hd_reading_words[] = {"softmax", "sigmoid", "shares", "values", NULL};

hd_reading hd_reading_find(const char *word) {
    int r = 0;
    while (r < HD_READINGS && strcmp(word, hd_reading_words[r]) != 0) r++;
    return (hd_reading)r;
}

// ── Texts for the training loop ──

// A value as JSON, which is YAML too; NULL stays NULL.
static heed_err text_of(const json_t *value, hd_arena *arena, const char **out) {
    hd_str text;
    *out = NULL;
    if (!value) return HEED_OK;
    if (json_is_string(value)) {
        *out = hd_arena_strdup(arena, json_string_value(value));
        return *out ? HEED_OK : HD_FAIL_MEMORY(0);
    }
    hd_str_init(&text);
    heed_err err = hd_json_dump(value, false, &text);
    if (err == HEED_OK && !(*out = hd_arena_strdup(arena, hd_str_get(&text))))
        err = HD_FAIL_MEMORY(text.len);
    hd_str_clear(&text);
    return err;
}

// ── What a network gives ──

typedef struct shape_of_net {
    size_t width, rows; // of one sample's output: its last dimension, and how many of them
} shape_of_net;

static heed_err shape_of(hd_net *net, const hd_data *data, shape_of_net *out) {
    const hd_program_opts opts = {.batch = 1};
    hd_program *program;
    int target = hd_data_find(data, HD_ROLE_TARGET);
    HD_TRY(hd_net_prepare(net, data->fields, data->n_fields));
    HD_TRY(hd_program_new(net, data->fields, target >= 0 ? target : data->n_fields, &opts, NULL,
                          &program));
    const hd_tensor *y = program->out;
    out->width = y->n_dims > 1 ? y->shape[y->n_dims - 1] : 1;
    out->rows = out->width > 0 ? y->count / out->width : 0;
    hd_program_free(program);
    return HEED_OK;
}

typedef struct plan {
    hd_truth truth;
    hd_reading reading;
    const char *loss, *metrics;
} plan;

static const char *loss_name(const json_t *loss) {
    if (json_is_object(loss) && json_object_size(loss) > 0)
        return json_object_iter_key(json_object_iter((json_t *)(uintptr_t)loss));
    return json_string_value(loss);
}

static heed_err wrong_width(const hd_recipe_network *network, const shape_of_net *shape,
                            const hd_target *target) {
    hd_where_words place = hd_where_text(&network->layers_where);
    if (target->task == HD_RECIPE_CLASSES) {
        return HD_FAIL(
            HEED_INPUT,
            "%s: the network ends in %zu values a sample, and the data has %zu classes: "
            "end it with 'linear: %zu'",
            "%s：网络对每个样本输出 %zu 个值，而数据有 %zu 个类别：最后一层应为“linear: %zu”",
            place.text, shape->width * shape->rows, target->k, target->k);
    }
    return HD_FAIL(
        HEED_INPUT,
        "%s: the network ends in %zu values a sample, and %zu are predicted: end it with "
        "'linear: %zu'",
        "%s：网络对每个样本输出 %zu 个值，而要预测 %zu 个：最后一层应为“linear: %zu”", place.text,
        shape->width * shape->rows, target->k, target->k);
}

// Which loss, how targets are written, how outputs are read.
static heed_err make_plan(const hd_recipe_network *network, const hd_target *target,
                          const shape_of_net *shape, plan *out) {
    const json_t *loss = network->train.loss;
    const char *name = loss_name(loss);
    size_t count = shape->width * shape->rows;
    *out = (plan){.truth = HD_TRUTH_VALUES, .reading = HD_READ_VALUES, .loss = "mse"};
    if (target->task == HD_RECIPE_LANGUAGE) {
        *out = (plan){HD_TRUTH_LABELS, HD_READ_SOFTMAX, "cross_entropy", NULL};
        return HEED_OK;
    }
    if (target->task == HD_RECIPE_VALUES)
        return count == target->k ? HEED_OK : wrong_width(network, shape, target);
    if (!name) name = count == 1 && target->k == 2 ? "bce" : "cross_entropy";
    const hd_loss_kind *kind =
        (const hd_loss_kind *)(const void *)hd_spec_find(&hd_loss_kinds, name);
    bool labels = !kind || kind->rule == HD_TARGET_LABELS;
    bool one = !labels && count == 1 && target->k == 2;
    if (!one && count != target->k) return wrong_width(network, shape, target);
    bool shares =
        strcmp(name, "mse") == 0 || strcmp(name, "mae") == 0 || strcmp(name, "huber") == 0;
    bool sigmoid = strcmp(name, "bce") == 0 || strcmp(name, "hinge") == 0;
    out->loss = one ? "bce" : "cross_entropy";
    out->truth = labels ? HD_TRUTH_LABELS : one ? HD_TRUTH_ONE : HD_TRUTH_VALUES;
    out->reading = shares ? HD_READ_SHARES : sigmoid ? HD_READ_SIGMOID : HD_READ_SOFTMAX;
    out->metrics = labels ? "accuracy" : one && sigmoid ? "binary_accuracy" : NULL;
    return HEED_OK;
}

// ── Scores from outputs ──

static void softmax(const float *logits, size_t k, float *out) {
    double most = (double)logits[0], sum = 0;
    for (size_t c = 1; c < k; c++) most = fmax(most, (double)logits[c]);
    for (size_t c = 0; c < k; c++) sum += exp((double)logits[c] - most);
    for (size_t c = 0; c < k; c++) out[c] = (float)(exp((double)logits[c] - most) / sum);
}

static void normalised(const double *weights, size_t k, float *out) {
    double sum = 0;
    for (size_t c = 0; c < k; c++) sum += weights[c];
    for (size_t c = 0; c < k; c++) out[c] = (float)(sum > 0 ? weights[c] / sum : 1 / (double)k);
}

static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double share(double x) {
    return x > 0 ? x < 1 ? x : 1 : 0;
}

// One row of outputs (width) as probabilities (k).
static void read_row(hd_reading reading, const float *y, size_t width, size_t k, double *work,
                     float *out) {
    double (*each)(double) = reading == HD_READ_SIGMOID ? sigmoid : share;
    if (reading == HD_READ_SOFTMAX) {
        softmax(y, k, out);
        return;
    }
    if (width == 1 && k == 2) {
        double p = each((double)y[0]);
        out[0] = (float)(1 - p);
        out[1] = (float)p;
        return;
    }
    for (size_t c = 0; c < k; c++) work[c] = each((double)y[c]);
    normalised(work, k, out);
}

static heed_err read_outputs(const hd_scorer *scorer, const hd_target *target, const float *y,
                             size_t n, size_t width, float **out) {
    size_t k = target->k;
    bool one = scorer->reading != HD_READ_SOFTMAX && width == 1 && k == 2;
    if ((width != k && !one) ||
        (target->task == HD_RECIPE_VALUES) != (scorer->reading == HD_READ_VALUES)) {
        return HD_FAIL(HEED_CORRUPT, "the network gives %zu values where %zu are wanted",
                       "网络输出 %zu 个值，而应为 %zu 个", width, k);
    }
    float *scores = hd_calloc(n * k + 1, sizeof *scores);
    double *work = hd_calloc(k + 1, sizeof *work);
    if (!scores || !work) {
        hd_free(scores);
        hd_free(work);
        return HD_FAIL_MEMORY(n * k * sizeof *scores);
    }
    if (scorer->reading == HD_READ_VALUES) {
        memcpy(scores, y, n * k * sizeof *scores);
        hd_target_unscale(target, scores, n);
    }
    for (size_t i = 0; i < n && scorer->reading != HD_READ_VALUES; i++) {
        read_row(scorer->reading, y + i * width, width, k, work, scores + i * k);
    }
    hd_free(work);
    *out = scores;
    return HEED_OK;
}

static heed_err run_network(const hd_scorer *scorer, const hd_target *target,
                            const hd_samples *samples, size_t threads, float **out,
                            double *seconds) {
    hd_data *data;
    float *y = NULL;
    size_t width = 0;
    HD_TRY(hd_samples_data(samples, &data));
    heed_err err = hd_net_predict_timed(scorer->net, data, 256, threads, &y, &width, seconds);
    if (err == HEED_OK) err = read_outputs(scorer, target, y, samples->n, width, out);
    hd_free(y);
    hd_data_free(data);
    return err;
}

heed_err hd_scorer_time(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                        size_t threads, float **out, double *seconds) {
    *out = NULL;
    HD_TRY((scorer->net       ? run_network
            : scorer->blended ? hd_run_blended
                              : hd_run_classic)(scorer, target, samples, threads, out, seconds));
    if (scorer->calibration) hd_calibration_apply(scorer->calibration, *out, samples->n);
    return HEED_OK;
}

heed_err hd_scorer_run(const hd_scorer *scorer, const hd_target *target, const hd_samples *samples,
                       size_t threads, float **out) {
    double ignored = 0;
    return hd_scorer_time(scorer, target, samples, threads, out, &ignored);
}

unsigned hd_scorer_wants(const hd_scorer *scorer) {
    if (scorer->blended) return hd_blended_wants(scorer->blended);
    return scorer->net ? HD_WANT_INPUTS : HD_WANT_FEATURES;
}

void hd_scorer_clear(hd_scorer *scorer) {
    hd_net_free(scorer->net);
    hd_classic_free(scorer->classic);
    hd_blended_free(scorer->blended);
    hd_calibration_free(scorer->calibration);
    *scorer = (hd_scorer){.net = NULL};
}

void hd_fitted_clear(hd_fitted *fitted) {
    hd_scorer_clear(&fitted->scorer);
    json_decref(fitted->gradients);
    hd_free(fitted->loss);
    *fitted = (hd_fitted){.gradients = NULL};
}

// ── Training ──

typedef struct network_fit {
    const hd_prepared *prepared;
    const hd_recipe_network *network;
    const hd_fit_env *env;
    hd_arena arena;
    hd_data *train, *validation;
    hd_watch *watch;
    plan plan;
    hd_train_opts opts;
} network_fit;

static heed_err train_texts(network_fit *f) {
    const hd_recipe_train *t = &f->network->train;
    hd_train_opts *o = &f->opts;
    HD_TRY(text_of(t->loss, &f->arena, &o->loss));
    HD_TRY(text_of(t->optimizer, &f->arena, &o->optimizer));
    HD_TRY(text_of(t->schedule, &f->arena, &o->schedule));
    HD_TRY(text_of(t->batch_schedule, &f->arena, &o->batch_schedule));
    HD_TRY(text_of(t->metrics, &f->arena, &o->metrics));
    HD_TRY(text_of(t->freeze, &f->arena, &o->freeze));
    if (!o->loss) o->loss = f->plan.loss;
    if (!o->metrics) o->metrics = f->plan.metrics;
    return HEED_OK;
}

static heed_err train_opts(network_fit *f) {
    const hd_recipe_train *t = &f->network->train;
    const hd_fit_env *env = f->env;
    size_t n = f->train->n;
    f->opts = (hd_train_opts){.monitor = t->monitor,
                              .epochs = (size_t)t->epochs,
                              .steps = (size_t)t->steps,
                              .batch = t->batch > 0 ? (size_t)t->batch : n,
                              .accumulate = (size_t)t->accumulate,
                              .seed = env->seed,
                              .validation = f->validation,
                              .validate_every = (size_t)t->validate_every,
                              .clip_norm = t->clip_norm,
                              .clip_value = t->clip_value,
                              .average = t->average,
                              .patience = (size_t)t->patience,
                              .restore_best = t->restore_best,
                              .precision = (hd_precision)t->precision,
                              .threads = env->threads,
                              .memory_limit = env->memory_limit,
                              .run = env->run,
                              .progress = env->progress,
                              .ctx = env->ctx,
                              .watch = f->watch};
    if (env->steps > 0) {
        f->opts.steps = (size_t)env->steps;
        f->opts.patience = 0;
        f->opts.restore_best = false;
    }
    return train_texts(f);
}

static heed_err find_file(const hd_input_env *env, const char *name, const char **out) {
    network_fit *f = env->ctx;
    return f->env->find(f->env->find_ctx, name, &f->arena, out);
}

static heed_err augmented(network_fit *f) {
    const hd_recipe_network *network = f->network;
    const hd_input_kind *kind = f->prepared->kind;
    if (json_array_size(network->augment) == 0 && !json_is_object(network->augment)) return HEED_OK;
    if (!kind->augment) {
        hd_where_words place = hd_where_text(&network->augment_where);
        return HD_FAIL(HEED_INPUT, "%s: input '%s' knows no augmentation",
                       "%s：输入类型“%s”不支持增广", place.text, kind->kind.name);
    }
    hd_data *data = f->train;
    f->train = NULL; // taken, also when it fails
    const hd_input_env env = {
        .where = network->augment_where, .arena = &f->arena, .find = find_file, .ctx = f};
    return kind->augment(f->prepared->fitted, network->augment, &network->augment_where, &env, data,
                         &f->train);
}

static heed_err open_data(network_fit *f) {
    HD_TRY(hd_prepared_data(f->prepared, HD_PART_TRAIN, f->plan.truth, &f->train));
    if (f->prepared->samples[HD_PART_VALIDATION].n > 0) {
        HD_TRY(hd_prepared_data(f->prepared, HD_PART_VALIDATION, f->plan.truth, &f->validation));
    }
    return augmented(f);
}

// The network, its layers built on the samples.
static heed_err make_net(const hd_prepared *prepared, const hd_recipe_network *network,
                         uint64_t seed, hd_net **net, plan *out) {
    hd_data *inputs = NULL;
    shape_of_net shape = {0, 0};
    HD_TRY(hd_net_from_list(network->layers, &network->layers_where, seed, net));
    HD_TRY(hd_samples_data(&prepared->samples[HD_PART_TRAIN], &inputs));
    heed_err err = shape_of(*net, inputs, &shape);
    hd_data_free(inputs);
    HD_TRY(err);
    return make_plan(network, &prepared->target, &shape, out);
}

static heed_err start_from(network_fit *f, hd_net *net) {
    const char *path;
    if (!f->network->train.start) return HEED_OK;
    HD_TRY(f->env->find(f->env->find_ctx, f->network->train.start, &f->arena, &path));
    return hd_net_load(net, path, "", "", NULL);
}

static heed_err fit(network_fit *f, hd_fitted *out) {
    hd_net **net = &out->scorer.net;
    HD_TRY(make_net(f->prepared, f->network, f->env->seed, net, &f->plan));
    out->scorer.reading = f->plan.reading;
    out->parameters = hd_weights_count(&(*net)->weights, NULL);
    out->bytes = out->parameters * sizeof(float);
    HD_TRY(start_from(f, *net));
    HD_TRY(open_data(f));
    HD_TRY(hd_watch_new(&f->watch));
    HD_TRY(train_opts(f));
    heed_err err = hd_net_train(*net, f->train, &f->opts, &out->report);
    if (err == HEED_INPUT || err == HEED_MEMORY) {
        hd_where_words place = hd_where_text(&f->network->train.where);
        err = hd_error_prefix(err, "%s", "%s", place.text);
    }
    HD_TRY(err);
    if (f->env->stop && atomic_load(f->env->stop))
        return HD_FAIL(HEED_INTERRUPTED, "the training was stopped", "训练已中止");
    out->seconds = out->report.seconds;
    out->memory = out->report.bytes;
    if (!(out->loss = hd_strdup(f->opts.loss))) return HD_FAIL_MEMORY(0);
    return hd_watch_json(f->watch, &out->gradients);
}

heed_err hd_fit_net(const hd_prepared *prepared, const hd_recipe_network *network,
                    const hd_fit_env *env, hd_fitted *out) {
    network_fit f = {.prepared = prepared, .network = network, .env = env};
    *out = (hd_fitted){.gradients = NULL};
    hd_arena_init(&f.arena);
    heed_err err = fit(&f, out);
    hd_data_free(f.train);
    hd_data_free(f.validation);
    hd_watch_free(f.watch);
    hd_arena_clear(&f.arena);
    if (err != HEED_OK) hd_fitted_clear(out);
    return err;
}

// ── Checking ──

// What training names, before hours were spent on the networks before it.
static heed_err check_train(network_fit *f) {
    const hd_recipe_train *t = &f->network->train;
    const hd_where where = t->where;
    hd_loss loss;
    hd_optimizer optimizer = {.n = 0};
    hd_schedule schedule;
    hd_where at = hd_where_key(&where, "loss");
    if (t->loss) HD_TRY(hd_loss_read(t->loss, &at, &f->arena, &loss));
    at = hd_where_key(&where, "optimizer");
    if (t->optimizer) HD_TRY(hd_optimizer_read(t->optimizer, &at, &f->arena, &optimizer));
    at = hd_where_key(&where, "schedule");
    HD_TRY(hd_schedule_read(t->schedule, &at, &f->arena, &schedule));
    at = hd_where_key(&where, "batch_schedule");
    HD_TRY(hd_schedule_read(t->batch_schedule, &at, &f->arena, &schedule));
    const char *path;
    return t->start ? f->env->find(f->env->find_ctx, t->start, &f->arena, &path) : HEED_OK;
}

// A table of rows by index that begins a network must have a row for each index of the data.
static heed_err check_embedding(const network_fit *f) {
    const json_t *first = json_object_get(json_array_get(f->network->layers, 0), "embedding");
    const json_t *count = json_object_get(first, "count");
    const hd_samples *samples = &f->prepared->samples[HD_PART_TRAIN];
    const hd_data_column *x = &samples->inputs[0];
    if (!json_is_integer(count) || samples->n_inputs == 0 || x->dtype != HD_I32) return HEED_OK;
    const int32_t *at = x->data;
    int32_t most = 0;
    for (size_t i = 0; i < samples->n * hd_field_count(&x->field); i++)
        most = at[i] > most ? at[i] : most;
    if (most < json_integer_value(count)) return HEED_OK;
    const hd_where_words place = hd_where_text(&f->network->layers_where);
    return HD_FAIL(
        HEED_INPUT,
        "%s: the embedding has %lld rows, and the data has indices up to %d (of texts: "
        "the vocabulary): say count: %d or more",
        "%s：embedding 有 %lld 行，而数据中的索引最大为 %d（文本即词表）：count 至少应为 %d",
        place.text, (long long)json_integer_value(count), most, most + 1);
}

static heed_err check(network_fit *f, size_t *parameters) {
    hd_net *net = NULL;
    HD_TRY(check_train(f));
    heed_err err = make_net(f->prepared, f->network, 1, &net, &f->plan);
    if (err == HEED_OK) *parameters = hd_weights_count(&net->weights, NULL);
    hd_net_free(net);
    HD_TRY(err);
    HD_TRY(check_embedding(f));
    HD_TRY(hd_prepared_data(f->prepared, HD_PART_TRAIN, f->plan.truth, &f->train));
    return augmented(f);
}

heed_err hd_check_network(const hd_prepared *prepared, const hd_recipe_network *network,
                          const hd_fit_env *env, size_t *parameters) {
    network_fit f = {.prepared = prepared, .network = network, .env = env};
    hd_arena_init(&f.arena);
    heed_err err = check(&f, parameters);
    hd_data_free(f.train);
    hd_arena_clear(&f.arena);
    return err;
}
