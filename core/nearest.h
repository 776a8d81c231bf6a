/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "Did you mean": the known word nearest to a mistyped one. */
#ifndef NT_NEAREST_H
#define NT_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *word;
	size_t len;
	int distance;
	const char *best; /* NULL: nothing is near */
};

void nearest_start(struct nearest *n, const char *word, size_t len);
void nearest_try(struct nearest *n, const char *known);

#endif
