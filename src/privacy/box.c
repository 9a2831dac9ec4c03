// SPDX-License-Identifier: Apache-2.0
//
// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) because 24 bytes of nonce may be drawn at random:
// two equal ones among 2^64 are as likely as 2^-64. It isn't key-committing: somebody who knows
// both keys can make a box that opens under either. Nobody who isn't trusted chooses keys here.
//
// Rejected: AES-GCM (nonces of 12 bytes can't be random, and it is slow without AES instructions),
// deterministic sealing (equal values would show).
#include "privacy/box.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(HD_BOX_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(HD_BOX_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(HD_BOX_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");

void hd_box_about_bytes(hd_box_about *about, const void *bytes, size_t n) {
    assert(n <= sizeof about->bytes - about->n); // labels are literals: heed's own mistake
    memcpy(about->bytes + about->n, bytes, n);
    about->n += n;
}

void hd_box_about_label(hd_box_about *about, const char *label) {
    hd_box_about_bytes(about, label, strlen(label) + 1);
}

void hd_box_about_number(hd_box_about *about, uint64_t number) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(number >> (8 * i));
    hd_box_about_bytes(about, bytes, sizeof bytes);
}

void hd_box_seal_with(const uint8_t key[HD_BOX_KEY], const hd_box_about *about,
                      const uint8_t nonce[HD_BOX_NONCE], const void *plain, size_t n,
                      uint8_t *out) {
    memcpy(out, nonce, HD_BOX_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + HD_BOX_NONCE, NULL, plain, n, about->bytes,
                                               about->n, NULL, nonce, key);
}

void hd_box_seal(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const void *plain,
                 size_t n, uint8_t *out) {
    uint8_t nonce[HD_BOX_NONCE];
    randombytes_buf(nonce, sizeof nonce);
    hd_box_seal_with(key, about, nonce, plain, n, out);
}

bool hd_box_open(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const uint8_t *box,
                 size_t n, void *out) {
    if (n < HD_BOX_EXTRA) return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, box + HD_BOX_NONCE,
                                                      n - HD_BOX_NONCE, about->bytes, about->n, box,
                                                      key) == 0;
}

void hd_box_tag(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const void *data,
                size_t n, uint8_t out[HD_BOX_TAG]) {
    static const uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = {0};
    static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "plain value tag";
    crypto_generichash_blake2b_state state;
    uint8_t length = (uint8_t)about->n;
    crypto_generichash_blake2b_init_salt_personal(&state, key, HD_BOX_KEY, HD_BOX_TAG, salt,
                                                  personal);
    crypto_generichash_blake2b_update(&state, &length, 1);
    crypto_generichash_blake2b_update(&state, about->bytes, about->n);
    crypto_generichash_blake2b_update(&state, data, n);
    crypto_generichash_blake2b_final(&state, out, HD_BOX_TAG);
    sodium_memzero(&state, sizeof state);
}

void hd_box_hash(const uint8_t key[HD_BOX_KEY], const char *purpose, const void *data,
                 size_t data_n, uint8_t *out, size_t n) {
    uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = {0};
    uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    size_t purpose_n = strlen(purpose);
    if (purpose_n > sizeof personal) purpose_n = sizeof personal;
    memcpy(personal, purpose, purpose_n);
    crypto_generichash_blake2b_salt_personal(out, n, data, data_n, key, HD_BOX_KEY, salt, personal);
}
