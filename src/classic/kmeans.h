// SPDX-License-Identifier: Apache-2.0
//
// k-means: seeded, deterministic over any number of threads.
//
//     hd_kmeans_params params = hd_kmeans_params_default();
//     params.k = 4;
//     hd_kmeans model;
//     HD_TRY(hd_kmeans_fit(x, n, d, &params, pool, &model));
//     size_t cluster = hd_kmeans_nearest(&model, row, &distance);
//     hd_kmeans_clear(&model);
//
// Letters: n points, d dimensions, k clusters. Points are rows of x (n, d), within ±1e100. Threads:
// a fitted model may be read from many.
#ifndef HD_CLASSIC_KMEANS_H
#define HD_CLASSIC_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

typedef struct hd_kmeans_params {
    size_t k;              // clusters, 1 .. n
    size_t restarts;       // fits from different starts, the best is kept; at least 1; default 8
    size_t max_iterations; // of each fit; at least 1; default 300
    uint64_t seed;
} hd_kmeans_params;
hd_kmeans_params hd_kmeans_params_default(void);

typedef struct hd_kmeans {
    size_t k;
    size_t d;
    double *centre; // (k, d), the largest cluster first, ties by centre
    size_t *size;   // (k) points of each cluster, never 0
    uint32_t
        *label; // (n) cluster of each point, the nearest one unless max_iterations ended the fit
    double inertia;    // sum over points of the squared distance to their centre
    size_t iterations; // of the fit that was kept
} hd_kmeans;

// Lloyd's algorithm from k-means++ starts; a cluster that runs empty gets the point farthest from
// its centre. HEED_INPUT when a value isn't a number in range, or there are fewer than k different
// points. Cost: O(restarts · iterations · n · k · d).
heed_err hd_kmeans_fit(const double *x, size_t n, size_t d, const hd_kmeans_params *params,
                       hd_pool *pool, hd_kmeans *out) HEED_CHECK;
void hd_kmeans_clear(hd_kmeans *model);

// The cluster whose centre is nearest to a point (d), ties to the lower one. distance: Euclidean,
// may be NULL.
size_t hd_kmeans_nearest(const hd_kmeans *model, const double *point, double *distance);

// The mean silhouette (Rousseeuw 1987) of labelled points, −1 .. 1: with a the mean distance to the
// others of the own cluster and b the least mean distance to another cluster, (b − a) / max(a, b);
// 0 for a point that is alone in its cluster, and when there is only one cluster. Over at most
// `sample` points, drawn by `seed` (0: all). Cost: O(m² · d) for m points.
heed_err hd_silhouette(const double *x, size_t n, size_t d, const uint32_t *label, size_t k,
                       size_t sample, uint64_t seed, hd_pool *pool, double *out) HEED_CHECK;

#endif
