// SPDX-License-Identifier: Apache-2.0
//
// Of classes a weighted geometric mean, which is a softmax of Σ vₘ·ln pₘ with v = β·w ≥ 0: the log
// loss is convex in v (Genest and Zidek 1986 on pools of opinions), and β mends at once that parts
// are too sure or not sure enough, as temperature does. On cross-validated rows of TREC it was
// better than a mixture Σ wₘ·pₘ of calibrated parts, in accuracy and in log loss. Newton's method:
// the quadratic around v is brought to its lowest point over v ≥ 0, one coordinate after the other,
// and a step that doesn't lower the loss is halved. Of values the squared error is itself a
// quadratic: mass goes from weight to weight until no pair moves.
//
// A free combination (stacking) fits validation rows better and new ones worse: with weights on the
// simplex a model that adds nothing ends at 0.
//
// Still a few hundred rows give a part weight by chance. So a blend has to be better than its best
// part alone, row by row, by more than one standard error (the rule of Breiman et al. 1984);
// otherwise that part is all. What is compared is the loss that the weights were learned for. On
// predictions of four sets of texts, weights learned on 300 to 1,000 rows and accuracy judged on
// the others, it costs questions, titles and news at most .0002, hotel reviews at most .0016.
// Rejected: the same rule by accuracy, which costs questions .01, since rows merely right or wrong
// tell too little and the part that is best by them is so by luck as well; a quarter of all weight
// moved to the best part, which costs them .002.
#include "measure/blend.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { NEWTON = 50, SWEEPS = 2000, HALVINGS = 30 };
// What a part rules out the others may still say.
static const double LEAST = 1e-6, STILL = 1e-10, SHARPEST = 100;

static double log_of(float p) {
    return log(fmin(fmax((double)p, LEAST), 1));
}

// The lowest point of ½(v−at)ᵀH(v−at) + gᵀ(v−at) over v ≥ 0.
static void descend(const double *h, const double *g, const double *at, size_t m, double *v) {
    memcpy(v, at, m * sizeof *v);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double moved = 0;
        for (size_t i = 0; i < m; i++) {
            double slope = g[i], curve = h[i * m + i];
            for (size_t j = 0; j < m; j++) slope += h[i * m + j] * (v[j] - at[j]);
            if (curve <= DBL_MIN) continue;
            double next = fmin(fmax(v[i] - slope / curve, 0), SHARPEST);
            moved = fmax(moved, fabs(next - v[i]));
            v[i] = next;
        }
        if (moved < STILL) return;
    }
}

// ── Classes ──

typedef struct pool {
    const double *logs; // (n, m, k)
    const int32_t *labels;
    size_t n, m, k;
    double *p;    // (k) of the row at hand
    double *mean; // (m) of ln pₘ over p
    double *g, *h, *next;
} pool;

// The row's probabilities by v; minus the logarithm of the truth's.
static double say(const pool *b, const double *v, size_t i) {
    const double *row = b->logs + i * b->m * b->k;
    double most = -DBL_MAX, sum = 0, truth = 0;
    for (size_t c = 0; c < b->k; c++) {
        double z = 0;
        for (size_t j = 0; j < b->m; j++) z += v[j] * row[j * b->k + c];
        b->p[c] = z;
        most = fmax(most, z);
        if ((int32_t)c == b->labels[i]) truth = z;
    }
    for (size_t c = 0; c < b->k; c++) sum += b->p[c] = exp(b->p[c] - most);
    for (size_t c = 0; c < b->k; c++) b->p[c] /= sum;
    return log(sum) + most - truth;
}

static double loss_of(const pool *b, const double *v) {
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) sum += say(b, v, i);
    return sum / (double)b->n;
}

