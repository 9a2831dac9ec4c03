// SPDX-License-Identifier: Apache-2.0
//
// What a thread asks of the scheduler. Wishes: where a system can't grant one, all goes on as
// without it.
#ifndef HD_BASE_SCHED_H
#define HD_BASE_SCHED_H

#include <stddef.h>

// A set of processors, as many as Linux's own type holds.
typedef struct hd_processors {
    unsigned long bits[1024 / (8 * sizeof(unsigned long))];
} hd_processors;

// For the number-th of `of` threads that share a work: this one keeps to its share of the
// processors that it may use, every of-th. *before: what it might use, for hd_sched_return. With
// fewer processors than threads nothing changes. Threads that it starts are bound as it is.
void hd_sched_share(size_t number, size_t of, hd_processors *before);
void hd_sched_return(const hd_processors *before);

// Nobody waits for this thread by the millisecond: it gives way to others, and still has a share
// where they keep the machine busy. There is no way back.
void hd_sched_patient(void);

#endif
