// SPDX-License-Identifier: Apache-2.0
//
// Recursive descent over the text, with a cursor. Only members of objects outside of arrays become
// cells: an array of a million numbers costs nothing but the pass over it. A string without escapes
// is a slice of the text; eight bytes are looked at at a time for its end (the usual test for a
// byte that is zero in x ^ pattern: Mycroft 1987).
//
// jansson is the reference (differential test and fuzzing): the same texts are accepted with the
// same values, but that nesting stops at 64.
#include "prepare/read/json_scan.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct cursor {
    hd_json_scan *scan;
    const char *start;
    const char *p;
    const char *end;
    unsigned depth;
    bool collect; // members become cells
    bool refused;
    heed_err err;
} cursor;

static bool refuse(cursor *c, const char *en, const char *zh) {
    if (!c->refused) {
        c->refused = true;
        c->scan->at = (size_t)(c->p - c->start);
        c->scan->problem = (hd_text){en, zh};
    }
    return false;
}

static bool no_memory(cursor *c, heed_err err) {
    c->err = err;
    return false;
}

static void skip_space(cursor *c) {
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
        c->p++;
}

// ── Strings ─────────────────────────────────────────────────────────────────────────────────────

static uint64_t zero_bytes(uint64_t x) {
    return (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);
}

// The first byte that ends a plain run: quote, backslash or control sign.
static const char *plain_end(const char *p, const char *end) {
    while (end - p >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        uint64_t low = (w - UINT64_C(0x2020202020202020)) & ~w & UINT64_C(0x8080808080808080);
        if (low | zero_bytes(w ^ UINT64_C(0x2222222222222222)) |
            zero_bytes(w ^ UINT64_C(0x5c5c5c5c5c5c5c5c)))
            break;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    return p;
}

static int hex4(const char *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

// "\uXXXX", and its second half where it is a surrogate. c->p stands behind the 'u'.
static bool scan_unicode(cursor *c, char **out) {
    int unit = c->end - c->p >= 4 ? hex4(c->p) : -1;
    if (unit < 0)
        return refuse(c, "'\\u' wants four hexadecimal digits", "'\\u' 后须有四位十六进制数");
    c->p += 4;
    uint32_t point = (uint32_t)unit;
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return refuse(c, "half of a surrogate pair stands alone", "代理对不完整");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        int low = c->end - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u' ? hex4(c->p + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            return refuse(c, "half of a surrogate pair stands alone", "代理对不完整");
        }
        c->p += 6;
        point = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    }
    if (point == 0) return refuse(c, "a text holds U+0000", "文本含有 U+0000");
    *out += hd_utf8_put(point, *out);
    return true;
}

static bool scan_escape(cursor *c, char **out) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    c->p++;
    char sign = c->p < c->end ? *c->p : 0;
    if (sign == 'u') {
        c->p++;
        return scan_unicode(c, out);
    }
    const char *at = sign ? strchr(from, sign) : NULL;
    if (!at)
        return refuse(c, "a backslash stands before a sign that has no escape",
                      "反斜杠后的字符不是合法转义");
    *(*out)++ = to[at - from];
    c->p++;
    return true;
}

// The rest of a string from its first escape on, into the arena: never longer than it stands.
static bool scan_escaped(cursor *c, const char *start, hd_slice *out) {
    const char *close = c->p;
    while (close < c->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= c->end) {
        c->p = c->end;
        return refuse(c, "a text isn't closed by a quote sign", "文本缺少结束引号");
    }
    char *text = hd_arena_alloc(c->scan->arena, (size_t)(close - start) + 4);
    if (!text) return no_memory(c, HD_FAIL_MEMORY((size_t)(close - start)));
    char *to = text;
    const char *run = start;
    for (;;) {
        memcpy(to, run, (size_t)(c->p - run));
        to += c->p - run;
        if (c->p == c->end)
            return refuse(c, "a text isn't closed by a quote sign", "文本缺少结束引号");
        if (*c->p == '"') break;
        if (*c->p != '\\')
            return refuse(c, "a control sign stands in a text: escape it",
                          "文本含有控制字符：请转义");
        if (!scan_escape(c, &to)) return false;
        run = c->p;
        c->p = plain_end(c->p, c->end);
    }
    c->p++;
    *out = (hd_slice){text, (size_t)(to - text)};
    return true;
}

// c->p stands on the opening quote.
static bool scan_string(cursor *c, hd_slice *out) {
    const char *start = ++c->p;
    c->p = plain_end(start, c->end);
    if (c->p == c->end) return refuse(c, "a text isn't closed by a quote sign", "文本缺少结束引号");
    if (*c->p == '"') {
        *out = (hd_slice){start, (size_t)(c->p - start)};
        c->p++;
        return true;
    }
    return scan_escaped(c, start, out);
}

