// SPDX-License-Identifier: Apache-2.0
//
// Numbers in files, against the C library: what hd_slice_f64 takes, strtod reads to the same bits;
// what hd_slice_i64 takes, strtoll reads to the same value.
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = hd_strndup((const char *)data, size);
    if (!text) return 0;
    const hd_slice slice = {text, size};
    char *end;
    double f;
    if (hd_slice_f64(slice, &f)) {
        double want = strtod(text, &end);
        if (end != text + size || memcmp(&f, &want, sizeof f) != 0) abort();
    } else if (size > 0 && strspn(text, "0123456789") == size && isfinite(strtod(text, NULL))) {
        abort(); // digits alone are a number
    }
    int64_t i;
    errno = 0;
    if (hd_slice_i64(slice, &i)) {
        if (i != strtoll(text, &end, 10) || end != text + size || errno != 0) abort();
        if (!hd_slice_f64(slice, &f)) abort();
    }
    hd_free(text);
    return 0;
}
