// SPDX-License-Identifier: Apache-2.0
//
// Three layers, each shared: the models of a version as they stand in their files; the catalogue;
// and both wired together for serving. So a new item costs a new wiring, not the models.
//
// Whether what is loaded is still right is asked at every request, by one stat of active.json (the
// file is replaced by a rename: another file number or time), one look at the catalogue's version,
// and, for methods that keep rows of users, one at the mark of consents. A version that is no
// longer in force may answer until the next one is loaded; items that changed and rows of somebody
// who withdrew may not.
//
// What is loaded speaks of items by key, so items that came or went since training do no harm.
#include "workspace/loaded.h"

#include <limits.h>

#include "base/mem.h"
#include "privacy/consent.h"
#include "workspace/train.h"

static const char TASK[] = "recommend";
static const char SEGMENTS_TASK[] = "profile";

// ── The catalogue ──

static void items_free(hd_shared *shared) {
    hd_shared_items *self = (hd_shared_items *)shared;
    hd_items_clear(&self->items);
    hd_free(self);
}

typedef struct items_want {
    heed_workspace *ws;
    int64_t version;
} items_want;

// A newer one than this transaction sees will do: it was committed. A catalogue that changes all
// day may not be loaded all day: what loads within a blink is loaded at once, for more than that a
// tenth of the time is enough.
static bool items_stand(const hd_shared_items *items, int64_t version) {
    enum { BLINK_MS = 50, TENTH = 10 };
    if (items->version >= version) return true;
    return items->took >= BLINK_MS && hd_time_monotonic() - items->at < TENTH * items->took;
}

static hd_fitness judge_items(void *ctx, const hd_shared *now) {
    const items_want *want = ctx;
    return items_stand((const hd_shared_items *)now, want->version) ? HD_FIT : HD_UNFIT;
}

static heed_err make_items(void *ctx, hd_shared *now, hd_shared **out) {
    (void)now;
    const items_want *want = ctx;
    hd_shared_items *made = hd_calloc(1, sizeof *made);
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    hd_shared_init(&made->shared, items_free);
    made->version = want->version;
    int64_t began = hd_time_monotonic();
    heed_err err = hd_catalog_load(want->ws->catalog, &made->items);
    made->at = hd_time_monotonic();
    made->took = made->at - began;
    if (err == HEED_OK)
        *out = &made->shared;
    else
        hd_free(made);
    return err;
}

heed_err hd_shared_items_get(heed_workspace *ws, hd_shared_items **out) {
    items_want want = {.ws = ws};
    hd_shared *shared = NULL;
    // Read first: what changes in between is loaded, and then looks stale once more.
    HD_TRY(hd_catalog_version(ws->catalog, &want.version));
    const hd_cache_want ask = {.folder = ws->folder,
                               .name = "items",
                               .judge = judge_items,
                               .make = make_items,
                               .ctx = &want,
                               .late = hd_workspace_late(ws)};
    HD_TRY(ws->mode == HEED_WRITE ? make_items(&want, NULL, &shared)
                                  : hd_cache_get(ws->cache, &ask, &shared));
    *out = (hd_shared_items *)shared;
    return HEED_OK;
}

// ── Models as they stand in their files ──

typedef struct loaded_model {
    const hd_method *method; // NULL: none
    hd_model *model;
} loaded_model;

typedef struct model_set {
    hd_shared shared;
    hd_arena arena;
    hd_model_ref ref;
    int64_t *item_key; // (n_items)
    size_t n_items;
    loaded_model chosen;
    loaded_model popular; // method NULL: the chosen one is popular
    hd_cold *cold;        // NULL: none was fitted
    int64_t mark;         // hd_door_consent_mark when rows of users were read
} model_set;

static void set_free(hd_shared *shared) {
    model_set *set = (model_set *)shared;
    hd_cold_free(set->cold);
    if (set->chosen.method) set->chosen.method->free(set->chosen.model);
    if (set->popular.method) set->popular.method->free(set->popular.model);
    hd_free(set->item_key);
    hd_arena_clear(&set->arena);
    hd_free(set);
}

