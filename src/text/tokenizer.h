// SPDX-License-Identifier: Apache-2.0
//
// From a text to tokens. A tokenizer is a kind and its options:
//
//     words
//     words: {marks: true}
//
// First the text is folded (NFKC and case: full-width letters become plain ones), then it is cut.
// Nothing is learned, so a tokenizer is fixed once read and may be shared by threads.
#ifndef HD_TEXT_TOKENIZER_H
#define HD_TEXT_TOKENIZER_H

#include "base/option.h"
#include "base/unicode.h"

typedef struct hd_tokenizer_options {
    bool fold;   // compare texts without case and width
    bool marks;  // punctuation and symbols are tokens too, each alone
    bool spaces; // of characters: white space as it stands
} hd_tokenizer_options;

// A text cut into tokens. One is used again and again, by one thread: its memory stays.
typedef struct hd_pieces {
    hd_str text;  // folded: what the tokens point into
    hd_slice *at; // (n)
    size_t n, cap;
    hd_str joined; // of an n-gram
} hd_pieces;
void hd_pieces_init(hd_pieces *pieces);
void hd_pieces_clear(hd_pieces *pieces);
heed_err hd_pieces_add(hd_pieces *pieces, const char *p, size_t n) HEED_CHECK;

typedef struct hd_tokenizer_kind {
    hd_spec_kind kind;
    const char *joint; // stands between the tokens of an n-gram
    heed_err (*split)(const hd_tokenizer_options *options, hd_pieces *pieces);
} hd_tokenizer_kind;
extern const hd_spec_kinds hd_tokenizer_kinds;

typedef struct hd_tokenizer {
    const hd_tokenizer_kind *kind;
    hd_tokenizer_options options;
} hd_tokenizer;

// value: as above; NULL: words.
heed_err hd_tokenizer_read(const json_t *value, const hd_where *where,
                           hd_tokenizer *out) HEED_CHECK;
heed_err hd_tokenize(const hd_tokenizer *tokenizer, hd_slice text, hd_pieces *out) HEED_CHECK;

#endif
