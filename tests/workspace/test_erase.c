// SPDX-License-Identifier: Apache-2.0
//
// Erasing a person from a whole workspace: nothing of them is found in any file, whether fields are
// sealed or not; models are marked and leave them out; an older backup loses them before it can be
// read; a receipt verifies and no other does.
#include <sys/wait.h>

#include "shop.h"

#include "base/time.h"
#include "workspace/erase.h"
#include "workspace/retain.h"
#include "workspace/models.h"
#include "workspace/rights.h"
#include "workspace/workspace.h"

#define CANARY "canary-7f3a"

static void write_rows(shop *s) {
    shop_write(s, 3, "users-b.csv",
               "user_id,city,alias\n" CANARY "-id," CANARY "-city," CANARY "-alias\n");
    shop_write(s, 4, "events-b.csv",
               "event_id,user_id,item_id,type,time,session_id,note\n" CANARY "-e1," CANARY
               "-id,i1,purchase,1790000000," CANARY "-session," CANARY "-note\n" CANARY
               "-e2," CANARY "-id,i3,purchase,1790000060,,\n");
    shop_write(s, 5, "reviews-b.csv",
               "user_id,item_id,rating,title,text,time\n" CANARY "-alias,i1,4," CANARY
               "-title," CANARY "-text,1790000100\n");
    // One row that is refused, and stands in rejects/ with its raw text.
    shop_write(
        s, 6, "events-c.csv",
        "event_id,user_id,item_id,type,time,value\nz1,u1,i2,view,1790000000,1\nz2,u1,i2,view,"
        "1790000001,2\nz3,u1,i3,view,1790000002,3\n" CANARY "-e3," CANARY
        "-id,i2,view,1790000003,many\nz4,u2,i2,view,1790000004,plenty\n");
}

static void import_one(heed_workspace *ws, const shop *s, size_t i) {
    heed_import_params params = heed_import_default();
    const char *path = s->path[i];
    params.paths = &path;
    params.n_paths = 1;
    params.allow_rejects = params.again = true;
    heed_err err = heed_import(ws, &params, NULL);
    if (err != HEED_OK && err != HEED_PARTIAL)
        fail_msg("%s: %s", path, heed_error_message(HEED_EN));
}

static void train(heed_workspace *ws) {
    heed_train_params params = heed_train_default();
    must(heed_train(ws, &params, NULL));
}

static void fill(shop *s, const char *encrypt) {
    shop_open(s);
    write_rows(s);
    heed_workspace *ws = NULL;
    char yaml[160], text[64];
    snprintf(yaml, sizeof yaml, "%s/heed.yaml", s->folder);
    snprintf(text, sizeof text, "privacy:\n  encrypt: \"%s\"\n", encrypt);
    must(hd_fs_write(yaml, text, strlen(text), 0644));
    must(heed_workspace_open(s->folder, HEED_WRITE, &ws));
    must(shop_import(ws, s, 1, 2, NULL)); // items and events of others
    for (size_t i = 3; i <= 6; i++) import_one(ws, s, i);
    must(heed_users_consent(ws, CANARY "-id", "need", false));
    train(ws);
    heed_workspace_close(ws);
}

static int setup_sealed(void **state) {
    shop *s = calloc(1, sizeof *s);
    fill(s, "on");
    *state = s;
    return 0;
}

