// SPDX-License-Identifier: Apache-2.0
//
// Opening wires the rooms together, in this order: settings (they say how to open), the writer's
// lock, the database, its migrations, then the two doors to it. Closing goes back the same way.
//
// The lock is a file beside the database and not SQLite's own: a command that writes models as
// well needs one lock over all of it, held for as long as the command runs, and a second writer is
// better told who holds it than left to run into a busy database. Readers take no lock: SQLite's
// write-ahead log gives each transaction of theirs one state, and models change by rename.
#include "workspace/workspace.h"

#include <unistd.h>

#include "access/access.h"
#include "base/mem.h"
#include "privacy/consent.h"
#include "privacy/erasures.h"
#include "privacy/page.h"
#include "store/batch.h"
#include "workspace/answers.h"
#include "workspace/auditing.h"
#include "workspace/erase.h"
#include "workspace/ingest.h"
#include "workspace/keys.h"
#include "workspace/loaded.h"
#include "workspace/recommend.h"

static bool is_workspace(const char *folder, hd_arena *arena, bool *out) {
    char *yaml = hd_fs_join(arena, folder, "heed.yaml");
    char *db = hd_fs_join(arena, folder, "heed.db");
    *out = yaml && db && (hd_fs_exists(yaml) || hd_fs_exists(db));
    return yaml && db;
}

heed_err hd_workspace_find(const char *from, hd_arena *arena, const char **out) {
    *out = NULL;
    char *folder = hd_arena_strdup(arena, from);
    if (!folder) return HD_FAIL_MEMORY(0);
    for (;;) {
        bool found;
        if (!is_workspace(folder, arena, &found)) return HD_FAIL_MEMORY(0);
        if (found) {
            *out = folder;
            return HEED_OK;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || folder[1] == '\0') return HEED_OK;
        slash[slash == folder] = '\0'; // "/a" → "/"
    }
}

