// SPDX-License-Identifier: Apache-2.0
//
// What Segment's and PostHog's messages have in common: the names of a shop's events (Segment's
// e-commerce spec v2, which PostHog's users keep to as well), and how a message becomes records. An
// order's or a cart's `products` make an event each, with the message's id and the product's place
// as its event id.
#include "prepare/preset/message.h"

#include <math.h>

#include "prepare/read/event_type.h"
#include "prepare/read/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// What the spec calls the events of a shop, where heed's vocabulary needs telling. Events
// about lists and promotions have no single item.
static const struct {
    const char *name; // folded
    const char *word;
} names[] = {
    {"productlistviewed", "impression"},
    {"productlistfiltered", "search"},
    {"cartviewed", "view_cart"},
    {"orderupdated", "order_updated"},
    {"orderrefunded", "return"},
    {"ordercancelled", "cancel"},
    {"orderplaced", "purchase"},
    {"couponapplied", "coupon"},
    {"productreviewed", "review"},
    {"productaddedtowishlist", "favorite"},
    {"productremovedfromwishlist", "unfavorite"},
    {"wishlistproductaddedtocart", "cart"},
};

heed_err hd_message_word(hd_sink *sink, hd_slice name, hd_slice *out) {
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *p = names[i].name;
        size_t k = 0;
        while (k < name.n && *p) { // compared without blanks, letters in lower case
            char c = name.p[k++];
            if (c == ' ' || c == '_') continue;
            if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
            if (c != *p) break;
            p++;
        }
        if (*p == 0 && k == name.n) {
            *out = hd_slice_of(names[i].word);
            return HEED_OK;
        }
    }
    return hd_event_type(name, sink->arena, out);
}

// ── Users ───────────────────────────────────────────────────────────────────────────────────────

heed_err hd_message_user(hd_sink *sink, const hd_message *m, hd_slice id, hd_slice alias) {
    hd_record r;
    hd_record_blank(HD_KIND_USERS, &r);
    r.user.id = id;
    r.user.created = m->created;
    r.user.attributes = m->rest;
    bool other = alias.p && (alias.n != id.n || memcmp(alias.p, id.p, id.n) != 0);
    if (other) r.user.alias = alias;
    return hd_sink_push(sink, &r);
}

// ── Events ──────────────────────────────────────────────────────────────────────────────────────

static void blank_event(const hd_message *m, hd_slice user, hd_slice type, hd_record *r) {
    hd_record_blank(HD_KIND_EVENTS, r);
    r->event.user = user;
    r->event.type = type;
    r->event.session = m->session;
    r->event.time = m->time;
    r->event.currency = m->currency;
    r->event.properties = m->rest;
}

// Takes what an event needs from one member of a product.
static void take_member(const hd_cell *cell, hd_record *r) {
    const char *unused;
    double number;
    hd_event_record *e = &r->event;
    bool id = hd_slice_eq(cell->key, "product_id") || (!e->item.p && hd_slice_eq(cell->key, "sku"));
    bool text = cell->type == HD_CELL_TEXT || cell->type == HD_CELL_NUMBER;
    if (!text || cell->text.n == 0) return;
    if (id) e->item = cell->text;
    if (hd_slice_eq(cell->key, "price") &&
        hd_value_money(cell->text, false, NULL, &number, &unused)) {
        e->value = number;
    }
    if (hd_slice_eq(cell->key, "quantity") && hd_slice_f64(cell->text, &number) && number >= 0) {
        e->quantity = number;
    }
}

static heed_err push_product(hd_sink *sink, hd_json_scan *scan, const hd_message *m,
                             hd_slice object, size_t place, hd_record *r) {
    bool ok = false;
    HD_TRY(hd_json_scan_run(scan, object, &ok));
    for (size_t i = 0; ok && i < scan->n; i += 1 + scan->cells[i].size) {
        take_member(&scan->cells[i], r);
    }
    if (!r->event.item.p) {
        HD_BAD_ROW(sink->row, "product %zu has neither product_id nor sku: give it one",
                   "第 %zu 个商品既无 product_id 也无 sku：请补上", place);
        return HEED_OK;
    }
    if (m->id.p) {
        char *id = hd_arena_printf(sink->arena, "%.*s#%zu", (int)m->id.n, m->id.p, place);
        if (!id) return HD_FAIL_MEMORY(m->id.n);
        r->event.event_id = hd_slice_of(id);
    }
    return hd_sink_push(sink, r);
}

// An event for each product of an order or a cart.
static heed_err push_products(hd_sink *sink, const hd_message *m, hd_slice user, hd_slice type) {
    hd_json_scan scan;
    hd_json_scan_init(&scan, sink->arena);
    size_t at = 0;
    size_t place = 0;
    hd_cell element;
    heed_err err = HEED_OK;
    while (err == HEED_OK && sink->row->state != HD_ROW_BAD &&
           hd_json_element(&scan, m->products, &at, &element, &err)) {
        hd_record r;
        blank_event(m, user, type, &r);
        hd_slice object = element.type == HD_CELL_OBJECT ? element.text : hd_slice_of("{}");
        if (err == HEED_OK) err = push_product(sink, &scan, m, object, ++place, &r);
    }
    hd_json_scan_clear(&scan);
    return err;
}

heed_err hd_message_event(hd_sink *sink, const hd_message *m, hd_slice user, hd_slice type) {
    bool products = m->products.n > 2 && m->products.p[0] == '[';
    if (products && !m->item.p) return push_products(sink, m, user, type);
    hd_record r;
    blank_event(m, user, type, &r);
    r.event.event_id = m->id;
    r.event.item = m->item;
    r.event.quantity = m->quantity;
    r.event.value = !isnan(m->rating) ? m->rating : !isnan(m->price) ? m->price : m->total;
    return hd_sink_push(sink, &r);
}
