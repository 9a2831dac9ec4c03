// SPDX-License-Identifier: Apache-2.0
//
// A recipe's models are a task of their own in the registry: versions, what is in force, going back
// and pruning are models.h's. A run writes into a folder whose name the registry doesn't take for a
// version's, and is put in place by a rename.
#include "workspace/recipe.h"

#include <ctype.h>
#include <limits.h>
#include <unistd.h>

#include "base/mem.h"
#include "workspace/auditing.h"

#define TASKS "recipe"

static bool plain(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > 64) return false;
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') return false;
    }
    return true;
}

// ── Recipes by name ──

enum { PLACES = 3 };

// Folders to look into, in order; *n of them.
static heed_err places(const hd_settings *settings, hd_arena *arena, const char *out[PLACES],
                       size_t *n) {
    char program[PATH_MAX];
    const char *set = hd_settings_text(settings, "recipe.folder");
    *n = 0;
    if (set && *set) out[(*n)++] = set;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return HEED_OK;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    out[*n] = hd_arena_printf(arena, "%s/../share/heed/recipes", program);
    if (!out[(*n)++]) return HD_FAIL_MEMORY(0);
    out[*n] = hd_arena_printf(arena, "%s/../recipes", program);
    if (!out[(*n)++]) return HD_FAIL_MEMORY(0);
    return HEED_OK;
}

typedef struct name_walk {
    char **names;
    size_t next, n;
    char word[80];
    hd_arena *arena; // candidates outlive the walk
} name_walk;

static bool is_recipe(const char *file, size_t *length) {
    size_t n = strlen(file);
    if (n < 6 || strcmp(file + n - 5, ".yaml") != 0) return false;
    *length = n - 5;
    return true;
}

static const char *next_name(void *ctx) {
    name_walk *walk = ctx;
    size_t n;
    while (walk->next < walk->n) {
        const char *file = walk->names[walk->next++];
        if (!is_recipe(file, &n)) continue;
        hd_snprintf(walk->word, sizeof walk->word, "%.*s", (int)n, file);
        return hd_arena_strdup(walk->arena, walk->word);
    }
    return NULL;
}

static heed_err not_found(const char *name, const char *const *at, size_t n, hd_arena *arena) {
    for (size_t i = 0; i < n; i++) {
        name_walk walk = {.arena = arena};
        if (!hd_fs_is_dir(at[i])) continue;
        HD_TRY(hd_fs_list(at[i], arena, &walk.names, &walk.n));
        const char *near = hd_nearest(name, next_name, &walk);
        if (!near) continue;
        return HD_FAIL(HEED_NOT_FOUND, "there is no recipe '%s'; did you mean '%s'?",
                       "没有配方“%s”；是不是“%s”？", name, near);
    }
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no recipe '%s': give a file, or a name that 'heed recipe list' shows",
                   "没有配方“%s”：请给出文件，或“heed recipe list”列出的名称", name);
}

heed_err hd_recipe_locate(const hd_settings *settings, const char *name, hd_arena *arena,
                          const char **path) {
    const char *at[PLACES];
    size_t n;
    if (strchr(name, '/') || (hd_fs_exists(name) && !hd_fs_is_dir(name))) {
        *path = hd_arena_strdup(arena, name);
        return *path ? HEED_OK : HD_FAIL_MEMORY(0);
    }
    HD_TRY(places(settings, arena, at, &n));
    for (size_t i = 0; plain(name) && i < n; i++) {
        *path = hd_arena_printf(arena, "%s/%s.yaml", at[i], name);
        if (!*path) return HD_FAIL_MEMORY(0);
        if (hd_fs_exists(*path)) return HEED_OK;
    }
    return not_found(name, at, n, arena);
}

static heed_err both(const json_t *words, const char *otherwise, json_t **out) {
    const char *en = hd_recipe_words(words, HEED_EN), *zh = hd_recipe_words(words, HEED_ZH);
    return hd_json_pack(out, "{s:s, s:s}", "en", en[0] ? en : otherwise, "zh",
                        zh[0] ? zh : otherwise);
}

