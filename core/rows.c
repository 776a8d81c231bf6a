// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Events to rows, for live runs and replays alike. */
#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "array.h"
#include "put.h"
#include "sums.h"
#include "top.h"

#define MAX_LOAD 64

const char *const names_owner[NT_OWNER_CONNECT + 1] = {
	[NT_OWNER_NONE] = "none",       [NT_OWNER_INHERITED] = "inherited",
	[NT_OWNER_SNAPSHOT] = "snapshot", [NT_OWNER_IO] = "io",
	[NT_OWNER_LISTEN] = "listen",   [NT_OWNER_ACCEPT] = "accept",
	[NT_OWNER_CONNECT] = "connect",
};

const char *const names_tcp_state[NAMES_TCP_STATES] = {
	[1] = "ESTABLISHED",     [2] = "SYN_SENT",  [3] = "SYN_RECV", [4] = "FIN_WAIT1",
	[5] = "FIN_WAIT2",       [6] = "TIME_WAIT", [7] = "CLOSE",    [8] = "CLOSE_WAIT",
	[9] = "LAST_ACK",        [10] = "LISTEN",   [11] = "CLOSING", [12] = "NEW_SYN_RECV",
	[13] = "BOUND_INACTIVE",
};

const char *const names_arrow[1] = { ">" };

#define TCP_FLAGS(F) F("FIN") F("SYN") F("RST") F("PSH") F("ACK") F("URG") F("ECE") F("CWR") F("AE")
#define LIST(name) name,
#define QUOTE(name) "'" name "',"
const char *const names_tcp_flag[NAMES_TCP_FLAGS] = { TCP_FLAGS(LIST) };
_Static_assert(sizeof("[" TCP_FLAGS(QUOTE) "]") <= CELL_MAX, "a cell may have all of them");

#define STAT(member, text)                                                                         \
	{                                                                                          \
		.name = #member, .title = #member, .help = text, .type = COL_NUM,                  \
		COL_AT(struct session_stats, member)                                               \
	}

static const struct column stat_columns[] = {
	{ .name = "time", .title = "TIME", .help = "end of the run", .type = COL_TIME,
	  COL_AT(struct session_stats, time) },
	STAT(seen, "events that happened"),
	STAT(filtered, "events that the filters rejected"),
	STAT(sent, "events that reached us"),
	STAT(lost_buffer, "events lost: the buffer was full"),
	STAT(lost_map, "events lost: a map was full"),
	STAT(lost_stack, "stacks that could not be taken, each an event of its own"),
	STAT(missed, "probe runs that the kernel skipped"),
	{ 0 },
};

static const char *name_of_reason(struct names *names, const struct column *col, uint64_t id)
{
	if (id >= NT_NAME_OWN && id - NT_NAME_OWN < col->n_names)
		return col->names[id - NT_NAME_OWN];
	return id >> 63 ? names_of_function(names, id) : names_of(names, id);
}

static const char *name_of(void *ctx, const struct column *col, uint64_t id)
{
	const struct rows *rows = ctx;
	struct names *names = rows->opts->names;

	if (col->type == COL_NAME)
		return cgroups_path(rows->cgroups, id);
	if (!names)
		return NULL;
	return col->type == COL_REASON ? name_of_reason(names, col, id) : names_of(names, id);
}

size_t rows_padded(const struct tool *tool, uint64_t *copy, size_t room, const void *event,
		   size_t len)
{
	size_t least = tool->least_size ? tool->least_size : tool->event_size;

	if (len < least || tool->event_size > room)
		return 0;
	if (len > tool->event_size)
		len = tool->event_size;
	memcpy(copy, event, len);
	memset((char *)copy + len, 0, tool->event_size - len);
	return tool->event_size;
}

static const char *host_of(void *ctx, const uint8_t addr[16])
{
	const struct rows *rows = ctx;

	return rows->dns ? dns_name(rows->dns, addr, rows->time) : NULL;
}

static void put_cgroup(void *ctx, uint64_t id, const char *path)
{
	recorder_cgroup(ctx, id, path);
}

static void put_name(void *ctx, uint64_t id, const char *text)
{
	recorder_name(ctx, id, text);
}

static void record_names(struct rows *rows, struct recorder *rec)
{
	cgroups_new_names(rows->cgroups, put_cgroup, rec);
	if (rows->opts->names)
		names_new_names(rows->opts->names, put_name, rec);
}

