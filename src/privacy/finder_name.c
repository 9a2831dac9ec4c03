// SPDX-License-Identifier: Apache-2.0
//
// Names of persons, where something introduces them: precision first, as a name is a word like any
// other. In Latin letters: capitalised words behind "my name is", "Mr.", "Dear". In Chinese: a
// surname (finder_words.c) and one or two characters more, behind 我叫 or 收件人, before 先生, or
// beside a phone number, as in an address block.
#include "privacy/finder_own.h"

// ── Latin letters ──

enum { MAX_WORDS = 4, MAX_LETTERS = 30 };

// Capitals of Latin-1 and Latin Extended-A; those beyond come in pairs, capital first.
static bool is_capital(uint32_t c) {
    if (c < 0x80) return c - 'A' < 26;
    if (c < 0x100) return c <= 0xDE;
    bool odd = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E) || c == 0x178;
    return hd_is_latin(c) && (c & 1) == odd;
}

// What follows "Dear", "Hi", "Mr." and is nobody's name.
static const char *const no_names[] = {
    "sir",    "sirs",    "madam",     "customer",  "customers",  "team",     "support",
    "seller", "sellers", "friend",    "friends",   "all",        "everyone", "amazon",
    "santa",  "god",     "lord",      "valued",    "service",    "manager",  "there",
    "guys",   "folks",   "kitty",     "martens",   "pepper",     "oetker",   "scholl",
    "coffee", "clean",   "bean",      "store",     "shop",       "company",  "the",
    "my",     "your",    "our",       "this",      "that",       "it",       "i",
    "we",     "you",     "a",         "an",        "not",        "on",       "in",
    "wrong",  "no",      "so",        "very",      "just",       "sorry",    "happy",
    "sure",   "still",   "going",     "looking",   "trying",     "having",   "getting",
    "from",   "to",      "for",       "and",       "but",        "with",     "please",
    "thank",  "thanks",  "can",       "could",     "would",      "how",      "what",
    "why",    "when",    "where",     "is",        "are",        "was",      "do",
    "does",   "spelled", "correct",   "incorrect", "misspelled", "siri",     "alexa",
    "google", "ai",      "assistant", "unknown",   "none",       NULL};

static bool is_no_name(const hd_view *v, size_t start, size_t end) {
    for (const char *const *word = no_names; *word; word++)
        if (hd_view_word(v, start, *word) == end - start) return true;
    return false;
}

// The end of a word of letters, with hyphens and apostrophes between them, or 0.
static size_t word_end(const hd_view *v, size_t i) {
    size_t p = i;
    while (p - i <= MAX_LETTERS) {
        uint32_t c = hd_view_at(v, p);
        bool joins = (c == '-' || c == '\'') && p > i && hd_is_latin(hd_view_at(v, p + 1));
        if (!hd_is_latin(c) && !joins) break;
        p++;
    }
    return p - i <= MAX_LETTERS ? p : 0;
}

// The end of a particle within a name ("van der "), its space included, or p.
static size_t particle_end(const hd_view *v, size_t p) {
    static const char *const particles[] = {
        "van der ", "van den ", "von der ", "de la ", "van ", "von ", "de ",  "der ",
        "den ",     "da ",      "di ",      "dos ",   "el ",  "al ",  "bin ", NULL};
    return p + hd_view_any(v, p, particles);
}

// The end of a word of a name that starts at p ("P." too), or 0.
static size_t part_end(const hd_view *v, size_t p) {
    size_t end = word_end(v, p);
    if (!is_capital(hd_view_at(v, p)) || !end || is_no_name(v, p, end)) return 0;
    return end == p + 1 && hd_view_at(v, end) == '.' ? end + 1 : end;
}

// The end of capitalised words from i on, or 0; *n: how many.
static size_t parts_end(const hd_view *v, size_t i, size_t *n) {
    size_t end = part_end(v, i);
    for (*n = end > 0; *n > 0 && *n < MAX_WORDS; (*n)++) {
        if (hd_view_at(v, end) != ' ') return end;
        size_t next = part_end(v, particle_end(v, end + 1));
        if (!next) return end;
        end = next;
    }
    return end;
}

static bool ends_phrase(const hd_view *v, size_t end) {
    uint32_t c = hd_view_at(v, end);
    return c == 0 || c == '\n' || c == ',' || c == '.' || c == '!' || c == '?' || c == ';' ||
           c == ':' || c == ')';
}

// One or two words without capitals, nothing behind: "my name is anna berg".
static hd_match match_small(const hd_view *v, size_t i) {
    size_t end = i;
    for (int k = 0; k < 2; k++) {
        size_t next = word_end(v, end);
        if (!next || next == end || is_no_name(v, end, next)) return hd_no_match;
        if (ends_phrase(v, next)) return (hd_match){next, 0.7f};
        if (hd_view_at(v, next) != ' ') return hd_no_match;
        end = next + 1;
    }
    return hd_no_match;
}

// "I'm British" is no name.
static bool is_nationality(const hd_view *v, size_t end) {
    static const char *const tails[] = {"ish", "ese", "ian", "can", NULL};
    return hd_view_any(v, end - 3, tails) > 0;
}

hd_match hd_match_name(const hd_view *v, size_t i) {
    if (hd_is_han(hd_view_at(v, i))) return hd_match_name_zh(v, i);
    const hd_hit *cue = hd_cue_before(v, i, 6, HD_CUE_NAME | HD_CUE_NAME_WEAK | HD_CUE_NAME_TITLE);
    if (!cue) return hd_no_match;
    for (size_t k = cue->end; k < i; k++) {
        uint32_t c = v->c[k];
        if (c != ' ' && c != ':' && c != '\n' && c != ',' && c != '.') return hd_no_match;
    }
    size_t n;
    size_t end = parts_end(v, i, &n);
    if (cue->kinds & (HD_CUE_NAME | HD_CUE_NAME_TITLE)) {
        if (end) return (hd_match){end, 0.9f};
        return cue->kinds & HD_CUE_NAME ? match_small(v, i) : hd_no_match;
    }
    if (!end || !ends_phrase(v, end) || is_nationality(v, end)) return hd_no_match;
    return (hd_match){end, n > 1 ? 0.8f : 0.7f};
}
