// SPDX-License-Identifier: Apache-2.0
//
// What can be told of a column by a bit (hidden, seen, excluded, served already) is left out of the
// ranking; each stage then ranks by a growing top-k and asks the other rules of one candidate after
// the other until the list is full, so the costly rules (filters on attributes) are asked of few
// items, and of none twice in a stage. Rejected: a mask of all rules over the whole catalogue
// first, whose cost is the catalogue's and not the list's.
#include "recommend/serve.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/topk.h"

enum { MAX_METHODS = 8, MAX_ATTRIBUTES = 16, MAX_REASONS = 64, FIRST_LOOK = 64 };
#define NO_PLACE UINT32_MAX

static const char by_attribute[] = "popular_by_attribute";
static const char rest_of_catalogue[] = "catalogue";

struct hd_serving {
    const hd_items *items;
    size_t n_cols;
    uint32_t *item_of; // (n_cols) index in items, or NO_PLACE
    bool *servable;    // (n_cols) it has a place and isn't hidden
    uint32_t *col_of;  // (items->n) column, or NO_PLACE
    uint32_t *newest;  // (items->n) items, newest first
    uint32_t *by_key;  // (n_keys) index in items or NO_PLACE; NULL where keys are scattered
    size_t n_keys;
    struct {
        const hd_method *method;
        const hd_model *model;
    } methods[MAX_METHODS];
    size_t n_methods;
    const hd_cold *cold; // or NULL
};

// ── Putting together

static void place_columns(hd_serving *s, const int64_t *item_key) {
    for (size_t i = 0; i < s->items->n; i++) s->col_of[i] = NO_PLACE;
    for (size_t c = 0; c < s->n_cols; c++) {
        uint64_t item;
        bool known = hd_imap_get(&s->items->by_key, (uint64_t)item_key[c], &item);
        s->item_of[c] = known ? (uint32_t)item : NO_PLACE;
        s->servable[c] = known && !s->items->items[item].hidden;
        if (known) s->col_of[item] = (uint32_t)c;
    }
}

// A history has hundreds of events, each of which leads to an item: keys that were given one after
// the other need no hashing. Without the table (keys with large gaps) the catalogue's map is asked.
static heed_err place_keys(hd_serving *s) {
    const hd_items *items = s->items;
    int64_t max = 0;
    for (size_t i = 0; i < items->n; i++) {
        if (items->items[i].key > max) max = items->items[i].key;
    }
    if ((uint64_t)max / 4 > items->n + 1024) return HEED_OK;
    s->by_key = hd_alloc(((size_t)max + 1) * sizeof *s->by_key);
    if (!s->by_key) return HD_FAIL_MEMORY((size_t)max * sizeof *s->by_key);
    s->n_keys = (size_t)max + 1;
    for (size_t k = 0; k < s->n_keys; k++) s->by_key[k] = NO_PLACE;
    for (size_t i = 0; i < items->n; i++) {
        if (items->items[i].key >= 0) s->by_key[items->items[i].key] = (uint32_t)i;
    }
    return HEED_OK;
}

static bool item_at(const hd_serving *s, int64_t key, uint64_t *index) {
    if (!s->by_key) return hd_imap_get(&s->items->by_key, (uint64_t)key, index);
    if (key < 0 || (uint64_t)key >= s->n_keys || s->by_key[key] == NO_PLACE) return false;
    *index = s->by_key[key];
    return true;
}

// Merge sort: stable, and the C library's gives no place for the catalogue to compare by.
static void sort_newest(const hd_item *items, uint32_t *order, uint32_t *spare, size_t n) {
    if (n < 2) return;
    size_t half = n / 2, a = 0, b = half;
    sort_newest(items, order, spare, half);
    sort_newest(items, order + half, spare, n - half);
    for (size_t i = 0; i < n; i++) {
        bool left = b == n || (a < half && items[order[a]].created >= items[order[b]].created);
        spare[i] = left ? order[a++] : order[b++];
    }
    memcpy(order, spare, n * sizeof *order);
}

