// SPDX-License-Identifier: Apache-2.0
//
// Classical models: each kind's predictions against scikit-learn 1.9's on the same rows, and what
// must hold for every kind: probabilities, threads, batches, files, faults.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xgboost/c_api.h>

#include "base/mem.h"
#include "classic/classifier.h"
#include "classic/library.h"

enum { ROWS = 200, M = 4 };

// Rows that anybody can make again: features of sixteenths (or counts), a label by a line through
// the first two, with noise.
typedef struct made {
    float x[ROWS * M], target[ROWS];
    int32_t label[ROWS];
    hd_matrix rows;
    uint32_t column[ROWS * M]; // of the same rows, sparse
    size_t start[ROWS + 1];
    hd_matrix sparse;
} made;

static uint32_t next(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

static void make(made *d, size_t n, size_t k, uint32_t seed, bool counts) {
    float line = counts ? 9 : 0;
    memset(d, 0, sizeof *d);
    for (size_t i = 0; i < n; i++) {
        float *row = d->x + i * M;
        for (size_t j = 0; j < M; j++) {
            row[j] =
                counts ? (float)(next(&seed) % 9) : (float)((int32_t)(next(&seed) % 161) - 80) / 16;
            d->column[i * M + j] = (uint32_t)j;
        }
        float s = 2 * row[0] - row[1] + (float)((int32_t)(next(&seed) % 33) - 16) / 8;
        d->target[i] = s;
        d->label[i] = s < line - 3 ? 0 : k == 2 || s < line + 3 ? 1 : 2;
        d->start[i + 1] = (i + 1) * M;
    }
    d->rows = (hd_matrix){.n = n, .m = M, .dense = d->x};
    d->sparse = (hd_matrix){.n = n, .m = M, .start = d->start, .column = d->column, .value = d->x};
}

static heed_err fit_with(const char *yaml, const hd_classic_data *data, hd_classic **out) {
    hd_spec spec;
    hd_arena arena;
    hd_choice choice;
    *out = NULL;
    hd_arena_init(&arena);
    heed_err err = hd_spec_parse(yaml, "compare", "", &spec);
    hd_where where = hd_where_of(&spec, "compare");
    if (err == HEED_OK) {
        err =
            hd_spec_read(&hd_classic_kinds, hd_spec_get(&spec, "compare"), &where, &arena, &choice);
    }
    if (err == HEED_OK) err = hd_classic_fit(&choice, data, out);
    hd_spec_clear(&spec);
    hd_arena_clear(&arena);
    return err;
}

static hd_classic *fit(const char *yaml, const hd_classic_data *data) {
    hd_classic *model;
    if (fit_with(yaml, data, &model) != HEED_OK) fail_msg("%s", heed_error_message(HEED_EN));
    return model;
}

static hd_classic_data classes_of(const made *d, size_t k) {
    return (hd_classic_data){.x = &d->rows, .labels = d->label, .k = k, .seed = 1};
}
static hd_classic_data values_of(const made *d) {
    return (hd_classic_data){.x = &d->rows, .targets = d->target, .k = 1, .seed = 1};
}

// ── Against scikit-learn ──

typedef struct expected {
    const char *yaml;
    double slack;
    double score[6 * 3];
} expected;

static void check(const expected *e, const hd_classic_data *data, const hd_matrix *asked) {
    float score[6 * 3];
    hd_classic *model = fit(e->yaml, data);
    assert_int_equal(hd_classic_predict(model, asked, NULL, score), HEED_OK);
    for (size_t i = 0; i < asked->n * data->k; i++) {
        if (!(fabs((double)score[i] - e->score[i]) <= e->slack)) {
            fail_msg("%s: score %zu is %.9g, not %.9g", e->yaml, i, (double)score[i], e->score[i]);
        }
    }
    hd_classic_free(model);
}

static void classes_are_as_scikit_learn_predicts_them(void **state) {
    (void)state;
    static made d, asked;
    static const expected three[] = {
        {"logistic",
         1e-3,
         {0.694372146, 0.305624237, 3.617e-06, 0.000728878, 0.19807571, 0.801195412, 0.014469061,
          0.372545971, 0.612984968, 0.522511362, 0.471550194, 0.005938444, 4.6352e-05, 0.255973947,
          0.743979701, 9.716e-06, 0.211952511, 0.788037773}},
        {"naive_bayes",
         1e-5,
         {0.910178383, 0.089763861, 5.7756e-05, 0.001318599, 0.445471535, 0.553209866, 0.001968983,
          0.57803976, 0.419991257, 0.061904275, 0.906199649, 0.031896076, 0.000175688, 0.376973686,
          0.622850626, 1e-09, 0.008596595, 0.991403405}},
        {"svm: {loss: hinge, C: .01}",
         1e-3,
         {0.600878, 0.345374, 0.053748, 0.19939, 0.224543, 0.576067, 0.282935, 0.246072, 0.470993,
          0.42715, 0.355992, 0.216858, 0.092783, 0.31097, 0.596247, 0.071757, 0.259443, 0.6688}},
        {"knn", 1e-6, {1, 0, 0, 0, .2, .8, 0, .6, .4, .2, .8, 0, 0, 0, 1, 0, 0, 1}},
        {"knn: {weighted: true}",
         1e-5,
         {1, 0, 0, 0, 0.187871348, 0.812128652, 0, 0.668773499, 0.331226501, 0.171387212,
          0.828612788, 0, 0, 0, 1, 0, 0, 1}},
        {"knn: {metric: cosine}", 1e-6, {1, 0, 0, 0, 0, 1, 0, .4, .6, 0, 1, 0, 0, .2, .8, 0, 0, 1}},
        {"tree: {depth: 1}",
         1e-6,
         {0.945454545, 0.054545455, 0, 0.062068966, 0.4, 0.537931034, 0.062068966, 0.4, 0.537931034,
          0.062068966, 0.4, 0.537931034, 0.062068966, 0.4, 0.537931034, 0.062068966, 0.4,
          0.537931034}},
        {"tree: {depth: 3}",
         1e-6,
         {1, 0, 0, 0, 0.409090909, 0.590909091, 0.163636364, 0.818181818, 0.018181818, 0.163636364,
          0.818181818, 0.018181818, 0, 0.409090909, 0.590909091, 0, 0, 1}},
        {"tree", 1e-6, {1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1}},
        {"majority",
         1e-6,
         {.305, .305, .39, .305, .305, .39, .305, .305, .39, .305, .305, .39, .305, .305, .39, .305,
          .305, .39}},
    };
    make(&d, ROWS, 3, 1, false);
    make(&asked, 6, 3, 77, false);
    hd_classic_data data = classes_of(&d, 3);
    for (size_t i = 0; i < sizeof three / sizeof *three; i++) check(&three[i], &data, &asked.rows);
}

static void two_classes_are_as_scikit_learn_predicts_them(void **state) {
    (void)state;
    static made d, asked;
    static const expected two[] = {
        {"logistic",
         2e-4,
         {0.998502683, 0.001497317, 0.000816674, 0.999183326, 0.009604335, 0.990395665, 0.429394434,
          0.570605566, 6.1239e-05, 0.999938761, 1.2299e-05, 0.999987701}},
        {"logistic: {balanced: true}",
         2e-4,
         {0.999381648, 0.000618352, 0.000954157, 0.999045843, 0.012365136, 0.987634864, 0.548064825,
          0.451935175, 5.8642e-05, 0.999941358, 9.505e-06, 0.999990495}},
        {"svm",
         1e-3,
         {1 - 0.024290672, 0.024290672, 1 - 0.987452741, 0.987452741, 1 - 0.946713023, 0.946713023,
          1 - 0.52057191, 0.52057191, 1 - 0.995906602, 0.995906602, 1 - 0.998467799, 0.998467799}},
        {"svm: {loss: hinge}",
         1e-3,
         {0.992075, 0.007925, 0.00274, 0.99726, 0.016537, 0.983463, 0.426321, 0.573679, 0.000652,
          0.999348, 9.3e-05, 0.999907}},
        {"svm: {loss: hinge, balanced: true}",
         1e-3,
         {0.994128, 0.005872, 0.003392, 0.996608, 0.021448, 0.978552, 0.495178, 0.504822, 0.000683,
          0.999317, 0.000101, 0.999899}},
    };
    make(&d, ROWS, 2, 1, false);
    make(&asked, 6, 2, 77, false);
    hd_classic_data data = classes_of(&d, 2);
    for (size_t i = 0; i < sizeof two / sizeof *two; i++) check(&two[i], &data, &asked.rows);
    // The intercept alone speaks for a class that never comes.
    data.k = 3;
    float score[6 * 3];
    hd_classic *model = fit("logistic", &data);
    assert_int_equal(hd_classic_predict(model, &asked.rows, NULL, score), HEED_OK);
    for (size_t i = 0; i < 6; i++) assert_true(score[i * 3 + 2] < 1e-6F);
    hd_classic_free(model);
}

static void counts_are_as_scikit_learn_predicts_them(void **state) {
    (void)state;
    static made d, asked;
    static const expected counts = {"naive_bayes",
                                    1e-5,
                                    {0.97805483, 0.021888047, 5.7123e-05, 0.145175784, 0.429248843,
                                     0.425575374, 0.996342487, 0.003586115, 7.1398e-05, 0.873401433,
                                     0.115657803, 0.010940764}};
    static const expected normal = {"naive_bayes: gaussian",
                                    1e-5,
                                    {0.999750044, 0.000249956, 0, 0.229116896, 0.770883101, 3e-09,
                                     0.999959021, 4.0979e-05, 0, 0.865978639, 0.134021361, 0}};
    // Each class's fit on features times its own ratios (1/(1 + e^−wᵀx), divided by their sum).
    static const expected ratios[] = {
        {"svm: {C: .01, ratios: 1}",
         1e-3,
         {0.632328055, 0.238327363, 0.129344582, 0.273721856, 0.379703634, 0.346574510, 0.655734870,
          0.183011321, 0.161253809, 0.498625821, 0.284514777, 0.216859401}},
        {"logistic: {ratios: 1}",
         2e-3,
         {0.957258052, 0.042430678, 0.000311270, 0.070227997, 0.579806007, 0.349965996, 0.981554043,
          0.017841330, 0.000604627, 0.846932669, 0.139123082, 0.013944249}},
        {"svm: {loss: hinge, C: .05, ratios: 1}",
         1e-3,
         {0.731751, 0.115041, 0.153208, 0.234091, 0.503956, 0.261953, 0.781413, 0.059586, 0.159001,
          0.612149, 0.200217, 0.187634}},
    };
    make(&d, ROWS, 3, 5, true);
    make(&asked, 4, 3, 78, true);
    hd_classic_data data = classes_of(&d, 3);
    for (size_t i = 0; i < 3; i++) check(&ratios[i], &data, &asked.rows);
    data.x = &d.sparse; // auto: counts
    for (size_t i = 0; i < 3; i++) check(&ratios[i], &data, &asked.sparse);
    check(&counts, &data, &asked.sparse);
    check(&counts, &data, &asked.rows);
    check(&normal, &data, &asked.sparse);
}

static void values_are_as_scikit_learn_predicts_them(void **state) {
    (void)state;
    static made d, asked;
    static const expected values[] = {
        {"linear",
         1e-4,
         {-9.790790473, 5.080832066, 2.11764436, -3.079574235, 7.112480367, 8.243443791}},
        {"knn", 1e-5, {-9.65, 3.875, 2.575, -1.825, 8.025, 8.0375}},
    };
    make(&d, ROWS, 3, 1, false);
    make(&asked, 6, 3, 77, false);
    hd_classic_data data = values_of(&d);
    for (size_t i = 0; i < 2; i++) check(&values[i], &data, &asked.rows);
    data.x = &d.sparse; // conjugate gradients
    check(&values[0], &data, &asked.rows);
}

static void what_was_comes_again(void **state) {
    (void)state;
    static float x[] = {1, 2, 3, 4, 5, 6}, y[] = {0, 0, 0, 0}, said[5];
    hd_matrix rows = {.n = 1, .m = 6, .dense = x};
    hd_classic_data data = {.x = &rows, .targets = y, .k = 4, .seed = 1};
    hd_classic *model = fit("naive", &data), *season = fit("seasonal: {lag: 3}", &data), *none;
    assert_int_equal(hd_classic_predict(model, &rows, NULL, said), HEED_OK);
    for (size_t i = 0; i < 4; i++) assert_true(said[i] == 6);
    assert_int_equal(hd_classic_predict(season, &rows, NULL, said), HEED_OK);
    assert_memory_equal(said, ((float[]){4, 5, 6, 4}), 4 * sizeof *said);
    assert_int_equal(fit_with("seasonal: {lag: 7}", &data, &none), HEED_INPUT);
    hd_classic_free(model);
    hd_classic_free(season);
}

// Columns that say the same, and no cost: the pivot that vanishes is left out.
static void a_column_twice_is_borne(void **state) {
    (void)state;
    float x[8] = {1, 1, 2, 2, 3, 3, 4, 4}, y[4] = {2, 4, 6, 8}, said[4];
    hd_matrix rows = {.n = 4, .m = 2, .dense = x};
    hd_classic_data data = {.x = &rows, .targets = y, .k = 1, .seed = 1};
    hd_classic *model = fit("linear: {alpha: 0.000000001}", &data);
    assert_int_equal(hd_classic_predict(model, &rows, NULL, said), HEED_OK);
    for (size_t i = 0; i < 4; i++) assert_true(fabsf(said[i] - y[i]) < 1e-3F);
    hd_classic_free(model);
}

// ── Neighbours ──

enum { ASKED = 20 };

static void neighbours_say(const char *yaml, const hd_classic_data *data, const hd_matrix *asked,
                           float *score) {
    hd_classic *model = fit(yaml, data);
    assert_int_equal(hd_classic_predict(model, asked, NULL, score), HEED_OK);
    hd_classic_free(model);
}

// Rows by column, as sparse ones are kept, have the neighbours that rows in full have; a row may be
// asked about in either form.
static void sparse_rows_have_the_same_neighbours(void **state) {
    (void)state;
    static made d, asked;
    static const char *const ways[] = {"knn", "knn: {metric: cosine}",
                                       "knn: {metric: cosine, power: 2, smooth: .5}"};
    float one[ASKED * 3], other[ASKED * 3];
    make(&d, ROWS, 3, 1, true);
    make(&asked, ASKED, 3, 77, true);
    for (size_t w = 0; w < 3; w++) {
        hd_classic_data data = classes_of(&d, 3);
        neighbours_say(ways[w], &data, &asked.rows, one);
        data.x = &d.sparse;
        neighbours_say(ways[w], &data, &asked.sparse, other);
        for (size_t i = 0; i < ASKED * 3; i++) assert_true(fabsf(one[i] - other[i]) < 1e-5F);
        neighbours_say(ways[w], &data, &asked.rows, one);
        assert_memory_equal(one, other, sizeof one);
    }
}

static double likeness(const float *a, const float *b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < M; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return ab / sqrt(aa * bb);
}

// All rows are neighbours: each counts as its likeness to the third power, and each class half a
// mean neighbour more.
static void neighbours_count_by_likeness(void **state) {
    (void)state;
    static made d, asked;
    float score[ASKED * 3];
    make(&d, ROWS, 3, 1, true);
    make(&asked, ASKED, 3, 77, true);
    hd_classic_data data = classes_of(&d, 3);
    neighbours_say("knn: {k: 10000, metric: cosine, power: 3, smooth: .5}", &data, &asked.rows,
                   score);
    for (size_t i = 0; i < ASKED; i++) {
        double sum[3] = {0}, total = 0;
        for (size_t r = 0; r < ROWS; r++) {
            double weight = pow(likeness(asked.x + i * M, d.x + r * M), 3);
            sum[d.label[r]] += weight;
            total += weight;
        }
        double each = total / ROWS / 2;
        for (size_t c = 0; c < 3; c++) {
            double wanted = (sum[c] + each) / (total + 3 * each);
            assert_true(fabs((double)score[i * 3 + c] - wanted) < 1e-5);
        }
    }
}

// ── Against XGBoost ──

typedef struct xgb {
    int (*from_dense)(const float *, bst_ulong, bst_ulong, float, DMatrixHandle *, int);
    int (*set_floats)(DMatrixHandle, const char *, const float *, bst_ulong);
    int (*matrix_free)(DMatrixHandle);
    int (*create)(const DMatrixHandle *, bst_ulong, BoosterHandle *);
    int (*booster_free)(BoosterHandle);
    int (*set_param)(BoosterHandle, const char *, const char *);
    int (*update)(BoosterHandle, int, DMatrixHandle);
    int (*predict)(BoosterHandle, DMatrixHandle, int, unsigned, int, bst_ulong *, const float **);
} xgb;

// The same parameters by XGBoost itself: our trees must say what its own do.
static void boosting_predicts_what_xgboost_does(void **state) {
    (void)state;
    static made d;
    static const char *const files[] = {"libxgboost.so.0", "libxgboost.so", NULL};
    static const hd_library_symbol symbols[] = {
        {"XGDMatrixCreateFromMat_omp", offsetof(xgb, from_dense)},
        {"XGDMatrixSetFloatInfo", offsetof(xgb, set_floats)},
        {"XGDMatrixFree", offsetof(xgb, matrix_free)},
        {"XGBoosterCreate", offsetof(xgb, create)},
        {"XGBoosterFree", offsetof(xgb, booster_free)},
        {"XGBoosterSetParam", offsetof(xgb, set_param)},
        {"XGBoosterUpdateOneIter", offsetof(xgb, update)},
        {"XGBoosterPredict", offsetof(xgb, predict)},
        {.name = NULL}};
    static const hd_library library = {"XGBoost", "libxgboost0", files, symbols};
    static const char *const params[][2] = {{"verbosity", "0"},
                                            {"nthread", "1"},
                                            {"seed", "1"},
                                            {"tree_method", "hist"},
                                            {"eta", "0.3"},
                                            {"max_depth", "4"},
                                            {"objective", "multi:softprob"},
                                            {"num_class", "3"},
                                            {"base_score", "0.5"}};
    xgb lib;
    assert_int_equal(hd_library_load(&library, &lib), HEED_OK);
    make(&d, ROWS, 3, 1, false);
    float label[ROWS], score[ROWS * 3];
    for (size_t i = 0; i < ROWS; i++) label[i] = (float)d.label[i];
    DMatrixHandle rows;
    BoosterHandle booster;
    bst_ulong n;
    const float *said;
    assert_int_equal(lib.from_dense(d.x, ROWS, M, NAN, &rows, 1), 0);
    assert_int_equal(lib.set_floats(rows, "label", label, ROWS), 0);
    assert_int_equal(lib.create(&rows, 1, &booster), 0);
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        assert_int_equal(lib.set_param(booster, params[i][0], params[i][1]), 0);
    }
    for (int round = 0; round < 20; round++) assert_int_equal(lib.update(booster, round, rows), 0);
    assert_int_equal(lib.predict(booster, rows, 0, 0, 0, &n, &said), 0);
    assert_int_equal(n, ROWS * 3);
    hd_classic_data data = classes_of(&d, 3);
    hd_classic *model = fit("boosting: {rounds: 20, rate: .3, depth: 4, stop: 0}", &data);
    assert_int_equal(hd_classic_predict(model, &d.rows, NULL, score), HEED_OK);
    for (size_t i = 0; i < n; i++) assert_true(fabsf(score[i] - said[i]) < 1e-6F);
    hd_classic_free(model);
    lib.booster_free(booster);
    lib.matrix_free(rows);
}

