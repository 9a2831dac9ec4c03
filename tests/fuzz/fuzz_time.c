// SPDX-License-Identifier: Apache-2.0
//
// Time strings in every format, and sniffed. What parses is in range, and comes back from its own
// text and from its own date.
#include <stdint.h>
#include <stdlib.h>

#include "base/time.h"
#include "base/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(hd_time t) {
    if (t < HD_TIME_MIN || t > HD_TIME_MAX) abort();
    char buf[32];
    hd_civil civil;
    hd_time back;
    hd_time_format(t, NULL, buf);
    if (!hd_time_parse(hd_slice_of(buf), HD_TIME_ISO, NULL, &back) || back != t) abort();
    hd_time_civil(t, NULL, &civil);
    if (!hd_time_from_civil(&civil, NULL, &back) || back != t) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_slice text = {(const char *)data, size};
    uint32_t fit = hd_time_sniff(&text, 1);
    hd_slice trimmed = hd_slice_trim(text);
    for (int id = 0; id < HD_TIME_FORMATS; id++) {
        hd_time t;
        if (hd_time_parse(text, (hd_time_format_id)id, NULL, &t)) check(t);
        if ((fit & 1u << id) && !hd_time_parse(trimmed, (hd_time_format_id)id, NULL, &t)) abort();
    }
    size_t bom;
    hd_encoding_sniff((const char *)data, size, &bom);
    return 0;
}
