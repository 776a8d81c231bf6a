// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* solisten: a row for each call of listen() on a TCP or MPTCP socket, with its result. */
#include "tool.h"
#include "solisten.h"

static const struct opt opts[] = {
	{ 't', "timestamp", NULL, "show the time of day (HH:MM:SS)", OPT_SHOW, "time" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 'n', "netns", NULL, NULL, OPT_SAME_AS, "netns" },
	{ 0, "show-netns", NULL, "show the network namespace", OPT_SHOW, "netns" },
	{ 0 },
};

static const char *const protos[] = {
	[SOLISTEN_TCP4] = "TCPv4",
	[SOLISTEN_TCP6] = "TCPv6",
	[SOLISTEN_MPTCP4] = "MPTCPv4",
	[SOLISTEN_MPTCP6] = "MPTCPv6",
};

#define EV struct solisten_event

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP(EV),
	{ .name = "laddr", .title = "ADDR", .help = "address it listens at", .type = COL_ADDR,
	  COL_AT(EV, head.laddr), .width = 15 },
	{ .name = "lport", .title = "PORT", .help = "port it listens at", .type = COL_NUM,
	  COL_AT(EV, head.lport), .flags = COL_NULL_ZERO | COL_LEFT, .width = 5 },
	{ .name = "proto", .title = "PROTO", .help = "protocol and family of the socket",
	  .type = COL_ENUM, COL_AT(EV, proto), .width = 7,
	  .names = protos, .n_names = SOLISTEN_MPTCP6 + 1 },
	{ .name = "backlog", .title = "BACKLOG",
	  .help = "connections that may wait for accept(), cut to net.core.somaxconn",
	  .type = COL_NUM, COL_AT(EV, backlog), .flags = COL_LEFT, .width = 8 },
	{ .name = "ret", .title = "RET", .help = "0, or a negative errno", .type = COL_INT,
	  COL_AT(EV, ret), .flags = COL_LEFT, .width = 3 },
	{ 0 },
};

static const char *const table[] = {
	"time", "elapsed", "pid", "comm", "netns", "proto", "backlog", "lport", "laddr", "ret",
	NULL,
};

static const struct attach_slot attach[] = {
	{ .what = "listen",
	  .alts = { { { "solisten_inet_fexit", "solisten_mptcp_fexit" } },
		    { { "solisten_inet_fexit" }, "of MPTCP, if it is built in, nothing is seen" },
		    { { "solisten_inet_kprobe", "solisten_inet_kret", "solisten_mptcp_kprobe",
			"solisten_mptcp_kret" } },
		    { { "solisten_inet_kprobe", "solisten_inet_kret" },
		      "of MPTCP, if it is built in, nothing is seen" },
		    { { "solisten_exit_tp" },
		      "calls by io_uring and by 32-bit programs are not seen" } } },
	{ 0 },
};

static const char *const examples[] = {
	"solisten\0every listen() from now on",
	"solisten --show-netns\0in which network namespace",
	"solisten -t -p 181\0by process 181, with the time of day",
	"solisten --filter 'ret != 0'\0those that fail",
	"solisten --filter 'backlog < 16'\0those that accept few connections at once",
	NULL,
};

DECLARE_PROBES(solisten);

const struct tool solisten_tool = {
	.name = "solisten",
	.summary = "Calls of listen(): who listens where, and with what result",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_LOCAL,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	PROBES(solisten),
	.event_size = sizeof(EV),
};
