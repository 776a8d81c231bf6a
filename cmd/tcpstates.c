// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpstates: a row for each transition of a TCP socket, with the time spent in the old state. */
#include "tool.h"
#include "tcpstates.h"

static const struct opt opts[] = {
	{ 'T', "time", NULL, "show the time of day (HH:MM:SS)", OPT_SHOW, "time" },
	{ 't', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'w', "wide", NULL, "show the IP version too", OPT_SHOW, "ip" },
	{ 's', "csv", NULL, NULL, OPT_SAME_AS, "csv" },
	{ 'L', "localport", "P[,P-P]", "same as --lport", OPT_SAME_AS, "lport" },
	{ 'D', "remoteport", "P[,P-P]", "same as --rport", OPT_SAME_AS, "rport" },
	{ 'Y', "journal", NULL, "write each row to the systemd journal too", OPT_JOURNAL, NULL },
	{ 0 },
};

static const char *const arrow[] = { "->" };

#define EV struct tcpstates_event

static const struct column columns[] = {
	COLUMNS_COMMON(EV),
	{ .name = "skaddr", .title = "SKADDR", .help = "the kernel's address of the socket",
	  .type = COL_HEX, COL_AT(EV, skaddr), .width = 16 },
	{ .name = "cpu_pid", .title = "C-PID", .help = "process on the CPU, often not the owner",
	  .type = COL_NUM, COL_AT(EV, cpu_pid), .flags = COL_LEFT, .width = 5 },
	{ .name = "cpu_comm", .title = "C-COMM", .help = "its name", .type = COL_STR,
	  COL_AT(EV, cpu_comm), .width = 10 },
	{ .name = "old_state", .title = "OLDSTATE", .help = "the state left", .type = COL_ENUM,
	  COL_AT(EV, old_state), .width = 11,
	  .names = names_tcp_state, .n_names = NAMES_TCP_STATES },
	{ .name = "arrow", .title = "->", .help = "an arrow between the states",
	  .type = COL_ENUM, COL_AT(EV, arrow), .flags = COL_TABLE_ONLY,
	  .names = arrow, .n_names = 1 },
	{ .name = "new_state", .title = "NEWSTATE", .help = "the state entered", .type = COL_ENUM,
	  COL_AT(EV, new_state), .width = 11,
	  .names = names_tcp_state, .n_names = NAMES_TCP_STATES },
	{ .name = "duration_ns", .title = "MS",
	  .help = "time in the old state in ns (table: ms); unknown if it began before the trace",
	  .type = COL_NSEC, COL_AT(EV, duration_ns), .flags = COL_NULL_ONES | COL_FINE | COL_LEFT },
	{ 0 },
};

static const char *const table[] = {
	"time", "elapsed", "skaddr", "cpu_pid", "cpu_comm", "ip", "laddr", "lport", "raddr",
	"rport", "old_state", "arrow", "new_state", "duration_ns", NULL,
};

static const struct journal_field journal[] = {
	{ "OBJECT_PID", "cpu_pid" },
	{ "OBJECT_COMM", "cpu_comm" },
	{ "OBJECT_IPV4_SOURCE_ADDRESS", "laddr", 4 },
	{ "OBJECT_IPV6_SOURCE_ADDRESS", "laddr", 6 },
	{ "OBJECT_TCP_SOURCE_PORT", "lport" },
	{ "OBJECT_IPV4_DESTINATION_ADDRESS", "raddr", 4 },
	{ "OBJECT_IPV6_DESTINATION_ADDRESS", "raddr", 6 },
	{ "OBJECT_TCP_DESTINATION_PORT", "rport" },
	{ "OBJECT_TCP_OLD_STATE", "old_state" },
	{ "OBJECT_TCP_NEW_STATE", "new_state" },
	{ "OBJECT_TCP_SPAN_TIME", "duration_ns", .divide = 1000 },
	{ "MESSAGE", "cpu_comm laddr lport \u2192 raddr rport old_state \u2192 new_state" },
	{ 0 },
};

static const struct attach_slot attach[] = {
	{ .what = "state changes",
	  .alts = { { { "tcpstates_state", "tcpstates_state_again" } } } },
	{ .what = "local port of connects",
	  .optional = true,
	  .alts = { { { "tcpstates_connect_fentry" } },
		    { { "tcpstates_connect_sockops" } },
		    { { "tcpstates_retransmit_tp" },
		      "the row of SYN_SENT waits for an answer or a retransmit" } } },
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcpstates\0every transition of every TCP socket",
	"tcpstates -T -L 80,443\0of local ports 80 and 443, with the time of day",
	"tcpstates --filter 'old_state SYN_SENT and duration > 100ms'\0slow handshakes",
	"tcpstates -Y\0to the systemd journal too",
	NULL,
};

DECLARE_PROBES(tcpstates);

const struct tool tcpstates_tool = {
	.name = "tcpstates",
	.summary = "TCP state changes: from, to, and the time between",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.states = true,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	.journal = journal,
	PROBES(tcpstates),
	.event_size = sizeof(EV),
};
