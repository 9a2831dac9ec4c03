// SPDX-License-Identifier: Apache-2.0
//
// A loop's life: one sweep every 100 ms looks at the first of each queue (conn.h), posts from other
// threads wake it, and stopping drains it. The sweep sleeps while there is no connection.
#include <signal.h>
#include <time.h>

#include "base/mem.h"
#include "server/conn.h"

enum { SWEEP_MS = 100 };

// ── Time ──

// Nothing new is accepted; who waits idle or for news is let go; the loop ends when the last
// exchange has.
static void drain(hd_loop *loop) {
    if (!loop->draining) {
        loop->draining = true;
        loop->drain_until = hd_loop_now(loop) + loop->drain_ms;
        hd_unlisten(loop);
        while (loop->queues[HD_WAIT_STREAM].first)
            hd_exchange_end(loop->queues[HD_WAIT_STREAM].first);
    }
    while (loop->queues[HD_WAIT_IDLE].first) hd_conn_hang_up(loop->queues[HD_WAIT_IDLE].first);
    bool over = hd_loop_now(loop) >= loop->drain_until;
    bool empty = true;
    for (int i = 0; i < HD_WAITS; i++) {
        while (over && i != HD_WAIT_CLOSE && loop->queues[i].first)
            hd_conn_hang_up(loop->queues[i].first);
        empty = empty && !loop->queues[i].first;
    }
    if (empty || over) uv_stop(&loop->uv);
}

static void on_sweep(uv_timer_t *timer) {
    hd_loop *loop = timer->data;
    int64_t now = hd_loop_now(loop);
    for (int i = 0; i < HD_WAITS; i++) {
        hd_queue *q = &loop->queues[i];
        while (q->ms > 0 && q->first && now >= q->first->since + q->ms) hd_conn_expire(q->first);
    }
    if (atomic_load(&loop->stop))
        drain(loop);
    else if (atomic_load_explicit(&loop->counts.open, memory_order_relaxed) == 0)
        uv_timer_stop(timer);
}

