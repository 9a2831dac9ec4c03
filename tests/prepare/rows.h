// SPDX-License-Identifier: Apache-2.0
//
// Helper of the importer's tests: reads bytes through a whole importer and writes what came out as
// text, a line a record ("2 event user=u item=i type=view time=…") or a bad row ("3 bad …"), so
// that a test is a comparison of texts.
#ifndef TESTS_PREPARE_ROWS_H
#define TESTS_PREPARE_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "prepare/importer.h"

// "2026-11-22": later times are refused.
#define TEST_NOW INT64_C(1795305600000)

static inline hd_importer_params test_params(const char *name) {
    return (hd_importer_params){.path = name, .kind = -1, .header = -1, .now = TEST_NOW};
}

// Appends " name=value" when the value is given.
void test_add_record(hd_str *out, const hd_record *record);
// Everything an importer gives until its end; asserts that reading doesn't fail.
void test_add_rows(hd_str *out, hd_importer *in);
// Opens from memory and compares; the bytes end at the NUL.
void test_rows(const hd_importer_params *params, const char *text, const char *expected);
void test_rows_n(const hd_importer_params *params, const void *bytes, size_t n,
                 const char *expected);
// The opening must fail with a message that holds `part`.
void test_refused(const hd_importer_params *params, const void *bytes, size_t n, const char *part);
// Path of a shared data set in an arena, or NULL when it isn't there (the test says so and passes).
const char *test_data(hd_arena *arena, const char *file);

#endif
