// SPDX-License-Identifier: Apache-2.0
//
// keyring.json: what is sealed by the master key, and a seal over the whole.
//
//     {"heed_keyring":1,"workspace":"<16 bytes>","master":{"by":"key","check":"<8>"},
//      "keys":[{"version":1,"box":"<72>"}],"secrets":[{"name":"index","box":"<72>"}, …],
//      "seal":"<32>"}
//
// (one line; with a passphrase, "master" holds how it becomes a key). Only the one text that heed
// writes is read: it is parsed, written again and compared, so that no second text means the same,
// and every changed byte is noticed, by the comparison, by the seal, or by a box.
//
// `check` is a hash of the master key: it tells a mistyped passphrase from a damaged file. It gives
// somebody who guesses no more than the seal does.
#include <sodium.h>

#include "base/json.h"
#include "privacy/keyring_own.h"

enum { FORMAT = 1 };

heed_err hd_secrets_new(hd_secrets **out) {
    if (sodium_init() < 0) {
        return HD_FAIL(HEED_UNAVAILABLE, "the system gives no random numbers",
                       "系统无法提供随机数");
    }
    hd_secrets *secrets = sodium_malloc(sizeof *secrets);
    if (!secrets) return HD_FAIL_MEMORY(sizeof *secrets);
    sodium_memzero(secrets, sizeof *secrets);
    *out = secrets;
    return HEED_OK;
}

void hd_secrets_free(hd_secrets *secrets) {
    sodium_free(secrets); // wipes
}

// ── Writing ──

static void add_hex(hd_str *out, const uint8_t *bytes, size_t n) {
    char hex[2 * HD_KEY_BOX + 1];
    hd_str_add(out, sodium_bin2hex(hex, sizeof hex, bytes, n));
}

static void add_master(const hd_keyfile *file, hd_str *out) {
    hd_str_addf(out, "\"master\":{\"by\":\"%s\",\"check\":\"",
                file->passphrase ? "passphrase" : "key");
    add_hex(out, file->check, sizeof file->check);
    if (file->passphrase) {
        hd_str_addf(out, "\",\"kdf\":\"argon2id13\",\"ops\":%llu,\"memory\":%llu,\"salt\":\"",
                    (unsigned long long)file->kdf.ops, (unsigned long long)file->kdf.memory);
        add_hex(out, file->kdf.salt, sizeof file->kdf.salt);
    }
    hd_str_add(out, "\"}");
}

// All but the seal: what it is over.
static void add_body(const hd_keyfile *file, hd_str *out) {
    hd_str_addf(out, "{\"heed_keyring\":%d,\"workspace\":\"", FORMAT);
    add_hex(out, file->workspace, sizeof file->workspace);
    hd_str_add(out, "\",");
    add_master(file, out);
    hd_str_add(out, ",\"keys\":[");
    for (size_t i = 0; i < file->n_keys; i++) {
        hd_str_addf(out, "%s{\"version\":%u,\"box\":\"", i ? "," : "", file->keys[i].version);
        add_hex(out, file->keys[i].box, HD_KEY_BOX);
        hd_str_add(out, "\"}");
    }
    hd_str_add(out, "],\"secrets\":[");
    for (size_t i = 0; i < file->n_secrets; i++) {
        hd_str_addf(out, "%s{\"name\":\"%s\",\"box\":\"", i ? "," : "", file->secrets[i].name);
        add_hex(out, file->secrets[i].box, HD_KEY_BOX);
        hd_str_add(out, "\"}");
    }
    hd_str_add(out, "],");
}

heed_err hd_keyfile_text(const hd_keyfile *file, hd_str *out) {
    add_body(file, out);
    hd_str_add(out, "\"seal\":\"");
    add_hex(out, file->seal, sizeof file->seal);
    hd_str_add(out, "\"}\n");
    return hd_str_check(out);
}

static heed_err seal_of(const hd_keyfile *file, const uint8_t master[HD_KEY_BYTES],
                        uint8_t out[HD_SEAL_BYTES]) {
    hd_str body;
    hd_str_init(&body);
    add_body(file, &body);
    heed_err err = hd_str_check(&body);
    if (err == HEED_OK) {
        hd_box_hash(master, "keyring seal", hd_str_get(&body), body.len, out, HD_SEAL_BYTES);
    }
    hd_str_clear(&body);
    return err;
}

