// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rows of a reading in groups, with none missing, and their sums. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "sums.h"

struct groups {
	const struct tool *tool;
	const struct column *by[3], *index, *indexes;
};

static const struct column *column_named(const struct tool *tool, const char *name)
{
	const struct column *col;

	for (col = tool->columns; name && col->name; col++)
		if (!strcmp(col->name, name))
			return col;
	return NULL;
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
	uint32_t value = 0;

	memcpy(&value, (const char *)row + col->off, col->size < 4 ? col->size : 4);
	return value;
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
		at += cell_text(line + at, sizeof(line) - at - 1, g->by[k], row);
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

/* Rows of zeros for the indexes from `from` on below `to`, as far as there are so many. */
static bool print_missing(struct rows *rows, int i, const struct groups *g, const void *row,
			  uint32_t from, uint32_t to)
{
	const struct filter_node *filter = rows->opts->filter[i];
	size_t size = g->tool->event_size;
	char *copy = malloc(size);
	bool more = copy;

	if (to > number_of(g->indexes, row))
		to = number_of(g->indexes, row);
	if (copy)
		clear_sums(g, copy, row);
	for (; more && from < to; from++) {
		memcpy(copy + g->index->off, &from, g->index->size); /* little endian */
		if (!filter || filter_eval(filter, copy, size))
			more = rows_print(rows, copy);
	}
	free(copy);
	return more;
}

static bool print_group(struct rows *rows, int i, const struct groups *g, const unsigned char *data,
			size_t n)
{
	size_t size = g->tool->event_size, k;
	unsigned char *total = malloc(size);
	uint32_t next = 0;
	bool more = total;

	if (total)
		clear_sums(g, total, data);
	begin_group(rows, i, g, data);
	for (k = 0; k < n && more && !rows->error; k++) {
		const unsigned char *row = data + k * size;

		more = print_missing(rows, i, g, row, next, number_of(g->index, row)) &&
		       rows_print(rows, row);
		next = number_of(g->index, row) + 1;
		sums_add(g->tool->columns, total, row);
	}
	more = more && print_missing(rows, i, g, data, next, UINT32_MAX);
	if (more && rows->opts->format == OUT_TABLE) {
		memset(total + g->index->off, 0xff, g->index->size);
		rows->error = view_row(rows->views[i], total);
	}
	free(total);
	return more;
}

bool rows_groups(struct rows *rows, int i, unsigned char *data, size_t n)
{
	const struct tool *tool = rows->opts->tools[i];
	const struct tool_sums *sums = tool->sums;
	struct groups g = { .tool = tool,
			    .by = { column_named(tool, sums->groups[0]),
				    column_named(tool, sums->groups[1]),
				    column_named(tool, sums->groups[2]) },
			    .index = column_named(tool, sums->index),
			    .indexes = column_named(tool, sums->indexes) };
	size_t size = tool->event_size, k, end;
	bool more = true;

	if (n)
		qsort_r(data, n, size, compare, &g);
	for (k = 0; k < n && more; k = end) {
		end = k + 1;
		while (end < n && !compare_groups(&g, data + k * size, data + end * size))
			end++;
		more = print_group(rows, i, &g, data + k * size, end - k);
	}
	return more;
}
