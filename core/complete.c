// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Candidates for the word at the cursor. */
#include "complete.h"

#include <net/if.h>
#include <string.h>

#include "expr.h"
#include "options.h"

struct completion {
	FILE *to;
	const struct command *commands;
	const struct tool *const *all;
	int n_all;
	const struct tool *tools[SESSION_MAX_TOOLS]; /* that are asked for */
	int n_tools;
	bool replay;
	struct option_info options[OPTIONS_MAX];
	int n_options;
	const char *word;  /* at the cursor: what a candidate begins with */
	const char *lead;  /* what candidates are printed behind, without an end of its own */
	int lead_len;
};

static void offer_part(struct completion *c, const char *sign, const char *text, size_t len,
		       const char *help)
{
	size_t have = strlen(c->word), n = strlen(sign);

	if (have > n + len || strncmp(c->word, sign, have < n ? have : n) ||
	    (have > n && strncmp(c->word + n, text, have - n)))
		return;
	fprintf(c->to, "%.*s%s%.*s\t%s\n", c->lead_len, c->lead, sign, (int)len, text,
		help ? help : "");
}

static void offer(struct completion *c, const char *text, const char *help)
{
	offer_part(c, "", text, strlen(text), help);
}

/* Of the list at the cursor only its last word is to be completed. */
static void last_of(struct completion *c, const char *separators)
{
	const char *at = c->word + strlen(c->word);

	while (at > c->word && !strchr(separators, at[-1]))
		at--;
	c->lead_len += at - c->word;
	c->word = at;
}

static bool is_sign(char sign)
{
	return sign == '+' || sign == '-';
}

static void offer_columns(struct completion *c)
{
	const char *list = c->word;
	const struct column *col;
	char sign[2] = "";
	int i;

	last_of(c, ",");
	if (is_sign(*c->word))
		*sign = *c->word;
	else if (is_sign(*list))
		*sign = *list;
	for (i = 0; i < c->n_tools; i++) {
		for (col = c->tools[i]->columns; col->name; col++)
			offer_part(c, sign, col->name, strlen(col->name), col->help);
		for (col = c->tools[i]->variant ? c->tools[i]->variant->columns : NULL;
		     col && col->name; col++)
			offer_part(c, sign, col->name, strlen(col->name), col->help);
	}
	offer_part(c, sign, "tool", 4, "the tool that the row is from");
	if (c->word == list)
		offer(c, "help", "list the columns");
}

static void offer_word(void *c, const char *word, size_t len)
{
	offer_part(c, "", word, len, NULL);
}

static void offer_values(struct completion *c, const char *name, size_t len)
{
	const struct column *col;
	int i, k;

	for (i = 0; i < c->n_tools; i++)
		for (col = c->tools[i]->columns; col->name; col++)
			for (k = 0; col->type == COL_ENUM && k < col->n_names; k++)
				if (col->names[k] && strlen(col->name) == len &&
				    !strncmp(col->name, name, len))
					offer(c, col->names[k], NULL);
}

static bool is_one_of(const char *word, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len && !strncmp(*words, word, len))
			return true;
	return false;
}

/* A predicate is FIELD VALUE or FIELD OP VALUE; what comes next depends on how much is there. */
static void offer_expr(struct completion *c)
{
	static const char *const joins[] = { "and", "or", "not", "&&", "||", NULL };
	static const char *const ops[] = { "=", "==", "!=", "<", "<=", ">", ">=", "~", NULL };
	static const char *const alone[] = { "ip", "ip6", NULL };
	const char *text = c->word, *field = NULL, *at, *last = NULL;
	size_t field_len = 0, len, last_len = 0;
	int words = 0, i;

	last_of(c, " (!");
	for (at = text; at < c->word; at += len) {
		len = strcspn(at, " (!");
		if (!len) {
			words = *at == '(' ? 0 : words;
			len = 1;
			continue;
		}
		words++;
		if (is_one_of(at, len, joins))
			words = 0;
		if (words == 1) {
			field = at;
			field_len = len;
		}
		last = at;
		last_len = len;
	}
	if (!words) {
		for (i = 0; i < c->n_tools; i++)
			expr_words(c->tools[i], offer_word, c);
		return;
	}
	if (words == 1 || is_one_of(last, last_len, ops)) {
		last_of(c, ",");
		offer_values(c, field, field_len);
	}
	if (words > 1 ? !is_one_of(last, last_len, ops) : is_one_of(last, last_len, alone)) {
		offer(c, "and", NULL);
		offer(c, "or", NULL);
	}
}

static void offer_devices(struct completion *c)
{
	struct if_nameindex *list = if_nameindex(), *dev;

	last_of(c, ",");
	for (dev = list; dev && dev->if_index; dev++)
		offer(c, dev->if_name, NULL);
	if (list)
		if_freenameindex(list);
}

