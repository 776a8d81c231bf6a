/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sessions of tcplife: every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "tcplife.h"

#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { NGINX = 100, USER, CONTAINER, HOSTILE, NAMELESS };

extern const struct tool tcplife_tool;

/* A plain session, `ns` after MAKE_TIME; what is special about it is set by the caller. */
static struct tcplife_event session(int64_t ns, const char *laddr, uint16_t lport,
				    const char *raddr, uint16_t rport)
{
	struct tcplife_event e = {
		.head = { .time = MAKE_TIME + (uint64_t)ns, .netns = HOST_NETNS, .lport = lport,
			  .rport = rport },
		.tx_bytes = 1000, .rx_bytes = 2000,
		.duration_ns = 12 * MS + 345678, .srtt_us = 1234,
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	e.head.ip = strchr(raddr, '.') ? 4 : 6;
	return e;
}

static void own(struct tcplife_event *e, enum nt_owner_how how, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					   .how = how };
	make_comm(e->head.owner.comm, comm);
}

static void disown(struct tcplife_event *e)
{
	e->head.owner = (struct nt_owner){ .uid = UINT32_MAX };
}

static void put(struct recorder *rec, const struct tcplife_event *e)
{
	make_event(rec, e, sizeof(*e));
}

/*
 * One of each kind of owner and of each kind of end; two of them on both sides of a second's
 * beginning.
 */
static void write_plain(struct recorder *rec)
{
	struct tcplife_event e;

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	e = session(-1, "10.1.2.3", 8000, "10.1.2.4", 50000);
	own(&e, NT_OWNER_ACCEPT, 181, 33, "nginx", NGINX);
	e.end = TCPLIFE_LOCAL_CLOSE;
	put(rec, &e);

	/* The name of its cgroup comes behind it. */
	e = session(0, "10.1.2.4", 50000, "10.1.2.3", 8000);
	own(&e, NT_OWNER_CONNECT, 4711, 1000, "curl", USER);
	e.head.owner.tid = 4712;
	e.end = TCPLIFE_REMOTE_CLOSE;
	e.tx_bytes = 1023;
	e.rx_bytes = 1024;
	put(rec, &e);
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");

	e = session(1, "2001:db8:1111:2222:3333:4444:5555:6666", 443,
		    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535);
	own(&e, NT_OWNER_IO, 9, 0, "io", NGINX);
	e.head.netns = OTHER_NETNS;
	e.head.owner.mntns = 4026531841u;
	e.end = TCPLIFE_RESET_SENT;
	e.retrans = 3;
	put(rec, &e);

	e = session(10 * MS, "::1", 8000, "::1", 40000);
	own(&e, NT_OWNER_LISTEN, 1000000, 1000, "python3", CONTAINER);
	make_cgroup(rec, CONTAINER,
		    "/system.slice/docker-3f4e9a0b1c2d3f4e9a0b1c2d3f4e9a0b"
		    "1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e.scope");
	e.end = TCPLIFE_RESET_RECEIVED;
	put(rec, &e);

	/* Open before the trace began. */
	e = session(999 * MS, "192.168.0.1", 22, "192.168.0.77", 33333);
	own(&e, NT_OWNER_SNAPSHOT, 600, 0, "sshd", 0);
	e.head.owner.tid = 0;
	e.partial = 1;
	e.end = TCPLIFE_TIMEOUT;
	e.retrans = 15;
	put(rec, &e);

	e = session(1000 * MS, "10.1.2.3", 8000, "10.1.2.5", 1);
	own(&e, NT_OWNER_INHERITED, 181, 33, "nginx", NGINX);
	e.end = TCPLIFE_REMOTE_CLOSE;
	put(rec, &e);

	/* Never established. */
	e = session(2500 * MS, "127.0.0.1", 45678, "127.0.0.1", 81);
	own(&e, NT_OWNER_CONNECT, 4713, 1000, "curl", USER);
	e.tx_bytes = e.rx_bytes = e.duration_ns = e.srtt_us = 0;
	e.end = TCPLIFE_REFUSED;
	put(rec, &e);

	e = session(2500 * MS + 1, "10.1.2.3", 25, "10.9.9.9", 2525);
	disown(&e);
	e.end = TCPLIFE_UNKNOWN;
	put(rec, &e);
}

static void put_comm(struct recorder *rec, int64_t at, const char *comm)
{
	struct tcplife_event e = session(at, "10.0.0.1", 1024, "10.0.0.2", 80);

	own(&e, NT_OWNER_IO, 77, 77, comm, HOSTILE);
	e.end = TCPLIFE_LOCAL_CLOSE;
	put(rec, &e);
}

