// SPDX-License-Identifier: Apache-2.0
//
// What handlers share: opening the call's workspace with its settings, stop flag and progress.
#ifndef HD_API_CALL_H
#define HD_API_CALL_H

#include "api/op.h"
#include "api/params.h"
#include "workspace/workspace.h"

// The call's workspace: one that is lent, or opened now. who: the command, for a second writer's
// message. Given back by hd_call_close.
heed_err hd_call_open(hd_call *call, heed_mode mode, const char *who,
                      heed_workspace **out) HEED_CHECK;
void hd_call_close(hd_call *call, heed_workspace *ws); // NULL is fine
// HEED_INTERNAL when the JSON isn't ours: never, but a handler can't rely on never.
heed_err hd_call_parse(char *text, json_t **out) HEED_CHECK; // takes the text
void hd_call_note(hd_call *call, const char *en, const char *zh);

static inline const char *hd_say(heed_lang lang, const char *en, const char *zh) {
    return lang == HEED_ZH ? zh : en;
}

// Members of a result, for renderers: "" and NaN where there is none.
const char *hd_json_text(const json_t *object, const char *key);
double hd_json_num(const json_t *object, const char *key);
int64_t hd_json_int(const json_t *object, const char *key);

#endif
