#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Fetch and unpack the kernel of one guest: fetch.sh [--refresh] NAME
# Prints its directory. Exit status 77: it cannot be had here and now, stderr says why.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$vm_dir/apt.sh"

refresh=
if [[ ${1:-} == --refresh ]]; then
	refresh=1
	shift
fi
[[ $# == 1 ]] || die "usage: fetch.sh [--refresh] NAME   (of: $(guests | tr '\n' ' '))"
name=$1
guest "$name"
dest=$vm_cache/kernels/$name

if [[ -z $refresh && -f $dest/stamp ]]; then
	echo "$dest"
	exit 0
fi

mkdir -p "$vm_cache/kernels"
# runs that start together must not fetch the same kernel twice; guests that share a kernel share the lock
lock=${g_suites%%,*}-$g_arch
exec 9>"$vm_cache/kernels/.lock-$lock"
flock 9
if [[ -z $refresh && -f $dest/stamp ]]; then
	echo "$dest"
	exit 0
fi

for tool in apt-get:apt dpkg-deb:dpkg xz:xz-utils zstd:zstd lz4:lz4 depmod:kmod mke2fs:e2fsprogs; do
	need "${tool%%:*}" "${tool#*:}"
done

tmp=$(mktemp -d "$vm_cache/kernels/.new-$name.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

skip() {
	say "guest $name not available: $*"
	exit 77
}

install_result() {
	rm -rf "$dest"
	mv "$1" "$dest"
	echo "$dest"
}

# A guest that differs by its command line only has the very same kernel as its sibling.
sibling() {
	local other suites=$g_suites package=$g_package arch=$g_arch

	for other in $(guests); do
		[[ $other != "$name" ]] || continue
		guest "$other"
		[[ $g_suites == "$suites" && $g_package == "$package" && $g_arch == "$arch" ]] || continue
		[[ -f $vm_cache/kernels/$other/stamp ]] || continue
		cp -al "$vm_cache/kernels/$other" "$tmp/dest"
		return 0
	done
	guest "$name"
	return 1
}

if [[ -z $refresh ]] && sibling; then
	install_result "$tmp/dest"
	exit 0
fi

private_apt "$g_arch" "$g_suites"

# "version package", newest first, of one version the signed package first: under lockdown
# the kernel loads signed modules only
candidates() {
	local names

	names=$(apt cache search --names-only "^${g_package}\$" | cut -d' ' -f1)
	[[ -n $names ]] || return 0
	# shellcheck disable=SC2086 # one word a package
	apt cache madison $names | awk '{ print $3, $1 }' | LC_ALL=C sort -u -k1,1Vr -k2,2
}

# sid splits a kernel in an image and a modules package
companions() {
	local package=$1 version=$2 release

	release=${package#linux-binary-}
	[[ $release != "$package" ]] || return 0
	release=${release#unsigned-}
	echo "linux-modules-$release=$version"
	echo "linux-base-$release=$version"
}

mkdir "$tmp/debs"
stamp=
tried=0
while read -r version package; do
	# an index may be newer than what its mirror still holds
	((++tried <= 4)) || break
	rm -f "$tmp"/debs/*
	mapfile -t more < <(companions "$package" "$version")
	# on sid linux-image-* is an empty package that depends on the parts
	if download "$tmp/debs" download "$package=$version" "${more[@]}"; then
		rm -rf "$tmp/root"
		for deb in "$tmp"/debs/*.deb; do
			dpkg-deb -x "$deb" "$tmp/root"
		done
		vmlinuz=$(find "$tmp/root" -name 'vmlinuz*' -type f | head -n 1)
		[[ -n $vmlinuz ]] || continue
		stamp="$package $version"
		break
	fi
done < <(candidates)
((tried)) || skip "no package matches $g_package in $g_suites"
[[ -n $stamp ]] || skip "download failed: $(grep -m1 -E '^(E|Err)' "$apt_log" || tail -n1 "$apt_log")"

modules=$(find "$tmp/root" -path '*/lib/modules/*/kernel' -type d | head -n 1)
[[ -n $modules ]] || skip "$stamp holds no modules"
release=$(basename "$(dirname "$modules")")

out=$tmp/dest
tree=$tmp/tree/lib/modules/$release
mkdir -p "$out" "$tree"
for sub in arch crypto lib net fs drivers/block drivers/char drivers/net drivers/virtio drivers/ptp \
	drivers/nvdimm drivers/dax; do
	[[ -d $modules/$sub ]] || continue
	mkdir -p "$tree/kernel/$(dirname "$sub")"
	cp -a "$modules/$sub" "$tree/kernel/$sub"
done
# file systems and hardware that no guest has only make the image bigger
for sub in fs/{btrfs,ceph,xfs,nfs,nfsd,smb,cifs,ocfs2,gfs2,f2fs,dlm,ubifs,jfs,reiserfs,afs} \
	net/{ceph,sunrpc,bluetooth,mac80211,wireless} drivers/net/{wireless,ethernet} arch/x86/kvm; do
	rm -rf "$tree/kernel/$sub"
done
find "$tree" -name '*.ko.xz' -exec xz -d {} +
find "$tree" -name '*.ko.zst' -exec zstd -dq --rm {} +
cp "$(dirname "$modules")"/modules.{builtin,builtin.modinfo,order} "$tree/" 2>/dev/null || true
# warnings are about the drivers removed above
depmod -b "$tmp/tree" "$release" 2>/dev/null
image "$out/modules.img" "$tmp/tree/lib/modules"

# First-stage modules by insmod order: what it takes to see the disks and the virtio ports. A line
# of modules.dep lists what a module needs, deepest last.
for mod in virtio_pci virtio_blk virtio_console; do
	grep "/$mod\.ko:" "$tree/modules.dep" | tr -d : | tr ' ' '\n' | tac || true
done | awk '!seen[$0]++' >"$tmp/early"
mkdir "$out/early"
n=10
while read -r path; do
	cp "$tree/$path" "$out/early/$((n++))-$(basename "$path")"
done <"$tmp/early"

cp "$vmlinuz" "$out/vmlinuz"
config=$(find "$tmp/root" \( -name "config-$release" -o -path "*/$release/config" \) | head -n 1)
[[ -z $config ]] || cp "$config" "$out/config"

# arm64's is uncompressed as it is.
finish() {
	echo "$release" >"$out/release"
	echo "$stamp" >"$out/stamp"
	install_result "$out"
	exit
}
[[ $g_arch == amd64 ]] || finish

# An uncompressed kernel starts seconds earlier under emulation. The boot header says where the
# compressed one lies (Documentation/arch/x86/boot.rst); its last four bytes are its unpacked size.
field() {
	od -An -v -t"u$2" -j"$1" -N"$2" "$vmlinuz" | tr -d ' '
}

start=$(((($(field 497 1) + 1) * 512) + $(field 584 4)))
length=$(field 588 4)
tail -c "+$((start + 1))" "$vmlinuz" | head -c "$((length - 4))" >"$tmp/payload" || true
magic=$(od -An -v -tx1 -N4 "$tmp/payload" | tr -d ' ')
case $magic in
fd377a58) unpack="xz -dc" ;;
28b52ffd) unpack="zstd -dcq" ;;
02214c18 | 04224d18) unpack="lz4 -dcq" ;;
1f8b*) unpack="gzip -dc" ;;
*) unpack="false" ;;
esac
if ! $unpack <"$tmp/payload" >"$out/vmlinux" 2>/dev/null ||
	[[ $(head -c4 "$out/vmlinux" | od -An -c | tr -d ' ') != 177ELF ]]; then
	rm -f "$out/vmlinux"
fi

finish
