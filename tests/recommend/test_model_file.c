// SPDX-License-Identifier: Apache-2.0
//
// Models to files and back: the same bits after, and nothing but refusals from files that were
// changed by a hand that means harm, or by chance.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "recommend/cold.h"
#include "rows.h"

enum { U = 60, I = 23, N = 900 };

static char folder[64], path[96];
static hd_sparse rows;
static hd_attributes attributes;

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/heed-model-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    rows = rows_random(1, U, I, N, true);
    hd_attributes_init(&attributes);
    for (size_t u = 0; u < U; u++) {
        const char *json = u % 2 ? "{\"city\": \"柏林\", \"pro\": true}" : "{\"city\": \"Rom\"}";
        if (hd_attributes_add(&attributes, json) != HEED_OK) return -1;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hd_sparse_clear(&rows);
    hd_attributes_clear(&attributes);
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static hd_model *fit(const hd_method *method) {
    double values[ROWS_PARAMS];
    hd_model *model = NULL;
    rows_values(method, NULL, 0, values);
    assert_int_equal(method->fit(&rows, values, 1, NULL, &model), HEED_OK);
    return model;
}

static heed_err save(const hd_method *method, const hd_model *model) {
    hd_safetensors_writer *writer = NULL;
    HD_TRY(hd_safetensors_writer_new(&writer));
    heed_err err = method->save(model, writer);
    if (err == HEED_OK) err = hd_safetensors_write(writer, path);
    hd_safetensors_writer_free(writer);
    return err;
}

static heed_err load(const hd_method *method, hd_model **out) {
    hd_safetensors *file = NULL;
    *out = NULL;
    HD_TRY(hd_safetensors_open(path, &file));
    heed_err err = method->load(file, out);
    hd_safetensors_close(file);
    return err;
}

static void test_round_trip(void **state) {
    (void)state;
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        hd_model *before = fit(method), *after = NULL;
        assert_int_equal(save(method, before), HEED_OK);
        assert_int_equal(load(method, &after), HEED_OK);
        assert_int_equal(method->n_items(after), I);
        if (method->needs_rows) {
            assert_int_equal(method->attach(before, &rows), HEED_OK);
            assert_int_equal(method->attach(after, &rows), HEED_OK);
        }
        for (size_t u = 0; u < U; u++) {
            float a[I], b[I];
            hd_history history = rows_history(&rows, u);
            if (u % 2) history.now = (hd_time)u * 2 * HD_DAY_MS;
            assert_int_equal(method->score(before, &history, a), HEED_OK);
            assert_int_equal(method->score(after, &history, b), HEED_OK);
            assert_memory_equal(a, b, sizeof a);
        }
        method->free(before);
        method->free(after);
    }
}

// A model is not another method's.
static void test_mixed_up(void **state) {
    (void)state;
    for (size_t m = 0; hd_methods[m]; m++) {
        hd_model *model = fit(hd_methods[m]), *other = NULL;
        assert_int_equal(save(hd_methods[m], model), HEED_OK);
        for (size_t o = 0; hd_methods[o]; o++) {
            if (o == m) continue;
            assert_int_equal(load(hd_methods[o], &other), HEED_CORRUPT);
            assert_non_null(strstr(heed_error_message(HEED_EN), hd_methods[m]->name));
            assert_null(other);
        }
        hd_methods[m]->free(model);
    }
}

// Writes the file at `path` again with one tensor's bytes changed, or with a shorter tensor (cut),
// or with other metadata.
typedef struct change {
    const char *method, *tensor;
    size_t at;         // element, SIZE_MAX: the last
    const void *value; // of the tensor's type; NULL: the tensor loses its last element instead
} change;

