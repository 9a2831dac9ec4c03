// SPDX-License-Identifier: Apache-2.0
//
// Ready means: writes would be taken. Live means no more than that this was answered.
#include "server/builtin.h"

#include "base/mem.h"
#include "base/time.h"

static void plain(hd_request *request, int status, const char *json) {
    request->status = status;
    request->type = "application/json";
    hd_str_add(&request->body, json);
}

static void answer_live(hd_request *request) {
    plain(request, 200, "{\"status\":\"live\"}\n");
}

static void answer_ready(hd_request *request) {
    bool ready = !atomic_load(&request->server->draining);
    plain(request, ready ? 200 : 503,
          ready ? "{\"status\":\"ready\"}\n" : "{\"status\":\"draining\"}\n");
}

static void answer_version(hd_request *request) {
    hd_str_addf(&request->body, "{\"version\":\"%s\"}\n", heed_version());
    request->status = 200;
    request->type = "application/json";
}

static void answer_openapi(hd_request *request) {
    const hd_str *text = &request->server->openapi;
    request->status = 200;
    request->type = "application/json";
    hd_str_addn(&request->body, hd_str_get(text), text->len);
}

static void answer_root(hd_request *request) {
    plain(request, 200,
          "{\"name\":\"heed\",\"openapi\":\"/openapi.json\",\"health\":\"/health/ready\","
          "\"metrics\":\"/metrics\",\"api\":\"/api/v1\"}\n");
}

static void add_loops(hd_server *server, hd_str *out) {
    hd_loop_counts all = {0};
    for (size_t i = 0; i < server->n_loops; i++) {
        hd_loop_counts one = hd_loop_count(server->loops[i]);
        all.accepted += one.accepted;
        all.evicted += one.evicted;
        all.refused += one.refused;
        all.timed_out += one.timed_out;
        all.open += one.open;
    }
    hd_metrics_line(out, "heed_connections", "gauge", "open connections", (double)all.open);
    hd_metrics_line(out, "heed_connections_accepted_total", "counter", "connections accepted",
                    (double)all.accepted);
    hd_metrics_line(out, "heed_connections_evicted_total", "counter",
                    "connections that made room for others", (double)all.evicted);
    hd_metrics_line(out, "heed_connections_timed_out_total", "counter",
                    "connections ended at a deadline", (double)all.timed_out);
    hd_metrics_line(out, "heed_requests_refused_total", "counter",
                    "requests that were none: refused before they were read", (double)all.refused);
}

static void add_writers(hd_server *server, hd_str *out) {
    hd_host_counts all = {0};
    double waiting = 0;
    for (size_t i = 0; i < server->n_tenants; i++) {
        hd_host_counts one = hd_host_count(server->tenants[i].host);
        all.tasks += one.tasks;
        all.groups += one.groups;
        all.retried += one.retried;
        waiting += (double)hd_host_waiting(server->tenants[i].host);
    }
    hd_metrics_line(out, "heed_writes_total", "counter", "writes taken", (double)all.tasks);
    hd_metrics_line(out, "heed_write_groups_total", "counter",
                    "transactions that held them: each is one sync", (double)all.groups);
    hd_metrics_line(out, "heed_writes_retried_total", "counter",
                    "writes tried alone after their group failed", (double)all.retried);
    hd_metrics_line(out, "heed_writes_waiting", "gauge", "writes that wait", waiting);
}

static void answer_metrics(hd_request *request) {
    hd_server *server = request->server;
    hd_str *out = &request->body;
    hd_metrics_write(server->metrics, out);
    add_loops(server, out);
    add_writers(server, out);
    hd_metrics_line(out, "heed_reads_waiting", "gauge", "requests that wait for a worker",
                    (double)hd_workers_waiting(server->workers));
    hd_metrics_line(out, "heed_jobs_running", "gauge", "jobs that run",
                    (double)hd_runner_running(server->runner));
    hd_metrics_line(out, "heed_workspaces", "gauge", "workspaces that are served",
                    (double)server->n_tenants);
    hd_metrics_line(out, "heed_memory_bytes", "gauge", "memory in use, libraries' own aside",
                    (double)hd_mem_used());
    hd_metrics_line(out, "heed_start_time_seconds", "gauge", "when the server began",
                    (double)server->started / 1000);
    request->status = 200;
    request->type = "text/plain; version=0.0.4; charset=utf-8";
}

static const hd_builtin rows[] = {
    {"/", true, answer_root},
    {"/health/live", true, answer_live},
    {"/health/ready", true, answer_ready},
    {"/version", true, answer_version},
    {"/openapi.json", true, answer_openapi},
    {"/metrics", false, answer_metrics},
};

const hd_builtin *hd_builtin_find(hd_slice path) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (hd_slice_eq(path, rows[i].path)) return &rows[i];
    return NULL;
}
