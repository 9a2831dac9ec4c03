// SPDX-License-Identifier: Apache-2.0
//
// Figures of the personal-data finder (docs/privacy-finder.md).
//
//     bench_finder synth FILE [all]   pii-synth: precision and recall by type, on the half that
//                                     rules were tuned on and on the other (the halves by seed 1)
//     bench_finder marks FILE [all]   sentences with [type:value] marks
//     (tests/privacy/finder_zh.tsv) bench_finder alarms FILE [all]  findings in texts that hold few
//     or none: crosswoz, clinc150 bench_finder speed              processor time on a made-up text
//     and on hostile ones
//
// A finding is right when type, start and end are those of the data. all: the wrong ones as well.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/unicode.h"
#include "privacy/finder.h"

enum { MAX_SPANS = 64 };

typedef struct span {
    int type; // hd_pii, or -1: of a type that the finder doesn't know
    size_t start, n;
    bool hit;
} span;

typedef struct score {
    int64_t found, right, wanted;
    int64_t touched_found, touched; // overlapping counts as right
} score;

typedef struct bench {
    hd_finder *finder;
    bool all;
    bool alarms; // counting these: the edges of what is right don't matter
    score scores[2][HD_PII_TYPES];
    int64_t texts[2], alarmed;
} bench;

static void show_wrong(const char *what, int type, const char *text, size_t start, size_t n) {
    size_t from = start > 60 ? start - 60 : 0;
    while (from < start && ((unsigned char)text[from] & 0xC0) == 0x80) from++;
    size_t left = strlen(text + start + n);
    size_t after = hd_utf8_cut(text + start + n, left, left < 40 ? left : 40);
    printf("  %s %s: %.*s⟦%.*s⟧%.*s\n", what, hd_pii_name((hd_pii)type), (int)(start - from),
           text + from, (int)n, text + start, (int)after, text + start + n);
}

static bool overlaps(const span *a, const hd_finding *b) {
    return a->start < b->start + b->n && b->start < a->start + a->n;
}

static heed_err compare(bench *b, int half, const char *text, span *spans, size_t n_spans) {
    const hd_finding *found;
    size_t n;
    HD_TRY(hd_finder_scan(b->finder, hd_slice_of(text), HD_PII_ALL, &found, &n));
    b->texts[half]++;
    for (size_t i = 0; i < n; i++) {
        score *s = &b->scores[half][found[i].type];
        bool right = false;
        bool touched = false;
        for (size_t k = 0; k < n_spans; k++) {
            if (spans[k].type != (int)found[i].type) continue;
            touched = touched || overlaps(&spans[k], &found[i]);
            if (spans[k].start != found[i].start || spans[k].n != found[i].n) continue;
            right = spans[k].hit = true;
        }
        s->found++;
        s->right += right;
        s->touched_found += touched;
        if (b->all && !(right || (b->alarms && touched)))
            show_wrong("wrong", (int)found[i].type, text, found[i].start, found[i].n);
    }
    for (size_t k = 0; k < n_spans; k++) {
        if (spans[k].type < 0) continue;
        score *s = &b->scores[half][spans[k].type];
        s->wanted++;
        bool touched = false;
        for (size_t i = 0; i < n; i++)
            touched =
                touched || ((int)found[i].type == spans[k].type && overlaps(&spans[k], &found[i]));
        s->touched += touched;
        if (b->all && !spans[k].hit)
            show_wrong("missed", spans[k].type, text, spans[k].start, spans[k].n);
    }
    return HEED_OK;
}

static double ratio(int64_t a, int64_t b) {
    return b ? (double)a / (double)b : 0;
}

static double f1(double p, double r) {
    return p + r > 0 ? 2 * p * r / (p + r) : 0;
}