// ── Numbers ─────────────────────────────────────────────────────────────────────────────────────

static bool is_digit(const cursor *c) {
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool scan_digits(cursor *c) {
    if (!is_digit(c)) return refuse(c, "a number lacks a digit", "数字不完整");
    while (is_digit(c)) c->p++;
    return true;
}

static bool is_big(hd_slice number) {
    int64_t value;
    return number.n > 18 && !hd_slice_i64(number, &value);
}

static bool scan_number(cursor *c, hd_slice *out) {
    const char *start = c->p;
    bool whole = true;
    if (*c->p == '-') c->p++;
    if (c->p < c->end && *c->p == '0') {
        c->p++;
    } else if (!scan_digits(c)) {
        return false;
    }
    if (c->p < c->end && *c->p == '.') {
        whole = false;
        c->p++;
        if (!scan_digits(c)) return false;
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E')) {
        whole = false;
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-')) c->p++;
        if (!scan_digits(c)) return false;
    }
    *out = (hd_slice){start, (size_t)(c->p - start)};
    if (whole && is_big(*out)) c->scan->big = true;
    // Up to 18 signs without an exponent can't leave a double's range.
    double value;
    if ((out->n > 18 || !whole) && !hd_slice_f64(*out, &value)) {
        c->p = start;
        return refuse(c, "a number is beyond what a double holds", "数字超出双精度范围");
    }
    return true;
}

// ── Values ──────────────────────────────────────────────────────────────────────────────────────

static bool scan_value(cursor *c, hd_cell *cell);

static bool scan_word(cursor *c, const char *word, hd_cell_type type, hd_cell *cell) {
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) {
        return refuse(c, "this is no JSON value", "不是 JSON 值");
    }
    cell->type = type;
    cell->text = (hd_slice){c->p, n};
    c->p += n;
    return true;
}

static int compare_slices(const void *a, const void *b) {
    const hd_slice *x = a;
    const hd_slice *y = b;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return memcmp(x->p, y->p, x->n);
}

