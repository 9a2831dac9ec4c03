// SPDX-License-Identifier: Apache-2.0
//
// Fitted pipelines as JSON:
//
//     {"format": "heed-pipeline", "version": 1, "steps": [
//       {"step": "fill_median", "columns": [{"name": "age", "type": "number"}],
//        "parameters": {}, "values": [28.0], "texts": []}]}
//
// A file is hostile until proven sound: kinds, parameters, columns and types are checked here, what
// was learned by the kind's own check().
#include <math.h>

#include "base/fs.h"
#include "base/mem.h"
#include "prepare/pipeline_private.h"

enum { PIPELINE_VERSION = 1 };

static const char *const type_names[] = {
    [HD_COLUMN_F64] = "number", [HD_COLUMN_TIME] = "time", [HD_COLUMN_CATEGORY] = "category"};
enum { N_TYPES = 3 };

// ── Saving ──

static heed_err columns_json(const hd_step *step, json_t *out) {
    json_t *columns = json_array();
    HD_TRY(hd_json_set(out, "columns", columns));
    for (size_t i = 0; i < step->n_columns; i++) {
        json_t *column = NULL;
        HD_TRY(hd_json_pack(&column, "{s:s, s:s}", "name", step->columns[i], "type",
                            type_names[step->types[i]]));
        HD_TRY(hd_json_append(columns, column));
    }
    return HEED_OK;
}

static heed_err step_json(const hd_step *step, json_t *out) {
    json_t *part;
    HD_TRY(hd_json_set(out, "step", json_string(step->kind->name)));
    HD_TRY(columns_json(step, out));
    HD_TRY(hd_json_set(out, "parameters", part = json_object()));
    for (size_t i = 0; i < step->kind->n_params; i++) {
        HD_TRY(hd_json_set(part, step->kind->params[i].name, json_string(step->params[i].text)));
    }
    HD_TRY(hd_json_set(out, "values", part = json_array()));
    for (size_t i = 0; i < step->n_values; i++) {
        HD_TRY(hd_json_append(part, json_real(step->values[i])));
    }
    HD_TRY(hd_json_set(out, "texts", part = json_array()));
    for (size_t i = 0; i < step->n_texts; i++) {
        HD_TRY(hd_json_append(part, json_string(step->texts[i])));
    }
    return HEED_OK;
}

heed_err hd_pipeline_json(const hd_pipeline *pipeline, json_t **out) {
    json_t *steps = json_array();
    *out = NULL;
    heed_err err = steps ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < pipeline->n; i++) {
        json_t *step = json_object();
        err = hd_json_append(steps, step);
        if (err == HEED_OK) err = step_json(&pipeline->steps[i], step);
    }
    if (err == HEED_OK) {
        err = hd_json_pack(out, "{s:s, s:i, s:O}", "format", "heed-pipeline", "version",
                           PIPELINE_VERSION, "steps", steps);
    }
    json_decref(steps);
    return err;
}

heed_err hd_pipeline_save(const hd_pipeline *pipeline, const char *path) {
    json_t *json;
    hd_str text;
    hd_str_init(&text);
    HD_TRY(hd_pipeline_json(pipeline, &json));
    heed_err err = hd_json_dump(json, false, &text);
    if (err == HEED_OK) err = hd_fs_write(path, hd_str_get(&text), text.len, 0644);
    hd_str_clear(&text);
    json_decref(json);
    return err;
}

// ── Loading ──

typedef struct loader {
    const char *name;
    size_t step; // 1-based, for messages
    hd_pipeline *out;
} loader;

static heed_err corrupt(const loader *l, const char *en, const char *zh) {
    return HD_FAIL(HEED_CORRUPT, "%s: step %zu: %s%.0s: the file is damaged, train again",
                   "%s：第 %zu 步：%.0s%s：文件已损坏，请重新训练", l->name, l->step, en, zh);
}

static bool find_type(const char *name, hd_column_type *out) {
    for (int i = 0; name && i < N_TYPES; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *out = (hd_column_type)i;
            return true;
        }
    }
    return false;
}

static heed_err load_columns(const loader *l, const json_t *columns, hd_step *step) {
    size_t n = json_array_size(columns);
    if (!json_is_array(columns) || (!step->kind->whole && n != 1)) {
        return corrupt(l, "bad columns", "列无效");
    }
    step->columns = hd_arena_calloc(&l->out->arena, n, sizeof *step->columns);
    step->types = hd_arena_calloc(&l->out->arena, n, sizeof *step->types);
    if (!step->columns || !step->types) return HD_FAIL_MEMORY(n * sizeof *step->columns);
    for (size_t i = 0; i < n; i++) {
        const json_t *column = json_array_get(columns, i);
        const char *name = json_string_value(json_object_get(column, "name"));
        const char *type = json_string_value(json_object_get(column, "type"));
        if (!name || !find_type(type, &step->types[i]) ||
            !(step->kind->types & 1u << step->types[i])) {
            return corrupt(l, "bad columns", "列无效");
        }
        step->columns[i] = hd_arena_strdup(&l->out->arena, name);
        if (!step->columns[i]) return HD_FAIL_MEMORY(strlen(name));
        step->n_columns++;
    }
    return HEED_OK;
}

