// SPDX-License-Identifier: Apache-2.0
//
// A connection is in one of four phases: waiting (idle between requests, or within a head), taking
// a body, answering (its exchange is with the handler), and closing. While it answers it doesn't
// read, so a client that pipelines fills its own socket, not our memory. One sweep every 100 ms
// looks at all deadlines: a timer per connection would cost more than it tells.
//
// A connection is freed when libuv has closed its handle and nobody holds its exchange.
#include "server/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/mem.h"
#include "base/time.h"
#include "server/status.h"

enum { READ_SIZE = 16384, SWEEP_MS = 100, LINGER_MS = 1000, BACKLOG = 1024, ADDRESS_SIZE = 64 };

typedef enum phase { PHASE_WAIT, PHASE_BODY, PHASE_ANSWER, PHASE_LINGER, PHASE_CLOSED } phase;

struct hd_exchange {
    uv_tcp_t tcp;
    hd_loop *loop;
    hd_exchange *next, *before; // in loop->first
    hd_http_parser parser;
    phase phase;
    int64_t since;    // when the phase began
    int64_t deadline; // monotonic ms; 0: none
    size_t holds;
    bool streaming;
    bool keep_alive;
    bool gone;        // closed, or about to be
    bool handle_open; // libuv still has the handle
    size_t writing;   // writes under way
    bool feeding;     // feed is at work further up the stack: it goes on with what is ahead
    char *ahead;      // bytes that came after the request being answered
    size_t n_ahead;
    char address[ADDRESS_SIZE];
};

typedef struct post {
    struct post *next;
    hd_exchange *exchange;
    void (*fn)(void *arg, hd_exchange *exchange);
    void *arg;
} post;

struct hd_loop {
    hd_loop_params p;
    char *host;
    uv_loop_t uv;
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_async_t wake;
    hd_exchange *first;
    hd_loop_counts counts;
    atomic_bool stop;
    bool draining;
    int64_t drain_ms, drain_until;
    pthread_mutex_t lock; // of posts
    post *posts, **posts_end;
    char read_buffer[READ_SIZE];
    char date[64];
    int64_t date_second;
};

static void feed(hd_exchange *x, const char *bytes, size_t n);
static void set_phase(hd_exchange *x, phase to, int64_t ms);

static int64_t now_ms(hd_loop *loop) {
    return (int64_t)uv_now(&loop->uv);
}

// ── The end of a connection ──

static void unlink_exchange(hd_exchange *x) {
    if (x->before)
        x->before->next = x->next;
    else
        x->loop->first = x->next;
    if (x->next) x->next->before = x->before;
    x->loop->counts.open--;
}

static void free_if_done(hd_exchange *x) {
    if (x->handle_open || x->holds > 0) return;
    unlink_exchange(x);
    hd_http_clear(&x->parser);
    hd_free(x->ahead);
    hd_free(x);
}

static void on_closed(uv_handle_t *handle) {
    hd_exchange *x = handle->data;
    x->handle_open = false;
    free_if_done(x);
}

static void hang_up(hd_exchange *x) {
    if (x->gone) return;
    x->gone = true;
    x->phase = PHASE_CLOSED;
    x->deadline = 0;
    uv_close((uv_handle_t *)&x->tcp, on_closed);
}

// ── Writing ──

typedef struct write_job {
    uv_write_t request;
    hd_exchange *exchange;
    char bytes[];
} write_job;

static void on_shutdown(uv_shutdown_t *request, int status) {
    (void)status;
    hd_free(request);
}

// The last answer is out: says so to the client and waits a little for it to hang up, since closing
// on unread bytes would reset the connection and could take the answer with it.
static void linger(hd_exchange *x) {
    uv_shutdown_t *request = hd_alloc(sizeof *request);
    if (!request || uv_shutdown(request, (uv_stream_t *)&x->tcp, on_shutdown) != 0) {
        hd_free(request);
        hang_up(x);
        return;
    }
    set_phase(x, PHASE_LINGER, LINGER_MS);
}

