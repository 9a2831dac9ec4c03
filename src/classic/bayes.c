// SPDX-License-Identifier: Apache-2.0
//
// Naive Bayes: features are taken to be independent, given the class.
//
//   multinomial   ln P(c) + Σ x·ln((N_cj + α) / (N_c + α·m)): counts, or weights that stand for
//   them gaussian      ln P(c) + Σ ln N(x; μ_cj, σ²_cj + 1e-9 · the largest variance of a feature)
//
// as scikit-learn's MultinomialNB and GaussianNB. Both are sums of m terms in x and x²; the model
// keeps for each class a constant and, per feature, the factor of x (multinomial) or μ and 1/2σ².
#include <math.h>

#include "base/mem.h"
#include "classic/kind.h"

typedef enum bayes_form { FORM_AUTO, FORM_MULTINOMIAL, FORM_GAUSSIAN } bayes_form;
static const char *const forms[] = {"auto", "multinomial", "gaussian", NULL};

typedef struct bayes_options {
    int form;
    double alpha;
} bayes_options;

static const hd_option option_rows[] = {
    {.name = "form",
     .type = HD_OPTION_WORD,
     .at = offsetof(bayes_options, form),
     .words = forms,
     .doc = HD_TEXT("what a feature is: auto takes sparse rows without negative values as counts",
                    "特征的形式：auto 把没有负值的稀疏行当作计数")},
    {.name = "alpha",
     .type = HD_OPTION_REAL,
     .at = offsetof(bayes_options, alpha),
     .initial = 1,
     .min = 1e-10,
     .max = 1e6,
     .doc = HD_TEXT("added to each count", "加在每个计数上的值")},
    {.name = NULL}};

typedef struct bayes {
    bayes_form form;
    float *prior; // (k) with the constant of the form
    float *a, *b; // (k, m) factor of x | μ and 1/2σ²; b is NULL of counts
} bayes;

static void bayes_free(void *model) {
    bayes *b = model;
    hd_free(b->prior);
    hd_free(b->a);
    hd_free(b->b);
    hd_free(b);
}

static heed_err bayes_new(bayes_form form, size_t k, size_t m, bayes **out) {
    bayes *b = hd_calloc(1, sizeof *b);
    if (!b) return HD_FAIL_MEMORY(sizeof *b);
    b->form = form;
    b->prior = hd_calloc(k, sizeof *b->prior);
    b->a = hd_calloc(k, m * sizeof *b->a);
    if (form == FORM_GAUSSIAN) b->b = hd_calloc(k, m * sizeof *b->b);
    if (!b->prior || !b->a || (form == FORM_GAUSSIAN && !b->b)) {
        bayes_free(b);
        return HD_FAIL_MEMORY(2 * k * m * sizeof *b->a);
    }
    *out = b;
    return HEED_OK;
}

// Sums over the rows of each class, of x (power 1) or (x − mean)² (with means). sums: (k, m)
static void add_sums(const hd_classic_data *data, const double *mean, double *sums) {
    const hd_matrix *x = data->x;
    for (size_t i = 0; i < x->n; i++) {
        size_t at = (size_t)data->labels[i] * x->m;
        for (size_t j = 0; j < x->m && x->dense; j++) {
            double value = (double)x->dense[i * x->m + j] - (mean ? mean[at + j] : 0);
            sums[at + j] += mean ? value * value : value;
        }
        for (size_t e = x->dense ? 0 : x->start[i]; !x->dense && e < x->start[i + 1]; e++) {
            double value = (double)x->value[e], middle = mean ? mean[at + x->column[e]] : 0;
            // Of a gap, (0 − mean)² is added for all rows afterwards.
            sums[at + x->column[e]] +=
                mean ? (value - middle) * (value - middle) - middle * middle : value;
        }
    }
}

static bool has_negative(const hd_matrix *x) {
    const float *values = x->dense ? x->dense : x->value;
    for (size_t e = 0; e < hd_matrix_entries(x); e++) {
        if (values[e] < 0) return true;
    }
    return false;
}

static void set_multinomial(bayes *b, const hd_classic_data *data, const double *sums,
                            double alpha) {
    size_t m = data->x->m;
    for (size_t c = 0; c < data->k; c++) {
        double total = 0;
        for (size_t j = 0; j < m; j++) total += sums[c * m + j] + alpha;
        for (size_t j = 0; j < m; j++) {
            b->a[c * m + j] = (float)log((sums[c * m + j] + alpha) / total);
        }
    }
}

// The largest variance of a feature over all rows, as a share of which each is widened.
static double widest(const double *mean, const double *square, const double *count, size_t k,
                     size_t m) {
    double most = 0, n = 0;
    for (size_t c = 0; c < k; c++) n += count[c];
    for (size_t j = 0; j < m; j++) {
        double middle = 0, spread = 0;
        for (size_t c = 0; c < k; c++) middle += count[c] * mean[c * m + j] / n;
        for (size_t c = 0; c < k; c++) {
            double away = mean[c * m + j] - middle;
            spread += (square[c * m + j] + count[c] * away * away) / n;
        }
        most = fmax(most, spread);
    }
    return most;
}

