// SPDX-License-Identifier: Apache-2.0
//
// One setter for each type of field, in one table. A setter that dislikes its cell writes the
// reason (column, field, value, what is wrong, what to do) and the row is bad; the first reason
// stands.
//
// What has no field is written as a member of a JSON object, text by text: JSON as it stood, CSV as
// a string, or as a number where the whole column looked like numbers. A name that an attributes
// object and a column of its own both bring is kept twice, as `color` and `attributes.color`.
#include "prepare/read/fill.h"

#include <assert.h>

#include "base/json.h"
#include "prepare/read/event_type.h"
#include "prepare/read/value.h"

typedef heed_err (*setter)(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                           void *place);

void hd_fill_init(hd_fill *f) {
    *f = (hd_fill){.now = HD_TIME_NONE};
    hd_str_init(&f->rest);
    hd_str_init(&f->list);
    hd_arena_init(&f->scan_arena);
    hd_json_scan_init(&f->scan, &f->scan_arena);
}

void hd_fill_clear(hd_fill *f) {
    hd_json_scan_clear(&f->scan);
    hd_arena_clear(&f->scan_arena);
    hd_str_clear(&f->list);
    hd_str_clear(&f->rest);
}

// The row is bad: "column 'ts' (time): 'abc' is not …: …".
static heed_err bad_value(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                          const char *en, const char *zh) {
    if (f->bad) return HEED_OK;
    f->bad = true;
    hd_quoted value = hd_quote_value(cell->text);
    hd_quoted column = hd_quote_value(hd_slice_of(col->path));
    HD_BAD_ROW(f->out, "column '%1$s' (%2$s): '%3$s' %4$s%5$.0s",
               "列“%1$s”（%2$s）：“%3$s”%5$s%4$.0s", column.text, col->field->name, value.text, en,
               zh);
    return HEED_OK;
}

// The cell's text as a plain value; false when it is an object or an array (and the row is bad).
static bool plain(hd_fill *f, const hd_import_column *col, const hd_cell *cell) {
    if (cell->type != HD_CELL_OBJECT && cell->type != HD_CELL_ARRAY) return true;
    (void)bad_value(f, col, cell,
                    "is not a single value: map a column inside of it (--map a.b=field)",
                    "不是单个值：请映射其内部的列（--map a.b=字段）");
    return false;
}

// ── Setters ─────────────────────────────────────────────────────────────────────────────────────

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

