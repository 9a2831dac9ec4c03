// SPDX-License-Identifier: Apache-2.0
//
// heed job list, show, cancel, wait; the stream of a job's progress; and `heed job run`, which is
// what a server starts. Whoever may ask for an operation may see what became of it: parameters and
// result of a job are shown to callers with its operation's scope alone.
#include "api/jobs.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <time.h>

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "base/mem.h"
#include "workspace/child.h"

enum { WAIT_NS = 200000000, PAGE = 20, MOST = 200 };

static heed_err need_folder(const hd_call *call) {
    if (call->workspace) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND,
                   "there is no workspace here; 'heed init' makes one, --workspace names one",
                   "这里没有工作区；可用“heed init”创建，或用 --workspace 指定");
}

// ── Adding ──

static const char *upload_param(const hd_op *op) {
    for (size_t i = 0; i < op->n_params; i++)
        if (op->params[i].upload) return op->params[i].name;
    return NULL;
}

heed_err hd_job_submit(hd_runner *runner, const hd_op *op, const hd_call *call, const char *upload,
                       json_t **job) {
    const char *param = upload_param(op);
    if (upload && !param)
        return HD_FAIL(HEED_INTERNAL, "'%s' takes no upload", "“%s”不接受上传", op->name);
    const hd_job_order order = {.operation = op->name,
                                .params = call->params,
                                .by = call->caller.name,
                                .lang = call->lang,
                                .upload_param = param,
                                .upload_path = upload};
    HD_TRY(need_folder(call));
    HD_TRY(hd_jobs_add(call->workspace, &order, job));
    hd_runner_wake(runner);
    return HEED_OK;
}

// ── Looking ──

static bool may_see(const hd_call *call, const json_t *job) {
    const hd_op *op = hd_op_find(hd_json_text(job, "operation"));
    return (call->caller.scopes & (1u << (op ? op->scope : HD_SCOPE_ADMIN))) != 0;
}

static void veil(const hd_call *call, json_t *job) {
    if (!may_see(call, job)) (void)json_object_del(job, "params");
}

static heed_err list_run(hd_call *call, json_t **result) {
    const char *state = hd_call_text(call, "state");
    int wanted = -1;
    for (int i = 0; state && hd_job_state_at((size_t)i); i++)
        if (strcmp(state, hd_job_state_at((size_t)i)) == 0) wanted = i;
    HD_TRY(need_folder(call));
    HD_TRY(hd_jobs_list(call->workspace, wanted, hd_call_text(call, "cursor"),
                        (size_t)hd_call_int(call, "limit", PAGE), result));
    size_t i;
    json_t *job;
    json_array_foreach(json_object_get(*result, "jobs"), i, job) veil(call, job);
    return HEED_OK;
}

// The job with its result, as far as the caller may see it.
static heed_err get_job(hd_call *call, json_t **out) {
    HD_TRY(need_folder(call));
    HD_TRY(hd_jobs_get(call->workspace, hd_call_text(call, "job"), out));
    veil(call, *out);
    if (!may_see(call, *out) || !json_is_true(json_object_get(*out, "has_result"))) return HEED_OK;
    json_t *result = NULL;
    heed_err err = hd_jobs_result(call->workspace, hd_call_text(call, "job"), &result);
    if (err == HEED_OK) err = hd_json_set(*out, "result", result);
    if (err != HEED_OK) hd_json_drop(out);
    return err;
}

static heed_err cancel_run(hd_call *call, json_t **result) {
    json_t *job = NULL;
    const char *id = hd_call_text(call, "job");
    HD_TRY(need_folder(call));
    HD_TRY(hd_jobs_get(call->workspace, id, &job));
    bool may = may_see(call, job);
    json_decref(job);
    if (!may)
        return HD_FAIL(HEED_DENIED,
                       "this key may not cancel job '%s': it lacks the scope of its operation",
                       "此密钥不能取消任务“%s”：缺少该操作所需的权限", id);
    return hd_jobs_cancel(call->workspace, id, result);
}

