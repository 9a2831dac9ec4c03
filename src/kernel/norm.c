// SPDX-License-Identifier: Apache-2.0
//
// Batch norm is group norm of one image of all places with a group per channel. Forward: sums of
// each channel by pieces of rows; from them each group's mean and variance (Chan, Golub, LeVeque
// 1983: n·δ² for what lies between the pieces); then y = a·x + b, one fused pass. Backward: two
// sums per channel, one fused pass. Reading twice is the least there is: the sums must be known.
#include "kernel/norm.h"

#include <math.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/kernels.h"
#include "kernel/norm_path.h"

enum {
    PIECES = 64,    // about so many, if they come out
    LEAST = 16384,  // values of a piece: less isn't worth a chunk,
    MOST = 1 << 17, // more makes its sums too coarse
    TOGETHER = 16   // channels whose pieces are put together at once
};

typedef struct pieces {
    size_t rows, per_image, count; // rows each; pieces
} pieces;

static pieces cut(size_t n, size_t rows, size_t c) {
    size_t values = n * rows * c / PIECES;
    if (values < LEAST) values = LEAST;
    if (values > MOST) values = MOST;
    pieces p = {.rows = c > 0 && c < values ? values / c : 1};
    p.per_image = (rows + p.rows - 1) / p.rows;
    p.count = n * p.per_image;
    return p;
}

typedef struct array { // of values of one type; NULL: there is none
    const char *at;
    size_t size; // of a value
} array;
typedef struct room { // for such
    char *at;
    size_t size;
} room;

static array array_of(const void *at, hd_dtype type) {
    return (array){at, hd_dtype_size(type)};
}
static room room_of(void *at, hd_dtype type) {
    return (room){at, hd_dtype_size(type)};
}
static const void *value_at(array a, size_t i) {
    return a.at ? a.at + i * a.size : NULL;
}
static void *place_at(room a, size_t i) {
    return a.at ? a.at + i * a.size : NULL;
}

typedef struct job {
    const hd_norm *norm;
    pieces cut;
    array x, dy, residual;
    room y, dx, through;
    unsigned narrow;
    hd_norm_mask mask;
    float *sums;  // (pieces, 2, c)
    float *p[4];  // (images, c) each: coefficients; forward uses two
    float *means; // (images, c): what back_sums subtracts
    bool relu, known;
    const hd_norm_kernels *kernels;
} job;

static size_t align(size_t floats) {
    return (floats + 15) / 16 * 16;
}

size_t hd_norm_workspace(const hd_norm *norm) {
    const size_t c = align(norm->c);
    return sizeof(float) * (cut(norm->n, norm->rows, norm->c).count * 2 * c + 7 * norm->n * c);
}

static job job_make(const hd_norm *norm, void *workspace) {
    job j = {.norm = norm, .cut = cut(norm->n, norm->rows, norm->c)};
    const size_t c = align(norm->c);
    j.kernels = hd_kernels_get()->norm;
    j.sums = workspace;
    float *at = j.sums + j.cut.count * 2 * c;
    for (int i = 0; i < 4; i++, at += norm->n * c) j.p[i] = at;
    j.means = at;
    j.relu = norm->relu;
    return j;
}

typedef struct piece {
    size_t image, rows, at; // at: first value
} piece;

static piece piece_at(const job *j, size_t i) {
    piece p = {.image = i / j->cut.per_image};
    const size_t row = i % j->cut.per_image * j->cut.rows;
    p.rows = j->norm->rows - row < j->cut.rows ? j->norm->rows - row : j->cut.rows;
    p.at = (p.image * j->norm->rows + row) * j->norm->c;
    return p;
}

// Pieces are summed from the last to the first: who wrote x wrote its end last, and the pass that
// follows begins where this one ends.
static heed_err sums_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    chunk = j->cut.count - 1 - chunk;
    const piece p = piece_at(j, chunk);
    float *to = j->sums + chunk * 2 * align(j->norm->c);
    j->kernels->sums(j->narrow, p.rows, j->norm->c, value_at(j->x, p.at), to,
                     to + align(j->norm->c));
    return HEED_OK;
}

static heed_err affine_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const piece p = piece_at(j, chunk);
    const size_t c = p.image * align(j->norm->c);
    j->kernels->affine(j->narrow, p.rows, j->norm->c, value_at(j->x, p.at), j->p[0] + c,
                       j->p[1] + c, value_at(j->residual, p.at), j->relu, place_at(j->y, p.at));
    return HEED_OK;
}

