// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sorts a batch of events by time. */
#include "merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "array.h"

/* Events are 8-byte aligned. */
static size_t place_of(size_t len)
{
	return (len + 7) / 8 * 8;
}

int merge_add(struct merge *merge, const void *event, size_t len)
{
	size_t place = place_of(len);

	if (array_grow(&merge->data, &merge->room, merge->len + place, 1) ||
	    array_grow(&merge->items, &merge->items_room, merge->n + 1, sizeof(*merge->items)))
		return -ENOMEM;
	memcpy(merge->data + merge->len, event, len);
	merge->items[merge->n++] =
		(struct merge_item){ ((const struct nt_event *)event)->time, merge->len, len };
	merge->len += place;
	return 0;
}

/* Of the same time: as they came. */
static int by_time(const void *a, const void *b)
{
	const struct merge_item *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int by_place(const void *a, const void *b)
{
	const struct merge_item *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Moves what is left to the front, in the order in which it came: none is moved over the next. */
static void keep_rest(struct merge *merge, size_t done)
{
	struct merge_item *item;

	merge->n -= done;
	memmove(merge->items, merge->items + done, merge->n * sizeof(*merge->items));
	qsort(merge->items, merge->n, sizeof(*merge->items), by_place);
	merge->len = 0;
	for (item = merge->items; item < merge->items + merge->n; item++) {
		memmove(merge->data + merge->len, merge->data + item->at, item->len);
		item->at = merge->len;
		merge->len += place_of(item->len);
	}
}

void merge_drain(struct merge *merge, uint64_t until,
		 void (*each)(void *ctx, const void *event, size_t len), void *ctx)
{
	size_t i;

	if (!merge->n)
		return;
	qsort(merge->items, merge->n, sizeof(*merge->items), by_time);
	for (i = 0; i < merge->n && merge->items[i].time <= until; i++)
		each(ctx, merge->data + merge->items[i].at, merge->items[i].len);
	if (i == merge->n)
		merge->n = merge->len = 0;
	else if (i)
		keep_rest(merge, i);
}

void merge_free(struct merge *merge)
{
	free(merge->data);
	free(merge->items);
	memset(merge, 0, sizeof(*merge));
}
