// SPDX-License-Identifier: Apache-2.0
//
// All three kinds map the probability of a class to a number and normalise the row. They are kept
// in one shape: for each class (one for all, of a temperature) rising points x and values y.
//
//   temperature   y[0] = 1/T; p ↦ p^(1/T). The log loss is convex in 1/T: golden section.
//   platt         y = (a, b); p ↦ 1 / (1 + exp(a·f + b)) with f the logit of p, fitted by Newton's
//                 method to Platt's targets as Lin, Lin and Weng (2007) write it.
//   isotonic      pool adjacent violators; between points by interpolation, beyond them flat, as
//                 scikit-learn's IsotonicRegression(out_of_bounds="clip").
//
// Two classes: the sigmoid and the curve are of the positive class alone, the other is 1 − p.
#include "measure/calibration.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

// A probability of 0 or 1 has no logit; floats of a softmax end near 1e-38 and 1 − 6e-8.
static const double LEAST = 1e-12;

typedef struct curve {
    size_t n;
    double *x, *y; // (n) in one block that x owns; platt and temperature use y alone
} curve;

typedef struct method {
    const char *name;
    bool one; // curve for all classes
    heed_err (*fit)(const hd_predictions *p, size_t class, curve *out);
    double (*map)(const curve *c, double p);
    size_t least, most; // points of a curve
    bool (*sane)(const curve *c);
} method;

struct hd_calibration {
    const method *kind;
    size_t k, n_curves;
    curve *curves; // (n_curves)
};

static heed_err curve_new(size_t n, curve *out) {
    out->n = n;
    out->x = hd_calloc(2 * n, sizeof *out->x);
    out->y = out->x ? out->x + n : NULL;
    return out->x ? HEED_OK : HD_FAIL_MEMORY(2 * n * sizeof *out->x);
}

static double within(double p) {
    return fmin(fmax(p, LEAST), 1 - LEAST);
}

// ── Temperature ──

typedef struct cooling {
    const hd_predictions *p;
    const double *logs; // (n, k)
} cooling;

static double cooled_loss(const cooling *c, double beta) {
    double sum = 0;
    size_t k = c->p->k;
    for (size_t i = 0; i < c->p->n; i++) {
        const double *row = c->logs + i * k;
        double most = row[0], total = 0;
        for (size_t j = 1; j < k; j++) most = fmax(most, row[j]);
        for (size_t j = 0; j < k; j++) total += exp(beta * (row[j] - most));
        sum += log(total) - beta * (row[c->p->labels[i]] - most);
    }
    return sum;
}

