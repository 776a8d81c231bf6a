/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The larger parts of a cell, and a cell on its own. */
#include <stdlib.h>

#include "cell.h"

#define SECOND 1000000000ULL

bool cell_wide_unknown(const struct column *col, const char *at)
{
	unsigned char byte = col->flags & COL_NULL_ONES ? 0xff : 0;

	if (!(col->flags & (COL_NULL_ZERO | COL_NULL_ONES)))
		return false;
	if (col->type == COL_STR && !byte)
		return !*at;
	for (size_t i = 0; i < col->size; i++)
		if ((unsigned char)at[i] != byte)
			return false;
	return true;
}

char *cell_csv(struct out *out, char *p, const char *text, size_t size)
{
	char *end = put_text(p, text, size, PUT_CSV, &out->hidden);

	if (end)
		return end;
	*p++ = '"';
	p = put_text(p, text, size, PUT_QUOTED, &out->hidden);
	*p++ = '"';
	return p;
}

char *cell_time(struct out *out, char *p, uint64_t time, enum out_format as)
{
	uint64_t now = time + out->clock;

	if (now - out->second >= SECOND)
		out_new_second(out, now);
	if (as == OUT_TABLE) {
		memcpy(p, out->second_text, 8);
		return p + 8;
	}
	p = cell_quote(p, as);
	memcpy(p, out->second_text, 2 * PUT_BLOCK);
	p = put_nine(p + 20, (uint32_t)(now - out->second));
	*p++ = 'Z';
	return cell_quote(p, as);
}

/* Events of several CPUs come a little out of order: a row may be earlier than the first one. */
char *cell_elapsed(struct out *out, char *p, uint64_t time, enum out_format as)
{
	bool before = time < out->first;
	uint64_t ns = before ? out->first - time : time - out->first;
	uint64_t us = ns / 1000 + (ns % 1000 >= 500);

	if (before && (as != OUT_TABLE || us))
		*p++ = '-';
	p = put_u64(p, as == OUT_TABLE ? us / 1000000 : ns / SECOND);
	*p++ = '.';
	if (as == OUT_TABLE)
		return put_digits(p, (uint32_t)(us % 1000000), 6);
	return put_nine(p, (uint32_t)(ns % SECOND));
}

char *cell_elapsed_ns(struct out *out, char *p, uint64_t time)
{
	if (time < out->first)
		*p++ = '-';
	return put_u64(p, time < out->first ? out->first - time : time - out->first);
}

static char *put_endpoint(char *p, const char *addr, uint16_t port)
{
	char *start = p;

	p = put_addr(start, addr);
	if (memchr(start, ':', (size_t)(p - start))) {
		memmove(start + 1, start, (size_t)(p - start));
		*start = '[';
		p[1] = ']';
		p += 2;
	}
	*p++ = ':';
	if (port)
		return put_u64(p, port);
	*p++ = '-';
	return p;
}

/* Only the table scales. */
static char *put_thousandths(char *p, uint64_t num)
{
	p = put_u64(p, num / 1000);
	*p++ = '.';
	return put_digits(p, (uint32_t)(num % 1000), 3);
}

/* A number whose sign is in the highest bit, `shift` bits too far up. */
static char *put_signed(char *p, uint64_t num, unsigned int shift)
{
	if (!(num >> 63))
		return put_u64(p, num >> shift);
	*p++ = '-';
	return put_u64(p, -num >> shift);
}

static uint64_t ratio(const struct column *col, uint64_t num, uint64_t divisor)
{
	unsigned __int128 scaled = num;

	if (col->flags & COL_PER_SECOND)
		scaled *= SECOND;
	return divisor ? (uint64_t)(scaled / divisor) : 0;
}

/* Powers of 1024 above powers of 1000, as bcc's netqtop has it. */
static char *put_short(char *p, uint64_t num)
{
	uint64_t unit = num > 1000000 ? 1 << 20 : 1 << 10;

	if (num <= 1000)
		return put_u64(p, num);
	p = put_u64(p, num / unit);
	*p++ = '.';
	p = put_digits(p, (uint32_t)(num % unit * 100 / unit), 2);
	*p++ = unit == 1 << 20 ? 'M' : 'K';
	return p;
}

