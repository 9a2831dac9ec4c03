// SPDX-License-Identifier: Apache-2.0
//
// A program stands for one batch size and one length of sequences; an epoch needs two (the last
// batch is smaller), a schedule of the batch size or buckets of lengths a few. The ones used last
// are kept.
#include "nn/runner.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "nn/bucket.h"

void hd_runner_init(hd_runner *runner, hd_net *net, hd_data *data, hd_pool *pool,
                    const hd_program_opts *opts) {
    *runner = (hd_runner){.net = net, .data = data, .pool = pool, .opts = *opts};
    runner->target = hd_data_find(data, HD_ROLE_TARGET);
}

void hd_runner_clear(hd_runner *runner) {
    for (int i = 0; i < HD_RUNNER_PROGRAMS; i++) {
        hd_program_free(runner->programs[i]);
        runner->programs[i] = NULL;
    }
}

size_t hd_runner_bytes(const hd_runner *runner) {
    size_t most = 0;
    for (int i = 0; i < HD_RUNNER_PROGRAMS && runner->programs[i]; i++) {
        size_t bytes = hd_graph_bytes(runner->programs[i]->graph);
        most = bytes > most ? bytes : most;
    }
    return most;
}

double hd_runner_flops(const hd_runner *runner) {
    double most = 0;
    for (int i = 0; i < HD_RUNNER_PROGRAMS && runner->programs[i]; i++) {
        double flops = hd_graph_flops(runner->programs[i]->graph);
        most = flops > most ? flops : most;
    }
    return most;
}

void hd_runner_plan(const hd_runner *runner, hd_str *out) {
    if (runner->programs[0]) hd_graph_print(runner->programs[0]->graph, out);
}

// ── Labels ──

static size_t classes_of(const hd_program *p) {
    return p->out->n_dims > 1 ? p->out->shape[p->out->n_dims - 1] : 0;
}

static heed_err check_labels(const hd_runner *r, const hd_program *p, const hd_minibatch *batch) {
    if (!p->loss || r->target < 0) return HEED_OK;
    const hd_loss_kind *kind = hd_loss_kind_of(r->opts.loss);
    int32_t ignored = 0;
    if (kind->rule != HD_TARGET_LABELS) return HEED_OK;
    bool ignore = kind->ignored && kind->ignored(r->opts.loss->choice.options, &ignored);
    const int32_t *label = batch->fields[r->target];
    hd_data_field fields[HD_FIELDS];
    hd_fields_cut(r->data, batch->length, fields);
    size_t each = hd_field_count(&fields[r->target]), classes = classes_of(p);
    for (size_t i = 0; i < batch->n * each; i++) {
        if ((label[i] >= 0 && (size_t)label[i] < classes) || (ignore && label[i] == ignored)) {
            continue;
        }
        return HD_FAIL(
            HEED_INPUT,
            "row %1$zu: label %2$d is out of range: the network gives %3$zu classes, 0 to "
            "%4$zu; give the last layer as many values as there are classes, or mend the "
            "label",
            "第 %1$zu 行：标签 %2$d 超出范围：网络输出 %3$zu 类（0 到 %4$zu）；"
            "请让最后一层的输出数等于类别数，或修正标签",
            batch->index[i / each] + 1, label[i], classes, classes > 0 ? classes - 1 : 0);
    }
    return HEED_OK;
}

// ── Programs ──

static void to_front(hd_runner *r, int i) {
    hd_program *p = r->programs[i];
    for (; i > 0; i--) r->programs[i] = r->programs[i - 1];
    r->programs[0] = p;
}

// A program for a batch, which it is bound to.
static heed_err make(const hd_runner *r, const hd_program_opts *opts, const hd_minibatch *batch,
                     hd_program **out) {
    hd_data_field fields[HD_FIELDS];
    hd_program_opts o = *opts;
    o.batch = batch->n;
    hd_fields_cut(r->data, batch->length, fields);
    HD_TRY(hd_program_new(r->net, fields, r->data->n_fields, &o, r->pool, out));
    (*out)->length = batch->length;
    hd_program_bind(*out, r->data->n_fields, batch->fields);
    return HEED_OK;
}

static bool is_for(const hd_program *p, const hd_minibatch *batch) {
    return p->batch == batch->n && p->length == batch->length;
}

