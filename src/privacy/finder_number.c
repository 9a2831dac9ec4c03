// SPDX-License-Identifier: Apache-2.0
//
// Numbers with a structure of their own: bank cards, IBANs, US social security numbers, Chinese
// resident IDs, unified social credit codes; and their check digits.
//
// A card or a Chinese 18-digit ID stands for itself. Where digits agree by chance too often (a card
// of 12 or 13 digits, a 15-digit ID, nine digits in a row), a word must name the number.
#include "privacy/finder_own.h"

// ── Check digits ──

bool hd_check_luhn(const char *digits, size_t n) {
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!hd_is_digit((unsigned char)digits[n - 1 - i])) return false;
        unsigned d = (unsigned)(digits[n - 1 - i] - '0') << (i & 1);
        sum += d > 9 ? d - 9 : d;
    }
    return n > 1 && sum % 10 == 0;
}

// Lengths by country (SWIFT's IBAN registry, release 97).
static const struct iban_country {
    char code[3];
    uint8_t length;
} iban_countries[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
    {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18},
    {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27},
    {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27},
    {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20},
    {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20}, {"MR", 27},
    {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24}, {"PL", 28},
    {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24}, {"SC", 31},
    {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28},
    {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
};

static size_t iban_length(char first, char second) {
    for (size_t i = 0; i < sizeof iban_countries / sizeof iban_countries[0]; i++)
        if (iban_countries[i].code[0] == first && iban_countries[i].code[1] == second)
            return iban_countries[i].length;
    return 0;
}

bool hd_check_iban(const char *iban, size_t n) {
    if (n < 15 || iban_length(iban[0], iban[1]) != n) return false;
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)iban[(i + 4) % n];
        if (hd_is_digit(c)) {
            rest = (rest * 10 + (c - '0')) % 97;
        } else if (c - 'A' < 26) {
            rest = (rest * 100 + (c - 'A' + 10)) % 97;
        } else {
            return false;
        }
    }
    return rest == 1;
}

