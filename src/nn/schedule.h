// SPDX-License-Identifier: Apache-2.0
//
// Schedules: a factor over the course of a training, for the rate or for the batch size.
//
//     rate: cosine                        batch: step: {every: 10, factor: 2}
//     rate: one_cycle: {warmup: .3}
//
// Every kind takes `warmup` too: so many steps (or, below 1, so great a part of the training) over
// which the factor rises evenly from near 0 to what it would be.
#ifndef HD_NN_SCHEDULE_H
#define HD_NN_SCHEDULE_H

#include "base/option.h"

// Where a training stands.
typedef struct hd_moment {
    uint64_t step;  // steps done
    uint64_t steps; // in all
    uint64_t epoch; // epochs done
} hd_moment;

// What a schedule remembers: it is kept in checkpoints. Zeroed at first.
typedef struct hd_schedule_state {
    double scale; // 0: nothing was seen yet, reads as 1
    double best;
    int64_t bad; // observations since the best
} hd_schedule_state;

typedef struct hd_schedule_kind {
    hd_spec_kind kind;
    double (*factor)(const void *options, const hd_moment *moment);
    // Told of each validation loss; NULL: not interested.
    void (*observe)(const void *options, hd_schedule_state *state, double loss);
} hd_schedule_kind;
extern const hd_spec_kinds hd_schedule_kinds;

typedef struct hd_schedule {
    hd_choice choice; // kind NULL: constant 1
} hd_schedule;

// value NULL: constant.
heed_err hd_schedule_read(const json_t *value, const hd_where *where, hd_arena *arena,
                          hd_schedule *out) HEED_CHECK;
double hd_schedule_factor(const hd_schedule *schedule, const hd_schedule_state *state,
                          const hd_moment *moment);
bool hd_schedule_is_constant(const hd_schedule *schedule);
void hd_schedule_observe(const hd_schedule *schedule, hd_schedule_state *state, double loss);

#endif
