// SPDX-License-Identifier: Apache-2.0
//
// k-means (Lloyd, "Least squares quantization in PCM", IEEE Trans. IT 28, 1982) from k-means++
// starts (Arthur and Vassilvitskii, SODA 2007): the first centre is drawn evenly, each further one
// with probability proportional to the squared distance to the nearest centre so far.
//
// Points are cut into at most CHUNKS chunks by their number alone. Each chunk sums its points per
// cluster in order, and the chunks' sums are added in order: the bits don't depend on threads.
//
// Rejected: the bounds of Elkan or Hamerly, which pay for many clusters and dimensions; segments
// have few of either. Mini batches, whose result depends on when one stops.
#include "classic/kmeans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/distance.h"

enum { CHUNKS = 64, CHUNK_MIN = 256 };

// One fit at work.
typedef struct lloyd {
    const double *x; // (n, d)
    size_t n, d, k;
    size_t chunk; // points of each chunk but the last
    size_t n_chunks;
    double *centre;   // (k, d)
    uint32_t *label;  // (n)
    double *distance; // (n) squared, to the point's centre
    double *sums;     // (n_chunks, k, d)
    size_t *counts;   // (n_chunks, k)
    bool *moved;      // (n_chunks) a label changed
    size_t last;      // the centre drawn last, while starting
} lloyd;

hd_kmeans_params hd_kmeans_params_default(void) {
    return (hd_kmeans_params){.k = 2, .restarts = 8, .max_iterations = 300, .seed = 1};
}

static size_t nearest(const double *centre, size_t k, size_t d, const double *point,
                      double *least) {
    size_t best = 0;
    *least = INFINITY;
    for (size_t c = 0; c < k; c++) {
        double distance = hd_squared_distance(point, centre + c * d, d);
        if (distance < *least) {
            *least = distance;
            best = c;
        }
    }
    return best;
}

// ── Starting ──

// Each point's distance to its nearest centre, after centre `last` came.
static heed_err start_chunk(void *ctx, size_t chunk) {
    lloyd *w = ctx;
    size_t end = (chunk + 1) * w->chunk < w->n ? (chunk + 1) * w->chunk : w->n;
    const double *centre = w->centre + w->last * w->d;
    for (size_t i = chunk * w->chunk; i < end; i++) {
        double distance = hd_squared_distance(w->x + i * w->d, centre, w->d);
        if (w->last == 0 || distance < w->distance[i]) w->distance[i] = distance;
    }
    return HEED_OK;
}

// A point drawn with probability proportional to its distance; n when all distances are 0.
static size_t draw(const lloyd *w, hd_rng *rng) {
    double total = 0.0;
    for (size_t i = 0; i < w->n; i++) total += w->distance[i];
    if (!(total > 0.0)) return w->n;
    double left = hd_rng_uniform(rng) * total;
    size_t chosen = w->n;
    for (size_t i = 0; i < w->n; i++) {
        if (w->distance[i] <= 0.0) continue;
        chosen = i;
        left -= w->distance[i];
        if (left < 0.0) break;
    }
    return chosen;
}

static heed_err start(lloyd *w, hd_rng *rng, hd_pool *pool) {
    size_t point = (size_t)hd_rng_below(rng, w->n);
    for (size_t c = 0; c < w->k; c++) {
        if (c > 0) point = draw(w, rng);
        if (point == w->n) {
            return HD_FAIL(HEED_INPUT, "%zu clusters need as many different points; there are %zu",
                           "%zu 个簇至少需要同样多的不同点；这里只有 %zu 个", w->k, c);
        }
        memcpy(w->centre + c * w->d, w->x + point * w->d, w->d * sizeof *w->centre);
        w->last = c;
        HD_TRY(hd_pool_run(pool, w->n_chunks, start_chunk, w));
    }
    return HEED_OK;
}

// ── Lloyd's two steps ──

static heed_err assign_chunk(void *ctx, size_t chunk) {
    lloyd *w = ctx;
    size_t end = (chunk + 1) * w->chunk < w->n ? (chunk + 1) * w->chunk : w->n;
    double *sums = w->sums + chunk * w->k * w->d;
    size_t *counts = w->counts + chunk * w->k;
    memset(sums, 0, w->k * w->d * sizeof *sums);
    memset(counts, 0, w->k * sizeof *counts);
    w->moved[chunk] = false;
    for (size_t i = chunk * w->chunk; i < end; i++) {
        const double *point = w->x + i * w->d;
        size_t c = nearest(w->centre, w->k, w->d, point, &w->distance[i]);
        w->moved[chunk] = w->moved[chunk] || w->label[i] != c;
        w->label[i] = (uint32_t)c;
        counts[c]++;
        for (size_t j = 0; j < w->d; j++) sums[c * w->d + j] += point[j];
    }
    return HEED_OK;
}

