// SPDX-License-Identifier: Apache-2.0
//
// What the tests of text/ share.
#ifndef HD_TESTS_TEXT_H
#define HD_TESTS_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(text) \
    { (text), sizeof(text) - 1 } // in a static table
#define S(text) ((hd_slice)TEXT(text))

static inline json_t *json_of(const char *text) {
    json_t *json = NULL;
    if (text && hd_json_parse(text, strlen(text), "test", &json) != HEED_OK) {
        // A scalar: jansson's documents are objects or arrays.
        json = json_string(text);
    }
    return json;
}

#endif
