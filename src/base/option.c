// SPDX-License-Identifier: Apache-2.0
//
// Options are read by table into plain structs, so that a kind's code sees typed fields and no
// JSON. Numbers are checked against the row's bounds, words against its list, and a name that isn't
// known is met with the nearest one that is.
//
// A piece of YAML is parsed as the value of one key: the key goes in front, the text is indented
// under it, and lines are counted without it. Rejected: options as C varargs or a struct per kind
// in the public header, which recipes couldn't share.
#include "base/option.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

// ── Specifications ──

static void add_indented(hd_str *out, const char *text) {
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
        hd_str_add(out, "  ");
        hd_str_addn(out, line, n);
        line += n;
    }
}

static void spec_init(hd_spec *out, const char *name) {
    *out = (hd_spec){.root = NULL};
    hd_map_init(&out->lines);
    hd_snprintf(out->name, sizeof out->name, "%s", name);
}

heed_err hd_spec_parse(const char *text, const char *key, const char *name, hd_spec *out) {
    hd_str whole;
    hd_yaml yaml = {.root = NULL};
    spec_init(out, name);
    hd_str_init(&whole);
    hd_str_addf(&whole, "%s:\n", key);
    add_indented(&whole, text);
    heed_err err = hd_str_check(&whole);
    if (err == HEED_OK) {
        err = hd_yaml_parse(whole.data, whole.len, name[0] ? name : key, &yaml);
    }
    hd_str_clear(&whole);
    if (err != HEED_OK) return err;
    out->root = yaml.root;
    hd_map_clear(&out->lines);
    out->lines = yaml.lines;
    out->before = 1;
    return HEED_OK;
}

heed_err hd_spec_parse_json(const char *text, const char *key, const char *name, hd_spec *out) {
    json_t *value;
    spec_init(out, name);
    HD_TRY(hd_json_parse(text, strlen(text), name, &value));
    out->root = json_object();
    if (!out->root) {
        json_decref(value);
        return HD_FAIL_MEMORY(0);
    }
    heed_err err = hd_json_set(out->root, key, value);
    if (err != HEED_OK) hd_spec_clear(out);
    return err;
}

void hd_spec_clear(hd_spec *spec) {
    json_decref(spec->root);
    spec->root = NULL;
    hd_map_clear(&spec->lines);
}

const json_t *hd_spec_get(const hd_spec *spec, const char *key) {
    return json_object_get(spec->root, key);
}

// ── Places ──

hd_where hd_where_of(const hd_spec *spec, const char *path) {
    hd_where where = {.spec = spec};
    hd_snprintf(where.path, sizeof where.path, "%s", path);
    return where;
}

hd_where hd_where_key(const hd_where *where, const char *key) {
    hd_where child = {.spec = where->spec};
    hd_snprintf(child.path, sizeof child.path, "%s%s%s", where->path, where->path[0] ? "." : "",
                key);
    return child;
}

hd_where hd_where_at(const hd_where *where, size_t index) {
    hd_where child = {.spec = where->spec};
    hd_snprintf(child.path, sizeof child.path, "%s.%zu", where->path, index);
    return child;
}

// The line of the nearest path that has one: items of a list don't.
static size_t line_of(const hd_where *where) {
    uint64_t line;
    size_t n = strlen(where->path);
    while (n > 0) {
        if (hd_map_get(&where->spec->lines, where->path, n, &line)) {
            return line > where->spec->before ? (size_t)line - where->spec->before : 0;
        }
        while (n > 0 && where->path[--n] != '.') {
        }
    }
    return 0;
}

// A path, and the line of a place in it. At the root of a file the path says nothing.
static hd_where_words place_at(const hd_where *where, size_t line) {
    hd_where_words place;
    const char *file = where->spec ? where->spec->name : "";
    const char *colon = file[0] && where->path[0] ? ": " : "";
    if (file[0] && line > 0) {
        hd_snprintf(place.text, sizeof place.text, "%s:%zu%s%s", file, line, colon, where->path);
    } else {
        hd_snprintf(place.text, sizeof place.text, "%s%s%s", file, colon, where->path);
    }
    return place;
}

