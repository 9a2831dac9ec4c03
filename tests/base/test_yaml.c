// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

static void expect(const char *text, const char *json) {
    hd_yaml yaml;
    hd_str out;
    hd_str_init(&out);
    if (hd_yaml_parse(text, strlen(text), "x.yaml", &yaml) != HEED_OK) {
        fail_msg("%s: %s", text, heed_error_message(HEED_EN));
    }
    assert_int_equal(hd_json_dump(yaml.root, false, &out), HEED_OK);
    assert_string_equal(hd_str_get(&out), json);
    hd_str_clear(&out);
    hd_yaml_clear(&yaml);
}

static void expect_refused(const char *text, size_t n, const char *part) {
    hd_yaml yaml;
    assert_int_equal(hd_yaml_parse(text, n, "x.yaml", &yaml), HEED_INPUT);
    assert_null(yaml.root);
    if (!strstr(heed_error_message(HEED_EN), part)) {
        fail_msg("%s: %s", text, heed_error_message(HEED_EN));
    }
    assert_non_null(strstr(heed_error_message(HEED_ZH), "x.yaml"));
}

static void test_values(void **state) {
    (void)state;
    expect("", "{}");
    expect("# only a comment\n", "{}");
    expect("---\n", "{}");
    expect("a: 1\nb: [x, 2.5, {c: d}]\n", "{\"a\":1,\"b\":[\"x\",2.5,{\"c\":\"d\"}]}");
    expect("a:\n  - 1\n  - b: 2\n    c: 3\n", "{\"a\":[1,{\"b\":2,\"c\":3}]}");
    expect("a: true\nb: False\nc: NULL\nd: ~\ne:\nf: no\ng: yes\nh: on\n",
           "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,\"e\":null,\"f\":\"no\",\"g\":\"yes\","
           "\"h\":\"on\"}");
    expect("a: '1'\nb: \"true\"\nc: |\n  two\n  lines\n",
           "{\"a\":\"1\",\"b\":\"true\",\"c\":\"two\\nlines\\n\"}");
    expect("a: -7\nb: +7\nc: 0o17\nd: 0x1F\ne: 1e3\nf: .5\ng: 007\n",
           "{\"a\":-7,\"b\":7,\"c\":15,\"d\":31,\"e\":1000.0,\"f\":0.5,\"g\":7}");
    expect("a: 99999999999999999999\nb: 0xFFFFFFFFFFFFFFFF\nc: 1_000\nd: 12:30\n",
           "{\"a\":\"99999999999999999999\",\"b\":\"0xFFFFFFFFFFFFFFFF\",\"c\":\"1_000\","
           "\"d\":\"12:30\"}");
    expect("商品: 手机\n", "{\"商品\":\"手机\"}");
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"a: 1\na: 2\n", "x.yaml:2: key 'a' stands twice"},
        {"a: &x 1\nb: *x\n", "x.yaml:1: anchors"},
        {"a: 1\nb: *x\n", "x.yaml:2: anchors"},
        {"a: &x [1]\n", "anchors"},
        {"a: &x {b: 1}\n", "anchors"},
        {"- a\n", "must be a mapping"},
        {"just text\n", "must be a mapping"},
        {"a: 1\n---\nb: 2\n", "only one document"},
        {"a: [1\n", "not valid YAML"},
        {"a: b: c\n", "x.yaml:1: not valid YAML"},
        {"\ta: 1\n", "not valid YAML"},
        {"a: .inf\n", "not a finite number"},
        {"a: -.INF\n", "not a finite number"},
        {"a: .nan\n", "not a finite number"},
        {"[a, b]: 1\n", "a key must be a text"},
        {"? [a]\n: 1\n", "a key must be a text"},
        {"a: !!python/object x\n", "tag"},
        {"a: \"x\\0y\"\n", "NUL"},
        {"\"x\\0y\": 1\n", "NUL"},
        {"a: \xff\n", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_refused(cases[i].text, strlen(cases[i].text), cases[i].part);
    }
    char deep[256] = "a: ";
    memset(deep + 3, '[', 100);
    memset(deep + 103, ']', 100);
    expect_refused(deep, 203, "64 deep");
}

static void test_lines(void **state) {
    (void)state;
    const char *text =
        "# head\nimport:\n  max_line: 1\nsteps:\n  - kind: a\n  - kind: b\nlast: 1\n";
    hd_yaml yaml;
    assert_int_equal(hd_yaml_parse(text, strlen(text), "x", &yaml), HEED_OK);
    assert_int_equal(hd_yaml_line(&yaml, "import.max_line"), 3);
    assert_int_equal(hd_yaml_line(&yaml, "steps.0.kind"), 5);
    assert_int_equal(hd_yaml_line(&yaml, "steps.1.kind"), 6);
    assert_int_equal(hd_yaml_line(&yaml, "steps.1"), 6);
    assert_int_equal(hd_yaml_line(&yaml, "last"), 7);
    assert_int_equal(hd_yaml_line(&yaml, "nothing"), 0);
    hd_yaml_clear(&yaml);
}

static void test_allocation_failures(void **state) {
    (void)state;
    const char *text = "a: 1\nb: [x, {c: 2.5}]\nd: {e: {f: 'a longer text than that'}}\n";
    size_t before = hd_mem_used();
    for (uint64_t n = 1;; n++) {
        assert_true(n < 1000);
        hd_yaml yaml;
        hd_mem_fail_at(n, true);
        heed_err err = hd_yaml_parse(text, strlen(text), "x", &yaml);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) hd_yaml_clear(&yaml);
        assert_int_equal(hd_mem_used(), before);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
