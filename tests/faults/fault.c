// SPDX-License-Identifier: Apache-2.0
//
// The plan, the count, and the crash itself. State is global: a process runs one plan.

#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_LIMIT = 16 << 20 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static fault_plan plan;
static uint64_t count;
static hd_rng rng;

void fault_lock(void) {
    pthread_mutex_lock(&mutex);
}

void fault_unlock(void) {
    pthread_mutex_unlock(&mutex);
}

void fault_install(const char *root) {
    fault_vfs_install();
    fault_fs_install(root);
}

void fault_begin(const fault_plan *new_plan) {
    fault_lock();
    plan = *new_plan;
    count = 0;
    rng = hd_rng_make(plan.seed, 77);
    fault_vfs_forget();
    fault_fs_forget();
    fault_unlock();
}

uint64_t fault_end(void) {
    fault_lock();
    plan.kind = FAULT_NONE;
    uint64_t calls = count;
    fault_unlock();
    return calls;
}

int fault_next(bool *crash) {
    *crash = false;
    count++;
    bool hit = count == plan.at || (plan.onwards && count > plan.at);
    if (plan.kind == FAULT_NONE || !hit) return 0;
    if (plan.kind == FAULT_CRASH) {
        *crash = true;
        return 0;
    }
    return plan.kind == FAULT_FULL ? ENOSPC : EIO;
}

uint64_t fault_below(uint64_t bound) {
    return hd_rng_below(&rng, bound);
}

_Noreturn void fault_crash(void) {
    fault_vfs_lose();
    fault_fs_lose();
    _exit(FAULT_EXIT);
}

bool fault_stands_in(const char *path, const char *folder) {
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    return n == strlen(folder) && memcmp(path, folder, n) == 0;
}

void fault_folder_synced(const char *folder) {
    fault_vfs_folder_synced(folder);
    fault_fs_folder_synced(folder);
}

void fault_folder_synced_around(const char *path) {
    char folder[1024];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
    fault_folder_synced(folder);
}

void *fault_grow(void *array, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return array;
    *cap = need * 2;
    array = realloc(array, *cap * size);
    if (!array) _exit(3);
    return array;
}

fault_copy fault_copy_take(const char *path) {
    fault_copy copy = {.path = strdup(path)};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return copy;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= COPY_LIMIT) {
        copy.n = (size_t)st.st_size;
        copy.data = malloc(copy.n + 1);
        if (!copy.data || read(fd, copy.data, copy.n) != (ssize_t)copy.n) _exit(3);
    }
    close(fd);
    return copy;
}

void fault_copy_restore(const fault_copy *copy) {
    int fd = open(copy->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return; // its folder went, too
    if (write(fd, copy->data, copy->n) != (ssize_t)copy->n) _exit(3);
    close(fd);
}

void fault_copy_clear(fault_copy *copy) {
    free(copy->path);
    free(copy->data);
    *copy = (fault_copy){0};
}
