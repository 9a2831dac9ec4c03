// SPDX-License-Identifier: Apache-2.0
//
// Invoice lines (UCI Online Retail and II, and any export with the same columns): each line is a
// purchase, and tells of an item.
//
// - An invoice whose number begins with C was cancelled: a return, its quantity made positive.
// - A quantity below zero otherwise, a price below zero, or an invoice that begins with another
//   letter is bookkeeping, not a customer's doing: an event of type "adjustment", with the signed
//   quantity as the property stock_change.
// - A line without a customer is an anonymous event. Customers written 17850.0 (a number column
//   with gaps, as pandas writes it) are 17850.
// - An item's title and price come from lines with a price: descriptions of the others are notes
//   of the stockroom ("damaged", "?"). Codes of postage, discounts and fees are items that are
//   hidden.
//
// The same item stands in many lines. It is sent again only when its title or price changed, as far
// as a table of 65,536 hashes remembers: a forgotten one is sent once more, which changes nothing.
#include <math.h>
#include <sodium.h>

#include "prepare/preset/preset.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct retail_line {
    hd_slice invoice, item, title, user, country, currency, rest;
    double quantity, price;
    hd_time time;
} retail_line;
#define AT(member) offsetof(retail_line, member)

static const hd_field fields[] = {
    {"item", HD_FIELD_ID, AT(item),
     "stockcode itemid item productid product productcode sku skuid 商品编号 商品编码 商品id 货号 商品",
     HD_TEXT("item", "商品")},
    {"invoice", HD_FIELD_ID, AT(invoice),
     "invoiceno invoice invoiceid invoicenumber orderno orderid ordernumber 订单号 订单编号 发票号 单号",
     HD_TEXT("invoice; C… is a return", "订单或发票号；C 开头为退货")},
    {"title", HD_FIELD_TEXT, AT(title),
     "description title name itemname productname 商品名称 名称 描述",
     HD_TEXT("name of the item", "商品名称")},
    {"quantity", HD_FIELD_NUMBER, AT(quantity), "quantity qty units 数量 件数",
     HD_TEXT("how many; below zero: taken back", "数量；负数为退回")},
    {"time", HD_FIELD_TIME, AT(time),
     "invoicedate orderdate ordertime date time datetime timestamp 下单时间 订单时间 日期 时间",
     HD_TEXT("when", "时间")},
    {"price", HD_FIELD_MONEY, AT(price), "unitprice price itemprice 单价 价格",
     HD_TEXT("price of one", "单价")},
    {"user", HD_FIELD_ID, AT(user),
     "customerid customer customerno userid user memberid 客户编号 客户id 会员号 会员id 用户id 客户",
     HD_TEXT("customer; empty: anonymous", "客户；空为匿名")},
    {"currency", HD_FIELD_CURRENCY, AT(currency), "currency 币种 货币",
     HD_TEXT("currency", "币种")},
};

// What a line of these codes sells isn't goods: postage, discounts, fees, entries by hand.
static const char *const services[] = {"POST", "DOT",          "D",         "M",     "S", "B", "C2",
                                       "CRUK", "BANK CHARGES", "AMAZONFEE", "ADJUST"};

static bool is_service(hd_slice code) {
    for (size_t i = 0; i < COUNT(services); i++) {
        if (hd_slice_eq_nocase(code, services[i])) return true;
    }
    return false;
}

static void hash_add(crypto_generichash_state *state, hd_slice s) {
    uint64_t n = s.n;
    crypto_generichash_update(state, (const unsigned char *)&n, sizeof n);
    if (s.n > 0) crypto_generichash_update(state, (const unsigned char *)s.p, s.n);
}

