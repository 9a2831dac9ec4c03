// SPDX-License-Identifier: Apache-2.0
//
// Answers. Head and body go to the socket in one call, from where they stand; only what it doesn't
// take is copied and waits. The head is put together in a buffer that the connection keeps, with a
// date line that the loop renews five times a second, so an answer costs no allocation.
#include "base/mem.h"
#include "base/time.h"
#include "server/conn.h"
#include "server/status.h"

enum { DATE_MS = 200, QUEUED_MAX = 1 << 20 };

typedef struct write_job {
    uv_write_t request;
    hd_exchange *exchange;
    size_t n;
    char bytes[];
} write_job;

// ── Bytes ──

static void on_written(uv_write_t *request, int status) {
    write_job *job = request->data;
    hd_exchange *x = job->exchange;
    x->writing--;
    x->queued -= job->n;
    hd_free(job);
    if (status < 0) {
        hd_conn_hang_up(x);
    } else if (x->gone) {
        return;
    } else if (x->writing > 0) {
        if (x->streaming) hd_conn_wait(x, HD_WAIT_CLIENT); // a piece went through
    } else if (x->answered && x->wait == HD_WAIT_CLIENT) {
        hd_conn_answered(x);
    } else if (x->streaming) {
        hd_conn_wait(x, HD_WAIT_STREAM);
    }
}

// Waits with a copy until the socket takes it. Its deadline runs from the first that waits.
static void queue_bytes(hd_exchange *x, const uv_buf_t *bufs, size_t n_bufs, size_t skip) {
    size_t n = 0;
    for (size_t i = 0; i < n_bufs; i++) n += bufs[i].len;
    n -= skip;
    write_job *job = hd_alloc(sizeof *job + n);
    if (!job) {
        hd_conn_hang_up(x);
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < n_bufs; i++) {
        size_t jump = skip < bufs[i].len ? skip : bufs[i].len;
        memcpy(job->bytes + at, bufs[i].base + jump, bufs[i].len - jump);
        at += bufs[i].len - jump;
        skip -= jump;
    }
    job->exchange = x;
    job->n = n;
    job->request.data = job;
    uv_buf_t buf = uv_buf_init(job->bytes, (unsigned)n);
    if (uv_write(&job->request, &x->io.stream, &buf, 1, on_written) != 0) {
        hd_free(job);
        hd_conn_hang_up(x);
        return;
    }
    x->queued += n;
    if (x->writing++ == 0 && (x->wait == HD_WAIT_HANDLER || x->wait == HD_WAIT_STREAM))
        hd_conn_wait(x, HD_WAIT_CLIENT);
}

static void send_raw(hd_exchange *x, const uv_buf_t *bufs, size_t n_bufs) {
    size_t n = 0, sent = 0;
    for (size_t i = 0; i < n_bufs; i++) n += bufs[i].len;
    if (x->gone || n == 0) return;
    if (x->writing == 0) {
        int done = uv_try_write(&x->io.stream, bufs, (unsigned)n_bufs);
        if (done > 0) sent = (size_t)done;
        if (done < 0 && done != UV_EAGAIN) {
            hd_conn_hang_up(x);
            return;
        }
    }
    if (sent < n) queue_bytes(x, bufs, n_bufs, sent);
}

void hd_conn_flush_tls(hd_exchange *x) {
    hd_str *outbox = hd_tls_outbox(x->tls);
    if (hd_str_check(outbox) != HEED_OK) {
        hd_conn_hang_up(x);
        return;
    }
    uv_buf_t buf = uv_buf_init(outbox->data, (unsigned)outbox->len);
    send_raw(x, &buf, 1);
    if (x->tls) hd_str_reset(outbox);
}

void hd_conn_send(hd_exchange *x, const char *head, size_t n_head, const char *body,
                  size_t n_body) {
    if (x->gone) return;
    if (x->tls) {
        if (hd_tls_write(x->tls, head, n_head) != HEED_OK ||
            hd_tls_write(x->tls, body, n_body) != HEED_OK)
            hd_conn_hang_up(x);
        else
            hd_conn_flush_tls(x);
        return;
    }
    uv_buf_t bufs[] = {uv_buf_init((char *)(uintptr_t)head, (unsigned)n_head),
                       uv_buf_init((char *)(uintptr_t)body, (unsigned)n_body)};
    send_raw(x, bufs, n_body > 0 ? 2 : 1);
}

// ── Heads ──

static const char *date_line(hd_loop *loop) {
    int64_t now = hd_loop_now(loop);
    if (loop->date[0] == '\0' || now >= loop->date_ms + DATE_MS) {
        char date[64];
        hd_status_date(hd_time_now(), date, sizeof date);
        hd_snprintf(loop->date, sizeof loop->date, "Date: %s\r\n", date);
        loop->date_ms = now;
    }
    return loop->date;
}

