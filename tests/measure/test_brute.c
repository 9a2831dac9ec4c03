// SPDX-License-Identifier: Apache-2.0
//
// Metrics against a second implementation written as plainly as possible, on random data: dense
// matrices, no shared code, every formula spelled out again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "measure/ranking.h"

enum { USERS = 150, ITEMS = 60, LIST = 15, MAX_EVENTS = 40 };

typedef struct world {
    int events[USERS][ITEMS]; // how many
    int n_events[USERS];
    uint32_t ranked[USERS][LIST];
    size_t n_ranked[USERS];
    uint32_t relevant[USERS][ITEMS];
    size_t n_relevant[USERS];
} world;

static void make_history(world *w, hd_rng *rng, size_t u, hd_sparse_entry *entries, size_t *n) {
    size_t count = u % 10 == 0 ? 0 : hd_rng_below(rng, MAX_EVENTS);
    for (size_t e = 0; e < count; e++) {
        // Skewed: low items are popular, the last five nobody's.
        double x = hd_rng_uniform(rng);
        uint32_t item = (uint32_t)(x * x * x * (ITEMS - 5));
        entries[(*n)++] = (hd_sparse_entry){(uint32_t)u, item, 1, 0, 0};
        w->events[u][item]++;
        w->n_events[u]++;
    }
}

static void make_lists(world *w, hd_rng *rng, size_t u) {
    uint32_t order[ITEMS];
    for (uint32_t i = 0; i < ITEMS; i++) order[i] = i;
    hd_rng_shuffle(rng, order, ITEMS, sizeof *order);
    w->n_ranked[u] = hd_rng_below(rng, LIST + 1);
    memcpy(w->ranked[u], order, sizeof w->ranked[u]);
    hd_rng_shuffle(rng, order, ITEMS, sizeof *order);
    w->n_relevant[u] = 1 + hd_rng_below(rng, 12);
    memcpy(w->relevant[u], order, w->n_relevant[u] * sizeof *order);
}

static bool is_relevant(const world *w, size_t u, uint32_t item) {
    for (size_t i = 0; i < w->n_relevant[u]; i++)
        if (w->relevant[u][i] == item) return true;
    return false;
}

static int users_of(const world *w, uint32_t i) {
    int n = 0;
    for (size_t u = 0; u < USERS; u++) n += w->events[u][i] > 0;
    return n;
}

static int events_of(const world *w, uint32_t i) {
    int n = 0;
    for (size_t u = 0; u < USERS; u++) n += w->events[u][i];
    return n;
}

static double cosine(const world *w, uint32_t i, uint32_t j) {
    int both = 0;
    for (size_t u = 0; u < USERS; u++) both += w->events[u][i] > 0 && w->events[u][j] > 0;
    return both ? both / sqrt((double)users_of(w, i) * users_of(w, j)) : 0;
}

// An item is in the tail when the items before it, by popularity then index, hold 80% of events.
static bool in_tail(const world *w, uint32_t item) {
    int before = 0, all = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        int n = events_of(w, i), mine = events_of(w, item);
        if (n > mine || (n == mine && i < item)) before += n;
        all += n;
    }
    return 5 * before >= 4 * all;
}

enum { HR, RECALL, PRECISION, NDCG, MRR, MAP, NOVELTY, DIVERSITY, SERENDIPITY, ARP, TAIL };
enum { COVERAGE = TAIL + 1, GINI, ENTROPY, METRICS };

static void accuracy_of(const world *w, size_t u, size_t k, double *out) {
    size_t n = w->n_ranked[u] < k ? w->n_ranked[u] : k;
    double hits = 0, dcg = 0, best = 0, precisions = 0, first = 0;
    for (size_t rank = 1; rank <= n; rank++) {
        if (!is_relevant(w, u, w->ranked[u][rank - 1])) continue;
        hits++;
        if (first == 0) first = (double)rank;
        dcg += 1 / log2((double)rank + 1);
        precisions += hits / (double)rank;
    }
    double reachable = fmin((double)k, (double)w->n_relevant[u]);
    for (size_t rank = 1; rank <= (size_t)reachable; rank++) best += 1 / log2((double)rank + 1);
    out[HR] = hits > 0;
    out[RECALL] = hits / (double)w->n_relevant[u];
    out[PRECISION] = hits / (double)k;
    out[NDCG] = dcg / best;
    out[MRR] = first > 0 ? 1 / first : 0;
    out[MAP] = precisions / reachable;
}

static double unlike_history(const world *w, size_t u, uint32_t item) {
    double sum = 0, n = 0;
    for (uint32_t j = 0; j < ITEMS; j++) {
        if (w->events[u][j] == 0) continue;
        sum += cosine(w, item, j);
        n++;
    }
    return n > 0 ? 1 - sum / n : 1;
}

