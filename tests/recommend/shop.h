// SPDX-License-Identifier: Apache-2.0
//
// A small catalogue by hand for tests of serving.
#ifndef HD_TESTS_RECOMMEND_SHOP_H
#define HD_TESTS_RECOMMEND_SHOP_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "catalog/catalog.h"

// Items stand in key order: item i has key 100 + i.
enum { SHOP_KEY = 100 };

static const char *shop_drinks[] = {"food", "drinks"};
static const char *shop_snacks[] = {"food", "snacks"};
static const char *shop_tools[] = {"tools"};
static hd_item shop_items[] = {
    {100, "tea", "Tea", "Alba", shop_drinks, 2, 5, "EUR", "{\"organic\": true}", 10, false, true},
    {101, "coffee", "Coffee", "Brio", shop_drinks, 2, 9, "EUR", "{\"strength\": 4}", 20, false,
     false},
    {102, "juice", "", "Alba", shop_drinks, 2, 3, "EUR", "{\"fruit\": [\"apple\", \"pear\"]}", 30,
     false, false},
    {103, "chips", "Chips", "Crunch", shop_snacks, 2, 2, "EUR", "{}", 40, false, false},
    {104, "nuts", "Nuts", "", shop_snacks, 2, NAN, "", "", 50, false, false},
    {105, "hammer", "Hammer", "Iron", shop_tools, 1, 30, "CNY", "{}", 60, false, false},
    {106, "saw", "Saw", "Iron", shop_tools, 1, 25, "EUR", "{}", 70, true, false},
    {107, "gift", "Gift", "", NULL, 0, 50, "EUR", "{\"strength\": \"4\"}", 80, false, false},
    {108, "novelty", "Novelty", "", shop_snacks, 2, 1, "EUR", "{}", 90, false, false},
};
enum { SHOP_ITEMS = sizeof shop_items / sizeof *shop_items };

static inline void shop_open(hd_items *out) {
    memset(out, 0, sizeof *out);
    out->items = shop_items;
    out->n = SHOP_ITEMS;
    hd_imap_init(&out->by_key);
    hd_map_init(&out->by_id);
    hd_map_init(&out->categories);
    heed_err err = HEED_OK;
    for (size_t i = 0; i < SHOP_ITEMS; i++) {
        const hd_item *item = &shop_items[i];
        err |= hd_imap_put(&out->by_key, (uint64_t)item->key, i);
        err |= hd_map_put(&out->by_id, item->id, strlen(item->id), i);
        for (size_t c = 0; c < item->n_categories; c++) {
            const char *name = item->categories[c];
            uint64_t *code;
            err |= hd_map_slot(&out->categories, name, strlen(name), out->categories.count, &code,
                               NULL);
        }
    }
    assert(err == HEED_OK);
}

static inline void shop_close(hd_items *items) {
    hd_imap_clear(&items->by_key);
    hd_map_clear(&items->by_id);
    hd_map_clear(&items->categories);
}

#endif