static void check_of(const uint8_t master[HD_KEY_BYTES], uint8_t out[HD_CHECK_BYTES]) {
    uint8_t hash[16];
    hd_box_hash(master, "keyring check", NULL, 0, hash, sizeof hash);
    memcpy(out, hash, HD_CHECK_BYTES);
}

// What a box in the file belongs to: a workspace, a list, a name and a version.
static hd_box_about about(const uint8_t *workspace, const char *list, const char *name,
                          uint32_t version) {
    hd_box_about a = {0};
    hd_box_about_bytes(&a, workspace, HD_WORKSPACE_ID_BYTES);
    hd_box_about_label(&a, list);
    hd_box_about_label(&a, name);
    hd_box_about_number(&a, version);
    return a;
}

heed_err hd_keyfile_seal(const hd_secrets *s, hd_keyfile *out) {
    *out = (hd_keyfile){
        .passphrase = s->passphrase, .kdf = s->kdf, .n_keys = s->n_keys, .n_secrets = s->n_secrets};
    memcpy(out->workspace, s->workspace, sizeof out->workspace);
    check_of(s->master, out->check);
    for (size_t i = 0; i < s->n_keys; i++) {
        hd_box_about a = about(s->workspace, "keys", "", s->keys[i].version);
        out->keys[i].version = s->keys[i].version;
        hd_box_seal(s->master, &a, s->keys[i].key, HD_KEY_BYTES, out->keys[i].box);
    }
    for (size_t i = 0; i < s->n_secrets; i++) {
        hd_box_about a = about(s->workspace, "secrets", s->secrets[i].name, 0);
        memcpy(out->secrets[i].name, s->secrets[i].name, HD_SECRET_NAME);
        hd_box_seal(s->master, &a, s->secrets[i].key, HD_KEY_BYTES, out->secrets[i].box);
    }
    return seal_of(out, s->master, out->seal);
}

// ── Reading ──

static bool get_hex(const json_t *object, const char *key, uint8_t *out, size_t n) {
    const json_t *value = json_object_get(object, key);
    const char *hex = json_string_value(value);
    const char *end = NULL;
    size_t got = 0;
    return hex && json_string_length(value) == 2 * n &&
           sodium_hex2bin(out, n, hex, 2 * n, NULL, &got, &end) == 0 && got == n;
}

static bool get_number(const json_t *object, const char *key, uint64_t max, uint64_t *out) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return *out <= max;
}

static bool is_name(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    return n > 0 && n < HD_SECRET_NAME && name[n] == '\0';
}

static bool read_master(const json_t *master, hd_keyfile *out) {
    const char *by = json_string_value(json_object_get(master, "by"));
    if (!by || !get_hex(master, "check", out->check, sizeof out->check)) return false;
    out->passphrase = strcmp(by, "passphrase") == 0;
    if (!out->passphrase) return true; // another word is found out by the comparison
    return get_number(master, "ops", UINT32_MAX, &out->kdf.ops) &&
           get_number(master, "memory", INT64_MAX, &out->kdf.memory) &&
           get_hex(master, "salt", out->kdf.salt, sizeof out->kdf.salt);
}

static bool read_keys(const json_t *keys, hd_keyfile *out) {
    out->n_keys = json_array_size(keys);
    if (out->n_keys < 1 || out->n_keys > HD_KEYS_MAX) return false;
    for (size_t i = 0; i < out->n_keys; i++) {
        const json_t *key = json_array_get(keys, i);
        uint64_t version;
        if (!get_number(key, "version", UINT32_MAX, &version) ||
            !get_hex(key, "box", out->keys[i].box, HD_KEY_BOX)) {
            return false;
        }
        out->keys[i].version = (uint32_t)version;
    }
    return true;
}

static bool read_secrets(const json_t *secrets, hd_keyfile *out) {
    out->n_secrets = json_array_size(secrets);
    if (out->n_secrets > HD_SECRETS_MAX) return false;
    for (size_t i = 0; i < out->n_secrets; i++) {
        const json_t *secret = json_array_get(secrets, i);
        const char *name = json_string_value(json_object_get(secret, "name"));
        if (!name || !is_name(name) || !get_hex(secret, "box", out->secrets[i].box, HD_KEY_BOX)) {
            return false;
        }
        memcpy(out->secrets[i].name, name, strlen(name) + 1);
    }
    return true;
}

