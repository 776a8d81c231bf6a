// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpdrop: a row for each dropped TCP packet, with the reason and the kernel's stack. */
#include "tool.h"
#include "tcpdrop.h"

static const struct opt opts[] = {
	{ 0, "netns-id", "INUM", "only the network namespace with this inode number; 0: all",
	  OPT_NETNS, .flag = TCPDROP_NETNS_ID, .without = TCPDROP_PID_NETNS },
	{ 0, "pid-netns", "PID", "only the network namespace of this process", OPT_NETNS_OF,
	  .flag = TCPDROP_PID_NETNS },
	{ 0, "reason", "NAME[,NAME]", "only drops for these reasons", OPT_REASON, "reason" },
	{ 0, "all", NULL, "also what is freed without a reason", OPT_SHOW, .flag = TCPDROP_ALL },
	{ 0, "no-stack", NULL, "no stacks, which cost most", OPT_SHOW, .flag = TCPDROP_NO_STACK },
	{ 'c', "count", NULL, "count the drops of each flow and reason, print at the end",
	  OPT_VARIANT, .flag = TCPDROP_COUNT },
	{ 0 },
};

/* As the kernel calls what it counts in /proc/net/netstat. */
static const char *const counters[TCPDROP_COUNTERS] = {
	[TCPDROP_LISTEN_OVERFLOWS] = "ListenOverflows",
	[TCPDROP_REQ_Q_FULL_DROP] = "TCPReqQFullDrop",
};

#define EV struct tcpdrop_event
#define COUNT struct tcpdrop_count
#define COLUMNS_REASON(ev)                                                                         \
	{ .name = "reason", .title = "REASON", .help = "why, by the kernel's name for it",         \
	  .type = COL_REASON, COL_AT(ev, reason), .flags = COL_NULL_ZERO,                          \
	  .names = counters, .n_names = TCPDROP_COUNTERS },                                        \
	{ .name = "reason_code", .title = "(CODE)", .help = "the running kernel's number of it",   \
	  .type = COL_NUM, COL_AT(ev, reason_code),                                                \
	  .flags = COL_NULL_ZERO | COL_LEFT | COL_PARENS }

static const struct column columns[] = {
	COLUMNS_COMMON(EV),
	COLUMNS_PACKET(EV),
	{ .name = "state", .title = "STATE", .help = "of the socket; unknown: it has none",
	  .type = COL_ENUM, COL_AT(EV, state), .width = 11, .names = names_tcp_state,
	  .n_names = NAMES_TCP_STATES },
	{ .name = "flags", .title = "(FLAGS)", .help = "of the TCP header", .type = COL_FLAGS,
	  COL_AT(EV, flags), .flags = COL_NULL_ONES | COL_PARENS, .names = names_tcp_flag,
	  .n_names = NAMES_TCP_FLAGS },
	COLUMNS_REASON(EV),
	{ .name = "dev", .title = "DEV", .help = "network device", .type = COL_STR, COL_AT(EV, dev),
	  .flags = COL_HIDDEN | COL_NULL_ZERO, .width = 6 },
	{ .name = "stack", .title = "STACK", .help = "how the kernel got there, innermost first",
	  .type = COL_STACK, .off = sizeof(EV), .size = NT_STACK_SIZE,
	  .guard = offsetof(EV, location) },
	{ 0 },
};

static const char *const table[] = {
	"+time", "pid", "+ip", "source", "arrow", "target", "state", "flags", "reason",
	"reason_code", "dev", "stack", NULL,
};

#define RECEIVERS(by) "nt_receive4" by, "nt_receive6" by, "nt_receive_timewait" by
static const struct attach_slot attach[] = {
	{ .what = "dropped packets",
	  .alts = { { { "tcpdrop_cast" } }, { { "tcpdrop_read", RECEIVERS("") } },
		    { { "tcpdrop_old", "tcpdrop_freed", RECEIVERS("") },
		      "reasons: the dropping function's name stands in" },
		    { { "tcpdrop_read", RECEIVERS("_kprobe") } },
		    { { "tcpdrop_read" }, "the sockets of packets that were received" },
		    { { "tcpdrop_old" }, "reasons, and what a socket's TCP drops" } } },
	{ .what = "full queues of listeners", .optional = true,
	  .alts = { { { "tcpdrop_syn_fentry", "tcpdrop_ack4_fentry", "tcpdrop_ack6_fentry" } },
		    { { "tcpdrop_syn_kprobe", "tcpdrop_ack4_kprobe", "tcpdrop_ack6_kprobe" } },
		    { { "tcpdrop_ingress" }, "their stacks; a program runs for every packet" } } },
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcpdrop --no-stack --port 443\0of either side's port 443, a line each",
	"tcpdrop --reason NETFILTER_DROP\0what a firewall drops",
	"tcpdrop -c\0how many of each flow and reason, until Ctrl-C",
	NULL,
};

DECLARE_PROBES(tcpdrop);

#define TCPDROP                                                                                    \
	.name = "tcpdrop", .summary = "TCP packets that the kernel drops: which, why, where",      \
	.examples = examples, .fields = FIELDS_OWNER | FIELDS_FLOW, .opts = opts,                  \
	.attach = attach, PROBES(tcpdrop)

/* Without owners: to know them would cost more than the rest. */
static const struct column counted_columns[] = {
	COLUMN_TIME(struct nt_sum), COLUMN_NETNS(struct nt_sum), COLUMN_IP(struct nt_sum),
	COLUMNS_ENDS(struct nt_sum),
	COLUMNS_PACKET(COUNT),
	COLUMNS_REASON(COUNT),
	{ .name = "drops", .title = "DROPS", .help = "packets dropped", .type = COL_NUM,
	  COL_AT(COUNT, drops), .flags = COL_ADD | COL_LEFT },
	{ 0 },
};

static const char *const counted_table[] = {
	"source", "arrow", "target", "reason", "reason_code", "drops", NULL,
};

static const struct tool counted = {
	TCPDROP, .by = " -c",
	.columns = counted_columns,
	.table = counted_table,
	.event_size = sizeof(COUNT),
	.sums = &(struct tool_sums){ .sort = "drops" },
};

const struct tool tcpdrop_tool = {
	TCPDROP,
	.columns = columns,
	.table = table,
	.event_size = sizeof(EV) + NT_STACK_SIZE, .stackless = TCPDROP_NO_STACK,
	.least_size = sizeof(EV),
	.variant = &counted,
};
