// SPDX-License-Identifier: Apache-2.0
//
// The log: one sink for the process, called under a mutex, so that lines never mix. Values are
// escaped in the formatters, where the rules of the format are known: a value can neither end a
// line nor forge a key. In logfmt a byte that isn't UTF-8 shows as \xNN, and control characters
// (C1 too: terminals obey them) as \uNNNN.
#include "base/log.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/json.h"
#include "base/time.h"
#include "base/unicode.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static hd_log_sink sink_fn; // under the mutex, as its context
static void *sink_ctx;
static atomic_int least = HD_LOG_INFO;
static atomic_bool silent = true;

static const char *const level_names[] = {
    [HD_LOG_DEBUG] = "debug", [HD_LOG_INFO] = "info", [HD_LOG_WARN] = "warn",
    [HD_LOG_ERROR] = "error", [HD_LOG_OFF] = "off",
};
enum { LEVELS = sizeof level_names / sizeof level_names[0] };

void hd_log_sink_set(hd_log_sink sink, void *ctx) {
    pthread_mutex_lock(&mutex);
    sink_fn = sink;
    sink_ctx = ctx;
    atomic_store(&silent, sink == NULL);
    pthread_mutex_unlock(&mutex);
}

void hd_log_level_set(hd_log_level level) {
    atomic_store(&least, (int)level);
}

bool hd_log_level_parse(const char *name, hd_log_level *out) {
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *out = (hd_log_level)i;
        return true;
    }
    return false;
}

void hd_log_write(hd_log_level level, const char *component, const char *event, const hd_kv *fields,
                  size_t n_fields) {
    if (atomic_load(&silent) || level >= HD_LOG_OFF || (int)level < atomic_load(&least)) return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); // not hd_time_now: a log tells when things really happened
    hd_log_line line = {
        .level = level,
        .time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
        .component = component,
        .event = event,
        .fields = fields,
        .n_fields = n_fields,
    };
    pthread_mutex_lock(&mutex);
    if (sink_fn) sink_fn(sink_ctx, &line);
    pthread_mutex_unlock(&mutex);
}

// ── logfmt ──

static bool is_bare(const char *text, size_t n) {
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F) return false;
    }
    return true;
}

static void add_escaped(hd_str *out, const char *text, size_t n, uint32_t c) {
    if (c == '\n') {
        hd_str_add(out, "\\n");
    } else if (c == '"' || c == '\\') {
        hd_str_addc(out, '\\');
        hd_str_addc(out, (char)c);
    } else if (c == 0xFFFD && n == 1) {
        hd_str_addf(out, "\\x%02x", (unsigned)(unsigned char)text[0]);
    } else if (c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029) {
        hd_str_addf(out, "\\u%04x", (unsigned)c);
    } else {
        hd_str_addn(out, text, n);
    }
}

static void add_value(hd_str *out, const char *text) {
    size_t n = strlen(text);
    if (is_bare(text, n)) {
        hd_str_addn(out, text, n);
        return;
    }
    hd_str_addc(out, '"');
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t step = hd_utf8_next(text + i, n - i, &c);
        add_escaped(out, text + i, step, c);
        i += step;
    }
    hd_str_addc(out, '"');
}

static void logfmt_field(hd_str *out, const hd_kv *kv) {
    hd_str_addf(out, " %s=", kv->key);
    switch (kv->type) {
    case HD_KV_TYPE_STR:
        add_value(out, kv->str ? kv->str : "");
        break;
    case HD_KV_TYPE_INT:
        hd_str_addf(out, "%lld", (long long)kv->i);
        break;
    case HD_KV_TYPE_F64:
        hd_str_addf(out, "%.6g", kv->f);
        break;
    case HD_KV_TYPE_BOOL:
        hd_str_add(out, kv->i ? "true" : "false");
        break;
    }
}

void hd_log_format_logfmt(const hd_log_line *line, hd_str *out) {
    char time[32];
    hd_time_format(line->time_ms, NULL, time);
    hd_str_addf(out, "time=%s level=%s component=%s event=", time, level_names[line->level],
                line->component);
    add_value(out, line->event);
    for (size_t i = 0; i < line->n_fields; i++) logfmt_field(out, &line->fields[i]);
}

// ── JSON ──

static void json_field(hd_str *out, const hd_kv *kv) {
    hd_str_addc(out, ',');
    hd_json_quote(out, kv->key, strlen(kv->key));
    hd_str_addc(out, ':');
    if (kv->type == HD_KV_TYPE_STR && kv->str) {
        hd_json_quote(out, kv->str, strlen(kv->str));
    } else if (kv->type == HD_KV_TYPE_STR || (kv->type == HD_KV_TYPE_F64 && !isfinite(kv->f))) {
        hd_str_add(out, "null");
    } else if (kv->type == HD_KV_TYPE_F64) {
        hd_str_addf(out, "%.6g", kv->f);
    } else if (kv->type == HD_KV_TYPE_INT) {
        hd_str_addf(out, "%lld", (long long)kv->i);
    } else {
        hd_str_add(out, kv->i ? "true" : "false");
    }
}

void hd_log_format_json(const hd_log_line *line, hd_str *out) {
    char time[32];
    hd_time_format(line->time_ms, NULL, time);
    hd_str_addf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":", time,
                level_names[line->level]);
    hd_json_quote(out, line->component, strlen(line->component));
    hd_str_add(out, ",\"event\":");
    hd_json_quote(out, line->event, strlen(line->event));
    for (size_t i = 0; i < line->n_fields; i++) json_field(out, &line->fields[i]);
    hd_str_addc(out, '}');
}
