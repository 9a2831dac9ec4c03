// SPDX-License-Identifier: Apache-2.0
//
// Images: PNG and JPEG from bytes to pixels, other sizes and colours of them, and PNG back. What is
// in a file is not believed: its size is looked at before memory is asked for, and what can't be
// read in full is refused.
#ifndef HD_PREPARE_IMAGE_H
#define HD_PREPARE_IMAGE_H

#include "base/option.h"

typedef struct hd_image {
    size_t height, width, channels; // channels: 1 grey, 3 red, green, blue
    unsigned char *pixels;          // (height, width, channels); owned
} hd_image;

enum { HD_IMAGE_PIXELS = 1 << 26, HD_IMAGE_SIDE = 1 << 15 };

void hd_image_clear(hd_image *image);
// Zeros.
heed_err hd_image_new(size_t height, size_t width, size_t channels, hd_image *out) HEED_CHECK;

// most: pixels that are taken; 0: HD_IMAGE_PIXELS. name: stands in messages. What shines through is
// laid on white; photographs stand as their camera says. HEED_INPUT: neither PNG nor JPEG, damaged,
// cut short, or larger than that.
heed_err hd_image_decode(const void *bytes, size_t n, const char *name, size_t most,
                         hd_image *out) HEED_CHECK;
// The same for a file.
heed_err hd_image_read(const char *path, size_t most, hd_image *out) HEED_CHECK;
// Appends a PNG.
heed_err hd_image_png(const hd_image *image, hd_str *out) HEED_CHECK;

// Grey to colour (thrice the same) or colour to grey (ITU-R BT.601, as PIL and libjpeg have it).
heed_err hd_image_convert(hd_image *image, size_t channels) HEED_CHECK;

// How an image comes to another size: by a filter, and where the two are shaped differently by
// stretching it, by cutting what is too long, or by bars of black.
typedef enum hd_image_filter { HD_FILTER_BILINEAR, HD_FILTER_AREA } hd_image_filter;
typedef enum hd_image_fit { HD_FIT_STRETCH, HD_FIT_CROP, HD_FIT_PAD } hd_image_fit;
extern const char *const hd_image_filters[]; // words of options, NULL-terminated
extern const char *const hd_image_fits[];
heed_err hd_image_resize(const hd_image *image, size_t height, size_t width, hd_image_filter filter,
                         hd_image_fit fit, hd_image *out) HEED_CHECK;

// (H, W, C) to (C, H, W) and back. n: height · width.
void hd_image_planes(const unsigned char *pixels, size_t n, size_t channels, unsigned char *out);
void hd_image_interleave(const unsigned char *planes, size_t n, size_t channels,
                         unsigned char *out);

#endif
