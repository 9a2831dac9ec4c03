// SPDX-License-Identifier: Apache-2.0
//
// The value is written as text once more and read as a line of a file is: so names, values and
// messages are those of an import, and there is one way from JSON to a record. Writing it costs a
// microsecond, a tenth of what the database takes.
//
// An importer gives a name its field when it first meets it, for the whole file. Here that would
// let one request decide what the next one means: fields are given out anew for each object. How
// well a column's name fits each field is kept beside the column, so that costs a hundred
// comparisons of bytes. Columns are forgotten when many have come together: clients may send any
// names.
#include "prepare/posted.h"

#include "base/json.h"
#include "base/mem.h"
#include "prepare/preset/preset.h"
#include "prepare/read/fill.h"
#include "prepare/read/fold.h"
#include "prepare/read/map.h"

enum { MAX_FIELDS = 32, NO_RANK = 255, COLUMNS_KEPT = 2048 };

struct hd_posted {
    const hd_schema *schema;
    const hd_field *type; // of events that heed's own words name; NULL: none
    hd_zone *zone;
    hd_arena arena;   // for its life
    hd_reader reader; // its columns, its scan, its arena: no text behind it
    uint8_t *ranks;   // (columns, MAX_FIELDS) how well names fit, 0 the best, NO_RANK not
    size_t n_ranked, cap_ranks;
    hd_fill fill;
    void *filled, *blank; // (schema->size)
    hd_sink sink;
    size_t next;
};

// ── Opening ──

static heed_err find_schema(const hd_posted_params *params, hd_posted *p) {
    p->schema = hd_schemas[params->kind];
    if (!params->preset) {
        if (params->kind == HD_KIND_EVENTS) p->type = hd_schema_field(p->schema, "type");
        return HEED_OK;
    }
    const hd_preset *preset;
    hd_shape shape = {.kind = -1};
    const hd_preset_file file = {"posted", {"", 0}};
    HD_TRY(hd_preset_find(params->preset, &preset));
    HD_TRY(preset->shape(&file, &shape));
    if (shape.schema) p->schema = shape.schema;
    return HEED_OK;
}

// A copy that lives as long as the handle; NULL stays NULL.
static heed_err keep(hd_posted *p, const char *text, const char **out) {
    *out = text ? hd_arena_strdup(&p->arena, text) : NULL;
    return text && !*out ? HD_FAIL_MEMORY(0) : HEED_OK;
}

static heed_err set_up(const hd_posted_params *params, hd_posted *p) {
    const char *call;
    HD_TRY(find_schema(params, p));
    if (params->zone) HD_TRY(hd_zone_open(params->zone, &p->zone));
    HD_TRY(keep(p, params->currency, &p->fill.currency));
    HD_TRY(keep(p, params->call, &call));
    if (call) p->sink.call = hd_slice_of(call);
    p->fill.schema = p->schema;
    p->fill.columns = &p->reader.columns;
    p->fill.zone = p->zone;
    p->fill.json = p->fill.posted = true;
    p->fill.arena = p->sink.arena = &p->reader.arena;
    p->filled = hd_calloc(1, p->schema->size);
    p->blank = hd_calloc(1, p->schema->size);
    if (!p->filled || !p->blank) return HD_FAIL_MEMORY(p->schema->size);
    hd_schema_blank(p->schema, p->blank);
    if (!params->preset) ((hd_record *)p->blank)->kind = params->kind;
    return HEED_OK;
}

heed_err hd_posted_open(const hd_posted_params *params, hd_posted **out) {
    hd_posted *p = hd_calloc(1, sizeof *p);
    if (!p) return HD_FAIL_MEMORY(sizeof *p);
    hd_arena_init(&p->arena);
    hd_reader_init(&p->reader);
    hd_fill_init(&p->fill);
    heed_err err = set_up(params, p);
    if (err != HEED_OK) {
        hd_posted_close(p);
        return err;
    }
    *out = p;
    return HEED_OK;
}

