// SPDX-License-Identifier: Apache-2.0
//
// When and how often: recency, frequency, active hours, browsing time.
//
// An order is what was bought at one instant (the lines of an invoice share its time). A session
// ends with a pause of more than 30 minutes; time in a session is the sum of its gaps, so that one
// lone event lasts nothing. Both, and the active hours, need times with a clock: dates alone say
// nothing of hours, and the facts are then unknown.
#include <math.h>

#include "base/json.h"
#include "profile/fact.h"

static bool timed(const hd_act *act) {
    return act->event->time != HD_TIME_NONE;
}

// ── Recency ──

static heed_err recency_compute(const hd_fact_input *in, hd_profile *out) {
    hd_recency *r = &out->recency;
    *r = (hd_recency){.last = HD_TIME_NONE, .days = NAN};
    if (in->n_acts == 0 || !timed(&in->acts[in->n_acts - 1])) return HEED_OK;
    const hd_door_event *last = in->acts[in->n_acts - 1].event;
    r->last = last->time;
    r->days = (double)(in->now - last->time) / (double)HD_DAY_MS;
    hd_evidence_add(&r->evidence, last->key, 1.0);
    return HEED_OK;
}

static bool recency_known(const hd_profile *p) {
    return p->recency.last != HD_TIME_NONE;
}

static heed_err recency_json(const hd_profile *profile, json_t *object) {
    const hd_recency *r = &profile->recency;
    char last[32];
    hd_time_format(r->last, NULL, last);
    HD_TRY(hd_json_set(object, "days", hd_json_real(r->days)));
    HD_TRY(hd_json_set(object, "last", json_string(last)));
    return hd_evidence_set(object, "evidence", &r->evidence);
}

static double recency_days(const hd_profile *p) {
    return p->recency.days;
}

static const hd_dimension recency_dimensions[] = {
    {.name = "recency_days",
     .more = HD_TEXT("long away", "许久未来"),
     .less = HD_TEXT("recently active", "近期活跃"),
     .skewed = true,
     .get = recency_days},
};
const hd_fact hd_fact_recency = {"recency",    recency_compute,    recency_known,
                                 recency_json, recency_dimensions, 1};

// ── Frequency ──

static int64_t local_day(const hd_zone *zone, hd_time t) {
    hd_time local = t + (hd_time)hd_zone_offset(zone, t) * 1000;
    return local >= 0 ? local / HD_DAY_MS : -((HD_DAY_MS - 1 - local) / HD_DAY_MS);
}

static heed_err frequency_compute(const hd_fact_input *in, hd_profile *out) {
    hd_frequency *f = &out->frequency;
    *f = (hd_frequency){.events = in->n_acts, .days_between_orders = NAN};
    hd_time first_order = HD_TIME_NONE, last_order = HD_TIME_NONE;
    size_t timed_orders = 0;
    int64_t day = INT64_MIN;
    for (size_t i = 0; i < in->n_acts; i++) {
        const hd_act *act = &in->acts[i];
        hd_evidence_add(&f->evidence, act->event->key, (double)i);
        if (timed(act)) {
            int64_t today = local_day(in->profiler->input.zone, act->event->time);
            f->active_days += today != day;
            day = today;
        }
        if (act->role != HD_ROLE_PURCHASE) continue;
        if (timed(act) && act->event->time == last_order) continue;
        f->orders++;
        if (!timed(act)) continue;
        timed_orders++;
        if (first_order == HD_TIME_NONE) first_order = act->event->time;
        last_order = act->event->time;
    }
    if (timed_orders >= 2) {
        f->days_between_orders =
            (double)(last_order - first_order) / (double)HD_DAY_MS / (double)(timed_orders - 1);
    }
    return HEED_OK;
}

static bool frequency_known(const hd_profile *p) {
    (void)p;
    return true; // nothing done is known too
}

static heed_err frequency_json(const hd_profile *profile, json_t *object) {
    const hd_frequency *f = &profile->frequency;
    HD_TRY(hd_json_set(object, "events", json_integer((json_int_t)f->events)));
    HD_TRY(hd_json_set(object, "orders", json_integer((json_int_t)f->orders)));
    HD_TRY(hd_json_set(object, "active_days", json_integer((json_int_t)f->active_days)));
    HD_TRY(hd_json_set(object, "days_between_orders", hd_json_real(f->days_between_orders)));
    return hd_evidence_set(object, "evidence", &f->evidence);
}

static double frequency_events(const hd_profile *p) {
    return (double)p->frequency.events;
}
static double frequency_orders(const hd_profile *p) {
    return (double)p->frequency.orders;
}

static const hd_dimension frequency_dimensions[] = {
    {.name = "events",
     .more = HD_TEXT("very active", "非常活跃"),
     .less = HD_TEXT("little activity", "很少活动"),
     .skewed = true,
     .get = frequency_events},
    {.name = "orders",
     .more = HD_TEXT("frequent buyers", "购买频繁"),
     .less = HD_TEXT("rare buyers", "很少购买"),
     .skewed = true,
     .get = frequency_orders},
};
const hd_fact hd_fact_frequency = {"frequency",    frequency_compute,    frequency_known,
                                   frequency_json, frequency_dimensions, 2};

// ── Active hours ──

