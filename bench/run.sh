#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD: what `make bench` runs: each benchmark prints ratios, in one run, against what the machine has. GROWTH=1 adds the
# table of growth up to ten million events (some minutes, 5 GB in BENCH_DIR).
set -eu
cd "$(dirname "$0")/.."
build=$1
bench/import.sh "$build"
if [ "${GROWTH:-0}" = 1 ]; then
    echo
    bench/growth.sh "$build"
fi
