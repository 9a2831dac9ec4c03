// SPDX-License-Identifier: Apache-2.0
//
// Settings. A row's type is a descriptor: how a text becomes a value and how a value is shown.
// Whatever the source (flag, variable, YAML scalar), a value goes through its text, so that all
// sources accept the same. Of two sources the one of higher rank (hd_origin) stays, whichever was
// loaded first.
#include "base/settings.h"

#include <assert.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

typedef struct weight {
    char *name;
    double value;
} weight;

typedef struct setting_value {
    bool flag;
    int64_t integer;
    double real;
    char *text; // TEXT and CHOICE
    weight *weights;
    size_t n_weights;
    hd_origin origin;
    char *place; // "" for defaults
} setting_value;

struct hd_settings {
    const hd_setting *rows;
    setting_value *values; // (n)
    size_t n;
};

static const char *const origin_names[] = {
    [HD_ORIGIN_DEFAULT] = "default",
    [HD_ORIGIN_FILE] = "file",
    [HD_ORIGIN_ENV] = "environment",
    [HD_ORIGIN_FLAG] = "flag",
};

const char *hd_origin_name(hd_origin origin) {
    return origin_names[origin];
}

static void value_clear(setting_value *value) {
    for (size_t i = 0; i < value->n_weights; i++) hd_free(value->weights[i].name);
    hd_free(value->weights);
    hd_free(value->text);
    hd_free(value->place);
    *value = (setting_value){0};
}

// ── Types ──

static bool bounded(const hd_setting *row) {
    return row->min != 0 || row->max != 0;
}

static heed_err out_of_bounds(const hd_setting *row, hd_slice text) {
    char min[32], max[32];
    hd_snprintf(min, sizeof min, "%.15g", row->min);
    hd_snprintf(max, sizeof max, "%.15g", row->max);
    return HD_FAIL(HEED_INPUT, "'%.*s' is out of bounds: write a number from %s to %s",
                   "“%.*s”超出范围：请填写 %s 到 %s 之间的数", (int)text.n, text.p, min, max);
}

static heed_err parse_bool(const hd_setting *row, hd_slice text, setting_value *out) {
    (void)row;
    out->flag = hd_slice_eq(text, "true");
    if (out->flag || hd_slice_eq(text, "false")) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "'%.*s' is neither true nor false",
                   "“%.*s”无效：只能是 true 或 false", (int)text.n, text.p);
}

static void show_bool(const setting_value *value, hd_str *out) {
    hd_str_add(out, value->flag ? "true" : "false");
}

static heed_err parse_int(const hd_setting *row, hd_slice text, setting_value *out) {
    if (!hd_slice_i64(text, &out->integer)) {
        return HD_FAIL(HEED_INPUT, "'%.*s' is not a whole number", "“%.*s”不是整数", (int)text.n,
                       text.p);
    }
    double value = (double)out->integer;
    if (bounded(row) && (value < row->min || value > row->max)) return out_of_bounds(row, text);
    return HEED_OK;
}

static void show_int(const setting_value *value, hd_str *out) {
    hd_str_addf(out, "%lld", (long long)value->integer);
}

static heed_err parse_float(const hd_setting *row, hd_slice text, setting_value *out) {
    if (!hd_slice_f64(text, &out->real)) {
        return HD_FAIL(HEED_INPUT, "'%.*s' is not a number", "“%.*s”不是数字", (int)text.n, text.p);
    }
    if (bounded(row) && (out->real < row->min || out->real > row->max)) {
        return out_of_bounds(row, text);
    }
    return HEED_OK;
}

// As one would write it: 3, not 3.0.
static void show_number(double value, hd_str *out) {
    char buf[32];
    hd_json_number(value, buf);
    size_t n = strlen(buf);
    if (n > 2 && memcmp(buf + n - 2, ".0", 2) == 0) n -= 2;
    hd_str_addn(out, buf, n);
}

static void show_float(const setting_value *value, hd_str *out) {
    show_number(value->real, out);
}

static const char *const size_units[] = {"B", "KB", "MB", "GB", "TB"};
enum { SIZE_UNITS = 5 };

