// SPDX-License-Identifier: Apache-2.0
//
// Sequences in batches of about one length: what is in them, and that nothing but padding is lost.
#include "nets.h"

#include "nn/loader.h"

enum { N = 53, PLACES = 40, WIDE = 2 };
static int32_t words[N * PLACES], lengths[N], labels[N], tags[N * PLACES];
static float values[N * PLACES * WIDE];

// Sample i has length i mod 5 · 8 + 1 at most PLACES; words count up in it, 0 behind.
static void draw(void) {
    for (int32_t i = 0; i < N; i++) {
        lengths[i] = i % 5 == 4 ? 33 + i % 7 : i % 5 * 8 + 1 + i % 3;
        labels[i] = lengths[i] > 24 ? 2 : lengths[i] > 11; // short, middle, long
        for (int32_t t = 0; t < PLACES; t++) {
            bool counts = t < lengths[i];
            words[i * PLACES + t] = counts ? 1 + (i + t) % 8 : 0;
            tags[i * PLACES + t] = counts ? (i * t) % 3 : -1;
            for (int d = 0; d < WIDE; d++) {
                values[(i * PLACES + t) * WIDE + d] = counts ? (float)(i + t + d) : 0;
            }
        }
    }
}

// Words, rows of values, lengths; the target one label, or one for each place.
static hd_data *sequences(bool tagged) {
    const hd_data_column columns[] = {
        {.field = {"x", HD_ROLE_INPUT, HD_I32, 1, {PLACES}}, .dtype = HD_I32, .data = words},
        {.field = {"v", HD_ROLE_INPUT, HD_F32, 2, {PLACES, WIDE}}, .dtype = HD_F32, .data = values},
        {.field = {"length", HD_ROLE_LENGTH, HD_I32, 0, {0}}, .dtype = HD_I32, .data = lengths},
        {.field = {"target", HD_ROLE_TARGET, HD_I32, tagged, {PLACES}},
         .dtype = HD_I32,
         .data = tagged ? tags : labels}};
    hd_data *data;
    assert_ok(hd_data_memory(N, 4, columns, &data));
    return data;
}

static void check_batch(const hd_minibatch *b, int *seen) {
    const int32_t *x = b->fields[0], *length = b->fields[2];
    const float *v = b->fields[1];
    for (size_t i = 0; i < b->n; i++) {
        size_t sample = b->index[i];
        seen[sample]++;
        assert_int_equal(length[i], lengths[sample]);
        assert_true((size_t)length[i] <= b->length && b->length <= PLACES);
        assert_memory_equal(x + i * b->length, words + sample * PLACES, b->length * sizeof *x);
        assert_memory_equal(v + i * b->length * WIDE, values + sample * PLACES * WIDE,
                            b->length * WIDE * sizeof *v);
    }
}

// The places of all batches of an epoch, from `done` samples on; their indexes in order.
static size_t epoch(hd_loader *loader, size_t batch, size_t done, size_t *order, size_t *n) {
    int seen[N] = {0};
    size_t places = 0;
    *n = 0;
    assert_ok(hd_loader_begin(loader, 3, batch, done));
    for (;;) {
        hd_minibatch b;
        assert_ok(hd_loader_next(loader, &b));
        if (b.n == 0) break;
        check_batch(&b, seen);
        places += b.n * b.length;
        for (size_t i = 0; i < b.n; i++) order[(*n)++] = b.index[i];
    }
    for (size_t i = 0; done == 0 && i < N; i++) assert_int_equal(seen[i], 1);
    return places;
}

static void test_batches(void **state) {
    (void)state;
    hd_data *data = sequences(false);
    size_t order[2][N], rest[N], n, counted = 0;
    for (size_t i = 0; i < N; i++) counted += (size_t)lengths[i];
    for (int ahead = 0; ahead < 2; ahead++) {
        const hd_loader_opts opts = {.seed = 1, .shuffle = true, .buckets = 5, .ahead = ahead};
        hd_loader *loader;
        assert_ok(hd_loader_new(data, &opts, &loader));
        size_t places = epoch(loader, 4, 0, order[ahead], &n);
        assert_int_equal(n, N);
        // Without buckets it would be N · PLACES.
        assert_true(places < N * PLACES * 2 / 3 && places < counted * 3 / 2);
        epoch(loader, 4, 20, rest, &n);
        assert_int_equal(n, N - 20);
        assert_memory_equal(rest, order[ahead] + 20, n * sizeof *rest);
        hd_loader_free(loader);
    }
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    hd_data_free(data);
}

