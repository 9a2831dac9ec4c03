// SPDX-License-Identifier: Apache-2.0
//
// heed demo: the whole way on a made-up shop, by the same operations that a newcomer will type:
// init, import, report, train, eval, recommend. It says what each step found, and that figures on
// made-up data prove nothing but the plumbing.
//
// The folder is marked as a demo's, and only a folder with that mark is ever replaced.
#include "workspace/demo.h"

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"
#include "base/mem.h"
#include "workspace/care.h"

static const char MARK[] = ".heed-demo";

typedef struct demo {
    hd_call *call;
    hd_arena arena;
    const char *folder;
    const char *files; // folder of the made-up files
    json_t *result;
    int64_t start;
} demo;

static double seconds_since(int64_t start) {
    return (double)(hd_time_monotonic() - start) / 1000;
}

// Runs an operation in the demo's workspace and keeps its result under a name. Takes params.
static heed_err step(demo *d, const hd_op *op, const char *name, json_t *params) {
    if (!params) return HD_FAIL_MEMORY(0);
    hd_call call = *d->call;
    json_t *result = NULL;
    call.workspace = d->folder;
    call.params = params;
    heed_err err = hd_params_finish(params, op->params, op->n_params, op->name);
    if (err == HEED_OK) err = op->run(&call, &result);
    if (err == HEED_OK) err = hd_json_set(d->result, name, json_incref(result));
    json_decref(result);
    json_decref(params);
    return err;
}

// An older demo goes; anything else in the place is left alone.
static heed_err clear_place(demo *d) {
    char *mark = hd_fs_join(&d->arena, d->folder, MARK);
    if (!mark) return HD_FAIL_MEMORY(0);
    if (!hd_fs_exists(d->folder)) return HEED_OK;
    if (hd_fs_exists(mark)) return hd_fs_remove(d->folder);
    return HD_FAIL(HEED_CONFLICT,
                   "'%s' is there and was not made by 'heed demo'; name another folder",
                   "“%s”已存在，且不是由“heed demo”创建的；请换一个文件夹", d->folder);
}

static heed_err make_files(demo *d) {
    hd_demo_counts counts;
    const hd_demo_params params = {
        .lang = d->call->lang,
        .seed = (uint64_t)hd_call_int(d->call, "seed", 1),
        .users = (size_t)hd_call_int(d->call, "users", 0),
        .end = HD_TIME_NONE,
    };
    char *mark = hd_fs_join(&d->arena, d->folder, MARK);
    if (!mark) return HD_FAIL_MEMORY(0);
    HD_TRY(hd_fs_mkdirs(d->folder, 0755));
    HD_TRY(hd_fs_write(mark, "made by heed demo\n", 18, 0644));
    HD_TRY(hd_demo_write(d->files, &params, &counts));
    json_t *made = NULL;
    HD_TRY(hd_json_pack(&made, "{s:I, s:I, s:I, s:I, s:I, s:I}", "users", (json_int_t)counts.users,
                        "items", (json_int_t)counts.items, "events", (json_int_t)counts.events,
                        "reviews", (json_int_t)counts.reviews, "tickets",
                        (json_int_t)counts.tickets, "documents", (json_int_t)counts.documents));
    return hd_json_set(d->result, "made", made);
}

static heed_err import_files(demo *d) {
    static const char *const names[] = {"users.csv",   "items.csv",     "events.jsonl.gz",
                                        "reviews.csv", "tickets.jsonl", "faq.csv"};
    json_t *list = json_array();
    if (!list) return HD_FAIL_MEMORY(0);
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < sizeof names / sizeof names[0]; i++) {
        char *path = hd_fs_join(&d->arena, d->files, names[i]);
        err = hd_json_append(list, path ? json_string(path) : NULL);
    }
    if (err != HEED_OK) {
        json_decref(list);
        return err;
    }
    return step(d, &hd_op_import, "import", json_pack("{s:o}", "file", list));
}

static heed_err recommend_to(demo *d, heed_workspace *ws) {
    char **ids = NULL;
    size_t n = 0;
    HD_TRY(hd_workspace_busiest(ws, 10, &d->arena, &ids, &n));
    if (n == 0)
        return HD_FAIL(HEED_UNAVAILABLE, "the made-up shop has no users", "演示商店没有用户");
    return step(d, &hd_op_recommend, "recommend",
                json_pack("{s:s, s:i, s:b}", "user", ids[n - 1], "n", 5, "why", 1));
}

static heed_err recommend(demo *d) {
    heed_workspace *ws = NULL;
    const hd_workspace_params params = {
        .folder = d->folder, .mode = HEED_READ, .settings = d->call->settings};
    HD_TRY(hd_workspace_open(&params, &ws));
    heed_err err = recommend_to(d, ws);
    heed_workspace_close(ws);
    if (err == HEED_OK)
        err = hd_json_set(d->result, "first_result_seconds", hd_json_real(seconds_since(d->start)));
    return err;
}

static heed_err run_steps(demo *d) {
    hd_call_note(d->call, "making up a shop …", "正在编造一家商店……");
    HD_TRY(clear_place(d));
    HD_TRY(make_files(d));
    HD_TRY(heed_workspace_init(d->folder, d->call->lang));
    HD_TRY(import_files(d));
    HD_TRY(step(d, &hd_op_train, "train", json_object()));
    HD_TRY(recommend(d));
    HD_TRY(step(d, &hd_op_report, "report", json_object()));
    return step(d, &hd_op_eval, "eval", json_object());
}

static heed_err finish(demo *d) {
    HD_TRY(hd_json_set(d->result, "folder", json_string(d->folder)));
    HD_TRY(hd_json_set(d->result, "made_up", json_true()));
    HD_TRY(hd_json_set(d->result, "peak_bytes", json_integer((json_int_t)hd_mem_peak())));
    return hd_json_set(d->result, "seconds", hd_json_real(seconds_since(d->start)));
}