// Whether the item was sent lately just like this.
static bool sent_already(hd_sink *sink, const hd_record *r) {
    _Alignas(64) crypto_generichash_state state;
    uint64_t key[4];
    crypto_generichash_init(&state, NULL, 0, sizeof key);
    hash_add(&state, r->item.id);
    hash_add(&state, r->item.title);
    double price = r->item.price;
    crypto_generichash_update(&state, (const unsigned char *)&price, sizeof price);
    crypto_generichash_final(&state, (unsigned char *)key, sizeof key);
    uint64_t *place = &sink->seen[key[0] % HD_SINK_SEEN];
    bool same = *place == key[1];
    *place = key[1];
    return same;
}

static heed_err push_item(hd_sink *sink, const retail_line *line) {
    hd_record r;
    hd_record_blank(HD_KIND_ITEMS, &r);
    r.item.id = line->item;
    if (is_service(line->item)) r.item.hidden = 1;
    if (line->price > 0) {
        r.item.title = line->title;
        r.item.price = line->price;
        r.item.currency = line->currency;
    }
    return sent_already(sink, &r) ? HEED_OK : hd_sink_push(sink, &r);
}

static hd_slice line_type(const retail_line *line) {
    char first = line->invoice.n > 0 ? line->invoice.p[0] : '0';
    bool number = first >= '0' && first <= '9';
    if (first == 'C' || first == 'c') return hd_slice_of("return");
    bool odd = line->quantity < 0 || line->price < 0 || (!number && first == 'A');
    return hd_slice_of(odd ? "adjustment" : "purchase");
}

// The signed quantity of bookkeeping joins the other columns.
static heed_err add_stock_change(hd_sink *sink, double quantity, hd_slice *rest) {
    if (rest->p && memmem(rest->p, rest->n, "\"stock_change\":", 15)) return HEED_OK;
    bool more = rest->n > 2;
    char *text =
        hd_arena_printf(sink->arena, "{\"stock_change\":%lld%s%.*s", (long long)quantity,
                        more ? "," : "", more ? (int)rest->n - 1 : 1, more ? rest->p + 1 : "}");
    if (!text) return HD_FAIL_MEMORY(rest->n);
    *rest = hd_slice_of(text);
    return HEED_OK;
}

static heed_err push_event(hd_sink *sink, const retail_line *line) {
    hd_record r;
    hd_record_blank(HD_KIND_EVENTS, &r);
    r.event.type = line_type(line);
    r.event.user = line->user;
    r.event.item = line->item;
    r.event.session = line->invoice;
    r.event.time = line->time;
    r.event.value = line->price;
    r.event.quantity = fabs(line->quantity);
    r.event.currency = line->currency;
    r.event.properties = line->rest;
    size_t n = r.event.user.n;
    if (n > 2 && memcmp(r.event.user.p + n - 2, ".0", 2) == 0) r.event.user.n -= 2;
    if (hd_slice_eq(r.event.type, "adjustment") && fabs(line->quantity) < 1e15) {
        HD_TRY(add_stock_change(sink, line->quantity, &r.event.properties));
    }
    return hd_sink_push(sink, &r);
}

static heed_err finish(hd_sink *sink, void *filled) {
    const retail_line *line = filled;
    if (!line->item.p) {
        HD_BAD_ROW(sink->row, "the line names no item: give its code, or leave the line out",
                   "该行没有商品：请补上商品编号，或删去该行");
        return HEED_OK;
    }
    HD_TRY(push_item(sink, line));
    return push_event(sink, line);
}

static const hd_schema schema = {
    .kind = HD_KIND_EVENTS,
    .required = {"item", "quantity price"},
    .fields = fields,
    .n_fields = COUNT(fields),
    .size = sizeof(retail_line),
    .rest = AT(rest),
    .list = HD_NO_PLACE,
    .currency = AT(currency),
    .finish = finish,
};

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    (void)file;
    out->kind = HD_KIND_EVENTS;
    out->schema = &schema;
    out->default_type = "purchase";
    out->remembers = true;
    return HEED_OK;
}

const hd_preset hd_preset_retail = {
    .name = "retail",
    .doc = HD_TEXT("invoice lines: items and purchases from one file, cancellations as returns",
                   "发票明细：由同一文件得到商品与购买，取消的发票记为退货"),
    .shape = shape,
};
