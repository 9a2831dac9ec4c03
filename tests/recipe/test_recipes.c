// SPDX-License-Identifier: Apache-2.0
//
// Every recipe that heed brings along: it fits its data, its networks have the parameters it says,
// and while serving rows become the very bytes that they were in training. The data are stand-ins
// (standins.h), so that none is skipped; HEED_TEST_DATA=DIR takes the real files that are in DIR.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "heed/error.h"
#include "recipe/fit.h"
#include "standins.h"

enum { MOST = 64, ROWS = 120, FEW = 1000 };

static char root[] = "/tmp/heed-recipes-XXXXXX";

static void must(heed_err err, const char *name) {
    if (err != HEED_OK) fail_msg("%s: %s", name, heed_error_message(HEED_EN));
}

typedef struct opened {
    hd_recipe *recipe;
    hd_input_parts raw;
    hd_arena arena;
} opened;

static heed_err find_file(const hd_input_env *env, const char *name, const char **out) {
    const char *real = getenv("HEED_TEST_DATA");
    const char *installed = "/usr/share/datasets/";
    size_t n = strlen(installed);
    if (strncmp(name, installed, n) == 0) name += n;
    *out = hd_arena_printf(env->arena, "%s/%s", real, name);
    if (!real || !hd_fs_exists(*out)) *out = hd_arena_printf(env->arena, "%s/%s", root, name);
    return hd_fs_exists(*out) ? HEED_OK : HD_FAIL(HEED_NOT_FOUND, "no '%s'", "没有“%s”", name);
}

static void open_recipe(const char *path, int most, opened *o) {
    hd_recipe *plain;
    char rows[64], classes[128];
    must(hd_recipe_open(path, NULL, 0, &plain), path);
    // Few rows are enough to see the bytes.
    hd_snprintf(rows, sizeof rows, "data.%s.rows=%d", plain->input.kind->name, most);
    const json_t *text = json_object_get(hd_spec_get(&plain->spec, "data"), "text");
    const bool has_classes = json_object_get(text, "classes") != NULL;
    hd_recipe_free(plain);
    hd_snprintf(classes, sizeof classes, "data.text.classes=%s/wordnet", root);
    const char *const changes[] = {rows, classes};
    must(hd_recipe_open(path, changes, has_classes ? 2 : 1, &o->recipe), path);
    hd_arena_init(&o->arena);
    hd_input_parts_init(&o->raw);
    const hd_input_kind *kind = hd_recipe_input(o->recipe);
    const hd_input_env env = {.common = o->recipe->input.common,
                              .where = o->recipe->input.where,
                              .seed = 1,
                              .arena = &o->arena,
                              .find = find_file};
    must(kind->open ? kind->open(o->recipe->input.options, &env, &o->raw)
                    : hd_input_read(&env, &o->raw),
         path);
}

static void close_recipe(opened *o) {
    hd_input_parts_clear(&o->raw);
    hd_arena_clear(&o->arena);
    hd_recipe_free(o->recipe);
}

static size_t list_recipes(char paths[MOST][512]) {
    struct dirent *entry;
    size_t n = 0;
    DIR *folder = opendir(RECIPES);
    assert_non_null(folder);
    while ((entry = readdir(folder)) && n < MOST) {
        size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".yaml") != 0) continue;
        hd_snprintf(paths[n++], 512, "%s/%s", RECIPES, entry->d_name);
    }
    closedir(folder);
    assert_true(n > 0);
    return n;
}

// The textbook networks, exactly.
static void test_textbook(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t parameters;
    } books[] = {{"iris_mlp", 43},       {"tabular_mlp", 2110},  {"digits_mlp", 101770},
                 {"digits_cnn", 54410},  {"purchase_mlp", 4417}, {"lung_cnn", 76993},
                 {"review_text", 160433}};
    for (size_t i = 0; i < sizeof books / sizeof books[0]; i++) {
        char path[512];
        hd_recipe *recipe;
        hd_snprintf(path, sizeof path, "%s/%s.yaml", RECIPES, books[i].name);
        must(hd_recipe_open(path, NULL, 0, &recipe), path);
        assert_int_equal(recipe->parameters, books[i].parameters); // check and run hold it to it
        hd_recipe_free(recipe);
    }
}

// ── The same bytes ──

// Rows as a request would bring them: texts by JSON.
static void as_request(const hd_rows *rows, hd_rows *out) {
    json_t *list = json_array();
    for (size_t i = 0; i < rows->n; i++) {
        json_t *row = json_object();
        for (size_t c = 0; c < rows->n_columns; c++) {
            hd_slice cell = rows->columns[c].cells[i];
            if (cell.p)
                json_object_set_new(row, rows->columns[c].name, json_stringn(cell.p, cell.n));
        }
        json_array_append_new(list, row);
    }
    must(hd_rows_json(list, "rows", out), "rows");
    // A column whose cells are all missing doesn't stand in the JSON.
    for (size_t c = 0; c < rows->n_columns; c++) {
        hd_rows_column *column;
        if (!hd_rows_find(out, rows->columns[c].name))
            must(hd_rows_add_column(out, rows->columns[c].name, HD_ROWS_TEXT, &column), "column");
    }
    out->first = rows->first;
    json_decref(list);
}

