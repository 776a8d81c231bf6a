/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows with a COL_HIST column: log2 bars for people, an object a row, a line a bucket. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "cell.h"

#define SLOTS 64
#define BUCKET 160   /* bytes; more than any bucket takes in any format, its bar not counted */
#define SUMMARY 320  /* bytes; the same for what stands before the buckets, names not counted */
#define WIDE 100     /* places; a terminal from here on is used whole */

typedef unsigned __int128 u128;

struct hist {
	const struct column *col;
	uint64_t count, sum, max;
	uint64_t slot[SLOTS];
	uint64_t peak;             /* the largest of them */
	u128 total;                /* all of them; differs from `count` when read half-way */
	unsigned int n;            /* slots that the row has */
	unsigned int first, end;   /* outside of [first, end) they are zero */
};

/* The table's measures. */
struct bars {
	int bound, count;          /* widths */
	size_t stars;
};

static bool is_unknown(const struct column *col, const char *row)
{
	return col->flags & COL_GUARDED && !row[col->guard];
}

static bool is_left_out(const struct column *col, const char *row)
{
	return is_unknown(col, row) ||
	       (col->flags & COL_QUIET && !cell_load(row + col->off, col->size));
}

static void hist_load(struct hist *h, const struct view *view, const char *row)
{
	bool other = view->other_hist && is_unknown(view->hist, row);
	const struct column *col = other ? view->other_hist : view->hist;
	const char *at = row + col->off;

	memset(h, 0, sizeof(*h));
	h->col = col;
	h->count = cell_load(at, 8);
	h->sum = cell_load(at + 8, 8);
	h->max = cell_load(at + 16, 8);
	h->n = (col->size - 24U) / 8;
	if (h->n > SLOTS)
		h->n = SLOTS;
	for (unsigned int i = 0; i < h->n; i++) {
		uint64_t v = cell_load(at + 24 + 8 * i, 8);

		h->slot[i] = v;
		h->total += v;
		if (v > h->peak)
			h->peak = v;
		if (!v)
			continue;
		if (!h->end)
			h->first = i;
		h->end = i + 1;
	}
}

static uint64_t slot_low(unsigned int i)
{
	return i ? UINT64_C(1) << i : 0;
}

/* What the last slot took beyond its own range is not hidden. */
static uint64_t slot_high(const struct hist *h, unsigned int i)
{
	uint64_t high = UINT64_MAX >> (63 - i);

	return i + 1 == h->n && h->max > high ? h->max : high;
}

/* The values of a slot are taken as spread evenly, up to `max` in the slot where that lies. */
static uint64_t hist_percentile(const struct hist *h, unsigned int percent)
{
	u128 rank = (h->total * percent + 99) / 100;
	unsigned int i = h->first;
	uint64_t low, high;

	while (rank > h->slot[i])
		rank -= h->slot[i++];
	low = slot_low(i);
	high = slot_high(h, i);
	if (h->max < high)
		high = h->max > low ? h->max : low;
	low += (uint64_t)((high - low) * rank / h->slot[i]);
	return low < h->max ? low : h->max;
}

static char *put_name(char *p, const char *before, const char *name, const char *after)
{
	return stpcpy(stpcpy(stpcpy(p, before), name), after);
}

static char *put_number(char *p, const char *before, uint64_t v)
{
	return put_u64(stpcpy(p, before), v);
}

static char *put_percentile(char *p, const char *before, const struct hist *h, unsigned int percent)
{
	if (!h->total)
		return stpcpy(stpcpy(p, before), "null");
	return put_number(p, before, hist_percentile(h, percent));
}

static char *json_hist(struct view *view, char *p, const struct hist *h)
{
	const char *unit = h->col->name, *before = "{\"lo\":";

	p = out_grow(view->out, p - 2, SUMMARY + strlen(unit)); /* before json_row()'s "}\n" */
	if (!p)
		return NULL;
	p = put_name(p, ",\"unit\":\"", unit, "\"");
	p = put_number(p, ",\"count\":", h->count);
	p = put_number(p, ",\"sum\":", h->sum);
	p = put_percentile(p, ",\"p50\":", h, 50);
	p = put_percentile(p, ",\"p90\":", h, 90);
	p = put_percentile(p, ",\"p99\":", h, 99);
	p = h->count ? put_number(p, ",\"max\":", h->max) : stpcpy(p, ",\"max\":null");
	p = stpcpy(p, ",\"buckets\":[");
	for (unsigned int i = h->first; i < h->end; i++, before = ",{\"lo\":") {
		p = out_grow(view->out, p, BUCKET);
		if (!p)
			return NULL;
		p = put_number(p, before, slot_low(i));
		p = put_number(p, ",\"hi\":", slot_high(h, i));
		p = put_number(p, ",\"count\":", h->slot[i]);
		*p++ = '}';
	}
	return stpcpy(p, "]}\n");
}

