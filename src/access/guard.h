// SPDX-License-Identifier: Apache-2.0
//
// The guard of a workspace: what a server asks at each request. It holds the keys and their meters;
// the limiter is shared by all workspaces of a server.
//
//     hd_visit visit = {.key = key, .address = address, .scope = HD_ACCESS_READ,
//                       .now = hd_time_now(), .now_ms = hd_time_monotonic()};
//     hd_pass pass;
//     hd_verdict verdict = hd_guard_enter(guard, limits, &visit, &pass);
//     if (verdict != HD_VERDICT_IN) answer(hd_verdict_http(verdict), pass.retry_ms, …);
//     …
//     hd_guard_spend(&pass, now, events, tokens);
//
// Threads: hd_guard_enter, hd_guard_knows and hd_guard_spend: any. The rest: the store's thread.
#ifndef HD_ACCESS_GUARD_H
#define HD_ACCESS_GUARD_H

#include "access/keyset.h"
#include "access/limiter.h"

// X(NAME, HTTP status, code, English, Chinese)
#define HD_VERDICT_LIST(X)                                                                    \
    X(IN, 200, "ok", "let in", "允许")                                                        \
    X(NO_KEY, 401, "no_key", "an API key is needed: send 'Authorization: Bearer heed_…'",     \
      "需要 API 密钥：请发送“Authorization: Bearer heed_…”")                                  \
    X(WRONG_KEY, 401, "wrong_key", "this API key is not known here", "此处没有这个 API 密钥") \
    X(EXPIRED, 401, "key_expired", "this API key has expired: make a new one",                \
      "此 API 密钥已过期：请创建新的密钥")                                                    \
    X(REVOKED, 401, "key_revoked", "this API key was revoked: make a new one",                \
      "此 API 密钥已被吊销：请创建新的密钥")                                                  \
    X(SCOPE, 403, "scope", "this API key lacks the scope that the operation needs",           \
      "此 API 密钥缺少该操作所需的权限范围")                                                  \
    X(RATE, 429, "rate", "too many requests at once: slow down", "请求过于频繁：请放慢速度")  \
    X(QUOTA, 429, "quota", "the key's quota of today is used up", "此密钥今天的配额已用完")   \
    X(GUESSING, 429, "guessing", "too many failed sign-ins from this address: wait",          \
      "该地址登录失败次数过多：请稍候")
typedef enum hd_verdict {
#define HD_VERDICT_ENUM(name, http, code, en, zh) HD_VERDICT_##name,
    HD_VERDICT_LIST(HD_VERDICT_ENUM)
#undef HD_VERDICT_ENUM
        HD_VERDICTS
} hd_verdict;
int hd_verdict_http(hd_verdict verdict);
const char *hd_verdict_code(hd_verdict verdict);
hd_text hd_verdict_text(hd_verdict verdict);

// Rates that a server applies to all: of the settings.
typedef struct hd_limits {
    hd_limiter *keys;      // of verified keys; NULL: no rates of keys
    hd_limiter *addresses; // of everybody; NULL: none
    hd_limiter *failures;  // of sign-ins that failed; NULL: none
    hd_rate key;           // of keys that have none of their own
    hd_rate address;
    hd_rate failure;
} hd_limits;

typedef struct hd_guard hd_guard;
// tenant: the workspace's number within the server. Reads keys and usage.
heed_err hd_guard_open(hd_store *store, const uint8_t secret[HD_API_SECRET], uint32_t tenant,
                       hd_time now, hd_guard **out) HEED_CHECK;
void hd_guard_close(hd_guard *guard); // nobody may be within; doesn't flush
// After keys changed. On failure the old ones stay in force.
heed_err hd_guard_reload(hd_guard *guard, hd_store *store) HEED_CHECK;
// Writes what was used; every few seconds and before closing.
heed_err hd_guard_flush(hd_guard *guard, hd_store *store) HEED_CHECK;

typedef struct hd_visit {
    hd_slice key;        // as presented, without "Bearer "; p == NULL: none
    const char *address; // of the client
    unsigned scope;      // bits needed, all of them
    double cost;         // of the rate; 0: 1
    hd_count wants;      // events or tokens that it will spend at least: refused when that is
                         // beyond a quota, but not counted yet
    hd_time now;         // wall clock: expiry and quotas
    int64_t now_ms;      // monotonic: rates
} hd_visit;

typedef struct hd_pass {
    char id[HD_KEY_ID + 1]; // of a genuine key, also of one that was refused; else ""
    unsigned scopes;
    hd_quota quota;
    hd_meter *meter;  // never NULL: of the key, or of those without one
    int64_t retry_ms; // for 429: when to come back
    const char *what; // for QUOTA: "requests", …; else NULL
} hd_pass;

// In this order: rate of the address, genuine, in force, scope, rate of the key, quota of requests.
// Counts one request, or one refusal. A valid key is let in whatever others at its address do wrong
// (they may share a proxy); with 256 random bits there is nothing to guess, the limit of failures
// keeps logs and processors quiet.
hd_verdict hd_guard_enter(hd_guard *guard, const hd_limits *limits, const hd_visit *visit,
                          hd_pass *pass) HEED_CHECK;
// Whether the key's id is one of this workspace's (of several, which one to ask).
bool hd_guard_knows(hd_guard *guard, hd_slice key);

// Before the work: whether that many more may be posted or generated today. Counts them; false sets
// retry_ms and what, and the answer is HD_VERDICT_QUOTA.
bool hd_guard_take(hd_pass *pass, hd_time now, int64_t events, int64_t tokens);
// After the work: what it cost. Never refused: what goes beyond the quota
// refuses the next one that takes.
void hd_guard_spend(hd_pass *pass, hd_time now, int64_t events, int64_t tokens);

#endif
