// SPDX-License-Identifier: Apache-2.0
//
// A meter is a lock and the counts of the last four days, one place each by the day's number: at
// midnight counting goes on in the next place, and the old one is still there to be written. A
// place is used again after four days; what could not be written for that long is lost.
//
// A lock per meter, not atomic counters: a quota is asked and taken in one step, so that it is
// exact under any number of threads, and the day changes for all counts at once. Uncontended it
// costs some 20 ns; requests of one key meet there for no longer.
//
// What is written is the difference to what was written before ("requests = requests + ?"), so a
// place that began empty (a clock that was set back, say) never overwrites a row with less. `sent`
// is what the flush under way writes; it becomes `saved` once that is committed.
#include "access/usage.h"

#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"

enum { DAYS = 4 };

typedef struct day_count {
    int64_t day; // since 1970-01-01
    hd_count now, saved, sent;
    bool sending;
} day_count;

struct hd_meter {
    char id[HD_KEY_ID + 1];
    pthread_mutex_t lock;
    hd_meter *next; // older than this one
    day_count days[DAYS];
};

struct hd_usage {
    pthread_mutex_t lock; // of what follows
    hd_map by_id;
    hd_meter *newest;
};

static int64_t day_of(hd_time now) {
    int64_t day = now / HD_DAY_MS;
    return day - (now % HD_DAY_MS < 0);
}

int64_t hd_usage_until_midnight(hd_time now) {
    return (day_of(now) + 1) * HD_DAY_MS - now;
}

// ── Life ──

heed_err hd_usage_new(hd_usage **out) {
    *out = NULL;
    hd_usage *usage = hd_calloc(1, sizeof *usage);
    if (!usage) return HD_FAIL_MEMORY(sizeof *usage);
    pthread_mutex_init(&usage->lock, NULL);
    hd_map_init(&usage->by_id);
    *out = usage;
    return HEED_OK;
}

void hd_usage_free(hd_usage *usage) {
    if (!usage) return;
    for (hd_meter *meter = usage->newest, *next; meter; meter = next) {
        next = meter->next;
        pthread_mutex_destroy(&meter->lock);
        hd_free(meter);
    }
    hd_map_clear(&usage->by_id);
    pthread_mutex_destroy(&usage->lock);
    hd_free(usage);
}

// Under the usage's lock.
static heed_err add_meter(hd_usage *usage, const char *id, size_t n, hd_meter **out) {
    hd_meter *meter = hd_calloc(1, sizeof *meter);
    if (!meter) return HD_FAIL_MEMORY(sizeof *meter);
    heed_err err = hd_map_put(&usage->by_id, id, n, (uint64_t)(uintptr_t)meter);
    if (err != HEED_OK) {
        hd_free(meter);
        return err;
    }
    memcpy(meter->id, id, n);
    pthread_mutex_init(&meter->lock, NULL);
    meter->next = usage->newest;
    usage->newest = meter;
    *out = meter;
    return HEED_OK;
}

heed_err hd_usage_meter(hd_usage *usage, const char *id, hd_meter **out) {
    size_t n = strlen(id);
    if (n > HD_KEY_ID)
        return HD_FAIL(HEED_INTERNAL, "'%.32s' is no key's id", "“%.32s”不是密钥的编号", id);
    uint64_t found;
    heed_err err = HEED_OK;
    pthread_mutex_lock(&usage->lock);
    if (hd_map_get(&usage->by_id, id, n, &found)) {
        *out = (hd_meter *)(uintptr_t)found;
    } else {
        err = add_meter(usage, id, n, out);
    }
    pthread_mutex_unlock(&usage->lock);
    return err;
}

// Meters are only ever put before the newest: a list begun here stays as it is.
static hd_meter *newest(hd_usage *usage) {
    pthread_mutex_lock(&usage->lock);
    hd_meter *meter = usage->newest;
    pthread_mutex_unlock(&usage->lock);
    return meter;
}

// ── Counting, under the meter's lock ──

// The place of a day. A day that lies back so far that its place is another's counts there.
static day_count *place_of(hd_meter *meter, int64_t day) {
    day_count *place = &meter->days[day & (DAYS - 1)];
    if (place->day < day) *place = (day_count){.day = day};
    return place;
}

