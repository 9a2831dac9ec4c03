// SPDX-License-Identifier: Apache-2.0
//
// One long text, for models of language: what comes next, character by character (or word by word,
// by `prepare: tokenizer`). Rows are lines of a plain file, or a column of a file of rows (poems,
// say), one text a row; joined again by line breaks, they are cut into windows.
//
// Lines and not characters are what is split into parts: then a part is made of whole lines, and
// messages can name them.
#include <strings.h>

#include "base/mem.h"
#include "prepare/read/source.h"
#include "recipe/inputs.h"
#include "text/encoder.h"

enum { MOST_BYTES = 1 << 30 };

typedef struct characters_options {
    const char *text;
    int64_t stride;
} characters_options;

static const hd_option rows[] = {
    {.name = "text",
     .type = HD_OPTION_TEXT,
     .at = offsetof(characters_options, text),
     .doc = HD_TEXT("column with the text, in files of rows; 'text' where nothing is said",
                    "行文件中文本所在的列，缺省为 text")},
    {.name = "stride",
     .type = HD_OPTION_INT,
     .at = offsetof(characters_options, stride),
     .max = 1 << 20,
     .doc = HD_TEXT("tokens between two windows; 0: a window's length",
                    "两个窗口相隔的词元数；0 为窗口长度")},
    {.name = NULL}};

typedef struct characters {
    char *column; // owned
    size_t stride;
    hd_encoder *encoder;
} characters;

static void characters_free(void *fitted) {
    characters *t = fitted;
    if (!t) return;
    hd_free(t->column);
    hd_encoder_free(t->encoder);
    hd_free(t);
}

// ── Reading ──

static bool is_of_rows(const char *name) {
    static const char *const ends[] = {".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i]);
        if (n > end && strcasecmp(name + n - end, ends[i]) == 0) return true;
    }
    return false;
}

static heed_err read_all(const char *path, hd_str *out) {
    char buffer[1 << 14];
    hd_source *source;
    size_t got = 1;
    HD_TRY(hd_source_open(path, &source));
    heed_err err = HEED_OK;
    while (err == HEED_OK && got > 0 && out->len <= MOST_BYTES) {
        err = hd_source_read(source, buffer, sizeof buffer, &got);
        if (err == HEED_OK) hd_str_addn(out, buffer, got);
        if (err == HEED_OK) err = hd_str_check(out);
    }
    hd_source_close(source);
    if (err == HEED_OK && got > 0)
        err = HD_FAIL(HEED_INPUT, "'%s' is larger than %d bytes", "“%s”超过 %d 字节", path,
                      MOST_BYTES);
    return err;
}

static size_t count_lines(const hd_str *text) {
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++) n += text->data[i] == '\n';
    return n + (text->len > 0 && text->data[text->len - 1] != '\n');
}

static heed_err split_lines(hd_rows *rows_out, const hd_str *text, const char *shown, size_t most,
                            hd_rows_column *column) {
    size_t first = rows_out->n, n = count_lines(text), file, at = 0;
    if (most > 0 && n > most) n = most;
    HD_TRY(hd_rows_add_file(rows_out, shown, &file));
    HD_TRY(hd_rows_add(rows_out, n));
    for (size_t i = 0; i < n; i++) {
        const char *p = text->data + at, *end = memchr(p, '\n', text->len - at);
        size_t len = end ? (size_t)(end - p) : text->len - at;
        column->cells[first + i] = (hd_slice){p, len};
        rows_out->place[first + i] = hd_rows_at(file, i + 1);
        at += len + 1;
    }
    return HEED_OK;
}

static heed_err add_text(const hd_input_env *env, const characters_options *o, const char *name,
                         hd_rows *out) {
    const char *path, *column = o->text ? o->text : "text";
    hd_str text;
    hd_str_init(&text);
    HD_TRY(env->find(env, name, &path));
    heed_err err = read_all(path, &text);
    if (err == HEED_OK && text.len == 0)
        err = HD_FAIL(HEED_INPUT, "'%s' is empty", "“%s”为空", name);
    if (err != HEED_OK) {
        hd_str_clear(&text);
        return err;
    }
    HD_TRY(hd_rows_keep(out, text.data));
    hd_rows_column *found = hd_rows_find(out, column);
    if (!found) HD_TRY(hd_rows_add_column(out, column, HD_ROWS_TEXT, &found));
    return split_lines(out, &text, name, (size_t)env->common->rows, found);
}

static heed_err characters_open(const void *options, const hd_input_env *env, hd_input_parts *out) {
    static const char *const keys[HD_PARTS] = {"train", "validation", "test"};
    const char *first = json_string_value(env->common->files[HD_PART_TRAIN]);
    if (!first) first = json_string_value(json_array_get(env->common->files[HD_PART_TRAIN], 0));
    if (!first || is_of_rows(first)) return hd_input_read(env, out);
    for (int p = 0; p < HD_PARTS; p++) {
        const char *const *names;
        size_t n;
        hd_where where = hd_where_key(&env->where, keys[p]);
        HD_TRY(hd_input_texts(env->common->files[p], &where, env->arena, &names, &n));
        for (size_t i = 0; i < n; i++) HD_TRY(add_text(env, options, names[i], &out->rows[p]));
    }
    return HEED_OK;
}

// ── Rows to one text ──

static heed_err join_rows(const characters *t, const hd_rows *from, hd_str *out) {
    hd_rows_column *column;
    HD_TRY(hd_rows_need(from, t->column, &column));
    if (column->kind != HD_ROWS_TEXT)
        return HD_FAIL(HEED_INPUT, "column '%s' holds images", "列“%s”是图像", t->column);
    for (size_t i = from->first; i < from->n; i++) {
        if (column->cells[i].n > 0) hd_str_addn(out, column->cells[i].p, column->cells[i].n);
        hd_str_addc(out, '\n');
    }
    return hd_str_check(out);
}

