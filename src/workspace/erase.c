// SPDX-License-Identifier: Apache-2.0
//
// Erasing a person, in this order:
//
//     1  lines about the person go from the files of rejected rows
//     2  one transaction: the rows, the receipt, and how far the ledger was followed; the ledger
//        itself (subjects.db) is durable just before that transaction is
//     3  the keys of the person's ids are destroyed: what copies still hold can't be read
//     4  models that learned from the person are marked
//     5  what stood unsealed is scrubbed from the database, else its log is cut off
//     6  it is noted that all this is done
//
// A stop before 2 leaves the person as they were; one after it is made good when the workspace is
// next opened to write: 3 to 6 can be done again. The same walk, from the ledger, brings a restored
// backup up to date; there, whom a model learned from can't be told any more, so all that were made
// before the erasure are marked.
//
// Rejected: noting an erasure in the ledger after the database has committed. A stop in between
// would leave a backup that brings the person back.
#include "workspace/erase.h"

#include <sodium.h>

#include "base/log.h"
#include "base/mem.h"
#include "privacy/erasures.h"
#include "privacy/receipt.h"
#include "workspace/auditing.h"
#include "workspace/models.h"
#include "workspace/purge.h"
#include "workspace/rights.h"

// ── What can be done again ──

typedef struct rest {
    heed_workspace *ws;
    const int64_t *subjects; // (n)
    size_t n;
    bool plain;   // something of it stood unsealed
    int64_t last; // entry of the ledger
    hd_models_fn held;
    void *held_ctx;
    size_t marked;
} rest;

static heed_err mark_models(rest *r) {
    hd_lock *lock = NULL;
    HD_TRY(hd_models_lock(r->ws, &lock));
    heed_err err = hd_models_mark_those(r->ws, r->held, r->held_ctx, &r->marked);
    hd_lock_release(lock);
    return err;
}

static heed_err note_finished(heed_workspace *ws, int64_t last) {
    hd_erasure_marks marks;
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = hd_erasure_marks_get(ws->door, &marks);
    marks.finished = last;
    if (err == HEED_OK) err = hd_erasure_marks_set(ws->door, marks);
    if (err == HEED_OK) return hd_store_commit(ws->store);
    hd_store_rollback(ws->store);
    return err;
}

static heed_err do_rest(rest *r) {
    HD_TRY(hd_subject_destroy(r->ws->keyring, r->subjects, r->n));
    HD_TRY(mark_models(r));
    HD_TRY(r->plain ? hd_store_scrub(r->ws->store) : hd_store_checkpoint(r->ws->store));
    return note_finished(r->ws, r->last);
}