heed_err hd_serving_new(const hd_items *items, const int64_t *item_key, size_t n_cols,
                        hd_serving **out) {
    hd_serving *s = hd_calloc(1, sizeof *s);
    uint32_t *spare = hd_alloc((items->n + 1) * sizeof *spare);
    if (s) {
        s->items = items;
        s->n_cols = n_cols;
        s->item_of = hd_alloc((n_cols + 1) * sizeof *s->item_of);
        s->servable = hd_alloc((n_cols + 1) * sizeof *s->servable);
        s->col_of = hd_alloc((items->n + 1) * sizeof *s->col_of);
        s->newest = hd_alloc((items->n + 1) * sizeof *s->newest);
    }
    if (!s || !spare || !s->item_of || !s->servable || !s->col_of || !s->newest) {
        hd_free(spare);
        hd_serving_free(s);
        return HD_FAIL_MEMORY(items->n * 12);
    }
    place_columns(s, item_key);
    for (size_t i = 0; i < items->n; i++) s->newest[i] = (uint32_t)i;
    sort_newest(items->items, s->newest, spare, items->n);
    hd_free(spare);
    heed_err err = place_keys(s);
    if (err != HEED_OK) {
        hd_serving_free(s);
        return err;
    }
    *out = s;
    return HEED_OK;
}

void hd_serving_free(hd_serving *s) {
    if (!s) return;
    hd_free(s->item_of);
    hd_free(s->servable);
    hd_free(s->col_of);
    hd_free(s->newest);
    hd_free(s->by_key);
    hd_free(s);
}

static heed_err check_columns(const hd_serving *s, const char *name, size_t n_items) {
    if (n_items == s->n_cols) return HEED_OK;
    return HD_FAIL(HEED_CONFLICT,
                   "'%s' was fitted on %zu items, the others here on %zu: train it again",
                   "“%s”按 %zu 个商品训练，其余按 %zu 个：请重新训练", name, n_items, s->n_cols);
}

heed_err hd_serving_add(hd_serving *s, const hd_method *method, const hd_model *model) {
    HD_TRY(check_columns(s, method->name, method->n_items(model)));
    if (s->n_methods == MAX_METHODS) {
        return HD_FAIL(HEED_USAGE, "more than %d methods in line: '%s' is one too many",
                       "方法超过 %d 个：“%s”是多余的", MAX_METHODS, method->name);
    }
    s->methods[s->n_methods].method = method;
    s->methods[s->n_methods++].model = model;
    return HEED_OK;
}

heed_err hd_serving_new_of_all(const hd_items *items, const hd_method *method,
                               const hd_model *model, hd_serving **out) {
    int64_t *keys = hd_alloc((items->n + 1) * sizeof *keys);
    if (!keys) return HD_FAIL_MEMORY(items->n * sizeof *keys);
    for (size_t i = 0; i < items->n; i++) keys[i] = items->items[i].key;
    hd_serving *serving = NULL;
    heed_err err = hd_serving_new(items, keys, items->n, &serving);
    hd_free(keys);
    if (err == HEED_OK) err = hd_serving_add(serving, method, model);
    if (err == HEED_OK)
        *out = serving;
    else
        hd_serving_free(serving);
    return err;
}

heed_err hd_serving_cold(hd_serving *s, const hd_cold *cold) {
    HD_TRY(check_columns(s, by_attribute, hd_cold_n_items(cold)));
    s->cold = cold;
    return HEED_OK;
}

// ── Room

struct hd_serve_room {
    bool *closed;   // (n_items) served already, seen, or excluded; false between requests
    uint32_t *shut; // (n_items) those that are closed
    size_t n_items, n_shut;
    float *scores; // (n_cols)
    bool *open;    // (n_cols) still to be looked at in this stage
    size_t n_cols;
    uint32_t *top; // (cap_top)
    size_t cap_top;
    hd_arena list; // what the list of the last request stands in
};

heed_err hd_serve_room_new(hd_serve_room **out) {
    *out = hd_calloc(1, sizeof **out);
    return *out ? HEED_OK : HD_FAIL_MEMORY(sizeof **out);
}

static void empty_room(hd_serve_room *room) {
    hd_free(room->closed);
    hd_free(room->shut);
    hd_free(room->scores);
    hd_free(room->open);
    hd_free(room->top);
    hd_arena_clear(&room->list);
    *room = (hd_serve_room){0};
}

void hd_serve_room_free(hd_serve_room *room) {
    if (!room) return;
    empty_room(room);
    hd_free(room);
}