static void show_line(const char *name, const score *s) {
    double p = ratio(s->right, s->found);
    double r = ratio(s->right, s->wanted);
    double tp = ratio(s->touched_found, s->found);
    double tr = ratio(s->touched, s->wanted);
    printf("  %-14s %5lld %6lld %9.4f %7.4f %7.4f   %7.4f\n", name, (long long)s->wanted,
           (long long)s->found, p, r, f1(p, r), f1(tp, tr));
}

// claimed: a set of types that the sum runs over; the others stand below it.
static void show(const bench *b, int half, const char *title, unsigned claimed) {
    score sum = {0};
    printf("%s: %lld texts\n  %-14s %5s %6s %9s %7s %7s   %s\n", title, (long long)b->texts[half],
           "type", "there", "found", "precision", "recall", "F1", "F1, overlap");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t t = 0; t < HD_PII_TYPES; t++) {
            const score *s = &b->scores[half][t];
            bool counts = claimed & HD_PII_BIT(t);
            if (counts == (pass == 1) || (!s->wanted && !s->found)) continue;
            show_line(hd_pii_name((hd_pii)t), s);
            if (!counts) continue;
            sum.found += s->found;
            sum.right += s->right;
            sum.wanted += s->wanted;
            sum.touched_found += s->touched_found;
            sum.touched += s->touched;
        }
        if (pass == 0) show_line("sum", &sum);
    }
}

// ── Lines ──

typedef heed_err (*line_fn)(bench *b, char *line);

static heed_err each_line(bench *b, const char *path, line_fn fn) {
    enum { LINE = 1 << 20 };
    gzFile in = gzopen(path, "rb");
    char *line = hd_alloc(LINE);
    heed_err err = in && line ? HEED_OK : HD_FAIL(HEED_IO, "can't read '%s'", "无法读取“%s”", path);
    while (err == HEED_OK && gzgets(in, line, LINE)) {
        line[strcspn(line, "\n")] = '\0';
        err = fn(b, line);
    }
    hd_free(line);
    if (in) gzclose(in);
    return err;
}

static size_t byte_of(const char *text, int64_t character) {
    size_t i = 0;
    uint32_t c;
    for (; character > 0; character--) i += hd_utf8_next(text + i, strlen(text + i), &c);
    return i;
}

static int synth_type(const char *name) {
    static const struct {
        const char *name;
        hd_pii type;
    } types[] = {{"EMAIL_ADDRESS", HD_PII_EMAIL}, {"PHONE_NUMBER", HD_PII_PHONE},
                 {"IP_ADDRESS", HD_PII_IP},       {"DOMAIN_NAME", HD_PII_URL},
                 {"CREDIT_CARD", HD_PII_CARD},    {"IBAN_CODE", HD_PII_IBAN},
                 {"US_SSN", HD_PII_SSN},          {"STREET_ADDRESS", HD_PII_ADDRESS},
                 {"PERSON", HD_PII_NAME}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0) return (int)types[i].type;
    return -1;
}

static heed_err synth_line(bench *b, char *line) {
    json_t *row = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(row, "text"));
    if (!text) return HD_FAIL(HEED_INPUT, "a line without a text", "有一行没有文本");
    span spans[MAX_SPANS];
    size_t n = 0;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(row, "spans"), i, entry) {
        size_t start = byte_of(text, json_integer_value(json_object_get(entry, "start")));
        size_t end = byte_of(text, json_integer_value(json_object_get(entry, "end")));
        int type = synth_type(json_string_value(json_object_get(entry, "type")));
        if (type >= 0 && n < MAX_SPANS) spans[n++] = (span){type, start, end - start, false};
    }
    // The half of a line depends on its number alone.
    hd_rng rng = hd_rng_make(1, (uint64_t)(b->texts[0] + b->texts[1]));
    heed_err err = compare(b, (int)hd_rng_below(&rng, 2), text, spans, n);
    json_decref(row);
    return err;
}

