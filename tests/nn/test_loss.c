// SPDX-License-Identifier: Apache-2.0
//
// Losses against their formulas in double, on a network that hands its input through.
#include "nets.h"

enum { ROWS = 6, WIDTH = 4 };
static float x[ROWS * WIDTH], values[ROWS * WIDTH];
static int32_t labels[ROWS];

static void draw(void) {
    hd_rng rng = hd_rng_make(11, 0);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        x[i] = (float)(2 * hd_rng_normal(&rng));
        values[i] = (float)hd_rng_uniform(&rng);
    }
    for (int r = 0; r < ROWS; r++) labels[r] = (int32_t)hd_rng_below(&rng, WIDTH);
}

static double loss_of(const char *loss, bool labelled) {
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = values}};
    const hd_data_column with_labels[] = {
        columns[0],
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = labels}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("[]", 1);
    assert_ok(hd_data_memory(ROWS, 2, labelled ? with_labels : columns, &data));
    assert_ok(hd_net_evaluate(net, data, loss, NULL, ROWS, 1, &e));
    hd_net_free(net);
    hd_data_free(data);
    return e.loss;
}

static void near(const char *what, double is, double wanted) {
    if (fabs(is - wanted) > 2e-6 * (1 + fabs(wanted))) {
        fail_msg("%s: %.9g, not %.9g", what, is, wanted);
    }
}

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

// Σ over all values of f(x, y), over their number.
static double mean_of(double (*f)(double, double)) {
    double sum = 0;
    for (int i = 0; i < ROWS * WIDTH; i++) sum += f((double)x[i], (double)values[i]);
    return sum / (ROWS * WIDTH);
}

static double square(double a, double b) {
    return (a - b) * (a - b);
}
static double absolute(double a, double b) {
    return fabs(a - b);
}
static double huber(double a, double b) {
    double d = fabs(a - b);
    return d < 0.5 ? d * d / 2 : 0.5 * (d - 0.25);
}
static double bce(double a, double b) {
    return -b * log(sigmoid(a)) - (1 - b) * log(1 - sigmoid(a));
}
static double bce3(double a, double b) {
    return bce(a, b) * (1 + 2 * b);
}
static double hinge(double a, double b) {
    return fmax(0, 2 - a * (2 * b - 1));
}

static void test_values(void **state) {
    (void)state;
    near("mse", loss_of("mse", false), mean_of(square));
    near("mae", loss_of("mae", false), mean_of(absolute));
    near("huber", loss_of("huber: .5", false), mean_of(huber));
    near("bce", loss_of("bce", false), mean_of(bce));
    near("bce weighted", loss_of("bce: {positive_weight: 3}", false), mean_of(bce3));
    for (int i = 0; i < ROWS * WIDTH; i++) values[i] = (float)(i % 3 == 0);
    near("hinge", loss_of("hinge: 2", false), mean_of(hinge));
    draw();
}

// log softmax of a row's place.
static double log_share(int row, int at) {
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += exp((double)x[row * WIDTH + i]);
    return (double)x[row * WIDTH + at] - log(sum);
}

static void test_labels(void **state) {
    (void)state;
    const double weights[WIDTH] = {1, 2, 0.5, 3};
    double plain = 0, smooth = 0, weighted = 0, weight = 0, focal = 0, focal_weighted = 0,
           ignoring = 0, counted = 0;
    for (int r = 0; r < ROWS; r++) {
        double own = log_share(r, labels[r]), all = 0;
        for (int i = 0; i < WIDTH; i++) all += log_share(r, i) / WIDTH;
        plain -= own / ROWS;
        smooth -= (0.9 * own + 0.1 * all) / ROWS;
        weighted -= weights[labels[r]] * own;
        weight += weights[labels[r]];
        focal -= pow(1 - exp(own), 2) * own / ROWS;
        focal_weighted -= weights[labels[r]] * pow(1 - exp(own), 1) * own / ROWS;
        if (labels[r] != 2) ignoring -= own, counted++;
    }
    near("cross_entropy", loss_of("cross_entropy", true), plain);
    near("smoothing", loss_of("cross_entropy: .1", true), smooth);
    near("weights", loss_of("cross_entropy: {weights: [1, 2, .5, 3]}", true), weighted / weight);
    near("ignore", loss_of("cross_entropy: {ignore: 2}", true), ignoring / counted);
    near("focal", loss_of("focal", true), focal);
    near("focal weighted", loss_of("focal: {gamma: 1, weights: [1, 2, .5, 3]}", true),
         focal_weighted);
}

