// SPDX-License-Identifier: Apache-2.0
//
// Texts about the commands, all drawn from the operation table: help on the terminal, the man
// page, the reference page, shell completions.
#ifndef HD_CLI_HELP_H
#define HD_CLI_HELP_H

#include "cli/args.h"

// All commands by chapter; one command; the commands that begin with a word ("model").
heed_err hd_help_overview(heed_lang lang, hd_str *out) HEED_CHECK;
heed_err hd_help_command(const hd_op *op, heed_lang lang, hd_str *out) HEED_CHECK;
heed_err hd_help_group(const char *group, heed_lang lang, hd_str *out) HEED_CHECK;

// "heed import [flags] FILE…"
void hd_help_synopsis(const hd_op *op, hd_str *out);

// "; 1 to 1000", where a number is bounded on both sides.
void hd_help_range(const hd_param *param, heed_lang lang, hd_str *out);

heed_err hd_help_man(hd_str *out) HEED_CHECK; // mdoc, English
heed_err hd_help_markdown(heed_lang lang, hd_str *out) HEED_CHECK;

// One row per shell.
typedef struct hd_shell {
    const char *name;
    heed_err (*write)(hd_str *out);
} hd_shell;
extern const hd_shell hd_shells[]; // ends with a NULL name

extern const hd_op hd_op_help;
extern const hd_op hd_op_completion;

#endif
