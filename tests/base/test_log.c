// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/log.h"

static hd_str last_line;
static int lines;

static void keep(void *ctx, const hd_log_line *line) {
    assert_ptr_equal(ctx, &lines);
    lines++;
    hd_str_reset(&last_line);
    hd_log_format_logfmt(line, &last_line);
}

static void test_levels(void **state) {
    (void)state;
    lines = 0;
    HD_LOG(HD_LOG_ERROR, "a", "b", HD_KV_INT("n", 1));
    hd_log_sink_set(keep, &lines);
    HD_LOG(HD_LOG_DEBUG, "a", "b", HD_KV_INT("n", 1));
    assert_int_equal(lines, 0);
    HD_LOG(HD_LOG_INFO, "import", "done", HD_KV_INT("rows", 3), HD_KV_STR("kind", "events"));
    assert_int_equal(lines, 1);
    assert_non_null(strstr(hd_str_get(&last_line),
                           " level=info component=import event=done rows=3 kind=events"));
    hd_log_level_set(HD_LOG_OFF);
    HD_LOG(HD_LOG_ERROR, "a", "b", HD_KV_INT("n", 1));
    assert_int_equal(lines, 1);
    hd_log_level_set(HD_LOG_DEBUG);
    HD_LOG(HD_LOG_DEBUG, "a", "b", HD_KV_INT("n", 1));
    assert_int_equal(lines, 2);
    hd_log_sink_set(NULL, NULL);
    HD_LOG(HD_LOG_ERROR, "a", "b", HD_KV_INT("n", 1));
    assert_int_equal(lines, 2);
    hd_log_level level;
    assert_true(hd_log_level_parse("warn", &level));
    assert_int_equal(level, HD_LOG_WARN);
    assert_false(hd_log_level_parse("loud", &level));
    hd_str_clear(&last_line);
}

static const hd_kv fields[] = {
    {.key = "s", .type = HD_KV_TYPE_STR, .str = "two words\nlevel=error"},
    {.key = "q", .type = HD_KV_TYPE_STR, .str = "a\"b\\c\033[2J\302\233\xff"},
    {.key = "zh", .type = HD_KV_TYPE_STR, .str = "用户"},
    {.key = "none", .type = HD_KV_TYPE_STR, .str = NULL},
    {.key = "f", .type = HD_KV_TYPE_F64, .f = 0.25},
    {.key = "nan", .type = HD_KV_TYPE_F64, .f = NAN},
    {.key = "yes", .type = HD_KV_TYPE_BOOL, .i = 1},
    {.key = "n", .type = HD_KV_TYPE_INT, .i = INT64_MIN},
};
static const hd_log_line line = {
    .level = HD_LOG_WARN,
    .time_ms = INT64_C(1795336200123),
    .component = "c",
    .event = "e",
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
};

static void test_logfmt(void **state) {
    (void)state;
    hd_str out;
    hd_str_init(&out);
    hd_log_format_logfmt(&line, &out);
    assert_string_equal(hd_str_get(&out),
                        "time=2026-11-22T08:30:00.123Z level=warn component=c event=e "
                        "s=\"two words\\nlevel=error\" "
                        "q=\"a\\\"b\\\\c\\u001b[2J\\u009b\\xff\" zh=\"用户\" none=\"\" f=0.25 "
                        "nan=nan yes=true n=-9223372036854775808");
    hd_str_clear(&out);
}

static void test_json(void **state) {
    (void)state;
    hd_str out;
    hd_str_init(&out);
    hd_log_format_json(&line, &out);
    const char *text = hd_str_get(&out);
    assert_null(strchr(text, '\n'));
    assert_non_null(strstr(text, "{\"time\":\"2026-11-22T08:30:00.123Z\",\"level\":\"warn\","
                                 "\"component\":\"c\",\"event\":\"e\","
                                 "\"s\":\"two words\\nlevel=error\""));
    assert_non_null(strstr(text, "\"none\":null,\"f\":0.25,\"nan\":null,\"yes\":true,"
                                 "\"n\":-9223372036854775808}"));
    hd_str_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