heed_err hd_runner_get(hd_runner *r, const hd_minibatch *batch, hd_program **out) {
    int i = 0;
    while (i < HD_RUNNER_PROGRAMS && r->programs[i] && !is_for(r->programs[i], batch)) i++;
    if (i == HD_RUNNER_PROGRAMS || !r->programs[i]) {
        if (i == HD_RUNNER_PROGRAMS) {
            hd_program_free(r->programs[--i]);
            r->programs[i] = NULL;
        }
        HD_TRY(make(r, &r->opts, batch, &r->programs[i]));
    }
    to_front(r, i);
    *out = r->programs[0];
    hd_program_bind(*out, r->data->n_fields, batch->fields);
    return check_labels(r, *out, batch);
}

// ── Why a number isn't finite ──

static heed_err check_data(const hd_runner *r, const hd_minibatch *batch) {
    hd_data_field fields[HD_FIELDS];
    hd_fields_cut(r->data, batch->length, fields);
    for (int f = 0; f < r->data->n_fields; f++) {
        const hd_data_field *field = &fields[f];
        const float *v = batch->fields[f];
        size_t each = hd_field_count(field);
        if (field->dtype != HD_F32) continue;
        for (size_t i = 0; i < batch->n * each; i++) {
            if (isfinite(v[i])) continue;
            return HD_FAIL(HEED_INPUT,
                           "row %1$zu of the data: value %2$zu of '%3$s' is %4$s: fill in or leave "
                           "out what is missing",
                           "数据第 %1$zu 行：“%3$s”的第 %2$zu 个值为 %4$s：请填补或去掉缺失值",
                           batch->index[i / each] + 1, i % each + 1, field->name,
                           isnan(v[i]) ? "NaN" : "infinite");
        }
    }
    return HEED_OK;
}

heed_err hd_runner_explain(hd_runner *r, const hd_minibatch *batch, uint64_t step, double rate) {
    hd_program_opts opts = r->opts;
    hd_program *p;
    opts.check_finite = true;
    HD_TRY(check_data(r, batch));
    HD_TRY(make(r, &opts, batch, &p));
    heed_err err = hd_graph_run(p->graph, step);
    hd_program_free(p);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) {
        return hd_error_prefix(
            err,
            "step %llu: training broke down at rate %g (lower it, or set "
            "clip_norm)",
            "第 %llu 步：训练在学习率 %g 时崩溃（请降低学习率，或设置 clip_norm）",
            (unsigned long long)step + 1, rate);
    }
    return HD_FAIL(HEED_INPUT,
                   "step %llu: the gradients are too large for numbers at rate %g: lower the rate, "
                   "or set clip_norm",
                   "第 %llu 步：在学习率 %g 下梯度溢出：请降低学习率，或设置 clip_norm",
                   (unsigned long long)step + 1, rate);
}

// ── Metrics ──

static heed_err read_metric(const json_t *value, const hd_where *where, const hd_loss *loss,
                            hd_arena *arena, hd_metrics *out) {
    hd_choice choice;
    HD_TRY(hd_spec_read(&hd_metric_kinds, value, where, arena, &choice));
    const hd_metric_kind *kind = (const hd_metric_kind *)(const void *)choice.kind;
    hd_where_words place = hd_where_text(where);
    if (out->n == HD_METRICS) {
        return HD_FAIL(HEED_INPUT, "%s: at most %d metrics", "%s：最多 %d 个指标", place.text,
                       (int)HD_METRICS);
    }
    if (kind->rule != hd_loss_kind_of(loss)->rule) {
        return HD_FAIL(HEED_INPUT, "%s: '%s' can't be counted on the targets of loss '%s'",
                       "%s：“%s”不适用于损失“%s”的目标", place.text, kind->kind.name,
                       loss->choice.kind->name);
    }
    out->kind[out->n++] = kind;
    return HEED_OK;
}

