// SPDX-License-Identifier: Apache-2.0
//
// Keys are rows of heed.db under a secret of the workspace's own keys: a copy of the data alone
// can neither make one nor check one. Changes are one transaction with what records them.
#include "workspace/access.h"

#include <sodium.h>

#include "base/mem.h"
#include "workspace/auditing.h"

void hd_made_key_clear(hd_made_key *made) {
    sodium_memzero(made, sizeof *made);
}

static heed_err api_secret(heed_workspace *ws, uint8_t out[HD_API_SECRET]) {
    return hd_keyring_secret(ws->keyring, "api", out);
}

// ── Changes ──

static heed_err make(heed_workspace *ws, const uint8_t secret[HD_API_SECRET],
                     const hd_key_params *params, hd_made_key *out) {
    HD_TRY(hd_access_make(ws->store, secret, params, hd_time_now(), out->text, out->id));
    return hd_workspace_record(ws,
                               &(hd_audit_entry){.what = HD_AUDIT_API_KEY_NEW, .object = out->id});
}

heed_err hd_workspace_key_make(heed_workspace *ws, const hd_key_params *params, hd_made_key *out) {
    uint8_t secret[HD_API_SECRET];
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(api_secret(ws, secret));
    heed_err err;
    HD_TRY_OUT(hd_store_begin(ws->store));
    err = make(ws, secret, params, out);
    if (err != HEED_OK) {
        hd_store_rollback(ws->store);
        goto out;
    }
    HD_TRY_OUT(hd_store_commit(ws->store));
out:
    sodium_memzero(secret, sizeof secret);
    if (err != HEED_OK) hd_made_key_clear(out);
    return err;
}

heed_err hd_workspace_key_revoke(heed_workspace *ws, const char *id) {
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = hd_access_revoke(ws->store, id, hd_time_now());
    if (err != HEED_OK) {
        hd_store_rollback(ws->store);
        return err;
    }
    // Also where the workspace's keys aren't: a key that leaked has to go.
    hd_workspace_record_gladly(ws,
                               &(hd_audit_entry){.what = HD_AUDIT_API_KEY_REVOKE, .object = id});
    return hd_store_commit(ws->store);
}

heed_err hd_access_first(heed_workspace *ws, hd_made_key *out, bool *made) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_key *keys;
    size_t n = 0;
    *made = false;
    heed_err err = hd_access_list(ws->store, &arena, &keys, &n);
    hd_arena_clear(&arena);
    if (err != HEED_OK || n > 0) return err;
    const hd_key_params params = {
        .name = "first start", .scopes = HD_ACCESS_ALL, .expires = HD_TIME_NONE};
    HD_TRY(hd_workspace_key_make(ws, &params, out));
    *made = true;
    return HEED_OK;
}

// ── As JSON ──

static heed_err set_time(json_t *object, const char *name, hd_time time, size_t length) {
    if (time == HD_TIME_NONE) return hd_json_set(object, name, json_null());
    char text[32];
    hd_time_format(time, NULL, text);
    if (strlen(text) > length) text[length] = '\0'; // the day alone
    return hd_json_set(object, name, json_string(text));
}

// 0 is "none": null.
static json_t *some_int(int64_t value) {
    return value > 0 ? json_integer(value) : json_null();
}

static json_t *some_real(double value) {
    return value > 0 ? hd_json_real(value) : json_null();
}

static heed_err add_scopes(json_t *object, unsigned scopes) {
    HD_TRY(hd_json_set(object, "scopes", json_array()));
    json_t *list = json_object_get(object, "scopes");
    for (unsigned bit = 1; bit <= HD_ACCESS_ALL; bit <<= 1)
        if (scopes & bit) HD_TRY(hd_json_append(list, json_string(hd_scope_name(bit))));
    return HEED_OK;
}

static const char *state_of(const hd_key *key) {
    if (key->revoked != HD_TIME_NONE) return "revoked";
    bool over = key->expires != HD_TIME_NONE && key->expires <= hd_time_now();
    return over ? "expired" : "active";
}

