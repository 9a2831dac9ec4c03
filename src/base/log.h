// SPDX-License-Identifier: Apache-2.0
//
// The log: level, component, event, key=value. Lines go to a sink; the program installs one that
// writes logfmt or JSON to stderr, the library alone installs none and stays silent. Personal
// values may not be logged: ids are pseudonyms, the rest is counts.
//
//     HD_LOG(HD_LOG_INFO, "import", "done", HD_KV_INT("rows", n), HD_KV_STR("kind", "events"));
#ifndef HD_BASE_LOG_H
#define HD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum hd_log_level {
    HD_LOG_DEBUG,
    HD_LOG_INFO,
    HD_LOG_WARN,
    HD_LOG_ERROR,
    HD_LOG_OFF
} hd_log_level;

typedef enum hd_kv_type {
    HD_KV_TYPE_STR,
    HD_KV_TYPE_INT,
    HD_KV_TYPE_F64,
    HD_KV_TYPE_BOOL
} hd_kv_type;
typedef struct hd_kv {
    const char *key;
    hd_kv_type type;
    const char *str;
    int64_t i;
    double f;
} hd_kv;
#define HD_KV_STR(k, v) ((hd_kv){.key = (k), .type = HD_KV_TYPE_STR, .str = (v)})
#define HD_KV_INT(k, v) ((hd_kv){.key = (k), .type = HD_KV_TYPE_INT, .i = (int64_t)(v)})
#define HD_KV_F64(k, v) ((hd_kv){.key = (k), .type = HD_KV_TYPE_F64, .f = (v)})
#define HD_KV_BOOL(k, v) ((hd_kv){.key = (k), .type = HD_KV_TYPE_BOOL, .i = (v)})

typedef struct hd_log_line {
    hd_log_level level;
    int64_t time_ms; // since 1970, UTC
    const char *component;
    const char *event;
    const hd_kv *fields;
    size_t n_fields;
} hd_log_line;

typedef void (*hd_log_sink)(void *ctx, const hd_log_line *line);
void hd_log_sink_set(hd_log_sink sink, void *ctx); // NULL: silence
void hd_log_level_set(hd_log_level level);
bool hd_log_level_parse(const char *name, hd_log_level *out);

// Formats for sinks; control characters and quotes are escaped, so a value can't forge a line.
void hd_log_format_logfmt(const hd_log_line *line, hd_str *out);
void hd_log_format_json(const hd_log_line *line, hd_str *out);

void hd_log_write(hd_log_level level, const char *component, const char *event, const hd_kv *fields,
                  size_t n_fields);
#define HD_LOG(level, component, event, ...)                                  \
    hd_log_write((level), (component), (event), (const hd_kv[]){__VA_ARGS__}, \
                 sizeof((const hd_kv[]){__VA_ARGS__}) / sizeof(hd_kv))

#endif
