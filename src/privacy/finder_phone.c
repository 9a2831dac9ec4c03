// SPDX-License-Identifier: Apache-2.0
//
// Phone numbers. Those of forms that little else has (Chinese mobiles and landlines, 400 lines,
// North American ones with separators) come from a table of patterns. Others are read as groups of
// digits: with a country code, with a trunk zero, or where a word says that a phone number stands
// there. Numbering plans: ITU-T E.164 (at most 15 digits), YD/T 1247 (China), NANP.
#include "privacy/finder_own.h"

enum { MAX_DIGITS = 15, MAX_GROUPS = 6, CUE_GAP = 32, TIGHT_GAP = 10 };

// ── Patterns ──

// d: any digit; Z: 1-9; N: 2-9; M: 3-9; s: a separator or none; S: a separator, the same
// throughout; anything else: itself.
typedef struct pattern {
    const char *form;
    float confidence;
    bool dashed_extension; // "-8001" may follow
    bool by_word;          // a word must name it
} pattern;

static const pattern patterns[] = {
    {"+86s1Mdsddddsdddd", 0.97f, false, false},  {"(+86)s1Mdsddddsdddd", 0.97f, false, false},
    {"0086s1Mdsddddsdddd", 0.97f, false, false}, {"86s1Mdsddddsdddd", 0.96f, false, false},
    {"1Mdsddddsdddd", 0.95f, false, false},      {"1Mddddsddddd", 0.9f, false, false},
    {"1MdsdddSddddd", 0.9f, false, true},        {"400sdddsdddd", 0.85f, true, false},
    {"400sddddsddd", 0.85f, true, false},        {"800sdddsdddd", 0.85f, true, false},
    {"01dSddddsdddd", 0.93f, true, false},       {"02dSddddsdddd", 0.93f, true, false},
    {"0MddSddddsdddd", 0.92f, true, false},      {"0MddSdddsdddd", 0.92f, true, false},
    {"(01d)sddddsdddd", 0.95f, true, false},     {"(02d)sddddsdddd", 0.95f, true, false},
    {"(0Mdd)sddddsdddd", 0.95f, true, false},    {"(0Mdd)sdddsdddd", 0.95f, true, false},
    {"01ddddddddd", 0.9f, true, true},           {"02ddddddddd", 0.9f, true, true},
    {"0Mdddddddddd", 0.9f, true, true},          {"0Mddddddddd", 0.9f, true, true},
    {"(Ndd)sdddSdddd", 0.93f, false, false},     {"NddSdddSdddd", 0.9f, false, false},
    {"1SNddSdddSdddd", 0.93f, false, false},     {"1s(Ndd)sdddSdddd", 0.95f, false, false},
};

static bool is_separator(uint32_t c) {
    return c == ' ' || c == '-' || c == '.';
}

// Whether one sign of a pattern fits the character; *seen: the separator of S, once known.
static bool fits(char sign, uint32_t c, uint32_t *seen) {
    if (sign == 'S') {
        if (!is_separator(c) || (*seen && *seen != c)) return false;
        *seen = c;
        return true;
    }
    unsigned least = sign == 'd' ? 0 : sign == 'Z' ? 1 : sign == 'N' ? 2 : sign == 'M' ? 3 : 10;
    if (least < 10) return hd_is_digit(c) && c - '0' >= least;
    return c == (uint32_t)(unsigned char)sign;
}

static size_t pattern_end(const hd_view *v, size_t i, const char *form) {
    size_t p = i;
    uint32_t seen = 0;
    for (; *form; form++) {
        uint32_t c = hd_view_at(v, p);
        if (*form == 's') {
            p += is_separator(c);
        } else if (!fits(*form, c, &seen)) {
            return 0;
        } else {
            p++;
        }
    }
    return p;
}

// ── What follows ──

// The end of an extension that follows, or `end`.
static size_t extension_end(const hd_view *v, size_t end, bool dashed) {
    static const char *const words[] = {"extension", "ext.", "ext:", "ext", "x",
                                        "转接",      "转",   "分机", NULL};
    size_t p = end + (hd_view_at(v, end) == ' ' || hd_view_at(v, end) == ',');
    size_t n = hd_view_any(v, p, words);
    if (!n && dashed && hd_view_at(v, end) == '-') {
        p = end;
        n = 1;
    }
    if (!n) return end;
    p += n;
    for (int k = 0; k < 2; k++) p += hd_view_at(v, p) == ' ' || hd_view_at(v, p) == ':';
    size_t digits = hd_view_digits(v, p, 7);
    return digits >= 1 && digits <= 6 ? p + digits : end;
}

static bool is_amount(const hd_view *v, size_t i, size_t end) {
    uint32_t before = hd_view_back(v, i);
    uint32_t after = hd_view_at(v, end);
    if (after == ' ') after = hd_view_at(v, end + 1);
    return before == '$' || before == 0xA5 || before == 0xFFE5 || before == 0x20AC ||
           before == 0xA3 || (hd_han_bits(v, after) & HD_HAN_UNIT) != 0;
}

static hd_match finish(const hd_view *v, size_t i, size_t end, bool dashed, float confidence) {
    size_t whole = extension_end(v, end, dashed);
    if (!hd_number_ends(v, whole)) {
        whole = end;
        if (!hd_number_ends(v, end)) return hd_no_match;
    }
    if (is_amount(v, i, whole)) return hd_no_match;
    return (hd_match){whole, confidence};
}

static bool by_word(const hd_view *v, size_t i, size_t gap) {
    if (hd_cue_before(v, i, gap, HD_CUE_PHONE)) return true;
    // One of a list: "010-… / 138…", "… or …".
    return v->floor_type == HD_PII_PHONE && v->floor > 0 && i - v->floor <= 4;
}

