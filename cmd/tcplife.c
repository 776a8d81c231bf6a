// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcplife: a row for each TCP session that ends, with its owner, bytes and duration. */
#include "tool.h"
#include "tcplife.h"

static const struct opt opts[] = {
	{ 'T', "time", NULL, "show the time of day (HH:MM:SS)", OPT_SHOW, "time" },
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'w', "wide", NULL, "show the IP version too", OPT_SHOW, "ip" },
	{ 's', "csv", NULL, NULL, OPT_SAME_AS, "csv" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 'L', "localport", "P[,P-P]", "same as --lport", OPT_SAME_AS, "lport" },
	{ 'D', "remoteport", "P[,P-P]", "same as --rport", OPT_SAME_AS, "rport" },
	{ 0 },
};

static const char *const ends[] = {
	[TCPLIFE_UNKNOWN] = "unknown",
	[TCPLIFE_LOCAL_CLOSE] = "local_close",
	[TCPLIFE_REMOTE_CLOSE] = "remote_close",
	[TCPLIFE_RESET_SENT] = "reset_sent",
	[TCPLIFE_RESET_RECEIVED] = "reset_received",
	[TCPLIFE_TIMEOUT] = "timeout",
	[TCPLIFE_REFUSED] = "refused",
};

#define EV struct tcplife_event

static const struct column columns[] = {
	COLUMNS_COMMON(EV),
	{ .name = "tx_bytes", .title = "TX_KB",
	  .help = "payload bytes the peer acknowledged (table: KiB)",
	  .type = COL_BYTES, COL_AT(EV, tx_bytes), .width = 5 },
	{ .name = "rx_bytes", .title = "RX_KB", .help = "payload bytes received (table: KiB)",
	  .type = COL_BYTES, COL_AT(EV, rx_bytes), .width = 5 },
	{ .name = "duration_ns", .title = "MS",
	  .help = "lifespan in ns (table: ms), without TIME_WAIT",
	  .type = COL_NSEC, COL_AT(EV, duration_ns), .guard = offsetof(EV, partial),
	  .flags = COL_LOWER_BOUND | COL_LEFT },
	{ .name = "partial", .title = "PARTIAL",
	  .help = "began before the trace: duration_ns is a lower bound",
	  .type = COL_BOOL, COL_AT(EV, partial), .flags = COL_HIDDEN },
	{ .name = "retrans", .title = "RETRANS", .help = "segments retransmitted",
	  .type = COL_NUM, COL_AT(EV, retrans), .flags = COL_HIDDEN },
	{ .name = "srtt_us", .title = "SRTT_MS",
	  .help = "last smoothed round trip time in us (table: ms)",
	  .type = COL_USEC, COL_AT(EV, srtt_us), .flags = COL_HIDDEN | COL_NULL_ZERO },
	{ .name = "end", .title = "END", .help = "who ended it and how", .type = COL_ENUM,
	  COL_AT(EV, end),
	  .flags = COL_HIDDEN, .width = 12, .names = ends, .n_names = TCPLIFE_REFUSED + 1 },
	{ 0 },
};

static const struct attach_slot attach[] = {
	{ .what = "state changes",
	  .alts = { { { "tcplife_state", "tcplife_state_again" } } } },
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcplife\0every session that ends from now on",
	"tcplife -p 181\0only those of process 181",
	"tcplife -L 80,443 -T\0only local ports 80 and 443, with the time of day",
	"tcplife --json --unit nginx\0JSON lines, only of that service",
	"tcplife --filter 'lport 8000 or rport 8000'\0either side",
	NULL,
};

DECLARE_PROBES(tcplife);

const struct tool tcplife_tool = {
	.name = "tcplife",
	.summary = "TCP sessions that end: owner, peer, bytes, duration",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.attach = attach,
	PROBES(tcplife),
	.event_size = sizeof(EV),
};