heed_err hd_metrics_read(const char *text, const hd_loss *loss, hd_metrics *out) {
    hd_spec spec;
    hd_arena arena;
    *out = (hd_metrics){.n = 0};
    if (!text) return HEED_OK;
    HD_TRY(hd_spec_parse(text, "metrics", "", &spec));
    hd_arena_init(&arena);
    const json_t *list = hd_spec_get(&spec, "metrics");
    hd_where where = hd_where_of(&spec, "metrics");
    heed_err err = HEED_OK;
    if (!json_is_array(list)) {
        err = read_metric(list, &where, loss, &arena, out);
    }
    for (size_t i = 0; err == HEED_OK && i < json_array_size(list); i++) {
        hd_where at = hd_where_at(&where, i);
        err = read_metric(json_array_get(list, i), &at, loss, &arena, out);
    }
    hd_arena_clear(&arena);
    hd_spec_clear(&spec);
    return err;
}

static void count(hd_runner *r, const hd_program *p, const hd_minibatch *batch, double loss,
                  hd_metrics *metrics) {
    const hd_loss_kind *kind = hd_loss_kind_of(r->opts.loss);
    hd_batch_view view = {.out = p->out->data, .loss = loss};
    view.width = classes_of(p) ? classes_of(p) : 1;
    view.rows = p->out->count / view.width;
    if (r->target >= 0) view.target = batch->fields[r->target];
    if (kind->ignored) {
        view.has_ignored = kind->ignored(r->opts.loss->choice.options, &view.ignored);
    }
    for (size_t i = 0; i < metrics->n; i++) metrics->kind[i]->add(&metrics->score[i], &view);
}

// What a batch's mean weighs: its samples, or where a label counts for nothing, the others.
static double weight_of(const hd_runner *r, const hd_minibatch *batch) {
    const hd_loss_kind *kind = hd_loss_kind_of(r->opts.loss);
    int32_t ignored;
    if (kind->rule != HD_TARGET_LABELS || r->target < 0 || !kind->ignored ||
        !kind->ignored(r->opts.loss->choice.options, &ignored)) {
        return (double)batch->n;
    }
    hd_data_field fields[HD_FIELDS];
    hd_fields_cut(r->data, batch->length, fields);
    const int32_t *label = batch->fields[r->target];
    size_t count = batch->n * hd_field_count(&fields[r->target]), others = 0;
    for (size_t i = 0; i < count; i++) others += label[i] != ignored;
    return (double)others;
}

static heed_err evaluate_all(hd_runner *r, hd_loader *loader, hd_metrics *metrics, double *sum,
                             double *n) {
    for (;;) {
        hd_minibatch batch;
        hd_program *p;
        HD_TRY(hd_loader_next(loader, &batch));
        if (batch.n == 0) return HEED_OK;
        HD_TRY(hd_runner_get(r, &batch, &p));
        HD_TRY(hd_graph_run_forward(p->graph));
        double loss = (double)*(const float *)p->loss->data;
        if (!isfinite(loss)) HD_TRY(check_data(r, &batch));
        double weight = weight_of(r, &batch);
        *sum += weight > 0 ? loss * weight : 0;
        *n += weight;
        count(r, p, &batch, loss, metrics);
    }
}

heed_err hd_runner_evaluate(hd_runner *r, size_t batch, hd_metrics *metrics, hd_evaluation *out) {
    hd_loader *loader;
    const hd_loader_opts opts = {.ahead = -1};
    double sum = 0, n = 0;
    for (size_t i = 0; i < metrics->n; i++) metrics->score[i] = (hd_score){0, 0, 0};
    HD_TRY(hd_loader_new(r->data, &opts, &loader));
    heed_err err = hd_loader_begin(loader, 0, batch, 0);
    if (err == HEED_OK) err = evaluate_all(r, loader, metrics, &sum, &n);
    hd_loader_free(loader);
    if (err != HEED_OK) return hd_error_prefix(err, "validation", "验证");
    *out = (hd_evaluation){.loss = n > 0 ? sum / n : NAN, .n_metrics = metrics->n};
    for (size_t i = 0; i < metrics->n; i++) {
        out->metrics[i] = metrics->kind[i]->value(&metrics->score[i]);
    }
    return HEED_OK;
}

// ── On their own ──

static heed_err evaluate_with(hd_net *net, hd_data *data, const hd_loss *loss,
                              const char *metrics_text, size_t batch, hd_pool *pool,
                              hd_evaluation *out) {
    hd_metrics metrics;
    hd_runner runner;
    const hd_program_opts opts = {.loss = loss};
    HD_TRY(hd_metrics_read(metrics_text, loss, &metrics));
    HD_TRY(hd_net_prepare(net, data->fields, data->n_fields));
    hd_runner_init(&runner, net, data, pool, &opts);
    heed_err err = hd_runner_evaluate(&runner, batch, &metrics, out);
    hd_runner_clear(&runner);
    return err;
}

