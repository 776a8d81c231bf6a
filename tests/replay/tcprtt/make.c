/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of round trip times: of all, by address, in us and in ms, empty and huge. */
#include "make_recording.h"
#include "tcprtt.h"

extern const struct tool tcprtt_tool;

static struct tcprtt_row row(uint64_t time)
{
	return (struct tcprtt_row){
		.head.time = MAKE_TIME + time,
		.interval_ns = MAKE_SECOND,
		.by_none = 1,
	};
}

static struct tcprtt_row by(uint64_t time, const char *laddr, const char *raddr)
{
	struct tcprtt_row r = row(time);

	r.by_none = 0;
	if (laddr)
		make_addr(r.head.laddr, laddr);
	if (raddr)
		make_addr(r.head.raddr, raddr);
	r.by_laddr = !!laddr;
	r.by_raddr = !!raddr;
	return r;
}

static void add(struct tcprtt_row *r, uint64_t value, uint64_t times)
{
	unsigned int slot = value < 2 ? 0 : 63 - (unsigned int)__builtin_clzll(value);

	r->rtt.slots[slot < NT_HIST_SLOTS ? slot : NT_HIST_SLOTS - 1] += times;
	r->rtt.count += times;
	r->rtt.sum += value * times;
	if (value > r->rtt.max)
		r->rtt.max = value;
}

static void put(struct recorder *rec, const struct tcprtt_row *r)
{
	make_event(rec, r, sizeof(*r));
}

/* Three readings, the second one empty. */
static void write_plain(struct recorder *rec)
{
	struct tcprtt_row one = row(MAKE_SECOND), two = row(3 * MAKE_SECOND);

	add(&one, 0, 3);
	add(&one, 57, 100);
	add(&one, 60, 20);
	add(&one, 1040, 7);
	add(&one, 200000, 1);
	put(rec, &one);
	make_reading(rec, MAKE_SECOND, "");
	make_reading(rec, 2 * MAKE_SECOND, "");
	add(&two, 60, 4);
	put(rec, &two);
	make_reading(rec, 3 * MAKE_SECOND, "");
}

static void write_addrs(struct recorder *rec)
{
	struct tcprtt_row rows[] = {
		by(MAKE_SECOND, "10.1.2.3", NULL),
		by(MAKE_SECOND, NULL, "2001:db8:1111:2222:3333:4444:5555:6666"),
		by(MAKE_SECOND, "10.1.2.3", "10.1.2.4"),
		by(MAKE_SECOND, "::1", "::"),
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		add(&rows[i], 20 + i, i + 1);
		put(rec, &rows[i]);
	}
	make_reading(rec, MAKE_SECOND, "");
}

static void write_ms(struct recorder *rec)
{
	struct tcprtt_row r = by(MAKE_SECOND, NULL, "192.168.0.1");

	r.in_ms = 1;
	add(&r, 0, 2);
	add(&r, 41, 5);
	put(rec, &r);
	make_reading(rec, MAKE_SECOND, "");
}

static void write_extremes(struct recorder *rec)
{
	struct tcprtt_row empty = row(MAKE_SECOND), huge = row(MAKE_SECOND);

	put(rec, &empty);
	add(&huge, UINT32_MAX >> 3, 1);
	add(&huge, UINT64_MAX, 1);
	huge.rtt.sum = UINT64_MAX;
	huge.all = 7;
	put(rec, &huge);
	make_reading(rec, MAKE_SECOND, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &tcprtt_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "addrs.nt", write_addrs },
	{ "ms.nt", write_ms },
	{ "extremes.nt", write_extremes },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