char *cell_scaled(char *p, const struct column *col, uint64_t num)
{
	if (col->flags & COL_SHORT)
		return put_short(p, num);
	if (col->flags & COL_FINE)
		return put_thousandths(p, num / 1000 + (num % 1000 >= 500));
	if (col->flags & (COL_MICRO | COL_NANO))
		return put_u64(p, col->flags & COL_NANO ? num : num / 1000);
	switch (col->type) {
	case COL_BYTES:
		return put_u64(p, num >> 10);
	case COL_NSEC: /* to the nearest */
		num = num / 10000 + (num % 10000 >= 5000);
		p = put_u64(p, num / 100);
		*p++ = '.';
		return put_digits(p, (uint32_t)(num % 100), 2);
	default: /* COL_USEC */
		return put_thousandths(p, num);
	}
}

/* The texts in at[size], the last one first. */
static char *put_reversed(char *p, const char *at, size_t size)
{
	const char *end = at, *part;

	while (end < at + size && *end)
		end += strnlen(end, at + size - end) + 1;
	if (end == at)
		*p++ = '/';
	for (; end > at; end = part) {
		for (part = end - 1; part > at && part[-1]; part--)
			;
		*p++ = '/';
		p = mempcpy(p, part, end - 1 - part);
	}
	return p;
}

static char *put_pattern(char *p, const char *pattern, const struct column *col, const char *row)
{
	for (; *pattern; pattern++) {
		switch (*pattern) {
		case '#':
			p = put_u64(p, cell_load(row + col->number, 8));
			break;
		case '@':
			p = mempcpy(p, row + col->off, strnlen(row + col->off, col->size));
			break;
		case '*':
			p = put_reversed(p, row + col->off, col->size);
			break;
		default:
			*p++ = *pattern;
		}
	}
	return p;
}

static char *pattern_cell(struct out *out, char *p, const struct column *col, const char *row,
			  enum out_format as)
{
	size_t kind = (unsigned char)row[col->guard], prefix = cell_load(row + col->prefix, 4);
	const char *pattern = kind < col->n_names ? col->names[kind] : NULL;
	char *text, *end;

	if (!pattern)
		return cell_null(p, as);
	text = malloc(strlen(pattern) + col->size + CELL_MAX + PUT_SPARE);
	if (!text)
		return NULL;
	end = text;
	if (as == OUT_TABLE && col->flags & COL_PREFIX && prefix != UINT32_MAX) {
		end = put_u64(end, prefix);
		*end++ = ':';
	}
	end = put_pattern(end, pattern, col, row);
	p = out_grow(out, p, (size_t)(end - text) * PUT_GROWTH);
	if (p)
		p = cell_string(out, p, text, (size_t)(end - text), as);
	free(text);
	return p;
}

/* JSON: ["SYN","ACK"]; else: SYN|ACK */
static char *put_flags(char *p, const struct column *col, const char *row, enum out_format as)
{
	uint64_t bits = cell_load(row + col->off, col->size);
	bool more = false;
	unsigned int i;

	if (as == OUT_JSON)
		*p++ = '[';
	for (i = 0; i < col->n_names; i++) {
		if (!(bits >> i & 1) || !col->names[i])
			continue;
		if (more)
			*p++ = as == OUT_JSON ? ',' : '|';
		p = cell_quote(stpcpy(cell_quote(p, as), col->names[i]), as);
		more = true;
	}
	if (as == OUT_JSON)
		*p++ = ']';
	return p;
}

static const char *name_of(const struct out *out, const struct column *col, uint64_t id,
			   char number[2 * PUT_BLOCK])
{
	const char *text = out->names.name ? out->names.name(out->names.ctx, col, id) : NULL;

	if (text)
		return text;
	*put_hex(stpcpy(number, "0x"), id) = '\0';
	return number;
}

/* The frames from the one at `guard` on, or all. */
static size_t first_frame(const struct column *col, const char *row, size_t n)
{
	uint64_t first = cell_load(row + col->guard, 8);

	for (size_t i = 0; first && i < n; i++)
		if (cell_load(row + col->off + 8 * i, 8) == first)
			return i;
	return 0;
}

