// SPDX-License-Identifier: Apache-2.0
//
// Gradient-boosted trees and random forests, grown by XGBoost (Chen and Guestrin, KDD 2016) and
// kept as trees of our own: prediction and loading need no XGBoost, and nothing that comes from a
// file is read by it.
//
//   boosting   logits (or values) are sums of trees, each grown against the gradient of the log
//              loss (squared error). How many: until the loss on a held-out part of the training
//              rows stops falling; then grown anew on all of them.
//   forest     many deep trees over drawn rows and features; a leaf says the share of its rows that
//              are of the class (λ = 0, squared error of 0 and 1), and trees are averaged.
//              XGBoost's own forest of log losses makes one Newton step from ½ instead, whose
//              probabilities are no shares.
#include <math.h>
#include <xgboost/c_api.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "classic/library.h"
#include "classic/trees.h"

// ── The library ──

typedef struct xgboost {
    const char *(*last_error)(void);
    int (*from_dense)(const float *, bst_ulong, bst_ulong, float, DMatrixHandle *, int);
    int (*from_sparse)(const size_t *, const unsigned *, const float *, size_t, size_t, size_t,
                       DMatrixHandle *);
    int (*matrix_free)(DMatrixHandle);
    int (*set_floats)(DMatrixHandle, const char *, const float *, bst_ulong);
    int (*create)(const DMatrixHandle *, bst_ulong, BoosterHandle *);
    int (*booster_free)(BoosterHandle);
    int (*set_param)(BoosterHandle, const char *, const char *);
    int (*update)(BoosterHandle, int, DMatrixHandle);
    int (*evaluate)(BoosterHandle, int, DMatrixHandle *, const char **, bst_ulong, const char **);
    int (*save)(BoosterHandle, const char *, bst_ulong *, const char **);
    int (*set_global)(const char *);
} xgboost;

static const char *const files[] = {"libxgboost.so.0", "libxgboost.so", NULL};
static const hd_library_symbol symbols[] = {
    {"XGBGetLastError", offsetof(xgboost, last_error)},
    {"XGDMatrixCreateFromMat_omp", offsetof(xgboost, from_dense)},
    {"XGDMatrixCreateFromCSREx", offsetof(xgboost, from_sparse)},
    {"XGDMatrixFree", offsetof(xgboost, matrix_free)},
    {"XGDMatrixSetFloatInfo", offsetof(xgboost, set_floats)},
    {"XGBoosterCreate", offsetof(xgboost, create)},
    {"XGBoosterFree", offsetof(xgboost, booster_free)},
    {"XGBoosterSetParam", offsetof(xgboost, set_param)},
    {"XGBoosterUpdateOneIter", offsetof(xgboost, update)},
    {"XGBoosterEvalOneIter", offsetof(xgboost, evaluate)},
    {"XGBoosterSaveModelToBuffer", offsetof(xgboost, save)},
    {"XGBSetGlobalConfig", offsetof(xgboost, set_global)},
    {.name = NULL},
};
static const hd_library library = {"XGBoost", "libxgboost0", files, symbols};

// ── Options ──

typedef struct boost_options {
    int64_t rounds, depth, stop;
    double rate, rows, features, leaf, lambda, held;
} boost_options;

typedef struct forest_options {
    int64_t trees, depth;
    double rows, features, leaf;
} forest_options;

#define SHARE_ROW(owner, field, start, least, english, chinese)                                   \
    {                                                                                             \
        .name = #field, .type = HD_OPTION_REAL, .at = offsetof(owner, field), .initial = (start), \
        .min = (least), .max = 1, .doc = HD_TEXT(english, chinese)                                \
    }

