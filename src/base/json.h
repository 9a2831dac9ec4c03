// SPDX-License-Identifier: Apache-2.0
//
// JSON documents, on jansson. Integers are exact to 63 bits; ids are always strings.
#ifndef HD_BASE_JSON_H
#define HD_BASE_JSON_H

#include <jansson.h>

#include "base/str.h"

// Parses one document. `name` stands in the message with line and column ("items.jsonl:7").
// Duplicate keys, NUL in strings, depth over 64 and trailing text are refused. Caller: json_decref.
heed_err hd_json_parse(const char *text, size_t n, const char *name, json_t **out) HEED_CHECK;

// Appends the document. Compact, or indented by two; keys keep the order in which they were set.
// Doubles are written with the fewest digits that read back the same (up to 17).
heed_err hd_json_dump(const json_t *json, bool pretty, hd_str *out) HEED_CHECK;

// json_pack with an error: NULL becomes HEED_MEMORY.
//     HD_TRY(hd_json_pack(&out, "{s:s, s:I}", "name", name, "count", (json_int_t)n));
heed_err hd_json_pack(json_t **out, const char *format, ...) HEED_CHECK;

// Sets object[key] = value and takes the reference, also when it fails. A NULL value is
// HEED_MEMORY, so a constructor can stand in the call.
heed_err hd_json_set(json_t *object, const char *key, json_t *value) HEED_CHECK;
heed_err hd_json_append(json_t *array, json_t *value) HEED_CHECK;
// Gives a result up half-way: its reference goes, and nothing is left to be freed twice.
static inline void hd_json_drop(json_t **json) {
    json_decref(*json);
    *json = NULL;
}
// A number, or null where it is not finite (JSON has neither NaN nor infinity).
json_t *hd_json_real(double value);

// A double's text: the fewest digits that read back the same, always with a point or an exponent;
// "null" where it is not finite. Independent of the locale.
void hd_json_number(double value, char buf[32]);
// A float as the double that is written with the fewest digits (up to 9) of those that read back as
// that float: 0.1f becomes 0.1 and not 0.10000000149011612. Where that is out of reach (very small,
// very large), the float's own value.
double hd_json_decimal(float value);

// Writes one JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void hd_json_quote(hd_str *out, const char *text, size_t n);

#endif
