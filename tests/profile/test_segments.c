// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "profile/fact.h"
#include "profile/segments.h"

enum { N = 240, D_MAX = 64 };

static size_t index_of(const char *name) {
    for (size_t i = 0; i < hd_profile_vector_len(); i++) {
        if (strcmp(hd_profile_vector_name(i), name) == 0) return i;
    }
    fail_msg("no dimension '%s'", name);
    return 0;
}

// Three kinds of user: a half who look now and then, frequent buyers, and some who shop at night.
// One dimension is noise, some are the same for all, one isn't known of anybody.
static size_t kind_of(size_t i) {
    return i < N / 2 ? 0 : i < N * 5 / 6 ? 1 : 2;
}

static double *make_users(uint64_t seed) {
    size_t d = hd_profile_vector_len();
    assert_true(d <= D_MAX);
    double *x = hd_calloc(N, d * sizeof *x);
    assert_non_null(x);
    hd_rng rng = hd_rng_make(seed, 0);
    for (size_t i = 0; i < N; i++) {
        double *v = x + i * d;
        size_t kind = kind_of(i);
        for (size_t j = 0; j < d; j++) v[j] = 0.5;
        v[index_of("price_level")] = 0.5 + 0.02 * hd_rng_normal(&rng);
        v[index_of("recency_days")] = kind == 0 ? 100 : 2;
        v[index_of("events")] = kind == 0 ? 5 : 100;
        v[index_of("orders")] = kind == 1 ? 40 + (double)hd_rng_below(&rng, 20) : 1;
        v[index_of("spend")] = kind == 1 ? exp(9 + 0.2 * hd_rng_normal(&rng)) : 50;
        v[index_of("night_share")] = kind == 2 ? 0.9 + 0.02 * hd_rng_normal(&rng) : 0.05;
        v[index_of("session_minutes")] = kind == 2 ? 60 : 5;
        v[index_of("drift")] = i % 7 == 0 ? NAN : 0.2;
        v[index_of("mean_rating")] = NAN;
        v[index_of("weekend_share")] = 0.1 + 1e-17 * (double)i;
    }
    return x;
}

static void test_finds_them(void **state) {
    (void)state;
    size_t d = hd_profile_vector_len();
    double *x = make_users(1);
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, N, 0, 7, NULL, &s), HEED_OK);
    assert_int_equal(hd_segments_count(s), 3);
    assert_true(hd_segments_silhouette(s) > 0.1);
    for (size_t i = 0; i < N; i++) {
        size_t id;
        double distance;
        assert_int_equal(hd_segments_assign(s, x + i * d, &id, &distance), HEED_OK);
        assert_int_equal(id, kind_of(i)); // the largest first
        assert_true(distance >= 0);
    }
    const char *buyers = hd_segments_name(s, 1, HEED_EN);
    assert_string_equal(buyers, "frequent buyers, high spend"); // of "events" nothing: one fact
    assert_string_equal(hd_segments_name(s, 1, HEED_ZH), "购买频繁、消费高");
    assert_non_null(strstr(hd_segments_name(s, 2, HEED_EN), "active at night"));
    assert_null(hd_segments_name(s, 3, HEED_EN));
    // Somebody of whom nothing is known is the mean user, and belongs somewhere.
    double unknown[D_MAX];
    for (size_t j = 0; j < d; j++) unknown[j] = NAN;
    size_t id;
    assert_int_equal(hd_segments_assign(s, unknown, &id, NULL), HEED_OK);
    assert_true(id < 3);
    hd_segments_free(s);
    hd_free(x);
}

// Two only where two stand far apart.
static void test_two(void **state) {
    (void)state;
    size_t d = hd_profile_vector_len();
    double *x = make_users(1);
    for (size_t i = 0; i < N; i++) x[i * d + index_of("price_level")] = 0.5;
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, N * 5 / 6, 0, 7, NULL, &s), HEED_OK);
    assert_int_equal(hd_segments_count(s), 2);
    assert_true(hd_segments_silhouette(s) > 0.7 && hd_segments_silhouette(s) <= 1);
    hd_segments_free(s);
    // Noise alone: two would win by a little, and don't.
    hd_rng rng = hd_rng_make(3, 0);
    for (size_t i = 0; i < N * d; i++) x[i] = hd_rng_normal(&rng);
    assert_int_equal(hd_segments_fit(x, N, 0, 7, NULL, &s), HEED_OK);
    assert_true(hd_segments_count(s) > 2);
    assert_true(hd_segments_silhouette(s) < 0.3);
    hd_segments_free(s);
    hd_free(x);
}

