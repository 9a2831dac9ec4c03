// SPDX-License-Identifier: Apache-2.0
//
// Serving: the model in force, popular beside it, and the user's events as they stand now.
//
// A request holds the models it began with (workspace/loaded.h) until its answer is written: what
// is put in force meanwhile is for the next one.
#include "workspace/recommend.h"

#include "base/mem.h"
#include "recommend/wording.h"
#include "workspace/loaded.h"

// ── The request ──

typedef struct request {
    heed_workspace *ws;
    const heed_recommend_params *params;
    hd_arena *arena;
    hd_serve_request serve;
    hd_serve_event *events;
    size_t n;
    int64_t user;      // key; 0: nobody
    hd_loaded *loaded; // held
} request;

static heed_err room_for(request *r, size_t n) {
    r->events = hd_arena_alloc(r->arena, (n + 1) * sizeof *r->events);
    return r->events ? HEED_OK : HD_FAIL_MEMORY((n + 1) * sizeof *r->events);
}

static void add_event(request *r, int64_t item_key, const char *type, double value, hd_time time,
                      int64_t source) {
    hd_signals signals = r->ws->signals;
    r->events[r->n++] = (hd_serve_event){.item_key = item_key,
                                         .type = type,
                                         .weight = (float)signals.weight(signals.ctx, type, value),
                                         .time = time,
                                         .source = source};
}

// What was looked at before the newest SESSION_MAX items says nothing any more, and costs a
// look-up.
enum { SESSION_MAX = 1000 };

static heed_err add_session(request *r) {
    hd_time now = hd_time_now();
    size_t n = r->params->n_session;
    for (size_t i = n > SESSION_MAX ? n - SESSION_MAX : 0; i < n; i++) {
        int64_t key;
        const char *id = r->params->session[i];
        heed_err err = hd_catalog_item_key(r->ws->catalog, hd_slice_of(id), 0, &key);
        if (err == HEED_NOT_FOUND)
            return HD_FAIL(HEED_INPUT, "session: there is no item '%s'", "session：没有商品“%s”",
                           id);
        HD_TRY(err);
        add_event(r, key, "view", 0, now, 0);
    }
    return HEED_OK;
}

// What is known of the user beside the history is read when the list needs it: most don't.
static heed_err ask_attributes(void *ctx, const char **out) {
    request *r = ctx;
    hd_door_user known;
    HD_TRY(hd_door_user_get(r->ws->door, HD_PURPOSE_RECOMMEND, r->user, r->arena, &known));
    *out = known.attributes;
    return HEED_OK;
}

static heed_err add_history(request *r, const char *user) {
    hd_door_event *events = NULL;
    size_t n = 0;
    const hd_history_wish wish = {
        .keys = r->params->reasons > 0, // evidence names events by their keys
        .limit = (size_t)hd_settings_int(r->ws->settings, "recommend.history"),
    };
    HD_TRY(hd_door_history(r->ws->door, HD_PURPOSE_RECOMMEND, hd_slice_of(user), wish, r->arena,
                           &r->user, &events, &n));
    r->serve.ask_attributes = ask_attributes;
    r->serve.ctx = r;
    HD_TRY(room_for(r, n + r->params->n_session));
    for (size_t i = 0; i < n; i++)
        add_event(r, events[i].item_key, events[i].type, events[i].value, events[i].time,
                  events[i].key);
    return HEED_OK;
}

// A user who is out of recommending gets what somebody unknown gets, without the session that was
// handed in: it would be theirs too.
static heed_err add_known(request *r, const char *user) {
    heed_err err = add_history(r, user);
    r->serve.left_out = err == HEED_DENIED;
    if (r->serve.left_out) return room_for(r, 0);
    HD_TRY(err);
    return add_session(r);
}

static heed_err make_request(request *r, const char *user) {
    r->serve.now = hd_time_now();
    if (user) {
        HD_TRY(add_known(r, user));
    } else {
        HD_TRY(room_for(r, r->params->n_session));
        HD_TRY(add_session(r));
    }
    r->serve.events = r->events;
    r->serve.n_events = r->n;
    if (!r->ws->room) HD_TRY(hd_serve_room_new(&r->ws->room));
    r->serve.room = r->ws->room;
    return HEED_OK;
}

