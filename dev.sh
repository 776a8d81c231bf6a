#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The project's commands; each installs what it needs on Debian 12 and says what is missing elsewhere.
set -euo pipefail
cd "$(dirname "$0")"

build_packages="clang cmake gcc gzip libbpf-dev libc6-dev libelf-dev libzstd-dev llvm make zlib1g-dev"
test_packages="fish libasan8 libclang-rt-14-dev libcmocka-dev libubsan1 mandoc python3 rpm zsh $(cat tests/vm/packages)"
demo_packages="curl python3"
arm64_before=2100 # seconds from the start of a run that has to end within 45 minutes; it takes up to 8 of them

usage() {
	cat <<-'END'
		./dev.sh demo            trace a few real downloads on this host
		./dev.sh test [REGEX]    all tests; of the live ones a share in each guest kernel, and on arm64 in time
		./dev.sh test --full     all in every guest kernel, arm64 too
		./dev.sh bench           what tracing costs, next to libbpf-tools
		./dev.sh run TOOL ARGS   build and run a tool
		./dev.sh build           build/nettrace
		./dev.sh build-arm64     build/arm64/nettrace, by a cross compiler
		./dev.sh package         .deb, .rpm and .tar.gz in build/packages
	END
}

as_root() {
	if [[ $(id -u) == 0 ]]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "dev.sh: '$1' needs root, and there is no sudo" >&2
		return 1
	fi
}

missing() {
	local package

	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
	done
}

# Installs Debian packages. Elsewhere the names are told, and what is not there fails where it is needed.
need() {
	local absent

	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "dev.sh: not a Debian system: the equivalents of these packages are needed: $*" >&2
		return 0
	fi
	absent=$(missing "$@")
	[[ -n $absent ]] || return 0
	echo "dev.sh: installing" $absent >&2
	as_root apt-get -q update >/dev/null 2>&1 || true
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install -y --no-install-recommends $absent >/dev/null || {
		echo "dev.sh: apt-get could not install:" $absent >&2
		return 1
	}
}

# Says nothing unless it fails.
quiet() {
	local log status=0

	log=$(mktemp)
	"$@" >"$log" 2>&1 || status=$?
	((status == 0)) || cat "$log" >&2
	rm -f "$log"
	return $status
}

build() {
	need $build_packages
	quiet cmake -S . -B build -DNETTRACE_TESTS="${1:-OFF}"
	quiet cmake --build build -j"$(nproc)"
}

# 77: the libraries for arm64 cannot be fetched here.
build_arm64() {
	local sysroot

	need gcc-aarch64-linux-gnu libc6-dev-arm64-cross apt debian-archive-keyring
	build "${1:-OFF}"
	sysroot=$(tests/vm/sysroot.sh arm64) || return
	quiet cmake -S . -B build/arm64 -DCMAKE_TOOLCHAIN_FILE="$PWD/docs/packaging/aarch64.cmake" \
		-DNETTRACE_SYSROOT="$sysroot" -DNETTRACE_NATIVE="$PWD/build/nettrace" \
		-DNETTRACE_TESTS="${1:-OFF}" || return
	quiet cmake --build build/arm64 -j"$(nproc)"
}

demo() {
	local dir port=8000 tracer server

	build
	need $demo_packages
	dir=$(mktemp -d)
	head -c 3000000 /dev/urandom >"$dir/file"
	(cd "$dir" && exec python3 -m http.server --bind 127.0.0.1 $port >/dev/null 2>&1) &
	server=$!
	trap 'kill $server 2>/dev/null; rm -rf "$dir"' RETURN
	until curl -s -o /dev/null http://127.0.0.1:$port/ || ! kill -0 $server; do sleep 0.05; done
	echo "+ nettrace tcplife -T --port $port     (while curl fetches from python3 -m http.server)"
	as_root build/nettrace tcplife -T --port $port --ready-file "$dir/ready" --duration 30 --max-events 6 &
	tracer=$!
	until [[ -e $dir/ready ]] || ! kill -0 $tracer 2>/dev/null; do sleep 0.05; done
	curl -s -o /dev/null http://127.0.0.1:$port/ || true
	curl -s -o /dev/null "http://127.0.0.1:$port/file" || true
	curl -s -o /dev/null --limit-rate 4M "http://127.0.0.1:$port/file" || true
	wait $tracer
}