static heed_err parse_size(const hd_setting *row, hd_slice text, setting_value *out) {
    size_t digits = 0;
    while (digits < text.n &&
           (text.p[digits] == '.' || (text.p[digits] >= '0' && text.p[digits] <= '9'))) {
        digits++;
    }
    hd_slice unit = hd_slice_trim((hd_slice){text.p + digits, text.n - digits});
    double number, scale = unit.n == 0 ? 1 : 0, factor = 1;
    for (int i = 0; i < SIZE_UNITS; i++, factor *= 1024) {
        if (hd_slice_eq_nocase(unit, size_units[i])) scale = factor;
    }
    if (!hd_slice_f64((hd_slice){text.p, digits}, &number) || scale == 0 ||
        number * scale > 9007199254740992.0) {
        return HD_FAIL(HEED_INPUT, "'%.*s' is not a size: write bytes, or KB, MB, GB (16MB)",
                       "“%.*s”不是有效大小：请写字节数，或用 KB、MB、GB（如 16MB）", (int)text.n,
                       text.p);
    }
    out->integer = (int64_t)(number * scale);
    if (bounded(row) && ((double)out->integer < row->min || (double)out->integer > row->max)) {
        return out_of_bounds(row, text);
    }
    return HEED_OK;
}

static void show_size(const setting_value *value, hd_str *out) {
    int64_t number = value->integer;
    int unit = 0;
    while (number != 0 && number % 1024 == 0 && unit < SIZE_UNITS - 1) {
        number /= 1024;
        unit++;
    }
    hd_str_addf(out, "%lld%s", (long long)number, unit == 0 ? "" : size_units[unit]);
}