static heed_err demo_run(hd_call *call, json_t **result) {
    demo d = {.call = call, .start = hd_time_monotonic(), .result = json_object()};
    hd_arena_init(&d.arena);
    d.folder = hd_call_text(call, "folder");
    d.files = hd_fs_join(&d.arena, d.folder, "files");
    heed_err err = d.result && d.files ? run_steps(&d) : HD_FAIL_MEMORY(0);
    if (err == HEED_OK) err = finish(&d);
    hd_arena_clear(&d.arena);
    if (err == HEED_OK)
        *result = d.result;
    else
        json_decref(d.result);
    return err;
}

static heed_err section(const json_t *result, const hd_op *op, const char *name, const char *title,
                        heed_lang lang, size_t width, hd_str *out) {
    hd_str_addf(out, "\n── %s ──\n\n", title);
    return op->text(json_object_get(result, name), lang, width, out);
}

static heed_err demo_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    const char *folder = hd_json_text(result, "folder");
    const char *user = hd_json_text(json_object_get(result, "recommend"), "user");
    char title[128];
    hd_str_addf(out,
                hd_say(lang,
                       "A made-up shop stands in %s. Figures on made-up data prove nothing but the "
                       "plumbing.\n",
                       "编造的商店在 %s。编造数据上的数字只能证明流程通畅，别无其他。\n"),
                folder);
    HD_TRY(
        section(result, &hd_op_import, "import", hd_say(lang, "import", "导入"), lang, width, out));
    HD_TRY(section(result, &hd_op_report, "report", hd_say(lang, "the data", "数据"), lang, width,
                   out));
    HD_TRY(
        section(result, &hd_op_train, "train", hd_say(lang, "training", "训练"), lang, width, out));
    HD_TRY(section(result, &hd_op_eval, "eval",
                   hd_say(lang, "what the methods are worth", "各方法的成绩"), lang, width, out));
    hd_snprintf(title, sizeof title, hd_say(lang, "for user %s", "为用户 %s 推荐"), user);
    HD_TRY(section(result, &hd_op_recommend, "recommend", title, lang, width, out));
    hd_arena arena;
    hd_arena_init(&arena);
    const char *first = hd_show_seconds(&arena, hd_json_num(result, "first_result_seconds"));
    const char *all = hd_show_seconds(&arena, hd_json_num(result, "seconds"));
    const char *peak = hd_show_bytes(&arena, hd_json_num(result, "peak_bytes"));
    hd_str_addf(out,
                hd_say(lang,
                       "\nfirst recommendation after %s, all of it %s, at most %s of memory\n",
                       "\n%s 后得到第一个推荐，全程 %s，最多占用内存 %s\n"),
                first ? first : "", all ? all : "", peak ? peak : "");
    hd_str_addf(
        out,
        hd_say(lang, "\nnext: cd %s && heed profile %s\n", "\n下一步：cd %s && heed profile %s\n"),
        folder, user);
    hd_arena_clear(&arena);
    return hd_str_check(out);
}

// Ends by serving, so that the next thing to try is one request away.
static heed_err demo_after(hd_call *call, const json_t *result) {
    json_t *served = NULL;
    if (hd_call_bool(call, "no_serve") || !call->serve) return HEED_OK;
    const char *listen = hd_call_text(call, "listen");
    if (listen) HD_TRY(hd_settings_set_flag(call->settings, "serve.listen", listen));
    call->workspace = hd_json_text(result, "folder");
    heed_err err = call->serve(call, &served);
    json_decref(served);
    return err;
}

static const hd_param demo_params[] = {
    {"folder", HD_PARAM_TEXT, .positional = true, .initial = "heed-demo", .file = true,
     .doc = HD_TEXT("where the shop goes; an older demo there is replaced",
                    "商店放在哪里；该处旧的演示会被替换")},
    {"users", HD_PARAM_INT, .min = 1, .max = 1000000, .initial = "1500",
     .doc = HD_TEXT("users to make up", "编造多少用户")},
    {"seed", HD_PARAM_INT, .max = 9007199254740991.0, .initial = "1",
     .doc = HD_TEXT("the same seed makes the same shop", "种子相同，商店就相同")},
    {"no_serve", HD_PARAM_BOOL, .doc = HD_TEXT("end after the figures", "输出数字后即结束")},
    {"listen", HD_PARAM_TEXT, .metavar = "ADDRESS:PORT",
     .doc = HD_TEXT("where to serve (default: the setting serve.listen)",
                    "服务监听的地址（默认取设置 serve.listen）")},
};

const hd_op hd_op_demo = {
    .name = "demo",
    .chapter = HD_CHAPTER_START,
    .doc = HD_TEXT("go the whole way on a made-up shop", "用编造的商店走完全程"),
    .detail = HD_TEXT("Makes up a year of a small shop's life as files, imports them, trains, "
                      "evaluates, recommends to one user, and serves the shop. Figures on "
                      "made-up data prove nothing but the plumbing.",
                      "编造一家小店一年的数据文件，导入、训练、评估，为一位用户推荐，然后提供服务。"
                      "编造数据上的数字只能证明流程通畅。"),
    .examples = (const char *const[]){"heed demo", "heed demo --lang zh", NULL},
    .scope = HD_SCOPE_ADMIN,
    .place = HD_PLACE_NONE,
    .run_as = HD_RUN_NEVER,
    .params = demo_params,
    .n_params = sizeof demo_params / sizeof demo_params[0],
    .result_doc = "demo",
    .run = demo_run,
    .text = demo_text,
    .after = demo_after,
};
