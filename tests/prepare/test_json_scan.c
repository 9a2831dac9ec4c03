// SPDX-License-Identifier: Apache-2.0
//
// The JSON scanner: what RFC 8259 allows and forbids, and the same verdict and values as jansson on
// texts made by hand, by grammar and by mutation.
#include "rows.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "prepare/read/json_scan.h"

static hd_arena arena;
static hd_json_scan scan;

static int set_up(void **state) {
    (void)state;
    hd_arena_init(&arena);
    hd_json_scan_init(&scan, &arena);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    hd_json_scan_clear(&scan);
    hd_arena_clear(&arena);
    return 0;
}

static bool accepts(const char *text, size_t n) {
    // As the importer does: the bytes end where the text ends.
    char *copy = hd_alloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    bool ok = false;
    if (hd_utf8_valid(copy, n) == n && !memchr(copy, 0, n)) {
        assert_int_equal(hd_json_scan_run(&scan, (hd_slice){copy, n}, &ok), HEED_OK);
        if (!ok) assert_true(scan.at <= n && scan.problem.en && scan.problem.zh);
    }
    hd_free(copy);
    return ok;
}

static void good_and_bad(void **state) {
    (void)state;
    static const char *const good[] = {
        "{}",
        " { } ",
        "{\"a\":1}",
        "{\"a\":-0.5e-3,\"b\":[1,[],{}]}",
        "[\"\\ud83d\\ude00\"]",
        "{\"\":\"\"}",
        "[true,false,null]",
        "{\"a\":{\"a\":{\"a\":0}}}",
        NULL,
    };
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "1",
        "\"a\"",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "[,]",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[1e]",
        "[-]",
        "[tru]",
        "[True]",
        "[NaN]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\\ud800\"]",
        "[\"\\udc00\"]",
        "[\"\\ud800\\u0041\"]",
        "[\"\\u0000\"]",
        "[\"a\nb\"]",
        "{\"a\":1,\"a\":2}",
        "{} x",
        "[1] ]",
        "{\"a\":1,\"\\u0061\":2}",
        "[1e999]",
        "[\"a",
        "[\"a\\",
        "[\"a\\\"",
        "// x\n{}",
        "[{\"b\":1,\"b\":1}]",
    };
    for (size_t i = 0; good[i] && i < sizeof good / sizeof good[0]; i++) {
        if (!accepts(good[i], strlen(good[i]))) fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (accepts(bad[i], strlen(bad[i]))) fail_msg("accepted: %s", bad[i]);
    }
}

static void depth_is_64(void **state) {
    (void)state;
    char text[200];
    for (int depth = 63; depth <= 66; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(accepts(text, 2 * (size_t)depth), depth <= HD_JSON_DEPTH);
    }
}

static void repeated_names_among_many(void **state) {
    (void)state;
    hd_str s;
    hd_str_init(&s);
    hd_str_addc(&s, '{');
    for (int i = 0; i < 500; i++) hd_str_addf(&s, "\"k%d\":{\"x\":%d},", i, i);
    size_t n = s.len;
    hd_str_add(&s, "\"k500\":1}");
    assert_true(accepts(s.data, s.len));
    assert_int_equal(scan.n, 1001);
    s.len = n;
    hd_str_add(&s, "\"k250\":1}");
    assert_false(accepts(s.data, s.len));
    hd_str_clear(&s);
}

