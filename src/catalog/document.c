// SPDX-License-Identifier: Apache-2.0
//
// Documents: answers and articles. One without an id of its own is named by its URL, else by a hash
// of title and text, so that bringing the same file in again changes nothing.
//
// A removed one keeps its row, empty and of no batch, as an item does: what it said can come back
// when the removal is undone, and an earlier import's undoing finds the row it knows.

#include <sodium.h>

#include "catalog/rows.h"

enum { NAME_HASH = 16, NAME_BYTES = 2 * NAME_HASH + 1 };

typedef struct document_row {
    int64_t key, batch;
    hd_slice title, text, url, lang;
    hd_time updated;
} document_row;

static const document_row no_row = {.updated = HD_TIME_NONE};

static bool given_text(hd_slice s) {
    return s.p && s.n > 0;
}

// buf holds the name when it is a hash.
static heed_err name_of(const hd_document_record *given, char buf[NAME_BYTES], hd_slice *out) {
    *out = given_text(given->id) ? given->id : given->url;
    if (given_text(*out)) return HEED_OK;
    if (!given_text(given->text) && !given_text(given->title)) {
        return HD_FAIL(HEED_INPUT, "a document needs an id, a URL, or a text",
                       "文档需要编号、网址或正文");
    }
    unsigned char hash[NAME_HASH];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    if (given_text(given->title)) {
        crypto_generichash_update(&state, (const unsigned char *)given->title.p, given->title.n);
    }
    crypto_generichash_update(&state, (const unsigned char *)"", 1);
    if (given_text(given->text)) {
        crypto_generichash_update(&state, (const unsigned char *)given->text.p, given->text.n);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(buf, NAME_BYTES, hash, sizeof hash);
    *out = (hd_slice){buf, 2 * NAME_HASH};
    return HEED_OK;
}

static document_row read_row(hd_query *q) {
    return (document_row){
        .key = hd_query_i64(q, 0),
        .batch = hd_query_i64(q, 1),
        .title = hd_query_text(q, 2),
        .text = hd_query_text(q, 3),
        .url = hd_query_text(q, 4),
        .lang = hd_query_text(q, 5),
        .updated = hd_query_time(q, 6),
    };
}

// Binds ?2 … ?7 and runs; ?1 is bound already. Closes the query.
static heed_err run_with_row(hd_query *q, const document_row *row, int64_t batch) {
    hd_query_bind_text(q, 2, row->title);
    hd_query_bind_text(q, 3, row->text);
    hd_query_bind_text(q, 4, row->url);
    hd_query_bind_text(q, 5, row->lang);
    hd_query_bind_time(q, 6, row->updated);
    hd_query_bind_i64(q, 7, batch);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err insert_row(hd_catalog *catalog, hd_slice id, const document_row *row,
                           int64_t batch) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store,
                         "INSERT INTO documents (id, title, text, url, lang, updated, batch)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                         &q));
    hd_query_bind_text(q, 1, id);
    return run_with_row(q, row, batch);
}

static heed_err keep_for_undo(hd_catalog *catalog, int64_t key, int64_t batch) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store,
                         "INSERT INTO documents_undo (batch, key, was_batch, title, text, url,"
                         " lang, updated) SELECT ?2, key, batch, title, text, url, lang, updated"
                         " FROM documents WHERE key = ?1"
                         " ON CONFLICT DO NOTHING",
                         &q));
    hd_query_bind_i64(q, 1, key);
    hd_query_bind_i64(q, 2, batch);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

#define UPDATE_ROW                                                     \
    "UPDATE documents SET title = ?2, text = ?3, url = ?4, lang = ?5," \
    " updated = ?6, batch = ?7 WHERE key = ?1"

static heed_err update_row(hd_catalog *catalog, const document_row *row, int64_t batch) {
    if (row->batch != 0 && row->batch != batch) HD_TRY(keep_for_undo(catalog, row->key, batch));
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, UPDATE_ROW, &q));
    hd_query_bind_i64(q, 1, row->key);
    return run_with_row(q, row, batch);
}

static heed_err write_joined(hd_catalog *catalog, int64_t batch, hd_slice id,
                             const hd_document_record *given, hd_query *q, int *changed) {
    bool exists, differs = false;
    HD_TRY(hd_query_step(q, &exists));
    document_row row = exists ? read_row(q) : no_row;
    hd_row_take_text(&row.title, given->title, &differs);
    hd_row_take_text(&row.text, given->text, &differs);
    hd_row_take_text(&row.url, given->url, &differs);
    hd_row_take_text(&row.lang, given->lang, &differs);
    hd_row_take_time(&row.updated, given->updated, &differs);
    *changed = row.batch == 0 ? HD_ROW_NEW : differs ? HD_ROW_CHANGED : HD_ROW_SAME;
    if (!exists) return insert_row(catalog, id, &row, batch);
    return *changed != HD_ROW_SAME ? update_row(catalog, &row, batch) : HEED_OK;
}

