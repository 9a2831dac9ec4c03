// SPDX-License-Identifier: Apache-2.0
//
// Networks of one's own: layers as a page of YAML, data, a training, a file.
//
//     heed_net *net = NULL;
//     heed_data *data = NULL;
//     heed_fit_params fit = heed_fit_default();
//     fit.epochs = 5;
//     if (heed_data_idx("train-images.gz", "train-labels.gz", &data) ||
//         heed_net_new("- flatten\n- linear: {out: 128, act: relu}\n- linear: 10\n", 1, &net) ||
//         heed_net_fit(net, data, &fit, NULL) || heed_net_save(net, "digits.safetensors"))
//         fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
//     heed_net_free(net);
//     heed_data_free(data);
//
// Texts name a kind with its options: "relu", "linear: 10", "adam: {rate: .01}". What there is, and
// which options each takes, is listed by heed_net_kinds and in docs/networks.md.
//
// The same options, data and seed give the same bits, on any number of threads, and whether or not
// the training was killed and resumed on the way (on one instruction-set path).
//
// Threads: one network, one thread at a time; fit and predict use threads of their own.
#ifndef HEED_NET_H
#define HEED_NET_H

#include <stddef.h>
#include <stdint.h>

#include "heed/error.h"
#include "heed/workspace.h" // heed_text_free

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heed_net heed_net;
typedef struct heed_data heed_data;

// ── Data ──

// Samples from memory, which is borrowed until heed_data_free. x: (n, shape…) row-major, images
// (channels, height, width). labels: (n), or NULL; else values: (n, n_values) to be met.
HEED_API heed_err heed_data_rows(const float *x, size_t n, const size_t *shape, int n_dims,
                                 const int32_t *labels, heed_data **out) HEED_CHECK;
HEED_API heed_err heed_data_values(const float *x, size_t n, const size_t *shape, int n_dims,
                                   const float *values, size_t n_values,
                                   heed_data **out) HEED_CHECK;
// Sequences of indexes, (n, length), padded at the end; lengths: (n), how much of each counts, or
// NULL. labels: (n).
HEED_API heed_err heed_data_sequences(const int32_t *x, size_t n, size_t length,
                                      const int32_t *lengths, const int32_t *labels,
                                      heed_data **out) HEED_CHECK;
// Windows of a long row of indexes, for language models: a window is `length` of them, its target
// the same one place on. ids: copied.
HEED_API heed_err heed_data_windows(const int32_t *ids, size_t n, size_t length, size_t stride,
                                    heed_data **out) HEED_CHECK;
// MNIST's file format, plain or gzip'd: images of one channel, 0 to 1, and labels.
HEED_API heed_err heed_data_idx(const char *images, const char *labels, heed_data **out) HEED_CHECK;
// The part [from, to) of the samples after a shuffle by seed (0: in order). data: borrowed until
// the part is freed.
HEED_API heed_err heed_data_part(heed_data *data, double from, double to, uint64_t seed,
                                 heed_data **out) HEED_CHECK;
HEED_API size_t heed_data_count(const heed_data *data);
HEED_API void heed_data_free(heed_data *data); // NULL is fine

// ── Networks ──

// layers: a YAML list. seed: of the starting values. HEED_INPUT names the line when heed_net_fit
// (or the like) meets a layer that doesn't fit.
HEED_API heed_err heed_net_new(const char *layers, uint64_t seed, heed_net **out) HEED_CHECK;
HEED_API heed_err heed_net_open(const char *path, heed_net **out) HEED_CHECK; // as it was saved
HEED_API heed_err heed_net_save(const heed_net *net, const char *path) HEED_CHECK;
HEED_API void heed_net_free(heed_net *net); // NULL is fine

// Makes the weights for data like this; fit does it too. After it weights can be loaded.
HEED_API heed_err heed_net_prepare(heed_net *net, const heed_data *like) HEED_CHECK;
// Takes what fits from a file whose weights' names begin with `from`, put in place by `to` (NULL:
// ""). *report: JSON {taken, missing, unused, unlike}, freed by heed_text_free; may be NULL.
HEED_API heed_err heed_net_load(heed_net *net, const char *path, const char *from, const char *to,
                                char **report) HEED_CHECK;
HEED_API size_t heed_net_parameters(const heed_net *net); // 0 before it is prepared
// Weights with their shapes, and the plan of a training step with that batch size: freed by
// heed_text_free.
HEED_API heed_err heed_net_describe(heed_net *net, const heed_data *like, size_t batch,
                                    char **out) HEED_CHECK;

// ── Training ──

enum { HEED_METRICS = 6 };

typedef struct heed_fit_progress {
    int validated; // 1: told after a validation; 0: after some steps
    uint64_t step, steps, epoch, epochs;
    double loss, rate, samples_per_second, seconds_left;
    int has_validation;
    double validation_loss, metrics[HEED_METRICS]; // metrics in the order of fit.metrics
    const char *line;                              // all of this for a terminal, without a newline
} heed_fit_progress;

