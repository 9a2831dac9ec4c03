// SPDX-License-Identifier: Apache-2.0
//
// CSV: RFC 4180, line numbers, wrong quotes, widths, over-long lines; and that cutting plain lines
// ourselves gives what libcsv gives.
#include "rows.h"

#include <csv.h>

#include "base/rng.h"
#include "prepare/read/reader.h"

static void lines_are_counted_through_quotes(void **state) {
    (void)state;
    hd_importer_params p = test_params("reviews.csv");
    test_rows(&p,
              "item,text,rating\r\n"
              "a,\"one\r\ntwo \"\"2\"\"\r\nthree\",5\r\n"
              "\r\n"
              "b,\"x,y\",4\r\n"
              "c,plain,x\r\n"
              "d,last,1",
              "2 review item=a rating=5 text=one\r\ntwo \"2\"\r\nthree\n"
              "6 review item=b rating=4 text=x,y\n"
              "7 bad column 'rating' (rating): 'x' is not a number: write it like 1234.5\n"
              "8 review item=d rating=1 text=last\n");
}

static void old_macintosh_lines(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,city\ra,X\rb,\"Y\rZ\"\r",
              "2 user id=a attributes={\"city\":\"X\"}\n"
              "3 user id=b attributes={\"city\":\"Y\\rZ\"}\n");
}

static void blanks_around_values(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, " user_id , city \n a , \"X \" \nb,5\" pipe\n",
              "2 user id=a attributes={\"city\":\"X \"}\n"
              "3 user id=b attributes={\"city\":\"5\\\" pipe\"}\n");
}

static void lines_that_are_no_rows(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "sep=;\r\nuser_id;city\r\na;x,y\r\n",
              "3 user id=a attributes={\"city\":\"x,y\"}\n");
    test_rows(&p, "sep=|\nuser_id|city\na|x\n", "3 user id=a attributes={\"city\":\"x\"}\n");
    test_rows(&p, "user_id,city\na,x\nuser_id,city\nb,y\n",
              "2 user id=a attributes={\"city\":\"x\"}\n"
              "3 bad the header stands here again: files were joined, take the line out\n"
              "4 user id=b attributes={\"city\":\"y\"}\n");
    p = test_params("events.csv");
    test_rows(&p, "user_id,time\na,2024-01-02\nb,0000-00-00 00:00:00\n",
              "2 event user=a type=view time=2024-01-02T00:00:00Z\n"
              "3 event user=b type=view\n");
}

static void quote_left_open(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,city\na,X\nb,\"open\nc,Z\n",
              "2 user id=a attributes={\"city\":\"X\"}\n"
              "3 bad the quote that opens in line 3 is not closed: close it, or write a quote sign "
              "inside a value twice\n"
              "4 user id=c attributes={\"city\":\"Z\"}\n");
    // The row begins in line 2, the quote in line 3.
    test_rows(&p, "user_id,city\n\"a\n\",\"open\n",
              "2 bad the quote that opens in line 3 is not closed: close it, or write a quote sign "
              "inside a value twice\n"
              "3 bad a quote sign stands where none may (the value that opens in line 3): put the "
              "whole value in quotes, and write quote signs inside it twice\n");
}

static void quote_in_the_midst(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,city\na,\"X\"Y\nb,Z\n",
              "2 bad a quote sign stands where none may (the value that opens in line 2): put the "
              "whole value in quotes, and write quote signs inside it twice\n"
              "3 user id=b attributes={\"city\":\"Z\"}\n");
}

static void widths(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    test_rows(&p, "user_id,city\na,X,\nb\nc,Y,Z\nd,W\n",
              "2 user id=a attributes={\"city\":\"X\"}\n"
              "3 bad the row has 1 fields where 2 are due: put values that hold the delimiter in "
              "quotes, and end no row early\n"
              "4 bad the row has 3 fields where 2 are due: put values that hold the delimiter in "
              "quotes, and end no row early\n"
              "5 user id=d attributes={\"city\":\"W\"}\n");
}