static hd_match match_pattern(const hd_view *v, size_t i) {
    hd_match best = hd_no_match;
    for (size_t k = 0; k < sizeof patterns / sizeof patterns[0]; k++) {
        const pattern *row = &patterns[k];
        size_t end = pattern_end(v, i, row->form);
        if (end <= best.end || (row->by_word && !by_word(v, i, TIGHT_GAP))) continue;
        hd_match match = finish(v, i, end, row->dashed_extension, row->confidence);
        if (match.end > best.end) best = match;
    }
    return best;
}

// ── Groups ──

typedef struct number {
    char digits[MAX_DIGITS + 1];
    size_t n;
    uint8_t size[MAX_GROUPS];
    size_t n_groups;
    size_t end;
    bool plus;
} number;

// A group of digits, in parentheses or not; false when there is none, or it is too long.
static bool read_group(const hd_view *v, size_t p, number *out) {
    bool open = hd_view_at(v, p) == '(';
    size_t first = p + open;
    size_t n = hd_view_digits(v, first, MAX_DIGITS + 1);
    if (n == 0 || out->n + n > MAX_DIGITS || out->n_groups == MAX_GROUPS) return false;
    if (open && hd_view_at(v, first + n) != ')') return false;
    if (out->n_groups > 0 && n == 1 && !open) return false;
    for (size_t k = 0; k < n; k++) out->digits[out->n++] = (char)v->c[first + k];
    out->size[out->n_groups++] = (uint8_t)n;
    out->end = first + n + open;
    return true;
}

static bool read_number(const hd_view *v, size_t i, number *out) {
    *out = (number){.plus = hd_view_at(v, i) == '+'};
    if (!read_group(v, i + out->plus, out)) return false;
    for (;;) {
        size_t p = out->end;
        uint32_t c = hd_view_at(v, p);
        bool closed = hd_view_at(v, p - 1) == ')';
        if (is_separator(c) || (c == '/' && out->n_groups == 1 && out->digits[0] == '0')) {
            p++;
        } else if (!closed && c != '(') {
            return true;
        }
        if (!read_group(v, p, out)) return true;
    }
}

static unsigned group_value(const number *m, size_t start, size_t n) {
    unsigned value = 0;
    for (size_t i = start; i < start + n; i++) value = value * 10 + (unsigned)(m->digits[i] - '0');
    return value;
}

// 2023-11-05, 05.11.2023: three groups that are a date.
static bool is_date(const number *m) {
    if (m->n_groups < 3) return false;
    if (m->size[0] == 4 && m->size[1] <= 2 && m->size[2] <= 2)
        return hd_date_plausible(group_value(m, 0, 4), group_value(m, 4, m->size[1]),
                                 group_value(m, 4u + m->size[1], m->size[2]));
    if (m->size[0] > 2 || m->size[1] > 2 || m->size[2] != 4) return false;
    unsigned first = group_value(m, 0, m->size[0]);
    unsigned second = group_value(m, m->size[0], m->size[1]);
    unsigned year = group_value(m, (size_t)m->size[0] + m->size[1], 4);
    return hd_date_plausible(year, first, second) || hd_date_plausible(year, second, first);
}

static bool word_follows(const hd_view *v, size_t end) {
    static const char *const words[] = {"office", "mobile", "fax",  "cell", "home",
                                        "work",   "tel",    "desk", NULL};
    size_t p = end;
    while (p < end + 3 &&
           (hd_view_at(v, p) == ' ' || hd_view_at(v, p) == '-' || hd_view_at(v, p) == '('))
        p++;
    size_t n = hd_view_any(v, p, words);
    return n && !hd_is_latin(hd_view_at(v, p + n));
}

// How sure a number in groups is to be a phone number, 0: it isn't.
static float judge(const hd_view *v, size_t i, const number *m) {
    if (m->plus) return m->n >= 8 && m->size[0] <= 13 ? 0.93f : 0;
    if (m->n < 7 || is_date(m)) return 0;
    bool many = m->n_groups > 1;
    bool inside = hd_view_back(v, i) == ' ' && hd_is_digit(hd_view_back(v, i - 1));
    if (inside && !by_word(v, i, CUE_GAP)) return 0;
    if (m->digits[0] == '0' && m->digits[1] == '0' && many && m->n >= 10) return 0.85f;
    if (by_word(v, i, many ? CUE_GAP : TIGHT_GAP) || word_follows(v, m->end))
        return m->n <= 13 ? 0.9f : 0;
    if (m->digits[0] == '0' && m->digits[1] != '0' && many && m->n >= 9 && m->n <= 11) return 0.7f;
    return 0;
}

hd_match hd_match_phone(const hd_view *v, size_t i) {
    uint32_t c = hd_view_at(v, i);
    bool opens = c == '+' || c == '(';
    if (opens && !hd_is_digit(hd_view_at(v, i + 1)) && hd_view_at(v, i + 1) != '+')
        return hd_no_match;
    if (opens ? hd_is_digit(hd_view_back(v, i)) || hd_is_latin(hd_view_back(v, i))
              : !hd_number_starts(v, i))
        return hd_no_match;
    if (hd_cue_before(v, i, 20, HD_CUE_NOT_PERSONAL)) return hd_no_match;
    hd_match match = match_pattern(v, i);
    if (match.end) return match;
    number m;
    if (!read_number(v, i, &m)) return hd_no_match;
    float confidence = judge(v, i, &m);
    return confidence > 0 ? finish(v, i, m.end, false, confidence) : hd_no_match;
}
