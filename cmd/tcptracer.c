// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcptracer: a row for each TCP connection made, accepted and closed. */
#include "tool.h"
#include "tcptracer.h"

static const struct opt opts[] = {
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'v', "verbose", NULL, "show long names of types, nanoseconds (-t), and NETNS", OPT_SHOW,
	  "netns,letter=type,elapsed=elapsed_ns" },
	{ 'U', "print-uid", NULL, "show the user too", OPT_SHOW, "uid" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 'u', "uid", NULL, NULL, OPT_SAME_AS, "uid" },
	{ 'N', "netns", NULL, NULL, OPT_SAME_AS, "netns" },
	OPTS_PINNED('C', 'M'),
	{ 0 },
};

static const char *const types[] = {
	[TCPTRACER_CONNECT] = "connect",
	[TCPTRACER_ACCEPT] = "accept",
	[TCPTRACER_CLOSE] = "close",
};

static const char *const letters[] = {
	[TCPTRACER_CONNECT] = "C",
	[TCPTRACER_ACCEPT] = "A",
	[TCPTRACER_CLOSE] = "X",
};

#define EV struct tcptracer_event

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP_IN_TABLE(EV),
	COLUMN_LADDR_AS(EV, "SADDR"),
	COLUMN_LPORT_AS(EV, "SPORT", 0),
	COLUMN_RADDR_AS(EV, "DADDR"),
	COLUMN_RPORT_AS(EV, "DPORT"),
	{ .name = "type", .title = "TYPE", .help = "connect, accept or close", .type = COL_ENUM,
	  COL_AT(EV, type), .flags = COL_HIDDEN, .width = 12,
	  .names = types, .n_names = TCPTRACER_CLOSE + 1 },
	{ .name = "letter", .title = "T", .help = "the same as C, A or X", .type = COL_ENUM,
	  COL_AT(EV, type), .flags = COL_TABLE_ONLY,
	  .names = letters, .n_names = TCPTRACER_CLOSE + 1 },
	{ .name = "elapsed_ns", .title = "TIME(ns)", .help = "nanoseconds since the first row",
	  .type = COL_ELAPSED, COL_AT(EV, head.time),
	  .flags = COL_HIDDEN | COL_TABLE_ONLY | COL_LEFT | COL_NANO, .width = 13 },
	{ 0 },
};

static const char *const table[] = {
	"elapsed", "uid", "letter", "pid", "comm", "ip", "laddr", "raddr", "lport", "rport",
	"netns", NULL,
};

static const struct attach_slot attach[] = {
	{ .what = "connect and close",
	  .alts = { { { "tcptracer_state", "tcptracer_state_again", "tcptracer_close_fentry",
			"tcptracer_close_again" } },
		    { { "tcptracer_state", "tcptracer_state_again", "tcptracer_close_kprobe" } },
		    { { "tcptracer_ends", "tcptracer_ends_again" },
		      "a close is seen by its FIN or reset: shutdown() is one" } } },
	{ .what = "accept",
	  .alts = { { { "tcptracer_accept_fentry", "tcptracer_accept_again" } },
		    { { "tcptracer_accept_kprobe" } },
		    { { "tcptracer_accept_exit", "nt_recv_tp" },
		      "accepts by io_uring and by 32-bit programs are not seen" } } },
	ATTACH_OWNER_END,
	{ 0 },
};

static const char *const examples[] = {
	"tcptracer\0connections made, accepted and closed from now on",
	"tcptracer -t -p 181\0those of process 181, with seconds",
	"tcptracer -v\0with long names of types, and network namespaces",
	"tcptracer --json --filter 'type connect and not net 10.0.0.0/8'\0who calls outside",
	NULL,
};

DECLARE_PROBES(tcptracer);

const struct tool tcptracer_tool = {
	.name = "tcptracer",
	.summary = "TCP connections made, accepted and closed",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	PROBES(tcptracer),
	.event_size = sizeof(EV),
};
