// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcprtt: histograms of the round trip time of TCP connections. */
#include "tool.h"
#include "tcprtt.h"

static const struct opt opts[] = {
	{ 'i', "interval", "SEC", "a histogram every SEC seconds instead of one at the end",
	  OPT_INTERVAL },
	{ 'd', "duration", "SEC", NULL, OPT_SAME_AS, "duration" },
	{ 'T', "timestamp", NULL, "the time of day before each reading", OPT_TITLE },
	{ 'm', "milliseconds", NULL, "count milliseconds instead of microseconds", OPT_SHOW,
	  .flag = TCPRTT_MS },
	{ 0, "millisecond", NULL, "the same", OPT_SHOW, .flag = TCPRTT_MS },
	{ 'p', "lport", "P[,P-P]", NULL, OPT_SAME_AS, "lport" },
	{ 'P', "rport", "P[,P-P]", NULL, OPT_SAME_AS, "rport" },
	{ 'a', "laddr", "A[/N][,A]", NULL, OPT_SAME_AS, "laddr" },
	{ 'A', "raddr", "A[/N][,A]", NULL, OPT_SAME_AS, "raddr" },
	{ 'b', "byladdr", NULL, "a histogram for each local address", OPT_SHOW,
	  .flag = TCPRTT_LADDR },
	{ 'B', "byraddr", NULL, "a histogram for each remote address", OPT_SHOW,
	  .flag = TCPRTT_RADDR },
	{ 'e', "extension", NULL, "the average too", OPT_SHOW, "avg" },
	{ 'D', "debug", NULL, NULL, OPT_SAME_AS, "debug" },
	{ 0 },
};

static const char *const stars[] = { "*******" };

#define EV struct tcprtt_row

static const struct column columns[] = {
	COLUMN_TIME(EV),
	{ .name = "laddr", .title = "Local Address",
	  .help = "local address, where histograms are told apart by it (-b)",
	  .type = COL_ADDR, COL_AT(EV, head.laddr), .guard = offsetof(EV, by_laddr),
	  .flags = COL_GUARDED },
	{ .name = "raddr", .title = "Remote Address",
	  .help = "remote address, where histograms are told apart by it (-B)",
	  .type = COL_ADDR, COL_AT(EV, head.raddr), .guard = offsetof(EV, by_raddr),
	  .flags = COL_GUARDED },
	{ .name = "all", .title = "All Addresses", .help = "in place of an address",
	  .type = COL_ENUM, COL_AT(EV, all), .guard = offsetof(EV, by_none),
	  .flags = COL_GUARDED | COL_TABLE_ONLY, .names = stars, .n_names = 1 },
	{ .name = "avg", .title = "AVG", .help = "mean of the round trip times, in their unit",
	  .type = COL_AVG, COL_AT(EV, rtt), .flags = COL_HIDDEN },
	{ .name = "us", .title = "usecs",
	  .help = "smoothed round trip time in us, at each segment received",
	  .type = COL_HIST, COL_AT(EV, rtt) },
	{ .name = "ms", .title = "msecs", .help = "the same in ms (-m)", .type = COL_HIST,
	  COL_AT(EV, rtt), .guard = offsetof(EV, in_ms), .flags = COL_GUARDED },
	{ 0 },
};

static const struct attach_slot attach[] = {
	{ .what = "segments received", .alts = { { { "tcprtt_segment" } } } },
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const struct tool_sums sums = {
	.entries = 1024,
	.keyed = TCPRTT_LADDR | TCPRTT_RADDR,
	.key_size = 16,
	.title = "!%H:%M:%S",
};

static const char *const examples[] = {
	"tcprtt\0one histogram of all connections, at the end",
	"tcprtt -i 1 -d 10 -m -T\0one a second for 10 seconds, in ms, with the time of day",
	"tcprtt -p 8000 -B -e\0of local port 8000, for each remote address, with averages",
	"tcprtt --comm nginx --json\0of one program, with p50, p90 and p99",
	NULL,
};

DECLARE_PROBES(tcprtt);

const struct tool tcprtt_tool = {
	.name = "tcprtt",
	.summary = "Round trip times of TCP connections, as histograms",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.attach = attach,
	.sums = &sums,
	PROBES(tcprtt),
	.event_size = sizeof(EV),
};
