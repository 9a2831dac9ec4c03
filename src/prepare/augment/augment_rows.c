// SPDX-License-Identifier: Apache-2.0
//
// Rows of tables and series. smote is Chawla et al. 2002, made while training: a row becomes a
// point between itself and a neighbour of its own class (who reads the data picks the neighbour).
#include <math.h>

#include "prepare/augment/rows.h"

HD_AUGMENT_NUMBER(smote_rows, "share", 0.5, 0, 1, "of the rows that are moved", "移动的行的比例");

static void smote(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double share = ((const hd_augment_number *)options)->value;
    bool done = hd_rng_uniform(rng) < share;
    float part = (float)hd_rng_uniform(rng);
    (void)move;
    for (size_t i = 0; done && s->another && i < s->width; i++) {
        s->values[i] += part * (s->another[i] - s->values[i]);
    }
}

typedef struct jitter_options {
    double noise, scale;
} jitter_options;
static const hd_option jitter_rows[] = {
    {.name = "noise",
     .type = HD_OPTION_REAL,
     .at = offsetof(jitter_options, noise),
     .initial = 0.03,
     .max = 100,
     .doc = HD_TEXT("standard deviation of what is added to each value", "各数值所加噪声的标准差")},
    {.name = "scale",
     .type = HD_OPTION_REAL,
     .at = offsetof(jitter_options, scale),
     .max = 1,
     .doc = HD_TEXT("each column is multiplied by 1 ± up to so much", "各列乘以 1 ± 至多此数")},
    {.name = NULL}};

static void jitter(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    const jitter_options *o = options;
    size_t steps = s->of == HD_AUGMENT_SERIES ? s->height : 1;
    (void)move;
    for (size_t c = 0; c < s->width; c++) {
        float times = (float)(1 + o->scale * hd_draw_sign(rng));
        for (size_t t = 0; t < steps; t++) {
            float *value = &s->values[t * s->width + c];
            *value = *value * times + (float)(o->noise * hd_rng_normal(rng));
        }
    }
}

HD_AUGMENT_NUMBER(window_rows, "least", 0.8, 0.05, 1, "share of the steps that it has at least",
                  "窗口至少占总步数的比例");

// A window of the series, stretched to its length: the same course, faster or slower.
static void window(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double least = ((const hd_augment_number *)options)->value;
    double last = (double)(s->height - 1),
           span = last * (least + (1 - least) * hd_rng_uniform(rng));
    double from = (last - span) * hd_rng_uniform(rng);
    (void)move;
    for (size_t t = 0; t < s->height; t++) {
        double at = s->height > 1 ? from + span * (double)t / last : 0;
        size_t i = (size_t)at, next = i + 1 < s->height ? i + 1 : i;
        float part = (float)(at - floor(at));
        for (size_t c = 0; c < s->width; c++) {
            float a = s->values[i * s->width + c], b = s->values[next * s->width + c];
            s->spare[t * s->width + c] = a + part * (b - a);
        }
    }
    memcpy(s->values, s->spare, s->height * s->width * sizeof *s->values);
}

const hd_augment_kind hd_augment_smote = {
    .kind = {.name = "smote",
             .size = sizeof(hd_augment_number),
             .options = smote_rows,
             .doc = HD_TEXT("rows between a row and a neighbour of its class",
                            "在一行与同类近邻之间取点")},
    .of = 1u << HD_AUGMENT_ROW,
    .another = true,
    .apply = smote};
const hd_augment_kind hd_augment_jitter = {
    .kind = {.name = "jitter",
             .size = sizeof(jitter_options),
             .options = jitter_rows,
             .doc = HD_TEXT("noise on values, and columns scaled", "数值加噪声，各列缩放")},
    .of = 1u << HD_AUGMENT_ROW | 1u << HD_AUGMENT_SERIES,
    .apply = jitter};
const hd_augment_kind hd_augment_window = {
    .kind = {.name = "window",
             .size = sizeof(hd_augment_number),
             .options = window_rows,
             .doc = HD_TEXT("a window of the series at full length", "序列的一个窗口拉伸到全长")},
    .of = 1u << HD_AUGMENT_SERIES,
    .apply = window};
