// SPDX-License-Identifier: Apache-2.0
//
// heed eval: a leaderboard that says what a method is worth on events it has not seen, and by how
// much it beats showing everybody what is popular.
#include <math.h>

#include "workspace/auditing.h"

#include "api/call.h"
#include "api/list.h"
#include "api/methods.h"
#include "api/show.h"
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
    .detail = HD_TEXT("Every unseen item is ranked for every user; nothing is sampled. Parameters "
                      "are chosen on validation data alone. Nothing is kept.",
                      "为每个用户对所有未见过的商品排序，不做抽样。参数只在验证数据上选择。"
                      "不保留任何结果。"),
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