void rows_record(struct rows *rows, struct recorder *rec, const void *event, size_t len)
{
	const struct nt_event *e = event;
	const struct tool *tool = rows->opts->tools[e->tool];
	const struct column *col;
	uint64_t copy[ROWS_MAX_EVENT / 8], id;
	const char *at;
	size_t i;

	recorder_event(rec, event, len); /* an error stays: recorder_flush() tells it */
	if (e->kind != NT_ROW || !rows_padded(tool, copy, sizeof(copy), event, len))
		return;
	for (col = tool->columns; col->name; col++) {
		if (col->type != COL_NAME && col->type != COL_REASON && col->type != COL_STACK)
			continue;
		at = (const char *)copy + col->off;
		for (i = 0; i < col->size / sizeof(id); i++) {
			memcpy(&id, at + i * sizeof(id), sizeof(id));
			if (!id)
				break;
			name_of(rows, col, id);
		}
	}
	record_names(rows, rec);
}

void rows_record_names(struct rows *rows, struct recorder *rec)
{
	const struct session_opts *opts = rows->opts;
	const struct column *col;
	int i;

	for (i = 0; i < opts->n_tools; i++)
		for (col = opts->tools[i]->columns; col->name; col++)
			if (col->type == COL_REASON && opts->names)
				names_all_reasons(opts->names);
	record_names(rows, rec);
}

static int open_view(struct rows *rows, int i, struct fault *fault)
{
	const struct session_opts *opts = rows->opts;
	const struct tool *tool = opts->tools[i];
	const struct view_opts view_opts = { .tool = tool->name,
					     .columns = tool->columns,
					     .table = *opts->table ? opts->table : tool->table,
					     .spec = opts->columns,
					     .unhide = *opts->table ? opts->table : opts->show,
					     .bare = tool->sums && tool->sums->bare &&
						     !opts->columns };
	const char *bad;
	size_t len;
	int err;

	err = view_new(&rows->views[i], rows->out, &view_opts, &bad, &len);
	if (err == -ENOENT)
		return fault_set(fault, EXIT_USAGE,
				 "--columns: '%.*s' is no column of %s; --columns help lists them",
				 (int)len, bad, tool->name);
	if (err == -EINVAL)
		return fault_set(fault, EXIT_USAGE,
				 "--columns: '%s' is no list of names, or of names each with "
				 "+ or -", opts->columns);
	if (err == -ENODATA)
		return fault_set(fault, EXIT_USAGE, "--columns: '%s' leaves nothing to show",
				 opts->columns);
	if (err)
		return fault_set(fault, EXIT_RUNNING, "no memory");
	return 0;
}

int rows_open(struct rows *rows, const struct session_opts *opts, struct fault *fault)
{
	struct out_names names = { .name = name_of, .host = host_of, .ctx = rows };
	int i, code;

	memset(rows, 0, sizeof(*rows));
	rows->opts = opts;
	if (cgroups_new(&rows->cgroups, !opts->replaying))
		return fault_set(fault, EXIT_RUNNING, "no memory");
	if (out_new(&rows->out, STDOUT_FILENO, opts->format, opts->header, names))
		return fault_set(fault, EXIT_RUNNING, "no memory");
	out_set_unit(rows->out, opts->unit);
	for (i = 0; i < opts->n_tools; i++) {
		code = open_view(rows, i, fault);
		if (code)
			return code;
	}
	code = opts->journal ? journal_open(&rows->journal) : 0;
	if (code)
		return fault_set(fault, EXIT_RUNNING, "--journal: " JOURNAL_SOCKET ": %s",
				 strerror(-code));
	return 0;
}

void rows_close(struct rows *rows)
{
	int i;

	for (i = 0; i < SESSION_MAX_TOOLS; i++) {
		view_free(rows->views[i]);
		free(rows->waiting[i].data);
	}
	journal_close(rows->journal);
	out_free(rows->out);
	cgroups_free(rows->cgroups);
	dns_free(rows->dns);
}

void rows_learn(struct rows *rows, const void *record, size_t len)
{
	const struct nt_dns *answer = record;

	if (answer->head.kind != NT_DNS || len < offsetof(struct nt_dns, data) ||
	    len - offsetof(struct nt_dns, data) < answer->len)
		return;
	if (!rows->dns && dns_new(&rows->dns))
		return;
	dns_learn(rows->dns, answer->head.time, answer->data, answer->len);
}