static void rewrite(const change *c, const char *format) {
    hd_safetensors *file = NULL;
    hd_safetensors_writer *writer = NULL;
    static char copies[12][1 << 16];
    bool done = c->tensor == NULL;
    assert_int_equal(hd_safetensors_open(path, &file), HEED_OK);
    assert_int_equal(hd_safetensors_writer_new(&writer), HEED_OK);
    for (size_t t = 0; t < hd_safetensors_count(file); t++) {
        const hd_tensor_view *v = hd_safetensors_at(file, t);
        size_t shape[HD_MAX_DIMS], size = hd_dtype_size(v->dtype);
        assert_true(v->bytes <= sizeof copies[t] && t < 12);
        memcpy(shape, v->shape, sizeof shape);
        memcpy(copies[t], v->data, v->bytes);
        if (c->tensor && strcmp(v->name, c->tensor) == 0) {
            size_t at = c->at == SIZE_MAX ? shape[0] - 1 : c->at;
            assert_true(at < shape[0]);
            if (c->value) memcpy(copies[t] + at * size, c->value, size);
            if (!c->value) shape[0]--;
            done = true;
        }
        assert_int_equal(hd_safetensors_add(writer, v->name, v->dtype, v->n_dims, shape, copies[t]),
                         HEED_OK);
    }
    assert_true(done);
    if (c->method) assert_int_equal(hd_safetensors_add_meta(writer, "method", c->method), HEED_OK);
    if (format) assert_int_equal(hd_safetensors_add_meta(writer, "format", format), HEED_OK);
    hd_safetensors_close(file);
    assert_int_equal(hd_safetensors_write(writer, path), HEED_OK);
    hd_safetensors_writer_free(writer);
}

#define U64(x) (&(const uint64_t){x})
#define U32(x) (&(const uint32_t){x})
#define I64(x) (&(const int64_t){x})
#define F32(x) (&(const float){x})
#define F64(x) (&(const double){x})

static void test_hostile(void **state) {
    (void)state;
    const change changes[] = {
        {"popular", "count", 3, F32(NAN)},
        {"popular", "count", 3, F32(-1)},
        {"popular", "count", 3, F32(INFINITY)},
        {"popular", "parameters", 0, F64(7)},
        {"popular", "parameters", 0, NULL},
        {"recent", "parameters", 0, F64(NAN)},
        {"recent", "parameters", 0, F64(1e300)},
        {"recent", "end", 0, I64(INT64_MAX)},
        {"recent", "end", 0, I64(INT64_MIN)},
        {"recent", "start", 0, U64(1)},
        {"recent", "start", 5, U64(1u << 31)},
        {"recent", "start", 50, U64(0)},
        {"recent", "start", SIZE_MAX, U64(UINT64_MAX)},
        {"recent", "start", SIZE_MAX, NULL},
        {"recent", "item", 9, U32(I)},
        {"recent", "item", SIZE_MAX, NULL},
        {"recent", "users", 9, U32(0)},
        {"recent", "users", SIZE_MAX, NULL},
        {"item_knn", "parameters", 2, F64(NAN)},
        {"item_knn", "start", 0, U64(3)},
        {"item_knn", "start", 4, U64(UINT64_MAX)},
        {"item_knn", "start", 4, U64(0)},
        {"item_knn", "start", SIZE_MAX, NULL},
        {"item_knn", "to", 0, U32(I)},
        {"item_knn", "to", 1, U32(UINT32_MAX)},
        {"item_knn", "to", SIZE_MAX, NULL},
        {"item_knn", "value", 0, F32(NAN)},
        {"item_knn", "value", 0, F32(INFINITY)},
        {"item_knn", "value", 0, F32(0)},
        {"user_knn", "n_items", 0, U64(UINT64_MAX)},
        {"user_knn", "n_items", 0, U64(UINT64_C(1) << 32)},
        {"user_knn", "parameters", 0, F64(0.5)},
        {"markov", "parameters", 3, F64(11)}, // would overrun the window
        {"markov", "leaving", 2, F64(NAN)},
        {"markov", "leaving", 2, F64(-1)},
        {"markov", "leaving", SIZE_MAX, NULL},
        {"markov", "steps", 2, F64(INFINITY)},
        {"markov", "steps", SIZE_MAX, NULL},
        {"markov", "to", 0, U32(I)},
        {"markov", "start", 7, U64(1u << 30)},
    };
    for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
        const hd_method *method = hd_method_find(changes[c].method);
        hd_model *model = fit(method), *loaded = NULL;
        assert_int_equal(save(method, model), HEED_OK);
        method->free(model);
        rewrite(&changes[c], "1");
        size_t used = hd_mem_used();
        heed_err err = load(method, &loaded);
        if (err != HEED_CORRUPT || loaded) fail_msg("change %zu was taken: %d", c, err);
        assert_int_equal(hd_mem_used(), used);
    }
}

