// SPDX-License-Identifier: Apache-2.0
//
// A comma in a number is a thousands separator when groups of three follow (1,234,567.8), and
// refused otherwise: 12,5 may be twelve and a half or a typing error, and guessing loses money.
// Files that are cut at semicolons come from places that write decimals with a comma; there the
// reader asks for `comma`.
#include "prepare/read/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool hd_value_is_nothing(hd_slice s) {
    static const struct {
        const char *text;
        size_t n;
    } words[] = {{"null", 4}, {"\\N", 2},    {"nan", 3}, {"none", 4}, {"undefined", 9}, {"n/a", 3},
                 {"#n/a", 4}, {"(null)", 6}, {"-", 1},   {"--", 2},   {"nil", 3}};
    if (s.n == 0) return true;
    // Asked of every value: nearly all are told by their first sign.
    char c = s.p[0];
    bool likely = c == 'n' || c == 'N' || c == 'u' || c == 'U' || c == '-' || c == '\\' ||
                  c == '#' || c == '(';
    if (!likely || s.n > 9) return false;
    for (size_t i = 0; i < COUNT(words); i++) {
        if (words[i].n == s.n && hd_slice_eq_nocase(s, words[i].text)) return true;
    }
    return false;
}

// ── Numbers ─────────────────────────────────────────────────────────────────────────────────────

enum { NUMBER_MAX = 64 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Copies a number without its separators of thousands, its decimal sign as a point. False when the
// groups aren't of three digits.
static bool ungroup(hd_slice s, char group, char decimal, char out[NUMBER_MAX], size_t *n) {
    size_t since = 0;     // digits since the last separator
    bool grouped = false; // one was seen
    bool fraction = false;
    *n = 0;
    if (s.n >= NUMBER_MAX) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == group) {
            if (fraction || since == 0 || since > 3 || (grouped && since != 3)) return false;
            grouped = true;
            since = 0;
            continue;
        }
        if (c == decimal) {
            if (fraction || (grouped && since != 3)) return false;
            fraction = true;
            c = '.';
        } else if (is_digit(c)) {
            since++;
        }
        out[(*n)++] = c;
    }
    return !grouped || fraction || since == 3;
}

// A full-width comma is a comma.
static hd_slice narrow_commas(hd_slice s, char buf[NUMBER_MAX]) {
    size_t n = 0;
    if (s.n >= NUMBER_MAX) return s;
    for (size_t i = 0; i < s.n;) {
        bool wide = s.n - i >= 3 && memcmp(s.p + i, "，", 3) == 0;
        buf[n++] = wide ? ',' : s.p[i];
        i += wide ? 3 : 1;
    }
    return (hd_slice){buf, n};
}

bool hd_value_number(hd_slice s, bool comma, double *out) {
    if (!comma && hd_slice_f64(s, out)) return true;
    char narrow[NUMBER_MAX];
    char plain[NUMBER_MAX];
    size_t n = 0;
    s = narrow_commas(s, narrow);
    if (!ungroup(s, comma ? '.' : ',', comma ? ',' : '.', plain, &n)) {
        // In a file that writes 12,5 a number such as 12.34 can only mean its point.
        return comma && hd_slice_f64(s, out);
    }
    return hd_slice_f64((hd_slice){plain, n}, out);
}

// ── Money ───────────────────────────────────────────────────────────────────────────────────────

typedef struct money_sign {
    const char *sign;
    const char *code;
} money_sign;

// Longer signs before those they end in.
static const money_sign money_signs[] = {
    {"人民币", "CNY"}, {"美元", "USD"}, {"欧元", "EUR"}, {"日元", "JPY"}, {"港元", "HKD"},
    {"港币", "HKD"},   {"英镑", "GBP"}, {"元", "CNY"},   {"圆", "CNY"},   {"RMB", "CNY"},
    {"CN¥", "CNY"},    {"JP¥", "JPY"},  {"US$", "USD"},  {"HK$", "HKD"},  {"NT$", "TWD"},
    {"AU$", "AUD"},    {"CA$", "CAD"},  {"S$", "SGD"},   {"R$", "BRL"},   {"A$", "AUD"},
    {"C$", "CAD"},     {"¥", "CNY"},    {"￥", "CNY"},   {"$", "USD"},    {"＄", "USD"},
    {"€", "EUR"},      {"£", "GBP"},    {"₩", "KRW"},    {"₹", "INR"},    {"₽", "RUB"},
    {"฿", "THB"},      {"₫", "VND"},    {"₱", "PHP"},    {"₺", "TRY"},
};

// What a sign that several countries use means here.
static const char *localise(const char *sign, const char *code, const char *local) {
    static const char *const dollars[] = {"USD", "HKD", "TWD", "AUD", "CAD", "SGD", "NZD", "MXN"};
    if (!local) return code;
    bool yen = strcmp(sign, "¥") == 0 || strcmp(sign, "￥") == 0;
    if (yen && strcmp(local, "JPY") == 0) return "JPY";
    for (size_t i = 0; (sign[0] == '$' || sign[0] == '\xef') && !yen && i < COUNT(dollars); i++) {
        if (strcmp(local, dollars[i]) == 0) return dollars[i];
    }
    return code;
}

