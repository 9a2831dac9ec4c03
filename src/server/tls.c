// SPDX-License-Identifier: Apache-2.0
//
// GnuTLS reads from and writes to two buffers instead of a socket, so that libuv stays the only one
// that waits. What was read from the files is a set of credentials with a count of its users: a
// reload puts another set in its place, and the old one goes with its last session.
//
// Rejected: GnuTLS on the socket itself (its non-blocking mode wants to be told when the socket is
// readable, which libuv tells streams only), and a proxy in front as the only way (good to have,
// but a company's first day shouldn't need one).
//
// GnuTLS allocates by itself: what it holds isn't counted by base/mem.
#include "server/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

static const char priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
enum { FILE_MAX = 1 << 20, CHAIN_MAX = 16, RECORD = 16384 };

typedef struct credentials {
    atomic_size_t users;
    gnutls_certificate_credentials_t x509;
    hd_time expires;
} credentials;

struct hd_tls {
    char *certificate, *key; // paths
    gnutls_priority_t priority;
    gnutls_datum_t tickets; // the key that session tickets are sealed with, made at the start
    pthread_mutex_t lock;   // of current
    credentials *current;
};

struct hd_tls_session {
    gnutls_session_t tls;
    credentials *credentials;
    hd_tls_state state;
    hd_str inbox;
    size_t inbox_at; // how far it was read
    hd_str outbox;
};

// ── Credentials ──

static void drop(credentials *c) {
    if (!c || atomic_fetch_sub(&c->users, 1) > 1) return;
    gnutls_certificate_free_credentials(c->x509);
    hd_free(c);
}

static heed_err read_pem(const char *path, hd_str *out) {
    heed_err err = hd_fs_read(path, FILE_MAX, out);
    if (err == HEED_OK || err == HEED_MEMORY) return err;
    hd_error_prefix(err, "server.tls", "server.tls");
    return err;
}

static heed_err fail_tls(int code, const char *certificate, const char *key) {
    if (code == GNUTLS_E_MEMORY_ERROR) return HD_FAIL_MEMORY(0);
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return HD_FAIL(HEED_INPUT,
                       "the key '%s' does not belong to the certificate '%s'; give the key that it "
                       "was made with",
                       "私钥“%s”与证书“%s”不匹配；请提供生成该证书所用的私钥", key, certificate);
    return HD_FAIL(HEED_INPUT,
                   "the certificate '%s' and the key '%s' can't be used: %s; both are PEM files, "
                   "the key without a passphrase",
                   "证书“%s”与私钥“%s”无法使用：%s；两者都应为 PEM 文件，且私钥不带口令",
                   certificate, key, gnutls_strerror(code));
}

// Says which of the two files it is that can't be read.
static heed_err check_certificate(const char *path, const gnutls_datum_t *pem, hd_time *expires) {
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned n = CHAIN_MAX;
    int code = gnutls_x509_crt_list_import(chain, &n, pem, GNUTLS_X509_FMT_PEM, 0);
    if (code <= 0)
        return HD_FAIL(HEED_INPUT, "'%s' holds no certificate: %s; it should be a PEM file",
                       "“%s”中没有证书：%s；应为 PEM 文件", path, gnutls_strerror(code));
    *expires = (hd_time)gnutls_x509_crt_get_expiration_time(chain[0]) * 1000;
    for (unsigned i = 0; i < n; i++) gnutls_x509_crt_deinit(chain[i]);
    if (*expires < hd_time_now()) {
        char day[32];
        hd_time_format(*expires, NULL, day);
        HD_LOG(HD_LOG_WARN, "server", "certificate_expired", HD_KV_STR("file", path),
               HD_KV_STR("since", day));
    }
    return HEED_OK;
}

static heed_err check_key(const char *path, const gnutls_datum_t *pem) {
    gnutls_x509_privkey_t key;
    if (gnutls_x509_privkey_init(&key) < 0) return HD_FAIL_MEMORY(0);
    int code = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(key);
    if (code < 0)
        return HD_FAIL(
            HEED_INPUT,
            "'%s' holds no private key: %s; it should be a PEM file without a passphrase",
            "“%s”中没有私钥：%s；应为不带口令的 PEM 文件", path, gnutls_strerror(code));
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO))
        HD_LOG(HD_LOG_WARN, "server", "key_readable_by_all", HD_KV_STR("file", path));
    return HEED_OK;
}

