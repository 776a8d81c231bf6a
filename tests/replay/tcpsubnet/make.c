/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of networks: sorted, empty, of many bytes, with long names. */
#include <stdio.h>

#include "make_recording.h"
#include "tcpsubnet.h"

extern const struct tool tcpsubnet_tool;

static void put(struct recorder *rec, uint64_t second, const char *subnet, uint64_t tx, uint64_t rx)
{
	struct tcpsubnet_row row = {
		.head.time = MAKE_TIME + second * MAKE_SECOND,
		.interval_ns = MAKE_SECOND,
		.tx_bytes = tx,
		.rx_bytes = rx,
	};

	snprintf(row.subnet, sizeof(row.subnet), "%s", subnet);
	make_event(rec, &row, sizeof(row));
}

/* Three readings, the second one empty. */
static void write_plain(struct recorder *rec)
{
	put(rec, 1, "10.0.0.0/8", 1023, 5000000);
	put(rec, 1, "192.168.0.0/16", 50000000, 77);
	put(rec, 1, "127.0.0.1/32", 1024, 1024);
	put(rec, 1, "2001:db8::/32", 0, 1500);
	make_reading(rec, MAKE_SECOND, "");
	make_reading(rec, 2 * MAKE_SECOND, "");
	put(rec, 3, "0.0.0.0/0", 1, 0);
	make_reading(rec, 3 * MAKE_SECOND, "");
}

static void write_extremes(struct recorder *rec)
{
	put(rec, 1, "0000:0000:0000:0000:0000:ffff:255.255.255.255/128", UINT64_MAX, UINT64_MAX);
	put(rec, 1, "::/0", UINT64_MAX / 8, 0);
	put(rec, 1, "1.1.1.1", UINT64_MAX / 8 + 1, 127);
	put(rec, 1, "", 0, 0);
	make_reading(rec, MAKE_SECOND, "");
}

const struct tool *const made_tool = &tcpsubnet_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "extremes.nt", write_extremes },
	{ 0 },
};