static void test_shares(void **state) {
    (void)state;
    double wanted = 0;
    for (int r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int i = 0; i < WIDTH; i++) sum += (double)values[r * WIDTH + i];
        for (int i = 0; i < WIDTH; i++) values[r * WIDTH + i] /= (float)sum;
        for (int i = 0; i < WIDTH; i++) {
            double t = (double)values[r * WIDTH + i];
            wanted += t * (log(t) - log_share(r, i)) / ROWS;
        }
    }
    near("kl", loss_of("kl", false), wanted);
    draw();
}

static double distance(int a, int b) {
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) {
        double d = (double)x[a * WIDTH + i] - (double)x[b * WIDTH + i];
        sum += d * d;
    }
    return sqrt(sum);
}

static void test_groups(void **state) {
    (void)state;
    double triplet = 0, bpr = 0;
    for (int r = 0; r < ROWS; r += 3) {
        triplet += fmax(0, 1.5 + distance(r, r + 1) - distance(r, r + 2)) / (ROWS / 3.0);
    }
    near("triplet", loss_of("triplet: 1.5", false), triplet);
    for (int r = 0; r < ROWS; r++) {
        for (int i = 1; i < WIDTH; i++) {
            double d = (double)x[r * WIDTH] - (double)x[r * WIDTH + i];
            bpr -= log(sigmoid(d)) / (ROWS * (WIDTH - 1));
        }
    }
    near("bpr", loss_of("bpr", false), bpr);
}

static void test_contrastive(void **state) {
    (void)state;
    static const float like[ROWS] = {1, 1, 0, 0, 1, 1};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_F32, 0, {0}}, .dtype = HD_F32, .data = like}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("[]", 1);
    double d[3] = {distance(0, 1), distance(2, 3), distance(4, 5)};
    double miss = fmax(0, 9 - d[1]);
    assert_ok(hd_data_memory(ROWS, 2, columns, &data));
    assert_ok(hd_net_evaluate(net, data, "contrastive: 9", NULL, ROWS, 1, &e));
    near("contrastive", e.loss, (d[0] * d[0] + miss * miss + d[2] * d[2]) / 3);
    hd_net_free(net);
    hd_data_free(data);
}

// Two steps, labels (1) and none: the ways to write them are counted by hand.
static void test_ctc(void **state) {
    (void)state;
    static const int32_t targets[] = {1, -1, -1, -1};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 2, {2, WIDTH}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 1, {2}}, .dtype = HD_I32, .data = targets}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("[]", 1);
    double one =
        log(exp(log_share(0, 1) + log_share(1, 1)) + exp(log_share(0, 0) + log_share(1, 1)) +
            exp(log_share(0, 1) + log_share(1, 0)));
    assert_ok(hd_data_memory(2, 2, columns, &data));
    assert_ok(hd_net_evaluate(net, data, "ctc", NULL, 2, 1, &e));
    near("ctc", e.loss, -(one + log_share(2, 0) + log_share(3, 0)) / 2);
    hd_net_free(net);
    hd_data_free(data);
}

// Items of other rows are the only others: one row alone has no loss.
static void test_sampled(void **state) {
    (void)state;
    static const int32_t words[] = {0, 1}, items[] = {3, 2};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 0, {0}}, .dtype = HD_I32, .data = words},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = items}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("- embedding: {count: 5, dim: 3, name: words}\n", 1);
    assert_ok(hd_data_memory(2, 2, columns, &data));
    assert_ok(
        hd_net_evaluate(net, data, "sampled_softmax: {items: words, scale: .5}", NULL, 2, 1, &e));
    const float *t = net->weights.at[0]->weight.data;
    double loss = 0;
    for (int r = 0; r < 2; r++) {
        double own = 0, other = 0;
        for (int d = 0; d < 3; d++) {
            own += 0.5 * (double)t[r * 3 + d] * (double)t[items[r] * 3 + d];
            other += 0.5 * (double)t[r * 3 + d] * (double)t[items[1 - r] * 3 + d];
        }
        loss += log(1 + exp(other - own)) / 2;
    }
    near("sampled_softmax", e.loss, loss);
    hd_net_free(net);
    hd_data_free(data);
}

