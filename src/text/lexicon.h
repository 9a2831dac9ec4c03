// SPDX-License-Identifier: Apache-2.0
//
// What kind of thing a word stands for: a list of nouns and of verbs with a class each, of
// WordNet's lexicographers say (a person, an animal, a place, an act: 41 of them; Fellbaum,
// "WordNet", 1998). A model then knows something of words that no training text had.
//
// English inflection is undone by WordNet's own rules ("cities", "city"; "running", "run"); words
// that don't follow them are put in as they stand. Immutable once filled: threads may share it.
#ifndef HD_TEXT_LEXICON_H
#define HD_TEXT_LEXICON_H

#include "base/json.h"

enum {
    HD_CLASS_PAD = 0,  // no word
    HD_CLASS_NONE = 1, // a word that isn't in the list
    HD_CLASSES = 64    // classes are 2 to 63
};
typedef enum hd_lexicon_part { HD_LEXICON_NOUN, HD_LEXICON_VERB, HD_LEXICON_PARTS } hd_lexicon_part;

typedef struct hd_lexicon hd_lexicon;

heed_err hd_lexicon_new(hd_lexicon **out) HEED_CHECK;
void hd_lexicon_free(hd_lexicon *lexicon); // NULL is fine
// word: folded. Replaces what stood there.
heed_err hd_lexicon_add(hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word,
                        int class_number) HEED_CHECK;
// The class of a word as it is listed, uninflected; HD_CLASS_NONE: it isn't.
int hd_lexicon_listed(const hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word);
// Of a folded word of a text: as a noun, else as a verb.
int hd_lexicon_class(const hd_lexicon *lexicon, hd_slice word);

// Unsound JSON: HEED_CORRUPT. name: stands in messages.
heed_err hd_lexicon_json(const hd_lexicon *lexicon, json_t **out) HEED_CHECK;
heed_err hd_lexicon_from_json(const json_t *json, const char *name, hd_lexicon **out) HEED_CHECK;

#endif
