#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb.sh BUILD: makes BUILD/heed_<version>_<arch>.deb of what BUILD (a release build with prefix /usr) installs. By dpkg-deb
# alone: one program, a unit and its pages need no debhelper. What it depends on is asked of dpkg-shlibdeps. lintian has nothing to
# say of it beyond what packaging/debian/lintian-overrides gives reasons for.
set -eu
cd "$(dirname "$0")/.."
build=$1
version=$(meson introspect --projectinfo "$build" | python3 -c 'import json, sys; print(json.load(sys.stdin)["version"])')-1
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
pkg=$root/pkg

DESTDIR=$pkg meson install -C "$build" --no-rebuild --quiet
# The program alone: headers and library are for those who build against heed.
rm -rf "$pkg/usr/include" "$pkg"/usr/lib "$pkg/usr/share/heed"
strip --strip-unneeded "$pkg/usr/bin/heed"
for page in "$pkg"/usr/share/man/man1/*.1; do gzip -9n "$page"; done
install -Dm644 packaging/heed.service "$pkg/lib/systemd/system/heed.service"
install -Dm640 packaging/heed.env "$pkg/etc/heed/heed.env"
doc=$pkg/usr/share/doc/heed
install -Dm644 packaging/debian/copyright "$doc/copyright"
install -Dm644 packaging/debian/lintian-overrides "$pkg/usr/share/lintian/overrides/heed"
{
    printf 'heed (%s) unstable; urgency=medium\n\n  * See the project'"'"'s history.\n\n' "$version"
    printf ' -- The heed authors <heed@localhost>  %s\n' "$(date -R -u -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}")"
} | gzip -9n >"$doc/changelog.Debian.gz"

# dpkg-shlibdeps wants a source package's control beside it.
mkdir -p "$root/source/debian"
printf 'Source: heed\n\nPackage: heed\nArchitecture: any\nDescription: x\n' >"$root/source/debian/control"
depends=$(cd "$root/source" && dpkg-shlibdeps -O "$pkg/usr/bin/heed" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
size=$(du -ks "$pkg" | cut -f1)

mkdir "$pkg/DEBIAN"
sed "s|@VERSION@|$version|; s|@ARCH@|$arch|; s|@SIZE@|$size|; s|@DEPENDS@|$depends|" packaging/debian/control.in >"$pkg/DEBIAN/control"
echo /etc/heed/heed.env >"$pkg/DEBIAN/conffiles"
(cd "$pkg" && find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
for script in postinst prerm postrm; do install -m755 "packaging/debian/$script" "$pkg/DEBIAN/$script"; done
find "$pkg" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group --build "$pkg" "$build/heed_${version}_$arch.deb" >/dev/null
echo "$build/heed_${version}_$arch.deb"
