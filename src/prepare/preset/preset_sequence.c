// SPDX-License-Identifier: Apache-2.0
//
// A line per user, `user item item …` in time order and without times: what sequential recommenders
// are published with. Each item is a view; a user without items is kept as a user.
#include "prepare/preset/preset.h"
#include "prepare/read/fill.h"

static bool is_id(hd_sink *sink, hd_slice id, size_t place) {
    if (id.n <= HD_MAX_ID) return true;
    hd_quoted value = hd_quote_value(id);
    HD_BAD_ROW(sink->row, "field %zu: '%s' is longer than 512 bytes: ids are short",
               "第 %zu 个字段：“%s”超过 512 字节：标识应当简短", place, value.text);
    return false;
}

static heed_err convert(hd_sink *sink, const hd_row *row) {
    hd_record r;
    for (size_t i = 0; i < row->n; i++) {
        if (!is_id(sink, row->cells[i].text, i + 1)) return HEED_OK;
    }
    if (row->n == 1) {
        hd_record_blank(HD_KIND_USERS, &r);
        r.user.id = row->cells[0].text;
        return hd_sink_push(sink, &r);
    }
    hd_record_blank(HD_KIND_EVENTS, &r);
    r.event.user = row->cells[0].text;
    r.event.type = sink->default_type;
    for (size_t i = 1; i < row->n; i++) {
        r.event.item = row->cells[i].text;
        HD_TRY(hd_sink_push(sink, &r));
    }
    return HEED_OK;
}

static const char *const names[] = {"user", "item"};

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    (void)file;
    out->format = &hd_format_sequence;
    out->kind = HD_KIND_EVENTS;
    out->header = 0;
    out->names = names;
    out->n_names = 2;
    out->default_type = "view";
    out->convert = convert;
    return HEED_OK;
}

const hd_preset hd_preset_sequence = {
    .name = "sequence",
    .doc = HD_TEXT("a line per user: 'user item item …' in time order, without times",
                   "每行一个用户：'用户 商品 商品 …'，按时间排列，无时间"),
    .shape = shape,
};
