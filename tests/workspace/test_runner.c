// SPDX-License-Identifier: Apache-2.0
//
// The runner over processes of all kinds: some that work, some that are slow, die, don't listen, or
// can't be started; over a server that dies; and over heed itself, which trains and imports while
// the workspace is open for writing.
#include "shop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "api/start.h"
#include "workspace/child.h"
#include "workspace/runner.h"
#include "workspace/workspace.h"

static const char *heed; // the program

typedef struct stage {
    shop shop;
    heed_workspace *ws;
    hd_runner *runner;
    pthread_mutex_t mutex;
    int told; // calls of on_change
    char script[128];
} stage;

static void count_change(void *ctx, const char *folder, const char *job) {
    stage *s = ctx;
    pthread_mutex_lock(&s->mutex);
    s->told += folder[0] && job[0];
    pthread_mutex_unlock(&s->mutex);
}

static int open_stage(void **state) {
    stage *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    shop_open(&s->shop);
    s->ws = shop_workspace(&s->shop, HEED_WRITE);
    must(shop_import(s->ws, &s->shop, 0, 3, NULL));
    snprintf(s->script, sizeof s->script, "%s/job.sh", s->shop.dir);
    *state = s;
    return 0;
}

static void start(stage *s, const char *program, size_t most, int64_t kill_ms) {
    const hd_runner_params params = {.program = program,
                                     .max_running = most,
                                     .kill_ms = kill_ms,
                                     .on_change = count_change,
                                     .ctx = s};
    must(hd_runner_open(&params, &s->runner));
    must(hd_runner_add(s->runner, s->ws));
}

// A program for the runner: a shell script that is told W, the workspace, J, the job's folder, and
// which writes its progress to descriptor 3.
static void start_script(stage *s, const char *body, size_t most, int64_t kill_ms) {
    hd_str text;
    hd_str_init(&text);
    hd_str_addf(&text, "#!/bin/sh\nW=$2; ID=$6; J=$W/jobs/$ID\n%s\n", body);
    must(hd_fs_write(s->script, hd_str_get(&text), text.len, 0700));
    hd_str_clear(&text);
    start(s, s->script, most, kill_ms);
}

static int close_stage(void **state) {
    stage *s = *state;
    hd_runner_close(s->runner);
    heed_workspace_close(s->ws);
    shop_close(&s->shop);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return 0;
}

static void add_params(stage *s, const char *operation, json_t *params, char id[HD_JOB_ID]) {
    json_t *job = NULL;
    const hd_job_order order = {.operation = operation, .params = params, .by = "test"};
    must(hd_jobs_add(s->shop.folder, &order, &job));
    snprintf(id, HD_JOB_ID, "%s", json_string_value(json_object_get(job, "id")));
    json_decref(job);
    json_decref(params);
    if (s->runner) hd_runner_wake(s->runner);
}

static void add(stage *s, const char *operation, char id[HD_JOB_ID]) {
    add_params(s, operation, json_object(), id);
}

static hd_job_state state_of(const stage *s, const char *id) {
    json_t *job = NULL;
    must(hd_jobs_get(s->shop.folder, id, &job));
    hd_job_state state = hd_job_state_of(job);
    json_decref(job);
    return state;
}

static void rest(void) {
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL);
}

// The job as it stands once it is in that state; a minute is for machines that are busy.
static json_t *wait_for(const stage *s, const char *id, hd_job_state want) {
    json_t *job = NULL;
    for (int i = 0; i < 12000 && state_of(s, id) != want; i++) rest();
    must(hd_jobs_get(s->shop.folder, id, &job));
    if (hd_job_state_of(job) != want)
        fail_msg("job is %s: %s", json_string_value(json_object_get(job, "state")),
                 json_dumps(json_object_get(job, "error"), JSON_ENCODE_ANY));
    return job;
}

static void wait_and_drop(const stage *s, const char *id, hd_job_state want) {
    json_decref(wait_for(s, id, want));
}

static const char *error_of(const json_t *job) {
    const json_t *error = json_object_get(job, "error");
    const char *text = json_string_value(json_object_get(json_object_get(error, "message"), "en"));
    return text ? text : "";
}

static void cancel(stage *s, const char *id) {
    json_t *job = NULL;
    must(hd_jobs_cancel(s->shop.folder, id, &job));
    json_decref(job);
}

// ── Processes of all kinds ──

