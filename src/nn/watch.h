// SPDX-License-Identifier: Apache-2.0
//
// What gradients look like on the way: their norm by layer at up to HD_WATCH_POINTS moments spread
// evenly over a training, and which units had none of late. For a diagnosis afterwards; it changes
// no bit of the training.
#ifndef HD_NN_WATCH_H
#define HD_NN_WATCH_H

#include "nn/weights.h"

enum { HD_WATCH_POINTS = 48 };

typedef struct hd_watch hd_watch;
heed_err hd_watch_new(hd_watch **out) HEED_CHECK;
void hd_watch_free(hd_watch *watch); // NULL is fine

// {"steps": [12, …], "layers": [{"name": "0", "gradient": [.31, …], "weight": [1.2, …], "units":
// 128, "dead": 3}, …]}, in the order of the network. dead: units whose gradients were all zero at
// every moment of the second half. A new reference.
heed_err hd_watch_json(const hd_watch *watch, json_t **out) HEED_CHECK;

// ── For the loop ──
// Before the first step: steps of the training.
heed_err hd_watch_begin(hd_watch *watch, const hd_weights *weights, uint64_t steps) HEED_CHECK;
// After gradients were made and before they are used. Sees to itself whether a look is due.
// scale: of the gradients.
void hd_watch_look(hd_watch *watch, uint64_t step, double scale);

#endif
