// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpconnlat: a row for each connect() that ends, with its latency and its result. */
#include "tool.h"
#include "tcpconnlat.h"

static const struct opt opts[] = {
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'L', NULL, NULL, "show the local port", OPT_SHOW, "lport" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 0 },
};

static const struct arg args[] = {
	{ "MIN_MS", "only connects that took at least MIN_MS milliseconds", ARG_AT_LEAST_MS,
	  "latency_ns" },
	{ 0 },
};

static const char *const results[] = {
	[TCPCONNLAT_ESTABLISHED] = "established",
	[TCPCONNLAT_REFUSED] = "refused",
	[TCPCONNLAT_RESET] = "reset",
	[TCPCONNLAT_TIMEOUT] = "timeout",
	[TCPCONNLAT_UNREACHABLE] = "unreachable",
	[TCPCONNLAT_ABORTED] = "aborted",
};

#define EV struct tcpconnlat_event

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP_IN_TABLE(EV),
	COLUMN_LADDR_AS(EV, "SADDR"),
	COLUMN_LPORT_AS(EV, "LPORT", COL_HIDDEN),
	COLUMN_RADDR_AS(EV, "DADDR"),
	COLUMN_RPORT_AS(EV, "DPORT"),
	{ .name = "latency_ns", .title = "LAT(ms)",
	  .help = "from the first SYN to the end in ns (table: ms); unknown if it began before the "
		  "trace",
	  .type = COL_NSEC, COL_AT(EV, latency_ns), .flags = COL_NULL_ONES | COL_LEFT },
	{ .name = "result", .title = "RESULT", .help = "how it ended", .type = COL_ENUM,
	  COL_AT(EV, result), .flags = COL_HIDDEN, .width = 11,
	  .names = results, .n_names = TCPCONNLAT_ABORTED + 1 },
	{ 0 },
};

static const struct attach_slot attach[] = {
	{ .what = "state changes",
	  .alts = { { { "tcpconnlat_state", "tcpconnlat_state_again" } } } },
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcpconnlat\0every connect() that ends from now on",
	"tcpconnlat 100\0only those that took 100 ms or more",
	"tcpconnlat -L --columns +result\0with its local port, and how it ended",
	"tcpconnlat --json --filter 'latency > 1s and not port 443'\0JSON lines, other ports",
	"tcpconnlat --filter 'result != established'\0those that failed",
	NULL,
};

DECLARE_PROBES(tcpconnlat);

const struct tool tcpconnlat_tool = {
	.name = "tcpconnlat",
	.summary = "latency of TCP connects, and how they ended",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.owners = OWNERS_CONNECTS,
	.opts = opts,
	.args = args,
	.columns = columns,
	.attach = attach,
	PROBES(tcpconnlat),
	.event_size = sizeof(EV),
};
