// SPDX-License-Identifier: Apache-2.0
//
// Bringing what stands in step with privacy.encrypt: sealed values become plain, or plain ones
// sealed, in transactions of a few hundred rows, so that it can be stopped anywhere and gone on
// with. `privacy.sealed` says 1 or 0 where all rows are in step, NULL where they may not be.
#include "base/mem.h"
#include "privacy/own.h"

enum { ROWS_AT_ONCE = 500 };

// A column: its rows that are in the other form (?3) behind (?1, ?2), as (key, by_batch or 0,
// user's key, box); and how a new box is put in its place.
typedef struct sealed_column {
    hd_field field;
    const char *select, *update;
} sealed_column;

#define BEHIND(column, by)                                                          \
    " WHERE (key, " by ") > (?1, ?2) AND " column " IS NOT NULL AND substr(" column \
    ", 1, 1) = ?3 ORDER BY 1, 2 LIMIT 500"
#define ROWS(table, column, user)                                          \
    "SELECT key, 0, " user ", " column " FROM " table BEHIND(column, "0"), \
        "UPDATE " table " SET " column " = ?3 WHERE key = ?1 + 0 * ?2"
#define ROWS_BEFORE(table, column, user)                                                 \
    "SELECT key, by_batch, " user ", " column " FROM " table BEHIND(column, "by_batch"), \
        "UPDATE " table " SET " column " = ?3 WHERE key = ?1 AND by_batch = ?2"

static const sealed_column columns[] = {
    {HD_FIELD_USER_ID, ROWS("users", "id_box", "key")},
    {HD_FIELD_ATTRIBUTES, ROWS("users", "attributes", "key")},
    {HD_FIELD_ATTRIBUTES, ROWS_BEFORE("users_before", "attributes", "key")},
    {HD_FIELD_SESSION, ROWS("events", "session", "user_key")},
    {HD_FIELD_PROPERTIES, ROWS("events", "properties", "user_key")},
    {HD_FIELD_TITLE, ROWS("reviews", "title", "user_key")},
    {HD_FIELD_TITLE, ROWS_BEFORE("reviews_before", "title", "user_key")},
    {HD_FIELD_REVIEW, ROWS("reviews", "text", "user_key")},
    {HD_FIELD_REVIEW, ROWS_BEFORE("reviews_before", "text", "user_key")},
    {HD_FIELD_TICKET_ID, ROWS("tickets", "id_box", "user_key")},
    {HD_FIELD_SUBJECT, ROWS("tickets", "subject", "user_key")},
    {HD_FIELD_SUBJECT, ROWS_BEFORE("tickets_before", "subject", "user_key")},
    {HD_FIELD_MESSAGE,
     ROWS("messages", "text", "(SELECT user_key FROM tickets WHERE tickets.key = ticket_key)")},
};

typedef struct open_row {
    int64_t key, by, user;
    hd_slice text;
} open_row;

static heed_err read_some(hd_door *door, const sealed_column *c, const open_row *last,
                          hd_arena *arena, open_row *rows, size_t *n) {
    hd_query *q;
    bool row;
    heed_err err;
    const uint8_t other = door->seals.plain ? 1 : 0;
    *n = 0;
    HD_TRY(hd_query_open(door->store, c->select, &q));
    hd_query_bind_i64(q, 1, last->key);
    hd_query_bind_i64(q, 2, last->by);
    hd_query_bind_blob(q, 3, &other, 1);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        open_row *r = &rows[(*n)++];
        *r = (open_row){hd_query_i64(q, 0), hd_query_i64(q, 1), hd_query_i64(q, 2), {0}};
        HD_TRY_OUT(hd_seal_open(door, c->field, r->key, hd_query_blob(q, 3), arena, &r->text));
    }
out:
    hd_query_close(q);
    return err;
}

static heed_err write_row(hd_door *door, const sealed_column *c, const open_row *r) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, c->update, &q));
    hd_query_bind_i64(q, 1, r->key);
    hd_query_bind_i64(q, 2, r->by);
    heed_err err = hd_seal_bind(door, q, 3, c->field, r->user, r->key, r->text);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err bring_some(hd_door *door, const sealed_column *c, open_row *last, open_row *rows,
                           size_t *n) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = read_some(door, c, last, &arena, rows, n);
    for (size_t i = 0; err == HEED_OK && i < *n; i++) err = write_row(door, c, &rows[i]);
    if (err == HEED_OK && *n > 0) *last = rows[*n - 1];
    hd_arena_clear(&arena);
    return err;
}

// One transaction.
static heed_err bring_step(hd_door *door, const sealed_column *c, open_row *last, open_row *rows,
                           size_t *n) {
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = hd_recent_settle(door);
    if (err == HEED_OK) err = bring_some(door, c, last, rows, n);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

static heed_err bring_column(hd_door *door, const sealed_column *c, open_row *rows,
                             heed_err (*go_on)(void *ctx), void *ctx, int64_t *changed) {
    open_row last = {0};
    size_t n = 0;
    do {
        if (go_on) HD_TRY(go_on(ctx));
        HD_TRY(bring_step(door, c, &last, rows, &n));
        *changed += (int64_t)n;
    } while (n > 0);
    return HEED_OK;
}

static heed_err set_state(hd_store *store, const char *sql, bool encrypt) {
    hd_query *q;
    HD_TRY(hd_query_open(store, sql, &q));
    hd_query_bind_i64(q, 1, encrypt);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_door_reseal(hd_door *door, heed_err (*go_on)(void *ctx), void *ctx, int64_t *changed) {
    *changed = 0;
    HD_TRY(hd_keyring_need(door->seals.keyring));
    open_row *rows = hd_alloc(ROWS_AT_ONCE * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(ROWS_AT_ONCE * sizeof *rows);
    heed_err err = HEED_OK;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0] && err == HEED_OK; i++) {
        err = bring_column(door, &columns[i], rows, go_on, ctx, changed);
    }
    hd_free(rows);
    HD_TRY(err);
    return set_state(door->store, "UPDATE privacy SET sealed = ?1", !door->seals.plain);
}

// ── What is noted of it ──

heed_err hd_privacy_sealed(hd_store *store, hd_sealed_state *out) {
    hd_query *q;
    bool row;
    *out = HD_SEALED_MIXED;
    HD_TRY(hd_query_open(store, "SELECT sealed FROM privacy", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row && !hd_query_is_null(q, 0)) {
        *out = hd_query_i64(q, 0) != 0 ? HD_SEALED_ALL : HD_SEALED_NONE;
    }
    hd_query_close(q);
    return err;
}

heed_err hd_privacy_note(hd_store *store, bool encrypt) {
    hd_sealed_state now;
    HD_TRY(hd_privacy_sealed(store, &now));
    if (now == HD_SEALED_MIXED || (now == HD_SEALED_ALL) == encrypt) return HEED_OK;
    return set_state(store, "UPDATE privacy SET sealed = NULL WHERE ?1 IS NOT NULL", encrypt);
}
