// SPDX-License-Identifier: Apache-2.0
//
// A connection's way: handshake, idle, head, body, handler, answer, and again from idle; at the end
// it lingers. While it is being answered it is read one buffer ahead and no further, so a client
// that pipelines fills its own socket, not our memory. It is freed when libuv has given back its
// handle and nobody holds its exchange.
#include "server/conn.h"

#include "base/mem.h"

static void feed(hd_exchange *x, const char *bytes, size_t n);

// ── Queues ──

static void leave_queue(hd_exchange *x) {
    hd_queue *q = &x->loop->queues[x->wait];
    if (x->before)
        x->before->next = x->next;
    else
        q->first = x->next;
    if (x->next)
        x->next->before = x->before;
    else
        q->last = x->before;
}

static void join_queue(hd_exchange *x, hd_wait what) {
    hd_queue *q = &x->loop->queues[what];
    x->wait = what;
    x->next = NULL;
    x->before = q->last;
    if (q->last)
        q->last->next = x;
    else
        q->first = x;
    q->last = x;
}

static bool makes_progress_by_size(hd_wait what) {
    return what == HD_WAIT_BODY || what == HD_WAIT_CLIENT;
}

// What has gone through: received of the body, or not yet read by the client.
static size_t level(const hd_exchange *x) {
    return x->wait == HD_WAIT_BODY ? x->parser.body.size : x->io.stream.write_queue_size;
}

void hd_conn_wait(hd_exchange *x, hd_wait what) {
    if (x->gone && what != HD_WAIT_CLOSE) return;
    leave_queue(x);
    join_queue(x, what);
    x->since = hd_loop_now(x->loop);
    if (makes_progress_by_size(what)) x->mark = level(x);
}

hd_exchange *hd_conn_new(hd_loop *loop, bool local) {
    hd_exchange *x = hd_calloc(1, sizeof *x);
    if (!x) return NULL;
    x->loop = loop;
    if (local)
        uv_pipe_init(&loop->uv, &x->io.pipe, 0);
    else
        uv_tcp_init(&loop->uv, &x->io.tcp);
    x->io.handle.data = x;
    x->handle_open = true;
    x->spare = &x->own;
    x->nodes = 1;
    x->peer.local = local;
    hd_http_init(&x->parser, loop->p.limits);
    hd_str_init(&x->out);
    join_queue(x, HD_WAIT_CLOSE);
    hd_count_up(&loop->counts.open, 1);
    return x;
}

// ── The end ──

static void free_spares(hd_exchange *x) {
    while (x->spare) {
        hd_post *node = x->spare;
        x->spare = node->next;
        if (node != &x->own) hd_free(node);
    }
}

void hd_conn_free_if_done(hd_exchange *x) {
    if (x->handle_open || x->holds > 0) return;
    leave_queue(x);
    free_spares(x);
    hd_http_clear(&x->parser);
    hd_str_clear(&x->out);
    hd_free(x->ahead);
    hd_free(x);
}

static void on_closed(uv_handle_t *handle) {
    hd_exchange *x = handle->data;
    x->handle_open = false;
    hd_conn_free_if_done(x);
}

