// SPDX-License-Identifier: Apache-2.0
//
// "What is the capital of Peru?" among validation rows says little when "What is the capital of
// Chile?" was trained on: a model that is judged by it is praised for remembering. Texts are sets
// of their words and pairs of neighbours; two are alike where at least half of what either has is
// common to both.
//
// Not all pairs of texts are compared. A set's marks are sorted, rare ones first, in an order that
// all sets share. Two sets with half in common then share one of the first ⌊n/2⌋ + 1 marks of each:
// if neither of these prefixes held a common one, too few were left for a half. So a text meets the
// earlier ones in whose prefix one of its own prefix's marks stands, and no others (Chaudhuri,
// Ganti and Kaushik 2006); nothing is missed.
#include "recipe/alike.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "text/ngram.h"

typedef struct marks {
    hd_map ids;     // mark → its number
    uint32_t *rank; // (ids.count) rare ones first
    uint32_t *all;  // of one text behind the other
    size_t *start;  // (n + 1) into all
    size_t n_all, cap;
} marks;

static void marks_clear(marks *m) {
    hd_map_clear(&m->ids);
    hd_free(m->rank);
    hd_free(m->all);
    hd_free(m->start);
}

// ── Texts to sets ──

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static heed_err add_mark(void *ctx, hd_slice token, size_t start, size_t n) {
    marks *m = ctx;
    uint64_t *slot;
    (void)start;
    (void)n;
    HD_TRY(hd_map_slot(&m->ids, token.p, token.n, m->ids.count, &slot, NULL));
    HD_TRY(hd_grow(&m->all, &m->cap, m->n_all + 1, sizeof *m->all));
    m->all[m->n_all++] = (uint32_t)*slot;
    return HEED_OK;
}

// Sorts what stands behind `from`, each once.
static void keep_each_once(marks *m, size_t from) {
    size_t kept = from;
    if (m->n_all > from) qsort(m->all + from, m->n_all - from, sizeof *m->all, by_number);
    for (size_t e = from; e < m->n_all; e++) {
        if (kept == from || m->all[e] != m->all[kept - 1]) m->all[kept++] = m->all[e];
    }
    m->n_all = kept;
}

static heed_err collect(const hd_rows_column *column, size_t n, hd_pieces *pieces, marks *m) {
    static const hd_where nowhere;
    hd_tokenizer words;
    HD_TRY(hd_tokenizer_read(NULL, &nowhere, &words));
    for (size_t i = 0; i < n; i++) {
        hd_slice text = column->cells[i].p ? column->cells[i] : (hd_slice){"", 0};
        size_t from = m->n_all;
        HD_TRY(hd_tokenize(&words, text, pieces));
        HD_TRY(hd_ngrams(pieces, 1, 2, " ", add_mark, m));
        keep_each_once(m, from);
        m->start[i + 1] = m->n_all;
    }
    return HEED_OK;
}

typedef struct counted {
    uint32_t count, id;
} counted;

