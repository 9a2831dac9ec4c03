// SPDX-License-Identifier: Apache-2.0
//
// heed train, heed model list, show, activate, rollback.
#include "workspace/train.h"

#include <math.h>

#include "api/call.h"
#include "api/list.h"
#include "api/methods.h"
#include "api/show.h"
#include "workspace/recipe.h"

static heed_err train_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_train_params params = heed_train_default();
    const char **methods = NULL;
    heed_err err = HEED_OK;
    HD_TRY_OUT(hd_call_list(call, "methods", &arena, &methods, &params.n_methods));
    params.methods = methods;
    params.seed = hd_call_int(call, "seed", -1);
    HD_TRY_OUT(hd_call_open(call, HEED_READ, "heed train", &ws));
    HD_TRY_OUT(hd_train(ws, &params, result));
out:
    hd_call_close(call, ws);
    hd_arena_clear(&arena);
    return err;
}

static void add_data(const json_t *result, heed_lang lang, hd_arena *arena, hd_str *out) {
    const json_t *data = json_object_get(result, "data");
    const json_t *cleaning = json_object_get(result, "cleaning");
    const char *users = hd_show_int(arena, hd_json_int(data, "users"));
    const char *items = hd_show_int(arena, hd_json_int(data, "items"));
    const char *events = hd_show_int(arena, hd_json_int(data, "events"));
    int64_t dropped = hd_json_int(cleaning, "events") - hd_json_int(cleaning, "kept");
    hd_str_addf(out,
                hd_say(lang, "learned from %s events of %s users on %s items",
                       "从 %s 个事件中学习（%s 个用户，%s 件商品）"),
                events ? events : "", users ? users : "", items ? items : "");
    if (dropped > 0)
        hd_str_addf(out,
                    hd_say(lang, "; %lld left out as repeats, robots or impossible times",
                           "；略去 %lld 个重复、机器人或时间不可能的事件"),
                    (long long)dropped);
    hd_str_add(out, "\n\n");
}

// "decay 0.8, window 10"
static void add_parameters(const json_t *parameters, hd_arena *arena, hd_str *out) {
    void *at = json_object_iter((json_t *)(uintptr_t)parameters);
    for (const char *sep = ""; at;
         at = json_object_iter_next((json_t *)(uintptr_t)parameters, at)) {
        const char *value = hd_show_real(arena, json_number_value(json_object_iter_value(at)));
        hd_str_addf(out, "%s%s %s", sep, json_object_iter_key(at), value ? value : "");
        sep = ", ";
    }
}

static void add_candidate(const json_t *candidate, const char *chosen, heed_lang lang,
                          hd_grid *grid) {
    const json_t *why = json_object_get(candidate, "not_applicable");
    const char *name = hd_json_text(candidate, "method");
    hd_str text;
    hd_str_init(&text);
    if (why)
        hd_str_add(&text, hd_json_text(why, lang == HEED_ZH ? "zh" : "en"));
    else
        add_parameters(json_object_get(candidate, "parameters"), &grid->arena, &text);
    hd_grid_row(grid, strcmp(name, chosen) == 0 ? "→" : "", name,
                hd_show_fixed(&grid->arena, hd_json_num(candidate, "ndcg@10"), 4),
                hd_str_get(&text));
    grid->failed |= text.failed;
    hd_str_clear(&text);
}

static heed_err train_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const char *chosen = hd_json_text(result, "method");
    hd_grid grid;
    hd_grid_init(&grid, "llrl");
    add_data(result, lang, &grid.arena, out);
    hd_grid_head(&grid, "", hd_say(lang, "method", "方法"), hd_say(lang, "NDCG@10", "NDCG@10"),
                 hd_say(lang, "chosen on validation data", "在验证集上选定的参数"));
    size_t i;
    json_t *candidate;
    json_array_foreach(json_object_get(result, "validation"), i, candidate)
        add_candidate(candidate, chosen, lang, &grid);
    heed_err err = hd_grid_print(&grid, width, out);
    hd_str_addf(out, hd_say(lang, "\n%s %s is in force", "\n已启用 %s %s"), chosen,
                hd_json_text(result, "version"));
    double times = hd_json_num(result, "times_popular");
    if (isfinite(times) && times > 1)
        hd_str_addf(out,
                    hd_say(lang, ": %.1f times as good as popular on validation data",
                           "：在验证集上是热门推荐的 %.1f 倍"),
                    times);
    const json_t *segments = json_object_get(json_object_get(result, "segments"), "segments");
    if (segments)
        hd_str_addf(out, hd_say(lang, "; %zu user segments", "；用户分为 %zu 群"),
                    json_array_size(segments));
    const char *seconds = hd_show_seconds(&grid.arena, hd_json_num(result, "seconds"));
    hd_str_addf(out, hd_say(lang, " (%s)\n", "（%s）\n"), seconds ? seconds : "");
    hd_grid_clear(&grid);
    return err ? err : hd_str_check(out);
}

