#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [NAME…]: runs the libFuzzer targets of tests/fuzz/, FUZZ_SECONDS each (60), and prints for each the executions, the
# coverage and the findings. Inputs found go to build-fuzz/corpus/NAME; a finding is kept in build-fuzz/findings/.
set -eu
cd "$(dirname "$0")/.."
CC=clang tools/build.sh build-fuzz -Dfuzz=true -Dtests=disabled -Db_sanitize=address,undefined -Db_lundef=false \
    "-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined"
seconds=${FUZZ_SECONDS:-60}
status=0
mkdir -p build-fuzz/findings
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
for name; do
    mkdir -p "build-fuzz/corpus/$name"
    log=build-fuzz/$name.log
    most=65536
    [ "$name" != finder ] || most=1024 # its rules look some sixty characters around: longer texts only cost time
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    if "build-fuzz/tests/fuzz_$name" -max_total_time="$seconds" -max_len=$most -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/findings/$name-" "build-fuzz/corpus/$name" $seeds >"$log" 2>&1; then
        verdict="no finding"
    else
        verdict="FINDING, see $log"
        status=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cover=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
    printf '%-14s %4s s  %12s runs  %s  %s\n' "$name" "$seconds" "${runs:-?}" "$cover" "$verdict"
done
exit $status
