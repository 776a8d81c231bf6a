// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The time between entry and exit of each softirq. */
#include "kernel.h"
#include "hist.bpf.h"
#include "softirqs.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_PERCPU_ARRAY
#define NT_SUMS_ENTRIES SOFTIRQS
#define NT_SUMS_KEY __u32
#define NT_SUMS_ROW struct softirqs_event
#include "sums.bpf.h"

/* Softirqs do not nest: one moment for each CPU is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64); /* ns, CLOCK_MONOTONIC; 0: none runs that we saw begin */
} nt_began SEC(".maps");

SEC("tp_btf/softirq_entry")
int BPF_PROG(softirqs_entry, unsigned int softirq)
{
	__u32 zero = 0;
	__u64 *began = bpf_map_lookup_elem(&nt_began, &zero);

	if (began)
		*began = bpf_ktime_get_ns();
	return 0;
}

/* The part of a row that belongs to this CPU: nobody else adds to it. */
SEC("tp_btf/softirq_exit")
int BPF_PROG(softirqs_exit, unsigned int softirq)
{
	__u32 zero = 0, key = softirq;
	__u64 *began = bpf_map_lookup_elem(&nt_began, &zero), took;
	struct softirqs_event *row;
	bool fresh;

	if (!began || !*began)
		return 0;
	took = bpf_ktime_get_ns() - *began;
	*began = 0;
	row = nt_row(&key, &fresh);
	if (!row)
		return 0;
	if (fresh) {
		row->softirq = softirq;
		row->cpu = bpf_get_smp_processor_id();
		nt_row_filled(row);
	}
	if (row->head.out)
		return 0;
	row->total_ns += took;
	row->count++;
	if (took > row->max_ns)
		row->max_ns = took;
	if (nt_params.flags & SOFTIRQS_DIST) {
		nt_hist_add(&row->ns, took);
		nt_hist_add(&row->us, took / 1000);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
