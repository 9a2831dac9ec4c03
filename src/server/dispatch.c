// SPDX-License-Identifier: Apache-2.0
//
// The order of questions: is there such a path (404), is it served by this method (405), who asks
// (401, 429), may they (403), are the parameters right (400, 422), and only then the operation. The
// first three cost no memory and no database, so strangers can't make the server work.
//
// A request that is answered on the spot lives in the seat; one that goes to another thread is
// moved to the heap first. So is one that would have to wait until a model is loaded, the first
// after a training, say: a worker loads it and answers, and the loop goes on with the others.
#include "server/dispatch.h"

#include "base/json.h"
#include "base/mem.h"
#include "server/auth.h"
#include "server/builtin.h"
#include "server/problem.h"

// ── Running ──

static bool yes(void *ctx, hd_text question) { // whoever sends the request has decided
    (void)ctx;
    (void)question;
    return true;
}

static hd_call make_call(hd_request *request) {
    return (hd_call){.params = request->params,
                     .lang = request->lang,
                     .caller = hd_request_caller(request),
                     .confirm = yes,
                     .ctx = request};
}

// Sets the answer of an operation that ran, and meters it.
static void finish(hd_request *request, const hd_call *call, heed_err err) {
    const hd_op *op = request->op;
    if (err != HEED_OK && err != HEED_PARTIAL) {
        hd_request_fail(request, err, NULL);
        return;
    }
    // What a person reads by writing (an export, say) has an entry of its own.
    if (hd_op_reads(op))
        hd_audit_counts_add(hd_host_counts_of_reads(request->tenant->host),
                            op->many ? HD_AUDIT_BULK_READ : HD_AUDIT_SERVE,
                            hd_request_caller(request).name, op->purpose, hd_time_now());
    request->status = op->status ? op->status : 200;
    request->type = "application/json";
    if (request->pass.meter && (call->used_events || call->used_tokens))
        hd_guard_spend(&request->pass, hd_time_now(), call->used_events, call->used_tokens);
}

static void run_at(hd_request *request, size_t place) {
    hd_call call = make_call(request);
    heed_workspace *ws = NULL;
    heed_err err = hd_host_reader(request->tenant->host, place, &ws);
    if (err == HEED_OK) err = hd_host_call(request->op, &call, ws, &request->body);
    finish(request, &call, err);
}

// On a loop's thread, which doesn't wait for what is to be loaded; false: it would have had to.
static bool run_quickly(hd_request *request, size_t place) {
    hd_call call = make_call(request);
    heed_workspace *ws = NULL;
    bool late = false;
    heed_err err = hd_host_reader(request->tenant->host, place, &ws);
    if (err == HEED_OK) {
        ws->hurried = true;
        ws->late = false;
        err = hd_host_call(request->op, &call, ws, &request->body);
        late = ws->late;
    }
    if (late)
        hd_str_reset(&request->body);
    else
        finish(request, &call, err);
    return !late;
}

// ── On other threads ──

static void answer_and_free(void *arg, hd_exchange *exchange) {
    hd_request *request = arg;
    if (exchange) hd_request_reply(request);
    hd_request_clear(request);
    hd_free(request);
}

static void send_back(hd_request *request) {
    hd_exchange_post(request->exchange, answer_and_free, request);
}

static hd_request *request_of_work(hd_work *work) {
    return (hd_request *)((char *)work - offsetof(hd_request, work));
}

static hd_request *request_of_task(hd_task *task) {
    return (hd_request *)((char *)task - offsetof(hd_request, task));
}

static void run_read(hd_work *work, size_t worker) {
    hd_request *request = request_of_work(work);
    run_at(request, request->server->n_loops + worker);
    send_back(request);
}

static void run_job(hd_work *work, size_t worker) {
    (void)worker;
    hd_request *request = request_of_work(work);
    hd_server *server = request->server;
    hd_call call = make_call(request);
    call.workspace = hd_host_folder(request->tenant->host);
    json_t *job = NULL;
    heed_err err = hd_job_submit(server->runner, request->op, &call, request->upload, &job);
    if (err == HEED_OK) {
        const char *id = json_string_value(json_object_get(job, "id"));
        hd_str_addf(&request->headers, "Location: /api/v1/jobs/%s\r\n", id ? id : "");
        err = hd_json_dump(job, false, &request->body);
    }
    json_decref(job);
    finish(request, &call, err);
    if (request->status == 200) request->status = 202;
    send_back(request);
}

