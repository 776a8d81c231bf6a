/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events of several tools in the order of their times. The ring has them in the order in which CPUs
 * reserved room, which is not the same: a probe takes the time first. So what is younger than a
 * moment waits for the next batch.
 */
#ifndef NT_MERGE_H
#define NT_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge {
	unsigned char *data;
	size_t len, room;
	struct merge_item {
		uint64_t time;
		size_t at, len;
	} *items;
	size_t n, items_room;
};

/* Copies an event (a struct nt_event leads it). 0 or -ENOMEM. */
int merge_add(struct merge *merge, const void *event, size_t len);
/* Calls `each` in order for the events up to `until` (ns, CLOCK_MONOTONIC) and forgets them. */
void merge_drain(struct merge *merge, uint64_t until,
		 void (*each)(void *ctx, const void *event, size_t len), void *ctx);
void merge_free(struct merge *merge);

#endif