static double golden(const cooling *c, double low, double high) {
    enum { STEPS = 60 };
    static const double SECTION = .6180339887498949;
    double a = high - SECTION * (high - low), b = low + SECTION * (high - low);
    double at_a = cooled_loss(c, exp(a)), at_b = cooled_loss(c, exp(b));
    for (int i = 0; i < STEPS; i++) {
        if (at_a <= at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - SECTION * (high - low);
            at_a = cooled_loss(c, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + SECTION * (high - low);
            at_b = cooled_loss(c, exp(b));
        }
    }
    return exp((low + high) / 2);
}

static heed_err temperature_fit(const hd_predictions *p, size_t class, curve *out) {
    static const double widest = 4; // 1/T from e^-4 to e^4
    (void)class;
    HD_TRY(curve_new(1, out));
    double *logs = hd_calloc(p->n * p->k, sizeof *logs);
    if (!logs) return HD_FAIL_MEMORY(p->n * p->k * sizeof *logs);
    for (size_t i = 0; i < p->n * p->k; i++) logs[i] = log(fmax((double)p->scores[i], LEAST));
    cooling c = {p, logs};
    out->y[0] = golden(&c, -widest, widest);
    hd_free(logs);
    return HEED_OK;
}

static double temperature_map(const curve *c, double p) {
    return exp(c->y[0] * log(fmax(p, LEAST)));
}

static bool temperature_sane(const curve *c) {
    return c->y[0] > 0 && c->y[0] <= 1e6;
}

// ── Platt ──

typedef struct sigmoid {
    const hd_predictions *p;
    size_t class;
    double high, low; // targets of its rows and of the others
    double a, b;
} sigmoid;

static double logit_at(const sigmoid *s, size_t i) {
    double p = within((double)s->p->scores[i * s->p->k + s->class]);
    return log(p) - log1p(-p);
}
static double target_at(const sigmoid *s, size_t i) {
    return (size_t)s->p->labels[i] == s->class ? s->high : s->low;
}

static double sigmoid_loss(const sigmoid *s) {
    double sum = 0;
    for (size_t i = 0; i < s->p->n; i++) {
        double z = s->a * logit_at(s, i) + s->b, t = target_at(s, i);
        sum += z >= 0 ? t * z + log1p(exp(-z)) : (t - 1) * z + log1p(exp(z));
    }
    return sum;
}

typedef struct slope {
    double aa, ab, bb, a, b;
} slope;

static slope sigmoid_slope(const sigmoid *s) {
    static const double ridge = 1e-12;
    slope g = {.aa = ridge, .bb = ridge};
    for (size_t i = 0; i < s->p->n; i++) {
        double f = logit_at(s, i), z = s->a * f + s->b;
        double p = z >= 0 ? exp(-z) / (1 + exp(-z)) : 1 / (1 + exp(z));
        double w = p * (1 - p), miss = target_at(s, i) - p;
        g.aa += f * f * w;
        g.ab += f * w;
        g.bb += w;
        g.a += f * miss;
        g.b += miss;
    }
    return g;
}

// One step of Newton's method, halved until it helps. False: no step does.
static bool sigmoid_step(sigmoid *s, double *loss) {
    static const double least_step = 1e-10, slack = 1e-4;
    slope g = sigmoid_slope(s);
    double det = g.aa * g.bb - g.ab * g.ab;
    double da = -(g.bb * g.a - g.ab * g.b) / det, db = -(g.aa * g.b - g.ab * g.a) / det;
    double down = g.a * da + g.b * db, a = s->a, b = s->b;
    if (fabs(g.a) < 1e-9 * (double)s->p->n && fabs(g.b) < 1e-9 * (double)s->p->n) return false;
    for (double step = 1; step >= least_step; step /= 2) {
        s->a = a + step * da;
        s->b = b + step * db;
        double now = sigmoid_loss(s);
        if (now < *loss + slack * step * down) {
            *loss = now;
            return true;
        }
    }
    s->a = a;
    s->b = b;
    return false;
}

static heed_err platt_fit(const hd_predictions *p, size_t class, curve *out) {
    enum { STEPS = 100 };
    HD_TRY(curve_new(2, out));
    double of = 0, others;
    for (size_t i = 0; i < p->n; i++) of += (size_t)p->labels[i] == class;
    others = (double)p->n - of;
    sigmoid s = {p, class, (of + 1) / (of + 2), 1 / (others + 2), 0, log((others + 1) / (of + 1))};
    double loss = sigmoid_loss(&s);
    for (int i = 0; i < STEPS && sigmoid_step(&s, &loss); i++) {
    }
    out->y[0] = s.a;
    out->y[1] = s.b;
    return HEED_OK;
}

static double platt_map(const curve *c, double p) {
    p = within(p);
    return 1 / (1 + exp(c->y[0] * (log(p) - log1p(-p)) + c->y[1]));
}

static bool platt_sane(const curve *c) {
    return fabs(c->y[0]) <= 1e6 && fabs(c->y[1]) <= 1e6;
}

// ── Isotonic ──

typedef struct block {
    double low, high, sum, n; // of x; rows of the class, and rows
} block;

static int by_low(const void *a, const void *b) {
    double x = ((const block *)a)->low, y = ((const block *)b)->low;
    return (x > y) - (x < y);
}

// Joins rows of equal x, then neighbours that fall. Returns how many blocks are left.
static size_t pool_blocks(block *blocks, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) { // equal x
        if (kept > 0 && blocks[kept - 1].low == blocks[i].low) {
            blocks[kept - 1].sum += blocks[i].sum;
            blocks[kept - 1].n += blocks[i].n;
        } else {
            blocks[kept++] = blocks[i];
        }
    }
    n = kept;
    kept = 0;
    for (size_t i = 0; i < n; i++) {
        block now = blocks[i];
        while (kept > 0 && blocks[kept - 1].sum * now.n >= now.sum * blocks[kept - 1].n) {
            const block *before = &blocks[--kept];
            now = (block){before->low, now.high, before->sum + now.sum, before->n + now.n};
        }
        blocks[kept++] = now;
    }
    return kept;
}

