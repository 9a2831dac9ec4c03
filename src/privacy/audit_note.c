// SPDX-License-Identifier: Apache-2.0
//
// A checkpoint as text, in the form of C2SP's tlog-checkpoint and signed-note, so that tools for
// transparency logs can read and check it:
//
//     heed/audit/0f3c…                          origin: which log
//     1234                                      entries
//     7Wm…=                                     root of their tree, base64
//     time 2026-11-22T08:30:00Z                 an extension line
//                                               (empty line)
//     — heed/audit/0f3c… LeIS…=                 base64 of key id (4 bytes) and Ed25519 signature
//
// The signature is over all up to the line break before the empty line. The key id is the first
// four bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key). The form is read strictly: what is read
// and written again must be the same text, so that one checkpoint has one text.
#include <sodium.h>

#include "privacy/audit_own.h"

enum { KEY_ID = 4, SIGNATURE = 64, BASE64_MAX = 128 };

static void key_id(const char *origin, const uint8_t public_key[HD_SIGN_PUBLIC],
                   uint8_t out[KEY_ID]) {
    const uint8_t algorithm[2] = {'\n', 0x01};
    uint8_t hash[HD_HASH];
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)origin, strlen(origin));
    crypto_hash_sha256_update(&state, algorithm, sizeof algorithm);
    crypto_hash_sha256_update(&state, public_key, HD_SIGN_PUBLIC);
    crypto_hash_sha256_final(&state, hash);
    memcpy(out, hash, KEY_ID);
}

// Both parts end in a NUL; the room is enough for any origin. Return their length.
static size_t put_body(const hd_checkpoint *checkpoint, const char *origin,
                       char out[HD_CHECKPOINT_MAX]) {
    char time[32], root[BASE64_MAX];
    hd_time_format(checkpoint->time, NULL, time);
    sodium_bin2base64(root, sizeof root, checkpoint->root, HD_HASH, sodium_base64_VARIANT_ORIGINAL);
    return (size_t)hd_snprintf(out, HD_CHECKPOINT_MAX, "%s\n%llu\n%s\ntime %s\n", origin,
                               (unsigned long long)checkpoint->size, root, time);
}

static size_t put_signature(const char *origin, const uint8_t both[KEY_ID + SIGNATURE], char *out,
                            size_t n) {
    char text[BASE64_MAX];
    sodium_bin2base64(text, sizeof text, both, KEY_ID + SIGNATURE, sodium_base64_VARIANT_ORIGINAL);
    return (size_t)hd_snprintf(out, n, "\n— %s %s\n", origin, text);
}

heed_err hd_checkpoint_sign(const hd_checkpoint *checkpoint, const char *origin,
                            const uint8_t public_key[HD_SIGN_PUBLIC],
                            const uint8_t secret_key[HD_SIGN_SECRET], hd_str *out) {
    char text[HD_CHECKPOINT_MAX];
    uint8_t both[KEY_ID + SIGNATURE];
    size_t n = put_body(checkpoint, origin, text);
    key_id(origin, public_key, both);
    crypto_sign_detached(both + KEY_ID, NULL, (const uint8_t *)text, n, secret_key);
    n += put_signature(origin, both, text + n, sizeof text - n);
    hd_str_addn(out, text, n);
    return hd_str_check(out);
}

// ── Reading ──

static bool next_line(hd_slice *rest, hd_slice *line) {
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (!end) return false;
    *line = (hd_slice){rest->p, (size_t)(end - rest->p)};
    rest->p += line->n + 1;
    rest->n -= line->n + 1;
    return true;
}

static bool read_base64(hd_slice text, uint8_t *out, size_t n) {
    size_t got;
    return sodium_base642bin(out, n, text.p, text.n, NULL, &got, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == n;
}

static bool read_size(hd_slice line, uint64_t *out) {
    int64_t size;
    if (!hd_slice_i64(line, &size) || size < 0) return false;
    *out = (uint64_t)size;
    return true;
}

static bool read_time(hd_slice line, hd_time *out) {
    const hd_slice word = {line.p, 5};
    if (line.n <= word.n || !hd_slice_eq(word, "time ")) return false;
    return hd_time_parse((hd_slice){line.p + 5, line.n - 5}, HD_TIME_ISO, NULL, out);
}

// "— name base64"
static bool read_signature(hd_slice line, const char *origin, uint8_t out[KEY_ID + SIGNATURE]) {
    static const char dash[] = "— ";
    size_t head = sizeof dash - 1 + strlen(origin) + 1;
    if (line.n <= head || memcmp(line.p, dash, sizeof dash - 1) != 0) return false;
    if (memcmp(line.p + sizeof dash - 1, origin, strlen(origin)) != 0) return false;
    return line.p[head - 1] == ' ' &&
           read_base64((hd_slice){line.p + head, line.n - head}, out, KEY_ID + SIGNATURE);
}

// Writes what was read and compares: leading zeros, other forms of the time and the like fail.
static bool is_canonical(hd_slice text, const hd_checkpoint *checkpoint, const char *origin,
                         const uint8_t both[KEY_ID + SIGNATURE]) {
    char again[HD_CHECKPOINT_MAX];
    size_t n = put_body(checkpoint, origin, again);
    n += put_signature(origin, both, again + n, sizeof again - n);
    return n == text.n && memcmp(again, text.p, n) == 0;
}

bool hd_checkpoint_read(hd_slice text, const char *origin, const uint8_t public_key[HD_SIGN_PUBLIC],
                        hd_checkpoint *out, bool *form_ok) {
    hd_slice rest = text, line[6];
    uint8_t both[KEY_ID + SIGNATURE], id[KEY_ID];
    *form_ok = false;
    if (!text.p || text.n > HD_CHECKPOINT_MAX) return false;
    for (int i = 0; i < 6; i++)
        if (!next_line(&rest, &line[i])) return false;
    if (rest.n != 0 || !hd_slice_eq(line[0], origin) || line[4].n != 0) return false;
    if (!read_size(line[1], &out->size) || !read_base64(line[2], out->root, HD_HASH) ||
        !read_time(line[3], &out->time) || !read_signature(line[5], origin, both) ||
        !is_canonical(text, out, origin, both))
        return false;
    *form_ok = true;
    key_id(origin, public_key, id);
    size_t body = (size_t)(line[4].p - text.p);
    return memcmp(id, both, KEY_ID) == 0 &&
           crypto_sign_verify_detached(both + KEY_ID, (const uint8_t *)text.p, body, public_key) ==
               0;
}
