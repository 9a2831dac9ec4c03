// SPDX-License-Identifier: Apache-2.0
//
// heed privacy reveal: tokens back to what they stand for.
#include "api/call.h"
#include "api/list.h"
#include "workspace/redact.h"

static heed_err reveal_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed privacy reveal", &ws));
    heed_err err = hd_tokens_show(ws, hd_slice_of(hd_call_text(call, "text")), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err reveal_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)lang;
    (void)width;
    hd_str_addf(out, "%s\n", hd_json_text(result, "text"));
    return hd_str_check(out);
}

static const hd_param reveal_params[] = {
    {"text", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("a text with tokens in it", "含有标记的文字")},
};

const hd_op hd_op_privacy_reveal = {
    .name = "privacy reveal",
    .chapter = HD_CHAPTER_CARE,
    .doc = HD_TEXT("turn tokens in a text back into what they stand for", "还原文字中的标记"),
    .detail =
        HD_TEXT("With `privacy.text: tokenize` what is found in free text is kept as tokens like "
                "[[phone:…]]. This turns them back with the workspace's keys, and is recorded in "
                "the audit log. Tokens of another workspace stay as they are.",
                "设置 `privacy.text: tokenize` 后，文字中发现的个人信息以 [[phone:…]] "
                "这样的标记保存。"
                "此命令用工作区的密钥还原它们，并记入审计日志。其他工作区的标记保持不变。"),
    .examples = (const char *const[]){"heed privacy reveal 'call me on [[phone:Ab3…]]'", NULL},
    .method = "POST",
    .path = "/api/v1/privacy/reveal",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .params = reveal_params,
    .n_params = sizeof reveal_params / sizeof reveal_params[0],
    .result_doc = "privacy-reveal",
    .run = reveal_run,
    .text = reveal_text,
};