static heed_err isotonic_fit(const hd_predictions *p, size_t class, curve *out) {
    block *blocks = hd_calloc(p->n, sizeof *blocks);
    if (!blocks) return HD_FAIL_MEMORY(p->n * sizeof *blocks);
    for (size_t i = 0; i < p->n; i++) {
        double x = (double)p->scores[i * p->k + class];
        blocks[i] = (block){x, x, (size_t)p->labels[i] == class, 1};
    }
    qsort(blocks, p->n, sizeof *blocks, by_low);
    size_t kept = pool_blocks(blocks, p->n), at = 0;
    heed_err err = curve_new(2 * kept, out);
    for (size_t i = 0; i < kept && err == HEED_OK; i++) {
        double y = blocks[i].sum / blocks[i].n;
        out->x[at] = blocks[i].low;
        out->y[at++] = y;
        if (blocks[i].high == blocks[i].low) continue;
        out->x[at] = blocks[i].high;
        out->y[at++] = y;
    }
    out->n = at;
    hd_free(blocks);
    return err;
}

static double isotonic_map(const curve *c, double p) {
    if (p <= c->x[0]) return c->y[0];
    if (p >= c->x[c->n - 1]) return c->y[c->n - 1];
    size_t low = 0, high = c->n - 1; // x[low] < p < x[high] or equal at an end
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(c->x[middle] <= p ? &low : &high) = middle;
    }
    double share = (p - c->x[low]) / (c->x[high] - c->x[low]);
    return c->y[low] + share * (c->y[high] - c->y[low]);
}

static bool isotonic_sane(const curve *c) {
    for (size_t i = 0; i < c->n; i++) {
        if (!(c->y[i] >= 0 && c->y[i] <= 1)) return false;
        if (i > 0 && !(c->x[i] > c->x[i - 1] && c->y[i] >= c->y[i - 1])) return false;
    }
    return true;
}

// ── The list ──

enum { MOST_POINTS = 1 << 24, MOST_CLASSES = 1 << 16 };
static const method list[] = {
    {"temperature", true, temperature_fit, temperature_map, 1, 1, temperature_sane},
    {"platt", false, platt_fit, platt_map, 2, 2, platt_sane},
    {"isotonic", false, isotonic_fit, isotonic_map, 1, MOST_POINTS, isotonic_sane},
};
enum { KINDS = sizeof list / sizeof list[0] };

const char *hd_calibration_name(size_t i) {
    return i < KINDS ? list[i].name : NULL;
}

static const char *next_name(void *ctx) {
    size_t *i = ctx;
    return hd_calibration_name((*i)++);
}

static heed_err find(const char *name, const method **out) {
    size_t first = 0;
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(list[i].name, name) != 0) continue;
        *out = &list[i];
        return HEED_OK;
    }
    const char *near = hd_nearest(name, next_name, &first);
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no calibration '%s'%s%s; there are: temperature, "
                   "platt, isotonic",
                   "没有校准方法“%s”%s%s；可用的有：temperature、platt、isotonic", name,
                   near ? "; nearest: " : "", near ? near : "");
}

static heed_err calibration_new(const method *kind, size_t k, hd_calibration **out) {
    hd_calibration *c = hd_calloc(1, sizeof *c);
    if (!c) return HD_FAIL_MEMORY(sizeof *c);
    *c = (hd_calibration){.kind = kind, .k = k, .n_curves = kind->one || k == 2 ? 1 : k};
    c->curves = hd_calloc(c->n_curves, sizeof *c->curves);
    if (!c->curves) {
        hd_free(c);
        return HD_FAIL_MEMORY(k * sizeof *c->curves);
    }
    *out = c;
    return HEED_OK;
}

heed_err hd_calibration_fit(const char *name, const hd_predictions *p, hd_calibration **out) {
    heed_err err = HEED_OK;
    const method *kind = NULL;
    hd_calibration *c = NULL;
    *out = NULL;
    HD_TRY(find(name, &kind));
    if (p->task != HD_TASK_CLASSES) {
        return HD_FAIL(HEED_INPUT, "only probabilities of classes can be calibrated",
                       "只有类别概率可以校准");
    }
    HD_TRY(hd_predictions_check(p));
    HD_TRY(calibration_new(kind, p->k, &c));
    for (size_t i = 0; i < c->n_curves; i++) {
        HD_TRY_OUT(kind->fit(p, p->k == 2 ? 1 : i, &c->curves[i]));
    }
    *out = c;
    return HEED_OK;
out:
    hd_calibration_free(c);
    return err;
}

