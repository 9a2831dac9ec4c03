// SPDX-License-Identifier: Apache-2.0
//
// heed recipe list, show, check, run.
#include "workspace/recipe.h"

#include <math.h>

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "base/mem.h"

// ── What they share ──

static heed_err open_recipe(const hd_call *call, hd_arena *arena, hd_recipe **out) {
    const char *path;
    const char **changes = NULL;
    size_t n = 0;
    HD_TRY(hd_recipe_locate(call->settings, hd_call_text(call, "recipe"), arena, &path));
    if (hd_call_has(call, "set")) HD_TRY(hd_call_list(call, "set", arena, &changes, &n));
    return hd_recipe_open(path, changes, n, out);
}

static void pass_progress(void *ctx, hd_text what, double share) {
    const hd_call *call = ctx;
    if (call->progress) call->progress(call->ctx, what, share);
}

static hd_recipe_opts opts_of(hd_call *call) {
    const char *data = hd_call_text(call, "data");
    if (!data) data = hd_settings_text(call->settings, "recipe.data");
    return (hd_recipe_opts){
        .data = data && *data ? data : NULL,
        .seed = hd_call_int(call, "seed", -1),
        .seeds = hd_call_int(call, "seeds", 0),
        .threads = (size_t)hd_settings_int(call->settings, "threads"),
        .memory_limit = hd_mem_limit(),
        .lang = call->lang,
        .progress = pass_progress,
        .ctx = call,
        .stop = call->stop ? &call->stop->asked : NULL,
    };
}

#define RECIPE_PARAM                                                              \
    {                                                                             \
        "recipe", HD_PARAM_TEXT,                                                  \
            .positional = true, .required = true, .file = true,                   \
            .doc = HD_TEXT("a recipe's file, or the name of one that heed knows", \
                           "配方文件，或 heed 已知配方的名称")                    \
    }
#define SET_PARAM                                                                                  \
    {                                                                                              \
        "set", HD_PARAM_TEXT,                                                                      \
            .many = true, .metavar = "KEY=VALUE",                                                  \
            .doc = HD_TEXT("change a key of the recipe, as often as needed: --set train.epochs=3", \
                           "改动配方中的某个键，可多次使用：--set train.epochs=3")                 \
    }
#define DATA_PARAM                                                                               \
    {                                                                                            \
        "data", HD_PARAM_TEXT,                                                                   \
            .file = true,                                                                        \
            .doc = HD_TEXT("folder with the data (default: beside the recipe, then the setting " \
                           "recipe.data)",                                                       \
                           "数据所在文件夹（默认在配方旁边查找，然后是设置 recipe.data）")       \
    }

// ── list ──

static heed_err list_run(hd_call *call, json_t **result) {
    json_t *recipes;
    HD_TRY(hd_recipe_list(call->settings, &recipes));
    return hd_json_pack(result, "{s:o}", "recipes", recipes);
}

static const char *in_lang(const json_t *object, const char *key, heed_lang lang) {
    return hd_json_text(json_object_get(object, key), lang == HEED_ZH ? "zh" : "en");
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *recipe;
    if (json_array_size(json_object_get(result, "recipes")) == 0) {
        hd_str_add(out, hd_say(lang,
                               "no recipes: none stand beside this program; name their folder by "
                               "the setting recipe.folder\n",
                               "没有配方：此程序旁没有配方文件夹；请用设置 recipe.folder 指明\n"));
        return hd_str_check(out);
    }
    hd_grid_init(&grid, "lll");
    hd_grid_head(&grid, hd_say(lang, "recipe", "配方"), hd_say(lang, "task", "任务"),
                 hd_say(lang, "what it makes", "内容"));
    json_array_foreach(json_object_get(result, "recipes"), i, recipe) {
        hd_grid_row(&grid, hd_json_text(recipe, "name"), hd_json_text(recipe, "task"),
                    in_lang(recipe, "title", lang));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

const hd_op hd_op_recipe_list = {
    .name = "recipe list",
    .chapter = HD_CHAPTER_RECIPES,
    .doc = HD_TEXT("list the recipes that heed knows by name", "列出 heed 已知名称的配方"),
    .method = "GET",
    .path = "/api/v1/recipes",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_READ,
    .schema = "{\"type\":\"object\",\"properties\":{\"recipes\":{\"type\":\"array\",\"items\":{"
              "\"type\":\"object\"}}},\"required\":[\"recipes\"]}",
    .result_doc = "recipe",
    .run = list_run,
    .text = list_text,
};

// ── show ──

static heed_err show_run(hd_call *call, json_t **result) {
    hd_arena arena;
    const char *path;
    hd_str text;
    hd_arena_init(&arena);
    hd_str_init(&text);
    heed_err err = hd_recipe_locate(call->settings, hd_call_text(call, "recipe"), &arena, &path);
    if (err == HEED_OK) err = hd_fs_read(path, 1 << 20, &text);
    if (err == HEED_OK)
        err = hd_json_pack(result, "{s:s, s:s}", "file", path, "text", hd_str_get(&text));
    hd_str_clear(&text);
    hd_arena_clear(&arena);
    return err;
}

static heed_err show_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)lang;
    (void)width;
    hd_str_add(out, hd_json_text(result, "text"));
    return hd_str_check(out);
}

