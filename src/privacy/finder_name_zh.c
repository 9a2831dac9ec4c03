// SPDX-License-Identifier: Apache-2.0
//
// Chinese names: a surname (the commonest 400, single and compound, as in the household statistics
// of 2020) and a given name of one or two characters. A surname alone says little, as many are
// words too, so that something must introduce the name: 我叫 before it, 先生 behind it, or a mobile
// number beside it.
//
// How long a name is shows by what follows: an end of phrase, or a character that no given name has
// (HD_HAN_NO_GIVEN).
#include "privacy/finder_own.h"

static const char *const compounds[] = {"欧阳", "司马", "上官", "诸葛", "慕容", "令狐", "司徒",
                                        "皇甫", "尉迟", "公孙", "轩辕", "夏侯", "东方", "独孤",
                                        "南宫", "长孙", "宇文", "端木", "申屠", "呼延", NULL};

// The characters of the surname at i, or 0.
static size_t surname_length(const hd_view *v, size_t i) {
    if (hd_cue_at(v, i, HD_CUE_NOT_NAME | HD_CUE_PLACE | HD_CUE_TITLE)) return 0;
    if (v->hit < v->n_hits && v->hits[v->hit].start < i) return 0; // within a word
    size_t n = hd_view_any(v, i, compounds);
    if (n) return n;
    return hd_han_bits(v, hd_view_at(v, i)) & HD_HAN_SURNAME ? 1 : 0;
}

static bool is_given(const hd_view *v, size_t i) {
    uint32_t c = hd_view_at(v, i);
    return hd_is_han(c) && !(hd_han_bits(v, c) & HD_HAN_NO_GIVEN);
}

// Whether a name can end before i.
static bool is_border(const hd_view *v, size_t i) {
    uint32_t c = hd_view_at(v, i);
    return !hd_is_han(c) || (hd_han_bits(v, c) & HD_HAN_NO_GIVEN) || hd_cue_at(v, i, HD_CUE_TITLE);
}

// Whether a phrase ends before i, or a title follows.
static bool is_end(const hd_view *v, size_t i) {
    return !hd_is_han(hd_view_at(v, i)) || hd_cue_at(v, i, HD_CUE_TITLE);
}

// The end of a full name at i whose surname has n characters, or 0.
static size_t full_end(const hd_view *v, size_t i, size_t n) {
    size_t given = i + n;
    if (!is_given(v, given) || hd_cue_at(v, given, HD_CUE_TITLE)) return 0;
    bool two = is_given(v, given + 1) && !hd_cue_at(v, given + 1, HD_CUE_TITLE);
    if (two && is_border(v, given + 2)) return given + 2;
    if (is_border(v, given + 1)) return given + 1;
    return two ? given + 2 : given + 1;
}

// Whether only words and signs that join stand between a cue and i.
static bool is_joined(const hd_view *v, size_t from, size_t i) {
    static const char *const fillers[] = {"是", "为", "叫", "写的", "写", ":",
                                          " ",  "=",  "\"", "“",    "\n", NULL};
    while (from < i) {
        size_t n = hd_view_any(v, from, fillers);
        if (!n) return false;
        from += n;
    }
    return from == i;
}

static hd_match introduced(const hd_view *v, size_t i, size_t n) {
    const hd_hit *cue = hd_cue_before(v, i, 4, HD_CUE_NAME | HD_CUE_NAME_WEAK);
    if (!cue || !is_joined(v, cue->end, i)) return hd_no_match;
    size_t end = full_end(v, i, n);
    if (v->c[cue->end - 1] == 0x59D3 && cue->end - cue->start < 4) // 我姓王
        return is_border(v, i + n) ? (hd_match){i + n, 0.9f} : hd_no_match;
    if (!end) return hd_no_match;
    if (cue->kinds & HD_CUE_NAME) return (hd_match){end, 0.95f};
    bool word = hd_han_bits(v, v->c[i]) & HD_HAN_SURNAME_WORD;
    return is_end(v, end) && !word ? (hd_match){end, 0.8f} : hd_no_match;
}

// Whether what stands before a surname that is a word as well lets it be one: 找方经理, not
// 对方经理.
static bool may_precede(const hd_view *v, size_t i) {
    static const char *const before[] = {"找", "是", "的", "给", "请",
                                         "让", "跟", "问", "叫", NULL};
    return !hd_is_han(hd_view_back(v, i)) || hd_view_any(v, i - 1, before);
}

// 王先生, 王小明女士. The name alone: the title stays.
static hd_match titled(const hd_view *v, size_t i, size_t n) {
    bool word = n == 1 && hd_han_bits(v, v->c[i]) & HD_HAN_SURNAME_WORD;
    if (hd_cue_at(v, i + n, HD_CUE_TITLE))
        return word && !may_precede(v, i) ? hd_no_match : (hd_match){i + n, 0.85f};
    for (size_t end = i + n + 1; end <= i + n + 2; end++) {
        if (!is_given(v, end - 1)) return hd_no_match;
        if (!hd_cue_at(v, end, HD_CUE_TITLE)) continue;
        // 于王先生: the surname nearer to the title is the likelier one.
        if (word && surname_length(v, end - 1)) return hd_no_match;
        return (hd_match){end, 0.9f};
    }
    return hd_no_match;
}

// An eleven-digit mobile number at i, whatever its separators.
static bool is_mobile(const hd_view *v, size_t i) {
    if (hd_view_at(v, i) != '1') return false;
    size_t digits = 0;
    for (size_t p = i; p < i + 13; p++) {
        uint32_t c = hd_view_at(v, p);
        if (hd_is_digit(c))
            digits++;
        else if (c != ' ' && c != '-')
            break;
    }
    return digits >= 11;
}

// 张伟 13800138000, and the other way round.
static hd_match beside_phone(const hd_view *v, size_t i, size_t n) {
    if (hd_is_han(hd_view_back(v, i))) return hd_no_match;
    size_t end = full_end(v, i, n);
    if (!end) return hd_no_match;
    size_t p = end + hd_view_word(v, end, "收");
    while (p < end + 2 && (hd_view_at(v, p) == ' ' || hd_view_at(v, p) == ',' ||
                           hd_view_at(v, p) == ':' || hd_view_at(v, p) == 0x3001))
        p++;
    if (is_mobile(v, p)) return (hd_match){end, 0.85f};
    bool word = hd_han_bits(v, v->c[i]) & HD_HAN_SURNAME_WORD;
    bool behind = !word && v->floor > 0 && v->floor_type == HD_PII_PHONE && i > v->floor &&
                  i - v->floor <= 2 && !hd_is_alnum(hd_view_at(v, end)) &&
                  !hd_is_han(hd_view_at(v, end));
    return behind ? (hd_match){end, 0.8f} : hd_no_match;
}

hd_match hd_match_name_zh(const hd_view *v, size_t i) {
    size_t n = surname_length(v, i);
    if (!n) return hd_no_match;
    hd_match match = introduced(v, i, n);
    if (!match.end) match = titled(v, i, n);
    if (!match.end) match = beside_phone(v, i, n);
    return match;
}
