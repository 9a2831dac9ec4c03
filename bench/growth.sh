#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# growth.sh BUILD [N…]: how import, the data report, profiles, fitting and evaluation grow with the number of events (100,000,
# 1,000,000 and 10,000,000; a tenth as many users, 20,000 items): seconds and peak memory of each command, in one table.
# METHODS (markov) names the methods fitted and evaluated. Training includes the choice of parameters, and profiles of users for
# the segments; profile is one busy user's. Needs 5 GB in BENCH_DIR (/tmp) for ten million.
set -eu
build=$1
shift
[ $# -gt 0 ] || set -- 100000 1000000 10000000
methods=${METHODS:-markov}
heed=$build/heed
tool=$build/bench/bench_events
dir=$(mktemp -d "${BENCH_DIR:-/tmp}/heed-growth-XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM

# step ARGUMENTS…: runs heed and prints "seconds (MB)"; "-" when this heed has no such command.
step() {
    "$heed" help "$1" >/dev/null 2>&1 || { printf ' %16s' -; return; }
    /usr/bin/time -o "$dir/time" -f '%e %M' "$heed" --workspace "$dir/shop" --quiet "$@" >"$dir/out" 2>&1 || {
        cat "$dir/out" >&2
        exit 1
    }
    awk '{ printf " %16s", sprintf("%.1f s %4.0f MB", $1, $2 / 1024) }' "$dir/time"
}

printf '%-10s %16s %16s %16s %16s %16s\n' events import report train profile eval
for n in "$@"; do
    rm -rf "$dir/shop" "$dir"/events.jsonl
    "$tool" jsonl "$n" 1 "$dir/events.jsonl"
    "$heed" init "$dir/shop" >/dev/null
    printf '%-10s' "$n"
    step import "$dir/events.jsonl"
    rm "$dir/events.jsonl"
    step report
    step train --methods "$methods"
    step profile user-0000000
    step eval --methods "$methods" --defaults --bootstrap 0
    echo
done
