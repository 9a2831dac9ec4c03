// SPDX-License-Identifier: Apache-2.0
//
// The options as they were given are kept beside what was learned: a saved encoder is read by the
// same rows as a recipe, so that nothing in a file can be set that a recipe couldn't.
//
// The length that isn't given is a quantile and not the longest text: one text of ten thousand
// words would make every batch that wide.
#include "text/encoder.h"

#include <stdlib.h>

#include "base/mem.h"
#include "text/ngram.h"
#include "text/saved.h"
#include "text/vocabulary.h"

enum { LONGEST = 65536, ENCODER_VERSION = 1 };

typedef struct encoder_options {
    const json_t *tokenizer;
    int64_t vocabulary, least, length, ngrams, buckets;
    int pad, cut;
} encoder_options;

enum { AT_END, AT_START };
static const char *const sides[] = {"end", "start", NULL};

const hd_option hd_encoder_options[] = {
    {.name = "tokenizer",
     .type = HD_OPTION_JSON,
     .at = offsetof(encoder_options, tokenizer),
     .doc = HD_TEXT("words, bigrams or characters", "words、bigrams 或 characters")},
    {.name = "vocabulary",
     .type = HD_OPTION_INT,
     .at = offsetof(encoder_options, vocabulary),
     .initial = 10000,
     .min = 3,
     .max = 1 << 24,
     .doc = HD_TEXT("numbers in all, with padding and unknown", "编号总数，含填充和未知词元")},
    {.name = "least",
     .type = HD_OPTION_INT,
     .at = offsetof(encoder_options, least),
     .initial = 1,
     .min = 1,
     .max = 1e9,
     .doc = HD_TEXT("occurrences for a token to be known", "词元至少出现几次才收入词表")},
    {.name = "length",
     .type = HD_OPTION_INT,
     .at = offsetof(encoder_options, length),
     .max = LONGEST,
     .doc = HD_TEXT("tokens in a row; 0: what 99 of 100 training texts fit in",
                    "每行的词元数；0 表示取能容纳 99% 训练文本的长度")},
    {.name = "pad",
     .type = HD_OPTION_WORD,
     .at = offsetof(encoder_options, pad),
     .words = sides,
     .doc = HD_TEXT("where a shorter text is filled up", "较短文本在哪一端填充")},
    {.name = "cut",
     .type = HD_OPTION_WORD,
     .at = offsetof(encoder_options, cut),
     .words = sides,
     .doc = HD_TEXT("where a longer text is cut", "较长文本在哪一端截断")},
    {.name = "ngrams",
     .type = HD_OPTION_INT,
     .at = offsetof(encoder_options, ngrams),
     .initial = 1,
     .min = 1,
     .max = 5,
     .doc = HD_TEXT("runs of up to so many tokens are tokens too",
                    "至多几个相邻词元的组合也作为词元")},
    {.name = "buckets",
     .type = HD_OPTION_INT,
     .at = offsetof(encoder_options, buckets),
     .initial = 20000,
     .min = 1,
     .max = 1 << 24,
     .doc = HD_TEXT("numbers for those runs, taken by a hash", "这些组合经散列所占的编号数")},
    {.name = NULL}};

struct hd_encoder {
    encoder_options opts; // tokenizer: not used, see below
    hd_tokenizer tokenizer;
    hd_vocabulary vocabulary;
    size_t length;       // places for tokens
    hd_lexicon *lexicon; // NULL: none
    json_t *given;       // the options, a copy of ours
};

// ── Reading the options ──

static heed_err encoder_read(const json_t *options, const hd_where *where, hd_encoder **out) {
    hd_encoder *e = hd_calloc(1, sizeof *e);
    hd_where none = hd_where_of(NULL, "");
    if (!where) where = &none;
    if (!e) return HD_FAIL_MEMORY(sizeof *e);
    hd_vocabulary_init(&e->vocabulary);
    heed_err err = HEED_OK;
    hd_where at = hd_where_key(where, "tokenizer");
    HD_TRY_OUT(hd_options_read(hd_encoder_options, options, where, &e->opts));
    HD_TRY_OUT(hd_tokenizer_read(e->opts.tokenizer, &at, &e->tokenizer));
    e->opts.tokenizer = NULL;
    e->given = options ? json_deep_copy(options) : json_object();
    if (!e->given) HD_TRY_OUT(HD_FAIL_MEMORY(0));
    *out = e;
    return HEED_OK;
out:
    hd_encoder_free(e);
    return err;
}

void hd_encoder_free(hd_encoder *encoder) {
    if (!encoder) return;
    hd_vocabulary_clear(&encoder->vocabulary);
    hd_lexicon_free(encoder->lexicon);
    json_decref(encoder->given);
    hd_free(encoder);
}

// ── Fitting ──

