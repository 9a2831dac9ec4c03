// SPDX-License-Identifier: Apache-2.0
//
// Bodies of requests: the first byte chooses what is posted, the rest is the body. Whatever it
// holds, every record is accounted for once, what was taken can be read back, and a second try of
// records with ids brings nothing new.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "heed/heed.h"
#include "workspace/browse.h"
#include "workspace/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)           \
    do {                           \
        if (!(condition)) abort(); \
    } while (0)

static char dir[] = "/tmp/heed-fuzz-body-XXXXXX";
static char folder[64];
static heed_workspace *ws;

static void clean_up(void) {
    heed_workspace_close(ws);
    CHECK(hd_fs_remove(dir) == HEED_OK);
}

static void open_workspace(void) {
    CHECK(mkdtemp(dir));
    snprintf(folder, sizeof folder, "%s/shop", dir);
    CHECK(heed_workspace_init(folder, HEED_EN) == HEED_OK);
    CHECK(heed_workspace_open(folder, HEED_WRITE, &ws) == HEED_OK);
    CHECK(atexit(clean_up) == 0);
}

static const hd_ingest_params posts[] = {
    {.kind = HD_KIND_EVENTS},
    {.kind = HD_KIND_USERS},
    {.kind = HD_KIND_ITEMS},
    {.kind = HD_KIND_REVIEWS},
    {.kind = HD_KIND_TICKETS},
    {.kind = HD_KIND_DOCUMENTS},
    {.kind = HD_KIND_EVENTS, .preset = "segment"},
    {.kind = HD_KIND_EVENTS, .preset = "segment", .call = "track"},
    {.kind = HD_KIND_EVENTS, .preset = "posthog"},
    {.kind = HD_KIND_USERS, .id = "u"},
};
enum { POSTS = sizeof posts / sizeof posts[0] };

static json_int_t number(const json_t *result, const char *key) {
    const json_t *value = json_object_get(result, key);
    CHECK(json_is_integer(value) && json_integer_value(value) >= 0);
    return json_integer_value(value);
}

static void check_errors(const json_t *result, json_int_t rejected) {
    size_t i;
    json_t *error;
    const json_t *errors = json_object_get(result, "errors");
    CHECK(json_array_size(errors) ==
          (size_t)(rejected < HD_INGEST_ERRORS ? rejected : HD_INGEST_ERRORS));
    json_array_foreach(errors, i, error) {
        CHECK(json_string_length(json_object_get(error, "detail")) > 0);
        CHECK(json_is_string(json_object_get(error, "pointer")));
    }
}

static void check_result(heed_err err, const json_t *result, size_t n) {
    json_int_t rejected = number(result, "rejected");
    json_int_t taken =
        number(result, "accepted") + number(result, "repeated") + number(result, "ignored");
    CHECK((size_t)(taken + rejected) == n);
    CHECK(err == (rejected == 0 ? HEED_OK : taken == 0 ? HEED_INPUT : HEED_PARTIAL));
    check_errors(result, rejected);
}

static void look(void) {
    const hd_page page = {NULL, 100};
    json_t *found = NULL;
    CHECK(hd_browse_users(ws, page, &found) == HEED_OK);
    json_decref(found);
    CHECK(hd_browse_items(ws, NULL, page, &found) == HEED_OK);
    json_decref(found);
    CHECK(hd_browse_tickets(ws, NULL, page, &found) == HEED_OK);
    json_decref(found);
}

static void post(hd_ingest_params params, const json_t *records) {
    size_t n = json_is_array(records) ? json_array_size(records) : 1;
    if (n > HD_INGEST_MAX) return;
    params.records = records;
    CHECK(hd_store_begin(ws->store) == HEED_OK);
    for (int i = 0; i < 2; i++) {
        json_t *result = NULL;
        heed_err err = hd_ingest(ws, &params, &result);
        CHECK(err == HEED_OK || err == HEED_INPUT || err == HEED_PARTIAL);
        CHECK(result);
        check_result(err, result, n);
        json_decref(result);
    }
    look();
    hd_store_rollback(ws->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *json = NULL;
    if (!ws) open_workspace();
    if (size < 1) return 0;
    if (hd_json_parse((const char *)data + 1, size - 1, "body", &json) != HEED_OK) return 0;
    post(posts[data[0] % POSTS], json);
    json_decref(json);
    return 0;
}
