// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Events to rows, for live runs and replays alike. */
#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	STAT(lost_stack, "events lost: no room for a stack"),
	STAT(missed, "probe runs that the kernel skipped"),
	{ 0 },
};

static const char *name_of(void *ctx, const struct column *col, uint64_t id)
{
	(void)col;
	return cgroups_path(ctx, id);
}

static int open_view(struct rows *rows, int i, struct fault *fault)
{
	const struct session_opts *opts = rows->opts;
	const struct tool *tool = opts->tools[i];
	const struct view_opts view_opts = { .tool = tool->name,
					     .columns = tool->columns,
					     .table = tool->table,
					     .spec = opts->columns,
					     .unhide = opts->show };
	const char *bad;
	size_t len;
	int err;

	err = view_new(&rows->views[i], rows->out, &view_opts, &bad, &len);
	if (err == -ENOENT)
		return fault_set(fault, EXIT_USAGE,
				 "--columns: '%.*s' is no column of %s; --columns help lists them",
				 (int)len, bad, tool->name);
	if (err == -EINVAL)
		return fault_set(fault, EXIT_USAGE, "--columns: '%s' leaves nothing to show",
				 opts->columns);
	if (err)
		return fault_set(fault, EXIT_RUNNING, "no memory");
	return 0;
}

int rows_open(struct rows *rows, const struct session_opts *opts, struct fault *fault)
{
	struct out_names names = { .name = name_of };
	int i, code;

	memset(rows, 0, sizeof(*rows));
	rows->opts = opts;
	if (cgroups_new(&rows->cgroups, !opts->replaying))
		return fault_set(fault, EXIT_RUNNING, "no memory");
	names.ctx = rows->cgroups;
	if (out_new(&rows->out, STDOUT_FILENO, opts->format, opts->header, names))
		return fault_set(fault, EXIT_RUNNING, "no memory");
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

	for (i = 0; i < SESSION_MAX_TOOLS; i++)
		view_free(rows->views[i]);
	journal_close(rows->journal);
	out_free(rows->out);
	cgroups_free(rows->cgroups);
}

bool rows_event(struct rows *rows, const void *event, size_t len)
{
	const struct nt_event *e = event;
	const struct session_opts *opts = rows->opts;

	if (opts->max_events && rows->printed >= opts->max_events)
		return false;
	if (e->tool >= opts->n_tools || len < opts->tools[e->tool]->event_size)
		return true;
	rows->error = view_row(rows->views[e->tool], event);
	if (rows->journal)
		journal_row(rows->journal, rows->out, opts->tools[e->tool], event);
	rows->printed++;
	return !rows->error;
}

void rows_headers(struct rows *rows)
{
	if (rows->opts->n_tools == 1)
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
