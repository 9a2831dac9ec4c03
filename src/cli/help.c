// SPDX-License-Identifier: Apache-2.0
//
// Help as a reader needs it: the overview fits a screen and shows the way in first; a command's
// page gives the line to type, what it is for, its flags with defaults and bounds, and examples
// that work as they stand.
#include "cli/help.h"

#include "api/params.h"
#include "api/show.h"
#include "base/json.h"

enum { HELP_WIDTH = 100 };
static const double ANY = 9007199254740991.0; // a bound that means "any whole number"

static const char *say(heed_lang lang, const char *en, const char *zh) {
    return lang == HEED_ZH ? zh : en;
}

void hd_help_synopsis(const hd_op *op, hd_str *out) {
    hd_str_addf(out, "heed %s", op->name);
    bool flags = false;
    for (size_t i = 0; i < hd_cli_n_params(op); i++) flags |= !op->params[i].positional;
    if (flags) hd_str_add(out, " [flags]");
    for (size_t i = 0; i < hd_cli_n_params(op); i++) {
        const hd_param *param = &op->params[i];
        char shown[64];
        if (!param->positional) continue;
        hd_param_shown(param, shown);
        hd_str_addf(out, param->required ? " %s%s" : " [%s%s]", shown, param->many ? "…" : "");
    }
}

static void flag_name(const hd_param *param, hd_str *out) {
    char shown[64];
    char metavar[64];
    hd_str_add(out, hd_param_shown(param, shown));
    const char *value = hd_param_metavar(param, metavar);
    if (!param->positional && value[0]) hd_str_addf(out, " %s", value);
}

void hd_help_range(const hd_param *param, heed_lang lang, hd_str *out) {
    if (param->max > 0 && param->max < ANY)
        hd_str_addf(out, say(lang, "; %.15g to %.15g", "；%.15g 到 %.15g"), param->min, param->max);
}

static void flag_doc(const hd_param *param, heed_lang lang, hd_str *out) {
    hd_str_add(out, hd_text_get(param->doc, lang));
    if (param->many) hd_str_add(out, say(lang, "; may repeat", "；可重复"));
    hd_help_range(param, lang, out);
    if (param->initial)
        hd_str_addf(out, say(lang, " (default: %s)", "（默认：%s）"), param->initial);
    if (!param->choice_at) return;
    const char *choice;
    hd_str_add(out, say(lang, ": ", "："));
    for (size_t i = 0; (choice = param->choice_at(i)) != NULL; i++)
        hd_str_addf(out, "%s%s", i ? ", " : "", choice);
}

static heed_err add_params(const hd_param *rows, size_t n, bool positional, heed_lang lang,
                           hd_str *out) {
    heed_err err = HEED_OK;
    hd_str name;
    hd_str doc;
    hd_grid grid;
    hd_str_init(&name);
    hd_str_init(&doc);
    hd_grid_init(&grid, "ll");
    for (size_t i = 0; i < n; i++) {
        if (rows[i].positional != positional) continue;
        hd_str_reset(&name);
        hd_str_reset(&doc);
        flag_name(&rows[i], &name);
        flag_doc(&rows[i], lang, &doc);
        HD_TRY_OUT(hd_str_check(&name));
        HD_TRY_OUT(hd_str_check(&doc));
        hd_grid_row(&grid, hd_str_get(&name), hd_str_get(&doc));
    }
    err = hd_grid_print(&grid, HELP_WIDTH, out);
out:
    hd_str_clear(&name);
    hd_str_clear(&doc);
    hd_grid_clear(&grid);
    return err;
}

static bool has_params(const hd_op *op, bool positional) {
    for (size_t i = 0; i < hd_cli_n_params(op); i++)
        if (op->params[i].positional == positional) return true;
    return false;
}

// Text whose paragraphs are parted by empty lines, in lines that fit.
static void add_paragraphs(const char *text, hd_str *out) {
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        hd_str_addc(out, '\n');
        hd_show_wrapped(out, text, n, 0, HELP_WIDTH);
        hd_str_addc(out, '\n');
        text += n + (end ? 2 : 0);
    }
}