static void cells_of_a_row(void **state) {
    (void)state;
    bool ok;
    hd_slice text =
        hd_slice_of("{\"a\": {\"b\": \"x\\ty\", \"c\": [1, {\"d\": 2}]}, \"e\": -1.50}");
    assert_int_equal(hd_json_scan_run(&scan, text, &ok), HEED_OK);
    assert_true(ok);
    assert_int_equal(scan.n, 4);
    assert_true(hd_slice_eq(scan.cells[0].key, "a"));
    assert_int_equal(scan.cells[0].size, 2);
    assert_true(hd_slice_eq(scan.cells[1].text, "x\ty"));
    assert_true(hd_slice_eq(scan.cells[1].raw, "\"x\\ty\""));
    assert_true(hd_slice_eq(scan.cells[2].text, "[1, {\"d\": 2}]"));
    assert_int_equal(scan.cells[2].type, HD_CELL_ARRAY);
    assert_true(hd_slice_eq(scan.cells[3].text, "-1.50"));
    size_t at = 0;
    hd_cell element;
    heed_err err;
    hd_slice array = scan.cells[2].text;
    assert_true(hd_json_element(&scan, array, &at, &element, &err));
    assert_true(hd_slice_eq(element.text, "1"));
    assert_true(hd_json_element(&scan, array, &at, &element, &err));
    assert_true(hd_slice_eq(element.text, "{\"d\": 2}"));
    assert_false(hd_json_element(&scan, array, &at, &element, &err));
    at = 0;
    assert_false(hd_json_element(&scan, hd_slice_of("[ ]"), &at, &element, &err));
}

static void big_integers_become_strings(void **state) {
    (void)state;
    hd_str out;
    hd_str_init(&out);
    hd_json_copy(hd_slice_of("{\"a\":[9223372036854775807,9223372036854775808],\"1\\\"\":1.5e3}"),
                 true, &out);
    assert_string_equal(hd_str_get(&out),
                        "{\"a\":[9223372036854775807,\"9223372036854775808\"],\"1\\\"\":1.5e3}");
    hd_str_clear(&out);
}

// ── Against jansson ─────────────────────────────────────────────────────────────────────────────

static bool same_value(const hd_cell *cell, const json_t *value);

static bool same_array(hd_slice array, const json_t *value) {
    hd_json_scan inner;
    hd_json_scan_init(&inner, &arena);
    size_t at = 0;
    size_t n = 0;
    hd_cell element;
    heed_err err;
    bool same = true;
    while (same && hd_json_element(&inner, array, &at, &element, &err)) {
        same = n < json_array_size(value) && same_value(&element, json_array_get(value, n));
        n++;
    }
    hd_json_scan_clear(&inner);
    return same && n == json_array_size(value);
}

// The cells of an object against jansson's.
static bool same_object(const hd_cell *cells, size_t n, const json_t *value) {
    size_t members = 0;
    for (size_t i = 0; i < n; i += 1 + cells[i].size) {
        json_t *other = json_object_getn(value, cells[i].key.p, cells[i].key.n);
        members++;
        if (!other) return false;
        if (cells[i].type == HD_CELL_OBJECT) {
            if (!json_is_object(other) || !same_object(cells + i + 1, cells[i].size, other)) {
                return false;
            }
        } else if (!same_value(&cells[i], other)) {
            return false;
        }
    }
    return members == json_object_size(value);
}

static bool same_value(const hd_cell *cell, const json_t *value) {
    double number;
    switch (cell->type) {
    case HD_CELL_TEXT:
        return json_is_string(value) && json_string_length(value) == cell->text.n &&
               memcmp(json_string_value(value), cell->text.p, cell->text.n) == 0;
    case HD_CELL_NUMBER:
        return json_is_number(value) && hd_slice_f64(cell->text, &number) &&
               number == json_number_value(value);
    case HD_CELL_BOOL:
        return json_is_boolean(value) && json_is_true(value) == (cell->text.n == 4);
    case HD_CELL_NULL:
        return json_is_null(value);
    case HD_CELL_ARRAY:
        return json_is_array(value) && same_array(cell->text, value);
    case HD_CELL_OBJECT: {
        // Inside an array: scanned on its own.
        hd_json_scan inner;
        hd_json_scan_init(&inner, &arena);
        bool ok = false;
        assert_int_equal(hd_json_scan_run(&inner, cell->text, &ok), HEED_OK);
        bool same = ok && json_is_object(value) && same_object(inner.cells, inner.n, value);
        hd_json_scan_clear(&inner);
        return same;
    }
    }
    return false;
}