static void carriage_return_alone(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    const char *bad = " bad a carriage return stands inside the row: put the value in quotes, or "
                      "end all lines alike\n";
    char expected[512];
    hd_snprintf(expected, sizeof expected, "2%s3%s4 user id=c attributes={\"city\":\"1\\r2\"}\n",
                bad, bad);
    test_rows(&p, "user_id,city\na,X\rY\n\"b\",X\rY,Z\nc,\"1\r2\"\n", expected);
}

static void over_long_lines(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    p.max_line = 1024;
    enum { LONG = 2 * 1024 * 1024 };
    char *text = hd_alloc(LONG + 64);
    assert_non_null(text);
    size_t n = (size_t)hd_snprintf(text, 64, "user_id,city\na,X\n");
    memset(text + n, 'z', LONG);
    n += LONG;
    n += (size_t)hd_snprintf(text + n, 16, "\nb,Y\n");
    test_rows_n(&p, text, n,
                "2 user id=a attributes={\"city\":\"X\"}\n"
                "3 bad the line is longer than 1024 bytes: split it, or raise the limit "
                "(import.max_line)\n"
                "4 user id=b attributes={\"city\":\"Y\"}\n");
    // A quote that is left open doesn't swallow the file: it stops at the limit.
    memset(text, 'z', LONG);
    n = (size_t)hd_snprintf(text, 64, "user_id,city\na,\"X\nb,Y\n");
    for (; n < 4000; n += 4) memcpy(text + n, "c,Z\n", 4);
    hd_importer *in = NULL;
    assert_int_equal(hd_importer_open_memory(&p, text, n, &in), HEED_OK);
    hd_import_row row;
    assert_int_equal(hd_importer_next(in, &row), HEED_OK);
    assert_int_equal(row.state, HD_ROW_BAD);
    assert_int_equal(row.line, 2);
    assert_true(hd_slice_eq(row.raw, "a,\"X"));
    assert_int_equal(hd_importer_next(in, &row), HEED_OK);
    assert_int_equal(row.state, HD_ROW_RECORD);
    assert_int_equal(row.line, 3);
    hd_importer_close(in);
    hd_free(text);
}

static void very_many_fields(void **state) {
    (void)state;
    hd_importer_params p = test_params("users.csv");
    enum { N = 70000 };
    char *text = hd_alloc(N + 64);
    assert_non_null(text);
    size_t n = (size_t)hd_snprintf(text, 64, "user_id,city\n");
    memset(text + n, ',', N);
    text[n + N] = '\n';
    test_rows_n(&p, text, n + N + 1, "2 bad the row has more than 65536 fields\n");
    memset(text, ',', N);
    text[5000] = '\n';
    test_refused(&p, text, 6000, "the first row has more than 4096 columns");
    hd_free(text);
}

// ── Against libcsv ──────────────────────────────────────────────────────────────────────────────

typedef struct reference {
    hd_str text; // fields in brackets, a line a row
    bool begun;
} reference;

static void reference_field(void *text, size_t n, void *data) {
    reference *r = data;
    r->begun = true;
    hd_str_addf(&r->text, "[%.*s]", (int)n, n > 0 ? (const char *)text : "");
}

static void reference_row(int end, void *data) {
    reference *r = data;
    (void)end;
    if (r->begun) hd_str_addc(&r->text, '\n');
    r->begun = false;
}

static void read_by_libcsv(hd_slice text, hd_str *out) {
    reference r = {.begun = false};
    hd_str_init(&r.text);
    struct csv_parser parser;
    assert_int_equal(csv_init(&parser, 0), 0);
    assert_int_equal(csv_parse(&parser, text.p, text.n, reference_field, reference_row, &r),
                     text.n);
    assert_int_equal(csv_fini(&parser, reference_field, reference_row, &r), 0);
    csv_free(&parser);
    *out = r.text;
}

