// SPDX-License-Identifier: Apache-2.0
//
// The log line of a request names the operation, never the path: paths hold ids of persons.
#include "server/request.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/problem.h"

#include <time.h>

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Numbers that don't tell how many requests there were: a counter, scattered (splitmix64).
static void make_id(hd_server *server, char out[HD_REQUEST_ID]) {
    uint64_t x = server->id_seed + atomic_fetch_add(&server->id_next, 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    hd_snprintf(out, HD_REQUEST_ID, "%016llx", (unsigned long long)(x ^ (x >> 31)));
}

static heed_lang lang_of(const hd_exchange *exchange) {
    hd_slice accepted = hd_http_header_get(hd_exchange_request(exchange), "Accept-Language");
    return accepted.n >= 2 && hd_slice_eq_nocase((hd_slice){accepted.p, 2}, "zh") ? HEED_ZH
                                                                                  : HEED_EN;
}

void hd_request_init(hd_request *request, hd_server *server, hd_exchange *exchange) {
    // the texts' buffers stay: a loop answers most requests with one object
    hd_str headers = request->headers;
    hd_str body = request->body;
    *request =
        (hd_request){.server = server, .exchange = exchange, .headers = headers, .body = body};
    hd_str_reset(&request->headers);
    hd_str_reset(&request->body);
    request->start_us = now_us();
    request->lang = lang_of(exchange);
    make_id(server, request->id);
}

hd_caller hd_request_caller(const hd_request *request) {
    if (request->owner) return (hd_caller){"cli", ~0u};
    return (hd_caller){request->pass.id, request->pass.scopes};
}

void hd_request_clear(hd_request *request) {
    json_decref(request->params);
    request->params = NULL;
    if (request->upload && hd_fs_remove(request->upload) != HEED_OK) // where no job took it
        HD_LOG(HD_LOG_WARN, "server", "upload", HD_KV_STR("reason", "can't be removed"));
    hd_free(request->upload);
    request->upload = NULL;
    hd_str_clear(&request->headers);
    hd_str_clear(&request->body);
}

static void write_problem(hd_request *request, const hd_problem *problem) {
    request->status = problem->status;
    request->type = HD_PROBLEM_TYPE;
    hd_str body;
    hd_str_init(&body);
    hd_problem_write(problem, &body); // what stands in the request's body may be part of it
    hd_str_clear(&request->body);
    request->body = body;
}

// What an operation said of its body's parts (hd_host_call).
static const char *errors_of(const hd_request *request, heed_err err) {
    bool any = err == HEED_INPUT && !request->body.failed && request->body.len > 0;
    return any ? hd_str_get(&request->body) : NULL;
}

void hd_request_fail(hd_request *request, heed_err err, const char *pointer) {
    const hd_problem problem = {.status = heed_err_http(err),
                                .code = heed_err_name(err),
                                .title = heed_err_text(err, request->lang),
                                .detail = heed_error_message(request->lang),
                                .request_id = request->id,
                                .pointer = pointer,
                                .errors = errors_of(request, err)};
    if (problem.status == 503) hd_str_add(&request->headers, "Retry-After: 1\r\n");
    if (problem.status >= 500)
        HD_LOG(HD_LOG_ERROR, "server", "failed", HD_KV_STR("request", request->id),
               HD_KV_STR("operation", request->op ? request->op->name : ""),
               HD_KV_STR("code", problem.code));
    write_problem(request, &problem);
}

void hd_request_refuse(hd_request *request, int status, const char *code, hd_text detail) {
    const hd_problem problem = {.status = status,
                                .code = code,
                                .detail = hd_text_get(detail, request->lang),
                                .request_id = request->id};
    write_problem(request, &problem);
}

static void log_request(const hd_request *request, double seconds) {
    HD_LOG(HD_LOG_DEBUG, "server", "request", HD_KV_STR("request", request->id),
           HD_KV_STR("operation", request->op ? request->op->name : ""),
           HD_KV_STR("key", request->pass.id), HD_KV_INT("status", request->status),
           HD_KV_F64("ms", seconds * 1000));
}

static const char out_of_memory[] =
    "{\"type\":\"urn:heed:error:MEMORY\",\"title\":\"out of memory\",\"status\":500,"
    "\"detail\":\"out of memory\",\"code\":\"MEMORY\"}\n";

void hd_request_reply(hd_request *request) {
    double seconds = (double)(now_us() - request->start_us) / 1e6;
    hd_str_addf(&request->headers, "X-Request-Id: %s\r\nCache-Control: no-store\r\n", request->id);
    hd_metrics_add(request->server->metrics, request->op, request->status, seconds);
    log_request(request, seconds);
    if (request->body.failed || request->headers.failed) {
        hd_exchange_reply(request->exchange, 500, NULL, HD_PROBLEM_TYPE, out_of_memory,
                          sizeof out_of_memory - 1);
        return;
    }
    hd_exchange_reply(request->exchange, request->status, hd_str_get(&request->headers),
                      request->type, hd_str_get(&request->body), request->body.len);
}
