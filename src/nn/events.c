// SPDX-License-Identifier: Apache-2.0
//
// The JSON lines are the record; the event file is drawn from them. A resumed training drops the
// lines behind its checkpoint and writes the event file anew from what is left, so that neither
// shows a step twice.
//
// TensorBoard reads TFRecords of protobuf messages (tensorflow/core/util/event.proto): Event
// {1: wall_time double, 2: step int64, 3: file_version string, 5: Summary}, Summary {1: repeated
// Value}, Value {1: tag string, 2: simple_value float}. A record is length (u64), masked CRC of the
// length, payload, masked CRC of the payload; little-endian. No protobuf library is needed for five
// fields.
#include "nn/events.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

enum { MODE_FILE = 0644, MODE_FOLDER = 0755 };

struct hd_curves {
    hd_arena arena;
    char *lines; // paths
    char *events;
    hd_str buffer;
};

// ── Records ──

uint32_t hd_crc32c(const void *data, size_t n) {
    const unsigned char *p = data;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (UINT32_C(0x82F63B78) & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

static void add_fixed(hd_str *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) hd_str_addc(out, (char)(value >> 8 * i & 0xFF));
}

static void add_varint(hd_str *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) hd_str_addc(out, (char)((value & 0x7F) | 0x80));
    hd_str_addc(out, (char)value);
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void add_key(hd_str *out, unsigned field, unsigned wire) {
    add_varint(out, field << 3 | wire);
}

static void add_bytes(hd_str *out, unsigned field, const char *data, size_t n) {
    add_key(out, field, WIRE_BYTES);
    add_varint(out, n);
    hd_str_addn(out, data, n);
}

static void add_double(hd_str *out, unsigned field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(out, field, WIRE_64);
    add_fixed(out, bits, sizeof bits);
}

static void add_float(hd_str *out, unsigned field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(out, field, WIRE_32);
    add_fixed(out, bits, sizeof bits);
}

static uint32_t masked(uint32_t crc) {
    return (crc >> 15 | crc << 17) + UINT32_C(0xA282EAD8);
}

static void add_record(hd_str *out, const hd_str *payload) {
    size_t start = out->len;
    if (payload->failed) out->failed = true;
    add_fixed(out, payload->len, sizeof(uint64_t));
    if (out->failed) return;
    add_fixed(out, masked(hd_crc32c(out->data + start, sizeof(uint64_t))), sizeof(uint32_t));
    hd_str_addn(out, hd_str_get(payload), payload->len);
    add_fixed(out, masked(hd_crc32c(hd_str_get(payload), payload->len)), sizeof(uint32_t));
}

void hd_event_version(double wall, hd_str *out) {
    static const char version[] = "brain.Event:2";
    hd_str event;
    hd_str_init(&event);
    add_double(&event, 1, wall);
    add_bytes(&event, 3, version, strlen(version));
    add_record(out, &event);
    hd_str_clear(&event);
}

static void add_value(hd_str *summary, hd_str *scratch, const hd_point *point) {
    hd_str_reset(scratch);
    add_bytes(scratch, 1, point->name, strlen(point->name));
    add_float(scratch, 2, (float)point->value);
    if (scratch->failed) summary->failed = true;
    add_bytes(summary, 1, hd_str_get(scratch), scratch->len);
}

void hd_event_scalars(double wall, uint64_t step, const hd_point *points, size_t n, hd_str *out) {
    hd_str event, summary, value;
    hd_str_init(&event);
    hd_str_init(&summary);
    hd_str_init(&value);
    for (size_t i = 0; i < n; i++) add_value(&summary, &value, &points[i]);
    add_double(&event, 1, wall);
    add_key(&event, 2, WIRE_VARINT);
    add_varint(&event, step);
    if (summary.failed) event.failed = true;
    add_bytes(&event, 5, hd_str_get(&summary), summary.len);
    add_record(out, &event);
    hd_str_clear(&value);
    hd_str_clear(&summary);
    hd_str_clear(&event);
}

// ── What stands from before ──

// One line of curves.jsonl as an event, when it is of a step that counts. *keep: whether it is.
static heed_err redraw_line(const char *text, size_t n, uint64_t last, hd_str *events, bool *keep) {
    enum { MOST = 64 };
    hd_point points[MOST];
    json_t *line = NULL;
    size_t n_points = 0;
    *keep = false;
    heed_err err = hd_json_parse(text, n, "curves.jsonl", &line);
    if (err != HEED_OK) return err == HEED_MEMORY ? err : HEED_OK; // cut short by the crash
    uint64_t step = (uint64_t)json_integer_value(json_object_get(line, "step"));
    if (json_is_object(line) && step <= last) {
        *keep = true;
        for (void *at = json_object_iter(line); at && n_points < MOST;
             at = json_object_iter_next(line, at)) {
            const char *key = json_object_iter_key(at);
            if (!strchr(key, '/')) continue;
            const json_t *value = json_object_iter_value(at);
            points[n_points++] =
                (hd_point){key, json_is_number(value) ? json_number_value(value) : NAN};
        }
        hd_event_scalars(json_number_value(json_object_get(line, "time")), step, points, n_points,
                         events);
    }
    json_decref(line);
    return HEED_OK;
}

static heed_err keep_lines(const hd_str *all, uint64_t last, hd_str *lines, hd_str *events) {
    for (const char *p = hd_str_get(all); *p;) {
        const char *end = strchr(p, '\n');
        if (!end) break;
        bool keep;
        HD_TRY(redraw_line(p, (size_t)(end - p), last, events, &keep));
        if (keep) hd_str_addn(lines, p, (size_t)(end - p) + 1);
        p = end + 1;
    }
    HD_TRY(hd_str_check(lines));
    return hd_str_check(events);
}

static heed_err remove_events(hd_curves *curves, const char *folder) {
    char **names;
    size_t n;
    HD_TRY(hd_fs_list(folder, &curves->arena, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (!strstr(names[i], "tfevents")) continue;
        char *path = hd_fs_join(&curves->arena, folder, names[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        HD_TRY(hd_fs_remove(path));
    }
    return HEED_OK;
}

static heed_err begin(hd_curves *curves, bool resume, uint64_t step, double wall) {
    hd_str all, lines, events;
    hd_str_init(&all);
    hd_str_init(&lines);
    hd_str_init(&events);
    heed_err err = HEED_OK;
    hd_event_version(wall, &events);
    if (resume && hd_fs_exists(curves->lines)) {
        HD_TRY_OUT(hd_fs_read(curves->lines, 0, &all));
        HD_TRY_OUT(keep_lines(&all, step, &lines, &events));
    }
    HD_TRY_OUT(hd_str_check(&events));
    HD_TRY_OUT(hd_fs_write(curves->lines, hd_str_get(&lines), lines.len, MODE_FILE));
    HD_TRY_OUT(hd_fs_write(curves->events, events.data, events.len, MODE_FILE));
out:
    hd_str_clear(&events);
    hd_str_clear(&lines);
    hd_str_clear(&all);
    return err;
}

static heed_err open_in(hd_curves *curves, const char *folder, bool resume, uint64_t step,
                        double wall) {
    HD_TRY(hd_fs_mkdirs(folder, MODE_FOLDER));
    HD_TRY(remove_events(curves, folder));
    char *name = hd_arena_printf(&curves->arena, "events.out.tfevents.%.0f.heed", wall);
    if (!name) return HD_FAIL_MEMORY(0);
    curves->lines = hd_fs_join(&curves->arena, folder, "curves.jsonl");
    curves->events = hd_fs_join(&curves->arena, folder, name);
    if (!curves->lines || !curves->events) return HD_FAIL_MEMORY(0);
    return begin(curves, resume, step, wall);
}

heed_err hd_curves_open(const char *folder, bool resume, uint64_t step, double wall,
                        hd_curves **out) {
    hd_curves *curves = hd_calloc(1, sizeof *curves);
    if (!curves) return HD_FAIL_MEMORY(sizeof *curves);
    hd_arena_init(&curves->arena);
    hd_str_init(&curves->buffer);
    heed_err err = open_in(curves, folder, resume, step, wall);
    if (err != HEED_OK) {
        hd_curves_close(curves);
        return err;
    }
    *out = curves;
    return HEED_OK;
}

void hd_curves_close(hd_curves *curves) {
    if (!curves) return;
    hd_str_clear(&curves->buffer);
    hd_arena_clear(&curves->arena);
    hd_free(curves);
}

// ── Points ──

static void add_number(hd_str *out, const char *key, double value) {
    char number[32];
    hd_json_number(value, number);
    hd_str_addc(out, ',');
    hd_json_quote(out, key, strlen(key));
    hd_str_addf(out, ":%s", number);
}

heed_err hd_curves_add(hd_curves *curves, uint64_t step, double epoch, double wall,
                       const hd_point *points, size_t n) {
    hd_str *b = &curves->buffer;
    hd_str_reset(b);
    hd_str_addf(b, "{\"step\":%llu", (unsigned long long)step);
    add_number(b, "epoch", epoch);
    add_number(b, "time", wall);
    for (size_t i = 0; i < n; i++) add_number(b, points[i].name, points[i].value);
    hd_str_add(b, "}\n");
    HD_TRY(hd_str_check(b));
    HD_TRY(hd_fs_append(curves->lines, b->data, b->len, MODE_FILE));
    hd_str_reset(b);
    hd_event_scalars(wall, step, points, n, b);
    HD_TRY(hd_str_check(b));
    return hd_fs_append(curves->events, b->data, b->len, MODE_FILE);
}
