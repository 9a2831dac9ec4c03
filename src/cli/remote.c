// SPDX-License-Identifier: Apache-2.0
//
// One request a connection, over a socket that only the workspace's owner can open: so there is no
// key to show, and little of HTTP to speak. The answer is ours (server/), so what can't be read of
// it is a failure and no riddle.
//
// Long work becomes a job of the server's; it is asked for four times a second how far it is.
#include "cli/remote.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "api/call.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

enum { ANSWER_MOST = 1 << 30, POLL_MS = 250 };

typedef struct remote {
    const hd_op *op;
    hd_call *call;
    hd_arena arena;
    char *path;       // of the socket
    const char *name; // of the workspace's folder
} remote;

typedef struct answer {
    int status;
    json_t *body;
} answer;

// ── The socket ──

// *fd -1: nobody listens there.
static heed_err dial(const char *path, int *fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *fd = -1;
    if (strlen(path) >= sizeof address.sun_path) return HEED_OK;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) return HD_FAIL_ERRNO(errno, "can't make a socket", "无法创建套接字", path);
    if (connect(s, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(s);
        return HEED_OK;
    }
    *fd = s;
    return HEED_OK;
}

static heed_err fail_gone(const char *path) {
    return HD_FAIL_ERRNO(errno ? errno : EPIPE, "the server has gone", "服务器已断开", path);
}

static heed_err send_all(int fd, const char *path, const char *p, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return fail_gone(path);
        p += sent;
        n -= (size_t)sent;
    }
    return HEED_OK;
}

