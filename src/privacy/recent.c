// SPDX-License-Identifier: Apache-2.0
//
// Events that came lately. An event that is posted belongs at a random place of each index of
// `events`: written at once, it costs two pages of the log, 8 KB for 50 bytes. So what a server
// takes in stands in `events_recent` first, in the order of its keys, with a small index of users;
// when enough have come together (hd_recent_most) all of them are moved, and a page of the large
// indexes is written once for many. That is a log-structured merge of two levels (O'Neil et al.
// 1996) in two tables of one database: the commit, other processes and a crash need nothing of
// their own.
//
// Reading looks into both tables (HD_EVENTS in own.h). Whatever changes or removes events moves
// them first (hd_recent_settle), and so sees one table. Keys there are above all keys in `events`.
//
// There is no index of the ids of recent events: it would be the random page again. They are kept
// in memory by who writes. The memory may know too much, because an event was rolled back, never
// too little: what it says is known is looked at in the table.
//
// Measured over a million events on a busy machine, SQL alone: 56 µs of processor time and 2.3
// pages of the log an event before; 15 and 0.14, and 17 and 0.2 for moving it, now.
//
// Who posts would wait for such a move: 65,536 at once took 0.8 and 1.0 s of processor time at 0
// and 65,536 events, seconds on a busy machine. So a writer that has nothing to do moves the oldest
// in slices of some ten milliseconds (hd_door_tidy), each a transaction of its own, and stops when
// somebody comes. A slice shares few pages (1.6 a row), but then there is time for them. Only who
// is never idle lets so many come together that all are moved at once, cheaply: then most is
// written in the same time, and a post in tens of thousands waits. How many share a page depends on
// how large the indexes are, so that limit is a part of what stands: a small table is filled by
// small moves.
//
// Rejected: slices while others wait: a slice has neighbouring pages in one index only, and costs
// what moving as many as soon as they have come costs (2,048 rows of a range of users, at 700,000
// events: 34 µs and 1.5 pages a row; 8,192 in the order of their keys 31 and 1.1; 65,536 13 and
// 0.2). A file of our own beside the database (other processes read,
// and a crash between two files has to be thought of everywhere), a column that says which rows are
// recent (foreign keys and queries by user need the index over all rows).
#include "privacy/own.h"

enum { RECENT_LEAST = 1 << 13, RECENT_MOST = 1 << 16, RECENT_PART = 16 };
enum { RECENT_QUIET = 1 << 11, RECENT_SLICE = 1 << 9 }; // when a slice is due, and its rows

void hd_recent_init(hd_recent *recent) {
    *recent = (hd_recent){0};
    hd_map_init(&recent->ids);
}

void hd_recent_clear(hd_recent *recent) {
    hd_map_clear(&recent->ids);
    recent->known = false;
}

// What another process wrote isn't known, nor what a rollback brought back from where it had been
// moved to.
void hd_recent_sync(hd_recent *recent, bool others, bool rolled_back) {
    if (others || (rolled_back && recent->moved)) hd_recent_clear(recent);
    if (others || !rolled_back) recent->moved = false;
}

// ── Moving ──

static heed_err any(hd_door *door, bool *row) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, "SELECT 1 FROM events_recent LIMIT 1", &q));
    heed_err err = hd_query_step(q, row);
    hd_query_close(q);
    return err;
}

heed_err hd_recent_settle(hd_door *door) {
    bool row;
    hd_door_sync(door); // else the transaction's begin would be noticed after what happens here
    HD_TRY(any(door, &row));
    if (!row) return HEED_OK;
    HD_TRY(hd_store_exec(door->store, "INSERT INTO events SELECT * FROM events_recent ORDER BY key;"
                                      "DELETE FROM events_recent"));
    hd_recent_clear(&door->recent);
    door->recent.known = door->recent.moved = true;
    door->recent.n = 0;
    return HEED_OK;
}

int64_t hd_recent_most(int64_t standing) {
    int64_t part = standing / RECENT_PART;
    if (part < RECENT_LEAST) return RECENT_LEAST;
    return part < RECENT_MOST ? part : RECENT_MOST;
}

