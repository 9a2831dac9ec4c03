// SPDX-License-Identifier: Apache-2.0
//
// heed users show, export, consent, restrict, correct: the rights of persons that read or change
// rows. A value that is set keeps the type of what stood there: `--set age=30` over 29 is a number,
// `--set zip=01234` a text.
#include "workspace/rights.h"

#include "api/call.h"
#include "api/list.h"
#include "api/show.h"

static const char *const on_off[] = {"on", "off", NULL};

static const char *purpose_at(size_t i) {
    for (int p = 0; p < HD_PURPOSES; p++)
        if (hd_purpose_gated((hd_purpose)p) && i-- == 0) return hd_purpose_name((hd_purpose)p);
    return NULL;
}

static const char *source_of(const hd_call *call) {
    return call->caller.name ? call->caller.name : "cli";
}

static bool is_on(const hd_call *call) {
    return strcmp(hd_call_text(call, "state"), "on") == 0;
}

// The user, as all of these take one.
#define USER                                                                                  \
    {                                                                                         \
        "user", HD_PARAM_TEXT, .positional = true, .required = true,                          \
                               .doc = HD_TEXT("one of the person's ids", "此人的任意一个 id") \
    }
#define STATE(en, zh)                                                                      \
    {                                                                                      \
        "state", HD_PARAM_CHOICE, .positional = true, .required = true, .choices = on_off, \
                                  .doc = HD_TEXT(en, zh)                                   \
    }

// ── Show ──

static heed_err show_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_READ, "heed users show", &ws));
    heed_err err = hd_users_show(ws, hd_call_text(call, "user"), result);
    hd_call_close(call, ws);
    return err;
}

static void put_ids(const json_t *ids, heed_lang lang, hd_str *out) {
    size_t i;
    json_t *id;
    hd_str_add(out, hd_say(lang, "ids: ", "id："));
    json_array_foreach(ids, i, id) {
        hd_str_addf(out, "%s%s", i > 0 ? hd_say(lang, ", ", "、") : "", json_string_value(id));
    }
    hd_str_addc(out, '\n');
}

static heed_err put_attributes(json_t *attributes, hd_str *out) {
    const char *name;
    json_t *value;
    json_object_foreach(attributes, name, value) {
        hd_str_addf(out, "  %s: ", name);
        if (json_is_string(value))
            hd_str_add(out, json_string_value(value));
        else
            HD_TRY(hd_json_dump(value, false, out));
        hd_str_addc(out, '\n');
    }
    return HEED_OK;
}

static heed_err put_purposes(const json_t *purposes, heed_lang lang, size_t width, hd_str *out) {
    hd_grid grid;
    size_t i;
    json_t *one;
    hd_grid_init(&grid, "lll");
    hd_grid_head(&grid, hd_say(lang, "purpose", "用途"), hd_say(lang, "basis", "依据"), "");
    json_array_foreach(purposes, i, one) {
        bool in = json_is_true(json_object_get(one, "in"));
        hd_grid_row(&grid, hd_json_text(one, "purpose"), hd_json_text(one, "basis"),
                    in ? hd_say(lang, "in", "在内") : hd_say(lang, "out", "不在内"));
    }
    heed_err err = hd_grid_print(&grid, width, out);
    hd_grid_clear(&grid);
    return err;
}

static heed_err show_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    put_ids(json_object_get(result, "ids"), lang, out);
    HD_TRY(put_attributes(json_object_get(result, "attributes"), out));
    hd_str_addf(out,
                hd_say(lang, "%lld events, %lld reviews, %lld tickets with %lld messages\n",
                       "%lld 个事件，%lld 条评论，%lld 个工单（%lld 条消息）\n"),
                (long long)hd_json_int(result, "events"), (long long)hd_json_int(result, "reviews"),
                (long long)hd_json_int(result, "tickets"),
                (long long)hd_json_int(result, "messages"));
    if (json_is_true(json_object_get(result, "restricted")))
        hd_str_add(out, hd_say(lang, "restricted: out of every purpose\n",
                               "已限制处理：不用于任何用途\n"));
    HD_TRY(put_purposes(json_object_get(result, "purposes"), lang, width, out));
    return hd_str_check(out);
}

static const hd_param show_params[] = {USER};

const hd_op hd_op_users_show = {
    .name = "users show",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("show what is stored of a person, in short", "概览所存的某人的数据"),
    .examples = (const char *const[]){"heed users show u42", NULL},
    .method = "GET",
    .path = "/api/v1/users/{user}",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .purpose = "rights",
    .params = show_params,
    .n_params = sizeof show_params / sizeof show_params[0],
    .result_doc = "users",
    .run = show_run,
    .text = show_text,
};

