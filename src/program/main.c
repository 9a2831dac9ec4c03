// SPDX-License-Identifier: Apache-2.0
//
// The program: a command line that can serve. Neither transport knows the other; they meet here.
#include "cli/cli.h"
#include "server/serve.h"

int main(int argc, char **argv) {
    return hd_cli_main(argc, argv, hd_server_run);
}
