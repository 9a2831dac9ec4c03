// SPDX-License-Identifier: Apache-2.0
//
// What a client reads when a request fails: problem details (RFC 9457), with heed's code, a hint
// where the message has one, and the request's id to quote.
//
//     {"type": "urn:heed:error:INPUT", "title": "bad input", "status": 422, "detail": "…",
//      "code": "INPUT", "request_id": "…", "hint": "…", "errors": [{"pointer": "/body/n",
//      "detail": "…"}]}
#ifndef HD_SERVER_PROBLEM_H
#define HD_SERVER_PROBLEM_H

#include "base/str.h"

#define HD_PROBLEM_TYPE "application/problem+json"

typedef struct hd_problem {
    int status;
    const char *code;       // "INPUT", "rate"
    const char *title;      // NULL: the status' own text
    const char *detail;     // a message as HD_FAIL makes them: "what was wrong; what to do"
    const char *request_id; // NULL: none
    const char *pointer;    // where in the request; NULL or "": nowhere in particular
    const char *errors;     // all that was wrong, a JSON array; NULL: what the pointer says
} hd_problem;

void hd_problem_write(const hd_problem *problem, hd_str *out);

#endif
