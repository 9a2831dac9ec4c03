// SPDX-License-Identifier: Apache-2.0
//
// Lists about no user, and that every answer is fresh: one handle writes, another that was open all
// along answers.
#include "shop.h"

#include "workspace/answers.h"
#include "workspace/ingest.h"
#include "workspace/recommend.h"

static int setup(void **state) {
    shop *s = calloc(1, sizeof *s);
    shop_open(s);
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    must(shop_import(ws, s, 0, 3, NULL));
    heed_workspace_close(ws);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static void train(heed_workspace *ws, const char *methods) {
    heed_train_params params = heed_train_default();
    params.methods = &methods;
    params.n_methods = methods != NULL;
    must(heed_train(ws, &params, NULL));
}

static void post(heed_workspace *ws, hd_kind kind, const char *records) {
    json_t *json = NULL, *result = NULL;
    must(hd_json_parse(records, strlen(records), "test", &json));
    const hd_ingest_params params = {.kind = kind, .records = json};
    must(hd_ingest(ws, &params, &result));
    json_decref(result);
    json_decref(json);
}

static const char *text_of(const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

// "i2 i3": the items of a result.
static const char *ids_of(json_t *result) {
    static char ids[256];
    size_t i;
    json_t *item;
    ids[0] = '\0';
    json_array_foreach(json_object_get(result, "items"), i, item) {
        size_t n = strlen(ids);
        snprintf(ids + n, sizeof ids - n, "%s%s", i ? " " : "", text_of(item, "id"));
        assert_int_equal(json_integer_value(json_object_get(item, "rank")), i + 1);
    }
    json_decref(result);
    return ids;
}

static json_t *similar(heed_workspace *ws, const char *item, const char *method, size_t n) {
    heed_recommend_params params = heed_recommend_default();
    json_t *out = NULL;
    params.method = method;
    params.n = n;
    must(hd_similar(ws, item, &params, &out));
    return out;
}

static json_t *trending(heed_workspace *ws, size_t n) {
    heed_recommend_params params = heed_recommend_default();
    json_t *out = NULL;
    params.n = n;
    must(hd_trending(ws, &params, &out));
    return out;
}

static json_t *recommend(heed_workspace *ws, const char *user, size_t n) {
    heed_recommend_params params = heed_recommend_default();
    json_t *out = NULL;
    params.n = n;
    params.reasons = 0;
    must(hd_recommend(ws, user, &params, &out));
    return out;
}

// ── Similar items ──

static void test_similar_without_training(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_READ);
    json_t *out = similar(ws, "i2", NULL, 10); // Cup, by Clay, kitchen
    assert_string_equal(text_of(out, "method"), "content");
    assert_string_equal(text_of(out, "title"), "Cup");
    assert_true(json_is_null(json_object_get(out, "version")));
    assert_string_equal(ids_of(out), "i3 i5"); // nothing fills up with what isn't like it
    out = similar(ws, "i4", NULL, 10);         // alone of its kind
    assert_true(json_is_null(json_object_get(out, "method")));
    assert_string_equal(ids_of(out), "");
    heed_recommend_params params = heed_recommend_default();
    assert_int_equal(hd_similar(ws, "nope", &params, &out), HEED_NOT_FOUND);
    params.method = "popular";
    assert_int_equal(hd_similar(ws, "i1", &params, &out), HEED_INPUT);
    params.method = "markov";
    assert_int_equal(hd_similar(ws, "i1", &params, &out), HEED_NOT_FOUND);
    heed_workspace_close(ws);
}

static void test_similar_by_what_was_trained(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    heed_workspace *reader = shop_workspace(*state, HEED_READ);
    train(ws, "markov");
    json_t *out = similar(reader, "i1", NULL, 2);
    assert_string_equal(text_of(out, "method"), "markov");
    assert_string_equal(text_of(out, "version"), "000001");
    assert_string_equal(ids_of(out), "i2 i3"); // what comes after it
    train(ws, NULL);
    out = similar(reader, "i1", NULL, 10); // a handle that is open notices
    assert_string_equal(text_of(out, "method"), "item_knn");
    assert_string_equal(text_of(out, "version"), "000002");
    const json_t *last = json_array_get(json_object_get(out, "items"), 4);
    assert_string_equal(text_of(last, "method"), "content"); // Milk: nobody has it, it is a drink
    assert_string_equal(text_of(last, "id"), "i6");
    json_decref(out);
    assert_string_equal(ids_of(similar(reader, "i2", "content", 10)), "i3 i5");
    assert_string_equal(ids_of(similar(reader, "i6", "markov", 10)), "");
    heed_recommend_params params = heed_recommend_default();
    const char *category = "kitchen", *exclude = "i3";
    params.categories = &category;
    params.n_categories = 1;
    params.exclude = &exclude;
    params.n_exclude = 1;
    must(hd_similar(reader, "i1", &params, &out));
    assert_string_equal(ids_of(out), "i2 i5");
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

// ── Trending ──

static void test_trending(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    heed_workspace *reader = shop_workspace(*state, HEED_READ);
    json_t *out = trending(reader, 3);
    assert_int_equal(json_integer_value(json_object_get(out, "events")), 42);
    assert_string_equal(ids_of(out), "i2 i1 i3"); // i2 is bought a minute after i1
    // Two purchases a month later outdo what all bought before.
    post(ws, HD_KIND_EVENTS,
         "[{\"user\":\"u1\",\"item\":\"i5\",\"type\":\"purchase\",\"time\":\"2026-10-30\"},"
         "{\"user\":\"u2\",\"item\":\"i5\",\"type\":\"purchase\",\"time\":\"2026-10-30\"}]");
    out = trending(reader, 2);
    assert_string_equal(text_of(out, "newest"), "2026-10-30T00:00:00Z");
    assert_int_equal(json_integer_value(json_object_get(out, "events")), 44);
    assert_string_equal(ids_of(out), "i5 i2");
    // Whoever has a say in it and leaves takes along what they did.
    must(heed_users_consent(ws, "u1", "recommend", 0));
    must(heed_users_consent(ws, "u2", "recommend", 0));
    out = trending(reader, 1);
    assert_int_equal(json_integer_value(json_object_get(out, "events")), 44 - 2 - 3 - 4);
    assert_string_equal(ids_of(out), "i2");
    must(heed_workspace_set(reader, "recommend.half_life", "0.01"));
    out = trending(reader, 10);
    assert_true(json_real_value(json_object_get(out, "half_life_days")) < .011);
    json_decref(out);
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

static void test_trending_without_times(void **state) {
    shop *s = *state;
    heed_workspace *ws = NULL;
    snprintf(s->folder, sizeof s->folder, "%s/timeless", s->dir);
    must(heed_workspace_init(s->folder, HEED_EN));
    ws = shop_workspace(s, HEED_WRITE);
    assert_string_equal(ids_of(trending(ws, 5)), "");
    shop_write(s, 3, "plain.csv", "user_id,item_id,type\nu1,i1,view\nu2,i2,view\nu3,i2,view\n");
    must(shop_import(ws, s, 3, 1, NULL));
    json_t *out = trending(ws, 5);
    assert_true(json_is_null(json_object_get(out, "newest")));
    assert_string_equal(ids_of(out), "i2 i1");
    heed_workspace_close(ws);
}

// ── Fresh ──

static void test_an_event_changes_the_next_answer(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    heed_workspace *reader = shop_workspace(*state, HEED_READ);
    train(ws, "markov");
    must(heed_model_activate(ws, "markov", NULL));
    assert_string_equal(ids_of(recommend(reader, "u4", 1)), "i3"); // has i1 and i2
    post(ws, HD_KIND_EVENTS, "[{\"user\":\"u4\",\"item\":\"i3\",\"type\":\"purchase\"}]");
    assert_string_equal(ids_of(recommend(reader, "u4", 1)), "i4");
    post(ws, HD_KIND_EVENTS, "[{\"user\":\"fresh\",\"item\":\"i2\",\"type\":\"view\"}]");
    assert_string_equal(ids_of(recommend(reader, "fresh", 1)), "i3"); // a minute old
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

static void test_a_new_item_is_recommendable_at_once(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    heed_workspace *reader = shop_workspace(*state, HEED_READ);
    train(ws, NULL);
    char before[64];
    snprintf(before, sizeof before, "%s", ids_of(recommend(reader, "u4", 3)));
    assert_string_equal(ids_of(similar(reader, "i1", "content", 5)), "i6");
    post(ws, HD_KIND_ITEMS,
         "[{\"id\":\"n1\",\"title\":\"Mate\",\"brand\":\"Leaf\",\"categories\":[\"drinks\"]}]");
    json_t *out = recommend(reader, "u4", 50);
    size_t n = json_array_size(json_object_get(out, "items"));
    const json_t *last = json_array_get(json_object_get(out, "items"), n - 1);
    assert_string_equal(text_of(last, "id"), "n1");
    assert_string_equal(text_of(last, "title"), "Mate");
    json_decref(out);
    assert_string_equal(ids_of(recommend(reader, "u4", 3)), before);
    assert_string_equal(ids_of(similar(reader, "i1", "content", 5)), "n1 i6");
    assert_string_equal(ids_of(similar(reader, "n1", NULL, 1)), "i1");
    post(ws, HD_KIND_EVENTS, "[{\"user\":\"u4\",\"item\":\"n1\",\"type\":\"view\"}]");
    heed_recommend_params params = heed_recommend_default();
    const char *category = "drinks";
    params.categories = &category;
    params.n_categories = 1;
    must(hd_recommend(reader, "u3", &params, &out));
    assert_non_null(strstr(ids_of(out), "n1"));
    must(hd_recommend(reader, "u4", &params, &out));
    assert_null(strstr(ids_of(out), "n1")); // seen by now
    post(ws, HD_KIND_ITEMS, "[{\"id\":\"n1\",\"hidden\":true}]");
    must(hd_recommend(reader, "u3", &params, &out));
    assert_null(strstr(ids_of(out), "n1"));
    heed_workspace_close(reader);
    heed_workspace_close(ws);
}

// Of a history the newest events are read; what was seen before them can come again.
static void test_the_end_of_a_long_history(void **state) {
    shop *s = *state;
    heed_workspace *ws = shop_workspace(s, HEED_WRITE);
    train(ws, "markov");
    assert_null(strstr(ids_of(recommend(ws, "u4", 50)), "i1")); // has i1, then i2
    assert_null(strstr(ids_of(recommend(ws, "u4", 50)), "i2"));
    heed_workspace_close(ws);
    char path[128];
    snprintf(path, sizeof path, "%s/heed.yaml", s->folder);
    static const char yaml[] = "recommend:\n  history: 1\n";
    must(hd_fs_write(path, yaml, sizeof yaml - 1, 0600));
    ws = shop_workspace(s, HEED_READ);
    assert_non_null(strstr(ids_of(recommend(ws, "u4", 50)), "i1"));
    assert_null(strstr(ids_of(recommend(ws, "u4", 50)), "i2"));
    heed_workspace_close(ws);
}

static void test_long_sessions(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    train(ws, "markov");
    const char *session[1500];
    for (size_t i = 0; i < 1500; i++) session[i] = i < 400 ? "gone by" : i % 2 ? "i1" : "i2";
    heed_recommend_params params = heed_recommend_default();
    json_t *out = NULL;
    params.session = session;
    params.n_session = 1500;
    params.n = 1;
    must(hd_recommend(ws, NULL, &params, &out));
    assert_string_equal(ids_of(out), "i3");
    session[700] = "gone by";
    assert_int_equal(hd_recommend(ws, NULL, &params, &out), HEED_INPUT);
    heed_workspace_close(ws);
}

// ── When memory is out ──

static heed_err ask_all(heed_workspace *ws) {
    json_t *out = NULL;
    heed_recommend_params params = heed_recommend_default();
    heed_err err = hd_similar(ws, "i1", &params, &out);
    json_decref(out);
    if (err != HEED_OK) return err;
    out = NULL;
    err = hd_trending(ws, &params, &out);
    json_decref(out);
    if (err != HEED_OK) return err;
    out = NULL;
    err = hd_recommend(ws, "u4", &params, &out);
    json_decref(out);
    return err;
}

static void test_failing_allocations(void **state) {
    heed_workspace *ws = shop_workspace(*state, HEED_WRITE);
    train(ws, NULL);
    heed_workspace_close(ws);
    for (int once = 0; once < 2; once++) {
        bool done = false;
        for (uint64_t n = 1; !done; n += 1 + n / 30) {
            ws = shop_workspace(*state, HEED_READ);
            hd_mem_fail_at(n, once);
            hd_mem_calls();
            heed_err err = ask_all(ws);
            done = hd_mem_calls() < n;
            hd_mem_fail_at(0, true);
            assert_true(err == HEED_OK || err == HEED_MEMORY);
            assert_true(!done || err == HEED_OK);
            must(ask_all(ws)); // nothing half-made was kept
            heed_workspace_close(ws);
        }
    }
}

int main(void) {
    must(hd_mem_adopt_libraries());
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_similar_without_training),
        TEST(test_similar_by_what_was_trained),
        TEST(test_trending),
        TEST(test_trending_without_times),
        TEST(test_an_event_changes_the_next_answer),
        TEST(test_a_new_item_is_recommendable_at_once),
        TEST(test_the_end_of_a_long_history),
        TEST(test_long_sessions),
        TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
