// SPDX-License-Identifier: Apache-2.0
//
// Locks between processes, by flock: the system drops them when the holder ends, however it ends.
// The file says who holds it, for the message that the next one gets. It is never removed: a lock
// on a file that is gone locks nobody out.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

struct hd_lock {
    int fd;
};

// What the holder wrote: "pid who", or "?" before it came to that. Control characters are dropped.
static void read_holder(int fd, char *out, size_t n) {
    ssize_t got = pread(fd, out, n - 1, 0);
    size_t kept = 0;
    for (ssize_t i = 0; i < got && out[i] != '\n'; i++) {
        if ((unsigned char)out[i] >= ' ') out[kept++] = out[i];
    }
    out[kept] = '\0';
    if (kept == 0) memcpy(out, "?", 2);
}

static heed_err fail_held(int fd, const char *path) {
    char holder[256];
    read_holder(fd, holder, sizeof holder);
    const char *space = strchr(holder, ' ');
    int pid = space ? (int)(space - holder) : (int)strlen(holder);
    return HD_FAIL(HEED_BUSY,
                   "'%s' is held by process %.*s (%s); wait until it ends, or end it first",
                   "“%s”正被进程 %.*s（%s）占用；请等它结束，或先结束它", path, pid, holder,
                   space ? space + 1 : "?");
}

static int write_holder(int fd, const char *path, const char *who) {
    char text[256];
    int n = hd_snprintf(text, sizeof text, "%ld %s\n", (long)getpid(), who);
    if (n >= (int)sizeof text) n = (int)sizeof text - 1;
    int reason = hd_fs_hook_call("write", path);
    if (reason != 0) return reason;
    if (ftruncate(fd, 0) < 0) return errno;
    ssize_t done = pwrite(fd, text, (size_t)n, 0);
    if (done < 0) return errno;
    return done == n ? 0 : ENOSPC;
}

heed_err hd_lock_take(const char *path, const char *who, hd_lock **out) {
    hd_lock *lock = hd_alloc(sizeof *lock);
    if (!lock) return HD_FAIL_MEMORY(sizeof *lock);
    heed_err err = HEED_OK;
    int reason = 0;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock->fd < 0) {
        reason = errno;
    } else if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0) {
        reason = errno;
        if (reason == EWOULDBLOCK) err = fail_held(lock->fd, path);
    } else {
        reason = write_holder(lock->fd, path, who);
    }
    if (reason == 0) {
        *out = lock;
        return HEED_OK;
    }
    if (err == HEED_OK) err = HD_FAIL_ERRNO(reason, "can't lock", "无法加锁", path);
    hd_lock_release(lock);
    return err;
}

void hd_lock_release(hd_lock *lock) {
    if (!lock) return;
    if (lock->fd >= 0) close(lock->fd);
    hd_free(lock);
}
