// SPDX-License-Identifier: Apache-2.0
//
// One call per request. Readers hold a lock only while a key is checked (about a microsecond) and
// take what they need of it with them; its meter belongs to the usage and stays. So a new set of
// keys takes the old one's place at once, nobody counts references, and a revoked key is out with
// the next request.
#include "access/gate.h"

#include <pthread.h>
#include <sodium.h>

#include "base/mem.h"

struct hd_gate {
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

static heed_err load(hd_gate *gate, hd_store *store, hd_time now) {
    HD_TRY(hd_usage_new(&gate->usage));
    HD_TRY(hd_usage_load(gate->usage, store, now));
    HD_TRY(hd_usage_meter(gate->usage, "", &gate->nobody));
    return hd_keyset_load(store, gate->secret, gate->usage, &gate->keys);
}

heed_err hd_gate_open(hd_store *store, const uint8_t secret[HD_API_SECRET], uint32_t tenant,
                      hd_time now, hd_gate **out) {
    *out = NULL;
    hd_gate *gate = hd_calloc(1, sizeof *gate);
    if (!gate) return HD_FAIL_MEMORY(sizeof *gate);
    gate->tenant = tenant;
    memcpy(gate->secret, secret, HD_API_SECRET);
    pthread_rwlock_init(&gate->lock, NULL);
    heed_err err = load(gate, store, now);
    if (err != HEED_OK) {
        hd_gate_close(gate);
        return err;
    }
    *out = gate;
    return HEED_OK;
}

void hd_gate_close(hd_gate *gate) {
    if (!gate) return;
    hd_keyset_free(gate->keys);
    hd_usage_free(gate->usage);
    pthread_rwlock_destroy(&gate->lock);
    sodium_memzero(gate->secret, sizeof gate->secret);
    hd_free(gate);
}

heed_err hd_gate_reload(hd_gate *gate, hd_store *store) {
    hd_keyset *fresh;
    HD_TRY(hd_keyset_load(store, gate->secret, gate->usage, &fresh));
    pthread_rwlock_wrlock(&gate->lock);
    hd_keyset *old = gate->keys;
    gate->keys = fresh;
    pthread_rwlock_unlock(&gate->lock);
    hd_keyset_free(old);
    return HEED_OK;
}

heed_err hd_gate_flush(hd_gate *gate, hd_store *store) {
    return hd_usage_flush(gate->usage, store);
}

// ── Entering ──

static bool take_rate(hd_limiter *limiter, const hd_who *who, hd_rate rate, const hd_visit *visit,
                      double cost, hd_pass *pass) {
    if (!limiter) return true;
    return hd_limiter_take(limiter, who, rate, visit->now_ms, cost, &pass->retry_ms);
}

// Copies the genuine key's entry; false: there is none.
static bool look_up(hd_gate *gate, hd_slice text, hd_keyset_entry *out) {
    hd_presented presented;
    if (!hd_key_parse(text, &presented)) return false;
    pthread_rwlock_rdlock(&gate->lock);
    const hd_keyset_entry *found = hd_keyset_verify(gate->keys, &presented);
    if (found) *out = *found;
    pthread_rwlock_unlock(&gate->lock);
    hd_presented_clear(&presented);
    return found != NULL;
}

// Who the visitor is.
static hd_verdict sign_in(hd_gate *gate, const hd_visit *visit, hd_keyset_entry *entry,
                          hd_pass *pass) {
    if (!visit->key.p) return HD_VERDICT_NO_KEY;
    if (!look_up(gate, visit->key, entry)) return HD_VERDICT_WRONG_KEY;
    memcpy(pass->id, entry->id, sizeof pass->id);
    pass->meter = entry->meter;
    if (entry->revoked != HD_TIME_NONE) return HD_VERDICT_REVOKED;
    if (entry->expires != HD_TIME_NONE && entry->expires <= visit->now) return HD_VERDICT_EXPIRED;
    pass->scopes = entry->scopes;
    pass->quota = entry->quota;
    return HD_VERDICT_IN;
}

// What the visitor may do now. Counts the request, or the refusal by quota.
static hd_verdict admit(hd_gate *gate, const hd_limits *limits, const hd_visit *visit,
                        const hd_keyset_entry *entry, hd_pass *pass) {
    if ((entry->scopes & visit->scope) != visit->scope) return HD_VERDICT_SCOPE;
    hd_who who = hd_who_key(gate->tenant, entry->id);
    hd_rate rate = entry->rate.per_second > 0 ? entry->rate : limits->key;
    if (!take_rate(limits->keys, &who, rate, visit, visit->cost, pass)) return HD_VERDICT_RATE;
    const hd_count one = {.requests = 1};
    if (hd_meter_take(entry->meter, visit->now, one, &entry->quota, &pass->what))
        return HD_VERDICT_IN;
    pass->retry_ms = hd_usage_until_midnight(visit->now);
    return HD_VERDICT_QUOTA;
}

hd_verdict hd_gate_enter(hd_gate *gate, const hd_limits *limits, const hd_visit *visit,
                         hd_pass *pass) {
    *pass = (hd_pass){.meter = gate->nobody};
    hd_keyset_entry entry;
    hd_who address = hd_who_address(visit->address);
    hd_verdict verdict = HD_VERDICT_RATE;
    if (take_rate(limits->addresses, &address, limits->address, visit, visit->cost, pass)) {
        verdict = sign_in(gate, visit, &entry, pass);
        bool failed = verdict != HD_VERDICT_IN && verdict != HD_VERDICT_NO_KEY;
        if (failed && !take_rate(limits->failures, &address, limits->failure, visit, 1, pass))
            verdict = HD_VERDICT_GUESSING;
        if (verdict == HD_VERDICT_IN) verdict = admit(gate, limits, visit, &entry, pass);
    }
    if (verdict != HD_VERDICT_IN && verdict != HD_VERDICT_QUOTA) // which counted itself
        hd_meter_add(pass->meter, visit->now, (hd_count){.refused = 1});
    return verdict;
}

bool hd_gate_knows(hd_gate *gate, hd_slice key) {
    hd_presented presented;
    if (!hd_key_parse(key, &presented)) return false;
    pthread_rwlock_rdlock(&gate->lock);
    bool known = hd_keyset_find(gate->keys, presented.id) != NULL;
    pthread_rwlock_unlock(&gate->lock);
    hd_presented_clear(&presented);
    return known;
}

bool hd_gate_take(hd_pass *pass, hd_time now, int64_t events, int64_t tokens) {
    const hd_count amount = {.events = events, .tokens = tokens};
    bool taken = hd_meter_take(pass->meter, now, amount, &pass->quota, &pass->what);
    if (!taken) pass->retry_ms = hd_usage_until_midnight(now);
    return taken;
}

void hd_gate_spend(hd_pass *pass, hd_time now, int64_t events, int64_t tokens) {
    hd_meter_add(pass->meter, now, (hd_count){.events = events, .tokens = tokens});
}
