// SPDX-License-Identifier: Apache-2.0
//
// A serving read must cost no write: it is counted under (actor, purpose, minute) in a fixed table
// with open addressing, and a count becomes an entry once its minute is over. The table never
// grows: whoever makes up actors could fill the memory else. When it is full, what is new is
// counted as "others"; a row that is there stays exact.
//
// Flushing takes the rows out under the lock, writes without it, and counts back in what couldn't
// be written: counting never waits for a disk.
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/unicode.h"
#include "privacy/audit_own.h"

enum { SLOTS = 2048, MOST = 1536, SPARE = 64, MINUTE_MS = 60000 };

typedef struct count_row {
    int64_t minute; // since 1970
    int64_t n;      // 0: free
    hd_audit_what what;
    char actor[HD_AUDIT_ACTOR + 1];
    char purpose[HD_AUDIT_WORD + 1];
} count_row;

struct hd_audit_counts {
    pthread_mutex_t lock;
    size_t used;
    int64_t oldest; // minute
    count_row rows[SLOTS];
};

static const char others[] = "others";

heed_err hd_audit_counts_new(hd_audit_counts **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    pthread_mutex_init(&(*out)->lock, NULL);
    return HEED_OK;
}

void hd_audit_counts_free(hd_audit_counts *counts) {
    if (!counts) return;
    pthread_mutex_destroy(&counts->lock);
    hd_free(counts);
}

// FNV-1a: the table is small and bounded, so collisions made on purpose gain little.
static uint64_t hash_text(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return (h ^ 0xFF) * UINT64_C(0x100000001b3);
}

static bool is_row(const count_row *row, const count_row *wanted) {
    return row->minute == wanted->minute && row->what == wanted->what &&
           strcmp(row->actor, wanted->actor) == 0 && strcmp(row->purpose, wanted->purpose) == 0;
}

// The row, or the free one where it belongs. There is always a free one.
static count_row *find(hd_audit_counts *counts, const count_row *wanted) {
    uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325) ^ (uint64_t)wanted->minute, wanted->actor);
    h = hash_text(h + (uint64_t)wanted->what, wanted->purpose);
    size_t at = (size_t)(h ^ (h >> 32)) % SLOTS;
    while (counts->rows[at].n > 0 && !is_row(&counts->rows[at], wanted)) at = (at + 1) % SLOTS;
    return &counts->rows[at];
}

// Within the lock.
static void add(hd_audit_counts *counts, count_row wanted) {
    count_row *row = find(counts, &wanted);
    if (row->n == 0 && counts->used >= MOST) {
        memcpy(wanted.actor, others, sizeof others);
        row = find(counts, &wanted);
    }
    // The others' rows have room of their own; when that ends, one row takes all that is new.
    if (row->n == 0 && counts->used >= MOST + SPARE) {
        wanted.minute = counts->oldest;
        wanted.what = HD_AUDIT_SERVE;
        wanted.purpose[0] = '\0';
        row = find(counts, &wanted);
    }
    if (row->n > 0) {
        row->n += wanted.n;
        return;
    }
    if (counts->used == 0 || (wanted.minute < counts->oldest && counts->used < MOST + SPARE))
        counts->oldest = wanted.minute;
    counts->used++;
    *row = wanted;
}

static void set_text(char *out, const char *text, size_t max) {
    size_t n = hd_utf8_cut(text, strlen(text), max);
    memcpy(out, text, n);
    out[n] = '\0';
}

static int64_t minute_of(hd_time t) {
    return t / MINUTE_MS - (t % MINUTE_MS < 0);
}

void hd_audit_counts_add(hd_audit_counts *counts, hd_audit_what what, const char *actor,
                         const char *purpose, hd_time now) {
    count_row wanted = {.minute = minute_of(now), .n = 1, .what = what};
    set_text(wanted.actor, actor, HD_AUDIT_ACTOR);
    set_text(wanted.purpose, purpose, HD_AUDIT_WORD);
    pthread_mutex_lock(&counts->lock);
    add(counts, wanted);
    pthread_mutex_unlock(&counts->lock);
}

bool hd_audit_counts_due(hd_audit_counts *counts, hd_time now) {
    pthread_mutex_lock(&counts->lock);
    bool due =
        counts->used > 0 && (counts->oldest < minute_of(now) || counts->used >= MOST - MOST / 4);
    pthread_mutex_unlock(&counts->lock);
    return due;
}

// ── Flushing ──

static int compare_rows(const void *a, const void *b) {
    const count_row *x = a, *y = b;
    if (x->minute != y->minute) return x->minute < y->minute ? -1 : 1;
    if (x->what != y->what) return x->what < y->what ? -1 : 1;
    int order = strcmp(x->actor, y->actor);
    return order ? order : strcmp(x->purpose, y->purpose);
}

// Takes the rows out whose minute is over; the others are put back in their places.
static size_t take(hd_audit_counts *counts, bool all, int64_t minute, count_row *out) {
    size_t n = 0, kept = SLOTS;
    pthread_mutex_lock(&counts->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        if (counts->rows[i].n == 0) continue;
        if (all || counts->rows[i].minute < minute)
            out[n++] = counts->rows[i];
        else
            out[--kept] = counts->rows[i]; // from the other end: both together are at most SLOTS
    }
    memset(counts->rows, 0, sizeof counts->rows);
    counts->used = 0;
    for (size_t i = kept; i < SLOTS; i++) add(counts, out[i]);
    pthread_mutex_unlock(&counts->lock);
    return n;
}

static void put_back(hd_audit_counts *counts, const count_row *rows, size_t n) {
    pthread_mutex_lock(&counts->lock);
    for (size_t i = 0; i < n; i++) add(counts, rows[i]);
    pthread_mutex_unlock(&counts->lock);
}

static heed_err write_row(hd_audit *audit, const count_row *row) {
    char object[48], time[32];
    hd_time_format(row->minute * MINUTE_MS, NULL, time);
    hd_snprintf(object, sizeof object, "minute %s", time);
    return hd_audit_add(audit, &(hd_audit_entry){.what = row->what,
                                                 .actor = row->actor,
                                                 .purpose = row->purpose,
                                                 .object = object,
                                                 .count = row->n});
}

static heed_err write_rows(hd_audit *audit, const count_row *rows, size_t n) {
    HD_TRY(hd_store_begin(audit->store));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) err = write_row(audit, &rows[i]);
    if (err == HEED_OK) return hd_store_commit(audit->store);
    hd_store_rollback(audit->store);
    return err;
}

heed_err hd_audit_counts_flush(hd_audit_counts *counts, hd_audit *audit, hd_time now) {
    bool all = now == HD_TIME_NONE;
    count_row *rows = hd_alloc(SLOTS * sizeof *rows);
    if (!rows) return HD_FAIL_MEMORY(SLOTS * sizeof *rows);
    size_t n = take(counts, all, all ? 0 : minute_of(now), rows);
    heed_err err = HEED_OK;
    if (n > 0) {
        qsort(rows, n, sizeof *rows, compare_rows);
        err = write_rows(audit, rows, n);
        if (err != HEED_OK) put_back(counts, rows, n);
    }
    hd_free(rows);
    return err;
}
