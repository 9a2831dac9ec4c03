// SPDX-License-Identifier: Apache-2.0
//
// Postal addresses in Latin letters: a number, a street's name of capitalised words, a street word
// ("12 Old Mill Road"), then a unit and "Town, ST 12345" where they follow; and post boxes. Written
// the other way round ("Hauptstraße 5") when the street's word tells. A street without a number is
// no finding.
#include "privacy/finder_own.h"

enum { MAX_STREET_WORDS = 5, MAX_WORD = 24 };

static const char *const street_words[] = {
    "street",    "st",      "road",  "rd",       "avenue", "ave",      "av",
    "boulevard", "blvd",    "lane",  "ln",       "drive",  "dr",       "court",
    "ct",        "square",  "sq",    "circle",   "cir",    "terrace",  "ter",
    "trl",       "parkway", "pkwy",  "highway",  "hwy",    "crescent", "gardens",
    "mews",      "alley",   "plaza", "turnpike", "bypass", NULL};

// Words that are a street only where the phrase ends behind them.
static const char *const street_words_at_end[] = {"way",   "place",    "pl",    "close",
                                                  "grove", "row",      "walk",  "trail",
                                                  "pike",  "crossing", "route", NULL};

// "hard drive": the word before that makes another thing of it.
static const char *const not_streets[] = {"hard", "flash", "usb",   "thumb", "disk", "disc", "tape",
                                          "test", "super", "first", "by",    "half", "long", "no",
                                          "one",  "only",  "right", "left",  NULL};

static const char *const street_tails[] = {"strasse", "straße", "gasse",  "allee", "platz",
                                           "gatan",   "vägen",  "straat", "laan",  "gade",
                                           "vej",     "veien",  "katu",   "tie",   NULL};

static size_t word_end(const hd_view *v, size_t i) {
    size_t p = i;
    while (p - i < MAX_WORD && (hd_is_latin(hd_view_at(v, p)) || hd_is_digit(hd_view_at(v, p)) ||
                                (p > i && (hd_view_at(v, p) == '\'' || hd_view_at(v, p) == '-'))))
        p++;
    return p - i < MAX_WORD ? p : i;
}

static bool is_one_of(const hd_view *v, size_t start, size_t end, const char *const *words) {
    for (; *words; words++)
        if (hd_view_word(v, start, *words) == end - start) return true;
    return false;
}

static bool ends_phrase(const hd_view *v, size_t end) {
    uint32_t c = hd_view_at(v, end);
    return c == 0 || c == '\n' || c == ',' || c == '.' || c == '!' || c == '?' || c == ';';
}

static size_t skip_between(const hd_view *v, size_t p) {
    for (int k = 0; k < 4; k++) {
        uint32_t c = hd_view_at(v, p);
        if (c != ' ' && c != ',' && c != '\n') break;
        p++;
    }
    return p;
}

// "Apt. 12", "Suite 501", "#5" behind a street, or `end`.
static size_t unit_end(const hd_view *v, size_t end) {
    static const char *const units[] = {"apartment", "apt.", "apt",  "suite", "ste.", "ste",
                                        "unit",      "flat", "room", "floor", "#",    NULL};
    size_t p = skip_between(v, end);
    size_t n = hd_view_any(v, p, units);
    if (!n || p == end) return end;
    p += n;
    for (int k = 0; k < 2; k++) p += hd_view_at(v, p) == ' ' || hd_view_at(v, p) == '#';
    size_t q = p;
    size_t digits = 0;
    while (q - p < 6 && hd_is_alnum(hd_view_at(v, q))) digits += hd_is_digit(v->c[q++]);
    return digits || q - p == 1 ? q : end;
}

// ", Springfield, IL 62704" behind a street or unit, or `end`: up to three words of a town, two
// capitals, five digits.
static size_t town_end(const hd_view *v, size_t end) {
    size_t p = skip_between(v, end);
    for (int words = 0; words < 4; words++) {
        uint32_t a = hd_view_at(v, p);
        uint32_t b = hd_view_at(v, p + 1);
        if (a - 'A' < 26 && b - 'A' < 26 && hd_view_at(v, p + 2) == ' ' &&
            hd_view_digits(v, p + 3, 6) == 5) {
            p += 8;
            bool plus = hd_view_at(v, p) == '-' && hd_view_digits(v, p + 1, 5) == 4;
            return plus ? p + 5 : p;
        }
        size_t next = word_end(v, p);
        if (next == p || a - 'A' >= 26) return end;
        p = skip_between(v, next);
    }
    return end;
}

