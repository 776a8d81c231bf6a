/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows as JSON Lines. */
#include "cell.h"

char *json_row(struct view *view, char *p, const void *row)
{
	p = put_blocks(p, view->head, view->head_len);
	for (const struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		p = put_blocks(p, f->lead, f->lead_len);
		p = cell_put(view->out, p, f->col, row, OUT_JSON);
		if (!p)
			return NULL;
	}
	*p++ = '}';
	*p++ = '\n';
	return p;
}