/* A process may call itself anything, a cgroup nearly anything. */
static void write_hostile(struct recorder *rec)
{
	struct tcplife_event e;

	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	put_comm(rec, 0, "\"quoted\",comma");
	put_comm(rec, 1, "two\nlines\r\n\ttab");
	put_comm(rec, 2, "\x1b[31mred\x1b[0m\x7f");
	put_comm(rec, 3, "sixteen bytes!!!");
	put_comm(rec, 4, "h\xc3\xa9llo \xe2\x86\x92 \xf0\x9f\x90\x9d");
	put_comm(rec, 5, "cut in two \xf0\x9f\x90");
	put_comm(rec, 6, "\xff\xfe\xc0\x80 \xed\xa0\x80");
	put_comm(rec, 7, "=1+1");
	put_comm(rec, 8, "back\\slash \\x41");
	put_comm(rec, 9, " blanks ");
	put_comm(rec, 10, "");
	/* What is behind the NUL is not part of the name. */
	e = session(11, "10.0.0.1", 1024, "10.0.0.2", 80);
	own(&e, NT_OWNER_IO, 77, 77, "short", HOSTILE);
	memcpy(e.head.owner.comm + 6, "garbage", 7);
	put(rec, &e);
	/* A cgroup that nobody named, and values of a newer nettrace. */
	e = session(12, "10.0.0.1", 1024, "10.0.0.2", 80);
	own(&e, NT_OWNER_CONNECT + 1, 77, 77, "newer", NAMELESS);
	e.end = 200;
	put(rec, &e);
}

/* The largest and the smallest of everything. */
static void write_extremes(struct recorder *rec)
{
	static const uint64_t bytes[] = { 0, 1, 1023, 1024, 1048575, 1ull << 40, UINT64_MAX };
	static const uint64_t durations[] = { 0, 1, 4999, 5000, 999994999, 999995000, UINT64_MAX };
	struct tcplife_event e = session(0, "255.255.255.255", 65535, "0.0.0.0", 65535);

	own(&e, NT_OWNER_ACCEPT, UINT32_MAX, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	e.tx_bytes = e.rx_bytes = e.duration_ns = UINT64_MAX;
	e.retrans = e.srtt_us = UINT32_MAX;
	put(rec, &e);
	e.partial = 1;
	put(rec, &e);

	/* All bytes zero but those that make it a session. */
	e = session(1, "0.0.0.0", 0, "0.0.0.0", 0);
	disown(&e);
	e.head.netns = 0;
	e.tx_bytes = e.rx_bytes = e.duration_ns = e.srtt_us = 0;
	put(rec, &e);
	e = session(2, "::", 0, "::", 0);
	disown(&e);
	put(rec, &e);

	for (int i = 0; i < 7; i++) {
		e = session(3 + i, "fe80::1", 1, "1:0:0:2:0:0:0:3", 2);
		own(&e, NT_OWNER_CONNECT, 1, 0, "init", 0);
		e.tx_bytes = bytes[i];
		e.rx_bytes = bytes[6 - i];
		e.duration_ns = durations[i];
		e.srtt_us = (uint32_t)durations[i];
		e.partial = i & 1;
		put(rec, &e);
	}
}

static void put_at(struct recorder *rec, uint64_t time)
{
	struct tcplife_event e = session(0, "10.0.0.1", 1024, "10.0.0.2", 80);

	own(&e, NT_OWNER_ACCEPT, 7, 7, "clock", 0);
	e.head.time = time;
	put(rec, &e);
}

/* Events of several CPUs are not in order, and somebody sets the clock. */
static void write_clock(struct recorder *rec)
{
	put_at(rec, MAKE_TIME);
	put_at(rec, MAKE_TIME - MAKE_SECOND);
	put_at(rec, MAKE_TIME + MAKE_SECOND - 1);
	put_at(rec, MAKE_TIME + MAKE_SECOND);
	make_clock(rec, MAKE_CLOCK - 3600 * (int64_t)MAKE_SECOND);
	put_at(rec, MAKE_TIME + MAKE_SECOND + 1);
	make_clock(rec, MAKE_CLOCK + 86400 * (int64_t)MAKE_SECOND);
	put_at(rec, MAKE_TIME + MAKE_SECOND + 2);
	put_at(rec, 0);
	make_clock(rec, 0);
	put_at(rec, 0);
	put_at(rec, INT64_MAX);
	put_at(rec, UINT64_MAX);
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcplife_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "clock.nt", write_clock },
	{ "empty.nt", write_nothing },
	{ 0 },
};
