// SPDX-License-Identifier: Apache-2.0
//
// A profile: events are looked up in the catalogue once, then each fact of the list is computed
// from them. Nothing of the events is kept but keys (the evidence) and sums.
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "profile/fact.h"

static hd_act act_of(const hd_profiler *p, const hd_door_event *event, hd_time now) {
    hd_act act = {.event = event, .role = hd_role_of(event->type)};
    uint64_t index;
    if (event->item_key != 0 &&
        hd_imap_get(&p->input.items->by_key, (uint64_t)event->item_key, &index)) {
        act.item = &p->input.items->items[index];
    }
    hd_signals signals = p->input.signals;
    act.weight = signals.weight ? signals.weight(signals.ctx, event->type, event->value) : 1.0;
    if (!(act.weight > 0.0)) act.weight = 0.0;
    act.decayed = act.weight;
    if (event->time != HD_TIME_NONE) {
        act.decayed *= exp2(-(double)(now - event->time) / (double)HD_PROFILE_HALF_LIFE_MS);
    }
    return act;
}

// The instant that the profile speaks of; without one, that of the last thing known.
static hd_time now_of(const hd_profiler *profiler, const hd_door_event *events, size_t n_events,
                      const hd_door_review *reviews, size_t n_reviews) {
    hd_time now = profiler->input.now;
    if (now != HD_TIME_NONE) return now;
    for (size_t i = 0; i < n_events; i++) now = events[i].time > now ? events[i].time : now;
    for (size_t i = 0; i < n_reviews; i++) now = reviews[i].time > now ? reviews[i].time : now;
    return now;
}

// Dates without a time of day come as midnights.
static bool tells_hours(const hd_act *acts, size_t n, const hd_zone *zone) {
    for (size_t i = 0; i < n; i++) {
        hd_time t = acts[i].event->time;
        if (t == HD_TIME_NONE) continue;
        hd_time local = t + (hd_time)hd_zone_offset(zone, t) * 1000;
        if (local % HD_DAY_MS != 0 && t % HD_DAY_MS != 0) return true;
    }
    return false;
}

static heed_err compute(const hd_fact_input *in, hd_profile *profile) {
    profile->now = in->now;
    for (size_t f = 0; f < hd_n_facts; f++) HD_TRY(hd_facts[f]->compute(in, profile));
    return HEED_OK;
}

heed_err hd_profile_new(const hd_profiler *profiler, const hd_door_event *events, size_t n_events,
                        const hd_door_review *reviews, size_t n_reviews, hd_profile **out) {
    hd_time now = now_of(profiler, events, n_events, reviews, n_reviews);
    hd_profile *profile = hd_calloc(1, sizeof *profile);
    hd_act *acts = hd_calloc(n_events, sizeof *acts);
    heed_err err = profile && acts ? HEED_OK : HD_FAIL_MEMORY(n_events * sizeof *acts);
    if (err == HEED_OK) {
        hd_arena_init(&profile->arena);
        hd_fact_input in = {.profiler = profiler, .acts = acts, .reviews = reviews, .now = now};
        for (size_t i = 0; i < n_events && events[i].time <= now; i++) {
            acts[in.n_acts++] = act_of(profiler, &events[i], now);
        }
        while (in.n_reviews < n_reviews && reviews[in.n_reviews].time <= now) in.n_reviews++;
        in.clock = tells_hours(acts, in.n_acts, profiler->input.zone);
        err = compute(&in, profile);
    }
    hd_free(acts);
    if (err == HEED_OK) {
        *out = profile;
    } else {
        hd_profile_free(profile);
    }
    return err;
}

void hd_profile_free(hd_profile *profile) {
    if (!profile) return;
    hd_arena_clear(&profile->arena);
    hd_free(profile);
}
