// SPDX-License-Identifier: Apache-2.0
//
// Any text through the finder: findings in order, within the text, not overlapping; redaction of
// redacted text changes nothing.
#include <stdint.h>
#include <stdlib.h>

#include "privacy/finder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(hd_finder *finder, hd_slice text) {
    const hd_finding *found;
    size_t n;
    size_t end = 0;
    if (hd_finder_scan(finder, text, HD_PII_ALL, &found, &n) != HEED_OK) return;
    for (size_t i = 0; i < n; i++) {
        if (found[i].start < end || found[i].n == 0) abort();
        end = found[i].start + found[i].n;
        if (end > text.n) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_slice text = {size ? (const char *)data : "", size};
    static hd_finder *finder; // its tables are made once
    hd_str once, twice;
    bool changed = false;
    if (!finder && hd_finder_new(&finder) != HEED_OK) return 0;
    hd_str_init(&once);
    hd_str_init(&twice);
    check(finder, text);
    if (hd_finder_redact(finder, text, HD_PII_ALL, &once, NULL, &changed) == HEED_OK) {
        hd_slice redacted = {hd_str_get(&once), once.len};
        heed_err err = hd_finder_redact(finder, redacted, HD_PII_ALL, &twice, NULL, &changed);
        if (err == HEED_OK && changed) abort();
    }
    hd_str_clear(&once);
    hd_str_clear(&twice);
    return 0;
}
