// SPDX-License-Identifier: Apache-2.0
//
// One thread for all workspaces: it sleeps in poll on the children's pipes and on one of its own,
// by which others wake it. While children run it also looks up five times a second, to reap them,
// to see whether somebody cancelled one (any process may, by the job's file), and to follow SIGTERM
// by SIGKILL. While none runs it sleeps for good.
//
// posix_spawn rather than fork: the server is large and has threads, and between fork and exec
// nothing but async-signal-safe calls would be allowed. What needs code in the child (nice, limits,
// the signal that comes when the parent dies) the child does itself, first of all.
//
// Progress is a level and not a log: of the lines that come within a second the newest counts, and
// it is written to job.json, where whoever asks finds it.
#include "workspace/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "workspace/workspace.h"

enum {
    TICK_MS = 200,
    PROGRESS_MS = 1000,
    KILL_MS = 10000,
    MAX_RUNNING = 2,
    LINE_BYTES = 4096,
    FIRST_FREE_FD = 16 // descriptors for a child are first moved out of the way of 3 and 4
};

typedef struct place {
    char *folder;
    int lock_fd; // -1: none to lend
    int64_t keep_days;
    size_t keep;
    bool closing;
} place;

typedef struct child {
    place *place;
    char id[HD_JOB_ID];
    char *operation;
    pid_t pid;
    int pipe; // -1: at its end
    char line[LINE_BYTES];
    size_t n_line;
    bool too_long; // of the line at hand
    json_t *news;  // progress not written yet
    int64_t written;
    int64_t asked; // when SIGTERM went out; 0: it didn't
    bool killed;
} child;

struct hd_runner {
    char *program;
    char **flags; // (n_flags)
    size_t n_flags;
    hd_runner_params params;
    int wake[2];
    struct pollfd *polled; // (max_running + 1)
    bool has_thread, has_mutex, has_cond;
    pthread_t thread;
    pthread_mutex_t mutex; // over all that follows
    pthread_cond_t changed;
    place **places; // (n_places)
    size_t n_places, places_cap;
    child **children; // (n_children)
    size_t n_children, children_cap;
    bool closing;
    bool look; // at the queues
};

// ── Parts ──

static void place_free(place *p) {
    hd_fs_dup_close(p->lock_fd);
    hd_free(p->folder);
    hd_free(p);
}

static void child_free(child *c) {
    if (c->pipe >= 0) close(c->pipe);
    json_decref(c->news);
    hd_free(c->operation);
    hd_free(c);
}

static void tell(const hd_runner *r, const child *c) {
    if (r->params.on_change) r->params.on_change(r->params.ctx, c->place->folder, c->id);
}

static int64_t kill_after(const hd_runner *r) {
    return r->params.kill_ms > 0 ? r->params.kill_ms : KILL_MS;
}

// A failure that nobody waits for: a full disk, say. The next look tries again.
static void log_failure(const char *event, const child *c) {
    HD_LOG(HD_LOG_WARN, "job", event, HD_KV_STR("id", c->id),
           HD_KV_STR("error", heed_error_message(HEED_EN)));
}

// ── Starting ──

typedef struct spawning {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int pipe, lock, secret; // the child's ends, above FIRST_FREE_FD; -1: none
} spawning;

static int last_fd(const spawning *s) {
    if (s->secret >= 0) return HD_JOB_SECRET_FD;
    return s->lock >= 0 ? HD_JOB_LOCK_FD : HD_JOB_PROGRESS_FD;
}

static int add_actions(spawning *s) {
    int reason = posix_spawn_file_actions_addopen(&s->actions, 0, "/dev/null", O_RDONLY, 0);
    if (reason == 0)
        reason = posix_spawn_file_actions_addopen(&s->actions, 1, "/dev/null", O_WRONLY, 0);
    if (reason == 0)
        reason = posix_spawn_file_actions_adddup2(&s->actions, s->pipe, HD_JOB_PROGRESS_FD);
    if (reason == 0 && s->lock >= 0)
        reason = posix_spawn_file_actions_adddup2(&s->actions, s->lock, HD_JOB_LOCK_FD);
    if (reason == 0 && s->secret >= 0)
        reason = posix_spawn_file_actions_adddup2(&s->actions, s->secret, HD_JOB_SECRET_FD);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34) // should any be left open by a library
    if (reason == 0) reason = posix_spawn_file_actions_addclosefrom_np(&s->actions, last_fd(s) + 1);
#endif
    return reason;
}

