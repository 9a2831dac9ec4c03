// SPDX-License-Identifier: Apache-2.0
//
// The list of input kinds, and what they share: files of rows by part.
#include "recipe/input.h"

#include "base/mem.h"
#include "recipe/inputs.h"
#include "recipe/made.h"

static const hd_spec_kind *const kinds[] = {
    &hd_input_table.kind,  &hd_input_text.kind, &hd_input_characters.kind,
    &hd_input_images.kind, &hd_input_idx.kind,  &hd_input_series.kind,
};

static const hd_option common[] = {
    {.name = "train",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, files[HD_PART_TRAIN]),
     .doc = HD_TEXT("file with training rows, or a list of files", "训练数据的文件，或文件列表")},
    {.name = "validation",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, files[HD_PART_VALIDATION]),
     .doc = HD_TEXT("file with validation rows", "验证数据的文件")},
    {.name = "test",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, files[HD_PART_TEST]),
     .doc = HD_TEXT("file with test rows", "测试数据的文件")},
    {.name = "unlabelled",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, unlabelled),
     .doc = HD_TEXT("file with rows that have no label, for 'self_training'",
                    "没有标签的数据文件，供 self_training 使用")},
    {.name = "target",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, target),
     .doc = HD_TEXT("column that is predicted, or a list of them", "要预测的列，或列名列表")},
    {.name = "columns",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, columns),
     .doc = HD_TEXT("names of the columns, for files without a header", "没有表头时的列名")},
    {.name = "missing",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, missing),
     .doc = HD_TEXT("what stands for nothing, besides an empty cell", "除空格外表示缺失的写法")},
    {.name = "drop",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, drop),
     .doc = HD_TEXT("columns that are left out", "不使用的列")},
    {.name = "rename",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_input_common, rename),
     .doc = HD_TEXT("names of classes as they should be: {\">50K.\": \">50K\"}",
                    "类别的改名：{\">50K.\": \">50K\"}")},
    {.name = "until",
     .type = HD_OPTION_TEXT,
     .at = offsetof(hd_input_common, until),
     .doc = HD_TEXT("a class's name ends before this sign", "类别名到此符号为止")},
    {.name = "delimiter",
     .type = HD_OPTION_TEXT,
     .at = offsetof(hd_input_common, delimiter),
     .doc =
         HD_TEXT("sign between cells; else by the first line", "单元格的分隔符；缺省由首行判断")},
    {.name = "made",
     .type = HD_OPTION_TEXT,
     .at = offsetof(hd_input_common, made),
     .doc = HD_TEXT("generated rows in place of a file: flowers, groups, infections, purchases",
                    "以生成的数据代替文件：flowers、groups、infections、purchases")},
    {.name = "rows",
     .type = HD_OPTION_INT,
     .at = offsetof(hd_input_common, rows),
     .max = 1e12,
     .doc = HD_TEXT("at most so many rows of a file; so many generated ones; 0: all",
                    "每个文件最多读取的行数，或生成的行数；0 为全部")},
    {.name = "noise",
     .type = HD_OPTION_REAL,
     .at = offsetof(hd_input_common, noise),
     .max = 1,
     .doc = HD_TEXT("how noisy generated rows are", "生成数据的噪声")},
    {.name = NULL}};

const hd_spec_kinds hd_input_kinds = {
    .what = HD_TEXT("input", "输入类型"),
    .rows = kinds,
    .n = sizeof kinds / sizeof kinds[0],
    .common = common,
    .common_size = sizeof(hd_input_common),
};

const hd_input_kind *hd_input_kind_find(const char *name) {
    return (const hd_input_kind *)(const void *)hd_spec_find(&hd_input_kinds, name);
}

// ── What they share ──

void hd_input_parts_init(hd_input_parts *parts) {
    for (int p = 0; p < HD_PARTS; p++) hd_rows_init(&parts->rows[p]);
    hd_rows_init(&parts->unlabelled);
}

void hd_input_parts_clear(hd_input_parts *parts) {
    for (int p = 0; p < HD_PARTS; p++) hd_rows_clear(&parts->rows[p]);
    hd_rows_clear(&parts->unlabelled);
}

