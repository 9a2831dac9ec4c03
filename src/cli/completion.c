// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts. They hold the table as it was when they were printed and never start heed:
// completing a word must not open a database.
#include "cli/help.h"

#include "api/params.h"

// Calls `each` for the flags of a command and then the globals, separated by blanks.
static void add_flags(const hd_op *op, hd_str *out) {
    char shown[64];
    for (size_t i = 0; op && i < hd_cli_n_params(op); i++)
        if (!op->params[i].positional)
            hd_str_addf(out, "%s ", hd_param_shown(&op->params[i], shown));
    for (size_t i = 0; i < hd_cli_n_globals; i++)
        hd_str_addf(out, "%s ", hd_param_shown(&hd_cli_globals[i], shown));
}

static void add_choices(const hd_param *param, hd_str *out) {
    const char *choice;
    for (size_t i = 0; (choice = hd_param_choice(param, i)) != NULL; i++)
        hd_str_addf(out, "%s%s", i ? " " : "", choice);
}

// "a) COMPREPLY=(…choices…) ;;" for each flag with choices, of a command or global.
static void bash_choices(const hd_param *rows, size_t n, hd_str *out) {
    char shown[64];
    for (size_t i = 0; i < n; i++) {
        if (rows[i].positional || rows[i].type != HD_PARAM_CHOICE) continue;
        hd_str_addf(out, "    %s) COMPREPLY=($(compgen -W \"", hd_param_shown(&rows[i], shown));
        add_choices(&rows[i], out);
        hd_str_add(out, "\" -- \"$word\")); return ;;\n");
    }
}

static bool is_group(const char *name, size_t i) {
    size_t n = strcspn(name, " ");
    const hd_op *op;
    for (size_t k = 0; k < i && (op = hd_cli_op_at(k)) != NULL; k++)
        if (strncmp(op->name, name, n) == 0 && op->name[n] == ' ') return true;
    return false;
}

// First words of all commands, each once.
static void add_first_words(hd_str *out) {
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        size_t n = strcspn(op->name, " ");
        if (op->name[n] && is_group(op->name, i)) continue;
        hd_str_addf(out, "%s%.*s", i ? " " : "", (int)n, op->name);
    }
}

static void add_second_words(const char *group, size_t n, hd_str *out) {
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        if (strncmp(op->name, group, n) == 0 && op->name[n] == ' ')
            hd_str_addf(out, "%s ", op->name + n + 1);
}

static heed_err write_bash(hd_str *out) {
    hd_str_add(out, "# bash completion for heed; printed by 'heed completion bash'\n"
                    "_heed() {\n"
                    "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                    "  local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]}\n"
                    "  COMPREPLY=()\n"
                    "  if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then\n"
                    "    COMPREPLY=($(compgen -W \"");
    add_first_words(out);
    hd_str_add(out, "\" -- \"$word\")); return\n  fi\n  case \"$first $before\" in\n");
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        size_t n = strcspn(op->name, " ");
        if (!op->name[n] || is_group(op->name, i)) continue;
        hd_str_addf(out,
                    "    \"%.*s %.*s\") if ((COMP_CWORD == 2)); then "
                    "COMPREPLY=($(compgen -W \"",
                    (int)n, op->name, (int)n, op->name);
        add_second_words(op->name, n, out);
        hd_str_add(out, "\" -- \"$word\")); return; fi ;;\n");
    }
    hd_str_add(out, "  esac\n  case \"$before\" in\n    --workspace) COMPREPLY=($(compgen -d -- "
                    "\"$word\")); return ;;\n");
    bash_choices(hd_cli_globals, hd_cli_n_globals, out);
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++)
        bash_choices(op->params, hd_cli_n_params(op), out);
    hd_str_add(out, "  esac\n  if [[ $word != -* ]]; then COMPREPLY=($(compgen -f -- \"$word\")); "
                    "return; fi\n  local flags\n  case \"$first $second\" in\n");
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        hd_str_addf(out, strchr(op->name, ' ') ? "    \"%s\"*) flags=\"" : "    \"%s \"*) flags=\"",
                    op->name);
        add_flags(op, out);
        hd_str_add(out, "\" ;;\n");
    }
    hd_str_add(out, "    *) flags=\"");
    add_flags(NULL, out);
    hd_str_add(out, "\" ;;\n  esac\n  COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n}\n"
                    "complete -o filenames -F _heed heed\n");
    return hd_str_check(out);
}

// Text within single quotes of a shell.
static void add_quoted(hd_str *out, const char *text, const char *also) {
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            hd_str_add(out, "'\\''");
        else if (strchr(also, *p))
            hd_str_addf(out, "\\%c", *p);
        else
            hd_str_addc(out, *p);
    }
}

