// SPDX-License-Identifier: Apache-2.0
//
// Faults under the audit log: whatever stops heed while entries are added, what was acknowledged is
// recorded together with its entry, the log verifies, and it can be added to.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "drive.h"
#include "privacy/audit.h"
#include "store/open.h"

enum { CACHE = 64 << 10, PATH = 256, STEPS = 20 };

// The newest checkpoint is a file beside the database.
typedef struct place {
    char path[PATH];
} place;

static heed_err get_apart(void *ctx, hd_str *out) {
    const place *p = ctx;
    return hd_fs_exists(p->path) ? hd_fs_read(p->path, 0, out) : HEED_OK;
}

static heed_err put_apart(void *ctx, hd_slice text, hd_mark_replaces *replaces, void *candidate) {
    const place *p = ctx;
    (void)replaces; // nobody else is there
    (void)candidate;
    return hd_fs_write(p->path, text.p, text.n, 0600);
}

typedef struct opened {
    place place;
    hd_store *store;
    hd_audit *audit;
} opened;

static heed_err open_log(const char *dir, hd_store_mode mode, opened *o) {
    char path[PATH];
    *o = (opened){0};
    snprintf(path, sizeof path, "%s/t.db", dir);
    snprintf(o->place.path, sizeof o->place.path, "%s/apart", dir);
    const hd_audit_keys keys = {
        .secret = {7}, .workspace = {9}, .get = get_apart, .put = put_apart, .ctx = &o->place};
    HD_TRY(hd_store_open(path, mode, CACHE, NULL, &o->store));
    if (mode == HD_STORE_CREATE) {
        HD_TRY(hd_store_migrate(o->store, hd_audit_migrations, hd_audit_n_migrations));
        HD_TRY(hd_store_exec(o->store, "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB) STRICT"));
    }
    return hd_audit_open(o->store, &keys, true, &o->audit);
}

static void close_log(opened *o) {
    hd_audit_close(o->audit);
    hd_store_close(o->store);
}

static heed_err make_log(const char *dir) {
    opened o;
    heed_err err = open_log(dir, HD_STORE_CREATE, &o);
    close_log(&o);
    return err;
}

// A row, and the entry that says so; now and then an entry that is taken back.
static heed_err add_row(opened *o, int64_t step) {
    const hd_audit_entry entry = {.what = HD_AUDIT_IMPORT, .count = step};
    HD_TRY(hd_store_exec(o->store, "INSERT INTO t (v) VALUES (randomblob(2000))"));
    if (step % 3 == 0) {
        HD_TRY(hd_store_begin(o->store));
        heed_err err = hd_audit_add(o->audit, &entry);
        hd_store_rollback(o->store);
        HD_TRY(err);
    }
    return hd_audit_add(o->audit, &entry);
}

static heed_err add_step(opened *o, int64_t step) {
    HD_TRY(hd_store_begin(o->store));
    heed_err err = add_row(o, step);
    if (err == HEED_OK) return hd_store_commit(o->store);
    hd_store_rollback(o->store);
    return err;
}

static heed_err run_log(const char *dir, tally *t) {
    opened o;
    heed_err err = open_log(dir, HD_STORE_WRITE, &o);
    for (int64_t step = 1; err == HEED_OK && step <= STEPS; step++) {
        err = add_step(&o, step);
        if (err == HEED_OK) t->acked = step;
        if (err == HEED_OK && step % 7 == 0) err = hd_store_checkpoint(o.store);
    }
    close_log(&o);
    return err;
}

static heed_err ask(hd_store *store, const char *sql, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store, sql, &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) *out = row ? hd_query_i64(q, 0) : -1;
    hd_query_close(q);
    return err;
}

static bool is_sound(opened *o, char *why, size_t size) {
    hd_audit_report report;
    if (hd_audit_verify(o->audit, &report) != HEED_OK)
        return drive_failed(why, size, "can't be verified");
    if (report.sound) return true;
    return drive_wrong(why, size, "not sound: %s", report.faults[0].text[HEED_EN]);
}

static bool log_whole(opened *o, const tally *t, char *why, size_t size) {
    int64_t rows, entries, last;
    if (ask(o->store, "SELECT count(*) FROM t", &rows) != HEED_OK ||
        ask(o->store, "SELECT count(*) FROM audit", &entries) != HEED_OK ||
        ask(o->store, "SELECT coalesce(max(count), 0) FROM audit", &last) != HEED_OK)
        return drive_failed(why, size, "can't be read");
    if (rows != entries || entries != last || last < t->acked)
        return drive_wrong(why, size, "%lld acknowledged, %lld rows, %lld entries up to %lld",
                           (long long)t->acked, (long long)rows, (long long)entries,
                           (long long)last);
    return is_sound(o, why, size);
}

static bool verify_log(const char *dir, const tally *t, char *why, size_t size) {
    opened o;
    bool whole = true;
    if (open_log(dir, HD_STORE_WRITE, &o) != HEED_OK)
        whole = drive_failed(why, size, "doesn't open");
    whole = whole && log_whole(&o, t, why, size);
    if (whole && add_step(&o, STEPS + 1) != HEED_OK)
        whole = drive_failed(why, size, "can't be added to");
    whole = whole && is_sound(&o, why, size);
    close_log(&o);
    return whole;
}

static void the_log_comes_through(void **state) {
    (void)state;
    const workload w = {"audit log", make_log, run_log, verify_log, STORE_SAMPLE};
    drive_all(&w);
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK || sodium_init() < 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_comes_through),
    };
    return cmocka_run_group_tests_name("audit_faults", tests, NULL, NULL);
}
