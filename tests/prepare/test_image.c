// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "prepare/image.h"
#include "prepare/image_turn.h"

// Files made by PIL 12: a palette of red, green (seen through), blue; 16 bits of grey; colours with
// what shines through; JPEGs in grey, colour, and Adobe's inks.
static const char png_palette[] =
    "89504e470d0a1a0a0000000d49484452000000020000000202030000000fd8e5b700000009504c5445ff000000ff00"
    "0000ff2d4acd8a0000000274524e53ff00e5b7304a0000000c49444154789c6310602a000000a80083351b97bf0000"
    "000049454e44ae426082";
static const char png_grey16[] =
    "89504e470d0a1a0a0000000d4948445200000003000000021000000000e88fe5850000001649444154789c63646030"
    "3a617c826146c46985bf2f001dd305b7364858160000000049454e44ae426082";
static const char png_alpha[] =
    "89504e470d0a1a0a0000000d494844520000000200000002080600000072b60d240000001a49444154789c63e41291"
    "636060606860616060f8ffedcd230600164f0485d0fd90390000000049454e44ae426082";
static const char jpeg_grey[] =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f1320151312121327"
    "1c1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc0000b08"
    "0008001001011100ffc40014000100000000000000000000000000000006ffc4001810000203000000000000000000"
    "000000000003052131ffda0008010100003f00151e8ca13c7a328fffd9";
static const char jpeg_colour[] =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f1320151312121327"
    "1c1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb004301"
    "0e0e0e131113261515264f352d354f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f"
    "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011080008000803012200021101031101ffc40015000101000000"
    "00000000000000000000000002ffc40014100100000000000000000000000000000000ffc400140101000000000000"
    "00000000000000000005ffc40014110100000000000000000000000000000000ffda000c03010002110311003f0090"
    "039f7fffd9";
static const char jpeg_inks[] =
    "ffd8ffee000e41646f626500640000000000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e"
    "17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc00014080004"
    "0004044311004d11005911004b1100ffc40014000100000000000000000000000000000007ffc40014100100000000"
    "000000000000000000000000ffda000e0443004d0059004b00003f004e180c09cfffd9";

// The grey one with Exif's orientation 6: to be turned to the right.
static const char jpeg_turned[] =
    "ffd8ffe000104a46494600010100000100010000ffe1002e4578696600004d4d002a000000080002010f0002000000"
    "027800000001120003000000010006000000000000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213"
    "271c1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc0000b"
    "080008001001011100ffc40014000100000000000000000000000000000006ffc40018100002030000000000000000"
    "00000000000003052131ffda0008010100003f00151e8ca13c7a328fffd9";

static size_t bytes_of(const char *hex, unsigned char *out) {
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned value = 0;
        for (int k = 0; k < 2; k++) {
            char c = hex[2 * i + (size_t)k];
            value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (unsigned char)value;
    }
    return n;
}

static void decode(const char *hex, size_t channels, hd_image *image) {
    unsigned char bytes[1024];
    size_t n = bytes_of(hex, bytes);
    if (hd_image_decode(bytes, n, "x", 0, image) != HEED_OK)
        fail_msg("%s", heed_error_message(HEED_EN));
    assert_int_equal(image->channels, channels);
}

static void test_png(void **state) {
    (void)state;
    hd_image image;
    decode(png_palette, 3, &image);
    static const unsigned char palette[] = {255, 0, 0, 255, 255, 255, 0, 0, 255, 255, 0, 0};
    assert_int_equal(image.height * image.width, 4);
    assert_memory_equal(image.pixels, palette, sizeof palette);
    hd_image_clear(&image);
    decode(png_grey16, 1, &image);
    assert_int_equal(image.height, 2);
    assert_int_equal(image.width, 3);
    for (int i = 0; i < 6; i++) assert_int_equal(image.pixels[i], i * 13000 >> 8);
    hd_image_clear(&image);
}

// What shines through is laid on white.
static void test_alpha(void **state) {
    (void)state;
    hd_image image;
    decode(png_alpha, 3, &image);
    static const unsigned char want[] = {255, 255, 255, 132, 137, 142, 10, 20, 30, 0, 0, 0};
    assert_memory_equal(image.pixels, want, sizeof want);
    hd_image_clear(&image);
}

