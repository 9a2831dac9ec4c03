// SPDX-License-Identifier: Apache-2.0
//
// From a text to a row of numbers for a network: tokenizer, vocabulary, length.
//
//     tokenizer: words
//     vocabulary: 10000      # numbers in all, with padding (0) and unknown (1)
//     length: 50             # of every row; 0: what 99 of 100 training texts fit in
//     pad: end               # where zeros are put when a text is shorter
//     cut: end               # where it is cut when it is longer
//     ngrams: 2              # runs of up to so many tokens are tokens too, …
//     buckets: 20000         # … by a hash to so many numbers behind the vocabulary's
//
// Hashed runs behind the words make a mean of embeddings see order (Joulin et al., "Bag of tricks
// for efficient text classification", 2016). With a lexicon a row is twice as long: behind the
// numbers stand their words' classes, place by place. A fitted encoder is immutable: many threads
// may use it, each with pieces of its own.
#ifndef HD_TEXT_ENCODER_H
#define HD_TEXT_ENCODER_H

#include "text/lexicon.h"
#include "text/tokenizer.h"

typedef struct hd_encoder hd_encoder;
extern const hd_option hd_encoder_options[];

// Learns the vocabulary and, where it isn't given, the length. options: an object as above, read
// here; NULL: all defaults.
heed_err hd_encoder_fit(const json_t *options, const hd_where *where, const hd_slice *texts,
                        size_t n, hd_encoder **out) HEED_CHECK;
void hd_encoder_free(hd_encoder *encoder); // NULL is fine
// Before anything is applied; takes the lexicon, also when it fails: runs have no class.
heed_err hd_encoder_take_lexicon(hd_encoder *encoder, hd_lexicon *lexicon) HEED_CHECK;

size_t hd_encoder_length(const hd_encoder *encoder); // L, of a row, with its classes
bool hd_encoder_has_classes(const hd_encoder *encoder);
size_t hd_encoder_size(const hd_encoder *encoder); // numbers are below this: rows of an embedding
// Whether the numbers of a text stand at the row's beginning, so that a count of them says which
// count.
bool hd_encoder_from_start(const hd_encoder *encoder);
bool hd_encoder_has_runs(const hd_encoder *encoder); // ngrams above 1

// ids: (L). used: places that are no padding.
heed_err hd_encoder_apply(const hd_encoder *encoder, hd_slice text, hd_pieces *pieces, int32_t *ids,
                          size_t *used) HEED_CHECK;
// A number's token; "" for padding, unknown, and hashed runs. Borrowed.
const char *hd_encoder_token(const hd_encoder *encoder, int32_t id);
// For streams of characters: every number of a text, however long. Caller: hd_free.
heed_err hd_encoder_stream(const hd_encoder *encoder, hd_slice text, int32_t **ids,
                           size_t *n) HEED_CHECK;

// Unsound JSON: HEED_CORRUPT. name: stands in messages.
heed_err hd_encoder_json(const hd_encoder *encoder, json_t **out) HEED_CHECK;
heed_err hd_encoder_from_json(const json_t *json, const char *name, hd_encoder **out) HEED_CHECK;

#endif
