// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The tables of tools, options and columns as JSON. */
#include "registry.h"

#include <string.h>

#include "expr.h"
#include "fields.h"
#include "options.h"
#include "out.h"
#include "quote.h"

/* `before` is what stands between this and the text: ",\"help\":". */
static void put_text(FILE *to, const char *before, const char *text)
{
	fputs(before, to);
	quote(to, text);
}

static void put_options(FILE *to, const struct tool *const *tools, int n)
{
	static const char *const groups[] = {
		[GROUP_TOOL] = "tool", [GROUP_FILTER] = "filter", [GROUP_OUTPUT] = "output",
		[GROUP_RUN] = "run",
	};
	static const char *const kinds[] = {
		[VALUE_NONE] = "none", [VALUE_TEXT] = "text", [VALUE_FILE] = "file",
		[VALUE_FORMAT] = "format", [VALUE_COLUMNS] = "columns",
		[VALUE_EXPR] = "expression", [VALUE_DEVICE] = "device", [VALUE_WORD] = "word",
	};
	struct option_info list[OPTIONS_MAX], *o;
	int count = options_list(list, OPTIONS_MAX, tools, n, false);

	fputs(",\"options\":[", to);
	for (o = list; o < list + count; o++) {
		char letter[2] = { o->letter };

		put_text(to, o == list ? "{\"letter\":" : ",{\"letter\":", *letter ? letter : NULL);
		put_text(to, ",\"name\":", o->name);
		put_text(to, ",\"arg\":", o->arg);
		put_text(to, ",\"help\":", o->help);
		put_text(to, ",\"same_as\":", o->same_as);
		put_text(to, ",\"group\":", groups[o->group]);
		put_text(to, ",\"kind\":", kinds[o->value]);
		fputc('}', to);
	}
	fputc(']', to);
}

static void put_values(FILE *to, const struct column *col)
{
	const char *sep = ",\"values\":[";
	int i;

	for (i = 0; col->type == COL_ENUM && i < col->n_names; i++) {
		if (!col->names[i])
			continue;
		put_text(to, sep, col->names[i]);
		sep = ",";
	}
	if (!strcmp(sep, ","))
		fputc(']', to);
}

static void put_columns(FILE *to, const char *key, const struct column *columns)
{
	const struct column *col;

	fprintf(to, ",\"%s\":[", key);
	for (col = columns; col->name; col++) {
		put_text(to, col == columns ? "{\"name\":" : ",{\"name\":", col->name);
		put_text(to, ",\"title\":", col->title);
		put_text(to, ",\"help\":", col->help);
		put_text(to, ",\"type\":", column_type(col));
		put_text(to, ",\"unit\":", column_unit(col));
		fprintf(to, ",\"hidden\":%s,\"table_only\":%s",
			col->flags & COL_HIDDEN ? "true" : "false",
			col->flags & COL_TABLE_ONLY ? "true" : "false");
		put_values(to, col);
		fputc('}', to);
	}
	fputc(']', to);
}

static void put_args(FILE *to, const struct arg *args)
{
	const struct arg *a;

	fputs(",\"args\":[", to);
	for (a = args; a && a->name; a++) {
		put_text(to, a == args ? "{\"name\":" : ",{\"name\":", a->name);
		put_text(to, ",\"help\":", a->help);
		fputc('}', to);
	}
	fputc(']', to);
}

static void put_examples(FILE *to, const char *const *examples)
{
	const char *sep = "{\"command\":";

	fputs(",\"examples\":[", to);
	for (; examples && *examples; examples++) {
		put_text(to, sep, *examples);
		put_text(to, ",\"help\":", *examples + strlen(*examples) + 1);
		fputc('}', to);
		sep = ",{\"command\":";
	}
	fputc(']', to);
}

struct words {
	FILE *to;
	const char *sep;
};

static void put_word(void *arg, const char *word, size_t len)
{
	struct words *words = arg;

	fprintf(words->to, "%s\"%.*s\"", words->sep, (int)len, word);
	words->sep = ",";
}

static void put_tool(FILE *to, const struct tool *tool)
{
	struct words filters = { to, "" }, words = { to, "" };
	int i;

	put_text(to, "{\"name\":", tool->name);
	put_text(to, ",\"summary\":", tool->summary);
	put_options(to, &tool, 1);
	put_args(to, tool->args);
	fputs(",\"filters\":[", to);
	for (i = 0; i < FIELD_COUNT; i++)
		if (!(fields_info[i].fields & ~tool->fields))
			put_word(&filters, fields_info[i].name, strlen(fields_info[i].name));
	fputs("],\"words\":[", to);
	expr_words(tool, put_word, &words);
	fputc(']', to);
	put_columns(to, "columns", tool->columns);
	if (tool->variant)
		put_columns(to, "variant", tool->variant->columns);
	put_examples(to, tool->examples);
	fputc('}', to);
}

void registry_print(FILE *to, const struct command *commands, const struct tool *const *tools,
		    int n)
{
	const struct command *c;
	int i;

	put_text(to, "{\"version\":", NETTRACE_VERSION);
	fputs(",\"commands\":[", to);
	for (c = commands; c->name; c++) {
		put_text(to, c == commands ? "{\"name\":" : ",{\"name\":", c->name);
		put_text(to, ",\"args\":", c->args);
		put_text(to, ",\"help\":", c->help);
		fputc('}', to);
	}
	fputc(']', to);
	put_options(to, NULL, 0);
	fputs(",\"tools\":[", to);
	for (i = 0; i < n; i++) {
		if (i)
			fputc(',', to);
		put_tool(to, tools[i]);
	}
	fputs("]}\n", to);
}
