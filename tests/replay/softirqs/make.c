/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Readings of softirqs, as sums and as histograms. */
#include "make_recording.h"
#include "softirqs.h"

enum { HI, TIMER, NET_TX, NET_RX };

extern const struct tool softirqs_tool;

static struct softirqs_event row(uint64_t time, uint8_t softirq, uint32_t cpu, uint64_t total,
				 uint64_t count, uint64_t max)
{
	return (struct softirqs_event){
		.head.time = MAKE_TIME + time,
		.interval_ns = MAKE_SECOND,
		.total_ns = total,
		.count = count,
		.max_ns = max,
		.cpu = cpu,
		.softirq = softirq,
	};
}

static void put(struct recorder *rec, const struct softirqs_event *e)
{
	make_event(rec, e, sizeof(*e));
}

/* Three readings, the second one empty; rows come in any order and are sorted. */
static void write_plain(struct recorder *rec)
{
	struct softirqs_event e[] = {
		row(MAKE_SECOND, TIMER, 0, 999, 1, 999),
		row(MAKE_SECOND, NET_RX, UINT32_MAX, 1234567, 1000, 54321),
		row(MAKE_SECOND, NET_TX, 1, 1000, 2, 501),
		row(3 * MAKE_SECOND, NET_RX, UINT32_MAX, 12345678901234, 9876543210, 1ull << 40),
		row(3 * MAKE_SECOND, 10, 3, 0, 1, 0),
	};

	put(rec, &e[0]);
	put(rec, &e[1]);
	put(rec, &e[2]);
	make_reading(rec, MAKE_SECOND, "0.50 0.40 0.30 1/100 4711");
	make_reading(rec, 2 * MAKE_SECOND, "");
	put(rec, &e[3]);
	put(rec, &e[4]);
	make_reading(rec, 3 * MAKE_SECOND, "");
}

static void add(struct nt_hist *hist, uint64_t value, unsigned int slot)
{
	hist->count++;
	hist->sum += value;
	hist->slots[slot]++;
	if (value > hist->max)
		hist->max = value;
}

static void write_dist(struct recorder *rec)
{
	struct softirqs_event e = row(MAKE_SECOND, NET_RX, UINT32_MAX, 13700, 3, 9000),
			      one = row(MAKE_SECOND, HI, 0, 1, 1, 1);

	add(&e.ns, 1700, 10);
	add(&e.ns, 3000, 11);
	add(&e.ns, 9000, 13);
	add(&e.us, 1, 0);
	add(&e.us, 3, 1);
	add(&e.us, 9, 3);
	add(&one.ns, 1, 0);
	add(&one.us, 0, 0);
	put(rec, &one);
	put(rec, &e);
	make_reading(rec, MAKE_SECOND, "");
}

static void write_nothing(struct recorder *rec)
{
	(void)rec;
}

const struct tool *const made_tool = &softirqs_tool;

const struct made_file made_files[] = {
	{ "plain.nt", write_plain },
	{ "dist.nt", write_dist, true },
	{ "nothing.nt", write_nothing },
	{ 0 },
};
