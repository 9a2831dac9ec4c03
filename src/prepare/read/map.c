// SPDX-License-Identifier: Apache-2.0
//
// For each field the column whose name stands first in the field's synonyms; a column is given away
// once. Lists take all columns that fit. Fields that share a place (rating and value of an event)
// exclude each other, the first one wins.
#include "prepare/read/map.h"

#include "prepare/read/fold.h"

heed_err hd_columns_list(const hd_columns *c, hd_str *out) {
    enum { SHOWN = 12 };
    hd_str_reset(out);
    for (size_t i = 0; i < c->n && i < SHOWN; i++) {
        hd_quoted name = hd_quote_value(hd_slice_of(c->cols[i].path));
        hd_str_addf(out, i > 0 ? ", %s" : "%s", name.text);
    }
    if (c->n > SHOWN) hd_str_add(out, ", …");
    return hd_str_check(out);
}

// ── The user's --map ────────────────────────────────────────────────────────────────────────────

typedef struct candidates { // for "did you mean"
    const hd_columns *columns;
    const hd_schema *schema;
    size_t i;
} candidates;

static const char *next_column(void *ctx) {
    candidates *c = ctx;
    return c->i < c->columns->n ? c->columns->cols[c->i++].path : NULL;
}

static const char *next_field(void *ctx) {
    candidates *c = ctx;
    return c->i < c->schema->n_fields ? c->schema->fields[c->i++].name : NULL;
}

