// SPDX-License-Identifier: Apache-2.0
//
// The master key: 32 random bytes in a file of their own, or what Argon2id (RFC 9106) makes of a
// passphrase. The costs stand in keyring.json, so that they can grow; they are bounded, because
// that file may be a stranger's.
//
// A key file is replaced in three steps, each of which leaves something that opens: the new key is
// written aside (master.key.new), keyring.json is sealed by it, it is written in the old one's
// place. So where master.key doesn't fit, the one aside is tried.
#include <sodium.h>

#include "base/fs.h"
#include "privacy/keyring_own.h"

enum {
    KEY_TEXT = 2 * HD_KEY_BYTES + 1, // with its line end
    PASSPHRASE_LEAST = 12,           // bytes
    STACK_USED = 1 << 17,            // what reading a file may leave there
};
static const uint64_t MEMORY_LEAST = UINT64_C(8) << 20, MEMORY_MOST = UINT64_C(1) << 30;
static const uint64_t OPS_MOST = 16;

// ── Passphrases ──

hd_kdf hd_kdf_fresh(void) {
    hd_kdf kdf = {.ops = 3, .memory = UINT64_C(64) << 20};
    randombytes_buf(kdf.salt, sizeof kdf.salt);
    return kdf;
}

heed_err hd_kdf_run(const hd_kdf *kdf, const hd_str *passphrase, uint8_t out[HD_KEY_BYTES]) {
    if (kdf->ops < 1 || kdf->ops > OPS_MOST || kdf->memory < MEMORY_LEAST ||
        kdf->memory > MEMORY_MOST) {
        return HD_FAIL(HEED_CORRUPT,
                       "the costs of the passphrase are out of bounds: the key file was changed",
                       "口令派生参数超出范围：密钥文件已被改动");
    }
    int rc = crypto_pwhash(out, HD_KEY_BYTES, hd_str_get(passphrase), passphrase->len, kdf->salt,
                           kdf->ops, (size_t)kdf->memory, crypto_pwhash_ALG_ARGON2ID13);
    return rc == 0 ? HEED_OK : HD_FAIL_MEMORY((size_t)kdf->memory);
}

void hd_secret_text_clear(hd_str *text) {
    if (text->data) sodium_memzero(text->data, text->cap);
    hd_str_clear(text);
}

static heed_err ask(const hd_passphrase *passphrase, bool fresh, hd_str *out) {
    if (!passphrase->ask) {
        return HD_FAIL(HEED_NOT_FOUND, "nobody can be asked for the passphrase", "无法询问口令");
    }
    HD_TRY(passphrase->ask(passphrase->ctx, fresh, out));
    return hd_str_check(out);
}

heed_err hd_master_ask_fresh(const hd_passphrase *passphrase, hd_str *out) {
    HD_TRY(ask(passphrase, true, out));
    if (out->len >= PASSPHRASE_LEAST) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "a passphrase has at least %d bytes: choose a longer one",
                   "口令至少需要 %d 个字节：请换一个更长的", PASSPHRASE_LEAST);
}

static heed_err open_by_passphrase(const hd_keyring_params *params, const hd_keyfile *file,
                                   const char *name, hd_secrets *out) {
    hd_str text;
    uint8_t master[HD_KEY_BYTES];
    hd_str_init(&text);
    heed_err err = ask(&params->passphrase, false, &text);
    if (err == HEED_OK) err = hd_kdf_run(&file->kdf, &text, master);
    hd_secret_text_clear(&text);
    if (err == HEED_OK) err = hd_keyfile_open(file, name, master, out);
    sodium_memzero(master, sizeof master);
    return err;
}

// ── Key files ──

