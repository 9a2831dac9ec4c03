// SPDX-License-Identifier: Apache-2.0
//
// Images: files (`images`), or MNIST's (`idx`), as images_read.c reads them; from requests as
// base64, with or without "data:image/png;base64,". All become bytes (C, H, W) of one size, which
// networks see scaled and classical models as rows of pixels.
#include <math.h>
#include <sodium.h>

#include "base/mem.h"
#include "prepare/image.h"
#include "recipe/augment.h"
#include "recipe/images_read.h"
#include "recipe/inputs.h"

enum { SHOWN = 160 };

static const hd_option rows[] = {
    {.name = "image",
     .type = HD_OPTION_TEXT,
     .at = offsetof(hd_images_options, image),
     .doc = HD_TEXT("column with the image; 'image' where nothing is said",
                    "图像所在的列，缺省为 image")},
    {.name = "classes",
     .type = HD_OPTION_JSON,
     .at = offsetof(hd_images_options, classes),
     .doc = HD_TEXT("names of the classes 0, 1, … of labels that are numbers",
                    "标签为数字时，类别 0、1、… 的名称")},
    {.name = NULL}};

typedef struct prepare_options {
    hd_ints size;
    int64_t channels;
    int fit, filter, scale;
} prepare_options;

enum { SCALE_UNIT, SCALE_SYMMETRIC, SCALE_STANDARD };
static const char *const scales[] = {"unit", "symmetric", "standard", NULL};
#define SIZE_ROW                                                                                 \
    {                                                                                            \
        .name = "size", .type = HD_OPTION_INTS, .at = offsetof(prepare_options, size), .min = 1, \
        .max = 4096,                                                                             \
        .doc = HD_TEXT("pixels of a side, or [height, width]", "边长像素数，或 [高, 宽]")        \
    }
static const hd_option prepare_rows[] = {
    SIZE_ROW,
    {.name = "channels",
     .type = HD_OPTION_INT,
     .at = offsetof(prepare_options, channels),
     .max = 3,
     .doc = HD_TEXT("1: grey, 3: colour; 0: as the first training image",
                    "1 灰度，3 彩色；0 依首张训练图像")},
    {.name = "fit",
     .type = HD_OPTION_WORD,
     .at = offsetof(prepare_options, fit),
     .words = hd_image_fits,
     .doc = HD_TEXT("where shapes differ: stretched, cut, or bars of black",
                    "形状不同时：拉伸、裁剪或加黑边")},
    {.name = "filter",
     .type = HD_OPTION_WORD,
     .at = offsetof(prepare_options, filter),
     .words = hd_image_filters,
     .doc = HD_TEXT("how pixels are made of pixels", "缩放的取样方式")},
    {.name = "scale",
     .type = HD_OPTION_WORD,
     .at = offsetof(prepare_options, scale),
     .words = scales,
     .doc = HD_TEXT("0 … 1, −1 … 1, or mean 0 and deviation 1 of the training images",
                    "0 … 1、−1 … 1，或按训练图像化为均值 0、标准差 1")},
    {.name = NULL}};
static const hd_option feature_rows[] = {SIZE_ROW, {.name = NULL}};

typedef struct images {
    char *column; // owned
    size_t channels, height, width;
    size_t feature_height, feature_width;
    hd_image_fit fit;
    hd_image_filter filter;
    double scale, shift; // of a byte
} images;

static void images_free(void *fitted) {
    images *t = fitted;
    if (!t) return;
    hd_free(t->column);
    hd_free(t);
}

// ── A cell to an image ──