/* One text for all, so that it is quoted as one. */
static char *stack_csv(struct out *out, char *p, const struct column *col, const char *row,
		       size_t i)
{
	size_t n = col->size / 8, len = 0, room = 0;
	char number[2 * PUT_BLOCK], *all = NULL, *more;
	uint64_t id;

	for (; i < n && (id = cell_load(row + col->off + 8 * i, 8)); i++) {
		const char *text = name_of(out, col, id, number);
		size_t size = strlen(text);

		if (len + size + 1 > room) {
			room = 2 * room + size + 256;
			more = realloc(all, room);
			if (!more) {
				free(all);
				return NULL;
			}
			all = more;
		}
		if (size && len)
			all[len++] = ';';
		memcpy(all + len, text, size);
		len += size;
	}
	p = out_grow(out, p, len * PUT_GROWTH);
	if (p)
		p = cell_csv(out, p, all, len);
	free(all);
	return p;
}

char *cell_stack(struct out *out, char *p, const struct column *col, const char *row,
		 enum out_format as)
{
	size_t n = col->size / 8, i = first_frame(col, row, n);
	char number[2 * PUT_BLOCK];
	bool first = true;
	uint64_t id;

	if (!cell_load(row + col->off, 8))
		return as == OUT_TABLE ? p : cell_null(p, as);
	if (as == OUT_CSV)
		return stack_csv(out, p, col, row, i);
	if (as == OUT_JSON)
		*p++ = '[';
	for (; i < n && (id = cell_load(row + col->off + 8 * i, 8)); i++) {
		const char *text = name_of(out, col, id, number);
		size_t len = strlen(text);

		if (!len)
			continue;
		p = out_grow(out, p, len * PUT_GROWTH);
		if (!p)
			return NULL;
		if (as == OUT_TABLE || !first)
			*p++ = as == OUT_TABLE ? '\t' : ',';
		p = cell_string(out, p, text, len, as);
		if (as == OUT_TABLE)
			*p++ = '\n';
		first = false;
	}
	*p++ = as == OUT_JSON ? ']' : '\n';
	return p;
}

char *cell_rest(struct out *out, char *p, const struct column *col, const char *row,
		enum out_format as)
{
	uint64_t num = cell_load(row + col->off, col->type == COL_INT ? col->size : 8);

	switch (col->type) {
	case COL_ENDPOINT:
		p = put_endpoint(cell_quote(p, as), row + col->off,
				 (uint16_t)cell_load(row + col->guard, sizeof(uint16_t)));
		return cell_quote(p, as);
	case COL_FLAGS:
		return put_flags(p, col, row, as);
	case COL_STACK:
		return cell_stack(out, p, col, row, as);
	case COL_PATTERN:
		return pattern_cell(out, p, col, row, as);
	case COL_INT:
		return put_signed(p, num << (64 - 8 * col->size), 64 - 8 * col->size);
	case COL_RATIO:
		num = ratio(col, num, cell_load(row + col->guard, 8));
		return as == OUT_TABLE && col->flags & COL_SHORT ? cell_scaled(p, col, num) :
								   put_u64(p, num);
	case COL_HIST:
		return put_u64(p, num);
	case COL_AVG:
		return num ? put_u64(p, cell_load(row + col->off + 8, 8) / num) : cell_null(p, as);
	default:
		return cell_null(p, as);
	}
}

size_t cell_text(char *buf, size_t size, const struct column *col, const void *row)
{
	struct out out = { .format = OUT_TABLE, .slack = CELL_MAX + PUT_SPARE };
	struct column plain = *col;
	size_t len;
	char *p, *end;

	if (plain.type == COL_NAME || plain.type == COL_REASON)
		plain.type = COL_NUM;
	if (plain.type == COL_HOST)
		plain.type = COL_ADDR;
	if (plain.type == COL_TIME)
		plain.type = COL_ELAPSED;
	p = out_grow(&out, NULL, (size_t)plain.size * PUT_GROWTH);
	end = p ? cell_put(&out, p, &plain, row, OUT_TABLE) : NULL;
	len = end ? (size_t)(end - out.buf) : 0;
	if (size) {
		size_t fits = len < size ? len : size - 1;

		if (fits)
			memcpy(buf, out.buf, fits);
		buf[fits] = 0;
	}
	free(out.buf);
	return len;
}
