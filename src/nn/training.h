// SPDX-License-Identifier: Apache-2.0
//
// A training on its way, for train.c (the loop), train_begin.c (options), validate.c and
// checkpoint.c.
#ifndef HD_NN_TRAINING_H
#define HD_NN_TRAINING_H

#include "nn/events.h"
#include "nn/optimizer.h"
#include "nn/runner.h"
#include "nn/schedule.h"

enum { HD_MONITOR_LOSS = -1 };

// What a resumed training must find again.
typedef struct hd_train_state {
    uint64_t step, epoch;
    uint64_t done;  // samples of this epoch
    uint64_t batch; // size in this epoch; 0: not begun
    hd_schedule_state rate, size;
    double loss_sum, loss_n; // of this epoch
    double last_loss;        // mean of the last finished epoch
    double first_loss;
    bool has_first, has_best, has_validation, finished;
    double best, validation_loss;
    double metrics[HD_METRICS];
    uint64_t best_step;
    uint64_t planned; // steps in all
    int64_t bad;      // validations since the best one
} hd_train_state;

typedef struct hd_training {
    hd_net *net;
    hd_data *data;
    hd_train_opts o; // defaults filled in
    hd_arena arena;
    hd_spec specs[4]; // loss, optimizer, schedule, batch_schedule
    hd_loss loss;
    hd_optimizer optimizer;
    hd_schedule rate, size;
    hd_metrics metrics;
    int monitor; // metric, or HD_MONITOR_LOSS
    hd_pool *pool;
    hd_runner runner, validation;
    hd_loader *loader;
    hd_curves *curves;
    uint64_t steps;   // in all
    float **averages; // (optimizer.n), NULL: none
    float **best;     // (weights.n), NULL: none
    hd_train_state s;
    // Since the last report:
    double since_sum, since_n, since_time, since_samples, begun, norm, now_rate;
    double told_loss; // the last one reported
    uint64_t since_step, begun_step, curve_step;
    double samples;
    bool asked_to_stop, has_best_now;
} hd_training;

// ── train_begin.c ──
heed_err hd_training_begin(hd_training *t) HEED_CHECK;
void hd_training_clear(hd_training *t);
uint64_t hd_training_batch(const hd_training *t, uint64_t epoch); // size by schedule
double hd_seconds(void);      // on a clock that only goes forward
double hd_wall_seconds(void); // since 1970

// ── validate.c ──
// Validates, keeps the best weights, tells schedules. *stop: patience is at its end.
heed_err hd_training_validate(hd_training *t, bool *stop) HEED_CHECK;
// At the end: averages or the best weights become the network's.
heed_err hd_training_settle(hd_training *t) HEED_CHECK;

// ── checkpoint.c ──
heed_err hd_checkpoint_save(hd_training *t) HEED_CHECK;
heed_err hd_checkpoint_restore(hd_training *t) HEED_CHECK; // of t->o.checkpoint

#endif
