// SPDX-License-Identifier: Apache-2.0
//
// The silhouette (Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
// cluster analysis", J. Comput. Appl. Math. 20, 1987). All pairs of the sample; each point's value
// has its own place and they are added in order, so the bits don't depend on threads.
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/distance.h"
#include "classic/kmeans.h"

enum { ROWS = 32 };

typedef struct pairs {
    const double *x; // (n, d)
    size_t d, k;
    const uint32_t *label; // (n)
    const size_t *pick;    // (m) points of the sample
    size_t m;
    size_t *count; // (k) of the sample
    double *value; // (m)
} pairs;

// sums: (k) room.
static double value_of(const pairs *p, size_t row, double *sums) {
    size_t own = p->label[p->pick[row]];
    if (p->count[own] < 2) return 0.0;
    for (size_t c = 0; c < p->k; c++) sums[c] = 0.0;
    for (size_t j = 0; j < p->m; j++) {
        sums[p->label[p->pick[j]]] +=
            sqrt(hd_squared_distance(p->x + p->pick[row] * p->d, p->x + p->pick[j] * p->d, p->d));
    }
    double a = sums[own] / (double)(p->count[own] - 1);
    double b = INFINITY;
    for (size_t c = 0; c < p->k; c++) {
        if (c == own || p->count[c] == 0) continue;
        b = fmin(b, sums[c] / (double)p->count[c]);
    }
    if (isinf(b) || fmax(a, b) == 0.0) return 0.0;
    return (b - a) / fmax(a, b);
}

static heed_err value_chunk(void *ctx, size_t chunk) {
    pairs *p = ctx;
    double *sums = hd_alloc(p->k * sizeof *sums);
    if (!sums) return HD_FAIL_MEMORY(p->k * sizeof *sums);
    for (size_t row = chunk * ROWS; row < (chunk + 1) * ROWS && row < p->m; row++) {
        p->value[row] = value_of(p, row, sums);
    }
    hd_free(sums);
    return HEED_OK;
}

static int ascending(const void *a, const void *b) {
    const size_t *x = a;
    const size_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

// m of the numbers below n, in ascending order: the start of a Fisher–Yates shuffle.
static heed_err draw(size_t n, size_t m, uint64_t seed, size_t **out) {
    size_t *all = hd_alloc(n * sizeof *all);
    if (!all) return HD_FAIL_MEMORY(n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = i;
    hd_rng rng = hd_rng_make(seed, 0);
    for (size_t i = 0; i < m && m < n; i++) {
        size_t j = i + (size_t)hd_rng_below(&rng, n - i);
        size_t aside = all[i];
        all[i] = all[j];
        all[j] = aside;
    }
    qsort(all, m, sizeof *all, ascending);
    *out = all;
    return HEED_OK;
}

heed_err hd_silhouette(const double *x, size_t n, size_t d, const uint32_t *label, size_t k,
                       size_t sample, uint64_t seed, hd_pool *pool, double *out) {
    size_t m = sample == 0 || sample > n ? n : sample;
    size_t *pick = NULL;
    HD_TRY(draw(n, m, seed, &pick));
    pairs p = {.x = x, .d = d, .k = k, .label = label, .pick = pick, .m = m};
    p.count = hd_calloc(k, sizeof *p.count);
    p.value = hd_calloc(m, sizeof *p.value);
    heed_err err = p.count && p.value ? HEED_OK : HD_FAIL_MEMORY(m * sizeof *p.value);
    if (err == HEED_OK) {
        for (size_t i = 0; i < m; i++) p.count[label[pick[i]]]++;
        err = hd_pool_run(pool, (m + ROWS - 1) / ROWS, value_chunk, &p);
    }
    if (err == HEED_OK) {
        double sum = 0.0;
        for (size_t i = 0; i < m; i++) sum += p.value[i];
        *out = m > 0 ? sum / (double)m : 0.0;
    }
    hd_free(pick);
    hd_free(p.count);
    hd_free(p.value);
    return err;
}