static heed_err add_recipe(const char *path, json_t *list) {
    static const char *const tasks[] = {"classes", "values", "language"};
    hd_recipe *recipe;
    json_t *item = NULL, *title = NULL, *about = NULL;
    HD_TRY(hd_recipe_open(path, NULL, 0, &recipe));
    heed_err err = both(recipe->title, recipe->name, &title);
    if (err == HEED_OK) err = both(recipe->about, "", &about);
    if (err == HEED_OK)
        err = hd_json_pack(&item, "{s:s, s:O, s:O, s:s, s:s}", "name", recipe->name, "title", title,
                           "about", about, "task", tasks[recipe->task], "file", path);
    json_decref(title);
    json_decref(about);
    hd_recipe_free(recipe);
    return err == HEED_OK ? hd_json_append(list, item) : err;
}

static bool has_recipe(const json_t *list, const char *name, size_t n) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *other = json_string_value(json_object_get(item, "name"));
        if (strlen(other) == n && memcmp(other, name, n) == 0) return true;
    }
    return false;
}

static heed_err list_folder(const char *folder, hd_arena *arena, json_t *list) {
    char **names;
    size_t n, length;
    if (!hd_fs_is_dir(folder)) return HEED_OK;
    HD_TRY(hd_fs_list(folder, arena, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (!is_recipe(names[i], &length) || has_recipe(list, names[i], length)) continue;
        char *path = hd_fs_join(arena, folder, names[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        HD_TRY(add_recipe(path, list));
    }
    return HEED_OK;
}

heed_err hd_recipe_list(const hd_settings *settings, json_t **out) {
    const char *at[PLACES];
    size_t n;
    hd_arena arena;
    hd_arena_init(&arena);
    *out = json_array();
    heed_err err = *out ? places(settings, &arena, at, &n) : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < n; i++) err = list_folder(at[i], &arena, *out);
    hd_arena_clear(&arena);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// ── Registering ──

typedef struct task_name {
    char text[80];
} task_name;

static task_name task_of(const char *name) {
    task_name task;
    hd_snprintf(task.text, sizeof task.text, TASKS "/%s", name);
    return task;
}

bool hd_recipe_known(const heed_workspace *ws, const char *name) {
    char path[PATH_MAX];
    if (!plain(name)) return false;
    int n = hd_snprintf(path, sizeof path, "%s/models/" TASKS "/%s/active.json", ws->folder, name);
    return n > 0 && (size_t)n < sizeof path && hd_fs_exists(path);
}

// One run at a time: the next version's number is its own.
static heed_err lock_runs(const heed_workspace *ws, hd_arena *arena, hd_lock **out) {
    char *path;
    HD_TRY(hd_workspace_path(ws, arena, "recipe.lock", &path));
    return hd_lock_take(path, "heed recipe run", out);
}

static heed_err publish(heed_workspace *ws, const char *name, const char *from, hd_model_ref ref,
                        hd_arena *arena) {
    hd_lock *lock = NULL;
    hd_model_ref now;
    task_name task = task_of(name);
    char *method = hd_arena_printf(arena, "%s/models/%s/%s", ws->folder, task.text, ref.method);
    char *to = method ? hd_fs_join(arena, method, ref.version) : NULL;
    if (!to) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(method, 0755));
    HD_TRY(hd_fs_rename(from, to));
    HD_TRY(hd_models_lock(ws, &lock));
    heed_err err = hd_models_activate(ws, task.text, ref, arena, &now);
    if (err == HEED_OK) err = hd_models_prune(ws, task.text);
    hd_lock_release(lock);
    return err;
}

static heed_err run_and_publish(heed_workspace *ws, const hd_recipe *recipe,
                                const hd_recipe_opts *given, hd_arena *arena, json_t **report) {
    hd_recipe_opts opts = *given;
    task_name task = task_of(recipe->name);
    HD_TRY(hd_models_next_version(ws, task.text, arena, &opts.version));
    opts.out = hd_arena_printf(arena, "%s/models/%s/.run", ws->folder, task.text);
    if (!opts.out) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_recipe_run(recipe, &opts, report));
    const char *main = json_string_value(json_object_get(*report, "main"));
    const hd_model_ref ref = {hd_arena_strdup(arena, main), opts.version};
    if (!ref.method) return HD_FAIL_MEMORY(0);
    char *folder = hd_arena_printf(arena, "%s/models/%s/%s/%s", ws->folder, task.text, ref.method,
                                   ref.version);
    if (!folder) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_json_set(*report, "version", json_string(opts.version)));
    HD_TRY(hd_json_set(*report, "folder", json_string(folder)));
    return publish(ws, recipe->name, opts.out, ref, arena);
}

