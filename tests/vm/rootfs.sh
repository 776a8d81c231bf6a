#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Build the root file system of guests: rootfs.sh OUT [ARCH]
# Of this machine's own programs, or for a foreign Debian architecture of Debian's packages, then OUT.busybox is
# its busybox. OUT is an ext4 image; nothing is done when OUT already holds what would be built. Exit status 77:
# the packages cannot be had here and now.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=apt.sh
. "$vm_dir/apt.sh"

# Debian's own programs: what else comes first in PATH may be wrappers of any kind
PATH=/usr/sbin:/usr/bin:/sbin:/bin

[[ $# == 1 || $# == 2 ]] || die "usage: rootfs.sh OUT [ARCH]"
out=$1 arch=${2:-amd64}
mkdir -p "$(dirname "$out")"

need mke2fs e2fsprogs
need flock util-linux

# program:package; a program is found in PATH
programs=(
	dash:dash bash:bash python3:python3 curl:curl
	ip:iproute2 ss:iproute2 tc:iproute2 nstat:iproute2
	iptables:iptables ip6tables:iptables nft:nftables modprobe:kmod
	nginx:nginx-light ab:apache2-utils iperf3:iperf3
)
# whole packages, all of them essential in Debian: scripts work as on the host, and busybox's env,
# timeout, xargs and so on would start busybox's own ip instead of the real one
essential=(coreutils diffutils findutils grep gzip hostname mawk sed tar util-linux)
# taken when they are there
optional=(bpftool ethtool strace tcplife tcpstates tcptop ps pgrep pkill sysctl free top lsof jq)

if [[ $arch == amd64 ]]; then
	missing=()
	for entry in busybox:busybox-static "${programs[@]}"; do
		command -v "${entry%%:*}" >/dev/null || missing+=("${entry#*:}")
	done
	if ((${#missing[@]})); then
		say "missing on this machine: apt-get install $(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')"
		exit 1
	fi
	! ldd "$(command -v busybox)" >/dev/null 2>&1 ||
		die "busybox is not static: apt-get install busybox-static"
fi

skip() {
	say "packages for $arch not available: $*"
	exit 77
}

exec 9>"$out.lock"
flock 9
key=$(
	{
		cat "$vm_dir/rootfs.sh" "$vm_dir/lib.sh"
		if [[ $arch == amd64 ]]; then
			for entry in busybox:- "${programs[@]}" "${optional[@]/%/:-}"; do
				path=$(command -v "${entry%%:*}") && stat -Lc '%n %s %Y' "$path"
			done || true
			stat -Lc '%n %s %Y' /usr/lib/python3*/os.py /lib/*/libc.so.6 2>/dev/null || true
		fi
	} | sha256sum | cut -d' ' -f1
)
if [[ -f $out && $(cat "$out.key" 2>/dev/null) == "$key" ]]; then
	exit 0
fi

tmp=$(mktemp -d "$(dirname "$out")/.rootfs.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,usr/share,etc,proc,sys,dev,tmp,run,root,out,share}
mkdir -p "$root"/var/{log/nginx,lib/nginx,cache,tmp,www/html}
for dir in bin sbin lib lib64; do
	ln -s "usr/$dir" "$root/$dir"
done
ln -s /run "$root/var/run"
chmod 1777 "$root/tmp" "$root/var/tmp"

# Where a path lies once /bin, /lib and friends are links into /usr
merged() {
	case $1 in
	/bin/* | /sbin/* | /lib/* | /lib64/*) echo "/usr$1" ;;
	*) echo "$1" ;;
	esac
}

# add FILE...: each to its place, contents of links, times kept (python checks those of its caches)
add() {
	local path to

	for path; do
		to=$root$(merged "$path")
		mkdir -p "$(dirname "$to")"
		[[ -e $to ]] || cp -pL "$path" "$to"
	done
}

add_tree() {
	local path to

	for path; do
		[[ -e $path ]] || continue
		to=$root$(merged "$path")
		mkdir -p "$(dirname "$to")"
		cp -a "$path" "$(dirname "$to")/"
	done
}

# links BUSYBOX: what maintainer scripts and alternatives would have linked; applets fill what gaps are left
links() {
	local busybox=$1 applet name

	ln -sf dash "$root/usr/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	for name in iptables ip6tables; do
		[[ -e $root/usr/sbin/$name ]] || ln -s xtables-nft-multi "$root/usr/sbin/$name"
	done
	while read -r applet; do
		name=$(basename "$applet")
		[[ ! -e $root/usr/bin/$name && ! -e $root/usr/sbin/$name ]] || continue
		ln -s "$busybox" "$root/usr/bin/$name"
	done < <(busybox --list)
	for name in insmod lsmod rmmod depmod; do
		rm -f "$root/usr/bin/$name"
		ln -sf modprobe "$root/usr/sbin/$name"
	done
	# the kernel's usermode helper has this path compiled in
	[[ -e $root/usr/sbin/modprobe ]] || ln -s ../bin/modprobe "$root/usr/sbin/modprobe"
}

# shrink PYTHON: without what no test imports
shrink() {
	(
		cd "$root$1"
		rm -rf test idlelib tkinter turtledemo lib2to3 ensurepip distutils pydoc_data venv config-* \
			dist-packages site-packages sitecustomize.py turtle.py \
			__pycache__/{turtle,sitecustomize}.* EXTERNALLY-MANAGED
		find . -name '*.opt-*.pyc' -delete
		find . -type d -name tests -prune -exec rm -rf {} +
	)
}

from_this_machine() {
	local entry path lib python

	add "$(command -v busybox)"
	for entry in "${programs[@]}" "${optional[@]/%/:-}"; do
		path=$(command -v "${entry%%:*}") || continue
		add "$path"
		[[ ${entry%%:*} != python3 ]] || ln -sf python3 "$root/usr/bin/$(basename "$(readlink -f "$path")")"
	done
	while read -r path; do
		[[ ! -f $path ]] || add "$path"
	done < <(dpkg -L "${essential[@]}" | grep -E '^(/usr)?/s?bin/')
	links "$(merged "$(command -v busybox)")"
	python=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	add_tree "$python"
	shrink "$python"
	# what ldd cannot see: plugins, tables, the netem distributions
	for path in /usr/lib/*/xtables /usr/lib/tc /etc/iproute2 /usr/share/iproute2 /usr/lib/locale/C.utf8 \
		/etc/mime.types /etc/protocols /etc/services /etc/nginx /etc/ethertypes; do
		add_tree "$path"
	done
	# shared libraries of all that is in so far; a binary's interpreter is in ldd's list too
	# (ldd fails for scripts and static programs, which need nothing)
	find "$root/usr" -type f \( -perm -u+x -o -name '*.so*' \) -print0 |
		{ xargs -0 -n 64 ldd 2>/dev/null || true; } |
		sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) (.*/\1/p' | sort -u >"$tmp/libs"
	while read -r lib; do
		add "$lib"
	done <"$tmp/libs"
}

# The same programs from the release that this machine's tests are written on; nothing of them runs here.
from_packages() {
	local deb python

	private_apt "$arch" bookworm,bookworm-security
	# shellcheck disable=SC2046 # one word a package
	download "$tmp" install -y --download-only --no-install-recommends -o Dir::Cache::archives="$tmp/debs" \
		busybox-static procps "${essential[@]}" $(printf '%s\n' "${programs[@]#*:}" | sort -u) ||
		skip "download failed: $(grep -m1 -E '^(E|Err)' "$apt_log" || tail -n1 "$apt_log")"
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
	done
	cp "$root/usr/bin/busybox" "$tmp/busybox"
	links /usr/bin/busybox
	python=$(cd "$root" && echo usr/lib/python3.*)
	shrink "/$python"
	# compiled here: it takes the guest minutes. Another version of python makes files that are passed over.
	python3 -m compileall -q -s "$root" "$root/$python" || true
	rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,bug,perl,perl5} "$root"/usr/lib/*/{perl,perl-base,gconv} \
		"$root"/var/lib/dpkg "$root"/usr/include
}

if [[ $arch == amd64 ]]; then
	from_this_machine
else
	mkdir -p "$tmp/debs/partial"
	from_packages
fi
rm -rf "$root"/etc/nginx/modules-enabled/* "$root"/etc/nginx/sites-enabled/*

echo 'root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false' >"$root/etc/passwd"
echo 'root:x:0:
daemon:x:1:
adm:x:4:
www-data:x:33:
nogroup:x:65534:' >"$root/etc/group"
echo '127.0.0.1 localhost
::1 localhost ip6-localhost' >"$root/etc/hosts"
echo 'hosts: files' >"$root/etc/nsswitch.conf"
: >"$root/etc/resolv.conf"
# no dummy0 that nobody asked for
mkdir -p "$root/etc/modprobe.d"
echo 'options dummy numdummies=0' >"$root/etc/modprobe.d/vm.conf"
: >"$root/etc/ld.so.conf"
mkdir -p "$root/usr/lib/modules"
ldconfig -r "$root" 2>/dev/null

image "$tmp/image" "$root"
[[ ! -e $tmp/busybox ]] || mv "$tmp/busybox" "$out.busybox"
mv "$tmp/image" "$out"
echo "$key" >"$out.key"
