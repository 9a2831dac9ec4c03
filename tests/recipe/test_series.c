// SPDX-License-Identifier: Apache-2.0
//
// Series: which values a sample holds, that nothing of the future leaks into a window, files that
// are turned around, what is saved and loaded, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "recipe/inputs.h"

typedef struct fixture {
    hd_spec spec;
    hd_arena arena;
    hd_choice choice;
    hd_rows rows;
    void *fitted;
} fixture;

static void setup(fixture *f, const char *options, const char *csv) {
    const hd_rows_format format = {.delimiter = ','};
    hd_arena_init(&f->arena);
    hd_rows_init(&f->rows);
    assert_int_equal(hd_spec_parse(options, "series", "t.yaml", &f->spec), HEED_OK);
    hd_where where = hd_where_of(&f->spec, "series");
    json_t *whole = json_pack("{s:O}", "series", hd_spec_get(&f->spec, "series"));
    if (hd_spec_read(&hd_input_kinds, whole, &where, &f->arena, &f->choice) != HEED_OK) {
        fail_msg("%s", heed_error_message(HEED_EN));
    }
    json_decref(whole);
    assert_int_equal(hd_rows_parse(&f->rows, hd_strdup(csv), strlen(csv), "t.csv", false, &format),
                     HEED_OK);
}

static heed_err fit(fixture *f) {
    const hd_input_fit in = {.rows = &f->rows,
                             .options = f->choice.options,
                             .common = f->choice.common,
                             .prepare_where = hd_where_of(&f->spec, "prepare")};
    f->fitted = NULL;
    return hd_input_series.fit(&in, &f->fitted);
}

static void teardown(fixture *f) {
    if (f->fitted) hd_input_series.free(f->fitted);
    hd_rows_clear(&f->rows);
    hd_arena_clear(&f->arena);
    hd_spec_clear(&f->spec);
}

enum { ALL = HD_WANT_INPUTS | HD_WANT_FEATURES | HD_WANT_TARGETS };

static const float *x_of(const hd_samples *samples) {
    return samples->inputs[0].data;
}

static const char hours[] = "t,a,b\n0,1,10\n1,2,20\n2,3,30\n3,4,40\n4,5,50\n5,6,60\n";

static void each_series_is_a_sample_of_its_own(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    setup(&f, "{window: 2, horizon: 2, time: t, scale: none}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
    assert_int_equal(s.n, 3 * 2); // targets begin at rows 2, 3, 4; two series
    assert_int_equal(s.k, 2);
    assert_int_equal(s.block, 4);
    assert_memory_equal(x_of(&s), ((float[]){1, 2, 10, 20, 2, 3, 20, 30, 3, 4, 30, 40}), 48);
    assert_memory_equal(s.targets, ((float[]){3, 4, 30, 40, 4, 5, 40, 50, 5, 6, 50, 60}), 48);
    assert_memory_equal(s.features.dense, x_of(&s), 48);
    assert_memory_equal(s.row, ((size_t[]){2, 2, 3, 3, 4, 4}), 6 * sizeof(size_t));
    hd_input_samples_clear(&s);
    teardown(&f);
}

static void all_series_may_be_one_sample(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    setup(&f, "{window: 2, horizon: 1, time: t, scale: none, each: false, stride: 3}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
    assert_int_equal(s.n, 2);
    assert_memory_equal(x_of(&s), ((float[]){1, 10, 2, 20, 4, 40, 5, 50}), 32);
    assert_memory_equal(s.targets, ((float[]){3, 30, 6, 60}), 16);
    hd_input_samples_clear(&s);
    // Apart from training, every moment counts.
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL | HD_WANT_APART, &s), HEED_OK);
    assert_int_equal(s.n, 4);
    hd_input_samples_clear(&s);
    teardown(&f);
}

