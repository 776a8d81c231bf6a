#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The same source gives the same bytes, wherever it lies: test_reproducible.sh NETTRACE SOURCE BUILD_TYPE
set -euo pipefail
nettrace=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/elsewhere"
cp -r "$source"/{CMakeLists.txt,cmd,core,output,probes} "$work/elsewhere/"
cmake -S "$work/elsewhere" -B "$work/elsewhere/out" -DNETTRACE_TESTS=OFF >/dev/null
cmake --build "$work/elsewhere/out" >/dev/null
DESTDIR="$work/root" cmake --install "$work/elsewhere/out" --prefix /usr >/dev/null

failed=0
expect() {
	if "${@:2}"; then
		echo "ok $1"
	else
		echo "FAIL $1: ${*:2}"
		failed=$((failed + 1))
	fi
}
expect same-bytes cmp "$nettrace" "$work/elsewhere/out/nettrace"
expect static bash -c "! ldd '$nettrace' >/dev/null 2>&1"
expect small test "$(stat -c %s "$nettrace")" -le 2500000
expect installed test -x "$work/root/usr/bin/nettrace"
expect link test "$("$work/root/usr/bin/tcplife" --columns help | head -c 4)" = tool
echo "$((5 - failed)) passed, $failed failed, 0 skipped"
exit $((failed != 0))