static void offer_choices(struct completion *c, const char *words)
{
	size_t len;

	for (; *words; words += len + (words[len] == ',')) {
		len = strcspn(words, ",");
		offer_part(c, "", words, strcspn(words, "=,"), NULL);
	}
}

static void offer_value(struct completion *c, const struct option_info *o)
{
	switch (o->value) {
	case VALUE_FILE: fputs(":files\n", c->to); break;
	case VALUE_FORMAT:
		offer(c, "table", NULL);
		offer(c, "csv", NULL);
		offer(c, "json", NULL);
		break;
	case VALUE_COLUMNS: offer_columns(c); break;
	case VALUE_EXPR: offer_expr(c); break;
	case VALUE_DEVICE: offer_devices(c); break;
	case VALUE_WORD: offer_choices(c, o->words); break;
	case VALUE_NONE:
	case VALUE_TEXT: break;
	}
}

/* The option that `len` bytes of `word` are: "--name", "-c", "-tc"; NULL if it takes no value. */
static const struct option_info *option_of(const struct completion *c, const char *word, size_t len)
{
	const struct option_info *o;

	for (o = c->options; o < c->options + c->n_options; o++) {
		if (!o->value || len < 2 || *word != '-')
			continue;
		if (word[1] != '-' ? o->letter == word[len - 1] :
				     o->name && strlen(o->name) == len - 2 &&
					     !strncmp(o->name, word + 2, len - 2))
			return o;
	}
	return NULL;
}

static void offer_options(struct completion *c)
{
	const struct option_info *o;
	char word[64];

	for (o = c->options; o < c->options + c->n_options; o++) {
		if (o->letter && (!o->name || c->word[0] == '-')) {
			snprintf(word, sizeof(word), "-%c", o->letter);
			offer(c, word, o->help);
		}
		if (o->name) {
			snprintf(word, sizeof(word), "--%s", o->name);
			offer(c, word, o->help);
		}
	}
	offer(c, "--help", "options and examples");
}

/* The words behind the tools, or behind the recording. */
static void offer_in_tool(struct completion *c, int argc, char **words)
{
	const char *equals = strchr(c->word, '=');
	const struct option_info *o = NULL;

	/* Which tools a recording is of is not known here: whatever one of them may take. */
	c->n_options = options_list(c->options, OPTIONS_MAX, c->tools, c->replay ? 0 : c->n_tools,
				    c->replay);
	if (argc > 2 && !strcmp(words[argc - 2], "=")) {
		o = option_of(c, words[argc - 3], strlen(words[argc - 3]));
	} else if (!strcmp(c->word, "=")) {
		o = option_of(c, words[argc - 2], strlen(words[argc - 2]));
		c->word = "";
	} else if (equals) {
		o = option_of(c, c->word, equals - c->word);
		c->lead_len = o ? equals + 1 - c->word : 0;
		c->word = o ? equals + 1 : c->word;
	} else {
		o = option_of(c, words[argc - 2], strlen(words[argc - 2]));
	}
	if (o)
		offer_value(c, o);
	else
		offer_options(c);
}

static const struct tool *tool_of(const struct completion *c, const char *name, size_t len)
{
	int i;

	if (len > 9 && !strncmp(name, "nettrace-", 9))
		return tool_of(c, name + 9, len - 9);
	for (i = 0; i < c->n_all; i++)
		if (strlen(c->all[i]->name) == len && !strncmp(c->all[i]->name, name, len))
			return c->all[i];
	return NULL;
}

static void offer_tools(struct completion *c)
{
	int i;

	for (i = 0; i < c->n_all; i++)
		offer(c, c->all[i]->name, c->all[i]->summary);
}

static void offer_first(struct completion *c)
{
	const struct command *command;
	const char *whole = c->word;

	last_of(c, ",");
	offer_tools(c);
	for (command = c->commands; command->name && c->word == whole; command++)
		offer(c, command->name, command->help);
}

static void offer_in_command(struct completion *c, int argc, char **words)
{
	if (!strcmp(words[1], "help")) {
		offer_tools(c);
		offer(c, "--json", "all that the command line knows");
	} else if (!strcmp(words[1], "completion")) {
		offer(c, "bash", NULL);
		offer(c, "zsh", NULL);
		offer(c, "fish", NULL);
	} else if (!strcmp(words[1], "replay") && argc > 3) {
		for (; c->n_tools < c->n_all && c->n_tools < SESSION_MAX_TOOLS; c->n_tools++)
			c->tools[c->n_tools] = c->all[c->n_tools];
		c->replay = true;
		offer_in_tool(c, argc, words);
	} else if (!strcmp(words[1], "replay") || !strcmp(words[1], "install-links")) {
		fputs(":files\n", c->to);
	}
}

