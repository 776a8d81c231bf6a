/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words that are not tools. Each returns an exit code. */
#ifndef NT_COMMANDS_H
#define NT_COMMANDS_H

#include <stdbool.h>

#include "registry.h"

extern const struct command commands[];
extern const struct tool *const all_tools[]; /* NULL-terminated */
const struct tool *find_tool(const char *name);
/* The tool that `word` was probably meant to be, or NULL. */
const char *nearest_tool(const char *word);

/* --help of a word that takes no options. false: it is none, nothing was printed. */
bool cmd_usage(const char *word);
int cmd_list(void);
int cmd_registry(void);
int cmd_help_filter(const struct tool *only); /* NULL: all tools */
int cmd_install_links(int argc, char **argv);
int cmd_complete(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
