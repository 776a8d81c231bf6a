/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Transitions of TCP sockets: every state, and every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "tcpstates.h"

#define US 1000ull
#define MS 1000000ull
#define UNKNOWN UINT64_MAX
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

/* enum in include/net/tcp_states.h */
enum {
	ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT,
	LAST_ACK, LISTEN, CLOSING, NEW_SYN_RECV
};

enum { NGINX = 100, USER, HOSTILE };

extern const struct tool tcpstates_tool;

/* A socket and when it entered its present state. */
struct flow {
	struct tcpstates_event e;
	uint64_t since;
	uint8_t state;
};

static struct flow flow(uint64_t skaddr, const char *laddr, uint16_t lport, const char *raddr,
			uint16_t rport)
{
	struct flow f = {
		.e = {
			.head = { .netns = HOST_NETNS, .lport = lport, .rport = rport },
			.skaddr = skaddr,
		},
	};

	make_addr(f.e.head.laddr, laddr);
	make_addr(f.e.head.raddr, raddr);
	f.e.head.ip = strchr(raddr, '.') ? 4 : 6;
	f.e.head.owner.uid = UINT32_MAX;
	return f;
}

static void own(struct flow *f, enum nt_owner_how how, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	f->e.head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					     .how = how };
	make_comm(f->e.head.owner.comm, comm);
}

static void on_cpu(struct flow *f, uint32_t pid, const char *comm)
{
	f->e.cpu_pid = pid;
	make_comm(f->e.cpu_comm, comm);
}

/* `ns` after MAKE_TIME. */
static void move(struct recorder *rec, struct flow *f, uint64_t ns, uint8_t old_state,
		 uint8_t new_state)
{
	f->e.head.time = MAKE_TIME + ns;
	f->e.old_state = old_state;
	f->e.new_state = new_state;
	if (f->state == old_state)
		f->e.duration_ns = ns - f->since;
	else /* a socket that begins, or one that is older than the trace */
		f->e.duration_ns = old_state == CLOSE || new_state == SYN_RECV ? 0 : UNKNOWN;
	f->since = ns;
	f->state = new_state;
	make_event(rec, &f->e, sizeof(f->e));
}

/* A listener, and a download over loopback seen from both its ends. */
static void write_download(struct recorder *rec)
{
	struct flow l = flow(0xffff8880010a0000, "0.0.0.0", 8000, "0.0.0.0", 0);
	struct flow c = flow(0xffff8880010a0900, "10.1.2.4", 50000, "10.1.2.3", 8000);
	struct flow s = flow(0xffff8880010a1200, "10.1.2.3", 8000, "10.1.2.4", 50000);

	own(&l, NT_OWNER_LISTEN, 181, 33, "nginx", NGINX);
	on_cpu(&l, 181, "nginx");
	move(rec, &l, 0, CLOSE, LISTEN);
	own(&c, NT_OWNER_CONNECT, 4711, 1000, "curl", USER);
	c.e.head.owner.tid = 4712;
	on_cpu(&c, 4711, "curl");
	move(rec, &c, 500 * MS, CLOSE, SYN_SENT);
	own(&s, NT_OWNER_INHERITED, 181, 33, "nginx", NGINX);
	on_cpu(&s, 4711, "curl");
	move(rec, &s, 500 * MS + 30 * US, LISTEN, SYN_RECV);
	move(rec, &c, 500 * MS + 40 * US, SYN_SENT, ESTABLISHED);
	move(rec, &s, 500 * MS + 51 * US, SYN_RECV, ESTABLISHED);
	own(&s, NT_OWNER_ACCEPT, 181, 33, "nginx", NGINX);
	on_cpu(&s, 181, "nginx");
	move(rec, &s, 1000 * MS - 1, ESTABLISHED, FIN_WAIT1);
	move(rec, &c, 1000 * MS, ESTABLISHED, CLOSE_WAIT);
	move(rec, &s, 1000 * MS + 1, FIN_WAIT1, FIN_WAIT2);
	move(rec, &c, 1000 * MS + 499, CLOSE_WAIT, LAST_ACK);
	on_cpu(&s, 0, "swapper/1");
	move(rec, &s, 1000 * MS + 500, FIN_WAIT2, CLOSE);
	on_cpu(&c, 0, "swapper/1");
	move(rec, &c, 1000 * MS + 999, LAST_ACK, CLOSE);
	on_cpu(&l, 181, "nginx");
	move(rec, &l, 2345 * MS + 678901, LISTEN, CLOSE);
}

