#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a cross build links: sysroot.sh DEBIAN_ARCH. Prints the directory, made once from Debian's packages.
# Exit status 77: they cannot be had here and now, stderr says why.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$vm_dir/apt.sh"

[[ $# == 1 ]] || die "usage: sysroot.sh DEBIAN_ARCH"
arch=$1
dest=$vm_cache/sysroot-$arch

skip() {
	say "libraries for $arch not available: $*"
	exit 77
}

mkdir -p "$vm_cache"
exec 9>"$dest.lock"
flock 9
if [[ ! -d $dest ]]; then
	tmp=$(mktemp -d "$vm_cache/.sysroot.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	private_apt "$arch" bookworm,bookworm-security
	# The C library comes with the cross compiler.
	download "$tmp/debs" download libbpf-dev libelf-dev zlib1g-dev libzstd-dev ||
		skip "download failed: $(grep -m1 -E '^(E|Err)' "$apt_log" || tail -n1 "$apt_log")"
	mkdir "$tmp/root"
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb -x "$deb" "$tmp/root"
	done
	mv "$tmp/root" "$dest"
fi
echo "$dest"
