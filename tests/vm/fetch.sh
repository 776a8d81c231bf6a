#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Fetch and unpack the kernel of one guest: fetch.sh [--refresh] NAME
# Prints its directory. Exit status 77: it cannot be had here and now, stderr says why.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

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
lock=${g_suites%%,*}
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
	local other suites=$g_suites package=$g_package

	for other in $(guests); do
		[[ $other != "$name" ]] || continue
		guest "$other"
		[[ $g_suites == "$suites" && $g_package == "$package" ]] || continue
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

# mirror KIND: URI of the Debian archive this machine already uses; KIND is "main" or "security"
mirror() {
	local kind=$1 given uri suite

	given=NETTRACE_MIRROR_${kind^^}
	if [[ -n ${!given:-} ]]; then
		echo "${!given}"
		return
	fi
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' |
		while read -r uri suite; do
			case $kind:${suite%/}:$uri in
			security:*-security:*/debian-security/) echo "$uri" ;;
			main:*-security:*) ;;
			main:*:*/debian/) echo "$suite $uri" ;;
			esac
		done | sort -u >"$tmp/mirrors"
	if [[ $kind == security ]]; then
		head -n 1 "$tmp/mirrors"
	else
		# third parties too serve a path named debian: the archive is the one with an -updates suite
		{ grep -- '-updates ' "$tmp/mirrors" || cat "$tmp/mirrors"; } | sed -n '1s/.* //p'
	fi
}

main=$(mirror main)
[[ -n $main ]] || skip "apt here knows no Debian mirror (set NETTRACE_MIRROR_MAIN)"
security=$(mirror security)
security=${security:-${main%/}-security/}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -f $keyring ]] || skip "no $keyring: apt-get install debian-archive-keyring"

state=$vm_cache/apt/$lock
mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
for suite in ${g_suites//,/ }; do
	uri=$main
	[[ $suite == *-security ]] && uri=$security
	echo "deb [arch=amd64 signed-by=$keyring] $uri $suite main"
done >"$state/sources.list"
# Read last, so it wins over the system's; hooks of the system's apt would touch the system's caches.
cat >"$state/apt.conf" <<-END
	#clear APT::Update::Pre-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	#clear APT::Architectures;
	APT::Architecture "amd64";
	APT::Architectures { "amd64"; };
	APT::Sandbox::User "";
	Acquire::Languages "none";
	Acquire::Retries "2";
	Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
	Dir::Etc::SourceList "$state/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "/dev/null";
	Dir::State "$state";
	Dir::State::Lists "$state/lists";
	Dir::State::status "/dev/null";
	Dir::Cache "$state/cache";
END

apt() {
	local tool=$1

	shift
	"apt-$tool" -q -c "$state/apt.conf" "$@"
}

log=$tmp/apt.log
updated=
for try in 1 2 3; do
	if apt get -o APT::Update::Error-Mode=any update >"$log" 2>&1; then
		updated=1
		break
	fi
	sleep $((try * 2))
done
[[ -n $updated ]] || skip "apt-get update of $g_suites failed: $(grep -m1 -E '^(E|W|Err)' "$log" || tail -n1 "$log")"

# "version package", newest first, of one version the signed package first: under lockdown
# the kernel loads signed modules only
candidates() {
	local names

	names=$(apt cache search --names-only "^${g_package}\$" | cut -d' ' -f1)
	[[ -n $names ]] || return 0
	# shellcheck disable=SC2086 # one word a package
	apt cache madison $names | awk '{ print $3, $1 }' | LC_ALL=C sort -u -k1,1Vr -k2,2
}

download() {
	local try

	for try in 1 2 3; do
		(cd "$tmp/debs" && apt get download "$@") >"$log" 2>&1 && return 0
		sleep "$try"
	done
	return 1
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
	if download "$package=$version" "${more[@]}"; then
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
[[ -n $stamp ]] || skip "download failed: $(grep -m1 -E '^(E|Err)' "$log" || tail -n1 "$log")"

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

echo "$release" >"$out/release"
echo "$stamp" >"$out/stamp"
install_result "$out"
