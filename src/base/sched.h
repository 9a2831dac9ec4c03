// SPDX-License-Identifier: Apache-2.0
//
// What a thread asks of the scheduler. Wishes: where a system can't grant one, all goes on as
// without it.
#ifndef HD_BASE_SCHED_H
#define HD_BASE_SCHED_H

// This thread answers somebody who waits, in bursts far shorter than a scheduler's slice: it is let
// in soon after it wakes, and in return let out sooner. Its share of the processor stays the same.
// Threads and processes that it starts aren't bound by it.
void hd_sched_prompt(void);

// Nobody waits for this thread by the tenth of a millisecond: it gives way to threads that are
// prompt, and still has a share where others keep the machine busy. There is no way back.
void hd_sched_patient(void);

#endif
