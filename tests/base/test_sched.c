// SPDX-License-Identifier: Apache-2.0
//
// Wishes to the scheduler. On a machine with one processor, or where they are refused, nothing
// changes, and that is what is checked there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sched.h"

static cpu_set_t mine(void) {
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

// The shares are apart, and together all there is; each thread has what stood before when it ends.
static void test_shares(void **state) {
    (void)state;
    const cpu_set_t all = mine();
    size_t n = (size_t)CPU_COUNT(&all);
    for (size_t of = 1; of <= n && of <= 8; of++) {
        cpu_set_t seen;
        CPU_ZERO(&seen);
        for (size_t i = 0; i < of; i++) {
            hd_processors before;
            hd_sched_share(i, of, &before);
            cpu_set_t share = mine(), both;
            CPU_AND(&both, &share, &seen);
            assert_true(CPU_COUNT(&share) > 0);
            assert_int_equal(CPU_COUNT(&both), 0);
            CPU_OR(&seen, &seen, &share);
            hd_sched_return(&before);
            share = mine();
            assert_true(CPU_EQUAL(&share, &all));
        }
        assert_true(CPU_EQUAL(&seen, &all));
    }
}

static void test_more_threads_than_processors(void **state) {
    (void)state;
    const cpu_set_t all = mine();
    hd_processors before;
    hd_sched_share(0, (size_t)CPU_COUNT(&all) + 1, &before);
    cpu_set_t now = mine();
    assert_true(CPU_EQUAL(&now, &all));
    hd_sched_return(&before);
    memset(&before, 0, sizeof before); // of a thread that could not ask
    hd_sched_return(&before);
    now = mine();
    assert_true(CPU_EQUAL(&now, &all));
}

static int nice_of_thread(void) {
    return getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void *be_patient(void *arg) {
    (void)arg;
    hd_sched_patient();
    return (void *)(intptr_t)nice_of_thread();
}

// The thread alone steps back.
static void test_patient(void **state) {
    (void)state;
    pthread_t thread;
    void *nice;
    int before = nice_of_thread();
    assert_int_equal(pthread_create(&thread, NULL, be_patient, NULL), 0);
    pthread_join(thread, &nice);
    assert_true((intptr_t)nice == 10 || before > 10);
    assert_int_equal(nice_of_thread(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_more_threads_than_processors),
        cmocka_unit_test(test_patient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
