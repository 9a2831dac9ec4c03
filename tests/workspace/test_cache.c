// SPDX-License-Identifier: Apache-2.0
//
// What is shared: made once, freed when the last lets go, waited for where nothing else will do;
// and recommendations from several threads while versions are put in force back and forth.
#include "shop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "workspace/cache.h"
#include "workspace/models.h"
#include "workspace/workspace.h"

// ── The cache by itself ──

typedef struct thing {
    hd_shared shared;
    int number;
} thing;

static atomic_int living, made;

static void thing_free(hd_shared *shared) {
    atomic_fetch_sub(&living, 1);
    hd_free(shared);
}

typedef struct wish {
    int wanted;        // numbers below are old
    bool aged_does;    // and will do meanwhile
    atomic_bool *gate; // making waits for it; NULL: it doesn't
    atomic_bool *began;
    heed_err fail;
} wish;

static hd_fitness judge(void *ctx, const hd_shared *now) {
    const wish *w = ctx;
    if (((const thing *)now)->number >= w->wanted) return HD_FIT;
    return w->aged_does ? HD_AGED : HD_UNFIT;
}

static void rest(void) {
    const struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
}

static heed_err make(void *ctx, hd_shared *now, hd_shared **out) {
    wish *w = ctx;
    (void)now;
    if (w->began) atomic_store(w->began, true);
    while (w->gate && !atomic_load(w->gate)) rest();
    if (w->fail) return HD_FAIL(w->fail, "no", "不");
    thing *t = hd_alloc(sizeof *t);
    if (!t) return HD_FAIL_MEMORY(sizeof *t);
    hd_shared_init(&t->shared, thing_free);
    t->number = w->wanted;
    atomic_fetch_add(&living, 1);
    atomic_fetch_add(&made, 1);
    *out = &t->shared;
    return HEED_OK;
}

static heed_err get(hd_model_cache *cache, const char *folder, wish *w, thing **out) {
    hd_shared *shared = NULL;
    const hd_cache_want want = {folder, "thing", judge, make, w};
    HD_TRY(hd_cache_get(cache, &want, &shared));
    *out = (thing *)shared;
    return HEED_OK;
}

static void test_made_once(void **state) {
    (void)state;
    hd_model_cache *cache = NULL;
    thing *a = NULL;
    thing *b = NULL;
    wish w = {.wanted = 1};
    atomic_store(&made, 0);
    must(hd_model_cache_new(&cache));
    must(get(cache, "x", &w, &a));
    must(get(cache, "x", &w, &b));
    assert_ptr_equal(a, b);
    assert_int_equal(atomic_load(&made), 1);
    hd_shared_release(&b->shared);
    must(get(cache, "y", &w, &b)); // another workspace's is another
    assert_ptr_not_equal(a, b);
    hd_shared_release(&b->shared);

    w.wanted = 2;
    must(get(cache, "x", &w, &b));
    assert_int_equal(b->number, 2);
    assert_int_equal(a->number, 1); // whoever holds it goes on
    assert_int_equal(atomic_load(&living), 3);
    hd_shared_release(&a->shared);
    assert_int_equal(atomic_load(&living), 2); // the old one went with its last reader
    hd_model_cache_forget(cache, "x");
    assert_int_equal(b->number, 2);
    hd_shared_release(&b->shared);
    assert_int_equal(atomic_load(&living), 1);
    hd_model_cache_free(cache);
    assert_int_equal(atomic_load(&living), 0);
    hd_model_cache_free(NULL);
    hd_shared_release(NULL);
}

