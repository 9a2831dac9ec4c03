// SPDX-License-Identifier: Apache-2.0
//
// Image files: what decodes is shrunk, turned grey, written as PNG and read back as it was.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "prepare/idx.h"
#include "prepare/image.h"
#include "prepare/image_turn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const hd_image *image) {
    hd_image small, back;
    hd_str png;
    hd_str_init(&png);
    if (hd_image_resize(image, 9, 7, (hd_image_filter)(image->width % 2),
                        (hd_image_fit)(image->height % 3), &small) != HEED_OK ||
        hd_image_convert(&small, image->width % 4 ? 1 : 3) != HEED_OK ||
        hd_image_png(&small, &png) != HEED_OK ||
        hd_image_decode(png.data, png.len, "again", 0, &back) != HEED_OK ||
        back.channels != small.channels ||
        memcmp(back.pixels, small.pixels, 63 * back.channels) != 0)
        abort();
    hd_image_clear(&back);
    hd_image_clear(&small);
    hd_str_clear(&png);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_image image;
    hd_idx idx;
    heed_err err = hd_image_decode(data, size, "fuzz", 1 << 16, &image);
    if (err == HEED_OK) {
        there_and_back(&image);
        hd_image_clear(&image);
    } else if (err != HEED_INPUT) {
        abort();
    }
    int way = hd_jpeg_orientation(data, size);
    if (way < 1 || way > 8) abort();
    if (size < 4096 && hd_idx_parse("fuzz", data, size, &idx) == HEED_OK) hd_idx_clear(&idx);
    return 0;
}
