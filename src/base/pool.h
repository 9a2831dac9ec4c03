// SPDX-License-Identifier: Apache-2.0
//
// The pool: heed's own threads. A job is cut into chunks by its shape, never by the number of
// threads; threads take chunks until none is left and park when idle (they spin no longer than some
// 20 µs). The caller works too, so a pool of 1 starts no thread and a nested run is done by its
// caller alone.
//
// When chunks fail, the failure of the lowest chunk is the one the caller sees, message and all,
// and chunks not yet taken are skipped.
#ifndef HD_BASE_POOL_H
#define HD_BASE_POOL_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"

typedef struct hd_pool hd_pool;

// n_threads counts the caller; 0: one per processor this process may use.
heed_err hd_pool_new(size_t n_threads, hd_pool **out) HEED_CHECK;
void hd_pool_free(hd_pool *pool);
size_t hd_pool_threads(const hd_pool *pool); // NULL pool: 1

// Once *flag is true, chunks not yet taken fail with HEED_INTERRUPTED, in this run and later ones.
// flag: borrowed, may be set by any thread or a signal handler; NULL: none. Not while a run is on.
void hd_pool_cancel_by(hd_pool *pool, atomic_bool *flag);

// Runs fn(ctx, 0 .. n_chunks-1) and returns when all are done. A NULL pool runs them in order here.
// One run at a time per pool: a second thread's run waits.
typedef heed_err (*hd_pool_fn)(void *ctx, size_t chunk);
heed_err hd_pool_run(hd_pool *pool, size_t n_chunks, hd_pool_fn fn, void *ctx) HEED_CHECK;

// Inside a chunk: which of the run's threads this is, 0 .. hd_pool_threads(pool)-1. No two chunks
// of a run that go on at the same time have the same: it picks a part of a lent workspace, and must
// not change a result.
size_t hd_pool_slot(void);

#endif
