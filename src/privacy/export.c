// SPDX-License-Identifier: Apache-2.0
//
// All that is stored of a person, as JSON: one row of `parts` for each kind of row, with its query
// and the names and kinds of its columns. A column that is NULL is left out. Adding a table with
// personal rows means adding a row here, one in erase.c, and a test would fail without either.
#include "base/json.h"
#include "privacy/own.h"
#include "privacy/rights.h"

#define HIS "(SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)"

// ROW is the key of the row that the sealed columns after it stand in (shown if it has a name);
// PERSON the key of a user, shown as the id.
typedef enum kind { END, TEXT, INT, REAL, TIME, ITEM, TYPE, BOOL, ROW, PERSON, SEALED, JSON } kind;
enum { COLUMNS = 14 };

typedef struct part {
    const char *name;
    const char *sql; // ?1: the person
    struct {
        const char *name;
        kind kind;
        hd_field field; // of SEALED and JSON
    } columns[COLUMNS];
} part;

static const part parts[] = {
    {"ids",
     "SELECT key, key, created, attributes, batch FROM users WHERE key = ?1 OR person = ?1"
     " ORDER BY key <> ?1, key",
     {{NULL, ROW},
      {"id", PERSON},
      {"created", TIME},
      {"attributes", JSON, HD_FIELD_ATTRIBUTES},
      {"import", INT}}},
    {"joined",
     "SELECT from_key, into_key, batch FROM user_links WHERE from_key IN " HIS " ORDER BY key",
     {{"from", PERSON}, {"into", PERSON}, {"import", INT}}},
    // The event's own id is kept as a keyed hash alone.
    {"events",
     "SELECT * FROM " HD_EVENTS(
         "key, user_key, type, item_key, time, value, quantity, currency, session, properties, batch",
         "user_key IN " HIS) " ORDER BY time, key",
     {{"event", ROW},
      {"id", PERSON},
      {"type", TYPE},
      {"item", ITEM},
      {"time", TIME},
      {"value", REAL},
      {"quantity", REAL},
      {"currency", TEXT},
      {"session", SEALED, HD_FIELD_SESSION},
      {"properties", JSON, HD_FIELD_PROPERTIES},
      {"import", INT}}},
    {"reviews",
     "SELECT key, user_key, item_key, rating, title, text, time, batch FROM reviews"
     " WHERE user_key IN " HIS " ORDER BY time, key",
     {{"review", ROW},
      {"id", PERSON},
      {"item", ITEM},
      {"rating", REAL},
      {"title", SEALED, HD_FIELD_TITLE},
      {"text", SEALED, HD_FIELD_REVIEW},
      {"time", TIME},
      {"import", INT}}},
    {"tickets",
     "SELECT key, id_box, user_key, subject, status, batch FROM tickets"
     " WHERE user_key IN " HIS " ORDER BY key",
     {{NULL, ROW},
      {"ticket", SEALED, HD_FIELD_TICKET_ID},
      {"id", PERSON},
      {"subject", SEALED, HD_FIELD_SUBJECT},
      {"status", TEXT},
      {"import", INT}}},
    {"messages",
     "SELECT t.key, t.id_box, m.key, m.role, m.text, m.time, m.batch FROM messages AS m"
     " JOIN tickets AS t ON t.key = m.ticket_key WHERE t.user_key IN " HIS
     " ORDER BY t.key, m.time, m.key",
     {{NULL, ROW},
      {"ticket", SEALED, HD_FIELD_TICKET_ID},
      {NULL, ROW},
      {"role", TEXT},
      {"text", SEALED, HD_FIELD_MESSAGE},
      {"time", TIME},
      {"import", INT}}},
    {"overwritten_ids",
     "SELECT key, key, created, attributes, batch, by_batch FROM users_before"
     " WHERE key IN " HIS " ORDER BY by_batch, key",
     {{NULL, ROW},
      {"id", PERSON},
      {"created", TIME},
      {"attributes", JSON, HD_FIELD_ATTRIBUTES},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"overwritten_reviews",
     "SELECT key, user_key, item_key, rating, title, text, time, batch, by_batch"
     " FROM reviews_before WHERE user_key IN " HIS " ORDER BY by_batch, key",
     {{"review", ROW},
      {"id", PERSON},
      {"item", ITEM},
      {"rating", REAL},
      {"title", SEALED, HD_FIELD_TITLE},
      {"text", SEALED, HD_FIELD_REVIEW},
      {"time", TIME},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"overwritten_tickets",
     "SELECT key, (SELECT id_box FROM tickets WHERE tickets.key = tickets_before.key), user_key,"
     " subject, status, batch, by_batch FROM tickets_before"
     " WHERE user_key IN " HIS " ORDER BY by_batch, key",
     {{NULL, ROW},
      {"ticket", SEALED, HD_FIELD_TICKET_ID},
      {"id", PERSON},
      {"subject", SEALED, HD_FIELD_SUBJECT},
      {"status", TEXT},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"consents",
     "SELECT user_key, purpose, state, time, source FROM consents"
     " WHERE user_key IN " HIS " ORDER BY user_key, purpose",
     {{"id", PERSON}, {"purpose", TEXT}, {"on", BOOL}, {"time", TIME}, {"source", TEXT}}},
    {"consent_history",
     "SELECT user_key, purpose, state, time, source FROM consent_history"
     " WHERE user_key IN " HIS " ORDER BY key",
     {{"id", PERSON}, {"purpose", TEXT}, {"on", BOOL}, {"time", TIME}, {"source", TEXT}}},
};
enum { PARTS = sizeof parts / sizeof *parts };

typedef struct exporter {
    hd_door *door;
    hd_item_names items;
    int64_t row; // of the sealed columns to come
} exporter;

// ── Columns ──

static heed_err make_text(hd_slice text, json_t **out) {
    *out = json_stringn(text.p, text.n);
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

static heed_err make_time(hd_time time, json_t **out) {
    char text[32];
    hd_time_format(time, NULL, text);
    return make_text(hd_slice_of(text), out);
}

static heed_err make_json(hd_slice text, json_t **out) {
    heed_err err = hd_json_parse(text.p, text.n, "export", out);
    if (err == HEED_OK || err == HEED_MEMORY) return err;
    return make_text(text, out); // whatever it is, it is the person's
}

static heed_err make_item(const exporter *e, int64_t key, json_t **out) {
    const char *id;
    HD_TRY(e->items.id(e->items.ctx, key, &id));
    return make_text(hd_slice_of(id), out);
}

static heed_err make_type(const exporter *e, int64_t key, json_t **out) {
    const char *name;
    HD_TRY(hd_types_name(e->door, key, &name));
    return make_text(hd_slice_of(name), out);
}

static heed_err make_person(const exporter *e, int64_t key, json_t **out) {
    hd_arena arena;
    hd_slice id;
    hd_arena_init(&arena);
    heed_err err = hd_users_id(e->door, key, &arena, &id);
    if (err == HEED_OK) err = make_text(id, out);
    hd_arena_clear(&arena);
    return err;
}

static heed_err make_sealed(const exporter *e, hd_field field, bool json, hd_slice box,
                            json_t **out) {
    hd_arena arena;
    hd_slice text;
    hd_arena_init(&arena);
    heed_err err = hd_seal_open(e->door, field, e->row, box, &arena, &text);
    if (err == HEED_OK) err = json ? make_json(text, out) : make_text(text, out);
    hd_arena_clear(&arena);
    return err;
}

static heed_err make_value(exporter *e, hd_query *q, int col, kind what, hd_field field,
                           json_t **out) {
    switch (what) {
    case TEXT:
        return make_text(hd_query_text(q, col), out);
    case TIME:
        return make_time(hd_query_time(q, col), out);
    case SEALED:
    case JSON:
        return make_sealed(e, field, what == JSON, hd_query_blob(q, col), out);
    case PERSON:
        return make_person(e, hd_query_i64(q, col), out);
    case ITEM:
        return make_item(e, hd_query_i64(q, col), out);
    case TYPE:
        return make_type(e, hd_query_i64(q, col), out);
    case REAL:
        *out = hd_json_real(hd_query_f64(q, col));
        break;
    case BOOL:
        *out = json_boolean(hd_query_i64(q, col) != 0);
        break;
    case INT:
    case ROW:
    case END:
        *out = json_integer(hd_query_i64(q, col));
        break;
    }
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// ── Rows ──

static heed_err add_row(exporter *e, const part *p, hd_query *q, json_t *array) {
    json_t *row = json_object();
    heed_err err = row ? HEED_OK : HD_FAIL_MEMORY(0);
    for (int c = 0; err == HEED_OK && c < COLUMNS && p->columns[c].kind != END; c++) {
        json_t *value = NULL;
        if (p->columns[c].kind == ROW) e->row = hd_query_i64(q, c);
        if (hd_query_is_null(q, c) || !p->columns[c].name) continue;
        err = make_value(e, q, c, p->columns[c].kind, p->columns[c].field, &value);
        if (err == HEED_OK) err = hd_json_set(row, p->columns[c].name, value);
    }
    if (err == HEED_OK) return hd_json_append(array, row);
    json_decref(row);
    return err;
}

static heed_err add_rows(exporter *e, const part *p, int64_t person, json_t *array) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(e->door->store, p->sql, &q));
    hd_query_bind_i64(q, 1, person);
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(add_row(e, p, q, array));
    }
out:
    hd_query_close(q);
    return err;
}

static heed_err add_parts(exporter *e, int64_t person, json_t *out) {
    for (int i = 0; i < PARTS; i++) {
        HD_TRY(hd_json_set(out, parts[i].name, json_array()));
        HD_TRY(add_rows(e, &parts[i], person, json_object_get(out, parts[i].name)));
    }
    return HEED_OK;
}

heed_err hd_rights_export(hd_door *door, int64_t person, hd_item_names items, json_t *out) {
    exporter e = {.door = door, .items = items};
    HD_TRY(hd_store_begin_read(door->store)); // all of one state
    hd_door_sync(door);
    heed_err err = add_parts(&e, person, out);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
