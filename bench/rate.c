// SPDX-License-Identifier: Apache-2.0
//
// rate [--path TEMPLATE] [--seed N] [--latencies FILE] HOST PORT KEY RATE SECONDS [CONNECTIONS]
// [USERS]: GETs at a fixed rate, evenly spaced, whatever the answers take. A latency counts from
// the moment a request was due, so neither a server that stalls nor a client that comes late can
// hide it (coordinated omission); how late the requests were sent (for want of a processor, or of
// an idle connection) is told beside it. TEMPLATE holds a %u for the user's number, drawn by the
// seed; KEY "-": none is sent. FILE gets every latency, in ms, a line each, so that runs can be
// counted together.
//
// The connection that has been idle longest is asked next, so all are asked equally often, as by
// wrk2 and by a pool of an application. (The one that was answered last, a stack instead of a ring,
// sends one request in ten over one connection and most over twenty: then chance decides which of
// the server's loops works.)
//
// Why beside autocannon: at a fixed rate that one sends in bursts, and its own event loop adds tens
// of milliseconds to the 99th percentile on two busy processors; this one's floor is some 0.1 ms
// on an idle machine (ask --path /health/live).
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256 };

typedef struct client {
    int fd;
    double due; // of the request that is out; < 0: none
    size_t got, want;
    char buf[65536];
} client;

typedef struct run {
    const char *path, *key, *latencies;
    double rate, begun;
    size_t total, sent, done, bad;
    unsigned users;
    uint64_t random;
    size_t n_clients;
    client clients[MAX_CONNECTIONS];
    struct pollfd polls[MAX_CONNECTIONS];
    size_t idle[MAX_CONNECTIONS], first_idle, n_idle; // a ring
    double *latency, *late;
} run;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int dial(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (void *)&to, sizeof to) != 0) {
        perror(host);
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void put_idle(run *r, size_t i) {
    r->clients[i].due = -1;
    r->idle[(r->first_idle + r->n_idle++) % r->n_clients] = i;
}

static client *take_idle(run *r) {
    client *c = &r->clients[r->idle[r->first_idle]];
    r->first_idle = (r->first_idle + 1) % r->n_clients;
    r->n_idle--;
    return c;
}

static void send_one(run *r, double due) {
    char path[256], text[640];
    client *c = take_idle(r);
    r->random ^= r->random << 13, r->random ^= r->random >> 7, r->random ^= r->random << 17;
    snprintf(path, sizeof path, r->path, 1 + (unsigned)(r->random % r->users));
    bool keyed = strcmp(r->key, "-") != 0;
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n", path,
                     keyed ? "X-API-Key: " : "", keyed ? r->key : "", keyed ? "\r\n" : "");
    c->due = due;
    c->got = c->want = 0;
    r->late[r->sent++] = now() - due;
    if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n) perror("send");
}

// Whether the whole answer is here; *ok: it is a 200.
static bool answered(client *c, bool *ok) {
    ssize_t n = recv(c->fd, c->buf + c->got, sizeof c->buf - 1 - c->got, 0);
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
        fprintf(stderr, "hung up\n");
        exit(1);
    }
    c->got += (size_t)n;
    c->buf[c->got] = '\0';
    if (!c->want) {
        const char *end = strstr(c->buf, "\r\n\r\n");
        const char *length = strstr(c->buf, "Content-Length: ");
        if (!end || !length) return false;
        c->want = (size_t)(end + 4 - c->buf) + strtoul(length + 16, NULL, 10);
    }
    *ok = strncmp(c->buf, "HTTP/1.1 200", 12) == 0;
    return c->got >= c->want;
}

// When the next request is due; it is sent when a connection is idle.
static double next_due(const run *r) {
    return r->begun + (double)r->sent / r->rate;
}

static void take_answers(run *r) {
    for (size_t i = 0; i < r->n_clients; i++) {
        bool ok = false;
        client *c = &r->clients[i];
        if (!(r->polls[i].revents & POLLIN) || c->due < 0 || !answered(c, &ok)) continue;
        r->latency[r->done++] = now() - c->due;
        r->bad += !ok;
        put_idle(r, i);
    }
}

