// SPDX-License-Identifier: Apache-2.0
//
// What a loop's files share of a connection. Not for others: they have loop.h.
//
// A connection always waits for exactly one thing, and stands in the queue of those who wait for
// the same. All of one queue have the same patience, so each queue is in order of its deadlines,
// and the one to look at is the first: neither the sweep nor making room ever searches.
#ifndef HD_SERVER_CONN_H
#define HD_SERVER_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "server/loop.h"

enum {
    HD_READ_SIZE = 16384,
    HD_BUCKETS = 1024,
    HD_ADDRESS_SIZE = 64,
    HD_PROGRESS = 256 * 1024, // bytes that renew the deadline of a body or an answer
    HD_LINGER_MS = 1000
};

typedef enum hd_wait {
    HD_WAIT_SHAKE, // for the TLS handshake
    HD_WAIT_IDLE,  // for a request to begin
    HD_WAIT_HEAD,
    HD_WAIT_BODY,
    HD_WAIT_LINGER,  // for the client to hang up after the last answer
    HD_WAIT_HANDLER, // from here on not to be evicted
    HD_WAIT_CLIENT,  // to read the answer
    HD_WAIT_STREAM,  // for the next piece
    HD_WAIT_CLOSE,   // for libuv to give the handle back
    HD_WAITS
} hd_wait;

typedef struct hd_newcomer hd_newcomer; // a connection on its way to another loop

typedef struct hd_queue {
    hd_exchange *first, *last;
    int64_t ms; // 0: no deadline
} hd_queue;

typedef struct hd_post {
    struct hd_post *next;
    hd_exchange *exchange;
    void (*fn)(void *arg, hd_exchange *exchange);
    void *arg;
} hd_post;

// An address as it is counted: IPv4 whole, IPv6 by its first 64 bits, which one customer has.
typedef struct hd_origin {
    uint64_t high, low;
} hd_origin;

struct hd_exchange {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    hd_loop *loop;
    hd_exchange *next, *before; // in its queue
    hd_wait wait;
    int64_t since; // when it began to wait
    size_t mark;   // what had gone through by then: progress renews the deadline
    hd_tls_session *tls;
    hd_http_parser parser;
    hd_peer peer;
    hd_origin origin;
    hd_exchange *next_same, **link_same; // in its bucket of the table of addresses
    size_t holds, nodes;
    hd_post *spare; // nodes for posts, as many as holds at least; under the loop's lock
    hd_post own;    // the first of them
    size_t writing; // writes under way
    size_t queued;  // bytes in them
    uv_shutdown_t shutdown;
    hd_str out;  // for the next write; kept from one answer to the next
    char *ahead; // bytes that came after the request being answered
    size_t n_ahead;
    bool handle_open; // libuv still has the handle
    bool gone;        // closed, or about to be
    bool keep_alive;  // after this answer
    bool answered;    // whole, though perhaps not sent yet
    bool streaming;   // between hd_exchange_stream and _end
    bool reading;     // libuv reads
    bool half_closed; // the client won't send any more
    bool feeding;     // feed is at work further up the stack: it goes on with what is ahead
    char address[HD_ADDRESS_SIZE];
};

typedef struct hd_listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    // Takes, to close it, a connection for which there is no memory: one that isn't taken would
    // stop the listening.
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } sink;
    hd_loop *loop;
    bool open;
    bool local;
    bool sinking; // the sink isn't closed yet
    bool waiting; // and another connection waits for it
} hd_listener;

struct hd_loop {
    hd_loop_params p;
    char *host, *unix_path;
    uv_loop_t uv;
    hd_listener tcp, local;
    uv_timer_t sweep;
    uv_async_t wake;
    hd_queue queues[HD_WAITS];
    hd_exchange *buckets[HD_BUCKETS];
    struct {
        atomic_uint_least64_t accepted, turned_away, evicted, refused, timed_out, stalled, requests,
            open;
    } counts;
    atomic_bool stop;
    atomic_uint_least64_t coming; // connections that others hand to this loop
    bool closing;                 // after the last run: other loops may be gone
    bool draining;
    int64_t drain_ms, drain_until;
    pthread_mutex_t lock; // of posts, of spare nodes, and of newcomers
    hd_post *posts, **posts_end;
    hd_newcomer *newcomers, **newcomers_end;
    char read_buffer[HD_READ_SIZE];
    char plain_buffer[HD_READ_SIZE];
    char date[64]; // the whole line
    int64_t date_ms;
};

// Counters are written by the loop alone and read by anybody.
static inline void hd_count_up(atomic_uint_least64_t *counter, int by) {
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + (uint64_t)(int64_t)by, memory_order_relaxed);
}
static inline int64_t hd_loop_now(const hd_loop *loop) {
    return (int64_t)uv_now(&loop->uv);
}

// ── conn.c ──

// A connection without a socket yet, in the queue of HD_WAIT_CLOSE.
hd_exchange *hd_conn_new(hd_loop *loop, bool local);
void hd_conn_wait(hd_exchange *x, hd_wait what);
void hd_conn_read(hd_exchange *x, bool on);
void hd_conn_hang_up(hd_exchange *x);
void hd_conn_free_if_done(hd_exchange *x);
// Answers what wasn't a request, and ends.
void hd_conn_refuse(hd_exchange *x, int status, const char *reason);
// The answer is out: waits for the next request, or ends.
void hd_conn_answered(hd_exchange *x);
// The first of a queue has waited too long.
void hd_conn_expire(hd_exchange *x);

// ── loop.c ──

void hd_loop_sweep(hd_loop *loop); // sees to deadlines from now on

// ── answer.c ──

// Encrypts if need be, and sends; what the socket doesn't take is copied.
void hd_conn_send(hd_exchange *x, const char *head, size_t n_head, const char *body, size_t n_body);
void hd_conn_flush_tls(hd_exchange *x);

// ── accept.c ──

heed_err hd_listen(hd_loop *loop) HEED_CHECK;
void hd_unlisten(hd_loop *loop);
// A connection with its socket: it is noted who it is, and read if there is room.
void hd_welcome(hd_exchange *x);
void hd_origin_add(hd_exchange *x);
void hd_origin_remove(hd_exchange *x);

// ── spread.c ──

// Accepts a connection for a loop that has fewer. False: it is to be accepted here.
bool hd_spread(hd_listener *listener);
// Takes in, or ends when the loop does, what other loops accepted for this one.
void hd_spread_take(hd_loop *loop);

#endif
