// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpaccept: a row for each TCP connection that a process accepts, with its listener's backlog. */
#include "tool.h"
#include "tcpaccept.h"

static const struct opt opts[] = {
	{ 'T', "time", NULL, "show the time of day (HH:MM:SS)", OPT_SHOW, "time" },
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 'P', NULL, "P[,P-P]", "same as --lport", OPT_SAME_AS, "lport" },
	OPTS_PINNED(0, 0),
	{ 0 },
};

#define EV struct tcpaccept_event

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP_IN_TABLE(EV),
	COLUMNS_ENDS(EV),
	{ .name = "backlog", .title = "BACKLOG",
	  .help = "connections that still wait for accept() at the listener", .type = COL_NUM,
	  COL_AT(EV, backlog), .flags = COL_NULL_ONES | COL_HIDDEN, .width = 7 },
	{ .name = "backlog_max", .title = "MAX",
	  .help = "how many may wait: the listener's limit", .type = COL_NUM,
	  COL_AT(EV, backlog_max), .flags = COL_NULL_ONES | COL_HIDDEN, .width = 5 },
	{ 0 },
};

static const char *const table[] = {
	"time", "elapsed", "pid", "comm", "ip", "raddr", "rport", "laddr", "lport", NULL,
};

static const struct attach_slot attach[] = {
	{ .what = "accept",
	  .alts = { { { "tcpaccept_return_fexit", "tcpaccept_graft_fentry" } },
		    { { "tcpaccept_graft_fentry" }, "backlogs are not known" },
		    { { "tcpaccept_graft_kprobe", "tcpaccept_call_kprobe" } },
		    { { "tcpaccept_exit_tp" },
		      "accepts by io_uring and by 32-bit programs are not seen" } } },
	{ 0 },
};

static const char *const examples[] = {
	"tcpaccept\0every connection that is accepted from now on",
	"tcpaccept -P 80,443 -T\0at local ports 80 and 443, with the time of day",
	"tcpaccept -p 181\0only by process 181",
	"tcpaccept --columns +backlog,+backlog_max\0how full the listener's queue is",
	"tcpaccept --filter 'backlog > 10'\0where more than 10 connections still wait",
	NULL,
};

DECLARE_PROBES(tcpaccept);

const struct tool tcpaccept_tool = {
	.name = "tcpaccept",
	.summary = "TCP connections accepted: by whom, from where",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	PROBES(tcpaccept),
	.event_size = sizeof(EV),
};
