// SPDX-License-Identifier: Apache-2.0
//
// What is served besides operations: health, metrics, the interface's description.
#ifndef HD_SERVER_BUILTIN_H
#define HD_SERVER_BUILTIN_H

#include "server/request.h"

typedef struct hd_builtin {
    const char *path;
    bool open;                           // without a key; else the read scope
    void (*answer)(hd_request *request); // sets status, type and body
} hd_builtin;

const hd_builtin *hd_builtin_find(hd_slice path); // NULL: there is none

#endif
