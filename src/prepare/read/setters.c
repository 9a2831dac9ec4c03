// SPDX-License-Identifier: Apache-2.0
//
// One setter for each type of field, in one table. A setter that dislikes its cell writes the
// reason (column, field, value, what is wrong, what to do) and the row is bad; the first reason
// stands.
#include "prepare/read/setters.h"

#include <math.h>

#include "base/json.h"
#include "prepare/read/event_type.h"
#include "prepare/read/value.h"

// The row is bad: "column 'ts' (time): 'abc' is not …: …".
static heed_err bad_value(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                          const char *en, const char *zh) {
    if (f->bad) return HEED_OK;
    f->bad = true;
    f->wrong = col;
    hd_quoted value = hd_quote_value(cell->text);
    if (f->posted) { // the pointer beside it names the place
        HD_BAD_ROW(f->out, "%1$s: '%2$s' %3$s%4$.0s", "%1$s：“%2$s”%4$s%3$.0s", col->field->name,
                   value.text, en, zh);
        return HEED_OK;
    }
    hd_quoted column = hd_quote_value(hd_slice_of(col->path));
    HD_BAD_ROW(f->out, "column '%1$s' (%2$s): '%3$s' %4$s%5$.0s",
               "列“%1$s”（%2$s）：“%3$s”%5$s%4$.0s", column.text, col->field->name, value.text, en,
               zh);
    return HEED_OK;
}

// The cell's text as a plain value; false when it is an object or an array (and the row is bad).
static bool plain(hd_fill *f, const hd_import_column *col, const hd_cell *cell) {
    if (cell->type != HD_CELL_OBJECT && cell->type != HD_CELL_ARRAY) return true;
    hd_text what = HD_TEXT("is not a single value: map a column inside of it (--map a.b=field)",
                           "不是单个值：请映射其内部的列（--map a.b=字段）");
    const hd_text posted =
        HD_TEXT("is not a single value: give a text or a number", "不是单个值：请给出文本或数字");
    if (f->posted) what = posted;
    (void)bad_value(f, col, cell, what.en, what.zh);
    return false;
}

static heed_err set_text(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    if (plain(f, col, cell)) *(hd_slice *)place = cell->text;
    return HEED_OK;
}

static bool has_control_sign(hd_slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) return true;
    }
    return false;
}

// A whole number that every reader of JSON holds exactly: a double rounds those beyond 2^53, and
// two ids would become one.
static bool is_exact(hd_slice number) {
    int64_t value;
    return hd_slice_i64(number, &value) && value >= -HD_JSON_EXACT && value <= HD_JSON_EXACT;
}

static heed_err set_id(hd_fill *f, const hd_import_column *col, const hd_cell *cell, void *place) {
    hd_slice id = cell->text;
    if (!plain(f, col, cell)) return HEED_OK;
    if (cell->type == HD_CELL_BOOL) {
        hd_text what = HD_TEXT("is true or false, not an id: map another column",
                               "是布尔值而不是标识：请映射其他列");
        const hd_text posted = HD_TEXT("is true or false, not an id: give a text or a number",
                                       "是布尔值而不是标识：请给出文本或数字");
        if (f->posted) what = posted;
        return bad_value(f, col, cell, what.en, what.zh);
    }
    // JSON knows one kind of number: 12 and 12.0 are the same.
    if (cell->type == HD_CELL_NUMBER && id.n > 2 && memcmp(id.p + id.n - 2, ".0", 2) == 0)
        id.n -= 2;
    if (f->posted && cell->type == HD_CELL_NUMBER && !is_exact(id)) {
        return bad_value(f, col, cell, "is no id: give a text, or a whole number below 2^53",
                         "不是标识：请给出文本，或小于 2^53 的整数");
    }
    if (id.n > HD_MAX_ID) {
        return bad_value(f, col, cell, "is longer than 512 bytes: ids are short",
                         "超过 512 字节：标识应当简短");
    }
    if (has_control_sign(id)) {
        return bad_value(f, col, cell, "holds a line break or another control sign: take it out",
                         "含有换行或其他控制字符：请去掉");
    }
    *(hd_slice *)place = id;
    return HEED_OK;
}

// A file has a handful of types: the last eight names met are kept with their words.
static const hd_type_memory *find_type(const hd_fill *f, hd_slice name) {
    for (size_t i = 0; i < HD_TYPES_KEPT; i++) {
        const hd_type_memory *m = &f->types[i];
        if (m->n == name.n && memcmp(m->name, name.p, name.n) == 0) return m;
    }
    return NULL;
}

static void keep_type(hd_fill *f, hd_slice name, hd_slice word) {
    hd_type_memory *m = &f->types[f->next_type++ % HD_TYPES_KEPT];
    if (name.n > sizeof m->name || word.n > sizeof m->kept) return;
    memcpy(m->name, name.p, name.n);
    memcpy(m->kept, word.p, word.n);
    m->n = name.n;
    m->word = (hd_slice){m->kept, word.n};
}

