// SPDX-License-Identifier: Apache-2.0
//
// Key files from any bytes: keyring.json parsed, written again and opened under a fixed key; the
// text of a key file. The first byte chooses.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "privacy/keyring_own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_keyring(const char *text, size_t n) {
    static const uint8_t master[HD_KEY_BYTES] = {1, 2, 3};
    hd_keyfile file;
    hd_secrets *secrets;
    if (hd_keyfile_parse(text, n, "fuzz", &file) != HEED_OK) return;
    hd_str again = {0};
    // What is read is what would be written.
    if (hd_keyfile_text(&file, &again) == HEED_OK &&
        (again.len != n || memcmp(again.data, text, n) != 0)) {
        abort();
    }
    hd_str_clear(&again);
    if (hd_secrets_new(&secrets) != HEED_OK) return;
    if (hd_keyfile_open(&file, "fuzz", master, secrets) == HEED_OK &&
        (secrets->n_keys < 1 || secrets->n_keys > HD_KEYS_MAX)) {
        abort();
    }
    hd_secrets_free(secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t key[HD_KEY_BYTES];
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    if (data[0] % 4 == 0) {
        (void)!hd_master_parse(text, size - 1, "fuzz", key);
    } else {
        try_keyring(text, size - 1);
    }
    return 0;
}