static const hd_option boost_rows[] = {
    {.name = "rounds",
     .type = HD_OPTION_INT,
     .at = offsetof(boost_options, rounds),
     .initial = 1000,
     .min = 1,
     .max = 100000,
     .doc = HD_TEXT("trees of a class or value, at most", "每个类或目标值的树数上限")},
    {.name = "rate",
     .type = HD_OPTION_REAL,
     .at = offsetof(boost_options, rate),
     .initial = .1,
     .min = 1e-4,
     .max = 1,
     .doc = HD_TEXT("how much of a tree is taken", "每棵树被采纳的比例")},
    {.name = "depth",
     .type = HD_OPTION_INT,
     .at = offsetof(boost_options, depth),
     .initial = 6,
     .min = 1,
     .max = 32,
     .doc = HD_TEXT("splits from the root to a leaf, at most", "从根到叶的最多分裂次数")},
    SHARE_ROW(boost_options, rows, 1, 1e-3, "share of the rows that a tree sees",
              "每棵树看到的行的比例"),
    SHARE_ROW(boost_options, features, 1, 1e-3, "share of the features that a tree sees",
              "每棵树看到的特征的比例"),
    {.name = "leaf",
     .type = HD_OPTION_REAL,
     .at = offsetof(boost_options, leaf),
     .initial = 1,
     .max = 1e9,
     .doc = HD_TEXT("weight of a leaf's rows, at least (min_child_weight)",
                    "叶节点的最小样本权重（min_child_weight）")},
    {.name = "lambda",
     .type = HD_OPTION_REAL,
     .at = offsetof(boost_options, lambda),
     .initial = 1,
     .max = 1e9,
     .doc = HD_TEXT("how much large leaves cost", "大叶值的代价")},
    {.name = "stop",
     .type = HD_OPTION_INT,
     .at = offsetof(boost_options, stop),
     .initial = 30,
     .max = 100000,
     .doc = HD_TEXT("ends after so many rounds without a gain on held-out training rows; 0: never",
                    "在留出的训练行上连续这么多轮没有改进则停止；0：不提前停止")},
    SHARE_ROW(boost_options, held, .15, .01, "share of the training rows that is held out for that",
              "为此留出的训练行比例"),
    {.name = NULL}};

static const hd_option forest_rows[] = {
    {.name = "trees",
     .type = HD_OPTION_INT,
     .at = offsetof(forest_options, trees),
     .initial = 200,
     .min = 1,
     .max = 10000,
     .doc = HD_TEXT("trees of a class or value", "每个类或目标值的树数")},
    {.name = "depth",
     .type = HD_OPTION_INT,
     .at = offsetof(forest_options, depth),
     .initial = 16,
     .min = 1,
     .max = 32,
     .doc = HD_TEXT("splits from the root to a leaf, at most", "从根到叶的最多分裂次数")},
    SHARE_ROW(forest_options, rows, .632, 1e-3, "share of the rows that a tree sees",
              "每棵树看到的行的比例"),
    {.name = "features",
     .type = HD_OPTION_REAL,
     .at = offsetof(forest_options, features),
     .min = 0,
     .max = 1,
     .doc = HD_TEXT("share of the features that a split sees; 0: √m of m for classes, a third for "
                    "values",
                    "每次分裂看到的特征比例；0：分类取 m 个中的 √m，回归取三分之一")},
    {.name = "leaf",
     .type = HD_OPTION_REAL,
     .at = offsetof(forest_options, leaf),
     .initial = 1,
     .min = 1,
     .max = 1e9,
     .doc = HD_TEXT("rows of a leaf, at least", "叶节点的最少行数")},
    {.name = NULL}};

// ── Calls ──

static heed_err failed(const xgboost *lib) {
    char line[160];
    hd_snprintf(line, sizeof line, "%s", lib->last_error());
    for (char *c = line; *c; c++) *c = *c == '\n' ? ' ' : *c;
    return HD_FAIL(HEED_FAILED, "XGBoost failed: %s", "XGBoost 出错：%s", line);
}
#define XGB(lib, call)                            \
    do {                                          \
        if ((lib)->call != 0) return failed(lib); \
    } while (0)

typedef struct param {
    const char *name;
    char value[32];
} param;
enum { PARAMS = 24 };
typedef struct params {
    param at[PARAMS];
    size_t n;
} params;

static void set_text(params *p, const char *name, const char *value) {
    p->at[p->n].name = name;
    hd_snprintf(p->at[p->n++].value, sizeof p->at[0].value, "%s", value);
}
static void set_number(params *p, const char *name, double value) {
    p->at[p->n].name = name;
    hd_snprintf(p->at[p->n++].value, sizeof p->at[0].value, "%.9g", value);
}

