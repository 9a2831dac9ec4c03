// SPDX-License-Identifier: Apache-2.0
//
// Undo: what a batch brought goes, what it overwrote returns, and whoever built on it is named.
//
// The property at the end runs random batches and takes them back in reverse order: after each, the
// catalogue must equal the picture that was taken before that batch.

#include "catalog_test.h"

#include "base/rng.h"

static void set_title(fixture *f, int64_t batch, const char *id, const char *title) {
    hd_record r = item_of(id);
    r.item.title = hd_slice_of(title);
    put(f, batch, &r);
}

static int64_t undo(fixture *f, int64_t batch) {
    int64_t rows = -1;
    assert_ok(hd_catalog_undo(f->catalog, batch, NULL, NULL, &rows));
    return rows;
}

static void new_rows_go_and_overwritten_ones_return(void **state) {
    fixture *f = *state;
    set_title(f, 1, "tea", "Tea");
    hd_record faq = document_of("faq");
    faq.document.text = hd_slice_of("old");
    put(f, 1, &faq);

    set_title(f, 2, "tea", "Black tea");
    set_title(f, 2, "tea", "Blacker tea"); // twice in a batch: the first picture counts
    set_title(f, 2, "cup", "Cup");
    faq.document.text = hd_slice_of("new");
    put(f, 2, &faq);
    hd_record terms = document_of("terms");
    put(f, 2, &terms);

    assert_int_equal(undo(f, 2), 4);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items WHERE title = 'Tea'"), 1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM documents WHERE text = 'old'"), 1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM documents"), 1);
    assert_int_equal(undo(f, 2), 0);
    assert_int_equal(undo(f, 1), 2);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 0);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items_undo"), 0);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM documents_undo"), 0);
}

// What was removed is neither counted nor found, comes back when the removal is undone, and stands
// in nobody's way.
static void a_removed_document_returns(void **state) {
    fixture *f = *state;
    hd_catalog_counts counts;
    hd_document found;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_slice id = hd_slice_of("faq");
    hd_record faq = document_of("faq");
    faq.document.text = hd_slice_of("old");
    put(f, 1, &faq);
    assert_ok(hd_catalog_document_remove(f->catalog, id, 2));
    assert_ok(hd_catalog_document_remove(f->catalog, id, 2));
    assert_fails(HEED_NOT_FOUND, hd_catalog_document_remove(f->catalog, hd_slice_of("x"), 2));
    assert_fails(HEED_NOT_FOUND, hd_catalog_document_find(f->catalog, id, &arena, &found));
    assert_ok(hd_catalog_count(f->catalog, &counts));
    assert_int_equal(counts.documents, 0);
    int64_t rows;
    assert_fails(HEED_CONFLICT, hd_catalog_undo(f->catalog, 1, NULL, NULL, &rows));
    faq.document.text = hd_slice_of("new");
    put(f, 2, &faq);
    assert_ok(hd_catalog_document_find(f->catalog, id, &arena, &found));
    assert_string_equal(found.text, "new");
    assert_int_equal(undo(f, 2), 1);
    assert_ok(hd_catalog_document_find(f->catalog, id, &arena, &found));
    assert_string_equal(found.text, "old");
    assert_int_equal(undo(f, 1), 1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM documents"), 0);
    hd_arena_clear(&arena);
}

static void a_later_batch_is_named(void **state) {
    fixture *f = *state;
    int64_t rows;
    set_title(f, 1, "tea", "Tea");
    set_title(f, 2, "cup", "Cup");
    set_title(f, 3, "tea", "Black tea");
    assert_fails(HEED_CONFLICT, hd_catalog_undo(f->catalog, 1, NULL, NULL, &rows));
    assert_non_null(strstr(heed_error_message(HEED_EN), "import 3"));
    assert_int_equal(undo(f, 2), 1); // touched nothing that 3 did
    assert_int_equal(undo(f, 3), 1);
    assert_int_equal(undo(f, 1), 1);

    hd_record faq = document_of("faq");
    put(f, 4, &faq);
    faq.document.text = hd_slice_of("text");
    put(f, 5, &faq);
    assert_fails(HEED_CONFLICT, hd_catalog_undo(f->catalog, 4, NULL, NULL, &rows));
}

static heed_err tea_is_used(void *ctx, int64_t key, bool *out) {
    *out = key == *(int64_t *)ctx;
    return HEED_OK;
}

static heed_err cannot_tell(void *ctx, int64_t key, bool *out) {
    (void)ctx, (void)key, (void)out;
    return HD_FAIL(HEED_BUSY, "busy", "忙");
}

static void a_used_item_stays_by_name(void **state) {
    fixture *f = *state;
    int64_t rows;
    hd_record tea = item_of("tea");
    tea.item.title = hd_slice_of("Tea");
    tea.item.price = 3;
    tea.item.hidden = 1;
    put(f, 1, &tea);
    set_title(f, 1, "cup", "Cup");
    int64_t key = key_of(f, "tea", 0);
    assert_fails(HEED_BUSY, hd_catalog_undo(f->catalog, 1, cannot_tell, NULL, &rows));
    assert_ok(hd_catalog_undo(f->catalog, 1, tea_is_used, &key, &rows));
    assert_int_equal(rows, 2);
    assert_int_equal(key_of(f, "tea", 0), key);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items WHERE title IS NULL AND price IS"
                                   " NULL AND hidden = 0"),
                     1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 1);
}

