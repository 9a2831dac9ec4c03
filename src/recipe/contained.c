// SPDX-License-Identifier: Apache-2.0
//
// A phrase of a sentence that was trained on is no new row: a model that is judged by it is praised
// for remembering. Texts are walked from the longest to the shortest. One that nothing longer has
// claimed begins a group and claims every text that is a run of its words. What is claimed need not
// be walked: its runs are the longer one's.
#include "recipe/contained.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

// Words of a run: of long documents a run of so many is no coincidence, and no more are tried.
enum { MOST_WORDS = 256 };

typedef struct known {
    hd_slice text;
    uint32_t row, group; // group: 0 while nobody claimed it, else its number + 1
} known;

typedef struct walk {
    hd_map texts;                                // → its place in known
    known *known;                                // (texts.count)
    size_t *starts, *ends, cap_starts, cap_ends; // of the words of the text at hand
} walk;

static int by_length(const void *a, const void *b) {
    const known *x = *(known *const *)a, *y = *(known *const *)b;
    if (x->text.n != y->text.n) return x->text.n > y->text.n ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static heed_err collect(walk *w, const hd_rows_column *column, size_t n, uint32_t *place) {
    for (size_t i = 0; i < n; i++) {
        hd_slice cell = column->cells[i];
        uint64_t *at;
        bool added;
        if (!cell.p) cell = (hd_slice){"", 0};
        HD_TRY(hd_map_slot(&w->texts, cell.p, cell.n, w->texts.count, &at, &added));
        place[i] = (uint32_t)*at;
        if (added) w->known[*at] = (known){cell, (uint32_t)i, 0};
    }
    return HEED_OK;
}

static heed_err find_words(walk *w, hd_slice text, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < text.n;) {
        while (i < text.n && text.p[i] == ' ') i++;
        if (i == text.n) break;
        HD_TRY(hd_grow(&w->starts, &w->cap_starts, *n + 1, sizeof *w->starts));
        HD_TRY(hd_grow(&w->ends, &w->cap_ends, *n + 1, sizeof *w->ends));
        w->starts[*n] = i;
        while (i < text.n && text.p[i] != ' ') i++;
        w->ends[(*n)++] = i;
    }
    return HEED_OK;
}

static heed_err claim(walk *w, known *from, uint32_t group) {
    size_t n;
    from->group = group;
    HD_TRY(find_words(w, from->text, &n));
    for (size_t a = 0; a < n; a++) {
        for (size_t b = a; b < n && b - a < MOST_WORDS; b++) {
            uint64_t at;
            const char *run = from->text.p + w->starts[a];
            if (!hd_map_get(&w->texts, run, w->ends[b] - w->starts[a], &at)) continue;
            if (w->known[at].group == 0) w->known[at].group = group;
        }
    }
    return HEED_OK;
}

static heed_err claim_all(walk *w, size_t *groups) {
    size_t n = w->texts.count;
    known **order = hd_calloc(n + 1, sizeof(known *));
    if (!order) return HD_FAIL_MEMORY(n * sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = &w->known[i];
    qsort(order, n, sizeof *order, by_length);
    heed_err err = HEED_OK;
    *groups = 0;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        if (order[i]->group == 0) err = claim(w, order[i], (uint32_t)++ * groups);
    }
    hd_free(order);
    return err;
}

heed_err hd_contained(const hd_rows *rows, const char *name, uint32_t **out, size_t *groups) {
    hd_rows_column *column;
    walk w = {.known = NULL};
    HD_TRY(hd_rows_need(rows, name, &column));
    uint32_t *place = hd_calloc(rows->n + 1, sizeof *place);
    w.known = hd_calloc(rows->n + 1, sizeof *w.known);
    hd_map_init(&w.texts);
    heed_err err = place && w.known ? HEED_OK : HD_FAIL_MEMORY(rows->n * sizeof *w.known);
    if (err == HEED_OK) err = collect(&w, column, rows->n, place);
    if (err == HEED_OK) err = claim_all(&w, groups);
    for (size_t i = 0; err == HEED_OK && i < rows->n; i++) place[i] = w.known[place[i]].group - 1;
    hd_map_clear(&w.texts);
    hd_free(w.known);
    hd_free(w.starts);
    hd_free(w.ends);
    if (err == HEED_OK)
        *out = place;
    else
        hd_free(place);
    return err;
}
