// SPDX-License-Identifier: Apache-2.0
//
// RFC 9162, section 2.1: a leaf's hash is SHA-256(0x00 ‖ entry), an inner node's SHA-256(0x01 ‖
// left ‖ right); the prefixes keep an entry from posing as a node. The tree of n leaves splits at
// the largest power of two below n.
//
// The frontier: n in binary is the list of perfect subtrees from left to right, largest first.
// Adding a leaf is adding one: each carry joins two of them. The root folds them from the right.
// Proofs follow the recursion of the RFC over the leaves themselves; they are asked for rarely, and
// nodes that nobody stores can't be wrong.
#include "privacy/audit_tree.h"

#include <sodium.h>
#include <string.h>

static void hash_node(const uint8_t left[HD_HASH], const uint8_t right[HD_HASH],
                      uint8_t out[HD_HASH]) {
    uint8_t bytes[1 + 2 * HD_HASH];
    bytes[0] = 0x01;
    memcpy(bytes + 1, left, HD_HASH);
    memcpy(bytes + 1 + HD_HASH, right, HD_HASH);
    crypto_hash_sha256(out, bytes, sizeof bytes);
}

void hd_tree_leaf(const void *data, size_t n, uint8_t out[HD_HASH]) {
    const uint8_t prefix = 0x00;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &prefix, 1);
    crypto_hash_sha256_update(&state, data, n);
    crypto_hash_sha256_final(&state, out);
}

size_t hd_tree_peaks(const hd_tree *tree) {
    return (size_t)__builtin_popcountll(tree->size);
}

void hd_tree_add(hd_tree *tree, const uint8_t leaf[HD_HASH]) {
    uint8_t node[HD_HASH];
    memcpy(node, leaf, HD_HASH);
    size_t n = hd_tree_peaks(tree);
    for (uint64_t carry = tree->size; carry & 1; carry >>= 1)
        hash_node(tree->peaks[--n], node, node);
    memcpy(tree->peaks[n], node, HD_HASH);
    tree->size++;
}

void hd_tree_root(const hd_tree *tree, uint8_t out[HD_HASH]) {
    size_t n = hd_tree_peaks(tree);
    if (n == 0) {
        crypto_hash_sha256(out, (const uint8_t *)"", 0);
        return;
    }
    memcpy(out, tree->peaks[--n], HD_HASH);
    while (n > 0) hash_node(tree->peaks[--n], out, out);
}

// ── Proofs ──

static uint64_t split_of(uint64_t n) {
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1)); // largest power of two below n ≥ 2
}

static void root_of(const uint8_t (*leaves)[HD_HASH], uint64_t n, uint8_t out[HD_HASH]) {
    hd_tree tree = {0};
    for (uint64_t i = 0; i < n; i++) hd_tree_add(&tree, leaves[i]);
    hd_tree_root(&tree, out);
}

static void reverse(hd_tree_proof *proof) {
    for (size_t i = 0, j = proof->n; i + 1 < j; i++) {
        uint8_t swap[HD_HASH];
        j--;
        memcpy(swap, proof->hashes[i], HD_HASH);
        memcpy(proof->hashes[i], proof->hashes[j], HD_HASH);
        memcpy(proof->hashes[j], swap, HD_HASH);
    }
}

// PATH(m, D[n]), section 2.1.3.1: from the top down, then turned round.
void hd_tree_prove_inclusion(const uint8_t (*leaves)[HD_HASH], uint64_t size, uint64_t index,
                             hd_tree_proof *out) {
    out->n = 0;
    while (size > 1) {
        uint64_t k = split_of(size);
        if (index < k) {
            root_of(leaves + k, size - k, out->hashes[out->n++]);
            size = k;
        } else {
            root_of(leaves, k, out->hashes[out->n++]);
            leaves += k;
            index -= k;
            size -= k;
        }
    }
    reverse(out);
}

// Section 2.1.3.2.
bool hd_tree_inclusion_holds(const uint8_t leaf[HD_HASH], uint64_t index, uint64_t size,
                             const hd_tree_proof *proof, const uint8_t root[HD_HASH]) {
    if (index >= size) return false;
    uint64_t fn = index, sn = size - 1;
    uint8_t r[HD_HASH];
    memcpy(r, leaf, HD_HASH);
    for (size_t i = 0; i < proof->n; i++) {
        if (sn == 0) return false;
        if ((fn & 1) || fn == sn) {
            hash_node(proof->hashes[i], r, r);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            hash_node(r, proof->hashes[i], r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(r, root, HD_HASH) == 0;
}

// SUBPROOF(m, D[n], b), section 2.1.4.1. whole: b, whether the old tree's root is known to the
// verifier.
void hd_tree_prove_consistency(const uint8_t (*leaves)[HD_HASH], uint64_t old, uint64_t size,
                               hd_tree_proof *out) {
    bool whole = true;
    out->n = 0;
    while (old != size) {
        uint64_t k = split_of(size);
        if (old <= k) {
            root_of(leaves + k, size - k, out->hashes[out->n++]);
            size = k;
        } else {
            root_of(leaves, k, out->hashes[out->n++]);
            leaves += k;
            old -= k;
            size -= k;
            whole = false;
        }
    }
    if (!whole) root_of(leaves, size, out->hashes[out->n++]);
    reverse(out);
}

// Section 2.1.4.2.
bool hd_tree_consistency_holds(uint64_t old, uint64_t size, const hd_tree_proof *proof,
                               const uint8_t old_root[HD_HASH], const uint8_t root[HD_HASH]) {
    if (old == 0 || old > size) return false;
    if (old == size) return proof->n == 0 && memcmp(old_root, root, HD_HASH) == 0;
    uint8_t fr[HD_HASH], sr[HD_HASH];
    size_t i = 0;
    bool power = (old & (old - 1)) == 0;
    if (!power && proof->n == 0) return false;
    memcpy(fr, power ? old_root : proof->hashes[i++], HD_HASH);
    memcpy(sr, fr, HD_HASH);
    uint64_t fn = old - 1, sn = size - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; i < proof->n; i++) {
        if (sn == 0) return false;
        if ((fn & 1) || fn == sn) {
            hash_node(proof->hashes[i], fr, fr);
            hash_node(proof->hashes[i], sr, sr);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            hash_node(sr, proof->hashes[i], sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && memcmp(fr, old_root, HD_HASH) == 0 && memcmp(sr, root, HD_HASH) == 0;
}
