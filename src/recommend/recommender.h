// SPDX-License-Identifier: Apache-2.0
//
// A recommender: one descriptor per method, one row in recommend/list.c. A method learns from who
// did what when, and then scores every item for a history: a stored user's, a session's, or one
// made up a moment ago (folding in needs no refit). Nothing per user is kept in a saved model; a
// method that needs other users' rows at request time (user_knn) says so with `needs_rows` and is
// given the snapshot's.
//
// Threads: a fitted model is immutable and may score from many threads.
#ifndef HD_RECOMMEND_RECOMMENDER_H
#define HD_RECOMMEND_RECOMMENDER_H

#include "base/json.h"
#include "base/pool.h"
#include "base/sparse.h"
#include "tensor/safetensors.h"

// A history in time order: items are columns of the model's item index. time may be NULL.
typedef struct hd_history {
    const uint32_t *item;  // (n)
    const float *weight;   // (n)
    const hd_time *time;   // (n) or NULL
    const int64_t *source; // (n) event keys, or NULL
    size_t n;
    hd_time now; // the instant of asking; HD_TIME_NONE: the end of the training data
} hd_history;

// Why an item: the history entry (index) that spoke for it, and how much of the score it gave.
typedef struct hd_reason {
    size_t entry;
    double share; // 0 .. 1
} hd_reason;

typedef struct hd_method_param {
    const char *name;
    double initial, min, max;
    bool integer;
    const double *grid; // values that tuning tries, (n_grid); NULL: not tuned
    size_t n_grid;
    hd_text doc;
} hd_method_param;

typedef struct hd_method hd_method;
typedef void hd_model; // a method's own struct

struct hd_method {
    const char *name;   // "markov"
    hd_text doc;        // one sentence: how it works and when it is good
    hd_text brief;      // what an item it serves is, in a few words: "popular among all users"
    const char *source; // formula's reference
    const hd_method_param *params;
    size_t n_params;
    bool needs_time; // "not applicable" on data without times
    bool needs_rows; // scoring reads other users' rows: attach() is called after load and fit

    // values: (n_params). HEED_UNAVAILABLE: not applicable to this data (message says why).
    heed_err (*fit)(const hd_sparse *train, const double *values, uint64_t seed, hd_pool *pool,
                    hd_model **out);
    size_t (*n_items)(const hd_model *model); // columns it was fitted on: the length of its scores
    // scores: (n_items), all written; an item the method knows nothing about gets 0. Ties are
    // broken by the caller, by item index.
    heed_err (*score)(const hd_model *model, const hd_history *history, float *scores);
    // The entries that most spoke for `item`, at most `max`, by falling share. *n may be 0 (popular
    // has no personal reasons).
    heed_err (*reasons)(const hd_model *model, const hd_history *history, uint32_t item,
                        hd_reason *out, size_t max, size_t *n);
    // Gives the snapshot's rows to a model that needs them (read, not kept: what it needs of them
    // is copied). NULL unless needs_rows. Not while others score.
    heed_err (*attach)(hd_model *model, const hd_sparse *rows);
    heed_err (*save)(const hd_model *model, hd_safetensors_writer *out);
    heed_err (*load)(const hd_safetensors *in, hd_model **out); // hostile files: HEED_CORRUPT
    void (*free)(hd_model *model);                              // NULL is fine
};

extern const hd_method *const hd_methods[];        // NULL-terminated: popular first
const hd_method *hd_method_find(const char *name); // NULL: no such method

#endif