// ISO 4217 codes of the money most traded with; others are taken in a column of their own.
static const char *const iso_codes[] = {
    "CNY", "USD", "EUR", "JPY", "GBP", "HKD", "TWD", "KRW", "SGD", "AUD", "CAD", "NZD",
    "CHF", "SEK", "NOK", "DKK", "INR", "RUB", "BRL", "MXN", "THB", "VND", "MYR", "IDR",
    "PHP", "TRY", "PLN", "CZK", "HUF", "ILS", "ZAR", "AED", "SAR", "MOP"};

// Takes a sign off the start or the end of an amount.
static const char *take_sign(hd_slice *s, const char *local) {
    for (size_t i = 0; i < COUNT(money_signs); i++) {
        const money_sign *m = &money_signs[i];
        size_t n = strlen(m->sign);
        if (s->n <= n) continue;
        bool first = memcmp(s->p, m->sign, n) == 0;
        bool last = memcmp(s->p + s->n - n, m->sign, n) == 0;
        if (!first && !last) continue;
        *s = hd_slice_trim((hd_slice){first ? s->p + n : s->p, s->n - n});
        return localise(m->sign, m->code, local);
    }
    for (size_t i = 0; i < COUNT(iso_codes) && s->n > 3; i++) {
        hd_slice start = {s->p, 3};
        hd_slice end = {s->p + s->n - 3, 3};
        bool first = hd_slice_eq_nocase(start, iso_codes[i]);
        if (!first && !hd_slice_eq_nocase(end, iso_codes[i])) continue;
        *s = hd_slice_trim((hd_slice){first ? s->p + 3 : s->p, s->n - 3});
        return iso_codes[i];
    }
    return NULL;
}

bool hd_value_money(hd_slice s, bool comma, const char *local, double *out, const char **currency) {
    *currency = NULL;
    if (!comma && hd_slice_f64(s, out)) return true; // nearly all are bare
    bool minus = false;
    if (s.n > 2 && s.p[0] == '(' && s.p[s.n - 1] == ')') { // as accountants write a debt
        minus = true;
        s = hd_slice_trim((hd_slice){s.p + 1, s.n - 2});
    } else if (s.n > 1 && s.p[0] == '-' && !is_digit(s.p[1])) { // the minus before the sign: -$5
        minus = true;
        s = hd_slice_trim((hd_slice){s.p + 1, s.n - 1});
    }
    *currency = take_sign(&s, local);
    if (minus && s.n > 0 && !is_digit(s.p[0]) && s.p[0] != '.') return false;
    if (!hd_value_number(s, comma, out)) return false;
    if (minus) *out = -*out;
    return true;
}

bool hd_value_currency(hd_slice s, const char *local, char out[4]) {
    for (size_t i = 0; i < COUNT(money_signs); i++) {
        if (!hd_slice_eq_nocase(s, money_signs[i].sign)) continue;
        memcpy(out, localise(money_signs[i].sign, money_signs[i].code, local), 4);
        return true;
    }
    if (s.n != 3) return false;
    for (size_t i = 0; i < 3; i++) {
        char c = s.p[i];
        if (c >= 'a' && c <= 'z') c = (char)(c - 32);
        if (c < 'A' || c > 'Z') return false;
        out[i] = c;
    }
    out[3] = 0;
    return true;
}

// ── Booleans and lists ──────────────────────────────────────────────────────────────────────────

bool hd_value_bool(hd_slice s, int *out) {
    static const char *const yes[] = {"1", "true", "yes", "y", "t", "on", "是", "有", "真", "1.0"};
    static const char *const no[] = {"0", "false", "no", "n", "f", "off", "否", "无", "假", "0.0"};
    for (size_t i = 0; i < COUNT(yes); i++) {
        if (hd_slice_eq_nocase(s, yes[i])) {
            *out = 1;
            return true;
        }
        if (hd_slice_eq_nocase(s, no[i])) {
            *out = 0;
            return true;
        }
    }
    return false;
}

static const char *const list_signs[] = {"|", ">", "；", ";", "，", "、", ",", "/"};

static const char *list_sign(hd_slice s, const char given[2]) {
    if (given[0]) return given;
    for (size_t i = 0; i < COUNT(list_signs); i++) {
        if (memmem(s.p, s.n, list_signs[i], strlen(list_signs[i]))) return list_signs[i];
    }
    return NULL;
}

bool hd_value_list_next(hd_slice s, char given, size_t *at, hd_slice *part) {
    const char own[2] = {given, 0};
    const char *sign = list_sign(s, own);
    while (*at < s.n) {
        const char *p = s.p + *at;
        size_t left = s.n - *at;
        const char *q = sign ? memmem(p, left, sign, strlen(sign)) : NULL;
        size_t n = q ? (size_t)(q - p) : left;
        *at += n + (q ? strlen(sign) : 0);
        *part = hd_slice_trim((hd_slice){p, n});
        if (part->n > 0) return true;
    }
    return false;
}
