// SPDX-License-Identifier: Apache-2.0
//
// Classes are the distinct texts of the target column in the training rows, in the order of their
// numbers where all are numbers, else of their bytes: the order doesn't depend on the rows' order.
// Of two classes the second is the positive one ("0" < "1", "no" < "yes").
#include "recipe/target.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum { MOST_CLASSES = 65536 };

void hd_target_init(hd_target *target) {
    *target = (hd_target){.k = 0};
    hd_map_init(&target->by_name);
    hd_arena_init(&target->arena);
}

void hd_target_clear(hd_target *target) {
    json_decref((json_t *)(uintptr_t)target->rename);
    hd_map_clear(&target->by_name);
    hd_arena_clear(&target->arena);
    hd_target_init(target);
}

// ── A class's name from a cell ──

static hd_slice class_of(const hd_target *t, hd_slice cell) {
    hd_slice text = hd_slice_trim(cell);
    if (t->until && text.n > 0) {
        const char *end = memmem(text.p, text.n, t->until, strlen(t->until));
        if (end) text.n = (size_t)(end - text.p);
    }
    if (t->rename && text.n < 1024) {
        char name[1024];
        memcpy(name, text.p, text.n);
        name[text.n] = '\0';
        const char *other = json_string_value(json_object_get(t->rename, name));
        if (other) text = hd_slice_of(other);
    }
    return text;
}

static heed_err missing(const hd_rows *rows, size_t row, const char *column) {
    hd_rows_words place = hd_rows_place(rows, row);
    return HD_FAIL(HEED_INPUT, "%s: the target '%s' is missing; leave the row out of the file",
                   "%s：目标列“%s”缺失；请从文件中去掉该行", place.text, column);
}

// ── Classes ──

typedef struct class_name {
    const char *text;
    double number;
} class_name;

static int by_text(const void *a, const void *b) {
    return strcmp(((const class_name *)a)->text, ((const class_name *)b)->text);
}

static int by_number(const void *a, const void *b) {
    const class_name *x = a, *y = b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return strcmp(x->text, y->text);
}

static heed_err set_names(hd_target *t, class_name *found, size_t n) {
    bool numbers = true;
    for (size_t i = 0; i < n; i++) {
        numbers = hd_slice_f64(hd_slice_of(found[i].text), &found[i].number) && numbers;
    }
    qsort(found, n, sizeof *found, numbers ? by_number : by_text);
    t->names = hd_arena_calloc(&t->arena, n, sizeof *t->names);
    if (!t->names) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < n; i++) {
        t->names[i] = hd_arena_strdup(&t->arena, found[i].text);
        if (!t->names[i]) return HD_FAIL_MEMORY(0);
        HD_TRY(hd_map_put(&t->by_name, t->names[i], strlen(t->names[i]), i));
    }
    t->k = n;
    return HEED_OK;
}

static heed_err gather_classes(const hd_target *t, const hd_rows *rows, hd_map *seen) {
    hd_rows_column *column;
    HD_TRY(hd_rows_need(rows, t->columns[0], &column));
    for (size_t i = rows->first; i < rows->n; i++) {
        bool added;
        uint64_t *count;
        if (!column->cells[i].p) return missing(rows, i, column->name);
        hd_slice name = class_of(t, column->cells[i]);
        HD_TRY(hd_map_slot(seen, name.p, name.n, 0, &count, &added));
        if (seen->count <= MOST_CLASSES) continue;
        return HD_FAIL(HEED_INPUT,
                       "column '%s' has more than %d different values: is it a number? then the "
                       "task is 'values'",
                       "列“%s”有超过 %d 个不同的值：若为数值，任务应为“values”", column->name,
                       MOST_CLASSES);
    }
    return HEED_OK;
}

