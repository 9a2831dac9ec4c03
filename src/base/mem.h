// SPDX-License-Identifier: Apache-2.0
//
// The only door to malloc. Everything allocated here is counted against `memory.limit`, and tests
// can make the n-th call fail. Threads: all functions may be called from any thread.
#ifndef HD_BASE_MEM_H
#define HD_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// NULL when memory is out or the limit is reached: report with HD_FAIL_MEMORY. Zero bytes give a
// unique pointer. Release with hd_free; freeing NULL is fine.
void *hd_alloc(size_t bytes);
void *hd_calloc(size_t count, size_t size); // zeroed; NULL when count × size overflows
void *hd_realloc(void *ptr, size_t bytes);  // NULL leaves ptr as it was
void *hd_realloc_array(void *ptr, size_t count, size_t size);
void hd_free(void *ptr);

// A 64-byte aligned buffer for tensors and columns, zeroed. Release with hd_free.
void *hd_alloc_aligned(size_t count, size_t size);

char *hd_strdup(const char *text);
char *hd_strndup(const char *text, size_t n); // n bytes and a NUL

// Grows *array (count elements of `size` bytes, capacity *cap) so that it holds `need`. Doubling.
heed_err hd_grow(void *array, size_t *cap, size_t need, size_t size) HEED_CHECK;

// Bytes in use, their peak since start, and the limit (0: none).
size_t hd_mem_used(void);
size_t hd_mem_peak(void);
void hd_mem_limit_set(size_t bytes);
size_t hd_mem_limit(void);

// How many allocations of the calling thread have failed so far: tells whether a library that says
// only "no" ran out of memory.
uint64_t hd_mem_failures(void);

// For the call of a library that can't bear a failing allocation: while it is on, allocations of
// this thread that the limit or the injection refuses are made all the same, and counted by
// hd_mem_failures, which the caller must ask. Returns what stood before.
bool hd_mem_overdraft(bool on);

// Fault injection, for tests: the n-th allocation from now (1: the next) fails, once when `once`,
// else with all that follow. 0 turns it off. hd_mem_calls gives the allocations since its last
// call, which are counted from the first one on.
void hd_mem_fail_at(uint64_t n, bool once);
uint64_t hd_mem_calls(void);

// Routes SQLite's and jansson's allocations through hd_alloc, so that the limit and the injection
// cover them. Call before either is used; later calls change nothing.
heed_err hd_mem_adopt_libraries(void) HEED_CHECK;

#endif
