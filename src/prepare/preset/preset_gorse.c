// SPDX-License-Identifier: Apache-2.0
//
// Gorse's users, items and feedback: its JSON lines (UserId, Labels, …), its API's dumps in snake
// case, and its older CSV. The names are known to the schemas but for an item's Comment, which is
// where Gorse keeps a title. Go writes a time that was never set as the year 1.
#include "prepare/preset/preset.h"
#include "prepare/read/fold.h"

static const hd_import_map item_maps[] = {{"comment", "title"}};

#define YEAR_TWO (HD_TIME_MIN + 366 * HD_DAY_MS)

static hd_time given(hd_time t) {
    return t < YEAR_TWO ? HD_TIME_NONE : t;
}

static heed_err finish(hd_sink *sink, void *filled) {
    hd_record *r = filled;
    if (r->kind == HD_KIND_ITEMS) r->item.created = given(r->item.created);
    if (r->kind == HD_KIND_EVENTS) r->event.time = given(r->event.time);
    return hd_schemas[r->kind]->finish(sink, filled);
}

static bool holds(hd_slice head, const char *a, const char *b) {
    return memmem(head.p, head.n, a, strlen(a)) || memmem(head.p, head.n, b, strlen(b));
}

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    const char *eol = memchr(file->head.p, '\n', file->head.n);
    hd_slice first = {file->head.p, eol ? (size_t)(eol - file->head.p) : file->head.n};
    bool user = holds(first, "UserId", "user_id");
    bool item = holds(first, "ItemId", "item_id");
    bool feedback = holds(first, "FeedbackType", "feedback_type");
    out->finish = finish;
    if (out->kind < 0 && (user || item)) {
        out->kind = feedback || (user && item) ? HD_KIND_EVENTS
                    : item                     ? HD_KIND_ITEMS
                                               : HD_KIND_USERS;
    }
    if (out->kind == HD_KIND_ITEMS) {
        out->maps = item_maps;
        out->n_maps = 1;
    }
    return HEED_OK;
}

const hd_preset hd_preset_gorse = {
    .name = "gorse",
    .doc = HD_TEXT("Gorse's users, items and feedback (JSON lines or CSV)",
                   "Gorse 的用户、物品与反馈（JSON 行或 CSV）"),
    .shape = shape,
};