// The columns of a row must rise: a repeated one would count twice.
static void test_repeated_link(void **state) {
    (void)state;
    const hd_method *method = hd_method_find("markov");
    hd_model *model = fit(method), *loaded = NULL;
    assert_int_equal(save(method, model), HEED_OK);
    method->free(model);
    hd_safetensors *file = NULL;
    const hd_tensor_view *to = NULL;
    assert_int_equal(hd_safetensors_open(path, &file), HEED_OK);
    assert_int_equal(hd_safetensors_get(file, "to", HD_U32, 1, &to), HEED_OK);
    uint32_t first = ((const uint32_t *)to->data)[0];
    hd_safetensors_close(file);
    rewrite(&(change){"markov", "to", 1, &first}, "1");
    assert_int_equal(load(method, &loaded), HEED_CORRUPT);
}

static void test_other_format(void **state) {
    (void)state;
    const hd_method *method = hd_method_find("markov");
    hd_model *model = fit(method), *loaded = NULL;
    assert_int_equal(save(method, model), HEED_OK);
    method->free(model);
    rewrite(&(change){.method = "markov"}, "2");
    assert_int_equal(load(method, &loaded), HEED_VERSION);
    rewrite(&(change){.method = "markov"}, NULL);
    assert_int_equal(load(method, &loaded), HEED_VERSION);
    rewrite(&(change){0}, "1");
    assert_int_equal(load(method, &loaded), HEED_CORRUPT);
}

// Bytes changed at random: refused, or a model that can be used without harm.
static void test_random_damage(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(3, 3);
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        hd_model *model = fit(method);
        hd_str bytes;
        hd_str_init(&bytes);
        assert_int_equal(save(method, model), HEED_OK);
        method->free(model);
        assert_int_equal(hd_fs_read(path, 0, &bytes), HEED_OK);
        for (int round = 0; round < 300; round++) {
            char *copy = hd_alloc_aligned(bytes.len, 1);
            assert_non_null(copy);
            memcpy(copy, bytes.data, bytes.len);
            for (int k = 0; k < 3; k++) {
                copy[hd_rng_below(&rng, bytes.len)] = (char)hd_rng_below(&rng, 256);
            }
            hd_safetensors *file = NULL;
            hd_model *loaded = NULL;
            if (hd_safetensors_from_memory(copy, bytes.len, "damaged", &file) == HEED_OK &&
                method->load(file, &loaded) == HEED_OK &&
                (!method->needs_rows || method->attach(loaded, &rows) == HEED_OK)) {
                float *scores = hd_alloc(method->n_items(loaded) * sizeof *scores + 1);
                hd_history history = rows_history(&rows, 0);
                assert_int_equal(method->score(loaded, &history, scores), HEED_OK);
                hd_free(scores);
            }
            method->free(loaded);
            hd_safetensors_close(file);
            hd_free(copy);
        }
        hd_str_clear(&bytes);
    }
}

// ── The table of cold users

static heed_err save_cold(const hd_cold *cold) {
    hd_safetensors_writer *writer = NULL;
    HD_TRY(hd_safetensors_writer_new(&writer));
    heed_err err = hd_cold_save(cold, writer);
    if (err == HEED_OK) err = hd_safetensors_write(writer, path);
    hd_safetensors_writer_free(writer);
    return err;
}