static const hd_param show_params[] = {RECIPE_PARAM};

const hd_op hd_op_recipe_show = {
    .name = "recipe show",
    .chapter = HD_CHAPTER_RECIPES,
    .doc = HD_TEXT("print a recipe, to copy and edit", "输出配方，供复制与修改"),
    .examples = (const char *const[]){"heed recipe show iris_mlp",
                                      "heed recipe show iris_mlp > mine.yaml", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = show_params,
    .n_params = sizeof show_params / sizeof show_params[0],
    .result_doc = "recipe",
    .run = show_run,
    .text = show_text,
};

// ── check ──

static heed_err check_run(hd_call *call, json_t **result) {
    hd_recipe *recipe = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_recipe_opts opts = opts_of(call);
    heed_err err = open_recipe(call, &arena, &recipe);
    if (err == HEED_OK) err = hd_recipe_check(recipe, &opts, result);
    hd_recipe_free(recipe);
    hd_arena_clear(&arena);
    return err;
}

// Where samples aren't rows: windows of a series, stretches of a text.
static void add_samples(hd_grid *grid, const json_t *samples, heed_lang lang) {
    if (json_object_size(samples) == 0) return;
    const char *train = hd_show_int(&grid->arena, hd_json_int(samples, "train"));
    const char *validation = hd_show_int(&grid->arena, hd_json_int(samples, "validation"));
    grid->failed |= !train || !validation;
    if (train) hd_grid_row(grid, hd_say(lang, "training samples", "训练样本数"), train);
    if (validation) hd_grid_row(grid, hd_say(lang, "validation samples", "验证样本数"), validation);
}

static heed_err check_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *rows = json_object_get(result, "rows");
    size_t i;
    json_t *network;
    hd_grid grid;
    hd_grid_init(&grid, "ll");
    const char *train = hd_show_int(&grid.arena, hd_json_int(rows, "train"));
    const char *validation = hd_show_int(&grid.arena, hd_json_int(rows, "validation"));
    const char *test = hd_show_int(&grid.arena, hd_json_int(rows, "test"));
    if (!train || !validation || !test) return HD_FAIL_MEMORY(0);
    hd_grid_row(&grid, hd_say(lang, "recipe", "配方"), hd_json_text(result, "name"));
    hd_grid_row(&grid, hd_say(lang, "training rows", "训练行数"), train);
    hd_grid_row(&grid, hd_say(lang, "validation rows", "验证行数"), validation);
    hd_grid_row(&grid, hd_say(lang, "test rows", "测试行数"), test);
    add_samples(&grid, json_object_get(result, "samples"), lang);
    hd_grid_row(&grid, hd_say(lang, "features", "特征数"),
                hd_show_int(&grid.arena, hd_json_int(result, "features")));
    json_array_foreach(json_object_get(result, "networks"), i, network) {
        hd_str words;
        const char *n = hd_show_int(&grid.arena, hd_json_int(network, "parameters"));
        hd_str_init(&words);
        hd_str_addf(&words, hd_say(lang, "%s parameters", "%s 个参数"), n ? n : "");
        hd_grid_row(&grid, hd_json_text(network, "name"), hd_str_get(&words));
        grid.failed |= words.failed || !n;
        hd_str_clear(&words);
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static const hd_param check_params[] = {RECIPE_PARAM, SET_PARAM, DATA_PARAM};

const hd_op hd_op_recipe_check = {
    .name = "recipe check",
    .chapter = HD_CHAPTER_RECIPES,
    .doc = HD_TEXT("see whether a recipe fits its data, without training",
                   "不训练，只检查配方与数据是否相符"),
    .detail = HD_TEXT(
        "Reads the data, fits the preparation, and builds every network on it. What "
        "doesn't fit is told with the recipe's line or the data's row.",
        "读取数据，拟合数据准备，并在其上搭建每个网络。不相符之处会指出配方的行号或数据的行。"),
    .examples = (const char *const[]){"heed recipe check mine.yaml", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = check_params,
    .n_params = sizeof check_params / sizeof check_params[0],
    .result_doc = "recipe",
    .run = check_run,
    .text = check_text,
};

// ── run ──

static heed_err register_in(hd_call *call, const hd_recipe *recipe, const hd_recipe_opts *opts,
                            json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed recipe run", &ws));
    heed_err err = hd_recipe_register(ws, recipe, opts, result);
    hd_call_close(call, ws);
    return err;
}

// Into a folder: the one that is named, else "<name>.model" here.
static heed_err run_into(hd_call *call, const hd_recipe *recipe, hd_recipe_opts *opts,
                         hd_arena *arena, json_t **result) {
    const char *out = hd_call_text(call, "out");
    opts->out = out ? out : hd_arena_printf(arena, "%s.model", recipe->name);
    if (!opts->out) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_recipe_run(recipe, opts, result));
    heed_err err = hd_json_set(*result, "folder", json_string(opts->out));
    if (err != HEED_OK) hd_json_drop(result);
    return err;
}

static heed_err run_run(hd_call *call, json_t **result) {
    hd_recipe *recipe = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_recipe_opts opts = opts_of(call);
    heed_err err = open_recipe(call, &arena, &recipe);
    bool registers = call->workspace && !hd_call_text(call, "out");
    if (err == HEED_OK)
        err = registers ? register_in(call, recipe, &opts, result)
                        : run_into(call, recipe, &opts, &arena, result);
    hd_recipe_free(recipe);
    hd_arena_clear(&arena);
    return err;
}

// "0.9733 (0.930 … 1.000)"
static const char *with_interval(hd_arena *arena, const json_t *evaluation, const char *figure) {
    const json_t *range = json_object_get(json_object_get(evaluation, "intervals"), figure);
    const char *value = hd_show_fixed(arena, hd_json_num(evaluation, figure), 4);
    if (!value || json_array_size(range) != 2) return value;
    return hd_arena_printf(arena, "%s (%s … %s)", value,
                           hd_show_fixed(arena, json_number_value(json_array_get(range, 0)), 3),
                           hd_show_fixed(arena, json_number_value(json_array_get(range, 1)), 3));
}

static const char *versus_text(hd_arena *arena, const json_t *versus, heed_lang lang) {
    if (!versus) return "";
    const char *low = hd_show_fixed(arena, hd_json_num(versus, "low"), 4);
    const char *high = hd_show_fixed(arena, hd_json_num(versus, "high"), 4);
    double difference = hd_json_num(versus, "difference");
    const char *value = hd_show_fixed(arena, difference, 4);
    if (!low || !high || !value) return NULL;
    return hd_arena_printf(
        arena, hd_say(lang, "%s%s to %s (%s … %s)", "较 %3$s %1$s%2$s（%4$s … %5$s）"),
        difference > 0 ? "+" : "", value, hd_json_text(versus, "baseline"), low, high);
}

// Where a recipe is judged by another figure than the usual one, both differences.
static const char *differences_text(hd_arena *arena, const json_t *versus, heed_lang lang) {
    const json_t *usual = json_object_get(versus, "usual");
    const char *first = versus_text(arena, versus, lang), *other;
    if (!usual || !first) return first;
    other = versus_text(arena, usual, lang);
    return other ? hd_arena_printf(arena, hd_say(lang, "%s; %s %s", "%s；%s %s"), first,
                                   hd_json_text(usual, "metric"), other)
                 : NULL;
}

typedef struct columns {
    const char *figures[2];
} columns;

static columns columns_of(const json_t *report) {
    const char *task = hd_json_text(report, "task");
    const char *figure = hd_json_text(report, "main_figure");
    columns usual = {{"accuracy", "f1_macro"}};
    if (strcmp(task, "values") == 0) usual = (columns){{"mse", "mae"}};
    if (strcmp(task, "language") == 0) usual = (columns){{"log_loss", "perplexity"}};
    if (!*figure || strcmp(figure, usual.figures[0]) == 0) return usual;
    return (columns){{figure, usual.figures[0]}};
}

static void add_model(const json_t *report, const json_t *model, heed_lang lang, hd_grid *grid) {
    const json_t *evaluation = json_object_get(model, "evaluation");
    const json_t *error = json_object_get(model, "error");
    const char *name = hd_json_text(model, "name");
    columns c = columns_of(report);
    const char *mark = strcmp(name, hd_json_text(report, "main")) == 0 ? "→" : "";
    if (error) {
        hd_grid_row(grid, mark, name, "–", "–", "", "",
                    hd_json_text(error, lang == HEED_ZH ? "zh" : "en"));
        return;
    }
    hd_grid_row(grid, mark, name, with_interval(&grid->arena, evaluation, c.figures[0]),
                hd_show_fixed(&grid->arena, hd_json_num(evaluation, c.figures[1]), 4),
                hd_show_int(&grid->arena, hd_json_int(model, "parameters")),
                hd_show_seconds(&grid->arena, hd_json_num(model, "fit_seconds")),
                differences_text(&grid->arena, json_object_get(model, "versus"), lang));
}

static void add_findings(const json_t *report, heed_lang lang, size_t width, hd_str *out) {
    size_t i;
    json_t *finding;
    const char *key = lang == HEED_ZH ? "zh" : "en";
    json_array_foreach(json_object_get(report, "diagnosis"), i, finding) {
        hd_str line;
        hd_str_init(&line);
        bool warn = strcmp(hd_json_text(finding, "level"), "ok") != 0;
        hd_str_addf(&line, hd_say(lang, "%s: %s: %s", "%s：%s：%s"), hd_json_text(finding, "model"),
                    hd_json_text(json_object_get(finding, "what"), key),
                    hd_json_text(json_object_get(finding, "why"), key));
        if (warn)
            hd_str_addf(&line, hd_say(lang, "; try: %s", "；建议：%s"),
                        hd_json_text(json_object_get(finding, "try"), key));
        hd_str_addc(out, '\n');
        hd_show_wrapped(out, hd_str_get(&line), line.len, 4, width ? width : 100);
        out->failed |= line.failed;
        hd_str_clear(&line);
    }
    hd_str_addc(out, '\n');
}

static heed_err run_text(const json_t *report, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *model;
    columns c = columns_of(report);
    hd_grid_init(&grid, "llrrrrl");
    hd_grid_head(&grid, "", hd_say(lang, "model", "模型"), c.figures[0], c.figures[1],
                 hd_say(lang, "parameters", "参数"), hd_say(lang, "time", "用时"),
                 hd_say(lang, "difference", "差异"));
    json_array_foreach(json_object_get(report, "models"), i, model)
        add_model(report, model, lang, &grid);
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    HD_TRY(err);
    add_findings(report, lang, width, out);
    if (json_object_get(report, "version")) {
        hd_str_addf(out,
                    hd_say(lang, "\nreport: %s/report.html\n%s %s is in force\n",
                           "\n报告：%s/report.html\n已启用 %s %s\n"),
                    hd_json_text(report, "folder"), hd_json_text(report, "recipe"),
                    hd_json_text(report, "version"));
    } else {
        hd_str_addf(out, hd_say(lang, "\nmodel and report: %s\n", "\n模型与报告：%s\n"),
                    hd_json_text(report, "folder"));
    }
    return hd_str_check(out);
}

static heed_err run_next(const json_t *report, heed_lang lang, hd_str *out) {
    const char *model = hd_json_text(report, "version")[0] ? hd_json_text(report, "recipe")
                                                           : hd_json_text(report, "folder");
    hd_str_addf(out,
                hd_say(lang, "next: heed model predict %s rows.csv",
                       "下一步：heed model predict %s rows.csv"),
                model);
    return hd_str_check(out);
}

static const hd_param run_params[] = {
    RECIPE_PARAM,
    SET_PARAM,
    DATA_PARAM,
    {"out", HD_PARAM_TEXT, .file = true,
     .doc = HD_TEXT("folder for model and report, in place of the workspace's registry (default "
                    "outside of a workspace: NAME.model)",
                    "存放模型与报告的文件夹，代替工作区的模型库（不在工作区时默认为 NAME.model）")},
    {"seed", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("seed of everything random (default: the recipe's)",
                    "随机数种子（默认取配方中的）")},
    {"seeds", HD_PARAM_INT, .min = 1, .max = 100,
     .doc = HD_TEXT("train networks so often, each time from another seed (default: the recipe's)",
                    "以不同种子训练网络的次数（默认取配方中的）")},
};

const hd_op hd_op_recipe_run = {
    .name = "recipe run",
    .chapter = HD_CHAPTER_RECIPES,
    .doc =
        HD_TEXT("train, judge and register a model as a recipe says", "按配方训练、评估并注册模型"),
    .detail =
        HD_TEXT("Prepares the data, trains the networks and the classical models of the "
                "recipe on the same rows, judges them on test rows that nothing was chosen "
                "by, and says in a report what the training looked like. In a workspace the "
                "model is registered and put in force.",
                "准备数据，在相同的行上训练配方中的网络与经典模型，用未参与任何选择的测试行评估，"
                "并在报告中说明训练情况。在工作区中，模型会被注册并启用。"),
    .examples =
        (const char *const[]){"heed recipe run iris_mlp",
                              "heed recipe run mine.yaml --set train.epochs=3 --data files", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_ANY,
    .run_as = HD_RUN_NEVER,
    .params = run_params,
    .n_params = sizeof run_params / sizeof run_params[0],
    .result_doc = "recipe",
    .run = run_run,
    .text = run_text,
    .next = run_next,
};