// Items by their share of the data's labels; a row's own item among the others is struck out.
static void test_log_q(void **state) {
    (void)state;
    static const int32_t words[] = {0, 1, 2, 4}, items[] = {3, 2, 3, 0};
    static const double share[] = {0.25, 0, 0.25, 0.5};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 0, {0}}, .dtype = HD_I32, .data = words},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = items}};
    hd_data *data;
    hd_train_report report;
    hd_net *net = net_of("- embedding: {count: 5, dim: 3, name: words}\n", 1);
    assert_ok(hd_data_memory(4, 2, columns, &data));
    const hd_train_opts opts = {.loss = "sampled_softmax: {items: words, log_q: true}",
                                .optimizer = "sgd: 0",
                                .batch = 4,
                                .threads = 1};
    assert_ok(hd_net_train(net, data, &opts, &report));
    const float *t = net->weights.at[0]->weight.data;
    double loss = 0;
    for (int r = 0; r < 4; r++) {
        double score[4], sum = 1;
        for (int c = 0; c < 4; c++) {
            score[c] = -log(share[items[c]]);
            for (int d = 0; d < 3; d++)
                score[c] += (double)t[words[r] * 3 + d] * (double)t[items[c] * 3 + d];
        }
        for (int c = 0; c < 4; c++) sum += items[c] == items[r] ? 0 : exp(score[c] - score[r]);
        loss += log(sum) / 4;
    }
    near("log_q", report.loss, loss);
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, false);
        heed_err err = hd_net_train(net, data, &opts, &report);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    hd_net_free(net);
    hd_data_free(data);
}

// Batches in which unlike many labels are ignored, one of them all: as in a single batch.
static void test_ignored_batches(void **state) {
    (void)state;
    static const int32_t some[ROWS] = {1, -1, -1, -1, 3, 0};
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = some}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("[]", 1);
    assert_ok(hd_data_memory(ROWS, 2, columns, &data));
    assert_ok(hd_net_evaluate(net, data, "cross_entropy: {ignore: -1}", "perplexity", 2, 1, &e));
    near("perplexity", e.metrics[0], exp(e.loss));
    near("ignored", e.loss, -(log_share(0, 1) + log_share(4, 3) + log_share(5, 0)) / 3);
    hd_net_free(net);
    hd_data_free(data);
}

static void test_metrics(void **state) {
    (void)state;
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = x},
        {.field = {"target", HD_ROLE_TARGET, HD_F32, 1, {WIDTH}}, .dtype = HD_F32, .data = values}};
    const hd_data_column with_labels[] = {
        columns[0],
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = labels}};
    hd_data *data;
    hd_evaluation e;
    hd_net *net = net_of("[]", 1);
    assert_ok(hd_data_memory(ROWS, 2, columns, &data));
    assert_ok(hd_net_evaluate(net, data, "mse", "[mae, mse, rmse, binary_accuracy]", 4, 1, &e));
    near("mae", e.metrics[0], mean_of(absolute));
    near("mse", e.metrics[1], mean_of(square));
    near("rmse", e.metrics[2], sqrt(mean_of(square)));
    double right = 0;
    for (int i = 0; i < ROWS * WIDTH; i++) right += (x[i] > 0) == (values[i] > 0.5F);
    near("binary_accuracy", e.metrics[3], right / (ROWS * WIDTH));
    hd_data_free(data);
    assert_ok(hd_data_memory(ROWS, 2, with_labels, &data));
    assert_ok(hd_net_evaluate(net, data, NULL, "[accuracy, perplexity, top5]", 4, 1, &e));
    double met = 0;
    for (int r = 0; r < ROWS; r++) {
        int best = 0;
        for (int i = 1; i < WIDTH; i++) {
            if (x[r * WIDTH + i] > x[r * WIDTH + best]) best = i;
        }
        met += best == labels[r];
    }
    near("accuracy", e.metrics[0], met / ROWS);
    near("perplexity", e.metrics[1], exp(e.loss));
    near("top5", e.metrics[2], 1);
    hd_data_free(data);
    hd_net_free(net);
}

static int setup(void **state) {
    (void)state;
    draw();
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_labels),
        cmocka_unit_test(test_shares),          cmocka_unit_test(test_groups),
        cmocka_unit_test(test_contrastive),     cmocka_unit_test(test_ctc),
        cmocka_unit_test(test_sampled),         cmocka_unit_test(test_log_q),
        cmocka_unit_test(test_ignored_batches), cmocka_unit_test(test_metrics)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
