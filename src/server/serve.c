// SPDX-License-Identifier: Apache-2.0
//
// The life of a server: open all, listen, wait for the end, drain, close in the opposite order.
//
// Loops end first (they finish what they have begun, up to serve.drain), then jobs, workers and
// streams, then each workspace: its writer runs what waits, is checkpointed and closed. So whatever
// was acknowledged is in the database, and the next start finds nothing to repair.
//
// A signal does nothing but set a flag and stop the loops, which is safe in a handler.
#include "server/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "api/params.h"
#include "api/call.h"
#include "api/serve.h"
#include "api/start.h"
#include "base/mem.h"
#include "base/sched.h"
#include "base/time.h"
#include "server/dispatch.h"
#include "server/notify.h"
#include "server/openapi.h"
#include "server/passphrases.h"

enum { MAX_LOOPS = 64, TICK_SECONDS = 10 };

typedef struct listening {
    hd_server *server;
    hd_call *call;
    hd_arena arena;
    hd_passphrases *passphrases; // that were typed
    char *host;                  // of serve.listen
    int port;
    char *socket; // for the command line; NULL: none
    pthread_t thread[MAX_LOOPS];
    size_t n_threads;
    pthread_t ticker;
    bool ticking;
    atomic_bool ended;
    atomic_bool failed; // a loop beside the first; who says so first fills in how
    hd_error failure;
} listening;

// ── Settings ──

// The layers of one workspace's handles: its own file, the environment, the flags of this command.
static hd_settings *make_settings(void *ctx, const char *folder) {
    hd_call *call = ctx;
    hd_settings *settings = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    char *path = hd_fs_join(&arena, folder, "heed.yaml");
    heed_err err = path ? hd_start_settings(&settings) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = hd_settings_copy_flags(settings, call->settings);
    if (err == HEED_OK) err = hd_settings_load_env(settings, environ);
    if (err == HEED_OK) err = hd_settings_load_file(settings, path);
    hd_arena_clear(&arena);
    if (err == HEED_OK) return settings;
    hd_settings_free(settings);
    return NULL;
}

// "127.0.0.1:8080", "[::1]:8080", ":8080" (every address), "8080".
static heed_err parse_listen(listening *l) {
    const char *text = hd_settings_text(l->server->settings, "serve.listen");
    const char *colon = strrchr(text, ':');
    const char *digits = colon ? colon + 1 : text;
    hd_slice host = {text, colon ? (size_t)(colon - text) : 0};
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (hd_slice){host.p + 1, host.n - 2};
    int64_t port = -1;
    if (!hd_slice_i64(hd_slice_of(digits), &port) || port < 0 || port > 65535)
        return HD_FAIL(HEED_USAGE, "serve.listen: '%s' is not ADDRESS:PORT, like 127.0.0.1:8080",
                       "serve.listen：“%s”不是 地址:端口 的形式，例如 127.0.0.1:8080", text);
    l->port = (int)port;
    l->host = host.n ? hd_arena_strndup(&l->arena, host.p, host.n)
                     : hd_arena_strdup(&l->arena, colon ? "0.0.0.0" : "127.0.0.1");
    return l->host ? HEED_OK : HD_FAIL_MEMORY(0);
}

// ── Workspaces ──

// The folders to serve: that of the call, or all workspaces in the folder that is named.
static heed_err find_folders(listening *l, char ***out, size_t *n) {
    const char *all = hd_call_text(l->call, "workspaces");
    char **names = NULL;
    size_t count = 1;
    *n = 0;
    if (all) HD_TRY(hd_fs_list(all, &l->arena, &names, &count));
    char **folders = hd_arena_calloc(&l->arena, count + 1, sizeof *folders);
    if (!folders) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < count; i++) {
        char *folder = all ? hd_fs_join(&l->arena, all, names[i])
                           : hd_arena_strdup(&l->arena, l->call->workspace);
        char *yaml = folder ? hd_fs_join(&l->arena, folder, "heed.yaml") : NULL;
        if (!yaml) return HD_FAIL_MEMORY(0);
        if (!all || hd_fs_exists(yaml)) folders[(*n)++] = folder;
    }
    *out = folders;
    if (*n > 0) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "'%s' holds no workspace; 'heed init' makes one",
                   "“%s”里没有工作区；请用“heed init”创建", all);
}

