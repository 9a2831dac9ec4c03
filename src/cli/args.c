// SPDX-License-Identifier: Apache-2.0
//
// One pass from left to right. The first word that isn't a flag names the command, with the next
// one when the two together do ("users merge"). A flag is looked up among the command's rows, then
// among the globals, so a command can't be shadowed by them. A flag's value is the next word
// whatever it looks like, unless that begins with "--": negative numbers need no quoting, and a
// forgotten value doesn't swallow the next flag.
//
// getopt_long was not taken: it prints, permutes argv, keeps global state, and can't suggest.
#include "cli/args.h"

#include "api/params.h"
#include "base/json.h"

const hd_param hd_cli_globals[] = {
    {"workspace", HD_PARAM_TEXT, .file = true, .metavar = "DIR",
     .doc = HD_TEXT("the workspace's folder (default: the nearest one at or above the current "
                    "folder)",
                    "工作区的文件夹（默认：当前文件夹或其上最近的一个）")},
    {"lang", HD_PARAM_CHOICE, .choices = (const char *const[]){"auto", "en", "zh", NULL},
     .doc = HD_TEXT("language of messages", "消息的语言")},
    {"json", HD_PARAM_BOOL, .doc = HD_TEXT("print results as JSON", "以 JSON 输出结果")},
    {"quiet", HD_PARAM_BOOL,
     .doc = HD_TEXT("no progress, notes or hints", "不显示进度、说明和提示")},
    {"no_input", HD_PARAM_BOOL,
     .doc = HD_TEXT("never ask; fail where an answer would be needed",
                    "从不提问；需要回答时直接失败")},
    {"setting", HD_PARAM_TEXT, .many = true, .metavar = "KEY=VALUE",
     .doc = HD_TEXT("a setting for this command alone", "只在本次命令中生效的设置")},
    {"threads", HD_PARAM_INT, .min = 0, .max = 1024,
     .doc = HD_TEXT("threads that work at once; 0: one per processor",
                    "同时工作的线程数；0 表示每个处理器一个")},
    {"log_level", HD_PARAM_CHOICE,
     .choices = (const char *const[]){"debug", "info", "warn", "error", "off", NULL},
     .doc = HD_TEXT("least level that is logged to stderr", "写到标准错误的最低日志级别")},
    {"help", HD_PARAM_BOOL, .doc = HD_TEXT("explain the command", "显示命令的说明")},
    {"version", HD_PARAM_BOOL, .doc = HD_TEXT("print heed's version", "显示 heed 的版本")},
};
const size_t hd_cli_n_globals = sizeof hd_cli_globals / sizeof hd_cli_globals[0];

typedef struct parser {
    int argc;
    char *const *argv;
    int at;
    hd_cli_line *line;
    size_t n_positional; // given so far
} parser;

const hd_op *hd_cli_op_find(const char *name) {
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        if (strcmp(op->name, name) == 0) return op;
    return NULL;
}

// Whether some command's first word of two is `word`; then the row's own text of it.
static const char *group_find(const char *word) {
    size_t n = strlen(word);
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        if (strncmp(op->name, word, n) == 0 && op->name[n] == ' ') return op->name;
    return NULL;
}

typedef struct op_walk {
    size_t i;
} op_walk;

static const char *next_op(void *ctx) {
    op_walk *walk = ctx;
    const hd_op *op = hd_cli_op_at(walk->i++);
    return op ? op->name : NULL;
}

static heed_err fail_command(const char *word) {
    op_walk walk = {0};
    const char *near = hd_nearest(word, next_op, &walk);
    if (near)
        return HD_FAIL(HEED_USAGE, "unknown command '%s'; did you mean '%s'?",
                       "没有“%s”这个命令；您是想用“%s”吗？", word, near);
    return HD_FAIL(HEED_USAGE, "unknown command '%s'; 'heed help' lists them all",
                   "没有“%s”这个命令；“heed help”列出所有命令", word);
}

// The command's name at argv[at], with the next word when both together name one.
static heed_err take_command(parser *p) {
    const char *word = p->argv[p->at];
    const char *next = p->at + 1 < p->argc ? p->argv[p->at + 1] : NULL;
    const hd_op *op = NULL;
    const char *group = group_find(word);
    if (group && next && next[0] != '-') {
        hd_str both;
        hd_str_init(&both);
        hd_str_addf(&both, "%s %s", word, next);
        heed_err err = hd_str_check(&both);
        op = err ? NULL : hd_cli_op_find(hd_str_get(&both));
        if (!err && !op && !hd_cli_op_find(word)) err = fail_command(hd_str_get(&both));
        hd_str_clear(&both);
        HD_TRY(err);
        if (op) p->at++;
    }
    if (!op) op = hd_cli_op_find(word);
    if (!op && !group) return fail_command(word);
    p->line->op = op;
    p->line->group = op ? NULL : group;
    return HEED_OK;
}

static const hd_param *flag_find(const parser *p, const char *name) {
    const hd_op *op = p->line->op;
    const hd_param *param = op ? hd_param_find(op->params, hd_cli_n_params(op), name) : NULL;
    if (param && !param->positional) return param;
    return hd_param_find(hd_cli_globals, hd_cli_n_globals, name);
}

typedef struct flag_walk {
    const hd_op *op;
    size_t i;
} flag_walk;

