// SPDX-License-Identifier: Apache-2.0
//
// Names of event types: a row each, once, and small keys in the events. Names that were handed out
// stay valid for the door's life, whatever is rolled back. Keys are never used again, so a name
// that is known needs no second look.
#include "privacy/own.h"

// More kinds of event than this are a wrong column, not a shop.
enum { TYPES_MAX = 10000 };

// Remembers the pair; *kept is the name's lasting copy.
static heed_err remember(hd_door *door, hd_slice name, int64_t key, const char **kept) {
    uint64_t *unused;
    bool added;
    HD_TRY(hd_map_slot(&door->names, name.p, name.n, door->names.count, &unused, &added));
    *kept = door->names.entries[*unused].key;
    HD_TRY(hd_map_put(&door->types, name.p, name.n, (uint64_t)key));
    return hd_imap_put(&door->type_names, (uint64_t)key, (uint64_t)(uintptr_t)*kept);
}

static heed_err find(hd_door *door, hd_slice name, int64_t *key) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT key FROM event_types WHERE name = ?1", &q));
    hd_query_bind_text(q, 1, name);
    heed_err err = hd_query_step(q, &row);
    *key = err == HEED_OK && row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

// How many there are, counted once.
static heed_err count(hd_door *door) {
    hd_query *q;
    bool row;
    if (door->n_types >= 0) return HEED_OK;
    HD_TRY(hd_query_open(door->store, "SELECT count(*) FROM event_types", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) door->n_types = hd_query_i64(q, 0);
    hd_query_close(q);
    return err;
}

static heed_err make(hd_door *door, hd_slice name, int64_t *key) {
    hd_query *q;
    HD_TRY(count(door));
    if (door->n_types >= TYPES_MAX) {
        return HD_FAIL(HEED_INPUT,
                       "there are more than %d different types of event: check which column is "
                       "taken for the type",
                       "事件类型超过 %d 种：请检查“类型”对应的是哪一列", TYPES_MAX);
    }
    HD_TRY(hd_query_open(door->store, "INSERT INTO event_types(name) VALUES (?1)", &q));
    hd_query_bind_text(q, 1, name);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    HD_TRY(err);
    *key = hd_store_last_key(door->store);
    door->n_types++;
    return HEED_OK;
}

heed_err hd_types_key(hd_door *door, hd_slice name, int64_t *key) {
    uint64_t known;
    if (hd_map_get(&door->types, name.p, name.n, &known)) {
        *key = (int64_t)known;
        return HEED_OK;
    }
    const char *kept;
    HD_TRY(find(door, name, key));
    if (*key == 0) HD_TRY(make(door, name, key));
    return remember(door, name, *key, &kept);
}

heed_err hd_types_name(hd_door *door, int64_t key, const char **name) {
    uint64_t known;
    if (hd_imap_get(&door->type_names, (uint64_t)key, &known)) {
        *name = (const char *)(uintptr_t)known;
        return HEED_OK;
    }
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT name FROM event_types WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && !row) {
        err = HD_FAIL(HEED_CORRUPT, "an event's type is missing: run 'heed doctor'",
                      "事件的类型缺失：请运行“heed doctor”");
    }
    if (err == HEED_OK) err = remember(door, hd_query_text(q, 0), key, name);
    hd_query_close(q);
    return err;
}
