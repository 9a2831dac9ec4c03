// SPDX-License-Identifier: Apache-2.0
//
// Steps from their JSON, fitted one after the other. A kind that learns column by column becomes
// one fitted step per column, so that a report can say what was done to each. All that is learned
// lives in the pipeline's arena.
#include "prepare/pipeline.h"

#include <math.h>

#include "base/mem.h"
#include "prepare/pipeline_private.h"

void hd_pipeline_free(hd_pipeline *pipeline) {
    if (!pipeline) return;
    hd_free(pipeline->steps);
    hd_arena_clear(&pipeline->arena);
    hd_free(pipeline);
}

size_t hd_pipeline_count(const hd_pipeline *pipeline) {
    return pipeline->n;
}

heed_err hd_pipeline_new(hd_pipeline **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    hd_arena_init(&(*out)->arena);
    return HEED_OK;
}

// ── Parameters ──

static heed_err bad_value(const hd_step_kind *kind, const hd_step_param *param, const char *text) {
    if (param->choices) {
        hd_str list;
        hd_str_init(&list);
        for (size_t i = 0; param->choices[i]; i++) {
            hd_str_addf(&list, "%s%s", i > 0 ? ", " : "", param->choices[i]);
        }
        heed_err err = HD_FAIL(HEED_INPUT, "step %s: '%s' can't be %s: use one of %s",
                               "步骤 %s：“%s”不能为 %s：请使用 %s 之一", kind->name, param->name,
                               text, hd_str_get(&list));
        hd_str_clear(&list);
        return err;
    }
    return HD_FAIL(HEED_INPUT, "step %s: '%s' can't be '%s': write a%s number from %.15g to %.15g",
                   "步骤 %s：“%s”不能为“%s”：请填写%.0s %.15g 到 %.15g 之间的数", kind->name,
                   param->name, text, param->whole ? " whole" : "", param->min, param->max);
}

heed_err hd_step_value_parse(const hd_step_kind *kind, size_t i, const char *text, hd_arena *arena,
                             hd_step_value *out) {
    const hd_step_param *param = &kind->params[i];
    out->number = 0;
    out->text = hd_arena_strdup(arena, text);
    if (!out->text) return HD_FAIL_MEMORY(strlen(text));
    if (param->text) return HEED_OK;
    if (param->choices) {
        for (size_t c = 0; param->choices[c]; c++) {
            out->number = (double)c;
            if (strcmp(text, param->choices[c]) == 0) return HEED_OK;
        }
        return bad_value(kind, param, text);
    }
    bool fits = hd_slice_f64(hd_slice_of(text), &out->number);
    if (param->whole && out->number != floor(out->number)) fits = false;
    if (param->min != 0 || param->max != 0) {
        fits = fits && out->number >= param->min && out->number <= param->max;
    }
    return fits ? HEED_OK : bad_value(kind, param, text);
}

// A JSON value as the text that a person would write.
static heed_err value_text(const json_t *value, hd_str *out) {
    if (json_is_string(value)) {
        hd_str_addn(out, json_string_value(value), json_string_length(value));
        return hd_str_check(out);
    }
    return hd_json_dump(value, false, out);
}

static heed_err read_param(hd_step *step, size_t i, const json_t *spec, hd_arena *arena) {
    const hd_step_param *param = &step->kind->params[i];
    const json_t *value = json_object_get(spec, param->name);
    if (!value && !param->initial) {
        return HD_FAIL(HEED_INPUT, "step %s needs '%s'", "步骤 %s 缺少“%s”", step->kind->name,
                       param->name);
    }
    if (!value) return hd_step_value_parse(step->kind, i, param->initial, arena, &step->params[i]);
    hd_str text;
    hd_str_init(&text);
    heed_err err = value_text(value, &text);
    if (err == HEED_OK) {
        err = hd_step_value_parse(step->kind, i, hd_str_get(&text), arena, &step->params[i]);
    }
    hd_str_clear(&text);
    return err;
}

typedef struct name_list {
    const hd_step_kind *kind; // its parameters; NULL: the kinds
    size_t i;
} name_list;

static const char *next_kind(void *ctx) {
    name_list *list = ctx;
    return hd_step_kinds[list->i] ? hd_step_kinds[list->i++]->name : NULL;
}

static const char *next_param(void *ctx) {
    name_list *list = ctx;
    return list->i < list->kind->n_params ? list->kind->params[list->i++].name : NULL;
}