static const char *next_flag(void *ctx) {
    flag_walk *walk = ctx;
    size_t n = walk->op ? hd_cli_n_params(walk->op) : 0;
    for (; walk->i < n; walk->i++)
        if (!walk->op->params[walk->i].positional) return walk->op->params[walk->i++].name;
    size_t global = walk->i++ - n;
    return global < hd_cli_n_globals ? hd_cli_globals[global].name : NULL;
}

static heed_err fail_flag(const parser *p, const char *name) {
    char shown[2][64];
    const hd_param word = {.name = name};
    hd_param_shown(&word, shown[0]);
    flag_walk walk = {p->line->op, 0};
    const char *near = hd_nearest(name, next_flag, &walk);
    if (near) {
        const hd_param found = {.name = near};
        return HD_FAIL(HEED_USAGE, "unknown flag '%s'; did you mean '%s'?",
                       "没有“%s”这个选项；您是想用“%s”吗？", shown[0],
                       hd_param_shown(&found, shown[1]));
    }
    const char *op = p->line->op ? p->line->op->name : "";
    return HD_FAIL(HEED_USAGE, "unknown flag '%s'; see 'heed help%s%s'",
                   "没有“%s”这个选项；用法见“heed help%s%s”", shown[0], op[0] ? " " : "", op);
}

// Adds to the flags of the command, or to the globals if it is one of those.
static heed_err add_flag(parser *p, const hd_param *param, const char *value) {
    bool global = param >= hd_cli_globals && param < hd_cli_globals + hd_cli_n_globals;
    return hd_params_add(global ? p->line->globals : p->line->params, param, value);
}

static heed_err take_value(parser *p, const hd_param *param, const char *value) {
    if (!value && param->type == HD_PARAM_BOOL) return add_flag(p, param, "true");
    if (!value) {
        const char *next = p->at + 1 < p->argc ? p->argv[p->at + 1] : NULL;
        char shown[64];
        if (!next || strncmp(next, "--", 2) == 0)
            return HD_FAIL(HEED_USAGE, "%s needs a value", "%s 需要一个值",
                           hd_param_shown(param, shown));
        value = next;
        p->at++;
    }
    return add_flag(p, param, value);
}

// "--allow-rejects", "--n=5", "--no-input" (a flag of that name), "--no-header" (header = false).
static heed_err take_flag(parser *p, const char *word) {
    char name[64];
    size_t n = strcspn(word, "=");
    const char *value = word[n] == '=' ? word + n + 1 : NULL;
    if (n >= sizeof name) n = sizeof name - 1;
    for (size_t i = 0; i < n; i++) name[i] = word[i] == '-' ? '_' : word[i];
    name[n] = '\0';
    const hd_param *param = flag_find(p, name);
    if (param) return take_value(p, param, value);
    if (strncmp(name, "no_", 3) == 0 && !value) {
        param = flag_find(p, name + 3);
        if (param && param->type == HD_PARAM_BOOL) return add_flag(p, param, "false");
    }
    return fail_flag(p, name);
}

static heed_err take_positional(parser *p, const char *word) {
    const hd_op *op = p->line->op;
    size_t seen = 0;
    for (size_t i = 0; i < hd_cli_n_params(op); i++) {
        if (!op->params[i].positional) continue;
        if (seen++ < p->n_positional && !op->params[i].many) continue;
        p->n_positional++;
        return hd_params_add(p->line->params, &op->params[i], word);
    }
    return HD_FAIL(HEED_USAGE, "'heed %s' doesn't know what to do with '%s'; see 'heed help %s'",
                   "“heed %s”不知道如何处理“%s”；用法见“heed help %s”", op->name, word, op->name);
}

static heed_err take_word(parser *p, bool *flags) {
    const char *word = p->argv[p->at];
    if (*flags && strcmp(word, "--") == 0) {
        *flags = false;
        return HEED_OK;
    }
    if (*flags && strcmp(word, "-h") == 0) word = "--help";
    if (*flags && strcmp(word, "-V") == 0) word = "--version";
    if (*flags && word[0] == '-' && word[1] == '-') return take_flag(p, word + 2);
    if (*flags && word[0] == '-' && word[1] != '\0')
        return HD_FAIL(HEED_USAGE, "unknown flag '%s'; flags are written out: --name",
                       "没有“%s”这个选项；选项要写全：--name", word);
    if (!p->line->op && !p->line->group) return take_command(p);
    if (!p->line->op) return fail_command(word);
    return take_positional(p, word);
}

heed_err hd_cli_parse(int argc, char *const *argv, hd_cli_line *out) {
    *out = (hd_cli_line){.params = json_object(), .globals = json_object()};
    if (!out->params || !out->globals) return HD_FAIL_MEMORY(0);
    parser p = {argc, argv, 1, out, 0};
    bool flags = true;
    for (; p.at < argc; p.at++) HD_TRY(take_word(&p, &flags));
    return HEED_OK;
}

void hd_cli_line_clear(hd_cli_line *line) {
    json_decref(line->params);
    json_decref(line->globals);
    *line = (hd_cli_line){0};
}

const char *hd_cli_global_text(const hd_cli_line *line, const char *name) {
    return json_string_value(json_object_get(line->globals, name));
}

bool hd_cli_global_bool(const hd_cli_line *line, const char *name) {
    return json_is_true(json_object_get(line->globals, name));
}
