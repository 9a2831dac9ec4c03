// SPDX-License-Identifier: Apache-2.0
//
// heed model predict: rows to a recipe's model, from files or from a request.
#include "api/answers.h"
#include "api/asked.h"
#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

enum { MOST_ROWS = 10000, SHOWN_ROWS = 20 };

// ── A model by name, or by its folder ──

static heed_err open_registered(hd_call *call, const char *name, hd_asked *out) {
    if (!call->workspace) {
        return HD_FAIL(HEED_NOT_FOUND,
                       "'%s' is no folder of a model, and there is no workspace here to have it by "
                       "name",
                       "“%s”不是模型文件夹，这里也没有工作区可按名称查找", name);
    }
    HD_TRY(hd_call_open(call, HEED_READ, "heed model predict", &out->ws));
    HD_TRY(hd_loaded_model_get(out->ws, name, &out->loaded));
    out->model = out->loaded->model;
    out->version = out->loaded->version;
    return HEED_OK;
}

heed_err hd_asked_open(hd_call *call, bool folders, hd_asked *out) {
    const char *name = hd_call_text(call, "model");
    *out = (hd_asked){.version = ""};
    if (!folders || !hd_fs_is_dir(name)) return open_registered(call, name, out);
    heed_err err = hd_predictor_open(name, &out->own);
    if (err == HEED_NOT_FOUND) {
        err = hd_error_prefix(err, "'%s' is a folder without a model that 'heed recipe run' made",
                              "“%s”不是“heed recipe run”生成的模型文件夹", name);
    }
    HD_TRY(err);
    out->model = out->own;
    return HEED_OK;
}

void hd_asked_close(hd_call *call, hd_asked *a) {
    if (a->loaded) hd_shared_release(&a->loaded->shared);
    hd_predictor_close(a->own);
    hd_call_close(call, a->ws);
}

// ── Answers ──

static heed_err answer(hd_call *call, const hd_asked *a, hd_rows *rows, size_t threads,
                       json_t **result) {
    hd_answer said;
    json_t *predictions = NULL;
    HD_TRY(hd_predictor_ready(a->model, rows));
    HD_TRY(hd_predictor_run(a->model, rows, threads, &said));
    heed_err err =
        hd_answer_json(a->model, &said, (size_t)hd_call_int(call, "top", 0), &predictions);
    hd_answer_clear(&said);
    HD_TRY(err);
    return hd_json_pack(result, "{s:s, s:s, s:o}", "model", hd_call_text(call, "model"), "version",
                        a->version, "predictions", predictions);
}

// ── Files ──

static heed_err read_files(const hd_call *call, const hd_predictor *model, hd_rows *rows) {
    hd_arena arena;
    const char **paths;
    size_t n;
    hd_arena_init(&arena);
    heed_err err = hd_call_list(call, "file", &arena, &paths, &n);
    for (size_t i = 0; err == HEED_OK && i < n; i++) err = hd_predictor_read(model, paths[i], rows);
    hd_arena_clear(&arena);
    return err;
}

// Answers about images' files say whose they are.
static heed_err name_images(const hd_rows *rows, json_t *predictions) {
    if (json_array_size(predictions) != rows->n) return HEED_OK;
    for (size_t i = 0; i < rows->n; i++) {
        const uint64_t place = rows->place[i];
        const size_t file = (size_t)(place >> 32);
        if (file == 0 || (uint32_t)place != 0) continue;
        json_t *item = NULL, *old = json_array_get(predictions, i);
        HD_TRY(hd_json_pack(&item, "{s:s}", "image", rows->files[file]));
        if (json_object_update(item, old) != 0 || json_array_set(predictions, i, item) != 0) {
            json_decref(item);
            return HD_FAIL_MEMORY(0);
        }
        json_decref(item);
    }
    return HEED_OK;
}

static void add_cell(hd_str *out, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        hd_str_add(out, text);
        return;
    }
    hd_str_addc(out, '"');
    for (; *text; text++) hd_str_addn(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    hd_str_addc(out, '"');
}