static void test_jpeg(void **state) {
    (void)state;
    hd_image image;
    decode(jpeg_grey, 1, &image);
    static const unsigned char first[] = {1,  7,  16, 24, 32, 40,  49,  55,
                                          65, 71, 80, 88, 95, 103, 112, 118};
    assert_int_equal(image.height, 8);
    for (size_t i = 0; i < 16; i++) assert_in_range(image.pixels[i] + 1 - first[i], 0, 2);
    hd_image_clear(&image);
    decode(jpeg_colour, 3, &image);
    static const unsigned char colour[] = {201, 101, 51};
    for (size_t i = 0; i < 3; i++) assert_in_range(image.pixels[i] + 1 - colour[i], 0, 2);
    hd_image_clear(&image);
    decode(jpeg_inks, 3, &image);
    static const unsigned char red[] = {255, 0, 0};
    assert_memory_equal(image.pixels, red, 3);
    hd_image_clear(&image);
}

// As PIL's exif_transpose turns a picture of 2 × 3 numbered pixels.
static void test_turned(void **state) {
    (void)state;
    static const char *const turned[] = {"012345", "210543", "543210", "345012",
                                         "031425", "304152", "524130", "251403"};
    for (int o = 1; o <= 8; o++) {
        for (size_t channels = 1; channels <= 3; channels += 2) {
            hd_image image;
            assert_int_equal(hd_image_new(2, 3, channels, &image), HEED_OK);
            for (size_t i = 0; i < 6 * channels; i++)
                image.pixels[i] = (unsigned char)(i / channels);
            assert_int_equal(hd_image_turn(&image, o), HEED_OK);
            assert_int_equal(image.height, o < 5 ? 2 : 3);
            for (size_t i = 0; i < 6 * channels; i++)
                assert_int_equal(image.pixels[i], turned[o - 1][i / channels] - '0');
            hd_image_clear(&image);
        }
    }
    hd_image plain, image;
    unsigned char bytes[1024];
    decode(jpeg_grey, 1, &plain);
    decode(jpeg_turned, 1, &image);
    assert_int_equal(image.height, 16);
    assert_int_equal(image.width, 8);
    assert_int_equal(image.pixels[7],
                     plain.pixels[0]); // its left end is on top, its top at the right
    hd_image_clear(&plain);
    hd_image_clear(&image);
    // Any byte of the note changed, any cut of it: some orientation, never a read beyond.
    size_t n = bytes_of(jpeg_turned, bytes);
    for (size_t at = 20; at < 70; at++) {
        unsigned char *copy = hd_alloc(at);
        memcpy(copy, bytes, at);
        assert_int_equal(hd_jpeg_orientation(copy, at), at < 68 ? 1 : 6);
        hd_free(copy);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (unsigned char)(1u << bit);
            assert_in_range(hd_jpeg_orientation(bytes, n), 1, 8);
            bytes[at] ^= (unsigned char)(1u << bit);
        }
    }
}

// Every cut of every file: refused, or (only a trailer is missing) as it was; never a crash.
static void test_cut_short(void **state) {
    (void)state;
    static const char *const files[] = {png_palette, png_grey16, png_alpha, jpeg_grey, jpeg_inks};
    for (size_t f = 0; f < 5; f++) {
        unsigned char bytes[1024];
        size_t n = bytes_of(files[f], bytes), taken = 0;
        for (size_t cut = 0; cut < n; cut++) {
            hd_image image;
            heed_err err = hd_image_decode(bytes, cut, "photo.png", 0, &image);
            // Whatever was cut off, it isn't called too large.
            if (err != HEED_OK) assert_null(strstr(heed_error_message(HEED_EN), "make it smaller"));
            if (err == HEED_OK) {
                taken++;
                hd_image_clear(&image);
                continue;
            }
            assert_int_equal(err, HEED_INPUT);
            assert_null(image.pixels);
            assert_non_null(strstr(heed_error_message(HEED_EN), "photo.png"));
        }
        assert_true(taken <= 20);
    }
}