// ── Export ──

static heed_err write_file(const json_t *json, const char *path) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = hd_json_dump(json, true, &text);
    hd_str_addc(&text, '\n');
    if (err == HEED_OK) err = hd_str_check(&text);
    if (err == HEED_OK) err = hd_fs_write(path, text.data, text.len, 0600);
    hd_str_clear(&text);
    return err;
}

static heed_err export_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    const char *path = hd_call_text(call, "out");
    HD_TRY(hd_call_open(call, HEED_READ, "heed users export", &ws));
    heed_err err = hd_users_export(ws, hd_call_text(call, "user"), call->lang, result);
    hd_call_close(call, ws);
    HD_TRY(err);
    if (!path) return HEED_OK;
    err = write_file(*result, path);
    hd_json_drop(result);
    HD_TRY(err);
    return hd_json_pack(result, "{s:s, s:s}", "user", hd_call_text(call, "user"), "file", path);
}

static heed_err export_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    const char *file = hd_json_text(result, "file");
    if (file[0]) {
        hd_str_addf(
            out,
            hd_say(lang, "written to '%s', readable by you alone\n", "已写入“%s”，仅您本人可读\n"),
            file);
        return hd_str_check(out);
    }
    HD_TRY(hd_json_dump(result, true, out));
    hd_str_addc(out, '\n');
    return hd_str_check(out);
}

static const hd_param export_params[] = {
    USER,
    {"out", HD_PARAM_TEXT, .file = true, .only = HD_ONLY_CLI, .metavar = "FILE",
     .doc = HD_TEXT("write it to this file instead", "改为写入此文件")},
};

const hd_op hd_op_users_export = {
    .name = "users export",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("everything that is known of a person, as JSON",
                   "导出关于某人的全部已知信息（JSON）"),
    .detail = HD_TEXT("Rows as they stand, what imports overwrote, what was said about purposes, "
                      "profile and recommendations with their reasons, and the models that were "
                      "fitted with the person. For the rights of access and of portability.",
                      "包括现有的各行数据、被导入覆盖的内容、对各用途的表态、画像与推荐及其理由，"
                      "以及用其数据训练过的模型。用于查阅权与可携带权。"),
    .examples = (const char *const[]){"heed users export u42 --out u42.json", NULL},
    .method = "GET",
    .path = "/api/v1/users/{user}/export",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_READ,
    .params = export_params,
    .n_params = sizeof export_params / sizeof export_params[0],
    .result_doc = "users",
    .run = export_run,
    .text = export_text,
};

// ── Consent ──

static heed_err consent_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed users consent", &ws));
    heed_err err = hd_users_consent(ws, hd_call_text(call, "user"), hd_call_text(call, "purpose"),
                                    is_on(call), source_of(call), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err consent_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool on = json_is_true(json_object_get(result, "on"));
    hd_str_addf(
        out,
        on ? hd_say(lang, "noted: '%s' may serve '%s'\n", "已登记：“%s”可用于“%s”\n")
           : hd_say(lang, "noted: '%s' no longer serves '%s'\n", "已登记：“%s”不再用于“%s”\n"),
        hd_json_text(result, "user"), hd_json_text(result, "purpose"));
    return hd_str_check(out);
}

static heed_err consent_next(const json_t *result, heed_lang lang, hd_str *out) {
    const char *purpose = hd_json_text(result, "purpose");
    bool learned = strcmp(purpose, "train") == 0 || strcmp(purpose, "profile") == 0;
    if (learned && json_is_true(json_object_get(result, "changed")))
        hd_str_add(out, hd_say(lang, "models fitted before are as they were: heed train",
                               "此前训练的模型不变，可重新训练：heed train"));
    return hd_str_check(out);
}

static const hd_param consent_params[] = {
    USER,
    STATE("on: in; off: out", "on 表示在内，off 表示不在内"),
    {"purpose", HD_PARAM_CHOICE, .required = true, .choice_at = purpose_at,
     .doc = HD_TEXT("what the data may serve", "数据可用于什么")},
};

