// SPDX-License-Identifier: Apache-2.0
//
// Threads for what takes too long for an event loop: a queue, and workers that take from it in
// order. Each worker has a number, so that it can keep things of its own.
#ifndef HD_SERVER_WORKERS_H
#define HD_SERVER_WORKERS_H

#include <stddef.h>

#include "base/error.h"

typedef struct hd_workers hd_workers;

typedef struct hd_work hd_work;
struct hd_work {
    void (*run)(hd_work *work, size_t worker); // may free the work
    hd_work *next;
};

heed_err hd_workers_new(size_t n_workers, size_t max_waiting, hd_workers **out) HEED_CHECK;
void hd_workers_free(hd_workers *workers); // runs what waits first; NULL is fine
// HEED_BUSY: too many wait. Any thread.
heed_err hd_workers_add(hd_workers *workers, hd_work *work) HEED_CHECK;
size_t hd_workers_waiting(hd_workers *workers);

#endif
