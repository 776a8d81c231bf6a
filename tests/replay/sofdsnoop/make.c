/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Descriptors passed: every kind of file, and every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "sofdsnoop.h"

#define US 1000ull
#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { DBUS = 100, USER, HOSTILE };

extern const struct tool sofdsnoop_tool;

/* An action of a process on a socket. */
static struct sofdsnoop_event action(enum sofdsnoop_action what, uint32_t pid, const char *comm,
				     uint32_t sock_fd, uint64_t socket)
{
	struct sofdsnoop_event e = {
		.head = { .netns = HOST_NETNS,
			  .owner = { .cgroup = USER, .pid = pid, .tid = pid, .uid = 1000,
				     .how = NT_OWNER_IO } },
		.socket = socket, .has_socket = 1, .sock_fd = sock_fd, .action = what,
	};

	make_comm(e.head.owner.comm, comm);
	return e;
}

/* `ns` after MAKE_TIME. `parts`: the last part of a path first, each but the last with a NUL. */
static void pass(struct recorder *rec, struct sofdsnoop_event *e, uint64_t ns, uint32_t fd,
		 uint8_t kind, uint64_t ino, const char *parts, size_t len)
{
	e->head.time = MAKE_TIME + ns;
	e->fd = fd;
	memset(&e->link, 0, sizeof(e->link));
	e->link.kind = kind;
	e->link.ino = ino;
	e->link.used = len + 1;
	memcpy(e->link.names, parts, len);
	make_event(rec, e, sizeof(*e));
}

#define PASS(rec, e, ns, fd, kind, ino, parts) \
	pass(rec, e, ns, fd, kind, ino, parts, sizeof(parts) - 1)

/* Three files from one process to another. */
static void write_three(struct recorder *rec)
{
	struct sofdsnoop_event send = action(SOFDSNOOP_SEND, 4711, "sender", 24, 39763);
	struct sofdsnoop_event recv = action(SOFDSNOOP_RECV, 4712, "receiver", 5, 39764);

	PASS(rec, &send, 0, 3, NT_LINK_PATH, 1001, "one\0tmp");
	PASS(rec, &send, 2 * US, 4, NT_LINK_PATH, 1002, "two\0tmp");
	PASS(rec, &send, 4 * US, 7, NT_LINK_DELETED, 1003, "three\0tmp");
	PASS(rec, &recv, 51 * US, 6, NT_LINK_PATH, 1001, "one\0tmp");
	PASS(rec, &recv, 53 * US, 7, NT_LINK_PATH, 1002, "two\0tmp");
	PASS(rec, &recv, 55 * US, 8, NT_LINK_DELETED, 1003, "three\0tmp");
}

static void write_plain(struct recorder *rec)
{
	struct sofdsnoop_event bus = action(SOFDSNOOP_SEND, 600, "dbus-daemon", 11, 20001);
	struct sofdsnoop_event thread = action(SOFDSNOOP_RECV, 181, "worker", 4, 20002);
	struct sofdsnoop_event ring = action(SOFDSNOOP_SEND, 182, "io", UINT32_MAX, 20003);

	make_cgroup(rec, DBUS, "/system.slice/dbus.service");
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	write_three(rec);
	bus.head.owner.uid = 102;
	bus.head.owner.cgroup = DBUS;
	PASS(rec, &bus, 100 * MS, 12, NT_LINK_SOCKET, 20010, "");
	PASS(rec, &bus, 100 * MS + 1, 13, NT_LINK_PIPE, 20011, "");
	thread.head.owner.tid = 199;
	thread.head.netns = OTHER_NETNS;
	PASS(rec, &thread, 200 * MS, 20, NT_LINK_PATH, 5, "null\0dev");
	PASS(rec, &ring, 1500 * MS, 3, NT_LINK_ANON, 1038, "[eventfd]");
}

