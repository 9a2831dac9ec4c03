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

#include <string.h>

#include "kernel/cpu.h"
#include "kernel/gemm_plan.h"
#include "kernel/kernels.h"
#include "kernel/tile.h"

enum { ALIGN = 64 };

typedef struct run {
    hd_gemm_plan plan;
    char *a, *b;           // packed ahead
    float *c;              // sums of a narrow C
    double *squares;       // of the chunks
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
    return up(plan.a_bytes) + up(plan.b_bytes) + up(plan.c_bytes) + up(plan.q_bytes) +
           threads * (up(plan.slot_a) + up(plan.slot_b) + up(plan.slot_c));
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

// A tile's sums, to be finished.
typedef struct sums {
    size_t i, j, m, n;
    const float *at; // NULL: in C
    size_t row;
    bool add;
} sums;

typedef struct waiting {
    sums tile; // n = 0: none
    bool turn;
    double squares;                        // of the tiles that are done
    _Alignas(ALIGN) float buffer[2][1024]; // of tiles on their way into C
} waiting;

typedef struct block {
    const run *run;
    size_t t, m0, m1, n0, n1, k0, k1; // what of C and of k
    const char *a;                    // its rows from m0 on
    size_t a_row, a_step;             // elements between rows; bytes between row blocks
    char *slot;
    size_t s0;    // the first row of those that run through k together
    size_t m_end; // of the chunk
    waiting *waiting;
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
        b->a = (const char *)p->g.a + (b->t * p->g.a_batch + b->m0 * p->g.a_row + b->k0) * element;
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

static void finish(const hd_gemm_plan *p, size_t t, const sums *s) {
    const hd_gemm *g = &p->g;
    size_t at = t * g->c_batch + s->i * g->c_row + s->j;
    const char *residual = g->residual;
    const hd_finish f = {.m = s->m,
                         .n = s->n,
                         .c = (char *)g->c + at * hd_dtype_size(g->c_type),
                         .c_type = g->c_type,
                         .sum = s->at,
                         .sum_row = s->row,
                         .add = s->add,
                         .stream = p->stream,
                         .residual =
                             residual ? residual + at * hd_dtype_size(g->residual_type) : NULL,
                         .residual_type = g->residual_type,
                         .pre = g->pre ? (char *)g->pre + at * hd_dtype_size(g->pre_type) : NULL,
                         .pre_type = g->pre_type,
                         .row = g->c_row,
                         .bias = g->bias ? g->bias + s->j : NULL,
                         .alpha = g->accumulate ? 1 : g->alpha,
                         .act = g->act};
    hd_kernels_get()->pack->finish(&f);
}

static bool has_finish(const hd_gemm *g) {
    return (g->alpha != 1 && !g->accumulate) || g->bias || g->residual || g->pre ||
           g->act != HD_ACT_NONE;
}

static size_t sums_row(const hd_gemm_plan *p) {
    return ceil_div(p->c_bytes ? p->g.n : p->n_step, p->nr) * p->nr;
}

// Where the sums of a narrow C grow, block of k after block: rows of sums_row.
static float *sums_at(const block *b, size_t i, size_t j) {
    const hd_gemm_plan *p = &b->run->plan;
    if (p->c_bytes) return b->run->c + i * sums_row(p) + j;
    float *first = (float *)(void *)(b->slot + up(p->slot_a) + up(p->slot_b));
    return first + (i - b->s0) * sums_row(p) + (j - b->n0);
}

// The last tile's sums wait until the next tile's are under way: what is done with them then is
// done beside that tile's products.
static void finish_waiting(const block *b) {
    const hd_gemm_plan *p = &b->run->plan;
    const hd_gemm *g = &p->g;
    const sums *s = &b->waiting->tile;
    if (s->n == 0) return;
    if (g->squares) {
        const float *at = s->at ? s->at : (const float *)g->c + s->i * g->c_row + s->j;
        b->waiting->squares +=
            (double)hd_kernels_get()->pack->squares(s->m, s->n, at, s->at ? s->row : g->c_row);
    }
    if (s->at || has_finish(g)) finish(p, b->t, s);
    b->waiting->tile.n = 0;
}

static void finish_later(const block *b, sums next) {
    finish_waiting(b);
    b->waiting->tile = next;
}

// Where a tile's sums stand until they are put into C.
static float *sums_for(const block *b, size_t i, size_t j, size_t *row) {
    const hd_gemm_plan *p = &b->run->plan;
    const bool grows = p->slot_c || p->c_bytes;
    *row = grows ? sums_row(p) : p->nr;
    if (grows) return sums_at(b, i, j);
    b->waiting->turn = !b->waiting->turn;
    return b->waiting->buffer[b->waiting->turn];
}

static void panel(const block *b, size_t j) {
    const hd_gemm_plan *p = &b->run->plan;
    const hd_gemm *g = &p->g;
    size_t n = least(p->nr, b->n1 - j), b_row = 0, row = g->c_row;
    const void *from = locate_b(b, j, n, &b_row);
    const bool last = b->k1 == g->k, through = p->through;
    const bool add = b->k0 > 0 || (g->accumulate && !through);
    const char *a = b->a;
    float *c = through ? NULL : (float *)g->c + b->t * g->c_batch + j;
    for (size_t i = b->m0; i < b->m1; i += p->mr, a += b->a_step) {
        const size_t m = least(p->mr, b->m1 - i);
        float *to = through ? sums_for(b, i, j, &row) : c + i * g->c_row;
        p->engine->tile(m, n, b->k1 - b->k0, a, b->a_row, from, b_row, to, row, add);
        if (!last || !(through || g->squares || has_finish(g))) continue;
        finish_later(b, (sums){i, j, m, n, through ? to : NULL, row, through && g->accumulate});
    }
}

enum { LINE = 64 };

// Lines of memory that are wanted soon, a share with each panel.
typedef struct ahead {
    const char *row;
    size_t rows, step;  // left; bytes from one to the next
    size_t left, a_row; // lines of this row, of every row
    size_t share;       // lines
} ahead;

// What of A is packed or read next: the same rows' next of k; or the next rows.
static ahead plan_ahead(const block *b) {
    const run *r = b->run;
    const hd_gemm_plan *p = &r->plan;
    const size_t rows = hd_gemm_rows(p);
    size_t i = b->m0, k = b->k1;
    if (k >= r->k1) k = r->k0, i += rows;
    if (i >= b->m_end) return (ahead){.rows = 0};
    const hd_pack_from from = from_a(&p->g, b->t, i, k);
    const size_t size = hd_dtype_size(from.type), panels = ceil_div(b->n1 - b->n0, p->nr);
    ahead a = {.row = from.data, .rows = least(rows, b->m_end - i), .step = from.row * size};
    a.left = a.a_row = ceil_div(least(p->k_step, r->k1 - k) * size, LINE);
    a.share = ceil_div(a.rows * a.a_row, panels);
    return a;
}

static void fetch_share(ahead *a) {
    for (size_t i = 0; i < a->share && a->rows > 0; i++) {
        __builtin_prefetch(a->row + (a->a_row - a->left) * LINE, 0, 2);
        if (--a->left > 0) continue;
        a->row += a->step, a->left = a->a_row, a->rows--;
    }
}

// A few rows of C from end to end, all panels, then the next few: C goes to memory in its order,
// and these rows of A stay in the first cache. (Not where each pass would pack the panels again.)
static void panels(const block *b) {
    const hd_gemm_plan *p = &b->run->plan;
    size_t rows = p->group ? p->group : b->m1 - b->m0;
    const bool narrow = p->g.a_type == HD_BF16;
    const bool fetches = (p->pack_a || narrow) && !p->a_ahead && p->group && p->g.a_col == 1;
    ahead next = fetches ? plan_ahead(b) : (ahead){.rows = 0};
    block part = *b;
    for (; part.m0 < b->m1; part.m0 += rows, part.a += rows / p->mr * b->a_step) {
        part.m1 = least(b->m1, part.m0 + rows);
        for (size_t j = b->n0; j < b->n1; j += p->nr) {
            fetch_share(&next);
            panel(&part, j);
        }
    }
    finish_waiting(b);
}

// All of k for some rows.
static void blocks(block *b) {
    const run *r = b->run;
    b->s0 = b->m0;
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
    waiting waits;
    waits.tile.n = 0, waits.turn = false, waits.squares = 0;
    block b = {.run = r,
               .m0 = mi * p->m_step,
               .m1 = least(g->m, (mi + 1) * p->m_step),
               .n0 = r->n0 + ni * p->n_step,
               .n1 = least(r->n1, r->n0 + (ni + 1) * p->n_step),
               .slot = r->slots + hd_pool_slot() * r->slot,
               .waiting = &waits};
    if (p->engine->begin) p->engine->begin();
    // Where A is read along its rows, all of k for a few of them: they and their part of C stay
    // near. Across, A is packed for the whole chunk.
    b.m_end = b.m1;
    const size_t m1 = b.m1, rows = p->group && g->a_col == 1 ? p->group : m1 - b.m0;
    for (b.t = ti * p->t_step; b.t < least(g->batch, (ti + 1) * p->t_step); b.t++) {
        for (b.m0 = mi * p->m_step; b.m0 < m1; b.m0 += rows) {
            b.m1 = least(m1, b.m0 + rows);
            blocks(&b);
        }
    }
    if (g->squares) r->squares[index] = waits.squares;
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
            const size_t size = hd_dtype_size(g->c_type);
            char *c = (char *)g->c + (t * g->c_batch + i * g->c_row) * size;
            if (!g->accumulate) memset(c, 0, g->n * size);
            if (has_finish(g)) finish(p, t, &(sums){.i = i, .m = 1, .n = g->n});
        }
    }
    return HEED_OK;
}

