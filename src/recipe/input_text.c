// SPDX-License-Identifier: Apache-2.0
//
// Texts: a column of them (or several, joined by a space). Networks see rows of ids by `prepare:`
// (text/encoder.h), classical models a sparse matrix by `features:` (text/vectorizer.h; TF-IDF of
// words and their pairs where nothing is said).
#include "base/fs.h"
#include "base/mem.h"
#include "recipe/augment.h"
#include "recipe/inputs.h"
#include "recipe/wordnet.h"
#include "text/encoder.h"
#include "text/vectorizer.h"

typedef struct text_options {
    const json_t *text;
    const char *classes;
} text_options;

static const hd_option rows[] = {
    {.name = "text",
     .type = HD_OPTION_JSON,
     .at = offsetof(text_options, text),
     .doc = HD_TEXT("column with the text, or a list of them; else the only one that is left",
                    "文本所在的列，或列名列表；缺省为余下的唯一一列")},
    {.name = "classes",
     .type = HD_OPTION_TEXT,
     .at = offsetof(text_options, classes),
     .doc = HD_TEXT("folder of WordNet's files: what kind of thing each word is, behind the words",
                    "WordNet 文件所在的文件夹：在词之后给出每个词所属的类别")},
    {.name = NULL}};

typedef struct texts {
    const char **columns; // (n_columns), in the arena
    size_t n_columns;
    hd_encoder *encoder;
    hd_vectorizer *vectorizer;
    hd_arena arena;
} texts;

static void texts_free(void *fitted) {
    texts *t = fitted;
    if (!t) return;
    hd_encoder_free(t->encoder);
    hd_vectorizer_free(t->vectorizer);
    hd_arena_clear(&t->arena);
    hd_free(t);
}

// ── Which columns ──

static bool hidden(const hd_input_fit *in, const char *name) {
    for (size_t i = 0; i < in->n_hidden; i++) {
        if (strcmp(in->hidden[i], name) == 0) return true;
    }
    return false;
}

static heed_err only_column(const hd_input_fit *in, const char **out) {
    size_t found = 0;
    for (size_t c = 0; c < in->rows->n_columns; c++) {
        if (hidden(in, in->rows->columns[c].name)) continue;
        *out = in->rows->columns[c].name;
        found++;
    }
    if (found == 1) return HEED_OK;
    return HD_FAIL(HEED_INPUT,
                   "%zu columns could be the text: say which one with 'data: text: {text: …}'",
                   "有 %zu 列可能是文本：请用“data: text: {text: …}”指明", found);
}

