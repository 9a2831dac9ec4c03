// SPDX-License-Identifier: Apache-2.0
//
// A copy of all keys in one file, under a passphrase of its own.
//
//     "heedkeys", version (1 byte), Argon2id costs (8 + 8 bytes) and salt (16), header of the
//     stream (24); then chunks: length (4 bytes), ciphertext. Numbers are little-endian.
//
// The stream is libsodium's secretstream (XChaCha20-Poly1305): chunks can't be changed, moved, left
// out or cut off, because each depends on those before it and the last one is marked as such. All
// before the first chunk is its associated data. A chunk begins with a letter that tells what it
// holds: K the keyring, S subjects, E erasures, M a mark. Boxes are copied as they are: the
// workspace keys that open them travel in K.
//
// The master key doesn't travel: where the copy is unpacked, a new one is made.
#include <sodium.h>

#include "base/fs.h"
#include "base/mem.h"
#include "privacy/keyring_care.h"
#include "privacy/keyring_own.h"

enum {
    VERSION = 1,
    MAGIC = 8,
    HEAD = MAGIC + 1 + 8 + 8 + HD_SALT_BYTES + crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    CHUNK_MOST = 32 << 10, // of plain bytes; a mark may add
    CHUNK_ROOM = CHUNK_MOST + 8192,
    STREAM_EXTRA = crypto_secretstream_xchacha20poly1305_ABYTES,
    SUBJECT_ROW = 8 + 4 + HD_KEY_BOX,
    ERASURE_ROW = 3 * 8 + HD_RECEIPT_BYTES + HD_SEAL_BYTES,
};
static const char magic[MAGIC + 1] = "heedkeys";

typedef crypto_secretstream_xchacha20poly1305_state stream_state;

// ── Bytes ──

static void put_number(hd_str *out, uint64_t number, int bytes) {
    char le[8];
    for (int i = 0; i < bytes; i++) le[i] = (char)(number >> (8 * i));
    hd_str_addn(out, le, (size_t)bytes);
}

static void put_bytes(hd_str *out, const void *bytes, size_t n) {
    hd_str_addn(out, bytes, n);
}

// What is left to be read; `bad` sticks.
typedef struct reader {
    const uint8_t *p;
    size_t n;
    bool bad;
} reader;

static const uint8_t *take(reader *r, size_t n) {
    static const uint8_t zeros[HD_KEY_BOX];
    if (r->bad || n > r->n) {
        r->bad = true;
        return zeros; // n is at most HD_KEY_BOX where the bytes are used
    }
    const uint8_t *p = r->p;
    r->p += n;
    r->n -= n;
    return p;
}

static uint64_t take_number(reader *r, int bytes) {
    const uint8_t *p = take(r, (size_t)bytes);
    uint64_t number = 0;
    for (int i = 0; i < bytes; i++) number |= (uint64_t)p[i] << (8 * i);
    return number;
}

// ── Writing ──

typedef struct writer {
    hd_file *file;
    stream_state state;
    uint8_t head[HEAD];
    bool begun;   // the head was bound to the first chunk
    hd_str plain; // the chunk at hand
    hd_str sealed;
} writer;

