// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpsubnet: bytes by the network of the peer. */
#include "tool.h"
#include "tcpsubnet.h"

static const struct opt opts[] = {
	{ 'J', "json", NULL, NULL, OPT_SAME_AS, "json" },
	{ 'f', "format", "b|k|m|B|K|M", "the table counts bits, Kbit, Mbit, bytes (unless given), "
	  "KiB or MiB", OPT_UNIT },
	{ 'i', "interval", "SEC", "seconds between readings, 1 unless given", OPT_INTERVAL },
	{ 0 },
};

static const struct arg args[] = {
	{ "SUBNETS", "A/N[,A/N]: networks, of which the first that has the peer counts",
	  ARG_NETS },
	{ 0 },
};

#define EV struct tcpsubnet_row
#define MOVED .type = COL_BYTES, .width = 6

static const struct column columns[] = {
	COLUMN_TIME(EV),
	{ .name = "subnet", .title = "SUBNET", .help = "the network, as it was given",
	  .type = COL_STR, COL_AT(EV, subnet), .width = 21 },
	{ .name = "tx_bytes", .title = "TX", .help = "payload sent to it (table: see -f)",
	  COL_AT(EV, tx_bytes), MOVED, .flags = COL_ADD | COL_UNIT },
	{ .name = "rx_bytes", .title = "RX", .help = "payload received from it (table: see -f)",
	  COL_AT(EV, rx_bytes), MOVED, .flags = COL_ADD | COL_UNIT | COL_HIDDEN },
	{ 0 },
};

static const struct attach_slot attach[] = {
	ATTACH_MOVED,
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const struct tool_sums sums = {
	.interval_ns = 1000000000,
	.sort = "tx_bytes",
	.bare = true,
	.title = "[%x %X]",
};

static const char *const examples[] = {
	"tcpsubnet\0private networks and the rest, every second",
	"tcpsubnet -f K -i 5 10.1.0.0/16,10.0.0.0/8,fd00::/8\0"
	"networks of one's own, KiB every five seconds",
	"tcpsubnet --columns subnet,tx_bytes,rx_bytes\0what was received too",
	"tcpsubnet -J --comm nginx 0.0.0.0/0,::/0\0of one program by IP version, as JSON",
	NULL,
};

DECLARE_PROBES(tcpsubnet);

const struct tool tcpsubnet_tool = {
	.name = "tcpsubnet",
	.summary = "Bytes sent and received over TCP, by the network of the peer",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.args = args,
	.columns = columns,
	.attach = attach,
	.sums = &sums,
	.nets = "127.0.0.1/32,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,0.0.0.0/0",
	PROBES(tcpsubnet),
	.event_size = sizeof(EV),
};
