// SPDX-License-Identifier: Apache-2.0
//
// What must hold of an importer whatever its input: the fuzz targets of the formats share it. A
// violation ends the process.
#ifndef TESTS_FUZZ_IMPORT_CHECK_H
#define TESTS_FUZZ_IMPORT_CHECK_H

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "prepare/importer.h"

#define IMPORT_CHECK(condition)    \
    do {                           \
        if (!(condition)) abort(); \
    } while (0)

// A text that stands in a record: valid UTF-8 without NUL. (Reading its bytes is half the test.)
static inline void import_check_text(hd_slice s) {
    if (!s.p) return;
    IMPORT_CHECK(hd_utf8_valid(s.p, s.n) == s.n);
    IMPORT_CHECK(s.n == 0 || !memchr(s.p, 0, s.n));
}

static inline void import_check_id(hd_slice s) {
    import_check_text(s);
    IMPORT_CHECK(!s.p || (s.n > 0 && s.n <= 512));
}

static inline void import_check_json(hd_slice s, bool object) {
    json_t *json = NULL;
    if (!s.p) return;
    IMPORT_CHECK(hd_json_parse(s.p, s.n, "record", &json) == HEED_OK);
    IMPORT_CHECK(object ? json_is_object(json) : json_is_array(json));
    json_decref(json);
}

static inline void import_check_time(hd_time t) {
    IMPORT_CHECK(t == HD_TIME_NONE || (t >= HD_TIME_MIN && t <= HD_TIME_MAX));
}

static inline void import_check_item(const hd_item_record *r) {
    IMPORT_CHECK(r->id.p);
    import_check_id(r->id);
    import_check_text(r->title);
    import_check_text(r->brand);
    import_check_json(r->categories, false);
    import_check_json(r->attributes, true);
    import_check_time(r->created);
    IMPORT_CHECK(!isinf(r->price));
    IMPORT_CHECK(!r->currency.p || r->currency.n == 3);
}

static inline void import_check_event(const hd_event_record *r) {
    IMPORT_CHECK(r->type.p && r->type.n > 0);
    import_check_text(r->type);
    import_check_id(r->user);
    import_check_id(r->item);
    import_check_id(r->session);
    import_check_text(r->event_id);
    import_check_json(r->properties, true);
    import_check_time(r->time);
    IMPORT_CHECK(!isinf(r->value) && !isinf(r->quantity) && !(r->quantity < 0));
}

static inline void import_check_record(const hd_record *r) {
    if (r->kind == HD_KIND_USERS) {
        IMPORT_CHECK(r->user.id.p);
        import_check_id(r->user.id);
        import_check_id(r->user.alias);
        import_check_json(r->user.attributes, true);
    }
    if (r->kind == HD_KIND_ITEMS) import_check_item(&r->item);
    if (r->kind == HD_KIND_EVENTS) import_check_event(&r->event);
    if (r->kind == HD_KIND_REVIEWS) {
        import_check_text(r->review.title);
        import_check_text(r->review.text);
        import_check_time(r->review.time);
    }
    if (r->kind == HD_KIND_TICKETS) {
        IMPORT_CHECK(r->ticket.id.p && r->ticket.text.p);
        import_check_text(r->ticket.text);
    }
    if (r->kind == HD_KIND_DOCUMENTS) {
        IMPORT_CHECK(r->document.id.p && r->document.text.p);
        import_check_text(r->document.text);
    }
}

// Reads a file whole. The first byte chooses preset and kind, so that all of them are reached.
static inline void import_check_file(const uint8_t *data, size_t n, const char *name) {
    if (n < 1) return;
    static const char *const presets[] = {NULL,     NULL,      "gorse",    "movielens",
                                          "retail", "segment", "sequence", "personalize"};
    hd_importer_params p = {.path = name, .header = -1, .max_line = 4096, .now = HD_TIME_NONE};
    p.preset = presets[data[0] & 7];
    p.kind = (data[0] >> 3) % (HD_KINDS + 1) - 1;
    hd_importer *in = NULL;
    if (hd_importer_open_memory(&p, data + 1, n - 1, &in) != HEED_OK) {
        IMPORT_CHECK(heed_error_message(HEED_ZH)[0] != 0);
        return;
    }
    uint64_t line = 0;
    for (;;) {
        hd_import_row row;
        if (hd_importer_next(in, &row) != HEED_OK || row.state == HD_ROW_END) break;
        IMPORT_CHECK(row.line >= line && row.line > 0); // forwards only
        line = row.line;
        if (row.state == HD_ROW_RECORD) import_check_record(&row.record);
        if (row.state == HD_ROW_BAD) {
            for (int lang = 0; lang < 2; lang++) {
                size_t len = strlen(row.reason[lang]);
                IMPORT_CHECK(len > 0 && hd_utf8_valid(row.reason[lang], len) == len);
            }
        }
    }
    char hash[65];
    IMPORT_CHECK(hd_importer_hash(in, hash) == HEED_OK);
    hd_importer_close(in);
}

#endif
