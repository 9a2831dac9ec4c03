// SPDX-License-Identifier: Apache-2.0
//
// Folders and two small files instead of rows in the database: a model is a file that is mapped,
// copied and backed up as such, and an operator can see and remove it with the tools at hand.
//
// Names that are read back (active.json, folder names) are checked before they become part of a
// path: a method is letters, digits, '_' and '-', a version is six digits or more.
#include "workspace/models.h"

#include <ctype.h>
#include <limits.h>

#include "base/mem.h"

enum { LOCK_PATIENCE = 10000 };

static const char *const tasks[] = {"recommend", "profile", NULL};

static bool plain_name(const char *name) {
    if (!name || !*name) return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') return false;
    return true;
}

static bool plain_version(const char *version) {
    if (!version || strlen(version) < 6 || strlen(version) > 18) return false;
    return version[strspn(version, "0123456789")] == '\0';
}

static heed_err path_of(const heed_workspace *ws, const char *task, hd_model_ref ref,
                        const char *name, hd_arena *arena, char **out) {
    *out = hd_arena_printf(arena, "%s/models/%s/%s/%s%s%s", ws->folder, task, ref.method,
                           ref.version, name[0] ? "/" : "", name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// Folders' names below models/<task>[/<method>]; none when it isn't there.
static heed_err names_in(const heed_workspace *ws, const char *task, const char *method,
                         hd_arena *arena, char ***names, size_t *n) {
    char *path = hd_arena_printf(arena, "%s/models/%s%s%s", ws->folder, task, method ? "/" : "",
                                 method ? method : "");
    if (!path) return HD_FAIL_MEMORY(0);
    *n = 0;
    if (!hd_fs_is_dir(path)) return HEED_OK;
    return hd_fs_list(path, arena, names, n);
}

// Calls fn for every version of a task, method by method, versions rising.
typedef heed_err (*version_fn)(void *ctx, hd_model_ref ref);
static heed_err each_version(const heed_workspace *ws, const char *task, hd_arena *arena,
                             version_fn fn, void *ctx) {
    char **methods;
    size_t n_methods;
    HD_TRY(names_in(ws, task, NULL, arena, &methods, &n_methods));
    for (size_t m = 0; m < n_methods; m++) {
        char **versions;
        size_t n;
        if (!plain_name(methods[m])) continue; // active.json
        HD_TRY(names_in(ws, task, methods[m], arena, &versions, &n));
        for (size_t v = 0; v < n; v++)
            if (plain_version(versions[v]))
                HD_TRY(fn(ctx, (hd_model_ref){methods[m], versions[v]}));
    }
    return HEED_OK;
}

static heed_err keep_max(void *ctx, hd_model_ref ref) {
    int64_t *max = ctx;
    int64_t value = 0;
    if (hd_slice_i64(hd_slice_of(ref.version), &value) && value > *max) *max = value;
    return HEED_OK;
}

static heed_err newest_number(const heed_workspace *ws, const char *task, int64_t *out) {
    hd_arena arena;
    hd_arena_init(&arena);
    *out = 0;
    heed_err err = each_version(ws, task, &arena, keep_max, out);
    hd_arena_clear(&arena);
    return err;
}

static heed_err take_lock(const heed_workspace *ws, const char *name, const char *who, int64_t ms,
                          hd_lock **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = hd_workspace_path(ws, &arena, name, &path);
    if (err == HEED_OK) err = hd_lock_wait(path, who, ms, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_models_lock_training(const heed_workspace *ws, hd_lock **out) {
    return take_lock(ws, "train.lock", "heed train", 0, out);
}

heed_err hd_models_lock(const heed_workspace *ws, hd_lock **out) {
    return take_lock(ws, "models.lock", "heed model", LOCK_PATIENCE, out);
}

heed_err hd_models_next_version(const heed_workspace *ws, const char *task, hd_arena *arena,
                                const char **version) {
    int64_t newest;
    HD_TRY(newest_number(ws, task, &newest));
    *version = hd_arena_printf(arena, "%06lld", (long long)newest + 1);
    return *version ? HEED_OK : HD_FAIL_MEMORY(0);
}

heed_err hd_models_newest(const heed_workspace *ws, const char *task, const char *method,
                          hd_arena *arena, const char **version) {
    char **versions = NULL;
    size_t n = 0;
    if (plain_name(method)) HD_TRY(names_in(ws, task, method, arena, &versions, &n));
    int64_t max = 0;
    *version = NULL;
    for (size_t v = 0; v < n; v++) {
        int64_t before = max;
        if (!plain_version(versions[v])) continue;
        HD_TRY(keep_max(&max, (hd_model_ref){method, versions[v]}));
        if (max > before) *version = versions[v];
    }
    if (*version) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "there is no model '%s' yet; 'heed train' makes it",
                   "还没有“%s”模型；请先运行“heed train”", method);
}

// Needs no memory: "there is none" must not mean that it couldn't be asked.
bool hd_models_has(const heed_workspace *ws, const char *task, hd_model_ref ref) {
    char path[PATH_MAX];
    if (!plain_name(ref.method) || !plain_version(ref.version)) return false;
    int n = hd_snprintf(path, sizeof path, "%s/models/%s/%s/%s/manifest.json", ws->folder, task,
                        ref.method, ref.version);
    return n > 0 && (size_t)n < sizeof path && hd_fs_exists(path);
}

// ── Publishing ──

static heed_err write_json(const char *path, const json_t *json) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    hd_str_addc(&text, '\n');
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0644);
    hd_str_clear(&text);
    return err;
}

static heed_err write_parts(const char *folder, hd_safetensors_writer *writer,
                            const json_t *manifest, const json_t *report, hd_arena *arena) {
    char *model = hd_fs_join(arena, folder, "model.safetensors");
    char *manifest_path = hd_fs_join(arena, folder, "manifest.json");
    char *report_path = hd_fs_join(arena, folder, "report.json");
    if (!model || !manifest_path || !report_path) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(folder, 0755));
    HD_TRY(hd_safetensors_write(writer, model));
    HD_TRY(write_json(report_path, report));
    return write_json(manifest_path, manifest);
}

