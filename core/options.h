/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line of a tool. The uniform options are one table here; a tool's own come from its
 * description. Parser, help and the registry that `help --json` prints are made from the same
 * tables.
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

/* The registry: tools, options, columns, fields, as one JSON object. */
void options_registry(FILE *to, const struct tool *const *tools, int n);

#endif