static heed_err matrix_make(const xgboost *lib, const hd_matrix *x, const float *answers,
                            DMatrixHandle *out) {
    enum { ENTRY_BYTES = 32, ROW_BYTES = 64 }; // rows, sorted columns, histograms' bins
    HD_TRY(hd_classic_reserve(hd_matrix_entries(x) * ENTRY_BYTES + x->n * ROW_BYTES));
    if (x->dense) {
        XGB(lib, from_dense(x->dense, x->n, x->m, NAN, out, 1));
    } else {
        XGB(lib, from_sparse(x->start, x->column, x->value, x->n + 1, x->start[x->n], x->m, out));
    }
    XGB(lib, set_floats(*out, "label", answers, x->n));
    return HEED_OK;
}

static heed_err booster_make(const xgboost *lib, DMatrixHandle rows, const params *p,
                             BoosterHandle *out) {
    XGB(lib, create(&rows, 1, out));
    for (size_t i = 0; i < p->n; i++) XGB(lib, set_param(*out, p->at[i].name, p->at[i].value));
    return HEED_OK;
}

// "[3]\theld-logloss:0.31": the number behind the last colon.
static heed_err loss_of(const xgboost *lib, BoosterHandle booster, int round, DMatrixHandle held,
                        double *out) {
    const char *name = "held", *text = NULL;
    XGB(lib, evaluate(booster, round, &held, &name, 1, &text));
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon || !hd_slice_f64(hd_slice_trim(hd_slice_of(colon + 1)), out)) *out = NAN;
    return HEED_OK;
}

// ── Its trees ──

static heed_err unread(void) {
    return HD_FAIL(HEED_FAILED, "XGBoost's model has a form that is not known",
                   "XGBoost 的模型格式无法识别");
}

typedef struct arrays {
    const json_t *left, *right, *feature, *condition, *missing;
} arrays;

static int64_t integer_at(const json_t *list, size_t i) {
    return json_integer_value(json_array_get(list, i));
}

static bool truth_at(const json_t *list, size_t i) {
    const json_t *value = json_array_get(list, i);
    return json_is_true(value) || json_integer_value(value) != 0;
}

// Depth first, so that children stand behind their parents whatever numbers XGBoost gave them.
static heed_err copy_node(const arrays *a, size_t from, size_t m, int depth, hd_trees *out,
                          size_t *at) {
    enum { DEEPEST = 64 };
    size_t n = json_array_size(a->left), left, right;
    float number = (float)json_number_value(json_array_get(a->condition, from));
    if (from >= n || depth > DEEPEST) return unread();
    int64_t go_left = integer_at(a->left, from), go_right = integer_at(a->right, from);
    if (go_left < 0) return hd_trees_leaf(out, &number, at);
    hd_tree_node node = {.feature = (uint32_t)integer_at(a->feature, from),
                         .threshold = number,
                         .missing_left = truth_at(a->missing, from)};
    if (node.feature >= m || go_right < 0) return unread();
    HD_TRY(hd_trees_add(out, node, at));
    HD_TRY(copy_node(a, (size_t)go_left, m, depth + 1, out, &left));
    HD_TRY(copy_node(a, (size_t)go_right, m, depth + 1, out, &right));
    out->nodes[*at].left = (uint32_t)left;
    out->nodes[*at].right = (uint32_t)right;
    return HEED_OK;
}

static heed_err copy_trees(const json_t *model, size_t m, size_t group, hd_trees *out) {
    const json_t *trees = json_object_get(model, "trees");
    const json_t *info = json_object_get(model, "tree_info");
    for (size_t i = 0; i < json_array_size(trees); i++) {
        const json_t *tree = json_array_get(trees, i);
        arrays a = {json_object_get(tree, "left_children"), json_object_get(tree, "right_children"),
                    json_object_get(tree, "split_indices"),
                    json_object_get(tree, "split_conditions"),
                    json_object_get(tree, "default_left")};
        size_t root, to = group + (size_t)integer_at(info, i);
        if (to >= out->groups) return unread();
        HD_TRY(hd_trees_begin(out, to));
        HD_TRY(copy_node(&a, 0, m, 0, out, &root));
    }
    return json_array_size(trees) > 0 ? HEED_OK : unread();
}

