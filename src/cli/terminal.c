// SPDX-License-Identifier: Apache-2.0
//
// stderr is unbuffered and written a line at a time, so that messages and log lines don't mix. The
// progress line is redrawn at most ten times a second: drawing must not slow the work it shows.
#include "cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "base/unicode.h"

enum { BAR_EVERY_MS = 100, BAR_CELLS = 24 };

void hd_terminal_init(hd_terminal *terminal) {
    *terminal = (hd_terminal){0};
    terminal->err_tty = isatty(STDERR_FILENO) == 1;
    terminal->out_tty = isatty(STDOUT_FILENO) == 1;
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    terminal->colour =
        terminal->err_tty && !(no_colour && no_colour[0]) && !(term && strcmp(term, "dumb") == 0);
    struct winsize size;
    if (terminal->out_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        terminal->width = size.ws_col;
}

static void log_sink(void *ctx, const hd_log_line *line) {
    hd_terminal *terminal = ctx;
    hd_terminal_progress_end(terminal);
    hd_str text;
    hd_str_init(&text);
    if (terminal->log_json) {
        hd_log_format_json(line, &text);
    } else {
        hd_log_format_logfmt(line, &text);
    }
    fprintf(stderr, "%s\n", hd_str_get(&text));
    hd_str_clear(&text);
}

void hd_terminal_log(hd_terminal *terminal, const hd_settings *settings) {
    hd_log_level level = HD_LOG_WARN;
    if (hd_log_level_parse(hd_settings_text(settings, "log.level"), &level))
        hd_log_level_set(level);
    terminal->log_json = strcmp(hd_settings_text(settings, "log.format"), "json") == 0;
    hd_log_sink_set(log_sink, terminal);
}

void hd_terminal_progress_end(hd_terminal *terminal) {
    if (!terminal->bar) return;
    fputs("\r\033[K", stderr);
    terminal->bar = false;
}

void hd_terminal_progress(void *ctx, hd_text what, double share) {
    hd_terminal *terminal = ctx;
    if (!terminal->err_tty || terminal->quiet) return;
    int64_t now = hd_time_monotonic();
    if (terminal->bar && now - terminal->bar_drawn < BAR_EVERY_MS) return;
    terminal->bar_drawn = now;
    terminal->bar = true;
    fprintf(stderr, "\r\033[K%s ", hd_text_get(what, terminal->lang));
    if (share < 0) {
        fputs("…", stderr);
        return;
    }
    if (share > 1) share = 1;
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) fputs(i < full ? "█" : "░", stderr);
    fprintf(stderr, " %3d%%", (int)(share * 100));
}

void hd_terminal_note(void *ctx, hd_text line) {
    hd_terminal *terminal = ctx;
    if (terminal->quiet) return;
    hd_terminal_progress_end(terminal);
    fprintf(stderr, "%s\n", hd_text_get(line, terminal->lang));
}

bool hd_terminal_confirm(void *ctx, hd_text question) {
    hd_terminal *terminal = ctx;
    if (!terminal->err_tty || isatty(STDIN_FILENO) != 1) return false;
    hd_terminal_progress_end(terminal);
    fprintf(stderr, "%s [y/N] ", hd_text_get(question, terminal->lang));
    char answer[16];
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

// One line without its end; false at the end of input.
static bool read_line(hd_str *out) {
    int c = getc(stdin);
    if (c == EOF) return false;
    for (; c != EOF && c != '\n'; c = getc(stdin)) hd_str_addc(out, (char)c);
    return true;
}

static bool ask_unseen(hd_terminal *terminal, hd_text question, hd_str *out) {
    struct termios seen, unseen;
    bool hidden = tcgetattr(STDIN_FILENO, &seen) == 0;
    if (hidden) {
        unseen = seen;
        unseen.c_lflag &= ~(tcflag_t)ECHO;
        hidden = tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen) == 0;
    }
    // Asked only now: an answer that comes at once is neither seen nor thrown away.
    fprintf(stderr, "%s", hd_text_get(question, terminal->lang));
    bool answered = hidden && read_line(out);
    if (hidden) (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
    fputc('\n', stderr);
    return answered && !out->failed;
}

static void forget(hd_str *text) {
    if (text->data) explicit_bzero(text->data, text->cap);
    hd_str_clear(text);
}

heed_err hd_terminal_secret(void *ctx, bool fresh, hd_str *out) {
    static const hd_text first = HD_TEXT("passphrase of the keys: ", "密钥口令：");
    static const hd_text new_one = HD_TEXT("new passphrase: ", "新口令：");
    static const hd_text again = HD_TEXT("once more: ", "再次输入：");
    hd_terminal *terminal = ctx;
    if (!terminal->err_tty || isatty(STDIN_FILENO) != 1)
        return HD_FAIL(HEED_NOT_FOUND, "there is no terminal to ask for the passphrase on",
                       "没有可用于输入口令的终端");
    hd_terminal_progress_end(terminal);
    if (!ask_unseen(terminal, fresh ? new_one : first, out))
        return HD_FAIL(HEED_NOT_FOUND, "no passphrase was given", "没有输入口令");
    if (!fresh) return HEED_OK;
    hd_str second = {0};
    bool same = ask_unseen(terminal, again, &second) && second.len == out->len &&
                memcmp(hd_str_get(&second), hd_str_get(out), out->len) == 0;
    forget(&second);
    return same ? HEED_OK
                : HD_FAIL(HEED_INPUT, "the two are not the same: try again",
                          "两次输入不一致：请重试");
}

static void error_json(heed_lang lang) {
    hd_str line;
    hd_str_init(&line);
    const char *message = heed_error_message(lang);
    hd_str_addf(&line,
                "{\"error\": {\"code\": \"%s\", \"message\": ", heed_err_name(heed_error_code()));
    hd_json_quote(&line, message, strlen(message));
    hd_str_add(&line, "}}");
    fprintf(stderr, "%s\n", hd_str_get(&line));
    hd_str_clear(&line);
}

void hd_terminal_error(hd_terminal *terminal) {
    hd_terminal_progress_end(terminal);
    if (terminal->json) {
        error_json(terminal->lang);
        return;
    }
    fprintf(stderr, terminal->colour ? "\033[1;31mheed:\033[0m %s\n" : "heed: %s\n",
            heed_error_message(terminal->lang));
}

void hd_terminal_hint(hd_terminal *terminal, const char *text) {
    if (!terminal->err_tty || terminal->quiet || terminal->json) return;
    fprintf(stderr, terminal->colour ? "\n\033[2m%s\033[0m\n" : "\n%s\n", text);
}

heed_err hd_terminal_print(const char *text) {
    size_t n = strlen(text);
    if (fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0) return HEED_OK;
    return HD_FAIL_ERRNO(errno, "can't write", "无法写入", "stdout");
}
