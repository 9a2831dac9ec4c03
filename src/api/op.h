// SPDX-License-Identifier: Apache-2.0
//
// An operation: what heed can be asked, by whatever transport. One file with its handler, one row
// in api/list.c. The row drives the command line's parser and help, the man page, shell completion,
// the reference page, and later the HTTP routes and their schema.
#ifndef HD_API_OP_H
#define HD_API_OP_H

#include <jansson.h>

#include "base/settings.h"
#include "base/str.h"

typedef enum hd_param_type {
    HD_PARAM_TEXT,
    HD_PARAM_INT,
    HD_PARAM_FLOAT,
    HD_PARAM_BOOL,
    HD_PARAM_CHOICE,
    HD_PARAM_SIZE
} hd_param_type;

typedef struct hd_param {
    const char *name; // snake_case; the flag is --snake-case
    hd_param_type type;
    bool positional;
    bool required;
    bool many;                  // may repeat: an array
    const char *initial;        // NULL: absent
    double min, max;            // for numbers; both 0: no bound
    const char *const *choices; // for CHOICE, fixed; or
    const char *(*choice_at)(
        size_t i); // for CHOICE, from a list of rows (methods, presets): NULL past the end
    hd_text doc;
} hd_param;

typedef enum hd_scope { HD_SCOPE_READ, HD_SCOPE_WRITE, HD_SCOPE_ADMIN, HD_SCOPE_PERSONAL } hd_scope;

typedef struct hd_call {
    const char *workspace; // folder; NULL: the operation needs none
    json_t *params;        // an object, checked against the row: absent ones are absent
    heed_lang lang;
    hd_settings *settings;                                   // flags and environment already in
    void (*progress)(void *ctx, hd_text what, double share); // share < 0: unknown; may be NULL
    void (*note)(void *ctx, hd_text line); // something the user should read (stderr); may be NULL
    void *ctx;
} hd_call;

typedef struct hd_op {
    const char *name; // "users merge": words of the command, snake_case words of the route
    hd_text doc;      // one sentence
    hd_text detail;   // paragraphs for the man page; examples are lines beginning with "  $ "
    const char *method, *path; // "GET", "/api/v1/recommend/{user}"; NULL: not for HTTP
    hd_scope scope;
    const hd_param *params;
    size_t n_params;
    const char *result_doc; // docs/api/<name>.md holds the shape; a short name here
    heed_err (*run)(hd_call *call, json_t **result); // *result: a new reference
    heed_err (*text)(const json_t *result, heed_lang lang, size_t width,
                     hd_str *out); // for a person's eyes; width: columns
} hd_op;

extern const hd_op *const hd_ops[]; // NULL-terminated, in the order of help
const hd_op *hd_op_find(const char *name);

#endif
