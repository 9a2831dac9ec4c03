// SPDX-License-Identifier: Apache-2.0
//
// Reasons for bad rows: both languages from the same arguments, so that they cannot drift.
#include "prepare/read/row.h"

#include <stdarg.h>

static void format_reason(char *out, size_t size, const char *format, va_list args) {
    int n = hd_vsnprintf(out, size, format, args);
    if (n >= (int)size) out[hd_utf8_cut(out, size - 1, size - 1)] = 0;
    if (n < 0) out[0] = 0;
}

void hd_row_refuse(hd_import_row *row, const char *en, const char *zh, ...) {
    va_list args;
    va_start(args, zh);
    va_list again;
    va_copy(again, args);
    format_reason(row->reason[HEED_EN], sizeof row->reason[HEED_EN], en, args);
    format_reason(row->reason[HEED_ZH], sizeof row->reason[HEED_ZH], zh, again);
    va_end(again);
    va_end(args);
    row->state = HD_ROW_BAD;
}

hd_quoted hd_quote_value(hd_slice value) {
    enum { MAX = 40 };
    hd_quoted out;
    size_t n = hd_utf8_cut(value.p, value.n, value.n < MAX ? value.n : MAX);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        out.text[len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    if (n < value.n) {
        memcpy(out.text + len, "…", 3);
        len += 3;
    }
    out.text[len] = 0;
    return out;
}
