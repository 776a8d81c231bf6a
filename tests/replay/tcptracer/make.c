/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections made, accepted and closed: every type, and every value that is hard to print. */
#include <string.h>

#include "make_recording.h"
#include "tcptracer.h"

#define US 1000ull
#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { NGINX = 100, USER, HOSTILE };

extern const struct tool tcptracer_tool;

static struct tcptracer_event flow(const char *laddr, uint16_t lport, const char *raddr,
				   uint16_t rport)
{
	struct tcptracer_event e = {
		.head = { .netns = HOST_NETNS, .lport = lport, .rport = rport },
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	e.head.ip = strchr(raddr, '.') ? 4 : 6;
	e.head.owner.uid = UINT32_MAX;
	return e;
}

static void own(struct tcptracer_event *e, enum nt_owner_how how, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					   .how = how };
	make_comm(e->head.owner.comm, comm);
}

/* `ns` after MAKE_TIME. */
static void say(struct recorder *rec, struct tcptracer_event *e, uint64_t ns, uint8_t type)
{
	e->head.time = MAKE_TIME + ns;
	e->type = type;
	make_event(rec, e, sizeof(*e));
}

static void write_plain(struct recorder *rec)
{
	struct tcptracer_event c = flow("10.1.2.4", 50000, "10.1.2.3", 8000);
	struct tcptracer_event s = flow("10.1.2.3", 8000, "10.1.2.4", 50000);
	struct tcptracer_event old = flow("2001:db8:1111:2222:3333:4444:5555:6666", 443,
					  "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535);
	struct tcptracer_event lost = flow("::1", 22, "::1", 40000);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	own(&c, NT_OWNER_CONNECT, 4711, 1000, "curl", USER);
	c.head.owner.tid = 4712;
	own(&s, NT_OWNER_ACCEPT, 181, 33, "nginx", NGINX);
	say(rec, &c, 0, TCPTRACER_CONNECT);
	say(rec, &s, 75 * US + 499, TCPTRACER_ACCEPT);
	say(rec, &s, 1500 * US + 500, TCPTRACER_CLOSE);
	say(rec, &c, 1600 * US, TCPTRACER_CLOSE);
	own(&old, NT_OWNER_SNAPSHOT, 600, 0, "sshd", 0);
	old.head.owner.tid = 0;
	old.head.owner.mntns = 4026531841u;
	old.head.netns = OTHER_NETNS;
	say(rec, &old, 2345 * MS + 678901, TCPTRACER_CLOSE);
	/* Nobody knows whose it is. */
	say(rec, &lost, 12000 * MS, TCPTRACER_CLOSE);
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct tcptracer_event e = flow("10.0.0.1", 1024, "10.0.0.2", 80);

	own(&e, NT_OWNER_CONNECT, 77, 77, comm, HOSTILE);
	say(rec, &e, ns, TCPTRACER_CONNECT);
}

/* A process may call itself anything. */
static void write_hostile(struct recorder *rec)
{
	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	put_comm(rec, 0, "\"quoted\",comma");
	put_comm(rec, 1, "two\nlines\r\n\ttab");
	put_comm(rec, 2, "\x1b[31mred\x1b[0m\x7f");
	put_comm(rec, 3, "sixteen bytes!!!");
	put_comm(rec, 4, "h\xc3\xa9llo \xe2\x86\x92");
	put_comm(rec, 5, "\xff\xfe\xc0\x80");
	put_comm(rec, 6, "X");
	put_comm(rec, 7, "");
}

/* The largest and the smallest of everything; CPUs deliver a little out of order. */
static void write_extremes(struct recorder *rec)
{
	struct tcptracer_event e = flow("255.255.255.255", 65535, "0.0.0.0", 65535);

	own(&e, NT_OWNER_ACCEPT, UINT32_MAX, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	say(rec, &e, 1000, TCPTRACER_CLOSE);
	say(rec, &e, 0, TCPTRACER_ACCEPT);
	e = flow("::", 0, "::", 0);
	e.head.netns = 0;
	say(rec, &e, 999, TCPTRACER_CONNECT);
	/* A type that only a newer nettrace knows, a day later. */
	say(rec, &e, 86400 * MAKE_SECOND + 1, UINT8_MAX);
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcptracer_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
