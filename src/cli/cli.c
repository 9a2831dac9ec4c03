// SPDX-License-Identifier: Apache-2.0
//
// The command line: reads it, finds the workspace, gathers the settings, calls the
// operation, prints what it returns. All that can be said about an operation stands in its row;
// nothing here knows one from another.
//
// An interrupt asks the work to stop, and the work ends with everything as it was before; a second
// one ends the process on the spot, which loses nothing either: what isn't committed isn't there.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/params.h"
#include "api/start.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/remote.h"
#include "cli/terminal.h"

static hd_stop stop_flag; // the signal handler's only way to reach the work

static void on_interrupt(int signal) {
    if (atomic_load(&stop_flag.asked)) _exit(128 + signal);
    hd_stop_ask(&stop_flag);
}

// Personal data must not land in a core file.
static void no_core_dumps(void) {
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static void catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static heed_lang lang_of_system(void) {
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = env(names[i]);
        if (value) return strncmp(value, "zh", 2) == 0 ? HEED_ZH : HEED_EN;
    }
    return HEED_EN;
}

static heed_lang lang_named(const char *name) {
    if (name && strcmp(name, "zh") == 0) return HEED_ZH;
    if (name && strcmp(name, "en") == 0) return HEED_EN;
    return lang_of_system();
}

// The language before anything is parsed, so that a mistake in the command line is told in it.
static heed_lang lang_early(int argc, char *const *argv) {
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--lang=", 7) == 0) return lang_named(argv[i] + 7);
        if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc) return lang_named(argv[i + 1]);
    }
    return lang_named(env("HEED_LANG"));
}

// Whether failures are to be JSON, should the command line itself be wrong.
static bool json_early(int argc, char *const *argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

// Settings that have a flag of their own.
static const struct {
    const char *flag, *setting;
} flag_settings[] = {{"lang", "lang"}, {"log_level", "log.level"}};

static heed_err set_flags(hd_settings *settings, const hd_cli_line *line) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(line->globals, "setting"), i, entry) {
        const char *text = json_string_value(entry);
        const char *eq = strchr(text, '=');
        char name[64];
        size_t n = eq ? (size_t)(eq - text) : 0;
        if (n == 0 || n >= sizeof name)
            return HD_FAIL(HEED_USAGE, "--setting: '%s' is not KEY=VALUE",
                           "--setting：“%s”不是 键=值 的形式", text);
        memcpy(name, text, n);
        name[n] = '\0';
        HD_TRY(hd_settings_set_flag(settings, name, eq + 1));
    }
    for (size_t k = 0; k < sizeof flag_settings / sizeof flag_settings[0]; k++) {
        const char *value = hd_cli_global_text(line, flag_settings[k].flag);
        if (value) HD_TRY(hd_settings_set_flag(settings, flag_settings[k].setting, value));
    }
    const json_t *threads = json_object_get(line->globals, "threads");
    if (!threads) return HEED_OK;
    char number[24];
    hd_snprintf(number, sizeof number, "%lld", (long long)json_integer_value(threads));
    return hd_settings_set_flag(settings, "threads", number);
}

// The folder that is named, or the nearest workspace at or above the current folder; NULL: none.
static heed_err find_workspace(const hd_cli_line *line, hd_arena *arena, const char **out) {
    *out = hd_cli_global_text(line, "workspace");
    if (!*out) *out = env("HEED_WORKSPACE");
    if (*out) return HEED_OK;
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here))
        return HD_FAIL_ERRNO(errno, "can't tell the current folder", "无法确定当前文件夹", ".");
    return hd_start_find(here, arena, out);
}

// Where nobody says how much, what the machine has less a share for what isn't counted (libraries,
// the system): better refused than killed.
static void limit_memory(size_t bytes) {
    enum { SHARE = 8 };
    const size_t all = hd_machine_memory("");
    hd_mem_limit_set(bytes > 0 ? bytes : all - all / SHARE);
}

static heed_err gather(const hd_cli_line *line, hd_arena *arena, hd_call *call,
                       hd_terminal *terminal) {
    HD_TRY(hd_start_settings(&call->settings));
    HD_TRY(set_flags(call->settings, line));
    HD_TRY(hd_settings_load_env(call->settings, environ));
    if (line->op->place != HD_PLACE_NONE) {
        HD_TRY(find_workspace(line, arena, &call->workspace));
        if (call->workspace) {
            char *path = hd_fs_join(arena, call->workspace, "heed.yaml");
            if (!path) return HD_FAIL_MEMORY(0);
            HD_TRY(hd_settings_load_file(call->settings, path));
        }
    }
    terminal->lang = call->lang = lang_named(hd_settings_text(call->settings, "lang"));
    limit_memory((size_t)hd_settings_int(call->settings, "memory.limit"));
    hd_terminal_log(terminal, call->settings);
    return hd_params_finish(call->params, line->op->params, hd_cli_n_params(line->op),
                            line->op->name);
}

