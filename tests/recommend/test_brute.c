// SPDX-License-Identifier: Apache-2.0
//
// Each method against a slow implementation of its formula, written from the formula alone on dense
// arrays of doubles, over random histories with repeats and weights; the same bits from 1 to 4
// threads; reasons that add up to the score; every allocation failing in turn.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows.h"

enum { U = 37, I = 29, N = 600 };

typedef struct dense {
    double x[U][I];  // greatest weight
    int steps[U][N]; // items, runs collapsed
    int n_steps[U];
} dense;

static dense dense_of(const hd_sparse *rows) {
    static dense d;
    memset(&d, 0, sizeof d);
    for (size_t u = 0; u < U; u++) {
        for (size_t e = rows->start[u]; e < rows->start[u + 1]; e++) {
            int i = (int)rows->col[e];
            d.x[u][i] = fmax(d.x[u][i], (double)rows->weight[e]);
            int n = d.n_steps[u];
            if (n == 0 || d.steps[u][n - 1] != i) d.steps[u][d.n_steps[u]++] = i;
        }
    }
    return d;
}

// h(i) of a row as a history: decay^(rank by last occurrence) × greatest weight.
static void weigh(const hd_sparse *rows, size_t u, double decay, double h[I]) {
    double decayed = 1;
    for (int i = 0; i < I; i++) h[i] = 0;
    for (size_t e = rows->start[u + 1]; e-- > rows->start[u];) {
        int i = (int)rows->col[e];
        if (h[i] != 0) continue;
        double most = 0;
        for (size_t f = rows->start[u]; f <= e; f++) {
            if ((int)rows->col[f] == i) most = fmax(most, (double)rows->weight[f]);
        }
        h[i] = decayed * most;
        decayed *= decay;
    }
}

static void brute_item_knn(const hd_sparse *rows, const double *values, size_t u, double out[I]) {
    static double sim[I][I];
    dense d = dense_of(rows);
    for (int i = 0; i < I; i++) {
        for (int j = 0; j < I; j++) {
            double dot = 0, ni = 0, nj = 0;
            for (int v = 0; v < U; v++) {
                dot += d.x[v][i] * d.x[v][j];
                ni += d.x[v][i] * d.x[v][i];
                nj += d.x[v][j] * d.x[v][j];
            }
            double below = sqrt(ni) * sqrt(nj) + values[1];
            sim[i][j] = i == j || dot == 0 ? 0 : dot / below;
        }
    }
    double h[I];
    weigh(rows, u, values[2], h);
    for (int j = 0; j < I; j++) {
        out[j] = 0;
        for (int i = 0; i < I; i++) {
            int better = 0;
            for (int k = 0; k < I; k++) better += sim[i][k] > sim[i][j];
            if (better < (int)values[0]) out[j] += h[i] * sim[i][j];
        }
    }
}

static void brute_user_knn(const hd_sparse *rows, const double *values, size_t u, double out[I]) {
    dense d = dense_of(rows);
    double h[I], cos[U], norm = 0;
    weigh(rows, u, values[1], h);
    for (int i = 0; i < I; i++) norm += h[i] * h[i];
    for (int v = 0; v < U; v++) {
        double dot = 0, other = 0;
        for (int i = 0; i < I; i++) {
            dot += h[i] * d.x[v][i];
            other += d.x[v][i] * d.x[v][i];
        }
        cos[v] = dot > 0 ? dot / sqrt(norm) / sqrt(other) : 0;
    }
    for (int j = 0; j < I; j++) out[j] = 0;
    for (int v = 0; v < U; v++) {
        int better = 0;
        for (int k = 0; k < U; k++) better += cos[k] > cos[v];
        for (int j = 0; j < I && better < (int)values[0]; j++) out[j] += cos[v] * d.x[v][j];
    }
}

static void brute_markov(const hd_sparse *rows, const double *values, size_t u, double out[I]) {
    static double n[I][I];
    double leaving[I] = {0}, steps[I] = {0};
    dense d = dense_of(rows);
    int window = (int)values[3];
    memset(n, 0, sizeof n);
    for (int v = 0; v < U; v++) {
        for (int p = 0; p < d.n_steps[v]; p++) {
            steps[d.steps[v][p]]++;
            for (int q = p + 1; q < d.n_steps[v] && q - p <= window; q++) {
                n[d.steps[v][p]][d.steps[v][q]] += pow(values[0], q - p - 1);
            }
        }
    }
    for (int i = 0; i < I; i++) {
        for (int j = 0; j < I; j++) leaving[i] += n[i][j];
    }
    for (int j = 0; j < I; j++) out[j] = 0;
    for (int l = 0; l < window && l < d.n_steps[u]; l++) {
        int i = d.steps[u][d.n_steps[u] - 1 - l];
        for (int j = 0; j < I; j++) {
            if (n[i][j] == 0) continue;
            out[j] +=
                pow(values[0], l) * n[i][j] / pow(leaving[i], values[1]) / pow(steps[j], values[2]);
        }
    }
}

