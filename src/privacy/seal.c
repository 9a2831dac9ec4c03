// SPDX-License-Identifier: Apache-2.0
//
// Sealing and opening fields.
//
// Nonces are 16 random bytes drawn when the door opens and a count: unique as long as two doors
// don't draw the same 128 bits, and without a system call per field. Keys are kept for as long as
// what the store says of rows stays good (hd_store_epoch): a long load asks the keyring once per
// person, and no key outlives a transaction in which another process may destroy it. They are
// wiped then.
//
// The cache is direct-mapped and doubles when half of it was used: most transactions touch a few
// persons and pay for a few slots.
//
// Rejected: the row's user instead of a subject in the box (10 bytes less, but joining, correcting
// and undoing change whose a row is, and every box would have to be sealed anew).
#include "privacy/seal.h"

#include <sodium.h>

#include "base/mem.h"
#include "privacy/box.h"
#include "privacy/keyring_own.h"
#include "privacy/own.h"

enum {
    FORM_PLAIN = 0,
    FORM_SEALED = 1,
    KEY_VERSION = 1,
    HEAD = 1 + 1 + 8, // form, key version, subject
    PLAIN_HEAD = 1 + HD_BOX_TAG,
    SLOTS_LEAST = 64,
    SLOTS_MOST = 1 << 17,
    SCRATCH_KEPT = 64 << 10,
};

static const struct {
    const char *table, *column;
} fields[HD_FIELDS] = {
#define FIELD_ROW(name, table, column) [HD_FIELD_##name] = {table, column},
    HD_FIELD_LIST(FIELD_ROW)
#undef FIELD_ROW
};

struct hd_subject_slot {
    int64_t who; // a user's key, or a subject negated; 0: free
    int64_t subject;
    uint8_t key[HD_KEY_BYTES];
};

// ── Keys at hand ──

static hd_subject_slot *slot_of(const hd_subject_cache *cache, int64_t who) {
    uint64_t hash = (uint64_t)who * UINT64_C(0x9e3779b97f4a7c15); // Fibonacci hashing
    return &cache->slots[(hash >> 32) & (cache->n - 1)];
}

static void cache_wipe(hd_subject_cache *cache) {
    if (cache->slots) sodium_memzero(cache->slots, cache->n * sizeof *cache->slots);
    hd_free(cache->slots);
    *cache = (hd_subject_cache){0};
}

static heed_err cache_resize(hd_subject_cache *cache, size_t n) {
    hd_subject_cache bigger = {.slots = hd_calloc(n, sizeof *bigger.slots), .n = n};
    if (!bigger.slots) return HD_FAIL_MEMORY(n * sizeof *bigger.slots);
    for (size_t i = 0; i < cache->n; i++) {
        if (cache->slots[i].who == 0) continue;
        hd_subject_slot *slot = slot_of(&bigger, cache->slots[i].who);
        bigger.used += slot->who == 0;
        *slot = cache->slots[i];
    }
    cache_wipe(cache);
    *cache = bigger;
    return HEED_OK;
}

static heed_err cache_put(hd_subject_cache *cache, int64_t who, int64_t subject,
                          const uint8_t key[HD_KEY_BYTES]) {
    if (!cache->slots) HD_TRY(cache_resize(cache, SLOTS_LEAST));
    if (cache->used > cache->n / 2 && cache->n < SLOTS_MOST)
        HD_TRY(cache_resize(cache, 2 * cache->n));
    hd_subject_slot *slot = slot_of(cache, who);
    cache->used += slot->who == 0;
    slot->who = who;
    slot->subject = subject;
    memcpy(slot->key, key, HD_KEY_BYTES);
    return HEED_OK;
}

static const hd_subject_slot *cache_get(const hd_subject_cache *cache, int64_t who) {
    if (!cache->slots) return NULL;
    const hd_subject_slot *slot = slot_of(cache, who);
    return slot->who == who ? slot : NULL;
}

// ── Life ──

static heed_err before_commit(void *ctx) {
    const hd_seals *seals = ctx;
    return hd_keyring_commit(seals->keyring);
}

static void after_rollback(void *ctx) {
    const hd_seals *seals = ctx;
    hd_keyring_rollback(seals->keyring);
}

void hd_seals_open(hd_door *door, hd_keyring *keyring) {
    hd_seals *seals = &door->seals;
    seals->keyring = keyring;
    seals->hook = (hd_store_hook){
        .before_commit = before_commit, .after_rollback = after_rollback, .ctx = seals};
    hd_store_hook_add(door->store, &seals->hook);
}

void hd_seals_forget(hd_seals *seals) {
    cache_wipe(&seals->keys);
    seals->reserved = false;
    for (int f = 0; f < HD_FIELDS; f++) {
        if (seals->scratch[f].cap <= SCRATCH_KEPT) continue;
        hd_free(seals->scratch[f].data);
        seals->scratch[f].data = NULL;
        seals->scratch[f].cap = 0;
    }
}

