// SPDX-License-Identifier: Apache-2.0
//
// Jobs as files: what is added, listed, changed and removed; what stands after a stop or a failing
// allocation at every place.
#include "shop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/time.h"
#include "workspace/jobs.h"

static int open_folder(void **state) {
    static char dir[64];
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(dir, sizeof dir, "%s/heed-jobs-XXXXXX", place);
    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int close_folder(void **state) {
    return hd_fs_remove(*state) == HEED_OK ? 0 : -1;
}

static heed_err try_add(const char *folder, const char *operation, json_t **job) {
    json_t *params = json_pack("{s:i}", "seed", 7);
    if (!params) return HEED_MEMORY;
    const hd_job_order order = {.operation = operation, .params = params, .by = "k7q2m4ta"};
    heed_err err = hd_jobs_add(folder, &order, job);
    json_decref(params);
    return err;
}

static const char *text_of(const json_t *job, const char *key) {
    const char *text = json_string_value(json_object_get(job, key));
    return text ? text : "";
}

static void add(const char *folder, const char *operation, char id[HD_JOB_ID]) {
    json_t *job = NULL;
    must(try_add(folder, operation, &job));
    snprintf(id, HD_JOB_ID, "%s", text_of(job, "id"));
    json_decref(job);
}

static hd_job_state state_of(const char *folder, const char *id) {
    json_t *job = NULL;
    must(hd_jobs_get(folder, id, &job));
    hd_job_state state = hd_job_state_of(job);
    json_decref(job);
    return state;
}

static void leave(const char *folder, const char *id, const char *name, const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/jobs/%s/%s", folder, id, name);
    must(hd_fs_write(path, text, strlen(text), 0600));
}

static bool is_there(const char *folder, const char *id, const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/jobs/%s/%s", folder, id, name);
    return hd_fs_exists(path);
}

static void test_adding(void **state) {
    const char *folder = *state;
    json_t *job = NULL;
    json_t *again = NULL;
    must(try_add(folder, "train", &job));
    assert_string_equal(text_of(job, "operation"), "train");
    assert_string_equal(text_of(job, "by"), "k7q2m4ta");
    assert_string_equal(text_of(job, "lang"), "en");
    assert_int_equal(hd_job_state_of(job), HD_JOB_QUEUED);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(job, "params"), "seed")),
                     7);
    assert_true(json_is_null(json_object_get(job, "started")));
    must(hd_jobs_get(folder, text_of(job, "id"), &again));
    assert_true(json_equal(job, again));
    json_decref(again);
    json_decref(job);

    struct stat st;
    char path[160];
    snprintf(path, sizeof path, "%s/jobs", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

// Within one millisecond too, ids grow and none is given twice.
static void test_ids_grow(void **state) {
    const char *folder = *state;
    char before[HD_JOB_ID] = "";
    setenv("HEED_NOW", "2026-11-22T00:00:00Z", 1);
    for (int i = 0; i < 12; i++) {
        char id[HD_JOB_ID];
        add(folder, "train", id);
        assert_true(strcmp(id, before) > 0);
        memcpy(before, id, sizeof id);
    }
    unsetenv("HEED_NOW");
}

static void test_upload(void **state) {
    const char *folder = *state;
    char from[128];
    json_t *job = NULL;
    json_t *params = json_pack("{s:s}", "as", "events");
    snprintf(from, sizeof from, "%s/spool", folder);
    must(hd_fs_write(from, "rows", 4, 0600));
    const hd_job_order order = {.operation = "import",
                                .params = params,
                                .lang = HEED_ZH,
                                .upload_param = "file",
                                .upload_path = from};
    must(hd_jobs_add(folder, &order, &job));
    const char *path = text_of(json_object_get(job, "params"), "file");
    assert_false(hd_fs_exists(from));
    assert_true(hd_fs_exists(path));
    assert_string_equal(text_of(job, "lang"), "zh");
    assert_null(json_object_get(params, "file")); // the caller's own stays as it was
    json_t *cancelled = NULL;
    must(hd_jobs_cancel(folder, text_of(job, "id"), &cancelled));
    assert_false(hd_fs_exists(path)); // it may hold what people did
    json_decref(cancelled);
    json_decref(job);
    json_decref(params);
}

static void test_states(void **state) {
    const char *folder = *state;
    char id[HD_JOB_ID];
    bool cancel = true;
    json_t *job = NULL;
    add(folder, "train", id);
    must(hd_jobs_start(folder, id, NULL));
    assert_int_equal(hd_jobs_start(folder, id, NULL), HEED_CONFLICT);
    must(hd_jobs_progress(folder, id, "half", "一半", .5, &cancel));
    assert_false(cancel);
    must(hd_jobs_get(folder, id, &job));
    const json_t *progress = json_object_get(job, "progress");
    assert_true(json_real_value(json_object_get(progress, "share")) == .5);
    assert_string_equal(text_of(json_object_get(progress, "text"), "zh"), "一半");
    json_decref(job);

    leave(folder, id, "result.json", "{\"version\": \"000001\"}");
    must(hd_jobs_end(folder, id, 0, 0));
    assert_int_equal(state_of(folder, id), HD_JOB_DONE);
    must(hd_jobs_result(folder, id, &job));
    assert_string_equal(text_of(job, "version"), "000001");
    json_decref(job);
    assert_int_equal(hd_jobs_end(folder, id, 0, 0), HEED_CONFLICT);
    assert_int_equal(hd_jobs_cancel(folder, id, &job), HEED_CONFLICT);
}

static void end_and_expect(const char *folder, const char *files, int code, int signal, bool cancel,
                           hd_job_state want, const char *error) {
    char id[HD_JOB_ID];
    json_t *job = NULL;
    add(folder, "train", id);
    must(hd_jobs_start(folder, id, NULL));
    if (cancel) must(hd_jobs_cancel(folder, id, &job));
    json_decref(job);
    if (strchr(files, 'r')) leave(folder, id, "result.json", "{}");
    if (strchr(files, 'e'))
        leave(folder, id, "error.json",
              "{\"code\": \"INPUT\", \"en\": \"no data\", \"zh\": \"没有数据\"}");
    if (strchr(files, 'x')) leave(folder, id, "error.json", "not JSON");
    must(hd_jobs_end(folder, id, code, signal));
    must(hd_jobs_get(folder, id, &job));
    assert_int_equal(hd_job_state_of(job), want);
    const json_t *told = json_object_get(job, "error");
    if (!error)
        assert_true(json_is_null(told));
    else
        assert_string_equal(text_of(told, "code"), error);
    assert_int_equal(json_is_true(json_object_get(job, "has_result")), strchr(files, 'r') != NULL);
    json_decref(job);
}

// What became of a process, by what it left and how it ended.
static void test_ends(void **state) {
    const char *folder = *state;
    end_and_expect(folder, "r", 0, 0, false, HD_JOB_DONE, NULL);
    end_and_expect(folder, "r", 0, 0, true, HD_JOB_DONE, NULL); // it was done before it heard
    end_and_expect(folder, "e", 4, 0, false, HD_JOB_FAILED, "INPUT");
    end_and_expect(folder, "er", 4, 0, false, HD_JOB_FAILED, "INPUT"); // found before it failed
    end_and_expect(folder, "x", 4, 0, false, HD_JOB_FAILED, "FAILED");
    end_and_expect(folder, "e", 130, 0, true, HD_JOB_CANCELLED, NULL);
    end_and_expect(folder, "", -1, SIGKILL, true, HD_JOB_CANCELLED, NULL);
    end_and_expect(folder, "", -1, SIGKILL, false, HD_JOB_FAILED, "FAILED");
    end_and_expect(folder, "", -1, SIGSEGV, false, HD_JOB_FAILED, "FAILED");
    end_and_expect(folder, "", -1, SIGTERM, false, HD_JOB_FAILED, "INTERRUPTED");
    end_and_expect(folder, "", 0, 0, false, HD_JOB_FAILED, "FAILED");   // it left nothing
    end_and_expect(folder, "r", -1, SIGKILL, false, HD_JOB_DONE, NULL); // after its last word
}

static void test_orphans(void **state) {
    const char *folder = *state;
    char dead[HD_JOB_ID];
    char finished[HD_JOB_ID];
    char queued[HD_JOB_ID];
    size_t n = 9;
    must(hd_jobs_orphans(folder, &n));
    assert_int_equal(n, 0);
    add(folder, "train", dead);
    add(folder, "import", finished);
    add(folder, "eval", queued);
    must(hd_jobs_start(folder, dead, NULL));
    must(hd_jobs_start(folder, finished, NULL));
    leave(folder, finished, "result.json", "{}");
    must(hd_jobs_orphans(folder, &n));
    assert_int_equal(n, 2);
    assert_int_equal(state_of(folder, dead), HD_JOB_FAILED);
    assert_int_equal(state_of(folder, finished), HD_JOB_DONE);
    assert_int_equal(state_of(folder, queued), HD_JOB_QUEUED);
    json_t *job = NULL;
    must(hd_jobs_get(folder, dead, &job));
    assert_non_null(strstr(text_of(json_object_get(json_object_get(job, "error"), "message"), "en"),
                           "the server ended while it ran"));
    json_decref(job);
}

static size_t page(const char *folder, int state, char cursor[HD_JOB_ID], size_t limit) {
    json_t *list = NULL;
    must(hd_jobs_list(folder, state, cursor[0] ? cursor : NULL, limit, &list));
    size_t n = json_array_size(json_object_get(list, "jobs"));
    snprintf(cursor, HD_JOB_ID, "%s", text_of(list, "next_cursor"));
    json_decref(list);
    return n;
}

static void test_listing(void **state) {
    const char *folder = *state;
    char id[HD_JOB_ID];
    char cursor[HD_JOB_ID] = "";
    json_t *list = NULL;
    must(hd_jobs_list(folder, -1, NULL, 5, &list)); // before there is any
    assert_int_equal(json_array_size(json_object_get(list, "jobs")), 0);
    json_decref(list);
    for (int i = 0; i < 7; i++) {
        add(folder, "train", id);
        if (i % 2 == 0) must(hd_jobs_start(folder, id, NULL));
    }
    assert_int_equal(page(folder, -1, cursor, 3), 3);
    assert_int_equal(page(folder, -1, cursor, 3), 3);
    assert_int_equal(page(folder, -1, cursor, 3), 1);
    assert_string_equal(cursor, "");
    assert_int_equal(page(folder, HD_JOB_RUNNING, cursor, 4), 4);
    assert_string_equal(cursor, ""); // what follows is in another state
    assert_int_equal(page(folder, HD_JOB_RUNNING, cursor, 3), 3);
    assert_string_not_equal(cursor, "");
    assert_int_equal(page(folder, HD_JOB_RUNNING, cursor, 3), 1);
    assert_int_equal(hd_jobs_list(folder, -1, "../..", 3, &list), HEED_INPUT);

    leave(folder, id, "job.json", "{\"state\":"); // one that somebody broke hides no other
    cursor[0] = '\0';
    assert_int_equal(page(folder, -1, cursor, 9), 6);
    assert_int_equal(hd_jobs_get(folder, id, &list), HEED_CORRUPT);
}

static void test_hostile_ids(void **state) {
    const char *folder = *state;
    static const char *const ids[] = {"",
                                      "..",
                                      "../../etc/passwd",
                                      "1795336200123/..",
                                      "1",
                                      "1795336200123999999999999",
                                      "179533620012x",
                                      NULL};
    for (size_t i = 0; ids[i]; i++) {
        json_t *job = NULL;
        assert_int_equal(hd_jobs_get(folder, ids[i], &job), HEED_NOT_FOUND);
        assert_int_equal(hd_jobs_cancel(folder, ids[i], &job), HEED_NOT_FOUND);
        assert_null(job);
    }
}

static void test_events(void **state) {
    const char *folder = *state;
    char id[HD_JOB_ID];
    int64_t seen = 0;
    bool ended = true;
    bool cancel;
    hd_str text;
    hd_str_init(&text);
    add(folder, "train", id);
    must(hd_job_event(folder, id, &seen, &ended, &text));
    assert_non_null(strstr(hd_str_get(&text), "event: progress\ndata: {"));
    assert_null(strstr(hd_str_get(&text), "seed")); // no parameters
    assert_false(ended);
    hd_str_reset(&text);
    must(hd_job_event(folder, id, &seen, &ended, &text));
    assert_int_equal(text.len, 0); // nothing is new
    must(hd_jobs_start(folder, id, NULL));
    must(hd_jobs_progress(folder, id, "a", "b", -1, &cancel));
    must(hd_jobs_end(folder, id, 1, 0));
    must(hd_job_event(folder, id, &seen, &ended, &text));
    assert_true(ended);
    assert_non_null(strstr(hd_str_get(&text), "event: end\n"));
    assert_memory_equal(hd_str_get(&text) + text.len - 2, "\n\n", 2);
    hd_str_clear(&text);
}

static void test_pruning(void **state) {
    const char *folder = *state;
    char id[6][HD_JOB_ID];
    char left[160];
    for (int i = 0; i < 6; i++) {
        setenv("HEED_NOW", i < 2 ? "2026-01-01T00:00:00Z" : "2026-11-22T00:00:00Z", 1);
        add(folder, "train", id[i]);
        if (i != 0) must(hd_jobs_start(folder, id[i], NULL));
        if (i != 0) must(hd_jobs_end(folder, id[i], 0, 0));
    }
    snprintf(left, sizeof left, "%s/jobs/.new-1795336200123/x", folder);
    must(hd_fs_mkdirs(left, 0700));
    must(hd_jobs_prune(folder, 30, 3));
    assert_true(is_there(folder, id[0], ""));  // old, but it waits
    assert_false(is_there(folder, id[1], "")); // old
    assert_false(is_there(folder, id[2], "")); // beyond three
    for (int i = 3; i < 6; i++) assert_true(is_there(folder, id[i], ""));
    assert_false(hd_fs_exists(left));
    unsetenv("HEED_NOW");
}

// Cancelling and starting one job at once: exactly one of them has it.
typedef struct racer {
    const char *folder;
    const char *id;
    heed_err err;
} racer;

static void *race_start(void *ctx) {
    racer *r = ctx;
    r->err = hd_jobs_start(r->folder, r->id, NULL);
    return NULL;
}

static void test_start_against_cancel(void **state) {
    for (int i = 0; i < 30; i++) {
        char id[HD_JOB_ID];
        pthread_t thread;
        json_t *job = NULL;
        add(*state, "train", id);
        racer r = {*state, id, HEED_OK};
        assert_int_equal(pthread_create(&thread, NULL, race_start, &r), 0);
        must(hd_jobs_cancel(*state, id, &job));
        assert_int_equal(pthread_join(thread, NULL), 0);
        json_decref(job);
        hd_job_state now = state_of(*state, id);
        assert_int_equal(now, r.err == HEED_OK ? HD_JOB_RUNNING : HD_JOB_CANCELLED);
        must(hd_jobs_get(*state, id, &job));
        assert_true(json_is_true(json_object_get(job, "cancel")));
        json_decref(job);
    }
}

// ── A stop, and no memory, everywhere ──

static int countdown;
static int stop_at(void *ctx, const char *call, const char *path) {
    (void)ctx, (void)call, (void)path;
    if (--countdown == 0) _exit(77);
    return 0;
}

// The life of a job; in a child that ends at the n-th call. Returns its exit code.
static int live_until(const char *folder, int n) {
    pid_t child = fork();
    if (child == 0) {
        json_t *job = NULL;
        bool cancel;
        countdown = n;
        hd_fs_hook_set(stop_at, NULL);
        if (try_add(folder, "train", &job) != HEED_OK) _exit(1);
        const char *id = text_of(job, "id");
        if (hd_jobs_start(folder, id, NULL) != HEED_OK) _exit(2);
        if (hd_jobs_progress(folder, id, "a", "b", .5, &cancel) != HEED_OK) _exit(3);
        if (hd_job_write(folder, id, "result.json", job) != HEED_OK) _exit(4);
        if (hd_jobs_end(folder, id, 0, 0) != HEED_OK) _exit(5);
        if (hd_jobs_prune(folder, 1, 1) != HEED_OK) _exit(6);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// Whatever stands is whole: every job can be read, is in a state, and a server that comes back ends
// what ran.
static void check_whole(const char *folder) {
    json_t *list = NULL;
    size_t n;
    must(hd_jobs_orphans(folder, &n));
    must(hd_jobs_prune(folder, 0, 100));
    must(hd_jobs_list(folder, -1, NULL, 100, &list));
    size_t i;
    json_t *job;
    json_array_foreach(json_object_get(list, "jobs"), i, job) {
        const char *id = text_of(job, "id");
        assert_int_not_equal(hd_job_state_of(job), HD_JOB_RUNNING);
        assert_int_equal(hd_job_state_of(job) == HD_JOB_DONE, is_there(folder, id, "result.json"));
        assert_true(json_is_object(json_object_get(job, "params")));
    }
    json_decref(list);
    hd_arena arena;
    char **names;
    char path[128];
    hd_arena_init(&arena);
    snprintf(path, sizeof path, "%s/jobs", folder);
    must(hd_fs_list(path, &arena, &names, &n));
    for (i = 0; i < n; i++) assert_int_not_equal(strncmp(names[i], ".new", 4), 0);
    hd_arena_clear(&arena);
}

static void test_stop_anywhere(void **state) {
    int n = 1;
    for (; live_until(*state, n) == 77; n++) check_whole(*state);
    assert_int_equal(live_until(*state, n), 0);
    assert_in_range(n, 20, 200);
    check_whole(*state);
}

static heed_err whole_life(const char *folder) {
    json_t *job = NULL;
    json_t *list = NULL;
    bool cancel;
    bool ended;
    int64_t seen = 0;
    hd_str text;
    hd_str_init(&text);
    heed_err err = try_add(folder, "train", &job);
    const char *id = text_of(job, "id");
    if (err == HEED_OK) err = hd_jobs_start(folder, id, NULL);
    if (err == HEED_OK) err = hd_jobs_progress(folder, id, "a", "b", .5, &cancel);
    if (err == HEED_OK) err = hd_job_event(folder, id, &seen, &ended, &text);
    if (err == HEED_OK) err = hd_jobs_in(folder, HD_JOB_RUNNING, &list);
    json_decref(list);
    list = NULL;
    if (err == HEED_OK) err = hd_jobs_list(folder, -1, NULL, 5, &list);
    if (err == HEED_OK) err = hd_jobs_end(folder, id, 3, 0);
    if (err == HEED_OK) err = hd_jobs_prune(folder, 0, 1);
    json_decref(list);
    json_decref(job);
    hd_str_clear(&text);
    return err;
}

static void test_no_memory(void **state) {
    must(hd_mem_adopt_libraries());
    must(whole_life(*state));
    for (uint64_t n = 1;; n++) {
        hd_mem_fail_at(n, true);
        heed_err err = whole_life(*state);
        hd_mem_fail_at(0, true);
        if (err == HEED_OK) {
            assert_true(n > 50);
            break;
        }
        if (err != HEED_MEMORY) fail_msg("allocation %d: %s", (int)n, heed_error_message(HEED_EN));
        must(hd_fs_remove(*state));
    }
    must(hd_fs_mkdirs(*state, 0700));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_adding, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_ids_grow, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_upload, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_states, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_ends, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_orphans, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_listing, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_hostile_ids, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_events, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_pruning, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_start_against_cancel, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_stop_anywhere, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_no_memory, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
