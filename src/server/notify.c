// SPDX-License-Identifier: Apache-2.0
//
// A datagram to a socket whose name stands in the environment: that is all of the protocol
// (sd_notify(3)), so libsystemd isn't needed for it. A name that begins with '@' is abstract.
#include "server/notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

static bool address(struct sockaddr_un *out, socklen_t *n) {
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len = name ? strlen(name) : 0;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len < 2 || len >= sizeof out->sun_path || (name[0] != '/' && name[0] != '@')) return false;
    memcpy(out->sun_path, name, len);
    if (name[0] == '@') out->sun_path[0] = '\0';
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

void hd_notify(const char *words) {
    struct sockaddr_un to;
    socklen_t n;
    if (!address(&to, &n)) return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    ssize_t sent = sendto(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *)&to, n);
    (void)sent; // nobody could be told of it
    close(fd);
}

int64_t hd_notify_watchdog_ms(void) {
    const char *text = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t us;
    int64_t whose;
    if (!text || !hd_slice_i64(hd_slice_of(text), &us) || us <= 0) return 0;
    if (pid && (!hd_slice_i64(hd_slice_of(pid), &whose) || whose != (int64_t)getpid())) return 0;
    return us / 1000;
}