heed_err hd_workspace_path(const heed_workspace *ws, hd_arena *arena, const char *name,
                           char **out) {
    *out = hd_fs_join(arena, ws->folder, name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

void hd_workspace_tell(heed_workspace *ws, hd_text what, double share) {
    if (!ws->progress) return;
    const char *const texts[2] = {[HEED_EN] = what.en, [HEED_ZH] = what.zh};
    ws->progress(ws->progress_ctx, texts, share);
}

heed_err hd_workspace_busiest(heed_workspace *ws, size_t limit, hd_arena *arena, char ***ids,
                              size_t *n) {
    return hd_door_busiest(ws->door, HD_PURPOSE_RECOMMEND, limit, arena, ids, n);
}

heed_err hd_workspace_pool(heed_workspace *ws, hd_pool **out) {
    if (!ws->pool) {
        size_t n = (size_t)hd_settings_int(ws->settings, "threads");
        HD_TRY(hd_pool_new(n, &ws->pool));
        hd_pool_cancel_by(ws->pool, &ws->stop->asked);
    }
    *out = ws->pool;
    return HEED_OK;
}

heed_err hd_workspace_items(heed_workspace *ws, const hd_items **out) {
    if (!ws->items) HD_TRY(hd_shared_items_get(ws, &ws->items));
    *out = &ws->items->items;
    return HEED_OK;
}

heed_err hd_workspace_items_stale(heed_workspace *ws, bool *stale) {
    int64_t version = 0;
    *stale = false;
    if (!ws->items) return HEED_OK;
    HD_TRY(hd_catalog_version(ws->catalog, &version));
    *stale = version != ws->items->version;
    return HEED_OK;
}

heed_err hd_workspace_items_now(heed_workspace *ws, const hd_items **out) {
    bool stale;
    HD_TRY(hd_workspace_items_stale(ws, &stale));
    if (stale) {
        hd_shared_items *now = NULL;
        HD_TRY(hd_shared_items_get(ws, &now));
        hd_shared_release(&ws->items->shared);
        ws->items = now;
    }
    return hd_workspace_items(ws, out);
}

heed_err hd_workspace_items_hold(heed_workspace *ws, hd_shared_items **out) {
    const hd_items *items;
    HD_TRY(hd_workspace_items_now(ws, &items));
    hd_shared_hold(&ws->items->shared);
    *out = ws->items;
    return HEED_OK;
}

// A handle that writes may have loaded what was taken back since, under a number that comes again.
void hd_workspace_items_drop(heed_workspace *ws) {
    if (ws->own_cache) hd_model_cache_forget(ws->own_cache, ws->folder);
    if (ws->items) hd_shared_release(&ws->items->shared);
    ws->items = NULL;
}

// ── Opening ──

// All rooms' migrations as one list, so that a component that is too new is found before any other
// is changed. Caller: hd_free.
static heed_err all_migrations(hd_migration **out, size_t *n) {
    const struct {
        const hd_migration *rows;
        size_t n;
    } rooms[] = {
        {hd_batch_migrations, hd_batch_n_migrations},
        {hd_catalog_migrations, hd_catalog_n_migrations},
        {hd_privacy_migrations, hd_privacy_n_migrations},
        {hd_consent_migrations, hd_consent_n_migrations},
        {hd_page_migrations, hd_page_n_migrations},
        {hd_erasures_migrations, hd_erasures_n_migrations},
        {hd_access_migrations, hd_access_n_migrations},
        {hd_audit_migrations, hd_audit_n_migrations},
    };
    enum { ROOMS = sizeof rooms / sizeof rooms[0] };
    size_t total = 0, at = 0;
    for (size_t i = 0; i < ROOMS; i++) total += rooms[i].n;
    hd_migration *rows = hd_alloc(total * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(total * sizeof *rows);
    for (size_t i = 0; i < ROOMS; i++)
        for (size_t k = 0; k < rooms[i].n; k++) rows[at++] = rooms[i].rows[k];
    *out = rows;
    *n = total;
    return HEED_OK;
}

static heed_err open_settings(heed_workspace *ws, hd_arena *arena, hd_settings *given) {
    if (given) {
        ws->settings = given;
        return HEED_OK;
    }
    HD_TRY(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &ws->settings));
    ws->own_settings = true;
    char *path;
    HD_TRY(hd_workspace_path(ws, arena, "heed.yaml", &path));
    HD_TRY(hd_settings_load_file(ws->settings, path));
    return hd_settings_load_env(ws->settings, environ);
}

// Where sorts spill to: tmp/ in the workspace, for its owner alone. A writer makes it; a reader of
// a folder that nobody can write has none (*out NULL), and no need of one.
static heed_err spill_folder(heed_workspace *ws, hd_arena *arena, char **out) {
    HD_TRY(hd_workspace_path(ws, arena, "tmp", out));
    if (hd_fs_is_dir(*out)) return HEED_OK;
    if (ws->mode == HEED_WRITE) return hd_fs_mkdirs(*out, 0700);
    *out = NULL;
    return HEED_OK;
}

static heed_err open_store(heed_workspace *ws, hd_arena *arena, hd_store_mode mode) {
    char *path;
    HD_TRY(hd_workspace_path(ws, arena, "heed.db", &path));
    if (mode == HD_STORE_READ && !hd_fs_exists(path))
        return HD_FAIL(HEED_NOT_FOUND, "'%s' holds no data yet; 'heed import' brings some in",
                       "“%s”里还没有数据；请先用“heed import”导入", ws->folder);
    size_t cache = (size_t)hd_settings_int(ws->settings, "store.cache");
    char *spill;
    HD_TRY(spill_folder(ws, arena, &spill));
    HD_TRY(spill ? hd_store_open_spilling(path, mode, cache, spill, &ws->store)
                 : hd_store_open(path, mode, cache, NULL, &ws->store));
    atomic_store(&ws->stop->store, ws->store);
    return HEED_OK;
}

static bool encrypts(const heed_workspace *ws) {
    return strcmp(hd_settings_text(ws->settings, "privacy.encrypt"), "on") == 0;
}

// Runs what is pending when writing; *steps: how much that was.
static heed_err migrate(heed_workspace *ws, size_t *steps) {
    hd_migration *rows = NULL;
    size_t n = 0;
    HD_TRY(all_migrations(&rows, &n));
    heed_err err = hd_store_migrations_pending(ws->store, rows, n, steps);
    if (err == HEED_OK && *steps > 0 && ws->mode == HEED_READ)
        err = HD_FAIL(HEED_VERSION,
                      "'%s' was made by an older heed; 'heed migrate' brings it up to date",
                      "“%s”由较旧的 heed 创建；请用“heed migrate”升级", ws->folder);
    hd_privacy_keys keys = {ws->keyring, encrypts(ws)};
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].component, "privacy") == 0) rows[i].ctx = &keys;
    if (err == HEED_OK && *steps > 0) err = hd_store_migrate(ws->store, rows, n);
    hd_free(rows);
    return err;
}