static heed_err from_base64(hd_slice text, const char *place, hd_image *out) {
    const char *comma =
        text.n > 5 && memcmp(text.p, "data:", 5) == 0 ? memchr(text.p, ',', text.n) : NULL;
    if (comma) text.n -= (size_t)(comma + 1 - text.p);
    if (comma) text.p = comma + 1;
    size_t most = text.n / 4 * 3 + 3, n = 0;
    unsigned char *bytes = hd_alloc(most);
    if (!bytes) return HD_FAIL_MEMORY(most);
    heed_err err = HEED_OK;
    if (sodium_base642bin(bytes, most, text.p, text.n, "\r\n ", &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        err =
            HD_FAIL(HEED_INPUT,
                    "%s: the image is not valid base64 ('heed model predict' takes names of files "
                    "too: .png, .jpg, .jpeg)",
                    "%s：图像不是有效的 base64（“heed model predict” 也接受文件名：.png、.jpg、"
                    ".jpeg）",
                    place);
    }
    if (err == HEED_OK) err = hd_image_decode(bytes, n, place, 0, out);
    hd_free(bytes);
    return err;
}

static heed_err take_image(const hd_rows *from, const hd_rows_column *column, size_t row,
                           hd_image *out) {
    hd_rows_words place = hd_rows_place(from, row);
    hd_slice cell = column->cells[row];
    if (!cell.p) {
        return HD_FAIL(HEED_INPUT, "%s: column '%s' has no image", "%s：列“%s”没有图像", place.text,
                       column->name);
    }
    if (column->kind == HD_ROWS_TEXT) return from_base64(cell, place.text, out);
    if (column->kind == HD_ROWS_FILE) return hd_image_decode(cell.p, cell.n, place.text, 0, out);
    const size_t *shape = column->shape; // (C, H, W)
    HD_TRY(hd_image_new(shape[1], shape[2], shape[0], out));
    hd_image_interleave((const unsigned char *)cell.p, shape[1] * shape[2], shape[0], out->pixels);
    return HEED_OK;
}

static heed_err resized(hd_image *image, const images *t, size_t height, size_t width) {
    hd_image other;
    HD_TRY(hd_image_convert(image, t->channels));
    if (image->height == height && image->width == width) return HEED_OK;
    HD_TRY(hd_image_resize(image, height, width, t->filter, t->fit, &other));
    hd_image_clear(image);
    *image = other;
    return HEED_OK;
}

// All images as bytes, (n, C, height, width). *out: for hd_free.
static heed_err all_bytes(const images *t, const hd_rows *from, size_t height, size_t width,
                          unsigned char **out) {
    size_t n = from->n - from->first, plane = height * width, size = plane * t->channels;
    hd_rows_column *column;
    *out = NULL;
    HD_TRY(hd_rows_need(from, t->column, &column));
    unsigned char *bytes = hd_calloc(n + 1, size);
    if (!bytes) return HD_FAIL_MEMORY(n * size);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        hd_image image = {0};
        err = take_image(from, column, from->first + i, &image);
        if (err == HEED_OK) err = resized(&image, t, height, width);
        if (err == HEED_OK) hd_image_planes(image.pixels, plane, t->channels, bytes + i * size);
        hd_image_clear(&image);
    }
    if (err == HEED_OK)
        *out = bytes;
    else
        hd_free(bytes);
    return err;
}

// ── Fitting ──

// Size and channels that aren't given are the first training image's, where all have one.
static heed_err choose_shape(const hd_input_fit *in, const prepare_options *o, images *t) {
    hd_rows_column *column;
    hd_image first = {0};
    HD_TRY(hd_rows_need(in->rows, t->column, &column));
    if (o->size.n == 0 && column->kind != HD_ROWS_PIXELS) {
        hd_where_words place = hd_where_text(&in->prepare_where);
        return HD_FAIL(HEED_INPUT, "%s: say which size images are brought to: 'size: 64'",
                       "%s：请指明图像统一到的尺寸：“size: 64”", place.text);
    }
    if (o->channels == 2) {
        return HD_FAIL(HEED_INPUT, "prepare.channels: 1 (grey) or 3 (colour), not 2",
                       "prepare.channels：应为 1（灰度）或 3（彩色），而不是 2");
    }
    if (in->rows->n <= in->rows->first)
        return HD_FAIL(HEED_INPUT, "there are no training images", "没有训练图像");
    HD_TRY(take_image(in->rows, column, in->rows->first, &first));
    t->channels = o->channels > 0 ? (size_t)o->channels : first.channels;
    t->height = o->size.n > 0 ? (size_t)o->size.at[0] : first.height;
    t->width = o->size.n > 1 ? (size_t)o->size.at[1] : o->size.n > 0 ? t->height : first.width;
    hd_image_clear(&first);
    return HEED_OK;
}

static heed_err choose_scale(const hd_input_fit *in, int how, images *t) {
    unsigned char *bytes;
    size_t n = (in->rows->n - in->rows->first) * t->channels * t->height * t->width;
    double sum = 0, squares = 0;
    t->scale = how == SCALE_SYMMETRIC ? 2.0 / 255 : 1.0 / 255;
    t->shift = how == SCALE_SYMMETRIC ? -1 : 0;
    if (how != SCALE_STANDARD) return HEED_OK;
    HD_TRY(all_bytes(t, in->rows, t->height, t->width, &bytes));
    for (size_t i = 0; i < n; i++) {
        sum += bytes[i];
        squares += (double)bytes[i] * bytes[i];
    }
    hd_free(bytes);
    double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    t->scale = variance > 1e-6 ? 1 / sqrt(variance) : 1;
    t->shift = -mean * t->scale;
    return HEED_OK;
}

