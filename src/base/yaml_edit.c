// SPDX-License-Identifier: Apache-2.0
//
// By lines, then checked by the parser. A line that begins a mapping's entry is known by its form
// (blanks, a plain or quoted key, a colon); its path follows from the indentation of those above.
// The one line is changed, with the deeper ones below it if its value is a block; or one line is
// added.
//
// Lines can deceive: a key may stand in a flow mapping, a line within a quoted text may look like
// an entry. So before and after are parsed, and all but the one value must be equal; if not, the
// edit is refused. What the editor doesn't understand it therefore leaves alone, and never damages.
//
// Rejected: writing the parsed document anew (libyaml keeps no comments).
#include "base/yaml_edit.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

enum { DEPTH = 64 };

typedef struct line {
    size_t start, end; // bytes, without the line break
    size_t next;       // start of the line after
    size_t indent;
    hd_slice key; // p NULL: not an entry
    size_t value; // where the value begins, behind the colon
} line;

typedef struct editor {
    const char *text;
    size_t n;
    const char *key;
    // Of the entry that is sought:
    bool found;
    line at;
    size_t below; // end of the deeper lines that belong to it
    // Of the deepest block that its first words name:
    bool has_block;
    line block;
    size_t block_words; // bytes of `key` that the block's path takes, with the dot
    size_t block_end;
    size_t block_indent; // of its first entry; 0: it has none
} editor;

// ── Lines ──

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

// The key of a plain entry: "key:" followed by a blank or the end.
static void read_key(const char *text, line *l) {
    size_t at = l->start + l->indent;
    char quote = at < l->end && (text[at] == '"' || text[at] == '\'') ? text[at] : 0;
    size_t from = quote ? at + 1 : at;
    size_t to = from;
    while (to < l->end && (quote ? text[to] != quote : text[to] != ':' && text[to] != '#')) to++;
    size_t colon = quote ? to + 1 : to;
    if (colon >= l->end || text[colon] != ':' || to == from) return;
    if (colon + 1 < l->end && !is_blank(text[colon + 1])) return;
    if (!quote && strchr("-?[]{},&*!|>%@`", text[from])) return;
    l->key = hd_slice_trim((hd_slice){text + from, to - from});
    l->value = colon + 1;
}

static line read_line(const char *text, size_t n, size_t start) {
    line l = {.start = start};
    const char *end = memchr(text + start, '\n', n - start);
    l.end = end ? (size_t)(end - text) : n;
    l.next = end ? l.end + 1 : n;
    if (l.end > start && text[l.end - 1] == '\r') l.end--;
    while (start + l.indent < l.end && text[start + l.indent] == ' ') l.indent++;
    read_key(text, &l);
    return l;
}

// Nothing but blanks or a comment.
static bool is_empty(const char *text, const line *l) {
    size_t at = l->start;
    while (at < l->end && is_blank(text[at])) at++;
    return at == l->end || text[at] == '#';
}

// ── Where it stands ──

typedef struct level {
    size_t indent;
    size_t path; // bytes of the path up to and with this key
} level;

typedef struct walk {
    level stack[DEPTH];
    size_t depth;
    hd_str path;
} walk;

static bool enter(walk *w, const line *l) {
    while (w->depth > 0 && w->stack[w->depth - 1].indent >= l->indent) w->depth--;
    if (w->depth == DEPTH) return false;
    w->path.len = w->depth > 0 ? w->stack[w->depth - 1].path : 0;
    if (w->path.data) w->path.data[w->path.len] = '\0';
    if (w->depth > 0) hd_str_addc(&w->path, '.');
    hd_str_addn(&w->path, l->key.p, l->key.n);
    w->stack[w->depth++] = (level){l->indent, w->path.len};
    return !w->path.failed;
}

static bool value_is_empty(const char *text, const line *l) {
    size_t at = l->value;
    while (at < l->end && is_blank(text[at])) at++;
    return at == l->end || text[at] == '#';
}

