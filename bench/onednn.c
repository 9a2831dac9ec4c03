// SPDX-License-Identifier: Apache-2.0
//
// oneDNN 2 (Debian's libdnnl-dev) as a peer of bench/kernels.c: the only file that knows it. Two
// ways are prepared, operands as they lie and operands brought into the layout it likes best; each
// run takes the one that was faster at first.
#include "kernels.h"

#if defined(HAVE_ONEDNN)
#include <stdlib.h>
#include <time.h>

#include <dnnl.h>

enum { A, B, C, OPERANDS };

typedef struct way {
    dnnl_primitive_t matmul;
    dnnl_primitive_t convert[2]; // of A and B; NULL: as they lie
    dnnl_memory_t in[OPERANDS];  // what the product reads
    double seconds;
} way;

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_memory_t user[OPERANDS];
    way ways[2];
    int n_ways, best;
};

bool peer_there(void) {
    return true;
}

static dnnl_memory_desc_t describe(size_t rows, size_t cols, size_t row, size_t col, bool narrow) {
    dnnl_memory_desc_t d;
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    const dnnl_dims_t strides = {(dnnl_dim_t)row, (dnnl_dim_t)col};
    dnnl_memory_desc_init_by_strides(&d, 2, dims, narrow ? dnnl_bf16 : dnnl_f32, strides);
    return d;
}

static dnnl_memory_desc_t free_layout(size_t rows, size_t cols, bool narrow) {
    dnnl_memory_desc_t d;
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    dnnl_memory_desc_init_by_tag(&d, 2, dims, narrow ? dnnl_bf16 : dnnl_f32, dnnl_format_tag_any);
    return d;
}

// A reorder into the layout `want`, unless that is where the operand is.
static bool convert(peer *p, way *w, int operand, const dnnl_memory_desc_t *want) {
    const dnnl_memory_desc_t *have;
    dnnl_memory_get_memory_desc(p->user[operand], &have);
    w->in[operand] = p->user[operand];
    if (dnnl_memory_desc_equal(have, want)) return true;
    dnnl_primitive_desc_t pd;
    if (dnnl_memory_create(&w->in[operand], want, p->engine, DNNL_MEMORY_ALLOCATE) ||
        dnnl_reorder_primitive_desc_create(&pd, have, p->engine, want, p->engine, NULL))
        return false;
    dnnl_status_t status = dnnl_primitive_create(&w->convert[operand], pd);
    dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success;
}

static bool prepare(peer *p, way *w, const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b,
                    const dnnl_memory_desc_t *c) {
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t pd;
    if (dnnl_matmul_desc_init(&desc, a, b, NULL, c) ||
        dnnl_primitive_desc_create(&pd, &desc, NULL, p->engine, NULL))
        return false;
    bool ok = dnnl_primitive_create(&w->matmul, pd) == dnnl_success &&
              convert(p, w, A, dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0)) &&
              convert(p, w, B, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    w->in[C] = p->user[C];
    dnnl_primitive_desc_destroy(pd);
    return ok;
}

static void run(peer *p, way *w) {
    for (int i = A; i <= B; i++) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, p->user[i]}, {DNNL_ARG_TO, w->in[i]}};
        if (w->convert[i]) dnnl_primitive_execute(w->convert[i], p->stream, 2, args);
    }
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, w->in[A]}, {DNNL_ARG_WEIGHTS, w->in[B]}, {DNNL_ARG_DST, w->in[C]}};
    dnnl_primitive_execute(w->matmul, p->stream, 3, args);
    dnnl_stream_wait(p->stream);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void choose(peer *p) {
    for (int i = 0; i < p->n_ways; i++) {
        p->ways[i].seconds = 1e9;
        for (int round = 0; round < 5; round++) {
            double start = seconds();
            run(p, &p->ways[i]);
            start = seconds() - start;
            if (start < p->ways[i].seconds) p->ways[i].seconds = start;
        }
        if (p->ways[i].seconds < p->ways[p->best].seconds) p->best = i;
    }
}

peer *peer_gemm_new(const hd_gemm *g) {
    const bool narrow = g->precision == HD_PRECISE_BF16;
    peer *p = calloc(1, sizeof *p);
    if (!p || dnnl_engine_create(&p->engine, dnnl_cpu, 0) ||
        dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags))
        return NULL;
    dnnl_memory_desc_t d[OPERANDS] = {
        describe(g->m, g->k, g->a_row, g->a_col, g->a_type == HD_BF16),
        describe(g->k, g->n, g->b_row, g->b_col, g->b_type == HD_BF16),
        describe(g->m, g->n, g->c_row, 1, g->c_type == HD_BF16)};
    union {
        const void *read;
        void *write;
    } data[OPERANDS] = {{g->a}, {g->b}, {g->c}};
    for (int i = 0; i < OPERANDS; i++)
        if (dnnl_memory_create(&p->user[i], &d[i], p->engine, data[i].write)) return NULL;
    const dnnl_memory_desc_t a = describe(g->m, g->k, g->a_row, g->a_col, narrow);
    const dnnl_memory_desc_t b = describe(g->k, g->n, g->b_row, g->b_col, narrow);
    p->n_ways += prepare(p, &p->ways[p->n_ways], &a, &b, &d[C]);
    const dnnl_memory_desc_t any_a = free_layout(g->m, g->k, narrow);
    const dnnl_memory_desc_t any_b = free_layout(g->k, g->n, narrow);
    p->n_ways += prepare(p, &p->ways[p->n_ways], &any_a, &any_b, &d[C]);
    if (p->n_ways > 0) choose(p);
    if (p->n_ways > 0) return p;
    peer_free(p);
    return NULL;
}

void peer_gemm_run(peer *p) {
    run(p, &p->ways[p->best]);
}

void peer_free(peer *p) {
    if (!p) return;
    for (int i = 0; i < p->n_ways; i++) {
        for (int operand = A; operand <= B; operand++) {
            if (!p->ways[i].convert[operand]) continue;
            dnnl_primitive_destroy(p->ways[i].convert[operand]);
            dnnl_memory_destroy(p->ways[i].in[operand]);
        }
        dnnl_primitive_destroy(p->ways[i].matmul);
    }
    for (int i = 0; i < OPERANDS; i++) dnnl_memory_destroy(p->user[i]);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    free(p);
}

#else
bool peer_there(void) {
    return false;
}
peer *peer_gemm_new(const hd_gemm *g) {
    (void)g;
    return NULL;
}
void peer_gemm_run(peer *p) {
    (void)p;
}
void peer_free(peer *p) {
    (void)p;
}
#endif