// The person is gone already: what is left to do waits for the next opening, and isn't a failure.
static bool finish(rest *r) {
    heed_err err = do_rest(r);
    if (err == HEED_OK) return true;
    HD_LOG(HD_LOG_WARN, "erase", "unfinished", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    return false;
}

// ── The transaction ──

heed_err hd_erasures_note(heed_workspace *ws, const int64_t *subjects, size_t n, hd_time time,
                          const uint8_t hash[HD_RECEIPT_BYTES], int64_t *last) {
    hd_erasure_marks marks;
    for (size_t i = 0; i < n; i++) {
        hd_erasure entry = {.subject = subjects[i], .time = time};
        memcpy(entry.receipt, hash, sizeof entry.receipt);
        HD_TRY(hd_erasure_add(ws->keyring, &entry));
        *last = entry.key;
    }
    HD_TRY(hd_erasure_marks_get(ws->door, &marks));
    marks.rows = *last;
    return hd_erasure_marks_set(ws->door, marks);
}

typedef struct erasing {
    heed_workspace *ws;
    const char *user;
    hd_arena arena;
    hd_time time;
    int64_t person, last;
    int64_t *keys, *subjects; // (n)
    size_t n;
    bool plain;
    json_t *models; // "task/method/version" of those that learned from the person
    hd_rights_counts removed;
    hd_str receipt;
} erasing;

static heed_err make_receipt(erasing *e, uint8_t hash[HD_RECEIPT_HASH]) {
    uint8_t seed[HD_KEY_BYTES], person[HD_RECEIPT_PERSON];
    HD_TRY(hd_audit_subject(e->ws->audit, hd_slice_of(e->user), person));
    HD_TRY(hd_keyring_secret(e->ws->keyring, "audit", seed));
    const hd_receipt receipt = {.workspace = hd_keyring_workspace(e->ws->keyring),
                                .person = person,
                                .time = e->time,
                                .removed = e->removed};
    heed_err err = hd_receipt_make(&receipt, seed, &e->receipt, hash);
    sodium_memzero(seed, sizeof seed);
    return err;
}

static heed_err purge_files(erasing *e) {
    char **ids;
    size_t n;
    HD_TRY(hd_rights_ids(e->ws->door, e->person, &e->arena, &ids, &n));
    return hd_purge(e->ws->folder, (const char *const *)ids, n);
}

static int64_t rows_of(const hd_rights_counts *c) {
    return c->ids + c->events + c->reviews + c->tickets + c->messages;
}

static heed_err erase_rows(erasing *e) {
    uint8_t hash[HD_RECEIPT_HASH];
    hd_door *door = e->ws->door;
    HD_TRY(hd_rights_keys(door, e->person, &e->arena, &e->keys, &e->n));
    HD_TRY(hd_erasures_subjects(door, e->keys, e->n, &e->arena, &e->subjects));
    HD_TRY(hd_erasures_plain(door, e->keys, e->n, &e->plain));
    HD_TRY(hd_rights_erase(door, e->keys, e->n, &e->removed));
    HD_TRY(make_receipt(e, hash));
    HD_TRY(hd_erasures_keep(door, e->time, (hd_slice){e->receipt.data, e->receipt.len}));
    HD_TRY(hd_workspace_record_user(e->ws, e->user,
                                    (hd_audit_entry){.what = HD_AUDIT_ERASE,
                                                     .purpose = "rights",
                                                     .count = rows_of(&e->removed)}));
    return hd_erasures_note(e->ws, e->subjects, e->n, e->time, hash, &e->last);
}

// Which models learned from the person: asked while the rows stand.
static heed_err list_held(erasing *e) {
    size_t i;
    json_t *all = NULL, *manifest;
    HD_TRY(hd_models_list(e->ws, &all));
    heed_err err = HEED_OK;
    json_array_foreach(all, i, manifest) {
        bool held = false;
        char name[256];
        err = hd_model_held(e->ws, e->person, manifest, &held);
        hd_model_name(manifest, name, sizeof name);
        if (err == HEED_OK && held) err = hd_json_set(e->models, name, json_true());
        if (err == HEED_OK && !held) err = hd_json_set(e->models, name, json_false());
        if (err != HEED_OK) break;
    }
    json_decref(all);
    return err;
}

// One that was published since the list was made may have learned from the person as well.
static heed_err was_held(void *ctx, const json_t *manifest, bool *yes) {
    const erasing *e = ctx;
    char name[256];
    hd_model_name(manifest, name, sizeof name);
    *yes = !json_is_false(json_object_get(e->models, name));
    return HEED_OK;
}

static heed_err erase_in(erasing *e) {
    HD_TRY(hd_keyring_need(e->ws->keyring));
    HD_TRY(hd_erasures_resume(e->ws));
    HD_TRY(hd_rights_find(e->ws->door, hd_slice_of(e->user), &e->person));
    HD_TRY(list_held(e));
    HD_TRY(purge_files(e));
    HD_TRY(hd_store_begin(e->ws->store));
    heed_err err = erase_rows(e);
    if (err == HEED_OK) return hd_store_commit(e->ws->store);
    hd_store_rollback(e->ws->store);
    return err;
}

static heed_err erased_json(const erasing *e, bool finished, size_t marked, json_t **out) {
    return hd_json_pack(out, "{s:s, s:{s:I, s:I, s:I, s:I, s:I}, s:I, s:b, s:s}", "user", e->user,
                        "removed", "ids", (json_int_t)e->removed.ids, "events",
                        (json_int_t)e->removed.events, "reviews", (json_int_t)e->removed.reviews,
                        "tickets", (json_int_t)e->removed.tickets, "messages",
                        (json_int_t)e->removed.messages, "models", (json_int_t)marked, "finished",
                        (int)finished, "receipt", hd_str_get(&e->receipt));
}

heed_err hd_users_erase(heed_workspace *ws, const char *user, json_t **out) {
    HD_TRY(hd_workspace_need_write(ws));
    erasing e = {.ws = ws, .user = user, .time = hd_time_now(), .models = json_object()};
    hd_arena_init(&e.arena);
    hd_str_init(&e.receipt);
    heed_err err = e.models ? erase_in(&e) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) {
        rest r = {ws, e.subjects, e.n, e.plain, e.last, was_held, &e, 0};
        bool finished = finish(&r);
        err = erased_json(&e, finished, r.marked, out);
    }
    json_decref(e.models);
    hd_str_clear(&e.receipt);
    hd_arena_clear(&e.arena);
    return err;
}

// ── From the ledger ──

// Whether there are entries beyond a mark.
static heed_err list_beyond(heed_workspace *ws, int64_t mark, hd_arena *arena, hd_erasure **list,
                            size_t *n) {
    *list = NULL;
    *n = 0;
    if (hd_keyring_locked(ws->keyring)) return HEED_OK; // what is sealed can't be read either
    return hd_erasure_list(ws->keyring, mark, arena, list, n);
}

heed_err hd_erasures_check(heed_workspace *ws) {
    hd_erasure_marks marks;
    hd_arena arena;
    hd_erasure *list;
    size_t n = 0;
    HD_TRY(hd_erasure_marks_get(ws->door, &marks));
    hd_arena_init(&arena);
    heed_err err = list_beyond(ws, marks.rows, &arena, &list, &n);
    hd_arena_clear(&arena);
    if (err != HEED_OK || n == 0) return err;
    return HD_FAIL(HEED_UNAVAILABLE,
                   "persons were erased who still stand in this copy of the data; 'heed migrate' "
                   "removes them",
                   "这份数据中仍有已被删除的人；请用“heed migrate”将其移除");
}

