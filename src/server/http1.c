// SPDX-License-Identifier: Apache-2.0
//
// The head is gathered line by line until its empty line, and its fields are then read as a whole:
// a head is small (16 KB), and a reader that sees all of it is far simpler to get right than one
// that may be interrupted at every byte. The body is read as it comes.
//
// Rejected, by tests/server/hostile.h (bench/hostile.c asks them): libmicrohttpd 0.9.75, which lets
// 40 of 80 requests through whose end is in doubt (38 when told to be strict: duplicate
// Content-Length, Content-Length beside Transfer-Encoding, bare LF, folded lines), and whose
// callback can't see all of them any more; and http-parser 2.9.4, which lets 25 through, behind a
// check of the head: the lines between chunks would need the same check, and with both checks there
// is nothing left for it to parse.
#include "server/http1.h"

#include "base/unicode.h"

enum { EXTRA_MAX = 4096, OVERHEAD_MAX = 16384, EMPTY_LINES = 4, MAX_DIGITS = 15 };

// Phases of a body.
enum { BODY_LENGTH = 1, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

static void refuse(hd_http_parser *p, int status, const char *reason) {
    p->state = HD_HTTP_REFUSED;
    p->status = status;
    p->reason = reason;
}

void hd_http_init(hd_http_parser *parser, hd_http_limits limits) {
    *parser = (hd_http_parser){.limits = limits};
    hd_str_init(&parser->head);
    hd_str_init(&parser->line);
    hd_body_init(&parser->body);
    parser->body.limit = limits.body;
}

void hd_http_clear(hd_http_parser *parser) {
    hd_str_clear(&parser->head);
    hd_str_clear(&parser->line);
    hd_body_clear(&parser->body);
}

// The headers' places are left as they are: n_headers says how many count, and clearing 2 KB for
// each request would only cost.
static void forget_request(hd_http_request *r) {
    r->method = r->path = r->query = r->body = (hd_slice){0};
    r->body_path = NULL;
    r->body_size = r->n_headers = 0;
    r->minor = 0;
    r->keep_alive = false;
}

void hd_http_next(hd_http_parser *parser) {
    parser->state = HD_HTTP_HEAD;
    forget_request(&parser->request);
    hd_str_reset(&parser->head);
    hd_str_reset(&parser->line);
    hd_body_reset(&parser->body);
    parser->body.limit = parser->limits.body;
    parser->waits = false;
    parser->first = NULL;
    parser->phase = 0;
    parser->left = 0;
    parser->extra = 0;
}

bool hd_http_begun(const hd_http_parser *parser) {
    return parser->state != HD_HTTP_HEAD || parser->head.len > 0;
}

// ── Characters (RFC 9110, 5.6) ──

static bool is_token_char(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(hd_slice s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_char((unsigned char)s.p[i])) return false;
    }
    return s.n > 0;
}

// A field's value: visible characters, spaces, tabs, and UTF-8 beyond ASCII; no other control
// bytes.
static bool is_field_value(hd_slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return hd_utf8_valid(s.p, s.n) == s.n;
}

static hd_slice trim_blanks(hd_slice s) {
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
    return s;
}

hd_slice hd_http_header_get(const hd_http_request *request, const char *name) {
    for (size_t i = 0; i < request->n_headers; i++) {
        if (hd_slice_eq_nocase(request->headers[i].name, name)) return request->headers[i].value;
    }
    return (hd_slice){0};
}

static size_t count_headers(const hd_http_request *request, const char *name) {
    size_t n = 0;
    for (size_t i = 0; i < request->n_headers; i++)
        n += hd_slice_eq_nocase(request->headers[i].name, name);
    return n;
}

// ── The head ──

// Takes a line off the front of `rest`, without its CRLF. The head holds no bare CR or LF: the
// gathering saw to it.
static hd_slice take_line(hd_slice *rest) {
    const char *end = memchr(rest->p, '\r', rest->n);
    hd_slice line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    size_t skip = end ? line.n + 2 : rest->n;
    rest->p += skip;
    rest->n -= skip;
    return line;
}

static hd_slice take_until(hd_slice *rest, char sign) {
    const char *end = memchr(rest->p, sign, rest->n);
    hd_slice part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    size_t skip = part.n + (end != NULL);
    rest->p += skip;
    rest->n -= skip;
    return part;
}

// Visible ASCII without "#", which no client sends.
static bool is_target(hd_slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') return false;
    }
    return s.n > 0;
}

