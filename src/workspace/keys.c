// SPDX-License-Identifier: Apache-2.0
//
// Where a workspace's keys stand. The folder is made by the first writer of a database that no keys
// belong to yet; once the database says whose keys seal it (privacy.workspace), none are ever made
// again, so that losing the folder is noticed and not papered over.
//
// A keyring that can't be opened for want of keys or a passphrase leaves the workspace usable for
// what needs none: counts, the catalogue, models. Anything wrong with keys that are there is an
// error at once.
#include "workspace/keys.h"

#include <limits.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/mem.h"
#include "workspace/auditing.h"

enum { SUBJECTS_CACHE = 4 << 20, PASSPHRASE_MOST = 4096 };
static const char NOTE[] = "imported"; // among keys that came in and aren't in the log yet

// ── Places ──

// The last part of the folder's real path: "shop" for "./shop/" and for "." inside of it.
static heed_err name_of(const char *workspace, hd_arena *arena, const char **out) {
    char real[PATH_MAX];
    if (!realpath(workspace, real))
        return HD_FAIL(HEED_IO, "can't find '%s'", "找不到“%s”", workspace);
    const char *slash = strrchr(real, '/');
    *out = hd_arena_strdup(arena, slash && slash[1] ? slash + 1 : "root");
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

heed_err hd_keys_folder(const char *workspace, const hd_settings *settings, hd_arena *arena,
                        char **out) {
    const char *base = hd_settings_text(settings, "keys.folder"), *name = "keys";
    if (base[0]) HD_TRY(name_of(workspace, arena, &name));
    *out = hd_fs_join(arena, base[0] ? base : workspace, name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// "$CREDENTIALS_DIRECTORY/heed-<name>.key", as systemd's LoadCredential= puts it there; NULL.
static heed_err credential_of(const char *workspace, hd_arena *arena, const char **out) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY"), *name;
    *out = NULL;
    if (!folder || !folder[0]) return HEED_OK;
    HD_TRY(name_of(workspace, arena, &name));
    *out = hd_arena_printf(arena, "%s/heed-%s.key", folder, name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err subjects_path(const char *folder, hd_arena *arena, char **out) {
    *out = hd_fs_join(arena, folder, "subjects.db");
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// ── Passphrases ──

static heed_err first_line(const char *text, size_t n, hd_str *out) {
    hd_str_addn(out, text, n);
    return hd_str_check(out);
}

heed_err hd_keys_read_passphrase(const char *path, hd_str *out) {
    hd_str text;
    hd_str_init(&text);
    HD_TRY(hd_fs_private(path));
    heed_err err = hd_fs_read(path, PASSPHRASE_MOST, &text);
    if (err == HEED_OK)
        err = first_line(hd_str_get(&text), strcspn(hd_str_get(&text), "\r\n"), out);
    if (text.data) sodium_memzero(text.data, text.cap);
    hd_str_clear(&text);
    return err;
}

heed_err hd_keys_ask(void *ctx, bool fresh, hd_str *out) {
    const hd_keys_asking *asking = ctx;
    const char *given = getenv(fresh ? "HEED_NEW_PASSPHRASE" : "HEED_PASSPHRASE");
    const char *file = hd_settings_text(asking->settings, "keys.passphrase_file");
    if (given && given[0]) return first_line(given, strlen(given), out);
    if (!fresh && file[0]) return hd_keys_read_passphrase(file, out);
    if (asking->terminal.ask) return asking->terminal.ask(asking->terminal.ctx, fresh, out);
    return HD_FAIL(HEED_NOT_FOUND,
                   "a passphrase is needed and nobody can be asked: set %s, or run in a terminal",
                   "需要口令，但无人可询问：请设置 %s，或在终端中运行",
                   fresh ? "HEED_NEW_PASSPHRASE" : "HEED_PASSPHRASE");
}

// ── Opening ──

static heed_err open_subjects(heed_workspace *ws, const char *folder, hd_store_mode mode,
                              hd_arena *arena) {
    char *path;
    HD_TRY(subjects_path(folder, arena, &path));
    if (mode == HD_STORE_READ && !hd_fs_exists(path)) return HEED_OK;
    if (mode == HD_STORE_WRITE && !hd_fs_exists(path)) {
        return HD_FAIL(HEED_DENIED,
                       "'%s' is missing beside keyring.json: put the whole folder back, or bring "
                       "the keys with 'heed key import'",
                       "keyring.json 旁缺少“%s”：请放回整个文件夹，或用“heed key import”导入密钥",
                       path);
    }
    return hd_store_open(path, mode, SUBJECTS_CACHE, NULL, &ws->subjects);
}

// What a creation that was interrupted left: without keyring.json nothing of it can be opened.
static heed_err clear_remains(const char *folder, hd_arena *arena) {
    static const char *const names[] = {"subjects.db", "subjects.db-wal", "subjects.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = hd_fs_join(arena, folder, names[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        if (hd_fs_exists(path)) HD_TRY(hd_fs_remove(path));
    }
    return HEED_OK;
}

static heed_err create(heed_workspace *ws, hd_keyring_params *params, hd_arena *arena) {
    HD_TRY(hd_fs_mkdirs(params->folder, 0700));
    HD_TRY(clear_remains(params->folder, arena));
    HD_TRY(open_subjects(ws, params->folder, HD_STORE_CREATE, arena));
    params->subjects = ws->subjects;
    return hd_keyring_create(params, &ws->keyring);
}

static heed_err open_existing(heed_workspace *ws, hd_keyring_params *params, hd_arena *arena) {
    if (hd_keyring_exists(params->folder)) {
        HD_TRY(open_subjects(ws, params->folder, params->write ? HD_STORE_WRITE : HD_STORE_READ,
                             arena));
    }
    params->subjects = ws->subjects;
    return hd_keyring_open(params, &ws->keyring);
}

heed_err hd_keys_open(heed_workspace *ws, hd_arena *arena, hd_passphrase passphrase) {
    uint8_t workspace[HD_WORKSPACE_ID_BYTES];
    bool bound;
    char *folder;
    hd_keys_asking asking = {ws->settings, passphrase};
    hd_keyring_params params = {.passphrase = {hd_keys_ask, &asking},
                                .write = ws->mode == HEED_WRITE};
    HD_TRY(hd_keys_folder(ws->folder, ws->settings, arena, &folder));
    HD_TRY(credential_of(ws->folder, arena, &params.credential));
    HD_TRY(hd_privacy_workspace(ws->store, workspace, &bound));
    params.folder = folder;
    params.workspace = bound ? workspace : NULL;
    if (params.write && !bound && !hd_keyring_exists(folder)) return create(ws, &params, arena);
    return open_existing(ws, &params, arena);
}

void hd_keys_close(heed_workspace *ws) {
    hd_keyring_close(ws->keyring);
    hd_store_close(ws->subjects);
    ws->keyring = NULL;
    ws->subjects = NULL;
}

// ── Bringing keys ──

// Whose keys the workspace's database is sealed with.
static heed_err workspace_id(const char *workspace, hd_arena *arena,
                             uint8_t out[HD_WORKSPACE_ID_BYTES], bool *bound) {
    hd_store *store;
    char *db = hd_fs_join(arena, workspace, "heed.db");
    *bound = false;
    if (!db) return HD_FAIL_MEMORY(0);
    if (!hd_fs_exists(db)) return HEED_OK;
    HD_TRY(hd_store_open(db, HD_STORE_READ, SUBJECTS_CACHE, NULL, &store));
    heed_err err = hd_privacy_workspace(store, out, bound);
    hd_store_close(store);
    return err;
}

static heed_err unpack(hd_keyring_params *params, const char *path, hd_arena *arena) {
    char *db;
    hd_store *subjects;
    HD_TRY(subjects_path(params->folder, arena, &db));
    HD_TRY(hd_store_open(db, HD_STORE_CREATE, SUBJECTS_CACHE, NULL, &subjects));
    params->subjects = subjects;
    heed_err err = hd_keyring_import(params, path);
    if (err == HEED_OK) err = hd_store_checkpoint(subjects);
    hd_store_close(subjects);
    return err;
}

// Unpacked beside its place and renamed into it, with a note that this isn't recorded yet: before,
// nobody could write into the log.
static heed_err import_into(const char *workspace, const char *folder, const char *path,
                            hd_passphrase passphrase, hd_arena *arena) {
    uint8_t id[HD_WORKSPACE_ID_BYTES];
    bool bound;
    char *aside = hd_arena_printf(arena, "%s.new", folder);
    hd_keyring_params params = {.folder = aside, .passphrase = passphrase, .write = true};
    if (!aside) return HD_FAIL_MEMORY(0);
    HD_TRY(workspace_id(workspace, arena, id, &bound));
    params.workspace = bound ? id : NULL;
    HD_TRY(hd_fs_remove(aside));
    HD_TRY(hd_fs_mkdirs(aside, 0700));
    char *note = hd_fs_join(arena, aside, NOTE);
    heed_err err = note ? unpack(&params, path, arena) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_fs_write(note, "", 0, 0600);
    if (err == HEED_OK) err = hd_fs_remove(folder); // empty, or what an old creation left
    if (err == HEED_OK) err = hd_fs_rename(aside, folder);
    if (err == HEED_OK) return HEED_OK;
    hd_error failure;
    hd_error_get(&failure);
    if (hd_fs_remove(aside) != HEED_OK) return hd_error_restore(&failure);
    return hd_error_restore(&failure);
}

heed_err hd_keys_import(const char *workspace, const hd_settings *settings, const char *path,
                        hd_passphrase passphrase) {
    hd_arena arena;
    char *folder;
    hd_arena_init(&arena);
    heed_err err = hd_keys_folder(workspace, settings, &arena, &folder);
    if (err == HEED_OK && hd_keyring_exists(folder)) {
        err = HD_FAIL(HEED_CONFLICT,
                      "'%s' holds keys already: move that folder away first, if they are not the "
                      "ones",
                      "“%s”中已有密钥：如果不是所需的密钥，请先移走该文件夹", folder);
    }
    if (err == HEED_OK) err = import_into(workspace, folder, path, passphrase, &arena);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_keys_record_import(heed_workspace *ws) {
    hd_arena arena;
    char *folder, *note = NULL;
    hd_arena_init(&arena);
    heed_err err = hd_keys_folder(ws->folder, ws->settings, &arena, &folder);
    if (err == HEED_OK) note = hd_fs_join(&arena, folder, NOTE);
    if (err == HEED_OK && !note) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK && hd_fs_exists(note) && hd_audit_can_add(ws->audit)) {
        err = hd_workspace_record(ws, &(hd_audit_entry){.what = HD_AUDIT_KEY_IMPORT});
        if (err == HEED_OK) err = hd_fs_remove(note);
    }
    hd_arena_clear(&arena);
    return err;
}
