// SPDX-License-Identifier: Apache-2.0
//
// Validation during a training. Where averages are kept, they are what is validated: they stand in
// for the weights meanwhile.
#include <math.h>
#include <string.h>

#include "nn/training.h"

static void swap_values(float *a, float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float aside = a[i];
        a[i] = b[i];
        b[i] = aside;
    }
}

static void swap_averages(hd_training *t) {
    for (size_t i = 0; t->averages && i < t->optimizer.n; i++) {
        hd_weight *w = t->optimizer.at[i].weight;
        swap_values(w->data, t->averages[i], w->count);
    }
}

static void keep_best(hd_training *t) {
    for (size_t i = 0; t->best && i < t->net->weights.n; i++) {
        const hd_weight *w = &t->net->weights.at[i]->weight;
        memcpy(t->best[i], w->data, w->count * sizeof(float));
    }
}

static bool better(const hd_training *t, double value) {
    if (!t->s.has_best) return !isnan(value);
    bool less = t->monitor == HD_MONITOR_LOSS || t->metrics.kind[t->monitor]->less_is_better;
    return less ? value < t->s.best : value > t->s.best;
}

static void judge(hd_training *t, const hd_evaluation *e) {
    double value = t->monitor == HD_MONITOR_LOSS ? e->loss : e->metrics[t->monitor];
    t->has_best_now = better(t, value);
    t->s.has_validation = true;
    t->s.validation_loss = e->loss;
    memcpy(t->s.metrics, e->metrics, sizeof t->s.metrics);
    if (t->has_best_now) {
        t->s.has_best = true;
        t->s.best = value;
        t->s.best_step = t->s.step;
        t->s.bad = 0;
        keep_best(t);
    } else {
        t->s.bad++;
    }
    hd_schedule_observe(&t->rate, &t->s.rate, e->loss);
    hd_schedule_observe(&t->size, &t->s.size, e->loss);
}

static heed_err add_points(hd_training *t, const hd_evaluation *e) {
    char names[HD_METRICS][64];
    hd_point points[HD_METRICS + 1] = {{"validation/loss", e->loss}};
    if (!t->curves) return HEED_OK;
    for (size_t i = 0; i < t->metrics.n; i++) {
        hd_snprintf(names[i], sizeof names[i], "validation/%s", t->metrics.kind[i]->kind.name);
        points[i + 1] = (hd_point){names[i], e->metrics[i]};
    }
    double epoch = (double)t->s.epoch + (double)t->s.done / (double)t->data->n;
    return hd_curves_add(t->curves, t->s.step, epoch, hd_wall_seconds(), points, t->metrics.n + 1);
}

heed_err hd_training_validate(hd_training *t, bool *stop) {
    hd_evaluation e;
    swap_averages(t);
    heed_err err = hd_runner_evaluate(&t->validation, t->o.batch, &t->metrics, &e);
    if (err == HEED_OK) judge(t, &e);
    swap_averages(t);
    HD_TRY(err);
    *stop = t->o.patience > 0 && t->s.bad >= (int64_t)t->o.patience;
    return add_points(t, &e);
}

heed_err hd_training_settle(hd_training *t) {
    if (t->best && t->s.has_best) {
        for (size_t i = 0; i < t->net->weights.n; i++) {
            hd_weight *w = &t->net->weights.at[i]->weight;
            memcpy(w->data, t->best[i], w->count * sizeof(float));
        }
    } else {
        swap_averages(t);
    }
    return HEED_OK;
}