void hd_calibration_free(hd_calibration *c) {
    if (!c) return;
    for (size_t i = 0; i < c->n_curves; i++) hd_free(c->curves[i].x);
    hd_free(c->curves);
    hd_free(c);
}

size_t hd_calibration_classes(const hd_calibration *c) {
    return c->k;
}

static void apply_row(const hd_calibration *c, float *row) {
    double sum = 0;
    if (c->k == 2 && !c->kind->one) {
        row[1] = (float)c->kind->map(&c->curves[0], (double)row[1]);
        row[0] = 1 - row[1];
        return;
    }
    for (size_t j = 0; j < c->k; j++) {
        row[j] = (float)c->kind->map(&c->curves[c->kind->one ? 0 : j], (double)row[j]);
        sum += (double)row[j];
    }
    for (size_t j = 0; j < c->k; j++) {
        row[j] = sum > 0 ? (float)((double)row[j] / sum) : 1 / (float)c->k;
    }
}

void hd_calibration_apply(const hd_calibration *c, float *scores, size_t n) {
    for (size_t i = 0; i < n; i++) apply_row(c, scores + i * c->k);
}

// ── As a document ──

static heed_err add_numbers(json_t *to, const char *key, const double *values, size_t n) {
    json_t *numbers = json_array();
    HD_TRY(hd_json_set(to, key, numbers));
    for (size_t i = 0; i < n; i++) HD_TRY(hd_json_append(numbers, hd_json_real(values[i])));
    return HEED_OK;
}

heed_err hd_calibration_json(const hd_calibration *c, json_t **out) {
    heed_err err = HEED_OK;
    HD_TRY(hd_json_pack(out, "{s:s, s:I, s:[]}", "kind", c->kind->name, "k", (json_int_t)c->k,
                        "curves"));
    for (size_t i = 0; i < c->n_curves; i++) {
        json_t *one = json_object();
        HD_TRY_OUT(hd_json_append(json_object_get(*out, "curves"), one));
        if (c->kind->most > 2) HD_TRY_OUT(add_numbers(one, "x", c->curves[i].x, c->curves[i].n));
        HD_TRY_OUT(add_numbers(one, "y", c->curves[i].y, c->curves[i].n));
    }
out:
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err damaged(void) {
    return HD_FAIL(HEED_INPUT, "the saved calibration is damaged; train again",
                   "保存的校准数据已损坏；请重新训练");
}

static bool read_numbers(const json_t *from, double *out, size_t n) {
    if (json_array_size(from) != n) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(from, i);
        if (!json_is_number(value)) return false;
        out[i] = json_number_value(value);
    }
    return true;
}

static heed_err load_curve(const method *kind, const json_t *json, curve *out) {
    const json_t *x = json_object_get(json, "x"), *y = json_object_get(json, "y");
    size_t n = json_array_size(y);
    if (n < kind->least || n > kind->most) return damaged();
    HD_TRY(curve_new(n, out));
    if (!read_numbers(y, out->y, n) || (kind->most > 2 && !read_numbers(x, out->x, n)) ||
        !kind->sane(out)) {
        return damaged();
    }
    return HEED_OK;
}

heed_err hd_calibration_load(const json_t *json, hd_calibration **out) {
    heed_err err = HEED_OK;
    const method *kind = NULL;
    hd_calibration *c = NULL;
    const char *name = json_string_value(json_object_get(json, "kind"));
    json_int_t k = json_integer_value(json_object_get(json, "k"));
    const json_t *curves = json_object_get(json, "curves");
    *out = NULL;
    if (!name || k < 2 || k > MOST_CLASSES) return damaged();
    HD_TRY(find(name, &kind));
    HD_TRY(calibration_new(kind, (size_t)k, &c));
    if (json_array_size(curves) != c->n_curves) {
        err = damaged();
        goto out;
    }
    for (size_t i = 0; i < c->n_curves; i++) {
        HD_TRY_OUT(load_curve(kind, json_array_get(curves, i), &c->curves[i]));
    }
    *out = c;
    return HEED_OK;
out:
    hd_calibration_free(c);
    return err;
}