// The slope is what the row expects of ln pₘ less what the truth has; the curvature its covariance.
static void add_row(pool *b, size_t i) {
    const double *row = b->logs + i * b->m * b->k;
    for (size_t j = 0; j < b->m; j++) {
        double mean = 0;
        for (size_t c = 0; c < b->k; c++) mean += b->p[c] * row[j * b->k + c];
        b->mean[j] = mean;
        b->g[j] += (mean - row[j * b->k + (size_t)b->labels[i]]) / (double)b->n;
    }
    for (size_t j = 0; j < b->m; j++) {
        for (size_t l = 0; l <= j; l++) {
            double sum = 0;
            for (size_t c = 0; c < b->k; c++)
                sum +=
                    b->p[c] * (row[j * b->k + c] - b->mean[j]) * (row[l * b->k + c] - b->mean[l]);
            b->h[j * b->m + l] += sum / (double)b->n;
        }
    }
}

static double slopes(pool *b, const double *v) {
    size_t m = b->m;
    double loss = 0;
    memset(b->g, 0, m * sizeof *b->g);
    memset(b->h, 0, m * m * sizeof *b->h);
    for (size_t i = 0; i < b->n; i++) {
        loss += say(b, v, i);
        add_row(b, i);
    }
    for (size_t j = 0; j < m; j++) {
        for (size_t l = 0; l < j; l++) b->h[l * m + j] = b->h[j * m + l];
        // Two parts that say the same leave a valley without a lowest point.
        b->h[j * m + j] += 1e-9;
    }
    return loss / (double)b->n;
}

static void newton(pool *b, double *v) {
    for (int step = 0; step < NEWTON; step++) {
        double before = slopes(b, v), moved = 0;
        descend(b->h, b->g, v, b->m, b->next);
        for (int half = 0; half < HALVINGS && loss_of(b, b->next) > before; half++) {
            for (size_t j = 0; j < b->m; j++) b->next[j] = (v[j] + b->next[j]) / 2;
        }
        for (size_t j = 0; j < b->m; j++) moved = fmax(moved, fabs(b->next[j] - v[j]));
        if (loss_of(b, b->next) > before) return;
        memcpy(v, b->next, b->m * sizeof *v);
        if (moved < 1e-8) return;
    }
}

static heed_err fit_classes(const hd_predictions *each, size_t m, double *v) {
    size_t n = each->n, k = each->k;
    double *logs = hd_calloc(n * m + 1, k * sizeof *logs);
    double *work = hd_calloc(k + m * (m + 3), sizeof *work);
    heed_err err = logs && work ? HEED_OK : HD_FAIL_MEMORY(n * m * k * sizeof *logs);
    for (size_t j = 0; err == HEED_OK && j < m; j++) {
        for (size_t i = 0; i < n; i++) {
            for (size_t c = 0; c < k; c++)
                logs[(i * m + j) * k + c] = log_of(each[j].scores[i * k + c]);
        }
    }
    if (err == HEED_OK) {
        double *h = work + k + 3 * m;
        pool b = {logs, each->labels, n, m, k, work, work + k, work + k + m, h, work + k + 2 * m};
        newton(&b, v);
    }
    hd_free(logs);
    hd_free(work);
    return err;
}

// ── Values ──

// Mass t goes from weight j to weight i. Of ½wᵀGw − bᵀw the lowest point on that way is where the
// slope is 0, or an end.
static double move_pair(const double *g, const double *b, size_t m, size_t i, size_t j, double *w) {
    double curve = g[i * m + i] + g[j * m + j] - 2 * g[i * m + j], slope = b[j] - b[i];
    for (size_t l = 0; l < m; l++) slope += (g[i * m + l] - g[j * m + l]) * w[l];
    if (curve <= DBL_MIN) return 0;
    double t = fmin(fmax(-slope / curve, -w[i]), w[j]);
    w[i] += t;
    w[j] -= t;
    return fabs(t);
}

static void quadratic(const double *g, const double *b, size_t m, double *weights) {
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double moved = 0;
        for (size_t i = 0; i < m; i++) {
            for (size_t j = i + 1; j < m; j++)
                moved = fmax(moved, move_pair(g, b, m, i, j, weights));
        }
        if (moved < STILL) return;
    }
}

