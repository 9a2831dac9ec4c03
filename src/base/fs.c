// SPDX-License-Identifier: Apache-2.0
//
// Files and folders. Writing follows the one order that survives a crash at any point: write a
// temporary file beside the target, fsync it, rename it over the target, fsync the folder.
//
// The temporary file has a fixed name ("<path>.tmp") and is held by flock: a crash leaves at most
// one, which the next writer recognises as left behind (nobody holds it) and takes over. Rejected:
// random names, which pile up after crashes, and O_TMPFILE, which can't replace a file in one step.
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { BUFFER = 1 << 16, MAX_DEPTH = 200, ATTEMPTS = 100 };

// ── The hook: set by tests before anything else runs, hence plain variables ──

static hd_fs_hook hook_fn;
static void *hook_ctx;

void hd_fs_hook_set(hd_fs_hook hook, void *ctx) {
    hook_fn = hook;
    hook_ctx = ctx;
}

int hd_fs_hook_call(const char *call, const char *path) {
    return hook_fn ? hook_fn(hook_ctx, call, path) : 0;
}

// ── System calls: 0 or an errno ──

static int sys_open(const char *path, int flags, mode_t mode, int *fd) {
    do {
        *fd = open(path, flags | O_CLOEXEC, mode);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? errno : 0;
}

static int sys_write(int fd, const char *path, const void *data, size_t n) {
    const char *p = data;
    int reason = hd_fs_hook_call("write", path);
    while (reason == 0 && n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return errno;
        p += done;
        n -= (size_t)done;
    }
    return reason;
}

static int sys_fsync(int fd, const char *path) {
    int reason = hd_fs_hook_call("fsync", path);
    if (reason != 0) return reason;
    return fsync(fd) < 0 ? errno : 0;
}

static int sys_rename(const char *from, const char *to) {
    int reason = hd_fs_hook_call("rename", to);
    if (reason != 0) return reason;
    return rename(from, to) < 0 ? errno : 0;
}

static int sys_unlinkat(int dir, const char *name, int flags, const char *path) {
    int reason = hd_fs_hook_call("unlink", path);
    if (reason != 0) return reason;
    return unlinkat(dir, name, flags) < 0 ? errno : 0;
}

// Makes what was done in a path's folder durable. Needs no memory: it runs after the fact.
static int sync_parent(const char *path) {
    char folder[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof folder) return ENAMETOOLONG;
    memcpy(folder, path, n + 1);
    char *slash = strrchr(folder, '/');
    if (!slash) {
        memcpy(folder, ".", folder[0] == '\0' ? 1 : 2);
    } else {
        slash[slash == folder] = '\0';
    }
    int fd;
    int reason = sys_open(folder, O_RDONLY | O_DIRECTORY, 0, &fd);
    if (reason == 0) {
        reason = sys_fsync(fd, folder);
        close(fd);
    }
    // Some file systems have nothing to sync for a folder, and say so.
    return reason == EINVAL ? 0 : reason;
}

// ── Reading ──

static heed_err read_all(int fd, const char *path, size_t max, hd_str *out) {
    char buffer[BUFFER];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return HD_FAIL_ERRNO(errno, "can't read", "无法读取", path);
        if (n == 0) return hd_str_check(out);
        if ((size_t)n > max - out->len) {
            return HD_FAIL(HEED_INPUT, "'%s' is too large: at most %zu bytes are read",
                           "“%s”过大：最多读取 %zu 字节", path, max);
        }
        hd_str_addn(out, buffer, (size_t)n);
        if (out->failed) return hd_str_check(out);
    }
}

heed_err hd_fs_read(const char *path, size_t max, hd_str *out) {
    int fd;
    hd_str_reset(out);
    int reason = sys_open(path, O_RDONLY, 0, &fd);
    if (reason != 0) return HD_FAIL_ERRNO(reason, "can't open", "无法打开", path);
    hd_str_addn(out, "", 0);
    heed_err err = read_all(fd, path, max == 0 ? (size_t)1 << 30 : max, out);
    close(fd);
    return err;
}

heed_err hd_fs_append(const char *path, const void *data, size_t n, mode_t mode) {
    int fd;
    int reason = sys_open(path, O_WRONLY | O_CREAT | O_APPEND, mode, &fd);
    if (reason == 0) {
        reason = sys_write(fd, path, data, n);
        close(fd);
    }
    return reason == 0 ? HEED_OK : HD_FAIL_ERRNO(reason, "can't add to", "无法追加写入", path);
}

bool hd_fs_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

bool hd_fs_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