static void record(heed_workspace *ws, hd_audit_what what, const char *name, const char *version) {
    char object[128];
    hd_snprintf(object, sizeof object, "%s %s", name, version);
    hd_workspace_record_gladly(ws,
                               &(hd_audit_entry){.what = what, .purpose = NULL, .object = object});
}

heed_err hd_recipe_register(heed_workspace *ws, const hd_recipe *recipe, const hd_recipe_opts *opts,
                            json_t **report) {
    hd_lock *lock = NULL;
    hd_arena arena;
    *report = NULL;
    hd_arena_init(&arena);
    heed_err err = lock_runs(ws, &arena, &lock);
    if (err == HEED_OK) err = run_and_publish(ws, recipe, opts, &arena, report);
    hd_lock_release(lock);
    if (err == HEED_OK)
        record(ws, HD_AUDIT_MODEL_ACTIVATE, recipe->name,
               json_string_value(json_object_get(*report, "version")));
    else
        hd_json_drop(report);
    hd_arena_clear(&arena);
    return err;
}

// ── Versions ──

static heed_err no_model(const char *name) {
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no model '%s'; 'heed recipe run' makes one, and 'heed model list' "
                   "shows what there is",
                   "没有模型“%s”；用“heed recipe run”训练，或用“heed model list”查看", name);
}

// Which model of the recipe has that version; version NULL: the newest.
static heed_err find_version(const heed_workspace *ws, const char *name, const char *version,
                             hd_arena *arena, hd_model_ref *out) {
    task_name task = task_of(name);
    char **methods = NULL;
    size_t n = 0;
    if (!hd_recipe_known(ws, name)) return no_model(name);
    char *folder = hd_arena_printf(arena, "%s/models/%s", ws->folder, task.text);
    if (!folder) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_list(folder, arena, &methods, &n));
    *out = (hd_model_ref){NULL, NULL};
    for (size_t i = 0; i < n; i++) {
        hd_model_ref ref = {methods[i], version};
        if (!plain(methods[i])) continue;
        if (!version) {
            heed_err err = hd_models_newest(ws, task.text, methods[i], arena, &ref.version);
            if (err == HEED_NOT_FOUND) continue;
            HD_TRY(err);
        }
        if (!hd_models_has(ws, task.text, ref)) continue;
        if (!out->version || strcmp(ref.version, out->version) > 0) *out = ref;
    }
    if (out->method) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "there is no version '%s' of model '%s'; see 'heed model list'",
                   "没有版本“%s”的模型“%s”；见“heed model list”", version ? version : "", name);
}