// Every key of a step is known.
static heed_err check_keys(const hd_step_kind *kind, const json_t *spec) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)spec, key, value) {
        bool known = !strcmp(key, "step") || !strcmp(key, "columns") || !strcmp(key, "except");
        for (size_t i = 0; i < kind->n_params; i++) known |= !strcmp(key, kind->params[i].name);
        if (known) continue;
        name_list list = {kind, 0};
        const char *nearest = hd_nearest(key, next_param, &list);
        return HD_FAIL(HEED_INPUT, "step %s has no parameter '%s'%s%s%s",
                       "步骤 %s 没有参数“%s”%s%s%s", kind->name, key, nearest ? " (" : "",
                       nearest ? nearest : "", nearest ? "?)" : "");
    }
    return HEED_OK;
}

static heed_err find_kind(const json_t *spec, const hd_step_kind **out) {
    const char *name = json_string_value(json_object_get(spec, "step"));
    if (!name) {
        return HD_FAIL(HEED_INPUT, "a step must name its kind: {\"step\": \"fill_median\"}",
                       "每个步骤必须写明类型：{\"step\": \"fill_median\"}");
    }
    *out = hd_step_kind_find(name);
    if (*out) return HEED_OK;
    name_list list = {NULL, 0};
    const char *nearest = hd_nearest(name, next_kind, &list);
    return HD_FAIL(HEED_INPUT, "unknown step '%s'%s%s%s", "未知步骤“%s”%s%s%s", name,
                   nearest ? " (" : "", nearest ? nearest : "", nearest ? "?)" : "");
}

// ── Columns ──

static bool in_list(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text && strcmp(text, name) == 0) return true;
    }
    return false;
}

static heed_err add_column(hd_step *step, const hd_column *column, hd_arena *arena) {
    step->types[step->n_columns] = column->type;
    step->columns[step->n_columns] = hd_arena_strdup(arena, column->name);
    if (!step->columns[step->n_columns]) return HD_FAIL_MEMORY(strlen(column->name));
    step->n_columns++;
    return HEED_OK;
}

static heed_err add_named(hd_step *step, const json_t *name, const hd_table *table,
                          hd_arena *arena) {
    const char *text = json_string_value(name);
    const hd_column *column = text ? hd_table_find(table, text) : NULL;
    if (!column) {
        return HD_FAIL(HEED_INPUT, "step %s: there is no column '%s'", "步骤 %s：没有名为“%s”的列",
                       step->kind->name, text ? text : "");
    }
    if (!(step->kind->types & 1u << column->type)) {
        return HD_FAIL(HEED_INPUT, "step %s doesn't take column '%s': it is of another type",
                       "步骤 %s 不适用于列“%s”：数据类型不符", step->kind->name, text);
    }
    for (size_t i = 0; i < step->n_columns; i++) {
        if (strcmp(step->columns[i], text) == 0) {
            return HD_FAIL(HEED_INPUT, "step %s names column '%s' twice", "步骤 %s 重复使用列“%s”",
                           step->kind->name, text);
        }
    }
    return add_column(step, column, arena);
}

// The columns a step names, or all that fit.
static heed_err read_columns(hd_step *step, const json_t *spec, const hd_table *table,
                             hd_arena *arena) {
    const json_t *names = json_object_get(spec, "columns"), *not = json_object_get(spec, "except");
    if ((names && !json_is_array(names)) || (not &&!json_is_array(not ))) {
        return HD_FAIL(HEED_INPUT, "step %s: 'columns' and 'except' are lists of names",
                       "步骤 %s：“columns”和“except”应为列名列表", step->kind->name);
    }
    size_t most = names ? json_array_size(names) : table->n_cols;
    step->columns = hd_arena_calloc(arena, most, sizeof *step->columns);
    step->types = hd_arena_calloc(arena, most, sizeof *step->types);
    if (!step->columns || !step->types) return HD_FAIL_MEMORY(most * sizeof *step->columns);
    for (size_t i = 0; i < most; i++) {
        if (names) {
            HD_TRY(add_named(step, json_array_get(names, i), table, arena));
        } else if ((step->kind->types & 1u << table->cols[i].type) &&
                   !in_list(not, table->cols[i].name)) {
            HD_TRY(add_column(step, &table->cols[i], arena));
        }
    }
    return HEED_OK;
}