static void test_refused(void **state) {
    (void)state;
    unsigned char bytes[1024];
    hd_image image;
    assert_int_equal(hd_image_decode("GIF89a", 6, "a.gif", 0, &image), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "neither PNG nor JPEG"));
    assert_int_equal(hd_image_decode("", 0, "empty", 0, &image), HEED_INPUT);
    size_t n = bytes_of(png_grey16, bytes);
    assert_int_equal(hd_image_decode(bytes, n, "big.png", 5, &image), HEED_INPUT);
    assert_non_null(strstr(heed_error_message(HEED_EN), "3 × 2 pixels"));
    // A head that claims 2^31 pixels a side: refused before memory is asked for.
    size_t before = hd_mem_peak();
    memcpy(bytes + 16, "\x40\x00\x00\x00\x40\x00\x00\x00", 8);
    assert_int_equal(hd_image_decode(bytes, n, "bomb.png", 0, &image), HEED_INPUT);
    assert_true(hd_mem_peak() - before < 1 << 20);
    assert_int_equal(hd_image_read("/nowhere/at/all.png", 0, &image), HEED_NOT_FOUND);
}

static void test_back(void **state) {
    (void)state;
    for (size_t channels = 1; channels <= 3; channels += 2) {
        hd_image image, back;
        hd_str png;
        hd_str_init(&png);
        assert_int_equal(hd_image_new(5, 7, channels, &image), HEED_OK);
        for (size_t i = 0; i < 35 * channels; i++) image.pixels[i] = (unsigned char)(i * 37);
        assert_int_equal(hd_image_png(&image, &png), HEED_OK);
        assert_int_equal(hd_image_decode(png.data, png.len, "x", 0, &back), HEED_OK);
        assert_int_equal(back.channels, channels);
        assert_memory_equal(back.pixels, image.pixels, 35 * channels);
        unsigned char planes[105], again[105];
        hd_image_planes(image.pixels, 35, channels, planes);
        assert_int_equal(planes[35 * (channels - 1)], image.pixels[channels - 1]);
        hd_image_interleave(planes, 35, channels, again);
        assert_memory_equal(again, image.pixels, 35 * channels);
        hd_image_clear(&image);
        hd_image_clear(&back);
        hd_str_clear(&png);
    }
}

static void test_channels(void **state) {
    (void)state;
    hd_image image;
    static const unsigned char colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
    assert_int_equal(hd_image_new(2, 2, 3, &image), HEED_OK);
    memcpy(image.pixels, colours, sizeof colours);
    assert_int_equal(hd_image_convert(&image, 3), HEED_OK);
    assert_int_equal(hd_image_convert(&image, 1), HEED_OK);
    static const unsigned char grey[] = {76, 150, 29, 9};
    assert_memory_equal(image.pixels, grey, 4);
    assert_int_equal(hd_image_convert(&image, 3), HEED_OK);
    assert_int_equal(image.pixels[5], 150);
    hd_image_clear(&image);
}

static void pattern(hd_image *image) { // 7 × 9, as for PIL
    assert_int_equal(hd_image_new(7, 9, 1, image), HEED_OK);
    for (unsigned y = 0; y < 7; y++) {
        for (unsigned x = 0; x < 9; x++) {
            image->pixels[y * 9 + x] = (unsigned char)(x * 37 + y * 91 + x * y * 13);
        }
    }
}

// PIL rounds between its two passes: one step of grey either way.
static void test_resize_like_pil(void **state) {
    (void)state;
    static const unsigned char smaller[] = {107, 138, 139, 131, 122, 148,
                                            137, 124, 109, 142, 137, 150};
    static const unsigned char larger[] = {0,  20, 46, 71, 97, 122, 148, 174, 199, 205, 54,
                                           20, 40, 41, 65, 95, 124, 154, 147, 97,  127, 156};
    hd_image image, out;
    pattern(&image);
    assert_int_equal(hd_image_resize(&image, 3, 4, HD_FILTER_BILINEAR, HD_FIT_STRETCH, &out),
                     HEED_OK);
    for (size_t i = 0; i < 12; i++) assert_in_range(out.pixels[i] + 1 - smaller[i], 0, 2);
    hd_image_clear(&out);
    assert_int_equal(hd_image_resize(&image, 11, 13, HD_FILTER_BILINEAR, HD_FIT_STRETCH, &out),
                     HEED_OK);
    for (size_t i = 0; i < 22; i++) assert_in_range(out.pixels[i] + 1 - larger[i], 0, 2);
    hd_image_clear(&out);
    assert_int_equal(hd_image_resize(&image, 7, 9, HD_FILTER_AREA, HD_FIT_CROP, &out), HEED_OK);
    assert_memory_equal(out.pixels, image.pixels, 63);
    hd_image_clear(&out);
    hd_image_clear(&image);
}

