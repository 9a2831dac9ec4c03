// SPDX-License-Identifier: Apache-2.0
//
// What operations share that take records in or show pages of them.
#ifndef HD_API_POSTS_H
#define HD_API_POSTS_H

#include "api/call.h"
#include "base/record.h"
#include "workspace/browse.h"
#include "workspace/ingest.h"

// How a body becomes records.
typedef struct hd_post {
    const char *who; // the operation, for a second writer's message
    hd_kind kind;
    const char *list;     // "/events": the body may hold its records there; NULL: it is them
    const char *id_param; // the address names the record: its id; NULL: the body does
    const char *preset;   // messages of another system; NULL: heed's own records
    const char *call;     // Segment: what the address says of them
} hd_post;

// Takes the parameter `body` in. The result and the failures are hd_ingest's.
heed_err hd_call_post(hd_call *call, const hd_post *post, json_t **result) HEED_CHECK;

// The page that `limit` and `cursor` ask for.
hd_page hd_call_page(const hd_call *call);

// What adding and changing mean, whatever the kind.
#define HD_POST_KEEPS                                                                   \
    HD_TEXT(                                                                            \
        "What a record names replaces what stood there; what it leaves out stays, and " \
        "attributes are joined name by name. Sending it again changes nothing.",        \
        "记录中给出的内容替换原有内容，未给出的保持不变，属性按名称合并。重复发送不产生影响。")

#define HD_POST_BODY(json_schema, english, chinese)                                      \
    {                                                                                    \
        "body", HD_PARAM_JSON, .required = true, .body = true, .only = HD_ONLY_HTTP,     \
                               .schema = (json_schema), .doc = HD_TEXT(english, chinese) \
    }

#define HD_PAGE_PARAMS                                                     \
    {"limit",  HD_PARAM_INT,       .initial = "50",                        \
     .min = 1, .max = HD_PAGE_MAX, .doc = HD_TEXT("how many", "几条")},    \
    {                                                                      \
        "cursor", HD_PARAM_TEXT,                                           \
            .doc = HD_TEXT("where the page before ended: its next_cursor", \
                           "上一页结束之处，即其 next_cursor")             \
    }

// A record, or an array of them.
#define HD_RECORDS_SCHEMA(record) \
    "{\"anyOf\":[" record ",{\"type\":\"array\",\"items\":" record ",\"maxItems\":10000}]}"

// Numbers as far as a double holds them exactly.
#define HD_ID_SCHEMA                                                             \
    "{\"type\":[\"string\",\"integer\",\"null\"],\"minimum\":-9007199254740991," \
    "\"maximum\":9007199254740991}"
#define HD_TIME_SCHEMA "{\"type\":[\"string\",\"number\",\"null\"]}"
#define HD_AMOUNT_SCHEMA "{\"type\":[\"number\",\"string\",\"null\"]}"
// A text that comes in may be any plain value, a flag the words and numbers for yes and no too.
#define HD_WORD_SCHEMA "{\"type\":[\"string\",\"number\",\"boolean\",\"null\"]}"
#define HD_FLAG_SCHEMA "{\"type\":[\"boolean\",\"integer\",\"string\",\"null\"]}"
#define HD_TEXT_SCHEMA "{\"type\":[\"string\",\"null\"]}"
#define HD_NUMBER_SCHEMA "{\"type\":[\"number\",\"null\"]}"

// What hd_ingest tells.
#define HD_TALLY_MEMBERS                                                                      \
    "\"accepted\":{\"type\":\"integer\"},\"repeated\":{\"type\":\"integer\"},"                \
    "\"ignored\":{\"type\":\"integer\"},\"rejected\":{\"type\":\"integer\"},"                 \
    "\"redacted\":{\"type\":\"integer\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":" \
    "\"object\",\"properties\":{\"index\":{\"type\":\"integer\"},\"pointer\":{\"type\":"      \
    "\"string\"},\"detail\":{\"type\":\"string\"}},\"required\":[\"index\",\"pointer\","      \
    "\"detail\"]}}"
#define HD_TALLY_REQUIRED \
    "\"accepted\",\"repeated\",\"ignored\",\"rejected\",\"redacted\",\"errors\""
#define HD_TALLY_SCHEMA                                           \
    "{\"type\":\"object\",\"properties\":{" HD_TALLY_MEMBERS "}," \
    "\"required\":[" HD_TALLY_REQUIRED "]}"

// A page: {"<name>": [entry, …], "next_cursor"}.
#define HD_PAGE_SCHEMA(name, entry)                                                          \
    "{\"type\":\"object\",\"properties\":{\"" name "\":{\"type\":\"array\",\"items\":" entry \
    "},\"next_cursor\":" HD_TEXT_SCHEMA "},\"required\":[\"" name "\",\"next_cursor\"]}"

#endif
