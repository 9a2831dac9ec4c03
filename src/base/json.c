// SPDX-License-Identifier: Apache-2.0
//
// JSON on jansson: its parser and its values, with our messages and our own writer.
//
// The writer is ours because jansson's prints doubles with a fixed precision of 17 digits ("0.1"
// becomes 0.10000000000000001) or of fewer that don't read back. Here a double gets the fewest of
// 15, 16, 17 significant digits that read back the same: 17 always do, 15 never change a decimal
// that was written with 15 or fewer (IEEE 754-2019, 5.12.2).
//
// jansson limits depth at 2,048 when it parses; a document deeper than 64 is refused by a scan over
// the text first, so that nothing deep is ever built and recursion over values stays shallow.
#include "base/json.h"

#include <math.h>

#include "base/mem.h"
#include "base/unicode.h"

enum { JSON_DEPTH = 64 };

// Line and column (1-based, in bytes) of an offset in the text.
static void json_place(const char *text, size_t n, size_t at, size_t *line, size_t *column) {
    *line = 1;
    size_t start = 0;
    for (size_t i = 0; i < n && i < at; i++) {
        if (text[i] == '\n') {
            (*line)++;
            start = i + 1;
        }
    }
    *column = at - start + 1;
}

// Refuses nesting over JSON_DEPTH. Whether the text is JSON at all, jansson says.
static heed_err json_check_depth(const char *text, size_t n, const char *name) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH) {
                size_t line, column;
                json_place(text, n, i, &line, &column);
                return HD_FAIL(HEED_INPUT,
                               "%s:%zu:%zu: JSON nested more than %d deep: flatten the document",
                               "%s:%zu:%zu：JSON 嵌套超过 %d 层：请把文档改得扁平一些", name, line,
                               column, JSON_DEPTH);
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return HEED_OK;
}

typedef struct json_problem {
    enum json_error_code code;
    hd_text text;
} json_problem;

// What jansson's codes mean, in words that tell what to mend. Others fall through to its own text.
static const json_problem json_problems[] = {
    {json_error_premature_end_of_input,
     HD_TEXT("the text ends too early: a quote or bracket is open",
             "文本提前结束：有引号或括号没有闭合")},
    {json_error_end_of_input_expected,
     HD_TEXT("something stands after the document's end", "文档结尾之后还有多余内容")},
    {json_error_duplicate_key, HD_TEXT("a key stands twice in one object", "同一对象中有重复的键")},
    {json_error_invalid_utf8,
     HD_TEXT("not valid UTF-8: convert the file", "不是有效的 UTF-8：请转换文件编码")},
    {json_error_null_character,
     HD_TEXT("a string holds a NUL character (\\u0000)", "字符串中含有空字符（\\u0000）")},
    {json_error_null_byte_in_key,
     HD_TEXT("a key holds a NUL character (\\u0000)", "键中含有空字符（\\u0000）")},
    {json_error_numeric_overflow, HD_TEXT("a number is too large", "数字过大")},
};

static heed_err json_fail(const json_error_t *error, const char *name) {
    int line = error->line > 0 ? error->line : 1, column = error->column > 0 ? error->column : 1;
    for (size_t i = 0; i < sizeof json_problems / sizeof json_problems[0]; i++) {
        if (json_problems[i].code == json_error_code(error)) {
            return HD_FAIL(HEED_INPUT, "%s:%d:%d: bad JSON: %s%.0s", "%s:%d:%d：JSON 有误：%.0s%s",
                           name, line, column, json_problems[i].text.en, json_problems[i].text.zh);
        }
    }
    return HD_FAIL(HEED_INPUT, "%s:%d:%d: bad JSON: %s", "%s:%d:%d：JSON 有误：%s", name, line,
                   column, error->text);
}

