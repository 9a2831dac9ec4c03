#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test.sh DIR [MESON TEST OPTIONS]: runs every test program and sums their cases up in the last line.
set -u
cd "$(dirname "$0")/.."
dir=$1
shift
meson test -C "$dir" --no-rebuild --num-processes "${JOBS:-$(nproc)}" "$@" >"$dir/test.out" 2>&1
status=$?
exec python3 tools/test-summary.py "$dir" $status