static void look_at(editor *e, const walk *w, const line *l) {
    size_t n = w->path.len;
    const char *path = hd_str_get(&w->path);
    if (strcmp(path, e->key) == 0) {
        e->found = true;
        e->at = *l;
        e->below = l->next;
        return;
    }
    if (strncmp(path, e->key, n) != 0 || e->key[n] != '.' || !value_is_empty(e->text, l)) return;
    if (e->has_block && e->block_words > n) return;
    e->has_block = true;
    e->block = *l;
    e->block_words = n + 1;
    e->block_end = l->next;
    e->block_indent = 0;
}

// Deeper lines go with what is above them; comments and blank lines only if a deeper one follows.
static heed_err find(editor *e) {
    walk w = {.depth = 0};
    bool in_found = false;
    bool in_block = false;
    hd_str_init(&w.path);
    for (size_t at = 0; at < e->n;) {
        line l = read_line(e->text, e->n, at);
        at = l.next;
        if (is_empty(e->text, &l)) continue;
        in_found = in_found && l.indent > e->at.indent;
        in_block = in_block && l.indent > e->block.indent;
        if (in_found) e->below = l.next;
        if (in_block) {
            if (e->block_indent == 0) e->block_indent = l.indent;
            e->block_end = l.next;
        }
        if (!l.key.p || !enter(&w, &l)) continue;
        bool had = e->found;
        size_t words = e->has_block ? e->block_words : 0;
        if (!had) look_at(e, &w, &l);
        in_found |= !had && e->found;
        in_block |= e->has_block && e->block_words != words;
    }
    heed_err err = hd_str_check(&w.path);
    hd_str_clear(&w.path);
    return err;
}

// ── The change ──

// Behind the closing quote; a quote within is doubled, or behind a backslash.
static size_t quoted_end(const char *text, size_t at, size_t end) {
    char quote = text[at++];
    for (; at < end; at++) {
        if (text[at] == '\\' && quote == '"') {
            at++;
        } else if (text[at] == quote) {
            if (quote == '"' || at + 1 >= end || text[at + 1] != quote) return at + 1;
            at++;
        }
    }
    return end;
}

// Where the value on the line ends: before blanks and a comment. A '#' within quotes is none.
static size_t value_end(const char *text, const line *l) {
    size_t at = l->value;
    while (at < l->end && is_blank(text[at])) at++;
    if (at < l->end && (text[at] == '"' || text[at] == '\'')) return quoted_end(text, at, l->end);
    size_t end = l->value;
    for (; at < l->end; at++) {
        if (text[at] == '#' && is_blank(text[at - 1])) break;
        if (!is_blank(text[at])) end = at + 1;
    }
    return end;
}

static void add_break(const editor *e, size_t at, hd_str *out) {
    if (at > 0 && e->text[at - 1] != '\n') hd_str_addc(out, '\n');
}

static void replace(const editor *e, const char *scalar, hd_str *out) {
    size_t end = value_end(e->text, &e->at);
    hd_str_addn(out, e->text, e->at.value);
    hd_str_addf(out, " %s", scalar);
    hd_str_addn(out, e->text + end, e->at.next - end);
    hd_str_addn(out, e->text + e->below, e->n - e->below);
}

static void take_out(const editor *e, hd_str *out) {
    hd_str_addn(out, e->text, e->at.start);
    hd_str_addn(out, e->text + e->below, e->n - e->below);
}

static void add_new(const editor *e, const char *scalar, hd_str *out) {
    if (e->has_block) {
        size_t indent = e->block_indent ? e->block_indent : e->block.indent + 2;
        hd_str_addn(out, e->text, e->block_end);
        add_break(e, e->block_end, out);
        hd_str_addf(out, "%*s%s: %s\n", (int)indent, "", e->key + e->block_words, scalar);
        hd_str_addn(out, e->text + e->block_end, e->n - e->block_end);
        return;
    }
    hd_str_addn(out, e->text, e->n);
    add_break(e, e->n, out);
    hd_str_addf(out, "%s: %s\n", e->key, scalar);
}