static heed_err fit_classes(hd_target *t, const hd_rows *rows) {
    hd_map seen;
    hd_map_init(&seen);
    heed_err err = gather_classes(t, rows, &seen);
    if (err == HEED_OK && seen.count < 2) {
        err = HD_FAIL(HEED_INPUT,
                      "the training rows have one class only in column '%s' ('%s'): there is "
                      "nothing to tell apart",
                      "训练数据的“%s”列只有一个类别（“%s”）：没有可区分的内容", t->columns[0],
                      seen.count > 0 ? seen.entries[0].key : "");
    }
    class_name *found = hd_calloc(seen.count + 1, sizeof *found);
    if (err == HEED_OK && !found) err = HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < seen.count; i++) found[i].text = seen.entries[i].key;
    if (err == HEED_OK) err = set_names(t, found, seen.count);
    hd_free(found);
    hd_map_clear(&seen);
    return err;
}

// Classes that are all numbers, and many: the task is another one.
static bool are_numbers(const hd_target *t) {
    enum { MANY = 20 };
    double number;
    size_t c = 0;
    while (c < t->k && hd_slice_f64(hd_slice_of(t->names[c]), &number)) c++;
    return c == t->k && c > MANY;
}

static heed_err unknown_class(const hd_target *t, const hd_rows *rows, size_t row, hd_slice name) {
    const hd_rows_words place = hd_rows_place(rows, row);
    const bool numbers = are_numbers(t);
    return HD_FAIL(HEED_INPUT,
                   "%1$s: class '%3$.*2$s' is in no training row: mend it, leave the row out, or, "
                   "where the split took its few rows, give more of them%4$s%5$.0s",
                   "%1$s：类别“%3$.*2$s”在训练数据中没有出现：请改正或去掉该行；若因划分而分走了"
                   "仅有的几行，请增加该类的数据%5$s%4$.0s",
                   place.text, (int)(name.n < 80 ? name.n : 80), name.p,
                   numbers ? "; the classes are all numbers: to predict a number say 'task: values'"
                           : "",
                   numbers ? "；各类别均为数值：若要预测数值，请写“task: values”" : "");
}

heed_err hd_target_labels(const hd_target *t, const hd_rows *rows, int32_t **out) {
    hd_rows_column *column;
    HD_TRY(hd_rows_need(rows, t->columns[0], &column));
    int32_t *labels = hd_calloc(rows->n - rows->first + 1, sizeof *labels);
    if (!labels) return HD_FAIL_MEMORY(rows->n * sizeof *labels);
    heed_err err = HEED_OK;
    for (size_t i = rows->first; err == HEED_OK && i < rows->n; i++) {
        uint64_t label;
        hd_slice name = column->cells[i].p ? class_of(t, column->cells[i]) : (hd_slice){NULL, 0};
        if (!name.p) {
            err = missing(rows, i, column->name);
        } else if (hd_map_get(&t->by_name, name.p, name.n, &label)) {
            labels[i - rows->first] = (int32_t)label;
        } else {
            err = unknown_class(t, rows, i, name);
        }
    }
    if (err != HEED_OK) {
        hd_free(labels);
        return err;
    }
    *out = labels;
    return HEED_OK;
}

// ── Values ──

heed_err hd_target_values(const hd_target *t, const hd_rows *rows, float **out) {
    size_t n = rows->n - rows->first;
    float *values = hd_calloc(n * t->k + 1, sizeof *values);
    heed_err err = values ? HEED_OK : HD_FAIL_MEMORY(n * t->k * sizeof *values);
    for (size_t c = 0; err == HEED_OK && c < t->k; c++) {
        hd_rows_column *column;
        err = hd_rows_need(rows, t->columns[c], &column);
        for (size_t i = 0; err == HEED_OK && i < n; i++) {
            double value;
            hd_slice cell = column->cells[rows->first + i];
            if (!cell.p) {
                err = missing(rows, rows->first + i, column->name);
            } else if (!hd_slice_f64(hd_slice_trim(cell), &value) || fabs(value) > 1e30) {
                hd_rows_words place = hd_rows_place(rows, rows->first + i);
                err = HD_FAIL(HEED_INPUT, "%1$s: target '%2$s': '%4$.*3$s' is not a number",
                              "%1$s：目标列“%2$s”：“%4$.*3$s”不是数值", place.text, column->name,
                              (int)(cell.n < 60 ? cell.n : 60), cell.p);
            } else {
                values[i * t->k + c] = (float)value;
            }
        }
    }
    if (err != HEED_OK) {
        hd_free(values);
        return err;
    }
    *out = values;
    return HEED_OK;
}