static heed_err set_event(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                          void *place) {
    hd_slice name = cell->text;
    if (!plain(f, col, cell)) return HEED_OK;
    if (name.n > 64 || has_control_sign(name)) {
        return bad_value(f, col, cell,
                         "is no type of event: use a short word (view, cart, purchase)",
                         "不是事件类型：请用简短的词（view、cart、purchase）");
    }
    const hd_type_memory *known = find_type(f, name);
    if (known) {
        *(hd_slice *)place = known->word;
        return HEED_OK;
    }
    HD_TRY(hd_event_type(name, f->arena, place));
    keep_type(f, name, *(hd_slice *)place);
    return HEED_OK;
}

static heed_err set_number(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                           void *place) {
    if (hd_value_number(cell->text, f->comma && cell->type == HD_CELL_TEXT, place)) return HEED_OK;
    return bad_value(f, col, cell, "is not a number: write it like 1234.5",
                     "不是数字：请写成 1234.5 的形式");
}

static heed_err set_quantity(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                             void *place) {
    HD_TRY(set_number(f, col, cell, place));
    if (f->bad || *(double *)place >= 0) return HEED_OK;
    if (f->posted) {
        return bad_value(f, col, cell, "is negative: give returns an event type of their own",
                         "为负数：退货请使用单独的事件类型");
    }
    return bad_value(f, col, cell,
                     "is negative: give returns an event type of their own, or use --preset retail",
                     "为负数：退货请使用单独的事件类型，或使用 --preset retail");
}

static heed_err set_money(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                          void *place) {
    const char *currency = NULL;
    bool comma = f->comma && cell->type == HD_CELL_TEXT;
    if (!hd_value_money(cell->text, comma, f->currency, place, &currency)) {
        return bad_value(f, col, cell, "is not an amount: write it like 1234.50 or ¥1234.50",
                         "不是金额：请写成 1234.50 或 ¥1234.50 的形式");
    }
    if (currency) f->sign_currency = currency;
    f->money = true;
    return HEED_OK;
}

static heed_err set_currency(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                             void *place) {
    char code[4];
    if (!hd_value_currency(cell->text, f->currency, code)) {
        return bad_value(f, col, cell, "is not a currency: write its three letters (CNY, USD)",
                         "不是币种：请写三位字母代码（CNY、USD）");
    }
    char *copy = hd_arena_strndup(f->arena, code, 3);
    if (!copy) return HD_FAIL_MEMORY(4);
    *(hd_slice *)place = (hd_slice){copy, 3};
    return HEED_OK;
}

// Seconds, milliseconds or microseconds since 1970, told by their size: seconds from 1973 to the
// year 5138, then milliseconds. What is smaller is no time but a mistake.
static bool parse_epoch(hd_slice text, hd_time *out) {
    double number;
    if (!hd_slice_f64(text, &number)) return false;
    double size = fabs(number);
    if (size < 1e8) return false;
    hd_time_format_id id = size < 1e11   ? HD_TIME_UNIX_S
                           : size < 1e14 ? HD_TIME_UNIX_MS
                                         : HD_TIME_UNIX_US;
    return hd_time_parse(text, id, NULL, out);
}

static bool parse_time(const hd_fill *f, const hd_import_column *col, hd_slice text, hd_time *out) {
    if (f->posted && parse_epoch(text, out)) return true;
    if (col->time_format >= 0 &&
        hd_time_parse(text, (hd_time_format_id)col->time_format, f->zone, out)) {
        return true;
    }
    // The one format that can't be taken for another.
    return hd_time_parse(text, HD_TIME_ISO, f->zone, out);
}

static heed_err set_date(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    if (parse_time(f, col, cell->text, place)) return HEED_OK;
    // MySQL's date that was never set.
    if (cell->text.n >= 10 && memcmp(cell->text.p, "0000-00-00", 10) == 0) return HEED_OK;
    if (col->time_format < 0) {
        return bad_value(f, col, cell, "is not a time: write it like 2026-11-22T08:30:00Z",
                         "不是时间：请写成 2026-11-22T08:30:00Z 的形式");
    }
    // The format that the rest of the column has, in the message.
    hd_str en, zh;
    hd_str_init(&en);
    hd_str_init(&zh);
    const char *format = hd_time_format_name((hd_time_format_id)col->time_format);
    hd_str_addf(
        &en,
        "is not a time in the format %s that this column has: mend it, or write all times in ISO 8601 (2026-11-22T08:30:00Z)",
        format);
    hd_str_addf(&zh, "不符合该列的时间格式 %s：请改正，或统一写成 ISO 8601（2026-11-22T08:30:00Z）",
                format);
    heed_err err = hd_str_check(&en);
    if (err == HEED_OK) err = hd_str_check(&zh);
    if (err == HEED_OK) err = bad_value(f, col, cell, hd_str_get(&en), hd_str_get(&zh));
    hd_str_clear(&en);
    hd_str_clear(&zh);
    return err;
}

