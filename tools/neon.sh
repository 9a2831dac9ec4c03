#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# neon.sh [TEST…]: the tests of src/kernel on 64-bit ARM: built by a cross compiler, run by qemu. Skipped with a word where either is
# missing. The libraries that base/ knows besides aren't needed: what isn't called isn't linked.
set -eu
cd "$(dirname "$0")/.."
cc=aarch64-linux-gnu-gcc run=qemu-aarch64
for tool in $cc $run; do
    command -v $tool >/dev/null || { echo "neon: skipped, there is no $tool"; exit 0; }
done
out=build-neon
mkdir -p $out/include
for header in sqlite3.h jansson.h jansson_config.h utf8proc.h sodium.h sodium; do
    for from in /usr/include /usr/include/*-linux-gnu; do
        [ ! -e "$from/$header" ] || cp -r "$from/$header" $out/include/
    done
done
flags="-std=c11 -D_GNU_SOURCE -O1 -ffp-contract=off -ffunction-sections -fdata-sections -Isrc -Iinclude -I$out/include"
sources="$(ls src/kernel/*.c) $(for f in error mem pool rng str arena; do echo src/base/$f.c; done)"
for f in src/kernel/path/*.c; do
    case $f in *amx*) continue ;; esac
    echo "$flags -DHD_PATH_NEON -c $f -o $out/neon.$(basename "$f" .c).o"
    echo "$flags -O0 -DHD_PATH_REF -c $f -o $out/ref.$(basename "$f" .c).o" # tested elsewhere
done >$out/lines
for f in $sources; do echo "$flags -c $f -o $out/$(basename "$f" .c).o"; done >>$out/lines
xargs -P "$(nproc)" -L 1 $(command -v ccache || :) $cc <$out/lines
[ $# -gt 0 ] || set -- cpu gemm
for name; do
    $cc $flags -Itests/kernel/cross tests/kernel/test_"$name".c $out/*.o -o $out/test_"$name" -static -Wl,--gc-sections -lpthread -lm
    echo "neon: $name: $(HEED_ISA=neon $run $out/test_"$name")"
done
