// SPDX-License-Identifier: Apache-2.0
//
// Reading for people: lists a page at a time, newest first, and conversations. Each page begins
// behind the last row of the one before. Purposes and consents as for all reading (door.h): who is
// out of the purpose is left out of lists, and HEED_DENIED when asked for by name.
#ifndef HD_PRIVACY_PAGE_H
#define HD_PRIVACY_PAGE_H

#include "privacy/door.h"

extern const hd_migration hd_page_migrations[];
extern const size_t hd_page_n_migrations;

// Keys of up to `limit` persons after `after`, in key order: also of those who are out, whom
// hd_door_user_get then refuses. (*n) in the arena.
heed_err hd_door_users_page(hd_door *door, hd_purpose purpose, int64_t after, size_t limit,
                            hd_arena *arena, int64_t **keys, size_t *n) HEED_CHECK;

// Where a page of events begins: behind the event of this time and key. key 0: at the newest.
typedef struct hd_door_place {
    hd_time time;
    int64_t key;
} hd_door_place;
heed_err hd_door_events_page(hd_door *door, hd_purpose purpose, int64_t user_key,
                             hd_door_place behind, size_t limit, hd_arena *arena,
                             hd_door_event **out, size_t *n) HEED_CHECK;

typedef struct hd_door_written { // a review, and by whom
    hd_door_review review;
    const char *user; // NULL: nobody known
} hd_door_written;
// Reviews of an item, or by a user (the other is 0), behind the key `behind` (0: the newest).
heed_err hd_door_reviews_page(hd_door *door, hd_purpose purpose, int64_t user_key, int64_t item_key,
                              int64_t behind, size_t limit, hd_arena *arena, hd_door_written **out,
                              size_t *n) HEED_CHECK;

typedef struct hd_door_ticket {
    int64_t key;
    const char *id;
    const char *user;             // NULL: nobody known
    const char *subject, *status; // NULL: not given
    int64_t n_messages;
    hd_time first, last; // of the messages
} hd_door_ticket;
// Tickets, of a user only when user_key isn't 0, behind the key `behind` (0: the newest).
heed_err hd_door_tickets_page(hd_door *door, hd_purpose purpose, int64_t user_key, int64_t behind,
                              size_t limit, hd_arena *arena, hd_door_ticket **out,
                              size_t *n) HEED_CHECK;

typedef struct hd_door_message {
    int64_t key;
    const char *role, *text; // NULL: not given
    hd_time time;
} hd_door_message;
// One conversation: the ticket, and the last `limit` messages (0: all) in time order.
// HEED_NOT_FOUND: no such id.
heed_err hd_door_ticket_get(hd_door *door, hd_purpose purpose, hd_slice id, size_t limit,
                            hd_arena *arena, hd_door_ticket *out, hd_door_message **messages,
                            size_t *n) HEED_CHECK;

#endif
