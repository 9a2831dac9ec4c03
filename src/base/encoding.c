// SPDX-License-Identifier: Apache-2.0
//
// Which encoding is a file in? Decided on its first bytes, in this order: a byte order mark; NUL
// bytes (UTF-16 when they stand on one side of the pairs and the rest reads as text, else binary);
// valid UTF-8; valid GB18030 most of whose characters are common ones; else Latin-1. Control
// characters in any number mean binary.
//
// Text in Latin-1 is often valid GB18030 by its form (é and the letter behind it make a pair), so
// form alone doesn't decide: GB 2312 puts its 3,755 most used characters into rows B0..D7 with the
// second byte above A0, which a pair of letter and accent never has.
#include "base/unicode.h"

#include <utf8proc.h>

static const char *const encoding_names[] = {
    [HD_UTF8] = "utf-8",      [HD_UTF16LE] = "utf-16le", [HD_UTF16BE] = "utf-16be",
    [HD_GB18030] = "gb18030", [HD_LATIN1] = "latin-1",   [HD_BINARY] = "binary",
};

const char *hd_encoding_name(hd_encoding encoding) {
    return encoding_names[encoding];
}

typedef struct bom_mark {
    const char *bytes;
    size_t n;
    hd_encoding encoding;
} bom_mark;

// Longer marks first: UTF-32's begins as UTF-16's does.
static const bom_mark bom_marks[] = {
    {"\xFF\xFE\0\0", 4, HD_BINARY}, // UTF-32, which nobody's export writes
    {"\0\0\xFE\xFF", 4, HD_BINARY}, {"\x84\x31\x95\x33", 4, HD_GB18030},
    {"\xEF\xBB\xBF", 3, HD_UTF8},   {"\xFF\xFE", 2, HD_UTF16LE},
    {"\xFE\xFF", 2, HD_UTF16BE},
};

static bool is_control(uint32_t c) {
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || c == 0x7F;
}

// Whether the pairs of bytes read as text; zero_side is the side (0 or 1) on which NULs stand.
static bool reads_as_utf16(const unsigned char *p, size_t n, size_t zero_side) {
    size_t strange = 0, total = n / 2;
    for (size_t i = 0; i + 1 < n; i += 2) {
        uint32_t c =
            zero_side == 0 ? (uint32_t)p[i] << 8 | p[i + 1] : (uint32_t)p[i + 1] << 8 | p[i];
        if (c == 0) return false;
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (is_control(c) ||
            (!surrogate && utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_CN)) {
            strange++;
        }
    }
    return total > 0 && strange * 50 <= total;
}

static hd_encoding sniff_with_nul(const unsigned char *p, size_t n) {
    size_t zeros[2] = {0, 0};
    for (size_t i = 0; i < n; i++) zeros[i & 1] += p[i] == 0;
    if (zeros[0] == 0 && reads_as_utf16(p, n, 1)) return HD_UTF16LE;
    if (zeros[1] == 0 && reads_as_utf16(p, n, 0)) return HD_UTF16BE;
    return HD_BINARY;
}

// Valid to the end, but for one character that the end cuts off.
static bool sniff_utf8(const char *text, size_t n) {
    size_t bad = hd_utf8_valid(text, n);
    if (bad == n) return true;
    const unsigned char *p = (const unsigned char *)text;
    size_t left = n - bad, need = p[bad] >= 0xF0 ? 4 : p[bad] >= 0xE0 ? 3 : 2;
    if (p[bad] < 0xC2 || p[bad] > 0xF4 || left >= need) return false;
    for (size_t i = bad + 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return false;
    }
    return true;
}

// Length of the GB18030 character at p, 0 when there can be none; `left` if the end cuts it off.
static size_t gb_length(const unsigned char *p, size_t left) {
    if (p[0] < 0x80) return 1;
    if (p[0] == 0x80 || p[0] == 0xFF) return 0;
    if (left < 2) return left;
    if (p[1] >= 0x40 && p[1] != 0x7F && p[1] != 0xFF) return 2;
    if (p[1] < 0x30 || p[1] > 0x39) return 0;
    if (left > 2 && (p[2] < 0x81 || p[2] > 0xFE)) return 0;
    if (left > 3 && (p[3] < 0x30 || p[3] > 0x39)) return 0;
    return left < 4 ? left : 4;
}

static bool gb_common(const unsigned char *p) {
    bool first_level = p[0] >= 0xB0 && p[0] <= 0xD7 && p[1] >= 0xA1;
    bool punctuation = (p[0] == 0xA1 || p[0] == 0xA3) && p[1] >= 0xA1;
    return first_level || punctuation;
}

static bool sniff_gb18030(const unsigned char *p, size_t n) {
    size_t pairs = 0, common = 0;
    for (size_t i = 0; i < n;) {
        size_t len = gb_length(p + i, n - i);
        if (len == 0) return false;
        if (len >= 2) {
            pairs++;
            common += gb_common(p + i);
        }
        i += len;
    }
    return pairs > 0 && common * 10 >= pairs * 6;
}

hd_encoding hd_encoding_sniff(const char *bytes, size_t n, size_t *bom) {
    *bom = 0;
    for (size_t i = 0; i < sizeof bom_marks / sizeof bom_marks[0]; i++) {
        if (n >= bom_marks[i].n && memcmp(bytes, bom_marks[i].bytes, bom_marks[i].n) == 0) {
            if (bom_marks[i].encoding != HD_BINARY) *bom = bom_marks[i].n;
            return bom_marks[i].encoding;
        }
    }
    const unsigned char *p = (const unsigned char *)bytes;
    if (n > 0 && memchr(bytes, 0, n)) return sniff_with_nul(p, n);
    size_t controls = 0;
    for (size_t i = 0; i < n; i++) controls += is_control(p[i]);
    if (controls * 50 > n) return HD_BINARY;
    if (sniff_utf8(bytes, n)) return HD_UTF8;
    return sniff_gb18030(p, n) ? HD_GB18030 : HD_LATIN1;
}
