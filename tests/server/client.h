// SPDX-License-Identifier: Apache-2.0
//
// A client on a bare socket, for the tests of this room.
#ifndef HD_TESTS_CLIENT_H
#define HD_TESTS_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static inline int client_dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    struct timeval patience = {.tv_sec = 20}; // only a broken server is waited for so long
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// How many bytes were taken: fewer when the other side hung up.
static inline size_t client_say(int fd, const char *bytes, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t sent = send(fd, bytes + done, n - done, MSG_NOSIGNAL);
        if (sent <= 0) break;
        done += (size_t)sent;
    }
    return done;
}

// Reads until the other side hangs up, or until `until` was seen. *closed: it hung up.
static inline size_t client_hear(int fd, char *out, size_t size, const char *until, int *closed) {
    size_t n = 0;
    out[0] = '\0';
    if (closed) *closed = 0;
    while (n + 1 < size && !(until && strstr(out, until))) {
        ssize_t got = recv(fd, out + n, size - 1 - n, 0);
        if (got <= 0) {
            if (closed) *closed = 1;
            break;
        }
        n += (size_t)got;
        out[n] = '\0';
    }
    return n;
}

static inline size_t client_count(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) n++;
    return n;
}

#endif
