/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Accepted connections: usual ones, and every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "tcpaccept.h"

#define MS 1000000ull
#define UNKNOWN UINT32_MAX
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { SSHD = 100, NGINX, HOSTILE };

extern const struct tool tcpaccept_tool;

/* `ns` after MAKE_TIME. */
static struct tcpaccept_event row(uint64_t ns, const char *raddr, uint16_t rport,
				  const char *laddr, uint16_t lport)
{
	struct tcpaccept_event e = {
		.head = { .time = MAKE_TIME + ns, .netns = HOST_NETNS, .lport = lport,
			  .rport = rport, .ip = strchr(raddr, '.') ? 4 : 6 },
		.backlog = UNKNOWN,
		.backlog_max = UNKNOWN,
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	return e;
}

static void own(struct tcpaccept_event *e, uint32_t pid, uint32_t tid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = tid, .uid = uid,
					   .how = NT_OWNER_ACCEPT };
	make_comm(e->head.owner.comm, comm);
}

static void put(struct recorder *rec, struct tcpaccept_event *e, uint32_t backlog, uint32_t max)
{
	e->backlog = backlog;
	e->backlog_max = max;
	make_event(rec, e, sizeof(*e));
}

static void write_plain(struct recorder *rec)
{
	struct tcpaccept_event e;

	make_cgroup(rec, SSHD, "/system.slice/ssh.service");
	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	/* It waited in accept() before the trace began: the queue it came from is not known. */
	e = row(0, "10.1.2.4", 50022, "10.1.2.3", 22);
	own(&e, 600, 600, 0, "sshd", SSHD);
	put(rec, &e, UNKNOWN, UNKNOWN);
	e = row(12 * MS, "2001:db8::4", 50080, "2001:db8::3", 443);
	own(&e, 181, 183, 33, "nginx", NGINX);
	put(rec, &e, 0, 511);
	e = row(12 * MS + 999, "192.168.7.9", 1024, "10.1.2.3", 80);
	own(&e, 181, 184, 33, "nginx", NGINX);
	put(rec, &e, 17, 511);
	e = row(1500 * MS, "127.0.0.1", 45678, "127.0.0.1", 8000);
	own(&e, 4711, 4711, 1000, "python3", 0);
	e.head.netns = OTHER_NETNS;
	e.head.owner.mntns = 4026531841u;
	put(rec, &e, 5, 5);
	e = row(61234 * MS + 567890, "::1", 65535, "::1", 8001);
	own(&e, 4711, 4712, 1000, "python3", 0);
	put(rec, &e, 6, 5);
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct tcpaccept_event e = row(ns, "10.0.0.2", 1024, "10.0.0.1", 80);

	own(&e, 77, 77, 77, comm, HOSTILE);
	put(rec, &e, 0, 128);
}

static void write_hostile(struct recorder *rec)
{
	struct tcpaccept_event e = row(6, "10.0.0.2", 1024, "10.0.0.1", 80);

	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	put_comm(rec, 0, "\"quoted\",comma");
	put_comm(rec, 1, "two\nlines\r\n\ttab");
	put_comm(rec, 2, "\x1b[31mred\x1b[0m\x7f");
	put_comm(rec, 3, "sixteen bytes!!!");
	put_comm(rec, 4, "cut in two \xf0\x9f\x90");
	put_comm(rec, 5, "");
	/* What is behind the NUL is not part of the name. */
	own(&e, 77, 77, 77, "short", HOSTILE);
	memcpy(e.head.owner.comm + 6, "garbage", 7);
	put(rec, &e, 0, 128);
}

/* The largest and the smallest of everything; longer addresses than their columns. */
static void write_extremes(struct recorder *rec)
{
	struct tcpaccept_event e;

	e = row(0, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535,
		"2001:db8:1111:2222:3333:4444:5555:6666", 65535);
	own(&e, UINT32_MAX, UINT32_MAX - 1, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	put(rec, &e, UINT32_MAX - 1, UINT32_MAX - 1);
	e = row(1, "::", 0, "::", 0);
	own(&e, 0, 0, 0, "swapper/0", 0); /* a socket of the kernel's own */
	e.head.netns = 0;
	put(rec, &e, 0, 0);
	e = row(2, "255.255.255.255", 1, "0.0.0.0", 1);
	own(&e, 1, 1, UINT32_MAX, "init", 0);
	put(rec, &e, 0, UNKNOWN);
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpaccept_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
