// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 by hand (it stands in every hot loop), tables by utf8proc.
//
// Folding is Unicode's NFKC_Casefold (utf8proc_decompose and _reencode over buffers of ours, so
// that allocations are counted). Search tokens are folded words and overlapping pairs of CJK
// characters: dictionary segmentation was rejected, because a word that the dictionary lacks (a
// new product) would be unfindable, while a pair always matches.
#include "base/unicode.h"

#include <utf8proc.h>

#include "base/mem.h"

enum { REPLACEMENT = 0xFFFD };

// Length of a valid multi-byte character at p with n bytes left, or 0 (Unicode 15, table 3-7).
static size_t utf8_length(const unsigned char *p, size_t n) {
    unsigned c = p[0];
    if (c < 0xC2 || c > 0xF4) return 0;
    size_t len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n < len) return 0;
    unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    unsigned high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
    }
    return len;
}

size_t hd_utf8_valid(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        while (i + 8 <= n && (memcpy(&eight, p + i, 8), !(eight & UINT64_C(0x8080808080808080)))) {
            i += 8;
        }
        if (i == n) break;
        size_t len = p[i] < 0x80 ? 1 : utf8_length(p + i, n - i);
        if (len == 0) return i;
        i += len;
    }
    return n;
}

size_t hd_utf8_next(const char *text, size_t n, uint32_t *codepoint) {
    if (n == 0) return 0;
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] < 0x80) {
        *codepoint = p[0];
        return 1;
    }
    size_t len = utf8_length(p, n);
    if (len == 0) {
        *codepoint = REPLACEMENT;
        return 1;
    }
    uint32_t c = p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) c = c << 6 | (p[i] & 0x3Fu);
    *codepoint = c;
    return len;
}

size_t hd_utf8_put(uint32_t c, char out[4]) {
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = REPLACEMENT;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)((0xF00u >> len) | c);
    return len;
}

size_t hd_utf8_cut(const char *text, size_t n, size_t max) {
    if (n <= max) return n;
    size_t i = max;
    // A character has at most three bytes after its first.
    while (i > 0 && max - i < 3 && ((unsigned char)text[i] & 0xC0) == 0x80) i--;
    return ((unsigned char)text[i] & 0xC0) == 0x80 ? max : i;
}

size_t hd_utf8_width(const char *text, size_t n) {
    size_t width = 0;
    uint32_t c;
    for (size_t len; (len = hd_utf8_next(text, n, &c)) > 0; text += len, n -= len) {
        width += (size_t)utf8proc_charwidth((utf8proc_int32_t)c);
    }
    return width;
}

// Lower-cases what is ASCII; false when the text isn't, and nothing was added.
static bool fold_ascii(const char *text, size_t n, hd_str *out) {
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] >= 0x80) return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        hd_str_addc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    return true;
}

// Decomposes into *buffer, which grows to what is needed (and a byte more, for reencoding).
static heed_err fold_decompose(const char *text, size_t n, utf8proc_option_t options,
                               utf8proc_int32_t **buffer, utf8proc_ssize_t *len) {
    size_t cap = n + 16;
    for (;;) {
        utf8proc_int32_t *grown = hd_realloc_array(*buffer, cap + 1, sizeof **buffer);
        if (!grown) return HD_FAIL_MEMORY((cap + 1) * sizeof **buffer);
        *buffer = grown;
        *len = utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, grown,
                                  (utf8proc_ssize_t)cap, options);
        if (*len < 0) {
            return HD_FAIL(HEED_INPUT, "a text can't be normalised: %s", "文本无法规范化：%s",
                           utf8proc_errmsg(*len));
        }
        if ((size_t)*len <= cap) return HEED_OK;
        cap = (size_t)*len;
    }
}

static heed_err fold_valid(const char *text, size_t n, hd_str *out) {
    const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
    utf8proc_int32_t *buffer = NULL;
    utf8proc_ssize_t len = 0;
    heed_err err = fold_decompose(text, n, options, &buffer, &len);
    if (err == HEED_OK) {
        len = utf8proc_reencode(buffer, len, options);
        if (len >= 0)
            hd_str_addn(out, (const char *)buffer, (size_t)len);
        else
            err = HD_FAIL(HEED_INTERNAL, "a text can't be encoded", "文本无法编码");
    }
    hd_free(buffer);
    return err;
}

