// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpdrop: a row for each dropped TCP packet, with the reason and the kernel's stack. */
#include "tool.h"
#include "tcpdrop.h"

static const struct opt opts[] = {
	{ 0, "no-stack", NULL, "leave out the stacks, which cost the most", OPT_SHOW,
	  .flag = TCPDROP_NO_STACK },
	{ 0, "all", NULL, "what the kernel gives no reason for, too", OPT_SHOW,
	  .flag = TCPDROP_ALL },
	{ 0 },
};

#define EV struct tcpdrop_event

static const struct column columns[] = {
	COLUMNS_COMMON(EV),
	{ .name = "saddr", .title = "SADDR", .help = "sender of the packet", .type = COL_ADDR,
	  COL_AT(EV, saddr), .width = 15 },
	{ .name = "sport", .title = "SPORT", .help = "its port", .type = COL_NUM,
	  COL_AT(EV, sport), .flags = COL_NULL_ZERO | COL_LEFT, .width = 5 },
	{ .name = "daddr", .title = "DADDR", .help = "receiver of the packet", .type = COL_ADDR,
	  COL_AT(EV, daddr), .width = 15 },
	{ .name = "dport", .title = "DPORT", .help = "its port", .type = COL_NUM,
	  COL_AT(EV, dport), .flags = COL_NULL_ZERO | COL_LEFT, .width = 5 },
	{ .name = "state", .title = "STATE", .help = "of the socket", .type = COL_ENUM,
	  COL_AT(EV, state), .width = 11, .names = names_tcp_state, .n_names = NAMES_TCP_STATES },
	{ .name = "flags", .title = "FLAGS", .help = "of the TCP header", .type = COL_HEX,
	  COL_AT(EV, flags) },
	{ .name = "reason", .title = "REASON", .help = "why", .type = COL_HEX, COL_AT(EV, reason) },
	{ .name = "reason_code", .title = "CODE", .help = "why", .type = COL_NUM, COL_AT(EV, reason_code) },
	{ .name = "dev", .title = "DEV", .help = "network device", .type = COL_STR, COL_AT(EV, dev), .flags = COL_NULL_ZERO },
	{ 0 },
};

static const struct attach_slot attach[] = {
	{ .what = "dropped packets",
	  .alts = { { { "tcpdrop_cast" } },
		    { { "tcpdrop_read", "nt_receive4", "nt_receive6" } },
		    { { "tcpdrop_read" }, "the sockets of packets that were received" },
		    { { "tcpdrop_cast_old" }, "the sockets of packets that were received" } } },
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcpdrop\0every retransmitted segment",
	NULL,
};

DECLARE_PROBES(tcpdrop);

const struct tool tcpdrop_tool = {
	.name = "tcpdrop",
	.summary = "TCP packets that the kernel drops: which, why, where",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.columns = columns,
	.attach = attach,
	PROBES(tcpdrop),
	.event_size = sizeof(EV),
};