heed_err hd_fs_private(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return HD_FAIL_ERRNO(errno, "can't look at", "无法查看", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return HEED_OK;
    return HD_FAIL(
        HEED_DENIED,
        "'%s' holds secrets and others may reach it (mode %03o): 'chmod go= %s' closes it",
        "“%s”含有密钥，但其他用户可以访问（权限 %03o）：请用“chmod go= %s”收紧", path,
        (unsigned)st.st_mode & 0777, path);
}

static int64_t nanoseconds(struct timespec t) {
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void hd_fs_stamp_take(const char *path, hd_fs_stamp *out) {
    struct stat st;
    memset(out, 0, sizeof *out);
    if (stat(path, &st) != 0) return;
    out->device = (uint64_t)st.st_dev;
    out->number = (uint64_t)st.st_ino;
    out->size = (int64_t)st.st_size;
    out->written = nanoseconds(st.st_mtim);
    out->changed = nanoseconds(st.st_ctim);
}

char *hd_fs_join(hd_arena *arena, const char *a, const char *b) {
    size_t n = strlen(a);
    return hd_arena_printf(arena, n == 0 || a[n - 1] == '/' ? "%s%s" : "%s/%s", a, b);
}

// ── Folders ──

static int make_one(const char *path, mode_t mode) {
    if (hd_fs_is_dir(path)) return 0;
    int reason = hd_fs_hook_call("mkdir", path);
    if (reason != 0) return reason;
    if (mkdir(path, mode) < 0 && errno != EEXIST) return errno;
    if (!hd_fs_is_dir(path)) return ENOTDIR;
    return sync_parent(path);
}

heed_err hd_fs_mkdirs(const char *path, mode_t mode) {
    char *part = hd_strdup(path);
    if (!part) return HD_FAIL_MEMORY(strlen(path) + 1);
    int reason = 0;
    for (char *p = part + 1; part[0] != '\0' && reason == 0; p++) {
        char c = *p;
        if (c != '/' && c != '\0') continue;
        *p = '\0';
        reason = make_one(part, mode);
        *p = c;
        if (c == '\0') break;
    }
    hd_free(part);
    if (reason == 0) return HEED_OK;
    return HD_FAIL_ERRNO(reason, "can't make the folder", "无法创建文件夹", path);
}

heed_err hd_fs_rename(const char *from, const char *to) {
    int reason = sys_rename(from, to);
    if (reason == 0) reason = sync_parent(to);
    if (reason == 0) reason = sync_parent(from);
    if (reason == 0) return HEED_OK;
    return HD_FAIL_ERRNO(reason, "can't rename to", "无法重命名为", to);
}

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_at(int dir, const char *name, const char *path, int depth);

// On its own for the sake of tools/tsan.supp.
static void leave_folder(DIR *dir) {
    closedir(dir);
}

// Empties the open folder. Works by descriptors, so that no symbolic link is ever followed.
static int remove_content(int fd, const char *path, int depth) {
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int reason = errno;
        close(fd);
        return reason;
    }
    int reason = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) reason = errno;
        if (!entry || (!is_dot(entry->d_name) &&
                       (reason = remove_at(dirfd(dir), entry->d_name, path, depth + 1)) != 0)) {
            break;
        }
    }
    leave_folder(dir);
    return reason;
}

static int remove_at(int dir, const char *name, const char *path, int depth) {
    int reason = sys_unlinkat(dir, name, 0, path);
    if (reason == ENOENT) return 0;
    if (reason != EISDIR && reason != EPERM) return reason;
    if (depth > MAX_DEPTH) return ELOOP;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOTDIR ? reason : errno;
    reason = remove_content(fd, path, depth);
    return reason != 0 ? reason : sys_unlinkat(dir, name, AT_REMOVEDIR, path);
}

heed_err hd_fs_remove(const char *path) {
    int reason = remove_at(AT_FDCWD, path, path, 0);
    if (reason == 0) return HEED_OK;
    return HD_FAIL_ERRNO(reason, "can't remove", "无法删除", path);
}

static int by_name(const void *a, const void *b) {
    char *const *x = a;
    char *const *y = b;
    return strcmp(*x, *y);
}

static heed_err collect(DIR *dir, const char *path, hd_arena *arena, char ***list, size_t *count,
                        size_t *cap) {
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry && errno != 0) return HD_FAIL_ERRNO(errno, "can't list", "无法列出", path);
        if (!entry) return HEED_OK;
        if (is_dot(entry->d_name)) continue;
        HD_TRY(hd_grow(list, cap, *count + 1, sizeof **list));
        char *name = hd_arena_strdup(arena, entry->d_name);
        if (!name) return HD_FAIL_MEMORY(strlen(entry->d_name) + 1);
        (*list)[(*count)++] = name;
    }
}

heed_err hd_fs_list(const char *path, hd_arena *arena, char ***names, size_t *count) {
    DIR *dir = opendir(path);
    if (!dir) return HD_FAIL_ERRNO(errno, "can't list", "无法列出", path);
    char **list = NULL;
    size_t n = 0, cap = 0;
    heed_err err = collect(dir, path, arena, &list, &n, &cap);
    leave_folder(dir);
    if (err == HEED_OK) {
        char **out = hd_arena_calloc(arena, n + 1, sizeof *out);
        if (!out) {
            err = HD_FAIL_MEMORY((n + 1) * sizeof *out);
        } else {
            if (n > 0) {
                qsort(list, n, sizeof *list, by_name);
                memcpy(out, list, n * sizeof *list);
            }
            *names = out;
            *count = n;
        }
    }
    hd_free(list);
    return err;
}