static void read_by_heed(hd_slice text, hd_str *out) {
    hd_source *source = NULL;
    hd_decoder *decoder = NULL;
    hd_reader reader;
    hd_import_row reason;
    hd_row row;
    hd_str_init(out);
    hd_reader_init(&reader);
    reader.format = &hd_format_csv;
    reader.cut = (hd_cut){.sign = ",", .n = 1, .quotes = true};
    assert_int_equal(hd_source_open_memory("t", text.p, text.n, &source), HEED_OK);
    assert_int_equal(hd_decoder_open(source, "utf-8", &decoder), HEED_OK);
    assert_int_equal(hd_feed_open(decoder, 1 << 20, &reader.feed), HEED_OK);
    for (;;) {
        assert_int_equal(hd_reader_next(&reader, &reason, &row), HEED_OK);
        if (row.state != HD_ROW_RECORD) break;
        for (size_t i = 0; i < row.n; i++) {
            hd_slice s = row.cells[i].text;
            hd_str_addf(out, "[%.*s]", (int)s.n, s.p);
        }
        hd_str_addc(out, '\n');
    }
    assert_int_equal(row.state, HD_ROW_END);
    hd_reader_clear(&reader);
    hd_decoder_close(decoder);
    hd_source_close(source);
}

// A file without wrong quotes: rows of plain fields (with blanks, tabs and quote signs inside), and
// rows in which some are quoted (with everything inside). A row with both quoted fields and quote
// signs in plain ones is a bad row here and data in libcsv's lenient mode: none is made.
static size_t make_file(hd_rng *rng, char *out) {
    static const char inside[] = "ab ,\n\"\t";
    size_t n = 0;
    for (uint64_t rows = 1 + hd_rng_below(rng, 6); rows > 0; rows--) {
        bool quotes = hd_rng_below(rng, 2) == 0;
        for (uint64_t fields = 1 + hd_rng_below(rng, 4); fields > 0; fields--) {
            bool quoted = quotes && hd_rng_below(rng, 2) == 0;
            if (hd_rng_below(rng, 4) == 0) out[n++] = ' ';
            if (quoted) out[n++] = '"';
            for (uint64_t k = hd_rng_below(rng, 5); k > 0; k--) {
                char c = inside[hd_rng_below(rng, sizeof inside - 1)];
                bool special = c == ',' || c == '\n';
                if (!quoted && (special || (quotes && c == '"'))) continue;
                if (!quoted && c == '"') out[n++] = 'x'; // not the field's first sign
                out[n++] = c;
                if (quoted && c == '"') out[n++] = c;
            }
            if (quoted) out[n++] = '"';
            if (hd_rng_below(rng, 4) == 0) out[n++] = ' ';
            if (fields > 1) out[n++] = ',';
        }
        if (hd_rng_below(rng, 2)) out[n++] = '\r';
        out[n++] = '\n';
    }
    return n;
}

static void same_as_libcsv(void **state) {
    (void)state;
    hd_rng rng = hd_rng_make(7, 1);
    for (int i = 0; i < 8000; i++) {
        char text[1024];
        hd_slice s = {text, make_file(&rng, text)};
        hd_str ours, theirs;
        read_by_heed(s, &ours);
        read_by_libcsv(s, &theirs);
        if (strcmp(hd_str_get(&ours), hd_str_get(&theirs)) != 0) {
            fail_msg("file %d:\n%.*s\nours:\n%s\ntheirs:\n%s", i, (int)s.n, s.p, hd_str_get(&ours),
                     hd_str_get(&theirs));
        }
        hd_str_clear(&ours);
        hd_str_clear(&theirs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_counted_through_quotes),
        cmocka_unit_test(old_macintosh_lines),
        cmocka_unit_test(blanks_around_values),
        cmocka_unit_test(lines_that_are_no_rows),
        cmocka_unit_test(quote_left_open),
        cmocka_unit_test(quote_in_the_midst),
        cmocka_unit_test(widths),
        cmocka_unit_test(carriage_return_alone),
        cmocka_unit_test(over_long_lines),
        cmocka_unit_test(very_many_fields),
        cmocka_unit_test(same_as_libcsv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