static heed_err choose_columns(const hd_input_fit *in, texts *t) {
    const json_t *given = ((const text_options *)in->options)->text;
    hd_where where = hd_where_of(in->prepare_where.spec, "data.text.text");
    const char *const *names;
    const char *only;
    if (!given) {
        HD_TRY(only_column(in, &only));
        names = &only;
        t->n_columns = 1;
    } else {
        HD_TRY(hd_input_texts(given, &where, &t->arena, &names, &t->n_columns));
    }
    t->columns = hd_arena_calloc(&t->arena, t->n_columns + 1, sizeof *t->columns);
    if (!t->columns) return HD_FAIL_MEMORY(0);
    for (size_t c = 0; c < t->n_columns; c++) {
        hd_rows_column *column;
        HD_TRY(hd_input_need(in, "data.text.text", names[c], &column));
        t->columns[c] = hd_arena_strdup(&t->arena, names[c]);
        if (!t->columns[c]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

// ── Rows to texts ──

typedef struct pages {
    hd_slice *at; // (n)
    size_t n;
    hd_arena arena;
} pages;

static void pages_clear(pages *p) {
    hd_free(p->at);
    hd_arena_clear(&p->arena);
}

// The columns of a row, joined; a missing text is an empty one.
static heed_err join_columns(const texts *t, hd_rows_column **columns, size_t row, pages *p,
                             hd_slice *out) {
    size_t n = t->n_columns;
    for (size_t c = 0; c < t->n_columns; c++) n += columns[c]->cells[row].n;
    char *joined = hd_arena_alloc(&p->arena, n + 1);
    if (!joined) return HD_FAIL_MEMORY(n);
    size_t at = 0;
    for (size_t c = 0; c < t->n_columns; c++) {
        hd_slice cell = columns[c]->cells[row];
        if (c > 0) joined[at++] = ' ';
        if (cell.n > 0) memcpy(joined + at, cell.p, cell.n);
        at += cell.n;
    }
    *out = (hd_slice){joined, at};
    return HEED_OK;
}

static heed_err add_pages(const texts *t, const hd_rows *from, pages *out) {
    size_t n = from->n - from->first;
    hd_rows_column **columns = hd_calloc(t->n_columns + 1, sizeof(hd_rows_column *));
    heed_err err = HEED_OK;
    if (!columns) HD_TRY_OUT(HD_FAIL_MEMORY(t->n_columns * sizeof *columns));
    for (size_t c = 0; c < t->n_columns; c++) {
        HD_TRY_OUT(hd_rows_need(from, t->columns[c], &columns[c]));
        if (columns[c]->kind == HD_ROWS_TEXT) continue;
        HD_TRY_OUT(HD_FAIL(HEED_INPUT, "column '%s' holds images", "列“%s”是图像", t->columns[c]));
    }
    for (size_t i = 0; i < n; i++, out->n++) {
        size_t row = from->first + i;
        if (t->n_columns == 1)
            out->at[out->n] = columns[0]->cells[row];
        else
            HD_TRY_OUT(join_columns(t, columns, row, out, &out->at[out->n]));
    }
out:
    hd_free(columns);
    return err;
}

// more: rows behind those, NULL: none.
static heed_err take_pages(const texts *t, const hd_rows *from, const hd_rows *more, pages *out) {
    size_t n = from->n - from->first + (more ? more->n : 0);
    *out = (pages){.at = hd_calloc(n + 1, sizeof *out->at)};
    if (!out->at) return HD_FAIL_MEMORY(n * sizeof *out->at);
    hd_arena_init(&out->arena);
    heed_err err = add_pages(t, from, out);
    if (err == HEED_OK && more) err = add_pages(t, more, out);
    if (err != HEED_OK) pages_clear(out);
    return err;
}

// ── Fitting ──

static heed_err fit_features(const hd_input_fit *in, const pages *p, texts *t) {
    json_t *usual = NULL;
    heed_err err = HEED_OK;
    if (!in->features) {
        err = hd_json_pack(&usual, "{s:{s:i, s:b}}", "tfidf", "ngrams", 2, "sublinear", 1);
    }
    if (err == HEED_OK) {
        err = hd_vectorizer_fit(in->features ? in->features : usual, &in->features_where, p->at,
                                p->n, &t->vectorizer);
    }
    json_decref(usual);
    return err;
}

static heed_err add_classes(const hd_input_fit *in, texts *t) {
    const char *folder = ((const text_options *)in->options)->classes;
    const hd_where where = hd_where_of(in->prepare_where.spec, "data.text.classes");
    hd_lexicon *lexicon;
    if (!folder) return HEED_OK;
    heed_err err = hd_wordnet_read(folder, &lexicon);
    if (err == HEED_OK) err = hd_encoder_take_lexicon(t->encoder, lexicon);
    if (err == HEED_OK) return HEED_OK;
    const hd_where_words place = hd_where_text(&where);
    return hd_error_prefix(err, "%s", "%s", place.text);
}

static heed_err check_any(const hd_input_fit *in, const texts *t, const pages *p) {
    for (size_t i = 0; i < p->n; i++) {
        if (hd_slice_trim(p->at[i]).n > 0) return HEED_OK;
    }
    const hd_where where = hd_where_of(in->prepare_where.spec, "data.text.text");
    return HD_FAIL(HEED_INPUT, "%s: column '%s' has no text in any training row",
                   "%s：列“%s”在所有训练行中都没有文本", hd_where_text(&where).text, t->columns[0]);
}

static heed_err text_fit(const hd_input_fit *in, void **out) {
    texts *t = hd_calloc(1, sizeof *t);
    pages p = {0};
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    hd_arena_init(&t->arena);
    heed_err err = choose_columns(in, t);
    // Texts without a label say as much about words as those with one.
    if (err == HEED_OK) err = take_pages(t, in->rows, in->more, &p);
    if (err == HEED_OK) {
        err = check_any(in, t, &p);
        if (err == HEED_OK)
            err = hd_encoder_fit(in->prepare, &in->prepare_where, p.at, p.n, &t->encoder);
        if (err == HEED_OK) err = add_classes(in, t);
        if (err == HEED_OK) err = fit_features(in, &p, t);
        pages_clear(&p);
    }
    if (err == HEED_OK)
        *out = t;
    else
        texts_free(t);
    return err;
}

// ── Applying ──

// x, and how long each text is where texts stand at the beginning; an empty one counts as one
// token.
static heed_err make_inputs(const texts *t, const pages *p, size_t n, hd_samples *out) {
    size_t length = hd_encoder_length(t->encoder), used;
    bool lengths = hd_encoder_from_start(t->encoder);
    hd_pieces pieces;
    int32_t *ids = hd_alloc((n * length + 1) * sizeof *ids);
    int32_t *counts = hd_alloc((n + 1) * sizeof *counts);
    out->n_inputs = lengths ? 2 : 1;
    out->inputs[0] = (hd_data_column){.field = {.name = "x",
                                                .role = HD_ROLE_INPUT,
                                                .dtype = HD_I32,
                                                .n_dims = 1,
                                                .shape = {length}},
                                      .dtype = HD_I32,
                                      .data = ids,
                                      .own = true};
    out->inputs[1] =
        (hd_data_column){.field = {.name = "length", .role = HD_ROLE_LENGTH, .dtype = HD_I32},
                         .dtype = HD_I32,
                         .data = counts,
                         .own = true};
    heed_err err = ids && counts ? HEED_OK : HD_FAIL_MEMORY(n * length * sizeof *ids);
    hd_pieces_init(&pieces);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        err = hd_encoder_apply(t->encoder, p->at[i], &pieces, ids + i * length, &used);
        counts[i] = used > 0 ? (int32_t)used : 1;
    }
    hd_pieces_clear(&pieces);
    if (!lengths) hd_free(counts);
    return err;
}

static heed_err text_apply(const void *fitted, const hd_rows *from, unsigned wanted,
                           hd_samples *out) {
    const texts *t = fitted;
    size_t n = from->n - from->first;
    pages p;
    *out = (hd_samples){.n = n};
    HD_TRY(take_pages(t, from, NULL, &p));
    heed_err err = HEED_OK;
    if (wanted & HD_WANT_INPUTS) err = make_inputs(t, &p, n, out);
    if (err == HEED_OK && (wanted & HD_WANT_FEATURES))
        err = hd_vectorizer_apply(t->vectorizer, p.at, n, &out->features);
    pages_clear(&p);
    if (err != HEED_OK) hd_input_samples_clear(out);
    return err;
}

// ── To and from JSON ──

static heed_err write_texts(const texts *t, json_t *json) {
    json_t *part;
    HD_TRY(hd_json_set(json, "columns", part = json_array()));
    for (size_t c = 0; c < t->n_columns; c++) {
        HD_TRY(hd_json_append(part, json_string(t->columns[c])));
    }
    HD_TRY(hd_encoder_json(t->encoder, &part));
    HD_TRY(hd_json_set(json, "encoder", part));
    HD_TRY(hd_vectorizer_json(t->vectorizer, &part));
    return hd_json_set(json, "features", part);
}

static heed_err text_to_json(const void *fitted, json_t **out) {
    *out = json_object();
    if (!*out) return HD_FAIL_MEMORY(0);
    heed_err err = write_texts(fitted, *out);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err read_texts(const json_t *json, const char *name, texts *t) {
    const json_t *columns = json_object_get(json, "columns");
    t->n_columns = json_array_size(columns);
    bool sound = t->n_columns > 0 && t->n_columns <= HD_ROWS_COLUMNS;
    if (sound) {
        t->columns = hd_arena_calloc(&t->arena, t->n_columns + 1, sizeof *t->columns);
        if (!t->columns) return HD_FAIL_MEMORY(0);
    }
    for (size_t c = 0; sound && c < t->n_columns; c++) {
        const char *column = json_string_value(json_array_get(columns, c));
        sound = column != NULL;
        t->columns[c] = sound ? hd_arena_strdup(&t->arena, column) : NULL;
        if (sound && !t->columns[c]) return HD_FAIL_MEMORY(0);
    }
    if (!sound) {
        return HD_FAIL(HEED_CORRUPT, "%s: the names of the text's columns are damaged",
                       "%s：文本列的列名已损坏", name);
    }
    HD_TRY(hd_encoder_from_json(json_object_get(json, "encoder"), name, &t->encoder));
    return hd_vectorizer_from_json(json_object_get(json, "features"), name, &t->vectorizer);
}

static heed_err text_from_json(const json_t *json, const char *name, void **out) {
    texts *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    hd_arena_init(&t->arena);
    heed_err err = read_texts(json, name, t);
    if (err == HEED_OK)
        *out = t;
    else
        texts_free(t);
    return err;
}

// ── For a reader's eyes; random changes ──

static heed_err text_show(const void *fitted, const hd_rows *from, size_t sample, size_t row,
                          json_t **out) {
    (void)sample;
    const texts *t = fitted;
    hd_str text;
    hd_str_init(&text);
    for (size_t c = 0; c < t->n_columns; c++) {
        const hd_rows_column *column = hd_rows_find(from, t->columns[c]);
        if (!column || !column->cells[row].p) continue;
        if (text.len > 0) hd_str_addc(&text, ' ');
        hd_str_addn(&text, column->cells[row].p, column->cells[row].n);
    }
    heed_err err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_json_pack(out, "{s:s%}", "text", hd_str_get(&text), text.len);
    hd_str_clear(&text);
    return err;
}

// A word of the file of synonyms is one token, or none of ours.
static int32_t id_of(void *ctx, hd_slice word) {
    const texts *t = ctx;
    hd_pieces pieces;
    size_t used = 0;
    int32_t id = -1, *row = hd_alloc(hd_encoder_length(t->encoder) * sizeof *row);
    hd_pieces_init(&pieces);
    if (row && hd_encoder_apply(t->encoder, word, &pieces, row, &used) == HEED_OK && used == 1) {
        id = row[hd_encoder_from_start(t->encoder) ? 0 : hd_encoder_length(t->encoder) - 1];
    }
    hd_pieces_clear(&pieces);
    hd_free(row);
    return id;
}

// The file that a step of the list names.
static const char *synonym_file(const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *step = json_object_get(json_array_get(list, i), "synonyms");
        if (json_is_string(step)) return json_string_value(step);
        if (step) return json_string_value(json_object_get(step, "file"));
    }
    return NULL;
}

static heed_err read_synonyms(const texts *t, const json_t *list, const hd_input_env *env,
                              hd_synonyms *out) {
    const char *file = synonym_file(list), *path;
    if (!file) return HEED_OK;
    hd_str text;
    hd_str_init(&text);
    HD_TRY(env->find(env, file, &path));
    heed_err err = hd_fs_read(path, 1 << 26, &text);
    if (err == HEED_OK) {
        err = hd_synonyms_parse(hd_str_get(&text), text.len, file, hd_encoder_size(t->encoder),
                                id_of, (void *)(uintptr_t)t, out);
    }
    hd_str_clear(&text);
    return err;
}

// What moves a word would leave its class where it was.
static heed_err no_classes(const texts *t, const hd_where *where) {
    if (!hd_encoder_has_classes(t->encoder)) return HEED_OK;
    const hd_where_words place = hd_where_text(where);
    return HD_FAIL(HEED_INPUT, "%s: texts with classes can't be augmented: leave one of them out",
                   "%s：带类别的文本不能增广：请去掉其中之一", place.text);
}

static heed_err text_augment(const void *fitted, const json_t *list, const hd_where *where,
                             const hd_input_env *env, hd_data *data, hd_data **out) {
    const texts *t = fitted;
    hd_synonyms synonyms = {0};
    heed_err err = no_classes(t, where);
    if (err == HEED_OK) err = read_synonyms(t, list, env, &synonyms);
    if (err != HEED_OK) {
        hd_data_free(data);
        return err;
    }
    return hd_augment_data(data, list, where, HD_AUGMENT_IDS, hd_encoder_has_runs(t->encoder),
                           &synonyms, out);
}

const hd_input_kind hd_input_text = {
    .kind = {.name = "text",
             .size = sizeof(text_options),
             .options = rows,
             .doc = HD_TEXT("a column of texts, in files of rows", "一列文本，由行文件读取")},
    .fit = text_fit,
    .apply = text_apply,
    .to_json = text_to_json,
    .from_json = text_from_json,
    .free = texts_free,
    .show = text_show,
    .augment = text_augment,
};
