// SPDX-License-Identifier: Apache-2.0
//
// The ledger of erasures and the marks, in subjects.db: what must outlive every copy of the data.
// Each row carries a tag keyed by the secret "ledger"; a row of the ledger includes the tag of the
// row before it, so that changing, swapping or taking out rows shows (taking off the last ones
// doesn't: there is no later place that knows of them).
#include <sodium.h>

#include "base/mem.h"
#include "privacy/keyring_own.h"

enum { MARK_MOST = 4096 };

heed_err hd_ledger_tag(hd_keyring *keyring, const hd_str *text, uint8_t out[HD_SEAL_BYTES]) {
    uint8_t key[HD_KEY_BYTES];
    HD_TRY(hd_str_check(text));
    HD_TRY(hd_keyring_secret(keyring, "ledger", key));
    hd_box_hash(key, "ledger tag", hd_str_get(text), text->len, out, HD_SEAL_BYTES);
    sodium_memzero(key, sizeof key);
    return HEED_OK;
}

static void add_number(hd_str *out, uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (char)(number >> (8 * i));
    hd_str_addn(out, bytes, sizeof bytes);
}

static heed_err damaged(void) {
    return HD_FAIL(HEED_CORRUPT,
                   "the ledger of erasures in subjects.db isn't as heed wrote it: bring the keys "
                   "back from a copy",
                   "subjects.db 中的擦除账目与 heed 写入的内容不符：请从副本恢复密钥");
}

// ── Erasures ──

static heed_err erasure_tag(hd_keyring *keyring, const hd_erasure *e,
                            const uint8_t before[HD_SEAL_BYTES], uint8_t out[HD_SEAL_BYTES]) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "erasure");
    hd_str_addn(&text, (const char *)before, HD_SEAL_BYTES);
    add_number(&text, (uint64_t)e->key);
    add_number(&text, (uint64_t)e->subject);
    add_number(&text, (uint64_t)e->time);
    hd_str_addn(&text, (const char *)e->receipt, HD_RECEIPT_BYTES);
    heed_err err = hd_ledger_tag(keyring, &text, out);
    hd_str_clear(&text);
    return err;
}

// The last row's key and tag; 0 and zeros: none.
static heed_err last_erasure(hd_keyring *keyring, int64_t *key, uint8_t tag[HD_SEAL_BYTES]) {
    hd_query *q;
    bool row = false;
    *key = 0;
    memset(tag, 0, HD_SEAL_BYTES);
    HD_TRY(hd_query_open(keyring->subjects,
                         "SELECT key, tag FROM erasures ORDER BY key DESC LIMIT 1", &q));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK && row) {
        hd_slice bytes = hd_query_blob(q, 1);
        *key = hd_query_i64(q, 0);
        if (bytes.n == HD_SEAL_BYTES) {
            memcpy(tag, bytes.p, HD_SEAL_BYTES);
        } else {
            err = damaged();
        }
    }
    hd_query_close(q);
    return err;
}

heed_err hd_erasure_add(hd_keyring *keyring, hd_erasure *erasure) {
    uint8_t before[HD_SEAL_BYTES], tag[HD_SEAL_BYTES];
    hd_query *q;
    HD_TRY(hd_keyring_begin(keyring));
    HD_TRY(last_erasure(keyring, &erasure->key, before));
    erasure->key++;
    HD_TRY(erasure_tag(keyring, erasure, before, tag));
    HD_TRY(hd_query_open(keyring->subjects,
                         "INSERT INTO erasures(key, subject, time, receipt, tag) "
                         "VALUES (?1, ?2, ?3, ?4, ?5)",
                         &q));
    hd_query_bind_i64(q, 1, erasure->key);
    hd_query_bind_i64(q, 2, erasure->subject);
    hd_query_bind_i64(q, 3, erasure->time);
    hd_query_bind_blob(q, 4, erasure->receipt, HD_RECEIPT_BYTES);
    hd_query_bind_blob(q, 5, tag, sizeof tag);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static const char all_erasures[] =
    "SELECT e.key, e.subject, e.time, e.receipt, e.tag, s.key IS NULL FROM erasures AS e"
    " LEFT JOIN subjects AS s ON s.key = e.subject ORDER BY e.key";

// Reads a row and follows the chain of tags by it.
static heed_err read_erasure(hd_keyring *keyring, hd_query *q, uint8_t chain[HD_SEAL_BYTES],
                             hd_erasure *out) {
    uint8_t tag[HD_SEAL_BYTES];
    hd_slice receipt = hd_query_blob(q, 3), stored = hd_query_blob(q, 4);
    if (receipt.n != HD_RECEIPT_BYTES || stored.n != HD_SEAL_BYTES) return damaged();
    *out = (hd_erasure){.key = hd_query_i64(q, 0),
                        .subject = hd_query_i64(q, 1),
                        .time = hd_query_i64(q, 2),
                        .finished = hd_query_i64(q, 5) != 0};
    memcpy(out->receipt, receipt.p, HD_RECEIPT_BYTES);
    HD_TRY(erasure_tag(keyring, out, chain, tag));
    if (sodium_memcmp(tag, stored.p, HD_SEAL_BYTES) != 0) return damaged();
    memcpy(chain, tag, HD_SEAL_BYTES);
    return HEED_OK;
}

typedef struct erasure_list {
    hd_erasure *erasures;
    size_t n, cap;
} erasure_list;

// The whole chain is followed, whatever is asked for.
static heed_err read_ledger(hd_keyring *keyring, int64_t after, erasure_list *list) {
    uint8_t chain[HD_SEAL_BYTES] = {0};
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(keyring->subjects, all_erasures, &q));
    for (;;) {
        hd_erasure erasure;
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(read_erasure(keyring, q, chain, &erasure));
        if (erasure.key <= after) continue;
        HD_TRY_OUT(hd_grow(&list->erasures, &list->cap, list->n + 1, sizeof *list->erasures));
        list->erasures[list->n++] = erasure;
    }
out:
    hd_query_close(q);
    return err;
}

