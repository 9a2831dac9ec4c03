// SPDX-License-Identifier: Apache-2.0
//
// What other readers of HTTP make of tests/server/hostile.h: Debian 12's http-parser and
// libmicrohttpd, as they come and as strict as they can be told to be. A case counts as let through
// when a whole request comes out of it. Each case is followed by some bytes, so that who believes a
// larger length finds a body. Not built by default:
//
//     apt-get install libhttp-parser-dev libmicrohttpd-dev
//     ninja -C build bench/bench_hostile && build/bench/bench_hostile [-v]
#include <http_parser.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../tests/server/client.h"
#include "../tests/server/hostile.h"
#include "server/http1.h"

static const char padding[] = "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";

typedef bool (*reader)(const char *bytes, size_t n, void *ctx);

static bool by_heed(const char *bytes, size_t n, void *ctx) {
    (void)ctx;
    hd_http_parser p;
    hd_http_init(&p, (hd_http_limits){.head = 4096, .target = 1024, .body = 65536});
    size_t at = 0;
    while (at < n && p.state != HD_HTTP_DONE && p.state != HD_HTTP_REFUSED) {
        size_t used;
        if (hd_http_feed(&p, bytes + at, n - at, &used) != HEED_OK) exit(1);
        hd_http_accept(&p);
        at += used;
    }
    bool done = p.state == HD_HTTP_DONE;
    hd_http_clear(&p);
    return done;
}

static int complete(http_parser *p) {
    *(bool *)p->data = true;
    http_parser_pause(p, 1);
    return 0;
}

static bool by_http_parser(const char *bytes, size_t n, void *ctx) {
    (void)ctx;
    bool done = false;
    http_parser p;
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_message_complete = complete;
    http_parser_init(&p, HTTP_REQUEST);
    p.data = &done;
    http_parser_execute(&p, &settings, bytes, n);
    return done;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *n,
                              void **state) {
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    static int seen;
    if (!*state || *n > 0) {
        *state = &seen;
        *n = 0;
        return MHD_YES;
    }
    struct MHD_Response *r =
        MHD_create_response_from_buffer(2, (void *)(uintptr_t) "ok", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, r);
    MHD_destroy_response(r);
    return result;
}

static bool by_microhttpd(const char *bytes, size_t n, void *ctx) {
    char out[4096];
    int port = *(int *)ctx, fd = client_dial(port);
    struct timeval patience = {.tv_usec = 100000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    client_say(fd, bytes, n);
    client_hear(fd, out, sizeof out, "\r\n\r\n", NULL);
    close(fd);
    return strncmp(out, "HTTP/1.1 200", 12) == 0 || strncmp(out, "HTTP/1.0 200", 12) == 0;
}

static bool run_case(const hostile_case *c, reader read, void *ctx) {
    size_t n = hostile_size(c);
    char *bytes = malloc(n + sizeof padding);
    if (!bytes) exit(1);
    hostile_write(c, bytes);
    memcpy(bytes + n, padding, sizeof padding);
    bool through = read(bytes, n + sizeof padding - 1, ctx);
    free(bytes);
    return through;
}

static bool is_size(int status) {
    return status == 413 || status == 414 || status == 431;
}

typedef struct tally {
    int cases, wrong;
} tally;

static void judge(const char *name, reader read, void *ctx, bool verbose) {
    tally legal = {0, 0}, frames = {0, 0}, rest = {0, 0};
    for (size_t i = 0; i < N_HOSTILE; i++) {
        const hostile_case *c = &hostile_cases[i];
        if (is_size(c->status)) continue; // limits are the program's to set
        tally *t = c->status == 200 ? &legal : c->frames ? &frames : &rest;
        bool wrong = run_case(c, read, ctx) != (c->status == 200);
        t->cases++;
        t->wrong += wrong;
        if (wrong && verbose) printf("    %s\n", c->name);
    }
    printf("%-29s lets through %2d of %d about where a request ends, %2d of %d others; turns away "
           "%d of %d legal ones\n",
           name, frames.wrong, frames.cases, rest.wrong, rest.cases, legal.wrong, legal.cases);
}

static void judge_microhttpd(const char *name, int strict, bool verbose) {
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_STRICT_FOR_CLIENT, strict, MHD_OPTION_END);
    if (!daemon) exit(1);
    int port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    judge(name, by_microhttpd, &port, verbose);
    MHD_stop_daemon(daemon);
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    judge("heed", by_heed, NULL, verbose);
    judge("http-parser 2.9.4", by_http_parser, NULL, verbose);
    judge_microhttpd("libmicrohttpd 0.9.75", 0, verbose);
    judge_microhttpd("libmicrohttpd 0.9.75, strict", 1, verbose);
    return argc > 2;
}