static heed_err set_gaussian(bayes *b, const hd_classic_data *data, double *mean,
                             const double *count) {
    static const double wider = 1e-9;
    size_t m = data->x->m, k = data->k;
    double *square = hd_calloc(k, m * sizeof *square);
    if (!square) return HD_FAIL_MEMORY(k * m * sizeof *square);
    for (size_t i = 0; i < k * m; i++) mean[i] /= fmax(count[i / m], 1);
    for (size_t i = 0; i < k * m && !data->x->dense; i++) {
        square[i] = count[i / m] * mean[i] * mean[i];
    }
    add_sums(data, mean, square);
    double more = wider * widest(mean, square, count, k, m);
    for (size_t c = 0; c < k; c++) {
        double constant = 0;
        for (size_t j = 0; j < m; j++) {
            double spread = fmax(square[c * m + j], 0) / fmax(count[c], 1) + more;
            spread = fmax(spread, 1e-30); // all features are constant
            constant -= log(2 * M_PI * spread) / 2;
            b->a[c * m + j] = (float)mean[c * m + j];
            b->b[c * m + j] = (float)fmin(1 / (2 * spread), 1e30);
        }
        b->prior[c] += (float)constant;
    }
    hd_free(square);
    return HEED_OK;
}

static heed_err bayes_fit(const void *options, const hd_classic_data *data, char chosen[64],
                          void **model) {
    heed_err err = HEED_OK;
    const bayes_options *o = options;
    bool negative = has_negative(data->x);
    bayes_form form = o->form != FORM_AUTO         ? (bayes_form)o->form
                      : data->x->dense || negative ? FORM_GAUSSIAN
                                                   : FORM_MULTINOMIAL;
    (void)chosen;
    if (form == FORM_MULTINOMIAL && negative) {
        return HD_FAIL(HEED_INPUT, "naive_bayes: counts can't be negative; take form: gaussian",
                       "naive_bayes：计数不能为负；请用 form: gaussian");
    }
    bayes *b = NULL;
    HD_TRY(bayes_new(form, data->k, data->x->m, &b));
    double *sums = hd_calloc(data->k, data->x->m * sizeof *sums);
    double *count = hd_calloc(data->k, sizeof *count);
    if (!sums || !count) {
        err = HD_FAIL_MEMORY(data->k * data->x->m * sizeof *sums);
        goto out;
    }
    for (size_t i = 0; i < data->x->n; i++) count[data->labels[i]]++;
    for (size_t c = 0; c < data->k; c++) { // a class that never comes
        b->prior[c] = (float)log(fmax(count[c], 1e-6) / (double)data->x->n);
    }
    add_sums(data, NULL, sums);
    if (form == FORM_MULTINOMIAL) {
        set_multinomial(b, data, sums, o->alpha);
    } else {
        HD_TRY_OUT(set_gaussian(b, data, sums, count));
    }
    *model = b;
out:
    if (err != HEED_OK) bayes_free(b);
    hd_free(sums);
    hd_free(count);
    return err;
}

static double log_density(const bayes *b, size_t c, size_t m, const float *row) {
    double sum = (double)b->prior[c];
    for (size_t j = 0; j < m; j++) {
        double away = (double)row[j] - (double)b->a[c * m + j];
        sum -= away * away * (double)b->b[c * m + j];
    }
    return sum;
}

static heed_err bayes_predict(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                              size_t from, size_t to, float *scratch, float *scores) {
    const bayes *b = model;
    size_t m = shape->m, k = shape->k;
    double *logs = hd_calloc(k, sizeof *logs);
    if (!logs) return HD_FAIL_MEMORY(k * sizeof *logs);
    for (size_t i = from; i < to; i++, scores += k) {
        double most = -INFINITY, sum = 0;
        if (b->form == FORM_GAUSSIAN) hd_matrix_row(x, i, scratch);
        for (size_t c = 0; c < k; c++) {
            logs[c] = b->form == FORM_GAUSSIAN
                          ? log_density(b, c, m, scratch)
                          : (double)b->prior[c] + hd_row_dot(x, i, b->a + c * m);
            most = fmax(most, logs[c]);
        }
        for (size_t c = 0; c < k; c++) sum += exp(logs[c] - most);
        for (size_t c = 0; c < k; c++) scores[c] = (float)(exp(logs[c] - most) / sum);
    }
    hd_free(logs);
    return HEED_OK;
}

static size_t bayes_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    const bayes *b = model;
    size_t count = shape->k * (1 + shape->m * (b->b ? 2 : 1));
    *bytes = count * sizeof(float);
    return count;
}

static void bayes_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    const bayes *b = model;
    hd_bytes_u32(out, b->form);
    hd_bytes_f32s(out, b->prior, shape->k);
    hd_bytes_f32s(out, b->a, shape->k * shape->m);
    if (b->b) hd_bytes_f32s(out, b->b, shape->k * shape->m);
}

static heed_err bayes_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    bayes *b = hd_calloc(1, sizeof *b);
    size_t cells = 0;
    if (!b) return HD_FAIL_MEMORY(sizeof *b);
    *model = b;
    uint32_t form = hd_bytes_get_u32(in);
    if ((form != FORM_MULTINOMIAL && form != FORM_GAUSSIAN) ||
        __builtin_mul_overflow(shape->k, shape->m, &cells)) {
        return hd_bytes_damaged();
    }
    b->form = (bayes_form)form;
    HD_TRY(hd_bytes_get_f32s(in, shape->k, &b->prior));
    HD_TRY(hd_bytes_get_f32s(in, cells, &b->a));
    return form == FORM_GAUSSIAN ? hd_bytes_get_f32s(in, cells, &b->b) : HEED_OK;
}

const hd_classic_kind hd_classic_naive_bayes = {
    .kind = {.name = "naive_bayes",
             .size = sizeof(bayes_options),
             .options = option_rows,
             .doc = HD_TEXT("naive Bayes, of counts or of normal features",
                            "朴素贝叶斯，特征为计数或服从正态分布")},
    .label = HD_TEXT("naive Bayes", "朴素贝叶斯"),
    .classes = true,
    .fit = bayes_fit,
    .predict = bayes_predict,
    .parameters = bayes_parameters,
    .save = bayes_save,
    .load = bayes_load,
    .free = bayes_free,
};
