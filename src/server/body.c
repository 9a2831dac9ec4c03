// SPDX-License-Identifier: Apache-2.0
//
// The file is written without fsync: it isn't an acknowledgement, only room that memory hasn't got.
// It is written on the loop's thread, which the page cache makes as quick as memory; a handler
// gets it by its path, since importers and child processes open paths, and takes it or leaves it.
// Rejected: O_TMPFILE, which some file systems lack and which has no path to hand on.
#include "server/body.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

static const char prefix[] = "body-";

void hd_body_init(hd_body *body) {
    *body = (hd_body){.limit = SIZE_MAX, .memory = SIZE_MAX, .fd = -1};
    hd_str_init(&body->text);
}

static void drop_file(hd_body *body) {
    if (body->fd >= 0) close(body->fd);
    body->fd = -1;
    if (body->path && hd_fs_remove(body->path) != HEED_OK) {
        // Another process removed the folder, say: nothing of ours is left to care for.
    }
    hd_free(body->path);
    body->path = NULL;
}

void hd_body_clear(hd_body *body) {
    drop_file(body);
    hd_str_clear(&body->text);
}

// A large buffer isn't kept for requests that may never come.
enum { KEEP = 64 * 1024 };

void hd_body_reset(hd_body *body) {
    drop_file(body);
    if (body->text.cap > KEEP)
        hd_str_clear(&body->text);
    else
        hd_str_reset(&body->text);
    body->size = 0;
    body->memory = SIZE_MAX;
    body->folder = NULL;
}

// A name that nobody has: by process, by address of the body, by what is free.
static heed_err open_file(hd_body *body) {
    for (unsigned i = 0;; i++) {
        hd_str path;
        hd_str_init(&path);
        hd_str_addf(&path, "%s/%s%ld-%zx-%u", body->folder, prefix, (long)getpid(),
                    (size_t)(uintptr_t)body, i);
        HD_TRY(hd_str_take(&path, &body->path));
        int reason = hd_fs_hook_call("open", body->path);
        if (reason == 0) {
            body->fd = open(body->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
            reason = body->fd < 0 ? errno : 0;
        }
        if (reason == 0) return HEED_OK;
        heed_err err = reason == EEXIST ? HEED_OK
                                        : HD_FAIL_ERRNO(reason, "can't write the body of a request",
                                                        "无法写入请求正文", body->path);
        hd_free(body->path);
        body->path = NULL;
        if (err != HEED_OK) return err;
    }
}

static heed_err write_file(hd_body *body, const char *bytes, size_t n) {
    while (n > 0) {
        int reason = hd_fs_hook_call("write", body->path);
        ssize_t done = reason ? -1 : write(body->fd, bytes, n);
        if (done < 0 && reason == 0) reason = errno;
        if (reason == EINTR) continue;
        if (reason != 0) {
            return HD_FAIL_ERRNO(reason, "can't write the body of a request", "无法写入请求正文",
                                 body->path);
        }
        bytes += done;
        n -= (size_t)done;
    }
    return HEED_OK;
}

static heed_err move_to_file(hd_body *body) {
    HD_TRY(open_file(body));
    HD_TRY(write_file(body, hd_str_get(&body->text), body->text.len));
    hd_str_clear(&body->text);
    return HEED_OK;
}

heed_err hd_body_add(hd_body *body, const char *bytes, size_t n) {
    body->size += n;
    if (body->folder && !body->path && body->size > body->memory) HD_TRY(move_to_file(body));
    if (body->path) return write_file(body, bytes, n);
    hd_str_addn(&body->text, bytes, n);
    return hd_str_check(&body->text);
}

char *hd_body_take(hd_body *body) {
    char *path = body->path;
    if (body->fd >= 0) close(body->fd);
    body->fd = -1;
    body->path = NULL;
    return path;
}

heed_err hd_body_sweep(const char *folder) {
    if (!hd_fs_is_dir(folder)) return HEED_OK;
    hd_arena arena;
    hd_arena_init(&arena);
    char **names;
    size_t n;
    heed_err err = hd_fs_list(folder, &arena, &names, &n);
    for (size_t i = 0; i < n && err == HEED_OK; i++) {
        if (strncmp(names[i], prefix, sizeof prefix - 1) != 0) continue;
        char *path = hd_fs_join(&arena, folder, names[i]);
        err = path ? hd_fs_remove(path) : HD_FAIL_MEMORY(strlen(folder));
    }
    hd_arena_clear(&arena);
    return err;
}