// Its own process group (an interrupt at the server's terminal is the server's matter), and signals
// as they are by default.
static int add_attributes(spawning *s) {
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    int reason = posix_spawnattr_setsigmask(&s->attr, &none);
    if (reason == 0) reason = posix_spawnattr_setsigdefault(&s->attr, &defaults);
    if (reason == 0) reason = posix_spawnattr_setpgroup(&s->attr, 0);
    if (reason == 0)
        reason = posix_spawnattr_setflags(&s->attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                        POSIX_SPAWN_SETPGROUP);
    return reason;
}

static int spawn_with(spawning *s, const hd_runner *r, char *const *argv, pid_t *pid) {
    int reason = posix_spawn_file_actions_init(&s->actions);
    if (reason != 0) return reason;
    reason = posix_spawnattr_init(&s->attr);
    if (reason == 0) {
        reason = add_actions(s);
        if (reason == 0) reason = add_attributes(s);
        if (reason == 0)
            reason = posix_spawn(pid, r->program, &s->actions, &s->attr, argv, environ);
        posix_spawnattr_destroy(&s->attr);
    }
    posix_spawn_file_actions_destroy(&s->actions);
    return reason;
}

// A pipe with the passphrase in it, its end for the child; -1: there is none to tell.
static heed_err fill_secret(const hd_runner *r, const child *c, int *out) {
    int ends[2];
    hd_str text;
    *out = -1;
    if (!r->params.secret) return HEED_OK;
    hd_str_init(&text);
    heed_err err = r->params.secret(r->params.secret_ctx, c->place->folder, &text);
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK && text.len > 0 && text.len <= HD_JOB_SECRET_MOST) {
        if (pipe2(ends, O_CLOEXEC) == 0) {
            if (write(ends[1], text.data, text.len) == (ssize_t)text.len)
                *out = hd_fs_dup(ends[0], FIRST_FREE_FD);
            close(ends[0]);
            close(ends[1]);
        }
        if (*out < 0) err = HD_FAIL_ERRNO(errno, "can't make", "无法创建", "pipe");
    }
    if (text.data) sodium_memzero(text.data, text.cap);
    hd_str_clear(&text);
    return err;
}

// heed <flags> --workspace W --quiet job run ID [--lent-lock] [--lent-passphrase]
static int spawn(const hd_runner *r, child *c, int pipe) {
    spawning s = {.pipe = -1, .lock = -1, .secret = -1};
    char **argv = hd_calloc(r->n_flags + 10, sizeof *argv);
    if (!argv) return ENOMEM;
    if (fill_secret(r, c, &s.secret) != HEED_OK) { // it will say itself what it couldn't open
        log_failure("secret_lost", c);
    }
    char *words[] = {"--workspace", c->place->folder, "--quiet", "job", "run", c->id};
    size_t n = 0;
    argv[n++] = r->program;
    for (size_t i = 0; i < r->n_flags; i++) argv[n++] = r->flags[i];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) argv[n++] = words[i];
    if (c->place->lock_fd >= 0) argv[n++] = "--lent-lock";
    if (s.secret >= 0) argv[n++] = "--lent-passphrase";
    s.pipe = hd_fs_dup(pipe, FIRST_FREE_FD);
    int reason = s.pipe < 0 ? errno : 0;
    if (reason == 0 && c->place->lock_fd >= 0) {
        s.lock = hd_fs_dup(c->place->lock_fd, FIRST_FREE_FD);
        if (s.lock < 0) reason = errno;
    }
    if (reason == 0) reason = spawn_with(&s, r, argv, &c->pid);
    hd_fs_dup_close(s.pipe);
    hd_fs_dup_close(s.lock);
    hd_fs_dup_close(s.secret);
    hd_free(argv);
    return reason;
}

static int spawn_piped(const hd_runner *r, child *c) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    int reason = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? errno : spawn(r, c, ends[1]);
    close(ends[1]);
    if (reason == 0)
        c->pipe = ends[0];
    else
        close(ends[0]);
    return reason;
}

static heed_err child_new(place *p, const json_t *job, child **out) {
    const char *id = json_string_value(json_object_get(job, "id"));
    child *c = hd_calloc(1, sizeof *c);
    if (!c) return HD_FAIL_MEMORY(sizeof *c);
    c->place = p;
    c->pipe = -1;
    hd_snprintf(c->id, sizeof c->id, "%s", id ? id : "");
    c->operation = hd_strdup(json_string_value(json_object_get(job, "operation")));
    if (!c->operation) {
        child_free(c);
        return HD_FAIL_MEMORY(0);
    }
    *out = c;
    return HEED_OK;
}

