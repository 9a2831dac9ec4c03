// SPDX-License-Identifier: Apache-2.0
//
// What the operations share that answer with a list of items.
#ifndef HD_API_ANSWERS_H
#define HD_API_ANSWERS_H

#include "api/call.h"
#include "heed/recommend.h"

// n, category, filter, exclude, cap_per_category and with of a call; lists in the arena, texts of
// the call.
heed_err hd_api_list_params(const hd_call *call, hd_arena *arena,
                            heed_recommend_params *params) HEED_CHECK;

// [{"rank", "id", "title", "score", "method"}] for a person's eyes; `none` stands for an empty one.
// with_method: a column for it.
heed_err hd_api_show_items(const json_t *items, bool with_method, const char *none, heed_lang lang,
                           size_t width, hd_str *out) HEED_CHECK;

// Members of JSON Schemas that several results have, for literals.
#define HD_SCHEMA_TEXT "{\"type\":\"string\"}"
#define HD_SCHEMA_WHOLE "{\"type\":\"integer\"}"
#define HD_SCHEMA_NUMBER "{\"type\":\"number\"}"
#define HD_SCHEMA_RANKED                                                   \
    "\"rank\":{\"type\":\"integer\",\"minimum\":1},\"id\":" HD_SCHEMA_TEXT \
    ",\"title\":" HD_SCHEMA_TEXT ",\"score\":" HD_SCHEMA_NUMBER

#endif