heed_err hd_help_command(const hd_op *op, heed_lang lang, hd_str *out) {
    hd_help_synopsis(op, out);
    hd_str_addf(out, "\n\n%s\n", hd_text_get(op->doc, lang));
    if (hd_text_get(op->detail, lang)) add_paragraphs(hd_text_get(op->detail, lang), out);
    if (has_params(op, true)) {
        hd_str_addf(out, "\n%s\n", say(lang, "Arguments:", "参数："));
        HD_TRY(add_params(op->params, hd_cli_n_params(op), true, lang, out));
    }
    if (has_params(op, false)) {
        hd_str_addf(out, "\n%s\n", say(lang, "Flags:", "选项："));
        HD_TRY(add_params(op->params, hd_cli_n_params(op), false, lang, out));
    }
    hd_str_addf(out, "\n%s\n", say(lang, "Flags of every command:", "所有命令通用的选项："));
    HD_TRY(add_params(hd_cli_globals, hd_cli_n_globals, false, lang, out));
    if (op->examples) hd_str_addf(out, "\n%s\n", say(lang, "Examples:", "示例："));
    for (size_t i = 0; op->examples && op->examples[i]; i++)
        hd_str_addf(out, "  $ %s\n", op->examples[i]);
    return hd_str_check(out);
}

static void add_commands(bool (*wanted)(const hd_op *op, const void *what), const void *what,
                         heed_lang lang, hd_str *out) {
    size_t width = 0; // of the longest name of all, so that the chapters line up
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        if (strlen(op->name) > width) width = strlen(op->name);
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        if (wanted(op, what))
            hd_str_addf(out, "  %-*s  %s\n", (int)width, op->name, hd_text_get(op->doc, lang));
}

static bool in_chapter(const hd_op *op, const void *what) {
    return op->chapter == *(const hd_chapter *)what;
}

static bool in_group(const hd_op *op, const void *what) {
    const char *group = what;
    size_t n = strcspn(group, " ");
    return strncmp(op->name, group, n) == 0 && op->name[n] == ' ';
}

heed_err hd_help_overview(heed_lang lang, hd_str *out) {
    hd_str_add(out,
               say(lang,
                   "heed turns what a company's users do and say into profiles, recommendations"
                   " and answers,\nwith models of its own on the company's own machines.\n\n"
                   "  heed COMMAND [flags]\n",
                   "heed 把公司用户的行为和话语变成画像、推荐和回答，\n"
                   "模型由它自己在公司自己的机器上训练。\n\n  heed 命令 [选项]\n"));
    for (hd_chapter c = 0; c < HD_CHAPTERS; c++) {
        size_t before = out->len;
        hd_str_addf(out, "\n%s\n", hd_text_get(hd_chapter_text(c), lang));
        size_t after = out->len;
        add_commands(in_chapter, &c, lang, out);
        if (out->len == after && !out->failed) { // a chapter without commands yet
            out->len = before;
            out->data[before] = '\0';
        }
    }
    hd_str_add(out, say(lang,
                        "\nFirst steps:\n  $ heed init shop && cd shop\n"
                        "  $ heed import users.csv items.csv events.jsonl.gz\n"
                        "  $ heed train\n  $ heed recommend u42 --why\n\n"
                        "'heed help COMMAND' explains one of them.\n",
                        "\n第一步：\n  $ heed init shop && cd shop\n"
                        "  $ heed import users.csv items.csv events.jsonl.gz\n"
                        "  $ heed train\n  $ heed recommend u42 --why\n\n"
                        "“heed help 命令”解释某个命令。\n"));
    return hd_str_check(out);
}

heed_err hd_help_group(const char *group, heed_lang lang, hd_str *out) {
    hd_str_addf(out, "heed %.*s %s\n\n", (int)strcspn(group, " "), group,
                say(lang, "COMMAND [flags]", "命令 [选项]"));
    add_commands(in_group, group, lang, out);
    return hd_str_check(out);
}

// ── The command itself ──

static heed_err help_text(const hd_call *call, hd_str *out) {
    hd_arena arena;
    hd_arena_init(&arena);
    const char **words = NULL;
    size_t n = 0;
    heed_err err = hd_call_list(call, "command", &arena, &words, &n);
    if (err == HEED_OK && n == 0) err = hd_help_overview(call->lang, out);
    if (err == HEED_OK && n > 0) {
        const char *argv[] = {"heed", words[0], n > 1 ? words[1] : NULL};
        char *words_only[3];
        for (size_t i = 0; i < 3; i++)
            words_only[i] = argv[i] ? hd_arena_strdup(&arena, argv[i]) : NULL;
        hd_cli_line line;
        err = hd_cli_parse(n > 1 ? 3 : 2, words_only, &line);
        if (err == HEED_OK)
            err = line.op ? hd_help_command(line.op, call->lang, out)
                          : hd_help_group(line.group, call->lang, out);
        hd_cli_line_clear(&line);
    }
    hd_arena_clear(&arena);
    return err;
}

