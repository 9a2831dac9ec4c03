// SPDX-License-Identifier: Apache-2.0
//
// Texts, as ids (0: padding, 1: unknown; see text/vocabulary.h): words forgotten, in another order,
// or said otherwise (Wei, Zou, "EDA: easy data augmentation", 2019). A text never loses its last
// token.
#include <stdlib.h>

#include "base/mem.h"
#include "base/unicode.h"
#include "prepare/augment/rows.h"

enum { ID_UNKNOWN = 1 };

#define TEXTS (1u << HD_AUGMENT_IDS)

static int32_t *begin_of(hd_augment_sample *s) {
    return s->at_end ? s->ids + (s->length - s->used) : s->ids;
}

// Puts n ids in place of the text, at the end where it stood.
static void put_back(hd_augment_sample *s, const int32_t *ids, size_t n) {
    memmove(s->ids + (s->at_end ? s->length - n : 0), ids, n * sizeof *ids);
    memset(s->at_end ? s->ids : s->ids + n, 0, (s->length - n) * sizeof *ids);
    s->used = n;
}

// ── drop ──

typedef struct drop_options {
    double share;
    int how;
} drop_options;
enum { DROP_UNKNOWN, DROP_REMOVE };
static const char *const drop_words[] = {"unknown", "remove", NULL};
static const hd_option drop_rows[] = {
    {.name = "share",
     .type = HD_OPTION_REAL,
     .at = offsetof(drop_options, share),
     .initial = 0.1,
     .max = 0.95,
     .doc = HD_TEXT("of the tokens", "词元的比例")},
    {.name = "how",
     .type = HD_OPTION_WORD,
     .at = offsetof(drop_options, how),
     .words = drop_words,
     .doc = HD_TEXT("turned into the unknown token, or taken out", "改为未知词元，或直接去掉")},
    {.name = NULL}};

static void drop(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    const drop_options *o = options;
    int32_t *ids = begin_of(s);
    size_t kept = 0;
    (void)move;
    for (size_t i = 0; i < s->used; i++) {
        bool dropped = hd_rng_uniform(rng) < o->share;
        if (dropped && o->how == DROP_REMOVE && (kept > 0 || i + 1 < s->used)) continue;
        s->spare_ids[kept++] = dropped && o->how == DROP_UNKNOWN ? ID_UNKNOWN : ids[i];
    }
    if (s->used > 0) put_back(s, s->spare_ids, kept);
}

// ── swap, crop ──

HD_AUGMENT_NUMBER(swap_rows, "share", 0.1, 0, 1, "of the tokens that change places with the next",
                  "与后一个词元交换位置的比例");

static void swap(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double share = ((const hd_augment_number *)options)->value;
    int32_t *ids = begin_of(s);
    (void)move;
    for (size_t i = 0; i + 1 < s->used; i++) {
        if (hd_rng_uniform(rng) >= share) continue;
        int32_t first = ids[i];
        ids[i] = ids[i + 1];
        ids[++i] = first;
    }
}

void hd_augment_crop_ids(double least, hd_rng *rng, hd_augment_sample *s) {
    double share = least + (1 - least) * hd_rng_uniform(rng);
    size_t n = (size_t)(share * (double)s->used + 0.5);
    if (s->used == 0) return;
    if (n < 1) n = 1;
    size_t from = (size_t)hd_rng_below(rng, s->used - n + 1);
    memcpy(s->spare_ids, begin_of(s) + from, n * sizeof *s->ids);
    put_back(s, s->spare_ids, n);
}

// ── synonyms ──

typedef struct synonym_options {
    const char *file;
    double share;
} synonym_options;
static const hd_option synonym_rows[] = {
    {.name = "file",
     .type = HD_OPTION_TEXT,
     .at = offsetof(synonym_options, file),
     .required = true,
     .doc = HD_TEXT("lines of words that may stand for each other", "每行若干可互换的词")},
    {.name = "share",
     .type = HD_OPTION_REAL,
     .at = offsetof(synonym_options, share),
     .initial = 0.1,
     .max = 1,
     .doc = HD_TEXT("of the tokens that have any", "在有同义词的词元中替换的比例")},
    {.name = NULL}};