static heed_err write_head(writer *w, const hd_passphrase *passphrase) {
    hd_kdf kdf = hd_kdf_fresh();
    hd_str head, text;
    uint8_t key[HD_KEY_BYTES], stream[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    hd_str_init(&head);
    hd_str_init(&text);
    heed_err err;
    HD_TRY_OUT(hd_master_ask_fresh(passphrase, &text));
    HD_TRY_OUT(hd_kdf_run(&kdf, &text, key));
    crypto_secretstream_xchacha20poly1305_init_push(&w->state, stream, key);
    put_bytes(&head, magic, MAGIC);
    put_number(&head, VERSION, 1);
    put_number(&head, kdf.ops, 8);
    put_number(&head, kdf.memory, 8);
    put_bytes(&head, kdf.salt, sizeof kdf.salt);
    put_bytes(&head, stream, sizeof stream);
    HD_TRY_OUT(hd_str_check(&head));
    memcpy(w->head, head.data, HEAD);
    HD_TRY_OUT(hd_file_write(w->file, w->head, HEAD));
out:
    sodium_memzero(key, sizeof key);
    hd_secret_text_clear(&text);
    hd_str_clear(&head);
    return err;
}

// Seals and writes the chunk at hand, and empties it.
static heed_err write_chunk(writer *w, bool last) {
    size_t n = w->plain.len + STREAM_EXTRA;
    uint8_t *sealed = hd_alloc(n);
    if (!sealed) return HD_FAIL_MEMORY(n);
    heed_err err = hd_str_check(&w->plain);
    if (err == HEED_OK) {
        crypto_secretstream_xchacha20poly1305_push(
            &w->state, sealed, NULL, (const uint8_t *)hd_str_get(&w->plain), w->plain.len,
            w->begun ? NULL : w->head, w->begun ? 0 : HEAD,
            last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
        w->begun = true;
        hd_str_reset(&w->sealed);
        put_number(&w->sealed, n, 4);
        err = hd_str_check(&w->sealed);
    }
    if (err == HEED_OK) err = hd_file_write(w->file, w->sealed.data, w->sealed.len);
    if (err == HEED_OK) err = hd_file_write(w->file, sealed, n);
    hd_free(sealed);
    if (w->plain.data) sodium_memzero(w->plain.data, w->plain.cap);
    hd_str_reset(&w->plain);
    return err;
}

static heed_err write_keyring(writer *w, const hd_keyring *keyring, int64_t last_subject) {
    const hd_secrets *s = keyring->secrets;
    hd_str_addc(&w->plain, 'K');
    put_bytes(&w->plain, s->workspace, sizeof s->workspace);
    put_number(&w->plain, (uint64_t)last_subject, 8);
    put_number(&w->plain, s->n_keys, 1);
    for (size_t i = 0; i < s->n_keys; i++) {
        put_number(&w->plain, s->keys[i].version, 4);
        put_bytes(&w->plain, s->keys[i].key, HD_KEY_BYTES);
    }
    put_number(&w->plain, s->n_secrets, 1);
    for (size_t i = 0; i < s->n_secrets; i++) {
        put_bytes(&w->plain, s->secrets[i].name, HD_SECRET_NAME);
        put_bytes(&w->plain, s->secrets[i].key, HD_KEY_BYTES);
    }
    return write_chunk(w, false);
}

static void put_subject(hd_query *q, hd_str *out) {
    hd_slice box = hd_query_blob(q, 2);
    put_number(out, (uint64_t)hd_query_i64(q, 0), 8);
    put_number(out, (uint64_t)hd_query_i64(q, 1), 4);
    put_bytes(out, box.p, box.n);
}

static void put_erasure(hd_query *q, hd_str *out) {
    for (int i = 0; i < 3; i++) put_number(out, (uint64_t)hd_query_i64(q, i), 8);
    for (int i = 3; i < 5; i++) {
        hd_slice bytes = hd_query_blob(q, i);
        put_bytes(out, bytes.p, bytes.n);
    }
}

// Name, its length before it; count; tag; value to the end.
static void put_mark(hd_query *q, hd_str *out) {
    hd_slice name = hd_query_text(q, 0), value = hd_query_blob(q, 2), tag = hd_query_blob(q, 3);
    put_number(out, name.n, 1);
    put_bytes(out, name.p, name.n);
    put_number(out, (uint64_t)hd_query_i64(q, 1), 8);
    put_bytes(out, tag.p, tag.n);
    put_bytes(out, value.p, value.n);
}

// A table: its letter, its rows, how one is written, and how long one is (0: a chunk each).
static const struct {
    uint8_t letter;
    size_t row;
    const char *sql;
    void (*put)(hd_query *q, hd_str *out);
} tables[] = {
    {'S', SUBJECT_ROW, "SELECT key, version, box FROM subjects WHERE length(box) = 72 ORDER BY key",
     put_subject},
    {'E', ERASURE_ROW,
     "SELECT key, subject, time, receipt, tag FROM erasures"
     " WHERE length(receipt) = 32 AND length(tag) = 32 ORDER BY key",
     put_erasure},
    {'M', 0,
     "SELECT name, count, value, tag FROM marks WHERE length(tag) = 32 AND length(name) < 256",
     put_mark},
};
enum { TABLES = sizeof tables / sizeof tables[0] };
_Static_assert(HD_KEY_BOX == 72 && HD_RECEIPT_BYTES == 32 && HD_SEAL_BYTES == 32, "as in the SQL");

static heed_err write_table(writer *w, const hd_keyring *keyring, size_t t) {
    hd_query *q;
    bool row;
    heed_err err;
    HD_TRY(hd_query_open(keyring->subjects, tables[t].sql, &q));
    for (;;) {
        HD_TRY_OUT(hd_query_step(q, &row));
        if (!row) break;
        if (w->plain.len == 0) hd_str_addc(&w->plain, tables[t].letter);
        tables[t].put(q, &w->plain);
        if (tables[t].row == 0 || w->plain.len + tables[t].row > CHUNK_MOST) {
            HD_TRY_OUT(write_chunk(w, false));
        }
    }
    if (w->plain.len > 0) HD_TRY_OUT(write_chunk(w, false));
out:
    hd_query_close(q);
    return err;
}

static heed_err last_subject(const hd_keyring *keyring, int64_t *out) {
    hd_query *q;
    bool row;
    HD_TRY(hd_query_open(keyring->subjects,
                         "SELECT seq FROM sqlite_sequence WHERE name = 'subjects'", &q));
    heed_err err = hd_query_step(q, &row);
    *out = err == HEED_OK && row ? hd_query_i64(q, 0) : 0;
    hd_query_close(q);
    return err;
}

static heed_err write_all(writer *w, const hd_keyring *keyring) {
    int64_t last;
    HD_TRY(last_subject(keyring, &last));
    HD_TRY(write_keyring(w, keyring, last));
    for (size_t t = 0; t < TABLES; t++) HD_TRY(write_table(w, keyring, t));
    return write_chunk(w, true);
}

// A text that never moves while keys are in it: what it moved from couldn't be wiped.
static heed_err make_room(hd_str *text) {
    char *zeros = hd_calloc(1, CHUNK_ROOM);
    if (!zeros) return HD_FAIL_MEMORY(CHUNK_ROOM);
    hd_str_addn(text, zeros, CHUNK_ROOM);
    hd_free(zeros);
    HD_TRY(hd_str_check(text));
    hd_str_reset(text);
    return HEED_OK;
}

static heed_err write_copy(hd_keyring *keyring, writer *w, const hd_passphrase *passphrase) {
    HD_TRY(write_head(w, passphrase));
    HD_TRY(hd_store_begin_read(keyring->subjects)); // the tables are of one moment
    heed_err err = write_all(w, keyring);
    hd_store_rollback(keyring->subjects);
    return err;
}

heed_err hd_keyring_export(hd_keyring *keyring, const char *path, const hd_passphrase *passphrase) {
    HD_TRY(hd_keyring_need(keyring));
    if (!keyring->subjects)
        return HD_FAIL(HEED_NOT_FOUND, "there is no subjects.db to copy",
                       "没有可复制的 subjects.db");
    if (hd_fs_exists(path)) {
        return HD_FAIL(HEED_CONFLICT, "'%s' exists: name a new file", "“%s”已存在：请给出新文件名",
                       path);
    }
    writer w = {0};
    HD_TRY(make_room(&w.plain));
    heed_err err = hd_file_create(path, 0600, &w.file);
    if (err == HEED_OK) err = write_copy(keyring, &w, passphrase);
    if (w.plain.data) sodium_memzero(w.plain.data, w.plain.cap);
    sodium_memzero(&w.state, sizeof w.state);
    hd_str_clear(&w.plain);
    hd_str_clear(&w.sealed);
    if (err == HEED_OK) return hd_file_commit(w.file);
    hd_file_abort(w.file);
    return err;
}

// ── Reading ──

typedef struct unpack {
    const hd_keyring_params *params;
    const char *path;
    hd_keyring keyring; // what is being filled: not one that others see
    reader in;
    stream_state state;
    const uint8_t *head;
    bool begun;
    bool has_keyring;
    uint8_t *plain; // (CHUNK_MOST + a row)
    size_t n;
    bool last;
} unpack;

static heed_err damaged(const unpack *u) {
    return HD_FAIL(HEED_CORRUPT, "'%s' isn't as heed wrote it: use another copy of the keys",
                   "“%s”与 heed 写入的内容不符：请使用另一份密钥副本", u->path);
}

static heed_err read_head(unpack *u) {
    reader *r = &u->in;
    hd_kdf kdf;
    hd_str text;
    uint8_t key[HD_KEY_BYTES];
    u->head = r->p;
    if (r->n < HEAD || memcmp(take(r, MAGIC), magic, MAGIC) != 0) return damaged(u);
    if (take_number(r, 1) != VERSION) {
        return HD_FAIL(HEED_VERSION, "'%s' was made by a newer heed: use that one",
                       "“%s”由更新版本的 heed 创建：请使用新版本", u->path);
    }
    kdf.ops = take_number(r, 8);
    kdf.memory = take_number(r, 8);
    memcpy(kdf.salt, take(r, HD_SALT_BYTES), HD_SALT_BYTES);
    hd_str_init(&text);
    heed_err err = HEED_OK;
    if (!u->params->passphrase.ask)
        err = HD_FAIL(HEED_DENIED, "the passphrase of '%s' is needed", "需要“%s”的口令", u->path);
    if (err == HEED_OK) err = u->params->passphrase.ask(u->params->passphrase.ctx, false, &text);
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_kdf_run(&kdf, &text, key);
    hd_secret_text_clear(&text);
    if (err == HEED_OK) {
        const uint8_t *stream = take(r, crypto_secretstream_xchacha20poly1305_HEADERBYTES);
        crypto_secretstream_xchacha20poly1305_init_pull(&u->state, stream, key);
    }
    sodium_memzero(key, sizeof key);
    return err;
}

static heed_err read_chunk(unpack *u) {
    uint64_t n = take_number(&u->in, 4);
    if (u->in.bad || n < STREAM_EXTRA || n - STREAM_EXTRA > CHUNK_ROOM || n > u->in.n) {
        return damaged(u);
    }
    unsigned char tag = 0;
    int rc = crypto_secretstream_xchacha20poly1305_pull(
        &u->state, u->plain, NULL, &tag, take(&u->in, (size_t)n), n, u->begun ? NULL : u->head,
        u->begun ? 0 : HEAD);
    if (rc != 0 && !u->begun) {
        return HD_FAIL(HEED_DENIED,
                       "the passphrase doesn't open '%s', or the file was changed: try it again",
                       "口令无法打开“%s”，或文件已被改动：请重试", u->path);
    }
    if (rc != 0) return damaged(u);
    u->begun = true;
    u->n = (size_t)n - STREAM_EXTRA;
    u->last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    return HEED_OK;
}

static heed_err check_workspace(const unpack *u, const hd_secrets *s) {
    const uint8_t *expected = u->params->workspace;
    if (!expected || memcmp(expected, s->workspace, HD_WORKSPACE_ID_BYTES) == 0) return HEED_OK;
    return HD_FAIL(HEED_DENIED, "the keys in '%s' belong to another workspace",
                   "“%s”中的密钥属于另一个工作区", u->path);
}

static heed_err set_sequence(hd_store *store, uint64_t last) {
    hd_query *q;
    HD_TRY(
        hd_query_open(store, "INSERT INTO sqlite_sequence(name, seq) VALUES ('subjects', ?1)", &q));
    hd_query_bind_i64(q, 1, last < INT64_MAX ? (int64_t)last : INT64_MAX);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err note_workspace(hd_store *store, const uint8_t *workspace) {
    hd_query *q;
    HD_TRY(hd_query_open(store, "INSERT INTO keyring(one, workspace) VALUES (1, ?1)", &q));
    hd_query_bind_blob(q, 1, workspace, HD_WORKSPACE_ID_BYTES);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    return err;
}

static heed_err unpack_keyring(unpack *u, reader *r) {
    hd_secrets *s = u->keyring.secrets;
    memcpy(s->workspace, take(r, HD_WORKSPACE_ID_BYTES), HD_WORKSPACE_ID_BYTES);
    uint64_t last = take_number(r, 8);
    s->n_keys = (size_t)take_number(r, 1);
    if (u->has_keyring || s->n_keys < 1 || s->n_keys > HD_KEYS_MAX) return damaged(u);
    for (size_t i = 0; i < s->n_keys; i++) {
        s->keys[i].version = (uint32_t)take_number(r, 4);
        memcpy(s->keys[i].key, take(r, HD_KEY_BYTES), HD_KEY_BYTES);
    }
    s->n_secrets = (size_t)take_number(r, 1);
    if (s->n_secrets > HD_SECRETS_MAX) return damaged(u);
    for (size_t i = 0; i < s->n_secrets; i++) {
        memcpy(s->secrets[i].name, take(r, HD_SECRET_NAME), HD_SECRET_NAME);
        s->secrets[i].name[HD_SECRET_NAME - 1] = '\0';
        memcpy(s->secrets[i].key, take(r, HD_KEY_BYTES), HD_KEY_BYTES);
    }
    if (r->bad || r->n > 0) return damaged(u);
    HD_TRY(check_workspace(u, s));
    u->has_keyring = true;
    HD_TRY(note_workspace(u->params->subjects, s->workspace));
    return set_sequence(u->params->subjects, last);
}

static heed_err unpack_subjects(unpack *u, reader *r) {
    hd_query *q;
    HD_TRY(hd_query_open(u->params->subjects,
                         "INSERT INTO subjects(key, version, box) VALUES (?1, ?2, ?3)", &q));
    heed_err err = HEED_OK;
    while (err == HEED_OK && r->n >= SUBJECT_ROW) {
        hd_query_bind_i64(q, 1, (int64_t)take_number(r, 8));
        hd_query_bind_i64(q, 2, (int64_t)take_number(r, 4));
        hd_query_bind_blob(q, 3, take(r, HD_KEY_BOX), HD_KEY_BOX);
        err = hd_query_run(q);
    }
    hd_query_close(q);
    return err;
}

static heed_err unpack_erasures(unpack *u, reader *r) {
    hd_query *q;
    HD_TRY(hd_query_open(u->params->subjects,
                         "INSERT INTO erasures(key, subject, time, receipt, tag)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
                         &q));
    heed_err err = HEED_OK;
    while (err == HEED_OK && r->n >= ERASURE_ROW) {
        for (int i = 1; i <= 3; i++) hd_query_bind_i64(q, i, (int64_t)take_number(r, 8));
        hd_query_bind_blob(q, 4, take(r, HD_RECEIPT_BYTES), HD_RECEIPT_BYTES);
        hd_query_bind_blob(q, 5, take(r, HD_SEAL_BYTES), HD_SEAL_BYTES);
        err = hd_query_run(q);
    }
    hd_query_close(q);
    return err;
}

static heed_err unpack_mark(unpack *u, reader *r) {
    hd_query *q;
    hd_slice name = {.n = (size_t)take_number(r, 1)};
    if (name.n > r->n) return damaged(u);
    name.p = (const char *)take(r, name.n);
    uint64_t count = take_number(r, 8);
    const uint8_t *tag = take(r, HD_SEAL_BYTES);
    if (r->bad) return damaged(u);
    HD_TRY(hd_query_open(u->params->subjects,
                         "INSERT INTO marks(name, count, value, tag) VALUES (?1, ?2, ?3, ?4)", &q));
    hd_query_bind_text(q, 1, name);
    hd_query_bind_i64(q, 2, (int64_t)count);
    hd_query_bind_blob(q, 3, r->p, r->n);
    hd_query_bind_blob(q, 4, tag, HD_SEAL_BYTES);
    heed_err err = hd_query_run(q);
    hd_query_close(q);
    r->n = 0;
    return err;
}

static const struct {
    uint8_t letter;
    heed_err (*run)(unpack *u, reader *r);
} unpackers[] = {
    {'K', unpack_keyring},
    {'S', unpack_subjects},
    {'E', unpack_erasures},
    {'M', unpack_mark},
};

static heed_err unpack_chunk(unpack *u) {
    if (u->n == 0) return u->last ? HEED_OK : damaged(u);
    reader r = {u->plain + 1, u->n - 1, false};
    for (size_t i = 0; i < sizeof unpackers / sizeof unpackers[0]; i++) {
        if (u->plain[0] != unpackers[i].letter) continue;
        if (!u->has_keyring && i > 0) return damaged(u);
        HD_TRY(unpackers[i].run(u, &r));
        return r.bad || r.n > 0 ? damaged(u) : HEED_OK;
    }
    return damaged(u);
}

static heed_err unpack_chunks(unpack *u) {
    while (!u->last) {
        HD_TRY(read_chunk(u));
        HD_TRY(unpack_chunk(u));
    }
    return u->in.n == 0 && u->has_keyring ? HEED_OK : damaged(u);
}

static heed_err unpack_rows(unpack *u) {
    hd_store *store = u->params->subjects;
    HD_TRY(hd_store_exec(store, "PRAGMA secure_delete = ON"));
    HD_TRY(hd_store_migrate(store, hd_subjects_migrations, hd_subjects_n_migrations));
    HD_TRY(hd_store_begin(store));
    heed_err err = unpack_chunks(u);
    if (err == HEED_OK) return hd_store_commit(store);
    hd_store_rollback(store);
    return err;
}

static heed_err write_files(unpack *u) {
    hd_arena arena;
    char *path;
    randombytes_buf(u->keyring.secrets->master, HD_KEY_BYTES);
    hd_arena_init(&arena);
    heed_err err = hd_keyring_path(u->params->folder, "master.key", &arena, &path);
    if (err == HEED_OK) err = hd_master_write(path, u->keyring.secrets->master);
    if (err == HEED_OK) err = hd_keyring_save(&u->keyring, u->keyring.secrets);
    hd_arena_clear(&arena);
    return err;
}

static heed_err unpack_copy(unpack *u, const hd_str *file) {
    u->in = (reader){(const uint8_t *)hd_str_get(file), file->len, false};
    HD_TRY(hd_secrets_new(&u->keyring.secrets));
    HD_TRY(read_head(u));
    HD_TRY(unpack_rows(u));
    return write_files(u);
}

heed_err hd_keyring_import(const hd_keyring_params *params, const char *path) {
    hd_str file;
    unpack u = {.params = params, .path = path};
    char *folder = hd_strdup(params->folder);
    u.plain = hd_alloc(CHUNK_ROOM);
    hd_str_init(&file);
    heed_err err = folder && u.plain ? HEED_OK : HD_FAIL_MEMORY(CHUNK_ROOM);
    u.keyring.folder = folder;
    if (err == HEED_OK) err = hd_fs_private(params->folder);
    if (err == HEED_OK) err = hd_fs_read(path, 0, &file);
    if (err == HEED_OK) err = unpack_copy(&u, &file);
    hd_secrets_free(u.keyring.secrets);
    sodium_memzero(&u.state, sizeof u.state);
    if (u.plain) sodium_memzero(u.plain, CHUNK_ROOM);
    hd_free(u.plain);
    hd_free(folder);
    hd_str_clear(&file);
    return err;
}
