/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends of connects: every result, and every value that is hard to print, once. */
#include <string.h>

#include "make_recording.h"
#include "tcpconnlat.h"

#define US 1000ull
#define MS 1000000ull
#define UNKNOWN UINT64_MAX
#define HOST_NETNS 4026531840u
#define OTHER_NETNS 4026532567u

enum { USER = 100, SERVICE, HOSTILE };

extern const struct tool tcpconnlat_tool;

static struct tcpconnlat_event flow(const char *laddr, uint16_t lport, const char *raddr,
				    uint16_t rport)
{
	struct tcpconnlat_event e = {
		.head = { .netns = HOST_NETNS, .lport = lport, .rport = rport },
	};

	make_addr(e.head.laddr, laddr);
	make_addr(e.head.raddr, raddr);
	e.head.ip = strchr(raddr, '.') ? 4 : 6;
	e.head.owner.uid = UINT32_MAX;
	return e;
}

static void own(struct tcpconnlat_event *e, enum nt_owner_how how, uint32_t pid, uint32_t uid,
		const char *comm, uint64_t cgroup)
{
	e->head.owner = (struct nt_owner){ .cgroup = cgroup, .pid = pid, .tid = pid, .uid = uid,
					   .how = how };
	make_comm(e->head.owner.comm, comm);
}

/* `ns` after MAKE_TIME. */
static void end(struct recorder *rec, struct tcpconnlat_event *e, uint64_t ns, uint64_t latency,
		uint8_t result)
{
	e->head.time = MAKE_TIME + ns;
	e->latency_ns = latency;
	e->result = result;
	make_event(rec, e, sizeof(*e));
}

static void write_plain(struct recorder *rec)
{
	struct tcpconnlat_event web = flow("10.1.2.4", 50000, "10.1.2.3", 8000);
	struct tcpconnlat_event closed = flow("10.1.2.4", 50002, "10.1.2.3", 12345);
	struct tcpconnlat_event hole = flow("10.1.2.4", 50004, "192.0.2.1", 80);
	struct tcpconnlat_event six = flow("2001:db8:1111:2222:3333:4444:5555:6666", 40000,
					   "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 443);
	struct tcpconnlat_event no_port = flow("127.0.0.1", 0, "127.0.0.1", 9000);
	struct tcpconnlat_event old = flow("10.1.2.4", 50006, "192.0.2.1", 81);

	make_cgroup(rec, USER, "/user.slice/user-1000.slice/session-3.scope");
	make_cgroup(rec, SERVICE, "/system.slice/backup.service");
	own(&web, NT_OWNER_CONNECT, 4711, 1000, "curl", USER);
	web.head.owner.tid = 4712;
	end(rec, &web, 0, 75 * US + 400, TCPCONNLAT_ESTABLISHED);
	own(&closed, NT_OWNER_CONNECT, 4713, 1000, "curl", USER);
	end(rec, &closed, 250 * MS, 9 * US, TCPCONNLAT_REFUSED);
	own(&six, NT_OWNER_CONNECT, 600, 0, "backup", SERVICE);
	six.head.netns = OTHER_NETNS;
	six.head.owner.mntns = 4026531841u;
	end(rec, &six, 1000 * MS, 23 * MS + 456789, TCPCONNLAT_ESTABLISHED);
	end(rec, &six, 2000 * MS, 1500 * US, TCPCONNLAT_RESET);
	end(rec, &six, 3000 * MS, 100 * MS, TCPCONNLAT_UNREACHABLE);
	end(rec, &no_port, 3100 * MS, 12 * US, TCPCONNLAT_ABORTED);
	own(&hole, NT_OWNER_CONNECT, 4714, 33, "wget", USER);
	end(rec, &hole, 130000 * MS, 127000 * MS + 1, TCPCONNLAT_TIMEOUT);
	own(&old, NT_OWNER_SNAPSHOT, 4715, 33, "wget", USER);
	old.head.owner.tid = 0;
	end(rec, &old, 131000 * MS, UNKNOWN, TCPCONNLAT_TIMEOUT);
	end(rec, &web, 132000 * MS, 5000 * MS, TCPCONNLAT_ABORTED);
}

static void put_comm(struct recorder *rec, uint64_t ns, const char *comm)
{
	struct tcpconnlat_event e = flow("10.0.0.1", 1024, "10.0.0.2", 80);

	own(&e, NT_OWNER_CONNECT, 77, 77, comm, HOSTILE);
	end(rec, &e, ns, 1000 * US, TCPCONNLAT_ESTABLISHED);
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
	put_comm(rec, 6, "");
}

/* The largest and the smallest of everything, and latencies at the edges of rounding. */
static void write_extremes(struct recorder *rec)
{
	static const uint64_t latencies[] = {
		0, 1, 4999, 5000, 9999, 10000, 14999, 15000, 994999, 995000, 999999, MS,
		MS + 1, 3600ull * MAKE_SECOND, UNKNOWN - 1, UNKNOWN,
	};
	struct tcpconnlat_event e = flow("255.255.255.255", 65535, "0.0.0.0", 65535);

	own(&e, NT_OWNER_CONNECT, UINT32_MAX, UINT32_MAX - 1, "max", UINT64_MAX);
	e.head.netns = UINT32_MAX;
	end(rec, &e, 0, UNKNOWN - 1, TCPCONNLAT_ABORTED);
	e = flow("::", 0, "::", 0);
	e.head.netns = 0;
	end(rec, &e, 1, 0, TCPCONNLAT_ESTABLISHED);
	for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++) {
		e = flow("fe80::1", 1, "1:0:0:2:0:0:0:3", 2);
		own(&e, NT_OWNER_CONNECT, 1, 0, "init", 0);
		end(rec, &e, 2 + i, latencies[i], i % (TCPCONNLAT_ABORTED + 1));
	}
	/* A result that only a newer nettrace knows. */
	end(rec, &e, 2 + sizeof(latencies) / sizeof(latencies[0]), 1, UINT8_MAX);
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpconnlat_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "hostile.nt", write_hostile },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
