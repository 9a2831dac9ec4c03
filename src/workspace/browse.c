// SPDX-License-Identifier: Apache-2.0
//
// A page is asked for with one row more than it shows: whether there is a next one is then known
// without counting. Cursors are keys; they tell nothing that the page didn't, and a made-up one
// leads to another page of the same list at worst.
#include "workspace/browse.h"

#include <math.h>

#include "privacy/page.h"
#include "workspace/ingest.h"

static const hd_purpose FOR_PEOPLE = HD_PURPOSE_SUPPORT;

// ── Values ──

static json_t *text_or_null(const char *text) {
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *time_or_null(hd_time time) {
    char buf[32];
    if (time == HD_TIME_NONE) return json_null();
    hd_time_format(time, NULL, buf);
    return json_string(buf);
}

static json_t *list_of(const char *const *texts, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        if (json_array_append_new(list, json_string(texts[i])) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

// Sets the members of an object that is being made; the first failure sticks.
typedef struct maker {
    json_t *object;
    heed_err err;
} maker;

static maker make(void) {
    json_t *object = json_object();
    return (maker){object, object ? HEED_OK : HD_FAIL_MEMORY(0)};
}

static void put(maker *m, const char *key, json_t *value) {
    if (m->err != HEED_OK)
        json_decref(value);
    else
        m->err = hd_json_set(m->object, key, value);
}

static void put_object(maker *m, const char *key, const char *text) {
    json_t *value = NULL;
    if (m->err == HEED_OK) m->err = hd_json_parse(text, strlen(text), key, &value);
    if (m->err == HEED_OK) put(m, key, value);
}

static heed_err made(maker *m, json_t **out) {
    if (m->err != HEED_OK) hd_json_drop(&m->object);
    *out = m->object;
    return m->err;
}

// ── Pages ──

static heed_err bad_cursor(const char *cursor) {
    return HD_FAIL(HEED_USAGE, "'%.40s' is no cursor; take next_cursor of the page before as it is",
                   "“%.40s”不是游标；请原样使用上一页的 next_cursor", cursor);
}

static heed_err read_cursor(hd_page page, int64_t *key) {
    *key = 0;
    if (!page.cursor) return HEED_OK;
    bool ok = hd_slice_i64(hd_slice_of(page.cursor), key) && *key > 0;
    return ok ? HEED_OK : bad_cursor(page.cursor);
}

// "time.key", "-.key" for an event without a time.
static heed_err read_place(hd_page page, hd_door_place *place) {
    *place = (hd_door_place){HD_TIME_NONE, 0};
    if (!page.cursor) return HEED_OK;
    const char *dot = strchr(page.cursor, '.');
    if (!dot) return bad_cursor(page.cursor);
    hd_slice time = {page.cursor, (size_t)(dot - page.cursor)};
    bool ok = hd_slice_i64(hd_slice_of(dot + 1), &place->key) && place->key > 0 &&
              (hd_slice_eq(time, "-") || hd_slice_i64(time, &place->time));
    return ok ? HEED_OK : bad_cursor(page.cursor);
}

static json_t *key_cursor(int64_t key) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)key);
    return json_string(text);
}

static json_t *place_cursor(hd_time time, int64_t key) {
    char text[64];
    if (time == HD_TIME_NONE)
        snprintf(text, sizeof text, "-.%lld", (long long)key);
    else
        snprintf(text, sizeof text, "%lld.%lld", (long long)time, (long long)key);
    return json_string(text);
}

// Makes {"<name>": [entry(0), …], "next_cursor"} of the first `limit` of n rows.
typedef struct listing {
    const char *name;
    heed_err (*entry)(heed_workspace *ws, void *rows, size_t i, hd_arena *arena, json_t **out);
    json_t *(*cursor)(void *rows, size_t i); // of the page that follows row i
    void *rows;
    size_t n;
} listing;

static heed_err list_page(heed_workspace *ws, const listing *l, size_t limit, hd_arena *arena,
                          maker *m) {
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    size_t shown = l->n < limit ? l->n : limit;
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < shown; i++) {
        json_t *entry = NULL;
        err = l->entry(ws, l->rows, i, arena, &entry);
        if (err == HEED_OK && entry) err = hd_json_append(list, entry);
    }
    if (err != HEED_OK) {
        json_decref(list);
        return err;
    }
    put(m, l->name, list);
    put(m, "next_cursor", l->n > shown ? l->cursor(l->rows, shown - 1) : json_null());
    return m->err;
}

// Runs `fill` with an arena of its own and gives what it made.
typedef heed_err (*fill_fn)(heed_workspace *ws, const void *what, hd_arena *arena, maker *m);

