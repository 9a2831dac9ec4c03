// SPDX-License-Identifier: Apache-2.0
//
// Addresses of other products, so that their clients can send here as they are: Segment's tracking
// API and PostHog's capture API. What their messages mean stands with the importer's presets; a row
// here says which preset, and what the address tells of the message.
//
// Their clients look at the status and at little else, but each finds the member that it knows in
// the answer ("success", "status"), beside the account of each message.
#include "api/list.h"
#include "api/posts.h"

static heed_err answer(heed_err err, json_t *result, const char *member, json_t *value) {
    if (!result) {
        json_decref(value);
        return err;
    }
    hd_error failure;
    hd_error_get(&failure);
    HD_TRY(hd_json_set(result, member, value));
    return err == HEED_OK ? HEED_OK : hd_error_restore(&failure);
}

static heed_err segment(hd_call *call, const hd_post *post, json_t **result) {
    heed_err err = hd_call_post(call, post, result);
    return answer(err, *result, "success", json_boolean(err != HEED_INPUT));
}

static heed_err posthog(hd_call *call, const hd_post *post, json_t **result) {
    heed_err err = hd_call_post(call, post, result);
    return answer(err, *result, "status", json_integer(err != HEED_INPUT));
}

static const hd_param message_params[] = {
    HD_POST_BODY("{\"type\":[\"object\",\"array\"]}", "the message, or several", "一条或多条消息"),
};
static const hd_param batch_params[] = {
    HD_POST_BODY("{\"type\":\"object\",\"properties\":{\"batch\":{\"type\":\"array\","
                 "\"items\":{\"type\":\"object\"},\"maxItems\":10000}}}",
                 "{\"batch\": [messages]}", "{\"batch\": [消息]}"),
};

#define SEGMENT_DETAIL                                                                                              \
    HD_TEXT("As Segment's HTTP tracking API; the write key is an API key with the scope write, "                    \
            "shown as the user name of Basic authentication.",                                                      \
            "与 Segment 的 HTTP 跟踪接口一致；write key 即带有 write 权限的 API 密钥，以 Basic " \
            "认证的用户名给出。")
#define POSTHOG_DETAIL                                                               \
    HD_TEXT("As PostHog's capture API; api_key is an API key with the scope write.", \
            "与 PostHog 的采集接口一致；api_key 即带有 write 权限的 API 密钥。")

// ident, name, preset, path, list, call, parameters, the member of its answer, English, Chinese
#define SENDER(ident, words, product, route, member, what, rows, answered, english, chinese) \
    static heed_err ident##_run(hd_call *call, json_t **result) {                            \
        static const hd_post post = {.who = "POST " route,                                   \
                                     .kind = HD_KIND_EVENTS,                                 \
                                     .preset = #product,                                     \
                                     .list = (member),                                       \
                                     .call = (what)};                                        \
        return product(call, &post, result);                                                 \
    }                                                                                        \
    const hd_op hd_op_##ident = {                                                            \
        .name = (words),                                                                     \
        .chapter = HD_CHAPTER_DATA,                                                          \
        .only = HD_ONLY_HTTP,                                                                \
        .doc = HD_TEXT(english, chinese),                                                    \
        .detail = product##_detail,                                                          \
        .method = "POST",                                                                    \
        .path = (route),                                                                     \
        .scope = HD_SCOPE_WRITE,                                                             \
        .posts_events = true,                                                                \
        .key_basic = true,                                                                   \
        .key_in_body = product##_in_body,                                                    \
        .place = HD_PLACE_WORKSPACE,                                                         \
        .run_as = HD_RUN_WRITE,                                                              \
        .schema = "{\"type\":\"object\",\"properties\":{" answered "," HD_TALLY_MEMBERS      \
                  "},\"required\":[" HD_TALLY_REQUIRED "]}",                                 \
        .params = (rows),                                                                    \
        .n_params = 1,                                                                       \
        .result_doc = "events",                                                              \
        .run = ident##_run,                                                                  \
    };
#define segment_detail SEGMENT_DETAIL
#define posthog_detail POSTHOG_DETAIL
#define segment_in_body false
#define posthog_in_body true
#define SUCCESS "\"success\":{\"type\":\"boolean\"}"
#define STATUS "\"status\":{\"type\":\"integer\"}"

// clang-format off: a table
SENDER(segment_batch, "segment batch", segment, "/v1/batch", "/batch", NULL, batch_params, SUCCESS,
       "take Segment's messages in", "接收 Segment 的消息")
SENDER(segment_track, "segment track", segment, "/v1/track", NULL, "track", message_params, SUCCESS,
       "take Segment's track call in", "接收 Segment 的 track 调用")
SENDER(segment_identify, "segment identify", segment, "/v1/identify", NULL, "identify",
       message_params, SUCCESS, "take Segment's identify call in", "接收 Segment 的 identify 调用")
SENDER(segment_page, "segment page", segment, "/v1/page", NULL, "page", message_params, SUCCESS,
       "take Segment's page call in", "接收 Segment 的 page 调用")
SENDER(segment_screen, "segment screen", segment, "/v1/screen", NULL, "screen", message_params,
       SUCCESS, "take Segment's screen call in", "接收 Segment 的 screen 调用")
SENDER(segment_alias, "segment alias", segment, "/v1/alias", NULL, "alias", message_params, SUCCESS,
       "take Segment's alias call in", "接收 Segment 的 alias 调用")
SENDER(segment_group, "segment group", segment, "/v1/group", NULL, "group", message_params, SUCCESS,
       "take Segment's group call in", "接收 Segment 的 group 调用")
SENDER(posthog_batch, "posthog batch", posthog, "/batch/", "/batch", NULL, batch_params, STATUS,
       "take PostHog's events in", "接收 PostHog 的事件")
SENDER(posthog_capture, "posthog capture", posthog, "/capture/", "/batch", NULL, message_params,
       STATUS, "take a PostHog event in", "接收一个 PostHog 事件")
SENDER(posthog_event, "posthog event", posthog, "/i/v0/e/", "/batch", NULL, message_params, STATUS,
       "take a PostHog event in", "接收一个 PostHog 事件")
// clang-format on
