// SPDX-License-Identifier: Apache-2.0
//
// libspng for PNG (its allocations are ours, counted and limited) and libjpeg-turbo's TurboJPEG
// interface for JPEG: it keeps setjmp to itself. Its working memory is its own, bounded by the
// pixels that are let in and, for progressive files, by a limit of scans.
//
// A JPEG with a warning is taken (stray bytes between markers are common), unless the warning says
// that it ends too early: half an image is worse than none.
#include "prepare/image.h"

#include <spng.h>
#include <turbojpeg.h>

#include "base/fs.h"
#include "base/mem.h"
#include "prepare/image_turn.h"

void hd_image_clear(hd_image *image) {
    hd_free(image->pixels);
    *image = (hd_image){0};
}

heed_err hd_image_new(size_t height, size_t width, size_t channels, hd_image *out) {
    *out = (hd_image){height, width, channels, NULL};
    out->pixels = hd_calloc(height * width + 1, channels);
    return out->pixels ? HEED_OK : HD_FAIL_MEMORY(height * width * channels);
}

static heed_err damaged(const char *name, const char *format, const char *why) {
    return HD_FAIL(HEED_INPUT,
                   "'%s' can't be decoded as %s (%s): it is damaged or cut short; save it anew or "
                   "leave it out",
                   "“%s”无法按 %s 解码（%s）：文件已损坏或不完整；请重新保存，或去掉该文件", name,
                   format, why);
}

static heed_err check_size(const char *name, const char *format, size_t width, size_t height,
                           size_t most) {
    if (most == 0) most = HD_IMAGE_PIXELS;
    if (width > 0 && height > 0 && width <= HD_IMAGE_SIDE && height <= HD_IMAGE_SIDE &&
        width * height <= most) {
        return HEED_OK;
    }
    if (width == 0 || height == 0) return damaged(name, format, "it names no size");
    return HD_FAIL(HEED_INPUT,
                   "'%1$s' has %2$zu × %3$zu pixels: more than %4$d on a side or %5$zu in all "
                   "aren't taken; make it smaller",
                   "“%1$s”有 %2$zu × %3$zu 像素：每边至多 %4$d、总数至多 %5$zu，请先缩小", name,
                   width, height, (int)HD_IMAGE_SIDE, most);
}

// ── PNG ──

// Colour and what shines through, laid on white.
static void blend(const unsigned char *rgba, size_t n, hd_image *out) {
    for (size_t i = 0; i < n; i++) {
        unsigned a = rgba[4 * i + 3];
        for (size_t c = 0; c < out->channels; c++) {
            unsigned over = rgba[4 * i + c] * a + 255 * (255 - a);
            out->pixels[i * out->channels + c] = (unsigned char)((over + 127) / 255);
        }
    }
}