static void test_progress_and_result(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    start_script(s,
                 "echo 'not JSON' >&3\n"
                 "head -c 9000 /dev/zero | tr '\\0' x >&3; echo >&3\n"
                 "echo '{\"share\": 0.25, \"en\": \"a quarter\", \"zh\": \"四分之一\"}' >&3\n"
                 "printf '{\"share\": nul' >&3\n"
                 "while ! grep -q quarter $J/job.json; do sleep 0.01; done\n"
                 "echo '{\"n\": 5}' > $J/result.json",
                 0, 0);
    add(s, "train", id);
    json_t *job = wait_for(s, id, HD_JOB_DONE);
    const json_t *progress = json_object_get(job, "progress");
    assert_true(json_real_value(json_object_get(progress, "share")) == .25);
    assert_int_equal(json_integer_value(json_object_get(job, "exit_code")), 0);
    json_decref(job);
    must(hd_jobs_result(s->shop.folder, id, &job));
    assert_int_equal(json_integer_value(json_object_get(job, "n")), 5);
    json_decref(job);
    hd_runner_remove(s->runner, s->shop.folder); // all callbacks are over
    assert_true(s->told >= 3);
}

static void test_death(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    start_script(s, "kill -9 $$", 0, 0);
    add(s, "train", id);
    json_t *job = wait_for(s, id, HD_JOB_FAILED);
    assert_non_null(strstr(error_of(job), "killed"));
    assert_true(json_is_null(json_object_get(job, "exit_code")));
    json_decref(job);
}

static void test_program_that_isnt_there(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    start(s, "/nonexistent/heed", 0, 0);
    add(s, "train", id);
    json_t *job = wait_for(s, id, HD_JOB_FAILED);
    assert_non_null(strstr(error_of(job), "127"));
    json_decref(job);
}

static void test_cancel(void **state) {
    stage *s = *state;
    char polite[HD_JOB_ID];
    char deaf[HD_JOB_ID];
    start_script(s,
                 "case $(grep -c '\"deaf\"' $J/job.json) in 1) trap '' TERM;; esac\n"
                 "echo > $J/ready; while :; do sleep 0.05; done",
                 0, 300);
    add(s, "polite", polite);
    add(s, "deaf", deaf);
    char path[2][160];
    snprintf(path[0], sizeof path[0], "%s/jobs/%s/ready", s->shop.folder, polite);
    snprintf(path[1], sizeof path[1], "%s/jobs/%s/ready", s->shop.folder, deaf);
    while (!hd_fs_exists(path[0]) || !hd_fs_exists(path[1])) rest();
    cancel(s, polite);
    cancel(s, deaf);
    wait_and_drop(s, polite, HD_JOB_CANCELLED);
    wait_and_drop(s, deaf, HD_JOB_CANCELLED);
}

// One of an operation at a time; others run beside it; the next begins when it ends.
static void test_one_of_a_kind(void **state) {
    stage *s = *state;
    char first[HD_JOB_ID];
    char second[HD_JOB_ID];
    char other[HD_JOB_ID];
    start_script(s,
                 "while ! [ -e $W/go ]; do sleep 0.01; done\n"
                 "ls $W/jobs > $J/seen; echo '{}' > $J/result.json",
                 3, 0);
    add(s, "train", first);
    add(s, "train", second);
    add(s, "import", other);
    wait_and_drop(s, first, HD_JOB_RUNNING);
    wait_and_drop(s, other, HD_JOB_RUNNING);
    assert_int_equal(state_of(s, second), HD_JOB_QUEUED);
    assert_int_equal(hd_runner_running(s->runner), 2);
    char go[128];
    snprintf(go, sizeof go, "%s/go", s->shop.folder);
    must(hd_fs_write(go, "", 0, 0600));
    wait_and_drop(s, first, HD_JOB_DONE);
    wait_and_drop(s, second, HD_JOB_DONE);
    wait_and_drop(s, other, HD_JOB_DONE);
}

static void test_most_running(void **state) {
    stage *s = *state;
    char ids[3][HD_JOB_ID];
    start_script(s,
                 "[ $(grep -l '\"running\"' $W/jobs/*/job.json | wc -l) = 1 ] && "
                 "echo '{}' > $J/result.json",
                 1, 0);
    add(s, "one", ids[0]);
    add(s, "two", ids[1]);
    add(s, "three", ids[2]);
    for (int i = 0; i < 3; i++) wait_and_drop(s, ids[i], HD_JOB_DONE);
}

// Closing ends what runs, whether it listens or not; what is queued waits for the next server.
static void test_closing(void **state) {
    stage *s = *state;
    char running[HD_JOB_ID];
    char queued[HD_JOB_ID];
    start_script(s, "trap '' TERM; while :; do sleep 0.05; done", 0, 200);
    add(s, "train", running);
    add(s, "train", queued);
    wait_and_drop(s, running, HD_JOB_RUNNING);
    hd_runner_close(s->runner);
    s->runner = NULL;
    assert_int_equal(state_of(s, running), HD_JOB_FAILED);
    assert_int_equal(state_of(s, queued), HD_JOB_QUEUED);
    start_script(s, "echo '{}' > $J/result.json", 0, 0);
    wait_and_drop(s, queued, HD_JOB_DONE);
}

