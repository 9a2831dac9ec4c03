// SPDX-License-Identifier: Apache-2.0
//
// TLS with certificates made here: what is served, what is refused, files that are wrong, a reload
// under open connections, and handshakes that are cut short, garbled, slow, or no TLS at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve.h"

static char folder[] = "/tmp/heed-tls-XXXXXX";
static char certificate[64], key[64], other_certificate[64], other_key[64], expired[64];

// ── Certificates ──

static void save(const char *path, const gnutls_datum_t *pem) {
    assert_int_equal(hd_fs_write(path, pem->data, pem->size, 0600), HEED_OK);
}

static gnutls_x509_privkey_t make_key(const char *path) {
    gnutls_x509_privkey_t k;
    gnutls_datum_t pem;
    gnutls_x509_privkey_init(&k);
    assert_int_equal(gnutls_x509_privkey_generate(
                         k, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_privkey_export2(k, GNUTLS_X509_FMT_PEM, &pem), 0);
    save(path, &pem);
    gnutls_free(pem.data);
    return k;
}

static void make_certificate(gnutls_x509_privkey_t k, unsigned char serial, time_t until,
                             const char *path) {
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    gnutls_x509_crt_init(&crt);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost", 9);
    gnutls_x509_crt_set_serial(crt, &serial, 1);
    gnutls_x509_crt_set_activation_time(crt, until - 10 * 86400);
    gnutls_x509_crt_set_expiration_time(crt, until);
    gnutls_x509_crt_set_key(crt, k);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, k, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    save(path, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
}

static int make_files(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(certificate, sizeof certificate, "%s/a.crt", folder);
    snprintf(key, sizeof key, "%s/a.key", folder);
    snprintf(other_certificate, sizeof other_certificate, "%s/b.crt", folder);
    snprintf(other_key, sizeof other_key, "%s/b.key", folder);
    snprintf(expired, sizeof expired, "%s/old.crt", folder);
    gnutls_x509_privkey_t a = make_key(key), b = make_key(other_key);
    make_certificate(a, 1, time(NULL) + 86400, certificate);
    make_certificate(b, 2, time(NULL) + 86400, other_certificate);
    make_certificate(a, 3, time(NULL) - 86400, expired);
    gnutls_x509_privkey_deinit(a);
    gnutls_x509_privkey_deinit(b);
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    return hd_fs_remove(folder) == HEED_OK ? 0 : -1;
}

// ── A client ──

typedef struct tls_client {
    int fd;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t x509;
} tls_client;

// Returns GnuTLS's word on the handshake.
static int tls_dial(tls_client *c, int port, const char *priority, const char *protocol) {
    c->fd = client_dial(port);
    gnutls_certificate_allocate_credentials(&c->x509);
    gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    assert_int_equal(gnutls_priority_set_direct(c->tls, priority, NULL), 0);
    gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->x509);
    if (protocol) {
        gnutls_datum_t alpn = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
        gnutls_alpn_set_protocols(c->tls, &alpn, 1, 0);
    }
    gnutls_transport_set_int(c->tls, c->fd);
    int code;
    do code = gnutls_handshake(c->tls);
    while (code < 0 && !gnutls_error_is_fatal(code));
    return code;
}

static void tls_hang_up(tls_client *c) {
    gnutls_deinit(c->tls);
    gnutls_certificate_free_credentials(c->x509);
    close(c->fd);
}

static void tls_say(tls_client *c, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = gnutls_record_send(c->tls, bytes, n);
        assert_true(done > 0);
        bytes += done;
        n -= (size_t)done;
    }
}

static size_t tls_hear(tls_client *c, char *out, size_t size, const char *until) {
    size_t n = 0;
    out[0] = '\0';
    while (n + 1 < size && !(until && strstr(out, until))) {
        ssize_t got = gnutls_record_recv(c->tls, out + n, size - 1 - n);
        if (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_AGAIN) continue;
        if (got <= 0) break;
        n += (size_t)got;
        out[n] = '\0';
    }
    return n;
}

static unsigned char serial_of(tls_client *c) {
    unsigned n;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(c->tls, &n);
    gnutls_x509_crt_t crt;
    unsigned char serial[20] = {0};
    size_t size = sizeof serial;
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_crt_import(crt, &peers[0], GNUTLS_X509_FMT_DER), 0);
    gnutls_x509_crt_get_serial(crt, serial, &size);
    gnutls_x509_crt_deinit(crt);
    return serial[0];
}

// ── A server ──

