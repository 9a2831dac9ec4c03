// SPDX-License-Identifier: Apache-2.0
//
// Arena: many small allocations that end together (one request, one import row, one report).
//
//     hd_arena a;
//     hd_arena_init(&a);
//     char *name = hd_arena_printf(&a, "user %s", id);   // NULL: HD_FAIL_MEMORY
//     hd_arena_clear(&a);
//
// Threads: one arena, one thread at a time.
#ifndef HD_BASE_ARENA_H
#define HD_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

typedef struct hd_arena_block hd_arena_block;
typedef struct hd_arena {
    hd_arena_block *head; // newest block
    size_t used;          // bytes handed out since the last reset
    size_t first;         // of data in the first block, if more than the usual
} hd_arena;

void hd_arena_init(hd_arena *arena);
void hd_arena_clear(hd_arena *arena); // frees all blocks; the arena can be used again
// Forgets all allocations; one block stays, or the next one will hold what was used (up to a
// megabyte), so that the same again costs no allocation.
void hd_arena_reset(hd_arena *arena);
// Begins in memory of the caller's (a stack's, 16-byte aligned), which must outlive what is handed
// out; what doesn't fit there is allocated.
void hd_arena_init_on(hd_arena *arena, void *memory, size_t bytes);

void *hd_arena_alloc(hd_arena *arena,
                     size_t bytes); // 16-byte aligned, not zeroed; NULL: out of memory
void *hd_arena_calloc(hd_arena *arena, size_t count, size_t size);
char *hd_arena_strdup(hd_arena *arena, const char *text);
char *hd_arena_strndup(hd_arena *arena, const char *text, size_t n);
char *hd_arena_printf(hd_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
