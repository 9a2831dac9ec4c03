// SPDX-License-Identifier: Apache-2.0
//
// Cosines are needed for pairs of items: each place of a list with the places above it, and each
// hit with its user's history. Work goes by item, over all places that show it, because there are
// two ways to count who has both, and which is cheaper depends on the item:
//
//   pair by pair   hd_item_both, about a machine word per 64 users each time: few places, few users
//   a whole row    one walk through the histories of the item's users counts its overlap with every
//                  other item; each pair is then a look-up: popular items that all lists show
//
// Both are exact, so the choice changes no figure. Each place belongs to one item, so threads write
// apart. A matrix of all pairs was rejected: its size is the square of the number of items.
#include "measure/likeness.h"

#include <string.h>

#include "base/mem.h"

enum { STRIPES = 64 }; // items i with i % STRIPES == s are one chunk: popular ones spread evenly

typedef struct likeness_job {
    const hd_item_facts *facts;
    const hd_lists *lists;
    hd_likeness *out;
    size_t *start; // (n_items + 1) into place
    size_t *place; // c * width + p, by item
} likeness_job;

static size_t shown(const hd_lists *lists, size_t c) {
    return lists->cases[c].n_ranked < lists->width ? lists->cases[c].n_ranked : lists->width;
}

// Places by item, through counting.
static heed_err index_places(likeness_job *job) {
    const hd_lists *l = job->lists;
    size_t n_items = job->facts->n_items;
    job->start = hd_calloc(n_items + 2, sizeof *job->start);
    job->place = hd_alloc(l->n * l->width * sizeof *job->place);
    if (!job->start || !job->place) return HD_FAIL_MEMORY(l->n * l->width * sizeof *job->place);
    size_t *end = job->start + 1; // end[i] is where item i's next place goes
    for (size_t c = 0; c < l->n; c++)
        for (size_t p = 0; p < shown(l, c); p++) end[l->cases[c].ranked[p] + 1]++;
    for (size_t i = 0; i < n_items; i++) end[i + 1] += end[i];
    for (size_t c = 0; c < l->n; c++)
        for (size_t p = 0; p < shown(l, c); p++)
            job->place[end[l->cases[c].ranked[p]]++] = c * l->width + p;
    return HEED_OK;
}

// One item against others: both[j] counts the users who have it and j, NULL: count pair by pair.
typedef struct counter {
    const hd_item_facts *facts;
    uint32_t item;
    const uint32_t *both;
} counter;

static double cosine_to(const counter *c, uint32_t other) {
    size_t both = c->both ? c->both[other] : hd_item_both(c->facts, c->item, other);
    return hd_item_cosine_of(c->facts, c->item, other, both);
}

static double mean_to_history(const counter *c, size_t row) {
    const hd_sparse *train = c->facts->train;
    double sum = 0;
    size_t n = 0;
    for (size_t e = train->start[row]; e < train->start[row + 1]; e++) {
        if (!c->facts->first[e]) continue;
        sum += cosine_to(c, train->col[e]);
        n++;
    }
    return n ? sum / (double)n : 0;
}

static void measure_place(const likeness_job *job, const counter *count, size_t place) {
    const hd_lists *l = job->lists;
    const hd_rank_case *list = &l->cases[place / l->width];
    double sum = 0;
    for (size_t p = 0; p < place % l->width; p++) sum += cosine_to(count, list->ranked[p]);
    job->out->above[place] = sum;
    if (l->hit[place]) job->out->history[place] = mean_to_history(count, list->row);
}

// Entries in the histories of the item's users.
static size_t row_cost(const hd_item_facts *f, size_t item) {
    size_t n = 0;
    for (size_t e = f->start[item]; e < f->start[item + 1]; e++)
        n += hd_sparse_row_len(f->train, f->user[e]);
    return n;
}

// Steps that counting pair by pair would take: the shorter of bit set and list for each pair.
static size_t pair_cost(const likeness_job *job, size_t item) {
    const hd_lists *l = job->lists;
    size_t pairs = 0, users = hd_item_users(job->facts, (uint32_t)item);
    for (size_t e = job->start[item]; e < job->start[item + 1]; e++) {
        pairs += job->place[e] % l->width;
        if (l->hit[job->place[e]])
            pairs += hd_sparse_row_len(job->facts->train, l->cases[job->place[e] / l->width].row);
    }
    return pairs * (users < job->facts->n_words ? users : job->facts->n_words);
}

static void count_row(const hd_item_facts *f, size_t item, uint32_t *both) {
    memset(both, 0, f->n_items * sizeof *both);
    for (size_t e = f->start[item]; e < f->start[item + 1]; e++) {
        size_t end = f->train->start[f->user[e] + 1];
        for (size_t h = f->train->start[f->user[e]]; h < end; h++)
            both[f->train->col[h]] += f->first[h];
    }
}

static heed_err measure_stripe(void *ctx, size_t stripe) {
    const likeness_job *job = ctx;
    const hd_item_facts *f = job->facts;
    uint32_t *both = hd_alloc(f->n_items * sizeof *both);
    if (!both) return HD_FAIL_MEMORY(f->n_items * sizeof *both);
    for (size_t i = stripe; i < f->n_items; i += STRIPES) {
        if (job->start[i] == job->start[i + 1]) continue;
        // Clearing the row costs about a step for each eight items.
        bool row = row_cost(f, i) + f->n_items / 8 < pair_cost(job, i);
        if (row) count_row(f, i, both);
        counter count = {f, (uint32_t)i, row ? both : NULL};
        for (size_t e = job->start[i]; e < job->start[i + 1]; e++)
            measure_place(job, &count, job->place[e]);
    }
    hd_free(both);
    return HEED_OK;
}

heed_err hd_likeness_measure(const hd_item_facts *facts, const hd_lists *lists, hd_pool *pool,
                             hd_likeness *out) {
    heed_err err = HEED_OK;
    likeness_job job = {facts, lists, out, NULL, NULL};
    size_t n = lists->n * lists->width;
    out->above = hd_calloc(n, sizeof *out->above);
    out->history = hd_calloc(n, sizeof *out->history);
    if (!out->above || !out->history) {
        err = HD_FAIL_MEMORY(n * (sizeof *out->above + sizeof *out->history));
        goto out;
    }
    HD_TRY_OUT(index_places(&job));
    HD_TRY_OUT(hd_pool_run(pool, STRIPES, measure_stripe, &job));
out:
    hd_free(job.start);
    hd_free(job.place);
    return err;
}

void hd_likeness_clear(hd_likeness *likeness) {
    hd_free(likeness->above);
    hd_free(likeness->history);
    *likeness = (hd_likeness){0};
}