static heed_err fit_values(const hd_predictions *each, size_t m, double *weights) {
    size_t cells = each->n * each->k;
    double *g = hd_calloc(m + 1, m * sizeof *g), *b = g ? g + m * m : NULL;
    if (!g) return HD_FAIL_MEMORY(m * m * sizeof *g);
    for (size_t i = 0; i < m; i++) {
        for (size_t c = 0; c < cells; c++) {
            double x = (double)each[i].scores[c];
            b[i] += x * (double)each->targets[c];
            for (size_t j = 0; j <= i; j++) g[i * m + j] += x * (double)each[j].scores[c];
        }
        for (size_t j = 0; j < i; j++) g[j * m + i] = g[i * m + j];
    }
    quadratic(g, b, m, weights);
    hd_free(g);
    return HEED_OK;
}

// ── Both ──

static bool same_rows(const hd_predictions *a, const hd_predictions *b) {
    if (a->task != b->task || a->n != b->n || a->k != b->k) return false;
    if (a->task == HD_TASK_CLASSES)
        return memcmp(a->labels, b->labels, a->n * sizeof *a->labels) == 0;
    return memcmp(a->targets, b->targets, a->n * a->k * sizeof *a->targets) == 0;
}

// v = β·w; what isn't worth a model's time is 0. All at 0 (no part knows anything): the same for
// all.
static void split(hd_blend *b) {
    static const double nothing = 1e-3;
    double sum = 0, kept = 0;
    for (size_t j = 0; j < b->m; j++) sum += b->weights[j];
    for (size_t j = 0; j < b->m; j++) {
        if (b->weights[j] < nothing * sum) b->weights[j] = 0;
        kept += b->weights[j];
    }
    for (size_t j = 0; j < b->m; j++)
        b->weights[j] = kept > STILL ? b->weights[j] / kept : 1 / (double)b->m;
    b->sharp = b->task == HD_TASK_CLASSES ? fmax(kept, STILL) : 1;
}

// ── The guard ──

// A row's loss by what a blend says; of values the mean square over outputs.
static double lost(const hd_predictions *p, const float *said, size_t i) {
    double sum = 0;
    if (p->task == HD_TASK_CLASSES) return -log_of(said[(size_t)p->labels[i]]);
    for (size_t c = 0; c < p->k; c++) {
        double miss = (double)said[c] - (double)p->targets[i * p->k + c];
        sum += miss * miss / (double)p->k;
    }
    return sum;
}

static void losses(const hd_predictions *each, const hd_blend *b, float *said, double *out) {
    const float *at[HD_BLEND_MODELS];
    for (size_t j = 0; j < b->m; j++) at[j] = each[j].scores;
    hd_blend_mix(b, at, each->n, each->k, said);
    for (size_t i = 0; i < each->n; i++) out[i] = lost(each, said + i * each->k, i);
}

// One part as if it were the blend; of classes as sharp as is best for it.
static heed_err alone(const hd_predictions *each, size_t m, size_t j, hd_blend *out) {
    double sharp = 1;
    if (each->task == HD_TASK_CLASSES) HD_TRY(fit_classes(&each[j], 1, &sharp));
    *out = (hd_blend){.task = each->task, .m = m, .sharp = fmax(sharp, STILL)};
    out->weights[j] = 1;
    return HEED_OK;
}

