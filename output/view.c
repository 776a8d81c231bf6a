/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tool's columns as the user chose them. */
#include <errno.h>
#include <stdlib.h>

#include "out_priv.h"

const struct column out_tool_column = {
	.name = "tool", .title = "TOOL", .help = "the tool that the row is from", .type = COL_STR,
};

/* The columns chosen so far; `implied` while nobody asked for the pseudo-column `tool`. */
struct pick {
	const struct column **cols;
	size_t n;
	bool implied;
};

static void pick_add(struct pick *pick, const struct column *col)
{
	if (col == &out_tool_column)
		pick->implied = false;
	for (size_t i = 0; i < pick->n; i++)
		if (pick->cols[i] == col)
			return;
	pick->cols[pick->n++] = col;
}

static void pick_remove(struct pick *pick, const struct column *col)
{
	size_t kept = 0;

	for (size_t i = 0; i < pick->n; i++)
		if (pick->cols[i] != col)
			pick->cols[kept++] = pick->cols[i];
	pick->n = kept;
}

const struct column *column_find(const struct column *columns, const char *name, size_t len)
{
	for (; columns->name; columns++)
		if (strlen(columns->name) == len && !memcmp(columns->name, name, len))
			return columns;
	return NULL;
}

static const struct column *find_column(const struct column *columns, const char *word, size_t len)
{
	const struct column *col = column_find(columns, word, len);

	if (!col && len == 4 && !memcmp(out_tool_column.name, word, len))
		return &out_tool_column;
	return col;
}

/* What follows `name` and `mark` in a word of these lists; a word ends at a comma. Or NULL. */
static const char *listed(const char *const *lists, const char *name, char mark)
{
	size_t len = strlen(name);

	for (; lists && *lists; lists++) {
		for (const char *word = *lists; word; word = strchr(word, ',')) {
			word += *word == ',';
			if (!strncmp(word, name, len) &&
			    (word[len] == mark || (!mark && word[len] == ',')))
				return word + len + !!mark;
		}
	}
	return NULL;
}

static void pick_shown(struct pick *pick, const struct view_opts *opts, const struct column *col)
{
	const struct column *other = NULL;
	const char *name;

	if (!col || (col->flags & COL_HIDDEN && !listed(opts->unhide, col->name, 0)))
		return;
	name = listed(opts->unhide, col->name, '=');
	if (name)
		other = find_column(opts->columns, name, strcspn(name, ","));
	pick_add(pick, other ? other : col);
}

static bool is_sign(char c)
{
	return c == '+' || c == '-';
}

static void pick_table(struct pick *pick, const struct view_opts *opts)
{
	const char *const *name;
	const struct column *col;

	for (name = opts->table; name && *name; name++) {
		bool always = is_sign(**name);

		col = find_column(opts->columns, *name + always, strlen(*name + always));
		if (always && col)
			pick_add(pick, col);
		else
			pick_shown(pick, opts, col);
	}
	for (col = opts->columns; !opts->table && col->name; col++)
		pick_shown(pick, opts, col);
}

static void pick_defaults(struct pick *pick, const struct view_opts *opts, enum out_format format)
{
	const struct column *col;

	if (format == OUT_TABLE) {
		pick_table(pick, opts);
		return;
	}
	if (format == OUT_CSV) {
		pick_add(pick, &out_tool_column);
		pick->implied = true;
	}
	for (col = opts->columns; col->name; col++)
		if (!(col->flags & COL_TABLE_ONLY) &&
		    (!(col->flags & COL_ASKED) || listed(opts->unhide, col->name, 0)))
			pick_add(pick, col);
}

/* *word is left at the word in error. Signed and bare words do not mix: that would be a guess. */
static int pick_words(struct pick *pick, const struct column *columns, const char **word,
		      size_t *len)
{
	bool change = is_sign(**word);

	for (;; *word += *len + 1) {
		const struct column *col;

		*len = strcspn(*word, ",");
		if (*len <= change || change != is_sign(**word))
			return -EINVAL;
		col = find_column(columns, *word + change, *len - change);
		if (!col)
			return -ENOENT;
		if (**word == '-')
			pick_remove(pick, col);
		else
			pick_add(pick, col);
		if (!(*word)[*len])
			return 0;
	}
}

