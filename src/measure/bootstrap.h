// SPDX-License-Identifier: Apache-2.0
//
// Percentile bootstrap: of means over users, and of whatever can be computed from rows drawn.
#ifndef HD_MEASURE_BOOTSTRAP_H
#define HD_MEASURE_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

// values: (n, m), a row per user, n ≥ 1 and < 2^32. low and high: (m), the 2.5% and 97.5%
// percentiles of the columns' means over `resamples` ≥ 1 draws of n users with replacement. All
// columns see the same draws, and the same (seed, n, resamples) always gives the same ones, for any
// number of threads.
heed_err hd_bootstrap_means(const double *values, size_t n, size_t m, size_t resamples,
                            uint64_t seed, hd_pool *pool, double *low, double *high) HEED_CHECK;

// Any figures of rows drawn with replacement. fn is given how often each row was drawn and writes
// its m figures; it runs on the pool's threads. block > 1 draws runs of that many neighbouring rows
// (moving blocks, Künsch 1989), for rows that overlap in time. beside > 0 draws so many others with
// replacement, independently of the rows (Owen 2007, "The pigeonhole bootstrap": both ways of a
// table); how often each was drawn stands in times behind the n rows. values: (resamples, m).
typedef struct hd_resampling {
    size_t n, m, resamples, block;
    uint64_t seed;
    size_t beside;
    heed_err (*fn)(void *ctx, const uint32_t *times, double *out);
    void *ctx;
} hd_resampling;
heed_err hd_bootstrap_figures(const hd_resampling *what, hd_pool *pool, double *values) HEED_CHECK;

// The percentiles of column j of values (n, m), NaN left out: (share, linear between the nearest).
// NaN when more than a tenth is NaN. scratch: (n)
double hd_column_percentile(const double *values, size_t n, size_t m, size_t j, double share,
                            double *scratch);

#endif