hd_where_words hd_where_text(const hd_where *where) {
    return place_at(where, where->spec ? line_of(where) : 0);
}

// ── Values ──

static heed_err wrong_type(const hd_where *where, const char *en, const char *zh) {
    hd_where_words place = hd_where_text(where);
    return HD_FAIL(HEED_INPUT, "%s: must be %s%.0s", "%s：必须是%.0s%s", place.text, en, zh);
}

static heed_err check_range(const hd_option *row, double value, const hd_where *where) {
    if (row->min == row->max || (value >= row->min && value <= row->max)) return HEED_OK;
    hd_where_words place = hd_where_text(where);
    return HD_FAIL(HEED_INPUT, "%s: %g is out of range: from %g to %g",
                   "%s：%g 超出范围：应在 %g 到 %g 之间", place.text, value, row->min, row->max);
}

static const char *next_word(void *ctx) {
    const char *const **words = ctx;
    return **words ? *(*words)++ : NULL;
}

static heed_err read_word(const hd_option *row, const json_t *value, const hd_where *where,
                          int *out) {
    // "none" and "true" read as themselves; null is how YAML writes nothing.
    const char *text = json_is_null(value)     ? "none"
                       : json_is_string(value) ? json_string_value(value)
                                               : NULL;
    if (!text) return wrong_type(where, "a word", "一个词");
    for (int i = 0; row->words[i]; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *out = i;
            return HEED_OK;
        }
    }
    hd_str list;
    hd_str_init(&list);
    for (int i = 0; row->words[i]; i++) hd_str_addf(&list, "%s%s", i ? ", " : "", row->words[i]);
    const char *const *words = row->words;
    const char *near = hd_nearest(text, next_word, &words);
    hd_where_words place = hd_where_text(where);
    heed_err err =
        HD_FAIL(HEED_INPUT, "%s: '%s' is not one of %s%s%s", "%s：“%s”不在可选值之内：%s%s%s",
                place.text, text, hd_str_get(&list), near ? "; nearest: " : "", near ? near : "");
    hd_str_clear(&list);
    return err;
}

static heed_err read_int(const hd_option *row, const json_t *value, const hd_where *where,
                         int64_t *out) {
    if (!json_is_integer(value)) return wrong_type(where, "a whole number", "整数");
    *out = json_integer_value(value);
    return check_range(row, (double)*out, where);
}

static heed_err read_ints(const hd_option *row, const json_t *value, const hd_where *where,
                          hd_ints *out) {
    enum { MOST = sizeof out->at / sizeof out->at[0] };
    if (!json_is_array(value)) {
        out->n = 1;
        return read_int(row, value, where, &out->at[0]);
    }
    out->n = json_array_size(value);
    if (out->n == 0 || out->n > MOST) {
        return wrong_type(where, "a list of one to six whole numbers", "一至六个整数的列表");
    }
    for (size_t i = 0; i < out->n; i++) {
        hd_where item = hd_where_at(where, i);
        HD_TRY(read_int(row, json_array_get(value, i), &item, &out->at[i]));
    }
    return HEED_OK;
}

static heed_err read_value(const hd_option *row, const json_t *value, const hd_where *where,
                           void *out) {
    void *field = (char *)out + row->at;
    switch (row->type) {
    case HD_OPTION_INT:
        return read_int(row, value, where, field);
    case HD_OPTION_REAL:
        if (!json_is_number(value)) return wrong_type(where, "a number", "数字");
        *(double *)field = json_number_value(value);
        return check_range(row, *(double *)field, where);
    case HD_OPTION_BOOL:
        if (!json_is_boolean(value)) return wrong_type(where, "true or false", " true 或 false");
        *(bool *)field = json_is_true(value);
        return HEED_OK;
    case HD_OPTION_WORD:
        return read_word(row, value, where, field);
    case HD_OPTION_TEXT:
        if (!json_is_string(value)) return wrong_type(where, "a text", "文本");
        *(const char **)field = json_string_value(value);
        return HEED_OK;
    case HD_OPTION_INTS:
        return read_ints(row, value, where, field);
    case HD_OPTION_JSON:
        *(const json_t **)field = value;
        return HEED_OK;
    }
    return HEED_OK;
}

