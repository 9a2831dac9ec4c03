// SPDX-License-Identifier: Apache-2.0
//
// heed profile: what is known of a user, or the segments of all. The text has one line per fact, a
// row each below; what isn't known has no line.
#include "workspace/profile.h"

#include <math.h>

#include "api/call.h"
#include "api/list.h"
#include "api/segments.h"
#include "api/show.h"

static heed_err profile_run(hd_call *call, json_t **result) {
    const char *user = hd_call_text(call, "user");
    bool segments = hd_call_bool(call, "segments");
    if (segments == (user != NULL))
        return HD_FAIL(HEED_USAGE, "'heed profile' takes a user's id, or --segments",
                       "“heed profile”后面给出用户 id，或 --segments");
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed profile", &ws));
    heed_err err = segments ? hd_profile_segments(ws, call->lang, result)
                            : hd_profile_user(ws, user, call->lang, result);
    hd_call_close(call, ws);
    return err;
}

// ── Facts ──

typedef struct writer {
    heed_lang lang;
    hd_arena *arena;
    hd_str *out;
} writer;

// A number as text; "" when memory is out, which the grid would show as a failure elsewhere.
static const char *num(const writer *w, const json_t *fact, const char *key) {
    const char *text = hd_show_real(w->arena, hd_json_num(fact, key));
    return text ? text : "";
}

// One digit after the point: days and minutes.
static const char *num1(const writer *w, const json_t *fact, const char *key) {
    const char *text = hd_show_fixed(w->arena, hd_json_num(fact, key), 1);
    return text ? text : "";
}

static void put_recency(const writer *w, const json_t *f) {
    hd_str_addf(w->out, hd_say(w->lang, "%s days ago, %.10s", "%s 天前，%.10s"), num1(w, f, "days"),
                hd_json_text(f, "last"));
}

static void put_frequency(const writer *w, const json_t *f) {
    hd_str_addf(
        w->out,
        hd_say(w->lang, "%s events and %s orders on %s days", "%s 个事件、%s 个订单，分布在 %s 天"),
        num(w, f, "events"), num(w, f, "orders"), num(w, f, "active_days"));
}

static void put_monetary(const writer *w, const json_t *f) {
    size_t i;
    json_t *money;
    json_array_foreach(json_object_get(f, "by_currency"), i, money) {
        hd_str_addf(w->out,
                    hd_say(w->lang, "%s%s %s net in %s orders, %s returns",
                           "%s%s 净额 %s，%s 个订单，%s 次退货"),
                    i ? "; " : "", hd_json_text(money, "currency"), num(w, money, "net"),
                    num(w, money, "orders"), num(w, money, "returns"));
    }
}

static void put_hours(const writer *w, const json_t *f) {
    const char *share = hd_show_percent(w->arena, hd_json_num(f, "weekend_share"));
    hd_str_addf(
        w->out,
        hd_say(w->lang, "mostly about %s o'clock; %s at weekends", "多在 %s 点左右；周末占 %s"),
        num(w, f, "peak"), share ? share : "");
}

static void put_browsing(const writer *w, const json_t *f) {
    hd_str_addf(w->out,
                hd_say(w->lang, "%s sessions, %s minutes (%s each)",
                       "%s 次会话，共 %s 分钟（每次 %s 分钟）"),
                num(w, f, "sessions"), num(w, f, "minutes"), num1(w, f, "minutes_per_session"));
}

static void put_ratings(const writer *w, const json_t *f) {
    hd_str_addf(
        w->out,
        hd_say(w->lang, "%s on average, %s items, %s reviews", "平均 %s，%s 件商品，%s 条评论"),
        num(w, f, "mean"), num(w, f, "items"), num(w, f, "reviews"));
}

static void put_top(const writer *w, const json_t *f) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(f, "top"), i, entry) {
        const char *share = hd_show_percent(w->arena, hd_json_num(entry, "share"));
        hd_str_addf(w->out, "%s%s %s", i ? ", " : "", hd_json_text(entry, "name"),
                    share ? share : "");
    }
}

static const char *band_name(const char *band, heed_lang lang) {
    static const char *const names[][2] = {{"low", "低"}, {"mid", "中"}, {"high", "高"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], band) == 0) return names[i][lang == HEED_ZH];
    return band;
}