static int by_size(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

// Places that a text of so many tokens takes, its runs included.
static size_t places_of(const hd_encoder *e, size_t tokens) {
    size_t places = tokens;
    for (size_t k = 2; k <= (size_t)e->opts.ngrams && k <= tokens; k++) places += tokens - k + 1;
    return places;
}

static size_t length_of(const hd_encoder *e, size_t *lengths, size_t n) {
    if (e->opts.length > 0) return (size_t)e->opts.length;
    qsort(lengths, n, sizeof *lengths, by_size);
    size_t most = n > 0 ? lengths[(n - 1) * 99 / 100] : 1;
    return most < 1 ? 1 : most > LONGEST ? LONGEST : most;
}

static heed_err count_text(const hd_encoder *e, hd_slice text, hd_pieces *pieces, hd_map *counts,
                           size_t *length) {
    uint64_t *slot;
    HD_TRY(hd_tokenize(&e->tokenizer, text, pieces));
    for (size_t i = 0; i < pieces->n; i++) {
        HD_TRY(hd_map_slot(counts, pieces->at[i].p, pieces->at[i].n, 0, &slot, NULL));
        ++*slot;
    }
    *length = places_of(e, pieces->n);
    return HEED_OK;
}

static heed_err learn(hd_encoder *e, const hd_slice *texts, size_t n) {
    hd_vocabulary_opts opts = {.most = (size_t)e->opts.vocabulary - HD_ID_FIRST,
                               .least = (uint64_t)e->opts.least,
                               .first = HD_ID_FIRST};
    hd_pieces pieces;
    hd_map counts;
    size_t *lengths = hd_alloc((n + 1) * sizeof *lengths);
    heed_err err = HEED_OK;
    if (!lengths) return HD_FAIL_MEMORY(n * sizeof *lengths);
    hd_pieces_init(&pieces);
    hd_map_init(&counts);
    for (size_t i = 0; i < n; i++)
        HD_TRY_OUT(count_text(e, texts[i], &pieces, &counts, &lengths[i]));
    e->length = length_of(e, lengths, n);
    HD_TRY_OUT(hd_vocabulary_fit(&counts, NULL, NULL, &opts, &e->vocabulary));
out:
    hd_map_clear(&counts);
    hd_pieces_clear(&pieces);
    hd_free(lengths);
    return err;
}

heed_err hd_encoder_fit(const json_t *options, const hd_where *where, const hd_slice *texts,
                        size_t n, hd_encoder **out) {
    hd_encoder *e;
    *out = NULL;
    HD_TRY(encoder_read(options, where, &e));
    heed_err err = learn(e, texts, n);
    if (err == HEED_OK)
        *out = e;
    else
        hd_encoder_free(e);
    return err;
}

heed_err hd_encoder_take_lexicon(hd_encoder *encoder, hd_lexicon *lexicon) {
    if (encoder->opts.ngrams > 1) {
        hd_lexicon_free(lexicon);
        return HD_FAIL(HEED_INPUT, "classes are those of single words: leave out ngrams",
                       "类别属于单个词：请去掉 ngrams");
    }
    encoder->lexicon = lexicon;
    return HEED_OK;
}

bool hd_encoder_has_classes(const hd_encoder *encoder) {
    return encoder->lexicon != NULL;
}

size_t hd_encoder_length(const hd_encoder *encoder) {
    return encoder->lexicon ? 2 * encoder->length : encoder->length;
}

size_t hd_encoder_size(const hd_encoder *encoder) {
    size_t buckets = encoder->opts.ngrams > 1 ? (size_t)encoder->opts.buckets : 0;
    return (size_t)encoder->opts.vocabulary + buckets;
}

bool hd_encoder_from_start(const hd_encoder *encoder) {
    return encoder->opts.pad == AT_END;
}

bool hd_encoder_has_runs(const hd_encoder *encoder) {
    return encoder->opts.ngrams > 1;
}

const char *hd_encoder_token(const hd_encoder *encoder, int32_t id) {
    return id < 0 ? "" : hd_vocabulary_token(&encoder->vocabulary, (uint32_t)id);
}

// ── Applying ──

typedef struct ids_writer {
    const hd_encoder *e;
    int32_t *ids, *classes; // classes: NULL: none
    size_t skip, n, most;
} ids_writer;

// A token by the vocabulary, a run by its hash.
static heed_err write_id(void *ctx, hd_slice token, size_t start, size_t n) {
    ids_writer *w = ctx;
    (void)start;
    if (w->skip > 0) {
        w->skip--;
        return HEED_OK;
    }
    if (w->n == w->most) return HEED_OK;
    uint32_t id = hd_vocabulary_id(&w->e->vocabulary, token, HD_ID_UNKNOWN);
    if (n > 1) {
        uint32_t hash = hd_murmur3(token.p, token.n, 0);
        id = (uint32_t)w->e->opts.vocabulary + hash % (uint32_t)w->e->opts.buckets;
    }
    if (w->classes) w->classes[w->n] = hd_lexicon_class(w->e->lexicon, token);
    w->ids[w->n++] = (int32_t)id;
    return HEED_OK;
}

heed_err hd_encoder_apply(const hd_encoder *e, hd_slice text, hd_pieces *pieces, int32_t *ids,
                          size_t *used) {
    HD_TRY(hd_tokenize(&e->tokenizer, text, pieces));
    size_t have = places_of(e, pieces->n), fit = have < e->length ? have : e->length;
    size_t from = e->opts.pad == AT_START ? e->length - fit : 0;
    memset(ids, 0, hd_encoder_length(e) * sizeof *ids); // HD_ID_PAD, HD_CLASS_PAD
    ids_writer w = {.e = e,
                    .ids = ids + from,
                    .classes = e->lexicon ? ids + e->length + from : NULL,
                    .skip = e->opts.cut == AT_START ? have - fit : 0,
                    .most = fit};
    HD_TRY(hd_ngrams(pieces, 1, (size_t)e->opts.ngrams, e->tokenizer.kind->joint, write_id, &w));
    *used = fit;
    return HEED_OK;
}

heed_err hd_encoder_stream(const hd_encoder *e, hd_slice text, int32_t **ids, size_t *n) {
    hd_pieces pieces;
    *ids = NULL;
    hd_pieces_init(&pieces);
    heed_err err = hd_tokenize(&e->tokenizer, text, &pieces);
    int32_t *out = err == HEED_OK ? hd_alloc((pieces.n + 1) * sizeof *out) : NULL;
    if (out) {
        ids_writer w = {.e = e, .ids = out, .most = pieces.n};
        err = hd_ngrams(&pieces, 1, 1, "", write_id, &w);
        *ids = out;
        *n = w.n;
    } else if (err == HEED_OK) {
        err = HD_FAIL_MEMORY(pieces.n * sizeof *out);
    }
    hd_pieces_clear(&pieces);
    return err;
}

// ── To and from JSON ──

heed_err hd_encoder_json(const hd_encoder *encoder, json_t **out) {
    json_t *tokens, *lexicon = NULL;
    *out = NULL;
    HD_TRY(hd_vocabulary_json(&encoder->vocabulary, &tokens));
    HD_TRY(hd_json_pack(out, "{s:s, s:i, s:O, s:I, s:o}", "format", "heed-encoder", "version",
                        ENCODER_VERSION, "options", encoder->given, "length",
                        (json_int_t)encoder->length, "tokens", tokens));
    if (!encoder->lexicon) return HEED_OK;
    heed_err err = hd_lexicon_json(encoder->lexicon, &lexicon);
    if (err == HEED_OK) err = hd_json_set(*out, "lexicon", lexicon);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err lexicon_from_json(const json_t *json, const char *name, hd_encoder *e) {
    hd_lexicon *lexicon;
    if (!json) return HEED_OK;
    HD_TRY(hd_lexicon_from_json(json, name, &lexicon));
    return hd_saved_damaged(hd_encoder_take_lexicon(e, lexicon));
}

static heed_err from_json(const json_t *json, const char *name, hd_encoder **out) {
    json_int_t length = json_integer_value(json_object_get(json, "length"));
    const json_t *options = json_object_get(json, "options");
    hd_encoder *e;
    if (!json_is_object(options) || length < 1 || length > LONGEST) {
        return HD_FAIL(HEED_CORRUPT, "%s: the encoder's options or length are damaged",
                       "%s：编码器的选项或长度已损坏", name);
    }
    hd_where where = hd_where_of(NULL, name);
    HD_TRY(hd_saved_damaged(encoder_read(options, &where, &e)));
    e->length = (size_t)length;
    heed_err err =
        hd_vocabulary_from_json(json_object_get(json, "tokens"), name, HD_ID_FIRST, &e->vocabulary);
    if (err == HEED_OK && hd_vocabulary_size(&e->vocabulary) > (size_t)e->opts.vocabulary) {
        err = HD_FAIL(HEED_CORRUPT, "%s: more tokens than the vocabulary has numbers",
                      "%s：词元多于词表的编号", name);
    }
    if (err == HEED_OK) err = lexicon_from_json(json_object_get(json, "lexicon"), name, e);
    if (err == HEED_OK)
        *out = e;
    else
        hd_encoder_free(e);
    return err;
}

heed_err hd_encoder_from_json(const json_t *json, const char *name, hd_encoder **out) {
    *out = NULL;
    HD_TRY(hd_saved_check(json, "heed-encoder", ENCODER_VERSION, name));
    return from_json(json, name, out);
}