static void set_initial(const hd_option *row, void *out) {
    void *field = (char *)out + row->at;
    switch (row->type) {
    case HD_OPTION_INT:
        *(int64_t *)field = (int64_t)row->initial;
        break;
    case HD_OPTION_REAL:
        *(double *)field = row->initial;
        break;
    case HD_OPTION_BOOL:
        *(bool *)field = row->initial != 0;
        break;
    case HD_OPTION_WORD:
        *(int *)field = (int)row->initial;
        break;
    case HD_OPTION_TEXT:
        *(const char **)field = NULL;
        break;
    case HD_OPTION_INTS:
        *(hd_ints *)field = (hd_ints){row->initial != 0, {(int64_t)row->initial}};
        break;
    case HD_OPTION_JSON:
        *(const json_t **)field = NULL;
        break;
    }
}

int64_t hd_ints_at(const hd_ints *ints, size_t i) {
    return ints->n == 0 ? 0 : ints->at[i < ints->n ? i : ints->n - 1];
}

// ── Tables ──

static const hd_option no_options[] = {{.name = NULL}};

static const hd_option *find_option(const hd_option *rows, const char *name) {
    for (; rows->name; rows++) {
        if (strcmp(rows->name, name) == 0) return rows;
    }
    return NULL;
}

typedef struct option_walk {
    const hd_option *rows, *common;
} option_walk;

static const char *next_option(void *ctx) {
    option_walk *walk = ctx;
    if (walk->rows->name) return walk->rows++->name;
    return walk->common->name ? walk->common++->name : NULL;
}

