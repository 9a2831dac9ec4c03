// SPDX-License-Identifier: Apache-2.0
//
// What has no field is written as a member of a JSON object, text by text: JSON as it stood, CSV as
// a string, or as a number where the whole column looked like numbers. A name that an attributes
// object and a column of its own both bring is kept twice, as `color` and `attributes.color`.
#include "prepare/read/fill.h"

#include "base/json.h"
#include "prepare/read/setters.h"
#include "prepare/read/value.h"

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

heed_err hd_set_object(hd_fill *f, const hd_import_column *col, const hd_cell *cell, void *place) {
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
    if (cell->type == HD_CELL_OBJECT) return hd_setters[col->field->type](f, col, cell, place);
    return hd_setters[col->field->type](f, col, &trimmed, place);
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
    f->wrong = NULL;
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
