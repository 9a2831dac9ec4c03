// SPDX-License-Identifier: Apache-2.0
//
// Ids and persons. Every id has a row of its own in `users`; a person is a row whose `person` is
// NULL, and the rows whose `person` is its key are further ids of it. Joining two ids notes the
// pair in user_links and points the rows of the one person at the other. Nothing that refers to a
// user is moved, so taking a join back is: forget the pair, make all ids of the person stand alone,
// and join again by the pairs that remain, in their order.
//
// Rejected: rewriting the events' user_key (slow for a long history, and can't be taken back once
// further rows came in under the shared key), and a tree of links followed at reading (a chain of
// aliases makes every look-up long).
#include "base/json.h"
#include "base/mem.h"
#include "privacy/keyring_own.h"
#include "privacy/own.h"

// More ids than this for one person are a wrong column ("guest" as everybody's alias).
enum { IDS_MAX = 1000, SHOWN_MAX = 100 };

heed_err hd_id_check(hd_slice id, const char *field_en, const char *field_zh) {
    if (!id.p) return HEED_OK;
    if (id.n == 0) {
        return HD_FAIL(HEED_INPUT, "%s%.0s is empty: leave it out or give it a value",
                       "%.0s%s为空：请省略该字段或填写内容", field_en, field_zh);
    }
    if (memchr(id.p, 0, id.n)) {
        return HD_FAIL(HEED_INPUT, "%s%.0s holds a zero byte: remove it",
                       "%.0s%s含有零字节：请将其去掉", field_en, field_zh);
    }
    return HEED_OK;
}

// How many bytes of an id a message shows: never half a character.
static int shown(hd_slice id) {
    size_t n = id.n;
    if (n > SHOWN_MAX) {
        n = SHOWN_MAX;
        while (n > 0 && ((unsigned char)id.p[n] & 0xc0) == 0x80) n--;
    }
    return (int)n;
}

static heed_err unknown(hd_slice id) {
    return HD_FAIL(HEED_NOT_FOUND, "no user '%.*s': check the id", "没有用户“%.*s”：请检查 id",
                   shown(id), id.p ? id.p : "");
}

// *key is 0 when there is no such id.
static heed_err find(hd_door *door, hd_slice id, int64_t *key, int64_t *person) {
    hd_query *q;
    bool row;
    uint8_t hash[HD_HASH_BYTES];
    *key = *person = 0;
    HD_TRY(hd_seal_hash(door, HD_HASH_USER, id, hash));
    HD_TRY(hd_query_open(door->store,
                         "SELECT key, coalesce(person, key) FROM users WHERE id_hash = ?1", &q));
    hd_query_bind_blob(q, 1, hash, sizeof hash);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) {
        *key = hd_query_i64(q, 0);
        *person = hd_query_i64(q, 1);
    }
    hd_query_close(q);
    return err;
}

// Inserts a new id with the record's fields (batch 0: without a record).
static heed_err insert(hd_door *door, const hd_user_record *user, int64_t batch, int64_t *key) {
    hd_query *q;
    uint8_t hash[HD_HASH_BYTES];
    int64_t subject;
    heed_err err;
    HD_TRY(hd_seal_hash(door, HD_HASH_USER, user->id, hash));
    HD_TRY(hd_next_key(door, "users", key));
    HD_TRY(hd_seal_user(door, *key, &subject));
    HD_TRY(hd_query_open(door->store,
                         "INSERT INTO users(key, subject, id_hash, id_box, attributes, created, "
                         "batch) VALUES (?1, ?7, ?2, ?3, ?4, ?5, ?6)",
                         &q));
    hd_query_bind_i64(q, 1, *key);
    hd_query_bind_blob(q, 2, hash, sizeof hash);
    HD_TRY_OUT(hd_seal_bind(door, q, 3, HD_FIELD_USER_ID, *key, *key, user->id));
    HD_TRY_OUT(hd_seal_bind(door, q, 4, HD_FIELD_ATTRIBUTES, *key, *key, user->attributes));
    hd_query_bind_time(q, 5, user->created);
    hd_bind_key(q, 6, batch);
    hd_query_bind_i64(q, 7, subject);
    HD_TRY_OUT(hd_query_run(q));
out:
    hd_query_close(q);
    return err;
}

