// SPDX-License-Identifier: Apache-2.0
//
// Asking work to end early. One hd_stop is shared by whoever asks (a signal handler, a job's
// cancel button) and whoever works; the worker looks at it between rows and steps, and returns
// HEED_INTERRUPTED with everything as it was before.
//
// Threads: ask and look from any thread; asking is safe in a signal handler.
#ifndef HD_WORKSPACE_STOP_H
#define HD_WORKSPACE_STOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "heed/error.h"

typedef struct hd_store hd_store;

typedef struct hd_stop {
    atomic_bool asked;
    _Atomic(hd_store *) store; // whose long statement ends too; NULL: none open
} hd_stop;

void hd_stop_ask(hd_stop *stop);
// HEED_INTERRUPTED once asked. A NULL stop never is.
heed_err hd_stop_check(hd_stop *stop) HEED_CHECK;
static inline bool hd_stop_asked(hd_stop *stop) {
    return stop && atomic_load_explicit(&stop->asked, memory_order_relaxed);
}

#endif
