// SPDX-License-Identifier: Apache-2.0
//
// heed eval: a leaderboard that says what a method is worth on events it has not seen, and by how
// much it beats showing everybody what is popular.
#include <math.h>

#include "workspace/auditing.h"

#include "api/call.h"
#include "api/list.h"
#include "api/methods.h"
#include "api/posts.h"
#include "api/show.h"
#include "base/log.h"
#include "workspace/evaluations.h"
#include "workspace/train.h"

enum { MAX_KS = 8, SHOWN = 6 };

const char *hd_api_method_at(size_t i) {
    return hd_methods[i] ? hd_methods[i]->name : NULL;
}

const char *hd_api_method_or_all(size_t i) {
    return i == 0 ? "all" : hd_api_method_at(i - 1);
}

static const char *protocol_at(size_t i) {
    return hd_protocols[i] ? hd_protocols[i]->name : NULL;
}

static heed_err take_ks(const hd_call *call, size_t ks[MAX_KS], size_t *n) {
    size_t i;
    json_t *k;
    *n = 0;
    json_array_foreach(json_object_get(call->params, "k"), i, k) {
        if (*n == MAX_KS)
            return HD_FAIL(HEED_USAGE, "--k: at most %d of them", "--k：最多 %d 个", MAX_KS);
        ks[(*n)++] = (size_t)json_integer_value(k);
    }
    return HEED_OK;
}

// The figures are what was asked for: where they can't be kept (a folder that only may be read),
// that is said, and they are given all the same.
static void keep(const hd_call *call, const json_t *results) {
    if (hd_evaluations_keep(call->workspace, results) == HEED_OK) return;
    HD_LOG(HD_LOG_WARN, "eval", "not_kept", HD_KV_STR("reason", heed_error_message(HEED_EN)));
    if (!call->note) return;
    const char *reason[] = {heed_error_message(HEED_EN), heed_error_message(HEED_ZH)};
    char texts[2][512];
    hd_snprintf(texts[0], sizeof texts[0], "the result isn't kept: %s", reason[0]);
    hd_snprintf(texts[1], sizeof texts[1], "结果未保存：%s", reason[1]);
    call->note(call->ctx, (hd_text){texts[0], texts[1]});
}

static heed_err eval_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    heed_evaluate_params params = heed_evaluate_default();
    const char **methods = NULL;
    size_t ks[MAX_KS];
    heed_err err = HEED_OK;
    HD_TRY_OUT(take_ks(call, ks, &params.n_ks));
    HD_TRY_OUT(hd_call_list(call, "methods", &arena, &methods, &params.n_methods));
    params.ks = ks;
    params.methods = methods;
    params.protocol = hd_call_text(call, "protocol");
    params.defaults = hd_call_bool(call, "defaults");
    params.bootstrap = (size_t)hd_call_int(call, "bootstrap", (int64_t)params.bootstrap);
    params.seed = hd_call_int(call, "seed", -1);
    HD_TRY_OUT(hd_call_open(call, HEED_READ, "heed eval", &ws));
    hd_workspace_record_gladly(
        ws, &(hd_audit_entry){.what = HD_AUDIT_BULK_READ, .purpose = "train", .object = "eval"});
    HD_TRY_OUT(hd_evaluate_workspace(ws, &params, result));
    keep(call, *result);
out:
    hd_call_close(call, ws);
    hd_arena_clear(&arena);
    return err;
}

// ── The leaderboard ──

// Figures of the smallest k, in this order, where they were measured.
static const char *const shown[SHOWN] = {"hr", "ndcg", "mrr", "coverage", "novelty", "diversity"};

static int first_k(const json_t *rows) {
    size_t i;
    json_t *row;
    int k = 0;
    json_array_foreach(rows, i, row) {
        void *at = json_object_iter(json_object_get(row, "metrics"));
        int64_t value = 0;
        const char *sign = at ? strchr(json_object_iter_key(at), '@') : NULL;
        if (sign && hd_slice_i64(hd_slice_of(sign + 1), &value)) k = (int)value;
        if (k) break;
    }
    return k;
}