static heed_err add_to_runner(void *ctx, heed_workspace *ws) {
    return hd_runner_add(ctx, ws);
}

static heed_err open_tenant(listening *l, const char *folder, size_t number) {
    hd_server *server = l->server;
    hd_tenant *tenant = &server->tenants[number];
    hd_passphrase passphrase;
    HD_TRY(hd_passphrases_of(l->passphrases, folder, &l->arena, &passphrase));
    const hd_host_params params = {
        .folder = folder,
        .number = (uint32_t)number,
        .who = "heed serve",
        .places = server->n_loops + server->n_workers,
        .max_waiting = (size_t)hd_settings_int(server->settings, "serve.max_waiting"),
        .settings = make_settings,
        .ctx = l->call,
        .passphrase = passphrase,
    };
    HD_TRY(hd_host_open(&params, &tenant->host));
    server->n_tenants = number + 1;
    char *spool = hd_fs_join(&l->arena, folder, "tmp");
    if (!spool) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(spool, 0700));
    HD_TRY(hd_body_sweep(spool)); // what a server that died left
    tenant->spool = spool;
    tenant->guard = hd_host_guard(tenant->host);
    return hd_host_do(tenant->host, HD_TASK_ALONE, add_to_runner, server->runner);
}

static heed_err open_tenants(listening *l) {
    char **folders = NULL;
    size_t n = 0;
    HD_TRY(find_folders(l, &folders, &n));
    l->server->tenants = hd_calloc(n, sizeof *l->server->tenants);
    if (!l->server->tenants) return HD_FAIL_MEMORY(0);
    for (size_t i = 0; i < n; i++) HD_TRY(open_tenant(l, folders[i], i));
    hd_passphrases_settle(l->passphrases);
    return HEED_OK;
}

// ── What all share ──

static void job_changed(void *ctx, const char *folder, const char *job) {
    (void)folder;
    (void)job;
    hd_server *server = ctx;
    if (server->streams) hd_streams_wake(server->streams);
}

static heed_err make_limits(hd_server *server) {
    const hd_settings *settings = server->settings;
    size_t clients = (size_t)hd_settings_int(settings, "serve.clients");
    double failures = (double)hd_settings_int(settings, "serve.failures"); // a minute
    hd_limits *limits = &server->limits;
    limits->key = (hd_rate){hd_settings_float(settings, "serve.rate"),
                            hd_settings_float(settings, "serve.burst")};
    limits->address = (hd_rate){hd_settings_float(settings, "serve.rate_address"),
                                hd_settings_float(settings, "serve.burst_address")};
    limits->failure = (hd_rate){failures / 60, failures};
    HD_TRY(hd_limiter_new(clients, &limits->keys));
    HD_TRY(hd_limiter_new(clients, &limits->addresses));
    return hd_limiter_new(clients, &limits->failures);
}

// The flags that this command was given, for the processes of jobs: "--setting", "name=value", …,
// NULL.
static heed_err list_flags(listening *l, const char *const **out) {
    const hd_setting *row;
    hd_origin origin;
    const char *place;
    size_t n = 0, count = 0;
    hd_str value;
    hd_str_init(&value);
    while (hd_settings_at(l->server->settings, count, &row, &value, &origin, &place)) count++;
    const char **flags = hd_arena_calloc(&l->arena, 2 * count + 1, sizeof *flags);
    for (size_t i = 0; flags && i < count; i++) {
        hd_str_reset(&value);
        (void)hd_settings_at(l->server->settings, i, &row, &value, &origin, &place);
        if (origin != HD_ORIGIN_FLAG || value.failed) continue;
        flags[n++] = "--setting";
        flags[n] = hd_arena_printf(&l->arena, "%s=%s", row->name, hd_str_get(&value));
        if (!flags[n++]) flags = NULL;
    }
    bool failed = !flags || value.failed;
    hd_str_clear(&value);
    *out = flags;
    return failed ? HD_FAIL_MEMORY(0) : HEED_OK;
}

