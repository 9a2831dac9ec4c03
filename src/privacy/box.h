// SPDX-License-Identifier: Apache-2.0
//
// A sealed value: 24 random bytes of nonce, then XChaCha20-Poly1305 of the bytes. What it belongs
// to (whose, where) is associated data: a box that was moved or changed doesn't open.
#ifndef HD_PRIVACY_BOX_H
#define HD_PRIVACY_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HD_BOX_KEY = 32, HD_BOX_NONCE = 24, HD_BOX_TAG = 16, HD_BOX_EXTRA = 24 + 16 };

// Associated data, gathered in a fixed buffer: labels with a zero byte behind, numbers in 8 bytes,
// little-endian.
enum { HD_BOX_ABOUT = 96 };
typedef struct hd_box_about {
    uint8_t bytes[HD_BOX_ABOUT];
    size_t n;
} hd_box_about;
void hd_box_about_bytes(hd_box_about *about, const void *bytes, size_t n);
void hd_box_about_label(hd_box_about *about, const char *label);
void hd_box_about_number(hd_box_about *about, uint64_t number);

// Seals n bytes into out, which has room for n + HD_BOX_EXTRA.
void hd_box_seal(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const void *plain,
                 size_t n, uint8_t *out);
// The same under a nonce that the caller promises never to use twice with this key.
void hd_box_seal_with(const uint8_t key[HD_BOX_KEY], const hd_box_about *about,
                      const uint8_t nonce[HD_BOX_NONCE], const void *plain, size_t n, uint8_t *out);
// Opens n bytes into out, which has room for n - HD_BOX_EXTRA; false: not sealed by that key for
// that place.
bool hd_box_open(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const uint8_t *box,
                 size_t n, void *out) __attribute__((warn_unused_result));

// A tag of 16 bytes over bytes that stay readable, bound to what they belong to.
void hd_box_tag(const uint8_t key[HD_BOX_KEY], const hd_box_about *about, const void *data,
                size_t n, uint8_t out[HD_BOX_TAG]);

// A key or a tag from a key and what it is for: BLAKE2b keyed by `key`, personalised by `purpose`
// (at most 16 bytes). n: bytes of `out`, 16 to 64.
void hd_box_hash(const uint8_t key[HD_BOX_KEY], const char *purpose, const void *data,
                 size_t data_n, uint8_t *out, size_t n);

#endif
