// SPDX-License-Identifier: Apache-2.0
//
// Jobs as files, one folder each, instead of rows in heed.db: a job's state must not wait for the
// database's one writer (which may be the job itself), a child process must be able to tell what it
// found without opening anything, and an operator can look at a folder.
//
// Every change is: take jobs/.lock, read job.json, change it, write it whole. The lock is held for
// the time of two small files; it makes "cancel" and "start" of one job exclude each other across
// processes. Readers take no lock: a file that is replaced by a rename is always whole.
//
// What became of a process is told by what it left, not by its exit code alone: error.json means it
// failed, else result.json means it is done, else it died. A child writes exactly one of them last,
// so a server that comes back after a crash can still tell what was finished.
#include "workspace/jobs.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

enum { LOCK_PATIENCE = 10000, MAX_JOB_BYTES = 16 << 20, MAX_RESULT_BYTES = 256 << 20 };

static const char *const state_names[HD_JOB_STATES] = {
    [HD_JOB_QUEUED] = "queued", [HD_JOB_RUNNING] = "running",     [HD_JOB_DONE] = "done",
    [HD_JOB_FAILED] = "failed", [HD_JOB_CANCELLED] = "cancelled",
};

const char *hd_job_state_at(size_t i) {
    return i < HD_JOB_STATES ? state_names[i] : NULL;
}

hd_job_state hd_job_state_of(const json_t *job) {
    const char *name = json_string_value(json_object_get(job, "state"));
    for (size_t i = 0; name && i < HD_JOB_STATES; i++)
        if (strcmp(name, state_names[i]) == 0) return (hd_job_state)i;
    return HD_JOB_FAILED;
}

// ── Names and paths ──

static bool is_id(const char *id) {
    size_t n = id ? strlen(id) : 0;
    return n >= 13 && n < HD_JOB_ID && strspn(id, "0123456789") == n;
}

static heed_err fail_unknown(const char *id) {
    return HD_FAIL(HEED_NOT_FOUND, "there is no job '%s'; 'heed job list' shows them",
                   "没有任务“%s”；可用“heed job list”查看", id ? id : "");
}

heed_err hd_job_path(const char *folder, const char *id, const char *name, hd_arena *arena,
                     char **out) {
    if (!is_id(id)) return fail_unknown(id);
    *out = hd_arena_printf(arena, "%s/jobs/%s%s%s", folder, id, name[0] ? "/" : "", name);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

// jobs/ and its lock. Released by hd_lock_release.
static heed_err lock_jobs(const char *folder, hd_lock **out) {
    char path[PATH_MAX];
    int n = hd_snprintf(path, sizeof path, "%s/jobs", folder);
    if (n < 0 || (size_t)n + sizeof "/.lock" > sizeof path)
        return HD_FAIL(HEED_INPUT, "the path of '%s' is too long", "“%s”的路径过长", folder);
    HD_TRY(hd_fs_mkdirs(path, 0700));
    memcpy(path + n, "/.lock", sizeof "/.lock");
    return hd_lock_wait(path, "heed job", LOCK_PATIENCE, out);
}

// Ids of all jobs, oldest first, in the arena.
static heed_err list_ids(const char *folder, hd_arena *arena, char ***ids, size_t *n) {
    char *path = hd_fs_join(arena, folder, "jobs");
    char **names = NULL;
    size_t n_names = 0;
    if (!path) return HD_FAIL_MEMORY(0);
    if (hd_fs_is_dir(path)) HD_TRY(hd_fs_list(path, arena, &names, &n_names));
    *n = 0;
    for (size_t i = 0; i < n_names; i++)
        if (is_id(names[i])) names[(*n)++] = names[i];
    *ids = names;
    return HEED_OK;
}

// ── The file ──

static heed_err read_json(const char *path, size_t max, json_t **out) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_fs_read(path, max, &text);
    if (err == HEED_OK) err = hd_json_parse(hd_str_get(&text), text.len, path, out);
    hd_str_clear(&text);
    return err;
}

