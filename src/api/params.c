// SPDX-License-Identifier: Apache-2.0
//
// One place turns words into values, so that a flag, a query string and a job file can't differ in
// what they accept. A checked value stands in the params object under the row's name with the
// row's type; handlers read it back by name and never see text that wasn't checked.
#include "api/params.h"

#include <ctype.h>
#include <math.h>

#include "base/json.h"
#include "base/unicode.h"

const char *hd_param_shown(const hd_param *param, char buf[64]) {
    size_t at = 0;
    if (param->plain) {
        hd_snprintf(buf, 64, "%s", param->name);
        return buf;
    }
    if (!param->positional) buf[at++] = '-', buf[at++] = '-';
    for (const char *p = param->name; *p && at < 63; p++) {
        if (param->positional)
            buf[at++] = (char)toupper((unsigned char)*p);
        else
            buf[at++] = *p == '_' ? '-' : *p;
    }
    buf[at] = '\0';
    return buf;
}

const char *hd_param_metavar(const hd_param *param, char buf[64]) {
    static const char *const by_type[] = {
        [HD_PARAM_TEXT] = "TEXT", [HD_PARAM_INT] = "N",       [HD_PARAM_FLOAT] = "X",
        [HD_PARAM_BOOL] = "",     [HD_PARAM_CHOICE] = "NAME", [HD_PARAM_JSON] = "JSON",
    };
    if (param->metavar) return param->metavar;
    if (param->type != HD_PARAM_CHOICE || !param->choices) return by_type[param->type];
    size_t at = 0;
    for (size_t i = 0; param->choices[i]; i++) {
        size_t len = strlen(param->choices[i]);
        if (at + len + 2 > 64) return by_type[param->type];
        if (i) buf[at++] = '|';
        memcpy(buf + at, param->choices[i], len);
        at += len;
    }
    buf[at] = '\0';
    return buf;
}

const char *hd_param_choice(const hd_param *param, size_t i) {
    if (param->choice_at) return param->choice_at(i);
    if (!param->choices) return NULL;
    for (size_t k = 0; k < i; k++)
        if (!param->choices[k]) return NULL;
    return param->choices[i];
}