static heed_err read_all(int fd, const char *path, hd_str *out) {
    char buf[16384];
    for (;;) {
        ssize_t got = recv(fd, buf, sizeof buf, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_gone(path);
        if (got == 0) return hd_str_check(out);
        hd_str_addn(out, buf, (size_t)got);
        HD_TRY(hd_str_check(out));
        if (out->len > ANSWER_MOST) return fail_gone(path);
    }
}

static heed_err take_answer(const hd_str *text, answer *out) {
    const char *body = text->data ? strstr(text->data, "\r\n\r\n") : NULL;
    int64_t status = 0;
    if (!body || text->len < 12 || !hd_slice_i64((hd_slice){text->data + 9, 3}, &status))
        return HD_FAIL(HEED_IO, "the server's answer makes no sense", "无法理解服务器的应答");
    out->status = (int)status;
    return hd_json_parse(body + 4, strlen(body + 4), "answer", &out->body);
}

static heed_err ask(remote *r, int fd, const char *method, const char *path, const hd_str *body,
                    answer *out) {
    hd_str text;
    hd_str_init(&text);
    hd_str_addf(
        &text,
        "%s %s HTTP/1.1\r\nHost: heed\r\nConnection: close\r\nX-Heed-Workspace: %s\r\n"
        "Accept-Language: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        method, path, r->name, r->call->lang == HEED_ZH ? "zh" : "en", body ? body->len : 0);
    if (body) hd_str_addn(&text, hd_str_get(body), body->len);
    heed_err err = hd_str_check(&text);
    if (err == HEED_OK) err = send_all(fd, r->path, hd_str_get(&text), text.len);
    hd_str_reset(&text);
    if (err == HEED_OK) err = read_all(fd, r->path, &text);
    if (err == HEED_OK) err = take_answer(&text, out);
    hd_str_clear(&text);
    return err;
}

// ── Failures that come from there ──

static heed_err code_named(const char *name) {
    for (int i = 0; i <= HEED_INTERNAL; i++)
        if (strcmp(heed_err_name((heed_err)i), name) == 0) return (heed_err)i;
    return HEED_FAILED;
}

static heed_err fail_as(const char *code, const char *en, const char *zh) {
    heed_err err = code_named(code);
    return HD_FAIL(err == HEED_OK ? HEED_FAILED : err, "%s%.0s", "%.0s%s", en, zh);
}

static heed_err check(const answer *a) {
    if (a->status < 400) return HEED_OK;
    const char *detail = hd_json_text(a->body, "detail");
    return fail_as(hd_json_text(a->body, "code"), detail, detail);
}

// ── Asking ──

static heed_err request(remote *r, const char *method, const char *path, const hd_str *body,
                        int *status, json_t **out) {
    int fd;
    answer a = {0};
    HD_TRY(dial(r->path, &fd));
    if (fd < 0) return fail_gone(r->path);
    heed_err err = ask(r, fd, method, path, body, &a);
    close(fd);
    if (err == HEED_OK) err = check(&a);
    *status = a.status;
    if (err == HEED_OK)
        *out = a.body;
    else
        json_decref(a.body);
    return err;
}

static heed_err get(remote *r, const char *path, json_t **out) {
    int status;
    return request(r, "GET", path, NULL, &status, out);
}

// Paths as the server can find them: it stands in another folder.
static heed_err absolute(const json_t *value, json_t **out) {
    const char *path = json_string_value(value);
    if (strcmp(path, "-") == 0)
        return HD_FAIL(HEED_USAGE,
                       "a server holds the workspace, and it can't read this command's input; give "
                       "the name of a file",
                       "工作区正由服务器占用，它读不到本命令的输入；请给出文件名");
    char here[PATH_MAX];
    if (!realpath(path, here)) return HD_FAIL_ERRNO(errno, "can't open", "无法打开", path);
    *out = json_string_nocheck(here);
    return *out ? HEED_OK : HD_FAIL_MEMORY(0);
}

static heed_err resolve_paths(remote *r, json_t *params) {
    for (size_t i = 0; i < r->op->n_params; i++) {
        const hd_param *param = &r->op->params[i];
        json_t *value = json_object_get(params, param->name);
        if (!param->file || !value) continue;
        json_t *fixed = NULL;
        if (json_is_string(value)) {
            HD_TRY(absolute(value, &fixed));
            HD_TRY(hd_json_set(params, param->name, fixed));
        }
        for (size_t k = 0; k < json_array_size(value); k++) {
            HD_TRY(absolute(json_array_get(value, k), &fixed));
            if (json_array_set_new(value, k, fixed) != 0) return HD_FAIL_MEMORY(0);
        }
    }
    return HEED_OK;
}

static heed_err order(remote *r, int *status, json_t **out) {
    json_t *order = NULL;
    json_t *params = json_deep_copy(r->call->params);
    hd_str text;
    hd_str_init(&text);
    heed_err err = params ? resolve_paths(r, params) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK)
        err = hd_json_pack(&order, "{s:s, s:O}", "operation", r->op->name, "params", params);
    if (err == HEED_OK) err = hd_json_dump(order, false, &text);
    if (err == HEED_OK) err = request(r, "POST", "/owner/run", &text, status, out);
    hd_str_clear(&text);
    json_decref(order);
    json_decref(params);
    return err;
}

// ── Jobs ──

static void show_progress(remote *r, const json_t *job) {
    const json_t *progress = json_object_get(job, "progress");
    const json_t *text = json_object_get(progress, "text");
    const json_t *share = json_object_get(progress, "share");
    if (!text || !r->call->progress) return;
    const hd_text what = {.en = hd_json_text(text, "en"), .zh = hd_json_text(text, "zh")};
    r->call->progress(r->call->ctx, what, json_is_number(share) ? json_number_value(share) : -1);
}

static heed_err cancel(remote *r, const char *id) {
    char *path = hd_arena_printf(&r->arena, "/api/v1/jobs/%s/cancel", id);
    json_t *job = NULL;
    int status;
    if (!path) return HD_FAIL_MEMORY(0);
    HD_TRY(request(r, "POST", path, NULL, &status, &job));
    json_decref(job);
    return hd_stop_check(r->call->stop);
}

static heed_err job_failed(const json_t *job) {
    const json_t *error = json_object_get(job, "error");
    const json_t *message = json_object_get(error, "message");
    if (!error || !json_is_object(error))
        return HD_FAIL(HEED_INTERRUPTED, "the job was cancelled", "任务已被取消");
    return fail_as(hd_json_text(error, "code"), hd_json_text(message, "en"),
                   hd_json_text(message, "zh"));
}

// Whether the job has ended; then *err and *result are those of the command.
static bool job_over(const json_t *job, heed_err *err, json_t **result) {
    const char *state = hd_json_text(job, "state");
    json_t *given = json_object_get(job, "result");
    bool done = strcmp(state, "done") == 0;
    if (!done && strcmp(state, "failed") != 0 && strcmp(state, "cancelled") != 0) return false;
    if (given) *result = json_incref(given);
    if (!done) *err = job_failed(job);
    return true;
}

static heed_err follow(remote *r, json_t *job, json_t **result) {
    heed_err err = HEED_OK;
    bool cancelled = false;
    char *id = hd_arena_strdup(&r->arena, hd_json_text(job, "id"));
    char *path = id ? hd_arena_printf(&r->arena, "/api/v1/jobs/%s", id) : NULL;
    json_incref(job);
    if (!path) err = HD_FAIL_MEMORY(0);
    while (err == HEED_OK && !job_over(job, &err, result)) {
        const struct timespec wait = {.tv_nsec = POLL_MS * 1000000L};
        (void)nanosleep(&wait, NULL);
        if (hd_stop_asked(r->call->stop) && !cancelled) {
            cancelled = true;
            (void)cancel(r, id);
        }
        json_decref(job);
        job = NULL;
        err = get(r, path, &job);
        if (err == HEED_OK) show_progress(r, job);
    }
    json_decref(job);
    return err;
}

static heed_err run(remote *r, json_t **result) {
    json_t *answered = NULL;
    int status = 0;
    HD_TRY(order(r, &status, &answered));
    if (status != 202) {
        *result = answered;
        return HEED_OK;
    }
    heed_err err = follow(r, answered, result);
    json_decref(answered);
    return err;
}

static const char *last_part(const char *folder) {
    const char *slash = strrchr(folder, '/');
    return slash ? slash + 1 : folder;
}

// The socket stands in the workspace, or beside it where one server serves a folder of them.
static heed_err find_socket(remote *r, bool *found) {
    char whole[PATH_MAX];
    if (!realpath(r->call->workspace, whole))
        return HD_FAIL_ERRNO(errno, "can't open", "无法打开", r->call->workspace);
    char *folder = hd_arena_strdup(&r->arena, whole);
    if (!folder) return HD_FAIL_MEMORY(0);
    const char *const places[] = {"heed.sock", "../heed.sock"};
    *found = false;
    r->name = last_part(folder);
    for (size_t i = 0; i < 2 && !*found; i++) {
        int fd;
        r->path = hd_fs_join(&r->arena, folder, places[i]);
        if (!r->path) return HD_FAIL_MEMORY(0);
        HD_TRY(dial(r->path, &fd));
        if (fd < 0) continue;
        *found = true;
        close(fd);
    }
    return HEED_OK;
}

heed_err hd_remote_run(const hd_op *op, hd_call *call, bool *served, json_t **result) {
    remote r = {.op = op, .call = call};
    *served = false;
    if (!call->workspace || op->place != HD_PLACE_WORKSPACE || op->run_as == HD_RUN_NEVER)
        return HEED_OK;
    hd_arena_init(&r.arena);
    heed_err err = find_socket(&r, served);
    if (err == HEED_OK && *served) err = run(&r, result);
    hd_arena_clear(&r.arena);
    return err;
}