// What the pieces are put together into: of each (image, channel), in the room of coefficients that
// the forward doesn't use.
static double *channel_means(const job *j) {
    return (double *)(void *)j->p[2];
}
static double *channel_squares(const job *j) {
    return (double *)(void *)j->means;
}

static double first_value(const job *j, size_t i) {
    const void *at = value_at(j->x, i);
    return (double)(j->narrow & HD_NORM_X16 ? hd_f32_of_bf16(*(const uint16_t *)at)
                                            : *(const float *)at);
}

// chunk: (image, TOGETHER channels): their means and sums of squares around them.
static heed_err moments_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const size_t c = align(j->norm->c), blocks = c / TOGETHER, image = chunk / blocks;
    const size_t c0 = chunk % blocks * TOGETHER;
    const size_t width = j->norm->c - c0 < TOGETHER ? j->norm->c - c0 : TOGETHER;
    double m[TOGETHER] = {0}, s[TOGETHER] = {0}, count = 0;
    for (size_t i = image * j->cut.per_image; i < (image + 1) * j->cut.per_image; i++) {
        const piece p = piece_at(j, i);
        const float *sums = j->sums + i * 2 * c + c0;
        const double n = (double)p.rows, all = count + n, part = n / all, both = count * part;
        for (size_t k = 0; k < width; k++) {
            const double mean = (double)sums[k] / n;
            const double delta = first_value(j, p.at + c0 + k) + mean - m[k];
            const double square = (double)sums[c + k] - (double)sums[k] * mean;
            m[k] += delta * part;
            s[k] += (square < 0 ? 0 : square) + delta * delta * both; // (NaN passes)
        }
        count = all;
    }
    memcpy(channel_means(j) + image * c + c0, m, sizeof m);
    memcpy(channel_squares(j) + image * c + c0, s, sizeof s);
    return HEED_OK;
}

// The mean and the sum of squares around it of channels [c0, c1) of an image.
static void moments(const job *j, size_t image, size_t c0, size_t c1, double *mean, double *m2) {
    const double *m = channel_means(j) + image * align(j->norm->c);
    const double *s = channel_squares(j) + image * align(j->norm->c);
    const double n = (double)j->norm->rows;
    double count = 0;
    *mean = *m2 = 0;
    for (size_t k = c0; k < c1 && n > 0; k++, count += n) {
        const double delta = m[k] - *mean, part = n / (count + n);
        *mean += delta * part;
        *m2 += s[k] + delta * delta * count * part;
    }
}

static unsigned bit_of(hd_dtype type, unsigned bit) {
    return type == HD_BF16 ? bit : 0;
}

// y = a·x + b for channels of one group.
static void coefficients(const job *j, size_t image, size_t c0, size_t c1, const float *gamma,
                         const float *beta, float mean, float scale) {
    for (size_t k = c0, at = image * align(j->norm->c) + c0; k < c1; k++, at++) {
        j->p[0][at] = gamma ? gamma[k] * scale : scale;
        j->p[1][at] = (float)((beta ? (double)beta[k] : 0) - (double)mean * (double)j->p[0][at]);
    }
}

static void forward_arrays(job *j, const void *x, const void *residual, void *y) {
    const hd_norm *n = j->norm;
    j->x = array_of(x, n->x_type), j->y = room_of(y, n->y_type);
    j->residual = array_of(residual, n->residual_type);
    j->narrow = bit_of(n->x_type, HD_NORM_X16) | bit_of(n->y_type, HD_NORM_Y16) |
                bit_of(residual ? n->residual_type : n->x_type, HD_NORM_ADDED16);
}

heed_err hd_norm_forward(hd_pool *pool, const hd_norm *norm, const void *x, const float *gamma,
                         const float *beta, const void *residual, void *y, float *mean,
                         float *scale, void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = job_make(norm, workspace);
    forward_arrays(&j, x, residual, y);
    HD_TRY(hd_pool_run(pool, j.cut.count, sums_chunk, &j));
    HD_TRY(hd_pool_run(pool, norm->n * (align(norm->c) / TOGETHER), moments_chunk, &j));
    const size_t width = norm->c / norm->groups;
    for (size_t i = 0; i < norm->n * norm->groups; i++) {
        const size_t image = i / norm->groups, c0 = i % norm->groups * width;
        double m = 0, m2 = 0;
        const double count = (double)(norm->rows * width);
        moments(&j, image, c0, c0 + width, &m, &m2);
        mean[i] = (float)m;
        scale[i] = (float)(1 / sqrt((count > 0 ? m2 / count : 0) + (double)norm->eps));
        coefficients(&j, image, c0, c0 + width, gamma, beta, mean[i], scale[i]);
    }
    return hd_pool_run(pool, j.cut.count, affine_chunk, &j);
}

