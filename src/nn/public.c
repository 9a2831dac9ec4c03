// SPDX-License-Identifier: Apache-2.0
//
// include/heed/net.h over the room's own functions.
#include "heed/net.h"

#include <string.h>

#include "base/mem.h"
#include "nn/optimizer.h"
#include "nn/public.h"
#include "nn/schedule.h"

// ── Data ──

// Wraps a source; frees it when that fails.
static heed_err wrap_data(hd_data *data, heed_data **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) {
        hd_data_free(data);
        return HD_FAIL_MEMORY(sizeof **out);
    }
    (*out)->data = data;
    return HEED_OK;
}

static heed_err field_of(const char *name, hd_data_role role, hd_dtype dtype, int n_dims,
                         const size_t *shape, hd_data_field *out) {
    *out = (hd_data_field){.role = role, .dtype = dtype, .n_dims = n_dims};
    hd_snprintf(out->name, sizeof out->name, "%s", name);
    if (n_dims < 0 || n_dims > HD_FIELD_DIMS) {
        return HD_FAIL(HEED_INPUT, "samples of %d dimensions: from 0 to %d are possible",
                       "样本维数为 %d：应在 0 到 %d 之间", n_dims, (int)HD_FIELD_DIMS);
    }
    for (int i = 0; i < n_dims; i++) out->shape[i] = shape[i];
    return HEED_OK;
}

static heed_err memory_data(size_t n, int n_columns, const hd_data_column *columns,
                            heed_data **out) {
    hd_data *data;
    HD_TRY(hd_data_memory(n, n_columns, columns, &data));
    return wrap_data(data, out);
}

heed_err heed_data_rows(const float *x, size_t n, const size_t *shape, int n_dims,
                        const int32_t *labels, heed_data **out) {
    hd_data_column columns[2] = {{.dtype = HD_F32, .data = x}, {.dtype = HD_I32, .data = labels}};
    HD_TRY(field_of("x", HD_ROLE_INPUT, HD_F32, n_dims, shape, &columns[0].field));
    HD_TRY(field_of("target", HD_ROLE_TARGET, HD_I32, 0, NULL, &columns[1].field));
    return memory_data(n, labels ? 2 : 1, columns, out);
}

heed_err heed_data_values(const float *x, size_t n, const size_t *shape, int n_dims,
                          const float *values, size_t n_values, heed_data **out) {
    hd_data_column columns[2] = {{.dtype = HD_F32, .data = x}, {.dtype = HD_F32, .data = values}};
    HD_TRY(field_of("x", HD_ROLE_INPUT, HD_F32, n_dims, shape, &columns[0].field));
    HD_TRY(field_of("target", HD_ROLE_TARGET, HD_F32, 1, &n_values, &columns[1].field));
    return memory_data(n, 2, columns, out);
}

heed_err heed_data_sequences(const int32_t *x, size_t n, size_t length, const int32_t *lengths,
                             const int32_t *labels, heed_data **out) {
    hd_data_column columns[3] = {{.dtype = HD_I32, .data = x}};
    int k = 1;
    HD_TRY(field_of("x", HD_ROLE_INPUT, HD_I32, 1, &length, &columns[0].field));
    if (lengths) {
        columns[k] = (hd_data_column){.dtype = HD_I32, .data = lengths};
        HD_TRY(field_of("length", HD_ROLE_LENGTH, HD_I32, 0, NULL, &columns[k++].field));
    }
    if (labels) {
        columns[k] = (hd_data_column){.dtype = HD_I32, .data = labels};
        HD_TRY(field_of("target", HD_ROLE_TARGET, HD_I32, 0, NULL, &columns[k++].field));
    }
    return memory_data(n, k, columns, out);
}

heed_err heed_data_windows(const int32_t *ids, size_t n, size_t length, size_t stride,
                           heed_data **out) {
    hd_data *data;
    HD_TRY(hd_data_windows(ids, n, length, stride, &data));
    return wrap_data(data, out);
}

heed_err heed_data_idx(const char *images, const char *labels, heed_data **out) {
    hd_data *data;
    HD_TRY(hd_data_idx(images, labels, &data));
    return wrap_data(data, out);
}

heed_err heed_data_part(heed_data *data, double from, double to, uint64_t seed, heed_data **out) {
    hd_data *part;
    HD_TRY(hd_data_part(data->data, from, to, seed, &part));
    return wrap_data(part, out);
}

size_t heed_data_count(const heed_data *data) {
    return data->data->n;
}

void heed_data_free(heed_data *data) {
    if (!data) return;
    hd_data_free(data->data);
    hd_free(data);
}

// ── Networks ──

static heed_err wrap_net(hd_net *net, heed_net **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) {
        hd_net_free(net);
        return HD_FAIL_MEMORY(sizeof **out);
    }
    (*out)->net = net;
    return HEED_OK;
}

