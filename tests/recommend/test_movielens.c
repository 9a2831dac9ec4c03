// SPDX-License-Identifier: Apache-2.0
//
// Figures on public data: leave last out, every unseen item ranked. Those of popularity were also
// computed by a separate script (Python, twenty lines, ties in input order), to all digits; those
// of markov must reach what a probe measured. Data: HEED_TEST_DATA, else ../shared/data beside the
// source; skipped where it isn't.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "recommend/evaluate.h"

enum { LINE = 1 << 16, MAX_EVENTS = 1000000 };

// NULL, said on stderr, where the file isn't there.
static gzFile open_data(const char *file) {
    char path[1024];
    const char *folder = getenv("HEED_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : HEED_SOURCE_ROOT "/../shared/data",
             file);
    gzFile in = gzopen(path, "rb");
    if (!in) fprintf(stderr, "skipped: no %s\n", file);
    return in;
}

typedef struct reader {
    hd_sparse_entry *entries; // (n)
    size_t n;
    uint32_t n_rows, n_cols;
} reader;

static void add(reader *r, uint32_t row, uint32_t col, hd_time time) {
    assert_true(r->n < MAX_EVENTS);
    r->entries[r->n] = (hd_sparse_entry){row, col, 1, time, (int64_t)r->n};
    r->n++;
    if (row >= r->n_rows) r->n_rows = row + 1;
    if (col >= r->n_cols) r->n_cols = col + 1;
}

static hd_sparse finish(reader *r, bool has_time) {
    hd_sparse out;
    assert_int_equal(hd_sparse_build(r->entries, r->n, r->n_rows, r->n_cols, has_time, true, &out),
                     HEED_OK);
    hd_free(r->entries);
    return out;
}

// "user item item …" a line; ids from 1.
static hd_sparse read_sequences(gzFile in) {
    static char line[LINE];
    reader r = {.entries = hd_alloc(MAX_EVENTS * sizeof(hd_sparse_entry))};
    assert_non_null(r.entries);
    while (gzgets(in, line, LINE)) {
        char *at = line;
        uint32_t row = (uint32_t)strtoul(at, &at, 10) - 1;
        for (char *end; (void)strtoul(at, &end, 10), end != at; at = end)
            add(&r, row, (uint32_t)strtoul(at, NULL, 10) - 1, 0);
    }
    gzclose(in);
    return finish(&r, false);
}

// user, item, rating, seconds; a header line.
static hd_sparse read_ratings(gzFile in) {
    static char line[LINE];
    reader r = {.entries = hd_alloc(MAX_EVENTS * sizeof(hd_sparse_entry))};
    assert_non_null(r.entries);
    assert_non_null(gzgets(in, line, LINE));
    while (gzgets(in, line, LINE)) {
        char *at = line;
        uint32_t row = (uint32_t)strtoul(at, &at, 10) - 1, col = (uint32_t)strtoul(at, &at, 10) - 1;
        strtoul(at, &at, 10);
        add(&r, row, col, (hd_time)strtoul(at, NULL, 10) * 1000);
    }
    gzclose(in);
    return finish(&r, true);
}

typedef struct figures {
    double hr, ndcg;
} figures;

static figures evaluate(const hd_sparse *events, const char *method) {
    const hd_method *methods[] = {hd_method_find(method)};
    const size_t ks[] = {10};
    hd_evaluate_params params = {.protocol = hd_protocol_find("loo"),
                                 .methods = methods,
                                 .n_methods = 1,
                                 .seed = 1,
                                 .ks = ks,
                                 .n_ks = 1};
    json_t *out = NULL;
    assert_int_equal(hd_pool_new(0, &params.pool), HEED_OK);
    assert_int_equal(hd_evaluate(events, "", &params, &out), HEED_OK);
    json_t *metrics = json_object_get(json_array_get(out, 0), "metrics");
    figures f = {json_number_value(json_object_get(metrics, "hr@10")),
                 json_number_value(json_object_get(metrics, "ndcg@10"))};
    fprintf(stderr, "%s: hr@10 %.4f, ndcg@10 %.4f\n", method, f.hr, f.ndcg);
    json_decref(out);
    hd_pool_free(params.pool);
    return f;
}

static void movielens_100k(void **state) {
    (void)state;
    gzFile in = open_data("movielens-100k/ratings.tsv.gz");
    if (!in) skip();
    hd_sparse events = read_ratings(in);
    assert_int_equal(events.n, 100000);
    assert_int_equal(events.n_rows, 943);
    figures f = evaluate(&events, "popular");
    assert_true(fabs(f.hr - 0.08589607635206786) < 1e-12 &&
                fabs(f.ndcg - 0.044912560002852334) < 1e-12);
    hd_sparse_clear(&events);
}

static void movielens_1m(void **state) {
    (void)state;
    gzFile in = open_data("movielens-1m-seq/ml1m_seq.txt.gz");
    if (!in) skip();
    hd_sparse events = read_sequences(in);
    assert_int_equal(events.n, 987531);
    assert_int_equal(events.n_rows, 6040);
    assert_int_equal(events.n_cols, 3416);
    figures f = evaluate(&events, "popular");
    assert_true(fabs(f.hr - 0.04039735099337748) < 1e-12 &&
                fabs(f.ndcg - 0.020050126044942926) < 1e-12);
    f = evaluate(&events, "markov");
    assert_true(f.hr >= .283 && f.ndcg >= .16);
    hd_sparse_clear(&events);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(movielens_100k),
                                       cmocka_unit_test(movielens_1m)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