static heed_err replay_rows(heed_workspace *ws, const hd_erasure *list, size_t n, int64_t rows,
                            bool *plain) {
    for (size_t i = 0; i < n; i++) {
        int64_t key;
        bool unsealed;
        if (list[i].key <= rows) continue;
        HD_TRY(hd_erasures_key(ws->door, list[i].subject, &key));
        if (key == 0) continue;
        HD_TRY(hd_erasures_plain(ws->door, &key, 1, &unsealed));
        *plain |= unsealed;
        HD_TRY(hd_rights_erase(ws->door, &key, 1, NULL));
    }
    hd_erasure_marks marks;
    HD_TRY(hd_erasure_marks_get(ws->door, &marks));
    marks.rows = list[n - 1].key;
    HD_TRY(hd_erasure_marks_set(ws->door, marks));
    return hd_workspace_record(ws, &(hd_audit_entry){.what = HD_AUDIT_ERASE,
                                                     .purpose = "rights",
                                                     .object = "as the ledger says",
                                                     .count = (int64_t)n});
}

static heed_err replay(heed_workspace *ws, const hd_erasure *list, size_t n, int64_t rows,
                       bool *plain) {
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = replay_rows(ws, list, n, rows, plain);
    if (err == HEED_OK) return hd_store_commit(ws->store);
    hd_store_rollback(ws->store);
    return err;
}

// Made before the newest of the erasures.
static heed_err made_before(void *ctx, const json_t *manifest, bool *yes) {
    const hd_time *time = ctx;
    hd_time made = hd_model_made(manifest);
    *yes = made == HD_TIME_NONE || made <= *time;
    return HEED_OK;
}

static heed_err resume(heed_workspace *ws, hd_erasure_marks marks, hd_arena *arena,
                       const hd_erasure *list, size_t n) {
    hd_sealed_state sealed;
    hd_time newest = list[0].time;
    int64_t *subjects = hd_arena_alloc(arena, n * sizeof *subjects);
    if (!subjects) return HD_FAIL_MEMORY(n * sizeof *subjects);
    HD_TRY(hd_privacy_sealed(ws->store, &sealed));
    bool plain = sealed != HD_SEALED_ALL; // of rows that are gone already it can't be told
    for (size_t i = 0; i < n; i++) {
        subjects[i] = list[i].subject;
        if (list[i].time > newest) newest = list[i].time;
    }
    if (list[n - 1].key > marks.rows) HD_TRY(replay(ws, list, n, marks.rows, &plain));
    rest r = {ws, subjects, n, plain, list[n - 1].key, made_before, &newest, 0};
    (void)finish(&r);
    HD_LOG(HD_LOG_INFO, "erase", "resumed", HD_KV_INT("ids", (int64_t)n));
    return HEED_OK;
}

heed_err hd_erasures_resume(heed_workspace *ws) {
    hd_erasure_marks marks;
    hd_erasure *list;
    size_t n;
    hd_arena arena;
    HD_TRY(hd_erasure_marks_get(ws->door, &marks));
    int64_t mark = marks.finished < marks.rows ? marks.finished : marks.rows;
    hd_arena_init(&arena);
    heed_err err = list_beyond(ws, mark, &arena, &list, &n);
    if (err == HEED_OK && n > 0) err = resume(ws, marks, &arena, list, n);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_erasures_seen(heed_workspace *ws, int64_t *out) {
    hd_erasure_marks marks;
    HD_TRY(hd_erasure_marks_get(ws->door, &marks));
    *out = marks.rows;
    return HEED_OK;
}

// ── Receipts ──

heed_err hd_privacy_receipts(heed_workspace *ws, size_t limit, json_t **out) {
    char **texts;
    size_t n;
    hd_arena arena;
    json_t *array = json_array();
    if (!array) return HD_FAIL_MEMORY(0);
    hd_arena_init(&arena);
    heed_err err = hd_erasures_receipts(ws->door, limit, &arena, &texts, &n);
    for (size_t i = 0; err == HEED_OK && i < n; i++)
        err = hd_json_append(array, json_string(texts[i]));
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = array;
    else
        json_decref(array);
    return err;
}

heed_err hd_privacy_verify(heed_workspace *ws, hd_slice text, json_t **out) {
    uint8_t seed[HD_KEY_BYTES], key[HD_RECEIPT_KEY];
    if (!ws) return hd_receipt_verify(text, NULL, out);
    HD_TRY(hd_keyring_secret(ws->keyring, "audit", seed));
    heed_err err = hd_receipt_key(seed, key);
    sodium_memzero(seed, sizeof seed);
    return err ? err : hd_receipt_verify(text, key, out);
}

// ── The public functions ──

heed_err heed_users_erase(heed_workspace *ws, const char *user, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_users_erase(ws, user, &out));
    return hd_workspace_text(out, json);
}

heed_err heed_receipt_verify(heed_workspace *ws, const char *receipt, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_privacy_verify(ws, hd_slice_of(receipt), &out));
    return hd_workspace_text(out, json);
}
