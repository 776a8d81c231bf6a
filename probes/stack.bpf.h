/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events with a kernel stack at their end: raw addresses, innermost first, zeros behind them. */
#ifndef NT_STACK_BPF_H
#define NT_STACK_BPF_H

#include "event.bpf.h"

/* `event` is `size` bytes without the stack. A stack that cannot be had is counted. */
static __always_inline void nt_emit_stack(void *ctx, void *event, const __u64 size)
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
	if (bpf_get_stack(ctx, record + size, NT_STACK_SIZE, 0) < 0) {
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_stack);
	}
	bpf_ringbuf_submit(record, nt_wakeup());
}

#define NT_CALLER_FRAMES 16

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[NT_CALLER_FRAMES]);
} nt_frames SEC(".maps");

/* In a program on fentry of `function`: where that returns to; 0: unknown. */
static __always_inline __u64 nt_caller(void *ctx, const void *function)
{
	const __u64 from = (__u64)function;
	__u32 zero = 0, i;
	__u64 *frames = bpf_map_lookup_elem(&nt_frames, &zero);

	if (!from || !frames ||
	    bpf_get_stack(ctx, frames, NT_CALLER_FRAMES * sizeof(*frames), 0) < 0)
		return 0;
	for (i = 0; i < NT_CALLER_FRAMES - 1; i++)
		if (frames[i] - from < 16)
			return frames[i + 1];
	return 0;
}

#endif
