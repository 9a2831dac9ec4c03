// SPDX-License-Identifier: Apache-2.0
//
// Training on small things: that it learns, that it gives the same bits however it is run, and that
// a killed one goes on as if nothing had been.
#include "nets.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/training.h"

static char folder[] = "/tmp/heed-train-XXXXXX";
static char checkpoint[64], run[64];

static const char mlp[] = "- linear: {out: 16, act: tanh}\n- linear: {out: 16, act: relu}\n"
                          "- linear: 2\n";

static void test_learns(void **state) {
    (void)state;
    hd_data *data = rings(256, 1), *fresh = rings(256, 2);
    hd_net *net = net_of(mlp, 3);
    hd_train_report report;
    const hd_train_opts opts = {.optimizer = "adam: .02",
                                .metrics = "[accuracy, top5]",
                                .schedule = "cosine",
                                .epochs = 30,
                                .threads = 1,
                                .validation = fresh};
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_true(report.metrics[0] > 0.94);
    assert_true(report.metrics[1] == 1);
    assert_true(report.loss < 0.2 && report.has_validation);
    assert_int_equal(report.steps, 240);
    assert_int_equal(report.epochs, 30);
    assert_int_equal(report.parameters, 2 * 16 + 16 + 16 * 16 + 16 + 16 * 2 + 2);
    hd_evaluation e;
    assert_ok(hd_net_evaluate(net, fresh, NULL, "accuracy", 100, 1, &e));
    assert_true(fabs(e.loss - report.validation_loss) < 1e-6);
    assert_true(e.metrics[0] == report.metrics[0]);
    float *out;
    size_t width;
    assert_ok(hd_net_predict(net, fresh, 50, 1, &out, &width));
    assert_int_equal(width, 2);
    hd_free(out);
    hd_net_free(net);
    hd_data_free(fresh);
    hd_data_free(data);
}

// Every optimiser finds the line.
static void test_optimizers(void **state) {
    (void)state;
    const char *const kinds[] = {"sgd: .1",
                                 "sgd: {rate: .05, momentum: .8}",
                                 "sgd: {rate: .05, momentum: .8, nesterov: true}",
                                 "rmsprop: .05",
                                 "adagrad: .5",
                                 "adam: .05",
                                 "adamw: {rate: .05, weight_decay: .0001}",
                                 "lamb: .05"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        hd_data *data = line(64);
        hd_net *net = net_of("- linear: 1\n", 3);
        hd_train_report report;
        const hd_train_opts opts = {.loss = "mse",
                                    .optimizer = kinds[i],
                                    .schedule = "linear",
                                    .epochs = 40,
                                    .batch = 8,
                                    .threads = 1};
        assert_ok(hd_net_train(net, data, &opts, &report));
        if (!(report.loss < 0.01)) fail_msg("%s: loss %g", kinds[i], report.loss);
        const float *w = hd_weights_find(&net->weights, "0.weight")->weight.data;
        assert_true(fabs((double)w[0] - 3) < 0.1 && fabs((double)w[1] + 2) < 0.1);
        hd_net_free(net);
        hd_data_free(data);
    }
}

static hd_net *trained(const hd_train_opts *opts) {
    hd_data *data = rings(100, 1), *fresh = rings(40, 2);
    hd_net *net = net_of("- linear: {out: 300, act: relu}\n- dropout: .2\n"
                         "- linear: {out: 300, act: gelu}\n- linear: 2\n",
                         3);
    hd_train_opts o = *opts;
    if (o.epochs == 0) o.epochs = 3;
    o.batch = 16;
    o.metrics = "accuracy";
    o.optimizer = "adamw: .01";
    if (o.patience != 99) o.validation = fresh;
    assert_ok(hd_net_train(net, data, &o, NULL));
    hd_net_free(NULL);
    hd_data_free(fresh);
    hd_data_free(data);
    return net;
}

