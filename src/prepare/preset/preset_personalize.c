// SPDX-License-Identifier: Apache-2.0
//
// Amazon Personalize's three CSV schemas: interactions (USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE,
// EVENT_VALUE), items (ITEM_ID, CATEGORY_L1 'a|b', GENRES, PRICE, CREATION_TIMESTAMP, …), users.
// Lists are separated by '|' and by nothing else, so that "Home, Garden" stays one category.
#include "prepare/preset/preset.h"

static const hd_import_map item_maps[] = {
    {"categoryl1", "categories"}, {"categoryl2", "categories"},     {"categoryl3", "categories"},
    {"genres", "categories"},     {"creationtimestamp", "created"}, {"productname", "title"},
};
static const hd_import_map event_maps[] = {{"eventvalue", "value"}};

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    const char *eol = memchr(file->head.p, '\n', file->head.n);
    size_t n = eol ? (size_t)(eol - file->head.p) : file->head.n;
    bool user = memmem(file->head.p, n, "USER_ID", 7) != NULL;
    bool item = memmem(file->head.p, n, "ITEM_ID", 7) != NULL;
    if (out->kind < 0 && (user || item)) {
        out->kind = user && item ? HD_KIND_EVENTS : item ? HD_KIND_ITEMS : HD_KIND_USERS;
    }
    bool items = out->kind == HD_KIND_ITEMS;
    out->header = 1;
    out->list_sign = '|';
    out->maps = items ? item_maps : event_maps;
    out->n_maps = items ? sizeof item_maps / sizeof item_maps[0] : 1;
    return HEED_OK;
}

const hd_preset hd_preset_personalize = {
    .name = "personalize",
    .doc = HD_TEXT("Amazon Personalize's interactions, items and users",
                   "Amazon Personalize 的交互、物品与用户数据"),
    .shape = shape,
};