// Makes room for a serving; what is large enough stays.
static heed_err make_room(hd_serve_room *room, size_t n_items, size_t n_cols) {
    if (room->closed && n_items <= room->n_items && n_cols <= room->n_cols) return HEED_OK;
    empty_room(room);
    room->closed = hd_calloc(n_items + 1, sizeof *room->closed);
    room->shut = hd_alloc((n_items + 1) * sizeof *room->shut);
    room->scores = hd_calloc(n_cols + 1, sizeof *room->scores);
    room->open = hd_alloc((n_cols + 1) * sizeof *room->open);
    if (!room->closed || !room->shut || !room->scores || !room->open) {
        empty_room(room);
        return HD_FAIL_MEMORY(n_items * 5 + n_cols * 5);
    }
    room->n_items = n_items;
    room->n_cols = n_cols;
    return HEED_OK;
}

static void shut(hd_serve_room *room, size_t item) {
    if (room->closed[item]) return;
    room->closed[item] = true;
    room->shut[room->n_shut++] = (uint32_t)item;
}

static void reopen(hd_serve_room *room) {
    while (room->n_shut > 0) room->closed[room->shut[--room->n_shut]] = false;
}

// ── Rules

hd_serve_rules hd_serve_rules_default(void) {
    return (hd_serve_rules){.n = 10, .exclude_seen = true, .reasons = 3};
}

// A request while it is served.
typedef struct serving_run {
    const hd_serving *s;
    const hd_serve_request *request;
    const hd_serve_rules *rules;
    hd_served_list *out;
    hd_history history;
    size_t *event_of;    // (history.n) the request's event behind each entry
    hd_imap in_category; // category code -> items served of it, for category_cap
    size_t *in_cap;      // (n_caps) items served of each capped category
    hd_serve_room *room;
} serving_run;

static heed_err check_category(const hd_items *items, const char *field, const char *category) {
    if (hd_map_get(&items->categories, category, strlen(category), NULL)) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "%s: no item has the category '%s': check its spelling",
                   "%s：没有商品属于类别“%s”：请检查拼写", field, category);
}

static heed_err check_rules(const hd_serve_rules *rules, const hd_items *items) {
    if (rules->n == 0 || rules->n > HD_SERVE_MAX) {
        return HD_FAIL(HEED_INPUT, "n is %zu: ask for 1 to %d items",
                       "n 为 %zu：请请求 1 到 %d 个商品", rules->n, HD_SERVE_MAX);
    }
    for (size_t c = 0; c < rules->n_categories; c++) {
        HD_TRY(check_category(items, "categories", rules->categories[c]));
    }
    for (size_t c = 0; c < rules->n_caps; c++) {
        HD_TRY(check_category(items, "caps", rules->caps[c].category));
    }
    return HEED_OK;
}

static bool has_category(const hd_item *item, const char *category) {
    for (size_t c = 0; c < item->n_categories; c++) {
        if (strcmp(item->categories[c], category) == 0) return true;
    }
    return false;
}

static bool in_categories(const hd_serve_rules *rules, const hd_item *item) {
    for (size_t c = 0; c < rules->n_categories; c++) {
        if (has_category(item, rules->categories[c])) return true;
    }
    return rules->n_categories == 0;
}

// The code of an item's narrowest category; false: it has none.
static bool narrowest(const hd_items *items, const hd_item *item, uint64_t *code) {
    if (item->n_categories == 0) return false;
    const char *category = item->categories[item->n_categories - 1];
    return hd_map_get(&items->categories, category, strlen(category), code);
}

static bool under_caps(const serving_run *run, const hd_item *item) {
    uint64_t code, served = 0;
    for (size_t c = 0; c < run->rules->n_caps; c++) {
        bool full = run->in_cap[c] >= run->rules->caps[c].max;
        if (full && has_category(item, run->rules->caps[c].category)) return false;
    }
    if (run->rules->category_cap == 0 || !narrowest(run->s->items, item, &code)) return true;
    return !hd_imap_get(&run->in_category, code, &served) || served < run->rules->category_cap;
}

static heed_err count_caps(serving_run *run, const hd_item *item) {
    uint64_t code, *served = NULL;
    for (size_t c = 0; c < run->rules->n_caps; c++) {
        if (has_category(item, run->rules->caps[c].category)) run->in_cap[c]++;
    }
    if (run->rules->category_cap == 0 || !narrowest(run->s->items, item, &code)) return HEED_OK;
    HD_TRY(hd_imap_slot(&run->in_category, code, 0, &served, NULL));
    ++*served;
    return HEED_OK;
}

