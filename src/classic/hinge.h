// SPDX-License-Identifier: Apache-2.0
//
// A linear support vector machine by its dual, one row at a time: what linear.c fits with
// `loss: hinge`. Inside classic/ only.
#ifndef HD_CLASSIC_HINGE_H
#define HD_CLASSIC_HINGE_H

#include <linear.h>
#include <stddef.h>

#include "base/error.h"

typedef struct hd_hinge {
    size_t n;
    struct feature_node *const *row; // as liblinear takes them: indices from 1, −1 at the end
    const double *y;                 // (n) 1 or −1
    double cost[2];                  // C of a row of −1, of 1
    double tolerance; // the optimality conditions may be violated by: half of it on either side
} hd_hinge;

// Minimises ½|w|² + Σ cost·max(0, 1 − y·wᵀx). w: zeros, room for every index. The same result each
// time. O(entries) per pass; stops after a thousand of them at the latest.
heed_err hd_hinge_fit(const hd_hinge *hinge, double *w) HEED_CHECK;

#endif
