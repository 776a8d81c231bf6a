// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The filter language for those who ask: what can be said, of which tool, and how much of it. */
#include "expr_help.h"

#include <stdio.h>
#include <string.h>

#include "expr.h"
#include "fields.h"

static const char language[] =
	"nettrace TOOL --filter EXPR: only rows for which EXPR holds. The kernel decides, before\n"
	"an event costs anything; rows that are read at intervals are decided about their sums\n"
	"when they are read ('--explain' says so). 'replay' takes the same expressions. Several\n"
	"--filter, and the options of the same names as the fields, must all hold.\n"
	"\n"
	"  EXPR        not before and, and before or; also ! && ||, and parentheses\n"
	"  FIELD LIST  one of the list: port 80,443,8000-8080  comm nginx,'a b'  uid root\n"
	"              host 10.1.2.3,2001:db8::/32  netns blue  cgroup /system.slice  port !80\n"
	"  FIELD = LIST, FIELD != LIST, TEXT ~ LIST (one of the list is a part of it)\n"
	"  ip, ip6     the IP version\n"
	"  NUMBER OP VALUE  with = != < <= > >=; a bare value is in the column's unit, else\n"
	"              10us 5ms 1.5s 2m 1h, and 64K 1.5M 1G (powers of 1024)\n"
	"  FLAG        or FLAG = true, FLAG = false\n"
	"\n"
	"Two conditions side by side without 'and' or 'or' are an error. What is unknown is in\n"
	"no list and neither less nor more than anything; '!=' and 'not' hold for it. 'port',\n"
	"'addr', 'host' and 'net' are either side's. Blanks and ()=!<>&|~ inside a value are\n"
	"quoted. With several tools every one must have the fields.\n";

void expr_help_language(void *to)
{
	fputs(language, to);
	fprintf(to,
		"\n"
		"Limits: %d instructions of BPF, which is 682 ports joined with or, a list\n"
		"of 1194 ports (597 on either side), 1151 names, 765 IPv4 or 365 IPv6 networks on\n"
		"one side, or 25 parts of a name (~); %d for what differs between the rows of one\n"
		"event (tcpretrans: seq, segs); %d parentheses and nots inside each other; %d\n"
		"cgroups, units and containers; names of 15 bytes. What is larger is refused.\n",
		NT_FILTER_SLOTS, NT_FILTER_EACH, EXPR_MAX_DEPTH, NT_MAX_CGROUPS);
}

static void put_names(FILE *to, const struct column *col)
{
	const char *comma = ": ";
	int i;

	for (i = 0; i < col->n_names; i++) {
		if (!col->names[i] || (!i && col->flags & COL_NULL_ZERO))
			continue;
		fprintf(to, "%s%s", comma, col->names[i]);
		comma = ", ";
	}
}

static void put_column(FILE *to, const struct column *col)
{
	char name[48];
	size_t len = expr_short_name(col);

	snprintf(name, sizeof(name), "%s%s%.*s", col->name, col->name[len] ? ", " : "",
		 col->name[len] ? (int)len : 0, col->name);
	fprintf(to, "  %-24s %-9s %s", name, expr_value(col), col->help ? col->help : "");
	if (col->type == COL_ENUM && col->n_names <= 16)
		put_names(to, col);
	fputc('\n', to);
}

void expr_help_tool(void *to, const struct tool *tool)
{
	const struct column *col;
	const char *name;
	size_t at = 0;
	int i;

	fprintf(to, "\n%s\n", tool->name);
	for (i = 0; (name = expr_field(tool, i)); i++) {
		if (!*name)
			continue;
		if (at + strlen(name) > 90)
			at = fprintf(to, "\n") - 1;
		at += fprintf(to, at ? " %s" : "  %s", name);
	}
	if (at)
		fputc('\n', to);
	for (col = tool->columns; col->name; col++)
		if (expr_value(col) && !expr_is_field(tool, col->name))
			put_column(to, col);
}
