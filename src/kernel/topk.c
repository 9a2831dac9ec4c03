// SPDX-License-Identifier: Apache-2.0
//
// A heap of k indexes whose root is the worst of those kept: a score is looked at once, and all but
// a few end at the comparison with the root. The heap is then sorted in place. Rejected: selecting
// by quick-select (needs a copy of the row) and radix select (pays only where k is a large share of
// n, which no caller has).
#include "kernel/topk.h"

// Whether index a stands before index b in the result.
static inline bool before(const float *scores, uint32_t a, uint32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

// Lets heap[at] sink until both children stand before it.
static void sink(const float *scores, uint32_t *heap, size_t n, size_t at) {
    uint32_t moved = heap[at];
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && before(scores, heap[child], heap[child + 1])) child++;
        if (!before(scores, moved, heap[child])) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

// The first k admissible indexes; *next: where the scan goes on.
static size_t fill(const float *scores, const bool *allow, size_t n, size_t k, uint32_t *out,
                   size_t *next) {
    size_t kept = 0, i = 0;
    for (; i < n && kept < k; i++) {
        if (allow && !allow[i]) continue;
        if (scores[i] == scores[i]) out[kept++] = (uint32_t)i;
    }
    *next = i;
    return kept;
}

size_t hd_topk(const float *scores, const bool *allow, size_t n, size_t k, uint32_t *out) {
    if (k == 0) return 0;
    size_t next = 0;
    size_t kept = fill(scores, allow, n, k, out, &next);
    for (size_t i = kept / 2; i-- > 0;) sink(scores, out, kept, i);
    // Later indexes lose ties, so only a greater score displaces the root (and NaN is not greater).
    for (size_t i = next; i < n; i++) {
        if (!(scores[i] > scores[out[0]])) continue;
        if (allow && !allow[i]) continue;
        out[0] = (uint32_t)i;
        sink(scores, out, kept, 0);
    }
    for (size_t end = kept; end > 1; end--) {
        uint32_t worst = out[0];
        out[0] = out[end - 1];
        out[end - 1] = worst;
        sink(scores, out, end - 1, 0);
    }
    return kept;
}
