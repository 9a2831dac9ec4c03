// SPDX-License-Identifier: Apache-2.0
//
// The network side of the server, on libuv: an event loop that accepts connections, gives each
// request to a handler as an exchange, and writes its answer. Several loops may listen on one
// address, a thread each; the kernel spreads connections over them.
//
// What keeps one client from hurting others: a head and a body have a deadline as a whole (not per
// byte), so slow senders end; a loop has a limit of connections, and when it is reached the one
// that has waited longest without a complete request makes room; an answer that isn't read in time
// ends its connection.
//
// Threads: a loop and its exchanges belong to the thread that runs it, but for hd_loop_stop and
// hd_exchange_post.
#ifndef HD_SERVER_LOOP_H
#define HD_SERVER_LOOP_H

#include "server/http1.h"

typedef struct hd_loop hd_loop;
typedef struct hd_exchange hd_exchange;

typedef struct hd_loop_params {
    const char *host; // an address: "127.0.0.1", "::1"
    int port;         // 0: one that is free
    hd_http_limits limits;
    size_t max_connections;
    int64_t head_ms;  // from the first byte of a request to its empty line
    int64_t body_ms;  // from then to the body's end
    int64_t idle_ms;  // between requests
    int64_t write_ms; // until the client has taken the answer
    // Called on the loop's thread for each request. It answers with hd_exchange_reply, at once or
    // later.
    void (*handle)(void *ctx, hd_exchange *exchange);
    // Called when a request was refused before it was one; the default answer is the status alone.
    // body: borrowed.
    void (*refused)(void *ctx, int status, const char *reason, hd_str *body, const char **type);
    void *ctx;
} hd_loop_params;

heed_err hd_loop_open(const hd_loop_params *params, hd_loop **out) HEED_CHECK;
int hd_loop_port(const hd_loop *loop);
// Serves until hd_loop_stop, then lets open exchanges end (drain_ms at most) and returns.
heed_err hd_loop_run(hd_loop *loop, int64_t drain_ms) HEED_CHECK;
void hd_loop_stop(hd_loop *loop); // any thread, or a signal handler
void hd_loop_close(hd_loop *loop);

typedef struct hd_loop_counts {
    uint64_t accepted, evicted, refused, timed_out, requests;
    size_t open;
} hd_loop_counts;
hd_loop_counts hd_loop_count(const hd_loop *loop);

// ── An exchange ──

const hd_http_request *hd_exchange_request(const hd_exchange *exchange);
const char *hd_exchange_address(const hd_exchange *exchange); // of the client, without its port

// Answers and ends the exchange: status, extra header lines ("Name: value\r\n" each, or NULL), a
// content type (NULL: no body), and a body, which is copied. On the loop's thread.
void hd_exchange_reply(hd_exchange *exchange, int status, const char *headers, const char *type,
                       const char *body, size_t n);
// Runs fn(arg, exchange) on the loop's thread. From any thread; fn sees a NULL exchange when the
// client has gone meanwhile.
void hd_exchange_post(hd_exchange *exchange, void (*fn)(void *arg, hd_exchange *exchange),
                      void *arg);
// Holds the exchange open for a later answer. Every hold is matched by one hd_exchange_post.
void hd_exchange_hold(hd_exchange *exchange);

// A long answer piece by piece (server-sent events): begin, any number of pieces, end. No
// Content-Length; the connection closes at the end.
void hd_exchange_stream(hd_exchange *exchange, int status, const char *headers, const char *type);
void hd_exchange_send(hd_exchange *exchange, const char *bytes, size_t n);
void hd_exchange_end(hd_exchange *exchange);
bool hd_exchange_gone(const hd_exchange *exchange); // the client has hung up

#endif