void hd_input_samples_clear(hd_samples *samples) {
    for (int i = 0; i < samples->n_inputs; i++) {
        if (samples->inputs[i].own) hd_free((void *)(uintptr_t)samples->inputs[i].data);
    }
    hd_data_free(samples->data);
    hd_matrix_clear(&samples->features);
    hd_free(samples->targets);
    hd_free(samples->row);
    *samples = (hd_samples){.n = 0};
}

heed_err hd_input_need(const hd_input_fit *in, const char *path, const char *name,
                       hd_rows_column **out) {
    heed_err err = hd_rows_need(in->rows, name, out);
    if (err == HEED_OK) return HEED_OK;
    const hd_where where = hd_where_of(in->prepare_where.spec, path);
    return hd_error_prefix(err, "%s", "%s", hd_where_text(&where).text);
}

heed_err hd_input_texts(const json_t *value, const hd_where *where, hd_arena *arena,
                        const char *const **out, size_t *n) {
    size_t count = json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
    const char **texts = hd_arena_calloc(arena, count + 1, sizeof *texts);
    if (!texts) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        texts[i] = json_string_value(item);
        if (texts[i]) continue;
        hd_where_words place = hd_where_text(where);
        return HD_FAIL(HEED_INPUT, "%s: must be a text or a list of texts",
                       "%s：必须是文本或文本列表", place.text);
    }
    *out = texts;
    *n = count;
    return HEED_OK;
}

static heed_err make_rows(const hd_input_env *env, hd_rows *out) {
    const hd_made_kind *kind = hd_made_find(env->common->made);
    if (kind)
        return hd_made_rows(kind, (size_t)env->common->rows, env->common->noise, env->seed, out);
    hd_str list;
    hd_str_init(&list);
    for (size_t i = 0; hd_made_kinds[i]; i++) {
        hd_str_addf(&list, "%s%s", i ? ", " : "", hd_made_kinds[i]->name);
    }
    hd_where at = hd_where_key(&env->where, "made");
    hd_where_words place = hd_where_text(&at);
    heed_err err = HD_FAIL(HEED_INPUT, "%s: there is no generator '%s'; there are: %s",
                           "%s：没有生成器“%s”；可用的有：%s", place.text, env->common->made,
                           hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

heed_err hd_input_format(const hd_input_env *env, hd_rows_format *out) {
    const hd_input_common *in = env->common;
    hd_where columns = hd_where_key(&env->where, "columns");
    hd_where missing = hd_where_key(&env->where, "missing");
    *out = (hd_rows_format){.most = (size_t)in->rows};
    if (in->delimiter) {
        const char *sign = in->delimiter;
        out->delimiter = strcmp(sign, "tab") == 0 ? '\t' : strcmp(sign, "line") == 0 ? '\n' : *sign;
    }
    HD_TRY(hd_input_texts(in->columns, &columns, env->arena, &out->names, &out->n_names));
    if (out->n_names == 0) out->names = NULL;
    return hd_input_texts(in->missing, &missing, env->arena, &out->missing, &out->n_missing);
}

// The files that one key names. *n: how many.
static heed_err read_files(const hd_input_env *env, const char *key, const json_t *value,
                           const hd_rows_format *format, hd_rows *out, size_t *n) {
    const char *const *names;
    hd_where where = hd_where_key(&env->where, key);
    HD_TRY(hd_input_texts(value, &where, env->arena, &names, n));
    for (size_t f = 0; f < *n; f++) {
        const char *path;
        HD_TRY(env->find(env, names[f], &path));
        HD_TRY(hd_rows_read(out, path, names[f], format));
    }
    return HEED_OK;
}

heed_err hd_input_read(const hd_input_env *env, hd_input_parts *out) {
    static const char *const keys[HD_PARTS] = {"train", "validation", "test"};
    hd_rows_format format;
    size_t n;
    if (env->common->made) return make_rows(env, &out->rows[HD_PART_TRAIN]);
    HD_TRY(hd_input_format(env, &format));
    for (int p = 0; p < HD_PARTS; p++) {
        HD_TRY(read_files(env, keys[p], env->common->files[p], &format, &out->rows[p], &n));
        if (p == HD_PART_TRAIN && n == 0) {
            hd_where_words place = hd_where_text(&env->where);
            return HD_FAIL(HEED_INPUT, "%s: say which file to train on: 'train: rows.csv'",
                           "%s：请指明训练文件：“train: rows.csv”", place.text);
        }
    }
    return read_files(env, "unlabelled", env->common->unlabelled, &format, &out->unlabelled, &n);
}
