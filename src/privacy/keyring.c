// SPDX-License-Identifier: Apache-2.0
//
// The keyring's life: made, opened, closed; its secrets.
//
// Three floors of keys, so that what changes often costs little: the master key (a file or a
// passphrase) seals the workspace key and the named secrets; the workspace key seals a key per
// subject; those seal the data. A new passphrase rewrites one small file; a new workspace key
// rewrites that file and the subjects' keys; data is never sealed anew for either.
//
// keyring.json is written last when a keyring is made: where it stands, the rest does too.
#include <limits.h>
#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "privacy/keyring_own.h"

enum { KEYRING_MOST = 64 << 10 };

// Secrets that every keyring has. A newer heed may add some: they are made when first opened to
// write.
static const char *const secret_names[] = {"index", "audit", "api", "token", "ledger"};
enum { SECRETS = sizeof secret_names / sizeof secret_names[0] };

heed_err hd_keyring_path(const char *folder, const char *name, hd_arena *arena, char **out) {
    *out = hd_fs_join(arena, folder, name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(strlen(folder));
}

// Needs no memory: without it, keys that stand there would seem to be missing.
bool hd_keyring_exists(const char *folder) {
    char path[PATH_MAX];
    int n = hd_snprintf(path, sizeof path, "%s/keyring.json", folder);
    return n > 0 && n < (int)sizeof path && hd_fs_exists(path);
}

bool hd_keyring_locked(const hd_keyring *keyring) {
    return !keyring || !keyring->secrets;
}

heed_err hd_keyring_need(const hd_keyring *keyring) {
    if (!hd_keyring_locked(keyring)) return HEED_OK;
    if (keyring && keyring->reason == HD_LOCK_UNASKED) {
        return HD_FAIL(
            HEED_UNAVAILABLE,
            "the keys of this workspace need their passphrase: set HEED_PASSPHRASE, or "
            "run in a terminal, which asks for it",
            "此工作区的密钥需要口令：请设置 HEED_PASSPHRASE，或在终端中运行并按提示输入");
    }
    return HD_FAIL(
        HEED_UNAVAILABLE,
        "the keys of this workspace aren't here, and what is asked for is sealed: bring "
        "them with 'heed key import', or put its keys/ folder back",
        "此工作区的密钥不在这里，而所需的内容是加密的：请用“heed key import”导入，或放回 "
        "keys/ 文件夹");
}

heed_err hd_keyring_need_write(const hd_keyring *keyring) {
    HD_TRY(hd_keyring_need(keyring));
    if (keyring->write && keyring->subjects) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "the keys were opened to read, and this writes",
                   "密钥是以只读方式打开的，而此操作需要写入");
}

const uint8_t *hd_keyring_workspace(const hd_keyring *keyring) {
    return hd_keyring_locked(keyring) ? NULL : keyring->secrets->workspace;
}

// ── Secrets ──

static heed_err add_secret(hd_secrets *s, const char *name) {
    if (s->n_secrets == HD_SECRETS_MAX) {
        return HD_FAIL(HEED_INTERNAL, "no room for the secret '%s'", "没有存放密钥“%s”的位置",
                       name);
    }
    memcpy(s->secrets[s->n_secrets].name, name, strlen(name) + 1);
    randombytes_buf(s->secrets[s->n_secrets].key, HD_KEY_BYTES);
    s->n_secrets++;
    return HEED_OK;
}

static const uint8_t *find_secret(const hd_secrets *s, const char *name) {
    for (size_t i = 0; i < s->n_secrets; i++)
        if (strcmp(s->secrets[i].name, name) == 0) return s->secrets[i].key;
    return NULL;
}

heed_err hd_keyring_secret(hd_keyring *keyring, const char *name, uint8_t out[HD_KEY_BYTES]) {
    HD_TRY(hd_keyring_need(keyring));
    const uint8_t *key = find_secret(keyring->secrets, name);
    if (!key) {
        return HD_FAIL(HEED_DENIED,
                       "the keyring has no secret '%s' yet: any command that writes makes it",
                       "密钥环中还没有“%s”：任何写入命令都会创建它", name);
    }
    memcpy(out, key, HD_KEY_BYTES);
    return HEED_OK;
}