static heed_err publish_in(const heed_workspace *ws, const char *task, hd_model_ref ref,
                           hd_safetensors_writer *writer, const json_t *manifest,
                           const json_t *report, hd_arena *arena) {
    char *place;
    HD_TRY(path_of(ws, task, ref, "", arena, &place));
    char *parent = hd_arena_printf(arena, "%s/models/%s/%s", ws->folder, task, ref.method);
    char *temporary = hd_arena_printf(arena, "%s/.tmp-%s", parent ? parent : "", ref.version);
    if (!parent || !temporary) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(parent, 0755));
    HD_TRY(hd_fs_remove(temporary));
    heed_err err = write_parts(temporary, writer, manifest, report, arena);
    if (err == HEED_OK) err = hd_fs_rename(temporary, place);
    if (err == HEED_OK) return HEED_OK;
    hd_error failure;
    hd_error_get(&failure);
    if (hd_fs_remove(temporary) != HEED_OK) return hd_error_restore(&failure); // pruned later
    return hd_error_restore(&failure);
}

heed_err hd_models_publish(const heed_workspace *ws, const char *task, hd_model_ref ref,
                           hd_safetensors_writer *writer, const json_t *manifest,
                           const json_t *report) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = publish_in(ws, task, ref, writer, manifest, report, &arena);
    hd_arena_clear(&arena);
    return err;
}

// ── The version in force ──

static heed_err read_json(const char *path, json_t **out) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, 1 << 24, &text);
    if (err == HEED_OK) err = hd_json_parse(hd_str_get(&text), text.len, path, out);
    hd_str_clear(&text);
    return err;
}