heed_err hd_net_evaluate(hd_net *net, hd_data *data, const char *loss_text, const char *metrics,
                         size_t batch, size_t threads, hd_evaluation *out) {
    hd_spec spec;
    hd_arena arena;
    hd_loss loss;
    hd_pool *pool = NULL;
    HD_TRY(hd_spec_parse(loss_text ? loss_text : "cross_entropy", "loss", "", &spec));
    hd_arena_init(&arena);
    hd_where where = hd_where_of(&spec, "loss");
    heed_err err = hd_loss_read(hd_spec_get(&spec, "loss"), &where, &arena, &loss);
    if (err == HEED_OK) err = hd_pool_new(threads, &pool);
    if (err == HEED_OK) {
        err = evaluate_with(net, data, &loss, metrics, batch ? batch : 32, pool, out);
    }
    hd_pool_free(pool);
    hd_arena_clear(&arena);
    hd_spec_clear(&spec);
    return err;
}

static double wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static heed_err predict_all(hd_runner *r, hd_loader *loader, float **out, size_t *width,
                            double *seconds) {
    size_t done = 0;
    for (;;) {
        hd_minibatch batch;
        hd_program *p;
        HD_TRY(hd_loader_next(loader, &batch));
        if (batch.n == 0) return HEED_OK;
        HD_TRY(hd_runner_get(r, &batch, &p));
        double begun = wall();
        HD_TRY(hd_graph_run_forward(p->graph));
        *seconds += wall() - begun;
        *width = p->out->count / batch.n;
        if (!*out && !(*out = hd_calloc(r->data->n, *width * sizeof **out))) {
            return HD_FAIL_MEMORY(r->data->n * *width * sizeof **out);
        }
        memcpy(*out + done * *width, p->out->data, p->out->count * sizeof **out);
        done += batch.n;
    }
}

// Whether the network was built for these inputs: then it isn't touched, and several threads may
// predict with it.
static bool stands_for(const hd_net *net, const hd_data *data) {
    int n = 0;
    for (int i = 0; i < data->n_fields; i++) {
        const hd_data_field *is = &data->fields[i], *was = &net->inputs[n];
        if (is->role == HD_ROLE_TARGET) continue;
        if (n++ >= net->n_inputs || is->role != was->role || is->dtype != was->dtype ||
            is->n_dims != was->n_dims || strcmp(is->name, was->name) != 0 ||
            memcmp(is->shape, was->shape, (size_t)is->n_dims * sizeof is->shape[0]) != 0)
            return false;
    }
    return n > 0 && n == net->n_inputs;
}

heed_err hd_net_predict_timed(hd_net *net, hd_data *data, size_t batch, size_t threads, float **out,
                              size_t *width, double *seconds) {
    hd_loader *loader = NULL;
    hd_pool *pool = NULL;
    hd_runner runner;
    const hd_loader_opts opts = {.ahead = -1};
    const hd_program_opts program_opts = {.batch = 0};
    *out = NULL;
    *width = 0;
    if (!stands_for(net, data)) HD_TRY(hd_net_prepare(net, data->fields, data->n_fields));
    HD_TRY(hd_pool_new(threads, &pool));
    hd_runner_init(&runner, net, data, pool, &program_opts);
    heed_err err = hd_loader_new(data, &opts, &loader);
    if (err == HEED_OK) err = hd_loader_begin(loader, 0, batch ? batch : 32, 0);
    if (err == HEED_OK) err = predict_all(&runner, loader, out, width, seconds);
    hd_loader_free(loader);
    hd_runner_clear(&runner);
    hd_pool_free(pool);
    if (err != HEED_OK) {
        hd_free(*out);
        *out = NULL;
    }
    return err;
}

heed_err hd_net_predict(hd_net *net, hd_data *data, size_t batch, size_t threads, float **out,
                        size_t *width) {
    double ignored = 0;
    return hd_net_predict_timed(net, data, batch, threads, out, width, &ignored);
}