static void test_same_bits(void **state) {
    (void)state;
    hd_train_opts opts = {.threads = 1, .ahead = -1, .clip_norm = 1, .seed = 9, .average = 0.9};
    hd_net *one = trained(&opts);
    for (size_t threads = 2; threads <= 3; threads++) {
        opts.threads = threads;
        opts.ahead = (int)threads - 1;
        hd_net *many = trained(&opts);
        assert_same_weights(one, many);
        hd_net_free(many);
    }
    opts.seed = 10;
    hd_net *other = trained(&opts);
    const hd_weight *a = &one->weights.at[0]->weight, *b = &other->weights.at[0]->weight;
    assert_memory_not_equal(a->data, b->data, a->count * sizeof(float));
    hd_net_free(other);
    hd_net_free(one);
}

// ── The gradients' norm ──

typedef struct norms {
    const hd_net *net;
    double scale;
    size_t met;
} norms;

static bool compare_norm(void *ctx, const hd_progress *progress) {
    norms *n = ctx;
    double sum = 0;
    for (size_t i = 0; i < n->net->weights.n; i++) {
        const hd_weight *w = &n->net->weights.at[i]->weight;
        for (size_t j = 0; w->grad && j < w->count; j++)
            sum += (double)w->grad[j] * (double)w->grad[j];
    }
    const double want = sqrt(sum) * n->scale;
    if (progress->kind == HD_PROGRESS_STEP) {
        if (!(fabs(progress->gradient_norm - want) <= 1e-5 * want))
            fail_msg("norm %.9g, not %.9g", progress->gradient_norm, want);
        n->met++;
    }
    return true;
}

// Whoever counted the squares, and when: it's the norm of what the optimiser sees.
static void test_norm(void **state) {
    (void)state;
    for (size_t accumulate = 1; accumulate <= 2; accumulate++) {
        hd_data *data = rings(64, 1);
        hd_net *net = net_of("- linear: {out: 300, act: relu}\n- linear: {out: 30, act: gelu}\n"
                             "- layer_norm\n- linear: 2\n",
                             3);
        norms n = {.net = net, .scale = 1 / (double)accumulate};
        assert_ok(hd_net_train(net, data,
                               &(hd_train_opts){.optimizer = "adam: .01",
                                                .epochs = 2,
                                                .batch = 16,
                                                .accumulate = accumulate,
                                                .threads = 1,
                                                .report_every = 1,
                                                .progress = compare_norm,
                                                .ctx = &n},
                               NULL));
        assert_int_equal(n.met, 8 / accumulate);
        hd_net_free(net);
        hd_data_free(data);
    }
}

// ── Killed and resumed ──

static bool kill_at(void *ctx, const hd_progress *progress) {
    if (progress->step == *(const uint64_t *)ctx) raise(SIGKILL);
    return true;
}

static hd_train_opts resumable(void) {
    return (hd_train_opts){.threads = 1,
                           .epochs = 4,
                           .seed = 4,
                           .average = 0.95,
                           .restore_best = true,
                           .schedule = "plateau: {patience: 0, factor: .5}",
                           .validate_every = 5,
                           .checkpoint = checkpoint,
                           .checkpoint_every = 3,
                           .run = run,
                           .resume = true,
                           .report_every = 1};
}

static void killed_at(uint64_t step) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hd_train_opts opts = resumable();
        opts.progress = kill_at;
        opts.ctx = &step;
        hd_net_free(trained(&opts));
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed(void **state) {
    (void)state;
    hd_train_opts opts = resumable();
    hd_net *whole = trained(&opts);
    assert_ok(hd_fs_remove(checkpoint));
    // Epochs have 7 steps: in mid-epoch, at an end, and twice in one training.
    const uint64_t steps[] = {2, 11, 14, 26};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) killed_at(steps[i]);
    hd_net *resumed = trained(&opts);
    assert_same_weights(whole, resumed);
    hd_net_free(resumed);
    resumed = trained(&opts); // finished: nothing is left to do
    assert_same_weights(whole, resumed);
    hd_net_free(resumed);
    hd_net_free(whole);
}