// ── The check ──

static bool is_at(const char *path, const char *key) {
    size_t n = strlen(key);
    return strncmp(path, key, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

// All values by their dotted paths, but what stands at `key`. An empty mapping is a null: that is
// what a block becomes when its last entry goes.
static heed_err flatten(const json_t *json, const char *path, const char *key, json_t *out) {
    const char *name;
    json_t *value;
    if (*path && is_at(path, key)) return HEED_OK;
    if (!json_is_object(json) || json_object_size(json) == 0) {
        json_t *leaf = json_is_object(json) ? json_null() : json_incref((json_t *)(uintptr_t)json);
        return json_is_null(leaf) ? HEED_OK : hd_json_set(out, path, leaf);
    }
    json_object_foreach((json_t *)(uintptr_t)json, name, value) {
        hd_str full;
        hd_str_init(&full);
        hd_str_addf(&full, "%s%s%s", path, *path ? "." : "", name);
        heed_err err = hd_str_check(&full);
        if (err == HEED_OK) err = flatten(value, hd_str_get(&full), key, out);
        hd_str_clear(&full);
        HD_TRY(err);
    }
    return HEED_OK;
}

// What is at `key`: the values themselves, for a comparison.
static heed_err rest_of(const char *text, size_t n, const char *name, const char *key, json_t **out,
                        bool *has) {
    hd_yaml yaml;
    HD_TRY(hd_yaml_parse(text, n, name, &yaml));
    json_t *flat = json_object();
    heed_err err = flat ? flatten(yaml.root, "", key, flat) : HD_FAIL_MEMORY(0);
    *has = hd_yaml_line(&yaml, key) > 0;
    hd_yaml_clear(&yaml);
    if (err == HEED_OK)
        *out = flat;
    else
        json_decref(flat);
    return err;
}

static heed_err fail_form(const char *name, const char *key) {
    return HD_FAIL(HEED_INPUT,
                   "'%s' stands in '%s' in a form that can't be changed by itself: edit "
                   "the file by hand",
                   "“%s”在“%s”中的写法无法自动修改：请手动编辑该文件", key, name);
}

static heed_err check(const editor *e, const char *name, const char *scalar, const hd_str *after) {
    json_t *old = NULL;
    json_t *now = NULL;
    bool had = false;
    bool has = false;
    HD_TRY(rest_of(e->text, e->n, name, e->key, &old, &had));
    heed_err err = rest_of(hd_str_get(after), after->len, name, e->key, &now, &has);
    if (err == HEED_INPUT) err = fail_form(name, e->key);
    // had, but not found by its line: it would stand twice
    bool twice = scalar && had && !e->found;
    if (err == HEED_OK && (twice || !json_equal(old, now) || has != (scalar != NULL)))
        err = fail_form(name, e->key);
    json_decref(old);
    json_decref(now);
    return err;
}

heed_err hd_yaml_edit(const char *text, size_t n, const char *name, const char *key,
                      const char *scalar, hd_str *out) {
    editor e = {.text = text, .n = n, .key = key};
    hd_str after;
    hd_str_init(&after);
    heed_err err = find(&e);
    if (err == HEED_OK) {
        if (!scalar && !e.found)
            hd_str_addn(&after, text, n);
        else if (!scalar)
            take_out(&e, &after);
        else if (e.found)
            replace(&e, scalar, &after);
        else
            add_new(&e, scalar, &after);
        err = hd_str_check(&after);
    }
    if (err == HEED_OK) err = check(&e, name, scalar, &after);
    if (err == HEED_OK) {
        hd_str_addn(out, hd_str_get(&after), after.len);
        err = hd_str_check(out);
    }
    hd_str_clear(&after);
    return err;
}