static heed_err run_round(hd_pool *pool, run *r) {
    const hd_gemm_plan *p = &r->plan;
    r->n1 = least(p->g.n, r->n0 + p->super);
    r->n_count = ceil_div(r->n1 - r->n0, p->n_step);
    const size_t chunks = ceil_div(p->g.batch, p->t_step) * r->m_count * r->n_count;
    if (p->b_mode == HD_B_AHEAD) HD_TRY(hd_pool_run(pool, pack_count(r), pack_panels, r));
    HD_TRY(hd_pool_run(pool, chunks, chunk, r));
    for (size_t i = 0; p->g.squares && i < chunks; i++) *p->g.squares += r->squares[i];
    return HEED_OK;
}

heed_err hd_gemm_run(hd_pool *pool, const hd_gemm *gemm, void *workspace) {
    HD_TRY(hd_isa_ready());
    run r;
    hd_gemm_plan *p = &r.plan;
    hd_gemm_plan_make(gemm, p);
    const hd_gemm *g = &p->g;
    if (g->squares) *g->squares = 0;
    if (g->m == 0 || g->n == 0) return HEED_OK;
    if (g->k == 0) return run_empty(p);
    r.a = workspace;
    r.b = r.a + up(p->a_bytes);
    r.c = (float *)(void *)(r.b + up(p->b_bytes));
    r.squares = (double *)(void *)(r.b + up(p->b_bytes) + up(p->c_bytes));
    r.slots = r.b + up(p->b_bytes) + up(p->c_bytes) + up(p->q_bytes);
    r.slot = up(p->slot_a) + up(p->slot_b) + up(p->slot_c);
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
    r.plan.k_super = gemm->k; // a panel holds all of it, whatever a run takes at once
    return hd_pool_run(pool, pack_count(&r), pack_panels, &r);
}
