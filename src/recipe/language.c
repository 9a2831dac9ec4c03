// SPDX-License-Identifier: Apache-2.0
//
// The loss of a network is the mean over windows that stand side by side; at a window's beginning
// it knows little of what came before, which is to its disadvantage beside models that count over
// the whole text. That is how such figures are usually given.
//
// Writing is one token at a time: a causal network reads the last tokens, and its logits behind the
// last of them, divided by the temperature, say what comes next.
#include "recipe/language.h"

#include <math.h>
#include <time.h>

#include "base/mem.h"
#include "recipe/inputs.h"
#include "text/ngram_lm.h"
#include "text/vocabulary.h"

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

// Ids in use: an encoder has room for more than it met.
static size_t ids_in_use(const hd_encoder *encoder) {
    size_t n = HD_ID_FIRST, most = hd_encoder_size(encoder);
    while (n < most && hd_encoder_token(encoder, (int32_t)n)[0]) n++;
    return n;
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
    size_t size = ids_in_use(hd_input_characters_encoder(run->prepared.fitted));
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

typedef struct writer {
    const hd_run *run;
    const hd_encoder *encoder;
    sample_options options;
    int32_t *ids; // prompt, then what was written
    size_t n;
    double *p; // (size)
    size_t size, window;
    hd_rng rng;
} writer;

// The next token by logits. Padding and what isn't known are never written.
static int32_t draw(writer *w, const float *logits) {
    double most = -INFINITY, sum = 0;
    for (size_t i = HD_ID_FIRST; i < w->size; i++) most = fmax(most, (double)logits[i]);
    for (size_t i = 0; i < w->size; i++) {
        w->p[i] = i < HD_ID_FIRST ? 0 : exp(((double)logits[i] - most) / w->options.temperature);
        sum += w->p[i];
    }
    double at = hd_rng_uniform(&w->rng) * sum;
    for (size_t i = HD_ID_FIRST; i + 1 < w->size; i++) {
        at -= w->p[i];
        if (at < 0) return (int32_t)i;
    }
    return (int32_t)(w->size - 1);
}

static heed_err write_by_net(writer *w, hd_net *net, const hd_data_field *field) {
    const hd_program_opts opts = {.batch = 1};
    hd_program *program;
    int32_t *x = hd_alloc_aligned(w->window + 16, sizeof *x);
    if (!x) return HD_FAIL_MEMORY(w->window * sizeof *x);
    heed_err err = hd_program_new(net, field, 1, &opts, NULL, &program);
    if (err != HEED_OK) {
        hd_free(x);
        return err;
    }
    void *const fields[] = {x};
    size_t width = program->out->shape[program->out->n_dims - 1];
    bool fits = width >= w->size && program->out->count == w->window * width;
    hd_program_bind(program, 1, fields);
    for (int64_t i = 0; err == HEED_OK && fits && i < w->options.length; i++) {
        size_t m = w->n < w->window ? w->n : w->window;
        memset(x, 0, w->window * sizeof *x);
        memcpy(x, w->ids + w->n - m, m * sizeof *x);
        err = hd_graph_run(program->graph, 0);
        if (err != HEED_OK) break;
        const float *logits = (const float *)program->out->data + (m - 1) * width;
        w->ids[w->n] = draw(w, logits);
        w->n++;
    }
    hd_program_free(program);
    hd_free(x);
    return err;
}

static void write_by_counts(writer *w, const hd_ngram_lm *lm) {
    for (int64_t i = 0; i < w->options.length; i++) {
        w->ids[w->n] = hd_ngram_lm_sample(lm, w->ids, w->n, &w->rng, w->p);
        w->n++;
    }
}

static heed_err write_text(writer *w, size_t from, hd_str *out) {
    for (size_t i = from; i < w->n; i++) hd_str_add(out, hd_encoder_token(w->encoder, w->ids[i]));
    return hd_str_check(out);
}

static bool can_write(const hd_run *run, const hd_run_model *model, size_t size) {
    if (model->why.code != HEED_OK) return false;
    if (model->lm) return size > HD_ID_FIRST;
    const hd_data *data = run->prepared.samples[HD_PART_TRAIN].data;
    return model->network && model->fitted.scorer.net && data && size > HD_ID_FIRST;
}

static heed_err write_sample(writer *w, const hd_run_model *model, json_t *list) {
    json_t *item = NULL;
    hd_str text;
    size_t from = w->n;
    const hd_data *data = w->run->prepared.samples[HD_PART_TRAIN].data;
    w->rng = hd_rng_make(w->run->seed, 0x77726974);
    if (model->lm) {
        write_by_counts(w, model->lm);
    } else {
        HD_TRY(write_by_net(w, model->fitted.scorer.net, &data->fields[0]));
    }
    hd_str_init(&text);
    heed_err err = write_text(w, from, &text);
    if (err == HEED_OK)
        err = hd_json_pack(&item, "{s:s, s:s, s:s}", "model", model->name, "prompt",
                           w->options.prompt, "text", hd_str_get(&text));
    hd_str_clear(&text);
    w->n = from;
    return err == HEED_OK ? hd_json_append(list, item) : err;
}

static heed_err write_all(hd_run *run, writer *w, json_t *list) {
    int32_t *prompt;
    size_t n;
    HD_TRY(hd_encoder_stream(w->encoder, hd_slice_of(w->options.prompt), &prompt, &n));
    w->ids = hd_calloc(n + (size_t)w->options.length + 2, sizeof *w->ids);
    w->p = hd_calloc(w->size + 1, sizeof *w->p);
    heed_err err = w->ids && w->p ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) memcpy(w->ids, prompt, n * sizeof *prompt);
    w->n = n;
    hd_free(prompt);
    for (size_t i = 0; err == HEED_OK && i < run->n_models && w->n > 0; i++) {
        if (can_write(run, &run->models[i], w->size)) err = write_sample(w, &run->models[i], list);
    }
    hd_free(w->ids);
    hd_free(w->p);
    return err;
}

heed_err hd_language_samples(hd_run *run, json_t **out) {
    writer w = {.run = run};
    *out = json_array();
    if (!*out) return HD_FAIL_MEMORY(0);
    if (run->prepared.kind != &hd_input_characters) return HEED_OK;
    w.encoder = hd_input_characters_encoder(run->prepared.fitted);
    w.size = ids_in_use(w.encoder);
    w.window = hd_encoder_length(w.encoder);
    heed_err err =
        hd_options_read(sample_rows, run->recipe->sample, &run->recipe->sample_where, &w.options);
    if (err == HEED_OK && !w.options.prompt) w.options.prompt = "\n";
    if (err == HEED_OK) err = write_all(run, &w, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
