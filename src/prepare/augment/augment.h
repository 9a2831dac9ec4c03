// SPDX-License-Identifier: Apache-2.0
//
// Random changes to training samples, made anew each time a sample is met:
//
//     augment:
//       - rotate: 10
//       - shift: {by: .1}
//
// A kind works on one sample's raw values; who reads data with it decides what is drawn (by seed,
// epoch and the sample's number alone, so that the bits don't depend on threads). Each kind is a
// descriptor beside its code (a family to a file) and one row in augment.c.
#ifndef HD_PREPARE_AUGMENT_AUGMENT_H
#define HD_PREPARE_AUGMENT_AUGMENT_H

#include "base/option.h"
#include "base/rng.h"

typedef enum hd_augment_of {
    HD_AUGMENT_IMAGE,  // values (height, width, channels), 0 … 1
    HD_AUGMENT_IDS,    // ids (length), the first `used` of them a text's
    HD_AUGMENT_ROW,    // values (width)
    HD_AUGMENT_SERIES, // values (height = steps, width)
    HD_AUGMENT_OFS
} hd_augment_of;

// Synonyms: id i may stand for every other of its group. group: (n_ids + 1) where group i begins in
// `ids`; empty where it has none.
typedef struct hd_synonyms {
    size_t n_ids;
    size_t *start;
    int32_t *ids;
} hd_synonyms;

typedef struct hd_augment_sample {
    hd_augment_of of;
    size_t height, width, channels;
    float *values;        // changed in place
    float *spare;         // as large, for the kind's use
    int32_t *ids;         // changed in place
    size_t length, used;  // used may become less
    bool at_end;          // the text stands at the row's end, padding before it
    int32_t *spare_ids;   // (length)
    const float *another; // values of a neighbour with the same label; NULL: there is none
    const hd_synonyms *synonyms;
} hd_augment_sample;

// Where the pixel that is made comes from: (y, x) of the source, from the middle of the image, is
// m · (y, x, 1). Kinds that move pixels only change this; the image is resampled once at the end.
typedef struct hd_augment_move {
    double m[2][3];
    bool moved;
} hd_augment_move;
// Puts a further move in front: what is made is made from what the moves so far make.
void hd_augment_move_add(hd_augment_move *move, const double m[2][3]);

typedef struct hd_augment_kind {
    hd_spec_kind kind;
    unsigned of;   // 1 << hd_augment_of of each that it knows
    bool another;  // needs a neighbour
    bool in_order; // only for ids whose order is the text's: no runs hashed behind them
    bool synonyms; // needs them
    void (*apply)(const void *options, hd_rng *rng, hd_augment_sample *sample,
                  hd_augment_move *move);
} hd_augment_kind;
extern const hd_spec_kinds hd_augment_kinds;

// A list of them, read once; many threads may apply it, each to samples of its own.
typedef struct hd_augment {
    hd_choice *steps; // (n)
    size_t n;
    bool another, synonyms; // whether a step needs them
    hd_arena arena;
} hd_augment;
// runs: ids have hashed runs behind them. HEED_INPUT when a kind is unknown or doesn't fit.
heed_err hd_augment_read(const json_t *list, const hd_where *where, hd_augment_of of, bool runs,
                         hd_augment *out) HEED_CHECK;
void hd_augment_clear(hd_augment *augment);
void hd_augment_apply(const hd_augment *augment, uint64_t seed, uint64_t stream,
                      hd_augment_sample *sample);

// Lines of words that may stand for each other, by `id_of` (ctx, word) → id, or −1: unknown. Words
// are separated by white space or commas. HEED_INPUT when no line has two that are known.
typedef int32_t (*hd_word_id)(void *ctx, hd_slice word);
heed_err hd_synonyms_parse(const char *text, size_t n, const char *name, size_t n_ids,
                           hd_word_id id_of, void *ctx, hd_synonyms *out) HEED_CHECK;
void hd_synonyms_clear(hd_synonyms *synonyms);

#endif