static heed_err add_missing_secrets(hd_keyring *keyring) {
    bool added = false;
    for (size_t i = 0; i < SECRETS; i++) {
        if (find_secret(keyring->secrets, secret_names[i])) continue;
        HD_TRY(add_secret(keyring->secrets, secret_names[i]));
        added = true;
    }
    return added ? hd_keyring_save(keyring, keyring->secrets) : HEED_OK;
}

// ── Workspace keys ──

static const uint8_t *find_key(const hd_secrets *s, uint32_t version) {
    for (size_t i = 0; i < s->n_keys; i++)
        if (s->keys[i].version == version) return s->keys[i].key;
    return NULL;
}

static heed_err read_keyfile(const char *folder, hd_keyfile *out);

// Another process rotated the key while this one was reading.
static heed_err read_again(hd_keyring *keyring) {
    hd_keyfile file;
    hd_secrets *fresh = NULL;
    HD_TRY(read_keyfile(keyring->folder, &file));
    HD_TRY(hd_secrets_new(&fresh));
    heed_err err = hd_keyfile_open(&file, "keyring.json", keyring->secrets->master, fresh);
    if (err == HEED_OK) {
        hd_secrets *old = keyring->secrets;
        keyring->secrets = fresh;
        fresh = old;
    }
    hd_secrets_free(fresh);
    return err;
}

heed_err hd_keyring_key(hd_keyring *keyring, uint32_t version, const uint8_t **out) {
    *out = find_key(keyring->secrets, version);
    if (*out) return HEED_OK;
    if (!keyring->write) HD_TRY(read_again(keyring));
    *out = find_key(keyring->secrets, version);
    if (*out) return HEED_OK;
    return HD_FAIL(HEED_CORRUPT,
                   "a person's key is sealed with version %u of the workspace key, which "
                   "keyring.json doesn't hold: both files must be of one time",
                   "某个用户的密钥由工作区密钥的第 %u 版加密，但 keyring.json 中没有该版本："
                   "两个文件必须来自同一时间",
                   version);
}

uint32_t hd_keyring_version(const hd_keyring *keyring) {
    return keyring->secrets->keys[keyring->secrets->n_keys - 1].version;
}

// ── Files ──

heed_err hd_keyring_save(const hd_keyring *keyring, const hd_secrets *secrets) {
    hd_keyfile file;
    hd_arena arena;
    hd_str text;
    char *path;
    hd_arena_init(&arena);
    hd_str_init(&text);
    heed_err err;
    HD_TRY_OUT(hd_keyring_path(keyring->folder, "keyring.json", &arena, &path));
    HD_TRY_OUT(hd_keyfile_seal(secrets, &file));
    HD_TRY_OUT(hd_keyfile_text(&file, &text));
    HD_TRY_OUT(hd_fs_write(path, text.data, text.len, 0600));
out:
    hd_str_clear(&text);
    hd_arena_clear(&arena);
    return err;
}

static heed_err read_keyfile(const char *folder, hd_keyfile *out) {
    hd_arena arena;
    hd_str text;
    char *path;
    hd_arena_init(&arena);
    hd_str_init(&text);
    heed_err err;
    HD_TRY_OUT(hd_keyring_path(folder, "keyring.json", &arena, &path));
    HD_TRY_OUT(hd_fs_private(folder));
    HD_TRY_OUT(hd_fs_private(path));
    HD_TRY_OUT(hd_fs_read(path, KEYRING_MOST, &text));
    HD_TRY_OUT(hd_keyfile_parse(hd_str_get(&text), text.len, path, out));
out:
    hd_str_clear(&text);
    hd_arena_clear(&arena);
    return err;
}

// ── Life ──

static heed_err keyring_new(const hd_keyring_params *params, hd_keyring **out) {
    hd_keyring *keyring = hd_calloc(1, sizeof *keyring);
    if (!keyring) return HD_FAIL_MEMORY(sizeof *keyring);
    keyring->folder = hd_strdup(params->folder);
    keyring->credential = params->credential ? hd_strdup(params->credential) : NULL;
    keyring->subjects = params->subjects;
    keyring->write = params->write;
    if (!keyring->folder || (params->credential && !keyring->credential)) {
        hd_keyring_close(keyring);
        return HD_FAIL_MEMORY(strlen(params->folder));
    }
    *out = keyring;
    return HEED_OK;
}

