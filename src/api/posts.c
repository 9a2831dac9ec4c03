// SPDX-License-Identifier: Apache-2.0
//
// From a call to hd_ingest. Where the address names the record ("PUT /api/v1/items/i7"), that id is
// put into a body without one before it is read, so that everything behind sees one form; another
// id of the body's own is read as it is, and refused for what it is.
#include "api/posts.h"

static heed_err no_body(const hd_post *post) {
    return HD_FAIL(HEED_USAGE, "%s needs a body: the records as JSON",
                   "%s 需要请求体：JSON 形式的记录", post->who);
}

// The records within the body, and where they stand in it.
static const json_t *find_records(const hd_post *post, const json_t *body, const char **pointer) {
    const json_t *inner = post->list ? json_object_get(body, post->list + 1) : NULL;
    *pointer = json_is_array(inner) ? post->list : "";
    return json_is_array(inner) ? inner : body;
}

static heed_err named_one(const json_t *record, const char *id, json_t **out) {
    json_t *copy = json_copy((json_t *)(uintptr_t)record); // jansson's copy takes no const
    if (!copy) return HD_FAIL_MEMORY(0);
    bool unnamed = json_is_object(copy) &&
                   (!json_object_get(copy, "id") || json_is_null(json_object_get(copy, "id")));
    heed_err err = unnamed ? hd_json_set(copy, "id", json_string(id)) : HEED_OK;
    if (err != HEED_OK) hd_json_drop(&copy);
    *out = copy;
    return err;
}

// A copy of the records with the address's id in each.
static heed_err name_all(const json_t *records, const char *id, json_t **out) {
    if (!json_is_array(records)) return named_one(records, id, out);
    json_t *list = json_array();
    heed_err err = list ? HEED_OK : HD_FAIL_MEMORY(0);
    for (size_t i = 0; err == HEED_OK && i < json_array_size(records); i++) {
        json_t *one = NULL;
        err = named_one(json_array_get(records, i), id, &one);
        if (err == HEED_OK) err = hd_json_append(list, one);
    }
    if (err != HEED_OK) hd_json_drop(&list);
    *out = list;
    return err;
}

static heed_err ingest(hd_call *call, const hd_post *post, hd_ingest_params *params,
                       json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, post->who, &ws));
    heed_err err = hd_ingest(ws, params, result);
    hd_call_close(call, ws);
    if (*result && post->kind == HD_KIND_EVENTS)
        call->used_events += hd_json_int(*result, "accepted");
    return err;
}

heed_err hd_call_post(hd_call *call, const hd_post *post, json_t **result) {
    const json_t *body = json_object_get(call->params, "body");
    if (!body) return no_body(post);
    hd_ingest_params params = {
        .kind = post->kind, .preset = post->preset, .call = post->call, .lang = call->lang};
    params.records = find_records(post, body, &params.pointer);
    if (!post->id_param) return ingest(call, post, &params, result);
    json_t *named = NULL;
    params.id = hd_call_text(call, post->id_param);
    HD_TRY(name_all(params.records, params.id, &named));
    params.records = named;
    heed_err err = ingest(call, post, &params, result);
    json_decref(named);
    return err;
}

hd_page hd_call_page(const hd_call *call) {
    return (hd_page){hd_call_text(call, "cursor"),
                     (size_t)hd_call_int(call, "limit", HD_PAGE_USUAL)};
}
