// SPDX-License-Identifier: Apache-2.0
//
// Tables: rows of named columns. A column is numbers when every training cell that isn't missing
// reads as one, else categories; the steps of `prepare:` (prepare/pipeline.h) fill, scale and
// encode; what is left, all of it numbers, is a sample's x.
//
// `features:` are other steps, for classical models; without them these see what the network sees.
// Rows are never dropped, not in training either: labels belong to them, and whoever asks for a
// prediction is owed one. A step that would drop rows only leaves them out of what later steps
// learn.
#include <math.h>

#include "base/mem.h"
#include "prepare/pipeline.h"
#include "recipe/augment.h"
#include "recipe/inputs.h"

typedef struct table_options {
    const json_t *categories, *numbers;
    hd_ints shape;
} table_options;

static const hd_option rows[] = {
    {.name = "categories",
     .type = HD_OPTION_JSON,
     .at = offsetof(table_options, categories),
     .doc = HD_TEXT("columns that are categories though they look like numbers",
                    "看似数值、实为类别的列")},
    {.name = "numbers",
     .type = HD_OPTION_JSON,
     .at = offsetof(table_options, numbers),
     .doc = HD_TEXT("columns whose cells must all be numbers", "必须全为数值的列")},
    {.name = "shape",
     .type = HD_OPTION_INTS,
     .at = offsetof(table_options, shape),
     .min = 1,
     .max = 1 << 24,
     .doc = HD_TEXT("of a sample as the network sees it, in place of one row of numbers: [20, 1]",
                    "样本在网络中的形状，代替一行数值：[20, 1]")},
    {.name = NULL}};

// What was learned.
typedef struct table_column {
    const char *name;
    hd_column_type type;
} table_column;

typedef struct table {
    table_column *columns; // (n_columns)
    size_t n_columns;
    hd_pipeline *prepare, *features; // features NULL: as prepare
    size_t width;                    // of x
    hd_ints shape;                   // n 0: (width)
    hd_arena arena;
} table;

static void table_free(void *fitted) {
    table *t = fitted;
    if (!t) return;
    hd_pipeline_free(t->prepare);
    hd_pipeline_free(t->features);
    hd_arena_clear(&t->arena);
    hd_free(t);
}

// ── Which columns, and what they are ──