const hd_op hd_op_users_consent = {
    .name = "users consent",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("note a person's consent or objection to a purpose",
                   "登记某人对某用途的同意或反对"),
    .detail = HD_TEXT("Each purpose has a legal basis by a setting, privacy.basis.*: by legitimate "
                      "interest a person is in until they object, by consent out until they agree. "
                      "All that was ever said is kept with its time.",
                      "每种用途的法律依据由设置 privacy.basis.* "
                      "决定：正当利益表示在反对之前包括在内，同意表示在同意之前不包括。"
                      "历次表态连同时间都会保留。"),
    .examples = (const char *const[]){"heed users consent u42 off --purpose train", NULL},
    .method = "PUT",
    .path = "/api/v1/users/{user}/consent/{purpose}",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .purpose = "rights",
    .params = consent_params,
    .n_params = sizeof consent_params / sizeof consent_params[0],
    .result_doc = "users",
    .run = consent_run,
    .text = consent_text,
    .next = consent_next,
};

// ── Restriction ──

static heed_err restrict_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed users restrict", &ws));
    heed_err err =
        hd_users_restrict(ws, hd_call_text(call, "user"), is_on(call), source_of(call), result);
    hd_call_close(call, ws);
    return err;
}

static heed_err restrict_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    bool on = json_is_true(json_object_get(result, "restricted"));
    hd_str_addf(out,
                on ? hd_say(lang, "'%s' is restricted: out of every purpose\n",
                            "“%s”已限制处理：不用于任何用途\n")
                   : hd_say(lang, "'%s' is not restricted\n", "“%s”不受限制\n"),
                hd_json_text(result, "user"));
    return hd_str_check(out);
}

static const hd_param restrict_params[] = {
    USER,
    STATE("on: out of every purpose; off: as before", "on 表示不用于任何用途，off 表示恢复原状"),
};

const hd_op hd_op_users_restrict = {
    .name = "users restrict",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("keep a person's data but use it for nothing", "保留某人的数据，但不作任何使用"),
    .detail = HD_TEXT("For the time in which data is disputed, or needed as evidence alone.",
                      "用于数据有争议、或只需作为证据保留的期间。"),
    .examples = (const char *const[]){"heed users restrict u42 on", NULL},
    .method = "PUT",
    .path = "/api/v1/users/{user}/restriction",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .purpose = "rights",
    .params = restrict_params,
    .n_params = sizeof restrict_params / sizeof restrict_params[0],
    .result_doc = "users",
    .run = restrict_run,
    .text = restrict_text,
};

// ── Correction ──

// The value of a text, of the type that stands there now.
static json_t *typed(const json_t *now, const char *text) {
    double number;
    int64_t whole;
    hd_slice slice = hd_slice_of(text);
    if (json_is_boolean(now) && hd_slice_eq(slice, "true")) return json_true();
    if (json_is_boolean(now) && hd_slice_eq(slice, "false")) return json_false();
    if (json_is_number(now) && hd_slice_i64(slice, &whole)) return json_integer(whole);
    if (json_is_number(now) && hd_slice_f64(slice, &number)) return json_real(number);
    return json_string(text);
}

static heed_err add_set(json_t *change, const json_t *now, const char *text) {
    char name[256];
    size_t n = strcspn(text, "=");
    if (n == 0 || n >= sizeof name || text[n] != '=')
        return HD_FAIL(HEED_USAGE, "--set: '%s' is not an attribute=value",
                       "--set：“%s”应写成“属性=值”", text);
    memcpy(name, text, n);
    name[n] = '\0';
    return hd_json_set(change, name, typed(json_object_get(now, name), text + n + 1));
}

// What --set, --unset and the body's "attributes" ask for, as one object.
static heed_err make_change(hd_call *call, heed_workspace *ws, hd_arena *arena, json_t *change) {
    const char **set, **unset;
    size_t n_set, n_unset;
    json_t *shown = NULL, *given = json_object_get(call->params, "attributes");
    HD_TRY(hd_call_list(call, "set", arena, &set, &n_set));
    HD_TRY(hd_call_list(call, "unset", arena, &unset, &n_unset));
    if (given && !json_is_object(given))
        return HD_FAIL(HEED_INPUT, "'attributes' is not an object", "“attributes”不是对象");
    if (given && json_object_update(change, given) != 0) return HD_FAIL_MEMORY(0);
    if (n_set > 0) HD_TRY(hd_users_show(ws, hd_call_text(call, "user"), &shown));
    heed_err err = HEED_OK;
    for (size_t i = 0; err == HEED_OK && i < n_set; i++)
        err = add_set(change, json_object_get(shown, "attributes"), set[i]);
    json_decref(shown);
    for (size_t i = 0; err == HEED_OK && i < n_unset; i++)
        err = hd_json_set(change, unset[i], json_null());
    return err;
}