static heed_err fit_scale(hd_target *t, const hd_rows *rows) {
    float *values;
    size_t n = rows->n - rows->first;
    t->mean = hd_arena_calloc(&t->arena, t->k, sizeof *t->mean);
    t->deviation = hd_arena_calloc(&t->arena, t->k, sizeof *t->deviation);
    if (!t->mean || !t->deviation) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_target_values(t, rows, &values));
    for (size_t c = 0; c < t->k; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += (double)values[i * t->k + c];
        double mean = n > 0 ? sum / (double)n : 0;
        for (size_t i = 0; i < n; i++) {
            double d = (double)values[i * t->k + c] - mean;
            squares += d * d;
        }
        double deviation = n > 0 ? sqrt(squares / (double)n) : 0;
        t->mean[c] = mean;
        t->deviation[c] = deviation > 0 ? deviation : 1;
    }
    hd_free(values);
    return HEED_OK;
}

void hd_target_scale(const hd_target *t, float *values, size_t n) {
    for (size_t i = 0; t->scaled && i < n * t->k; i++) {
        size_t c = i % t->k;
        values[i] = (float)(((double)values[i] - t->mean[c]) / t->deviation[c]);
    }
}

void hd_target_unscale(const hd_target *t, float *values, size_t n) {
    for (size_t i = 0; t->scaled && i < n * t->k; i++) {
        size_t c = i % t->k;
        values[i] = (float)((double)values[i] * t->deviation[c] + t->mean[c]);
    }
}

// ── Both ──

static heed_err take_columns(const hd_recipe *recipe, hd_target *t) {
    const hd_input_common *common = recipe->input.common;
    const hd_input_kind *kind = hd_recipe_input(recipe);
    const char *const *names;
    hd_where where = hd_where_key(&recipe->input.where, "target");
    HD_TRY(hd_input_texts(common->target, &where, &t->arena, &names, &t->n_columns));
    if (t->n_columns == 0 && kind->label) {
        names = &kind->label;
        t->n_columns = 1;
    }
    if (t->n_columns == 0)
        return HD_FAIL(HEED_INPUT, "say which column is predicted: 'target: name'",
                       "请指明要预测的列：“target: 列名”");
    t->columns = hd_arena_calloc(&t->arena, t->n_columns, sizeof *t->columns);
    if (!t->columns) return HD_FAIL_MEMORY(0);
    for (size_t c = 0; c < t->n_columns; c++) {
        t->columns[c] = hd_arena_strdup(&t->arena, names[c]);
        if (!t->columns[c]) return HD_FAIL_MEMORY(0);
    }
    if (common->until && *common->until) {
        t->until = hd_arena_strdup(&t->arena, common->until);
        if (!t->until) return HD_FAIL_MEMORY(0);
    }
    t->rename = json_incref((json_t *)(uintptr_t)common->rename);
    if (t->n_columns == 1 || t->task != HD_RECIPE_CLASSES) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "classes are read from one column, not %zu",
                   "类别只能取自一列，而不是 %zu 列", t->n_columns);
}

heed_err hd_target_fit(const hd_recipe *recipe, const hd_rows *rows, hd_target *out) {
    out->task = recipe->task;
    HD_TRY(take_columns(recipe, out));
    if (rows->n == rows->first)
        return HD_FAIL(HEED_INPUT, "there are no training rows", "没有训练数据");
    if (out->task == HD_RECIPE_CLASSES) return fit_classes(out, rows);
    out->k = out->n_columns;
    out->names = out->columns;
    out->scaled = recipe->scale_target && strcmp(recipe->scale_target, "standard") == 0;
    return out->scaled ? fit_scale(out, rows) : HEED_OK;
}