static bool named(const char *const *names, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

static heed_err is_number(const hd_rows *from, const hd_rows_column *column, bool *out) {
    char en[160], zh[160];
    hd_snprintf(en, sizeof en, "that these are no numbers ('categories: [%.80s]')", column->name);
    hd_snprintf(zh, sizeof zh, "声明该列为类别（“categories: [%.80s]”）", column->name);
    return hd_rows_all_numbers(from, column, (hd_text){en, zh}, out);
}

static heed_err choose_columns(const hd_input_fit *in, table *t) {
    const table_options *options = in->options;
    const char *const *categories, *const *numbers;
    size_t n_categories, n_numbers;
    hd_where where = {.spec = in->prepare_where.spec};
    HD_TRY(hd_input_texts(options->categories, &where, &t->arena, &categories, &n_categories));
    HD_TRY(hd_input_texts(options->numbers, &where, &t->arena, &numbers, &n_numbers));
    hd_rows_column *found;
    for (size_t i = 0; i < n_categories; i++)
        HD_TRY(hd_input_need(in, "data.table.categories", categories[i], &found));
    for (size_t i = 0; i < n_numbers; i++)
        HD_TRY(hd_input_need(in, "data.table.numbers", numbers[i], &found));
    t->columns = hd_arena_calloc(&t->arena, in->rows->n_columns + 1, sizeof *t->columns);
    if (!t->columns) return HD_FAIL_MEMORY(0);
    for (size_t c = 0; c < in->rows->n_columns; c++) {
        const hd_rows_column *column = &in->rows->columns[c];
        if (named(in->hidden, in->n_hidden, column->name)) continue;
        bool number = named(numbers, n_numbers, column->name);
        if (!number && !named(categories, n_categories, column->name))
            HD_TRY(is_number(in->rows, column, &number));
        char *name = hd_arena_strdup(&t->arena, column->name);
        if (!name) return HD_FAIL_MEMORY(0);
        t->columns[t->n_columns++] =
            (table_column){name, number ? HD_COLUMN_F64 : HD_COLUMN_CATEGORY};
    }
    return t->n_columns > 0 ? HEED_OK
                            : HD_FAIL(HEED_INPUT, "the data has no column besides the target",
                                      "数据除目标列外没有其他列");
}

// ── From rows to a table ──

static heed_err fill_column(const hd_rows *from, const hd_rows_column *column, hd_column *to) {
    for (size_t i = from->first; i < from->n; i++) {
        hd_slice cell = column->cells[i];
        size_t row = i - from->first;
        if (!cell.p) continue;
        if (to->type == HD_COLUMN_CATEGORY) {
            HD_TRY(hd_column_set_category(to, row, cell));
        } else if (!hd_slice_f64(cell, &to->f64[row])) {
            hd_rows_words place = hd_rows_place(from, i);
            return HD_FAIL(
                HEED_INPUT,
                "%1$s: column '%2$s': '%4$.*3$s' is not a number; if it stands for "
                "nothing, name it under 'missing' or leave the cell empty",
                "%1$s：列“%2$s”：“%4$.*3$s”不是数值；若表示缺失，请在“missing”中列出或留空",
                place.text, column->name, (int)(cell.n < 60 ? cell.n : 60), cell.p);
        }
    }
    return HEED_OK;
}

static heed_err make_table(const table *t, const hd_rows *from, hd_table *out) {
    HD_TRY(hd_table_add_rows(out, from->n - from->first));
    for (size_t c = 0; c < t->n_columns; c++) {
        hd_column *to;
        const hd_rows_column *column = hd_rows_find(from, t->columns[c].name);
        if (!column) {
            hd_rows_words place = hd_rows_place(from, from->first);
            return HD_FAIL(HEED_INPUT, "%s: column '%s' is missing: the training rows had it",
                           "%s：缺少列“%s”：训练数据中有该列", place.text, t->columns[c].name);
        }
        if (column->kind != HD_ROWS_TEXT) {
            return HD_FAIL(HEED_INPUT, "column '%s' holds images", "列“%s”是图像",
                           t->columns[c].name);
        }
        HD_TRY(hd_table_add_column(out, t->columns[c].name, t->columns[c].type, &to));
        HD_TRY(fill_column(from, column, to));
    }
    return HEED_OK;
}

// ── From a prepared table to numbers ──

static heed_err not_finite(const hd_rows *from, size_t row, const char *name, double value) {
    hd_rows_words place = hd_rows_place(from, from->first + row);
    if (!isnan(value)) {
        return HD_FAIL(HEED_INPUT,
                       "%s: column '%s' is %g after 'prepare', more than a float holds: mend the "
                       "row, or cut such values with outlier_iqr",
                       "%s：列“%s”经“prepare”后为 %g，超出 float 的范围：请修正该行，或用 "
                       "outlier_iqr 处理",
                       place.text, name, value);
    }
    return HD_FAIL(HEED_INPUT,
                   "%s: column '%s' is missing, and no step of 'prepare' fills it: add fill_median "
                   "or fill_mean",
                   "%s：列“%s”缺失，且“prepare”中没有步骤填补：请加入 fill_median 或 fill_mean",
                   place.text, name);
}

static heed_err not_numbers(const char *name) {
    return HD_FAIL(
        HEED_INPUT,
        "column '%s' is categories, and no step of 'prepare' encodes it: add one_hot, or "
        "leave the column out with 'drop'",
        "列“%s”为类别，而“prepare”中没有步骤对其编码：请加入 one_hot，或用“drop”去掉该列", name);
}

static heed_err to_matrix(const hd_rows *from, const hd_table *made, hd_matrix *out) {
    for (size_t c = 0; c < made->n_cols; c++) {
        if (made->cols[c].type != HD_COLUMN_F64) return not_numbers(made->cols[c].name);
    }
    HD_TRY(hd_matrix_dense(made->n_rows, made->n_cols, out));
    for (size_t c = 0; c < made->n_cols; c++) {
        for (size_t i = 0; i < made->n_rows; i++) {
            float value = (float)made->cols[c].f64[i];
            if (!isfinite(value))
                return not_finite(from, i, made->cols[c].name, made->cols[c].f64[i]);
            out->dense[i * made->n_cols + c] = value;
        }
    }
    return HEED_OK;
}

static heed_err run_steps(const table *t, const hd_pipeline *steps, const hd_rows *from,
                          hd_matrix *out) {
    hd_table made;
    hd_table_init(&made);
    heed_err err = make_table(t, from, &made);
    if (err == HEED_OK) err = hd_pipeline_apply(steps, &made, true, NULL);
    if (err == HEED_OK) err = to_matrix(from, &made, out);
    hd_table_clear(&made);
    if (err != HEED_OK) hd_matrix_clear(out);
    return err;
}

static heed_err not_fitting(size_t m, size_t width) {
    return HD_FAIL(HEED_CORRUPT, "the preparation makes %zu columns where %zu were learned",
                   "数据准备得到 %zu 列，而训练时为 %zu 列", m, width);
}

static heed_err table_apply(const void *fitted, const hd_rows *from, unsigned wanted,
                            hd_samples *out) {
    const table *t = fitted;
    hd_matrix x = {.n = 0};
    *out = (hd_samples){.n = from->n - from->first};
    bool shared = !t->features;
    heed_err err = HEED_OK;
    if ((wanted & HD_WANT_INPUTS) || ((wanted & HD_WANT_FEATURES) && shared))
        err = run_steps(t, t->prepare, from, &x);
    if (err == HEED_OK && x.dense && x.m != t->width) err = not_fitting(x.m, t->width);
    if (err == HEED_OK && (wanted & HD_WANT_FEATURES)) {
        if (!shared) {
            err = run_steps(t, t->features, from, &out->features);
        } else if (wanted & HD_WANT_INPUTS) {
            err = hd_matrix_dense(x.n, x.m, &out->features);
            if (err == HEED_OK && x.n > 0)
                memcpy(out->features.dense, x.dense, x.n * x.m * sizeof *x.dense);
        } else {
            out->features = x;
            x = (hd_matrix){.n = 0};
        }
    }
    if (err == HEED_OK && (wanted & HD_WANT_INPUTS)) {
        hd_data_column *column = &out->inputs[0];
        *column = (hd_data_column){
            .field = {.name = "x", .role = HD_ROLE_INPUT, .dtype = HD_F32, .n_dims = 1},
            .dtype = HD_F32,
            .data = x.dense,
            .own = true};
        column->field.shape[0] = x.m;
        if (t->shape.n > 0) column->field.n_dims = (int)t->shape.n;
        for (size_t i = 0; i < t->shape.n; i++) column->field.shape[i] = (size_t)t->shape.at[i];
        out->n_inputs = 1;
        x.own = false;
    }
    if (x.own) hd_matrix_clear(&x);
    if (err != HEED_OK) hd_input_samples_clear(out);
    return err;
}

// ── Fitting ──

// `scale_zscore` and `fill_median: {columns: [age]}` as the pipeline has them.
static heed_err take_step(const json_t *item, const hd_where *where, json_t *steps) {
    json_t *step = NULL;
    const char *name = json_string_value(item);
    const json_t *params = NULL;
    if (json_is_object(item) && json_object_size(item) == 1) {
        void *iter = json_object_iter((json_t *)(uintptr_t)item);
        name = json_object_iter_key(iter);
        params = json_object_iter_value(iter);
    }
    if (!name || (params && !json_is_object(params) && !json_is_null(params))) {
        hd_where_words place = hd_where_text(where);
        return HD_FAIL(HEED_INPUT,
                       "%s: a step is its name, or its name with parameters: "
                       "'fill_median: {columns: [age]}'",
                       "%s：步骤应为名称，或名称加参数：“fill_median: {columns: [age]}”",
                       place.text);
    }
    HD_TRY(hd_json_pack(&step, "{s:s}", "step", name));
    if (json_is_object(params) && json_object_update((json_t *)step, (json_t *)(uintptr_t)params)) {
        json_decref(step);
        return HD_FAIL_MEMORY(0);
    }
    return hd_json_append(steps, step);
}

// Without `prepare:`, what most tables want.
static heed_err usual_steps(json_t *steps) {
    static const char *const usual[] = {"fill_median", "fill_mode", "one_hot", "scale_zscore"};
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        json_t *step = NULL;
        HD_TRY(hd_json_pack(&step, "{s:s}", "step", usual[i]));
        HD_TRY(hd_json_append(steps, step));
    }
    return HEED_OK;
}

