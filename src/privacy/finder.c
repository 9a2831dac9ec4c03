// SPDX-License-Identifier: Apache-2.0
//
// The finder's passes over a text. First it is folded into an array of characters (full-width
// forms, dashes, odd spaces; characters without width dropped) with their places. Then the known
// words in it are listed (a table hashed by the first two characters). Then one pass from left to
// right: at each place where values of some types can start, these types' matchers are asked, and
// the surest match is taken (then the longest, then the first row); the pass goes on behind it.
//
// Rejected: regular expressions (backtracking on hostile text, and no notion of what a word nearby
// says), and collecting all candidates before choosing (a sort, and a stronger one that starts
// later is rare where the forms are as different as these).
//
// Redaction is idempotent: a mark in a text is to all rules what the finding was (it bars words
// before it, and nothing is looked at across it), and what a rule refused because of what followed
// is looked at again once that is a mark.
#include "privacy/finder.h"

#include "base/mem.h"
#include "base/unicode.h"
#include "privacy/finder_own.h"

enum { BUCKETS = 1024, NO_WORD = 0xFFFF, MAX_PASSES = 8 };

struct hd_finder {
    uint32_t *c;  // (cap) folded characters
    uint32_t *at; // (cap) their first bytes
    size_t cap;
    hd_hit *hits;
    size_t hits_cap;
    hd_finding *found;
    size_t found_cap, n_found;
    uint16_t *next;          // (hd_n_words) the next word of a bucket
    uint16_t first[BUCKETS]; // the first word of each bucket
    uint8_t han[HD_HAN_LAST - HD_HAN_FIRST + 1];
};

// ── Making one ──

static unsigned bucket_of(uint32_t first, uint32_t second) {
    return (hd_lower(first) * 31 + hd_lower(second)) % BUCKETS;
}

static void index_words(hd_finder *finder) {
    for (size_t i = 0; i < BUCKETS; i++) finder->first[i] = NO_WORD;
    for (size_t i = 0; i < hd_n_words; i++) {
        const char *text = hd_words[i].text;
        uint32_t first = 0;
        uint32_t second = 0;
        size_t n = hd_utf8_next(text, strlen(text), &first);
        (void)hd_utf8_next(text + n, strlen(text + n), &second);
        unsigned bucket = bucket_of(first, second);
        finder->next[i] = finder->first[bucket];
        finder->first[bucket] = (uint16_t)i;
    }
}

static void index_han(hd_finder *finder) {
    for (size_t i = 0; i < hd_n_han_classes; i++) {
        const char *p = hd_han_classes[i].characters;
        uint32_t c;
        for (size_t n; (n = hd_utf8_next(p, strlen(p), &c)) > 0; p += n)
            if (hd_is_han(c)) finder->han[c - HD_HAN_FIRST] |= hd_han_classes[i].bits;
    }
}

heed_err hd_finder_new(hd_finder **out) {
    *out = NULL;
    hd_finder *finder = hd_calloc(1, sizeof *finder);
    if (!finder) return HD_FAIL_MEMORY(sizeof *finder);
    finder->next = hd_calloc(hd_n_words, sizeof *finder->next);
    if (!finder->next) {
        hd_finder_free(finder);
        return HD_FAIL_MEMORY(hd_n_words * sizeof *finder->next);
    }
    index_words(finder);
    index_han(finder);
    *out = finder;
    return HEED_OK;
}

void hd_finder_free(hd_finder *finder) {
    if (!finder) return;
    hd_free(finder->c);
    hd_free(finder->at);
    hd_free(finder->hits);
    hd_free(finder->found);
    hd_free(finder->next);
    hd_free(finder);
}

// ── Folding ──

static uint32_t fold(uint32_t c) {
    if (c < 0x80) return c == '\t' || c == '\r' ? ' ' : c;
    if (c >= 0xFF01 && c <= 0xFF5E) return c - 0xFEE0;
    if (c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F) return ' ';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xFE63) return '-';
    if (c == 0x2019) return '\'';
    return c;
}

static bool has_no_width(uint32_t c) {
    return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           c == 0x2060 || c == 0xFEFF;
}

