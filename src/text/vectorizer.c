// SPDX-License-Identifier: Apache-2.0
//
// Columns stand in blocks (words and their runs; runs of characters), each with a vocabulary in the
// order of bytes, as scikit-learn has it, so that the two can be compared column by column. What is
// kept under `most` is chosen by count, ties by bytes.
//
// A row's tokens are collected as columns, sorted, and counted by their runs: no table as wide as
// the vocabulary is needed, and columns come out rising.
#include "text/vectorizer.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "text/ngram.h"
#include "text/saved.h"
#include "text/vocabulary.h"

enum { BLOCKS = 2, VECTORIZER_VERSION = 1 };

typedef struct vectorizer_options {
    const json_t *tokenizer;
    hd_ints ngrams, inside;
    int norm;
    bool sublinear, binary, sign;
    int64_t most, least, columns;
    double share;
} vectorizer_options;

typedef struct vectorizer_kind {
    hd_spec_kind kind;
    bool idf, hashed;
} vectorizer_kind;

enum { NORM_L2, NORM_L1, NORM_NONE };
static const char *const norms[] = {"l2", "l1", "none", NULL};

typedef struct block {
    hd_vocabulary vocabulary;
    double *idf;  // (vocabulary); NULL: none
    size_t first; // its first column
} block;

struct hd_vectorizer {
    const vectorizer_kind *kind;
    vectorizer_options opts; // tokenizer: not used, see below
    hd_tokenizer tokenizer;
    block blocks[BLOCKS];
    json_t *given; // {kind: options}, a copy of ours
};

// ── The rows ──

#define COMMON_ROWS                                                                             \
    {.name = "tokenizer",                                                                       \
     .type = HD_OPTION_JSON,                                                                    \
     .at = offsetof(vectorizer_options, tokenizer),                                             \
     .doc = HD_TEXT("words, bigrams or characters", "words、bigrams 或 characters")},           \
        {.name = "ngrams",                                                                      \
         .type = HD_OPTION_INTS,                                                                \
         .at = offsetof(vectorizer_options, ngrams),                                            \
         .initial = 1,                                                                          \
         .min = 1,                                                                              \
         .max = 8,                                                                              \
         .doc = HD_TEXT("runs of tokens: from, to; one number: from 1",                         \
                        "相邻词元组合的长度：从几到几；一个数表示从 1 起")},                    \
        {.name = "inside",                                                                      \
         .type = HD_OPTION_INTS,                                                                \
         .at = offsetof(vectorizer_options, inside),                                            \
         .min = 1,                                                                              \
         .max = 8,                                                                              \
         .doc = HD_TEXT("also runs of characters within tokens: from, to",                      \
                        "另加词内字符组合的长度：从几到几")},                                   \
        {.name = "norm",                                                                        \
         .type = HD_OPTION_WORD,                                                                \
         .at = offsetof(vectorizer_options, norm),                                              \
         .words = norms,                                                                        \
         .doc = HD_TEXT("rows are scaled to length 1 by this norm", "按此范数把每行缩放为 1")}, \
    {                                                                                           \
        .name = "binary", .type = HD_OPTION_BOOL, .at = offsetof(vectorizer_options, binary),   \
        .doc = HD_TEXT("whether a token occurs, not how often", "只看词元是否出现，不计次数")   \
    }
#define LEARNED_ROWS                                                                           \
    {.name = "sublinear",                                                                      \
     .type = HD_OPTION_BOOL,                                                                   \
     .at = offsetof(vectorizer_options, sublinear),                                            \
     .doc = HD_TEXT("1 + ln(count) for the count", "以 1 + ln(次数) 代替次数")},               \
        {.name = "most",                                                                       \
         .type = HD_OPTION_INT,                                                                \
         .at = offsetof(vectorizer_options, most),                                             \
         .max = 1 << 24,                                                                       \
         .doc = HD_TEXT("columns at most in each block; 0: all", "每块至多几列；0 表示不限")}, \
        {.name = "least",                                                                      \
         .type = HD_OPTION_INT,                                                                \
         .at = offsetof(vectorizer_options, least),                                            \
         .initial = 1,                                                                         \
         .min = 1,                                                                             \
         .max = 1e9,                                                                           \
         .doc = HD_TEXT("texts in which a token must occur", "词元至少出现在几条文本中")},     \
    {                                                                                          \
        .name = "share", .type = HD_OPTION_REAL, .at = offsetof(vectorizer_options, share),    \
        .initial = 1, .min = 1e-9, .max = 1,                                                   \
        .doc = HD_TEXT("share of texts above which a token is left out (stop words)",          \
                       "出现于超过此比例文本的词元不计（停用词）")                             \
    }

