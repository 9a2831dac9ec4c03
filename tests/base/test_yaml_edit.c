// SPDX-License-Identifier: Apache-2.0
//
// Editing one value by lines: what is around it stays to the byte, and what can't be edited is left
// alone. Properties over generated files: the value is what was set, everything else what it was.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/yaml.h"
#include "base/yaml_edit.h"

static void expect(const char *before, const char *key, const char *scalar, const char *after) {
    hd_str out;
    hd_str_init(&out);
    heed_err err = hd_yaml_edit(before, strlen(before), "heed.yaml", key, scalar, &out);
    if (err != HEED_OK) fail_msg("%s: %s", key, heed_error_message(HEED_EN));
    assert_string_equal(hd_str_get(&out), after);
    hd_str_clear(&out);
}

static void refuse(const char *before, const char *key, const char *scalar) {
    hd_str out;
    hd_str_init(&out);
    assert_int_equal(hd_yaml_edit(before, strlen(before), "heed.yaml", key, scalar, &out),
                     HEED_INPUT);
    assert_int_equal(out.len, 0);
    hd_str_clear(&out);
}

static void test_replaces(void **state) {
    (void)state;
    expect("lang: en\n", "lang", "zh", "lang: zh\n");
    expect("# top\n\nlang:   en   # why\nthreads: 2\n", "lang", "zh",
           "# top\n\nlang: zh   # why\nthreads: 2\n");
    expect("recommend:\n  # how many\n  n: 5 # five\n  method: auto\n", "recommend.n", "7",
           "recommend:\n  # how many\n  n: 7 # five\n  method: auto\n");
    expect("recommend.n: 5", "recommend.n", "7", "recommend.n: 7"); // no line break at the end
    expect("lang: en\r\nthreads: 2\r\n", "lang", "zh", "lang: zh\r\nthreads: 2\r\n");
    expect("currency: \"a # b\" # c\n", "currency", "\"CNY\"", "currency: \"CNY\" # c\n");
    expect("currency: 'it''s # b' # c\n", "currency", "x", "currency: x # c\n");
    expect("\"lang\": en\n", "lang", "zh", "\"lang\": zh\n");
    expect("a: {b: 1, c: 2}\nlang: en\n", "lang", "zh", "a: {b: 1, c: 2}\nlang: zh\n");
    expect("privacy:\n  basis:\n    train: consent\n", "privacy.basis.train", "x",
           "privacy:\n  basis:\n    train: x\n");
    expect("privacy.basis:\n  train: consent\n", "privacy.basis.train", "x",
           "privacy.basis:\n  train: x\n");
}

static void test_replaces_blocks(void **state) {
    (void)state;
    expect("a: \"e\n  n\"\nb: |\n  x\n\n  y\nc: 1\n", "a", "zh", "a: zh\nb: |\n  x\n\n  y\nc: 1\n");
    expect("b: |\n  x\n\n  y\nc: 1\n", "b", "z", "b: z\nc: 1\n");
    expect("r:\n  s:\n    view: 1\n    # two\n    cart: 2\n\n  # next\n  n: 3\n", "r.s",
           "\"view=2\"", "r:\n  s: \"view=2\"\n\n  # next\n  n: 3\n");
    expect("r:\n  s:\n    view: 1\nlang: en\n", "r.s", NULL, "r:\nlang: en\n");
}

static void test_adds(void **state) {
    (void)state;
    expect("", "lang", "zh", "lang: zh\n");
    expect("# only a comment", "recommend.n", "7", "# only a comment\nrecommend.n: 7\n");
    expect("recommend:\n    n: 5\n\n# after\nlang: en\n", "recommend.method", "auto",
           "recommend:\n    n: 5\n    method: auto\n\n# after\nlang: en\n");
    expect("recommend:\n", "recommend.n", "7", "recommend:\n  n: 7\n");
    expect("privacy:\n  basis:\n    need: x\n  text: keep\n", "privacy.basis.train", "y",
           "privacy:\n  basis:\n    need: x\n    train: y\n  text: keep\n");
    expect("recommending: 1\n", "recommend.n", "7", "recommending: 1\nrecommend.n: 7\n");
    expect("#recommend:\n#  n: 5\n", "recommend.n", "7", "#recommend:\n#  n: 5\nrecommend.n: 7\n");
}

static void test_takes_out(void **state) {
    (void)state;
    expect("a: 1\nlang: en # x\nb: 2\n", "lang", NULL, "a: 1\nb: 2\n");
    expect("a: 1\n", "lang", NULL, "a: 1\n");
    expect("recommend:\n  n: 5\n", "recommend.n", NULL, "recommend:\n");
}

static void test_refuses(void **state) {
    (void)state;
    refuse("recommend: {n: 5}\n", "recommend.n", "7");
    refuse("a: \"x\n  lang: en\"\nlang: zh\n", "a.lang", "7");
    refuse("lang: \"e\nn\"\n", "lang", "zh"); // a text over two lines
    refuse("a: |\n  lang: en\n", "a.lang", "zh");
    refuse("a: [1\n", "lang", "zh");
    refuse("lang: en\n", "lang", "{a: 1}\nb: 2"); // what isn't a scalar changes more than one value
    refuse("a: 1\na: 2\n", "lang", "zh");
    refuse("- a\n", "lang", "zh");
}

