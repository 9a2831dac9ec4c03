// SPDX-License-Identifier: Apache-2.0
//
// A loop on a thread of its own, for the tests of this room.
#ifndef HD_TESTS_SERVE_H
#define HD_TESTS_SERVE_H

#include <pthread.h>

#include "client.h"
#include "server/loop.h"

typedef struct server {
    hd_loop *loop;
    pthread_t thread;
    int port;
} server;

static inline hd_loop_params serve_params(void (*handle)(void *ctx, hd_exchange *exchange)) {
    return (hd_loop_params){.host = "127.0.0.1",
                            .limits = {.head = 4096, .target = 1024, .body = 1 << 20},
                            .max_connections = 64,
                            .head_ms = 20000,
                            .body_ms = 20000,
                            .idle_ms = 20000,
                            .write_ms = 20000,
                            .handle = handle};
}

static inline void *serve_run(void *loop) {
    return hd_loop_run(loop, 300) == HEED_OK ? NULL : loop;
}

static inline void serve_start(server *s, const hd_loop_params *params) {
    assert_int_equal(hd_loop_open(params, &s->loop), HEED_OK);
    s->port = hd_loop_port(s->loop);
    assert_int_equal(pthread_create(&s->thread, NULL, serve_run, s->loop), 0);
}

static inline void serve_stop(server *s) {
    void *failed;
    hd_loop_stop(s->loop);
    pthread_join(s->thread, &failed);
    assert_null(failed);
    hd_loop_close(s->loop);
}

// Waits until a counter of the loop is what it should be: the loop does things in its own time.
#define serve_wait(s, field, value)                                                             \
    do {                                                                                        \
        for (int tries = 0; tries < 2000 && hd_loop_count((s)->loop).field != (value); tries++) \
            usleep(10000);                                                                      \
        assert_int_equal(hd_loop_count((s)->loop).field, (value));                              \
    } while (0)

#endif
