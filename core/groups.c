// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows of a reading in groups, with none missing, and their sums. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "sums.h"

struct groups {
	const struct tool *tool;
	const struct column *by[3], *index, *indexes[2];
	bool begun; /* something of this group was printed */
};

static const struct column *column_named(const struct tool *tool, const char *name)
{
	return name ? column_find(tool->columns, name, strlen(name)) : NULL;
}

static int compare_groups(const struct groups *g, const void *a, const void *b)
{
	const struct column *col;
	int i, order = 0;

	for (i = 0; i < 3 && !order; i++) {
		col = g->by[i];
		if (col)
			order = memcmp((const char *)a + col->off, (const char *)b + col->off,
				       col->size);
	}
	return order;
}

static uint32_t number_of(const struct column *col, const void *row)
{
	return cell_load((const char *)row + col->off, col->size);
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct groups *g = ctx;
	int order = compare_groups(g, a, b);
	uint32_t x = number_of(g->index, a), y = number_of(g->index, b);

	return order ? order : x < y ? -1 : x > y;
}

/* "TX eth0" */
static void begin_group(struct rows *rows, int i, const struct groups *g, const void *row)
{
	char line[128];
	size_t at = 0;
	int k;

	if (rows->opts->format != OUT_TABLE)
		return;
	for (k = 0; k < 2 && g->by[k]; k++) {
		if (k)
			line[at++] = ' ';
		at += cell_text(line + at, sizeof(line) - at - 2, g->by[k], row);
		if (at > sizeof(line) - 3) /* it was cut */
			at = sizeof(line) - 3;
	}
	line[at++] = '\n';
	rows->error = out_text(rows->out, line, at);
	if (!rows->error)
		rows->error = view_header(rows->views[i]);
}

/* A copy of `row` with the sums zero. */
static void clear_sums(const struct groups *g, void *copy, const void *row)
{
	const struct column *col;

	memcpy(copy, row, g->tool->event_size);
	for (col = g->tool->columns; col->name; col++)
		if (col->flags & (COL_ADD | COL_MAX))
			memset((char *)copy + col->off, 0, col->size);
}

static bool print_row(struct rows *rows, int i, struct groups *g, const void *row)
{
	if (!g->begun)
		begin_group(rows, i, g, row);
	g->begun = true;
	return !rows->error && rows_print(rows, row);
}

/* How many indexes the group of `row` has. */
static uint32_t indexes_of(const struct groups *g, const void *row)
{
	uint32_t value = g->indexes[1] ? number_of(g->by[1], row) : 0;

	return value < 2 ? number_of(g->indexes[value], row) : 0;
}

/* Rows of zeros for the indexes from `from` on below `to`, as far as there are so many. */
static bool print_missing(struct rows *rows, int i, struct groups *g, const void *row,
			  uint32_t from, uint32_t to)
{
	const struct filter_node *filter = rows->opts->filter[i];
	size_t size = g->tool->event_size;
	char *copy = malloc(size);
	bool more = copy;

	if (to > indexes_of(g, row))
		to = indexes_of(g, row);
	if (copy)
		clear_sums(g, copy, row);
	for (; more && from < to; from++) {
		memcpy(copy + g->index->off, &from, g->index->size); /* little endian */
		if (!filter || filter_eval(filter, copy, size))
			more = print_row(rows, i, g, copy);
	}
	free(copy);
	return more;
}

/* A row that stands for its group only, see add_groups(). */
static bool is_bare(const struct groups *g, const void *row)
{
	return number_of(g->index, row) == UINT32_MAX >> (32 - 8 * g->index->size);
}

static bool print_group(struct rows *rows, int i, struct groups *g, const unsigned char *data,
			size_t n)
{
	size_t size = g->tool->event_size, k;
	unsigned char *total = malloc(size);
	uint32_t next = 0;
	bool more = total;

	if (total)
		clear_sums(g, total, data);
	g->begun = false;
	for (k = 0; k < n && more && !rows->error; k++) {
		const unsigned char *row = data + k * size;

		if (is_bare(g, row))
			continue;
		more = print_missing(rows, i, g, row, next, number_of(g->index, row)) &&
		       print_row(rows, i, g, row);
		next = number_of(g->index, row) + 1;
		sums_add(g->tool->columns, total, row);
	}
	more = more && print_missing(rows, i, g, data, next, UINT32_MAX);
	if (more && g->begun && rows->opts->format == OUT_TABLE) {
		memset(total + g->index->off, 0xff, g->index->size);
		rows->error = view_row(rows->views[i], total);
	}
	free(total);
	return more;
}

