/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows as RFC 4180 CSV, with the line ends of Unix. */
#include "cell.h"

char *csv_row(struct view *view, char *p, const void *row)
{
	char *start;

	for (const struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		p = put_blocks(p, f->lead, f->lead_len);
		if (f->col == &out_tool_column)
			continue;
		p = cell_put(view->out, p, f->col, row, OUT_CSV);
		if (!p)
			return NULL;
	}
	start = view->out->buf + view->out->len;
	if (p == start && !view->hist) { /* readers skip an empty line, it would be no row */
		*p++ = '"';
		*p++ = '"';
	}
	*p++ = '\n';
	return p;
}

char *csv_header(struct view *view, char *p)
{
	for (const struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		size_t len = strlen(f->col->name);

		if (f != view->fields)
			*p++ = ',';
		memcpy(p, f->col->name, len);
		p += len;
	}
	*p++ = '\n';
	return p;
}
