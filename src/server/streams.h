// SPDX-License-Identifier: Apache-2.0
//
// Answers that go on: server-sent events of operations that stream. One thread asks each open
// stream's operation what is new, now and then or when it is woken, and hands it to the loop.
#ifndef HD_SERVER_STREAMS_H
#define HD_SERVER_STREAMS_H

#include "base/error.h"

typedef struct hd_streams hd_streams;
struct hd_request;

heed_err hd_streams_new(size_t most, hd_streams **out) HEED_CHECK;
void hd_streams_free(hd_streams *streams); // the loops must have ended; NULL is fine
// On the loop's thread: begins the answer and takes the request. HEED_BUSY: too many are open.
heed_err hd_streams_add(hd_streams *streams, struct hd_request *request) HEED_CHECK;
void hd_streams_wake(hd_streams *streams); // any thread
void hd_streams_end(hd_streams *streams);  // ends all, for a server that drains

#endif
