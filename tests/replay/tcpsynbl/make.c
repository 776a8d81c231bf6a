/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of listeners: several of one limit, both queues, overflows, no owner, huge values. */
#include "make_recording.h"
#include "tcpsynbl.h"

#define HOST_NETNS 4026531840u

enum { NGINX = 100 };

extern const struct tool tcpsynbl_tool;

static struct tcpsynbl_row row(uint64_t time, const char *laddr, uint16_t lport, uint8_t ip,
			       uint32_t backlog_max)
{
	struct tcpsynbl_row r = {
		.head = { .time = MAKE_TIME + time, .netns = HOST_NETNS, .lport = lport, .ip = ip },
		.interval_ns = MAKE_SECOND,
		.backlog_max = backlog_max,
	};

	make_addr(r.head.laddr, laddr);
	r.head.owner.uid = UINT32_MAX;
	return r;
}

static void own(struct tcpsynbl_row *r, enum nt_owner_how how, uint32_t pid, const char *comm)
{
	r->head.owner = (struct nt_owner){ .cgroup = NGINX, .pid = pid, .tid = pid, .uid = 33,
					   .how = how };
	make_comm(r->head.owner.comm, comm);
}

static void add(struct tcpsynbl_row *r, uint64_t value, uint64_t times)
{
	unsigned int slot = value < 2 ? 0 : 63 - (unsigned int)__builtin_clzll(value);

	r->length.slots[slot < NT_HIST_SLOTS ? slot : NT_HIST_SLOTS - 1] += times;
	r->length.count += times;
	r->length.sum += value * times;
	if (value > r->length.max)
		r->length.max = value;
}

static void put(struct recorder *rec, const struct tcpsynbl_row *r)
{
	make_event(rec, r, sizeof(*r));
}

/* Two listeners share a limit, a third has two kinds of connections, nobody knows the fourth. */
static void write_plain(struct recorder *rec)
{
	struct tcpsynbl_row web = row(MAKE_SECOND, "10.1.2.3", 80, 4, 5),
			    tls = row(MAKE_SECOND, "10.1.2.3", 443, 4, 5),
			    dual4 = row(MAKE_SECOND, "::", 8000, 4, 4096),
			    dual6 = row(MAKE_SECOND, "::", 8000, 6, 4096),
			    syn = row(MAKE_SECOND, "10.1.2.3", 80, 4, 5),
			    none = row(3 * MAKE_SECOND, "127.0.0.1", 9, 4, 128);

	make_cgroup(rec, NGINX, "/system.slice/nginx.service");
	own(&web, NT_OWNER_LISTEN, 181, "nginx");
	own(&tls, NT_OWNER_SNAPSHOT, 182, "nginx");
	own(&dual4, NT_OWNER_LISTEN, 600, "python3");
	own(&dual6, NT_OWNER_LISTEN, 600, "python3");
	add(&web, 0, 1);
	add(&web, 3, 2);
	add(&web, 6, 10);
	web.overflows = 194;
	add(&tls, 0, 100);
	add(&dual4, 17, 3);
	add(&dual6, 100, 1);
	syn.head.owner = web.head.owner;
	syn.queue = TCPSYNBL_SYN;
	add(&syn, 5, 7);
	syn.overflows = 7;
	put(rec, &dual6);
	put(rec, &syn);
	put(rec, &tls);
	put(rec, &dual4);
	put(rec, &web);
	make_reading(rec, MAKE_SECOND, "");
	make_reading(rec, 2 * MAKE_SECOND, "");
	add(&none, 1, 1);
	put(rec, &none);
	make_reading(rec, 3 * MAKE_SECOND, "");
}

/* Only overflows; the largest of everything; a queue that a newer version may have. */
static void write_extremes(struct recorder *rec)
{
	struct tcpsynbl_row full = row(MAKE_SECOND, "0.0.0.0", 1, 4, 0),
			    huge = row(MAKE_SECOND, "2001:db8:1111:2222:3333:4444:5555:6666", 65535,
				       6, UINT32_MAX);

	full.overflows = 1;
	own(&huge, NT_OWNER_IO, UINT32_MAX, "\x1b[31m, = \"x\"\n");
	huge.overflows = UINT64_MAX;
	huge.queue = 7;
	add(&huge, UINT32_MAX, 1);
	huge.length.sum = UINT64_MAX;
	put(rec, &full);
	put(rec, &huge);
	make_reading(rec, MAKE_SECOND, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcpsynbl_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
