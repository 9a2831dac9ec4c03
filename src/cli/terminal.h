// SPDX-License-Identifier: Apache-2.0
//
// What the program writes: results to stdout; progress, notes, errors and log lines to stderr.
// Progress, hints and colour are for terminals alone, and colour not where NO_COLOR is set.
#ifndef HD_CLI_TERMINAL_H
#define HD_CLI_TERMINAL_H

#include <stdio.h>

#include "api/op.h"

typedef struct hd_terminal {
    heed_lang lang;
    bool quiet;
    bool json;
    bool err_tty;      // stderr is a terminal
    bool out_tty;      // stdout is one
    bool colour;       // on stderr
    size_t width;      // columns of stdout; 0: any
    bool bar;          // a progress line stands on the terminal
    int64_t bar_drawn; // when, monotonic ms
    bool log_json;
} hd_terminal;

void hd_terminal_init(hd_terminal *terminal);
// Log lines go to stderr from now on, by `log.level` and `log.format`.
void hd_terminal_log(hd_terminal *terminal, const hd_settings *settings);

// For hd_call: ctx is the terminal.
void hd_terminal_progress(void *ctx, hd_text what, double share);
void hd_terminal_note(void *ctx, hd_text line);
bool hd_terminal_confirm(void *ctx, hd_text question); // false when stdin or stderr is no terminal
// A passphrase, typed unseen; a fresh one twice. HEED_NOT_FOUND without a terminal.
heed_err hd_terminal_secret(void *ctx, bool fresh, hd_str *out) HEED_CHECK;
void hd_terminal_progress_end(hd_terminal *terminal);

// The thread's last failure: "heed: message", or one line of JSON with --json:
// {"error": {"code": "INPUT", "message": "…"}}.
void hd_terminal_error(hd_terminal *terminal);
void hd_terminal_hint(hd_terminal *terminal, const char *text);
// Whole text to stdout. HEED_IO when it can't be written (a full disk, a closed pipe).
heed_err hd_terminal_print(const char *text) HEED_CHECK;

#endif
