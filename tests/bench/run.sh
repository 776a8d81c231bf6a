#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What tracing costs: run.sh NETTRACE CHURN PACKETS. Natively in ns, in a guest that counts instructions in
# instructions.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
nettrace=$1 churn=$2 packets=$3
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT

cp "$nettrace" "$share/nettrace"
cp "$churn" "$packets" "$(dirname "$churn")/filterrun" "$share"
mkdir "$share/bench"
cp "$here"/*.py "$share/bench"
cp -r "$here/../live" "$share/live"
[[ ! -x /usr/sbin/softirqs ]] || cp /usr/sbin/softirqs "$share/other-softirqs"

# The root file system of guests does not have all of libbpf-tools.
other() {
	if [[ -x $share/other-$1 ]]; then echo "/share/other-$1"; else echo "/usr/sbin/$1"; fi
}

echo "binary: $(stat -c %s "$nettrace") bytes"
echo
echo "this host ($(uname -r)), ns a call"
python3 -B "$here/cost.py" --tool tcptop --nettrace "$nettrace" --churn "$churn" --calls 200000
for guest in ${GUESTS:-6.1}; do
	echo
	echo "guest $guest, one CPU, instructions a call"
	"$here/../vm/run.sh" --icount --share "$share" "$guest" -- \
		python3 -B /share/bench/cost.py --tool tcptop --nettrace /share/nettrace \
		--churn /share/churn --calls 20000 --other /usr/sbin/tcptop || echo "guest $guest: not measured"
done
echo
echo "filters on this host, ns"
"$(dirname "$churn")/filterrun" cost
for guest in ${GUESTS:-6.1}; do
	echo
	echo "filters in guest $guest, instructions"
	"$here/../vm/run.sh" --icount --share "$share" "$guest" -- /share/filterrun cost ||
		echo "guest $guest: not measured"
done
for tool in tcplife tcpstates tcpaccept tcpconnect tcpconnlat tcptracer softirqs; do
	echo
	echo "this host ($(uname -r)), ns, 20000 connections"
	python3 -B "$here/cost.py" --tool $tool --nettrace "$nettrace" --churn "$churn" \
		--connections 20000 --other /usr/sbin/$tool
	for guest in ${GUESTS:-6.1}; do
		echo
		echo "guest $guest, one CPU, instructions, 1000 connections"
		"$here/../vm/run.sh" --icount --share "$share" "$guest" -- \
			python3 -B /share/bench/cost.py --tool $tool --nettrace /share/nettrace \
			--churn /share/churn --other "$(other $tool)" || echo "guest $guest: not measured"
	done
done

echo
echo "this host ($(uname -r)), a stream of iperf3 over loopback"
python3 -B "$here/paired.py" --nettrace "$nettrace" tcpsubnet
# paired LOAD TOOL: pairs of runs here and in guests
paired() {
	local load=$1 tool=$2

	echo
	echo "this host ($(uname -r)), $tool, small packets $load"
	# shellcheck disable=SC2086
	python3 -B "$here/paired.py" --nettrace "$nettrace" --packets "$packets" $load -- $tool
	for guest in ${GUESTS:-6.1}; do
		echo
		echo "guest $guest, one CPU, $tool, small packets $load, instructions"
		# shellcheck disable=SC2086
		"$here/../vm/run.sh" --icount --share "$share" "$guest" -- \
			python3 -B /share/bench/paired.py --nettrace /share/nettrace --packets /share/packets \
			--pairs 3 $load --count 3000 -- $tool || echo "guest $guest: not measured"
	done
}

paired "" netqtop
paired "--refused --count 20000" "tcpdrop -c"
paired "--refused --count 20000" "tcpdrop --no-stack"
