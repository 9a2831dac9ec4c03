// SPDX-License-Identifier: Apache-2.0
//
// The kinds of record that heed takes in, as values: what a reader of files produces and a door
// stores. All slices are borrowed from whoever made the record. An absent slice (p == NULL), NaN
// and HD_TIME_NONE mean "not given".
#ifndef HD_BASE_RECORD_H
#define HD_BASE_RECORD_H

#include <stdbool.h>

#include "base/str.h"
#include "base/time.h"

// X(NAME, "name", English, Chinese)
#define HD_KIND_LIST(X)                      \
    X(USERS, "users", "users", "用户")       \
    X(ITEMS, "items", "items", "商品")       \
    X(EVENTS, "events", "events", "事件")    \
    X(REVIEWS, "reviews", "reviews", "评论") \
    X(TICKETS, "tickets", "tickets", "工单") \
    X(DOCUMENTS, "documents", "documents", "文档")

typedef enum hd_kind {
#define HD_KIND_ENUM(name, text, en, zh) HD_KIND_##name,
    HD_KIND_LIST(HD_KIND_ENUM)
#undef HD_KIND_ENUM
        HD_KINDS
} hd_kind;

typedef struct hd_user_record {
    hd_slice id;         // the company's own id; required
    hd_slice alias;      // another id of the same person
    hd_slice attributes; // a JSON object: whatever else is known
    hd_time created;
} hd_user_record;

typedef struct hd_item_record {
    hd_slice id; // required
    hd_slice title;
    hd_slice brand;
    hd_slice categories; // a JSON array of strings, the broadest first
    double price;        // in `currency`
    hd_slice currency;   // ISO 4217
    hd_slice attributes; // a JSON object
    hd_time created;
    int hidden;        // 1, 0, or -1: not given
    int replenishable; // bought again and again: 1, 0, or -1: not given
} hd_item_record;

typedef struct hd_event_record {
    hd_slice event_id; // makes a repeat harmless
    hd_slice user;     // absent: anonymous
    hd_slice session;
    hd_slice item; // absent: an event without an item (search, sign-up)
    hd_slice type; // "view", "cart", "purchase", "rating", …; required
    double value;  // amount, rating, seconds: as the type says
    double quantity;
    hd_slice currency;
    hd_time time;
    hd_slice properties; // a JSON object
} hd_event_record;

typedef struct hd_review_record {
    hd_slice id;
    hd_slice user;
    hd_slice item;
    double rating;
    hd_slice title;
    hd_slice text;
    hd_time time;
} hd_review_record;

// One message of a conversation; the ticket's own fields repeat or stand in its first message.
typedef struct hd_ticket_record {
    hd_slice id; // of the conversation; required
    hd_slice user;
    hd_slice subject;
    hd_slice status; // "open", "closed", …
    hd_slice role;   // "user", "agent", "system"
    hd_slice text;
    hd_slice message_id;
    hd_time time;
} hd_ticket_record;

typedef struct hd_document_record {
    hd_slice id;
    hd_slice title;
    hd_slice text;
    hd_slice url;
    hd_slice lang;
    hd_time updated;
} hd_document_record;

typedef struct hd_record {
    hd_kind kind;
    union {
        hd_user_record user;
        hd_item_record item;
        hd_event_record event;
        hd_review_record review;
        hd_ticket_record ticket;
        hd_document_record document;
    };
} hd_record;

const char *hd_kind_name(hd_kind kind);
hd_text hd_kind_text(hd_kind kind);
bool hd_kind_find(hd_slice name, hd_kind *out);

#endif
