// SPDX-License-Identifier: Apache-2.0
//
// heed segments, heed segment: the groups that users fall into, as of the last training.
#include "api/call.h"
#include "api/list.h"
#include "api/segments.h"
#include "api/show.h"
#include "workspace/profile.h"

static heed_err segments_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed segments", &ws));
    heed_err err = hd_profile_segments(ws, call->lang, result);
    hd_call_close(call, ws);
    return err;
}

heed_err hd_api_segments_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "rlrr");
    hd_grid_head(&grid, "", hd_say(lang, "segment", "分群"), hd_say(lang, "users", "用户"),
                 hd_say(lang, "share", "占比"));
    size_t i;
    const json_t *segment;
    json_array_foreach(json_object_get(result, "segments"), i, segment) {
        hd_grid_row(&grid, hd_show_int(&grid.arena, hd_json_int(segment, "id")),
                    hd_json_text(segment, "name"),
                    hd_show_int(&grid.arena, hd_json_int(segment, "users")),
                    hd_show_percent(&grid.arena, hd_json_num(segment, "share")));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

// ── One of them ──

static heed_err pick(const json_t *all, int64_t id, json_t **result) {
    size_t i;
    json_t *segment;
    json_array_foreach(json_object_get(all, "segments"), i, segment) {
        if (hd_json_int(segment, "id") != id) continue;
        HD_TRY(hd_json_set(segment, "version", json_incref(json_object_get(all, "version"))));
        *result = json_incref(segment);
        return HEED_OK;
    }
    return HD_FAIL(HEED_NOT_FOUND, "there is no segment %lld: 'heed segments' lists them",
                   "没有编号为 %lld 的分群：可用“heed segments”列出", (long long)id);
}

static heed_err segment_run(hd_call *call, json_t **result) {
    json_t *all = NULL;
    HD_TRY(segments_run(call, &all));
    heed_err err = pick(all, hd_call_int(call, "segment", -1), result);
    json_decref(all);
    return err;
}

// What sets it apart, the strongest first.
static heed_err segment_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *centre = json_object_get(result, "centre");
    hd_grid grid;
    hd_grid_init(&grid, "lr");
    hd_str_addf(out, hd_say(lang, "%s: %lld users\n\n", "%s：%lld 个用户\n\n"),
                hd_json_text(result, "name"), (long long)hd_json_int(result, "users"));
    hd_grid_head(&grid, hd_say(lang, "on average", "平均"), "");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)centre, key, value) { // jansson's loop changes nothing
        if (json_is_number(value))
            hd_grid_row(&grid, key, hd_show_real(&grid.arena, json_number_value(value)));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

#define SEGMENT_MEMBERS                                                                              \
    "\"id\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\"},\"users\":{\"type\":\"integer\"}," \
    "\"share\":{\"type\":\"number\"},\"centre\":{\"type\":\"object\"},\"distinct\":{\"type\":\"array\"}"

const hd_op hd_op_segments = {
    .name = "segments",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("the groups that users fall into", "用户分群"),
    .detail = HD_TEXT("As of the last training.", "以最近一次训练为准。"),
    .examples = (const char *const[]){"heed segments", NULL},
    .method = "GET",
    .path = "/api/v1/segments",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = "{\"type\":\"object\",\"required\":[\"version\",\"segments\"],\"properties\":{"
              "\"version\":{\"type\":\"string\"},\"segments\":{\"type\":\"array\",\"items\":{"
              "\"type\":\"object\",\"properties\":{" SEGMENT_MEMBERS "}}}}}",
    .result_doc = "segments",
    .run = segments_run,
    .text = hd_api_segments_text,
};

static const hd_param segment_params[] = {
    {"segment", HD_PARAM_INT, .positional = true, .required = true, .max = 1e6,
     .doc = HD_TEXT("its number, from 'heed segments'", "编号，见“heed segments”")},
};

const hd_op hd_op_segment = {
    .name = "segment",
    .chapter = HD_CHAPTER_ANSWERS,
    .doc = HD_TEXT("one group of users: its size and its averages", "一个用户分群：人数与均值"),
    .examples = (const char *const[]){"heed segment 2", NULL},
    .method = "GET",
    .path = "/api/v1/segments/{segment}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = "{\"type\":\"object\",\"required\":[\"version\",\"id\"],\"properties\":{"
              "\"version\":{\"type\":\"string\"}," SEGMENT_MEMBERS "}}",
    .params = segment_params,
    .n_params = 1,
    .result_doc = "segments",
    .run = segment_run,
    .text = segment_text,
};