static heed_err run_task(hd_task *task, heed_workspace *ws) {
    hd_request *request = request_of_task(task);
    hd_call call = make_call(request);
    hd_str_reset(&request->body); // of a first try
    heed_err err = hd_host_call(request->op, &call, ws, &request->body);
    request->used_events = call.used_events;
    request->used_tokens = call.used_tokens;
    if (call.settings_changed) hd_host_refresh(request->tenant->host);
    // whoever may administer may have made or revoked a key: it counts from the next request on
    if (err == HEED_OK && task->kind == HD_TASK_ALONE && request->op->scope == HD_SCOPE_ADMIN)
        err = hd_host_keys_changed(request->tenant->host, ws);
    return err;
}

static void task_done(hd_task *task, heed_err err) {
    hd_request *request = request_of_task(task);
    const hd_call call = {.used_events = request->used_events, .used_tokens = request->used_tokens};
    finish(request, &call, err);
    send_back(request);
}

// ── By how a row runs ──

static heed_err start_quick(hd_request *request) {
    (void)request; // answered in the seat
    return HEED_INTERNAL;
}

static heed_err start_read(hd_request *request) {
    request->work.run = run_read;
    return hd_workers_add(request->server->workers, &request->work);
}

static heed_err start_job(hd_request *request) {
    request->work.run = run_job;
    return hd_workers_add(request->server->workers, &request->work);
}

static heed_err start_task(hd_request *request, hd_task_kind kind) {
    request->task = (hd_task){.kind = kind, .run = run_task, .done = task_done};
    return hd_host_submit(request->tenant->host, &request->task);
}

static heed_err start_group(hd_request *request) {
    return start_task(request, HD_TASK_GROUP);
}

static heed_err start_alone(hd_request *request) {
    return start_task(request, HD_TASK_ALONE);
}

static heed_err start_stream(hd_request *request) {
    return hd_streams_add(request->server->streams, request);
}

static heed_err (*const starts[])(hd_request *request) = {
    [HD_RUN_READ] = start_read,   [HD_RUN_QUICK] = start_quick, [HD_RUN_WRITE] = start_group,
    [HD_RUN_ALONE] = start_alone, [HD_RUN_JOB] = start_job,     [HD_RUN_NEVER] = start_quick,
};

static heed_err run_elsewhere(hd_request *request) {
    return request->late ? start_read(request) : starts[request->op->run_as](request);
}

// Once held, the exchange is answered by way of a post, a failure too.
static heed_err start_held(hd_request *request) {
    if (!hd_exchange_hold(request->exchange)) return HD_FAIL_MEMORY(0);
    request->upload = hd_exchange_take_body(request->exchange);
    heed_err err = run_elsewhere(request);
    if (err == HEED_OK) return HEED_OK;
    hd_request_fail(request, err, NULL);
    send_back(request);
    return HEED_OK;
}

// Moves the request out of its seat and starts it; on failure the seat has it back with an answer.
static bool start(hd_request *seated) {
    hd_request *request = hd_alloc(sizeof *request);
    heed_err err = request ? HEED_OK : HD_FAIL_MEMORY(sizeof *request);
    if (err == HEED_OK) {
        *request = *seated;
        err = request->op->stream ? start_stream(request) : start_held(request);
        if (err == HEED_OK) {
            hd_str_init(&seated->headers);
            hd_str_init(&seated->body);
            seated->params = NULL;
            return true;
        }
        hd_free(request);
    }
    hd_request_fail(seated, err, NULL);
    return false;
}

// ── Before ──

static void refuse_method(hd_request *request, const char *allowed) {
    hd_str_addf(&request->headers, "Allow: %s\r\n", allowed);
    hd_request_refuse(
        request, 405, "METHOD",
        (hd_text)HD_TEXT("this path is not served by that method", "此路径不支持该方法"));
}

