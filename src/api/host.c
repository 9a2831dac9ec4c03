// SPDX-License-Identifier: Apache-2.0
//
// A lent workspace is the caller's own handle: opening is handing it over, closing is nothing.
#include "api/host.h"

#include "base/json.h"

static heed_err lend(void *ctx, heed_mode mode, heed_workspace **out) {
    heed_workspace *ws = ctx;
    if (mode == HEED_WRITE) HD_TRY(hd_workspace_need_write(ws));
    *out = ws;
    return HEED_OK;
}

static void take_back(void *ctx, heed_workspace *ws) {
    (void)ctx;
    (void)ws;
}

heed_err hd_host_call(const hd_op *op, hd_call *call, heed_workspace *ws, hd_str *out) {
    const hd_lender lender = {.open = lend, .close = take_back, .ctx = ws};
    json_t *result = NULL;
    call->lender = &lender;
    call->workspace = ws->folder;
    call->settings = ws->settings;
    heed_err err = op->run(call, &result);
    call->lender = NULL;
    if ((err == HEED_OK || err == HEED_PARTIAL) && result) {
        heed_err dumped = hd_json_dump(result, false, out);
        if (dumped != HEED_OK) err = dumped;
    }
    const json_t *errors = err == HEED_INPUT ? json_object_get(result, "errors") : NULL;
    if (json_array_size(errors) > 0) {
        heed_err dumped = hd_json_dump(errors, false, out);
        if (dumped != HEED_OK) err = dumped;
    }
    json_decref(result);
    return err;
}