static heed_err read_options(const hd_input_fit *in, images *t) {
    const hd_images_options *given = in->options;
    prepare_options o = {.channels = 0}, features = {.channels = 0};
    t->column = hd_strdup(given->image ? given->image : "image");
    if (!t->column) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_options_read(prepare_rows, in->prepare, &in->prepare_where, &o));
    HD_TRY(hd_options_read(feature_rows, in->features, &in->features_where, &features));
    t->fit = (hd_image_fit)o.fit;
    t->filter = (hd_image_filter)o.filter;
    HD_TRY(choose_shape(in, &o, t));
    t->feature_height = features.size.n > 0 ? (size_t)features.size.at[0] : t->height;
    t->feature_width = features.size.n > 1   ? (size_t)features.size.at[1]
                       : features.size.n > 0 ? t->feature_height
                                             : t->width;
    return choose_scale(in, o.scale, t);
}

static heed_err images_fit(const hd_input_fit *in, void **out) {
    images *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    heed_err err = read_options(in, t);
    if (err == HEED_OK)
        *out = t;
    else
        images_free(t);
    return err;
}

// ── Applying ──

static heed_err make_features(const images *t, const hd_rows *from, hd_matrix *out) {
    size_t n = from->n - from->first, m = t->channels * t->feature_height * t->feature_width;
    unsigned char *bytes;
    HD_TRY(all_bytes(t, from, t->feature_height, t->feature_width, &bytes));
    heed_err err = hd_matrix_dense(n, m, out);
    for (size_t i = 0; err == HEED_OK && i < n * m; i++) out->dense[i] = (float)bytes[i] / 255;
    hd_free(bytes);
    return err;
}

static heed_err images_apply(const void *fitted, const hd_rows *from, unsigned wanted,
                             hd_samples *out) {
    const images *t = fitted;
    unsigned char *bytes;
    heed_err err = HEED_OK;
    *out = (hd_samples){.n = from->n - from->first};
    if (wanted & HD_WANT_INPUTS) {
        HD_TRY(all_bytes(t, from, t->height, t->width, &bytes));
        out->n_inputs = 1;
        out->inputs[0] = (hd_data_column){.field = {.name = "x",
                                                    .role = HD_ROLE_INPUT,
                                                    .dtype = HD_F32,
                                                    .n_dims = 3,
                                                    .shape = {t->channels, t->height, t->width}},
                                          .dtype = HD_U8,
                                          .data = bytes,
                                          .scale = (float)t->scale,
                                          .shift = (float)t->shift,
                                          .own = true};
    }
    if (wanted & HD_WANT_FEATURES) err = make_features(t, from, &out->features);
    if (err != HEED_OK) hd_input_samples_clear(out);
    return err;
}

// ── To and from JSON ──

static heed_err images_to_json(const void *fitted, json_t **out) {
    const images *t = fitted;
    *out = NULL;
    return hd_json_pack(out, "{s:s, s:[I,I,I], s:[I,I], s:s, s:s, s:f, s:f}", "column", t->column,
                        "shape", (json_int_t)t->channels, (json_int_t)t->height,
                        (json_int_t)t->width, "features", (json_int_t)t->feature_height,
                        (json_int_t)t->feature_width, "fit", hd_image_fits[t->fit], "filter",
                        hd_image_filters[t->filter], "scale", t->scale, "shift", t->shift);
}

static bool read_word(const json_t *value, const char *const *words, int *out) {
    const char *word = json_string_value(value);
    for (*out = 0; word && words[*out]; ++*out) {
        if (strcmp(word, words[*out]) == 0) return true;
    }
    return false;
}

static bool read_sizes(const json_t *list, size_t n, size_t **out) {
    if (json_array_size(list) != n) return false;
    for (size_t i = 0; i < n; i++) {
        json_int_t value = json_integer_value(json_array_get(list, i));
        if (value < 1 || value > 4096) return false;
        *out[i] = (size_t)value;
    }
    return true;
}