/* Every kind of file, and kinds that a newer kernel may have. */
static void write_kinds(struct recorder *rec)
{
	struct sofdsnoop_event e = action(SOFDSNOOP_RECV, 1, "init", 3, 1);
	char parts[NT_LINK_NAMES];
	uint64_t ns = 0;

	PASS(rec, &e, ns++, 4, NT_LINK_UNKNOWN, 0, "");
	PASS(rec, &e, ns++, 5, NT_LINK_PATH, 2, "");
	PASS(rec, &e, ns++, 6, NT_LINK_PATH, 3, "bash\0bin\0usr");
	PASS(rec, &e, ns++, 7, NT_LINK_DELETED, 4, "gone\0tmp");
	PASS(rec, &e, ns++, 8, NT_LINK_DELETED, 5, "memfd:a name");
	PASS(rec, &e, ns++, 9, NT_LINK_SOCKET, 6, "");
	PASS(rec, &e, ns++, 10, NT_LINK_PIPE, UINT64_MAX, "");
	PASS(rec, &e, ns++, 11, NT_LINK_ANON, 1038, "[io_uring]");
	PASS(rec, &e, ns++, 12, NT_LINK_NS, 4026531840u, "net");
	PASS(rec, &e, ns++, 13, NT_LINK_PIDFD, 77, "");
	PASS(rec, &e, ns++, 14, NT_LINK_DMABUF, 78, "buffer");
	PASS(rec, &e, ns++, 15, NT_LINK_CUT | NT_LINK_PATH, 79, "file\0deep");
	PASS(rec, &e, ns++, 16, NT_LINK_CUT | NT_LINK_DELETED, 80, "file\0deep");
	PASS(rec, &e, ns++, 17, NT_LINK_CUT - 1, 81, "newer");
	PASS(rec, &e, ns++, 18, UINT8_MAX, 82, "newest");
	memset(parts, 'x', sizeof(parts));
	for (size_t at = 255; at < sizeof(parts); at += 256)
		parts[at] = 0;
	pass(rec, &e, ns++, 19, NT_LINK_PATH, 83, parts, sizeof(parts));
	memset(parts, 'y', sizeof(parts)); /* no end of the name at all */
	pass(rec, &e, ns++, 20, NT_LINK_PATH, 84, parts, sizeof(parts));
}

static void write_hostile(struct recorder *rec)
{
	struct sofdsnoop_event e = action(SOFDSNOOP_SEND, 77, "\x1b[31mred\x1b[0m", 3, 4);

	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	e.head.owner.cgroup = HOSTILE;
	PASS(rec, &e, 0, 5, NT_LINK_PATH, 1, "two\nlines\r\n\ttab\0\"quoted\",comma");
	PASS(rec, &e, 1, 6, NT_LINK_PATH, 1, "\x1b[31mred\x7f\0back\\slash\\x41");
	PASS(rec, &e, 2, 7, NT_LINK_PATH, 1,
	     "h\xc3\xa9llo \xe2\x86\x92 \xf0\x9f\x90\x9d\0 blanks ");
	PASS(rec, &e, 3, 8, NT_LINK_PATH, 1, "\xff\xfe\xc0\x80 \xed\xa0\x80\0=1+1");
	PASS(rec, &e, 4, 9, NT_LINK_DELETED, 1, "memfd:#*@");
	make_comm(e.head.owner.comm, "\"quoted\",comma");
	PASS(rec, &e, 5, 10, NT_LINK_ANON, 1, "\n");
}

static void write_extremes(struct recorder *rec)
{
	struct sofdsnoop_event e = action(2, UINT32_MAX, "max", UINT32_MAX - 1, UINT64_MAX);

	e.head.netns = UINT32_MAX;
	e.head.owner.uid = UINT32_MAX - 1;
	e.head.owner.cgroup = UINT64_MAX;
	PASS(rec, &e, 0, UINT32_MAX, NT_LINK_SOCKET, UINT64_MAX, "");
	e = action(SOFDSNOOP_SEND, 0, "", UINT32_MAX, 0);
	e.head.netns = 0;
	e.head.owner = (struct nt_owner){ .uid = UINT32_MAX };
	e.has_socket = 0;
	PASS(rec, &e, 1, 0, NT_LINK_UNKNOWN, 0, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &sofdsnoop_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "kinds.nt", write_kinds },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
