/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dropped packets: reasons of every kind, stacks, and values that are hard to print. */
#include <string.h>

#include "make_recording.h"
#include "tcpdrop.h"

#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u
#define TEXT 0xffffffff81000000ull /* where the kernel's code is */
#define NO_FLAGS 0xffff

/* include/net/tcp_states.h */
enum { ESTABLISHED = 1, SYN_SENT, TIME_WAIT = 6, LISTEN = 10, NEW_SYN_RECV = 12 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { NO_SOCKET = 3, NETFILTER_DROP = 12, OLD_DATA = 33, OVS = 3 << 16 | 1, NAMELESS = 77 };
enum { NGINX = 100, HOSTILE };

extern const struct tool tcpdrop_tool;

/* With a stack behind it, which an event may do without. */
struct drop {
	struct tcpdrop_event e;
	uint64_t stack[NT_STACK_FRAMES];
};

static void make_names(struct recorder *rec)
{
	recorder_name(rec, NO_SOCKET, "NO_SOCKET");
	recorder_name(rec, NETFILTER_DROP, "NETFILTER_DROP");
	recorder_name(rec, OLD_DATA, "TCP_OLD_DATA");
	recorder_name(rec, OVS, "OVS_DROP_LAST_ACTION");
	recorder_name(rec, TEXT + 1, "");
	recorder_name(rec, TEXT + 2, "bpf_trace_run4+0x81");
	recorder_name(rec, TEXT + 3, "tcp_v4_do_rcv+0xb4");
	recorder_name(rec, TEXT + 4, "tcp_v4_rcv+0xe62");
	recorder_name(rec, TEXT + 5, "nf_hook_slow+0x43");
	recorder_name(rec, TEXT + 6, "nf_hook_slow+0xa0");
}

static struct drop flow(const char *saddr, uint16_t sport, const char *daddr, uint16_t dport)
{
	struct drop d = {
		.e = { .head = { .netns = HOST_NETNS, .lport = dport, .rport = sport },
		       .sport = sport, .dport = dport, .flags = ACK, .dev = "eth0" },
	};

	make_addr(d.e.saddr, saddr);
	make_addr(d.e.daddr, daddr);
	memcpy(d.e.head.laddr, d.e.daddr, 16);
	memcpy(d.e.head.raddr, d.e.saddr, 16);
	d.e.head.ip = strchr(saddr, '.') ? 4 : 6;
	d.e.head.owner.uid = UINT32_MAX;
	return d;
}

static void own(struct drop *d, enum nt_owner_how how, uint32_t pid, const char *comm,
		uint64_t cgroup)
{
	d->e.head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = 33,
					     .how = how };
	make_comm(d->e.head.owner.comm, comm);
}

/* The packet leaves instead. */
static void leave(struct drop *d)
{
	memcpy(d->e.head.laddr, d->e.saddr, 16);
	memcpy(d->e.head.raddr, d->e.daddr, 16);
	d->e.head.lport = d->e.sport;
	d->e.head.rport = d->e.dport;
}

static void put(struct recorder *rec, struct drop *d, uint64_t ns, uint64_t reason, size_t len)
{
	d->e.head.time = MAKE_TIME + ns;
	d->e.reason = reason;
	d->e.reason_code = reason <= UINT32_MAX ? reason : 0;
	make_event(rec, d, len);
}

static void put_whole(struct recorder *rec, struct drop *d, uint64_t ns, uint64_t reason)
{
	put(rec, d, ns, reason, sizeof(*d));
}

static void put_short(struct recorder *rec, struct drop *d, uint64_t ns, uint64_t reason)
{
	put(rec, d, ns, reason, sizeof(d->e));
}

