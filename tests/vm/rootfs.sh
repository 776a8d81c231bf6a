#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Build the root file system of all guests from this machine's own programs: rootfs.sh OUT
# OUT is an ext4 image; nothing is done when OUT already holds what would be built.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Debian's own programs: what else comes first in PATH may be wrappers of any kind
PATH=/usr/sbin:/usr/bin:/sbin:/bin

[[ $# == 1 ]] || die "usage: rootfs.sh OUT"
out=$1
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

exec 9>"$out.lock"
flock 9
key=$(
	{
		cat "$vm_dir/rootfs.sh" "$vm_dir/lib.sh"
		for entry in busybox:- "${programs[@]}" "${optional[@]/%/:-}"; do
			path=$(command -v "${entry%%:*}") && stat -Lc '%n %s %Y' "$path"
		done || true
		stat -Lc '%n %s %Y' /usr/lib/python3*/os.py /lib/*/libc.so.6 2>/dev/null || true
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

add "$(command -v busybox)"
busybox=$(merged "$(command -v busybox)")
for entry in "${programs[@]}" "${optional[@]/%/:-}"; do
	path=$(command -v "${entry%%:*}") || continue
	add "$path"
	[[ ${entry%%:*} != python3 ]] || ln -sf python3 "$root/usr/bin/$(basename "$(readlink -f "$path")")"
done
ln -s dash "$root/usr/bin/sh"
while read -r path; do
	[[ ! -f $path ]] || add "$path"
done < <(dpkg -L "${essential[@]}" | grep -E '^(/usr)?/s?bin/')
ln -s mawk "$root/usr/bin/awk"
# applets fill what gaps are left
while read -r applet; do
	name=$(basename "$applet")
	[[ ! -e $root/usr/bin/$name && ! -e $root/usr/sbin/$name ]] || continue
	ln -s "$busybox" "$root/usr/bin/$name"
done < <(busybox --list)
for name in insmod lsmod rmmod depmod; do
	rm -f "$root/usr/bin/$name"
	ln -s modprobe "$root/usr/sbin/$name"
done
# the kernel's usermode helper has this path compiled in
[[ -e $root/usr/sbin/modprobe ]] || ln -s ../bin/modprobe "$root/usr/sbin/modprobe"

python=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
add_tree "$python"
(
	cd "$root$python"
	rm -rf test idlelib tkinter turtledemo lib2to3 ensurepip distutils pydoc_data venv config-* dist-packages \
		site-packages sitecustomize.py turtle.py __pycache__/{turtle,sitecustomize}.* EXTERNALLY-MANAGED
	find . -name '*.opt-*.pyc' -delete
	find . -type d -name tests -prune -exec rm -rf {} +
)
# what ldd cannot see: plugins, tables, the netem distributions
for dir in /usr/lib/*/xtables /usr/lib/tc /etc/iproute2 /usr/share/iproute2 /usr/lib/locale/C.utf8 \
	/etc/mime.types /etc/protocols /etc/services /etc/nginx /etc/ethertypes; do
	add_tree "$dir"
done
rm -rf "$root"/etc/nginx/modules-enabled/* "$root"/etc/nginx/sites-enabled/*

# shared libraries of all that is in so far; a binary's interpreter is in ldd's list too
# (ldd fails for scripts and static programs, which need nothing)
find "$root/usr" -type f \( -perm -u+x -o -name '*.so*' \) -print0 |
	{ xargs -0 -n 64 ldd 2>/dev/null || true; } |
	sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) (.*/\1/p' | sort -u >"$tmp/libs"
while read -r lib; do
	add "$lib"
done <"$tmp/libs"

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
mv "$tmp/image" "$out"
echo "$key" >"$out.key"
