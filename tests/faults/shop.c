// SPDX-License-Identifier: Apache-2.0
//
// The files are made by arithmetic, so that they are the same on every machine and each kind of
// record that heed takes in is among them.

#include "shop.h"

#include <jansson.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

enum { USERS = 12, ITEMS = 15, EVENTS = 150 };

void shop_path(char out[SHOP_PATH], const char *dir, const char *name) {
    snprintf(out, SHOP_PATH, "%s/%s", dir, name);
}

// ── Files ───────────────────────────────────────────────────────────────────────────────────────

static heed_err write_file(const char *dir, const char *name, hd_str *text) {
    char path[SHOP_PATH];
    shop_path(path, dir, name);
    heed_err err = hd_str_check(text);
    if (err == HEED_OK) err = hd_fs_write(path, text->data, text->len, 0644);
    hd_str_clear(text);
    return err;
}

static heed_err write_users(const char *dir) {
    hd_str s = {0};
    hd_str_add(&s, "user_id,city,age\n");
    for (int u = 0; u < USERS; u++) hd_str_addf(&s, "u%d,city %d,%d\n", u, u % 3, 20 + u);
    return write_file(dir, "users.csv", &s);
}

// factor: the prices of the second file differ, and it knows one item more.
static heed_err write_items(const char *dir, const char *name, int items, int factor) {
    hd_str s = {0};
    hd_str_add(&s, "item_id,title,brand,category,price\n");
    for (int i = 0; i < items; i++) {
        hd_str_addf(&s, "i%d,Item number %d,brand %d,category %d,%d.50\n", i, i, i % 3, i % 4,
                    factor * (i + 1));
    }
    return write_file(dir, name, &s);
}

static heed_err write_events(const char *dir) {
    static const char *const types[] = {"view", "cart", "purchase"};
    hd_str s = {0};
    for (int e = 0; e < EVENTS; e++) {
        int u = e % USERS, i = (e * 7 + e / USERS * 3 + u) % ITEMS;
        hd_str_addf(&s,
                    "{\"event_id\":\"e%d\",\"user_id\":\"u%d\",\"item_id\":\"i%d\",\"type\":\"%s\","
                    "\"time\":\"2026-01-%02dT%02d:00:00Z\"}\n",
                    e, u, i, types[e % 3], 1 + e % 28, e % 24);
    }
    return write_file(dir, "events.jsonl", &s);
}

static heed_err write_reviews(const char *dir) {
    hd_str s = {0};
    hd_str_add(&s, "review_id,user_id,item_id,rating,text,time\n");
    for (int r = 0; r < 10; r++) {
        hd_str_addf(&s, "r%d,u%d,i%d,%d,It is number %d,2026-02-%02d\n", r, r, r, 1 + r % 5, r,
                    1 + r);
    }
    return write_file(dir, "reviews.csv", &s);
}

static heed_err write_tickets(const char *dir) {
    hd_str s = {0};
    for (int t = 0; t < 10; t++) {
        hd_str_addf(&s,
                    "{\"ticket_id\":\"t%d\",\"message_id\":\"m%d\",\"user_id\":\"u%d\",\"role\":"
                    "\"user\",\"subject\":\"Where is it\",\"text\":\"Order %d is late\","
                    "\"time\":\"2026-02-%02dT08:00:00Z\"}\n",
                    t / 2, t, t / 2, t, 1 + t);
    }
    return write_file(dir, "tickets.jsonl", &s);
}

static heed_err write_documents(const char *dir) {
    hd_str s = {0};
    hd_str_add(&s, "document_id,title,text\n");
    for (int d = 0; d < 5; d++) hd_str_addf(&s, "d%d,Question %d,The answer is %d\n", d, d, d);
    return write_file(dir, "documents.csv", &s);
}

static heed_err write_bad(const char *dir) {
    hd_str s = {0};
    hd_str_add(&s, "user_id,item_id,type,time\nu1,i1,view,2026-01-01\nu1,i1,view,soon\n");
    return write_file(dir, "bad.csv", &s);
}

heed_err shop_write_files(const char *dir) {
    HD_TRY(write_users(dir));
    HD_TRY(write_items(dir, "items.csv", ITEMS, 1));
    HD_TRY(write_items(dir, "items2.csv", ITEMS + 1, 2));
    HD_TRY(write_events(dir));
    HD_TRY(write_reviews(dir));
    HD_TRY(write_tickets(dir));
    HD_TRY(write_bad(dir));
    return write_documents(dir);
}

// ── Steps ───────────────────────────────────────────────────────────────────────────────────────

heed_err shop_open(const char *dir, heed_mode mode, heed_workspace **out) {
    static const char *const settings[][2] = {
        {"threads", "1"}, {"train.tune", "false"}, {"train.methods", "popular,markov"}};
    char path[SHOP_PATH];
    shop_path(path, dir, "shop");
    HD_TRY(heed_workspace_open(path, mode, out));
    heed_err err = HEED_OK;
    for (size_t i = 0; i < 3 && err == HEED_OK; i++) {
        err = heed_workspace_set(*out, settings[i][0], settings[i][1]);
    }
    if (err == HEED_OK) return HEED_OK;
    heed_workspace_close(*out);
    *out = NULL;
    return err;
}