// Adds the chunks' sums into the first, in order. Returns whether any label changed.
static bool gather(lloyd *w) {
    bool moved = w->moved[0];
    for (size_t chunk = 1; chunk < w->n_chunks; chunk++) {
        for (size_t j = 0; j < w->k * w->d; j++) w->sums[j] += w->sums[chunk * w->k * w->d + j];
        for (size_t c = 0; c < w->k; c++) w->counts[c] += w->counts[chunk * w->k + c];
        moved = moved || w->moved[chunk];
    }
    return moved;
}

// Gives an empty cluster the point farthest from its centre, of a cluster that can spare one.
static void fill_empty(lloyd *w, size_t c) {
    size_t farthest = w->n;
    for (size_t i = 0; i < w->n; i++) {
        if (w->counts[w->label[i]] < 2) continue;
        if (farthest == w->n || w->distance[i] > w->distance[farthest]) farthest = i;
    }
    const double *point = w->x + farthest * w->d;
    size_t from = w->label[farthest];
    for (size_t j = 0; j < w->d; j++) {
        w->sums[from * w->d + j] -= point[j];
        w->sums[c * w->d + j] = point[j];
    }
    memcpy(w->centre + c * w->d, point, w->d * sizeof *point);
    w->counts[from]--;
    w->counts[c] = 1;
    w->label[farthest] = (uint32_t)c;
    w->distance[farthest] = 0.0;
}

static bool fill_all_empty(lloyd *w) {
    bool filled = false;
    for (size_t c = 0; c < w->k; c++) {
        if (w->counts[c] > 0) continue;
        fill_empty(w, c); // k ≤ n: some cluster holds two points
        filled = true;
    }
    return filled;
}

// Assigns points and moves centres in turn, until no label changes: then labels and centres agree.
static heed_err iterate(lloyd *w, size_t max_iterations, hd_pool *pool, size_t *iterations) {
    for (size_t i = 0; i < w->n; i++) w->label[i] = UINT32_MAX;
    for (*iterations = 1;; ++*iterations) {
        HD_TRY(hd_pool_run(pool, w->n_chunks, assign_chunk, w));
        bool moved = gather(w);
        bool filled = fill_all_empty(w);
        if ((!moved && !filled) || *iterations >= max_iterations) return HEED_OK;
        for (size_t c = 0; c < w->k; c++) {
            for (size_t j = 0; j < w->d; j++) {
                w->centre[c * w->d + j] = w->sums[c * w->d + j] / (double)w->counts[c];
            }
        }
    }
}

// ── The best of several fits ──

static heed_err lloyd_init(lloyd *w, const double *x, size_t n, size_t d, size_t k) {
    size_t chunk = (n + CHUNKS - 1) / CHUNKS;
    *w = (lloyd){.x = x, .n = n, .d = d, .k = k, .chunk = chunk < CHUNK_MIN ? CHUNK_MIN : chunk};
    w->n_chunks = (n + w->chunk - 1) / w->chunk;
    w->centre = hd_calloc(k, d * sizeof *w->centre);
    w->label = hd_calloc(n, sizeof *w->label);
    w->distance = hd_calloc(n, sizeof *w->distance);
    w->sums = hd_calloc(w->n_chunks * k, d * sizeof *w->sums);
    w->counts = hd_calloc(w->n_chunks, k * sizeof *w->counts);
    w->moved = hd_calloc(w->n_chunks, sizeof *w->moved);
    if (w->centre && w->label && w->distance && w->sums && w->counts && w->moved) return HEED_OK;
    return HD_FAIL_MEMORY(n * (sizeof *w->label + sizeof *w->distance));
}

static void lloyd_clear(lloyd *w) {
    hd_free(w->centre);
    hd_free(w->label);
    hd_free(w->distance);
    hd_free(w->sums);
    hd_free(w->counts);
    hd_free(w->moved);
}

// Keeps the fit at work when it is the best so far: takes its arrays in exchange for the old ones.
static void keep_better(lloyd *w, size_t iterations, hd_kmeans *best) {
    double inertia = 0.0;
    for (size_t i = 0; i < w->n; i++) inertia += w->distance[i];
    if (!(inertia < best->inertia)) return;
    double *centre = best->centre;
    uint32_t *label = best->label;
    best->centre = w->centre;
    best->label = w->label;
    best->inertia = inertia;
    best->iterations = iterations;
    memcpy(best->size, w->counts, w->k * sizeof *best->size);
    w->centre = centre;
    w->label = label;
}

