// SPDX-License-Identifier: Apache-2.0
//
// Ridge regression: min |y − Xw − b|² + α|w|², the intercept free, as scikit-learn's Ridge.
//
// With few features: normal equations of centred columns, XᵀX + αI = LLᵀ once for all outputs. With
// many, or sparse ones: conjugate gradients on the same equations, which need only X·v and Xᵀ·v;
// centring is a correction of rank one, so sparse rows stay sparse. Sums are double; XᵀX is cut
// into columns, so threads change no bit.
#include <math.h>

#include "base/mem.h"
#include "classic/linear.h"

enum { MOST_SOLVED = 4096 }; // features of the direct way: XᵀX takes 134 MB there

typedef struct ridge_options {
    double alpha;
} ridge_options;

static const hd_option option_rows[] = {
    {.name = "alpha",
     .type = HD_OPTION_REAL,
     .at = offsetof(ridge_options, alpha),
     .initial = 1,
     .min = 0,
     .max = 1e12,
     .doc = HD_TEXT("how much large weights cost; 0: chosen by cross-validation over the training "
                    "rows",
                    "大权重的代价；0：在训练数据上用交叉验证选取")},
    {.name = NULL}};

typedef struct ridge {
    const hd_classic_data *data;
    double alpha;
    double *mean;  // (m) of columns
    double *means; // (k) of targets
    double *gram;  // (m, m) lower half, then its Cholesky factor
    hd_linear *model;
} ridge;

static void fill_means(ridge *r) {
    const hd_matrix *x = r->data->x;
    size_t k = r->data->k;
    for (size_t i = 0; i < x->n; i++) {
        for (size_t j = 0; j < x->m && x->dense; j++) r->mean[j] += (double)x->dense[i * x->m + j];
        for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
            r->mean[x->column[e]] += (double)x->value[e];
        }
        for (size_t j = 0; j < k; j++) r->means[j] += (double)r->data->targets[i * k + j];
    }
    for (size_t j = 0; j < x->m; j++) r->mean[j] /= (double)x->n;
    for (size_t j = 0; j < k; j++) r->means[j] /= (double)x->n;
}

// ── Directly ──

enum { BAND = 32 }; // columns of XᵀX that a chunk makes

static heed_err gram_band(void *ctx, size_t band) {
    ridge *r = ctx;
    const hd_matrix *x = r->data->x;
    size_t m = x->m, from = band * BAND, to = from + BAND < m ? from + BAND : m;
    double *row = hd_calloc(m, sizeof *row);
    if (!row) return HD_FAIL_MEMORY(m * sizeof *row);
    for (size_t i = 0; i < x->n; i++) {
        const float *values = x->dense + i * m;
        for (size_t j = 0; j < to; j++) row[j] = (double)values[j] - r->mean[j];
        for (size_t a = from; a < to; a++) {
            double *restrict sum = r->gram + a * m;
            double factor = row[a];
            for (size_t b = 0; b <= a; b++) sum[b] += factor * row[b];
        }
    }
    for (size_t a = from; a < to; a++) r->gram[a * m + a] += r->alpha;
    hd_free(row);
    return HEED_OK;
}

// In place, row by row. A pivot that vanishes (columns that say the same, α = 0) is left out: its
// weight is 0.
static void cholesky(double *l, size_t m) {
    for (size_t i = 0; i < m; i++) {
        double top = l[i * m + i];
        for (size_t j = 0; j <= i; j++) {
            double sum = l[i * m + j];
            for (size_t c = 0; c < j; c++) sum -= l[i * m + c] * l[j * m + c];
            if (j < i) {
                l[i * m + j] = l[j * m + j] > 0 ? sum / l[j * m + j] : 0;
            } else {
                l[i * m + i] = sum > 1e-12 * fmax(top, 1e-300) ? sqrt(sum) : 0;
            }
        }
    }
}

static void solve(const double *l, size_t m, double *b) {
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < i; j++) b[i] -= l[i * m + j] * b[j];
        b[i] = l[i * m + i] > 0 ? b[i] / l[i * m + i] : 0;
    }
    for (size_t i = m; i-- > 0;) {
        b[i] = l[i * m + i] > 0 ? b[i] / l[i * m + i] : 0;
        for (size_t j = 0; j < i; j++) b[j] -= l[i * m + j] * b[i];
    }
}

static void set_output(ridge *r, size_t output, const double *w) {
    size_t m = r->data->x->m;
    float *weights = r->model->weights + output * (m + 1);
    double intercept = r->means[output];
    for (size_t j = 0; j < m; j++) {
        weights[j] = (float)w[j];
        intercept -= w[j] * r->mean[j];
    }
    weights[m] = (float)intercept;
}

// Xᵀ(y − ȳ), with X centred: the mean of y's deviations is 0, so centring X changes nothing.
static void right_side(const ridge *r, size_t output, double *b) {
    const hd_matrix *x = r->data->x;
    for (size_t i = 0; i < x->n; i++) {
        double y = (double)r->data->targets[i * r->data->k + output] - r->means[output];
        for (size_t j = 0; j < x->m && x->dense; j++) b[j] += y * (double)x->dense[i * x->m + j];
        for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
            b[x->column[e]] += y * (double)x->value[e];
        }
    }
}

static heed_err solve_output(void *ctx, size_t output) {
    ridge *r = ctx;
    size_t m = r->data->x->m;
    double *w = hd_calloc(m, sizeof *w);
    if (!w) return HD_FAIL_MEMORY(m * sizeof *w);
    right_side(r, output, w);
    solve(r->gram, m, w);
    set_output(r, output, w);
    hd_free(w);
    return HEED_OK;
}

