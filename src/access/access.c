// SPDX-License-Identifier: Apache-2.0
//
// The rows of keys: made, listed, revoked. When a key was last used follows from what it used per
// day, so it is known to the day and costs no write of its own.
#include "access/access.h"

#include <math.h>
#include <sodium.h>

#include "access/key.h"
#include "base/mem.h"
#include "base/unicode.h"

// ── Making ──

static bool printable(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
    return hd_utf8_valid(text, n) == n;
}

static heed_err check_name(const char *name) {
    size_t n = name ? strlen(name) : 0;
    if (n == 0)
        return HD_FAIL(HEED_USAGE, "a key needs a name: say what it is for",
                       "密钥需要一个名称：请说明其用途");
    if (n > HD_KEY_NAME_MAX)
        return HD_FAIL(HEED_USAGE, "the name of a key may have %d bytes, this one has %zu",
                       "密钥名称最多 %d 个字节，这个有 %zu 个", HD_KEY_NAME_MAX, n);
    if (!printable(name, n))
        return HD_FAIL(HEED_USAGE, "the name of a key must be text on one line, in UTF-8",
                       "密钥名称必须是单行 UTF-8 文字");
    return HEED_OK;
}

static bool rate_fine(const hd_rate *rate) {
    if (!isfinite(rate->per_second) || !isfinite(rate->burst)) return false;
    return rate->per_second >= 0 && rate->burst >= 0;
}

static heed_err check_params(const hd_key_params *params, hd_time now) {
    HD_TRY(check_name(params->name));
    if (params->scopes == 0 || (params->scopes & ~(unsigned)HD_ACCESS_ALL))
        return HD_FAIL(HEED_USAGE, "a key needs a scope: read, write, admin, personal, or all",
                       "密钥至少需要一个权限范围：read、write、admin、personal 或 all");
    if (params->expires != HD_TIME_NONE && params->expires <= now)
        return HD_FAIL(HEED_USAGE, "a key must expire in the future", "密钥的到期时间必须在将来");
    const hd_quota *quota = &params->quota;
    if (quota->requests < 0 || quota->events < 0 || quota->tokens < 0)
        return HD_FAIL(HEED_USAGE, "a quota is a number of at least 0 (0: none)",
                       "配额必须不小于 0（0 表示不限）");
    if (!rate_fine(&params->rate))
        return HD_FAIL(HEED_USAGE, "a rate is a number of at least 0 (0: the server's own)",
                       "速率必须不小于 0（0 表示使用服务器的设置）");
    return HEED_OK;
}

