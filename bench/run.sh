#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD [NAME…]: the benchmarks, one after another: import movielens (all that end within minutes). growth takes an hour and
# is run by its name. Figures are ratios within one run wherever there is a peer: these machines are shared.
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
[ $# -gt 0 ] || set -- import movielens
echo "$(date -u +%F), $(nproc) processors: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
for name; do
    echo "── $name"
    "bench/$name.sh" "$build"
done