static heed_err no_such_column(const hd_mapping *m, const hd_columns *columns, const char *name) {
    candidates c = {columns, m->schema, 0};
    const char *near = hd_nearest(name, next_column, &c);
    if (near) {
        return HD_FAIL(HEED_USAGE, "%s has no column '%s': did you mean '%s'?",
                       "%s 没有列“%s”：是否指“%s”？", m->file, name, near);
    }
    hd_str list;
    hd_str_init(&list);
    heed_err err = hd_columns_list(columns, &list);
    if (err == HEED_OK) {
        err = HD_FAIL(HEED_USAGE, "%s has no column '%s': its columns are %s",
                      "%s 没有列“%s”：现有的列为 %s", m->file, name, hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

static heed_err no_such_field(const hd_mapping *m, const char *name) {
    candidates c = {NULL, m->schema, 0};
    const char *near = hd_nearest(name, next_field, &c);
    hd_text kind = hd_kind_text(m->schema->kind);
    if (near) {
        return HD_FAIL(HEED_USAGE, "%1$s have no field '%3$s': did you mean '%4$s'?%2$.0s",
                       "%2$s没有字段“%3$s”：是否指“%4$s”？%1$.0s", kind.en, kind.zh, name, near);
    }
    hd_str list;
    hd_str_init(&list);
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        hd_str_addf(&list, i > 0 ? ", %s" : "%s", m->schema->fields[i].name);
    }
    heed_err err = hd_str_check(&list);
    if (err == HEED_OK) {
        err = HD_FAIL(HEED_USAGE, "%1$s have no field '%3$s': their fields are %4$s%2$.0s",
                      "%2$s没有字段“%3$s”：可用字段为 %4$s%1$.0s", kind.en, kind.zh, name,
                      hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

// By its path, else by its folded name.
static heed_err find_column(const hd_columns *columns, const char *name, uint32_t *index,
                            bool *found) {
    *found = hd_columns_find(columns, name, index);
    if (*found) return HEED_OK;
    hd_str folded;
    hd_str_init(&folded);
    heed_err err = hd_fold_name(hd_slice_of(name), &folded);
    for (size_t i = 0; err == HEED_OK && i < columns->n && !*found; i++) {
        *found = folded.len > 0 && strcmp(columns->cols[i].folded, hd_str_get(&folded)) == 0;
        *index = (uint32_t)i;
    }
    hd_str_clear(&folded);
    return err;
}

static heed_err apply_user_map(const hd_mapping *m, const hd_import_map *map, hd_columns *columns) {
    uint32_t at = 0;
    bool found = false;
    HD_TRY(find_column(columns, map->column, &at, &found));
    if (!found) {
        candidates c = {columns, m->schema, 0};
        if (!m->open || hd_nearest(map->column, next_column, &c)) {
            return no_such_column(m, columns, map->column);
        }
        // A member that the first rows don't have: it may come.
        HD_TRY(hd_columns_add(columns, HD_NO_COLUMN, hd_slice_of(map->column), false, &at));
    }
    hd_import_column *col = &columns->cols[at];
    col->mapped = true;
    col->dropped = strcmp(map->field, "-") == 0;
    if (col->dropped || map->field[0] == 0) return HEED_OK;
    col->field = hd_schema_field(m->schema, map->field);
    return col->field ? HEED_OK : no_such_field(m, map->field);
}

// ── Names that are known ────────────────────────────────────────────────────────────────────────

static bool place_taken(const hd_columns *columns, const hd_field *field) {
    for (size_t i = 0; i < columns->n; i++) {
        const hd_field *other = columns->cols[i].field;
        if (other && other->offset == field->offset) return true;
    }
    return false;
}

static bool takes_many(const hd_field *field) {
    return field->type == HD_FIELD_LIST || field->type == HD_FIELD_FLAG;
}

static bool is_free(const hd_import_column *col) {
    return !col->field && !col->mapped;
}

static void apply_preset(const hd_mapping *m, hd_columns *columns, size_t first) {
    for (size_t i = 0; i < m->n_preset; i++) {
        const hd_field *field = hd_schema_field(m->schema, m->preset[i].field);
        for (size_t k = first; field && k < columns->n; k++) {
            hd_import_column *col = &columns->cols[k];
            if (!is_free(col) || strcmp(col->folded, m->preset[i].column) != 0) continue;
            if (takes_many(field) || !place_taken(columns, field)) col->field = field;
        }
    }
}

static void apply_synonyms(const hd_field *field, hd_columns *columns, size_t first) {
    hd_import_column *best = NULL;
    size_t best_rank = SIZE_MAX;
    if (!takes_many(field) && place_taken(columns, field)) return;
    for (size_t i = first; i < columns->n; i++) {
        hd_import_column *col = &columns->cols[i];
        size_t rank = is_free(col) ? hd_name_rank(field->names, col->folded) : SIZE_MAX;
        if (rank == SIZE_MAX) continue;
        if (takes_many(field)) col->field = field;
        if (rank < best_rank) {
            best = col;
            best_rank = rank;
        }
    }
    if (best) best->field = field;
}

bool hd_map_left_out(const hd_schema *schema, const hd_import_column *col) {
    size_t n = schema->leave_out ? strlen(schema->leave_out) : 0;
    return n > 0 && col->key.n >= n && memcmp(col->key.p, schema->leave_out, n) == 0;
}

void hd_map_late(const hd_mapping *m, hd_columns *columns, size_t first) {
    apply_preset(m, columns, first);
    for (size_t i = 0; i < m->schema->n_fields; i++) {
        apply_synonyms(&m->schema->fields[i], columns, first);
    }
    for (size_t i = first; i < columns->n; i++) {
        hd_import_column *col = &columns->cols[i];
        if (is_free(col) && hd_map_left_out(m->schema, col)) col->dropped = true;
    }
}

// ── What must be there ──────────────────────────────────────────────────────────────────────────

// Whether one of the fields named in the group has a column. *names: the group, with "or".
static bool group_mapped(const hd_mapping *m, const char *group, const hd_columns *columns) {
    for (size_t i = 0; i < columns->n; i++) {
        const hd_field *field = columns->cols[i].field;
        if (field && hd_name_rank(group, field->name) != SIZE_MAX) return true;
    }
    (void)m;
    return false;
}

static heed_err group_missing(const hd_mapping *m, const char *group, const hd_columns *columns) {
    hd_str list;
    hd_str_init(&list);
    heed_err err = hd_columns_list(columns, &list);
    int first = (int)strcspn(group, " ");
    hd_text kind = hd_kind_text(m->schema->kind);
    if (err == HEED_OK) {
        err =
            HD_FAIL(HEED_INPUT,
                    "%1$s: no column is known as the %2$.*3$s of %4$s; its columns are %6$s: name "
                    "it with --map COLUMN=%2$.*3$s, or say what the file holds with --as%5$.0s",
                    "%1$s：没有可作为%5$s %2$.*3$s 的列；现有的列为 %6$s：请用 --map 列=%2$.*3$s "
                    "指定，或用 --as 说明文件内容%4$.0s",
                    m->file, group, first, kind.en, kind.zh, hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

heed_err hd_map_columns(const hd_mapping *m, hd_columns *columns) {
    for (size_t i = 0; i < m->n_user; i++) HD_TRY(apply_user_map(m, &m->user[i], columns));
    hd_map_late(m, columns, 0);
    for (size_t i = 0; i < 3 && m->schema->required[i]; i++) {
        if (!group_mapped(m, m->schema->required[i], columns)) {
            return group_missing(m, m->schema->required[i], columns);
        }
    }
    return HEED_OK;
}
