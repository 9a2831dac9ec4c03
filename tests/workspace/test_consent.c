// SPDX-License-Identifier: Apache-2.0
//
// What a person's word does to models and answers: a model fitted after a withdrawal is the model
// fitted without that person, byte by byte; a person who is out of recommending gets what somebody
// unknown gets; rows of others that a method compares with are gone at once.
#include "shop.h"

#include "privacy/consent.h"
#include "recommend/recommender.h"
#include "workspace/workspace.h"

enum { USERS = 40, ITEMS = 12, LEAVER = 17 };

// Two tastes, so that users are alike in groups; user LEAVER stands in the middle of the file.
static void write_events(shop *s, size_t i, const char *name, bool with_leaver) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "event_id,user_id,item_id,type,time,value\n");
    for (int u = 1; u <= USERS; u++)
        for (int k = 0; k < 4 + u % 5; k++) {
            int item = u % 2 ? (u + 3 * k) % 8 : 4 + (u * 2 + k) % 8;
            if (u == LEAVER && !with_leaver) continue;
            hd_str_addf(&text, "e%d-%d,u%d,i%d,%s,%d,%d\n", u, k, u, item + 1,
                        k % 3 ? "view" : "purchase", 1780000000 + k * 100000 + u * 777, 5 + k);
            if (u == LEAVER || u == 3) // a repeat, which cleaning drops
                hd_str_addf(&text, "r%d-%d,u%d,i%d,%s,%d,%d\n", u, k, u, item + 1,
                            k % 3 ? "view" : "purchase", 1780000000 + k * 100000 + u * 777, 5 + k);
        }
    shop_write(s, i, name, hd_str_get(&text));
    hd_str_clear(&text);
}

static void write_users(shop *s, size_t i, const char *name, bool with_leaver) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "user_id,city\n");
    for (int u = 1; u <= USERS; u++)
        if (u != LEAVER || with_leaver) hd_str_addf(&text, "u%d,%s\n", u, u % 3 ? "Rome" : "Bonn");
    hd_str_add(&text, "blank,\n");
    shop_write(s, i, name, hd_str_get(&text));
    hd_str_clear(&text);
}

static void write_items(shop *s, size_t i) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "item_id,title,price\n");
    for (int k = 1; k <= ITEMS; k++) hd_str_addf(&text, "i%d,Item %d,%d\n", k, k, k * 3);
    shop_write(s, i, "items.csv", hd_str_get(&text));
    hd_str_clear(&text);
}

typedef struct pair {
    shop with, without;
} pair;

static void make(shop *s, bool with_leaver) {
    shop_open(s);
    write_items(s, 0);
    write_users(s, 1, "users.csv", with_leaver);
    write_events(s, 2, "events.csv", with_leaver);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    heed_workspace_close(ws);
}

static int setup(void **state) {
    pair *p = calloc(1, sizeof *p);
    make(&p->with, true);
    make(&p->without, false);
    *state = p;
    return 0;
}

static int teardown(void **state) {
    pair *p = *state;
    shop_close(&p->with);
    shop_close(&p->without);
    free(p);
    return 0;
}

static int64_t key_of(heed_workspace *ws, int u) {
    char id[16];
    int64_t key = 0;
    snprintf(id, sizeof id, "u%d", u);
    must(hd_door_user_find(ws->door, HD_PURPOSE_RIGHTS, hd_slice_of(id), &key));
    return key;
}

static void word(heed_workspace *ws, int u, hd_purpose purpose, bool on) {
    must(hd_door_consent(ws->door, key_of(ws, u), purpose, on, "test", NULL));
}

static void train(heed_workspace *ws, const char *method) {
    heed_train_params params = heed_train_default();
    params.methods = &method;
    params.n_methods = method != NULL;
    must(heed_train(ws, &params, NULL));
}

static void read_model(const shop *s, const char *name, hd_str *out) {
    char path[256];
    snprintf(path, sizeof path, "%s/models/%s", s->folder, name);
    hd_str_init(out);
    must(hd_fs_read(path, 0, out));
}