static void scales_are_of_each_series_and_units_may_be_own(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    setup(&f, "{window: 2, time: t, units: own}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
    double deviation = sqrt(35.0 / 12);
    assert_true(fabs((double)x_of(&s)[0] - (1 - 3.5) / deviation) < 1e-6);
    assert_true(x_of(&s)[2] == x_of(&s)[0]); // ten times as large, on its own scale
    assert_true(s.targets[0] == 3 && s.targets[1] == 30);
    assert_true(s.features.dense[0] == 1 && s.features.dense[2] == 10);
    hd_input_samples_clear(&s);
    teardown(&f);
}

// Answers go back to what the file has; a reader sees what came before, and when.
static void forecasts_are_told_as_the_file_has_them(void **state) {
    (void)state;
    static const char *const options[] = {"{window: 2, horizon: 2, time: t}",
                                          "{window: 2, horizon: 2, time: t, log: true}",
                                          "{window: 2, horizon: 2, time: t, scale: minmax}",
                                          "{window: 2, horizon: 2, time: t, units: own}",
                                          "{window: 2, horizon: 2, time: t, each: false}"};
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
        fixture f;
        hd_samples s;
        setup(&f, options[o], hours);
        assert_int_equal(fit(&f), HEED_OK);
        const hd_input_forecast *forecast = hd_input_series.forecast;
        assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
        for (size_t i = 0; i < s.n; i++) {
            const double a = (double)s.row[i] + 1;
            float *t = s.targets + i * s.k;
            forecast->restore(f.fitted, i, t, s.k);
            const char *name = forecast->name(f.fitted, i);
            if (!name) { // both series in one: a, b, a, b
                assert_int_equal(forecast->width(f.fitted), 2);
                assert_true(fabs((double)t[0] - a) < 1e-4 && fabs((double)t[1] - 10 * a) < 1e-3);
                continue;
            }
            const double times = strcmp(name, "a") == 0 ? 1 : 10;
            for (size_t h = 0; h < 2; h++)
                assert_true(fabs((double)t[h] - times * (a + (double)h)) < 1e-3);
            json_t *drawn = json_object();
            assert_int_equal(forecast->before(f.fitted, &f.rows, i, s.row[i], drawn), HEED_OK);
            assert_string_equal(json_string_value(json_object_get(drawn, "name")), name);
            const json_t *history = json_object_get(drawn, "history");
            const json_t *moments = json_object_get(drawn, "times");
            assert_int_equal(json_array_size(history), 2);
            assert_true(fabs(json_number_value(json_array_get(history, 1)) - times * (a - 1)) <
                        1e-3);
            assert_int_equal(json_array_size(moments), 2);
            assert_int_equal(atoi(json_string_value(json_array_get(moments, 0))),
                             (int)s.row[i] - 2);
            assert_int_equal(atoi(json_string_value(json_array_get(moments, 1))),
                             (int)s.row[i] + 1);
            json_decref(drawn);
        }
        const bool plain = strstr(options[o], "own") != NULL;
        assert_int_equal(forecast->unit(f.fitted).en == NULL, plain);
        hd_input_samples_clear(&s);
        teardown(&f);
    }
}

// What stands behind a window must not change it: not by scaling, smoothing or filling.
static void nothing_of_the_future_is_in_a_window(void **state) {
    (void)state;
    fixture f;
    hd_samples one, other;
    setup(&f, "{window: 3, time: t, smooth: 2, difference: true, log: true}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &one), HEED_OK);
    hd_rows_find(&f.rows, "a")->cells[5] = hd_slice_of("-999");
    hd_rows_find(&f.rows, "b")->cells[5] = (hd_slice){NULL, 0};
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &other), HEED_OK);
    // The last targets begin at row 5: every window ends before it.
    assert_memory_equal(x_of(&one), x_of(&other), one.n * 3 * sizeof(float));
    hd_input_samples_clear(&one);
    hd_input_samples_clear(&other);
    teardown(&f);
}

