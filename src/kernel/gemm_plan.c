// SPDX-License-Identifier: Apache-2.0
//
// Where packing pays and how the work is cut.
//
// B is packed into panels as wide as a register tile. With few rows each chunk packs the panels it
// uses and has all rows, so that nothing is packed twice and nobody waits. With many rows chunks
// are cut along them, and B is packed ahead, once, a few megabytes at a time. Rows of B that lie
// well are read directly when so few rows of A use them that a copy wouldn't pay.
//
// A is read where it lies: a register tile takes rows by pointers, AMX whole tiles with a stride.
// It is packed when it lies across, has another type, or is to be rounded or scaled; for AMX also
// when tiles aren't whole or its rows would push each other out of the first cache.
#include "kernel/gemm_plan.h"

#include <stdatomic.h>
#include <stdint.h>

#include "kernel/cpu.h"
#include "kernel/kernels.h"
#include "kernel/tile.h"

// A chunk is worth handing out from about this many multiplications (some 10 µs).
static const double CHUNK_WORK = 1e6;
enum { ROWS_MAX = 256 };     // of A that a chunk packs at once
enum { K_AHEAD_MAX = 1024 }; // of k
enum { K_LONG = 8192 };      // from where a panel over all of it is too long to be packed at once
// Bytes of C, in f32, that won't be found in a cache again: so many at least, and this share of the
// last cache …
enum { STREAM_MIN = 4 << 20, STREAM_SHARE = 8, CACHE_UNKNOWN = 32 << 20 };

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t up(size_t a, size_t unit) {
    return ceil_div(a, unit) * unit;
}

static size_t clamp(double value, size_t low, size_t high) {
    return value <= (double)low ? low : value >= (double)high ? high : (size_t)value;
}

// Parts of at most `most`, all but the last of the same length, a multiple of unit.
static size_t even(size_t total, size_t most, size_t unit) {
    size_t parts = ceil_div(total, most);
    return parts ? up(ceil_div(total, parts), unit) : unit;
}

// Products that share B and follow each other in A and C are one product of more rows.
static void fold(hd_gemm *g) {
    if (g->batch <= 1) {
        g->batch = 1;
        return;
    }
    if (g->b_batch != 0 || g->a_col != 1 || g->a_batch != g->m * g->a_row ||
        g->c_batch != g->m * g->c_row)
        return;
    g->m *= g->batch;
    g->batch = 1;
}

static bool must_pack_a(const hd_gemm *g) {
    return g->a_col != 1 || g->a_type != HD_F32 || g->precision == HD_PRECISE_BF16 ||
           (g->accumulate && g->alpha != 1);
}

// Cuts for few rows, or for products that share nothing.
static void cut_small(hd_gemm_plan *p, double work) {
    const hd_gemm *g = &p->g;
    size_t panels = ceil_div(g->n, p->nr);
    p->super = g->n;
    p->m_step = even(g->m, ROWS_MAX, p->mr);
    double per_panel = (double)p->m_step * (double)p->nr * (double)g->k;
    size_t least = p->pack_a && !p->a_ahead ? 4 : 1;
    if (least > panels) least = panels ? panels : 1;
    size_t at_once = clamp(CHUNK_WORK / (per_panel + 1), least, panels ? panels : 1);
    p->n_step = even(panels, at_once, 1) * p->nr;
    p->t_step =
        p->n_step >= g->n && p->m_step >= g->m ? clamp(CHUNK_WORK / (work + 1), 1, g->batch) : 1;
    p->slot_b = p->b_mode == HD_B_GIVEN
                    ? 0
                    : up(p->k_step, p->engine->k_unit) * p->nr * p->engine->b_element;
}

// Cuts for many rows: B packed ahead.
static void cut_large(hd_gemm_plan *p) {
    const hd_gemm *g = &p->g;
    const size_t k_most = g->a_col == 1 ? K_AHEAD_MAX : p->engine->k_across;
    // (Rounds over k need room for the sums of a narrow C: only where k is long.)
    if (g->k > k_most && (g->c_type == HD_F32 || g->k > K_LONG))
        p->k_super = clamp((double)(k_most / p->k_step), 1, g->k) * p->k_step;
    size_t k_ahead = up(p->k_super, p->engine->k_unit);
    size_t panel_bytes = k_ahead * p->nr * p->engine->b_element;
    size_t panels = ceil_div(g->n, p->nr),
           most = p->engine->ahead / (panel_bytes > 0 ? panel_bytes : 1);
    p->super = even(panels, most ? most : 1, 1) * p->nr;
    size_t columns = p->super < g->n ? p->super : g->n;
    // Rounds over columns pack A again, each of them; along its rows a copy of all pays from the
    // third on.
    p->a_ahead = p->a_ahead && ceil_div(g->n, p->super) > (g->a_col == 1 ? 2 : 1);
    // Enough rows to be worth it, few enough that threads end together.
    double row_work = (double)columns * (double)p->k_super;
    size_t low = clamp(CHUNK_WORK / (row_work + 1), p->mr, ROWS_MAX);
    size_t want = g->m / 16 > low ? g->m / 16 : low;
    p->m_step = even(g->m, up(want > ROWS_MAX / 2 ? ROWS_MAX / 2 : want, p->mr), p->mr);
    if (low > p->m_step) p->m_step = up(low, p->mr);
    // (Turned, a chunk reads its columns of A: so many that lines and pages are used whole.)
    if (p->pack_a && !p->a_ahead && g->a_col != 1 && p->m_step < ROWS_MAX / 2)
        p->m_step = even(g->m, ROWS_MAX / 2, p->mr);
    p->n_step = p->super;
    p->t_step = 1;
    if (p->engine->groups || g->k <= p->k_step) p->group = up(p->engine->group, p->mr);
    if (p->b_mode == HD_B_AHEAD) p->b_bytes = p->super * k_ahead * p->engine->b_element;
}

