// SPDX-License-Identifier: Apache-2.0
//
// Logistic regression and the linear SVM by liblinear (Fan et al., JMLR 9, 2008): the primal
// problems, by its trust region Newton method. Its dual solvers shuffle by rand(), so that two fits
// at once would disturb each other: not used; the svm's with the plain hinge is ours (hinge.c).
//
//   logistic   ½|w|² + C Σ log(1 + exp(−y·wᵀx))
//   svm        ½|w|² + C Σ max(0, 1 − y·wᵀx)², or with `loss: hinge` the same without the square: a
//              row far on the wrong side (a wrong label, say) counts less
//
// Several classes: each against the rest, one fit per class, on the pool. The intercept is a
// feature that is 1, regularised like the others. Probabilities: the sigmoid of wᵀx, of several
// classes divided by their sum. The svm's margins aren't logits: its probabilities order rows
// rightly but want calibration.
//
// With `ratios`, a feature is multiplied for each class by how much more of it the class has than
// the rest, r = ln((a + α) / Σ(a + α)) − ln((b + α) / Σ(b + α)), a and b its sums over the class's
// rows and the others' (Wang and Manning 2012): what naive Bayes knows, before a fit begins. The
// weights are multiplied by r afterwards, so that a model is a linear one like any other.
//
// A row in liblinear is 16 bytes an entry, in memory of its own: it is reserved before.
#include "classic/linear.h"

#include <linear.h>
#include <math.h>

#include "base/mem.h"
#include "classic/hinge.h"
#include "classic/library.h"

// ── Weights ──

heed_err hd_linear_new(size_t w, size_t m, hd_linear **out) {
    hd_linear *model = hd_calloc(1, sizeof *model);
    float *weights = hd_calloc(w, (m + 1) * sizeof *weights);
    if (!model || !weights) {
        hd_free(model);
        hd_free(weights);
        return HD_FAIL_MEMORY(w * (m + 1) * sizeof *weights);
    }
    *model = (hd_linear){w, weights};
    *out = model;
    return HEED_OK;
}

void hd_linear_free(void *model) {
    hd_linear *linear = model;
    hd_free(linear->weights);
    hd_free(linear);
}

size_t hd_linear_parameters(const void *model, const hd_classic_shape *shape, size_t *bytes) {
    size_t count = ((const hd_linear *)model)->w * (shape->m + 1);
    *bytes = count * sizeof(float);
    return count;
}

void hd_linear_save(const void *model, const hd_classic_shape *shape, hd_str *out) {
    const hd_linear *linear = model;
    hd_bytes_f32s(out, linear->weights, linear->w * (shape->m + 1));
}

heed_err hd_linear_load(hd_bytes *in, const hd_classic_shape *shape, void **model) {
    size_t w = shape->classes && shape->k == 2 ? 1 : shape->k, cells;
    if (__builtin_mul_overflow(w, shape->m + 1, &cells)) return hd_bytes_damaged();
    hd_linear *linear = hd_calloc(1, sizeof *linear);
    if (!linear) return HD_FAIL_MEMORY(sizeof *linear);
    linear->w = w;
    *model = linear;
    return hd_bytes_get_f32s(in, cells, &linear->weights);
}

double hd_linear_value(const hd_linear *model, size_t r, const hd_matrix *x, size_t i) {
    const float *weights = model->weights + r * (x->m + 1);
    return hd_row_dot(x, i, weights) + (double)weights[x->m];
}

// ── liblinear ──

typedef struct liblinear {
    struct model *(*train)(const struct problem *, const struct parameter *);
    void (*free_and_destroy_model)(struct model **);
    void (*set_print_string_function)(void (*)(const char *));
} liblinear;

static const char *const files[] = {"liblinear.so.4", "liblinear.so", NULL};
static const hd_library_symbol symbols[] = {
    {"train", offsetof(liblinear, train)},
    {"free_and_destroy_model", offsetof(liblinear, free_and_destroy_model)},
    {"set_print_string_function", offsetof(liblinear, set_print_string_function)},
    {.name = NULL},
};
static const hd_library library = {"liblinear", "liblinear4", files, symbols};

static void say_nothing(const char *text) {
    (void)text;
}

// ── Fitting ──

typedef struct linear_options {
    double c, ratios;
    bool balanced;
    int loss; // of the svm
} linear_options;

enum { SQUARED, HINGE };
static const char *const losses[] = {"squared", "hinge", NULL};

