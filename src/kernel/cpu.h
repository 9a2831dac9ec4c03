// SPDX-License-Identifier: Apache-2.0
//
// What the processor can do, and the path chosen: one set of kernels per instruction set
// (kernel/kernels.h). The choice is made once for the process, at first use: the best the processor
// and the system can do, or what HEED_ISA names. Threads: all functions from any thread, but
// hd_isa_choose only while no kernel runs.
#ifndef HD_KERNEL_CPU_H
#define HD_KERNEL_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

// Lowest first. AMX is AVX-512 with the products of narrow types replaced.
typedef enum hd_isa {
    HD_ISA_REF, // portable C
    HD_ISA_NEON,
    HD_ISA_AVX2,
    HD_ISA_AVX512,
    HD_ISA_AMX,
    HD_ISAS
} hd_isa;

const char *hd_isa_name(hd_isa isa); // "avx2"
bool hd_isa_can(hd_isa isa);         // on this machine
hd_text hd_isa_why_not(hd_isa isa);  // why it can't; empty texts when it can
hd_isa hd_isa_best(void);

// Chooses by name; NULL or "auto": the best. HEED_INPUT: no such path, or not on this machine.
heed_err hd_isa_choose(const char *name) HEED_CHECK;
// Chooses by HEED_ISA unless a choice was made: says what is wrong with it. Whoever starts work
// that uses kernels calls this first (hd_gemm_run does).
heed_err hd_isa_ready(void) HEED_CHECK;
hd_isa hd_isa_get(void); // the choice; before any, or when HEED_ISA is wrong: the best

// "Intel(R) Xeon(R) Processor", at most n − 1 bytes.
void hd_cpu_model(char *out, size_t n);
size_t hd_cpu_cache(int level); // bytes of a core's data cache, 1..3; 0: unknown

#endif