static bool in_lines(const hd_gemm *g, const void *p, hd_dtype type) {
    const size_t size = hd_dtype_size(type);
    return (uintptr_t)p % 64 == 0 && g->c_row * size % 64 == 0 && g->c_batch * size % 64 == 0;
}

// … but with A across: a weights' gradient, which nobody reads before all the others are made.
static size_t stream_from(const hd_gemm *g) {
    static atomic_size_t known; // (asking takes longer than a small product)
    if (g->a_col != 1) return STREAM_MIN;
    size_t cache = atomic_load_explicit(&known, memory_order_relaxed);
    if (cache == 0) {
        cache = hd_cpu_cache(3);
        if (cache == 0) cache = CACHE_UNKNOWN;
        atomic_store_explicit(&known, cache, memory_order_relaxed);
    }
    return cache / STREAM_SHARE > STREAM_MIN ? cache / STREAM_SHARE : STREAM_MIN;
}

// C is larger than what a cache keeps until it is read, and its rows begin with lines. (What is
// added to is in the cache by then, and a store past it would have to throw it out.)
static bool may_stream(const hd_gemm *g) {
    if (g->accumulate || g->residual == g->c) return false;
    const double bytes = (double)g->batch * (double)g->m * (double)g->n * sizeof(float);
    if (g->k == 0 || bytes < (double)stream_from(g)) return false;
    return in_lines(g, g->c, g->c_type) && (!g->pre || in_lines(g, g->pre, g->pre_type));
}

static const hd_engine *engine_for(const hd_gemm *g) {
#if defined(__x86_64__)
    // Of two bf16 the products are exact, whatever was asked; not of scaled ones.
    bool exact = g->a_type == HD_BF16 && g->b_type == HD_BF16 && !(g->accumulate && g->alpha != 1);
    bool narrow = g->precision == HD_PRECISE_BF16 || exact;
    if (narrow && hd_isa_get() == HD_ISA_AMX) return &hd_engine_amx;
#endif
    (void)g;
    return &hd_engine_f32;
}

size_t hd_gemm_rows(const hd_gemm_plan *p) {
    return p->group && p->g.a_col == 1 ? p->group : p->m_step;
}

void hd_gemm_plan_make(const hd_gemm *gemm, hd_gemm_plan *p) {
    *p = (hd_gemm_plan){.g = *gemm};
    hd_gemm *g = &p->g;
    if (g->alpha == 0) g->alpha = 1;
    if (g->residual && g->residual == g->c && g->c_type == HD_F32) {
        g->residual = NULL;
        g->accumulate = true;
    }
    if (g->packed) g->b_batch = 0;
    fold(g);
    const hd_engine *e = p->engine = engine_for(g);
    const hd_tile_kernels *tile = hd_kernels_get()->tile;
    p->mr = e->mr ? e->mr : tile->mr;
    p->nr = e->nr ? e->nr : tile->nr;
    p->k_pad = up(g->k, e->k_unit);
    p->k_step = even(g->k, e->kc, e->k_unit);
    p->k_super = g->k;
    p->pack_a = e->packs_a ? !e->takes_a(g, p->k_step) : must_pack_a(g);
    double work = (double)g->m * (double)g->n * (double)g->k;
    bool shared = g->batch == 1 || g->b_batch == 0;
    p->b_mode = g->packed ? HD_B_GIVEN : HD_B_CHUNK;
    p->a_ahead = p->pack_a && g->batch == 1;
    // (Few rows and much k: panels of a B that lies across k would be read line by line.)
    bool across = g->b_col == 1 && g->k > K_AHEAD_MAX && g->n > p->nr && !g->packed;
    p->stream = (g->k <= p->k_step || g->c_type != HD_F32) && may_stream(g);
    p->through = p->stream || g->c_type != HD_F32;
    // (Panels of a B that lies across take little of each of many rows, and so do they of C: from
    // fewer rows on it pays to pack it in memory's order and to fill C row by row.)
    const size_t few = g->b_col == 1 ? ROWS_MAX / 2 : e->few;
    if ((g->m <= few && !across) || !shared) {
        if (!g->packed && e == &hd_engine_f32 && g->b_col == 1 && g->b_type == HD_F32 &&
            g->precision == HD_PRECISE_F32 && g->m <= (g->k <= 256 ? 8 : 2) * p->mr)
            p->b_mode = HD_B_DIRECT;
        cut_small(p, work);
    } else {
        if (!g->packed) p->b_mode = HD_B_AHEAD;
        cut_large(p);
    }
    size_t k_pad = up(p->k_step, e->k_unit), rows = hd_gemm_rows(p);
    if (p->through && p->k_super < g->k)
        p->c_bytes = g->m * up(g->n, p->nr) * sizeof(float);
    else if (p->through && g->k > p->k_step)
        p->slot_c = up(rows, p->mr) * up(p->n_step, p->nr) * sizeof(float);
    if (g->squares)
        p->q_bytes = ceil_div(g->batch, p->t_step) * ceil_div(g->m, p->m_step) *
                     ceil_div(g->n < p->super ? g->n : p->super, p->n_step) * sizeof(double);
    if (p->a_ahead)
        p->a_bytes = up(g->m, p->mr) * up(p->k_super, e->k_unit) * e->a_element;
    else if (p->pack_a)
        p->slot_a = up(rows, p->mr) * k_pad * e->a_element;
}
