// SPDX-License-Identifier: Apache-2.0
//
// TLS without sockets, by GnuTLS: bytes from the network in, plain text out, and the other way.
// TLS 1.2 and 1.3; the only protocol offered by ALPN is http/1.1.
//
// Threads: an hd_tls serves many loops, and hd_tls_reload may come from any thread; a session
// belongs to one.
#ifndef HD_SERVER_TLS_H
#define HD_SERVER_TLS_H

#include "base/str.h"
#include "base/time.h"

typedef struct hd_tls hd_tls;

// A certificate chain and its key, PEM files. HEED_INPUT: they can't be read, aren't what they
// should be, or don't belong together. One that has expired is taken with a warning in the log.
heed_err hd_tls_open(const char *certificate, const char *key, hd_tls **out) HEED_CHECK;
// Reads both files again. New connections get what stands there now, old ones go on with what they
// have; after a failure everything is as before.
heed_err hd_tls_reload(hd_tls *tls) HEED_CHECK;
hd_time hd_tls_expires(hd_tls *tls);
void hd_tls_close(hd_tls *tls); // after the last session

// ── One connection ──

typedef struct hd_tls_session hd_tls_session;

typedef enum hd_tls_state {
    HD_TLS_SHAKING, // the handshake isn't over
    HD_TLS_OPEN,
    HD_TLS_ENDED, // the client said that it is done
    HD_TLS_BROKEN // what came is not TLS, or not to be trusted: what is in the outbox may still go
} hd_tls_state;

heed_err hd_tls_session_new(hd_tls *tls, hd_tls_session **out) HEED_CHECK;
void hd_tls_session_free(hd_tls_session *session);

// Takes bytes from the network, and keeps them until they are read.
heed_err hd_tls_take(hd_tls_session *session, const char *bytes, size_t n) HEED_CHECK;
// Plain text from what was taken; *got 0: more bytes are needed, or the state says why there won't
// be any.
hd_tls_state hd_tls_read(hd_tls_session *session, char *out, size_t n, size_t *got);
// Encrypts into the outbox.
heed_err hd_tls_write(hd_tls_session *session, const char *plain, size_t n) HEED_CHECK;
// Says that nothing more will be written.
void hd_tls_end(hd_tls_session *session);
// What has to go to the network: send it and reset it.
hd_str *hd_tls_outbox(hd_tls_session *session);

#endif
