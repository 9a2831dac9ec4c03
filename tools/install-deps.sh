#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install-deps.sh build|test|check: installs the Debian packages that are missing, as root or through
# sudo; without either prints the exact line to run and stops. HEED_NO_INSTALL=1 only prints.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config libsqlite3-dev libjansson-dev libyaml-dev libcsv-dev
 libutf8proc-dev libsodium-dev liblinear-dev libxgboost-dev zlib1g-dev libzstd-dev libuv1-dev libgnutls28-dev
 libspng-dev libturbojpeg0-dev"
test="$build libcmocka-dev sqlite3 mandoc python3 time"
check="$test clang clang-format clang-tidy libclang-rt-14-dev llvm-14 gcovr
 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
case "${1:-build}" in
build) want=$build ;;
test) want=$test ;;
check) want=$check ;;
*) echo "usage: $0 build|test|check" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || {
    echo "heed builds on Debian 12 and its like. Here, install what stands for:" $want >&2
    exit 0 # Meson will say what is missing
}
missing=""
for p in $want; do
    dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

line="apt-get install --no-install-recommends -y$missing"
if [ "${HEED_NO_INSTALL:-}" != 1 ] && [ "$(id -u)" = 0 ]; then as=""
elif [ "${HEED_NO_INSTALL:-}" != 1 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as="sudo"
else
    echo "heed needs packages that are not installed. Run this, then try again:" >&2
    echo "  sudo $line" >&2
    exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Old package lists name files that are gone: refresh once when the first try fails.
if ! $as $line >"$log" 2>&1; then
    $as apt-get update >"$log" 2>&1 && $as $line >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
