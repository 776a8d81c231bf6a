/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `nettrace help filter`: made from the tables that the parser reads. */
#ifndef NT_EXPR_HELP_H
#define NT_EXPR_HELP_H

#include "tool.h"

/* `to` is a FILE. */
void expr_help_language(void *to);
void expr_help_tool(void *to, const struct tool *tool); /* its fields and columns */

#endif
