#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs.sh BUILD: the pages that are drawn from the operation table. A test holds them to it.
set -eu
cd "$(dirname "$0")/.."
heed=$1/heed
unset HEED_LANG
LC_ALL=C "$heed" help --markdown >docs/reference.md
LC_ALL=C "$heed" help --markdown --lang zh >docs/zh/reference.md
echo "docs/reference.md and docs/zh/reference.md are up to date; the man page and the completions are in $1"
