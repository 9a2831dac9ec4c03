// SPDX-License-Identifier: Apache-2.0
//
// The driver of recurrent layers: what is one product over all steps is done here, the steps are
// the path's (path/recurrent.c), by groups of rows.
//
// Backward keeps the gates' gradients of all steps, so that the weights' gradients are one product
// each at the end rather than a small one per step. For that the states before each step are
// laid out once more (shifted by one step, the first state in front): a copy is cheaper than a
// product with a hole in it.
//
// Rejected: splitting the units of one step over threads (weights stay in each core's cache, but
// there is a barrier per step: at the sizes trained on a CPU it costs more than the step).
#include "kernel/recurrent.h"

#include <string.h>

#include "kernel/kernels.h"

size_t hd_recurrent_gates(hd_cell cell) {
    static const size_t gates[HD_CELLS] = {
        [HD_CELL_RNN] = 1, [HD_CELL_LSTM] = 4, [HD_CELL_GRU] = 3};
    return gates[cell];
}

size_t hd_recurrent_kept(hd_cell cell) {
    return cell == HD_CELL_RNN ? 1 : 4;
}

// Rows of a group: enough groups for some threads, each of some whole tiles; more rows where the
// weights don't stay in the first cache and are to be used often while there.
static size_t group_rows(const hd_recurrent *r) {
    const size_t weights = hd_recurrent_gates(r->cell) * r->hidden * r->hidden;
    const size_t least = weights > 32768 ? 16 : 8, rows = (r->batch / 8 + 7) / 8 * 8;
    return rows < least ? least : rows < HD_RECURRENT_ROWS ? rows : HD_RECURRENT_ROWS;
}

static size_t n_groups(const hd_recurrent *r) {
    return (r->batch + group_rows(r) - 1) / group_rows(r);
}

static size_t group_floats(const hd_recurrent *r) { // as open_group of the path lays them out
    const size_t rows = group_rows(r), wide = hd_recurrent_gates(r->cell) * r->hidden;
    return (wide + rows * (wide + 2 * r->hidden) + 15) / 16 * 16;
}

// Steps of too little work stay on the caller's thread.
static hd_pool *pool_for(hd_pool *pool, const hd_recurrent *r) {
    const double flops = 2.0 * (double)(r->batch * r->steps) * (double)r->hidden *
                         (double)(r->hidden * hd_recurrent_gates(r->cell));
    return flops < 1e6 ? NULL : pool;
}

// ── workspace: parts in order, each a multiple of 64 bytes ──

typedef struct parts {
    size_t packed, groups, before, sums; // floats before each
    size_t gemm;                         // bytes before the products' own
} parts;

static size_t take(size_t *floats, size_t n) {
    size_t at = *floats;
    *floats += (n + 15) / 16 * 16;
    return at;
}

static parts lay_out(const hd_recurrent *r, bool backward) {
    const hd_recurrent_kernels *k = hd_kernels_get()->recurrent;
    const size_t h = r->hidden, wide = hd_recurrent_gates(r->cell) * h;
    const size_t kept = hd_recurrent_kept(r->cell) * h, places = r->batch * r->steps;
    const size_t forward_packed = k->packed(h, wide), back_packed = k->packed(2 * wide, h);
    size_t floats = 0;
    parts p = {0};
    p.packed = take(&floats, backward ? back_packed : forward_packed);
    p.groups = take(&floats, n_groups(r) * group_floats(r));
    if (backward) {
        p.before = take(&floats, places * h);
        p.sums = take(&floats, kept);
    }
    p.gemm = floats * sizeof(float);
    return p;
}

// ── the products over all steps ──

static hd_gemm inputs_part(const hd_recurrent *r) { // gates = x · Wᵀ + b
    const size_t wide = hd_recurrent_gates(r->cell) * r->hidden;
    return (hd_gemm){.m = r->batch * r->steps,
                     .n = wide,
                     .k = r->inputs,
                     .a = r->x,
                     .a_row = r->inputs,
                     .a_col = 1,
                     .b = r->w_ih,
                     .b_row = 1,
                     .b_col = r->inputs,
                     .c = r->gates,
                     .c_row = hd_recurrent_kept(r->cell) * r->hidden,
                     .bias = r->b_ih,
                     .precision = r->precision};
}

// out (rows, n) = the gates' gradients from column `from`, transposed, · values (B·T, n)
static hd_gemm weights_part(const hd_recurrent *r, const float *dgates, size_t from, size_t rows,
                            const float *values, size_t n, float *out) {
    return (hd_gemm){.m = rows,
                     .n = n,
                     .k = r->batch * r->steps,
                     .a = dgates ? dgates + from : NULL, // NULL: only its size is asked
                     .a_row = 1,
                     .a_col = hd_recurrent_kept(r->cell) * r->hidden,
                     .b = values,
                     .b_row = n,
                     .b_col = 1,
                     .c = out,
                     .c_row = n,
                     .precision = r->precision};
}