static void add_value(hd_str *out, const json_t *value) {
    char number[32];
    if (json_is_real(value)) {
        hd_json_number(json_real_value(value), number);
        hd_str_add(out, number);
    } else if (json_is_integer(value)) {
        hd_str_addf(out, "%lld", (long long)json_integer_value(value));
    } else {
        add_cell(out, json_is_string(value) ? json_string_value(value) : "");
    }
}

// What the answers are about, where they say it: a key of theirs; NULL: they don't.
static const char *subject_of(const json_t *predictions) {
    static const char *const subjects[] = {"image", "series"};
    size_t i;
    json_t *item;
    json_array_foreach(predictions, i, item) {
        for (size_t s = 0; s < sizeof subjects / sizeof subjects[0]; s++) {
            if (json_object_get(item, subjects[s])) return subjects[s];
        }
    }
    return NULL;
}

// The keys of a prediction whose values stand in a line.
static bool is_shown(const char *key, const json_t *value, const char *subject) {
    return !json_is_object(value) && strcmp(key, "row") != 0 &&
           !(subject && strcmp(key, subject) == 0);
}

static void add_line(const json_t *item, const char *subject, bool head, hd_str *out) {
    const char *key, *sep = subject ? "," : "";
    json_t *value;
    const json_t *many = json_object_get(item, "values"), *from = many ? many : item;
    if (subject && head) hd_str_add(out, subject);
    if (subject && !head) add_value(out, json_object_get(item, subject));
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        if (!is_shown(key, value, subject)) continue;
        hd_str_add(out, sep);
        if (head)
            add_cell(out, key);
        else
            add_value(out, value);
        sep = ",";
    }
    hd_str_addc(out, '\n');
}

// A line a row, under the names: the image's file or the series, the class and its probability, or
// the values.
static heed_err csv_text(const json_t *predictions, hd_str *out) {
    size_t i;
    json_t *item;
    const char *subject = subject_of(predictions);
    add_line(json_array_get(predictions, 0), subject, true, out);
    json_array_foreach(predictions, i, item) add_line(item, subject, false, out);
    return hd_str_check(out);
}

static heed_err write_out(const char *path, const json_t *predictions) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = csv_text(predictions, &text);
    if (err == HEED_OK) err = hd_fs_write(path, hd_str_get(&text), text.len, 0600);
    hd_str_clear(&text);
    return err;
}

static heed_err predict_run(hd_call *call, json_t **result) {
    hd_asked a;
    hd_rows rows;
    const char *path = hd_call_text(call, "out");
    hd_rows_init(&rows);
    heed_err err = hd_asked_open(call, true, &a);
    if (err == HEED_OK) err = read_files(call, a.model, &rows);
    if (err == HEED_OK && rows.n == 0)
        err = HD_FAIL(HEED_INPUT, "there are no rows to answer in '%s'", "“%s”中没有要预测的行",
                      rows.n_files > 0 ? rows.files[rows.n_files - 1] : "");
    if (err == HEED_OK)
        err = answer(call, &a, &rows, (size_t)hd_settings_int(call->settings, "threads"), result);
    if (err == HEED_OK) {
        err = name_images(&rows, json_object_get(*result, "predictions"));
        if (err != HEED_OK) hd_json_drop(result);
    }
    hd_asked_close(call, &a);
    hd_rows_clear(&rows);
    if (err == HEED_OK && path) {
        err = write_out(path, json_object_get(*result, "predictions"));
        if (err == HEED_OK) err = hd_json_set(*result, "file", json_string(path));
        if (err != HEED_OK) hd_json_drop(result);
    }
    return err;
}

static heed_err predict_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *predictions = json_object_get(result, "predictions");
    size_t n = json_array_size(predictions);
    const char *file = json_string_value(json_object_get(result, "file"));
    (void)width;
    if (file) {
        hd_str_addf(out, hd_say(lang, "%zu predictions in %s\n", "%zu 个预测，见 %s\n"), n, file);
        return hd_str_check(out);
    }
    return csv_text(predictions, out);
}

#define TOP_PARAM                                                                                \
    {                                                                                            \
        "top", HD_PARAM_INT,                                                                     \
            .max = 65536,                                                                        \
            .doc =                                                                               \
                HD_TEXT("so many probabilities a row, the largest first (default: all classes)", \
                        "每行给出的概率个数，从大到小（默认全部类别）")                          \
    }