static heed_err browse(heed_workspace *ws, fill_fn fill, const void *what, json_t **out) {
    hd_arena arena;
    hd_arena_init(&arena);
    maker m = make();
    // One state of the database for all that the answer says.
    if (m.err == HEED_OK) m.err = hd_store_begin_read(ws->store);
    if (m.err == HEED_OK) {
        m.err = fill(ws, what, &arena, &m);
        if (m.err == HEED_OK)
            m.err = hd_store_commit(ws->store);
        else
            hd_store_rollback(ws->store);
    }
    hd_arena_clear(&arena);
    return made(&m, out);
}

typedef struct wanted {
    const char *user, *item, *category, *id;
    hd_page page;
} wanted;

static heed_err find_user(heed_workspace *ws, const char *id, int64_t *key) {
    return hd_door_user_find(ws->door, FOR_PEOPLE, hd_slice_of(id), key);
}

// The id of an item, in the arena; "" when the row names none.
static heed_err item_id(heed_workspace *ws, int64_t key, hd_arena *arena, const char **out) {
    hd_item item = {.id = ""};
    if (key != 0) HD_TRY(hd_catalog_item_get(ws->catalog, key, arena, &item));
    *out = item.id;
    return HEED_OK;
}

// ── Users ──

static void put_user(const hd_door_user *user, maker *m) {
    put(m, "id", json_string(user->id));
    put(m, "created", time_or_null(user->created));
    put_object(m, "attributes", user->attributes);
}

// Whoever is out of the purpose isn't shown: *out stays NULL.
static heed_err user_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                           json_t **out) {
    const int64_t *keys = rows;
    hd_door_user user;
    heed_err err = hd_door_user_get(ws->door, FOR_PEOPLE, keys[i], arena, &user);
    if (err == HEED_DENIED) return HEED_OK;
    HD_TRY(err);
    maker m = make();
    put_user(&user, &m);
    return made(&m, out);
}

static json_t *user_cursor(void *rows, size_t i) {
    return key_cursor(((const int64_t *)rows)[i]);
}

static heed_err fill_users(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    int64_t after, *keys;
    listing l = {"users", user_entry, user_cursor, NULL, 0};
    HD_TRY(read_cursor(w->page, &after));
    HD_TRY(hd_door_users_page(ws->door, FOR_PEOPLE, after, w->page.limit + 1, arena, &keys, &l.n));
    l.rows = keys;
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_users(heed_workspace *ws, hd_page page, json_t **out) {
    return browse(ws, fill_users, &(wanted){.page = page}, out);
}

// ── Events ──

static heed_err event_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                            json_t **out) {
    const hd_door_event *event = (const hd_door_event *)rows + i;
    const char *item;
    HD_TRY(item_id(ws, event->item_key, arena, &item));
    maker m = make();
    put(&m, "type", json_string(event->type));
    put(&m, "item", text_or_null(item));
    put(&m, "time", time_or_null(event->time));
    put(&m, "value", hd_json_real(event->value));
    put(&m, "quantity", hd_json_real(event->quantity));
    put(&m, "currency", text_or_null(event->currency));
    return made(&m, out);
}

static json_t *event_cursor(void *rows, size_t i) {
    const hd_door_event *event = (const hd_door_event *)rows + i;
    return place_cursor(event->time, event->key);
}

static heed_err fill_events(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    hd_door_place behind;
    hd_door_event *events;
    int64_t key;
    listing l = {"events", event_entry, event_cursor, NULL, 0};
    HD_TRY(read_place(w->page, &behind));
    HD_TRY(find_user(ws, w->user, &key));
    HD_TRY(hd_door_events_page(ws->door, FOR_PEOPLE, key, behind, w->page.limit + 1, arena, &events,
                               &l.n));
    l.rows = events;
    put(m, "user", json_string(w->user));
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_events(heed_workspace *ws, const char *user, hd_page page, json_t **out) {
    return browse(ws, fill_events, &(wanted){.user = user, .page = page}, out);
}

// ── Reviews ──

static heed_err review_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                             json_t **out) {
    const hd_door_written *written = (const hd_door_written *)rows + i;
    const hd_door_review *review = &written->review;
    const char *item;
    HD_TRY(item_id(ws, review->item_key, arena, &item));
    maker m = make();
    put(&m, "user", text_or_null(written->user));
    put(&m, "item", text_or_null(item));
    put(&m, "rating", hd_json_real(review->rating));
    put(&m, "title", text_or_null(review->title));
    put(&m, "text", text_or_null(review->text));
    put(&m, "time", time_or_null(review->time));
    return made(&m, out);
}

