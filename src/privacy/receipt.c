// SPDX-License-Identifier: Apache-2.0
//
// What is signed is the receipt in compact form without its signature, behind a label that keeps
// signatures of other things by the same key apart. To verify, the document is read, written anew
// in the form in which receipts are written, and must be the same text: so nothing that a JSON
// reader passes over (blanks, escapes, the case of hexadecimal digits) can be changed either.
// RFC 8032 signatures are by libsodium, which refuses small-order keys and malleable signatures.
#include "privacy/receipt.h"

#include <sodium.h>

#include "base/json.h"

static const char FORMAT[] = "heed-erasure-receipt";
static const char LABEL[] = "heed erasure receipt 1"; // signed with its NUL
enum { VERSION = 1, HEX_MAX = 2 * crypto_sign_BYTES + 1 };

static heed_err set_hex(json_t *json, const char *name, const uint8_t *bytes, size_t n) {
    char hex[HEX_MAX];
    sodium_bin2hex(hex, sizeof hex, bytes, n);
    return hd_json_set(json, name, json_string(hex));
}

// Exactly n bytes in lower-case hexadecimal.
static bool get_hex(const json_t *json, const char *name, uint8_t *out, size_t n) {
    size_t len;
    char hex[HEX_MAX];
    const char *text = json_string_value(json_object_get(json, name));
    if (!text || strlen(text) != 2 * n ||
        sodium_hex2bin(out, n, text, 2 * n, NULL, &len, NULL) != 0 || len != n)
        return false;
    return strcmp(sodium_bin2hex(hex, sizeof hex, out, n), text) == 0;
}

// All but the signature. (jansson's json_copy keeps quiet when it runs out of memory.)
static heed_err without_signature(json_t *json, json_t *out) {
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        if (strcmp(name, "signature") != 0) HD_TRY(hd_json_set(out, name, json_incref(value)));
    }
    return HEED_OK;
}

static heed_err to_be_signed(json_t *json, hd_str *out) {
    json_t *bare = json_object();
    if (!bare) return HD_FAIL_MEMORY(0);
    hd_str_addn(out, LABEL, sizeof LABEL);
    heed_err err = without_signature(json, bare);
    if (err == HEED_OK) err = hd_json_dump(bare, false, out);
    json_decref(bare);
    return err ? err : hd_str_check(out);
}

static heed_err write_text(const json_t *json, hd_str *out) {
    HD_TRY(hd_json_dump(json, true, out));
    hd_str_addc(out, '\n');
    return hd_str_check(out);
}

// ── Making ──

static heed_err fill(const hd_receipt *r, const uint8_t *key, json_t *json) {
    char time[32];
    hd_time_format(r->time, NULL, time);
    json_t *removed = NULL;
    HD_TRY(hd_json_set(json, "format", json_string(FORMAT)));
    HD_TRY(hd_json_set(json, "version", json_integer(VERSION)));
    HD_TRY(set_hex(json, "workspace", r->workspace, HD_RECEIPT_WORKSPACE));
    HD_TRY(set_hex(json, "person", r->person, HD_RECEIPT_PERSON));
    HD_TRY(hd_json_set(json, "time", json_string(time)));
    HD_TRY(hd_json_pack(&removed, "{s:I, s:I, s:I, s:I, s:I}", "ids", (json_int_t)r->removed.ids,
                        "events", (json_int_t)r->removed.events, "reviews",
                        (json_int_t)r->removed.reviews, "tickets", (json_int_t)r->removed.tickets,
                        "messages", (json_int_t)r->removed.messages));
    HD_TRY(hd_json_set(json, "removed", removed));
    return set_hex(json, "key", key, HD_RECEIPT_KEY);
}

static heed_err sign(json_t *json, const uint8_t *secret) {
    uint8_t signature[crypto_sign_BYTES];
    hd_str text;
    hd_str_init(&text);
    heed_err err = to_be_signed(json, &text);
    if (err == HEED_OK) {
        crypto_sign_detached(signature, NULL, (const uint8_t *)text.data, text.len, secret);
        err = set_hex(json, "signature", signature, sizeof signature);
    }
    hd_str_clear(&text);
    return err;
}