static heed_err write_json(const char *path, const json_t *json) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    hd_str_addc(&text, '\n');
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0600);
    hd_str_clear(&text);
    return err;
}

heed_err hd_job_write(const char *folder, const char *id, const char *name, const json_t *json) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = hd_job_path(folder, id, name, &arena, &path);
    if (err == HEED_OK) err = write_json(path, json);
    hd_arena_clear(&arena);
    return err;
}

static heed_err get_in(const char *folder, const char *id, hd_arena *arena, json_t **out) {
    char *path;
    HD_TRY(hd_job_path(folder, id, "job.json", arena, &path));
    heed_err err = read_json(path, MAX_JOB_BYTES, out);
    if (err == HEED_NOT_FOUND) return fail_unknown(id);
    if (err == HEED_INPUT) {
        hd_error failure;
        hd_error_get(&failure);
        return HD_FAIL(HEED_CORRUPT, "a job can't be read: %s", "任务无法读取：%s",
                       failure.text[HEED_EN]);
    }
    HD_TRY(err);
    if (json_is_object(*out) && json_is_string(json_object_get(*out, "operation")) &&
        json_is_object(json_object_get(*out, "params")))
        return HEED_OK;
    hd_json_drop(out);
    return HD_FAIL(HEED_CORRUPT, "'%s' is not a job", "“%s”不是任务", path);
}

heed_err hd_jobs_get(const char *folder, const char *id, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = get_in(folder, id, &arena, out);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_jobs_result(const char *folder, const char *id, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = hd_job_path(folder, id, "result.json", &arena, &path);
    if (err == HEED_OK) err = read_json(path, MAX_RESULT_BYTES, out);
    if (err == HEED_NOT_FOUND)
        err = HD_FAIL(HEED_NOT_FOUND, "job '%s' has no result", "任务“%s”没有结果", id);
    hd_arena_clear(&arena);
    return err;
}

static heed_err set_now(json_t *job, const char *key) {
    char now[32];
    hd_time_format(hd_time_now(), NULL, now);
    return hd_json_set(job, key, json_string(now));
}

static heed_err set_state(json_t *job, hd_job_state state) {
    return hd_json_set(job, "state", json_string(state_names[state]));
}

static heed_err store(const char *folder, const char *id, json_t *job, hd_arena *arena) {
    char *path;
    json_int_t revision = json_integer_value(json_object_get(job, "revision"));
    HD_TRY(hd_job_path(folder, id, "job.json", arena, &path));
    HD_TRY(hd_json_set(job, "revision", json_integer(revision + 1)));
    return write_json(path, job);
}

// Reads, changes by fn and writes, under the lock. *out (may be NULL): the job afterwards.
typedef heed_err (*change_fn)(void *ctx, json_t *job);
static heed_err change(const char *folder, const char *id, change_fn fn, void *ctx, json_t **out) {
    hd_lock *lock = NULL;
    json_t *job = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = is_id(id) ? HEED_OK : fail_unknown(id);
    if (err == HEED_OK) err = lock_jobs(folder, &lock);
    if (err == HEED_OK) err = get_in(folder, id, &arena, &job);
    if (err == HEED_OK) err = fn(ctx, job);
    if (err == HEED_OK) err = store(folder, id, job, &arena);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    if (err == HEED_OK && out)
        *out = job;
    else
        json_decref(job);
    return err;
}

// ── Adding ──

static heed_err new_job(const hd_job_order *order, const char *id, json_t **out) {
    char created[32];
    hd_time_format(hd_time_now(), NULL, created);
    json_t *params = json_deep_copy(order->params);
    if (!params) return HD_FAIL_MEMORY(0);
    return hd_json_pack(
        out, "{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:n, s:n, s:{s:n, s:n}, s:b, s:n, s:n, s:b, s:i}",
        "id", id, "operation", order->operation, "params", params, "by",
        order->by ? order->by : "cli", "lang", order->lang == HEED_ZH ? "zh" : "en", "state",
        state_names[HD_JOB_QUEUED], "created", created, "started", "ended", "progress", "share",
        "text", "cancel", 0, "error", "exit_code", "has_result", 0, "revision", 0);
}

// The id after the newest: now, or a millisecond later than that one.
static heed_err next_id(const char *folder, hd_arena *arena, char out[HD_JOB_ID]) {
    char **ids;
    size_t n;
    int64_t newest = 0;
    int64_t now = hd_time_now();
    HD_TRY(list_ids(folder, arena, &ids, &n));
    if (n > 0 && !hd_slice_i64(hd_slice_of(ids[n - 1]), &newest)) newest = 0;
    if (now < 0) now = 0;
    hd_snprintf(out, HD_JOB_ID, "%013lld", (long long)(now > newest ? now : newest + 1));
    return HEED_OK;
}

// Fills the folder aside. The upload goes in last: what fails before leaves it to the caller.
static heed_err fill_folder(const char *folder, const char *id, const char *aside,
                            const hd_job_order *order, hd_arena *arena, json_t **job) {
    char *upload;
    HD_TRY(hd_job_path(folder, id, "upload", arena, &upload));
    HD_TRY(new_job(order, id, job));
    if (order->upload_path) {
        json_t *params = json_object_get(*job, "params");
        HD_TRY(hd_json_set(params, order->upload_param, json_string(upload)));
    }
    char *file = hd_fs_join(arena, aside, "job.json");
    char *upload_aside = hd_fs_join(arena, aside, "upload");
    if (!file || !upload_aside) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(aside, 0700));
    HD_TRY(hd_json_set(*job, "revision", json_integer(1)));
    HD_TRY(write_json(file, *job));
    return order->upload_path ? hd_fs_rename(order->upload_path, upload_aside) : HEED_OK;
}

