// SPDX-License-Identifier: Apache-2.0
//
// The squared Euclidean distance of two points (d). Four sums side by side, added in a fixed order:
// the compiler may put them into one register, and the bits are the same whether it does or not.
#ifndef HD_CLASSIC_DISTANCE_H
#define HD_CLASSIC_DISTANCE_H

#include <stddef.h>

static inline double hd_squared_distance(const double *a, const double *b, size_t d) {
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    size_t j = 0;
    for (; j + 4 <= d; j += 4) {
        s0 += (a[j] - b[j]) * (a[j] - b[j]);
        s1 += (a[j + 1] - b[j + 1]) * (a[j + 1] - b[j + 1]);
        s2 += (a[j + 2] - b[j + 2]) * (a[j + 2] - b[j + 2]);
        s3 += (a[j + 3] - b[j + 3]) * (a[j + 3] - b[j + 3]);
    }
    for (; j < d; j++) s0 += (a[j] - b[j]) * (a[j] - b[j]);
    return (s0 + s1) + (s2 + s3);
}

#endif