static heed_err take_trees(const xgboost *lib, BoosterHandle booster, size_t m, size_t group,
                           hd_trees *out) {
    bst_ulong n = 0;
    const char *text = NULL;
    json_t *json;
    XGB(lib, save(booster, "{\"format\": \"json\"}", &n, &text));
    HD_TRY(hd_json_parse(text, n, "XGBoost", &json));
    const json_t *learner = json_object_get(json, "learner");
    const json_t *model = json_object_get(json_object_get(learner, "gradient_booster"), "model");
    heed_err err = copy_trees(model, m, group, out);
    json_decref(json);
    return err;
}

// ── Growing ──

typedef struct growing {
    const xgboost *lib;
    const params *params;
    int rounds, stop; // stop 0: all rounds
} growing;

// Rounds until the loss on `held` stops falling (held NULL: all). *best: how many were worth it.
static heed_err grow(const growing *g, DMatrixHandle rows, DMatrixHandle held,
                     BoosterHandle *booster, int *best) {
    double least = INFINITY;
    *best = g->rounds;
    HD_TRY(booster_make(g->lib, rows, g->params, booster));
    for (int round = 0; round < g->rounds; round++) {
        double loss;
        XGB(g->lib, update(*booster, round, rows));
        if (!held) continue;
        HD_TRY(loss_of(g->lib, *booster, round, held, &loss));
        if (loss < least) {
            least = loss;
            *best = round + 1;
        } else if (round + 1 - *best >= g->stop) {
            break;
        }
    }
    return HEED_OK;
}

// Grows one booster over x and answers and adds its trees.
static heed_err grow_all(const growing *g, const hd_matrix *x, const float *answers, size_t group,
                         hd_trees *out) {
    heed_err err = HEED_OK;
    DMatrixHandle rows = NULL;
    BoosterHandle booster = NULL;
    int best;
    HD_TRY_OUT(matrix_make(g->lib, x, answers, &rows));
    HD_TRY_OUT(grow(g, rows, NULL, &booster, &best));
    HD_TRY_OUT(take_trees(g->lib, booster, x->m, group, out));
out:
    if (booster) g->lib->booster_free(booster);
    if (rows) g->lib->matrix_free(rows);
    return err;
}

typedef struct held_out {
    hd_matrix x[2]; // grown on, held out
    float *answers[2];
} held_out;