heed_err hd_norm_apply(hd_pool *pool, const hd_norm *norm, const void *x, const float *gamma,
                       const float *beta, const float *mean, const float *scale,
                       const void *residual, void *y, void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = job_make(norm, workspace);
    const size_t width = norm->c / norm->groups;
    forward_arrays(&j, x, residual, y);
    for (size_t i = 0; i < norm->n * norm->groups; i++) {
        const size_t c0 = i % norm->groups * width;
        coefficients(&j, i / norm->groups, c0, c0 + width, gamma, beta, mean[i], scale[i]);
    }
    return hd_pool_run(pool, j.cut.count, affine_chunk, &j);
}

// ── backward ──

static hd_norm_mask mask_at(const job *j, const piece *p) {
    hd_norm_mask m = j->mask;
    const size_t size = j->narrow & HD_NORM_MASK16 ? sizeof(uint16_t) : sizeof(float);
    if (m.y) m.y = (const char *)m.y + p->at * size;
    if (m.a) m.a += p->image * align(j->norm->c), m.b += p->image * align(j->norm->c);
    return m;
}

static heed_err back_sums_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    chunk = j->cut.count - 1 - chunk;
    const piece p = piece_at(j, chunk);
    const size_t c = align(j->norm->c);
    float *to = j->sums + chunk * 2 * c;
    j->kernels->back_sums(j->narrow, p.rows, j->norm->c, value_at(j->x, p.at),
                          value_at(j->dy, p.at), mask_at(j, &p), j->means + p.image * c, to,
                          to + c);
    return HEED_OK;
}

static heed_err back_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const piece p = piece_at(j, chunk);
    const size_t c = p.image * align(j->norm->c);
    const float *const coefficient[] = {j->p[0] + c, j->p[1] + c, j->p[2] + c, j->p[3] + c};
    j->kernels->back(j->narrow, p.rows, j->norm->c, value_at(j->x, p.at), value_at(j->dy, p.at),
                     mask_at(j, &p), coefficient, place_at(j->dx, p.at),
                     place_at(j->through, p.at));
    return HEED_OK;
}

// chunk: (image, TOGETHER of its sums). Adds the pieces up; the first piece's place holds the
// result.
static heed_err back_totals_chunk(void *ctx, size_t chunk) {
    const job *j = ctx;
    const size_t c = align(j->norm->c), blocks = 2 * c / TOGETHER, image = chunk / blocks;
    const size_t at = chunk % blocks * TOGETHER;
    const size_t left = at % c < j->norm->c ? j->norm->c - at % c : 0;
    const size_t width = left < TOGETHER ? left : TOGETHER;
    float *to = j->sums + image * j->cut.per_image * 2 * c + at;
    double sum[TOGETHER] = {0};
    for (size_t i = 0; i < j->cut.per_image; i++)
        for (size_t k = 0; k < width; k++) sum[k] += (double)to[i * 2 * c + k];
    for (size_t k = 0; k < width; k++) to[k] = (float)sum[k];
    return HEED_OK;
}

// dx = a·dz − q·(x − mean) + k of one group, from its channels' sums.
static void back_coefficients(const job *j, size_t image, size_t c0, size_t c1, const float *gamma,
                              float mean, float scale) {
    const size_t c = align(j->norm->c), at = image * c;
    const float *s1 = j->sums + image * j->cut.per_image * 2 * c, *s2 = s1 + c;
    const double count = (double)(j->norm->rows * (c1 - c0));
    double m1 = 0, m2 = 0;
    for (size_t k = c0; k < c1; k++) {
        const double g = gamma ? (double)gamma[k] : 1;
        m1 += g * (double)s1[k];
        m2 += g * (double)s2[k];
    }
    const double s = (double)scale;
    for (size_t k = c0; k < c1; k++) {
        j->p[0][at + k] = (float)((gamma ? (double)gamma[k] : 1) * s);
        j->p[1][at + k] = j->known ? 0 : (float)(s * s * s * m2 / count);
        j->p[2][at + k] = mean;
        j->p[3][at + k] = j->known ? 0 : (float)(-s * m1 / count);
    }
}

