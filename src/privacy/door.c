// SPDX-License-Identifier: Apache-2.0
//
// The door itself: opening, the caches' life, and the table of what writes which kind.
//
// Caches of rows are good only as long as the rows stand as they were read. A rollback takes rows
// back behind the door's back, and another process may write between two transactions; the store
// counts both, and every use of a cache looks at its counts first. Keys of persons go with each
// transaction (hd_store_epoch); ids and types stay until others wrote or something was rolled back,
// for a server writes hundreds of small transactions after each other. What the door itself removes
// it forgets (hd_door_forget).
#include "base/mem.h"
#include "privacy/own.h"

heed_err hd_door_open(hd_store *store, hd_keyring *keyring, hd_door **out) {
    hd_door *door = hd_calloc(1, sizeof *door);
    if (!door) return HD_FAIL_MEMORY(sizeof *door);
    door->store = store;
    door->epoch = hd_store_epoch(store);
    door->others = hd_store_others(store);
    door->rollbacks = hd_store_rollbacks(store);
    door->n_types = -1;
    hd_seals_open(door, keyring);
    hd_idcache_init(&door->users);
    hd_map_init(&door->names);
    hd_map_init(&door->types);
    hd_imap_init(&door->type_names);
    hd_seen_init(&door->load.seen);
    hd_recent_init(&door->recent);
    hd_histories_init(&door->histories);
    hd_imap_init(&door->used_items);
    *out = door;
    return HEED_OK;
}

void hd_door_close(hd_door *door) {
    if (!door) return;
    hd_seals_close(door);
    hd_idcache_clear(&door->users);
    hd_map_clear(&door->names);
    hd_map_clear(&door->types);
    hd_imap_clear(&door->type_names);
    hd_load_reset(&door->load);
    hd_recent_clear(&door->recent);
    hd_histories_clear(&door->histories);
    hd_free(door->history.events);
    hd_imap_clear(&door->used_items);
    hd_free(door);
}

void hd_door_keep_histories(hd_door *door, size_t bytes) {
    hd_histories_clear(&door->histories);
    door->histories.most = bytes;
}

void hd_door_forget(hd_door *door) {
    hd_seals_forget(&door->seals);
    hd_idcache_forget(&door->users);
    hd_map_clear(&door->types);
    hd_imap_clear(&door->type_names);
    hd_load_reset(&door->load);
    door->n_types = -1;
    door->used_known = false;
}

void hd_door_sync(hd_door *door) {
    uint64_t epoch = hd_store_epoch(door->store);
    if (epoch == door->epoch) return;
    bool others = door->others != hd_store_others(door->store);
    bool rolled_back = door->rollbacks != hd_store_rollbacks(door->store);
    door->epoch = epoch;
    door->others = hd_store_others(door->store);
    door->rollbacks = hd_store_rollbacks(door->store);
    hd_recent_sync(&door->recent, others, rolled_back);
    if (others || rolled_back) {
        hd_door_forget(door);
        return;
    }
    hd_seals_forget(&door->seals);
    hd_load_reset(&door->load);
    door->used_known = false;
}

heed_err hd_run_keys(hd_door *door, const char *sql, const int64_t *keys, size_t n) {
    hd_query *q;
    HD_TRY(hd_query_open(door->store, sql, &q));
    for (size_t i = 0; i < n; i++) hd_query_bind_i64(q, (int)i + 1, keys[i]);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

heed_err hd_next_key(hd_door *door, const char *table, int64_t *key) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT seq FROM sqlite_sequence WHERE name = ?1", &q));
    hd_query_bind_text(q, 1, hd_slice_of(table));
    heed_err err = hd_query_step(q, &row);
    *key = err == HEED_OK && row ? hd_query_i64(q, 0) + 1 : 1;
    hd_query_close(q);
    return err;
}

void hd_bind_key(hd_query *q, int i, int64_t key) {
    if (key == 0) {
        hd_query_bind_null(q, i);
    } else {
        hd_query_bind_i64(q, i, key);
    }
}

// ── Writing ──

typedef heed_err (*put_fn)(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                           hd_put *what);
static const put_fn put_kind[HD_KINDS] = {
    [HD_KIND_USERS] = hd_users_put,
    [HD_KIND_EVENTS] = hd_load_put,
    [HD_KIND_REVIEWS] = hd_reviews_put,
    [HD_KIND_TICKETS] = hd_tickets_put,
};

heed_err hd_door_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                     hd_put *what) {
    if ((unsigned)record->kind >= HD_KINDS || !put_kind[record->kind]) {
        return HD_FAIL(HEED_INTERNAL, "records of kind '%s' don't belong to persons",
                       "“%s”类记录不属于个人数据", hd_kind_name(record->kind));
    }
    hd_door_sync(door);
    door->used_known = false;
    return put_kind[record->kind](door, batch, record, item_key, what);
}

void hd_door_put_begin(hd_door *door, hd_load_mode mode) {
    bool steady = mode == HD_LOAD_STEADY;
    if (door->steady != steady) hd_load_reset(&door->load);
    door->steady = steady;
}

// What a steady batch knows of the events goes on to the next one of the same transaction.
heed_err hd_door_put_end(hd_door *door, int64_t batch, int64_t *repeats) {
    (void)batch;
    *repeats = 0;
    hd_door_sync(door);
    if (door->steady && !door->load.bulk) return hd_recent_settle_when_due(door);
    heed_err err = hd_load_end(door, repeats);
    hd_load_reset(&door->load);
    return err;
}

// ── Items that something refers to ──

static heed_err used_load(hd_door *door) {
    hd_query *q;
    bool row;
    hd_imap_clear(&door->used_items);
    HD_TRY(hd_query_open(door->store,
                         "SELECT item_key FROM events WHERE item_key IS NOT NULL "
                         "UNION ALL SELECT item_key FROM events_recent WHERE item_key IS NOT NULL "
                         "UNION ALL SELECT item_key FROM reviews WHERE item_key IS NOT NULL "
                         "UNION ALL SELECT item_key FROM reviews_before WHERE item_key IS NOT NULL",
                         &q));
    heed_err err;
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_imap_put(&door->used_items, (uint64_t)hd_query_i64(q, 0), 1));
    }
    door->used_known = true;
out:
    hd_query_close(q);
    return err;
}

// Undoing a catalogue's batch asks this for every item of it: one pass over the events answers all.
heed_err hd_door_item_used(hd_door *door, int64_t item_key, bool *used) {
    hd_door_sync(door);
    if (!door->used_known) HD_TRY(used_load(door));
    *used = hd_imap_get(&door->used_items, (uint64_t)item_key, NULL);
    return HEED_OK;
}
