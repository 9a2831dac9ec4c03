// SPDX-License-Identifier: Apache-2.0
//
// What the machine has. Threads: any.
#ifndef HD_BASE_MACHINE_H
#define HD_BASE_MACHINE_H

#include <stddef.h>

// Bytes of memory that this process can come to: the machine's, or less where a control group (of a
// container, of a service) says so. root: "" for the machine's own files; a test's folder.
size_t hd_machine_memory(const char *root);

#endif