const char *hd_workspace_basis(const heed_workspace *ws, hd_purpose purpose) {
    char name[64];
    hd_snprintf(name, sizeof name, "privacy.basis.%s", hd_purpose_name(purpose));
    return hd_settings_text(ws->settings, name);
}

// The legal basis of every purpose, by privacy.basis.*.
static void set_bases(heed_workspace *ws) {
    for (int p = 0; p < HD_PURPOSES; p++) {
        if (!hd_purpose_gated((hd_purpose)p)) continue;
        bool consent = strcmp(hd_workspace_basis(ws, (hd_purpose)p), "consent") == 0;
        hd_door_basis_set(ws->door, (hd_purpose)p, consent ? HD_BASIS_CONSENT : HD_BASIS_INTEREST);
    }
}

static heed_err open_doors(heed_workspace *ws) {
    HD_TRY(hd_catalog_open(ws->store, &ws->catalog));
    if (ws->mode == HEED_WRITE && !hd_keyring_locked(ws->keyring))
        HD_TRY(hd_privacy_bind(ws->store, ws->keyring, encrypts(ws)));
    if (ws->mode == HEED_WRITE) HD_TRY(hd_privacy_note(ws->store, encrypts(ws)));
    HD_TRY(hd_door_open(ws->store, ws->keyring, &ws->door));
    hd_door_encrypt(ws->door, encrypts(ws));
    hd_door_keep_histories(ws->door, (size_t)hd_settings_int(ws->settings, "recommend.cache"));
    set_bases(ws);
    HD_TRY(hd_zone_open(hd_settings_text(ws->settings, "time.zone"), &ws->zone));
    hd_signal_rules_init(&ws->signal_rules, ws->settings);
    ws->signals = hd_signal_rules_get(&ws->signal_rules);
    return HEED_OK;
}

static heed_err take_lock(heed_workspace *ws, hd_arena *arena, const hd_workspace_params *params) {
    char *path;
    heed_err err = hd_workspace_path(ws, arena, "heed.lock", &path);
    if (err != HEED_OK) {
        if (params->lock_fd > 0) close(params->lock_fd);
        return err;
    }
    if (params->lock_fd > 0) return hd_lock_adopt(path, params->lock_fd, &ws->lock);
    return hd_lock_wait(path, params->who ? params->who : "libheed", params->patience_ms,
                        &ws->lock);
}

static heed_err open_parts(heed_workspace *ws, const hd_workspace_params *params,
                           hd_store_mode mode, hd_arena *arena, size_t *steps) {
    ws->stop = params->stop ? params->stop : &ws->own_stop;
    if (params->mode == HEED_WRITE) HD_TRY(take_lock(ws, arena, params));
    if (!params->cache || params->mode == HEED_WRITE) HD_TRY(hd_model_cache_new(&ws->own_cache));
    ws->cache = ws->own_cache ? ws->own_cache : params->cache;
    HD_TRY(open_settings(ws, arena, params->settings));
    HD_TRY(open_store(ws, arena, mode));
    HD_TRY(hd_keys_open(ws, arena, params->passphrase));
    HD_TRY(migrate(ws, steps));
    HD_TRY(open_doors(ws));
    HD_TRY(hd_auditing_open(ws));
    if (params->mode == HEED_WRITE) HD_TRY(hd_keys_record_import(ws));
    return params->mode == HEED_WRITE ? hd_erasures_resume(ws) : hd_erasures_check(ws);
}

static heed_err open_as(const hd_workspace_params *params, hd_store_mode mode, size_t *steps,
                        heed_workspace **out) {
    heed_workspace *ws = hd_calloc(1, sizeof *ws);
    if (!ws) return HD_FAIL_MEMORY(sizeof *ws);
    ws->mode = params->mode;
    ws->folder = hd_strdup(params->folder);
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = ws->folder ? open_parts(ws, params, mode, &arena, steps) : HD_FAIL_MEMORY(0);
    hd_arena_clear(&arena);
    if (err != HEED_OK) {
        heed_workspace_close(ws);
        return err;
    }
    *out = ws;
    return HEED_OK;
}

