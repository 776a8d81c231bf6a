// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Edit distance of short words. */
#include "nearest.h"

#include <string.h>

#define MAX_WORD 32

void nearest_start(struct nearest *n, const char *word, size_t len)
{
	*n = (struct nearest){ .word = word, .len = len, .distance = len < 5 ? 2 : 3 };
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

void nearest_try(struct nearest *n, const char *known)
{
	int row[MAX_WORD + 1], diagonal, above;
	size_t i, j, len = strlen(known);

	if (n->len > MAX_WORD || len > MAX_WORD)
		return;
	for (j = 0; j <= len; j++)
		row[j] = j;
	for (i = 0; i < n->len; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < len; j++) {
			above = row[j + 1];
			row[j + 1] = least(least(above, row[j]) + 1,
					   diagonal + (n->word[i] != known[j]));
			diagonal = above;
		}
	}
	if (row[len] < n->distance) {
		n->distance = row[len];
		n->best = known;
	}
}