static void add_number(hd_str *out, size_t n) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    hd_str_addn(out, digits + at, sizeof digits - at);
}

// An answer that has no body by its nature says nothing of a length (RFC 9110, 8.6).
static bool has_length(int status) {
    return status >= 200 && status != 204 && status != 304;
}

static void put_head(hd_exchange *x, int status, const char *headers, const char *type,
                     bool streaming, size_t n) {
    hd_str *out = &x->out;
    hd_str_reset(out);
    hd_str_add(out, "HTTP/1.1 ");
    add_number(out, (size_t)status);
    hd_str_addc(out, ' ');
    hd_str_add(out, hd_status_text(status));
    hd_str_add(out, "\r\n");
    hd_str_add(out, date_line(x->loop));
    if (type) {
        hd_str_add(out, "Content-Type: ");
        hd_str_add(out, type);
        hd_str_add(out, "\r\n");
    }
    if (!streaming && has_length(status)) {
        hd_str_add(out, "Content-Length: ");
        add_number(out, n);
        hd_str_add(out, "\r\n");
    }
    if (!x->keep_alive) hd_str_add(out, "Connection: close\r\n");
    if (headers) hd_str_add(out, headers);
    hd_str_add(out, "\r\n");
}

// ── Answers ──

static bool head_only(const hd_exchange *x) {
    return hd_slice_eq(x->parser.request.method, "HEAD");
}

// A second answer to a request would be taken for the answer to the next one.
static bool awaits_answer(const hd_exchange *x) {
    return x->wait == HD_WAIT_HANDLER && !x->answered && !x->streaming;
}

void hd_exchange_reply(hd_exchange *x, int status, const char *headers, const char *type,
                       const char *body, size_t n) {
    if (!awaits_answer(x)) return;
    if (x->loop->draining) x->keep_alive = false;
    put_head(x, status, headers, type, false, n);
    if (hd_str_check(&x->out) != HEED_OK) {
        hd_conn_hang_up(x);
        return;
    }
    x->answered = true;
    hd_conn_send(x, x->out.data, x->out.len, body, head_only(x) || !has_length(status) ? 0 : n);
    if (x->writing == 0)
        hd_conn_answered(x);
    else if (x->wait == HD_WAIT_HANDLER) // behind a "100 Continue" that isn't out yet
        hd_conn_wait(x, HD_WAIT_CLIENT);
}

void hd_exchange_last(hd_exchange *x) {
    x->keep_alive = false;
}

void hd_exchange_stream(hd_exchange *x, int status, const char *headers, const char *type) {
    if (!awaits_answer(x)) return;
    x->streaming = true;
    x->keep_alive = false;
    put_head(x, status, headers, type, true, 0);
    if (hd_str_check(&x->out) != HEED_OK) {
        hd_conn_hang_up(x);
        return;
    }
    hd_conn_wait(x, HD_WAIT_STREAM);
    if (!x->half_closed) hd_conn_read(x, true); // so that it shows when the client hangs up
    hd_conn_send(x, x->out.data, x->out.len, NULL, 0);
}

void hd_exchange_send(hd_exchange *x, const char *bytes, size_t n) {
    if (x->gone || !x->streaming || n == 0 || head_only(x)) return;
    size_t most = x->loop->p.max_queued ? x->loop->p.max_queued : QUEUED_MAX;
    if (x->queued + n > most && x->queued > 0) {
        hd_count_up(&x->loop->counts.stalled, 1);
        hd_conn_hang_up(x);
        return;
    }
    hd_conn_send(x, bytes, n, NULL, 0);
    if (x->writing == 0) hd_conn_wait(x, HD_WAIT_STREAM); // silence begins anew
}

void hd_exchange_end(hd_exchange *x) {
    if (x->gone || !x->streaming) return;
    x->streaming = false;
    x->answered = true;
    if (x->writing == 0)
        hd_conn_answered(x);
    else
        hd_conn_wait(x, HD_WAIT_CLIENT);
}

// ── What a handler may ask ──

bool hd_exchange_gone(const hd_exchange *x) {
    return x->gone;
}

size_t hd_exchange_queued(const hd_exchange *x) {
    return x->queued;
}

const hd_http_request *hd_exchange_request(const hd_exchange *x) {
    return &x->parser.request;
}

const char *hd_exchange_address(const hd_exchange *x) {
    return x->address;
}

hd_peer hd_exchange_peer(const hd_exchange *x) {
    return x->peer;
}

char *hd_exchange_take_body(hd_exchange *x) {
    x->parser.request.body_path = NULL;
    return hd_body_take(&x->parser.body);
}