static double metric(const json_t *row, const char *name, int k) {
    char key[48];
    hd_snprintf(key, sizeof key, "%s@%d", name, k);
    return hd_json_num(json_object_get(row, "metrics"), key);
}

// ".1628 ± .0061", from the interval's half width.
static const char *with_interval(const json_t *row, const char *name, int k, hd_arena *arena) {
    char key[48];
    hd_snprintf(key, sizeof key, "%s@%d", name, k);
    const json_t *interval = json_object_get(json_object_get(row, "intervals"), key);
    double value = metric(row, name, k);
    if (!isfinite(value)) return "–";
    if (json_array_size(interval) != 2) return hd_show_fixed(arena, value, 4);
    double low = json_number_value(json_array_get(interval, 0));
    double high = json_number_value(json_array_get(interval, 1));
    return hd_arena_printf(arena, "%.4f ± %.4f", value, (high - low) / 2);
}

// "+0.1424 [0.1369, 0.1480]" and whether the interval leaves 0 out.
static const char *versus(const json_t *row, int k, hd_arena *arena) {
    char key[48];
    hd_snprintf(key, sizeof key, "ndcg@%d", k);
    const json_t *v = json_object_get(json_object_get(row, "versus_popular"), key);
    double difference = hd_json_num(v, "difference");
    double low = hd_json_num(v, "low");
    double high = hd_json_num(v, "high");
    if (!isfinite(difference)) return "";
    if (!isfinite(low)) return hd_arena_printf(arena, "%+.4f", difference);
    return hd_arena_printf(arena, "%+.4f [%+.4f, %+.4f]", difference, low, high);
}

static void add_row(const json_t *row, int k, hd_grid *grid) {
    hd_arena *arena = &grid->arena;
    const char *cells[HD_GRID_COLS] = {hd_json_text(row, "method")};
    size_t n = 1;
    cells[n++] = with_interval(row, shown[0], k, arena);
    cells[n++] = with_interval(row, shown[1], k, arena);
    for (size_t m = 2; m < SHOWN; m++) cells[n++] = hd_show_real(arena, metric(row, shown[m], k));
    cells[n++] = hd_show_seconds(arena, hd_json_num(row, "fit_seconds"));
    cells[n++] = versus(row, k, arena);
    hd_grid_add(grid, n, cells);
}

static bool by_ndcg(const json_t *a, const json_t *b, int k) {
    double x = metric(a, "ndcg", k);
    double y = metric(b, "ndcg", k);
    return (isfinite(y) ? y : -1) > (isfinite(x) ? x : -1);
}

// Rows that have figures, best first.
static void add_rows(const json_t *rows, int k, hd_grid *grid) {
    const json_t *sorted[64];
    size_t n = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        if (!json_object_get(row, "metrics") || n == sizeof sorted / sizeof sorted[0]) continue;
        size_t at = n++;
        for (; at > 0 && by_ndcg(sorted[at - 1], row, k); at--) sorted[at] = sorted[at - 1];
        sorted[at] = row;
    }
    for (i = 0; i < n; i++) add_row(sorted[i], k, grid);
}

static void add_head(int k, heed_lang lang, hd_grid *grid) {
    const char *cells[HD_GRID_COLS] = {hd_say(lang, "method", "方法")};
    size_t n = 1;
    for (size_t m = 0; m < SHOWN; m++)
        cells[n++] = hd_arena_printf(&grid->arena, "%s@%d", shown[m], k);
    cells[n++] = hd_say(lang, "fit", "拟合");
    cells[n++] = hd_say(lang, "ndcg above popular, 95%", "ndcg 高出热门，95%");
    hd_grid_add(grid, n, cells);
    grid->head = 1;
}

static void add_not_applicable(const json_t *rows, heed_lang lang, hd_str *out) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        const json_t *why = json_object_get(row, "not_applicable");
        if (why)
            hd_str_addf(out, "  %s: %s\n", hd_json_text(row, "method"),
                        hd_json_text(why, lang == HEED_ZH ? "zh" : "en"));
    }
}