heed_err hd_json_parse(const char *text, size_t n, const char *name, json_t **out) {
    *out = NULL;
    HD_TRY(json_check_depth(text, n, name));
    json_error_t error = {0};
    uint64_t failures = hd_mem_failures();
    // jansson 2.14 ignores a failure of its token buffer: an escape cut in two then meets an
    // assert, a lost quote lets it read past the end.
    bool before = hd_mem_overdraft(true);
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    hd_mem_overdraft(before);
    // Where memory ran out jansson says nothing, or "invalid token".
    if (hd_mem_failures() != failures || (!json && error.text[0] == '\0')) {
        json_decref(json);
        return HD_FAIL_MEMORY(n);
    }
    if (!json) return json_fail(&error, name);
    *out = json;
    return HEED_OK;
}

enum { POWERS = 23 };
static const double powers[POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// The power of ten that a begins with: 2 for 123, -3 for 0.00123.
static int leading_power(double a) {
    int up = 0, down = 0;
    while (up < POWERS - 1 && a >= powers[up + 1]) up++;
    while (down < POWERS - 1 && a * powers[down] < 1) down++;
    return up - down;
}

// a as a whole number of `digits` digits over a power of ten; false: out of reach.
static bool as_decimal(double a, int digits, int64_t *whole, int *power) {
    *power = digits - 1 - leading_power(a);
    if (*power < 0 || *power >= POWERS) return false;
    *whole = (int64_t)(a * powers[*power] + 0.5);
    return true;
}

// What "%.15g" would print, where it prints no exponent and reads back the same.
static bool write_short(double value, char buf[32]) {
    double a = fabs(value);
    int64_t whole;
    int power;
    if (!(a >= 1e-4 && a < 1e15) || !as_decimal(a, 15, &whole, &power)) return false;
    if ((double)whole / powers[power] != a) return false;
    while (power > 0 && whole % 10 == 0) {
        whole /= 10;
        power--;
    }
    char digits[32];
    int n = 0, at = 0;
    for (; n <= power || whole > 0; whole /= 10) digits[n++] = (char)('0' + whole % 10);
    if (value < 0) buf[at++] = '-';
    while (n > power) buf[at++] = digits[--n];
    buf[at++] = '.';
    if (n == 0) buf[at++] = '0'; // a real stays a real when it is read again
    while (n > 0) buf[at++] = digits[--n];
    buf[at] = '\0';
    return true;
}

void hd_json_number(double value, char buf[32]) {
    if (!isfinite(value)) {
        memcpy(buf, "null", 5);
        return;
    }
    if (write_short(value, buf)) return;
    for (int digits = 15; digits <= 17; digits++) {
        hd_snprintf(buf, 32, "%.*g", digits, value);
        double back;
        if (hd_slice_f64(hd_slice_of(buf), &back) && back == value) break;
    }
    if (!strpbrk(buf, ".e")) {
        // A real stays a real when it is read again.
        size_t n = strlen(buf);
        memcpy(buf + n, ".0", 3);
    }
}

double hd_json_decimal(float value) {
    double a = fabs((double)value);
    for (int digits = 6; a > 0 && digits <= 9; digits++) {
        int64_t whole;
        int power;
        if (!as_decimal(a, digits, &whole, &power)) break;
        double decimal = (double)whole / powers[power];
        if ((float)decimal == fabsf(value)) return value < 0 ? -decimal : decimal;
    }
    return (double)value;
}

static void json_quote_escape(hd_str *out, unsigned char c) {
    switch (c) {
    case '"':
        hd_str_addn(out, "\\\"", 2);
        break;
    case '\\':
        hd_str_addn(out, "\\\\", 2);
        break;
    case '\n':
        hd_str_addn(out, "\\n", 2);
        break;
    case '\r':
        hd_str_addn(out, "\\r", 2);
        break;
    case '\t':
        hd_str_addn(out, "\\t", 2);
        break;
    default:
        hd_str_addf(out, "\\u%04x", c);
        break;
    }
}

void hd_json_quote(hd_str *out, const char *text, size_t n) {
    hd_str_addc(out, '"');
    size_t from = 0; // what stands in from .. i goes out as it is
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        uint32_t codepoint = c;
        size_t len = c < 0x80 ? 1 : hd_utf8_next(text + i, n - i, &codepoint);
        if (c < 0x80 || (len == 1 && codepoint == 0xFFFD)) {
            hd_str_addn(out, text + from, i - from);
            if (c < 0x80)
                json_quote_escape(out, c);
            else
                hd_str_add(out, "\xEF\xBF\xBD");
            from = i + len;
        }
        i += len;
    }
    hd_str_addn(out, text + from, n - from);
    hd_str_addc(out, '"');
}

