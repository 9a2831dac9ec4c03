// SPDX-License-Identifier: Apache-2.0
//
// The product by blocks: for a block of k, for a panel of B, for a block of rows of A, one register
// tile of C. The panel stays in the first cache while the rows go by; C is added to block after
// block of k, and what follows the sum (bias, activation) is done on each tile after its last
// block, while it is in the first cache. Plan: gemm_plan.c; tiles: path/tile.c.
//
// After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34:3,
// 2008), but for A, which isn't copied where it needn't be. Rejected: cutting k over threads for
// small m and n (sums would need a second pass, and their order would depend on how it is cut).
#include "kernel/gemm.h"

#include "kernel/cpu.h"
#include "kernel/gemm_plan.h"
#include "kernel/kernels.h"
#include "kernel/tile.h"

enum { ALIGN = 64 };

typedef struct run {
    hd_gemm_plan plan;
    char *a, *b;           // packed ahead
    char *slots;           // of the threads
    size_t slot;           // bytes of one
    size_t n0, n1, k0, k1; // the columns and the part of k this round
    size_t m_count, n_count;
} run;

static size_t up(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

size_t hd_gemm_workspace(const hd_gemm *gemm, size_t threads) {
    hd_gemm_plan plan;
    hd_gemm_plan_make(gemm, &plan);
    return up(plan.a_bytes) + up(plan.b_bytes) + threads * (up(plan.slot_a) + up(plan.slot_b));
}

// ── Packing ──

static hd_pack_from from_a(const hd_gemm *g, size_t t, size_t i, size_t p) {
    size_t at = t * g->a_batch + i * g->a_row + p * g->a_col;
    return (hd_pack_from){.data = (const char *)g->a + at * hd_dtype_size(g->a_type),
                          .type = g->a_type,
                          .row = g->a_col == 1 ? g->a_row : g->a_col,
                          .round = g->precision == HD_PRECISE_BF16 && g->a_type != HD_BF16,
                          .scale = g->accumulate ? g->alpha : 1};
}

static hd_pack_from from_b(const hd_gemm *g, size_t t, size_t p, size_t j) {
    size_t at = t * g->b_batch + p * g->b_row + j * g->b_col;
    return (hd_pack_from){.data = (const char *)g->b + at * hd_dtype_size(g->b_type),
                          .type = g->b_type,
                          .row = g->b_col == 1 ? g->b_row : g->b_col,
                          .round = g->precision == HD_PRECISE_BF16 && g->b_type != HD_BF16,
                          .scale = 1};
}

// Between the starts of two columns packed ahead.
static size_t k_ahead(const hd_gemm_plan *p) {
    return ceil_div(p->k_super, p->engine->k_unit) * p->engine->k_unit;
}

enum { PANELS = 4, B_ROWS = 32 }; // that a chunk packs ahead: columns where k lies along B's rows

static void pack_part(const run *r, size_t j, size_t k, size_t rows) {
    const hd_gemm_plan *p = &r->plan;
    hd_pack_from from = from_b(&p->g, 0, r->k0 + k, j);
    p->engine->pack_b(rows, least(p->nr, p->g.n - j), &from, p->g.b_col != 1,
                      r->b + ((j - r->n0) * k_ahead(p) + k * p->nr) * p->engine->b_element);
}

static size_t pack_count(const run *r) {
    if (r->plan.g.b_col == 1) return ceil_div(r->k1 - r->k0, B_ROWS);
    return ceil_div(r->n1 - r->n0, PANELS * r->plan.nr);
}

// Chunk i: some panels of this round's columns; or some of its rows, in memory's order.
static heed_err pack_panels(void *ctx, size_t i) {
    const run *r = ctx;
    const hd_gemm_plan *p = &r->plan;
    size_t rows = r->k1 - r->k0, first = r->n0 + i * PANELS * p->nr, k = 0;
    size_t end = least(r->n1, first + PANELS * p->nr);
    if (p->g.b_col == 1) {
        first = r->n0, end = r->n1, k = i * B_ROWS;
        rows = least(B_ROWS, rows - k);
    }
    for (size_t j = first; j < end; j += p->nr) pack_part(r, j, k, rows);
    return HEED_OK;
}

enum { A_ROWS = 96, A_COLUMNS = 128 }; // that a chunk packs ahead; a multiple of every mr

// Rows from `i` on, of k from k0 + `k` on: of this round's part of A.
static void pack_a_part(const run *r, size_t i, size_t rows, size_t k, size_t ks) {
    const hd_gemm_plan *p = &r->plan;
    hd_pack_from from = from_a(&p->g, 0, i, r->k0 + k);
    p->engine->pack_a(rows, ks, &from, p->g.a_col != 1,
                      r->a + (i * k_ahead(p) + k * p->mr) * p->engine->a_element, k_ahead(p));
}

static heed_err pack_rows(void *ctx, size_t chunk) {
    const run *r = ctx;
    const size_t i = chunk * A_ROWS;
    pack_a_part(r, i, least(A_ROWS, r->plan.g.m - i), 0, r->k1 - r->k0);
    return HEED_OK;
}

// The same where A lies across: a part of k, all rows, so that memory is read in its order.
static heed_err pack_columns(void *ctx, size_t chunk) {
    const run *r = ctx;
    const size_t k = chunk * A_COLUMNS;
    pack_a_part(r, 0, r->plan.g.m, k, least(A_COLUMNS, r->k1 - r->k0 - k));
    return HEED_OK;
}

static heed_err pack_a_ahead(hd_pool *pool, run *r) {
    const hd_gemm *g = &r->plan.g;
    if (g->a_col == 1) return hd_pool_run(pool, ceil_div(g->m, A_ROWS), pack_rows, r);
    return hd_pool_run(pool, ceil_div(r->k1 - r->k0, A_COLUMNS), pack_columns, r);
}

// ── One chunk ──

typedef struct block {
    const run *run;
    size_t t, m0, m1, n0, n1, k0, k1; // what of C and of k
    const char *a;                    // its rows from m0 on
    size_t a_row, a_step;             // elements between rows; bytes between row blocks
    char *slot;
} block;

static void locate_a(block *b) {
    const run *r = b->run;
    const hd_gemm_plan *p = &r->plan;
    size_t element = p->engine->a_element, k = b->k1 - b->k0;
    if (p->a_ahead) {
        b->a = r->a + (b->m0 * k_ahead(p) + (b->k0 - r->k0) * p->mr) * element;
        b->a_row = HD_PACKED;
        b->a_step = p->mr * k_ahead(p) * element;
    } else if (p->pack_a) {
        size_t k_pad = ceil_div(k, p->engine->k_unit) * p->engine->k_unit;
        hd_pack_from from = from_a(&p->g, b->t, b->m0, b->k0);
        p->engine->pack_a(b->m1 - b->m0, k, &from, p->g.a_col != 1, b->slot, k_pad);
        b->a = b->slot;
        b->a_row = HD_PACKED;
        b->a_step = p->mr * k_pad * element;
    } else {
        b->a = (const char *)((const float *)p->g.a + b->t * p->g.a_batch + b->m0 * p->g.a_row +
                              b->k0);
        b->a_row = p->g.a_row;
        b->a_step = p->mr * b->a_row * element;
    }
}

// The panel at column j, packed or where it lies; *row: elements between its rows.
static const void *locate_b(const block *b, size_t j, size_t n, size_t *row) {
    const run *r = b->run;
    const hd_gemm_plan *p = &r->plan;
    const hd_gemm *g = &p->g;
    size_t element = p->engine->b_element;
    *row = p->nr;
    if (p->b_mode == HD_B_GIVEN)
        return (const char *)g->packed + (j * p->k_pad + b->k0 * p->nr) * element;
    if (p->b_mode == HD_B_AHEAD)
        return r->b + ((j - r->n0) * k_ahead(p) + (b->k0 - r->k0) * p->nr) * element;
    hd_pack_from from = from_b(g, b->t, b->k0, j);
    if (p->b_mode == HD_B_DIRECT && n == p->nr) {
        *row = g->b_row;
        return from.data;
    }
    char *out = b->slot + up(p->slot_a);
    p->engine->pack_b(b->k1 - b->k0, n, &from, g->b_col != 1, out);
    return out;
}

// sum: the tile's sums (rows of nr), to be put into C or added to it; NULL: they are there.
static void finish(const hd_gemm_plan *p, size_t t, size_t i, size_t j, size_t m, size_t n,
                   const float *sum, bool add) {
    const hd_gemm *g = &p->g;
    size_t at = t * g->c_batch + i * g->c_row + j;
    const hd_finish f = {.m = m,
                         .n = n,
                         .c = g->c + at,
                         .sum = sum,
                         .sum_row = p->nr,
                         .add = add,
                         .stream = p->stream,
                         .residual = g->residual ? g->residual + at : NULL,
                         .pre = g->pre ? g->pre + at : NULL,
                         .row = g->c_row,
                         .bias = g->bias ? g->bias + j : NULL,
                         .alpha = g->accumulate ? 1 : g->alpha,
                         .act = g->act};
    hd_kernels_get()->pack->finish(&f);
}

static bool has_finish(const hd_gemm *g) {
    return (g->alpha != 1 && !g->accumulate) || g->bias || g->residual || g->pre ||
           g->act != HD_ACT_NONE;
}

static void panel(const block *b, size_t j) {
    enum { SUMS = 1024 };
    _Alignas(ALIGN) float sum[SUMS]; // of a tile on its way past the caches
    const hd_gemm_plan *p = &b->run->plan;
    const hd_gemm *g = &p->g;
    size_t n = least(p->nr, b->n1 - j), b_row = 0;
    const void *from = locate_b(b, j, n, &b_row);
    bool add = b->k0 > 0 || g->accumulate, last = b->k1 == g->k, through = last && p->stream;
    const char *a = b->a;
    float *c = g->c + b->t * g->c_batch + j;
    for (size_t i = b->m0; i < b->m1; i += p->mr, a += b->a_step) {
        size_t m = least(p->mr, b->m1 - i);
        p->engine->tile(m, n, b->k1 - b->k0, a, b->a_row, from, b_row,
                        through ? sum : c + i * g->c_row, through ? p->nr : g->c_row,
                        !through && add);
        if (through)
            finish(p, b->t, i, j, m, n, sum, add);
        else if (last && has_finish(g))
            finish(p, b->t, i, j, m, n, NULL, false);
    }
}

// A few rows of C from end to end, all panels, then the next few: C goes to memory in its order,
// and these rows of A stay in the first cache. (Not where each pass would pack the panels again.)
static void panels(const block *b) {
    const hd_gemm_plan *p = &b->run->plan;
    size_t rows = p->group ? p->group : b->m1 - b->m0;
    block part = *b;
    for (; part.m0 < b->m1; part.m0 += rows, part.a += rows / p->mr * b->a_step) {
        part.m1 = least(b->m1, part.m0 + rows);
        for (size_t j = b->n0; j < b->n1; j += p->nr) panel(&part, j);
    }
}

// All of k for some rows.
static void blocks(block *b) {
    const run *r = b->run;
    for (b->k0 = r->k0; b->k0 < r->k1; b->k0 += r->plan.k_step) {
        b->k1 = least(r->k1, b->k0 + r->plan.k_step);
        locate_a(b);
        panels(b);
    }
}

static heed_err chunk(void *ctx, size_t index) {
    const run *r = ctx;
    const hd_gemm_plan *p = &r->plan;
    const hd_gemm *g = &p->g;
    size_t ni = index % r->n_count, mi = index / r->n_count % r->m_count,
           ti = index / r->n_count / r->m_count;
    block b = {.run = r,
               .m0 = mi * p->m_step,
               .m1 = least(g->m, (mi + 1) * p->m_step),
               .n0 = r->n0 + ni * p->n_step,
               .n1 = least(r->n1, r->n0 + (ni + 1) * p->n_step),
               .slot = r->slots + hd_pool_slot() * r->slot};
    if (p->engine->begin) p->engine->begin();
    // Where A is read along its rows, all of k for a few of them: they and their part of C stay
    // near. Across, A is packed for the whole chunk.
    const size_t m1 = b.m1, rows = p->group && g->a_col == 1 ? p->group : m1 - b.m0;
    for (b.t = ti * p->t_step; b.t < least(g->batch, (ti + 1) * p->t_step); b.t++) {
        for (b.m0 = mi * p->m_step; b.m0 < m1; b.m0 += rows) {
            b.m1 = least(m1, b.m0 + rows);
            blocks(&b);
        }
    }
    if (p->engine->end) p->engine->end();
    if (p->stream) hd_kernels_get()->pack->settle();
    return HEED_OK;
}

// ── The whole ──

// k = 0: sums of nothing.
static heed_err run_empty(const hd_gemm_plan *p) {
    const hd_gemm *g = &p->g;
    for (size_t t = 0; t < g->batch; t++) {
        for (size_t i = 0; i < g->m; i++) {
            float *c = g->c + t * g->c_batch + i * g->c_row;
            for (size_t j = 0; j < g->n && !g->accumulate; j++) c[j] = 0;
            if (has_finish(g)) finish(p, t, i, 0, 1, g->n, NULL, false);
        }
    }
    return HEED_OK;
}

static heed_err run_round(hd_pool *pool, run *r) {
    const hd_gemm_plan *p = &r->plan;
    r->n1 = least(p->g.n, r->n0 + p->super);
    r->n_count = ceil_div(r->n1 - r->n0, p->n_step);
    if (p->b_mode == HD_B_AHEAD) HD_TRY(hd_pool_run(pool, pack_count(r), pack_panels, r));
    return hd_pool_run(pool, ceil_div(p->g.batch, p->t_step) * r->m_count * r->n_count, chunk, r);
}

heed_err hd_gemm_run(hd_pool *pool, const hd_gemm *gemm, void *workspace) {
    HD_TRY(hd_isa_ready());
    run r;
    hd_gemm_plan *p = &r.plan;
    hd_gemm_plan_make(gemm, p);
    const hd_gemm *g = &p->g;
    if (g->m == 0 || g->n == 0) return HEED_OK;
    if (g->k == 0) return run_empty(p);
    r.a = workspace;
    r.b = r.a + up(p->a_bytes);
    r.slots = r.b + up(p->b_bytes);
    r.slot = up(p->slot_a) + up(p->slot_b);
    r.m_count = ceil_div(g->m, p->m_step);
    for (r.k0 = 0; r.k0 < g->k; r.k0 += p->k_super) {
        r.k1 = least(g->k, r.k0 + p->k_super);
        if (p->a_ahead) HD_TRY(pack_a_ahead(pool, &r));
        for (r.n0 = 0; r.n0 < g->n; r.n0 += p->super) HD_TRY(run_round(pool, &r));
    }
    return HEED_OK;
}

// ── Packed before ──

size_t hd_pack_size(const hd_gemm *gemm) {
    hd_gemm_plan plan;
    hd_gemm_plan_make(gemm, &plan);
    return ceil_div(gemm->n, plan.nr) * plan.nr * plan.k_pad * plan.engine->b_element;
}

heed_err hd_pack_b(hd_pool *pool, const hd_gemm *gemm, void *out) {
    HD_TRY(hd_isa_ready());
    run r = {.b = out, .n1 = gemm->n, .k1 = gemm->k};
    hd_gemm_plan_make(gemm, &r.plan);
    return hd_pool_run(pool, pack_count(&r), pack_panels, &r);
}
