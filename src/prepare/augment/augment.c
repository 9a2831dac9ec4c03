// SPDX-License-Identifier: Apache-2.0
//
// Reading the list, and walking it for a sample. Every step draws from a stream of its own: a step
// added at the end changes nothing of what the ones before it draw.
//
// Moves (rotate, shift, …) are collected in one matrix and the image is resampled once: three
// bilinear passes would blur it thrice.
#include <math.h>

#include "base/mem.h"
#include "prepare/augment/rows.h"

static const hd_spec_kind *const kinds[] = {
    &hd_augment_rotate.kind, &hd_augment_shift.kind,      &hd_augment_scale.kind,
    &hd_augment_shear.kind,  &hd_augment_flip.kind,       &hd_augment_crop.kind,
    &hd_augment_noise.kind,  &hd_augment_brightness.kind, &hd_augment_cutout.kind,
    &hd_augment_drop.kind,   &hd_augment_swap.kind,       &hd_augment_replace.kind,
    &hd_augment_smote.kind,  &hd_augment_jitter.kind,     &hd_augment_window.kind,
};
const hd_spec_kinds hd_augment_kinds = {.what = HD_TEXT("augmentation", "数据增强"),
                                        .rows = kinds,
                                        .n = sizeof kinds / sizeof kinds[0]};

static const hd_text of_words[HD_AUGMENT_OFS] = {
    [HD_AUGMENT_IMAGE] = HD_TEXT("images", "图像"),
    [HD_AUGMENT_IDS] = HD_TEXT("texts", "文本"),
    [HD_AUGMENT_ROW] = HD_TEXT("rows of a table", "表格的行"),
    [HD_AUGMENT_SERIES] = HD_TEXT("series", "时间序列"),
};

// ── Reading ──

static heed_err check_step(const hd_choice *choice, hd_augment_of of, bool runs) {
    const hd_augment_kind *kind = (const hd_augment_kind *)choice->kind;
    hd_where_words place = hd_where_text(&choice->where);
    if (!(kind->of & 1u << of)) {
        return HD_FAIL(HEED_INPUT, "%1$s: '%2$s' can't change %3$s%4$.0s",
                       "%1$s：“%2$s”不能用于%3$.0s%4$s", place.text, kind->kind.name,
                       of_words[of].en, of_words[of].zh);
    }
    if (kind->in_order && runs) {
        return HD_FAIL(HEED_INPUT,
                       "%1$s: '%2$s' can't be done where runs of tokens are tokens too; take "
                       "'ngrams: 1', or 'drop'",
                       "%1$s：词元组合也作为词元时不能用“%2$s”；请设 ngrams: 1，或改用 drop",
                       place.text, kind->kind.name);
    }
    return HEED_OK;
}

static heed_err read_steps(const json_t *list, const hd_where *where, hd_augment_of of, bool runs,
                           hd_augment *out) {
    size_t n = json_is_array(list) ? json_array_size(list) : 1;
    out->steps = hd_arena_calloc(&out->arena, n + 1, sizeof *out->steps);
    if (!out->steps) return HD_FAIL_MEMORY(n * sizeof *out->steps);
    for (size_t i = 0; i < n; i++) {
        hd_where at = json_is_array(list) ? hd_where_at(where, i) : *where;
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : list;
        HD_TRY(hd_spec_read(&hd_augment_kinds, one, &at, &out->arena, &out->steps[i]));
        HD_TRY(check_step(&out->steps[i], of, runs));
        const hd_augment_kind *kind = (const hd_augment_kind *)out->steps[i].kind;
        out->another = out->another || kind->another;
        out->synonyms = out->synonyms || kind->synonyms;
    }
    out->n = n;
    return HEED_OK;
}

heed_err hd_augment_read(const json_t *list, const hd_where *where, hd_augment_of of, bool runs,
                         hd_augment *out) {
    *out = (hd_augment){0};
    hd_arena_init(&out->arena);
    heed_err err = read_steps(list, where, of, runs, out);
    if (err != HEED_OK) hd_augment_clear(out);
    return err;
}