static void history_is_looked_at_and_not_stood_for(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    setup(&f, "{window: 2, time: t, columns: [a], scale: none}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    f.rows.first = 4;
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
    assert_int_equal(s.n, 2);
    assert_memory_equal(x_of(&s), ((float[]){3, 4, 4, 5}), 16);
    assert_memory_equal(s.targets, ((float[]){5, 6}), 8);
    hd_input_samples_clear(&s);
    // While serving: what comes after the last row.
    f.rows.first = 0;
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, HD_WANT_INPUTS, &s), HEED_OK);
    assert_int_equal(s.n, 1);
    assert_memory_equal(x_of(&s), ((float[]){5, 6}), 8);
    assert_int_equal(s.row[0], 5);
    hd_input_samples_clear(&s);
    teardown(&f);
}

static void gaps_are_what_was_last(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    setup(&f, "{window: 4, columns: [a], scale: none}", "t,a\n0,\n1,2\n2,\n3,4\n4,5\n");
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_OK);
    assert_memory_equal(x_of(&s), ((float[]){2, 2, 2, 4}), 16);
    hd_input_samples_clear(&s);
    teardown(&f);
}

static heed_err found(const hd_input_env *env, const char *name, const char **out) {
    *out = hd_arena_printf(env->arena, "%s/%s", SERIES, name);
    return HEED_OK;
}

static void a_series_a_row_is_turned_around(void **state) {
    (void)state;
    fixture f;
    hd_input_parts parts;
    setup(&f, "{train: places.csv, across: [province, country], skip: [lat]}", hours);
    hd_input_parts_init(&parts);
    const hd_input_env env = {
        .common = f.choice.common, .where = f.choice.where, .arena = &f.arena, .find = found};
    assert_int_equal(hd_input_series.open(f.choice.options, &env, &parts), HEED_OK);
    const hd_rows *rows = &parts.rows[HD_PART_TRAIN];
    assert_int_equal(rows->n, 3);
    assert_int_equal(rows->n_columns, 3); // two places, and which moments they are
    assert_string_equal(rows->columns[2].name, "moment");
    assert_string_equal(rows->columns[0].name, "Ontario Canada");
    assert_string_equal(rows->columns[1].name, "Malta");
    assert_true(hd_slice_eq(rows->columns[0].cells[2], "9"));
    assert_true(hd_slice_eq(rows->columns[1].cells[0], "1"));
    hd_input_parts_clear(&parts);
    f.fitted = NULL;
    teardown(&f);
}

// A request may come as the training's file did.
// Files turned around tell a wrong cell where it stands, and what isn't a moment.
static void a_wrong_cell_is_found_in_its_row(void **state) {
    (void)state;
    fixture f;
    hd_rows rows;
    setup(&f, "{window: 2, across: [country]}", "moment,Malta\n1/1,1\n1/2,2\n");
    assert_int_equal(fit(&f), HEED_OK);
    json_t *list = json_loads("[{\"country\": \"Malta\", \"1/1\": \"5\", \"1/2\": \"6\"}, "
                              "{\"country\": \"Rome\", \"1/1\": \"5\", \"1/2\": \"much\"}]",
                              0, NULL);
    assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_OK);
    assert_int_equal(hd_input_series.arrange(f.fitted, &rows), HEED_INPUT);
    const char *said = heed_error_message(HEED_EN);
    if (!strstr(said, "moment '1/2': 'much' is not a number")) fail_msg("%s", said);
    hd_rows_clear(&rows);
    json_decref(list);
    teardown(&f);
}

