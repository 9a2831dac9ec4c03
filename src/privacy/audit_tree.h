// SPDX-License-Identifier: Apache-2.0
//
// The Merkle tree of RFC 9162 (section 2.1) over SHA-256, kept as its frontier: the roots of the
// perfect subtrees that make it up, largest first, one for each bit of the size. Adding is O(log n)
// and needs nothing else.
#ifndef HD_PRIVACY_AUDIT_TREE_H
#define HD_PRIVACY_AUDIT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { HD_HASH = 32, HD_TREE_PEAKS = 64 };

typedef struct hd_tree {
    uint64_t size;
    uint8_t peaks[HD_TREE_PEAKS][HD_HASH]; // (number of bits in size)
} hd_tree;

size_t hd_tree_peaks(const hd_tree *tree);
void hd_tree_leaf(const void *data, size_t n, uint8_t out[HD_HASH]); // SHA-256(0x00 ‖ data)
void hd_tree_add(hd_tree *tree, const uint8_t leaf[HD_HASH]);
void hd_tree_root(const hd_tree *tree, uint8_t out[HD_HASH]); // of none: SHA-256 of nothing

// Proofs, from all leaves. A proof has at most HD_TREE_PEAKS hashes.
typedef struct hd_tree_proof {
    size_t n;
    uint8_t hashes[HD_TREE_PEAKS][HD_HASH];
} hd_tree_proof;

// That leaf `index` stands in the tree of the first `size` leaves. index < size.
void hd_tree_prove_inclusion(const uint8_t (*leaves)[HD_HASH], uint64_t size, uint64_t index,
                             hd_tree_proof *out);
bool hd_tree_inclusion_holds(const uint8_t leaf[HD_HASH], uint64_t index, uint64_t size,
                             const hd_tree_proof *proof, const uint8_t root[HD_HASH]);
// That the tree of the first `old` leaves is the beginning of that of `size`. 0 < old ≤ size.
void hd_tree_prove_consistency(const uint8_t (*leaves)[HD_HASH], uint64_t old, uint64_t size,
                               hd_tree_proof *out);
bool hd_tree_consistency_holds(uint64_t old, uint64_t size, const hd_tree_proof *proof,
                               const uint8_t old_root[HD_HASH], const uint8_t root[HD_HASH]);

#endif
