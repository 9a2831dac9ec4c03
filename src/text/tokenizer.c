// SPDX-License-Identifier: Apache-2.0
//
// Three ways to cut, none of which needs a dictionary: a word that a dictionary of segments lacks
// (a new product, a name) would be cut wrongly, and every wrong cut is a token never seen. So a
// Chinese character stands for itself, or stands with its neighbour; words of other scripts are
// runs of letters, marks and numbers.
#include "text/tokenizer.h"

#include "base/mem.h"

void hd_pieces_init(hd_pieces *pieces) {
    *pieces = (hd_pieces){0};
    hd_str_init(&pieces->text);
    hd_str_init(&pieces->joined);
}

void hd_pieces_clear(hd_pieces *pieces) {
    hd_str_clear(&pieces->text);
    hd_str_clear(&pieces->joined);
    hd_free(pieces->at);
    pieces->at = NULL;
    pieces->n = pieces->cap = 0;
}

heed_err hd_pieces_add(hd_pieces *pieces, const char *p, size_t n) {
    if (pieces->n == pieces->cap) {
        HD_TRY(hd_grow(&pieces->at, &pieces->cap, pieces->n + 1, sizeof *pieces->at));
    }
    pieces->at[pieces->n++] = (hd_slice){p, n};
    return HEED_OK;
}

