// SPDX-License-Identifier: Apache-2.0
//
// The loss of a network is the mean over windows that stand side by side; at a window's beginning
// it knows little of what came before, which is to its disadvantage beside models that count over
// the whole text. That is how such figures are usually given.
#include "recipe/language.h"

#include <math.h>
#include <time.h>

#include "base/mem.h"
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

static heed_err judge_network(hd_run *run, hd_run_model *model) {
    hd_data *data;
    HD_TRY(hd_prepared_data(&run->prepared, hd_language_part(run), HD_TRUTH_LABELS, &data));
    heed_err err = hd_net_evaluate(model->fitted.scorer.net, data, model->fitted.loss, NULL, 16,
                                   run->opts->threads, &model->language);
    hd_data_free(data);
    return err;
}

static heed_err judge_counts(hd_run *run, hd_run_model *model) {
    int32_t *ids;
    size_t n;
    HD_TRY(ids_of(run, hd_language_part(run), &ids, &n));
    model->language.loss = hd_ngram_lm_loss(model->lm, ids, 1, n);
    hd_free(ids);
    return HEED_OK;
}

heed_err hd_language_judge(hd_run *run, hd_run_model *model) {
    double begun = seconds();
    HD_TRY(model->lm ? judge_counts(run, model) : judge_network(run, model));
    double loss = model->language.loss;
    size_t n = run->prepared.samples[hd_language_part(run)].n;
    model->predict_seconds = seconds() - begun;
    model->predicted = n;
    return hd_json_pack(&model->evaluation, "{s:s, s:I, s:f, s:o, s:f, s:{}}", "task", "language",
                        "n", (json_int_t)n, "log_loss", loss, "perplexity", hd_json_real(exp(loss)),
                        "bits", loss / log(2), "intervals");
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