// Events named the item, then a file described it: either import can be taken back first.
static void named_and_described_apart(void **state) {
    fixture *f = *state;
    int64_t rows;
    int64_t key = key_of(f, "tea", 1);
    key_of(f, "unseen", 1);
    set_title(f, 2, "tea", "Tea");
    assert_ok(hd_catalog_undo(f->catalog, 1, NULL, NULL, &rows));
    assert_int_equal(rows, 1); // "unseen"; "tea" is described by now
    assert_int_equal(key_of(f, "tea", 0), key);
    assert_int_equal(undo(f, 2), 1);
    assert_int_equal(ask(f->store, "SELECT count(*) FROM items"), 0);

    key = key_of(f, "cup", 3);
    set_title(f, 4, "cup", "Cup");
    assert_ok(hd_catalog_undo(f->catalog, 4, tea_is_used, &key, &rows));
    assert_int_equal(rows, 1);
    assert_int_equal(key_of(f, "cup", 0), key);
    int64_t before = key;
    assert_ok(hd_catalog_undo(f->catalog, 3, tea_is_used, &key, &rows));
    assert_int_equal(rows, 0); // something still refers to it
    assert_int_equal(undo(f, 3), 1);
    key = key_of(f, "cup", 5);
    assert_true(key > before); // a key is never used again, the cache doesn't remember it either
}

// ── Property ────────────────────────────────────────────────────────────────────────────────────

enum { BATCHES = 12, IDS = 9, PICTURE = 16384 };

typedef struct model {
    fixture *f;
    bool refers[BATCHES + 1][IDS]; // whether a batch's events refer to an item
    int64_t undone_from;           // batches from here on are undone
} model;

static heed_err referred(void *ctx, int64_t key, bool *out) {
    model *m = ctx;
    *out = false;
    for (int i = 0; i < IDS; i++) {
        char id[8];
        int64_t item;
        snprintf(id, sizeof id, "i%d", i);
        if (hd_catalog_item_key(m->f->catalog, hd_slice_of(id), 0, &item) != HEED_OK) continue;
        if (item != key) continue;
        for (int64_t b = 1; b < m->undone_from; b++) *out = *out || m->refers[b][i];
    }
    return HEED_OK;
}

