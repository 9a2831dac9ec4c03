// SPDX-License-Identifier: Apache-2.0
//
// Receipts of erasures: a JSON document, signed with Ed25519 by the workspace's key of the audit
// log, that says what was erased without saying whose it was. The text is exact: a receipt of which
// a single byte was changed, be it a blank, doesn't verify.
#ifndef HD_PRIVACY_RECEIPT_H
#define HD_PRIVACY_RECEIPT_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"
#include "privacy/rights.h"

enum {
    HD_RECEIPT_KEY = 32,
    HD_RECEIPT_PERSON = 16,
    HD_RECEIPT_WORKSPACE = 16,
    HD_RECEIPT_HASH = 32
};

typedef struct hd_receipt {
    const uint8_t *workspace; // (HD_RECEIPT_WORKSPACE)
    const uint8_t *person;    // (HD_RECEIPT_PERSON) the audit log's pseudonym
    hd_time time;
    hd_rights_counts removed;
} hd_receipt;

// Appends the receipt's text to out, and gives its hash. seed: the keyring's secret "audit".
heed_err hd_receipt_make(const hd_receipt *receipt, const uint8_t seed[HD_RECEIPT_KEY], hd_str *out,
                         uint8_t hash[HD_RECEIPT_HASH]) HEED_CHECK;
// The public key that a workspace signs with.
heed_err hd_receipt_key(const uint8_t seed[HD_RECEIPT_KEY], uint8_t out[HD_RECEIPT_KEY]) HEED_CHECK;
// HEED_INPUT: no receipt, or not as it was written; HEED_DENIED: signed with another key than `key`
// (NULL: the receipt's own, which shows only that it is one piece). *out: what it says.
heed_err hd_receipt_verify(hd_slice text, const uint8_t *key, json_t **out) HEED_CHECK;

#endif