// clang-format off
#define SHARED_ROWS                                                                                \
    {.name = "C",                                                                                  \
     .type = HD_OPTION_REAL,                                                                       \
     .at = offsetof(linear_options, c),                                                            \
     .initial = 1,                                                                                 \
     .min = 0,                                                                                     \
     .max = 1e6,                                                                                   \
     .doc = HD_TEXT("how much a training row's fault counts against large weights; 0: chosen by "  \
                    "cross-validation over the training rows",                                     \
                    "训练误差相对于大权重的代价；0：在训练数据上用交叉验证选取")},                 \
    {.name = "ratios",                                                                             \
     .type = HD_OPTION_REAL,                                                                       \
     .at = offsetof(linear_options, ratios),                                                       \
     .max = 1e6,                                                                                   \
     .doc = HD_TEXT("features times their log-count ratio between a class and the rest (Wang and " \
                    "Manning 2012), this much added to each sum; 0: as they are",                  \
                    "特征乘以该类与其余类的对数计数比（Wang 与 Manning 2012），此值加到每个和上；" \
                    "0：不用")},                                                                   \
    {.name = "balanced",                                                                           \
     .type = HD_OPTION_BOOL,                                                                       \
     .at = offsetof(linear_options, balanced),                                                     \
     .doc = HD_TEXT("rows of rare classes count more: n / (k · rows of the class)",                \
                    "少数类的行权重更大：n / (k × 该类行数)")}
// clang-format on

static const hd_option logistic_rows[] = {SHARED_ROWS, {.name = NULL}};
static const hd_option svm_rows[] = {
    SHARED_ROWS,
    {.name = "loss",
     .type = HD_OPTION_WORD,
     .at = offsetof(linear_options, loss),
     .words = losses,
     .doc =
         HD_TEXT("how much a row on the wrong side counts: the square of how far it is, or hinge: "
                 "how far it is, which suits labels that are sometimes wrong",
                 "错分的行计多少：偏离的平方；或 hinge：偏离本身，适合偶有错误的标签")},
    {.name = NULL}};

typedef struct node_rows {
    struct feature_node *nodes; // all rows', each ended by −1
    struct feature_node **row;  // (n)
} node_rows;

static void rows_clear(node_rows *r) {
    hd_free(r->nodes);
    hd_free(r->row);
}

static struct feature_node *add_row(const hd_matrix *x, size_t i, struct feature_node *at) {
    if (x->dense) {
        for (size_t j = 0; j < x->m; j++) {
            float value = x->dense[i * x->m + j];
            if (value != 0) *at++ = (struct feature_node){(int)j + 1, (double)value};
        }
    } else {
        for (size_t e = x->start[i]; e < x->start[i + 1]; e++) {
            *at++ = (struct feature_node){(int)x->column[e] + 1, (double)x->value[e]};
        }
    }
    *at++ = (struct feature_node){(int)x->m + 1, 1};
    *at++ = (struct feature_node){-1, 0};
    return at;
}

static heed_err rows_fill(const hd_matrix *x, node_rows *r) {
    size_t nodes = hd_matrix_entries(x) + 2 * x->n;
    r->nodes = hd_calloc(nodes, sizeof *r->nodes);
    r->row = hd_calloc(x->n, sizeof *r->row);
    if (!r->nodes || !r->row) return HD_FAIL_MEMORY(nodes * sizeof *r->nodes);
    struct feature_node *at = r->nodes;
    for (size_t i = 0; i < x->n; i++) {
        r->row[i] = at;
        at = add_row(x, i, at);
    }
    return HEED_OK;
}

typedef struct fit_job {
    liblinear lib;
    const hd_classic_data *data;
    const node_rows *rows;
    int solver;
    double c, ratios;
    bool balanced;
    hd_linear *model;
} fit_job;

// One class of several against the rest.
typedef struct one_class {
    const fit_job *job;
    double *y;        // (n) 1 or −1
    size_t of;        // rows of the class
    double *ratio;    // (m) NULL: none
    node_rows scaled; // rows times ratio
} one_class;

static void one_class_clear(one_class *one) {
    hd_free(one->y);
    hd_free(one->ratio);
    rows_clear(&one->scaled);
}

// The stopping rule of liblinear's own program: finer where one side is small.
static double tolerance(size_t of, size_t n) {
    static const double eps = .001;
    size_t few = of < n - of ? of : n - of;
    return eps * fmax((double)few, 1) / (double)n;
}

