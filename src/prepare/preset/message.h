// SPDX-License-Identifier: Apache-2.0
//
// Messages of tracking systems (Segment, PostHog): the struct that their rows fill, and what is
// made of it.
#ifndef HD_PREPARE_PRESET_MESSAGE_H
#define HD_PREPARE_PRESET_MESSAGE_H

#include "prepare/preset/preset.h"

typedef struct hd_message {
    hd_slice call;                      // Segment: identify, track, …
    hd_slice user, anonymous, previous; // ids
    hd_slice id, event, session;
    hd_slice item, currency, products;
    double price, total, quantity, rating;
    hd_time time, created;
    hd_slice inside;             // PostHog: the id, where properties hold it
    hd_slice traits, traits_too; // PostHog: what $set says of the user, beside or in properties
    hd_slice rest;               // properties, or Segment's traits
    char second;                 // a place of its own for a second object that joins `rest`
} hd_message;
#define HD_MESSAGE_AT(member) offsetof(hd_message, member)

// The fields of a product, an order or a cart: the same names in both systems.
#define HD_MESSAGE_SHOP                                                                        \
    {"item", HD_FIELD_ID, HD_MESSAGE_AT(item),                                                 \
     "propertiesproductid propertiessku propertiesitemid", HD_TEXT("which item", "哪件商品")}, \
        {"price", HD_FIELD_MONEY, HD_MESSAGE_AT(price), "propertiesprice propertiesvalue",     \
         HD_TEXT("price", "价格")},                                                            \
        {"total", HD_FIELD_MONEY, HD_MESSAGE_AT(total), "propertiestotal propertiesrevenue",   \
         HD_TEXT("of an order", "订单总额")},                                                  \
        {"quantity", HD_FIELD_QUANTITY, HD_MESSAGE_AT(quantity), "propertiesquantity",         \
         HD_TEXT("how many", "数量")},                                                         \
        {"rating", HD_FIELD_NUMBER, HD_MESSAGE_AT(rating), "propertiesrating",                 \
         HD_TEXT("of a review", "评分")},                                                      \
        {"currency", HD_FIELD_CURRENCY, HD_MESSAGE_AT(currency), "propertiescurrency",         \
         HD_TEXT("currency", "币种")},                                                         \
    {                                                                                          \
        "products", HD_FIELD_JSON, HD_MESSAGE_AT(products), "propertiesproducts",              \
            HD_TEXT("of an order or a cart", "订单或购物车中的商品")                           \
    }

// heed's word for an event's name ("Product Viewed": view).
heed_err hd_message_word(hd_sink *sink, hd_slice name, hd_slice *out) HEED_CHECK;
// A user with what `rest` says of it; an alias that is the id itself is none.
heed_err hd_message_user(hd_sink *sink, const hd_message *m, hd_slice id,
                         hd_slice alias) HEED_CHECK;
// An event, or one for each product. The row turns bad when a product has no id.
heed_err hd_message_event(hd_sink *sink, const hd_message *m, hd_slice user,
                          hd_slice type) HEED_CHECK;

#endif
