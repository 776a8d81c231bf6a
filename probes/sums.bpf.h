/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows that are added up in the kernel instead of an event each. The includer defines NT_SUMS_KIND
 * (BPF_MAP_TYPE_HASH, PERCPU_HASH, ARRAY or PERCPU_ARRAY), NT_SUMS_KEY and NT_SUMS_ROW, which
 * begins with a struct nt_sum; for an array NT_SUMS_ENTRIES too. In a row that has a part for each
 * CPU each part has its own head.
 *
 * The reader swaps the map for an empty one. The update of a map of maps returns when no program
 * uses the old one any more (maybe_wait_bpf_programs(), kernel/bpf/syscall.c), so nothing is lost
 * between read and clear.
 */
#ifndef NT_SUMS_BPF_H
#define NT_SUMS_BPF_H

#include "event.bpf.h"

#ifndef NT_SUMS_ENTRIES
#define NT_SUMS_ENTRIES 1 /* the session sets the size */
#endif

struct nt_sums_inner {
	__uint(type, NT_SUMS_KIND);
	__uint(max_entries, NT_SUMS_ENTRIES);
	__type(key, NT_SUMS_KEY);
	__type(value, NT_SUMS_ROW);
} nt_sums_a SEC(".maps"), nt_sums_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct nt_sums_inner);
} nt_sums SEC(".maps") = { .values = { &nt_sums_a } };

static const volatile NT_SUMS_ROW nt_no_row SEC(".rodata.row");

/* The half that rows are added to now. */
static __always_inline void *nt_sums_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nt_sums, &zero);
}

/*
 * The row of `key`, NULL if there is no room (counted). A fresh one has to be filled, then
 * nt_row_filled(). Sums are added to it atomically (__sync_fetch_and_add()).
 */
static __always_inline NT_SUMS_ROW *nt_row(const NT_SUMS_KEY *key, bool *fresh)
{
	void *sums = nt_sums_now();
	NT_SUMS_ROW *row;

	if (!sums)
		return NULL;
	row = bpf_map_lookup_elem(sums, key);
	if (!row) {
		bpf_map_update_elem(sums, key, (const void *)&nt_no_row, BPF_NOEXIST);
		row = bpf_map_lookup_elem(sums, key);
	}
	if (!row) {
		nt_lost_map();
		return NULL;
	}
	*fresh = !((struct nt_sum *)row)->head.time;
	return row;
}

/* Of a row that was filled and counts, whatever filters say: they are asked about each event. */
static __always_inline void nt_row_begun(NT_SUMS_ROW *row)
{
	struct nt_event *head = &((struct nt_sum *)row)->head;

	head->tool = nt_params.tool;
	head->time = bpf_ktime_get_ns();
}

/* Asks the filter about a row that was filled: head.out is its answer, also for what follows. */
static __always_inline void nt_row_filled(NT_SUMS_ROW *row)
{
	((struct nt_sum *)row)->head.out = !nt_filter(row);
	nt_row_begun(row);
}

/*
 * Where most rows are new: `new`, with its part of the sums, becomes the row of `key` (NULL), or is
 * added to the one that is there. NULL too if there is no room (counted).
 */
static __always_inline NT_SUMS_ROW *nt_row_or(const NT_SUMS_KEY *key, NT_SUMS_ROW *new)
{
	void *sums = nt_sums_now();
	NT_SUMS_ROW *row;

	if (!sums)
		return NULL;
	nt_row_filled(new);
	if (!bpf_map_update_elem(sums, key, new, BPF_NOEXIST))
		return NULL;
	row = bpf_map_lookup_elem(sums, key);
	if (!row)
		nt_lost_map();
	return row;
}

/*
 * Asks the filter about an event where rows are of more than one socket: what it rejects is counted
 * and must not be added.
 */
static __always_inline bool nt_passes(const struct nt_event *event)
{
	struct nt_counters *count;

	if (nt_filter(event))
		return true;
	count = nt_count();
	NT_COUNT(count, seen);
	NT_COUNT(count, filtered);
	return false;
}

#endif