// ln of each feature's share in the class's sums over its share in the others'.
static heed_err learn_ratios(one_class *one) {
    const hd_matrix *x = one->job->data->x;
    double *sums = hd_calloc(2, x->m * sizeof *sums), total[2] = {0};
    one->ratio = hd_calloc(x->m, sizeof *one->ratio);
    if (!sums || !one->ratio) {
        hd_free(sums);
        return HD_FAIL_MEMORY(3 * x->m * sizeof *sums);
    }
    for (size_t i = 0; i < x->n; i++) {
        double *side = sums + (one->y[i] > 0 ? 0 : x->m);
        const struct feature_node *at = one->job->rows->row[i];
        for (; at->index != (int)x->m + 1; at++) side[at->index - 1] += fabs(at->value);
    }
    for (size_t j = 0; j < x->m; j++) {
        total[0] += sums[j] += one->job->ratios;
        total[1] += sums[x->m + j] += one->job->ratios;
    }
    for (size_t j = 0; j < x->m; j++)
        one->ratio[j] = log(sums[j] / total[0]) - log(sums[x->m + j] / total[1]);
    hd_free(sums);
    return HEED_OK;
}

static heed_err scale_rows(one_class *one) {
    const hd_matrix *x = one->job->data->x;
    HD_TRY(learn_ratios(one));
    HD_TRY(rows_fill(x, &one->scaled));
    for (size_t i = 0; i < x->n; i++) {
        struct feature_node *at = one->scaled.row[i];
        for (; at->index != (int)x->m + 1; at++) at->value *= one->ratio[at->index - 1];
    }
    return HEED_OK;
}

static heed_err fit_hinge(const one_class *one, struct feature_node *const *rows, float *weights) {
    static const double tolerance = 1e-3;
    const fit_job *job = one->job;
    const size_t n = job->data->x->n, m = job->data->x->m;
    hd_hinge hinge = {
        .n = n, .row = rows, .y = one->y, .cost = {job->c, job->c}, .tolerance = tolerance};
    if (job->balanced) {
        hinge.cost[0] *= (double)n / (2 * (double)(n - one->of));
        hinge.cost[1] *= (double)n / (2 * (double)one->of);
    }
    double *w = hd_calloc(m + 1, sizeof *w);
    if (!w) return HD_FAIL_MEMORY((m + 1) * sizeof *w);
    heed_err err = hd_hinge_fit(&hinge, w);
    for (size_t j = 0; j <= m && err == HEED_OK; j++)
        weights[j] = (float)(one->ratio && j < m ? w[j] * one->ratio[j] : w[j]);
    hd_free(w);
    return err;
}

static heed_err fit_one(const one_class *one, float *weights) {
    const fit_job *job = one->job;
    size_t n = job->data->x->n, m = job->data->x->m, of = one->of;
    int sides[2] = {1, -1};
    double scale[2] = {(double)n / (2 * (double)of), (double)n / (2 * (double)(n - of))};
    struct feature_node **rows = one->ratio ? one->scaled.row : job->rows->row;
    if (job->solver == L2R_L1LOSS_SVC_DUAL) return fit_hinge(one, rows, weights);
    struct problem problem = {.l = (int)n, .n = (int)m + 1, .y = one->y, .x = rows, .bias = 1};
    struct parameter parameter = {.solver_type = job->solver,
                                  .eps = tolerance(of, n),
                                  .C = job->c,
                                  .nr_weight = job->balanced ? 2 : 0,
                                  .weight_label = sides,
                                  .weight = scale};
    // What it takes itself: copies of rows' pointers, a few vectors of rows and features.
    enum { VECTORS = 24 };
    HD_TRY(hd_classic_reserve((n + m) * VECTORS * sizeof(double)));
    struct model *fitted = job->lib.train(&problem, &parameter);
    // Its first label is the positive side.
    double sign = fitted->label[0] == 1 ? 1 : -1;
    for (size_t j = 0; j <= m; j++) {
        double ratio = one->ratio && j < m ? one->ratio[j] : 1;
        weights[j] = (float)(sign * fitted->w[j] * ratio);
    }
    job->lib.free_and_destroy_model(&fitted);
    return HEED_OK;
}

static heed_err fit_class(void *ctx, size_t w) {
    const fit_job *job = ctx;
    const hd_classic_data *data = job->data;
    size_t n = data->x->n, m = data->x->m;
    int32_t class = job->model->w == 1 ? 1 : (int32_t)w;
    float *weights = job->model->weights + w * (m + 1);
    one_class one = {.job = job, .y = hd_calloc(n, sizeof *one.y)};
    if (!one.y) return HD_FAIL_MEMORY(n * sizeof *one.y);
    for (size_t i = 0; i < n; i++) {
        one.y[i] = data->labels[i] == class ? 1 : -1;
        one.of += data->labels[i] == class;
    }
    heed_err err = HEED_OK;
    if (one.of == 0 || one.of == n) { // it never comes, or always
        static const float sure = 30;
        weights[m] = one.of == 0 ? -sure : sure;
    } else {
        if (job->ratios > 0) err = scale_rows(&one);
        if (err == HEED_OK) err = fit_one(&one, weights);
    }
    one_class_clear(&one);
    return err;
}

