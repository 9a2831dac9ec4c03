// SPDX-License-Identifier: Apache-2.0
//
// All that is stored of a person, as JSON: one row of `parts` for each kind of row, with its query
// and the names and kinds of its columns. A column that is NULL is left out. Adding a table with
// personal rows means adding a row here, one in erase.c, and a test would fail without either.
#include "base/json.h"
#include "privacy/own.h"
#include "privacy/rights.h"

#define HIS "(SELECT ?1 UNION ALL SELECT key FROM users WHERE person = ?1)"
#define ID_OF(key) "(SELECT external_id FROM users WHERE users.key = " key ")"

typedef enum kind { END, TEXT, INT, REAL, TIME, JSON, ITEM, TYPE, BOOL } kind;
enum { COLUMNS = 14 };

typedef struct part {
    const char *name;
    const char *sql; // ?1: the person
    struct {
        const char *name;
        kind kind;
    } columns[COLUMNS];
} part;

static const part parts[] = {
    {"ids",
     "SELECT external_id, created, attributes, batch FROM users WHERE key = ?1 OR person = ?1"
     " ORDER BY key <> ?1, key",
     {{"id", TEXT}, {"created", TIME}, {"attributes", JSON}, {"import", INT}}},
    {"joined",
     "SELECT " ID_OF("from_key") ", " ID_OF("into_key") ", batch FROM user_links"
                                                        " WHERE from_key IN " HIS " ORDER BY key",
     {{"from", TEXT}, {"into", TEXT}, {"import", INT}}},
    {"events",
     "SELECT key, " ID_OF(
         "user_key") ", event_id, type, item_key, time, value, quantity, currency,"
                     " session, properties, batch FROM events WHERE user_key IN " HIS
                     " ORDER BY time, key",
     {{"event", INT},
      {"id", TEXT},
      {"event_id", TEXT},
      {"type", TYPE},
      {"item", ITEM},
      {"time", TIME},
      {"value", REAL},
      {"quantity", REAL},
      {"currency", TEXT},
      {"session", TEXT},
      {"properties", JSON},
      {"import", INT}}},
    {"reviews",
     "SELECT key, " ID_OF("user_key") ", review_id, item_key, rating, title, text, time, batch"
                                      " FROM reviews WHERE user_key IN " HIS " ORDER BY time, key",
     {{"review", INT},
      {"id", TEXT},
      {"review_id", TEXT},
      {"item", ITEM},
      {"rating", REAL},
      {"title", TEXT},
      {"text", TEXT},
      {"time", TIME},
      {"import", INT}}},
    {"tickets",
     "SELECT ticket_id, " ID_OF("user_key") ", subject, status, batch FROM tickets"
                                            " WHERE user_key IN " HIS " ORDER BY key",
     {{"ticket", TEXT}, {"id", TEXT}, {"subject", TEXT}, {"status", TEXT}, {"import", INT}}},
    {"messages",
     "SELECT t.ticket_id, m.message_id, m.role, m.text, m.time, m.batch FROM messages AS m"
     " JOIN tickets AS t ON t.key = m.ticket_key WHERE t.user_key IN " HIS
     " ORDER BY t.key, m.time, m.key",
     {{"ticket", TEXT},
      {"message", TEXT},
      {"role", TEXT},
      {"text", TEXT},
      {"time", TIME},
      {"import", INT}}},
    {"overwritten_ids",
     "SELECT " ID_OF("users_before.key") ", created, attributes, batch, by_batch FROM users_before"
                                         " WHERE key IN " HIS " ORDER BY by_batch, key",
     {{"id", TEXT},
      {"created", TIME},
      {"attributes", JSON},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"overwritten_reviews",
     "SELECT key, " ID_OF("user_key") ", item_key, rating, title, text, time, batch, by_batch"
                                      " FROM reviews_before WHERE user_key IN " HIS
                                      " ORDER BY by_batch, key",
     {{"review", INT},
      {"id", TEXT},
      {"item", ITEM},
      {"rating", REAL},
      {"title", TEXT},
      {"text", TEXT},
      {"time", TIME},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"overwritten_tickets",
     "SELECT (SELECT ticket_id FROM tickets WHERE tickets.key = tickets_before.key), " ID_OF(
         "user_key") ", subject, status, batch, by_batch FROM tickets_before"
                     " WHERE user_key IN " HIS " ORDER BY by_batch, key",
     {{"ticket", TEXT},
      {"id", TEXT},
      {"subject", TEXT},
      {"status", TEXT},
      {"import", INT},
      {"overwritten_by", INT}}},
    {"consents",
     "SELECT " ID_OF("user_key") ", purpose, state, time, source FROM consents"
                                 " WHERE user_key IN " HIS " ORDER BY user_key, purpose",
     {{"id", TEXT}, {"purpose", TEXT}, {"on", BOOL}, {"time", TIME}, {"source", TEXT}}},
    {"consent_history",
     "SELECT " ID_OF("user_key") ", purpose, state, time, source FROM consent_history"
                                 " WHERE user_key IN " HIS " ORDER BY key",
     {{"id", TEXT}, {"purpose", TEXT}, {"on", BOOL}, {"time", TIME}, {"source", TEXT}}},
};
enum { PARTS = sizeof parts / sizeof *parts };

typedef struct exporter {
    hd_door *door;
    hd_item_names items;
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

static heed_err make_value(const exporter *e, hd_query *q, int col, kind what, json_t **out) {
    switch (what) {
    case TEXT:
        return make_text(hd_query_text(q, col), out);
    case TIME:
        return make_time(hd_query_time(q, col), out);
    case JSON:
        return make_json(hd_query_text(q, col), out);
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
    case END:
        *out = json_integer(hd_query_i64(q, col));
        break;
    }
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// ── Rows ──

static heed_err add_row(const exporter *e, const part *p, hd_query *q, json_t *array) {
    json_t *row = json_object();
    heed_err err = row ? HEED_OK : HD_FAIL_MEMORY(0);
    for (int c = 0; err == HEED_OK && c < COLUMNS && p->columns[c].kind != END; c++) {
        json_t *value = NULL;
        if (hd_query_is_null(q, c)) continue;
        err = make_value(e, q, c, p->columns[c].kind, &value);
        if (err == HEED_OK) err = hd_json_set(row, p->columns[c].name, value);
    }
    if (err == HEED_OK) return hd_json_append(array, row);
    json_decref(row);
    return err;
}

static heed_err add_rows(const exporter *e, const part *p, int64_t person, json_t *array) {
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

static heed_err add_parts(const exporter *e, int64_t person, json_t *out) {
    for (int i = 0; i < PARTS; i++) {
        HD_TRY(hd_json_set(out, parts[i].name, json_array()));
        HD_TRY(add_rows(e, &parts[i], person, json_object_get(out, parts[i].name)));
    }
    return HEED_OK;
}

heed_err hd_rights_export(hd_door *door, int64_t person, hd_item_names items, json_t *out) {
    const exporter e = {door, items};
    HD_TRY(hd_store_begin_read(door->store)); // all of one state
    hd_door_sync(door);
    heed_err err = add_parts(&e, person, out);
    if (err == HEED_OK) return hd_store_commit(door->store);
    hd_store_rollback(door->store);
    return err;
}