static heed_err fold_text(hd_finder *finder, hd_slice text, hd_view *v) {
    if (text.n >= UINT32_MAX)
        return HD_FAIL(HEED_INPUT, "a text of %zu bytes is too long to be searched",
                       "文本长达 %zu 字节，无法检查", text.n);
    size_t cap = finder->cap;
    HD_TRY(hd_grow(&finder->c, &cap, text.n, sizeof *finder->c));
    cap = finder->cap;
    HD_TRY(hd_grow(&finder->at, &cap, text.n, sizeof *finder->at));
    finder->cap = cap;
    size_t n = 0;
    uint32_t c;
    for (size_t i = 0, len; (len = hd_utf8_next(text.p + i, text.n - i, &c)) > 0; i += len) {
        if (has_no_width(c)) continue;
        finder->c[n] = fold(c);
        finder->at[n++] = (uint32_t)i;
    }
    *v = (hd_view){.c = finder->c, .n = n, .han = finder->han};
    return HEED_OK;
}

// ── Words ──

// The mark of redacted text that stands at i: its length, else 0.
static size_t mark_at(const hd_view *v, size_t i, hd_pii *type) {
    if (v->c[i] != '[' || !(hd_is_letter(hd_view_at(v, i + 1)) || hd_is_han(hd_view_at(v, i + 1))))
        return 0;
    for (size_t t = 0; t < HD_PII_TYPES; t++) {
        size_t n = hd_view_word(v, i, hd_finder_rows[t].mark.zh);
        if (!n) n = hd_view_word(v, i, hd_finder_rows[t].mark.en);
        if (!n) continue;
        *type = (hd_pii)t;
        return n;
    }
    return 0;
}

static bool is_within_word(uint32_t c) {
    return hd_is_latin(c) || hd_is_digit(c);
}

// The longest known word that stands at i.
static const hd_word *word_at(const hd_finder *finder, const hd_view *v, size_t i, size_t *len) {
    const hd_word *best = NULL;
    *len = 0;
    unsigned bucket = bucket_of(v->c[i], hd_view_at(v, i + 1));
    for (unsigned k = finder->first[bucket]; k != NO_WORD; k = finder->next[k]) {
        size_t n = hd_view_word(v, i, hd_words[k].text);
        if (n <= *len) continue;
        if (hd_is_latin(v->c[i + n - 1]) && hd_is_latin(hd_view_at(v, i + n))) continue;
        *len = n;
        best = &hd_words[k];
    }
    return best;
}

static heed_err list_words(hd_finder *finder, hd_view *v) {
    size_t n_hits = 0;
    for (size_t i = 0; i < v->n;) {
        hd_pii type;
        size_t len = mark_at(v, i, &type);
        const hd_word *word = NULL;
        bool inside = hd_is_latin(v->c[i]) && i > 0 && is_within_word(v->c[i - 1]);
        if (!len && !inside) word = word_at(finder, v, i, &len);
        if (word) {
            HD_TRY(hd_grow(&finder->hits, &finder->hits_cap, n_hits + 1, sizeof *finder->hits));
            finder->hits[n_hits++] = (hd_hit){(uint32_t)i, (uint32_t)(i + len), word->kinds};
        }
        i += len ? len : 1;
    }
    v->hits = finder->hits;
    v->n_hits = n_hits;
    return HEED_OK;
}

// ── Matching ──

static unsigned starts_at(const hd_view *v, size_t i) {
    uint32_t c = v->c[i];
    if (hd_is_han(c)) return HD_START_HAN;
    if (c == '+' || c == '(' || c == ':') return HD_START_SIGN;
    if (!hd_is_digit(c) && !hd_is_latin(c)) return 0;
    uint32_t before = hd_view_back(v, i);
    bool named = hd_is_digit(c) && hd_is_letter(before) && hd_word_ends(v, i); // QQ12345
    if (!named && (hd_is_latin(before) || hd_is_digit(before) || before == '_')) return 0;
    return hd_is_digit(c) ? HD_START_DIGIT : HD_START_LETTER;
}

static bool is_better(hd_match a, hd_match b) {
    if (a.confidence != b.confidence) return a.confidence > b.confidence;
    return a.end > b.end;
}