static void back_weights(const job *j, const float *scale, float *dgamma, float *dbeta) {
    const hd_norm *norm = j->norm;
    const size_t c = align(norm->c), width = norm->c / norm->groups;
    for (size_t k = 0; k < norm->c; k++) {
        double g = 0, b = 0;
        for (size_t i = 0; i < norm->n && norm->rows > 0; i++) {
            const float *s = j->sums + i * j->cut.per_image * 2 * c;
            b += (double)s[k];
            g += (double)s[c + k] * (double)scale[i * norm->groups + k / width];
        }
        if (dgamma) dgamma[k] = (float)g;
        if (dbeta) dbeta[k] = (float)b;
    }
}

// (What isn't there is of x's type, so that all are of one where those that are there are.)
static void back_arrays(job *j, const void *x, const void *y, const void *dy,
                        const hd_norm_grads *out) {
    const hd_norm *n = j->norm;
    j->x = array_of(x, n->x_type), j->dy = array_of(dy, n->dy_type);
    j->dx = room_of(out->dx, n->dx_type);
    j->through = room_of(out->dresidual, n->residual_type);
    j->narrow = bit_of(n->x_type, HD_NORM_X16) | bit_of(n->dy_type, HD_NORM_Y16) |
                bit_of(n->dx_type, HD_NORM_DX16) |
                bit_of(out->dresidual ? n->residual_type : n->x_type, HD_NORM_ADDED16) |
                bit_of(n->relu && y ? n->y_type : n->x_type, HD_NORM_MASK16);
}

heed_err hd_norm_backward(hd_pool *pool, const hd_norm *norm, bool known, const void *x,
                          const float *gamma, const float *beta, const void *y, const float *mean,
                          const float *scale, const void *dy, hd_norm_grads out, void *workspace) {
    HD_TRY(hd_isa_ready());
    job j = job_make(norm, workspace);
    back_arrays(&j, x, y, dy, &out);
    j.known = known;
    const size_t width = norm->c / norm->groups, c = align(norm->c);
    float *mask[2] = {j.means + norm->n * c, j.means + 2 * norm->n * c};
    if (norm->relu && y)
        j.mask.y = y;
    else if (norm->relu)
        j.mask.a = mask[0], j.mask.b = mask[1];
    for (size_t i = 0; i < norm->n * norm->c; i++) {
        const size_t image = i / norm->c, k = i % norm->c, g = image * norm->groups + k / width;
        j.means[image * c + k] = mean[g];
        if (!j.mask.a) continue;
        coefficients(&j, image, k, k + 1, gamma, beta, mean[g], scale[g]);
        mask[0][image * c + k] = j.p[0][image * c + k];
        mask[1][image * c + k] = j.p[1][image * c + k];
    }
    HD_TRY(hd_pool_run(pool, j.cut.count, back_sums_chunk, &j));
    if (norm->rows > 0)
        HD_TRY(hd_pool_run(pool, norm->n * (2 * align(norm->c) / TOGETHER), back_totals_chunk, &j));
    back_weights(&j, scale, out.dgamma, out.dbeta);
    if (!out.dx) return HEED_OK;
    for (size_t i = 0; i < norm->n * norm->groups && norm->rows > 0; i++) {
        const size_t c0 = i % norm->groups * width;
        back_coefficients(&j, i / norm->groups, c0, c0 + width, gamma, mean[i], scale[i]);
    }
    return hd_pool_run(pool, j.cut.count, back_chunk, &j);
}

// ── rows ──

enum { ROW_CHUNKS = 64, ROWS_LEAST = 4 };

typedef struct rows_job {
    const hd_row_norm *norm;
    const char *x, *dy;
    const float *gamma, *beta, *mean, *scale;
    char *y, *dx;
    float *mean_out, *scale_out, *sums;
    size_t per_chunk, chunks;
    size_t x_row, y_row, dx_row; // bytes
    unsigned narrow;
    bool dgamma, dbeta;
} rows_job;

// Rows per chunk: by the shape, so that sums over rows are too.
static rows_job rows_make(const hd_row_norm *norm) {
    rows_job j = {.norm = norm, .per_chunk = (norm->rows + ROW_CHUNKS - 1) / ROW_CHUNKS};
    if (j.per_chunk < ROWS_LEAST) j.per_chunk = ROWS_LEAST;
    j.chunks = (norm->rows + j.per_chunk - 1) / j.per_chunk;
    return j;
}