static void zsh_flag(const hd_param *param, hd_str *out) {
    char shown[64];
    char metavar[64];
    if (param->positional) {
        hd_str_addf(out, "      '%s:%s:", param->many ? "*" : "", param->name);
    } else {
        hd_str_addf(out, "      '%s%s[", param->many ? "*" : "", hd_param_shown(param, shown));
        add_quoted(out, param->doc.en, "[]:");
        hd_str_addc(out, ']');
        if (param->type != HD_PARAM_BOOL)
            hd_str_addf(out, ":%s:", hd_param_metavar(param, metavar)[0] ? "value" : "");
    }
    if (param->type == HD_PARAM_CHOICE) {
        hd_str_addc(out, '(');
        add_choices(param, out);
        hd_str_addc(out, ')');
    } else if (param->file) {
        hd_str_add(out, "_files");
    } else if (param->positional || param->type != HD_PARAM_BOOL) {
        hd_str_addc(out, ' ');
    }
    hd_str_add(out, "' \\\n");
}

static heed_err write_zsh(hd_str *out) {
    hd_str_add(out, "#compdef heed\n# zsh completion for heed; printed by 'heed completion zsh'\n"
                    "_heed() {\n  local -a commands\n  commands=(\n");
    const hd_op *op;
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        size_t n = strcspn(op->name, " ");
        if (op->name[n] && is_group(op->name, i)) continue;
        hd_str_addf(out, "    '%.*s:", (int)n, op->name);
        if (op->name[n])
            add_second_words(op->name, n, out);
        else
            add_quoted(out, op->doc.en, ":");
        hd_str_add(out, "'\n");
    }
    hd_str_add(out, "  )\n  if ((CURRENT == 2)); then _describe command commands; return; fi\n"
                    "  local second=\"\"\n  case $words[2] in\n");
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        size_t n = strcspn(op->name, " ");
        if (!op->name[n] || is_group(op->name, i)) continue;
        hd_str_addf(out, "    %.*s) if ((CURRENT == 3)); then compadd ", (int)n, op->name);
        add_second_words(op->name, n, out);
        hd_str_add(out, "; return; fi; second=\" $words[3]\" ;;\n");
    }
    hd_str_add(out, "  esac\n  case \"$words[2]$second\" in\n");
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        hd_str_addf(out, "    '%s') _arguments \\\n", op->name);
        for (size_t k = 0; k < hd_cli_n_params(op); k++) zsh_flag(&op->params[k], out);
        for (size_t k = 0; k < hd_cli_n_globals; k++) zsh_flag(&hd_cli_globals[k], out);
        hd_str_add(out, "      && return ;;\n");
    }
    hd_str_add(out, "  esac\n}\n_heed \"$@\"\n");
    return hd_str_check(out);
}

static void fish_flag(const char *condition, const hd_param *param, hd_str *out) {
    char shown[64];
    if (param->positional && param->type != HD_PARAM_CHOICE) return;
    hd_str_addf(out, "complete -c heed%s", condition);
    if (!param->positional) hd_str_addf(out, " -l %s", hd_param_shown(param, shown) + 2);
    if (param->type == HD_PARAM_CHOICE) {
        hd_str_add(out, param->positional ? " -f -a '" : " -x -a '");
        add_choices(param, out);
        hd_str_addc(out, '\'');
    } else if (param->type != HD_PARAM_BOOL) {
        hd_str_add(out, param->file ? " -r" : " -x");
    }
    hd_str_add(out, " -d '");
    add_quoted(out, param->doc.en, "");
    hd_str_add(out, "'\n");
}

static heed_err write_fish(hd_str *out) {
    hd_str_add(out, "# fish completion for heed; printed by 'heed completion fish'\n");
    const hd_op *op;
    hd_str condition;
    hd_str_init(&condition);
    for (size_t i = 0; (op = hd_cli_op_at(i)) != NULL; i++) {
        size_t n = strcspn(op->name, " ");
        if (!op->name[n] || !is_group(op->name, i)) {
            hd_str_addf(out, "complete -c heed -n __fish_use_subcommand -f -a %.*s -d '", (int)n,
                        op->name);
            add_quoted(out, op->name[n] ? hd_chapter_text(op->chapter).en : op->doc.en, "");
            hd_str_add(out, "'\n");
        }
        hd_str_reset(&condition);
        hd_str_addf(&condition, " -n '__fish_seen_subcommand_from %.*s", (int)n, op->name);
        if (op->name[n]) {
            hd_str_addf(out, "complete -c heed%s' -f -a %s -d '", hd_str_get(&condition),
                        op->name + n + 1);
            add_quoted(out, op->doc.en, "");
            hd_str_add(out, "'\n");
            hd_str_addf(&condition, "; and __fish_seen_subcommand_from %s", op->name + n + 1);
        }
        hd_str_addc(&condition, '\'');
        for (size_t k = 0; k < hd_cli_n_params(op); k++)
            fish_flag(hd_str_get(&condition), &op->params[k], out);
    }
    for (size_t k = 0; k < hd_cli_n_globals; k++) fish_flag("", &hd_cli_globals[k], out);
    out->failed |= condition.failed;
    hd_str_clear(&condition);
    return hd_str_check(out);
}

const hd_shell hd_shells[] = {
    {"bash", write_bash},
    {"zsh", write_zsh},
    {"fish", write_fish},
    {NULL, NULL},
};
