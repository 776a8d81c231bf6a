// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* JSON strings. */
#include "quote.h"

void quote(FILE *to, const char *text)
{
	if (!text) {
		fputs("null", to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if ((unsigned char)*text < ' ') {
			fprintf(to, "\\u%04x", (unsigned int)*text);
			continue;
		}
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

void quote_member(FILE *to, const char *key, const char *text)
{
	fprintf(to, ",\"%s\":", key);
	quote(to, text);
}
