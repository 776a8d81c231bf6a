/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of output/ share: the buffer, the columns made ready, and one writer a format. */
#ifndef NT_OUT_PRIV_H
#define NT_OUT_PRIV_H

#include "out.h"
#include "put.h"

#define OUT_BUF 65536 /* bytes; the buffer is written out before it holds more than this */

struct out {
	int fd;
	int stop;                /* see out_set_stop() */
	bool may_block;          /* fd is no regular file */
	int err;                 /* of the first failed write, negative */
	text_sink *sink;         /* takes what would be written; or NULL */
	void *sink_ctx;
	enum out_format format;
	bool header;
	bool has_first;
	struct out_names names;
	char *buf;
	size_t len, cap;         /* whole rows in buf; its size */
	size_t slack;            /* room a row of any view may need without names and enum texts */
	uint64_t clock;          /* CLOCK_REALTIME - CLOCK_MONOTONIC, modulo 2^64 */
	uint64_t second;         /* CLOCK_REALTIME ns where the second in second_text begins */
	char second_text[2 * PUT_BLOCK]; /* table: HH:MM:SS; else 2026-11-22T10:05:01. */
	uint64_t first;          /* CLOCK_MONOTONIC ns of the first row */
	unsigned int views;      /* made so far, also the id of the newest */
	unsigned int heading_of; /* id of the view whose heading is in force, 0 none */
	size_t tool_width;
	int unit;                /* see out_set_unit() */
	size_t hidden;           /* bytes so far that take no place on the screen, see put_text() */
};

bool column_is_number(const struct column *col);

struct field {
	const struct column *col;
	char *lead;              /* what stands before the value, in whole blocks */
	size_t lead_len;
	size_t width, least;     /* table only: now, and without any row */
	bool left, last;
};

struct view {
	struct out *out;
	unsigned int id;
	char *tool;
	bool bare;               /* see view_opts */
	bool has_tool;           /* out_tool_column is among the fields */
	const struct column *hist; /* drawn behind the fields, in none of them; or NULL */
	const struct column *other_hist; /* the one chosen before, if `hist` is unknown; or NULL */
	const struct column *below; /* table: the COL_STACK, in none of the fields; or NULL */
	const struct column *time; /* the first COL_TIME or COL_ELAPSED, shown or not; or NULL */
	char *head;              /* JSON: the start of a line, in whole blocks */
	size_t head_len;
	size_t n;
	struct field fields[];   /* JSON: without out_tool_column, it is in `head` */
};

/* The pseudo-column `tool`: its value is view->tool. Compared by address. */
extern const struct column out_tool_column;

/* Room for a whole row at out->buf + out->len; may write the buffer out. */
int out_reserve(struct out *out);

/* Makes the buffer hold `size` bytes. p points into it; returns its new place, NULL: no memory. */
char *out_resize(struct out *out, char *p, size_t size);

/* Makes second_text right for `now`, CLOCK_REALTIME ns. */
void out_new_second(struct out *out, uint64_t now);

/* One line. NULL: no memory. */
char *table_row(struct view *view, char *p, const void *row);
char *table_header(struct view *view, char *p);
char *csv_row(struct view *view, char *p, const void *row);
char *csv_header(struct view *view, char *p);
char *json_row(struct view *view, char *p, const void *row);

/* Of a view with `hist`, in the format of its out. */
char *hist_row(struct view *view, char *p, const void *row);
char *hist_header(struct view *view, char *p);

static inline bool table_has_tool(const struct view *view)
{
	return view->out->views > 1 && !view->has_tool;
}

/* Inside a row: room for `more` bytes and the slack at p. The buffer may move; NULL: no memory. */
static inline char *out_grow(struct out *out, char *p, size_t more)
{
	size_t need = (size_t)(p - out->buf) + more + out->slack;

	return need <= out->cap ? p : out_resize(out, p, need);
}

#endif