static void test_under_care_once(void **state) {
    stage *s = *state;
    start_script(s, "exit 0", 0, 0);
    assert_int_equal(hd_runner_add(s->runner, s->ws), HEED_CONFLICT);
    hd_runner_remove(s->runner, s->shop.folder);
    hd_runner_remove(s->runner, s->shop.folder); // not there: nothing done
    must(hd_runner_add(s->runner, s->ws));
}

// Nothing of the server's but the pipe and the lock is open in a child, and the lock is the lent
// one.
static void test_descriptors(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    int leaky = dup2(0, 77); // as a careless library would leave one
    start_script(s,
                 "ls /proc/$$/fd > $J/fds\n"
                 "readlink /proc/$$/fd/4 > $J/lock; echo $* > $J/words\n"
                 "echo '{}' > $J/result.json",
                 0, 0);
    add(s, "train", id);
    wait_and_drop(s, id, HD_JOB_DONE);
    close(leaky);
    char path[160];
    hd_str text;
    hd_str_init(&text);
    snprintf(path, sizeof path, "%s/jobs/%s/lock", s->shop.folder, id);
    must(hd_fs_read(path, 0, &text));
    assert_non_null(strstr(hd_str_get(&text), "/heed.lock\n"));
    snprintf(path, sizeof path, "%s/jobs/%s/words", s->shop.folder, id);
    must(hd_fs_read(path, 0, &text));
    assert_non_null(strstr(hd_str_get(&text), "--lent-lock\n"));
    snprintf(path, sizeof path, "%s/jobs/%s/fds", s->shop.folder, id);
    must(hd_fs_read(path, 0, &text));
    assert_null(strpbrk(hd_str_get(&text), "56789")); // the shell has its own at 10 and 11
    hd_str_clear(&text);
}

// ── A server that dies ──

static void test_server_dies(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    heed_workspace_close(s->ws);
    s->ws = NULL;
    add_params(s, "eval", json_pack("{s:i, s:s}", "bootstrap", 100000, "protocol", "loo"), id);
    pid_t server = fork();
    if (server == 0) {
        s->ws = shop_workspace(&s->shop, HEED_WRITE);
        start_script(s, "echo $$ > $W/pid.tmp; mv $W/pid.tmp $W/pid; exec sleep 1000", 0, 0);
        pause();
        _exit(0);
    }
    char path[128];
    hd_str text;
    hd_str_init(&text);
    snprintf(path, sizeof path, "%s/pid", s->shop.folder);
    while (!hd_fs_exists(path)) rest();
    must(hd_fs_read(path, 0, &text));
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(waitpid(server, NULL, 0), server);
    kill((pid_t)strtol(hd_str_get(&text), NULL, 10), SIGKILL); // heed itself does it: see below
    hd_str_clear(&text);
    assert_int_equal(state_of(s, id), HD_JOB_RUNNING); // as it was left
    heed_err err;
    do { // the lock is free when the last of them is gone
        rest();
        err = heed_workspace_open(s->shop.folder, HEED_WRITE, &s->ws);
    } while (err == HEED_BUSY);
    must(err);
    start_script(s, "exit 0", 0, 0);
    json_t *job = wait_for(s, id, HD_JOB_FAILED);
    assert_non_null(strstr(error_of(job), "the server ended while it ran"));
    json_decref(job);
}

// ── Heed itself ──

static void test_training(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    json_t *result = NULL;
    start(s, heed, 0, 0);
    add_params(s, "train", json_pack("{s:[s]}", "methods", "popular"), id);
    wait_and_drop(s, id, HD_JOB_DONE);
    must(hd_jobs_result(s->shop.folder, id, &result));
    assert_string_equal(json_string_value(json_object_get(result, "version")), "000001");
    json_decref(result);
}