void hd_conn_hang_up(hd_exchange *x) {
    if (x->gone) return;
    hd_conn_wait(x, HD_WAIT_CLOSE);
    x->gone = true;
    hd_count_up(&x->loop->counts.open, -1);
    hd_origin_remove(x);
    hd_tls_session_free(x->tls);
    x->tls = NULL;
    uv_close(&x->io.handle, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status) {
    (void)request;
    (void)status;
}

// The last answer is out: says so to the client and waits a little for it to hang up, since closing
// on unread bytes would reset the connection and could take the answer with it.
static void linger(hd_exchange *x) {
    if (x->tls) {
        hd_tls_end(x->tls);
        hd_conn_flush_tls(x);
    }
    if (x->gone) return;
    if (x->half_closed || uv_shutdown(&x->shutdown, &x->io.stream, on_shutdown) != 0) {
        hd_conn_hang_up(x);
        return;
    }
    hd_conn_wait(x, HD_WAIT_LINGER);
    hd_conn_read(x, true);
}

// ── From one request to the next ──

// Goes on with what a client sent ahead of its answers: in a loop, since each answer may come from
// within feed.
static void go_on(hd_exchange *x) {
    x->feeding = true;
    while (!x->gone && x->wait == HD_WAIT_IDLE && x->n_ahead > 0) {
        char *ahead = x->ahead;
        size_t n = x->n_ahead;
        x->ahead = NULL;
        x->n_ahead = 0;
        feed(x, ahead, n);
        hd_free(ahead);
    }
    x->feeding = false;
    if (x->half_closed && !x->gone && x->wait <= HD_WAIT_BODY) hd_conn_hang_up(x);
}

void hd_conn_answered(hd_exchange *x) {
    if (x->gone) return;
    if (!x->keep_alive || x->loop->draining) {
        linger(x);
        return;
    }
    hd_http_next(&x->parser);
    x->answered = false;
    hd_conn_wait(x, HD_WAIT_IDLE);
    if (!x->half_closed) hd_conn_read(x, true);
    if (!x->feeding) go_on(x);
}

void hd_conn_refuse(hd_exchange *x, int status, const char *reason) {
    hd_loop *loop = x->loop;
    hd_count_up(&loop->counts.refused, 1);
    x->keep_alive = false;
    hd_conn_wait(x, HD_WAIT_HANDLER);
    hd_str body;
    hd_str_init(&body);
    const char *type = NULL;
    if (loop->p.refused) loop->p.refused(loop->p.ctx, status, reason, &body, &type);
    hd_exchange_reply(x, status, NULL, type, hd_str_get(&body), body.len);
    hd_str_clear(&body);
}

// ── Reading ──

static void keep_ahead(hd_exchange *x, const char *bytes, size_t n) {
    if (n == 0) return;
    char *more = hd_realloc(x->ahead, x->n_ahead + n);
    if (!more) {
        hd_conn_hang_up(x);
        return;
    }
    memcpy(more + x->n_ahead, bytes, n);
    x->ahead = more;
    x->n_ahead += n;
}

static void take_request(hd_exchange *x) {
    hd_count_up(&x->loop->counts.requests, 1);
    x->keep_alive = x->parser.request.keep_alive;
    hd_conn_wait(x, HD_WAIT_HANDLER);
    x->loop->p.handle(x->loop->p.ctx, x);
}

// Asks what is to become of a body. False: the request was answered instead.
static bool plan_body(hd_exchange *x) {
    hd_loop *loop = x->loop;
    hd_body_plan plan = {.limit = x->parser.body.limit, .memory = x->parser.body.memory};
    hd_conn_wait(x, HD_WAIT_HANDLER);
    x->keep_alive = false; // for an answer in place of the body
    if (loop->p.head) loop->p.head(loop->p.ctx, x, &plan);
    if (x->gone || x->answered || x->wait != HD_WAIT_HANDLER) {
        hd_count_up(&loop->counts.requests, 1);
        return false;
    }
    x->parser.body.limit = plan.limit;
    x->parser.body.memory = plan.memory;
    x->parser.body.folder = plan.folder;
    hd_http_accept(&x->parser);
    if (x->parser.state == HD_HTTP_REFUSED) return true;
    hd_conn_wait(x, HD_WAIT_BODY);
    static const char wanted[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (x->parser.waits) hd_conn_send(x, wanted, sizeof wanted - 1, NULL, 0);
    return !x->gone;
}

static void failed(hd_exchange *x, heed_err err) {
    if (err == HEED_MEMORY)
        hd_conn_refuse(x, 503, "out of memory");
    else
        hd_conn_refuse(x, heed_err_http(err), "the body can't be kept");
}

// Gives bytes to the parser until a request is complete; what follows it waits in `ahead`.
static void feed(hd_exchange *x, const char *bytes, size_t n) {
    hd_http_parser *p = &x->parser;
    size_t used = 0;
    for (;;) {
        size_t more;
        heed_err err = hd_http_feed(p, bytes + used, n - used, &more);
        if (err != HEED_OK) {
            failed(x, err);
            return;
        }
        used += more;
        if (p->state != HD_HTTP_READY) break;
        if (!plan_body(x)) return;
    }
    if (p->state == HD_HTTP_DONE) {
        keep_ahead(x, bytes + used, n - used);
        if (!x->gone) take_request(x);
    } else if (p->state == HD_HTTP_REFUSED) {
        hd_conn_refuse(x, p->status, p->reason);
    } else if (x->wait == HD_WAIT_IDLE && hd_http_begun(p)) {
        hd_conn_wait(x, HD_WAIT_HEAD);
    }
}

// Plain text, whatever it came in.
static void deliver(hd_exchange *x, const char *bytes, size_t n) {
    if (x->wait <= HD_WAIT_BODY) {
        x->feeding = true;
        feed(x, bytes, n);
        go_on(x);
    } else if (x->wait != HD_WAIT_LINGER && !x->streaming) {
        keep_ahead(x, bytes, n);
        if (!x->gone) hd_conn_read(x, false); // one buffer ahead is enough
    } // what comes while lingering or streaming is thrown away: no request can follow
}

// The client won't send any more. What it has asked for it still gets, but a stream or a request
// cut short has nobody at its other end.
static void half_close(hd_exchange *x) {
    x->half_closed = true;
    hd_conn_read(x, false);
    if (x->wait <= HD_WAIT_LINGER || x->wait == HD_WAIT_STREAM || x->streaming) hd_conn_hang_up(x);
}

// A browser told to speak http to a port that speaks https gets an answer that says so.
static bool spoken_plainly(hd_exchange *x, const char *bytes, size_t n) {
    if (n == 0 || bytes[0] < 'A' || bytes[0] > 'Z') return false;
    hd_tls_session_free(x->tls);
    x->tls = NULL;
    x->peer.encrypted = false;
    hd_conn_refuse(x, 400, "this port speaks https");
    return true;
}

static void deliver_encrypted(hd_exchange *x, const char *bytes, size_t n) {
    if (x->wait == HD_WAIT_LINGER) return;
    if (x->wait == HD_WAIT_SHAKE && x->mark == 0 && spoken_plainly(x, bytes, n)) return;
    if (x->wait == HD_WAIT_SHAKE) x->mark += n;
    if (hd_tls_take(x->tls, bytes, n) != HEED_OK) {
        hd_conn_hang_up(x);
        return;
    }
    while (!x->gone && x->tls) {
        size_t got;
        hd_tls_state state = hd_tls_read(x->tls, x->loop->plain_buffer, HD_READ_SIZE, &got);
        hd_conn_flush_tls(x);
        if (x->gone) return;
        if (state != HD_TLS_SHAKING && x->wait == HD_WAIT_SHAKE) hd_conn_wait(x, HD_WAIT_IDLE);
        if (got > 0) {
            deliver(x, x->loop->plain_buffer, got);
            continue;
        }
        if (state == HD_TLS_BROKEN) hd_conn_hang_up(x);
        if (state == HD_TLS_ENDED) half_close(x);
        return;
    }
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    hd_exchange *x = handle->data;
    *buf = uv_buf_init(x->loop->read_buffer, HD_READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    hd_exchange *x = stream->data;
    if (n == UV_EOF)
        half_close(x);
    else if (n < 0)
        hd_conn_hang_up(x);
    else if (n > 0 && x->tls)
        deliver_encrypted(x, buf->base, (size_t)n);
    else if (n > 0)
        deliver(x, buf->base, (size_t)n);
}

void hd_conn_read(hd_exchange *x, bool on) {
    if (x->gone || x->reading == on) return;
    x->reading = on;
    if (on)
        uv_read_start(&x->io.stream, lend_buffer, on_read);
    else
        uv_read_stop(&x->io.stream);
}

// ── Out of time ──

// Whether enough went through since the last look to wait on.
static bool makes_progress(const hd_exchange *x) {
    if (!makes_progress_by_size(x->wait)) return false;
    size_t now = level(x);
    return x->wait == HD_WAIT_BODY ? now >= x->mark + HD_PROGRESS : now + HD_PROGRESS <= x->mark;
}

void hd_conn_expire(hd_exchange *x) {
    if (makes_progress(x)) {
        hd_conn_wait(x, x->wait);
        return;
    }
    if (x->wait == HD_WAIT_STREAM) {
        static const char comment[] = ":\n\n";
        hd_conn_wait(x, HD_WAIT_STREAM);
        hd_exchange_send(x, comment, sizeof comment - 1);
        return;
    }
    if (x->wait != HD_WAIT_IDLE && x->wait != HD_WAIT_LINGER)
        hd_count_up(&x->loop->counts.timed_out, 1);
    if (x->wait == HD_WAIT_HEAD || x->wait == HD_WAIT_BODY)
        hd_conn_refuse(x, 408, "the request took too long to arrive");
    else
        hd_conn_hang_up(x);
}