static heed_err fill_key(json_t *object, const hd_key *key) {
    enum { WHOLE = 32, DAY = 10 };
    HD_TRY(hd_json_set(object, "id", json_string(key->id)));
    HD_TRY(hd_json_set(object, "name", json_string(key->name)));
    HD_TRY(hd_json_set(object, "state", json_string(state_of(key))));
    HD_TRY(add_scopes(object, key->scopes));
    HD_TRY(set_time(object, "created", key->created, WHOLE));
    HD_TRY(set_time(object, "expires", key->expires, WHOLE));
    HD_TRY(set_time(object, "revoked", key->revoked, WHOLE));
    HD_TRY(set_time(object, "last_used", key->last_used, DAY));
    HD_TRY(hd_json_set(object, "rate", some_real(key->rate.per_second)));
    HD_TRY(hd_json_set(object, "burst", some_real(key->rate.burst)));
    HD_TRY(hd_json_set(object, "quota_requests", some_int(key->quota.requests)));
    HD_TRY(hd_json_set(object, "quota_events", some_int(key->quota.events)));
    return hd_json_set(object, "quota_tokens", some_int(key->quota.tokens));
}

static heed_err key_object(const hd_key *key, json_t **out) {
    json_t *object = json_object();
    if (!object) return HD_FAIL_MEMORY(0);
    heed_err err = fill_key(object, key);
    if (err == HEED_OK)
        *out = object;
    else
        json_decref(object);
    return err;
}

heed_err hd_workspace_key_json(heed_workspace *ws, const char *id, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_key key;
    heed_err err = hd_access_find(ws->store, id, &arena, &key);
    if (err == HEED_OK) err = key_object(&key, out);
    hd_arena_clear(&arena);
    return err;
}

// {name: […]}; its array is borrowed.
static heed_err begin_list(const char *name, json_t **result, json_t **list) {
    HD_TRY(hd_json_pack(result, "{s:[]}", name));
    *list = json_object_get(*result, name);
    return HEED_OK;
}

heed_err hd_workspace_keys(heed_workspace *ws, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_key *keys;
    size_t n = 0;
    json_t *result = NULL, *list = NULL, *object = NULL;
    heed_err err;
    HD_TRY_OUT(hd_access_list(ws->store, &arena, &keys, &n));
    HD_TRY_OUT(begin_list("keys", &result, &list));
    for (size_t i = 0; i < n; i++) {
        HD_TRY_OUT(key_object(&keys[i], &object));
        HD_TRY_OUT(hd_json_append(list, object));
    }
    *out = result;
    result = NULL;
out:
    json_decref(result);
    hd_arena_clear(&arena);
    return err;
}

static heed_err count_json(const hd_count *count, json_t **out) {
    return hd_json_pack(out, "{s:I, s:I, s:I, s:I}", "requests", (json_int_t)count->requests,
                        "events", (json_int_t)count->events, "tokens", (json_int_t)count->tokens,
                        "refused", (json_int_t)count->refused);
}

static heed_err add_usage(json_t *list, const hd_usage_row *row, hd_count *total) {
    json_t *object = NULL;
    HD_TRY(count_json(&row->count, &object));
    heed_err err;
    HD_TRY_OUT(set_time(object, "day", row->day, 10));
    HD_TRY_OUT(hd_json_set(object, "key", row->id[0] ? json_string(row->id) : json_null()));
    total->requests += row->count.requests;
    total->events += row->count.events;
    total->tokens += row->count.tokens;
    total->refused += row->count.refused;
    return hd_json_append(list, object);
out:
    json_decref(object);
    return err;
}

heed_err hd_workspace_usage(heed_workspace *ws, hd_time since, const char *id, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_usage_row *rows;
    size_t n = 0;
    json_t *result = NULL, *list = NULL, *sum = NULL;
    hd_count total = {0};
    heed_err err;
    HD_TRY_OUT(hd_usage_list(ws->store, since, id, &arena, &rows, &n));
    HD_TRY_OUT(begin_list("usage", &result, &list));
    for (size_t i = 0; i < n; i++) HD_TRY_OUT(add_usage(list, &rows[i], &total));
    HD_TRY_OUT(count_json(&total, &sum));
    HD_TRY_OUT(hd_json_set(result, "total", sum));
    *out = result;
    result = NULL;
out:
    json_decref(result);
    hd_arena_clear(&arena);
    return err;
}