// Takes the [type:value] marks out of a sentence, in place.
static size_t unmark(char *text, span *spans) {
    size_t n = 0;
    char *to = text;
    for (char *from = text; *from;) {
        char *colon = *from == '[' ? strchr(from, ':') : NULL;
        char *end = colon ? strchr(colon, ']') : NULL;
        hd_pii type;
        if (!end || n == MAX_SPANS ||
            !hd_pii_find((hd_slice){from + 1, (size_t)(colon - from - 1)}, &type)) {
            *to++ = *from++;
            continue;
        }
        size_t len = (size_t)(end - colon - 1);
        spans[n++] = (span){(int)type, (size_t)(to - text), len, false};
        memmove(to, colon + 1, len);
        to += len;
        from = end + 1;
    }
    *to = '\0';
    return n;
}

static heed_err marks_line(bench *b, char *line) {
    span spans[MAX_SPANS];
    char *text = strchr(line, '\t');
    if (line[0] == '#' || !text) return HEED_OK;
    size_t n = unmark(++text, spans);
    return compare(b, 0, text, spans, n);
}

// ── False alarms ──

static int64_t count_alarms(const bench *b) {
    int64_t n = 0;
    for (size_t t = 0; t < HD_PII_TYPES; t++)
        n += b->scores[0][t].found - b->scores[0][t].touched_found;
    return n;
}

static heed_err alarm_text(bench *b, const char *text, span *spans, size_t n) {
    int64_t before = count_alarms(b);
    HD_TRY(compare(b, 0, text, spans, n));
    b->alarmed += count_alarms(b) > before;
    return HEED_OK;
}

// The place of an annotated phone or address in its message: a hotel's, a sight's. Right findings.
static bool annotated(const json_t *act, const char *text, span *out) {
    const char *slot = json_string_value(json_array_get(act, 2));
    const char *value = json_string_value(json_array_get(act, 3));
    const char *at = slot && value && value[0] ? strstr(text, value) : NULL;
    if (!at || (strcmp(slot, "电话") != 0 && strcmp(slot, "地址") != 0)) return false;
    int type = strcmp(slot, "电话") == 0 ? HD_PII_PHONE : HD_PII_ADDRESS;
    *out = (span){type, (size_t)(at - text), strlen(value), false};
    return true;
}

// crosswoz: {"messages": [{"content", "dialog_act": [[intent, domain, slot, value]]}]} a line.
static heed_err crosswoz_line(bench *b, char *line) {
    json_t *row = json_loads(line, 0, NULL);
    size_t i;
    json_t *message;
    heed_err err = HEED_OK;
    json_array_foreach(json_object_get(row, "messages"), i, message) {
        const char *text = json_string_value(json_object_get(message, "content"));
        span spans[MAX_SPANS];
        size_t n = 0;
        size_t k;
        json_t *act;
        json_array_foreach(json_object_get(message, "dialog_act"), k, act) {
            if (text && n < MAX_SPANS && annotated(act, text, &spans[n])) n++;
        }
        if (err == HEED_OK && text) err = alarm_text(b, text, spans, n);
    }
    json_decref(row);
    return err;
}

static heed_err clinc(bench *b, const char *path) {
    enum { ALL = 1 << 24 };
    gzFile in = gzopen(path, "rb");
    char *bytes = hd_alloc(ALL);
    int n = in && bytes ? gzread(in, bytes, ALL) : 0;
    json_t *whole = n > 0 ? json_loadb(bytes, (size_t)n, 0, NULL) : NULL;
    heed_err err = whole ? HEED_OK : HD_FAIL(HEED_IO, "can't read '%s'", "无法读取“%s”", path);
    const char *key;
    json_t *part;
    json_object_foreach(whole, key, part) {
        size_t i;
        json_t *pair;
        json_array_foreach(part, i, pair) {
            const char *text = json_string_value(json_array_get(pair, 0));
            if (err == HEED_OK && text) err = alarm_text(b, text, NULL, 0);
        }
    }
    json_decref(whole);
    hd_free(bytes);
    if (in) gzclose(in);
    return err;
}

