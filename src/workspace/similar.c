// SPDX-License-Identifier: Apache-2.0
//
// Similar items: a history of one item, served by a method that compares items, without what fills
// in where users are served (what is popular is like nothing). Two servings, because a model knows
// the items of its training and the catalogue has more.
#include "base/mem.h"
#include "recommend/alike.h"
#include "recommend/wording.h"
#include "workspace/answers.h"
#include "workspace/loaded.h"
#include "workspace/recommend.h"

static const char *const methods[] = {"item_knn", "markov"}; // the better one first
enum { N_METHODS = sizeof methods / sizeof *methods };

// ── By content ──

typedef struct likeness {
    hd_shared shared;
    hd_shared_items *items; // held
    hd_model *model;
    hd_serving *serving;
} likeness;

typedef struct likeness_want {
    heed_workspace *ws;
    hd_shared_items *items; // as they stand for this handle
} likeness_want;

static void likeness_free(hd_shared *shared) {
    likeness *self = (likeness *)shared;
    hd_serving_free(self->serving);
    hd_method_content.free(self->model);
    hd_shared_release(&self->items->shared);
    hd_free(self);
}

// A handle that writes sees rows that nobody else does: only its own items will do.
static hd_fitness judge_likeness(void *ctx, const hd_shared *now) {
    const likeness_want *want = ctx;
    const hd_shared_items *items = ((const likeness *)now)->items;
    bool newer = want->ws->mode == HEED_READ && items->version >= want->items->version;
    return items == want->items || newer ? HD_FIT : HD_UNFIT;
}

static heed_err make_likeness(void *ctx, hd_shared *now, hd_shared **out) {
    (void)now;
    const likeness_want *want = ctx;
    likeness *made = hd_calloc(1, sizeof *made);
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    hd_shared_init(&made->shared, likeness_free);
    hd_shared_hold(&want->items->shared);
    made->items = want->items;
    const hd_items *items = &made->items->items;
    heed_err err = hd_alike_new(items, &made->model);
    if (err == HEED_OK)
        err = hd_serving_new_of_all(items, &hd_method_content, made->model, &made->serving);
    if (err == HEED_OK)
        *out = &made->shared;
    else
        hd_shared_release(&made->shared);
    return err;
}

static heed_err likeness_get(heed_workspace *ws, likeness **out) {
    likeness_want want = {.ws = ws};
    hd_shared *shared = NULL;
    HD_TRY(hd_workspace_items_hold(ws, &want.items));
    const hd_cache_want ask = {.folder = ws->folder,
                               .name = "likeness",
                               .judge = judge_likeness,
                               .make = make_likeness,
                               .ctx = &want,
                               .late = hd_workspace_late(ws)};
    heed_err err = hd_cache_get(ws->cache, &ask, &shared);
    hd_shared_release(&want.items->shared);
    *out = (likeness *)shared;
    return err;
}

// ── The request ──

typedef struct asking {
    heed_workspace *ws;
    hd_arena *arena;
    const hd_item *item; // of the items that this handle holds
    hd_serve_rules rules;
    size_t n;             // wanted
    const char **exclude; // the caller's, the item, and what was served already; in the arena
    json_t *out;          // items
    const char *method;   // that served the first; NULL: none yet
    const char *version;  // of the model that was asked, in the arena; NULL: none was
} asking;

static heed_err add_item(asking *a, const hd_served *served, const hd_item *item) {
    json_t *one = NULL;
    HD_TRY(hd_json_pack(&one, "{s:I, s:s, s:s, s:f, s:s}", "rank",
                        (json_int_t)json_array_size(a->out) + 1, "id", item->id, "title",
                        item->title, "score", hd_json_decimal((float)served->score), "method",
                        served->method));
    HD_TRY(hd_json_append(a->out, one));
    const char *id = hd_arena_strdup(a->arena, item->id);
    if (!id) return HD_FAIL_MEMORY(0);
    a->exclude[a->rules.n_exclude++] = id;
    if (!a->method) a->method = served->method;
    return HEED_OK;
}

// Adds what a serving finds, up to n.
static heed_err ask(asking *a, const hd_serving *serving, const hd_items *items) {
    hd_served_list list;
    const hd_serve_event event = {.item_key = a->item->key, .weight = 1};
    const hd_serve_request request = {
        .events = &event, .n_events = 1, .now = HD_TIME_NONE, .room = a->ws->room};
    a->rules.n = a->n - json_array_size(a->out);
    if (a->rules.n == 0) return HEED_OK;
    HD_TRY(hd_serve(serving, &request, &a->rules, &list));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < list.n; i++)
        err = add_item(a, &list.item[i], &items->items[list.item[i].item]);
    hd_served_clear(&list);
    return err;
}