// Goes on with what a client sent ahead of its answers: in a loop, since each answer may come from
// within feed.
static void go_on(hd_exchange *x) {
    x->feeding = true;
    while (!x->gone && x->phase == PHASE_WAIT && x->n_ahead > 0) {
        char *ahead = x->ahead;
        size_t n = x->n_ahead;
        x->ahead = NULL;
        x->n_ahead = 0;
        feed(x, ahead, n);
        hd_free(ahead);
    }
    x->feeding = false;
}

static void answered(hd_exchange *x) {
    if (x->gone) return;
    if (!x->keep_alive || x->loop->draining) {
        linger(x);
        return;
    }
    hd_http_next(&x->parser);
    set_phase(x, PHASE_WAIT, x->loop->p.idle_ms);
    if (!x->feeding) go_on(x);
}

static void on_written(uv_write_t *request, int status) {
    write_job *job = (write_job *)request->data;
    hd_exchange *x = job->exchange;
    x->writing--;
    hd_free(job);
    if (status < 0)
        hang_up(x);
    else if (x->writing == 0 && x->phase == PHASE_ANSWER && !x->streaming)
        answered(x);
}

// Sends a copy of the bytes: at once if the socket takes them, else when it does.
static void send_bytes(hd_exchange *x, const char *bytes, size_t n) {
    if (x->gone) return;
    if (x->writing == 0) {
        uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
        int sent = uv_try_write((uv_stream_t *)&x->tcp, &buf, 1);
        if (sent > 0) {
            bytes += sent;
            n -= (size_t)sent;
        }
    }
    if (n == 0) return;
    write_job *job = hd_alloc(sizeof *job + n);
    if (!job) {
        hang_up(x);
        return;
    }
    memcpy(job->bytes, bytes, n);
    job->exchange = x;
    job->request.data = job;
    uv_buf_t buf = uv_buf_init(job->bytes, (unsigned)n);
    x->writing++;
    x->deadline = now_ms(x->loop) + x->loop->p.write_ms;
    if (uv_write(&job->request, (uv_stream_t *)&x->tcp, &buf, 1, on_written) != 0) {
        x->writing--;
        hd_free(job);
        hang_up(x);
    }
}

static const char *date_line(hd_loop *loop) {
    hd_time now = hd_time_now();
    if (now / 1000 != loop->date_second || loop->date[0] == '\0') {
        loop->date_second = now / 1000;
        hd_status_date(now, loop->date, sizeof loop->date);
    }
    return loop->date;
}

static void write_head(hd_exchange *x, int status, const char *headers, const char *type,
                       bool streaming, size_t n, hd_str *out) {
    hd_str_addf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, hd_status_text(status),
                date_line(x->loop));
    if (type) hd_str_addf(out, "Content-Type: %s\r\n", type);
    if (!streaming) hd_str_addf(out, "Content-Length: %zu\r\n", n);
    if (!x->keep_alive || streaming) hd_str_add(out, "Connection: close\r\n");
    if (headers) hd_str_add(out, headers);
    hd_str_add(out, "\r\n");
}

void hd_exchange_reply(hd_exchange *x, int status, const char *headers, const char *type,
                       const char *body, size_t n) {
    if (x->gone) return;
    if (x->loop->draining) x->keep_alive = false;
    bool head_only = hd_slice_eq(x->parser.request.method, "HEAD");
    hd_str out;
    hd_str_init(&out);
    write_head(x, status, headers, type, false, n, &out);
    if (!head_only && n > 0) hd_str_addn(&out, body, n);
    if (hd_str_check(&out) == HEED_OK)
        send_bytes(x, out.data, out.len);
    else
        hang_up(x);
    hd_str_clear(&out);
    if (x->writing == 0) answered(x);
}

void hd_exchange_stream(hd_exchange *x, int status, const char *headers, const char *type) {
    if (x->gone) return;
    x->streaming = true;
    x->keep_alive = false;
    hd_str out;
    hd_str_init(&out);
    write_head(x, status, headers, type, true, 0, &out);
    if (hd_str_check(&out) == HEED_OK)
        send_bytes(x, out.data, out.len);
    else
        hang_up(x);
    hd_str_clear(&out);
}

void hd_exchange_send(hd_exchange *x, const char *bytes, size_t n) {
    send_bytes(x, bytes, n);
}

