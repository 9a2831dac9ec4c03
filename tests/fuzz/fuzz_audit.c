// SPDX-License-Identifier: Apache-2.0
//
// Audit records from any bytes: what decodes is encoded to the same bytes; checkpoints and exported
// files of any text are refused or read, and what is signed by nobody is never sound.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "privacy/audit_own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void record(const uint8_t *data, size_t size) {
    hd_audit_record r;
    uint8_t again[HD_AUDIT_BYTES];
    size_t n;
    if (hd_audit_decode(data, size, &r) != HEED_OK) return;
    if (hd_audit_encode(&r, again, &n) != HEED_OK || n != size || memcmp(again, data, n) != 0)
        abort();
    uint64_t from, to;
    if (hd_audit_lost_read(r.object, &from, &to) && from > to) abort();
}

static void checkpoint(hd_slice text) {
    static const char origin[] = "heed/audit/x";
    static uint8_t key[HD_SIGN_PUBLIC] = {3};
    hd_checkpoint c;
    bool form;
    if (hd_checkpoint_read(text, origin, key, &c, &form)) abort(); // nobody has that key
}

static void file(hd_slice text) {
    static const uint8_t key[HD_SIGN_PUBLIC] = {3};
    hd_audit_report report;
    if (hd_audit_verify_text(text, "fuzz", key, &report) != HEED_OK) return;
    if (report.sound && report.entries > 0) abort();
    if (report.n_faults == 0 && !report.sound) abort();
    for (size_t i = 0; i < report.n_faults && i < HD_AUDIT_FAULTS; i++)
        if (!report.faults[i].text[HEED_EN][0] || !report.faults[i].text[HEED_ZH][0]) abort();
}

// The first byte says what the rest is.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (sodium_init() < 0 || size == 0) return 0;
    const hd_slice text = {(const char *)data + 1, size - 1};
    if (data[0] % 3 == 0) record(data + 1, size - 1);
    if (data[0] % 3 == 1) checkpoint(text);
    if (data[0] % 3 == 2) file(text);
    return 0;
}
