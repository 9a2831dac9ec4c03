// SPDX-License-Identifier: Apache-2.0
//
// Looking around in a folded text: words, cues, borders of numbers.
#include "base/unicode.h"
#include "privacy/finder_own.h"

size_t hd_view_word(const hd_view *v, size_t i, const char *word) {
    size_t k = i;
    while (*word) {
        uint32_t c = (unsigned char)*word;
        word +=
            c < 0x80 ? 1 : hd_utf8_next(word, 4, &c); // words of ours: whole, of at most 3 bytes
        if (hd_lower(hd_view_at(v, k)) != c) return 0;
        k++;
    }
    return k - i;
}

size_t hd_view_any(const hd_view *v, size_t i, const char *const *words) {
    for (; *words; words++) {
        size_t n = hd_view_word(v, i, *words);
        if (n) return n;
    }
    return 0;
}

size_t hd_view_digits(const hd_view *v, size_t i, size_t max) {
    size_t n = 0;
    while (n < max && hd_is_digit(hd_view_at(v, i + n))) n++;
    return n;
}

// Whether a sentence, or a line without a colon at its end, ends between two places.
static bool is_parted(const hd_view *v, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        uint32_t c = v->c[i];
        if (c == '?' || c == '!' || c == ';' || c == 0x3002) return true;
        if (c == '.' && hd_view_at(v, i + 1) == ' ' && i > from) return true;
        uint32_t before = c == '\n' ? hd_view_back(v, i) : 0;
        if (c == '\n' && before != ':' && before != ',' && before != '\n') return true;
    }
    return false;
}

const hd_hit *hd_cue_before(const hd_view *v, size_t i, size_t gap, unsigned kinds) {
    size_t k = v->hit;
    while (k < v->n_hits && v->hits[k].end <= i) k++;
    while (k-- > 0) {
        const hd_hit *hit = &v->hits[k];
        if (hit->start < v->floor || i - hit->end > gap) return NULL;
        if (!(hit->kinds & ~(unsigned)(HD_CUE_PLACE | HD_CUE_TITLE | HD_CUE_NOT_NAME))) continue;
        return hit->kinds & kinds && !is_parted(v, hit->end, i) ? hit : NULL;
    }
    return NULL;
}

const hd_hit *hd_cue_at(const hd_view *v, size_t i, unsigned kinds) {
    for (size_t k = v->hit; k < v->n_hits && v->hits[k].start <= i; k++) {
        if (v->hits[k].start == i && v->hits[k].kinds & kinds) return &v->hits[k];
    }
    return NULL;
}

bool hd_word_ends(const hd_view *v, size_t i) {
    size_t k = v->hit;
    while (k < v->n_hits && v->hits[k].end < i) k++;
    while (k > 0 && v->hits[k - 1].end >= i) k--;
    return k < v->n_hits && v->hits[k].end == i && v->hits[k].start >= v->floor;
}

bool hd_number_starts(const hd_view *v, size_t i) {
    uint32_t c = hd_view_back(v, i);
    if (hd_is_letter(c) && hd_word_ends(v, i)) return true;
    if (hd_is_latin(c) || hd_is_digit(c) || c == '_') return false;
    if (c != '-' && c != '.' && c != '+' && c != '#') return true;
    if (i < 2 || i - 1 <= v->floor) return true;
    if (!hd_is_alnum(v->c[i - 2])) return true;
    // A sign after a word of ours is no part of a code: "tel-138…".
    return hd_cue_before(v, i - 1, 0, ~0u) != NULL;
}

bool hd_number_ends(const hd_view *v, size_t end) {
    uint32_t c = hd_view_at(v, end);
    uint32_t next = hd_view_at(v, end + 1);
    if (hd_is_latin(c) || hd_is_digit(c) || c == '_' || c == '@') return false;
    if (c == '%' || c == 0x2030) return false;
    return !((c == '-' || c == '.' || c == ':') && hd_is_digit(next));
}

bool hd_view_compact(const hd_view *v, size_t start, size_t end, char *out, size_t max, size_t *n) {
    *n = 0;
    for (size_t i = start; i < end; i++) {
        if (!hd_is_alnum(v->c[i])) continue;
        if (*n == max) return false;
        out[(*n)++] = (char)hd_upper(v->c[i]);
    }
    return true;
}

bool hd_date_plausible(unsigned year, unsigned month, unsigned day) {
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return year >= 1900 && year < 2100 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1];
}