heed_err hd_users_make(hd_door *door, hd_slice id, int64_t *key, bool *made) {
    if (made) *made = false;
    *key = 0;
    if (!id.p || hd_idcache_get(&door->users, id, key)) return HEED_OK;
    int64_t person;
    HD_TRY(find(door, id, key, &person));
    if (*key == 0) {
        hd_user_record bare = {.id = id, .created = HD_TIME_NONE};
        HD_TRY(insert(door, &bare, 0, key));
        if (made) *made = true;
    }
    return hd_idcache_put(&door->users, id, *key);
}

heed_err hd_users_unmake(hd_door *door, hd_slice id, int64_t key) {
    int64_t subject;
    HD_TRY(hd_door_subject(door, key, &subject));
    HD_TRY(HD_RUN(door, "DELETE FROM users WHERE key = ?1", key));
    HD_TRY(hd_subject_unmake(door->seals.keyring, subject));
    return hd_idcache_put(&door->users, id, 0); // as good as forgotten
}

heed_err hd_users_person(hd_door *door, int64_t key, int64_t *person, bool *joined) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store,
                         "SELECT p, EXISTS (SELECT 1 FROM users WHERE person = p) FROM "
                         "(SELECT coalesce(person, key) AS p FROM users WHERE key = ?1)",
                         &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && !row) {
        err = HD_FAIL(HEED_NOT_FOUND, "no such user: it may be gone since it was looked up",
                      "没有该用户：可能在查询之后已被移除");
    }
    if (err == HEED_OK) {
        *person = hd_query_i64(q, 0);
        *joined = hd_query_i64(q, 1) != 0;
    }
    hd_query_close(q);
    return err;
}