bool rows_print(struct rows *rows, const void *event)
{
	const struct session_opts *opts = rows->opts;
	const struct nt_event *e = event;

	if (opts->max_events && rows->printed >= opts->max_events)
		return false;
	rows->time = e->time;
	rows->error = view_row(rows->views[e->tool], event);
	if (rows->journal)
		journal_row(rows->journal, rows->out, opts->tools[e->tool], event);
	rows->printed++;
	return !rows->error;
}

static bool keep_row(struct rows *rows, const void *event)
{
	const struct nt_event *e = event;
	struct reading *waiting = &rows->waiting[e->tool];
	size_t size = rows->opts->tools[e->tool]->event_size;

	if (array_grow(&waiting->data, &waiting->room, waiting->n + 1, size)) {
		rows->error = -ENOMEM;
		return false;
	}
	memcpy(waiting->data + waiting->n++ * size, event, size);
	return true;
}

bool rows_event(struct rows *rows, const void *event, size_t len)
{
	const struct nt_event *e = event;
	const struct session_opts *opts = rows->opts;
	uint64_t copy[ROWS_MAX_EVENT / 8];

	if (e->tool >= opts->n_tools)
		return true;
	if (len < opts->tools[e->tool]->event_size) {
		if (!rows_padded(opts->tools[e->tool], copy, sizeof(copy), event, len))
			return true;
		event = copy;
	}
	if (opts->tools[e->tool]->sums)
		return keep_row(rows, event);
	return rows_print(rows, event);
}

/* The columns of "a+b". */
struct sort {
	const struct column *by[2];
	const struct view *view;
};

static bool is_sum(const struct column *col)
{
	return col->flags & (COL_ADD | COL_MAX);
}

/* What is equal is in an order too: rows of a screen do not jump about. */
static int in_order(const void *a, const void *b, void *ctx)
{
	const struct sort *sort = ctx;
	const struct column *col;
	uint64_t x = 0, y = 0;
	int i, order = 0;

	for (i = 0; i < 2 && sort->by[i] && !order; i++) {
		col = sort->by[i];
		if (!is_sum(col)) {
			order = column_compare(col, a, b);
			continue;
		}
		x += cell_load((const char *)a + col->off, col->size);
		y += cell_load((const char *)b + col->off, col->size);
	}
	if (!order)
		order = (x < y) - (x > y);
	return order ? order : view_compare(sort->view, a, b);
}

void rows_sort(const struct rows *rows, int i, const char *by, void *data, size_t n)
{
	const struct tool *tool = rows->opts->tools[i];
	struct sort sort = { .view = rows->views[i] };
	size_t len;
	int k = 0;

	while (by && k < 2) {
		len = strcspn(by, "+");
		sort.by[k++] = column_find(tool->columns, by, len);
		by = by[len] ? by + len + 1 : NULL;
	}
	if (sort.by[0] && n)
		qsort_r(data, n, tool->event_size, in_order, &sort);
}

/* strftime(3), and %L for the load average: in a recording it may be of any bytes. */
static void put_title(struct rows *rows, const char *format, uint64_t time, const char *load)
{
	time_t t = (int64_t)(time + (uint64_t)out_clock(rows->out)) / 1000000000;
	const char *at = strstr(format, "%L");
	char before[64], text[256 + MAX_LOAD * PUT_GROWTH + PUT_SPARE];
	size_t len, hidden = 0;
	struct tm tm;

	snprintf(before, sizeof(before), "%.*s", at ? (int)(at - format) : -1, format);
	localtime_r(&t, &tm);
	len = strftime(text, 128, before, &tm);
	if (at) {
		len = put_text(text + len, load, strnlen(load, MAX_LOAD), PUT_TABLE, &hidden) -
		      text;
		len += strftime(text + len, 128 - 1, at + 2, &tm);
	}
	text[len++] = '\n';
	rows->error = out_text(rows->out, text, len);
}

void rows_title(struct rows *rows, int i, uint64_t time, const char *load)
{
	const char *title = rows->opts->tools[i]->sums->title;
	bool wanted = title && *title != '!';

	if (title && (rows->opts->title ? rows->opts->title == '+' : wanted))
		put_title(rows, title + (*title == '!'), time, load);
}