/* "tcplife,tcpstates"; what is no tool is left out. */
static void take_tools(struct completion *c, const char *list)
{
	const struct tool *tool;
	size_t len;

	for (; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		tool = tool_of(c, list, len);
		if (tool && c->n_tools < SESSION_MAX_TOOLS)
			c->tools[c->n_tools++] = tool;
	}
}

void complete_print(FILE *to, const struct command *commands, const struct tool *const *tools,
		    int n, int argc, char **words)
{
	struct completion c = { .to = to, .commands = commands, .all = tools, .n_all = n };
	const char *called;

	if (argc < 2)
		return;
	c.word = words[argc - 1];
	c.word += *c.word == '\'' || *c.word == '"'; /* not closed yet */
	c.lead = c.word;
	called = strrchr(words[0], '/');
	take_tools(&c, called ? called + 1 : words[0]);
	if (!c.n_tools && argc == 2) {
		offer_first(&c);
		return;
	}
	if (!c.n_tools)
		take_tools(&c, words[1]);
	if (c.n_tools)
		offer_in_tool(&c, argc, words);
	else
		offer_in_command(&c, argc, words);
}

/*
 * The lines for each shell; '@' stands for the tools' names. A command of that name that is not
 * ours is left alone.
 */
static const struct {
	const char *shell, *text;
} scripts[] = {
	{ "bash",
	  "# bash completion for nettrace: . <(nettrace completion bash)\n"
	  "_nettrace() {\n"
	  "	local line nettrace=${COMP_WORDS[0]}\n"
	  "	COMPREPLY=()\n"
	  "	[[ $(readlink -f \"$(type -P \"$nettrace\")\") == */nettrace ]] || return\n"
	  "	while IFS= read -r line; do\n"
	  "		if [[ $line == :files ]]; then\n"
	  "			compopt -o default\n"
	  "		else\n"
	  "			COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
	  "		fi\n"
	  "	done < <(\"$(readlink -f \"$(type -P \"$nettrace\")\")\" complete "
	  "\"${COMP_WORDS[@]:0:COMP_CWORD+1}\" 2>/dev/null)\n"
	  "}\n"
	  "complete -F _nettrace nettrace @\n" },
	{ "zsh",
	  "#compdef nettrace @\n"
	  "# zsh completion for nettrace: source <(nettrace completion zsh)\n"
	  "_nettrace() {\n"
	  "	local line nettrace=${words[1]}\n"
	  "	local -a found shown\n"
	  "	[[ $nettrace == */* ]] || nettrace=$commands[$nettrace]\n"
	  "	nettrace=${nettrace:A}\n"
	  "	[[ ${nettrace:t} == nettrace ]] || return 1\n"
	  "	for line in ${(f)\"$($nettrace complete \"${(@Q)words[1,CURRENT-1]}\" "
	  "\"$PREFIX\" 2>/dev/null)\"}; do\n"
	  "		if [[ $line == :files ]]; then\n"
	  "			_files\n"
	  "			return\n"
	  "		fi\n"
	  "		found+=(\"${line%%$'\\t'*}\")\n"
	  "		shown+=(\"${line/$'\\t'/  }\")\n"
	  "	done\n"
	  "	compadd -l -d shown -a found\n"
	  "}\n"
	  "if [[ $funcstack[1] == _nettrace ]]; then\n"
	  "	_nettrace \"$@\"\n"
	  "else\n"
	  "	compdef _nettrace nettrace @\n"
	  "fi\n" },
	{ "fish",
	  "# fish completion for nettrace: nettrace completion fish | source\n"
	  "function __nettrace\n"
	  "	set -l words (commandline -opc)\n"
	  "	set -l nettrace (realpath (command -s $words[1]) 2>/dev/null)\n"
	  "	string match -q '*/nettrace' \"$nettrace\"; or return\n"
	  "	set -l word (commandline -ct)\n"
	  "	for line in ($nettrace complete $words \"$word\" 2>/dev/null)\n"
	  "		if test \"$line\" = :files\n"
	  "			__fish_complete_path \"$word\"\n"
	  "		else\n"
	  "			echo $line\n"
	  "		end\n"
	  "	end\n"
	  "end\n"
	  "for name in nettrace @\n"
	  "	complete -c $name -f -a '(__nettrace)'\n"
	  "end\n" },
};

const char *complete_script(const char *shell)
{
	size_t i;

	for (i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		if (!strcmp(scripts[i].shell, shell))
			return scripts[i].text;
	return NULL;
}