static void synonyms(const void *options, hd_rng *rng, hd_augment_sample *s,
                     hd_augment_move *move) {
    double share = ((const synonym_options *)options)->share;
    int32_t *ids = begin_of(s);
    const hd_synonyms *all = s->synonyms;
    (void)move;
    for (size_t i = 0; all && i < s->used; i++) {
        size_t id = (size_t)ids[i];
        if (ids[i] < 0 || id >= all->n_ids || all->start[id + 1] == all->start[id]) continue;
        if (hd_rng_uniform(rng) >= share) continue;
        size_t n = all->start[id + 1] - all->start[id];
        ids[i] = all->ids[all->start[id] + hd_rng_below(rng, n)];
    }
}

const hd_augment_kind hd_augment_drop = {
    .kind = {.name = "drop",
             .size = sizeof(drop_options),
             .options = drop_rows,
             .doc = HD_TEXT("tokens are forgotten", "随机丢弃词元")},
    .of = TEXTS,
    .apply = drop};
const hd_augment_kind hd_augment_swap = {
    .kind = {.name = "swap",
             .size = sizeof(hd_augment_number),
             .options = swap_rows,
             .doc = HD_TEXT("neighbouring tokens change places", "相邻词元交换位置")},
    .of = TEXTS,
    .in_order = true,
    .apply = swap};
const hd_augment_kind hd_augment_replace = {
    .kind = {.name = "synonyms",
             .size = sizeof(synonym_options),
             .options = synonym_rows,
             .doc = HD_TEXT("words are said otherwise", "以同义词替换")},
    .of = TEXTS,
    .in_order = true,
    .synonyms = true,
    .apply = synonyms};

// ── The file of synonyms ──

void hd_synonyms_clear(hd_synonyms *s) {
    hd_free(s->start);
    hd_free(s->ids);
    *s = (hd_synonyms){0};
}

typedef struct pairs {
    uint64_t *at; // id · 2³² + the other
    size_t n, cap;
} pairs;

static heed_err add_group(pairs *p, const int32_t *group, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (group[i] == group[j]) continue;
            HD_TRY(hd_grow(&p->at, &p->cap, p->n + 1, sizeof *p->at));
            p->at[p->n++] = (uint64_t)(uint32_t)group[i] << 32 | (uint32_t)group[j];
        }
    }
    return HEED_OK;
}

// A line's words that are known, up to 64 of them.
static size_t read_line(hd_slice line, size_t n_ids, hd_word_id id_of, void *ctx, int32_t *group) {
    size_t n = 0;
    while (line.n > 0 && n < 64) {
        size_t end = 0;
        while (end < line.n && !strchr(" \t\r,", line.p[end])) end++;
        int32_t id = end > 0 ? id_of(ctx, (hd_slice){line.p, end}) : -1;
        if (id > ID_UNKNOWN && (size_t)id < n_ids) group[n++] = id;
        line.p += end;
        line.n -= end;
        if (line.n > 0) line.p++, line.n--;
    }
    return n;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static heed_err index_pairs(pairs *p, size_t n_ids, hd_synonyms *out) {
    out->n_ids = n_ids;
    out->start = hd_calloc(n_ids + 2, sizeof *out->start);
    out->ids = hd_alloc((p->n + 1) * sizeof *out->ids);
    if (!out->start || !out->ids) return HD_FAIL_MEMORY(p->n * sizeof *out->ids);
    qsort(p->at, p->n, sizeof *p->at, by_value);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0 && p->at[i] == p->at[i - 1]) continue;
        out->ids[n++] = (int32_t)(uint32_t)p->at[i];
        out->start[(p->at[i] >> 32) + 1]++;
    }
    for (size_t i = 0; i <= n_ids; i++) out->start[i + 1] += out->start[i];
    return HEED_OK;
}

heed_err hd_synonyms_parse(const char *text, size_t n, const char *name, size_t n_ids,
                           hd_word_id id_of, void *ctx, hd_synonyms *out) {
    pairs p = {0};
    int32_t group[64];
    heed_err err = HEED_OK;
    *out = (hd_synonyms){0};
    while (err == HEED_OK && n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;
        err = add_group(&p, group, read_line((hd_slice){text, len}, n_ids, id_of, ctx, group));
        text += len + (end ? 1 : 0);
        n -= len + (end ? 1 : 0);
    }
    if (err == HEED_OK && p.n == 0) {
        err = HD_FAIL(HEED_INPUT, "'%s': no line has two words that the training texts have",
                      "“%s”：没有一行含有两个训练文本中出现的词", name);
    }
    if (err == HEED_OK) err = index_pairs(&p, n_ids, out);
    hd_free(p.at);
    if (err != HEED_OK) hd_synonyms_clear(out);
    return err;
}
