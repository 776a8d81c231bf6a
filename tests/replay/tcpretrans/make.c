/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Retransmitted segments: every type, cause and state, and values that are hard to print. */
#include <string.h>

#include "make_recording.h"
#include "tcpretrans.h"

#define MS 1000000ull
#define UNKNOWN UINT64_MAX
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

/* enum in include/net/tcp_states.h */
enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, LAST_ACK = 9, NEW_SYN_RECV = 12 };

enum { NGINX = 100, USER, HOSTILE };

extern const struct tool tcpretrans_tool;

static struct tcpretrans_event flow(const char *laddr, uint16_t lport, const char *raddr,
				    uint16_t rport)
{
	struct tcpretrans_event e = {
		.head = { .netns = HOST_NETNS, .lport = lport, .rport = rport },
		.segs = 1,
		.state = ESTABLISHED,
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	e.head.ip = strchr(raddr, '.') ? 4 : 6;
	e.head.owner.uid = UINT32_MAX;
	return e;
}

static void own(struct tcpretrans_event *e, enum nt_owner_how how, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					   .how = how };
	make_comm(e->head.owner.comm, comm);
}

/* `ns` after MAKE_TIME. */
static void put(struct recorder *rec, struct tcpretrans_event *e, uint64_t ns,
		enum tcpretrans_type type, enum tcpretrans_cause cause, uint64_t seq)
{
	e->head.time = MAKE_TIME + ns;
	e->type = type;
	e->cause = cause;
	e->seq = seq;
	make_event(rec, e, sizeof(*e));
}

/* A download that loses some of its segments, and a connect that nobody answers. */
static void write_plain(struct recorder *rec)
{
	struct tcpretrans_event s = flow("10.1.2.3", 8000, "10.1.2.4", 50000);
	struct tcpretrans_event c = flow("10.1.2.4", 45678, "192.168.255.254", 81);
	struct tcpretrans_event o = flow("2001:db8:1111:2222:3333:4444:5555:6666", 443,
					 "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	own(&s, NT_OWNER_INHERITED, 181, 33, "nginx", NGINX);
	s.state = NEW_SYN_RECV;
	put(rec, &s, 0, TCPRETRANS_SYNACK, TCPRETRANS_BY_SYNACK, 4294967294);
	own(&s, NT_OWNER_ACCEPT, 181, 33, "nginx", NGINX);
	s.state = ESTABLISHED;
	put(rec, &s, 300 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_FAST, 4294967295);
	put(rec, &s, 300 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_FAST, 1447);
	put(rec, &s, 700 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_RTO, 2895);
	s.segs = 0;
	put(rec, &s, 900 * MS, TCPRETRANS_TLP, TCPRETRANS_BY_TLP, 4343);
	s.segs = 1;
	s.state = FIN_WAIT1;
	put(rec, &s, 901 * MS + 1, TCPRETRANS_TLP, TCPRETRANS_BY_TLP, 2895);
	s.state = ESTABLISHED;
	s.segs = 21;
	put(rec, &s, 950 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_OTHER, 100000);
	own(&c, NT_OWNER_CONNECT, 4713, 1000, "curl", USER);
	c.head.owner.tid = 4714;
	c.state = SYN_SENT;
	put(rec, &c, 1000 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_SYN, 0);
	put(rec, &c, 3000 * MS + 123456789, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_SYN, 0);
	own(&o, NT_OWNER_SNAPSHOT, 600, 0, "sshd", 0);
	o.head.owner.tid = 0;
	o.head.netns = OTHER_NETNS;
	o.state = LAST_ACK;
	put(rec, &o, 3200 * MS, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_RTO, 7);
	/* Nobody knows whose it is. */
	memset(&o.head.owner, 0, sizeof(o.head.owner));
	o.head.owner.uid = UINT32_MAX;
	o.state = SYN_RECV;
	put(rec, &o, 3300 * MS, TCPRETRANS_SYNACK, TCPRETRANS_BY_SYNACK, UNKNOWN);
}

/* What a newer nettrace may write, the largest and the smallest of everything. */
static void write_extremes(struct recorder *rec)
{
	struct tcpretrans_event e = flow("255.255.255.255", 65535, "0.0.0.0", 65535);
	int i;

	for (i = 0; i <= NEW_SYN_RECV + 2; i++) {
		e.state = i;
		put(rec, &e, i, i % 4, i % 8, i);
	}
	own(&e, NT_OWNER_CONNECT + 1, UINT32_MAX, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	e.segs = UINT32_MAX;
	e.state = UINT8_MAX;
	put(rec, &e, 100, UINT8_MAX, UINT8_MAX, UINT32_MAX);
	e = flow("::", 0, "::1", 0);
	e.head.netns = 0;
	put(rec, &e, 101, 0, 0, 0);
	e = flow("fe80::1", 1, "1:0:0:2:0:0:0:3", 2);
	put(rec, &e, 102, 0, 0, 0);
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct tcpretrans_event e = flow("10.0.0.1", 1024, "10.0.0.2", 80);

	own(&e, NT_OWNER_IO, 77, 77, comm, HOSTILE);
	put(rec, &e, ns, TCPRETRANS_RETRANSMIT, TCPRETRANS_BY_RTO, ns);
}

static void write_hostile(struct recorder *rec)
{
	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	put_comm(rec, 0, "\"quoted\",comma");
	put_comm(rec, 1, "two\nlines\r\n\ttab");
	put_comm(rec, 2, "\x1b[31mred\x1b[0m\x7f");
	put_comm(rec, 3, "h\xc3\xa9llo \xf0\x9f\x90\x9d\xff");
	put_comm(rec, 4, "back\\slash");
}

static void put_count(struct recorder *rec, const struct tcpretrans_event *flow, uint64_t n)
{
	struct tcpretrans_count c = { .sum = { .head = flow->head, .interval_ns = 5000 * MS },
				      .retransmits = n };

	c.sum.head.time = MAKE_TIME + 5000 * MS;
	make_event(rec, &c, sizeof(c));
}

/* -c */
static void write_counted(struct recorder *rec)
{
	struct tcpretrans_event e = flow("10.1.2.3", 8000, "10.1.2.4", 50000);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	own(&e, NT_OWNER_ACCEPT, 181, 33, "nginx", NGINX);
	put_count(rec, &e, 17);
	e = flow("2001:db8::1", 443, "2001:db8::2", 65535);
	put_count(rec, &e, UINT64_MAX);
	e = flow("10.1.2.4", 50000, "10.1.2.3", 8000);
	own(&e, NT_OWNER_CONNECT, 4713, 1000, "curl", 0);
	put_count(rec, &e, 1);
	make_reading(rec, 5000 * MS, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpretrans_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "extremes.nt", write_extremes },
	{ "hostile.nt", write_hostile },
	{ "nothing.nt", write_nothing },
	{ "summed.nt", write_counted, .variant = true },
	{ 0 },
};