static size_t rest_end(const hd_view *v, size_t end) {
    return town_end(v, unit_end(v, end));
}

static bool is_street_name(const hd_view *v, size_t p, bool named) {
    uint32_t c = hd_view_at(v, p);
    return named || c - 'A' < 26 || hd_is_digit(c) || (c >= 0x80 && hd_is_latin(c));
}

// The end of the street whose name starts at p, or 0. named: a word like "address" came before, so
// that small letters will do.
static size_t street_end(const hd_view *v, size_t p, bool named) {
    size_t before = p;
    for (int words = 0; words <= MAX_STREET_WORDS; words++) {
        size_t end = word_end(v, p);
        if (end == p || !is_street_name(v, p, named)) return 0;
        if (words > 0 && (is_one_of(v, p, end, street_words) ||
                          (is_one_of(v, p, end, street_words_at_end) && ends_phrase(v, end)))) {
            if (is_one_of(v, before, p - 1, not_streets)) return 0;
            return end +
                   (hd_view_at(v, end) == '.' && end - p <= 4 && hd_view_at(v, end + 1) == ' ');
        }
        if (hd_view_at(v, end) == '.' && end - p <= 2) end++;
        if (hd_view_at(v, end) != ' ') return 0;
        before = p;
        p = end + 1;
    }
    return 0;
}

static hd_match numbered(const hd_view *v, size_t i) {
    if (!hd_number_starts(v, i)) return hd_no_match;
    size_t n = hd_view_digits(v, i, 7);
    size_t p = i + n;
    if (n > 6) return hd_no_match;
    if (hd_is_letter(hd_view_at(v, p)) && hd_view_at(v, p + 1) == ' ') p++;
    if (hd_view_at(v, p) != ' ') return hd_no_match;
    bool named = hd_cue_before(v, i, 16, HD_CUE_ADDRESS) != NULL;
    size_t end = street_end(v, p + 1, named);
    if (!end) return hd_no_match;
    size_t whole = rest_end(v, end);
    return (hd_match){whole, whole > end || named ? 0.93f : 0.8f};
}

// "P.O. Box 104".
static hd_match boxed(const hd_view *v, size_t i) {
    static const char *const boxes[] = {"p.o. box ", "p. o. box ", "po box ", "p.o.box ", NULL};
    size_t n = hd_view_any(v, i, boxes);
    size_t digits = n ? hd_view_digits(v, i + n, 8) : 0;
    if (!digits || digits > 7) return hd_no_match;
    return (hd_match){rest_end(v, i + n + digits), 0.93f};
}

// "Hauptstraße 5".
static hd_match tailed(const hd_view *v, size_t i) {
    size_t end = word_end(v, i);
    size_t digits = hd_view_at(v, end) == ' ' ? hd_view_digits(v, end + 1, 5) : 0;
    if (!digits || digits > 4 || hd_view_at(v, i) - 'A' >= 26) return hd_no_match;
    for (const char *const *tail = street_tails; *tail; tail++) {
        size_t n = 0;
        for (const char *p = *tail; *p; p++) n += ((unsigned char)*p & 0xC0) != 0x80;
        if (end - i > n + 1 && hd_view_word(v, end - n, *tail) == n) {
            size_t last = end + 1 + digits;
            last += hd_is_letter(hd_view_at(v, last)) && !hd_is_latin(hd_view_at(v, last + 1));
            return hd_is_latin(hd_view_at(v, last)) ? hd_no_match : (hd_match){last, 0.8f};
        }
    }
    return hd_no_match;
}

hd_match hd_match_address(const hd_view *v, size_t i) {
    uint32_t c = hd_view_at(v, i);
    if (hd_is_han(c)) return hd_match_address_zh(v, i);
    if (hd_is_digit(c)) return numbered(v, i);
    hd_match match = boxed(v, i);
    return match.end ? match : tailed(v, i);
}