static heed_err train_next(const json_t *result, heed_lang lang, hd_str *out) {
    (void)result;
    hd_str_add(out, hd_say(lang, "next: heed eval   (how good is it on what it hasn't seen?)",
                           "下一步：heed eval （在没见过的数据上表现如何？）"));
    return hd_str_check(out);
}

static const hd_param train_params[] = {
    {"methods", HD_PARAM_CHOICE, .many = true, .choice_at = hd_api_method_or_all, .metavar = "NAME",
     .doc = HD_TEXT("methods to try, separated by commas (default: the setting train.methods)",
                    "要尝试的方法，用逗号分隔（默认取设置 train.methods）")},
    {"seed", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("seed of everything random (default: the setting train.seed)",
                    "随机数种子（默认取设置 train.seed）")},
};

const hd_op hd_op_train = {
    .name = "train",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("train recommenders and put the best in force", "训练推荐模型并启用最好的一个"),
    .detail = HD_TEXT("Each method's parameters are chosen on a validation split of the data; the "
                      "best by NDCG@10 is fitted on everything and put in force. User segments are "
                      "trained as well. If it fails or is stopped, the models before stay in "
                      "force.",
                      "每种方法的参数都在验证集上选择；按 NDCG@10 最好的方法用全部数据拟合后启用。"
                      "同时训练用户分群。若失败或被中断，原来的模型继续有效。"),
    .examples = (const char *const[]){"heed train", "heed train --methods markov,item_knn", NULL},
    .method = "POST",
    .path = "/api/v1/train",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_JOB,
    .params = train_params,
    .n_params = sizeof train_params / sizeof train_params[0],
    .result_doc = "train",
    .run = train_run,
    .text = train_text,
    .next = train_next,
};

// ── Versions ──

static heed_err list_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    json_t *models = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed model list", &ws));
    heed_err err = hd_models_list(ws, &models);
    if (err == HEED_OK) err = hd_recipe_models(ws, models);
    hd_call_close(call, ws);
    if (err != HEED_OK) json_decref(models);
    HD_TRY(err);
    return hd_json_pack(result, "{s:o}", "models", models);
}

// "NDCG@10 0.3633", "accuracy 0.9737"
static const char *figure_text(hd_arena *arena, const json_t *model) {
    const char *name = hd_json_text(model, "figure");
    double value = hd_json_num(model, *name ? "value" : "ndcg@10");
    if (isnan(value)) return "";
    const char *digits = hd_show_fixed(arena, value, 4);
    return digits ? hd_arena_printf(arena, "%s %s", *name ? name : "NDCG@10", digits) : NULL;
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "llllrll");
    hd_grid_head(&grid, "", hd_say(lang, "task", "任务"), hd_say(lang, "method", "方法"),
                 hd_say(lang, "version", "版本"), hd_say(lang, "figure", "指标"),
                 hd_say(lang, "made (UTC)", "时间（UTC）"), "");
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(result, "models"), i, model) {
        hd_grid_row(&grid, json_is_true(json_object_get(model, "active")) ? "→" : "",
                    hd_json_text(model, "task"), hd_json_text(model, "method"),
                    hd_json_text(model, "version"), figure_text(&grid.arena, model),
                    hd_json_text(model, "created"),
                    json_is_true(json_object_get(model, "holds_erased"))
                        ? hd_say(lang, "learned from persons erased since", "曾从已删除的人学习")
                        : "");
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_model_list = {
    .name = "model list",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("list the trained models", "列出训练好的模型"),
    .method = "GET",
    .path = "/api/v1/models",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .result_doc = "model",
    .run = list_run,
    .text = list_text,
};

// A method of the recommenders, or a recipe's name; else told with what there is. A recipe doesn't
// hide a method of its name.
static heed_err is_recipe(const heed_workspace *ws, const char *name, bool *out) {
    *out = hd_recipe_known(ws, name);
    for (size_t i = 0; hd_api_method_at(i); i++) {
        if (strcmp(hd_api_method_at(i), name) != 0) continue;
        *out = false;
        return HEED_OK;
    }
    if (*out) return HEED_OK;
    return HD_FAIL(HEED_NOT_FOUND, "there is no model '%s'; see 'heed model list'",
                   "没有模型“%s”；见“heed model list”", name);
}

static heed_err switch_to(hd_call *call, const char *who, bool back, json_t **result) {
    heed_workspace *ws = NULL;
    bool recipe = false;
    const char *name = hd_call_text(call, "model");
    const char *version = back ? NULL : hd_call_text(call, "model_version");
    HD_TRY(hd_call_open(call, HEED_READ, who, &ws));
    heed_err err = name ? is_recipe(ws, name, &recipe) : HEED_OK;
    if (err == HEED_OK && back && name && !recipe)
        err = HD_FAIL(HEED_USAGE, "going back names a recipe's model, or none: the recommender",
                      "回退时应给出配方的模型名，或不给（即推荐模型）");
    if (err == HEED_OK)
        err = recipe ? hd_recipe_switch(ws, name, version, back, result)
                     : hd_model_switch(ws, back ? NULL : name, version, result);
    hd_call_close(call, ws);
    return err;
}

static heed_err activate_run(hd_call *call, json_t **result) {
    return switch_to(call, "heed model activate", false, result);
}

static heed_err rollback_run(hd_call *call, json_t **result) {
    return switch_to(call, "heed model rollback", true, result);
}

static heed_err switch_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out, hd_say(lang, "%s %s is in force\n", "已启用 %s %s\n"),
                hd_json_text(result, "method"), hd_json_text(result, "version"));
    return hd_str_check(out);
}