// All that draws or remembers: dropout of values and of attention, buckets of lengths, batches
// gathered to a step, products in bf16, a batch size and a rate on their schedules.
static hd_net *trained_sequences(const hd_train_opts *opts) {
    enum { N = 40, PLACES = 24 };
    static int32_t x[N * PLACES], lengths[N], labels[N];
    for (int32_t i = 0; i < N; i++) {
        lengths[i] = 1 + i * 7 % PLACES;
        labels[i] = i % 3;
        for (int32_t t = 0; t < PLACES; t++) x[i * PLACES + t] = t < lengths[i] ? (i + t) % 9 : 0;
    }
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 1, {PLACES}}, .dtype = HD_I32, .data = x},
        {.field = {"length", HD_ROLE_LENGTH, HD_I32, 0, {0}}, .dtype = HD_I32, .data = lengths},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, 0, {0}}, .dtype = HD_I32, .data = labels}};
    hd_data *data;
    hd_net *net = net_of("- embedding: {count: 9, dim: 8}\n- dropout: .1\n"
                         "- transformer_encoder: {layers: 2, heads: 2, places: rotary, dropout: .2,"
                         " attention_dropout: .3}\n- sequence_pool\n- linear: 3\n",
                         5);
    assert_ok(hd_data_memory(N, 3, columns, &data));
    assert_ok(hd_net_train(net, data, opts, NULL));
    hd_data_free(data);
    return net;
}

static hd_train_opts resumable_sequences(void) {
    return (hd_train_opts){.optimizer = "adamw: {rate: .01, groups: [{match: '*.bias', "
                                        "weight_decay: 0}]}",
                           .schedule = "one_cycle",
                           .batch_schedule = "step: {every: 2, factor: 2}",
                           .precision = HD_PRECISE_BF16,
                           .threads = 2,
                           .ahead = 1,
                           .epochs = 4,
                           .batch = 4,
                           .accumulate = 2,
                           .buckets = 3,
                           .clip_norm = 1,
                           .average = 0.9,
                           .checkpoint = checkpoint,
                           .checkpoint_every = 2,
                           .resume = true,
                           .report_every = 1};
}

static void sequences_killed_at(const hd_train_opts *opts, uint64_t step) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        hd_train_opts killed = *opts;
        killed.progress = kill_at;
        killed.ctx = &step;
        hd_net_free(trained_sequences(&killed));
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed_sequences(void **state) {
    (void)state;
    hd_train_opts opts = resumable_sequences();
    hd_net *whole = trained_sequences(&opts);
    for (opts.checkpoint_every = 0; opts.checkpoint_every < 3; opts.checkpoint_every += 2) {
        assert_ok(hd_fs_remove(checkpoint));
        opts.threads = 2;
        const uint64_t steps[] = {3, 8, 13}; // of 16; epochs end at 5, 10, 13
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            sequences_killed_at(&opts, steps[i]);
        }
        opts.threads = 1;
        hd_net *resumed = trained_sequences(&opts);
        assert_same_weights(whole, resumed);
        hd_net_free(resumed);
    }
    assert_ok(hd_fs_remove(checkpoint));
    hd_net_free(whole);
}

// Two epochs, and then two more than were planned: as four at once.
static void test_longer(void **state) {
    (void)state;
    hd_train_opts opts = {.threads = 1, .epochs = 4, .average = 0.9};
    hd_net *whole = trained(&opts);
    opts.checkpoint = checkpoint;
    opts.resume = true;
    for (opts.epochs = 2; opts.epochs <= 4; opts.epochs += 2) {
        hd_net *part = trained(&opts);
        if (opts.epochs == 4) assert_same_weights(whole, part);
        hd_net_free(part);
    }
    assert_ok(hd_fs_remove(checkpoint));
    hd_net_free(whole);
}

static void test_other_training(void **state) {
    (void)state;
    hd_data *data = rings(101, 1);
    hd_net *net = net_of(mlp, 3);
    hd_train_opts opts = resumable();
    heed_err err = hd_net_train(net, data, &opts, NULL);
    assert_says(err, HEED_INPUT, "is of another training: its 'optimizer' differs",
                "属于另一次训练");
    assert_ok(hd_net_save(net, checkpoint));
    err = hd_net_train(net, data, &opts, NULL);
    assert_says(err, HEED_INPUT, "is a network without a training's state", "不含训练状态");
    assert_ok(hd_fs_remove(checkpoint));
    hd_net_free(net);
    hd_data_free(data);
}