void hd_augment_clear(hd_augment *augment) {
    hd_arena_clear(&augment->arena);
    *augment = (hd_augment){0};
}

// ── Moves ──

void hd_augment_move_add(hd_augment_move *move, const double m[2][3]) {
    double out[2][3];
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 3; j++) {
            out[i][j] = move->m[i][0] * m[0][j] + move->m[i][1] * m[1][j];
        }
        out[i][2] += move->m[i][2];
    }
    memcpy(move->m, out, sizeof out);
    move->moved = true;
}

static const hd_augment_move nowhere = {.m = {{1, 0, 0}, {0, 1, 0}}};

// Adds weight · source pixel (y, x); what lies outside is 0.
static void add_pixel(const hd_augment_sample *s, long y, long x, float weight, float *out) {
    if (y < 0 || x < 0 || (size_t)y >= s->height || (size_t)x >= s->width) return;
    const float *from = s->values + ((size_t)y * s->width + (size_t)x) * s->channels;
    for (size_t c = 0; c < s->channels; c++) out[c] += weight * from[c];
}

// At the border, where some of the four pixels around (y, x) lie outside.
static void border_pixel(const hd_augment_sample *s, long y, long x, const float weights[4],
                         float *out) {
    for (size_t c = 0; c < s->channels; c++) out[c] = 0;
    add_pixel(s, y, x, weights[0], out);
    add_pixel(s, y, x + 1, weights[1], out);
    add_pixel(s, y + 1, x, weights[2], out);
    add_pixel(s, y + 1, x + 1, weights[3], out);
}

static long floor_of(double x) {
    long whole = (long)x;
    return whole - (x < (double)whole);
}

static void make_pixel(const hd_augment_sample *s, double y, double x, float *out) {
    size_t channels = s->channels, line = s->width * channels;
    if (!(y > -1 && x > -1 && y < (double)s->height && x < (double)s->width)) {
        for (size_t c = 0; c < channels; c++) out[c] = 0;
        return;
    }
    long top = floor_of(y), left = floor_of(x);
    float v = (float)(y - (double)top), u = (float)(x - (double)left);
    const float w[4] = {(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u};
    if (top < 0 || left < 0 || (size_t)top + 1 >= s->height || (size_t)left + 1 >= s->width) {
        border_pixel(s, top, left, w, out);
        return;
    }
    const float *a = s->values + (size_t)top * line + (size_t)left * channels, *b = a + line;
    for (size_t c = 0; c < channels; c++) {
        out[c] = w[0] * a[c] + w[1] * a[c + channels] + w[2] * b[c] + w[3] * b[c + channels];
    }
}

static void resample(hd_augment_sample *s, hd_augment_move *move) {
    double cy = ((double)s->height - 1) / 2, cx = ((double)s->width - 1) / 2;
    for (size_t y = 0; y < s->height; y++) {
        for (size_t x = 0; x < s->width; x++) {
            double dy = (double)y - cy, dx = (double)x - cx;
            double sy = move->m[0][0] * dy + move->m[0][1] * dx + move->m[0][2] + cy;
            double sx = move->m[1][0] * dy + move->m[1][1] * dx + move->m[1][2] + cx;
            make_pixel(s, sy, sx, s->spare + (y * s->width + x) * s->channels);
        }
    }
    memcpy(s->values, s->spare, s->height * s->width * s->channels * sizeof *s->values);
    *move = nowhere;
}

// ── Applying ──

void hd_augment_apply(const hd_augment *augment, uint64_t seed, uint64_t stream,
                      hd_augment_sample *sample) {
    hd_augment_move move = nowhere;
    for (size_t i = 0; i < augment->n; i++) {
        const hd_augment_kind *kind = (const hd_augment_kind *)augment->steps[i].kind;
        hd_rng rng = hd_rng_make(seed, hd_rng_at(seed, stream, i));
        kind->apply(augment->steps[i].options, &rng, sample, &move);
    }
    if (move.moved) resample(sample, &move);
}