heed_err hd_unicode_fold(const char *text, size_t n, hd_str *out) {
    if (fold_ascii(text, n, out)) return hd_str_check(out);
    heed_err err = HEED_OK;
    hd_str clean;
    hd_str_init(&clean);
    if (hd_utf8_valid(text, n) < n) {
        uint32_t c;
        char bytes[4];
        for (size_t len; (len = hd_utf8_next(text, n, &c)) > 0; text += len, n -= len) {
            hd_str_addn(&clean, bytes, hd_utf8_put(c, bytes));
        }
        HD_TRY_OUT(hd_str_check(&clean));
        text = hd_str_get(&clean);
        n = clean.len;
    }
    HD_TRY_OUT(fold_valid(text, n, out));
    err = hd_str_check(out);
out:
    hd_str_clear(&clean);
    return err;
}

typedef struct range {
    uint32_t first, last;
} range;

// Blocks of Unicode 15, without their punctuation.
static const range cjk_ranges[] = {
    {0x1100, 0x11FF},                     // Hangul jamo
    {0x2E80, 0x2FDF},                     // radicals
    {0x3005, 0x3007},                     // 々〆〇
    {0x3021, 0x3029},                     // Hangzhou numerals
    {0x3031, 0x3035},                     // kana repeat marks
    {0x3038, 0x303C},   {0x3041, 0x30FA}, // hiragana, katakana
    {0x30FC, 0x30FF},   {0x3100, 0x318F}, // bopomofo, Hangul compatibility jamo
    {0x31A0, 0x31BF},                     // bopomofo extended
    {0x31F0, 0x31FF},                     // katakana extensions
    {0x3400, 0x4DBF},                     // Han, extension A
    {0x4E00, 0x9FFF},                     // Han
    {0xA960, 0xA97F},                     // Hangul jamo extended
    {0xAC00, 0xD7FF},                     // Hangul
    {0xF900, 0xFAFF},                     // Han, compatibility
    {0xFF66, 0xFFDC},                     // half-width kana and Hangul
    {0x16FF0, 0x16FF1},                   // Vietnamese reading marks
    {0x1AFF0, 0x1B16F},                   // kana supplements
    {0x20000, 0x3FFFD},                   // Han, planes 2 and 3
};

bool hd_is_cjk(uint32_t c) {
    if (c < cjk_ranges[0].first) return false;
    size_t low = 0, high = sizeof cjk_ranges / sizeof cjk_ranges[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > cjk_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof cjk_ranges / sizeof cjk_ranges[0] && c >= cjk_ranges[low].first;
}

bool hd_is_word(uint32_t c) {
    if (c < 0x80) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

typedef struct tokenizer {
    const char *text;
    size_t n;
    hd_token_fn token;
    void *ctx;
    hd_str folded;
} tokenizer;

static heed_err token_emit(tokenizer *t, size_t start, size_t end) {
    hd_str_reset(&t->folded);
    HD_TRY(hd_unicode_fold(t->text + start, end - start, &t->folded));
    if (t->folded.len == 0) return HEED_OK; // only signs that folding ignores
    hd_slice folded = {hd_str_get(&t->folded), t->folded.len};
    return t->token(t->ctx, folded, start, end - start);
}

// A word begins at `at`; *end: behind it.
static heed_err token_word(tokenizer *t, size_t at, size_t *end) {
    size_t i = at;
    uint32_t c;
    for (size_t len; (len = hd_utf8_next(t->text + i, t->n - i, &c)) > 0; i += len) {
        if (!hd_is_word(c) || hd_is_cjk(c)) break;
    }
    *end = i;
    return token_emit(t, at, i);
}

// A run of CJK begins at `at`: pairs a b, b c, …; one character alone stands for itself.
static heed_err token_cjk(tokenizer *t, size_t at, size_t *end) {
    size_t before = at; // start of the character before the one at i
    size_t i = at, count = 0;
    uint32_t c;
    for (size_t len; (len = hd_utf8_next(t->text + i, t->n - i, &c)) > 0; i += len) {
        if (!hd_is_cjk(c)) break;
        if (count > 0) HD_TRY(token_emit(t, before, i + len));
        before = i;
        count++;
    }
    *end = i;
    return count == 1 ? token_emit(t, at, i) : HEED_OK;
}

heed_err hd_tokens(const char *text, size_t n, hd_token_fn token, void *ctx) {
    tokenizer t = {.text = text, .n = n, .token = token, .ctx = ctx};
    hd_str_init(&t.folded);
    heed_err err = HEED_OK;
    uint32_t c;
    for (size_t i = 0, len; (len = hd_utf8_next(text + i, n - i, &c)) > 0;) {
        if (hd_is_cjk(c))
            HD_TRY_OUT(token_cjk(&t, i, &i));
        else if (hd_is_word(c))
            HD_TRY_OUT(token_word(&t, i, &i));
        else
            i += len;
    }
out:
    hd_str_clear(&t.folded);
    return err;
}
