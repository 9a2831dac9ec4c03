// SPDX-License-Identifier: Apache-2.0
//
// One call per request. Readers hold a lock only while a key is checked (about a microsecond) and
// take what they need of it with them; its meter belongs to the usage and stays. So a new set of
// keys takes the old one's place at once, nobody counts references, and a revoked key is out with
// the next request.
#include "access/guard.h"

#include <pthread.h>
#include <sodium.h>

#include "base/mem.h"

struct hd_guard {
    pthread_rwlock_t lock; // of keys
    hd_keyset *keys;
    hd_usage *usage;
    hd_meter *nobody; // counts who comes without a valid key
    uint32_t tenant;
    uint8_t secret[HD_API_SECRET];
};

static const struct {
    int http;
    const char *code;
    hd_text text;
} verdicts[] = {
#define VERDICT_ROW(name, http, code, en, zh) {(http), (code), HD_TEXT(en, zh)},
    HD_VERDICT_LIST(VERDICT_ROW)
#undef VERDICT_ROW
};

int hd_verdict_http(hd_verdict verdict) {
    return verdicts[verdict].http;
}

const char *hd_verdict_code(hd_verdict verdict) {
    return verdicts[verdict].code;
}

hd_text hd_verdict_text(hd_verdict verdict) {
    return verdicts[verdict].text;
}

// ── Life ──

static heed_err load(hd_guard *guard, hd_store *store, hd_time now) {
    HD_TRY(hd_usage_new(&guard->usage));
    HD_TRY(hd_usage_load(guard->usage, store, now));
    HD_TRY(hd_usage_meter(guard->usage, "", &guard->nobody));
    return hd_keyset_load(store, guard->secret, guard->usage, &guard->keys);
}

heed_err hd_guard_open(hd_store *store, const uint8_t secret[HD_API_SECRET], uint32_t tenant,
                       hd_time now, hd_guard **out) {
    *out = NULL;
    hd_guard *guard = hd_calloc(1, sizeof *guard);
    if (!guard) return HD_FAIL_MEMORY(sizeof *guard);
    guard->tenant = tenant;
    memcpy(guard->secret, secret, HD_API_SECRET);
    pthread_rwlock_init(&guard->lock, NULL);
    heed_err err = load(guard, store, now);
    if (err != HEED_OK) {
        hd_guard_close(guard);
        return err;
    }
    *out = guard;
    return HEED_OK;
}

void hd_guard_close(hd_guard *guard) {
    if (!guard) return;
    hd_keyset_free(guard->keys);
    hd_usage_free(guard->usage);
    pthread_rwlock_destroy(&guard->lock);
    sodium_memzero(guard->secret, sizeof guard->secret);
    hd_free(guard);
}

heed_err hd_guard_reload(hd_guard *guard, hd_store *store) {
    hd_keyset *fresh;
    HD_TRY(hd_keyset_load(store, guard->secret, guard->usage, &fresh));
    pthread_rwlock_wrlock(&guard->lock);
    hd_keyset *old = guard->keys;
    guard->keys = fresh;
    pthread_rwlock_unlock(&guard->lock);
    hd_keyset_free(old);
    return HEED_OK;
}

heed_err hd_guard_flush(hd_guard *guard, hd_store *store) {
    return hd_usage_flush(guard->usage, store);
}

// ── Entering ──

static bool take_rate(hd_limiter *limiter, const hd_who *who, hd_rate rate, const hd_visit *visit,
                      double cost, hd_pass *pass) {
    if (!limiter) return true;
    return hd_limiter_take(limiter, who, rate, visit->now_ms, cost, &pass->retry_ms);
}

// Copies the genuine key's entry; false: there is none.
static bool look_up(hd_guard *guard, hd_slice text, hd_keyset_entry *out) {
    hd_presented presented;
    if (!hd_key_parse(text, &presented)) return false;
    pthread_rwlock_rdlock(&guard->lock);
    const hd_keyset_entry *found = hd_keyset_verify(guard->keys, &presented);
    if (found) *out = *found;
    pthread_rwlock_unlock(&guard->lock);
    hd_presented_clear(&presented);
    return found != NULL;
}

