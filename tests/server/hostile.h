// SPDX-License-Identifier: Apache-2.0
//
// Requests that are meant to be read in two ways, to be too much, or to be nonsense, and legal ones
// that look odd. Used by the tests and by bench/hostile.c, which asks other parsers.
//
// A case's bytes are `head`, then `n` times `fill`, then `tail`. Limits they are written for: 4,096
// bytes of head, 1,024 of target, 65,536 of body, 64 fields.
#ifndef HD_TESTS_HOSTILE_H
#define HD_TESTS_HOSTILE_H

#include <stddef.h>

typedef struct hostile_case {
    const char *name;
    const char *head;
    size_t n_head;
    const char *fill;
    size_t n;
    const char *tail;
    int status;       // 200: legal, and the connection goes on
    const char *body; // of a legal one
    int frames;       // it is about where a line or a body ends: what smuggling lives on
} hostile_case;

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END "0\r\n\r\n"
#define C(name, status, bytes) \
    { name, bytes, sizeof bytes - 1, "", 0, "", status, NULL, 0 }
#define F(name, status, bytes) \
    { name, bytes, sizeof bytes - 1, "", 0, "", status, NULL, 1 }
#define OK(name, bytes, body) \
    { name, bytes, sizeof bytes - 1, "", 0, "", 200, body }
#define BIG(name, status, head, fill, n, tail) \
    { name, head, sizeof head - 1, fill, n, tail, status, NULL }