heed_err hd_users_id(hd_door *door, int64_t key, hd_arena *arena, hd_slice *out) {
    hd_query *q;
    bool row;
    *out = (hd_slice){0};
    HD_TRY(hd_query_open(door->store, "SELECT id_box FROM users WHERE key = ?1", &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) {
        err = hd_seal_open(door, HD_FIELD_USER_ID, key, hd_query_blob(q, 0), arena, out);
    }
    hd_query_close(q);
    return err;
}

// ── Joining ──

// Refuses to join two ids (known or not) whose person would have too many.
static heed_err check_join(hd_door *door, hd_slice from, hd_slice into) {
    int64_t key, from_person, into_person;
    hd_query *q;
    bool row;
    HD_TRY(find(door, from, &key, &from_person));
    HD_TRY(find(door, into, &key, &into_person));
    HD_TRY(
        hd_query_open(door->store, "SELECT 2 + count(*) FROM users WHERE person IN (?1, ?2)", &q));
    hd_query_bind_i64(q, 1, from_person);
    hd_query_bind_i64(q, 2, into_person);
    heed_err err = hd_query_step(q, &row);
    bool many = err == HEED_OK && from_person != into_person && hd_query_i64(q, 0) > IDS_MAX;
    hd_query_close(q);
    if (!many) return err;
    return HD_FAIL(
        HEED_INPUT,
        "one user would have more than %d ids: check which column is taken for the alias",
        "一个用户的 id 将超过 %d 个：请检查“别名”对应的是哪一列", IDS_MAX);
}

// Points all ids of `from`'s person at `into`'s.
static heed_err unite(hd_door *door, int64_t from, int64_t into) {
    int64_t from_person, into_person;
    bool joined;
    HD_TRY(hd_users_person(door, from, &from_person, &joined));
    HD_TRY(hd_users_person(door, into, &into_person, &joined));
    if (from_person == into_person) return HEED_OK;
    HD_TRY(hd_consent_joined(door));
    return HD_RUN(door, "UPDATE users SET person = ?2 WHERE key = ?1 OR person = ?1", from_person,
                  into_person);
}

// Joins two ids; batch 0: by hand. *added: the pair was new.
static heed_err join(hd_door *door, int64_t from, int64_t into, int64_t batch, bool *added) {
    *added = false;
    if (from == into) return HEED_OK;
    HD_TRY(unite(door, from, into));
    HD_TRY(HD_RUN(door,
                  "INSERT INTO user_links(from_key, into_key, batch) "
                  "VALUES (?1, ?2, nullif(?3, 0)) ON CONFLICT (from_key, into_key) DO NOTHING",
                  from, into, batch));
    *added = hd_store_changes(door->store) > 0;
    return HEED_OK;
}

static heed_err merge(hd_door *door, hd_slice from, hd_slice into) {
    int64_t from_key, into_key, person;
    bool added;
    HD_TRY(find(door, into, &into_key, &person));
    if (into_key == 0) return unknown(into);
    HD_TRY(find(door, from, &from_key, &person));
    if (from_key == 0) return unknown(from);
    HD_TRY(check_join(door, from, into));
    return join(door, from_key, into_key, 0, &added);
}

heed_err hd_door_merge(hd_door *door, hd_slice from, hd_slice into) {
    hd_door_sync(door);
    HD_TRY(hd_store_begin(door->store));
    heed_err err = merge(door, from, into);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}

// ── Taking joins back ──

typedef struct key_list {
    int64_t *keys;
    size_t n, cap;
} key_list;

// Appends the first column of all rows; ?1 is bound to `arg`.
static heed_err list_keys(hd_door *door, const char *sql, int64_t arg, key_list *out) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, arg);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_grow(&out->keys, &out->cap, out->n + 1, sizeof *out->keys));
        out->keys[out->n++] = hd_query_i64(q, 0);
    }
out:
    hd_query_close(q);
    return err;
}

static heed_err rejoin(hd_door *door, int64_t person, key_list *pairs) {
    pairs->n = 0;
    HD_TRY(list_keys(door,
                     "SELECT l.key FROM user_links l JOIN users u ON u.key = l.from_key "
                     "WHERE u.person = ?1 OR u.key = ?1 ORDER BY l.key",
                     person, pairs));
    HD_TRY(HD_RUN(door, "UPDATE users SET person = NULL WHERE person = ?1", person));
    for (size_t i = 0; i < pairs->n; i++) {
        key_list ends = {0};
        heed_err err = list_keys(door,
                                 "SELECT from_key FROM user_links WHERE key = ?1 UNION ALL "
                                 "SELECT into_key FROM user_links WHERE key = ?1",
                                 pairs->keys[i], &ends);
        if (err == HEED_OK) err = unite(door, ends.keys[0], ends.keys[1]);
        hd_free(ends.keys);
        HD_TRY(err);
    }
    return HEED_OK;
}

heed_err hd_users_rejoin(hd_door *door, int64_t person) {
    key_list pairs = {0};
    heed_err err = rejoin(door, person, &pairs);
    hd_free(pairs.keys);
    return err;
}

heed_err hd_users_unlink(hd_door *door, int64_t batch, int64_t *n) {
    key_list persons = {0}, pairs = {0};
    heed_err err;
    HD_TRY_OUT(list_keys(door,
                         "SELECT DISTINCT coalesce(u.person, u.key) FROM user_links l "
                         "JOIN users u ON u.key = l.from_key WHERE l.batch = ?1",
                         batch, &persons));
    HD_TRY_OUT(HD_RUN(door, "DELETE FROM user_links WHERE batch = ?1", batch));
    *n += hd_store_changes(door->store);
    HD_TRY_OUT(hd_consent_joined(door));
    for (size_t i = 0; i < persons.n; i++) HD_TRY_OUT(rejoin(door, persons.keys[i], &pairs));
out:
    hd_free(persons.keys);
    hd_free(pairs.keys);
    return err;
}

