/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the compiled filter goes: a run of no-ops that the loader overwrites. */
#ifndef NT_FILTER_BPF_H
#define NT_FILTER_BPF_H

#include "kernel.h"

#define NT_STR_(x) #x
#define NT_STR(x) NT_STR_(x)

/*
 * The loader looks for the 64-bit constant NT_FILTER_MARK and writes the filter over it and the NT_FILTER_SLOTS no-ops
 * behind it (core/splice.c). Those left over cost nothing: the verifier removes jumps by 0 (since 5.1).
 * Unpatched, everything passes.
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

#endif