static heed_err fit_with(int solver, double c, const linear_options *o, const hd_classic_data *data,
                         void **model) {
    heed_err err = HEED_OK;
    node_rows rows = {.nodes = NULL};
    fit_job job = {.data = data,
                   .rows = &rows,
                   .solver = solver,
                   .c = c,
                   .ratios = o->ratios,
                   .balanced = o->balanced};
    HD_TRY(hd_library_load(&library, &job.lib));
    job.lib.set_print_string_function(say_nothing);
    size_t w = data->k == 2 ? 1 : data->k;
    HD_TRY(hd_linear_new(w, data->x->m, &job.model));
    HD_TRY_OUT(rows_fill(data->x, &rows));
    HD_TRY_OUT(hd_pool_run(data->pool, w, fit_class, &job));
out:
    rows_clear(&rows);
    if (err != HEED_OK) {
        hd_linear_free(job.model);
        return err;
    }
    *model = job.model;
    return HEED_OK;
}

static const double grid[] = {.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100, 300, 1000};

typedef struct solved {
    int solver;
    const linear_options *options;
} solved;

static heed_err try_c(const void *options, size_t setting, const hd_classic_data *data,
                      void **model) {
    const solved *s = options;
    return fit_with(s->solver, grid[setting], s->options, data, model);
}

static heed_err fit(int solver, const hd_classic_kind *kind, const linear_options *o,
                    const hd_classic_data *data, char chosen[64], void **model) {
    enum { FOLDS = 5, FEW_FOLDS = 3, MANY_ROWS = 20000 };
    double c = o->c;
    if (c == 0) {
        solved s = {solver, o};
        hd_classic_trial trial = {.n_settings = sizeof grid / sizeof grid[0],
                                  .folds = data->x->n < MANY_ROWS ? FOLDS : FEW_FOLDS,
                                  .fit = try_c,
                                  .kind = kind,
                                  .options = &s};
        size_t best;
        HD_TRY(hd_classic_choose(&trial, data, &best));
        c = grid[best];
        hd_snprintf(chosen, 64, "C %g", c);
    }
    return fit_with(solver, c, o, data, model);
}

static heed_err logistic_fit(const void *options, const hd_classic_data *data, char chosen[64],
                             void **model) {
    return fit(L2R_LR, &hd_classic_logistic, options, data, chosen, model);
}
static heed_err svm_fit(const void *options, const hd_classic_data *data, char chosen[64],
                        void **model) {
    const linear_options *o = options;
    const int solver = o->loss == HINGE ? L2R_L1LOSS_SVC_DUAL : L2R_L2LOSS_SVC;
    return fit(solver, &hd_classic_svm, o, data, chosen, model);
}

static heed_err predict_rows(const void *model, const hd_classic_shape *shape, const hd_matrix *x,
                             size_t from, size_t to, float *scratch, float *scores) {
    const hd_linear *linear = model;
    (void)scratch;
    for (size_t i = from; i < to; i++, scores += shape->k) {
        double sum = 0;
        for (size_t r = 0; r < linear->w; r++) {
            double p = 1 / (1 + exp(-hd_linear_value(linear, r, x, i)));
            scores[linear->w == 1 ? 1 : r] = (float)p;
            sum += p;
        }
        if (linear->w == 1) scores[0] = 1 - scores[1];
        for (size_t r = 0; r < linear->w && linear->w > 1; r++) {
            scores[r] = sum > 0 ? (float)((double)scores[r] / sum) : 1 / (float)shape->k;
        }
    }
    return HEED_OK;
}

#define LINEAR                                                                    \
    .classes = true, .predict = predict_rows, .parameters = hd_linear_parameters, \
    .save = hd_linear_save, .load = hd_linear_load, .free = hd_linear_free

const hd_classic_kind hd_classic_logistic = {
    .kind = {.name = "logistic",
             .size = sizeof(linear_options),
             .options = logistic_rows,
             .doc =
                 HD_TEXT("logistic regression (liblinear); several classes each against the rest",
                         "逻辑回归（liblinear）；多类时每类对其余")},
    .label = HD_TEXT("logistic regression", "逻辑回归"),
    .fit = logistic_fit,
    LINEAR,
};
const hd_classic_kind hd_classic_svm = {
    .kind = {.name = "svm",
             .size = sizeof(linear_options),
             .options = svm_rows,
             .doc = HD_TEXT("linear support vector machine (liblinear); its probabilities are "
                            "sigmoids of margins",
                            "线性支持向量机（liblinear）；其概率是间隔的 sigmoid")},
    .label = HD_TEXT("linear SVM", "线性支持向量机"),
    .fit = svm_fit,
    LINEAR,
};