heed_err heed_net_new(const char *layers, uint64_t seed, heed_net **out) {
    hd_net *net;
    HD_TRY(hd_mem_adopt_libraries());
    HD_TRY(hd_net_new(layers, "", seed, &net));
    return wrap_net(net, out);
}

heed_err heed_net_open(const char *path, heed_net **out) {
    hd_net *net;
    HD_TRY(hd_mem_adopt_libraries());
    HD_TRY(hd_net_open(path, &net));
    return wrap_net(net, out);
}

heed_err heed_net_save(const heed_net *net, const char *path) {
    return hd_net_save(net->net, path);
}

void heed_net_free(heed_net *net) {
    if (!net) return;
    hd_net_free(net->net);
    hd_free(net);
}

heed_err heed_net_prepare(heed_net *net, const heed_data *like) {
    return hd_net_prepare(net->net, like->data->fields, like->data->n_fields);
}

heed_err hd_public_text(json_t *json, char **out) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    json_decref(json);
    if (err == HEED_OK) return hd_str_take(&text, out);
    hd_str_clear(&text);
    return err;
}

heed_err heed_net_load(heed_net *net, const char *path, const char *from, const char *to,
                       char **report) {
    json_t *json = NULL;
    HD_TRY(hd_net_load(net->net, path, from, to, report ? &json : NULL));
    return report ? hd_public_text(json, report) : HEED_OK;
}

size_t heed_net_parameters(const heed_net *net) {
    return hd_weights_count(&net->net->weights, NULL);
}

heed_err heed_net_describe(heed_net *net, const heed_data *like, size_t batch, char **out) {
    const hd_program_opts opts = {.batch = batch ? batch : 32};
    hd_program *program;
    hd_str text;
    HD_TRY(heed_net_prepare(net, like));
    HD_TRY(
        hd_program_new(net->net, like->data->fields, like->data->n_fields, &opts, NULL, &program));
    hd_str_init(&text);
    hd_net_describe(net->net, &text);
    hd_graph_print(program->graph, &text);
    hd_program_free(program);
    return hd_str_take(&text, out);
}

// ── Training ──

heed_fit_params heed_fit_default(void) {
    return (heed_fit_params){.loss = NULL};
}

static bool relay_progress(void *ctx, const hd_progress *p) {
    const heed_fit_params *params = ctx;
    char line[256];
    heed_fit_progress out = {.validated = p->kind == HD_PROGRESS_VALIDATED,
                             .step = p->step,
                             .steps = p->steps,
                             .epoch = p->epoch,
                             .epochs = p->epochs,
                             .loss = p->loss,
                             .rate = p->rate,
                             .samples_per_second = p->samples_per_second,
                             .seconds_left = p->seconds_left,
                             .has_validation = p->has_validation,
                             .validation_loss = p->validation_loss,
                             .line = line};
    memcpy(out.metrics, p->metrics, sizeof out.metrics);
    hd_progress_line(p, params->lang, line, sizeof line);
    return params->progress(params->ctx, &out) == 0;
}

static heed_err precision_of(const char *text, hd_precision *out) {
    *out = HD_PRECISE_F32;
    if (!text || strcmp(text, "f32") == 0) return HEED_OK;
    *out = HD_PRECISE_BF16;
    if (strcmp(text, "bf16") == 0) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "precision '%s' isn't known: f32 or bf16",
                   "未知的精度“%s”：可选 f32 或 bf16", text);
}

heed_err hd_public_opts(const heed_fit_params *p, hd_train_opts *out) {
    *out = (hd_train_opts){.loss = p->loss,
                           .optimizer = p->optimizer,
                           .schedule = p->schedule,
                           .batch_schedule = p->batch_schedule,
                           .metrics = p->metrics,
                           .monitor = p->monitor,
                           .epochs = p->epochs,
                           .steps = p->steps,
                           .batch = p->batch,
                           .accumulate = p->accumulate,
                           .buckets = p->buckets,
                           .seed = p->seed,
                           .validation = p->validation ? p->validation->data : NULL,
                           .validate_every = p->validate_every,
                           .clip_norm = p->clip_norm,
                           .clip_value = p->clip_value,
                           .average = p->average,
                           .patience = p->patience,
                           .restore_best = p->restore_best != 0,
                           .freeze = p->freeze,
                           .threads = p->threads,
                           .memory_limit = p->memory_limit,
                           .run = p->run,
                           .checkpoint = p->checkpoint,
                           .checkpoint_every = p->checkpoint_every,
                           .resume = p->resume != 0,
                           .report_every = p->report_every,
                           .progress = p->progress ? relay_progress : NULL,
                           .ctx = (void *)(uintptr_t)p};
    return precision_of(p->precision, &out->precision);
}

