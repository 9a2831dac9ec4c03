// SPDX-License-Identifier: Apache-2.0
//
// Each run: a copy of the prepared folder, a forked child that works and may crash, a second child
// that verifies. Verifying in a child keeps what one run leaves in memory (a handle that a fault
// found its way into, a library's state) out of the next.

#include "drive.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { WHY = 1024, DIR_MAX = 128 };

typedef struct shared {
    tally t;
    bool sound;
    char why[WHY];
} shared;

typedef struct bench {
    const workload *w;
    char root[64];
    char template[DIR_MAX];
    char dir[DIR_MAX];
    shared *s;
} bench;

bool drive_wrong(char *why, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return false;
}

bool drive_failed(char *why, size_t size, const char *what) {
    return drive_wrong(why, size, "%s: %s", what, heed_error_message(HEED_EN));
}

static uint64_t rounds_of(const workload *w) {
    const char *text = getenv("HEED_FAULTS");
    int64_t n = 0;
    return text && hd_slice_i64(hd_slice_of(text), &n) && n > 0 ? (uint64_t)n : w->sample;
}

// ── Folders ─────────────────────────────────────────────────────────────────────────────────────

static const char *copy_from, *copy_to; // nftw has no context

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)ftw;
    char to[2 * DIR_MAX + 256];
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D) return mkdir(to, 0700);
    hd_str data = {0};
    if (hd_fs_read(path, 0, &data) != HEED_OK) return -1;
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st->st_mode & 0777);
    bool written = fd >= 0 && write(fd, data.data, data.len) == (ssize_t)data.len;
    if (fd >= 0) close(fd);
    hd_str_clear(&data);
    return written ? 0 : -1;
}

void drive_copy(const char *from, const char *to) {
    copy_from = from, copy_to = to;
    assert_int_equal(nftw(from, copy_one, 16, FTW_PHYS), 0);
}

// ── Children ────────────────────────────────────────────────────────────────────────────────────

// Waits; the exit code, or 1000 + the signal.
static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void note_error(tally *t, heed_err err) {
    t->err = err;
    if (err != HEED_OK) snprintf(t->message, sizeof t->message, "%s", heed_error_message(HEED_EN));
}

static void child_prepare(bench *b) {
    note_error(&b->s->t, b->w->prepare(b->template));
    exit(0);
}

static void child_run(bench *b, const fault_plan *plan) {
    fault_install(b->root);
    fault_begin(plan);
    heed_err err = b->w->run(b->dir, &b->s->t);
    b->s->t.calls = fault_end();
    note_error(&b->s->t, err);
    exit(0);
}

static void child_verify(bench *b) {
    b->s->sound = b->w->verify(b->dir, &b->s->t, b->s->why, WHY);
    exit(0);
}

static pid_t start(void) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    return pid;
}