// ── Options ──

static void test_accumulate(void **state) {
    (void)state;
    hd_data *data = rings(64, 1);
    hd_net *nets[2];
    for (int i = 0; i < 2; i++) {
        const hd_train_opts opts = {.optimizer = "sgd: .1",
                                    .epochs = 2,
                                    .batch = i ? 4 : 16,
                                    .accumulate = i ? 4 : 1,
                                    .threads = 1};
        nets[i] = net_of(mlp, 3);
        hd_train_report report;
        assert_ok(hd_net_train(nets[i], data, &opts, &report));
        assert_int_equal(report.steps, 8);
    }
    const hd_weight *a = &nets[0]->weights.at[0]->weight, *b = &nets[1]->weights.at[0]->weight;
    for (size_t i = 0; i < a->count; i++) assert_true(fabsf(a->data[i] - b->data[i]) < 1e-5F);
    hd_net_free(nets[0]);
    hd_net_free(nets[1]);
    hd_data_free(data);
}

// The last layer and its loss as one operator, against the same kept apart by a reshape.
static void test_many_classes(void **state) {
    (void)state;
    hd_data *data = rings(2048, 1);
    const char *const layers[] = {"- linear: {out: 8, act: tanh}\n- linear: 1500\n",
                                  "- linear: {out: 8, act: tanh}\n- linear: 1500\n"
                                  "- reshape: [1500]\n"};
    hd_net *nets[2];
    hd_train_report reports[2];
    const hd_train_opts opts = {.optimizer = "sgd: 1",
                                .loss = "cross_entropy: .1",
                                .steps = 3,
                                .batch = 1024,
                                .threads = 1};
    for (int i = 0; i < 2; i++) {
        nets[i] = net_of(layers[i], 3);
        assert_ok(hd_net_train(nets[i], data, &opts, &reports[i]));
    }
    for (size_t k = 0; k < nets[0]->weights.n; k++) {
        const hd_weight *a = &nets[0]->weights.at[k]->weight, *b = &nets[1]->weights.at[k]->weight;
        for (size_t i = 0; i < a->count; i++) assert_true(fabsf(a->data[i] - b->data[i]) < 1e-5F);
    }
    assert_true(fabs(reports[0].loss - reports[1].loss) < 1e-5);
    assert_true(reports[0].bytes < reports[1].bytes);
    hd_net_free(nets[0]);
    hd_net_free(nets[1]);
    hd_data_free(data);
}

static void test_frozen(void **state) {
    (void)state;
    hd_data *data = rings(64, 1);
    hd_net *net =
        net_of("- linear: {out: 8, act: tanh, name: body}\n- linear: {out: 2, name: head}\n", 3);
    hd_train_opts opts = {.freeze = "[body.*]", .threads = 1};
    assert_ok(hd_net_prepare(net, data->fields, data->n_fields));
    const hd_weight *body = &hd_weights_find(&net->weights, "body.weight")->weight;
    const hd_weight *head = &hd_weights_find(&net->weights, "head.weight")->weight;
    float body0 = body->data[0], head0 = head->data[0];
    assert_ok(hd_net_train(net, data, &opts, NULL));
    assert_true(body->data[0] == body0 && head->data[0] != head0);
    opts.freeze = "tail.*";
    assert_says(hd_net_train(net, data, &opts, NULL), HEED_INPUT, "'tail.*' matches no weight",
                "没有匹配任何权重");
    opts.freeze = "'*'";
    assert_says(hd_net_train(net, data, &opts, NULL), HEED_INPUT, "has no weight to train",
                "没有可训练的权重");
    hd_net_free(net);
    hd_data_free(data);
}

