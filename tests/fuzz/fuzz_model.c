// SPDX-License-Identifier: Apache-2.0
//
// Model files of all methods and of the table of cold users: whatever a file holds, loading refuses
// it or gives a model that scores, explains and is freed without harm.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "recommend/cold.h"
#include "recommend/recommender.h"

enum { MAX_ITEMS = 1 << 16 }; // user_knn's file names any number; scores of more are not asked for

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const hd_method *method, const hd_model *model) {
    const uint32_t item[] = {0, 2, 2, 1, 7, UINT32_MAX};
    const float weight[] = {1, 1, .5F, 1, 1, 1};
    const hd_history history = {item, weight, NULL, NULL, 6, HD_TIME_NONE};
    const hd_history late = {item, weight, NULL, NULL, 6, HD_TIME_MAX};
    size_t n_items = method->n_items(model), n = 0;
    hd_reason reasons[4];
    float *scores = hd_alloc(n_items * sizeof *scores + 1);
    if (!scores) return;
    bool ready = method->score(model, &history, scores) == HEED_OK;
    ready = ready && method->score(model, &late, scores) == HEED_OK;
    if (ready && n_items > 1 && method->reasons(model, &history, 1, reasons, 4, &n) == HEED_OK) {
        assert(n <= 4);
    }
    hd_free(scores);
}

static void use_cold(const hd_cold *cold) {
    const char *names[4];
    size_t n = 0;
    float *scores = hd_alloc(hd_cold_n_items(cold) * sizeof *scores + 1);
    if (!scores) return;
    if (hd_cold_match(cold, "{\"city\": \"Rom\", \"pro\": true}", names, 4, &n) == HEED_OK) {
        hd_cold_score(cold, names, n, scores);
    }
    hd_free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_safetensors *file = NULL;
    hd_cold *cold = NULL;
    char *copy = hd_alloc_aligned(size + 1, 1);
    if (!copy) return 0;
    if (size > 0) memcpy(copy, data, size);
    if (hd_safetensors_from_memory(copy, size, "fuzz", &file) == HEED_OK) {
        for (size_t m = 0; hd_methods[m]; m++) {
            hd_model *model = NULL;
            if (hd_methods[m]->load(file, &model) != HEED_OK) continue;
            if (hd_methods[m]->n_items(model) <= MAX_ITEMS) use(hd_methods[m], model);
            hd_methods[m]->free(model);
        }
        if (hd_cold_load(file, &cold) == HEED_OK) use_cold(cold);
    }
    hd_cold_free(cold);
    hd_safetensors_close(file);
    hd_free(copy);
    return 0;
}
