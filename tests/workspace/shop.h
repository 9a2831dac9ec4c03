// SPDX-License-Identifier: Apache-2.0
//
// A small shop in a temporary folder, for the tests of workspace/: files, a workspace, helpers.
#ifndef TEST_SHOP_H
#define TEST_SHOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "heed/heed.h"

typedef struct shop {
    char dir[64];    // holds the files
    char folder[96]; // of the workspace
    char path[8][128];
} shop;

#define must(expr)                                                                               \
    do {                                                                                         \
        heed_err must_err = (expr);                                                              \
        if (must_err != HEED_OK)                                                                 \
            fail_msg("%s: %s: %s", #expr, heed_err_name(must_err), heed_error_message(HEED_EN)); \
    } while (0)

static inline const char *shop_write(shop *s, size_t i, const char *name, const char *text) {
    snprintf(s->path[i], sizeof s->path[i], "%s/%s", s->dir, name);
    must(hd_fs_write(s->path[i], text, strlen(text), 0600));
    return s->path[i];
}

// 12 users, 6 items; user k has 2 + k % 4 of them, in order. Every event has an id.
static inline const char *shop_events(shop *s, size_t i) {
    hd_str text;
    hd_str_init(&text);
    hd_str_add(&text, "event_id,user_id,item_id,type,time,value\n");
    for (int u = 1; u <= 12; u++)
        for (int k = 0; k < 2 + u % 4; k++)
            hd_str_addf(&text, "e%d-%d,u%d,i%d,purchase,%d,%d\n", u, k, u, k + 1,
                        1790000000 + u * 100000 + k * 60, 5 + k);
    const char *path = shop_write(s, i, "events.csv", hd_str_get(&text));
    hd_str_clear(&text);
    return path;
}

static inline void shop_open(shop *s) {
    // in memory where that can be had: the tests aren't about how fast a disk syncs
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->dir, sizeof s->dir, "%s/heed-test-XXXXXX", place);
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->folder, sizeof s->folder, "%s/shop", s->dir);
    must(heed_workspace_init(s->folder, HEED_EN));
    shop_write(s, 0, "users.csv", "user_id,city\nu1,Bonn\nu2,Rome\nquiet,Rome\n");
    shop_write(s, 1, "items.csv",
               "item_id,title,brand,categories,price\ni1,Tea,Leaf,drinks,3\ni2,Cup,Clay,kitchen,9\n"
               "i3,Pot,Clay,kitchen,20\ni4,Cake,Oven,food,5\ni5,Tray,Clay,kitchen,12\n"
               "i6,Milk,Cow,drinks,2\n");
    shop_events(s, 2);
}

static inline void shop_close(shop *s) {
    must(hd_fs_remove(s->dir));
}

static inline heed_workspace *shop_workspace(const shop *s, heed_mode mode) {
    heed_workspace *ws = NULL;
    must(heed_workspace_open(s->folder, mode, &ws));
    return ws;
}

static inline heed_err shop_import(heed_workspace *ws, const shop *s, size_t first, size_t n,
                                   heed_import_result **result) {
    const char *paths[8];
    for (size_t i = 0; i < n; i++) paths[i] = s->path[first + i];
    heed_import_params params = heed_import_default();
    params.paths = paths;
    params.n_paths = n;
    return heed_import(ws, &params, result);
}

static inline json_t *shop_json(char *text) {
    json_t *json = NULL;
    must(hd_json_parse(text, strlen(text), "result", &json));
    heed_text_free(text);
    return json;
}

#endif
