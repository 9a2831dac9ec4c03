// SPDX-License-Identifier: Apache-2.0
//
// Libraries that only a fit needs: found when it begins.
#ifndef HD_CLASSIC_LIBRARY_H
#define HD_CLASSIC_LIBRARY_H

#include <stddef.h>

#include "base/error.h"

typedef struct hd_library_symbol {
    const char *name;
    size_t at; // offset of the function pointer in the caller's struct
} hd_library_symbol;

typedef struct hd_library {
    const char *name;                 // "XGBoost"
    const char *package;              // that a user installs
    const char *const *files;         // NULL-terminated, the first that is there is taken
    const hd_library_symbol *symbols; // name NULL ends them
} hd_library;

// Fills the struct of function pointers. HEED_UNAVAILABLE, with the package's name. What was loaded
// stays loaded.
heed_err hd_library_load(const hd_library *library, void *functions) HEED_CHECK;

#endif
