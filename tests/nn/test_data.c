// SPDX-License-Identifier: Apache-2.0
//
// Sources of samples, folds, IDX files, and the loader's order with and without its thread.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "nn/loader.h"

static char folder[] = "/tmp/heed-data-XXXXXX";

static const uint8_t pixels[] = {1, 2, 3, 4, 11, 12, 13, 14, 5, 6, 7, 8, 15, 16, 17, 18};
static const uint8_t labels[] = {7, 9};

static hd_data *images(void) {
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 3, {2, 1, 4}},
         .dtype = HD_U8,
         .data = pixels,
         .scale = 0.5F,
         .shift = 1},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_U8, .data = labels}};
    hd_data *data;
    assert_int_equal(hd_data_memory(2, 2, columns, &data), HEED_OK);
    return data;
}

static void test_images(void **state) {
    (void)state;
    hd_data *data = images();
    float x[8];
    int32_t y[1];
    const hd_draw draw = {0, 0, false};
    assert_int_equal(data->read(data, 1, (size_t[]){1}, &draw, (void *[]){x, y}), HEED_OK);
    // Channels last: 5, 15, 6, 16, … times a half and one.
    for (int i = 0; i < 4; i++) {
        assert_true(x[2 * i] == (float)(5 + i) * 0.5F + 1);
        assert_true(x[2 * i + 1] == (float)(15 + i) * 0.5F + 1);
    }
    assert_int_equal(y[0], 9);
    assert_int_equal(hd_data_find(data, HD_ROLE_TARGET), 1);
    assert_int_equal(hd_data_find(data, HD_ROLE_LENGTH), -1);
    hd_data_free(data);
}

static void test_windows(void **state) {
    (void)state;
    const int32_t ids[] = {0, 1, 2, 3, 4, 5, 6};
    hd_data *data, *part;
    int32_t x[6], y[6];
    const hd_draw draw = {0, 0, false};
    assert_int_equal(hd_data_windows(ids, 7, 3, 2, &data), HEED_OK);
    assert_int_equal(data->n, 2);
    assert_int_equal(hd_data_subset(data, (size_t[]){1, 0, 1}, 3, &part), HEED_OK);
    assert_int_equal(part->n, 3);
    assert_int_equal(part->read(part, 2, (size_t[]){2, 1}, &draw, (void *[]){x, y}), HEED_OK);
    assert_memory_equal(x, ((int32_t[]){2, 3, 4, 0, 1, 2}), sizeof x);
    assert_memory_equal(y, ((int32_t[]){3, 4, 5, 1, 2, 3}), sizeof y);
    hd_data_free(part);
    hd_data_free(data);
    assert_int_equal(hd_data_windows(ids, 3, 3, 1, &data), HEED_INPUT);
}

static void test_folds(void **state) {
    (void)state;
    enum { N = 23, K = 4 };
    int32_t label[N];
    int seen[N] = {0};
    for (int i = 0; i < N; i++) label[i] = i < 8;
    for (size_t f = 0; f < K; f++) {
        hd_fold fold;
        size_t ones = 0;
        assert_int_equal(hd_fold_make(N, K, f, 3, label, &fold), HEED_OK);
        assert_int_equal(fold.n_test + fold.n_train, N);
        for (size_t i = 0; i < fold.n_test; i++) {
            seen[fold.test[i]]++;
            ones += (size_t)label[fold.test[i]];
        }
        for (size_t i = 0; i < fold.n_train; i++) assert_true(fold.train[i] < N);
        assert_int_equal(ones, 2); // 8 of them over 4 folds
        hd_fold_clear(&fold);
    }
    for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    hd_fold fold;
    assert_int_equal(hd_fold_make(3, 4, 0, 0, NULL, &fold), HEED_INPUT);
    assert_int_equal(hd_fold_make(3, 1, 0, 0, NULL, &fold), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_ZH), "无法从 3 个样本中取第 0 折（共 1 折）"));
}

// ── IDX ──

static char path_x[64], path_y[64];
static const unsigned char idx_x[] = {0, 0, 8, 3, 0, 0, 0, 2,  0,   0,
                                      0, 1, 0, 0, 0, 2, 0, 51, 102, 255};
