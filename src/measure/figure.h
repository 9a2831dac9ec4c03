// SPDX-License-Identifier: Apache-2.0
//
// A figure of a model: one row in figures.c. It is computed from rows that each stand there so many
// times, so that the same code gives the figure, its resamples and paired differences.
#ifndef HD_MEASURE_FIGURE_H
#define HD_MEASURE_FIGURE_H

#include <stdbool.h>

#include "base/pool.h"
#include "measure/predictions.h"

// What is computed once of the predictions, whatever is drawn of them.
typedef struct hd_outcome {
    hd_predictions p;
    int32_t *predicted; // (n) classes: the most probable, ties to the lower
    double *row;        // (n, HD_ROW_FIGURES)
    uint32_t *order;    // (curves, n) rows by falling score of the class
    double *scratch;    // (n) of values: for medians, one thread at a time
    size_t curves;      // 1 of two classes (the positive one), else k
} hd_outcome;

// Means over rows: each row's part of them.
enum {
    HD_ROW_LOG_LOSS, // classes, language
    HD_ROW_BRIER,    // classes
    HD_ROW_AE = 0,   // values: means over outputs
    HD_ROW_SE,
    HD_ROW_APE,
    HD_ROW_SAPE,
    HD_ROW_FIGURES
};

// The predictions are borrowed until hd_outcome_clear, which may be called after a failure too.
heed_err hd_outcome_init(const hd_predictions *p, bool curves, hd_outcome *out) HEED_CHECK;
void hd_outcome_clear(hd_outcome *outcome);
// The class of curve c.
static inline size_t hd_outcome_class(const hd_outcome *o, size_t c) {
    return o->p.k == 2 ? 1 : c;
}

// Rows, drawn.
typedef struct hd_drawn {
    const hd_outcome *o;
    const uint32_t *times; // (n) how often each row was drawn; NULL: once
    double total;          // sum of times
    double *confusion;     // (k, k) truth by prediction; of classes
} hd_drawn;

static inline double hd_drawn_times(const hd_drawn *d, size_t row) {
    return d->times ? (double)d->times[row] : 1;
}
// Counts. confusion: room for (k, k), zeroed here; may be NULL unless the task is classes.
hd_drawn hd_drawn_make(const hd_outcome *o, const uint32_t *times, double *confusion);

typedef struct hd_figure {
    const char *name;
    hd_task task;
    bool higher_is_better;
    bool binary;  // of two classes only
    bool curve;   // needs hd_outcome.order
    bool outputs; // costs a pass over all outputs: no interval when there are many
    bool single;  // has no interval: a median, a maximum
    double (*of)(const hd_drawn *drawn);                    // NaN: not defined
    double (*output)(const hd_drawn *drawn, size_t output); // of values: of one output
} hd_figure;

const hd_figure *hd_figure_at(size_t i); // NULL past the end
// NULL: there is none. HD_FAILs are the caller's.
const hd_figure *hd_figure_find(hd_task task, const char *name);

// Of one class or curve.
typedef struct hd_class_figures {
    double precision, recall, f1, support;
} hd_class_figures;
hd_class_figures hd_class_figures_of(const hd_drawn *drawn, size_t class);
double hd_curve_auc(const hd_drawn *drawn, size_t curve);
double hd_curve_precision(const hd_drawn *drawn, size_t curve); // average precision

#endif