heed_err hd_users_sweep(hd_door *door, int64_t after, int64_t last) {
    return HD_RUN(
        door,
        "DELETE FROM users WHERE batch IS NULL AND key > ?1 AND key <= ?2"
        " AND NOT EXISTS (SELECT 1 FROM events WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM events_recent WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM reviews WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM tickets WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM user_links WHERE from_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM user_links WHERE into_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM consents WHERE user_key = users.key)"
        " AND NOT EXISTS (SELECT 1 FROM consent_history WHERE user_key = users.key)"
        " AND key NOT IN (SELECT user_key FROM reviews_before WHERE user_key IS NOT NULL)"
        " AND key NOT IN (SELECT user_key FROM tickets_before WHERE user_key IS NOT NULL)",
        after, last);
}

// ── Records ──

typedef struct standing {
    int64_t key;
    hd_slice attributes;
    int64_t batch; // 0: no record
    hd_time created;
} standing;

static heed_err parse_attributes(hd_slice text, heed_err bad, json_t **out) {
    *out = NULL;
    heed_err err = hd_json_parse(text.p, text.n, "attributes", out);
    if (err == HEED_OK && json_is_object(*out)) return HEED_OK;
    json_decref(*out);
    *out = NULL;
    if (err == HEED_MEMORY) return err;
    // The parser's own message quotes what it read.
    return HD_FAIL(bad, "a user's attributes are not a JSON object", "用户属性不是 JSON 对象");
}

// Puts what `more` names over what `old` holds. *same: that changes nothing.
static heed_err merge_attributes(hd_slice old, hd_slice more, hd_str *out, bool *same) {
    json_t *base = NULL, *top = NULL, *was = NULL;
    heed_err err;
    if (!old.p) old = hd_slice_of("{}");
    HD_TRY_OUT(parse_attributes(more, HEED_INPUT, &top));
    HD_TRY_OUT(parse_attributes(old, HEED_CORRUPT, &base));
    was = json_copy(base);
    if (!was || json_object_update(base, top) != 0) {
        err = HD_FAIL_MEMORY(more.n);
        goto out;
    }
    *same = json_equal(was, base) != 0;
    HD_TRY_OUT(hd_json_dump(base, false, out));
    HD_TRY_OUT(hd_str_check(out));
out:
    json_decref(base);
    json_decref(top);
    json_decref(was);
    return err;
}

static heed_err keep_before(hd_door *door, int64_t key, int64_t batch) {
    return HD_RUN(door,
                  "INSERT INTO users_before(by_batch, key, attributes, created, batch) "
                  "SELECT ?2, key, attributes, created, batch FROM users "
                  "WHERE key = ?1 AND batch IS NOT ?2",
                  key, batch);
}