/* Each line begins with the keys, which csv_row() has written once. */
static char *csv_hist(struct view *view, char *p, const struct hist *h)
{
	const char *unit = h->col->name, *comma = view->n ? "," : "";
	struct out *out = view->out;
	size_t keys = (size_t)(p - 1 - (out->buf + out->len));

	if (!h->end) { /* its keys may say something all the same */
		p = out_grow(out, p - 1, strlen(unit) + BUCKET);
		return p ? stpcpy(put_name(p, comma, unit, ""), ",,,0\n") : NULL;
	}
	p -= keys + 1;
	for (unsigned int i = h->first; i < h->end; i++) {
		p = out_grow(out, p, keys + strlen(unit) + BUCKET);
		if (!p)
			return NULL;
		if (i != h->first)
			memcpy(p, out->buf + out->len, keys);
		p = put_name(p + keys, comma, unit, "");
		p = put_number(p, ",", slot_low(i));
		p = put_number(p, ",", slot_high(h, i));
		p = put_number(p, ",", h->slot[i]);
		*p++ = '\n';
	}
	return p;
}

/* "KEY = value, KEY = value [AVG value]", as far as there are any. */
static char *table_keys(struct view *view, char *p, const void *row)
{
	const char *before = "";

	if (table_has_tool(view)) {
		p = put_name(put_name(p, "", out_tool_column.title, " = "), "", view->tool, "");
		before = ", ";
	}
	for (const struct field *f = view->fields, *end = f + view->n; f < end; f++) {
		bool avg = f->col->type == COL_AVG;

		if (is_left_out(f->col, row))
			continue;
		p = put_name(p, !avg ? before : *before ? " [" : "[", f->col->title,
			     avg ? " " : " = ");
		if (f->col == &out_tool_column)
			p = put_blocks(p, f->lead, f->lead_len);
		else
			p = cell_put(view->out, p, f->col, row, OUT_TABLE);
		if (!p)
			return NULL;
		if (avg)
			*p++ = ']';
		before = ", ";
	}
	if (*before)
		*p++ = '\n';
	return p;
}

static struct bars measure(const struct out *out, const struct hist *h)
{
	bool narrow = slot_high(h, h->end - 1) <= UINT32_MAX;
	struct bars bars = { .bound = narrow ? 10 : 20, .stars = narrow ? 40 : 20 };
	struct winsize size;
	char digits[PUT_SPARE];
	size_t rest;

	bars.count = (int)(put_u64(digits, h->peak) - digits);
	if (bars.count < 8)
		bars.count = 8;
	rest = 2 * (size_t)bars.bound + (size_t)bars.count + strlen(" ->  :  ||");
	if (!ioctl(out->fd, TIOCGWINSZ, &size) && size.ws_col >= WIDE &&
	    size.ws_col > rest + bars.stars)
		bars.stars = size.ws_col - rest;
	return bars;
}

static char *table_hist(struct view *view, char *p, const struct hist *h)
{
	const char *title = h->col->title;
	struct out *out = view->out;
	struct bars bars;

	if (!h->end)
		return p;
	bars = measure(out, h);
	p = out_grow(out, p, strlen(title) + BUCKET);
	if (!p)
		return NULL;
	if (out->header)
		p += snprintf(p, strlen(title) + BUCKET, "%*s%-*s : %-*s  distribution\n",
			      bars.bound - 5, "", bars.bound + 9, title, bars.count, "count");
	for (unsigned int i = 0; i < h->end; i++) {
		size_t stars = (size_t)((u128)h->slot[i] * bars.stars / h->peak);

		p = out_grow(out, p, bars.stars + BUCKET);
		if (!p)
			return NULL;
		p += snprintf(p, BUCKET, "%*" PRIu64 " -> %-*" PRIu64 " : %-*" PRIu64 " |",
			      bars.bound, slot_low(i), bars.bound, slot_high(h, i), bars.count,
			      h->slot[i]);
		memset(p, '*', stars);
		memset(p + stars, ' ', bars.stars - stars);
		p = stpcpy(p + bars.stars, "|\n");
	}
	return p;
}

char *hist_row(struct view *view, char *p, const void *row)
{
	struct hist h;

	hist_load(&h, view, row);
	switch (view->out->format) {
	case OUT_JSON:
		p = json_row(view, p, row);
		return p ? json_hist(view, p, &h) : NULL;
	case OUT_CSV:
		p = csv_row(view, p, row);
		return p ? csv_hist(view, p, &h) : NULL;
	default:
		*p++ = '\n';
		p = table_keys(view, p, row);
		return p ? table_hist(view, p, &h) : NULL;
	}
}

char *hist_header(struct view *view, char *p)
{
	if (view->out->format == OUT_TABLE) /* each row has its own */
		return p;
	p = csv_header(view, p) - 1;
	return put_name(p, view->n ? "," : "", "unit,lo,hi,count", "\n");
}
