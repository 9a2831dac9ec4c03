// SPDX-License-Identifier: Apache-2.0
//
// libyaml's events turned into JSON values, with the line of every key. The stack of open
// collections has a fixed depth, so that no input makes it grow; libyaml's document API was
// rejected because it resolves aliases, which is how a small file becomes gigabytes.
//
// Plain scalars are typed by YAML 1.2's core schema (section 10.3.2): null, true and false in three
// spellings, decimal, 0o and 0x integers, floats, .inf and .nan (refused: JSON has neither).
// Quoted scalars are strings.
//
// libyaml allocates by itself, outside base/mem.h; it reads at most what hd_yaml_parse is given,
// and all of it is freed when that returns.
#include "base/yaml.h"

#include <yaml.h>

#include "base/json.h"
#include "base/mem.h"

enum { YAML_DEPTH = 64 };

typedef struct frame {
    json_t *value;   // borrowed: the root holds it
    size_t path_len; // of the path to it
    bool is_map;
    char *key; // of the value to come; NULL: a key comes next
    size_t key_line;
} frame;

typedef struct reader {
    yaml_parser_t parser;
    const char *name;
    hd_yaml *out;
    frame stack[YAML_DEPTH];
    size_t depth;
    hd_str path; // to the value at hand
} reader;

static heed_err parser_fail(const reader *r) {
    if (r->parser.error == YAML_MEMORY_ERROR) return HD_FAIL_MEMORY(0);
    size_t line = r->parser.problem_mark.line + 1;
    const char *problem = r->parser.problem ? r->parser.problem : "unreadable";
    return HD_FAIL(
        HEED_INPUT, "%s:%zu: not valid YAML (%s): check indentation (no tabs), colons and quotes",
        "%s:%zu：YAML 无效（%s）：请检查缩进（不能用制表符）、冒号和引号", r->name, line, problem);
}

// ── Scalars ──

static bool is_one_of(hd_slice s, const char *const *words) {
    for (; *words; words++) {
        if (hd_slice_eq(s, *words)) return true;
    }
    return false;
}

// 0o17, 0x1F
static bool based_integer(hd_slice s, int64_t *out) {
    if (s.n < 3 || s.p[0] != '0' || (s.p[1] != 'o' && s.p[1] != 'x')) return false;
    uint64_t base = s.p[1] == 'o' ? 8 : 16, value = 0;
    for (size_t i = 2; i < s.n; i++) {
        char c = s.p[i];
        uint64_t digit = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A') + 10
                                                : 99;
        if (digit >= base || value > (uint64_t)INT64_MAX / base) return false;
        value = value * base + digit;
    }
    if (value > INT64_MAX) return false;
    *out = (int64_t)value;
    return true;
}

// Whether it has the form [-+]?[0-9]+ , whatever its size.
static bool integer_form(hd_slice s) {
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    if (i == s.n) return false;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    }
    return true;
}

static heed_err plain_scalar(hd_slice s, json_t **out) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const nonfinite[] = {".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf",
                                            "-.INF", "+.inf", "+.Inf", "+.INF", ".nan",
                                            ".NaN",  ".NAN",  NULL};
    int64_t integer;
    double real;
    if (is_one_of(s, nonfinite)) {
        return HD_FAIL(HEED_INPUT, "'%.*s' is not a finite number: write a number",
                       "“%.*s”不是有限数：请写一个数字", (int)s.n, s.p);
    }
    if (is_one_of(s, nulls))
        *out = json_null();
    else if (is_one_of(s, trues))
        *out = json_true();
    else if (is_one_of(s, falses))
        *out = json_false();
    else if (hd_slice_i64(s, &integer) || based_integer(s, &integer))
        *out = json_integer(integer);
    else if (integer_form(s))
        *out = json_stringn(s.p, s.n); // too large: digits kept as they are
    else if (hd_slice_f64(s, &real))
        *out = json_real(real);
    else
        *out = json_stringn(s.p, s.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(s.n);
}

static heed_err scalar(const yaml_event_t *event, json_t **out) {
    hd_slice s = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(s.p, 0, s.n)) {
        return HD_FAIL(HEED_INPUT, "a text holds a NUL character: remove it",
                       "文本中含有空字符：请删除");
    }
    if (event->data.scalar.tag && strcmp((const char *)event->data.scalar.tag, "!") != 0) {
        return HD_FAIL(HEED_INPUT, "tag '%s' is not understood: remove it",
                       "无法识别标签“%s”：请删除", (const char *)event->data.scalar.tag);
    }
    if (event->data.scalar.plain_implicit) return plain_scalar(s, out);
    *out = json_stringn(s.p, s.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(s.n);
}

// ── Placing values ──

// The path of the value to come within the innermost collection; remembers its line (its key's, if
// it has one).
static heed_err path_enter(reader *r, size_t line) {
    const frame *top = &r->stack[r->depth - 1];
    r->path.len = top->path_len;
    if (r->path.data) r->path.data[r->path.len] = '\0';
    if (r->path.len > 0) hd_str_addc(&r->path, '.');
    if (top->is_map)
        hd_str_add(&r->path, top->key);
    else
        hd_str_addf(&r->path, "%zu", json_array_size(top->value));
    HD_TRY(hd_str_check(&r->path));
    if (top->is_map) line = top->key_line;
    return hd_map_put(&r->out->lines, hd_str_get(&r->path), r->path.len, line);
}

