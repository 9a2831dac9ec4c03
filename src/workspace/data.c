// SPDX-License-Identifier: Apache-2.0
//
// Two passes over the events in one read transaction: the first shows every event to the cleaner
// (a robot is only known by all it did), the second is the door's snapshot, from whose entries
// those that were not kept are filtered by their event keys. What is dropped is small as a rule, so
// its keys are held sorted and each entry looks itself up.
#include "workspace/data.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct cleaning {
    hd_event_cleaner *cleaner;
    int64_t *keys; // (n) in the order of addition; then the dropped ones, sorted
    size_t n, cap;
    crypto_generichash_state dropped; // which events in that order were dropped, counted from 1
    hd_stop *stop;
} cleaning;

static heed_err show_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    cleaning *c = ctx;
    if (c->n % 4096 == 0) HD_TRY(hd_stop_check(c->stop));
    HD_TRY(hd_grow(&c->keys, &c->cap, c->n + 1, sizeof *c->keys));
    c->keys[c->n++] = event->key;
    return hd_event_cleaner_add(c->cleaner, user_key, event->item_key, event->type, event->time);
}

static int compare_keys(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void keep_dropped(cleaning *c) {
    size_t dropped = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (hd_event_cleaner_keeps(c->cleaner, i)) continue;
        const uint64_t place = i + 1;
        crypto_generichash_update(&c->dropped, (const unsigned char *)&place, sizeof place);
        c->keys[dropped++] = c->keys[i];
    }
    c->n = dropped;
    if (dropped > 1) qsort(c->keys, dropped, sizeof *c->keys, compare_keys);
}

hd_event_clean_params hd_clean_params(const heed_workspace *ws) {
    hd_event_clean_params params = hd_event_clean_default(hd_time_now());
    params.duplicates = hd_settings_bool(ws->settings, "clean.duplicates");
    params.duplicate_window = hd_settings_int(ws->settings, "clean.duplicate_window");
    params.robots = hd_settings_bool(ws->settings, "clean.robots");
    params.robot_per_hour = hd_settings_float(ws->settings, "clean.robot_rate");
    params.robot_mads = hd_settings_float(ws->settings, "clean.robot_mads");
    return params;
}

static heed_err judge(heed_workspace *ws, cleaning *c) {
    const hd_event_clean_params params = hd_clean_params(ws);
    crypto_generichash_init(&c->dropped, NULL, 0, 32);
    HD_TRY(hd_event_cleaner_new(&params, &c->cleaner));
    HD_TRY(hd_door_scan_events(ws->door, HD_PURPOSE_TRAIN, show_event, c));
    HD_TRY(hd_event_cleaner_run(c->cleaner));
    keep_dropped(c);
    return HEED_OK;
}

static heed_err take_snapshot(heed_workspace *ws, hd_training_data *out) {
    const hd_items *items;
    HD_TRY(hd_workspace_items(ws, &items));
    int64_t *keys = hd_alloc((items->n + 1) * sizeof *keys);
    if (!keys) return HD_FAIL_MEMORY((items->n + 1) * sizeof *keys);
    for (size_t i = 0; i < items->n; i++) keys[i] = items->items[i].key;
    heed_err err =
        hd_door_snapshot(ws->door, HD_PURPOSE_TRAIN, keys, items->n, ws->signals, &out->snapshot);
    hd_free(keys);
    return err;
}

// The hash of the snapshot where nothing was dropped; else over it and the places of the dropped
// events. Places, not keys: data is the same data whatever else stands or stood in the workspace.
static void name_data(cleaning *c, hd_training_data *out) {
    memcpy(out->hash, out->snapshot.hash, sizeof out->hash);
    if (c->n == 0) return;
    unsigned char digest[32], both[32];
    crypto_generichash_state state;
    crypto_generichash_final(&c->dropped, digest, sizeof digest);
    crypto_generichash_init(&state, NULL, 0, sizeof both);
    crypto_generichash_update(&state, (const unsigned char *)out->hash, 64);
    crypto_generichash_update(&state, digest, sizeof digest);
    crypto_generichash_final(&state, both, sizeof both);
    sodium_bin2hex(out->hash, sizeof out->hash, both, sizeof both);
}

static heed_err drop(const cleaning *c, hd_training_data *out) {
    hd_sparse *all = &out->snapshot.events;
    if (c->n == 0) {
        out->events = *all;
        *all = (hd_sparse){0};
        return HEED_OK;
    }
    bool *keep = hd_alloc(all->n + 1);
    if (!keep) return HD_FAIL_MEMORY(all->n + 1);
    for (size_t e = 0; e < all->n; e++)
        keep[e] = !bsearch(&all->source[e], c->keys, c->n, sizeof *c->keys, compare_keys);
    heed_err err = hd_sparse_filter(all, keep, &out->events);
    hd_free(keep);
    hd_sparse_clear(all);
    return err;
}

static heed_err load_in(heed_workspace *ws, cleaning *c, hd_training_data *out) {
    HD_TRY(judge(ws, c));
    HD_TRY(hd_event_cleaner_report(c->cleaner, &out->cleaning));
    HD_TRY(take_snapshot(ws, out));
    name_data(c, out);
    HD_TRY(drop(c, out));
    if (out->events.n > 0) return HEED_OK;
    return HD_FAIL(HEED_UNAVAILABLE,
                   "there are no events to learn from; 'heed import' brings some in",
                   "没有可学习的事件；请先用“heed import”导入");
}

heed_err hd_training_data_load(heed_workspace *ws, hd_training_data *out) {
    *out = (hd_training_data){0};
    cleaning c = {.stop = ws->stop};
    hd_workspace_tell(ws, (hd_text)HD_TEXT("reading the data", "正在读取数据"), -1);
    HD_TRY(hd_stop_check(ws->stop));
    HD_TRY(hd_store_begin_read(ws->store));
    heed_err err = load_in(ws, &c, out);
    hd_store_rollback(ws->store);
    hd_event_cleaner_free(c.cleaner);
    hd_free(c.keys);
    if (err != HEED_OK) hd_training_data_clear(out);
    return err;
}

void hd_training_data_clear(hd_training_data *data) {
    hd_snapshot_clear(&data->snapshot);
    hd_sparse_clear(&data->events);
    json_decref(data->cleaning);
    *data = (hd_training_data){0};
}
