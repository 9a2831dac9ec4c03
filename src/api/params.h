// SPDX-License-Identifier: Apache-2.0
//
// Parameters of operations: from text to checked JSON by their rows, and out of a call by name.
// What the command line and the HTTP routes share, so that both say the same of a wrong value.
#ifndef HD_API_PARAMS_H
#define HD_API_PARAMS_H

#include "api/op.h"
#include "base/arena.h"

// "--n" for a flag, "USER" for a positional one; buf must hold 64 bytes.
const char *hd_param_shown(const hd_param *param, char buf[64]);
// What help calls its value: "N", "FILE", "view|cart"; "" for a bool.
const char *hd_param_metavar(const hd_param *param, char buf[64]);
// The i-th choice, NULL past the end.
const char *hd_param_choice(const hd_param *param, size_t i);

// The row of an operation with that name (snake_case), NULL: none.
const hd_param *hd_param_find(const hd_param *rows, size_t n, const char *name);

// Checks a text by its row and adds it to params: sets it, or appends when the row is `many`.
// HEED_USAGE names the flag, what it takes, and for a choice the nearest one.
heed_err hd_params_add(json_t *params, const hd_param *param, const char *text) HEED_CHECK;
// The same for a JSON value (of a body): a list where the row is `many`, a scalar of the row's
// type.
heed_err hd_params_add_json(json_t *params, const hd_param *param, json_t *value) HEED_CHECK;
// Fills in defaults; HEED_USAGE when a required one is absent.
heed_err hd_params_finish(json_t *params, const hd_param *rows, size_t n,
                          const char *op_name) HEED_CHECK;

// Values of a call. Absent: NULL, the given default, false, or an empty list.
const char *hd_call_text(const hd_call *call, const char *name);
int64_t hd_call_int(const hd_call *call, const char *name, int64_t absent);
bool hd_call_bool(const hd_call *call, const char *name);
bool hd_call_has(const hd_call *call, const char *name);
// The texts of a `many` parameter, in the arena: (n) and a NULL.
heed_err hd_call_list(const hd_call *call, const char *name, hd_arena *arena, const char ***out,
                      size_t *n) HEED_CHECK;

#endif
