#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Run one command as root in a guest kernel; see README.md.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vm_status=125

usage() {
	cat >&2 <<-END
		usage: run.sh [-k] NAME [--smp N] [--icount] [--mem MB] [--append CMDLINE] [--share DIR]
		              [--out DIR] [--timeout SEC] [--console FILE] -- COMMAND...
		NAME is one of: $(guests | tr '\n' ' ')
	END
	exit 125
}

keep='' name='' smp=2 icount='' mem=1536 append='' share='' out='' timeout=300 console_copy=''
while (($#)); do
	case $1 in
	-k) keep=1 ;;
	--icount) icount=1 ;;
	--smp | --mem | --append | --share | --out | --timeout | --console)
		(($# > 1)) || usage
		case $1 in
		--smp) smp=$2 ;;
		--mem) mem=$2 ;;
		--append) append=$2 ;;
		--share) share=$2 ;;
		--out) out=$2 ;;
		--timeout) timeout=$2 ;;
		--console) console_copy=$2 ;;
		esac
		shift
		;;
	--)
		shift
		break
		;;
	-*) usage ;;
	*)
		[[ -z $name ]] || usage
		name=$1
		;;
	esac
	shift
done
[[ -n $name && $# -gt 0 ]] || usage
guest "$name"
[[ -z $share || -d $share ]] || die "--share $share: no such directory"
[[ -z $out ]] || mkdir -p "$out"
# one word is a shell command line, several are an argument vector
command=$1
if (($# > 1)); then
	command=
	for word; do
		# bash's own %q writes $'...', which other shells do not know
		command+="'${word//\'/"'\''"}' "
	done
fi
if [[ -n $icount ]]; then
	smp=1
fi

case $g_arch in
amd64)
	qemu_program=qemu-system-x86_64
	need $qemu_program qemu-system-x86
	need busybox busybox-static
	;;
arm64)
	qemu_program=qemu-system-aarch64
	need $qemu_program qemu-system-arm
	;;
*) die "no QEMU is known for $g_arch" ;;
esac
need cpio cpio

fetched=0
kernel=$("$vm_dir/fetch.sh" "$name") || fetched=$?
((fetched == 0)) || exit "$fetched"
rootfs=$vm_cache/rootfs.img
busybox=$(PATH=/usr/bin:/bin command -v busybox || true)
if [[ $g_arch != amd64 ]]; then
	rootfs=$vm_cache/rootfs-$g_arch.img
	busybox=$rootfs.busybox
fi
fetched=0
"$vm_dir/rootfs.sh" "$rootfs" "$g_arch" || fetched=$?
((fetched != 77)) || exit 77
((fetched == 0)) || exit "$vm_status"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/nettrace-vm.XXXXXX")
qemu=
cleanup() {
	if [[ -n $qemu ]]; then
		kill -9 "$qemu" 2>/dev/null || true
		wait "$qemu" 2>/dev/null || true
	fi
	[[ -z $console_copy ]] || cat "$tmp"/console.* >"$console_copy" 2>/dev/null || true
	if [[ -n $keep ]]; then
		say "kept: $tmp"
	else
		rm -rf "$tmp"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

modules="veth dummy sch_netem inet_diag tcp_diag udp_diag unix_diag nf_tables nft_compat"
modules+=" nf_conntrack ip_tables iptable_filter ip6_tables x_tables xt_statistic xt_tcpudp"

initrd=$tmp/initrd
mkdir -p "$initrd"/{bin,dev,new,early}
cp -L "$busybox" "$initrd/bin/busybox"
cp "$kernel"/early/*.ko "$initrd/early/"
cp "$vm_dir/init" "$initrd/init"
chmod 0755 "$initrd/init"
mkdir "$initrd/job"
echo "$name" >"$initrd/job/name"
echo "$modules" >"$initrd/job/modules"
printf '%s\n' "$command" >"$initrd/job/command"
(cd "$initrd" && find . | cpio --quiet -o -H newc -R 0:0) >"$tmp/initrd.cpio"

mkdir "$tmp/empty"
image "$tmp/share.img" "${share:-$tmp/empty}"

# Started uncompressed: no unpacking, no address randomisation, the same layout in every run.
image_file=$kernel/vmlinux
[[ -f $image_file ]] || image_file=$kernel/vmlinuz
# panic=-1 with -no-reboot ends QEMU at once
cmdline="panic=-1 loglevel=7 mitigations=off nokaslr random.trust_cpu=on rdinit=/init $g_cmdline $append"
case $g_arch in
amd64)
	cmdline="console=ttyS0 no_timer_check tsc=reliable $cmdline"
	machine=(-machine pc -cpu max)
	;;
arm64)
	cmdline="console=ttyAMA0 $cmdline"
	# the architected pointer authentication is slow to emulate
	machine=(-machine virt -cpu max,pauth-impdef=on)
	;;
esac
args=(
	-nodefaults -no-user-config -display none -no-reboot
	"${machine[@]}" -m "$mem" -smp "$smp"
	-kernel "$image_file" -initrd "$tmp/initrd.cpio" -append "$cmdline"
	-drive "file=$rootfs,if=none,id=root,format=raw,snapshot=on,cache=unsafe"
	-device virtio-blk-pci,drive=root
	-drive "file=$kernel/modules.img,if=none,id=mods,format=raw,readonly=on"
	-device virtio-blk-pci,drive=mods
	-drive "file=$tmp/share.img,if=none,id=share,format=raw,readonly=on"
	-device virtio-blk-pci,drive=share
	-device virtio-serial-pci
	-chardev "file,id=output,path=$tmp/output" -device virtserialport,chardev=output,nr=1
	-chardev "pipe,id=control,path=$tmp/control" -device virtserialport,chardev=control,nr=2
	-chardev "file,id=files,path=$tmp/files.tar" -device virtserialport,chardev=files,nr=3
)
if [[ -n $icount ]]; then
	args+=(-accel tcg -icount shift=0,sleep=off)
else
	args+=(-accel tcg,thread=single)
fi

mkfifo "$tmp/control.in" "$tmp/control.out" "$tmp/output"

# the words a broken kernel says on its console
trouble='BUG:|WARNING:|Oops|general protection fault|Kernel panic|Call Trace:|detected stall|self-detected'
trouble+='|soft lockup|hung_task|UBSAN|KASAN|blocked for more than'

# boot: sets started, ended (exit status of the command or empty), timed_out
boot() {
	local console=$1 limit word value rest reader line part=''

	started='' ended='' timed_out=''
	# 8 keeps the pipe of the output open until QEMU is gone, whether or not QEMU ever opens it
	exec 6<>"$tmp/control.out" 7<>"$tmp/control.in" 8<>"$tmp/output"
	# who reads our output may leave early; the guest must not block on that
	(
		trap '' PIPE
		cat 2>/dev/null || cat >/dev/null
	) <"$tmp/output" 6<&- 7>&- 8>&- &
	reader=$!
	"$qemu_program" "${args[@]}" -serial "file:$console" </dev/null >"$tmp/qemu.log" 2>&1 &
	qemu=$!
	# a loaded machine may take minutes to boot what takes seconds alone
	limit=$((SECONDS + 180))
	while kill -0 "$qemu" 2>/dev/null; do
		if IFS= read -r -t 0.2 line <&6; then
			read -r word value rest <<<"$part$line"
			part=''
			case $word in
			start)
				started="$value $rest"
				limit=$((SECONDS + timeout))
				;;
			exit) ended=$value ;;
			esac
			continue
		fi
		part+=$line # what came of a line before the time was over
		if ((SECONDS >= limit)); then
			[[ -n $started && -z $timed_out ]] || break
			timed_out=1
			echo stop >&7
			limit=$((SECONDS + 20))
		fi
	done
	# it may have said its last words between two looks
	while read -r -t 0 <&6 && IFS= read -r line <&6; do
		read -r word value rest <<<"$part$line"
		part=''
		case $word in
		start) started="$value $rest" ;;
		exit) ended=$value ;;
		esac
	done
	kill -9 "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	qemu=
	exec 6<&- 7>&- 8>&-
	wait "$reader" || true
}

console_tail() {
	say "the guest's last console lines:"
	tail -n 40 "$1" | tr -d '\r' | sed 's/^/    /' >&2
	[[ ! -s $tmp/qemu.log ]] || sed 's/^/    qemu: /' "$tmp/qemu.log" >&2
}

for attempt in 1 2 3 4 5; do
	console=$tmp/console.$attempt
	boot "$console"
	[[ -z $started ]] || break
	reason=$(grep -a -m1 -oE 'Kernel panic.*' "$console" | tr -d '\r' || true)
	if ((attempt == 5)); then
		console_tail "$console"
		die "guest $name did not boot in $attempt attempts"
	fi
	say "guest $name did not boot (${reason:-no start seen}), attempt $attempt of 5; booting again"
done
[[ -z $keep ]] || say "guest $name: kernel ${started#* }, command started ${started%% *} s after boot"

if [[ -n $out && -s $tmp/files.tar ]]; then
	tar -x -f "$tmp/files.tar" -C "$out" --no-same-owner || say "what came from /out is not whole"
fi

complaints=$(tr -d '\r' <"$console" | sed '1,/nettrace-vm: command starts/d' | grep -aE "$trouble" |
	grep -avE -f <(grep -vE '^(#|$)' "$vm_dir/console-allow") || true)
if [[ -n $complaints ]]; then
	say "the guest's kernel complained while the command ran:"
	head -n 20 <<<"$complaints" | sed 's/^/    /' >&2
fi
if [[ -z $ended ]]; then
	console_tail "$console"
	[[ -z $timed_out ]] || exit 124
	die "guest $name died while the command ran"
fi
if [[ -n $timed_out ]]; then
	say "timeout: the command was stopped after $timeout s"
	exit 124
fi
[[ -z $complaints ]] || exit "$vm_status"
exit "$ended"