// ── Applying ──

static heed_err check_columns(const hd_step *step, const hd_table *table) {
    for (size_t i = 0; i < step->n_columns; i++) {
        const hd_column *column = hd_table_find(table, step->columns[i]);
        if (!column) {
            return HD_FAIL(HEED_INPUT, "column '%s' is missing: the training data had it",
                           "缺少列“%s”：训练数据中有该列", step->columns[i]);
        }
        if (column->type != step->types[i]) {
            return HD_FAIL(HEED_INPUT, "column '%s' is of another type than in the training data",
                           "列“%s”的数据类型与训练数据不同", step->columns[i]);
        }
    }
    return HEED_OK;
}

static heed_err start_report(const hd_step *step, json_t *report, json_t **out) {
    *out = NULL;
    if (!report) return HEED_OK;
    HD_TRY(hd_json_pack(out, "{s:s}", "step", step->kind->name));
    HD_TRY(hd_json_append(report, *out));
    if (step->kind->whole) return HEED_OK;
    return hd_json_set(*out, "column", json_string(step->columns[0]));
}

static heed_err apply_step(const hd_step *step, hd_table *table, bool keep_rows, json_t *report) {
    hd_step_target target = {.table = table, .keep_rows = keep_rows};
    HD_TRY(check_columns(step, table));
    HD_TRY(start_report(step, report, &target.report));
    return step->kind->apply(step, &target);
}

heed_err hd_pipeline_apply(const hd_pipeline *pipeline, hd_table *table, bool keep_rows,
                           json_t *report) {
    for (size_t i = 0; i < pipeline->n; i++) {
        HD_TRY(apply_step(&pipeline->steps[i], table, keep_rows, report));
    }
    return HEED_OK;
}

// ── Fitting ──

static heed_err check_finite(const hd_step *step) {
    for (size_t i = 0; i < step->n_values; i++) {
        if (!isfinite(step->values[i])) {
            return HD_FAIL(HEED_INPUT, "step %s: the values of column '%s' are too large",
                           "步骤 %s：列“%s”的值过大", step->kind->name,
                           step->n_columns > 0 ? step->columns[0] : "");
        }
    }
    return HEED_OK;
}

// Fits one step on the table and applies it.
static heed_err fit_one(hd_pipeline *p, hd_step step, uint64_t seed, hd_table *table,
                        json_t *report) {
    // Each step draws from a stream of its own: adding one doesn't change what others learn.
    uint64_t step_seed = hd_rng_at(seed, 0x57e9, p->n);
    if (step.kind->fit) HD_TRY(step.kind->fit(&step, table, step_seed, &p->arena));
    HD_TRY(check_finite(&step));
    HD_TRY(hd_grow(&p->steps, &p->cap, p->n + 1, sizeof *p->steps));
    p->steps[p->n++] = step;
    return apply_step(&step, table, false, report);
}

static heed_err fit_spec(hd_pipeline *p, const json_t *spec, uint64_t seed, hd_table *table,
                         json_t *report) {
    hd_step step = {0};
    HD_TRY(find_kind(spec, &step.kind));
    HD_TRY(check_keys(step.kind, spec));
    for (size_t i = 0; i < step.kind->n_params; i++) HD_TRY(read_param(&step, i, spec, &p->arena));
    HD_TRY(read_columns(&step, spec, table, &p->arena));
    if (step.kind->whole) return fit_one(p, step, seed, table, report);
    for (size_t i = 0; i < step.n_columns; i++) {
        hd_step one = step;
        one.columns = step.columns + i;
        one.types = step.types + i;
        one.n_columns = 1;
        HD_TRY(fit_one(p, one, seed, table, report));
    }
    return HEED_OK;
}

heed_err hd_pipeline_fit(const json_t *steps, uint64_t seed, hd_table *table, json_t *report,
                         hd_pipeline **out) {
    *out = NULL;
    if (!json_is_array(steps)) {
        return HD_FAIL(HEED_INPUT, "the steps of a preparation are a list", "预处理步骤应为列表");
    }
    hd_pipeline *p;
    HD_TRY(hd_pipeline_new(&p));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < json_array_size(steps); i++) {
        err = fit_spec(p, json_array_get(steps, i), seed, table, report);
    }
    if (err != HEED_OK) {
        hd_pipeline_free(p);
        return err;
    }
    *out = p;
    return HEED_OK;
}