static heed_err take_numbers(hd_call *call, const char *name, hd_arena *arena, const int64_t **out,
                             size_t *n) {
    const json_t *list = json_object_get(call->params, name);
    *n = json_array_size(list);
    int64_t *numbers = hd_arena_alloc(arena, (*n + 1) * sizeof *numbers);
    if (!numbers) return HD_FAIL_MEMORY(*n * sizeof *numbers);
    for (size_t i = 0; i < *n; i++) numbers[i] = json_integer_value(json_array_get(list, i));
    *out = numbers;
    return HEED_OK;
}

static heed_err correct_in(hd_call *call, heed_workspace *ws, hd_arena *arena, hd_correction *what,
                           json_t **result) {
    HD_TRY(make_change(call, ws, arena, what->attributes));
    HD_TRY(take_numbers(call, "remove_event", arena, &what->events, &what->n_events));
    HD_TRY(take_numbers(call, "remove_review", arena, &what->reviews, &what->n_reviews));
    if (json_object_size(what->attributes) + what->n_events + what->n_reviews == 0)
        return HD_FAIL(HEED_USAGE,
                       "correct what? give --set, --unset, --remove-event or --remove-review",
                       "要更正什么？请给出 --set、--unset、--remove-event 或 --remove-review");
    return hd_users_correct(ws, hd_call_text(call, "user"), what, result);
}

static heed_err correct_run(hd_call *call, json_t **result) {
    heed_workspace *ws = NULL;
    HD_TRY(hd_call_open(call, HEED_WRITE, "heed users correct", &ws));
    hd_arena arena;
    hd_arena_init(&arena);
    hd_correction what = {.attributes = json_object()};
    heed_err err =
        what.attributes ? correct_in(call, ws, &arena, &what, result) : HD_FAIL_MEMORY(0);
    json_decref(what.attributes);
    hd_arena_clear(&arena);
    hd_call_close(call, ws);
    return err;
}

static heed_err correct_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)width;
    hd_str_addf(out,
                hd_say(lang, "corrected: %lld attributes, %lld events and %lld reviews removed\n",
                       "已更正：%lld 个属性，删除了 %lld 个事件和 %lld 条评论\n"),
                (long long)hd_json_int(result, "attributes"),
                (long long)hd_json_int(result, "removed_events"),
                (long long)hd_json_int(result, "removed_reviews"));
    return hd_str_check(out);
}

static const hd_param correct_params[] = {
    USER,
    {"set", HD_PARAM_TEXT, .many = true, .only = HD_ONLY_CLI, .metavar = "NAME=VALUE",
     .doc = HD_TEXT("what an attribute ought to be", "某属性的正确值")},
    {"unset", HD_PARAM_TEXT, .many = true, .only = HD_ONLY_CLI, .metavar = "NAME",
     .doc = HD_TEXT("an attribute to remove", "要去掉的属性")},
    {"remove_event", HD_PARAM_INT, .many = true, .metavar = "N",
     .doc = HD_TEXT("an event that never was, by its number in the export",
                    "不实的事件，按导出中的编号")},
    {"remove_review", HD_PARAM_INT, .many = true, .metavar = "N",
     .doc = HD_TEXT("a review to remove, by its number in the export",
                    "要删除的评论，按导出中的编号")},
    {"attributes", HD_PARAM_JSON, .only = HD_ONLY_HTTP, .schema = "{\"type\": \"object\"}",
     .doc = HD_TEXT("attributes by name; null removes one", "按名称给出的属性；null 表示去掉")},
};

const hd_op hd_op_users_correct = {
    .name = "users correct",
    .chapter = HD_CHAPTER_DATA,
    .doc = HD_TEXT("correct what is stored of a person", "更正所存的某人的数据"),
    .detail =
        HD_TEXT("Attributes are put right in what imports overwrote as well, so that undoing "
                "one doesn't bring the mistake back. A later import of the same mistake does: "
                "correct the source too.",
                "被导入覆盖的旧值也会一并更正，因此撤销导入不会让错误重现。"
                "但再次导入同样的错误会：请同时更正数据来源。"),
    .examples = (const char *const[]){"heed users correct u42 --set city=Bonn --unset phone",
                                      "heed users correct u42 --remove-event 1017", NULL},
    .method = "PATCH",
    .path = "/api/v1/users/{user}",
    .scope = HD_SCOPE_PERSONAL,
    .place = HD_PLACE_WORKSPACE,
    .run_as = HD_RUN_WRITE,
    .purpose = "rights",
    .params = correct_params,
    .n_params = sizeof correct_params / sizeof correct_params[0],
    .result_doc = "users",
    .run = correct_run,
    .text = correct_text,
};