void hd_posted_close(hd_posted *p) {
    if (!p) return;
    hd_free(p->sink.records);
    hd_free(p->filled);
    hd_free(p->blank);
    hd_free(p->ranks);
    hd_fill_clear(&p->fill);
    hd_reader_clear(&p->reader);
    hd_zone_close(p->zone);
    hd_arena_clear(&p->arena);
    hd_free(p);
}

// ── Names and fields ──

static void forget_columns(hd_posted *p) {
    hd_columns_clear(&p->reader.columns);
    hd_columns_init(&p->reader.columns);
    p->reader.n_order = 0;
    p->n_ranked = 0;
}

static heed_err rank_new_columns(hd_posted *p) {
    const hd_columns *columns = &p->reader.columns;
    HD_TRY(hd_grow(&p->ranks, &p->cap_ranks, columns->n * MAX_FIELDS, 1));
    for (; p->n_ranked < columns->n; p->n_ranked++) {
        uint8_t *ranks = p->ranks + p->n_ranked * MAX_FIELDS;
        for (size_t f = 0; f < p->schema->n_fields; f++) {
            size_t rank =
                hd_name_rank(p->schema->fields[f].names, columns->cols[p->n_ranked].folded);
            ranks[f] = rank < NO_RANK ? (uint8_t)rank : NO_RANK;
        }
    }
    return HEED_OK;
}

static bool takes_many(const hd_field *field) {
    return field->type == HD_FIELD_LIST || field->type == HD_FIELD_FLAG;
}

// Gives field `f` the best of the object's columns that are free; whether there was one.
static bool give_out(hd_posted *p, const hd_row *row, size_t f) {
    const hd_field *field = &p->schema->fields[f];
    hd_import_column *best = NULL;
    uint8_t best_rank = NO_RANK;
    for (size_t i = 0; i < row->n; i++) {
        uint32_t at = row->cells[i].column;
        if (at == HD_NO_COLUMN) continue;
        hd_import_column *col = &p->reader.columns.cols[at];
        uint8_t rank = p->ranks[at * MAX_FIELDS + f];
        if (rank == NO_RANK || col->field) continue;
        if (takes_many(field)) col->field = field;
        if (rank < best_rank) {
            best = col;
            best_rank = rank;
        }
    }
    if (best) best->field = field;
    return best != NULL;
}

static void give_fields(hd_posted *p, const hd_row *row) {
    bool given[MAX_FIELDS] = {false};
    for (size_t i = 0; i < row->n; i++) {
        uint32_t at = row->cells[i].column;
        if (at != HD_NO_COLUMN) p->reader.columns.cols[at].field = NULL;
    }
    const hd_field *fields = p->schema->fields;
    for (size_t f = 0; f < p->schema->n_fields; f++) {
        bool taken = false; // rating and value share a place: the first one wins
        for (size_t k = 0; k < f; k++)
            taken |= given[k] && fields[k].offset == fields[f].offset && !takes_many(&fields[f]);
        if (!taken) given[f] = give_out(p, row, f);
    }
    for (size_t i = 0; i < row->n; i++) {
        uint32_t at = row->cells[i].column;
        if (at == HD_NO_COLUMN) continue;
        hd_import_column *col = &p->reader.columns.cols[at];
        col->dropped = !col->field && hd_map_left_out(p->schema, col);
    }
}

// ── One value ──

static heed_err scan(hd_posted *p, const json_t *value, hd_import_row *row, hd_row *cells) {
    hd_str_reset(&p->reader.text);
    HD_TRY(hd_json_dump(value, false, &p->reader.text));
    HD_TRY(hd_str_check(&p->reader.text));
    hd_slice text = {hd_str_get(&p->reader.text), p->reader.text.len};
    bool ok = false;
    HD_TRY(hd_json_scan_run(&p->reader.json, text, &ok));
    if (!ok) {
        HD_BAD_ROW(row, "not sound JSON: %1$s%2$.0s", "JSON 有误：%2$s%1$.0s",
                   p->reader.json.problem.en, p->reader.json.problem.zh);
        return HEED_OK;
    }
    if (p->reader.json.n > HD_POSTED_MEMBERS) {
        HD_BAD_ROW(row, "it has more than %d members: keep those that matter",
                   "成员超过 %d 个：请只保留重要的", HD_POSTED_MEMBERS);
        return HEED_OK;
    }
    if (p->reader.columns.n > COLUMNS_KEPT) forget_columns(p);
    HD_TRY(hd_reader_cells(&p->reader, cells));
    return rank_new_columns(p);
}

