// SPDX-License-Identifier: Apache-2.0
//
// Trending items: sums per item that a handle keeps, and adds to from the events that came since it
// last looked. A key grows with every event, so a request costs what is new and not what there is.
// Rows that went are not told of that way, so all is counted anew now and then, and at once when
// somebody had a say in what their data may serve.
#include "base/mem.h"
#include "privacy/consent.h"
#include "recommend/trend.h"
#include "recommend/wording.h"
#include "workspace/answers.h"
#include "workspace/loaded.h"
#include "workspace/recommend.h"

enum { ANEW_MS = 10 * 60 * 1000 };

struct hd_trends {
    hd_trend *trend; // NULL: nothing counted yet
    int64_t last;    // key of the newest event that was looked at
    int64_t mark;    // hd_door_consent_mark when counting began
    int64_t began;   // monotonic ms
    double half_life;
    hd_shared_items *items; // held; NULL: no serving
    hd_trend_model model;
    hd_serving *serving; // over the items
};

static void drop_serving(hd_trends *t) {
    hd_serving_free(t->serving);
    if (t->items) hd_shared_release(&t->items->shared);
    t->serving = NULL;
    t->items = NULL;
}

void hd_trends_free(hd_trends *t) {
    if (!t) return;
    drop_serving(t);
    hd_trend_free(t->trend);
    hd_free(t);
}

// ── Counting ──

typedef struct counting {
    heed_workspace *ws;
    hd_trends *trends;
    hd_time now;
} counting;

static heed_err count_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    (void)user_key;
    const counting *c = ctx;
    c->trends->last = event->key;
    if (event->item_key == 0) return HEED_OK;
    hd_signals signals = c->ws->signals;
    double weight = signals.weight(signals.ctx, event->type, event->value);
    return hd_trend_add(c->trends->trend, event->item_key, weight, event->time, c->now);
}

static heed_err begin_anew(hd_trends *t, double half_life, int64_t mark) {
    drop_serving(t);
    hd_trend_free(t->trend);
    t->trend = NULL;
    HD_TRY(hd_trend_new(half_life, &t->trend));
    t->last = 0;
    t->mark = mark;
    t->half_life = half_life;
    t->began = hd_time_monotonic();
    return HEED_OK;
}

static heed_err bring_up_to_date(heed_workspace *ws) {
    int64_t mark;
    hd_trends *t = ws->trends;
    double half_life = hd_settings_float(ws->settings, "recommend.half_life");
    counting c = {.ws = ws, .trends = t, .now = hd_time_now()};
    HD_TRY(hd_door_consent_mark(ws->door, &mark));
    if (!t->trend || t->mark != mark || t->half_life != half_life ||
        hd_time_monotonic() - t->began > ANEW_MS)
        HD_TRY(begin_anew(t, half_life, mark));
    heed_err err =
        hd_door_scan_events_after(ws->door, HD_PURPOSE_RECOMMEND, t->last, count_event, &c);
    if (err == HEED_OK) return HEED_OK;
    hd_trend_free(t->trend); // half of it was counted
    t->trend = NULL;
    drop_serving(t);
    return err;
}

// ── The request ──

static heed_err item_json(const hd_served *served, const hd_items *items, json_t *array) {
    json_t *one = NULL;
    const hd_item *item = &items->items[served->item];
    HD_TRY(hd_json_pack(&one, "{s:I, s:s, s:s, s:f}", "rank",
                        (json_int_t)json_array_size(array) + 1, "id", item->id, "title",
                        item->title, "score", hd_json_decimal((float)served->score)));
    return hd_json_append(array, one);
}

static heed_err trending_json(const hd_trends *t, const hd_served_list *list, const hd_items *items,
                              json_t **out) {
    char newest[32];
    hd_time time = hd_trend_newest(t->trend);
    if (time != HD_TIME_NONE) hd_time_format(time, NULL, newest);
    HD_TRY(hd_json_pack(out, "{s:I, s:f, s:s?, s:I, s:[]}", "asked", (json_int_t)list->asked,
                        "half_life_days", t->half_life, "newest",
                        time != HD_TIME_NONE ? newest : NULL, "events",
                        (json_int_t)hd_trend_events(t->trend), "items"));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < list->n; i++)
        err = item_json(&list->item[i], items, json_object_get(*out, "items"));
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// The serving, over the items as they stand now.
static heed_err renew_serving(heed_workspace *ws, hd_trends *t) {
    hd_shared_items *now = NULL;
    HD_TRY(hd_workspace_items_hold(ws, &now));
    if (t->serving && t->items == now) {
        hd_shared_release(&now->shared);
        return HEED_OK;
    }
    drop_serving(t);
    t->items = now;
    t->model = (hd_trend_model){t->trend, &now->items};
    return hd_serving_new_of_all(&now->items, &hd_method_trending, &t->model, &t->serving);
}

static heed_err ensure_parts(heed_workspace *ws) {
    if (!ws->room) HD_TRY(hd_serve_room_new(&ws->room));
    if (!ws->trends) ws->trends = hd_calloc(1, sizeof *ws->trends);
    if (!ws->trends) return HD_FAIL_MEMORY(sizeof *ws->trends);
    HD_TRY(bring_up_to_date(ws));
    return renew_serving(ws, ws->trends);
}

static heed_err answer(heed_workspace *ws, const heed_recommend_params *params, hd_arena *arena,
                       json_t **out) {
    hd_serve_rules rules;
    hd_served_list list;
    HD_TRY(ensure_parts(ws));
    HD_TRY(hd_recommend_rules(ws, params, arena, &rules));
    rules.reasons = 0;
    rules.first_only = true;
    const hd_serve_request request = {.now = HD_TIME_NONE, .room = ws->room};
    HD_TRY(hd_serve(ws->trends->serving, &request, &rules, &list));
    heed_err err = trending_json(ws->trends, &list, &ws->trends->items->items, out);
    hd_served_clear(&list);
    return err;
}

heed_err hd_trending(heed_workspace *ws, const heed_recommend_params *params, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = hd_store_begin_read(ws->store);
    if (err == HEED_OK) {
        err = answer(ws, params, &arena, out);
        hd_store_rollback(ws->store);
    }
    hd_arena_clear(&arena);
    return err;
}

heed_err heed_trending(heed_workspace *ws, const heed_recommend_params *params, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_trending(ws, params, &out));
    return hd_workspace_text(out, json);
}