// Puts a value into the innermost collection. Takes the reference, also when it fails.
static heed_err place(reader *r, json_t *value) {
    frame *top = &r->stack[r->depth - 1];
    if (!top->is_map) return hd_json_append(top->value, value);
    heed_err err = hd_json_set(top->value, top->key, value);
    hd_free(top->key);
    top->key = NULL;
    return err;
}

static heed_err take_key(reader *r, const yaml_event_t *event) {
    frame *top = &r->stack[r->depth - 1];
    if (event->type != YAML_SCALAR_EVENT) {
        return HD_FAIL(HEED_INPUT, "a key must be a text, not a list or mapping",
                       "键必须是文本，不能是列表或映射");
    }
    const char *text = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    if (memchr(text, 0, n)) {
        return HD_FAIL(HEED_INPUT, "a key holds a NUL character: remove it",
                       "键中含有空字符：请删除");
    }
    if (json_object_get(top->value, text)) {
        return HD_FAIL(HEED_INPUT, "key '%s' stands twice: remove one of them",
                       "键“%s”重复：请删除其中一个", text);
    }
    top->key_line = event->start_mark.line + 1;
    top->key = hd_strndup(text, n);
    return top->key ? HEED_OK : HD_FAIL_MEMORY(n);
}

static heed_err open_collection(reader *r, bool is_map) {
    if (r->depth == YAML_DEPTH) {
        return HD_FAIL(HEED_INPUT, "nested more than %d deep: flatten the document",
                       "嵌套超过 %d 层：请把文档改得扁平一些", YAML_DEPTH);
    }
    json_t *value = is_map ? json_object() : json_array();
    if (!value) return HD_FAIL_MEMORY(0);
    if (r->depth == 0) {
        json_decref(r->out->root);
        r->out->root = value;
    } else {
        HD_TRY(place(r, value));
    }
    r->stack[r->depth++] = (frame){.value = value, .path_len = r->path.len, .is_map = is_map};
    return HEED_OK;
}

static const char *event_anchor(const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL;
    if (event->type == YAML_SCALAR_EVENT) anchor = event->data.scalar.anchor;
    if (event->type == YAML_MAPPING_START_EVENT) anchor = event->data.mapping_start.anchor;
    if (event->type == YAML_SEQUENCE_START_EVENT) anchor = event->data.sequence_start.anchor;
    if (event->type == YAML_ALIAS_EVENT) anchor = event->data.alias.anchor;
    return (const char *)anchor;
}

// An event that begins a value (or a key).
static heed_err take_node(reader *r, const yaml_event_t *event) {
    if (event_anchor(event)) {
        return HD_FAIL(HEED_INPUT,
                       "anchors and aliases are not allowed ('%s'): write the value out",
                       "不允许使用锚点和别名（“%s”）：请直接写出内容", event_anchor(event));
    }
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    if (r->depth == 0) {
        // An empty document has one scalar, empty and plain.
        if (event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0) return HEED_OK;
        if (!is_map) {
            return HD_FAIL(HEED_INPUT, "the document must be a mapping: lines of 'key: value'",
                           "文档必须是映射：每行形如“key: value”");
        }
        return open_collection(r, true);
    }
    const frame *top = &r->stack[r->depth - 1];
    if (top->is_map && !top->key) return take_key(r, event);
    HD_TRY(path_enter(r, event->start_mark.line + 1));
    if (event->type != YAML_SCALAR_EVENT) return open_collection(r, is_map);
    json_t *value = NULL;
    HD_TRY(scalar(event, &value));
    return place(r, value);
}

static heed_err take_event(reader *r, const yaml_event_t *event, size_t *documents) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++*documents > 1) {
            return HD_FAIL(HEED_INPUT, "only one document is allowed: remove what follows '---'",
                           "只允许一个文档：请删除“---”之后的内容");
        }
        return HEED_OK;
    case YAML_SCALAR_EVENT:
    case YAML_ALIAS_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return take_node(r, event);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        return HEED_OK;
    default:
        return HEED_OK;
    }
}

static heed_err read_events(reader *r) {
    size_t documents = 0;
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) return parser_fail(r);
        end = event.type == YAML_STREAM_END_EVENT;
        heed_err err = take_event(r, &event, &documents);
        size_t line = event.start_mark.line + 1;
        yaml_event_delete(&event);
        if (err == HEED_INPUT) return hd_error_prefix(err, "%s:%zu", "%s:%zu", r->name, line);
        HD_TRY(err);
    }
    return HEED_OK;
}

heed_err hd_yaml_parse(const char *text, size_t n, const char *name, hd_yaml *out) {
    *out = (hd_yaml){.root = json_object()};
    hd_map_init(&out->lines);
    if (!out->root) return HD_FAIL_MEMORY(0);
    reader r = {.name = name, .out = out};
    hd_str_init(&r.path);
    heed_err err = HEED_OK;
    if (!yaml_parser_initialize(&r.parser)) {
        err = HD_FAIL_MEMORY(0);
    } else {
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
        err = read_events(&r);
    }
    yaml_parser_delete(&r.parser);
    for (size_t i = 0; i < YAML_DEPTH; i++) hd_free(r.stack[i].key);
    hd_str_clear(&r.path);
    if (err != HEED_OK) hd_yaml_clear(out);
    return err;
}

void hd_yaml_clear(hd_yaml *yaml) {
    json_decref(yaml->root);
    yaml->root = NULL;
    hd_map_clear(&yaml->lines);
}

size_t hd_yaml_line(const hd_yaml *yaml, const char *path) {
    uint64_t line = 0;
    return hd_map_get(&yaml->lines, path, strlen(path), &line) ? (size_t)line : 0;
}
