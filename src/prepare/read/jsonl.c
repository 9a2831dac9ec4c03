// SPDX-License-Identifier: Apache-2.0
//
// JSON lines: an object a line. Members become cells, nested ones by their path. The columns of a
// row are most likely those of the row before, in the same order: each is compared with that guess
// before it is looked up.
#include "prepare/read/reader.h"

#include "base/mem.h"

static heed_err find_column(hd_reader *r, size_t i, uint32_t parent, const hd_cell *cell,
                            uint32_t *out) {
    if (i < r->n_order && r->order[i] != HD_NO_COLUMN) {
        const hd_import_column *col = &r->columns.cols[r->order[i]];
        if (col->parent == parent && col->key.n == cell->key.n &&
            memcmp(col->key.p, cell->key.p, cell->key.n) == 0) {
            *out = r->order[i];
            return HEED_OK;
        }
    }
    bool added;
    return hd_columns_member(&r->columns, parent, cell->key, out, &added);
}

// Gives the cells first .. first + n of one object their columns, and so on inside of them.
static heed_err name_cells(hd_reader *r, size_t first, size_t n, uint32_t parent) {
    for (size_t i = first; i < first + n; i += 1 + r->json.cells[i].size) {
        hd_cell *cell = &r->json.cells[i];
        HD_TRY(find_column(r, i, parent, cell, &cell->column));
        r->order[i] = cell->column;
        if (i >= r->n_order) r->n_order = i + 1;
        if (cell->size == 0) continue;
        if (cell->column != HD_NO_COLUMN) {
            HD_TRY(name_cells(r, i + 1, cell->size, cell->column));
        } else {
            for (size_t k = 1; k <= cell->size; k++) r->order[i + k] = HD_NO_COLUMN;
            if (i + cell->size >= r->n_order) r->n_order = i + cell->size + 1;
        }
    }
    return HEED_OK;
}

heed_err hd_reader_cells(hd_reader *r, hd_row *row) {
    if (r->json.n > r->cap_order) {
        HD_TRY(hd_grow(&r->order, &r->cap_order, r->json.n, sizeof *r->order));
    }
    HD_TRY(name_cells(r, 0, r->json.n, HD_NO_COLUMN));
    row->cells = r->json.cells;
    row->n = r->json.n;
    row->big = r->json.big;
    return HEED_OK;
}

static void bad_json(hd_reader *r, hd_slice line, hd_import_row *out) {
    const hd_json_scan *s = &r->json;
    size_t place = 1;
    for (size_t i = 0; i < s->at && i < line.n; i++) {
        place += ((unsigned char)line.p[i] & 0xc0) != 0x80;
    }
    HD_BAD_ROW(out, "no valid JSON: %2$s (character %1$zu): write one object a line%3$.0s",
               "不是合法的 JSON：%3$s（第 %1$zu 个字符）：每行写一个对象%2$.0s", place,
               s->problem.en, s->problem.zh);
}

static heed_err jsonl_next(hd_reader *r, hd_import_row *out, hd_row *row) {
    hd_slice line;
    size_t next = 0;
    HD_TRY(hd_reader_line(r, out, row, &line, &next));
    if (row->state != HD_ROW_RECORD) return HEED_OK;
    bool ok = false;
    HD_TRY(hd_json_scan_run(&r->json, line, &ok));
    hd_feed_advance(&r->feed, next, 1);
    if (ok && hd_slice_trim(line).p[0] == '[') {
        ok = false;
        r->json.at = 0;
        r->json.problem = (hd_text)HD_TEXT("this is an array", "这是数组");
    }
    if (!ok) {
        bad_json(r, line, out);
        row->state = HD_ROW_BAD;
        return HEED_OK;
    }
    return hd_reader_cells(r, row);
}

const hd_format hd_format_jsonl = {"jsonl", jsonl_next};
