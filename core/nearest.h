/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "Did you mean": the known word nearest to a mistyped one. */
#ifndef NT_NEAREST_H
#define NT_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;
	size_t len;
	size_t edits;
	const char *best; /* NULL: nothing is near */
	size_t best_len;
};

void nearest_start(struct nearest *n, const char *word, size_t len);
/* Of a struct nearest; `known` must outlive it. */
void nearest_try(void *nearest, const char *known, size_t len);

#endif
