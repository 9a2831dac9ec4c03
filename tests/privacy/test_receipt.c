// SPDX-License-Identifier: Apache-2.0
//
// Receipts: what was signed verifies, nothing else does, down to each bit of the text.
#include "privacy_test.h"

#include "base/json.h"
#include "privacy/receipt.h"

static const uint8_t seed[32] = {1, 2, 3}, other_seed[32] = {1, 2, 4};
static const uint8_t workspace[16] = {0xab, 0xcd}, person[16] = {0x12};

static void make(const uint8_t *by, hd_str *out) {
    uint8_t hash[HD_RECEIPT_HASH];
    const hd_receipt receipt = {.workspace = workspace,
                                .person = person,
                                .time = INT64_C(1793662200000),
                                .removed = {.ids = 2, .events = 17, .reviews = 1}};
    hd_str_init(out);
    assert_ok(hd_receipt_make(&receipt, by, out, hash));
}

static hd_slice slice_of(const hd_str *text) {
    return (hd_slice){text->data, text->len};
}

static void test_verifies(void **state) {
    (void)state;
    hd_str text;
    json_t *out = NULL;
    uint8_t key[32], other[32];
    make(seed, &text);
    assert_ok(hd_receipt_key(seed, key));
    assert_ok(hd_receipt_key(other_seed, other));
    assert_ok(hd_receipt_verify(slice_of(&text), key, &out));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(out, "removed"), "events")),
                     17);
    assert_string_equal(json_string_value(json_object_get(out, "workspace")),
                        "abcd0000000000000000000000000000");
    json_decref(out);
    assert_ok(hd_receipt_verify(slice_of(&text), NULL, &out));
    json_decref(out);
    assert_fails(HEED_DENIED, hd_receipt_verify(slice_of(&text), other, &out));
    hd_str again; // the same, so it can be compared with the ledger's hash
    make(seed, &again);
    assert_string_equal(hd_str_get(&text), hd_str_get(&again));
    hd_str_clear(&again);
    hd_str_clear(&text);
}

static void test_every_bit(void **state) {
    (void)state;
    hd_str text;
    json_t *out;
    make(seed, &text);
    for (size_t i = 0; i < text.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (char)(1 << bit);
            heed_err err = hd_receipt_verify(slice_of(&text), NULL, &out);
            if (err != HEED_INPUT && err != HEED_VERSION)
                fail_msg("byte %zu, bit %d: %s", i, bit, heed_err_name(err));
            text.data[i] ^= (char)(1 << bit);
        }
    for (size_t n = 0; n < text.len; n++)
        assert_true(hd_receipt_verify((hd_slice){text.data, n}, NULL, &out) != HEED_OK);
    hd_str_clear(&text);
}

// Changes that mean the same JSON, and a signature of another receipt.
static void test_other_texts(void **state) {
    (void)state;
    hd_str text, more, compact;
    json_t *json = NULL, *out;
    make(seed, &text);
    hd_str_init(&more);
    hd_str_addf(&more, "%s ", hd_str_get(&text));
    assert_fails(HEED_INPUT, hd_receipt_verify(slice_of(&more), NULL, &out));
    assert_ok(hd_json_parse(text.data, text.len, "receipt", &json));
    hd_str_init(&compact);
    assert_ok(hd_json_dump(json, false, &compact));
    assert_fails(HEED_INPUT, hd_receipt_verify(slice_of(&compact), NULL, &out));
    assert_fails(HEED_INPUT, hd_receipt_verify(hd_slice_of("{}"), NULL, &out));
    assert_fails(HEED_INPUT, hd_receipt_verify(hd_slice_of("[1]"), NULL, &out));
    assert_fails(HEED_INPUT, hd_receipt_verify(hd_slice_of(""), NULL, &out));
    assert_fails(HEED_INPUT, hd_receipt_verify((hd_slice){0}, NULL, &out));
    json_object_set_new(json, "time", json_string("2026-11-02T23:30:01Z"));
    hd_str_reset(&more);
    assert_ok(hd_json_dump(json, true, &more));
    hd_str_addc(&more, '\n');
    assert_fails(HEED_INPUT, hd_receipt_verify(slice_of(&more), NULL, &out));
    json_decref(json);
    hd_str_clear(&compact);
    hd_str_clear(&more);
    hd_str_clear(&text);
}

static heed_err round_trip(void) {
    hd_str text;
    json_t *out = NULL;
    uint8_t hash[HD_RECEIPT_HASH];
    const hd_receipt receipt = {.workspace = workspace, .person = person, .time = 1};
    hd_str_init(&text);
    heed_err err = hd_receipt_make(&receipt, seed, &text, hash);
    if (err == HEED_OK) err = hd_receipt_verify(slice_of(&text), NULL, &out);
    json_decref(out);
    hd_str_clear(&text);
    return err;
}

static void test_failing_allocations(void **state) {
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        hd_mem_fail_at(nth, true);
        heed_err err = round_trip();
        hd_mem_fail_at(0, false);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(nth < 5000);
    }
}

int main(void) {
    if (hd_mem_adopt_libraries() != HEED_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verifies),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_other_texts),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