static void test_groups(void **state) {
    (void)state;
    hd_data *data = rings(64, 1);
    hd_net *net = net_of("- linear: {out: 8, name: a}\n- linear: {out: 2, name: b}\n", 3);
    hd_train_opts opts = {
        .optimizer = "sgd: {rate: .1, groups: [{match: a.*, rate_factor: 0}, {match: '*.bias', "
                     "frozen: true}]}",
        .threads = 1};
    assert_ok(hd_net_prepare(net, data->fields, data->n_fields));
    const hd_weight *a = &hd_weights_find(&net->weights, "a.weight")->weight;
    const hd_weight *b = &hd_weights_find(&net->weights, "b.weight")->weight;
    float a0 = a->data[0], b0 = b->data[0];
    assert_ok(hd_net_train(net, data, &opts, NULL));
    assert_true(a->data[0] == a0 && b->data[0] != b0);
    assert_true(hd_weights_find(&net->weights, "b.bias")->weight.frozen);
    opts.optimizer = "sgd: {groups: [{match: c.*}]}";
    assert_says(hd_net_train(net, data, &opts, NULL), HEED_INPUT, "group 'c.*' matches no weight",
                "分组“c.*”没有匹配任何权重");
    hd_net_free(net);
    hd_data_free(data);
}

static bool stop_at_third(void *ctx, const hd_progress *p) {
    char line_en[256], line_zh[256];
    hd_progress_line(p, HEED_EN, line_en, sizeof line_en);
    hd_progress_line(p, HEED_ZH, line_zh, sizeof line_zh);
    assert_non_null(strstr(line_en, "loss "));
    assert_non_null(strstr(line_zh, "损失 "));
    assert_true(p->loss > 0.01); // also told with a validation, which stands behind a report
    ++*(int *)ctx;
    return p->step < 3;
}

static void test_stops(void **state) {
    (void)state;
    hd_data *data = rings(64, 1), *fresh = rings(30, 2);
    hd_net *net = net_of(mlp, 3);
    int calls = 0;
    hd_train_report report;
    hd_train_opts opts = {.epochs = 50,
                          .batch = 8,
                          .threads = 1,
                          .report_every = 1,
                          .progress = stop_at_third,
                          .ctx = &calls};
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_int_equal(calls, 3);
    assert_true(report.steps == 3 && report.stopped_early);
    // No end in sight: planning it takes no time.
    calls = 0;
    opts.epochs = SIZE_MAX;
    opts.validation = fresh;
    opts.validate_every = 1;
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_true(calls == 6 && report.steps == 3);
    opts.validation = NULL;
    // A rate of nothing: no validation is better than the first.
    opts = (hd_train_opts){.optimizer = "sgd: 0",
                           .epochs = 50,
                           .threads = 1,
                           .validation = fresh,
                           .patience = 4,
                           .restore_best = true};
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_int_equal(report.epochs, 5);
    opts = (hd_train_opts){.steps = 5, .batch = 8, .threads = 1};
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_int_equal(report.steps, 5);
    opts = (hd_train_opts){
        .epochs = 3, .batch = 8, .threads = 1, .batch_schedule = "step: {every: 1, factor: 2}"};
    assert_ok(hd_net_train(net, data, &opts, &report));
    assert_int_equal(report.steps, 8 + 4 + 2);
    hd_net_free(net);
    hd_data_free(fresh);
    hd_data_free(data);
}

static void test_memory(void **state) {
    (void)state;
    hd_data *data = rings(20, 1);
    const hd_train_opts opts = {.threads = 1, .batch = 16, .average = 0.9};
    for (uint64_t n = 1;; n += 1 + n / 40) {
        hd_net *net = NULL;
        hd_mem_fail_at(n, false);
        heed_err err = hd_net_new(mlp, "net.yaml", 3, &net);
        if (err == HEED_OK) err = hd_net_train(net, data, &opts, NULL);
        hd_mem_fail_at(0, false);
        hd_net_free(net);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 100000);
    }
    hd_data_free(data);
}

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    hd_snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.safetensors", folder);
    hd_snprintf(run, sizeof run, "%s/run", folder);
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_learns),
                                       cmocka_unit_test(test_optimizers),
                                       cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_norm),
                                       cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_other_training),
                                       cmocka_unit_test(test_accumulate),
                                       cmocka_unit_test(test_many_classes),
                                       cmocka_unit_test(test_killed_sequences),
                                       cmocka_unit_test(test_longer),
                                       cmocka_unit_test(test_frozen),
                                       cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_stops),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
