# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2034
# Shared by fetch.sh, rootfs.sh and run.sh; sourced, not run.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vm_cache=${NETTRACE_CACHE:-$HOME/.cache/nettrace}
# mke2fs, depmod and debugfs live in sbin, which an ordinary user's PATH lacks
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
	say "$@"
	exit "${vm_status:-1}"
}

need() {
	local tool=$1 package=$2

	command -v "$tool" >/dev/null || die "$tool is missing: apt-get install $package"
}

# guest NAME: sets g_arch g_suites g_package g_cmdline g_flags, or fails
guest() {
	local name

	while read -r name g_arch g_suites g_package g_cmdline g_flags; do
		case $name in '' | '#'*) continue ;; esac
		[[ $name == "$1" ]] || continue
		[[ $g_cmdline == - ]] && g_cmdline=
		g_cmdline=${g_cmdline//,/ }
		return 0
	done <"$vm_dir/kernels"
	die "no guest '$1'; known: $(guests | tr '\n' ' ')"
}

guests() {
	sed -e '/^#/d' -e '/^[[:space:]]*$/d' "$vm_dir/kernels" | cut -f1
}

# image OUT DIR: an ext4 file system of DIR. No journal, no checksums: nothing to replay or to
# load at mount time.
image() {
	local out=$1 dir=$2 kib files

	kib=$(du -sk "$dir" | cut -f1)
	files=$(find "$dir" | wc -l)
	rm -f "$out"
	mke2fs -q -F -t ext4 -b 4096 -m 0 -N $((files + files / 4 + 512)) \
		-O ^has_journal,^metadata_csum,^resize_inode,^64bit \
		-E root_owner=0:0,lazy_itable_init=1 \
		-d "$dir" "$out" $((kib + kib / 4 + files + 32768))k </dev/null >/dev/null
	debugfs -w -R 'rmdir lost+found' "$out" >/dev/null 2>&1
}
