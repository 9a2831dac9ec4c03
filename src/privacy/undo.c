// SPDX-License-Identifier: Apache-2.0
//
// Taking a batch back, as if it had never been: what it overwrote returns, what it brought goes,
// ids that nothing refers to any more go too. The kinds whose rows can be overwritten have a row
// each in `kinds`, with the statements that do it; events and joins are taken back where they are
// written.
//
// A batch is refused while a later one stands on it: one that overwrote what this batch wrote, or
// added messages to a conversation that it began.
#include "privacy/own.h"

typedef struct undo_kind {
    const char *later;   // yields a batch that has to be undone before ?1
    const char *restore; // puts back what ?1 overwrote
    const char *forget;  // drops the copies it came from
    const char *remove;  // what ?1 brought and still stands
} undo_kind;

static const undo_kind kinds[] = {
    {
        .later = "SELECT min(by_batch) FROM users_before WHERE batch = ?1",
        .restore = "UPDATE users SET attributes = b.attributes, created = b.created,"
                   " batch = b.batch FROM users_before AS b"
                   " WHERE b.by_batch = ?1 AND users.key = b.key",
        .forget = "DELETE FROM users_before WHERE by_batch = ?1",
        // The id stays for what refers to it; the sweep takes the others.
        .remove = "UPDATE users SET attributes = NULL, created = NULL, batch = NULL"
                  " WHERE batch = ?1",
    },
    {
        .later = "SELECT min(by_batch) FROM reviews_before WHERE batch = ?1",
        .restore = "UPDATE reviews SET user_key = b.user_key, item_key = b.item_key,"
                   " rating = b.rating, title = b.title, text = b.text, time = b.time,"
                   " batch = b.batch FROM reviews_before AS b"
                   " WHERE b.by_batch = ?1 AND reviews.key = b.key",
        .forget = "DELETE FROM reviews_before WHERE by_batch = ?1",
        .remove = "DELETE FROM reviews WHERE batch = ?1",
    },
    {
        .later = "SELECT min(m.batch) FROM messages AS m JOIN tickets AS t ON t.key = m.ticket_key"
                 " WHERE t.batch = ?1 AND m.batch <> ?1 AND NOT EXISTS (SELECT 1 FROM"
                 " tickets_before AS b WHERE b.by_batch = ?1 AND b.key = t.key)",
        .remove = "DELETE FROM messages WHERE batch = ?1",
    },
    {
        .later = "SELECT min(by_batch) FROM tickets_before WHERE batch = ?1",
        .restore = "UPDATE tickets SET user_key = b.user_key, subject = b.subject,"
                   " status = b.status, batch = b.batch FROM tickets_before AS b"
                   " WHERE b.by_batch = ?1 AND tickets.key = b.key",
        .forget = "DELETE FROM tickets_before WHERE by_batch = ?1",
        .remove = "DELETE FROM tickets WHERE batch = ?1",
    },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static heed_err check_later(hd_door *door, const undo_kind *kind, int64_t batch) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, kind->later, &q));
    hd_query_bind_i64(q, 1, batch);
    heed_err err = hd_query_step(q, &row);
    int64_t later = err == HEED_OK ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    if (err != HEED_OK || later == 0) return err;
    return HD_FAIL(HEED_CONFLICT,
                   "import %lld can't be undone yet: import %lld changed the same records after "
                   "it; undo that one first",
                   "暂时无法撤销导入 %lld：导入 %lld 随后修改了相同的记录，请先撤销后者",
                   (long long)batch, (long long)later);
}

static heed_err undo_kind_rows(hd_door *door, const undo_kind *kind, int64_t batch, int64_t *rows) {
    if (kind->restore) {
        HD_TRY(HD_RUN(door, kind->restore, batch));
        *rows += hd_store_changes(door->store);
        HD_TRY(HD_RUN(door, kind->forget, batch));
    }
    HD_TRY(HD_RUN(door, kind->remove, batch));
    *rows += hd_store_changes(door->store);
    return HEED_OK;
}

static heed_err undo(hd_door *door, int64_t batch, int64_t *rows) {
    for (size_t i = 0; i < KINDS; i++) HD_TRY(check_later(door, &kinds[i], batch));
    HD_TRY(hd_recent_settle(door));
    HD_TRY(hd_load_undo(door, batch, rows));
    HD_TRY(hd_users_unlink(door, batch, rows));
    for (size_t i = 0; i < KINDS; i++) HD_TRY(undo_kind_rows(door, &kinds[i], batch, rows));
    return hd_users_sweep(door, 0, INT64_MAX);
}

heed_err hd_door_undo(hd_door *door, int64_t batch, int64_t *rows) {
    *rows = 0;
    HD_TRY(hd_store_begin(door->store));
    hd_door_sync(door);
    heed_err err = undo(door, batch, rows);
    hd_door_forget(door); // users, types and items that were cached may be gone
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
