// SPDX-License-Identifier: Apache-2.0
//
// What a loop does with a request: finds the operation, lets the caller in, reads the parameters,
// has it run where its row says, answers.
#ifndef HD_SERVER_DISPATCH_H
#define HD_SERVER_DISPATCH_H

#include "server/request.h"

// What a loop has for itself.
typedef struct hd_seat {
    hd_server *server;
    size_t place;       // of its reading handles
    hd_request request; // the one at hand: most are answered before the next comes
} hd_seat;

// For hd_loop_params: ctx is a hd_seat.
void hd_dispatch(void *ctx, hd_exchange *exchange);
void hd_dispatch_head(void *ctx, hd_exchange *exchange, hd_body_plan *plan);
void hd_dispatch_refused(void *ctx, int status, const char *reason, hd_str *body,
                         const char **type);

#endif
