// SPDX-License-Identifier: Apache-2.0
#include "api/answers.h"

#include "api/show.h"

heed_err hd_api_list_params(const hd_call *call, hd_arena *arena, heed_recommend_params *params) {
    const char **categories;
    const char **filters;
    const char **exclude;
    HD_TRY(hd_call_list(call, "category", arena, &categories, &params->n_categories));
    HD_TRY(hd_call_list(call, "filter", arena, &filters, &params->n_filters));
    HD_TRY(hd_call_list(call, "exclude", arena, &exclude, &params->n_exclude));
    params->categories = categories;
    params->filters = filters;
    params->exclude = exclude;
    params->n = (size_t)hd_call_int(call, "n", 0);
    params->method = hd_call_text(call, "with");
    params->cap_per_category = (int)hd_call_int(call, "cap_per_category", -1);
    params->lang = call->lang;
    return HEED_OK;
}

heed_err hd_api_show_items(const json_t *items, bool with_method, const char *none, heed_lang lang,
                           size_t width, hd_str *out) {
    if (json_array_size(items) == 0) {
        hd_str_add(out, none);
        return hd_str_check(out);
    }
    hd_grid grid;
    hd_grid_init(&grid, with_method ? "rllrl" : "rllr");
    hd_grid_head(&grid, "", hd_say(lang, "item", "商品"), hd_say(lang, "title", "名称"),
                 hd_say(lang, "score", "得分"), hd_say(lang, "method", "方法"));
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item) {
        hd_grid_row(&grid, hd_show_int(&grid.arena, hd_json_int(item, "rank")),
                    hd_json_text(item, "id"), hd_json_text(item, "title"),
                    hd_show_real(&grid.arena, hd_json_num(item, "score")),
                    hd_json_text(item, "method"));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err ? err : hd_str_check(out);
}
