// SPDX-License-Identifier: Apache-2.0
//
// Segment's messages (JSON lines): identify makes a user, alias and the pair of userId and
// anonymousId in identify make another id of the person, track and page make events. E-commerce v2
// names are heed's words (Product Viewed → view); an order's or a cart's `products` array makes an
// event for each product, with the message's id and the product's place as its event id.
//
// Before someone signs in only anonymousId is known: it is the user's id then, and identify joins
// the two.
#include <math.h>

#include "prepare/preset/preset.h"
#include "prepare/read/event_type.h"
#include "prepare/read/value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct message {
    hd_slice call, user, anonymous, previous, id, event, session, name;
    hd_slice item, currency, products, rest;
    double price, total, quantity, rating;
    hd_time time, created;
} message;
#define AT(member) offsetof(message, member)

static const hd_field fields[] = {
    {"call", HD_FIELD_TEXT, AT(call), "type",
     HD_TEXT("identify, track, page, …", "identify、track、page……")},
    {"user", HD_FIELD_ID, AT(user), "userid", HD_TEXT("who", "谁")},
    {"anonymous", HD_FIELD_ID, AT(anonymous), "anonymousid",
     HD_TEXT("who, before signing in", "登录前的标识")},
    {"previous", HD_FIELD_ID, AT(previous), "previousid",
     HD_TEXT("alias: the former id", "alias：原标识")},
    {"event_id", HD_FIELD_ID, AT(id), "messageid", HD_TEXT("unique", "唯一标识")},
    {"event", HD_FIELD_TEXT, AT(event), "event", HD_TEXT("what was tracked", "所跟踪的事件")},
    {"session", HD_FIELD_ID, AT(session), "contextsessionid propertiessessionid propertiescartid",
     HD_TEXT("visit", "访问")},
    {"item", HD_FIELD_ID, AT(item), "propertiesproductid propertiessku propertiesitemid",
     HD_TEXT("which item", "哪件商品")},
    {"price", HD_FIELD_MONEY, AT(price), "propertiesprice propertiesvalue",
     HD_TEXT("price", "价格")},
    {"total", HD_FIELD_MONEY, AT(total), "propertiestotal propertiesrevenue",
     HD_TEXT("of an order", "订单总额")},
    {"quantity", HD_FIELD_QUANTITY, AT(quantity), "propertiesquantity",
     HD_TEXT("how many", "数量")},
    {"rating", HD_FIELD_NUMBER, AT(rating), "propertiesrating", HD_TEXT("of a review", "评分")},
    {"currency", HD_FIELD_CURRENCY, AT(currency), "propertiescurrency",
     HD_TEXT("currency", "币种")},
    {"products", HD_FIELD_JSON, AT(products), "propertiesproducts",
     HD_TEXT("of an order or a cart", "订单或购物车中的商品")},
    {"time", HD_FIELD_TIME, AT(time), "timestamp originaltimestamp sentat receivedat",
     HD_TEXT("when", "时间")},
    {"created", HD_FIELD_TIME, AT(created), "traitscreatedat",
     HD_TEXT("when the user joined", "用户加入时间")},
    // The two add to the same object; a place of their own each keeps both mapped.
    {"traits", HD_FIELD_OBJECT, AT(rest), "traits",
     HD_TEXT("what is known of the user", "用户特征")},
    {"properties", HD_FIELD_OBJECT, AT(rest) + 1, "properties",
     HD_TEXT("of the event", "事件属性")},
};

// What Segment calls the events of a shop (spec v2), where heed's vocabulary needs telling. Events
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

static heed_err event_word(hd_sink *sink, hd_slice name, hd_slice *out) {
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

static heed_err push_user(hd_sink *sink, const message *m, hd_slice id, hd_slice alias) {
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

static void blank_event(const message *m, hd_slice user, hd_slice type, hd_record *r) {
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

static heed_err push_product(hd_sink *sink, hd_json_scan *scan, const message *m, hd_slice object,
                             size_t place, hd_record *r) {
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
static heed_err push_products(hd_sink *sink, const message *m, hd_slice user, hd_slice type) {
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

static heed_err push_event(hd_sink *sink, const message *m, hd_slice user, hd_slice type) {
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

static heed_err finish(hd_sink *sink, void *filled) {
    message *m = filled;
    hd_slice user = m->user.p ? m->user : m->anonymous;
    hd_slice type = hd_slice_of(m->item.p ? "view" : "page");
    if (!user.p) {
        HD_BAD_ROW(sink->row, "the message has neither userId nor anonymousId: give one",
                   "该消息既无 userId 也无 anonymousId：请补上");
        return HEED_OK;
    }
    if (hd_slice_eq(m->call, "identify")) return push_user(sink, m, user, m->anonymous);
    if (hd_slice_eq(m->call, "alias")) return push_user(sink, m, user, m->previous);
    if (hd_slice_eq(m->call, "group")) return push_user(sink, m, user, (hd_slice){0});
    if (hd_slice_eq(m->call, "page") || hd_slice_eq(m->call, "screen")) {
        return push_event(sink, m, user, type);
    }
    if (hd_slice_eq(m->call, "track") && m->event.p) {
        HD_TRY(event_word(sink, m->event, &type));
        return push_event(sink, m, user, type);
    }
    hd_quoted call = hd_quote_value(m->call.p ? m->call : hd_slice_of("?"));
    HD_BAD_ROW(
        sink->row,
        "'%s' is no Segment call with an event: type is identify, track (with event), page, "
        "screen, alias or group",
        "“%s”不是可用的 Segment 调用：type 应为 identify、track（含 event）、page、screen、alias 或 group",
        call.text);
    return HEED_OK;
}

static const hd_schema schema = {
    .kind = HD_KIND_EVENTS,
    .required = {"call", "user anonymous"},
    .fields = fields,
    .n_fields = COUNT(fields),
    .size = sizeof(message),
    .rest = AT(rest),
    .closed = true, // context holds addresses and devices that nobody asked for
    .list = HD_NO_PLACE,
    .currency = AT(currency),
    .finish = finish,
};

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    (void)file;
    out->format = &hd_format_jsonl;
    out->kind = HD_KIND_EVENTS;
    out->schema = &schema;
    return HEED_OK;
}

const hd_preset hd_preset_segment = {
    .name = "segment",
    .doc = HD_TEXT("Segment's messages (JSON lines): identify, track, page, screen, alias, group",
                   "Segment 消息（JSON 行）：identify、track、page、screen、alias、group"),
    .shape = shape,
};
