// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpsynbl: histograms of how full the queues of listeners are. */
#include "tool.h"
#include "tcpsynbl.h"

static const struct opt opts[] = {
	{ 'T', "timestamp", NULL, "the time of day before each reading", OPT_TITLE },
	{ 'l', "listeners", NULL, "a histogram for each listener instead of each limit", OPT_TABLE,
	  "backlog_max,queue,laddr,lport,pid,comm,overflows,connections" },
	{ 's', "syn-queue", NULL, "the lengths of the SYN queue too", OPT_SHOW,
	  .flag = TCPSYNBL_SYN_QUEUE },
	{ 0 },
};

static const struct arg args[] = {
	{ "INTERVAL", "seconds between readings; unless given, one at the end", ARG_INTERVAL },
	{ "COUNT", "stop after so many readings", ARG_READINGS },
	{ 0 },
};

static const char *const queues[TCPSYNBL_QUEUES] = {
	[TCPSYNBL_ACCEPT] = "accept", [TCPSYNBL_SYN] = "syn",
};

#define EV struct tcpsynbl_row

static const struct column columns[] = {
	COLUMN_TIME(EV), COLUMN_PID(EV), COLUMN_TID(EV), COLUMN_COMM(EV), COLUMN_UID(EV),
	COLUMN_CGROUP(EV), COLUMN_NETNS(EV), COLUMN_OWNER(EV), COLUMN_IP(EV), COLUMN_LADDR(EV),
	COLUMN_LPORT(EV),
	{ .name = "backlog_max", .title = "backlog_max",
	  .help = "the limit of its queues, what it gave listen()", .type = COL_NUM,
	  COL_AT(EV, backlog_max) },
	{ .name = "queue", .title = "queue",
	  .help = "accept: waiting for accept(); syn: handshakes that have begun",
	  .type = COL_ENUM, COL_AT(EV, queue), .flags = COL_QUIET,
	  .names = queues, .n_names = TCPSYNBL_QUEUES },
	{ .name = "overflows", .title = "overflows",
	  .help = "what found the queue full: packets dropped (accept), SYNs (syn)",
	  .type = COL_NUM, COL_AT(EV, overflows), .flags = COL_ADD | COL_QUIET },
	{ .name = "connections", .title = "backlog",
	  .help = "how many were in the queue when another one came", .type = COL_HIST,
	  COL_AT(EV, length) },
	{ 0 },
};

static const char *const table[] = {
	"backlog_max", "queue", "overflows", "connections", NULL,
};

static const struct tool_sums sums = {
	.entries = 4096,
	.merged = true,
	.title = "!%H:%M:%S",
};

static const struct attach_slot attach[] = {
	{ .what = "SYNs and handshakes",
	  .alts = { { { "tcpsynbl_v4_fentry", "tcpsynbl_v6_fentry", "tcpsynbl_syn_fentry" } },
		    { { "tcpsynbl_v4_kprobe", "tcpsynbl_v6_kprobe", "tcpsynbl_syn_kprobe" } },
		    { { "tcpsynbl_ingress" },
		      "a stray packet at a listener counts as one of a handshake; a program runs "
		      "for every packet" } } },
	ATTACH_LISTENERS,
	{ 0 },
};

static const char *const examples[] = {
	"tcpsynbl\0one histogram for each backlog limit, at the end",
	"tcpsynbl -T 1 10\0every second, ten times, with the time of day",
	"tcpsynbl -l\0for each listener, with its owner",
	"tcpsynbl -l --filter 'overflows > 0'\0only listeners that were too slow",
	NULL,
};

DECLARE_PROBES(tcpsynbl);

const struct tool tcpsynbl_tool = {
	.name = "tcpsynbl",
	.summary = "How full the queues of listeners are, as histograms",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_LOCAL,
	.opts = opts,
	.args = args,
	.columns = columns,
	.table = table,
	.attach = attach,
	.sums = &sums,
	PROBES(tcpsynbl),
	.event_size = sizeof(EV),
};
