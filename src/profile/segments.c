// SPDX-License-Identifier: Apache-2.0
//
// Segments: users' vectors, standardised, in k clusters. The number of clusters from 3 to 8 is the
// one with the best silhouette, the smaller at a tie; two (who nearly always win narrowly, as
// active and inactive users, and tell little) only where they stand apart much more clearly.
// Centres are fitted on a drawn sample of at most SAMPLE users (a centre is a mean: more users
// would move it by less than anybody can tell), then every user joins the nearest one, and sizes
// and means are those of all users.
//
// Amounts and counts span orders of magnitude, and one buyer who spends a thousand times the mean
// would be a cluster of his own: so these go through a logarithm, and no value counts as farther
// than three standard deviations. Each fact counts the same, however many dimensions it has: else
// the four parts of a day, which sum to one, would outweigh all money. Rejected: quantile ranks,
// which make every dimension flat and hide the gaps that clusters lie between.
#include "profile/segments.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "classic/kmeans.h"
#include "profile/fact.h"

enum { K_MIN = 2, K_MAX = 8, SAMPLE = 10000, SILHOUETTE_SAMPLE = 1000, RESTARTS = 4 };
static const double farthest = 3.0;
static const double two_ahead = 0.1; // by so much of silhouette must two clusters win

heed_err hd_segments_new(size_t k, hd_segments **out) {
    hd_segments *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->d = hd_profile_vector_len();
    s->k = k;
    s->mean = hd_calloc(s->d, sizeof *s->mean);
    s->spread = hd_calloc(s->d, sizeof *s->spread);
    s->centre = hd_calloc(k, s->d * sizeof *s->centre);
    s->natural = hd_calloc(k, s->d * sizeof *s->natural);
    s->users = hd_calloc(k, sizeof *s->users);
    s->name[HEED_EN] = hd_calloc(k, sizeof(char *));
    s->name[HEED_ZH] = hd_calloc(k, sizeof(char *));
    if (!s->mean || !s->spread || !s->centre || !s->natural || !s->users || !s->name[HEED_EN] ||
        !s->name[HEED_ZH]) {
        hd_segments_free(s);
        return HD_FAIL_MEMORY(2 * k * hd_profile_vector_len() * sizeof(double));
    }
    *out = s;
    return HEED_OK;
}

void hd_segments_free(hd_segments *segments) {
    if (!segments) return;
    for (int lang = 0; lang < 2; lang++) {
        for (size_t i = 0; segments->name[lang] && i < segments->k; i++) {
            hd_free(segments->name[lang][i]);
        }
        hd_free(segments->name[lang]);
    }
    hd_free(segments->mean);
    hd_free(segments->spread);
    hd_free(segments->centre);
    hd_free(segments->natural);
    hd_free(segments->users);
    hd_free(segments);
}

// ── Scaling ──

static double unskew(size_t dimension, double x) {
    return hd_dimension_at(dimension)->skewed ? copysign(log1p(fabs(x)), x) : x;
}

void hd_segments_scale(const hd_segments *segments, const double *vector, double *out) {
    for (size_t j = 0; j < segments->d; j++) {
        out[j] = 0.0;
        if (!isfinite(vector[j]) || segments->spread[j] == 0.0) continue;
        double z = (unskew(j, vector[j]) - segments->mean[j]) / segments->spread[j];
        out[j] = fmin(fmax(z, -farthest), farthest) * hd_dimension_weight(j);
    }
}

double hd_segments_deviation(const hd_segments *segments, size_t id, size_t dimension) {
    return segments->centre[id * segments->d + dimension] / hd_dimension_weight(dimension);
}

static void fit_scale(hd_segments *s, const double *vectors, size_t n) {
    for (size_t j = 0; j < s->d; j++) {
        double sum = 0.0, squares = 0.0;
        size_t known = 0;
        for (size_t i = 0; i < n; i++) {
            double x = vectors[i * s->d + j];
            if (!isfinite(x)) continue;
            sum += unskew(j, x);
            known++;
        }
        s->mean[j] = known > 0 ? sum / (double)known : 0.0;
        for (size_t i = 0; i < n; i++) {
            double x = vectors[i * s->d + j];
            if (isfinite(x)) squares += pow(unskew(j, x) - s->mean[j], 2);
        }
        double spread = known > 0 ? sqrt(squares / (double)known) : 0.0;
        // What rounding alone makes of equal values is no spread.
        s->spread[j] = spread > 1e-9 * (1.0 + fabs(s->mean[j])) ? spread : 0.0;
    }
}

