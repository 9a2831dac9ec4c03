// SPDX-License-Identifier: Apache-2.0
//
// Single rows and pages of them as JSON, for people and for systems beside heed: users, items,
// events, reviews, tickets, documents. Personal ones are read for support by people.
#ifndef HD_WORKSPACE_BROWSE_H
#define HD_WORKSPACE_BROWSE_H

#include "workspace/workspace.h"

enum { HD_PAGE_MAX = 1000, HD_PAGE_USUAL = 50 };

// Which page: the cursor that the page before gave ("next_cursor"), NULL: the first.
typedef struct hd_page {
    const char *cursor;
    size_t limit; // 1 .. HD_PAGE_MAX
} hd_page;

// {"users": [{"id", "created", "attributes"}], "next_cursor"}
heed_err hd_browse_users(heed_workspace *ws, hd_page page, json_t **out) HEED_CHECK;
// {"user", "events": [{"type", "item", "time", "value", "quantity", "currency"}], "next_cursor"},
// newest first.
heed_err hd_browse_events(heed_workspace *ws, const char *user, hd_page page,
                          json_t **out) HEED_CHECK;
// {"reviews": [{"user", "item", "rating", "title", "text", "time"}], "next_cursor"}, newest first,
// of the user or of the item (the other NULL).
heed_err hd_browse_reviews(heed_workspace *ws, const char *user, const char *item, hd_page page,
                           json_t **out) HEED_CHECK;
// {"tickets": [{"id", "user", "subject", "status", "message_count", "first", "last"}],
// "next_cursor"}, newest first; user NULL: everybody's.
heed_err hd_browse_tickets(heed_workspace *ws, const char *user, hd_page page,
                           json_t **out) HEED_CHECK;
// The same of one, with "messages": [{"role", "text", "time"}], the last `limit`.
heed_err hd_browse_ticket(heed_workspace *ws, const char *id, size_t limit,
                          json_t **out) HEED_CHECK;
// {"id", "title", "brand", "categories", "price", "currency", "created", "hidden",
// "replenishable", "attributes"}; null where nothing is known.
heed_err hd_browse_item(heed_workspace *ws, const char *id, json_t **out) HEED_CHECK;
// {"items": [as above], "next_cursor"}; category NULL: any.
heed_err hd_browse_items(heed_workspace *ws, const char *category, hd_page page,
                         json_t **out) HEED_CHECK;

// {"id", "title", "text", "url", "lang", "updated"}; null where nothing is known.
heed_err hd_browse_document(heed_workspace *ws, const char *id, json_t **out) HEED_CHECK;
// {"documents": [as above], "next_cursor"}
heed_err hd_browse_documents(heed_workspace *ws, hd_page page, json_t **out) HEED_CHECK;

// Takes an item out (catalog.h). {"item", "removed": true}
heed_err hd_browse_remove_item(heed_workspace *ws, const char *id, json_t **out) HEED_CHECK;
// The same of a document. {"document", "removed": true}
heed_err hd_browse_remove_document(heed_workspace *ws, const char *id, json_t **out) HEED_CHECK;

#endif
