// SPDX-License-Identifier: Apache-2.0
//
// Recipes and what they read: a page of YAML with a file of rows behind it (parted by a NUL), which
// is checked, split, prepared, and put into its networks; or a preparation as a model's folder
// holds it, which is loaded and applied to rows.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "recipe/fit.h"
#include "recipe/predictor.h"

enum { MOST_MEMORY = 256 << 20, MOST_BYTES = 1 << 16 };

static heed_err read_rows(const char *text, size_t n, bool json, hd_rows *rows) {
    char *copy = hd_strndup(text, n);
    const hd_rows_format format = {.most = 200};
    if (!copy) return HD_FAIL_MEMORY(n);
    return hd_rows_parse(rows, copy, n, "rows.csv", json, &format);
}

// What a report and an answer ask of a forecast, of the first sample and the last.
static void tell(const hd_input_kind *kind, const void *fitted, const hd_rows *rows,
                 const hd_samples *samples) {
    const size_t ends[] = {0, samples->n - 1};
    char name[128];
    for (size_t i = 0; kind->forecast && samples->row && samples->n > 0 && i < 2; i++) {
        json_t *drawn = json_object();
        float values[4] = {0, 1, -1, 1e30F};
        kind->forecast->restore(fitted, ends[i], values, 4);
        kind->forecast->step(fitted, ends[i], name);
        (void)kind->forecast->name(fitted, ends[i]);
        (void)kind->forecast->unit(fitted);
        if (drawn)
            (void)!kind->forecast->before(fitted, rows, ends[i], samples->row[ends[i]], drawn);
        json_decref(drawn);
    }
}

// What was learned must load again, and make the same of the same rows.
static void again(const hd_prepared *p) {
    json_t *json = NULL;
    void *loaded = NULL;
    hd_samples samples;
    const hd_scorer scorer = {.net = NULL};
    if (hd_predictor_preparation(p, &scorer, &json) != HEED_OK) return;
    if (p->kind->from_json(json_object_get(json, "fitted"), "p", &loaded) == HEED_OK) {
        const hd_rows *rows = &p->parts.rows[HD_PART_TRAIN];
        unsigned wanted = p->wanted | (p->kind->own_targets ? HD_WANT_TARGETS : 0);
        if (p->kind->apply(loaded, rows, wanted, &samples) == HEED_OK) {
            if (samples.n != p->samples[HD_PART_TRAIN].n) abort();
            tell(p->kind, loaded, rows, &samples);
            hd_input_samples_clear(&samples);
        }
        p->kind->free(loaded);
    }
    json_decref(json);
}

// A page names no file of ours.
static heed_err nowhere(void *ctx, const char *name, hd_arena *arena, const char **out) {
    (void)ctx, (void)arena, (void)out;
    return HD_FAIL(HEED_NOT_FOUND, "there is no '%s'", "没有“%s”", name);
}

static void use(const hd_recipe *recipe, const hd_input_parts *raw) {
    hd_prepared prepared;
    size_t parameters;
    size_t fold = recipe->split.folds > 0 ? 0 : HD_NO_FOLD;
    const hd_fit_env env = {.threads = 1, .find = nowhere};
    if (hd_prepared_fit(recipe, raw, fold, HD_WANT_INPUTS | HD_WANT_FEATURES, &prepared) != HEED_OK)
        return;
    again(&prepared);
    for (size_t i = 0; i < recipe->n_networks && i < 2; i++) {
        if (hd_check_network(&prepared, &recipe->networks[i], &env, &parameters) != HEED_OK) break;
    }
    if (hd_prepared_apply(&prepared, HD_PART_TEST) == HEED_OK) {
        hd_data *data = NULL;
        if (hd_prepared_data(&prepared, HD_PART_TRAIN, HD_TRUTH_NONE, &data) == HEED_OK)
            hd_data_free(data);
    }
    hd_prepared_clear(&prepared);
}

static void page(const char *text, size_t size) {
    hd_recipe *recipe = NULL;
    hd_input_parts raw;
    const char *end = memchr(text, '\0', size);
    size_t n = end ? (size_t)(end - text) : size;
    if (hd_recipe_read(text, n, "r.yaml", NULL, 0, &recipe) != HEED_OK) return;
    hd_input_parts_init(&raw);
    if (end && read_rows(end + 1, size - n - 1, false, &raw.rows[HD_PART_TRAIN]) == HEED_OK &&
        raw.rows[HD_PART_TRAIN].n > 0)
        use(recipe, &raw);
    hd_input_parts_clear(&raw);
    hd_recipe_free(recipe);
}

// A preparation, and rows as JSON lines behind it.
static void preparation(const char *text, size_t size) {
    json_t *json = NULL;
    hd_rows rows;
    hd_target target;
    hd_samples samples;
    void *fitted = NULL;
    const char *end = memchr(text, '\0', size);
    size_t n = end ? (size_t)(end - text) : size;
    if (hd_json_parse(text, n, "p.json", &json) != HEED_OK) return;
    hd_rows_init(&rows);
    hd_target_init(&target);
    const char *name = json_string_value(json_object_get(json, "input"));
    const hd_input_kind *kind = name ? hd_input_kind_find(name) : NULL;
    if (hd_target_from_json(json_object_get(json, "target"), "p", &target) == HEED_OK && kind &&
        kind->from_json(json_object_get(json, "fitted"), "p", &fitted) == HEED_OK) {
        if (end && read_rows(end + 1, size - n - 1, true, &rows) == HEED_OK && rows.n > 0 &&
            (!kind->arrange || kind->arrange(fitted, &rows) == HEED_OK) &&
            kind->apply(fitted, &rows, HD_WANT_INPUTS | HD_WANT_FEATURES, &samples) == HEED_OK) {
            tell(kind, fitted, &rows, &samples);
            hd_input_samples_clear(&samples);
        }
        kind->free(fitted);
    }
    hd_target_clear(&target);
    hd_rows_clear(&rows);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > MOST_BYTES || hd_mem_adopt_libraries() != HEED_OK) return 0;
    hd_mem_limit_set(MOST_MEMORY);
    if (data[0] == '{') {
        preparation((const char *)data, size);
    } else {
        page((const char *)data, size);
    }
    return 0;
}