static json_t *review_cursor(void *rows, size_t i) {
    return key_cursor(((const hd_door_written *)rows)[i].review.key);
}

static heed_err fill_reviews(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    int64_t behind, user = 0, item = 0;
    hd_door_written *reviews;
    hd_item found;
    listing l = {"reviews", review_entry, review_cursor, NULL, 0};
    HD_TRY(read_cursor(w->page, &behind));
    if (w->user) HD_TRY(find_user(ws, w->user, &user));
    if (w->item) {
        HD_TRY(hd_catalog_item_find(ws->catalog, hd_slice_of(w->item), arena, &found));
        item = found.key;
    }
    HD_TRY(hd_door_reviews_page(ws->door, FOR_PEOPLE, user, item, behind, w->page.limit + 1, arena,
                                &reviews, &l.n));
    l.rows = reviews;
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_reviews(heed_workspace *ws, const char *user, const char *item, hd_page page,
                           json_t **out) {
    return browse(ws, fill_reviews, &(wanted){.user = user, .item = item, .page = page}, out);
}

// ── Tickets ──

static void put_ticket(const hd_door_ticket *ticket, maker *m) {
    put(m, "id", json_string(ticket->id));
    put(m, "user", text_or_null(ticket->user));
    put(m, "subject", text_or_null(ticket->subject));
    put(m, "status", text_or_null(ticket->status));
    put(m, "message_count", json_integer(ticket->n_messages));
    put(m, "first", time_or_null(ticket->first));
    put(m, "last", time_or_null(ticket->last));
}

static heed_err ticket_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                             json_t **out) {
    (void)ws;
    (void)arena;
    maker m = make();
    put_ticket((const hd_door_ticket *)rows + i, &m);
    return made(&m, out);
}

static json_t *ticket_cursor(void *rows, size_t i) {
    return key_cursor(((const hd_door_ticket *)rows)[i].key);
}

static heed_err fill_tickets(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    int64_t behind, user = 0;
    hd_door_ticket *tickets;
    listing l = {"tickets", ticket_entry, ticket_cursor, NULL, 0};
    HD_TRY(read_cursor(w->page, &behind));
    if (w->user) HD_TRY(find_user(ws, w->user, &user));
    HD_TRY(hd_door_tickets_page(ws->door, FOR_PEOPLE, user, behind, w->page.limit + 1, arena,
                                &tickets, &l.n));
    l.rows = tickets;
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_tickets(heed_workspace *ws, const char *user, hd_page page, json_t **out) {
    return browse(ws, fill_tickets, &(wanted){.user = user, .page = page}, out);
}

static heed_err message_json(const hd_door_message *message, json_t **out) {
    maker m = make();
    put(&m, "role", text_or_null(message->role));
    put(&m, "text", text_or_null(message->text));
    put(&m, "time", time_or_null(message->time));
    return made(&m, out);
}

static heed_err messages_json(const hd_door_message *messages, size_t n, json_t **out) {
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < n; i++) {
        json_t *entry = NULL;
        err = message_json(&messages[i], &entry);
        if (err == HEED_OK) err = hd_json_append(list, entry);
    }
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err fill_ticket(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    hd_door_ticket ticket;
    hd_door_message *messages;
    json_t *list = NULL;
    size_t n;
    HD_TRY(hd_door_ticket_get(ws->door, FOR_PEOPLE, hd_slice_of(w->id), w->page.limit, arena,
                              &ticket, &messages, &n));
    put_ticket(&ticket, m);
    HD_TRY(m->err);
    HD_TRY(messages_json(messages, n, &list));
    put(m, "messages", list);
    return m->err;
}

heed_err hd_browse_ticket(heed_workspace *ws, const char *id, size_t limit, json_t **out) {
    return browse(ws, fill_ticket, &(wanted){.id = id, .page.limit = limit}, out);
}

// ── Items ──

static void put_item(const hd_item *item, maker *m) {
    put(m, "id", json_string(item->id));
    put(m, "title", text_or_null(item->title));
    put(m, "brand", text_or_null(item->brand));
    put(m, "categories", list_of(item->categories, item->n_categories));
    put(m, "price", hd_json_real(item->price));
    put(m, "currency", text_or_null(item->currency));
    put(m, "created", time_or_null(item->created));
    put(m, "hidden", json_boolean(item->hidden));
    put(m, "replenishable", json_boolean(item->replenishable));
    put_object(m, "attributes", item->attributes);
}

static heed_err fill_item(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    hd_item item;
    HD_TRY(hd_catalog_item_find(ws->catalog, hd_slice_of(w->item), arena, &item));
    put_item(&item, m);
    return m->err;
}

heed_err hd_browse_item(heed_workspace *ws, const char *id, json_t **out) {
    return browse(ws, fill_item, &(wanted){.item = id}, out);
}

static heed_err item_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                           json_t **out) {
    (void)ws;
    (void)arena;
    maker m = make();
    put_item((const hd_item *)rows + i, &m);
    return made(&m, out);
}