static heed_err set_id(hd_fill *f, const hd_import_column *col, const hd_cell *cell, void *place) {
    hd_slice id = cell->text;
    if (!plain(f, col, cell)) return HEED_OK;
    if (cell->type == HD_CELL_BOOL) {
        return bad_value(f, col, cell, "is true or false, not an id: map another column",
                         "是布尔值而不是标识：请映射其他列");
    }
    // JSON knows one kind of number: 12 and 12.0 are the same.
    if (cell->type == HD_CELL_NUMBER && id.n > 2 && memcmp(id.p + id.n - 2, ".0", 2) == 0)
        id.n -= 2;
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

static bool parse_time(const hd_fill *f, const hd_import_column *col, hd_slice text, hd_time *out) {
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
    return bad_value(f, col, cell,
                     "lies in the future: check the clock, the time zone and the column",
                     "是未来的时间：请检查时钟、时区和所映射的列");
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

// ── What has no field ───────────────────────────────────────────────────────────────────────────

static void rest_json_value(hd_fill *f, const hd_cell *cell) {
    hd_json_copy(cell->raw, f->big, &f->rest);
    hd_str_addc(&f->rest, ',');
}

// -?(0|[1-9][0-9]*)(.[0-9]+)?, at most 15 digits: what JSON takes as it stands and a double holds.
static bool is_json_number(hd_slice s) {
    size_t i = s.n > 0 && s.p[0] == '-';
    size_t start = i;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') i++;
    if (i == start || s.n - start > 16 || (s.p[start] == '0' && i > start + 1)) return false;
    if (i == s.n) return true;
    if (s.p[i++] != '.' || i == s.n) return false;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') i++;
    return i == s.n;
}

static heed_err rest_cell(hd_fill *f, const hd_import_column *col, const hd_cell *cell) {
    hd_str_add(&f->rest, col->quoted_key);
    if (f->json) {
        rest_json_value(f, cell);
    } else if (col->numeric && is_json_number(cell->text)) {
        hd_str_addn(&f->rest, cell->text.p, cell->text.n);
        hd_str_addc(&f->rest, ',');
    } else {
        hd_json_quote(&f->rest, cell->text.p, cell->text.n);
        hd_str_addc(&f->rest, ',');
    }
    return hd_str_check(&f->rest);
}

// A member of an attributes object joins the rest, under its path when a column has its name.
static heed_err splice(hd_fill *f, const hd_import_column *col, const hd_cell *cell) {
    uint32_t other;
    char *name = hd_arena_strndup(f->arena, cell->key.p, cell->key.n);
    if (!name) return HD_FAIL_MEMORY(cell->key.n);
    bool taken = hd_columns_find(f->columns, name, &other) && f->columns->cols[other].field == NULL;
    if (taken) name = hd_arena_printf(f->arena, "%s.%s", col->path, name);
    if (!name) return HD_FAIL_MEMORY(cell->key.n);
    hd_json_quote(&f->rest, name, strlen(name));
    hd_str_addc(&f->rest, ':');
    rest_json_value(f, cell);
    return hd_str_check(&f->rest);
}

static heed_err rest_members(hd_fill *f, const hd_cell *cells, size_t n, void *target);

static heed_err set_object(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                           void *place) {
    (void)place; // written when the row is whole
    hd_cell inner = *cell;
    const hd_cell *members = cell + 1;
    size_t n = cell->size;
    if (!f->json && cell->text.p[0] == '{') {
        bool ok = false;
        HD_TRY(hd_json_scan_run(&f->scan, cell->text, &ok));
        if (ok) {
            inner.type = HD_CELL_OBJECT;
            members = f->scan.cells;
            n = f->scan.n;
        }
    }
    if (inner.type != HD_CELL_OBJECT) return rest_cell(f, col, cell);
    bool big = f->big;
    f->spliced = true;
    if (!f->json) f->big = f->scan.big;
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i += 1 + members[i].size) {
        uint32_t at = members[i].column;
        // JSON: members that have a field of their own are not repeated here.
        if (at != HD_NO_COLUMN && (f->columns->cols[at].field || f->columns->cols[at].dropped)) {
            continue;
        }
        err = splice(f, col, &members[i]);
    }
    f->big = big;
    return err;
}

static const setter setters[HD_FIELD_TYPES] = {
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
    [HD_FIELD_OBJECT] = set_object,
    [HD_FIELD_JSON] = set_json,
};

// ── The row ─────────────────────────────────────────────────────────────────────────────────────

static bool is_absent(const hd_cell *cell, const hd_field *field) {
    if (cell->type == HD_CELL_NULL || cell->text.n == 0) return true;
    if (cell->type != HD_CELL_TEXT) return false;
    if (hd_slice_trim(cell->text).n == 0) return true;
    if (field && (field->type == HD_FIELD_TEXT)) {
        return hd_slice_eq(cell->text, "\\N") || hd_slice_eq(cell->text, "NULL");
    }
    return hd_value_is_nothing(cell->text);
}

static heed_err set_cell(hd_fill *f, const hd_import_column *col, const hd_cell *cell,
                         void *target) {
    if (is_absent(cell, col->field)) return HEED_OK;
    hd_cell trimmed = *cell;
    if (cell->type == HD_CELL_TEXT) trimmed.text = hd_slice_trim(cell->text);
    void *place = (char *)target + col->field->offset;
    if (cell->type == HD_CELL_OBJECT) return setters[col->field->type](f, col, cell, place);
    return setters[col->field->type](f, col, &trimmed, place);
}

static heed_err fill_cells(hd_fill *f, const hd_row *row, void *target) {
    bool keeps_rest = f->schema->rest != HD_NO_PLACE && !f->schema->closed;
    for (size_t i = 0; i < row->n && !f->bad; i++) {
        const hd_cell *cell = &row->cells[i];
        const hd_import_column *col = &f->columns->cols[cell->column];
        if (col->field) {
            HD_TRY(set_cell(f, col, cell, target));
        } else if (keeps_rest && !col->dropped && !is_absent(cell, NULL)) {
            HD_TRY(rest_cell(f, col, cell));
        }
    }
    return HEED_OK;
}

// Whether a member inside of an object has a field, or is to be left out.
static bool holds_field(const hd_fill *f, const hd_cell *cell) {
    for (size_t i = 1; i <= cell->size; i++) {
        uint32_t at = cell[i].column;
        if (at != HD_NO_COLUMN && (f->columns->cols[at].field || f->columns->cols[at].dropped)) {
            return true;
        }
    }
    return false;
}

// An object in which some members have fields: the others stay an object of their own.
static heed_err rest_object(hd_fill *f, const hd_cell *cell, void *target) {
    bool keeps_rest = f->schema->rest != HD_NO_PLACE && !f->schema->closed;
    size_t start = f->rest.len;
    hd_json_quote(&f->rest, cell->key.p, cell->key.n);
    hd_str_add(&f->rest, ":{");
    size_t empty = f->rest.len;
    HD_TRY(rest_members(f, cell + 1, cell->size, target));
    HD_TRY(hd_str_check(&f->rest));
    if (f->rest.len == empty || !keeps_rest) {
        f->rest.len = start;
        f->rest.data[start] = 0;
        return HEED_OK;
    }
    f->rest.data[f->rest.len - 1] = '}'; // in place of the last comma
    hd_str_addc(&f->rest, ',');
    return hd_str_check(&f->rest);
}

static heed_err rest_members(hd_fill *f, const hd_cell *cells, size_t n, void *target) {
    bool keeps_rest = f->schema->rest != HD_NO_PLACE && !f->schema->closed;
    for (size_t i = 0; i < n && !f->bad; i += 1 + cells[i].size) {
        const hd_cell *cell = &cells[i];
        const hd_import_column *col =
            cell->column == HD_NO_COLUMN ? NULL : &f->columns->cols[cell->column];
        bool object = cell->type == HD_CELL_OBJECT;
        if (col && col->dropped) continue;
        if (col && col->field) {
            HD_TRY(set_cell(f, col, cell, target));
            if (!object || col->field->type != HD_FIELD_OBJECT || !holds_field(f, cell)) continue;
            // attributes whose members have fields: those are set as well
            size_t kept = f->rest.len;
            HD_TRY(rest_members(f, cell + 1, cell->size, target));
            f->rest.len = kept;
            if (f->rest.data) f->rest.data[kept] = 0;
        } else if (object && holds_field(f, cell)) {
            HD_TRY(rest_object(f, cell, target));
        } else if (keeps_rest && cell->type != HD_CELL_NULL) {
            hd_json_quote(&f->rest, cell->key.p, cell->key.n);
            hd_str_addc(&f->rest, ':');
            rest_json_value(f, cell);
            HD_TRY(hd_str_check(&f->rest));
        }
    }
    return HEED_OK;
}

// Closes what was gathered, "a,b," → "[a,b]", into the arena.
static heed_err close_gathered(hd_fill *f, hd_str *s, char open, char close, void *place) {
    if (s->len == 0) return HEED_OK;
    char *text = hd_arena_alloc(f->arena, s->len + 2);
    if (!text) return HD_FAIL_MEMORY(s->len);
    text[0] = open;
    memcpy(text + 1, s->data, s->len - 1);
    text[s->len] = close;
    text[s->len + 1] = 0;
    *(hd_slice *)place = (hd_slice){text, s->len + 1};
    return HEED_OK;
}

// Two objects that join may still bring a name twice (`attributes.color` was taken, too): then
// other readers would refuse what is stored.
static heed_err check_names(hd_fill *f, hd_slice rest) {
    bool ok = true;
    if (f->spliced && rest.p) HD_TRY(hd_json_scan_run(&f->scan, rest, &ok));
    if (ok) return HEED_OK;
    HD_BAD_ROW(f->out, "a name stands twice among the attributes: rename one of them",
               "属性中有重复的名称：请改名");
    return HEED_OK;
}

static void set_default_currency(hd_fill *f, void *target) {
    if (f->schema->currency == HD_NO_PLACE || !f->money) return;
    hd_slice *place = (hd_slice *)(void *)((char *)target + f->schema->currency);
    const char *code = f->sign_currency ? f->sign_currency : f->currency;
    if (!place->p && code) *place = hd_slice_of(code);
}

heed_err hd_fill_row(hd_fill *f, const hd_row *row, void *target, hd_import_row *out) {
    f->out = out;
    f->big = row->big;
    f->bad = false;
    f->sign_currency = NULL;
    f->money = false;
    f->spliced = false;
    f->n_listed = 0;
    hd_str_reset(&f->rest);
    hd_str_reset(&f->list);
    hd_arena_reset(&f->scan_arena);
    HD_TRY(f->json ? rest_members(f, row->cells, row->n, target) : fill_cells(f, row, target));
    if (f->bad) return HEED_OK;
    char *base = target;
    if (f->schema->rest != HD_NO_PLACE) {
        hd_slice *rest = (hd_slice *)(void *)(base + f->schema->rest);
        HD_TRY(close_gathered(f, &f->rest, '{', '}', rest));
        HD_TRY(check_names(f, *rest));
    }
    if (f->schema->list != HD_NO_PLACE) {
        HD_TRY(close_gathered(f, &f->list, '[', ']', base + f->schema->list));
    }
    set_default_currency(f, target);
    return HEED_OK;
}