// Answers "encrypted" or "plain" and the size of the body; "/large" with 300,000 bytes, "/stream"
// in pieces.
static void handle(void *ctx, hd_exchange *exchange) {
    (void)ctx;
    const hd_http_request *r = hd_exchange_request(exchange);
    char text[64];
    int n = snprintf(text, sizeof text, "%s %zu.",
                     hd_exchange_peer(exchange).encrypted ? "encrypted" : "plain", r->body_size);
    if (hd_slice_eq(r->path, "/large")) {
        char *large = hd_calloc(1, 300000);
        memset(large, 'y', 300000);
        hd_exchange_reply(exchange, 200, NULL, "text/plain", large, 300000);
        hd_free(large);
    } else if (hd_slice_eq(r->path, "/stream")) {
        hd_exchange_stream(exchange, 200, NULL, "text/event-stream");
        hd_exchange_send(exchange, "data: 1\n\n", 9);
        hd_exchange_send(exchange, "data: 2\n\n", 9);
        hd_exchange_end(exchange);
    } else {
        hd_exchange_reply(exchange, 200, NULL, "text/plain", text, (size_t)n);
    }
}

static void start(server *s, hd_tls **tls, hd_loop_params params) {
    assert_int_equal(hd_tls_open(certificate, key, tls), HEED_OK);
    params.tls = *tls;
    serve_start(s, &params);
}

static void end(server *s, hd_tls *tls) {
    serve_stop(s);
    hd_tls_close(tls);
}

