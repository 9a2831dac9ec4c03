// SPDX-License-Identifier: Apache-2.0
#include "recipe/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "heed/error.h"
#include "recipe/made.h"

static heed_err parse(hd_rows *rows, const char *text, bool json, const hd_rows_format *format) {
    static const hd_rows_format usual;
    hd_rows_init(rows);
    return hd_rows_parse(rows, hd_strdup(text), strlen(text), "f.csv", json,
                         format ? format : &usual);
}

static const char *cell(const hd_rows *rows, const char *column, size_t row) {
    static char text[200];
    hd_slice s = hd_rows_find(rows, column)->cells[row];
    if (!s.p) return NULL;
    hd_snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
    return text;
}

static void test_csv(void **state) {
    (void)state;
    hd_rows rows;
    assert_int_equal(parse(&rows,
                           "\xEF\xBB\xBF"
                           "a, b ,\"c \"\"d\"\"\"\r\n1, two ,\"x,\ny\"\r\n\r\n,,\"\"\n"
                           "\"q\" , 'r,s",
                           false, NULL),
                     HEED_OK);
    assert_int_equal(rows.n, 3);
    assert_int_equal(rows.n_columns, 3);
    assert_string_equal(cell(&rows, "b", 0), "two");
    assert_string_equal(cell(&rows, "c \"d\"", 0), "x,\ny");
    assert_null(cell(&rows, "a", 1));
    assert_null(cell(&rows, "c \"d\"", 1));
    assert_string_equal(cell(&rows, "a", 2), "q");
    assert_string_equal(cell(&rows, "b", 2), "'r");
    assert_string_equal(hd_rows_place(&rows, 0).text, "f.csv:2");
    assert_string_equal(hd_rows_place(&rows, 2).text, "f.csv:6");
    hd_rows_clear(&rows);
}

static void test_formats(void **state) {
    (void)state;
    hd_rows rows;
    const char *const names[] = {"text", "label"}, *const nothing[] = {"?"};
    // Tabs: a quote is a letter.
    const hd_rows_format tsv = {
        .names = names, .n_names = 2, .missing = nothing, .n_missing = 1, .most = 2};
    assert_int_equal(parse(&rows, "he said \"no\t1\n?\t0\nthird\t1\n", false, &tsv), HEED_OK);
    assert_int_equal(rows.n, 2);
    assert_string_equal(cell(&rows, "text", 0), "he said \"no");
    assert_null(cell(&rows, "text", 1));
    hd_rows_clear(&rows);
    const hd_rows_format lines = {.names = names, .n_names = 1, .delimiter = '\n'};
    assert_int_equal(parse(&rows, "one, two\n\"three\n", false, &lines), HEED_OK);
    assert_int_equal(rows.n, 2);
    assert_string_equal(cell(&rows, "text", 0), "one, two");
    assert_string_equal(cell(&rows, "text", 1), "\"three");
    hd_rows_clear(&rows);
    assert_int_equal(parse(&rows, "a;b\n1;2,5\n", false, NULL), HEED_OK);
    assert_string_equal(cell(&rows, "b", 0), "2,5");
    hd_rows_clear(&rows);
}

static void test_jsonl(void **state) {
    (void)state;
    hd_rows rows;
    assert_int_equal(parse(&rows,
                           "{\"a\": 1, \"b\": 0.1}\n\n{\"b\": \"x\", \"c\": [1, {}]}\n"
                           "{\"a\": null, \"b\": true}\n",
                           true, NULL),
                     HEED_OK);
    assert_int_equal(rows.n, 3);
    assert_string_equal(cell(&rows, "a", 0), "1");
    assert_string_equal(cell(&rows, "b", 0), "0.1");
    assert_string_equal(cell(&rows, "c", 1), "[1,{}]");
    assert_null(cell(&rows, "c", 0));
    assert_null(cell(&rows, "a", 2));
    assert_string_equal(cell(&rows, "b", 2), "true");
    assert_string_equal(hd_rows_place(&rows, 1).text, "f.csv:3");
    hd_rows_clear(&rows);
}

static void fails(const char *text, bool json, const char *message) {
    hd_rows rows;
    assert_int_equal(parse(&rows, text, json, NULL), HEED_INPUT);
    if (!strstr(heed_error_message(HEED_EN), message)) {
        fail_msg("'%s' isn't in '%s'", message, heed_error_message(HEED_EN));
    }
    hd_rows_clear(&rows);
}

static void test_bad(void **state) {
    (void)state;
    fails("a,b\n1,2\n3\n", false, "f.csv:3: 1 fields where 2 columns");
    fails("a,b\n1,\"2\n3,4\n", false, "f.csv:2: a quote that opens here is never closed");
    fails("a,b\n\"1\"x,2\n", false, "f.csv:2: text stands behind a closing quote");
    fails("a,a\n1,2\n", false, "two columns 'a'");
    fails("{\"a\": 1}\n[1]\n", true, "f.csv:2: a line must be an object");
    fails("{\"a\": 1}\n{\"a\": }\n", true, "f.csv:2");
}

