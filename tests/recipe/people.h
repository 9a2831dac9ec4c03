// SPDX-License-Identifier: Apache-2.0
//
// A small table that recipes are run on, and whether a folder says again what its run said.
#ifndef HEED_TESTS_PEOPLE_H
#define HEED_TESTS_PEOPLE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "heed/error.h"
#include "recipe/predictor.h"
#include "recipe/run_own.h"

enum { ROWS = 240 };
static char folder[64];
static json_t *rows_asked; // the file's rows, as a request has them

static const char *path_of(const char *name) {
    static char paths[16][128];
    static int next;
    char *path = paths[next++ % 16];
    hd_snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static void must(heed_err err) {
    if (err != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
}

// Who is old and in Rome leaves, and who is young and elsewhere.
static int people_set_up(void **state) {
    (void)state;
    hd_str text;
    hd_rng rng = hd_rng_make(3, 0);
    snprintf(folder, sizeof folder, "/tmp/heed-people-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    rows_asked = json_array();
    hd_str_init(&text);
    hd_str_add(&text, "age,city,height,left\n");
    for (size_t i = 0; i < ROWS; i++) {
        double age = floor(20 + 40 * hd_rng_uniform(&rng));
        bool rome = hd_rng_below(&rng, 2) == 0, left = (age > 40) == rome;
        if (hd_rng_below(&rng, 8) == 0) left = !left;
        hd_str_addf(&text, "%.0f,%s,%.0f,%s\n", age, rome ? "Rome" : "Bonn", 2 * age + rome,
                    left ? "yes" : "no");
        json_array_append_new(rows_asked,
                              json_pack("{s:f, s:s}", "age", age, "city", rome ? "Rome" : "Bonn"));
    }
    heed_err err = hd_fs_write(path_of("people.csv"), text.data, text.len, 0644);
    hd_str_clear(&text);
    return err == HEED_OK ? 0 : -1;
}

static int people_tear_down(void **state) {
    (void)state;
    json_decref(rows_asked);
    return hd_fs_remove(folder);
}

static heed_err run_text(const char *text, size_t threads, const char *out, json_t **report) {
    hd_recipe *r;
    *report = NULL;
    HD_TRY(hd_recipe_read(text, strlen(text), "t.yaml", NULL, 0, &r));
    r->folder = folder;
    const hd_recipe_opts opts = {.out = out, .seed = -1, .threads = threads};
    heed_err err = hd_recipe_run(r, &opts, report);
    hd_recipe_free(r);
    return err;
}

static json_t *run(const char *text, size_t threads, const char *out) {
    json_t *report;
    must(run_text(text, threads, out, &report));
    return report;
}

// Every test row's scores stand in predictions.jsonl; the folder read again says the same, to the
// last bit. first: of all the rows, the first of the test file.
static inline void says_the_same(const char *out, const char *name, size_t first) {
    hd_predictor *model;
    hd_rows rows;
    hd_answer answer;
    char path[200], place[64];
    json_error_t why;
    size_t seen = 0;
    must(hd_predictor_open(out, &model));
    must(hd_rows_json(rows_asked, "rows", &rows));
    must(hd_predictor_run(model, &rows, 1, &answer));
    assert_int_equal(answer.n, ROWS);
    hd_snprintf(path, sizeof path, "%s/predictions.jsonl", out);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (json_t *line; (line = json_loadf(file, JSON_DISABLE_EOF_CHECK, &why)); seen++) {
        const json_t *scores = json_object_get(json_object_get(line, "scores"), name);
        hd_snprintf(place, sizeof place, "%s", json_string_value(json_object_get(line, "row")));
        size_t row = first + strtoul(strchr(place, ':') + 1, NULL, 10) - 2;
        for (size_t c = 0; c < answer.k; c++) {
            double then = json_number_value(json_array_get(scores, c));
            double now = hd_json_decimal(answer.scores[row * answer.k + c]);
            assert_true(then >= now && then <= now);
        }
        json_decref(line);
    }
    assert_true(seen >= ROWS / 5);
    fclose(file);
    hd_answer_clear(&answer);
    hd_rows_clear(&rows);
    hd_predictor_close(model);
}

#endif