static heed_err parse_text(const hd_setting *row, hd_slice text, setting_value *out) {
    (void)row;
    out->text = hd_strndup(text.p ? text.p : "", text.n);
    return out->text ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static void show_text(const setting_value *value, hd_str *out) {
    hd_str_add(out, value->text);
}

static heed_err parse_choice(const hd_setting *row, hd_slice text, setting_value *out) {
    for (size_t i = 0; row->choices[i]; i++) {
        if (hd_slice_eq(text, row->choices[i])) return parse_text(row, text, out);
    }
    hd_str list;
    hd_str_init(&list);
    for (size_t i = 0; row->choices[i]; i++) {
        hd_str_addf(&list, "%s%s", i > 0 ? ", " : "", row->choices[i]);
    }
    heed_err err =
        HD_FAIL(HEED_INPUT, "'%.*s' is not a choice: use one of %s",
                "“%.*s”不在可选值中：请使用 %s 之一", (int)text.n, text.p, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

static heed_err add_weight(setting_value *value, hd_slice name, double number) {
    for (size_t i = 0; i < value->n_weights; i++) {
        if (hd_slice_eq(name, value->weights[i].name)) {
            return HD_FAIL(HEED_INPUT, "'%.*s' stands twice", "“%.*s”重复出现", (int)name.n,
                           name.p);
        }
    }
    weight *grown = hd_realloc_array(value->weights, value->n_weights + 1, sizeof *grown);
    if (!grown) return HD_FAIL_MEMORY(sizeof *grown);
    value->weights = grown;
    char *copy = hd_strndup(name.p, name.n);
    if (!copy) return HD_FAIL_MEMORY(name.n);
    grown[value->n_weights++] = (weight){copy, number};
    return HEED_OK;
}

// view=1,cart=3
static heed_err parse_weights(const hd_setting *row, hd_slice text, setting_value *out) {
    for (size_t at = 0; at < text.n;) {
        const char *comma = memchr(text.p + at, ',', text.n - at);
        size_t end = comma ? (size_t)(comma - text.p) : text.n;
        hd_slice pair = hd_slice_trim((hd_slice){text.p + at, end - at});
        const char *sign = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
        hd_slice name = {pair.p, sign ? (size_t)(sign - pair.p) : 0};
        double number;
        if (name.n == 0 || !hd_slice_f64((hd_slice){sign + 1, pair.n - name.n - 1}, &number)) {
            return HD_FAIL(HEED_INPUT, "'%.*s' is not of the form name=number (view=1,cart=3)",
                           "“%.*s”格式不对：应为 名称=数值（如 view=1,cart=3）", (int)pair.n,
                           pair.p);
        }
        if (bounded(row) && (number < row->min || number > row->max)) {
            return out_of_bounds(row, pair);
        }
        HD_TRY(add_weight(out, name, number));
        at = end + 1;
    }
    return HEED_OK;
}

static void show_weights(const setting_value *value, hd_str *out) {
    for (size_t i = 0; i < value->n_weights; i++) {
        hd_str_addf(out, "%s%s=", i > 0 ? "," : "", value->weights[i].name);
        show_number(value->weights[i].value, out);
    }
}

typedef struct setting_kind {
    heed_err (*parse)(const hd_setting *row, hd_slice text, setting_value *out);
    void (*show)(const setting_value *value, hd_str *out);
} setting_kind;

static const setting_kind kinds[] = {
    [HD_SETTING_BOOL] = {parse_bool, show_bool},
    [HD_SETTING_INT] = {parse_int, show_int},
    [HD_SETTING_FLOAT] = {parse_float, show_float},
    [HD_SETTING_SIZE] = {parse_size, show_size},
    [HD_SETTING_TEXT] = {parse_text, show_text},
    [HD_SETTING_CHOICE] = {parse_choice, show_text},
    [HD_SETTING_WEIGHTS] = {parse_weights, show_weights},
};

// ── Setting ──

// Parses and, unless a source of higher rank has spoken, puts in force.
static heed_err set_text(hd_settings *settings, size_t i, hd_slice text, hd_origin origin,
                         const char *place) {
    setting_value value = {.origin = origin};
    const hd_setting *row = &settings->rows[i];
    heed_err err = kinds[row->type].parse(row, text, &value);
    if (err == HEED_OK && origin >= settings->values[i].origin) {
        value.place = hd_strdup(place);
        if (value.place) {
            value_clear(&settings->values[i]);
            settings->values[i] = value;
            return HEED_OK;
        }
        err = HD_FAIL_MEMORY(0);
    }
    value_clear(&value);
    return err;
}

heed_err hd_settings_new(const hd_setting *rows, size_t n_rows, hd_settings **out) {
    *out = NULL;
    hd_settings *settings = hd_calloc(1, sizeof *settings);
    if (!settings) return HD_FAIL_MEMORY(sizeof *settings);
    settings->rows = rows;
    settings->values = hd_calloc(n_rows, sizeof *settings->values);
    heed_err err = settings->values ? HEED_OK : HD_FAIL_MEMORY(n_rows * sizeof *settings->values);
    for (; err == HEED_OK && settings->n < n_rows; settings->n++) {
        size_t i = settings->n;
        err = set_text(settings, i, hd_slice_of(rows[i].initial), HD_ORIGIN_DEFAULT, "");
        if (err == HEED_INPUT) {
            err = HD_FAIL(HEED_INTERNAL, "the default '%s' of setting '%s' is bad",
                          "默认值“%s”（设置“%s”）无效", rows[i].initial, rows[i].name);
        }
    }
    if (err != HEED_OK) {
        hd_settings_free(settings);
        return err;
    }
    *out = settings;
    return HEED_OK;
}

void hd_settings_free(hd_settings *settings) {
    if (!settings) return;
    for (size_t i = 0; i < settings->n; i++) value_clear(&settings->values[i]);
    hd_free(settings->values);
    hd_free(settings);
}

static bool find_row(const hd_settings *settings, const char *name, size_t *i) {
    for (*i = 0; *i < settings->n; ++*i) {
        if (strcmp(settings->rows[*i].name, name) == 0) return true;
    }
    return false;
}

typedef struct row_names {
    const hd_settings *settings;
    size_t i;
} row_names;

static const char *next_name(void *ctx) {
    row_names *names = ctx;
    return names->i < names->settings->n ? names->settings->rows[names->i++].name : NULL;
}

static heed_err unknown(const hd_settings *settings, const char *name, heed_err code) {
    row_names names = {settings, 0};
    const char *nearest = hd_nearest(name, next_name, &names);
    if (nearest) {
        return HD_FAIL(code, "unknown setting '%s': did you mean '%s'?",
                       "未知设置“%s”：您是否要写“%s”？", name, nearest);
    }
    return HD_FAIL(code, "unknown setting '%s': `heed config show` lists them all",
                   "未知设置“%s”：`heed config show` 会列出全部设置", name);
}

// ── The file ──

typedef struct file_layer {
    hd_settings *settings;
    const hd_yaml *yaml;
    const char *name;
    bool *seen; // (n) rows this file has named: a.b and a: {b: …} are one
} file_layer;

// "heed.yaml:7" for a path.
static heed_err file_place(const file_layer *file, const char *path, hd_str *out) {
    hd_str_addf(out, "%s:%zu", file->name, hd_yaml_line(file->yaml, path));
    return hd_str_check(out);
}

static heed_err weights_text(const json_t *json, hd_str *out) {
    const char *key;
    json_t *value;
    // Only read: jansson's iterators want it without const.
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        if (!json_is_number(value) || strpbrk(key, "=,")) {
            return HD_FAIL(HEED_INPUT, "'%s' must have a number behind it (view: 1)",
                           "“%s”后面必须是数字（如 view: 1）", key);
        }
        hd_str_addf(out, "%s%s=", out->len > 0 ? "," : "", key);
        show_number(json_number_value(value), out);
    }
    return hd_str_check(out);
}

// A value of the file as the text that a flag would have.
static heed_err json_text(const hd_setting *row, const json_t *json, hd_str *out) {
    if (json_is_string(json)) {
        hd_str_addn(out, json_string_value(json), json_string_length(json));
        return hd_str_check(out);
    }
    if (row->type == HD_SETTING_WEIGHTS && json_is_object(json)) return weights_text(json, out);
    if (row->type == HD_SETTING_TEXT) {
        return HD_FAIL(HEED_INPUT, "'%s' needs a text: put it in quotes", "“%s”应为文本：请加引号",
                       row->name);
    }
    if (json_is_null(json)) {
        return HD_FAIL(HEED_INPUT, "'%s' has no value: write one, or remove the line",
                       "“%s”没有值：请填写，或删除该行", row->name);
    }
    if (json_is_object(json) || json_is_array(json)) {
        return HD_FAIL(HEED_INPUT, "'%s' needs a single value, not a list or mapping",
                       "“%s”应为单个值，不能是列表或映射", row->name);
    }
    return hd_json_dump(json, false, out);
}

static heed_err set_from_file(const file_layer *file, size_t i, const char *path,
                              const json_t *json) {
    const hd_setting *row = &file->settings->rows[i];
    hd_str text, place;
    hd_str_init(&text);
    hd_str_init(&place);
    heed_err err = HEED_OK;
    HD_TRY_OUT(file_place(file, path, &place));
    if (file->seen[i]) {
        err = HD_FAIL(HEED_INPUT, "%s: setting '%s' stands twice: remove one of them",
                      "%s：设置“%s”重复：请删除其中一个", hd_str_get(&place), row->name);
        goto out;
    }
    file->seen[i] = true;
    err = json_text(row, json, &text);
    if (err == HEED_OK) {
        hd_slice slice = {hd_str_get(&text), text.len};
        err = set_text(file->settings, i, slice, HD_ORIGIN_FILE, hd_str_get(&place));
    }
    if (err == HEED_INPUT) {
        err = hd_error_prefix(err, "%s: %s", "%s：%s", hd_str_get(&place), row->name);
    }
out:
    hd_str_clear(&place);
    hd_str_clear(&text);
    return err;
}

// Walks the file's mappings down to rows. path: of `object`, "" for the root.
static heed_err walk_file(const file_layer *file, const char *path, const json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        hd_str full;
        hd_str_init(&full);
        hd_str_addf(&full, "%s%s%s", path, *path ? "." : "", key);
        heed_err err = hd_str_check(&full);
        const char *name = hd_str_get(&full);
        size_t i;
        if (err != HEED_OK) {
        } else if (find_row(file->settings, name, &i)) {
            err = set_from_file(file, i, name, value);
        } else if (json_is_object(value) && json_object_size(value) > 0) {
            err = walk_file(file, name, value);
        } else {
            err = unknown(file->settings, name, HEED_INPUT);
            err = hd_error_prefix(err, "%s:%zu", "%s:%zu", file->name,
                                  hd_yaml_line(file->yaml, name));
        }
        hd_str_clear(&full);
        HD_TRY(err);
    }
    return HEED_OK;
}

heed_err hd_settings_load_yaml(hd_settings *settings, const char *text, size_t n,
                               const char *name) {
    hd_yaml yaml;
    HD_TRY(hd_yaml_parse(text, n, name, &yaml));
    file_layer file = {settings, &yaml, name, hd_calloc(settings->n, sizeof(bool))};
    heed_err err = file.seen ? walk_file(&file, "", yaml.root) : HD_FAIL_MEMORY(settings->n);
    hd_free(file.seen);
    hd_yaml_clear(&yaml);
    return err;
}

heed_err hd_settings_load_file(hd_settings *settings, const char *path) {
    enum { FILE_MAX = 1 << 20 };
    if (!hd_fs_exists(path)) return HEED_OK;
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, FILE_MAX, &text);
    if (err == HEED_OK) err = hd_settings_load_yaml(settings, hd_str_get(&text), text.len, path);
    hd_str_clear(&text);
    return err;
}

