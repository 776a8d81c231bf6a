/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of two devices: queues that moved nothing, sizes that are shortened. */
#include <stdio.h>

#include "make_recording.h"
#include "netqtop.h"

#define OURS 4026531840u
#define THEIRS 4026532567u

extern const struct tool netqtop_tool;

static void put(struct recorder *rec, uint64_t second, uint32_t netns, const char *dev, uint8_t dir,
		uint16_t queue, uint16_t queues, const uint64_t sizes[5], uint64_t bytes)
{
	struct netqtop_event e = {
		.head = { .time = MAKE_TIME + second * MAKE_SECOND, .netns = netns },
		.interval_ns = MAKE_SECOND,
		.bytes = bytes,
		.key = { .netns = netns, .ifindex = 2, .queue = queue, .dir = dir },
		.queues = { queues, queues },
	};
	int i;

	snprintf(e.dev, sizeof(e.dev), "%s", dev);
	for (i = 0; i < 5; i++)
		e.packets += e.sizes[i] = sizes[i];
	make_event(rec, &e, sizeof(e));
}

/* eth0 has four queues; another namespace has an eth0 too; the second reading has nothing. */
static void write_plain(struct recorder *rec)
{
	static const uint64_t few[5] = { 1, 2, 3, 4, 5 }, many[5] = { 999, 1000, 1001, 1000001, 0 },
			      none[5];

	put(rec, 1, OURS, "eth0", NETQTOP_RX, 2, 4, many, 9000000000);
	put(rec, 1, OURS, "eth0", NETQTOP_TX, 3, 4, few, 100000);
	put(rec, 1, OURS, "eth0", NETQTOP_TX, 1, 4, few, 50000);
	put(rec, 1, THEIRS, "eth0", NETQTOP_TX, 0, 1, few, 70000);
	put(rec, 1, OURS, "lo", NETQTOP_RX, 0, 1, none, 65536);
	make_reading(rec, MAKE_SECOND, "");
	make_reading(rec, 2 * MAKE_SECOND, "");
}

/* A device may be called what a file may be called. */
static void write_hostile(struct recorder *rec)
{
	static const uint64_t one[5] = { 1 };

	put(rec, 1, OURS, "a,\"b\"\x1b[31m\xff", NETQTOP_TX, 0, 1, one, 42);
	put(rec, 1, OURS, "fifteen bytes..", NETQTOP_TX, 65534, 1, one, UINT64_MAX);
	make_reading(rec, MAKE_SECOND, "");
}

const struct tool *const made_tool = &netqtop_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ 0 },
};