static heed_err progress_run(hd_call *call, json_t **result) {
    HD_TRY(need_folder(call));
    HD_TRY(hd_jobs_get(call->workspace, hd_call_text(call, "job"), result));
    veil(call, *result);
    return HEED_OK;
}

static heed_err progress_stream(hd_call *call, int64_t *seen, bool *ended, hd_str *out) {
    HD_TRY(need_folder(call));
    return hd_job_event(call->workspace, hd_call_text(call, "job"), seen, ended, out);
}

// ── Waiting ──

static void show_progress(hd_call *call, const json_t *job) {
    const json_t *progress = json_object_get(job, "progress");
    const json_t *text = json_object_get(progress, "text");
    const hd_job_state state = hd_job_state_of(job);
    if (!call->progress) return;
    if (json_is_object(text)) {
        double share = hd_json_num(progress, "share");
        call->progress(call->ctx, (hd_text){hd_json_text(text, "en"), hd_json_text(text, "zh")},
                       isfinite(share) ? share : -1);
    } else {
        call->progress(call->ctx,
                       state == HD_JOB_QUEUED ? (hd_text)HD_TEXT("waiting for its turn", "正在排队")
                                              : (hd_text)HD_TEXT("running", "正在运行"),
                       -1);
    }
}

static heed_err wait_for_end(hd_call *call) {
    const char *id = hd_call_text(call, "job");
    const struct timespec pause = {.tv_nsec = WAIT_NS};
    for (;;) {
        json_t *job = NULL;
        HD_TRY(hd_jobs_get(call->workspace, id, &job));
        bool over = hd_job_ended(hd_job_state_of(job));
        if (!over) show_progress(call, job);
        json_decref(job);
        if (over) return HEED_OK;
        HD_TRY(hd_stop_check(call->stop));
        (void)nanosleep(&pause, NULL);
    }
}

// A failure of the job as one of the call.
static heed_err fail_as(const json_t *job) {
    const json_t *error = json_object_get(job, "error");
    const json_t *message = json_object_get(error, "message");
    heed_err code = HEED_FAILED;
    for (int i = HEED_FAILED; i <= HEED_INTERNAL; i++)
        if (strcmp(heed_err_name((heed_err)i), hd_json_text(error, "code")) == 0)
            code = (heed_err)i;
    hd_error failure = {.code = code, .file = __FILE__, .line = __LINE__};
    hd_snprintf(failure.text[HEED_EN], HD_ERROR_MAX, "%s", hd_json_text(message, "en"));
    hd_snprintf(failure.text[HEED_ZH], HD_ERROR_MAX, "%s", hd_json_text(message, "zh"));
    return hd_error_restore(&failure);
}

static heed_err wait_run(hd_call *call, json_t **result) {
    HD_TRY(need_folder(call));
    HD_TRY(wait_for_end(call));
    HD_TRY(get_job(call, result));
    switch (hd_job_state_of(*result)) {
    case HD_JOB_DONE:
        return HEED_OK;
    case HD_JOB_CANCELLED:
        return HD_FAIL(HEED_INTERRUPTED, "job '%s' was cancelled", "任务“%s”已被取消",
                       hd_call_text(call, "job"));
    default:
        return fail_as(*result);
    }
}

// ── Running: the process that a server starts ──

typedef struct running {
    const hd_call *outer;
    bool lent_lock;
    hd_str passphrase; // as the server lent it; empty: it didn't
} running;

static heed_err lent_passphrase(void *ctx, bool fresh, hd_str *out) {
    const running *r = ctx;
    if (fresh)
        return HD_FAIL(HEED_NOT_FOUND, "a job has nobody to ask for a passphrase",
                       "任务无法询问口令");
    hd_str_addn(out, hd_str_get(&r->passphrase), r->passphrase.len);
    return hd_str_check(out);
}

static heed_err open_lent(void *ctx, heed_mode mode, heed_workspace **out) {
    running *r = ctx;
    const hd_workspace_params params = {
        .folder = r->outer->workspace,
        .mode = mode,
        .who = "heed job",
        .settings = r->outer->settings,
        .stop = r->outer->stop,
        .passphrase = {r->passphrase.len > 0 ? lent_passphrase : NULL, r},
        .lock_fd = r->lent_lock && mode == HEED_WRITE ? HD_JOB_LOCK_FD : 0};
    return hd_workspace_open(&params, out);
}