static size_t bytes_of(const hd_data_column *column) {
    size_t each = column->dtype == HD_U8 ? 1 : 4;
    return hd_field_count(&column->field) * each;
}

static void same_matrix(const hd_matrix *a, const hd_matrix *b, const char *name) {
    bool same = a->n == b->n && a->m == b->m && !a->dense == !b->dense;
    if (same && a->n > 0) {
        size_t entries = hd_matrix_entries(a);
        const float *x = a->dense ? a->dense : a->value, *y = b->dense ? b->dense : b->value;
        same = entries == hd_matrix_entries(b) && memcmp(x, y, entries * sizeof *x) == 0;
        if (same && !a->dense) {
            same = memcmp(a->start, b->start, (a->n + 1) * sizeof *a->start) == 0 &&
                   memcmp(a->column, b->column, entries * sizeof *a->column) == 0;
        }
    }
    if (!same) fail_msg("%s: features have other bytes while serving", name);
}

static void same_samples(const hd_samples *a, const hd_samples *b, const char *name) {
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_inputs, b->n_inputs);
    for (int f = 0; f < a->n_inputs; f++) {
        const hd_data_column *x = &a->inputs[f], *y = &b->inputs[f];
        assert_int_equal(bytes_of(x), bytes_of(y));
        assert_true(x->scale == y->scale && x->shift == y->shift && x->dtype == y->dtype);
        if (memcmp(x->data, y->data, a->n * bytes_of(x)) != 0)
            fail_msg("%s: field %d has other bytes while serving", name, f);
    }
    same_matrix(&a->features, &b->features, name);
}

static void serve_alike(const hd_prepared *p, const char *name) {
    const hd_rows *train = &p->parts.rows[HD_PART_TRAIN];
    json_t *json;
    void *loaded;
    hd_samples again, asked;
    hd_rows request;
    hd_str text;
    must(p->kind->to_json(p->fitted, &json), name);
    hd_str_init(&text);
    must(hd_json_dump(json, false, &text), name);
    json_decref(json);
    must(hd_json_parse(text.data, text.len, name, &json), name);
    hd_str_clear(&text);
    must(p->kind->from_json(json, name, &loaded), name);
    json_decref(json);
    // Who makes targets is asked for them too: else a request's rows are one sample, what comes
    // next.
    unsigned wanted = p->wanted | (p->kind->own_targets ? HD_WANT_TARGETS : 0);
    must(p->kind->apply(loaded, train, wanted, &again), name);
    same_samples(&p->samples[HD_PART_TRAIN], &again, name);
    bool texts = train->n_columns > 0;
    for (size_t c = 0; c < train->n_columns; c++) texts &= train->columns[c].kind == HD_ROWS_TEXT;
    if (texts) {
        as_request(train, &request);
        must(p->kind->apply(loaded, &request, wanted, &asked), name);
        same_samples(&p->samples[HD_PART_TRAIN], &asked, name);
        hd_input_samples_clear(&asked);
        hd_rows_clear(&request);
    }
    hd_input_samples_clear(&again);
    p->kind->free(loaded);
}

static heed_err find_start(void *ctx, const char *name, hd_arena *arena, const char **out) {
    const hd_input_env env = {.arena = arena, .ctx = ctx};
    return find_file(&env, name, out);
}

// Each network is built on the samples; the first has the parameters that the recipe expects.
static heed_err build_networks(const hd_prepared *p) {
    const hd_fit_env env = {.find = find_start};
    for (size_t i = 0; i < p->recipe->n_networks; i++) {
        size_t parameters = 0;
        HD_TRY(hd_check_network(p, &p->recipe->networks[i], &env, &parameters));
        if (i == 0 && p->recipe->parameters >= 0)
            assert_int_equal(parameters, p->recipe->parameters);
    }
    return HEED_OK;
}

static heed_err same_bytes_on(const char *path, int most) {
    opened o;
    hd_prepared prepared;
    open_recipe(path, most, &o);
    unsigned wanted = HD_WANT_INPUTS | (o.recipe->n_classics > 0 ? HD_WANT_FEATURES : 0);
    heed_err err = hd_prepared_fit(o.recipe, &o.raw, HD_NO_FOLD, wanted, &prepared);
    if (err == HEED_OK) {
        if (!prepared.samples[HD_PART_TRAIN].data) serve_alike(&prepared, o.recipe->name);
        err = build_networks(&prepared);
        hd_prepared_clear(&prepared);
    }
    close_recipe(&o);
    return err;
}

static void test_all(void **state) {
    (void)state;
    static char paths[MOST][512];
    size_t n = list_recipes(paths);
    for (size_t i = 0; i < n; i++) {
        heed_err err = same_bytes_on(paths[i], ROWS);
        if (err == HEED_INPUT) err = same_bytes_on(paths[i], 0); // sorted by class, or long windows
        must(err, paths[i]);
    }
}

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(root)) return 1;
    standins_write(root);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return hd_fs_remove(root) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_textbook),
        cmocka_unit_test(test_all),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
