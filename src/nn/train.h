// SPDX-License-Identifier: Apache-2.0
//
// The training loop. A training is its options, the data and the seed: with the same three it ends
// in the same bits, on any number of threads, and whether or not it was killed and resumed on the
// way.
#ifndef HD_NN_TRAIN_H
#define HD_NN_TRAIN_H

#include "nn/net.h"
#include "nn/watch.h"

enum { HD_METRICS = 6 };

typedef enum hd_progress_kind {
    HD_PROGRESS_STEP,     // some steps are done
    HD_PROGRESS_VALIDATED // a validation was made
} hd_progress_kind;

typedef struct hd_progress {
    hd_progress_kind kind;
    uint64_t step, steps, epoch, epochs;
    double loss;                // mean since the last call
    double rate, gradient_norm; // norm: NaN when it isn't asked for
    size_t batch;
    double samples_per_second, seconds_left;
    bool has_validation; // of the last one made
    double validation_loss;
    size_t n_metrics;
    const char *metric_names[HD_METRICS];
    double metrics[HD_METRICS];
    bool best; // this validation is the best one so far
} hd_progress;

// Returns false to end the training here (it is then complete: weights as they are, or the best).
typedef bool (*hd_progress_fn)(void *ctx, const hd_progress *progress);

// Texts are YAML as in base/option.h. NULL and 0: the default.
typedef struct hd_train_opts {
    const char *loss;             // cross_entropy
    const char *optimizer;        // adam
    const char *schedule;         // of the rate: constant
    const char *batch_schedule;   // of the batch size: constant; looked at when an epoch begins
    const char *metrics;          // a list, or one: none
    const char *monitor;          // "loss" or a metric: what is best; "loss"
    size_t epochs;                // 1
    size_t steps;                 // an end before that; 0: none
    size_t batch;                 // 32
    size_t accumulate;            // batches to a step; 1
    size_t buckets;               // of sequences by length (nn/bucket.h); 0: none
    uint64_t seed;                // of shuffling and dropout
    hd_data *validation;          // NULL: none
    size_t validate_every;        // steps; 0: at the end of each epoch
    double clip_norm, clip_value; // 0: none
    double average;               // EMA: part kept at each step (0.999); 0: none
    size_t patience;              // validations without a better one before it ends; 0: no end
    bool restore_best;            // ends with the best weights seen
    const char *freeze;           // a pattern of paths, or a list: not trained
    hd_precision precision;
    size_t threads;          // 0: all processors
    size_t memory_limit;     // bytes, for values; 0: memory.limit's
    int ahead;               // batches read ahead; 0: as the data needs; −1: none
    const char *run;         // folder of the curves; NULL: none
    const char *checkpoint;  // file; NULL: none
    size_t checkpoint_every; // steps; 0: at the end of each epoch
    bool resume;             // goes on from the checkpoint where there is one
    size_t report_every;     // steps between two calls of progress; 0: about twice a second
    hd_progress_fn progress;
    void *ctx;
    hd_watch *watch; // gradients by layer, borrowed; NULL: nobody looks
    hd_str *plan;    // of a step, with times by operator, is added to it; NULL: nobody looks
} hd_train_opts;

typedef struct hd_train_report {
    uint64_t steps;
    uint64_t epochs; // finished
    double loss;     // mean of the last epoch, or what was done of it
    bool has_validation;
    double validation_loss, best; // of the monitor
    uint64_t best_step;
    double metrics[HD_METRICS]; // of the last validation
    double seconds, samples_per_second;
    size_t parameters, bytes; // of weights, moments, values
    double flops;             // of a step's forward and backward
    bool stopped_early;
} hd_train_report;

// report: may be NULL. HEED_INPUT names what was wrong: a sample's row, an operator and its layer.
heed_err hd_net_train(hd_net *net, hd_data *data, const hd_train_opts *opts,
                      hd_train_report *report) HEED_CHECK;

// Loss and metrics of a network on data. metrics: YAML; values: (HD_METRICS), by their order.
typedef struct hd_evaluation {
    double loss;
    size_t n_metrics;
    double metrics[HD_METRICS];
} hd_evaluation;
heed_err hd_net_evaluate(hd_net *net, hd_data *data, const char *loss, const char *metrics,
                         size_t batch, size_t threads, hd_evaluation *out) HEED_CHECK;

// The output for each sample of the data: (n, width), in order. *out: for hd_free. On inputs that
// the network was built for (hd_net_prepare, a training, a file), many threads may call it.
heed_err hd_net_predict(hd_net *net, hd_data *data, size_t batch, size_t threads, float **out,
                        size_t *width) HEED_CHECK;
// The same; *seconds grows by what the samples took, without what comes once (the programs).
heed_err hd_net_predict_timed(hd_net *net, hd_data *data, size_t batch, size_t threads, float **out,
                              size_t *width, double *seconds) HEED_CHECK;

// A progress as one line for a terminal, without a newline.
void hd_progress_line(const hd_progress *progress, heed_lang lang, char *out, size_t n);

#endif
