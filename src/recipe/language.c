// SPDX-License-Identifier: Apache-2.0
//
// The loss of a network is the mean over windows that stand side by side; at a window's beginning
// it knows little of what came before, which is to its disadvantage beside models that count over
// the whole text. That is how such figures are usually given.
#include "recipe/language.h"

#include <math.h>
#include <time.h>

#include "base/mem.h"
#include "measure/paired.h"
#include "recipe/inputs.h"
#include "recipe/write.h"
#include "text/ngram_lm.h"

// ── Models that count ──

typedef struct ngram_options {
    int64_t order;
} ngram_options;

static const hd_option ngram_rows[] = {
    {.name = "order",
     .type = HD_OPTION_INT,
     .at = offsetof(ngram_options, order),
     .initial = 6,
     .min = 1,
     .max = HD_NGRAM_ORDER,
     .doc = HD_TEXT("tokens that are looked at, the next one included", "考虑的词元数，含下一个")},
    {.name = NULL}};

static const hd_spec_kind ngram = {
    .name = "ngram",
    .size = sizeof(ngram_options),
    .options = ngram_rows,
    .doc = HD_TEXT("n-grams with Kneser–Ney smoothing", "Kneser–Ney 平滑的 n-gram")};
static const hd_spec_kind markov = {
    .name = "markov",
    .size = sizeof(ngram_options),
    .doc = HD_TEXT("a Markov chain: the token before decides", "马尔可夫链：只看前一个词元")};

static const hd_spec_kind *const rows[] = {&ngram, &markov};
const hd_spec_kinds hd_language_kinds = {
    .what = HD_TEXT("model", "模型"), .rows = rows, .n = sizeof rows / sizeof rows[0]};

hd_part hd_language_part(const hd_run *run) {
    const hd_rows *test = &run->prepared.parts.rows[HD_PART_TEST];
    return test->n > test->first ? HD_PART_TEST : HD_PART_VALIDATION;
}