// ── What holds for every kind ──

static const char *small_of(const hd_spec_kind *kind) {
    return strcmp(kind->name, "forest") == 0     ? "forest: {trees: 5, depth: 4}"
           : strcmp(kind->name, "boosting") == 0 ? "boosting: {rounds: 8, rate: .3, depth: 4}"
           : strcmp(kind->name, "seasonal") == 0 ? "seasonal: {lag: 3}"
           : strcmp(kind->name, "knn") == 0      ? "knn: {metric: cosine, power: 2, smooth: .5}"
                                                 : kind->name;
}

static void every_kind(void (*then)(const char *yaml, const made *d, const hd_classic_data *data)) {
    static made d;
    for (size_t i = 0; i < hd_classic_kinds.n; i++) {
        const hd_spec_kind *kind = hd_classic_kinds.rows[i];
        for (size_t task = 0; task < 3; task++) {
            if (!hd_classic_does(kind, task < 2)) continue;
            make(&d, ROWS, task + 2, 1, false);
            hd_classic_data data = task < 2 ? classes_of(&d, task + 2) : values_of(&d);
            then(small_of(kind), &d, &data);
            data.x = &d.sparse;
            then(small_of(kind), &d, &data);
        }
        assert_non_null(hd_classic_label(kind).zh);
    }
}

