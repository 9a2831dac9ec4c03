// SPDX-License-Identifier: Apache-2.0
//
// Reading a model's folder and predicting. What is read is checked by whoever reads it: the input
// its preparation, the target its names, nn/file.c the network, classic/ its bytes; here, that
// they fit together.
#include "recipe/predictor.h"

#include <stdlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "classic/classifier.h"
#include "recipe/blended.h"
#include "recipe/inputs.h"
#include "recipe/save.h"

enum { MOST_BYTES = 1 << 30 };

// ── Preparation to and from JSON ──

heed_err hd_predictor_preparation(const hd_prepared *p, const hd_scorer *scorer, json_t **out) {
    json_t *fitted = NULL, *target = NULL, *calibration = NULL, *blend = NULL;
    *out = NULL;
    heed_err err = p->kind->to_json(p->fitted, &fitted);
    if (err == HEED_OK) err = hd_target_json(&p->target, &target);
    if (err == HEED_OK && scorer->calibration)
        err = hd_calibration_json(scorer->calibration, &calibration);
    if (err == HEED_OK)
        err = hd_json_pack(out, "{s:s, s:s, s:O, s:O, s:s}", "format", HD_MODEL_FORMAT, "input",
                           p->kind->kind.name, "fitted", fitted, "target", target, "reading",
                           scorer->net ? hd_reading_words[scorer->reading] : "scores");
    if (err == HEED_OK && scorer->blended) err = hd_blended_json(scorer->blended, &blend);
    const json_t *missing = ((const hd_input_common *)p->recipe->input.common)->missing;
    if (err == HEED_OK && blend) err = hd_json_set(*out, "blend", json_incref(blend));
    if (err == HEED_OK && calibration)
        err = hd_json_set(*out, "calibration", json_incref(calibration));
    if (err == HEED_OK && missing)
        err = hd_json_set(*out, "missing", json_incref((json_t *)(uintptr_t)missing));
    if (err != HEED_OK && *out) hd_json_drop(out);
    json_decref(blend);
    json_decref(fitted);
    json_decref(target);
    json_decref(calibration);
    return err;
}

static heed_err damaged(const char *path) {
    return HD_FAIL(HEED_CORRUPT, "%s: the model is damaged; train it again",
                   "%s：模型已损坏；请重新训练", path);
}

static heed_err read_preparation(hd_predictor *m, const json_t *json, const char *path) {
    const char *format = json_string_value(json_object_get(json, "format"));
    const char *input = json_string_value(json_object_get(json, "input"));
    const char *reading = json_string_value(json_object_get(json, "reading"));
    const json_t *calibration = json_object_get(json, "calibration");
    if (!format || !input || !reading) return damaged(path);
    if (strcmp(format, HD_MODEL_FORMAT) != 0) {
        return HD_FAIL(HEED_VERSION, "%s: a newer heed wrote this model (format %s)",
                       "%s：此模型由更新版本的 heed 写成（格式 %s）", path, format);
    }
    m->kind = hd_input_kind_find(input);
    if (!m->kind) return damaged(path);
    HD_TRY(hd_target_from_json(json_object_get(json, "target"), path, &m->target));
    HD_TRY(m->kind->from_json(json_object_get(json, "fitted"), path, &m->fitted));
    hd_reading found = hd_reading_find(reading);
    if (found != HD_READINGS) m->scorer.reading = found;
    m->missing = json_incref(json_object_get(json, "missing"));
    if (!calibration) return HEED_OK;
    HD_TRY(hd_calibration_load(calibration, &m->scorer.calibration));
    return hd_calibration_classes(m->scorer.calibration) == m->target.k ? HEED_OK : damaged(path);
}

// ── Opening ──

static heed_err read_json(const char *folder, const char *name, hd_arena *arena, json_t **out,
                          const char **path) {
    hd_str text;
    *path = hd_fs_join(arena, folder, name);
    if (!*path) return HD_FAIL_MEMORY(0);
    hd_str_init(&text);
    heed_err err = hd_fs_read(*path, MOST_BYTES, &text);
    if (err == HEED_OK) err = hd_json_parse(hd_str_get(&text), text.len, *path, out);
    if (err == HEED_INPUT) err = damaged(*path);
    hd_str_clear(&text);
    return err;
}

