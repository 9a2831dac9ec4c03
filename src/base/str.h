// SPDX-License-Identifier: Apache-2.0
//
// Strings: a slice is a borrowed run of bytes; an hd_str is a growing buffer whose first failure
// sticks and is read once, when the text is taken.
#ifndef HD_BASE_STR_H
#define HD_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

// Borrowed bytes, not NUL-terminated. p == NULL means "absent" (n is 0 then), unlike empty.
typedef struct hd_slice {
    const char *p;
    size_t n;
} hd_slice;

static inline hd_slice hd_slice_of(const char *text) {
    return (hd_slice){text, text ? strlen(text) : 0};
}
static inline bool hd_slice_eq(hd_slice s, const char *text) {
    return s.p && s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}
hd_slice hd_slice_trim(hd_slice s);                    // ASCII white space at both ends
bool hd_slice_eq_nocase(hd_slice s, const char *text); // ASCII letters only

// Whole-slice numbers: false when anything but the number stands there, or it is out of range. f64
// refuses hexadecimal, "inf" and "nan", rounds correctly, and takes what is too small for a double
// as the nearest one (0 at last); both are independent of the locale.
bool hd_slice_i64(hd_slice s, int64_t *out);
bool hd_slice_f64(hd_slice s, double *out);

typedef struct hd_str {
    char *data; // NUL-terminated once anything was added, else NULL
    size_t len;
    size_t cap;
    bool failed; // memory ran out: later additions change nothing
} hd_str;

void hd_str_init(hd_str *s);
void hd_str_clear(hd_str *s);
void hd_str_reset(hd_str *s); // empty, keeps the buffer and forgets the failure

void hd_str_add(hd_str *s, const char *text);
void hd_str_addn(hd_str *s, const char *text, size_t n);
void hd_str_addc(hd_str *s, char c);
void hd_str_addf(hd_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The text so far; "" when nothing was added. Borrowed until the next call on s.
const char *hd_str_get(const hd_str *s);
// HEED_MEMORY when any addition failed.
heed_err hd_str_check(const hd_str *s) HEED_CHECK;
// Moves the text out (release with hd_free) and clears s.
heed_err hd_str_take(hd_str *s, char **out) HEED_CHECK;

// snprintf whose numbers don't depend on the locale: a point is a point.
int hd_snprintf(char *out, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));
int hd_vsnprintf(char *out, size_t n, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

// The candidate nearest to `word` by edit distance, or NULL when none is near (distance > 1 +
// length/3): for "did you mean". A candidate that begins with the word is at distance 1. `next`
// yields candidates until NULL.
const char *hd_nearest(const char *word, const char *(*next)(void *ctx), void *ctx);

#endif