static heed_err make_credentials(const hd_tls *tls, const hd_str *certificate, const hd_str *key,
                                 credentials **out) {
    gnutls_datum_t c = {(unsigned char *)certificate->data, (unsigned)certificate->len};
    gnutls_datum_t k = {(unsigned char *)key->data, (unsigned)key->len};
    hd_time expires = HD_TIME_NONE;
    HD_TRY(check_certificate(tls->certificate, &c, &expires));
    HD_TRY(check_key(tls->key, &k));
    credentials *made = hd_calloc(1, sizeof *made);
    if (!made) return HD_FAIL_MEMORY(sizeof *made);
    atomic_init(&made->users, 1);
    made->expires = expires;
    if (gnutls_certificate_allocate_credentials(&made->x509) < 0) {
        hd_free(made);
        return HD_FAIL_MEMORY(0);
    }
    int code =
        gnutls_certificate_set_x509_key_mem2(made->x509, &c, &k, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (code < 0) {
        drop(made);
        return fail_tls(code, tls->certificate, tls->key);
    }
    *out = made;
    return HEED_OK;
}

static heed_err load(const hd_tls *tls, credentials **out) {
    hd_str certificate, key;
    hd_str_init(&certificate);
    hd_str_init(&key);
    heed_err err = read_pem(tls->certificate, &certificate);
    if (err == HEED_OK) err = read_pem(tls->key, &key);
    if (err == HEED_OK) err = make_credentials(tls, &certificate, &key, out);
    if (key.data) gnutls_memset(key.data, 0, key.cap);
    hd_str_clear(&key);
    hd_str_clear(&certificate);
    return err;
}

heed_err hd_tls_open(const char *certificate, const char *key, hd_tls **out) {
    hd_tls *tls = hd_calloc(1, sizeof *tls);
    if (!tls) return HD_FAIL_MEMORY(sizeof *tls);
    pthread_mutex_init(&tls->lock, NULL);
    tls->certificate = hd_strdup(certificate);
    tls->key = hd_strdup(key);
    heed_err err = HEED_OK;
    if (!tls->certificate || !tls->key ||
        gnutls_priority_init(&tls->priority, priority, NULL) < 0 ||
        gnutls_session_ticket_key_generate(&tls->tickets) < 0)
        err = HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = load(tls, &tls->current);
    if (err != HEED_OK) {
        hd_tls_close(tls);
        return err;
    }
    *out = tls;
    return HEED_OK;
}

heed_err hd_tls_reload(hd_tls *tls) {
    credentials *fresh;
    HD_TRY(load(tls, &fresh));
    pthread_mutex_lock(&tls->lock);
    credentials *old = tls->current;
    tls->current = fresh;
    pthread_mutex_unlock(&tls->lock);
    drop(old);
    return HEED_OK;
}

static credentials *take_current(hd_tls *tls) {
    pthread_mutex_lock(&tls->lock);
    credentials *c = tls->current;
    atomic_fetch_add(&c->users, 1);
    pthread_mutex_unlock(&tls->lock);
    return c;
}

hd_time hd_tls_expires(hd_tls *tls) {
    credentials *c = take_current(tls);
    hd_time expires = c->expires;
    drop(c);
    return expires;
}

void hd_tls_close(hd_tls *tls) {
    if (!tls) return;
    drop(tls->current);
    if (tls->tickets.data) {
        gnutls_memset(tls->tickets.data, 0, tls->tickets.size);
        gnutls_free(tls->tickets.data);
    }
    if (tls->priority) gnutls_priority_deinit(tls->priority);
    pthread_mutex_destroy(&tls->lock);
    hd_free(tls->certificate);
    hd_free(tls->key);
    hd_free(tls);
}

// ── A session ──

static ssize_t pull(gnutls_transport_ptr_t ptr, void *out, size_t n) {
    hd_tls_session *s = ptr;
    size_t here = s->inbox.len - s->inbox_at;
    if (here == 0) {
        gnutls_transport_set_errno(s->tls, EAGAIN);
        return -1;
    }
    if (n > here) n = here;
    memcpy(out, s->inbox.data + s->inbox_at, n);
    s->inbox_at += n;
    if (s->inbox_at == s->inbox.len) {
        hd_str_reset(&s->inbox);
        s->inbox_at = 0;
    }
    return (ssize_t)n;
}

// GnuTLS asks whether more is there before it would wait; here nobody waits.
static int pull_ready(gnutls_transport_ptr_t ptr, unsigned ms) {
    (void)ms;
    const hd_tls_session *s = ptr;
    return s->inbox.len > s->inbox_at;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *bytes, size_t n) {
    hd_tls_session *s = ptr;
    hd_str_addn(&s->outbox, bytes, n);
    if (!s->outbox.failed) return (ssize_t)n;
    gnutls_transport_set_errno(s->tls, ENOMEM);
    return -1;
}

static int set_up(hd_tls *tls, hd_tls_session *s) {
    int code = gnutls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (code < 0) return code;
    unsigned char name[] = "http/1.1";
    gnutls_datum_t alpn = {name, sizeof name - 1};
    if ((code = gnutls_priority_set(s->tls, tls->priority)) < 0 ||
        (code = gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, s->credentials->x509)) < 0 ||
        (code = gnutls_alpn_set_protocols(s->tls, &alpn, 1, GNUTLS_ALPN_MANDATORY)) < 0 ||
        (code = gnutls_session_ticket_enable_server(s->tls, &tls->tickets)) < 0)
        return code;
    gnutls_certificate_server_set_request(s->tls, GNUTLS_CERT_IGNORE);
    gnutls_handshake_set_timeout(s->tls, 0); // the loop's deadlines count
    gnutls_transport_set_ptr(s->tls, s);
    gnutls_transport_set_pull_function(s->tls, pull);
    gnutls_transport_set_pull_timeout_function(s->tls, pull_ready);
    gnutls_transport_set_push_function(s->tls, push);
    return 0;
}