int hd_fs_dup(int fd, int least) {
    return fcntl(fd, F_DUPFD_CLOEXEC, least);
}

void hd_fs_dup_close(int fd) {
    if (fd >= 0) close(fd);
}

// ── A file that appears whole ──

struct hd_file {
    int fd;
    bool failed;
    char *path;
    char *temp;
    size_t used; // bytes in the buffer
    char buffer[BUFFER];
};

static void file_free(hd_file *file) {
    if (file->fd >= 0) close(file->fd);
    sodium_memzero(file->buffer, file->used); // it may have been a key
    hd_free(file->path);
    hd_free(file->temp);
    hd_free(file);
}

// Opens and locks the temporary file. Another writer may have renamed the one that was opened
// before the lock was ours: then the name leads elsewhere by now, and it is tried again.
static int open_temp(const char *temp, mode_t mode, int *out) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int fd;
        int reason = sys_open(temp, O_WRONLY | O_CREAT | O_NOFOLLOW, mode, &fd);
        if (reason != 0) return reason;
        struct stat mine, named;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            reason = errno;
        } else if (fstat(fd, &mine) < 0) {
            reason = errno;
        } else if (stat(temp, &named) == 0 && named.st_ino == mine.st_ino &&
                   named.st_dev == mine.st_dev) {
            if (ftruncate(fd, 0) == 0 && fchmod(fd, mode) == 0) {
                *out = fd;
                return 0;
            }
            reason = errno;
        }
        close(fd);
        if (reason != 0) return reason;
    }
    return EBUSY;
}

heed_err hd_file_create(const char *path, mode_t mode, hd_file **out) {
    hd_file *file = hd_alloc(sizeof *file);
    if (!file) return HD_FAIL_MEMORY(sizeof *file);
    file->fd = -1;
    file->failed = false;
    file->used = 0;
    size_t n = strlen(path);
    file->path = hd_strdup(path);
    file->temp = hd_alloc(n + sizeof ".tmp");
    if (!file->path || !file->temp) {
        file_free(file);
        return HD_FAIL_MEMORY(n);
    }
    memcpy(file->temp, path, n);
    memcpy(file->temp + n, ".tmp", sizeof ".tmp");
    int reason = hd_fs_is_dir(path) ? EISDIR : open_temp(file->temp, mode, &file->fd);
    if (reason != 0) {
        file_free(file);
        return HD_FAIL_ERRNO(reason, "can't write", "无法写入", path);
    }
    *out = file;
    return HEED_OK;
}

static heed_err flush(hd_file *file, const void *data, size_t n) {
    int reason = n > 0 ? sys_write(file->fd, file->path, data, n) : 0;
    if (reason == 0) return HEED_OK;
    file->failed = true;
    return HD_FAIL_ERRNO(reason, "can't write", "无法写入", file->path);
}

heed_err hd_file_write(hd_file *file, const void *data, size_t n) {
    if (n > sizeof file->buffer - file->used) {
        HD_TRY(flush(file, file->buffer, file->used));
        file->used = 0;
        if (n > sizeof file->buffer) return flush(file, data, n);
    }
    if (n > 0) memcpy(file->buffer + file->used, data, n);
    file->used += n;
    return HEED_OK;
}

static heed_err put_in_place(hd_file *file) {
    if (file->failed) {
        return HD_FAIL(HEED_IO, "can't finish '%s': an earlier write failed",
                       "无法完成“%s”：先前的写入失败", file->path);
    }
    HD_TRY(flush(file, file->buffer, file->used));
    int reason = sys_fsync(file->fd, file->path);
    if (reason == 0) reason = sys_rename(file->temp, file->path);
    if (reason != 0) return HD_FAIL_ERRNO(reason, "can't write", "无法写入", file->path);
    reason = sync_parent(file->path);
    if (reason != 0) return HD_FAIL_ERRNO(reason, "can't write", "无法写入", file->path);
    return HEED_OK;
}

heed_err hd_file_commit(hd_file *file) {
    heed_err err = put_in_place(file);
    if (err == HEED_OK) {
        file_free(file);
    } else {
        hd_file_abort(file);
    }
    return err;
}

void hd_file_abort(hd_file *file) {
    if (!file) return;
    // The lock is still ours, so the name is too. Nothing to do about a failure: the next writer
    // takes the file over.
    (void)sys_unlinkat(AT_FDCWD, file->temp, 0, file->temp);
    file_free(file);
}

heed_err hd_fs_write(const char *path, const void *data, size_t n, mode_t mode) {
    hd_file *file;
    HD_TRY(hd_file_create(path, mode, &file));
    heed_err err = hd_file_write(file, data, n);
    if (err == HEED_OK) return hd_file_commit(file);
    hd_file_abort(file);
    return err;
}