static void put_band(const writer *w, const json_t *f) {
    hd_str_addf(w->out,
                hd_say(w->lang, "%s: %s %s to %s, half below %s", "%s：%s %s 到 %s，中位数 %s"),
                band_name(hd_json_text(f, "band"), w->lang), hd_json_text(f, "currency"),
                num(w, f, "low"), num(w, f, "high"), num(w, f, "median"));
}

static void put_names(const writer *w, const json_t *list, const char *before) {
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        hd_str_addf(w->out, "%s%s", i ? ", " : before, hd_json_text(entry, "name"));
    }
}

static void put_drift(const writer *w, const json_t *f) {
    hd_str_add(w->out, num(w, f, "divergence"));
    put_names(w, json_object_get(f, "risen"), hd_say(w->lang, "; more: ", "；增多："));
    put_names(w, json_object_get(f, "fallen"), hd_say(w->lang, "; less: ", "；减少："));
}

static void put_segment(const writer *w, const json_t *f) {
    hd_str_add(w->out, hd_json_text(f, "name"));
}

static const struct fact_row {
    const char *key;
    hd_text label;
    void (*put)(const writer *w, const json_t *fact);
} fact_rows[] = {
    {"segment", HD_TEXT("segment", "分群"), put_segment},
    {"recency", HD_TEXT("last seen", "最近一次"), put_recency},
    {"frequency", HD_TEXT("activity", "活跃"), put_frequency},
    {"monetary", HD_TEXT("spent", "消费"), put_monetary},
    {"price_band", HD_TEXT("price band", "价位"), put_band},
    {"categories", HD_TEXT("categories", "类别"), put_top},
    {"brands", HD_TEXT("brands", "品牌"), put_top},
    {"drift", HD_TEXT("drift", "变化"), put_drift},
    {"active_hours", HD_TEXT("hours", "时段"), put_hours},
    {"browsing", HD_TEXT("browsing", "浏览"), put_browsing},
    {"ratings", HD_TEXT("ratings", "评分"), put_ratings},
};

static heed_err put_fact(const struct fact_row *row, const json_t *result, heed_lang lang,
                         hd_grid *grid) {
    const json_t *fact = json_object_get(result, row->key);
    if (!json_is_object(fact)) return HEED_OK;
    hd_str text;
    hd_str_init(&text);
    const writer w = {.lang = lang, .arena = &grid->arena, .out = &text};
    row->put(&w, fact);
    heed_err err = hd_str_check(&text);
    if (err == HEED_OK && text.len > 0)
        hd_grid_row(grid, hd_text_get(row->label, lang), hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

static heed_err user_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "ll");
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < sizeof fact_rows / sizeof fact_rows[0]; i++)
        err = put_fact(&fact_rows[i], result, lang, &grid);
    if (err == HEED_OK && grid.n_rows == 0)
        hd_str_add(out,
                   hd_say(lang, "nothing is known of this user yet\n", "对该用户还一无所知\n"));
    if (err == HEED_OK) err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err profile_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    return json_object_get(result, "segments") ? hd_api_segments_text(result, lang, width, out)
                                               : user_text(result, lang, width, out);
}

static const hd_param profile_params[] = {
    {"user", HD_PARAM_TEXT, .positional = true,
     .doc = HD_TEXT("the user's id, as imported", "用户 id，与导入时一致")},
    {"segments", HD_PARAM_BOOL,
     .doc = HD_TEXT("show the user segments instead", "改为显示用户分群")},
};

const hd_op hd_op_profile = {
    .name = "profile",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("tell what is known of a user, with evidence", "说明对用户的了解及其依据"),
    .detail = HD_TEXT("Computed from the user's events when asked. With --json each fact names the "
                      "events behind it. The segment is known once 'heed train' has run.",
                      "请求时由用户的事件算出。加 --json 时，每项结论都列出所依据的事件。"
                      "运行“heed train”之后才有分群。"),
    .examples = (const char *const[]){"heed profile u42", "heed profile --segments", NULL},
    .method = "GET",
    .path = "/api/v1/profile/{user}",
    .scope = HD_SCOPE_PERSONAL,
    .purpose = "profile",
    .place = HD_PLACE_WORKSPACE,
    .params = profile_params,
    .n_params = sizeof profile_params / sizeof profile_params[0],
    .result_doc = "profile",
    .run = profile_run,
    .text = profile_text,
};
