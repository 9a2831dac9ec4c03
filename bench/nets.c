// SPDX-License-Identifier: Apache-2.0
//
// Whole training steps of the field's nets, to lay beside bench/nets.py (the same nets, batches,
// optimisers and made-up data in PyTorch and TensorFlow).
//
//     bench_nets NET [f32|bf16] [THREADS] [SECONDS] [LOSSES]
//
// One line of JSON. With LOSSES the weights come from the counter-based generator, as in nets.py,
// and that many first losses are printed. BENCH_PLAN=1: the plan of a step with the time of each
// operator, on stderr.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/time.h"
#include "kernel/cpu.h"
#include "nn/train.h"

enum { MAX_TIMES = 100000 };

static const char momentum[] = "sgd: {rate: .01, momentum: .9}", adam[] = "adam: {rate: .001}",
                  adamw[] = "adamw: {rate: .0001, beta2: .95, weight_decay: .1}";

typedef struct net_case {
    const char *name;
    size_t batch;
    const char *optimizer, *loss;
    int n_dims;                        // of the input
    size_t shape[3], vocabulary;       // vocabulary 0: real values
    size_t classes, labels_per_sample; // classes 0: one real value; labels 0: one
    const char *layers;
} net_case;

#define LARGE_STEM                                                                                \
    "- conv2d: {out: 64, kernel: 7, stride: 2, pad: 3, bias: false}\n- batch_norm: {act: relu}\n" \
    "- max_pool: {kernel: 3, stride: 2, pad: 1}\n"
#define BASIC(out, stride) "- resnet_basic: {out: " #out ", stride: " #stride "}\n"
#define NECK(out, stride) "- resnet_bottleneck: {out: " #out ", stride: " #stride "}\n"
#define BERT(layers, heads) \
    "- transformer_encoder: {layers: " #layers ", heads: " #heads ", act: gelu, post: true}\n"
#define GPT(layers, heads)                                        \
    "- transformer_encoder: {layers: " #layers ", heads: " #heads \
    ", act: gelu_tanh, causal: true}\n"

static const net_case cases[] = {
    {"mlp_512",
     128,
     momentum,
     "cross_entropy",
     1,
     {784},
     0,
     10,
     0,
     "- linear: {out: 512, act: relu}\n- linear: {out: 512, act: relu}\n- linear: 10\n"},
    {"mlp_128",
     64,
     momentum,
     "cross_entropy",
     1,
     {784},
     0,
     10,
     0,
     "- linear: {out: 128, act: relu}\n- linear: 10\n"},
    {"conv32",
     32,
     adam,
     "cross_entropy",
     3,
     {1, 28, 28},
     0,
     10,
     0,
     "- conv2d: {out: 32, kernel: 3, act: relu}\n- max_pool\n- flatten\n- linear: 10\n"},
    {"resnet20",
     64,
     momentum,
     "cross_entropy",
     3,
     {3, 32, 32},
     0,
     10,
     0,
     "- conv2d: {out: 16, kernel: 3, pad: 1, bias: false}\n- batch_norm: {act: relu}\n" BASIC(16, 1)
         BASIC(16, 1) BASIC(16, 1) BASIC(32, 2) BASIC(32, 1) BASIC(32, 1) BASIC(64, 2) BASIC(64, 1)
             BASIC(64, 1) "- global_pool\n- linear: 10\n"},
    {"resnet18",
     32,
     momentum,
     "cross_entropy",
     3,
     {3, 64, 64},
     0,
     1000,
     0,
     LARGE_STEM BASIC(64, 1) BASIC(64, 1) BASIC(128, 2) BASIC(128, 1) BASIC(256, 2) BASIC(256, 1)
         BASIC(512, 2) BASIC(512, 1) "- global_pool\n- linear: 1000\n"},
    {"resnet50",
     8,
     momentum,
     "cross_entropy",
     3,
     {3, 224, 224},
     0,
     1000,
     0,
     LARGE_STEM NECK(64, 1) NECK(64, 1) NECK(64, 1) NECK(128, 2) NECK(128, 1) NECK(128, 1)
         NECK(128, 1) NECK(256, 2) NECK(256, 1) NECK(256, 1) NECK(256, 1) NECK(256, 1) NECK(256, 1)
             NECK(512, 2) NECK(512, 1) NECK(512, 1) "- global_pool\n- linear: 1000\n"},
    {"lstm",
     32,
     adam,
     "mse",
     2,
     {30, 1},
     0,
     0,
     0,
     "- lstm: {out: 50, layers: 2}\n- sequence_pool: last\n- linear: 1\n"},
    {"gru",
     32,
     adam,
     "mse",
     2,
     {30, 1},
     0,
     0,
     0,
     "- gru: {out: 50, layers: 2}\n- sequence_pool: last\n- linear: 1\n"},
    {"text",
     32,
     adam,
     "bce",
     1,
     {50},
     10000,
     2,
     0,
     "- embedding: {count: 10000, dim: 16}\n- sequence_pool: mean\n"
     "- linear: {out: 24, act: relu}\n- linear: 1\n"},
    {"encoder",
     32,
     adamw,
     "cross_entropy",
     1,
     {128},
     10000,
     2,
     0,
     "- embedding: {count: 10000, dim: 256}\n- positions: {kind: learned, most: 128}\n- layer_norm\n" BERT(
         4, 8) "- sequence_pool: mean\n- linear: 2\n"},
    {"gpt_mini",
     12,
     adamw,
     "cross_entropy",
     1,
     {64},
     65,
     65,
     64,
     "- embedding: {count: 65, dim: 128, name: tok}\n- positions: {kind: learned, most: 64}\n" GPT(
         4, 4) "- linear: {out: 65, bias: false, tie: tok}\n"},
    {"gpt2",
     4,
     adamw,
     "cross_entropy",
     1,
     {64},
     50257,
     50257,
     64,
     "- embedding: {count: 50257, dim: 768, name: tok}\n- positions: {kind: learned, most: 64}\n" GPT(
         12, 12) "- linear: {out: 50257, bias: false, tie: tok}\n"},
    {"bert_base",
     8,
     adamw,
     "cross_entropy",
     1,
     {128},
     30522,
     2,
     0,
     "- embedding: {count: 30522, dim: 768}\n- positions: {kind: learned, most: 128}\n- layer_norm\n" BERT(
         12, 12) "- sequence_pool: mean\n- linear: 2\n"},
};

