// SPDX-License-Identifier: Apache-2.0
//
// A control group's limit stands in a file of its own folder, or of one above it: version 2 has
// memory.max ("max": none) in one tree for all, version 1 memory.limit_in_bytes in a tree of its
// own. In a container the tree may be mounted from its own group on, so that the path that
// /proc/self/cgroup names isn't there: the walk up ends at the mount itself, which is right then.
#include "base/machine.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

enum { MOST_BYTES = 1 << 20 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// The number in a file; SIZE_MAX where there is none.
static size_t number_in(const char *path) {
    hd_str text;
    int64_t value = -1;
    hd_str_init(&text);
    const bool read = hd_fs_exists(path) && hd_fs_read(path, MOST_BYTES, &text) == HEED_OK;
    if (read) (void)hd_slice_i64(hd_slice_trim((hd_slice){text.data, text.len}), &value);
    hd_str_clear(&text);
    return value < 0 ? SIZE_MAX : (size_t)value;
}

// The least limit from the group at `path` up to the mount.
static size_t limit_of(const char *root, const char *mount, const char *path, const char *name) {
    char at[PATH_MAX], file[PATH_MAX];
    size_t most = SIZE_MAX;
    hd_snprintf(at, sizeof at, "%s", path);
    while (true) {
        hd_snprintf(file, sizeof file, "%s%s%s/%s", root, mount, at, name);
        most = least(most, number_in(file));
        char *slash = strrchr(at, '/');
        if (!slash) return most;
        *slash = '\0';
    }
}

static bool has_memory(const char *controllers) {
    const char *found = strstr(controllers, "memory");
    return found && (found == controllers || found[-1] == ',') &&
           (found[6] == ',' || found[6] == '\0');
}

// A line of /proc/self/cgroup: "0::/path" of version 2, "4:memory:/path" of version 1.
static size_t line_limit(const char *root, char *line) {
    char *kind = strchr(line, ':'), *path = kind ? strchr(kind + 1, ':') : NULL;
    if (!path) return SIZE_MAX;
    *path++ = '\0';
    kind++;
    if (*kind == '\0') return limit_of(root, "/sys/fs/cgroup", path, "memory.max");
    if (!has_memory(kind)) return SIZE_MAX;
    return limit_of(root, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
}

static size_t groups_limit(const char *root) {
    char name[PATH_MAX];
    hd_str text;
    size_t most = SIZE_MAX;
    hd_str_init(&text);
    hd_snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    if (hd_fs_exists(name) && hd_fs_read(name, MOST_BYTES, &text) == HEED_OK) {
        char *rest = NULL;
        for (char *line = strtok_r(text.data, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
            most = least(most, line_limit(root, line));
    }
    hd_str_clear(&text);
    return most;
}

size_t hd_machine_memory(const char *root) {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    const size_t all = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
    return least(all, groups_limit(root));
}