static heed_err set_time(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    HD_TRY(set_date(f, col, cell, place));
    if (f->bad || f->now == HD_TIME_NONE || *(hd_time *)place <= f->now + HD_DAY_MS) return HEED_OK;
    hd_text what = HD_TEXT("lies in the future: check the clock, the time zone and the column",
                           "是未来的时间：请检查时钟、时区和所映射的列");
    const hd_text posted = HD_TEXT("lies in the future: check the clock and the time zone",
                                   "是未来的时间：请检查时钟和时区");
    if (f->posted) what = posted;
    return bad_value(f, col, cell, what.en, what.zh);
}

static heed_err set_bool(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    if (hd_value_bool(cell->text, place)) return HEED_OK;
    return bad_value(f, col, cell, "is neither yes nor no: write true or false",
                     "既非是也非否：请写 true 或 false");
}

static heed_err add_to_list(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                            hd_slice part) {
    for (size_t i = 0; i < f->n_listed; i++) {
        if (f->listed[i].n == part.n && memcmp(f->listed[i].p, part.p, part.n) == 0) {
            return HEED_OK;
        }
    }
    if (f->n_listed == HD_MAX_LIST) {
        return bad_value(f, col, cell, "makes more than 64 entries: keep those that matter",
                         "超过 64 项：请只保留重要的");
    }
    f->listed[f->n_listed++] = part;
    hd_json_quote(&f->list, part.p, part.n);
    hd_str_addc(&f->list, ',');
    return hd_str_check(&f->list);
}

static heed_err add_json_list(hd_fill *f, hd_json_scan *scan, const hd_import_column *col,
                              const hd_cell *cell) {
    size_t at = 0;
    hd_cell element;
    heed_err err = HEED_OK;
    while (hd_json_element(scan, cell->text, &at, &element, &err)) {
        if (element.type == HD_CELL_OBJECT) {
            return bad_value(f, col, cell, "is a list of objects: a list of texts is due",
                             "是对象列表：此处应为文本列表");
        }
        if (element.type == HD_CELL_ARRAY) { // [["Home", "Kitchen"], ["Gifts"]]
            HD_TRY(add_json_list(f, scan, col, &element));
        } else if (element.type != HD_CELL_NULL && element.text.n > 0) {
            HD_TRY(add_to_list(f, col, cell, hd_slice_trim(element.text)));
        }
    }
    return err;
}

static heed_err set_list(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    (void)place; // written when the row is whole
    if (cell->type == HD_CELL_OBJECT) return plain(f, col, cell), HEED_OK;
    if (cell->type == HD_CELL_ARRAY) return add_json_list(f, &f->scan, col, cell);
    hd_slice text = hd_slice_trim(cell->text);
    if (text.n > 1 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
        bool ok = false;
        HD_TRY(hd_json_scan_run(&f->scan, text, &ok));
        hd_cell array = {.text = text, .type = HD_CELL_ARRAY};
        if (ok) return add_json_list(f, &f->scan, col, &array);
    }
    size_t at = 0;
    hd_slice part;
    while (hd_value_list_next(text, f->list_sign, &at, &part)) {
        HD_TRY(add_to_list(f, col, cell, part));
    }
    return HEED_OK;
}

static heed_err set_flag(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    int on = 0;
    (void)place;
    HD_TRY(set_bool(f, col, cell, &on));
    if (f->bad || !on) return HEED_OK;
    return add_to_list(f, col, cell, hd_slice_of(col->path));
}

static heed_err set_json(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *place) {
    if (cell->type == HD_CELL_OBJECT || cell->type == HD_CELL_ARRAY) {
        *(hd_slice *)place = cell->text;
        return HEED_OK;
    }
    return bad_value(f, col, cell, "is neither a JSON object nor a JSON array: mend the row",
                     "既非 JSON 对象也非 JSON 数组：请改正该行");
}

const hd_setter hd_setters[HD_FIELD_TYPES] = {
    [HD_FIELD_ID] = set_id,
    [HD_FIELD_TEXT] = set_text,
    [HD_FIELD_EVENT] = set_event,
    [HD_FIELD_NUMBER] = set_number,
    [HD_FIELD_QUANTITY] = set_quantity,
    [HD_FIELD_MONEY] = set_money,
    [HD_FIELD_CURRENCY] = set_currency,
    [HD_FIELD_TIME] = set_time,
    [HD_FIELD_DATE] = set_date,
    [HD_FIELD_BOOL] = set_bool,
    [HD_FIELD_LIST] = set_list,
    [HD_FIELD_FLAG] = set_flag,
    [HD_FIELD_OBJECT] = hd_set_object,
    [HD_FIELD_JSON] = set_json,
};
