// SPDX-License-Identifier: Apache-2.0
//
// Filters are looked at only for items that would otherwise be served, best first, so an item's
// attributes are parsed from their JSON when asked for and not kept: a table of parsed attributes
// of the whole catalogue would cost more memory than all the time it could save.
#include "recommend/filter.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

// Longest first: "<=" is not "<".
static const struct operator_row {
    const char *text;
    hd_filter_op op;
} operators[] = {
    {"!=", HD_FILTER_NE}, {"<=", HD_FILTER_LE}, {">=", HD_FILTER_GE},
    {"=", HD_FILTER_EQ},  {"<", HD_FILTER_LT},  {">", HD_FILTER_GT},
};
enum { N_OPERATORS = sizeof operators / sizeof *operators };

static const struct operator_row *operator_at(hd_slice text) {
    for (size_t o = 0; o < N_OPERATORS; o++) {
        size_t n = strlen(operators[o].text);
        if (text.n >= n && memcmp(text.p, operators[o].text, n) == 0) return &operators[o];
    }
    return NULL;
}

static bool is_currency(hd_slice s) {
    if (s.n != 3) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 'A' || s.p[i] > 'Z') return false;
    }
    return true;
}

// "100" or, for a price, "100 CNY".
static void read_number(hd_slice value, hd_filter *out) {
    out->number = NAN;
    if (hd_slice_f64(value, &out->number)) return;
    out->number = NAN;
    const char *space = value.n > 4 ? value.p + value.n - 4 : NULL;
    if (!space || *space != ' ' || strcmp(out->field, "price") != 0) return;
    hd_slice unit = {space + 1, 3};
    double number;
    if (!is_currency(unit)) return;
    if (!hd_slice_f64(hd_slice_trim((hd_slice){value.p, value.n - 4}), &number)) return;
    out->number = number;
    memcpy(out->currency, unit.p, 3);
}

static bool is_order(hd_filter_op op) {
    return op != HD_FILTER_EQ && op != HD_FILTER_NE;
}

heed_err hd_filter_parse(hd_slice text, hd_arena *arena, hd_filter *out) {
    *out = (hd_filter){.number = NAN};
    text = hd_slice_trim(text);
    size_t at = 0;
    const struct operator_row *op = NULL;
    for (; at < text.n && !op; at++) op = operator_at((hd_slice){text.p + at, text.n - at});
    hd_slice field = op ? hd_slice_trim((hd_slice){text.p, at - 1}) : (hd_slice){NULL, 0};
    if (!op || field.n == 0) {
        return HD_FAIL(HEED_INPUT,
                       "filter '%.*s' is not of the form field=value: use =, !=, <=, >=, < or >",
                       "过滤条件“%.*s”不是“字段=值”的形式：请使用 =、!=、<=、>=、< 或 >",
                       (int)text.n, text.p ? text.p : "");
    }
    size_t begin = at - 1 + strlen(op->text);
    hd_slice value = hd_slice_trim((hd_slice){text.p + begin, text.n - begin});
    out->op = op->op;
    out->field = hd_arena_strndup(arena, field.p, field.n);
    out->text = hd_arena_strndup(arena, value.p, value.n);
    if (!out->field || !out->text) return HD_FAIL_MEMORY(text.n);
    read_number(value, out);
    if (is_order(out->op) && isnan(out->number)) {
        return HD_FAIL(HEED_INPUT, "filter '%.*s' compares with '%s', which is not a number",
                       "过滤条件“%.*s”用于比较的“%s”不是数字", (int)text.n, text.p, out->text);
    }
    return HEED_OK;
}

static bool in_order(hd_filter_op op, double x, double bound) {
    bool below = op == HD_FILTER_LE || op == HD_FILTER_LT;
    bool strict = op == HD_FILTER_LT || op == HD_FILTER_GT;
    return (x == bound && !strict) || (below ? x < bound : x > bound);
}

// One known value against a filter. For != this says whether they are equal; the caller turns it.
static bool text_fits(const hd_filter *f, const char *text) {
    double number;
    if (is_order(f->op)) {
        return hd_slice_f64(hd_slice_of(text), &number) && in_order(f->op, number, f->number);
    }
    return strcmp(text, f->text) == 0;
}

static bool number_fits(const hd_filter *f, double number) {
    if (isnan(number) || isnan(f->number)) return false;
    return is_order(f->op) ? in_order(f->op, number, f->number) : number == f->number;
}

static bool value_fits(const hd_filter *f, const json_t *value) {
    if (json_is_string(value)) return text_fits(f, json_string_value(value));
    if (json_is_number(value)) return number_fits(f, json_number_value(value));
    if (json_is_boolean(value)) return text_fits(f, json_is_true(value) ? "true" : "false");
    return false;
}

static bool attribute_fits(const hd_filter *f, const json_t *attributes) {
    const json_t *value = json_object_get(attributes, f->field);
    if (!json_is_array(value)) return value_fits(f, value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (value_fits(f, json_array_get(value, i))) return true;
    }
    return false;
}

static bool category_fits(const hd_filter *f, const hd_item *item) {
    for (size_t c = 0; c < item->n_categories; c++) {
        if (text_fits(f, item->categories[c])) return true;
    }
    return false;
}

static bool price_fits(const hd_filter *f, const hd_item *item) {
    if (f->currency[0] && strcmp(f->currency, item->currency) != 0) return false;
    return number_fits(f, item->price);
}

static bool id_fits(const hd_filter *f, const hd_item *item) {
    return text_fits(f, item->id);
}
static bool title_fits(const hd_filter *f, const hd_item *item) {
    return item->title[0] && text_fits(f, item->title);
}
static bool brand_fits(const hd_filter *f, const hd_item *item) {
    return item->brand[0] && text_fits(f, item->brand);
}
static bool currency_fits(const hd_filter *f, const hd_item *item) {
    return item->currency[0] && text_fits(f, item->currency);
}
static bool hidden_fits(const hd_filter *f, const hd_item *item) {
    return text_fits(f, item->hidden ? "true" : "false");
}
static bool replenishable_fits(const hd_filter *f, const hd_item *item) {
    return text_fits(f, item->replenishable ? "true" : "false");
}

// Fields of an item; any other name is an attribute's.
static const struct field_row {
    const char *name;
    bool (*fits)(const hd_filter *f, const hd_item *item);
} fields[] = {
    {"id", id_fits},         {"title", title_fits},
    {"brand", brand_fits},   {"category", category_fits},
    {"price", price_fits},   {"currency", currency_fits},
    {"hidden", hidden_fits}, {"replenishable", replenishable_fits},
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static const struct field_row *field_find(const char *name) {
    for (size_t f = 0; f < N_FIELDS; f++) {
        if (strcmp(fields[f].name, name) == 0) return &fields[f];
    }
    return NULL;
}

heed_err hd_filters_match(const hd_filter *filters, size_t n, const hd_item *item, bool *out) {
    json_t *attributes = NULL;
    *out = true;
    for (size_t i = 0; i < n && *out; i++) {
        const hd_filter *f = &filters[i];
        const struct field_row *field = field_find(f->field);
        if (!field && !attributes && item->attributes && item->attributes[0]) {
            HD_TRY(
                hd_json_parse(item->attributes, strlen(item->attributes), item->id, &attributes));
        }
        bool fits = field ? field->fits(f, item) : attribute_fits(f, attributes);
        *out = fits != (f->op == HD_FILTER_NE);
    }
    json_decref(attributes);
    return HEED_OK;
}
