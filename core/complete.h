/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a half-written command line can go on with. `nettrace completion SHELL` prints a few lines
 * that make a shell ask `nettrace complete WORD...`, so completion knows what the parser knows.
 */
#ifndef NT_COMPLETE_H
#define NT_COMPLETE_H

#include <stdio.h>

#include "registry.h"

/*
 * words[0] is the command, the last word the one at the cursor, maybe empty. Prints a candidate a
 * line, "WORD<TAB>what it is"; or ":files". A word of a list or an expression comes with what is
 * before it. A '=' may be a word of its own, as bash has it.
 */
void complete_print(FILE *to, const struct command *commands, const struct tool *const *tools,
		    int n, int argc, char **words);

/* The text for this shell ("bash", "zsh", "fish"); NULL: another one. */
const char *complete_script(const char *shell);

#endif