static json_t *item_cursor(void *rows, size_t i) {
    return key_cursor(((const hd_item *)rows)[i].key);
}

static heed_err fill_items(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    int64_t after;
    hd_item *items;
    listing l = {"items", item_entry, item_cursor, NULL, 0};
    HD_TRY(read_cursor(w->page, &after));
    HD_TRY(
        hd_catalog_page(ws->catalog, after, w->category, w->page.limit + 1, arena, &items, &l.n));
    l.rows = items;
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_items(heed_workspace *ws, const char *category, hd_page page, json_t **out) {
    return browse(ws, fill_items, &(wanted){.category = category, .page = page}, out);
}

// ── Documents ──

static void put_document(const hd_document *document, maker *m) {
    put(m, "id", json_string(document->id));
    put(m, "title", text_or_null(document->title));
    put(m, "text", text_or_null(document->text));
    put(m, "url", text_or_null(document->url));
    put(m, "lang", text_or_null(document->lang));
    put(m, "updated", time_or_null(document->updated));
}

static heed_err fill_document(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    hd_document document;
    HD_TRY(hd_catalog_document_find(ws->catalog, hd_slice_of(w->id), arena, &document));
    put_document(&document, m);
    return m->err;
}

heed_err hd_browse_document(heed_workspace *ws, const char *id, json_t **out) {
    return browse(ws, fill_document, &(wanted){.id = id}, out);
}

static heed_err document_entry(heed_workspace *ws, void *rows, size_t i, hd_arena *arena,
                               json_t **out) {
    (void)ws;
    (void)arena;
    maker m = make();
    put_document((const hd_document *)rows + i, &m);
    return made(&m, out);
}

static json_t *document_cursor(void *rows, size_t i) {
    return key_cursor(((const hd_document *)rows)[i].key);
}

static heed_err fill_documents(heed_workspace *ws, const void *what, hd_arena *arena, maker *m) {
    const wanted *w = what;
    int64_t after;
    hd_document *documents;
    listing l = {"documents", document_entry, document_cursor, NULL, 0};
    HD_TRY(read_cursor(w->page, &after));
    HD_TRY(
        hd_catalog_documents_page(ws->catalog, after, w->page.limit + 1, arena, &documents, &l.n));
    l.rows = documents;
    return list_page(ws, &l, w->page.limit, arena, m);
}

heed_err hd_browse_documents(heed_workspace *ws, hd_page page, json_t **out) {
    return browse(ws, fill_documents, &(wanted){.page = page}, out);
}

// ── Taking out ──

typedef struct removal {
    const char *name; // of the member that holds the id
    hd_kind kind;
    heed_err (*remove)(hd_catalog *catalog, hd_slice id, int64_t batch);
} removal;

static heed_err remove_within(heed_workspace *ws, const removal *r, const char *id, json_t **out) {
    int64_t batch;
    HD_TRY(hd_json_pack(out, "{s:s, s:b}", r->name, id, "removed", 1));
    HD_TRY(hd_ingest_batch(ws, r->kind, &batch));
    return r->remove(ws->catalog, hd_slice_of(id), batch);
}

static heed_err take_out(heed_workspace *ws, const removal *r, const char *id, json_t **out) {
    *out = NULL;
    HD_TRY(hd_workspace_need_write(ws));
    HD_TRY(hd_store_begin(ws->store));
    heed_err err = remove_within(ws, r, id, out);
    if (err == HEED_OK) return hd_store_commit(ws->store);
    hd_store_rollback(ws->store);
    hd_json_drop(out);
    return err;
}

heed_err hd_browse_remove_item(heed_workspace *ws, const char *id, json_t **out) {
    static const removal items = {"item", HD_KIND_ITEMS, hd_catalog_item_remove};
    return take_out(ws, &items, id, out);
}

heed_err hd_browse_remove_document(heed_workspace *ws, const char *id, json_t **out) {
    static const removal documents = {"document", HD_KIND_DOCUMENTS, hd_catalog_document_remove};
    return take_out(ws, &documents, id, out);
}