void hd_keyring_close(hd_keyring *keyring) {
    if (!keyring) return;
    hd_keyring_rollback(keyring);
    hd_secrets_free(keyring->secrets);
    hd_free(keyring->folder);
    hd_free(keyring->credential);
    hd_free(keyring);
}

static heed_err fill_fresh(hd_secrets *s) {
    randombytes_buf(s->workspace, sizeof s->workspace);
    randombytes_buf(s->master, sizeof s->master);
    s->n_keys = 1;
    s->keys[0].version = 1;
    randombytes_buf(s->keys[0].key, HD_KEY_BYTES);
    for (size_t i = 0; i < SECRETS; i++) HD_TRY(add_secret(s, secret_names[i]));
    return HEED_OK;
}

static heed_err create_files(hd_keyring *keyring) {
    hd_arena arena;
    char *path;
    hd_arena_init(&arena);
    heed_err err;
    HD_TRY_OUT(hd_fs_private(keyring->folder));
    HD_TRY_OUT(hd_secrets_new(&keyring->secrets));
    HD_TRY_OUT(fill_fresh(keyring->secrets));
    HD_TRY_OUT(hd_subjects_create(keyring));
    HD_TRY_OUT(hd_keyring_path(keyring->folder, "master.key", &arena, &path));
    HD_TRY_OUT(hd_master_write(path, keyring->secrets->master));
    HD_TRY_OUT(hd_keyring_save(keyring, keyring->secrets));
out:
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_keyring_create(const hd_keyring_params *params, hd_keyring **out) {
    *out = NULL;
    if (hd_keyring_exists(params->folder)) {
        return HD_FAIL(HEED_CONFLICT, "'%s' holds keys already", "“%s”中已有密钥", params->folder);
    }
    hd_keyring *keyring = NULL;
    HD_TRY(keyring_new(params, &keyring));
    heed_err err = create_files(keyring);
    if (err != HEED_OK) {
        hd_keyring_close(keyring);
        return err;
    }
    *out = keyring;
    return HEED_OK;
}

static heed_err check_workspace(const hd_keyring *keyring, const uint8_t *expected) {
    if (!expected || memcmp(keyring->secrets->workspace, expected, HD_WORKSPACE_ID_BYTES) == 0)
        return HEED_OK;
    return HD_FAIL(HEED_DENIED,
                   "the keys in '%s' belong to another workspace: put this one's there",
                   "“%s”中的密钥属于另一个工作区：请放入此工作区自己的密钥", keyring->folder);
}

// What a writer sets right: an interrupted change, secrets that a newer heed added.
static heed_err set_right(hd_keyring *keyring) {
    if (!keyring->write || !keyring->subjects) return HEED_OK;
    HD_TRY(hd_keyring_finish_rotation(keyring));
    return add_missing_secrets(keyring);
}

// Locked for want of a key, or of somebody to ask: not an error yet.
static heed_err lock_for(hd_keyring *keyring, const hd_keyfile *file) {
    hd_secrets_free(keyring->secrets);
    keyring->secrets = NULL;
    keyring->reason = file && file->passphrase ? HD_LOCK_UNASKED : HD_LOCK_ABSENT;
    return HEED_OK;
}

static heed_err open_files(hd_keyring *keyring, const hd_keyring_params *params) {
    hd_keyfile file;
    if (!hd_keyring_exists(params->folder)) return lock_for(keyring, NULL);
    HD_TRY(read_keyfile(params->folder, &file));
    HD_TRY(hd_secrets_new(&keyring->secrets));
    heed_err err = hd_master_open(params, &file, keyring->secrets);
    if (err == HEED_NOT_FOUND) return lock_for(keyring, &file);
    HD_TRY(err);
    HD_TRY(check_workspace(keyring, params->workspace));
    if (keyring->subjects) HD_TRY(hd_subjects_check(keyring));
    return set_right(keyring);
}

heed_err hd_keyring_open(const hd_keyring_params *params, hd_keyring **out) {
    *out = NULL;
    hd_keyring *keyring = NULL;
    HD_TRY(keyring_new(params, &keyring));
    heed_err err = open_files(keyring, params);
    if (err != HEED_OK) {
        hd_keyring_close(keyring);
        return err;
    }
    *out = keyring;
    return HEED_OK;
}
