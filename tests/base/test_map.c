// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"

static void test_empty(void **state) {
    (void)state;
    hd_map map;
    hd_map_init(&map);
    assert_false(hd_map_get(&map, "a", 1, NULL));
    uint64_t value;
    assert_int_equal(hd_map_put(&map, NULL, 0, 5), HEED_OK);
    assert_true(hd_map_get(&map, "", 0, &value));
    assert_int_equal(value, 5);
    hd_map_clear(&map);
    hd_map_clear(&map);
}

// Against the plainest model: an array by key.
static void test_model(void **state) {
    (void)state;
    enum { KEYS = 3000, STEPS = 20000 };
    static uint64_t model[KEYS];
    static bool known[KEYS];
    uint32_t order[KEYS];
    size_t n = 0;
    hd_map map;
    hd_map_init(&map);
    hd_rng rng = hd_rng_make(7, 0);
    for (int i = 0; i < STEPS; i++) {
        uint32_t k = (uint32_t)hd_rng_below(&rng, KEYS);
        char key[16];
        size_t len = (size_t)snprintf(key, sizeof key, "k%u", k);
        if (!known[k]) order[n++] = k;
        if (i % 2) {
            model[k] = (uint64_t)i;
            assert_int_equal(hd_map_put(&map, key, len, (uint64_t)i), HEED_OK);
        } else {
            uint64_t *value;
            bool added;
            assert_int_equal(hd_map_slot(&map, key, len, 1000000, &value, &added), HEED_OK);
            assert_int_equal(added, !known[k]);
            model[k] = known[k] ? model[k] + 1 : 1000001;
            ++*value;
        }
        known[k] = true;
    }
    assert_int_equal(map.count, n);
    for (size_t e = 0; e < n; e++) { // order of insertion
        char key[16];
        snprintf(key, sizeof key, "k%u", order[e]);
        assert_string_equal(map.entries[e].key, key);
        assert_int_equal(map.entries[e].value, model[order[e]]);
        uint64_t value;
        assert_true(hd_map_get(&map, key, strlen(key), &value));
        assert_int_equal(value, model[order[e]]);
    }
    assert_false(hd_map_get(&map, "k", 1, NULL));
    hd_map_clear(&map);
}

static void test_bytes(void **state) {
    (void)state;
    hd_map map;
    hd_map_init(&map);
    assert_int_equal(hd_map_put(&map, "a\0b", 3, 1), HEED_OK);
    assert_int_equal(hd_map_put(&map, "a\0c", 3, 2), HEED_OK);
    assert_int_equal(hd_map_put(&map, "a", 1, 3), HEED_OK);
    assert_int_equal(map.count, 3);
    uint64_t value;
    assert_true(hd_map_get(&map, "a\0c", 3, &value));
    assert_int_equal(value, 2);
    hd_map_clear(&map);
}

static void test_integers(void **state) {
    (void)state;
    hd_imap map;
    hd_imap_init(&map);
    assert_false(hd_imap_get(&map, 0, NULL));
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(hd_imap_put(&map, i << 40, i), HEED_OK);
    }
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t value = 0;
        assert_true(hd_imap_get(&map, i << 40, &value));
        assert_int_equal(value, i);
        assert_int_equal(map.entries[i].key, i << 40);
        assert_false(hd_imap_get(&map, (i << 40) + 1, NULL));
    }
    uint64_t *slot;
    bool added;
    assert_int_equal(hd_imap_slot(&map, UINT64_MAX, 9, &slot, &added), HEED_OK);
    assert_true(added);
    assert_int_equal(*slot, 9);
    assert_int_equal(hd_imap_put(&map, UINT64_MAX, 10), HEED_OK);
    assert_int_equal(hd_imap_slot(&map, UINT64_MAX, 9, &slot, &added), HEED_OK);
    assert_false(added);
    assert_int_equal(*slot, 10);
    assert_int_equal(map.count, 5001);
    hd_imap_clear(&map);
}

// Whichever allocation fails: no leak, what stood there is still there, and the next try succeeds.
static void test_out_of_memory(void **state) {
    (void)state;
    size_t before = hd_mem_used();
    for (uint64_t n = 1; n < 30; n++) {
        hd_map map;
        hd_imap imap;
        hd_map_init(&map);
        hd_imap_init(&imap);
        hd_mem_fail_at(n, true);
        for (uint64_t i = 0; i < 200; i++) {
            char key[16];
            size_t len = (size_t)snprintf(key, sizeof key, "%d", (int)i);
            if (hd_map_put(&map, key, len, i) != HEED_OK) {
                assert_int_equal(map.count, i);
                assert_int_equal(hd_map_put(&map, key, len, i), HEED_OK);
            }
            if (hd_imap_put(&imap, i, i) != HEED_OK) {
                assert_int_equal(imap.count, i);
                assert_int_equal(hd_imap_put(&imap, i, i), HEED_OK);
            }
        }
        hd_mem_fail_at(0, false);
        assert_int_equal(map.count, 200);
        assert_int_equal(imap.count, 200);
        hd_map_clear(&map);
        hd_imap_clear(&imap);
    }
    assert_int_equal(hd_mem_used(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_model),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_integers),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