static void test_select(void **state) {
    (void)state;
    hd_rows rows, part;
    const size_t index[] = {2, 0, 2};
    assert_int_equal(parse(&rows, "a,b\n1,x\n2,y\n3,\n", false, NULL), HEED_OK);
    assert_int_equal(hd_rows_select(&rows, index, 3, 1, &part), HEED_OK);
    assert_int_equal(part.n, 3);
    assert_int_equal(part.first, 1);
    assert_string_equal(cell(&part, "a", 0), "3");
    assert_string_equal(cell(&part, "b", 1), "x");
    assert_null(cell(&part, "b", 2));
    assert_string_equal(hd_rows_place(&part, 1).text, "f.csv:2");
    hd_rows_column *column;
    assert_int_equal(hd_rows_need(&part, "aa", &column), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "did you mean 'a'"));
    hd_rows_clear(&part);
    hd_rows_clear(&rows);
}

static void test_request(void **state) {
    (void)state;
    hd_rows rows;
    json_t *list = json_loads("[{\"x\": 3, \"y\": \"\"}, {\"x\": 0.30000000000000004}]", 0, NULL);
    assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_OK);
    assert_string_equal(cell(&rows, "x", 1), "0.30000000000000004");
    assert_string_equal(hd_rows_place(&rows, 1).text, "row 2");
    hd_rows_clear(&rows);
    json_decref(list);
    list = json_loads("[{}, 7]", 0, NULL);
    assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_INPUT);
    json_decref(list);
    list = json_loads("{}", 0, NULL);
    assert_int_equal(hd_rows_json(list, "rows", &rows), HEED_INPUT);
    json_decref(list);
}

// Rows behind others: columns by name, places by their own file, history left out.
static void test_append(void **state) {
    (void)state;
    hd_rows rows, more, part;
    const size_t index[] = {0, 1};
    const hd_rows_format format = {0};
    hd_rows_init(&rows);
    hd_rows_init(&more);
    char *text = hd_strdup("a,b\n1,2\n"), *other = hd_strdup("c,a\n7,8\n9,10\n");
    assert_int_equal(hd_rows_parse(&rows, text, strlen(text), "x.csv", false, &format), HEED_OK);
    assert_int_equal(hd_rows_parse(&more, other, strlen(other), "y.csv", false, &format), HEED_OK);
    assert_int_equal(hd_rows_select(&more, index, 2, 1, &part), HEED_OK);
    assert_int_equal(hd_rows_append(&rows, &part), HEED_OK);
    assert_int_equal(rows.n, 2);
    assert_string_equal(hd_rows_place(&rows, 0).text, "x.csv:2");
    assert_string_equal(hd_rows_place(&rows, 1).text, "y.csv:3");
    assert_true(hd_slice_eq(hd_rows_find(&rows, "a")->cells[1], "10"));
    assert_true(hd_slice_eq(hd_rows_find(&rows, "c")->cells[1], "9"));
    assert_null(hd_rows_find(&rows, "b")->cells[1].p);
    assert_null(hd_rows_find(&rows, "c")->cells[0].p);
    hd_rows_find(&part, "a")->kind = HD_ROWS_FILE;
    assert_int_equal(hd_rows_append(&rows, &part), HEED_INPUT);
    hd_rows_clear(&part);
    hd_rows_clear(&more);
    hd_rows_clear(&rows);
}

// The same seed makes the same rows, and a longer set begins with a shorter one.
static void test_made(void **state) {
    (void)state;
    for (size_t k = 0; hd_made_kinds[k]; k++) {
        hd_rows a, b;
        hd_rows_init(&a);
        hd_rows_init(&b);
        assert_int_equal(hd_made_rows(hd_made_kinds[k], 20, .1, 5, &a), HEED_OK);
        assert_int_equal(hd_made_rows(hd_made_kinds[k], 0, .1, 5, &b), HEED_OK);
        assert_int_equal(b.n, hd_made_kinds[k]->rows);
        for (size_t c = 0; c < a.n_columns; c++) {
            for (size_t i = 0; i < a.n; i++) {
                hd_slice one = a.columns[c].cells[i], two = b.columns[c].cells[i];
                assert_int_equal(one.n, two.n);
                assert_memory_equal(one.p, two.p, one.n);
            }
        }
        hd_rows_clear(&a);
        hd_rows_clear(&b);
    }
}

static heed_err whole_life(void) {
    hd_rows rows, part;
    char *text = hd_strdup("a,b\n1,\"x\"\"\"\n2,y\n");
    const size_t index[] = {1, 0};
    hd_rows_init(&rows);
    if (!text) return HD_FAIL_MEMORY(0);
    heed_err err = hd_rows_parse(&rows, text, strlen(text), "f", false, &(hd_rows_format){0});
    if (err == HEED_OK) err = hd_rows_select(&rows, index, 2, 0, &part);
    if (err == HEED_OK) {
        err = hd_rows_append(&part, &rows);
        hd_rows_clear(&part);
    }
    hd_rows_clear(&rows);
    return err;
}

static void test_memory(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 1000; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = whole_life();
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) return;
        assert_int_equal(err, HEED_MEMORY);
    }
    fail();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),     cmocka_unit_test(test_formats),
        cmocka_unit_test(test_jsonl),   cmocka_unit_test(test_bad),
        cmocka_unit_test(test_select),  cmocka_unit_test(test_append),
        cmocka_unit_test(test_request), cmocka_unit_test(test_made),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