// ── Fitting ──

typedef struct fitting {
    double *scaled; // (n, D) the sample
    size_t n, d;
    uint64_t seed;
    hd_pool *pool;
} fitting;

// One user out of each of SAMPLE equal parts, or all when there are no more.
static heed_err draw_sample(const hd_segments *scale, const double *vectors, size_t n, fitting *f) {
    f->n = n < SAMPLE ? n : SAMPLE;
    f->scaled = hd_calloc(f->n, f->d * sizeof *f->scaled);
    if (!f->scaled) return HD_FAIL_MEMORY(f->n * f->d * sizeof *f->scaled);
    hd_rng rng = hd_rng_make(f->seed, 0);
    for (size_t i = 0; i < f->n; i++) {
        size_t begin = (size_t)((double)i * (double)n / (double)f->n);
        size_t end = (size_t)((double)(i + 1) * (double)n / (double)f->n);
        size_t user = begin + (size_t)hd_rng_below(&rng, end - begin);
        hd_segments_scale(scale, vectors + user * f->d, f->scaled + i * f->d);
    }
    return HEED_OK;
}

static heed_err fit_k(const fitting *f, size_t k, hd_kmeans *model, double *silhouette) {
    hd_kmeans_params params = hd_kmeans_params_default();
    params.k = k;
    params.restarts = RESTARTS;
    params.seed = f->seed;
    HD_TRY(hd_kmeans_fit(f->scaled, f->n, f->d, &params, f->pool, model));
    heed_err err = hd_silhouette(f->scaled, f->n, f->d, model->label, k, SILHOUETTE_SAMPLE, f->seed,
                                 f->pool, silhouette);
    if (err != HEED_OK) hd_kmeans_clear(model);
    return err;
}

// How many different points there are, counted up to `most`.
static size_t count_different(const fitting *f, size_t most) {
    const double *seen[K_MAX];
    size_t n = 0;
    for (size_t i = 0; i < f->n && n < most; i++) {
        const double *point = f->scaled + i * f->d;
        bool is_new = true;
        for (size_t s = 0; s < n && is_new; s++) {
            is_new = memcmp(seen[s], point, f->d * sizeof *point) != 0;
        }
        if (is_new) seen[n++] = point;
    }
    return n;
}

static heed_err fit_best(const fitting *f, hd_kmeans *best, double *silhouette) {
    size_t different = count_different(f, K_MAX);
    if (different < K_MIN) {
        return HD_FAIL(HEED_INPUT,
                       "segments need at least two users who differ; there are %zu: import more "
                       "users and events",
                       "分群至少需要两个不同的用户；这里只有 %zu 个：请导入更多用户和事件",
                       different);
    }
    *silhouette = -INFINITY;
    for (size_t k = K_MIN; k <= different; k++) {
        hd_kmeans model;
        double value;
        heed_err err = fit_k(f, k, &model, &value);
        if (err != HEED_OK) {
            hd_kmeans_clear(best);
            return err;
        }
        if (k == 3) *silhouette -= two_ahead;
        if (value > *silhouette) {
            hd_kmeans_clear(best);
            *best = model;
            *silhouette = value;
        } else {
            hd_kmeans_clear(&model);
        }
    }
    if (best->k == K_MIN && different > K_MIN) *silhouette += two_ahead;
    return HEED_OK;
}

// Puts every user into the nearest segment: counts them, and sums what is known in natural units
// into `natural`, of how many into `known` (k, D). scaled: (D) room.
static void join_all(hd_segments *s, const double *vectors, size_t n, double *scaled,
                     size_t *known) {
    const hd_kmeans model = {.k = s->k, .d = s->d, .centre = s->centre};
    for (size_t i = 0; i < n; i++) {
        const double *vector = vectors + i * s->d;
        hd_segments_scale(s, vector, scaled);
        size_t id = hd_kmeans_nearest(&model, scaled, NULL);
        s->users[id]++;
        for (size_t j = 0; j < s->d; j++) {
            if (!isfinite(vector[j])) continue;
            s->natural[id * s->d + j] += vector[j];
            known[id * s->d + j]++;
        }
    }
    for (size_t i = 0; i < s->k * s->d; i++) {
        s->natural[i] = known[i] > 0 ? s->natural[i] / (double)known[i] : (double)NAN;
    }
}