static void compare(const char *text, size_t n, size_t *accepted) {
    hd_arena_reset(&arena);
    json_error_t error;
    json_t *theirs = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    char *copy = hd_alloc(n + 1);
    memcpy(copy, text, n);
    bool ok = false;
    if (hd_utf8_valid(copy, n) == n && !memchr(copy, 0, n)) {
        assert_int_equal(hd_json_scan_run(&scan, (hd_slice){copy, n}, &ok), HEED_OK);
    }
    if (ok != (theirs != NULL)) fail_msg("ours %d, jansson %d: %.*s", ok, !ok, (int)n, text);
    if (ok && json_is_object(theirs) && !same_object(scan.cells, scan.n, theirs)) {
        fail_msg("other values: %.*s", (int)n, text);
    }
    *accepted += ok;
    json_decref(theirs);
    hd_free(copy);
}

static void add_value(hd_rng *rng, hd_str *out, int depth);

static void add_text(hd_rng *rng, hd_str *out) {
    static const char *const parts[] = {"a",
                                        "é",
                                        "中",
                                        "😀",
                                        " ",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\u00e9",
                                        "\\ud83d\\ude00",
                                        "\\u4E2D",
                                        "longer text here"};
    hd_str_addc(out, '"');
    for (uint64_t k = hd_rng_below(rng, 4); k > 0; k--) {
        hd_str_add(out, parts[hd_rng_below(rng, sizeof parts / sizeof parts[0])]);
    }
    hd_str_addc(out, '"');
}

static void add_list(hd_rng *rng, hd_str *out, int depth, bool object) {
    hd_str_addc(out, object ? '{' : '[');
    for (uint64_t i = 0, n = hd_rng_below(rng, 5); i < n; i++) {
        if (i > 0) hd_str_add(out, hd_rng_below(rng, 2) ? "," : " , ");
        if (object) {
            add_text(rng, out);
            hd_str_add(out, hd_rng_below(rng, 2) ? ":" : "\t: ");
        }
        add_value(rng, out, depth + 1);
    }
    hd_str_addc(out, object ? '}' : ']');
}

static void add_value(hd_rng *rng, hd_str *out, int depth) {
    static const char *const plain[] = {"true",
                                        "false",
                                        "null",
                                        "0",
                                        "-0",
                                        "1",
                                        "-12.75",
                                        "1e5",
                                        "3.141592653589793",
                                        "1E-7",
                                        "123456789012345678901",
                                        "9007199254740993",
                                        "0.1e+2"};
    uint64_t what = hd_rng_below(rng, depth > 4 ? 2 : 4);
    if (what == 0) hd_str_add(out, plain[hd_rng_below(rng, sizeof plain / sizeof plain[0])]);
    if (what == 1) add_text(rng, out);
    if (what > 1) add_list(rng, out, depth, what == 2);
}

// One to three bytes replaced, removed or doubled.
static void mutate(hd_rng *rng, hd_str *s) {
    static const char signs[] = "{}[]\",:\\u0019.eE+-ntf \x01\x80\xff";
    for (uint64_t k = 1 + hd_rng_below(rng, 3); k > 0 && s->len > 1; k--) {
        size_t at = hd_rng_below(rng, s->len);
        uint64_t how = hd_rng_below(rng, 3);
        if (how == 0) s->data[at] = signs[hd_rng_below(rng, sizeof signs - 1)];
        if (how == 1) memmove(s->data + at, s->data + at + 1, s->len-- - at);
        if (how == 2) {
            char c = s->data[at];
            hd_str_addc(s, ' ');
            memmove(s->data + at + 1, s->data + at, s->len - 1 - at);
            s->data[at] = c;
        }
    }
}

static void same_as_jansson(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(11, 3);
    size_t accepted = 0;
    hd_str s;
    hd_str_init(&s);
    enum { RUNS = 20000 };
    for (int i = 0; i < RUNS; i++) {
        hd_str_reset(&s);
        add_list(&rng, &s, 0, hd_rng_below(&rng, 4) > 0);
        compare(s.data, s.len, &accepted);
        mutate(&rng, &s);
        compare(s.data, s.len, &accepted);
    }
    hd_str_clear(&s);
    assert_true(accepted > RUNS / 4 && accepted < 2 * RUNS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_bad),
        cmocka_unit_test(depth_is_64),
        cmocka_unit_test(repeated_names_among_many),
        cmocka_unit_test(cells_of_a_row),
        cmocka_unit_test(big_integers_become_strings),
        cmocka_unit_test(same_as_jansson),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
