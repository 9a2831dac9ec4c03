// SPDX-License-Identifier: Apache-2.0
//
// Which loop a connection goes to. The kernel spreads newcomers over the loops that listen by a
// hash of their addresses, so of a handful of connections (a pool of an application keeps four or
// eight) all may fall to one loop, and one processor does the work of two. So the loop that accepts
// one hands it to the loop with the fewest, if that isn't itself.
//
// The descriptor goes over as a duplicate: libuv has no way to let go of a handle's own. It is
// handed on when the handle that accepted it is closed, so at any time one thread owns the node.
//
// Rejected: one loop that accepts for all (it may be the one that is busy when newcomers come);
// requests handed to other threads (two more wake-ups for each, and no better: docs/benchmarks.md).
#include "base/fs.h"
#include "base/mem.h"
#include "server/conn.h"

struct hd_newcomer {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
    } io;
    hd_loop *to;
    int fd;
    hd_newcomer *next;
};

static uint64_t crowd(const hd_loop *loop) {
    return atomic_load_explicit(&loop->counts.open, memory_order_relaxed) +
           atomic_load_explicit(&loop->coming, memory_order_relaxed);
}

static hd_loop *emptiest(hd_loop *loop) {
    hd_loop *best = loop;
    for (size_t i = 0; i < loop->p.n_group; i++) {
        hd_loop *other = loop->p.group[i];
        if (other && !atomic_load(&other->stop) && crowd(other) < crowd(best)) best = other;
    }
    return best;
}

static void dismiss(hd_newcomer *n) {
    hd_fs_dup_close(n->fd);
    atomic_fetch_sub(&n->to->coming, 1);
    hd_free(n);
}

static void on_let_go(uv_handle_t *handle) {
    hd_newcomer *n = handle->data;
    hd_loop *from = handle->loop->data, *to = n->to;
    if (from->closing) { // the other may be gone already
        hd_fs_dup_close(n->fd);
        hd_free(n);
        return;
    }
    if (n->fd < 0) {
        hd_count_up(&from->counts.turned_away, 1);
        dismiss(n);
        return;
    }
    pthread_mutex_lock(&to->lock);
    *to->newcomers_end = n;
    to->newcomers_end = &n->next;
    uv_async_send(&to->wake);
    pthread_mutex_unlock(&to->lock);
}

bool hd_spread(hd_listener *listener) {
    hd_loop *loop = listener->loop, *to = emptiest(loop);
    hd_newcomer *n = to == loop ? NULL : hd_calloc(1, sizeof *n);
    if (!n) return false; // without memory for it the newcomer is served here, or not at all
    int fd = -1;
    n->to = to;
    uv_tcp_init(&loop->uv, &n->io.tcp);
    n->io.handle.data = n;
    if (uv_accept(&listener->io.stream, &n->io.stream) == 0) uv_fileno(&n->io.handle, &fd);
    n->fd = fd < 0 ? -1 : hd_fs_dup(fd, 3);
    atomic_fetch_add(&to->coming, 1);
    uv_close(&n->io.handle, on_let_go);
    return true;
}

static hd_newcomer *take_all(hd_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    hd_newcomer *list = loop->newcomers;
    loop->newcomers = NULL;
    loop->newcomers_end = &loop->newcomers;
    pthread_mutex_unlock(&loop->lock);
    return list;
}

void hd_spread_take(hd_loop *loop) {
    for (hd_newcomer *next, *n = take_all(loop); n; n = next) {
        next = n->next;
        hd_exchange *x =
            atomic_load(&loop->stop) || loop->closing ? NULL : hd_conn_new(loop, false);
        if (x && uv_tcp_open(&x->io.tcp, n->fd) == 0) {
            n->fd = -1;
            hd_welcome(x);
        } else {
            if (x) hd_conn_hang_up(x);
            hd_count_up(&loop->counts.turned_away, 1);
        }
        dismiss(n);
    }
}