// A host with its port (RFC 3986, 3.2): no user, no path, nothing that could be taken for one.
static bool is_authority(hd_slice s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && !(c != 0 && strchr("-._~!$&'()*+;=:[]%", c))) return false;
    }
    return true;
}

// Takes scheme and authority off an absolute form (RFC 9112, 3.2.2). An empty path is "/".
static bool strip_origin(hd_slice *target) {
    size_t scheme = target->n > 7 && hd_slice_eq_nocase((hd_slice){target->p, 7}, "http://")    ? 7
                    : target->n > 8 && hd_slice_eq_nocase((hd_slice){target->p, 8}, "https://") ? 8
                                                                                                : 0;
    if (scheme == 0) return true;
    hd_slice rest = {target->p + scheme, target->n - scheme};
    size_t n = 0;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') n++;
    if (n == 0 || !is_authority((hd_slice){rest.p, n})) return false;
    *target = (hd_slice){rest.p + n, rest.n - n};
    return true;
}

// The origin form, the absolute form without its origin, or "OPTIONS *".
static bool split_target(hd_slice target, hd_http_request *r) {
    r->query = (hd_slice){0};
    if (!is_target(target)) return false;
    if (hd_slice_eq(target, "*") && hd_slice_eq(r->method, "OPTIONS")) {
        r->path = target;
        return true;
    }
    const char *start = target.p;
    if (!strip_origin(&target)) return false;
    bool absolute = target.p != start;
    if (!(target.n > 0 && target.p[0] == '/') && !absolute) return false;
    const char *mark = target.n > 0 ? memchr(target.p, '?', target.n) : NULL;
    r->path = (hd_slice){target.p, mark ? (size_t)(mark - target.p) : target.n};
    if (r->path.n == 0) r->path = hd_slice_of("/");
    if (mark) r->query = (hd_slice){mark + 1, (size_t)(target.p + target.n - mark - 1)};
    return true;
}

static void read_request_line(hd_http_parser *p, hd_slice line) {
    hd_http_request *r = &p->request;
    r->method = take_until(&line, ' ');
    hd_slice target = take_until(&line, ' ');
    if (!is_token(r->method) || target.n == 0) {
        refuse(p, 400, "the request line is not 'METHOD target HTTP/1.1'");
    } else if (target.n > p->limits.target) {
        refuse(p, 414, "the target is too long");
    } else if (line.n != 8 || memcmp(line.p, "HTTP/", 5) != 0) {
        refuse(p, 400, "the request line does not end with the version");
    } else if (memcmp(line.p, "HTTP/1.1", 8) != 0 && memcmp(line.p, "HTTP/1.0", 8) != 0) {
        refuse(p, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else if (!split_target(target, r)) {
        refuse(p, 400, "the target is not a path in visible ASCII");
    } else {
        r->minor = line.p[7] - '0';
    }
}

static bool split_field(hd_slice line, hd_http_header *out) {
    const char *colon = memchr(line.p, ':', line.n);
    if (!colon) return false;
    out->name = (hd_slice){line.p, (size_t)(colon - line.p)};
    out->value = trim_blanks((hd_slice){colon + 1, line.n - out->name.n - 1});
    return is_token(out->name) && is_field_value(out->value);
}

static void read_fields(hd_http_parser *p, hd_slice rest) {
    hd_http_request *r = &p->request;
    while (rest.n > 0 && p->state != HD_HTTP_REFUSED) {
        hd_slice line = take_line(&rest);
        if (line.n == 0) break;
        if (r->n_headers == HD_HTTP_MAX_HEADERS) {
            refuse(p, 431, "too many header fields");
        } else if (!split_field(line, &r->headers[r->n_headers++])) {
            refuse(p, 400, "a header line is not 'Name: value'");
        }
    }
}

// Digits and nothing else; a number too long to be one reads as the largest.
static bool parse_length(hd_slice s, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        *out = s.n > MAX_DIGITS ? UINT64_MAX : *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n > 0;
}

// How the body is framed (RFC 9112, 6): by length, by chunks, or not at all. Any doubt is a
// refusal.
static void read_framing(hd_http_parser *p) {
    hd_http_request *r = &p->request;
    size_t lengths = count_headers(r, "content-length");
    size_t codings = count_headers(r, "transfer-encoding");
    if (lengths > 1 || codings > 1 || (lengths && codings)) {
        refuse(p, 400, "the length of the body is stated more than once");
    } else if (codings && r->minor == 0) {
        refuse(p, 400, "HTTP/1.0 has no Transfer-Encoding");
    } else if (codings &&
               !hd_slice_eq_nocase(hd_http_header_get(r, "transfer-encoding"), "chunked")) {
        refuse(p, 501, "the only Transfer-Encoding is 'chunked'");
    } else if (codings) {
        p->phase = CHUNK_SIZE;
    } else if (lengths && !parse_length(hd_http_header_get(r, "content-length"), &p->left)) {
        refuse(p, 400, "Content-Length is not a number");
    } else if (lengths && p->left > 0) {
        p->phase = BODY_LENGTH;
    }
}

static void read_connection(hd_http_parser *p) {
    hd_http_request *r = &p->request;
    hd_slice expect = hd_http_header_get(r, "expect");
    r->keep_alive = r->minor == 1;
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!hd_slice_eq_nocase(r->headers[i].name, "connection")) continue;
        hd_slice rest = r->headers[i].value;
        while (rest.n > 0) {
            hd_slice option = trim_blanks(take_until(&rest, ','));
            if (hd_slice_eq_nocase(option, "close")) r->keep_alive = false;
        }
    }
    if (expect.p && !hd_slice_eq_nocase(expect, "100-continue")) {
        refuse(p, 417, "the only expectation is '100-continue'");
    } else {
        p->waits = expect.p && p->phase != 0 && r->minor == 1;
    }
}

