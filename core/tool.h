/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the author of a tool reads. A tool is this description; the core does the rest. */
#ifndef NT_TOOL_H
#define NT_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "column.h"

#define PLAN_MAX_SLOTS 8
#define PLAN_MAX_ALTS 6
#define PLAN_MAX_PROGS 10

/* One way to see something: programs that work only together, by their names in the .bpf.c. */
struct attach_alt {
	const char *progs[PLAN_MAX_PROGS];
	const char *loses; /* what is missing in this variant, for --explain; NULL: nothing */
};

/*
 * One thing to see, and the ways to see it, best first. The list ends with a slot without `what`.
 */
struct attach_slot {
	const char *what;
	bool optional; /* the tool is still right without it */
	bool owners;   /* keeps the map of sockets: one tool of a merged run does it for all */
	bool listeners; /* the same, but of listeners only: where no tool of the run keeps all */
	bool accepts;  /* so, but not where all tools of the run have OWNERS_CONNECTS */
	uint32_t flag; /* only where nt_params.flags has these bits; 0: always */
	struct attach_alt alts[PLAN_MAX_ALTS];
};

/* Which fields the tool's events carry, and so which of the uniform filter options it takes. */
enum {
	FIELDS_OWNER = 1 << 0, /* pid tid comm uid cgroup mntns */
	FIELDS_NETNS = 1 << 1,
	FIELDS_LOCAL = 1 << 2 | FIELDS_NETNS, /* port and address of the own end, family */
	FIELDS_REMOTE = 1 << 3, /* port and address of the other end */
	FIELDS_FLOW = FIELDS_LOCAL | FIELDS_REMOTE,
};

/* Of which sockets the tool wants to know the owners. */
enum owners {
	OWNERS_ALL,
	OWNERS_CONNECTS, /* only of those that called connect(): the others cost nothing */
};

/* What an option of the tool's own does. Most are other names of what every tool has. */
enum opt_kind {
	OPT_SHOW,    /* shows the hidden columns `target` ("a,b"), if any; "a=b": b instead of a */
	OPT_SAME_AS, /* is the uniform option `target` */
	OPT_CGROUPMAP, /* only owners whose cgroup v2 id is in the pinned map `arg` */
	OPT_MNTNSMAP,  /* only those whose mount namespace is */
	OPT_JOURNAL, /* each row goes to the systemd journal too, see struct journal_field */
	OPT_VARIANT,   /* rows are those of tool->variant */
	OPT_TABLE,   /* the table has the columns `target` ("a,b"); CSV and JSON are unchanged */
	OPT_REASON,  /* only rows whose COL_REASON column `target` has a value of the list `arg` */
	OPT_NETNS,   /* only the network namespace with the inode number `arg`; 0: all */
	OPT_NETNS_OF, /* only the network namespace of the process `arg` */
	OPT_NUMBER,  /* the filter `target` = arg, a whole number */
	OPT_DEVICES, /* only these network devices of our namespace, by the column `target` */
	OPT_INTERVAL, /* tool->sums are read every `arg` seconds */
	OPT_ROWS,    /* only so many rows of each reading */
	OPT_TITLE,   /* tool->sums->title is printed; with a leading '!' as `target`: is not */
	OPT_PART,    /* only rows whose text column `target` has `arg` as a part */
	OPT_PLAIN,   /* no screen: readings one below the other on a terminal too */
	OPT_SORT,    /* rows of a reading by a column; `target`: "word=column,word=column" */
	OPT_UNIT,    /* of COL_UNIT columns in the table: b k m bits, B K M bytes, each 1024 times
			the one before */
};

/* The list ends with an entry without letter and name. */
struct opt {
	char letter;      /* 0: none; it wins over a uniform option's letter */
	const char *name; /* long name without dashes, or NULL */
	const char *arg;  /* NULL: takes none */
	const char *help;
	enum opt_kind kind;
	const char *target;
	uint32_t flag;    /* also sets these bits of nt_params.flags */
	uint32_t without; /* cannot be used together with options that set these */
};

