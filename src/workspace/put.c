// SPDX-License-Identifier: Apache-2.0
//
// What import and the API share: which door a record goes to, and the item that it speaks of, which
// is made when nobody has described it yet.
#include "workspace/put.h"

// The item that a personal record speaks of; absent where its kind has none.
static hd_slice item_of(const hd_record *record) {
    if (record->kind == HD_KIND_EVENTS) return record->event.item;
    if (record->kind == HD_KIND_REVIEWS) return record->review.item;
    return (hd_slice){0};
}

static heed_err put_personal(heed_workspace *ws, hd_redactor *redactor, int64_t batch,
                             hd_record *record, int64_t redacted[HD_PII_TYPES], hd_put *what) {
    int64_t item_key = 0;
    int64_t found[HD_PII_TYPES] = {0};
    HD_TRY(hd_redactor_record(redactor, record, found));
    hd_slice item = item_of(record);
    if (item.p && item.n) HD_TRY(hd_catalog_item_key(ws->catalog, item, batch, &item_key));
    HD_TRY(hd_door_put(ws->door, batch, record, item_key, what));
    for (size_t t = 0; t < HD_PII_TYPES; t++) redacted[t] += found[t];
    return HEED_OK;
}

heed_err hd_put_record(heed_workspace *ws, hd_redactor *redactor, int64_t batch, hd_record *record,
                       int64_t redacted[HD_PII_TYPES], hd_put *what) {
    static const hd_put put_of[] = {HD_PUT_NEW, HD_PUT_CHANGED, HD_PUT_SAME};
    if (record->kind != HD_KIND_ITEMS && record->kind != HD_KIND_DOCUMENTS)
        return put_personal(ws, redactor, batch, record, redacted, what);
    int changed;
    HD_TRY(hd_catalog_put(ws->catalog, batch, record, &changed));
    *what = put_of[changed];
    return HEED_OK;
}
