// SPDX-License-Identifier: Apache-2.0
//
// Sentences are put together from the user's own events, never from another user's: what a
// neighbour did stays with the model. Event types that heed has no verb for are "dealt with".
#include "recommend/wording.h"

#include <string.h>

#include "base/json.h"

// What a user did, by type of event: "you bought …". {"", …} ends the list and stands for the rest.
static const struct verb {
    const char *type;
    hd_text text;
} verbs[] = {
    {"purchase", HD_TEXT("bought", "购买了")},
    {"buy", HD_TEXT("bought", "购买了")},
    {"order", HD_TEXT("ordered", "订购了")},
    {"cart", HD_TEXT("put into the cart", "加购了")},
    {"add_to_cart", HD_TEXT("put into the cart", "加购了")},
    {"view", HD_TEXT("viewed", "浏览了")},
    {"click", HD_TEXT("clicked", "点击了")},
    {"like", HD_TEXT("liked", "喜欢了")},
    {"favorite", HD_TEXT("saved", "收藏了")},
    {"wishlist", HD_TEXT("saved", "收藏了")},
    {"rating", HD_TEXT("rated", "评价了")},
    {"review", HD_TEXT("reviewed", "评论了")},
    {"play", HD_TEXT("played", "播放了")},
    {"read", HD_TEXT("read", "阅读了")},
    {"", HD_TEXT("dealt with", "接触了")},
};

static const hd_text why_texts[] = {
#define HD_WHY_TEXT(name, text, en, zh) HD_TEXT(en, zh),
    HD_WHY_LIST(HD_WHY_TEXT)
#undef HD_WHY_TEXT
};

static hd_text verb_of(const char *type) {
    size_t v = 0;
    while (verbs[v].type[0] && (!type || strcmp(verbs[v].type, type) != 0)) v++;
    return verbs[v].text;
}

static const char *title_of(const hd_items *items, size_t index) {
    const hd_item *item = &items->items[index];
    return item->title[0] ? item->title : item->id;
}

static void date_of(hd_time t, const hd_zone *zone, char out[32]) {
    hd_time_format(t, zone, out);
    out[10] = '\0'; // the date alone
}

// What the user did it to: another item by its name, or the very item that is recommended again.
static void add_object(const hd_served *item, const hd_served_reason *r, const hd_items *items,
                       heed_lang lang, hd_str *out) {
    if (r->item == item->item) {
        hd_str_add(out, lang == HEED_ZH ? "本商品" : " this");
    } else {
        hd_str_addf(out, lang == HEED_ZH ? "“%s”" : " “%s”", title_of(items, r->item));
    }
}

static void one_reason(const hd_served *item, const hd_served_reason *r, const hd_items *items,
                       heed_lang lang, const hd_zone *zone, hd_str *out) {
    char date[32] = "";
    if (r->time != HD_TIME_NONE) date_of(r->time, zone, date);
    if (date[0] && lang == HEED_ZH) hd_str_addf(out, "于 %s ", date);
    hd_str_add(out, hd_text_get(verb_of(r->type), lang));
    add_object(item, r, items, lang, out);
    if (date[0] && lang != HEED_ZH) hd_str_addf(out, " on %s", date);
}

static void personal_text(const hd_served *item, const hd_items *items, heed_lang lang,
                          const hd_zone *zone, hd_str *out) {
    size_t n = item->n_reasons;
    hd_str_add(out, lang == HEED_ZH ? "因为您" : "because you ");
    for (size_t r = 0; r < n; r++) {
        const char *comma = lang == HEED_ZH ? "、" : ", ";
        const char *last = lang == HEED_ZH ? "，并" : " and ";
        if (r > 0) hd_str_add(out, r + 1 == n ? last : comma);
        one_reason(item, &item->reasons[r], items, lang, zone, out);
    }
}

static void attributes_text(const hd_served_list *list, heed_lang lang, hd_str *out) {
    hd_str_add(out, lang == HEED_ZH ? "在以下用户中受欢迎：" : "popular among users with ");
    for (size_t a = 0; a < list->n_attributes; a++) {
        if (a > 0) hd_str_add(out, lang == HEED_ZH ? "、" : ", ");
        hd_str_add(out, list->attributes[a]);
    }
}