static heed_err unknown_option(const hd_option *rows, const hd_option *common, const char *name,
                               const hd_where *where) {
    option_walk walk = {rows, common};
    const char *near = hd_nearest(name, next_option, &walk);
    hd_where child = hd_where_key(where, name);
    hd_where_words place = place_at(where, where->spec ? line_of(&child) : 0);
    if (near) {
        return HD_FAIL(HEED_INPUT, "%s: there is no option '%s'; did you mean '%s'?",
                       "%s：没有选项“%s”；是不是“%s”？", place.text, name, near);
    }
    hd_str list;
    hd_str_init(&list);
    walk = (option_walk){rows, common};
    for (const char *option; (option = next_option(&walk));) {
        hd_str_addf(&list, "%s%s", list.len ? ", " : "", option);
    }
    heed_err err = HD_FAIL(HEED_INPUT, "%s: there is no option '%s'; there are: %s",
                           "%s：没有选项“%s”；可用的有：%s", place.text, name, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

static heed_err check_required(const hd_option *rows, const json_t *object, const hd_where *where) {
    for (; rows->name; rows++) {
        if (!rows->required || json_object_get(object, rows->name)) continue;
        hd_where_words place = hd_where_text(where);
        return HD_FAIL(HEED_INPUT, "%s: option '%s' is missing", "%s：缺少选项“%s”", place.text,
                       rows->name);
    }
    return HEED_OK;
}

static heed_err read_object(const hd_option *rows, const hd_option *common, const json_t *object,
                            const hd_where *where, void *out, void *common_out) {
    const char *name;
    json_t *value;
    void *iter = json_object_iter((json_t *)(uintptr_t)object);
    for (; iter; iter = json_object_iter_next((json_t *)(uintptr_t)object, iter)) {
        name = json_object_iter_key(iter);
        value = json_object_iter_value(iter);
        hd_where place = hd_where_key(where, name);
        const hd_option *row = find_option(rows, name);
        if (row) {
            HD_TRY(read_value(row, value, &place, out));
        } else if ((row = find_option(common, name))) {
            HD_TRY(read_value(row, value, &place, common_out));
        } else {
            return unknown_option(rows, common, name, where);
        }
    }
    return check_required(rows, object, where);
}

static heed_err read_both(const hd_option *rows, const hd_option *common, const json_t *value,
                          const hd_where *where, void *out, void *common_out) {
    for (const hd_option *row = rows; row->name; row++) set_initial(row, out);
    for (const hd_option *row = common; row->name; row++) set_initial(row, common_out);
    if (json_is_object(value)) return read_object(rows, common, value, where, out, common_out);
    if (!value || json_is_null(value)) return check_required(rows, NULL, where);
    if (!rows->name) {
        hd_where_words place = hd_where_text(where);
        return HD_FAIL(HEED_INPUT, "%s: takes no options", "%s：不接受选项", place.text);
    }
    HD_TRY(read_value(rows, value, where, out));
    for (const hd_option *row = rows + 1; row->name; row++) {
        if (row->required) return check_required(row, NULL, where);
    }
    return HEED_OK;
}

heed_err hd_options_read(const hd_option *rows, const json_t *value, const hd_where *where,
                         void *out) {
    return read_both(rows ? rows : no_options, no_options, value, where, out, NULL);
}

// ── Kinds ──

const hd_spec_kind *hd_spec_find(const hd_spec_kinds *kinds, const char *name) {
    for (size_t i = 0; i < kinds->n; i++) {
        if (strcmp(kinds->rows[i]->name, name) == 0) return kinds->rows[i];
    }
    return NULL;
}

typedef struct kind_walk {
    const hd_spec_kinds *kinds;
    size_t next;
} kind_walk;

static const char *next_kind(void *ctx) {
    kind_walk *walk = ctx;
    return walk->next < walk->kinds->n ? walk->kinds->rows[walk->next++]->name : NULL;
}

static heed_err unknown_kind(const hd_spec_kinds *kinds, const char *name, const hd_where *where) {
    kind_walk walk = {kinds, 0};
    const char *near = hd_nearest(name, next_kind, &walk);
    hd_where_words place = hd_where_text(where);
    if (near) {
        return HD_FAIL(HEED_INPUT, "%1$s: there is no %2$s%3$.0s '%4$s'; did you mean '%5$s'?",
                       "%1$s：没有%2$.0s%3$s“%4$s”；是不是“%5$s”？", place.text, kinds->what.en,
                       kinds->what.zh, name, near);
    }
    hd_str list;
    hd_str_init(&list);
    walk.next = 0;
    for (const char *kind; (kind = next_kind(&walk));) {
        hd_str_addf(&list, "%s%s", list.len ? ", " : "", kind);
    }
    heed_err err = HD_FAIL(HEED_INPUT, "%1$s: there is no %2$s%3$.0s '%4$s'; there are: %5$s",
                           "%1$s：没有%2$.0s%3$s“%4$s”；可用的有：%5$s", place.text, kinds->what.en,
                           kinds->what.zh, name, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

heed_err hd_spec_read(const hd_spec_kinds *kinds, const json_t *value, const hd_where *where,
                      hd_arena *arena, hd_choice *out) {
    const char *name = json_string_value(value);
    const json_t *options = NULL;
    if (json_is_object(value) && json_object_size(value) == 1) {
        void *iter = json_object_iter((json_t *)(uintptr_t)value);
        name = json_object_iter_key(iter);
        options = json_object_iter_value(iter);
    }
    if (!name) {
        hd_where_words place = hd_where_text(where);
        return HD_FAIL(HEED_INPUT,
                       "%1$s: a %2$s%3$.0s is written as a name, or as one 'name: options' (indent "
                       "the options deeper than the name)",
                       "%1$s：%2$.0s%3$s应写成一个名称，或一项“名称: 选项”（选项须比名称缩进更深）",
                       place.text, kinds->what.en, kinds->what.zh);
    }
    const hd_spec_kind *kind = hd_spec_find(kinds, name);
    if (!kind) return unknown_kind(kinds, name, where);
    *out = (hd_choice){.kind = kind, .where = hd_where_key(where, name)};
    out->options = hd_arena_calloc(arena, 1, kind->size > 0 ? kind->size : 1);
    out->common = hd_arena_calloc(arena, 1, kinds->common_size > 0 ? kinds->common_size : 1);
    if (!out->options || !out->common) return HD_FAIL_MEMORY(kind->size);
    return read_both(kind->options ? kind->options : no_options,
                     kinds->common ? kinds->common : no_options, options, &out->where, out->options,
                     out->common);
}
