// SPDX-License-Identifier: Apache-2.0
//
// Strings and numbers.
//
// hd_slice_f64 reads digits into an integer; when that has at most 53 bits and the power of ten at
// most 22, value and power are exact doubles and one IEEE operation rounds correctly (Clinger, "How
// to read floating point numbers accurately", PLDI 1990). That is nearly every number in a file.
// The rest goes to strtod_l, in a canonical form of at most 800 digits: 767 decide any double, and
// of what follows only matters whether it is zero.
//
// hd_nearest uses the optimal string alignment distance: insert, delete, replace, swap neighbours.
#include "base/str.h"

#include <assert.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

// ── Slices ──

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r'); // \t \n \v \f \r
}

hd_slice hd_slice_trim(hd_slice s) {
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1])) s.n--;
    return s;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool hd_slice_eq_nocase(hd_slice s, const char *text) {
    if (!s.p || s.n != strlen(text)) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (lower(s.p[i]) != lower(text[i])) return false;
    }
    return true;
}

// ── Numbers ──

bool hd_slice_i64(hd_slice s, int64_t *out) {
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    if (i == s.n) return false;
    bool negative = s.p[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

enum { MAX_DIGITS = 800, EXPONENT_CAP = 100000000 };

// A decimal number taken apart: (-1)^negative × 0.d1 d2 … × 10^point.
typedef struct decimal {
    bool negative;
    uint64_t mantissa; // the first 19 significant digits
    size_t digits;     // significant digits in all
    int64_t exponent;  // value = (all digits as an integer) × 10^exponent
    hd_slice body;     // where the digits and the point stand
} decimal;

static bool take_exponent(hd_slice s, size_t i, int64_t *exponent) {
    bool negative = i < s.n && s.p[i] == '-';
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) i++;
    if (i == s.n) return false;
    int64_t e = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9) return false;
        if (e < EXPONENT_CAP) e = e * 10 + digit;
    }
    *exponent += negative ? -e : e;
    return true;
}

static bool take_apart(hd_slice s, decimal *d) {
    *d = (decimal){0};
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    d->negative = i > 0 && s.p[0] == '-';
    size_t begin = i, seen = 0;
    bool point = false;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit <= 9) {
            seen++;
            d->exponent -= point;
            if (d->digits == 0 && digit == 0) continue;
            if (d->digits < 19) d->mantissa = d->mantissa * 10 + digit;
            d->digits++;
        } else if (s.p[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    d->body = (hd_slice){s.p + begin, i - begin};
    if (seen == 0) return false;
    if (i == s.n) return true;
    return (s.p[i] == 'e' || s.p[i] == 'E') && take_exponent(s, i + 1, &d->exponent);
}

// The significant digits, cut at MAX_DIGITS with a last 1 when what follows isn't 0, then the
// exponent.
static bool slow_f64(const decimal *d, double *out) {
    char text[MAX_DIGITS + 32];
    size_t n = 0, rest = 0;
    bool more = false;
    for (size_t i = 0; i < d->body.n; i++) {
        char c = d->body.p[i];
        if (c == '.' || (n == 0 && c == '0')) continue;
        if (n < MAX_DIGITS) {
            text[n++] = c;
        } else {
            rest++;
            more = more || c != '0';
        }
    }
    int64_t exponent = d->exponent + (int64_t)rest;
    if (more) {
        text[n++] = '1';
        exponent--;
    }
    // Past these the answer is plain, and the exponent needn't be written.
    if (exponent + (int64_t)n > 400) return false;
    if (exponent + (int64_t)n < -400) {
        *out = 0.0;
        return true;
    }
    hd_snprintf(text + n, sizeof text - n, "e%d", (int)exponent);
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = strtod_l(text, NULL, c_locale);
    freelocale(c_locale);
    *out = value;
    return isfinite(value);
}

bool hd_slice_f64(hd_slice s, double *out) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    decimal d;
    if (!take_apart(s, &d)) return false;
    double value = 0.0;
    if (d.digits <= 19 && d.mantissa <= (UINT64_C(1) << 53) && d.exponent >= -22 &&
        d.exponent <= 22) {
        value = (double)d.mantissa;
        value = d.exponent < 0 ? value / powers[-d.exponent] : value * powers[d.exponent];
    } else if (d.digits > 0 && !slow_f64(&d, &value)) {
        return false;
    }
    *out = d.negative ? -value : value;
    return true;
}

