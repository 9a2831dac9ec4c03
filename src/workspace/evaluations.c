// SPDX-License-Identifier: Apache-2.0
//
// Files, not rows: an evaluation runs beside the writer, in any process that may read, and a figure
// outlives the data it was measured on. Whoever adds one holds runs/.lock for that moment; readers
// take no lock, since a file is put in place whole.
#include "workspace/evaluations.h"

#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/time.h"

enum { LOCK_PATIENCE = 10000, MAX_BYTES = 64 << 20, ID = 24 };

static bool is_id(const char *id) {
    size_t n = id ? strlen(id) : 0;
    return n >= 13 && n < ID && strspn(id, "0123456789") == n;
}

static heed_err fail_unknown(const char *id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no evaluation '%.40s'; 'heed eval list' shows them",
                   "没有评估“%.40s”；可用“heed eval list”查看", id);
}

static heed_err path_of(const char *folder, const char *id, hd_arena *arena, char **out) {
    *out = hd_arena_printf(arena, "%s/runs/eval-%s.json", folder, id);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// Ids of all that are kept, oldest first, in the arena.
static heed_err list_ids(const char *folder, hd_arena *arena, const char ***out, size_t *n) {
    static const char head[] = "eval-", tail[] = ".json";
    char *runs = hd_fs_join(arena, folder, "runs");
    char **names = NULL;
    size_t n_names = 0;
    if (!runs) return HD_FAIL_MEMORY(0);
    if (hd_fs_is_dir(runs)) HD_TRY(hd_fs_list(runs, arena, &names, &n_names));
    const char **ids = hd_arena_calloc(arena, n_names + 1, sizeof *ids);
    if (!ids) return HD_FAIL_MEMORY(0);
    *n = 0;
    for (size_t i = 0; i < n_names; i++) {
        size_t length = strlen(names[i]);
        if (length <= sizeof head + sizeof tail - 2 || strncmp(names[i], head, 5) != 0) continue;
        if (strcmp(names[i] + length - 5, tail) != 0) continue;
        char *id = hd_arena_strndup(arena, names[i] + 5, length - 10);
        if (!id) return HD_FAIL_MEMORY(0);
        if (is_id(id)) ids[(*n)++] = id;
    }
    *out = ids;
    return HEED_OK;
}

// ── Keeping ──

static heed_err write_json(const char *path, const json_t *json) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    hd_str_addc(&text, '\n');
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0644);
    hd_str_clear(&text);
    return err;
}

// Now, or a millisecond after the newest.
static void next_id(const char *newest, char out[ID]) {
    int64_t last = 0, now = hd_time_now();
    if (newest && !hd_slice_i64(hd_slice_of(newest), &last)) last = 0;
    if (now < 0) now = 0;
    hd_snprintf(out, ID, "%013lld", (long long)(now > last ? now : last + 1));
}

static heed_err keep_in(const char *folder, const json_t *results, hd_arena *arena) {
    const char **ids;
    size_t n;
    char id[ID], created[32], *path;
    json_t *report = NULL;
    HD_TRY(list_ids(folder, arena, &ids, &n));
    next_id(n ? ids[n - 1] : NULL, id);
    HD_TRY(path_of(folder, id, arena, &path));
    hd_time_format(hd_time_now(), NULL, created);
    HD_TRY(
        hd_json_pack(&report, "{s:s, s:s, s:O}", "id", id, "created", created, "results", results));
    heed_err err = write_json(path, report);
    json_decref(report);
    for (size_t i = 0; err == HEED_OK && i + HD_EVALUATIONS_KEPT <= n; i++) {
        err = path_of(folder, ids[i], arena, &path);
        if (err == HEED_OK) err = hd_fs_remove(path);
    }
    return err;
}

heed_err hd_evaluations_keep(const char *folder, const json_t *results) {
    hd_lock *lock = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = HEED_OK;
    char *runs = hd_fs_join(&arena, folder, "runs");
    char *path = hd_fs_join(&arena, folder, "runs/.lock");
    if (!runs || !path) err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_fs_mkdirs(runs, 0755);
    if (err == HEED_OK) err = hd_lock_wait(path, "heed eval", LOCK_PATIENCE, &lock);
    if (err == HEED_OK) err = keep_in(folder, results, &arena);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    return err;
}

