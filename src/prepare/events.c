// SPDX-License-Identifier: Apache-2.0
//
// Three judgements over light copies of the events (24 bytes each), in this order:
//
// Impossible times: outside [earliest, latest].
//
// Robots: the busiest hour of each user (a window of an hour that slides over the user's events) is
// compared with those of all users. A robot's exceeds both a fixed rate, and median + k · MAD over
// users (MAD: median absolute deviation; both stay put when up to half the users are odd, which
// mean and standard deviation don't: Hampel, "The influence curve and its role in robust
// estimation", JASA 1974). The fixed rate keeps a keen shopper among idle ones from being one.
//
// Repeats: a user's events sorted by item, type, time, and order of addition, an event that follows
// the last kept one within the window is a repeat. The first stays, wherever it stood in the input.
//
// Events are grouped by user by counting, so that what is sorted at a time is one user's.
#include "prepare/events.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

enum { HOUR_MS = 3600000 };

typedef struct light_event {
    hd_time time;
    uint32_t user; // 0: anonymous, else index + 1
    uint32_t item; // 0: none, else index + 1
    uint16_t type;
    uint8_t verdict;
} light_event;

struct hd_event_cleaner {
    hd_event_clean_params params;
    light_event *events; // (n)
    size_t n, cap;
    hd_imap users, items;
    hd_map types;
    size_t early, late, duplicates, robot_events, robot_users;
    double threshold; // events an hour that make a robot; infinite before the run
    bool ran;
};

hd_event_clean_params hd_event_clean_default(hd_time now) {
    return (hd_event_clean_params){
        .duplicates = true,
        .duplicate_window = 1000,
        .robots = true,
        .robot_per_hour = 600,
        .robot_mads = 10,
        .times = true,
        .earliest = INT64_C(631152000000), // 1990-01-01
        .latest = now == HD_TIME_NONE ? HD_TIME_MAX : now + HD_DAY_MS,
    };
}

static heed_err params_check(const hd_event_clean_params *p) {
    if (p->duplicate_window < 0) {
        return HD_FAIL(HEED_INPUT, "the window of repeats is negative", "重复事件的时间窗口为负");
    }
    if (!(p->robot_per_hour >= 0) || !(p->robot_mads >= 0)) {
        return HD_FAIL(HEED_INPUT, "the limits for robots must be numbers from 0",
                       "机器人判定的阈值必须是不小于 0 的数");
    }
    if (p->times && p->earliest > p->latest) {
        return HD_FAIL(HEED_INPUT, "the earliest time is after the latest", "最早时间晚于最晚时间");
    }
    return HEED_OK;
}

heed_err hd_event_cleaner_new(const hd_event_clean_params *params, hd_event_cleaner **out) {
    *out = NULL;
    HD_TRY(params_check(params));
    hd_event_cleaner *cleaner = hd_calloc(1, sizeof *cleaner);
    if (!cleaner) return HD_FAIL_MEMORY(sizeof *cleaner);
    cleaner->params = *params;
    cleaner->threshold = INFINITY;
    hd_imap_init(&cleaner->users);
    hd_imap_init(&cleaner->items);
    hd_map_init(&cleaner->types);
    *out = cleaner;
    return HEED_OK;
}

void hd_event_cleaner_free(hd_event_cleaner *cleaner) {
    if (!cleaner) return;
    hd_imap_clear(&cleaner->users);
    hd_imap_clear(&cleaner->items);
    hd_map_clear(&cleaner->types);
    hd_free(cleaner->events);
    hd_free(cleaner);
}

// A dense number for a key, from 1; 0 stays 0.
static heed_err dense(hd_imap *map, int64_t key, uint32_t *out) {
    *out = 0;
    if (key == 0) return HEED_OK;
    uint64_t *slot;
    HD_TRY(hd_imap_slot(map, (uint64_t)key, map->count + 1, &slot, NULL));
    if (*slot > UINT32_MAX) return HD_FAIL(HEED_INPUT, "too many users or items", "用户或商品过多");
    *out = (uint32_t)*slot;
    return HEED_OK;
}

heed_err hd_event_cleaner_add(hd_event_cleaner *cleaner, int64_t user_key, int64_t item_key,
                              const char *type, hd_time time) {
    light_event event = {.time = time, .verdict = HD_EVENT_KEEP};
    HD_TRY(hd_grow(&cleaner->events, &cleaner->cap, cleaner->n + 1, sizeof *cleaner->events));
    HD_TRY(dense(&cleaner->users, user_key, &event.user));
    HD_TRY(dense(&cleaner->items, item_key, &event.item));
    uint64_t *code;
    HD_TRY(hd_map_slot(&cleaner->types, type, strlen(type), cleaner->types.count, &code, NULL));
    if (*code > UINT16_MAX) {
        return HD_FAIL(HEED_INPUT, "more than 65,536 event types: is '%s' one?",
                       "事件类型超过 65,536 种：“%s”确实是类型吗？", type);
    }
    event.type = (uint16_t)*code;
    cleaner->events[cleaner->n++] = event;
    return HEED_OK;
}

// ── Times ──

