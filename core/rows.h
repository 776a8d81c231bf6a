/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From raw events to text: what a live run and a replay have in common behind the reader. */
#ifndef NT_ROWS_H
#define NT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgroup.h"
#include "dns.h"
#include "journal.h"
#include "record.h"
#include "session.h"

#define ROWS_MAX_EVENT 4096 /* bytes */

struct rows {
	const struct session_opts *opts;
	struct out *out;
	struct view *views[SESSION_MAX_TOOLS];
	struct cgroups *cgroups;
	struct dns *dns;         /* or NULL: no answer came */
	uint64_t time;           /* of the row that is printed */
	struct journal *journal; /* or NULL */
	uint64_t printed, readings;
	struct reading {
		unsigned char *data; /* rows of one tool, waiting for rows_reading() */
		size_t n, room;
	} waiting[SESSION_MAX_TOOLS];
	struct top *top;         /* readings go to a screen (core/top.h); or NULL */
	bool quiet;              /* nobody waits for a reading any more */
	int error; /* of the output, negative errno; -EPIPE is a reader that went away */
};

/* Returns an exit code. Takes a word of --columns that is no column for a usage error. */
int rows_open(struct rows *rows, const struct session_opts *opts, struct fault *fault);
void rows_close(struct rows *rows);

/* A record of the ring that is no event: NT_DNS names the rows behind it. */
void rows_learn(struct rows *rows, const void *record, size_t len);

/*
 * The event is a row of its tool; of a tool with sums it waits for rows_reading(). false: the
 * output failed or --max-events was reached.
 */
bool rows_event(struct rows *rows, const void *event, size_t len);
/*
 * Prints the rows of a reading, sorted, the first ones if only so many are asked for. `time`: ns,
 * CLOCK_MONOTONIC; `load`: /proc/loadavg then, or "".
 */
bool rows_reading(struct rows *rows, int tool, uint64_t time, const char *load);
/* The title of a reading, if there is one. */
void rows_title(struct rows *rows, int tool, uint64_t time, const char *load);
/* Sorts rows of a tool; `by` as tool_sums.sort. */
void rows_sort(const struct rows *rows, int tool, const char *by, void *data, size_t n);
/*
 * The event, whole, as the tool's columns see it: what it ends before is zero. Returns its size, 0:
 * it is too short, or `room` bytes are too few.
 */
size_t rows_padded(const struct tool *tool, uint64_t *copy, size_t room, const void *event,
		   size_t len);
/* One row, now. Like rows_event(). */
bool rows_print(struct rows *rows, const void *event);
/*
 * The `n` rows of a reading of the i-th tool by its groups (struct tool_sums): sorts them.
 */
bool rows_groups(struct rows *rows, int i, unsigned char *data, size_t n);
/* Puts an event into a recording, and the names that its columns need, shown or not. */
void rows_record(struct rows *rows, struct recorder *rec, const void *event, size_t len);
/* Reads names that it takes privileges to read. */
void rows_prepare_names(const struct session_opts *opts);
/* Names that a filter may ask for, whether they occur or not. */
void rows_record_names(struct rows *rows, struct recorder *rec);
/* Headings that come before any row. */
void rows_headers(struct rows *rows);
void rows_stats(struct rows *rows, const struct session_stats *stats);
/* false: the output failed. */
bool rows_flush(struct rows *rows);
/* The exit code that the output's state deserves. */
int rows_result(const struct rows *rows, struct fault *fault);

#endif
