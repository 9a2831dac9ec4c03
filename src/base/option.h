// SPDX-License-Identifier: Apache-2.0
//
// Kinds and their options: how a page of YAML (or a line of C) names a layer, a loss, an optimiser,
// a schedule. A value is written in one of three ways:
//
//     relu                            a kind with its default options
//     linear: 10                      its first option
//     linear: {out: 10, bias: false}  any of its options
//
// A kind is a row: a name, typed options, a sentence. An options struct is filled from the row;
// what is unknown, missing or out of range is told with its place ("net.yaml:7: layers.2.linear").
#ifndef HD_BASE_OPTION_H
#define HD_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/yaml.h"

// ── A text of specifications, and places in it ──

typedef struct hd_spec {
    json_t *root;   // an object: one key, or the keys of a whole file
    hd_map lines;   // of its dotted paths
    size_t before;  // lines that stand in front of the caller's text
    char name[128]; // of the file, "" when there is none
} hd_spec;

// Reads a piece of YAML (a scalar, a list, a mapping) as the value of `key`. name: stands in
// messages, may be "".
heed_err hd_spec_parse(const char *text, const char *key, const char *name,
                       hd_spec *out) HEED_CHECK;
// The same from JSON, as a model file holds it.
heed_err hd_spec_parse_json(const char *text, const char *key, const char *name,
                            hd_spec *out) HEED_CHECK;
void hd_spec_clear(hd_spec *spec);
const json_t *hd_spec_get(const hd_spec *spec, const char *key);

enum { HD_WHERE_MAX = 192 };
typedef struct hd_where {
    const hd_spec *spec; // borrowed, may be NULL
    char path[HD_WHERE_MAX];
} hd_where;
hd_where hd_where_of(const hd_spec *spec, const char *path);
hd_where hd_where_key(const hd_where *where, const char *key);
hd_where hd_where_at(const hd_where *where, size_t index);
// "net.yaml:7: layers.2.linear", as much of it as is known.
typedef struct hd_where_words {
    char text[HD_WHERE_MAX + 160];
} hd_where_words;
hd_where_words hd_where_text(const hd_where *where);

// ── Options ──

typedef enum hd_option_type {
    HD_OPTION_INT,  // int64_t
    HD_OPTION_REAL, // double
    HD_OPTION_BOOL, // bool
    HD_OPTION_WORD, // int: the place in `words`
    HD_OPTION_TEXT, // const char *, borrowed from the spec; NULL when absent
    HD_OPTION_INTS, // hd_ints: one number or a list
    HD_OPTION_JSON  // const json_t *, borrowed from the spec; NULL when absent: nested kinds
} hd_option_type;

typedef struct hd_ints {
    size_t n; // 0: absent
    int64_t at[6];
} hd_ints;

typedef struct hd_option {
    const char *name; // NULL ends a table
    hd_option_type type;
    size_t at;      // offset in the options struct
    double initial; // for numbers, booleans and words; an INTS with initial ≠ 0 is that one number
    double min, max;
    const char *const *words; // NULL-terminated
    bool required;
    hd_text doc;
} hd_option;

// Fills the struct: `value` is NULL, a scalar or list for the first option, or an object.
heed_err hd_options_read(const hd_option *rows, const json_t *value, const hd_where *where,
                         void *out) HEED_CHECK;
// The i-th of an INTS that is one number or holds one per dimension.
int64_t hd_ints_at(const hd_ints *ints, size_t i);

// ── Kinds: every descriptor begins with one ──

typedef struct hd_spec_kind {
    const char *name;
    size_t size;              // of its options struct
    const hd_option *options; // NULL: it has none
    hd_text doc;              // one sentence
} hd_spec_kind;

typedef struct hd_spec_kinds {
    hd_text what;                    // "layer"
    const hd_spec_kind *const *rows; // (n)
    size_t n;
    const hd_option *common; // options that every kind of the family takes too; NULL: none
    size_t common_size;
} hd_spec_kinds;

typedef struct hd_choice {
    const hd_spec_kind *kind;
    void *options; // in the arena
    void *common;  // in the arena; NULL where the family has none
    hd_where where;
} hd_choice;

const hd_spec_kind *hd_spec_find(const hd_spec_kinds *kinds,
                                 const char *name); // NULL: there is none
heed_err hd_spec_read(const hd_spec_kinds *kinds, const json_t *value, const hd_where *where,
                      hd_arena *arena, hd_choice *out) HEED_CHECK;

#endif
