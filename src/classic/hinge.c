// SPDX-License-Identifier: Apache-2.0
//
// Dual coordinate descent with shrinking (Hsieh, Chang, Lin, Keerthi and Sundararajan, ICML 2008).
// The dual minimises ½|Σ αᵢyᵢxᵢ|² − Σ αᵢ over 0 ≤ αᵢ ≤ Cᵢ, and w = Σ αᵢyᵢxᵢ is kept along: the
// gradient along αᵢ is yᵢ·wᵀxᵢ − 1, so that each αᵢ is brought to its best value in the time that
// it takes to read a row. A row whose αᵢ stands at a bound, with a gradient beyond what others had
// in the last pass, is left out until all others are done.
//
// liblinear has this method too, and draws the order of rows from rand(), which two fits at once
// would take from each other. So the order comes from a generator of its own here.
#include "classic/hinge.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"

enum { PASSES = 1000 };

typedef struct descent {
    const hd_hinge *hinge;
    double *w, *alpha, *norm; // (n) each but w: |x|²
    size_t *order, active;    // rows still looked at
    double most, least;       // projected gradients of the last pass: those beyond are left out
    double high, low;         // of this pass
} descent;

static double dot(const struct feature_node *at, const double *w) {
    double sum = 0;
    for (; at->index != -1; at++) sum += at->value * w[at->index - 1];
    return sum;
}

static void add(const struct feature_node *at, double amount, double *w) {
    for (; at->index != -1; at++) w[at->index - 1] += amount * at->value;
}

// False: the row is left out.
static bool visit(descent *d, size_t i) {
    const hd_hinge *h = d->hinge;
    if (d->norm[i] == 0) return true; // nothing in it moves w
    const double y = h->y[i], most = h->cost[y > 0], g = y * dot(h->row[i], d->w) - 1;
    if (d->alpha[i] == 0 && g > d->most) return false;
    if (d->alpha[i] == most && g < d->least) return false;
    // A step against a bound is none.
    double open = g;
    if (d->alpha[i] == 0) open = fmin(g, 0);
    if (d->alpha[i] == most) open = fmax(g, 0);
    d->high = fmax(d->high, open);
    d->low = fmin(d->low, open);
    if (fabs(open) < 1e-12) return true;
    const double before = d->alpha[i];
    d->alpha[i] = fmin(fmax(before - g / d->norm[i], 0), most);
    add(h->row[i], (d->alpha[i] - before) * y, d->w);
    return true;
}

static void pass(descent *d, hd_rng *rng) {
    d->high = -INFINITY, d->low = INFINITY;
    hd_rng_shuffle(rng, d->order, d->active, sizeof *d->order);
    for (size_t at = 0; at < d->active;) {
        const size_t i = d->order[at];
        if (visit(d, i)) {
            at++;
            continue;
        }
        d->order[at] = d->order[--d->active];
        d->order[d->active] = i;
    }
}

static void descend(descent *d) {
    const size_t n = d->hinge->n;
    hd_rng rng = hd_rng_make(0, 0);
    d->active = n, d->most = INFINITY, d->least = -INFINITY;
    for (size_t i = 0; i < PASSES; i++) {
        pass(d, &rng);
        if (d->high - d->low <= d->hinge->tolerance) {
            if (d->active == n) return;
            d->active = n, d->most = INFINITY, d->least = -INFINITY; // once more with all
            continue;
        }
        d->most = d->high > 0 ? d->high : INFINITY;
        d->least = d->low < 0 ? d->low : -INFINITY;
    }
}

heed_err hd_hinge_fit(const hd_hinge *hinge, double *w) {
    const size_t n = hinge->n;
    descent d = {.hinge = hinge,
                 .w = w,
                 .alpha = hd_calloc(n, sizeof *d.alpha),
                 .norm = hd_calloc(n, sizeof *d.norm),
                 .order = hd_calloc(n, sizeof *d.order)};
    const bool there = d.alpha && d.norm && d.order;
    for (size_t i = 0; there && i < n; i++) {
        d.order[i] = i;
        for (const struct feature_node *at = hinge->row[i]; at->index != -1; at++)
            d.norm[i] += at->value * at->value;
    }
    if (there) descend(&d);
    hd_free(d.alpha);
    hd_free(d.norm);
    hd_free(d.order);
    return there ? HEED_OK : HD_FAIL_MEMORY(3 * n * sizeof(double));
}
