// SPDX-License-Identifier: Apache-2.0
//
// What models learn from: a snapshot through the door, with the events left out that cleaning
// doesn't keep.
#ifndef HD_WORKSPACE_DATA_H
#define HD_WORKSPACE_DATA_H

#include "prepare/events.h"
#include "workspace/workspace.h"

typedef struct hd_training_data {
    hd_snapshot snapshot; // its events before cleaning are gone; its keys stay
    hd_sparse events;     // (U, I) cleaned
    char hash[65];        // names the data and what was left out of it
    json_t *cleaning;     // the cleaner's report
} hd_training_data;

// How events are cleaned, by the settings clean.*.
hd_event_clean_params hd_clean_params(const heed_workspace *ws);

// HEED_UNAVAILABLE: no event is left to learn from.
heed_err hd_training_data_load(heed_workspace *ws, hd_training_data *out) HEED_CHECK;
void hd_training_data_clear(hd_training_data *data);

#endif