static void test_scale(void **state) {
    (void)state;
    size_t d = hd_profile_vector_len();
    double *x = make_users(2), z[D_MAX];
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, N, 2, 7, NULL, &s), HEED_OK);
    double sum = 0, squares = 0;
    size_t mean = index_of("price_level");
    for (size_t i = 0; i < N; i++) {
        hd_segments_scale(s, x + i * d, z);
        z[mean] /= hd_dimension_weight(mean);
        sum += z[mean];
        squares += z[mean] * z[mean];
        assert_true(z[index_of("mean_rating")] == 0);
        assert_true(z[index_of("weekend_share")] == 0); // rounding is no spread
    }
    assert_true(fabs(sum / N) < 0.05);
    assert_true(fabs(squares / N - 1) < 0.1);
    double extreme[D_MAX];
    for (size_t j = 0; j < d; j++) extreme[j] = j % 2 ? 1e12 : -1e12;
    hd_segments_scale(s, extreme, z);
    for (size_t j = 0; j < d; j++) assert_true(fabs(z[j]) <= 3 * hd_dimension_weight(j));
    double weights = 0; // each fact that has dimensions weighs 1
    for (size_t j = 0; j < d; j++) weights += pow(hd_dimension_weight(j), 2);
    assert_true(fabs(weights - (double)(hd_n_facts - 1)) < 1e-12);
    assert_true(hd_dimension_weight(d) == 0);
    hd_segments_free(s);
    hd_free(x);
}

static void test_deterministic(void **state) {
    (void)state;
    double *x = make_users(3);
    hd_segments *one, *two;
    hd_pool *pool;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    assert_int_equal(hd_segments_fit(x, N, 0, 7, NULL, &one), HEED_OK);
    assert_int_equal(hd_segments_fit(x, N, 0, 7, pool, &two), HEED_OK);
    assert_int_equal(one->k, two->k);
    assert_memory_equal(one->centre, two->centre, one->k * one->d * sizeof *one->centre);
    assert_true(one->silhouette == two->silhouette);
    hd_segments_free(one);
    hd_segments_free(two);
    hd_pool_free(pool);
    hd_free(x);
}

// As many segments as asked for, all with names of their own, even where nothing is distinct.
static void test_names_differ(void **state) {
    (void)state;
    double *x = make_users(4);
    for (size_t k = 1; k <= 12; k++) {
        hd_segments *s;
        assert_int_equal(hd_segments_fit(x, N, k, 7, NULL, &s), HEED_OK);
        for (int lang = 0; lang < 2; lang++) {
            for (size_t a = 0; a < k; a++) {
                for (size_t b = 0; b < a; b++) {
                    assert_string_not_equal(s->name[lang][a], s->name[lang][b]);
                }
            }
        }
        if (k == 1) assert_string_equal(s->name[HEED_EN][0], "typical users");
        memset(s->centre, 0, s->k * s->d * sizeof *s->centre);
        assert_int_equal(hd_segments_make_names(s), HEED_OK);
        assert_true(k == 1 || strcmp(s->name[HEED_ZH][0], s->name[HEED_ZH][1]) != 0);
        hd_segments_free(s);
    }
    hd_free(x);
}