heed_err heed_net_fit(heed_net *net, heed_data *data, const heed_fit_params *params,
                      heed_fit_report *report) {
    hd_train_opts opts;
    hd_train_report r;
    HD_TRY(hd_public_opts(params, &opts));
    HD_TRY(hd_net_train(net->net, data->data, &opts, &r));
    if (!report) return HEED_OK;
    *report = (heed_fit_report){.steps = r.steps,
                                .epochs = r.epochs,
                                .loss = r.loss,
                                .has_validation = r.has_validation,
                                .validation_loss = r.validation_loss,
                                .best = r.best,
                                .seconds = r.seconds,
                                .samples_per_second = r.samples_per_second,
                                .parameters = r.parameters,
                                .bytes = r.bytes};
    memcpy(report->metrics, r.metrics, sizeof report->metrics);
    return HEED_OK;
}

heed_err heed_net_evaluate(heed_net *net, heed_data *data, const char *loss, const char *metrics,
                           heed_score *out) {
    hd_evaluation e;
    HD_TRY(hd_net_evaluate(net->net, data->data, loss, metrics, 0, 0, &e));
    *out = (heed_score){.loss = e.loss};
    memcpy(out->metrics, e.metrics, sizeof out->metrics);
    return HEED_OK;
}

heed_err heed_net_predict(heed_net *net, heed_data *data, float **out, size_t *width) {
    return hd_net_predict(net->net, data->data, 0, 0, out, width);
}

void heed_values_free(float *values) {
    hd_free(values);
}

// ── Kinds ──

static heed_err option_json(const hd_option *row, json_t *list) {
    static const char *const types[] = {
        [HD_OPTION_INT] = "integer", [HD_OPTION_REAL] = "number", [HD_OPTION_BOOL] = "boolean",
        [HD_OPTION_WORD] = "word",   [HD_OPTION_TEXT] = "text",   [HD_OPTION_INTS] = "integers",
        [HD_OPTION_JSON] = "nested"};
    json_t *json, *words = NULL;
    heed_err err =
        hd_json_pack(&json, "{s:s, s:s, s:b, s:s, s:s}", "name", row->name, "type",
                     types[row->type], "required", row->required, "doc",
                     row->doc.en ? row->doc.en : "", "doc_zh", row->doc.zh ? row->doc.zh : "");
    HD_TRY(err);
    if (row->type == HD_OPTION_INT || row->type == HD_OPTION_REAL) {
        err = hd_json_set(json, "default", hd_json_real(row->initial));
    } else if (row->type == HD_OPTION_BOOL) {
        err = hd_json_set(json, "default", json_boolean(row->initial != 0));
    }
    if (err == HEED_OK && row->words) {
        words = json_array();
        for (int i = 0; err == HEED_OK && row->words[i]; i++) {
            err = hd_json_append(words, json_string(row->words[i]));
        }
        if (err == HEED_OK) err = hd_json_set(json, "words", json_incref(words));
        json_decref(words);
    }
    if (err == HEED_OK) return hd_json_append(list, json);
    json_decref(json);
    return err;
}

static heed_err options_json(const hd_option *rows, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (; err == HEED_OK && rows && rows->name; rows++) err = option_json(rows, list);
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err kind_json(const hd_spec_kind *kind, json_t *list) {
    json_t *options, *json;
    HD_TRY(options_json(kind->options, &options));
    heed_err err = hd_json_pack(&json, "{s:s, s:s, s:s, s:o}", "name", kind->name, "doc",
                                kind->doc.en, "doc_zh", kind->doc.zh, "options", options);
    return err == HEED_OK ? hd_json_append(list, json) : err;
}

static heed_err family_json(const hd_spec_kinds *kinds, const char *key, json_t *all) {
    json_t *list = json_array(), *common = NULL, *family;
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < kinds->n; i++) err = kind_json(kinds->rows[i], list);
    if (err == HEED_OK) err = options_json(kinds->common, &common);
    if (err != HEED_OK) {
        json_decref(list);
        return err;
    }
    HD_TRY(hd_json_pack(&family, "{s:o, s:o}", "kinds", list, "common_options", common));
    return hd_json_set(all, key, family);
}

heed_err heed_net_kinds(char **out) {
    const struct {
        const hd_spec_kinds *kinds;
        const char *key;
    } families[] = {{&hd_layer_kinds, "layers"},       {&hd_loss_kinds, "losses"},
                    {&hd_metric_kinds, "metrics"},     {&hd_optimizer_kinds, "optimizers"},
                    {&hd_schedule_kinds, "schedules"}, {&hd_initializer_kinds, "initializers"}};
    HD_TRY(hd_mem_adopt_libraries());
    json_t *all = json_object();
    heed_err err = all ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < sizeof families / sizeof families[0]; i++) {
        err = family_json(families[i].kinds, families[i].key, all);
    }
    if (err == HEED_OK) return hd_public_text(all, out);
    json_decref(all);
    return err;
}
