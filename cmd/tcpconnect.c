// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpconnect: a row for each connect() when it starts, or the number of them by flow. */
#include "tool.h"
#include "tcpconnect.h"

static const struct opt opts[] = {
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 'P', NULL, "P[,P-P]", "same as --rport", OPT_SAME_AS, "rport" },
	{ 'L', NULL, NULL, "show, or count by, local ports", OPT_SHOW, "lport", TCPCONNECT_LPORT },
	{ 's', "source-port", NULL, "same as -L", OPT_SHOW, "lport", TCPCONNECT_LPORT },
	{ 'U', "print-uid", NULL, "show the user", OPT_SHOW, "uid" },
	{ 'u', "uid", NULL, NULL, OPT_SAME_AS, "uid" },
	{ 'c', "count", NULL, "count connects by flow and print them at the end", OPT_VARIANT,
	  .flag = TCPCONNECT_COUNT },
	{ 'd', "dns", NULL, "show the name that was asked for, from answers of DNS servers",
	  OPT_SHOW, "query", .flag = TCPCONNECT_DNS, .without = TCPCONNECT_COUNT },
	OPTS_PINNED('C', 'M'),
	{ 0 },
};

#define EV struct tcpconnect_event

#define COLUMN_LOCAL(ev, heading)                                                                \
	{ .name = "laddr", .title = heading, .help = "local address; none was chosen: unknown",    \
	  .type = COL_ADDR, COL_AT(ev, head.laddr), .flags = COL_NULL_ZERO, .width = 15 }

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP_IN_TABLE(EV),
	COLUMN_LOCAL(EV, "SADDR"),
	COLUMN_LPORT_AS(EV, "LPORT", COL_HIDDEN),
	COLUMN_RADDR_AS(EV, "DADDR"),
	COLUMN_RPORT_AS(EV, "DPORT"),
	{ .name = "error", .title = "ERROR", .help = "why it failed at once; none: it did not",
	  .type = COL_ENUM, COL_AT(EV, error), .flags = COL_HIDDEN, .width = 11,
	  .names = names_errno, .n_names = NAMES_ERRNO },
	{ .name = "query", .title = "QUERY", .help = "name whose address raddr is, with -d",
	  .type = COL_HOST, COL_AT(EV, head.raddr), .flags = COL_HIDDEN, .width = 20 },
	{ 0 },
};

static const char *const table[] = {
	"time", "elapsed", "uid", "pid", "comm", "ip", "laddr", "lport", "raddr", "rport", "query",
	NULL,
};

#define COUNT struct tcpconnect_count

static const struct column count_columns[] = {
	COLUMN_TIME(COUNT),
	COLUMN_LOCAL(COUNT, "LADDR"),
	COLUMN_LPORT_AS(COUNT, "LPORT", COL_HIDDEN | COL_ASKED),
	COLUMN_RADDR(COUNT),
	COLUMN_RPORT(COUNT),
	{ .name = "connects", .title = "CONNECTS", .help = "connects of this flow",
	  .type = COL_NUM, COL_AT(COUNT, connects), .flags = COL_ADD | COL_LEFT },
	{ 0 },
};

#define LATE "non-blocking connects are shown when they are answered or sent again"
#define FORBIDDEN "what a security module or a cgroup's program forbids is not seen"
#define SLOW "each system call of the host costs a little; io_uring, 32-bit programs are not seen"
#define PAIR(of) "tcpconnect_" of "_kprobe", "tcpconnect_" of "_kretprobe"

static const struct attach_slot attach[] = {
	{ .what = "connects",
	  .alts = { { { "tcpconnect_fexit" } },
		    { { "tcpconnect_kprobe" } },
		    { { "tcpconnect_sockops", "tcpconnect_destroy_tp" } },
		    { { "tcpconnect_state_tp", "tcpconnect_retransmit_tp",
			"tcpconnect_destroy_tp" }, LATE } } },
	{ .what = "connects that fail at once", .optional = true,
	  .alts = { { { "tcpconnect_v4_fexit", "tcpconnect_v6_fexit", "tcpconnect_lsm_fexit",
			"tcpconnect_v4_pre_fexit", "tcpconnect_v6_pre_fexit" } },
		    { { "tcpconnect_v4_fexit", "tcpconnect_v6_fexit" }, FORBIDDEN },
		    { { PAIR("v4"), PAIR("v6"), PAIR("lsm"), PAIR("v4_pre"), PAIR("v6_pre") } },
		    { { PAIR("v4"), PAIR("v6") }, FORBIDDEN },
		    { { "tcpconnect_exit_tp" }, SLOW } } },
	{ .what = "DNS answers", .flag = TCPCONNECT_DNS, .alts = { { { "nt_dns_answer" } } } },
	{ 0 },
};

static const char *const examples[] = {
	"tcpconnect\0every connect() from now on",
	"tcpconnect -P 80,443 -L\0to these ports, with the local port",
	"tcpconnect -d --columns +error\0the name asked for, and why it failed at once",
	"tcpconnect -c --duration 10\0how many in ten seconds, by flow",
	"tcpconnect --json --unit nginx\0JSON lines, only of that service",
	NULL,
};

DECLARE_PROBES(tcpconnect);

static const struct tool_sums count_sums = { .sort = "connects" };

static const struct tool counted = {
	.name = "tcpconnect", .by = " -c",
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = count_columns,
	.attach = attach,
	PROBES(tcpconnect),
	.event_size = sizeof(COUNT),
	.sums = &count_sums,
};

const struct tool tcpconnect_tool = {
	.name = "tcpconnect",
	.summary = "TCP connects when they start: who, from where, to where",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	PROBES(tcpconnect),
	.event_size = sizeof(EV),
	.variant = &counted,
};
