// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Single texts on a stream, escaped as those in rows are. */
#include "quote.h"

#include <stdlib.h>
#include <string.h>

#include "put.h"

static void put(FILE *to, const char *text, size_t len, enum put_as as)
{
	char *copy = malloc(len * PUT_GROWTH + PUT_SPARE);
	size_t hidden = 0;

	if (copy)
		fwrite(copy, 1, put_text(copy, text, len, as, &hidden) - copy, to);
	free(copy);
}

void quote(FILE *to, const char *text)
{
	if (!text) {
		fputs("null", to);
		return;
	}
	fputc('"', to);
	put(to, text, strlen(text), PUT_JSON);
	fputc('"', to);
}

void quote_member(FILE *to, const char *key, const char *text)
{
	fprintf(to, ",\"%s\":", key);
	quote(to, text);
}

void quote_plain(FILE *to, const char *text, size_t len)
{
	put(to, text, len, PUT_TABLE);
}
