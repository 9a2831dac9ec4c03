// SPDX-License-Identifier: Apache-2.0
//
// The kinds of augmentation, by family: what the list in augment.c names.
#ifndef HD_PREPARE_AUGMENT_ROWS_H
#define HD_PREPARE_AUGMENT_ROWS_H

#include "prepare/augment/augment.h"

extern const hd_augment_kind hd_augment_rotate, hd_augment_shift, hd_augment_scale,
    hd_augment_shear, hd_augment_flip, hd_augment_crop, hd_augment_noise, hd_augment_brightness,
    hd_augment_cutout;
extern const hd_augment_kind hd_augment_drop, hd_augment_swap, hd_augment_replace;
extern const hd_augment_kind hd_augment_smote, hd_augment_jitter, hd_augment_window;

// [−1, 1)
static inline double hd_draw_sign(hd_rng *rng) {
    return 2 * hd_rng_uniform(rng) - 1;
}

// A table of one number, the first and only option of many kinds.
typedef struct hd_augment_number {
    double value;
} hd_augment_number;
#define HD_AUGMENT_NUMBER(id, key, start, least, most, en, zh)                \
    static const hd_option id[] = {{.name = (key),                            \
                                    .type = HD_OPTION_REAL,                   \
                                    .at = offsetof(hd_augment_number, value), \
                                    .initial = (start),                       \
                                    .min = (least),                           \
                                    .max = (most),                            \
                                    .doc = HD_TEXT(en, zh)},                  \
                                   {.name = NULL}}

// For `crop`: the ids' and the series' part of it.
void hd_augment_crop_ids(double least, hd_rng *rng, hd_augment_sample *sample);

#endif
