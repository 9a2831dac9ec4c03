// SPDX-License-Identifier: Apache-2.0
//
// Persons first, then rows, then what an erasure leaves to be done outside of the database, once
// for all of them: their keys, the marks on models, the database's log (erase.c).
//
// Rejected: one transaction for everything. Beside a server it would keep every post waiting for as
// long as a walk through all tables takes.
#include "workspace/retain.h"

#include "privacy/erasures.h"
#include "workspace/auditing.h"
#include "workspace/erase.h"

// A step takes some 50 ms where all of its rows go, and next to nothing where none does.
enum { ROWS_AT_ONCE = 1000, PERSONS_AT_ONCE = 200 };

static hd_time cutoff(const heed_workspace *ws, const char *name, hd_time now) {
    int64_t days = hd_settings_int(ws->settings, name);
    return days == 0 ? HD_TIME_NONE : now - days * HD_DAY_MS;
}

static hd_retention cutoffs(const heed_workspace *ws, hd_time now) {
    return (hd_retention){.events = cutoff(ws, "retention.events", now),
                          .reviews = cutoff(ws, "retention.reviews", now),
                          .tickets = cutoff(ws, "retention.tickets", now),
                          .users = cutoff(ws, "retention.users", now)};
}

heed_err hd_retain_due(heed_workspace *ws, hd_time now, bool *due) {
    hd_time last;
    const hd_retention before = cutoffs(ws, now);
    *due = false;
    if (before.events == HD_TIME_NONE && before.reviews == HD_TIME_NONE &&
        before.tickets == HD_TIME_NONE && before.users == HD_TIME_NONE)
        return HEED_OK;
    HD_TRY(hd_retention_mark_get(ws->door, &last));
    *due = last == HD_TIME_NONE || now < last || now - last >= HD_DAY_MS;
    return HEED_OK;
}

static heed_err record(heed_workspace *ws, const char *what, int64_t count) {
    if (count == 0) return HEED_OK;
    return hd_workspace_record(
        ws, &(hd_audit_entry){.what = HD_AUDIT_RETENTION, .object = what, .count = count});
}

static heed_err end(heed_workspace *ws, heed_err err) {
    if (err == HEED_OK) return hd_store_commit(ws->store);
    hd_store_rollback(ws->store);
    return err;
}

// ── Persons ──

// Without receipts: nobody asked for one.
static heed_err retire_rows(heed_workspace *ws, hd_time before, hd_arena *arena, int64_t *after,
                            int64_t *persons) {
    static const uint8_t none[HD_RECEIPT_BYTES] = {0};
    int64_t *keys, *subjects, last;
    size_t n, n_persons;
    HD_TRY(hd_rights_idle(ws->door, before, PERSONS_AT_ONCE, after, arena, &keys, &n, &n_persons));
    *persons = (int64_t)n_persons;
    if (n == 0) return HEED_OK;
    HD_TRY(hd_erasures_subjects(ws->door, keys, n, arena, &subjects));
    HD_TRY(hd_rights_erase(ws->door, keys, n, NULL));
    HD_TRY(record(ws, "users", *persons));
    return hd_erasures_note(ws, subjects, n, hd_time_now(), none, &last);
}

static heed_err retire(heed_workspace *ws, hd_time before, hd_retaining *r) {
    hd_arena arena;
    int64_t after = r->person, persons = 0;
    HD_TRY(hd_store_begin(ws->store));
    hd_arena_init(&arena);
    heed_err err = end(ws, retire_rows(ws, before, &arena, &after, &persons));
    hd_arena_clear(&arena);
    HD_TRY(err);
    r->gone.users += persons;
    r->person = after;
    r->retired = after == INT64_MAX;
    return HEED_OK;
}

// ── Rows ──

static heed_err expire_in(heed_workspace *ws, const hd_retention *before, hd_expiring *at,
                          hd_expired *gone) {
    HD_TRY(hd_rights_expire(ws->door, before, ROWS_AT_ONCE, at, gone));
    HD_TRY(record(ws, "events", gone->events));
    HD_TRY(record(ws, "reviews", gone->reviews));
    return record(ws, "tickets", gone->tickets);
}

static heed_err expire(heed_workspace *ws, const hd_retention *before, hd_retaining *r) {
    hd_expired gone;
    hd_expiring at = r->rows;
    HD_TRY(hd_store_begin(ws->store));
    HD_TRY(end(ws, expire_in(ws, before, &at, &gone)));
    r->rows = at;
    r->gone.events += gone.events;
    r->gone.reviews += gone.reviews;
    r->gone.tickets += gone.tickets;
    r->gone.messages += gone.messages;
    return HEED_OK;
}

// ── The whole ──

static heed_err finish(heed_workspace *ws, const hd_retaining *r) {
    HD_TRY(hd_erasures_resume(ws));
    HD_TRY(hd_retention_mark_set(ws->door, r->now));
    if (r->gone.events + r->gone.reviews + r->gone.tickets + r->gone.users == 0) return HEED_OK;
    return hd_store_checkpoint(ws->store);
}

heed_err hd_retain_step(heed_workspace *ws, hd_retaining *r, bool *more) {
    const hd_retention before = cutoffs(ws, r->now);
    *more = true;
    HD_TRY(hd_stop_check(ws->stop));
    if (!r->begun) {
        HD_TRY(hd_workspace_need_write(ws));
        if (before.users != HD_TIME_NONE) HD_TRY(hd_keyring_need(ws->keyring));
        HD_TRY(hd_audit_need_keys(ws->audit));
        HD_TRY(hd_erasures_resume(ws));
        r->begun = true;
    }
    if (!r->retired) return retire(ws, before.users, r);
    if (!hd_rights_expired_all(&r->rows)) return expire(ws, &before, r);
    *more = false;
    return finish(ws, r);
}

static heed_err retain(heed_workspace *ws, hd_time now, hd_expired *gone) {
    hd_retaining r = {.now = now};
    for (bool more = true; more;) HD_TRY(hd_retain_step(ws, &r, &more));
    *gone = r.gone;
    return HEED_OK;
}

heed_err hd_privacy_retain(heed_workspace *ws, hd_time now, bool dry_run, json_t **out) {
    hd_expired gone;
    const hd_retention before = cutoffs(ws, now);
    HD_TRY(dry_run ? hd_rights_expired(ws->door, &before, &gone) : retain(ws, now, &gone));
    return hd_json_pack(out, "{s:b, s:I, s:I, s:I, s:I, s:I}", "dry_run", (int)dry_run, "events",
                        (json_int_t)gone.events, "reviews", (json_int_t)gone.reviews, "tickets",
                        (json_int_t)gone.tickets, "messages", (json_int_t)gone.messages, "users",
                        (json_int_t)gone.users);
}

heed_err heed_privacy_retain(heed_workspace *ws, bool dry_run, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_privacy_retain(ws, hd_time_now(), dry_run, &out));
    return hd_workspace_text(out, json);
}
