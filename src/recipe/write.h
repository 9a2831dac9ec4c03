// SPDX-License-Identifier: Apache-2.0
//
// A network of language writes: token after token, each drawn by what the network gives it.
#ifndef HD_RECIPE_WRITE_H
#define HD_RECIPE_WRITE_H

#include <stdatomic.h>

#include "base/rng.h"
#include "nn/net.h"
#include "text/encoder.h"

typedef struct hd_write_opts {
    const char *prompt; // what it begins with
    size_t length;      // tokens
    double temperature; // below 1: more likely tokens are taken more often
    uint64_t seed;
    const atomic_bool *stop; // may be NULL
} hd_write_opts;

typedef struct hd_writer {
    const hd_encoder *encoder;
    hd_write_opts opts;
    int32_t *ids; // prompt, then what was written
    size_t n, from;
    double *p; // (size) of the vocabulary
    size_t size, window;
    hd_rng rng;
} hd_writer;

// Numbers of tokens are below this: an encoder has room for more than it met.
size_t hd_writer_vocabulary(const hd_encoder *encoder);
// HEED_INPUT: a prompt without a token that the training texts had.
heed_err hd_writer_init(hd_writer *writer, const hd_encoder *encoder,
                        const hd_write_opts *opts) HEED_CHECK;
void hd_writer_clear(hd_writer *writer);
// Back behind the prompt, with the seed's first number.
void hd_writer_begin(hd_writer *writer);
// HEED_CORRUPT: not a network of this vocabulary. HEED_INTERRUPTED.
heed_err hd_writer_net(hd_writer *writer, hd_net *net) HEED_CHECK;
// Appends what was written, without the prompt.
heed_err hd_writer_text(const hd_writer *writer, hd_str *out) HEED_CHECK;

#endif