// ── Properties ──

static const char *const words[] = {"a", "b", "recommend", "n", "x y", "method", "语言"};
static const char *const scalars[] = {"1",    "auto",    "\"q: # r\"", "'s'",     "2.5",
                                      "true", "a b # c", "x#y",        "\"\\\"\""};
static const char *const fillers[] = {"", "# note: x", "   # deep: 1", "\t"};

typedef struct maker {
    hd_rng rng;
    hd_str text;
    char keys[64][64];
    size_t n_keys;
} maker;

static size_t below(maker *m, size_t n) {
    return (size_t)hd_rng_below(&m->rng, n);
}

// A block of distinct keys, some with blocks of their own.
static void make_block(maker *m, const char *path, size_t indent, int depth) {
    size_t first = below(m, 7);
    size_t n = 1 + below(m, 4);
    for (size_t i = 0; i < n && m->n_keys < 60; i++) {
        const char *word = words[(first + i) % 7];
        char full[64];
        hd_snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", word);
        if (below(m, 3) == 0) hd_str_addf(&m->text, "%s\n", fillers[below(m, 3)]);
        hd_str_addf(&m->text, "%*s%s:", (int)indent, "", word);
        if (depth > 0 && below(m, 3) == 0) {
            hd_str_add(&m->text, below(m, 2) ? "\n" : "   # a block\n");
            make_block(m, full, indent + 1 + below(m, 4), depth - 1);
            continue;
        }
        hd_str_addf(&m->text, "%s%s%s\n", below(m, 2) ? " " : "   ", scalars[below(m, 9)],
                    below(m, 3) ? "" : "  # why");
        memcpy(m->keys[m->n_keys++], full, sizeof full);
    }
}

static json_t *value_at(const hd_str *text, const char *key) {
    hd_yaml yaml;
    assert_int_equal(hd_yaml_parse(hd_str_get(text), text->len, "t", &yaml), HEED_OK);
    json_t *at = yaml.root;
    while (at && *key) {
        size_t n = strcspn(key, ".");
        char part[64];
        memcpy(part, key, n);
        part[n] = '\0';
        at = json_object_get(at, part);
        key += n + (key[n] == '.');
    }
    json_incref(at);
    hd_yaml_clear(&yaml);
    return at;
}

static size_t comments(const hd_str *text) {
    size_t n = 0;
    for (const char *p = hd_str_get(text); (p = strstr(p, "# ")) != NULL; p++) n++;
    return n;
}

static void test_generated(void **state) {
    (void)state;
    maker m;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        m.rng = hd_rng_make(seed, 7);
        m.n_keys = 0;
        hd_str_init(&m.text);
        make_block(&m, "", 0, 3);
        for (size_t k = 0; k < m.n_keys; k++) {
            hd_str out;
            hd_str back;
            hd_str_init(&out);
            hd_str_init(&back);
            heed_err err = hd_yaml_edit(hd_str_get(&m.text), m.text.len, "t", m.keys[k],
                                        "\"set to this\"", &out);
            if (err != HEED_OK)
                fail_msg("seed %d, %s: %s\n%s", (int)seed, m.keys[k], heed_error_message(HEED_EN),
                         hd_str_get(&m.text));
            json_t *value = value_at(&out, m.keys[k]);
            assert_string_equal(json_string_value(value), "set to this");
            json_decref(value);
            if (comments(&out) + 1 < comments(&m.text))
                fail_msg("%s\n%s\n→\n%s", m.keys[k], hd_str_get(&m.text), hd_str_get(&out));
            // out again, and the key is gone
            assert_int_equal(hd_yaml_edit(hd_str_get(&out), out.len, "t", m.keys[k], NULL, &back),
                             HEED_OK);
            value = value_at(&back, m.keys[k]);
            assert_null(value);
            hd_str_clear(&back);
            hd_str_clear(&out);
        }
        hd_str_clear(&m.text);
    }
}

static void test_no_memory(void **state) {
    (void)state;
    static const char text[] = "recommend:\n  n: 5\n  method: auto\nlang: en\n";
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    for (uint64_t n = 1; n < 300; n++) {
        hd_str out;
        hd_str_init(&out);
        hd_mem_fail_at(n, true);
        heed_err err = hd_yaml_edit(text, sizeof text - 1, "t", "recommend.n", "7", &out);
        hd_mem_fail_at(0, true);
        assert_true(err == HEED_OK || err == HEED_MEMORY);
        hd_str_clear(&out);
        if (err == HEED_OK && n > 20) return;
    }
    fail_msg("it never ends");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaces),  cmocka_unit_test(test_replaces_blocks),
        cmocka_unit_test(test_adds),      cmocka_unit_test(test_takes_out),
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_generated),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
