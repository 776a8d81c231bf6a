/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Calls of listen(): usual ones, failures, and every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "solisten.h"

#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { NGINX = 100, HOSTILE };

extern const struct tool solisten_tool;

/* `ns` after MAKE_TIME. */
static struct solisten_event row(uint64_t ns, const char *laddr, uint16_t lport,
				 enum solisten_proto proto)
{
	struct solisten_event e = {
		.head = { .time = MAKE_TIME + ns, .netns = HOST_NETNS, .lport = lport,
			  .rport = lport, .ip = strchr(laddr, '.') ? 4 : 6 },
		.proto = proto,
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, laddr);
	return e;
}

static void own(struct solisten_event *e, uint32_t pid, uint32_t tid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = tid, .uid = uid,
					   .how = NT_OWNER_LISTEN };
	make_comm(e->head.owner.comm, comm);
}

static void put(struct recorder *rec, struct solisten_event *e, uint32_t backlog, int32_t ret)
{
	e->backlog = backlog;
	e->ret = ret;
	make_event(rec, e, sizeof(*e));
}

static void write_plain(struct recorder *rec)
{
	struct solisten_event e;

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	e = row(0, "0.0.0.0", 80, SOLISTEN_TCP4);
	own(&e, 180, 180, 0, "nginx", NGINX);
	put(rec, &e, 511, 0);
	e = row(999, "::", 80, SOLISTEN_TCP6);
	own(&e, 180, 180, 0, "nginx", NGINX);
	put(rec, &e, 511, 0);
	e = row(20 * MS, "127.0.0.1", 8000, SOLISTEN_TCP4);
	own(&e, 4711, 4712, 1000, "python3", 0);
	e.head.netns = OTHER_NETNS;
	e.head.owner.mntns = 4026531841u;
	put(rec, &e, 5, 0);
	/* The same socket again. */
	e.head.time += 5 * MS;
	put(rec, &e, 4096, 0);
	e = row(1000 * MS, "10.1.2.3", 9000, SOLISTEN_MPTCP4);
	own(&e, 5000, 5000, 1000, "go-server", 0);
	put(rec, &e, 4096, 0);
	e = row(2000 * MS, "2001:db8::3", 9000, SOLISTEN_MPTCP6);
	own(&e, 5000, 5001, 1000, "go-server", 0);
	put(rec, &e, 0, 0);
	/* An IPv6 socket at an IPv4 address. */
	e = row(3000 * MS, "127.0.0.1", 9001, SOLISTEN_TCP6);
	own(&e, 5000, 5001, 1000, "go-server", 0);
	put(rec, &e, 3, 0);
	e = row(61000 * MS, "127.0.0.1", 8000, SOLISTEN_TCP4);
	own(&e, 4720, 4720, 1000, "python3", 0);
	put(rec, &e, 5, -98); /* EADDRINUSE */
	e = row(61001 * MS, "0.0.0.0", 0, SOLISTEN_TCP4);
	own(&e, 4721, 4721, 1000, "python3", 0);
	put(rec, &e, 5, -22); /* EINVAL */
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct solisten_event e = row(ns, "10.0.0.1", 80, SOLISTEN_TCP4);

	own(&e, 77, 77, 77, comm, HOSTILE);
	put(rec, &e, 128, 0);
}

static void write_hostile(struct recorder *rec)
{
	struct solisten_event e = row(6, "10.0.0.1", 80, SOLISTEN_MPTCP6 + 1);

	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	put_comm(rec, 0, "\"quoted\",comma");
	put_comm(rec, 1, "two\nlines\r\n\ttab");
	put_comm(rec, 2, "\x1b[31mred\x1b[0m\x7f");
	put_comm(rec, 3, "sixteen bytes!!!");
	put_comm(rec, 4, "cut in two \xf0\x9f\x90");
	put_comm(rec, 5, "");
	/* A protocol that this version does not know; what is behind the NUL is not the name. */
	own(&e, 77, 77, 77, "short", HOSTILE);
	memcpy(e.head.owner.comm + 6, "garbage", 7);
	put(rec, &e, 128, 0);
}

/* The largest and the smallest of everything; a longer address than its column. */
static void write_extremes(struct recorder *rec)
{
	struct solisten_event e;

	e = row(0, "2001:db8:1111:2222:3333:4444:5555:6666", 65535, SOLISTEN_MPTCP6);
	own(&e, UINT32_MAX, UINT32_MAX - 1, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	put(rec, &e, UINT32_MAX, INT32_MIN);
	put(rec, &e, INT32_MAX, INT32_MAX);
	e = row(1, "::", 0, SOLISTEN_TCP6);
	own(&e, 0, 0, 0, "swapper/0", 0); /* a socket of the kernel's own */
	e.head.netns = 0;
	put(rec, &e, 0, -1);
	e = row(2, "255.255.255.255", 1, SOLISTEN_TCP4);
	own(&e, 1, 1, UINT32_MAX, "init", 0);
	put(rec, &e, 1, 1);
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &solisten_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