// A batch without an event doesn't know how many stand: the next one does.
heed_err hd_recent_settle_when_due(hd_door *door) {
    const hd_load *load = &door->load;
    if (!load->ready || door->recent.n < hd_recent_most(load->next_key - 1)) return HEED_OK;
    return hd_recent_settle(door);
}

static heed_err last_of_slice(hd_door *door, int64_t rows, int64_t *last) {
    hd_query *q;
    bool row;
    *last = 0;
    HD_TRY(hd_query_open(door->store,
                         "SELECT key FROM events_recent ORDER BY key LIMIT 1 OFFSET ?1", &q));
    hd_query_bind_i64(q, 1, rows - 1);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) *last = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

// The oldest, so that keys here stay above all in `events`. Their ids stay in the memory of ids,
// which may know too much, until they are many.
heed_err hd_recent_slice(hd_door *door, int64_t rows) {
    int64_t last;
    hd_recent *recent = &door->recent;
    hd_door_sync(door);
    HD_TRY(last_of_slice(door, rows, &last));
    if (last == 0) return hd_recent_settle(door); // fewer stand than were counted
    HD_TRY(HD_RUN(
        door, "INSERT INTO events SELECT * FROM events_recent WHERE key <= ?1 ORDER BY key", last));
    HD_TRY(HD_RUN(door, "DELETE FROM events_recent WHERE key <= ?1", last));
    recent->n -= rows;
    if (recent->ids.count > 2 * (size_t)recent->n + RECENT_LEAST) hd_recent_clear(recent);
    recent->moved = true;
    return HEED_OK;
}

bool hd_door_is_tidy(const hd_door *door) {
    return !door->recent.known || door->recent.n < RECENT_QUIET;
}

heed_err hd_door_tidy(hd_door *door) {
    HD_TRY(hd_store_begin(door->store));
    heed_err err = hd_door_is_tidy(door) ? HEED_OK : hd_recent_slice(door, RECENT_SLICE);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

// ── Ids ──

static heed_err remember(hd_recent *recent, const uint8_t hash[HD_HASH_BYTES], int64_t key) {
    return hd_map_put(&recent->ids, (const char *)hash, HD_HASH_BYTES, (uint64_t)key);
}

static heed_err learn(hd_door *door) {
    hd_query *q;
    bool row;
    hd_recent *recent = &door->recent;
    hd_recent_clear(recent);
    recent->n = 0;
    HD_TRY(hd_query_open(door->store, "SELECT key, id_hash FROM events_recent NOT INDEXED", &q));
    heed_err err;
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        recent->n++;
        hd_slice hash = hd_query_blob(q, 1);
        if (hash.n != HD_HASH_BYTES) continue;
        HD_TRY_OUT(remember(recent, (const uint8_t *)hash.p, hd_query_i64(q, 0)));
    }
    recent->known = true;
out:
    hd_query_close(q);
    return err;
}

static heed_err is_row(hd_door *door, const char *sql, int64_t key, const uint8_t *hash,
                       bool *out) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_blob(q, 1, hash, HD_HASH_BYTES);
    if (key) hd_query_bind_i64(q, 2, key);
    heed_err err = hd_query_step(q, out);
    hd_query_close(q);
    return err;
}

heed_err hd_recent_has(hd_door *door, const uint8_t hash[HD_HASH_BYTES], bool *out) {
    uint64_t key;
    hd_recent *recent = &door->recent;
    *out = false;
    if (!recent->known) HD_TRY(learn(door));
    if (hd_map_get(&recent->ids, (const char *)hash, HD_HASH_BYTES, &key)) {
        HD_TRY(is_row(door, "SELECT 1 FROM events_recent WHERE key = ?2 AND id_hash = ?1",
                      (int64_t)key, hash, out));
        if (*out) return HEED_OK;
    }
    return is_row(door, "SELECT 1 FROM events WHERE id_hash = ?1", 0, hash, out);
}

heed_err hd_recent_added(hd_door *door, const uint8_t *hash, int64_t key) {
    if (!door->recent.known) HD_TRY(learn(door)); // the row itself, and those before it
    door->recent.n++;
    return hash ? remember(&door->recent, hash, key) : HEED_OK;
}
