// SPDX-License-Identifier: Apache-2.0
//
// Linux's fair scheduler (EEVDF, since 6.6) runs the thread whose deadline comes first, and a
// deadline is a slice away; a slice is 3 ms, so a request that wakes its thread behind another's
// fresh slice waits for as long. Since 6.12 a thread may ask for a slice of its own, by the field
// of sched_setattr that gives the run time of real-time threads; older kernels overlook it there.
// Measured, 2,000 requests a second with 1,000 events a second posted: 99th percentile 3.25 ms,
// with slices of 0.1 ms 2.19, the writer at nice 10 as well 1.77.
//
// Rejected: real-time classes (they need a right, and a loop that spins would stop the machine), a
// negative nice value (needs a right too).
#include "base/sched.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROMPT_SLICE_NS = 100000, PATIENT_NICE = 10 };

// The kernel's struct sched_attr of its first version; glibc 2.36 has none.
typedef struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} attributes;

enum { POLICY_NORMAL = 0, FLAG_RESET_ON_FORK = 1 };

void hd_sched_prompt(void) {
    const attributes wish = {.size = sizeof wish,
                             .policy = POLICY_NORMAL,
                             .flags = FLAG_RESET_ON_FORK,
                             .nice = getpriority(PRIO_PROCESS, 0),
                             .runtime = PROMPT_SLICE_NS};
    (void)syscall(SYS_sched_setattr, 0, &wish, 0);
}

void hd_sched_patient(void) {
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), PATIENT_NICE); // a thread's on Linux
}
