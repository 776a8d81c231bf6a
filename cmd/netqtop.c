// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* netqtop: packets and bytes of each queue of network devices. */
#include "tool.h"
#include "netqtop.h"

static const struct opt opts[] = {
	{ 'n', "name", "DEV[,DEV]", "only these devices of this network namespace", OPT_DEVICES,
	  "dev" },
	{ 'i', "interval", "SEC", "seconds between readings, 1 unless given", OPT_INTERVAL, NULL },
	{ 't', "throughput", NULL, "show BPS (bytes a second) and PPS too", OPT_SHOW, "bps,pps" },
	{ 0 },
};

static const struct arg args[] = {
	{ "COUNT", "stop after so many readings", ARG_READINGS, NULL },
	{ 0 },
};

static const char *const dirs[] = { [NETQTOP_TX] = "tx", [NETQTOP_RX] = "rx" };

static const char *const all_queues[] = { "Total" };

#define EV struct netqtop_event
#define HIDDEN_SUM                                                                                 \
	.type = COL_NUM, .flags = COL_ADD | COL_SHORT | COL_LEFT | COL_HIDDEN, .width = 10
#define SUM .type = COL_NUM, .flags = COL_ADD | COL_SHORT | COL_LEFT, .width = 10

static const struct column columns[] = {
	COLUMN_TIME(EV),
	COLUMN_NETNS(EV),
	{ .name = "dev", .title = "DEV", .help = "the device", .type = COL_STR, COL_AT(EV, dev),
	  .flags = COL_HIDDEN, .width = 8 },
	{ .name = "queue", .title = "QueueID", .help = "the queue; in the table last: all of them",
	  .type = COL_NUM, COL_AT(EV, key.queue), .flags = COL_NULL_ONES | COL_LEFT, .width = 10,
	  .names = all_queues },
	{ .name = "dir", .title = "DIR", .help = "tx or rx", .type = COL_ENUM, COL_AT(EV, key.dir),
	  .flags = COL_HIDDEN, .width = 3, .names = dirs, .n_names = NETQTOP_RX + 1 },
	{ .name = "packets", .title = "PACKETS", .help = "before segmentation, after GRO",
	  COL_AT(EV, packets), HIDDEN_SUM },
	{ .name = "bytes", .title = "BYTES", .help = "in them, with their headers",
	  COL_AT(EV, bytes), HIDDEN_SUM },
	{ .name = "avg_size", .title = "avg_size", .help = "bytes a packet", .type = COL_RATIO,
	  COL_AT(EV, bytes), .guard = offsetof(EV, packets), .flags = COL_SHORT | COL_LEFT,
	  .width = 10 },
	{ .name = "b64", .title = "[0, 64)", .help = "packets of less than 64 bytes",
	  COL_AT(EV, sizes[0]), SUM },
	{ .name = "b512", .title = "[64, 512)", .help = "of 64 and more", COL_AT(EV, sizes[1]),
	  SUM },
	{ .name = "b2k", .title = "[512, 2K)", .help = "of 512 and more", COL_AT(EV, sizes[2]),
	  SUM },
	{ .name = "b16k", .title = "[2K, 16K)", .help = "of 2048 and more", COL_AT(EV, sizes[3]),
	  SUM },
	{ .name = "b64k", .title = "[16K, 64K)", .help = "of 16384 and more", COL_AT(EV, sizes[4]),
	  SUM },
	{ .name = "bps", .title = "BPS", .help = "bytes a second", .type = COL_RATIO,
	  COL_AT(EV, bytes), .guard = offsetof(EV, interval_ns),
	  .flags = COL_PER_SECOND | COL_SHORT | COL_LEFT | COL_HIDDEN, .width = 10 },
	{ .name = "pps", .title = "PPS", .help = "packets a second", .type = COL_RATIO,
	  COL_AT(EV, packets), .guard = offsetof(EV, interval_ns),
	  .flags = COL_PER_SECOND | COL_SHORT | COL_LEFT | COL_HIDDEN, .width = 10 },
	{ .name = "tx_queues", .title = "TXQ", .help = "queues of the device to send",
	  .type = COL_NUM, COL_AT(EV, queues[NETQTOP_TX]), .flags = COL_HIDDEN | COL_TABLE_ONLY },
	{ .name = "rx_queues", .title = "RXQ", .help = "queues of the device to receive",
	  .type = COL_NUM, COL_AT(EV, queues[NETQTOP_RX]), .flags = COL_HIDDEN | COL_TABLE_ONLY },
	{ 0 },
};

static const struct tool_sums sums = {
	.interval_ns = 1000000000,
	.entries = 4096,
	.key_at = offsetof(EV, key),
	.title = "%a %b %e %H:%M:%S %Y",
	.groups = { "dev", "dir", "netns" },
	.index = "queue",
	.indexes = { "tx_queues", "rx_queues" },
};

static const struct attach_slot attach[] = {
	{ .what = "packets sent", .alts = { { { "netqtop_xmit" } } } },
	{ .what = "packets received", .alts = { { { "netqtop_receive" } } } },
	{ 0 },
};

static const char *const examples[] = {
	"netqtop -n eth0\0the queues of eth0, every second",
	"netqtop -n eth0 -i 5 -t 12\0for a minute, with rates",
	"netqtop --json --max-events 100\0every device of every namespace",
	NULL,
};

DECLARE_PROBES(netqtop);

const struct tool netqtop_tool = {
	.name = "netqtop",
	.summary = "Packets and bytes of each queue of network devices",
	.examples = examples,
	.fields = FIELDS_NETNS,
	.opts = opts,
	.args = args,
	.columns = columns,
	.attach = attach,
	.sums = &sums,
	PROBES(netqtop),
	.event_size = sizeof(EV),
};
