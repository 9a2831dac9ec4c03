// SPDX-License-Identifier: Apache-2.0
//
// Evaluation of the workspace's data: the cleaned snapshot that training would learn from, handed
// to recommend/evaluate. Opened to read, so that it may run beside a writer; what it found is kept
// as a file by who asks for that (evaluations.h).
#include "workspace/train.h"

heed_evaluate_params heed_evaluate_default(void) {
    return (heed_evaluate_params){.bootstrap = 1000, .seed = -1};
}

static heed_err find_protocol(const char *name, const hd_protocol **out) {
    *out = hd_protocol_find(name ? name : "loo");
    if (*out) return HEED_OK;
    hd_str list;
    hd_str_init(&list);
    for (size_t i = 0; hd_protocols[i]; i++)
        hd_str_addf(&list, "%s%s", i ? ", " : "", hd_protocols[i]->name);
    heed_err err = HD_FAIL(HEED_INPUT, "unknown protocol '%s'; there are %s",
                           "没有“%s”这个协议；可用的有 %s", name, hd_str_get(&list));
    hd_str_clear(&list);
    return err;
}

static void pass_progress(void *ctx, const char *method, double share) {
    char texts[2][96];
    hd_snprintf(texts[0], sizeof texts[0], "evaluating %s", method);
    hd_snprintf(texts[1], sizeof texts[1], "正在评估 %s", method);
    hd_workspace_tell(ctx, (hd_text){texts[0], texts[1]}, share);
}

static heed_err check_ks(const heed_evaluate_params *params) {
    for (size_t i = 0; i < params->n_ks; i++)
        if (params->ks[i] < 1 || params->ks[i] > 1000 ||
            (i > 0 && params->ks[i] <= params->ks[i - 1]))
            return HD_FAIL(HEED_INPUT, "list lengths k are 1 to 1000 and rise",
                           "列表长度 k 须在 1 到 1000 之间并递增");
    return HEED_OK;
}

heed_err hd_evaluate_workspace(heed_workspace *ws, const heed_evaluate_params *params,
                               json_t **out) {
    static const size_t ten[] = {10};
    hd_arena arena;
    hd_arena_init(&arena);
    hd_training_data data = {0};
    hd_evaluate_params p = {.tune = !params->defaults,
                            .ks = params->n_ks ? params->ks : ten,
                            .n_ks = params->n_ks ? params->n_ks : 1,
                            .bootstrap = params->bootstrap,
                            .progress = pass_progress,
                            .progress_ctx = ws};
    p.seed =
        (uint64_t)(params->seed >= 0 ? params->seed : hd_settings_int(ws->settings, "train.seed"));
    heed_err err = HEED_OK;
    const hd_method **methods;
    HD_TRY_OUT(check_ks(params));
    HD_TRY_OUT(find_protocol(params->protocol, &p.protocol));
    HD_TRY_OUT(
        hd_methods_named(params->methods, params->n_methods, &arena, &methods, &p.n_methods));
    p.methods = methods;
    HD_TRY_OUT(hd_workspace_pool(ws, &p.pool));
    HD_TRY_OUT(hd_training_data_load(ws, &data));
    HD_TRY_OUT(hd_evaluate(&data.events, data.hash, &p, out));
out:
    hd_training_data_clear(&data);
    hd_arena_clear(&arena);
    return err;
}

heed_err heed_evaluate(heed_workspace *ws, const heed_evaluate_params *params, char **json) {
    json_t *out = NULL;
    HD_TRY(hd_evaluate_workspace(ws, params, &out));
    return hd_workspace_text(out, json);
}