static void test_failure_is_the_makers(void **state) {
    (void)state;
    hd_model_cache *cache = NULL;
    thing *a = NULL;
    wish w = {.wanted = 1, .fail = HEED_CORRUPT};
    must(hd_model_cache_new(&cache));
    assert_int_equal(get(cache, "x", &w, &a), HEED_CORRUPT);
    w.fail = HEED_OK;
    must(get(cache, "x", &w, &a));
    hd_shared_release(&a->shared);
    w = (wish){.wanted = 2, .fail = HEED_IO};
    assert_int_equal(get(cache, "x", &w, &a), HEED_IO);
    w.wanted = 1;
    must(get(cache, "x", &w, &a)); // what stood there still stands
    hd_shared_release(&a->shared);
    for (uint64_t n = 1; n < 20; n++) {
        hd_mem_fail_at(n, true);
        w = (wish){.wanted = (int)n + 10};
        char folder[16];
        snprintf(folder, sizeof folder, "f%d", (int)n);
        heed_err err = get(cache, folder, &w, &a);
        hd_mem_fail_at(0, true);
        if (err == HEED_OK)
            hd_shared_release(&a->shared);
        else
            assert_int_equal(err, HEED_MEMORY);
    }
    hd_model_cache_free(cache);
    assert_int_equal(atomic_load(&living), 0);
}

typedef struct asker {
    hd_model_cache *cache;
    wish wish;
    int got;
} asker;

static heed_err get_hurried(hd_model_cache *cache, wish *w, bool *late) {
    hd_shared *shared = NULL;
    const hd_cache_want want = {"x", "thing", judge, make, w, late};
    *late = false;
    heed_err err = hd_cache_get(cache, &want, &shared);
    hd_shared_release(shared);
    return err;
}

static void *ask(void *ctx) {
    asker *a = ctx;
    thing *t = NULL;
    if (get(a->cache, "x", &a->wish, &t) == HEED_OK) {
        a->got = t->number;
        hd_shared_release(&t->shared);
    }
    return NULL;
}

// While a newer one is made, the old one serves whoever can do with it; others wait for the new.
static void test_old_one_serves_meanwhile(void **state) {
    (void)state;
    atomic_bool gate = false;
    atomic_bool began = false;
    asker maker = {.wish = {.wanted = 2, .aged_does = true, .gate = &gate, .began = &began}};
    asker easy = {.wish = {.wanted = 2, .aged_does = true}};
    asker strict = {.wish = {.wanted = 2}};
    thing *t = NULL;
    wish first = {.wanted = 1};
    pthread_t threads[3];
    atomic_store(&made, 0);
    must(hd_model_cache_new(&maker.cache));
    easy.cache = strict.cache = maker.cache;
    must(get(maker.cache, "x", &first, &t));
    hd_shared_release(&t->shared);
    assert_int_equal(pthread_create(&threads[0], NULL, ask, &maker), 0);
    while (!atomic_load(&began)) rest();
    assert_int_equal(pthread_create(&threads[1], NULL, ask, &easy), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, ask, &strict), 0);
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    assert_int_equal(easy.got, 1); // at once, though the gate is shut
    atomic_store(&gate, true);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(pthread_join(threads[2], NULL), 0);
    assert_int_equal(maker.got, 2);
    assert_int_equal(strict.got, 2);
    assert_int_equal(atomic_load(&made), 2);
    hd_model_cache_free(maker.cache);
    assert_int_equal(atomic_load(&living), 0);
}

