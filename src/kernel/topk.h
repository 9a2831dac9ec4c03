// SPDX-License-Identifier: Apache-2.0
//
// The k best of a row of scores. Best first, equal scores by lower index: the same list on every
// machine, for any number of threads. NaN is never chosen; -0 and +0 are equal.
#ifndef HD_KERNEL_TOPK_H
#define HD_KERNEL_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Writes the indexes of the best scores among those `allow` lets in (NULL: all) to out, at most k.
// Returns how many there are. scores, allow: (n), n ≤ 2^32 − 1; out: (k). No allocation; O(n + k
// log k log n) on shuffled scores, O(n log k) at worst.
size_t hd_topk(const float *scores, const bool *allow, size_t n, size_t k, uint32_t *out);

#endif
