/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of connections of both versions of IP, one of nobody's; one reading is empty. */
#include "make_recording.h"
#include "tcptop.h"

extern const struct tool tcptop_tool;

struct end {
	const char *addr;
	uint16_t port;
};

static struct tcptop_row row(struct end local, struct end remote, uint64_t tx, uint64_t rx)
{
	struct tcptop_row r = {
		.head = {
			.time = MAKE_TIME + MAKE_SECOND,
			.netns = 4026531840u,
			.lport = local.port,
			.rport = remote.port,
			.owner = { .uid = -1 },
		},
		.interval_ns = MAKE_SECOND + 250000,
		.tx_bytes = tx,
		.rx_bytes = rx,
	};
	int i;

	make_addr(r.head.laddr, local.addr);
	make_addr(r.head.raddr, remote.addr);
	r.head.ip = 4;
	for (i = 0; i < 10; i++)
		if (r.head.laddr[i])
			r.head.ip = 6;
	return r;
}

static void own(struct tcptop_row *r, uint32_t pid, const char *comm, enum nt_owner_how how)
{
	r->head.owner = (struct nt_owner){ .cgroup = 77, .pid = pid, .tid = pid, .uid = 33,
					   .how = how };
	make_comm(r->head.owner.comm, comm);
}

static void put(struct recorder *rec, const struct tcptop_row *r)
{
	make_event(rec, r, sizeof(*r));
}

static void write_plain(struct recorder *rec)
{
	static const struct end web = { "10.1.2.3", 443 }, peer = { "10.9.8.7", 50000 },
				web6 = { "2001:db8::1", 443 }, peer6 = { "2001:db8::2", 50001 };
	struct tcptop_row r[] = {
		row(web, peer, 5 << 20, 1023),
		row(peer, web, 1023, 5 << 20),
		row(web6, peer6, 0, 1ull << 33),
		row(web6, peer, 1024, 0),
	};

	make_cgroup(rec, 77, "/system.slice/nginx.service");
	own(&r[0], 7869, "nginx", NT_OWNER_ACCEPT);
	own(&r[1], 4194304, "curl", NT_OWNER_CONNECT);
	own(&r[2], 7869, "nginx", NT_OWNER_SNAPSHOT);
	put(rec, &r[0]);
	put(rec, &r[1]);
	put(rec, &r[2]);
	make_reading(rec, MAKE_SECOND, "0.50 0.40 0.30 1/100 4711");
	make_reading(rec, 2 * MAKE_SECOND, "0.51 0.40 0.30 1/100 4712");
	put(rec, &r[3]);
	make_reading(rec, 3 * MAKE_SECOND, "0.52 0.40 0.30 1/100 4713");
}

/* All digits of a number, a comm of any bytes. */
static void write_extremes(struct recorder *rec)
{
	struct tcptop_row r[] = {
		row((struct end){ "fd00:1111:2222:3333:4444:5555:6666:7777", 65535 },
		    (struct end){ "fd00:8888:9999:aaaa:bbbb:cccc:dddd:eeee", 65534 },
		    UINT64_MAX / 2, UINT64_MAX / 2),
		row((struct end){ "0.0.0.0", 0 }, (struct end){ "255.255.255.255", 0 }, 0, 1),
	};

	own(&r[0], UINT32_MAX, "a\x1b[31m\n\",\xff\xc3\xa4", NT_OWNER_IO);
	put(rec, &r[1]);
	put(rec, &r[0]);
	make_reading(rec, MAKE_SECOND, "");
}

/*
 * Nothing says that the load is one: escapes for a terminal, formats of strftime(3). A
 * time that with the clock's is more than an int64_t holds.
 */
static void write_hostile(struct recorder *rec)
{
	struct tcptop_row r = row((struct end){ "10.1.2.3", 443 }, (struct end){ "10.9.8.7", 1 }, 1,
				  1);

	put(rec, &r);
	make_reading(rec, MAKE_SECOND, "\x1b]0;x\a\x1b[2J \xc2\x9b \xff%n%%\n\\");
	make_reading(rec, INT64_MAX - MAKE_TIME, "0.50");
}

const struct tool *const made_tool = &tcptop_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "extremes.nt", write_extremes },
	{ "hostile.nt", write_hostile },
	{ 0 },
};