static void rows_types(rows_job *j, hd_dtype y_type, hd_dtype dx_type) {
    const hd_row_norm *n = j->norm;
    j->x_row = n->d * hd_dtype_size(n->x_type);
    j->y_row = n->d * hd_dtype_size(y_type);
    j->dx_row = n->d * hd_dtype_size(dx_type);
    j->narrow = (n->x_type == HD_BF16 ? HD_NORM_X16 : 0U) | (y_type == HD_BF16 ? HD_NORM_Y16 : 0U) |
                (dx_type == HD_BF16 ? HD_NORM_DX16 : 0U);
}

static heed_err rows_chunk(void *ctx, size_t chunk) {
    const rows_job *j = ctx;
    const size_t d = j->norm->d, from = chunk * j->per_chunk;
    const size_t to = from + j->per_chunk < j->norm->rows ? from + j->per_chunk : j->norm->rows;
    const hd_norm_kernels *kernels = hd_kernels_get()->norm;
    kernels->rows(j->narrow, to - from, d, j->x + from * j->x_row, j->gamma, j->beta, j->norm->eps,
                  j->norm->rms, j->y + from * j->y_row, j->mean_out + from, j->scale_out + from);
    return HEED_OK;
}

static heed_err rows_back_chunk(void *ctx, size_t chunk) {
    const rows_job *j = ctx;
    const size_t d = j->norm->d, from = chunk * j->per_chunk;
    const size_t to = from + j->per_chunk < j->norm->rows ? from + j->per_chunk : j->norm->rows;
    const hd_norm_kernels *kernels = hd_kernels_get()->norm;
    float *sums = j->sums + chunk * 2 * align(d);
    memset(sums, 0, 2 * align(d) * sizeof *sums);
    kernels->rows_back(j->narrow, to - from, d, j->x + from * j->x_row, j->dy + from * j->y_row,
                       j->gamma, j->mean ? j->mean + from : NULL, j->scale + from, j->norm->rms,
                       j->dx ? j->dx + from * j->dx_row : NULL, j->dgamma ? sums : NULL,
                       j->dbeta ? sums + align(d) : NULL);
    return HEED_OK;
}

size_t hd_row_norm_workspace(const hd_row_norm *norm) {
    return rows_make(norm).chunks * 2 * align(norm->d) * sizeof(float);
}

heed_err hd_row_norm_forward(hd_pool *pool, const hd_row_norm *norm, const void *x,
                             const float *gamma, const float *beta, void *y, float *mean,
                             float *scale) {
    HD_TRY(hd_isa_ready());
    rows_job j = rows_make(norm);
    rows_types(&j, norm->y_type, HD_F32);
    j.x = x, j.gamma = gamma, j.beta = beta, j.y = y, j.mean_out = mean, j.scale_out = scale;
    return hd_pool_run(pool, norm->d > 0 ? j.chunks : 0, rows_chunk, &j);
}

enum { TOTALS = 16 };

// dgamma and dbeta of TOTALS columns from `at` on: the chunks' sums, which lie side by side.
static void row_totals(const rows_job *j, size_t at, float *dgamma, float *dbeta) {
    const size_t d = align(j->norm->d), left = j->norm->d - at, n = left < TOTALS ? left : TOTALS;
    double g[TOTALS] = {0}, b[TOTALS] = {0};
    for (size_t k = 0; k < j->chunks; k++) {
        const float *sums = j->sums + k * 2 * d + at;
        for (size_t i = 0; i < TOTALS; i++) g[i] += (double)sums[i], b[i] += (double)sums[d + i];
    }
    for (size_t i = 0; i < n && dgamma; i++) dgamma[at + i] = (float)g[i];
    for (size_t i = 0; i < n && dbeta; i++) dbeta[at + i] = (float)b[i];
}

heed_err hd_row_norm_backward(hd_pool *pool, const hd_row_norm *norm, const void *x,
                              const float *gamma, const float *mean, const float *scale,
                              const void *dy, hd_norm_grads out, void *workspace) {
    HD_TRY(hd_isa_ready());
    rows_job j = rows_make(norm);
    rows_types(&j, norm->dy_type, norm->dx_type);
    j.x = x, j.gamma = gamma, j.mean = mean, j.scale = scale, j.dy = dy, j.dx = out.dx;
    j.sums = workspace, j.dgamma = out.dgamma, j.dbeta = out.dbeta;
    HD_TRY(hd_pool_run(pool, norm->d > 0 ? j.chunks : 0, rows_back_chunk, &j));
    for (size_t i = 0; i < norm->d; i += TOTALS) row_totals(&j, i, out.dgamma, out.dbeta);
    return HEED_OK;
}