// Texts are YAML; NULL and 0 mean the default, which stands behind each.
typedef struct heed_fit_params {
    const char *loss;             // "cross_entropy"
    const char *optimizer;        // "adam"
    const char *schedule;         // of the rate: "constant"
    const char *batch_schedule;   // of the batch size: "constant"
    const char *metrics;          // "accuracy", "[accuracy, top5]": none
    const char *monitor;          // what is best: "loss"
    size_t epochs;                // 1
    size_t steps;                 // an end before that: none
    size_t batch;                 // 32
    size_t accumulate;            // batches to a step: 1
    size_t buckets;               // 2 to 6: a batch's sequences are of about one length: none
    uint64_t seed;                // of shuffling and dropout
    heed_data *validation;        // none
    size_t validate_every;        // steps: each epoch
    double clip_norm, clip_value; // none
    double average;               // part of the weights' running average kept at each step: none
    size_t patience;              // validations without a better one until it ends: no end
    int restore_best;             // 1: ends with the best weights seen
    const char *freeze;           // pattern of weights that stay, or a list: none
    const char *precision;   // "f32", or "bf16": products round their operands to bf16, and values
                             // between operators are kept so where they can be: half the memory
    size_t threads;          // one per processor
    size_t memory_limit;     // bytes for values: none
    const char *run;         // folder for curves (JSON lines, TensorBoard): none
    const char *checkpoint;  // file: none
    size_t checkpoint_every; // steps: each epoch
    int resume;              // 1: goes on from the checkpoint where there is one
    size_t report_every;     // steps between calls of progress: about twice a second
    heed_lang lang;          // of progress lines
    int (*progress)(void *ctx, const heed_fit_progress *progress); // other than 0 ends the training
    void *ctx;
} heed_fit_params;
HEED_API heed_fit_params heed_fit_default(void); // all defaults

typedef struct heed_fit_report {
    uint64_t steps, epochs;
    double loss; // mean of the last epoch
    int has_validation;
    double validation_loss, metrics[HEED_METRICS]; // of the last validation
    double best;                                   // of the monitor
    double seconds, samples_per_second;
    size_t parameters, bytes; // bytes: weights, gradients, moments, values
} heed_fit_report;

// report: may be NULL. HEED_INPUT says what doesn't fit: a layer with both shapes, a row with a bad
// label or a NaN, the operator where numbers broke down.
HEED_API heed_err heed_net_fit(heed_net *net, heed_data *data, const heed_fit_params *params,
                               heed_fit_report *report) HEED_CHECK;

typedef struct heed_score {
    double loss, metrics[HEED_METRICS];
} heed_score;
// loss, metrics: as in heed_fit_params.
HEED_API heed_err heed_net_evaluate(heed_net *net, heed_data *data, const char *loss,
                                    const char *metrics, heed_score *out) HEED_CHECK;
// The output for each sample: *out (n, *width), freed by heed_values_free.
HEED_API heed_err heed_net_predict(heed_net *net, heed_data *data, float **out,
                                   size_t *width) HEED_CHECK;
HEED_API void heed_values_free(float *values); // NULL is fine

// ── Choosing ──

typedef struct heed_spread {
    double mean, deviation; // over the parts
} heed_spread;
typedef struct heed_cross_report {
    heed_spread loss, metrics[HEED_METRICS];
} heed_cross_report;
// Cross-validation: the samples are shuffled by params->seed and cut into k parts, with equal
// shares of each label where a sample has one; a fresh network is trained on all parts but one and
// scored on that, k times. params: without validation, run and checkpoint. scores: (k), of each
// part; or NULL.
HEED_API heed_err heed_net_cross_validate(const char *layers, uint64_t seed, heed_data *data,
                                          size_t k, const heed_fit_params *params,
                                          heed_score *scores, heed_cross_report *report) HEED_CHECK;

typedef struct heed_search_params {
    // What is searched, as YAML; $name in the layers, and in the params' loss, optimizer and
    // schedules, stands for a trial's value, and one named `batch` is the size of a batch:
    //     rate: {low: .0001, high: .1, log: true}
    //     width: {low: 16, high: 256, log: true, whole: true}
    //     act: {choices: [relu, gelu]}
    const char *space;
    size_t trials;           // 16
    uint64_t seed;           // of the draws
    size_t halving;          // 0: each trial is trained in full; 3: one in three goes on …
    double least;            // … and at first they get this part of the steps: 1/9
    const char *leaderboard; // file, written anew after each trial: none
} heed_search_params;
// Trains a network for each trial, params->monitor judging on params->validation (or, where there
// is none, on a tenth of the samples held out). *leaderboard: JSON, best first: [{rank, trial,
// score, budget, values}], freed by heed_text_free; a trial that broke down has no score.
HEED_API heed_err heed_net_search(const char *layers, uint64_t seed, heed_data *data,
                                  const heed_fit_params *params, const heed_search_params *search,
                                  char **leaderboard) HEED_CHECK;

// ── Kinds ──

// All layers, losses, optimisers, schedules, initialisers and metrics with their options, as JSON:
// freed by heed_text_free.
HEED_API heed_err heed_net_kinds(char **json) HEED_CHECK;

#ifdef __cplusplus
}
#endif
#endif