static void close_lent(void *ctx, heed_workspace *ws) {
    (void)ctx;
    heed_workspace_close(ws);
}

static heed_err find_job_op(const json_t *job, const hd_op **out) {
    *out = hd_op_find(hd_json_text(job, "operation"));
    if (*out && (*out)->run_as == HD_RUN_JOB) return HEED_OK;
    return HD_FAIL(HEED_INPUT, "'%s' is not an operation that runs as a job",
                   "“%s”不是可作为任务运行的操作", hd_json_text(job, "operation"));
}

static heed_err run_lent(running *r, const json_t *job, json_t **result) {
    const hd_call *call = r->outer;
    hd_child child = {0};
    const hd_lender lender = {open_lent, close_lent, r};
    const hd_op *op;
    HD_TRY(find_job_op(job, &op));
    if (op->scope != HD_SCOPE_WRITE) hd_child_give_way(call->settings); // who writes must get on
    hd_call inner = {.workspace = call->workspace,
                     .params = json_object_get(job, "params"),
                     .lang = strcmp(hd_json_text(job, "lang"), "zh") == 0 ? HEED_ZH : HEED_EN,
                     .caller = {hd_json_text(job, "by"), 1u << op->scope},
                     .lender = &lender,
                     .settings = call->settings,
                     .stop = call->stop,
                     .progress = hd_child_progress,
                     .ctx = &child};
    return op->run(&inner, result);
}

static heed_err run_job_op(hd_call *call, const json_t *job, json_t **result) {
    running r = {.outer = call, .lent_lock = hd_call_bool(call, "lent_lock")};
    hd_str_init(&r.passphrase);
    heed_err err = HEED_OK;
    if (hd_call_bool(call, "lent_passphrase")) err = hd_child_passphrase(&r.passphrase);
    if (err == HEED_OK) err = run_lent(&r, job, result);
    if (r.passphrase.data) explicit_bzero(r.passphrase.data, r.passphrase.cap);
    hd_str_clear(&r.passphrase);
    return err;
}

// What is left in the job's folder is the answer; the exit code says the same to the server.
static heed_err job_run(hd_call *call, json_t **result) {
    const char *id = hd_call_text(call, "job");
    json_t *job = NULL;
    json_t *given = NULL;
    HD_TRY(need_folder(call));
    HD_TRY(hd_child_settle(call->settings));
    HD_TRY(hd_jobs_get(call->workspace, id, &job));
    heed_err err = run_job_op(call, job, &given);
    if (err == HEED_INTERRUPTED && hd_stop_asked(call->stop)) err = hd_stop_check(call->stop);
    hd_error failure;
    hd_error_get(&failure);
    heed_err left = hd_child_leave(call->workspace, id, err, given);
    json_decref(job);
    json_decref(given);
    if (err != HEED_OK) return hd_error_restore(&failure);
    HD_TRY(left);
    return hd_json_pack(result, "{s:s}", "id", id);
}

// ── As text ──

static const char *share_of(const json_t *job, hd_arena *arena) {
    double share = hd_json_num(json_object_get(job, "progress"), "share");
    if (hd_job_state_of(job) != HD_JOB_RUNNING || !isfinite(share)) return "";
    return hd_show_percent(arena, share);
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "lllrll");
    hd_grid_head(&grid, hd_say(lang, "job", "任务"), hd_say(lang, "operation", "操作"),
                 hd_say(lang, "state", "状态"), "", hd_say(lang, "made (UTC)", "创建时间（UTC）"),
                 hd_say(lang, "by", "发起者"));
    size_t i;
    json_t *job;
    json_array_foreach(json_object_get(result, "jobs"), i, job) hd_grid_row(
        &grid, hd_json_text(job, "id"), hd_json_text(job, "operation"), hd_json_text(job, "state"),
        share_of(job, &grid.arena), hd_json_text(job, "created"), hd_json_text(job, "by"));
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    const char *next = hd_json_text(result, "next_cursor");
    if (next[0])
        hd_str_addf(out, hd_say(lang, "\nolder ones: --cursor %s\n", "\n更早的任务：--cursor %s\n"),
                    next);
    return err ? err : hd_str_check(out);
}

