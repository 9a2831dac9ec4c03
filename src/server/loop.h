// SPDX-License-Identifier: Apache-2.0
//
// The network side of the server, on libuv: an event loop that accepts connections, gives each
// request to a handler as an exchange, and writes its answer. Several loops may listen on one
// address, a thread each; each connection goes to the one with the fewest.
//
// What keeps one client from hurting others: a head and a body have a deadline as a whole (not per
// byte), so slow senders end; a loop has a limit of connections, in all and per address, and when
// it is reached the one that has waited longest without a complete request makes room; an answer
// that isn't read in time, or a stream that piles up, ends its connection.
//
// Threads: a loop and its exchanges belong to the thread that runs it, but for hd_loop_stop,
// hd_loop_count and hd_exchange_post.
#ifndef HD_SERVER_LOOP_H
#define HD_SERVER_LOOP_H

#include "server/http1.h"
#include "server/tls.h"

typedef struct hd_loop hd_loop;
typedef struct hd_exchange hd_exchange;

// How a body is taken. It comes filled in with what the loop's params say.
typedef struct hd_body_plan {
    size_t limit;       // bytes; more is answered with 413
    size_t memory;      // a body larger than this goes to a file, if there is a folder
    const char *folder; // where such files stand; borrowed until the exchange ends; NULL: memory
} hd_body_plan;

typedef struct hd_loop_params {
    // An address ("127.0.0.1", "::1", "localhost"); NULL: no TCP.
    const char *host;
    int port;  // 0: one that is free
    bool join; // another loop of this process listens on the address too: share it
    // The loops that share the address, this one among them; those not open yet are NULL. All are
    // open before one runs, and none is closed before all have returned. NULL: this one alone.
    hd_loop *const *group;
    size_t n_group;
    // Encrypts what comes by TCP. Borrowed until the loop is closed; NULL: plain.
    hd_tls *tls;
    // A socket in the file system, mode 0600: NULL: none. A file left by a process that died is
    // replaced; one on which somebody listens is HEED_BUSY.
    const char *unix_path;
    hd_http_limits limits;
    size_t max_connections; // lowered to what the process may open
    size_t max_per_address; // 0: no limit; sockets in the file system aren't counted
    size_t max_queued;      // bytes of a stream that a client hasn't read yet; 0: 1 MiB
    int64_t head_ms;   // from the first byte of a request to its empty line; and a TLS handshake
    int64_t body_ms;   // from then to the body's end, renewed with each 256 KiB
    int64_t idle_ms;   // between requests
    int64_t write_ms;  // until the client has taken the answer, renewed with each 256 KiB
    int64_t stream_ms; // silence of a stream after which a comment is sent; 0: none
    // Called on the loop's thread when a head is here and a body follows (which is not read yet,
    // nor is "100 Continue" sent). It may change the plan, or answer at once: the body is not read
    // then and the connection ends. NULL: the loop's limits.
    void (*head)(void *ctx, hd_exchange *exchange, hd_body_plan *plan);
    // Called on the loop's thread for each request. It answers with hd_exchange_reply, at once or
    // later.
    void (*handle)(void *ctx, hd_exchange *exchange);
    // Called when a request was refused before it was one; the default answer is the status alone.
    // body: to be filled; type: its content type, borrowed.
    void (*refused)(void *ctx, int status, const char *reason, hd_str *body, const char **type);
    void *ctx;
} hd_loop_params;

heed_err hd_loop_open(const hd_loop_params *params, hd_loop **out) HEED_CHECK;
int hd_loop_port(const hd_loop *loop); // 0: no TCP
// Serves until hd_loop_stop, then lets open exchanges end (drain_ms at most) and returns.
heed_err hd_loop_run(hd_loop *loop, int64_t drain_ms) HEED_CHECK;
void hd_loop_stop(hd_loop *loop); // any thread, or a signal handler
void hd_loop_close(hd_loop *loop);

typedef struct hd_loop_counts {
    uint64_t accepted;    // connections
    uint64_t turned_away; // connections closed at once: full, or too many of one address
    uint64_t evicted;     // connections that made room
    uint64_t refused;     // requests that weren't one
    uint64_t timed_out;   // connections whose time ran out
    uint64_t stalled;     // streams that nobody read
    uint64_t requests;
    uint64_t open; // connections now
} hd_loop_counts;
hd_loop_counts hd_loop_count(const hd_loop *loop);

// ── An exchange ──

// Slices in it live until the exchange is answered.
const hd_http_request *hd_exchange_request(const hd_exchange *exchange);
const char *hd_exchange_address(const hd_exchange *exchange); // of the client, without its port

// Who is at the other end.
typedef struct hd_peer {
    bool local;     // came by the socket in the file system: uid and pid are the kernel's word
    bool encrypted; // by TLS
    uint32_t uid;
    int64_t pid;
} hd_peer;
hd_peer hd_exchange_peer(const hd_exchange *exchange);

// Moves the file of a body out (request->body_path): the caller removes it, and frees the path
// with hd_free. NULL: the body is in memory.
char *hd_exchange_take_body(hd_exchange *exchange);

// Answers and ends the exchange: status, extra header lines ("Name: value\r\n" each, or NULL), a
// content type (NULL: no body), and a body, which is copied. On the loop's thread.
void hd_exchange_reply(hd_exchange *exchange, int status, const char *headers, const char *type,
                       const char *body, size_t n);
// The connection ends after the answer.
void hd_exchange_last(hd_exchange *exchange);
// Holds the exchange open for a later answer. Every hold is matched by one hd_exchange_post. False:
// memory is out; it can't be when nothing else holds the exchange.
bool hd_exchange_hold(hd_exchange *exchange);
// Runs fn(arg, exchange) on the loop's thread. From any thread; fn sees a NULL exchange when the
// client has gone meanwhile. Can't fail: the hold brought the memory.
void hd_exchange_post(hd_exchange *exchange, void (*fn)(void *arg, hd_exchange *exchange),
                      void *arg);

// A long answer piece by piece (server-sent events): begin, any number of pieces, end. No
// Content-Length; the connection closes at the end. When max_queued bytes wait for the client to
// read them, it is hung up on.
void hd_exchange_stream(hd_exchange *exchange, int status, const char *headers, const char *type);
void hd_exchange_send(hd_exchange *exchange, const char *bytes, size_t n);
void hd_exchange_end(hd_exchange *exchange);
size_t hd_exchange_queued(const hd_exchange *exchange); // bytes the client hasn't read yet
bool hd_exchange_gone(const hd_exchange *exchange);     // the client has hung up

#endif
