// SPDX-License-Identifier: Apache-2.0
//
// Percentile bootstrap of means over users.
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

#endif