// Who the visitor is.
static hd_verdict sign_in(hd_guard *guard, const hd_visit *visit, hd_keyset_entry *entry,
                          hd_pass *pass) {
    if (!visit->key.p) return HD_VERDICT_NO_KEY;
    if (!look_up(guard, visit->key, entry)) return HD_VERDICT_WRONG_KEY;
    memcpy(pass->id, entry->id, sizeof pass->id);
    pass->meter = entry->meter;
    if (entry->revoked != HD_TIME_NONE) return HD_VERDICT_REVOKED;
    if (entry->expires != HD_TIME_NONE && entry->expires <= visit->now) return HD_VERDICT_EXPIRED;
    pass->scopes = entry->scopes;
    pass->quota = entry->quota;
    return HD_VERDICT_IN;
}

// What the visitor may do now. Counts the request, or the refusal by quota.
static hd_verdict admit(hd_guard *guard, const hd_limits *limits, const hd_visit *visit,
                        const hd_keyset_entry *entry, hd_pass *pass) {
    if ((entry->scopes & visit->scope) != visit->scope) return HD_VERDICT_SCOPE;
    hd_who who = hd_who_key(guard->tenant, entry->id);
    hd_rate rate = entry->rate.per_second > 0 ? entry->rate : limits->key;
    if (!take_rate(limits->keys, &who, rate, visit, visit->cost, pass)) return HD_VERDICT_RATE;
    const hd_count one = {.requests = 1};
    bool within =
        hd_meter_would(entry->meter, visit->now, visit->wants, &entry->quota, &pass->what);
    if (!within) hd_meter_add(entry->meter, visit->now, (hd_count){.refused = 1});
    if (within && hd_meter_take(entry->meter, visit->now, one, &entry->quota, &pass->what))
        return HD_VERDICT_IN;
    pass->retry_ms = hd_usage_until_midnight(visit->now);
    return HD_VERDICT_QUOTA;
}

hd_verdict hd_guard_enter(hd_guard *guard, const hd_limits *limits, const hd_visit *visit,
                          hd_pass *pass) {
    *pass = (hd_pass){.meter = guard->nobody};
    hd_keyset_entry entry;
    hd_who address = hd_who_address(visit->address);
    hd_verdict verdict = HD_VERDICT_RATE;
    if (take_rate(limits->addresses, &address, limits->address, visit, visit->cost, pass)) {
        verdict = sign_in(guard, visit, &entry, pass);
        bool failed = verdict != HD_VERDICT_IN && verdict != HD_VERDICT_NO_KEY;
        if (failed && !take_rate(limits->failures, &address, limits->failure, visit, 1, pass))
            verdict = HD_VERDICT_GUESSING;
        if (verdict == HD_VERDICT_IN) verdict = admit(guard, limits, visit, &entry, pass);
    }
    if (verdict != HD_VERDICT_IN && verdict != HD_VERDICT_QUOTA) // which counted itself
        hd_meter_add(pass->meter, visit->now, (hd_count){.refused = 1});
    return verdict;
}

bool hd_guard_knows(hd_guard *guard, hd_slice key) {
    hd_presented presented;
    if (!hd_key_parse(key, &presented)) return false;
    pthread_rwlock_rdlock(&guard->lock);
    bool known = hd_keyset_find(guard->keys, presented.id) != NULL;
    pthread_rwlock_unlock(&guard->lock);
    hd_presented_clear(&presented);
    return known;
}

bool hd_guard_take(hd_pass *pass, hd_time now, int64_t events, int64_t tokens) {
    const hd_count amount = {.events = events, .tokens = tokens};
    bool taken = hd_meter_take(pass->meter, now, amount, &pass->quota, &pass->what);
    if (!taken) pass->retry_ms = hd_usage_until_midnight(now);
    return taken;
}

void hd_guard_spend(hd_pass *pass, hd_time now, int64_t events, int64_t tokens) {
    hd_meter_add(pass->meter, now, (hd_count){.events = events, .tokens = tokens});
}
