/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connects: those whose SYN went out, those that failed, names from DNS, and counts. */
#include <errno.h>
#include <string.h>

#include "make_recording.h"
#include "tcpconnect.h"

#define US 1000ull
#define MS 1000000ull
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { NGINX = 100, USER };

extern const struct tool tcpconnect_tool;

static struct tcpconnect_event from(uint64_t ns, const char *laddr, uint16_t lport,
				    const char *raddr, uint16_t rport)
{
	struct tcpconnect_event e = {
		.head = { .time = MAKE_TIME + ns, .netns = HOST_NETNS, .lport = lport,
			  .rport = rport, .ip = strchr(raddr, '.') ? 4 : 6 },
	};

	if (laddr)
		make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	return e;
}

static void put(struct recorder *rec, struct tcpconnect_event e, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e.head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					  .how = NT_OWNER_CONNECT };
	make_comm(e.head.owner.comm, comm);
	make_event(rec, &e, sizeof(e));
}

static void put_error(struct recorder *rec, struct tcpconnect_event e, uint16_t error)
{
	e.error = error;
	put(rec, e, 4711, 1000, "curl", USER);
}

static void write_attempts(struct recorder *rec)
{
	struct tcpconnect_event e;

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	put(rec, from(0, "10.1.2.4", 50000, "10.1.2.3", 8000), 4711, 1000, "curl", USER);
	put(rec, from(3 * US, "127.0.0.1", 41000, "127.0.0.1", 12345), 4711, 1000, "curl", USER);
	e = from(400 * MS, "2001:db8:1111:2222:3333:4444:5555:6666", 65535,
		 "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 443);
	e.head.netns = OTHER_NETNS;
	put(rec, e, 181, 33, "nginx", NGINX);
	put(rec, from(500 * MS, "::1", 40001, "::1", 80), 4294967295u, 0, "sixteen bytes!!!", 0);
	put_error(rec, from(600 * MS, NULL, 0, "10.255.0.1", 80), ENETUNREACH);
	put_error(rec, from(700 * MS, "127.0.0.1", 0, "127.0.0.1", 8000), EADDRNOTAVAIL);
	put_error(rec, from(800 * MS, NULL, 0, "fe80::1", 22), EINVAL);
	put_error(rec, from(900 * MS, NULL, 7777, "10.1.2.3", 80), EACCES);
}

/* By number, those without a name too. */
static void write_errors(struct recorder *rec)
{
	for (uint16_t error = 0; error < NAMES_ERRNO + 2; error++)
		put_error(rec, from(error, NULL, 0, "10.0.0.1", 80), error);
	put_error(rec, from(500, NULL, 0, "10.0.0.1", 80), UINT16_MAX);
}

/* `text`: an answer with the names "\3www..." in it; 10.0.0.N is its address. */
static void put_answer(struct recorder *rec, uint64_t ns, const char *name, size_t len, uint8_t ttl,
		       uint8_t n)
{
	static const uint8_t head[12] = { 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1 };
	const uint8_t tail[] = { 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1,
				 0, 0, 0, ttl, 0, 4, 10, 0, 0, n };
	struct nt_dns dns = { .head = { .kind = NT_DNS, .time = MAKE_TIME + ns, .rport = 53 } };

	make_addr(dns.head.raddr, "127.0.0.53");
	dns.len = sizeof(head) + len + sizeof(tail);
	memcpy(dns.data, head, sizeof(head));
	memcpy(dns.data + sizeof(head), name, len);
	memcpy(dns.data + sizeof(head) + len, tail, sizeof(tail));
	make_event(rec, &dns, offsetof(struct nt_dns, data) + dns.len);
}

static void write_dns(struct recorder *rec)
{
	static const char www[] = "\3WWW\7example\3com", odd[] = "\5a\"b,c\4\x1b[0m\3<\xc3\xa9";

	put(rec, from(0, "10.1.2.4", 50000, "10.0.0.1", 80), 4711, 1000, "curl", USER);
	put_answer(rec, 1 * MS, www, sizeof(www), 2, 1);
	put(rec, from(2 * MS, "10.1.2.4", 50001, "10.0.0.1", 80), 4711, 1000, "curl", USER);
	put(rec, from(3 * MS, "10.1.2.4", 50002, "10.0.0.2", 80), 4711, 1000, "curl", USER);
	put_answer(rec, 4 * MS, odd, sizeof(odd), 60, 2);
	put(rec, from(5 * MS, "10.1.2.4", 50003, "10.0.0.2", 80), 181, 33, "nginx", NGINX);
	put_answer(rec, 6 * MS, "\1x\1\1", 4, 60, 3); /* damaged: nothing is learnt */
	put(rec, from(7 * MS, "10.1.2.4", 50004, "10.0.0.3", 80), 4711, 1000, "curl", USER);
	/* The first answer's time is over. */
	put(rec, from(2001 * MS, "10.1.2.4", 50005, "10.0.0.1", 80), 4711, 1000, "curl", USER);
	put(rec, from(2002 * MS, "10.1.2.4", 50006, "10.0.0.1", 80), 4711, 1000, "curl", USER);
}

static void put_count(struct recorder *rec, const char *laddr, const char *raddr, uint16_t rport,
		      uint64_t connects)
{
	struct tcpconnect_event e = from(9000 * MS, laddr, 0, raddr, rport);
	struct tcpconnect_count row = { .connects = connects };

	row.head = e.head;
	row.sum.interval_ns = 9000 * MS;
	make_event(rec, &row, sizeof(row));
}

static void write_counted(struct recorder *rec)
{
	put_count(rec, "10.1.2.4", "10.1.2.3", 443, 17);
	put_count(rec, "2001:db8:1111:2222:3333:4444:5555:6666",
		  "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535, UINT64_MAX);
	put_count(rec, NULL, "10.255.0.1", 80, 1);
	put_count(rec, "127.0.0.1", "127.0.0.1", 8000, 100000);
	make_reading(rec, 9000 * MS, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpconnect_tool;

const struct made_file made_files[] = {
	{ "attempts.nt", write_attempts },
	{ "counted.nt", write_counted, .variant = true },
	{ "dns.nt", write_dns },
	{ "errors.nt", write_errors },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
