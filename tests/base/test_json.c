// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

static heed_err parse(const char *text, json_t **out) {
    return hd_json_parse(text, strlen(text), "x.json", out);
}

static void expect_dump(const char *text, bool pretty, const char *expected) {
    json_t *json;
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(parse(text, &json), HEED_OK);
    assert_int_equal(hd_json_dump(json, pretty, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), expected);
    hd_str_clear(&out);
    json_decref(json);
}

static void test_round_trip(void **state) {
    (void)state;
    expect_dump("{\"b\":1,\"a\":[true,false,null,\"x\"],\"c\":{}}", false,
                "{\"b\":1,\"a\":[true,false,null,\"x\"],\"c\":{}}");
    expect_dump("[ ]", true, "[]");
    expect_dump("{\"a\":[1,{\"b\":2}]}", true,
                "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ]\n}");
    expect_dump("9223372036854775807", false, "9223372036854775807");
    expect_dump("-9223372036854775808", false, "-9223372036854775808");
    expect_dump("\"\\u4f60\\n\\t\\\"\\\\\\u0001\\/\"", false, "\"你\\n\\t\\\"\\\\\\u0001/\"");
    expect_dump("\"\\ud83d\\ude00\"", false, "\"😀\"");
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "x.json:1:"},
        {"{\"a\":1,\"a\":2}", "twice"},
        {"{}x", "after the document"},
        {"{\"a\":\n\n  tru}", "x.json:3:"},
        {"\"\\u0000\"", "NUL"},
        {"{\"\\u0000\":1}", "NUL"},
        {"\"\xff\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"9223372036854775808", "large"},
        {"1e999", "large"},
        {"[1,]", "x.json:1:4"},
        {"{\"a\"", "x.json:1:"},
        {"01", "x.json:1:"},
        {"NaN", "x.json:1:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = (json_t *)1;
        assert_int_equal(parse(cases[i].text, &json), HEED_INPUT);
        assert_null(json);
        if (!strstr(heed_error_message(HEED_EN), cases[i].part)) {
            fail_msg("'%s': %s", cases[i].text, heed_error_message(HEED_EN));
        }
        assert_non_null(strstr(heed_error_message(HEED_ZH), "JSON"));
    }
}

static void test_depth(void **state) {
    (void)state;
    char text[256];
    json_t *json;
    for (size_t depth = 60; depth <= 70; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        heed_err err = hd_json_parse(text, 2 * depth, "deep", &json);
        assert_int_equal(err, depth <= 64 ? HEED_OK : HEED_INPUT);
        json_decref(json);
    }
    // Brackets within strings don't count.
    memset(text, '[', 200);
    text[0] = text[199] = '"';
    assert_int_equal(hd_json_parse(text, 200, "flat", &json), HEED_OK);
    json_decref(json);
    // The place of the bracket that was one too many.
    memset(text, '[', 100);
    text[3] = '\n';
    assert_int_equal(hd_json_parse(text, 100, "deep", &json), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "deep:2:62:"));
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1.0, "1.0"},
        {-0.0, "-0.0"},
        {1e300, "1e+300"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {123456789012345.0, "123456789012345.0"},
        {NAN, "null"},
        {INFINITY, "null"},
    };
    char buf[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hd_json_number(cases[i].value, buf);
        assert_string_equal(buf, cases[i].text);
    }
    json_t *null = hd_json_real(NAN);
    assert_true(json_is_null(null));
    json_decref(null);
}

// What hd_json_number promises, by printf and back alone.
static void slow_number(double value, char buf[32]) {
    for (int digits = 15; digits <= 17; digits++) {
        hd_snprintf(buf, 32, "%.*g", digits, value);
        double back;
        if (hd_slice_f64(hd_slice_of(buf), &back) && back == value) break;
    }
    if (!strpbrk(buf, ".e")) memcpy(buf + strlen(buf), ".0", 3);
}

// Numbers as people and models have them: decimals, quotients, floats, near powers of ten.
static void test_numbers_by_reference(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(3, 0);
    for (int i = 0; i < 40000; i++) {
        double power = 1;
        for (uint64_t e = hd_rng_below(&rng, 20); e > 0; e--) power *= 10;
        double whole = (double)hd_rng_below(&rng, i % 2 ? 1000000 : UINT64_C(10000000000000000));
        const double values[] = {whole / power,
                                 -whole,
                                 whole * power / 1e8,
                                 1 / (whole + 1),
                                 (double)(float)(whole / power),
                                 nextafter(1 / power, 2),
                                 nextafter(power, 0),
                                 power};
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            char fast[32], slow[32];
            hd_json_number(values[v], fast);
            slow_number(values[v], slow);
            assert_string_equal(fast, slow);
        }
    }
}

