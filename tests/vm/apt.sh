# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A private apt: other suites and architectures than this machine's, without touching its own state.
# Sourced after lib.sh. The caller defines skip(), which says why and ends, and $tmp.

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

# private_apt ARCH SUITE[,SUITE]: fetches the indexes; then `apt get|cache ...` is about them
private_apt() {
	local arch=$1 suites=$2 main security keyring suite uri try updated=

	main=$(mirror main)
	[[ -n $main ]] || skip "apt here knows no Debian mirror (set NETTRACE_MIRROR_MAIN)"
	security=$(mirror security)
	security=${security:-${main%/}-security/}
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -f $keyring ]] || skip "no $keyring: apt-get install debian-archive-keyring"

	apt_state=$vm_cache/apt/${suites%%,*}
	[[ $arch == amd64 ]] || apt_state+=-$arch
	apt_log=$tmp/apt.log
	mkdir -p "$apt_state/lists/partial" "$apt_state/cache/archives/partial"
	for suite in ${suites//,/ }; do
		uri=$main
		[[ $suite == *-security ]] && uri=$security
		echo "deb [arch=$arch signed-by=$keyring] $uri $suite main"
	done >"$apt_state/sources.list"
	# Read last, so it wins over the system's; hooks of the system's apt would touch the system's caches.
	cat >"$apt_state/apt.conf" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear APT::Architectures;
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Sandbox::User "";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
		Dir::Etc::SourceList "$apt_state/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$apt_state";
		Dir::State::Lists "$apt_state/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt_state/cache";
	END
	for try in 1 2 3; do
		if apt get -o APT::Update::Error-Mode=any update >"$apt_log" 2>&1; then
			updated=1
			break
		fi
		sleep $((try * 2))
	done
	[[ -n $updated ]] ||
		skip "apt-get update of $suites failed: $(grep -m1 -E '^(E|W|Err)' "$apt_log" || tail -n1 "$apt_log")"
}

apt() {
	local tool=$1

	shift
	"apt-$tool" -q -c "$apt_state/apt.conf" "$@"
}

# download DIR ARGS...: apt get ARGS in DIR, more than once if need be
download() {
	local dir=$1 try

	shift
	mkdir -p "$dir"
	for try in 1 2 3; do
		(cd "$dir" && apt get "$@") >"$apt_log" 2>&1 && return 0
		sleep "$try"
	done
	return 1
}
