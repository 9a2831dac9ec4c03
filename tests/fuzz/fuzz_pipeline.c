// SPDX-License-Identifier: Apache-2.0
//
// A saved preparation: whatever loads is applied to a small table, and saved again as it was.
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "prepare/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_table(hd_table *t) {
    static const char *const names[] = {"x", "y", "c", "d", "t"};
    static const hd_column_type types[] = {HD_COLUMN_F64, HD_COLUMN_F64, HD_COLUMN_CATEGORY,
                                           HD_COLUMN_CATEGORY, HD_COLUMN_TIME};
    hd_table_init(t);
    if (hd_table_add_rows(t, 5) != HEED_OK) abort();
    for (size_t i = 0; i < 5; i++) {
        hd_column *column;
        if (hd_table_add_column(t, names[i], types[i], &column) != HEED_OK) abort();
        for (size_t r = 0; r < 4; r++) { // the fifth row is missing everywhere
            hd_slice text = {&"abcd"[r], 1};
            if (types[i] == HD_COLUMN_F64)
                column->f64[r] = (double)r * 1.5 - 2;
            else if (types[i] == HD_COLUMN_TIME)
                column->time[r] = (hd_time)r;
            else if (hd_column_set_category(column, r, text) != HEED_OK)
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *json, *again;
    hd_pipeline *pipeline, *second;
    if (hd_json_parse((const char *)data, size, "fuzz", &json) != HEED_OK) return 0;
    if (hd_pipeline_from_json(json, "fuzz", &pipeline) == HEED_OK) {
        hd_table table;
        make_table(&table);
        heed_err err = hd_pipeline_apply(pipeline, &table, size % 2, NULL);
        if (err != HEED_OK && err != HEED_INPUT && err != HEED_CONFLICT) abort();
        hd_table_clear(&table);
        if (hd_pipeline_json(pipeline, &again) != HEED_OK) abort();
        if (hd_pipeline_from_json(again, "again", &second) != HEED_OK) abort();
        hd_pipeline_free(second);
        json_decref(again);
        hd_pipeline_free(pipeline);
    }
    json_decref(json);
    return 0;
}
