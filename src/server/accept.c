// SPDX-License-Identifier: Apache-2.0
//
// Listening, and who comes in. When all places are taken, whoever has waited longest without a
// complete request makes room; when all are being answered, the newcomer is told so and ends.
// Running out of descriptors is libuv's to bear: it keeps one in reserve, and with it takes and
// closes what it can't serve, so the loop doesn't spin; max_connections is kept below that anyway.
//
// SO_REUSEPORT would let two servers of one user share an address without noticing. So the first
// loop of a process tries the address without it.
#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "server/conn.h"

enum { BACKLOG = 1024, RESERVED_FILES = 64 };

// ── Where they come from ──

static hd_origin origin_of(const struct sockaddr_storage *address) {
    hd_origin origin = {0, 0};
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)address;
        if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
            memcpy(&origin.high, &six->sin6_addr, sizeof origin.high);
            return origin;
        }
        memcpy(&origin.low, (const char *)&six->sin6_addr + 12, 4);
    } else {
        memcpy(&origin.low, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
    return origin;
}

static hd_exchange **bucket_of(hd_loop *loop, hd_origin o) {
    uint64_t h = (o.high ^ (o.low << 32 | o.low)) * UINT64_C(0x9e3779b97f4a7c15);
    return &loop->buckets[h >> 54];
}

void hd_origin_add(hd_exchange *x) {
    hd_exchange **bucket = bucket_of(x->loop, x->origin);
    x->next_same = *bucket;
    x->link_same = bucket;
    if (*bucket) (*bucket)->link_same = &x->next_same;
    *bucket = x;
}

void hd_origin_remove(hd_exchange *x) {
    if (!x->link_same) return;
    *x->link_same = x->next_same;
    if (x->next_same) x->next_same->link_same = x->link_same;
    x->link_same = NULL;
}

static void note_address(hd_exchange *x) {
    struct sockaddr_storage peer;
    int n = sizeof peer;
    if (uv_tcp_getpeername(&x->io.tcp, (struct sockaddr *)&peer, &n) != 0) return;
    if (peer.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&peer, x->address, sizeof x->address);
    else
        uv_ip4_name((struct sockaddr_in *)&peer, x->address, sizeof x->address);
    x->origin = origin_of(&peer);
    hd_origin_add(x);
}

static void note_process(hd_exchange *x) {
    struct ucred peer;
    socklen_t n = sizeof peer;
    int fd;
    hd_snprintf(x->address, sizeof x->address, "local");
    x->peer.uid = UINT32_MAX;
    if (uv_fileno(&x->io.handle, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        return;
    x->peer.uid = peer.uid;
    x->peer.pid = peer.pid;
}

// ── Room ──

static bool evictable(const hd_exchange *x) {
    return x->wait < HD_WAIT_HANDLER;
}

static bool evict(hd_exchange *x) {
    if (!x) return false;
    hd_count_up(&x->loop->counts.evicted, 1);
    hd_conn_hang_up(x);
    return true;
}

// Who has gone longest without a complete request, but for `newcomer`. NULL: all are being
// answered.
static hd_exchange *oldest_of_all(hd_loop *loop, const hd_exchange *newcomer) {
    hd_exchange *oldest = NULL;
    for (int i = 0; i < HD_WAIT_HANDLER; i++) {
        hd_exchange *x = loop->queues[i].first;
        if (x == newcomer) x = x->next;
        if (x && (!oldest || x->since < oldest->since)) oldest = x;
    }
    return oldest;
}

static bool is_same(const hd_exchange *a, const hd_exchange *b) {
    return a->origin.high == b->origin.high && a->origin.low == b->origin.low;
}

static hd_exchange *oldest_of_origin(const hd_exchange *newcomer, size_t *count) {
    hd_exchange *oldest = NULL;
    *count = 0;
    for (hd_exchange *x = *bucket_of(newcomer->loop, newcomer->origin); x; x = x->next_same) {
        if (!is_same(x, newcomer)) continue;
        ++*count;
        if (x != newcomer && evictable(x) && (!oldest || x->since <= oldest->since)) oldest = x;
    }
    return oldest;
}

static bool has_room(hd_exchange *x) {
    hd_loop *loop = x->loop;
    if (loop->p.max_per_address && x->link_same) {
        size_t n;
        hd_exchange *oldest = oldest_of_origin(x, &n);
        if (n > loop->p.max_per_address && !evict(oldest)) return false;
    }
    while (atomic_load_explicit(&loop->counts.open, memory_order_relaxed) >
           loop->p.max_connections) {
        if (!evict(oldest_of_all(loop, x))) return false;
    }
    return true;
}

static void turn_away(hd_exchange *x) {
    hd_count_up(&x->loop->counts.turned_away, 1);
    if (x->tls)
        hd_conn_hang_up(x);
    else
        hd_conn_refuse(x, 503, "too many connections; try again in a moment");
}

static void on_connection(uv_stream_t *server, int status);

static void on_sunk(uv_handle_t *handle) {
    hd_listener *listener = handle->data;
    listener->sinking = false;
    if (listener->waiting && listener->open) on_connection(&listener->io.stream, 0);
}

static void sink(hd_listener *listener) {
    listener->waiting = listener->sinking;
    if (listener->sinking) return;
    if (listener->local)
        uv_pipe_init(&listener->loop->uv, &listener->sink.pipe, 0);
    else
        uv_tcp_init(&listener->loop->uv, &listener->sink.tcp);
    listener->sink.handle.data = listener;
    listener->sinking = true;
    // Whether or not there was one to take, the handle is given back.
    (void)uv_accept(&listener->io.stream, &listener->sink.stream);
    uv_close(&listener->sink.handle, on_sunk);
    hd_count_up(&listener->loop->counts.turned_away, 1);
}

static void on_connection(uv_stream_t *server, int status) {
    hd_listener *listener = server->data;
    hd_loop *loop = listener->loop;
    if (status < 0) return;
    if (!listener->local && hd_spread(listener)) return;
    hd_exchange *x = hd_conn_new(loop, listener->local);
    if (!x) {
        sink(listener);
        return;
    }
    listener->waiting = false;
    if (uv_accept(server, &x->io.stream) == 0)
        hd_welcome(x);
    else
        hd_conn_hang_up(x);
}

void hd_welcome(hd_exchange *x) {
    hd_loop *loop = x->loop;
    hd_count_up(&loop->counts.accepted, 1);
    hd_loop_sweep(loop);
    if (!x->peer.local) {
        uv_tcp_nodelay(&x->io.tcp, 1);
        note_address(x);
    } else {
        note_process(x);
    }
    bool encrypted = loop->p.tls && !x->peer.local;
    if (encrypted && hd_tls_session_new(loop->p.tls, &x->tls) != HEED_OK) {
        hd_conn_hang_up(x);
        return;
    }
    x->peer.encrypted = encrypted;
    hd_conn_wait(x, encrypted ? HD_WAIT_SHAKE : HD_WAIT_IDLE);
    if (has_room(x))
        hd_conn_read(x, true);
    else
        turn_away(x);
}

// ── Listening ──

static heed_err fail_uv(int code, const char *host, int port) {
    if (code == UV_EADDRINUSE)
        return HD_FAIL(HEED_BUSY,
                       "%s:%d is taken by another program; end it, or choose another address",
                       "%s:%d 已被其他程序占用；请先结束该程序，或换一个地址", host, port);
    if (code == UV_EACCES)
        return HD_FAIL(HEED_DENIED,
                       "%s:%d may not be listened on: ports below 1024 need a privilege; choose "
                       "another port",
                       "无权监听 %s:%d：1024 以下的端口需要特权；请换一个端口", host, port);
    return HD_FAIL(HEED_UNAVAILABLE, "can't listen on %s:%d: %s; choose another address",
                   "无法监听 %s:%d：%s；请换一个地址", host, port, uv_strerror(code));
}

// 0 when nobody listens there yet, else an error of libuv's.
static int try_address(const struct sockaddr_storage *address) {
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t n =
        address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int code = bind(fd, (const struct sockaddr *)address, n) == 0 ? 0 : -errno;
    close(fd);
    return code;
}

static heed_err listen_tcp(hd_loop *loop) {
    hd_listener *listener = &loop->tcp;
    struct sockaddr_storage address = {0};
    int port = loop->p.port;
    const char *host = strcmp(loop->host, "localhost") == 0 ? "127.0.0.1" : loop->host;
    int code = uv_ip4_addr(host, port, (struct sockaddr_in *)&address);
    if (code != 0) code = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address);
    if (code != 0)
        return HD_FAIL(HEED_INPUT,
                       "'%s' is not an address to listen on; write one like 127.0.0.1 or ::1",
                       "“%s”不是可监听的地址；请写成 127.0.0.1 或 ::1 这样的形式", loop->host);
    if (port != 0 && !loop->p.join) code = try_address(&address);
    if (code == 0) code = uv_tcp_init_ex(&loop->uv, &listener->io.tcp, address.ss_family);
    if (code != 0) return fail_uv(code, loop->host, port);
    listener->open = true;
    listener->io.handle.data = listener;
    int fd, on = 1;
    if (uv_fileno(&listener->io.handle, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    code = uv_tcp_bind(&listener->io.tcp, (struct sockaddr *)&address, 0);
    if (code == 0) code = uv_listen(&listener->io.stream, BACKLOG, on_connection);
    return code == 0 ? HEED_OK : fail_uv(code, loop->host, port);
}

static heed_err fail_unix(int reason, const char *path) {
    return HD_FAIL_ERRNO(reason, "can't listen on", "无法监听", path);
}

// Removes the file of a process that died. One on which somebody answers stays.
static heed_err clear_stale(const char *path, const struct sockaddr_un *address) {
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? HEED_OK : fail_unix(errno, path);
    if (!S_ISSOCK(st.st_mode))
        return HD_FAIL(HEED_CONFLICT, "'%s' stands where the server's socket belongs; move it away",
                       "“%s”占用了服务器套接字的位置；请把它移走", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail_unix(errno, path);
    int reason = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(fd);
    if (reason == ECONNREFUSED) return hd_fs_remove(path);
    if (reason == ENOENT) return HEED_OK;
    return HD_FAIL(HEED_BUSY, "a server listens on '%s' already; end it first",
                   "已有服务器在监听“%s”；请先结束它", path);
}

static heed_err bind_unix(const char *path, int *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof address.sun_path)
        return HD_FAIL(HEED_INPUT, "the path '%s' is too long for a socket: %zu bytes at most",
                       "路径“%s”过长，无法用作套接字：最多 %zu 字节", path,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, n + 1);
    HD_TRY(clear_stale(path, &address));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail_unix(errno, path);
    // Nobody can connect before it listens, and by then it is the owner's alone.
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(path, 0600) != 0) {
        int reason = errno;
        close(fd);
        return fail_unix(reason, path);
    }
    *out = fd;
    return HEED_OK;
}

static heed_err listen_unix(hd_loop *loop) {
    hd_listener *listener = &loop->local;
    int fd = -1;
    HD_TRY(bind_unix(loop->unix_path, &fd));
    uv_pipe_init(&loop->uv, &listener->io.pipe, 0);
    listener->open = true;
    listener->local = true;
    listener->io.handle.data = listener;
    int code = uv_pipe_open(&listener->io.pipe, fd);
    if (code != 0) close(fd);
    if (code == 0) code = uv_listen(&listener->io.stream, BACKLOG, on_connection);
    return code == 0 ? HEED_OK : fail_unix(-code, loop->unix_path);
}

// More connections than descriptors are nobody's gain.
static void fit_files(hd_loop *loop) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return;
    size_t most =
        files.rlim_cur > 2 * RESERVED_FILES ? files.rlim_cur - RESERVED_FILES : RESERVED_FILES;
    if (loop->p.max_connections > most) loop->p.max_connections = most;
}

heed_err hd_listen(hd_loop *loop) {
    fit_files(loop);
    loop->tcp.loop = loop->local.loop = loop;
    if (loop->host) HD_TRY(listen_tcp(loop));
    if (loop->unix_path) HD_TRY(listen_unix(loop));
    return HEED_OK;
}

void hd_unlisten(hd_loop *loop) {
    if (loop->tcp.open) uv_close(&loop->tcp.io.handle, NULL);
    loop->tcp.open = false;
    if (!loop->local.open) return;
    loop->local.open = false;
    uv_close(&loop->local.io.handle, NULL);
    if (hd_fs_remove(loop->unix_path) != HEED_OK) {
        // The next server finds it stale and removes it.
    }
}
