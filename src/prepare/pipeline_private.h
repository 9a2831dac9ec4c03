// SPDX-License-Identifier: Apache-2.0
//
// What fitting (pipeline.c) and saving (pipeline_json.c) share.
#ifndef HD_PREPARE_PIPELINE_PRIVATE_H
#define HD_PREPARE_PIPELINE_PRIVATE_H

#include "prepare/pipeline.h"
#include "prepare/step/step.h"

struct hd_pipeline {
    hd_step *steps; // (n)
    size_t n, cap;
    hd_arena arena; // all that the steps point to
};

heed_err hd_pipeline_new(hd_pipeline **out) HEED_CHECK;
// The value of a kind's i-th parameter from its text.
heed_err hd_step_value_parse(const hd_step_kind *kind, size_t i, const char *text, hd_arena *arena,
                             hd_step_value *out) HEED_CHECK;

#endif