static heed_err take_item_keys(const hd_safetensors *file, model_set *out) {
    const hd_tensor_view *view;
    HD_TRY(hd_safetensors_get(file, "heed.item_key", HD_I64, 1, &view));
    out->n_items = view->shape[0];
    out->item_key = hd_alloc(view->bytes + 1);
    if (!out->item_key) return HD_FAIL_MEMORY(view->bytes);
    memcpy(out->item_key, view->data, view->bytes);
    return HEED_OK;
}

// The rows of all users, as a method reads them that compares users: they are to it what training
// data is to another, so they are read for that purpose.
static heed_err attach_rows(heed_workspace *ws, model_set *set, loaded_model *model) {
    hd_snapshot snapshot = {0};
    HD_TRY(hd_door_consent_mark(ws->door, &set->mark));
    HD_TRY(hd_door_snapshot(ws->door, HD_PURPOSE_TRAIN, set->item_key, set->n_items, ws->signals,
                            &snapshot));
    heed_err err = model->method->attach(model->model, &snapshot.events);
    hd_snapshot_clear(&snapshot);
    return err;
}

static heed_err fail_corrupt(hd_model_ref ref) {
    return HD_FAIL(HEED_CORRUPT, "model '%s' %s doesn't fit its item list; run 'heed train'",
                   "模型“%s”%s 与其商品表不符；请运行“heed train”", ref.method, ref.version);
}

static heed_err load_model(heed_workspace *ws, model_set *out, const hd_method *method,
                           const hd_safetensors *file, loaded_model *model) {
    model->method = method;
    HD_TRY(method->load(file, &model->model));
    if (method->n_items(model->model) != out->n_items) return fail_corrupt(out->ref);
    if (method->needs_rows) return attach_rows(ws, out, model);
    return HEED_OK;
}

static heed_err load_chosen(heed_workspace *ws, const hd_method *method, model_set *out) {
    hd_safetensors *file = NULL;
    HD_TRY(hd_models_open(ws, TASK, out->ref, &file));
    heed_err err = take_item_keys(file, out);
    if (err == HEED_OK) err = load_model(ws, out, method, file, &out->chosen);
    hd_safetensors_close(file);
    return err;
}

// What fills in: popular of the same training, with its table by attribute.
static heed_err load_popular(heed_workspace *ws, model_set *out) {
    const hd_method *popular = hd_methods[0];
    const hd_model_ref ref = {popular->name, out->ref.version};
    hd_safetensors *file = NULL;
    if (!hd_models_has(ws, TASK, ref)) return HEED_OK;
    HD_TRY(hd_models_open(ws, TASK, ref, &file));
    heed_err err = hd_cold_load(file, &out->cold);
    if (err == HEED_OK && out->chosen.method != popular)
        err = load_model(ws, out, popular, file, &out->popular);
    hd_safetensors_close(file);
    return err;
}

static heed_err load_set(heed_workspace *ws, hd_model_ref ref, model_set *out) {
    const hd_method *method = hd_method_find(ref.method);
    if (!method)
        return HD_FAIL(HEED_VERSION, "this heed has no method '%s'; run 'heed train'",
                       "此版本的 heed 没有“%s”方法；请运行“heed train”", ref.method);
    out->ref.method = hd_arena_strdup(&out->arena, ref.method);
    out->ref.version = hd_arena_strdup(&out->arena, ref.version);
    if (!out->ref.method || !out->ref.version) return HD_FAIL_MEMORY(0);
    HD_TRY(load_chosen(ws, method, out));
    return load_popular(ws, out);
}

static heed_err set_new(heed_workspace *ws, hd_model_ref ref, model_set **out) {
    model_set *set = hd_calloc(1, sizeof *set);
    if (!set) return HD_FAIL_MEMORY(sizeof *set);
    hd_shared_init(&set->shared, set_free);
    hd_arena_init(&set->arena);
    heed_err err = load_set(ws, ref, set);
    if (err == HEED_OK)
        *out = set;
    else
        hd_shared_release(&set->shared);
    return err;
}

// ── Wired together ──

// What says which version is wanted, without reading it.
typedef struct stamps {
    hd_fs_stamp active, method; // of active.json; of the method's folder, when one is named
} stamps;

typedef struct wiring {
    hd_loaded loaded; // first: what others see
    stamps stamps;
    model_set *set;
    hd_shared_items *items;
    hd_serving *serving;
} wiring;

