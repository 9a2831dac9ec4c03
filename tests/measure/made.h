// SPDX-License-Identifier: Apache-2.0
//
// Predictions that anybody can make again: a linear congruential generator, whose figures were
// computed by scikit-learn 1.9 on the same rows.
#ifndef HD_TEST_MEASURE_MADE_H
#define HD_TEST_MEASURE_MADE_H

#include <stdint.h>
#include <stdlib.h>

#include "measure/predictions.h"

enum { MADE_ROWS = 400, MADE_CLASSES = 4 };
typedef struct made {
    float scores[MADE_ROWS * MADE_CLASSES], targets[MADE_ROWS * MADE_CLASSES];
    int32_t labels[MADE_ROWS];
    hd_predictions p;
} made;

static inline uint32_t made_next(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

// Probabilities in 64ths; two thirds of the labels are the most probable class.
static inline void made_classes(made *m, size_t n, size_t k, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        uint32_t cut[MADE_CLASSES + 1] = {0};
        for (size_t j = 1; j < k; j++) {
            uint32_t one = made_next(&seed) % 65;
            size_t place = j;
            for (; place > 1 && cut[place - 1] > one; place--) cut[place] = cut[place - 1];
            cut[place] = one;
        }
        cut[k] = 64;
        size_t best = 0;
        for (size_t j = 0; j < k; j++) {
            m->scores[i * k + j] = (float)(cut[j + 1] - cut[j]) / 64;
            if (m->scores[i * k + j] > m->scores[i * k + best]) best = j;
        }
        m->labels[i] = (int32_t)(made_next(&seed) % 3 ? best : made_next(&seed) % k);
    }
    m->p = (hd_predictions){HD_TASK_CLASSES, n, k, m->scores, m->labels, NULL, NULL};
}

static inline void made_values(made *m, size_t n, size_t k, uint32_t seed) {
    for (size_t i = 0; i < n * k; i++) {
        m->targets[i] = (float)((int32_t)(made_next(&seed) % 2001) - 1000) / 8;
    }
    for (size_t i = 0; i < n * k; i++) {
        m->scores[i] = m->targets[i] + (float)((int32_t)(made_next(&seed) % 201) - 100) / 16;
    }
    m->p = (hd_predictions){HD_TASK_VALUES, n, k, m->scores, NULL, m->targets, NULL};
}

#endif
