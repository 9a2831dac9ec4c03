// SPDX-License-Identifier: Apache-2.0
//
// The delimiter is the sign that stands equally often in (nearly) all of the first hundred rows,
// outside of quotes; of several such signs the one that makes most columns. Blanks are tried last:
// they stand in every text. Counting alone is what spreadsheets do too; learned guessers
// (CleverCSV) do better on files that no shop exports.
#include "prepare/read/sniff.h"

#include "prepare/read/fold.h"
#include "prepare/read/value.h"

enum { SAMPLE = 100 };

static const char signs[] = {',', '\t', ';', '|'};
enum { N_SIGNS = sizeof signs };

// Counts of every sign, and of words, in each row of the sample.
typedef struct tally {
    uint32_t count[SAMPLE][N_SIGNS];
    uint32_t words[SAMPLE];
    size_t rows;
} tally;

static void count_row(tally *t, const char *p, const char *end) {
    bool in_word = false;
    bool quoted = false;
    for (; p < end; p++) {
        if (*p == '"') quoted = !quoted;
        for (size_t k = 0; k < N_SIGNS && !quoted; k++) t->count[t->rows][k] += *p == signs[k];
        bool blank = *p == ' ' || *p == '\t' || *p == '\r';
        t->words[t->rows] += !blank && !in_word;
        in_word = !blank;
    }
    if (t->words[t->rows] > 0) t->rows++; // blank lines don't count
}

// The end of a row: the next line end outside of quotes. A quote left open makes one line of it.
static const char *row_end(const char *p, const char *end) {
    bool quoted = false;
    for (const char *q = p; q < end; q++) {
        if (*q == '"') quoted = !quoted;
        if ((*q == '\n' || *q == '\r') && !quoted) return q;
    }
    if (!quoted) return end;
    while (p < end && *p != '\n' && *p != '\r') p++;
    return p;
}

static void count_rows(tally *t, hd_slice head, bool whole) {
    const char *end = head.p + head.n;
    for (const char *p = head.p; p < end && t->rows < SAMPLE;) {
        const char *q = row_end(p, end);
        if (q == end && !whole && t->rows > 0) break; // cut off
        count_row(t, p, q);
        p = q + 1;
    }
}

// The share of rows that have as many as the first one; 0 when that has none.
static double agreement(const tally *t, const uint32_t *first, size_t stride, uint32_t none) {
    if (t->rows == 0 || *first <= none) return 0;
    size_t same = 0;
    for (size_t i = 0; i < t->rows; i++) same += first[i * stride] == *first;
    return (double)same / (double)t->rows;
}

static void guess_cut(const tally *t, hd_shape *shape) {
    double best = 0;
    size_t chosen = 0; // a comma, when there is nothing to cut
    for (size_t k = 0; k < N_SIGNS; k++) {
        double share = agreement(t, &t->count[0][k], N_SIGNS, 0);
        bool more = share == best && t->count[0][k] > t->count[0][chosen];
        if (share > best || (share > 0 && more)) {
            best = share;
            chosen = k;
        }
    }
    // Values hold commas and bars, but rarely in all rows alike.
    double words = agreement(t, &t->words[0], 1, 1);
    char sign = best < 0.6 && words > 0.9 ? ' ' : signs[chosen];
    shape->cut = (hd_cut){.sign = {sign}, .n = 1, .quotes = sign != ' '};
}

static heed_err parse_delimiter(const char *text, hd_cut *cut) {
    static const struct {
        const char *word, *sign;
    } words[] = {{"tab", "\t"},  {"\\t", "\t"},       {"comma", ","}, {"semicolon", ";"},
                 {"space", " "}, {"whitespace", " "}, {"pipe", "|"},  {"bar", "|"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, text) == 0) text = words[i].sign;
    }
    size_t n = strlen(text);
    if (n == 0 || n >= sizeof cut->sign || strpbrk(text, "\"\r\n")) {
        return HD_FAIL(
            HEED_USAGE,
            "'%s' can't be a delimiter: use one to three signs, or tab, comma, semicolon, "
            "space",
            "“%s”不能作为分隔符：请用一到三个字符，或 tab、comma、semicolon、space", text);
    }
    *cut = (hd_cut){.n = n, .quotes = n == 1 && text[0] != ' '};
    memcpy(cut->sign, text, n);
    return HEED_OK;
}

static hd_slice first_line(hd_slice head) {
    head = hd_slice_trim(head);
    const char *eol = memchr(head.p, '\n', head.n);
    if (eol) head.n = (size_t)(eol - head.p);
    return hd_slice_trim(head);
}

static heed_err check_json(const char *name, hd_slice head) {
    hd_slice line = first_line(head);
    char second = line.n > 1 ? line.p[1] : ' ';
    bool array = line.p[0] == '[' && (second == '{' || second == ' ');
    if (array || line.n == 1) {
        return HD_FAIL(HEED_INPUT,
                       "%s is one JSON document: write one object a line, as `jq -c '.[]'` does",
                       "%s 是单个 JSON 文档：请每行写一个对象，例如用 `jq -c '.[]'` 转换", name);
    }
    return HEED_OK;
}

heed_err hd_sniff_format(const char *name, hd_slice head, bool whole, const char *delimiter,
                         hd_shape *shape) {
    hd_slice text = hd_slice_trim(head);
    if (text.n == 0) {
        return HD_FAIL(HEED_INPUT, "%s holds blank lines only: nothing to import",
                       "%s 只有空行：没有可导入的内容", name);
    }
    if (!shape->format && !delimiter && (text.p[0] == '{' || text.p[0] == '[')) {
        HD_TRY(check_json(name, head));
        if (text.p[0] == '{') shape->format = &hd_format_jsonl;
    }
    if (!shape->format) shape->format = &hd_format_csv;
    if (shape->format != &hd_format_csv) return HEED_OK;
    if (delimiter) return parse_delimiter(delimiter, &shape->cut);
    if (shape->cut.n > 0) return HEED_OK;
    tally t = {.rows = 0};
    count_rows(&t, head, whole);
    guess_cut(&t, shape);
    return HEED_OK;
}

// ── Header ──────────────────────────────────────────────────────────────────────────────────────

static bool names_a_field(hd_slice cell) {
    hd_str folded;
    hd_str_init(&folded);
    bool found = false;
    if (hd_fold_name(cell, &folded) == HEED_OK) {
        for (size_t k = 0; k < HD_KINDS && !found; k++) {
            for (size_t i = 0; i < hd_schemas[k]->n_fields && !found; i++) {
                const char *names = hd_schemas[k]->fields[i].names;
                found = hd_name_rank(names, hd_str_get(&folded)) != SIZE_MAX;
            }
        }
    }
    hd_str_clear(&folded);
    return found;
}

static bool is_data(hd_slice cell) {
    double number;
    return hd_value_number(cell, false, &number) || hd_time_sniff(&cell, 1) != 0;
}

static bool repeats(const hd_row *row, size_t i) {
    for (size_t k = 0; k < i; k++) {
        hd_slice a = row->cells[i].text;
        hd_slice b = row->cells[k].text;
        if (a.n == b.n && memcmp(a.p, b.p, a.n) == 0) return true;
    }
    return false;
}

bool hd_sniff_header(const hd_row *row) {
    bool data = false;
    bool plain = true;
    for (size_t i = 0; i < row->n && i < HD_MAX_COLUMNS; i++) {
        hd_slice text = row->cells[i].text;
        if (names_a_field(text)) return true;
        if (is_data(text)) data = true;
        if (text.n == 0 || text.n > 64 || repeats(row, i)) plain = false;
    }
    return !data && plain;
}
