// SPDX-License-Identifier: Apache-2.0
//
// The program: a command line that can serve. Neither transport knows the other; they meet here.
#include <stdlib.h>

#include "cli/cli.h"
#include "server/serve.h"

int main(int argc, char **argv) {
    // XGBoost's threads (classic/boosting.c) wait by sleeping, not by spinning on processors that
    // others want. Read by its runtime when that is loaded; who set it knows better.
    setenv("OMP_WAIT_POLICY", "passive", 0);
    return hd_cli_main(argc, argv, hd_server_run);
}
