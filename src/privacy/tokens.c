// SPDX-License-Identifier: Apache-2.0
//
// Deterministic authenticated encryption in the manner of SIV (RFC 5297), from libsodium's parts:
//
//     tag   = BLAKE2b-128, keyed by k1, of type ‖ 0x00 ‖ value
//     token = "[[" type ":" base64url(tag ‖ value XOR XChaCha20(k2, nonce = tag ‖ 0⁸)) "]]"
//
// The tag is nonce and proof at once: the same value gives the same token, two values share a nonce
// only where BLAKE2b collides, and whatever was changed doesn't come out with its tag. Type is part
// of it, so a phone number can't be passed off as a name.
//
// Rejected: a table of tokens in the database. It would hold every value again, to be erased too.
#include "privacy/tokens.h"

#include <sodium.h>

#include "base/mem.h"

enum { TAG = 16, KEY = 32, VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

struct hd_tokenizer {
    uint8_t tag_key[KEY];
    uint8_t stream_key[KEY];
};

static void derive(const uint8_t secret[HD_TOKEN_SECRET], const char *label, uint8_t out[KEY]) {
    crypto_generichash(out, KEY, (const uint8_t *)label, strlen(label), secret, HD_TOKEN_SECRET);
}

heed_err hd_tokenizer_new(const uint8_t secret[HD_TOKEN_SECRET], hd_tokenizer **out) {
    *out = hd_alloc(sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    derive(secret, "heed token tag 1", (*out)->tag_key);
    derive(secret, "heed token stream 1", (*out)->stream_key);
    return HEED_OK;
}

void hd_tokenizer_free(hd_tokenizer *tokens) {
    if (!tokens) return;
    sodium_memzero(tokens, sizeof *tokens);
    hd_free(tokens);
}

static void tag_of(const hd_tokenizer *tokens, hd_pii type, const void *value, size_t n,
                   uint8_t out[TAG]) {
    const char *name = hd_pii_name(type);
    crypto_generichash_state state;
    crypto_generichash_init(&state, tokens->tag_key, KEY, TAG);
    crypto_generichash_update(&state, (const uint8_t *)name, strlen(name) + 1); // with its 0x00
    crypto_generichash_update(&state, value, n);
    crypto_generichash_final(&state, out, TAG);
}

static void xor_stream(const hd_tokenizer *tokens, const uint8_t tag[TAG], const uint8_t *from,
                       size_t n, uint8_t *to) {
    uint8_t nonce[crypto_stream_xchacha20_NONCEBYTES] = {0};
    memcpy(nonce, tag, TAG);
    crypto_stream_xchacha20_xor(to, from, n, nonce, tokens->stream_key);
}

// ── Making ──

static heed_err add_token(const hd_tokenizer *tokens, hd_pii type, hd_slice value, hd_str *out) {
    size_t n = TAG + value.n, room = sodium_base64_ENCODED_LEN(n, VARIANT);
    uint8_t *bytes = hd_alloc(n + room);
    if (!bytes) return HD_FAIL_MEMORY(n + room);
    char *text = (char *)bytes + n;
    tag_of(tokens, type, value.p, value.n, bytes);
    xor_stream(tokens, bytes, (const uint8_t *)value.p, value.n, bytes + TAG);
    sodium_bin2base64(text, room, bytes, n, VARIANT);
    hd_str_addf(out, "[[%s:%s]]", hd_pii_name(type), text);
    hd_free(bytes);
    return hd_str_check(out);
}

// ── Finding ──

typedef struct token {
    hd_pii type;
    hd_slice body; // base64url
    size_t start, end;
} token;

static bool is_body(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

// "[[type:body]]" at `at`, by its form.
static bool token_at(hd_slice text, size_t at, token *out) {
    size_t i = at + 2;
    if (text.n - at < 2 || text.p[at] != '[' || text.p[at + 1] != '[') return false;
    const char *colon = memchr(text.p + i, ':', text.n - i < 24 ? text.n - i : 24);
    if (!colon || !hd_pii_find((hd_slice){text.p + i, (size_t)(colon - text.p) - i}, &out->type))
        return false;
    i = (size_t)(colon - text.p) + 1;
    size_t body = i;
    while (i < text.n && is_body(text.p[i])) i++;
    if (text.n - i < 2 || text.p[i] != ']' || text.p[i + 1] != ']') return false;
    *out = (token){out->type, {text.p + body, i - body}, at, i + 2};
    return true;
}

// The first at or behind `from`; false: none.
static bool next_token(hd_slice text, size_t from, token *out) {
    while (from < text.n) {
        const char *p = memchr(text.p + from, '[', text.n - from);
        if (!p) return false;
        from = (size_t)(p - text.p);
        if (token_at(text, from, out)) return true;
        from++;
    }
    return false;
}

heed_err hd_tokenizer_replace(const hd_tokenizer *tokens, hd_finder *finder, hd_slice text,
                              unsigned types, hd_str *out, int64_t counts[HD_PII_TYPES],
                              bool *changed) {
    const hd_finding *found;
    size_t n, at = 0;
    token old;
    *changed = false;
    HD_TRY(hd_finder_scan(finder, text, types, &found, &n));
    bool more = next_token(text, 0, &old);
    for (size_t i = 0; i < n; i++) {
        while (more && old.end <= found[i].start) more = next_token(text, old.end, &old);
        if (more && old.start < found[i].start + found[i].n) continue; // within a token
        hd_str_addn(out, text.p + at, found[i].start - at);
        HD_TRY(
            add_token(tokens, found[i].type, (hd_slice){text.p + found[i].start, found[i].n}, out));
        at = found[i].start + found[i].n;
        if (counts) counts[found[i].type]++;
        *changed = true;
    }
    hd_str_addn(out, text.p + at, text.n - at);
    return hd_str_check(out);
}

// ── Turning back ──

// Appends the value; *ours false, and nothing appended, when the tag doesn't fit.
static heed_err open_token(const hd_tokenizer *tokens, const token *t, hd_str *out, bool *ours) {
    uint8_t tag[TAG];
    size_t n = 0;
    *ours = false;
    uint8_t *bytes = hd_alloc(t->body.n + 1);
    if (!bytes) return HD_FAIL_MEMORY(t->body.n + 1);
    if (sodium_base642bin(bytes, t->body.n + 1, t->body.p, t->body.n, NULL, &n, NULL, VARIANT) ==
            0 &&
        n > TAG) {
        xor_stream(tokens, bytes, bytes + TAG, n - TAG, bytes + TAG);
        tag_of(tokens, t->type, bytes + TAG, n - TAG, tag);
        *ours = sodium_memcmp(tag, bytes, TAG) == 0;
        if (*ours) hd_str_addn(out, (const char *)bytes + TAG, n - TAG);
        sodium_memzero(bytes, n);
    }
    hd_free(bytes);
    return hd_str_check(out);
}

heed_err hd_tokenizer_reveal(const hd_tokenizer *tokens, hd_slice text, hd_str *out, size_t *n) {
    size_t at = 0;
    token t;
    *n = 0;
    while (next_token(text, at, &t)) {
        bool ours;
        hd_str_addn(out, text.p + at, t.start - at);
        HD_TRY(open_token(tokens, &t, out, &ours));
        if (!ours) hd_str_addn(out, text.p + t.start, t.end - t.start);
        *n += ours;
        at = t.end;
    }
    if (text.n > at) hd_str_addn(out, text.p + at, text.n - at);
    return hd_str_check(out);
}
