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
static __attribute__((noinline)) int nt_filter(const void *event)
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

#else
#define NT_IS_FILTERED false

static __always_inline int nt_filter(const void *event)
{
	return 1;
}

#endif
#endif