// A job that can't be started fails, and says so itself.
static heed_err start_child(hd_runner *r, child *c) {
    HD_TRY(hd_grow(&r->children, &r->children_cap, r->n_children + 1, sizeof(child *)));
    HD_TRY(hd_jobs_start(c->place->folder, c->id, NULL));
    int reason = spawn_piped(r, c);
    if (reason != 0) {
        heed_err err = HD_FAIL_ERRNO(reason, "can't start", "无法启动", r->program);
        log_failure("not_started", c);
        if (hd_jobs_end(c->place->folder, c->id, 127, 0) != HEED_OK) log_failure("not_ended", c);
        tell(r, c);
        return err;
    }
    HD_LOG(HD_LOG_INFO, "job", "started", HD_KV_STR("id", c->id),
           HD_KV_STR("operation", c->operation), HD_KV_INT("pid", c->pid));
    r->children[r->n_children++] = c;
    tell(r, c);
    return HEED_OK;
}

static bool is_running(const hd_runner *r, const place *p, const char *operation) {
    for (size_t i = 0; i < r->n_children; i++)
        if (r->children[i]->place == p && strcmp(r->children[i]->operation, operation) == 0)
            return true;
    return false;
}

static bool has_room(const hd_runner *r) {
    return r->n_children < r->params.max_running;
}

static void start_queued_of(hd_runner *r, place *p) {
    json_t *queued = NULL;
    size_t i;
    json_t *job;
    if (hd_jobs_in(p->folder, HD_JOB_QUEUED, &queued) != HEED_OK) return;
    json_array_foreach(queued, i, job) {
        child *c = NULL;
        const char *operation = json_string_value(json_object_get(job, "operation"));
        if (!has_room(r)) break;
        if (is_running(r, p, operation) || child_new(p, job, &c) != HEED_OK) continue;
        if (start_child(r, c) != HEED_OK) child_free(c); // it was cancelled, or it says why itself
    }
    json_decref(queued);
}

static void start_queued(hd_runner *r) {
    r->look = false;
    for (size_t i = 0; i < r->n_places && has_room(r); i++)
        if (!r->places[i]->closing && !r->closing) start_queued_of(r, r->places[i]);
}

// ── Listening ──

// {"share": 0.5, "en": "…", "zh": "…"}; anything else is passed over.
static void take_line(child *c) {
    json_t *line = NULL;
    if (!c->too_long && hd_json_parse(c->line, c->n_line, "progress", &line) == HEED_OK &&
        json_is_string(json_object_get(line, "en")) &&
        json_is_string(json_object_get(line, "zh"))) {
        json_decref(c->news);
        c->news = json_incref(line);
    }
    json_decref(line);
    c->n_line = 0;
    c->too_long = false;
}

static void take_bytes(child *c, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            take_line(c);
        else if (c->n_line == LINE_BYTES)
            c->too_long = true;
        else
            c->line[c->n_line++] = bytes[i];
    }
}

static void listen_to(child *c) {
    char buffer[LINE_BYTES];
    while (c->pipe >= 0) {
        ssize_t n = read(c->pipe, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n > 0) {
            take_bytes(c, buffer, (size_t)n);
        } else {
            close(c->pipe);
            c->pipe = -1;
        }
    }
}

static void ask_to_end(child *c) {
    if (c->asked) return;
    c->asked = hd_time_monotonic();
    (void)kill(c->pid, SIGTERM);
}

static void follow(hd_runner *r, child *c) {
    int64_t now = hd_time_monotonic();
    if (c->news && now - c->written >= PROGRESS_MS) {
        const json_t *share = json_object_get(c->news, "share");
        bool cancel = false;
        heed_err err = hd_jobs_progress(
            c->place->folder, c->id, json_string_value(json_object_get(c->news, "en")),
            json_string_value(json_object_get(c->news, "zh")),
            json_is_number(share) ? json_number_value(share) : -1, &cancel);
        json_decref(c->news);
        c->news = NULL;
        c->written = now;
        if (err != HEED_OK) log_failure("progress_lost", c);
        tell(r, c);
    }
    if (c->asked && !c->killed && now - c->asked >= kill_after(r)) {
        c->killed = true;
        (void)kill(c->pid, SIGKILL);
    }
}

static bool is_cancelled(const child *c) {
    json_t *job = NULL;
    if (hd_jobs_get(c->place->folder, c->id, &job) != HEED_OK) return false;
    bool cancel = json_is_true(json_object_get(job, "cancel"));
    json_decref(job);
    return cancel;
}