// Rows in another order would teach another thing.
static void moments_stand_in_order(void **state) {
    (void)state;
    static const struct {
        const char *rows, *said; // NULL: as they should be
    } cases[] = {
        {"t,a\n2025-01-01,1\n2025-01-02,2\n2025-01-05,3\n2025-01-06,4\n", NULL},
        {"t,a\n2025-01-03,1\n2025-01-02,2\n2025-01-01,3\n2024-12-31,4\n",
         "t.csv:3: 't' goes from '2025-01-03' back to '2025-01-02'"},
        {"t,a\n2025-01-01,1\n2025-01-02,2\n2025-01-03,3\n2025-01-04,3\n2025-01-05,3\nlater,4\n",
         "t.csv:7: 't': 'later' is no time, as the others are"},
        {"t,a\n2025-01-01,1\n2025-01-01,2\n2025-01-02,3\n2025-01-02,4\n",
         "t.csv:3: 't': '2025-01-01' comes twice"},
        {"t,a\n2025-10-26 02:30,1\n2025-10-26 02:45,2\n2025-10-26 02:00,3\n2025-10-26 02:15,4\n",
         NULL},
        {"t,a\nspring,1\nsummer,2\nautumn,3\nwinter,4\n", NULL},
        {"t,a\n1/2/2025,1\n1/13/2025,2\n1/3/2025,3\n1/4/2025,3\n", "t.csv:4: 't' goes from"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        hd_samples s;
        setup(&f, "{window: 2, time: t}", cases[i].rows);
        assert_int_equal(fit(&f), HEED_OK);
        heed_err err = hd_input_series.apply(f.fitted, &f.rows, ALL, &s);
        assert_int_equal(err, cases[i].said ? HEED_INPUT : HEED_OK);
        if (cases[i].said && !strstr(heed_error_message(HEED_EN), cases[i].said))
            fail_msg("case %zu: %s", i, heed_error_message(HEED_EN));
        if (err == HEED_OK) hd_input_samples_clear(&s);
        teardown(&f);
    }
}

static void outputs_have_names(void **state) {
    (void)state;
    static const char *const said[][3] = {{"1", "2", "3"}, {"a 1", "b 1", "a 2"}};
    for (size_t o = 0; o < 2; o++) {
        fixture f;
        char name[128];
        setup(&f, o ? "{window: 2, horizon: 2, time: t, each: false}" : "{window: 2, time: t}",
              hours);
        assert_int_equal(fit(&f), HEED_OK);
        for (size_t i = 0; i < 3; i++) {
            hd_input_series.forecast->step(f.fitted, i, name);
            assert_string_equal(name, said[o][i]);
        }
        teardown(&f);
    }
}

static void a_request_is_turned_around_too(void **state) {
    (void)state;
    static const char *const asked[] = {
        "[{\"province\": \"\", \"country\": \"Malta\", \"lat\": \"4\", \"1/1\": \"5\", \"1/2\": "
        "\"6\"}]",
        "[{\"Malta\": \"5\"}, {\"Malta\": \"6\"}]"};
    fixture f;
    setup(&f, "{window: 2, across: [province, country], skip: lat}",
          "moment,Malta\n1/1,1\n1/2,2\n");
    assert_int_equal(fit(&f), HEED_OK);
    for (size_t i = 0; i < 2; i++) {
        hd_rows rows;
        json_t *list = json_loads(asked[i], 0, NULL);
        assert_non_null(list);
        assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_OK);
        assert_int_equal(hd_input_series.arrange(f.fitted, &rows), HEED_OK);
        const hd_rows_column *malta = hd_rows_find(&rows, "Malta");
        assert_int_equal(rows.n, 2);
        assert_non_null(malta);
        assert_true(hd_slice_eq(malta->cells[0], "5") && hd_slice_eq(malta->cells[1], "6"));
        hd_rows_clear(&rows);
        json_decref(list);
    }
    teardown(&f);
}

static void what_is_saved_makes_the_same_samples(void **state) {
    (void)state;
    fixture f;
    hd_samples one, other;
    json_t *json;
    void *again;
    setup(&f, "{window: 3, horizon: 2, time: t, smooth: 2, log: true, scale: minmax}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.to_json(f.fitted, &json), HEED_OK);
    char *text = json_dumps(json, JSON_REAL_PRECISION(17));
    json_decref(json);
    json = json_loads(text, 0, NULL);
    assert_int_equal(hd_input_series.from_json(json, "p.json", &again), HEED_OK);
    json_t *same = NULL;
    assert_int_equal(hd_input_series.to_json(again, &same), HEED_OK);
    assert_true(json_equal(json, same));
    json_decref(same);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &one), HEED_OK);
    assert_int_equal(hd_input_series.apply(again, &f.rows, ALL, &other), HEED_OK);
    assert_memory_equal(x_of(&one), x_of(&other), one.n * 3 * sizeof(float));
    assert_memory_equal(one.targets, other.targets, one.n * one.k * sizeof(float));
    hd_input_series.free(again);
    static const char *const bad[] = {"{\"window\": 0}", "{\"columns\": []}",
                                      "{\"columns\": [{\"name\": \"a\", \"scale\": 0}]}",
                                      "{\"horizon\": 1000000}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *changed = json_deep_copy(json), *with = json_loads(bad[i], 0, NULL);
        json_object_update(changed, with);
        assert_int_equal(hd_input_series.from_json(changed, "p.json", &again), HEED_CORRUPT);
        json_decref(changed);
        json_decref(with);
    }
    json_decref(json);
    hd_free(text);
    hd_input_samples_clear(&one);
    hd_input_samples_clear(&other);
    teardown(&f);
}