/* bcc's maps, for the tools of bcc that take them; their letters, or 0. */
#define OPTS_PINNED(cgroup, mntns)                                                                 \
	{ cgroup, "cgroupmap", "PATH", "only cgroups that this pinned BPF map has",                \
	  OPT_CGROUPMAP },                                                                         \
	{ mntns, "mntnsmap", "PATH", "only mount namespaces that it has", OPT_MNTNSMAP }

/* What a word without dashes means. They are optional, in this order. */
enum arg_kind {
	ARG_INTERVAL,    /* seconds, as OPT_INTERVAL */
	ARG_READINGS,    /* stop after so many of them */
	ARG_AT_LEAST_MS, /* the filter `target` >= so many milliseconds */
	ARG_NETS,        /* instead of tool->nets */
};

/* The list ends with an entry without a name. */
struct arg {
	const char *name, *help;
	enum arg_kind kind;
	const char *target;
};

/* A key of the screen. The list ends with an entry without a key. */
struct sort_key {
	char key;
	const char *word;    /* what it says there */
	const char *columns; /* as tool_sums.sort */
};

/*
 * Rows that the kernel adds up (probes/sums.bpf.h) and we read at intervals. They begin with a
 * struct nt_sum. Columns with COL_ADD or COL_MAX, and histograms, are put together when a row has a
 * part for each CPU.
 */
struct tool_sums {
	uint64_t interval_ns; /* between readings unless given; 0: one, at the end */
	uint32_t entries;     /* rows of a hash, unless --sockets says so; 0: as for sockets */
	uint32_t keyed;       /* bits of nt_params.flags that the key depends on; 0: it is fixed */
	uint16_t key_size;    /* bytes that each of them adds to it: without any there is one row */
	uint16_t key_at;      /* where rows have the key, if some stay out of the hash */
	bool merged;          /* rows that differ in nothing shown are put together, and sorted */
	/*
	 * Column, or "a+b": the sum of two with COL_ADD, else first by a. Sums: the largest first.
	 * NULL: as they come.
	 */
	const char *sort;
	uint32_t rows;        /* most rows of a reading unless given; 0: all */
	/*
	 * Rows in groups, by the values of these columns (table: a line with the first two before
	 * each, and the sum behind it); within a group by the number in `index`, and where one is
	 * missing below the number in `indexes` a row of zeros. With two of `indexes` the second
	 * column has the values 0 and 1, each with its number and always with a group; of
	 * devices (OPT_DEVICES) they are what it sends and what it receives. NULL: no groups.
	 */
	const char *groups[3], *index, *indexes[2];
	const struct sort_key *keys; /* on a terminal it has a screen (core/top.h); or NULL */
	bool bare;            /* the table has no heading unless --columns is given */
	const char *title;    /* line before each reading in the table: strftime(3), and %L for
				 /proc/loadavg; printed unless it begins with '!' */
};

/* A field of the journal's entry for a row. The list ends with an entry without a name. */
struct journal_field {
	const char *name;
	const char *column; /* whose value it has; "a b" joins several, "->" stands for itself */
	uint8_t ip;         /* only for this IP version; 0: always */
	uint32_t divide;    /* number columns: divided by this; 0: as it is */
};

/* The BPF object, gzip-compressed, in the binary. */
struct probe_object {
	const unsigned char *start, *end;
};

struct tool {
	const char *name;    /* also the tool's word in JSON and on the command line */
	const char *summary; /* one line, without a full stop */
	const char *const *examples; /* "COMMAND LINE\0what it does", NULL-terminated */
	uint32_t fields;     /* FIELDS_* */
	enum owners owners;
	bool states;         /* it keeps a struct nt_state (probes/abi.h) of each socket */
	const struct opt *opts;
	const struct arg *args;       /* or NULL */
	const struct column *columns; /* places in the event, in JSON's order */
	const char *const *table;     /* names in the table's order, see struct view_opts */
	const struct attach_slot *attach;
	const struct journal_field *journal; /* OPT_JOURNAL, or NULL */
	struct probe_object probe, filtered; /* PROBES(name); why two: probes/filter.bpf.h */
	size_t event_size;   /* it starts with a struct nt_event */
	size_t least_size;   /* an event may end here: what is missing is zero. 0: event_size */
	const struct tool_sums *sums; /* or NULL: each event is a row */
	uint32_t stackless;  /* opt.flag of the option that leaves stacks out, or 0 */
	const char *nets;    /* networks that its sums have a row each for (core/nets.h), or NULL */
	const struct tool *variant;   /* OPT_VARIANT: this tool with other rows, or NULL */
	const char *by;      /* of a variant: the option, " -c" */
};

