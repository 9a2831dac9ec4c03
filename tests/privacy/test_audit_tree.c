// SPDX-License-Identifier: Apache-2.0
//
// The Merkle tree: the reference vectors of certificate transparency (eight leaves, their roots and
// proofs), the definition of RFC 9162 followed word by word for every size up to 130, and every bit
// of a proof.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "privacy/audit_tree.h"

enum { LEAVES = 130 };

static const char *const inputs[8] = {"",
                                      "00",
                                      "10",
                                      "2021",
                                      "3031",
                                      "40414243",
                                      "5051525354555657",
                                      "606162636465666768696a6b6c6d6e6f"};

static const char *const roots[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

#define H_10 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define H_23 "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define H_47 "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define H_4 "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define H_67 "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define H_03 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define H_45 "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"

static void bytes_of(const char *hex, uint8_t *out, size_t *n) {
    assert_int_equal(sodium_hex2bin(out, 64, hex, strlen(hex), NULL, n, NULL), 0);
}

static void assert_hash(const uint8_t hash[HD_HASH], const char *hex) {
    char text[2 * HD_HASH + 1];
    sodium_bin2hex(text, sizeof text, hash, HD_HASH);
    assert_string_equal(text, hex);
}

// Leaves of the vectors, then of numbers.
static void leaves_make(uint8_t leaves[LEAVES][HD_HASH]) {
    for (int i = 0; i < LEAVES; i++) {
        uint8_t data[64] = {(uint8_t)i};
        size_t n = 1;
        if (i < 8) bytes_of(inputs[i], data, &n);
        hd_tree_leaf(data, n, leaves[i]);
    }
}

static void roots_are_those_of_the_reference(void **state) {
    (void)state;
    uint8_t leaves[LEAVES][HD_HASH], root[HD_HASH];
    hd_tree tree = {0};
    leaves_make(leaves);
    for (int i = 0;; i++) {
        hd_tree_root(&tree, root);
        assert_hash(root, roots[i]);
        if (i == 8) break;
        hd_tree_add(&tree, leaves[i]);
    }
}

static void assert_proof(const hd_tree_proof *proof, const char *const *hashes, size_t n) {
    assert_int_equal(proof->n, n);
    for (size_t i = 0; i < n; i++) assert_hash(proof->hashes[i], hashes[i]);
}

static void proofs_are_those_of_the_reference(void **state) {
    (void)state;
    uint8_t leaves[LEAVES][HD_HASH];
    hd_tree_proof proof;
    leaves_make(leaves);
    static const struct {
        uint64_t index, size;
        const char *hashes[3];
        size_t n;
    } inclusion[] = {
        {0, 1, {0}, 0},
        {0, 8, {H_10, H_23, H_47}, 3},
        {5, 8, {H_4, H_67, H_03}, 3},
        {2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}, 1},
        {1, 5, {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", H_23, H_4}, 3},
    };
    for (size_t i = 0; i < sizeof inclusion / sizeof *inclusion; i++) {
        hd_tree_prove_inclusion((const uint8_t(*)[HD_HASH])leaves, inclusion[i].size,
                                inclusion[i].index, &proof);
        assert_proof(&proof, inclusion[i].hashes, inclusion[i].n);
    }
    static const struct {
        uint64_t old, size;
        const char *hashes[3];
        size_t n;
    } consistency[] = {
        {1, 1, {0}, 0},
        {1, 8, {H_10, H_23, H_47}, 3},
        {6, 8, {H_45, H_67, H_03}, 3},
        {2, 5, {H_23, H_4}, 2},
    };
    for (size_t i = 0; i < sizeof consistency / sizeof *consistency; i++) {
        hd_tree_prove_consistency((const uint8_t(*)[HD_HASH])leaves, consistency[i].old,
                                  consistency[i].size, &proof);
        assert_proof(&proof, consistency[i].hashes, consistency[i].n);
    }
}

// MTH of RFC 9162, as it is written there.
static void definition(const uint8_t (*leaves)[HD_HASH], size_t n, uint8_t out[HD_HASH]) {
    if (n == 1) {
        memcpy(out, leaves[0], HD_HASH);
        return;
    }
    size_t k = 1;
    while (2 * k < n) k *= 2;
    uint8_t bytes[1 + 2 * HD_HASH] = {0x01};
    definition(leaves, k, bytes + 1);
    definition(leaves + k, n - k, bytes + 1 + HD_HASH);
    crypto_hash_sha256(out, bytes, sizeof bytes);
}

static void every_size_is_as_defined(void **state) {
    (void)state;
    uint8_t leaves[LEAVES][HD_HASH], root[HD_HASH], wanted[HD_HASH];
    hd_tree tree = {0};
    leaves_make(leaves);
    for (size_t n = 1; n <= LEAVES; n++) {
        hd_tree_add(&tree, leaves[n - 1]);
        hd_tree_root(&tree, root);
        definition((const uint8_t(*)[HD_HASH])leaves, n, wanted);
        assert_memory_equal(root, wanted, HD_HASH);
        assert_int_equal(tree.size, n);
    }
}

static void every_leaf_is_proven_in_every_tree(void **state) {
    (void)state;
    uint8_t leaves[LEAVES][HD_HASH], root[HD_HASH];
    hd_tree_proof proof;
    leaves_make(leaves);
    for (uint64_t size = 1; size <= 40; size++) {
        definition((const uint8_t(*)[HD_HASH])leaves, size, root);
        for (uint64_t i = 0; i < size; i++) {
            hd_tree_prove_inclusion((const uint8_t(*)[HD_HASH])leaves, size, i, &proof);
            assert_true(hd_tree_inclusion_holds(leaves[i], i, size, &proof, root));
            assert_false(hd_tree_inclusion_holds(leaves[i + 1], i, size, &proof, root));
            assert_false(hd_tree_inclusion_holds(leaves[i], size, size, &proof, root));
            if (size > 1)
                assert_false(hd_tree_inclusion_holds(leaves[i], i ^ 1, size, &proof, root));
            for (size_t h = 0; h < proof.n; h++) {
                proof.hashes[h][i % HD_HASH] ^= 0x10;
                assert_false(hd_tree_inclusion_holds(leaves[i], i, size, &proof, root));
                proof.hashes[h][i % HD_HASH] ^= 0x10;
            }
            if (proof.n) {
                proof.n--; // too short, too long
                assert_false(hd_tree_inclusion_holds(leaves[i], i, size, &proof, root));
                proof.n += 2;
                assert_false(hd_tree_inclusion_holds(leaves[i], i, size, &proof, root));
            }
        }
    }
}

static void every_tree_continues_every_shorter_one(void **state) {
    (void)state;
    uint8_t leaves[LEAVES][HD_HASH], root[HD_HASH], old_root[HD_HASH], wrong[HD_HASH];
    hd_tree_proof proof;
    leaves_make(leaves);
    for (uint64_t size = 1; size <= 40; size++) {
        definition((const uint8_t(*)[HD_HASH])leaves, size, root);
        for (uint64_t old = 1; old <= size; old++) {
            definition((const uint8_t(*)[HD_HASH])leaves, old, old_root);
            hd_tree_prove_consistency((const uint8_t(*)[HD_HASH])leaves, old, size, &proof);
            assert_true(hd_tree_consistency_holds(old, size, &proof, old_root, root));
            memcpy(wrong, old_root, HD_HASH);
            wrong[0] ^= 1; // another past
            assert_false(hd_tree_consistency_holds(old, size, &proof, wrong, root));
            memcpy(wrong, root, HD_HASH);
            wrong[31] ^= 1;
            assert_false(hd_tree_consistency_holds(old, size, &proof, old_root, wrong));
            assert_false(hd_tree_consistency_holds(0, size, &proof, old_root, root));
            assert_false(hd_tree_consistency_holds(size + 1, size, &proof, old_root, root));
            for (size_t h = 0; h < proof.n; h++) {
                proof.hashes[h][old % HD_HASH] ^= 0x01;
                assert_false(hd_tree_consistency_holds(old, size, &proof, old_root, root));
                proof.hashes[h][old % HD_HASH] ^= 0x01;
            }
            if (proof.n) {
                proof.n--;
                assert_false(hd_tree_consistency_holds(old, size, &proof, old_root, root));
                proof.n += 2;
                assert_false(hd_tree_consistency_holds(old, size, &proof, old_root, root));
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_reference),
        cmocka_unit_test(proofs_are_those_of_the_reference),
        cmocka_unit_test(every_size_is_as_defined),
        cmocka_unit_test(every_leaf_is_proven_in_every_tree),
        cmocka_unit_test(every_tree_continues_every_shorter_one),
    };
    return cmocka_run_group_tests_name("audit_tree", tests, NULL, NULL);
}
