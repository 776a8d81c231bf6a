// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Edit distance of short words. */
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_EDITS 2
#define MAX_WORD 32 /* longer than any tool, field or column */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void nearest_start(struct nearest *n, const char *word, size_t len)
{
	/* Of a short word nothing would be left: a third may be wrong. */
	*n = (struct nearest){ .word = word, .len = len,
			       .edits = least(MAX_EDITS, (len + 1) / 3) + 1 };
}

/* Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
static size_t edits(const char *a, size_t n, const char *b, size_t m)
{
	size_t d[MAX_WORD][MAX_WORD], i, j;

	if (n >= MAX_WORD || m >= MAX_WORD)
		return SIZE_MAX;
	for (i = 0; i <= n; i++) {
		for (j = 0; j <= m; j++) {
			bool same = i && j && tolower((unsigned char)a[i - 1]) == b[j - 1];

			d[i][j] = i && j ? d[i - 1][j - 1] + !same : i + j;
			if (i)
				d[i][j] = least(d[i][j], d[i - 1][j] + 1);
			if (j)
				d[i][j] = least(d[i][j], d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

void nearest_try(void *nearest, const char *known, size_t len)
{
	struct nearest *n = nearest;
	size_t more = edits(n->word, n->len, known, len);

	if (more && len > n->len && !memcmp(n->word, known, n->len))
		more--; /* it only lacks an end */
	if (more >= n->edits)
		return;
	n->edits = more;
	n->best = known;
	n->best_len = len;
}