// By overlap: thirds are means of three, 9 → 6 takes one and a half each.
static void test_area(void **state) {
    (void)state;
    hd_image image, out;
    assert_int_equal(hd_image_new(3, 9, 1, &image), HEED_OK);
    for (size_t i = 0; i < 27; i++) image.pixels[i] = (unsigned char)(9 * (i % 9));
    assert_int_equal(hd_image_resize(&image, 1, 3, HD_FILTER_AREA, HD_FIT_STRETCH, &out), HEED_OK);
    static const unsigned char thirds[] = {9, 36, 63};
    assert_memory_equal(out.pixels, thirds, 3);
    hd_image_clear(&out);
    assert_int_equal(hd_image_resize(&image, 3, 6, HD_FILTER_AREA, HD_FIT_STRETCH, &out), HEED_OK);
    static const unsigned char halves[] = {3, 15, 30, 42, 57, 69}; // (0·1 + 9·½) / 1½ = 3, …
    assert_memory_equal(out.pixels, halves, 6);
    hd_image_clear(&out);
    hd_image_clear(&image);
}

static void test_fits(void **state) {
    (void)state;
    hd_image image, out;
    assert_int_equal(hd_image_new(4, 8, 3, &image), HEED_OK);
    memset(image.pixels, 200, 96);
    for (size_t y = 0; y < 4; y++) memset(image.pixels + y * 24, 50, 3 * 2); // two columns left
    assert_int_equal(hd_image_resize(&image, 4, 4, HD_FILTER_AREA, HD_FIT_CROP, &out), HEED_OK);
    for (size_t i = 0; i < 48; i++) assert_int_equal(out.pixels[i], 200); // they are cut off
    hd_image_clear(&out);
    assert_int_equal(hd_image_resize(&image, 8, 8, HD_FILTER_AREA, HD_FIT_PAD, &out), HEED_OK);
    assert_int_equal(out.pixels[0], 0);       // bars above and below
    assert_int_equal(out.pixels[2 * 24], 50); // the image between them
    assert_int_equal(out.pixels[2 * 24 + 6], 200);
    assert_int_equal(out.pixels[6 * 24], 0);
    hd_image_clear(&out);
    // Very thin ones keep at least a pixel.
    assert_int_equal(hd_image_resize(&image, 1, 100, HD_FILTER_BILINEAR, HD_FIT_PAD, &out),
                     HEED_OK);
    hd_image_clear(&out);
    hd_image_clear(&image);
}

static void test_memory(void **state) {
    (void)state;
    unsigned char bytes[1024];
    size_t n = bytes_of(png_alpha, bytes);
    for (uint64_t at = 1;; at++) {
        hd_image image = {0}, small = {0};
        hd_str png;
        hd_str_init(&png);
        hd_mem_fail_at(at, true);
        heed_err err = hd_image_decode(bytes, n, "x", 0, &image);
        if (err == HEED_OK) err = hd_image_convert(&image, 1);
        if (err == HEED_OK)
            err = hd_image_resize(&image, 3, 3, HD_FILTER_BILINEAR, HD_FIT_STRETCH, &small);
        if (err == HEED_OK) err = hd_image_png(&small, &png);
        hd_mem_fail_at(0, false);
        hd_image_clear(&image);
        hd_image_clear(&small);
        hd_str_clear(&png);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
        assert_true(at < 1000);
    }
    n = bytes_of(jpeg_inks, bytes);
    for (uint64_t at = 1;; at++) {
        hd_image image = {0};
        hd_mem_fail_at(at, true);
        heed_err err = hd_image_decode(bytes, n, "x", 0, &image);
        hd_mem_fail_at(0, false);
        hd_image_clear(&image);
        if (err == HEED_OK) break;
        assert_int_equal(err, HEED_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_resize_like_pil),
        cmocka_unit_test(test_area),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