void hd_served_reason_text(const hd_served_list *list, const hd_served *item, const hd_items *items,
                           heed_lang lang, const hd_zone *zone, hd_str *out) {
    const hd_method *method = hd_method_find(item->method);
    if (item->n_reasons > 0) {
        personal_text(item, items, lang, zone, out);
    } else if (strcmp(item->method, "popular_by_attribute") == 0) {
        attributes_text(list, lang, out);
    } else if (method) {
        hd_str_add(out, hd_text_get(method->brief, lang));
    } else {
        hd_str_add(out,
                   lang == HEED_ZH ? "来自商品目录，新品在前" : "from the catalogue, newest first");
    }
}

void hd_served_why_text(const hd_served_list *list, const hd_served *item, heed_lang lang,
                        hd_str *out) {
    hd_str_addf(out, hd_text_get(why_texts[item->why], lang), list->first);
}

static heed_err evidence_json(const hd_served_reason *r, const hd_items *items, const hd_zone *zone,
                              json_t *array) {
    json_t *one = NULL;
    HD_TRY(hd_json_pack(&one, "{s:I, s:s, s:s, s:f}", "event", (json_int_t)r->source, "item",
                        items->items[r->item].id, "title", items->items[r->item].title, "share",
                        r->share));
    heed_err err = HEED_OK;
    char time[32];
    if (r->type) HD_TRY_OUT(hd_json_set(one, "type", json_string(r->type)));
    if (r->time != HD_TIME_NONE) {
        hd_time_format(r->time, zone, time);
        HD_TRY_OUT(hd_json_set(one, "time", json_string(time)));
    }
    return hd_json_append(array, one);
out:
    json_decref(one);
    return err;
}

// The sentences, and the events that speak for it.
static heed_err explain(const hd_served_list *list, const hd_served *served, const hd_items *items,
                        hd_wording wording, json_t *one) {
    heed_err err = HEED_OK;
    hd_str why, reason;
    hd_str_init(&why);
    hd_str_init(&reason);
    hd_served_why_text(list, served, wording.lang, &why);
    hd_served_reason_text(list, served, items, wording.lang, wording.zone, &reason);
    HD_TRY_OUT(hd_str_check(&why));
    HD_TRY_OUT(hd_str_check(&reason));
    HD_TRY_OUT(hd_json_set(one, "why_text", json_string(hd_str_get(&why))));
    HD_TRY_OUT(hd_json_set(one, "reason", json_string(hd_str_get(&reason))));
    HD_TRY_OUT(hd_json_set(one, "evidence", json_array()));
    for (size_t r = 0; r < served->n_reasons; r++) {
        HD_TRY_OUT(evidence_json(&served->reasons[r], items, wording.zone,
                                 json_object_get(one, "evidence")));
    }
out:
    hd_str_clear(&why);
    hd_str_clear(&reason);
    return err;
}

static heed_err item_json(const hd_served_list *list, size_t rank, const hd_items *items,
                          hd_wording wording, json_t *array) {
    const hd_served *served = &list->item[rank];
    const hd_item *item = &items->items[served->item];
    json_t *one = NULL;
    HD_TRY(hd_json_pack(&one, "{s:I, s:s, s:s, s:f, s:s, s:s}", "rank", (json_int_t)rank + 1, "id",
                        item->id, "title", item->title, "score",
                        hd_json_decimal((float)served->score), "method", served->method, "why",
                        hd_why_name(served->why)));
    heed_err err = wording.explain ? explain(list, served, items, wording, one) : HEED_OK;
    if (err == HEED_OK) return hd_json_append(array, one);
    json_decref(one);
    return err;
}

heed_err hd_served_json(const hd_served_list *list, const hd_items *items, hd_wording wording,
                        json_t **out) {
    json_t *root = NULL;
    HD_TRY(hd_json_pack(&root, "{s:I, s:s, s:[]}", "asked", (json_int_t)list->asked, "method",
                        list->first, "items"));
    for (size_t i = 0; i < list->n; i++) {
        heed_err err = item_json(list, i, items, wording, json_object_get(root, "items"));
        if (err != HEED_OK) {
            json_decref(root);
            return err;
        }
    }
    *out = root;
    return HEED_OK;
}