// ── Ending ──

static void ended(hd_runner *r, child *c, int status) {
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    int sign = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (hd_jobs_end(c->place->folder, c->id, code, sign) != HEED_OK) log_failure("not_ended", c);
    HD_LOG(HD_LOG_INFO, "job", "ended", HD_KV_STR("id", c->id),
           HD_KV_STR("operation", c->operation), HD_KV_INT("exit", code),
           HD_KV_INT("signal", sign));
    if (hd_jobs_prune(c->place->folder, c->place->keep_days, c->place->keep) != HEED_OK)
        log_failure("not_pruned", c);
    tell(r, c);
    r->look = true;
}

// Whether it has ended; then it is out of the list.
static bool reap(hd_runner *r, size_t i) {
    child *c = r->children[i];
    int status = 0;
    pid_t pid = waitpid(c->pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) return false;
    listen_to(c);
    ended(r, c, pid < 0 ? SIGKILL : status); // gone without a word: somebody else reaped it
    child_free(c);
    r->children[i] = r->children[--r->n_children];
    return true;
}

static void look_after(hd_runner *r) {
    for (size_t i = 0; i < r->n_children;) {
        child *c = r->children[i];
        if (r->closing || c->place->closing || is_cancelled(c)) ask_to_end(c);
        follow(r, c);
        if (!reap(r, i)) i++;
    }
}

// ── The thread ──

// Waits until somebody wakes it, a child speaks or ends, or it is time to look. The children don't
// change meanwhile: only this thread changes them.
static void sleep_well(hd_runner *r) {
    size_t n = 0;
    r->polled[n++] = (struct pollfd){.fd = r->wake[0], .events = POLLIN};
    for (size_t i = 0; i < r->n_children; i++)
        if (r->children[i]->pipe >= 0)
            r->polled[n++] = (struct pollfd){.fd = r->children[i]->pipe, .events = POLLIN};
    int timeout = r->n_children > 0 ? TICK_MS : -1;
    pthread_mutex_unlock(&r->mutex);
    (void)poll(r->polled, n, timeout);
    pthread_mutex_lock(&r->mutex);
    char bytes[64];
    while (read(r->wake[0], bytes, sizeof bytes) > 0) r->look = true;
}