// An import by a job while the server writes too: both are whole, one after the other.
static void test_import_beside_a_writer(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "event_id,user_id,item_id,type,time\n");
    for (int i = 0; i < 8000; i++)
        hd_str_addf(&text, "j%d,u%d,i%d,view,%d\n", i, i % 500, i % 6 + 1, 1795000000 + i);
    const char *path = shop_write(&s->shop, 3, "more.csv", hd_str_get(&text));
    hd_str_clear(&text);
    start(s, heed, 0, 0);
    add_params(s, "import", json_pack("{s:[s], s:s}", "file", path, "as", "events"), id);
    int merged = 0;
    char name[16];
    char rows[64];
    while (!hd_job_ended(state_of(s, id)) || merged < 3) {
        snprintf(name, sizeof name, "w%d", merged);
        snprintf(rows, sizeof rows, "user_id,city\n%s,Rome\n", name);
        shop_write(&s->shop, 4, "one.csv", rows);
        heed_err err = shop_import(s->ws, &s->shop, 4, 1, NULL);
        if (err == HEED_BUSY) continue; // a busy machine: the job took longer than one waits
        must(err);
        do {
            err = heed_users_merge(s->ws, name, "u1");
        } while (err == HEED_BUSY);
        must(err);
        merged++;
    }
    wait_and_drop(s, id, HD_JOB_DONE);
    json_t *result = NULL;
    must(hd_jobs_result(s->shop.folder, id, &result));
    const json_t *file = json_array_get(json_object_get(result, "files"), 0);
    assert_int_equal(json_integer_value(json_object_get(file, "new")), 8000);
    json_decref(result);
    // nobody else got the lock meanwhile, and it is still ours
    heed_workspace *second = NULL;
    assert_int_equal(heed_workspace_open(s->shop.folder, HEED_WRITE, &second), HEED_BUSY);
}

static void test_failing_operation(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    start(s, heed, 0, 0);
    add_params(s, "import", json_pack("{s:[s]}", "file", "/nonexistent/rows.csv"), id);
    json_t *job = wait_for(s, id, HD_JOB_FAILED);
    assert_non_null(strstr(error_of(job), "/nonexistent/rows.csv"));
    assert_true(json_integer_value(json_object_get(job, "exit_code")) > 0);
    json_decref(job);
    add(s, "version", id); // not one that runs as a job
    job = wait_for(s, id, HD_JOB_FAILED);
    assert_non_null(strstr(error_of(job), "'version'"));
    json_decref(job);
}

// A job that eats its memory fails politely, and takes nobody with it.
static void test_memory(void **state) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("skipped: the sanitizer itself maps more than any limit\n");
    skip();
#endif
    stage *s = *state;
    char id[HD_JOB_ID];
    setenv("HEED_JOBS_MEMORY", "300KB", 1);
    start(s, heed, 0, 0);
    add(s, "train", id);
    json_t *job = wait_for(s, id, HD_JOB_FAILED);
    unsetenv("HEED_JOBS_MEMORY");
    const char *code = json_string_value(json_object_get(json_object_get(job, "error"), "code"));
    assert_string_equal(code, "MEMORY");
    json_decref(job);
}

// By hand, without a server above it, it refuses: descriptor 3 could be anything.
static void test_run_by_hand(void **state) {
    stage *s = *state;
    char id[HD_JOB_ID];
    char command[512];
    add(s, "train", id);
    snprintf(command, sizeof command, "%s --workspace %s job run %s 3>&- 2>/dev/null", heed,
             s->shop.folder, id);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_int_equal(state_of(s, id), HD_JOB_QUEUED);
}

// Idle: behind everything else, whatever its niceness. On a thread, since there is no way back.
static void *give_way(void *ctx) {
    const char *priority = ctx;
    hd_settings *settings;
    must(hd_start_settings(&settings));
    must(hd_settings_set_flag(settings, "jobs.priority", priority));
    hd_child_give_way(settings);
    hd_settings_free(settings);
    return (void *)(intptr_t)sched_getscheduler(0);
}

static void test_priority(void **state) {
    (void)state;
    pthread_t thread;
    void *policy;
    assert_int_equal(pthread_create(&thread, NULL, give_way, (void *)(uintptr_t) "low"), 0);
    pthread_join(thread, &policy);
    assert_int_equal((intptr_t)policy, SCHED_OTHER);
    assert_int_equal(pthread_create(&thread, NULL, give_way, (void *)(uintptr_t) "idle"), 0);
    pthread_join(thread, &policy);
    assert_int_equal((intptr_t)policy, SCHED_IDLE);
}

int main(int argc, char **argv) {
    (void)argc;
    heed = argv[1];
    setenv("HEED_JOBS_PRIORITY", "low", 0); // other tests keep the processors busy
    unsetenv("HEED_LANG");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_progress_and_result, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_death, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_program_that_isnt_there, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_cancel, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_one_of_a_kind, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_most_running, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_closing, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_under_care_once, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_descriptors, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_server_dies, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_training, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_import_beside_a_writer, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_failing_operation, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_memory, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(test_run_by_hand, open_stage, close_stage),
        cmocka_unit_test(test_priority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