static int64_t plus(int64_t a, int64_t b) {
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add(hd_count *to, hd_count amount) {
    to->requests = plus(to->requests, amount.requests);
    to->events = plus(to->events, amount.events);
    to->tokens = plus(to->tokens, amount.tokens);
    to->refused = plus(to->refused, amount.refused);
}

static bool beyond(int64_t used, int64_t amount, int64_t quota) {
    return quota > 0 && amount > 0 && plus(used, amount) > quota;
}

static const char *quota_hit(const hd_count *used, const hd_count *amount, const hd_quota *quota) {
    if (beyond(used->requests, amount->requests, quota->requests)) return "requests";
    if (beyond(used->events, amount->events, quota->events)) return "events";
    if (beyond(used->tokens, amount->tokens, quota->tokens)) return "tokens";
    return NULL;
}

void hd_meter_add(hd_meter *meter, hd_time now, hd_count amount) {
    pthread_mutex_lock(&meter->lock);
    add(&place_of(meter, day_of(now))->now, amount);
    pthread_mutex_unlock(&meter->lock);
}

bool hd_meter_take(hd_meter *meter, hd_time now, hd_count amount, const hd_quota *quota,
                   const char **what) {
    pthread_mutex_lock(&meter->lock);
    day_count *place = place_of(meter, day_of(now));
    const char *hit = quota_hit(&place->now, &amount, quota);
    add(&place->now, hit ? (hd_count){.refused = 1} : amount);
    pthread_mutex_unlock(&meter->lock);
    if (what) *what = hit;
    return !hit;
}

bool hd_meter_would(hd_meter *meter, hd_time now, hd_count amount, const hd_quota *quota,
                    const char **what) {
    pthread_mutex_lock(&meter->lock);
    const char *hit = quota_hit(&place_of(meter, day_of(now))->now, &amount, quota);
    pthread_mutex_unlock(&meter->lock);
    if (what) *what = hit;
    return !hit;
}

hd_count hd_meter_today(hd_meter *meter, hd_time now) {
    pthread_mutex_lock(&meter->lock);
    hd_count count = place_of(meter, day_of(now))->now;
    pthread_mutex_unlock(&meter->lock);
    return count;
}

// ── To and from the database ──

static hd_count read_count(hd_query *q, int col) {
    return (hd_count){hd_query_i64(q, col), hd_query_i64(q, col + 1), hd_query_i64(q, col + 2),
                      hd_query_i64(q, col + 3)};
}

static heed_err load_row(hd_usage *usage, hd_query *q) {
    hd_slice text = hd_query_text(q, 0);
    char id[HD_KEY_ID + 1] = "";
    if (text.n > HD_KEY_ID) return HEED_OK; // not ours
    if (text.n > 0) memcpy(id, text.p, text.n);
    hd_meter *meter;
    HD_TRY(hd_usage_meter(usage, id, &meter));
    pthread_mutex_lock(&meter->lock);
    day_count *place = place_of(meter, hd_query_i64(q, 1));
    place->now = place->saved = read_count(q, 2);
    pthread_mutex_unlock(&meter->lock);
    return HEED_OK;
}

heed_err hd_usage_load(hd_usage *usage, hd_store *store, hd_time now) {
    hd_query *q;
    bool row = false;
    heed_err err;
    HD_TRY(hd_query_open(store,
                         "SELECT key, day, requests, events, tokens, refused FROM api_usage"
                         " WHERE day BETWEEN ?1 - 1 AND ?1",
                         &q));
    hd_query_bind_i64(q, 1, day_of(now));
    do {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (row) HD_TRY_OUT(load_row(usage, q));
    } while (row);
out:
    hd_query_close(q);
    return err;
}

static bool same(const hd_count *a, const hd_count *b) {
    return a->requests == b->requests && a->events == b->events && a->tokens == b->tokens &&
           a->refused == b->refused;
}

// Marks a place as being sent; false when all of it is written already.
static bool send_place(hd_meter *meter, size_t i, day_count *out) {
    pthread_mutex_lock(&meter->lock);
    day_count *place = &meter->days[i];
    bool changed = !same(&place->now, &place->saved);
    place->sent = place->now;
    place->sending = changed;
    *out = *place;
    pthread_mutex_unlock(&meter->lock);
    return changed;
}

static heed_err write_place(hd_query *q, const hd_meter *meter, const day_count *place) {
    const hd_count *sent = &place->sent, *saved = &place->saved;
    hd_query_bind_text(q, 1, hd_slice_of(meter->id));
    hd_query_bind_i64(q, 2, place->day);
    hd_query_bind_i64(q, 3, sent->requests - saved->requests);
    hd_query_bind_i64(q, 4, sent->events - saved->events);
    hd_query_bind_i64(q, 5, sent->tokens - saved->tokens);
    hd_query_bind_i64(q, 6, sent->refused - saved->refused);
    return hd_query_run(q);
}

static heed_err write_all(hd_usage *usage, hd_store *store) {
    hd_query *q;
    heed_err err = HEED_OK;
    HD_TRY(hd_query_open(store,
                         "INSERT INTO api_usage (key, day, requests, events, tokens, refused)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key, day) DO UPDATE SET"
                         " requests = requests + excluded.requests,"
                         " events = events + excluded.events, tokens = tokens + excluded.tokens,"
                         " refused = refused + excluded.refused",
                         &q));
    for (hd_meter *meter = newest(usage); meter; meter = meter->next) {
        for (size_t i = 0; i < DAYS; i++) {
            day_count place;
            if (send_place(meter, i, &place)) HD_TRY_OUT(write_place(q, meter, &place));
        }
    }
out:
    hd_query_close(q);
    return err;
}

static bool anything_new(hd_usage *usage) {
    bool changed = false;
    for (hd_meter *meter = newest(usage); meter && !changed; meter = meter->next) {
        pthread_mutex_lock(&meter->lock);
        for (size_t i = 0; i < DAYS; i++)
            changed |= !same(&meter->days[i].now, &meter->days[i].saved);
        pthread_mutex_unlock(&meter->lock);
    }
    return changed;
}

// After the transaction: what was sent is saved, or has to be sent again.
static void settle(hd_usage *usage, bool committed) {
    for (hd_meter *meter = newest(usage); meter; meter = meter->next) {
        pthread_mutex_lock(&meter->lock);
        for (size_t i = 0; i < DAYS; i++) {
            day_count *place = &meter->days[i];
            if (place->sending && committed) place->saved = place->sent;
            place->sending = false;
        }
        pthread_mutex_unlock(&meter->lock);
    }
}

heed_err hd_usage_flush(hd_usage *usage, hd_store *store) {
    if (!anything_new(usage)) return HEED_OK;
    HD_TRY(hd_store_begin(store));
    heed_err err = write_all(usage, store);
    if (err == HEED_OK) {
        err = hd_store_commit(store);
    } else {
        hd_store_rollback(store);
    }
    settle(usage, err == HEED_OK);
    return err;
}