static const hd_option learned_rows[] = {COMMON_ROWS, LEARNED_ROWS, {.name = NULL}};
static const hd_option hashing_rows[] = {
    COMMON_ROWS,
    {.name = "columns",
     .type = HD_OPTION_INT,
     .at = offsetof(vectorizer_options, columns),
     .initial = 1 << 18,
     .min = 1,
     .max = 1 << 24,
     .doc = HD_TEXT("columns of each block", "每块的列数")},
    {.name = "sign",
     .type = HD_OPTION_BOOL,
     .at = offsetof(vectorizer_options, sign),
     .initial = 1,
     .doc = HD_TEXT("half of all tokens count below zero, so that collisions cancel out",
                    "一半词元取负号，使散列冲突相互抵消")},
    {.name = NULL}};

static const vectorizer_kind tfidf = {
    .kind = {.name = "tfidf",
             .size = sizeof(vectorizer_options),
             .options = learned_rows,
             .doc = HD_TEXT("counts, rare tokens weighed up", "词频，罕见词元加权")},
    .idf = true};
static const vectorizer_kind counts = {
    .kind = {.name = "counts",
             .size = sizeof(vectorizer_options),
             .options = learned_rows,
             .doc = HD_TEXT("a bag of words: how often each token occurs", "词袋：各词元的次数")}};
static const vectorizer_kind hashing = {
    .kind = {.name = "hashing",
             .size = sizeof(vectorizer_options),
             .options = hashing_rows,
             .doc = HD_TEXT("counts by a hash of the token: nothing is learned",
                            "按词元散列计数：无需学习")},
    .hashed = true};
static const hd_spec_kind *const kinds[] = {&tfidf.kind, &counts.kind, &hashing.kind};
const hd_spec_kinds hd_vectorizer_kinds = {.what = HD_TEXT("kind of features", "特征种类"),
                                           .rows = kinds,
                                           .n = sizeof kinds / sizeof kinds[0]};

// ── Reading the options ──

static heed_err read_range(const hd_ints *ints, const hd_where *where, const char *key, size_t *low,
                           size_t *high) {
    *low = ints->n > 1 ? (size_t)ints->at[0] : 1;
    *high = ints->n > 1 ? (size_t)ints->at[1] : ints->n == 1 ? (size_t)ints->at[0] : 0;
    if (ints->n <= 2 && (*low <= *high || ints->n == 0)) return HEED_OK;
    hd_where at = hd_where_key(where, key);
    return HD_FAIL(HEED_INPUT, "%s: two numbers, from and to, the first not above the second",
                   "%s：应为“从、到”两个数，前者不大于后者", hd_where_text(&at).text);
}

static heed_err read_choice(hd_vectorizer *v, const hd_choice *choice) {
    size_t low, high;
    hd_where at = hd_where_key(&choice->where, "tokenizer");
    v->kind = (const vectorizer_kind *)choice->kind;
    v->opts = *(const vectorizer_options *)choice->options;
    HD_TRY(read_range(&v->opts.ngrams, &choice->where, "ngrams", &low, &high));
    HD_TRY(read_range(&v->opts.inside, &choice->where, "inside", &low, &high));
    HD_TRY(hd_tokenizer_read(v->opts.tokenizer, &at, &v->tokenizer));
    v->opts.tokenizer = NULL;
    return HEED_OK;
}

static heed_err vectorizer_new(const json_t *value, const hd_where *where, hd_vectorizer **out) {
    hd_where none = hd_where_of(NULL, "features");
    hd_arena arena;
    hd_choice choice;
    hd_vectorizer *v = hd_calloc(1, sizeof *v);
    if (!v) return HD_FAIL_MEMORY(sizeof *v);
    hd_arena_init(&arena);
    for (int b = 0; b < BLOCKS; b++) hd_vocabulary_init(&v->blocks[b].vocabulary);
    v->given = value ? json_deep_copy(value) : json_string(tfidf.kind.name);
    heed_err err = v->given ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) {
        err = hd_spec_read(&hd_vectorizer_kinds, v->given, where ? where : &none, &arena, &choice);
    }
    if (err == HEED_OK) err = read_choice(v, &choice);
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = v;
    else
        hd_vectorizer_free(v);
    return err;
}