static heed_err allowed(const serving_run *run, size_t index, bool *out) {
    const hd_item *item = &run->s->items->items[index];
    *out = false;
    if (run->room->closed[index] || item->hidden) return HEED_OK;
    if (!in_categories(run->rules, item) || !under_caps(run, item)) return HEED_OK;
    return hd_filters_match(run->rules->filters, run->rules->n_filters, item, out);
}

// ── The user's past

static heed_err exclude(serving_run *run) {
    const hd_items *items = run->s->items;
    for (size_t e = 0; e < run->rules->n_exclude; e++) {
        const char *id = run->rules->exclude[e];
        uint64_t item;
        if (!hd_map_get(&items->by_id, id, strlen(id), &item)) {
            return HD_FAIL(HEED_INPUT, "exclude: no item has the id '%s'",
                           "exclude：没有 ID 为“%s”的商品", id);
        }
        shut(run->room, item);
    }
    return HEED_OK;
}

// Events to a history of columns, and what was seen is closed.
static heed_err read_past(serving_run *run) {
    const hd_serve_request *r = run->request;
    hd_arena *arena = run->out->arena;
    size_t n = 0, cap = r->n_events + 1;
    uint32_t *item = hd_arena_alloc(arena, cap * sizeof *item);
    float *weight = hd_arena_alloc(arena, cap * sizeof *weight);
    hd_time *time = hd_arena_alloc(arena, cap * sizeof *time);
    int64_t *source = hd_arena_alloc(arena, cap * sizeof *source);
    run->event_of = hd_arena_alloc(arena, cap * sizeof *run->event_of);
    if (!item || !weight || !time || !source || !run->event_of) return HD_FAIL_MEMORY(cap * 32);
    for (size_t e = 0; e < r->n_events; e++) {
        uint64_t index;
        const hd_serve_event *event = &r->events[e];
        if (!(event->weight > 0) || !isfinite(event->weight)) continue;
        if (!item_at(run->s, event->item_key, &index)) continue;
        const hd_item *seen = &run->s->items->items[index];
        if (run->rules->exclude_seen && !seen->replenishable) shut(run->room, index);
        if (run->s->col_of[index] == NO_PLACE) continue;
        item[n] = run->s->col_of[index];
        weight[n] = event->weight;
        time[n] = event->time;
        source[n] = event->source;
        run->event_of[n++] = e;
    }
    run->history = (hd_history){item, weight, time, source, n, r->now};
    return HEED_OK;
}

// ── Reasons

// Joins entries at one item under the newest of them; rising entries are newer.
static size_t join_reasons(const serving_run *run, const hd_reason *from, size_t n,
                           hd_reason *out) {
    size_t joined = 0;
    for (size_t f = 0; f < n; f++) {
        size_t same = 0;
        uint32_t item = run->history.item[from[f].entry];
        while (same < joined && run->history.item[out[same].entry] != item) same++;
        if (same == joined) {
            out[joined++] = from[f];
            continue;
        }
        out[same].share += from[f].share;
        if (from[f].entry > out[same].entry) out[same].entry = from[f].entry;
    }
    for (size_t a = 1; a < joined; a++) { // joining changes the order: few, so by insertion
        hd_reason moved = out[a];
        size_t at = a;
        for (; at > 0 && out[at - 1].share < moved.share; at--) out[at] = out[at - 1];
        out[at] = moved;
    }
    return joined;
}

static heed_err add_reasons(serving_run *run, const hd_method *method, const hd_model *model,
                            uint32_t col, hd_served *served) {
    hd_reason found[MAX_REASONS], joined[MAX_REASONS];
    size_t n = 0;
    if (run->rules->reasons == 0 || run->history.n == 0) return HEED_OK;
    HD_TRY(method->reasons(model, &run->history, col, found, MAX_REASONS, &n));
    n = join_reasons(run, found, n, joined);
    if (n > run->rules->reasons) n = run->rules->reasons;
    hd_served_reason *reasons = hd_arena_calloc(run->out->arena, n + 1, sizeof *reasons);
    if (!reasons) return HD_FAIL_MEMORY(n * sizeof *reasons);
    for (size_t r = 0; r < n; r++) {
        const hd_serve_event *event = &run->request->events[run->event_of[joined[r].entry]];
        reasons[r] = (hd_served_reason){
            .item = run->s->item_of[run->history.item[joined[r].entry]],
            .type = event->type,
            .time = event->time,
            .source = event->source,
            .share = joined[r].share,
        };
    }
    served->reasons = reasons;
    served->n_reasons = n;
    return HEED_OK;
}