// Who mustn't wait neither makes nor waits: what fits is given, what is old while another makes.
static void test_hurried(void **state) {
    (void)state;
    atomic_bool gate = false;
    atomic_bool began = false;
    asker maker = {.wish = {.wanted = 2, .aged_does = true, .gate = &gate, .began = &began}};
    wish easy = {.wanted = 2, .aged_does = true}, strict = {.wanted = 2}, first = {.wanted = 1};
    thing *t = NULL;
    bool late;
    pthread_t thread;
    atomic_store(&made, 0);
    must(hd_model_cache_new(&maker.cache));
    assert_int_equal(get_hurried(maker.cache, &first, &late), HEED_BUSY); // nothing yet
    assert_true(late);
    assert_int_equal(atomic_load(&made), 0);
    must(get(maker.cache, "x", &first, &t));
    hd_shared_release(&t->shared);
    must(get_hurried(maker.cache, &first, &late));
    assert_false(late);
    assert_int_equal(get_hurried(maker.cache, &easy, &late), HEED_BUSY); // nobody is at it
    assert_true(late);
    must(get_hurried(maker.cache, &easy, &late)); // the one before is to see to it
    assert_false(late);
    assert_int_equal(pthread_create(&thread, NULL, ask, &maker), 0);
    while (!atomic_load(&began)) rest();
    must(get_hurried(maker.cache, &easy, &late));
    assert_false(late);
    assert_int_equal(get_hurried(maker.cache, &strict, &late),
                     HEED_BUSY); // though the gate is shut
    assert_true(late);
    atomic_store(&gate, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    must(get_hurried(maker.cache, &strict, &late));
    assert_false(late);
    easy.wanted = 3; // a newer one yet: nobody was sent for that
    assert_int_equal(get_hurried(maker.cache, &easy, &late), HEED_BUSY);
    assert_true(late);
    assert_int_equal(atomic_load(&made), 2);
    hd_model_cache_free(maker.cache);
    assert_int_equal(atomic_load(&living), 0);
}

// ── Versions back and forth under readers ──

enum { READERS = 2, SWITCHES = 150, ITEMS = 3 };

typedef struct version {
    const char *method, *version;
    char list[ITEMS][8];
} version;

typedef struct scene {
    shop shop;
    hd_model_cache *cache;
    version versions[2];
    atomic_bool over;
    atomic_int wrong, answers, seen[2];
} scene;

static heed_workspace *open_reader(scene *s) {
    heed_workspace *ws = NULL;
    const hd_workspace_params params = {
        .folder = s->shop.folder, .mode = HEED_READ, .cache = s->cache};
    must(hd_workspace_open(&params, &ws));
    return ws;
}

static heed_err ask_list(heed_workspace *ws, const char *method, heed_recommendations **list) {
    heed_recommend_params params = heed_recommend_default();
    params.n = ITEMS;
    params.method = method;
    return heed_recommend(ws, "u4", &params, list);
}

static bool is_answer_of(const version *v, const heed_recommendations *list) {
    if (strcmp(list->method, v->method) != 0 || strcmp(list->version, v->version) != 0)
        return false;
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].id, v->list[i]) != 0) return false;
    return list->n == ITEMS;
}

static void *read_on(void *ctx) {
    scene *s = ctx;
    heed_workspace *ws = open_reader(s);
    while (!atomic_load(&s->over)) {
        heed_recommendations *list = NULL;
        if (ask_list(ws, NULL, &list) != HEED_OK) {
            atomic_fetch_add(&s->wrong, 1);
            continue;
        }
        bool known = false;
        for (int v = 0; v < 2; v++) {
            if (!is_answer_of(&s->versions[v], list)) continue;
            atomic_fetch_add(&s->seen[v], 1);
            known = true;
        }
        if (!known) atomic_fetch_add(&s->wrong, 1);
        atomic_fetch_add(&s->answers, 1);
        heed_recommendations_free(list);
    }
    heed_workspace_close(ws);
    return NULL;
}

static void train(const shop *s, const char *method) {
    heed_workspace *ws = shop_workspace(s, HEED_READ);
    heed_train_params params = heed_train_default();
    params.methods = &method;
    params.n_methods = 1;
    params.no_segments = true;
    must(heed_train(ws, &params, NULL));
    heed_workspace_close(ws);
}

// The second version learns from more events than the first, so their lists differ.
static void set_scene(scene *s) {
    shop_open(&s->shop);
    heed_workspace *ws = shop_workspace(&s->shop, HEED_WRITE);
    must(shop_import(ws, &s->shop, 0, 3, NULL));
    train(&s->shop, "popular");
    shop_write(&s->shop, 3, "more.csv",
               "user_id,item_id,type,time\nu3,i6,purchase,1791000000\nu5,i6,purchase,1791000001\n"
               "u6,i6,purchase,1791000002\nu7,i6,purchase,1791000003\nu8,i6,purchase,1791000004\n"
               "u9,i6,purchase,1791000005\nu9,i4,purchase,1791000006\nu8,i4,purchase,1791000007\n"
               "u5,i4,purchase,1791000008\nu6,i4,purchase,1791000009\nu7,i4,purchase,1791000010\n");
    must(shop_import(ws, &s->shop, 3, 1, NULL));
    heed_workspace_close(ws);
    train(&s->shop, "markov");
    must(hd_model_cache_new(&s->cache));
    s->versions[0] = (version){.method = "popular", .version = "000001"};
    s->versions[1] = (version){.method = "markov", .version = "000002"};
    heed_workspace *reader = open_reader(s);
    for (int v = 0; v < 2; v++) {
        heed_recommendations *list = NULL;
        must(heed_model_activate(reader, s->versions[v].method, s->versions[v].version));
        must(ask_list(reader, NULL, &list));
        assert_int_equal(list->n, ITEMS);
        for (int i = 0; i < ITEMS; i++)
            snprintf(s->versions[v].list[i], 8, "%s", list->items[i].id);
        assert_true(is_answer_of(&s->versions[v], list));
        assert_false(is_answer_of(&s->versions[!v], list));
        heed_recommendations_free(list);
    }
    heed_workspace_close(reader);
}