static heed_err add_in(const char *folder, const hd_job_order *order, hd_arena *arena,
                       json_t **job) {
    char id[HD_JOB_ID];
    char *place;
    HD_TRY(next_id(folder, arena, id));
    HD_TRY(hd_job_path(folder, id, "", arena, &place));
    char *aside = hd_arena_printf(arena, "%s/jobs/.new-%s", folder, id);
    if (!aside) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_remove(aside));
    heed_err err = fill_folder(folder, id, aside, order, arena, job);
    if (err == HEED_OK) err = hd_fs_rename(aside, place);
    if (err == HEED_OK) return HEED_OK;
    hd_error failure;
    hd_error_get(&failure);
    heed_err left = hd_fs_remove(aside); // if that fails too, hd_jobs_prune does it
    (void)left;
    hd_json_drop(job);
    return hd_error_restore(&failure);
}

heed_err hd_jobs_add(const char *folder, const hd_job_order *order, json_t **out) {
    hd_lock *lock = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    *out = NULL;
    heed_err err = lock_jobs(folder, &lock);
    if (err == HEED_OK) err = add_in(folder, order, &arena, out);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    return err;
}

// ── Listing ──

// One job for a list: *out NULL when it is gone by now or can't be read.
static heed_err get_or_skip(const char *folder, const char *id, hd_arena *arena, json_t **out) {
    *out = NULL;
    heed_err err = get_in(folder, id, arena, out);
    if (err == HEED_CORRUPT) HD_LOG(HD_LOG_WARN, "job", "unreadable", HD_KV_STR("id", id));
    return err == HEED_CORRUPT || err == HEED_NOT_FOUND ? HEED_OK : err;
}

static bool fits(const json_t *job, int state) {
    return job && (state < 0 || hd_job_state_of(job) == (hd_job_state)state);
}