// All that the catalogue says, as text.
static void take_picture(hd_store *store, char out[PICTURE]) {
    hd_query *q;
    bool row = true;
    size_t n = 0;
    assert_ok(hd_query_open(
        store,
        "SELECT 'item', id, title, brand, categories, price, currency, attributes, created, hidden,"
        " replenishable FROM items UNION ALL SELECT 'document', id, title, text, url, lang,"
        " updated, batch, '', '', '' FROM documents ORDER BY 1, 2",
        &q));
    out[0] = '\0';
    while (true) {
        assert_ok(hd_query_step(q, &row));
        if (!row) break;
        for (int col = 0; col < 11; col++) {
            hd_slice s = hd_query_text(q, col);
            n += (size_t)snprintf(out + n, PICTURE - n, "%.*s|", s.p ? (int)s.n : 1,
                                  s.p ? s.p : "-");
            assert_true(n < PICTURE);
        }
    }
    hd_query_close(q);
}

static void random_put(model *m, int64_t batch, hd_rng *rng) {
    static const char *const texts[] = {NULL, "one", "two", "three"};
    static const char *const lists[] = {NULL, "[]", "[\"a\",\"b\"]", "[\"a\"]"};
    static const char *const objects[] = {NULL, "{}", "{\"k\":1}", "{\"k\":2,\"l\":3}"};
    char id[8];
    int i = (int)hd_rng_below(rng, IDS);
    snprintf(id, sizeof id, "i%d", i);
    switch (hd_rng_below(rng, 3)) {
    case 0:
        key_of(m->f, id, batch);
        m->refers[batch][i] = true;
        break;
    case 1: {
        hd_record r = item_of(id);
        r.item.title = hd_slice_of(texts[hd_rng_below(rng, 4)]);
        r.item.categories = hd_slice_of(lists[hd_rng_below(rng, 4)]);
        r.item.attributes = hd_slice_of(objects[hd_rng_below(rng, 4)]);
        r.item.price = hd_rng_below(rng, 2) ? NAN : (double)hd_rng_below(rng, 3);
        r.item.hidden = (int)hd_rng_below(rng, 3) - 1;
        put(m->f, batch, &r);
        break;
    }
    default: {
        hd_record r = document_of(id);
        r.document.text = hd_slice_of(texts[hd_rng_below(rng, 4)]);
        r.document.lang = hd_slice_of(texts[hd_rng_below(rng, 4)]);
        put(m->f, batch, &r);
    }
    }
}

static void undoing_all_in_turn_returns_each_picture(void **state) {
    fixture *f = *state;
    static char pictures[BATCHES + 1][PICTURE], now[PICTURE];
    hd_rng rng = hd_rng_make(20260101, 1);
    for (int round = 0; round < 20; round++) {
        model m = {.f = f, .undone_from = BATCHES + 1};
        take_picture(f->store, pictures[0]);
        for (int64_t b = 1; b <= BATCHES; b++) {
            uint64_t puts = 1 + hd_rng_below(&rng, 10);
            for (uint64_t i = 0; i < puts; i++) random_put(&m, b, &rng);
            take_picture(f->store, pictures[b]);
        }
        for (int64_t b = BATCHES; b >= 1; b--) {
            int64_t rows;
            m.undone_from = b;
            assert_ok(hd_catalog_undo(f->catalog, b, referred, &m, &rows));
            take_picture(f->store, now);
            assert_string_equal(now, pictures[b - 1]);
        }
        assert_int_equal(ask(f->store, "SELECT count(*) FROM items_undo"), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CATALOG_TEST(new_rows_go_and_overwritten_ones_return),
        CATALOG_TEST(a_removed_document_returns),
        CATALOG_TEST(a_later_batch_is_named),
        CATALOG_TEST(a_used_item_stays_by_name),
        CATALOG_TEST(named_and_described_apart),
        CATALOG_TEST(undoing_all_in_turn_returns_each_picture),
    };
    return cmocka_run_group_tests_name("catalog_undo", tests, NULL, NULL);
}