void hd_exchange_end(hd_exchange *x) {
    x->streaming = false;
    if (!x->gone && x->writing == 0) answered(x);
}

bool hd_exchange_gone(const hd_exchange *x) {
    return x->gone;
}

const hd_http_request *hd_exchange_request(const hd_exchange *x) {
    return &x->parser.request;
}

const char *hd_exchange_address(const hd_exchange *x) {
    return x->address;
}

// ── Reading ──

static void refuse(hd_exchange *x, int status, const char *reason) {
    x->loop->counts.refused++;
    x->keep_alive = false;
    set_phase(x, PHASE_ANSWER, x->loop->p.write_ms);
    hd_str body;
    hd_str_init(&body);
    const char *type = NULL;
    if (x->loop->p.refused) x->loop->p.refused(x->loop->p.ctx, status, reason, &body, &type);
    hd_exchange_reply(x, status, NULL, type, hd_str_get(&body), body.len);
    hd_str_clear(&body);
}

static void keep_ahead(hd_exchange *x, const char *bytes, size_t n) {
    if (n == 0) return;
    char *more = hd_realloc(x->ahead, x->n_ahead + n);
    if (!more) {
        hang_up(x);
        return;
    }
    memcpy(more + x->n_ahead, bytes, n);
    x->ahead = more;
    x->n_ahead += n;
}

static void take_request(hd_exchange *x) {
    x->loop->counts.requests++;
    x->keep_alive = x->parser.request.keep_alive;
    set_phase(x, PHASE_ANSWER, 0);
    x->loop->p.handle(x->loop->p.ctx, x);
}