static const hd_param predict_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true, .required = true, .file = true,
     .doc = HD_TEXT("the model: a recipe's name, or a folder that 'heed recipe run' made",
                    "模型：配方名称，或“heed recipe run”生成的文件夹")},
    {"file", HD_PARAM_TEXT, .positional = true, .required = true, .many = true, .file = true,
     .doc =
         HD_TEXT("rows: CSV, TSV or JSON lines; or images", "数据行：CSV、TSV 或 JSON 行；或图像")},
    TOP_PARAM,
    {"out", HD_PARAM_TEXT, .file = true,
     .doc = HD_TEXT("write the answers to this CSV file", "把结果写入此 CSV 文件")},
};

const hd_op hd_op_model_predict = {
    .name = "model predict",
    .chapter = HD_CHAPTER_RECIPES,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("ask a recipe's model about rows or images", "用配方训练的模型预测数据行或图像"),
    .detail = HD_TEXT(
        "Each row is prepared exactly as the training rows were. Answers are CSV, a "
        "line a row; --json has every class's probability. Images are named as files, "
        "or in a column of the rows, beside their list. Of series the rows are moments: "
        "a line a series, with what comes after the last one, in the file's own units.",
        "每一行都按训练时完全相同的方式处理。结果为 CSV，每行一条；--json "
        "给出每个类别的概率。图像可直接以文件给出，也可在数据行的列中写文件名（"
        "相对于该列表所在的文件夹）。序列模型的行是时刻：每条序列一行，给出最后时刻之后的值，"
        "单位与文件相同。"),
    .examples = (const char *const[]){"heed model predict iris_mlp rows.csv",
                                      "heed model predict iris_mlp.model rows.jsonl --json", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = predict_params,
    .n_params = sizeof predict_params / sizeof predict_params[0],
    .result_doc = "predict",
    .run = predict_run,
    .text = predict_text,
};

// ── A request ──

static heed_err body_run(hd_call *call, json_t **result) {
    hd_asked a;
    hd_rows rows;
    const json_t *list = json_object_get(call->params, "rows");
    if (json_array_size(list) > MOST_ROWS) {
        return HD_FAIL(HEED_INPUT, "%zu rows in one request: %d at most; ask in several",
                       "一次请求 %zu 行，最多 %d 行；请分多次请求", json_array_size(list),
                       MOST_ROWS);
    }
    HD_TRY(hd_rows_json(list, "rows", &rows));
    heed_err err = hd_asked_open(call, false, &a);
    if (err == HEED_OK) err = answer(call, &a, &rows, 1, result);
    hd_asked_close(call, &a);
    hd_rows_clear(&rows);
    return err;
}

static const hd_param body_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the model: a recipe's name", "模型：配方名称")},
    {"rows", HD_PARAM_JSON, .required = true,
     .schema = "{\"type\":\"array\",\"maxItems\":10000,\"items\":{\"type\":\"object\"}}",
     .doc = HD_TEXT("rows as objects of columns: [{\"age\": 30}]",
                    "数据行，每行为列的对象：[{\"age\": 30}]")},
    TOP_PARAM,
};

const hd_op hd_op_model_predict_rows = {
    .name = "model predict rows",
    .chapter = HD_CHAPTER_RECIPES,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("ask a recipe's model about rows", "用配方训练的模型预测数据行"),
    .detail =
        HD_TEXT("Each row is prepared exactly as the training rows were. The model in force "
                "answers; another version is taken up as soon as it is put in force.",
                "每一行都按训练时完全相同的方式处理。由当前启用的模型回答；启用新版本后立即生效。"),
    .method = "POST",
    .path = "/api/v1/models/{model}/predict",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = "{\"type\":\"object\",\"properties\":{\"model\":" HD_SCHEMA_TEXT
              ",\"version\":" HD_SCHEMA_TEXT
              ",\"predictions\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}},"
              "\"required\":[\"model\",\"version\",\"predictions\"]}",
    .params = body_params,
    .n_params = sizeof body_params / sizeof body_params[0],
    .result_doc = "predict",
    .run = body_run,
    .text = predict_text,
};
