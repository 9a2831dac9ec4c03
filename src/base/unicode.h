// SPDX-License-Identifier: Apache-2.0
//
// Unicode, on utf8proc and iconv.
#ifndef HD_BASE_UNICODE_H
#define HD_BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

// Index of the first byte that is not valid UTF-8 (RFC 3629: no overlong forms, no surrogates), or
// n.
size_t hd_utf8_valid(const char *text, size_t n);
// Decodes one character and returns its length in bytes (0 at the end); an invalid byte decodes as
// U+FFFD, length 1.
size_t hd_utf8_next(const char *text, size_t n, uint32_t *codepoint);
size_t hd_utf8_put(uint32_t codepoint, char out[4]);
// The longest prefix of at most `max` bytes that ends at a character.
size_t hd_utf8_cut(const char *text, size_t n, size_t max);
// Columns on a terminal: 2 for wide characters, 0 for combining ones.
size_t hd_utf8_width(const char *text, size_t n);

// NFKC with case folding, appended: the form in which texts and names are compared.
heed_err hd_unicode_fold(const char *text, size_t n, hd_str *out) HEED_CHECK;

bool hd_is_cjk(uint32_t codepoint);  // Han, kana, Hangul, bopomofo
bool hd_is_word(uint32_t codepoint); // letters, marks and numbers of any script

// Calls token() for each search token of a text: a folded word, and for a run of CJK the
// overlapping pairs of its characters (one alone when the run is one). start and n are bytes in the
// original text.
typedef heed_err (*hd_token_fn)(void *ctx, hd_slice token, size_t start, size_t n);
heed_err hd_tokens(const char *text, size_t n, hd_token_fn token, void *ctx) HEED_CHECK;

// Encodings that files come in.
typedef enum hd_encoding {
    HD_UTF8,
    HD_UTF16LE,
    HD_UTF16BE,
    HD_GB18030,
    HD_LATIN1,
    HD_BINARY
} hd_encoding;
const char *hd_encoding_name(hd_encoding encoding);
// Guesses from the start of a file: a BOM (*bom: its bytes), valid UTF-8, valid GB18030 with common
// characters, else Latin-1; NUL bytes without the pattern of UTF-16 mean binary. The cut-off end
// may split a character.
hd_encoding hd_encoding_sniff(const char *bytes, size_t n, size_t *bom);

#endif