static heed_err print_result(const hd_op *op, const json_t *result, hd_terminal *terminal) {
    hd_str text;
    hd_str_init(&text);
    heed_err err;
    if (terminal->json) {
        err = hd_json_dump(result, true, &text);
        hd_str_addc(&text, '\n');
    } else {
        err = op->text(result, terminal->lang, terminal->width, &text);
    }
    if (err == HEED_OK) err = hd_str_check(&text);
    hd_terminal_progress_end(terminal);
    if (err == HEED_OK) err = hd_terminal_print(hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

static void print_next(const hd_op *op, const json_t *result, hd_terminal *terminal) {
    hd_str text;
    hd_str_init(&text);
    if (op->next && op->next(result, terminal->lang, &text) == HEED_OK && text.len > 0)
        hd_terminal_hint(terminal, hd_str_get(&text));
    hd_str_clear(&text);
}

// Somebody holds the workspace: a server does what it is asked; of anybody else the user was told.
static heed_err run_by_server(const hd_op *op, hd_call *call, json_t **result) {
    hd_error busy;
    hd_error_get(&busy);
    bool served = false;
    heed_err err = hd_remote_run(op, call, &served, result);
    return err == HEED_OK && !served ? hd_error_restore(&busy) : err;
}

typedef heed_err serve_fn(hd_call *call, json_t **result);

// Runs the operation and prints; a result that came with a failure is printed before it.
static heed_err run_op(const hd_cli_line *line, hd_terminal *terminal, serve_fn *serve) {
    json_t *result = NULL;
    hd_arena arena;
    hd_arena_init(&arena);
    hd_call call = {.params = line->params,
                    .caller = {"cli", ~0u},
                    .lang = terminal->lang,
                    .stop = &stop_flag,
                    .progress = hd_terminal_progress,
                    .note = hd_terminal_note,
                    .serve = serve,
                    .reads = hd_op_reads(line->op) ? line->op->purpose : NULL,
                    .reads_many = line->op->many,
                    .terminal = terminal->err_tty,
                    .confirm = hd_cli_global_bool(line, "no_input") ? NULL : hd_terminal_confirm,
                    .secret = hd_cli_global_bool(line, "no_input") ? NULL : hd_terminal_secret,
                    .ctx = terminal};
    heed_err err = gather(line, &arena, &call, terminal);
    hd_error failure;
    if (err == HEED_OK) {
        catch_interrupts();
        err = line->op->run(&call, &result);
        if (err == HEED_BUSY) err = run_by_server(line->op, &call, &result);
        // wherever it was noticed, in a read or in a statement: say what it means
        if (err == HEED_INTERRUPTED && hd_stop_asked(&stop_flag)) err = hd_stop_check(&stop_flag);
    }
    if (result) {
        hd_error_get(&failure);
        heed_err printed = print_result(line->op, result, terminal);
        if (err != HEED_OK)
            err = hd_error_restore(&failure);
        else
            err = printed;
        if (err == HEED_OK) print_next(line->op, result, terminal);
        if (err == HEED_OK && line->op->after) err = line->op->after(&call, result);
    }
    json_decref(result);
    hd_settings_free(call.settings);
    hd_arena_clear(&arena);
    return err;
}

static heed_err print_help(const hd_cli_line *line, heed_lang lang) {
    hd_str text;
    hd_str_init(&text);
    heed_err err = line->op      ? hd_help_command(line->op, lang, &text)
                   : line->group ? hd_help_group(line->group, lang, &text)
                                 : hd_help_overview(lang, &text);
    if (err == HEED_OK) err = hd_terminal_print(hd_str_get(&text));
    hd_str_clear(&text);
    return err;
}

static heed_err run(int argc, char *const *argv, hd_cli_line *line, hd_terminal *terminal,
                    serve_fn *serve) {
    HD_TRY(hd_mem_adopt_libraries());
    heed_err err = hd_cli_parse(argc, argv, line);
    HD_TRY(err);
    terminal->json = hd_cli_global_bool(line, "json");
    terminal->quiet = hd_cli_global_bool(line, "quiet");
    if (hd_cli_global_bool(line, "version")) line->op = hd_op_find("version");
    bool asked = hd_cli_global_bool(line, "help");
    if (asked || (!line->op && !line->group)) return print_help(line, terminal->lang);
    if (line->op) return run_op(line, terminal, serve);
    size_t n = strcspn(line->group, " ");
    return HD_FAIL(HEED_USAGE, "'heed %.*s' needs one more word; see 'heed help %.*s'",
                   "“heed %.*s”后面还需要一个词；用法见“heed help %.*s”", (int)n, line->group,
                   (int)n, line->group);
}

int hd_cli_main(int argc, char **argv, heed_err (*serve)(hd_call *call, json_t **result)) {
    no_core_dumps();
    hd_terminal terminal;
    hd_terminal_init(&terminal);
    terminal.lang = lang_early(argc, argv);
    terminal.json = json_early(argc, argv);
    hd_cli_line line = {0};
    heed_err err = run(argc, argv, &line, &terminal, serve);
    hd_terminal_progress_end(&terminal);
    if (err) hd_terminal_error(&terminal);
    hd_cli_line_clear(&line);
    return heed_err_exit(err);
}
