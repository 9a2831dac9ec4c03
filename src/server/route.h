// SPDX-License-Identifier: Apache-2.0
//
// From a request's line and body to an operation and its checked parameters. Paths, names and types
// come from the operations' rows: nothing here knows one operation from another.
//
// A template's "{user}" matches one segment of the path, whose percent signs are decoded after the
// path was cut at its slashes: an id may hold a slash, as %2F. A literal segment wins over a
// parameter. Unknown parameters are refused, with the nearest known one; those of the query are
// texts, those of a JSON body have their JSON type.
#ifndef HD_SERVER_ROUTE_H
#define HD_SERVER_ROUTE_H

#include "api/op.h"
#include "server/http1.h"

enum { HD_ROUTE_MAX_VALUES = 4 };

typedef struct hd_route {
    const hd_op *op;
    hd_slice value[HD_ROUTE_MAX_VALUES]; // of the path's parameters, in order, as sent
    size_t n_values;
} hd_route;

typedef enum hd_route_state { HD_ROUTE_FOUND, HD_ROUTE_NO_PATH, HD_ROUTE_NO_METHOD } hd_route_state;

// allow: when another method is served at the path, all of them ("GET, PUT"); may be NULL.
hd_route_state hd_route_find(hd_slice method, hd_slice path, hd_route *out, hd_str *allow);

// Where a parameter was wrong, for the problem's errors[]: "/path/user", "/query/n", "/body/n".
typedef struct hd_route_fault {
    char pointer[96]; // "" when no single one is to blame
} hd_route_fault;

// The parameters of a found route, defaults filled in. upload: path of the file that holds the body
// when the row has a parameter for it, else NULL. HEED_USAGE or HEED_INPUT: the client's mistake.
heed_err hd_route_params(const hd_route *route, const hd_http_request *request, const char *upload,
                         json_t **params, hd_route_fault *fault) HEED_CHECK;

// The parameters of an operation that its owner's command line sends: as the row has them, those
// of the command line too.
heed_err hd_route_owner(const json_t *body, const hd_op **op, json_t **params) HEED_CHECK;

// Decodes percent signs (and "+" as a space where `plus`). HEED_USAGE: not hexadecimal, a NUL byte,
// or not UTF-8.
heed_err hd_route_decode(hd_slice text, bool plus, hd_str *out) HEED_CHECK;

// The parameter that takes the body whole; NULL: members of a JSON object are parameters each.
const hd_param *hd_route_body_param(const hd_op *op);
const hd_param *hd_route_upload_param(const hd_op *op);

#endif
