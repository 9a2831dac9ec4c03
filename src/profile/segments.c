// SPDX-License-Identifier: Apache-2.0
//
// Segments: users' vectors, standardised, in k clusters. The number of clusters is the one with the
// best silhouette, the smaller at a tie.
//
// Amounts and counts span orders of magnitude, and one buyer who spends a thousand times the mean
// would be a cluster of his own: so these go through a logarithm, and no value counts as farther
// than three standard deviations. Rejected: quantile ranks, which make every dimension flat and
// hide the gaps that clusters lie between.
#include "profile/segments.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "classic/kmeans.h"
#include "profile/fact.h"

enum { K_MIN = 2, K_MAX = 8, SILHOUETTE_SAMPLE = 1000 };
static const double farthest = 3.0;

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
        out[j] = fmin(fmax(z, -farthest), farthest);
    }
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
    const double *vectors; // (n, D)
    double *scaled;        // (n, D)
    size_t n, d;
    uint64_t seed;
    hd_pool *pool;
} fitting;

static heed_err fit_k(const fitting *f, size_t k, hd_kmeans *model, double *silhouette) {
    hd_kmeans_params params = hd_kmeans_params_default();
    params.k = k;
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
        if (value > *silhouette) {
            hd_kmeans_clear(best);
            *best = model;
            *silhouette = value;
        } else {
            hd_kmeans_clear(&model);
        }
    }
    return HEED_OK;
}

// Means of the known values in natural units: what a reader can picture.
static void fit_natural(hd_segments *s, const fitting *f, const uint32_t *label) {
    for (size_t c = 0; c < s->k; c++) {
        for (size_t j = 0; j < s->d; j++) {
            double sum = 0.0;
            size_t known = 0;
            for (size_t i = 0; i < f->n; i++) {
                double x = f->vectors[i * s->d + j];
                if (label[i] != c || !isfinite(x)) continue;
                sum += x;
                known++;
            }
            s->natural[c * s->d + j] = known > 0 ? sum / (double)known : (double)NAN;
        }
    }
}

static heed_err from_model(const hd_segments *scale, const fitting *f, const hd_kmeans *model,
                           double silhouette, hd_segments **out) {
    hd_segments *s;
    HD_TRY(hd_segments_new(model->k, &s));
    memcpy(s->mean, scale->mean, s->d * sizeof *s->mean);
    memcpy(s->spread, scale->spread, s->d * sizeof *s->spread);
    memcpy(s->centre, model->centre, s->k * s->d * sizeof *s->centre);
    for (size_t c = 0; c < s->k; c++) s->users[c] = model->size[c];
    s->silhouette = silhouette;
    fit_natural(s, f, model->label);
    heed_err err = hd_segments_make_names(s);
    if (err == HEED_OK) {
        *out = s;
    } else {
        hd_segments_free(s);
    }
    return err;
}

heed_err hd_segments_fit(const double *vectors, size_t n, size_t k, uint64_t seed, hd_pool *pool,
                         hd_segments **out) {
    if (k > HD_SEGMENTS_MAX) {
        return HD_FAIL(HEED_INPUT, "%zu segments are too many: at most %d",
                       "分群数 %zu 过多：最多 %d 个", k, HD_SEGMENTS_MAX);
    }
    hd_segments *scale = NULL;
    hd_kmeans model = {0};
    double silhouette = 0.0;
    fitting f = {
        .vectors = vectors, .n = n, .d = hd_profile_vector_len(), .seed = seed, .pool = pool};
    heed_err err = hd_segments_new(1, &scale);
    if (err != HEED_OK) return err;
    f.scaled = hd_calloc(n, f.d * sizeof *f.scaled);
    if (!f.scaled) err = HD_FAIL_MEMORY(n * f.d * sizeof *f.scaled);
    if (err == HEED_OK) {
        fit_scale(scale, vectors, n);
        for (size_t i = 0; i < n; i++) {
            hd_segments_scale(scale, vectors + i * f.d, f.scaled + i * f.d);
        }
        err = k > 0 ? fit_k(&f, k, &model, &silhouette) : fit_best(&f, &model, &silhouette);
    }
    if (err == HEED_OK) err = from_model(scale, &f, &model, silhouette, out);
    hd_kmeans_clear(&model);
    hd_free(f.scaled);
    hd_segments_free(scale);
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
