// SPDX-License-Identifier: Apache-2.0
//
// The list of presets: one row each, beside it the descriptor in a file of its own.
#include "prepare/preset/preset.h"

const hd_preset *const hd_presets[] = {
    &hd_preset_gorse,   &hd_preset_movielens, &hd_preset_sequence,    &hd_preset_retail,
    &hd_preset_segment, &hd_preset_posthog,   &hd_preset_personalize, NULL,
};

const char *hd_preset_name(const hd_preset *preset) {
    return preset->name;
}

hd_text hd_preset_doc(const hd_preset *preset) {
    return preset->doc;
}

static const char *next_name(void *ctx) {
    size_t *i = ctx;
    return hd_presets[*i] ? hd_presets[(*i)++]->name : NULL;
}

static heed_err no_such_preset(const char *name) {
    hd_str list;
    hd_str_init(&list);
    for (size_t i = 0; hd_presets[i]; i++) {
        hd_str_addf(&list, i > 0 ? ", %s" : "%s", hd_presets[i]->name);
    }
    heed_err err = hd_str_check(&list);
    if (err == HEED_OK) {
        err = HD_FAIL(HEED_USAGE, "there is no preset '%s': choose one of %s",
                      "没有预设“%s”：可选 %s", name, hd_str_get(&list));
    }
    hd_str_clear(&list);
    return err;
}

heed_err hd_preset_find(const char *name, const hd_preset **out) {
    for (size_t i = 0; hd_presets[i]; i++) {
        if (strcmp(hd_presets[i]->name, name) == 0) {
            *out = hd_presets[i];
            return HEED_OK;
        }
    }
    size_t i = 0;
    const char *near = hd_nearest(name, next_name, &i);
    if (near) {
        return HD_FAIL(HEED_USAGE, "there is no preset '%s': did you mean '%s'?",
                       "没有预设“%s”：是否指“%s”？", name, near);
    }
    return no_such_preset(name);
}
