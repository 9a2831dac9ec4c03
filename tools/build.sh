#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh DIR [MESON OPTIONS]: configures DIR once, applies the options, and builds.
set -eu
cd "$(dirname "$0")/.."
dir=$1
shift
if [ ! -f "$dir/build.ninja" ]; then
    meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; rm -f "$dir.log"; exit 1; }
    rm -f "$dir.log"
elif [ $# -gt 0 ]; then
    meson configure "$dir" "$@" >/dev/null
fi
if [ -t 1 ]; then exec ninja -C "$dir"; fi
out=$(ninja --quiet -C "$dir" 2>&1) || { echo "$out" >&2; exit 1; }
