// SPDX-License-Identifier: Apache-2.0
//
// A hash map from path to index beside the array. The path of a nested member is its parent's path,
// a dot, and its key; a member whose own name holds a dot shares the column of the nested one.
#include "prepare/read/columns.h"

#include "base/json.h"
#include "base/mem.h"
#include "prepare/read/fold.h"
#include "prepare/read/row.h"

void hd_columns_init(hd_columns *c) {
    *c = (hd_columns){0};
    hd_map_init(&c->by_path);
    hd_arena_init(&c->arena);
}

void hd_columns_clear(hd_columns *c) {
    hd_free(c->cols);
    hd_map_clear(&c->by_path);
    hd_arena_clear(&c->arena);
    *c = (hd_columns){0};
}

static heed_err make_path(const hd_columns *c, uint32_t parent, hd_slice key, hd_str *path) {
    if (parent != HD_NO_COLUMN) {
        hd_str_add(path, c->cols[parent].path);
        hd_str_addc(path, '.');
    }
    hd_str_addn(path, key.p, key.n);
    return hd_str_check(path);
}

static heed_err quote_key(hd_columns *c, hd_slice key, const char **out) {
    hd_str s;
    hd_str_init(&s);
    hd_json_quote(&s, key.p, key.n);
    hd_str_addc(&s, ':');
    heed_err err = hd_str_check(&s);
    if (err == HEED_OK) {
        *out = hd_arena_strdup(&c->arena, hd_str_get(&s));
        if (!*out) err = HD_FAIL_MEMORY(s.len);
    }
    hd_str_clear(&s);
    return err;
}

static heed_err fold_path(hd_columns *c, hd_slice path, const char **out) {
    hd_str s;
    hd_str_init(&s);
    heed_err err = hd_fold_name(path, &s);
    if (err == HEED_OK) {
        *out = hd_arena_strdup(&c->arena, hd_str_get(&s));
        if (!*out) err = HD_FAIL_MEMORY(s.len);
    }
    hd_str_clear(&s);
    return err;
}

static heed_err append(hd_columns *c, uint32_t parent, size_t key_n, const char *path, size_t n,
                       uint32_t *index) {
    HD_TRY(hd_grow(&c->cols, &c->cap, c->n + 1, sizeof *c->cols));
    hd_import_column *col = &c->cols[c->n];
    *col = (hd_import_column){.parent = parent, .time_format = -1};
    char *copy = hd_arena_strndup(&c->arena, path, n);
    if (!copy) return HD_FAIL_MEMORY(n);
    col->path = copy;
    col->key = (hd_slice){copy + n - key_n, key_n};
    HD_TRY(fold_path(c, (hd_slice){copy, n}, &col->folded));
    HD_TRY(quote_key(c, col->key, &col->quoted_key));
    HD_TRY(hd_map_put(&c->by_path, path, n, c->n));
    *index = (uint32_t)c->n++;
    return HEED_OK;
}

static heed_err add_unique(hd_columns *c, uint32_t parent, hd_str *path, size_t key_n,
                           uint32_t *index) {
    size_t n = path->len;
    for (unsigned k = 2; hd_map_get(&c->by_path, path->data, path->len, NULL); k++) {
        path->len = n;
        hd_str_addf(path, "_%u", k);
        HD_TRY(hd_str_check(path));
    }
    return append(c, parent, key_n + path->len - n, hd_str_get(path), path->len, index);
}

heed_err hd_columns_add(hd_columns *c, uint32_t parent, hd_slice key, bool unique,
                        uint32_t *index) {
    hd_str path;
    hd_str_init(&path);
    heed_err err = make_path(c, parent, key, &path);
    uint64_t found = 0;
    if (err != HEED_OK) goto out;
    if (unique) {
        err = add_unique(c, parent, &path, key.n, index);
    } else if (hd_map_get(&c->by_path, hd_str_get(&path), path.len, &found)) {
        *index = (uint32_t)found;
    } else {
        err = append(c, parent, key.n, hd_str_get(&path), path.len, index);
    }
out:
    hd_str_clear(&path);
    return err;
}

heed_err hd_columns_member(hd_columns *c, uint32_t parent, hd_slice key, uint32_t *index,
                           bool *added) {
    size_t before = c->n;
    *added = false;
    if (c->n >= HD_MAX_COLUMNS) {
        hd_str path;
        hd_str_init(&path);
        heed_err err = make_path(c, parent, key, &path);
        uint64_t found = HD_NO_COLUMN;
        if (err == HEED_OK) hd_map_get(&c->by_path, hd_str_get(&path), path.len, &found);
        hd_str_clear(&path);
        *index = (uint32_t)found;
        return err;
    }
    HD_TRY(hd_columns_add(c, parent, key, false, index));
    *added = c->n > before;
    return HEED_OK;
}

bool hd_columns_find(const hd_columns *c, const char *path, uint32_t *index) {
    uint64_t found = 0;
    if (!hd_map_get(&c->by_path, path, strlen(path), &found)) return false;
    *index = (uint32_t)found;
    return true;
}
