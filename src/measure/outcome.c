// SPDX-License-Identifier: Apache-2.0
//
// What is computed once of predictions: each row's prediction and its part of every mean, and for
// curves the rows by falling score of each class. Scores are compared as they are (float), sums are
// double: figures agree with scikit-learn's to the last few bits.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/figure.h"

// ── Checks ──

static heed_err check_row(const hd_predictions *p, size_t i) {
    for (size_t j = 0; j < p->k; j++) {
        float score = p->scores[i * p->k + j];
        if (!isfinite(score) || (p->targets && !isfinite(p->targets[i * p->k + j]))) {
            return HD_FAIL(HEED_INPUT, "row %zu: a prediction or its truth is not a finite number",
                           "第 %zu 行：预测值或真实值不是有限的数", i + 1);
        }
        if (p->task == HD_TASK_CLASSES && (score < 0 || score > 1)) {
            return HD_FAIL(HEED_INPUT, "row %zu: %g is not a probability: from 0 to 1",
                           "第 %zu 行：%g 不是概率：应在 0 到 1 之间", i + 1, (double)score);
        }
    }
    if (p->task != HD_TASK_CLASSES || (p->labels[i] >= 0 && (size_t)p->labels[i] < p->k)) {
        return HEED_OK;
    }
    return HD_FAIL(HEED_INPUT, "row %zu: label %d is out of range: there are %zu classes, from 0",
                   "第 %zu 行：标签 %d 超出范围：共 %zu 类，从 0 起", i + 1, (int)p->labels[i],
                   p->k);
}

heed_err hd_predictions_check(const hd_predictions *p) {
    if (p->n == 0) return HD_FAIL(HEED_INPUT, "there is no row to measure", "没有可供评估的行");
    if (p->n >= UINT32_MAX || p->k == 0 || (p->task == HD_TASK_CLASSES && p->k < 2)) {
        return HD_FAIL(HEED_INPUT,
                       "%zu rows of %zu columns can't be measured: classes are two or more",
                       "无法评估 %zu 行 %zu 列的预测：至少要有两类", p->n, p->k);
    }
    for (size_t i = 0; i < p->n; i++) HD_TRY(check_row(p, i));
    return HEED_OK;
}

// ── Rows ──

static int32_t largest(const float *row, size_t k) {
    size_t best = 0;
    for (size_t j = 1; j < k; j++) best = row[j] > row[best] ? j : best;
    return (int32_t)best;
}

static void class_row(hd_outcome *o, size_t i) {
    const float *score = o->p.scores + i * o->p.k;
    size_t label = (size_t)o->p.labels[i];
    double *row = o->row + i * HD_ROW_FIGURES;
    double kept = fmin(fmax((double)score[label], DBL_EPSILON), 1 - DBL_EPSILON);
    o->predicted[i] = largest(score, o->p.k);
    row[HD_ROW_LOG_LOSS] = -log(kept);
    for (size_t j = 0; j < o->p.k; j++) {
        double miss = (double)(j == label) - (double)score[j];
        row[HD_ROW_BRIER] += miss * miss;
    }
    if (o->p.k == 2) row[HD_ROW_BRIER] /= 2;
}

static void value_row(hd_outcome *o, size_t i) {
    double *row = o->row + i * HD_ROW_FIGURES;
    double k = (double)o->p.k;
    for (size_t j = 0; j < o->p.k; j++) {
        double truth = (double)o->p.targets[i * o->p.k + j];
        double said = (double)o->p.scores[i * o->p.k + j];
        double miss = fabs(said - truth), both = fabs(said) + fabs(truth);
        row[HD_ROW_AE] += miss / k;
        row[HD_ROW_SE] += miss * miss / k;
        row[HD_ROW_APE] += miss / fmax(fabs(truth), DBL_EPSILON) / k;
        row[HD_ROW_SAPE] += (both > 0 ? 2 * miss / both : 0) / k;
    }
}

static void fill_rows(hd_outcome *o) {
    for (size_t i = 0; i < o->p.n; i++) {
        if (o->p.task == HD_TASK_CLASSES) {
            class_row(o, i);
        } else if (o->p.task == HD_TASK_VALUES) {
            value_row(o, i);
        } else {
            o->row[i * HD_ROW_FIGURES] = (double)o->p.scores[i];
        }
    }
}

// ── Orders ──

typedef struct scored {
    float score;
    uint32_t row;
} scored;

static int by_falling_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static heed_err fill_orders(hd_outcome *o) {
    size_t n = o->p.n, k = o->p.k;
    o->curves = k == 2 ? 1 : k;
    o->order = hd_calloc(o->curves * n, sizeof *o->order);
    scored *rows = hd_calloc(n, sizeof *rows);
    if (!o->order || !rows) {
        hd_free(rows);
        return HD_FAIL_MEMORY(o->curves * n * sizeof *o->order + n * sizeof *rows);
    }
    for (size_t c = 0; c < o->curves; c++) {
        for (size_t i = 0; i < n; i++) {
            rows[i] = (scored){o->p.scores[i * k + hd_outcome_class(o, c)], (uint32_t)i};
        }
        qsort(rows, n, sizeof *rows, by_falling_score);
        for (size_t i = 0; i < n; i++) o->order[c * n + i] = rows[i].row;
    }
    hd_free(rows);
    return HEED_OK;
}

heed_err hd_outcome_init(const hd_predictions *p, bool curves, hd_outcome *out) {
    *out = (hd_outcome){.p = *p};
    HD_TRY(hd_predictions_check(p));
    out->row = hd_calloc(p->n * HD_ROW_FIGURES, sizeof *out->row);
    out->predicted = hd_calloc(p->n, sizeof *out->predicted);
    out->scratch = hd_calloc(p->n, sizeof *out->scratch);
    if (!out->row || !out->predicted || !out->scratch) {
        hd_outcome_clear(out);
        return HD_FAIL_MEMORY(p->n * HD_ROW_FIGURES * sizeof *out->row);
    }
    fill_rows(out);
    heed_err err = curves && p->task == HD_TASK_CLASSES ? fill_orders(out) : HEED_OK;
    if (err != HEED_OK) hd_outcome_clear(out);
    return err;
}

void hd_outcome_clear(hd_outcome *outcome) {
    hd_free(outcome->predicted);
    hd_free(outcome->row);
    hd_free(outcome->order);
    hd_free(outcome->scratch);
    *outcome = (hd_outcome){0};
}

hd_drawn hd_drawn_make(const hd_outcome *o, const uint32_t *times, double *confusion) {
    hd_drawn d = {.o = o, .times = times, .confusion = confusion};
    size_t k = o->p.k;
    if (o->p.task == HD_TASK_CLASSES) memset(confusion, 0, k * k * sizeof *confusion);
    for (size_t i = 0; i < o->p.n; i++) {
        double count = hd_drawn_times(&d, i);
        d.total += count;
        if (o->p.task == HD_TASK_CLASSES) {
            confusion[(size_t)o->p.labels[i] * k + (size_t)o->predicted[i]] += count;
        }
    }
    return d;
}
