/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows to text. A `view` is one tool's columns as the user chose them, an `out` is where the text
 * goes. Several views may share one out (a merged stream). Nothing here knows the core or libbpf.
 * Functions return 0 or -errno unless said otherwise.
 */
#ifndef NT_OUT_H
#define NT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "column.h"

enum out_format { OUT_TABLE, OUT_CSV, OUT_JSON };

/*
 * Turns the ids of COL_NAME, COL_REASON and COL_STACK columns, and the addresses of COL_HOST
 * columns, into text. NULL: unknown. The text lives until the next call.
 */
struct out_names {
	const char *(*name)(void *ctx, const struct column *col, uint64_t id);
	const char *(*host)(void *ctx, const uint8_t addr[16]);
	void *ctx;
};

struct out;
struct view;

/* `fd` is borrowed. Text is kept in a buffer until out_flush() or until the buffer is full. */
int out_new(struct out **out, int fd, enum out_format format, bool header, struct out_names names);
void out_free(struct out *out); /* does not flush */

/* Nanoseconds to add to CLOCK_MONOTONIC to get CLOCK_REALTIME; set it before each batch of rows. */
void out_set_clock(struct out *out, int64_t realtime_minus_monotonic);
int64_t out_clock(const struct out *out);

/*
 * What the table counts COL_UNIT columns in: bytes shifted to the right by so many bits, or to the
 * left by -unit. 0 unless set.
 */
void out_set_unit(struct out *out, int unit);

/*
 * `fd` becomes readable when the process shall end (a signalfd): a reader that does not read is
 * then waited for a second at most, -ETIMEDOUT. -1: none.
 */
void out_set_stop(struct out *out, int fd);
/* Waits until `fd` takes something without blocking, as far as out_set_stop() lets it. */
int out_wait(const struct out *out, int fd);

/* Writes what is buffered. Once a write has failed, every later call returns that same error. */
int out_flush(struct out *out);

/* A tool's columns and what the user said about them. */
struct view_opts {
	const char *tool;
	const struct column *columns; /* ends with an entry without a name; must outlive the view */
	/*
	 * Names in the order of the table, where others are hidden; "+name": shown in spite of
	 * COL_HIDDEN. NULL: as `columns`.
	 */
	const char *const *table;
	const char *spec;              /* the word of --columns, or NULL */
	/*
	 * Lists of words, or NULL. "a,b": their COL_HIDDEN does not count; "a=b": where the table
	 * would show a it shows b.
	 */
	const char *const *unhide;
	bool bare; /* the table has no heading, unless other views share the out */
};

/*
 * `spec`: "a,b" exactly these in this order; "+a,-b" the default ones with a added at the end and b
 * removed. A column is shown once. The word `tool` is accepted too: by default CSV has it first,
 * the table shows it when several views share the out, and JSON lines begin with it whatever `spec`
 * says. -ENOENT: `spec` has a word that is no column. -EINVAL: an empty word, or words with and
 * without a sign together. -ENODATA: nothing is left to show (*bad is the whole spec). *bad points
 * into spec, *bad_len is its length; both may be NULL.
 */
int view_new(struct view **view, struct out *out, const struct view_opts *opts, const char **bad,
	     size_t *bad_len);
void view_free(struct view *view);

/*
 * One row. The heading goes out before the first row of a view, again when the rows before were
 * another view's, and on view_header(): a table repeats it then, CSV has it already.
 *
 * With a COL_HIST among the columns chosen the row is a histogram, whatever the order of the
 * columns: the others are its keys. Of several the last one counts, or the one before it in a row
 * whose guard says so. Table: an empty line, the keys that their guards do not rule out as "TITLE =
 * value, TITLE = value" and a COL_AVG as "[TITLE value]" if any are shown, the bars with
 * their heading, neither for an empty histogram. CSV: a line for each bucket from the first to the
 * last one with a count: the keys, unit, lo, hi, count; an empty histogram has one without bounds.
 * JSON: the keys, then unit, count, sum, p50, p90, p99, max and the same buckets; of an empty one
 * p50 to max are null.
 */
int view_row(struct view *view, const void *row);
int view_header(struct view *view);
/* The table's columns become wide enough for a row that will follow. */
int view_fit(struct view *view, const void *row);
/* The table's columns are as narrow again as they were before any row. */
void view_narrow(struct view *view);

/*
 * Orders rows by what they show, sums and histograms not counted. 0: they differ in nothing else.
 */
int view_compare(const struct view *view, const void *a, const void *b);

/*
 * For machines: "number" "string" "boolean" are JSON's types; "histogram" is an object of its own;
 * "time" "address" "name" are strings there. And the unit, or NULL.
 */
const char *column_type(const struct column *col);
const char *column_unit(const struct column *col);

/* The text of --columns help: name, heading and what it is, a line each. */
void columns_help(FILE *to, const struct column *columns);

/*
 * One value as the table shows it, without padding: for messages and tests. Knowing no clock and no
 * names, it shows COL_TIME and COL_ELAPSED as seconds of CLOCK_MONOTONIC, COL_NAME and COL_REASON
 * as their numbers, COL_STACK's as 0x and hex, and COL_HOST as its address.
 * Returns the length of the text; what does not fit is cut, and buf
 * ends with NUL unless size is 0.
 */
size_t cell_text(char *buf, size_t size, const struct column *col, const void *row);

/* Another way for what is buffered than to the descriptor; NULL: none. 0 or -errno. */
typedef int text_sink(void *ctx, const char *text, size_t len);
void out_set_sink(struct out *out, text_sink *sink, void *ctx);

/* Appends plain text lines (a summary, a screen title) in the order of the rows. */
int out_text(struct out *out, const char *text, size_t len);

#endif
