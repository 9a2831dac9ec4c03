// SPDX-License-Identifier: Apache-2.0
//
// Keys: their text, what is stored of it, the rows.
#include "access_test.h"

#include <math.h>
#include <sodium.h>

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

// ── The text ──

static hd_slice whole(const char *text) {
    return hd_slice_of(text);
}

static void made_texts_are_read_back(void **state) {
    bench *b = *state;
    for (int i = 0; i < 200; i++) {
        made m = make_key(b, HD_ACCESS_READ);
        assert_int_equal(strlen(m.text), HD_KEY_TEXT);
        assert_memory_equal(m.text, "heed_", 5);
        assert_memory_equal(m.text + 5, m.id, HD_KEY_ID);
        assert_int_equal(m.text[5 + HD_KEY_ID], '_');
        hd_presented presented;
        assert_true(hd_key_parse(whole(m.text), &presented));
        assert_string_equal(presented.id, m.id);
        assert_string_equal(presented.secret, m.text + 5 + HD_KEY_ID + 1);
    }
}

// 256 bits of 52 × 5: every character of the alphabet occurs, the last one holds a single bit.
static void secrets_are_random(void **state) {
    bench *b = *state;
    unsigned seen = 0, last = 0;
    size_t equal = 0;
    made before = make_key(b, HD_ACCESS_READ);
    for (int i = 0; i < 100; i++) {
        made m = make_key(b, HD_ACCESS_READ);
        const char *secret = m.text + 5 + HD_KEY_ID + 1;
        for (size_t k = 0; k < HD_KEY_SECRET; k++)
            seen |= 1u << (strchr(digits, secret[k]) - digits);
        last |= 1u << (strchr(digits, secret[HD_KEY_SECRET - 1]) - digits);
        for (size_t k = 0; k < HD_KEY_SECRET; k++)
            equal += secret[k] == before.text[5 + HD_KEY_ID + 1 + k];
        before = m;
    }
    assert_int_equal(seen, UINT32_MAX);
    assert_int_equal(last, 1u | 1u << 16); // 'a' and 'q'
    assert_in_range(equal, 80, 290); // 5,200 pairs, 1/32 each and more for the last: about 210
}

// Of all texts one character away from a key, none is the same key, and those that are keys at all
// differ in a digit.
static void every_other_spelling_is_refused(void **state) {
    made m = make_key(*state, HD_ACCESS_READ);
    hd_presented genuine, other;
    assert_true(hd_key_parse(whole(m.text), &genuine));
    for (size_t at = 0; at < HD_KEY_TEXT; at++) {
        char changed[HD_KEY_TEXT + 1];
        memcpy(changed, m.text, sizeof changed);
        for (int c = 0; c < 256; c++) {
            changed[at] = (char)c;
            bool taken = hd_key_parse((hd_slice){changed, HD_KEY_TEXT}, &other);
            if (changed[at] == m.text[at]) {
                assert_true(taken);
                continue;
            }
            bool digit = c != 0 && strchr(digits, c) != NULL;
            bool in_id = at >= 5 && at<5 + HD_KEY_ID, in_secret = at> 5 + HD_KEY_ID;
            bool fits = digit && (in_id || in_secret);
            if (at == HD_KEY_TEXT - 1) fits = c == 'a' || c == 'q';
            assert_int_equal(taken, fits);
            if (taken) assert_memory_not_equal(&other, &genuine, sizeof other);
        }
    }
}

