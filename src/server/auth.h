// SPDX-License-Identifier: Apache-2.0
//
// Who asks: the key that a request shows, the workspace it belongs to, and whether it may.
#ifndef HD_SERVER_AUTH_H
#define HD_SERVER_AUTH_H

#include "server/request.h"

// Whether the key may stand in the body alone: then the parameters are read before hd_auth.
bool hd_auth_in_body(const hd_request *request);
// Whether the request came by the socket that only the workspaces' owner can open.
bool hd_auth_is_owner(const hd_request *request);
// Sets tenant and pass, or owner; false: the answer is set (401, 403, 429). scope: bits needed.
bool hd_auth(hd_request *request, unsigned scope);

#endif
