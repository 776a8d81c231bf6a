// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sofdsnoop: a row for each descriptor that is passed over a UNIX socket. */
#include "tool.h"
#include "sofdsnoop.h"

static const struct opt opts[] = {
	{ 'T', "timestamp", NULL, "show seconds since the first row", OPT_SHOW, "elapsed" },
	{ 'p', "pid", NULL, NULL, OPT_SAME_AS, "pid" },
	{ 't', "tid", NULL, NULL, OPT_SAME_AS, "tid" },
	{ 'n', "name", "NAME[,NAME]", "only processes with NAME in their name", OPT_PART, "comm" },
	{ 'd', "duration", NULL, NULL, OPT_SAME_AS, "duration" },
	{ 0 },
};

static const char *const actions[] = { [SOFDSNOOP_SEND] = "send", [SOFDSNOOP_RECV] = "recv" };
static const char *const table_actions[] = { "SEND", "RECV" };
static const char *const socket_link[] = { NULL, "socket:[#]" };

static const char *const links[] = {
	[NT_LINK_PATH] = "*",
	[NT_LINK_DELETED] = "* (deleted)",
	[NT_LINK_SOCKET] = "socket:[#]",
	[NT_LINK_PIPE] = "pipe:[#]",
	[NT_LINK_ANON] = "anon_inode:@",
	[NT_LINK_NS] = "@:[#]",
	[NT_LINK_PIDFD] = "anon_inode:[pidfd]",
	[NT_LINK_DMABUF] = "/dmabuf:@",
	[NT_LINK_CUT | NT_LINK_PATH] = "...*",
	[NT_LINK_CUT | NT_LINK_DELETED] = "...* (deleted)",
};

#define EV struct sofdsnoop_event

static const struct column columns[] = {
	COLUMN_TIME(EV),
	COLUMN_ELAPSED(EV),
	COLUMN_PID(EV),
	{ .name = "tid", .title = "TID", .help = "thread that sent or received", .type = COL_NUM,
	  COL_AT(EV, head.owner.tid), .flags = COL_NULL_ZERO | COL_LEFT, .width = 6 },
	{ .name = "comm", .title = "COMM", .help = "its name", .type = COL_STR,
	  COL_AT(EV, head.owner.comm), COL_OWNED(EV), .flags = COL_GUARDED, .width = 16 },
	COLUMN_UID(EV),
	COLUMN_CGROUP(EV),
	COLUMN_NETNS(EV),
	COLUMN_OWNER(EV),
	{ .name = "action", .title = "ACTION", .help = "send or recv (table: SEND, RECV)",
	  .type = COL_ENUM, COL_AT(EV, action), .width = 6,
	  .names = actions, .table_names = table_actions, .n_names = SOFDSNOOP_RECV + 1 },
	{ .name = "sock_fd", .title = "SOCK_FD", .help = "the process's number of the socket",
	  .type = COL_NUM, COL_AT(EV, sock_fd), .flags = COL_NULL_ONES | COL_HIDDEN | COL_LEFT,
	  .width = 7 },
	{ .name = "socket", .title = "SOCKET",
	  .help = "the UNIX socket, socket:[INODE] (table: with its number)", .type = COL_PATTERN,
	  .number = offsetof(EV, socket), .guard = offsetof(EV, has_socket),
	  .prefix = offsetof(EV, sock_fd), .flags = COL_PREFIX, .width = 25,
	  .names = socket_link, .n_names = 2 },
	{ .name = "fd", .title = "FD", .help = "the process's number of what was passed",
	  .type = COL_NUM, COL_AT(EV, fd), .flags = COL_LEFT, .width = 5 },
	{ .name = "name", .title = "NAME", .help = "what was passed, as in /proc/PID/fd",
	  .type = COL_PATTERN, COL_AT(EV, link.names), .number = offsetof(EV, link.ino),
	  .guard = offsetof(EV, link.kind), .width = 4,
	  .names = links, .n_names = sizeof(links) / sizeof(links[0]) },
	{ 0 },
};

static const char *const table[] = {
	"time", "elapsed", "action", "tid", "comm", "socket", "fd", "name", NULL,
};

#define SENDS "sofdsnoop_send", "sofdsnoop_send_complete", "sofdsnoop_stream_sent",              \
	      "sofdsnoop_dgram_sent"
#define PROBED "sofdsnoop_sent", "sofdsnoop_detached", SENDS
#define CAST "sofdsnoop_sent_cast", "sofdsnoop_detached_cast", SENDS

static const struct attach_slot attach[] = {
	{ .what = "descriptors passed",
	  .alts = { { { "sofdsnoop_received", PROBED } },
		    { { "sofdsnoop_received_cast", CAST } },
		    { { "sofdsnoop_received_6_7", PROBED } },
		    { { "sofdsnoop_received_6_7_cast", CAST } },
		    { { "sofdsnoop_received_5_10", PROBED } },
		    { { "sofdsnoop_exit" }, "not io_uring, not 32-bit programs" } } },
	{ .what = "SCM_PIDFD", .optional = true,
	  .alts = { { { "sofdsnoop_pidfd" } }, { { "sofdsnoop_pidfd_cast" } } } },
	{ 0 },
};

static const char *const examples[] = {
	"sofdsnoop\0every descriptor that is sent or received from now on",
	"sofdsnoop -p 181 -T\0only by process 181, with seconds since the first",
	"sofdsnoop -n dbus -d 60\0by processes with dbus in their name, for a minute",
	"sofdsnoop --filter 'action recv and not comm ~ systemd'\0what others than systemd get",
	NULL,
};

DECLARE_PROBES(sofdsnoop);

const struct tool sofdsnoop_tool = {
	.name = "sofdsnoop",
	.summary = "file descriptors passed over UNIX sockets",
	.examples = examples,
	.fields = FIELDS_OWNER | FIELDS_NETNS,
	.opts = opts,
	.columns = columns,
	.table = table,
	.attach = attach,
	PROBES(sofdsnoop),
	.event_size = sizeof(EV),
};