heed_err hd_erasure_list(hd_keyring *keyring, int64_t after, hd_arena *arena, hd_erasure **out,
                         size_t *n) {
    erasure_list list = {0};
    *n = 0;
    *out = NULL;
    HD_TRY(hd_keyring_need(keyring));
    if (!keyring->subjects) return HEED_OK;
    heed_err err = read_ledger(keyring, after, &list);
    if (err == HEED_OK && list.n > 0) {
        *out = hd_arena_alloc(arena, list.n * sizeof **out);
        if (*out) {
            memcpy(*out, list.erasures, list.n * sizeof **out);
            *n = list.n;
        } else {
            err = HD_FAIL_MEMORY(list.n * sizeof **out);
        }
    }
    hd_free(list.erasures);
    return err;
}

// ── Marks ──

static heed_err mark_tag(hd_keyring *keyring, const char *name, uint64_t count, const void *value,
                         size_t n, uint8_t out[HD_SEAL_BYTES]) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "mark");
    hd_str_addn(&text, name, strlen(name) + 1);
    add_number(&text, count);
    hd_str_addn(&text, value, n);
    heed_err err = hd_ledger_tag(keyring, &text, out);
    hd_str_clear(&text);
    return err;
}

static heed_err read_mark(hd_keyring *keyring, hd_query *q, const char *name, uint64_t *count,
                          hd_str *value) {
    uint8_t tag[HD_SEAL_BYTES];
    hd_slice bytes = hd_query_blob(q, 1), stored = hd_query_blob(q, 2);
    *count = (uint64_t)hd_query_i64(q, 0);
    HD_TRY(mark_tag(keyring, name, *count, bytes.p, bytes.n, tag));
    if (stored.n != HD_SEAL_BYTES || sodium_memcmp(tag, stored.p, HD_SEAL_BYTES) != 0) {
        return HD_FAIL(HEED_CORRUPT,
                       "the mark '%s' in subjects.db isn't as heed wrote it: bring the keys back "
                       "from a copy",
                       "subjects.db 中的记号“%s”与 heed 写入的内容不符：请从副本恢复密钥", name);
    }
    hd_str_addn(value, bytes.p, bytes.n);
    return hd_str_check(value);
}

heed_err hd_keyring_mark_get(hd_keyring *keyring, const char *name, uint64_t *count, hd_str *value,
                             bool *found) {
    hd_query *q;
    *found = false;
    *count = 0;
    hd_str_reset(value);
    HD_TRY(hd_keyring_need(keyring));
    if (!keyring->subjects) return HEED_OK;
    HD_TRY(hd_query_open(keyring->subjects, "SELECT count, value, tag FROM marks WHERE name = ?1",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(name));
    heed_err err = hd_query_step(q, found);
    if (err == HEED_OK && *found) err = read_mark(keyring, q, name, count, value);
    hd_query_close(q);
    return err;
}

static heed_err write_mark(hd_keyring *keyring, const char *name, uint64_t count, const void *value,
                           size_t n) {
    uint8_t tag[HD_SEAL_BYTES];
    hd_query *q;
    HD_TRY(mark_tag(keyring, name, count, value, n, tag));
    HD_TRY(hd_query_open(keyring->subjects,
                         "INSERT INTO marks(name, count, value, tag) VALUES (?1, ?2, ?3, ?4)"
                         " ON CONFLICT (name) DO UPDATE SET count = excluded.count,"
                         " value = excluded.value, tag = excluded.tag",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(name));
    hd_query_bind_i64(q, 2, (int64_t)count);
    hd_query_bind_blob(q, 3, n > 0 ? value : "", n);
    hd_query_bind_blob(q, 4, tag, sizeof tag);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err change_mark(hd_keyring *keyring, const char *name, hd_slice value,
                            hd_mark_replaces *replaces, void *ctx) {
    hd_str old;
    uint64_t count;
    bool found;
    hd_str_init(&old);
    heed_err err = hd_keyring_mark_get(keyring, name, &count, &old, &found);
    if (err == HEED_OK && (!replaces || replaces(ctx, (hd_slice){hd_str_get(&old), old.len})))
        err = write_mark(keyring, name, count + 1, value.p, value.n);
    hd_str_clear(&old);
    return err;
}

heed_err hd_keyring_mark_set(hd_keyring *keyring, const char *name, hd_slice value,
                             hd_mark_replaces *replaces, void *ctx) {
    if (value.n > MARK_MOST) {
        return HD_FAIL(HEED_INTERNAL, "the mark '%s' is too large", "记号“%s”过大", name);
    }
    HD_TRY(hd_keyring_need_write(keyring));
    bool alone = !keyring->pending;
    HD_TRY(hd_keyring_begin(keyring));
    heed_err err = change_mark(keyring, name, value, replaces, ctx);
    if (!alone) return err;
    if (err == HEED_OK) return hd_keyring_commit(keyring);
    hd_keyring_rollback(keyring);
    return err;
}