// Up to limit jobs that are older than `cursor`; *next: the last one's id when others follow.
static heed_err list_page(const char *folder, int state, const char *cursor, size_t limit,
                          hd_arena *arena, json_t *list, const char **next) {
    char **ids;
    size_t n;
    HD_TRY(list_ids(folder, arena, &ids, &n));
    const char *last = NULL;
    for (size_t i = n; i-- > 0;) {
        json_t *job;
        if (cursor && strcmp(ids[i], cursor) >= 0) continue;
        HD_TRY(get_or_skip(folder, ids[i], arena, &job));
        bool full = json_array_size(list) == limit;
        if (!fits(job, state) || full) {
            if (fits(job, state)) *next = last;
            json_decref(job);
            if (*next) return HEED_OK;
            continue;
        }
        last = ids[i];
        HD_TRY(hd_json_append(list, job));
    }
    return HEED_OK;
}

heed_err hd_jobs_list(const char *folder, int state, const char *cursor, size_t limit,
                      json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    const char *next = NULL;
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK && cursor && !is_id(cursor))
        err = HD_FAIL(HEED_INPUT, "cursor: '%s' is none that a page before gave",
                      "cursor：“%s”不是上一页给出的游标", cursor);
    if (err == HEED_OK) err = list_page(folder, state, cursor, limit, &arena, list, &next);
    if (err == HEED_OK) err = hd_json_pack(out, "{s:O, s:s?}", "jobs", list, "next_cursor", next);
    json_decref(list);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_jobs_in(const char *folder, hd_job_state state, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    char **ids = NULL;
    size_t n = 0;
    json_t *list = json_array();
    heed_err err = list ? list_ids(folder, &arena, &ids, &n) : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        json_t *job;
        err = get_or_skip(folder, ids[i], &arena, &job);
        if (fits(job, (int)state))
            err = hd_json_append(list, job);
        else
            json_decref(job);
    }
    hd_arena_clear(&arena);
    if (err == HEED_OK)
        *out = list;
    else
        json_decref(list);
    return err;
}

// ── Changing ──

static heed_err fail_ended(const json_t *job) {
    return HD_FAIL(HEED_CONFLICT, "job '%s' is %s: it can't be cancelled any more",
                   "任务“%s”的状态是 %s：已无法取消", json_string_value(json_object_get(job, "id")),
                   state_names[hd_job_state_of(job)]);
}

static heed_err cancel_job(void *ctx, json_t *job) {
    (void)ctx;
    hd_job_state state = hd_job_state_of(job);
    if (hd_job_ended(state)) return fail_ended(job);
    HD_TRY(hd_json_set(job, "cancel", json_true()));
    if (state == HD_JOB_RUNNING) return HEED_OK;
    HD_TRY(set_now(job, "ended"));
    return set_state(job, HD_JOB_CANCELLED);
}

// An upload may hold what people did: it doesn't outlive its job.
static heed_err remove_upload(const char *folder, const char *id) {
    hd_arena arena;
    hd_arena_init(&arena);
    char *path;
    heed_err err = hd_job_path(folder, id, "upload", &arena, &path);
    if (err == HEED_OK) err = hd_fs_remove(path);
    hd_arena_clear(&arena);
    return err;
}

heed_err hd_jobs_cancel(const char *folder, const char *id, json_t **out) {
    json_t *job = NULL;
    HD_TRY(change(folder, id, cancel_job, NULL, &job));
    heed_err err = HEED_OK;
    if (hd_job_ended(hd_job_state_of(job))) err = remove_upload(folder, id);
    if (err == HEED_OK)
        *out = job;
    else
        json_decref(job);
    return err;
}

static heed_err start_job(void *ctx, json_t *job) {
    (void)ctx;
    if (hd_job_state_of(job) != HD_JOB_QUEUED)
        return HD_FAIL(HEED_CONFLICT, "job '%s' isn't queued any more", "任务“%s”已不在排队",
                       json_string_value(json_object_get(job, "id")));
    HD_TRY(set_now(job, "started"));
    return set_state(job, HD_JOB_RUNNING);
}

heed_err hd_jobs_start(const char *folder, const char *id, json_t **out) {
    return change(folder, id, start_job, NULL, out);
}

typedef struct progress_news {
    const char *en, *zh;
    double share;
    bool cancel;
} progress_news;