static heed_err open_shared(listening *l) {
    hd_server *server = l->server;
    const hd_settings *settings = server->settings;
    const char *certificate = hd_settings_text(settings, "serve.tls_certificate");
    const char *key = hd_settings_text(settings, "serve.tls_key");
    hd_runner_params runner = {.max_running = 2,
                               .on_change = job_changed,
                               .ctx = server,
                               .secret = hd_passphrases_tell,
                               .secret_ctx = l->passphrases};
    HD_TRY(list_flags(l, &runner.flags));
    HD_TRY(hd_metrics_new(&server->metrics));
    HD_TRY(hd_openapi_write(&server->openapi));
    HD_TRY(make_limits(server));
    if (certificate[0] || key[0]) HD_TRY(hd_tls_open(certificate, key, &server->tls));
    HD_TRY(hd_streams_new(256, &server->streams));
    HD_TRY(hd_workers_new(server->n_workers, 1024, &server->workers));
    return hd_runner_open(&runner, &server->runner);
}

// ── Loops ──

// The socket's path, where it isn't too long for one.
static heed_err plan_socket(listening *l) {
    const char *all = hd_call_text(l->call, "workspaces");
    char *path = hd_fs_join(&l->arena, all ? all : l->call->workspace, "heed.sock");
    if (!path) return HD_FAIL_MEMORY(0);
    if (strlen(path) < 100) {
        l->socket = path;
    } else {
        hd_call_note(l->call,
                     "the folder's path is too long for a socket: commands can't reach this server",
                     "文件夹路径过长，无法建立套接字：命令行将无法连接此服务器");
    }
    return HEED_OK;
}

static heed_err open_loop(listening *l, size_t i) {
    hd_server *server = l->server;
    const hd_settings *settings = server->settings;
    server->seats[i] = (hd_seat){.server = server, .place = i};
    const hd_loop_params params = {
        .host = l->host,
        .port = i ? hd_loop_port(server->loops[0]) : l->port,
        .join = i > 0,
        .group = server->loops,
        .n_group = server->n_loops,
        .tls = server->tls,
        .unix_path = i ? NULL : l->socket,
        .limits = {.head = 16384,
                   .target = 8192,
                   .body = (size_t)hd_settings_int(settings, "serve.max_body")},
        .max_connections =
            (size_t)hd_settings_int(settings, "serve.max_connections") / server->n_loops + 1,
        .max_per_address = (size_t)hd_settings_int(settings, "serve.max_per_address"),
        .head_ms = hd_settings_int(settings, "serve.head_timeout") * 1000,
        .body_ms = hd_settings_int(settings, "serve.body_timeout") * 1000,
        .idle_ms = hd_settings_int(settings, "serve.idle_timeout") * 1000,
        .write_ms = hd_settings_int(settings, "serve.body_timeout") * 1000,
        .stream_ms = 15000,
        .head = hd_dispatch_head,
        .handle = hd_dispatch,
        .refused = hd_dispatch_refused,
        .ctx = &server->seats[i],
    };
    return hd_loop_open(&params, &server->loops[i]);
}

static heed_err open_loops(listening *l) {
    hd_server *server = l->server;
    server->loops = hd_calloc(server->n_loops, sizeof(hd_loop *));
    server->seats = hd_calloc(server->n_loops, sizeof *server->seats);
    if (!server->loops || !server->seats) return HD_FAIL_MEMORY(0);
    HD_TRY(parse_listen(l));
    HD_TRY(plan_socket(l));
    for (size_t i = 0; i < server->n_loops; i++) HD_TRY(open_loop(l, i));
    return HEED_OK;
}