// Of so many places at a time a product packs the gates' gradients: all of them at once would take
// as much memory as the gates do.
static size_t places_at_once(const hd_gemm *whole) {
    enum { VALUES = 65536, LEAST = 256 };
    const size_t most = whole->m * LEAST > VALUES ? LEAST : VALUES / (whole->m + 1);
    const size_t count = (whole->k + most - 1) / most;
    return count > 0 ? (whole->k + count - 1) / count : 1;
}

// From place k on; the first part begins the sums, the last may be shorter.
static hd_gemm places_from(const hd_gemm *whole, size_t k, size_t at_once) {
    hd_gemm part = *whole;
    if (part.a) part.a = (const float *)whole->a + k * whole->a_col;
    if (part.b) part.b = (const float *)whole->b + k * whole->b_row;
    part.k = whole->k - k < at_once ? whole->k - k : at_once;
    part.accumulate = k > 0;
    return part;
}

// (Each part is asked: a shorter one may be cut otherwise and take more.)
static size_t weights_workspace(const hd_gemm *whole, size_t threads) {
    const size_t at_once = places_at_once(whole);
    size_t most = 0;
    for (size_t k = 0; k < whole->k; k += at_once) {
        const hd_gemm part = places_from(whole, k, at_once);
        const size_t bytes = hd_gemm_workspace(&part, threads);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static heed_err run_weights(hd_pool *pool, const hd_gemm *whole, void *ws) {
    const size_t at_once = places_at_once(whole);
    if (whole->k == 0) return hd_gemm_run(pool, whole, ws);
    for (size_t k = 0; k < whole->k; k += at_once) {
        const hd_gemm part = places_from(whole, k, at_once);
        HD_TRY(hd_gemm_run(pool, &part, ws));
    }
    return HEED_OK;
}

static hd_gemm inputs_gradient(const hd_recurrent *r, const float *dgates, float *dx) {
    return (hd_gemm){.m = r->batch * r->steps,
                     .n = r->inputs,
                     .k = hd_recurrent_gates(r->cell) * r->hidden,
                     .a = dgates,
                     .a_row = hd_recurrent_kept(r->cell) * r->hidden,
                     .a_col = 1,
                     .b = r->w_ih,
                     .b_row = r->inputs,
                     .b_col = 1,
                     .c = dx,
                     .c_row = r->inputs,
                     .precision = r->precision};
}

size_t hd_recurrent_workspace(const hd_recurrent *r, size_t threads) {
    const hd_gemm x = inputs_part(r);
    return lay_out(r, false).gemm + hd_gemm_workspace(&x, threads);
}

size_t hd_recurrent_backward_workspace(const hd_recurrent *r, size_t threads) {
    const size_t wide = hd_recurrent_gates(r->cell) * r->hidden;
    const hd_gemm products[] = {
        weights_part(r, NULL, 0, wide, NULL, r->inputs, NULL),
        weights_part(r, NULL, 0, wide, NULL, r->hidden, NULL),
        weights_part(r, NULL, 0, r->hidden, NULL, r->hidden, NULL),
        weights_part(r, NULL, 0, 2 * r->hidden, NULL, r->hidden, NULL),
    };
    const hd_gemm dx = inputs_gradient(r, NULL, NULL);
    size_t most = hd_gemm_workspace(&dx, threads);
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        const size_t bytes = weights_workspace(&products[i], threads);
        most = bytes > most ? bytes : most;
    }
    return lay_out(r, true).gemm + most;
}

// ── the steps, by groups of rows ──

typedef struct run {
    const hd_recurrent *r;
    const hd_recurrent_grads *grads; // NULL: forward
    const float *packed;
    float *dgates, *groups;
} run;

static heed_err run_group(void *ctx, size_t chunk) {
    const run *j = ctx;
    const hd_recurrent_kernels *k = hd_kernels_get()->recurrent;
    const size_t rows = group_rows(j->r), b0 = chunk * rows;
    const size_t b1 = b0 + rows < j->r->batch ? b0 + rows : j->r->batch;
    float *ws = j->groups + chunk * group_floats(j->r);
    if (j->grads)
        k->backward(j->r, j->grads, j->packed, j->dgates, b0, b1, ws);
    else
        k->forward(j->r, j->packed, b0, b1, ws);
    return HEED_OK;
}

heed_err hd_recurrent_forward(hd_pool *pool, const hd_recurrent *r, void *workspace) {
    const parts p = lay_out(r, false);
    const size_t h = r->hidden;
    float *ws = workspace;
    const hd_gemm x = inputs_part(r);
    HD_TRY(hd_gemm_run(pool, &x, (char *)workspace + p.gemm));
    hd_kernels_get()->recurrent->pack(h, hd_recurrent_gates(r->cell) * h, r->w_hh, true,
                                      ws + p.packed);
    run j = {.r = r, .packed = ws + p.packed, .groups = ws + p.groups};
    return hd_pool_run(pool_for(pool, r), n_groups(r), run_group, &j);
}

// The state before each step of each row, zeros behind the ends: (B, T, H).
static void lay_before(const hd_recurrent *r, float *before) {
    const size_t h = r->hidden;
    memset(before, 0, r->batch * r->steps * h * sizeof(float));
    for (size_t b = 0; b < r->batch; b++) {
        const size_t length = !r->lengths                        ? r->steps
                              : r->lengths[b] <= 0               ? 0
                              : (size_t)r->lengths[b] < r->steps ? (size_t)r->lengths[b]
                                                                 : r->steps;
        if (length == 0) continue;
        float *to = before + b * r->steps * h;
        const float *y = r->y + b * r->steps * h;
        const size_t first = r->reverse ? length - 1 : 0;
        memcpy(to + (r->reverse ? 0 : h), y + (r->reverse ? h : 0), (length - 1) * h * sizeof *to);
        if (r->h0) memcpy(to + first * h, r->h0 + b * h, h * sizeof *to);
    }
}

static heed_err weights_gradients(hd_pool *pool, const hd_recurrent *r, const hd_recurrent_grads *g,
                                  const float *dgates, float *before, void *ws) {
    const size_t h = r->hidden, wide = hd_recurrent_gates(r->cell) * h;
    if (g->dw_ih) {
        const hd_gemm dw = weights_part(r, dgates, 0, wide, r->x, r->inputs, g->dw_ih);
        HD_TRY(run_weights(pool, &dw, ws));
    }
    if (!g->dw_hh) return HEED_OK;
    lay_before(r, before);
    const size_t together = r->cell == HD_CELL_GRU ? 2 * h : wide;
    hd_gemm dw = weights_part(r, dgates, 0, together, before, h, g->dw_hh);
    HD_TRY(run_weights(pool, &dw, ws));
    if (together == wide) return HEED_OK;
    dw = weights_part(r, dgates, 3 * h, h, before, h, g->dw_hh + together * h);
    return run_weights(pool, &dw, ws);
}

static void bias_gradients(const hd_recurrent *r, const hd_recurrent_grads *g, const float *dgates,
                           float *sums) {
    const size_t h = r->hidden, wide = hd_recurrent_gates(r->cell) * h;
    if (!g->db_ih && !g->db_hh) return;
    hd_kernels_get()->recurrent->sums(r->batch * r->steps, hd_recurrent_kept(r->cell) * h, dgates,
                                      sums);
    if (g->db_ih) memcpy(g->db_ih, sums, wide * sizeof(float));
    if (!g->db_hh) return;
    memcpy(g->db_hh, sums, wide * sizeof(float));
    if (r->cell == HD_CELL_GRU) memcpy(g->db_hh + 2 * h, sums + 3 * h, h * sizeof(float));
}

heed_err hd_recurrent_backward(hd_pool *pool, const hd_recurrent *r, const hd_recurrent_grads *g,
                               void *workspace) {
    const hd_recurrent_kernels *k = hd_kernels_get()->recurrent;
    const parts p = lay_out(r, true);
    const size_t h = r->hidden, wide = hd_recurrent_gates(r->cell) * h;
    const size_t together = r->cell == HD_CELL_GRU ? 2 * h : wide;
    float *ws = workspace, *packed = ws + p.packed, *dgates = g->dgates;
    void *gemm_ws = (char *)workspace + p.gemm;
    k->pack(together, h, r->w_hh, false, packed);
    if (together < wide)
        k->pack(h, h, r->w_hh + together * h, false, packed + k->packed(together, h));
    run j = {.r = r, .grads = g, .packed = packed, .dgates = dgates, .groups = ws + p.groups};
    HD_TRY(hd_pool_run(pool_for(pool, r), n_groups(r), run_group, &j));
    if (g->dx) {
        const hd_gemm dx = inputs_gradient(r, dgates, g->dx);
        HD_TRY(hd_gemm_run(pool, &dx, gemm_ws));
    }
    HD_TRY(weights_gradients(pool, r, g, dgates, ws + p.before, gemm_ws));
    bias_gradients(r, g, dgates, ws + p.sums);
    return HEED_OK;
}