heed_err hd_recommend_rules(const heed_workspace *ws, const heed_recommend_params *params,
                            hd_arena *arena, hd_serve_rules *rules) {
    const hd_settings *settings = ws->settings;
    *rules = hd_serve_rules_default();
    rules->n = params->n ? params->n : (size_t)hd_settings_int(settings, "recommend.n");
    rules->exclude_seen = params->exclude_seen >= 0
                              ? params->exclude_seen != 0
                              : hd_settings_bool(settings, "recommend.exclude_seen");
    rules->category_cap = params->cap_per_category >= 0
                              ? (size_t)params->cap_per_category
                              : (size_t)hd_settings_int(settings, "recommend.cap_per_category");
    rules->categories = params->categories;
    rules->n_categories = params->n_categories;
    rules->exclude = params->exclude;
    rules->n_exclude = params->n_exclude;
    rules->reasons = params->reasons;
    hd_filter *filters = hd_arena_alloc(arena, (params->n_filters + 1) * sizeof *filters);
    if (!filters) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < params->n_filters; i++)
        HD_TRY(hd_filter_parse(hd_slice_of(params->filters[i]), arena, &filters[i]));
    rules->filters = filters;
    rules->n_filters = params->n_filters;
    return HEED_OK;
}

static heed_err serve_in(request *r, const char *user, hd_served_list *list) {
    hd_serve_rules rules;
    HD_TRY(make_request(r, user));
    HD_TRY(hd_recommend_rules(r->ws, r->params, r->arena, &rules));
    HD_TRY(hd_loaded_get(r->ws, r->params->method, &r->loaded));
    return hd_serve(r->loaded->serving, &r->serve, &rules, list);
}

static void let_go(hd_loaded *loaded) {
    if (loaded) hd_shared_release(&loaded->shared);
}

// Serves within one read transaction; the request's events live in the arena as long as the list.
// *loaded: what it was served from, held by the caller as long as the list lives.
static heed_err serve(heed_workspace *ws, const char *user, const heed_recommend_params *params,
                      hd_arena *arena, hd_loaded **loaded, hd_served_list *list) {
    if (!user && params->n_session == 0)
        return HD_FAIL(HEED_USAGE, "recommend for whom? give a user's id, or items as a session",
                       "为谁推荐？请给出用户 id，或以 session 给出商品");
    request r = {.ws = ws, .params = params, .arena = arena};
    HD_TRY(hd_store_begin_read(ws->store));
    heed_err err = serve_in(&r, user, list);
    hd_store_rollback(ws->store);
    if (err == HEED_OK)
        *loaded = r.loaded;
    else
        let_go(r.loaded);
    return err;
}

heed_recommend_params heed_recommend_default(void) {
    return (heed_recommend_params){.exclude_seen = -1, .cap_per_category = -1, .reasons = 3};
}

heed_err hd_recommend(heed_workspace *ws, const char *user, const heed_recommend_params *params,
                      json_t **out) {
    hd_served_list list = {0};
    hd_loaded *loaded = NULL;
    hd_arena_reset(&ws->scratch);
    heed_err err = serve(ws, user, params, &ws->scratch, &loaded, &list);
    if (err == HEED_OK) {
        const hd_wording wording = {params->lang, ws->zone, params->reasons > 0};
        err = hd_served_json(&list, loaded->items, wording, out);
        hd_served_clear(&list);
    }
    if (err == HEED_OK) {
        err = hd_json_set(*out, "version", json_string(loaded->ref.version));
        if (err == HEED_OK) err = hd_json_set(*out, "user", user ? json_string(user) : json_null());
        if (err != HEED_OK) hd_json_drop(out);
    }
    let_go(loaded);
    return err;
}

// ── The public list ──

typedef struct public_list {
    heed_recommendations public; // first: the caller's pointer is this one
    hd_arena arena;
} public_list;

typedef struct filling {
    const hd_served_list *list;
    const hd_items *items;
    const hd_zone *zone;
    heed_lang lang;
    hd_arena *arena;
} filling;