static double sum_of(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

// Whether a is below b, by row, by more than the standard error of their mean difference.
static bool clearly_below(const double *a, const double *b, size_t n) {
    double mean = (sum_of(b, n) - sum_of(a, n)) / (double)n, square = 0;
    for (size_t i = 0; i < n; i++) square += (b[i] - a[i] - mean) * (b[i] - a[i] - mean);
    return n > 1 && mean > sqrt(square / (double)(n - 1) / (double)n);
}

// work: three rows of n losses (the blend's, the best part's, the next part's).
static heed_err guard(const hd_predictions *each, float *said, double *work, hd_blend *blend) {
    size_t n = each->n;
    double *best = work + n, *next = best + n;
    hd_blend chosen = *blend;
    losses(each, blend, said, work);
    for (size_t j = 0; j < blend->m; j++) {
        hd_blend one;
        HD_TRY(alone(each, blend->m, j, &one));
        losses(each, &one, said, next);
        if (j > 0 && sum_of(next, n) >= sum_of(best, n)) continue;
        memcpy(best, next, n * sizeof *best);
        chosen = one;
    }
    if (!clearly_below(work, best, n)) *blend = chosen;
    return HEED_OK;
}

static heed_err guarded(const hd_predictions *each, hd_blend *blend) {
    float *said = hd_calloc(each->n, each->k * sizeof *said);
    double *work = hd_calloc(each->n, 3 * sizeof *work);
    heed_err err = said && work ? guard(each, said, work, blend)
                                : HD_FAIL_MEMORY(each->n * (each->k * sizeof *said));
    hd_free(said);
    hd_free(work);
    return err;
}

heed_err hd_blend_fit(const hd_predictions *each, size_t m, hd_blend *out) {
    bool classes = each->task == HD_TASK_CLASSES;
    bool fine = (classes || each->task == HD_TASK_VALUES) && m <= HD_BLEND_MODELS;
    *out = (hd_blend){.task = each->task, .m = m, .sharp = 1};
    for (size_t j = 0; j < m && fine; j++) {
        out->weights[j] = 1 / (double)m;
        fine = same_rows(each, &each[j]);
    }
    if (!fine) {
        return HD_FAIL(HEED_INPUT, "the models to blend did not predict the same rows",
                       "要混合的模型预测的不是相同的行");
    }
    if (each->n == 0) return HEED_OK;
    HD_TRY(classes ? fit_classes(each, m, out->weights) : fit_values(each, m, out->weights));
    split(out);
    return m > 1 ? guarded(each, out) : HEED_OK;
}

bool hd_blend_sound(const hd_blend *b) {
    double sum = 0;
    bool sound = b->m > 0 && b->m <= HD_BLEND_MODELS && b->sharp > 0 &&
                 b->sharp <= SHARPEST * HD_BLEND_MODELS;
    for (size_t j = 0; sound && j < b->m; j++) {
        sound = b->weights[j] >= 0 && b->weights[j] <= 1;
        sum += b->weights[j];
    }
    return sound && fabs(sum - 1) < 1e-6;
}

static void mix_row(const hd_blend *b, const float *const *scores, size_t at, size_t k,
                    float *out) {
    double most = -DBL_MAX, sum = 0;
    for (size_t c = 0; c < k; c++) {
        double z = 0;
        for (size_t j = 0; j < b->m; j++)
            if (b->weights[j] > 0) z += b->sharp * b->weights[j] * log_of(scores[j][at + c]);
        out[c] = (float)z;
        most = fmax(most, (double)out[c]);
    }
    for (size_t c = 0; c < k; c++) sum += exp((double)out[c] - most);
    for (size_t c = 0; c < k; c++) out[c] = (float)(exp((double)out[c] - most) / sum);
}

void hd_blend_mix(const hd_blend *b, const float *const *scores, size_t n, size_t k, float *out) {
    for (size_t i = 0; i < n; i++) {
        if (b->task == HD_TASK_CLASSES) {
            mix_row(b, scores, i * k, k, out + i * k);
            continue;
        }
        for (size_t c = 0; c < k; c++) {
            double sum = 0;
            for (size_t j = 0; j < b->m; j++)
                if (b->weights[j] > 0) sum += b->weights[j] * (double)scores[j][i * k + c];
            out[i * k + c] = (float)sum;
        }
    }
}