static void add_state(const json_t *job, heed_lang lang, hd_str *out) {
    const json_t *text = json_object_get(json_object_get(job, "progress"), "text");
    hd_arena arena;
    hd_arena_init(&arena);
    const char *share = share_of(job, &arena);
    hd_str_addf(out, hd_say(lang, "job %s: %s, %s", "任务 %s：%s，%s"), hd_json_text(job, "id"),
                hd_json_text(job, "operation"), hd_json_text(job, "state"));
    if (share && share[0]) hd_str_addf(out, " %s", share);
    if (hd_job_state_of(job) == HD_JOB_RUNNING && json_is_object(text))
        hd_str_addf(out, " (%s)", hd_json_text(text, lang == HEED_ZH ? "zh" : "en"));
    hd_str_addc(out, '\n');
    hd_arena_clear(&arena);
}

// The state, what went wrong, and the result as the operation itself would show it.
static heed_err show_text(const json_t *job, heed_lang lang, size_t width, hd_str *out) {
    const json_t *message = json_object_get(json_object_get(job, "error"), "message");
    const json_t *result = json_object_get(job, "result");
    const hd_op *op = hd_op_find(hd_json_text(job, "operation"));
    add_state(job, lang, out);
    if (message) hd_str_addf(out, "%s\n", hd_json_text(message, lang == HEED_ZH ? "zh" : "en"));
    if (!result || !op || json_object_size(result) + json_array_size(result) == 0)
        return hd_str_check(out);
    hd_str_addc(out, '\n');
    return op->text(result, lang, width, out);
}

static heed_err run_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)result, (void)lang, (void)width;
    return hd_str_check(out);
}

// ── Rows ──

// clang-format off: JSON, laid out by hand
#define JOB_MEMBERS                                                                                      \
    "\"id\":{\"type\":\"string\"},\"operation\":{\"type\":\"string\"},"                                  \
    "\"params\":{\"type\":\"object\"},\"by\":{\"type\":\"string\"},\"lang\":{\"enum\":[\"en\",\"zh\"]}," \
    "\"state\":{\"enum\":[\"queued\",\"running\",\"done\",\"failed\",\"cancelled\"]},"                   \
    "\"created\":{\"type\":\"string\",\"format\":\"date-time\"},"                                        \
    "\"started\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"                             \
    "\"ended\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"                               \
    "\"progress\":{\"type\":\"object\",\"properties\":{\"share\":{\"type\":[\"number\",\"null\"]},"      \
    "\"text\":{\"type\":[\"object\",\"null\"],\"properties\":{\"en\":{\"type\":\"string\"},"             \
    "\"zh\":{\"type\":\"string\"}}}}},\"cancel\":{\"type\":\"boolean\"},"                                \
    "\"error\":{\"type\":[\"object\",\"null\"],\"properties\":{\"code\":{\"type\":\"string\"},"          \
    "\"message\":{\"type\":\"object\",\"properties\":{\"en\":{\"type\":\"string\"},"                     \
    "\"zh\":{\"type\":\"string\"}}}}},\"exit_code\":{\"type\":[\"integer\",\"null\"]},"                  \
    "\"has_result\":{\"type\":\"boolean\"},\"revision\":{\"type\":\"integer\"},\"result\":{}"
#define JOB_REQUIRED                                                                                  \
    "\"required\":[\"id\",\"operation\",\"by\",\"lang\",\"state\",\"created\",\"started\",\"ended\"," \
    "\"progress\",\"cancel\",\"error\",\"exit_code\",\"has_result\",\"revision\"]"
#define JOB_SCHEMA "{\"type\":\"object\",\"properties\":{" JOB_MEMBERS "}," JOB_REQUIRED "}"
// clang-format on

