// SPDX-License-Identifier: Apache-2.0
//
// Sets of four places, as in idcache.c: the person's key chooses the set, a set is in the order of
// use, and its last place is given up. When the bytes don't suffice, sets give up their last place
// in turn, so what nobody asks for goes within a round. User keys are our own, one after the other:
// a product spreads them, and nobody can make them collide.
//
// Rejected: one list of all in the order of use (three more pointers for each, to be right about
// who is the very last), and keeping short histories: they cost the database as little as a look
// into a cache.
#include "privacy/histories.h"

#include "base/mem.h"

enum { SETS = 1 << 12, WAYS = 4, ROWS_LEAST = 32 };

struct hd_histories_set {
    int64_t person[WAYS];
    hd_kept_history *kept[WAYS]; // NULL: free
};

static hd_histories_set *set_of(const hd_histories *all, int64_t person) {
    uint64_t spread = (uint64_t)person * UINT64_C(0x9e3779b97f4a7c15);
    return &all->sets[spread >> 52];
}

static size_t bytes_of(size_t n) {
    return sizeof(hd_kept_history) + n * sizeof(hd_history_row);
}

static void give_up(hd_histories *all, hd_histories_set *set, int at) {
    if (!set->kept[at]) return;
    all->bytes -= bytes_of(set->kept[at]->cap);
    hd_free(set->kept[at]);
    set->kept[at] = NULL;
}

// Moves places 0 .. last-1 one back and puts the pair in front.
static void to_front(hd_histories_set *set, int last, int64_t person, hd_kept_history *kept) {
    for (int i = last; i > 0; i--) {
        set->person[i] = set->person[i - 1];
        set->kept[i] = set->kept[i - 1];
    }
    set->person[0] = person;
    set->kept[0] = kept;
}

// Where the person stands in the set; -1: nowhere.
static int place_in(const hd_histories_set *set, int64_t person) {
    for (int i = 0; i < WAYS; i++)
        if (set->kept[i] && set->person[i] == person) return i;
    return -1;
}

void hd_histories_init(hd_histories *all) {
    *all = (hd_histories){0};
}

void hd_histories_clear(hd_histories *all) {
    for (size_t s = 0; all->bytes > 0 && s < SETS; s++)
        for (int i = 0; i < WAYS; i++) give_up(all, &all->sets[s], i);
    hd_free(all->sets);
    all->sets = NULL;
}

void hd_histories_drop(hd_histories *all, int64_t person) {
    if (!all->sets) return;
    hd_histories_set *set = set_of(all, person);
    int at = place_in(set, person);
    if (at >= 0) give_up(all, set, at);
}

const hd_kept_history *hd_histories_get(hd_histories *all, int64_t person) {
    if (!all->sets) return NULL;
    hd_histories_set *set = set_of(all, person);
    int at = place_in(set, person);
    if (at < 0) return NULL;
    hd_kept_history *kept = set->kept[at];
    if (at > 0) to_front(set, at, person, kept);
    return kept;
}

// The last place of the next set that has anything.
static void give_way(hd_histories *all) {
    for (;;) {
        hd_histories_set *set = &all->sets[all->hand];
        all->hand = (all->hand + 1) % SETS;
        for (int i = WAYS - 1; i >= 0; i--) {
            if (!set->kept[i]) continue;
            give_up(all, set, i);
            return;
        }
    }
}

hd_kept_history *hd_histories_put(hd_histories *all, int64_t person, size_t n) {
    hd_histories_drop(all, person);
    size_t bytes = bytes_of(n);
    if (n < ROWS_LEAST || bytes > all->most) return NULL;
    if (!all->sets) all->sets = hd_calloc(SETS, sizeof *all->sets);
    if (!all->sets) return NULL;
    while (all->bytes + bytes > all->most) give_way(all);
    hd_kept_history *kept = hd_alloc(bytes);
    if (!kept) return NULL;
    hd_histories_set *set = set_of(all, person);
    int at = 0;
    while (at < WAYS - 1 && set->kept[at]) at++;
    give_up(all, set, at);
    to_front(set, at, person, kept);
    *kept = (hd_kept_history){.n = n, .cap = n};
    all->bytes += bytes;
    return kept;
}

static void insert(hd_kept_history *kept, hd_history_row row) {
    size_t at = kept->n++;
    for (; at > 0 && kept->rows[at - 1].time > row.time; at--) kept->rows[at] = kept->rows[at - 1];
    kept->rows[at] = row;
}

// Whether there is room for a row more; else nothing is kept of the person any more.
static bool grow(hd_histories *all, hd_histories_set *set, int at) {
    hd_kept_history *kept = set->kept[at];
    if (kept->n < kept->cap) return true;
    size_t cap = kept->n + kept->n / 16 + 8; // who came once comes again
    size_t bytes = all->bytes - bytes_of(kept->cap) + bytes_of(cap);
    hd_kept_history *moved = bytes <= all->most ? hd_realloc(kept, bytes_of(cap)) : NULL;
    if (!moved) {
        give_up(all, set, at);
        return false;
    }
    moved->cap = cap;
    set->kept[at] = moved;
    all->bytes = bytes;
    return true;
}

void hd_histories_add(hd_histories *all, int64_t person, hd_history_row row) {
    if (!all->sets) return;
    hd_histories_set *set = set_of(all, person);
    int at = place_in(set, person);
    if (at >= 0 && grow(all, set, at)) insert(set->kept[at], row);
}
