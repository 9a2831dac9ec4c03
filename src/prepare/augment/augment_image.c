// SPDX-License-Identifier: Apache-2.0
//
// Images: where pixels stand (in one matrix, see augment.c), and what they are. Amounts are drawn
// evenly from −x … x. Pixels that come from outside the image are 0.
//
#include <math.h>

#include "prepare/augment/rows.h"

static const double pi = 3.14159265358979323846;

#define IMAGES (1u << HD_AUGMENT_IMAGE)

HD_AUGMENT_NUMBER(rotate_rows, "degrees", 10, 0, 180, "turned by up to so much, either way",
                  "向两侧至多旋转的角度");
HD_AUGMENT_NUMBER(shift_rows, "by", 0.1, 0, 1, "moved by up to such a share of the side",
                  "至多平移边长的比例");
HD_AUGMENT_NUMBER(scale_rows, "by", 0.1, 0, 0.9, "made larger or smaller by up to such a share",
                  "至多放大或缩小的比例");
HD_AUGMENT_NUMBER(shear_rows, "by", 0.1, 0, 2, "slanted by up to so many pixels a pixel",
                  "每像素至多倾斜的像素数");
HD_AUGMENT_NUMBER(crop_rows, "least", 0.8, 0.01, 1, "share of it that is kept at least",
                  "至少保留的比例");
HD_AUGMENT_NUMBER(noise_rows, "deviation", 0.05, 0, 100, "standard deviation of what is added",
                  "所加噪声的标准差");

static double number(const void *options) {
    return ((const hd_augment_number *)options)->value;
}

static void rotate(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double angle = number(options) * hd_draw_sign(rng) * pi / 180;
    (void)s;
    hd_augment_move_add(
        move, (const double[2][3]){{cos(angle), -sin(angle), 0}, {sin(angle), cos(angle), 0}});
}

static void shift(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double y = number(options) * hd_draw_sign(rng) * (double)s->height;
    double x = number(options) * hd_draw_sign(rng) * (double)s->width;
    hd_augment_move_add(move, (const double[2][3]){{1, 0, y}, {0, 1, x}});
}

static void scale(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double by = 1 / (1 + number(options) * hd_draw_sign(rng));
    (void)s;
    hd_augment_move_add(move, (const double[2][3]){{by, 0, 0}, {0, by, 0}});
}

static void shear(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double by = number(options) * hd_draw_sign(rng);
    (void)s;
    hd_augment_move_add(move, (const double[2][3]){{1, 0, 0}, {by, 1, 0}});
}

typedef struct flip_options {
    int how;
    double chance;
} flip_options;
enum { FLIP_HORIZONTAL, FLIP_VERTICAL, FLIP_BOTH };
static const char *const flip_words[] = {"horizontal", "vertical", "both", NULL};
static const hd_option flip_rows[] = {
    {.name = "how",
     .type = HD_OPTION_WORD,
     .at = offsetof(flip_options, how),
     .words = flip_words,
     .doc = HD_TEXT("left and right, top and bottom, or either", "左右翻转、上下翻转，或两者")},
    {.name = "chance",
     .type = HD_OPTION_REAL,
     .at = offsetof(flip_options, chance),
     .initial = 0.5,
     .max = 1,
     .doc = HD_TEXT("of being done", "发生的概率")},
    {.name = NULL}};

static void flip(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    const flip_options *o = options;
    double x = hd_rng_uniform(rng) < o->chance && o->how != FLIP_VERTICAL ? -1 : 1;
    double y = hd_rng_uniform(rng) < o->chance && o->how != FLIP_HORIZONTAL ? -1 : 1;
    (void)s;
    if (x < 0 || y < 0) hd_augment_move_add(move, (const double[2][3]){{y, 0, 0}, {0, x, 0}});
}

// A window of the same shape and at least that share of the area, made as large as the image.
static void crop(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double least = number(options);
    if (s->of == HD_AUGMENT_IDS) {
        hd_augment_crop_ids(least, rng, s);
        return;
    }
    double side = sqrt(least + (1 - least) * hd_rng_uniform(rng));
    double y = (1 - side) / 2 * hd_draw_sign(rng) * (double)s->height;
    double x = (1 - side) / 2 * hd_draw_sign(rng) * (double)s->width;
    hd_augment_move_add(move, (const double[2][3]){{side, 0, y}, {0, side, x}});
}

static size_t values_of(const hd_augment_sample *s) {
    return s->height * s->width * s->channels;
}

static void noise(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    double deviation = number(options);
    (void)move;
    for (size_t i = 0; i < values_of(s); i++) {
        s->values[i] += (float)(deviation * hd_rng_normal(rng));
    }
}