static void show_alarms(const bench *b) {
    printf("%lld texts, %lld with findings that the data doesn't name\n", (long long)b->texts[0],
           (long long)b->alarmed);
    for (size_t t = 0; t < HD_PII_TYPES; t++) {
        const score *s = &b->scores[0][t];
        if (s->found)
            printf("  %-14s %lld found, %lld not named\n", hd_pii_name((hd_pii)t),
                   (long long)s->found, (long long)(s->found - s->touched_found));
    }
}

// ── Speed ──

static heed_err speed_of(bench *b, const char *name, const char *piece) {
    enum { BYTES = 1 << 20 };
    hd_str text;
    hd_str_init(&text);
    while (text.len < BYTES && !text.failed) hd_str_add(&text, piece);
    const hd_finding *found;
    size_t n = 0;
    clock_t start = clock();
    heed_err err = hd_str_check(&text);
    if (err == HEED_OK)
        err = hd_finder_scan(b->finder, (hd_slice){text.data, text.len}, HD_PII_ALL, &found, &n);
    double ms = 1000.0 * (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("  %-28s %6.0f ms a MB, %zu findings\n", name, ms, n);
    hd_str_clear(&text);
    return err;
}

static heed_err speed(bench *b) {
    static const char *const pieces[][2] = {
        {"English", "The kettle came late and the box was open, but support was kind. "},
        {"Chinese", "水壶收到了，包装有点破，不过客服很耐心，给了十元优惠券。"},
        {"with data", "我叫张伟，电话13800138000，寄到北京市海淀区中关村大街27号3单元502室。"},
        {"ones", "1"},
        {"at signs", "@"},
        {"a@a@", "a@"},
        {"dots", "a.a."},
        {"ones and spaces", "1 "},
        {"groups", "12345678 "},
        {"parentheses", "(1"},
        {"colons", "a:"},
        {"brackets", "["},
        {"roads", "北京市路"},
        {"surnames", "王"},
        {"cities", "北京"},
        {"cues", "电话"},
        {"http://", "http://"},
        {"Dear A ", "Dear A "},
        {"1 A ", "1 A "},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        HD_TRY(speed_of(b, pieces[i][0], pieces[i][1]));
    return HEED_OK;
}

static heed_err run(bench *b, const char *mode, const char *path) {
    enum {
        SYNTH = HD_PII_BIT(HD_PII_EMAIL) | HD_PII_BIT(HD_PII_PHONE) | HD_PII_BIT(HD_PII_IP) |
                HD_PII_BIT(HD_PII_URL) | HD_PII_BIT(HD_PII_CARD) | HD_PII_BIT(HD_PII_IBAN) |
                HD_PII_BIT(HD_PII_SSN)
    };
    HD_TRY(hd_finder_new(&b->finder));
    if (strcmp(mode, "speed") == 0) return speed(b);
    if (strcmp(mode, "synth") == 0) {
        HD_TRY(each_line(b, path, synth_line));
        show(b, 0, "tuned on", SYNTH);
        show(b, 1, "reported", SYNTH);
    } else if (strcmp(mode, "marks") == 0) {
        HD_TRY(each_line(b, path, marks_line));
        show(b, 0, "marked sentences", HD_PII_ALL);
    } else {
        HD_TRY(strstr(path, "clinc") ? clinc(b, path) : each_line(b, path, crosswoz_line));
        show_alarms(b);
    }
    return HEED_OK;
}

int main(int argc, char **argv) {
    static bench b;
    if (argc < 2 || (argc < 3 && strcmp(argv[1], "speed") != 0)) {
        fprintf(stderr, "usage: bench_finder synth|marks|alarms FILE [all], or speed\n");
        return 2;
    }
    b.all = argc > 3;
    b.alarms = strcmp(argv[1], "alarms") == 0;
    heed_err err = run(&b, argv[1], argc > 2 ? argv[2] : "");
    hd_finder_free(b.finder);
    if (err == HEED_OK) return 0;
    fprintf(stderr, "bench_finder: %s\n", heed_error_message(HEED_EN));
    return 1;
}