heed_err hd_scorer_read(const char *path, bool net, hd_scorer *out) {
    hd_str bytes;
    if (net) return hd_net_open(path, &out->net);
    hd_str_init(&bytes);
    heed_err err = hd_fs_read(path, MOST_BYTES, &bytes);
    if (err == HEED_OK) err = hd_classic_load(bytes.data, bytes.len, &out->classic);
    hd_str_clear(&bytes);
    return err;
}

static heed_err read_scorer(hd_predictor *m, const json_t *preparation, const char *file,
                            const char *folder, hd_arena *arena) {
    const json_t *blend = json_object_get(preparation, "blend");
    if (blend) return hd_blended_read(blend, file, folder, &m->target, &m->scorer.blended);
    const char *path = hd_fs_join(arena, folder, HD_MODEL_NET);
    if (!path) return HD_FAIL_MEMORY(0);
    if (hd_fs_exists(path)) return hd_scorer_read(path, true, &m->scorer);
    path = hd_fs_join(arena, folder, HD_MODEL_CLASSIC);
    if (!path) return HD_FAIL_MEMORY(0);
    return hd_scorer_read(path, false, &m->scorer);
}

static heed_err open_model(hd_predictor *m, const char *folder, hd_arena *arena) {
    json_t *preparation = NULL;
    const char *path;
    HD_TRY(read_json(folder, HD_MODEL_MANIFEST, arena, &m->manifest, &path));
    HD_TRY(read_json(folder, HD_MODEL_PREPARATION, arena, &preparation, &path));
    heed_err err = read_preparation(m, preparation, path);
    if (err == HEED_OK) err = read_scorer(m, preparation, path, folder, arena);
    json_decref(preparation);
    return err;
}

heed_err hd_predictor_open(const char *folder, hd_predictor **out) {
    hd_arena arena;
    hd_predictor *m = hd_calloc(1, sizeof *m);
    if (!m) return HD_FAIL_MEMORY(sizeof *m);
    hd_target_init(&m->target);
    hd_arena_init(&arena);
    heed_err err = open_model(m, folder, &arena);
    hd_arena_clear(&arena);
    if (err != HEED_OK) {
        hd_predictor_close(m);
        return err;
    }
    *out = m;
    return HEED_OK;
}

void hd_predictor_close(hd_predictor *m) {
    if (!m) return;
    if (m->fitted) m->kind->free(m->fitted);
    hd_target_clear(&m->target);
    hd_scorer_clear(&m->scorer);
    json_decref(m->manifest);
    json_decref(m->missing);
    hd_free(m);
}

// ── Predicting ──

static bool says_nothing(const json_t *missing, hd_slice cell) {
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const char *text = json_string_value(json_array_get(missing, i));
        if (text && hd_slice_eq(cell, text)) return true;
    }
    const char *one = json_string_value(missing);
    return one && hd_slice_eq(cell, one);
}

static void empty_cells(const hd_predictor *m, hd_rows *rows) {
    for (size_t c = 0; c < rows->n_columns; c++) {
        hd_slice *cells = rows->columns[c].cells;
        for (size_t i = 0; rows->columns[c].kind == HD_ROWS_TEXT && i < rows->n; i++) {
            if (cells[i].p && says_nothing(m->missing, cells[i])) cells[i] = (hd_slice){NULL, 0};
        }
    }
}

heed_err hd_predictor_ready(const hd_predictor *m, hd_rows *rows) {
    if (m->missing) empty_cells(m, rows);
    return m->kind->arrange ? m->kind->arrange(m->fitted, rows) : HEED_OK;
}

// Forecasts are answered in what the file has, whatever scale the models learned on.
static void in_own_units(const hd_predictor *m, hd_answer *answer) {
    for (size_t i = 0; m->kind->forecast && i < answer->n; i++)
        m->kind->forecast->restore(m->fitted, i, answer->scores + i * answer->k, answer->k);
}