static heed_err keep_text(hd_str *text, hd_arena *arena, const char **out) {
    HD_TRY(hd_str_check(text));
    *out = hd_arena_strdup(arena, hd_str_get(text));
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err fill_sentences(const filling *f, const hd_served *served, heed_recommended *out) {
    hd_str text;
    hd_str_init(&text);
    hd_served_reason_text(f->list, served, f->items, f->lang, f->zone, &text);
    heed_err err = keep_text(&text, f->arena, &out->reason);
    hd_str_reset(&text);
    hd_served_why_text(f->list, served, f->lang, &text);
    if (err == HEED_OK) err = keep_text(&text, f->arena, &out->why);
    hd_str_clear(&text);
    return err;
}

static heed_err fill_evidence(const filling *f, const hd_served *served, heed_recommended *out) {
    heed_evidence *evidence = hd_arena_alloc(f->arena, (served->n_reasons + 1) * sizeof *evidence);
    if (!evidence) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < served->n_reasons; i++) {
        const hd_served_reason *reason = &served->reasons[i];
        evidence[i] = (heed_evidence){
            .event = reason->source,
            .item = hd_arena_strdup(f->arena, f->items->items[reason->item].id),
            .type = hd_arena_strdup(f->arena, reason->type ? reason->type : ""),
            .share = reason->share,
        };
        if (!evidence[i].item || !evidence[i].type) return HD_FAIL_MEMORY(0);
    }
    out->evidence = evidence;
    out->n_evidence = served->n_reasons;
    return HEED_OK;
}

static heed_err fill_item(const filling *f, const hd_served *served, heed_recommended *out) {
    const hd_item *item = &f->items->items[served->item];
    *out = (heed_recommended){
        .id = hd_arena_strdup(f->arena, item->id),
        .title = hd_arena_strdup(f->arena, item->title),
        .score = served->score,
        .method = hd_arena_strdup(f->arena, served->method),
    };
    if (!out->id || !out->title || !out->method) return HD_FAIL_MEMORY(0);
    HD_TRY(fill_sentences(f, served, out));
    return fill_evidence(f, served, out);
}

static heed_err fill(const filling *f, const hd_model_ref *ref, heed_recommendations *out) {
    out->items = hd_arena_calloc(f->arena, f->list->n + 1, sizeof *out->items);
    out->method = hd_arena_strdup(f->arena, ref->method);
    out->version = hd_arena_strdup(f->arena, ref->version);
    if (!out->items || !out->method || !out->version) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < f->list->n; i++) HD_TRY(fill_item(f, &f->list->item[i], &out->items[i]));
    out->n = f->list->n;
    return HEED_OK;
}

static heed_err serve_public(heed_workspace *ws, const char *user,
                             const heed_recommend_params *params, public_list *out) {
    hd_served_list list = {0};
    hd_arena_reset(&ws->scratch); // of the request: the list lends from it
    filling f = {.list = &list, .zone = ws->zone, .lang = params->lang, .arena = &out->arena};
    hd_loaded *loaded = NULL;
    heed_err err = serve(ws, user, params, &ws->scratch, &loaded, &list);
    if (err == HEED_OK) {
        f.items = loaded->items;
        err = fill(&f, &loaded->ref, &out->public);
        hd_served_clear(&list);
    }
    let_go(loaded);
    return err;
}

heed_err heed_recommend(heed_workspace *ws, const char *user, const heed_recommend_params *params,
                        heed_recommendations **out) {
    *out = NULL;
    public_list *list = hd_calloc(1, sizeof *list);
    if (!list) return HD_FAIL_MEMORY(sizeof *list);
    hd_arena_init(&list->arena);
    heed_err err = serve_public(ws, user, params, list);
    if (err == HEED_OK)
        *out = &list->public;
    else
        heed_recommendations_free(&list->public);
    return err;
}

void heed_recommendations_free(heed_recommendations *list) {
    if (!list) return;
    public_list *whole = (public_list *)list;
    hd_arena_clear(&whole->arena);
    hd_free(whole);
}