static const hostile_case hostile_cases[] = {
    // Legal, though it looks odd.
    OK("plain", GET "\r\n", ""),
    OK("empty line ahead", "\r\n" GET "\r\n", ""),
    OK("empty field", GET "X:\r\n\r\n", ""),
    OK("tabs around a value", GET "X:\t v \t\r\n\r\n", ""),
    OK("utf-8 in a value", GET "X: \xe5\xa5\xbd\r\n\r\n", ""),
    OK("absolute form", "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    OK("absolute form without path", "GET http://h?x=/y HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    OK("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    OK("unknown method", "BREW /a HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    OK("host with port", "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ""),
    OK("empty host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", ""),
    OK("length 0", POST "Content-Length: 0\r\n\r\n", ""),
    OK("length with zeros", POST "Content-Length: 003\r\n\r\nabc", "abc"),
    OK("chunks", CHUNKED "3\r\nabc\r\n2\r\nde\r\n" END, "abcde"),
    OK("chunk size with zeros", CHUNKED "00A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
    OK("chunk extension", CHUNKED "3;name=value\r\nabc\r\n" END, "abc"),
    OK("chunk extension without value", CHUNKED "3;flag\r\nabc\r\n0;flag\r\n\r\n", "abc"),
    OK("quoted chunk extension", CHUNKED "3;a=\"b; c\"\r\nabc\r\n" END, "abc"),
    OK("blanks before an extension", CHUNKED "3 ; a\r\nabc\r\n" END, "abc"),
    OK("trailer", CHUNKED "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "abc"),
    OK("content-length in a trailer", CHUNKED "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n", "abc"),
    OK("chunked in capitals", POST "Transfer-Encoding: CHUNKED\r\n\r\n" END, ""),
    OK("binary body", POST "Content-Length: 3\r\n\r\n\r\n\x01", "\r\n\x01"),
    OK("body that looks like a request", POST "Content-Length: 18\r\n\r\nGET /b HTTP/1.1\r\n\n",
       "GET /b HTTP/1.1\r\n\n"),
    OK("get with a body", GET "Content-Length: 3\r\n\r\nabc", "abc"),

    // Where the body ends.
    F("same length twice", 400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    F("two lengths", 400, POST "Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc"),
    F("two lengths the other way", 400, POST "Content-Length: 40\r\nContent-Length: 3\r\n\r\nabc"),
    F("list of lengths", 400, POST "Content-Length: 3, 3\r\n\r\nabc"),
    F("length with a plus", 400, POST "Content-Length: +3\r\n\r\nabc"),
    F("negative length", 400, POST "Content-Length: -3\r\n\r\nabc"),
    F("hexadecimal length", 400, POST "Content-Length: 0x3\r\n\r\nabc"),
    F("length with a blank inside", 400, POST "Content-Length: 1 0\r\n\r\nabc"),
    F("length with letters", 400, POST "Content-Length: 3a\r\n\r\nabc"),
    F("length with a fraction", 400, POST "Content-Length: 3.0\r\n\r\nabc"),
    F("empty length", 400, POST "Content-Length:\r\n\r\nabc"),
    F("length in full-width digits", 400, POST "Content-Length: \xef\xbc\x93\r\n\r\nabc"),
    F("length beyond 64 bits", 413, POST "Content-Length: 18446744073709551619\r\n\r\nabc"),
    F("length beyond 32 bits", 413, POST "Content-Length: 4294967299\r\n\r\nabc"),
    F("length and chunks", 400,
      POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    F("chunks and length", 400,
      POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    F("two codings", 400,
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" END),
    F("two codings, one other", 400,
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" END),
    F("coding twice in one line", 501, POST "Transfer-Encoding: chunked, chunked\r\n\r\n" END),
    F("coding before chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n" END),
    F("coding after chunked", 501, POST "Transfer-Encoding: chunked, identity\r\n\r\n" END),
    F("identity", 501, POST "Transfer-Encoding: identity\r\n\r\n"),
    F("coding nearly chunked", 501, POST "Transfer-Encoding: xchunked\r\n\r\n" END),
    F("coding with a parameter", 501, POST "Transfer-Encoding: chunked;q=1\r\n\r\n" END),
    F("coding in quotes", 501, POST "Transfer-Encoding: \"chunked\"\r\n\r\n" END),
    F("coding with a vertical tab", 400,
      POST "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n" END),
    F("empty coding", 501, POST "Transfer-Encoding:\r\n\r\n" END),
    F("chunks in HTTP/1.0", 400,
      "POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" END),
    F("length and chunks in a get", 400,
      GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),

    // Where a line or a name ends.
    F("space before the colon of a length", 400, POST "Content-Length : 3\r\n\r\nabc"),
    F("tab before the colon of a length", 400, POST "Content-Length\t: 3\r\n\r\nabc"),
    F("space before the colon of a coding", 400, POST "Transfer-Encoding : chunked\r\n\r\n" END),
    F("space before a name", 400, GET " X: a\r\n\r\n"),
    F("folded line", 400, GET "X: a\r\n b\r\n\r\n"),
    F("folded line with a tab", 400, GET "X: a\r\n\tb\r\n\r\n"),
    F("folded coding", 400, POST "Transfer-Encoding:\r\n chunked\r\n\r\n" END),
    F("first line folded", 400, "GET /a HTTP/1.1\r\n Host: h\r\n\r\n"),
    F("bare LF everywhere", 400, "GET /a HTTP/1.1\nHost: h\n\n"),
    F("bare LF after a field", 400, GET "X: a\n\r\n"),
    F("bare LF at the end of the head", 400, "GET /a HTTP/1.1\r\nHost: h\r\n\n"),
    F("bare LF hides a field", 400, GET "X: a\nContent-Length: 5\r\n\r\n"),
    F("bare CR in a value", 400, GET "X: a\rb\r\n\r\n"),
    F("bare CR hides a field", 400, GET "X: a\rContent-Length: 5\r\n\r\n"),
    F("CR CR LF", 400, GET "X: a\r\r\n\r\n"),
    F("no colon", 400, GET "nonsense\r\n\r\n"),
    F("no name", 400, GET ": a\r\n\r\n"),
    F("name with a blank", 400, GET "X Y: a\r\n\r\n"),
    F("name with brackets", 400, GET "X[]: a\r\n\r\n"),
    F("name beyond ASCII", 400, GET "\xc3\x84: a\r\n\r\n"),
    F("NUL in a name", 400, GET "X\0Y: a\r\n\r\n"),
    F("NUL in a value", 400, GET "X: a\0b\r\n\r\n"),
    F("control byte in a value", 400, GET "X: a\x01\r\n\r\n"),
    F("DEL in a value", 400, GET "X: a\x7f\r\n\r\n"),
    F("bad utf-8 in a value", 400, GET "X: \xff\xfe\r\n\r\n"),
    F("overlong utf-8 in a value", 400, GET "X: \xc0\xaf\r\n\r\n"),

    // The request line.
    C("two blanks after the method", 400, "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("two blanks after the target", 400, "GET /a  HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("blank after the version", 400, "GET /a HTTP/1.1 \r\nHost: h\r\n\r\n"),
    C("blank before the method", 400, " GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("tab instead of a blank", 400, "GET\t/a\tHTTP/1.1\r\nHost: h\r\n\r\n"),
    C("blank in the target", 400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("NUL in the target", 400, "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("NUL in the method", 400, "G\0T /a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("bare utf-8 in the target", 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("bad utf-8 in the target", 400, "GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("control byte in the target", 400, "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("fragment", 400, "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("target without a slash", 400, "GET a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("asterisk of a get", 400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("authority form", 400, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("user in the absolute form", 400, "GET http://u@h/a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("absolute form without host", 400, "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("another scheme", 400, "GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("method in quotes", 400, "\"GET\" /a HTTP/1.1\r\nHost: h\r\n\r\n"),
    C("version in small letters", 400, "GET /a http/1.1\r\nHost: h\r\n\r\n"),
    C("version with two digits", 400, "GET /a HTTP/1.11\r\nHost: h\r\n\r\n"),
    C("version 1.2", 505, "GET /a HTTP/1.2\r\nHost: h\r\n\r\n"),
    C("version 2.0", 505, "GET /a HTTP/2.0\r\nHost: h\r\n\r\n"),
    C("version 0.9", 505, "GET /a HTTP/0.9\r\n\r\n"),
    C("HTTP/0.9", 400, "GET /a\r\n\r\n"),
    C("preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    C("greeting of TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    C("garbage", 400, "\x80\x81\x82\x83 \xff\r\n\r\n"),
    C("empty lines", 400, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"),
    C("no host", 400, "GET /a HTTP/1.1\r\n\r\n"),
    C("two hosts", 400, "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    C("host with a path", 400, "GET /a HTTP/1.1\r\nHost: h/b\r\n\r\n"),
    C("host with a user", 400, "GET /a HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    C("list of hosts", 400, "GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    C("unknown expectation", 417, POST "Expect: tea\r\nContent-Length: 1\r\n\r\na"),

    // Chunks.
    F("chunk size 0x", 400, CHUNKED "0x3\r\nabc\r\n" END),
    F("chunk size with a plus", 400, CHUNKED "+3\r\nabc\r\n" END),
    F("negative chunk size", 400, CHUNKED "-3\r\nabc\r\n" END),
    F("empty chunk size", 400, CHUNKED "\r\nabc\r\n" END),
    F("chunk size without digits", 400, CHUNKED ";a\r\nabc\r\n" END),
    F("chunk size after a blank", 400, CHUNKED " 3\r\nabc\r\n" END),
    F("chunk size before a blank", 400, CHUNKED "3 \r\nabc\r\n" END),
    F("chunk size of two words", 400, CHUNKED "3 3\r\nabc\r\n" END),
    F("chunk size not hexadecimal", 400, CHUNKED "3g\r\nabc\r\n" END),
    F("chunk size with an underscore", 400, CHUNKED "1_0\r\nabc\r\n" END),
    F("chunk size of 64 bits", 400, CHUNKED "ffffffffffffffff\r\nabc\r\n" END),
    F("chunk size beyond 64 bits", 400, CHUNKED "10000000000000003\r\nabc\r\n" END),
    F("chunk size of 63 bits", 400, CHUNKED "7fffffffffffffff\r\nabc\r\n" END),
    F("chunk size beyond the limit", 413, CHUNKED "10001\r\nabc\r\n" END),
    F("bare LF after a chunk size", 400, CHUNKED "3\nabc\r\n" END),
    F("bare LF after a chunk", 400, CHUNKED "3\r\nabc\n" END),
    F("bare CR after a chunk size", 400, CHUNKED "3\rabc\r\n" END),
    F("bare LF in a chunk extension", 400, CHUNKED "3;a\nb\r\nabc\r\n" END),
    F("bare LF hides a chunk", 400, CHUNKED "2;\nxx\r\n45\r\n0\r\n\r\n"),
    F("NUL in a chunk extension", 400, CHUNKED "3;a\0b\r\nabc\r\n" END),
    F("NUL after a chunk size", 400, CHUNKED "3\0\r\nabc\r\n" END),
    F("chunk longer than its size", 400, CHUNKED "3\r\nabcd\r\n" END),
    F("chunk shorter than its size", 400, CHUNKED "5\r\nabc\r\n" END),
    F("bare LF after the last chunk", 400, CHUNKED "3\r\nabc\r\n0\n\r\n"),
    F("bare LF after a trailer", 400, CHUNKED "0\r\nX: a\n\r\n"),
    F("space before the colon of a trailer", 400, CHUNKED "0\r\nX : a\r\n\r\n"),
    F("trailer without colon", 400, CHUNKED "0\r\nnonsense\r\n\r\n"),
    F("folded trailer", 400, CHUNKED "0\r\nX: a\r\n b\r\n\r\n"),

    // Too much.
    BIG("long target", 414, "GET /", "a", 1100, " HTTP/1.1\r\nHost: h\r\n\r\n"),
    BIG("very long target", 414, "GET /", "a", 5000, " HTTP/1.1\r\nHost: h\r\n\r\n"),
    BIG("long value", 431, GET "X: ", "a", 5000, "\r\n\r\n"),
    BIG("long name", 431, GET, "a", 5000, ": b\r\n\r\n"),
    BIG("very many fields", 431, GET, "a:b\r\n", 100, "\r\n"),
    BIG("endless fields", 431, GET, "a:b\r\n", 10000, ""),
    BIG("large body", 413, POST "Content-Length: 65537\r\n\r\n", "a", 100, ""),
    BIG("many chunks", 413, CHUNKED,
        "400\r\n"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
        65, END),
    BIG("long chunk extension", 400, CHUNKED "3;", "a", 5000, "\r\nabc\r\n" END),
    BIG("many long chunk extensions", 400, CHUNKED,
        "1;0123456789abcdef0123456789abcdef0123456789abcdef\r\na\r\n", 1000, END),
    BIG("long trailer", 431, CHUNKED "0\r\nX: ", "a", 5000, "\r\n\r\n"),
    BIG("zeros without end", 400, CHUNKED, "0", 5000, "\r\n\r\n"),
};
enum { N_HOSTILE = sizeof hostile_cases / sizeof hostile_cases[0] };

#undef C
#undef F
#undef OK
#undef BIG

static inline size_t hostile_size(const hostile_case *c) {
    size_t fill = 0, tail = 0;
    while (c->fill[fill]) fill++;
    while (c->tail[tail]) tail++;
    return c->n_head + fill * c->n + tail;
}

// out: hostile_size bytes.
static inline void hostile_write(const hostile_case *c, char *out) {
    for (size_t i = 0; i < c->n_head; i++) *out++ = c->head[i];
    for (size_t k = 0; k < c->n; k++) {
        for (const char *p = c->fill; *p; p++) *out++ = *p;
    }
    for (const char *p = c->tail; *p; p++) *out++ = *p;
}

#endif
