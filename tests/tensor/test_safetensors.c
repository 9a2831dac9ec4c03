// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/safetensors.h"

static char folder[] = "/tmp/heed_safetensors_XXXXXX";
static char path[64];

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    hd_snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

static const float weights[] = {1, -2, 3.5f, 0, 5, 6};
static const uint8_t flags[] = {0, 1, 1};
static const double scale[] = {0.1};
static const int64_t keys[] = {INT64_MIN, 0, INT64_MAX};

static heed_err write_model(void) {
    hd_safetensors_writer *w = NULL;
    heed_err err = hd_safetensors_writer_new(&w);
    if (err == HEED_OK) {
        err = hd_safetensors_add(w, "flags", HD_BOOL, 1, (const size_t[]){3}, flags);
    }
    if (err == HEED_OK) {
        err = hd_safetensors_add(w, "weights", HD_F32, 2, (const size_t[]){2, 3}, weights);
    }
    if (err == HEED_OK) err = hd_safetensors_add(w, "scale", HD_F64, 0, NULL, scale);
    if (err == HEED_OK) err = hd_safetensors_add(w, "keys", HD_I64, 1, (const size_t[]){3}, keys);
    if (err == HEED_OK)
        err = hd_safetensors_add(w, "none", HD_F32, 2, (const size_t[]){0, 7}, NULL);
    if (err == HEED_OK) err = hd_safetensors_add_meta(w, "method", "markov \"模型\"");
    if (err == HEED_OK) err = hd_safetensors_write(w, path);
    hd_safetensors_writer_free(w);
    return err;
}

static void expect_tensor(const hd_safetensors *f, const char *name, hd_dtype dtype, int n_dims,
                          const void *data, size_t bytes) {
    const hd_tensor_view *view;
    assert_int_equal(hd_safetensors_get(f, name, dtype, n_dims, &view), HEED_OK);
    assert_string_equal(view->name, name);
    assert_int_equal(view->bytes, bytes);
    assert_int_equal((uintptr_t)view->data % hd_dtype_size(dtype), 0);
    if (bytes > 0) assert_memory_equal(view->data, data, bytes);
}

static void test_round_trip(void **state) {
    (void)state;
    assert_int_equal(write_model(), HEED_OK);
    hd_safetensors *f;
    assert_int_equal(hd_safetensors_open(path, &f), HEED_OK);
    assert_int_equal(hd_safetensors_count(f), 5);
    expect_tensor(f, "weights", HD_F32, 2, weights, sizeof weights);
    expect_tensor(f, "flags", HD_BOOL, 1, flags, sizeof flags);
    expect_tensor(f, "scale", HD_F64, 0, scale, sizeof scale);
    expect_tensor(f, "keys", HD_I64, -1, keys, sizeof keys);
    expect_tensor(f, "none", HD_F32, 2, NULL, 0);
    const hd_tensor_view *view;
    assert_int_equal(hd_safetensors_get(f, "weights", HD_F64, 2, &view), HEED_CORRUPT);
    assert_int_equal(hd_safetensors_get(f, "weights", HD_F32, 1, &view), HEED_CORRUPT);
    assert_int_equal(hd_safetensors_get(f, "absent", HD_F32, -1, &view), HEED_CORRUPT);
    assert_null(view);
    assert_non_null(strstr(heed_error_message(HEED_EN), "'absent': missing"));
    assert_non_null(strstr(heed_error_message(HEED_ZH), "缺失"));
    assert_string_equal(hd_safetensors_meta(f, "method"), "markov \"模型\"");
    assert_null(hd_safetensors_meta(f, "absent"));
    assert_non_null(hd_safetensors_at(f, 4));
    assert_null(hd_safetensors_at(f, 5));
    hd_safetensors_close(f);
    hd_safetensors_close(NULL);
}

static void test_empty(void **state) {
    (void)state;
    hd_safetensors_writer *w;
    hd_safetensors *f;
    assert_int_equal(hd_safetensors_writer_new(&w), HEED_OK);
    assert_int_equal(hd_safetensors_write(w, path), HEED_OK);
    hd_safetensors_writer_free(w);
    assert_int_equal(hd_safetensors_open(path, &f), HEED_OK);
    assert_int_equal(hd_safetensors_count(f), 0);
    assert_null(hd_safetensors_meta(f, "x"));
    hd_safetensors_close(f);
}

static void test_writer_refuses(void **state) {
    (void)state;
    hd_safetensors_writer *w;
    size_t one[] = {1}, huge[] = {SIZE_MAX, 2}, seven[7] = {1, 1, 1, 1, 1, 1, 1};
    assert_int_equal(hd_safetensors_writer_new(&w), HEED_OK);
    assert_int_equal(hd_safetensors_add(w, "a", HD_U8, 1, one, flags), HEED_OK);
    assert_int_equal(hd_safetensors_add(w, "a", HD_U8, 1, one, flags), HEED_INTERNAL);
    assert_int_equal(hd_safetensors_add(w, "__metadata__", HD_U8, 1, one, flags), HEED_INTERNAL);
    assert_int_equal(hd_safetensors_add(w, "b", HD_U8, 2, huge, flags), HEED_INTERNAL);
    assert_int_equal(hd_safetensors_add(w, "b", HD_U8, 7, seven, flags), HEED_INTERNAL);
    assert_int_equal(hd_safetensors_write(w, "/nowhere/at/all"), HEED_NOT_FOUND);
    hd_safetensors_writer_free(w);
    hd_safetensors_writer_free(NULL);
}

