// SPDX-License-Identifier: Apache-2.0
//
// libsodium's guarded memory holds the text. A wrong passphrase ends the start, so what is kept is
// what opened the keys; one that is changed while the server runs counts from the next start on.
#include "server/passphrases.h"

#include <pthread.h>
#include <sodium.h>

#include "base/mem.h"

typedef struct secret {
    char *folder;
    char *text; // (n), of sodium_malloc
    size_t n;
    struct secret *next;
} secret;

struct hd_passphrases {
    hd_passphrase ask;
    pthread_mutex_t lock; // over all that follows
    secret *first;
    bool settled;
};

typedef struct place {
    hd_passphrases *all;
    const char *folder;
} place;

heed_err hd_passphrases_new(hd_passphrase ask, hd_passphrases **out) {
    hd_passphrases *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    s->ask = ask;
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return HEED_OK;
}

static void secret_free(secret *one) {
    sodium_free(one->text);
    hd_free(one->folder);
    hd_free(one);
}

void hd_passphrases_free(hd_passphrases *s) {
    if (!s) return;
    for (secret *next, *one = s->first; one; one = next) {
        next = one->next;
        secret_free(one);
    }
    pthread_mutex_destroy(&s->lock);
    hd_free(s);
}

void hd_passphrases_settle(hd_passphrases *s) {
    pthread_mutex_lock(&s->lock);
    s->settled = true;
    pthread_mutex_unlock(&s->lock);
}

static const secret *find(const hd_passphrases *s, const char *folder) {
    for (const secret *one = s->first; one; one = one->next)
        if (strcmp(one->folder, folder) == 0) return one;
    return NULL;
}

static heed_err keep(hd_passphrases *s, const char *folder, const hd_str *text) {
    secret *one = hd_calloc(1, sizeof *one);
    if (!one) return HD_FAIL_MEMORY(sizeof *one);
    one->folder = hd_strdup(folder);
    one->text = sodium_malloc(text->len + 1);
    if (!one->folder || !one->text) {
        secret_free(one);
        return HD_FAIL_MEMORY(text->len);
    }
    one->n = text->len;
    memcpy(one->text, hd_str_get(text), text->len + 1);
    one->next = s->first;
    s->first = one;
    return HEED_OK;
}

static heed_err ask_once(hd_passphrases *s, const char *folder, hd_str *out) {
    const secret *known = find(s, folder);
    if (known) {
        hd_str_addn(out, known->text, known->n);
        return hd_str_check(out);
    }
    if (s->settled || !s->ask.ask)
        return HD_FAIL(HEED_NOT_FOUND,
                       "a passphrase is needed and nobody can be asked: set HEED_PASSPHRASE, or "
                       "start the server in a terminal",
                       "需要口令，但无人可询问：请设置 HEED_PASSPHRASE，或在终端中启动服务器");
    HD_TRY(s->ask.ask(s->ask.ctx, false, out));
    return keep(s, folder, out);
}

static heed_err ask_of(void *ctx, bool fresh, hd_str *out) {
    const place *at = ctx;
    if (fresh)
        return HD_FAIL(HEED_NOT_FOUND, "a server has nobody to ask for a new passphrase",
                       "服务器无法询问新口令");
    pthread_mutex_lock(&at->all->lock);
    heed_err err = ask_once(at->all, at->folder, out);
    pthread_mutex_unlock(&at->all->lock);
    return err;
}

heed_err hd_passphrases_of(hd_passphrases *s, const char *folder, hd_arena *arena,
                           hd_passphrase *out) {
    place *at = hd_arena_alloc(arena, sizeof *at);
    if (!at) return HD_FAIL_MEMORY(sizeof *at);
    *at = (place){s, hd_arena_strdup(arena, folder)};
    if (!at->folder) return HD_FAIL_MEMORY(0);
    *out = (hd_passphrase){ask_of, at};
    return HEED_OK;
}

heed_err hd_passphrases_tell(void *ctx, const char *folder, hd_str *out) {
    hd_passphrases *s = ctx;
    pthread_mutex_lock(&s->lock);
    const secret *known = find(s, folder);
    if (known) hd_str_addn(out, known->text, known->n);
    pthread_mutex_unlock(&s->lock);
    return hd_str_check(out);
}
