/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All that the command line knows, as one JSON object, which man pages and tests are made from:
 *
 *     {"version", "commands":[{"name","args","help"}], "options":[OPTION of every tool],
 *      "tools":[{"name","summary","options":[OPTION],"args":[{"name","help"}],
 *                "filters":[words of fields], "words":[all that a predicate can begin with],
 *                "columns":[COLUMN],"variant":[COLUMN of -c, -d],"examples":[{"command","help"}]}]}
 *
 *     OPTION: "letter" "name" "arg" "help" "same_as", each a string or null; "group": tool,
 *     filter, output, run; "kind" of its value: none, text, file, format, columns, expression,
 *     device, word. A tool's options are all that it takes.
 *     COLUMN: "name" "title" "help" "type" "unit" (output/out.h), "hidden", "table_only" (see
 *     output/column.h), "values": the names of a name column.
 */
#ifndef NT_REGISTRY_H
#define NT_REGISTRY_H

#include <stdio.h>

#include "tool.h"

/* A word that is no tool. The list ends with an entry without a name. */
struct command {
	const char *name, *args, *help; /* args: "" or "FILE [OPTIONS]" */
};

void registry_print(FILE *to, const struct command *commands, const struct tool *const *tools,
		    int n);

#endif
