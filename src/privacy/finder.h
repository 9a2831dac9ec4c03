// SPDX-License-Identifier: Apache-2.0
//
// Finds personal data in free text, Chinese, English and mixed: what stands where, of which type,
// and how sure that is. It knows forms (an e-mail address), check digits (a bank card, a Chinese
// resident ID) and words around (我叫…, "call me on …"). It has no model of language: a name that
// nothing introduces isn't found. docs/privacy-finder.md has its figures.
//
//     hd_finder *finder;
//     HD_TRY(hd_finder_new(&finder));
//     const hd_finding *found;
//     size_t n;
//     err = hd_finder_scan(finder, text, HD_PII_ALL, &found, &n);
//     …
//     hd_finder_free(finder);
//
// Time: linear in the text, whatever stands in it. Memory: 9 bytes a character while scanning, kept
// for the next text. Threads: one finder, one thread at a time.
#ifndef HD_PRIVACY_FINDER_H
#define HD_PRIVACY_FINDER_H

#include "base/str.h"

// Descriptors stand in finder_list.c.
typedef enum hd_pii {
    HD_PII_EMAIL,
    HD_PII_PHONE,
    HD_PII_IP,
    HD_PII_URL,
    HD_PII_CARD,
    HD_PII_IBAN,
    HD_PII_SSN,
    HD_PII_ID_CARD,
    HD_PII_COMPANY,
    HD_PII_PASSPORT,
    HD_PII_PLATE,
    HD_PII_WECHAT,
    HD_PII_QQ,
    HD_PII_ADDRESS,
    HD_PII_NAME,
    HD_PII_BIRTH,
    HD_PII_TYPES
} hd_pii;

// A set of types: one bit each.
#define HD_PII_BIT(type) (1u << (type))
#define HD_PII_ALL ((1u << HD_PII_TYPES) - 1)

const char *hd_pii_name(hd_pii type);
hd_text hd_pii_doc(hd_pii type);  // what it is, in a few words: "phone number"
hd_text hd_pii_mark(hd_pii type); // what stands in its place in redacted text: "[phone]"
bool hd_pii_find(hd_slice name, hd_pii *out);

typedef struct hd_finding {
    hd_pii type;
    size_t start; // bytes in the text, at characters' borders
    size_t n;
    float confidence; // 0.5 … 1: 0.95 and more means that check digits agree or a word names it
} hd_finding;

typedef struct hd_finder hd_finder;
heed_err hd_finder_new(hd_finder **out) HEED_CHECK;
void hd_finder_free(hd_finder *finder);

// All findings of the given types, in order, none overlapping; borrowed until the next call.
// Invalid UTF-8 is no error: its bytes belong to nothing. Marks of redacted text are passed over.
// HEED_INPUT for texts of 4 GB and more.
heed_err hd_finder_scan(hd_finder *finder, hd_slice text, unsigned types, const hd_finding **out,
                        size_t *n) HEED_CHECK;

// Appends the text with a mark in place of each finding; in Chinese where the text has Han
// characters, else in English, so that the same text always gives the same. Redacting again changes
// nothing. counts: added to, by type; NULL: not wanted. *changed: whether anything was found.
heed_err hd_finder_redact(hd_finder *finder, hd_slice text, unsigned types, hd_str *out,
                          int64_t counts[HD_PII_TYPES], bool *changed) HEED_CHECK;

// Check digits, for whoever has the number already. Digits and capital letters only.
bool hd_check_luhn(const char *digits, size_t n);       // ISO/IEC 7812-1 annex B
bool hd_check_iban(const char *iban, size_t n);         // ISO 13616: country's length, mod 97
bool hd_check_id_card(const char *id, size_t n);        // GB 11643: 18, region, date, mod 11
bool hd_check_company_code(const char *code, size_t n); // GB 32100: 18, mod 31

#endif