static void test_refuses(void **state) {
    (void)state;
    double *x = make_users(5);
    hd_segments *s;
    size_t d = hd_profile_vector_len();
    assert_int_equal(hd_segments_fit(x, 0, 0, 7, NULL, &s), HEED_INPUT);
    assert_int_equal(hd_segments_fit(x, 1, 0, 7, NULL, &s), HEED_INPUT);
    memcpy(x + d, x, d * sizeof *x);
    assert_int_equal(hd_segments_fit(x, 2, 0, 7, NULL, &s), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "there are 1"));
    assert_int_equal(hd_segments_fit(x, N, N, 7, NULL, &s), HEED_INPUT);
    assert_int_equal(hd_segments_fit(x, N, 5000, 7, NULL, &s), HEED_INPUT);
    assert_int_equal(hd_segments_fit(x, 3, 0, 7, NULL, &s), HEED_OK); // two who differ
    assert_int_equal(hd_segments_count(s), 2);
    hd_segments_free(s);
    hd_free(x);
}

static void test_json(void **state) {
    (void)state;
    double *x = make_users(6);
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, N, 0, 7, NULL, &s), HEED_OK);
    json_t *json;
    assert_int_equal(hd_segments_json(s, HEED_EN, &json), HEED_OK);
    assert_int_equal(json_array_size(json), 3);
    double share = 0, orders;
    for (size_t i = 0; i < 3; i++) {
        share += json_number_value(json_object_get(json_array_get(json, i), "share"));
    }
    assert_true(fabs(share - 1) < 1e-12);
    json_t *centre = json_object_get(json_array_get(json, 1), "centre");
    orders = json_number_value(json_object_get(centre, "orders"));
    assert_true(orders > 40 && orders < 60); // natural units
    assert_true(json_is_null(json_object_get(centre, "mean_rating")));
    json_t *first = json_array_get(json_object_get(json_array_get(json, 1), "distinct"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "direction")), "high");
    json_decref(json);
    hd_segments_free(s);
    hd_free(x);
}

// More users than are sampled: all are counted, and the kinds are found all the same.
static void test_many(void **state) {
    (void)state;
    enum { MANY = 50 * N };
    size_t d = hd_profile_vector_len();
    double *few = make_users(7);
    double *x = hd_calloc(MANY, d * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < MANY; i++) memcpy(x + i * d, few + i % N * d, d * sizeof *x);
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, MANY, 3, 7, NULL, &s), HEED_OK);
    assert_int_equal(s->users[0], MANY / 2);
    assert_int_equal(s->users[1], MANY / 3);
    assert_int_equal(s->users[2], MANY / 6);
    double orders = 0;
    for (size_t i = N / 2; i < N * 5 / 6; i++) orders += few[i * d + index_of("orders")];
    assert_true(fabs(s->natural[d + index_of("orders")] - orders / (N / 3.0)) < 1e-9);
    hd_segments_free(s);
    hd_free(x);
    hd_free(few);
}

// ── Files ──

static char folder[] = "/tmp/heed-segments-XXXXXX";
static char path[64];