static heed_err switch_in(heed_workspace *ws, const char *name, const char *version, bool back,
                          hd_arena *arena, json_t **out) {
    hd_model_ref ref, active, previous, now;
    task_name task = task_of(name);
    HD_TRY(find_version(ws, name, back ? NULL : version, arena, &ref));
    if (back) {
        HD_TRY(hd_models_active(ws, task.text, arena, &active, &previous));
        ref = previous;
        if (!ref.method)
            return HD_FAIL(HEED_NOT_FOUND, "no model was in force before this one",
                           "在此之前没有启用过别的模型");
    }
    HD_TRY(hd_json_pack(out, "{s:s, s:s, s:s}", "method", name, "version", ref.version, "model",
                        ref.method));
    heed_err err = hd_models_activate(ws, task.text, ref, arena, &now);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_recipe_switch(heed_workspace *ws, const char *name, const char *version, bool back,
                          json_t **out) {
    hd_lock *lock = NULL;
    hd_arena arena;
    HD_TRY(hd_models_lock(ws, &lock));
    hd_arena_init(&arena);
    heed_err err = switch_in(ws, name, version, back, &arena, out);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        record(ws, back ? HD_AUDIT_MODEL_ROLLBACK : HD_AUDIT_MODEL_ACTIVATE, name,
               json_string_value(json_object_get(*out, "version")));
    return err;
}

static heed_err show_in(const heed_workspace *ws, const char *name, const char *version,
                        hd_arena *arena, json_t **out) {
    hd_model_ref ref, active, previous;
    json_t *report = NULL;
    task_name task = task_of(name);
    HD_TRY(find_version(ws, name, version, arena, &ref));
    HD_TRY(hd_models_active(ws, task.text, arena, &active, &previous));
    HD_TRY(hd_models_manifest(ws, task.text, ref, out));
    bool on = strcmp(active.method, ref.method) == 0 && strcmp(active.version, ref.version) == 0;
    heed_err err = hd_json_set(*out, "active", json_boolean(on));
    if (err == HEED_OK) err = hd_models_report(ws, task.text, ref, &report);
    if (err == HEED_OK) err = hd_json_set(*out, "report", report);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_recipe_show(const heed_workspace *ws, const char *name, const char *version,
                        json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = show_in(ws, name, version, &arena, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_recipe_models(const heed_workspace *ws, json_t *list) {
    char **names = NULL;
    size_t n = 0;
    hd_arena arena;
    hd_arena_init(&arena);
    char *folder = hd_arena_printf(&arena, "%s/models/" TASKS, ws->folder);
    heed_err err = folder ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK && hd_fs_is_dir(folder)) err = hd_fs_list(folder, &arena, &names, &n);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        if (hd_recipe_known(ws, names[i]))
            err = hd_models_list_task(ws, task_of(names[i]).text, list);
    }
    hd_arena_clear(&arena);
    return err;
}

// ── The model in force ──

typedef struct model_cell {
    hd_loaded_model loaded; // first: what others see
    hd_fs_stamp stamp;
} model_cell;

typedef struct model_want {
    heed_workspace *ws;
    const char *name;
    hd_fs_stamp stamp; // of active.json
} model_want;

static void model_free(hd_shared *shared) {
    model_cell *self = (model_cell *)shared;
    hd_predictor_close(self->loaded.model);
    hd_free(self);
}

static hd_fitness judge_model(void *ctx, const hd_shared *now) {
    const model_want *want = ctx;
    const model_cell *cell = (const model_cell *)now;
    return memcmp(&want->stamp, &cell->stamp, sizeof cell->stamp) == 0 ? HD_FIT : HD_AGED;
}

static heed_err load_model(const model_want *want, hd_arena *arena, hd_loaded_model *out) {
    hd_model_ref ref, previous;
    task_name task = task_of(want->name);
    HD_TRY(hd_models_active(want->ws, task.text, arena, &ref, &previous));
    hd_snprintf(out->version, sizeof out->version, "%s", ref.version);
    char *folder = hd_arena_printf(arena, "%s/models/%s/%s/%s", want->ws->folder, task.text,
                                   ref.method, ref.version);
    return folder ? hd_predictor_open(folder, &out->model) : HD_FAIL_MEMORY(0);
}

static heed_err make_model(void *ctx, hd_shared *now, hd_shared **out) {
    (void)now;
    model_cell *made = hd_calloc(1, sizeof *made);
    hd_arena arena;
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    hd_shared_init(&made->loaded.shared, model_free);
    made->stamp = ((const model_want *)ctx)->stamp;
    hd_arena_init(&arena);
    heed_err err = load_model(ctx, &arena, &made->loaded);
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = &made->loaded.shared;
    else
        hd_shared_release(&made->loaded.shared);
    return err;
}

heed_err hd_loaded_model_get(heed_workspace *ws, const char *name, hd_loaded_model **out) {
    model_want want = {.ws = ws, .name = name};
    char path[PATH_MAX], slot[96];
    hd_shared *shared = NULL;
    if (!hd_recipe_known(ws, name)) return no_model(name);
    hd_snprintf(path, sizeof path, "%s/models/" TASKS "/%s/active.json", ws->folder, name);
    hd_snprintf(slot, sizeof slot, "recipe %s", name);
    hd_fs_stamp_take(path, &want.stamp);
    const hd_cache_want ask = {.folder = ws->folder,
                               .name = slot,
                               .judge = judge_model,
                               .make = make_model,
                               .ctx = &want,
                               .late = hd_workspace_late(ws)};
    HD_TRY(hd_cache_get(ws->cache, &ask, &shared));
    *out = (hd_loaded_model *)(void *)shared;
    return HEED_OK;
}
