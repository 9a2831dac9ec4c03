// SPDX-License-Identifier: Apache-2.0
//
// From texts to a matrix for classical models: how often each token occurs, weighed.
//
//     tfidf                                    # scikit-learn's TfidfVectorizer
//     tfidf: {tokenizer: words, ngrams: [1, 2], inside: [2, 5], sublinear: true}
//     counts: {most: 5000}                     # CountVectorizer: a bag of words
//     hashing: {columns: 262144}               # HashingVectorizer: learns nothing
//
// `inside` adds a second block of columns: runs of characters within each token. Formulas are
// scikit-learn's: tf (or 1 + ln tf) × (ln((1 + n) / (1 + df)) + 1), each block's row scaled to
// length 1. A fitted vectorizer is immutable and may be used by many threads.
#ifndef HD_TEXT_VECTORIZER_H
#define HD_TEXT_VECTORIZER_H

#include "base/matrix.h"
#include "base/option.h"

typedef struct hd_vectorizer hd_vectorizer;
extern const hd_spec_kinds hd_vectorizer_kinds;

// value: as above; NULL: tfidf.
heed_err hd_vectorizer_fit(const json_t *value, const hd_where *where, const hd_slice *texts,
                           size_t n, hd_vectorizer **out) HEED_CHECK;
void hd_vectorizer_free(hd_vectorizer *vectorizer); // NULL is fine
size_t hd_vectorizer_columns(const hd_vectorizer *vectorizer);
// Sparse, (n, columns).
heed_err hd_vectorizer_apply(const hd_vectorizer *vectorizer, const hd_slice *texts, size_t n,
                             hd_matrix *out) HEED_CHECK;
// What a column counts: "" when it is a hash. Borrowed.
const char *hd_vectorizer_token(const hd_vectorizer *vectorizer, size_t column);

// Unsound JSON: HEED_CORRUPT.
heed_err hd_vectorizer_json(const hd_vectorizer *vectorizer, json_t **out) HEED_CHECK;
heed_err hd_vectorizer_from_json(const json_t *json, const char *name,
                                 hd_vectorizer **out) HEED_CHECK;

#endif