static bool is_space(uint32_t c) {
    return c <= ' ' || c == 0x7F || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

// ── characters ──

// Runs of white space are one space, and at the ends there is none; or all of it as it stands.
static heed_err characters_split(const hd_tokenizer_options *options, hd_pieces *out) {
    static const char space[] = " ";
    const char *p = hd_str_get(&out->text);
    uint32_t c;
    bool gap = false;
    for (size_t left = out->text.len, len; (len = hd_utf8_next(p, left, &c)) > 0;
         p += len, left -= len) {
        if (is_space(c) && !options->spaces) {
            gap = out->n > 0;
            continue;
        }
        if (gap) HD_TRY(hd_pieces_add(out, space, 1));
        gap = false;
        HD_TRY(hd_pieces_add(out, p, len));
    }
    return HEED_OK;
}

// ── words, bigrams ──

// The run of one class that begins at p: bytes.
static size_t word_run(const char *p, size_t left) {
    size_t n = 0, len;
    uint32_t c;
    while ((len = hd_utf8_next(p + n, left - n, &c)) > 0 && hd_is_word(c) && !hd_is_cjk(c))
        n += len;
    return n;
}

static size_t cjk_run(const char *p, size_t left) {
    size_t n = 0, len;
    uint32_t c;
    while ((len = hd_utf8_next(p + n, left - n, &c)) > 0 && hd_is_cjk(c)) n += len;
    return n;
}

// A run of CJK as characters (width 1) or as overlapping pairs (2); one character alone is itself.
static heed_err add_cjk(hd_pieces *out, const char *p, size_t n, int width) {
    uint32_t c;
    size_t before = 0, len;
    for (size_t i = 0; (len = hd_utf8_next(p + i, n - i, &c)) > 0; i += len) {
        if (width == 1 || len == n) HD_TRY(hd_pieces_add(out, p + i, len));
        if (width == 2 && i > 0) HD_TRY(hd_pieces_add(out, p + before, i + len - before));
        before = i;
    }
    return HEED_OK;
}

static heed_err split_words(const hd_tokenizer_options *options, hd_pieces *out, int width) {
    const char *p = hd_str_get(&out->text);
    uint32_t c;
    for (size_t left = out->text.len, len; (len = hd_utf8_next(p, left, &c)) > 0;
         p += len, left -= len) {
        if (hd_is_cjk(c)) {
            len = cjk_run(p, left);
            HD_TRY(add_cjk(out, p, len, width));
        } else if (hd_is_word(c)) {
            len = word_run(p, left);
            HD_TRY(hd_pieces_add(out, p, len));
        } else if (options->marks && !is_space(c)) {
            HD_TRY(hd_pieces_add(out, p, len));
        }
    }
    return HEED_OK;
}

static heed_err words_split(const hd_tokenizer_options *options, hd_pieces *out) {
    return split_words(options, out, 1);
}

static heed_err bigrams_split(const hd_tokenizer_options *options, hd_pieces *out) {
    return split_words(options, out, 2);
}

// ── The rows ──

static const hd_option rows[] = {
    {.name = "marks",
     .type = HD_OPTION_BOOL,
     .at = offsetof(hd_tokenizer_options, marks),
     .doc =
         HD_TEXT("punctuation and symbols are tokens too, each alone", "标点和符号也各自成为词元")},
    {.name = "fold",
     .type = HD_OPTION_BOOL,
     .at = offsetof(hd_tokenizer_options, fold),
     .initial = 1,
     .doc =
         HD_TEXT("upper and lower case, full and half width are one", "不区分大小写和全角、半角")},
    {.name = NULL}};
static const hd_option character_rows[] = {
    {.name = "spaces",
     .type = HD_OPTION_BOOL,
     .at = offsetof(hd_tokenizer_options, spaces),
     .doc = HD_TEXT("white space as it stands, line by line", "空白和换行原样保留")},
    {.name = "fold",
     .type = HD_OPTION_BOOL,
     .at = offsetof(hd_tokenizer_options, fold),
     .initial = 1,
     .doc =
         HD_TEXT("upper and lower case, full and half width are one", "不区分大小写和全角、半角")},
    {.name = NULL}};

static const hd_tokenizer_kind characters = {
    .kind = {.name = "characters",
             .size = sizeof(hd_tokenizer_options),
             .options = character_rows,
             .doc = HD_TEXT("each character; white space is one space",
                            "逐个字符；连续空白算一个空格")},
    .joint = "",
    .split = characters_split};
static const hd_tokenizer_kind words = {
    .kind = {.name = "words",
             .size = sizeof(hd_tokenizer_options),
             .options = rows,
             .doc = HD_TEXT("runs of letters and numbers; each Chinese character alone",
                            "连续的字母和数字为一个词；每个汉字单独为一个词")},
    .joint = " ",
    .split = words_split};
static const hd_tokenizer_kind bigrams = {
    .kind = {.name = "bigrams",
             .size = sizeof(hd_tokenizer_options),
             .options = rows,
             .doc = HD_TEXT("runs of letters and numbers; overlapping pairs of Chinese characters",
                            "连续的字母和数字为一个词；汉字取相邻两字的重叠对")},
    .joint = " ",
    .split = bigrams_split};

static const hd_spec_kind *const kinds[] = {&words.kind, &bigrams.kind, &characters.kind};
const hd_spec_kinds hd_tokenizer_kinds = {
    .what = HD_TEXT("tokenizer", "分词方式"), .rows = kinds, .n = sizeof kinds / sizeof kinds[0]};

// ── Reading and applying ──

heed_err hd_tokenizer_read(const json_t *value, const hd_where *where, hd_tokenizer *out) {
    hd_arena arena;
    hd_choice choice;
    if (!value) {
        *out = (hd_tokenizer){&words, {.fold = true}};
        return HEED_OK;
    }
    hd_arena_init(&arena);
    heed_err err = hd_spec_read(&hd_tokenizer_kinds, value, where, &arena, &choice);
    if (err == HEED_OK) {
        out->kind = (const hd_tokenizer_kind *)choice.kind;
        out->options = *(const hd_tokenizer_options *)choice.options;
    }
    hd_arena_clear(&arena);
    return err;
}

// Bytes that are no UTF-8 become U+FFFD, whether folded or not.
static heed_err take_plain(hd_slice text, hd_str *out) {
    if (hd_utf8_valid(text.p, text.n) == text.n) {
        hd_str_addn(out, text.p, text.n);
        return hd_str_check(out);
    }
    uint32_t c;
    char bytes[4];
    for (size_t len; (len = hd_utf8_next(text.p, text.n, &c)) > 0; text.p += len, text.n -= len) {
        hd_str_addn(out, bytes, hd_utf8_put(c, bytes));
    }
    return hd_str_check(out);
}

heed_err hd_tokenize(const hd_tokenizer *tokenizer, hd_slice text, hd_pieces *out) {
    hd_str_reset(&out->text);
    out->n = 0;
    if (text.n == 0) return HEED_OK;
    if (tokenizer->options.fold)
        HD_TRY(hd_unicode_fold(text.p, text.n, &out->text));
    else
        HD_TRY(take_plain(text, &out->text));
    return tokenizer->kind->split(&tokenizer->options, out);
}