heed_err shop_import(heed_workspace *ws, const char *dir, const char *const *names) {
    enum { MOST = 8 };
    char paths[MOST][SHOP_PATH];
    const char *list[MOST];
    heed_import_params params = heed_import_default();
    while (names[params.n_paths] && params.n_paths < MOST) {
        shop_path(paths[params.n_paths], dir, names[params.n_paths]);
        list[params.n_paths] = paths[params.n_paths];
        params.n_paths++;
    }
    params.paths = list;
    heed_import_result *result = NULL;
    heed_err err = heed_import(ws, &params, &result);
    heed_import_result_free(result);
    return err;
}

heed_err shop_train(heed_workspace *ws, int64_t seed) {
    heed_train_params params = heed_train_default();
    params.seed = seed;
    return heed_train(ws, &params, NULL);
}

// ── State ───────────────────────────────────────────────────────────────────────────────────────

// What is sealed differs whenever it is sealed: of blobs the length counts. Numbers of subjects,
// which a crash can use up, don't count at all.
static void hash_row(sqlite3_stmt *stmt, crypto_generichash_state *hash) {
    for (int col = 0; col < sqlite3_column_count(stmt); col++) {
        unsigned char type = (unsigned char)sqlite3_column_type(stmt, col); // as it is stored
        bool number =
            strcmp(sqlite3_column_name(stmt, col), "subject") == 0 && type == SQLITE_INTEGER;
        const unsigned char *text = number ? NULL : sqlite3_column_text(stmt, col);
        int bytes = number ? 0 : sqlite3_column_bytes(stmt, col);
        crypto_generichash_update(hash, &type, 1);
        crypto_generichash_update(hash, (const unsigned char *)&bytes, sizeof bytes);
        if (text && type != SQLITE_BLOB) crypto_generichash_update(hash, text, (size_t)bytes);
    }
}

static int hash_table(sqlite3 *db, const char *table, crypto_generichash_state *hash) {
    char sql[256];
    sqlite3_stmt *stmt = NULL;
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", table);
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        crypto_generichash_update(hash, (const unsigned char *)table, strlen(table));
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) hash_row(stmt, hash);
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? end : rc;
}

// The audit log has times in it, and an entry for what was done twice; it is verified elsewhere.
static int hash_tables(sqlite3 *db, crypto_generichash_state *hash) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT name FROM sqlite_schema WHERE type = 'table'"
                                " AND name NOT LIKE 'sqlite_stat%' AND name NOT LIKE 'audit%'"
                                " ORDER BY name",
                                -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        rc = hash_table(db, (const char *)sqlite3_column_text(stmt, 0), hash);
    }
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? end : rc;
}

heed_err shop_database(const char *dir, char out[SHOP_STATE]) {
    char path[SHOP_PATH];
    unsigned char bytes[32];
    crypto_generichash_state hash;
    sqlite3 *db = NULL;
    shop_path(path, dir, "shop/heed.db");
    snprintf(out, SHOP_STATE, "absent");
    if (!hd_fs_exists(path)) return HEED_OK;
    crypto_generichash_init(&hash, NULL, 0, sizeof bytes);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) rc = hash_tables(db, &hash);
    sqlite3_close_v2(db);
    if (rc != SQLITE_OK) {
        return HD_FAIL(HEED_CORRUPT, "'%s' can't be read: %s", "无法读取“%s”：%s", path,
                       sqlite3_errstr(rc));
    }
    crypto_generichash_final(&hash, bytes, sizeof bytes);
    sodium_bin2hex(out, SHOP_STATE, bytes, sizeof bytes);
    return HEED_OK;
}

static heed_err list_models(heed_workspace *ws, json_t **out) {
    char *text = NULL;
    HD_TRY(heed_models(ws, &text));
    *out = json_loads(text, 0, NULL);
    heed_text_free(text);
    return json_is_array(*out) ? HEED_OK : HD_FAIL(HEED_CORRUPT, "no list", "不是列表");
}

static const char *field(const json_t *model, const char *name) {
    const char *text = json_string_value(json_object_get(model, name));
    return text ? text : "?";
}

heed_err shop_model(heed_workspace *ws, char out[SHOP_STATE]) {
    json_t *list = NULL, *model;
    size_t i;
    HD_TRY(list_models(ws, &list));
    snprintf(out, SHOP_STATE, "none");
    json_array_foreach(list, i, model) {
        if (strcmp(field(model, "task"), "recommend") != 0) continue;
        if (!json_is_true(json_object_get(model, "active"))) continue;
        snprintf(out, SHOP_STATE, "%s %s", field(model, "method"), field(model, "version"));
    }
    json_decref(list);
    return HEED_OK;
}

static heed_err try_recommend(heed_workspace *ws) {
    heed_recommendations *list = NULL;
    const char *session[] = {"i1"};
    heed_recommend_params params = heed_recommend_default();
    params.exclude_seen = 0;
    params.session = session; // works without keys too
    params.n_session = 1;
    HD_TRY(heed_recommend(ws, NULL, &params, &list));
    size_t n = list->n;
    heed_recommendations_free(list);
    return n > 0 ? HEED_OK : HD_FAIL(HEED_CORRUPT, "recommends nothing", "没有推荐");
}

heed_err shop_try_models(heed_workspace *ws) {
    json_t *list = NULL, *model;
    size_t i;
    heed_err err = list_models(ws, &list);
    json_array_foreach(list, i, model) {
        if (err != HEED_OK || strcmp(field(model, "task"), "recommend") != 0) continue;
        err = heed_model_activate(ws, field(model, "method"), field(model, "version"));
        if (err == HEED_OK) err = try_recommend(ws);
    }
    json_decref(list);
    return err;
}