static const unsigned char idx_y[] = {0, 0, 8, 1, 0, 0, 0, 2, 4, 2};

static void put(const char *path, const void *bytes, size_t n) {
    assert_int_equal(hd_fs_write(path, bytes, n, 0644), HEED_OK);
}

static void test_idx(void **state) {
    (void)state;
    hd_data *data;
    float x[4];
    int32_t y[2];
    const hd_draw draw = {0, 0, false};
    put(path_x, idx_x, sizeof idx_x);
    gzFile zipped = gzopen(path_y, "wb");
    assert_int_equal(gzwrite(zipped, idx_y, sizeof idx_y), (int)sizeof idx_y);
    gzclose(zipped);
    assert_int_equal(hd_data_idx(path_x, path_y, &data), HEED_OK);
    assert_int_equal(data->n, 2);
    assert_int_equal(data->read(data, 2, (size_t[]){0, 1}, &draw, (void *[]){x, y}), HEED_OK);
    assert_true(x[0] == 0 && x[3] == 1);
    assert_true(x[1] > 0.1999F && x[1] < 0.2001F);
    assert_int_equal(y[0], 4);
    assert_int_equal(y[1], 2);
    hd_data_free(data);
}

static void test_bad_idx(void **state) {
    (void)state;
    hd_data *data;
    for (size_t n = 0; n < sizeof idx_x; n++) { // cut short at every byte
        put(path_x, idx_x, n);
        put(path_y, idx_y, sizeof idx_y);
        assert_int_equal(hd_data_idx(path_x, path_y, &data), HEED_CORRUPT);
    }
    unsigned char huge[sizeof idx_x];
    memcpy(huge, idx_x, sizeof huge);
    memset(huge + 4, 0xFF, 12); // 2^96 values
    put(path_x, huge, sizeof huge);
    assert_int_equal(hd_data_idx(path_x, path_y, &data), HEED_CORRUPT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "is no IDX file of unsigned bytes with 3"));
    put(path_x, idx_x, sizeof idx_x);
    put(path_y, "\0\0\x08\x01\0\0\0\x01\x04", 9);
    assert_int_equal(hd_data_idx(path_x, path_y, &data), HEED_INPUT);
    put(path_y, "\x1f\x8b\x08garbage", 10);
    assert_int_equal(hd_data_idx(path_x, path_y, &data), HEED_CORRUPT);
    assert_int_equal(hd_data_idx("/none", path_y, &data), HEED_NOT_FOUND);
}

static void test_memory(void **state) {
    (void)state;
    put(path_x, idx_x, sizeof idx_x);
    gzFile zipped = gzopen(path_y, "wb");
    assert_int_equal(gzwrite(zipped, idx_y, sizeof idx_y), (int)sizeof idx_y);
    gzclose(zipped);
    for (uint64_t n = 1;; n++) {
        hd_data *data = NULL, *part = NULL;
        hd_mem_fail_at(n, false);
        heed_err err = hd_data_idx(path_x, path_y, &data);
        if (err == HEED_OK) err = hd_data_subset(data, (size_t[]){0}, 1, &part);
        hd_mem_fail_at(0, false);
        hd_data_free(part);
        hd_data_free(data);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 100);
    }
}

// ── The loader ──

enum { SAMPLES = 10 };
static int32_t numbers[SAMPLES];

static hd_data *counting(void) {
    for (int32_t i = 0; i < SAMPLES; i++) numbers[i] = i;
    const hd_data_column column = {
        .field = {"x", HD_ROLE_INPUT, HD_I32, 0, {0}}, .dtype = HD_I32, .data = numbers};
    hd_data *data;
    assert_int_equal(hd_data_memory(SAMPLES, 1, &column, &data), HEED_OK);
    return data;
}

// An epoch's values, in order; returns how many batches there were.
static size_t epoch(hd_loader *loader, uint64_t e, size_t batch, size_t done, int32_t *out,
                    size_t *n) {
    size_t batches = 0;
    *n = 0;
    assert_int_equal(hd_loader_begin(loader, e, batch, done), HEED_OK);
    for (;;) {
        hd_minibatch b;
        assert_int_equal(hd_loader_next(loader, &b), HEED_OK);
        if (b.n == 0) break;
        for (size_t i = 0; i < b.n; i++) {
            out[(*n)++] = ((const int32_t *)b.fields[0])[i];
            assert_int_equal(out[*n - 1], b.index[i]);
        }
        batches++;
    }
    return batches;
}