static heed_err hold_out(const hd_matrix *x, const float *answers, double share, uint64_t seed,
                         held_out *out) {
    static const uint64_t STREAM = UINT64_C(0x68656c6400000000); // "held"
    heed_err err = HEED_OK;
    size_t n = x->n, held = (size_t)((double)n * share);
    size_t *order = hd_calloc(n, sizeof *order);
    if (!order) return HD_FAIL_MEMORY(n * sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = i;
    hd_rng rng = hd_rng_make(seed, STREAM);
    hd_rng_shuffle(&rng, order, n, sizeof *order);
    for (size_t part = 0; part < 2; part++) {
        const size_t *rows = part == 0 ? order + held : order;
        size_t count = part == 0 ? n - held : held;
        out->answers[part] = hd_calloc(count, sizeof(float));
        if (!out->answers[part]) {
            err = HD_FAIL_MEMORY(count * sizeof(float));
            goto out;
        }
        for (size_t i = 0; i < count; i++) out->answers[part][i] = answers[rows[i]];
        HD_TRY_OUT(hd_matrix_pick(x, rows, count, &out->x[part]));
    }
out:
    hd_free(order);
    return err;
}

// How many rounds are worth it.
static heed_err choose_rounds(const growing *g, const hd_matrix *x, const float *answers,
                              double share, uint64_t seed, int *best) {
    heed_err err = HEED_OK;
    held_out parts = {.answers = {NULL}};
    DMatrixHandle rows[2] = {NULL};
    BoosterHandle booster = NULL;
    HD_TRY_OUT(hold_out(x, answers, share, seed, &parts));
    for (size_t p = 0; p < 2; p++) {
        HD_TRY_OUT(matrix_make(g->lib, &parts.x[p], parts.answers[p], &rows[p]));
    }
    HD_TRY_OUT(grow(g, rows[0], rows[1], &booster, best));
out:
    if (booster) g->lib->booster_free(booster);
    for (size_t p = 0; p < 2; p++) {
        if (rows[p]) g->lib->matrix_free(rows[p]);
        hd_free(parts.answers[p]);
        hd_matrix_clear(&parts.x[p]);
    }
    return err;
}

// ── Both kinds ──

// Column `output` of the answers: classes' numbers, 1 where the row is of class `output`, values.
typedef enum answer_form { ANSWER_CLASS, ANSWER_IS_CLASS, ANSWER_VALUE } answer_form;

static double fill_answers(const hd_classic_data *data, answer_form form, size_t output,
                           float *answers) {
    double sum = 0;
    for (size_t i = 0; i < data->x->n; i++) {
        answers[i] = form == ANSWER_VALUE   ? data->targets[i * data->k + output]
                     : form == ANSWER_CLASS ? (float)data->labels[i]
                                            : (float)((size_t)data->labels[i] == output);
        sum += (double)answers[i];
    }
    return sum / (double)data->x->n;
}

static heed_err begin(const hd_classic_data *data, xgboost *lib, params *p) {
    HD_TRY(hd_library_load(&library, lib));
    XGB(lib, set_global("{\"verbosity\": 0}"));
    set_text(p, "verbosity", "0");
    // Its threads wait for each other by spinning: on few rows they only stand in each other's way
    enum { MANY = 5000000 };
    size_t threads = hd_matrix_entries(data->x) < MANY ? 1 : hd_pool_threads(data->pool);
    set_number(p, "nthread", (double)threads);
    set_number(p, "seed", (double)(data->seed % INT32_MAX));
    set_text(p, "tree_method", "hist");
    return HEED_OK;
}

static heed_err boost(const xgboost *lib, const boost_options *o, const params *p,
                      const hd_classic_data *data, const float *answers, size_t group,
                      hd_trees *out, int *rounds) {
    enum { FEW_ROWS = 50 }; // too few to hold some out
    growing g = {lib, p, (int)o->rounds, (int)o->stop};
    *rounds = g.rounds;
    if (o->stop > 0 && data->x->n >= FEW_ROWS) {
        HD_TRY(choose_rounds(&g, data->x, answers, o->held, data->seed, rounds));
    }
    g.rounds = *rounds;
    return grow_all(&g, data->x, answers, group, out);
}

static void boost_params(const boost_options *o, params *p) {
    set_number(p, "eta", o->rate);
    set_number(p, "max_depth", (double)o->depth);
    set_number(p, "subsample", o->rows);
    set_number(p, "colsample_bytree", o->features);
    set_number(p, "min_child_weight", o->leaf);
    set_number(p, "lambda", o->lambda);
}

// Logits of the positive class, or of all classes at once.
static heed_err boost_classes(const xgboost *lib, const boost_options *o, params *p,
                              const hd_classic_data *data, float *answers, int *rounds,
                              hd_trees **out) {
    bool two = data->k == 2;
    HD_TRY(hd_trees_new(two ? HD_LINK_SIGMOID : HD_LINK_SOFTMAX, 1, two ? 1 : data->k, out));
    set_text(p, "objective", two ? "binary:logistic" : "multi:softprob");
    set_text(p, "eval_metric", two ? "logloss" : "mlogloss");
    if (!two) set_number(p, "num_class", (double)data->k);
    set_text(p, "base_score", "0.5"); // logit 0; of a softmax it falls out
    fill_answers(data, ANSWER_CLASS, 0, answers);
    return boost(lib, o, p, data, answers, 0, *out, rounds);
}

static heed_err boost_values(const xgboost *lib, const boost_options *o, const params *common,
                             const hd_classic_data *data, float *answers, int *rounds,
                             hd_trees **out) {
    HD_TRY(hd_trees_new(HD_LINK_NONE, 1, data->k, out));
    for (size_t j = 0; j < data->k; j++) {
        params p = *common;
        double mean = fill_answers(data, ANSWER_VALUE, j, answers);
        (*out)->base[j] = (float)mean;
        for (size_t i = 0; i < data->x->n; i++) answers[i] -= (float)mean;
        set_text(&p, "objective", "reg:squarederror");
        set_text(&p, "base_score", "0");
        HD_TRY(boost(lib, o, &p, data, answers, j, *out, rounds));
    }
    return HEED_OK;
}

static heed_err boosting_fit(const void *options, const hd_classic_data *data, char chosen[64],
                             void **model) {
    heed_err err = HEED_OK;
    const boost_options *o = options;
    xgboost lib;
    params p = {.n = 0};
    hd_trees *trees = NULL;
    int rounds = 0;
    HD_TRY(begin(data, &lib, &p));
    boost_params(o, &p);
    float *answers = hd_calloc(data->x->n, sizeof *answers);
    if (!answers) return HD_FAIL_MEMORY(data->x->n * sizeof *answers);
    HD_TRY_OUT((data->labels ? boost_classes(&lib, o, &p, data, answers, &rounds, &trees)
                             : boost_values(&lib, o, &p, data, answers, &rounds, &trees)));
    if (o->stop > 0) hd_snprintf(chosen, 64, "rounds %d", rounds);
    *model = trees;
out:
    hd_free(answers);
    if (err != HEED_OK) hd_trees_free(trees);
    return err;
}

static heed_err forest_fit(const void *options, const hd_classic_data *data, char chosen[64],
                           void **model) {
    heed_err err = HEED_OK;
    const forest_options *o = options;
    xgboost lib;
    params p = {.n = 0};
    hd_trees *trees = NULL;
    size_t m = data->x->m, groups = data->labels && data->k == 2 ? 1 : data->k;
    double split = data->labels ? ceil(sqrt((double)m)) / (double)m : 1.0 / 3;
    (void)chosen;
    HD_TRY(begin(data, &lib, &p));
    set_text(&p, "objective", "reg:squarederror");
    set_text(&p, "base_score", "0");
    set_text(&p, "eta", "1");
    set_text(&p, "lambda", "0");
    set_number(&p, "num_parallel_tree", (double)o->trees);
    set_number(&p, "max_depth", (double)o->depth);
    set_number(&p, "subsample", o->rows);
    set_number(&p, "colsample_bynode", o->features > 0 ? o->features : split);
    set_number(&p, "min_child_weight", o->leaf);
    float *answers = hd_calloc(data->x->n, sizeof *answers);
    if (!answers) return HD_FAIL_MEMORY(data->x->n * sizeof *answers);
    HD_TRY_OUT(hd_trees_new(data->labels ? HD_LINK_SHARE : HD_LINK_NONE, 1, groups, &trees));
    for (size_t j = 0; j < groups; j++) {
        growing g = {&lib, &p, 1, 0};
        if (data->labels) {
            fill_answers(data, ANSWER_IS_CLASS, groups == 1 ? 1 : j, answers);
        } else {
            fill_answers(data, ANSWER_VALUE, j, answers);
        }
        HD_TRY_OUT(grow_all(&g, data->x, answers, j, trees));
    }
    *model = trees;
out:
    hd_free(answers);
    if (err != HEED_OK) hd_trees_free(trees);
    return err;
}

#define TREES                                                                        \
    .classes = true, .values = true, .predict = hd_trees_predict,                    \
    .parameters = hd_trees_parameters, .save = hd_trees_save, .load = hd_trees_load, \
    .free = hd_trees_free

const hd_classic_kind hd_classic_boosting = {
    .kind = {.name = "boosting",
             .size = sizeof(boost_options),
             .options = boost_rows,
             .doc = HD_TEXT("gradient-boosted trees (XGBoost)", "梯度提升树（XGBoost）")},
    .label = HD_TEXT("gradient-boosted trees", "梯度提升树"),
    .fit = boosting_fit,
    TREES,
};
const hd_classic_kind hd_classic_forest = {
    .kind = {.name = "forest",
             .size = sizeof(forest_options),
             .options = forest_rows,
             .doc = HD_TEXT("random forest (XGBoost)", "随机森林（XGBoost）")},
    .label = HD_TEXT("random forest", "随机森林"),
    .fit = forest_fit,
    TREES,
};
