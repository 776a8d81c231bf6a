/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter language of --filter:
 *
 *     expr    = and { ("or" | "||") and }
 *     and     = not { ("and" | "&&") not }
 *     not     = ("not" | "!") not | "(" expr ")" | predicate
 *     predicate = FIELD list              one of fields_info[] but ip: port 80,443  pid 1  comm
 *     nginx
 *               | "host" list | "net" list  the same as addr
 *               | "ip" | "ip6"
 *               | NAME list                a name (COL_ENUM), text or address column: end
 *               refused,timeout | NAME                     a COL_BOOL column; "NAME = true", "NAME
 *               = false" | COLUMN OP VALUE          a number column, its unit suffix may be left
 *               out: duration > 1s
 *               | NAME "~" list            a text column: one of the list is a part of it
 *     OP      = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
 *
 * A bare number is in the column's unit. Durations take ns us ms s m h, sizes K M G (powers of
 * 1024). "=" and "!=" may also stand before the list of a FIELD or NAME, the other operators before
 * the value of a FIELD that is a number (lport < 1024; port < 1024 is either side). Two predicates
 * side by side are an error.
 * A word ends before a blank or one of ()=!<>&|~, unless these are inside '...' or "...".
 * What is unknown is in no list and neither less nor more than anything, so "!=" and a negated list
 * hold for it. "=" compares what is stored: where 0 stands for unknown, "= 0" asks for it.
 */
#ifndef NT_EXPR_H
#define NT_EXPR_H

#include "session.h"

#define EXPR_MAX_DEPTH 64 /* nesting of parentheses and nots */

struct expr_error {
	size_t at, len; /* the offending word in the text; at its end: len 1 */
	char why[160];  /* "not a port", "expected a field, found 'foo'; ..." */
};

/* 0, -EINVAL with *err filled, or -ENOMEM. `opts` takes what fields_parse() puts there. */
int expr_parse(struct filter_node **node, const char *text, const struct tool *tool,
	       struct session_opts *opts, struct expr_error *err);

/* The words that a predicate of this tool can begin with. */
typedef void expr_word_fn(void *arg, const char *word, size_t len);
void expr_words(const struct tool *tool, expr_word_fn *each, void *arg);
/* For help: what may stand behind a column's name ("SIZE"), or NULL: it is none to filter by. */
const char *expr_value(const struct column *col);
/* The length of its name without the unit's suffix. */
size_t expr_short_name(const struct column *col);
bool expr_is_field(const struct tool *tool, const char *name);
/* The i-th of the words that are fields of any tool, or "" if not of this one; NULL: no more. */
const char *expr_field(const struct tool *tool, int i);

#endif
