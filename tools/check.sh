#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh [STEP…]: the stricter half of what a change must pass; all steps by default. Steps that failed are named at the end.
set -u
cd "$(dirname "$0")/.."
failed=""

step() { # step NAME COMMAND…
    name=$1
    shift
    case " ${only:-$name} " in *" $name "*) ;; *) return ;; esac
    start=$(date +%s)
    if "$@"; then verdict=ok; else verdict=FAILED failed="$failed $name"; fi
    echo "── $name: $verdict, $(($(date +%s) - start)) s"
}

format() {
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>&1 | head -40 | grep . && return 1
    return 0
}

warnings() { # every warning is an error, with both compilers
    CC=clang tools/build.sh build-clang -Dwerror=true -Dtests=enabled
}

tidy() {
    git ls-files 'src/*.c' | xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build-clang 2>/dev/null >build-clang/tidy.log || true
    grep -E '(warning|error):' build-clang/tidy.log | sort -u | head -40 | grep . && return 1
    return 0
}

sanitizers() { # every test under ASan and UBSan; the faults and the allocations as a sample
    tools/build.sh build-asan -Dwerror=true -Dtests=enabled -Db_sanitize=address,undefined -Db_lundef=false &&
        ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
            UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 tools/test.sh build-asan --timeout-multiplier 10
}

faults() {
    tools/build.sh build -Dtests=enabled || return 1
    HEED_FAULTS=${HEED_FAULTS:-100} HEED_ALLOCATIONS=${HEED_ALLOCATIONS:-300} tools/test.sh build --suite faults --timeout-multiplier 20
}

# The threads: the server over sockets, its writing thread and jobs, what they share. Any report of the sanitizer fails the step, one
# of a server that a test started too; tools/tsan.supp says what it sees wrongly, and why.
tsan() {
    races=$PWD/build-tsan/races
    [ -f build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false -Dtests=enabled \
        -Dbuildtype=debug -Doptimization=1 >/dev/null || return 1
    names="base_pool nn_data nn_bucket nn_train access_guard store_transaction privacy_audit workspace_cache workspace_care workspace_jobs workspace_refresh
        $(meson test -C build-tsan --no-rebuild --list --suite server 2>/dev/null | sed -n 's|.*/ ||p')"
    targets=
    for t in $names; do targets="$targets tests/${t%%_*}/test_$t"; done
    rm -rf "$races"
    mkdir "$races"
    # shellcheck disable=SC2086 # lists
    ninja --quiet -C build-tsan heed $targets &&
        TSAN_OPTIONS="suppressions=$PWD/tools/tsan.supp log_path=$races/report second_deadlock_stack=1" \
            tools/test.sh build-tsan --timeout-multiplier 20 $names serve_data serve_serve serve_typed
    status=$?
    grep -h ^SUMMARY "$races"/* 2>/dev/null | sort | uniq -c
    [ $status -eq 0 ] && [ -z "$(ls "$races")" ]
}

paths() { # the suites of engine and recipes on the lesser instruction sets: what a processor without AVX-512 runs
    status=0
    tools/build.sh build -Dtests=enabled || return 1
    for path in avx2 ref; do
        echo "on $path:"
        HEED_ISA=$path tools/test.sh build --suite tensor --suite nn --suite classic --suite recipe --timeout-multiplier 4 || status=1
    done
    return $status
}

fuzz() { # that every target is built and stands some thousand inputs; `make fuzz` looks longer
    FUZZ_SECONDS=${FUZZ_SECONDS:-2} tools/fuzz.sh
}

neon() { # the kernels of 64-bit ARM, by qemu
    tools/neon.sh
}

coverage() { # threads count in the same cells, so that a branch of a busy loop may come out below 0: gcovr passes over such lines
    tools/build.sh build-cov -Db_coverage=true -Dtests=enabled &&
        tools/test.sh build-cov --timeout-multiplier 4 >build-cov/tests.txt &&
        gcovr -j "$(nproc)" -r . build-cov --filter src/ --exclude-unreachable-branches --gcov-ignore-parse-errors --fail-under-line 85 \
            --txt build-cov/coverage.txt 2>build-cov/gcovr.log && tail -3 build-cov/coverage.txt
}

only="$*"
step format format
step layers tools/check-layers.py
step banned tools/check-banned.py
step docs tools/check-docs.py
step warnings warnings
step tidy tidy
step sanitizers sanitizers
step tsan tsan
step faults faults
step paths paths
step fuzz fuzz
step neon neon
step coverage coverage
[ -z "$failed" ] || { echo "make check failed:$failed"; exit 1; }
echo "make check: all steps passed"