heed_err hd_master_parse(const char *text, size_t n, const char *name, uint8_t out[HD_KEY_BYTES]) {
    size_t got = 0;
    if (n > 0 && text[n - 1] == '\n') n--;
    if (n == KEY_TEXT - 1 && sodium_hex2bin(out, HD_KEY_BYTES, text, n, NULL, &got, NULL) == 0 &&
        got == HD_KEY_BYTES) {
        return HEED_OK;
    }
    return HD_FAIL(HEED_CORRUPT, "'%s' is no key: 64 hexadecimal digits are expected",
                   "“%s”不是密钥：应为 64 位十六进制数字", name);
}

heed_err hd_master_write(const char *path, const uint8_t master[HD_KEY_BYTES]) {
    char text[KEY_TEXT + 1];
    sodium_bin2hex(text, sizeof text, master, HD_KEY_BYTES);
    text[KEY_TEXT - 1] = '\n';
    heed_err err = hd_fs_write(path, text, KEY_TEXT, 0600);
    sodium_memzero(text, sizeof text);
    return err;
}

static heed_err read_key(const char *path, uint8_t out[HD_KEY_BYTES]) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, 4096, &text);
    if (err == HEED_OK) err = hd_master_parse(hd_str_get(&text), text.len, path, out);
    hd_secret_text_clear(&text);
    sodium_stackzero(STACK_USED);
    return err;
}

// A credential's file is guarded by its folder, and its mode is the system's business.
static heed_err open_by_file(const char *path, bool private_mode, const hd_keyfile *file,
                             const char *name, hd_secrets *out) {
    uint8_t master[HD_KEY_BYTES];
    if (private_mode) HD_TRY(hd_fs_private(path));
    heed_err err = read_key(path, master);
    if (err == HEED_OK) err = hd_keyfile_open(file, name, master, out);
    sodium_memzero(master, sizeof master);
    return err;
}

static heed_err open_in_folder(const hd_keyring_params *params, const hd_keyfile *file,
                               const char *name, hd_arena *arena, hd_secrets *out) {
    char *path, *aside;
    HD_TRY(hd_keyring_path(params->folder, "master.key", arena, &path));
    HD_TRY(hd_keyring_path(params->folder, "master.key.new", arena, &aside));
    bool stands = hd_fs_exists(path), has_aside = hd_fs_exists(aside);
    if (!stands && !has_aside) {
        return HD_FAIL(HEED_NOT_FOUND, "there is no '%s'", "没有“%s”", path);
    }
    heed_err err = stands ? open_by_file(path, true, file, name, out) : HEED_DENIED;
    if (err != HEED_DENIED || !has_aside) return err;
    HD_TRY(open_by_file(aside, true, file, name, out));
    return params->write ? hd_master_write(path, out->master) : HEED_OK; // tidied by the caller
}

heed_err hd_master_tidy(const char *folder, bool passphrase) {
    static const char *const names[] = {"master.key.new", "master.key"};
    hd_arena arena;
    char *path;
    hd_arena_init(&arena);
    heed_err err = HEED_OK;
    for (int i = 0; i < (passphrase ? 2 : 1) && err == HEED_OK; i++) {
        err = hd_keyring_path(folder, names[i], &arena, &path);
        if (err == HEED_OK && hd_fs_exists(path)) err = hd_fs_remove(path);
    }
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_master_open(const hd_keyring_params *params, const hd_keyfile *file, hd_secrets *out) {
    hd_arena arena;
    char *name;
    hd_arena_init(&arena);
    heed_err err = hd_keyring_path(params->folder, "keyring.json", &arena, &name);
    if (err != HEED_OK) {
        // nothing more
    } else if (file->passphrase) {
        err = open_by_passphrase(params, file, name, out);
    } else if (params->credential && hd_fs_exists(params->credential)) {
        err = open_by_file(params->credential, false, file, name, out);
    } else {
        err = open_in_folder(params, file, name, &arena, out);
    }
    if (err == HEED_OK && params->write) err = hd_master_tidy(params->folder, file->passphrase);
    hd_arena_clear(&arena);
    return err;
}