static double quality(const hd_classic_data *data, const float *score) {
    double sum = 0;
    for (size_t i = 0; i < data->x->n; i++) {
        const float *row = score + i * data->k;
        size_t best = 0;
        for (size_t j = 1; j < data->k; j++) best = row[j] > row[best] ? j : best;
        sum += data->labels ? (double)((size_t)data->labels[i] == best)
                            : -fabs((double)(row[0] - data->targets[i]));
    }
    return sum / (double)data->x->n;
}

static void check_scores(const hd_classic_data *data, const char *name, const float *score) {
    for (size_t i = 0; i < data->x->n && data->labels; i++) {
        double sum = 0;
        for (size_t j = 0; j < data->k; j++) {
            float one = score[i * data->k + j];
            assert_true(one >= 0 && one <= 1);
            sum += (double)one;
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    bool constant = strcmp(name, "majority") == 0 || strcmp(name, "mean") == 0 ||
                    strcmp(name, "naive") == 0 || strcmp(name, "seasonal") == 0;
    if (!constant) assert_true(quality(data, score) > (data->labels ? .7 : -4));
}

static void same_again(const char *yaml, const made *d, const hd_classic_data *data) {
    (void)d;
    static float one[ROWS * 3], other[ROWS * 3], alone[3];
    size_t bytes = ROWS * data->k * sizeof(float);
    hd_classic_data threaded = *data;
    assert_int_equal(hd_pool_new(3, &threaded.pool), HEED_OK);
    hd_classic *a = fit(yaml, data), *b = fit(yaml, &threaded), *c;
    hd_classic_facts facts = hd_classic_describe(a);
    assert_int_equal(hd_classic_predict(a, data->x, NULL, one), HEED_OK);
    assert_int_equal(hd_classic_predict(b, data->x, threaded.pool, other), HEED_OK);
    check_scores(data, facts.name, one);
    assert_memory_equal(one, other, bytes); // any number of threads
    for (size_t i = 0; i < 20; i++) {       // any batch
        hd_matrix row;
        assert_int_equal(hd_matrix_pick(data->x, &i, 1, &row), HEED_OK);
        assert_int_equal(hd_classic_predict(a, &row, NULL, alone), HEED_OK);
        assert_memory_equal(alone, one + i * data->k, data->k * sizeof *alone);
        hd_matrix_clear(&row);
    }
    hd_str saved, twice;
    hd_str_init(&saved);
    hd_str_init(&twice);
    assert_int_equal(hd_classic_save(a, &saved), HEED_OK);
    assert_int_equal(hd_classic_load(saved.data, saved.len, &c), HEED_OK);
    assert_int_equal(hd_classic_predict(c, data->x, NULL, other), HEED_OK);
    assert_memory_equal(one, other, bytes); // there and back
    assert_int_equal(hd_classic_save(c, &twice), HEED_OK);
    assert_int_equal(saved.len, twice.len);
    assert_memory_equal(saved.data, twice.data, saved.len);
    assert_true(facts.bytes > 0 && facts.m == M && facts.k == data->k);
    hd_str_clear(&saved);
    hd_str_clear(&twice);
    hd_classic_free(a);
    hd_classic_free(b);
    hd_classic_free(c);
    hd_pool_free(threaded.pool);
}

static void threads_batches_and_files_change_no_bit(void **state) {
    (void)state;
    every_kind(same_again);
}

// Whatever is cut off or changed: refused, or a model that predicts something.
static void hurt(const char *yaml, const made *d, const hd_classic_data *data) {
    (void)d;
    static float score[ROWS * 3];
    hd_str saved;
    hd_classic *model = fit(yaml, data), *again;
    hd_str_init(&saved);
    assert_int_equal(hd_classic_save(model, &saved), HEED_OK);
    hd_classic_free(model);
    size_t step = saved.len / 60 + 1;
    hd_matrix few = *data->x;
    few.n = 5;
    for (size_t n = 0; n < saved.len; n += n < 100 ? 1 : step) {
        assert_int_not_equal(hd_classic_load(saved.data, n, &again), HEED_OK);
        assert_null(again);
    }
    for (size_t i = 0; i < saved.len; i += i < 100 ? 1 : step) {
        for (int change = 0; change < 3; change++) {
            char before = saved.data[i];
            saved.data[i] = change == 0 ? (char)255 : change == 1 ? 0 : (char)(before ^ 64);
            if (hd_classic_load(saved.data, saved.len, &again) == HEED_OK) {
                hd_classic_facts facts = hd_classic_describe(again);
                if (facts.k <= 3 && facts.m == M) {
                    assert_int_equal(hd_classic_predict(again, &few, NULL, score), HEED_OK);
                }
                hd_classic_free(again);
            }
            saved.data[i] = before;
        }
    }
    hd_str_clear(&saved);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    every_kind(hurt);
}

static void starve(const char *yaml, const made *d, const hd_classic_data *data) {
    (void)d;
    static float score[ROWS * 3];
    for (uint64_t n = 1;; n += 1 + n / 4) { // trees grow by many small steps
        hd_classic *model = NULL, *again = NULL;
        hd_str saved;
        hd_str_init(&saved);
        hd_mem_fail_at(n, true);
        heed_err err = fit_with(yaml, data, &model);
        if (err == HEED_OK) err = hd_classic_predict(model, data->x, NULL, score);
        if (err == HEED_OK) err = hd_classic_save(model, &saved);
        if (err == HEED_OK) err = hd_classic_load(saved.data, saved.len, &again);
        bool reached = err == HEED_OK;
        hd_mem_fail_at(0, true);
        hd_str_clear(&saved);
        hd_classic_free(model);
        hd_classic_free(again);
        if (reached) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    every_kind(starve);
}

// ── Choosing, and what is refused ──

static void a_setting_is_chosen_by_cross_validation(void **state) {
    (void)state;
    static made d;
    make(&d, ROWS, 2, 1, false);
    hd_classic_data data = classes_of(&d, 2);
    hd_classic *model = fit("svm: {C: 0}", &data);
    assert_memory_equal(hd_classic_describe(model).chosen, "C ", 2);
    hd_classic_free(model);
    data = values_of(&d);
    model = fit("linear: {alpha: 0}", &data);
    assert_memory_equal(hd_classic_describe(model).chosen, "alpha ", 6);
    hd_classic_free(model);
}

// A few wrong labels far out: right most often and surest of what is right want different settings.
static void a_setting_is_chosen_by_what_is_judged(void **state) {
    (void)state;
    enum { N = 60 };
    float x[N];
    int32_t y[N];
    char chosen[2][64];
    for (size_t i = 0; i < N; i++) {
        const bool wrong = i % 12 == 5;
        y[i] = (int32_t)(i % 2);
        x[i] = (y[i] ? 1.f : -1.f) * (wrong ? -3.f : 1.f) + .01f * (float)i;
    }
    hd_matrix matrix = {.n = N, .m = 1, .dense = x};
    for (int by_loss = 0; by_loss < 2; by_loss++) {
        const hd_classic_data data = {
            .x = &matrix, .labels = y, .k = 2, .seed = 3, .by_loss = by_loss};
        hd_classic *model = fit("logistic: {C: 0}", &data);
        memcpy(chosen[by_loss], hd_classic_describe(model).chosen, 64);
        hd_classic_free(model);
    }
    assert_string_not_equal(chosen[0], chosen[1]);
}

static void refused(const char *yaml, const hd_classic_data *data, const char *message) {
    hd_classic *model;
    assert_int_equal(fit_with(yaml, data, &model), HEED_INPUT);
    assert_null(model);
    if (!strstr(heed_error_message(HEED_EN), message)) {
        fail_msg("'%s' does not say '%s'", heed_error_message(HEED_EN), message);
    }
    assert_true(strlen(heed_error_message(HEED_ZH)) > 0);
}

static void bad_input_is_told(void **state) {
    (void)state;
    static made d;
    float score[6];
    make(&d, ROWS, 3, 1, false);
    hd_classic_data data = classes_of(&d, 3), values = values_of(&d);
    refused("linear", &data, "'linear' does not predict classes");
    refused("svm", &values, "'svm' does not predict values");
    refused("boosting: {dept: 3}", &data, "did you mean 'depth'?");
    refused("booster", &data, "did you mean 'boosting'?");
    refused("knn: {k: 0}", &data, "from 1 to 10000");
    d.label[7] = 3;
    refused("tree", &data, "row 8: label 3 is out of range: there are 3 classes, from 0");
    d.label[7] = 0;
    d.x[9] = NAN;
    refused("tree", &data, "row 3, feature 2: the value is not a finite number");
    d.x[9] = 1;
    d.target[4] = INFINITY;
    refused("tree", &values, "row 5: the target is not a finite number");
    refused("naive_bayes: multinomial", &data, "counts can't be negative");
    memset(d.label, 0, sizeof d.label);
    refused("logistic", &data, "are of one class");
    hd_classic *model = fit("majority", &data);
    hd_matrix narrow = {.n = 1, .m = 2, .dense = d.x};
    assert_int_equal(hd_classic_predict(model, &narrow, NULL, score), HEED_INPUT);
    assert_string_equal(heed_error_message(HEED_EN),
                        "rows have 2 features; the model was trained on 4");
    hd_classic_free(model);
    d.rows.n = 0;
    refused("tree", &data, "no rows");
}

static void a_library_that_is_not_there_is_named(void **state) {
    (void)state;
    static const char *const files[] = {"libheed-nowhere.so", NULL}, *const c[] = {"libm.so.6",
                                                                                   NULL};
    static const hd_library_symbol none[] = {{.name = NULL}},
                                   odd[] = {{"hd_odd", 0}, {.name = NULL}};
    void *function;
    const hd_library nowhere = {"Nowhere", "libnowhere1", files, none};
    const hd_library other = {"libm", "libc6", c, odd};
    assert_int_equal(hd_library_load(&nowhere, &function), HEED_UNAVAILABLE);
    assert_string_equal(heed_error_message(HEED_EN),
                        "Nowhere is not installed; install the package libnowhere1");
    assert_int_equal(hd_library_load(&other, &function), HEED_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_runs_out_is_told),
        cmocka_unit_test(classes_are_as_scikit_learn_predicts_them),
        cmocka_unit_test(two_classes_are_as_scikit_learn_predicts_them),
        cmocka_unit_test(counts_are_as_scikit_learn_predicts_them),
        cmocka_unit_test(values_are_as_scikit_learn_predicts_them),
        cmocka_unit_test(what_was_comes_again),
        cmocka_unit_test(a_column_twice_is_borne),
        cmocka_unit_test(sparse_rows_have_the_same_neighbours),
        cmocka_unit_test(neighbours_count_by_likeness),
        cmocka_unit_test(boosting_predicts_what_xgboost_does),
        cmocka_unit_test(threads_batches_and_files_change_no_bit),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(a_setting_is_chosen_by_cross_validation),
        cmocka_unit_test(a_setting_is_chosen_by_what_is_judged),
        cmocka_unit_test(bad_input_is_told),
        cmocka_unit_test(a_library_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
