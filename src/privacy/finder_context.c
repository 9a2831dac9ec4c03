// SPDX-License-Identifier: Apache-2.0
//
// What only a word nearby, or a shape of its own, tells: passports, number plates (GA 36), WeChat
// and QQ names, dates of birth.
#include "privacy/finder_own.h"

// ── Passports ──

// Letters and digits from i on, at most `max`; *digits: how many of them are digits.
static size_t code_end(const hd_view *v, size_t i, size_t max, size_t *digits) {
    size_t p = i;
    *digits = 0;
    while (hd_is_alnum(hd_view_at(v, p)) && p - i <= max) *digits += hd_is_digit(v->c[p++]);
    return p - i <= max ? p : 0;
}

// E12345678, EA1234567, DE1234567: since 2012, 2017; G, S, P, D before.
static bool is_chinese_passport(const hd_view *v, size_t i, size_t n, size_t digits) {
    if (n != 9) return false;
    uint32_t c = v->c[i];
    uint32_t second = v->c[i + 1];
    if (digits == 8) return c == 'E' || c == 'G' || c == 'D' || c == 'S' || c == 'P';
    if (digits != 7 || hd_view_digits(v, i + 2, 7) != 7) return false;
    if (c == 'E') return second - 'A' < 26 && second != 'I' && second != 'O';
    return (c == 'D' || c == 'S' || c == 'P') && second == 'E';
}

hd_match hd_match_passport(const hd_view *v, size_t i) {
    size_t digits;
    if (!hd_number_starts(v, i)) return hd_no_match;
    size_t end = code_end(v, i, 9, &digits);
    if (!end || !hd_number_ends(v, end)) return hd_no_match;
    if (end - i >= 6 && digits >= 6 && hd_cue_before(v, i, 12, HD_CUE_PASSPORT))
        return (hd_match){end, 0.96f};
    if (!is_chinese_passport(v, i, end - i, digits) || hd_cue_before(v, i, 20, HD_CUE_NOT_PERSONAL))
        return hd_no_match;
    return (hd_match){end, 0.7f};
}

// ── Number plates ──

static bool is_plate_sign(uint32_t c) {
    c = hd_upper(c);
    return hd_is_digit(c) || (c - 'A' < 26 && c != 'I' && c != 'O');
}

static bool is_energy_letter(uint32_t c) {
    c = hd_upper(c);
    return c >= 'A' && c <= 'K' && c != 'I';
}

// Six signs of a new-energy car: a letter first (small cars) or last (large ones), else digits, but
// the second may be a letter too.
static bool is_energy_plate(const hd_view *v, size_t p) {
    bool small = is_energy_letter(hd_view_at(v, p)) && is_plate_sign(hd_view_at(v, p + 1)) &&
                 hd_view_digits(v, p + 2, 4) == 4;
    bool large = hd_view_digits(v, p, 5) == 5 && is_energy_letter(hd_view_at(v, p + 5));
    return small || large;
}

hd_match hd_match_plate(const hd_view *v, size_t i) {
    static const char *const tails[] = {"学", "挂", "警", "港", "澳", "领", NULL};
    if (!(hd_han_bits(v, hd_view_at(v, i)) & HD_HAN_PLATE)) return hd_no_match;
    if (!is_plate_sign(hd_view_at(v, i + 1)) || !hd_is_letter(hd_view_at(v, i + 1)))
        return hd_no_match;
    size_t p = i + 2;
    uint32_t c = hd_view_at(v, p);
    if (c == 0xB7 || c == 0x2022 || c == 0x30FB || c == ' ' || c == '-' || c == '.') p++;
    size_t n = 0;
    size_t digits = 0;
    while (n < 7 && is_plate_sign(hd_view_at(v, p + n))) digits += hd_is_digit(v->c[p + n++]);
    size_t end = p + n;
    if (n == 4) end += hd_view_any(v, end, tails);
    bool whole = n == 5 || (n == 6 && is_energy_plate(v, p)) || (n == 4 && end > p + 4);
    if (!whole || digits < 3 || hd_is_latin(hd_view_at(v, end)) || hd_is_digit(hd_view_at(v, end)))
        return hd_no_match;
    return (hd_match){end, 0.95f};
}