typedef struct rank {
    size_t cluster;
    size_t size;
    const double *centre; // (d)
    size_t d;
} rank;

static int larger_first(const void *a, const void *b) {
    const rank *x = a;
    const rank *y = b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    for (size_t j = 0; j < x->d; j++) {
        if (x->centre[j] != y->centre[j]) return x->centre[j] < y->centre[j] ? -1 : 1;
    }
    return 0;
}

// Puts the clusters in their order; the work's arrays serve as room.
static heed_err put_in_order(lloyd *w, hd_kmeans *model) {
    rank *ranks = hd_calloc(w->k, sizeof *ranks);
    size_t *place = hd_calloc(w->k, sizeof *place);
    if (!ranks || !place) {
        hd_free(ranks);
        hd_free(place);
        return HD_FAIL_MEMORY(w->k * sizeof *ranks);
    }
    for (size_t c = 0; c < w->k; c++) {
        ranks[c] = (rank){c, model->size[c], model->centre + c * w->d, w->d};
    }
    qsort(ranks, w->k, sizeof *ranks, larger_first);
    for (size_t r = 0; r < w->k; r++) {
        place[ranks[r].cluster] = r;
        memcpy(w->centre + r * w->d, ranks[r].centre, w->d * sizeof *w->centre);
        model->size[r] = ranks[r].size;
    }
    for (size_t i = 0; i < w->n; i++) model->label[i] = (uint32_t)place[model->label[i]];
    double *unordered = model->centre;
    model->centre = w->centre;
    w->centre = unordered;
    hd_free(ranks);
    hd_free(place);
    return HEED_OK;
}

static heed_err fit_all(lloyd *w, const hd_kmeans_params *params, hd_pool *pool, hd_kmeans *best) {
    for (size_t r = 0; r < params->restarts; r++) {
        hd_rng rng = hd_rng_make(params->seed, r);
        size_t iterations = 0;
        HD_TRY(start(w, &rng, pool));
        HD_TRY(iterate(w, params->max_iterations, pool, &iterations));
        keep_better(w, iterations, best);
    }
    return put_in_order(w, best);
}

static heed_err check(const double *x, size_t n, size_t d, const hd_kmeans_params *params) {
    const double most = 1e100; // sums of squares stay finite
    if (params->k < 1 || params->k > n || params->k > UINT32_MAX - 1) {
        return HD_FAIL(HEED_INPUT, "k is %zu; it must be from 1 to the number of points (%zu)",
                       "k 为 %zu；应在 1 到点数（%zu）之间", params->k, n);
    }
    if (params->restarts < 1 || params->max_iterations < 1) {
        return HD_FAIL(HEED_INPUT, "k-means needs at least one start and one iteration",
                       "k-means 至少需要一次初始化和一次迭代");
    }
    for (size_t i = 0; i < n * d; i++) {
        if (fabs(x[i]) <= most) continue;
        return HD_FAIL(HEED_INPUT, "point %zu, dimension %zu is not a number within ±1e100",
                       "第 %zu 个点的第 %zu 维不是 ±1e100 以内的数", i / d, i % d);
    }
    return HEED_OK;
}

heed_err hd_kmeans_fit(const double *x, size_t n, size_t d, const hd_kmeans_params *params,
                       hd_pool *pool, hd_kmeans *out) {
    HD_TRY(check(x, n, d, params));
    hd_kmeans best = {.k = params->k, .d = d, .inertia = INFINITY};
    lloyd work;
    heed_err err = lloyd_init(&work, x, n, d, params->k);
    if (err != HEED_OK) goto out;
    best.centre = hd_calloc(params->k, d * sizeof *best.centre);
    best.size = hd_calloc(params->k, sizeof *best.size);
    best.label = hd_calloc(n, sizeof *best.label);
    if (!best.centre || !best.size || !best.label) {
        err = HD_FAIL_MEMORY(n * sizeof *best.label);
        goto out;
    }
    err = fit_all(&work, params, pool, &best);
out:
    lloyd_clear(&work);
    if (err == HEED_OK) {
        *out = best;
    } else {
        hd_kmeans_clear(&best);
    }
    return err;
}

void hd_kmeans_clear(hd_kmeans *model) {
    hd_free(model->centre);
    hd_free(model->size);
    hd_free(model->label);
    *model = (hd_kmeans){0};
}

size_t hd_kmeans_nearest(const hd_kmeans *model, const double *point, double *distance) {
    double least;
    size_t best = nearest(model->centre, model->k, model->d, point, &least);
    if (distance) *distance = sqrt(least);
    return best;
}
