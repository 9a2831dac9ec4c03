// SPDX-License-Identifier: Apache-2.0
//
// A line of index.noun is "lemma n senses pointers [pointer …] senses tagged offset …": an offset
// is that of a line of data.noun in bytes, "offset class n …". Lines that begin with a space are
// the licence. A line of noun.exc is "inflected lemma …". Terms of several words (with '_') are
// left out: a text's tokens are words.
#include "recipe/wordnet.h"

#include "base/fs.h"
#include "base/mem.h"

enum { MOST_BYTES = 256 << 20, LONGEST = 40 };

typedef struct files {
    hd_str index, data, exceptions;
} files;
static const char *const suffixes[HD_LEXICON_PARTS] = {"noun", "verb"};

static heed_err read_file(const char *folder, const char *name, hd_str *out) {
    char path[4096];
    hd_snprintf(path, sizeof path, "%s/%s", folder, name);
    if (hd_fs_exists(path)) return hd_fs_read(path, MOST_BYTES, out);
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no '%s': install WordNet's files (Debian: apt install wordnet-base), "
                   "or name their folder",
                   "找不到“%s”：请安装 WordNet 的文件（Debian：apt install "
                   "wordnet-base），或指明其所在文件夹",
                   path);
}

static heed_err read_files(const char *folder, const char *suffix, files *f) {
    char name[16];
    hd_snprintf(name, sizeof name, "index.%s", suffix);
    HD_TRY(read_file(folder, name, &f->index));
    hd_snprintf(name, sizeof name, "data.%s", suffix);
    HD_TRY(read_file(folder, name, &f->data));
    hd_snprintf(name, sizeof name, "%s.exc", suffix);
    return read_file(folder, name, &f->exceptions);
}

// ── Lines and words ──

// The next line of what is left; false: none.
static bool next_line(hd_slice *left, hd_slice *line) {
    if (left->n == 0) return false;
    const char *end = memchr(left->p, '\n', left->n);
    size_t n = end ? (size_t)(end - left->p) : left->n, step = end ? n + 1 : n;
    *line = (hd_slice){left->p, n};
    *left = (hd_slice){left->p + step, left->n - step};
    return true;
}

static bool next_word(hd_slice *left, hd_slice *word) {
    while (left->n > 0 && *left->p == ' ') *left = (hd_slice){left->p + 1, left->n - 1};
    size_t n = 0;
    while (n < left->n && left->p[n] != ' ') n++;
    *word = (hd_slice){left->p, n};
    *left = (hd_slice){left->p + n, left->n - n};
    return n > 0;
}

static bool next_number(hd_slice *left, int64_t *out) {
    hd_slice word;
    return next_word(left, &word) && hd_slice_i64(word, out) && *out >= 0;
}

static bool plain(hd_slice word) {
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    }
    return word.n > 0 && word.n <= LONGEST;
}

// The class of the sense whose line begins at that byte; -1: none does.
static int64_t class_at(const hd_str *data, int64_t offset) {
    int64_t itself, number;
    if (offset < 0 || (size_t)offset >= data->len) return -1;
    hd_slice left = {data->data + offset, data->len - (size_t)offset}, line;
    if (!next_line(&left, &line) || !next_number(&line, &itself) || itself != offset) return -1;
    return next_number(&line, &number) ? number : -1;
}

// The offset of a lemma's first sense; -1: no such line.
static int64_t first_sense(hd_slice line) {
    hd_slice skipped;
    int64_t senses, pointers, offset;
    if (!next_word(&line, &skipped)) return -1; // part of speech
    if (!next_number(&line, &senses) || !next_number(&line, &pointers)) return -1;
    for (int64_t i = 0; i < pointers + 2; i++)
        if (!next_word(&line, &skipped)) return -1;
    return next_number(&line, &offset) ? offset : -1;
}

static heed_err add_index(const files *f, const char *suffix, hd_lexicon_part part,
                          hd_lexicon *out) {
    hd_slice left = {f->index.data, f->index.len}, line, lemma;
    for (size_t n = 1; next_line(&left, &line); n++) {
        if (line.n == 0 || line.p[0] == ' ' || !next_word(&line, &lemma) || !plain(lemma)) continue;
        int64_t number = class_at(&f->data, first_sense(line));
        if (number < 0 || number >= HD_CLASSES) {
            return HD_FAIL(HEED_INPUT,
                           "line %zu of index.%s: '%.*s' has no sense in data.%s: the files aren't "
                           "of one WordNet",
                           "index.%2$s 第 %1$zu 行：“%4$.*3$s”在 data.%5$s "
                           "中没有义项：这些文件不属于同一版 WordNet",
                           n, suffix, (int)lemma.n, lemma.p, suffix);
        }
        // Classes of WordNet begin at 0 (adjectives); those of nouns at 3.
        if (number <= HD_CLASS_NONE) continue;
        HD_TRY(hd_lexicon_add(out, part, lemma, (int)number));
    }
    return HEED_OK;
}

static heed_err add_exceptions(const files *f, hd_lexicon_part part, hd_lexicon *out) {
    hd_slice left = {f->exceptions.data, f->exceptions.len}, line, inflected, lemma;
    while (next_line(&left, &line)) {
        if (!next_word(&line, &inflected) || !plain(inflected) || !next_word(&line, &lemma))
            continue;
        int number = hd_lexicon_listed(out, part, lemma);
        if (number != HD_CLASS_NONE) HD_TRY(hd_lexicon_add(out, part, inflected, number));
    }
    return HEED_OK;
}

static heed_err add_part(const char *folder, hd_lexicon_part part, hd_lexicon *out) {
    files f;
    hd_str_init(&f.index);
    hd_str_init(&f.data);
    hd_str_init(&f.exceptions);
    heed_err err = read_files(folder, suffixes[part], &f);
    if (err == HEED_OK) err = add_index(&f, suffixes[part], part, out);
    if (err == HEED_OK) err = add_exceptions(&f, part, out);
    hd_str_clear(&f.index);
    hd_str_clear(&f.data);
    hd_str_clear(&f.exceptions);
    return err;
}

heed_err hd_wordnet_read(const char *folder, hd_lexicon **out) {
    hd_lexicon *lexicon;
    *out = NULL;
    HD_TRY(hd_lexicon_new(&lexicon));
    heed_err err = add_part(folder, HD_LEXICON_NOUN, lexicon);
    if (err == HEED_OK) err = add_part(folder, HD_LEXICON_VERB, lexicon);
    if (err == HEED_OK)
        *out = lexicon;
    else
        hd_lexicon_free(lexicon);
    return err;
}
