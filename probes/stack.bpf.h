/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events with a kernel stack at their end: raw addresses, innermost first, zeros behind them. */
#ifndef NT_STACK_BPF_H
#define NT_STACK_BPF_H

#include "event.bpf.h"

/*
 * The innermost frames are those of BPF and of the tracepoint. How many depends on the kernel, and
 * a little on who calls: what was right last time is tried first.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nt_skip SEC(".maps");

/* `first`: the frame to begin with, where it is known; else `skip` are left out. */
static __always_inline long nt_get_stack(void *ctx, __u64 *stack, __u64 first, __u32 skip)
{
	__u32 zero = 0, i, *cached = bpf_map_lookup_elem(&nt_skip, &zero);
	long len;

	if (!first || !cached)
		return bpf_get_stack(ctx, stack, NT_STACK_SIZE, skip & BPF_F_SKIP_FIELD_MASK);
	skip = *cached & 15;
	len = bpf_get_stack(ctx, stack, NT_STACK_SIZE, skip);
	if (len < 0 || stack[0] == first)
		return len;
	len = bpf_get_stack(ctx, stack, NT_STACK_SIZE, 0);
	for (i = 1; i < 16; i++)
		if (stack[i] == first) {
			*cached = i;
			return bpf_get_stack(ctx, stack, NT_STACK_SIZE, i);
		}
	return len;
}

/* `event` is `size` bytes without the stack. A stack that cannot be had is counted. */
static __always_inline void nt_emit_stack(void *ctx, void *event, const __u64 size, __u64 first,
					  __u32 skip)
{
	struct nt_counters *count = nt_wanted(event);
	void *record;

	if (!count)
		return;
	record = bpf_ringbuf_reserve(&nt_events, size + NT_STACK_SIZE, 0);
	if (!record) {
		NT_COUNT(count, lost_buffer);
		return;
	}
	__builtin_memcpy(record, event, size);
	if (nt_get_stack(ctx, record + size, first, skip) < 0) {
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_stack);
	}
	bpf_ringbuf_submit(record, nt_wakeup(size + NT_STACK_SIZE + 8));
}

#endif
