// SPDX-License-Identifier: Apache-2.0
//
// The text of a key and the hash that is stored of it.
//
// Base32 (RFC 4648, section 6) in lower case without padding: no character that one confuses when
// reading aloud but for what the alphabet leaves out already (0, 1, 8, 9), a double click takes the
// whole, and the prefix lets scanners of source code find keys that were committed by mistake. 32
// bytes are 51 characters and one bit: the last character is 'a' or 'q', anything else would be a
// second spelling of the same bits and is refused.
//
// The text is hashed as it is, never decoded: there is nothing to look up in a table by a secret.
// A password hash (Argon2id) is of no use here: 256 random bits can't be guessed, and every request
// pays for it.
#include <sodium.h>

#include "access/key.h"

static const char prefix[] = "heed_";
static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
enum { PREFIX = sizeof prefix - 1, ID_BYTES = 5, SECRET_BYTES = 32 };

// out: ceil(8 n / 5) characters, not terminated.
static void base32(const uint8_t *bytes, size_t n, char *out) {
    unsigned held = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        held = (held << 8 | bytes[i]) & 0xfff;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *out++ = digits[held >> bits & 31];
        }
    }
    if (bits > 0) *out = digits[held << (5 - bits) & 31];
}

heed_err hd_key_draw(hd_presented *out) {
    if (sodium_init() < 0)
        return HD_FAIL(HEED_FAILED, "the system gives no random numbers: a key can't be made",
                       "系统无法提供随机数：无法创建密钥");
    uint8_t id[ID_BYTES], secret[SECRET_BYTES];
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    *out = (hd_presented){{0}};
    base32(id, sizeof id, out->id);
    base32(secret, sizeof secret, out->secret);
    sodium_memzero(secret, sizeof secret);
    return HEED_OK;
}

void hd_key_write(const hd_presented *key, char text[HD_KEY_TEXT + 1]) {
    memcpy(text, prefix, PREFIX);
    memcpy(text + PREFIX, key->id, HD_KEY_ID);
    text[PREFIX + HD_KEY_ID] = '_';
    memcpy(text + PREFIX + HD_KEY_ID + 1, key->secret, HD_KEY_SECRET);
    text[HD_KEY_TEXT] = '\0';
}

// 1 when c is no digit of base32, without a branch on it.
static unsigned no_digit(char c) {
    unsigned u = (unsigned char)c;
    unsigned letter = (u - 'a') < 26u;
    unsigned number = (u - '2') < 6u;
    return 1u ^ (letter | number);
}

bool hd_key_parse(hd_slice text, hd_presented *out) {
    *out = (hd_presented){{0}};
    if (text.n != HD_KEY_TEXT) return false;
    const char *id = text.p + PREFIX, *secret = id + HD_KEY_ID + 1;
    unsigned bad = sodium_memcmp(text.p, prefix, PREFIX) != 0;
    bad |= id[HD_KEY_ID] != '_';
    for (size_t i = 0; i < HD_KEY_ID; i++) bad |= no_digit(id[i]);
    for (size_t i = 0; i < HD_KEY_SECRET; i++) bad |= no_digit(secret[i]);
    char last = secret[HD_KEY_SECRET - 1];
    bad |= (unsigned)(last != 'a') & (unsigned)(last != 'q');
    if (bad) return false;
    memcpy(out->id, id, HD_KEY_ID);
    memcpy(out->secret, secret, HD_KEY_SECRET);
    return true;
}

void hd_presented_clear(hd_presented *presented) {
    sodium_memzero(presented, sizeof *presented);
}

static void put_le(uint8_t *out, uint64_t value, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(value >> 8 * i);
}

// Every field has one length, so no two keys are hashed from the same bytes.
void hd_key_hash(const uint8_t secret[HD_API_SECRET], const hd_presented *presented,
                 unsigned scopes, hd_time expires, uint8_t out[HD_KEY_HASH]) {
    uint8_t bytes[HD_KEY_ID + HD_KEY_SECRET + 4 + 8];
    memcpy(bytes, presented->id, HD_KEY_ID);
    memcpy(bytes + HD_KEY_ID, presented->secret, HD_KEY_SECRET);
    put_le(bytes + HD_KEY_ID + HD_KEY_SECRET, scopes, 4);
    put_le(bytes + HD_KEY_ID + HD_KEY_SECRET + 4, (uint64_t)expires, 8);
    crypto_generichash(out, HD_KEY_HASH, bytes, sizeof bytes, secret, HD_API_SECRET);
    sodium_memzero(bytes, sizeof bytes);
}
