// SPDX-License-Identifier: Apache-2.0
//
// Popular by attribute: for users without a history of whom something is known ("city=Berlin",
// "plan=pro"). What is kept are counts per attribute value and item, of at least 20 users a value
// and 3 users a count, so that no single person shows.
//
// Threads: immutable once fitted or loaded.
#ifndef HD_RECOMMEND_COLD_H
#define HD_RECOMMEND_COLD_H

#include "base/map.h"
#include "base/pool.h"
#include "base/sparse.h"
#include "tensor/safetensors.h"

// Users' attributes as codes of "key=value", row by row as the users of the training data.
typedef struct hd_attributes {
    hd_map values; // "key=value" -> code
    size_t n_rows;
    size_t *start;  // (n_rows + 1)
    uint32_t *code; // (start[n_rows])
    size_t cap_start, cap_code;
} hd_attributes;

void hd_attributes_init(hd_attributes *attributes);
void hd_attributes_clear(hd_attributes *attributes);
// Appends the next row from a JSON object (NULL or "": nothing known). Texts of at most 64 bytes,
// whole numbers, booleans, and arrays of these count; anything else is passed over, as is what
// comes after the first 32 values. HEED_INPUT when it isn't a JSON object.
heed_err hd_attributes_add(hd_attributes *attributes, const char *json) HEED_CHECK;
// Adds a value to the newest row, once.
heed_err hd_attributes_add_value(hd_attributes *attributes, const char *name,
                                 size_t len) HEED_CHECK;

typedef struct hd_cold hd_cold;
enum { HD_COLD_MIN_USERS = 20, HD_COLD_MIN_COUNT = 3 };

// attributes: a row for each of train's. min_users: support a value needs, at least
// HD_COLD_MIN_USERS (0: just that).
heed_err hd_cold_fit(const hd_sparse *train, const hd_attributes *attributes, size_t min_users,
                     hd_cold **out) HEED_CHECK;
void hd_cold_free(hd_cold *cold);
size_t hd_cold_n_items(const hd_cold *cold);
size_t hd_cold_n_values(const hd_cold *cold);

// Values of a user's attributes that the table knows: *n of at most `max`, in out (borrowed from
// the table).
heed_err hd_cold_match(const hd_cold *cold, const char *json, const char **out, size_t max,
                       size_t *n) HEED_CHECK;
// score(j) = mean over the n values a of (c(a, j) + m · p(j)) / (c(a) + m): the share of users with
// a who have j, shrunk to the share p(j) of all users by m = 20 imagined ones. scores: (n_items);
// all 0 when n is 0.
void hd_cold_score(const hd_cold *cold, const char *const *values, size_t n, float *scores);

// Tensors "cold.…", so that a file may hold other things beside. Hostile files: HEED_CORRUPT.
heed_err hd_cold_save(const hd_cold *cold, hd_safetensors_writer *out) HEED_CHECK;
heed_err hd_cold_load(const hd_safetensors *in, hd_cold **out) HEED_CHECK;

#endif
