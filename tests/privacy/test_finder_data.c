// SPDX-License-Identifier: Apache-2.0
//
// The finder's figures: F1 of at least .95 over the 300 Chinese sentences in finder_zh.tsv, and of
// at least .90 over the types that it claims on pii-synth (HEED_TEST_DATA, else ../shared/data
// beside the source; skipped where it isn't). A finding counts when type, start and end are right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/json.h"
#include "base/unicode.h"
#include "privacy/finder.h"

enum { LINE = 1 << 16, MAX_SPANS = 64 };

typedef struct span {
    hd_pii type;
    size_t start, n;
} span;

typedef struct tally {
    int64_t texts, wanted, found, right;
} tally;

static char line[LINE];

static void count(hd_finder *finder, unsigned types, const char *text, const span *spans, size_t n,
                  tally *out) {
    const hd_finding *found;
    size_t n_found;
    assert_int_equal(hd_finder_scan(finder, hd_slice_of(text), HD_PII_ALL, &found, &n_found),
                     HEED_OK);
    out->texts++;
    for (size_t k = 0; k < n; k++) out->wanted += (types & HD_PII_BIT(spans[k].type)) != 0;
    for (size_t i = 0; i < n_found; i++) {
        if (!(types & HD_PII_BIT(found[i].type))) continue;
        out->found++;
        for (size_t k = 0; k < n; k++)
            out->right += spans[k].type == found[i].type && spans[k].start == found[i].start &&
                          spans[k].n == found[i].n;
    }
}

static double f1(const tally *t) {
    return 2.0 * (double)t->right / (double)(t->found + t->wanted);
}

static size_t unmark(char *text, span *spans) {
    size_t n = 0;
    char *to = text;
    for (char *from = text; *from;) {
        char *colon = *from == '[' ? strchr(from, ':') : NULL;
        char *end = colon ? strchr(colon, ']') : NULL;
        hd_pii type;
        if (!end || !hd_pii_find((hd_slice){from + 1, (size_t)(colon - from - 1)}, &type)) {
            *to++ = *from++;
            continue;
        }
        size_t len = (size_t)(end - colon - 1);
        spans[n++] = (span){type, (size_t)(to - text), len};
        memmove(to, colon + 1, len);
        to += len;
        from = end + 1;
    }
    *to = '\0';
    return n;
}

static void chinese_sentences(void **state) {
    (void)state;
    hd_finder *finder;
    assert_int_equal(hd_finder_new(&finder), HEED_OK);
    FILE *in = fopen(HEED_SOURCE_ROOT "/tests/privacy/finder_zh.tsv", "r");
    assert_non_null(in);
    tally sum = {0};
    int64_t empty = 0;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        char *text = strchr(line, '\t');
        if (line[0] == '#' || !text) continue;
        span spans[MAX_SPANS];
        size_t n = unmark(++text, spans);
        empty += n == 0;
        count(finder, HD_PII_ALL, text, spans, n, &sum);
    }
    fclose(in);
    hd_finder_free(finder);
    assert_int_equal(sum.texts, 300);
    assert_true(empty >= 100);
    assert_true(f1(&sum) >= 0.95);
}

static const struct synth_type {
    const char *name;
    hd_pii type;
} synth_types[] = {{"EMAIL_ADDRESS", HD_PII_EMAIL}, {"PHONE_NUMBER", HD_PII_PHONE},
                   {"IP_ADDRESS", HD_PII_IP},       {"DOMAIN_NAME", HD_PII_URL},
                   {"CREDIT_CARD", HD_PII_CARD},    {"IBAN_CODE", HD_PII_IBAN},
                   {"US_SSN", HD_PII_SSN}};
enum { N_SYNTH_TYPES = sizeof synth_types / sizeof synth_types[0] };

static size_t byte_of(const char *text, int64_t character) {
    size_t i = 0;
    uint32_t c;
    for (; character > 0; character--) i += hd_utf8_next(text + i, strlen(text + i), &c);
    return i;
}

static size_t read_spans(const json_t *row, const char *text, span *spans) {
    size_t n = 0;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(row, "spans"), i, entry) {
        const char *name = json_string_value(json_object_get(entry, "type"));
        size_t start = byte_of(text, json_integer_value(json_object_get(entry, "start")));
        size_t end = byte_of(text, json_integer_value(json_object_get(entry, "end")));
        for (size_t t = 0; t < N_SYNTH_TYPES && n < MAX_SPANS; t++)
            if (strcmp(synth_types[t].name, name) == 0)
                spans[n++] = (span){synth_types[t].type, start, end - start};
    }
    return n;
}

static void synthetic_english(void **state) {
    (void)state;
    char path[1024];
    const char *folder = getenv("HEED_TEST_DATA");
    snprintf(path, sizeof path, "%s/pii-synth/synth_dataset_v2.jsonl.gz",
             folder ? folder : HEED_SOURCE_ROOT "/../shared/data");
    gzFile in = gzopen(path, "rb");
    if (!in) {
        fprintf(stderr, "skipped: no pii-synth\n");
        skip();
    }
    hd_finder *finder;
    assert_int_equal(hd_finder_new(&finder), HEED_OK);
    unsigned types = 0;
    for (size_t t = 0; t < N_SYNTH_TYPES; t++) types |= HD_PII_BIT(synth_types[t].type);
    tally sum = {0};
    while (gzgets(in, line, sizeof line)) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        const char *text = json_string_value(json_object_get(row, "text"));
        span spans[MAX_SPANS];
        size_t n = read_spans(row, text, spans);
        count(finder, types, text, spans, n, &sum);
        json_decref(row);
    }
    gzclose(in);
    hd_finder_free(finder);
    assert_int_equal(sum.texts, 1500);
    assert_true(f1(&sum) >= 0.90);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chinese_sentences),
        cmocka_unit_test(synthetic_english),
    };
    return cmocka_run_group_tests_name("finder_data", tests, NULL, NULL);
}