heed_err hd_predictor_run(const hd_predictor *m, const hd_rows *rows, size_t threads,
                          hd_answer *out) {
    hd_samples samples = {.n = 0};
    *out = (hd_answer){.n = 0, .k = m->target.k};
    if (m->target.task == HD_RECIPE_LANGUAGE) {
        return HD_FAIL(
            HEED_USAGE,
            "a language model doesn't predict rows: let it write with 'heed model write'",
            "语言模型不能逐行预测：请用“heed model write”生成文本");
    }
    if (rows->n == rows->first) return HEED_OK;
    HD_TRY(m->kind->apply(m->fitted, rows, hd_scorer_wants(&m->scorer), &samples));
    heed_err err = hd_scorer_run(&m->scorer, &m->target, &samples, threads, &out->scores);
    if (err == HEED_OK) {
        out->n = samples.n;
        out->row = samples.row;
        samples.row = NULL;
        in_own_units(m, out);
    }
    hd_input_samples_clear(&samples);
    return err;
}

heed_err hd_predictor_write(const hd_predictor *m, const hd_write_opts *opts, hd_str *out) {
    hd_writer writer;
    if (m->target.task != HD_RECIPE_LANGUAGE || !m->scorer.net || m->kind != &hd_input_characters) {
        return HD_FAIL(HEED_USAGE,
                       "this model doesn't write: ask it about rows with 'heed model predict'",
                       "此模型不生成文本：请用“heed model predict”预测数据行");
    }
    HD_TRY(hd_writer_init(&writer, hd_input_characters_encoder(m->fitted), opts));
    heed_err err = hd_writer_net(&writer, m->scorer.net);
    if (err == HEED_OK) err = hd_writer_text(&writer, out);
    hd_writer_clear(&writer);
    return err;
}

void hd_answer_clear(hd_answer *answer) {
    hd_free(answer->scores);
    hd_free(answer->row);
    *answer = (hd_answer){.n = 0};
}

// ── Answers as JSON ──

typedef struct ranked {
    size_t at;
    float p;
} ranked;

static int by_p(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static json_t *number(float value) {
    return hd_json_real(hd_json_decimal(value));
}

static heed_err add_classes(const hd_predictor *m, const float *scores, size_t most, ranked *work,
                            json_t *out) {
    size_t k = m->target.k;
    json_t *all = json_object();
    for (size_t c = 0; c < k; c++) work[c] = (ranked){c, scores[c]};
    qsort(work, k, sizeof *work, by_p);
    heed_err err = hd_json_set(out, "class", json_string(m->target.names[work[0].at]));
    if (err == HEED_OK) err = hd_json_set(out, "probability", number(work[0].p));
    if (err != HEED_OK) {
        json_decref(all);
        return err;
    }
    HD_TRY(hd_json_set(out, "probabilities", all));
    for (size_t c = 0; c < k && (most == 0 || c < most); c++) {
        HD_TRY(hd_json_set(all, m->target.names[work[c].at], number(work[c].p)));
    }
    return HEED_OK;
}

static heed_err add_series(const hd_predictor *m, size_t sample, json_t *out) {
    const hd_input_forecast *forecast = m->kind->forecast;
    const char *name = forecast ? forecast->name(m->fitted, sample) : NULL;
    return name ? hd_json_set(out, "series", json_string(name)) : HEED_OK;
}

static heed_err add_values(const hd_predictor *m, const float *scores, json_t *out) {
    if (m->target.k == 1) return hd_json_set(out, "value", number(scores[0]));
    json_t *all = json_object();
    HD_TRY(hd_json_set(out, "values", all));
    for (size_t c = 0; c < m->target.k; c++) {
        HD_TRY(hd_json_set(all, m->target.names[c], number(scores[c])));
    }
    return HEED_OK;
}

heed_err hd_answer_json(const hd_predictor *m, const hd_answer *answer, size_t most, json_t **out) {
    json_t *list = json_array();
    ranked *work = hd_calloc(answer->k + 1, sizeof *work);
    heed_err err = list && work ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < answer->n; i++) {
        json_t *item = json_object();
        const float *scores = answer->scores + i * answer->k;
        err = hd_json_append(list, item);
        if (err == HEED_OK) err = add_series(m, i, item);
        if (err == HEED_OK)
            err = m->target.task == HD_RECIPE_CLASSES ? add_classes(m, scores, most, work, item)
                                                      : add_values(m, scores, item);
        if (err == HEED_OK && answer->row)
            err = hd_json_set(item, "row", json_integer((json_int_t)answer->row[i] + 1));
    }
    hd_free(work);
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}
