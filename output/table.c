/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows as a table for people: widths grow, nothing is cut. */
#include "cell.h"

static char *table_tool(struct view *view, char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return put_spaces(p + len, view->out->tool_width + 1 - len);
}

/*
 * The text from `start` to p takes `shown` places: brings it to the width of its column, one space
 * behind it. Only numbers are aligned right.
 */
static inline char *table_align(char *start, char *p, size_t shown, const struct field *f)
{
	size_t pad = f->width - shown;
	char number[2 * PUT_BLOCK];

	if (f->left)
		return put_spaces(p, f->last ? 1 : pad + 1);
	if (pad) {
		memcpy(number, start, sizeof(number));
		put_spaces(start, pad);
		memcpy(start + pad, number, sizeof(number));
	}
	p[pad] = ' ';
	return p + pad + 1;
}

static inline char *put_cell(struct out *out, char *p, const struct column *col, const char *row)
{
	if (!(col->flags & COL_PARENS))
		return cell_put(out, p, col, row, OUT_TABLE);
	*p++ = '(';
	p = cell_put(out, p, col, row, OUT_TABLE);
	if (p)
		*p++ = ')';
	return p;
}

char *table_row(struct view *view, char *p, const void *row)
{
	struct out *out = view->out;

	if (table_has_tool(view))
		p = table_tool(view, p, view->tool);
	for (struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		size_t at = (size_t)(p - out->buf), hidden = out->hidden, shown;

		if (f->col == &out_tool_column)
			p = put_blocks(p, f->lead, f->lead_len);
		else
			p = put_cell(out, p, f->col, row);
		if (!p)
			return NULL;
		shown = (size_t)(p - out->buf) - at - (out->hidden - hidden);
		if (shown > f->width) {
			out->slack += shown - f->width;
			f->width = shown;
		}
		p = table_align(out->buf + at, p, shown, f);
	}
	if (view->n || table_has_tool(view))
		p[-1] = '\n';
	return view->below ? cell_stack(out, p, view->below, row, OUT_TABLE) : p;
}

char *table_header(struct view *view, char *p)
{
	if (table_has_tool(view))
		p = table_tool(view, p, out_tool_column.title);
	for (const struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		size_t len = strlen(f->col->title);

		if (!f->left)
			p = put_spaces(p, f->width - len);
		memcpy(p, f->col->title, len);
		p = put_spaces(p + len, f->left && !f->last ? f->width - len + 1 : 1);
	}
	if (view->n || table_has_tool(view))
		p[-1] = '\n';
	return p;
}