static void assert_same_file(const pair *p, const char *name) {
    hd_str a, b;
    read_model(&p->with, name, &a);
    read_model(&p->without, name, &b);
    if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0) fail_msg("%s differs", name);
    hd_str_clear(&a);
    hd_str_clear(&b);
}

static const char *hash_of(const shop *s, const char *method, char out[80]) {
    char path[128];
    hd_str text;
    snprintf(path, sizeof path, "recommend/%s/000001/manifest.json", method);
    read_model(s, path, &text);
    const char *at = strstr(hd_str_get(&text), "\"data_hash\"");
    assert_non_null(at);
    snprintf(out, 80, "%.78s", at);
    hd_str_clear(&text);
    return out;
}

static void assert_same_models(const pair *p) {
    char path[128], a[80], b[80];
    size_t found = 0;
    for (size_t m = 0; hd_methods[m]; m++) {
        const char *method = hd_methods[m]->name;
        snprintf(path, sizeof path, "%s/models/recommend/%s", p->with.folder, method);
        if (!hd_fs_exists(path)) continue;
        found++;
        snprintf(path, sizeof path, "recommend/%s/000001/model.safetensors", method);
        assert_same_file(p, path);
        assert_string_equal(hash_of(&p->with, method, a), hash_of(&p->without, method, b));
    }
    assert_true(found >= 5);
    assert_same_file(p, "profile/segments/000001/model.safetensors");
}

// Both on one day: segments know how long ago something was.
static void train_both(pair *p, heed_workspace *with) {
    heed_workspace *without = shop_workspace(&p->without, HEED_WRITE);
    hd_time day;
    do {
        char path[2][128];
        snprintf(path[0], sizeof path[0], "%s/models", p->with.folder);
        snprintf(path[1], sizeof path[1], "%s/models", p->without.folder);
        for (int i = 0; i < 2; i++) must(hd_fs_remove(path[i]));
        day = hd_time_now() / HD_DAY_MS;
        train(with, NULL);
        train(without, NULL);
    } while (hd_time_now() / HD_DAY_MS != day);
    heed_workspace_close(without);
}

static void test_withdrawn(void **state) {
    pair *p = *state;
    heed_workspace *ws = shop_workspace(&p->with, HEED_WRITE);
    word(ws, LEAVER, HD_PURPOSE_TRAIN, false);
    word(ws, LEAVER, HD_PURPOSE_PROFILE, false); // segments are made of profiles
    train_both(p, ws);
    heed_workspace_close(ws);
    assert_same_models(p);
}

static void test_restricted(void **state) {
    pair *p = *state;
    heed_workspace *ws = shop_workspace(&p->with, HEED_WRITE);
    must(hd_door_restrict(ws->door, key_of(ws, LEAVER), true, "test", NULL));
    train_both(p, ws);
    heed_workspace_close(ws);
    assert_same_models(p);
}

// By consent: everybody gave it but one, who had and took it back.
static void test_consent_withdrawn(void **state) {
    pair *p = *state;
    heed_workspace *ws = shop_workspace(&p->with, HEED_WRITE);
    must(heed_workspace_set(ws, "privacy.basis.train", "consent"));
    must(heed_workspace_set(ws, "privacy.basis.profile", "consent"));
    for (int u = 1; u <= USERS; u++) {
        word(ws, u, HD_PURPOSE_TRAIN, true);
        word(ws, u, HD_PURPOSE_PROFILE, true);
    }
    word(ws, LEAVER, HD_PURPOSE_TRAIN, false);
    word(ws, LEAVER, HD_PURPOSE_PROFILE, false);
    train_both(p, ws);
    heed_workspace_close(ws);
    assert_same_models(p);
}

static void test_nobody_consented(void **state) {
    pair *p = *state;
    heed_workspace *ws = shop_workspace(&p->with, HEED_WRITE);
    must(heed_workspace_set(ws, "privacy.basis.train", "consent"));
    heed_train_params params = heed_train_default();
    assert_int_equal(heed_train(ws, &params, NULL), HEED_UNAVAILABLE);
    heed_workspace_close(ws);
}