static void read_host(hd_http_parser *p) {
    size_t hosts = count_headers(&p->request, "host");
    if (hosts > 1 || (hosts == 0 && p->request.minor == 1))
        refuse(p, 400, "there is not exactly one Host");
    else if (hosts == 1 && !is_authority(hd_http_header_get(&p->request, "host")))
        refuse(p, 400, "Host is not a name with a port");
}

// The request line is read as soon as it is here, so that what is no request from its first line on
// needn't send the rest; and again with the whole head if that made the buffer move.
static void read_first_line(hd_http_parser *p) {
    hd_slice rest = {p->head.data, p->head.len};
    read_request_line(p, take_line(&rest));
    p->first = p->head.data;
}

static void read_head(hd_http_parser *p) {
    hd_slice rest = {p->head.data, p->head.len};
    (void)take_line(&rest);
    if (p->first != p->head.data) read_first_line(p);
    if (p->state != HD_HTTP_REFUSED) read_fields(p, rest);
    if (p->state != HD_HTTP_REFUSED) read_host(p);
    if (p->state != HD_HTTP_REFUSED) read_framing(p);
    if (p->state != HD_HTTP_REFUSED) read_connection(p);
    if (p->state == HD_HTTP_HEAD) p->state = p->phase ? HD_HTTP_READY : HD_HTTP_DONE;
}

// Whether a run of bytes up to a line's end, or a part of one, is free of NUL, of bare LF and of
// bare CR. after_cr: what stood before it.
static bool is_clean(const char *run, size_t n, bool after_cr) {
    const char *cr = memchr(run, '\r', n);
    bool ends = run[n - 1] == '\n';
    if (memchr(run, '\0', n)) return false;
    if (after_cr) return ends && n == 1;
    if (ends) return n > 1 && cr == run + n - 2;
    return !cr || cr == run + n - 1;
}

// Takes bytes of the head up to the end of a line; returns how many.
static size_t feed_head(hd_http_parser *p, const char *bytes, size_t n) {
    size_t room = p->limits.head - p->head.len;
    const char *end = memchr(bytes, '\n', n < room ? n : room);
    size_t take = end ? (size_t)(end - bytes) + 1 : n < room ? n : room;
    bool after_cr = p->head.len > 0 && p->head.data[p->head.len - 1] == '\r';
    if (!is_clean(bytes, take, after_cr)) {
        refuse(p, 400, "a line of the head has a NUL byte or does not end with CRLF");
        return take;
    }
    hd_str_addn(&p->head, bytes, take);
    if (p->head.failed) return take;
    const char *text = hd_str_get(&p->head);
    size_t len = p->head.len;
    if (len == 2 && end) { // empty lines before a request are skipped (RFC 9112, 2.2)
        hd_str_reset(&p->head);
        if (++p->extra > EMPTY_LINES) refuse(p, 400, "empty lines instead of a request");
        return take;
    }
    if (end && !p->first) read_first_line(p);
    if (p->state == HD_HTTP_REFUSED) return take;
    if (end && len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0) {
        p->extra = 0;
        read_head(p);
    } else if (len >= p->limits.head && memchr(text, '\n', len)) {
        refuse(p, 431, "the head is too long");
    } else if (len >= p->limits.head) {
        refuse(p, 414, "the target is too long");
    }
    return take;
}

// ── The body ──

