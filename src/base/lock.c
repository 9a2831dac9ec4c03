// SPDX-License-Identifier: Apache-2.0
//
// Locks between processes, by flock: the system drops them when the holder ends, however it ends.
// The file says who holds it, for the message that the next one gets. It is never removed: a lock
// on a file that is gone locks nobody out.
//
// flock belongs to the open file, not to the process: a child that inherits the descriptor holds
// the same lock. That is how a server lends its own to a job. Record locks of POSIX were rejected:
// they go when any descriptor of the file is closed, and can't be lent.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/time.h"

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

heed_err hd_lock_wait(const char *path, const char *who, int64_t ms, hd_lock **out) {
    const struct timespec pause = {.tv_nsec = 2000000};
    int64_t end = hd_time_monotonic() + ms;
    for (;;) {
        heed_err err = hd_lock_take(path, who, out);
        if (err != HEED_BUSY || hd_time_monotonic() >= end) return err;
        (void)nanosleep(&pause, NULL);
    }
}

int hd_lock_fd(const hd_lock *lock) {
    return lock->fd;
}

static bool same_file(int fd, const char *path) {
    struct stat mine, named;
    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_dev == named.st_dev &&
           mine.st_ino == named.st_ino;
}

heed_err hd_lock_adopt(const char *path, int fd, hd_lock **out) {
    hd_lock *lock = hd_alloc(sizeof *lock);
    if (!lock) {
        close(fd);
        return HD_FAIL_MEMORY(sizeof *lock);
    }
    lock->fd = fd;
    // Asking again for what the open file holds already succeeds at once.
    if (same_file(fd, path) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *out = lock;
        return HEED_OK;
    }
    hd_lock_release(lock);
    return HD_FAIL(HEED_BUSY, "the lock on '%s' was not handed over", "“%s”的锁没有移交过来", path);
}

void hd_lock_release(hd_lock *lock) {
    if (!lock) return;
    hd_fs_dup_close(lock->fd); // it may have been adopted
    hd_free(lock);
}
