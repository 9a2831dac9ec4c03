// SPDX-License-Identifier: Apache-2.0
//
// Reversible tokens: what the finder found stands in the text as "[[phone:Ab3…]]", which only the
// workspace's keys can turn back. The same value of the same type has the same token within a
// workspace, so that counting and joining still work; another workspace's token says nothing.
//
// A token shows the value's type and length. It isn't bound to a person: erasing somebody doesn't
// destroy it, removing the text does.
#ifndef HD_PRIVACY_TOKENS_H
#define HD_PRIVACY_TOKENS_H

#include "privacy/finder.h"

enum { HD_TOKEN_SECRET = 32 };

typedef struct hd_tokenizer hd_tokenizer;
// secret: the keyring's "token"; it isn't kept itself.
heed_err hd_tokenizer_new(const uint8_t secret[HD_TOKEN_SECRET], hd_tokenizer **out) HEED_CHECK;
void hd_tokenizer_free(hd_tokenizer *tokens); // wipes; NULL is fine

// Appends the text with a token in place of each finding; tokens that stand in it stay as they are.
// counts: added to, by type; NULL: not wanted. *changed: whether anything was found.
heed_err hd_tokenizer_replace(const hd_tokenizer *tokens, hd_finder *finder, hd_slice text,
                              unsigned types, hd_str *out, int64_t counts[HD_PII_TYPES],
                              bool *changed) HEED_CHECK;
// Appends the text with the values in place of its tokens; what isn't one of this workspace stays.
// *n: how many were turned back.
heed_err hd_tokenizer_reveal(const hd_tokenizer *tokens, hd_slice text, hd_str *out,
                             size_t *n) HEED_CHECK;

#endif
