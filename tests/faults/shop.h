// SPDX-License-Identifier: Apache-2.0
//
// A small shop for the tests of faults under the public API: its files, steps that change it, and
// its state as one text, so that "what stood before" and "what was asked for" can be told apart
// from anything between.
#ifndef SHOP_H
#define SHOP_H

#include "heed/heed.h"

enum { SHOP_PATH = 512, SHOP_STATE = 128 };

// "<dir>/<name>"
void shop_path(char out[SHOP_PATH], const char *dir, const char *name);

// Writes the files: users.csv, items.csv, items2.csv (other prices), events.jsonl,
// reviews.csv, tickets.jsonl, documents.csv, and bad.csv (a time that is none).
heed_err shop_write_files(const char *dir);

// Opens the workspace "<dir>/shop" with small settings: one thread, no search for
// parameters.
heed_err shop_open(const char *dir, heed_mode mode, heed_workspace **out);
// Imports files of the folder, named in a NULL-terminated list.
heed_err shop_import(heed_workspace *ws, const char *dir, const char *const *names);
heed_err shop_train(heed_workspace *ws, int64_t seed);

// A hash of all that the database holds but for the audit log; "absent" when there is none.
heed_err shop_database(const char *dir, char out[SHOP_STATE]);
// The model in force, "markov 000002"; "none" before any training.
heed_err shop_model(heed_workspace *ws, char out[SHOP_STATE]);
// Fails when a version that is listed can't be put in force and recommend. Leaves one of them in
// force.
heed_err shop_try_models(heed_workspace *ws);

#endif
