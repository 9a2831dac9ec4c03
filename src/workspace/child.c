// SPDX-License-Identifier: Apache-2.0
//
// A job's process shares a machine with the server that answers people: it takes half of the
// processors, steps back whenever the server has something to do, and is the one that the kernel
// ends when memory runs out. RLIMIT_DATA bounds what libraries take outside of base/mem.h; it
// stands above memory.limit, so that the polite refusal comes first.
//
// Stepping back: nice 10 alone leaves a job its slice of a few milliseconds when a request comes,
// and its processor looks taken to whoever looks for a free one: measured, the 99th percentile of
// 2,000 requests a second went from 1.0 to 3.3 ms. Under SCHED_IDLE it gives way at once, and its
// processor counts as free (1.7 ms). What it costs: nothing is left for it where others keep every
// processor busy; hence the setting, and only nice 10 for a job that keeps writers waiting.
#include "workspace/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"
#include "workspace/runner.h"

enum { NICE = 10, TELL_MS = 100, ROOM_BYTES = 256 << 20 };

static int64_t processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

static heed_err settle_threads(hd_settings *settings) {
    char number[24];
    int64_t n = hd_settings_int(settings, "jobs.threads");
    if (n == 0) n = processors() / 2;
    hd_snprintf(number, sizeof number, "%lld", (long long)(n > 1 ? n : 1));
    return hd_settings_set_flag(settings, "threads", number);
}

static void settle_memory(const hd_settings *settings) {
    int64_t bytes = hd_settings_int(settings, "jobs.memory");
    if (bytes == 0) return;
    hd_mem_limit_set((size_t)bytes);
    struct rlimit limit;
    rlim_t most = (rlim_t)bytes + ROOM_BYTES;
    if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_max < most) return;
    limit.rlim_cur = most;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

// What can't be had here (a container may forbid any of it) is done without.
static void step_back(void) {
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = write(fd, "500", 3);
    (void)n;
    close(fd);
}

// Whatever stands at that number must be the pipe: progress written into a database would be its
// end.
static heed_err need_pipe(void) {
    struct stat st;
    if (fstat(HD_JOB_PROGRESS_FD, &st) == 0 && S_ISFIFO(st.st_mode)) return HEED_OK;
    return HD_FAIL(HEED_USAGE, "'heed job run' is what a server starts: there is none above it",
                   "“heed job run”由服务器启动，而这里没有服务器");
}

heed_err hd_child_settle(hd_settings *settings) {
    HD_TRY(need_pipe());
    (void)fcntl(HD_JOB_PROGRESS_FD, F_SETFD, FD_CLOEXEC);
    step_back();
    settle_memory(settings);
    return settle_threads(settings);
}

void hd_child_give_way(const hd_settings *settings) {
    if (strcmp(hd_settings_text(settings, "jobs.priority"), "idle") != 0) return;
    const struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_IDLE, &none); // (refused: nice 10 it is)
}

heed_err hd_child_passphrase(hd_str *out) {
    struct stat st;
    char bytes[256];
    ssize_t n = -1;
    if (fstat(HD_JOB_SECRET_FD, &st) == 0 && S_ISFIFO(st.st_mode)) {
        while ((n = read(HD_JOB_SECRET_FD, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
            if (n > 0) hd_str_addn(out, bytes, (size_t)n);
        close(HD_JOB_SECRET_FD);
        explicit_bzero(bytes, sizeof bytes);
    }
    if (n == 0) return hd_str_check(out);
    return HD_FAIL(HEED_USAGE, "the server lent no passphrase", "服务器没有提供口令");
}

// A pipe that nobody reads ends this process by SIGPIPE: the server is gone.
static void send_line(const hd_str *line) {
    const char *p = line->data;
    size_t left = line->len;
    while (left > 0) {
        ssize_t n = write(HD_JOB_PROGRESS_FD, p, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        p += n;
        left -= (size_t)n;
    }
}

void hd_child_progress(void *ctx, hd_text what, double share) {
    hd_child *child = ctx;
    int64_t now = hd_time_monotonic();
    if (child->told && now - child->told < TELL_MS) return;
    child->told = now;
    char number[32];
    hd_str line;
    hd_str_init(&line);
    hd_json_number(share, number);
    hd_str_addf(&line, "{\"share\": %s, \"en\": ", number);
    hd_json_quote(&line, what.en, strlen(what.en));
    hd_str_add(&line, ", \"zh\": ");
    hd_json_quote(&line, what.zh, strlen(what.zh));
    hd_str_add(&line, "}\n");
    if (!line.failed) send_line(&line);
    hd_str_clear(&line);
}

static heed_err leave_error(const char *folder, const char *id) {
    hd_error failure;
    json_t *json = NULL;
    hd_error_get(&failure);
    HD_TRY(hd_json_pack(&json, "{s:s, s:s, s:s}", "code", heed_err_name(failure.code), "en",
                        failure.text[HEED_EN], "zh", failure.text[HEED_ZH]));
    heed_err err = hd_job_write(folder, id, "error.json", json);
    json_decref(json);
    return err;
}

heed_err hd_child_leave(const char *folder, const char *id, heed_err err, const json_t *result) {
    if (err != HEED_OK) HD_TRY(leave_error(folder, id));
    if (result) return hd_job_write(folder, id, "result.json", result);
    if (err != HEED_OK) return HEED_OK;
    json_t *nothing = json_object();
    if (!nothing) return HD_FAIL_MEMORY(0);
    err = hd_job_write(folder, id, "result.json", nothing);
    json_decref(nothing);
    return err;
}
