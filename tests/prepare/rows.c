// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <math.h>
#include <stdlib.h>

#include "base/fs.h"

static void add(hd_str *out, const char *name, hd_slice value) {
    if (value.p) hd_str_addf(out, " %s=%.*s", name, (int)value.n, value.p);
}

static void add_number(hd_str *out, const char *name, double value) {
    if (!isnan(value)) hd_str_addf(out, " %s=%.17g", name, value);
}

static void add_time(hd_str *out, const char *name, hd_time t) {
    char buf[32];
    if (t == HD_TIME_NONE) return;
    hd_time_format(t, NULL, buf);
    hd_str_addf(out, " %s=%s", name, buf);
}

static void add_bool(hd_str *out, const char *name, int value) {
    if (value >= 0) hd_str_addf(out, " %s=%d", name, value);
}

static void add_user(hd_str *out, const hd_user_record *r) {
    add(out, "id", r->id);
    add(out, "alias", r->alias);
    add_time(out, "created", r->created);
    add(out, "attributes", r->attributes);
}

static void add_item(hd_str *out, const hd_item_record *r) {
    add(out, "id", r->id);
    add(out, "title", r->title);
    add(out, "brand", r->brand);
    add(out, "categories", r->categories);
    add_number(out, "price", r->price);
    add(out, "currency", r->currency);
    add_time(out, "created", r->created);
    add_bool(out, "hidden", r->hidden);
    add_bool(out, "replenishable", r->replenishable);
    add(out, "attributes", r->attributes);
}

static void add_event(hd_str *out, const hd_event_record *r) {
    add(out, "event_id", r->event_id);
    add(out, "user", r->user);
    add(out, "session", r->session);
    add(out, "item", r->item);
    add(out, "type", r->type);
    add_number(out, "value", r->value);
    add_number(out, "quantity", r->quantity);
    add(out, "currency", r->currency);
    add_time(out, "time", r->time);
    add(out, "properties", r->properties);
}

static void add_review(hd_str *out, const hd_review_record *r) {
    add(out, "id", r->id);
    add(out, "user", r->user);
    add(out, "item", r->item);
    add_number(out, "rating", r->rating);
    add(out, "title", r->title);
    add(out, "text", r->text);
    add_time(out, "time", r->time);
}

static void add_ticket(hd_str *out, const hd_ticket_record *r) {
    add(out, "id", r->id);
    add(out, "user", r->user);
    add(out, "subject", r->subject);
    add(out, "status", r->status);
    add(out, "role", r->role);
    add(out, "text", r->text);
    add(out, "message_id", r->message_id);
    add_time(out, "time", r->time);
}

static void add_document(hd_str *out, const hd_document_record *r) {
    add(out, "id", r->id);
    add(out, "title", r->title);
    add(out, "text", r->text);
    add(out, "url", r->url);
    add(out, "lang", r->lang);
    add_time(out, "updated", r->updated);
}

void test_add_record(hd_str *out, const hd_record *r) {
    static const char *const names[] = {"user", "item", "event", "review", "ticket", "document"};
    hd_str_addf(out, " %s", names[r->kind]);
    if (r->kind == HD_KIND_USERS) add_user(out, &r->user);
    if (r->kind == HD_KIND_ITEMS) add_item(out, &r->item);
    if (r->kind == HD_KIND_EVENTS) add_event(out, &r->event);
    if (r->kind == HD_KIND_REVIEWS) add_review(out, &r->review);
    if (r->kind == HD_KIND_TICKETS) add_ticket(out, &r->ticket);
    if (r->kind == HD_KIND_DOCUMENTS) add_document(out, &r->document);
}

void test_add_rows(hd_str *out, hd_importer *in) {
    for (;;) {
        hd_import_row row;
        assert_int_equal(hd_importer_next(in, &row), HEED_OK);
        if (row.state == HD_ROW_END) return;
        hd_str_addf(out, "%llu", (unsigned long long)row.line);
        if (row.state == HD_ROW_BAD) {
            assert_true(row.reason[HEED_ZH][0] != 0);
            hd_str_addf(out, " bad %s", row.reason[HEED_EN]);
        } else {
            test_add_record(out, &row.record);
        }
        hd_str_addc(out, '\n');
    }
}

void test_rows_n(const hd_importer_params *params, const void *bytes, size_t n,
                 const char *expected) {
    hd_importer *in = NULL;
    heed_err err = hd_importer_open_memory(params, bytes, n, &in);
    if (err != HEED_OK) print_error("%s\n", heed_error_message(HEED_EN));
    assert_int_equal(err, HEED_OK);
    hd_str out;
    hd_str_init(&out);
    test_add_rows(&out, in);
    assert_int_equal(hd_str_check(&out), HEED_OK);
    assert_string_equal(hd_str_get(&out), expected);
    hd_str_clear(&out);
    hd_importer_close(in);
}

void test_rows(const hd_importer_params *params, const char *text, const char *expected) {
    test_rows_n(params, text, strlen(text), expected);
}

void test_refused(const hd_importer_params *params, const void *bytes, size_t n, const char *part) {
    hd_importer *in = NULL;
    heed_err err = hd_importer_open_memory(params, bytes, n, &in);
    assert_int_not_equal(err, HEED_OK);
    if (!strstr(heed_error_message(HEED_EN), part)) {
        fail_msg("'%s' doesn't hold '%s'", heed_error_message(HEED_EN), part);
    }
    assert_true(heed_error_message(HEED_ZH)[0] != 0);
}

const char *test_data(hd_arena *arena, const char *file) {
    const char *root = getenv("HEED_TEST_DATA");
    if (!root) root = HEED_SOURCE_ROOT "/../shared/data";
    char *path = hd_fs_join(arena, root, file);
    if (path && hd_fs_exists(path)) return path;
    print_message("%s isn't there: skipped\n", file);
    return NULL;
}
