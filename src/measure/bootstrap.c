// SPDX-License-Identifier: Apache-2.0
//
// The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter
// 13). Resample b draws from random stream STREAM + b, so resamples can be done in any order and by
// any thread. Users stand in rows, so that a draw adds one contiguous row to all means at once.
//
// An index is the high half of a 32-bit draw times n (Lemire's multiply-shift without rejection):
// its bias is below n / 2^32, far under the noise of a thousand resamples, and each 64-bit random
// value serves two draws. Poisson weights would be cheaper still, but change the sample size.
#include "measure/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { RESAMPLES_PER_CHUNK = 8 };
static const uint64_t STREAM =
    UINT64_C(0x626f6f7400000000); // "boot": apart from other users' streams

typedef struct bootstrap_job {
    const double *values; // (n, m)
    size_t n, m;
    size_t resamples;
    uint64_t seed;
    double *means; // (resamples, m)
} bootstrap_job;

static void add_row(double *restrict sum, const double *restrict row, size_t m) {
    for (size_t j = 0; j < m; j++) sum[j] += row[j];
}

static void resample(const bootstrap_job *job, size_t b) {
    double *sum = job->means + b * job->m;
    for (size_t i = 0; i < job->n; i += 2) {
        uint64_t draw = hd_rng_at(job->seed, STREAM + b, i / 2);
        size_t first = (size_t)((draw & UINT32_MAX) * job->n >> 32);
        size_t second = (size_t)((draw >> 32) * job->n >> 32);
        add_row(sum, job->values + first * job->m, job->m);
        if (i + 1 < job->n) add_row(sum, job->values + second * job->m, job->m);
    }
    for (size_t j = 0; j < job->m; j++) sum[j] /= (double)job->n;
}

static heed_err resample_chunk(void *ctx, size_t chunk) {
    const bootstrap_job *job = ctx;
    size_t end = (chunk + 1) * RESAMPLES_PER_CHUNK;
    if (end > job->resamples) end = job->resamples;
    for (size_t b = chunk * RESAMPLES_PER_CHUNK; b < end; b++) resample(job, b);
    return HEED_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Linear between the two nearest ranks (R's type 7).
static double percentile(const double *sorted, size_t n, double share) {
    double at = share * (double)(n - 1);
    size_t below = (size_t)floor(at);
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

heed_err hd_bootstrap_means(const double *values, size_t n, size_t m, size_t resamples,
                            uint64_t seed, hd_pool *pool, double *low, double *high) {
    heed_err err = HEED_OK;
    bootstrap_job job = {values, n, m, resamples, seed, hd_calloc(resamples * m, sizeof(double))};
    double *column = hd_alloc(resamples * sizeof *column);
    if (!job.means || !column) {
        err = HD_FAIL_MEMORY(resamples * (m + 1) * sizeof(double));
        goto out;
    }
    size_t n_chunks = (resamples + RESAMPLES_PER_CHUNK - 1) / RESAMPLES_PER_CHUNK;
    HD_TRY_OUT(hd_pool_run(pool, n_chunks, resample_chunk, &job));
    for (size_t j = 0; j < m; j++) {
        for (size_t b = 0; b < resamples; b++) column[b] = job.means[b * m + j];
        qsort(column, resamples, sizeof *column, by_value);
        low[j] = percentile(column, resamples, .025);
        high[j] = percentile(column, resamples, .975);
    }
out:
    hd_free(job.means);
    hd_free(column);
    return err;
}

// ── Any figures ──

typedef struct figures_job {
    const hd_resampling *what;
    double *values;
} figures_job;

static void draw_rows(const hd_resampling *w, size_t b, uint32_t *times) {
    memset(times, 0, w->n * sizeof *times);
    for (size_t i = 0; i < w->n; i += 2) {
        uint64_t draw = hd_rng_at(w->seed, STREAM + b, i / 2);
        times[(draw & UINT32_MAX) * w->n >> 32]++;
        if (i + 1 < w->n) times[(draw >> 32) * w->n >> 32]++;
    }
}

static void draw_blocks(const hd_resampling *w, size_t b, uint32_t *times) {
    size_t block = w->block < w->n ? w->block : w->n;
    memset(times, 0, w->n * sizeof *times);
    for (size_t drawn = 0, i = 0; drawn < w->n; drawn += block, i++) {
        uint64_t draw = hd_rng_at(w->seed, STREAM + b, i) & UINT32_MAX;
        size_t from = (size_t)(draw * (w->n - block + 1) >> 32);
        size_t length = w->n - drawn < block ? w->n - drawn : block;
        for (size_t j = 0; j < length; j++) times[from + j]++;
    }
}

// From places of the resample's stream that no row reaches.
static void draw_beside(const hd_resampling *w, size_t b, uint32_t *times) {
    static const uint64_t beyond = UINT64_C(1) << 40;
    if (w->beside > 0) memset(times, 0, w->beside * sizeof *times);
    for (size_t i = 0; i < w->beside; i++) {
        uint64_t draw = hd_rng_at(w->seed, STREAM + b, beyond + i) & UINT32_MAX;
        times[draw * w->beside >> 32]++;
    }
}

static heed_err figures_chunk(void *ctx, size_t chunk) {
    const figures_job *job = ctx;
    const hd_resampling *w = job->what;
    size_t n_times = w->n + w->beside;
    uint32_t *times = hd_calloc(n_times, sizeof *times);
    if (!times) return HD_FAIL_MEMORY(n_times * sizeof *times);
    size_t end = (chunk + 1) * RESAMPLES_PER_CHUNK;
    if (end > w->resamples) end = w->resamples;
    heed_err err = HEED_OK;
    for (size_t b = chunk * RESAMPLES_PER_CHUNK; b < end && err == HEED_OK; b++) {
        (w->block > 1 ? draw_blocks : draw_rows)(w, b, times);
        draw_beside(w, b, times + w->n);
        err = w->fn(w->ctx, times, job->values + b * w->m);
    }
    hd_free(times);
    return err;
}

heed_err hd_bootstrap_figures(const hd_resampling *what, hd_pool *pool, double *values) {
    figures_job job = {what, values};
    size_t n_chunks = (what->resamples + RESAMPLES_PER_CHUNK - 1) / RESAMPLES_PER_CHUNK;
    return hd_pool_run(pool, n_chunks, figures_chunk, &job);
}

double hd_column_percentile(const double *values, size_t n, size_t m, size_t j, double share,
                            double *scratch) {
    enum { TENTH = 10 };
    size_t kept = 0;
    for (size_t b = 0; b < n; b++) {
        if (!isnan(values[b * m + j])) scratch[kept++] = values[b * m + j];
    }
    if (kept == 0 || (n - kept) * TENTH > n) return NAN;
    qsort(scratch, kept, sizeof *scratch, by_value);
    return percentile(scratch, kept, share);
}
