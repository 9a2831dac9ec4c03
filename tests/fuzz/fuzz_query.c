// SPDX-License-Identifier: Apache-2.0
//
// A request's line to an operation's parameters: "METHOD path?query", then perhaps an empty line
// and a body. Whatever is decoded is UTF-8 without NUL bytes, and encoding it again and decoding
// gives the same.
#include <stdint.h>
#include <stdlib.h>

#include "base/unicode.h"
#include "server/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hd_slice take_until(hd_slice *rest, char sign) {
    const char *end = rest->n ? memchr(rest->p, sign, rest->n) : NULL;
    hd_slice part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    size_t skip = part.n + (end != NULL);
    *rest = (hd_slice){rest->p + skip, rest->n - skip};
    return part;
}

static void check_decoding(hd_slice text, bool plus) {
    hd_str plain, coded, again;
    hd_str_init(&plain);
    hd_str_init(&coded);
    hd_str_init(&again);
    if (hd_route_decode(text, plus, &plain) == HEED_OK) {
        const char *p = hd_str_get(&plain);
        if (plain.len > text.n || strlen(p) != plain.len) abort();
        if (hd_utf8_valid(p, plain.len) != plain.len) abort();
        for (size_t i = 0; i < plain.len; i++)
            hd_str_addf(&coded, "%%%02X", (unsigned)(unsigned char)p[i]);
        if (hd_route_decode((hd_slice){hd_str_get(&coded), coded.len}, plus, &again) != HEED_OK)
            abort();
        if (again.len != plain.len || memcmp(hd_str_get(&again), p, plain.len) != 0) abort();
    }
    hd_str_clear(&plain);
    hd_str_clear(&coded);
    hd_str_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hd_slice rest = {(const char *)data, size};
    hd_slice line = take_until(&rest, '\n');
    hd_slice method = take_until(&line, ' ');
    hd_slice path = take_until(&line, '?');
    check_decoding(path, false);
    check_decoding(line, true);
    hd_route route;
    hd_str allow;
    hd_str_init(&allow);
    if (hd_route_find(method, path, &route, &allow) == HD_ROUTE_FOUND) {
        hd_http_request request = {.method = method, .path = path, .query = line, .minor = 1};
        request.body = rest;
        request.body_size = rest.n;
        json_t *params = NULL;
        hd_route_fault fault;
        heed_err err = hd_route_params(&route, &request, NULL, &params, &fault);
        if (err == HEED_OK && !json_is_object(params)) abort();
        if (err == HEED_OK) json_decref(params);
        if (err != HEED_OK && (heed_err_http(err) >= 500 || !*heed_error_message(HEED_EN))) abort();
    }
    hd_str_clear(&allow);
    return 0;
}