static int setup_plain(void **state) {
    shop *s = calloc(1, sizeof *s);
    fill(s, "off");
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

// ── Looking through files ──

static size_t hits_in(const char *path, const char *what) {
    hd_arena arena;
    size_t hits = 0, n = 0;
    hd_arena_init(&arena);
    if (hd_fs_is_dir(path)) {
        char **names;
        must(hd_fs_list(path, &arena, &names, &n));
        for (size_t i = 0; i < n; i++) hits += hits_in(hd_fs_join(&arena, path, names[i]), what);
    } else {
        hd_str data;
        hd_str_init(&data);
        must(hd_fs_read(path, 0, &data));
        for (size_t at = 0; at + strlen(what) <= data.len; at++)
            hits += memcmp(data.data + at, what, strlen(what)) == 0;
        hd_str_clear(&data);
    }
    hd_arena_clear(&arena);
    return hits;
}

static json_t *erase(heed_workspace *ws, const char *id) {
    json_t *out = NULL;
    must(hd_users_erase(ws, id, &out));
    assert_true(json_is_true(json_object_get(out, "finished")));
    return out;
}

static int64_t removed(const json_t *out, const char *what) {
    return json_integer_value(json_object_get(json_object_get(out, "removed"), what));
}

static void test_no_trace(void **state) {
    shop *s = *state;
    assert_true(hits_in(s->folder, CANARY) > 0); // rejects at least
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    char *profile = NULL;
    must(heed_profile(ws, CANARY "-alias", HEED_EN, &profile));
    heed_text_free(profile);
    json_t *out = erase(ws, CANARY "-alias");
    assert_int_equal(removed(out, "ids"), 2);
    assert_int_equal(removed(out, "events"), 2);
    assert_int_equal(removed(out, "reviews"), 1);
    json_decref(out);
    assert_int_equal(hits_in(s->folder, CANARY), 0); // while it is open
    assert_int_equal(heed_profile(ws, CANARY "-id", HEED_EN, &profile), HEED_NOT_FOUND);
    assert_int_equal(hd_users_erase(ws, CANARY "-id", &out), HEED_NOT_FOUND);
    must(heed_profile(ws, "u4", HEED_EN, &profile)); // others are as they were
    heed_text_free(profile);
    heed_workspace_close(ws);
    assert_int_equal(hits_in(s->folder, CANARY), 0);
    char rejects[160];
    snprintf(rejects, sizeof rejects, "%s/rejects", s->folder);
    assert_true(hits_in(rejects, "plenty") > 0); // other rows stay there

    ws = shop_workspace(s, HEED_WRITE); // the same id is somebody new
    import_one(ws, s, 3);
    json_t *shown = NULL;
    must(hd_users_export(ws, CANARY "-id", HEED_EN, &shown));
    assert_int_equal(json_array_size(json_object_get(shown, "events")), 0);
    assert_int_equal(json_array_size(json_object_get(shown, "consents")), 0);
    json_decref(shown);
    heed_workspace_close(ws);
}

// ── Receipts ──

static void test_receipts(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_t *out = erase(ws, CANARY "-id"), *list = NULL, *said = NULL;
    const char *receipt = json_string_value(json_object_get(out, "receipt"));
    must(hd_privacy_verify(ws, hd_slice_of(receipt), &said));
    json_decref(said);
    must(hd_privacy_verify(NULL, hd_slice_of(receipt), &said));
    json_decref(said);
    assert_null(strstr(receipt, CANARY));
    must(hd_privacy_receipts(ws, 10, &list));
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), receipt);
    json_decref(list);

    shop other; // another workspace's key didn't sign it
    fill(&other, "on");
    heed_workspace *elsewhere = shop_workspace(&other, HEED_READ);
    assert_int_equal(hd_privacy_verify(elsewhere, hd_slice_of(receipt), &said), HEED_DENIED);
    heed_workspace_close(elsewhere);
    shop_close(&other);
    json_decref(out);
    heed_workspace_close(ws);
}

// ── Models ──

static size_t marked(heed_workspace *ws, size_t *all) {
    json_t *list = NULL, *one;
    size_t i, n = 0;
    must(hd_models_list(ws, &list));
    json_array_foreach(list, i, one) n += json_is_true(json_object_get(one, "holds_erased"));
    *all = json_array_size(list);
    json_decref(list);
    return n;
}

static void test_models(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    size_t all, before;
    assert_int_equal(marked(ws, &before), 0);
    json_decref(erase(ws, "u12")); // learned from as well
    assert_int_equal(marked(ws, &all), before);
    assert_int_equal(all, before);
    train(ws);
    assert_int_equal(marked(ws, &all), 0); // those that were are gone
    assert_int_equal(all, before);
    heed_recommend_params params = heed_recommend_default();
    heed_recommendations *answer = NULL;
    must(heed_recommend(ws, "u4", &params, &answer));
    assert_string_equal(answer->version, "000002");
    heed_recommendations_free(answer);
    assert_int_equal(heed_model_rollback(ws), HEED_NOT_FOUND); // not to one that knew them

    // Somebody whom no model learned from marks none.
    shop_write(s, 7, "late.csv", "user_id,item_id,type,time\nlate,i1,view,1790000000\n");
    import_one(ws, s, 7);
    json_decref(erase(ws, "late"));
    assert_int_equal(marked(ws, &all), 0);
    heed_workspace_close(ws);
}

