// SPDX-License-Identifier: Apache-2.0
//
// A line per user: `user item item …`, in time order. One cell for the user, one for each item; the
// two columns are "user" and "item".
#include "prepare/read/reader.h"

#include "base/mem.h"

static heed_err sequence_next(hd_reader *r, hd_import_row *out, hd_row *row) {
    hd_slice line;
    size_t next = 0;
    HD_TRY(hd_reader_line(r, out, row, &line, &next));
    if (row->state != HD_ROW_RECORD) return HEED_OK;
    hd_feed_advance(&r->feed, next, 1);
    const char *p = line.p;
    const char *end = p + line.n;
    size_t n = 0;
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p == end) break;
        const char *start = p;
        while (p < end && *p != ' ' && *p != '\t') p++;
        if (n == HD_MAX_FIELDS) {
            HD_BAD_ROW(out, "the line has more than %d items: split it",
                       "该行超过 %d 个商品：请拆分", HD_MAX_FIELDS - 1);
            row->state = HD_ROW_BAD;
            return HEED_OK;
        }
        if (n == r->cap_cells) HD_TRY(hd_grow(&r->cells, &r->cap_cells, n + 1, sizeof *r->cells));
        r->cells[n] = (hd_cell){.text = {start, (size_t)(p - start)}, .column = n > 0};
        n++;
    }
    row->cells = r->cells;
    row->n = n;
    return HEED_OK;
}

const hd_format hd_format_sequence = {"sequence", sequence_next};