static void hostile_texts_are_no_keys(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "heed_",
        "heed_aaaaaaaa_",
        "Bearer heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",   // short
        "heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", // long
        "heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",  // a second spelling
        "HEED_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "heed_AAAAAAAA_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "heed_aaaaaaa0_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "heed_aaaaaaaa-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
        ("heed_\xef\xbd\x81"
         "aaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    };
    hd_presented presented;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(hd_key_parse(whole(texts[i]), &presented));
        assert_int_equal(presented.id[0], '\0');
    }
    assert_true(hd_key_parse(
        whole("heed_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), &presented));
    assert_false(hd_key_parse((hd_slice){NULL, 0}, &presented));
}

static void presented_keys_are_wiped(void **state) {
    made m = make_key(*state, HD_ACCESS_READ);
    hd_presented presented;
    assert_true(hd_key_parse(whole(m.text), &presented));
    hd_presented_clear(&presented);
    assert_true(sodium_is_zero((const unsigned char *)&presented, sizeof presented));
}

// ── The hash ──

// BLAKE2b over id, secret, scopes and expiry in fixed places: computed by hand from the parts.
static void the_hash_is_what_the_header_says(void **state) {
    (void)state;
    hd_presented p = {"abcdefgh", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq"};
    uint8_t bytes[72], expected[32], got[32];
    memcpy(bytes, "abcdefghaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq", 60);
    memcpy(bytes + 60, (uint8_t[]){5, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0}, 12);
    crypto_generichash(expected, 32, bytes, sizeof bytes, api_secret, 32);
    hd_key_hash(api_secret, &p, 5, 0x1234, got);
    assert_memory_equal(got, expected, 32);
}

static void every_part_counts_in_the_hash(void **state) {
    (void)state;
    const hd_presented p = {"abcdefgh", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaq"};
    hd_presented id = p, tail = p;
    id.id[7] = 'i';
    tail.secret[HD_KEY_SECRET - 1] = 'a';
    uint8_t other_secret[HD_API_SECRET], hash[6][32];
    memcpy(other_secret, api_secret, sizeof other_secret);
    other_secret[31] ^= 1;
    hd_key_hash(api_secret, &p, 1, HD_TIME_NONE, hash[0]);
    hd_key_hash(other_secret, &p, 1, HD_TIME_NONE, hash[1]);
    hd_key_hash(api_secret, &id, 1, HD_TIME_NONE, hash[2]);
    hd_key_hash(api_secret, &tail, 1, HD_TIME_NONE, hash[3]);
    hd_key_hash(api_secret, &p, 2, HD_TIME_NONE, hash[4]);
    hd_key_hash(api_secret, &p, 1, noon, hash[5]);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < i; k++) assert_memory_not_equal(hash[i], hash[k], 32);
}

// ── Scopes ──

static void scopes_are_read_and_written(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned scopes;
        const char *back;
    } cases[] = {
        {"read", 1, "read"},
        {"write,read", 3, "read,write"},
        {" personal , admin ", 12, "admin,personal"},
        {"read,read", 1, "read"},
        {"all", 15, "read,write,admin,personal"},
    };
    char buf[HD_SCOPES_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned scopes = 0;
        assert_ok(hd_scopes_parse(cases[i].text, &scopes));
        assert_int_equal(scopes, cases[i].scopes);
        assert_string_equal(hd_scopes_text(scopes, buf), cases[i].back);
    }
    unsigned untouched = 99;
    static const char *const wrong[] = {"",     ",",          "root",      "read,",
                                        "Read", "read;write", "read write"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (strcmp(wrong[i], "read,") == 0) continue; // a comma at the end is nothing more
        assert_fails(HEED_USAGE, hd_scopes_parse(wrong[i], &untouched));
    }
    assert_int_equal(untouched, 99);
    assert_string_equal(hd_scope_name(HD_ACCESS_PERSONAL), "personal");
    assert_null(hd_scope_name(3));
    assert_null(hd_scope_name(16));
}

// ── Rows ──

static void rows_come_back_as_they_were_made(void **state) {
    bench *b = *state;
    hd_key_params params = key_params(HD_ACCESS_WRITE | HD_ACCESS_PERSONAL);
    params.name = "前台 \"shop\"; DROP TABLE api_keys";
    params.expires = noon + HD_DAY_MS;
    params.quota = (hd_quota){100, INT64_MAX, 7};
    params.rate = (hd_rate){2.5, 10};
    made m = make(b, &params);
    make_key(b, HD_ACCESS_READ);
    hd_key key;
    assert_ok(hd_access_find(b->store, m.id, &b->arena, &key));
    assert_string_equal(key.id, m.id);
    assert_string_equal(key.name, params.name);
    assert_int_equal(key.scopes, params.scopes);
    assert_int_equal(key.created, noon);
    assert_int_equal(key.expires, params.expires);
    assert_int_equal(key.revoked, HD_TIME_NONE);
    assert_int_equal(key.last_used, HD_TIME_NONE);
    assert_memory_equal(&key.quota, &params.quota, sizeof key.quota);
    assert_float_equal(key.rate.per_second, 2.5, 0);
    assert_float_equal(key.rate.burst, 10, 0);

    hd_key *keys;
    size_t n;
    assert_ok(hd_access_list(b->store, &b->arena, &keys, &n));
    assert_int_equal(n, 2);
    assert_true(strcmp(keys[0].id, m.id) == 0 || strcmp(keys[1].id, m.id) == 0);
}

static void an_empty_list_is_a_list(void **state) {
    bench *b = *state;
    hd_key *keys = NULL;
    size_t n = 9;
    assert_ok(hd_access_list(b->store, &b->arena, &keys, &n));
    assert_non_null(keys);
    assert_int_equal(n, 0);
    hd_key key;
    assert_fails(HEED_NOT_FOUND, hd_access_find(b->store, "aaaaaaaa", &b->arena, &key));
    assert_fails(HEED_NOT_FOUND, hd_access_revoke(b->store, "aaaaaaaa", noon));
}

static void revoking_keeps_the_first_time(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_READ), other = make_key(b, HD_ACCESS_READ);
    assert_ok(hd_access_revoke(b->store, m.id, noon + 1));
    assert_ok(hd_access_revoke(b->store, m.id, noon + 2));
    hd_key key;
    assert_ok(hd_access_find(b->store, m.id, &b->arena, &key));
    assert_int_equal(key.revoked, noon + 1);
    assert_ok(hd_access_find(b->store, other.id, &b->arena, &key));
    assert_int_equal(key.revoked, HD_TIME_NONE);
}

static void only_keys_in_force_are_counted(void **state) {
    bench *b = *state;
    size_t n = 9;
    assert_ok(hd_access_count(b->store, HD_ACCESS_ADMIN, noon, &n));
    assert_int_equal(n, 0);
    make_key(b, HD_ACCESS_READ);
    made revoked = make_key(b, HD_ACCESS_ALL);
    assert_ok(hd_access_revoke(b->store, revoked.id, noon));
    hd_key_params params = key_params(HD_ACCESS_ADMIN);
    params.expires = noon + 10;
    make(b, &params);
    assert_ok(hd_access_count(b->store, HD_ACCESS_ADMIN, noon + 9, &n));
    assert_int_equal(n, 1);
    assert_ok(hd_access_count(b->store, HD_ACCESS_ADMIN, noon + 10, &n));
    assert_int_equal(n, 0);
    assert_ok(hd_access_count(b->store, HD_ACCESS_READ, noon + 10, &n));
    assert_int_equal(n, 1);
}

static void wrong_params_make_no_key(void **state) {
    bench *b = *state;
    char long_name[HD_KEY_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name);
    long_name[HD_KEY_NAME_MAX + 1] = '\0';
    hd_key_params wrong[11];
    for (size_t i = 0; i < 11; i++) wrong[i] = key_params(HD_ACCESS_READ);
    wrong[0].name = NULL;
    wrong[1].name = "";
    wrong[2].name = long_name;
    wrong[3].name = "two\nlines";
    wrong[4].name = "\xff\xfe";
    wrong[5].scopes = 0;
    wrong[6].scopes = 16;
    wrong[7].expires = noon;
    wrong[8].quota.events = -1;
    wrong[9].rate.per_second = -0.5;
    wrong[10].rate.burst = (double)HUGE_VAL;
    made m;
    for (size_t i = 0; i < 11; i++)
        assert_fails(HEED_USAGE,
                     hd_access_make(b->store, api_secret, &wrong[i], noon, m.text, m.id));
    size_t n;
    assert_ok(hd_access_count(b->store, 0, noon, &n));
    assert_int_equal(n, 0);
}

// Neither the text nor the secret stands in the database's files.
static void the_database_holds_no_key(void **state) {
    bench *b = *state;
    made m = make_key(b, HD_ACCESS_ALL);
    assert_ok(hd_store_checkpoint(b->store));
    hd_str bytes;
    hd_str_init(&bytes);
    assert_ok(hd_fs_read(b->path, 0, &bytes));
    assert_non_null(memmem(bytes.data, bytes.len, m.id, HD_KEY_ID));
    assert_null(memmem(bytes.data, bytes.len, m.text + 14, HD_KEY_SECRET));
    assert_null(memmem(bytes.data, bytes.len, m.text + 14, 12));
    hd_str_clear(&bytes);
}

// ── Memory ──

static heed_err all_of_it(bench *b) {
    const hd_key_params params = key_params(HD_ACCESS_READ);
    made m;
    hd_key *keys, key;
    size_t n;
    hd_arena_reset(&b->arena);
    HD_TRY(hd_access_make(b->store, api_secret, &params, noon, m.text, m.id));
    HD_TRY(hd_access_list(b->store, &b->arena, &keys, &n));
    HD_TRY(hd_access_find(b->store, m.id, &b->arena, &key));
    HD_TRY(hd_access_revoke(b->store, m.id, noon));
    return hd_access_count(b->store, 0, noon, &n);
}

static void each_failing_allocation_is_survived(void **state) {
    bench *b = *state;
    for (uint64_t n = 1;; n++) {
        assert_true(n < 2000);
        (void)hd_mem_calls();
        hd_mem_fail_at(n, true);
        heed_err err = all_of_it(b);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
        if (hd_mem_calls() < n) break;
    }
    assert_ok(all_of_it(b));
}

int main(void) {
    assert_int_equal(hd_mem_adopt_libraries(), HEED_OK);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(made_texts_are_read_back),
        BENCH_TEST(secrets_are_random),
        BENCH_TEST(every_other_spelling_is_refused),
        cmocka_unit_test(hostile_texts_are_no_keys),
        BENCH_TEST(presented_keys_are_wiped),
        cmocka_unit_test(the_hash_is_what_the_header_says),
        cmocka_unit_test(every_part_counts_in_the_hash),
        cmocka_unit_test(scopes_are_read_and_written),
        BENCH_TEST(rows_come_back_as_they_were_made),
        BENCH_TEST(an_empty_list_is_a_list),
        BENCH_TEST(revoking_keeps_the_first_time),
        BENCH_TEST(only_keys_in_force_are_counted),
        BENCH_TEST(wrong_params_make_no_key),
        BENCH_TEST(the_database_holds_no_key),
        BENCH_TEST(each_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("access_key", tests, NULL, NULL);
}