void hd_vectorizer_free(hd_vectorizer *v) {
    if (!v) return;
    for (int b = 0; b < BLOCKS; b++) {
        hd_vocabulary_clear(&v->blocks[b].vocabulary);
        hd_free(v->blocks[b].idf);
    }
    json_decref(v->given);
    hd_free(v);
}

// ── Walking a text's tokens, block by block ──

static heed_err walk(const hd_vectorizer *v, int b, hd_pieces *pieces, hd_token_fn token,
                     void *ctx) {
    const hd_ints *ints = b == 0 ? &v->opts.ngrams : &v->opts.inside;
    size_t low = ints->n > 1 ? (size_t)ints->at[0] : 1;
    size_t high = ints->n > 1 ? (size_t)ints->at[1] : ints->n == 1 ? (size_t)ints->at[0] : 0;
    if (high == 0) return HEED_OK;
    if (b == 0) return hd_ngrams(pieces, low, high, v->tokenizer.kind->joint, token, ctx);
    return hd_ngrams_inside(pieces, low, high, token, ctx);
}

// ── Fitting ──

typedef struct counter {
    hd_map tokens;    // token → its place
    uint64_t *counts; // (places) occurrences
    uint64_t *texts;  // (places) texts that it occurs in
    uint64_t *last;   // (places) the last of those, from 1
    size_t cap[3];
    uint64_t text;
} counter;

static heed_err count_token(void *ctx, hd_slice token, size_t start, size_t n) {
    counter *c = ctx;
    uint64_t *slot;
    bool added;
    (void)start;
    (void)n;
    size_t place = c->tokens.count;
    HD_TRY(hd_map_slot(&c->tokens, token.p, token.n, place, &slot, &added));
    if (added) {
        HD_TRY(hd_grow(&c->counts, &c->cap[0], place + 1, sizeof *c->counts));
        HD_TRY(hd_grow(&c->texts, &c->cap[1], place + 1, sizeof *c->texts));
        HD_TRY(hd_grow(&c->last, &c->cap[2], place + 1, sizeof *c->last));
        c->counts[place] = c->texts[place] = c->last[place] = 0;
    }
    place = (size_t)*slot;
    c->counts[place]++;
    c->texts[place] += c->last[place] != c->text;
    c->last[place] = c->text;
    return HEED_OK;
}

static heed_err learn_idf(block *out, const counter *c, size_t n) {
    size_t m = hd_vocabulary_size(&out->vocabulary);
    out->idf = hd_alloc((m + 1) * sizeof *out->idf);
    if (!out->idf) return HD_FAIL_MEMORY(m * sizeof *out->idf);
    for (size_t i = 0; i < m; i++) {
        const hd_map_entry *entry = &out->vocabulary.ids.entries[i];
        uint64_t place = 0;
        hd_map_get(&c->tokens, entry->key, entry->len, &place);
        out->idf[i] = log((1.0 + (double)n) / (1.0 + (double)c->texts[place])) + 1;
    }
    return HEED_OK;
}

static heed_err learn_block(hd_vectorizer *v, int b, const hd_slice *texts, size_t n,
                            hd_pieces *pieces) {
    counter c = {.text = 0};
    hd_vocabulary_opts opts = {.most = (size_t)v->opts.most,
                               .least = (uint64_t)v->opts.least,
                               .greatest = (uint64_t)(v->opts.share * (double)n),
                               .by_bytes = true};
    hd_map_init(&c.tokens);
    heed_err err = HEED_OK;
    for (size_t i = 0; i < n; i++) {
        c.text = i + 1;
        HD_TRY_OUT(hd_tokenize(&v->tokenizer, texts[i], pieces));
        HD_TRY_OUT(walk(v, b, pieces, count_token, &c));
    }
    HD_TRY_OUT(hd_vocabulary_fit(&c.tokens, c.counts, c.texts, &opts, &v->blocks[b].vocabulary));
    if (v->kind->idf) HD_TRY_OUT(learn_idf(&v->blocks[b], &c, n));
out:
    hd_map_clear(&c.tokens);
    hd_free(c.counts);
    hd_free(c.texts);
    hd_free(c.last);
    return err;
}

static size_t block_columns(const hd_vectorizer *v, int b) {
    if (b == 1 && v->opts.inside.n == 0) return 0;
    return v->kind->hashed ? (size_t)v->opts.columns : hd_vocabulary_size(&v->blocks[b].vocabulary);
}