static heed_err png_pixels(spng_ctx *png, const char *name, const struct spng_ihdr *head,
                           hd_image *out) {
    size_t n = (size_t)head->width * head->height;
    bool grey = head->color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                head->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    unsigned char *rgba = hd_alloc(4 * n);
    if (!rgba) return HD_FAIL_MEMORY(4 * n);
    uint64_t failures = hd_mem_failures();
    heed_err err = HEED_OK;
    int code = spng_decode_image(png, rgba, 4 * n, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    if (code != 0) {
        err = hd_mem_failures() > failures ? HD_FAIL_MEMORY(0)
                                           : damaged(name, "PNG", spng_strerror(code));
    }
    if (err == HEED_OK) err = hd_image_new(head->height, head->width, grey ? 1 : 3, out);
    if (err == HEED_OK) blend(rgba, n, out);
    hd_free(rgba);
    return err;
}

static heed_err decode_png(const void *bytes, size_t n, const char *name, size_t most,
                           hd_image *out) {
    struct spng_alloc alloc = {hd_alloc, hd_realloc, hd_calloc, hd_free};
    struct spng_ihdr head;
    uint64_t failures = hd_mem_failures();
    spng_ctx *png = spng_ctx_new2(&alloc, 0);
    if (!png) return HD_FAIL_MEMORY(0);
    int code = spng_set_png_buffer(png, bytes, n);
    if (code == 0) code = spng_set_chunk_limits(png, 1 << 20, 1 << 22);
    if (code == 0) code = spng_get_ihdr(png, &head);
    heed_err err = HEED_OK;
    if (code != 0) {
        err = hd_mem_failures() > failures ? HD_FAIL_MEMORY(0)
                                           : damaged(name, "PNG", spng_strerror(code));
    }
    if (err == HEED_OK) err = check_size(name, "PNG", head.width, head.height, most);
    if (err == HEED_OK) err = png_pixels(png, name, &head, out);
    spng_ctx_free(png);
    return err;
}

heed_err hd_image_png(const hd_image *image, hd_str *out) {
    struct spng_alloc alloc = {hd_alloc, hd_realloc, hd_calloc, hd_free};
    struct spng_ihdr head = {.width = (uint32_t)image->width,
                             .height = (uint32_t)image->height,
                             .bit_depth = 8,
                             .color_type = image->channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE
                                                                : SPNG_COLOR_TYPE_TRUECOLOR};
    uint64_t failures = hd_mem_failures();
    spng_ctx *png = spng_ctx_new2(&alloc, SPNG_CTX_ENCODER);
    if (!png) return HD_FAIL_MEMORY(0);
    size_t n = 0;
    void *bytes = NULL;
    int code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    if (code == 0) code = spng_set_ihdr(png, &head);
    if (code == 0) {
        code = spng_encode_image(png, image->pixels, image->height * image->width * image->channels,
                                 SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    }
    if (code == 0) bytes = spng_get_png_buffer(png, &n, &code);
    heed_err err = HEED_OK;
    if (bytes) hd_str_addn(out, bytes, n);
    if (!bytes) {
        err = hd_mem_failures() > failures
                  ? HD_FAIL_MEMORY(0)
                  : HD_FAIL(HEED_INTERNAL, "an image can't be written as PNG: %s",
                            "图像无法写成 PNG：%s", spng_strerror(code));
    }
    hd_free(bytes);
    spng_ctx_free(png);
    return err == HEED_OK ? hd_str_check(out) : err;
}

// ── JPEG ──

// Inks as Adobe writes them: 255 is none.
static void from_inks(const unsigned char *cmyk, size_t n, unsigned char *rgb) {
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++) {
            rgb[3 * i + c] = (unsigned char)((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
        }
    }
}

static bool is_whole(tjhandle jpeg) {
    return tjGetErrorCode(jpeg) == TJERR_WARNING && !strstr(tjGetErrorStr2(jpeg), "remature");
}

static heed_err jpeg_pixels(tjhandle jpeg, const void *bytes, size_t n, const char *name, int space,
                            hd_image *out) {
    int format = space == TJCS_GRAY                         ? TJPF_GRAY
                 : space == TJCS_CMYK || space == TJCS_YCCK ? TJPF_CMYK
                                                            : TJPF_RGB;
    unsigned char *into = out->pixels, *cmyk = NULL;
    if (format == TJPF_CMYK) {
        into = cmyk = hd_alloc(4 * out->width * out->height);
        if (!cmyk) return HD_FAIL_MEMORY(4 * out->width * out->height);
    }
    heed_err err = HEED_OK;
    if (tjDecompress2(jpeg, bytes, n, into, (int)out->width, 0, (int)out->height, format,
                      TJFLAG_LIMITSCANS | TJFLAG_ACCURATEDCT) != 0 &&
        !is_whole(jpeg)) {
        err = damaged(name, "JPEG", tjGetErrorStr2(jpeg));
    }
    if (err == HEED_OK && cmyk) from_inks(cmyk, out->width * out->height, out->pixels);
    hd_free(cmyk);
    return err;
}

static heed_err decode_jpeg(const void *bytes, size_t n, const char *name, size_t most,
                            hd_image *out) {
    int width = 0, height = 0, sampling = 0, space = 0;
    tjhandle jpeg = tjInitDecompress();
    if (!jpeg) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    if (tjDecompressHeader3(jpeg, bytes, n, &width, &height, &sampling, &space) != 0 &&
        !is_whole(jpeg)) {
        err = damaged(name, "JPEG", tjGetErrorStr2(jpeg));
    }
    if (err == HEED_OK) err = check_size(name, "JPEG", (size_t)width, (size_t)height, most);
    if (err == HEED_OK) {
        err = hd_image_new((size_t)height, (size_t)width, space == TJCS_GRAY ? 1 : 3, out);
    }
    if (err == HEED_OK) err = jpeg_pixels(jpeg, bytes, n, name, space, out);
    if (err == HEED_OK) err = hd_image_turn(out, hd_jpeg_orientation(bytes, n));
    tjDestroy(jpeg);
    return err;
}

heed_err hd_image_decode(const void *bytes, size_t n, const char *name, size_t most,
                         hd_image *out) {
    const unsigned char *p = bytes;
    heed_err err;
    *out = (hd_image){0};
    if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        err = decode_png(bytes, n, name, most, out);
    else if (n >= 3 && p[0] == 0xFF && p[1] == 0xD8 && p[2] == 0xFF)
        err = decode_jpeg(bytes, n, name, most, out);
    else
        err = HD_FAIL(HEED_INPUT, "'%s' is neither PNG nor JPEG: convert it to one of them",
                      "“%s”既不是 PNG 也不是 JPEG：请转换为其中一种", name);
    if (err != HEED_OK) hd_image_clear(out);
    return err;
}

heed_err hd_image_read(const char *path, size_t most, hd_image *out) {
    hd_str bytes;
    hd_str_init(&bytes);
    *out = (hd_image){0};
    heed_err err = hd_fs_read(path, 0, &bytes);
    if (err == HEED_OK) err = hd_image_decode(bytes.data, bytes.len, path, most, out);
    hd_str_clear(&bytes);
    return err;
}

// ── Channels ──

// Weights of BT.601 in 16 bits, as PIL's "L" has them.
static unsigned char luma(const unsigned char *rgb) {
    return (unsigned char)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

heed_err hd_image_convert(hd_image *image, size_t channels) {
    hd_image out;
    if (image->channels == channels) return HEED_OK;
    HD_TRY(hd_image_new(image->height, image->width, channels, &out));
    for (size_t i = 0; i < image->height * image->width; i++) {
        if (channels == 1)
            out.pixels[i] = luma(image->pixels + 3 * i);
        else
            memset(out.pixels + channels * i, image->pixels[i], channels);
    }
    hd_image_clear(image);
    *image = out;
    return HEED_OK;
}

void hd_image_planes(const unsigned char *pixels, size_t n, size_t channels, unsigned char *out) {
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < n; i++) out[c * n + i] = pixels[i * channels + c];
    }
}

void hd_image_interleave(const unsigned char *planes, size_t n, size_t channels,
                         unsigned char *out) {
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < n; i++) out[i * channels + c] = planes[c * n + i];
    }
}