static int pick_columns(struct pick *pick, const struct view_opts *opts, enum out_format format,
			const char **bad, size_t *bad_len)
{
	const char *spec = opts->spec, *word = spec;
	size_t len = 0;
	int err;

	if (!spec || is_sign(*spec))
		pick_defaults(pick, opts, format);
	if (spec) {
		err = pick_words(pick, opts->columns, &word, &len);
		if (err)
			goto bad;
	}
	if (pick->n && !(pick->implied && pick->n == 1 && pick->cols[0] == &out_tool_column))
		return 0;
	err = -ENODATA;
	word = spec;
	len = spec ? strlen(spec) : 0;
bad:
	if (bad)
		*bad = word;
	if (bad_len)
		*bad_len = len;
	return err;
}

/* before, name and after in one, padded to whole blocks. */
static char *make_lead(const char *before, const char *name, const char *after, size_t *len)
{
	size_t n = strlen(before) + strlen(name) + strlen(after);
	char *lead = calloc(n / PUT_BLOCK + 1, PUT_BLOCK);

	if (lead) {
		char *p = stpcpy(stpcpy(lead, before), name);

		memcpy(p, after, strlen(after));
	}
	*len = n;
	return lead;
}

static bool is_left(const struct column *col)
{
	return !column_is_number(col) || col->flags & COL_LEFT;
}

static int prepare_field(struct view *view, struct field *f, const struct column *col)
{
	bool is_tool = col == &out_tool_column, first = f == view->fields;
	size_t title = strlen(col->title);

	f->col = col;
	f->left = is_left(col);
	f->width = col->width > title ? col->width : title;
	view->has_tool |= is_tool;
	switch (view->out->format) {
	case OUT_JSON:
		f->lead = make_lead(",\"", col->name, "\":", &f->lead_len);
		break;
	case OUT_CSV:
		f->lead = make_lead(first ? "" : ",", is_tool ? view->tool : "", "", &f->lead_len);
		break;
	default:
		f->lead = make_lead(is_tool ? view->tool : "", "", "", &f->lead_len);
		if (is_tool && f->lead_len > f->width)
			f->width = f->lead_len;
	}
	f->least = f->width;
	return f->lead ? 0 : -ENOMEM;
}

/* The most that a line of this view can take, without texts that names stand for. */
static size_t view_bound(const struct view *view)
{
	size_t bound = view->head_len + view->out->tool_width + PUT_SPARE;

	for (const struct field *f = view->fields; f < view->fields + view->n; f++)
		bound += f->lead_len + strlen(f->col->name) + f->width + PUT_SPARE + CELL_MAX +
			 (f->col->type == COL_STR ? (size_t)f->col->size * PUT_GROWTH : 0);
	return bound;
}

static void join_out(struct view *view)
{
	struct out *out = view->out;
	size_t tool = strlen(view->tool), bound;

	if (tool > out->tool_width) {
		out->slack += tool - out->tool_width;
		out->tool_width = tool;
	}
	bound = view_bound(view);
	if (bound > out->slack)
		out->slack = bound;
	view->id = ++out->views;
	if (out->format == OUT_TABLE && out->views == 2)
		out->heading_of = 0; /* its lines have no TOOL column */
}

static struct view *make_view(struct out *out, const char *tool, const struct column *columns,
			      const struct pick *pick)
{
	struct view *view = calloc(1, sizeof(*view) + pick->n * sizeof(view->fields[0]));

	if (!view)
		return NULL;
	view->out = out;
	view->tool = strdup(tool);
	view->head = make_lead("{\"tool\":\"", tool, "\"", &view->head_len);
	if (!view->tool || !view->head)
		goto fail;
	for (size_t i = 0; i < pick->n; i++) {
		if (out->format == OUT_JSON && pick->cols[i] == &out_tool_column)
			continue;
		if (pick->cols[i]->type == COL_HIST) {
			view->other_hist = view->hist;
			view->hist = pick->cols[i];
			continue;
		}
		if (pick->cols[i]->type == COL_STACK && out->format == OUT_TABLE) {
			view->below = pick->cols[i];
			continue;
		}
		if (prepare_field(view, &view->fields[view->n++], pick->cols[i]))
			goto fail;
	}
	if (view->n)
		view->fields[view->n - 1].last = true;
	while (columns->name && columns->type != COL_TIME && columns->type != COL_ELAPSED)
		columns++;
	view->time = columns->name ? columns : NULL;
	join_out(view);
	return view;
fail:
	view_free(view);
	return NULL;
}

