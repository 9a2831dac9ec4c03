// SPDX-License-Identifier: Apache-2.0
//
// The command line, read by the rows of the operations. Flags may stand anywhere after the word
// they belong to; global ones anywhere. `--flag value`, `--flag=value`, `--flag` and `--no-flag`
// for a yes or no, `--` ends the flags. Nothing is printed here.
#ifndef HD_CLI_ARGS_H
#define HD_CLI_ARGS_H

#include "api/op.h"

// Every command: the operations, then the program's own (help, completion). NULL past the end.
const hd_op *hd_cli_op_at(size_t i);
// The parameters that the command line knows: the first so many of its rows.
size_t hd_cli_n_params(const hd_op *op);
const hd_op *hd_cli_op_find(const char *name);

// Flags that every command takes.
extern const hd_param hd_cli_globals[];
extern const size_t hd_cli_n_globals;

typedef struct hd_cli_line {
    const hd_op *op;   // NULL: none named
    const char *group; // "model": first word of a group of commands, given alone; else NULL
    json_t *params;    // by the operation's rows; defaults are not in yet
    json_t *globals;   // by hd_cli_globals
} hd_cli_line;

// HEED_USAGE says which word is wrong and what was probably meant; `out` holds what was read until
// then and must be cleared in any case.
heed_err hd_cli_parse(int argc, char *const *argv, hd_cli_line *out) HEED_CHECK;
void hd_cli_line_clear(hd_cli_line *line);

// A global's value: NULL when absent, false when absent.
const char *hd_cli_global_text(const hd_cli_line *line, const char *name);
bool hd_cli_global_bool(const hd_cli_line *line, const char *name);

#endif
