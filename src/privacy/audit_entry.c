// SPDX-License-Identifier: Apache-2.0
//
// The canonical bytes of an entry, which its leaf is the hash of:
//
//     byte 0          version, 1
//     8 bytes         number in the log (from 1)
//     8 bytes         time, milliseconds since 1970
//     8 bytes         count
//     6 × (2 + n)     what, actor, purpose, subject, object, outcome: length, then bytes
//
// Integers are big-endian, signed ones as two's complement. Every field has its length before it
// and nothing may follow, so no two entries have the same bytes and no bytes are two entries; a
// JSON text would have many forms. The number is part of it, so that two entries can't change
// places with their leaves.
#include "base/unicode.h"
#include "privacy/audit_own.h"

enum { VERSION = 1, HEAD = 1 + 3 * 8, TEXTS = 6, SUBJECT = 3 };

static const size_t longest[TEXTS] = {HD_AUDIT_WORD,    HD_AUDIT_ACTOR,  HD_AUDIT_WORD,
                                      HD_AUDIT_SUBJECT, HD_AUDIT_OBJECT, HD_AUDIT_WORD};

_Static_assert(HEAD + TEXTS * 2 + 3 * HD_AUDIT_WORD + HD_AUDIT_ACTOR + HD_AUDIT_SUBJECT +
                       HD_AUDIT_OBJECT <=
                   HD_AUDIT_BYTES,
               "any entry fits");

static bool is_text(hd_slice s) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F) return false;
    return s.n == 0 || hd_utf8_valid(s.p, s.n) == s.n;
}

static bool is_field(size_t i, hd_slice s) {
    if (i == SUBJECT) return s.n == 0 || s.n == HD_AUDIT_SUBJECT;
    return s.n <= longest[i] && is_text(s);
}

static uint8_t *put_u64(uint8_t *p, uint64_t v) {
    for (int i = 7; i >= 0; i--) *p++ = (uint8_t)(v >> (8 * i));
    return p;
}

static uint64_t get_u64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    return v;
}

heed_err hd_audit_encode(const hd_audit_record *record, uint8_t out[HD_AUDIT_BYTES], size_t *n) {
    const hd_slice texts[TEXTS] = {record->what,    record->actor,  record->purpose,
                                   record->subject, record->object, record->outcome};
    uint8_t *p = out;
    *p++ = VERSION;
    p = put_u64(p, record->seq);
    p = put_u64(p, (uint64_t)record->time);
    p = put_u64(p, (uint64_t)record->count);
    for (size_t i = 0; i < TEXTS; i++) {
        if (!is_field(i, texts[i]))
            return HD_FAIL(HEED_INTERNAL, "field %d of an audit entry is too long or isn't text",
                           "审计记录的第 %d 个字段过长或不是文本", (int)i + 1);
        *p++ = (uint8_t)(texts[i].n >> 8);
        *p++ = (uint8_t)texts[i].n;
        if (texts[i].n) memcpy(p, texts[i].p, texts[i].n);
        p += texts[i].n;
    }
    *n = (size_t)(p - out);
    return HEED_OK;
}

static heed_err fail_bytes(void) {
    return HD_FAIL(HEED_CORRUPT, "these bytes are no audit entry", "这些字节不是审计记录");
}

heed_err hd_audit_decode(const uint8_t *bytes, size_t n, hd_audit_record *out) {
    *out = (hd_audit_record){0};
    hd_slice *const texts[TEXTS] = {&out->what,    &out->actor,  &out->purpose,
                                    &out->subject, &out->object, &out->outcome};
    if (n < HEAD || bytes[0] != VERSION) return fail_bytes();
    out->seq = get_u64(bytes + 1);
    out->time = (hd_time)get_u64(bytes + 9);
    out->count = (int64_t)get_u64(bytes + 17);
    size_t at = HEAD;
    for (size_t i = 0; i < TEXTS; i++) {
        if (n - at < 2) return fail_bytes();
        size_t len = (size_t)bytes[at] << 8 | bytes[at + 1];
        at += 2;
        if (n - at < len) return fail_bytes();
        *texts[i] = (hd_slice){(const char *)bytes + at, len};
        if (!is_field(i, *texts[i])) return fail_bytes();
        at += len;
    }
    return at == n ? HEED_OK : fail_bytes();
}

heed_err hd_audit_leaf(const hd_audit_record *record, uint8_t out[HD_HASH]) {
    uint8_t bytes[HD_AUDIT_BYTES];
    size_t n;
    HD_TRY(hd_audit_encode(record, bytes, &n));
    hd_tree_leaf(bytes, n, out);
    return HEED_OK;
}
