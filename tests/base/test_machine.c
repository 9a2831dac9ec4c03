// SPDX-License-Identifier: Apache-2.0
//
// What memory a process can come to, with control groups of both versions made up in a folder.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/machine.h"

static char folder[] = "/tmp/heed-machine-XXXXXX";
static hd_arena arena;

static int setup(void **state) {
    (void)state;
    hd_arena_init(&arena);
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    hd_arena_clear(&arena);
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

static void put(const char *path, const char *text) {
    char *at = hd_fs_join(&arena, folder, path), *slash = strrchr(at, '/');
    *slash = '\0';
    assert_int_equal(hd_fs_mkdirs(at, 0700), HEED_OK);
    *slash = '/';
    assert_int_equal(hd_fs_write(at, text, strlen(text), 0600), HEED_OK);
}

static void test_the_machine_itself(void **state) {
    (void)state;
    const size_t all = hd_machine_memory(folder); // no groups there
    assert_true(all > 1 << 20 && all < SIZE_MAX);
    assert_true(hd_machine_memory("") > 0 && hd_machine_memory("") <= all);
}

static void test_groups_of_version_2(void **state) {
    (void)state;
    const size_t all = hd_machine_memory("/nowhere");
    put("proc/self/cgroup", "0::/system.slice/heed.service\n");
    put("sys/fs/cgroup/system.slice/heed.service/memory.max", "max\n");
    assert_int_equal(hd_machine_memory(folder), all);
    put("sys/fs/cgroup/system.slice/memory.max", "9000000\n"); // a group above holds too
    assert_int_equal(hd_machine_memory(folder), 9000000);
    put("sys/fs/cgroup/system.slice/heed.service/memory.max", "8000000\n");
    assert_int_equal(hd_machine_memory(folder), 8000000);
    // In a container the path isn't there, and the mount is the group.
    put("proc/self/cgroup", "0::/docker/0123\n");
    put("sys/fs/cgroup/memory.max", "7000000\n");
    assert_int_equal(hd_machine_memory(folder), 7000000);
    put("sys/fs/cgroup/memory.max", "18446744073709551615\n"); // more than there is
    assert_int_equal(hd_machine_memory(folder), all);
}

static void test_groups_of_version_1(void **state) {
    (void)state;
    const size_t all = hd_machine_memory("/nowhere");
    put("proc/self/cgroup", "9:cpu,cpuacct:/x\n4:hugememory:/x\n3:cpuset,memory:/a/b\n0::/\n");
    put("sys/fs/cgroup/memory.max", "max\n");
    put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "6000000\n");
    assert_int_equal(hd_machine_memory(folder), 6000000);
    put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"); // none
    assert_int_equal(hd_machine_memory(folder), all);
    put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000000\n"); // another one's
    assert_int_equal(hd_machine_memory(folder), all);
}

static void test_what_is_no_number(void **state) {
    (void)state;
    const size_t all = hd_machine_memory("/nowhere");
    static const char *const texts[] = {"", "-1\n", "some\n"};
    put("proc/self/cgroup", "nonsense\n0:\n0::/\n");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("sys/fs/cgroup/memory.max", texts[i]);
        assert_int_equal(hd_machine_memory(folder), all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_machine_itself),
        cmocka_unit_test(test_groups_of_version_2),
        cmocka_unit_test(test_groups_of_version_1),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests_name("base_machine", tests, setup, teardown);
}