static void wiring_free(hd_shared *shared) {
    wiring *self = (wiring *)shared;
    hd_serving_free(self->serving);
    if (self->set) hd_shared_release(&self->set->shared);
    if (self->items) hd_shared_release(&self->items->shared);
    hd_free(self);
}

typedef struct loaded_want {
    heed_workspace *ws;
    const char *method; // "auto": the one in force
    stamps stamps;
    int64_t items_version;
} loaded_want;

// Rows of somebody who withdrew or was erased since they were read serve nobody any more.
static bool rows_stand(heed_workspace *ws, const model_set *set) {
    int64_t mark;
    if (!set->chosen.method->needs_rows) return true;
    return hd_door_consent_mark(ws->door, &mark) == HEED_OK && mark == set->mark;
}

static bool same_version(const loaded_want *want, const wiring *now) {
    return memcmp(&want->stamps, &now->stamps, sizeof now->stamps) == 0;
}

// What a handle that writes has loaded may have been taken back since: only the same will do.
static bool items_fit(const loaded_want *want, const hd_shared_items *items) {
    if (want->ws->mode == HEED_WRITE) return items->version == want->items_version;
    return items_stand(items, want->items_version);
}

static hd_fitness judge_loaded(void *ctx, const hd_shared *shared) {
    const loaded_want *want = ctx;
    const wiring *now = (const wiring *)shared;
    if (!items_fit(want, now->items) || !rows_stand(want->ws, now->set)) return HD_UNFIT;
    return same_version(want, now) ? HD_FIT : HD_AGED;
}

// The version asked for: a method's newest, or the one in force.
static heed_err choose_version(const loaded_want *want, hd_arena *arena, hd_model_ref *out) {
    hd_model_ref previous;
    const char *method = want->method;
    HD_TRY(hd_models_active(want->ws, TASK, arena, out, &previous));
    if (strcmp(method, "auto") == 0 || strcmp(method, out->method) == 0) return HEED_OK;
    if (!hd_method_find(method)) {
        const hd_method **all;
        size_t n;
        return hd_methods_named(&method, 1, arena, &all, &n);
    }
    out->method = method;
    return hd_models_newest(want->ws, TASK, method, arena, &out->version);
}

static bool is_set(const model_set *set, hd_model_ref ref) {
    return strcmp(set->ref.method, ref.method) == 0 && strcmp(set->ref.version, ref.version) == 0;
}

// The models of the wiring before, when they are those, else loaded now.
static heed_err take_set(const loaded_want *want, const wiring *before, model_set **out) {
    hd_arena arena;
    hd_model_ref ref;
    hd_arena_init(&arena);
    heed_err err = choose_version(want, &arena, &ref);
    if (err == HEED_OK) {
        if (before && is_set(before->set, ref) && rows_stand(want->ws, before->set)) {
            hd_shared_hold(&before->set->shared);
            *out = before->set;
        } else {
            err = set_new(want->ws, ref, out);
        }
    }
    hd_arena_clear(&arena);
    return err;
}

static heed_err wire(wiring *out) {
    const model_set *set = out->set;
    const hd_items *items = &out->items->items;
    HD_TRY(hd_serving_new(items, set->item_key, set->n_items, &out->serving));
    HD_TRY(hd_serving_add(out->serving, set->chosen.method, set->chosen.model));
    if (set->popular.method)
        HD_TRY(hd_serving_add(out->serving, set->popular.method, set->popular.model));
    if (set->cold) HD_TRY(hd_serving_cold(out->serving, set->cold));
    out->loaded.ref = set->ref;
    out->loaded.items = items;
    out->loaded.serving = out->serving;
    return HEED_OK;
}

static heed_err make_loaded(void *ctx, hd_shared *now, hd_shared **out) {
    const loaded_want *want = ctx;
    wiring *made = hd_calloc(1, sizeof *made);
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    hd_shared_init(&made->loaded.shared, wiring_free);
    made->stamps = want->stamps;
    heed_err err = take_set(want, (const wiring *)now, &made->set);
    if (err == HEED_OK) err = hd_workspace_items_hold(want->ws, &made->items);
    if (err == HEED_OK) err = wire(made);
    if (err == HEED_OK)
        *out = &made->loaded.shared;
    else
        hd_shared_release(&made->loaded.shared);
    return err;
}

