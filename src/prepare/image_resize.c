// SPDX-License-Identifier: Apache-2.0
//
// Resampling along one side, then along the other. Each pixel that is made is a weighed mean of
// those below it: by overlap (area) or by a tent as wide as the step (bilinear; one pixel wide
// where the image grows). A tent of fixed width, as many libraries have it, skips pixels where an
// image shrinks by more than half: lines vanish and others flicker.
#include <math.h>

#include "base/mem.h"
#include "prepare/image.h"

const char *const hd_image_filters[] = {"bilinear", "area", NULL};
const char *const hd_image_fits[] = {"stretch", "crop", "pad", NULL};

// Weights of the source pixels first … first + n for one target pixel.
typedef struct tap {
    size_t first, n;
    float *weights;
} tap;

// The part [from, to) of a side of `have` pixels becomes `want` pixels.
typedef struct side {
    size_t have, want;
    double from, to;
} side;

static double weight_at(hd_image_filter filter, double distance, double scale) {
    distance = fabs(distance) / scale;
    if (filter == HD_FILTER_BILINEAR) return distance < 1 ? 1 - distance : 0;
    return distance;
}

static void make_tap(const side *s, hd_image_filter filter, size_t i, tap *t) {
    double step = (s->to - s->from) / (double)s->want, scale = step > 1 ? step : 1, sum = 0;
    double low = s->from + step * (double)i, high = low + step, middle = (low + high) / 2;
    if (filter == HD_FILTER_BILINEAR) {
        low = middle - scale;
        high = middle + scale;
    }
    double first = floor(low > 0 ? low : 0),
           last = ceil(high < (double)s->have ? high : (double)s->have);
    t->first = (size_t)first;
    t->n = 0;
    for (double p = first; p < last; p++) {
        double w = filter == HD_FILTER_AREA ? fmin(p + 1, high) - fmax(p, low)
                                            : weight_at(filter, p + 0.5 - middle, scale);
        if (w < 0) w = 0;
        t->weights[t->n++] = (float)w;
        sum += w;
    }
    for (size_t k = 0; k < t->n; k++)
        t->weights[k] = sum > 0 ? (float)((double)t->weights[k] / sum) : 0;
}

// All taps of a side: *out and *block for hd_free.
static heed_err make_taps(const side *s, hd_image_filter filter, tap **out, float **block) {
    size_t most = (size_t)(2 * ceil(fmax((s->to - s->from) / (double)s->want, 1))) + 3;
    *out = hd_calloc(s->want, sizeof **out);
    *block = hd_calloc(s->want, most * sizeof **block);
    if (!*out || !*block) return HD_FAIL_MEMORY(s->want * most * sizeof **block);
    for (size_t i = 0; i < s->want; i++) {
        (*out)[i].weights = *block + i * most;
        make_tap(s, filter, i, &(*out)[i]);
    }
    return HEED_OK;
}

// out[i] = Σ weight · in[first + k]; values of `width` floats each, `stride` apart.
static void across(const hd_image *in, const tap *taps, size_t want, float *out) {
    size_t channels = in->channels;
    for (size_t y = 0; y < in->height; y++) {
        const unsigned char *row = in->pixels + y * in->width * channels;
        for (size_t x = 0; x < want; x++) {
            for (size_t c = 0; c < channels; c++) {
                float sum = 0;
                for (size_t k = 0; k < taps[x].n; k++) {
                    sum += taps[x].weights[k] * (float)row[(taps[x].first + k) * channels + c];
                }
                out[(y * want + x) * channels + c] = sum;
            }
        }
    }
}

static void along(const float *in, size_t width, const tap *taps, size_t want, unsigned char *out,
                  size_t stride) {
    for (size_t y = 0; y < want; y++) {
        for (size_t i = 0; i < width; i++) {
            float sum = 0;
            for (size_t k = 0; k < taps[y].n; k++) {
                sum += taps[y].weights[k] * in[(taps[y].first + k) * width + i];
            }
            out[y * stride + i] = (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum + 0.5F);
        }
    }
}

// Makes the window at (top, left) of `out`, w->want by h->want, from the image.
static heed_err resample(const hd_image *in, const side *h, const side *w, hd_image_filter filter,
                         size_t top, size_t left, hd_image *out) {
    tap *rows = NULL, *columns = NULL;
    float *blocks[2] = {NULL, NULL}, *middle = NULL;
    size_t width = w->want * in->channels;
    heed_err err = HEED_OK;
    HD_TRY_OUT(make_taps(h, filter, &rows, &blocks[0]));
    HD_TRY_OUT(make_taps(w, filter, &columns, &blocks[1]));
    middle = hd_alloc(in->height * width * sizeof *middle);
    if (!middle) HD_TRY_OUT(HD_FAIL_MEMORY(in->height * width * sizeof *middle));
    across(in, columns, w->want, middle);
    along(middle, width, rows, h->want, out->pixels + (top * out->width + left) * out->channels,
          out->width * out->channels);
out:
    hd_free(rows);
    hd_free(columns);
    hd_free(blocks[0]);
    hd_free(blocks[1]);
    hd_free(middle);
    return err;
}

// The longer of two shapes is cut to the other's, at both ends alike.
static void crop(side *h, side *w) {
    double want = (double)h->want / (double)w->want, have = (double)h->have / (double)w->have;
    side *s = have > want ? h : w;
    double length = have > want ? (double)w->have * want : (double)h->have / want;
    s->from = ((double)s->have - length) / 2;
    s->to = s->from + length;
}

static size_t scaled(size_t have, size_t want, size_t other) {
    size_t out = (have * want + other / 2) / other;
    return out > 0 ? out : 1;
}

heed_err hd_image_resize(const hd_image *image, size_t height, size_t width, hd_image_filter filter,
                         hd_image_fit fit, hd_image *out) {
    side h = {image->height, height, 0, (double)image->height};
    side w = {image->width, width, 0, (double)image->width};
    HD_TRY(hd_image_new(height, width, image->channels, out));
    if (image->height == height && image->width == width) {
        memcpy(out->pixels, image->pixels, height * width * image->channels);
        return HEED_OK;
    }
    if (fit == HD_FIT_CROP) crop(&h, &w);
    if (fit == HD_FIT_PAD && image->height * width > image->width * height)
        w.want = scaled(image->width, height, image->height);
    else if (fit == HD_FIT_PAD)
        h.want = scaled(image->height, width, image->width);
    heed_err err =
        resample(image, &h, &w, filter, (height - h.want) / 2, (width - w.want) / 2, out);
    if (err != HEED_OK) hd_image_clear(out);
    return err;
}