heed_err hd_tls_session_new(hd_tls *tls, hd_tls_session **out) {
    hd_tls_session *s = hd_calloc(1, sizeof *s);
    if (!s) return HD_FAIL_MEMORY(sizeof *s);
    hd_str_init(&s->inbox);
    hd_str_init(&s->outbox);
    s->credentials = take_current(tls);
    int code = set_up(tls, s);
    if (code < 0) {
        hd_tls_session_free(s);
        return HD_FAIL_MEMORY(0);
    }
    *out = s;
    return HEED_OK;
}

void hd_tls_session_free(hd_tls_session *s) {
    if (!s) return;
    if (s->tls) gnutls_deinit(s->tls);
    drop(s->credentials);
    if (s->inbox.data) gnutls_memset(s->inbox.data, 0, s->inbox.cap);
    hd_str_clear(&s->inbox);
    hd_str_clear(&s->outbox);
    hd_free(s);
}

heed_err hd_tls_take(hd_tls_session *s, const char *bytes, size_t n) {
    hd_str_addn(&s->inbox, bytes, n);
    return hd_str_check(&s->inbox);
}

// What broke the session is told to the client by an alert, where TLS has one for it.
static hd_tls_state broken(hd_tls_session *s, int code) {
    gnutls_alert_send_appropriate(s->tls, code);
    return s->state = HD_TLS_BROKEN;
}

static hd_tls_state shake(hd_tls_session *s) {
    int code;
    do {
        code = gnutls_handshake(s->tls);
    } while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(code));
    if (code == GNUTLS_E_SUCCESS) return s->state = HD_TLS_OPEN;
    return code == GNUTLS_E_AGAIN ? HD_TLS_SHAKING : broken(s, code);
}

hd_tls_state hd_tls_read(hd_tls_session *s, char *out, size_t n, size_t *got) {
    *got = 0;
    if (s->state == HD_TLS_SHAKING) shake(s);
    while (s->state == HD_TLS_OPEN) {
        ssize_t code = gnutls_record_recv(s->tls, out, n);
        if (code > 0) {
            *got = (size_t)code;
            break;
        }
        if (code == GNUTLS_E_AGAIN) break;
        if (code == 0) s->state = HD_TLS_ENDED;
        // A client may not ask for another handshake in the middle (TLS 1.2): it would get work
        // out of us for nothing.
        else if (code == GNUTLS_E_REHANDSHAKE || gnutls_error_is_fatal((int)code))
            broken(s, (int)code);
    }
    return s->state;
}

heed_err hd_tls_write(hd_tls_session *s, const char *plain, size_t n) {
    while (n > 0) {
        ssize_t code = gnutls_record_send(s->tls, plain, n < RECORD ? n : RECORD);
        if (code < 0 && (s->outbox.failed || code == GNUTLS_E_MEMORY_ERROR))
            return HD_FAIL_MEMORY(n);
        if (code < 0 && gnutls_error_is_fatal((int)code))
            return HD_FAIL(HEED_IO, "TLS: %s", "TLS：%s", gnutls_strerror((int)code));
        if (code < 0) continue;
        plain += code;
        n -= (size_t)code;
    }
    return HEED_OK;
}

void hd_tls_end(hd_tls_session *s) {
    if (s->state != HD_TLS_SHAKING && s->state != HD_TLS_BROKEN) gnutls_bye(s->tls, GNUTLS_SHUT_WR);
}

hd_str *hd_tls_outbox(hd_tls_session *s) {
    return &s->outbox;
}