heed_err hd_catalog_put_document(hd_catalog *catalog, int64_t batch,
                                 const hd_document_record *given, int *changed) {
    char hash[NAME_BYTES];
    hd_slice id;
    hd_query *q;
    HD_TRY(name_of(given, hash, &id));
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT key, batch, title, text, url, lang, updated FROM documents"
                         " WHERE id = ?1",
                         &q));
    hd_query_bind_text(q, 1, id);
    heed_err err = write_joined(catalog, batch, id, given, q, changed);
    hd_query_close(q);
    return err;
}

// ── Removing ────────────────────────────────────────────────────────────────────────────────────

static heed_err find_standing(hd_catalog *catalog, hd_slice id, document_row *row, bool *exists) {
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, "SELECT key, batch FROM documents WHERE id = ?1", &q));
    hd_query_bind_text(q, 1, id);
    heed_err err = hd_query_step(q, exists);
    if (err == HEED_OK && *exists) {
        row->key = hd_query_i64(q, 0);
        row->batch = hd_query_i64(q, 1);
    }
    hd_query_close(q);
    return err;
}

static heed_err unknown_document(hd_slice id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no document '%.*s'", "没有文档“%.*s”", (int)id.n,
                   id.p);
}

heed_err hd_catalog_document_remove(hd_catalog *catalog, hd_slice id, int64_t batch) {
    document_row row = no_row;
    bool exists;
    HD_TRY(find_standing(catalog, id, &row, &exists));
    if (!exists) return unknown_document(id);
    if (row.batch == 0) return HEED_OK;
    if (row.batch != batch) HD_TRY(keep_for_undo(catalog, row.key, batch));
    hd_query *q;
    HD_TRY(hd_query_open(catalog->store, UPDATE_ROW, &q));
    hd_query_bind_i64(q, 1, row.key);
    row = no_row;
    return run_with_row(q, &row, 0);
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────

static heed_err dup_text(hd_query *q, int col, hd_arena *arena, const char **out) {
    hd_slice text = hd_query_text(q, col);
    *out = text.p ? hd_arena_strndup(arena, text.p, text.n) : "";
    return *out ? HEED_OK : HD_FAIL_MEMORY(text.n);
}

// Columns in the order of DOCUMENT_COLUMNS.
static heed_err read_document(hd_query *q, hd_arena *arena, hd_document *out) {
    *out = (hd_document){.key = hd_query_i64(q, 0), .updated = hd_query_time(q, 6)};
    HD_TRY(dup_text(q, 1, arena, &out->id));
    HD_TRY(dup_text(q, 2, arena, &out->title));
    HD_TRY(dup_text(q, 3, arena, &out->text));
    HD_TRY(dup_text(q, 4, arena, &out->url));
    return dup_text(q, 5, arena, &out->lang);
}

#define DOCUMENT_COLUMNS "key, id, title, text, url, lang, updated"

heed_err hd_catalog_document_find(hd_catalog *catalog, hd_slice id, hd_arena *arena,
                                  hd_document *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT " DOCUMENT_COLUMNS " FROM documents WHERE id = ?1 AND batch <> 0",
                         &q));
    hd_query_bind_text(q, 1, id);
    heed_err err = hd_query_step(q, &row);
    if (err == HEED_OK) err = row ? read_document(q, arena, out) : unknown_document(id);
    hd_query_close(q);
    return err;
}

heed_err hd_catalog_documents_page(hd_catalog *catalog, int64_t after, size_t limit,
                                   hd_arena *arena, hd_document **out, size_t *n) {
    hd_query *q;
    bool row;
    *n = 0;
    *out = hd_arena_calloc(arena, limit, sizeof **out);
    if (!*out) return HD_FAIL_MEMORY(limit * sizeof **out);
    HD_TRY(hd_query_open(catalog->store,
                         "SELECT " DOCUMENT_COLUMNS " FROM documents WHERE key > ?1 AND batch <> 0"
                         " ORDER BY key LIMIT ?2",
                         &q));
    hd_query_bind_i64(q, 1, after);
    hd_query_bind_i64(q, 2, (int64_t)limit);
    heed_err err;
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        HD_TRY_OUT(read_document(q, arena, &(*out)[*n]));
        ++*n;
    }
out:
    hd_query_close(q);
    return err;
}