static const hd_param activate_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("the method, or a recipe's name", "方法，或配方名称")},
    {"model_version", HD_PARAM_TEXT, .positional = true,
     .doc = HD_TEXT("the version; none: the newest", "版本；不给则取最新的")},
};

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    bool recipe;
    const char *name = hd_call_text(call, "model");
    const char *version = hd_call_text(call, "model_version");
    HD_TRY(hd_call_open(call, HEED_READ, "heed model show", &ws));
    heed_err err = is_recipe(ws, name, &recipe);
    if (err == HEED_OK)
        err = recipe ? hd_recipe_show(ws, name, version, result)
                     : hd_model_show(ws, name, version, result);
    hd_call_close(call, ws);
    return err;
}

static heed_err show_text(const json_t *model, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    hd_grid_init(&grid, "ll");
    hd_str parameters;
    hd_str_init(&parameters);
    add_parameters(json_object_get(model, "parameters"), &grid.arena, &parameters);
    hd_grid_row(&grid, hd_say(lang, "model", "模型"), hd_json_text(model, "method"));
    hd_grid_row(&grid, hd_say(lang, "version", "版本"), hd_json_text(model, "version"));
    hd_grid_row(&grid, hd_say(lang, "in force", "启用"),
                json_is_true(json_object_get(model, "active")) ? hd_say(lang, "yes", "是")
                                                               : hd_say(lang, "no", "否"));
    hd_grid_row(&grid, hd_say(lang, "made (UTC)", "时间（UTC）"), hd_json_text(model, "created"));
    if (strcmp(hd_json_text(model, "task"), "recipe") == 0) {
        hd_grid_row(&grid, hd_say(lang, "kind", "类型"), hd_json_text(model, "model"));
        hd_grid_row(&grid, hd_say(lang, "test figure", "测试指标"),
                    figure_text(&grid.arena, model));
        hd_grid_row(&grid, hd_say(lang, "parameters", "参数"),
                    hd_show_int(&grid.arena, hd_json_int(model, "parameters")));
    } else {
        hd_grid_row(&grid, hd_say(lang, "events", "事件"),
                    hd_show_int(&grid.arena, hd_json_int(model, "events")));
        hd_grid_row(&grid, "NDCG@10", hd_show_fixed(&grid.arena, hd_json_num(model, "ndcg@10"), 4));
        hd_grid_row(&grid, hd_say(lang, "parameters", "参数"), hd_str_get(&parameters));
    }
    grid.failed |= parameters.failed;
    heed_err err = hd_grid_print(&grid, width, out);
    hd_str_clear(&parameters);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_model_show = {
    .name = "model show",
    .chapter = HD_CHAPTER_MODELS,
    .doc =
        HD_TEXT("show a trained model and how it was chosen", "显示某个训练好的模型及其选择经过"),
    .examples = (const char *const[]){"heed model show markov",
                                      "heed model show markov 000003 --json", NULL},
    .method = "GET",
    .path = "/api/v1/models/{model}/{model_version}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .schema = "{\"type\":\"object\",\"properties\":{\"method\":{\"type\":\"string\"},\"version\":{"
              "\"type\":\"string\"},\"active\":{\"type\":\"boolean\"},\"report\":{\"type\":"
              "\"object\"}},\"required\":[\"method\",\"version\",\"active\",\"report\"]}",
    .params = activate_params,
    .n_params = sizeof activate_params / sizeof activate_params[0],
    .result_doc = "model",
    .run = show_run,
    .text = show_text,
};

const hd_op hd_op_model_activate = {
    .name = "model activate",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("put a trained model in force", "启用某个训练好的模型"),
    .examples = (const char *const[]){"heed model activate item_knn",
                                      "heed model activate markov 000003", NULL},
    .method = "POST",
    .path = "/api/v1/models/{model}/activate",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .params = activate_params,
    .n_params = sizeof activate_params / sizeof activate_params[0],
    .result_doc = "model",
    .run = activate_run,
    .text = switch_text,
};

static const hd_param rollback_params[] = {
    {"model", HD_PARAM_TEXT, .positional = true,
     .doc = HD_TEXT("a recipe's name; none: the recommender", "配方名称；不给则为推荐模型")},
};

const hd_op hd_op_model_rollback = {
    .name = "model rollback",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("go back to the model that was in force before", "退回之前启用的模型"),
    .examples = (const char *const[]){"heed model rollback", "heed model rollback iris_mlp", NULL},
    .params = rollback_params,
    .n_params = sizeof rollback_params / sizeof rollback_params[0],
    .method = "POST",
    .path = "/api/v1/models/rollback",
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_WORKSPACE,
    .result_doc = "model",
    .run = rollback_run,
    .text = switch_text,
};