// Gives bytes to the parser until a request is complete; what follows it waits in `ahead`.
static void feed(hd_exchange *x, const char *bytes, size_t n) {
    bool begun = hd_http_begun(&x->parser);
    size_t used = 0;
    while (used < n || x->parser.state == HD_HTTP_CONTINUE) {
        size_t more;
        if (hd_http_feed(&x->parser, bytes + used, n - used, &more) != HEED_OK) {
            refuse(x, 503, "out of memory");
            return;
        }
        used += more;
        if (x->parser.state != HD_HTTP_CONTINUE) break;
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        send_bytes(x, go_on, sizeof go_on - 1);
        if (used == n) break;
    }
    switch (x->parser.state) {
    case HD_HTTP_HEAD:
        if (!begun && hd_http_begun(&x->parser)) set_phase(x, PHASE_WAIT, x->loop->p.head_ms);
        break;
    case HD_HTTP_CONTINUE:
    case HD_HTTP_BODY:
        if (x->phase != PHASE_BODY) set_phase(x, PHASE_BODY, x->loop->p.body_ms);
        break;
    case HD_HTTP_DONE:
        keep_ahead(x, bytes + used, n - used);
        if (!x->gone) take_request(x);
        break;
    case HD_HTTP_REFUSED:
        refuse(x, x->parser.status, x->parser.reason);
        break;
    }
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    hd_exchange *x = handle->data;
    *buf = uv_buf_init(x->loop->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    hd_exchange *x = stream->data;
    if (n < 0) {
        hang_up(x);
    } else if (n > 0 && (x->phase == PHASE_WAIT || x->phase == PHASE_BODY)) {
        x->feeding = true;
        feed(x, buf->base, (size_t)n);
        go_on(x);
    } else if (n > 0 && x->phase == PHASE_ANSWER) {
        keep_ahead(x, buf->base, (size_t)n);
        if (!x->gone) uv_read_stop(stream); // one buffer ahead is enough
    }                                       // what comes while lingering is thrown away
}

static void set_phase(hd_exchange *x, phase to, int64_t ms) {
    if (x->gone) return;
    if (to == PHASE_WAIT && x->phase == PHASE_ANSWER)
        uv_read_start((uv_stream_t *)&x->tcp, lend_buffer, on_read);
    if (to == PHASE_LINGER) uv_read_start((uv_stream_t *)&x->tcp, lend_buffer, on_read);
    x->phase = to;
    x->since = now_ms(x->loop);
    x->deadline = ms > 0 ? x->since + ms : 0;
}

// ── Accepting ──

// Makes room by ending the connection that has gone longest without a complete request. False: all
// are being answered.
static bool evict_one(hd_loop *loop) {
    hd_exchange *oldest = NULL;
    for (hd_exchange *x = loop->first; x; x = x->next) {
        if (x->gone ||
            (x->phase != PHASE_WAIT && x->phase != PHASE_BODY && x->phase != PHASE_LINGER))
            continue;
        if (!oldest || x->since <= oldest->since) oldest = x; // the list is newest first
    }
    if (!oldest) return false;
    loop->counts.evicted++;
    hang_up(oldest);
    return true;
}

static void note_address(hd_exchange *x) {
    struct sockaddr_storage peer;
    int n = sizeof peer;
    x->address[0] = '\0';
    if (uv_tcp_getpeername(&x->tcp, (struct sockaddr *)&peer, &n) != 0) return;
    if (peer.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&peer, x->address, sizeof x->address);
    else
        uv_ip4_name((struct sockaddr_in *)&peer, x->address, sizeof x->address);
}

static hd_exchange *new_exchange(hd_loop *loop) {
    hd_exchange *x = hd_calloc(1, sizeof *x);
    if (!x) return NULL;
    x->loop = loop;
    hd_http_init(&x->parser, loop->p.limits);
    uv_tcp_init(&loop->uv, &x->tcp);
    x->tcp.data = x;
    x->handle_open = true;
    x->next = loop->first;
    if (loop->first) loop->first->before = x;
    loop->first = x;
    loop->counts.open++;
    return x;
}

static void on_connection(uv_stream_t *server, int status) {
    hd_loop *loop = server->data;
    if (status < 0) return;
    hd_exchange *x = new_exchange(loop);
    if (!x) return;
    if (uv_accept(server, (uv_stream_t *)&x->tcp) != 0) {
        hang_up(x);
        return;
    }
    loop->counts.accepted++;
    set_phase(x, PHASE_WAIT, loop->p.idle_ms); // before others are weighed against it
    if (loop->draining || (loop->counts.open > loop->p.max_connections && !evict_one(loop))) {
        hang_up(x);
        return;
    }
    uv_tcp_nodelay(&x->tcp, 1);
    note_address(x);
    uv_read_start((uv_stream_t *)&x->tcp, lend_buffer, on_read);
}

// ── Time, posts, stop ──

static void timed_out(hd_exchange *x) {
    x->loop->counts.timed_out++;
    bool owed = (x->phase == PHASE_WAIT && hd_http_begun(&x->parser)) || x->phase == PHASE_BODY;
    if (owed)
        refuse(x, 408, "the request took too long to arrive");
    else
        hang_up(x);
}

static void close_all(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

// Nothing new is accepted; who waits idle is let go; the loop ends when the last exchange has.
static void drain(hd_loop *loop) {
    if (!loop->draining) {
        loop->draining = true;
        loop->drain_until = now_ms(loop) + loop->drain_ms;
        uv_close((uv_handle_t *)&loop->listener, NULL);
    }
    bool over = now_ms(loop) >= loop->drain_until;
    for (hd_exchange *x = loop->first; x; x = x->next) {
        bool idle = x->phase == PHASE_WAIT && !hd_http_begun(&x->parser);
        if (idle || over) hang_up(x);
    }
    if (!loop->first || over) uv_stop(&loop->uv);
}

static void on_sweep(uv_timer_t *timer) {
    hd_loop *loop = timer->data;
    int64_t now = now_ms(loop);
    for (hd_exchange *x = loop->first; x; x = x->next) {
        if (!x->gone && x->deadline > 0 && now >= x->deadline) timed_out(x);
    }
    if (atomic_load(&loop->stop)) drain(loop);
}

static void run_posts(hd_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    post *list = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    pthread_mutex_unlock(&loop->lock);
    while (list) {
        post *p = list;
        list = p->next;
        hd_exchange *x = p->exchange;
        p->fn(p->arg, x->gone ? NULL : x);
        x->holds--;
        free_if_done(x);
        hd_free(p);
    }
}

static void on_wake(uv_async_t *wake) {
    hd_loop *loop = wake->data;
    run_posts(loop);
    if (atomic_load(&loop->stop)) drain(loop);
}

// A post carries its hold, so that it needs no memory at the moment of posting.
void hd_exchange_hold(hd_exchange *x) {
    x->holds++;
}

void hd_exchange_post(hd_exchange *x, void (*fn)(void *arg, hd_exchange *exchange), void *arg) {
    hd_loop *loop = x->loop;
    post *p = hd_alloc(sizeof *p);
    if (!p) return; // the hold stays, and the exchange ends with the loop
    *p = (post){NULL, x, fn, arg};
    pthread_mutex_lock(&loop->lock);
    *loop->posts_end = p;
    loop->posts_end = &p->next;
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

void hd_loop_stop(hd_loop *loop) {
    atomic_store(&loop->stop, true);
    uv_async_send(&loop->wake);
}

hd_loop_counts hd_loop_count(const hd_loop *loop) {
    return loop->counts;
}

// ── The loop's life ──

static heed_err fail_uv(int code, const char *host, int port) {
    return HD_FAIL(HEED_UNAVAILABLE,
                   "cannot listen on %s:%d: %s; choose another address with --listen",
                   "无法监听 %s:%d：%s；请用 --listen 换一个地址", host, port, uv_strerror(code));
}

static heed_err listen_on(hd_loop *loop) {
    struct sockaddr_storage address;
    int port = loop->p.port;
    int code = uv_ip4_addr(loop->host, port, (struct sockaddr_in *)&address);
    if (code != 0) code = uv_ip6_addr(loop->host, port, (struct sockaddr_in6 *)&address);
    if (code != 0) return fail_uv(code, loop->host, port);
    code = uv_tcp_init_ex(&loop->uv, &loop->listener, address.ss_family);
    if (code != 0) return fail_uv(code, loop->host, port);
    loop->listener.data = loop;
    int fd;
    int on = 1;
    if (uv_fileno((uv_handle_t *)&loop->listener, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    code = uv_tcp_bind(&loop->listener, (struct sockaddr *)&address, 0);
    if (code == 0) code = uv_listen((uv_stream_t *)&loop->listener, BACKLOG, on_connection);
    return code == 0 ? HEED_OK : fail_uv(code, loop->host, port);
}

heed_err hd_loop_open(const hd_loop_params *params, hd_loop **out) {
    hd_loop *loop = hd_calloc(1, sizeof *loop);
    if (!loop) return HD_FAIL_MEMORY(sizeof *loop);
    loop->p = *params;
    loop->posts_end = &loop->posts;
    pthread_mutex_init(&loop->lock, NULL);
    loop->host = hd_strdup(params->host);
    if (!loop->host || uv_loop_init(&loop->uv) != 0) {
        hd_free(loop->host);
        hd_free(loop);
        return HD_FAIL_MEMORY(0);
    }
    uv_timer_init(&loop->uv, &loop->sweep);
    loop->sweep.data = loop;
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    loop->wake.data = loop;
    heed_err err = listen_on(loop);
    if (err != HEED_OK) {
        hd_loop_close(loop);
        return err;
    }
    *out = loop;
    return HEED_OK;
}

int hd_loop_port(const hd_loop *loop) {
    struct sockaddr_storage address;
    int n = sizeof address;
    if (uv_tcp_getsockname(&loop->listener, (struct sockaddr *)&address, &n) != 0) return 0;
    // The port stands at the same place in both families.
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

heed_err hd_loop_run(hd_loop *loop, int64_t drain_ms) {
    loop->drain_ms = drain_ms;
    int code = uv_timer_start(&loop->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    if (code != 0) return fail_uv(code, loop->host, loop->p.port);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return HEED_OK;
}

void hd_loop_close(hd_loop *loop) {
    if (!loop) return;
    run_posts(loop);
    for (hd_exchange *x = loop->first; x; x = x->next) {
        x->holds = 0;
        hang_up(x);
    }
    uv_walk(&loop->uv, close_all, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    pthread_mutex_destroy(&loop->lock);
    hd_free(loop->host);
    hd_free(loop);
}
