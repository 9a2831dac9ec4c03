// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the audit log share: a database with a log, and a place apart for its newest
// checkpoint.
#ifndef AUDIT_TEST_H
#define AUDIT_TEST_H

#include "privacy/audit_own.h"
#include "privacy_test.h"

typedef struct log_fixture {
    char dir[64];
    char path[80];
    hd_store *store;
    hd_audit *audit;
    hd_audit_keys keys;
    char apart[HD_CHECKPOINT_MAX]; // what is kept beside the keys
    bool apart_fails;
} log_fixture;

static inline heed_err apart_get(void *ctx, hd_str *out) {
    log_fixture *f = ctx;
    if (f->apart_fails) return HD_FAIL(HEED_IO, "no keys", "没有密钥");
    hd_str_add(out, f->apart);
    return hd_str_check(out);
}

static inline heed_err apart_put(void *ctx, hd_slice text, hd_mark_replaces *replaces,
                                 void *candidate) {
    log_fixture *f = ctx;
    if (f->apart_fails) return HD_FAIL(HEED_IO, "no keys", "没有密钥");
    if (!replaces(candidate, hd_slice_of(f->apart))) return HEED_OK;
    assert_true(text.n < sizeof f->apart);
    memcpy(f->apart, text.p, text.n);
    f->apart[text.n] = '\0';
    return HEED_OK;
}

static inline hd_audit_keys test_keys(log_fixture *f) {
    hd_audit_keys keys = {.get = apart_get, .put = apart_put, .ctx = f};
    for (int i = 0; i < HD_AUDIT_SECRET; i++) keys.secret[i] = (uint8_t)(i * 7 + 1);
    for (int i = 0; i < HD_AUDIT_ID; i++) keys.workspace[i] = (uint8_t)(0xA0 + i);
    return keys;
}

static inline void log_open(log_fixture *f) {
    assert_ok(hd_store_open(f->path, HD_STORE_CREATE, 4 << 20, NULL, &f->store));
    assert_ok(hd_store_migrate(f->store, hd_audit_migrations, hd_audit_n_migrations));
    assert_ok(hd_audit_open(f->store, &f->keys, true, &f->audit));
}

static inline void log_close(log_fixture *f) {
    hd_audit_close(f->audit);
    hd_store_close(f->store);
    f->audit = NULL;
    f->store = NULL;
}

static inline int log_setup(void **state) {
    log_fixture *f = test_calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s/heed-audit-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/heed.db", f->dir);
    f->keys = test_keys(f);
    log_open(f);
    *state = f;
    return 0;
}

static inline int log_teardown(void **state) {
    log_fixture *f = *state;
    log_close(f);
    assert_ok(hd_fs_remove(f->dir));
    test_free(f);
    return 0;
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, log_setup, log_teardown)

// n entries, `each` to a transaction.
static inline void add_entries(log_fixture *f, int n, int each) {
    for (int i = 0; i < n; i++) {
        char object[32];
        snprintf(object, sizeof object, "import %d", i);
        if (i % each == 0) assert_ok(hd_store_begin(f->store));
        assert_ok(hd_audit_add(
            f->audit, &(hd_audit_entry){.what = HD_AUDIT_IMPORT, .object = object, .count = i}));
        if (i % each == each - 1 || i == n - 1) assert_ok(hd_store_commit(f->store));
    }
}

static inline hd_audit_report verified(log_fixture *f) {
    hd_audit_report report;
    assert_ok(hd_audit_verify(f->audit, &report));
    return report;
}

static inline void assert_sound(log_fixture *f) {
    hd_audit_report report = verified(f);
    if (!report.sound) fail_msg("not sound: %s", report.faults[0].text[HEED_EN]);
    assert_int_equal(report.n_faults, 0);
}

// Whoever can write the database, and has no key.
static inline void tamper(log_fixture *f, const char *sql) {
    assert_ok(hd_store_exec(f->store, sql));
}

#endif
