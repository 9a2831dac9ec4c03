// SPDX-License-Identifier: Apache-2.0
//
// Segment's messages: identify makes a user, alias and the pair of userId and anonymousId in
// identify make another id of the person, track and page make events (message.h). As JSON lines in
// a file `type` says which call it is; posted to /v1/track and the like, the address does.
//
// Before someone signs in only anonymousId is known: it is the user's id then, and identify joins
// the two.
#include "prepare/preset/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AT HD_MESSAGE_AT

static const hd_field fields[] = {
    {"call", HD_FIELD_TEXT, AT(call), "type",
     HD_TEXT("identify, track, page, …", "identify、track、page……")},
    {"user", HD_FIELD_ID, AT(user), "userid", HD_TEXT("who", "谁")},
    {"anonymous", HD_FIELD_ID, AT(anonymous), "anonymousid",
     HD_TEXT("who, before signing in", "登录前的标识")},
    {"previous", HD_FIELD_ID, AT(previous), "previousid",
     HD_TEXT("alias: the former id", "alias：原标识")},
    {"event_id", HD_FIELD_ID, AT(id), "messageid", HD_TEXT("unique", "唯一标识")},
    {"event", HD_FIELD_TEXT, AT(event), "event", HD_TEXT("what was tracked", "所跟踪的事件")},
    {"session", HD_FIELD_ID, AT(session), "contextsessionid propertiessessionid propertiescartid",
     HD_TEXT("visit", "访问")},
    HD_MESSAGE_SHOP,
    {"time", HD_FIELD_TIME, AT(time), "timestamp originaltimestamp sentat receivedat",
     HD_TEXT("when", "时间")},
    {"created", HD_FIELD_TIME, AT(created), "traitscreatedat",
     HD_TEXT("when the user joined", "用户加入时间")},
    // The two add to the same object; a place of their own each keeps both mapped.
    {"traits", HD_FIELD_OBJECT, AT(rest), "traits",
     HD_TEXT("what is known of the user", "用户特征")},
    {"properties", HD_FIELD_OBJECT, AT(second), "properties", HD_TEXT("of the event", "事件属性")},
};

static heed_err finish(hd_sink *sink, void *filled) {
    hd_message *m = filled;
    hd_slice call = m->call.p ? m->call : sink->call;
    hd_slice user = m->user.p ? m->user : m->anonymous;
    hd_slice type = hd_slice_of(m->item.p ? "view" : "page");
    if (!user.p) {
        HD_BAD_ROW(sink->row, "the message has neither userId nor anonymousId: give one",
                   "该消息既无 userId 也无 anonymousId：请补上");
        return HEED_OK;
    }
    if (hd_slice_eq(call, "identify")) return hd_message_user(sink, m, user, m->anonymous);
    if (hd_slice_eq(call, "alias")) return hd_message_user(sink, m, user, m->previous);
    if (hd_slice_eq(call, "group")) return hd_message_user(sink, m, user, (hd_slice){0});
    if (hd_slice_eq(call, "page") || hd_slice_eq(call, "screen")) {
        return hd_message_event(sink, m, user, type);
    }
    if (hd_slice_eq(call, "track") && m->event.p) {
        HD_TRY(hd_message_word(sink, m->event, &type));
        return hd_message_event(sink, m, user, type);
    }
    hd_quoted shown = hd_quote_value(call.p ? call : hd_slice_of("?"));
    HD_BAD_ROW(
        sink->row,
        "'%s' is no Segment call with an event: type is identify, track (with event), page, "
        "screen, alias or group",
        "“%s”不是可用的 Segment 调用：type 应为 identify、track（含 event）、page、screen、alias 或 group",
        shown.text);
    return HEED_OK;
}

static const hd_schema schema = {
    .kind = HD_KIND_EVENTS,
    .required = {"call", "user anonymous"},
    .fields = fields,
    .n_fields = COUNT(fields),
    .size = sizeof(hd_message),
    .rest = AT(rest),
    .closed = true, // context holds addresses and devices that nobody asked for
    .list = HD_NO_PLACE,
    .currency = AT(currency),
    .finish = finish,
};

static heed_err shape(const hd_preset_file *file, hd_shape *out) {
    (void)file;
    out->format = &hd_format_jsonl;
    out->kind = HD_KIND_EVENTS;
    out->schema = &schema;
    return HEED_OK;
}

const hd_preset hd_preset_segment = {
    .name = "segment",
    .doc = HD_TEXT("Segment's messages (JSON lines): identify, track, page, screen, alias, group",
                   "Segment 消息（JSON 行）：identify、track、page、screen、alias、group"),
    .shape = shape,
};