static heed_err make(const hd_receipt *receipt, const uint8_t *seed, json_t *json) {
    uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(public, secret, seed);
    heed_err err = fill(receipt, public, json);
    if (err == HEED_OK) err = sign(json, secret);
    sodium_memzero(secret, sizeof secret);
    return err;
}

heed_err hd_receipt_make(const hd_receipt *receipt, const uint8_t seed[HD_RECEIPT_KEY], hd_str *out,
                         uint8_t hash[HD_RECEIPT_HASH]) {
    size_t before = out->len;
    json_t *json = json_object();
    if (!json) return HD_FAIL_MEMORY(0);
    heed_err err = make(receipt, seed, json);
    if (err == HEED_OK) err = write_text(json, out);
    json_decref(json);
    if (err == HEED_OK)
        crypto_generichash(hash, HD_RECEIPT_HASH, (const uint8_t *)out->data + before,
                           out->len - before, NULL, 0);
    return err;
}

heed_err hd_receipt_key(const uint8_t seed[HD_RECEIPT_KEY], uint8_t out[HD_RECEIPT_KEY]) {
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(out, secret, seed);
    sodium_memzero(secret, sizeof secret);
    return HEED_OK;
}

// ── Verifying ──

static heed_err not_one(void) {
    return HD_FAIL(HEED_INPUT, "this is not a receipt of an erasure, or it was changed",
                   "这不是删除回执，或其内容已被改动");
}

static heed_err check_text(const json_t *json, hd_slice text) {
    hd_str again;
    hd_str_init(&again);
    heed_err err = write_text(json, &again);
    bool same = err == HEED_OK && again.len == text.n && memcmp(again.data, text.p, text.n) == 0;
    hd_str_clear(&again);
    if (err != HEED_OK) return err;
    return same ? HEED_OK : not_one();
}

static heed_err check_signature(json_t *json, const uint8_t *key) {
    uint8_t signature[crypto_sign_BYTES];
    hd_str text;
    if (!get_hex(json, "signature", signature, sizeof signature)) return not_one();
    hd_str_init(&text);
    heed_err err = to_be_signed(json, &text);
    bool good = err == HEED_OK && crypto_sign_verify_detached(signature, (const uint8_t *)text.data,
                                                              text.len, key) == 0;
    hd_str_clear(&text);
    if (err != HEED_OK) return err;
    return good ? HEED_OK : not_one();
}

static heed_err check(json_t *json, hd_slice text, const uint8_t *key) {
    uint8_t own[HD_RECEIPT_KEY];
    const char *format = json_string_value(json_object_get(json, "format"));
    if (!format || strcmp(format, FORMAT) != 0 || !get_hex(json, "key", own, sizeof own))
        return not_one();
    if (json_integer_value(json_object_get(json, "version")) != VERSION)
        return HD_FAIL(HEED_VERSION,
                       "the receipt was made by a newer heed: verify it with that one",
                       "回执由更新版本的 heed 生成：请用新版本验证");
    HD_TRY(check_text(json, text));
    HD_TRY(check_signature(json, own));
    if (!key || sodium_memcmp(key, own, sizeof own) == 0) return HEED_OK;
    return HD_FAIL(HEED_DENIED,
                   "the receipt is one piece, but it was signed with another workspace's key",
                   "回执本身完整，但由另一个工作区的密钥签名");
}

heed_err hd_receipt_verify(hd_slice text, const uint8_t *key, json_t **out) {
    json_t *json = NULL;
    heed_err err = hd_json_parse(text.p ? text.p : "", text.n, "receipt", &json);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) return not_one();
    err = check(json, text, key);
    if (err == HEED_OK)
        *out = json;
    else
        json_decref(json);
    return err;
}