const hd_param *hd_param_find(const hd_param *rows, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

typedef struct choice_walk {
    const hd_param *param;
    size_t i;
} choice_walk;

static const char *next_choice(void *ctx) {
    choice_walk *walk = ctx;
    return hd_param_choice(walk->param, walk->i++);
}

static heed_err fail_choice(const hd_param *param, const char *text) {
    char shown[64];
    hd_param_shown(param, shown);
    choice_walk walk = {param, 0};
    const char *near = hd_nearest(text, next_choice, &walk);
    if (near)
        return HD_FAIL(HEED_USAGE, "%s: unknown value '%s'; did you mean '%s'?",
                       "%s：没有“%s”这个值；您是想用“%s”吗？", shown, text, near);
    hd_str list;
    hd_str_init(&list);
    const char *choice;
    for (size_t i = 0; (choice = hd_param_choice(param, i)) != NULL; i++)
        hd_str_addf(&list, "%s%s", i ? ", " : "", choice);
    heed_err err = HD_FAIL(HEED_USAGE, "%s: unknown value '%s'; it takes one of %s",
                           "%s：没有“%s”这个值；可用的值有 %s", shown, text, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

static heed_err read_choice(const hd_param *param, const char *text, json_t **out) {
    const char *choice;
    for (size_t i = 0; (choice = hd_param_choice(param, i)) != NULL; i++) {
        if (strcmp(choice, text) != 0) continue;
        *out = json_string(choice);
        return *out ? HEED_OK : HD_FAIL_MEMORY(0);
    }
    return fail_choice(param, text);
}

static heed_err read_text(const hd_param *param, const char *text, json_t **out) {
    if (hd_utf8_valid(text, strlen(text)) != strlen(text)) {
        if (!param->file) {
            char shown[64];
            return HD_FAIL(HEED_USAGE, "%s: the value is not valid UTF-8", "%s：值不是有效的 UTF-8",
                           hd_param_shown(param, shown));
        }
    }
    *out = json_string_nocheck(text); // a file's name may be any bytes
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err check_range(const hd_param *param, double value, const char *text) {
    if ((param->min == 0 && param->max == 0) || (value >= param->min && value <= param->max))
        return HEED_OK;
    char shown[64];
    return HD_FAIL(HEED_USAGE, "%s: '%s' is out of range; it takes %.17g to %.17g",
                   "%s：“%s”超出范围；可用 %.17g 到 %.17g", hd_param_shown(param, shown), text,
                   param->min, param->max);
}

static heed_err read_int(const hd_param *param, const char *text, json_t **out) {
    char shown[64];
    int64_t value;
    if (!hd_slice_i64(hd_slice_of(text), &value))
        return HD_FAIL(HEED_USAGE, "%s: '%s' is not a whole number", "%s：“%s”不是整数",
                       hd_param_shown(param, shown), text);
    HD_TRY(check_range(param, (double)value, text));
    *out = json_integer(value);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err read_float(const hd_param *param, const char *text, json_t **out) {
    char shown[64];
    double value;
    if (!hd_slice_f64(hd_slice_of(text), &value))
        return HD_FAIL(HEED_USAGE, "%s: '%s' is not a number", "%s：“%s”不是数字",
                       hd_param_shown(param, shown), text);
    HD_TRY(check_range(param, value, text));
    *out = json_real(value);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err read_bool(const hd_param *param, const char *text, json_t **out) {
    char shown[64];
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return HD_FAIL(HEED_USAGE, "%s: '%s' is neither true nor false",
                       "%s：“%s”既不是 true 也不是 false", hd_param_shown(param, shown), text);
    *out = json_boolean(text[0] == 't');
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err read_json(const hd_param *param, const char *text, json_t **out) {
    char shown[64];
    return hd_json_parse(text, strlen(text), hd_param_shown(param, shown), out);
}

static heed_err add_value(json_t *params, const hd_param *param, const char *text) {
    static heed_err (*const readers[])(const hd_param *, const char *, json_t **) = {
        [HD_PARAM_TEXT] = read_text, [HD_PARAM_INT] = read_int,       [HD_PARAM_FLOAT] = read_float,
        [HD_PARAM_BOOL] = read_bool, [HD_PARAM_CHOICE] = read_choice, [HD_PARAM_JSON] = read_json,
    };
    json_t *value = NULL;
    HD_TRY(readers[param->type](param, text, &value));
    if (!param->many) return hd_json_set(params, param->name, value);
    json_t *list = json_object_get(params, param->name);
    if (!list) {
        heed_err err = hd_json_set(params, param->name, json_array());
        if (err) {
            json_decref(value);
            return err;
        }
        list = json_object_get(params, param->name);
    }
    return hd_json_append(list, value);
}

heed_err hd_params_add(json_t *params, const hd_param *param, const char *text) {
    if (!param->many || param->type != HD_PARAM_CHOICE) return add_value(params, param, text);
    while (*text) { // "a,b" is two
        char one[64];
        size_t n = strcspn(text, ",");
        size_t keep = n < sizeof one ? n : sizeof one - 1;
        memcpy(one, text, keep);
        one[keep] = '\0';
        if (n) HD_TRY(add_value(params, param, one));
        text += n + (text[n] == ',');
    }
    return HEED_OK;
}

// A JSON scalar as the text that a query string would hold, so that both are checked alike; but a
// number in quotes isn't a number, and the other way round.
static heed_err scalar_text(const hd_param *param, const json_t *value, hd_str *out) {
    static const struct {
        hd_text what;
    } wants[] = {
        [HD_PARAM_TEXT] = {HD_TEXT("a text", "文本")},
        [HD_PARAM_INT] = {HD_TEXT("a whole number", "整数")},
        [HD_PARAM_FLOAT] = {HD_TEXT("a number", "数字")},
        [HD_PARAM_BOOL] = {HD_TEXT("true or false", "true 或 false")},
        [HD_PARAM_CHOICE] = {HD_TEXT("a text", "文本")},
        [HD_PARAM_JSON] = {HD_TEXT("a value", "值")},
    };
    if (json_is_string(value) && (param->type == HD_PARAM_TEXT || param->type == HD_PARAM_CHOICE)) {
        if (strlen(json_string_value(value)) == json_string_length(value)) {
            hd_str_add(out, json_string_value(value));
            return hd_str_check(out);
        }
    } else if (json_is_integer(value) &&
               (param->type == HD_PARAM_INT || param->type == HD_PARAM_FLOAT)) {
        hd_str_addf(out, "%lld", (long long)json_integer_value(value));
        return hd_str_check(out);
    } else if (json_is_real(value) && param->type == HD_PARAM_INT &&
               json_real_value(value) == trunc(json_real_value(value)) &&
               fabs(json_real_value(value)) < 9e15) { // 5.0 is a whole number in JSON
        hd_str_addf(out, "%lld", (long long)json_real_value(value));
        return hd_str_check(out);
    } else if (json_is_real(value) && param->type == HD_PARAM_FLOAT) {
        return hd_json_dump(value, false, out);
    } else if (json_is_boolean(value) && param->type == HD_PARAM_BOOL) {
        hd_str_add(out, json_is_true(value) ? "true" : "false");
        return hd_str_check(out);
    }
    char shown[64];
    const hd_text want = wants[param->type].what;
    return HD_FAIL(HEED_USAGE, "%s: it takes %s%.0s", "%s：应为%.0s%s",
                   hd_param_shown(param, shown), want.en, want.zh);
}

static heed_err add_json_one(json_t *params, const hd_param *param, const json_t *value) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = scalar_text(param, value, &text);
    if (err == HEED_OK) err = add_value(params, param, hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

heed_err hd_params_add_json(json_t *params, const hd_param *param, json_t *value) {
    if (param->type == HD_PARAM_JSON) return hd_json_set(params, param->name, json_incref(value));
    if (!json_is_array(value)) return add_json_one(params, param, value);
    if (!param->many) return add_json_one(params, param, value); // says what it takes
    if (json_array_size(value) == 0) return hd_json_set(params, param->name, json_array());
    size_t i;
    json_t *one;
    json_array_foreach(value, i, one) HD_TRY(add_json_one(params, param, one));
    return HEED_OK;
}

heed_err hd_params_finish(json_t *params, const hd_param *rows, size_t n, const char *op_name) {
    for (size_t i = 0; i < n; i++) {
        if (json_object_get(params, rows[i].name)) continue;
        if (rows[i].initial) HD_TRY(hd_params_add(params, &rows[i], rows[i].initial));
        char shown[64];
        if (rows[i].required && rows[i].only != HD_ONLY_HTTP)
            return HD_FAIL(HEED_USAGE, "'heed %s' needs %s; see 'heed help %s'",
                           "“heed %s”还需要 %s；用法见“heed help %s”", op_name,
                           hd_param_shown(&rows[i], shown), op_name);
    }
    return HEED_OK;
}

const char *hd_call_text(const hd_call *call, const char *name) {
    return json_string_value(json_object_get(call->params, name));
}

int64_t hd_call_int(const hd_call *call, const char *name, int64_t absent) {
    const json_t *value = json_object_get(call->params, name);
    return json_is_integer(value) ? json_integer_value(value) : absent;
}

bool hd_call_bool(const hd_call *call, const char *name) {
    return json_is_true(json_object_get(call->params, name));
}

bool hd_call_has(const hd_call *call, const char *name) {
    return json_object_get(call->params, name) != NULL;
}

heed_err hd_call_list(const hd_call *call, const char *name, hd_arena *arena, const char ***out,
                      size_t *n) {
    const json_t *list = json_object_get(call->params, name);
    bool one = json_is_string(list); // an upload's path
    *n = one ? 1 : json_array_size(list);
    const char **texts = hd_arena_alloc(arena, (*n + 1) * sizeof *texts);
    if (!texts) return HD_FAIL_MEMORY((*n + 1) * sizeof *texts);
    for (size_t i = 0; i < *n; i++)
        texts[i] = json_string_value(one ? list : json_array_get(list, i));
    texts[*n] = NULL;
    *out = texts;
    return HEED_OK;
}
