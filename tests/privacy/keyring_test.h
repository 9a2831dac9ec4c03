// SPDX-License-Identifier: Apache-2.0
//
// What the tests of keys share: a folder keys/ with a keyring in it, and its files to spoil.
#ifndef KEYRING_TEST_H
#define KEYRING_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "privacy/keyring_care.h"
#include "store/open.h"

#ifndef assert_ok
#define assert_ok(expr)                                                                \
    do {                                                                               \
        if ((expr) != HEED_OK) fail_msg("%s: %s", #expr, heed_error_message(HEED_EN)); \
    } while (0)
#define assert_fails(code, expr)                              \
    do {                                                      \
        assert_int_equal((expr), (code));                     \
        assert_int_equal(heed_error_code(), (code));          \
        assert_true(strlen(heed_error_message(HEED_EN)) > 0); \
        assert_true(strlen(heed_error_message(HEED_ZH)) > 0); \
    } while (0)
#endif

typedef struct key_files {
    char dir[64];
    char folder[80]; // keys/ in it
    char subjects[96];
    hd_store *store; // subjects.db
    hd_keyring *keyring;
    const char *passphrase; // NULL: nobody answers
    int asked;
} key_files;

static inline heed_err keys_ask(void *ctx, bool fresh, hd_str *out) {
    key_files *k = ctx;
    (void)fresh;
    k->asked++;
    if (!k->passphrase) return HD_FAIL(HEED_NOT_FOUND, "nobody is there", "没有人");
    hd_str_add(out, k->passphrase);
    return HEED_OK;
}

static inline hd_passphrase keys_passphrase(key_files *k) {
    return (hd_passphrase){keys_ask, k};
}

static inline void keys_close(key_files *k) {
    hd_keyring_close(k->keyring);
    hd_store_close(k->store);
    k->keyring = NULL;
    k->store = NULL;
}

// Opens what stands in the folder, or makes it.
static inline heed_err keys_open(key_files *k, bool write, const uint8_t *workspace) {
    hd_keyring_params params = {.folder = k->folder,
                                .workspace = workspace,
                                .passphrase = keys_passphrase(k),
                                .write = write};
    keys_close(k);
    bool exists = hd_keyring_exists(k->folder);
    if (write || hd_fs_exists(k->subjects)) {
        assert_ok(hd_store_open(k->subjects, write ? HD_STORE_CREATE : HD_STORE_READ, 1 << 20, NULL,
                                &k->store));
    }
    params.subjects = k->store;
    return exists ? hd_keyring_open(&params, &k->keyring) : hd_keyring_create(&params, &k->keyring);
}

static inline void keys_init(key_files *k) {
    *k = (key_files){0};
    snprintf(k->dir, sizeof k->dir, "%s/heed-keys-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(k->dir));
    snprintf(k->folder, sizeof k->folder, "%s/keys", k->dir);
    snprintf(k->subjects, sizeof k->subjects, "%s/subjects.db", k->folder);
    assert_ok(hd_fs_mkdirs(k->folder, 0700));
    assert_ok(keys_open(k, true, NULL));
}

static inline void keys_clear(key_files *k) {
    keys_close(k);
    assert_ok(hd_fs_remove(k->dir));
}

static inline void keys_path(const key_files *k, const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", k->folder, name);
}

static inline hd_str keys_read(const key_files *k, const char *name) {
    char path[128];
    hd_str text = {0};
    keys_path(k, name, path);
    assert_ok(hd_fs_read(path, 0, &text));
    return text;
}

static inline void keys_write(const key_files *k, const char *name, const void *data, size_t n) {
    char path[128];
    keys_path(k, name, path);
    assert_ok(hd_fs_write(path, data, n, 0600));
}

static inline int64_t keys_subject(key_files *k) {
    int64_t subject;
    assert_ok(hd_subject_make(k->keyring, &subject));
    return subject;
}

#endif