static heed_err load_cold(hd_cold **out) {
    hd_safetensors *file = NULL;
    *out = NULL;
    HD_TRY(hd_safetensors_open(path, &file));
    heed_err err = hd_cold_load(file, out);
    hd_safetensors_close(file);
    return err;
}

static void test_cold_round_trip(void **state) {
    (void)state;
    hd_cold *before = NULL, *after = NULL;
    assert_int_equal(hd_cold_fit(&rows, &attributes, 0, &before), HEED_OK);
    assert_int_equal(hd_cold_n_values(before), 3);
    assert_int_equal(save_cold(before), HEED_OK);
    assert_int_equal(load_cold(&after), HEED_OK);
    assert_int_equal(hd_cold_n_values(after), 3);
    assert_int_equal(hd_cold_n_items(after), I);
    const char *names[4];
    size_t n = 0;
    float a[I], b[I];
    const char *json = "{\"city\": \"柏林\", \"pro\": true, \"x\": 3}";
    assert_int_equal(hd_cold_match(after, json, names, 4, &n), HEED_OK);
    assert_int_equal(n, 2);
    hd_cold_score(before, names, n, a);
    hd_cold_score(after, names, n, b);
    assert_memory_equal(a, b, sizeof a);
    hd_cold_free(before);
    hd_cold_free(after);
}

static void test_cold_hostile(void **state) {
    (void)state;
    const change changes[] = {
        {NULL, "cold.totals", 0, F64(I + 1)},
        {NULL, "cold.totals", 1, F64(NAN)},
        {NULL, "cold.share", 1, F32(NAN)},
        {NULL, "cold.share", SIZE_MAX, NULL},
        {NULL, "cold.support", 1, F64(19)}, // fewer than may be told
        {NULL, "cold.support", 1, F64(NAN)},
        {NULL, "cold.start", 0, U64(1)},
        {NULL, "cold.start", 1, U64(UINT64_MAX)},
        {NULL, "cold.start", SIZE_MAX, NULL},
        {NULL, "cold.item", 0, U32(I)},
        {NULL, "cold.count", SIZE_MAX, NULL},
        {NULL, "cold.names", 0, "\xff"},
        {NULL, "cold.names", 1, ""},
        {NULL, "cold.names", SIZE_MAX, NULL},
        {NULL, "cold.name_ends", 0, U64(0)},
        {NULL, "cold.name_ends", 1, U64(UINT64_MAX)},
    };
    hd_cold *cold = NULL;
    assert_int_equal(hd_cold_fit(&rows, &attributes, 0, &cold), HEED_OK);
    for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
        hd_cold *loaded = NULL;
        assert_int_equal(save_cold(cold), HEED_OK);
        rewrite(&changes[c], NULL);
        size_t used = hd_mem_used();
        heed_err err = load_cold(&loaded);
        if (err != HEED_CORRUPT || loaded) fail_msg("change %zu was taken: %d", c, err);
        assert_int_equal(hd_mem_used(), used);
    }
    hd_cold_free(cold);
}

static void test_failing_allocations(void **state) {
    (void)state;
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        hd_model *model = fit(method), *loaded = NULL;
        for (uint64_t n = 1, done = 0; !done; n++) {
            size_t used = hd_mem_used();
            hd_mem_fail_at(n, true);
            heed_err err = save(method, model);
            if (err == HEED_OK) err = load(method, &loaded);
            hd_mem_fail_at(0, true);
            method->free(loaded);
            loaded = NULL;
            assert_true(err == HEED_OK || err == HEED_MEMORY);
            assert_int_equal(hd_mem_used(), used);
            done = err == HEED_OK;
            assert_true(n < 1000);
        }
        method->free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mixed_up),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_repeated_link),
        cmocka_unit_test(test_other_format),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_cold_round_trip),
        cmocka_unit_test(test_cold_hostile),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
