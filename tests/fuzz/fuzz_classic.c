// SPDX-License-Identifier: Apache-2.0
//
// Saved classical models: whatever loads must predict, save, and load again as the same bytes.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "classic/classifier.h"

enum { MOST_MEMORY = 256 << 20, MOST_CELLS = 1 << 20, ROWS = 2 };

static void predict(const hd_classic *model) {
    hd_classic_facts facts = hd_classic_describe(model);
    hd_matrix x;
    if (facts.m > MOST_CELLS || facts.k > MOST_CELLS) return;
    float *scores = hd_calloc(ROWS * facts.k, sizeof *scores);
    if (scores && hd_matrix_dense(ROWS, facts.m, &x) == HEED_OK) {
        for (size_t i = 0; i < facts.m; i++) x.dense[i] = (float)i - 1.5F;
        if (hd_classic_predict(model, &x, NULL, scores) != HEED_OK) hd_error_reset();
        hd_matrix_clear(&x);
    }
    hd_free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_classic *model, *again;
    hd_str one, other;
    hd_mem_limit_set(MOST_MEMORY);
    if (hd_classic_load(data, size, &model) != HEED_OK) return 0;
    predict(model);
    hd_str_init(&one);
    hd_str_init(&other);
    if (hd_classic_save(model, &one) == HEED_OK) {
        if (hd_classic_load(one.data, one.len, &again) != HEED_OK) abort();
        if (hd_classic_save(again, &other) == HEED_OK &&
            (one.len != other.len || memcmp(one.data, other.data, one.len) != 0))
            abort();
        hd_classic_free(again);
    }
    hd_str_clear(&one);
    hd_str_clear(&other);
    hd_classic_free(model);
    return 0;
}
