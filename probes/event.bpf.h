/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one way out of a probe: count, filter, send, and count again what could not be sent. */
#ifndef NT_EVENT_BPF_H
#define NT_EVENT_BPF_H

#include "kernel.h"

const volatile struct nt_params nt_params SEC(".rodata.params");

#include "filter.bpf.h" /* asks nt_params */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the session sets the size */
} nt_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nt_reader);
} nt_reader SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nt_counters);
} nt_counters SEC(".maps");

static __always_inline struct nt_counters *nt_count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nt_counters, &zero);
}

/* Atomic although per CPU: a softirq may run the same code between a load and its store. */
#define NT_COUNT(counters, member)                                                                 \
	do {                                                                                       \
		if (counters)                                                                      \
			__sync_fetch_and_add(&(counters)->member, 1);                              \
	} while (0)

/* An event that there was no room to remember in a map. */
static __always_inline void nt_lost_map(void)
{
	struct nt_counters *counters = nt_count();

	NT_COUNT(counters, seen);
	NT_COUNT(counters, lost_map);
}

/*
 * The reader is not woken for each event: it looks by itself every few tens of ms while events
 * come. It is woken when it sleeps because none came, and once when the ring is a quarter full.
 */
static __always_inline __u64 nt_wakeup(void)
{
	__u32 zero = 0;
	struct nt_reader *reader = bpf_map_lookup_elem(&nt_reader, &zero);

	if (!reader)
		return BPF_RB_FORCE_WAKEUP;
	if (reader->asleep) {
		reader->asleep = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	if (bpf_ringbuf_query(&nt_events, BPF_RB_AVAIL_DATA) < nt_params.ring_bytes / 4 ||
	    reader->hurried)
		return BPF_RB_NO_WAKEUP;
	reader->hurried = 1;
	return BPF_RB_FORCE_WAKEUP;
}

/* Counts an event with the filter's verdict: the counters, or NULL if nobody wants it. */
static __always_inline struct nt_counters *nt_counted(void *event, bool passes)
{
	struct nt_counters *count = nt_count();

	if (!count)
		return NULL;
	((struct nt_event *)event)->tool = nt_params.tool;
	NT_COUNT(count, seen);
	if (passes)
		return count;
	NT_COUNT(count, filtered);
	return NULL;
}

static __always_inline struct nt_counters *nt_wanted(void *event)
{
	return nt_counted(event, nt_filter(event));
}

/* `event` starts with a struct nt_event. */
static __always_inline void nt_output(void *event, __u64 size, struct nt_counters *count)
{
	if (count && bpf_ringbuf_output(&nt_events, event, size, nt_wakeup()))
		NT_COUNT(count, lost_buffer);
}

static __always_inline void nt_emit(void *event, __u64 size)
{
	nt_output(event, size, nt_wanted(event));
}

/*
 * The same without a copy where there is no filter: nt_begin() is the place for an event in the
 * ring, or else `stack`, or NULL when the ring is full. What is there has to be overwritten, all of
 * it. nt_send() must follow.
 */
static __always_inline void *nt_begin(void *stack, __u64 size)
{
	struct nt_counters *count;
	void *event;

	if (NT_IS_FILTERED)
		return stack;
	event = bpf_ringbuf_reserve(&nt_events, size, 0);
	count = nt_count();
	NT_COUNT(count, seen);
	if (!event)
		NT_COUNT(count, lost_buffer);
	return event;
}

static __always_inline void nt_send(void *event, __u64 size)
{
	if (NT_IS_FILTERED) {
		nt_emit(event, size);
		return;
	}
	((struct nt_event *)event)->tool = nt_params.tool;
	bpf_ringbuf_submit(event, nt_wakeup());
}

#endif