static heed_err take_steps(const json_t *list, const hd_where *where, json_t **out) {
    *out = json_array();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    if (!list) {
        err = usual_steps(*out);
    } else if (!json_is_array(list)) {
        hd_where_words place = hd_where_text(where);
        err = HD_FAIL(HEED_INPUT, "%s: must be a list of steps", "%s：应为步骤的列表", place.text);
    }
    for (size_t i = 0; err == HEED_OK && i < json_array_size(list); i++) {
        hd_where at = hd_where_at(where, i);
        err = take_step(json_array_get(list, i), &at, *out);
    }
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err fit_steps(const hd_input_fit *in, const table *t, const json_t *list,
                          const hd_where *where, size_t *width, hd_pipeline **out) {
    json_t *steps;
    hd_table made;
    hd_table_init(&made);
    HD_TRY(take_steps(list, where, &steps));
    heed_err err = make_table(t, in->rows, &made);
    if (err == HEED_OK) {
        err = hd_pipeline_fit(steps, in->seed, &made, NULL, out);
        if (err == HEED_INPUT) {
            hd_where_words place = hd_where_text(where);
            err = hd_error_prefix(err, "%s", "%s", place.text);
        }
    }
    *width = made.n_cols;
    json_decref(steps);
    hd_table_clear(&made);
    return err;
}

static heed_err check_shape(const hd_ints *shape, size_t width) {
    size_t count = 1;
    if (shape->n == 0) return HEED_OK;
    for (size_t i = 0; i < shape->n; i++) count *= (size_t)shape->at[i];
    if (count == width && shape->n < HD_FIELD_DIMS) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "data.table.shape holds %zu values, and a prepared row has %zu columns",
                   "data.table.shape 含 %zu 个值，而准备好的一行有 %zu 列", count, width);
}