static heed_err load_params(const loader *l, const json_t *params, hd_step *step) {
    if (json_object_size(params) != step->kind->n_params) {
        return corrupt(l, "bad parameters", "参数无效");
    }
    for (size_t i = 0; i < step->kind->n_params; i++) {
        const char *text = json_string_value(json_object_get(params, step->kind->params[i].name));
        if (!text) return corrupt(l, "bad parameters", "参数无效");
        heed_err err = hd_step_value_parse(step->kind, i, text, &l->out->arena, &step->params[i]);
        if (err == HEED_INPUT) return corrupt(l, "bad parameters", "参数无效");
        HD_TRY(err);
    }
    return HEED_OK;
}

static heed_err load_learned(const loader *l, const json_t *json, hd_step *step) {
    const json_t *values = json_object_get(json, "values"), *texts = json_object_get(json, "texts");
    if (!json_is_array(values) || !json_is_array(texts)) {
        return corrupt(l, "bad values", "数值无效");
    }
    HD_TRY(hd_step_learn(step, json_array_size(values), json_array_size(texts), &l->out->arena));
    for (size_t i = 0; i < step->n_values; i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_number(value)) return corrupt(l, "bad values", "数值无效");
        step->values[i] = json_number_value(value);
    }
    for (size_t i = 0; i < step->n_texts; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!text) return corrupt(l, "bad values", "数值无效");
        step->texts[i] = hd_arena_strdup(&l->out->arena, text);
        if (!step->texts[i]) return HD_FAIL_MEMORY(strlen(text));
    }
    return HEED_OK;
}

static heed_err load_step(const loader *l, const json_t *json) {
    hd_step step = {0};
    const char *kind = json_string_value(json_object_get(json, "step"));
    step.kind = kind ? hd_step_kind_find(kind) : NULL;
    if (!step.kind) return corrupt(l, "unknown step", "未知步骤");
    HD_TRY(load_columns(l, json_object_get(json, "columns"), &step));
    HD_TRY(load_params(l, json_object_get(json, "parameters"), &step));
    HD_TRY(load_learned(l, json, &step));
    bool sound = step.kind->check ? step.kind->check(&step) : step.n_values + step.n_texts == 0;
    if (!sound) return corrupt(l, "bad values", "数值无效");
    hd_pipeline *p = l->out;
    HD_TRY(hd_grow(&p->steps, &p->cap, p->n + 1, sizeof *p->steps));
    p->steps[p->n++] = step;
    return HEED_OK;
}

static heed_err load_all(loader *l, const json_t *json) {
    const char *format = json_string_value(json_object_get(json, "format"));
    const json_t *version = json_object_get(json, "version"),
                 *steps = json_object_get(json, "steps");
    if (!format || strcmp(format, "heed-pipeline") != 0 || !json_is_integer(version) ||
        !json_is_array(steps)) {
        return HD_FAIL(HEED_CORRUPT, "%s: not a saved preparation", "%s：不是保存的预处理文件",
                       l->name);
    }
    if (json_integer_value(version) != PIPELINE_VERSION) {
        return HD_FAIL(HEED_VERSION, "%s: made by another version of heed: train again",
                       "%s：由其他版本的 heed 生成：请重新训练", l->name);
    }
    for (size_t i = 0; i < json_array_size(steps); i++) {
        l->step = i + 1;
        HD_TRY(load_step(l, json_array_get(steps, i)));
    }
    return HEED_OK;
}

heed_err hd_pipeline_from_json(const json_t *json, const char *name, hd_pipeline **out) {
    *out = NULL;
    loader l = {.name = name};
    HD_TRY(hd_pipeline_new(&l.out));
    heed_err err = load_all(&l, json);
    if (err != HEED_OK) {
        hd_pipeline_free(l.out);
        return err;
    }
    *out = l.out;
    return HEED_OK;
}

heed_err hd_pipeline_load(const char *path, hd_pipeline **out) {
    *out = NULL;
    hd_str text;
    json_t *json = NULL;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, 0, &text);
    if (err == HEED_OK) err = hd_json_parse(hd_str_get(&text), text.len, path, &json);
    if (err == HEED_INPUT) {
        err =
            HD_FAIL(HEED_CORRUPT, "%s: not a saved preparation", "%s：不是保存的预处理文件", path);
    }
    if (err == HEED_OK) err = hd_pipeline_from_json(json, path, out);
    json_decref(json);
    hd_str_clear(&text);
    return err;
}
