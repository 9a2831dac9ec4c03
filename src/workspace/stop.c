// SPDX-License-Identifier: Apache-2.0
//
// A flag rather than a jump: work ends where its data is whole. The store is interrupted too,
// because one SQL statement can outlast anybody's patience; sqlite3_interrupt only sets a flag of
// its own, which keeps hd_stop_ask safe in a signal handler.
#include "workspace/stop.h"

#include "base/error.h"
#include "store/open.h"

void hd_stop_ask(hd_stop *stop) {
    atomic_store(&stop->asked, true);
    hd_store *store = atomic_load(&stop->store);
    if (store) hd_store_interrupt(store);
}

heed_err hd_stop_check(hd_stop *stop) {
    if (!hd_stop_asked(stop)) return HEED_OK;
    return HD_FAIL(HEED_INTERRUPTED, "interrupted: nothing of this command was kept",
                   "已中断：本次命令没有保留任何改动");
}