static int setup(void **state) {
    (void)state;
    if (hd_mem_adopt_libraries() != HEED_OK || !mkdtemp(folder)) return -1;
    hd_snprintf(path, sizeof path, "%s/segments.safetensors", folder);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static heed_err save(const hd_segments *s) {
    hd_safetensors_writer *writer;
    HD_TRY(hd_safetensors_writer_new(&writer));
    heed_err err = hd_segments_save(s, writer);
    if (err == HEED_OK) err = hd_safetensors_write(writer, path);
    hd_safetensors_writer_free(writer);
    return err;
}

static heed_err load(hd_segments **out) {
    hd_safetensors *file;
    HD_TRY(hd_safetensors_open(path, &file));
    heed_err err = hd_segments_load(file, out);
    hd_safetensors_close(file);
    return err;
}

static void test_round_trip(void **state) {
    (void)state;
    double *x = make_users(8);
    hd_segments *s, *back;
    assert_int_equal(hd_segments_fit(x, N, 0, 7, NULL, &s), HEED_OK);
    assert_int_equal(save(s), HEED_OK);
    assert_int_equal(load(&back), HEED_OK);
    json_t *a, *b;
    assert_int_equal(hd_segments_json(s, HEED_ZH, &a), HEED_OK);
    assert_int_equal(hd_segments_json(back, HEED_ZH, &b), HEED_OK);
    assert_true(json_equal(a, b));
    assert_true(s->silhouette == back->silhouette);
    for (size_t i = 0; i < N; i++) {
        size_t one, two;
        double near_one, near_two;
        const double *v = x + i * s->d;
        assert_int_equal(hd_segments_assign(s, v, &one, &near_one), HEED_OK);
        assert_int_equal(hd_segments_assign(back, v, &two, &near_two), HEED_OK);
        assert_int_equal(one, two);
        assert_true(near_one == near_two);
    }
    json_decref(a);
    json_decref(b);
    hd_segments_free(back);

    // Numbers that can't be are refused.
    double centre = s->centre[1];
    s->centre[1] = NAN;
    assert_int_equal(save(s), HEED_OK);
    assert_int_equal(load(&back), HEED_CORRUPT);
    s->centre[1] = centre;
    const uint64_t users[] = {s->users[0], s->users[1], s->users[2]};
    memset(s->users, 0, sizeof users);
    assert_int_equal(save(s), HEED_OK);
    assert_int_equal(load(&back), HEED_CORRUPT);
    s->users[0] = s->users[1] = UINT64_MAX;
    assert_int_equal(save(s), HEED_OK);
    assert_int_equal(load(&back), HEED_CORRUPT);
    memcpy(s->users, users, sizeof users);
    s->spread[0] = -1;
    assert_int_equal(save(s), HEED_OK);
    assert_int_equal(load(&back), HEED_CORRUPT);
    hd_segments_free(s);
    hd_free(x);
}

static heed_err write_other(const char *dimensions) {
    hd_safetensors_writer *writer;
    HD_TRY(hd_safetensors_writer_new(&writer));
    const double value = 1;
    const size_t one = 1;
    heed_err err = hd_safetensors_add(writer, "segments.mean", HD_F64, 1, &one, &value);
    if (err == HEED_OK && dimensions) {
        err = hd_safetensors_add_meta(writer, "segments.dimensions", dimensions);
    }
    if (err == HEED_OK) err = hd_safetensors_write(writer, path);
    hd_safetensors_writer_free(writer);
    return err;
}

static void test_other_files(void **state) {
    (void)state;
    hd_segments *s;
    assert_int_equal(write_other(NULL), HEED_OK);
    assert_int_equal(load(&s), HEED_CORRUPT);
    assert_int_equal(write_other("height,weight"), HEED_OK);
    assert_int_equal(load(&s), HEED_VERSION);
}

enum { FEW = 4 };

// Fits, prepares a file, and reads the one that stands there already (a write for each allocation
// would wait for the disk each time).
static heed_err whole_life(const double *x) {
    hd_segments *s = NULL, *back = NULL;
    hd_safetensors_writer *writer = NULL;
    json_t *json = NULL;
    heed_err err = hd_segments_fit(x, FEW, 0, 7, NULL, &s);
    if (err == HEED_OK) err = hd_safetensors_writer_new(&writer);
    if (err == HEED_OK) err = hd_segments_save(s, writer);
    if (err == HEED_OK) err = load(&back);
    if (err == HEED_OK) err = hd_segments_json(back, HEED_EN, &json);
    json_decref(json);
    hd_safetensors_writer_free(writer);
    hd_segments_free(s);
    hd_segments_free(back);
    return err;
}

static void test_out_of_memory(void **state) {
    (void)state;
    double *all = make_users(9);
    size_t d = hd_profile_vector_len();
    double *x = hd_calloc(FEW, d * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < FEW; i++) memcpy(x + i * d, all + i * (N / FEW) * d, d * sizeof *x);
    hd_segments *s;
    assert_int_equal(hd_segments_fit(x, FEW, 0, 7, NULL, &s), HEED_OK);
    assert_int_equal(save(s), HEED_OK);
    hd_segments_free(s);
    size_t before = hd_mem_used();
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_mem_fail_at(n, true);
        err = whole_life(x);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK && err != HEED_MEMORY) fail_msg("%s", heed_error_message(HEED_EN));
        assert_int_equal(hd_mem_used(), before);
    }
    hd_free(x);
    hd_free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_them),    cmocka_unit_test(test_two),
        cmocka_unit_test(test_scale),         cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_names_differ),  cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_many),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
