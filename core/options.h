/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line of a tool. The uniform options are one table here; a tool's own come from its
 * description. Parser, help, and what registry.h and complete.h tell of options are made from the
 * same tables.
 */
#ifndef NT_OPTIONS_H
#define NT_OPTIONS_H

#include <stdio.h>

#include "session.h"

/*
 * Parses argv[1..] for opts->tools (set by the caller; with `replay` the first argument is the
 * recording). `name` is how the user called it, for messages. Wrong usage is said on stderr and
 * ends the process with EXIT_USAGE; --help ends it with 0.
 */
void options_parse(struct session_opts *opts, const char *name, bool replay, int argc, char **argv);
void options_free(struct session_opts *opts);

enum option_group { GROUP_TOOL = 1, GROUP_FILTER, GROUP_OUTPUT, GROUP_RUN };

/* What stands behind an option. */
enum option_value {
	VALUE_NONE, VALUE_TEXT, VALUE_FILE, VALUE_FORMAT, VALUE_COLUMNS, VALUE_EXPR, VALUE_DEVICE,
	VALUE_WORD, /* one of `words` */
};

struct option_info {
	char letter;                 /* 0: none */
	const char *name, *arg, *help; /* or NULL */
	const char *same_as;         /* the uniform option that this is another name of, or NULL */
	const char *words;           /* "word=...,word=..." */
	enum option_group group;
	enum option_value value;
};

#define OPTIONS_MAX 128

/* The options that a run of these tools takes, as its parser has them. Returns how many. */
int options_list(struct option_info *list, int max, const struct tool *const *tools, int n,
		 bool replay);

#endif