// ── Answers ──

static heed_recommendations *recommend(heed_workspace *ws, const char *user, const char *session) {
    heed_recommend_params params = heed_recommend_default();
    heed_recommendations *list = NULL;
    params.session = &session;
    params.n_session = session != NULL;
    must(heed_recommend(ws, user, &params, &list));
    return list;
}

static void assert_same_list(const heed_recommendations *a, const heed_recommendations *b) {
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->items[i].id, b->items[i].id);
        assert_string_equal(a->items[i].method, b->items[i].method);
        assert_string_equal(a->items[i].reason, b->items[i].reason);
        assert_true(a->items[i].score == b->items[i].score);
        assert_int_equal(a->items[i].n_evidence, 0);
    }
}

static void test_answer(void **state) {
    pair *p = *state;
    heed_workspace *ws = shop_workspace(&p->with, HEED_WRITE);
    train(ws, "markov");
    must(heed_model_activate(ws, "markov", NULL));
    heed_recommendations *own = recommend(ws, "u17", NULL), *unknown = recommend(ws, "blank", NULL);
    assert_string_not_equal(own->items[0].id, unknown->items[0].id);
    assert_null(strstr(own->items[0].why, "takes no part"));
    heed_recommendations_free(own);

    word(ws, LEAVER, HD_PURPOSE_RECOMMEND, false);
    heed_recommendations *out = recommend(ws, "u17", NULL), *visit = recommend(ws, "u17", "i3");
    assert_same_list(out, unknown);
    assert_same_list(visit, unknown);
    for (size_t i = 0; i < out->n; i++) assert_non_null(strstr(out->items[i].why, "takes no part"));
    assert_null(strstr(unknown->items[0].why, "takes no part"));
    heed_recommendations_free(out);
    heed_recommendations_free(visit);
    heed_recommendations_free(unknown);

    char *profile = NULL; // the other purposes stand
    must(heed_profile(ws, "u17", HEED_EN, &profile));
    heed_text_free(profile);
    word(ws, LEAVER, HD_PURPOSE_PROFILE, false);
    assert_int_equal(heed_profile(ws, "u17", HEED_EN, &profile), HEED_DENIED);
    heed_workspace_close(ws);
}

// The users that user_knn compares with: an open handle that served from somebody's rows leaves
// them out once they object, as if they had never been there.
static void test_neighbours(void **state) {
    pair *p = *state;
    heed_workspace *with = shop_workspace(&p->with, HEED_WRITE);
    heed_workspace *without = shop_workspace(&p->without, HEED_WRITE);
    must(heed_workspace_set(with, "train.tune", "false")); // the same parameters
    must(heed_workspace_set(without, "train.tune", "false"));
    train(with, "user_knn");
    train(without, "user_knn");
    must(heed_model_activate(with, "user_knn", NULL));
    must(heed_model_activate(without, "user_knn", NULL));
    size_t differ = 0;
    for (int round = 0; round < 2; round++) {
        for (int u = 1; u <= USERS; u++) {
            char id[16];
            if (u == LEAVER) continue;
            snprintf(id, sizeof id, "u%d", u);
            heed_recommendations *a = recommend(with, id, NULL), *b = recommend(without, id, NULL);
            for (size_t i = 0; i < a->n && i < b->n; i++) {
                if (strcmp(a->items[i].method, "user_knn") != 0) break; // popular still counts them
                differ += strcmp(a->items[i].id, b->items[i].id) != 0 ||
                          a->items[i].score != b->items[i].score;
            }
            heed_recommendations_free(a);
            heed_recommendations_free(b);
        }
        if (round == 0) {
            assert_true(differ > 0); // they counted
            differ = 0;
            word(with, LEAVER, HD_PURPOSE_TRAIN, false);
        }
    }
    assert_int_equal(differ, 0);
    heed_workspace_close(with);
    heed_workspace_close(without);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restricted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consent_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_consented, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
