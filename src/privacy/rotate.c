// SPDX-License-Identifier: Apache-2.0
//
// Changing keys, so that a stop anywhere leaves a keyring that opens.
//
// The workspace key: keyring.json with the old and the new one; the subjects' keys sealed anew, in
// one transaction; keyring.json with the new one alone. Stopped after the first step, the next
// opening to write goes on from there.
//
// The master key: keyring.json is one file and changes whole; a key file is written aside first and
// takes its place last (master.c tells how either is found).
#include <sodium.h>

#include "base/fs.h"
#include "privacy/keyring_own.h"
#include "privacy/keyring_care.h"

// The secrets as they will be; hd_secrets_free.
static heed_err copy_secrets(const hd_secrets *from, hd_secrets **out) {
    HD_TRY(hd_secrets_new(out));
    memcpy(*out, from, sizeof *from);
    return HEED_OK;
}

// Saves the secrets and takes them in place of those that stood; releases what is left either way.
static heed_err put_in_force(hd_keyring *keyring, hd_secrets *fresh) {
    heed_err err = hd_keyring_save(keyring, fresh);
    if (err == HEED_OK) {
        hd_secrets *old = keyring->secrets;
        keyring->secrets = fresh;
        fresh = old;
    }
    hd_secrets_free(fresh);
    return err;
}

static heed_err need_quiet(const hd_keyring *keyring) {
    HD_TRY(hd_keyring_need_write(keyring));
    if (!keyring->pending) return HEED_OK;
    return HD_FAIL(HEED_INTERNAL, "keys are changed between transactions, not within one",
                   "只能在事务之间更换密钥");
}

// ── The workspace key ──

static heed_err add_key(hd_keyring *keyring) {
    hd_secrets *s;
    HD_TRY(copy_secrets(keyring->secrets, &s));
    s->keys[1].version = s->keys[0].version + 1;
    randombytes_buf(s->keys[1].key, HD_KEY_BYTES);
    s->n_keys = 2;
    return put_in_force(keyring, s);
}

static heed_err drop_old_key(hd_keyring *keyring) {
    hd_secrets *s;
    HD_TRY(copy_secrets(keyring->secrets, &s));
    s->keys[0] = s->keys[1];
    sodium_memzero(&s->keys[1], sizeof s->keys[1]);
    s->n_keys = 1;
    return put_in_force(keyring, s);
}

heed_err hd_keyring_finish_rotation(hd_keyring *keyring) {
    if (keyring->secrets->n_keys == 1) return HEED_OK;
    HD_TRY(hd_subjects_rewrap(keyring));
    return drop_old_key(keyring);
}

heed_err hd_keyring_rotate(hd_keyring *keyring) {
    HD_TRY(need_quiet(keyring));
    HD_TRY(hd_keyring_finish_rotation(keyring));
    HD_TRY(add_key(keyring));
    return hd_keyring_finish_rotation(keyring);
}

// ── The master key ──

heed_err hd_keyring_use_passphrase(hd_keyring *keyring, const hd_passphrase *passphrase) {
    hd_secrets *s = NULL;
    hd_str text;
    HD_TRY(need_quiet(keyring));
    hd_str_init(&text);
    heed_err err;
    HD_TRY_OUT(hd_master_ask_fresh(passphrase, &text));
    HD_TRY_OUT(copy_secrets(keyring->secrets, &s));
    s->passphrase = true;
    s->kdf = hd_kdf_fresh();
    HD_TRY_OUT(hd_kdf_run(&s->kdf, &text, s->master));
    err = put_in_force(keyring, s);
    s = NULL;
    if (err == HEED_OK) err = hd_master_tidy(keyring->folder, true);
out:
    hd_secret_text_clear(&text);
    hd_secrets_free(s);
    return err;
}

static heed_err replace_key_file(hd_keyring *keyring, hd_secrets *s, hd_arena *arena) {
    char *path, *aside;
    heed_err err = hd_keyring_path(keyring->folder, "master.key", arena, &path);
    if (err == HEED_OK) err = hd_keyring_path(keyring->folder, "master.key.new", arena, &aside);
    if (err == HEED_OK) err = hd_master_write(aside, s->master);
    if (err != HEED_OK) {
        hd_secrets_free(s);
        return err;
    }
    HD_TRY(put_in_force(keyring, s));
    // written anew, not renamed: after a power cut one of the two stands, whatever became of names
    HD_TRY(hd_master_write(path, keyring->secrets->master));
    return hd_fs_remove(aside);
}

heed_err hd_keyring_use_key_file(hd_keyring *keyring) {
    hd_secrets *s;
    HD_TRY(need_quiet(keyring));
    if (keyring->credential && hd_fs_exists(keyring->credential)) {
        return HD_FAIL(HEED_UNAVAILABLE,
                       "the master key is a credential of the system ('%s'): heed can't replace it",
                       "主密钥是系统凭据（“%s”）：heed 无法替换它", keyring->credential);
    }
    HD_TRY(copy_secrets(keyring->secrets, &s));
    s->passphrase = false;
    s->kdf = (hd_kdf){0};
    randombytes_buf(s->master, HD_KEY_BYTES);
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = replace_key_file(keyring, s, &arena);
    hd_arena_clear(&arena);
    return err;
}

bool hd_keyring_has_passphrase(const hd_keyring *keyring) {
    return !hd_keyring_locked(keyring) && keyring->secrets->passphrase;
}
