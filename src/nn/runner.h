// SPDX-License-Identifier: Apache-2.0
//
// Programs by batch size and length of sequences, kept while they are used, and what training,
// evaluation and prediction share: running one on a batch, checking what goes in, finding out why a
// number isn't finite.
#ifndef HD_NN_RUNNER_H
#define HD_NN_RUNNER_H

#include "nn/loader.h"
#include "nn/net.h"
#include "nn/train.h"

enum { HD_RUNNER_PROGRAMS = 8 };

typedef struct hd_metrics {
    const hd_metric_kind *kind[HD_METRICS];
    hd_score score[HD_METRICS];
    size_t n;
} hd_metrics;

typedef struct hd_runner {
    hd_net *net;
    hd_data *data;
    hd_pool *pool;
    hd_program_opts opts;                     // batch aside
    hd_program *programs[HD_RUNNER_PROGRAMS]; // most recently used first
    int target;                               // field of the target, -1: none
} hd_runner;

void hd_runner_init(hd_runner *runner, hd_net *net, hd_data *data, hd_pool *pool,
                    const hd_program_opts *opts);
void hd_runner_clear(hd_runner *runner);
// The program of that batch, bound to its memories. Labels are checked.
heed_err hd_runner_get(hd_runner *runner, const hd_minibatch *batch, hd_program **out) HEED_CHECK;
size_t hd_runner_bytes(const hd_runner *runner);           // of the largest program
double hd_runner_flops(const hd_runner *runner);           // of a step of the largest program
void hd_runner_plan(const hd_runner *runner, hd_str *out); // of the one used last

// Why the loss (or a gradient) isn't finite: never HEED_OK.
heed_err hd_runner_explain(hd_runner *runner, const hd_minibatch *batch, uint64_t step,
                           double rate) HEED_CHECK;

heed_err hd_metrics_read(const char *text, const hd_loss *loss, hd_metrics *out) HEED_CHECK;
// Loss and metrics over all of the runner's data (opts.training must be false).
heed_err hd_runner_evaluate(hd_runner *runner, size_t batch, hd_metrics *metrics,
                            hd_evaluation *out) HEED_CHECK;

#endif