// ── Looking ──

static heed_err get_in(const char *folder, const char *id, hd_arena *arena, json_t **out) {
    char *path;
    hd_str text;
    HD_TRY(path_of(folder, id, arena, &path));
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, MAX_BYTES, &text);
    if (err == HEED_NOT_FOUND) err = fail_unknown(id);
    if (err == HEED_OK && hd_json_parse(hd_str_get(&text), text.len, path, out) != HEED_OK)
        err = heed_error_code() == HEED_MEMORY
                  ? HEED_MEMORY
                  : HD_FAIL(HEED_CORRUPT, "'%s' is not an evaluation", "“%s”不是评估结果", path);
    hd_str_clear(&text);
    if (err == HEED_OK && !json_is_array(json_object_get(*out, "results"))) {
        hd_json_drop(out);
        err = HD_FAIL(HEED_CORRUPT, "'%s' is not an evaluation", "“%s”不是评估结果", path);
    }
    return err;
}

heed_err hd_evaluations_get(const char *folder, const char *id, json_t **out) {
    hd_arena arena;
    *out = NULL;
    if (!is_id(id)) return fail_unknown(id);
    hd_arena_init(&arena);
    heed_err err = get_in(folder, id, &arena, out);
    hd_arena_clear(&arena);
    return err;
}

static heed_err methods_of(const json_t *results, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < json_array_size(results); i++) {
        const json_t *row = json_array_get(results, i);
        json_t *one = NULL, *metrics = json_object_get(row, "metrics");
        err = hd_json_pack(&one, "{s:O?, s:O?}", "method", json_object_get(row, "method"),
                           "metrics", metrics);
        if (err == HEED_OK) err = hd_json_append(list, one);
    }
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err summarise(const json_t *report, json_t **out) {
    static const char *const same[] = {"protocol", "seed",      "users",
                                       "items",    "data_hash", "split_hash"};
    const json_t *results = json_object_get(report, "results");
    const json_t *first = json_array_get(results, 0);
    json_t *methods = NULL;
    HD_TRY(hd_json_pack(out, "{s:O?, s:O?}", "id", json_object_get(report, "id"), "created",
                        json_object_get(report, "created")));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < sizeof same / sizeof same[0]; i++) {
        json_t *value = json_object_get(first, same[i]);
        err = hd_json_set(*out, same[i], value ? json_incref(value) : json_null());
    }
    if (err == HEED_OK) err = methods_of(results, &methods);
    if (err == HEED_OK) err = hd_json_set(*out, "methods", methods);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

// One that is gone by now, or was spoilt, is passed over.
static heed_err add_one(const char *folder, const char *id, hd_arena *arena, json_t *list) {
    json_t *report = NULL, *summary = NULL;
    heed_err err = get_in(folder, id, arena, &report);
    if (err == HEED_NOT_FOUND || err == HEED_CORRUPT) return HEED_OK;
    HD_TRY(err);
    err = summarise(report, &summary);
    json_decref(report);
    return err == HEED_OK ? hd_json_append(list, summary) : err;
}

heed_err hd_evaluations_list(const char *folder, const char *cursor, size_t limit, json_t **out) {
    const char **ids, *last = NULL, *next = NULL;
    size_t n;
    hd_arena arena;
    *out = NULL;
    if (cursor && !is_id(cursor))
        return HD_FAIL(HEED_USAGE,
                       "'%.40s' is no cursor; take next_cursor of the page before as it is",
                       "“%.40s”不是游标；请原样使用上一页的 next_cursor", cursor);
    hd_arena_init(&arena);
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    HD_TRY_OUT(err);
    HD_TRY_OUT(list_ids(folder, &arena, &ids, &n));
    for (size_t i = n; i-- > 0 && !next;) {
        if (cursor && strcmp(ids[i], cursor) >= 0) continue;
        if (json_array_size(list) == limit) {
            next = last;
            continue;
        }
        last = ids[i];
        HD_TRY_OUT(add_one(folder, ids[i], &arena, list));
    }
    HD_TRY_OUT(hd_json_pack(out, "{s:O, s:s?}", "evaluations", list, "next_cursor", next));
out:
    json_decref(list);
    hd_arena_clear(&arena);
    return err;
}