# A build tree of its own for the sanitizers, and one for the fuzz targets.
test_trees() {
	build ON
	quiet cmake -S . -B build/asan -DNETTRACE_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug
	quiet cmake --build build/asan -j"$(nproc)"
	quiet cmake -S . -B build/fuzz -DNETTRACE_FUZZ=ON -DNETTRACE_STATIC=OFF -DCMAKE_C_COMPILER=clang \
		-DCMAKE_BUILD_TYPE=Debug
	quiet cmake --build build/fuzz -j"$(nproc)" --target fuzz_record fuzz_expr fuzz_dns
}

# A fixed number of inputs each, from a fixed seed: the same run every time.
fuzz() {
	local target seeds ok=0 failed=0

	for target in record expr dns; do
		seeds=tests/fuzz/$target
		[[ -d $seeds ]] || seeds=-seed_inputs=$(find tests/replay -name '*.nt' | sort | paste -sd,)
		rm -rf build/fuzz/corpus
		mkdir build/fuzz/corpus
		if "build/fuzz/tests/fuzz_$target" -runs=50000 -seed=1 -artifact_prefix=build/fuzz/ \
			build/fuzz/corpus "$seeds" >"build/fuzz/$target.log" 2>&1; then
			echo "ok fuzz-$target"
			ok=$((ok + 1))
		else
			echo "FAIL fuzz-$target"
			tail -40 "build/fuzz/$target.log"
			failed=$((failed + 1))
		fi
	done
	echo "$ok passed, $failed failed, 0 skipped"
	return $((failed != 0))
}

# Adds up what the runners say of themselves: cmocka's summaries and the lines "N passed, N failed, N skipped".
tally() {
	awk '
		/\[  PASSED  \] [0-9]+ test/ { p += $4 }
		/\[  FAILED  \] +[0-9]+ test/ { f += $4 }
		/\[  SKIPPED \] [0-9]+ test/ { s += $4 }
		/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5 }
		/GUEST SKIPPED/ { s++ }
		END { printf "nettrace: %d passed, %d failed, %d skipped\n", p, f, s; exit p == 0 }
	' "$@"
}

not_on_arm64() { # LOG WHY
	mkdir -p "$(dirname "$1")"
	echo "GUEST SKIPPED: nothing was tested on arm64: $2" >"$1"
}

run_tests() {
	local failed=0 full='' status=0 only last=Testing/Temporary/LastTest.log
	local log=build/$last asan=build/asan/$last arm64=build/arm64/$last

	if [[ ${1:-} == --full ]]; then
		full=1
		export NETTRACE_FULL=1
		shift
	fi
	only=${1:-.}
	need $build_packages $test_packages
	test_trees
	rm -f $log $asan $arm64 build/fuzz/run.log
	fuzz >build/fuzz/run.log || failed=1
	cat build/fuzz/run.log
	ctest --test-dir build/asan -L 'unit|replay' -R "$only" --output-on-failure --no-tests=ignore || failed=1
	# Guests side by side: each has one thread, and waits now and then.
	ctest --test-dir build -j $(($(nproc) + 1)) -R "$only" --output-on-failure --no-tests=ignore || failed=1
	if [[ -n $full ]] || [[ $only == . && $SECONDS -lt $arm64_before ]]; then
		need qemu-system-arm && build_arm64 ON || status=$?
		if ((status == 77)); then
			not_on_arm64 $arm64 "its libraries could not be fetched"
		elif ((status)); then
			failed=1
		else
			ctest --test-dir build/arm64 -L vm -R "$only" --output-on-failure --no-tests=ignore || failed=1
		fi
	elif [[ $only == . ]]; then
		not_on_arm64 $arm64 "the others took $((SECONDS / 60)) minutes, no time was left"
	fi
	grep -hE '^(FAIL|try|skip|SKIP|GUEST SKIPPED|MOVING)' $log $asan $arm64 2>/dev/null || true
	tally $(ls $log $asan $arm64 build/fuzz/run.log 2>/dev/null) || failed=1
	return $failed
}

package() {
	need rpm python3
	build
	quiet cpack --config build/CPackConfig.cmake -B build/packages
	ls build/packages/*.{deb,rpm,tar.gz}
}

case ${1:-} in
demo) demo ;;
test) shift && run_tests "$@" ;;
bench)
	build ON
	need iperf3 libbpf-tools $(cat tests/vm/packages)
	tests/bench/run.sh build/nettrace build/tests/churn build/tests/packets
	;;
run) shift && build >&2 && as_root build/nettrace "$@" ;;
build) build ;;
build-arm64) build_arm64 ;;
package) package ;;
'' | help | --help | -h) usage ;;
*)
	echo "dev.sh: '$1' is no command" >&2
	usage >&2
	exit 2
	;;
esac