static void write_plain(struct recorder *rec)
{
	struct drop s = flow("10.1.2.4", 50000, "10.1.2.3", 8000);
	struct drop f = flow("2001:db8:1111:2222:3333:4444:5555:6666", 65535,
			     "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 443);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	make_names(rec);
	/* The frames of BPF are before the place of the drop. */
	own(&s, NT_OWNER_ACCEPT, 181, "nginx", NGINX);
	s.e.state = ESTABLISHED;
	s.e.location = TEXT + 3;
	memcpy(s.stack, (uint64_t[]){ TEXT + 1, TEXT + 2, TEXT + 3, TEXT + 4 }, 32);
	put_whole(rec, &s, 0, OLD_DATA);
	/* An unknown place; a function without a name; no device. */
	s.e.location = 0;
	s.e.flags = FIN | PSH | ACK;
	memset(s.e.dev, 0, sizeof(s.e.dev));
	memcpy(s.stack, (uint64_t[]){ TEXT + 1, TEXT + 4, TEXT + 77 }, 24);
	s.stack[3] = 0;
	put_whole(rec, &s, 1 * MS, OLD_DATA);
	f.e.flags = SYN;
	put_short(rec, &f, 2 * MS, NETFILTER_DROP);
	leave(&f);
	f.e.state = SYN_SENT;
	f.e.head.netns = OTHER_NETNS;
	put_short(rec, &f, 3 * MS, OVS);
	own(&f, NT_OWNER_LISTEN, 600, "sshd", 0);
	f.e.state = LISTEN;
	put_short(rec, &f, 4 * MS, NT_NAME_OWN + TCPDROP_LISTEN_OVERFLOWS);
	put_short(rec, &f, 5 * MS, NT_NAME_OWN + TCPDROP_REQ_Q_FULL_DROP);
	s = flow("10.1.2.4", 1, "10.1.2.3", 9);
	s.e.flags = SYN;
	put_short(rec, &s, 1000 * MS, NO_SOCKET);
}

/* Of a kernel without reasons. */
static void write_old(struct recorder *rec)
{
	struct drop s = flow("10.1.2.4", 50000, "10.1.2.3", 81);

	make_names(rec);
	s.e.flags = SYN;
	s.e.location = TEXT + 5;
	s.stack[0] = TEXT + 5;
	s.stack[1] = TEXT + 4;
	put_whole(rec, &s, 0, TEXT + 5);
	s.e.location = TEXT + 6;
	put_short(rec, &s, 1, TEXT + 6);
	put_short(rec, &s, 2, TEXT + 4);
	put_short(rec, &s, 3, TEXT + 99);
	put_short(rec, &s, 4, NT_NAME_OWN);
}

static void write_extremes(struct recorder *rec)
{
	struct drop d = flow("255.255.255.255", 65535, "0.0.0.0", 65535);
	int i;

	for (i = 0; i <= NEW_SYN_RECV + 2; i++) {
		d.e.state = i;
		d.e.flags = i ? 1 << (i - 1) : 0;
		put_short(rec, &d, i, NAMELESS);
	}
	own(&d, NT_OWNER_CONNECT, UINT32_MAX, "max", UINT64_MAX);
	d.e.head.netns = UINT32_MAX;
	d.e.state = UINT8_MAX;
	d.e.flags = 0x1ff;
	memset(d.e.dev, 'x', sizeof(d.e.dev));
	memset(d.stack, 0xff, sizeof(d.stack));
	d.e.location = UINT64_MAX;
	put_whole(rec, &d, 100, UINT32_MAX);
	d = flow("::", 0, "::1", 0);
	d.e.head.netns = 0;
	d.e.flags = NO_FLAGS;
	put_short(rec, &d, 101, 0);
}

/* Names are what a recording says. */
static void write_hostile(struct recorder *rec)
{
	struct drop d = flow("10.0.0.1", 1024, "10.0.0.2", 80);

	make_cgroup(rec, HOSTILE, "/a b/\"quoted\",comma\n=1+1\\x\xc3\xa9\xff");
	recorder_name(rec, NO_SOCKET, "\"quoted\",comma;\n\x1b[31m\xff\\");
	recorder_name(rec, TEXT, "two\nlines,\"\t\x1b[31m+0x1");
	own(&d, NT_OWNER_IO, 77, "\x1b[31mred\x7f\"", HOSTILE);
	memcpy(d.e.dev, "\xff\n\",", 4);
	d.stack[0] = d.stack[1] = TEXT;
	put_whole(rec, &d, 0, NO_SOCKET);
	put_whole(rec, &d, 1, TEXT);
}

static void put_count(struct recorder *rec, const struct drop *d, uint64_t reason, uint64_t n)
{
	struct tcpdrop_count c = { .sum = { .head = d->e.head, .interval_ns = 5000 * MS },
				   .reason = reason, .drops = n, .sport = d->e.sport,
				   .dport = d->e.dport,
				   .reason_code = reason <= UINT32_MAX ? reason : 0 };

	memcpy(c.saddr, d->e.saddr, 16);
	memcpy(c.daddr, d->e.daddr, 16);
	c.sum.head.time = MAKE_TIME + 5000 * MS;
	make_event(rec, &c, sizeof(c));
}

/* -c */
static void write_counted(struct recorder *rec)
{
	struct drop d = flow("10.1.2.4", 50000, "10.1.2.3", 8000);

	make_names(rec);
	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	own(&d, NT_OWNER_ACCEPT, 181, "nginx", NGINX);
	put_count(rec, &d, OLD_DATA, 17);
	put_count(rec, &d, NT_NAME_OWN, 3);
	d = flow("2001:db8::1", 443, "2001:db8::2", 65535);
	put_count(rec, &d, NETFILTER_DROP, UINT64_MAX);
	put_count(rec, &d, TEXT + 5, 1);
	make_reading(rec, 5000 * MS, "");
}

static void write_nothing(struct recorder *rec)
{
	make_names(rec);
}

const struct tool *const made_tool = &tcpdrop_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "old.nt", write_old },
	{ "extremes.nt", write_extremes },
	{ "hostile.nt", write_hostile },
	{ "nothing.nt", write_nothing },
	{ "summed.nt", write_counted, .variant = true },
	{ 0 },
};