static void ask(run *r) {
    r->begun = now();
    while (r->done < r->total) {
        while (r->sent < r->total && r->n_idle > 0 && next_due(r) <= now())
            send_one(r, next_due(r));
        double wait = r->sent < r->total && r->n_idle > 0 ? next_due(r) - now() : 0.5;
        struct timespec until = {0, wait > 0 ? (long)((wait > 0.5 ? 0.5 : wait) * 1e9) : 0};
        if (ppoll(r->polls, r->n_clients, &until, NULL) > 0) take_answers(r);
    }
}

static void tell(run *r) {
    double took = now() - r->begun;
    size_t n = r->done;
    qsort(r->latency, n, sizeof *r->latency, by_value);
    qsort(r->late, n, sizeof *r->late, by_value);
    printf("%.0f requests/s, p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, most %.1f ms, errors %zu "
           "(sent late: p99 %.2f ms)\n",
           (double)n / took, r->latency[n / 2] * 1e3, r->latency[n * 99 / 100] * 1e3,
           r->latency[n * 999 / 1000] * 1e3, r->latency[n - 1] * 1e3, r->bad,
           r->late[n * 99 / 100] * 1e3);
}

// Writes down each latency; the order is that of their size.
static int write_down(const run *r) {
    FILE *f = r->latencies ? fopen(r->latencies, "w") : NULL;
    if (!r->latencies) return 0;
    for (size_t i = 0; f && i < r->done; i++) fprintf(f, "%.4f\n", r->latency[i] * 1e3);
    if (f && fclose(f) == 0) return 0;
    perror(r->latencies);
    return 1;
}

// So that what the machine's scheduler does to this program isn't counted as the server's: it asks
// to be let in soon after it wakes (Linux 6.12 and above; else nothing happens).
static void be_prompt(void) {
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } wish = {.size = sizeof wish, .runtime = 100000};
    (void)syscall(SYS_sched_setattr, 0, &wish, 0);
}

// Takes the options off the front; *argc and *argv go on behind them.
static void take_options(run *r, int *argc, char ***argv) {
    for (; *argc > 2 && strncmp((*argv)[1], "--", 2) == 0; *argc -= 2, *argv += 2) {
        const char *name = (*argv)[1], *value = (*argv)[2];
        if (strcmp(name, "--path") == 0) r->path = value;
        if (strcmp(name, "--latencies") == 0) r->latencies = value;
        if (strcmp(name, "--seed") == 0)
            r->random *= 2 * strtoul(value, NULL, 10) + 1; // odd: not 0
    }
}

int main(int argc, char **argv) {
    static run r = {.path = "/api/v1/recommend/%u?n=10", .random = 88172645463325252u};
    take_options(&r, &argc, &argv);
    if (argc < 6) {
        fprintf(stderr, "rate [--path TEMPLATE] [--seed N] [--latencies FILE] HOST PORT KEY RATE "
                        "SECONDS [CONNECTIONS] [USERS]\n");
        return 2;
    }
    r.key = argv[3];
    r.rate = strtod(argv[4], NULL);
    r.total = (size_t)(r.rate * strtod(argv[5], NULL));
    r.n_clients = argc > 6 ? strtoul(argv[6], NULL, 10) : 64;
    r.users = argc > 7 ? (unsigned)strtoul(argv[7], NULL, 10) : 6040;
    if (r.n_clients < 1 || r.n_clients > MAX_CONNECTIONS) r.n_clients = MAX_CONNECTIONS;
    r.latency = calloc(r.total + 1, sizeof *r.latency);
    r.late = calloc(r.total + 1, sizeof *r.late);
    if (r.total == 0 || r.users == 0 || !r.latency || !r.late) return 2;
    for (size_t i = 0; i < r.n_clients; i++) {
        r.clients[i].fd = dial(argv[1], (int)strtol(argv[2], NULL, 10));
        r.polls[i] = (struct pollfd){.fd = r.clients[i].fd, .events = POLLIN};
        put_idle(&r, i);
    }
    be_prompt();
    ask(&r);
    tell(&r);
    return write_down(&r);
}
