// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpretrans: a row for each retransmitted TCP segment, or how many each flow had. */
#include "tool.h"
#include "tcpretrans.h"

static const struct opt opts[] = {
	{ 's', "sequence", NULL, "show the segment's sequence number", OPT_SHOW, "seq" },
	{ 'l', "lossprobe", NULL, "tail loss probes that send new data, too", OPT_SHOW,
	  .flag = TCPRETRANS_PROBES },
	{ 'c', "count", NULL, "count the segments of each flow, print at the end", OPT_VARIANT,
	  .flag = TCPRETRANS_COUNT },
	{ 0 },
};

static const char *const types[] = {
	[TCPRETRANS_RETRANSMIT] = "retransmit",
	[TCPRETRANS_TLP] = "tlp",
	[TCPRETRANS_SYNACK] = "synack",
};

static const char *const arrows[] = {
	[TCPRETRANS_RETRANSMIT] = "R>",
	[TCPRETRANS_TLP] = "L>",
	[TCPRETRANS_SYNACK] = "S>",
};

static const char *const causes[] = {
	[TCPRETRANS_BY_OTHER] = "other", [TCPRETRANS_BY_RTO] = "rto",
	[TCPRETRANS_BY_FAST] = "fast",   [TCPRETRANS_BY_TLP] = "tlp",
	[TCPRETRANS_BY_SYN] = "syn",     [TCPRETRANS_BY_SYNACK] = "synack",
};

#define EV struct tcpretrans_event

static const struct column columns[] = {
	COLUMNS_COMMON(EV),
	COLUMNS_JOINED(EV),
	{ .name = "arrow", .title = "T>", .help = "R retransmit, L tail loss probe, S SYN-ACK",
	  .type = COL_ENUM, COL_AT(EV, type), .flags = COL_TABLE_ONLY,
	  .names = arrows, .n_names = TCPRETRANS_SYNACK + 1 },
	{ .name = "type", .title = "TYPE", .help = "what was sent again", .type = COL_ENUM,
	  COL_AT(EV, type), .flags = COL_HIDDEN, .width = 10,
	  .names = types, .n_names = TCPRETRANS_SYNACK + 1 },
	{ .name = "cause", .title = "CAUSE", .help = "why", .type = COL_ENUM, COL_AT(EV, cause),
	  .flags = COL_HIDDEN, .width = 6, .names = causes, .n_names = TCPRETRANS_BY_SYNACK + 1 },
	{ .name = "state", .title = "STATE", .help = "of the socket", .type = COL_ENUM,
	  COL_AT(EV, state), .width = 12, .names = names_tcp_state, .n_names = NAMES_TCP_STATES },
	{ .name = "seq", .title = "SEQ", .help = "first sequence number of the segment",
	  .type = COL_NUM, COL_AT(EV, seq),
	  .flags = COL_HIDDEN | COL_NULL_ONES | COL_LEFT | COL_EACH, .width = 10 },
	{ .name = "segs", .title = "SEGS",
	  .help = "segments the row stands for: 1; 0 for a probe with new data; more for the rest "
		  "when more than 64 left at once",
	  .type = COL_NUM, COL_AT(EV, segs), .flags = COL_HIDDEN | COL_EACH },
	{ 0 },
};

static const char *const table[] = {
	"+time", "pid", "+ip", "local", "arrow", "remote", "state", "seq", NULL,
};

static const struct attach_slot attach[] = {
	{ .what = "retransmits", .alts = { { { "tcpretrans_skb", "tcpretrans_skb_again" } } } },
	{ .what = "retransmits of SYN-ACKs", .alts = { { { "tcpretrans_synack" } } } },
	{ .what = "probes with new data", .optional = true, .flag = TCPRETRANS_PROBES,
	  .alts = { { { "nt_probe_fentry", "nt_probe_fexit" } },
		    { { "nt_probe_tp" },
		      "those that had to wait for a process that held the socket" } } },
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcpretrans\0every retransmitted segment",
	"tcpretrans -s --port 443\0of either side's port 443, with sequence numbers",
	"tcpretrans --filter 'cause rto'\0only what a timeout sent again",
	"tcpretrans -c\0how many each flow had, until Ctrl-C",
	NULL,
};

DECLARE_PROBES(tcpretrans);

#define TCPRETRANS                                                                                 \
	.name = "tcpretrans", .summary = "TCP segments sent again: which flow, why, whose",        \
	.examples = examples, .fields = FIELDS_OWNER | FIELDS_FLOW, .opts = opts,                  \
	.attach = attach, PROBES(tcpretrans)
#define COUNT struct tcpretrans_count

static const struct column counted_columns[] = {
	COLUMNS_COMMON(struct nt_sum),
	COLUMNS_JOINED(struct nt_sum),
	{ .name = "retransmits", .title = "RETRANSMITS", .help = "segments sent again",
	  .type = COL_NUM, COL_AT(COUNT, retransmits), .flags = COL_ADD | COL_LEFT },
	{ 0 },
};

static const char *const counted_table[] = { "local", "remote", "retransmits", NULL };

static const struct tool counted = {
	TCPRETRANS, .by = " -c",
	.columns = counted_columns,
	.table = counted_table,
	.event_size = sizeof(COUNT),
	.sums = &(struct tool_sums){ .sort = "retransmits" },
};

const struct tool tcpretrans_tool = {
	TCPRETRANS,
	.columns = columns,
	.table = table,
	.event_size = sizeof(EV),
	.variant = &counted,
};