static void set_up(bench *b, const workload *w) {
    *b = (bench){.w = w};
    snprintf(b->root, sizeof b->root, "%s/heed-fault-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    assert_non_null(mkdtemp(b->root));
    snprintf(b->template, sizeof b->template, "%s/template", b->root);
    snprintf(b->dir, sizeof b->dir, "%s/work", b->root);
    assert_int_equal(mkdir(b->template, 0700), 0);
    b->s = mmap(NULL, sizeof *b->s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(b->s, MAP_FAILED);
    if (!w->prepare) return;
    pid_t pid = start();
    if (pid == 0) child_prepare(b);
    assert_int_equal(wait_for(pid), 0);
    if (b->s->t.err != HEED_OK) fail_msg("%s: preparing: %s", w->name, b->s->t.message);
}

static void tear_down(bench *b) {
    assert_int_equal(hd_fs_remove(b->root), HEED_OK);
    munmap(b->s, sizeof *b->s);
}

// ── One run ─────────────────────────────────────────────────────────────────────────────────────

// Whether the child ended as the plan would have it.
static bool ended_well(const bench *b, const fault_plan *plan, int code, char *why, size_t size) {
    const tally *t = &b->s->t;
    if (plan->kind == FAULT_CRASH && code == FAULT_EXIT) return true;
    if (code != 0) return drive_wrong(why, size, "the child ended with %d", code);
    if (t->err == HEED_OK) return true;
    if (plan->kind == FAULT_FULL && t->err == HEED_FULL) return true;
    if (plan->kind == FAULT_IO && t->err == HEED_IO) return true;
    return drive_wrong(why, size, "failed with %s: %s", heed_err_name(t->err), t->message);
}

static bool run_once(bench *b, const fault_plan *plan, char *why, size_t size) {
    assert_int_equal(hd_fs_remove(b->dir), HEED_OK);
    drive_copy(b->template, b->dir);
    memset(b->s, 0, sizeof *b->s);
    pid_t pid = start();
    if (pid == 0) child_run(b, plan);
    if (!ended_well(b, plan, wait_for(pid), why, size)) return false;
    pid = start();
    if (pid == 0) child_verify(b);
    int code = wait_for(pid);
    if (code != 0) return drive_wrong(why, size, "the verifying child ended with %d", code);
    if (!b->s->sound) return drive_wrong(why, size, "%s", b->s->why);
    return true;
}

bool drive_once(const workload *w, const fault_plan *plan, uint64_t *calls, char *why,
                size_t size) {
    bench b;
    set_up(&b, w);
    bool sound = run_once(&b, plan, why, size);
    if (calls) *calls = b.s->t.calls;
    tear_down(&b);
    return sound;
}

// How many calls the workload makes without faults, which must be sound, too.
static uint64_t count_calls(bench *b) {
    char why[WHY];
    fault_plan none = {.kind = FAULT_NONE};
    if (!run_once(b, &none, why, sizeof why)) fail_msg("%s, without faults: %s", b->w->name, why);
    assert_int_equal(b->s->t.err, HEED_OK);
    assert_true(b->s->t.calls > 0);
    return b->s->t.calls;
}

// The i-th of `rounds` calls to hit: each in turn when there are few, else seeded ones.
static uint64_t call_at(uint64_t i, uint64_t rounds, uint64_t calls) {
    return calls <= rounds ? 1 + i % calls : 1 + hd_rng_at(20260101, 9, i) % calls;
}

static const char *const kind_names[] = {"none", "crash", "disk full", "I/O error"};

static void meet(bench *b, fault_kind kind, bool onwards, uint64_t rounds, uint64_t calls) {
    char why[WHY];
    for (uint64_t i = 0; i < rounds; i++) {
        fault_plan plan = {kind, call_at(i, rounds, calls), onwards, 1000 + i};
        if (run_once(b, &plan, why, sizeof why)) continue;
        fail_msg("%s: %s at call %llu of %llu%s, seed %llu: %s", b->w->name, kind_names[kind],
                 (unsigned long long)plan.at, (unsigned long long)calls,
                 onwards ? " and from then on" : "", (unsigned long long)plan.seed, why);
    }
}

void drive_all(const workload *w) {
    bench b;
    uint64_t rounds = rounds_of(w);
    set_up(&b, w);
    uint64_t calls = count_calls(&b);
    meet(&b, FAULT_CRASH, false, rounds, calls);
    meet(&b, FAULT_FULL, false, rounds, calls);
    meet(&b, FAULT_FULL, true, rounds, calls);
    meet(&b, FAULT_IO, false, rounds, calls);
    meet(&b, FAULT_IO, true, rounds, calls);
    print_message("%s: %llu calls, %llu crashes and %llu failures met\n", w->name,
                  (unsigned long long)calls, (unsigned long long)rounds,
                  (unsigned long long)(4 * rounds));
    tear_down(&b);
}

uint64_t drive_crashes_found(const workload *w, uint64_t rounds) {
    bench b;
    char why[WHY];
    uint64_t found = 0;
    set_up(&b, w);
    uint64_t calls = count_calls(&b);
    for (uint64_t i = 0; i < rounds; i++) {
        fault_plan plan = {FAULT_CRASH, call_at(i, rounds, calls), false, 1000 + i};
        if (!run_once(&b, &plan, why, sizeof why)) found++;
    }
    tear_down(&b);
    return found;
}