// Events in heed's own words say what happened; a rating says so by itself.
static bool says_type(hd_posted *p, const hd_row *cells, hd_import_row *row) {
    const hd_field *rating = p->type ? hd_schema_field(p->schema, "rating") : NULL;
    p->sink.default_type = (hd_slice){0};
    if (!p->type || ((const hd_record *)p->filled)->event.type.p) return true;
    for (size_t i = 0; i < cells->n; i++) {
        uint32_t at = cells->cells[i].column;
        bool rated = at != HD_NO_COLUMN && p->reader.columns.cols[at].field == rating;
        if (rated && cells->cells[i].type != HD_CELL_NULL) {
            p->sink.default_type = hd_slice_of("rating");
            return true;
        }
    }
    HD_BAD_ROW(row, "the event has no type: say what happened (view, cart, purchase, …)",
               "事件没有类型：请说明发生了什么（view、cart、purchase 等）");
    return false;
}

static heed_err understand(hd_posted *p, const json_t *value, hd_import_row *row) {
    hd_row cells = {.state = HD_ROW_RECORD};
    HD_TRY(scan(p, value, row, &cells));
    if (row->state == HD_ROW_BAD) return HEED_OK;
    give_fields(p, &cells);
    memcpy(p->filled, p->blank, p->schema->size);
    HD_TRY(hd_fill_row(&p->fill, &cells, p->filled, row));
    if (row->state == HD_ROW_BAD || !says_type(p, &cells, row)) return HEED_OK;
    return p->schema->finish(&p->sink, p->filled);
}

heed_err hd_posted_take(hd_posted *p, const json_t *value, hd_time now, hd_import_row *row) {
    hd_arena_reset(&p->reader.arena);
    row->state = HD_ROW_RECORD;
    row->line = 0;
    p->fill.now = p->sink.now = now;
    p->fill.wrong = NULL;
    p->sink.row = row;
    p->sink.n = p->next = 0;
    if (!json_is_object(value)) {
        HD_BAD_ROW(row, "this is not an object: a record is one, {…}",
                   "这不是对象：一条记录应为 {…}");
        return HEED_OK;
    }
    HD_TRY(understand(p, value, row));
    if (row->state == HD_ROW_BAD) {
        p->sink.n = 0;
    } else if (!hd_posted_next(p, row)) {
        row->state = HD_ROW_END;
    }
    return HEED_OK;
}

bool hd_posted_next(hd_posted *p, hd_import_row *row) {
    if (p->next == p->sink.n) return false;
    row->record = p->sink.records[p->next++];
    return true;
}

size_t hd_posted_count(const hd_posted *p) {
    return p->sink.n;
}

// ── Where ──

static void add_part(hd_slice key, hd_str *out) {
    hd_str_addc(out, '/');
    for (size_t i = 0; i < key.n; i++) { // RFC 6901: ~ and / are escaped
        if (key.p[i] == '~' || key.p[i] == '/')
            hd_str_add(out, key.p[i] == '~' ? "~0" : "~1");
        else
            hd_str_addc(out, key.p[i]);
    }
}

void hd_posted_pointer(const hd_posted *p, hd_str *out) {
    const hd_import_column *path[HD_JSON_DEPTH];
    size_t n = 0;
    for (const hd_import_column *col = p->fill.wrong; col && n < HD_JSON_DEPTH;) {
        path[n++] = col;
        col = col->parent == HD_NO_COLUMN ? NULL : &p->reader.columns.cols[col->parent];
    }
    while (n > 0) add_part(path[--n]->key, out);
}