// ── WeChat, QQ ──

// Whether nothing but words like 号是 and signs stand between a cue and i. *said: whether any does.
static bool is_filler(const hd_view *v, size_t from, size_t i, bool *said) {
    static const char *const fillers[] = {"号码", "号", "账号", "帐号", "名", "是", "为", "群",
                                          "吧",   "搜", "id",   "is",   ":",  "=",  ",",  NULL};
    *said = false;
    while (from < i) {
        size_t n = hd_view_any(v, from, fillers);
        if (n)
            *said = true;
        else if (v->c[from] == ' ')
            n = 1;
        else
            return false;
        from += n;
    }
    return from == i;
}

hd_match hd_match_wechat(const hd_view *v, size_t i) {
    const hd_hit *cue = hd_cue_before(v, i, 8, HD_CUE_WECHAT);
    bool said;
    if (!cue || !hd_is_letter(hd_view_at(v, i)) || !is_filler(v, cue->end, i, &said))
        return hd_no_match;
    size_t p = i;
    bool odd = false; // a sign that words don't have
    for (uint32_t c; c = hd_view_at(v, p), hd_is_alnum(c) || c == '_' || c == '-'; p++) {
        if (p - i == 20) return hd_no_match;
        odd = odd || !hd_is_letter(c);
    }
    if (p - i < 6 || !(said || odd) || hd_cue_at(v, i, ~0u)) return hd_no_match;
    return (hd_match){p, odd ? 0.96f : 0.9f};
}

hd_match hd_match_qq(const hd_view *v, size_t i) {
    const hd_hit *cue = hd_cue_before(v, i, 8, HD_CUE_QQ);
    bool said;
    size_t n = hd_view_digits(v, i, 12);
    if (!cue || n < 5 || n > 11 || v->c[i] == '0' || !is_filler(v, cue->end, i, &said))
        return hd_no_match;
    return hd_number_ends(v, i + n) ? (hd_match){i + n, 0.97f} : hd_no_match;
}

// ── Dates of birth ──

// A number of one to `max` digits at *p, which moves behind it.
static bool read_part(const hd_view *v, size_t *p, size_t max, unsigned *value) {
    size_t n = hd_view_digits(v, *p, max + 1);
    if (n == 0 || n > max) return false;
    *value = 0;
    for (size_t k = 0; k < n; k++) *value = *value * 10 + (v->c[*p + k] - '0');
    *p += n;
    return true;
}

static bool skip_sign(const hd_view *v, size_t *p, const char *zh) {
    uint32_t c = hd_view_at(v, *p);
    size_t n = hd_view_word(v, *p, zh);
    if (!n && (c == '-' || c == '/' || c == '.')) n = 1;
    *p += n;
    return n > 0;
}

// The end of 1990-05-03, 1990年5月3日, 5/3/1990, or 0.
static size_t date_end(const hd_view *v, size_t i) {
    size_t p = i;
    unsigned part[3];
    for (int k = 0; k < 3; k++) {
        if (!read_part(v, &p, 4, &part[k])) return 0;
        if (k < 2 && !skip_sign(v, &p, k == 0 ? "年" : "月")) return 0;
    }
    if (hd_view_word(v, p, "日") || hd_view_word(v, p, "号")) p++;
    bool good = hd_date_plausible(part[0], part[1], part[2]) ||
                hd_date_plausible(part[2], part[0], part[1]) ||
                hd_date_plausible(part[2], part[1], part[0]);
    return good ? p : 0;
}

hd_match hd_match_birth(const hd_view *v, size_t i) {
    size_t end = date_end(v, i);
    if (!end || hd_is_digit(hd_view_at(v, end))) return hd_no_match;
    bool after = hd_view_word(v, end, "出生") || hd_view_word(v, end, "生人");
    if (!after && !hd_cue_before(v, i, 8, HD_CUE_BIRTH)) return hd_no_match;
    return (hd_match){end, 0.9f};
}
