/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Log2 histograms inside rows of nt_sums. */
#ifndef NT_HIST_BPF_H
#define NT_HIST_BPF_H

#include "kernel.h"

/*
 * The place of the highest bit; 0 for 0. There is no instruction for it, and shifts by a variable
 * take several (x86, before 6.2): so a tree of comparisons.
 */
#define NT_LOG2_2(v, n) ((n) + ((v) >= 2ull << (n)))
#define NT_LOG2_4(v, n) ((v) >= 4ull << (n) ? NT_LOG2_2(v, (n) + 2) : NT_LOG2_2(v, n))
#define NT_LOG2_8(v, n) ((v) >= 16ull << (n) ? NT_LOG2_4(v, (n) + 4) : NT_LOG2_4(v, n))
#define NT_LOG2_16(v, n) ((v) >= 256ull << (n) ? NT_LOG2_8(v, (n) + 8) : NT_LOG2_8(v, n))
#define NT_LOG2_32(v, n) ((v) >= 65536ull << (n) ? NT_LOG2_16(v, (n) + 16) : NT_LOG2_16(v, n))

static __always_inline __u32 nt_log2(__u64 v)
{
	return v > 0xffffffff ? NT_LOG2_32(v, 32) : NT_LOG2_32(v, 0);
}

/* `max` may lag behind when two CPUs raise it at once; the rest is exact. */
static __always_inline void nt_hist_add(struct nt_hist *hist, __u64 value)
{
	__u64 slot = nt_log2(value);

	asm volatile("" : "+r"(slot)); /* or the bound is one of 32 bits, which 5.10 forgets */
	if (slot >= NT_HIST_SLOTS)
		slot = NT_HIST_SLOTS - 1;
	__sync_fetch_and_add(&hist->count, 1);
	__sync_fetch_and_add(&hist->sum, value);
	__sync_fetch_and_add(&hist->slots[slot], 1);
	if (value > hist->max)
		hist->max = value;
}

#endif
