// SPDX-License-Identifier: Apache-2.0
//
// What a row can become: a schema is the list of fields of one kind (or of one preset's rows), each
// with its type, the place of its value, and the names by which files call it.
#ifndef HD_PREPARE_READ_SCHEMA_H
#define HD_PREPARE_READ_SCHEMA_H

#include "base/arena.h"
#include "prepare/importer.h"

// How a cell becomes a value; the place is an hd_slice, a double, an hd_time or an int, as stated.
typedef enum hd_field_type {
    HD_FIELD_ID,       // slice: trimmed text without control signs, at most 512 bytes
    HD_FIELD_TEXT,     // slice
    HD_FIELD_EVENT,    // slice: a type of event, in heed's vocabulary
    HD_FIELD_NUMBER,   // double
    HD_FIELD_QUANTITY, // double, not negative
    HD_FIELD_MONEY,    // double; a sign beside it sets the schema's currency
    HD_FIELD_CURRENCY, // slice: ISO 4217
    HD_FIELD_TIME,     // time, not in the future
    HD_FIELD_DATE,     // time, may be in the future (a release date)
    HD_FIELD_BOOL,     // int: 1, 0, -1
    HD_FIELD_LIST,     // slice: a JSON array of strings; several columns add up
    HD_FIELD_FLAG,     // adds the column's name to the list when the cell is true
    HD_FIELD_OBJECT,   // its members join the rest (attributes or properties)
    HD_FIELD_JSON,     // slice: JSON as it stands
    HD_FIELD_TYPES
} hd_field_type;

typedef struct hd_field {
    const char *name; // what --map calls it
    hd_field_type type;
    size_t offset;
    const char *names; // synonyms separated by spaces, folded, without separators; the best first
    hd_text doc;
} hd_field;

typedef struct hd_sink hd_sink;

typedef struct hd_schema {
    hd_kind kind;
    const char *required[3]; // groups of fields, "a b": one of each group must have a column
    const hd_field *fields;
    size_t n_fields;
    size_t size; // of the struct that is filled
    size_t rest; // offset of the slice for all other columns; HD_NO_PLACE: they are left out
    const char *leave_out; // members whose names begin so go nowhere; NULL: none
    bool closed;           // only OBJECT fields add to the rest, not columns without a field
    size_t list;           // offset of the slice that LIST and FLAG fill
    size_t currency;       // offset of the slice that MONEY's signs set
    // Looks at the filled struct as a whole, and pushes records or says what is wrong with the row.
    heed_err (*finish)(hd_sink *sink, void *filled);
} hd_schema;
#define HD_NO_PLACE SIZE_MAX

// One schema for each kind, by hd_kind.
extern const hd_schema *const hd_schemas[HD_KINDS];

const hd_field *hd_schema_field(const hd_schema *schema, const char *name);

// What `finish` works with.
struct hd_sink {
    hd_import_row *row;
    hd_arena *arena;       // until the next row
    hd_slice default_type; // of events that don't say theirs
    hd_slice call;         // of messages that don't say theirs: posted to an address of their own
    hd_time now;
    const void *preset; // hd_preset, or NULL
    hd_record *records; // of this row
    size_t n;
    size_t cap;
    uint64_t *seen; // (HD_SINK_SEEN) a preset's memory of what it sent lately; zeroed at the start
};
enum { HD_SINK_SEEN = 1 << 16 };
heed_err hd_sink_push(hd_sink *sink, const hd_record *record) HEED_CHECK;
// What a schema's struct holds when nothing is given, and a record of a kind with nothing given.
void hd_schema_blank(const hd_schema *schema, void *target);
void hd_record_blank(hd_kind kind, hd_record *out);

#endif
