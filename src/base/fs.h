// SPDX-License-Identifier: Apache-2.0
//
// Files and folders. Whatever heed writes outside its database goes through here, so that it is
// durable when acknowledged, and so that tests can stop the process or fail at the n-th write.
#ifndef HD_BASE_FS_H
#define HD_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/str.h"

// Reads a whole file of at most `max` bytes (0: 1 GiB) in place of what stood in `out`. A folder, a
// missing or larger file is an error.
heed_err hd_fs_read(const char *path, size_t max, hd_str *out) HEED_CHECK;

// Writes the file whole or not at all: temporary file beside it, fsync, rename, fsync of the
// folder.
heed_err hd_fs_write(const char *path, const void *data, size_t n, mode_t mode) HEED_CHECK;
// Adds to the end of a file, which is made when it isn't there. Not fsync'd: for curves and logs,
// whose end a power cut may take.
heed_err hd_fs_append(const char *path, const void *data, size_t n, mode_t mode) HEED_CHECK;

// Makes a folder and its parents. Existing ones are fine.
heed_err hd_fs_mkdirs(const char *path, mode_t mode) HEED_CHECK;
// Renames, replacing a file, and makes the rename durable.
heed_err hd_fs_rename(const char *from, const char *to) HEED_CHECK;
// Removes a file, or a folder with all in it. Nothing there is fine.
heed_err hd_fs_remove(const char *path) HEED_CHECK;
bool hd_fs_exists(const char *path);
bool hd_fs_is_dir(const char *path);
// HEED_DENIED when the group or others may read or write the file or folder: for secrets.
heed_err hd_fs_private(const char *path) HEED_CHECK;
// Which file stands at a path: another one, or one written anew, has another stamp; nothing there
// is all zeros. To be compared by memcmp.
typedef struct hd_fs_stamp {
    uint64_t device, number;
    int64_t size, written, changed; // nanoseconds
} hd_fs_stamp;
void hd_fs_stamp_take(const char *path, hd_fs_stamp *out);
// Another descriptor of the same file, of `least` or above, that programs started later don't see;
// -1 with errno set. It is closed by hd_fs_dup_close, which passes over -1 (and is known by name in
// tools/tsan.supp).
int hd_fs_dup(int fd, int least);
void hd_fs_dup_close(int fd);
// Names in a folder, sorted, without "." and "..". NULL-terminated, in the arena.
heed_err hd_fs_list(const char *path, hd_arena *arena, char ***names, size_t *count) HEED_CHECK;
// "a/b"; in the arena, NULL: out of memory.
char *hd_fs_join(hd_arena *arena, const char *a, const char *b);

// A file written piece by piece and put in place by hd_file_commit; hd_file_abort leaves nothing. A
// crash leaves at most "<path>.tmp", which the next writer takes over. A second writer of the same
// path: HEED_BUSY. After a failed write only abort is left (commit fails).
typedef struct hd_file hd_file;
heed_err hd_file_create(const char *path, mode_t mode, hd_file **out) HEED_CHECK;
heed_err hd_file_write(hd_file *file, const void *data, size_t n) HEED_CHECK;
heed_err hd_file_commit(hd_file *file) HEED_CHECK; // frees the file, also when it fails
void hd_file_abort(hd_file *file);                 // frees the file; NULL is fine

// An exclusive lock held by this process until released or it ends. When another process holds it:
// HEED_BUSY and a message with that process's id and what it said in `who` ("heed train").
typedef struct hd_lock hd_lock;
heed_err hd_lock_take(const char *path, const char *who, hd_lock **out) HEED_CHECK;
void hd_lock_release(hd_lock *lock);
// The same, with up to `ms` of patience for whoever holds it: for locks that are held for moments.
heed_err hd_lock_wait(const char *path, const char *who, int64_t ms, hd_lock **out) HEED_CHECK;
// A lock can be lent to a child process: it inherits the descriptor, and both hold the lock until
// the last of them lets go. The child takes it over by hd_lock_adopt, which owns the descriptor
// from then on, also when it fails; HEED_BUSY: it doesn't hold the lock on that file.
int hd_lock_fd(const hd_lock *lock);
heed_err hd_lock_adopt(const char *path, int fd, hd_lock **out) HEED_CHECK;

// Test hook, called before each write, fsync, rename, unlink and mkdir with its name and path.
// Returns 0 to go on, else an errno to fail with (it may also end the process). NULL turns it off.
typedef int (*hd_fs_hook)(void *ctx, const char *call, const char *path);
void hd_fs_hook_set(hd_fs_hook hook, void *ctx);
// What the hook says: 0 to go on. For those who write by other means and want the same tests.
int hd_fs_hook_call(const char *call, const char *path);

#endif
