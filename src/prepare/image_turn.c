// SPDX-License-Identifier: Apache-2.0
//
// A JPEG is walked by its segments up to the picture; the first APP1 that begins with "Exif" holds
// a small TIFF file, whose first directory has the tag. Every offset is held against what is there.
#include "prepare/image_turn.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

typedef struct tiff {
    const unsigned char *p;
    size_t n;
    bool big; // "MM": the high byte first
} tiff;

static unsigned short_at(const tiff *t, size_t at) {
    if (at + 2 > t->n) return 0;
    return t->big ? (unsigned)t->p[at] << 8 | t->p[at + 1] : (unsigned)t->p[at + 1] << 8 | t->p[at];
}

static size_t long_at(const tiff *t, size_t at) {
    size_t first = short_at(t, at), second = short_at(t, at + 2);
    return t->big ? first << 16 | second : second << 16 | first;
}

static int tiff_orientation(const unsigned char *p, size_t n) {
    tiff t = {p, n, n > 0 && p[0] == 'M'};
    if (n < 8 || (memcmp(p, "II", 2) != 0 && memcmp(p, "MM", 2) != 0) || short_at(&t, 2) != 42)
        return 1;
    size_t directory = long_at(&t, 4), entries = short_at(&t, directory);
    for (size_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + 12 * i;
        if (at + 12 > n) break;
        if (short_at(&t, at) != TAG_ORIENTATION || short_at(&t, at + 2) != TYPE_SHORT) continue;
        unsigned value = short_at(&t, at + 8);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int hd_jpeg_orientation(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t at = 2; at + 4 <= n && p[at] == 0xFF;) {
        unsigned marker = p[at + 1];
        size_t length = (size_t)p[at + 2] << 8 | p[at + 3];
        if (marker == 0xDA || marker == 0xD9 || length < 2 || at + 2 + length > n) break;
        if (marker == 0xE1 && length > 8 && memcmp(p + at + 4, "Exif\0\0", 6) == 0)
            return tiff_orientation(p + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

// What the numbers mean: rows and columns change places, and which of them run backwards.
static const struct turn {
    bool swap, up, left;
} turns[9] = {
    [2] = {false, false, true}, [3] = {false, true, true}, [4] = {false, true, false},
    [5] = {true, false, false}, [6] = {true, true, false}, [7] = {true, true, true},
    [8] = {true, false, true},
};

heed_err hd_image_turn(hd_image *image, int orientation) {
    if (orientation < 2 || orientation > 8) return HEED_OK;
    const struct turn *t = &turns[orientation];
    size_t height = t->swap ? image->width : image->height;
    size_t width = t->swap ? image->height : image->width;
    hd_image out;
    HD_TRY(hd_image_new(height, width, image->channels, &out));
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            size_t fy = t->swap ? x : y, fx = t->swap ? y : x; // of the source
            if (t->up) fy = image->height - 1 - fy;
            if (t->left) fx = image->width - 1 - fx;
            memcpy(out.pixels + (y * width + x) * out.channels,
                   image->pixels + (fy * image->width + fx) * out.channels, out.channels);
        }
    }
    hd_image_clear(image);
    *image = out;
    return HEED_OK;
}
