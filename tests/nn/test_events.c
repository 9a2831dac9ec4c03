// SPDX-License-Identifier: Apache-2.0
//
// Event files, read back by a reader of the test's own; curves over a crash.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/events.h"

static char folder[] = "/tmp/heed-events-XXXXXX";

static uint64_t fixed(const char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return v;
}

static uint32_t unmask(uint32_t v) {
    uint32_t r = v - UINT32_C(0xA282EAD8);
    return r << 15 | r >> 17;
}

// The next record's payload; NULL at the end.
static const char *next_record(const char **p, const char *end, size_t *n) {
    if (*p == end) return NULL;
    assert_true(end - *p >= 16);
    *n = (size_t)fixed(*p, 8);
    assert_int_equal(unmask((uint32_t)fixed(*p + 8, 4)), hd_crc32c(*p, 8));
    const char *payload = *p + 12;
    assert_true((size_t)(end - payload) >= *n + 4);
    assert_int_equal(unmask((uint32_t)fixed(payload + *n, 4)), hd_crc32c(payload, *n));
    *p = payload + *n + 4;
    return payload;
}

static void test_crc(void **state) {
    (void)state;
    const unsigned char zeros[32] = {0};
    assert_int_equal(hd_crc32c("123456789", 9), 0xE3069283); // RFC 3720, B.4
    assert_int_equal(hd_crc32c(zeros, 32), 0x8A9136AA);
    assert_int_equal(hd_crc32c("", 0), 0);
}

static void test_bytes(void **state) {
    (void)state;
    hd_str out;
    size_t n;
    hd_str_init(&out);
    hd_event_version(2.5, &out);
    const hd_point points[] = {{"a", 0.5}, {"bc", -2}};
    hd_event_scalars(3, 300, points, 2, &out);
    const char *p = out.data, *end = out.data + out.len;
    const char *payload = next_record(&p, end, &n);
    const char version[] = "\x09\0\0\0\0\0\0\x04\x40\x1a\x0d"
                           "brain.Event:2";
    assert_int_equal(n, sizeof version - 1);
    assert_memory_equal(payload, version, n);
    payload = next_record(&p, end, &n);
    const char scalars[] = "\x09\0\0\0\0\0\0\x08\x40"
                           "\x10\xac\x02"
                           "\x2a\x15"
                           "\x0a\x08\x0a\x01"
                           "a\x15\0\0\0\x3f"
                           "\x0a\x09\x0a\x02"
                           "bc\x15\0\0\0\xc0";
    assert_int_equal(n, sizeof scalars - 1);
    assert_memory_equal(payload, scalars, n);
    assert_null(next_record(&p, end, &n));
    hd_str_clear(&out);
}

static size_t records(void) {
    hd_arena arena;
    char **names;
    size_t n_names, count = 0, n;
    hd_arena_init(&arena);
    assert_int_equal(hd_fs_list(folder, &arena, &names, &n_names), HEED_OK);
    for (size_t i = 0; i < n_names; i++) {
        if (!strstr(names[i], "tfevents")) continue;
        assert_int_equal(count, 0); // one file
        hd_str bytes;
        hd_str_init(&bytes);
        assert_int_equal(hd_fs_read(hd_fs_join(&arena, folder, names[i]), 0, &bytes), HEED_OK);
        const char *p = bytes.data;
        while (next_record(&p, bytes.data + bytes.len, &n)) count++;
        hd_str_clear(&bytes);
    }
    hd_arena_clear(&arena);
    return count;
}

static void read_lines(hd_str *out) {
    hd_arena arena;
    hd_arena_init(&arena);
    hd_str_init(out);
    assert_int_equal(hd_fs_read(hd_fs_join(&arena, folder, "curves.jsonl"), 0, out), HEED_OK);
    hd_arena_clear(&arena);
}

static void test_curves(void **state) {
    (void)state;
    hd_curves *curves;
    hd_str lines;
    assert_int_equal(hd_curves_open(folder, false, 0, 1000, &curves), HEED_OK);
    for (uint64_t step = 10; step <= 40; step += 10) {
        const hd_point points[] = {{"train/loss", 1 / (double)step}, {"train/rate", 0.5}};
        assert_int_equal(hd_curves_add(curves, step, 0.5, 1001, points, 2), HEED_OK);
    }
    hd_curves_close(curves);
    read_lines(&lines);
    assert_non_null(strstr(lines.data, "{\"step\":10,\"epoch\":0.5,\"time\":1001.0,\"train/loss\":"
                                       "0.1,\"train/rate\":0.5}\n"));
    hd_str_clear(&lines);
    assert_int_equal(records(), 5);

    // Killed after step 40, its last checkpoint at 20, and half a line on the way.
    hd_arena arena;
    hd_arena_init(&arena);
    char *path = hd_fs_join(&arena, folder, "curves.jsonl");
    assert_int_equal(hd_fs_append(path, "{\"step\":5", 9, 0644), HEED_OK);
    assert_int_equal(hd_curves_open(folder, true, 20, 2000, &curves), HEED_OK);
    hd_curves_close(curves);
    assert_int_equal(records(), 3);
    read_lines(&lines);
    assert_non_null(strstr(lines.data, "\"step\":20"));
    assert_null(strstr(lines.data, "\"step\":30"));
    hd_str_clear(&lines);

    // Begun anew: nothing is left of it.
    assert_int_equal(hd_curves_open(folder, false, 0, 3000, &curves), HEED_OK);
    const hd_point nan_point = {"train/loss", NAN};
    assert_int_equal(hd_curves_add(curves, 1, 0, 3000, &nan_point, 1), HEED_OK);
    hd_curves_close(curves);
    assert_int_equal(records(), 2);
    read_lines(&lines);
    assert_non_null(strstr(lines.data, "\"train/loss\":null"));
    hd_str_clear(&lines);
    hd_arena_clear(&arena);
}

static void test_faults(void **state) {
    (void)state;
    static const char line[] = "{\"step\":1,\"time\":1.5,\"train/loss\":1.0}\n";
    char path[64];
    hd_snprintf(path, sizeof path, "%s/curves.jsonl", folder);
    for (uint64_t n = 1;; n++) {
        hd_curves *curves = NULL;
        const hd_point point = {"train/loss", 1};
        assert_int_equal(hd_fs_write(path, line, sizeof line - 1, 0644), HEED_OK);
        hd_mem_fail_at(n, false);
        heed_err err = hd_curves_open(folder, true, 9, 1, &curves);
        if (err == HEED_OK) err = hd_curves_add(curves, 1, 0, 1, &point, 1);
        hd_mem_fail_at(0, false);
        hd_curves_close(curves);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(n < 5000);
    }
    hd_curves *curves;
    assert_int_equal(hd_curves_open("/proc/no", false, 0, 1, &curves), HEED_NOT_FOUND);
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) && hd_mem_adopt_libraries() == HEED_OK ? 0 : 1;
}

static int teardown(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_crc), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_curves),
                                       cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
