/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the compiled filter goes: a run of no-ops that the loader overwrites. Every probe is built
 * twice, with NT_FILTERED and without: the no-ops make the verifier's work several times longer and
 * each further kernel type costs milliseconds (libbpf looks through all of the kernel's BTF for
 * it), so a run without a filter loads an object without either.
 */
#ifndef NT_FILTER_BPF_H
#define NT_FILTER_BPF_H

#include "kernel.h"

#define NT_STR_(x) #x
#define NT_STR(x) NT_STR_(x)

/* NT_IS_FILTERED: for what need not be done where nobody asks. */
#ifdef NT_FILTERED
#define NT_IS_FILTERED true

/*
 * The loader looks for the 64-bit constant NT_FILTER_MARK, writes the filter over it and the
 * NT_FILTER_SLOTS no-ops behind it, and a jump over those left (probe_splice()). Unpatched,
 * everything passes.
 */
static __attribute__((noinline)) int nt_expression(const void *event)
{
	register const void *in asm("r1") = event;
	register long verdict asm("r0");

	asm volatile("%[out] = " NT_STR(NT_FILTER_MARK) " ll\n"
		     ".rept " NT_STR(NT_FILTER_SLOTS) "\n"
		     "goto +0\n"
		     ".endr\n"
		     : [out] "=r"(verdict)
		     : "r"(in)
		     : "r2", "r3", "r4", "r5", "memory");
	return verdict;
}

/* Stand for maps that others made and pinned (core/pinned.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* cgroup v2 id */
	__type(value, __u64);
} nt_cgroupmap SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* mount namespace, inode */
	__type(value, __u32);
} nt_mntnsmap SEC(".maps");

/* `event` starts with a struct nt_event. */
static __always_inline int nt_filter(const void *event)
{
	const struct nt_owner *owner = &((const struct nt_event *)event)->owner;
	__u64 key;

	key = owner->cgroup;
	if (nt_params.pinned & NT_PINNED_CGROUPS && !bpf_map_lookup_elem(&nt_cgroupmap, &key))
		return 0;
	key = owner->mntns;
	if (nt_params.pinned & NT_PINNED_MNTNS && !bpf_map_lookup_elem(&nt_mntnsmap, &key))
		return 0;
	return nt_expression(event);
}

#else
#define NT_IS_FILTERED false

static __always_inline int nt_filter(const void *event)
{
	return 1;
}

#endif
#endif