static bool stamp(const heed_workspace *ws, const char *name, hd_fs_stamp *out) {
    char path[PATH_MAX]; // each answer asks: nothing is allocated for it
    int n = hd_snprintf(path, sizeof path, "%s/models/%s/%s", ws->folder, TASK, name);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    hd_fs_stamp_take(path, out);
    return true;
}

// Taken before anything is read: what changes in between is seen at the next request.
static heed_err take_stamps(loaded_want *want) {
    bool named = hd_method_find(want->method);
    if (stamp(want->ws, "active.json", &want->stamps.active) &&
        (!named || stamp(want->ws, want->method, &want->stamps.method)))
        return HEED_OK;
    return HD_FAIL(HEED_INPUT, "the path of the workspace '%s' is too long", "工作区“%s”的路径过长",
                   want->ws->folder);
}

heed_err hd_loaded_get(heed_workspace *ws, const char *method, hd_loaded **out) {
    loaded_want want = {.ws = ws, .method = method};
    hd_shared *shared = NULL;
    char name[96];
    if (!method) want.method = hd_settings_text(ws->settings, "recommend.method");
    hd_snprintf(name, sizeof name, "recommend %s", want.method);
    HD_TRY(take_stamps(&want));
    HD_TRY(hd_catalog_version(ws->catalog, &want.items_version));
    const hd_cache_want ask = {.folder = ws->folder,
                               .name = name,
                               .judge = judge_loaded,
                               .make = make_loaded,
                               .ctx = &want,
                               .late = hd_workspace_late(ws)};
    HD_TRY(hd_cache_get(ws->cache, &ask, &shared));
    *out = (hd_loaded *)shared;
    return HEED_OK;
}

// ── Segments ──

typedef struct segments_cell {
    hd_loaded_segments loaded; // first: what others see
    hd_fs_stamp stamp;
} segments_cell;

typedef struct segments_want {
    heed_workspace *ws;
    hd_fs_stamp stamp;
} segments_want;

static void segments_free(hd_shared *shared) {
    segments_cell *self = (segments_cell *)shared;
    hd_segments_free(self->loaded.segments);
    hd_free(self);
}

static hd_fitness judge_segments(void *ctx, const hd_shared *now) {
    const segments_want *want = ctx;
    const segments_cell *cell = (const segments_cell *)now;
    return memcmp(&want->stamp, &cell->stamp, sizeof cell->stamp) == 0 ? HD_FIT : HD_AGED;
}

static heed_err load_segments(heed_workspace *ws, hd_arena *arena, hd_loaded_segments *out) {
    hd_model_ref ref;
    hd_model_ref previous;
    hd_safetensors *file = NULL;
    HD_TRY(hd_models_active(ws, SEGMENTS_TASK, arena, &ref, &previous));
    hd_snprintf(out->version, sizeof out->version, "%s", ref.version);
    HD_TRY(hd_models_open(ws, SEGMENTS_TASK, ref, &file));
    heed_err err = hd_segments_load(file, &out->segments);
    hd_safetensors_close(file);
    return err;
}

static heed_err make_segments(void *ctx, hd_shared *now, hd_shared **out) {
    (void)now;
    const segments_want *want = ctx;
    segments_cell *made = hd_calloc(1, sizeof *made);
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    hd_shared_init(&made->loaded.shared, segments_free);
    made->stamp = want->stamp;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = load_segments(want->ws, &arena, &made->loaded);
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = &made->loaded.shared;
    else
        hd_shared_release(&made->loaded.shared);
    return err;
}

heed_err hd_loaded_segments_get(heed_workspace *ws, hd_loaded_segments **out) {
    segments_want want = {.ws = ws};
    hd_shared *shared = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    char *active = hd_arena_printf(&arena, "%s/models/%s/active.json", ws->folder, SEGMENTS_TASK);
    if (active) hd_fs_stamp_take(active, &want.stamp);
    hd_arena_clear(&arena);
    if (!active) return HD_FAIL_MEMORY(0);
    const hd_cache_want ask = {.folder = ws->folder,
                               .name = "segments",
                               .judge = judge_segments,
                               .make = make_segments,
                               .ctx = &want,
                               .late = hd_workspace_late(ws)};
    HD_TRY(hd_cache_get(ws->cache, &ask, &shared));
    *out = (hd_loaded_segments *)shared;
    return HEED_OK;
}