static void test_versions_change_under_readers(void **state) {
    (void)state;
    scene s = {0};
    pthread_t threads[READERS];
    set_scene(&s);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &s), 0);
    heed_workspace *ws = open_reader(&s);
    for (int i = 0; i < SWITCHES; i++) {
        const version *v = &s.versions[i % 2];
        int before = atomic_load(&s.answers);
        must(heed_model_activate(ws, v->method, v->version));
        while (atomic_load(&s.answers) == before) rest();
    }
    atomic_store(&s.over, true);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(atomic_load(&s.seen[0]) > 10 && atomic_load(&s.seen[1]) > 10);
    // a rollback is in force for whoever asks after it
    heed_recommendations *list = NULL;
    must(heed_model_activate(ws, "popular", "000001"));
    must(heed_model_activate(ws, "markov", "000002"));
    must(heed_model_rollback(ws));
    must(ask_list(ws, NULL, &list));
    assert_true(is_answer_of(&s.versions[0], list));
    heed_recommendations_free(list);
    must(ask_list(ws, "markov", &list)); // by name, beside the one in force
    assert_string_equal(list->method, "markov");
    heed_recommendations_free(list);
    heed_workspace_close(ws);
    hd_model_cache_free(s.cache);
    shop_close(&s.shop);
}

// Handles share: the second one loads nothing.
static void test_handles_share(void **state) {
    (void)state;
    scene s = {0};
    set_scene(&s);
    heed_workspace *a = open_reader(&s);
    heed_workspace *b = open_reader(&s);
    const hd_items *items[2];
    heed_recommendations *list = NULL;
    must(hd_workspace_items(a, &items[0]));
    must(hd_workspace_items(b, &items[1]));
    assert_ptr_equal(items[0], items[1]);
    must(ask_list(a, NULL, &list));
    heed_recommendations_free(list);
    char path[192];
    snprintf(path, sizeof path, "%s/models/recommend/markov/000002/model.safetensors",
             s.shop.folder);
    must(hd_fs_remove(path)); // what isn't read isn't missed
    must(ask_list(b, NULL, &list));
    heed_recommendations_free(list);

    // a new item is there for both at the next request
    shop_write(&s.shop, 4, "new.csv", "item_id,title,categories\ni9,Spoon,kitchen\n");
    heed_workspace *writer = shop_workspace(&s.shop, HEED_WRITE);
    must(shop_import(writer, &s.shop, 4, 1, NULL));
    heed_workspace_close(writer);
    must(hd_workspace_items_now(a, &items[0]));
    must(hd_workspace_items_now(b, &items[1]));
    assert_ptr_equal(items[0], items[1]);
    assert_int_equal(items[0]->n, 7);
    must(ask_list(a, NULL, &list));
    heed_recommendations_free(list);
    heed_workspace_close(a);
    heed_workspace_close(b);
    hd_model_cache_free(s.cache);
    shop_close(&s.shop);
}

int main(void) {
    must(hd_mem_adopt_libraries());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_failure_is_the_makers),
        cmocka_unit_test(test_old_one_serves_meanwhile),
        cmocka_unit_test(test_hurried),
        cmocka_unit_test(test_versions_change_under_readers),
        cmocka_unit_test(test_handles_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
