// SPDX-License-Identifier: Apache-2.0
//
// The data report: items from the catalogue, events through the door with the purpose of care,
// both in one read transaction, streamed into prepare/report and prepare/events.
#include "prepare/report.h"

#include "workspace/care.h"
#include "workspace/data.h"

typedef struct reading {
    heed_workspace *ws;
    hd_data_report *report;
    hd_event_cleaner *cleaner;
    size_t n;
} reading;

static heed_err read_event(void *ctx, int64_t user_key, const hd_door_event *event) {
    reading *r = ctx;
    if (r->n++ % 4096 == 0) HD_TRY(hd_stop_check(r->ws->stop));
    const hd_report_event row = {.user_key = user_key,
                                 .item_key = event->item_key,
                                 .type = event->type,
                                 .value = event->value,
                                 .quantity = event->quantity,
                                 .currency = event->currency,
                                 .time = event->time};
    HD_TRY(hd_event_cleaner_add(r->cleaner, user_key, event->item_key, event->type, event->time));
    return hd_data_report_event(r->report, &row);
}

static heed_err read_items(reading *r) {
    const hd_items *items;
    HD_TRY(hd_workspace_items(r->ws, &items));
    for (size_t i = 0; i < items->n; i++) {
        const hd_item *item = &items->items[i];
        const hd_report_item row = {.key = item->key,
                                    .title = item->title,
                                    .brand = item->brand,
                                    .category = item->n_categories ? item->categories[0] : "",
                                    .price = item->price,
                                    .currency = item->currency,
                                    .created = item->created};
        HD_TRY(hd_data_report_item(r->report, &row));
    }
    return HEED_OK;
}

static heed_err read_all(reading *r) {
    json_t *cleaning = NULL;
    hd_door_counts counts;
    HD_TRY(read_items(r));
    HD_TRY(hd_door_scan_events(r->ws->door, HD_PURPOSE_CARE, read_event, r));
    HD_TRY(hd_door_count(r->ws->door, HD_PURPOSE_CARE, &counts));
    hd_data_report_users(r->report, (uint64_t)counts.users);
    HD_TRY(hd_event_cleaner_run(r->cleaner));
    HD_TRY(hd_event_cleaner_report(r->cleaner, &cleaning));
    return hd_data_report_cleaning(r->report, cleaning);
}

heed_err hd_report(heed_workspace *ws, json_t **out) {
    reading r = {.ws = ws};
    hd_time now = hd_time_now();
    const hd_event_clean_params params = hd_clean_params(ws);
    heed_err err = HEED_OK;
    HD_TRY(hd_store_begin_read(ws->store));
    hd_workspace_tell(ws, (hd_text)HD_TEXT("reading the data", "正在读取数据"), -1);
    HD_TRY_OUT(hd_event_cleaner_new(&params, &r.cleaner));
    HD_TRY_OUT(hd_data_report_new(now, ws->zone, &r.report));
    HD_TRY_OUT(read_all(&r));
    HD_TRY_OUT(hd_data_report_finish(r.report, out));
out:
    hd_store_rollback(ws->store);
    hd_data_report_free(r.report);
    hd_event_cleaner_free(r.cleaner);
    return err;
}

heed_err hd_report_text(const json_t *report, heed_lang lang, hd_str *out) {
    return hd_data_report_text(report, lang, out);
}
