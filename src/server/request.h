// SPDX-License-Identifier: Apache-2.0
//
// A request on its way: from the exchange that brought it to the answer, over whatever threads the
// operation needs.
#ifndef HD_SERVER_REQUEST_H
#define HD_SERVER_REQUEST_H

#include "api/host.h"
#include "server/loop.h"
#include "server/route.h"
#include "server/server.h"
#include "server/workers.h"

enum { HD_REQUEST_ID = 24 };

typedef struct hd_request {
    hd_server *server;
    hd_exchange *exchange; // of the loop's thread
    const hd_op *op;       // NULL: refused before one was found
    hd_tenant *tenant;
    hd_pass pass;
    bool owner; // it came through the workspace's own socket, without a key
    heed_lang lang;
    json_t *params;
    char id[HD_REQUEST_ID];
    int64_t start_us; // monotonic
    // The answer.
    int status;
    const char *type;
    hd_str headers;
    hd_str body;
    char *upload; // a file with the body, ours to remove; NULL: none
    int64_t used_events, used_tokens;
    bool late; // a worker answers, as the loop would have had to wait for what is loaded
    // What takes it to other threads.
    hd_task task;
    hd_work work;
} hd_request;

void hd_request_init(hd_request *request, hd_server *server, hd_exchange *exchange);
void hd_request_clear(hd_request *request);

// Who asks. Its name points into the request, which may have moved: asked for anew each time.
hd_caller hd_request_caller(const hd_request *request);

// Sets the answer: of this thread's last failure, or of a status with a text.
void hd_request_fail(hd_request *request, heed_err err, const char *pointer);
void hd_request_refuse(hd_request *request, int status, const char *code, hd_text detail);
// Answers the exchange, counts, and logs. On the loop's thread; the request stays.
void hd_request_reply(hd_request *request);

#endif