static heed_err active_path(const heed_workspace *ws, const char *task, hd_arena *arena,
                            char **out) {
    *out = hd_arena_printf(arena, "%s/models/%s/active.json", ws->folder, task);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err take_ref(const json_t *json, hd_arena *arena, hd_model_ref *out) {
    const char *method = json_string_value(json_object_get(json, "method"));
    const char *version = json_string_value(json_object_get(json, "version"));
    *out = (hd_model_ref){0};
    if (!plain_name(method) || !plain_version(version)) return HEED_OK;
    out->method = hd_arena_strdup(arena, method);
    out->version = hd_arena_strdup(arena, version);
    return out->method && out->version ? HEED_OK : HD_FAIL_MEMORY(0);
}

heed_err hd_models_active(const heed_workspace *ws, const char *task, hd_arena *arena,
                          hd_model_ref *active, hd_model_ref *previous) {
    char *path;
    HD_TRY(active_path(ws, task, arena, &path));
    if (!hd_fs_exists(path))
        return HD_FAIL(HEED_NOT_FOUND, "no model was trained yet; run 'heed train'",
                       "还没有训练过模型；请运行“heed train”");
    json_t *json = NULL;
    HD_TRY(read_json(path, &json));
    heed_err err = take_ref(json, arena, active);
    if (err == HEED_OK) err = take_ref(json_object_get(json, "previous"), arena, previous);
    json_decref(json);
    if (err == HEED_OK && !active->method)
        err =
            HD_FAIL(HEED_CORRUPT, "'%s' names no model; run 'heed train' or 'heed model activate'",
                    "“%s”没有指明模型；请运行“heed train”或“heed model activate”", path);
    return err;
}

static heed_err write_active(const heed_workspace *ws, const char *task, hd_model_ref now,
                             hd_model_ref before, hd_arena *arena) {
    char *path;
    json_t *json = NULL;
    HD_TRY(active_path(ws, task, arena, &path));
    if (before.method) {
        HD_TRY(hd_json_pack(&json, "{s:s, s:s, s:{s:s, s:s}}", "method", now.method, "version",
                            now.version, "previous", "method", before.method, "version",
                            before.version));
    } else {
        HD_TRY(hd_json_pack(&json, "{s:s, s:s}", "method", now.method, "version", now.version));
    }
    heed_err err = write_json(path, json);
    json_decref(json);
    return err;
}

heed_err hd_models_activate(const heed_workspace *ws, const char *task, hd_model_ref ref,
                            hd_arena *arena, hd_model_ref *now) {
    hd_model_ref active = {0};
    hd_model_ref previous = {0};
    if (!ref.version) HD_TRY(hd_models_newest(ws, task, ref.method, arena, &ref.version));
    if (!hd_models_has(ws, task, ref))
        return HD_FAIL(HEED_NOT_FOUND,
                       "there is no version '%s' of model '%s'; see 'heed model list'",
                       "没有版本“%s”的模型“%s”；见“heed model list”", ref.version, ref.method);
    heed_err err = hd_models_active(ws, task, arena, &active, &previous);
    if (err != HEED_OK && err != HEED_NOT_FOUND && err != HEED_CORRUPT) return err;
    bool same = active.method && strcmp(active.method, ref.method) == 0 &&
                strcmp(active.version, ref.version) == 0;
    *now = ref;
    return same ? HEED_OK : write_active(ws, task, ref, active, arena);
}

// ── Erased persons ──

static const char MARK[] = "erased.json";

bool hd_models_marked(const heed_workspace *ws, const char *task, hd_model_ref ref) {
    char path[PATH_MAX];
    int n = hd_snprintf(path, sizeof path, "%s/models/%s/%s/%s/%s", ws->folder, task, ref.method,
                        ref.version, MARK);
    return n > 0 && (size_t)n < sizeof path && hd_fs_exists(path);
}

heed_err hd_models_mark(const heed_workspace *ws, const char *task, hd_model_ref ref) {
    char now[32];
    char *path;
    json_t *json = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_time_format(hd_time_now(), NULL, now);
    heed_err err = path_of(ws, task, ref, MARK, &arena, &path);
    if (err == HEED_OK) err = hd_json_pack(&json, "{s:s}", "noted", now);
    if (err == HEED_OK) err = write_json(path, json);
    json_decref(json);
    hd_arena_clear(&arena);
    return err;
}

typedef struct mark_run {
    const heed_workspace *ws;
    const char *task;
    hd_models_fn fn;
    void *ctx;
    size_t n;
} mark_run;

static heed_err mark_version(void *ctx, hd_model_ref ref) {
    mark_run *run = ctx;
    bool yes = true;
    json_t *manifest = NULL;
    if (hd_models_marked(run->ws, run->task, ref) || !hd_models_has(run->ws, run->task, ref))
        return HEED_OK;
    if (run->fn) {
        HD_TRY(hd_models_manifest(run->ws, run->task, ref, &manifest));
        heed_err err = run->fn(run->ctx, manifest, &yes);
        json_decref(manifest);
        HD_TRY(err);
    }
    run->n += yes;
    return yes ? hd_models_mark(run->ws, run->task, ref) : HEED_OK;
}

heed_err hd_models_mark_those(const heed_workspace *ws, hd_models_fn fn, void *ctx, size_t *n) {
    hd_arena arena;
    hd_arena_init(&arena);
    mark_run run = {.ws = ws, .fn = fn, .ctx = ctx};
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && tasks[i]; i++) {
        run.task = tasks[i];
        err = each_version(ws, run.task, &arena, mark_version, &run);
    }
    hd_arena_clear(&arena);
    *n = run.n;
    return err;
}

// ── Pruning ──

typedef struct prune_run {
    const heed_workspace *ws;
    const char *task;
    hd_arena *arena;
    int64_t oldest; // versions below this go
    hd_model_ref keep[2];
} prune_run;

static heed_err prune_version(void *ctx, hd_model_ref ref) {
    prune_run *run = ctx;
    int64_t number = 0;
    bool erased = hd_models_marked(run->ws, run->task, ref);
    if (!hd_slice_i64(hd_slice_of(ref.version), &number)) return HEED_OK;
    if (number >= run->oldest && !erased) return HEED_OK;
    for (size_t i = 0; i < (erased ? 1 : 2); i++) // the fallback beside a kept one is kept as well
        if (run->keep[i].version && strcmp(run->keep[i].version, ref.version) == 0) return HEED_OK;
    char *path;
    HD_TRY(path_of(run->ws, run->task, ref, "", run->arena, &path));
    return hd_fs_remove(path);
}