static heed_err overwrite(hd_door *door, int64_t key, hd_slice attributes, hd_time created,
                          int64_t batch) {
    hd_query *q;
    HD_TRY(keep_before(door, key, batch));
    HD_TRY(hd_query_open(door->store,
                         "UPDATE users SET attributes = coalesce(?2, attributes), "
                         "created = coalesce(?3, created), batch = ?4 WHERE key = ?1",
                         &q));
    hd_query_bind_i64(q, 1, key);
    hd_query_bind_time(q, 3, created);
    hd_query_bind_i64(q, 4, batch);
    heed_err err = hd_seal_bind(door, q, 2, HD_FIELD_ATTRIBUTES, key, key, attributes);
    if (err == HEED_OK) err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

// Writes the record over the row, if that changes it.
static heed_err update(hd_door *door, int64_t batch, const hd_user_record *user,
                       const standing *row, hd_put *what) {
    hd_str merged;
    hd_str_init(&merged);
    heed_err err;
    bool same = true;
    hd_slice attributes = {0};
    if (user->attributes.p) {
        HD_TRY_OUT(merge_attributes(row->attributes, user->attributes, &merged, &same));
        if (!same) attributes = (hd_slice){hd_str_get(&merged), merged.len};
    }
    if (user->created != HD_TIME_NONE && user->created != row->created) same = false;
    *what = row->batch == 0 ? HD_PUT_NEW : same ? HD_PUT_SAME : HD_PUT_CHANGED;
    if (*what != HD_PUT_SAME) {
        HD_TRY_OUT(overwrite(door, row->key, attributes, user->created, batch));
    }
out:
    hd_str_clear(&merged);
    return err;
}

// The row of a key, its attributes opened into the arena.
static heed_err read_standing(hd_door *door, int64_t key, hd_arena *arena, standing *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, "SELECT attributes, created, batch FROM users WHERE key = ?1",
                         &q));
    hd_query_bind_i64(q, 1, key);
    heed_err err = hd_query_step(q, &row);
    *out = (standing){key, {0}, hd_query_i64(q, 2), hd_query_time(q, 1)};
    if (err == HEED_OK) {
        err = hd_seal_open(door, HD_FIELD_ATTRIBUTES, key, hd_query_blob(q, 0), arena,
                           &out->attributes);
    }
    hd_query_close(q);
    return err;
}

static heed_err put_known(hd_door *door, int64_t batch, const hd_user_record *user, int64_t key,
                          hd_put *what) {
    hd_arena arena;
    standing now;
    hd_arena_init(&arena);
    heed_err err = read_standing(door, key, &arena, &now);
    if (err == HEED_OK) err = update(door, batch, user, &now, what);
    hd_arena_clear(&arena);
    return err;
}

static heed_err put_alias(hd_door *door, int64_t batch, const hd_user_record *user, int64_t key,
                          hd_put *what) {
    int64_t alias_key;
    bool added;
    HD_TRY(hd_users_make(door, user->alias, &alias_key, NULL));
    HD_TRY(join(door, alias_key, key, batch, &added));
    if (added && *what == HD_PUT_SAME) *what = HD_PUT_CHANGED;
    return HEED_OK;
}

heed_err hd_users_put(hd_door *door, int64_t batch, const hd_record *record, int64_t item_key,
                      hd_put *what) {
    (void)item_key;
    const hd_user_record *user = &record->user;
    int64_t key, person;
    if (!user->id.p) return HD_FAIL(HEED_INPUT, "a user without an id", "用户没有 id");
    HD_TRY(hd_id_check(user->id, "the user's id", "用户 id "));
    HD_TRY(hd_id_check(user->alias, "the user's alias", "用户别名"));
    if (user->alias.p) HD_TRY(check_join(door, user->alias, user->id));
    HD_TRY(find(door, user->id, &key, &person));
    if (key == 0) {
        *what = HD_PUT_NEW;
        HD_TRY(insert(door, user, batch, &key));
    } else {
        HD_TRY(put_known(door, batch, user, key, what));
    }
    return user->alias.p ? put_alias(door, batch, user, key, what) : HEED_OK;
}

// ── Finding ──

heed_err hd_users_find_for(hd_door *door, hd_purpose purpose, hd_slice id, int64_t *person,
                           bool *joined) {
    int64_t key;
    HD_TRY(find(door, id, &key, person));
    if (key == 0) return unknown(id);
    return hd_users_person_for(door, purpose, key, person, joined);
}

heed_err hd_door_user_find(hd_door *door, hd_purpose purpose, hd_slice id, int64_t *user_key) {
    bool joined;
    HD_TRY(hd_purpose_check(purpose, HD_MAY_PERSON));
    return hd_users_find_for(door, purpose, id, user_key, &joined);
}
