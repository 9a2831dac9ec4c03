// SPDX-License-Identifier: Apache-2.0
//
// Every change is tried on settings of its own first, by the way a flag goes, so that what is wrong
// is told in the same words; then the line editor writes it, and the new text is loaded as the
// program would at its start. Only then is the file replaced, whole. heed.yaml.lock keeps two who
// change at once apart.
#include "workspace/config.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml_edit.h"
#include "workspace/settings.h"

enum { FILE_MAX = 1 << 20, LOCK_PATIENCE = 5000 };

static const hd_setting *row_of(const char *name) {
    for (size_t i = 0; i < hd_settings_n_rows; i++)
        if (strcmp(hd_settings_rows[i].name, name) == 0) return &hd_settings_rows[i];
    return NULL;
}

// A JSON value as the text that a flag would have.
static heed_err text_of(const char *name, const json_t *value, hd_str *out) {
    if (json_is_string(value)) {
        hd_str_addn(out, json_string_value(value), json_string_length(value));
        return hd_str_check(out);
    }
    if (json_is_object(value)) { // weights
        const char *key;
        json_t *weight;
        json_object_foreach((json_t *)(uintptr_t)value, key, weight) {
            char number[32];
            hd_json_number(json_number_value(weight), number);
            hd_str_addf(out, "%s%s=%s", out->len ? "," : "", key, number);
        }
        return hd_str_check(out);
    }
    if (json_is_boolean(value) || json_is_number(value)) return hd_json_dump(value, false, out);
    return HD_FAIL(HEED_INPUT, "'%s' needs a single value, not a list or mapping",
                   "“%s”应为单个值，不能是列表或映射", name);
}

// The text as YAML: as it stands where that can't be taken for anything else, else in quotes.
static void quote(const hd_setting *row, const hd_str *text, hd_str *out) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    bool bare = row->type != HD_SETTING_TEXT && row->type != HD_SETTING_WEIGHTS && text->len > 0 &&
                strspn(hd_str_get(text), plain) == text->len;
    if (bare)
        hd_str_addn(out, text->data, text->len);
    else
        hd_json_quote(out, hd_str_get(text), text->len);
}

static heed_err need_changeable(const hd_setting *row, bool running) {
    if (!row || !running || !row->at_start) return HEED_OK;
    return HD_FAIL(HEED_CONFLICT,
                   "'%s' is read when the server starts: change it in heed.yaml and restart",
                   "“%s”在服务器启动时读取：请修改 heed.yaml 后重启", row->name);
}

static heed_err change_one(hd_settings *trial, const char *name, const json_t *value, bool running,
                           const char *path, hd_str *yaml) {
    const hd_setting *row = row_of(name);
    hd_str text, scalar, after;
    hd_str_init(&text);
    hd_str_init(&scalar);
    hd_str_init(&after);
    heed_err err = HEED_OK;
    if (!row || !json_is_null(value)) {
        if (row) HD_TRY_OUT(text_of(name, value, &text));
        HD_TRY_OUT(hd_settings_set_flag(trial, name, hd_str_get(&text)));
        quote(row, &text, &scalar);
        HD_TRY_OUT(hd_str_check(&scalar));
    }
    HD_TRY_OUT(need_changeable(row, running));
    HD_TRY_OUT(hd_yaml_edit(hd_str_get(yaml), yaml->len, path, name,
                            json_is_null(value) ? NULL : hd_str_get(&scalar), &after));
    hd_str_reset(yaml);
    hd_str_addn(yaml, hd_str_get(&after), after.len);
    err = hd_str_check(yaml);
out:
    hd_str_clear(&text);
    hd_str_clear(&scalar);
    hd_str_clear(&after);
    return err;
}

// The whole as the program would read it.
static heed_err check_whole(const char *path, const hd_str *yaml) {
    hd_settings *settings = NULL;
    HD_TRY(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &settings));
    heed_err err = hd_settings_load_yaml(settings, hd_str_get(yaml), yaml->len, path);
    hd_settings_free(settings);
    return err;
}

static heed_err change_all(const char *path, const json_t *changes, bool running,
                           heed_err (*before)(void *ctx), void *ctx) {
    hd_settings *trial = NULL;
    hd_str yaml;
    const char *name;
    json_t *value;
    hd_str_init(&yaml);
    heed_err err = HEED_OK;
    HD_TRY_OUT(hd_settings_new(hd_settings_rows, hd_settings_n_rows, &trial));
    if (hd_fs_exists(path)) HD_TRY_OUT(hd_fs_read(path, FILE_MAX, &yaml));
    HD_TRY_OUT(check_whole(path, &yaml));
    json_object_foreach((json_t *)(uintptr_t)changes, name, value)
        HD_TRY_OUT(change_one(trial, name, value, running, path, &yaml));
    HD_TRY_OUT(check_whole(path, &yaml));
    if (before) HD_TRY_OUT(before(ctx));
    err = hd_fs_write(path, hd_str_get(&yaml), yaml.len, 0644);
out:
    hd_settings_free(trial);
    hd_str_clear(&yaml);
    return err;
}

heed_err hd_config_change(const char *folder, const json_t *changes, bool running,
                          heed_err (*before)(void *ctx), void *ctx) {
    hd_lock *lock = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    char *path = hd_fs_join(&arena, folder, "heed.yaml");
    char *lock_path = hd_fs_join(&arena, folder, "heed.yaml.lock");
    heed_err err = path && lock_path ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_lock_wait(lock_path, "heed config", LOCK_PATIENCE, &lock);
    if (err == HEED_OK) err = change_all(path, changes, running, before, ctx);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    return err;
}
