// SPDX-License-Identifier: Apache-2.0
//
// Filters as users type them, asked of an item with attributes, and the same bytes as attributes.
#include <stdint.h>
#include <string.h>

#include "recommend/cold.h"
#include "recommend/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *categories[] = {"food", "drinks"};
    hd_item item = {1, "tea", "Tea", "Alba", categories, 2, 5, "EUR", "{\"a\": [1, \"x\", true]}",
                    0, false, true};
    hd_arena arena;
    hd_attributes attributes;
    hd_filter filter;
    bool fits;
    hd_arena_init(&arena);
    hd_attributes_init(&attributes);
    char *text = hd_arena_strndup(&arena, size ? (const char *)data : "", size);
    if (text && hd_filter_parse((hd_slice){text, size}, &arena, &filter) == HEED_OK) {
        (void)!hd_filters_match(&filter, 1, &item, &fits);
        item.attributes = text;
        (void)!hd_filters_match(&filter, 1, &item, &fits);
    }
    if (text) (void)!hd_attributes_add(&attributes, text);
    hd_attributes_clear(&attributes);
    hd_arena_clear(&arena);
    return 0;
}