static heed_err eval_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const json_t *first = json_array_get(result, 0);
    int k = first_k(result);
    hd_grid grid;
    hd_grid_init(&grid, "lrrrrrrrr");
    hd_str_addf(out,
                hd_say(lang,
                       "protocol %s: %lld users, %lld items, every unseen item ranked; seed %lld\n"
                       "data %.12s, split %.12s\n\n",
                       "协议 %s：%lld 个用户，%lld 件商品，对所有未见过的商品排序；种子 %lld\n"
                       "数据 %.12s，划分 %.12s\n\n"),
                hd_json_text(first, "protocol"), (long long)hd_json_int(first, "users"),
                (long long)hd_json_int(first, "items"), (long long)hd_json_int(first, "seed"),
                hd_json_text(first, "data_hash"), hd_json_text(first, "split_hash"));
    add_head(k, lang, &grid);
    add_rows(result, k, &grid);
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    add_not_applicable(result, lang, out);
    return err ? err : hd_str_check(out);
}

static heed_err eval_next(const json_t *result, heed_lang lang, hd_str *out) {
    (void)result;
    hd_str_add(
        out, hd_say(lang, "next: heed recommend USER --why", "下一步：heed recommend 用户 --why"));
    return hd_str_check(out);
}

static const hd_param eval_params[] = {
    {"protocol", HD_PARAM_CHOICE, .choice_at = protocol_at, .initial = "loo",
     .doc = HD_TEXT("how events are held out", "如何留出事件")},
    {"methods", HD_PARAM_CHOICE, .many = true, .choice_at = hd_api_method_or_all, .metavar = "NAME",
     .initial = "all", .doc = HD_TEXT("methods, separated by commas", "方法，用逗号分隔")},
    {"k", HD_PARAM_INT, .many = true, .min = 1, .max = 1000,
     .doc = HD_TEXT("length of the lists, rising (default: 10)", "列表长度，递增（默认 10）")},
    {"defaults", HD_PARAM_BOOL,
     .doc = HD_TEXT("the methods' default parameters, without a search",
                    "使用方法的默认参数，不做搜索")},
    {"bootstrap", HD_PARAM_INT, .min = 0, .max = 100000, .initial = "1000",
     .doc = HD_TEXT("resamples for the 95% intervals", "95% 区间的重抽样次数")},
    {"seed", HD_PARAM_INT, .max = 9007199254740991.0,
     .doc = HD_TEXT("seed of everything random (default: the setting train.seed)",
                    "随机数种子（默认取设置 train.seed）")},
};

const hd_op hd_op_eval = {
    .name = "eval",
    .chapter = HD_CHAPTER_MODELS,
    .doc =
        HD_TEXT("measure the methods on events they have not seen", "在未见过的事件上衡量各方法"),
    .detail =
        HD_TEXT("Every unseen item is ranked for every user; nothing is sampled. Parameters "
                "are chosen on validation data alone. The result is kept for 'heed eval list', the "
                "newest hundred of them.",
                "为每个用户对所有未见过的商品排序，不做抽样。参数只在验证数据上选择。"
                "结果会保存，可用“heed eval list”查看，最多保留最近一百次。"),
    .examples =
        (const char *const[]){"heed eval", "heed eval --protocol time --methods all --json", NULL},
    .method = "POST",
    .path = "/api/v1/eval",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_JOB,
    .params = eval_params,
    .n_params = sizeof eval_params / sizeof eval_params[0],
    .result_doc = "eval",
    .run = eval_run,
    .text = eval_text,
    .next = eval_next,
};

// ── What was found before ──

// Files alone are read; but a folder that is no workspace is to be told as everywhere.
static heed_err need_workspace(hd_call *call) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed eval list", &ws));
    hd_call_close(call, ws);
    return HEED_OK;
}

static heed_err list_run(hd_call *call, json_t **result) {
    const hd_page page = hd_call_page(call);
    HD_TRY(need_workspace(call));
    return hd_evaluations_list(call->workspace, page.cursor, page.limit, result);
}

static heed_err show_run(hd_call *call, json_t **result) {
    HD_TRY(need_workspace(call));
    return hd_evaluations_get(call->workspace, hd_call_text(call, "evaluation"), result);
}

