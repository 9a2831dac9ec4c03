// SPDX-License-Identifier: Apache-2.0
//
// rate HOST PORT KEY RATE SECONDS [CONNECTIONS] [USERS]: GET /api/v1/recommend/{1..USERS} at a
// fixed rate, evenly spaced, whatever the answers take. A latency counts from the moment a request
// was due, so a server that stalls can't hide it (coordinated omission). One thread; what it costs
// itself shows with --path /health/live in place of KEY's requests.
//
// Why beside autocannon: at a fixed rate that one sends in bursts, and its own event loop adds tens
// of milliseconds to the 99th percentile on two busy processors; this one's floor is some 0.1 ms.
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
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 256 };

typedef struct client {
    int fd;
    double due; // of the request that is out; < 0: none
    size_t got, want;
    char buf[65536];
} client;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
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

static void send_one(client *c, const char *key, unsigned user, double due) {
    char text[512];
    int n =
        key[0] == '/'
            ? snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", key)
            : snprintf(text, sizeof text,
                       "GET /api/v1/recommend/%u?n=10 HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n",
                       user, key);
    c->due = due;
    c->got = c->want = 0;
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

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "rate HOST PORT KEY RATE SECONDS [CONNECTIONS] [USERS]\n");
        return 2;
    }
    const char *key = argv[3];
    double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
    size_t n_clients = argc > 6 ? strtoul(argv[6], NULL, 10) : 64;
    unsigned users = argc > 7 ? (unsigned)strtoul(argv[7], NULL, 10) : 6040;
    if (n_clients > MAX_CONNECTIONS) n_clients = MAX_CONNECTIONS;
    size_t total = (size_t)(rate * seconds), sent = 0, done = 0, bad = 0, n_idle = 0;
    client *clients = calloc(n_clients, sizeof *clients);
    struct pollfd *polls = calloc(n_clients, sizeof *polls);
    size_t *idle = calloc(n_clients, sizeof *idle);
    double *latency = calloc(total + 1, sizeof *latency);
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < n_clients; i++) {
        clients[i].fd = dial(argv[1], (int)strtol(argv[2], NULL, 10));
        clients[i].due = -1;
        polls[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        idle[n_idle++] = i;
    }
    double begun = now();
    while (done < total) {
        while (sent < total && n_idle > 0 && begun + (double)sent / rate <= now()) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            send_one(&clients[idle[--n_idle]], key, 1 + (unsigned)(random % users),
                     begun + (double)sent / rate);
            sent++;
        }
        double wait = sent < total && n_idle > 0 ? begun + (double)sent / rate - now() : 1;
        struct timespec until = {.tv_sec = 0,
                                 .tv_nsec = wait > 0 ? (long)((wait > 0.5 ? 0.5 : wait) * 1e9) : 0};
        if (ppoll(polls, n_clients, &until, NULL) <= 0) continue;
        for (size_t i = 0; i < n_clients; i++) {
            bool ok = false;
            if (!(polls[i].revents & POLLIN) || clients[i].due < 0 || !answered(&clients[i], &ok))
                continue;
            latency[done++] = now() - clients[i].due;
            clients[i].due = -1;
            bad += !ok;
            idle[n_idle++] = i;
        }
    }
    double took = now() - begun;
    qsort(latency, done, sizeof *latency, by_value);
    printf("%.0f requests/s, p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, most %.1f ms, errors %zu\n",
           (double)done / took, latency[done / 2] * 1e3, latency[done * 99 / 100] * 1e3,
           latency[done * 999 / 1000] * 1e3, latency[done - 1] * 1e3, bad);
    return 0;
}