static heed_err hours_compute(const hd_fact_input *in, hd_profile *out) {
    hd_hours *h = &out->hours;
    *h = (hd_hours){0};
    size_t weekend = 0;
    hd_civil civil;
    for (size_t i = 0; i < in->n_acts && in->clock; i++) {
        if (!timed(&in->acts[i])) continue;
        hd_time_civil(in->acts[i].event->time, in->profiler->input.zone, &civil);
        h->n++;
        h->count[civil.hour]++;
        weekend += civil.weekday >= 5;
    }
    if (h->n == 0) return HEED_OK;
    for (int hour = 0; hour < 24; hour++) {
        if (h->count[hour] > h->count[h->peak]) h->peak = hour;
        h->part[hour / 6] += (double)h->count[hour] / (double)h->n;
    }
    h->weekend = (double)weekend / (double)h->n;
    for (size_t i = 0; i < in->n_acts; i++) {
        if (!timed(&in->acts[i])) continue;
        hd_time_civil(in->acts[i].event->time, in->profiler->input.zone, &civil);
        if (civil.hour == h->peak) hd_evidence_add(&h->evidence, in->acts[i].event->key, (double)i);
    }
    return HEED_OK;
}

static bool hours_known(const hd_profile *p) {
    return p->hours.n > 0;
}

static heed_err hours_json(const hd_profile *profile, json_t *object) {
    const hd_hours *h = &profile->hours;
    HD_TRY(hd_json_set(object, "peak", json_integer(h->peak)));
    HD_TRY(hd_json_set(object, "weekend_share", hd_json_real(h->weekend)));
    json_t *counts = json_array();
    HD_TRY(hd_json_set(object, "by_hour", counts));
    for (int hour = 0; hour < 24; hour++) {
        HD_TRY(hd_json_append(counts, json_integer((json_int_t)h->count[hour])));
    }
    return hd_evidence_set(object, "evidence", &h->evidence);
}

static double part(const hd_profile *p, int i) {
    return p->hours.n > 0 ? p->hours.part[i] : (double)NAN;
}
static double hours_night(const hd_profile *p) {
    return part(p, 0);
}
static double hours_morning(const hd_profile *p) {
    return part(p, 1);
}
static double hours_afternoon(const hd_profile *p) {
    return part(p, 2);
}
static double hours_evening(const hd_profile *p) {
    return part(p, 3);
}
static double hours_weekend(const hd_profile *p) {
    return p->hours.n > 0 ? p->hours.weekend : (double)NAN;
}

static const hd_dimension hours_dimensions[] = {
    {.name = "night_share",
     .more = HD_TEXT("active at night", "夜间活跃"),
     .less = HD_TEXT("seldom at night", "夜间很少活跃"),
     .get = hours_night},
    {.name = "morning_share",
     .more = HD_TEXT("active in the morning", "上午活跃"),
     .less = HD_TEXT("seldom in the morning", "上午很少活跃"),
     .get = hours_morning},
    {.name = "afternoon_share",
     .more = HD_TEXT("active in the afternoon", "下午活跃"),
     .less = HD_TEXT("seldom in the afternoon", "下午很少活跃"),
     .get = hours_afternoon},
    {.name = "evening_share",
     .more = HD_TEXT("active in the evening", "晚间活跃"),
     .less = HD_TEXT("seldom in the evening", "晚间很少活跃"),
     .get = hours_evening},
    {.name = "weekend_share",
     .more = HD_TEXT("weekend users", "周末活跃"),
     .less = HD_TEXT("weekday users", "工作日活跃"),
     .get = hours_weekend},
};
const hd_fact hd_fact_hours = {"active_hours", hours_compute,    hours_known,
                               hours_json,     hours_dimensions, 5};

// ── Browsing time ──

static heed_err browsing_compute(const hd_fact_input *in, hd_profile *out) {
    hd_browsing *b = &out->browsing;
    *b = (hd_browsing){0};
    hd_time total = 0, longest = -1, started = 0, before = HD_TIME_NONE;
    size_t first = 0, best_first = 0, best_end = 0;
    for (size_t i = 0; i < in->n_acts && in->clock; i++) {
        if (!timed(&in->acts[i])) continue;
        hd_time t = in->acts[i].event->time;
        if (before == HD_TIME_NONE || t - before > HD_PROFILE_SESSION_GAP_MS) {
            b->sessions++;
            started = t;
            first = i;
        } else {
            total += t - before;
        }
        if (t - started >= longest) {
            longest = t - started;
            best_first = first;
            best_end = i + 1;
        }
        before = t;
    }
    b->minutes = (double)total / 60000.0;
    for (size_t i = best_first; i < best_end; i++) {
        hd_evidence_add(&b->evidence, in->acts[i].event->key, -(double)i); // from its start
    }
    return HEED_OK;
}

static double session_minutes(const hd_profile *p) {
    const hd_browsing *b = &p->browsing;
    return b->sessions > 0 ? b->minutes / (double)b->sessions : (double)NAN;
}

static bool browsing_known(const hd_profile *p) {
    return p->browsing.sessions > 0;
}

static heed_err browsing_json(const hd_profile *profile, json_t *object) {
    const hd_browsing *b = &profile->browsing;
    HD_TRY(hd_json_set(object, "sessions", json_integer((json_int_t)b->sessions)));
    HD_TRY(hd_json_set(object, "minutes", hd_json_real(b->minutes)));
    HD_TRY(hd_json_set(object, "minutes_per_session", hd_json_real(session_minutes(profile))));
    return hd_evidence_set(object, "evidence", &b->evidence);
}

static const hd_dimension browsing_dimensions[] = {
    {.name = "session_minutes",
     .more = HD_TEXT("long visits", "浏览时间长"),
     .less = HD_TEXT("short visits", "浏览时间短"),
     .skewed = true,
     .get = session_minutes},
};
const hd_fact hd_fact_browsing = {"browsing",    browsing_compute,    browsing_known,
                                  browsing_json, browsing_dimensions, 1};