static heed_err table_fit(const hd_input_fit *in, void **out) {
    table *t = hd_calloc(1, sizeof *t);
    size_t other;
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    hd_arena_init(&t->arena);
    t->shape = ((const table_options *)in->options)->shape;
    heed_err err = choose_columns(in, t);
    if (err == HEED_OK)
        err = fit_steps(in, t, in->prepare, &in->prepare_where, &t->width, &t->prepare);
    if (err == HEED_OK && in->features)
        err = fit_steps(in, t, in->features, &in->features_where, &other, &t->features);
    if (err == HEED_OK) err = check_shape(&t->shape, t->width);
    if (err != HEED_OK) {
        table_free(t);
        return err;
    }
    *out = t;
    return HEED_OK;
}

// ── To and from JSON ──

static heed_err add_steps(json_t *json, const char *key, const hd_pipeline *steps) {
    json_t *value;
    HD_TRY(hd_pipeline_json(steps, &value));
    return hd_json_set(json, key, value);
}

static heed_err write_table(const table *t, json_t *json) {
    json_t *columns = json_array(), *shape = json_array();
    heed_err err = hd_json_set(json, "columns", columns);
    heed_err err2 = hd_json_set(json, "shape", shape);
    if (err == HEED_OK) err = err2;
    for (size_t c = 0; err == HEED_OK && c < t->n_columns; c++) {
        json_t *column = NULL;
        bool number = t->columns[c].type == HD_COLUMN_F64;
        err = hd_json_pack(&column, "{s:s, s:s}", "name", t->columns[c].name, "type",
                           number ? "number" : "category");
        if (err == HEED_OK) err = hd_json_append(columns, column);
    }
    for (size_t i = 0; err == HEED_OK && i < t->shape.n; i++) {
        err = hd_json_append(shape, json_integer(t->shape.at[i]));
    }
    if (err == HEED_OK) err = hd_json_set(json, "width", json_integer((json_int_t)t->width));
    if (err == HEED_OK) err = add_steps(json, "prepare", t->prepare);
    if (err == HEED_OK && t->features) err = add_steps(json, "features", t->features);
    return err;
}