static void test_open_refuses(void **state) {
    (void)state;
    hd_safetensors *f;
    assert_int_equal(hd_safetensors_open("/nowhere", &f), HEED_NOT_FOUND);
    assert_int_equal(hd_safetensors_open(folder, &f), HEED_INPUT);
    assert_int_equal(hd_fs_write(path, "1234567", 7, 0600), HEED_OK);
    assert_int_equal(hd_safetensors_open(path, &f), HEED_CORRUPT);
    assert_null(f);
}

// A file in memory: header text, then n_data bytes of data. Caller: hd_free.
static char *make(const char *header, uint64_t length, size_t n_data, size_t *n) {
    size_t h = strlen(header);
    *n = 8 + h + n_data;
    char *bytes = hd_calloc(1, *n);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(length >> (8 * i));
    memcpy(bytes + 8, header, h);
    return bytes;
}

static heed_err read_header(const char *header, uint64_t length, size_t n_data) {
    size_t n;
    char *bytes = make(header, length, n_data, &n);
    hd_safetensors *f;
    heed_err err = hd_safetensors_from_memory(bytes, n, "m", &f);
    assert_true((err == HEED_OK) == (f != NULL));
    hd_safetensors_close(f);
    hd_free(bytes);
    return err;
}

// The same, the header padded with blanks to eight bytes, so that the data is aligned.
static heed_err read_padded(const char *header, size_t n_data) {
    char text[512];
    size_t n = strlen(header);
    memset(text, ' ', sizeof text);
    memcpy(text, header, n);
    n = (n + 7) / 8 * 8;
    text[n] = '\0';
    return read_header(text, n, n_data);
}

static void test_hostile_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *reason;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "behind the last"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "overlap or leave"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
         6, "overlap or leave"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         4, "overlap or leave"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":7}}", 4, "outside the file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, "outside"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "fit the shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
         "too large"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807,2],\"data_offsets\":[0,0]}}", 0,
         "too large"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "bad shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "bad shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "bad shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
         "bad shape"},
        {"{\"a\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "unknown type"},
        {"{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "unknown type"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "not an entry"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1,
         "not an entry"},
        {"{\"a\":[]}", 0, "not an entry"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, "unreadable header"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "not a text"},
        {"{\"__metadata__\":[]}", 0, "not a mapping"},
        {"[]", 0, "header is no mapping"},
        {"{", 0, "unreadable header"},
        {" ", 0, "unreadable header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heed_err err = read_padded(cases[i].header, cases[i].n_data);
        if (err != HEED_CORRUPT || !strstr(heed_error_message(HEED_EN), cases[i].reason)) {
            fail_msg("%s: %s", cases[i].header, heed_error_message(HEED_EN));
        }
        assert_non_null(strstr(heed_error_message(HEED_ZH), "模型文件已损坏"));
    }
    assert_int_equal(read_header("{}", 2, 0), HEED_OK);
    assert_int_equal(read_header("{}", 3, 0), HEED_CORRUPT);
    assert_int_equal(read_header("{}", UINT64_MAX, 0), HEED_CORRUPT);
    assert_int_equal(read_header("{}", UINT64_MAX - 7, 0), HEED_CORRUPT);
    assert_int_equal(read_header("{}", 0, 0), HEED_CORRUPT);
}

static void test_alignment_and_truth(void **state) {
    (void)state;
    const char *odd = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    assert_int_not_equal(strlen(odd) % 4, 0);
    assert_int_equal(read_header(odd, strlen(odd), 4), HEED_CORRUPT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "not aligned"));
    assert_int_equal(read_padded(odd, 4), HEED_OK);
    const char *truth = "{\"a\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    size_t n;
    char *bytes = make(truth, strlen(truth), 1, &n);
    hd_safetensors *f;
    bytes[n - 1] = 2;
    assert_int_equal(hd_safetensors_from_memory(bytes, n, "m", &f), HEED_CORRUPT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "truth value"));
    bytes[n - 1] = 1;
    assert_int_equal(hd_safetensors_from_memory(bytes, n, "m", &f), HEED_OK);
    hd_safetensors_close(f);
    hd_free(bytes);
}

// A sound file cut anywhere, or longer by a byte, is refused.
static void test_cut(void **state) {
    (void)state;
    assert_int_equal(write_model(), HEED_OK);
    hd_str file;
    hd_str_init(&file);
    assert_int_equal(hd_fs_read(path, 0, &file), HEED_OK);
    size_t n = file.len;
    char *bytes = hd_calloc(1, n + 1);
    memcpy(bytes, hd_str_get(&file), n);
    hd_safetensors *f;
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(hd_safetensors_from_memory(bytes, cut, "m", &f), HEED_CORRUPT);
    }
    assert_int_equal(hd_safetensors_from_memory(bytes, n + 1, "m", &f), HEED_CORRUPT);
    assert_int_equal(hd_safetensors_from_memory(bytes, n, "m", &f), HEED_OK);
    hd_safetensors_close(f);
    hd_free(bytes);
    hd_str_clear(&file);
}

static void test_dtypes(void **state) {
    (void)state;
    assert_int_equal(hd_dtype_size(HD_BF16), 2);
    assert_string_equal(hd_dtype_name(HD_U32), "U32");
    for (int i = 0; i < HD_DTYPES; i++) assert_non_null(hd_dtype_name((hd_dtype)i));
}

static void test_allocation_failures(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 2000);
        hd_safetensors *f = NULL;
        hd_mem_fail_at(n, true);
        heed_err err = write_model();
        if (err == HEED_OK) err = hd_safetensors_open(path, &f);
        hd_mem_fail_at(0, false);
        hd_safetensors_close(f);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_alignment_and_truth),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
