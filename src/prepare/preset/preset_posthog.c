// SPDX-License-Identifier: Apache-2.0
//
// PostHog's events, as its clients post them and its exports hold them (JSON lines). $identify and
// $create_alias make another id of the person, $set in any event says something of the user, and
// names without a $ are events of the shop (message.h). $pageview and $screen are pages; what else
// begins with $ is PostHog's own (autocapture, flags) and left out, as are properties that do: they
// hold addresses and devices that nobody asked for.
#include "prepare/preset/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AT HD_MESSAGE_AT

static const hd_field fields[] = {
    {"event", HD_FIELD_TEXT, AT(event), "event", HD_TEXT("what happened", "发生的事件")},
    {"user", HD_FIELD_ID, AT(user), "distinctid", HD_TEXT("who", "谁")},
    {"user_inside", HD_FIELD_ID, AT(inside), "propertiesdistinctid", HD_TEXT("who", "谁")},
    {"anonymous", HD_FIELD_ID, AT(anonymous), "properties$anondistinctid",
     HD_TEXT("who, before signing in", "登录前的标识")},
    {"previous", HD_FIELD_ID, AT(previous), "propertiesalias",
     HD_TEXT("$create_alias: the other id", "$create_alias：另一个标识")},
    {"event_id", HD_FIELD_ID, AT(id), "uuid messageid properties$insertid",
     HD_TEXT("unique", "唯一标识")},
    {"session", HD_FIELD_ID, AT(session), "properties$sessionid propertiessessionid",
     HD_TEXT("visit", "访问")},
    HD_MESSAGE_SHOP,
    {"time", HD_FIELD_TIME, AT(time), "timestamp propertiestimestamp sentat",
     HD_TEXT("when", "时间")},
    {"set", HD_FIELD_JSON, AT(traits), "$set", HD_TEXT("what is known of the user", "用户特征")},
    {"set_inside", HD_FIELD_JSON, AT(traits_too), "properties$set",
     HD_TEXT("what is known of the user", "用户特征")},
    {"properties", HD_FIELD_OBJECT, AT(rest), "properties", HD_TEXT("of the event", "事件属性")},
    // The project's key, which clients repeat in every event: known, so that it is stored nowhere.
    {"token", HD_FIELD_TEXT, AT(call), "propertiestoken", HD_TEXT("left out", "忽略")},
};

static bool is_alias(hd_slice event) {
    return hd_slice_eq(event, "$identify") || hd_slice_eq(event, "$create_alias") ||
           hd_slice_eq(event, "$merge_dangerously");
}

static heed_err push_person(hd_sink *sink, const hd_message *m) {
    hd_slice traits = m->traits.p ? m->traits : m->traits_too;
    bool set = traits.n > 2 && traits.p[0] == '{';
    hd_slice alias = m->previous.p ? m->previous : m->anonymous;
    if (!is_alias(m->event)) alias = (hd_slice){0};
    if (!set && !is_alias(m->event)) return HEED_OK;
    hd_message person = *m;
    person.rest = set ? traits : (hd_slice){0};
    return hd_message_user(sink, &person, m->user, alias);
}

static heed_err finish(hd_sink *sink, void *filled) {
    hd_message *m = filled;
    hd_slice type = hd_slice_of(m->item.p ? "view" : "page");
    m->created = HD_TIME_NONE; // it has no field
    if (!m->user.p) m->user = m->inside;
    if (!m->user.p || !m->event.p) {
        HD_BAD_ROW(sink->row, "the event lacks distinct_id or its name: give both",
                   "该事件缺少 distinct_id 或 event：请补上");
        return HEED_OK;
    }
    HD_TRY(push_person(sink, m));
    bool page = hd_slice_eq(m->event, "$pageview") || hd_slice_eq(m->event, "$screen");
    if (m->event.p[0] == '$' && !page) return HEED_OK;
    if (!page) HD_TRY(hd_message_word(sink, m->event, &type));
    return hd_message_event(sink, m, m->user, type);
}

static const hd_schema schema = {
    .kind = HD_KIND_EVENTS,
    .required = {"event", "user user_inside"},
    .fields = fields,
    .n_fields = COUNT(fields),
    .size = sizeof(hd_message),
    .rest = AT(rest),
    .leave_out = "$",
    .closed = true,
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

const hd_preset hd_preset_posthog = {
    .name = "posthog",
    .doc = HD_TEXT("PostHog's events (JSON lines)", "PostHog 事件（JSON 行）"),
    .shape = shape,
};