// *added: false when a key of that id stands already.
static heed_err insert(hd_store *store, const hd_key_params *params, const char *id,
                       const uint8_t hash[HD_KEY_HASH], hd_time now, bool *added) {
    hd_query *q;
    HD_TRY(hd_query_open(store,
                         "INSERT INTO api_keys (id, hash, name, scopes, created, expires,"
                         " quota_requests, quota_events, quota_tokens, rate, burst)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                         " ON CONFLICT DO NOTHING",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(id));
    hd_query_bind_blob(q, 2, hash, HD_KEY_HASH);
    hd_query_bind_text(q, 3, hd_slice_of(params->name));
    hd_query_bind_i64(q, 4, params->scopes);
    hd_query_bind_i64(q, 5, now);
    hd_query_bind_time(q, 6, params->expires);
    hd_query_bind_i64(q, 7, params->quota.requests);
    hd_query_bind_i64(q, 8, params->quota.events);
    hd_query_bind_i64(q, 9, params->quota.tokens);
    hd_query_bind_f64(q, 10, params->rate.per_second);
    hd_query_bind_f64(q, 11, params->rate.burst);
    heed_err err = hd_query_run(q);
    *added = err == HEED_OK && hd_store_changes(store) == 1;
    hd_query_close(q);
    return err;
}

heed_err hd_access_make(hd_store *store, const uint8_t secret[HD_API_SECRET],
                        const hd_key_params *params, hd_time now, char text[HD_KEY_TEXT + 1],
                        char id[HD_KEY_ID + 1]) {
    HD_TRY(check_params(params, now));
    hd_presented key;
    uint8_t hash[HD_KEY_HASH];
    heed_err err;
    // 40 random bits: among a million keys, one in a million draws meets an id that stands.
    for (bool added = false; !added;) {
        HD_TRY(hd_key_draw(&key));
        hd_key_hash(secret, &key, params->scopes, params->expires, hash);
        HD_TRY_OUT(insert(store, params, key.id, hash, now, &added));
    }
    hd_key_write(&key, text);
    memcpy(id, key.id, sizeof key.id);
out:
    hd_presented_clear(&key);
    return err;
}

// ── Reading ──

#define KEY_COLUMNS                                                                            \
    "id, name, scopes, created, expires, revoked, quota_requests, quota_events, quota_tokens," \
    " rate, burst, (SELECT max(day) FROM api_usage WHERE key = api_keys.id AND requests > 0)"

static heed_err read_key(hd_query *q, hd_arena *arena, hd_key *out) {
    *out = (hd_key){.scopes = (unsigned)hd_query_i64(q, 2)};
    hd_slice id = hd_query_text(q, 0);
    if (id.n == HD_KEY_ID) memcpy(out->id, id.p, id.n);
    hd_slice name = hd_query_text(q, 1);
    out->name = hd_arena_strndup(arena, name.p ? name.p : "", name.n);
    if (!out->name) return HD_FAIL_MEMORY(name.n);
    out->created = hd_query_time(q, 3);
    out->expires = hd_query_time(q, 4);
    out->revoked = hd_query_time(q, 5);
    out->quota = (hd_quota){hd_query_i64(q, 6), hd_query_i64(q, 7), hd_query_i64(q, 8)};
    out->rate = (hd_rate){hd_query_f64(q, 9), hd_query_f64(q, 10)};
    out->last_used = hd_query_is_null(q, 11) ? HD_TIME_NONE : hd_query_i64(q, 11) * HD_DAY_MS;
    return HEED_OK;
}

heed_err hd_access_list(hd_store *store, hd_arena *arena, hd_key **out, size_t *n) {
    hd_query *q = NULL;
    hd_key *keys = NULL;
    size_t count = 0, cap = 0;
    heed_err err;
    HD_TRY_OUT(
        hd_query_open(store, "SELECT " KEY_COLUMNS " FROM api_keys ORDER BY created, id", &q));
    for (;;) {
        bool row;
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_grow(&keys, &cap, count + 1, sizeof *keys));
        HD_TRY_OUT(read_key(q, arena, &keys[count++]));
    }
    *out = hd_arena_calloc(arena, count + 1, sizeof **out);
    if (!*out) {
        err = HD_FAIL_MEMORY(count * sizeof **out);
        goto out;
    }
    if (count > 0) memcpy(*out, keys, count * sizeof **out);
    *n = count;
out:
    hd_query_close(q);
    hd_free(keys);
    return err;
}

static heed_err no_such_key(const char *id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no key '%.32s': 'heed key list' names them",
                   "没有密钥“%.32s”：用“heed key list”查看", id);
}

heed_err hd_access_find(hd_store *store, const char *id, hd_arena *arena, hd_key *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store, "SELECT " KEY_COLUMNS " FROM api_keys WHERE id = ?1", &q));
    hd_query_bind_text(q, 1, hd_slice_of(id));
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) err = row ? read_key(q, arena, out) : no_such_key(id);
    hd_query_close(q);
    return err;
}

heed_err hd_access_revoke(hd_store *store, const char *id, hd_time now) {
    hd_query *q;
    HD_TRY(hd_query_open(store, "UPDATE api_keys SET revoked = coalesce(revoked, ?2) WHERE id = ?1",
                         &q));
    hd_query_bind_text(q, 1, hd_slice_of(id));
    hd_query_bind_i64(q, 2, now);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    if (err == HEED_OK && hd_store_changes(store) == 0) return no_such_key(id);
    return err;
}

heed_err hd_access_count(hd_store *store, unsigned scopes, hd_time now, size_t *n) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(store,
                         "SELECT count(*) FROM api_keys WHERE scopes & ?1 = ?1"
                         " AND revoked IS NULL AND (expires IS NULL OR expires > ?2)",
                         &q));
    hd_query_bind_i64(q, 1, scopes);
    hd_query_bind_i64(q, 2, now);
    heed_err err = hd_query_step(q, &row);
    *n = err == HEED_OK && row ? (size_t)hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}