static void place_blocks(hd_vectorizer *v) {
    for (int b = 1; b < BLOCKS; b++) {
        v->blocks[b].first = v->blocks[b - 1].first + block_columns(v, b - 1);
    }
}

size_t hd_vectorizer_columns(const hd_vectorizer *v) {
    return v->blocks[BLOCKS - 1].first + block_columns(v, BLOCKS - 1);
}

heed_err hd_vectorizer_fit(const json_t *value, const hd_where *where, const hd_slice *texts,
                           size_t n, hd_vectorizer **out) {
    hd_vectorizer *v;
    hd_pieces pieces;
    *out = NULL;
    HD_TRY(vectorizer_new(value, where, &v));
    heed_err err = HEED_OK;
    hd_pieces_init(&pieces);
    for (int b = 0; err == HEED_OK && !v->kind->hashed && b < BLOCKS; b++) {
        err = learn_block(v, b, texts, n, &pieces);
    }
    hd_pieces_clear(&pieces);
    place_blocks(v);
    if (err == HEED_OK)
        *out = v;
    else
        hd_vectorizer_free(v);
    return err;
}

const char *hd_vectorizer_token(const hd_vectorizer *v, size_t column) {
    int b = column >= v->blocks[1].first ? 1 : 0;
    return hd_vocabulary_token(&v->blocks[b].vocabulary, (uint32_t)(column - v->blocks[b].first));
}

// ── Applying ──

typedef struct place {
    uint32_t column;
    int sign;
} place;

typedef struct row_writer {
    const hd_vectorizer *v;
    const block *block;
    place *seen; // (n) of the row and block at hand
    size_t n, cap;
    uint32_t *columns; // of all rows
    float *values;
    size_t used, cap_columns, cap_values;
} row_writer;

static heed_err see_token(void *ctx, hd_slice token, size_t start, size_t n) {
    row_writer *w = ctx;
    place at = {.sign = 1};
    (void)start;
    (void)n;
    if (w->v->kind->hashed) {
        int64_t hash = (int32_t)hd_murmur3(token.p, token.n, 0);
        at.column = (uint32_t)((hash < 0 ? -hash : hash) % w->v->opts.columns);
        at.sign = hash < 0 && w->v->opts.sign ? -1 : 1;
    } else {
        at.column = hd_vocabulary_id(&w->block->vocabulary, token, UINT32_MAX);
        if (at.column == UINT32_MAX) return HEED_OK;
    }
    HD_TRY(hd_grow(&w->seen, &w->cap, w->n + 1, sizeof *w->seen));
    w->seen[w->n++] = at;
    return HEED_OK;
}

static int by_column(const void *a, const void *b) {
    const place *x = a, *y = b;
    return (x->column > y->column) - (x->column < y->column);
}

static double weigh(const row_writer *w, uint32_t column, double count) {
    if (w->v->opts.binary) count = count != 0;
    if (w->v->opts.sublinear && count > 0) count = 1 + log(count);
    return w->block->idf ? count * w->block->idf[column] : count;
}

static void scale_row(const row_writer *w, size_t from) {
    double norm = 0;
    if (w->v->opts.norm == NORM_NONE) return;
    for (size_t i = from; i < w->used; i++) {
        double x = (double)w->values[i];
        norm += w->v->opts.norm == NORM_L2 ? x * x : fabs(x);
    }
    if (w->v->opts.norm == NORM_L2) norm = sqrt(norm);
    for (size_t i = from; norm > 0 && i < w->used; i++) {
        w->values[i] = (float)((double)w->values[i] / norm);
    }
}

static heed_err write_block(row_writer *w) {
    size_t from = w->used;
    qsort(w->seen, w->n, sizeof *w->seen, by_column);
    HD_TRY(hd_grow(&w->columns, &w->cap_columns, w->used + w->n, sizeof *w->columns));
    HD_TRY(hd_grow(&w->values, &w->cap_values, w->used + w->n, sizeof *w->values));
    for (size_t i = 0, j; i < w->n; i = j) {
        double count = 0;
        for (j = i; j < w->n && w->seen[j].column == w->seen[i].column; j++)
            count += w->seen[j].sign;
        w->columns[w->used] = (uint32_t)w->block->first + w->seen[i].column;
        w->values[w->used++] = (float)weigh(w, w->seen[i].column, count);
    }
    scale_row(w, from);
    w->n = 0;
    return HEED_OK;
}