// ── Formatting ──

int hd_vsnprintf(char *out, size_t n, const char *format, va_list args) {
    // "C" is a static object of the C library: this neither allocates nor fails.
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = uselocale(c_locale);
    int written = vsnprintf(out, n, format, args);
    uselocale(before);
    freelocale(c_locale);
    return written;
}

int hd_snprintf(char *out, size_t n, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int written = hd_vsnprintf(out, n, format, args);
    va_end(args);
    return written;
}

// ── The growing string ──

void hd_str_init(hd_str *s) {
    *s = (hd_str){0};
}

void hd_str_clear(hd_str *s) {
    hd_free(s->data);
    hd_str_init(s);
}

void hd_str_reset(hd_str *s) {
    s->len = 0;
    s->failed = false;
    if (s->data) s->data[0] = '\0';
}

// Room for n more bytes and a NUL.
static bool make_room(hd_str *s, size_t n) {
    if (s->failed) return false;
    if (n > PTRDIFF_MAX - s->len - 1 || hd_grow(&s->data, &s->cap, s->len + n + 1, 1) != HEED_OK) {
        s->failed = true;
    }
    return !s->failed;
}

void hd_str_addn(hd_str *s, const char *text, size_t n) {
    if (!make_room(s, n)) return;
    if (n > 0) memcpy(s->data + s->len, text, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void hd_str_add(hd_str *s, const char *text) {
    hd_str_addn(s, text, strlen(text));
}
void hd_str_addc(hd_str *s, char c) {
    hd_str_addn(s, &c, 1);
}

void hd_str_addf(hd_str *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = hd_vsnprintf(NULL, 0, format, args);
    if (n < 0) {
        s->failed = true;
    } else if (make_room(s, (size_t)n)) {
        hd_vsnprintf(s->data + s->len, (size_t)n + 1, format, again);
        s->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

const char *hd_str_get(const hd_str *s) {
    return s->data ? s->data : "";
}

heed_err hd_str_check(const hd_str *s) {
    return s->failed ? HD_FAIL_MEMORY(s->len) : HEED_OK;
}

heed_err hd_str_take(hd_str *s, char **out) {
    hd_str_addn(s, "", 0); // an empty text too is a text of its own
    heed_err err = hd_str_check(s);
    if (err == HEED_OK) {
        *out = s->data;
        hd_str_init(s);
    } else {
        hd_str_clear(s);
    }
    return err;
}

// ── Did you mean ──

enum { WORD_MAX = 127 };

static size_t min3(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

// Optimal string alignment distance of two words of at most WORD_MAX bytes, ASCII case ignored.
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    assert(n <= WORD_MAX && m <= WORD_MAX);
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++) above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t differ = lower(a[i - 1]) != lower(b[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + differ);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = min3(row[j], before[j - 2] + 1, row[j]);
            }
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

// Whether a is what b begins with: a word that was cut short is one mistake, however much is
// missing.
static bool is_cut(const char *a, size_t n, const char *b, size_t m) {
    enum { LEAST = 3 };
    if (n < LEAST || n >= m) return false;
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

const char *hd_nearest(const char *word, const char *(*next)(void *ctx), void *ctx) {
    size_t n = strlen(word);
    if (n > WORD_MAX) return NULL;
    const char *best = NULL;
    size_t best_distance = 1 + n / 3 + 1;
    for (const char *candidate = next(ctx); candidate; candidate = next(ctx)) {
        size_t m = strlen(candidate);
        if (m > WORD_MAX) continue;
        size_t d = is_cut(word, n, candidate, m) ? 1 : distance(word, n, candidate, m);
        if (d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}
