// SPDX-License-Identifier: Apache-2.0
//
// A key belongs to one workspace, so it says which one is meant: nothing in a request can name
// another. Whoever comes through the workspace's own socket (a file that only its owner may open)
// is the owner, as on the command line.
#include "server/auth.h"

#include <sodium.h>
#include <unistd.h>

#include "base/time.h"

// ── The key that is shown ──

static bool skip_word(hd_slice *text, const char *word) {
    size_t n = strlen(word);
    if (text->n <= n || text->p[n] != ' ') return false;
    if (!hd_slice_eq_nocase((hd_slice){text->p, n}, word)) return false;
    *text = hd_slice_trim((hd_slice){text->p + n, text->n - n});
    return true;
}

// The user name of Basic credentials, in buf.
static hd_slice basic_user(hd_slice encoded, char buf[256]) {
    size_t n = 0;
    if (sodium_base642bin((unsigned char *)buf, 256, encoded.p, encoded.n, NULL, &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return (hd_slice){"", 0};
    const char *colon = memchr(buf, ':', n);
    return (hd_slice){buf, colon ? (size_t)(colon - buf) : n};
}

static hd_slice in_headers(const hd_request *request, char buf[256]) {
    const hd_http_request *http = hd_exchange_request(request->exchange);
    hd_slice text = hd_http_header_get(http, "Authorization");
    if (text.p && skip_word(&text, "Bearer")) return text;
    if (text.p && request->op->key_basic && skip_word(&text, "Basic")) return basic_user(text, buf);
    if (text.p) return (hd_slice){"", 0}; // shown, but no key
    return hd_http_header_get(http, "X-API-Key");
}

bool hd_auth_in_body(const hd_request *request) {
    char buf[256];
    bool in_body = request->op->key_in_body && !in_headers(request, buf).p;
    sodium_memzero(buf, sizeof buf);
    return in_body;
}

static hd_slice in_body(const hd_request *request) {
    const hd_param *whole = hd_route_body_param(request->op);
    const json_t *body = whole ? json_object_get(request->params, whole->name) : request->params;
    const json_t *key = json_object_get(body, "api_key");
    if (!key) key = json_object_get(body, "token");
    if (!json_is_string(key)) return (hd_slice){0};
    return (hd_slice){json_string_value(key), json_string_length(key)};
}

// ── What it opens ──

static hd_tenant *tenant_of(hd_server *server, hd_slice key) {
    for (size_t i = 0; key.p && i < server->n_tenants; i++)
        if (server->tenants[i].guard && hd_guard_knows(server->tenants[i].guard, key))
            return &server->tenants[i];
    return &server->tenants[0];
}

static void refuse(hd_request *request, hd_verdict verdict) {
    int status = hd_verdict_http(verdict);
    if (status == 401) hd_str_add(&request->headers, "WWW-Authenticate: Bearer\r\n");
    if (status == 429)
        hd_str_addf(&request->headers, "Retry-After: %lld\r\n",
                    (long long)((request->pass.retry_ms + 999) / 1000));
    hd_request_refuse(request, status, hd_verdict_code(verdict), hd_verdict_text(verdict));
}

static bool enter(hd_request *request, hd_slice key, unsigned scope) {
    hd_server *server = request->server;
    request->tenant = tenant_of(server, key);
    if (!request->tenant->guard) {
        hd_request_refuse(
            request, 503, "UNAVAILABLE",
            (hd_text)HD_TEXT("the workspace's keys are not here, so no API key can be "
                             "checked; bring them with 'heed key import'",
                             "工作区的密钥不在这里，无法校验 API "
                             "密钥；请用“heed key import”导入"));
        return false;
    }
    const hd_visit visit = {.key = key,
                            .address = hd_exchange_address(request->exchange),
                            .scope = scope,
                            .wants.events = request->op && request->op->posts_events,
                            .now = hd_time_now(),
                            .now_ms = hd_time_monotonic()};
    hd_verdict verdict =
        hd_guard_enter(request->tenant->guard, &server->limits, &visit, &request->pass);
    if (verdict != HD_VERDICT_IN) {
        if (hd_verdict_http(verdict) == 401)
            hd_audit_counts_add(hd_host_counts_of_reads(request->tenant->host),
                                HD_AUDIT_SIGN_IN_FAILED, "unknown", hd_verdict_code(verdict),
                                visit.now);
        refuse(request, verdict);
        return false;
    }
    return true;
}

// The workspace that its owner means, of several: by the name of its folder.
static bool enter_as_owner(hd_request *request) {
    hd_server *server = request->server;
    hd_slice name = hd_http_header_get(hd_exchange_request(request->exchange), "X-Heed-Workspace");
    request->owner = true;
    request->tenant = &server->tenants[0];
    for (size_t i = 0; name.p && i < server->n_tenants; i++)
        if (hd_slice_eq(name, hd_host_name(server->tenants[i].host)))
            request->tenant = &server->tenants[i];
    return true;
}

bool hd_auth_is_owner(const hd_request *request) {
    hd_peer peer = hd_exchange_peer(request->exchange);
    return peer.local && (peer.uid == geteuid() || peer.uid == 0);
}

bool hd_auth(hd_request *request, unsigned scope) {
    if (hd_auth_is_owner(request)) return enter_as_owner(request);
    char buf[256];
    hd_slice key = in_headers(request, buf);
    if (!key.p && request->op && request->op->key_in_body) key = in_body(request);
    bool in = enter(request, key, scope);
    sodium_memzero(buf, sizeof buf);
    return in;
}
