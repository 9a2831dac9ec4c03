// SPDX-License-Identifier: Apache-2.0
//
// Looking after a keyring: new keys, another passphrase, copies. For workspace/.
#ifndef HD_PRIVACY_KEYRING_CARE_H
#define HD_PRIVACY_KEYRING_CARE_H

#include "privacy/keyring.h"

// A new workspace key: the subjects' keys are sealed with it, data isn't touched. Interrupted, it
// is finished by the next opening to write.
heed_err hd_keyring_rotate(hd_keyring *keyring) HEED_CHECK;
// From now on a passphrase opens the keyring, asked for by `fresh`; the key file goes.
heed_err hd_keyring_use_passphrase(hd_keyring *keyring, const hd_passphrase *passphrase) HEED_CHECK;
// From now on a new random key file does. HEED_UNAVAILABLE where the key is the system's.
heed_err hd_keyring_use_key_file(hd_keyring *keyring) HEED_CHECK;
bool hd_keyring_has_passphrase(const hd_keyring *keyring); // false when locked

// Writes all keys, ledger and marks into one file under a passphrase of its own. Persons who come
// later aren't in it: make one after every backup. mode 0600.
heed_err hd_keyring_export(hd_keyring *keyring, const char *path,
                           const hd_passphrase *passphrase) HEED_CHECK;
// Fills an empty folder with what hd_keyring_export wrote; params: the folder, an empty subjects
// database, write; params->workspace, if any, must be the file's; params->passphrase opens the
// file. The keys then stand under a new key file. keyring.json is written last.
heed_err hd_keyring_import(const hd_keyring_params *params, const char *path) HEED_CHECK;

#endif