static int by_view(const void *a, const void *b, void *view)
{
	return view_compare(view, a, b);
}

static void put_together(struct rows *rows, int i)
{
	const struct tool *tool = rows->opts->tools[i];
	struct reading *waiting = &rows->waiting[i];
	unsigned char *last = waiting->data, *row;
	size_t k, n = 0;

	qsort_r(waiting->data, waiting->n, tool->event_size, by_view, rows->views[i]);
	for (k = 0; k < waiting->n; k++) {
		row = waiting->data + k * tool->event_size;
		if (n && !view_compare(rows->views[i], last, row)) {
			sums_add(tool->columns, last, row);
			continue;
		}
		last = waiting->data + n++ * tool->event_size;
		memmove(last, row, tool->event_size);
	}
	waiting->n = n;
}

/* The heading of a table stands over all rows of a reading. */
static void begin_reading(struct rows *rows, int i, size_t n, uint64_t time, const char *load)
{
	const struct reading *waiting = &rows->waiting[i];
	size_t size = rows->opts->tools[i]->event_size, k;

	if (rows->opts->format != OUT_TABLE)
		return;
	rows_title(rows, i, time, load);
	if (rows->opts->tools[i]->sums->groups[0])
		return;
	for (k = 0; k < n && !rows->error; k++)
		rows->error = view_fit(rows->views[i], waiting->data + k * size);
	if (!rows->error)
		rows->error = view_header(rows->views[i]);
}

static bool print_reading(struct rows *rows, int i, uint64_t time, const char *load)
{
	const struct tool *tool = rows->opts->tools[i];
	struct reading *waiting = &rows->waiting[i];
	uint64_t most = rows->opts->rows ? rows->opts->rows : tool->sums->rows;
	size_t n = most && most < waiting->n ? most : waiting->n, k;
	bool more = true;

	rows_sort(rows, i, rows->opts->sort ? rows->opts->sort : tool->sums->sort, waiting->data,
		  waiting->n);
	begin_reading(rows, i, n, time, load);
	if (tool->sums->groups[0])
		return rows_groups(rows, i);
	for (k = 0; k < n && more && !rows->error; k++)
		more = rows_print(rows, waiting->data + k * tool->event_size);
	return more;
}

bool rows_reading(struct rows *rows, int i, uint64_t time, const char *load)
{
	struct reading *waiting = &rows->waiting[i];
	bool more = true;

	if (rows->opts->tools[i]->sums->merged)
		put_together(rows, i);
	rows->readings++;
	if (rows->top)
		top_reading(rows->top, waiting, time, load);
	else if (!rows->quiet)
		more = print_reading(rows, i, time, load);
	waiting->n = 0;
	return more && !rows->error;
}

void rows_headers(struct rows *rows)
{
	/* A table's heading comes with each reading. */
	if (rows->opts->n_tools == 1 &&
	    (!rows->opts->tools[0]->sums || rows->opts->format == OUT_CSV))
		rows->error = view_header(rows->views[0]);
}

void rows_stats(struct rows *rows, const struct session_stats *s)
{
	const struct view_opts view_opts = { .tool = "stats", .columns = stat_columns };
	struct view *view;

	if (rows->opts->format != OUT_JSON) {
		fprintf(stderr,
			"seen %" PRIu64 ", filtered %" PRIu64 ", sent %" PRIu64
			", lost_buffer %" PRIu64 ", lost_map %" PRIu64 ", lost_stack %" PRIu64
			", missed %" PRIu64 "\n",
			s->seen, s->filtered, s->sent, s->lost_buffer, s->lost_map, s->lost_stack,
			s->missed);
		return;
	}
	if (view_new(&view, rows->out, &view_opts, NULL, NULL))
		return;
	rows->error = view_row(view, s);
	view_free(view);
}

bool rows_flush(struct rows *rows)
{
	if (!rows->error)
		rows->error = out_flush(rows->out);
	return !rows->error;
}

int rows_result(const struct rows *rows, struct fault *fault)
{
	if (!rows->error || rows->error == -EPIPE)
		return EXIT_DONE;
	if (rows->error == -ETIMEDOUT)
		return fault_set(fault, EXIT_RUNNING,
				 "nobody read the output: rows that could not be written are lost");
	return fault_set(fault, EXIT_RUNNING, "writing the output failed: %s",
			 strerror(-rows->error));
}