static bool is_sound(const json_t *json, images *t) {
    int fit, filter;
    size_t *shape[3] = {&t->channels, &t->height, &t->width};
    size_t *features[2] = {&t->feature_height, &t->feature_width};
    if (!read_sizes(json_object_get(json, "shape"), 3, shape) ||
        !read_sizes(json_object_get(json, "features"), 2, features) ||
        !read_word(json_object_get(json, "fit"), hd_image_fits, &fit) ||
        !read_word(json_object_get(json, "filter"), hd_image_filters, &filter))
        return false;
    t->fit = (hd_image_fit)fit;
    t->filter = (hd_image_filter)filter;
    t->scale = json_number_value(json_object_get(json, "scale"));
    t->shift = json_number_value(json_object_get(json, "shift"));
    return (t->channels == 1 || t->channels == 3) && fabs(t->scale) < 1e6 && t->scale != 0 &&
           fabs(t->shift) < 1e9;
}

static heed_err images_from_json(const json_t *json, const char *name, void **out) {
    const char *column = json_string_value(json_object_get(json, "column"));
    images *t = hd_calloc(1, sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    heed_err err = HEED_OK;
    if (!column || !is_sound(json, t)) {
        err = HD_FAIL(HEED_CORRUPT, "%s: the preparation of images is damaged",
                      "%s：图像的数据准备信息已损坏", name);
    }
    if (err == HEED_OK) t->column = hd_strdup(column);
    if (err == HEED_OK && !t->column) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK)
        *out = t;
    else
        images_free(t);
    return err;
}

// ── For a reader's eyes; random changes ──

static heed_err data_uri(const hd_image *image, json_t **out) {
    static const char head[] = "data:image/png;base64,";
    hd_str png;
    hd_str_init(&png);
    heed_err err = hd_image_png(image, &png);
    size_t most = sodium_base64_encoded_len(png.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = err == HEED_OK ? hd_alloc(sizeof head + most) : NULL;
    if (err == HEED_OK && !text) err = HD_FAIL_MEMORY(most);
    if (err == HEED_OK) {
        memcpy(text, head, sizeof head);
        sodium_bin2base64(text + sizeof head - 1, most, (const unsigned char *)png.data, png.len,
                          sodium_base64_VARIANT_ORIGINAL);
        err = hd_json_pack(out, "{s:s}", "image", text);
    }
    hd_free(text);
    hd_str_clear(&png);
    return err;
}

static heed_err images_show(const void *fitted, const hd_rows *from, size_t sample, size_t row,
                            json_t **out) {
    (void)sample;
    const images *t = fitted;
    hd_rows_column *column;
    hd_image image = {0}, small;
    *out = NULL;
    HD_TRY(hd_rows_need(from, t->column, &column));
    heed_err err = take_image(from, column, row, &image);
    size_t longest = image.height > image.width ? image.height : image.width;
    if (err == HEED_OK && longest > SHOWN) {
        size_t height = image.height * SHOWN / longest, width = image.width * SHOWN / longest;
        err = hd_image_resize(&image, height > 0 ? height : 1, width > 0 ? width : 1,
                              HD_FILTER_AREA, HD_FIT_STRETCH, &small);
        if (err == HEED_OK) {
            hd_image_clear(&image);
            image = small;
        }
    }
    if (err == HEED_OK) err = data_uri(&image, out);
    hd_image_clear(&image);
    return err;
}

static const char *images_column(const void *fitted) {
    return ((const images *)fitted)->column;
}

static heed_err images_augment(const void *fitted, const json_t *list, const hd_where *where,
                               const hd_input_env *env, hd_data *data, hd_data **out) {
    (void)env;
    (void)fitted;
    return hd_augment_data(data, list, where, HD_AUGMENT_IMAGE, false, NULL, out);
}

#define IMAGES_KIND(id, key, opener, en, zh)                                         \
    const hd_input_kind hd_input_##id = {.kind = {.name = (key),                     \
                                                  .size = sizeof(hd_images_options), \
                                                  .options = rows,                   \
                                                  .doc = HD_TEXT(en, zh)},           \
                                         .label = "label",                           \
                                         .image = images_column,                     \
                                         .open = opener,                             \
                                         .fit = images_fit,                          \
                                         .apply = images_apply,                      \
                                         .to_json = images_to_json,                  \
                                         .from_json = images_from_json,              \
                                         .free = images_free,                        \
                                         .show = images_show,                        \
                                         .augment = images_augment}

IMAGES_KIND(images, "images", hd_images_folders,
            "PNG and JPEG files in a folder with a sub-folder per class",
            "PNG 和 JPEG 文件，文件夹中每个类别一个子文件夹");
IMAGES_KIND(idx, "idx", hd_images_pairs, "MNIST's files: [images, labels] for each part",
            "MNIST 格式的文件：每部分为 [图像, 标签]");