static void brute_popular(const hd_sparse *rows, const double *values, size_t u, double out[I]) {
    (void)u;
    dense d = dense_of(rows);
    for (int j = 0; j < I; j++) {
        out[j] = 0;
        for (int v = 0; v < U; v++) out[j] += values[0] != 0 ? d.x[v][j] : d.x[v][j] > 0;
    }
}

static void brute_recent(const hd_sparse *rows, const double *values, size_t u, double out[I]) {
    (void)u;
    hd_time end = 0;
    for (size_t e = 0; e < rows->n; e++) end = rows->time[e] > end ? rows->time[e] : end;
    for (int j = 0; j < I; j++) out[j] = 0;
    for (size_t v = 0; v < U; v++) {
        static bool had[I][200];
        memset(had, 0, sizeof had);
        for (size_t e = rows->start[v]; e < rows->start[v + 1]; e++) {
            if (rows->time[e] == HD_TIME_NONE) continue;
            int64_t day = (end - rows->time[e]) / HD_DAY_MS;
            if (day >= (int64_t)values[0] || had[rows->col[e]][day]) continue;
            had[rows->col[e]][day] = true;
            out[rows->col[e]]++;
        }
    }
}

static const struct brute {
    const char *name;
    void (*score)(const hd_sparse *rows, const double *values, size_t u, double out[I]);
    double values[3][ROWS_PARAMS]; // of runs; neighbour cuts only where ties are impossible: none
} brutes[] = {
    {"popular", brute_popular, {{0}, {1}, {0}}},
    {"recent", brute_recent, {{1}, {7}, {3650}}},
    {"item_knn", brute_item_knn, {{1000, 0, 1, 1000}, {1000, 7.5, .8, 1000}, {5, .1, .95, 1000}}},
    {"user_knn", brute_user_knn, {{1000, 1}, {1000, .8}, {7, .9}}},
    {"markov", brute_markov, {{.8, 1, .25, 10, 1000}, {.5, .7, 1.5, 3, 1000}, {1, 0, 0, 1, 1000}}},
};
enum { N_BRUTES = sizeof brutes / sizeof *brutes, N_RUNS = 3 };

static hd_model *fit(const hd_method *method, const hd_sparse *rows, const double *values,
                     hd_pool *pool) {
    hd_model *model = NULL;
    assert_int_equal(method->fit(rows, values, 1, pool, &model), HEED_OK);
    if (method->needs_rows) assert_int_equal(method->attach(model, rows), HEED_OK);
    return model;
}

static void test_against_brute_force(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        hd_sparse rows = rows_random(seed, U, I, N, true);
        for (size_t b = 0; b < N_BRUTES; b++) {
            const hd_method *method = hd_method_find(brutes[b].name);
            const double *values = brutes[b].values[seed - 1];
            hd_model *model = fit(method, &rows, values, NULL);
            for (size_t u = 0; u < U; u++) {
                float got[I];
                double want[I];
                hd_history history = rows_history(&rows, u);
                assert_int_equal(method->score(model, &history, got), HEED_OK);
                brutes[b].score(&rows, values, u, want);
                for (int j = 0; j < I; j++) {
                    if (fabs(got[j] - want[j]) <= 2e-6 * fabs(want[j])) continue;
                    fail_msg("%s seed %d user %zu item %d: %.9g, not %.9g", method->name, (int)seed,
                             u, j, (double)got[j], want[j]);
                }
            }
            method->free(model);
        }
        hd_sparse_clear(&rows);
    }
}

// More items than chunks, so that chunks hold several rows each.
static void test_same_bits_for_any_threads(void **state) {
    (void)state;
    enum { USERS = 150, ITEMS = 200, EVENTS = 4000 };
    hd_sparse rows = rows_random(9, USERS, ITEMS, EVENTS, true);
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        static float first[USERS][ITEMS], again[USERS][ITEMS];
        double values[ROWS_PARAMS];
        rows_values(method, NULL, 0, values);
        for (size_t p = 0; p < method->n_params; p++) {
            if (strcmp(method->params[p].name, "neighbours") == 0)
                values[p] = 12; // ties at the cut
        }
        for (size_t threads = 1; threads <= 4; threads++) {
            hd_pool *pool = NULL;
            assert_int_equal(hd_pool_new(threads, &pool), HEED_OK);
            hd_model *model = fit(method, &rows, values, pool);
            for (size_t u = 0; u < USERS; u++) {
                hd_history history = rows_history(&rows, u);
                assert_int_equal(method->score(model, &history, threads == 1 ? first[u] : again[u]),
                                 HEED_OK);
            }
            if (threads > 1) assert_memory_equal(first, again, sizeof first);
            method->free(model);
            hd_pool_free(pool);
        }
    }
    hd_sparse_clear(&rows);
}

