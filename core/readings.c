// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads sums when it is time, and hands the rows on. */
#include "readings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool asks_for_sums(const struct tool *tool, const struct filter_node *filter)
{
	const struct column *col;

	for (col = tool->columns; tool->sums && col->name; col++)
		if (col->flags & (COL_ADD | COL_MAX) && filter_reads(filter, col->off, col->size))
			return true;
	return false;
}

/* Of "a and b" the parts without sums. NULL: there is none, or (*room is -1) there are too many. */
static const struct filter_node *without_sums(const struct tool *tool, struct filter_node *parts,
					      int *room, const struct filter_node *node)
{
	const struct filter_node *a, *b;

	if (!asks_for_sums(tool, node))
		return node;
	if (node->kind != FILTER_AND)
		return NULL;
	a = without_sums(tool, parts, room, node->a);
	b = without_sums(tool, parts, room, node->b);
	if (!a || !b)
		return a ? a : b;
	if (*room <= 0) {
		*room = -1;
		return NULL;
	}
	parts[--*room] = (struct filter_node){ .kind = FILTER_AND, .a = (struct filter_node *)a,
					       .b = (struct filter_node *)b };
	return &parts[*room];
}

int readings_filter(struct readings *r, int i, const struct filter_node **filter)
{
	const struct tool *tool = r->opts->tools[i];
	struct reading_tool *t = &r->tools[i];
	int room = READINGS_MAX_PARTS;

	if (!asks_for_sums(tool, *filter))
		return 0;
	t->filter = *filter;
	*filter = without_sums(tool, t->parts, &room, *filter);
	return room < 0 ? -E2BIG : 0;
}

/* The parts with sums; the others have been answered by the probe, which knows more. */
static bool passes(const struct tool *tool, const struct filter_node *node, const void *row)
{
	if (!asks_for_sums(tool, node))
		return true;
	if (node->kind == FILTER_AND)
		return passes(tool, node->a, row) && passes(tool, node->b, row);
	return filter_eval(node, row, tool->event_size);
}

static uint64_t interval(const struct readings *r, int i)
{
	return r->opts->interval_ns ? r->opts->interval_ns : r->opts->tools[i]->sums->interval_ns;
}

int readings_open(struct readings *r, int i, const struct probe *probe, uint64_t now)
{
	struct reading_tool *t = &r->tools[i];
	int err;

	if (!r->opts->tools[i]->sums)
		return 0;
	err = sums_open(&t->sums, probe);
	if (err)
		return fault_set(r->fault, EXIT_KERNEL, "%s: its sums cannot be read: %s",
				 r->opts->tools[i]->name, strerror(-err));
	t->last = now;
	t->next = interval(r, i) ? now + interval(r, i) : 0;
	return 0;
}

void readings_start(struct readings *r, uint64_t now)
{
	int i;

	for (i = 0; i < r->opts->n_tools; i++)
		if (r->tools[i].next)
			r->tools[i].next = now + interval(r, i);
}

void readings_close(struct readings *r)
{
	int i;

	for (i = 0; i < SESSION_MAX_TOOLS; i++)
		sums_close(r->tools[i].sums);
}

struct reading_of {
	struct readings *r;
	int tool;
	uint64_t now;
	bool more;
};

static void on_row(void *ctx, void *row)
{
	struct reading_of *of = ctx;
	struct readings *r = of->r;
	struct reading_tool *t = &r->tools[of->tool];
	const struct tool *tool = r->opts->tools[of->tool];
	struct nt_sum *sum = row;

	r->stats->seen++;
	sum->head.time = of->now;
	sum->interval_ns = of->now - t->last;
	if (sum->head.out || (t->filter && !passes(tool, t->filter, row))) {
		r->stats->filtered++;
		return;
	}
	r->stats->sent++;
	if (*r->recorder)
		rows_record(r->rows, *r->recorder, row, tool->event_size);
	of->more &= rows_event(r->rows, row, tool->event_size);
}

void readings_load(char to[READINGS_LOAD])
{
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, READINGS_LOAD - 1);

	to[n > 0 ? n : 0] = 0;
	to[strcspn(to, "\n")] = 0;
	if (fd >= 0)
		close(fd);
}

static bool read_one(struct readings *r, int i, uint64_t now)
{
	struct reading_of of = { .r = r, .tool = i, .now = now, .more = true };
	struct reading_tool *t = &r->tools[i];
	char load[READINGS_LOAD];
	int err;

	err = sums_read(t->sums, on_row, &of);
	if (err) {
		fault_set(r->fault, EXIT_RUNNING, "%s: its sums cannot be read: %s",
			  r->opts->tools[i]->name, strerror(-err));
		return false;
	}
	if (r->opts->n_devices && r->opts->tools[i]->sums->groups[0])
		rows_idle(r->rows, i, on_row, &of);
	readings_load(load);
	if (*r->recorder)
		recorder_reading(*r->recorder, i, now, load);
	t->last = now;
	of.more &= rows_reading(r->rows, i, now, load) && rows_flush(r->rows);
	return of.more && (!r->opts->readings || r->rows->readings < r->opts->readings);
}

uint64_t readings_next(const struct readings *r)
{
	uint64_t next = 0;
	int i;

	for (i = 0; i < r->opts->n_tools; i++)
		if (r->tools[i].next && (!next || r->tools[i].next < next))
			next = r->tools[i].next;
	return next;
}

/* The next one is an interval after this one was due, unless we are that late. */
bool readings_due(struct readings *r, uint64_t now)
{
	struct reading_tool *t;
	bool more = true;
	int i;

	for (i = 0; i < r->opts->n_tools && more; i++) {
		t = &r->tools[i];
		if (!t->next || now < t->next)
			continue;
		t->next += interval(r, i);
		if (t->next <= now)
			t->next = now + interval(r, i);
		more = read_one(r, i, now);
	}
	return more;
}

void readings_last(struct readings *r, uint64_t now)
{
	int i;

	for (i = 0; i < r->opts->n_tools; i++)
		if (r->tools[i].sums)
			read_one(r, i, now);
}
