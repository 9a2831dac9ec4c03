// SPDX-License-Identifier: Apache-2.0
//
// A keyset is an array of entries and a map from id to place, filled once. Revoked and expired keys
// are in it too: whoever holds such a key is told so, and nobody else is, since the secret is
// checked first.
//
// An id that doesn't stand here is checked against a hash of random bytes: it costs one keyed hash
// and one comparison like a wrong secret, so time tells nothing of which ids exist. (The ids
// themselves are no secret, they stand in logs.)
#include "access/keyset.h"

#include <sodium.h>

#include "base/map.h"
#include "base/mem.h"

struct hd_keyset {
    hd_keyset_entry *entries; // (n)
    size_t n, cap;
    hd_map by_id;
    hd_keyset_entry nobody;
    uint8_t secret[HD_API_SECRET];
};

void hd_keyset_free(hd_keyset *keyset) {
    if (!keyset) return;
    hd_map_clear(&keyset->by_id);
    hd_free(keyset->entries);
    sodium_memzero(keyset->secret, sizeof keyset->secret);
    hd_free(keyset);
}

static heed_err add_row(hd_keyset *keyset, hd_usage *usage, hd_query *q) {
    hd_slice id = hd_query_text(q, 0), hash = hd_query_blob(q, 1);
    if (id.n != HD_KEY_ID || hash.n != HD_KEY_HASH)
        return HD_FAIL(HEED_CORRUPT, "the row of key '%.*s' is damaged", "密钥“%.*s”的记录已损坏",
                       (int)(id.n > 32 ? 32 : id.n), id.p ? id.p : "");
    HD_TRY(hd_grow(&keyset->entries, &keyset->cap, keyset->n + 1, sizeof *keyset->entries));
    hd_keyset_entry *entry = &keyset->entries[keyset->n];
    *entry = (hd_keyset_entry){.scopes = (unsigned)hd_query_i64(q, 2),
                               .expires = hd_query_time(q, 3),
                               .revoked = hd_query_time(q, 4)};
    memcpy(entry->id, id.p, id.n);
    memcpy(entry->hash, hash.p, hash.n);
    entry->quota = (hd_quota){hd_query_i64(q, 5), hd_query_i64(q, 6), hd_query_i64(q, 7)};
    entry->rate = (hd_rate){hd_query_f64(q, 8), hd_query_f64(q, 9)};
    HD_TRY(hd_usage_meter(usage, entry->id, &entry->meter));
    return hd_map_put(&keyset->by_id, entry->id, HD_KEY_ID, keyset->n++);
}

static heed_err load(hd_keyset *keyset, hd_store *store, hd_usage *usage) {
    hd_query *q;
    bool row = false;
    heed_err err;
    HD_TRY(hd_query_open(store,
                         "SELECT id, hash, scopes, expires, revoked, quota_requests,"
                         " quota_events, quota_tokens, rate, burst FROM api_keys ORDER BY id",
                         &q));
    do {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (row) HD_TRY_OUT(add_row(keyset, usage, q));
    } while (row);
out:
    hd_query_close(q);
    return err;
}

heed_err hd_keyset_load(hd_store *store, const uint8_t secret[HD_API_SECRET], hd_usage *usage,
                        hd_keyset **out) {
    *out = NULL;
    hd_keyset *keyset = hd_calloc(1, sizeof *keyset);
    if (!keyset) return HD_FAIL_MEMORY(sizeof *keyset);
    hd_map_init(&keyset->by_id);
    memcpy(keyset->secret, secret, HD_API_SECRET);
    keyset->nobody = (hd_keyset_entry){.expires = HD_TIME_NONE, .revoked = HD_TIME_NONE};
    randombytes_buf(keyset->nobody.hash, HD_KEY_HASH);
    heed_err err = load(keyset, store, usage);
    if (err != HEED_OK) {
        hd_keyset_free(keyset);
        return err;
    }
    *out = keyset;
    return HEED_OK;
}

size_t hd_keyset_size(const hd_keyset *keyset) {
    return keyset->n;
}

const hd_keyset_entry *hd_keyset_find(const hd_keyset *keyset, const char *id) {
    uint64_t i;
    return hd_map_get(&keyset->by_id, id, strlen(id), &i) ? &keyset->entries[i] : NULL;
}

const hd_keyset_entry *hd_keyset_verify(const hd_keyset *keyset, const hd_presented *presented) {
    const hd_keyset_entry *found = hd_keyset_find(keyset, presented->id);
    const hd_keyset_entry *entry = found ? found : &keyset->nobody;
    uint8_t hash[HD_KEY_HASH];
    hd_key_hash(keyset->secret, presented, entry->scopes, entry->expires, hash);
    bool genuine = sodium_memcmp(hash, entry->hash, sizeof hash) == 0;
    return genuine && found ? found : NULL;
}
