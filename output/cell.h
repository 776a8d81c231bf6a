/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One typed value as text, compiled into the row loop of each format: it costs one switch. */
#ifndef NT_CELL_H
#define NT_CELL_H

#include "out_priv.h"

#define CELL_NULLS (COL_NULL_ZERO | COL_NULL_ONES | COL_GUARDED)

/* Parts of cell_put() that stay calls. */
bool cell_wide_unknown(const struct column *col, const char *at);
char *cell_time(struct out *out, char *p, uint64_t time, enum out_format as);
char *cell_elapsed(struct out *out, char *p, uint64_t time, enum out_format as);
char *cell_elapsed_ns(struct out *out, char *p, uint64_t time);
char *cell_csv(struct out *out, char *p, const char *text, size_t size);
char *cell_stack(struct out *out, char *p, const struct column *col, const char *row,
		 enum out_format as);
char *cell_scaled(char *p, const struct column *col, uint64_t num);

static inline bool cell_unknown(const struct column *col, const char *row, uint64_t num)
{
	if (col->flags & COL_GUARDED && !row[col->guard])
		return true;
	if (col->type == COL_STR || col->type == COL_ADDR)
		return cell_wide_unknown(col, row + col->off);
	if (col->flags & COL_NULL_ZERO && !num)
		return true;
	return col->flags & COL_NULL_ONES && num == UINT64_MAX >> (64 - 8 * col->size);
}

static inline char *cell_null(char *p, enum out_format as)
{
	if (as == OUT_JSON) {
		memcpy(p, "null", 4);
		return p + 4;
	}
	if (as == OUT_TABLE)
		*p++ = '-';
	return p;
}

static inline char *cell_quote(char *p, enum out_format as)
{
	if (as == OUT_JSON)
		*p++ = '"';
	return p;
}

static inline char *cell_string(struct out *out, char *p, const char *text, size_t size,
				enum out_format as)
{
	if (as == OUT_TABLE)
		return put_text(p, text, size, PUT_TABLE, &out->hidden);
	if (as == OUT_CSV)
		return cell_csv(out, p, text, size);
	*p++ = '"';
	p = put_text(p, text, size, PUT_JSON, &out->hidden);
	*p++ = '"';
	return p;
}

/* The types that few columns have. */
char *cell_rest(struct out *out, char *p, const struct column *col, const char *row,
		enum out_format as);

/* `as` is a constant at every call. NULL: no memory. */
static inline __attribute__((always_inline)) char *
cell_put(struct out *out, char *p, const struct column *col, const char *row, enum out_format as)
{
	uint64_t num = cell_load(row + col->off, col->size);
	const char *text;
	size_t len;

	if (col->flags & CELL_NULLS && cell_unknown(col, row, num))
		return as == OUT_TABLE && col->type == COL_NUM && col->names ?
			       stpcpy(p, col->names[0]) : cell_null(p, as);
	if (as == OUT_TABLE && col->flags & COL_LOWER_BOUND && row[col->guard])
		*p++ = '>';
	switch (col->type) {
	case COL_NUM:
		if (as != OUT_TABLE || !(col->flags & COL_SHORT))
			return put_u64(p, num);
		/* fall through */
	case COL_BYTES:
	case COL_NSEC:
	case COL_USEC:
		return as == OUT_TABLE ? cell_scaled(p, col, num) : put_u64(p, num);
	case COL_TIME:
		return cell_time(out, p, num, as);
	case COL_ELAPSED:
		return col->flags & COL_NANO ? cell_elapsed_ns(out, p, num)
					     : cell_elapsed(out, p, num, as);
	case COL_STR:
		return cell_string(out, p, row + col->off, col->size, as);
	case COL_ADDR:
		return cell_quote(put_addr(cell_quote(p, as), row + col->off), as);
	case COL_ENUM:
		if (num >= col->n_names)
			return cell_quote(put_u64(cell_quote(p, as), num), as);
		text = (as == OUT_TABLE && col->table_names ? col->table_names : col->names)[num];
		break;
	case COL_BOOL:
		memcpy(p, num ? "true\0\0\0" : "false\0\0", 8);
		return p + 5 - !!num;
	case COL_HEX:
		return cell_quote(put_hex(cell_quote(p, as), num), as);
	case COL_NAME:
	case COL_REASON:
		text = out->names.name ? out->names.name(out->names.ctx, col, num) : NULL;
		break;
	case COL_HOST:
		text = out->names.host ?
			       out->names.host(out->names.ctx, (const uint8_t *)row + col->off) :
			       NULL;
		break;
	default:
		return cell_rest(out, p, col, row, as);
	}
	if (!text)
		return cell_null(p, as);
	len = strlen(text);
	p = out_grow(out, p, len * PUT_GROWTH);
	return p ? cell_string(out, p, text, len, as) : NULL;
}

#endif