typedef struct brightness_options {
    double by, contrast;
} brightness_options;
static const hd_option brightness_rows[] = {
    {.name = "by",
     .type = HD_OPTION_REAL,
     .at = offsetof(brightness_options, by),
     .initial = 0.2,
     .max = 1,
     .doc = HD_TEXT("lighter or darker by up to so much of white", "至多变亮或变暗的量（白为 1）")},
    {.name = "contrast",
     .type = HD_OPTION_REAL,
     .at = offsetof(brightness_options, contrast),
     .initial = 0.2,
     .max = 1,
     .doc = HD_TEXT("contrast changed by up to such a share", "对比度至多改变的比例")},
    {.name = NULL}};

static void brightness(const void *options, hd_rng *rng, hd_augment_sample *s,
                       hd_augment_move *move) {
    const brightness_options *o = options;
    float add = (float)(o->by * hd_draw_sign(rng));
    float times = (float)(1 + o->contrast * hd_draw_sign(rng));
    (void)move;
    for (size_t i = 0; i < values_of(s); i++) {
        s->values[i] = (s->values[i] - 0.5F) * times + 0.5F + add;
    }
}

typedef struct cutout_options {
    double size, chance;
} cutout_options;
static const hd_option cutout_rows[] = {
    {.name = "size",
     .type = HD_OPTION_REAL,
     .at = offsetof(cutout_options, size),
     .initial = 0.25,
     .max = 1,
     .doc = HD_TEXT("share of the side that a square of zeros takes", "清零方块占边长的比例")},
    {.name = "chance",
     .type = HD_OPTION_REAL,
     .at = offsetof(cutout_options, chance),
     .initial = 1,
     .max = 1,
     .doc = HD_TEXT("of being done", "发生的概率")},
    {.name = NULL}};

// The square's middle is anywhere in the image: it may hang over (DeVries, Taylor 2017).
static void cutout(const void *options, hd_rng *rng, hd_augment_sample *s, hd_augment_move *move) {
    const cutout_options *o = options;
    bool done = hd_rng_uniform(rng) < o->chance;
    double y = hd_rng_uniform(rng) * (double)s->height, x = hd_rng_uniform(rng) * (double)s->width;
    double h = o->size * (double)s->height / 2, w = o->size * (double)s->width / 2;
    (void)move;
    for (size_t i = 0; done && i < s->height * s->width; i++) {
        double dy = (double)(i / s->width) + 0.5 - y, dx = (double)(i % s->width) + 0.5 - x;
        if (fabs(dy) >= h || fabs(dx) >= w) continue;
        for (size_t c = 0; c < s->channels; c++) s->values[i * s->channels + c] = 0;
    }
}

#define NUMBER_KIND(id, key, table, families, en, zh)                                    \
    const hd_augment_kind hd_augment_##id = {.kind = {.name = (key),                     \
                                                      .size = sizeof(hd_augment_number), \
                                                      .options = (table),                \
                                                      .doc = HD_TEXT(en, zh)},           \
                                             .of = (families),                           \
                                             .apply = id}

NUMBER_KIND(rotate, "rotate", rotate_rows, IMAGES, "turned", "旋转");
NUMBER_KIND(shift, "shift", shift_rows, IMAGES, "moved along both sides", "平移");
NUMBER_KIND(scale, "scale", scale_rows, IMAGES, "larger or smaller", "缩放");
NUMBER_KIND(shear, "shear", shear_rows, IMAGES, "slanted", "错切");
NUMBER_KIND(noise, "noise", noise_rows, IMAGES | 1u << HD_AUGMENT_ROW | 1u << HD_AUGMENT_SERIES,
            "normal noise on every value", "给每个数值加正态噪声");

const hd_augment_kind hd_augment_crop = {
    .kind = {.name = "crop",
             .size = sizeof(hd_augment_number),
             .options = crop_rows,
             .doc = HD_TEXT("a part of it: a window of an image at full size, a run of a text's "
                            "tokens",
                            "取其一部分：图像的一个窗口放大到原尺寸，文本的一段连续词元")},
    .of = IMAGES | 1u << HD_AUGMENT_IDS,
    .in_order = true,
    .apply = crop};
const hd_augment_kind hd_augment_flip = {.kind = {.name = "flip",
                                                  .size = sizeof(flip_options),
                                                  .options = flip_rows,
                                                  .doc = HD_TEXT("mirrored", "翻转")},
                                         .of = IMAGES,
                                         .apply = flip};
const hd_augment_kind hd_augment_brightness = {
    .kind = {.name = "brightness",
             .size = sizeof(brightness_options),
             .options = brightness_rows,
             .doc = HD_TEXT("lighter or darker, harder or softer", "亮度与对比度")},
    .of = IMAGES,
    .apply = brightness};
const hd_augment_kind hd_augment_cutout = {
    .kind = {.name = "cutout",
             .size = sizeof(cutout_options),
             .options = cutout_rows,
             .doc = HD_TEXT("a square of zeros somewhere", "随机位置的方块清零")},
    .of = IMAGES,
    .apply = cutout};
