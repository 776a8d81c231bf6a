/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs every tool that works here on traffic of our own (scene.h) and looks at what it prints. */
#ifndef NT_SELFTEST_H
#define NT_SELFTEST_H

#include <stddef.h>

#include "doctor.h"

/*
 * What a tool has to say about the scene: "SELECT | CHECK", both words "column=value" with the
 * names of JSON. SELECT picks rows; there has to be exactly one, unless CHECK asks for a number of
 * them: "rows=2". "=", ">=" and "<=" compare in each of the rows, "+column" the sum of a column
 * over all of them. "$name" is something that the two processes know (the table in selftest.c);
 * what they cannot know here passes. A tool may have several lines.
 */
struct selftest_line {
	const char *tool, *line;
};

extern const struct selftest_line selftest_lines[]; /* ends with a line without a tool */

/* Fills in `selftest` and `found` of each tool. 0 or -errno. */
int selftest_run(struct doctor *doctor, const struct selftest_line *lines);

/* The names and values of "$name", and whether `text`, JSON lines, is what `line` says. */
struct selftest_value {
	const char *name;
	char text[48]; /* "": unknown */
};
/* Whether it is known how many rows there have to be. */
bool selftest_known(const char *line, const struct selftest_value *values);
/* false: `found` says what is wrong. `values` ends with an entry without a name. */
bool selftest_check(const char *line, const char *text, const struct selftest_value *values,
		    char *found, size_t size);

#endif