static void finish(hd_http_parser *p) {
    p->request.body = (hd_slice){hd_str_get(&p->body.text), p->body.text.len};
    p->request.body_path = p->body.path;
    p->request.body_size = p->body.size;
    p->state = HD_HTTP_DONE;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// "1a2b", then perhaps blanks and extensions from a semicolon on (RFC 9112, 7.1).
static void read_chunk_size(hd_http_parser *p) {
    hd_slice line = {p->line.data, p->line.len - 2};
    uint64_t size = 0;
    size_t digits = 0;
    while (digits < line.n && hex_digit(line.p[digits]) >= 0) {
        if (digits >= MAX_DIGITS) break;
        size = size * 16 + (uint64_t)hex_digit(line.p[digits++]);
    }
    hd_slice rest = trim_blanks((hd_slice){line.p + digits, line.n - digits});
    bool plain = digits == line.n;
    if (digits == 0 || (!plain && (rest.n == 0 || rest.p[0] != ';')) || !is_field_value(rest)) {
        refuse(p, 400, "a chunk size is not plain hexadecimal");
    } else if (p->body.size > p->body.limit || size > p->body.limit - p->body.size) {
        refuse(p, 413, "the body is too large");
    } else {
        p->left = size;
        p->phase = size ? CHUNK_DATA : TRAILER;
    }
}

static void read_trailer(hd_http_parser *p) {
    hd_slice line = {p->line.data, p->line.len - 2};
    hd_http_header ignored;
    if (line.n == 0)
        finish(p);
    else if (!split_field(line, &ignored))
        refuse(p, 400, "a trailer line is not 'Name: value'");
}

// One byte of a line between chunks: its end is CRLF and nothing else.
static void feed_line(hd_http_parser *p, char c) {
    bool after_cr = p->line.len > 0 && p->line.data[p->line.len - 1] == '\r';
    if ((c == '\n') != after_cr) {
        refuse(p, 400, "a line between chunks does not end with CRLF");
        return;
    }
    hd_str_addc(&p->line, c);
    if (p->line.failed) return;
    p->extra++;
    if (p->phase == TRAILER && p->line.len > EXTRA_MAX) {
        refuse(p, 431, "the trailer is too long");
    } else if (p->line.len > EXTRA_MAX || p->extra > OVERHEAD_MAX + p->body.size) {
        refuse(p, 400, "chunks are more frame than content");
    } else if (c == '\n') {
        if (p->phase == CHUNK_END && p->line.len != 2) {
            refuse(p, 400, "a chunk is longer than its size");
        } else if (p->phase == CHUNK_END) {
            p->phase = CHUNK_SIZE;
        } else if (p->phase == CHUNK_SIZE) {
            read_chunk_size(p);
        } else {
            read_trailer(p);
        }
        hd_str_reset(&p->line);
    } else if (p->phase == CHUNK_END && p->line.len > 1) {
        refuse(p, 400, "a chunk is longer than its size");
    }
}

// As many bytes of content as are here and still expected.
static heed_err feed_content(hd_http_parser *p, const char *bytes, size_t n, size_t *taken) {
    size_t take = n < p->left ? n : (size_t)p->left;
    *taken = take;
    HD_TRY(hd_body_add(&p->body, bytes, take));
    p->left -= take;
    if (p->left > 0) return HEED_OK;
    if (p->phase == BODY_LENGTH)
        finish(p);
    else
        p->phase = CHUNK_END;
    return HEED_OK;
}

void hd_http_accept(hd_http_parser *parser) {
    if (parser->state != HD_HTTP_READY) return;
    parser->state = HD_HTTP_BODY;
    if (parser->phase == BODY_LENGTH && parser->left > parser->body.limit)
        refuse(parser, 413, "the body is too large");
}

heed_err hd_http_feed(hd_http_parser *parser, const char *bytes, size_t n, size_t *used) {
    *used = 0;
    while (*used < n && (parser->state == HD_HTTP_HEAD || parser->state == HD_HTTP_BODY)) {
        if (parser->state == HD_HTTP_HEAD) {
            *used += feed_head(parser, bytes + *used, n - *used);
            HD_TRY(hd_str_check(&parser->head));
        } else if (parser->phase == BODY_LENGTH || parser->phase == CHUNK_DATA) {
            size_t taken;
            HD_TRY(feed_content(parser, bytes + *used, n - *used, &taken));
            *used += taken;
        } else {
            feed_line(parser, bytes[(*used)++]);
            HD_TRY(hd_str_check(&parser->line));
        }
    }
    return HEED_OK;
}
