// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/cpu.h"
#include "kernel/dtype.h"
#include "kernel/kernels.h"
#include "kernel/tile.h"

static void test_every_path_can_be_chosen_or_says_why_not(void **state) {
    (void)state;
    for (int i = 0; i < HD_ISAS; i++) {
        hd_isa isa = (hd_isa)i;
        heed_err err = hd_isa_choose(hd_isa_name(isa));
        assert_int_equal(err, hd_isa_can(isa) ? HEED_OK : HEED_INPUT);
        if (err == HEED_OK) {
            assert_int_equal(hd_isa_get(), isa);
            assert_non_null(hd_kernels_get()->tile);
            assert_string_equal(hd_isa_why_not(isa).en, "");
        } else {
            assert_non_null(strstr(heed_error_message(HEED_EN), hd_isa_name(isa)));
            assert_non_null(strstr(heed_error_message(HEED_EN), hd_isa_why_not(isa).en));
            assert_non_null(strstr(heed_error_message(HEED_ZH), hd_isa_why_not(isa).zh));
        }
    }
    assert_true(hd_isa_can(HD_ISA_REF));
    assert_int_equal(hd_isa_choose("auto"), HEED_OK);
    assert_int_equal(hd_isa_get(), hd_isa_best());
}

static void test_unknown_name(void **state) {
    (void)state;
    assert_int_equal(hd_isa_choose("sse9"), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "'sse9'"));
    assert_non_null(strstr(heed_error_message(HEED_EN), "ref"));
    assert_int_equal(hd_isa_get(), hd_isa_best()); // the choice stands
}

static void test_facts(void **state) {
    (void)state;
    char model[49], brief[5];
    hd_cpu_model(model, sizeof model);
    hd_cpu_model(brief, sizeof brief);
    assert_true(strlen(brief) <= 4);
    assert_memory_equal(model, brief, strlen(brief));
    assert_int_equal(hd_cpu_cache(0), 0);
    assert_int_equal(hd_cpu_cache(4), 0);
}

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

// Every bf16 and f16 value survives the way there and back; NaN stays NaN.
static void test_narrow_round_trip(void **state) {
    (void)state;
    for (uint32_t h = 0; h <= UINT16_MAX; h++) {
        float b = hd_f32_of_bf16((uint16_t)h), f = hd_f32_of_f16((uint16_t)h);
        if (b == b) assert_int_equal(hd_bf16_of_f32(b), h);
        if (f == f) assert_int_equal(hd_f16_of_f32(f), h);
        if (b != b) assert_true(hd_f32_of_bf16(hd_bf16_of_f32(b)) != b);
        if (f != f) assert_true((hd_f16_of_f32(f) & 0x7fff) > 0x7c00);
    }
}

// Between two neighbours the nearer is taken, in the middle the even one.
static void test_narrow_rounding(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float low = hd_f32_of_f16((uint16_t)h);
        float high = h == 0x7bff ? 65536 : hd_f32_of_f16((uint16_t)(h + 1));
        float middle = low + (high - low) / 2; // exact
        assert_int_equal(hd_f16_of_f32(middle), h + (h & 1));
        assert_int_equal(hd_f16_of_f32(float_of(bits_of(middle) - 1)), h);
        assert_int_equal(hd_f16_of_f32(float_of(bits_of(middle) + 1)), h + 1);
        assert_int_equal(hd_f16_of_f32(-middle), 0x8000 | (h + (h & 1)));
    }
    for (uint32_t h = 0; h < 0x7f80; h++) {
        uint32_t middle = h << 16 | 0x8000;
        assert_int_equal(hd_bf16_of_f32(float_of(middle)), h + (h & 1));
        assert_int_equal(hd_bf16_of_f32(float_of(middle - 1)), h);
        assert_int_equal(hd_bf16_of_f32(float_of(middle + 1)), h + 1);
    }
    assert_int_equal(hd_f16_of_f32(1e9F), 0x7c00);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_path_can_be_chosen_or_says_why_not),
        cmocka_unit_test(test_unknown_name),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_narrow_round_trip),
        cmocka_unit_test(test_narrow_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