// The options of `prepare:`, with characters as they stand where no tokenizer is named.
static heed_err with_tokenizer(const json_t *prepare, json_t **out) {
    json_t *as_is = NULL;
    *out = prepare ? json_deep_copy(prepare) : json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    if (json_is_object(*out) && !json_object_get(*out, "tokenizer")) {
        err = hd_json_pack(&as_is, "{s:{s:b, s:b}}", "characters", "fold", 0, "spaces", 1);
        if (err == HEED_OK) err = hd_json_set(*out, "tokenizer", as_is);
    }
    if (err == HEED_OK && json_is_object(*out) && !json_object_get(*out, "length"))
        err = hd_json_set(*out, "length", json_integer(128));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err fit_encoder(const hd_input_fit *in, characters *t) {
    json_t *options;
    hd_str text;
    hd_str_init(&text);
    HD_TRY(with_tokenizer(in->prepare, &options));
    heed_err err = join_rows(t, in->rows, &text);
    if (err == HEED_OK) {
        hd_slice all = {hd_str_get(&text), text.len};
        err = hd_encoder_fit(options, &in->prepare_where, &all, 1, &t->encoder);
    }
    hd_str_clear(&text);
    json_decref(options);
    return err;
}

static heed_err characters_fit(const hd_input_fit *in, void **out) {
    const characters_options *o = in->options;
    characters *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    t->column = hd_strdup(o->text ? o->text : "text");
    heed_err err = t->column ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = fit_encoder(in, t);
    if (err == HEED_OK)
        t->stride = o->stride > 0 ? (size_t)o->stride : hd_encoder_length(t->encoder);
    if (err == HEED_OK)
        *out = t;
    else
        characters_free(t);
    return err;
}

// ── Applying ──

static heed_err too_short(size_t n, size_t length) {
    return HD_FAIL(HEED_INPUT,
                   "the text has %zu tokens: too few for one window of %zu; make 'prepare: length' "
                   "smaller",
                   "文本只有 %zu 个词元，不足一个长 %zu 的窗口；请减小“prepare: length”", n,
                   length);
}

heed_err hd_input_characters_ids(const void *fitted, const hd_rows *from, int32_t **ids,
                                 size_t *n) {
    const characters *t = fitted;
    hd_str text;
    hd_str_init(&text);
    heed_err err = join_rows(t, from, &text);
    if (err == HEED_OK) {
        hd_slice all = {hd_str_get(&text), text.len};
        err = hd_encoder_stream(t->encoder, all, ids, n);
    }
    hd_str_clear(&text);
    return err;
}

static heed_err characters_apply(const void *fitted, const hd_rows *from, unsigned wanted,
                                 hd_samples *out) {
    const characters *t = fitted;
    size_t length = hd_encoder_length(t->encoder), n = 0;
    size_t stride = wanted & HD_WANT_APART ? length : t->stride;
    int32_t *ids = NULL;
    *out = (hd_samples){.n = 0};
    if (!(wanted & (HD_WANT_INPUTS | HD_WANT_TARGETS))) return HEED_OK;
    HD_TRY(hd_input_characters_ids(fitted, from, &ids, &n));
    heed_err err = n > length ? HEED_OK : too_short(n, length);
    if (err == HEED_OK) err = hd_data_windows(ids, n, length, stride, &out->data);
    if (err == HEED_OK) out->n = out->data->n;
    hd_free(ids);
    return err;
}

// ── To and from JSON ──

static heed_err characters_to_json(const void *fitted, json_t **out) {
    const characters *t = fitted;
    json_t *encoder;
    *out = NULL;
    HD_TRY(hd_encoder_json(t->encoder, &encoder));
    return hd_json_pack(out, "{s:s, s:I, s:o}", "column", t->column, "stride",
                        (json_int_t)t->stride, "encoder", encoder);
}

static heed_err characters_from_json(const json_t *json, const char *name, void **out) {
    const char *column = json_string_value(json_object_get(json, "column"));
    json_int_t stride = json_integer_value(json_object_get(json, "stride"));
    if (!column || stride < 1 || stride > 1 << 20) {
        return HD_FAIL(HEED_CORRUPT, "%s: the preparation of a long text is damaged",
                       "%s：长文本的数据准备信息已损坏", name);
    }
    characters *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    t->stride = (size_t)stride;
    t->column = hd_strdup(column);
    heed_err err = t->column ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK)
        err = hd_encoder_from_json(json_object_get(json, "encoder"), name, &t->encoder);
    if (err == HEED_OK)
        *out = t;
    else
        characters_free(t);
    return err;
}

static heed_err characters_show(const void *fitted, const hd_rows *from, size_t sample, size_t row,
                                json_t **out) {
    (void)sample;
    const characters *t = fitted;
    hd_rows_column *column;
    *out = NULL;
    HD_TRY(hd_rows_need(from, t->column, &column));
    hd_slice cell = column->cells[row];
    return hd_json_pack(out, "{s:s%}", "text", cell.p ? cell.p : "", cell.n);
}

const hd_encoder *hd_input_characters_encoder(const void *fitted) {
    return ((const characters *)fitted)->encoder;
}

const hd_input_kind hd_input_characters = {
    .kind = {.name = "characters",
             .size = sizeof(characters_options),
             .options = rows,
             .doc = HD_TEXT("one long text, cut into windows", "一段长文本，切成窗口")},
    .ordered = true,
    .own_targets = true,
    .open = characters_open,
    .fit = characters_fit,
    .apply = characters_apply,
    .to_json = characters_to_json,
    .from_json = characters_from_json,
    .free = characters_free,
    .show = characters_show,
};