typedef struct timing {
    double last, times[MAX_TIMES], losses[64];
    double last_cpu, cpu[MAX_TIMES]; // of this thread
    size_t n, n_losses;
    double until; // seconds of the clock
    size_t wanted;
} timing;

static double uniform(uint64_t seed, uint64_t stream, uint64_t i) {
    return (double)(hd_rng_at(seed, stream, i) >> 11) * 0x1p-52 - 1;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool on_step(void *ctx, const hd_progress *p) {
    timing *t = ctx;
    double at = now();
    if (t->wanted > 0) {
        if (p->kind == HD_PROGRESS_STEP) t->losses[t->n_losses++] = p->loss;
        return t->n_losses < t->wanted;
    }
    // Steps of seconds need fewer to be warm, and to be told.
    const bool slow = at - t->last > 1;
    if ((p->step > 3 || (slow && p->step > 1)) && t->n < MAX_TIMES) {
        t->cpu[t->n] = hd_time_thread() - t->last_cpu;
        t->times[t->n++] = at - t->last;
    }
    t->last = now();
    t->last_cpu = hd_time_thread();
    return t->n < (slow ? 3 : 5) || at < t->until;
}

static heed_err make_data(const net_case *c, hd_data **out) {
    size_t per = 1, labels = c->labels_per_sample ? c->labels_per_sample : 1;
    for (int i = 0; i < c->n_dims; i++) per *= c->shape[i];
    hd_data_column x = {.field = {.name = "x", .role = HD_ROLE_INPUT, .n_dims = c->n_dims},
                        .own = true};
    hd_data_column y = {.field = {.name = "target", .role = HD_ROLE_TARGET}, .own = true};
    memcpy(x.field.shape, c->shape, sizeof c->shape);
    x.dtype = x.field.dtype = c->vocabulary ? HD_I32 : HD_F32;
    bool real = c->classes == 0 || strcmp(c->loss, "bce") == 0;
    y.dtype = y.field.dtype = real ? HD_F32 : HD_I32;
    if (labels > 1 || real) y.field.n_dims = 1, y.field.shape[0] = labels;
    float *xs = hd_alloc(c->batch * per * sizeof *xs),
          *ys = hd_alloc(c->batch * labels * sizeof *ys);
    if (!xs || !ys) return HD_FAIL_MEMORY(c->batch * per * sizeof *xs);
    for (size_t i = 0; i < c->batch * per; i++) {
        if (c->vocabulary)
            ((int32_t *)(void *)xs)[i] = (int32_t)(hd_rng_at(1, 0, i) % c->vocabulary);
        else
            xs[i] = (float)uniform(1, 0, i);
    }
    for (size_t i = 0; i < c->batch * labels; i++) {
        if (c->classes == 0)
            ys[i] = (float)uniform(1, 1, i);
        else if (real)
            ys[i] = (float)(hd_rng_at(1, 1, i) % c->classes);
        else
            ((int32_t *)(void *)ys)[i] = (int32_t)(hd_rng_at(1, 1, i) % c->classes);
    }
    x.data = xs;
    y.data = ys;
    return hd_data_memory(c->batch, 2, (hd_data_column[]){x, y}, out);
}

// Each weight from the stream of its path (FNV-1a), as fill() of nets.py.
static heed_err fill(hd_net *net) {
    for (size_t w = 0; w < net->weights.n; w++) {
        hd_weight_item *item = net->weights.at[w];
        if (item->state) continue;
        size_t shape[HD_MAX_DIMS], rows;
        int n_dims = hd_weight_file_shape(item, shape);
        rows = n_dims > 0 ? shape[0] : 1;
        float *values = hd_alloc(item->weight.count * sizeof *values);
        if (!values) return HD_FAIL_MEMORY(item->weight.count * sizeof *values);
        size_t length = strlen(item->weight.name);
        uint64_t stream = UINT64_C(0xCBF29CE484222325);
        for (size_t i = 0; i < length; i++)
            stream = (stream ^ (unsigned char)item->weight.name[i]) * UINT64_C(0x100000001B3);
        bool gain = length >= 6 && strcmp(item->weight.name + length - 6, "weight") == 0;
        double by = n_dims == 1 ? 0.1 : 1 / sqrt((double)(item->weight.count / rows));
        for (size_t i = 0; i < item->weight.count; i++)
            values[i] = (float)((float)uniform(7, stream, i) * (n_dims == 1 ? (double)0.1 : by) +
                                (n_dims == 1 && gain));
        hd_weight_from_file(item, values, item->weight.data);
        hd_free(values);
    }
    return HEED_OK;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static heed_err run(const net_case *c, bool bf16, size_t threads, double seconds, size_t losses,
                    timing *t, hd_train_report *report) {
    heed_err err;
    hd_net *net = NULL;
    hd_data *data = NULL;
    hd_str plan = {0};
    HD_TRY_OUT(make_data(c, &data));
    HD_TRY_OUT(hd_net_new(c->layers, c->name, 1, &net));
    HD_TRY_OUT(hd_net_prepare(net, data->fields, data->n_fields));
    if (losses > 0) HD_TRY_OUT(fill(net));
    if (getenv("BENCH_WEIGHTS"))
        for (size_t i = 0; i < net->weights.n; i++)
            fprintf(stderr, "%s %zu%s\n", net->weights.at[i]->weight.name,
                    net->weights.at[i]->weight.count, net->weights.at[i]->state ? " state" : "");
    t->wanted = losses;
    t->last = now();
    t->until = t->last + seconds;
    hd_train_opts opts = {.loss = c->loss,
                          .optimizer = c->optimizer,
                          .epochs = SIZE_MAX,
                          .batch = c->batch,
                          .precision = bf16 ? HD_PRECISE_BF16 : HD_PRECISE_F32,
                          .threads = threads,
                          .report_every = 1,
                          .ahead = -1,
                          .progress = on_step,
                          .ctx = t,
                          .plan = getenv("BENCH_PLAN") ? &plan : NULL};
    HD_TRY_OUT(hd_net_train(net, data, &opts, report));
    if (plan.data) fputs(plan.data, stderr);
out:
    hd_str_clear(&plan);
    hd_net_free(net);
    hd_data_free(data);
    return err;
}

int main(int argc, char **argv) {
    static timing t;
    const net_case *c = cases, *end = cases + sizeof cases / sizeof *cases;
    while (argc > 1 && c < end && strcmp(c->name, argv[1]) != 0) c++;
    if (argc < 2 || c == end) {
        fputs("usage: bench_nets NET [f32|bf16] [THREADS] [SECONDS] [LOSSES]; nets:", stderr);
        for (c = cases; c < end; c++) fprintf(stderr, " %s", c->name);
        return fputc('\n', stderr), 2;
    }
    bool bf16 = argc > 2 && strcmp(argv[2], "bf16") == 0;
    size_t threads = argc > 3 ? strtoul(argv[3], NULL, 10) : 1,
           losses = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    double seconds = argc > 4 ? strtod(argv[4], NULL) : 5;
    hd_train_report report = {0};
    if (run(c, bf16, threads, seconds, losses < 64 ? losses : 64, &t, &report) != HEED_OK)
        return fprintf(stderr, "%s\n", heed_error_message(HEED_EN)), 1;
    printf(
        "{\"net\": \"%s\", \"framework\": \"heed\", \"isa\": \"%s\", \"precision\": \"%s\", \"threads\": %zu, \"parameters\": %zu",
        c->name, hd_isa_name(hd_isa_get()), bf16 ? "bf16" : "f32", threads, report.parameters);
    if (losses > 0) {
        printf(", \"losses\": [");
        for (size_t i = 0; i < t.n_losses; i++) printf("%s%.9g", i ? ", " : "", t.losses[i]);
        printf("]}\n");
        return 0;
    }
    qsort(t.times, t.n, sizeof *t.times, by_value);
    qsort(t.cpu, t.n, sizeof *t.cpu, by_value);
    double median = t.times[t.n / 2];
    size_t states = strncmp(c->optimizer, "sgd", 3) == 0 ? 3 : 4;
    printf(
        ", \"step_ms\": %.4f, \"best_ms\": %.4f, \"cpu_ms\": %.4f, \"best_cpu_ms\": %.4f, \"samples_per_s\": %.1f, \"steps\": %zu, \"workspace_mib\": %.1f, \"gflop\": %.4f}\n",
        median * 1e3, t.times[0] * 1e3, t.cpu[t.n / 2] * 1e3, t.cpu[0] * 1e3,
        (double)c->batch / median, t.n,
        ((double)report.bytes - (double)(report.parameters * states * sizeof(float))) / 1048576,
        report.flops / 1e9);
    return 0;
}