int view_new(struct view **view, struct out *out, const struct view_opts *opts, const char **bad,
	     size_t *bad_len)
{
	struct pick pick = { 0 };
	size_t n = 1; /* the pseudo-column */
	int err;

	for (const struct column *col = opts->columns; col->name; col++)
		n++;
	pick.cols = calloc(n, sizeof(const struct column *));
	if (!pick.cols)
		return -ENOMEM;
	err = pick_columns(&pick, opts, out->format, bad, bad_len);
	if (!err) {
		*view = make_view(out, opts->tool, opts->columns, &pick);
		err = *view ? 0 : -ENOMEM;
		if (*view)
			(*view)->bare = opts->bare;
	}
	free(pick.cols);
	return err;
}

void view_free(struct view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->n; i++)
		free(view->fields[i].lead);
	free(view->head);
	free(view->tool);
	free(view);
}

static int put_header(struct view *view)
{
	struct out *out = view->out;
	char *p;
	int err;

	out->heading_of = view->id;
	if (view->bare && out->format == OUT_TABLE && out->views == 1)
		return 0;
	err = out_reserve(out);
	if (err)
		return err;
	p = out->buf + out->len;
	if (view->hist)
		p = hist_header(view, p);
	else
		p = out->format == OUT_CSV ? csv_header(view, p) : table_header(view, p);
	out->len = (size_t)(p - out->buf);
	return 0;
}

int view_header(struct view *view)
{
	struct out *out = view->out;

	if (out->err || !out->header || out->format == OUT_JSON)
		return out->err;
	if (out->format == OUT_CSV && out->heading_of == view->id)
		return 0;
	return put_header(view);
}

void view_narrow(struct view *view)
{
	for (struct field *f = view->fields; f < view->fields + view->n; f++)
		f->width = f->least;
}

static inline char *put_row(struct view *view, char *p, const void *row)
{
	if (view->hist)
		return hist_row(view, p, row);
	switch (view->out->format) {
	case OUT_JSON:
		return json_row(view, p, row);
	case OUT_CSV:
		return csv_row(view, p, row);
	default:
		return table_row(view, p, row);
	}
}

/* The row behind what is in the buffer; NULL: no memory. */
static char *place_row(struct view *view, const void *row)
{
	struct out *out = view->out;

	if (!out->has_first && view->time) {
		out->first = cell_load((const char *)row + view->time->off, view->time->size);
		out->has_first = true;
	}
	return put_row(view, out->buf + out->len, row);
}

int view_fit(struct view *view, const void *row)
{
	int err = out_reserve(view->out);

	return err ? err : place_row(view, row) ? 0 : -ENOMEM;
}

int view_row(struct view *view, const void *row)
{
	struct out *out = view->out;
	int err = 0;
	char *p;

	if (out->heading_of != view->id && out->header && out->format != OUT_JSON)
		err = put_header(view);
	if (!err)
		err = out_reserve(out);
	if (err)
		return err;
	p = place_row(view, row);
	if (!p)
		return -ENOMEM;
	out->len = (size_t)(p - out->buf);
	return 0;
}

int column_compare(const struct column *col, const void *a, const void *b)
{
	const char *at = (const char *)a + col->off, *other = (const char *)b + col->off;
	uint64_t x, y;

	if (col->size > sizeof(x))
		return memcmp(at, other, col->size);
	x = cell_load(at, col->size);
	y = cell_load(other, col->size);
	return (x > y) - (x < y);
}

int view_compare(const struct view *view, const void *a, const void *b)
{
	int order = 0;

	for (const struct field *f = view->fields; f < view->fields + view->n && !order; f++)
		if (f->col->type != COL_AVG && !(f->col->flags & (COL_ADD | COL_MAX)))
			order = column_compare(f->col, a, b);
	return order;
}

void columns_help(FILE *to, const struct column *columns)
{
	int name = (int)strlen(out_tool_column.name), title = (int)strlen(out_tool_column.title);

	for (const struct column *col = columns; col->name; col++) {
		int name_len = (int)strlen(col->name), title_len = (int)strlen(col->title);

		name = name_len > name ? name_len : name;
		title = title_len > title ? title_len : title;
	}
	fprintf(to, "%-*s  %-*s  %s\n", name, out_tool_column.name, title, out_tool_column.title,
		out_tool_column.help);
	for (const struct column *col = columns; col->name; col++)
		fprintf(to, "%-*s  %-*s  %s\n", name, col->name, title, col->title, col->help);
}