// Shares are of the whole: those of all entries together are 1 wherever the item scores above 0,
// they fall, and an item without a score has no reasons.
static void test_reasons_add_up(void **state) {
    (void)state;
    hd_sparse rows = rows_random(4, U, I, N, true);
    for (size_t m = 0; hd_methods[m]; m++) {
        const hd_method *method = hd_methods[m];
        double values[ROWS_PARAMS];
        rows_values(method, NULL, 0, values);
        hd_model *model = fit(method, &rows, values, NULL);
        bool personal = false;
        for (size_t u = 0; u < U; u++) {
            float scores[I];
            hd_history history = rows_history(&rows, u);
            assert_int_equal(method->score(model, &history, scores), HEED_OK);
            for (uint32_t j = 0; j < I; j++) {
                hd_reason reasons[N];
                size_t n = 0;
                double sum = 0;
                assert_int_equal(method->reasons(model, &history, j, reasons, N, &n), HEED_OK);
                for (size_t r = 0; r < n; r++) {
                    assert_true(reasons[r].entry < history.n);
                    assert_true(reasons[r].share > 0);
                    assert_true(r == 0 || reasons[r].share <= reasons[r - 1].share);
                    sum += reasons[r].share;
                }
                personal = personal || n > 0;
                if (n > 0) assert_float_equal(sum, 1, 1e-9);
                if (method->needs_rows || n > 0) assert_true((n > 0) == (scores[j] > 0));
            }
        }
        bool popularity =
            strcmp(method->name, "popular") == 0 || strcmp(method->name, "recent") == 0;
        assert_true(personal != popularity);
        method->free(model);
    }
    hd_sparse_clear(&rows);
}

// An entry's share is what the score loses without it, where entries add up freely: markov, alone
// the last two steps (removing an older one moves none of the newer).
static void test_share_is_what_is_lost(void **state) {
    (void)state;
    const hd_method *markov = hd_method_find("markov");
    hd_sparse rows = rows_random(5, U, I, N, false);
    double values[ROWS_PARAMS];
    rows_values(markov, NULL, 0, values);
    hd_model *model = fit(markov, &rows, values, NULL);
    float with[I], without[I];
    hd_history two = {(uint32_t[]){3, 5}, (float[]){1, 1}, NULL, NULL, 2, HD_TIME_NONE};
    hd_history one = {(uint32_t[]){5}, (float[]){1}, NULL, NULL, 1, HD_TIME_NONE};
    assert_int_equal(markov->score(model, &two, with), HEED_OK);
    assert_int_equal(markov->score(model, &one, without), HEED_OK);
    for (uint32_t j = 0; j < I; j++) {
        hd_reason reasons[2];
        size_t n = 0;
        assert_int_equal(markov->reasons(model, &two, j, reasons, 2, &n), HEED_OK);
        for (size_t r = 0; r < n; r++) {
            double lost = reasons[r].entry == 0 ? with[j] - without[j] : without[j];
            assert_float_equal(reasons[r].share, lost / with[j], 1e-5);
        }
    }
    markov->free(model);
    hd_sparse_clear(&rows);
}

// Fits, attaches, scores and explains; frees whatever came of it.
static heed_err whole_run(const hd_method *method, const hd_sparse *rows, const double *values) {
    hd_model *model = NULL;
    heed_err err = HEED_OK;
    float scores[I];
    hd_reason reasons[4];
    size_t n;
    hd_history history = rows_history(rows, 0);
    HD_TRY_OUT(method->fit(rows, values, 1, NULL, &model));
    if (method->needs_rows) HD_TRY_OUT(method->attach(model, rows));
    HD_TRY_OUT(method->score(model, &history, scores));
    HD_TRY_OUT(method->reasons(model, &history, 1, reasons, 4, &n));
out:
    method->free(model);
    return err;
}

static void test_every_allocation_failing(void **state) {
    (void)state;
    hd_sparse rows = rows_random(6, U, I, N, true);
    for (size_t m = 0; hd_methods[m]; m++) {
        double values[ROWS_PARAMS];
        rows_values(hd_methods[m], NULL, 0, values);
        size_t before = hd_mem_used();
        heed_err err = HEED_MEMORY;
        uint64_t n = 1;
        for (; err != HEED_OK; n++) {
            assert_true(n < 10000);
            hd_mem_fail_at(n, true);
            err = whole_run(hd_methods[m], &rows, values);
            hd_mem_fail_at(0, true);
            assert_true(err == HEED_OK || err == HEED_MEMORY);
            assert_int_equal(hd_mem_used(), before);
        }
        assert_true(n > 3);
    }
    hd_sparse_clear(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_reasons_add_up),
        cmocka_unit_test(test_share_is_what_is_lost),
        cmocka_unit_test(test_every_allocation_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