void hd_loop_sweep(hd_loop *loop) {
    if (!uv_is_active((uv_handle_t *)&loop->sweep))
        uv_timer_start(&loop->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

// ── Posts ──

static void run_posts(hd_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    hd_post *list = loop->posts;
    loop->posts = NULL;
    loop->posts_end = &loop->posts;
    pthread_mutex_unlock(&loop->lock);
    while (list) {
        hd_post *node = list, post = *list;
        list = post.next;
        hd_exchange *x = post.exchange;
        pthread_mutex_lock(&loop->lock);
        node->next = x->spare;
        x->spare = node;
        pthread_mutex_unlock(&loop->lock);
        post.fn(post.arg, x->gone ? NULL : x);
        x->holds--;
        hd_conn_free_if_done(x);
    }
}

static void on_wake(uv_async_t *wake) {
    hd_loop *loop = wake->data;
    hd_spread_take(loop);
    run_posts(loop);
    if (atomic_load(&loop->stop)) {
        hd_loop_sweep(loop);
        drain(loop);
    }
}

bool hd_exchange_hold(hd_exchange *x) {
    if (x->holds == x->nodes) {
        hd_post *node = hd_alloc(sizeof *node);
        if (!node) return false;
        pthread_mutex_lock(&x->loop->lock);
        node->next = x->spare;
        x->spare = node;
        pthread_mutex_unlock(&x->loop->lock);
        x->nodes++;
    }
    x->holds++;
    return true;
}

void hd_exchange_post(hd_exchange *x, void (*fn)(void *arg, hd_exchange *exchange), void *arg) {
    hd_loop *loop = x->loop;
    pthread_mutex_lock(&loop->lock);
    hd_post *node = x->spare;
    x->spare = node->next;
    *node = (hd_post){NULL, x, fn, arg};
    *loop->posts_end = node;
    loop->posts_end = &node->next;
    uv_async_send(&loop->wake); // within the lock: once it is out, the loop may be gone
    pthread_mutex_unlock(&loop->lock);
}

void hd_loop_stop(hd_loop *loop) {
    atomic_store(&loop->stop, true);
    uv_async_send(&loop->wake);
}

hd_loop_counts hd_loop_count(const hd_loop *loop) {
#define COUNT(name) .name = atomic_load_explicit(&loop->counts.name, memory_order_relaxed)
    return (hd_loop_counts){COUNT(accepted),  COUNT(turned_away), COUNT(evicted),  COUNT(refused),
                            COUNT(timed_out), COUNT(stalled),     COUNT(requests), COUNT(open)};
#undef COUNT
}

// ── Life ──

static void set_patience(hd_loop *loop) {
    const hd_loop_params *p = &loop->p;
    loop->queues[HD_WAIT_SHAKE].ms = p->head_ms;
    loop->queues[HD_WAIT_IDLE].ms = p->idle_ms;
    loop->queues[HD_WAIT_HEAD].ms = p->head_ms;
    loop->queues[HD_WAIT_BODY].ms = p->body_ms;
    loop->queues[HD_WAIT_LINGER].ms = HD_LINGER_MS;
    loop->queues[HD_WAIT_CLIENT].ms = p->write_ms;
    loop->queues[HD_WAIT_STREAM].ms = p->stream_ms;
}

// Strings of the caller's may not outlive the call.
static heed_err copy_params(hd_loop *loop, const hd_loop_params *params) {
    loop->p = *params;
    if (params->host) loop->host = hd_strdup(params->host);
    if (params->unix_path) loop->unix_path = hd_strdup(params->unix_path);
    bool all = (loop->host || !params->host) && (loop->unix_path || !params->unix_path);
    return all ? HEED_OK : HD_FAIL_MEMORY(0);
}

static void free_loop(hd_loop *loop) {
    pthread_mutex_destroy(&loop->lock);
    hd_free(loop->host);
    hd_free(loop->unix_path);
    hd_free(loop);
}

heed_err hd_loop_open(const hd_loop_params *params, hd_loop **out) {
    hd_loop *loop = hd_calloc(1, sizeof *loop);
    if (!loop) return HD_FAIL_MEMORY(sizeof *loop);
    loop->posts_end = &loop->posts;
    loop->newcomers_end = &loop->newcomers;
    pthread_mutex_init(&loop->lock, NULL);
    heed_err err = copy_params(loop, params);
    if (err == HEED_OK && uv_loop_init(&loop->uv) != 0) err = HD_FAIL_MEMORY(0);
    if (err != HEED_OK) {
        free_loop(loop);
        return err;
    }
    loop->uv.data = loop;
    set_patience(loop);
    uv_timer_init(&loop->uv, &loop->sweep);
    loop->sweep.data = loop;
    uv_async_init(&loop->uv, &loop->wake, on_wake);
    loop->wake.data = loop;
    err = hd_listen(loop);
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
    if (!loop->tcp.open ||
        uv_tcp_getsockname(&loop->tcp.io.tcp, (struct sockaddr *)&address, &n) != 0)
        return 0;
    // The port stands at the same place in both families.
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

heed_err hd_loop_run(hd_loop *loop, int64_t drain_ms) {
    loop->drain_ms = drain_ms;
    // libuv writes without MSG_NOSIGNAL: a client that hangs up may not end the process.
    sigset_t pipe, before;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    struct timespec none = {0, 0};
    while (sigtimedwait(&pipe, NULL, &none) == SIGPIPE) {
        // One that came meanwhile is forgotten before it can be delivered.
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return HEED_OK;
}

static void close_all(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

void hd_loop_close(hd_loop *loop) {
    if (!loop) return;
    loop->closing = true;
    hd_spread_take(loop);
    run_posts(loop);
    hd_unlisten(loop);
    for (int i = 0; i < HD_WAIT_CLOSE; i++) {
        while (loop->queues[i].first) hd_conn_hang_up(loop->queues[i].first);
    }
    for (hd_exchange *x = loop->queues[HD_WAIT_CLOSE].first; x;) {
        hd_exchange *next = x->next;
        x->holds = 0;
        hd_conn_free_if_done(x);
        x = next;
    }
    uv_walk(&loop->uv, close_all, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    free_loop(loop);
}