static heed_err table_to_json(const void *fitted, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = write_table(fitted, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err damaged(const char *name) {
    return HD_FAIL(HEED_CORRUPT, "%s: the preparation is damaged", "%s：数据准备信息已损坏", name);
}

static heed_err read_columns(const json_t *columns, const char *name, table *t) {
    size_t n = json_array_size(columns);
    if (n == 0 || n > HD_ROWS_COLUMNS) return damaged(name);
    t->columns = hd_arena_calloc(&t->arena, n, sizeof *t->columns);
    if (!t->columns) return HD_FAIL_MEMORY(0);
    for (size_t c = 0; c < n; c++) {
        const json_t *column = json_array_get(columns, c);
        const char *text = json_string_value(json_object_get(column, "name"));
        const char *type = json_string_value(json_object_get(column, "type"));
        if (!text || !type) return damaged(name);
        t->columns[c].name = hd_arena_strdup(&t->arena, text);
        t->columns[c].type = strcmp(type, "number") == 0 ? HD_COLUMN_F64 : HD_COLUMN_CATEGORY;
        if (!t->columns[c].name) return HD_FAIL_MEMORY(0);
    }
    t->n_columns = n;
    return HEED_OK;
}

static heed_err read_shape(const json_t *shape, const char *name, table *t) {
    t->shape.n = json_array_size(shape);
    if (t->shape.n >= HD_FIELD_DIMS) return damaged(name);
    for (size_t i = 0; i < t->shape.n; i++) {
        t->shape.at[i] = json_integer_value(json_array_get(shape, i));
        if (t->shape.at[i] < 1 || t->shape.at[i] > 1 << 24) return damaged(name);
    }
    return check_shape(&t->shape, t->width) == HEED_OK ? HEED_OK : damaged(name);
}

static heed_err read_table(const json_t *json, const char *name, table *t) {
    const json_t *features = json_object_get(json, "features");
    json_int_t width = json_integer_value(json_object_get(json, "width"));
    if (width < 1 || width > (json_int_t)HD_ROWS_COLUMNS * 16) return damaged(name);
    t->width = (size_t)width;
    HD_TRY(read_columns(json_object_get(json, "columns"), name, t));
    HD_TRY(read_shape(json_object_get(json, "shape"), name, t));
    HD_TRY(hd_pipeline_from_json(json_object_get(json, "prepare"), name, &t->prepare));
    return features ? hd_pipeline_from_json(features, name, &t->features) : HEED_OK;
}

static heed_err table_from_json(const json_t *json, const char *name, void **out) {
    table *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    hd_arena_init(&t->arena);
    heed_err err = read_table(json, name, t);
    if (err != HEED_OK) {
        table_free(t);
        return err;
    }
    *out = t;
    return HEED_OK;
}

// ── For a reader's eyes ──

static heed_err table_show(const void *fitted, const hd_rows *from, size_t sample, size_t row,
                           json_t **out) {
    (void)sample;
    const table *t = fitted;
    json_t *fields = json_object();
    heed_err err = fields ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t c = 0; err == HEED_OK && c < t->n_columns; c++) {
        const hd_rows_column *column = hd_rows_find(from, t->columns[c].name);
        if (!column || !column->cells[row].p) continue;
        err = hd_json_set(fields, column->name,
                          json_stringn(column->cells[row].p, column->cells[row].n));
    }
    if (err != HEED_OK) {
        json_decref(fields);
        return err;
    }
    return hd_json_pack(out, "{s:o}", "fields", fields);
}

// A sample of two dimensions is a series: steps, then columns.
static heed_err table_augment(const void *fitted, const json_t *list, const hd_where *where,
                              const hd_input_env *env, hd_data *data, hd_data **out) {
    (void)env;
    const table *t = fitted;
    hd_augment_of of = t->shape.n == 2 ? HD_AUGMENT_SERIES : HD_AUGMENT_ROW;
    return hd_augment_data(data, list, where, of, false, NULL, out);
}

const hd_input_kind hd_input_table = {
    .kind = {.name = "table",
             .size = sizeof(table_options),
             .options = rows,
             .doc = HD_TEXT("rows of named columns: CSV, TSV or JSON lines",
                            "由命名列组成的行：CSV、TSV 或 JSON 行")},
    .fit = table_fit,
    .apply = table_apply,
    .to_json = table_to_json,
    .from_json = table_from_json,
    .free = table_free,
    .show = table_show,
    .augment = table_augment,
};