static bool slices_equal(hd_slice a, hd_slice b) {
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

// Whether a name stands twice in names[from ..]. Few are compared in pairs, many are sorted (their
// order means nothing once their object is closed).
static bool names_repeat(hd_slice *names, size_t n) {
    if (n <= 12) {
        for (size_t i = 1; i < n; i++) {
            for (size_t k = 0; k < i; k++) {
                if (slices_equal(names[i], names[k])) return true;
            }
        }
        return false;
    }
    qsort(names, n, sizeof *names, compare_slices);
    for (size_t i = 1; i < n; i++) {
        if (slices_equal(names[i - 1], names[i])) return true;
    }
    return false;
}

static bool add_name(cursor *c, hd_slice name) {
    hd_json_scan *s = c->scan;
    if (s->n_names == s->cap_names) {
        heed_err err = hd_grow(&s->names, &s->cap_names, s->n_names + 1, sizeof *s->names);
        if (err != HEED_OK) return no_memory(c, err);
    }
    s->names[s->n_names++] = name;
    return true;
}

static bool scan_member(cursor *c) {
    hd_json_scan *s = c->scan;
    hd_cell cell = {.column = HD_NO_COLUMN};
    if (c->p == c->end || *c->p != '"')
        return refuse(c, "a name in quotes is due", "此处应为带引号的名称");
    if (!scan_string(c, &cell.key) || !add_name(c, cell.key)) return false;
    skip_space(c);
    if (c->p == c->end || *c->p != ':') return refuse(c, "a colon is due", "此处应为冒号");
    c->p++;
    if (!c->collect) return scan_value(c, &cell);
    if (s->n >= HD_JSON_MEMBERS)
        return refuse(c, "there are more than 65,536 members", "成员超过 65,536 个");
    if (s->n == s->cap) {
        heed_err err = hd_grow(&s->cells, &s->cap, s->n + 1, sizeof *s->cells);
        if (err != HEED_OK) return no_memory(c, err);
    }
    size_t at = s->n++;
    if (!scan_value(c, &cell)) return false;
    cell.size = (uint32_t)(s->n - at - 1);
    s->cells[at] = cell;
    return true;
}

// The members or elements up to the closing sign; c->p stands behind the opening one.
static bool scan_list(cursor *c, char close) {
    skip_space(c);
    if (c->p < c->end && *c->p == close) {
        c->p++;
        return true;
    }
    for (;;) {
        skip_space(c);
        hd_cell element = {0};
        if (!(close == '}' ? scan_member(c) : scan_value(c, &element))) return false;
        skip_space(c);
        char sign = c->p < c->end ? *c->p : 0;
        if (sign != ',' && sign != close) {
            return refuse(c, "a comma or a closing bracket is due", "此处应为逗号或右括号");
        }
        c->p++;
        if (sign == close) return true;
    }
}

static bool scan_nested(cursor *c, hd_cell *cell) {
    hd_json_scan *s = c->scan;
    const char *start = c->p;
    bool object = *c->p++ == '{';
    size_t names = s->n_names;
    bool collect = c->collect;
    if (++c->depth > HD_JSON_DEPTH) return refuse(c, "nesting is over 64 deep", "嵌套超过 64 层");
    if (!object) c->collect = false;
    if (!scan_list(c, object ? '}' : ']')) return false;
    c->collect = collect;
    c->depth--;
    bool any = s->n_names > names;
    if (any && object && names_repeat(s->names + names, s->n_names - names)) {
        return refuse(c, "a name stands twice in an object", "同一对象中名称重复");
    }
    s->n_names = names;
    cell->type = object ? HD_CELL_OBJECT : HD_CELL_ARRAY;
    cell->text = (hd_slice){start, (size_t)(c->p - start)};
    return true;
}

static bool scan_value(cursor *c, hd_cell *cell) {
    skip_space(c);
    const char *start = c->p;
    char sign = c->p < c->end ? *c->p : 0;
    bool ok;
    if (sign == '"') {
        cell->type = HD_CELL_TEXT;
        ok = scan_string(c, &cell->text);
    } else if (sign == '{' || sign == '[') {
        ok = scan_nested(c, cell);
    } else if (sign == 't') {
        ok = scan_word(c, "true", HD_CELL_BOOL, cell);
    } else if (sign == 'f') {
        ok = scan_word(c, "false", HD_CELL_BOOL, cell);
    } else if (sign == 'n') {
        ok = scan_word(c, "null", HD_CELL_NULL, cell);
    } else if (sign == '-' || (sign >= '0' && sign <= '9')) {
        cell->type = HD_CELL_NUMBER;
        ok = scan_number(c, &cell->text);
    } else {
        return refuse(c, "this is no JSON value", "不是 JSON 值");
    }
    cell->raw = (hd_slice){start, (size_t)(c->p - start)};
    return ok;
}

// ── The whole ───────────────────────────────────────────────────────────────────────────────────

void hd_json_scan_init(hd_json_scan *s, hd_arena *arena) {
    *s = (hd_json_scan){.arena = arena};
}

void hd_json_scan_clear(hd_json_scan *s) {
    hd_free(s->cells);
    hd_free(s->names);
    *s = (hd_json_scan){0};
}

heed_err hd_json_scan_run(hd_json_scan *s, hd_slice text, bool *ok) {
    cursor c = {.scan = s, .start = text.p, .p = text.p, .end = text.p + text.n, .collect = true};
    s->n = 0;
    s->n_names = 0;
    s->big = false;
    skip_space(&c);
    hd_cell whole = {0};
    char sign = c.p < c.end ? *c.p : 0;
    if (sign != '{' && sign != '[') {
        *ok = refuse(&c, "an object in braces is due", "此处应为大括号括起的对象");
        return HEED_OK;
    }
    *ok = scan_value(&c, &whole);
    if (c.err != HEED_OK) return c.err;
    skip_space(&c);
    if (*ok && c.p < c.end) *ok = refuse(&c, "more follows behind the object", "对象之后还有内容");
    return HEED_OK;
}

bool hd_json_element(hd_json_scan *s, hd_slice array, size_t *at, hd_cell *out, heed_err *err) {
    cursor c = {
        .scan = s, .start = array.p, .p = array.p + (*at ? *at : 1), .end = array.p + array.n};
    *err = HEED_OK;
    skip_space(&c);
    if (c.p < c.end && *c.p == ',') c.p++;
    skip_space(&c);
    if (c.p >= c.end || *c.p == ']') return false;
    *out = (hd_cell){.column = HD_NO_COLUMN};
    s->n_names = 0;
    bool ok = scan_value(&c, out);
    *err = c.err;
    *at = (size_t)(c.p - array.p);
    return ok;
}

void hd_json_copy(hd_slice json, bool big, hd_str *out) {
    if (!big) {
        hd_str_addn(out, json.p, json.n);
        return;
    }
    const char *end = json.p + json.n;
    for (const char *p = json.p; p < end;) {
        const char *start = p;
        if (*p == '"') {
            for (p++; *p != '"'; p++) p += *p == '\\';
            p++;
            hd_str_addn(out, start, (size_t)(p - start));
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            while (p < end && strchr("+-.eE0123456789", *p)) p++;
            hd_slice number = {start, (size_t)(p - start)};
            bool whole = !memchr(start, '.', number.n) && !memchr(start, 'e', number.n) &&
                         !memchr(start, 'E', number.n);
            bool quote = whole && is_big(number);
            hd_str_addf(out, quote ? "\"%.*s\"" : "%.*s", (int)number.n, start);
        } else {
            hd_str_addc(out, *p++);
        }
    }
}
