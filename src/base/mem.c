// SPDX-License-Identifier: Apache-2.0
//
// The only door to malloc. What is in use is counted by malloc_usable_size, so that no header
// stands before a block and aligned buffers are released like all others. Bytes are reserved
// against the limit before they are asked for, as what malloc will make of them, and corrected
// afterwards if the block holds something else: two threads can't pass the limit together.
//
// An answer of the server allocates some hundreds of times, so what each of them costs shows: four
// counts in memory that all threads write were a tenth of an answer's time. Left are the bytes in
// use, counted once on the way in and once on the way out, in a line of the cache of their own.
//
// The counters are the one piece of process-wide state that the promise of a memory limit needs.
#include "base/mem.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    _Alignas(64) atomic_size_t bytes;
    char rest[64 - sizeof(atomic_size_t)];
} used;
static atomic_size_t peak;
static atomic_size_t limit;
static atomic_bool counting; // somebody wants to know how many calls there are
static atomic_ullong calls;
static atomic_ullong fail_left; // allocations until the one that fails, 0: off
static atomic_bool fail_once;
static _Thread_local uint64_t failures; // allocations of this thread that failed
static _Thread_local bool overdraft;    // this thread's refusals are counted, but not carried out

// Whether this allocation is the one that a test wants to see fail.
static bool injected(void) {
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    unsigned long long left = atomic_load_explicit(&fail_left, memory_order_relaxed);
    while (left != 0) {
        bool stay = left == 1 && !atomic_load(&fail_once);
        if (stay || atomic_compare_exchange_weak(&fail_left, &left, left - 1)) return left == 1;
    }
    return false;
}

static void release(size_t bytes) {
    atomic_fetch_sub_explicit(&used.bytes, bytes, memory_order_relaxed);
}

static void raise_peak(size_t now) {
    size_t high = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > high && !atomic_compare_exchange_weak(&peak, &high, now)) {
    }
}

static bool reserve(size_t bytes) {
    bool refused = injected();
    size_t cap = atomic_load_explicit(&limit, memory_order_relaxed);
    size_t before = atomic_fetch_add_explicit(&used.bytes, bytes, memory_order_relaxed);
    refused = refused || (cap > 0 && (before > cap || bytes > cap - before));
    if (!refused) return true;
    failures++;
    if (!overdraft) release(bytes);
    return overdraft;
}

// Turns the reservation into what the block holds; NULL gives it back.
static void *settle(void *ptr, size_t reserved) {
    size_t real = ptr ? malloc_usable_size(ptr) : 0;
    if (!ptr) failures++;
    if (real != reserved)
        atomic_fetch_add_explicit(&used.bytes, real - reserved, memory_order_relaxed);
    if (ptr) raise_peak(atomic_load_explicit(&used.bytes, memory_order_relaxed));
    return ptr;
}

// What a block of so many bytes will hold, as glibc's malloc cuts them on machines of 64 bits; any
// other is put right by settle.
static size_t as_held(size_t bytes) {
    enum { HEAD = 8, UNIT = 16, LEAST = 24 };
    return bytes <= LEAST ? LEAST : (bytes + HEAD + UNIT - 1) / UNIT * UNIT - HEAD;
}

void *hd_alloc(size_t bytes) {
    if (bytes == 0) bytes = 1;
    if (bytes > PTRDIFF_MAX || !reserve(as_held(bytes))) return NULL;
    return settle(malloc(bytes), as_held(bytes));
}

void *hd_calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
    if (bytes == 0) bytes = 1;
    if (!reserve(as_held(bytes))) return NULL;
    return settle(calloc(1, bytes), as_held(bytes));
}

void *hd_realloc(void *ptr, size_t bytes) {
    if (!ptr) return hd_alloc(bytes);
    if (bytes == 0) bytes = 1;
    if (bytes > PTRDIFF_MAX) return NULL;
    size_t old = malloc_usable_size(ptr);
    size_t more = bytes > old ? bytes - old : 0;
    if (!reserve(more)) return NULL;
    void *moved = realloc(ptr, bytes);
    if (!moved) {
        release(more);
        return NULL;
    }
    return settle(moved, old + more);
}

void *hd_realloc_array(void *ptr, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return hd_realloc(ptr, bytes);
}

void hd_free(void *ptr) {
    if (!ptr) return;
    release(malloc_usable_size(ptr));
    free(ptr);
}

// Large buffers are read end to end, and over 4 KB pages a product waits for the page table at
// every other row: the kernel is asked for pages of 2 MB. It may say no; values are the same.
static void ask_for_huge_pages(char *ptr, size_t bytes) {
#ifdef MADV_HUGEPAGE
    enum { LEAST = 8 << 20, PAGE = 4096 };
    if (bytes < LEAST) return;
    char *from = ptr + (PAGE - (uintptr_t)ptr % PAGE) % PAGE;
    (void)madvise(from, (bytes - (size_t)(from - ptr)) / PAGE * PAGE, MADV_HUGEPAGE);
#else
    (void)ptr, (void)bytes;
#endif
}

