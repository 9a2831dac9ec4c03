// SPDX-License-Identifier: Apache-2.0
#include "text/lexicon.h"

#include "base/map.h"
#include "base/mem.h"
#include "text/saved.h"

enum { LEXICON_VERSION = 1, LONGEST_WORD = 64 };

struct hd_lexicon {
    hd_map parts[HD_LEXICON_PARTS]; // word → class
};
static const char *const part_names[HD_LEXICON_PARTS] = {"nouns", "verbs"};

heed_err hd_lexicon_new(hd_lexicon **out) {
    *out = hd_calloc(1, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(sizeof **out);
    for (int p = 0; p < HD_LEXICON_PARTS; p++) hd_map_init(&(*out)->parts[p]);
    return HEED_OK;
}

void hd_lexicon_free(hd_lexicon *lexicon) {
    if (!lexicon) return;
    for (int p = 0; p < HD_LEXICON_PARTS; p++) hd_map_clear(&lexicon->parts[p]);
    hd_free(lexicon);
}

heed_err hd_lexicon_add(hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word,
                        int class_number) {
    if (class_number <= HD_CLASS_NONE || class_number >= HD_CLASSES || word.n > LONGEST_WORD)
        return HD_FAIL(HEED_INTERNAL, "no class of a word", "不是词的类别");
    return hd_map_put(&lexicon->parts[part], word.p, word.n, (uint64_t)class_number);
}

// ── Looking up ──

int hd_lexicon_listed(const hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word) {
    uint64_t found;
    bool there = hd_map_get(&lexicon->parts[part], word.p, word.n, &found);
    return there ? (int)found : HD_CLASS_NONE;
}

typedef struct ending {
    const char *off, *on;
} ending;
static const ending noun_endings[] = {{"s", ""},      {"ses", "s"},   {"xes", "x"},
                                      {"zes", "z"},   {"ches", "ch"}, {"shes", "sh"},
                                      {"men", "man"}, {"ies", "y"},   {NULL, NULL}};
static const ending verb_endings[] = {{"s", ""},    {"ies", "y"}, {"es", "e"},
                                      {"es", ""},   {"ed", "e"},  {"ed", ""},
                                      {"ing", "e"}, {"ing", ""},  {NULL, NULL}};
static const ending *const endings[HD_LEXICON_PARTS] = {noun_endings, verb_endings};

// Two letters must be left.
static int without_ending(const hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word,
                          const ending *e) {
    char base[LONGEST_WORD + 8];
    size_t off = strlen(e->off), on = strlen(e->on);
    if (word.n < off + 2 || word.n > LONGEST_WORD) return HD_CLASS_NONE;
    if (memcmp(word.p + word.n - off, e->off, off) != 0) return HD_CLASS_NONE;
    memcpy(base, word.p, word.n - off);
    memcpy(base + word.n - off, e->on, on);
    return hd_lexicon_listed(lexicon, part, (hd_slice){base, word.n - off + on});
}

static int class_as(const hd_lexicon *lexicon, hd_lexicon_part part, hd_slice word) {
    int found = hd_lexicon_listed(lexicon, part, word);
    for (const ending *e = endings[part]; found == HD_CLASS_NONE && e->off; e++)
        found = without_ending(lexicon, part, word, e);
    return found;
}

int hd_lexicon_class(const hd_lexicon *lexicon, hd_slice word) {
    int found = class_as(lexicon, HD_LEXICON_NOUN, word);
    return found != HD_CLASS_NONE ? found : class_as(lexicon, HD_LEXICON_VERB, word);
}

// ── To and from JSON: each part a list of words by class, {"3": ["entity", …], …} ──

static heed_err part_json(const hd_map *part, json_t **out) {
    json_t *lists[HD_CLASSES] = {NULL};
    char key[8];
    *out = json_object();
    heed_err err = *out ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < part->count; i++) {
        const hd_map_entry *e = &part->entries[i];
        if (!lists[e->value]) {
            hd_snprintf(key, sizeof key, "%d", (int)e->value);
            err = hd_json_set(*out, key, lists[e->value] = json_array());
        }
        if (err == HEED_OK) err = hd_json_append(lists[e->value], json_stringn(e->key, e->len));
    }
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

heed_err hd_lexicon_json(const hd_lexicon *lexicon, json_t **out) {
    json_t *parts[HD_LEXICON_PARTS] = {NULL};
    *out = NULL;
    heed_err err = part_json(&lexicon->parts[HD_LEXICON_NOUN], &parts[HD_LEXICON_NOUN]);
    if (err == HEED_OK) err = part_json(&lexicon->parts[HD_LEXICON_VERB], &parts[HD_LEXICON_VERB]);
    if (err == HEED_OK) {
        err = hd_json_pack(out, "{s:s, s:i, s:O, s:O}", "format", "heed-lexicon", "version",
                           LEXICON_VERSION, part_names[HD_LEXICON_NOUN], parts[HD_LEXICON_NOUN],
                           part_names[HD_LEXICON_VERB], parts[HD_LEXICON_VERB]);
    }
    for (int p = 0; p < HD_LEXICON_PARTS; p++) json_decref(parts[p]);
    return err;
}

static heed_err damaged(const char *name) {
    return HD_FAIL(HEED_CORRUPT, "%s: the classes of words are damaged", "%s：词的类别已损坏",
                   name);
}

static heed_err add_words(hd_lexicon *lexicon, hd_lexicon_part part, const char *key,
                          const json_t *words, const char *name) {
    int64_t number;
    if (!hd_slice_i64(hd_slice_of(key), &number) || number <= HD_CLASS_NONE ||
        number >= HD_CLASSES || !json_is_array(words))
        return damaged(name);
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        const hd_slice text = {json_string_value(word), json_string_length(word)};
        if (!text.p || text.n > LONGEST_WORD) return damaged(name);
        HD_TRY(hd_lexicon_add(lexicon, part, text, (int)number));
    }
    return HEED_OK;
}

static heed_err read_part(hd_lexicon *lexicon, hd_lexicon_part part, const json_t *json,
                          const char *name) {
    const json_t *lists = json_object_get(json, part_names[part]);
    const char *key;
    json_t *words;
    if (!json_is_object(lists)) return damaged(name);
    json_object_foreach((json_t *)(uintptr_t)lists, key, words) {
        HD_TRY(add_words(lexicon, part, key, words, name));
    }
    return HEED_OK;
}

heed_err hd_lexicon_from_json(const json_t *json, const char *name, hd_lexicon **out) {
    hd_lexicon *lexicon;
    *out = NULL;
    HD_TRY(hd_saved_check(json, "heed-lexicon", LEXICON_VERSION, name));
    HD_TRY(hd_lexicon_new(&lexicon));
    heed_err err = read_part(lexicon, HD_LEXICON_NOUN, json, name);
    if (err == HEED_OK) err = read_part(lexicon, HD_LEXICON_VERB, json, name);
    if (err == HEED_OK)
        *out = lexicon;
    else
        hd_lexicon_free(lexicon);
    return err;
}