// ── Stages

typedef struct serving_stage {
    const char *name;
    hd_why why;
    const hd_method *method; // NULL: no personal reasons
    const hd_model *model;
} serving_stage;

static bool full(const serving_run *run) {
    return run->out->n == run->rules->n;
}

static heed_err serve_item(serving_run *run, const serving_stage *stage, size_t index,
                           double score) {
    hd_served *served = &run->out->item[run->out->n];
    *served = (hd_served){.item = index, .score = score, .method = stage->name, .why = stage->why};
    if (run->request->left_out) served->why = HD_WHY_LEFT_OUT;
    uint32_t col = run->s->col_of[index];
    if (stage->method) HD_TRY(add_reasons(run, stage->method, stage->model, col, served));
    HD_TRY(count_caps(run, &run->s->items->items[index]));
    shut(run->room, index);
    run->out->n++;
    return HEED_OK;
}

// How many candidates to rank first: just those wanted, unless a rule may turn some of them down.
static size_t first_look(const serving_run *run) {
    const hd_serve_rules *rules = run->rules;
    bool choosy = rules->n_categories || rules->n_filters || rules->n_caps || rules->category_cap;
    return choosy ? FIRST_LOOK + 4 * rules->n : rules->n - run->out->n;
}

// Without branches, which scores would make guesswork; then what is shut, which is little.
static void open_columns(const serving_run *run) {
    const hd_serving *s = run->s;
    const hd_serve_room *room = run->room;
    for (size_t c = 0; c < s->n_cols; c++) room->open[c] = (room->scores[c] > 0) & s->servable[c];
    for (size_t i = 0; i < room->n_shut; i++) {
        uint32_t col = s->col_of[room->shut[i]];
        if (col != NO_PLACE) room->open[col] = false;
    }
}

// Serves from the scores, highest first, until the list is full or the columns are used up.
static heed_err serve_scores(serving_run *run, const serving_stage *stage) {
    const hd_serving *s = run->s;
    hd_serve_room *room = run->room;
    size_t look = first_look(run), got = 0;
    open_columns(run);
    do {
        if (look > s->n_cols) look = s->n_cols;
        HD_TRY(hd_grow(&room->top, &room->cap_top, look + 1, sizeof *room->top));
        got = hd_topk(room->scores, room->open, s->n_cols, look, room->top);
        for (size_t t = 0; t < got && !full(run); t++) {
            bool ok = false;
            uint32_t col = room->top[t], index = s->item_of[col];
            room->open[col] = false;
            HD_TRY(allowed(run, index, &ok));
            if (ok) HD_TRY(serve_item(run, stage, index, (double)room->scores[col]));
        }
        look *= 4;
    } while (got > 0 && !full(run));
    return HEED_OK;
}

static bool any_signal(const serving_run *run) {
    for (size_t c = 0; c < run->s->n_cols; c++) {
        if (run->room->scores[c] > 0) return true;
    }
    return false;
}

static heed_err serve_method(serving_run *run, size_t m, hd_why *fallback) {
    const hd_method *method = run->s->methods[m].method;
    hd_why why = m == 0 ? HD_WHY_CHOSEN : *fallback;
    serving_stage stage = {method->name, why, method, run->s->methods[m].model};
    HD_TRY(method->score(stage.model, &run->history, run->room->scores));
    if (m == 0) {
        hd_why silent = run->history.n == 0 ? HD_WHY_NO_HISTORY : HD_WHY_NO_SIGNAL;
        *fallback = any_signal(run) ? HD_WHY_FILLED : silent;
    }
    return serve_scores(run, &stage);
}