void *hd_alloc_aligned(size_t count, size_t size) {
    enum { ALIGN = 64 };
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGN) return NULL;
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (!reserve(bytes)) return NULL;
    void *ptr = settle(aligned_alloc(ALIGN, bytes), bytes);
    if (!ptr) return NULL;
    ask_for_huge_pages(ptr, bytes);
    memset(ptr, 0, bytes);
    return ptr;
}

char *hd_strndup(const char *text, size_t n) {
    char *copy = n < PTRDIFF_MAX ? hd_alloc(n + 1) : NULL;
    if (!copy) return NULL;
    if (n > 0) memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *hd_strdup(const char *text) {
    return hd_strndup(text, strlen(text));
}

heed_err hd_grow(void *array, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return HEED_OK;
    size_t room = *cap < 8 ? 8 : *cap;
    while (room < need) room = room > SIZE_MAX / 2 ? need : room * 2;
    void *old; // array is the address of a T*, whatever T: copied, as C has no alias for that
    memcpy(&old, array, sizeof old);
    void *moved = hd_realloc_array(old, room, size);
    if (!moved) return HD_FAIL_MEMORY(room > SIZE_MAX / size ? 0 : room * size);
    memcpy(array, &moved, sizeof moved);
    *cap = room;
    return HEED_OK;
}

size_t hd_mem_used(void) {
    return atomic_load(&used.bytes);
}
size_t hd_mem_peak(void) {
    return atomic_load(&peak);
}
void hd_mem_limit_set(size_t bytes) {
    atomic_store(&limit, bytes);
}
size_t hd_mem_limit(void) {
    return atomic_load(&limit);
}

void hd_mem_fail_at(uint64_t n, bool once) {
    atomic_store(&fail_once, once);
    atomic_store(&fail_left, n);
}

uint64_t hd_mem_calls(void) {
    atomic_store(&counting, true);
    return atomic_exchange(&calls, 0);
}

uint64_t hd_mem_failures(void) {
    return failures;
}

bool hd_mem_overdraft(bool on) {
    bool before = overdraft;
    overdraft = on;
    return before;
}

// ── SQLite and jansson ──

static void *sqlite_malloc(int n) {
    return n > 0 ? hd_alloc((size_t)n) : NULL;
}
static void *sqlite_realloc(void *ptr, int n) {
    return n > 0 ? hd_realloc(ptr, (size_t)n) : NULL;
}
static int sqlite_size(void *ptr) {
    return ptr ? (int)malloc_usable_size(ptr) : 0;
}
static int sqlite_roundup(int n) {
    return (n + 7) & ~7;
}
static int sqlite_init(void *ctx) {
    (void)ctx;
    return SQLITE_OK;
}
static void sqlite_shutdown(void *ctx) {
    (void)ctx;
}

static int adopted = SQLITE_OK;
// Bytes. SQLite's unix VFS takes only the lowest 17 bits of a write's length, and what is more than
// this goes to a file in one write: store/sqlite_spill.c cuts it.
enum { PAGES_KIB = 4096, PAGES_ASIDE = 1 << 20 };

static void adopt(void) {
    static const sqlite3_mem_methods methods = {
        .xMalloc = sqlite_malloc,
        .xFree = hd_free,
        .xRealloc = sqlite_realloc,
        .xSize = sqlite_size,
        .xRoundup = sqlite_roundup,
        .xInit = sqlite_init,
        .xShutdown = sqlite_shutdown,
    };
    json_set_alloc_funcs(hd_alloc, hd_free);
    adopted = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    // SQLite's own count would take a process-wide mutex for each allocation; ours stands above.
    if (adopted == SQLITE_OK) adopted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    // Within a savepoint, SQLite keeps each page as it was: above 64 KiB in a file. A post of a
    // hundred events is a savepoint with some 400 KiB of them, so it wrote twice what it kept.
    if (adopted == SQLITE_OK) adopted = sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, PAGES_ASIDE);
    // Pages of a connection in one block: whoever reads gives all of them up after each commit of
    // somebody else, and through malloc that takes half a millisecond.
    if (adopted == SQLITE_OK)
        adopted = sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, -PAGES_KIB);
}

heed_err hd_mem_adopt_libraries(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, adopt);
    if (adopted == SQLITE_OK) return HEED_OK;
    return HD_FAIL(HEED_INTERNAL,
                   "SQLite was used before its memory could be counted; open heed first",
                   "SQLite 已先被使用，无法统计其内存；请先打开 heed");
}
