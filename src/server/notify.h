// SPDX-License-Identifier: Apache-2.0
//
// Words to the service manager that started this program (sd_notify's protocol): "READY=1",
// "STOPPING=1", "WATCHDOG=1".
#ifndef HD_SERVER_NOTIFY_H
#define HD_SERVER_NOTIFY_H

#include <stdint.h>

// Nobody listens ($NOTIFY_SOCKET isn't set), or it can't be told: nothing is done.
void hd_notify(const char *words);
// Milliseconds within which the manager wants to hear "WATCHDOG=1"; 0: it doesn't.
int64_t hd_notify_watchdog_ms(void);

#endif