static bool read_all(const json_t *json, hd_keyfile *out) {
    return get_hex(json, "workspace", out->workspace, sizeof out->workspace) &&
           read_master(json_object_get(json, "master"), out) &&
           read_keys(json_object_get(json, "keys"), out) &&
           read_secrets(json_object_get(json, "secrets"), out) &&
           get_hex(json, "seal", out->seal, sizeof out->seal);
}

static heed_err changed(const char *name) {
    return HD_FAIL(HEED_CORRUPT,
                   "'%s' isn't as heed wrote it: bring the keys back with 'heed key import', or "
                   "from a copy of the folder",
                   "“%s”与 heed 写入的内容不符：请用“heed key import”或文件夹的副本恢复密钥", name);
}

// The version of the format; 0: none.
static uint64_t format_of(const json_t *json) {
    uint64_t format = 0;
    return get_number(json, "heed_keyring", INT32_MAX, &format) ? format : 0;
}

heed_err hd_keyfile_parse(const char *text, size_t n, const char *name, hd_keyfile *out) {
    json_t *json = NULL;
    *out = (hd_keyfile){0};
    heed_err err = hd_json_parse(text, n, name, &json);
    if (err == HEED_MEMORY) return err;
    if (err != HEED_OK) return changed(name);
    uint64_t format = format_of(json);
    bool read = format == FORMAT && read_all(json, out);
    json_decref(json);
    if (format > FORMAT) {
        return HD_FAIL(HEED_VERSION, "'%s' was made by a newer heed: use that one",
                       "“%s”由更新版本的 heed 创建：请使用新版本", name);
    }
    if (!read) return changed(name);
    hd_str again;
    hd_str_init(&again);
    err = hd_keyfile_text(out, &again);
    if (err == HEED_OK && (again.len != n || memcmp(again.data, text, n) != 0)) err = changed(name);
    hd_str_clear(&again);
    return err;
}

static bool open_boxes(const hd_keyfile *file, hd_secrets *out) {
    for (size_t i = 0; i < file->n_keys; i++) {
        hd_box_about a = about(file->workspace, "keys", "", file->keys[i].version);
        out->keys[i].version = file->keys[i].version;
        if (!hd_box_open(out->master, &a, file->keys[i].box, HD_KEY_BOX, out->keys[i].key))
            return false;
    }
    for (size_t i = 0; i < file->n_secrets; i++) {
        hd_box_about a = about(file->workspace, "secrets", file->secrets[i].name, 0);
        memcpy(out->secrets[i].name, file->secrets[i].name, HD_SECRET_NAME);
        if (!hd_box_open(out->master, &a, file->secrets[i].box, HD_KEY_BOX, out->secrets[i].key))
            return false;
    }
    return true;
}

heed_err hd_keyfile_open(const hd_keyfile *file, const char *name,
                         const uint8_t master[HD_KEY_BYTES], hd_secrets *out) {
    uint8_t check[HD_CHECK_BYTES], seal[HD_SEAL_BYTES];
    check_of(master, check);
    if (sodium_memcmp(check, file->check, sizeof check) != 0) {
        return file->passphrase
                   ? HD_FAIL(HEED_DENIED, "the passphrase doesn't open '%s': try it again",
                             "口令无法打开“%s”：请重试", name)
                   : HD_FAIL(HEED_DENIED,
                             "the master key doesn't open '%s': it is another workspace's, or an "
                             "older one",
                             "主密钥无法打开“%s”：它属于其他工作区，或者是旧的密钥", name);
    }
    HD_TRY(seal_of(file, master, seal));
    if (sodium_memcmp(seal, file->seal, sizeof seal) != 0) return changed(name);
    memcpy(out->workspace, file->workspace, sizeof out->workspace);
    memcpy(out->master, master, HD_KEY_BYTES);
    out->passphrase = file->passphrase;
    out->kdf = file->kdf;
    out->n_keys = file->n_keys;
    out->n_secrets = file->n_secrets;
    return open_boxes(file, out) ? HEED_OK : changed(name);
}