// A mean over the samples doesn't depend on their batches: at a rate of 0 both epochs have it.
static void same_loss(const char *layers, const char *loss, bool tagged) {
    hd_data *data = sequences(tagged);
    hd_train_report reports[2];
    for (int i = 0; i < 2; i++) {
        hd_net *net = net_of(layers, 1);
        const hd_train_opts opts = {.loss = loss,
                                    .optimizer = "sgd: 0",
                                    .batch = tagged ? 1 : 4,
                                    .buckets = i ? 4 : 0,
                                    .threads = 1};
        assert_ok(hd_net_train(net, data, &opts, &reports[i]));
        hd_net_free(net);
    }
    assert_true(fabs(reports[0].loss - reports[1].loss) < 1e-6 * fabs(reports[0].loss));
    hd_data_free(data);
}

static void test_losses(void **state) {
    (void)state;
    same_loss("- embedding: {count: 9, dim: 4}\n- positions\n- transformer_encoder: {heads: 2}\n"
              "- sequence_pool\n- linear: 3\n",
              NULL, false);
    same_loss("- embedding: {count: 9, dim: 4}\n- gru: {out: 5, both: true}\n- linear: 3\n",
              "cross_entropy: {ignore: -1}", true);
}

static void test_learns(void **state) {
    (void)state;
    hd_data *data = sequences(false);
    hd_train_report report;
    hd_net *nets[2];
    for (int i = 0; i < 2; i++) { // the same bits with and without the loader's thread
        const hd_train_opts opts = {.optimizer = "adam: .03",
                                    .metrics = "accuracy",
                                    .validation = data,
                                    .batch = 8,
                                    .epochs = 60,
                                    .buckets = 3,
                                    .ahead = i ? 1 : -1,
                                    .threads = (size_t)i + 1};
        nets[i] = net_of("- embedding: {count: 9, dim: 8}\n- gru: {out: 12, last: true}\n"
                         "- linear: 3\n",
                         1);
        assert_ok(hd_net_train(nets[i], data, &opts, &report));
    }
    assert_true(report.metrics[0] > 0.7);
    assert_same_weights(nets[0], nets[1]);
    hd_net_free(nets[0]);
    hd_net_free(nets[1]);
    hd_data_free(data);
}

static void test_bad(void **state) {
    (void)state;
    hd_data *data = rings(20, 1), *sound = sequences(false);
    hd_net *net = net_of("- linear: 2\n", 1);
    hd_train_opts opts = {.threads = 1, .buckets = 3};
    assert_says(hd_net_train(net, data, &opts, NULL), HEED_INPUT,
                "buckets: up to 6 of them for sequences, which the data must have with their "
                "lengths",
                "buckets：最多 6 个");
    const hd_loader_opts many = {.buckets = 7}, few = {.buckets = 4, .shuffle = true};
    hd_loader *loader;
    assert_int_equal(hd_loader_new(sound, &many, &loader), HEED_INPUT);
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, false);
        heed_err err = hd_loader_new(sound, &few, &loader);
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
    hd_loader_free(loader);
    lengths[7] = -3; // lengths beyond what can be are taken for the nearest that can
    lengths[8] = PLACES + 9;
    assert_ok(hd_loader_new(sound, &few, &loader));
    hd_minibatch b;
    assert_ok(hd_loader_begin(loader, 0, N, 0));
    assert_ok(hd_loader_next(loader, &b));
    assert_true(b.n == N && b.length == PLACES);
    hd_loader_free(loader);
    hd_net_free(net);
    hd_data_free(sound);
    hd_data_free(data);
}

static int setup(void **state) {
    (void)state;
    draw();
    return hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches),
                                       cmocka_unit_test(test_losses), cmocka_unit_test(test_learns),
                                       cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