// ── Backups ──

static void copy_keys(const char *from, const char *to) {
    char command[320]; // keys stay behind in a backup: whoever restores brings them
    snprintf(command, sizeof command, "cp %s/keys/* %s/keys/", from, to);
    pid_t pid = fork();
    if (pid == 0) execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_restored_backup(void **state) {
    shop *s = *state;
    char backup[128], folder[128];
    snprintf(backup, sizeof backup, "%s/backup", s->dir);
    snprintf(folder, sizeof folder, "%s/restored", s->dir);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(heed_workspace_backup(ws, backup));
    json_decref(erase(ws, CANARY "-id"));
    json_decref(erase(ws, "u3"));
    heed_workspace_close(ws);
    must(heed_workspace_restore(backup, folder));
    copy_keys(s->folder, folder);
    assert_int_equal(heed_workspace_open(folder, HEED_READ, &ws), HEED_UNAVAILABLE);
    must(heed_workspace_open(folder, HEED_WRITE, &ws));
    char *text = NULL;
    assert_int_equal(heed_users_show(ws, CANARY "-alias", &text), HEED_NOT_FOUND);
    assert_int_equal(heed_users_show(ws, "u3", &text), HEED_NOT_FOUND);
    must(heed_users_show(ws, "u4", &text));
    heed_text_free(text);
    size_t all;
    assert_true(marked(ws, &all) == all && all > 0); // whom they knew can't be told any more
    heed_workspace_close(ws);
    assert_int_equal(hits_in(folder, CANARY), 0);
    must(heed_workspace_open(folder, HEED_READ, &ws));
    heed_workspace_close(ws);
    // A person who comes after all that is nobody who was erased.
    must(heed_workspace_open(folder, HEED_WRITE, &ws));
    import_one(ws, s, 3);
    must(heed_users_show(ws, CANARY "-id", &text));
    heed_text_free(text);
    heed_workspace_close(ws);
    must(heed_workspace_open(folder, HEED_WRITE, &ws));
    must(heed_users_show(ws, CANARY "-id", &text));
    heed_text_free(text);
    heed_workspace_close(ws);
}

// ── Retention ──

static int64_t number(const json_t *out, const char *name) {
    return json_integer_value(json_object_get(out, name));
}

static void test_retention(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    json_t *out = NULL;
    hd_time now = INT64_C(1790000100000) + 700 * HD_DAY_MS;
    must(hd_privacy_retain(ws, now, false, &out));
    assert_int_equal(number(out, "events") + number(out, "users"), 0);
    json_decref(out);
    must(heed_workspace_set(ws, "retention.reviews", "699"));
    must(heed_workspace_set(ws, "retention.events", "600"));
    must(hd_privacy_retain(ws, now, true, &out));
    assert_int_equal(number(out, "reviews"), 1);
    assert_true(number(out, "events") > 40);
    assert_int_equal(number(out, "users"), 0);
    json_t *gone = NULL;
    must(hd_privacy_retain(ws, now, false, &gone));
    assert_int_equal(number(gone, "events"), number(out, "events"));
    assert_int_equal(number(gone, "reviews"), 1);
    json_decref(gone);
    json_decref(out);
    must(heed_workspace_set(ws, "retention.users", "1"));
    must(hd_privacy_retain(ws, hd_time_now() + 3 * HD_DAY_MS, true, &out));
    must(hd_privacy_retain(ws, hd_time_now() + 3 * HD_DAY_MS, false, &gone));
    assert_int_equal(number(out, "users"), number(gone, "users"));
    assert_true(number(gone, "users") > 0);
    json_decref(gone);
    json_decref(out);
    must(hd_privacy_retain(ws, hd_time_now() + 3 * HD_DAY_MS, true, &out));
    assert_int_equal(number(out, "users"), 0);
    json_decref(out);
    heed_workspace_close(ws);
}

#define SEALED(f) cmocka_unit_test_setup_teardown(f, setup_sealed, teardown)
#define PLAIN(f) \
    { #f " (plain)", f, setup_plain, teardown, NULL }

int main(void) {
    const struct CMUnitTest tests[] = {
        SEALED(test_no_trace),  PLAIN(test_no_trace),         SEALED(test_receipts),
        SEALED(test_models),    SEALED(test_restored_backup), PLAIN(test_restored_backup),
        SEALED(test_retention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
