// SPDX-License-Identifier: Apache-2.0
//
// The list of layers, and building a network from a list of them.
#include "nn/layer_rows.h"

static const hd_spec_kind *const rows[] = {
#define ROW(id) &hd_layer_kind_##id.kind,
    HD_LAYER_ROWS(ROW)
#undef ROW
};

typedef struct common_options {
    const char *name;
    bool frozen;
} common_options;
static const hd_option common_rows[] = {
    {.name = "name",
     .type = HD_OPTION_TEXT,
     .at = offsetof(common_options, name),
     .doc = HD_TEXT("leads the paths of its weights; else its place in the list",
                    "作为权重路径的开头；默认为它在列表中的序号")},
    {.name = "frozen",
     .type = HD_OPTION_BOOL,
     .at = offsetof(common_options, frozen),
     .doc = HD_TEXT("its weights aren't trained", "不训练它的权重")},
    {.name = NULL}};

const hd_spec_kinds hd_layer_kinds = {.what = HD_TEXT("layer", "层"),
                                      .rows = rows,
                                      .n = sizeof rows / sizeof rows[0],
                                      .common = common_rows,
                                      .common_size = sizeof(common_options)};

static hd_tensor *build_one(hd_nn_scope *s, const json_t *value, size_t index,
                            const hd_where *where, hd_tensor *x) {
    hd_choice choice;
    char number[24];
    heed_err err = hd_spec_read(&hd_layer_kinds, value, where, s->arena, &choice);
    if (err != HEED_OK) {
        hd_scope_fail(s, err); // its message has the place
        if (!s->failed) {
            s->failed = true;
            hd_error_get(&s->failure);
            s->failure.code = err;
        }
        return x;
    }
    const common_options *common = choice.common;
    const hd_layer_kind *kind = (const hd_layer_kind *)(const void *)choice.kind;
    hd_snprintf(number, sizeof number, "%zu", index);
    if (++s->n_layers > HD_SCOPE_LAYERS) {
        hd_scope_fail(
            s, HD_FAIL(HEED_INPUT, "more than %d layers", "超过 %d 层", (int)HD_SCOPE_LAYERS));
        hd_scope_check(s, &choice.where);
        return x;
    }
    bool frozen = s->frozen;
    s->frozen = frozen || common->frozen;
    hd_scope_push(s, common->name ? common->name : number);
    x = kind->build(s, x, choice.options, &choice.where);
    hd_scope_pop(s);
    s->frozen = frozen;
    hd_scope_check(s, &choice.where);
    return x;
}

hd_tensor *hd_layers_build(hd_nn_scope *s, const json_t *list, const hd_where *where,
                           hd_tensor *x) {
    if (!json_is_array(list)) { // one layer may stand alone
        return list ? build_one(s, list, 0, where, x) : x;
    }
    for (size_t i = 0; i < json_array_size(list) && !s->failed; i++) {
        hd_where place = hd_where_at(where, i);
        x = build_one(s, json_array_get(list, i), i, &place, x);
    }
    return x;
}