// A workspace may begin as a heed.yaml alone: its first writer makes the database.
static hd_store_mode mode_of(const hd_workspace_params *params) {
    return params->mode == HEED_READ ? HD_STORE_READ : HD_STORE_CREATE;
}

static heed_err need_folder(const hd_workspace_params *params) {
    if (params->folder) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no workspace here; 'heed init' makes one, --workspace names one",
                   "这里没有工作区；可用“heed init”创建，或用 --workspace 指定");
}

static heed_err check_exists(const char *folder) {
    hd_arena arena;
    hd_arena_init(&arena);
    bool found = false;
    heed_err err = is_workspace(folder, &arena, &found) ? HEED_OK : HD_FAIL_MEMORY(0);
    hd_arena_clear(&arena);
    if (err == HEED_OK && !found)
        err = HD_FAIL(HEED_NOT_FOUND, "'%s' is not a workspace; 'heed init' makes one",
                      "“%s”不是工作区；请用“heed init”创建一个", folder);
    return err;
}

heed_err hd_workspace_open(const hd_workspace_params *params, heed_workspace **out) {
    size_t steps = 0;
    HD_TRY(need_folder(params));
    HD_TRY(check_exists(params->folder));
    return open_as(params, mode_of(params), &steps, out);
}

heed_err hd_workspace_migrate(const hd_workspace_params *params, size_t *steps) {
    heed_workspace *ws = NULL;
    HD_TRY(need_folder(params));
    HD_TRY(check_exists(params->folder));
    HD_TRY(open_as(params, HD_STORE_WRITE, steps, &ws));
    heed_workspace_close(ws);
    return HEED_OK;
}

heed_err heed_workspace_open(const char *folder, heed_mode mode, heed_workspace **out) {
    const hd_workspace_params params = {.folder = folder, .mode = mode};
    return hd_workspace_open(&params, out);
}

void heed_workspace_close(heed_workspace *ws) {
    if (!ws) return;
    if (ws->stop) atomic_store(&ws->stop->store, NULL);
    hd_workspace_items_drop(ws);
    hd_model_cache_free(ws->own_cache);
    hd_serve_room_free(ws->room);
    hd_arena_clear(&ws->scratch);
    hd_trends_free(ws->trends);
    hd_intake_free(ws->intake);
    hd_pool_free(ws->pool);
    hd_zone_close(ws->zone);
    hd_door_close(ws->door);
    hd_catalog_close(ws->catalog);
    hd_auditing_close(ws);
    hd_store_close(ws->store);
    hd_keys_close(ws);
    if (ws->own_settings) hd_settings_free(ws->settings);
    hd_lock_release(ws->lock);
    hd_free(ws->folder);
    hd_free(ws);
}

void heed_workspace_stop(heed_workspace *ws) {
    hd_stop_ask(ws->stop);
}

void heed_workspace_on_progress(heed_workspace *ws, heed_progress progress, void *ctx) {
    ws->progress = progress;
    ws->progress_ctx = ctx;
}

heed_err heed_workspace_set(heed_workspace *ws, const char *name, const char *value) {
    HD_TRY(hd_settings_set_flag(ws->settings, name, value));
    set_bases(ws);
    hd_signal_rules_init(&ws->signal_rules, ws->settings);
    return HEED_OK;
}

heed_err hd_workspace_need_write(const heed_workspace *ws) {
    if (ws->mode == HEED_WRITE) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "'%s' was opened to read, and this writes",
                   "“%s”是以只读方式打开的，而这一步需要写入", ws->folder);
}

heed_err heed_users_merge(heed_workspace *ws, const char *from, const char *into) {
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = hd_door_merge(ws->door, hd_slice_of(from), hd_slice_of(into));
    if (err == HEED_OK)
        err = hd_workspace_record_user(
            ws, into, (hd_audit_entry){.what = HD_AUDIT_USERS_MERGE, .purpose = "care"});
    if (err != HEED_OK) {
        hd_store_rollback(ws->store);
        return err;
    }
    return hd_store_commit(ws->store);
}

heed_err hd_workspace_text(json_t *json, char **out) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    json_decref(json);
    if (err == HEED_OK) return hd_str_take(&text, out);
    hd_str_clear(&text);
    return err;
}

void heed_text_free(char *text) {
    hd_free(text);
}

const char *heed_version(void) {
    return HEED_VERSION_TEXT;
}
