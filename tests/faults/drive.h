// SPDX-License-Identifier: Apache-2.0
//
// The driver of faults: a workload runs in a child process that a fault meets at a chosen call; the
// parent then looks, without faults, at what is left.
//
// How many faults each workload meets: HEED_FAULTS in the environment, else its sample. When a
// workload makes fewer calls than that, each of them is hit, with other seeds each round.
#ifndef DRIVE_H
#define DRIVE_H

#include "base/error.h"
#include "fault.h"

// Samples, for `make test`: a workload under the public API takes longer.
enum { STORE_SAMPLE = 8, API_SAMPLE = 3 };

// What the child tells the parent, in memory they share: nothing of it is lost by a crash.
typedef struct tally {
    volatile int64_t acked;   // steps that were acknowledged, in order
    volatile int64_t more[4]; // a workload's own
    heed_err err;
    char message[512];
    uint64_t calls;
} tally;

typedef struct workload {
    const char *name;
    // In a child, without faults, in an empty folder; done once, each run gets a copy. May be NULL.
    heed_err (*prepare)(const char *dir);
    heed_err (*run)(const char *dir, tally *t); // in the child; t->acked grows as steps are done
    // In a child of its own: false, and why, when what is left isn't what was promised.
    bool (*verify)(const char *dir, const tally *t, char *why, size_t size);
    uint64_t sample; // faults of each kind, unless HEED_FAULTS says otherwise
} workload;

// Runs a workload under one plan and verifies. *calls: how many it made (may be NULL).
bool drive_once(const workload *w, const fault_plan *plan, uint64_t *calls, char *why, size_t size);
// Crashes, a full disk and I/O errors (once, and from then on), each at so many calls. Fails
// the running cmocka test with the plan that found a fault.
void drive_all(const workload *w);
// For the test of the tests: how many of `rounds` crashes are found out.
uint64_t drive_crashes_found(const workload *w, uint64_t rounds);

// Copies a folder with all in it to a path where nothing stands.
void drive_copy(const char *from, const char *to);

// Writes to why and returns false.
bool drive_wrong(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same with the message of the last failure.
bool drive_failed(char *why, size_t size, const char *what);

#endif