static const char ask[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

static void ask_once(tls_client *c) {
    char out[4096];
    tls_say(c, ask, sizeof ask - 1);
    tls_hear(c, out, sizeof out, "encrypted 0.");
    assert_non_null(strstr(out, "encrypted 0."));
}

static void test_both_versions_are_served(void **state) {
    (void)state;
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    server s;
    hd_tls *tls;
    start(&s, &tls, serve_params(handle));
    for (size_t i = 0; i < 2; i++) {
        tls_client c;
        assert_int_equal(tls_dial(&c, s.port, versions[i], "http/1.1"), 0);
        gnutls_datum_t chosen;
        assert_int_equal(gnutls_alpn_get_selected_protocol(c.tls, &chosen), 0);
        assert_memory_equal(chosen.data, "http/1.1", 8);
        for (int k = 0; k < 5; k++) ask_once(&c);
        tls_hang_up(&c);
    }
    end(&s, tls);
}

static void test_what_is_too_old_or_another_protocol_is_not(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    tls_client c;
    start(&s, &tls, serve_params(handle));
    assert_true(tls_dial(&c, s.port, "NORMAL:-VERS-ALL:+VERS-TLS1.1:%UNSAFE_RENEGOTIATION", NULL) <
                0);
    tls_hang_up(&c);
    assert_true(tls_dial(&c, s.port, "NORMAL", "h2") < 0);
    tls_hang_up(&c);
    assert_int_equal(tls_dial(&c, s.port, "NORMAL", NULL), 0); // no ALPN is fine
    ask_once(&c);
    tls_hang_up(&c);
    assert_int_equal(hd_loop_count(s.loop).requests, 1);
    end(&s, tls);
}

static void test_large_ones_both_ways(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    tls_client c;
    start(&s, &tls, serve_params(handle));
    assert_int_equal(tls_dial(&c, s.port, "NORMAL", NULL), 0);
    enum { SIZE = 200000 };
    char *body = hd_calloc(1, 400000);
    memset(body, 'x', SIZE);
    static const char head[] =
        "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n";
    tls_say(&c, head, sizeof head - 1);
    char out[4096];
    tls_hear(&c, out, sizeof out, "100 Continue\r\n\r\n");
    tls_say(&c, body, SIZE);
    tls_hear(&c, out, sizeof out, "encrypted 200000.");
    assert_non_null(strstr(out, "encrypted 200000."));
    static const char last[] = "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    tls_say(&c, last, sizeof last - 1);
    size_t n = tls_hear(&c, body, 400000, NULL);
    assert_true(n > 300000);
    for (size_t i = n - 300000; i < n; i++) assert_int_equal(body[i], 'y');
    tls_hang_up(&c);
    hd_free(body);
    end(&s, tls);
}

static void test_many_requests_in_one_record(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    tls_client c;
    start(&s, &tls, serve_params(handle));
    assert_int_equal(tls_dial(&c, s.port, "NORMAL", NULL), 0);
    char many[8192] = "", out[65536];
    for (int i = 0; i < 60; i++) memcpy(many + (size_t)i * (sizeof ask - 1), ask, sizeof ask);
    tls_say(&c, many, strlen(many));
    static const char last[] = "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n";
    tls_say(&c, last, sizeof last - 1);
    tls_hear(&c, out, sizeof out, NULL);
    assert_int_equal(client_count(out, "encrypted 0."), 60);
    assert_int_equal(client_count(out, "data: "), 2);
    tls_hang_up(&c);
    end(&s, tls);
}

static void test_plain_words_to_an_encrypted_port(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    hd_loop_params params = serve_params(handle);
    params.head_ms = 300;
    start(&s, &tls, params);
    char out[4096];
    int closed, fd = client_dial(s.port);
    client_say(fd, ask, sizeof ask - 1);
    client_hear(fd, out, sizeof out, NULL, &closed);
    assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
    assert_true(closed);
    close(fd);
    fd = client_dial(s.port);
    client_say(fd, "\x80\x2e\x01\x03\x01 garbage that is neither", 29);
    client_hear(fd, out, sizeof out, NULL, &closed);
    assert_null(strstr(out, "HTTP"));
    assert_true(closed);
    close(fd);
    assert_int_equal(hd_loop_count(s.loop).requests, 0);
    end(&s, tls);
}

// The client's first message, as GnuTLS makes it.
typedef struct greeting {
    char bytes[4096];
    size_t n;
} greeting;

static ssize_t note_greeting(gnutls_transport_ptr_t ptr, const void *bytes, size_t n) {
    greeting *g = ptr;
    assert_true(g->n + n <= sizeof g->bytes);
    memcpy(g->bytes + g->n, bytes, n);
    g->n += n;
    return (ssize_t)n;
}

static ssize_t nothing(gnutls_transport_ptr_t ptr, void *out, size_t n) {
    (void)ptr, (void)out, (void)n;
    return 0;
}

static void make_greeting(greeting *g) {
    gnutls_session_t tls;
    gnutls_certificate_credentials_t x509;
    g->n = 0;
    gnutls_certificate_allocate_credentials(&x509);
    gnutls_init(&tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(tls);
    gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, x509);
    gnutls_transport_set_ptr(tls, g);
    gnutls_transport_set_push_function(tls, note_greeting);
    gnutls_transport_set_pull_function(tls, nothing);
    assert_true(gnutls_handshake(tls) < 0);
    gnutls_deinit(tls);
    gnutls_certificate_free_credentials(x509);
    assert_true(g->n > 100);
}

static void test_a_handshake_cut_short_or_garbled(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    greeting g;
    make_greeting(&g);
    start(&s, &tls, serve_params(handle));
    char out[4096];
    for (size_t cut = 1; cut < g.n; cut += 37) {
        int closed, fd = client_dial(s.port);
        client_say(fd, g.bytes, cut);
        shutdown(fd, SHUT_WR);
        client_hear(fd, out, sizeof out, NULL, &closed);
        assert_true(closed);
        close(fd);
    }
    for (size_t at = 0; at < g.n; at += 23) { // whatever it is taken for, the server lives on
        greeting bad = g;
        bad.bytes[at] ^= 0x55;
        int fd = client_dial(s.port);
        client_say(fd, bad.bytes, bad.n);
        shutdown(fd, SHUT_WR);
        client_hear(fd, out, sizeof out, NULL, NULL);
        close(fd);
    }
    tls_client c;
    assert_int_equal(tls_dial(&c, s.port, "NORMAL", NULL), 0);
    ask_once(&c);
    tls_hang_up(&c);
    assert_int_equal(hd_loop_count(s.loop).requests, 1);
    end(&s, tls);
}

static void test_a_handshake_byte_by_byte_and_one_that_never_ends(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    greeting g;
    make_greeting(&g);
    hd_loop_params params = serve_params(handle);
    params.head_ms = 300;
    start(&s, &tls, params);
    char out[4096];
    int closed, fd = client_dial(s.port);
    for (size_t i = 0; i < g.n; i++) client_say(fd, g.bytes + i, 1);
    assert_true(recv(fd, out, sizeof out, 0) > 0); // the server's part of it
    close(fd);
    fd = client_dial(s.port);
    client_say(fd, g.bytes, 20);
    assert_int_equal(client_hear(fd, out, sizeof out, NULL, &closed), 0);
    assert_true(closed);
    assert_true(hd_loop_count(s.loop).timed_out >= 1);
    close(fd);
    end(&s, tls);
}

static void test_garbage_after_the_handshake(void **state) {
    (void)state;
    server s;
    hd_tls *tls;
    tls_client c;
    start(&s, &tls, serve_params(handle));
    assert_int_equal(tls_dial(&c, s.port, "NORMAL", NULL), 0);
    ask_once(&c);
    static const char junk[] =
        "\x17\x03\x03\x00\x20 this is no record that anybody here has ever made";
    client_say(c.fd, junk, sizeof junk - 1);
    char out[4096];
    assert_int_equal(tls_hear(&c, out, sizeof out, NULL), 0);
    tls_hang_up(&c);
    serve_wait(&s, open, 0);
    end(&s, tls);
}

// ── Files ──

static void copy(const char *from, const char *to) {
    hd_str text;
    hd_str_init(&text);
    assert_int_equal(hd_fs_read(from, 0, &text), HEED_OK);
    assert_int_equal(hd_fs_write(to, text.data, text.len, 0600), HEED_OK);
    hd_str_clear(&text);
}

static void test_a_reload_drops_nobody(void **state) {
    (void)state;
    char c_path[64], k_path[64];
    snprintf(c_path, sizeof c_path, "%s/now.crt", folder);
    snprintf(k_path, sizeof k_path, "%s/now.key", folder);
    copy(certificate, c_path);
    copy(key, k_path);
    server s;
    hd_tls *tls;
    assert_int_equal(hd_tls_open(c_path, k_path, &tls), HEED_OK);
    hd_loop_params params = serve_params(handle);
    params.tls = tls;
    serve_start(&s, &params);
    tls_client before, after;
    assert_int_equal(tls_dial(&before, s.port, "NORMAL", NULL), 0);
    assert_int_equal(serial_of(&before), 1);
    copy(other_certificate, c_path);
    assert_int_equal(hd_tls_reload(tls), HEED_INPUT); // the key is still the old one's
    assert_int_equal(tls_dial(&after, s.port, "NORMAL", NULL), 0);
    assert_int_equal(serial_of(&after), 1);
    tls_hang_up(&after);
    copy(other_key, k_path);
    assert_int_equal(hd_tls_reload(tls), HEED_OK);
    assert_int_equal(tls_dial(&after, s.port, "NORMAL", NULL), 0);
    assert_int_equal(serial_of(&after), 2);
    ask_once(&before);
    ask_once(&after);
    tls_hang_up(&before);
    tls_hang_up(&after);
    end(&s, tls);
}

static void fails(const char *c, const char *k, const char *with) {
    hd_tls *tls;
    assert_int_not_equal(hd_tls_open(c, k, &tls), HEED_OK);
    if (!strstr(heed_error_message(HEED_EN), with))
        print_message("%s\n", heed_error_message(HEED_EN));
    assert_non_null(strstr(heed_error_message(HEED_EN), with));
    assert_true(heed_error_message(HEED_ZH)[0] != '\0');
}

static void test_wrong_files_are_told_apart(void **state) {
    (void)state;
    char none[64], junk[64];
    snprintf(none, sizeof none, "%s/none.pem", folder);
    snprintf(junk, sizeof junk, "%s/junk.pem", folder);
    assert_int_equal(hd_fs_write(junk, "-----BEGIN NOTHING-----", 23, 0600), HEED_OK);
    fails(none, key, "none.pem");
    fails(certificate, none, "none.pem");
    fails(junk, key, "junk.pem' holds no certificate");
    fails(certificate, junk, "junk.pem' holds no private key");
    fails(key, certificate, "a.key' holds no certificate");
    fails(certificate, other_key, "does not belong to the certificate");
    fails(folder, key, folder);
}

static void count_warnings(void *ctx, const hd_log_line *line) {
    if (strcmp(line->event, "certificate_expired") == 0) ++*(int *)ctx;
}

static void test_an_expired_one_is_taken_with_a_warning(void **state) {
    (void)state;
    int warnings = 0;
    hd_tls *tls;
    hd_log_sink_set(count_warnings, &warnings);
    assert_int_equal(hd_tls_open(expired, key, &tls), HEED_OK);
    hd_log_sink_set(NULL, NULL);
    assert_int_equal(warnings, 1);
    assert_true(hd_tls_expires(tls) < hd_time_now());
    hd_tls_close(tls);
}

static void test_a_failing_allocation_while_opening(void **state) {
    (void)state;
    heed_err err = HEED_MEMORY;
    for (uint64_t n = 1; err != HEED_OK; n++) {
        hd_tls *tls = NULL;
        hd_tls_session *session = NULL;
        hd_mem_fail_at(n, true);
        err = hd_tls_open(certificate, key, &tls);
        if (err == HEED_OK) err = hd_tls_session_new(tls, &session);
        if (err == HEED_OK) err = hd_tls_take(session, "abc", 3);
        hd_mem_fail_at(0, false);
        if (err != HEED_OK) assert_int_equal(err, HEED_MEMORY);
        hd_tls_session_free(session);
        hd_tls_close(tls);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions_are_served),
        cmocka_unit_test(test_what_is_too_old_or_another_protocol_is_not),
        cmocka_unit_test(test_large_ones_both_ways),
        cmocka_unit_test(test_many_requests_in_one_record),
        cmocka_unit_test(test_plain_words_to_an_encrypted_port),
        cmocka_unit_test(test_a_handshake_cut_short_or_garbled),
        cmocka_unit_test(test_a_handshake_byte_by_byte_and_one_that_never_ends),
        cmocka_unit_test(test_garbage_after_the_handshake),
        cmocka_unit_test(test_a_reload_drops_nobody),
        cmocka_unit_test(test_wrong_files_are_told_apart),
        cmocka_unit_test(test_an_expired_one_is_taken_with_a_warning),
        cmocka_unit_test(test_a_failing_allocation_while_opening),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