static void test_order(void **state) {
    (void)state;
    hd_data *data = counting();
    int32_t first[2][SAMPLES], again[SAMPLES];
    size_t n;
    for (int ahead = 0; ahead < 2; ahead++) {
        const hd_loader_opts opts = {.seed = 4, .shuffle = true, .ahead = ahead};
        hd_loader *loader;
        assert_int_equal(hd_loader_new(data, &opts, &loader), HEED_OK);
        assert_int_equal(epoch(loader, 0, 3, 0, first[ahead], &n), 4);
        assert_int_equal(n, SAMPLES);
        int seen = 0;
        for (int i = 0; i < SAMPLES; i++) seen |= 1 << first[ahead][i];
        assert_int_equal(seen, (1 << SAMPLES) - 1);
        assert_int_equal(epoch(loader, 1, 20, 0, again, &n), 1);
        assert_memory_not_equal(again, first[ahead], sizeof again);
        // On from the middle: the rest of the same epoch; twice, and given up half-way.
        assert_int_equal(epoch(loader, 0, 3, 6, again, &n), 2);
        assert_int_equal(n, 4);
        assert_memory_equal(again, first[ahead] + 6, 4 * sizeof again[0]);
        hd_minibatch b;
        assert_int_equal(hd_loader_begin(loader, 0, 2, 0), HEED_OK);
        assert_int_equal(hd_loader_next(loader, &b), HEED_OK);
        assert_int_equal(epoch(loader, 0, 3, 0, again, &n), 4);
        assert_memory_equal(again, first[ahead], sizeof again);
        hd_loader_free(loader);
    }
    assert_memory_equal(first[0], first[1], sizeof first[0]);
    hd_data_free(data);
}

static void test_ends(void **state) {
    (void)state;
    hd_data *data = counting();
    int32_t out[SAMPLES];
    size_t n;
    const hd_loader_opts opts = {.drop_last = true};
    hd_loader *loader;
    assert_int_equal(hd_loader_new(data, &opts, &loader), HEED_OK);
    assert_int_equal(epoch(loader, 0, 4, 0, out, &n), 2);
    for (int32_t i = 0; i < 8; i++) assert_int_equal(out[i], i);
    assert_int_equal(epoch(loader, 0, 4, 99, out, &n), 0);
    assert_int_equal(hd_loader_begin(loader, 0, 0, 0), HEED_INPUT);
    hd_loader_free(loader);
    hd_data_free(data);
}

static heed_err failing_read(hd_data *data, size_t n, const size_t *index, const hd_draw *draw,
                             void *const *out) {
    (void)data;
    (void)draw;
    (void)out;
    for (size_t i = 0; i < n; i++) {
        if (index[i] == 5) return HD_FAIL(HEED_CORRUPT, "sample 5 is broken", "样本 5 损坏");
    }
    return HEED_OK;
}

static void test_failure(void **state) {
    (void)state;
    hd_data *data = counting();
    data->read = failing_read;
    for (int ahead = 0; ahead < 2; ahead++) {
        const hd_loader_opts opts = {.ahead = ahead};
        hd_loader *loader;
        hd_minibatch b;
        assert_int_equal(hd_loader_new(data, &opts, &loader), HEED_OK);
        assert_int_equal(hd_loader_begin(loader, 0, 4, 0), HEED_OK);
        assert_int_equal(hd_loader_next(loader, &b), HEED_OK);
        assert_int_equal(hd_loader_next(loader, &b), HEED_CORRUPT);
        assert_string_equal(heed_error_message(HEED_ZH), "样本 5 损坏");
        hd_loader_free(loader);
    }
    hd_data_free(data);
}

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    hd_snprintf(path_x, sizeof path_x, "%s/x.idx", folder);
    hd_snprintf(path_y, sizeof path_y, "%s/y.idx", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images),  cmocka_unit_test(test_windows),
        cmocka_unit_test(test_folds),   cmocka_unit_test(test_idx),
        cmocka_unit_test(test_bad_idx), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_ends),
        cmocka_unit_test(test_failure)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