void hd_seals_close(hd_door *door) {
    hd_seals *seals = &door->seals;
    hd_store_hook_remove(door->store, &seals->hook);
    cache_wipe(&seals->keys);
    for (int f = 0; f < HD_FIELDS; f++) hd_free(seals->scratch[f].data);
    sodium_memzero(seals, sizeof *seals);
}

void hd_door_encrypt(hd_door *door, bool on) {
    door->seals.plain = !on;
}

static heed_err get_ready(hd_seals *seals) {
    if (seals->ready) return HEED_OK;
    HD_TRY(hd_keyring_secret(seals->keyring, "index", seals->index));
    randombytes_buf(seals->nonce, sizeof seals->nonce);
    memset(seals->nonce + 16, 0, 8);
    seals->ready = true;
    return HEED_OK;
}

heed_err hd_seal_hash(hd_door *door, const char *what, hd_slice id, uint8_t out[HD_HASH_BYTES]) {
    HD_TRY(get_ready(&door->seals));
    hd_box_hash(door->seals.index, what, id.p, id.n, out, HD_HASH_BYTES);
    return HEED_OK;
}

// ── Subjects ──

static heed_err one_i64(hd_door *door, const char *sql, int64_t arg, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(door->store, sql, &q));
    hd_query_bind_i64(q, 1, arg);
    heed_err err = hd_query_step(q, &row);
    *out = err == HEED_OK && row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

// Keys that were brought back from a copy may count lower than the data does: a number that some
// user's row has isn't given to another.
static heed_err reserve(hd_door *door) {
    int64_t highest;
    if (door->seals.reserved) return HEED_OK;
    HD_TRY(one_i64(door, "SELECT coalesce(max(subject), 0) FROM users WHERE ?1 = 0", 0, &highest));
    HD_TRY(hd_subject_reserve(door->seals.keyring, highest));
    door->seals.reserved = true;
    return HEED_OK;
}

heed_err hd_seal_user(hd_door *door, int64_t user_key, int64_t *subject) {
    uint8_t key[HD_KEY_BYTES];
    HD_TRY(hd_keyring_need(door->seals.keyring));
    HD_TRY(reserve(door));
    heed_err err = hd_subject_make_key(door->seals.keyring, subject, key);
    if (err == HEED_OK) err = cache_put(&door->seals.keys, user_key, *subject, key);
    sodium_memzero(key, sizeof key);
    return err;
}

// For reading, a key that is gone is no "not found": the row is there.
static heed_err missing_key(void) {
    return HD_FAIL(HEED_UNAVAILABLE,
                   "the key of a person's data is missing: the person was erased, or the keys are "
                   "older than the data; 'heed key import' brings newer ones",
                   "缺少某个用户数据的密钥：该用户已被擦除，或密钥比数据更旧；可用“heed key import”"
                   "导入较新的密钥");
}

static heed_err fetch(hd_door *door, int64_t who, int64_t subject, const hd_subject_slot **out) {
    hd_subject_cache *cache = &door->seals.keys;
    uint8_t key[HD_KEY_BYTES];
    heed_err err = hd_subject_key(door->seals.keyring, subject, key);
    if (err == HEED_OK) err = cache_put(cache, who, subject, key);
    sodium_memzero(key, sizeof key);
    if (err == HEED_OK) *out = cache_get(cache, who);
    return err == HEED_NOT_FOUND ? missing_key() : err;
}

static heed_err key_of_subject(hd_door *door, int64_t subject, const hd_subject_slot **out) {
    *out = cache_get(&door->seals.keys, -subject);
    return *out ? HEED_OK : fetch(door, -subject, subject, out);
}

static heed_err key_of_user(hd_door *door, int64_t user_key, const hd_subject_slot **out) {
    int64_t subject;
    if (user_key == 0) return key_of_subject(door, HD_NOBODY, out);
    *out = cache_get(&door->seals.keys, user_key);
    if (*out) return HEED_OK;
    HD_TRY(one_i64(door, "SELECT subject FROM users WHERE key = ?1", user_key, &subject));
    return fetch(door, user_key, subject, out);
}

heed_err hd_door_subject(hd_door *door, int64_t user_key, int64_t *subject) {
    return one_i64(door, "SELECT subject FROM users WHERE key = ?1", user_key, subject);
}

heed_err hd_door_subject_user(hd_door *door, int64_t subject, int64_t *user_key) {
    return one_i64(door, "SELECT key FROM users WHERE subject = ?1", subject, user_key);
}

// ── Boxes ──

static hd_box_about about(const hd_door *door, hd_field field, int64_t row, uint8_t version) {
    hd_box_about a = {0};
    hd_box_about_bytes(&a, hd_keyring_workspace(door->seals.keyring), HD_WORKSPACE_ID_BYTES);
    hd_box_about_label(&a, fields[field].table);
    hd_box_about_label(&a, fields[field].column);
    hd_box_about_number(&a, (uint64_t)row);
    hd_box_about_number(&a, version);
    return a;
}

static heed_err scratch(hd_seals *seals, hd_field field, size_t n, uint8_t **out) {
    HD_TRY(hd_grow(&seals->scratch[field].data, &seals->scratch[field].cap, n, 1));
    *out = seals->scratch[field].data;
    return HEED_OK;
}