static void bad_input_is_told(void **state) {
    (void)state;
    fixture f;
    hd_samples s;
    json_t *shown;
    setup(&f, "{window: 8, time: t}", hours);
    assert_int_equal(fit(&f), HEED_OK);
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, ALL, &s), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN),
                           "t.csv:7: this part of the rows ends after 6 moments, too few for"));
    assert_int_equal(hd_input_series.apply(f.fitted, &f.rows, HD_WANT_INPUTS, &s), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "ends after 6 moments, too few"));
    assert_int_equal(hd_input_series.show(f.fitted, &f.rows, 1, 1, &shown), HEED_OK);
    assert_string_equal(json_string_value(json_object_get(json_object_get(shown, "fields"), "b")),
                        "20");
    json_decref(shown);
    teardown(&f);
    setup(&f, "{window: 2, columns: [a]}", "t,a\n0,1\n1,much\n");
    assert_int_equal(fit(&f), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "t.csv:3: column 'a': 'much' is not a number");
    teardown(&f);
    // One wrong cell among many doesn't make a series silently another thing.
    setup(&f, "{window: 2}", "a\n0\n1\n2\n3\n4\n5\n6\n7\n8\nx\n9\n");
    assert_int_equal(fit(&f), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN),
                           "t.csv:11: column 'a': 'x' is not a number, as nearly all"));
    teardown(&f);
    setup(&f, "{window: 2}", "t\nx\ny\n");
    assert_int_equal(fit(&f), HEED_INPUT);
    teardown(&f);
    setup(&f, "{columns: [c]}", hours);
    assert_int_equal(fit(&f), HEED_INPUT);
    teardown(&f);
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    fixture f;
    setup(&f, "{window: 2, time: t}", hours);
    for (uint64_t n = 1;; n++) {
        hd_samples s = {.n = 0};
        json_t *json = NULL;
        void *again = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = fit(&f);
        if (err == HEED_OK) err = hd_input_series.apply(f.fitted, &f.rows, ALL, &s);
        if (err == HEED_OK) err = hd_input_series.to_json(f.fitted, &json);
        if (err == HEED_OK) err = hd_input_series.from_json(json, "p.json", &again);
        hd_mem_fail_at(0, true);
        if (again) hd_input_series.free(again);
        json_decref(json);
        hd_input_samples_clear(&s);
        if (f.fitted) hd_input_series.free(f.fitted);
        f.fitted = NULL;
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 1000);
    }
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(each_series_is_a_sample_of_its_own),
        cmocka_unit_test(all_series_may_be_one_sample),
        cmocka_unit_test(scales_are_of_each_series_and_units_may_be_own),
        cmocka_unit_test(forecasts_are_told_as_the_file_has_them),
        cmocka_unit_test(nothing_of_the_future_is_in_a_window),
        cmocka_unit_test(history_is_looked_at_and_not_stood_for),
        cmocka_unit_test(gaps_are_what_was_last),
        cmocka_unit_test(a_series_a_row_is_turned_around),
        cmocka_unit_test(a_request_is_turned_around_too),
        cmocka_unit_test(a_wrong_cell_is_found_in_its_row),
        cmocka_unit_test(moments_stand_in_order),
        cmocka_unit_test(outputs_have_names),
        cmocka_unit_test(what_is_saved_makes_the_same_samples),
        cmocka_unit_test(bad_input_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
