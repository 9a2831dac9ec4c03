// SPDX-License-Identifier: Apache-2.0
//
// Users' values in two passes over blocks of cases: which places hit, then (for metrics that need
// it) how alike the items are, then every metric at every k. A block bounds what is held for each
// place of each list, so that memory doesn't grow with the number of users times k.
#include "measure/values.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "measure/likeness.h"

enum { CASES_PER_CHUNK = 64, CASES_PER_BLOCK = 1 << 16 };

typedef struct values_job {
    const hd_values_query *query;
    hd_metric_needs needs;
    const hd_item_facts *facts;
    double *values;
} values_job;

// A run of cases measured at once: what is held for each place of its lists.
typedef struct block {
    const values_job *job;
    size_t first; // of the cases
    hd_lists lists;
    bool *hit; // (n, width) what lists.hit points to
    hd_likeness likeness;
} block;

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t max_of(const size_t *values, size_t n) {
    size_t max = 0;
    for (size_t i = 0; i < n; i++)
        if (values[i] > max) max = values[i];
    return max;
}

static int by_item(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// sorted: (n_relevant) scratch.
static void mark_hits(const hd_rank_case *c, size_t n, uint32_t *sorted, bool *hit) {
    memcpy(sorted, c->relevant, c->n_relevant * sizeof *sorted);
    qsort(sorted, c->n_relevant, sizeof *sorted, by_item);
    for (size_t p = 0; p < n; p++)
        hit[p] = bsearch(&c->ranked[p], sorted, c->n_relevant, sizeof *sorted, by_item) != NULL;
}

static heed_err mark_chunk(void *ctx, size_t chunk) {
    const block *b = ctx;
    size_t n_sorted = 0, begin = chunk * CASES_PER_CHUNK;
    size_t end = min_size(begin + CASES_PER_CHUNK, b->lists.n);
    for (size_t i = begin; i < end; i++) {
        assert(b->lists.cases[i].n_relevant > 0);
        if (b->lists.cases[i].n_relevant > n_sorted) n_sorted = b->lists.cases[i].n_relevant;
    }
    uint32_t *sorted = hd_alloc(n_sorted * sizeof *sorted);
    if (!sorted) return HD_FAIL_MEMORY(n_sorted * sizeof *sorted);
    for (size_t i = begin; i < end; i++) {
        const hd_rank_case *c = &b->lists.cases[i];
        size_t width = b->lists.width;
        mark_hits(c, min_size(width, c->n_ranked), sorted, b->hit + i * width);
    }
    hd_free(sorted);
    return HEED_OK;
}

static heed_err value_chunk(void *ctx, size_t chunk) {
    const block *b = ctx;
    const values_job *job = b->job;
    const hd_values_query *q = job->query;
    size_t begin = chunk * CASES_PER_CHUNK, end = min_size(begin + CASES_PER_CHUNK, b->lists.n);
    bool alike = job->needs == HD_NEEDS_LIKENESS;
    for (size_t i = begin; i < end; i++) {
        double *value = job->values + (b->first + i) * q->n_ks * q->n_rows;
        size_t at = i * b->lists.width;
        hd_rank_view view = {.facts = job->facts, .list = &b->lists.cases[i], .hit = b->hit + at};
        view.above = alike ? b->likeness.above + at : NULL;
        view.history = alike ? b->likeness.history + at : NULL;
        for (size_t k = 0; k < q->n_ks; k++) {
            view.k = q->ks[k];
            view.n = min_size(view.k, view.list->n_ranked);
            for (size_t r = 0; r < q->n_rows; r++) *value++ = q->rows[r]->user(&view);
        }
    }
    return HEED_OK;
}

static heed_err measure_block(const values_job *job, size_t first, size_t width, hd_pool *pool) {
    heed_err err = HEED_OK;
    size_t n = min_size(CASES_PER_BLOCK, job->query->n_cases - first);
    size_t n_chunks = (n + CASES_PER_CHUNK - 1) / CASES_PER_CHUNK;
    block b = {.job = job, .first = first, .hit = hd_calloc(n * width, sizeof *b.hit)};
    if (!b.hit) return HD_FAIL_MEMORY(n * width * sizeof *b.hit);
    b.lists = (hd_lists){job->query->cases + first, n, width, b.hit};
    HD_TRY_OUT(hd_pool_run(pool, n_chunks, mark_chunk, &b));
    if (job->needs == HD_NEEDS_LIKENESS)
        HD_TRY_OUT(hd_likeness_measure(job->facts, &b.lists, pool, &b.likeness));
    HD_TRY_OUT(hd_pool_run(pool, n_chunks, value_chunk, &b));
out:
    hd_free(b.hit);
    hd_likeness_clear(&b.likeness);
    return err;
}

heed_err hd_user_values(const hd_rank_context *context, const hd_values_query *q, hd_pool *pool,
                        double **out) {
    heed_err err = HEED_OK;
    hd_item_facts facts = {0};
    values_job job = {.query = q};
    size_t n_values = q->n_cases * q->n_ks * q->n_rows, width = 0;
    for (size_t r = 0; r < q->n_rows; r++)
        if (q->rows[r]->needs > job.needs) job.needs = q->rows[r]->needs;
    if (job.needs != HD_NEEDS_LIST) {
        HD_TRY(hd_item_facts_init(&facts, context->train, context->train_cols));
        job.facts = &facts;
    }
    job.values = hd_calloc(n_values, sizeof *job.values);
    if (!job.values) {
        err = HD_FAIL_MEMORY(n_values * sizeof *job.values);
        goto out;
    }
    // No list is longer than the index, however large a k is asked for.
    for (size_t i = 0; i < q->n_cases; i++)
        if (q->cases[i].n_ranked > width) width = q->cases[i].n_ranked;
    width = min_size(width, max_of(q->ks, q->n_ks));
    for (size_t first = 0; first < q->n_cases; first += CASES_PER_BLOCK)
        HD_TRY_OUT(measure_block(&job, first, width, pool));
    *out = job.values;
    job.values = NULL;
out:
    hd_item_facts_clear(&facts);
    hd_free(job.values);
    return err;
}
