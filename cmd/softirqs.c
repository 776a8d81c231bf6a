// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* softirqs: how often softirqs run, and how long. */
#include "tool.h"
#include "softirqs.h"

#define COUNTS SOFTIRQS_COUNTS, .without = SOFTIRQS_DIST | SOFTIRQS_NSECS

static const struct opt opts[] = {
	{ 'T', "timestamp", NULL, "a line with the time before each reading", OPT_TITLE, NULL },
	{ 'N', "nanoseconds", NULL, "the table has nanoseconds, not microseconds", OPT_TABLE,
	  "softirq,nsecs,count,max_nsecs,ns", SOFTIRQS_NSECS },
	{ 'C', "events", NULL, "the table has counts only", OPT_TABLE, "softirq,count", COUNTS },
	{ 0, "count", NULL, "same as --events", OPT_TABLE, "softirq,count", COUNTS },
	{ 'd', "dist", NULL, "a histogram for each softirq", OPT_VARIANT, NULL, SOFTIRQS_DIST },
	{ 0, "distributed", NULL, "same as --dist", OPT_VARIANT, NULL, SOFTIRQS_DIST },
	{ 'c', "cpu", "CPU", "only of this CPU", OPT_NUMBER, "cpu" },
	{ 0 },
};

static const struct arg args[] = {
	{ "INTERVAL", "seconds between readings; unless given, one at the end", ARG_INTERVAL,
	  NULL },
	{ "COUNT", "stop after so many readings", ARG_READINGS, NULL },
	{ 0 },
};

/* include/linux/interrupt.h; the names are those of /proc/softirqs in lower case. */
static const char *const names[SOFTIRQS] = {
	"hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer",
	"rcu",
};

#define EV struct softirqs_event

#define COLUMN_SOFTIRQ(heading)                                                                  \
	{ .name = "softirq", .title = heading, .help = "which one", .type = COL_ENUM,              \
	  COL_AT(EV, softirq), .width = 16, .names = names, .n_names = SOFTIRQS }
#define COLUMN_CPU                                                                               \
	{ .name = "cpu", .title = "CPU", .help = "where it ran, if on one CPU only",               \
	  .type = COL_NUM, COL_AT(EV, cpu), .flags = COL_HIDDEN | COL_NULL_ONES, .width = 3 }

static const struct column columns[] = {
	COLUMN_TIME(EV),
	COLUMN_SOFTIRQ("SOFTIRQ"),
	{ .name = "total_ns", .title = "TOTAL_usecs", .help = "time in it in ns (table: us)",
	  .type = COL_NSEC, COL_AT(EV, total_ns), .flags = COL_ADD | COL_MICRO, .width = 11 },
	{ .name = "nsecs", .title = "TOTAL_nsecs", .help = "time in it in ns",
	  .type = COL_NSEC, COL_AT(EV, total_ns),
	  .flags = COL_NANO | COL_HIDDEN | COL_TABLE_ONLY, .width = 11 },
	{ .name = "count", .title = "TOTAL_count", .help = "how often it ran", .type = COL_NUM,
	  COL_AT(EV, count), .flags = COL_ADD, .width = 11 },
	{ .name = "max_ns", .title = "MAX_usecs", .help = "the longest in ns (table: us)",
	  .type = COL_NSEC, COL_AT(EV, max_ns), .flags = COL_MAX | COL_MICRO, .width = 9 },
	{ .name = "max_nsecs", .title = "MAX_nsecs", .help = "the longest in ns",
	  .type = COL_NSEC, COL_AT(EV, max_ns),
	  .flags = COL_NANO | COL_HIDDEN | COL_TABLE_ONLY, .width = 9 },
	COLUMN_CPU,
	{ 0 },
};

static const struct column dist_columns[] = {
	COLUMN_TIME(EV),
	COLUMN_SOFTIRQ("softirq"),
	COLUMN_CPU,
	{ .name = "ns", .title = "nsecs", .help = "how long it ran, in ns", .type = COL_HIST,
	  COL_AT(EV, ns), .flags = COL_HIDDEN },
	{ .name = "us", .title = "usecs", .help = "how long it ran, in us", .type = COL_HIST,
	  COL_AT(EV, us), .flags = COL_TABLE_ONLY },
	{ 0 },
};

static const struct tool_sums sums = {
	.sort = "total_ns",
	.title = "!%H:%M:%S",
};

static const struct attach_slot attach[] = {
	{ .what = "softirqs", .alts = { { { "softirqs_entry", "softirqs_exit" } } } },
	{ 0 },
};

static const char *const examples[] = {
	"softirqs\0time in each softirq until Ctrl-C",
	"softirqs 1 10\0every second, ten times",
	"softirqs -d\0how the times are spread",
	"softirqs -c 0 --json 1\0of CPU 0, as JSON",
	NULL,
};

DECLARE_PROBES(softirqs);

static const struct tool dist = {
	.name = "softirqs", .by = " -d",
	.opts = opts,
	.args = args,
	.columns = dist_columns,
	.attach = attach,
	.sums = &sums,
	PROBES(softirqs),
	.event_size = sizeof(EV),
};

const struct tool softirqs_tool = {
	.name = "softirqs",
	.summary = "Softirqs: how often they run, and how long",
	.examples = examples,
	.opts = opts,
	.args = args,
	.columns = columns,
	.attach = attach,
	.sums = &sums,
	.variant = &dist,
	PROBES(softirqs),
	.event_size = sizeof(EV),
};
