// SPDX-License-Identifier: Apache-2.0
//
// The list an operator's samples are gathered in.
#include <string.h>

#include "base/mem.h"
#include "tensor/operator.h"

heed_err hd_samples_init(hd_samples *samples, const hd_operator *op) {
    *samples = (hd_samples){.op = op};
    if (op->samples) op->samples(samples);
    if (!samples->failed) return HEED_OK;
    hd_samples_clear(samples);
    return HD_FAIL_MEMORY(sizeof(hd_sample));
}

void hd_samples_clear(hd_samples *samples) {
    for (size_t i = 0; i < samples->n; i++) hd_free(samples->at[i].attrs);
    hd_free(samples->at);
    *samples = (hd_samples){0};
}

void hd_sample_add(hd_samples *samples, int n_in, const hd_sample_in *in, const void *attrs,
                   double tolerance) {
    void *copy = hd_calloc(1, samples->op->attrs_size + 1);
    if (!copy ||
        hd_grow(&samples->at, &samples->cap, samples->n + 1, sizeof *samples->at) != HEED_OK) {
        hd_free(copy);
        samples->failed = true;
        return;
    }
    if (attrs) memcpy(copy, attrs, samples->op->attrs_size);
    hd_sample *sample = &samples->at[samples->n++];
    *sample = (hd_sample){.n_in = n_in, .attrs = copy, .tolerance = tolerance};
    memcpy(sample->in, in, (size_t)n_in * sizeof *in);
}