heed_err hd_target_fit_own(const hd_recipe *recipe, size_t k,
                           void (*name)(const void *fitted, size_t i, char out[128]),
                           const void *fitted, hd_target *out) {
    out->task = recipe->task;
    out->k = k;
    out->names = hd_arena_calloc(&out->arena, k + 1, sizeof *out->names);
    if (!out->names) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < k; i++) {
        char text[128];
        hd_snprintf(text, sizeof text, "%zu", i + 1);
        if (name) name(fitted, i, text);
        out->names[i] = hd_arena_strdup(&out->arena, text);
        if (!out->names[i]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

// ── To and from JSON ──

static const char *const task_words[] = {"classes", "values", "language"};

static heed_err add_texts(json_t *json, const char *key, const char *const *texts, size_t n) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(json, key, list));
    for (size_t i = 0; i < n; i++) HD_TRY(hd_json_append(list, json_string(texts[i])));
    return HEED_OK;
}

static heed_err add_numbers(json_t *json, const char *key, const double *values, size_t n) {
    json_t *list = json_array();
    HD_TRY(hd_json_set(json, key, list));
    for (size_t i = 0; i < n; i++) HD_TRY(hd_json_append(list, hd_json_real(values[i])));
    return HEED_OK;
}

static heed_err write_target(const hd_target *t, json_t *json) {
    HD_TRY(hd_json_set(json, "task", json_string(task_words[t->task])));
    HD_TRY(add_texts(json, "names", t->names, t->k));
    HD_TRY(add_texts(json, "columns", t->columns, t->n_columns));
    if (t->rename) HD_TRY(hd_json_set(json, "rename", json_incref((json_t *)(uintptr_t)t->rename)));
    if (t->until) HD_TRY(hd_json_set(json, "until", json_string(t->until)));
    if (!t->scaled) return HEED_OK;
    HD_TRY(add_numbers(json, "mean", t->mean, t->k));
    return add_numbers(json, "deviation", t->deviation, t->k);
}

heed_err hd_target_json(const hd_target *t, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = write_target(t, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err damaged(const char *name) {
    return HD_FAIL(HEED_CORRUPT, "%s: the target is damaged", "%s：目标信息已损坏", name);
}

static heed_err read_texts(const json_t *list, const char *name, hd_target *t, const char ***out,
                           size_t *n) {
    *n = json_array_size(list);
    *out = hd_arena_calloc(&t->arena, *n + 1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < *n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) return damaged(name);
        (*out)[i] = hd_arena_strdup(&t->arena, text);
        if (!(*out)[i]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

static heed_err read_numbers(const json_t *list, const char *name, bool positive, hd_target *t,
                             double **out) {
    if (json_array_size(list) != t->k) return damaged(name);
    *out = hd_arena_calloc(&t->arena, t->k, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < t->k; i++) {
        const json_t *value = json_array_get(list, i);
        (*out)[i] = json_number_value(value);
        if (!json_is_number(value) || (positive && !((*out)[i] > 0))) return damaged(name);
    }
    return HEED_OK;
}

heed_err hd_target_from_json(const json_t *json, const char *name, hd_target *t) {
    const char *task = json_string_value(json_object_get(json, "task"));
    const char *until = json_string_value(json_object_get(json, "until"));
    size_t found = 0;
    while (task && found < 3 && strcmp(task, task_words[found]) != 0) found++;
    if (!task || found == 3) return damaged(name);
    t->task = (hd_recipe_task)found;
    HD_TRY(read_texts(json_object_get(json, "names"), name, t, &t->names, &t->k));
    HD_TRY(read_texts(json_object_get(json, "columns"), name, t, &t->columns, &t->n_columns));
    if (t->k > MOST_CLASSES * 16 || (t->k == 0 && t->task != HD_RECIPE_LANGUAGE))
        return damaged(name);
    for (size_t i = 0; i < t->k; i++) {
        bool added;
        uint64_t *at;
        HD_TRY(hd_map_slot(&t->by_name, t->names[i], strlen(t->names[i]), i, &at, &added));
    }
    t->rename = json_incref(json_object_get(json, "rename"));
    if (until && !(t->until = hd_arena_strdup(&t->arena, until))) return HD_FAIL_MEMORY(0);
    t->scaled = json_object_get(json, "mean") != NULL;
    if (!t->scaled) return HEED_OK;
    HD_TRY(read_numbers(json_object_get(json, "mean"), name, false, t, &t->mean));
    return read_numbers(json_object_get(json, "deviation"), name, true, t, &t->deviation);
}