// Finds the operation; false: the answer is set.
static bool find(hd_request *request, hd_route *route) {
    const hd_http_request *http = hd_exchange_request(request->exchange);
    hd_str allow;
    hd_str_init(&allow);
    hd_route_state state = hd_route_find(http->method, http->path, route, &allow);
    if (state == HD_ROUTE_FOUND) request->op = route->op;
    if (state == HD_ROUTE_NO_METHOD) refuse_method(request, hd_str_get(&allow));
    if (state == HD_ROUTE_NO_PATH)
        hd_request_refuse(
            request, 404, "NOT_FOUND",
            (hd_text)HD_TEXT("there is nothing at this path; /openapi.json lists what "
                             "there is",
                             "此路径下没有内容；/openapi.json 列出了所有接口"));
    hd_str_clear(&allow);
    return state == HD_ROUTE_FOUND;
}

static bool read_params(hd_request *request, const hd_route *route) {
    hd_route_fault fault;
    const hd_http_request *http = hd_exchange_request(request->exchange);
    heed_err err = hd_route_params(route, http, http->body_path, &request->params, &fault);
    if (err == HEED_OK) return true;
    hd_request_fail(request, err, fault.pointer);
    return false;
}

// Whether the operation is to run; else the answer is set.
static bool let_in(hd_request *request, hd_route *route) {
    if (!find(request, route)) return false;
    unsigned scope = 1u << request->op->scope;
    if (hd_auth_in_body(request)) return read_params(request, route) && hd_auth(request, scope);
    return hd_auth(request, scope) && read_params(request, route);
}

static void answer_builtin(hd_request *request, const hd_builtin *row) {
    const hd_http_request *http = hd_exchange_request(request->exchange);
    if (!hd_slice_eq(http->method, "GET")) {
        refuse_method(request, "GET");
        return;
    }
    if (row->open || hd_auth(request, 1u << HD_SCOPE_READ)) row->answer(request);
}

// The workspace's owner, from a command line: an operation by its name.
static bool let_owner_in(hd_request *request) {
    const hd_http_request *http = hd_exchange_request(request->exchange);
    json_t *body = NULL;
    heed_err err = hd_json_parse(http->body.p ? http->body.p : "", http->body.n, "body", &body);
    if (err == HEED_OK) err = hd_route_owner(body, &request->op, &request->params);
    json_decref(body);
    if (err == HEED_OK) return hd_auth(request, 0);
    hd_request_fail(request, err, NULL);
    return false;
}

static bool is_for_owner(const hd_request *request) {
    return hd_slice_eq(hd_exchange_request(request->exchange)->path, "/owner/run") &&
           hd_auth_is_owner(request);
}

void hd_dispatch(void *ctx, hd_exchange *exchange) {
    hd_seat *seat = ctx;
    hd_request *request = &seat->request;
    hd_route route;
    hd_request_init(request, seat->server, exchange);
    const hd_builtin *builtin = hd_builtin_find(hd_exchange_request(exchange)->path);
    if (builtin) {
        answer_builtin(request, builtin);
    } else if (is_for_owner(request) ? let_owner_in(request) : let_in(request, &route)) {
        bool quick = request->op->run_as == HD_RUN_QUICK && !request->op->stream;
        request->late = quick && !run_quickly(request, seat->place);
        if ((!quick || request->late) && start(request)) return;
    }
    hd_request_reply(request);
    json_decref(request->params);
    request->params = NULL;
}

// A body is about to come: strangers' and those of no operation aren't read at all, and what is to
// be a file becomes one.
void hd_dispatch_head(void *ctx, hd_exchange *exchange, hd_body_plan *plan) {
    hd_seat *seat = ctx;
    hd_request *request = &seat->request;
    hd_route route;
    hd_request_init(request, seat->server, exchange);
    if (hd_builtin_find(hd_exchange_request(exchange)->path) || is_for_owner(request)) return;
    if (find(request, &route)) {
        if (!hd_route_upload_param(request->op)) return;
        if (hd_auth(request, 1u << request->op->scope)) {
            plan->limit = (size_t)hd_settings_int(seat->server->settings, "serve.max_upload");
            plan->memory = 0;
            plan->folder = request->tenant->spool;
            return;
        }
    }
    hd_request_reply(request);
}

void hd_dispatch_refused(void *ctx, int status, const char *reason, hd_str *body,
                         const char **type) {
    (void)ctx;
    const hd_problem problem = {.status = status, .code = "HTTP", .detail = reason};
    hd_problem_write(&problem, body);
    *type = HD_PROBLEM_TYPE;
}
