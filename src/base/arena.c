// SPDX-License-Identifier: Apache-2.0
//
// Arena: a list of blocks, each twice as large as the one before (up to a megabyte), handed out
// from front to back. What doesn't fit and is large gets a block of its own behind the current one,
// so that the rest of the current block isn't lost.
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct hd_arena_block {
    hd_arena_block *next; // older
    size_t cap;           // bytes of data
    size_t used;
    size_t borrowed; // whether the memory is the caller's; keeps data at a multiple of 16
    unsigned char data[];
};

enum { ALIGN = 16, FIRST_BLOCK = 4096, LAST_BLOCK = 1 << 20 };

void hd_arena_init(hd_arena *arena) {
    *arena = (hd_arena){0};
}

static void free_blocks(hd_arena_block *block) {
    while (block) {
        hd_arena_block *next = block->next;
        if (!block->borrowed) hd_free(block);
        block = next;
    }
}

void hd_arena_clear(hd_arena *arena) {
    free_blocks(arena->head);
    hd_arena_init(arena);
}

void hd_arena_init_on(hd_arena *arena, void *memory, size_t bytes) {
    hd_arena_block *block = memory;
    hd_arena_init(arena);
    if (bytes < sizeof *block || (uintptr_t)memory % ALIGN != 0) return;
    *block = (hd_arena_block){.cap = bytes - sizeof *block, .borrowed = true};
    arena->head = block;
}

void hd_arena_reset(hd_arena *arena) {
    hd_arena_block *head = arena->head;
    if (!head) return;
    if (head->next) { // one block would have done
        size_t used = arena->used;
        hd_arena_clear(arena);
        arena->first = used < LAST_BLOCK ? used : LAST_BLOCK;
        return;
    }
    head->used = 0;
    arena->used = 0;
}

static hd_arena_block *block_new(size_t cap) {
    hd_arena_block *block = hd_alloc(sizeof *block + cap);
    if (block) *block = (hd_arena_block){.cap = cap};
    return block;
}

static void *from_block(hd_arena *arena, hd_arena_block *block, size_t bytes) {
    void *out = block->data + block->used;
    block->used += bytes;
    arena->used += bytes;
    return out;
}

// A block for bytes that don't fit into the current one; NULL: out of memory.
static hd_arena_block *add_block(hd_arena *arena, size_t bytes) {
    hd_arena_block *head = arena->head;
    size_t cap = head ? head->cap * 2 : FIRST_BLOCK;
    if (!head && arena->first > cap) cap = arena->first;
    if (cap > LAST_BLOCK) cap = LAST_BLOCK;
    bool large = head && bytes > cap / 4;
    hd_arena_block *block = block_new(large || bytes > cap ? bytes : cap);
    if (!block) return NULL;
    if (large) {
        block->next = head->next;
        head->next = block;
    } else {
        block->next = head;
        arena->head = block;
    }
    return block;
}

void *hd_arena_alloc(hd_arena *arena, size_t bytes) {
    if (bytes > PTRDIFF_MAX - LAST_BLOCK) return NULL;
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
    hd_arena_block *block = arena->head;
    if (!block || bytes > block->cap - block->used) block = add_block(arena, bytes);
    return block ? from_block(arena, block, bytes) : NULL;
}

void *hd_arena_calloc(hd_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    void *out = hd_arena_alloc(arena, bytes);
    if (out) memset(out, 0, bytes);
    return out;
}

char *hd_arena_strndup(hd_arena *arena, const char *text, size_t n) {
    char *copy = n < PTRDIFF_MAX ? hd_arena_alloc(arena, n + 1) : NULL;
    if (!copy) return NULL;
    if (n > 0) memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *hd_arena_strdup(hd_arena *arena, const char *text) {
    return hd_arena_strndup(arena, text, strlen(text));
}

char *hd_arena_printf(hd_arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = hd_vsnprintf(NULL, 0, format, args);
    char *out = n < 0 ? NULL : hd_arena_alloc(arena, (size_t)n + 1);
    if (out) hd_vsnprintf(out, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return out;
}