static void next_nonce(uint8_t nonce[24]) {
    sodium_increment(nonce + 16, 8);
}

static heed_err seal(hd_door *door, hd_field field, int64_t user_key, int64_t row, hd_slice text,
                     uint8_t *out) {
    const hd_subject_slot *slot;
    hd_seals *seals = &door->seals;
    HD_TRY(get_ready(seals));
    HD_TRY(key_of_user(door, user_key, &slot));
    hd_box_about a = about(door, field, row, KEY_VERSION);
    out[0] = FORM_SEALED;
    out[1] = KEY_VERSION;
    for (int i = 0; i < 8; i++) out[2 + i] = (uint8_t)((uint64_t)slot->subject >> (8 * i));
    next_nonce(seals->nonce);
    hd_box_seal_with(slot->key, &a, seals->nonce, text.p, text.n, out + HEAD);
    return HEED_OK;
}

static heed_err wrap_plain(hd_door *door, hd_field field, int64_t row, hd_slice text,
                           uint8_t *out) {
    HD_TRY(get_ready(&door->seals));
    hd_box_about a = about(door, field, row, FORM_PLAIN);
    out[0] = FORM_PLAIN;
    hd_box_tag(door->seals.index, &a, text.p, text.n, out + 1);
    if (text.n > 0) memcpy(out + PLAIN_HEAD, text.p, text.n);
    return HEED_OK;
}

heed_err hd_seal_bind(hd_door *door, hd_query *q, int i, hd_field field, int64_t user_key,
                      int64_t row, hd_slice text) {
    uint8_t *out;
    if (!text.p) {
        hd_query_bind_null(q, i);
        return HEED_OK;
    }
    hd_door_sync(door);
    bool plain = door->seals.plain;
    size_t n = text.n + (plain ? PLAIN_HEAD : HEAD + HD_BOX_EXTRA);
    HD_TRY(scratch(&door->seals, field, n, &out));
    HD_TRY(plain ? wrap_plain(door, field, row, text, out)
                 : seal(door, field, user_key, row, text, out));
    hd_query_bind_blob(q, i, out, n);
    return HEED_OK;
}

static heed_err damaged(hd_field field) {
    return HD_FAIL(HEED_CORRUPT,
                   "a sealed value in %s.%s doesn't open: it was changed or moved, or the keys are "
                   "not those it was sealed with; restore a backup",
                   "%s.%s 中有一个加密值无法打开：它被改动或移动过，或密钥不是加密时所用的；"
                   "请恢复备份",
                   fields[field].table, fields[field].column);
}

// The bytes of a value that isn't sealed; out has room for all of it.
static heed_err unwrap_plain(hd_door *door, hd_field field, int64_t row, hd_slice box, char *out,
                             size_t *n) {
    uint8_t tag[HD_BOX_TAG];
    if (box.n < PLAIN_HEAD) return damaged(field);
    HD_TRY(get_ready(&door->seals));
    hd_box_about a = about(door, field, row, FORM_PLAIN);
    *n = box.n - PLAIN_HEAD;
    hd_box_tag(door->seals.index, &a, box.p + PLAIN_HEAD, *n, tag);
    if (sodium_memcmp(tag, box.p + 1, sizeof tag) != 0) return damaged(field);
    memcpy(out, box.p + PLAIN_HEAD, *n);
    return HEED_OK;
}

// The plain bytes of a sealed value.
static heed_err unseal(hd_door *door, hd_field field, int64_t row, hd_slice box, char *out,
                       size_t *n) {
    const uint8_t *p = (const uint8_t *)box.p;
    const hd_subject_slot *slot;
    uint64_t subject = 0;
    if (box.n < HEAD + HD_BOX_EXTRA) return damaged(field);
    for (int i = 0; i < 8; i++) subject |= (uint64_t)p[2 + i] << (8 * i);
    if (subject == 0 || subject > INT64_MAX) return damaged(field);
    HD_TRY(hd_keyring_need(door->seals.keyring));
    HD_TRY(key_of_subject(door, (int64_t)subject, &slot));
    hd_box_about a = about(door, field, row, p[1]);
    if (!hd_box_open(slot->key, &a, p + HEAD, box.n - HEAD, out)) return damaged(field);
    *n = box.n - HEAD - HD_BOX_EXTRA;
    return HEED_OK;
}

heed_err hd_seal_open(hd_door *door, hd_field field, int64_t row, hd_slice box, hd_arena *arena,
                      hd_slice *out) {
    *out = (hd_slice){0};
    if (!box.p) return HEED_OK;
    hd_door_sync(door);
    char *text = hd_arena_alloc(arena, box.n + 1);
    if (!text) return HD_FAIL_MEMORY(box.n + 1);
    size_t n = 0;
    int form = box.n > 0 ? box.p[0] : -1;
    if (form != FORM_PLAIN && form != FORM_SEALED) return damaged(field);
    HD_TRY(form == FORM_PLAIN ? unwrap_plain(door, field, row, box, text, &n)
                              : unseal(door, field, row, box, text, &n));
    text[n] = '\0';
    *out = (hd_slice){text, n};
    return HEED_OK;
}