static heed_err text_result(hd_str *text, heed_err err, json_t **result) {
    if (err == HEED_OK) err = hd_str_check(text);
    if (err == HEED_OK) err = hd_json_pack(result, "{s:s}", "text", hd_str_get(text));
    hd_str_clear(text);
    return err;
}

static heed_err help_run(hd_call *call, json_t **result) {
    hd_str text;
    hd_str_init(&text);
    heed_err err;
    if (hd_call_bool(call, "man")) {
        err = hd_help_man(&text);
    } else if (hd_call_bool(call, "markdown")) {
        err = hd_help_markdown(call->lang, &text);
    } else {
        err = help_text(call, &text);
    }
    return text_result(&text, err, result);
}

static heed_err print_text(const json_t *result, heed_lang lang, size_t width, hd_str *out) {
    (void)lang, (void)width;
    hd_str_add(out, json_string_value(json_object_get(result, "text")));
    return hd_str_check(out);
}

static const hd_param help_params[] = {
    {"command", HD_PARAM_TEXT, .positional = true, .many = true,
     .doc = HD_TEXT("a command; none: all of them", "命令名；不给则列出全部")},
    {"man", HD_PARAM_BOOL, .doc = HD_TEXT("print the manual page (mdoc)", "输出手册页（mdoc）")},
    {"markdown", HD_PARAM_BOOL,
     .doc = HD_TEXT("print the reference page (Markdown)", "输出参考手册（Markdown）")},
};

const hd_op hd_op_help = {
    .name = "help",
    .chapter = HD_CHAPTER_SELF,
    .doc = HD_TEXT("explain heed or one of its commands", "介绍 heed 或它的某个命令"),
    .examples = (const char *const[]){"heed help import", "heed help --man | man -l -", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_NONE,
    .params = help_params,
    .n_params = sizeof help_params / sizeof help_params[0],
    .run = help_run,
    .text = print_text,
};

static const char *shell_at(size_t i) {
    return hd_shells[i].name;
}

static heed_err completion_run(hd_call *call, json_t **result) {
    const char *name = hd_call_text(call, "shell");
    hd_str text;
    hd_str_init(&text);
    heed_err err = HEED_OK;
    for (size_t i = 0; hd_shells[i].name && err == HEED_OK; i++)
        if (strcmp(hd_shells[i].name, name) == 0) err = hd_shells[i].write(&text);
    return text_result(&text, err, result);
}

static const hd_param completion_params[] = {
    {"shell", HD_PARAM_CHOICE, .positional = true, .required = true, .choice_at = shell_at,
     .doc = HD_TEXT("the shell", "所用的 shell")},
};

const hd_op hd_op_completion = {
    .name = "completion",
    .chapter = HD_CHAPTER_SELF,
    .doc = HD_TEXT("print a shell's completion script", "输出 shell 的命令补全脚本"),
    .examples =
        (const char *const[]){"heed completion bash > "
                              "~/.local/share/bash-completion/completions/heed",
                              "heed completion zsh > ~/.zfunc/_heed",
                              "heed completion fish > ~/.config/fish/completions/heed.fish", NULL},
    .scope = HD_SCOPE_READ,
    .place = HD_PLACE_NONE,
    .params = completion_params,
    .n_params = sizeof completion_params / sizeof completion_params[0],
    .run = completion_run,
    .text = print_text,
};

static const hd_op *const own_ops[] = {&hd_op_help, &hd_op_completion};

size_t hd_cli_n_params(const hd_op *op) {
    size_t n = op->n_params;
    while (n > 0 && op->params[n - 1].only == HD_ONLY_HTTP) n--;
    return n;
}

const hd_op *hd_cli_op_at(size_t i) {
    size_t n = 0; // of those offered here
    for (size_t k = 0; hd_ops[k]; k++)
        if (hd_ops[k]->only != HD_ONLY_HTTP && n++ == i) return hd_ops[k];
    size_t own = i - n;
    return own < sizeof own_ops / sizeof own_ops[0] ? own_ops[own] : NULL;
}
