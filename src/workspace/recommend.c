// SPDX-License-Identifier: Apache-2.0
//
// Serving: the model in force, popular beside it, and the user's events as they stand now.
//
// Models are loaded once per handle and kept until active.json names another version; the file is
// read at every request, which costs microseconds and spares a handle that lives for months the
// need to be told. What is loaded speaks of items by key, so items that came or went since training
// do no harm.
#include "workspace/recommend.h"

#include "base/mem.h"
#include "recommend/wording.h"

static const char TASK[] = "recommend";

typedef struct loaded_model {
    const hd_method *method;
    hd_model *model;
} loaded_model;

struct hd_loaded_models {
    hd_arena arena;
    hd_model_ref ref;
    int64_t *item_key; // (n_items)
    size_t n_items;
    loaded_model chosen;
    loaded_model popular; // method NULL: the chosen one is popular
    hd_cold *cold;        // NULL: none was fitted
    hd_serving *serving;
};

void hd_loaded_models_free(hd_loaded_models *loaded) {
    if (!loaded) return;
    hd_serving_free(loaded->serving);
    hd_cold_free(loaded->cold);
    if (loaded->chosen.method) loaded->chosen.method->free(loaded->chosen.model);
    if (loaded->popular.method) loaded->popular.method->free(loaded->popular.model);
    hd_free(loaded->item_key);
    hd_arena_clear(&loaded->arena);
    hd_free(loaded);
}

// ── Loading ──

static heed_err take_item_keys(const hd_safetensors *file, hd_loaded_models *out) {
    const hd_tensor_view *view;
    HD_TRY(hd_safetensors_get(file, "heed.item_key", HD_I64, 1, &view));
    out->n_items = view->shape[0];
    out->item_key = hd_alloc(view->bytes + 1);
    if (!out->item_key) return HD_FAIL_MEMORY(view->bytes);
    memcpy(out->item_key, view->data, view->bytes);
    return HEED_OK;
}

// The rows of all users, as a method reads them that compares users.
static heed_err attach_rows(heed_workspace *ws, hd_loaded_models *loaded) {
    hd_snapshot snapshot = {0};
    HD_TRY(hd_door_snapshot(ws->door, HD_PURPOSE_RECOMMEND, loaded->item_key, loaded->n_items,
                            ws->signals, &snapshot));
    heed_err err = loaded->chosen.method->attach(loaded->chosen.model, &snapshot.events);
    hd_snapshot_clear(&snapshot);
    return err;
}

static heed_err fail_corrupt(hd_model_ref ref) {
    return HD_FAIL(HEED_CORRUPT, "model '%s' %s doesn't fit its item list; run 'heed train'",
                   "模型“%s”%s 与其商品表不符；请运行“heed train”", ref.method, ref.version);
}

static heed_err load_chosen(heed_workspace *ws, const hd_method *method, hd_loaded_models *out) {
    hd_safetensors *file = NULL;
    heed_err err = HEED_OK;
    HD_TRY_OUT(hd_models_open(ws, TASK, out->ref, &file));
    HD_TRY_OUT(take_item_keys(file, out));
    out->chosen.method = method;
    HD_TRY_OUT(method->load(file, &out->chosen.model));
    if (method->n_items(out->chosen.model) != out->n_items) HD_TRY_OUT(fail_corrupt(out->ref));
    if (method->needs_rows) HD_TRY_OUT(attach_rows(ws, out));
    if (method == hd_methods[0] && hd_safetensors_get(file, "cold.count", HD_F32, -1, NULL))
        err = HEED_OK;
out:
    hd_safetensors_close(file);
    return err;
}