static void stop_loops(hd_server *server) {
    for (size_t i = 0; i < server->n_loops; i++) hd_loop_stop(server->loops[i]);
}

typedef struct loop_thread {
    listening *l;
    size_t number;
} loop_thread;

static void *run_loop(void *arg) {
    loop_thread own = *(loop_thread *)arg;
    hd_free(arg);
    hd_server *server = own.l->server;
    hd_processors unused;
    hd_sched_share(own.number, server->n_loops, &unused);
    int64_t drain = hd_settings_int(server->settings, "serve.drain") * 1000;
    if (hd_loop_run(server->loops[own.number], drain) != HEED_OK) {
        if (!atomic_exchange(&own.l->failed, true)) hd_error_get(&own.l->failure);
        stop_loops(server);
    }
    return NULL;
}

static heed_err start_loops(listening *l) {
    for (size_t i = 1; i < l->server->n_loops; i++) {
        loop_thread *own = hd_alloc(sizeof *own);
        if (!own) return HD_FAIL_MEMORY(sizeof *own);
        *own = (loop_thread){l, i};
        int failed = pthread_create(&l->thread[l->n_threads], NULL, run_loop, own);
        if (failed) {
            hd_free(own);
            return HD_FAIL_ERRNO(failed, "can't start a thread", "无法启动线程", "loop");
        }
        l->n_threads++;
    }
    return HEED_OK;
}

// ── Signals and ticks ──

static hd_server *_Atomic signalled; // whom the handler stops