#define DECLARE_PROBES(tool)                                                                       \
	extern const unsigned char nt_probe_##tool[], nt_probe_##tool##_end[],                     \
		nt_probe_##tool##_filtered[], nt_probe_##tool##_filtered_end[]
#define PROBES(tool)                                                                               \
	.probe = { nt_probe_##tool, nt_probe_##tool##_end },                                       \
	.filtered = { nt_probe_##tool##_filtered, nt_probe_##tool##_filtered_end }

/*
 * Slots that every tool with FIELDS_OWNER has in its list; the programs are those of
 * probes/owner.bpf.h.
 */
#define ATTACH_OWNER                                                                               \
	{ .what = "accept", .optional = true, .owners = true, .accepts = true,                     \
	  .alts = { { { "nt_accept_kprobe" } },                                                    \
		    { { "nt_accept_fentry" } },                                                    \
		    { { "nt_recv_tp" },                                                            \
		      "who accepts is known only when it first receives or closes" } } },          \
	ATTACH_OWNER_END
/* For a tool that sees accept() itself and claims the socket there. */
#define ATTACH_OWNER_END                                                                           \
	{ .what = "end of a socket", .owners = true, .alts = { { { "nt_destroy_tp" } } } }

/* Before ATTACH_OWNER, of tools without programs of their own on transitions. */
#define ATTACH_TRACK                                                                               \
	{ .what = "life of sockets", .owners = true,                                               \
	  .alts = { { { "nt_track_state", "nt_track_state_again" } } } }

/* Instead of both, of tools whose rows are about listeners. */
#define ATTACH_LISTENERS                                                                           \
	{ .what = "life of listeners", .listeners = true, .alts = { { { "nt_listener_state" } } } }

/* Bytes that programs move: probes/moved.bpf.h. */
#define ATTACH_MOVED                                                                               \
	{ .what = "bytes sent",                                                                    \
	  .alts = { { { "nt_sent_tp" } },                                                          \
		    { { "nt_sent4_fexit", "nt_sent6_fexit", "nt_sendpage_fexit" },                 \
		      "a call that was waiting at the start" },                                    \
		    { { "nt_sent4_kprobe", "nt_sent4_kret", "nt_sent6_kprobe", "nt_sent6_kret",    \
			"nt_sendpage_kprobe", "nt_sendpage_kret" },                                \
		      "calls that wait while very many others do" } } },                           \
	{ .what = "bytes received",                                                                \
	  .alts = { { { "nt_received_tp" } },                                                      \
		    { { "nt_received4_fexit", "nt_received6_fexit" },                              \
		      "a call that was waiting at the start" },                                    \
		    { { "nt_received4_kprobe", "nt_received4_kret", "nt_received6_kprobe",         \
			"nt_received6_kret" },                                                     \
		      "calls that wait while very many others do" } } },                           \
	{ .what = "splice() from sockets", .optional = true,                                       \
	  .alts = { { { "nt_spliced_fexit", "nt_mptcp_spliced_fexit" } },                          \
		    { { "nt_spliced_fexit" } },                                                    \
		    { { "nt_spliced_kprobe", "nt_spliced_kret", "nt_mptcp_spliced_kprobe",         \
			"nt_mptcp_spliced_kret" } },                                               \
		    { { "nt_spliced_kprobe", "nt_spliced_kret" } } } }

/*
 * The columns that tools share. `ev` is the tool's event, which has a struct nt_event named `head`.
 */
#define COL_AT(ev, member) .off = offsetof(ev, member), .size = sizeof(((ev *)0)->member)
#define COL_OWNED(ev) .guard = offsetof(ev, head.owner.how)

#define COLUMN_TIME(ev)                                                                            \
	{                                                                                          \
		.name = "time", .title = "TIME",                                                   \
		.help = "moment of the event, UTC (table: local HH:MM:SS)", .type = COL_TIME,      \
		COL_AT(ev, head.time), .flags = COL_HIDDEN, .width = 8                             \
	}
#define COLUMN_ELAPSED(ev)                                                                       \
	{ .name = "elapsed", .title = "TIME(s)", .help = "seconds since the first row",            \
	  .type = COL_ELAPSED, COL_AT(ev, head.time),                                            \
	  .flags = COL_HIDDEN | COL_TABLE_ONLY | COL_LEFT, .width = 9 }
#define COLUMN_PID(ev)                                                                           \
	{ .name = "pid", .title = "PID", .help = "process that owns the socket", .type = COL_NUM,  \
	  COL_AT(ev, head.owner.pid), COL_OWNED(ev), .flags = COL_GUARDED | COL_LEFT, .width = 5 }
#define COLUMN_TID(ev)                                                                           \
	{ .name = "tid", .title = "TID", .help = "its thread, where it is known", .type = COL_NUM, \
	  COL_AT(ev, head.owner.tid), .flags = COL_NULL_ZERO | COL_HIDDEN | COL_LEFT, .width = 5 }
#define COLUMN_COMM(ev)                                                                            \
	{                                                                                          \
		.name = "comm", .title = "COMM", .help = "name of that process (thread)",          \
		.type = COL_STR, COL_AT(ev, head.owner.comm), COL_OWNED(ev), .flags = COL_GUARDED, \
		.width = 10                                                                        \
	}
#define COLUMN_UID(ev)                                                                           \
	{ .name = "uid", .title = "UID", .help = "its user", .type = COL_NUM,                      \
	  COL_AT(ev, head.owner.uid), .flags = COL_NULL_ONES | COL_HIDDEN | COL_LEFT, .width = 5 }
#define COLUMN_CGROUP(ev)                                                                        \
	{ .name = "cgroup", .title = "CGROUP", .help = "its cgroup v2 path", .type = COL_NAME,     \
	  COL_AT(ev, head.owner.cgroup), .flags = COL_NULL_ZERO | COL_HIDDEN, .width = 10 }
#define COLUMN_NETNS(ev)                                                                         \
	{ .name = "netns", .title = "NETNS", .help = "inode of the socket's network namespace",    \
	  .type = COL_NUM, COL_AT(ev, head.netns), .flags = COL_NULL_ZERO | COL_HIDDEN | COL_LEFT, \
	  .width = 10 }
#define COLUMN_OWNER(ev)                                                                           \
	{                                                                                          \
		.name = "owner", .title = "OWNER", .help = "how the process was found",            \
		.type = COL_ENUM, COL_AT(ev, head.owner.how), .flags = COL_HIDDEN, .width = 9,     \
		.names = names_owner, .n_names = NT_OWNER_CONNECT + 1                              \
	}
#define COLUMN_IP_AS(ev, more)                                                                   \
	{ .name = "ip", .title = "IP", .help = "4 or 6; IPv4-mapped IPv6 is 4", .type = COL_NUM,   \
	  COL_AT(ev, head.ip), .flags = COL_NULL_ZERO | COL_LEFT | (more), .width = 2 }
#define COLUMN_LADDR_AS(ev, heading)                                                             \
	{ .name = "laddr", .title = heading, .help = "local address", .type = COL_ADDR,            \
	  COL_AT(ev, head.laddr), .width = 15 }
#define COLUMN_LPORT_AS(ev, heading, more)                                                       \
	{ .name = "lport", .title = heading, .help = "local port", .type = COL_NUM,                \
	  COL_AT(ev, head.lport), .flags = COL_NULL_ZERO | COL_LEFT | (more), .width = 5 }
#define COLUMN_RADDR_AS(ev, heading)                                                             \
	{ .name = "raddr", .title = heading, .help = "remote address", .type = COL_ADDR,           \
	  COL_AT(ev, head.raddr), .width = 15 }
#define COLUMN_RPORT_AS(ev, heading)                                                             \
	{ .name = "rport", .title = heading, .help = "remote port", .type = COL_NUM,               \
	  COL_AT(ev, head.rport), .flags = COL_NULL_ZERO | COL_LEFT, .width = 5 }
#define COLUMN_IP(ev) COLUMN_IP_AS(ev, COL_HIDDEN)
#define COLUMN_IP_IN_TABLE(ev) COLUMN_IP_AS(ev, 0)
#define COLUMN_LADDR(ev) COLUMN_LADDR_AS(ev, "LADDR")
#define COLUMN_LPORT(ev) COLUMN_LPORT_AS(ev, "LPORT", 0)
#define COLUMN_RADDR(ev) COLUMN_RADDR_AS(ev, "RADDR")
#define COLUMN_RPORT(ev) COLUMN_RPORT_AS(ev, "RPORT")

/* Both together, as some of bcc's tables have them: "10.1.2.3:80", "[::1]:80". */
#define COLUMN_END(ev, column, heading, text, addr, port)                                        \
	{ .name = column, .title = heading, .help = text, .type = COL_ENDPOINT,                  \
	  COL_AT(ev, addr), .guard = offsetof(ev, port), .flags = COL_TABLE_ONLY, .width = 20 }
#define COLUMNS_JOINED(ev)                                                                       \
	COLUMN_END(ev, "local", "LADDR:LPORT", "local address and port", head.laddr, head.lport), \
	COLUMN_END(ev, "remote", "RADDR:RPORT", "remote address and port", head.raddr, head.rport)

/* The ends as the packet has them. `ev` has saddr, sport, daddr, dport: network and host order. */
#define COLUMN_PACKET(ev, column, heading, text, kind, more, least)                                \
	{ .name = #column, .title = heading, .help = text, .type = kind, COL_AT(ev, column),       \
	  .flags = COL_HIDDEN | (more), .width = least }
#define COLUMNS_PACKET(ev)                                                                         \
	COLUMN_END(ev, "source", "SADDR:SPORT", "sender's address and port", saddr, sport),        \
	{ .name = "arrow", .title = ">", .help = "always >", .type = COL_ENUM,                     \
	  .flags = COL_TABLE_ONLY, .names = names_arrow, .n_names = 1 },                           \
	COLUMN_END(ev, "target", "DADDR:DPORT", "receiver's address and port", daddr, dport),      \
	COLUMN_PACKET(ev, saddr, "SADDR", "the packet's sender", COL_ADDR, 0, 15),                 \
	COLUMN_PACKET(ev, sport, "SPORT", "its port", COL_NUM, COL_NULL_ZERO | COL_LEFT, 5),       \
	COLUMN_PACKET(ev, daddr, "DADDR", "the packet's receiver", COL_ADDR, 0, 15),               \
	COLUMN_PACKET(ev, dport, "DPORT", "its port", COL_NUM, COL_NULL_ZERO | COL_LEFT, 5)
/* All of these, in the order of JSON; and those of tools whose table calls the ends otherwise. */
#define COLUMNS_OWNER(ev)                                                                  \
	COLUMN_TIME(ev), COLUMN_ELAPSED(ev), COLUMN_PID(ev), COLUMN_TID(ev),               \
	COLUMN_COMM(ev), COLUMN_UID(ev), COLUMN_CGROUP(ev), COLUMN_NETNS(ev),              \
	COLUMN_OWNER(ev)
#define COLUMNS_ENDS(ev)                                                                   \
	COLUMN_LADDR(ev), COLUMN_LPORT(ev), COLUMN_RADDR(ev), COLUMN_RPORT(ev)
#define COLUMNS_COMMON(ev) COLUMNS_OWNER(ev), COLUMN_IP(ev), COLUMNS_ENDS(ev)

extern const char *const names_owner[NT_OWNER_CONNECT + 1];

#define NAMES_ERRNO 134
extern const char *const names_errno[NAMES_ERRNO]; /* by number; 0 is none */

extern const char *const names_arrow[1];

#define NAMES_TCP_FLAGS 9
extern const char *const names_tcp_flag[NAMES_TCP_FLAGS]; /* by bit of the header's flags */

#define NAMES_TCP_STATES 14
extern const char *const names_tcp_state[NAMES_TCP_STATES]; /* the kernel's, by number
							       (include/net/tcp_states.h) */

#endif