static unsigned number_of(const char *digits, size_t n) {
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

// GB/T 2260: the first two digits of a region.
static bool is_region(const char *digits) {
    static const uint8_t first[] = {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34,
                                    35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52,
                                    53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83};
    unsigned province = number_of(digits, 2);
    for (size_t i = 0; i < sizeof first; i++)
        if (first[i] == province) return true;
    return false;
}

static bool has_id_form(const char *id, size_t n) {
    if (n != 18 && n != 15) return false;
    for (size_t i = 0; i < n; i++)
        if (!hd_is_digit((unsigned char)id[i]) && !(i == 17 && id[i] == 'X')) return false;
    if (!is_region(id)) return false;
    unsigned year = n == 18 ? number_of(id + 6, 4) : 1900 + number_of(id + 6, 2);
    const char *rest = id + (n == 18 ? 10 : 8);
    return hd_date_plausible(year, number_of(rest, 2), number_of(rest + 2, 2));
}

bool hd_check_id_card(const char *id, size_t n) {
    static const uint8_t weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    if (n != 18 || !has_id_form(id, n)) return false;
    unsigned sum = 0;
    for (size_t i = 0; i < 17; i++) sum += weights[i] * (unsigned)(id[i] - '0');
    return "10X98765432"[sum % 11] == id[17];
}

bool hd_check_company_code(const char *code, size_t n) {
    static const char signs[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    if (n != 18) return false;
    unsigned sum = 0;
    unsigned weight = 1;
    unsigned value = 0;
    for (size_t i = 0; i < n; i++, weight = weight * 3 % 31) {
        const char *sign = code[i] ? strchr(signs, code[i]) : NULL;
        if (!sign) return false;
        value = (unsigned)(sign - signs);
        if (i < 17) sum += value * weight;
    }
    return value == (31 - sum % 31) % 31;
}

// ── Digits in groups ──

typedef struct groups {
    char digits[24];
    size_t n;
    uint8_t size[8]; // of each group
    size_t n_groups;
    size_t end;
} groups;

// Digits from i on with single spaces or hyphens between groups; false when they are too many.
static bool read_groups(const hd_view *v, size_t i, groups *g) {
    *g = (groups){.end = i};
    for (size_t p = i;;) {
        size_t n = hd_view_digits(v, p, sizeof g->digits - g->n + 1);
        if (n == 0) return true;
        if (g->n + n > sizeof g->digits || g->n_groups == sizeof g->size) return false;
        for (size_t k = 0; k < n; k++) g->digits[g->n++] = (char)v->c[p + k];
        g->size[g->n_groups++] = (uint8_t)n;
        g->end = p + n;
        p = g->end;
        uint32_t c = hd_view_at(v, p);
        if ((c != ' ' && c != '-') || !hd_is_digit(hd_view_at(v, p + 1))) return true;
        p++;
    }
}

// ── Cards ──

// Groups as they are embossed: fours and a rest, or 4-6-4, 4-6-5.
static bool is_embossed(const groups *g) {
    if (g->n_groups == 1) return true;
    if (g->n_groups == 3 && g->size[0] == 4 && g->size[1] == 6) return true;
    if (g->n_groups == 2) return g->size[0] == 6 && g->size[1] >= 10;
    for (size_t i = 0; i + 1 < g->n_groups; i++)
        if (g->size[i] != 4) return false;
    return g->size[g->n_groups - 1] <= 4;
}

// Issuers' ranges of first digits, over as many digits as the bounds have, with the lengths issued.
static const struct card_issuer {
    unsigned first, last;
    uint8_t prefix, min, max;
} card_issuers[] = {
    {4, 4, 1, 16, 16},       {4, 4, 1, 19, 19},       {51, 55, 2, 16, 16}, // Visa, Mastercard
    {2221, 2720, 4, 16, 16}, {34, 34, 2, 15, 15},     {37, 37, 2, 15, 15}, // Mastercard, Amex
    {6011, 6011, 4, 16, 19}, {644, 659, 3, 16, 19},   {622126, 622925, 6, 16, 19}, // Discover
    {300, 305, 3, 14, 19},   {36, 36, 2, 14, 19},     {38, 39, 2, 14, 19},         // Diners
    {3528, 3589, 4, 16, 19}, {2131, 2131, 4, 15, 15}, {1800, 1800, 4, 15, 15},     // JCB
    {62, 62, 2, 16, 19},     {81, 81, 2, 16, 19},                                  // UnionPay
};

static bool is_issued(const groups *g) {
    for (size_t i = 0; i < sizeof card_issuers / sizeof card_issuers[0]; i++) {
        const struct card_issuer *issuer = &card_issuers[i];
        unsigned first = number_of(g->digits, issuer->prefix);
        if (g->n >= issuer->min && g->n <= issuer->max && first >= issuer->first &&
            first <= issuer->last)
            return true;
    }
    return false;
}

hd_match hd_match_card(const hd_view *v, size_t i) {
    groups g;
    if (!hd_number_starts(v, i) || !read_groups(v, i, &g) || g.n < 12 || g.n > 19)
        return hd_no_match;
    if (!is_embossed(&g) || !hd_number_ends(v, g.end)) return hd_no_match;
    if (hd_cue_before(v, i, 20, HD_CUE_CARD)) return (hd_match){g.end, 0.97f};
    if (!is_issued(&g) || hd_cue_before(v, i, 20, HD_CUE_NOT_PERSONAL)) return hd_no_match;
    return (hd_match){g.end, 0.95f};
}

bool hd_valid_card(const hd_view *v, size_t start, size_t end) {
    char digits[19];
    size_t n;
    return hd_view_compact(v, start, end, digits, sizeof digits, &n) && hd_check_luhn(digits, n);
}

// ── IBAN ──

hd_match hd_match_iban(const hd_view *v, size_t i) {
    size_t length = iban_length((char)hd_upper(hd_view_at(v, i) & 0x7F),
                                (char)hd_upper(hd_view_at(v, i + 1) & 0x7F));
    if (!length || hd_view_digits(v, i + 2, 2) != 2) return hd_no_match;
    size_t p = i;
    for (size_t n = 0; n < length; p++) {
        uint32_t c = hd_view_at(v, p);
        if (hd_is_alnum(c)) {
            n++;
        } else if ((c != ' ' && c != '-') || !hd_is_alnum(hd_view_at(v, p + 1))) {
            return hd_no_match;
        }
    }
    if (hd_is_latin(hd_view_at(v, p)) || hd_is_digit(hd_view_at(v, p))) return hd_no_match;
    return (hd_match){p, 0.99f};
}

bool hd_valid_iban(const hd_view *v, size_t start, size_t end) {
    char iban[34];
    size_t n;
    return hd_view_compact(v, start, end, iban, sizeof iban, &n) && hd_check_iban(iban, n);
}

// ── Social security number ──

hd_match hd_match_ssn(const hd_view *v, size_t i) {
    groups g;
    if (!hd_number_starts(v, i) || !read_groups(v, i, &g) || g.n != 9 || !hd_number_ends(v, g.end))
        return hd_no_match;
    bool hyphens = g.n_groups == 3 && v->c[i + 3] == '-' && v->c[i + 6] == '-';
    bool shaped = g.n_groups == 3 && g.size[0] == 3 && g.size[1] == 2;
    unsigned area = number_of(g.digits, 3);
    if (area == 0 || area == 666 || number_of(g.digits + 3, 2) == 0 ||
        number_of(g.digits + 5, 4) == 0)
        return hd_no_match;
    if (hd_cue_before(v, i, 24, HD_CUE_SSN)) {
        if (shaped || g.n_groups == 1) return (hd_match){g.end, 0.97f};
        return hd_no_match;
    }
    if (!shaped || !hyphens || hd_cue_before(v, i, 20, HD_CUE_NOT_PERSONAL)) return hd_no_match;
    return (hd_match){g.end, 0.92f};
}

// ── Chinese resident ID ──

// 18 or 15 characters, in one piece or parted before and after the date.
static size_t read_id(const hd_view *v, size_t i, char id[18], size_t *n) {
    groups g;
    if (!read_groups(v, i, &g) || g.n < 15 || g.n > 18 || g.n_groups > 3) return 0;
    if (g.n_groups > 1 && (g.size[0] != 6 || (g.n_groups == 3 && g.size[1] != 8))) return 0;
    size_t end = g.end;
    *n = g.n;
    memcpy(id, g.digits, g.n);
    if (g.n == 17 && hd_upper(hd_view_at(v, end)) == 'X') {
        id[(*n)++] = 'X';
        end++;
    }
    return end;
}

hd_match hd_match_id_card(const hd_view *v, size_t i) {
    char id[18];
    size_t n;
    if (!hd_number_starts(v, i)) return hd_no_match;
    size_t end = read_id(v, i, id, &n);
    if (!end || !has_id_form(id, n)) return hd_no_match;
    uint32_t next = hd_view_at(v, end);
    if (hd_is_latin(next) || hd_is_digit(next) || next == '_') return hd_no_match;
    if (hd_check_id_card(id, n)) return (hd_match){end, 0.99f};
    // Mistyped, it still says place and day of birth.
    return hd_cue_before(v, i, 16, HD_CUE_ID_CARD) ? (hd_match){end, 0.9f} : hd_no_match;
}

// ── Unified social credit code ──

hd_match hd_match_company_code(const hd_view *v, size_t i) {
    size_t p = i;
    while (hd_is_alnum(hd_view_at(v, p)) && p - i < 19) p++;
    if (p - i != 18 || hd_view_digits(v, i + 2, 6) != 6) return hd_no_match;
    if (hd_is_latin(hd_view_at(v, p)) || hd_view_at(v, p) == '_') return hd_no_match;
    return (hd_match){p, 0.96f};
}

bool hd_valid_company_code(const hd_view *v, size_t start, size_t end) {
    char code[18];
    size_t n;
    return hd_view_compact(v, start, end, code, sizeof code, &n) && hd_check_company_code(code, n);
}