static void *run(void *ctx) {
    hd_runner *r = ctx;
    pthread_mutex_lock(&r->mutex);
    while (!r->closing || r->n_children > 0) {
        sleep_well(r);
        for (size_t i = 0; i < r->n_children; i++) listen_to(r->children[i]);
        look_after(r);
        if (r->look) start_queued(r);
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

// ── Opening and closing ──

static heed_err copy_flags(hd_runner *r, const char *const *flags) {
    size_t n = 0;
    while (flags && flags[n]) n++;
    r->flags = hd_calloc(n + 1, sizeof *r->flags);
    if (!r->flags) return HD_FAIL_MEMORY(0);
    for (; r->n_flags < n; r->n_flags++) {
        r->flags[r->n_flags] = hd_strdup(flags[r->n_flags]);
        if (!r->flags[r->n_flags]) return HD_FAIL_MEMORY(0);
    }
    return HEED_OK;
}

static heed_err fail_start(int reason) {
    return HD_FAIL_ERRNO(reason, "can't start", "无法启动", "jobs");
}

static heed_err open_parts(hd_runner *r, const hd_runner_params *params) {
    size_t most = params->max_running ? params->max_running : MAX_RUNNING;
    r->params = *params;
    r->params.max_running = most;
    r->program = hd_strdup(params->program ? params->program : "/proc/self/exe");
    r->polled = hd_calloc(most + 1, sizeof *r->polled);
    if (!r->program || !r->polled) return HD_FAIL_MEMORY(0);
    HD_TRY(copy_flags(r, params->flags));
    if (pipe2(r->wake, O_CLOEXEC | O_NONBLOCK) < 0) return fail_start(errno);
    int reason = pthread_mutex_init(&r->mutex, NULL);
    if (reason != 0) return fail_start(reason);
    r->has_mutex = true;
    reason = pthread_cond_init(&r->changed, NULL);
    if (reason != 0) return fail_start(reason);
    r->has_cond = true;
    reason = pthread_create(&r->thread, NULL, run, r);
    if (reason != 0) return fail_start(reason);
    r->has_thread = true;
    return HEED_OK;
}

heed_err hd_runner_open(const hd_runner_params *params, hd_runner **out) {
    hd_runner *r = hd_calloc(1, sizeof *r);
    if (!r) return HD_FAIL_MEMORY(sizeof *r);
    r->wake[0] = r->wake[1] = -1;
    heed_err err = open_parts(r, params);
    if (err == HEED_OK)
        *out = r;
    else
        hd_runner_close(r);
    return err;
}

void hd_runner_wake(hd_runner *runner) {
    ssize_t n = write(runner->wake[1], "", 1); // a full pipe wakes as well
    (void)n;
}

void hd_runner_close(hd_runner *r) {
    if (!r) return;
    if (r->has_thread) {
        pthread_mutex_lock(&r->mutex);
        r->closing = true;
        pthread_mutex_unlock(&r->mutex);
        hd_runner_wake(r);
        pthread_join(r->thread, NULL);
    }
    for (size_t i = 0; i < r->n_places; i++) place_free(r->places[i]);
    for (size_t i = 0; i < r->n_flags; i++) hd_free(r->flags[i]);
    if (r->has_cond) pthread_cond_destroy(&r->changed);
    if (r->has_mutex) pthread_mutex_destroy(&r->mutex);
    if (r->wake[0] >= 0) close(r->wake[0]);
    if (r->wake[1] >= 0) close(r->wake[1]);
    hd_free(r->places);
    hd_free(r->children);
    hd_free(r->polled);
    hd_free(r->flags);
    hd_free(r->program);
    hd_free(r);
}

static place *place_find(const hd_runner *r, const char *folder) {
    for (size_t i = 0; i < r->n_places; i++)
        if (strcmp(r->places[i]->folder, folder) == 0) return r->places[i];
    return NULL;
}

static heed_err place_new(const heed_workspace *ws, place **out) {
    place *p = hd_calloc(1, sizeof *p);
    if (!p) return HD_FAIL_MEMORY(sizeof *p);
    p->lock_fd = -1;
    p->folder = hd_strdup(ws->folder);
    p->keep = (size_t)hd_settings_int(ws->settings, "jobs.keep");
    p->keep_days = hd_settings_int(ws->settings, "jobs.keep_days");
    heed_err err = p->folder ? HEED_OK : HD_FAIL_MEMORY(0);
    if (err == HEED_OK && ws->lock) {
        p->lock_fd = hd_fs_dup(hd_lock_fd(ws->lock), FIRST_FREE_FD);
        if (p->lock_fd < 0) err = fail_start(errno);
    }
    if (err == HEED_OK)
        *out = p;
    else
        place_free(p);
    return err;
}

static heed_err add_place(hd_runner *r, place *p) {
    size_t orphans = 0;
    if (place_find(r, p->folder))
        return HD_FAIL(HEED_CONFLICT, "'%s' is under care already", "“%s”已在管理之中", p->folder);
    HD_TRY(hd_grow(&r->places, &r->places_cap, r->n_places + 1, sizeof(place *)));
    HD_TRY(hd_jobs_orphans(p->folder, &orphans));
    if (orphans > 0) HD_LOG(HD_LOG_WARN, "job", "orphans", HD_KV_INT("n", orphans));
    r->places[r->n_places++] = p;
    return HEED_OK;
}

heed_err hd_runner_add(hd_runner *r, const heed_workspace *ws) {
    place *p = NULL;
    HD_TRY(place_new(ws, &p));
    pthread_mutex_lock(&r->mutex);
    heed_err err = add_place(r, p);
    pthread_mutex_unlock(&r->mutex);
    if (err != HEED_OK) {
        place_free(p);
        return err;
    }
    hd_runner_wake(r);
    return HEED_OK;
}

static bool has_children(const hd_runner *r, const place *p) {
    for (size_t i = 0; i < r->n_children; i++)
        if (r->children[i]->place == p) return true;
    return false;
}

void hd_runner_remove(hd_runner *r, const char *folder) {
    pthread_mutex_lock(&r->mutex);
    place *p = place_find(r, folder);
    if (p) {
        p->closing = true;
        hd_runner_wake(r);
        while (has_children(r, p)) pthread_cond_wait(&r->changed, &r->mutex);
        for (size_t i = 0; i < r->n_places; i++)
            if (r->places[i] == p) r->places[i] = r->places[--r->n_places];
        place_free(p);
    }
    pthread_mutex_unlock(&r->mutex);
}

size_t hd_runner_running(hd_runner *r) {
    pthread_mutex_lock(&r->mutex);
    size_t n = r->n_children;
    pthread_mutex_unlock(&r->mutex);
    return n;
}