static void judge_times(hd_event_cleaner *c) {
    for (size_t i = 0; i < c->n; i++) {
        light_event *e = &c->events[i];
        if (e->time == HD_TIME_NONE) continue;
        bool early = e->time<c->params.earliest, late = e->time> c->params.latest;
        c->early += early;
        c->late += late;
        if (early || late) e->verdict = HD_EVENT_TIME;
    }
}

// ── User by user ──

// One user's event in sorting: where it stands, and by what it is sorted.
typedef struct user_event {
    hd_time time;
    uint32_t index; // into events
    uint32_t item;
    uint16_t type;
} user_event;

typedef struct user_rows {
    uint32_t *order; // events by user, in the order of addition
    uint32_t *start; // (n_users + 1) where each user's begin
    size_t n_users;
    user_event *scratch; // (longest row)
} user_rows;

static void rows_clear(user_rows *rows) {
    hd_free(rows->order);
    hd_free(rows->start);
    hd_free(rows->scratch);
}

// Counts each user's events: start[u] becomes where user u's row begins. Returns the longest row.
static size_t rows_count(const hd_event_cleaner *c, user_rows *rows) {
    uint32_t longest = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t user = c->events[i].user;
        if (user > 0 && ++rows->start[user] > longest) longest = rows->start[user];
    }
    for (size_t u = 0; u < rows->n_users; u++) rows->start[u + 1] += rows->start[u];
    return longest;
}

// Groups events by user, by counting. Anonymous events belong to nobody and are left out.
static heed_err rows_init(const hd_event_cleaner *c, user_rows *rows) {
    *rows = (user_rows){.n_users = c->users.count};
    if (c->n > UINT32_MAX) return HD_FAIL(HEED_INPUT, "too many events", "事件过多");
    rows->order = hd_alloc(c->n * sizeof *rows->order);
    rows->start = hd_calloc(rows->n_users + 1, sizeof *rows->start);
    if (!rows->order || !rows->start) return HD_FAIL_MEMORY(c->n * sizeof *rows->order);
    size_t longest = rows_count(c, rows);
    rows->scratch = hd_alloc(longest * sizeof *rows->scratch);
    uint32_t *next = hd_alloc((rows->n_users + 1) * sizeof *next);
    if (!rows->scratch || !next) {
        hd_free(next);
        return HD_FAIL_MEMORY(longest * sizeof *rows->scratch);
    }
    memcpy(next, rows->start, (rows->n_users + 1) * sizeof *next);
    for (size_t i = 0; i < c->n; i++) {
        uint32_t user = c->events[i].user;
        if (user > 0) rows->order[next[user - 1]++] = (uint32_t)i;
    }
    hd_free(next);
    return HEED_OK;
}

// Copies the events of user u (from 0) that are still kept; those without a time when `timeless`.
static size_t rows_take(const hd_event_cleaner *c, const user_rows *rows, size_t u, bool timeless) {
    size_t n = 0;
    for (size_t i = rows->start[u]; i < rows->start[u + 1]; i++) {
        const light_event *e = &c->events[rows->order[i]];
        if (e->verdict != HD_EVENT_KEEP || (e->time == HD_TIME_NONE && !timeless)) continue;
        rows->scratch[n++] = (user_event){e->time, rows->order[i], e->item, e->type};
    }
    return n;
}

