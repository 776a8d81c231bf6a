// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcptop: what each TCP connection sends and receives. */
#include "tool.h"
#include "tcptop.h"

static const struct opt opts[] = {
	{ 'C', "noclear", NULL, "readings one below the other, also on a terminal", OPT_PLAIN },
	{ 'S', "nosummary", NULL, "no line with the time and the load average", OPT_TITLE, "!" },
	{ 'p', "pid", "P[,P]", "process that owns the socket", OPT_SAME_AS, "pid" },
	OPTS_PINNED(0, 0),
	{ 'c', "cgroup", "PATH[,PATH]", "owner in this cgroup or below it", OPT_SAME_AS, "cgroup" },
	{ 's', "sort", "WORD", "by what: all (unless given), sent or received", OPT_SORT,
	  "all=rx_bytes+tx_bytes,sent=tx_bytes,received=rx_bytes" },
	{ 'r', "rows", "N", "the first N rows of each reading only", OPT_ROWS },
	{ 0 },
};

static const struct arg args[] = {
	{ "INTERVAL", "seconds between readings, 1 unless given", ARG_INTERVAL },
	{ "COUNT", "stop after so many readings", ARG_READINGS },
	{ 0 },
};

#define EV struct tcptop_row

static const struct column columns[] = {
	COLUMNS_OWNER(EV),
	COLUMN_IP(EV),
	COLUMNS_ENDS(EV),
	COLUMN_END(EV, "local", "LADDR", "local address and port", head.laddr, head.lport),
	COLUMN_END(EV, "remote", "RADDR", "remote address and port", head.raddr, head.rport),
	{ .name = "tx_bytes", .title = "TX_KB",
	  .help = "payload that the program sent, in bytes (table: KiB)", .type = COL_BYTES,
	  COL_AT(EV, tx_bytes), .flags = COL_ADD, .width = 6 },
	{ .name = "rx_bytes", .title = "RX_KB",
	  .help = "payload that it received, in bytes (table: KiB)", .type = COL_BYTES,
	  COL_AT(EV, rx_bytes), .flags = COL_ADD, .width = 6 },
	{ .name = "interval_ns", .title = "MS", .help = "how long that took, in ns (table: ms)",
	  .type = COL_NSEC, COL_AT(EV, interval_ns), .flags = COL_HIDDEN, .width = 8 },
	{ 0 },
};

static const char *const table[] = {
	"pid", "comm", "local", "remote", "rx_bytes", "tx_bytes", NULL,
};

#define TOTAL "rx_bytes+tx_bytes"

static const struct sort_key keys[] = {
	{ 'b', "both", TOTAL },           { 'r', "rx", "rx_bytes" },
	{ 't', "tx", "tx_bytes" },        { 'p', "pid", "pid" },
	{ 'l', "laddr", "laddr+lport" },  { 'a', "raddr", "raddr+rport" },
	{ 0 },
};

static const struct tool_sums sums = {
	.interval_ns = 1000000000,
	.sort = TOTAL,
	.keys = keys,
	.title = "%H:%M:%S loadavg: %L",
};

static const struct attach_slot attach[] = {
	ATTACH_MOVED,
	ATTACH_TRACK,
	ATTACH_OWNER,
	{ 0 },
};

static const char *const examples[] = {
	"tcptop\0what connections move, every second",
	"tcptop -C 5 3\0every 5 seconds, three times, one below the other",
	"tcptop -p 181 -s sent\0of one process, what sends most first",
	"tcptop --port 443 --filter 'tx_bytes > 1M'\0uploads of more than 1 MiB a second",
	NULL,
};

DECLARE_PROBES(tcptop);

const struct tool tcptop_tool = {
	.name = "tcptop",
	.summary = "What each TCP connection sends and receives",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.opts = opts,
	.args = args,
	.columns = columns,
	.table = table,
	.attach = attach,
	.sums = &sums,
	PROBES(tcptop),
	.event_size = sizeof(EV),
};
