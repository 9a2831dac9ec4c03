// SPDX-License-Identifier: Apache-2.0
//
// What the finder's files share: the folded text, the words known in it, and the row of a type.
//
// A matcher is asked at places where its type can start, and says where a value that starts there
// ends. To keep the whole linear each looks at a bounded number of characters, forth and back; and
// to keep redaction idempotent it looks back only to the end of the last finding (`floor`), where
// redacted text has a mark instead: hd_view_back says ']' there.
#ifndef HD_PRIVACY_FINDER_OWN_H
#define HD_PRIVACY_FINDER_OWN_H

#include "privacy/finder.h"

// What a word says of what stands beside it: a bit each.
enum {
    HD_CUE_PHONE = 1,
    HD_CUE_CARD = 1 << 1,
    HD_CUE_SSN = 1 << 2,
    HD_CUE_ID_CARD = 1 << 3,
    HD_CUE_PASSPORT = 1 << 4,
    HD_CUE_WECHAT = 1 << 5,
    HD_CUE_QQ = 1 << 6,
    HD_CUE_IP = 1 << 7,
    HD_CUE_ADDRESS = 1 << 8,
    HD_CUE_BIRTH = 1 << 9,
    HD_CUE_NAME = 1 << 10,         // a name follows at once: "my name is", 我叫
    HD_CUE_NAME_WEAK = 1 << 11,    // a name may follow: "I'm", "dear", 我是
    HD_CUE_NAME_TITLE = 1 << 12,   // a name follows: "Mr."
    HD_CUE_TITLE = 1 << 13,        // a Chinese name comes before: 先生
    HD_CUE_NOT_PERSONAL = 1 << 14, // what follows is a number of something else: 订单号, "version"
    HD_CUE_PLACE = 1 << 15,        // a Chinese province or city
    HD_CUE_NOT_NAME = 1 << 16,     // begins like a Chinese name and is none: 谢谢, 安装
};

typedef struct hd_word {
    const char *text; // lower case, half width
    unsigned kinds;   // of HD_CUE_…
} hd_word;
extern const hd_word hd_words[];
extern const size_t hd_n_words;

typedef struct hd_hit {
    uint32_t start, end; // characters
    uint32_t kinds;
} hd_hit;

// What a Han character can be, as bits.
enum {
    HD_HAN_SURNAME = 1,
    HD_HAN_SURNAME_WORD = 2, // a surname that is a common word as well (于, 向)
    HD_HAN_PLATE = 4,        // a province, on a number plate
    HD_HAN_NO_PLACE = 8,     // doesn't stand in names of places: 我, 的, 在
    HD_HAN_NO_GIVEN = 16,    // doesn't stand in given names: 的, 色, 电
    HD_HAN_NUMERAL = 32,     // 一二三…, 甲乙丙丁
    HD_HAN_UNIT = 64,        // of an amount: 元, 斤
    HD_HAN_SUFFIX = 128,     // begins a suffix of places (finder_address_zh.c): 省, 大(街)
};
typedef struct hd_han_class {
    const char *characters;
    uint8_t bits;
} hd_han_class;
extern const hd_han_class hd_han_classes[];
extern const size_t hd_n_han_classes;
enum { HD_HAN_FIRST = 0x4E00, HD_HAN_LAST = 0x9FFF };

typedef struct hd_view {
    const uint32_t *c; // (n) full-width forms as half-width ones, dashes as '-', odd spaces as ' '
    size_t n;
    const uint8_t *han; // bits of HD_HAN_FIRST …
    const hd_hit *hits; // words, in order, none overlapping
    size_t n_hits;
    size_t hit;   // the first that ends after the present place
    size_t floor; // end of the last finding or mark
    hd_pii floor_type;
} hd_view;

typedef struct hd_match {
    size_t end; // 0: none
    float confidence;
} hd_match;
static const hd_match hd_no_match = {0, 0};

// Where a value of a type can start.
enum {
    HD_START_DIGIT = 1,  // a digit that follows no letter, digit or '_'
    HD_START_LETTER = 2, // a Latin letter, likewise
    HD_START_HAN = 4,
    HD_START_SIGN = 8, // '+', '(', ':'
};

typedef struct hd_finder_row {
    const char *name;
    hd_text mark;
    hd_text doc;
    unsigned starts;
    hd_match (*match)(const hd_view *v, size_t i);
    // Whether the characters found make a true value (check digits); NULL: the form says enough.
    bool (*valid)(const hd_view *v, size_t start, size_t end);
} hd_finder_row;
extern const hd_finder_row hd_finder_rows[HD_PII_TYPES];