static void json_indent(hd_str *out, bool pretty, size_t depth) {
    if (!pretty) return;
    hd_str_addc(out, '\n');
    for (size_t i = 0; i < depth; i++) hd_str_addn(out, "  ", 2);
}

static void json_write(const json_t *json, bool pretty, size_t depth, hd_str *out);

static void json_write_object(const json_t *json, bool pretty, size_t depth, hd_str *out) {
    // jansson's iterators ask for a value they could change; nothing is changed here.
    json_t *object = json_incref((json_t *)(uintptr_t)json);
    const char *key;
    json_t *value;
    bool first = true;
    hd_str_addc(out, '{');
    json_object_foreach(object, key, value) {
        if (!first) hd_str_addc(out, ',');
        first = false;
        json_indent(out, pretty, depth + 1);
        hd_json_quote(out, key, strlen(key));
        hd_str_add(out, pretty ? ": " : ":");
        json_write(value, pretty, depth + 1, out);
    }
    if (!first) json_indent(out, pretty, depth);
    hd_str_addc(out, '}');
    json_decref(object);
}

static void json_write_array(const json_t *json, bool pretty, size_t depth, hd_str *out) {
    size_t n = json_array_size(json);
    hd_str_addc(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) hd_str_addc(out, ',');
        json_indent(out, pretty, depth + 1);
        json_write(json_array_get(json, i), pretty, depth + 1, out);
    }
    if (n > 0) json_indent(out, pretty, depth);
    hd_str_addc(out, ']');
}

static void json_write(const json_t *json, bool pretty, size_t depth, hd_str *out) {
    char number[32];
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        json_write_object(json, pretty, depth, out);
        break;
    case JSON_ARRAY:
        json_write_array(json, pretty, depth, out);
        break;
    case JSON_STRING:
        hd_json_quote(out, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        hd_str_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        break;
    case JSON_REAL:
        hd_json_number(json_real_value(json), number);
        hd_str_add(out, number);
        break;
    case JSON_TRUE:
        hd_str_add(out, "true");
        break;
    case JSON_FALSE:
        hd_str_add(out, "false");
        break;
    case JSON_NULL:
        hd_str_add(out, "null");
        break;
    }
}

heed_err hd_json_dump(const json_t *json, bool pretty, hd_str *out) {
    json_write(json, pretty, 0, out);
    return hd_str_check(out);
}

heed_err hd_json_pack(json_t **out, const char *format, ...) {
    json_error_t error = {0};
    va_list args;
    uint64_t failures = hd_mem_failures();
    va_start(args, format);
    *out = json_vpack_ex(&error, 0, format, args);
    va_end(args);
    if (*out) return HEED_OK;
    if (hd_mem_failures() != failures) return HD_FAIL_MEMORY(0); // whatever jansson makes of it
    switch (json_error_code(&error)) {
    case json_error_invalid_utf8:
        return HD_FAIL(HEED_INPUT, "a text is not valid UTF-8", "文本不是有效的 UTF-8");
    case json_error_invalid_format:
    case json_error_null_value:
        return HD_FAIL(HEED_INTERNAL, "bad JSON format '%s': %s", "JSON 格式串“%s”有误：%s", format,
                       error.text);
    default:
        return HD_FAIL_MEMORY(0);
    }
}

heed_err hd_json_set(json_t *object, const char *key, json_t *value) {
    if (!value || json_object_set_new(object, key, value) != 0) return HD_FAIL_MEMORY(0);
    return HEED_OK;
}

heed_err hd_json_append(json_t *array, json_t *value) {
    if (!value || json_array_append_new(array, value) != 0) return HD_FAIL_MEMORY(0);
    return HEED_OK;
}

json_t *hd_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}