static heed_err write_row(row_writer *w, hd_slice text, hd_pieces *pieces) {
    HD_TRY(hd_tokenize(&w->v->tokenizer, text, pieces));
    for (int b = 0; b < BLOCKS; b++) {
        w->block = &w->v->blocks[b];
        HD_TRY(walk(w->v, b, pieces, see_token, w));
        if (w->n > 0) HD_TRY(write_block(w));
    }
    return HEED_OK;
}

heed_err hd_vectorizer_apply(const hd_vectorizer *v, const hd_slice *texts, size_t n,
                             hd_matrix *out) {
    row_writer w = {.v = v};
    hd_pieces pieces;
    hd_pieces_init(&pieces);
    HD_TRY(hd_matrix_sparse(n, hd_vectorizer_columns(v), 0, out));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        err = write_row(&w, texts[i], &pieces);
        out->start[i + 1] = w.used;
    }
    hd_pieces_clear(&pieces);
    hd_free(w.seen);
    if (err == HEED_OK && w.used > 0) { // what was gathered takes the place of no entries
        hd_free(out->column);
        hd_free(out->value);
        out->column = w.columns;
        out->value = w.values;
        return HEED_OK;
    }
    hd_free(w.columns);
    hd_free(w.values);
    if (err != HEED_OK) hd_matrix_clear(out);
    return err;
}

// ── To and from JSON ──

static heed_err block_json(const block *b, json_t *blocks) {
    json_t *one = json_object(), *list;
    HD_TRY(hd_json_append(blocks, one));
    HD_TRY(hd_vocabulary_json(&b->vocabulary, &list));
    HD_TRY(hd_json_set(one, "tokens", list));
    if (!b->idf) return HEED_OK;
    HD_TRY(hd_json_set(one, "idf", list = json_array()));
    for (size_t i = 0; i < hd_vocabulary_size(&b->vocabulary); i++) {
        HD_TRY(hd_json_append(list, json_real(b->idf[i])));
    }
    return HEED_OK;
}

heed_err hd_vectorizer_json(const hd_vectorizer *v, json_t **out) {
    json_t *blocks = json_array();
    *out = NULL;
    heed_err err = blocks ? HEED_OK : HD_FAIL_MEMORY(0);
    for (int b = 0; err == HEED_OK && b < BLOCKS && !v->kind->hashed; b++) {
        err = block_json(&v->blocks[b], blocks);
    }
    if (err == HEED_OK) {
        err = hd_json_pack(out, "{s:s, s:i, s:O, s:O}", "format", "heed-vectorizer", "version",
                           VECTORIZER_VERSION, "options", v->given, "blocks", blocks);
    }
    json_decref(blocks);
    return err;
}

static heed_err block_from_json(hd_vectorizer *v, int b, const json_t *one, const char *name) {
    block *out = &v->blocks[b];
    const json_t *idf = json_object_get(one, "idf");
    HD_TRY(hd_vocabulary_from_json(json_object_get(one, "tokens"), name, 0, &out->vocabulary));
    if (!v->kind->idf) return HEED_OK;
    size_t m = hd_vocabulary_size(&out->vocabulary);
    bool sound = json_is_array(idf) && json_array_size(idf) == m;
    if (sound) {
        out->idf = hd_alloc((m + 1) * sizeof *out->idf);
        if (!out->idf) return HD_FAIL_MEMORY(m * sizeof *out->idf);
    }
    for (size_t i = 0; sound && i < m; i++) {
        const json_t *value = json_array_get(idf, i);
        out->idf[i] = json_number_value(value);
        sound = json_is_number(value) && out->idf[i] > 0 && out->idf[i] < 1e6;
    }
    if (sound) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT, "%s: the weights of tokens are damaged", "%s：词元的权重已损坏",
                   name);
}

heed_err hd_vectorizer_from_json(const json_t *json, const char *name, hd_vectorizer **out) {
    const json_t *blocks = json_object_get(json, "blocks");
    hd_where where = hd_where_of(NULL, name);
    hd_vectorizer *v;
    *out = NULL;
    HD_TRY(hd_saved_check(json, "heed-vectorizer", VECTORIZER_VERSION, name));
    HD_TRY(hd_saved_damaged(vectorizer_new(json_object_get(json, "options"), &where, &v)));
    heed_err err = HEED_OK;
    for (int b = 0; err == HEED_OK && b < BLOCKS && !v->kind->hashed; b++) {
        err = block_from_json(v, b, json_array_get(blocks, (size_t)b), name);
    }
    place_blocks(v);
    if (err == HEED_OK)
        *out = v;
    else
        hd_vectorizer_free(v);
    return err;
}