static inline uint32_t hd_view_at(const hd_view *v, size_t i) {
    return i < v->n ? v->c[i] : 0;
}
static inline uint32_t hd_view_back(const hd_view *v, size_t i) {
    return i <= v->floor ? (i ? ']' : 0) : v->c[i - 1];
}
static inline bool hd_is_digit(uint32_t c) {
    return c - '0' < 10;
}
static inline uint32_t hd_lower(uint32_t c) {
    return c - 'A' < 26 ? c + 32 : c;
}
static inline uint32_t hd_upper(uint32_t c) {
    return c - 'a' < 26 ? c - 32 : c;
}
static inline bool hd_is_letter(uint32_t c) { // ASCII
    return hd_lower(c) - 'a' < 26;
}
static inline bool hd_is_alnum(uint32_t c) {
    return hd_is_digit(c) || hd_is_letter(c);
}
static inline bool hd_is_han(uint32_t c) {
    return c >= HD_HAN_FIRST && c <= HD_HAN_LAST;
}
// Latin letters, accents included (Latin-1 to Latin Extended-B, and Extended Additional).
static inline bool hd_is_latin(uint32_t c) {
    return hd_is_letter(c) || (c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) ||
           (c >= 0x1E00 && c <= 0x1EFF);
}
static inline unsigned hd_han_bits(const hd_view *v, uint32_t c) {
    return hd_is_han(c) ? v->han[c - HD_HAN_FIRST] : 0;
}

// The number of characters of `word` (lower case UTF-8) when it stands at i, else 0.
size_t hd_view_word(const hd_view *v, size_t i, const char *word);
// The first word of a NULL-terminated list that stands at i: its number of characters, else 0.
size_t hd_view_any(const hd_view *v, size_t i, const char *const *words);
// Digits that stand at i, at most `max`.
size_t hd_view_digits(const hd_view *v, size_t i, size_t max);

// The nearest word that ends at i or up to `gap` characters before, in the same sentence and after
// the last finding, PLACE, TITLE and NOT_NAME aside; NULL when it is of none of the kinds.
const hd_hit *hd_cue_before(const hd_view *v, size_t i, size_t gap, unsigned kinds);
// The word that starts at i; NULL: none of the kinds.
const hd_hit *hd_cue_at(const hd_view *v, size_t i, unsigned kinds);

// Whether a known word ends right before i.
bool hd_word_ends(const hd_view *v, size_t i);

// Whether a number can start at i: no letter, digit or sign of a longer code stands before it; and
// end before `end`.
bool hd_number_starts(const hd_view *v, size_t i);
bool hd_number_ends(const hd_view *v, size_t end);
// Copies letters (as capitals) and digits of a range; false when there are more than `max`.
bool hd_view_compact(const hd_view *v, size_t start, size_t end, char *out, size_t max, size_t *n);
// A date that can be: years 1900 to 2099, days of the month.
bool hd_date_plausible(unsigned year, unsigned month, unsigned day);

// Matchers, by file.
hd_match hd_match_email(const hd_view *v, size_t i);
hd_match hd_match_url(const hd_view *v, size_t i);
hd_match hd_match_ip(const hd_view *v, size_t i);
hd_match hd_match_phone(const hd_view *v, size_t i);
hd_match hd_match_card(const hd_view *v, size_t i);
hd_match hd_match_iban(const hd_view *v, size_t i);
hd_match hd_match_ssn(const hd_view *v, size_t i);
hd_match hd_match_id_card(const hd_view *v, size_t i);
hd_match hd_match_company_code(const hd_view *v, size_t i);
hd_match hd_match_passport(const hd_view *v, size_t i);
hd_match hd_match_plate(const hd_view *v, size_t i);
hd_match hd_match_wechat(const hd_view *v, size_t i);
hd_match hd_match_qq(const hd_view *v, size_t i);
hd_match hd_match_address(const hd_view *v, size_t i);
hd_match hd_match_address_zh(const hd_view *v, size_t i);
hd_match hd_match_name(const hd_view *v, size_t i);
hd_match hd_match_name_zh(const hd_view *v, size_t i);
hd_match hd_match_birth(const hd_view *v, size_t i);

bool hd_valid_card(const hd_view *v, size_t start, size_t end);
bool hd_valid_iban(const hd_view *v, size_t start, size_t end);
bool hd_valid_company_code(const hd_view *v, size_t start, size_t end);

#endif