static int by_time(const void *a, const void *b) {
    const user_event *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_what(const void *a, const void *b) {
    const user_event *x = a, *y = b;
    if (x->item != y->item) return x->item < y->item ? -1 : 1;
    if (x->type != y->type) return x->type < y->type ? -1 : 1;
    return by_time(a, b);
}

// ── Robots ──

// The most events within any hour.
static uint32_t busiest_hour(user_event *events, size_t n) {
    qsort(events, n, sizeof *events, by_time);
    size_t most = 0;
    for (size_t first = 0, i = 0; i < n; i++) {
        while (events[i].time - events[first].time >= HOUR_MS) first++;
        if (i - first + 1 > most) most = i - first + 1;
    }
    return (uint32_t)most;
}

static int by_number(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

// The middle of n ≥ 1 values, which are sorted here.
static double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, by_number);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// Above this many events in an hour a user is a robot. Users without timed events don't count.
static heed_err robot_threshold(const hd_event_clean_params *params, const uint32_t *busiest,
                                size_t n_users, double *out) {
    double *values = hd_alloc(n_users * sizeof *values);
    if (!values) return HD_FAIL_MEMORY(n_users * sizeof *values);
    size_t n = 0;
    for (size_t u = 0; u < n_users; u++) {
        if (busiest[u] > 0) values[n++] = busiest[u];
    }
    *out = INFINITY;
    if (n > 0) {
        double middle = median(values, n);
        for (size_t i = 0; i < n; i++) values[i] = fabs(values[i] - middle);
        double limit = middle + params->robot_mads * median(values, n);
        *out = fmax(limit, params->robot_per_hour);
    }
    hd_free(values);
    return HEED_OK;
}

static heed_err judge_robots(hd_event_cleaner *c, const user_rows *rows) {
    uint32_t *busiest = hd_calloc(rows->n_users, sizeof *busiest);
    if (!busiest) return HD_FAIL_MEMORY(rows->n_users * sizeof *busiest);
    for (size_t u = 0; u < rows->n_users; u++) {
        size_t n = rows_take(c, rows, u, false);
        busiest[u] = busiest_hour(rows->scratch, n);
    }
    heed_err err = robot_threshold(&c->params, busiest, rows->n_users, &c->threshold);
    for (size_t u = 0; err == HEED_OK && u < rows->n_users; u++) {
        if (busiest[u] <= c->threshold) continue;
        c->robot_users++;
        size_t n = rows_take(c, rows, u, true);
        c->robot_events += n;
        for (size_t i = 0; i < n; i++) c->events[rows->scratch[i].index].verdict = HD_EVENT_ROBOT;
    }
    hd_free(busiest);
    return err;
}

// ── Repeats ──

static bool same_what(const user_event *a, const user_event *b) {
    return a->item == b->item && a->type == b->type;
}

// Events without a time (HD_TIME_NONE, all the same instant) are never repeats: nothing but the
// time tells a second purchase from a repeated line.
static void judge_duplicates(hd_event_cleaner *c, const user_rows *rows) {
    for (size_t u = 0; u < rows->n_users; u++) {
        size_t n = rows_take(c, rows, u, false);
        qsort(rows->scratch, n, sizeof *rows->scratch, by_what);
        const user_event *kept = NULL;
        for (size_t i = 0; i < n; i++) {
            const user_event *e = &rows->scratch[i];
            if (kept && same_what(kept, e) && e->time - kept->time <= c->params.duplicate_window) {
                c->events[e->index].verdict = HD_EVENT_DUPLICATE;
                c->duplicates++;
            } else {
                kept = e;
            }
        }
    }
}

heed_err hd_event_cleaner_run(hd_event_cleaner *c) {
    if (c->ran) return HD_FAIL(HEED_INTERNAL, "events are judged once", "事件只能清洗一次");
    user_rows rows;
    heed_err err = HEED_OK;
    HD_TRY_OUT(rows_init(c, &rows));
    if (c->params.times) judge_times(c);
    if (c->params.robots) HD_TRY_OUT(judge_robots(c, &rows));
    if (c->params.duplicates) judge_duplicates(c, &rows);
    c->ran = true;
out:
    rows_clear(&rows);
    return err;
}

size_t hd_event_cleaner_count(const hd_event_cleaner *cleaner) {
    return cleaner->n;
}

hd_event_verdict hd_event_cleaner_verdict(const hd_event_cleaner *cleaner, size_t i) {
    return (hd_event_verdict)cleaner->events[i].verdict;
}

static json_t *json_count(size_t n) {
    return json_integer((json_int_t)n);
}

static heed_err report_parameters(const hd_event_clean_params *p, json_t *out) {
    HD_TRY(hd_json_set(out, "duplicates", json_boolean(p->duplicates)));
    HD_TRY(hd_json_set(out, "duplicate_window_ms", json_integer(p->duplicate_window)));
    HD_TRY(hd_json_set(out, "robots", json_boolean(p->robots)));
    HD_TRY(hd_json_set(out, "robot_per_hour", hd_json_real(p->robot_per_hour)));
    HD_TRY(hd_json_set(out, "robot_mads", hd_json_real(p->robot_mads)));
    HD_TRY(hd_json_set(out, "times", json_boolean(p->times)));
    char text[32];
    hd_time_format(p->earliest, NULL, text);
    HD_TRY(hd_json_set(out, "earliest", json_string(text)));
    hd_time_format(p->latest, NULL, text);
    return hd_json_set(out, "latest", json_string(text));
}

static heed_err report_fill(const hd_event_cleaner *c, json_t *out) {
    size_t dropped = c->duplicates + c->robot_events + c->early + c->late;
    json_t *part;
    HD_TRY(hd_json_set(out, "events", json_count(c->n)));
    HD_TRY(hd_json_set(out, "kept", json_count(c->n - dropped)));
    HD_TRY(hd_json_set(out, "duplicates", json_count(c->duplicates)));
    HD_TRY(hd_json_set(out, "robots", part = json_object()));
    HD_TRY(hd_json_set(part, "users", json_count(c->robot_users)));
    HD_TRY(hd_json_set(part, "events", json_count(c->robot_events)));
    HD_TRY(hd_json_set(part, "threshold_per_hour", hd_json_real(c->threshold)));
    HD_TRY(hd_json_set(out, "times", part = json_object()));
    HD_TRY(hd_json_set(part, "early", json_count(c->early)));
    HD_TRY(hd_json_set(part, "late", json_count(c->late)));
    HD_TRY(hd_json_set(out, "parameters", part = json_object()));
    return report_parameters(&c->params, part);
}

heed_err hd_event_cleaner_report(const hd_event_cleaner *cleaner, json_t **out) {
    *out = json_object();
    heed_err err = *out ? report_fill(cleaner, *out) : HD_FAIL_MEMORY(0);
    if (err != HEED_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return err;
}
