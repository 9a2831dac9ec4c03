// SPDX-License-Identifier: Apache-2.0
//
// The network side alone: every request is answered at once with 300 bytes of JSON. For wrk, and
// for bench/slow.py.
//
//     bench_server_loop [PORT [LOOPS [CERTIFICATE KEY]]]
//
// On SIGINT it prints what it served and what that cost in processor time.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "server/loop.h"

enum { MAX_LOOPS = 16, CONNECTIONS = 4096 };

static hd_loop *loops[MAX_LOOPS];
static int n_loops = 1;
static char body[301];

static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    hd_exchange_reply(exchange, 200, NULL, "application/json", body, sizeof body - 1);
}

static void *run(void *loop) {
    if (hd_loop_run(loop, 1000) != HEED_OK) fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
    return NULL;
}

static void fail(void) {
    fprintf(stderr, "%s\n", heed_error_message(HEED_EN));
    exit(1);
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void report(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t requests = 0, evicted = 0;
    for (int i = 0; i < n_loops; i++) {
        requests += hd_loop_count(loops[i]).requests;
        evicted += hd_loop_count(loops[i]).evicted;
    }
    double user = seconds(usage.ru_utime), system = seconds(usage.ru_stime);
    printf("requests %llu  evicted %llu  user %.2f s  system %.2f s  requests per processor second "
           "%.0f\n",
           (unsigned long long)requests, (unsigned long long)evicted, user, system,
           (double)requests / (user + system));
}

int main(int argc, char **argv) {
    hd_tls *tls = NULL;
    hd_loop_params params = {.host = "127.0.0.1",
                             .port = argc > 1 ? atoi(argv[1]) : 8099,
                             .limits = {.head = 16384, .target = 8192, .body = 1 << 20},
                             .max_connections = CONNECTIONS,
                             .head_ms = 10000,
                             .body_ms = 30000,
                             .idle_ms = 60000,
                             .write_ms = 30000,
                             .handle = handle};
    if (argc > 2) n_loops = atoi(argv[2]);
    if (n_loops < 1 || n_loops > MAX_LOOPS) n_loops = 1;
    if (argc > 4 && hd_tls_open(argv[3], argv[4], &tls) != HEED_OK) fail();
    params.tls = tls;
    snprintf(body, sizeof body, "{\"text\": \"%0287d\"}\n", 0);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t threads[MAX_LOOPS];
    for (int i = 0; i < n_loops; i++) {
        params.join = i > 0;
        if (hd_loop_open(&params, &loops[i]) != HEED_OK) fail();
        pthread_create(&threads[i], NULL, run, loops[i]);
    }
    int signal;
    sigwait(&signals, &signal);
    for (int i = 0; i < n_loops; i++) hd_loop_stop(loops[i]);
    for (int i = 0; i < n_loops; i++) pthread_join(threads[i], NULL);
    report();
    for (int i = 0; i < n_loops; i++) hd_loop_close(loops[i]);
    hd_tls_close(tls);
    return 0;
}
