// SPDX-License-Identifier: Apache-2.0
//
// A command opens its workspace anew: it is short-lived, and opening costs a few milliseconds. A
// server lends handles that stay open, with caches that are warm.
#include "api/call.h"

#include <math.h>

#include "base/mem.h"
#include "workspace/auditing.h"

static void pass_progress(void *ctx, const char *const what[2], double share) {
    hd_call *call = ctx;
    if (!call->progress) return;
    call->progress(call->ctx, (hd_text){.en = what[HEED_EN], .zh = what[HEED_ZH]}, share);
}

heed_err hd_call_open(hd_call *call, heed_mode mode, const char *who, heed_workspace **out) {
    const hd_workspace_params params = {.folder = call->workspace,
                                        .mode = mode,
                                        .who = who,
                                        .settings = call->settings,
                                        .stop = call->stop,
                                        .passphrase = {call->secret, call->ctx}};
    HD_TRY(call->lender ? call->lender->open(call->lender->ctx, mode, out)
                        : hd_workspace_open(&params, out));
    heed_workspace_on_progress(*out, pass_progress, call);
    hd_audit_actor_set((*out)->audit, call->caller.name ? call->caller.name : "libheed");
    return HEED_OK;
}

// The failure that is on its way to the caller stays this thread's last.
static void count_read(const hd_call *call, heed_workspace *ws) {
    hd_error last;
    hd_error_get(&last);
    hd_workspace_record_read(ws, call->reads, call->reads_many);
    if (last.code != HEED_OK) (void)hd_error_restore(&last);
}

void hd_call_close(hd_call *call, heed_workspace *ws) {
    if (!ws) return;
    if (call->reads && !call->lender) count_read(call, ws);
    heed_workspace_on_progress(ws, NULL, NULL);
    if (call->lender)
        call->lender->close(call->lender->ctx, ws);
    else
        heed_workspace_close(ws);
}

heed_err hd_call_parse(char *text, json_t **out) {
    heed_err err = hd_json_parse(text, strlen(text), "result", out);
    hd_free(text);
    return err;
}

void hd_call_note(hd_call *call, const char *en, const char *zh) {
    if (call->note) call->note(call->ctx, (hd_text){.en = en, .zh = zh});
}

const char *hd_json_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double hd_json_num(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

int64_t hd_json_int(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}