static heed_err serve_by_attribute(serving_run *run, hd_why why) {
    hd_served_list *out = run->out;
    const hd_cold *cold = run->s->cold;
    const char *known = run->request->attributes;
    if (cold && !known && run->request->ask_attributes) {
        HD_TRY(run->request->ask_attributes(run->request->ctx, &known));
    }
    if (!cold || !known) return HEED_OK;
    out->attributes = hd_arena_calloc(out->arena, MAX_ATTRIBUTES, sizeof *out->attributes);
    if (!out->attributes) return HD_FAIL_MEMORY(MAX_ATTRIBUTES * sizeof *out->attributes);
    HD_TRY(hd_cold_match(cold, known, out->attributes, MAX_ATTRIBUTES, &out->n_attributes));
    if (out->n_attributes == 0) return HEED_OK;
    for (size_t a = 0; a < out->n_attributes; a++) { // the list may outlive the table
        out->attributes[a] = hd_arena_strdup(out->arena, out->attributes[a]);
        if (!out->attributes[a]) return HD_FAIL_MEMORY(0);
    }
    hd_cold_score(cold, out->attributes, out->n_attributes, run->room->scores);
    return serve_scores(run, &(serving_stage){.name = by_attribute, .why = why});
}

static heed_err serve_rest(serving_run *run, hd_why why) {
    serving_stage stage = {.name = rest_of_catalogue, .why = why};
    for (size_t i = 0; i < run->s->items->n && !full(run); i++) {
        bool ok = false;
        HD_TRY(allowed(run, run->s->newest[i], &ok));
        if (ok) HD_TRY(serve_item(run, &stage, run->s->newest[i], 0));
    }
    return HEED_OK;
}

static heed_err serve_stages(serving_run *run) {
    hd_why fallback = HD_WHY_FILLED;
    bool cold = run->history.n == 0 && !run->rules->first_only;
    if (cold) HD_TRY(serve_by_attribute(run, HD_WHY_NO_HISTORY));
    if (run->s->n_methods > 0 && !full(run)) HD_TRY(serve_method(run, 0, &fallback));
    if (run->rules->first_only) return HEED_OK;
    if (!cold && !full(run)) HD_TRY(serve_by_attribute(run, fallback));
    for (size_t m = 1; m < run->s->n_methods && !full(run); m++) {
        HD_TRY(serve_method(run, m, &fallback));
    }
    return full(run) ? HEED_OK : serve_rest(run, fallback);
}

static heed_err run_init(serving_run *run) {
    hd_served_list *out = run->out;
    hd_imap_init(&run->in_category);
    HD_TRY(make_room(run->room, run->s->items->n, run->s->n_cols)); // before the list stands in it
    out->asked = run->rules->n;
    out->first = run->s->n_methods > 0 ? run->s->methods[0].method->name : rest_of_catalogue;
    out->item = hd_arena_calloc(out->arena, run->rules->n, sizeof *out->item);
    run->in_cap = hd_arena_calloc(out->arena, run->rules->n_caps + 1, sizeof *run->in_cap);
    if (!out->item || !run->in_cap) return HD_FAIL_MEMORY(run->rules->n * sizeof *out->item);
    HD_TRY(exclude(run));
    return read_past(run);
}

static heed_err serve_in_room(serving_run *run) {
    heed_err err = run_init(run);
    if (err == HEED_OK) err = serve_stages(run);
    reopen(run->room);
    hd_imap_clear(&run->in_category);
    return err;
}

heed_err hd_serve(const hd_serving *serving, const hd_serve_request *request,
                  const hd_serve_rules *rules, hd_served_list *out) {
    hd_serve_room own = {0};
    memset(out, 0, sizeof *out);
    hd_arena_init(&out->own);
    out->arena = request->room ? &request->room->list : &out->own;
    hd_arena_reset(out->arena);
    HD_TRY(check_rules(rules, serving->items));
    serving_run run = {.s = serving,
                       .request = request,
                       .rules = rules,
                       .out = out,
                       .room = request->room ? request->room : &own};
    heed_err err = serve_in_room(&run);
    empty_room(&own);
    if (err != HEED_OK) hd_served_clear(out);
    return err;
}

void hd_served_clear(hd_served_list *list) {
    hd_arena_clear(&list->own);
    memset(list, 0, sizeof *list);
}

const char *hd_why_name(hd_why why) {
    static const char *const names[] = {
#define HD_WHY_NAME(name, text, en, zh) text,
        HD_WHY_LIST(HD_WHY_NAME)
#undef HD_WHY_NAME
    };
    return names[why];
}