static heed_err note_progress(void *ctx, json_t *job) {
    progress_news *news = ctx;
    news->cancel = json_is_true(json_object_get(job, "cancel"));
    json_t *share = news->share >= 0 ? hd_json_real(news->share) : json_null();
    json_t *progress = NULL;
    if (!share) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_json_pack(&progress, "{s:o, s:{s:s, s:s}}", "share", share, "text", "en", news->en,
                        "zh", news->zh));
    return hd_json_set(job, "progress", progress);
}

heed_err hd_jobs_progress(const char *folder, const char *id, const char *en, const char *zh,
                          double share, bool *cancel) {
    progress_news news = {en, zh, share, false};
    HD_TRY(change(folder, id, note_progress, &news, NULL));
    *cancel = news.cancel;
    return HEED_OK;
}

// ── Ending ──

typedef struct ending {
    const char *folder;
    const char *id;
    int exit_code, signal;
    bool has_error, has_result;
    hd_arena arena;
} ending;

static heed_err set_error(json_t *job, const char *code, const char *en, const char *zh) {
    json_t *error = NULL;
    HD_TRY(
        hd_json_pack(&error, "{s:s, s:{s:s, s:s}}", "code", code, "message", "en", en, "zh", zh));
    return hd_json_set(job, "error", error);
}

static heed_err tell_death(const ending *e, json_t *job) {
    char en[160], zh[160];
    if (e->exit_code < 0 && e->signal == 0)
        return set_error(job, "INTERRUPTED", "the server ended while it ran",
                         "运行期间服务器已结束");
    if (e->signal == SIGKILL) {
        hd_snprintf(en, sizeof en, "its process was killed: most likely for want of memory");
        hd_snprintf(zh, sizeof zh, "其进程被强制终止：很可能是内存不足");
    } else if (e->signal != 0) {
        hd_snprintf(en, sizeof en, "its process was ended by signal %d", e->signal);
        hd_snprintf(zh, sizeof zh, "其进程被信号 %d 终止", e->signal);
    } else {
        hd_snprintf(en, sizeof en, "its process ended with code %d and left no result",
                    e->exit_code);
        hd_snprintf(zh, sizeof zh, "其进程以代码 %d 结束，没有留下结果", e->exit_code);
    }
    return set_error(job, e->signal == SIGTERM || e->signal == SIGINT ? "INTERRUPTED" : "FAILED",
                     en, zh);
}

// What the child wrote of its failure; like any file's content it may be anything.
static heed_err take_error(ending *e, json_t *job) {
    char *path;
    json_t *json = NULL;
    HD_TRY(hd_job_path(e->folder, e->id, "error.json", &e->arena, &path));
    heed_err err = read_json(path, MAX_JOB_BYTES, &json);
    const char *code = json_string_value(json_object_get(json, "code"));
    const char *en = json_string_value(json_object_get(json, "en"));
    const char *zh = json_string_value(json_object_get(json, "zh"));
    if (code && en && zh)
        err = set_error(job, code, en, zh);
    else if (err == HEED_OK || err == HEED_INPUT || err == HEED_NOT_FOUND)
        err = tell_death(e, job);
    json_decref(json);
    return err;
}

static heed_err end_job(void *ctx, json_t *job) {
    ending *e = ctx;
    hd_job_state state = HD_JOB_FAILED;
    bool cancelled = json_is_true(json_object_get(job, "cancel"));
    if (hd_job_ended(hd_job_state_of(job))) return fail_ended(job);
    if (e->has_result && !e->has_error) {
        state = HD_JOB_DONE;
    } else if (cancelled) {
        state = HD_JOB_CANCELLED;
    } else {
        HD_TRY(e->has_error ? take_error(e, job) : tell_death(e, job));
    }
    HD_TRY(set_now(job, "ended"));
    if (e->exit_code >= 0) HD_TRY(hd_json_set(job, "exit_code", json_integer(e->exit_code)));
    HD_TRY(hd_json_set(job, "has_result", json_boolean(e->has_result)));
    return set_state(job, state);
}

