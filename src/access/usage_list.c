// SPDX-License-Identifier: Apache-2.0
//
// What was used, for reports: rows as they were last written.
#include "access/usage.h"
#include "base/mem.h"

static void read_row(hd_query *q, hd_usage_row *out) {
    *out = (hd_usage_row){.day = hd_query_i64(q, 1) * HD_DAY_MS};
    hd_slice id = hd_query_text(q, 0);
    if (id.n > 0 && id.n <= HD_KEY_ID) memcpy(out->id, id.p, id.n);
    out->count =
        (hd_count){hd_query_i64(q, 2), hd_query_i64(q, 3), hd_query_i64(q, 4), hd_query_i64(q, 5)};
}

heed_err hd_usage_list(hd_store *store, hd_time since, const char *id, hd_arena *arena,
                       hd_usage_row **out, size_t *n) {
    hd_query *q = NULL;
    hd_usage_row *rows = NULL;
    size_t count = 0, cap = 0;
    heed_err err;
    HD_TRY_OUT(hd_query_open(store,
                             "SELECT key, day, requests, events, tokens, refused FROM api_usage"
                             " WHERE (?1 IS NULL OR day * 86400000 + 86399999 >= ?1)"
                             " AND (?2 IS NULL OR key = ?2) ORDER BY day, key",
                             &q));
    hd_query_bind_time(q, 1, since);
    hd_query_bind_text(q, 2, hd_slice_of(id));
    for (;;) {
        bool row;
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(hd_grow(&rows, &cap, count + 1, sizeof *rows));
        read_row(q, &rows[count++]);
    }
    *out = hd_arena_calloc(arena, count + 1, sizeof **out);
    if (!*out) {
        err = HD_FAIL_MEMORY(count * sizeof **out);
        goto out;
    }
    if (count > 0) memcpy(*out, rows, count * sizeof **out);
    *n = count;
out:
    hd_query_close(q);
    hd_free(rows);
    return err;
}
