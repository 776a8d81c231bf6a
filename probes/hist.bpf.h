/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Log2 histograms inside rows of nt_sums. */
#ifndef NT_HIST_BPF_H
#define NT_HIST_BPF_H

#include "kernel.h"

/* The place of the highest bit; 0 for 0. There is no instruction for it. */
static __always_inline __u32 nt_log2(__u64 v)
{
	__u32 bit, r = 0;

	bit = (v > 0xffffffff) << 5;
	v >>= bit;
	r |= bit;
	bit = (v > 0xffff) << 4;
	v >>= bit;
	r |= bit;
	bit = (v > 0xff) << 3;
	v >>= bit;
	r |= bit;
	bit = (v > 0xf) << 2;
	v >>= bit;
	r |= bit;
	bit = (v > 0x3) << 1;
	v >>= bit;
	r |= bit;
	return r | v >> 1;
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