/*
 * Where there is a group for one value of the second column there is one for each: a row without an
 * index that stands behind those that have one.
 */
static bool add_groups(struct rows *rows, int i, const struct groups *g)
{
	size_t size = g->tool->event_size, n = rows->waiting[i].n, k;
	unsigned char *copy = malloc(size);
	const unsigned char *row;
	uint32_t value;

	for (k = 0; copy && g->indexes[1] && k < n && !rows->error; k++) {
		row = rows->waiting[i].data + k * size;
		if (k && !compare_groups(g, row - size, row))
			continue;
		clear_sums(g, copy, row);
		memset(copy + g->index->off, 0xff, g->index->size);
		for (value = 0; value < 2; value++) {
			memcpy(copy + g->by[1]->off, &value, g->by[1]->size); /* little endian */
			rows_event(rows, copy, size);
		}
	}
	free(copy);
	return copy && !rows->error;
}

static struct groups groups_of(const struct tool *tool)
{
	const struct tool_sums *sums = tool->sums;

	return (struct groups){ .tool = tool,
				.by = { column_named(tool, sums->groups[0]),
					column_named(tool, sums->groups[1]),
					column_named(tool, sums->groups[2]) },
				.index = column_named(tool, sums->index),
				.indexes = { column_named(tool, sums->indexes[0]),
					     column_named(tool, sums->indexes[1]) } };
}

static void sort_groups(struct rows *rows, int i, struct groups *g)
{
	struct reading *waiting = &rows->waiting[i];

	if (waiting->n)
		qsort_r(waiting->data, waiting->n, g->tool->event_size, compare, g);
}

bool rows_groups(struct rows *rows, int i)
{
	struct groups g = groups_of(rows->opts->tools[i]);
	size_t size = g.tool->event_size, k, end, n;
	const unsigned char *data;
	bool more;

	sort_groups(rows, i, &g);
	more = add_groups(rows, i, &g);
	sort_groups(rows, i, &g);
	data = rows->waiting[i].data;
	n = rows->waiting[i].n;
	for (k = 0; k < n && more; k = end) {
		end = k + 1;
		while (end < n && !compare_groups(&g, data + k * size, data + end * size))
			end++;
		more = print_group(rows, i, &g, data + k * size, end - k);
	}
	return more;
}

static bool has_group(const struct rows *rows, int i, const struct groups *g, const void *wanted)
{
	const struct reading *waiting = &rows->waiting[i];
	const struct column *name = g->by[0], *netns = g->by[2];
	const char *row = (const char *)waiting->data, *like = wanted;
	size_t k;

	for (k = 0; k < waiting->n; k++, row += g->tool->event_size)
		if (!memcmp(row + name->off, like + name->off, name->size) &&
		    !memcmp(row + netns->off, like + netns->off, netns->size))
			return true;
	return false;
}

void rows_idle(struct rows *rows, int i, void (*each)(void *ctx, void *row), void *ctx)
{
	struct groups g = groups_of(rows->opts->tools[i]);
	const struct device *dev = rows->opts->devices, *end = dev + rows->opts->n_devices;
	unsigned char *row = malloc(g.tool->event_size);
	int value;

	for (; row && dev < end; dev++) {
		memset(row, 0, g.tool->event_size);
		((struct nt_event *)row)->tool = i;
		memcpy(row + g.by[0]->off, dev->name, g.by[0]->size);
		memcpy(row + g.by[2]->off, &rows->opts->devices_netns, g.by[2]->size);
		memset(row + g.index->off, 0xff, g.index->size);
		for (value = 0; value < 2; value++)
			memcpy(row + g.indexes[value]->off, &dev->queues[value],
			       g.indexes[value]->size);
		if (!has_group(rows, i, &g, row))
			each(ctx, row);
	}
	free(row);
}