static int by_count(const void *a, const void *b) {
    const counted *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

// Ranks in place of numbers, so that a sorted set has its rarest first.
static heed_err put_rare_first(marks *m, size_t n) {
    counted *order = hd_calloc(m->ids.count + 1, sizeof *order);
    m->rank = hd_calloc(m->ids.count + 1, sizeof *m->rank);
    if (!order || !m->rank) {
        hd_free(order);
        return HD_FAIL_MEMORY(m->ids.count * sizeof *order);
    }
    for (size_t id = 0; id < m->ids.count; id++) order[id].id = (uint32_t)id;
    for (size_t e = 0; e < m->n_all; e++) order[m->all[e]].count++;
    qsort(order, m->ids.count, sizeof *order, by_count);
    for (size_t r = 0; r < m->ids.count; r++) m->rank[order[r].id] = (uint32_t)r;
    hd_free(order);
    for (size_t i = 0; i < n; i++) {
        const size_t count = m->start[i + 1] - m->start[i];
        if (count == 0) continue; // of none at all there is no array
        uint32_t *set = m->all + m->start[i];
        for (size_t e = 0; e < count; e++) set[e] = m->rank[set[e]];
        qsort(set, count, sizeof *set, by_number);
    }
    return HEED_OK;
}

static bool same_marks(const marks *m, size_t i, size_t j) {
    const size_t n = m->start[i + 1] - m->start[i];
    return n == m->start[j + 1] - m->start[j] &&
           (n == 0 || memcmp(m->all + m->start[i], m->all + m->start[j], n * sizeof *m->all) == 0);
}

static bool half_in_common(const marks *m, size_t i, size_t j) {
    size_t a = m->start[i], b = m->start[j], common = 0;
    while (a < m->start[i + 1] && b < m->start[j + 1]) {
        uint32_t x = m->all[a], y = m->all[b];
        common += x == y;
        a += x <= y;
        b += y <= x;
    }
    size_t sum = m->start[i + 1] - m->start[i] + m->start[j + 1] - m->start[j];
    return 2 * common >= sum - common;
}

// ── Groups ──

typedef struct met {
    uint32_t text, next; // next: place of the one before it in the same list + 1; 0: none
} met;

typedef struct meetings {
    uint32_t *head; // (marks) the last text in whose prefix a mark stands: its place + 1
    met *list;
    size_t n, cap;
    uint32_t *parent; // (n) a tree for each group
} meetings;

static uint32_t root_of(uint32_t *parent, uint32_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static size_t prefix_of(const marks *m, uint32_t i) {
    const size_t count = m->start[i + 1] - m->start[i];
    return count > 1 ? count / 2 + 1 : count;
}

// *again: an earlier text has the same marks, and stands for this one from now on (else a text that
// a thousand rows repeat would be met a thousand times a thousand times).
static void meet_earlier(const marks *m, meetings *w, uint32_t i, bool *again) {
    *again = false;
    for (size_t e = 0; e < prefix_of(m, i) && !*again; e++) {
        const uint32_t mark = m->all[m->start[i] + e];
        for (uint32_t at = w->head[mark]; at > 0 && !*again; at = w->list[at - 1].next) {
            const uint32_t text = w->list[at - 1].text;
            const uint32_t other = root_of(w->parent, text), own = root_of(w->parent, i);
            *again = same_marks(m, i, text);
            if (own == other || !half_in_common(m, i, text)) continue;
            w->parent[own > other ? own : other] = own > other ? other : own;
        }
    }
}

static heed_err meet_later(const marks *m, meetings *w, uint32_t i) {
    for (size_t e = 0; e < prefix_of(m, i); e++) {
        const uint32_t mark = m->all[m->start[i] + e];
        HD_TRY(hd_grow(&w->list, &w->cap, w->n + 1, sizeof *w->list));
        w->list[w->n] = (met){i, w->head[mark]};
        w->head[mark] = (uint32_t)++w->n;
    }
    return HEED_OK;
}

// A root is the first text of its group: group[root] is set before the others ask for it.
static heed_err join(const marks *m, size_t n, uint32_t *group, size_t *groups) {
    meetings w = {.head = hd_calloc(m->ids.count + 1, sizeof *w.head),
                  .parent = hd_calloc(n + 1, sizeof *w.parent)};
    heed_err err = w.head && w.parent ? HEED_OK : HD_FAIL_MEMORY(n * sizeof *w.parent);
    for (size_t i = 0; err == HEED_OK && i < n; i++) w.parent[i] = (uint32_t)i;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        bool again;
        meet_earlier(m, &w, (uint32_t)i, &again);
        if (!again) err = meet_later(m, &w, (uint32_t)i);
    }
    *groups = 0;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        uint32_t root = root_of(w.parent, (uint32_t)i);
        group[i] = root == i ? (uint32_t)(*groups)++ : group[root];
    }
    hd_free(w.head);
    hd_free(w.list);
    hd_free(w.parent);
    return err;
}

heed_err hd_alike(const hd_rows *rows, const char *name, uint32_t **out, size_t *groups) {
    hd_rows_column *column;
    HD_TRY(hd_rows_need(rows, name, &column));
    uint32_t *group = hd_calloc(rows->n + 1, sizeof *group);
    marks m = {.start = hd_calloc(rows->n + 1, sizeof *m.start)};
    hd_pieces pieces;
    hd_map_init(&m.ids);
    hd_pieces_init(&pieces);
    heed_err err = group && m.start ? HEED_OK : HD_FAIL_MEMORY(rows->n * sizeof *m.start);
    if (err == HEED_OK) err = collect(column, rows->n, &pieces, &m);
    if (err == HEED_OK) err = put_rare_first(&m, rows->n);
    if (err == HEED_OK) err = join(&m, rows->n, group, groups);
    hd_pieces_clear(&pieces);
    marks_clear(&m);
    if (err == HEED_OK)
        *out = group;
    else
        hd_free(group);
    return err;
}