static void test_decimals_of_floats(void **state) {
    (void)state;
    char buf[32];
    hd_json_number(hd_json_decimal(0.1F), buf);
    assert_string_equal(buf, "0.1");
    hd_json_number(hd_json_decimal(-16777216.0F), buf);
    assert_string_equal(buf, "-16777216.0");
    assert_true(hd_json_decimal(0) == 0);
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)hd_rng_at(9, 0, i);
        float value;
        memcpy(&value, &bits, sizeof value);
        double decimal = hd_json_decimal(value);
        assert_true(isnan(value) ? isnan(decimal) : (float)decimal == value);
        if (!(fabsf(value) > 1e-3F && fabsf(value) < 1e5F)) continue;
        int digits = 1;
        for (float back = NAN; back != value; digits++) { // the fewest there are, above 6
            hd_snprintf(buf, sizeof buf, "%.*g", digits, (double)value);
            double read;
            assert_true(hd_slice_f64(hd_slice_of(buf), &read));
            back = (float)read;
        }
        char text[32];
        hd_json_number(decimal, text);
        size_t n = strlen(text) - (text[0] == '-');
        assert_true((int)n <= (digits - 1 > 6 ? digits - 1 : 6) + 5); // "0." and zeros before them
    }
}

// Any bit pattern that is a number reads back the same, and stays a real.
static void test_numbers_round_trip(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits = hd_rng_at(7, 0, i);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        char buf[32];
        hd_json_number(value, buf);
        json_t *json;
        assert_int_equal(parse(buf, &json), HEED_OK);
        assert_true(json_is_real(json));
        double back = json_real_value(json);
        assert_memory_equal(&back, &value, sizeof value);
        json_decref(json);
    }
}

static void test_quote(void **state) {
    (void)state;
    hd_str out;
    hd_str_init(&out);
    hd_json_quote(&out, "a\0b\xff\xe4\xbd\xa0\x7f\xe4\xbd", 10);
    assert_string_equal(hd_str_get(&out),
                        "\"a\\u0000b\xEF\xBF\xBD你\x7f\xEF\xBF\xBD\xEF\xBF\xBD\"");
    hd_str_clear(&out);
}

static void test_pack_set(void **state) {
    (void)state;
    json_t *json = NULL;
    assert_int_equal(hd_json_pack(&json, "{s:s, s:I, s:[i]}", "n", "v", "c", (json_int_t)3, "l", 1),
                     HEED_OK);
    assert_int_equal(hd_json_set(json, "r", hd_json_real(0.5)), HEED_OK);
    assert_int_equal(hd_json_append(json_object_get(json, "l"), json_true()), HEED_OK);
    assert_int_equal(hd_json_set(json, "x", NULL), HEED_MEMORY);
    assert_int_equal(hd_json_append(json_object_get(json, "l"), NULL), HEED_MEMORY);
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_json_dump(json, false, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), "{\"n\":\"v\",\"c\":3,\"l\":[1,true],\"r\":0.5}");
    hd_str_clear(&out);
    json_decref(json);
    assert_int_equal(hd_json_pack(&json, "{s:s}", "n", "\xff"), HEED_INPUT);
    assert_int_equal(hd_json_pack(&json, "{s:"), HEED_INTERNAL);
}

// Each allocation failing in turn gives HEED_MEMORY, or a document that is whole.
static void test_parse_out_of_memory(void **state) {
    (void)state;
    char text[400] = "{\"";
    memset(text + 2, 'k', 150); // jansson's token buffer grows several times
    memcpy(text + 152, "\":\"", 3);
    memset(text + 155, 'v', 200);
    memcpy(text + 355, "\"}", 3);
    json_t *whole, *json;
    assert_int_equal(parse(text, &whole), HEED_OK);
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_mem_fail_at(n, true);
        err = parse(text, &json);
        hd_mem_fail_at(0, false);
        assert_true(err == HEED_MEMORY || json_equal(json, whole));
        json_decref(json);
    }
    json_decref(whole);
}

// Each allocation failing in turn gives HEED_MEMORY and leaks nothing.
static void test_allocation_failures(void **state) {
    (void)state;
    const char *text = "{\"a\":[1,2.5,\"a longer string than that\",{\"b\":null}],\"c\":true}";
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        hd_mem_fail_at(n, true);
        json_t *json = NULL;
        hd_str out;
        hd_str_init(&out);
        heed_err err = parse(text, &json);
        if (err == HEED_OK) err = hd_json_dump(json, true, &out);
        hd_mem_fail_at(0, false);
        json_decref(json);
        hd_str_clear(&out);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

// A text of escapes of every length about the sizes at which jansson's token buffer grows: wherever
// memory runs out, an escape or the closing quote may be what is lost.
static void test_failing_allocations_within_escapes(void **state) {
    (void)state;
    char text[256];
    for (size_t n = 1; n < 70; n++) {
        size_t len = 0;
        text[len++] = '"';
        for (size_t i = 0; i < n; i++) {
            text[len++] = '\\';
            text[len++] = '"';
        }
        for (size_t pad = 0; pad < 2; pad++) {
            text[len] = '"';
            text[len + 1] = '\0';
            heed_err err = HEED_MEMORY;
            for (uint64_t at = 1; err != HEED_OK; at++) {
                json_t *json = NULL;
                hd_mem_fail_at(at, true);
                err = parse(text, &json);
                hd_mem_fail_at(0, false);
                assert_true(err == HEED_OK || err == HEED_MEMORY);
                if (err == HEED_OK) assert_int_equal(json_string_length(json), n + pad);
                json_decref(json);
            }
            text[len++] = 'x';
        }
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_numbers_by_reference),
        cmocka_unit_test(test_decimals_of_floats),
        cmocka_unit_test(test_numbers_round_trip),
        cmocka_unit_test(test_pack_set),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_failing_allocations_within_escapes),
        cmocka_unit_test(test_parse_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