// ── Environment and flags ──

// HEED_MEMORY_LIMIT for memory.limit.
static heed_err variable_name(const char *name, hd_str *out) {
    hd_str_add(out, "HEED_");
    for (; *name; name++) {
        char c = *name;
        hd_str_addc(out, c >= 'a' && c <= 'z' ? (char)(c - 32) : c == '.' ? '_' : c);
    }
    return hd_str_check(out);
}

// The value of a variable, NULL when it isn't set, or empty.
static const char *variable_value(char *const *environ_list, const char *name, size_t n) {
    for (; *environ_list; environ_list++) {
        if (strncmp(*environ_list, name, n) == 0 && (*environ_list)[n] == '=') {
            const char *value = *environ_list + n + 1;
            return *value ? value : NULL;
        }
    }
    return NULL;
}

heed_err hd_settings_load_env(hd_settings *settings, char *const *environ_list) {
    hd_str name;
    hd_str_init(&name);
    heed_err err = HEED_OK;
    for (size_t i = 0; i < settings->n; i++) {
        hd_str_reset(&name);
        HD_TRY_OUT(variable_name(settings->rows[i].name, &name));
        const char *value = variable_value(environ_list, hd_str_get(&name), name.len);
        if (!value) continue;
        err = set_text(settings, i, hd_slice_of(value), HD_ORIGIN_ENV, hd_str_get(&name));
        if (err == HEED_INPUT) err = hd_error_prefix(err, "%s", "%s", hd_str_get(&name));
        if (err != HEED_OK) goto out;
    }
out:
    hd_str_clear(&name);
    return err;
}