static void on_signal(int number) {
    hd_server *server = atomic_load(&signalled);
    if (!server) return;
    if (atomic_exchange(&server->draining, true)) { // the second one: at once
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
    stop_loops(server);
}

static void on_reload(int number) {
    (void)number;
    hd_server *server = atomic_load(&signalled);
    if (server) atomic_store(&server->reload, true);
}

static void catch_signals(hd_server *server) {
    struct sigaction stop = {.sa_handler = on_signal};
    struct sigaction reload = {.sa_handler = on_reload, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&stop.sa_mask);
    sigemptyset(&reload.sa_mask);
    sigemptyset(&ignore.sa_mask);
    atomic_store(&signalled, server);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGHUP, &reload, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static void reload(hd_server *server) {
    if (server->tls && hd_tls_reload(server->tls) != HEED_OK)
        HD_LOG(HD_LOG_ERROR, "server", "reload", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    for (size_t i = 0; i < server->n_tenants; i++) hd_host_refresh(server->tenants[i].host);
}

static void *tick(void *arg) {
    listening *l = arg;
    int64_t watchdog = hd_notify_watchdog_ms();
    int64_t told = 0;
    for (size_t n = 0; !atomic_load(&l->ended); n++) {
        const struct timespec wait = {.tv_nsec = 100000000};
        (void)nanosleep(&wait, NULL);
        if (watchdog && hd_time_monotonic() - told >= watchdog / 3) {
            hd_notify("WATCHDOG=1");
            told = hd_time_monotonic();
        }
        if (atomic_exchange(&l->server->reload, false)) reload(l->server);
        if (n % (TICK_SECONDS * 10) != 0) continue;
        for (size_t i = 0; i < l->server->n_tenants; i++)
            hd_host_tick(l->server->tenants[i].host, hd_time_now());
    }
    return NULL;
}

// ── The whole ──

static void close_server(hd_server *server) {
    for (size_t i = 0; server->loops && i < server->n_loops; i++) hd_loop_close(server->loops[i]);
    hd_runner_close(server->runner);
    hd_workers_free(server->workers);
    hd_streams_free(server->streams);
    for (size_t i = 0; server->tenants && i < server->n_tenants; i++)
        hd_host_close(server->tenants[i].host);
    for (size_t i = 0; server->seats && i < server->n_loops; i++)
        hd_request_clear(&server->seats[i].request);
    hd_tls_close(server->tls);
    hd_limiter_free(server->limits.keys);
    hd_limiter_free(server->limits.addresses);
    hd_limiter_free(server->limits.failures);
    hd_metrics_free(server->metrics);
    hd_str_clear(&server->openapi);
    hd_free(server->tenants);
    hd_free(server->loops);
    hd_free(server->seats);
}

static heed_err tell(listening *l) {
    hd_server *server = l->server;
    bool six = strchr(l->host, ':') != NULL;
    char url[160];
    hd_snprintf(url, sizeof url, "%s://%s%s%s:%d", server->tls ? "https" : "http", six ? "[" : "",
                l->host, six ? "]" : "", hd_loop_port(server->loops[0]));
    HD_LOG(HD_LOG_INFO, "server", "listening", HD_KV_STR("url", url),
           HD_KV_INT("workspaces", server->n_tenants));
    return hd_serve_tell(l->call, server->tenants[0].host, url);
}

static heed_err serve(listening *l) {
    hd_server *server = l->server;
    HD_TRY(hd_passphrases_new((hd_passphrase){l->call->secret, l->call->ctx}, &l->passphrases));
    HD_TRY(open_shared(l));
    HD_TRY(open_tenants(l));
    HD_TRY(open_loops(l));
    catch_signals(server);
    HD_TRY(tell(l));
    heed_err err = start_loops(l);
    l->ticking = err == HEED_OK && pthread_create(&l->ticker, NULL, tick, l) == 0;
    int64_t drain = hd_settings_int(server->settings, "serve.drain") * 1000;
    if (err == HEED_OK) hd_notify("READY=1");
    hd_processors before; // from here on this thread starts no other
    hd_sched_share(0, server->n_loops, &before);
    if (err == HEED_OK) err = hd_loop_run(server->loops[0], drain);
    hd_sched_return(&before);
    hd_notify("STOPPING=1");
    stop_loops(server);
    hd_streams_end(server->streams);
    for (size_t i = 0; i < l->n_threads; i++) pthread_join(l->thread[i], NULL);
    if (err == HEED_OK && atomic_load(&l->failed)) err = hd_error_restore(&l->failure);
    atomic_store(&l->ended, true);
    if (l->ticking) pthread_join(l->ticker, NULL);
    HD_LOG(HD_LOG_INFO, "server", "ended", HD_KV_INT("requests", atomic_load(&server->id_next)));
    return err;
}

static size_t count_loops(const hd_settings *settings) {
    int64_t n = hd_settings_int(settings, "serve.loops");
    if (n <= 0) n = sysconf(_SC_NPROCESSORS_ONLN);
    if (n > 8 && hd_settings_int(settings, "serve.loops") <= 0) n = 8;
    return n < 1 ? 1 : n > MAX_LOOPS ? MAX_LOOPS : (size_t)n;
}

heed_err hd_server_run(hd_call *call, json_t **result) {
    hd_server server = {.settings = call->settings, .started = hd_time_now()};
    listening l = {.server = &server, .call = call};
    hd_arena_init(&l.arena);
    hd_str_init(&server.openapi);
    server.n_loops = count_loops(call->settings);
    server.n_workers = (size_t)hd_settings_int(call->settings, "serve.workers");
    server.id_seed = (uint64_t)server.started * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
    heed_err err = serve(&l);
    hd_error failure;
    hd_error_get(&failure);
    atomic_store(&signalled, NULL);
    close_server(&server);
    hd_passphrases_free(l.passphrases);
    hd_arena_clear(&l.arena);
    if (err != HEED_OK) return hd_error_restore(&failure);
    return hd_json_pack(result, "{s:I}", "requests", (json_int_t)atomic_load(&server.id_next));
}