// The best by ndcg of the smallest k; NULL: none has figures.
static const json_t *best_of(const json_t *methods, int k) {
    const json_t *best = NULL;
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const json_t *one = json_array_get(methods, i);
        if (json_is_object(json_object_get(one, "metrics")) && (!best || by_ndcg(best, one, k)))
            best = one;
    }
    return best;
}

static heed_err list_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *one;
    hd_grid_init(&grid, "lllrlr");
    hd_grid_head(&grid, hd_say(lang, "evaluation", "评估"),
                 hd_say(lang, "made (UTC)", "时间（UTC）"), hd_say(lang, "protocol", "协议"),
                 hd_say(lang, "users", "用户数"), hd_say(lang, "best", "最佳"), "ndcg");
    json_array_foreach(json_object_get(result, "evaluations"), i, one) {
        const json_t *methods = json_object_get(one, "methods");
        int k = first_k(methods);
        const json_t *best = best_of(methods, k);
        hd_grid_row(&grid, hd_json_text(one, "id"), hd_json_text(one, "created"),
                    hd_json_text(one, "protocol"),
                    hd_show_int(&grid.arena, hd_json_int(one, "users")),
                    best ? hd_json_text(best, "method") : "–",
                    best ? hd_show_real(&grid.arena, metric(best, "ndcg", k)) : "–");
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err show_text(const json_t *report, heed_lang lang, size_t width, hd_str *out) {
    hd_str_addf(out, hd_say(lang, "evaluation %s, %s\n", "评估 %s，%s\n"),
                hd_json_text(report, "id"), hd_json_text(report, "created"));
    return eval_text(json_object_get(report, "results"), lang, width, out);
}

static heed_err list_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *cursor = hd_json_text(result, "next_cursor");
    if (cursor[0]) hd_str_addf(out, hd_say(lang, "more: --cursor %s", "更多：--cursor %s"), cursor);
    return hd_str_check(out);
}

static const hd_param list_params[] = {HD_PAGE_PARAMS};
static const hd_param show_params[] = {
    {"evaluation", HD_PARAM_TEXT, .positional = true, .required = true,
     .doc = HD_TEXT("its id, as 'heed eval list' shows it", "评估 id，见“heed eval list”")},
};

#define SUMMARY_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"created\":{\"type\":"      \
    "\"string\"},\"protocol\":" HD_TEXT_SCHEMA ",\"seed\":{\"type\":[\"integer\",\"null\"]},"       \
    "\"users\":{\"type\":[\"integer\",\"null\"]},\"items\":{\"type\":[\"integer\",\"null\"]},"      \
    "\"data_hash\":" HD_TEXT_SCHEMA ",\"split_hash\":" HD_TEXT_SCHEMA                               \
    ",\"methods\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"method\":"   \
    "{\"type\":\"string\"},\"metrics\":{\"type\":[\"object\",\"null\"]}},\"required\":[\"method\"," \
    "\"metrics\"]}}},\"required\":[\"id\",\"created\",\"protocol\",\"methods\"]}"

const hd_op hd_op_eval_list = {
    .name = "eval list",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("list the evaluations that were made", "列出做过的评估"),
    .examples = (const char *const[]){"heed eval list", NULL},
    .method = "GET",
    .path = "/api/v1/eval",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema = HD_PAGE_SCHEMA("evaluations", SUMMARY_SCHEMA),
    .params = list_params,
    .n_params = sizeof list_params / sizeof list_params[0],
    .result_doc = "eval",
    .run = list_run,
    .text = list_text,
    .next = list_next,
};

const hd_op hd_op_eval_show = {
    .name = "eval show",
    .chapter = HD_CHAPTER_MODELS,
    .doc = HD_TEXT("show what an evaluation found", "查看一次评估的结果"),
    .examples = (const char *const[]){"heed eval show 1795336200123", NULL},
    .method = "GET",
    .path = "/api/v1/eval/{evaluation}",
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .schema =
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"created\":{\"type\":"
        "\"string\"},\"results\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}},"
        "\"required\":[\"id\",\"created\",\"results\"]}",
    .params = show_params,
    .n_params = sizeof show_params / sizeof show_params[0],
    .result_doc = "eval",
    .run = show_run,
    .text = show_text,
};