static heed_err ids_of(const hd_run *run, hd_part part, int32_t **ids, size_t *n) {
    if (run->prepared.kind != &hd_input_characters) {
        return HD_FAIL(HEED_INPUT, "the task 'language' wants the input 'characters', not '%s'",
                       "任务“language”需要输入类型“characters”，而不是“%s”",
                       run->prepared.kind->kind.name);
    }
    return hd_input_characters_ids(run->prepared.fitted, &run->prepared.parts.rows[part], ids, n);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

heed_err hd_language_fit(hd_run *run, hd_run_model *model) {
    hd_choice choice;
    int32_t *ids;
    size_t n;
    hd_where where = model->classic->where;
    HD_TRY(hd_spec_read(&hd_language_kinds, model->classic->value, &where, &run->arena, &choice));
    size_t order = choice.kind == &markov ? 2 : (size_t)((ngram_options *)choice.options)->order;
    HD_TRY(ids_of(run, HD_PART_TRAIN, &ids, &n));
    double begun = seconds();
    size_t size = hd_writer_vocabulary(hd_input_characters_encoder(run->prepared.fitted));
    heed_err err = hd_ngram_lm_fit(ids, n, size, order, &model->lm);
    hd_free(ids);
    HD_TRY(err);
    model->seconds = seconds() - begun;
    model->parameters = hd_ngram_lm_count(model->lm);
    model->bytes = model->memory = hd_ngram_lm_bytes(model->lm);
    return HEED_OK;
}

// ── Judging ──

// Two models are compared stretch by stretch: about so many of the same length, where the text is
// long some windows each, so that neighbours are hardly more alike than any two. What is left over
// at the end is in no stretch.
enum { STRETCHES = 200 };

typedef struct cut {
    size_t n, each, length; // stretches, windows of one, tokens of a window
} cut;

static cut cut_of(const hd_data *data) {
    const size_t each = data->n > STRETCHES ? data->n / STRETCHES : 1;
    const int x = hd_data_find(data, HD_ROLE_INPUT);
    return (cut){data->n / each, each, x >= 0 ? hd_field_count(&data->fields[x]) : 0};
}

static heed_err new_stretches(hd_run_model *model, size_t n) {
    hd_free(model->stretches);
    model->n_stretches = 0;
    model->stretches = hd_calloc(n + 1, sizeof *model->stretches);
    if (!model->stretches) return HD_FAIL_MEMORY(n * sizeof *model->stretches);
    model->n_stretches = n;
    return HEED_OK;
}

// The mean loss over windows first … first + n − 1.
static heed_err network_loss(const hd_run *run, const hd_run_model *model, hd_data *data,
                             size_t first, size_t n, hd_evaluation *out) {
    hd_data *some;
    size_t *index = hd_calloc(n + 1, sizeof *index);
    if (!index) return HD_FAIL_MEMORY(n * sizeof *index);
    for (size_t i = 0; i < n; i++) index[i] = first + i;
    heed_err err = hd_data_subset(data, index, n, &some);
    hd_free(index);
    HD_TRY(err);
    err = hd_net_evaluate(model->fitted.scorer.net, some, model->fitted.loss, NULL, 16,
                          run->opts->threads, out);
    hd_data_free(some);
    return err;
}

// All of it is the stretches and what is left over.
static heed_err judge_network(const hd_run *run, hd_run_model *model, hd_data *data) {
    const cut c = cut_of(data);
    double sum = 0;
    hd_evaluation part;
    HD_TRY(new_stretches(model, c.n));
    for (size_t i = 0; i < c.n; i++) {
        HD_TRY(network_loss(run, model, data, i * c.each, c.each, &part));
        model->stretches[i] = (float)part.loss;
        sum += part.loss * (double)c.each;
    }
    const size_t done = c.n * c.each;
    if (done < data->n) {
        HD_TRY(network_loss(run, model, data, done, data->n - done, &part));
        sum += part.loss * (double)(data->n - done);
    }
    model->language.loss = data->n > 0 ? sum / (double)data->n : 0;
    return HEED_OK;
}

static heed_err judge_counts(const hd_run *run, hd_run_model *model, const hd_data *data) {
    const cut c = cut_of(data);
    const size_t tokens = c.each * c.length;
    int32_t *ids;
    size_t n;
    HD_TRY(ids_of(run, hd_language_part(run), &ids, &n));
    model->language.loss = hd_ngram_lm_loss(model->lm, ids, 1, n);
    heed_err err = new_stretches(model, c.n);
    for (size_t i = 0; err == HEED_OK && i < c.n; i++) {
        const size_t from = 1 + i * tokens, end = from + tokens < n ? from + tokens : n;
        model->stretches[i] = (float)hd_ngram_lm_loss(model->lm, ids, from, end);
    }
    hd_free(ids);
    return err;
}

heed_err hd_language_judge(hd_run *run, hd_run_model *model) {
    hd_data *data;
    double begun = seconds();
    HD_TRY(hd_prepared_data(&run->prepared, hd_language_part(run), HD_TRUTH_LABELS, &data));
    heed_err err = model->lm ? judge_counts(run, model, data) : judge_network(run, model, data);
    hd_data_free(data);
    HD_TRY(err);
    double loss = model->language.loss;
    size_t n = run->prepared.samples[hd_language_part(run)].n;
    model->predict_seconds = seconds() - begun;
    model->predicted = n;
    return hd_json_pack(&model->evaluation, "{s:s, s:I, s:f, s:o, s:f, s:{}}", "task", "language",
                        "n", (json_int_t)n, "log_loss", loss, "perplexity", hd_json_real(exp(loss)),
                        "bits", loss / log(2), "intervals");
}

static hd_predictions stretches_of(const hd_run_model *model) {
    return (hd_predictions){
        .task = HD_TASK_LANGUAGE, .n = model->n_stretches, .k = 1, .scores = model->stretches};
}

heed_err hd_language_compare(const hd_run *run, hd_run_model *model, const hd_run_model *baseline) {
    hd_paired paired;
    hd_evaluation_opts opts = hd_evaluation_opts_default();
    const hd_predictions one = stretches_of(model), other = stretches_of(baseline);
    opts.seed = run->seed;
    opts.pool = run->pool;
    if (one.n < 2 || one.n != other.n) return HEED_OK;
    HD_TRY(hd_paired_compare(&one, &other, "log_loss", &opts, &paired));
    return hd_paired_json(&paired, baseline->name, "log_loss", &model->versus);
}

// ── Writing ──

typedef struct sample_options {
    const char *prompt;
    int64_t length;
    double temperature;
} sample_options;

static const hd_option sample_rows[] = {
    {.name = "prompt",
     .type = HD_OPTION_TEXT,
     .at = offsetof(sample_options, prompt),
     .doc = HD_TEXT("what it begins with", "开头")},
    {.name = "length",
     .type = HD_OPTION_INT,
     .at = offsetof(sample_options, length),
     .initial = 300,
     .min = 1,
     .max = 100000,
     .doc = HD_TEXT("tokens", "词元数")},
    {.name = "temperature",
     .type = HD_OPTION_REAL,
     .at = offsetof(sample_options, temperature),
     .initial = .8,
     .min = .01,
     .max = 10,
     .doc = HD_TEXT("below 1: more likely tokens are taken more often",
                    "小于 1 时更倾向可能性大的词元")},
    {.name = NULL}};

static bool can_write(const hd_run_model *model) {
    return model->why.code == HEED_OK && (model->lm || model->fitted.scorer.net);
}

static void write_by_counts(hd_writer *w, const hd_ngram_lm *lm) {
    for (size_t i = 0; i < w->opts.length; i++) {
        w->ids[w->n] = hd_ngram_lm_sample(lm, w->ids, w->n, &w->rng, w->p);
        w->n++;
    }
}

static heed_err write_sample(hd_writer *w, const hd_run_model *model, json_t *list) {
    json_t *item = NULL;
    hd_str text;
    heed_err err = HEED_OK;
    hd_writer_begin(w);
    if (model->lm)
        write_by_counts(w, model->lm);
    else
        err = hd_writer_net(w, model->fitted.scorer.net);
    HD_TRY(err);
    hd_str_init(&text);
    err = hd_writer_text(w, &text);
    if (err == HEED_OK)
        err = hd_json_pack(&item, "{s:s, s:s, s:s}", "model", model->name, "prompt", w->opts.prompt,
                           "text", hd_str_get(&text));
    hd_str_clear(&text);
    return err == HEED_OK ? hd_json_append(list, item) : err;
}

static heed_err write_all(hd_run *run, json_t *list) {
    sample_options o;
    hd_writer w;
    HD_TRY(hd_options_read(sample_rows, run->recipe->sample, &run->recipe->sample_where, &o));
    const hd_write_opts opts = {.prompt = o.prompt ? o.prompt : "\n",
                                .length = (size_t)o.length,
                                .temperature = o.temperature,
                                .seed = run->seed};
    HD_TRY(hd_writer_init(&w, hd_input_characters_encoder(run->prepared.fitted), &opts));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < run->n_models; i++) {
        if (can_write(&run->models[i])) err = write_sample(&w, &run->models[i], list);
    }
    hd_writer_clear(&w);
    return err;
}

heed_err hd_language_samples(hd_run *run, json_t **out) {
    *out = json_array();
    if (!*out) return HD_FAIL_MEMORY(0);
    if (run->prepared.kind != &hd_input_characters) return HEED_OK;
    heed_err err = write_all(run, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