static void swap_rows(double *rows, size_t d, size_t a, size_t b) {
    for (size_t j = 0; j < d; j++) {
        double aside = rows[a * d + j];
        rows[a * d + j] = rows[b * d + j];
        rows[b * d + j] = aside;
    }
}

// The largest first; equal ones stay in the order of the fit.
static void put_in_order(hd_segments *s) {
    for (size_t i = 1; i < s->k; i++) {
        for (size_t at = i; at > 0 && s->users[at - 1] < s->users[at]; at--) {
            uint64_t aside = s->users[at];
            s->users[at] = s->users[at - 1];
            s->users[at - 1] = aside;
            swap_rows(s->centre, s->d, at, at - 1);
            swap_rows(s->natural, s->d, at, at - 1);
        }
    }
}

static heed_err fill(hd_segments *s, const hd_segments *scale, const hd_kmeans *model,
                     const double *vectors, size_t n) {
    memcpy(s->mean, scale->mean, s->d * sizeof *s->mean);
    memcpy(s->spread, scale->spread, s->d * sizeof *s->spread);
    memcpy(s->centre, model->centre, s->k * s->d * sizeof *s->centre);
    double *scaled = hd_calloc(s->d, sizeof *scaled);
    size_t *known = hd_calloc(s->k, s->d * sizeof *known);
    heed_err err = scaled && known ? HEED_OK : HD_FAIL_MEMORY(s->k * s->d * sizeof *known);
    if (err == HEED_OK) {
        join_all(s, vectors, n, scaled, known);
        put_in_order(s);
        err = hd_segments_make_names(s);
    }
    hd_free(scaled);
    hd_free(known);
    return err;
}

heed_err hd_segments_fit(const double *vectors, size_t n, size_t k, uint64_t seed, hd_pool *pool,
                         hd_segments **out) {
    if (k > HD_SEGMENTS_MAX) {
        return HD_FAIL(HEED_INPUT, "%zu segments are too many: at most %d",
                       "分群数 %zu 过多：最多 %d 个", k, HD_SEGMENTS_MAX);
    }
    hd_segments *scale = NULL, *fitted = NULL;
    hd_kmeans model = {0};
    double silhouette = 0.0;
    fitting f = {.d = hd_profile_vector_len(), .seed = seed, .pool = pool};
    heed_err err = hd_segments_new(1, &scale);
    if (err == HEED_OK) {
        fit_scale(scale, vectors, n);
        err = draw_sample(scale, vectors, n, &f);
    }
    if (err == HEED_OK) {
        err = k > 0 ? fit_k(&f, k, &model, &silhouette) : fit_best(&f, &model, &silhouette);
    }
    if (err == HEED_OK) err = hd_segments_new(model.k, &fitted);
    if (err == HEED_OK) {
        fitted->silhouette = silhouette;
        err = fill(fitted, scale, &model, vectors, n);
    }
    hd_kmeans_clear(&model);
    hd_free(f.scaled);
    hd_segments_free(scale);
    if (err == HEED_OK) {
        *out = fitted;
    } else {
        hd_segments_free(fitted);
    }
    return err;
}

// ── Reading ──

heed_err hd_segments_assign(const hd_segments *segments, const double *vector, size_t *id,
                            double *distance) {
    double *scaled = hd_alloc(segments->d * sizeof *scaled);
    if (!scaled) return HD_FAIL_MEMORY(segments->d * sizeof *scaled);
    hd_segments_scale(segments, vector, scaled);
    const hd_kmeans model = {.k = segments->k, .d = segments->d, .centre = segments->centre};
    *id = hd_kmeans_nearest(&model, scaled, distance);
    hd_free(scaled);
    return HEED_OK;
}

size_t hd_segments_count(const hd_segments *segments) {
    return segments->k;
}
double hd_segments_silhouette(const hd_segments *segments) {
    return segments->silhouette;
}

const char *hd_segments_name(const hd_segments *segments, size_t id, heed_lang lang) {
    return id < segments->k ? segments->name[lang == HEED_ZH][id] : NULL;
}
