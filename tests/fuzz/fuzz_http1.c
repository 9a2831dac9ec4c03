// SPDX-License-Identifier: Apache-2.0
//
// Bytes to the reader of requests: whole, byte by byte, and in pieces whose sizes the input
// chooses. However they arrive, the same requests come out with the same bodies, and the same
// refusal ends them; what comes out keeps the promises of its type.
#include <stdint.h>
#include <stdlib.h>

#include "server/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const hd_http_limits limits = {.head = 512, .target = 128, .body = 256};

static uint64_t mix(uint64_t h, hd_slice s) {
    for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return (h ^ s.n) * UINT64_C(0x100000001b3);
}

static void check(const hd_http_request *r) {
    if (r->method.n == 0 || r->path.n == 0) abort();
    if (r->path.p[0] != '/' && !hd_slice_eq(r->path, "*")) abort();
    if (r->n_headers > HD_HTTP_MAX_HEADERS || r->body.n > limits.body) abort();
    for (size_t i = 0; i < r->n_headers; i++) {
        hd_slice v = r->headers[i].value;
        if (r->headers[i].name.n == 0) abort();
        if (v.n > 0 && (memchr(v.p, '\n', v.n) || memchr(v.p, '\r', v.n) || memchr(v.p, 0, v.n)))
            abort();
    }
    if (hd_http_header_get(r, "content-length").p && hd_http_header_get(r, "transfer-encoding").p)
        abort();
}

// A print of all that came out. step: bytes at a time; 0: as the steps say.
static uint64_t run(const char *bytes, size_t n, size_t step, const uint8_t *steps) {
    hd_http_parser p;
    hd_http_init(&p, limits);
    uint64_t print = 0;
    size_t at = 0, k = 0;
    while (at < n && p.state != HD_HTTP_REFUSED) {
        size_t piece = step ? step : (size_t)steps[k++ % 8] % 32 + 1, used;
        if (piece > n - at) piece = n - at;
        if (hd_http_feed(&p, bytes + at, piece, &used) != HEED_OK || used > piece) abort();
        at += used;
        hd_http_accept(&p);
        if (p.state == HD_HTTP_DONE) {
            const hd_http_request *r = &p.request;
            check(r);
            print = mix(mix(mix(mix(print, r->method), r->path), r->query), r->body);
            print = print * 31 + r->n_headers * 2 + r->keep_alive;
            hd_http_next(&p);
        }
    }
    if (p.state == HD_HTTP_REFUSED) {
        if (p.status < 400 || p.status > 505 || !p.reason) abort();
        print = print * 31 + (uint64_t)p.status;
    }
    hd_http_clear(&p);
    return print;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 8) return 0;
    const char *bytes = (const char *)data + 8;
    uint64_t whole = run(bytes, size - 8, SIZE_MAX, NULL);
    if (run(bytes, size - 8, 1, NULL) != whole) abort();
    if (run(bytes, size - 8, 0, data) != whole) abort();
    return 0;
}
