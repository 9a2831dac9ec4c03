// SPDX-License-Identifier: Apache-2.0
//
// Looking for ids in text whose form isn't known: a rejected row is what somebody's file held. An
// id counts as found where neither a letter nor a digit touches it. A short id ("1") is found in
// rows of others too; what goes then is an account of a refused row, which was to expire anyway.
//
// Jobs quote what they were asked for: there an id must stand in quotes, or every job would go.
#include "workspace/purge.h"

#include <ctype.h>

#include "base/fs.h"
#include "base/json.h"
#include "workspace/jobs.h"

typedef struct purge {
    hd_arena arena;
    const hd_slice *words; // (n) as they stand within a JSON string
    size_t n;
} purge;

static bool touches(char c) {
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

// Whether the word stands in the text by itself; quoted: between quotes of some kind.
static bool holds(hd_slice text, hd_slice word, bool quoted) {
    const char *at = text.p, *end = text.p + text.n;
    while ((size_t)(end - at) >= word.n &&
           (at = memchr(at, word.p[0], (size_t)(end - at) - word.n + 1)) != NULL) {
        char before = at == text.p ? ' ' : at[-1];
        char after = at + word.n == end ? ' ' : at[word.n];
        if (memcmp(at, word.p, word.n) == 0) {
            if (!quoted && !touches(before) && !touches(after)) return true;
            if (quoted && before == after && (before == '"' || before == '\'')) return true;
        }
        at++;
    }
    return false;
}

static bool holds_any(const purge *p, hd_slice text, bool quoted) {
    for (size_t i = 0; i < p->n; i++)
        if (holds(text, p->words[i], quoted)) return true;
    return false;
}

// An id as JSON writes it, without the quotes.
static heed_err make_words(purge *p, const char *const *ids, size_t n) {
    hd_slice *words = hd_arena_alloc(&p->arena, (n + 1) * sizeof *words);
    if (!words) return HD_FAIL_MEMORY(n * sizeof *words);
    hd_str text;
    hd_str_init(&text);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        hd_str_reset(&text);
        hd_json_quote(&text, ids[i], strlen(ids[i]));
        err = hd_str_check(&text);
        if (err != HEED_OK || text.len <= 2) continue;
        words[p->n] =
            (hd_slice){hd_arena_strndup(&p->arena, text.data + 1, text.len - 2), text.len - 2};
        if (!words[p->n++].p) err = HD_FAIL_MEMORY(text.len);
    }
    hd_str_clear(&text);
    p->words = words;
    return err;
}

// ── Rejected rows ──

static void keep_lines(const purge *p, hd_slice text, hd_str *kept) {
    while (text.n > 0) {
        const char *newline = memchr(text.p, '\n', text.n);
        size_t n = newline ? (size_t)(newline - text.p) + 1 : text.n;
        if (!holds_any(p, (hd_slice){text.p, n}, false)) hd_str_addn(kept, text.p, n);
        text.p += n;
        text.n -= n;
    }
}

static heed_err purge_file(const purge *p, const char *path) {
    hd_str text, kept;
    hd_str_init(&text);
    hd_str_init(&kept);
    heed_err err = hd_fs_read(path, 0, &text);
    if (err == HEED_OK) {
        keep_lines(p, (hd_slice){text.data, text.len}, &kept);
        err = hd_str_check(&kept);
    }
    if (err == HEED_OK && kept.len == 0 && text.len > 0)
        err = hd_fs_remove(path);
    else if (err == HEED_OK && kept.len < text.len)
        err = hd_fs_write(path, kept.data, kept.len, 0600);
    hd_str_clear(&text);
    hd_str_clear(&kept);
    return err;
}

static heed_err purge_rejects(purge *p, const char *folder) {
    char **names;
    size_t n;
    char *rejects = hd_fs_join(&p->arena, folder, "rejects");
    if (!rejects) return HD_FAIL_MEMORY(0);
    if (!hd_fs_is_dir(rejects)) return HEED_OK;
    HD_TRY(hd_fs_list(rejects, &p->arena, &names, &n));
    for (size_t i = 0; i < n; i++) {
        char *path = hd_fs_join(&p->arena, rejects, names[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        if (!hd_fs_is_dir(path)) HD_TRY(purge_file(p, path));
    }
    return HEED_OK;
}

// ── Jobs ──

static heed_err names_one(purge *p, const char *job, bool *out) {
    static const char *const files[] = {"job.json", "result.json", "error.json"};
    *out = false;
    for (size_t i = 0; i < sizeof files / sizeof *files && !*out; i++) {
        hd_str text;
        char *path = hd_fs_join(&p->arena, job, files[i]);
        if (!path) return HD_FAIL_MEMORY(0);
        if (!hd_fs_exists(path)) continue;
        hd_str_init(&text);
        heed_err err = hd_fs_read(path, 0, &text);
        *out = err == HEED_OK && holds_any(p, (hd_slice){text.data, text.len}, true);
        hd_str_clear(&text);
        HD_TRY(err);
    }
    return HEED_OK;
}

static heed_err purge_job(purge *p, const char *folder, const char *id) {
    bool named, ended;
    char *path;
    json_t *job = NULL;
    heed_err err = hd_jobs_get(folder, id, &job);
    if (err != HEED_OK) return err == HEED_MEMORY ? err : HEED_OK; // no job, or one being removed
    ended = hd_job_ended(hd_job_state_of(job));
    json_decref(job);
    if (!ended) return HEED_OK;
    HD_TRY(hd_job_path(folder, id, "", &p->arena, &path));
    HD_TRY(names_one(p, path, &named));
    return named ? hd_fs_remove(path) : HEED_OK;
}

static heed_err purge_jobs(purge *p, const char *folder) {
    char **names;
    size_t n;
    char *jobs = hd_fs_join(&p->arena, folder, "jobs");
    if (!jobs) return HD_FAIL_MEMORY(0);
    if (!hd_fs_is_dir(jobs)) return HEED_OK;
    HD_TRY(hd_fs_list(jobs, &p->arena, &names, &n));
    for (size_t i = 0; i < n; i++)
        if (names[i][0] != '.') HD_TRY(purge_job(p, folder, names[i]));
    return HEED_OK;
}

heed_err hd_purge(const char *folder, const char *const *ids, size_t n) {
    purge p = {.n = 0};
    hd_arena_init(&p.arena);
    heed_err err = make_words(&p, ids, n);
    if (err == HEED_OK && p.n > 0) err = purge_rejects(&p, folder);
    if (err == HEED_OK && p.n > 0) err = purge_jobs(&p, folder);
    hd_arena_clear(&p.arena);
    return err;
}
