// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/unicode.h"

static void test_codes(void **state) {
    (void)state;
    assert_string_equal(heed_err_name(HEED_INPUT), "INPUT");
    assert_string_equal(heed_err_text(HEED_FULL, HEED_EN), "no space left");
    assert_string_equal(heed_err_text(HEED_FULL, HEED_ZH), "空间不足");
    assert_int_equal(heed_err_http(HEED_NOT_FOUND), 404);
    assert_int_equal(heed_err_exit(HEED_INTERRUPTED), 130);
    assert_int_equal(heed_err_exit(HEED_OK), 0);
    assert_string_equal(heed_err_name((heed_err)999), "INTERNAL");
    assert_string_equal(heed_err_name((heed_err)-1), "INTERNAL");
}

static heed_err fail_reordered(int row, const char *field) {
    return HD_FAIL(HEED_INPUT, "row %1$d: '%2$s' is missing", "缺少“%2$s”（第 %1$d 行）", row,
                   field);
}

static void test_both_languages(void **state) {
    (void)state;
    hd_error_reset();
    assert_string_equal(heed_error_message(HEED_EN), "");
    assert_int_equal(heed_error_code(), HEED_OK);
    assert_int_equal(fail_reordered(7, "price"), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "row 7: 'price' is missing");
    assert_string_equal(heed_error_message(HEED_ZH), "缺少“price”（第 7 行）");
    assert_int_equal(heed_error_code(), HEED_INPUT);
}

static void test_prefix(void **state) {
    (void)state;
    heed_err err = fail_reordered(7, "price");
    assert_int_equal(hd_error_prefix(err, "%s:%d", "%s:%d", "a.csv", 9), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "a.csv:9: row 7: 'price' is missing");
    assert_string_equal(heed_error_message(HEED_ZH), "a.csv:9：缺少“price”（第 7 行）");
}

// The new message may quote the one it replaces.
static void test_quotes_itself(void **state) {
    (void)state;
    (void)fail_reordered(1, "a");
    heed_err err = HD_FAIL(HEED_FAILED, "gave up: %s", "放弃：%s", heed_error_message(HEED_EN));
    assert_int_equal(err, HEED_FAILED);
    assert_string_equal(heed_error_message(HEED_EN), "gave up: row 1: 'a' is missing");
}

// A long message is cut at a character, whatever the offset.
static void test_cut(void **state) {
    (void)state;
    char text[3 * HD_ERROR_MAX + 4];
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'x', lead);
        for (size_t i = 0; i < HD_ERROR_MAX; i++) memcpy(text + lead + 3 * i, "字", 3);
        text[lead + 3 * HD_ERROR_MAX] = '\0';
        (void)HD_FAIL(HEED_INPUT, "%s", "%s", text);
        const char *got = heed_error_message(HEED_EN);
        size_t n = strlen(got);
        assert_in_range(n, HD_ERROR_MAX - 4, HD_ERROR_MAX - 1);
        assert_int_equal(hd_utf8_valid(got, n), n);
    }
}

static void test_errno(void **state) {
    (void)state;
    assert_int_equal(HD_FAIL_ERRNO(ENOSPC, "can't write", "无法写入", "/x/y"), HEED_FULL);
    assert_string_equal(heed_error_message(HEED_EN),
                        "can't write: '/x/y': no space left on the device; free some");
    assert_string_equal(heed_error_message(HEED_ZH), "无法写入：'/x/y'：磁盘空间不足，请清理");
    const struct {
        int number;
        heed_err code;
    } rows[] = {{EDQUOT, HEED_FULL},      {EACCES, HEED_DENIED}, {EROFS, HEED_DENIED},
                {ENOENT, HEED_NOT_FOUND}, {ENOMEM, HEED_MEMORY}, {EIO, HEED_IO},
                {ENOTTY, HEED_IO}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(HD_FAIL_ERRNO(rows[i].number, "x", "x", "p"), rows[i].code);
    }
    assert_non_null(strstr(heed_error_message(HEED_EN), "errno 25"));
}

static void test_memory(void **state) {
    (void)state;
    assert_int_equal(HD_FAIL_MEMORY(1234), HEED_MEMORY);
    assert_non_null(strstr(heed_error_message(HEED_EN), "1234 bytes"));
    hd_mem_limit_set(77777777);
    assert_int_equal(HD_FAIL_MEMORY(1234), HEED_MEMORY);
    hd_mem_limit_set(0);
    assert_non_null(strstr(heed_error_message(HEED_EN), "memory.limit (77777777 bytes)"));
    assert_non_null(strstr(heed_error_message(HEED_ZH), "再要 1234 字节"));
}

static void *other_thread(void *arg) {
    hd_error *out = arg;
    if (strlen(heed_error_message(HEED_EN)) > 0) return NULL; // not this thread's
    (void)fail_reordered(3, "there");
    hd_error_get(out);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    (void)fail_reordered(1, "here");
    hd_error carried = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &carried), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(heed_error_message(HEED_EN), "row 1: 'here' is missing");
    assert_int_equal(hd_error_restore(&carried), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN), "row 3: 'there' is missing");
    assert_non_null(strstr(carried.file, "test_error.c"));
    assert_true(carried.line > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),  cmocka_unit_test(test_both_languages),
        cmocka_unit_test(test_prefix), cmocka_unit_test(test_quotes_itself),
        cmocka_unit_test(test_cut),    cmocka_unit_test(test_errno),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
