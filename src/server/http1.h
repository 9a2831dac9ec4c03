// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 requests, taken apart strictly (RFC 9110, 9112): bytes in, one request at a time out, no
// input or output of its own. Where two readers could see two different requests in the same bytes,
// there is no request: it is refused and the connection has to be closed.
//
//     hd_http_feed(&parser, bytes, n, &used);    // until state is DONE or REFUSED; and at READY:
//     hd_http_accept(&parser);                   // the body is wanted: feed on
//     … answer parser.request …
//     hd_http_next(&parser);                     // the rest of the bytes may hold the next request
//
// Refused, though some servers let it pass: bare LF, folded lines, space before the colon, NUL and
// other control bytes, several or malformed Content-Length, several or other Transfer-Encodings
// than "chunked", both together, a missing or second Host, a target outside visible ASCII, chunk
// sizes that aren't plain hexadecimal. Legal chunk extensions are skipped.
#ifndef HD_SERVER_HTTP1_H
#define HD_SERVER_HTTP1_H

#include <stdbool.h>
#include <stdint.h>

#include "server/body.h"

enum { HD_HTTP_MAX_HEADERS = 64 };

typedef struct hd_http_limits {
    size_t head;   // request line and headers together; bytes
    size_t target; // bytes
    size_t body;   // bytes, after chunks are joined; the caller may change body.limit at READY
} hd_http_limits;

typedef struct hd_http_header {
    hd_slice name;
    hd_slice value; // without the white space around it
} hd_http_header;

// Slices live until hd_http_next.
typedef struct hd_http_request {
    hd_slice method;
    hd_slice path;  // as sent, from the first "/" on: percent signs still in it; "*" of OPTIONS
    hd_slice query; // after the "?", absent when there is none
    int minor;      // of HTTP/1.x: 0 or 1
    hd_http_header headers[HD_HTTP_MAX_HEADERS];
    size_t n_headers;
    hd_slice body;         // empty when it is in a file
    const char *body_path; // NULL: in memory
    size_t body_size;
    bool keep_alive;
} hd_http_request;

typedef enum hd_http_state {
    HD_HTTP_HEAD,  // more bytes are needed for the head
    HD_HTTP_READY, // the head is here and a body follows: hd_http_accept, then feed on
    HD_HTTP_BODY,  // more bytes are needed for the body
    HD_HTTP_DONE,
    HD_HTTP_REFUSED // answer with `status`, then close
} hd_http_state;

typedef struct hd_http_parser {
    hd_http_limits limits;
    hd_http_state state;
    int status;         // when refused: 400, 413, 414, 417, 431, 501, 505
    const char *reason; // when refused: English, without anything the client sent
    bool waits;         // at READY: the client waits for "100 Continue" before it sends the body
    hd_http_request request;
    hd_body body;
    // What follows is the parser's own.
    hd_str head;
    hd_str line;       // of a chunk size or a trailer
    int phase;         // of the body
    const char *first; // where the head stood when its first line was read
    uint64_t left;     // bytes of the body or the chunk still to come
    size_t extra;      // bytes of lines between chunks and of trailers so far; or empty lines ahead
} hd_http_parser;

void hd_http_init(hd_http_parser *parser, hd_http_limits limits);
void hd_http_clear(hd_http_parser *parser);

// Takes bytes; *used: how many of them belong to this request. What the client did wrong is a
// state; failures are ours: HEED_MEMORY, or a body's file that can't be written (HEED_FULL, …).
heed_err hd_http_feed(hd_http_parser *parser, const char *bytes, size_t n, size_t *used) HEED_CHECK;
// Goes on from READY to the body, or refuses it as too large.
void hd_http_accept(hd_http_parser *parser);
// Forgets the request that was answered and waits for the next one.
void hd_http_next(hd_http_parser *parser);
// Whether a request has begun to arrive.
bool hd_http_begun(const hd_http_parser *parser);

// The value of a header by its name in any case; absent when it isn't there. A header that stands
// twice: the first.
hd_slice hd_http_header_get(const hd_http_request *request, const char *name);

#endif