static heed_err make_rules(asking *a, const heed_recommend_params *params) {
    HD_TRY(hd_recommend_rules(a->ws, params, a->arena, &a->rules));
    a->n = a->rules.n;
    a->rules.exclude_seen = true;
    a->rules.reasons = 0;
    a->rules.first_only = true;
    a->exclude = hd_arena_calloc(a->arena, params->n_exclude + a->n + 2, sizeof *a->exclude);
    if (!a->exclude) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < params->n_exclude; i++) a->exclude[i] = params->exclude[i];
    a->exclude[params->n_exclude] = a->item->id; // though it may be bought again
    a->rules.exclude = a->exclude;
    a->rules.n_exclude = params->n_exclude + 1;
    return HEED_OK;
}

static heed_err ask_model(asking *a, const char *method) {
    hd_loaded *loaded = NULL;
    HD_TRY(hd_loaded_get(a->ws, method, &loaded));
    a->version = hd_arena_strdup(a->arena, loaded->ref.version);
    heed_err err = a->version ? ask(a, loaded->serving, loaded->items) : HD_FAIL_MEMORY(0);
    hd_shared_release(&loaded->shared);
    return err;
}

static heed_err ask_content(asking *a) {
    likeness *l = NULL;
    if (json_array_size(a->out) == a->n) return HEED_OK;
    HD_TRY(likeness_get(a->ws, &l));
    heed_err err = ask(a, l->serving, &l->items->items);
    hd_shared_release(&l->shared);
    return err;
}

// The best model there is, then content.
static heed_err ask_all(asking *a) {
    heed_err err = HEED_NOT_FOUND;
    for (size_t m = 0; m < N_METHODS && err == HEED_NOT_FOUND; m++) err = ask_model(a, methods[m]);
    if (err != HEED_OK && err != HEED_NOT_FOUND) return err;
    return ask_content(a);
}

static heed_err ask_one(asking *a, const char *method) {
    if (strcmp(method, hd_method_content.name) == 0) return ask_content(a);
    for (size_t m = 0; m < N_METHODS; m++)
        if (strcmp(methods[m], method) == 0) return ask_model(a, method);
    return HD_FAIL(HEED_INPUT, "'%s' doesn't compare items: take item_knn, markov or content",
                   "“%s”不能比较商品：请用 item_knn、markov 或 content", method);
}

static heed_err find_item(asking *a, const hd_items *items, const char *id) {
    uint64_t index;
    if (!hd_map_get(&items->by_id, id, strlen(id), &index))
        return HD_FAIL(HEED_NOT_FOUND, "there is no item '%s': check the id",
                       "没有商品“%s”：请检查 id", id);
    a->item = &items->items[index];
    return HEED_OK;
}

static heed_err answer(asking *a, const hd_items *items, const char *id,
                       const heed_recommend_params *params, json_t **out) {
    HD_TRY(find_item(a, items, id));
    if (!a->ws->room) HD_TRY(hd_serve_room_new(&a->ws->room));
    HD_TRY(make_rules(a, params));
    HD_TRY(params->method ? ask_one(a, params->method) : ask_all(a));
    return hd_json_pack(out, "{s:s, s:s, s:s?, s:s?, s:I, s:O}", "item", a->item->id, "title",
                        a->item->title, "version", a->version, "method", a->method, "asked",
                        (json_int_t)a->n, "items", a->out);
}

static heed_err answer_from_now(asking *a, const char *id, const heed_recommend_params *params,
                                json_t **out) {
    hd_shared_items *items = NULL; // held: another look at the catalogue may bring another one
    HD_TRY(hd_workspace_items_hold(a->ws, &items));
    heed_err err = answer(a, &items->items, id, params, out);
    hd_shared_release(&items->shared);
    return err;
}

heed_err hd_similar(heed_workspace *ws, const char *item, const heed_recommend_params *params,
                    json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    asking a = {.ws = ws, .arena = &arena, .out = json_array()};
    heed_err err = a.out ? hd_store_begin_read(ws->store) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) {
        err = answer_from_now(&a, item, params, out);
        hd_store_rollback(ws->store);
    }
    json_decref(a.out);
    hd_arena_clear(&arena);
    return err;
}

heed_err heed_similar(heed_workspace *ws, const char *item, const heed_recommend_params *params,
                      char **json) {
    json_t *out = NULL;
    HD_TRY(hd_similar(ws, item, params, &out));
    return hd_workspace_text(out, json);
}
