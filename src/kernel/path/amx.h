// SPDX-License-Identifier: Apache-2.0
//
// What loops over AMX tiles share. Tiles 0–3: sums, 2 × 2; 4, 5: A; 6, 7: B.
#ifndef HD_KERNEL_PATH_AMX_H
#define HD_KERNEL_PATH_AMX_H

#include <immintrin.h>

#include "kernel/path/simd.h"

// Eight instructions of nothing behind a product. While another thread has the other half of the
// core (on a rented machine one never knows), products and loads that crowd behind each other come
// at 0.7 of the rate of those that keep a distance; alone it makes no difference (0.93 of a loop
// on registers either way, where fetching lines ahead would cost a third).
HD_INLINE void keep_distance(void) {
    __asm__ volatile(".rept 8\n\tnop\n\t.endr");
}

// The products of one step along k, when all its tiles are on their way (a product between two
// loads holds the second one up). high: there is a second tile of A; wide: of B.
HD_INLINE void step_products(const bool high, const bool wide) {
    _tile_dpbf16ps(0, 4, 6);
    keep_distance();
    if (wide) _tile_dpbf16ps(1, 4, 7);
    keep_distance();
    if (high) _tile_dpbf16ps(2, 5, 6);
    keep_distance();
    if (high && wide) _tile_dpbf16ps(3, 5, 7);
    keep_distance();
}

#endif