// The failure at hand is one of usage: whoever typed the flag can mend it at once.
static heed_err as_usage(const char *place) {
    hd_error error;
    hd_error_get(&error);
    error.code = HEED_USAGE;
    return hd_error_prefix(hd_error_restore(&error), "%s", "%s", place);
}

heed_err hd_settings_set_flag(hd_settings *settings, const char *name, const char *value) {
    size_t i;
    if (!find_row(settings, name, &i)) return unknown(settings, name, HEED_USAGE);
    hd_str place;
    hd_str_init(&place);
    hd_str_addf(&place, "--%s", name);
    heed_err err = hd_str_check(&place);
    if (err == HEED_OK) {
        err = set_text(settings, i, hd_slice_of(value), HD_ORIGIN_FLAG, hd_str_get(&place));
        if (err == HEED_INPUT) err = as_usage(hd_str_get(&place));
    }
    hd_str_clear(&place);
    return err;
}

heed_err hd_settings_copy_flags(hd_settings *settings, const hd_settings *from) {
    const hd_setting *row;
    hd_origin origin;
    const char *place;
    hd_str value;
    hd_str_init(&value);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK; i++) {
        hd_str_reset(&value);
        if (!hd_settings_at(from, i, &row, &value, &origin, &place)) break;
        if (origin != HD_ORIGIN_FLAG) continue;
        err = hd_str_check(&value);
        if (err == HEED_OK) err = hd_settings_set_flag(settings, row->name, hd_str_get(&value));
    }
    hd_str_clear(&value);
    return err;
}

// ── Reading ──

static const setting_value *value_of(const hd_settings *settings, const char *name,
                                     hd_setting_type type, hd_setting_type or_type) {
    size_t i;
    bool found = find_row(settings, name, &i);
    assert(found && (settings->rows[i].type == type || settings->rows[i].type == or_type));
    (void)found, (void)type, (void)or_type;
    return &settings->values[i];
}

bool hd_settings_bool(const hd_settings *settings, const char *name) {
    return value_of(settings, name, HD_SETTING_BOOL, HD_SETTING_BOOL)->flag;
}

int64_t hd_settings_int(const hd_settings *settings, const char *name) {
    return value_of(settings, name, HD_SETTING_INT, HD_SETTING_SIZE)->integer;
}

double hd_settings_float(const hd_settings *settings, const char *name) {
    return value_of(settings, name, HD_SETTING_FLOAT, HD_SETTING_FLOAT)->real;
}

const char *hd_settings_text(const hd_settings *settings, const char *name) {
    return value_of(settings, name, HD_SETTING_TEXT, HD_SETTING_CHOICE)->text;
}

bool hd_settings_weight(const hd_settings *settings, const char *name, const char *key,
                        double *out) {
    const setting_value *value = value_of(settings, name, HD_SETTING_WEIGHTS, HD_SETTING_WEIGHTS);
    for (size_t i = 0; i < value->n_weights; i++) {
        if (strcmp(value->weights[i].name, key) == 0) {
            *out = value->weights[i].value;
            return true;
        }
    }
    return false;
}

bool hd_settings_at(const hd_settings *settings, size_t i, const hd_setting **row, hd_str *value,
                    hd_origin *origin, const char **origin_place) {
    if (i >= settings->n) return false;
    *row = &settings->rows[i];
    kinds[(*row)->type].show(&settings->values[i], value);
    *origin = settings->values[i].origin;
    *origin_place = settings->values[i].place;
    return true;
}
