// SPDX-License-Identifier: Apache-2.0
//
// Whatever parses is written and parsed again: the same document, and the same text.
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *first, *second;
    if (hd_json_parse((const char *)data, size, "fuzz", &first) != HEED_OK) return 0;
    for (int pretty = 0; pretty < 2; pretty++) {
        hd_str a, b;
        hd_str_init(&a);
        hd_str_init(&b);
        if (hd_json_dump(first, pretty, &a) != HEED_OK) abort();
        if (hd_json_parse(hd_str_get(&a), a.len, "again", &second) != HEED_OK) abort();
        if (hd_json_dump(second, pretty, &b) != HEED_OK) abort();
        if (!json_equal(first, second) || a.len != b.len ||
            memcmp(hd_str_get(&a), hd_str_get(&b), a.len) != 0) {
            abort();
        }
        json_decref(second);
        hd_str_clear(&a);
        hd_str_clear(&b);
    }
    json_decref(first);
    return 0;
}