static const hd_param list_params[] = {
    {"state", HD_PARAM_CHOICE, .choice_at = hd_job_state_at, .metavar = "STATE",
     .doc = HD_TEXT("jobs in this state alone", "只列出处于此状态的任务")},
    {"limit", HD_PARAM_INT, .min = 1, .max = MOST, .initial = "20",
     .doc = HD_TEXT("most jobs to show", "最多显示多少个任务")},
    {"cursor", HD_PARAM_TEXT, .doc = HD_TEXT("where the page before ended", "上一页结束的位置")},
};

static const hd_param job_params[] = {
    {"job", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("id of the job", "任务的 id")},
};

static const hd_param run_params[] = {
    {"job", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("id of the job", "任务的 id")},
    {"lent_lock", HD_PARAM_BOOL,
     .doc = HD_TEXT("the server holds the workspace's lock and lends it",
                    "服务器持有工作区的锁，并借给此进程")},
    {"lent_passphrase", HD_PARAM_BOOL,
     .doc = HD_TEXT("the server gives the passphrase of the keys through a pipe",
                    "服务器通过管道提供密钥口令")},
};

const hd_op hd_op_job_list = {
    .name = "job list",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("list what a server runs and ran in the background",
                   "列出服务器在后台运行和运行过的任务"),
    .examples = (const char *const[]){"heed job list", "heed job list --state failed", NULL},
    .method = "GET",
    .path = "/api/v1/jobs",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .schema = "{\"type\":\"object\",\"properties\":{\"jobs\":{\"type\":\"array\","
              "\"items\":" JOB_SCHEMA "},\"next_cursor\":{\"type\":[\"string\",\"null\"]}},"
              "\"required\":[\"jobs\",\"next_cursor\"]}",
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "job",
    .run = list_run,
    .text = list_text,
};

const hd_op hd_op_job_show = {
    .name = "job show",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("show a job, and its result when it has one", "显示某个任务及其结果"),
    .method = "GET",
    .path = "/api/v1/jobs/{job}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .schema = JOB_SCHEMA,
    .params = job_params,
    .n_params = 1,
    .result_doc = "job",
    .run = get_job,
    .text = show_text,
};

const hd_op hd_op_job_progress = {
    .name = "job progress",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_HTTP,
    .doc = HD_TEXT("how far a job is, as server-sent events", "以服务器推送事件报告任务的进度"),
    .method = "GET",
    .path = "/api/v1/jobs/{job}/progress",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .schema = JOB_SCHEMA,
    .params = job_params,
    .n_params = 1,
    .result_doc = "job",
    .run = progress_run,
    .stream = progress_stream,
    .text = show_text,
};

const hd_op hd_op_job_cancel = {
    .name = "job cancel",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("cancel a job that is queued or runs", "取消排队中或运行中的任务"),
    .detail = HD_TEXT("A job that runs is asked to end and leaves everything as it was before; "
                      "after ten seconds its process is ended.",
                      "运行中的任务会被要求结束，并让一切保持原样；十秒后其进程会被终止。"),
    .method = "POST",
    .path = "/api/v1/jobs/{job}/cancel",
    .scope = HD_SCOPE_WRITE,
    .place = HD_PLACE_WORKSPACE,
    .schema = JOB_SCHEMA,
    .params = job_params,
    .n_params = 1,
    .result_doc = "job",
    .run = cancel_run,
    .text = show_text,
};

const hd_op hd_op_job_wait = {
    .name = "job wait",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("wait until a job has ended, and show it", "等待任务结束并显示结果"),
    .detail = HD_TEXT("The exit code is that of the job.", "退出码与任务的相同。"),
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = job_params,
    .n_params = 1,
    .result_doc = "job",
    .run = wait_run,
    .text = show_text,
};

const hd_op hd_op_job_run = {
    .name = "job run",
    .chapter = HD_CHAPTER_CARE,
    .only = HD_ONLY_CLI,
    .doc = HD_TEXT("do the work of a job: what a server starts", "执行任务：由服务器启动"),
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_NEVER,
    .params = run_params,
    .n_params = sizeof run_params / sizeof run_params[0],
    .result_doc = "job",
    .run = job_run,
    .text = run_text,
};