/* Both ends close at once; the trace began when they were open. */
static void write_old(struct recorder *rec)
{
	struct flow f = flow(0xffffa1b2c3d4e5f0, "2001:db8:1111:2222:3333:4444:5555:6666", 443,
			     "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535);
	struct flow l = flow(0xffffa1b2c3d4e5f8, "::", 22, "::", 0);

	own(&f, NT_OWNER_SNAPSHOT, 600, 0, "sshd", 0);
	f.e.head.owner.tid = 0;
	f.e.head.owner.mntns = 4026531841u;
	f.e.head.netns = OTHER_NETNS;
	on_cpu(&f, 600, "sshd");
	move(rec, &f, 3000 * MS, ESTABLISHED, FIN_WAIT1);
	on_cpu(&f, 77, "kworker/0:1H");
	move(rec, &f, 3000 * MS + 7, FIN_WAIT1, CLOSING);
	move(rec, &f, 3000 * MS + 8, CLOSING, CLOSE);
	own(&l, NT_OWNER_SNAPSHOT, 600, 0, "sshd", 0);
	on_cpu(&l, 1, "systemd");
	move(rec, &l, 3100 * MS, LISTEN, CLOSE);
}

static void write_plain(struct recorder *rec)
{
	struct flow refused = flow(0xffff888001010000, "127.0.0.1", 45678, "127.0.0.1", 81);
	struct flow slow = flow(0xffff888001010900, "::1", 33000, "::1", 8080);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	write_download(rec);
	write_old(rec);
	own(&refused, NT_OWNER_CONNECT, 4713, 1000, "curl", USER);
	on_cpu(&refused, 4713, "curl");
	move(rec, &refused, 3200 * MS, CLOSE, SYN_SENT);
	move(rec, &refused, 3200 * MS + 9 * US, SYN_SENT, CLOSE);
	/* Nobody knows whose it is. */
	on_cpu(&slow, 4714, "wget");
	move(rec, &slow, 3300 * MS, CLOSE, SYN_SENT);
	on_cpu(&slow, 0, "swapper/0");
	move(rec, &slow, 4330 * MS, SYN_SENT, ESTABLISHED);
	move(rec, &slow, 9330 * MS, ESTABLISHED, CLOSE);
}

/* All states, those that sockets never show here, and those that a newer kernel may have. */
static void write_states(struct recorder *rec)
{
	struct flow f = flow(0xffff888000000000, "10.0.0.1", 1024, "10.0.0.2", 80);

	for (int i = 0; i <= NEW_SYN_RECV + 3; i++) {
		f.state = i;
		f.since = i * MS;
		move(rec, &f, i * MS + i * 1001, i, NEW_SYN_RECV + 3 - i);
	}
	f.state = f.since = UINT8_MAX;
	move(rec, &f, 256, UINT8_MAX, UINT8_MAX);
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct flow f = flow(0xffff888000000000 + ns, "10.0.0.1", 1024, "10.0.0.2", 80);

	own(&f, NT_OWNER_IO, 77, 77, comm, HOSTILE);
	on_cpu(&f, 78, comm);
	move(rec, &f, ns, CLOSE, SYN_SENT);
}

/* A process may call itself anything; C-COMM is another column than COMM. */
static void write_hostile(struct recorder *rec)
{
	struct flow f = flow(1, "10.0.0.1", 1024, "10.0.0.2", 80);

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
	put_comm(rec, 9, "->");
	put_comm(rec, 10, " blanks ");
	put_comm(rec, 11, "");
	/* What is behind the NUL is not part of the name. */
	own(&f, NT_OWNER_CONNECT + 1, 77, 77, "newer", HOSTILE);
	memcpy(f.e.cpu_comm, "short\0garbage", 13);
	move(rec, &f, 12, CLOSE, SYN_SENT);
}

/* The largest and the smallest of everything, and durations at the edges of rounding. */
static void write_extremes(struct recorder *rec)
{
	static const uint64_t durations[] = {
		0, 1, 499, 500, 999, 1000, 1499, 1500, 999499, 999500, 999999, 1000000,
		999999499, 999999500, 3600ull * MAKE_SECOND, UINT64_MAX - 1, UINT64_MAX,
	};
	struct flow f = flow(UINT64_MAX, "255.255.255.255", 65535, "0.0.0.0", 65535);
	size_t i;

	own(&f, NT_OWNER_ACCEPT, UINT32_MAX, UINT32_MAX - 1, "max", UINT64_MAX);
	on_cpu(&f, UINT32_MAX, "max");
	f.e.head.netns = UINT32_MAX;
	f.state = ESTABLISHED;
	move(rec, &f, 0, ESTABLISHED, CLOSE);
	f = flow(0, "::", 0, "::", 0);
	f.e.head.netns = 0;
	move(rec, &f, 1, CLOSE, LISTEN);
	for (i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		f = flow(0xffff888000000000, "fe80::1", 1, "1:0:0:2:0:0:0:3", 2);
		own(&f, NT_OWNER_CONNECT, 1, 0, "init", 0);
		on_cpu(&f, 1, "init");
		f.state = ESTABLISHED;
		f.since = i - durations[i];
		move(rec, &f, i, ESTABLISHED, FIN_WAIT1);
	}
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpstates_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "states.nt", write_states },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