static heed_err prune_leftovers(const heed_workspace *ws, const char *task, hd_arena *arena) {
    char **methods;
    size_t n_methods;
    HD_TRY(names_in(ws, task, NULL, arena, &methods, &n_methods));
    for (size_t m = 0; m < n_methods; m++) {
        char **names;
        size_t n;
        if (!plain_name(methods[m])) continue;
        HD_TRY(names_in(ws, task, methods[m], arena, &names, &n));
        for (size_t i = 0; i < n; i++) {
            if (strncmp(names[i], ".tmp-", 5) != 0) continue;
            char *path;
            HD_TRY(path_of(ws, task, (hd_model_ref){methods[m], names[i]}, "", arena, &path));
            HD_TRY(hd_fs_remove(path));
        }
    }
    return HEED_OK;
}

heed_err hd_models_prune(const heed_workspace *ws, const char *task) {
    hd_arena arena;
    hd_arena_init(&arena);
    prune_run run = {.ws = ws, .task = task, .arena = &arena};
    int64_t newest;
    heed_err err = newest_number(ws, task, &newest);
    run.oldest = newest - hd_settings_int(ws->settings, "train.keep") + 1;
    if (err == HEED_OK) err = hd_models_active(ws, task, &arena, &run.keep[0], &run.keep[1]);
    if (err == HEED_OK) err = each_version(ws, task, &arena, prune_version, &run);
    if (err == HEED_OK) err = prune_leftovers(ws, task, &arena);
    hd_arena_clear(&arena);
    return err;
}

// ── Reading ──

heed_err hd_models_open(const heed_workspace *ws, const char *task, hd_model_ref ref,
                        hd_safetensors **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = path_of(ws, task, ref, "model.safetensors", &arena, &path);
    if (err == HEED_OK) err = hd_safetensors_open(path, out);
    hd_arena_clear(&arena);
    return err;
}

static heed_err read_part(const heed_workspace *ws, const char *task, hd_model_ref ref,
                          const char *name, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = path_of(ws, task, ref, name, &arena, &path);
    if (err == HEED_OK) err = read_json(path, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_models_manifest(const heed_workspace *ws, const char *task, hd_model_ref ref,
                            json_t **out) {
    return read_part(ws, task, ref, "manifest.json", out);
}

heed_err hd_models_report(const heed_workspace *ws, const char *task, hd_model_ref ref,
                          json_t **out) {
    return read_part(ws, task, ref, "report.json", out);
}

hd_time hd_model_made(const json_t *manifest) {
    const char *created = json_string_value(json_object_get(manifest, "created"));
    hd_time time;
    if (!created || !hd_time_parse(hd_slice_of(created), HD_TIME_ISO, NULL, &time))
        return HD_TIME_NONE;
    return time;
}

static const char *word_of(const json_t *manifest, const char *name) {
    const char *text = json_string_value(json_object_get(manifest, name));
    return text ? text : "";
}

void hd_model_name(const json_t *manifest, char *out, size_t n) {
    hd_snprintf(out, n, "%s/%s/%s", word_of(manifest, "task"), word_of(manifest, "method"),
                word_of(manifest, "version"));
}

typedef struct list_run {
    const heed_workspace *ws;
    const char *task;
    hd_model_ref active;
    json_t *out;
} list_run;

static bool same_ref(hd_model_ref a, hd_model_ref b) {
    return a.method && strcmp(a.method, b.method) == 0 && strcmp(a.version, b.version) == 0;
}

static heed_err list_version(void *ctx, hd_model_ref ref) {
    list_run *run = ctx;
    json_t *manifest = NULL;
    bool erased = hd_models_marked(run->ws, run->task, ref);
    HD_TRY(hd_models_manifest(run->ws, run->task, ref, &manifest));
    heed_err err = hd_json_set(manifest, "active", json_boolean(same_ref(run->active, ref)));
    if (err == HEED_OK) err = hd_json_set(manifest, "holds_erased", json_boolean(erased));
    if (err == HEED_OK && json_array_insert_new(run->out, 0, json_incref(manifest)) != 0)
        err = HD_FAIL_MEMORY(0);
    json_decref(manifest);
    return err;
}

heed_err hd_models_list_task(const heed_workspace *ws, const char *task, json_t *list) {
    hd_model_ref previous;
    hd_arena arena;
    hd_arena_init(&arena);
    list_run run = {.ws = ws, .task = task, .out = list};
    heed_err err = hd_models_active(ws, task, &arena, &run.active, &previous);
    if (err == HEED_NOT_FOUND) err = HEED_OK;
    if (err == HEED_OK) err = each_version(ws, task, &arena, list_version, &run);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_models_list(const heed_workspace *ws, json_t **out) {
    *out = json_array();
    heed_err err = *out ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && tasks[i]; i++) {
        err = hd_models_list_task(ws, tasks[i], *out);
    }
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}