static heed_err fit_directly(ridge *r) {
    size_t m = r->data->x->m;
    r->gram = hd_calloc(m * m, sizeof *r->gram);
    if (!r->gram) return HD_FAIL_MEMORY(m * m * sizeof *r->gram);
    HD_TRY(hd_pool_run(r->data->pool, (m + BAND - 1) / BAND, gram_band, r));
    cholesky(r->gram, m);
    return hd_pool_run(r->data->pool, r->data->k, solve_output, r);
}

// ── By conjugate gradients ──

// out = Xcᵀ Xc v + α v, with Xc = X − 1 meanᵀ.
static void apply(const ridge *r, const double *v, double *xv, double *out) {
    const hd_matrix *x = r->data->x;
    double shift = 0, sum = 0;
    for (size_t j = 0; j < x->m; j++) shift += r->mean[j] * v[j];
    for (size_t i = 0; i < x->n; i++) {
        double dot = -shift;
        for (size_t j = 0; j < x->m && x->dense; j++) {
            dot += (double)x->dense[i * x->m + j] * v[j];
        }
        for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
            dot += (double)x->value[e] * v[x->column[e]];
        }
        xv[i] = dot;
        sum += dot;
    }
    for (size_t j = 0; j < x->m; j++) out[j] = r->alpha * v[j] - sum * r->mean[j];
    for (size_t i = 0; i < x->n; i++) {
        for (size_t j = 0; j < x->m && x->dense; j++) {
            out[j] += xv[i] * (double)x->dense[i * x->m + j];
        }
        for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
            out[x->column[e]] += xv[i] * (double)x->value[e];
        }
    }
}

static double product(const double *a, const double *b, size_t m) {
    double sum = 0;
    for (size_t j = 0; j < m; j++) sum += a[j] * b[j];
    return sum;
}

static heed_err descend_output(void *ctx, size_t output) {
    enum { STEPS = 1000 };
    static const double enough = 1e-16; // of |residual|² to the first
    ridge *r = ctx;
    size_t m = r->data->x->m;
    double *w = hd_calloc(4 * m + r->data->x->n, sizeof *w);
    if (!w) return HD_FAIL_MEMORY((4 * m + r->data->x->n) * sizeof *w);
    double *rest = w + m, *way = rest + m, *image = way + m, *xv = image + m;
    right_side(r, output, rest);
    memcpy(way, rest, m * sizeof *way);
    double now = product(rest, rest, m), first = now;
    for (int step = 0; step < STEPS && now > enough * first; step++) {
        apply(r, way, xv, image);
        double length = product(way, image, m);
        if (!(length > 0)) break;
        double before = now, stride = now / length;
        for (size_t j = 0; j < m; j++) {
            w[j] += stride * way[j];
            rest[j] -= stride * image[j];
        }
        now = product(rest, rest, m);
        for (size_t j = 0; j < m; j++) way[j] = rest[j] + now / before * way[j];
    }
    set_output(r, output, w);
    hd_free(w);
    return HEED_OK;
}

// ── The kind ──

static heed_err fit_alpha(double alpha, const hd_classic_data *data, void **model) {
    heed_err err = HEED_OK;
    ridge r = {.data = data, .alpha = alpha};
    HD_TRY(hd_linear_new(data->k, data->x->m, &r.model));
    r.mean = hd_calloc(data->x->m, sizeof *r.mean);
    r.means = hd_calloc(data->k, sizeof *r.means);
    if (!r.mean || !r.means) {
        err = HD_FAIL_MEMORY((data->x->m + data->k) * sizeof *r.mean);
        goto out;
    }
    fill_means(&r);
    if (data->x->dense && data->x->m <= MOST_SOLVED) {
        HD_TRY_OUT(fit_directly(&r));
    } else {
        HD_TRY_OUT(hd_pool_run(data->pool, data->k, descend_output, &r));
    }
out:
    hd_free(r.mean);
    hd_free(r.means);
    hd_free(r.gram);
    if (err != HEED_OK) {
        hd_linear_free(r.model);
        return err;
    }
    *model = r.model;
    return HEED_OK;
}

static const double grid[] = {1e-3, 1e-2, .1, 1, 10, 100, 1e3, 1e4};

static heed_err try_alpha(const void *options, size_t setting, const hd_classic_data *data,
                          void **model) {
    (void)options;
    return fit_alpha(grid[setting], data, model);
}

static heed_err linear_fit(const void *options, const hd_classic_data *data, char chosen[64],
                           void **model) {
    double alpha = ((const ridge_options *)options)->alpha;
    if (alpha == 0) {
        enum { FOLDS = 5 };
        hd_classic_trial trial = {.n_settings = sizeof grid / sizeof grid[0],
                                  .folds = FOLDS,
                                  .fit = try_alpha,
                                  .kind = &hd_classic_linear};
        size_t best;
        HD_TRY(hd_classic_choose(&trial, data, &best));
        alpha = grid[best];
        hd_snprintf(chosen, 64, "alpha %g", alpha);
    }
    return fit_alpha(alpha, data, model);
}

static heed_err linear_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                               size_t from, size_t to, float *scratch, float *scores) {
    (void)scratch;
    for (size_t i = from; i < to; i++) {
        for (size_t r = 0; r < shape->k; r++) *scores++ = (float)hd_linear_value(model, r, x, i);
    }
    return HEED_OK;
}

const hd_classic_kind hd_classic_linear = {
    .kind = {.name = "linear",
             .size = sizeof(ridge_options),
             .options = option_rows,
             .doc = HD_TEXT("ridge regression", "岭回归")},
    .label = HD_TEXT("ridge regression", "岭回归"),
    .values = true,
    .fit = linear_fit,
    .predict = linear_predict,
    .parameters = hd_linear_parameters,
    .save = hd_linear_save,
    .load = hd_linear_load,
    .free = hd_linear_free,
};
