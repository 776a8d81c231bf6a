#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The live tests in one guest: matrix.sh NAME NETTRACE CHURN [RESULTS]. What came of each is put into the directory
# RESULTS. Emulation is slow: unless NETTRACE_FULL is set each guest runs its share of the tests, and all scenes; one of
# another architecture a few of those that tests/vm/foreign names, as far as they get.
# Exit status 77: the guest's kernel cannot be fetched here. A moving guest that is newer than the last one that passed
# (tests/vm/passed) may fail: that is told and counted, but does not fail the run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$1 nettrace=$2 churn=$3 results=${4:-}
only=. share_of='' timeout=2600 few=''
if [[ -z ${NETTRACE_FULL:-} ]] && ! grep -q "^$name[[:space:]]*amd64" "$here/kernels"; then
	only=$(grep -v '^#' "$here/foreign")
	share_of='--share 0/20'
	timeout=240
	few=1
elif [[ -z ${NETTRACE_FULL:-} ]]; then
	guests=$(grep -oE '^[0-9a-z][^[:space:]]*' "$here/kernels")
	share_of="--share $((($(grep -nx "$name" <<<"$guests" | cut -d: -f1) - 1) % 5))/5"
fi

status=0
kernel=$("$here/fetch.sh" "$name") || status=$?
if ((status == 77)); then
	echo "GUEST SKIPPED: the kernel of guest $name could not be fetched: nothing was tested on it"
	exit 77
fi
((status == 0)) || exit "$status"

share=$(mktemp -d)
out=$(mktemp -d)
trap 'rm -rf "$share" "$out"' EXIT
cp "$nettrace" "$share/nettrace"
cp "$churn" "$(dirname "$churn")/filterrun" "$share"
cp -r "$here/../live" "$share/live"
cp -r "$here/../bench" "$share/bench"

"$here/run.sh" --timeout "$timeout" --share "$share" --out "$out" "$name" -- \
	"uname -r; python3 /share/live/run.py --bin /share/nettrace --churn /share/churn --kernel $name $share_of \
		--only '$only' --results /out/$name.json" || status=$?
if [[ -n $results && -s $out/$name.json ]]; then
	mkdir -p "$results"
	cp "$out/$name.json" "$results/"
fi

if ((status == 124)) && [[ -n $few ]]; then
	echo "GUEST SKIPPED: guest $name was not done after $timeout s: what is not told above was not tested"
	exit 77
fi
release=$(cat "$kernel/release")
if ((status)) && grep -q "^$name[[:space:]].*moving" "$here/kernels" &&
	! grep -qx "$name $release" "$here/passed"; then
	echo "MOVING: guest $name is now $release, newer than the last one that passed:" \
		"what failed above does not count yet"
	exit 0
fi
exit "$status"