heed_err hd_jobs_end(const char *folder, const char *id, int exit_code, int signal) {
    ending e = {.folder = folder, .id = id, .exit_code = exit_code, .signal = signal};
    hd_arena_init(&e.arena);
    char *error;
    char *result;
    heed_err err = hd_job_path(folder, id, "error.json", &e.arena, &error);
    if (err == HEED_OK) err = hd_job_path(folder, id, "result.json", &e.arena, &result);
    if (err == HEED_OK) {
        e.has_error = hd_fs_exists(error);
        e.has_result = hd_fs_exists(result);
        err = change(folder, id, end_job, &e, NULL);
    }
    hd_arena_clear(&e.arena);
    if (err != HEED_OK) return err;
    return remove_upload(folder, id);
}

heed_err hd_jobs_orphans(const char *folder, size_t *n) {
    json_t *running = NULL;
    *n = 0;
    HD_TRY(hd_jobs_in(folder, HD_JOB_RUNNING, &running));
    heed_err err = HEED_OK;
    size_t i;
    json_t *job;
    json_array_foreach(running, i, job) {
        err = hd_jobs_end(folder, json_string_value(json_object_get(job, "id")), -1, 0);
        if (err != HEED_OK) break;
        ++*n;
    }
    json_decref(running);
    return err;
}

// ── Events ──

heed_err hd_job_event(const char *folder, const char *id, int64_t *seen, bool *ended, hd_str *out) {
    json_t *job = NULL;
    *ended = false;
    HD_TRY(hd_jobs_get(folder, id, &job));
    int64_t revision = json_integer_value(json_object_get(job, "revision"));
    *ended = hd_job_ended(hd_job_state_of(job));
    heed_err err = HEED_OK;
    if (revision != *seen) {
        (void)json_object_del(job, "params"); // whoever watches need not read them
        hd_str_addf(out, "id: %lld\nevent: %s\ndata: ", (long long)revision,
                    *ended ? "end" : "progress");
        err = hd_json_dump(job, false, out);
        hd_str_add(out, "\n\n");
        if (err == HEED_OK) err = hd_str_check(out);
        *seen = revision;
    }
    json_decref(job);
    return err;
}

// ── Pruning ──

static heed_err remove_old(const char *folder, int64_t days, size_t keep, hd_arena *arena) {
    char **ids;
    size_t n;
    size_t ended = 0;
    int64_t oldest = hd_time_now() - days * HD_DAY_MS;
    HD_TRY(list_ids(folder, arena, &ids, &n));
    for (size_t i = n; i-- > 0;) {
        json_t *job;
        char *path;
        int64_t made;
        HD_TRY(get_or_skip(folder, ids[i], arena, &job));
        bool over = job && hd_job_ended(hd_job_state_of(job));
        json_decref(job);
        if (!over || !hd_slice_i64(hd_slice_of(ids[i]), &made)) continue;
        if (++ended <= keep && !(days > 0 && made < oldest)) continue;
        HD_TRY(hd_job_path(folder, ids[i], "", arena, &path));
        HD_TRY(hd_fs_remove(path));
    }
    return HEED_OK;
}

static heed_err remove_leftovers(const char *folder, hd_arena *arena) {
    char *path = hd_fs_join(arena, folder, "jobs");
    char **names;
    size_t n;
    if (!path) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_list(path, arena, &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (strncmp(names[i], ".new-", 5) != 0) continue;
        char *left = hd_fs_join(arena, path, names[i]);
        if (!left) return HD_FAIL_MEMORY(0);
        HD_TRY(hd_fs_remove(left));
    }
    return HEED_OK;
}

heed_err hd_jobs_prune(const char *folder, int64_t days, size_t keep) {
    hd_lock *lock = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_err err = lock_jobs(folder, &lock);
    if (err == HEED_OK) err = remove_old(folder, days, keep, &arena);
    if (err == HEED_OK) err = remove_leftovers(folder, &arena);
    hd_lock_release(lock);
    hd_arena_clear(&arena);
    return err;
}