static void beyond_of(const world *w, size_t u, size_t k, double active, double *out) {
    size_t n = w->n_ranked[u] < k ? w->n_ranked[u] : k;
    double pairs = 0, likeness = 0;
    for (size_t m = NOVELTY; m <= TAIL; m++) out[m] = 0;
    if (n == 0) return;
    for (size_t p = 0; p < n; p++) {
        uint32_t i = w->ranked[u][p];
        out[NOVELTY] += -log2(fmax(users_of(w, i), 1) / active) / (double)n;
        out[ARP] += events_of(w, i) / (double)n;
        out[TAIL] += in_tail(w, i) / (double)n;
        if (is_relevant(w, u, i)) out[SERENDIPITY] += unlike_history(w, u, i) / (double)n;
        for (size_t q = p + 1; q < n; q++) {
            likeness += cosine(w, i, w->ranked[u][q]);
            pairs++;
        }
    }
    out[DIVERSITY] = pairs > 0 ? 1 - likeness / pairs : 0;
}

static int by_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void exposure_of(const world *w, size_t k, double *out) {
    double shown[ITEMS] = {0}, all = 0;
    for (size_t u = 0; u < USERS; u++)
        for (size_t p = 0; p < k && p < w->n_ranked[u]; p++, all++) shown[w->ranked[u][p]]++;
    qsort(shown, ITEMS, sizeof *shown, by_double);
    out[COVERAGE] = out[GINI] = out[ENTROPY] = 0;
    for (size_t j = 1; j <= ITEMS; j++) {
        double p = shown[j - 1] / all;
        out[COVERAGE] += p > 0 ? 1. / ITEMS : 0;
        out[GINI] += (2 * (double)j - ITEMS - 1) * p / (ITEMS - 1);
        out[ENTROPY] += p > 0 ? -p * log(p) / log(2) : 0;
    }
}

static void brute(const world *w, size_t k, double *out) {
    double one[METRICS], active = 0;
    for (size_t u = 0; u < USERS; u++) active += w->n_events[u] > 0;
    for (size_t m = 0; m < METRICS; m++) out[m] = 0;
    for (size_t u = 0; u < USERS; u++) {
        accuracy_of(w, u, k, one);
        beyond_of(w, u, k, active, one);
        for (size_t m = 0; m <= TAIL; m++) out[m] += one[m] / USERS;
    }
    exposure_of(w, k, out);
}

static void same_as_brute_force(uint64_t seed, hd_pool *pool) {
    static world w;
    static hd_sparse_entry entries[USERS * MAX_EVENTS];
    hd_rng rng = hd_rng_make(seed, 0);
    hd_rank_case cases[USERS];
    hd_sparse train, columns;
    size_t n_entries = 0, n = 0, ks[] = {1, 5, 10, 20};
    memset(&w, 0, sizeof w);
    for (size_t u = 0; u < USERS; u++) {
        make_history(&w, &rng, u, entries, &n_entries);
        make_lists(&w, &rng, u);
        cases[u] =
            (hd_rank_case){(uint32_t)u, w.ranked[u], w.n_ranked[u], w.relevant[u], w.n_relevant[u]};
    }
    assert_int_equal(hd_sparse_build(entries, n_entries, USERS, ITEMS, false, false, &train), 0);
    assert_int_equal(hd_sparse_transpose(&train, &columns), HEED_OK);
    hd_rank_context context = {&train, &columns, seed, 0};
    hd_metric_value *got = NULL;
    assert_int_equal(hd_rank_measure(&context, cases, USERS, ks, 4, pool, &got, &n), HEED_OK);
    assert_int_equal(n, 4 * METRICS);
    for (size_t i = 0; i < 4; i++) {
        double want[METRICS];
        brute(&w, ks[i], want);
        for (size_t m = 0; m < METRICS; m++) {
            const hd_metric_value *v = &got[i * METRICS + m];
            if (fabs(v->value - want[m]) > 1e-12 * fmax(1, fabs(want[m])))
                fail_msg("seed %d, %s: %.17g, brute force %.17g", (int)seed, v->name, v->value,
                         want[m]);
        }
    }
    hd_free(got);
    hd_sparse_clear(&columns);
    hd_sparse_clear(&train);
}

static void brute_force(void **state) {
    (void)state;
    hd_pool *pool = NULL;
    assert_int_equal(hd_pool_new(3, &pool), HEED_OK);
    for (uint64_t seed = 1; seed <= 6; seed++) same_as_brute_force(seed, seed % 2 ? pool : NULL);
    hd_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(brute_force)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