// The surest match of all types that can start at i.
static hd_match best_match(const hd_view *v, size_t i, unsigned starts, unsigned types,
                           hd_pii *type) {
    hd_match best = hd_no_match;
    for (size_t t = 0; t < HD_PII_TYPES; t++) {
        const hd_finder_row *row = &hd_finder_rows[t];
        if (!(types & HD_PII_BIT(t)) || !(row->starts & starts)) continue;
        hd_match match = row->match(v, i);
        if (match.end <= i || !is_better(match, best)) continue;
        if (row->valid && !row->valid(v, i, match.end)) continue;
        best = match;
        *type = (hd_pii)t;
    }
    return best;
}

static size_t end_of(const hd_finder *finder, hd_slice text, size_t end) {
    size_t last = finder->at[end - 1];
    uint32_t c;
    return last + hd_utf8_next(text.p + last, text.n - last, &c);
}

static heed_err add_finding(hd_finder *finder, hd_slice text, hd_pii type, size_t start,
                            hd_match match) {
    HD_TRY(hd_grow(&finder->found, &finder->found_cap, finder->n_found + 1, sizeof *finder->found));
    size_t first = finder->at[start];
    finder->found[finder->n_found++] =
        (hd_finding){type, first, end_of(finder, text, match.end) - first, match.confidence};
    return HEED_OK;
}

heed_err hd_finder_scan(hd_finder *finder, hd_slice text, unsigned types, const hd_finding **out,
                        size_t *n) {
    hd_view v;
    finder->n_found = 0;
    HD_TRY(fold_text(finder, text, &v));
    HD_TRY(list_words(finder, &v));
    for (size_t i = 0; i < v.n;) {
        while (v.hit < v.n_hits && v.hits[v.hit].end <= i) v.hit++;
        hd_pii type = HD_PII_EMAIL;
        size_t end = i + mark_at(&v, i, &type);
        unsigned starts = end == i ? starts_at(&v, i) : 0;
        if (starts) {
            hd_match match = best_match(&v, i, starts, types, &type);
            if (match.end) HD_TRY(add_finding(finder, text, type, i, match));
            end = match.end ? match.end : i;
        }
        if (end > i) {
            v.floor = end;
            v.floor_type = type;
        }
        i = end > i ? end : i + 1;
    }
    *out = finder->found;
    *n = finder->n_found;
    return HEED_OK;
}

// ── Redacting ──

static heed_lang lang_of(hd_slice text) {
    uint32_t c;
    for (size_t i = 0, len; (len = hd_utf8_next(text.p + i, text.n - i, &c)) > 0; i += len)
        if (hd_is_han(c)) return HEED_ZH;
    return HEED_EN;
}

static heed_err redact_once(hd_finder *finder, hd_slice text, unsigned types, heed_lang lang,
                            hd_str *out, int64_t counts[HD_PII_TYPES]) {
    const hd_finding *found;
    size_t n;
    size_t done = 0;
    HD_TRY(hd_finder_scan(finder, text, types, &found, &n));
    for (size_t i = 0; i < n; i++) {
        hd_str_addn(out, text.p + done, found[i].start - done);
        hd_str_add(out, hd_text_get(hd_finder_rows[found[i].type].mark, lang));
        done = found[i].start + found[i].n;
        if (counts) counts[found[i].type]++;
    }
    if (text.n > done) hd_str_addn(out, text.p + done, text.n - done);
    return hd_str_check(out);
}

// Redacts again what was redacted: digits that ran into a finding can now be a number of their own.
heed_err hd_finder_redact(hd_finder *finder, hd_slice text, unsigned types, hd_str *out,
                          int64_t counts[HD_PII_TYPES], bool *changed) {
    heed_lang lang = lang_of(text);
    heed_err err = HEED_OK;
    hd_str pass[2];
    *changed = false;
    hd_str_init(&pass[0]);
    hd_str_init(&pass[1]);
    for (unsigned k = 0; err == HEED_OK && k < MAX_PASSES; k++) {
        hd_str *to = &pass[k & 1];
        hd_str_reset(to);
        err = redact_once(finder, text, types, lang, to, counts);
        if (err != HEED_OK || finder->n_found == 0) break;
        *changed = true;
        text = (hd_slice){hd_str_get(to), to->len};
    }
    if (err == HEED_OK && text.n) hd_str_addn(out, text.p, text.n);
    hd_str_clear(&pass[0]);
    hd_str_clear(&pass[1]);
    return err != HEED_OK ? err : hd_str_check(out);
}
